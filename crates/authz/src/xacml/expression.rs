//! What a condition is made of, and what it comes to for somebody.

use appdepot_core::conditions::Facts;

use super::function::{Function, Over, pattern};
use super::value::{DAY, Indeterminate, Type, Value};

#[derive(Debug)]
pub(super) enum Expression {
    Value(Value),
    Attribute {
        which: Attribute,
        required: bool,
    },
    Apply(Function, Vec<Expression>),
    /// A function over a value and a bag, in the order in which they stand.
    Over(Over, Function, Box<[Expression; 2]>),
}

/// What is known of somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attribute {
    Subject,
    Groups,
    Roles,
    Email,
    GivenName,
    FamilyName,
    Time,
}

impl Attribute {
    /// By category and id.
    pub(super) fn named(category: &str, id: &str) -> Option<Self> {
        const SUBJECT: &str = "urn:oasis:names:tc:xacml:1.0:subject-category:access-subject";
        const ENVIRONMENT: &str = "urn:oasis:names:tc:xacml:3.0:attribute-category:environment";
        Some(match (category, id) {
            (SUBJECT, "urn:oasis:names:tc:xacml:1.0:subject:subject-id") => Self::Subject,
            (SUBJECT, "http://wso2.org/claims/role") => Self::Groups,
            (SUBJECT, "urn:oasis:names:tc:xacml:2.0:subject:role") => Self::Roles,
            (SUBJECT, "http://wso2.org/claims/emailaddress") => Self::Email,
            (SUBJECT, "http://wso2.org/claims/givenname") => Self::GivenName,
            (SUBJECT, "http://wso2.org/claims/lastname") => Self::FamilyName,
            (ENVIRONMENT, "urn:oasis:names:tc:xacml:1.0:environment:current-time") => Self::Time,
            _ => return None,
        })
    }

    /// Its type.
    pub(super) fn of(self) -> Type {
        if self == Self::Time { Type::Time } else { Type::Text }
    }

    fn values(self, facts: &Facts) -> Vec<Value> {
        let text = |text: &str| Value::Text(text.to_owned());
        let known = |one: &str| if one.is_empty() { Vec::new() } else { vec![text(one)] };
        match self {
            Self::Subject => known(facts.subject.as_str().split_once(':').map_or("", |(_, name)| name)),
            Self::Groups => facts.groups.iter().map(|name| text(name)).collect(),
            Self::Roles => facts.roles.iter().map(|name| text(name)).collect(),
            Self::Email => known(&facts.person.email),
            Self::GivenName => known(&facts.person.first_name),
            Self::FamilyName => known(&facts.person.last_name),
            Self::Time => vec![Value::Time(facts.at.millis().rem_euclid(DAY))],
        }
    }
}

impl Expression {
    /// What it comes to.
    pub(super) fn value(&self, facts: &Facts) -> Result<Value, Indeterminate> {
        match self {
            Self::Value(value) => Ok(value.clone()),
            Self::Attribute { which, required } => {
                let values = which.values(facts);
                if *required && values.is_empty() { Err(Indeterminate) } else { Ok(Value::Bag(values)) }
            }
            Self::Apply(Function::And, arguments) => each(arguments, facts, false),
            Self::Apply(Function::Or, arguments) => each(arguments, facts, true),
            Self::Apply(function, arguments) => {
                let values: Result<Vec<_>, _> =
                    arguments.iter().map(|argument| argument.value(facts)).collect();
                function.apply(&values?)
            }
            Self::Over(over, function, arguments) => {
                let [one, other] = &**arguments;
                over_members(*over, *function, one.value(facts)?, other.value(facts)?)
            }
        }
    }
}

fn each(arguments: &[Expression], facts: &Facts, decisive: bool) -> Result<Value, Indeterminate> {
    settle(arguments.iter().map(|argument| argument.value(facts)), decisive)
}

fn over_members(over: Over, function: Function, one: Value, other: Value) -> Result<Value, Indeterminate> {
    let decisive = over == Over::Any;
    match (function, one, other) {
        // Made ready once for all.
        (Function::Matches, Value::Text(text), Value::Bag(bag)) => {
            let pattern = pattern(&text).map_err(|_| Indeterminate)?;
            settle(
                bag.iter().map(|member| match member {
                    Value::Text(text) => Ok(Value::Boolean(pattern.is_match(text))),
                    _ => Err(Indeterminate),
                }),
                decisive,
            )
        }
        (function, Value::Bag(bag), value) => {
            settle(bag.into_iter().map(|member| function.apply(&[member, value.clone()])), decisive)
        }
        (function, value, Value::Bag(bag)) => {
            settle(bag.into_iter().map(|member| function.apply(&[value.clone(), member])), decisive)
        }
        _ => Err(Indeterminate),
    }
}

/// `decisive` if one is, whatever the others; what cannot be decided only if none is (XACML 3.0, A.3.5).
fn settle(
    values: impl Iterator<Item = Result<Value, Indeterminate>>,
    decisive: bool,
) -> Result<Value, Indeterminate> {
    let mut result = Ok(Value::Boolean(!decisive));
    for value in values {
        match value {
            Ok(Value::Boolean(holds)) if holds == decisive => return Ok(Value::Boolean(decisive)),
            Ok(Value::Boolean(_)) => {}
            _ => result = Err(Indeterminate),
        }
    }
    result
}
