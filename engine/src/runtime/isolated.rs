//! A connector that breaks off takes nothing else with it.
//!
//! In: any connector. Out: the same one, of which no method that is asked on the engine's own threads panics.
//! Always true: what broke off is in the log; the answer in its place is the careful one. Not here: requests
//! themselves, which are isolated where they are sent ([`crate::shell::Caller`]).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use async_trait::async_trait;
use connectors::port::{Answer, Connector, Delivery, Request, Unreadable, Verb};
use dsl::value::Timestamp;

/// A connector and whose it is.
pub(super) struct Isolated {
    system: String,
    inner: Arc<dyn Connector>,
}

impl Isolated {
    pub(super) fn new(system: &str, inner: Arc<dyn Connector>) -> Self {
        Self { system: system.to_owned(), inner }
    }

    /// What the connector says, or nothing where it breaks off.
    fn asked<T>(&self, what: &str, ask: impl FnOnce(&dyn Connector) -> T) -> Option<T> {
        match catch_unwind(AssertUnwindSafe(|| ask(&*self.inner))) {
            Ok(said) => Some(said),
            Err(_) => {
                tracing::error!(system = self.system, what, "a connector broke off, which is a defect of it");
                None
            }
        }
    }
}

#[async_trait]
impl Connector for Isolated {
    /// One where it breaks off: the smallest request that there is.
    fn max_batch(&self, verb: &Verb) -> usize {
        self.asked("max_batch", |inner| inner.max_batch(verb)).unwrap_or(1)
    }

    /// One where it breaks off.
    fn calls(&self, request: &Request) -> u32 {
        self.asked("calls", |inner| inner.calls(request)).unwrap_or(1)
    }

    async fn perform(&self, request: &Request) -> Vec<Answer> {
        self.inner.perform(request).await
    }

    fn notices(&self, now: Timestamp) -> Vec<String> {
        let broken = || vec!["its connector breaks off when it is asked for notices".to_owned()];
        self.asked("notices", |inner| inner.notices(now)).unwrap_or_else(broken)
    }

    /// Unreadable where it breaks off: a webhook's sender keeps the delivery, a record of Kafka is kept for people.
    fn read(&self, body: &[u8]) -> Result<Delivery, Unreadable> {
        let broken = || Err(Unreadable::Delivery("the connector broke off while it read this".to_owned()));
        self.asked("read", |inner| inner.read(body)).unwrap_or_else(broken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Broken;

    #[async_trait]
    impl Connector for Broken {
        fn max_batch(&self, _: &Verb) -> usize {
            panic!("no batch")
        }
        fn calls(&self, _: &Request) -> u32 {
            panic!("no count")
        }
        async fn perform(&self, _: &Request) -> Vec<Answer> {
            panic!("no answer")
        }
        fn notices(&self, _: Timestamp) -> Vec<String> {
            panic!("no notice")
        }
        fn read(&self, _: &[u8]) -> Result<Delivery, Unreadable> {
            panic!("no delivery")
        }
    }

    #[test]
    fn whatever_breaks_off_has_a_careful_answer() {
        let connector = Isolated::new("shop", Arc::new(Broken));
        let verb = Verb::Delete { entity: "Order".to_owned() };
        assert_eq!(connector.max_batch(&verb), 1);
        assert_eq!(connector.calls(&Request { verb, inputs: Vec::new() }), 1);
        assert_eq!(connector.notices(Timestamp(0)).len(), 1);
        assert!(connector.read(b"{}").is_err_and(|why| why.to_string().contains("broke off")));
    }
}
