//! Durable sync and workflows between systems, by rules that people who do not program can edit: an engine to be
//! embedded in a program.
//!
//! ```
//! use engine::{Engine, Error, HubSpot, Rest, Rules, State};
//!
//! # const RULES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/hello_rule/rules");
//! # const NOWHERE: &str = "http://127.0.0.1:9";
//! #[tokio::main]
//! async fn main() -> Result<(), Error> {
//!     let engine = Engine::builder()
//!         .rules(Rules::folder(RULES))
//!         .state(State::memory()) // `State::folder` survives the process and a power cut
//!         .system("crm", HubSpot::new("token of a private app").base_url(NOWHERE))
//!         .system("shop", Rest::new(NOWHERE, "token"))
//!         .start()
//!         .await?;
//!     engine.backfill("ada", "Customers").await?; // durable when this returns
//!     println!("{} syncs, {} calls under way", engine.status().await?.rules.syncs, engine.status().await?.under_way);
//!     engine.stop().await
//! }
//! ```
//!
//! [`Builder`] gathers what an engine is made of: rules from a folder or from texts ([`Rules`]), where its state is kept
//! ([`State`]), and how each system of the rules is reached: [`HubSpot`], [`Rest`], [`Http`], or a [`connector`] of the
//! program's own. [`Engine`] is the running one: it takes deliveries ([`Engine::deliver`], [`Engine::router`]), is looked
//! at ([`Engine::status`], [`Engine::runs`], [`Engine::why`] and their like, which answer with types of [`api`]), acted on
//! ([`Engine::retry`], [`Engine::reload`] and their like) and stopped ([`Engine::stop`]).
//!
//! Nothing of the process is touched unless it is asked for: no listener ([`Builder::listen`], [`Builder::admin`]), no
//! recorder of figures ([`Builder::record_metrics`]), no signal, and no log: what the engine has to say goes to
//! `tracing`, and the program decides where that goes. Two engines in one process share nothing.
//!
//! The binary `engine` ([`command`]) is one program that embeds this crate. `examples/` in the repository holds others.
//!
//! # Features
//!
//! * `kafka-tls`: Kafka over TLS.
//! * `test-kit`: [`connector::testing`](connector), the contract of a connector as a test.
#![cfg_attr(
    not(feature = "testing"),
    expect(
        unreachable_pub,
        unused_imports,
        dead_code,
        reason = "what the tests of this workspace see through `testing`"
    )
)]

mod admin;
mod cli;
mod clock;
mod config;
#[cfg_attr(
    not(test),
    deny(
        clippy::disallowed_methods,
        clippy::disallowed_types,
        reason = "decide is pure; it may not look at the world"
    )
)]
mod decide;
mod embed;
#[cfg_attr(
    not(test),
    deny(
        clippy::disallowed_methods,
        clippy::disallowed_types,
        reason = "the gate is given the time; it may not look at the world"
    )
)]
mod gate;
mod ids;
mod intake;
mod ledger;
mod proc;
mod rehearse;
mod rules;
mod runtime;
mod shell;
mod tasks;
mod telemetry;
#[cfg(feature = "testing")]
pub mod testing;

pub use admin::api;
pub use cli::main as command;
pub use config::{Kafka, Sasl, SecretAt, Security};
pub use connectors::secret::Secret;
pub use embed::{Builder, Cause, Engine, Error, Http, HubSpot, Rest, connector};
pub use rules::Rules;
pub use rules::stored::Findings;
pub use runtime::{State, System};
