//! Bytes as base64 text, as the document's sample of a download shows them.

use axum::body::Body;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::{TryStreamExt as _, stream};
use http::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_TYPE, ETAG};
use http::{HeaderValue, StatusCode};

/// The answer with its bytes as base64. The entity tag becomes a weak one: the same file, not the same bytes.
pub(super) fn encoded(response: Response) -> Response {
    if response.status() != StatusCode::OK {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let length =
        parts.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if let Some(length) = length {
        parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(length.div_ceil(3).saturating_mul(4)));
    }
    let tag = parts
        .headers
        .get(ETAG)
        .and_then(|tag| HeaderValue::try_from(format!("W/{}", tag.to_str().ok()?)).ok());
    if let Some(tag) = tag {
        parts.headers.insert(ETAG, tag);
    }
    parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    parts.headers.remove(ACCEPT_RANGES);
    // Three bytes make four letters; what is left of a chunk waits for the next.
    let start = (body.into_data_stream(), Vec::new(), false);
    let text = stream::try_unfold(start, |(mut bytes, mut rest, ended)| async move {
        if ended {
            return Ok::<_, axum::Error>(None);
        }
        let chunk = bytes.try_next().await?;
        let ended = chunk.is_none();
        rest.extend_from_slice(&chunk.unwrap_or_default());
        let whole = if ended { rest.len() } else { rest.len() - rest.len() % 3 };
        let left = rest.split_off(whole);
        Ok(Some((STANDARD.encode(&rest), (bytes, left, ended))))
    });
    Response::from_parts(parts, Body::from_stream(text))
}
