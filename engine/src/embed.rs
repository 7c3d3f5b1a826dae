//! The door of the crate: an engine inside of another program.
//!
//! In: what [`Builder`] gathers. Out: an [`Engine`], which is given deliveries, looked at, acted on and stopped.
//! Always true: nothing listens, no signal is handled, and neither log nor metrics recorder is set up unless asked for;
//! two engines in one process share nothing. The daemon (`engine run`) comes through this door and has no other.

mod builder;
pub mod connector;
mod engine;
mod error;
mod systems;

pub use self::builder::Builder;
pub use self::engine::Engine;
pub use self::error::{Cause, Error};
pub use self::systems::{Http, HubSpot, Rest};
