//! Conditions in XACML 3.0 (OASIS, January 2013), as far as rules of policies need it.

mod expression;
mod function;
mod parse;
mod value;

use appdepot_core::conditions::{Conditions, Facts};
use appdepot_core::{Error, Result};

use self::expression::Expression;
use self::value::{Indeterminate, Value};

/// Reads a `Rule` with an `Effect` and one `Condition`, or a `Condition` alone, which permits where it holds.
///
/// Only a rule that permits, and whose condition holds, permits. So one that denies never does: who wants to keep
/// some out writes a rule that permits with `not`, or asks for [`only_deny_blocks`](Self::only_deny_blocks).
///
/// Anything but this is refused when it is written, not when it is evaluated:
///
/// | | understood, each by its full name |
/// |---|---|
/// | types | `string`, `boolean`, `integer`, `time` |
/// | functions | `and`, `or`, `not`; `any-of` and `all-of` with a function of two arguments, a value and a bag |
/// | of each type | `T-equal`, `T-one-and-only`, `T-bag`, `T-bag-size`, `T-is-in`, `T-at-least-one-member-of`, `T-subset` |
/// | of integers and times | `T-greater-than`, `T-greater-than-or-equal`, `T-less-than`, `T-less-than-or-equal`; `time-in-range` |
/// | of strings | `string-equal-ignore-case`, `string-normalize-to-lower-case`, `string-regexp-match` |
/// | of the subject | `urn:oasis:names:tc:xacml:1.0:subject:subject-id`, the name without its prefix |
/// | | `http://wso2.org/claims/role`, the names of groups: what WSO2 calls roles |
/// | | `urn:oasis:names:tc:xacml:2.0:subject:role` (XACML's RBAC profile), the roles that were given |
/// | | `http://wso2.org/claims/emailaddress`, `…/givenname`, `…/lastname` |
/// | of the environment | `urn:oasis:names:tc:xacml:1.0:environment:current-time`, in UTC |
///
/// ```
/// use appdepot_authz::Xacml;
/// use appdepot_core::conditions::Conditions as _;
///
/// let refused = Xacml::new().check("<Condition><Apply FunctionId='here'/></Condition>").unwrap_err();
/// assert!(refused.to_string().contains("character 12"), "{refused}");
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Xacml {
    only_deny_blocks: bool,
}

impl Xacml {
    /// Only what permits permits.
    pub fn new() -> Self {
        Self::default()
    }

    /// As WSO2's gateway has it: only a rule that denies, and whose condition holds, keeps anyone out. A rule that
    /// permits keeps nobody out then, nor does what cannot be decided. For policies that were written for it.
    #[must_use]
    pub fn only_deny_blocks(mut self) -> Self {
        self.only_deny_blocks = true;
        self
    }
}

impl Conditions for Xacml {
    fn check(&self, condition: &str) -> Result<()> {
        parse::rule(condition).map(|_| ()).map_err(|(at, message)| {
            Error::invalid(
                "policy",
                format!("not understood at character {}: {message}", at.saturating_add(1)),
            )
        })
    }

    fn permits(&self, condition: &str, facts: &Facts) -> bool {
        let Ok(rule) = parse::rule(condition) else { return false };
        let holds = match rule.condition.map(|condition| condition.value(facts)) {
            None => Ok(true),
            Some(Ok(Value::Boolean(holds))) => Ok(holds),
            Some(_) => Err(Indeterminate),
        };
        match rule.effect {
            Effect::Permit => self.only_deny_blocks || holds == Ok(true),
            Effect::Deny => self.only_deny_blocks && holds != Ok(true),
        }
    }
}

#[derive(Debug)]
struct Rule {
    effect: Effect,
    condition: Option<Expression>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    Permit,
    Deny,
}

#[cfg(test)]
mod tests;
