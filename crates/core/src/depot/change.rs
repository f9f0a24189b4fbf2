//! Changes of what records hold: lists whose members differ, and attributes that clients keep here.

use serde_json::Value as Json;

use crate::domain::Extra;
use crate::error::{Error, Result};

/// A change of a list whose members differ: replaced, then added to and taken from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetChange<T> {
    /// What it is instead; `None` leaves it.
    pub replace: Option<Vec<T>>,
    /// What comes in, unless it is there.
    pub add: Vec<T>,
    /// What goes out, if it is there.
    pub remove: Vec<T>,
}

impl<T> Default for SetChange<T> {
    fn default() -> Self {
        Self { replace: None, add: Vec::new(), remove: Vec::new() }
    }
}

impl<T: Clone + PartialEq> SetChange<T> {
    /// These members and no others.
    pub fn to(members: Vec<T>) -> Self {
        Self { replace: Some(members), ..Self::default() }
    }

    /// Everything that may be new.
    pub(super) fn added(&self) -> impl Iterator<Item = &T> {
        self.replace.iter().flatten().chain(&self.add)
    }

    pub(super) fn apply(&self, members: &mut Vec<T>) {
        if self.replace.is_some() {
            members.clear();
        }
        for new in self.added() {
            if !members.contains(new) {
                members.push(new.clone());
            }
        }
        members.retain(|member| !self.remove.contains(member));
    }
}

/// Checks an id that a client or an operator chooses.
pub(super) fn check_word(field: &'static str, word: &str) -> Result<()> {
    let inner = |c: u8| c.is_ascii_alphanumeric() || c == b'_' || c == b'-';
    if !(1..=64).contains(&word.len()) || !word.bytes().all(inner) {
        return Err(Error::invalid(field, "1 to 64 letters, digits, '_' or '-'"));
    }
    Ok(())
}

/// Checks attributes that clients keep here: bounded, and without NUL, which not every store can keep.
pub(super) fn check_extra(field: &'static str, extra: &Extra) -> Result<()> {
    /// The most bytes of JSON.
    const BYTES: usize = 64 * 1024;
    /// The deepest nesting.
    const DEPTH: usize = 32;
    fn check(field: &'static str, json: &Json, depth: usize) -> Result<()> {
        if depth == 0 {
            return Err(Error::invalid(field, format!("nested deeper than {DEPTH}")));
        }
        match json {
            Json::String(text) if text.contains('\0') => Err(Error::invalid(field, "a NUL character")),
            Json::Array(members) => members.iter().try_for_each(|member| check(field, member, depth - 1)),
            Json::Object(members) => members.iter().try_for_each(|(name, member)| {
                if name.contains('\0') {
                    return Err(Error::invalid(field, "a NUL character"));
                }
                check(field, member, depth - 1)
            }),
            _ => Ok(()),
        }
    }
    let size: usize = extra.iter().map(|(name, value)| name.len() + value.to_string().len()).sum();
    if size > BYTES {
        return Err(Error::invalid(field, format!("more than {BYTES} bytes")));
    }
    extra.iter().try_for_each(|(name, value)| {
        if name.contains('\0') {
            return Err(Error::invalid(field, "a NUL character"));
        }
        check(field, value, DEPTH)
    })
}
