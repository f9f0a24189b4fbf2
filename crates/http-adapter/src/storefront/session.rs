//! Signing in and out. The session is a cookie for the store's pages.

use appdepot_core::depot::Entrance;
use appdepot_core::domain::AuthMethod;
use appdepot_core::{Error, ErrorKind, Result};
use axum::body::Body;
use axum::extract::{Path, RawQuery};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use http::header::{HOST, ORIGIN, SET_COOKIE};
use http::{HeaderValue, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::Route;
use super::fault::Fault;
use super::routes::Given;
use super::view::{Page, SignInPage, home};
use super::visit::{Visit, cookie, show};
use crate::wire::Retry;
use crate::wire::text::visible;

/// The cookie that holds the session.
pub(super) const COOKIE_NAME: &str = "appdepot_session";

pub(super) fn routes() -> Vec<Route> {
    vec![
        ("/store/{organization}/-/sign-in", get(form).post(sign_in)),
        ("/store/{organization}/-/sign-out", post(sign_out)),
    ]
}

/// Leads somebody who has not signed in to where they can; for all others the error stands.
pub(super) fn sign_in_first(visit: &Visit, organization: &str, error: Error) -> Result<Response, Fault> {
    let hidden =
        matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Forbidden | ErrorKind::Unauthenticated);
    if !visit.is_anonymous() || !hidden {
        return Err(error.into());
    }
    let to = utf8_percent_encode(&visit.target, NON_ALPHANUMERIC);
    let organization = utf8_percent_encode(organization, NON_ALPHANUMERIC);
    Ok(Redirect::to(&format!("{}/store/{organization}/-/sign-in?to={to}", visit.base())).into_response())
}

/// Refuses what a browser says comes from another site.
///
/// # Errors
/// `Forbidden`.
pub(super) fn same_site(visit: &Visit) -> Result<()> {
    let text = |name: &str| visit.headers.get(name).and_then(|value| value.to_str().ok());
    let good = match (text("sec-fetch-site"), text(ORIGIN.as_str())) {
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => {
            let host = origin.split_once("://").map(|(_, host)| host);
            let own = visit.backend.public_url.strip_prefix(origin);
            let is_own = own.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
            host.is_some() && (host == text(HOST.as_str()) || is_own)
        }
        (None, None) => true,
    };
    if good { Ok(()) } else { Err(Error::new(ErrorKind::Invalid, "the form came from another site")) }
}

async fn form(
    visit: Visit,
    Path(organization): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Fault> {
    let given = Given::read(query.as_deref().unwrap_or_default())?;
    let to = given.text("to").unwrap_or_default();
    Ok(page(&visit, &organization, to, "", None).await?)
}

async fn sign_in(visit: Visit, Path(organization): Path<String>, body: Body) -> Result<Response, Fault> {
    same_site(&visit)?;
    let given = Given::form(&visit.headers, body).await?;
    let text = |name| given.text(name).unwrap_or_default();
    let origin = visit.actor.origin.clone();
    let previous = cookie(&visit.headers, COOKIE_NAME);
    let credentials = (text("name"), text("password"));
    match visit.backend.depot.enter(&organization, None, credentials, origin, previous).await {
        Ok(issued) => {
            let home = home(visit.base(), &organization);
            let to = Some(text("to")).filter(|to| is_local(to, &home)).unwrap_or(&home);
            let mut response = Redirect::to(to).into_response();
            response.headers_mut().append(SET_COOKIE, visit.cookie(COOKIE_NAME, &issued.token, &home)?);
            Ok(response)
        }
        Err(error) if matches!(error.kind(), ErrorKind::Unauthenticated | ErrorKind::Limited) => {
            Ok(page(&visit, &organization, text("to"), text("name"), Some(&error)).await?)
        }
        Err(error) => Err(error.into()),
    }
}

async fn sign_out(visit: Visit, Path(organization): Path<String>) -> Result<Response, Fault> {
    same_site(&visit)?;
    // Its name becomes part of a header.
    visit.backend.depot.entrance(&organization).await?;
    if let Some(token) = cookie(&visit.headers, COOKIE_NAME) {
        match visit.backend.depot.sign_out(token).await {
            Err(error) if error.kind() != ErrorKind::Unauthenticated => return Err(error.into()),
            _ => {}
        }
    }
    let home = home(visit.base(), &organization);
    let mut response = Redirect::to(&format!("{home}/-/sign-in")).into_response();
    let mut over = visit.cookie(COOKIE_NAME, "", &home)?;
    over = HeaderValue::try_from(format!("{}; Max-Age=0", over.to_str().unwrap_or_default()))
        .map_err(Error::internal)?;
    response.headers_mut().append(SET_COOKIE, over);
    Ok(response)
}

async fn page(
    visit: &Visit,
    organization: &str,
    to: &str,
    name: &str,
    problem: Option<&Error>,
) -> Result<Response> {
    let t = visit.language.texts();
    let Entrance { store, policies } = visit.backend.depot.entrance(organization).await?;
    let kinds = policies.iter().map(|policy| (policy, elsewhere(policy.method)));
    let (status, text) = match problem.map(Error::kind) {
        None => (StatusCode::OK, None),
        Some(ErrorKind::Limited) => (StatusCode::TOO_MANY_REQUESTS, Some(t.sign_in_limited)),
        Some(_) => (StatusCode::FORBIDDEN, Some(t.sign_in_failed)),
    };
    let page = SignInPage {
        page: Page::plain(visit.language, visit.base(), t.sign_in).inside(&store, organization),
        t,
        to: visible(to),
        name: visible(name),
        problem: text,
        here: store.policies.is_empty() || kinds.clone().any(|(_, kind)| kind.is_none()),
        elsewhere: kinds.filter_map(|(policy, kind)| Some((visible(&policy.name), kind?))).collect(),
    };
    let mut response = show(status, visit.language, &page)?;
    problem.map(Retry::after).unwrap_or_default().tell(&mut response);
    Ok(response)
}

/// What a way to sign in is called that leads elsewhere; `None` for accounts of this depot.
const fn elsewhere(method: AuthMethod) -> Option<&'static str> {
    match method {
        AuthMethod::Password => None,
        AuthMethod::Service => Some("MBaaS"),
        AuthMethod::Ldap => Some("LDAP"),
        AuthMethod::OAuth1 => Some("OAuth 1.0"),
        AuthMethod::OAuth2 => Some("OAuth 2.0"),
        AuthMethod::OpenId => Some("OpenID"),
    }
}

/// Whether an address is a page of this store: nobody is led elsewhere.
fn is_local(to: &str, home: &str) -> bool {
    let rest = to.strip_prefix(home);
    let plain = to.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    plain && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?'])) && !to.contains("//")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_of_the_store_are_returned_to() {
        for good in ["/store/acme", "/store/acme/notes?platform=ios", "/store/acme?q=a%2Fb"] {
            assert!(is_local(good, "/store/acme"), "{good}");
        }
        for bad in [
            "",
            "/",
            "//evil.example",
            "https://evil.example",
            "/store/acmeevil",
            "/store/acme\\evil",
            "/store/acme//evil",
            "/store/acme\r\nx",
            "javascript:alert(1)",
            "/store/other",
        ] {
            assert!(!is_local(bad, "/store/acme"), "{bad}");
        }
    }
}
