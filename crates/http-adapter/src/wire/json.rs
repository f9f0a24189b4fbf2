//! JSON bodies within bounds.

use appdepot_core::{Error, ErrorKind, Result};
use axum::body::Body;
use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The longest JSON body, in bytes.
pub(crate) const JSON_LIMIT: usize = 1024 * 1024;

/// Reads a JSON body.
///
/// A missing content type passes as JSON: many scripts send none.
///
/// # Errors
/// - `Unsupported` for another content type or a compressed body;
/// - `TooLarge` beyond [`JSON_LIMIT`];
/// - `Invalid` for what is no JSON, nests deeper than 128 levels, contains U+0000, or is no `T`.
pub(crate) async fn read<T: DeserializeOwned>(headers: &HeaderMap, body: Body) -> Result<T> {
    check_type(headers)?;
    parse(&collect(headers, body, JSON_LIMIT).await?)
}

/// Refuses what says that it is something else than JSON.
///
/// # Errors
/// `Unsupported`.
pub(crate) fn check_type(headers: &HeaderMap) -> Result<()> {
    match media_type(headers).as_deref() {
        None | Some("application/json") => Ok(()),
        Some(kind) if kind.starts_with("application/") && kind.ends_with("+json") => Ok(()),
        Some(_) => Err(Error::new(ErrorKind::Unsupported, "the content type is not application/json")),
    }
}

/// Reads JSON text, as [`read`] does.
///
/// # Errors
/// `Invalid`, as of [`read`].
pub(crate) fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T> {
    let malformed = |error: serde_json::Error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        Error::new(ErrorKind::Invalid, format!("the body is not valid JSON at {place}")).with_source(error)
    };
    let value: Value = serde_json::from_slice(text).map_err(malformed)?;
    no_nul(&value)?;
    serde_json::from_value(value).map_err(|error| {
        // serde's messages name the field and the expected type, in terms of what the client sent.
        let message: String = error.to_string().chars().filter(|c| !c.is_control()).take(200).collect();
        Error::new(ErrorKind::Invalid, message)
    })
}

/// The whole body, at most `limit` bytes of it.
///
/// # Errors
/// `TooLarge` beyond the limit, decided by the announced length before anything is read where there is one;
/// `Unsupported` for a compressed body; `Invalid` when the client breaks off.
pub(crate) async fn collect(headers: &HeaderMap, body: Body, limit: usize) -> Result<Bytes> {
    identity(headers)?;
    let announced = http_body::Body::size_hint(&body).lower();
    let too_large = || Error::too_large(u64::try_from(limit).unwrap_or(u64::MAX));
    if usize::try_from(announced).map_or(true, |length| length > limit) {
        return Err(too_large());
    }
    match Limited::new(body, limit).collect().await {
        Ok(all) => Ok(all.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        Err(error) => Err(Error::new(ErrorKind::Invalid, "the body ended early").with_source(error)),
    }
}

/// The media type of the body, in lower case, without parameters.
pub(crate) fn media_type(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(CONTENT_TYPE)?.to_str().unwrap_or("?");
    let kind = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    (!kind.is_empty()).then_some(kind)
}

/// Refuses compressed bodies: nothing here inflates what a client sends.
///
/// # Errors
/// `Unsupported`.
pub(crate) fn identity(headers: &HeaderMap) -> Result<()> {
    match headers.get(CONTENT_ENCODING) {
        None => Ok(()),
        Some(coding) if coding.as_bytes().eq_ignore_ascii_case(b"identity") => Ok(()),
        Some(_) => Err(Error::new(ErrorKind::Unsupported, "compressed bodies are not accepted")),
    }
}

/// Refuses U+0000 anywhere: one of the databases cannot keep it, so no backend is asked to.
fn no_nul(value: &Value) -> Result<()> {
    let clean = |text: &str| {
        if text.contains('\0') {
            return Err(Error::new(ErrorKind::Invalid, "U+0000 is not allowed in texts"));
        }
        Ok(())
    };
    match value {
        Value::String(text) => clean(text),
        Value::Array(members) => members.iter().try_for_each(no_nul),
        Value::Object(members) => members.iter().try_for_each(|(name, member)| {
            clean(name)?;
            no_nul(member)
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_json_is_the_clients_fault() {
        let deep = "[".repeat(100_000);
        for bad in
            ["", "{", "nope", "\"\\ud800\"", "1e999999999", "\"\\u0000\"", "{\"a\\u0000\":1}", deep.as_str()]
        {
            let error = parse::<Value>(bad.as_bytes()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{:.20}", bad);
        }
        assert_eq!(parse::<Value>(b"\"\xff\"").unwrap_err().kind(), ErrorKind::Invalid);
        assert!(parse::<Value>(br#"{"a":1,"a":2}"#).is_ok(), "the last of two members counts");
    }

    #[tokio::test]
    async fn bodies_are_bounded_announced_or_not() {
        let headers = HeaderMap::new();
        let announced = Body::from(vec![b' '; JSON_LIMIT + 1]);
        assert_eq!(read::<Value>(&headers, announced).await.unwrap_err().kind(), ErrorKind::TooLarge);
        let chunks = (0..=16).map(|_| Ok::<_, std::io::Error>(Bytes::from(vec![b' '; JSON_LIMIT / 16])));
        let chunked = Body::from_stream(futures::stream::iter(chunks));
        assert_eq!(read::<Value>(&headers, chunked).await.unwrap_err().kind(), ErrorKind::TooLarge);
    }

    #[tokio::test]
    async fn other_types_and_codings_are_refused() {
        for (name, value) in [(CONTENT_TYPE, "text/plain"), (CONTENT_ENCODING, "gzip")] {
            let headers = HeaderMap::from_iter([(name, http::HeaderValue::from_static(value))]);
            let error = read::<Value>(&headers, Body::from("{}")).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported);
        }
    }
}
