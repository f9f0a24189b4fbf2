//! What must hold of a record, and whether it does.

use std::cmp::Ordering;
use std::fmt;
use std::ops::Bound;

use regex::Regex;
use serde_json::Value as Json;

use super::{Field, PATTERN_LIMIT};
use crate::domain::{Id, Timestamp};
use crate::error::{Error, Result};
use crate::records::Record;

/// A condition, or several of which at least one must hold. A query is a conjunction of these, so that whatever can
/// be said with *and*, *or* and conditions can be said.
///
/// ```
/// use appdepot_core::query::{Clause, Condition, Field, Op};
/// let called = |path| Ok::<_, appdepot_core::Error>(Condition::new(Field::parse(path)?, Op::Contains("bank".into())));
/// let clause = Clause::any_of([called("name")?, called("slug")?]);
/// # Ok::<(), appdepot_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Clause {
    /// At least one must hold. None at all: the clause never holds.
    pub any: Vec<Condition>,
}

/// What must hold at one field.
#[derive(Debug, Clone)]
pub struct Condition {
    /// Where to look.
    pub field: Field,
    /// What must hold there.
    pub op: Op,
}

/// What must hold for a field. A field that is an array matches when any member does.
#[derive(Debug, Clone)]
pub enum Op {
    /// Equal to the value, same type.
    Eq(Value),
    /// Equal to one of the values.
    In(Vec<Value>),
    /// A text that contains this text, ignoring ASCII letter case.
    Contains(String),
    /// A text in which the expression is found.
    Matches(Pattern),
    /// Between two bounds of one type.
    Range(Bound<Value>, Bound<Value>),
    /// Null or absent.
    Null,
    /// Present, and neither null, empty text, empty list nor empty object.
    Exists,
    /// Absent, null or empty: the opposite of `Exists`.
    Missing,
}

/// A value to compare with. Types never convert into each other.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Text, compared by code points.
    Text(String),
    /// A number.
    Number(f64),
    /// True or false.
    Boolean(bool),
    /// An instant; domain types store instants as numbers of milliseconds.
    Time(Timestamp),
}

/// A compiled regular expression: linear time, unanchored, at most [`PATTERN_LIMIT`] bytes, 64 KiB compiled.
#[derive(Clone)]
pub struct Pattern(Regex);

impl Clause {
    /// One condition.
    pub fn of(field: Field, op: Op) -> Self {
        Self::any_of([Condition::new(field, op)])
    }

    /// At least one of these conditions.
    pub fn any_of(conditions: impl IntoIterator<Item = Condition>) -> Self {
        Self { any: conditions.into_iter().collect() }
    }

    /// A clause that holds for no record.
    pub fn never() -> Self {
        Self::any_of([])
    }

    /// Whether `record` satisfies any of the conditions.
    pub fn matches(&self, record: &Record) -> bool {
        self.any.iter().any(|condition| condition.matches(record))
    }
}

impl Condition {
    /// `op` at `field`.
    pub fn new(field: Field, op: Op) -> Self {
        Self { field, op }
    }

    /// Whether `record` satisfies this condition.
    pub fn matches(&self, record: &Record) -> bool {
        let found = self.field.find(record);
        let any = |test: &dyn Fn(&Json) -> bool| found.iter().any(test);
        match &self.op {
            Op::Eq(value) => any(&|json| value.equals(json)),
            Op::In(values) => any(&|json| values.iter().any(|value| value.equals(json))),
            Op::Contains(text) => {
                let text = text.to_ascii_lowercase();
                any(&|json| json.as_str().is_some_and(|s| s.to_ascii_lowercase().contains(&text)))
            }
            Op::Matches(pattern) => any(&|json| json.as_str().is_some_and(|s| pattern.is_match(s))),
            Op::Range(low, high) => any(&|json| {
                let above = match low {
                    Bound::Unbounded => true,
                    Bound::Included(value) => value.order(json).is_some_and(Ordering::is_le),
                    Bound::Excluded(value) => value.order(json).is_some_and(Ordering::is_lt),
                };
                let below = match high {
                    Bound::Unbounded => true,
                    Bound::Included(value) => value.order(json).is_some_and(Ordering::is_ge),
                    Bound::Excluded(value) => value.order(json).is_some_and(Ordering::is_gt),
                };
                above && below
            }),
            Op::Null => !any(&|json| !json.is_null()),
            Op::Exists => any(&|json| !is_empty(json)),
            Op::Missing => !any(&|json| !is_empty(json)),
        }
    }
}

fn is_empty(json: &Json) -> bool {
    match json {
        Json::Null => true,
        Json::String(text) => text.is_empty(),
        Json::Array(members) => members.is_empty(),
        Json::Object(members) => members.is_empty(),
        Json::Bool(_) | Json::Number(_) => false,
    }
}

impl Value {
    fn equals(&self, json: &Json) -> bool {
        self.order(json) == Some(Ordering::Equal)
    }

    /// How this value stands to `json`, or `None` for values of different types.
    fn order(&self, json: &Json) -> Option<Ordering> {
        match self {
            Self::Text(text) => Some(text.as_str().cmp(json.as_str()?)),
            Self::Number(number) => number.partial_cmp(&json.as_f64()?),
            Self::Boolean(value) => Some(value.cmp(&json.as_bool()?)),
            Self::Time(time) => Some(time.millis().cmp(&json.as_i64()?)),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}
impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}
impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Boolean(value)
    }
}
impl<K> From<Id<K>> for Value {
    fn from(id: Id<K>) -> Self {
        Self::Text(id.to_string())
    }
}

impl Pattern {
    /// Compiles an expression of the `regex` crate's syntax.
    ///
    /// # Errors
    /// `Invalid` when it is too long, too large once compiled, or no expression.
    pub fn parse(text: &str) -> Result<Self> {
        if text.len() > PATTERN_LIMIT {
            return Err(Error::invalid("pattern", format!("longer than {PATTERN_LIMIT} bytes")));
        }
        let regex = regex::RegexBuilder::new(text).size_limit(64 * 1024).build();
        regex.map(Self).map_err(|_| Error::invalid("pattern", "not a regular expression, or too large"))
    }

    /// The expression's text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Whether it is found in `text`.
    pub fn is_match(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pattern({:?})", self.0.as_str())
    }
}
