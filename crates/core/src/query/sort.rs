//! The order of records.

use std::cmp::Ordering;

use serde_json::Value as Json;

use super::Field;
use crate::records::Record;

/// One sort key. Absent values come first when ascending, last when descending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sort {
    /// What to sort by.
    pub field: Field,
    /// Largest first.
    pub descending: bool,
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
