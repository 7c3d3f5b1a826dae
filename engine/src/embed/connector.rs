//! What a connector of your own is made of.
//!
//! A [`Connector`] says how one system is asked ([`Request`] in, one [`Answer`] for each input out) and how what it sends
//! is read ([`Delivery`]). When to ask, how often and in which order, and what to do with an answer, is the engine's
//! business: a connector neither retries nor waits.
//!
//! What it must keep is held by `testing::holds`, which the feature `test-kit` gives to the tests of a connector that is
//! written over a [`Transport`].

pub use async_trait::async_trait;
pub use connectors::http::{Transport, TransportError, lost, request, trouble};
pub use connectors::port::{
    Answer, Body, Connector, Delivery, Input, LimitWindow, LinkChange, Malformed, Message, Observed, Refusal, Request,
    Unreadable, Verb, Wire,
};
pub use connectors::webhook::Verify;
pub use dsl::schema::Change;
pub use dsl::value::Timestamp;
pub use http::HeaderMap;

/// Holds a connector to the contract, in its tests.
#[cfg(feature = "test-kit")]
pub mod testing {
    pub use connectors::testing::contract::holds;
    pub use connectors::testing::script::{Script, Sent, Step};
}
