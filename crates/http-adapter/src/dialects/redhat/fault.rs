//! The dialect's errors: `{"status":"error","message":…}`.

use appdepot_core::error::{Error, ErrorKind};
use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};
use serde::Serialize;

/// A failed answer.
#[derive(Debug)]
pub(crate) struct Fault {
    status: StatusCode,
    message: String,
}

#[derive(Serialize)]
struct Body<'a> {
    status: &'static str,
    message: &'a str,
}

/// When to try again after 429 and 503, in seconds.
const RETRY_SECONDS: &str = "5";

impl Fault {
    /// What the clients look for in the body: they read it only of an answer of 200.
    pub(super) fn told(message: impl Into<String>) -> Self {
        Self { status: StatusCode::OK, message: message.into() }
    }

    /// Documented: no such thing.
    pub(super) fn guid() -> Self {
        Self::told("invalid_guid")
    }

    /// Documented: no such binary type, not one of this item, or not what the file is.
    pub(super) fn binary_type() -> Self {
        Self::told("invalid_type")
    }

    pub(super) fn unknown_path() -> Self {
        Self { status: StatusCode::NOT_FOUND, message: "unknown endpoint".to_owned() }
    }

    pub(super) fn method() -> Self {
        Self { status: StatusCode::METHOD_NOT_ALLOWED, message: "method not allowed".to_owned() }
    }

    pub(crate) fn internal() -> Self {
        Self { status: StatusCode::INTERNAL_SERVER_ERROR, message: "internal error".to_owned() }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        crate::call::log(&error);
        let with = |status| Self { status, message: error.message().to_owned() };
        match error.kind() {
            ErrorKind::NotFound => Self::guid(),
            ErrorKind::Invalid | ErrorKind::Conflict | ErrorKind::Unsupported | ErrorKind::TooLarge => {
                with(StatusCode::OK)
            }
            ErrorKind::Unauthenticated => with(StatusCode::UNAUTHORIZED),
            ErrorKind::Forbidden => with(StatusCode::FORBIDDEN),
            ErrorKind::Limited => with(StatusCode::TOO_MANY_REQUESTS),
            ErrorKind::Unavailable => with(StatusCode::SERVICE_UNAVAILABLE),
            ErrorKind::Internal => Self::internal(),
        }
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let mut response =
            (self.status, Json(Body { status: "error", message: &self.message })).into_response();
        if matches!(self.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static(RETRY_SECONDS));
        }
        response
    }
}
