//! Signing in on the wire.

use std::time::Duration;

use appdepot_core::depot::IssuedSession;
use serde::Serialize;
use serde_json::{Map, Value};

use super::super::fault::Fault;
use super::{Fields, TEXT_LIMIT, Wrong};

/// The longest token or password, in characters.
const SECRET_LIMIT: usize = 1_024;

/// The body of `POST /v1/auth/login`.
pub(crate) struct Credentials {
    /// A slug.
    pub(crate) organization: Option<String>,
    pub(crate) email: String,
    pub(crate) password: String,
}

impl Credentials {
    pub(crate) fn read(body: &Value) -> Result<Self, Fault> {
        let mut wrong = Wrong::default();
        let root = Fields::root(body)?;
        if root.required(&mut wrong, "provider", TEXT_LIMIT) != "traditional" {
            wrong.one_of("provider", &["traditional"]);
        }
        // Without it, each of its fields is what lacks.
        let none = Map::new();
        let payload = root.object(&mut wrong, "payload", "payload.").unwrap_or(Fields(&none, "payload."));
        let credentials = Self {
            organization: payload.text(&mut wrong, "organization", TEXT_LIMIT),
            email: payload.required(&mut wrong, "email", TEXT_LIMIT),
            password: payload.required(&mut wrong, "password", SECRET_LIMIT),
        };
        wrong.into_result(credentials)
    }
}

/// What the body of `POST /v1/auth/refresh` says; the other token that clients send tells no more.
pub(crate) fn refresh_token(body: &Value) -> Result<String, Fault> {
    let mut wrong = Wrong::default();
    let token = Fields::root(body)?.required(&mut wrong, "refreshToken", SECRET_LIMIT);
    wrong.into_result(token)
}

/// A session of an answer, the only time its token is seen.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Session {
    access_token: Token,
    refresh_token: Token,
    user: Person,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Token {
    token: String,
    expire_at: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Person {
    id: String,
    email: String,
    full_name: String,
    organizations: Vec<String>,
    organization_id: String,
}

impl Session {
    /// Of a session that is over after `idle` without use.
    pub(crate) fn of(IssuedSession { token, signed_in }: IssuedSession, idle: Duration) -> Self {
        let (user, session) = (signed_in.user, signed_in.session);
        let end = session.used_at.after(idle).min(session.expires_at);
        let organization = user.organization.to_string();
        Self {
            access_token: Token { token: token.clone(), expire_at: end.to_string() },
            refresh_token: Token { token, expire_at: end.to_string() },
            user: Person {
                id: user.id.to_string(),
                email: user.email.clone(),
                full_name: format!("{} {}", user.first_name, user.last_name).trim().to_owned(),
                organizations: vec![organization.clone()],
                organization_id: organization,
            },
        }
    }
}
