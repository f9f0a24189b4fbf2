//! The query language of the record port: a conjunction of clauses, sort keys and a page.

use std::cmp::Ordering;
use std::fmt;
use std::ops::Bound;

use regex::Regex;
use serde_json::Value as Json;

use crate::domain::{Entity, Id, Kind, Organization, Timestamp};
use crate::error::{Error, Result};
use crate::records::Record;

/// The most records one page may hold.
pub const PAGE_LIMIT: u32 = 1_000;
/// The most clauses one query may hold.
pub const CLAUSE_LIMIT: usize = 64;
/// The most values one `In` or `Overlaps` may hold.
pub const VALUE_LIMIT: usize = 10_000;
/// The longest regular expression, in bytes.
pub const PATTERN_LIMIT: usize = 512;

/// Which records of one kind of one organization, in which order, and which page of them.
///
/// A query without an organization cannot be written.
///
/// ```
/// use appdepot_core::domain::{Asset, Id};
/// use appdepot_core::query::{Field, Op, Query, Sort};
/// let query = Query::of::<Asset>(Id::generate())
///     .filter(Field::parse("name")?, Op::Eq("logo.png".into()))
///     .sort(Sort::descending(Field::CreatedAt))
///     .limit(25);
/// # Ok::<(), appdepot_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Query {
    /// The tenant; part of every query.
    pub organization: Id<Organization>,
    /// What is asked for.
    pub kind: Kind,
    /// All must match.
    pub clauses: Vec<Clause>,
    /// First key first; the id breaks ties, in the direction of the last key.
    pub sort: Vec<Sort>,
    /// Which part of the result.
    pub page: Paging,
    /// The most records to return, 1 to [`PAGE_LIMIT`].
    pub limit: u32,
    /// Whether to count all matches too.
    pub count: bool,
}

/// One condition.
#[derive(Debug, Clone)]
pub struct Clause {
    /// Where to look.
    pub field: Field,
    /// What must hold there.
    pub op: Op,
}

/// Where a value is found: a column of the record, or a path into its JSON form.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Field {
    /// The record's id, as 24 hexadecimal digits.
    Id,
    /// The record's revision.
    Revision,
    /// When it was created.
    CreatedAt,
    /// When it was last written.
    UpdatedAt,
    /// A value in the entity's JSON form. A path through an array means any of its members.
    Body(Path),
}

/// A dotted path of names: letters, digits, `_` and `-` each, 1 to 64 bytes a name, at most 8 names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Path(Vec<String>);

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

/// One sort key. Absent values come first when ascending, last when descending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sort {
    /// What to sort by.
    pub field: Field,
    /// Largest first.
    pub descending: bool,
}

/// Which part of the result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Paging {
    /// After skipping this many. Costs grow with the number; for pages that people turn.
    Skip(u64),
    /// After the record a [`Page::next`] cursor stands for. Costs the same at any depth.
    After(String),
}

/// A part of a result.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// The records.
    pub items: Vec<T>,
    /// All matches, when the query asked to count.
    pub total: Option<u64>,
    /// Where the next page starts, when there may be one.
    pub next: Option<String>,
}

impl Query {
    /// All records of `T` in `organization`, newest first, the first 100.
    pub fn of<T: Entity>(organization: Id<Organization>) -> Self {
        Self {
            organization,
            kind: T::KIND,
            clauses: Vec::new(),
            sort: Vec::new(),
            page: Paging::Skip(0),
            limit: 100,
            count: false,
        }
    }

    /// Adds a condition.
    #[must_use]
    pub fn filter(mut self, field: Field, op: Op) -> Self {
        self.clauses.push(Clause { field, op });
        self
    }

    /// Adds a sort key after those already there.
    #[must_use]
    pub fn sort(mut self, sort: Sort) -> Self {
        self.sort.push(sort);
        self
    }

    /// Skips records.
    #[must_use]
    pub fn skip(mut self, count: u64) -> Self {
        self.page = Paging::Skip(count);
        self
    }

    /// Continues where a page ended.
    #[must_use]
    pub fn after(mut self, cursor: impl Into<String>) -> Self {
        self.page = Paging::After(cursor.into());
        self
    }

    /// Sets the page size.
    #[must_use]
    pub fn limit(mut self, limit: u32) -> Self {
        self.limit = limit;
        self
    }

    /// Asks for the number of all matches.
    #[must_use]
    pub fn counted(mut self) -> Self {
        self.count = true;
        self
    }

    /// The sort keys with the defaults made explicit: newest first when none is given, and always ending in the
    /// id, so that every order is total.
    pub fn order(&self) -> Vec<Sort> {
        let mut order = self.sort.clone();
        if order.is_empty() {
            order.push(Sort::descending(Field::CreatedAt));
        }
        if !order.iter().any(|sort| sort.field == Field::Id) {
            let descending = order.last().is_some_and(|sort| sort.descending);
            order.push(Sort { field: Field::Id, descending });
        }
        order
    }

    /// Checks the sizes; every store calls it first.
    ///
    /// # Errors
    /// `Invalid`, naming the part that is too large.
    pub fn check(&self) -> Result<()> {
        if self.limit == 0 || self.limit > PAGE_LIMIT {
            return Err(Error::invalid("limit", format!("1 to {PAGE_LIMIT}")));
        }
        if self.clauses.len() > CLAUSE_LIMIT {
            return Err(Error::invalid("filter", format!("at most {CLAUSE_LIMIT} conditions")));
        }
        if self.sort.len() > 8 {
            return Err(Error::invalid("sort", "at most 8 keys"));
        }
        if matches!(self.page, Paging::Skip(count) if i64::try_from(count).is_err()) {
            return Err(Error::invalid("skip", "too large"));
        }
        let large = |op: &Op| matches!(op, Op::In(values) if values.len() > VALUE_LIMIT);
        if self.clauses.iter().any(|clause| large(&clause.op)) {
            return Err(Error::invalid("filter", format!("at most {VALUE_LIMIT} values")));
        }
        Ok(())
    }

    /// Whether `record` satisfies every clause. The definition that SQL stores must agree with.
    pub fn matches(&self, record: &Record) -> bool {
        record.organization == self.organization
            && record.kind == self.kind
            && self.clauses.iter().all(|clause| clause.matches(record))
    }

    /// How two records stand to each other in this query's order. The definition SQL stores must agree with.
    pub fn compare(&self, a: &Record, b: &Record) -> Ordering {
        for sort in self.order() {
            let ordering = sort_key(&sort.field, a).cmp(&sort_key(&sort.field, b));
            let ordering = if sort.descending { ordering.reverse() } else { ordering };
            if ordering != Ordering::Equal {
                return ordering;
            }
        }
        Ordering::Equal
    }
}

impl Clause {
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

impl Field {
    /// A path into the entity's JSON form.
    ///
    /// # Errors
    /// `Invalid` when the text is no path; see [`Path`].
    pub fn parse(text: &str) -> Result<Self> {
        Path::parse(text).map(Self::Body)
    }

    /// The values found at this field. A path that meets an array goes through each member; a final array yields
    /// its members. Absent: none.
    fn find(&self, record: &Record) -> Vec<Json> {
        match self {
            Self::Id => vec![Json::from(record.id.to_string())],
            Self::Revision => vec![Json::from(record.revision)],
            Self::CreatedAt => vec![Json::from(record.created_at.millis())],
            Self::UpdatedAt => vec![Json::from(record.updated_at.millis())],
            Self::Body(path) => {
                let mut found = vec![&record.body];
                for name in path.names() {
                    found = flatten(found).into_iter().filter_map(|json| json.get(name)).collect();
                }
                let mut values: Vec<Json> = Vec::new();
                for json in found {
                    match json {
                        Json::Array(members) => values.extend(members.iter().cloned()),
                        other => values.push(other.clone()),
                    }
                }
                values
            }
        }
    }
}

fn flatten(found: Vec<&Json>) -> Vec<&Json> {
    let mut flat = Vec::with_capacity(found.len());
    for json in found {
        match json {
            Json::Array(members) => flat.extend(members),
            other => flat.push(other),
        }
    }
    flat
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

/// What a record is sorted by: absent or null first, then booleans, numbers, texts. Arrays and objects sort as
/// absent.
#[derive(Debug, Clone, PartialEq)]
pub enum SortKey {
    /// Null, absent, an array or an object.
    Absent,
    /// False before true.
    Boolean(bool),
    /// By value.
    Number(f64),
    /// By code points.
    Text(String),
}

impl Eq for SortKey {}

impl PartialOrd for SortKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for SortKey {
    fn cmp(&self, other: &Self) -> Ordering {
        let rank = |key: &Self| match key {
            Self::Absent => 0,
            Self::Boolean(_) => 1,
            Self::Number(_) => 2,
            Self::Text(_) => 3,
        };
        match (self, other) {
            (Self::Boolean(a), Self::Boolean(b)) => a.cmp(b),
            (Self::Number(a), Self::Number(b)) => a.total_cmp(b),
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            _ => rank(self).cmp(&rank(other)),
        }
    }
}

/// The sort key of a record at a field; a path never goes through arrays here.
pub fn sort_key(field: &Field, record: &Record) -> SortKey {
    let json = match field {
        Field::Body(path) => {
            let mut json = Some(&record.body);
            for name in path.names() {
                json = json.and_then(|json| json.get(name));
            }
            json.cloned().unwrap_or(Json::Null)
        }
        column => column.find(record).pop().unwrap_or(Json::Null),
    };
    match json {
        Json::Bool(value) => SortKey::Boolean(value),
        // Adding zero turns -0.0 into 0.0: equal values must sort as equals.
        Json::Number(value) => value.as_f64().map_or(SortKey::Absent, |value| SortKey::Number(value + 0.0)),
        Json::String(value) => SortKey::Text(value),
        Json::Null | Json::Array(_) | Json::Object(_) => SortKey::Absent,
    }
}

impl Path {
    /// Reads a dotted path.
    ///
    /// # Errors
    /// `Invalid` for an empty name, one of more than 64 bytes, a character outside `A-Z a-z 0-9 _ -`, or more
    /// than 8 names.
    pub fn parse(text: &str) -> Result<Self> {
        let names: Vec<String> = text.split('.').map(str::to_owned).collect();
        let good = |name: &String| {
            (1..=64).contains(&name.len())
                && name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_' || c == b'-')
        };
        if names.len() > 8 || !names.iter().all(good) {
            return Err(Error::invalid("field", "not a dotted path of names"));
        }
        Ok(Self(names))
    }

    /// The names.
    pub fn names(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("."))
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

impl Sort {
    /// Smallest first.
    pub fn ascending(field: Field) -> Self {
        Self { field, descending: false }
    }

    /// Largest first.
    pub fn descending(field: Field) -> Self {
        Self { field, descending: true }
    }
}

impl<T> Page<T> {
    /// The same page with its items turned into something else.
    ///
    /// # Errors
    /// The first error that `turn` returns.
    pub fn try_map<U>(self, turn: impl FnMut(T) -> Result<U>) -> Result<Page<U>> {
        let items = self.items.into_iter().map(turn).collect::<Result<_>>()?;
        Ok(Page { items, total: self.total, next: self.next })
    }
}
