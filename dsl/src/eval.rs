//! Runs checked expressions: correct and simple; the oracle for any faster way.
//!
//! In: an expression and a [`Scope`] that answers for variables. Out: a value, or why there is none yet.
//! Always true: the same expression over the same answers gives the same value; there is no clock here.

use crate::program::Expr;
use crate::schema::Lookup;
use crate::value::Value;

/// What an expression can ask about the world.
pub trait Scope {
    /// What must be fetched before the question can be answered.
    type Need;

    /// The field (or member of an event or result) reached from `variable` over `links`.
    /// [`Value::Empty`] where a link is absent or the variable is bound to nothing.
    ///
    /// # Errors
    /// [`Halt::Need`] where it has not been observed, [`Halt::Fault`] where it cannot be used.
    fn field(&self, variable: &str, links: &[String], field: &str) -> Result<Value, Halt<Self::Need>>;

    /// The id of the record reached from `variable` over `links`, as text.
    ///
    /// # Errors
    /// As for [`Scope::field`].
    fn reference(&self, variable: &str, links: &[String]) -> Result<Value, Halt<Self::Need>>;

    /// The record reached from `variable` over `links`, as a [`Value::Record`].
    ///
    /// # Errors
    /// As for [`Scope::field`].
    fn record(&self, variable: &str, links: &[String]) -> Result<Value, Halt<Self::Need>>;

    /// What `lookup` of `system` finds for `value`; empty where it finds nothing.
    ///
    /// # Errors
    /// As for [`Scope::field`].
    fn lookup(&self, system: &str, lookup: &Lookup, value: &Value) -> Result<Value, Halt<Self::Need>>;
}

/// Why there is no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Halt<N> {
    /// Something must be fetched first.
    Need(N),
    /// It can never be computed from what is there; a person must look.
    Fault(Fault),
}

/// Why a value can never be computed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A spelling that no row of its choice has.
    #[error("{field} holds `{spelling}`, which no row of {choice} spells")]
    Unspelled {
        /// `crm.Deal.dealstage`
        field: String,
        /// What arrived.
        spelling: String,
        /// The choice.
        choice: String,
    },
    /// A value that is not of the type its lock says.
    #[error("{field} should be {expected}, but holds `{found}`")]
    Malformed {
        /// `crm.Deal.amount`
        field: String,
        /// The type in plain words.
        expected: &'static str,
        /// What arrived.
        found: String,
    },
    /// Arithmetic that has no result.
    #[error("{0}")]
    Arithmetic(String),
    /// A value that a transform cannot take.
    #[error("`{value}` cannot be used {transform}: {reason}")]
    Transform {
        /// `as e164`
        transform: String,
        /// What it was given.
        value: String,
        /// Why not.
        reason: String,
    },
}
/// Runs `expr`; the program holds its tables and choices.
///
/// # Errors
/// Whatever `scope` halts with, or a fault of arithmetic or a transform.
pub fn eval<S: Scope>(program: &crate::program::Program, expr: &Expr, scope: &S) -> Result<Value, Halt<S::Need>> {
    let _ = (program, expr, scope);
    todo!()
}
