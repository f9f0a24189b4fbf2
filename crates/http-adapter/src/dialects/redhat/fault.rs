//! The dialect's errors: `{"status":"error","message":…}`.

use appdepot_core::error::{Error, ErrorKind};
use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Serialize;
use serde_json::{Value, json};

use crate::wire::Retry;

/// A failed answer.
#[derive(Debug)]
pub(crate) struct Fault {
    status: StatusCode,
    message: String,
    retry: Retry,
}

#[derive(Serialize)]
struct Body<'a> {
    status: &'static str,
    message: &'a str,
}

/// The schema of the body.
pub(super) fn schema() -> Value {
    json!({
        "type": "object",
        "required": ["status", "message"],
        "properties": { "status": { "const": "error" }, "message": { "type": "string" } },
    })
}

impl Fault {
    fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), retry: Retry::default() }
    }

    /// What the clients look for in the body: they read it only of an answer of 200.
    pub(super) fn told(message: impl Into<String>) -> Self {
        Self::new(StatusCode::OK, message)
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
        Self::new(StatusCode::NOT_FOUND, "unknown endpoint")
    }

    pub(super) fn method() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method not allowed")
    }

    pub(crate) fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal error")
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        crate::call::log(&error);
        let with = |status| Self { retry: Retry::after(&error), ..Self::new(status, error.message()) };
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
        self.retry.tell(&mut response);
        response
    }
}
