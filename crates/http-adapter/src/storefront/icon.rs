//! The pictures of apps.

use appdepot_core::Result;
use askama::Template;
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};

use crate::wire::deliver::guard;
use crate::wire::text::visible;

/// The edge on pages, in pixels: twice what is seen, for dense screens.
pub(super) const PAGE_EDGE: u32 = 224;
/// The edge that iOS shows while it installs.
pub(super) const DISPLAY_EDGE: u32 = 57;
/// The edge that iOS asks for besides.
pub(super) const FULL_EDGE: u32 = 512;

/// The first letter of a name, for apps without an icon.
#[derive(Debug, Template)]
#[template(path = "letter.svg", escape = "html")]
struct Letter {
    letter: String,
}

/// A PNG picture, or else the first letter of the name.
///
/// # Errors
/// `Internal`.
pub(super) fn answer(png: Option<Bytes>, name: &str) -> Result<Response> {
    let (media_type, body) = match png {
        Some(png) => ("image/png", Body::from(png)),
        None => {
            let first = visible(name).trim().chars().next().unwrap_or('?');
            let letter = Letter { letter: first.to_uppercase().collect() };
            ("image/svg+xml", Body::from(letter.render().map_err(appdepot_core::Error::internal)?))
        }
    };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    guard(headers);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, max-age=3600"));
    Ok(response)
}
