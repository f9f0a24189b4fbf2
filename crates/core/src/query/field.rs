//! Where a value is found.

use std::fmt;

use serde_json::Value as Json;

use crate::error::{Error, Result};
use crate::records::Record;

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
    pub(super) fn find(&self, record: &Record) -> Vec<Json> {
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
