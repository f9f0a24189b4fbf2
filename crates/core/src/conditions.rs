//! The conditions port: the language that policies say in whom they permit.

use std::collections::BTreeSet;
use std::fmt;

use crate::authorize::{Person, Subject};
use crate::domain::Timestamp;
use crate::error::{Error, ErrorKind, Result};

/// Reads the conditions of policies and holds them against people.
pub trait Conditions: fmt::Debug + Send + Sync + 'static {
    /// Whether a condition is understood.
    ///
    /// # Errors
    /// `Invalid` with the field `policy`, saying what is not understood and where; `Unsupported` where no
    /// condition is.
    fn check(&self, condition: &str) -> Result<()>;

    /// Whether a condition permits these facts.
    ///
    /// # Behavior
    /// - No, for what is not understood or cannot be decided.
    /// - Takes bounded time, whatever the condition.
    /// - A group is no role and a role no group, whatever they are called: who makes groups gives no roles.
    fn permits(&self, condition: &str, facts: &Facts) -> bool;
}

/// What is known of somebody when a condition is held against them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Who.
    pub subject: Subject,
    /// What their credential says of them.
    pub person: Person,
    /// The names of the groups they are in.
    pub groups: BTreeSet<String>,
    /// The names of the roles they or their groups have, in the organization or on the app.
    pub roles: BTreeSet<String>,
    /// When it is asked.
    pub at: Timestamp,
}

/// Understands no condition and permits nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoConditions;

impl Conditions for NoConditions {
    fn check(&self, _: &str) -> Result<()> {
        Err(Error::new(ErrorKind::Unsupported, "conditions are not read here"))
    }

    fn permits(&self, _: &str, _: &Facts) -> bool {
        false
    }
}
