//! Errors in WSO2's words.

use appdepot_core::error::Detail;
use appdepot_core::{Error, ErrorKind};
use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};

use super::words;
use crate::call;
use crate::wire::Retry;

/// An answer that says what went wrong.
#[derive(Debug)]
pub(super) struct Fault(StatusCode, Body, Retry);

/// The body of every error.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    code: u16,
    message: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    more_info: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Vec<Item>>,
}

/// One thing that is wrong.
#[derive(Debug, Serialize)]
struct Item {
    code: String,
    message: String,
}

/// The schema of the body.
pub(super) fn schema() -> Value {
    let text = json!({ "type": "string" });
    let item = json!({
        "type": "object",
        "required": ["code", "message"],
        "properties": { "code": text, "message": text },
    });
    json!({
        "type": "object",
        "required": ["code", "message"],
        "properties": {
            "code": { "type": "integer" },
            "message": text,
            "description": text,
            "moreInfo": text,
            "error": { "type": "array", "items": item },
        },
    })
}

impl Fault {
    pub(super) fn new(status: StatusCode, description: impl Into<String>) -> Self {
        let body = Body {
            code: status.as_u16(),
            message: message(status),
            description: Some(description.into()),
            more_info: Some(""),
            error: Some(Vec::new()),
        };
        Self(status, body, Retry::default())
    }

    /// What a gateway says: code and message only.
    fn bare(status: StatusCode) -> Self {
        let body = Body {
            code: status.as_u16(),
            message: message(status),
            description: None,
            more_info: None,
            error: None,
        };
        Self(status, body, Retry::default())
    }

    pub(super) fn bad_request(description: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, description)
    }

    /// 404, naming the resource.
    pub(super) fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("Requested {what} was not found"))
    }

    /// 412.
    pub(super) fn precondition(description: impl Into<String>) -> Self {
        Self::new(StatusCode::PRECONDITION_FAILED, description)
    }

    /// 500 for a defect that was logged already.
    pub(super) fn defect() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "An internal error occurred; contact the administrator")
    }

    /// A body that could not be read: another content type is 415.
    pub(super) fn body(error: Error) -> Self {
        match error.kind() {
            ErrorKind::Unsupported => Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, error.message()),
            _ => error.into(),
        }
    }

    /// A step that the lifecycle does not have here: 400, as documented, with what it has.
    pub(super) fn step(error: Error, type_word: &str, id: &str) -> Self {
        match error.detail() {
            Detail::Step { verb, allowed, .. } => Self::bad_request(format!(
                "Action '{}' is not allowed for the {type_word} with Id '{id}'. Allowed actions are {}",
                words::action(*verb),
                words::actions(allowed)
            )),
            Detail::Permission(permission) => {
                Self::new(StatusCode::FORBIDDEN, format!("The action needs the permission {permission}"))
            }
            _ => error.into(),
        }
    }

    /// Something that is still in use cannot go: 412, as the API has it.
    pub(super) fn in_use(error: Error) -> Self {
        match (error.kind(), error.detail()) {
            (ErrorKind::Conflict, Detail::None) => Self::precondition(error.message()),
            _ => error.into(),
        }
    }
}

fn message(status: StatusCode) -> &'static str {
    match status {
        StatusCode::BAD_REQUEST => "Bad Request",
        StatusCode::UNAUTHORIZED => "Unauthorized",
        StatusCode::FORBIDDEN => "Forbidden",
        StatusCode::NOT_FOUND => "Not Found",
        StatusCode::METHOD_NOT_ALLOWED => "Method Not Allowed",
        StatusCode::NOT_ACCEPTABLE => "Not Acceptable",
        StatusCode::CONFLICT => "Resource Already Exists",
        StatusCode::PRECONDITION_FAILED => "Precondition Failed",
        StatusCode::PAYLOAD_TOO_LARGE => "Request Entity Too Large",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "Unsupported Media Type",
        StatusCode::TOO_MANY_REQUESTS => "Too Many Requests",
        StatusCode::SERVICE_UNAVAILABLE => "Service Unavailable",
        _ => "Internal server error",
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        call::log(&error);
        let said = error.message().to_owned();
        let Self(status, body, _) = match (error.kind(), error.detail()) {
            (ErrorKind::Unauthenticated, _) => Self::bare(StatusCode::UNAUTHORIZED),
            (ErrorKind::Forbidden, Detail::Permission(_)) => Self::bare(StatusCode::FORBIDDEN),
            (ErrorKind::Forbidden, _) => Self::new(StatusCode::FORBIDDEN, said),
            (ErrorKind::NotFound, Detail::Missing(what)) => Self::not_found(what),
            (ErrorKind::NotFound, _) => Self::not_found("resource"),
            (ErrorKind::Invalid, Detail::Fields(fields)) => {
                let mut fault = Self::bad_request(match fields.as_slice() {
                    [only] => only.message.to_string(),
                    _ => "Validation Error".to_owned(),
                });
                let items = fields.iter().map(|field| Item {
                    code: format!("400_{}", wire_name(&field.field)),
                    message: field.message.to_string(),
                });
                fault.1.error = Some(items.collect());
                fault
            }
            (ErrorKind::Invalid | ErrorKind::Unsupported, _) => Self::bad_request(said),
            (ErrorKind::Conflict, Detail::Stale { .. }) => Self::precondition(said),
            (ErrorKind::Conflict, Detail::Taken { space }) => {
                let what = match *space {
                    "name" => "something of this name",
                    "version" => "this version of the app",
                    "context" => "an app with this context",
                    other => other,
                };
                Self::new(StatusCode::CONFLICT, format!("There is {what} already"))
            }
            (ErrorKind::Conflict, _) => Self::new(StatusCode::CONFLICT, said),
            (ErrorKind::TooLarge, _) => Self::new(StatusCode::PAYLOAD_TOO_LARGE, said),
            (ErrorKind::Limited, _) => Self::new(StatusCode::TOO_MANY_REQUESTS, said),
            (ErrorKind::Unavailable, _) => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "The service is temporarily unavailable")
            }
            (ErrorKind::Internal, _) => Self::defect(),
        };
        Self(status, body, Retry::after(&error))
    }
}

/// The field as WSO2 calls it.
fn wire_name(field: &str) -> &str {
    match field {
        "title" => "displayName",
        "package" => "appmeta",
        "audience" => "visibleRoles",
        "notes" => "recentChanges",
        "policy" => "policyPartial",
        "url" => "appUrL",
        other => other,
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let Self(status, body, retry) = self;
        let mut response = (status, Json(body)).into_response();
        retry.tell(&mut response);
        let headers = response.headers_mut();
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}
