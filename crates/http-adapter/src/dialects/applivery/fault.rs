//! The dialect's errors: `{"status":false,"error":{"code":…,"message":…}}`.

use appdepot_core::error::{CredentialFault, Detail, Error, ErrorKind};
use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde::Serialize;

/// A failed answer.
#[derive(Debug)]
pub(crate) struct Fault {
    status: StatusCode,
    code: u16,
    message: String,
}

#[derive(Serialize)]
struct Body<'a> {
    status: bool,
    error: ErrorBody<'a>,
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    code: u16,
    message: &'a str,
}

/// Documented: 404.
const NOT_FOUND: u16 = 3001;
/// Documented: 401, the actor may not.
const UNAUTHORIZED: u16 = 4001;
/// Documented: 401, no credential.
const NO_TOKEN: u16 = 4002;
/// Documented: 401, a credential that is not good.
const INVALID_TOKEN: u16 = 4004;
/// Documented: 400.
const NO_FILE: u16 = 5006;
/// Documented: 400.
const EXTENSION: u16 = 5007;
/// Documented for builds: 400, not in a state that allows it.
const STATE: u16 = 5014;
/// Documented: 400.
const LIMIT: u16 = 5017;
/// Documented: 400.
const STORAGE_PROVIDER: u16 = 5060;

// Codes of our own; the last two digits tell the HTTP status.
const VALIDATION: u16 = 5900;
const METHOD: u16 = 5905;
const CONFLICT: u16 = 5909;
const TOO_LARGE: u16 = 5913;
const MEDIA_TYPE: u16 = 5915;
const INTERNAL: u16 = 5950;
const UNAVAILABLE: u16 = 5953;

/// When to try again after 503, in seconds.
const RETRY_SECONDS: &str = "2";

impl Fault {
    fn new(status: StatusCode, code: u16, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, NOT_FOUND, "Entity not found")
    }

    pub(crate) fn no_file() -> Self {
        Self::new(StatusCode::BAD_REQUEST, NO_FILE, "No File Found in request")
    }

    pub(crate) fn extension() -> Self {
        Self::new(StatusCode::BAD_REQUEST, EXTENSION, "File extension not allowed")
    }

    /// The extension is allowed, but the content is something else.
    pub(crate) fn content(why: &str) -> Self {
        let message = format!("File extension not allowed for this content: {why}");
        Self::new(StatusCode::BAD_REQUEST, EXTENSION, message)
    }

    pub(crate) fn storage_provider() -> Self {
        Self::new(StatusCode::BAD_REQUEST, STORAGE_PROVIDER, "StorageProvider not found")
    }

    /// Fields that are not as documented.
    pub(crate) fn validation(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, VALIDATION, message)
    }

    pub(crate) fn method() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, METHOD, "Method not allowed")
    }

    /// A body that could not be read; of the wire's own errors only the wrong type differs from the core's.
    pub(crate) fn wire(error: Error) -> Self {
        match error.kind() {
            ErrorKind::Unsupported => {
                Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, MEDIA_TYPE, error.message())
            }
            _ => error.into(),
        }
    }

    pub(crate) fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, INTERNAL, "Internal error")
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        crate::call::log(&error);
        let message = error.message().to_owned();
        match (error.kind(), error.detail()) {
            (ErrorKind::NotFound, Detail::Missing("storage provider")) => Self::storage_provider(),
            (ErrorKind::NotFound, _) => Self::not_found(),
            (ErrorKind::Unauthenticated, Detail::Credential(CredentialFault::Missing)) => {
                Self::new(StatusCode::UNAUTHORIZED, NO_TOKEN, "No auth token")
            }
            (ErrorKind::Unauthenticated, _) => {
                Self::new(StatusCode::UNAUTHORIZED, INVALID_TOKEN, "Invalid Token")
            }
            (ErrorKind::Forbidden, _) => Self::new(StatusCode::UNAUTHORIZED, UNAUTHORIZED, "Unauthorized"),
            (ErrorKind::Invalid, _) => Self::validation(message),
            (ErrorKind::Conflict, Detail::Unprocessed) => {
                Self::new(StatusCode::BAD_REQUEST, STATE, "Build Not Processed")
            }
            (ErrorKind::Conflict, Detail::Step { .. }) => Self::new(StatusCode::BAD_REQUEST, STATE, message),
            (ErrorKind::Conflict, _) => Self::new(StatusCode::CONFLICT, CONFLICT, message),
            (ErrorKind::TooLarge, _) => Self::new(StatusCode::PAYLOAD_TOO_LARGE, TOO_LARGE, message),
            (ErrorKind::Unsupported, _) => Self::new(StatusCode::BAD_REQUEST, EXTENSION, message),
            (ErrorKind::Limited, _) => Self::new(StatusCode::BAD_REQUEST, LIMIT, "Limit Exceeded"),
            (ErrorKind::Unavailable, _) => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, UNAVAILABLE, "Service unavailable")
            }
            (ErrorKind::Internal, _) => Self::internal(),
        }
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let body = Body { status: false, error: ErrorBody { code: self.code, message: &self.message } };
        let mut response = (self.status, Json(body)).into_response();
        match self.status {
            StatusCode::UNAUTHORIZED => {
                response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static(RETRY_SECONDS));
            }
            _ => {}
        }
        response
    }
}
