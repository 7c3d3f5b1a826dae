//! How a response reaches its client.
//!
//! In: nothing; whoever answers puts a [`Sending`] among the extensions of a response. Out: whoever carries the response
//! to its client reads it there. Always true: a response without one is sent whole and at once.

use dsl::value::Duration;

/// How a response reaches its client; a response without one is sent whole and at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sending {
    /// It begins only so long after the request.
    pub after: Duration,
    /// How far it gets.
    pub ending: Ending,
}

/// How far a response gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ending {
    /// To its end.
    #[default]
    Whole,
    /// Nothing of it: the connection breaks instead.
    Lost,
    /// Its head and half of its body, then the connection breaks.
    Cut,
    /// Its body goes on with blanks for as long as the client listens.
    Endless,
    /// Its body comes byte by byte, ten in a second.
    Drip,
}

impl Sending {
    /// What stands among the extensions of `response`.
    #[must_use]
    pub fn of<B>(response: &http::Response<B>) -> Self {
        response.extensions().get().copied().unwrap_or_default()
    }
}
