//! Why somebody may do something, who may, and what a change would change.

use std::collections::BTreeSet;

use super::{Subject, Target};
use crate::domain::{Effect, Grant, Group, Id, PermissionPattern, Role, Rule};

/// Why a decision is what it is. Agrees with [`Authorizer::authorize`](super::Authorizer::authorize).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// What the decision is, and if it is no, what is missing.
    pub outcome: Decision,
    /// Every chain from a grant to a rule that covers the permission, those that deny first.
    pub chains: Vec<Chain>,
}

/// A decision with its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Some chain allows and none denies.
    Allowed,
    /// No grant in the organization: it does not exist for this subject.
    NoStanding,
    /// No rule is about this permission; nobody may do it.
    UnknownPermission,
    /// No role of the subject allows it here.
    NoRole,
    /// Some chain denies.
    Denied,
    /// The subject may, its credential was narrowed to scopes that may not.
    OutOfScope,
}

/// How a rule comes to apply to a subject.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Chain {
    /// Allow or deny.
    pub effect: Effect,
    /// What the rule covers.
    pub pattern: PermissionPattern,
    /// The roles from the granted one to the one whose rule it is; empty for a rule on the subject itself.
    pub roles: Vec<Role>,
    /// The group through which the subject has the grant or the rule.
    pub group: Option<Id<Group>>,
    /// The grant; none for a rule on the subject itself.
    pub grant: Option<Id<Grant>>,
    /// The rule, if it is one of the organization's own.
    pub rule: Option<Id<Rule>>,
}

/// Something to change about who may do what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PolicyChange {
    /// Give a role.
    Grant(Grant),
    /// Take a role away.
    Revoke(Grant),
    /// Write a rule, in place of the one about the same, if there is any.
    Put(Rule),
    /// Remove a rule.
    Remove(Rule),
    /// Change who is in a group.
    Members {
        /// Which.
        group: Id<Group>,
        /// Who comes.
        add: Vec<Subject>,
        /// Who goes.
        remove: Vec<Subject>,
    },
}

/// One thing that one subject may do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Right {
    /// Who.
    pub subject: Subject,
    /// What.
    pub permission: String,
    /// Where. What holds in the organization as a whole holds on its apps as well, except on those that are
    /// listed with the opposite.
    pub target: Target,
}

/// What a change would come to. On apps that neither grant names, rights are those in the organization as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Difference {
    /// What could be done only afterwards.
    pub gained: BTreeSet<Right>,
    /// What could be done only before.
    pub lost: BTreeSet<Right>,
}
