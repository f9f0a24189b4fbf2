//! The dialect's errors: `{"status":false,"error":{"code":…,"message":…}}`.

use appdepot_core::error::{CredentialFault, Detail, Error, ErrorKind};
use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::WWW_AUTHENTICATE;
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};

use crate::wire::Retry;

/// A failed answer.
#[derive(Debug)]
pub(crate) struct Fault {
    code: Code,
    message: String,
    retry: Retry,
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

/// The schema of the body.
pub(super) fn schema() -> Value {
    json!({
        "type": "object",
        "required": ["status", "error"],
        "properties": {
            "status": { "const": false },
            "error": {
                "type": "object",
                "required": ["code", "message"],
                "properties": { "code": { "type": "integer" }, "message": { "type": "string" } },
            },
        },
    })
}

/// What a failed answer is called, and its HTTP status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Code(u16, StatusCode);

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal $status:ident;)+) => {
        $($(#[$doc])* const $name: Code = Code($code, StatusCode::$status);)+

        #[cfg(test)]
        const CODES: &[Code] = &[$($name,)+];
    };
}

codes! {
    /// Documented.
    NOT_FOUND = 3001 NOT_FOUND;
    /// Documented: the actor may not.
    FORBIDDEN = 4001 UNAUTHORIZED;
    /// Documented: no credential.
    NO_TOKEN = 4002 UNAUTHORIZED;
    /// Documented: a credential that is not good.
    INVALID_TOKEN = 4004 UNAUTHORIZED;
    /// Documented.
    NO_FILE = 5006 BAD_REQUEST;
    /// Documented.
    EXTENSION = 5007 BAD_REQUEST;
    /// Documented for builds: not in a state that allows it.
    STATE = 5014 BAD_REQUEST;
    /// Documented.
    LIMIT = 5017 BAD_REQUEST;
    /// Documented.
    STORAGE_PROVIDER = 5060 BAD_REQUEST;

    // Of our own; the last two digits tell the HTTP status.
    VALIDATION = 5900 BAD_REQUEST;
    METHOD = 5905 METHOD_NOT_ALLOWED;
    CONFLICT = 5909 CONFLICT;
    TOO_LARGE = 5913 PAYLOAD_TOO_LARGE;
    MEDIA_TYPE = 5915 UNSUPPORTED_MEDIA_TYPE;
    TOO_OFTEN = 5929 TOO_MANY_REQUESTS;
    INTERNAL = 5950 INTERNAL_SERVER_ERROR;
    UNAVAILABLE = 5953 SERVICE_UNAVAILABLE;
}

impl Fault {
    fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), retry: Retry::default() }
    }

    pub(crate) fn not_found() -> Self {
        Self::new(NOT_FOUND, "Entity not found")
    }

    /// The code that the documents have for whoever may not.
    pub(crate) fn unauthorized() -> Self {
        Self::new(FORBIDDEN, "Unauthorized")
    }

    pub(crate) fn no_file() -> Self {
        Self::new(NO_FILE, "No File Found in request")
    }

    pub(crate) fn extension() -> Self {
        Self::new(EXTENSION, "File extension not allowed")
    }

    /// The extension is allowed, but the content is something else.
    pub(crate) fn content(why: &str) -> Self {
        let message = format!("File extension not allowed for this content: {why}");
        Self::new(EXTENSION, message)
    }

    pub(crate) fn storage_provider() -> Self {
        Self::new(STORAGE_PROVIDER, "StorageProvider not found")
    }

    /// Fields that are not as documented.
    pub(crate) fn validation(message: impl Into<String>) -> Self {
        Self::new(VALIDATION, message)
    }

    pub(crate) fn method() -> Self {
        Self::new(METHOD, "Method not allowed")
    }

    /// A body that could not be read; of the wire's own errors only the wrong type differs from the core's.
    pub(crate) fn wire(error: Error) -> Self {
        match error.kind() {
            ErrorKind::Unsupported => Self::new(MEDIA_TYPE, error.message()),
            _ => error.into(),
        }
    }

    pub(crate) fn internal() -> Self {
        Self::new(INTERNAL, "Internal error")
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        crate::call::log(&error);
        let message = error.message().to_owned();
        let fault = match (error.kind(), error.detail()) {
            (ErrorKind::NotFound, Detail::Missing("storage provider")) => Self::storage_provider(),
            (ErrorKind::NotFound, _) => Self::not_found(),
            (ErrorKind::Unauthenticated, Detail::Credential(CredentialFault::Missing)) => {
                Self::new(NO_TOKEN, "No auth token")
            }
            (ErrorKind::Unauthenticated, _) => Self::new(INVALID_TOKEN, "Invalid Token"),
            (ErrorKind::Forbidden, _) => Self::unauthorized(),
            (ErrorKind::Invalid, _) => Self::validation(message),
            (ErrorKind::Conflict, Detail::Unprocessed) => Self::new(STATE, "Build Not Processed"),
            (ErrorKind::Conflict, Detail::Step { .. }) => Self::new(STATE, message),
            (ErrorKind::Conflict, _) => Self::new(CONFLICT, message),
            (ErrorKind::TooLarge, _) => Self::new(TOO_LARGE, message),
            (ErrorKind::Unsupported, _) => Self::new(EXTENSION, message),
            (ErrorKind::Limited, Detail::Retry { .. }) => Self::new(TOO_OFTEN, message),
            (ErrorKind::Limited, _) => Self::new(LIMIT, "Limit Exceeded"),
            (ErrorKind::Unavailable, _) => Self::new(UNAVAILABLE, "Service unavailable"),
            (ErrorKind::Internal, _) => Self::internal(),
        };
        Self { retry: Retry::after(&error), ..fault }
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let Code(code, status) = self.code;
        let body = Body { status: false, error: ErrorBody { code, message: &self.message } };
        let mut response = (status, Json(body)).into_response();
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        self.retry.tell(&mut response);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::golden_members;

    #[test]
    fn every_code_has_a_golden_answer() {
        let all = CODES.iter().map(|Code(code, _)| code.to_string()).collect();
        assert_eq!(golden_members("applivery", "code"), all);
    }
}
