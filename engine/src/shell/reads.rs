//! Reads that need not be asked for again: what records looked like, kept for as long as the rules say.
//!
//! Always true: a read that was under way when its record was invalidated is not kept; what is kept serves only
//! requests for fields and links that it was asked for, and only in the epoch (the time between a start and its end)
//! that kept them: what an earlier one kept it may have failed to remove, and nobody knows that any more.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use connectors::cache::{Cache, key};
use connectors::port::{Answer, Observed, Request, Verb};
use dsl::program::Program;

/// What is kept: the epoch that kept it, fields and links that were asked for, and what came.
type Kept = (String, BTreeSet<String>, BTreeSet<String>, Observed);

/// The cache, as the loop uses it; clones are the same.
#[derive(Clone)]
pub struct Reads {
    cache: Arc<dyn Cache>,
    /// Tells this epoch of the engine from every other one that uses the same store.
    epoch: Arc<str>,
    times: Arc<Mutex<BTreeMap<String, Duration>>>,
    stale: Arc<Mutex<Stale>>,
}

#[derive(Default)]
struct Stale {
    /// Grows with every invalidation.
    now: u64,
    /// The last invalidation of a key, while reads are under way.
    last: BTreeMap<String, u64>,
    under_way: usize,
}

/// A request that is under way; what is invalidated meanwhile is not kept from it.
pub(super) struct Began {
    at: u64,
    stale: Arc<Mutex<Stale>>,
}

impl Drop for Began {
    fn drop(&mut self) {
        let mut stale = locked(&self.stale);
        stale.under_way -= 1;
        if stale.under_way == 0 {
            stale.last.clear();
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Reads {
    /// Keeps reads in `cache`. `epoch` is another one at every start: what was kept under another name is not served.
    #[must_use]
    pub fn new(cache: Arc<dyn Cache>, epoch: &str) -> Self {
        Self { cache, epoch: epoch.into(), times: Arc::default(), stale: Arc::default() }
    }

    /// Takes the times of `cache reads for …`; reads of other systems are not kept.
    pub(super) fn set_times(&self, program: &Program) {
        *locked(&self.times) = program
            .systems
            .iter()
            .filter_map(|(name, system)| Some((name.clone(), Duration::from(system.cache?))))
            .collect();
    }

    pub(super) fn begin(&self) -> Began {
        let mut stale = locked(&self.stale);
        stale.under_way += 1;
        Began { at: stale.now, stale: Arc::clone(&self.stale) }
    }

    /// What is known of each input, and a request for the rest.
    pub(super) async fn known(&self, system: &str, request: &Request) -> (Vec<Option<Answer>>, Option<Request>) {
        let Verb::Read { entity, by, fields, links } = &request.verb else {
            return (vec![None; request.inputs.len()], Some(request.clone()));
        };
        let mut known = Vec::with_capacity(request.inputs.len());
        let mut rest = Request { verb: request.verb.clone(), inputs: Vec::new() };
        for input in &request.inputs {
            let found = match &input.id {
                Some(id) if by == "id" => self.cache.get(&name(system, entity, id)).await,
                _ => None,
            };
            let kept: Option<Kept> = found.and_then(|bytes| serde_json::from_slice(&bytes).ok());
            let fits = kept.filter(|(epoch, has_fields, has_links, _)| {
                **epoch == *self.epoch
                    && fields.iter().all(|field| has_fields.contains(field))
                    && links.iter().all(|link| has_links.contains(link))
            });
            match fits {
                Some((.., observed)) => known.push(Some(Answer::Record(observed))),
                None => {
                    known.push(None);
                    rest.inputs.push(input.clone());
                }
            }
        }
        let rest = (!rest.inputs.is_empty()).then_some(rest);
        (known, rest)
    }

    /// Keeps what was read by id.
    pub(super) async fn keep(&self, system: &str, request: &Request, answers: &[Answer], began: &Began) {
        let Verb::Read { entity, by, fields, links } = &request.verb else { return };
        let Some(time) = locked(&self.times).get(system).copied() else { return };
        if by != "id" {
            return;
        }
        for (input, answer) in request.inputs.iter().zip(answers) {
            let (Some(id), Answer::Record(observed)) = (&input.id, answer) else { continue };
            // A record that answers under another id was merged: the old name is kept for nobody.
            if observed.id != *id {
                continue;
            }
            let name = name(system, entity, id);
            let fresh = || locked(&self.stale).last.get(&name).is_none_or(|at| *at <= began.at);
            if !fresh() {
                continue;
            }
            let (fields, links): (BTreeSet<_>, BTreeSet<_>) = (fields.iter().collect(), links.iter().collect());
            let kept = (&*self.epoch, fields, links, observed);
            let bytes = serde_json::to_vec(&kept).expect("an observation is plain data");
            // Looked at again behind the put: an invalidation in between may have removed nothing yet.
            self.cache.put(&name, Bytes::from(bytes), time).await;
            if !fresh() {
                self.cache.remove(&name).await;
            }
        }
    }

    /// Notes at once that a record is stale; the future removes it. `None` where nothing of its system is kept.
    pub(super) fn forget(
        &self,
        system: &str,
        entity: &str,
        id: &str,
    ) -> Option<impl Future<Output = ()> + Send + 'static + use<>> {
        locked(&self.times).get(system)?;
        let name = name(system, entity, id);
        {
            let mut stale = locked(&self.stale);
            stale.now += 1;
            if stale.under_way > 0 {
                let now = stale.now;
                stale.last.insert(name.clone(), now);
            }
        }
        let cache = Arc::clone(&self.cache);
        Some(async move { cache.remove(&name).await })
    }

    /// What happened so far.
    #[must_use]
    pub fn counts(&self) -> connectors::cache::Counts {
        self.cache.counts()
    }

    /// False where the cache did not answer when it was asked last.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.cache.is_up()
    }
}

/// `crm:contact:<id>`
fn name(system: &str, entity: &str, id: &str) -> String {
    key(system, &entity.to_lowercase(), id)
}

#[cfg(test)]
mod tests {
    use connectors::cache::memory::MemoryCache;
    use connectors::port::Input;

    use super::*;

    fn reads() -> Reads {
        in_epoch(&(Arc::new(MemoryCache::new(1 << 20)) as Arc<dyn Cache>), "1")
    }

    fn in_epoch(cache: &Arc<dyn Cache>, epoch: &str) -> Reads {
        let reads = Reads::new(Arc::clone(cache), epoch);
        locked(&reads.times).insert("crm".to_owned(), Duration::from_secs(3_600));
        reads
    }

    fn request(ids: &[&str], fields: &[&str]) -> Request {
        let inputs = ids.iter().map(|id| Input { id: Some((*id).to_owned()), ..Input::default() }).collect();
        let fields = fields.iter().map(|field| (*field).to_owned()).collect();
        Request {
            verb: Verb::Read { entity: "Contact".to_owned(), by: "id".to_owned(), fields, links: Vec::new() },
            inputs,
        }
    }

    fn record(id: &str) -> Answer {
        Answer::Record(Observed { id: id.to_owned(), complete: true, ..Observed::default() })
    }

    #[tokio::test]
    async fn a_read_is_answered_once_and_then_known() {
        let reads = reads();
        let asked = request(&["1"], &["email"]);
        reads.keep("crm", &asked, &[record("1")], &reads.begin()).await;
        let (known, rest) = reads.known("crm", &request(&["1", "2"], &["email"])).await;
        assert_eq!(known, [Some(record("1")), None]);
        assert_eq!(rest.map(|rest| rest.inputs.len()), Some(1));
        assert!(reads.cache.get("crm:contact:1").await.is_some());
    }

    #[tokio::test]
    async fn a_read_of_fewer_fields_does_not_serve_more() {
        let reads = reads();
        reads.keep("crm", &request(&["1"], &["email"]), &[record("1")], &reads.begin()).await;
        let (known, _) = reads.known("crm", &request(&["1"], &["email", "phone"])).await;
        assert_eq!(known, [None]);
    }

    #[tokio::test]
    async fn what_is_invalidated_while_it_is_read_is_not_kept() {
        let reads = reads();
        let began = reads.begin();
        if let Some(removal) = reads.forget("crm", "Contact", "1") {
            removal.await;
        }
        reads.keep("crm", &request(&["1"], &[]), &[record("1")], &began).await;
        assert_eq!(reads.known("crm", &request(&["1"], &[])).await.0, [None]);
        drop(began);
        reads.keep("crm", &request(&["1"], &[]), &[record("1")], &reads.begin()).await;
        assert_eq!(reads.known("crm", &request(&["1"], &[])).await.0, [Some(record("1"))]);
    }

    /// Killed between the round that changed a record and the removal that follows it, an engine leaves what it kept.
    #[tokio::test]
    async fn what_an_earlier_epoch_kept_is_not_served_and_is_replaced() {
        let store: Arc<dyn Cache> = Arc::new(MemoryCache::new(1 << 20));
        let asked = request(&["1"], &["email"]);
        let before = in_epoch(&store, "1");
        before.keep("crm", &asked, &[record("1")], &before.begin()).await;
        let after = in_epoch(&store, "2");
        let (known, rest) = after.known("crm", &asked).await;
        assert_eq!((known, rest.as_ref()), (vec![None], Some(&asked)));
        after.keep("crm", &asked, &[record("1")], &after.begin()).await;
        assert_eq!(after.known("crm", &asked).await.0, [Some(record("1"))]);
    }

    #[tokio::test]
    async fn a_system_without_a_time_keeps_nothing() {
        let reads = reads();
        reads.keep("app", &request(&["1"], &[]), &[record("1")], &reads.begin()).await;
        assert_eq!(reads.known("app", &request(&["1"], &[])).await.0, [None]);
    }
}
