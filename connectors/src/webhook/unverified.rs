//! What senders hold here of whom nothing is known yet: places and bytes, and who has to give way when there is no more.
//!
//! In: who holds how much. Out: whom to turn away. Always true: the sender (by its address) that holds most gives way
//! first, and of what it holds the oldest: a head or body of an honest sender is here for milliseconds, one that shall
//! keep a place from others for as long as it may. What is known (its signature fits) holds nothing here.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

/// Everything of one kind that unverified senders hold. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Unverified(Arc<Mutex<Held>>);

#[derive(Debug, Default)]
struct Held {
    next: u64,
    /// What all of them hold.
    amount: usize,
    /// By the order in which they came.
    holders: BTreeMap<u64, Holder>,
}

#[derive(Debug)]
struct Holder {
    sender: Option<IpAddr>,
    amount: usize,
    gives_way: CancellationToken,
}

impl Unverified {
    /// Somebody comes who holds nothing yet. A sender without a known address is one sender with all of its kind.
    #[must_use]
    pub fn enter(&self, sender: Option<IpAddr>) -> Hold {
        let mut held = self.lock();
        let number = held.next;
        held.next += 1;
        let gives_way = CancellationToken::new();
        held.holders.insert(number, Holder { sender, amount: 0, gives_way: gives_way.clone() });
        drop(held);
        Hold { all: self.clone(), number, sender, gives_way }
    }

    /// How much is held.
    #[must_use]
    pub fn amount(&self) -> usize {
        self.lock().amount
    }

    /// Has the one give way whose turn it is; false where nobody holds anything.
    #[must_use]
    pub fn turn_away(&self) -> bool {
        let mut held = self.lock();
        let mut amounts: BTreeMap<Option<IpAddr>, usize> = BTreeMap::new();
        for holder in held.holders.values() {
            *amounts.entry(holder.sender).or_default() += holder.amount;
        }
        let Some((most, _)) = amounts.into_iter().filter(|(_, amount)| *amount > 0).max_by_key(|(_, amount)| *amount)
        else {
            return false;
        };
        let oldest = held.holders.values_mut().find(|holder| holder.sender == most && holder.amount > 0);
        let freed = oldest.map_or(0, |holder| {
            holder.gives_way.cancel();
            std::mem::take(&mut holder.amount)
        });
        held.amount -= freed;
        true
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one of them holds; nothing any more where this is dropped.
#[derive(Debug)]
pub struct Hold {
    all: Unverified,
    number: u64,
    sender: Option<IpAddr>,
    gives_way: CancellationToken,
}

impl Hold {
    /// Who it is.
    #[must_use]
    pub fn sender(&self) -> Option<IpAddr> {
        self.sender
    }

    /// It holds so much from now on; nothing where it has become known. One that has to give way holds nothing more.
    pub fn set(&self, amount: usize) {
        let mut held = self.all.lock();
        if let Some(holder) = held.holders.get_mut(&self.number)
            && !holder.gives_way.is_cancelled()
        {
            let before = std::mem::replace(&mut holder.amount, amount);
            held.amount = held.amount - before + amount;
        }
    }

    /// Ends when it has to give way.
    pub async fn gives_way(&self) {
        self.gives_way.cancelled().await;
    }

    /// It has to give way.
    #[must_use]
    pub fn has_to_give_way(&self) -> bool {
        self.gives_way.is_cancelled()
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut held = self.all.lock();
        held.amount -= held.holders.remove(&self.number).map_or(0, |holder| holder.amount);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> Option<IpAddr> {
        Some(IpAddr::from([127, 0, 0, last]))
    }

    #[test]
    fn the_oldest_of_the_sender_that_holds_most_gives_way() {
        let strangers = Unverified::default();
        let holds = [(1, 5), (2, 4), (1, 1), (2, 4)].map(|(sender, amount)| {
            let hold = strangers.enter(address(sender));
            hold.set(amount);
            hold
        });
        let away = || holds.iter().map(Hold::has_to_give_way).collect::<Vec<_>>();
        assert!(strangers.turn_away());
        assert_eq!(away(), [false, true, false, false], "the second sender holds 8 of 14");
        assert_eq!(strangers.amount(), 10);
        assert!(strangers.turn_away());
        assert_eq!(away(), [true, true, false, false], "the first one 6 of 10");
        // What has given way takes nothing more, and neither does what has become known.
        holds[0].set(100);
        holds[3].set(0);
        assert_eq!(strangers.amount(), 1);
        assert!(strangers.turn_away() && holds[2].has_to_give_way());
        assert!(!strangers.turn_away(), "nobody is left");
        drop(holds);
        assert_eq!(strangers.amount(), 0);
    }
}
