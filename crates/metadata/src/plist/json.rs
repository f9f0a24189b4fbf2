//! Values as JSON, as a result holds them.

use std::fmt::Write as _;

use appdepot_core::inspect::Problem;
use serde_json::{Map, Value as Json};

use super::{Dictionary, Value};
use crate::reader::Reader;

/// A text, number or truth value; `None` for everything else and for numbers that JSON does not hold.
pub(crate) fn single(reader: &mut Reader<'_>, value: &Value) -> Option<Json> {
    match value {
        Value::String(text) => Some(reader.text(text).into()),
        Value::Boolean(value) => Some((*value).into()),
        Value::Real(number) => Some((*number).into()),
        Value::Integer(number) => {
            i64::try_from(*number).map(Json::from).or_else(|_| u64::try_from(*number).map(Json::from)).ok()
        }
        _ => None,
    }
}

/// A dictionary with everything in it: dates as RFC 3339 writes them, data in hexadecimal digits. What lies deeper
/// than [`depth`](crate::Limits::depth), or behind as many values as [`values`](crate::Limits::values), is left out.
///
/// # Errors
/// `E_LIMIT_STRING`.
pub(crate) fn tree(reader: &mut Reader<'_>, dictionary: &Dictionary) -> Result<Map<String, Json>, Problem> {
    let (depth, mut left) = (reader.limits().depth, reader.limits().values);
    members(reader, dictionary, depth, &mut left)
}

fn members(
    reader: &mut Reader<'_>,
    dictionary: &Dictionary,
    depth: usize,
    left: &mut usize,
) -> Result<Map<String, Json>, Problem> {
    let mut members = Map::new();
    for (key, value) in dictionary.iter() {
        if let Some(value) = whole(reader, value, depth, left)? {
            reader.charge_string(key.len())?;
            members.insert(reader.text(key), value);
        }
    }
    Ok(members)
}

/// Recursion ends where no `depth` is left.
fn whole(
    reader: &mut Reader<'_>,
    value: &Value,
    depth: usize,
    left: &mut usize,
) -> Result<Option<Json>, Problem> {
    let Some((depth, rest)) = depth.checked_sub(1).zip(left.checked_sub(1)) else { return Ok(None) };
    *left = rest;
    Ok(match value {
        Value::Dictionary(dictionary) => Some(members(reader, dictionary, depth, left)?.into()),
        Value::Array(values) => {
            let mut list = Vec::new();
            for value in values {
                list.extend(whole(reader, value, depth, left)?);
            }
            Some(list.into())
        }
        Value::Date(time) => Some(time.to_string().into()),
        Value::Data(data) => {
            reader.charge_string(data.len().saturating_mul(2))?;
            let digits = data.iter().fold(String::new(), |mut digits, byte| {
                // Writing to a String cannot fail.
                let _ = write!(digits, "{byte:02x}");
                digits
            });
            Some(reader.text(&digits).into())
        }
        Value::Uid(number) => Some((*number).into()),
        Value::String(text) => {
            reader.charge_string(text.len())?;
            single(reader, value)
        }
        Value::Integer(_) | Value::Real(_) | Value::Boolean(_) => single(reader, value),
    })
}

#[cfg(test)]
mod tests {
    use appdepot_core::domain::Timestamp;
    use bytes::Bytes;
    use serde_json::json;

    use super::*;
    use crate::Limits;

    fn nested() -> Dictionary {
        let mut inner = Dictionary::new();
        inner.push("list", vec!["a".into(), Value::Data(vec![0, 0xfe]), 7.into()]);
        inner.push("time", Timestamp::from_millis(0));
        let mut outer = Dictionary::new();
        outer.push("inner", inner);
        outer.push("last", true);
        outer
    }

    fn tree_within(limits: &Limits) -> Result<Map<String, Json>, Problem> {
        let none = Bytes::new();
        tree(&mut Reader::new(&none, limits), &nested())
    }

    #[test]
    fn everything_is_told() {
        let found = tree_within(&Limits::default()).unwrap();
        let inner = json!({ "list": ["a", "00fe", 7], "time": "1970-01-01T00:00:00.000Z" });
        assert_eq!(Json::Object(found), json!({ "inner": inner, "last": true }));
    }

    #[test]
    fn limits_hold() {
        let found = tree_within(&Limits { depth: 1, ..Limits::default() }).unwrap();
        assert_eq!(Json::Object(found), json!({ "inner": {}, "last": true }));
        let found = tree_within(&Limits { values: 3, ..Limits::default() }).unwrap();
        assert_eq!(Json::Object(found), json!({ "inner": { "list": ["a"] } }));
        let refused = tree_within(&Limits { string_bytes: 4, ..Limits::default() });
        assert_eq!(refused.unwrap_err().code, "E_LIMIT_STRING");
    }
}
