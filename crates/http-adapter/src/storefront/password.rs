//! The page that asks for the password of a publication. Whoever gives it gets a cookie for that publication's pages.

use appdepot_core::domain::{Store, Stored};
use appdepot_core::error::{CredentialFault, Detail};
use appdepot_core::{Error, ErrorKind, Result};
use axum::body::Body;
use axum::extract::Path;
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::post;
use http::StatusCode;
use http::header::SET_COOKIE;

use super::Route;
use super::fault::Fault;
use super::routes::Given;
use super::session::same_site;
use super::view::{PasswordPage, home};
use super::visit::{Visit, show};
use crate::wire::Retry;

/// The cookie that holds the pass.
pub(super) const COOKIE_NAME: &str = "appdepot_pass";

pub(super) fn routes() -> Vec<Route> {
    vec![("/store/{organization}/{app}/unlock", post(unlock))]
}

/// Whether an error asks for a password.
pub(super) fn is_asked(error: &Error) -> bool {
    matches!(error.detail(), Detail::Credential(CredentialFault::Missing))
}

/// The page, with what went wrong at the attempt before.
pub(super) fn page(
    visit: &Visit,
    store: &Stored<Store>,
    organization: &str,
    reference: &str,
    problem: Option<&Error>,
) -> Result<Response> {
    let t = visit.language.texts();
    let (status, text) = match problem.map(Error::kind) {
        None => (StatusCode::OK, None),
        Some(ErrorKind::Limited) => (StatusCode::TOO_MANY_REQUESTS, Some(t.sign_in_limited)),
        Some(_) => (StatusCode::FORBIDDEN, Some(t.password_failed)),
    };
    let page = PasswordPage {
        page: visit.page(t.password, store, organization),
        t,
        unlock: format!("{}/{reference}/unlock", home(visit.base(), organization)),
        problem: text,
    };
    let mut response = show(status, visit.language, &page)?;
    problem.map(Retry::after).unwrap_or_default().tell(&mut response);
    Ok(response)
}

async fn unlock(
    visit: Visit,
    Path((organization, reference)): Path<(String, String)>,
    body: Body,
) -> Result<Response, Fault> {
    same_site(&visit)?;
    let given = Given::form(&visit.headers, body).await?;
    let password = given.text("password").unwrap_or_default();
    let origin = visit.actor.origin.clone();
    match visit.backend.depot.unlock(&organization, &reference, password, origin).await {
        Ok(issued) => {
            let path = format!("{}/{}", home(visit.base(), &organization), issued.listing.slug);
            let mut response = Redirect::to(&path).into_response();
            response.headers_mut().append(SET_COOKIE, visit.cookie(COOKIE_NAME, &issued.token, &path)?);
            Ok(response)
        }
        Err(error) if matches!(error.kind(), ErrorKind::Unauthenticated | ErrorKind::Limited) => {
            let store = visit.backend.depot.entrance(&organization).await?.store;
            Ok(page(&visit, &store, &organization, &reference, Some(&error))?)
        }
        Err(error) => Err(error.into()),
    }
}
