//! Signing in as a person.

use std::sync::Arc;

use appdepot_core::depot::IssuedSession;
use appdepot_core::{Error, ErrorKind};
use axum::extract::Request;
use axum::response::IntoResponse as _;
use serde_json::Value;

use super::super::fault::Fault;
use super::super::types::{Answer, Credentials, Session, refresh_token};
use super::Answered;
use crate::call::{Backend, origin};
use crate::wire::json;

/// Lets somebody in to the organization that the body names, else to the one with the slug `domain`.
pub(super) async fn login(backend: Arc<Backend>, domain: Arc<str>, request: Request) -> Answered {
    let (parts, body) = request.into_parts();
    let body: Value = json::read(&parts.headers, body).await.map_err(Fault::wire)?;
    let Credentials { organization, email, password } = Credentials::read(&body)?;
    let organization = organization.as_deref().unwrap_or(&domain);
    let known = (email.as_str(), password.as_str());
    let issued =
        backend.depot.sign_in_at(organization, known, origin(&parts), None).await.map_err(refused)?;
    Ok(answer(&backend, issued))
}

/// Gives a session a new text.
pub(super) async fn refresh(backend: Arc<Backend>, request: Request) -> Answered {
    let (parts, body) = request.into_parts();
    let body: Value = json::read(&parts.headers, body).await.map_err(Fault::wire)?;
    let issued = backend.depot.renew_session(&refresh_token(&body)?).await?;
    Ok(answer(&backend, issued))
}

fn answer(backend: &Backend, issued: IssuedSession) -> axum::response::Response {
    Answer::of(Session::of(issued, backend.depot.limits().session_idle)).into_response()
}

/// There was no token that could have been wrong.
fn refused(error: Error) -> Fault {
    match error.kind() {
        ErrorKind::Unauthenticated => Fault::unauthorized(),
        _ => error.into(),
    }
}
