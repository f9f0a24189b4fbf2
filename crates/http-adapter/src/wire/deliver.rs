//! The bytes of an asset as an HTTP answer: conditions, ranges and the headers that keep browsers from running
//! what they fetch.

use std::fmt::Write as _;
use std::future::Future;

use appdepot_core::blobs::ByteRange;
use appdepot_core::depot::Download;
use appdepot_core::domain::{Access, Asset, File, Stored};
use appdepot_core::{Error, Result};
use axum::body::Body;
use axum::response::Response;
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, IF_RANGE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use super::conditional::{Validators, Verdict};
use super::range::Wanted;

/// How often an asset may be replaced while it is being opened.
const ATTEMPTS: usize = 3;

/// Answers a request for the bytes of an asset.
///
/// `known` is the asset where the caller already has it; `open` opens it at a range, with whatever right the
/// request has.
///
/// # Behavior
/// - 200 or 206 with the bytes; 304 or, without a body, 412 as the request's conditions say; 416 for a range past
///   their end.
/// - `Range` counts only for `GET` and, with `If-Range`, only while the bytes are the named ones.
/// - `HEAD` gets the headers of 200 and no bytes.
/// - The entity tag is the digest of the bytes, so it is strong and survives a change of the record.
/// - Bytes of a private asset may not be stored by caches.
///
/// # Errors
/// Those of `open`; `NotFound` when there are no bytes because it is a link.
pub(crate) async fn deliver<O, F>(
    method: &Method,
    headers: &HeaderMap,
    known: Option<Stored<Asset>>,
    open: O,
) -> Result<Response>
where
    O: Fn(ByteRange) -> F,
    F: Future<Output = Result<Download>>,
{
    let mut opened = None;
    let mut asset = match known {
        Some(asset) => asset,
        None => {
            let download = open(ByteRange::FULL).await?;
            let asset = download.asset.clone();
            opened = Some(download);
            asset
        }
    };
    for _ in 0..ATTEMPTS {
        let file = asset.file().ok_or_else(|| Error::not_found("file"))?;
        let validators = validators(&asset, file);
        match validators.judge(method, headers) {
            Verdict::Go => {}
            Verdict::NotModified => {
                return answer(StatusCode::NOT_MODIFIED, &asset, file, None, Body::empty());
            }
            Verdict::Failed => {
                return answer(StatusCode::PRECONDITION_FAILED, &asset, file, None, Body::empty());
            }
        }
        let wanted = if *method == Method::GET && range_applies(headers, &validators) {
            Wanted::of(headers, file.length)
        } else {
            Wanted::Whole
        };
        let (status, start, end) = match wanted {
            Wanted::Whole => (StatusCode::OK, 0, file.length),
            Wanted::Part { start, end } => (StatusCode::PARTIAL_CONTENT, start, end),
            Wanted::Nothing => {
                return answer(StatusCode::RANGE_NOT_SATISFIABLE, &asset, file, None, Body::empty());
            }
        };
        if *method == Method::HEAD {
            return answer(status, &asset, file, Some((start, end)), Body::empty());
        }
        let download = match opened.take() {
            Some(download) if wanted == Wanted::Whole => download,
            _ => open(ByteRange { start, end: Some(end) }).await?,
        };
        // The bytes may have been replaced since they were looked at: what was decided is about the old ones.
        if download.asset.file().is_some_and(|now| now.sha256 == file.sha256) {
            let span = Some((download.start, download.end));
            return answer(status, &asset, file, span, Body::from_stream(download.stream));
        }
        asset = download.asset;
    }
    Err(Error::unavailable("the asset was replaced again and again while it was opened"))
}

fn answer(
    status: StatusCode,
    asset: &Stored<Asset>,
    file: &File,
    span: Option<(u64, u64)>,
    body: Body,
) -> Result<Response> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let cache = match asset.access {
        Access::Private => "private, no-store",
        // Public bytes may be replaced or withdrawn at any time, so caches have to ask.
        Access::Public => "public, no-cache",
    };
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(cache));
    validators(asset, file).stamp(headers)?;
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    guard(headers);
    match (status, span) {
        (StatusCode::RANGE_NOT_SATISFIABLE, _) => {
            headers.insert(CONTENT_RANGE, value(format!("bytes */{}", file.length))?);
        }
        (_, Some((start, end))) => {
            headers.insert(CONTENT_LENGTH, value(end.saturating_sub(start).to_string())?);
            if status == StatusCode::PARTIAL_CONTENT {
                let last = end.saturating_sub(1);
                headers.insert(CONTENT_RANGE, value(format!("bytes {start}-{last}/{}", file.length))?);
            }
            let kind = HeaderValue::from_str(&file.media_type).ok().filter(|kind| !kind.is_empty());
            headers
                .insert(CONTENT_TYPE, kind.unwrap_or(HeaderValue::from_static("application/octet-stream")));
            headers.insert(CONTENT_DISPOSITION, value(disposition(&file.file_name))?);
        }
        (_, None) => {}
    }
    Ok(response)
}

/// The headers that keep a browser from running or rendering what it fetches from here.
pub(crate) fn guard(headers: &mut HeaderMap) {
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox; default-src 'none'"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
}

/// `attachment` with the name twice (RFC 6266 §5): in ASCII for old clients, and exact.
pub(crate) fn disposition(file_name: &str) -> String {
    let name: String = file_name.chars().filter(|c| !c.is_control()).collect();
    let plain: String =
        name.chars()
            .map(|c| {
                if (c.is_ascii_graphic() || c == ' ') && !matches!(c, '"' | '\\' | '%' | '/') {
                    c
                } else {
                    '_'
                }
            })
            .collect();
    let mut exact = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte) {
            exact.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(exact, "%{byte:02X}");
        }
    }
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{exact}")
}

fn validators(asset: &Stored<Asset>, file: &File) -> Validators {
    Validators::tagged(&file.sha256, Some(asset.updated_at))
}

/// A date in `If-Range` never applies: within a second the bytes may change twice.
fn range_applies(headers: &HeaderMap, validators: &Validators) -> bool {
    headers.get(IF_RANGE).is_none_or(|value| validators.is(value.as_bytes()))
}

fn value(text: String) -> Result<HeaderValue> {
    HeaderValue::try_from(text).map_err(Error::internal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_disposition_is_one_line_with_both_names() {
        for (name, expected) in [
            ("a.apk", "attachment; filename=\"a.apk\"; filename*=UTF-8''a.apk"),
            ("ä \"b\".txt", "attachment; filename=\"_ _b_.txt\"; filename*=UTF-8''%C3%A4%20%22b%22.txt"),
            (
                "x\r\nSet-Cookie: a=b",
                "attachment; filename=\"xSet-Cookie: a=b\"; filename*=UTF-8''xSet-Cookie%3A%20a%3Db",
            ),
            ("", "attachment; filename=\"\"; filename*=UTF-8''"),
        ] {
            assert_eq!(disposition(name), expected);
            assert!(HeaderValue::try_from(disposition(name)).is_ok());
        }
    }

    fn asset(bytes: &'static [u8], sha256: &str) -> Stored<Asset> {
        let file = serde_json::json!({
            "type": "file", "location": {"blob": "000000000000000000000001"}, "length": bytes.len(),
            "sha256": sha256, "fileName": "a", "extension": "", "mediaType": "text/plain\u{1}",
            "inspection": appdepot_core::inspect::Inspection::default(),
        });
        let asset = serde_json::json!({
            "name": "a", "access": "private", "class": "other", "content": file,
            "uploadedBy": appdepot_core::authorize::Person::default(),
        });
        let asset: Asset = serde_json::from_value(asset).unwrap();
        Stored::new(appdepot_core::domain::Id::NIL, asset, Default::default())
    }

    #[tokio::test]
    async fn an_asset_that_is_replaced_meanwhile_is_decided_on_anew() {
        let old = asset(b"0123456789", "old");
        let open = async |range: ByteRange| {
            let (start, end) = range.within(4);
            let bytes = &b"abcd"[usize::try_from(start).unwrap()..usize::try_from(end).unwrap()];
            let stream = Box::pin(futures::stream::iter([Ok(bytes::Bytes::from_static(bytes))]));
            Ok(Download { asset: asset(b"abcd", "new"), start, end, stream })
        };
        let headers = HeaderMap::from_iter([(http::header::RANGE, HeaderValue::from_static("bytes=2-7"))]);
        let response = deliver(&Method::GET, &headers, Some(old.clone()), open).await.unwrap();
        assert_eq!(response.headers()[CONTENT_RANGE], "bytes 2-3/4");
        assert_eq!(response.headers()[http::header::ETAG], "\"new\"");
        assert_eq!(response.headers()[CONTENT_TYPE], "application/octet-stream");
        let bytes = axum::body::to_bytes(response.into_body(), 99).await.unwrap();
        assert_eq!(&bytes[..], b"cd");
        // Ever changing, it ends.
        let count = std::cell::Cell::new(0);
        let flicker = |range: ByteRange| {
            count.set(count.get() + 1);
            let next = asset(b"abcd", &count.get().to_string());
            let stream = Box::pin(futures::stream::empty());
            async move { Ok(Download { asset: next, start: range.start, end: 4, stream }) }
        };
        let error = deliver(&Method::GET, &HeaderMap::new(), Some(old), flicker).await.unwrap_err();
        assert_eq!(error.kind(), appdepot_core::ErrorKind::Unavailable);
    }

    #[test]
    fn a_range_applies_to_the_bytes_that_are_named() {
        let it = Validators::tagged("a", None);
        let with = |text: &str| HeaderMap::from_iter([(IF_RANGE, text.parse().unwrap())]);
        assert!(range_applies(&HeaderMap::new(), &it));
        assert!(range_applies(&with("\"a\""), &it));
        for other in ["\"b\"", "W/\"a\"", "Tue, 15 Nov 1994 12:45:26 GMT"] {
            assert!(!range_applies(&with(other), &it), "{other}");
        }
    }
}
