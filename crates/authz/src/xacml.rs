//! Conditions in XACML 3.0 (OASIS, January 2013), as far as rules of policies need it.

mod parse;

use std::collections::BTreeSet;

use appdepot_core::conditions::{Conditions, Facts};
use appdepot_core::{Error, Result};
use regex::{Regex, RegexBuilder};

/// Reads a `Rule` with an `Effect` and one `Condition`, or a `Condition` alone, which permits where it holds.
///
/// Only a rule that permits, and whose condition holds, permits. So one that denies never does: who wants to keep
/// some out writes a rule that permits with `not`, or asks for [`only_deny_blocks`](Self::only_deny_blocks).
///
/// Understood are, each by its full name: the functions `and`, `or`, `not`, `any-of`, `string-equal`,
/// `string-equal-ignore-case`, `string-regexp-match`, `string-is-in`, `string-at-least-one-member-of`,
/// `string-one-and-only`, `string-bag`; and of the subject the attributes `http://wso2.org/claims/role` (groups and
/// roles), `http://wso2.org/claims/emailaddress` and `urn:oasis:names:tc:xacml:1.0:subject:subject-id` (the name
/// without its prefix). Anything else is refused when it is written, not when it is evaluated.
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
        let holds = rule.condition.as_ref().map_or(Ok(true), |test| test.holds(facts));
        match rule.effect {
            Effect::Permit => self.only_deny_blocks || holds == Ok(true),
            Effect::Deny => self.only_deny_blocks && holds != Ok(true),
        }
    }
}

#[derive(Debug)]
struct Rule {
    effect: Effect,
    condition: Option<Test>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    Permit,
    Deny,
}

/// What cannot be decided: XACML's `Indeterminate`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Indeterminate;

/// Something that holds or does not.
#[derive(Debug)]
enum Test {
    And(Vec<Self>),
    Or(Vec<Self>),
    Not(Box<Self>),
    Compare(Compare, Text, Text),
    /// Whether the text compares so with some member.
    AnyOf(Compare, Text, Bag),
    /// Whether the bags share a member.
    Overlap(Bag, Bag),
}

/// One text.
#[derive(Debug)]
enum Text {
    Literal(String),
    /// The only member of a bag.
    Only(Bag),
}

/// Texts, in no order.
#[derive(Debug)]
enum Bag {
    Attribute { attribute: Attribute, required: bool },
    Of(Vec<Text>),
}

#[derive(Debug, Clone, Copy)]
enum Attribute {
    Role,
    Email,
    Subject,
}

/// A function of two texts.
#[derive(Debug, Clone, Copy)]
enum Compare {
    Equal,
    EqualIgnoreCase,
    /// The first is a pattern that is looked for in the second.
    Regexp,
}

impl Test {
    fn holds(&self, facts: &Facts) -> Result<bool, Indeterminate> {
        match self {
            Self::And(tests) => all(tests, false, facts),
            Self::Or(tests) => all(tests, true, facts),
            Self::Not(test) => Ok(!test.holds(facts)?),
            Self::Compare(compare, one, other) => {
                let (one, other) = (one.value(facts)?, other.value(facts)?);
                compare.any(&one, [other.as_str()])
            }
            Self::AnyOf(compare, text, bag) => {
                let (text, members) = (text.value(facts)?, bag.members(facts)?);
                compare.any(&text, members.iter().map(String::as_str))
            }
            Self::Overlap(one, other) => Ok(!one.members(facts)?.is_disjoint(&other.members(facts)?)),
        }
    }
}

/// `decisive` if one is, whatever the others; what cannot be decided only if none is (XACML 3.0, A.3.5).
fn all(tests: &[Test], decisive: bool, facts: &Facts) -> Result<bool, Indeterminate> {
    let mut result = Ok(!decisive);
    for test in tests {
        match test.holds(facts) {
            Ok(holds) if holds == decisive => return Ok(decisive),
            Ok(_) => {}
            Err(Indeterminate) => result = Err(Indeterminate),
        }
    }
    result
}

impl Text {
    fn value(&self, facts: &Facts) -> Result<String, Indeterminate> {
        match self {
            Self::Literal(text) => Ok(text.clone()),
            Self::Only(bag) => {
                let members = bag.members(facts)?;
                if members.len() > 1 {
                    return Err(Indeterminate);
                }
                members.into_iter().next().ok_or(Indeterminate)
            }
        }
    }
}

impl Bag {
    fn members(&self, facts: &Facts) -> Result<BTreeSet<String>, Indeterminate> {
        match self {
            Self::Of(texts) => texts.iter().map(|text| text.value(facts)).collect(),
            Self::Attribute { attribute, required } => {
                let members = attribute.values(facts);
                if *required && members.is_empty() { Err(Indeterminate) } else { Ok(members) }
            }
        }
    }
}

impl Attribute {
    fn values(self, facts: &Facts) -> BTreeSet<String> {
        match self {
            Self::Role => facts.groups.union(&facts.roles).cloned().collect(),
            Self::Email => {
                Some(facts.person.email.clone()).into_iter().filter(|email| !email.is_empty()).collect()
            }
            Self::Subject => {
                facts.subject.as_str().split_once(':').map(|(_, name)| name.to_owned()).into_iter().collect()
            }
        }
    }
}

impl Compare {
    fn any<'a>(self, text: &str, others: impl IntoIterator<Item = &'a str>) -> Result<bool, Indeterminate> {
        let mut others = others.into_iter();
        match self {
            Self::Equal => Ok(others.any(|other| text == other)),
            Self::EqualIgnoreCase => {
                let text = text.to_lowercase();
                Ok(others.any(|other| text == other.to_lowercase()))
            }
            Self::Regexp => {
                let pattern = pattern(text).map_err(|_| Indeterminate)?;
                Ok(others.any(|other| pattern.is_match(other)))
            }
        }
    }
}

fn pattern(text: &str) -> Result<Regex, regex::Error> {
    /// The most memory of a compiled pattern, in bytes: a short one can ask for a lot.
    const SIZE: usize = 256 << 10;
    RegexBuilder::new(text).size_limit(SIZE).dfa_size_limit(SIZE).build()
}

#[cfg(test)]
mod tests;
