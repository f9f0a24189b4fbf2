//! The lifecycle of a release: words as enums, rules as a table value.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::error::{Detail, Error, ErrorKind, Result};

/// Where a release stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Taken in, being prepared.
    Created,
    /// Waiting for a reviewer.
    InReview,
    /// Reviewed and found good.
    Approved,
    /// Reviewed and sent back.
    Rejected,
    /// Offered to its audience.
    Published,
    /// Taken out of the shop window; may return.
    Unpublished,
    /// Kept for those who have it; no longer offered.
    Deprecated,
    /// Over.
    Retired,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 8] = [
        Self::Created,
        Self::InReview,
        Self::Approved,
        Self::Rejected,
        Self::Published,
        Self::Unpublished,
        Self::Deprecated,
        Self::Retired,
    ];

    /// The stable word, as stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::InReview => "in-review",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Published => "published",
            Self::Unpublished => "unpublished",
            Self::Deprecated => "deprecated",
            Self::Retired => "retired",
        }
    }
}

/// A step of the lifecycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum Verb {
    Submit,
    Approve,
    Reject,
    Revert,
    Publish,
    Unpublish,
    Republish,
    Deprecate,
    Retire,
    Recycle,
}

impl Verb {
    /// Every verb.
    pub const ALL: [Self; 10] = [
        Self::Submit,
        Self::Approve,
        Self::Reject,
        Self::Revert,
        Self::Publish,
        Self::Unpublish,
        Self::Republish,
        Self::Deprecate,
        Self::Retire,
        Self::Recycle,
    ];

    /// The stable word, as stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Submit => "submit",
            Self::Approve => "approve",
            Self::Reject => "reject",
            Self::Revert => "revert",
            Self::Publish => "publish",
            Self::Unpublish => "unpublish",
            Self::Republish => "republish",
            Self::Deprecate => "deprecate",
            Self::Retire => "retire",
            Self::Recycle => "recycle",
        }
    }

    /// The permission that a step needs; who may do a verb is no business of the table.
    pub const fn permission(self) -> &'static str {
        match self {
            Self::Submit => "mad.application.lifecycle.submit",
            Self::Approve => "mad.application.lifecycle.approve",
            Self::Reject => "mad.application.lifecycle.reject",
            Self::Revert => "mad.application.lifecycle.revert",
            Self::Publish => "mad.application.lifecycle.publish",
            Self::Unpublish => "mad.application.lifecycle.unpublish",
            Self::Republish => "mad.application.lifecycle.republish",
            Self::Deprecate => "mad.application.lifecycle.deprecate",
            Self::Retire => "mad.application.lifecycle.retire",
            Self::Recycle => "mad.application.lifecycle.recycle",
        }
    }
}

/// One permitted step: from a state, by a verb, to a state.
pub type Rule = (State, Verb, State);

/// Which steps exist. A value: build your own with [`Lifecycle::new`].
///
/// ```
/// use appdepot_core::lifecycle::{Lifecycle, State, Verb};
/// let mobile = Lifecycle::mobile();
/// assert_eq!(mobile.step(State::Created, Verb::Submit).unwrap(), State::InReview);
/// let refused = mobile.step(State::Created, Verb::Publish).unwrap_err();
/// assert_eq!(refused.message(), "cannot publish a release that is created; possible: submit");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lifecycle {
    initial: State,
    rules: Vec<Rule>,
}

impl Lifecycle {
    /// A checked lifecycle.
    ///
    /// # Errors
    /// `Invalid` when two rules answer one (state, verb) pair, or a rule starts from a state that cannot be
    /// reached.
    pub fn new(initial: State, rules: impl Into<Vec<Rule>>) -> Result<Self> {
        let this = Self { initial, rules: rules.into() };
        for (at, (from, verb, _)) in this.rules.iter().enumerate() {
            if this.rules.iter().skip(at + 1).any(|(f, v, _)| (f, v) == (from, verb)) {
                return Err(Error::invalid(
                    "rules",
                    format!("two rules for {} {}", from.as_str(), verb.as_str()),
                ));
            }
            if !this.reachable().contains(from) {
                return Err(Error::invalid("rules", format!("{} cannot be reached", from.as_str())));
            }
        }
        Ok(this)
    }

    /// The lifecycle of web apps (WSO2 App Manager's `WebAppLifeCycle`).
    pub fn web() -> Self {
        let mut rules = Self::mobile().rules;
        rules.push((State::Approved, Verb::Revert, State::InReview));
        rules.push((State::Unpublished, Verb::Recycle, State::Created));
        Self { initial: State::Created, rules }
    }

    /// The lifecycle of mobile apps (WSO2 App Manager's `MobileAppLifeCycle`).
    pub fn mobile() -> Self {
        use State::*;
        Self {
            initial: Created,
            rules: vec![
                (Created, Verb::Submit, InReview),
                (InReview, Verb::Approve, Approved),
                (InReview, Verb::Reject, Rejected),
                (Rejected, Verb::Submit, InReview),
                (Approved, Verb::Publish, Published),
                (Published, Verb::Unpublish, Unpublished),
                (Published, Verb::Deprecate, Deprecated),
                (Unpublished, Verb::Republish, Published),
                (Unpublished, Verb::Retire, Retired),
                (Deprecated, Verb::Retire, Retired),
            ],
        }
    }

    /// No review: a release is published when it comes in (Applivery builds, Red Hat store items).
    pub fn direct() -> Self {
        use State::*;
        Self {
            initial: Published,
            rules: vec![
                (Published, Verb::Unpublish, Unpublished),
                (Published, Verb::Deprecate, Deprecated),
                (Unpublished, Verb::Republish, Published),
                (Unpublished, Verb::Retire, Retired),
                (Deprecated, Verb::Retire, Retired),
            ],
        }
    }

    /// The state a new release starts in.
    pub fn initial(&self) -> State {
        self.initial
    }

    /// The rules.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The verbs possible from `state`, in the table's order.
    pub fn allowed(&self, state: State) -> Vec<Verb> {
        self.rules.iter().filter(|(from, ..)| *from == state).map(|(_, verb, _)| *verb).collect()
    }

    /// Where `verb` leads from `state`.
    ///
    /// # Errors
    /// `Conflict` with [`Detail::Step`], which lists the verbs that are possible.
    pub fn step(&self, state: State, verb: Verb) -> Result<State> {
        let rule = self.rules.iter().find(|(from, by, _)| (*from, *by) == (state, verb));
        rule.map(|(.., to)| *to).ok_or_else(|| {
            let allowed = self.allowed(state);
            let words: Vec<_> = allowed.iter().map(|verb| verb.as_str()).collect();
            let possible = if words.is_empty() { "nothing".to_owned() } else { words.join(", ") };
            Error::new(
                ErrorKind::Conflict,
                format!(
                    "cannot {} a release that is {}; possible: {possible}",
                    verb.as_str(),
                    state.as_str()
                ),
            )
            .with_detail(Detail::Step { state, verb, allowed })
        })
    }

    /// The table as a Mermaid state diagram.
    pub fn to_mermaid(&self) -> String {
        let name = |state: State| state.as_str().replace('-', "_");
        let mut out = format!("stateDiagram-v2\n    [*] --> {}\n", name(self.initial));
        for (from, verb, to) in &self.rules {
            let _ = writeln!(out, "    {} --> {}: {}", name(*from), name(*to), verb.as_str());
        }
        for state in self.reachable().into_iter().filter(|state| self.allowed(*state).is_empty()) {
            let _ = writeln!(out, "    {} --> [*]", name(state));
        }
        out
    }

    fn reachable(&self) -> Vec<State> {
        let mut reached = vec![self.initial];
        let mut at = 0;
        while let Some(state) = reached.get(at).copied() {
            for (_, _, to) in self.rules.iter().filter(|(from, ..)| *from == state) {
                if !reached.contains(to) {
                    reached.push(*to);
                }
            }
            at += 1;
        }
        reached
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_tables_are_sound() {
        for table in [Lifecycle::web(), Lifecycle::mobile(), Lifecycle::direct()] {
            assert_eq!(Lifecycle::new(table.initial, table.rules.clone()).unwrap(), table);
        }
        assert_eq!(Lifecycle::web().rules.len(), Lifecycle::mobile().rules.len() + 2);
    }

    #[test]
    fn every_pair_without_a_rule_is_refused() {
        for table in [Lifecycle::web(), Lifecycle::mobile()] {
            let steps = State::ALL.iter().flat_map(|s| Verb::ALL.iter().map(move |v| (*s, *v)));
            let permitted = steps.filter(|(state, verb)| table.step(*state, *verb).is_ok()).count();
            assert_eq!(permitted, table.rules.len());
        }
    }

    #[test]
    fn retired_is_the_end_and_mobile_apps_do_not_recycle() {
        assert!(Lifecycle::web().allowed(State::Retired).is_empty());
        assert!(Lifecycle::web().allowed(State::Unpublished).contains(&Verb::Recycle));
        assert!(!Lifecycle::mobile().allowed(State::Unpublished).contains(&Verb::Recycle));
        assert!(!Lifecycle::web().allowed(State::Published).contains(&Verb::Retire));
    }

    #[test]
    fn bad_tables_are_refused() {
        use State::*;
        let twice = [(Created, Verb::Submit, InReview), (Created, Verb::Submit, Approved)];
        assert!(Lifecycle::new(Created, twice).is_err());
        assert!(Lifecycle::new(Created, [(Approved, Verb::Publish, Published)]).is_err());
    }

    #[test]
    fn mermaid_shows_start_steps_and_end() {
        let text = Lifecycle::mobile().to_mermaid();
        assert!(text.starts_with("stateDiagram-v2\n    [*] --> created\n"));
        assert!(text.contains("    approved --> published: publish\n"));
        assert!(text.ends_with("    retired --> [*]\n"));
    }
}
