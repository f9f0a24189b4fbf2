//! Errors in Emporix's words.

use appdepot_core::authorize::permission;
use appdepot_core::error::{CredentialFault, Detail};
use appdepot_core::{Error, ErrorKind};
use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};

use super::routes::FILE_LIMIT;
use crate::call;
use crate::wire::Retry;

/// What the service calls each HTTP status; others are internal.
const STATUSES: [(StatusCode, &str); 9] = [
    (StatusCode::BAD_REQUEST, "Bad request"),
    (StatusCode::FORBIDDEN, "Forbidden"),
    (StatusCode::NOT_FOUND, "element_resource_non_existing"),
    (StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed"),
    (StatusCode::CONFLICT, "Conflict"),
    (StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large"),
    (StatusCode::TOO_MANY_REQUESTS, "Too Many Requests"),
    (StatusCode::INTERNAL_SERVER_ERROR, "internal_service_error"),
    (StatusCode::SERVICE_UNAVAILABLE, "service_unavailable"),
];

/// An answer that says what went wrong.
#[derive(Debug)]
pub(super) enum Fault {
    /// The gateway's envelope: something is wrong with the token.
    Gateway(CredentialFault),
    /// The service's own body.
    Service(ErrorMessage),
    /// Of the token endpoint (RFC 6749 §5.2).
    Token {
        /// The HTTP status.
        status: StatusCode,
        /// The RFC's word.
        error: &'static str,
        /// For developers.
        description: String,
        /// How the client has to say who it is, where that went wrong (RFC 9110 §11.6.1).
        challenge: Option<HeaderValue>,
        /// When to come back.
        retry: Retry,
    },
}

/// The body of every error but those of tokens.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ErrorMessage {
    code: u16,
    status: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    details: Vec<String>,
    #[serde(skip)]
    retry: Retry,
}

/// The schema of the bodies: the service's own, the gateway's, and that of the token endpoint.
pub(super) fn schema() -> Value {
    let text = json!({ "type": "string" });
    let object = |required: &[&str], properties: Value| {
        json!({
            "type": "object", "required": required, "properties": properties,
        })
    };
    let detail = object(&["errorcode"], json!({ "errorcode": text }));
    let gateway = object(&["faultstring", "detail"], json!({ "faultstring": text, "detail": detail }));
    json!({ "anyOf": [
        object(&["code", "status", "message"], json!({
            "code": { "type": "integer" },
            "status": text,
            "message": text,
            "details": { "type": "array", "items": text },
        })),
        object(&["fault"], json!({ "fault": gateway })),
        object(&["error", "error_description"], json!({ "error": text, "error_description": text })),
    ] })
}

impl Fault {
    /// 400, with one detail.
    pub(super) fn bad_request(detail: impl Into<String>) -> Self {
        Self::service(StatusCode::BAD_REQUEST, "The request is not valid.", vec![detail.into()])
    }

    /// 413 for the file.
    pub(super) fn file_too_large() -> Self {
        let message = "The part named [file] exceeds the maximum allowed content length.";
        Self::service(StatusCode::PAYLOAD_TOO_LARGE, message, Vec::new())
    }

    /// 404 for a path that is none of the API's.
    pub(super) fn unknown_path() -> Self {
        Error::not_found("path").into()
    }

    /// 405 for a path that has other methods.
    pub(super) fn unknown_method() -> Self {
        Self::service(StatusCode::METHOD_NOT_ALLOWED, "The method is not supported here.", Vec::new())
    }

    /// 500 for a defect that was logged already.
    pub(super) fn defect() -> Self {
        Self::service(StatusCode::INTERNAL_SERVER_ERROR, "An internal error occurred.", Vec::new())
    }

    /// A token request that is not as RFC 6749 has it.
    pub(super) fn token_request(error: &'static str, why: &str) -> Self {
        let (status, retry) = (StatusCode::BAD_REQUEST, Retry::default());
        Self::Token { status, error, description: why.to_owned(), challenge: None, retry }
    }

    /// A client that said who it is in the `Authorization` header is told so there (RFC 6749 §5.2).
    pub(super) fn challenging(mut self) -> Self {
        if let Self::Token { status: StatusCode::UNAUTHORIZED, challenge, .. } = &mut self {
            *challenge = Some(HeaderValue::from_static("Basic realm=\"token\", charset=\"UTF-8\""));
        }
        self
    }

    /// An error of the token endpoint.
    pub(super) fn token(error: Error) -> Self {
        call::log(&error);
        let scope =
            matches!(error.detail(), Detail::Fields(fields) if fields.iter().any(|f| f.field == "scope"));
        let (status, word) = match error.kind() {
            ErrorKind::Unauthenticated | ErrorKind::NotFound | ErrorKind::Forbidden => {
                (StatusCode::UNAUTHORIZED, "invalid_client")
            }
            ErrorKind::Invalid if scope => (StatusCode::BAD_REQUEST, "invalid_scope"),
            ErrorKind::Invalid | ErrorKind::Conflict => (StatusCode::BAD_REQUEST, "invalid_request"),
            ErrorKind::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "invalid_request"),
            ErrorKind::Unsupported => (StatusCode::BAD_REQUEST, "unsupported_grant_type"),
            ErrorKind::Limited => (StatusCode::TOO_MANY_REQUESTS, "temporarily_unavailable"),
            ErrorKind::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable"),
            ErrorKind::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "server_error"),
        };
        let (description, retry) = (error.message().to_owned(), Retry::after(&error));
        Self::Token { status, error: word, description, challenge: None, retry }
    }

    fn service(code: StatusCode, message: impl Into<String>, details: Vec<String>) -> Self {
        let known = STATUSES.into_iter().find(|(status, _)| *status == code);
        let status = known.map_or("internal_service_error", |(_, word)| word);
        let (code, message, retry) = (code.as_u16(), message.into(), Retry::default());
        Self::Service(ErrorMessage { code, status, message, details, retry })
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        call::log(&error);
        let said = error.message().to_owned();
        let mut fault = match error.kind() {
            ErrorKind::Unauthenticated => Self::Gateway(match error.detail() {
                Detail::Credential(fault) => *fault,
                _ => CredentialFault::Bad,
            }),
            ErrorKind::Invalid | ErrorKind::Unsupported => Self::bad_request(match error.detail() {
                Detail::Fields(fields) => {
                    let all: Vec<_> = fields
                        .iter()
                        .map(|fault| format!("{}: {}", wire_name(&fault.field), fault.message))
                        .collect();
                    all.join("; ")
                }
                _ => said,
            }),
            ErrorKind::Forbidden => {
                let scope = match error.detail() {
                    Detail::Permission(p) if p == permission::ASSET_GET || p == permission::ASSET_LIST => {
                        "media.asset_read"
                    }
                    _ => "media.asset_manage",
                };
                // One client looks for the first text, another takes the scope's name from the second.
                let details = vec!["Missing required scopes".to_owned(), format!("missing scope: {scope}")];
                Self::service(StatusCode::FORBIDDEN, "Forbidden", details)
            }
            ErrorKind::NotFound => {
                Self::service(StatusCode::NOT_FOUND, "The requested resource does not exist.", Vec::new())
            }
            ErrorKind::Conflict => {
                let detail = match error.detail() {
                    Detail::Stale { current: Some(current) } => {
                        format!("metadata.version is not the current version, which is {current}")
                    }
                    Detail::Taken { space: "alias" } => "an asset with this id already exists".to_owned(),
                    _ => said,
                };
                Self::service(StatusCode::CONFLICT, "Conflict", vec![detail])
            }
            ErrorKind::TooLarge if matches!(error.detail(), Detail::Limit { limit: FILE_LIMIT, .. }) => {
                Self::file_too_large()
            }
            ErrorKind::TooLarge => {
                let message = "The request exceeds the maximum allowed content length.";
                Self::service(StatusCode::PAYLOAD_TOO_LARGE, message, vec![said])
            }
            ErrorKind::Limited => {
                Self::service(StatusCode::TOO_MANY_REQUESTS, "Too many requests.", vec![said])
            }
            ErrorKind::Unavailable => {
                let message = "The service is temporarily unavailable.";
                Self::service(StatusCode::SERVICE_UNAVAILABLE, message, Vec::new())
            }
            ErrorKind::Internal => Self::defect(),
        };
        if let Self::Service(message) = &mut fault {
            message.retry = Retry::after(&error);
        }
        fault
    }
}

/// The field as Emporix calls it.
fn wire_name(field: &str) -> &str {
    match field {
        "alias" => "id",
        "references" => "refIds",
        "references.type" => "refIds.type",
        "references.id" => "refIds.id",
        "fileName" => "details.filename",
        "mediaType" => "details.mimeType",
        "extra" => "mixins",
        other => other,
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let mut response = match self {
            Self::Gateway(fault) => {
                let (text, code) = match fault {
                    CredentialFault::Missing | CredentialFault::Bad => {
                        ("Invalid access token", "oauth.v2.InvalidAccessToken")
                    }
                    CredentialFault::Expired => {
                        ("Access Token expired", "keymanagement.service.access_token_expired")
                    }
                };
                let body = json!({"fault": {"faultstring": text, "detail": {"errorcode": code}}});
                let mut response = (StatusCode::UNAUTHORIZED, Json(body)).into_response();
                response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
                response
            }
            Self::Service(message) => {
                let status = StatusCode::from_u16(message.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                let retry = message.retry;
                let mut response = (status, Json(message)).into_response();
                retry.tell(&mut response);
                response
            }
            Self::Token { status, error, description, challenge, retry } => {
                let body = json!({"error": error, "error_description": description});
                let mut response = (status, Json(body)).into_response();
                if let Some(challenge) = challenge {
                    response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
                }
                retry.tell(&mut response);
                response
            }
        };
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::testing::golden_members;

    #[test]
    fn every_error_has_a_golden_answer() {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<BTreeSet<_>>();
        assert_eq!(
            golden_members("emporix", "code"),
            STATUSES.iter().map(|(code, _)| code.as_str().to_owned()).collect()
        );
        assert_eq!(golden_members("emporix", "status"), texts(&STATUSES.map(|(_, word)| word)));
        assert_eq!(
            golden_members("emporix", "errorcode"),
            texts(&["oauth.v2.InvalidAccessToken", "keymanagement.service.access_token_expired"])
        );
        assert_eq!(
            golden_members("emporix", "error"),
            texts(&[
                "invalid_client",
                "invalid_request",
                "invalid_scope",
                "server_error",
                "temporarily_unavailable",
                "unsupported_grant_type",
            ])
        );
    }
}
