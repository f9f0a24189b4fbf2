//! Where a page ended: the last record's place in the query's order, as opaque text.

use appdepot_core::query::{Field, Query, SortKey, sort_key};
use appdepot_core::records::Record;
use appdepot_core::{Error, Result};
use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};

/// The cursor that continues `query` after `last`.
pub(super) fn write(query: &Query, last: &Record) -> String {
    let keys: Vec<Json> = query.order().iter().map(|sort| key(&sort.field, last)).collect();
    let text = json!([order(query), keys]).to_string();
    hex(text.as_bytes())
}

/// The sort values a cursor holds, one per key of the query's order.
///
/// # Errors
/// `Invalid` when it is no cursor, or one of a query with another order.
pub(super) fn read(query: &Query, cursor: &str) -> Result<Vec<Json>> {
    let fail = || Error::invalid("cursor", "not a cursor of this query");
    let bytes = unhex(cursor).ok_or_else(fail)?;
    let (digest, keys): (String, Vec<Json>) = serde_json::from_slice(&bytes).map_err(|_| fail())?;
    let texts_are_sound = !keys.iter().any(|key| key.as_str().is_some_and(|text| text.contains('\0')));
    let sound = digest == order(query) && keys.len() == query.order().len() && texts_are_sound;
    sound.then_some(keys).ok_or_else(fail)
}

fn key(field: &Field, record: &Record) -> Json {
    match field {
        Field::Id => record.id.to_string().into(),
        Field::Revision => record.revision.into(),
        Field::CreatedAt => record.created_at.millis().into(),
        Field::UpdatedAt => record.updated_at.millis().into(),
        Field::Body(_) => match sort_key(field, record) {
            SortKey::Absent => Json::Null,
            SortKey::Boolean(value) => value.into(),
            SortKey::Number(value) => value.into(),
            SortKey::Text(value) => value.into(),
        },
    }
}

/// Tells orders apart, and what is ordered.
fn order(query: &Query) -> String {
    let mut text = format!("{}/{}", query.organization, query.kind.as_str());
    for organization in query.organizations().skip(1) {
        text.push_str(&format!("/{organization}"));
    }
    for sort in query.order() {
        let direction = if sort.descending { '-' } else { '+' };
        let field = match &sort.field {
            Field::Id => "/id".to_owned(),
            Field::Revision => "/revision".to_owned(),
            Field::CreatedAt => "/created".to_owned(),
            Field::UpdatedAt => "/updated".to_owned(),
            Field::Body(path) => path.to_string(),
        };
        text.push(direction);
        text.push_str(&field);
    }
    let mut digest = digest(text.as_bytes());
    digest.truncate(16);
    digest
}

/// The SHA-256 of `bytes` as 64 hexadecimal digits.
pub(super) fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) {
        return None;
    }
    let digit =
        |c: Option<&u8>| c.and_then(|c| char::from(*c).to_digit(16)).and_then(|d| u8::try_from(d).ok());
    text.as_bytes().chunks(2).map(|pair| Some(digit(pair.first())? << 4 | digit(pair.get(1))?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use appdepot_core::domain::{App, Asset, Id};
    use appdepot_core::query::Sort;

    fn record(query: &Query) -> Record {
        Record {
            kind: query.kind,
            organization: query.organization,
            id: Id::generate(),
            revision: 1,
            created_at: appdepot_core::domain::Timestamp::now(),
            updated_at: appdepot_core::domain::Timestamp::now(),
            batch: Id::NIL,
            schema: 1,
            body: json!({"name": "é\n\"", "n": 0.1}),
            claims: Vec::new(),
        }
    }

    #[test]
    fn a_cursor_fits_its_own_query_only() {
        let name = || Field::parse("name").unwrap();
        let query = Query::of::<Asset>(Id::generate()).sort(Sort::ascending(name()));
        let cursor = write(&query, &record(&query));
        assert_eq!(read(&query, &cursor).unwrap()[0], "é\n\"");
        assert!(read(&query.clone().limit(7), &cursor).is_ok());
        let others = [
            Query::of::<Asset>(query.organization).sort(Sort::descending(name())),
            Query::of::<Asset>(query.organization),
            Query::of::<Asset>(Id::generate()).sort(Sort::ascending(name())),
            Query::of::<App>(query.organization).sort(Sort::ascending(name())),
        ];
        for other in others {
            assert!(read(&other, &cursor).is_err());
        }
    }

    #[test]
    fn other_texts_are_no_cursors() {
        let query = Query::of::<Asset>(Id::generate());
        let good = write(&query, &record(&query));
        for bad in ["", "x", "zz", "00", "é", &good[..good.len() - 2], &format!("{good}00")] {
            assert!(read(&query, bad).is_err(), "{bad}");
        }
    }
}
