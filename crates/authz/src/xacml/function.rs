//! The functions, what they take, and what they come to.

use std::cmp::Ordering;

use regex::{Regex, RegexBuilder};

use super::value::{Indeterminate, Shape, Type, Value};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    And,
    Or,
    Not,
    Equal(Type),
    EqualIgnoreCase,
    /// Holds when the comparison comes to one of these.
    Compare(Type, [Ordering; 2]),
    InRange,
    OneAndOnly(Type),
    Bag(Type),
    BagSize(Type),
    IsIn(Type),
    AtLeastOne(Type),
    Subset(Type),
    LowerCase,
    Matches,
}

impl Function {
    /// By its URI, whichever version of XACML that names.
    pub(super) fn named(uri: &str) -> Option<Self> {
        let name = short(uri)?;
        let (word, rest) = match name {
            "and" => return Some(Self::And),
            "or" => return Some(Self::Or),
            "not" => return Some(Self::Not),
            "time-in-range" => return Some(Self::InRange),
            "string-equal-ignore-case" => return Some(Self::EqualIgnoreCase),
            "string-normalize-to-lower-case" => return Some(Self::LowerCase),
            "string-regexp-match" => return Some(Self::Matches),
            name => name.split_once('-')?,
        };
        let of = Type::named(word)?;
        let ordered = matches!(of, Type::Integer | Type::Time);
        let compare = |one, other| Some(Self::Compare(of, [one, other])).filter(|_| ordered);
        match rest {
            "equal" => Some(Self::Equal(of)),
            "one-and-only" => Some(Self::OneAndOnly(of)),
            "bag" => Some(Self::Bag(of)),
            "bag-size" => Some(Self::BagSize(of)),
            "is-in" => Some(Self::IsIn(of)),
            "at-least-one-member-of" => Some(Self::AtLeastOne(of)),
            "subset" => Some(Self::Subset(of)),
            "greater-than" => compare(Ordering::Greater, Ordering::Greater),
            "greater-than-or-equal" => compare(Ordering::Greater, Ordering::Equal),
            "less-than" => compare(Ordering::Less, Ordering::Less),
            "less-than-or-equal" => compare(Ordering::Less, Ordering::Equal),
            _ => None,
        }
    }

    /// What it gives for arguments of these shapes, if it takes them.
    pub(super) fn shape(self, arguments: &[Shape]) -> Option<Shape> {
        let boolean = Type::Boolean.one();
        let (takes, gives): (&[Shape], Shape) = match self {
            Self::And | Self::Or => {
                return arguments.iter().all(|argument| *argument == boolean).then_some(boolean);
            }
            Self::Bag(of) => {
                return arguments.iter().all(|argument| *argument == of.one()).then_some(of.bag());
            }
            Self::Not => (&[boolean], boolean),
            Self::Equal(of) | Self::Compare(of, _) => (&[of.one(), of.one()], boolean),
            Self::EqualIgnoreCase | Self::Matches => (&[Type::Text.one(), Type::Text.one()], boolean),
            Self::InRange => (&[Type::Time.one(), Type::Time.one(), Type::Time.one()], boolean),
            Self::OneAndOnly(of) => (&[of.bag()], of.one()),
            Self::BagSize(of) => (&[of.bag()], Type::Integer.one()),
            Self::IsIn(of) => (&[of.one(), of.bag()], boolean),
            Self::AtLeastOne(of) | Self::Subset(of) => (&[of.bag(), of.bag()], boolean),
            Self::LowerCase => (&[Type::Text.one()], Type::Text.one()),
        };
        (takes == arguments).then_some(gives)
    }

    /// Its value for arguments of the shapes it takes. `and` and `or` are not asked here: they may do without some
    /// of theirs.
    pub(super) fn apply(self, arguments: &[Value]) -> Result<Value, Indeterminate> {
        let holds = match (self, arguments) {
            (Self::Not, [Value::Boolean(value)]) => !value,
            (Self::Equal(_), [one, other]) => one == other,
            (Self::Compare(_, which), [one, other]) => which.contains(&one.cmp(other)),
            (Self::EqualIgnoreCase, [Value::Text(one), Value::Text(other)]) => {
                one.to_lowercase() == other.to_lowercase()
            }
            (Self::Matches, [Value::Text(text), Value::Text(other)]) => {
                pattern(text).map_err(|_| Indeterminate)?.is_match(other)
            }
            (Self::InRange, [Value::Time(time), Value::Time(from), Value::Time(to)]) => {
                // A range may go over midnight.
                if from <= to { (from..=to).contains(&time) } else { time >= from || time <= to }
            }
            (Self::IsIn(_), [one, Value::Bag(bag)]) => bag.contains(one),
            (Self::AtLeastOne(_), [Value::Bag(one), Value::Bag(other)]) => {
                one.iter().any(|value| other.contains(value))
            }
            (Self::Subset(_), [Value::Bag(one), Value::Bag(other)]) => {
                one.iter().all(|value| other.contains(value))
            }
            (Self::OneAndOnly(_), [Value::Bag(bag)]) => {
                return match bag.as_slice() {
                    [value] => Ok(value.clone()),
                    _ => Err(Indeterminate),
                };
            }
            (Self::Bag(_), values) => return Ok(Value::Bag(values.to_vec())),
            (Self::BagSize(_), [Value::Bag(bag)]) => {
                return i64::try_from(bag.len()).map(Value::Integer).map_err(|_| Indeterminate);
            }
            (Self::LowerCase, [Value::Text(text)]) => return Ok(Value::Text(text.to_lowercase())),
            _ => return Err(Indeterminate),
        };
        Ok(Value::Boolean(holds))
    }
}

/// Whether a function of two applies it to a value and every member of a bag: to any, or to all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    Any,
    All,
}

impl Over {
    pub(super) fn named(uri: &str) -> Option<Self> {
        match short(uri)? {
            "any-of" => Some(Self::Any),
            "all-of" => Some(Self::All),
            _ => None,
        }
    }
}

/// A pattern, made ready.
pub(super) fn pattern(text: &str) -> Result<Regex, regex::Error> {
    /// The most memory of a compiled pattern, in bytes: a short one can ask for a lot.
    const SIZE: usize = 256 << 10;
    RegexBuilder::new(text).size_limit(SIZE).dfa_size_limit(SIZE).build()
}

/// The name after the version of XACML.
fn short(uri: &str) -> Option<&str> {
    let rest = uri.strip_prefix("urn:oasis:names:tc:xacml:")?;
    ["1.0:", "2.0:", "3.0:"].iter().find_map(|version| rest.strip_prefix(version))?.strip_prefix("function:")
}
