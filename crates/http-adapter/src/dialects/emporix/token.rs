//! The token endpoint: OAuth 2 client credentials (RFC 6749 §4.4).

use std::collections::{BTreeMap, BTreeSet};

use appdepot_core::error::CredentialFault;
use appdepot_core::{Error, Result};
use axum::Json;
use axum::extract::{Request, State};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::header::{AUTHORIZATION, PRAGMA};
use http::{HeaderMap, HeaderValue};

use super::fault::Fault;
use super::routes::{Emporix, private};
use super::types::TokenView;
use crate::wire::form::{self, FORM_LIMIT, pairs};
use crate::wire::json::{collect, media_type};

pub(super) async fn token(State(state): State<Emporix>, request: Request) -> Result<Response, Fault> {
    let wrong = |why: &str| Fault::token_request("invalid_request", why);
    let (parts, body) = request.into_parts();
    if media_type(&parts.headers).as_deref() != Some("application/x-www-form-urlencoded") {
        return Err(wrong("the content type is not application/x-www-form-urlencoded"));
    }
    let body = collect(&parts.headers, body, FORM_LIMIT).await.map_err(Fault::token)?;
    let text = std::str::from_utf8(&body).map_err(|_| wrong("the body is not UTF-8 text"))?;
    let mut given = BTreeMap::new();
    for (name, value) in pairs(text).map_err(Fault::token)? {
        if given.insert(name, value).is_some() {
            return Err(wrong("a parameter comes twice"));
        }
    }
    let given = |name: &str| given.get(name).map(String::as_str).filter(|value| !value.is_empty());
    match given("grant_type") {
        Some("client_credentials") => {}
        Some(_) => {
            let why = "grant_type is not client_credentials";
            return Err(Fault::token_request("unsupported_grant_type", why));
        }
        None => return Err(wrong("grant_type is missing")),
    }
    let basic = basic(&parts.headers).map_err(|error| Fault::token(error).challenging())?;
    let (client, secret) = match (&basic, given("client_id"), given("client_secret")) {
        (Some(_), _, Some(_)) => return Err(wrong("the client gives its secret in two ways")),
        (Some((client, _)), Some(other), None) if client != other => {
            return Err(wrong("client_id is not the client of the header"));
        }
        (Some((client, secret)), _, None) => (client.as_str(), secret.as_str()),
        (None, Some(client), Some(secret)) => (client, secret),
        _ => return Err(wrong("client_id or client_secret is missing")),
    };
    // `tenant=…` among the scopes says for which tenant; a client belongs to its tenants anyway.
    let asked = given("scope").unwrap_or_default().split(' ').filter(|scope| !scope.is_empty());
    let (tenants, asked): (Vec<&str>, Vec<&str>) = asked.partition(|scope| scope.starts_with("tenant="));
    let scopes: BTreeSet<String> = asked.into_iter().map(str::to_owned).collect();
    let scopes = (!scopes.is_empty()).then_some(scopes);
    let granted = state.backend.authenticator.grant(client, secret, scopes).await.map_err(|error| {
        let fault = Fault::token(error);
        if basic.is_some() { fault.challenging() } else { fault }
    })?;
    let scope: Vec<&str> = tenants.into_iter().chain(granted.scopes.iter().map(String::as_str)).collect();
    let mut response = private(Json(TokenView {
        access_token: granted.token,
        token_type: "Bearer",
        expires_in: granted.lifetime.as_secs(),
        session_idle_time: 120,
        refresh_token: "",
        refresh_token_expires_in: 0,
        scope: scope.join(" "),
    }));
    response.headers_mut().insert(PRAGMA, HeaderValue::from_static("no-cache"));
    Ok(response)
}

/// The client and its secret, if the header says them by HTTP Basic (RFC 7617): each encoded like a form's value
/// (RFC 6749 §2.3.1).
///
/// # Errors
/// `Unauthenticated` for a header that cannot be read.
fn basic(headers: &HeaderMap) -> Result<Option<(String, String)>> {
    let Some(value) = headers.get(AUTHORIZATION) else { return Ok(None) };
    let credentials = match value.to_str().unwrap_or_default().split_once(' ') {
        Some((scheme, credentials)) if scheme.eq_ignore_ascii_case("basic") => credentials.trim(),
        _ => return Ok(None),
    };
    let read = || {
        let text = String::from_utf8(BASE64.decode(credentials).ok()?).ok()?;
        let (client, secret) = text.split_once(':')?;
        Some((form::decode(client).ok()?, form::decode(secret).ok()?))
    };
    read().map(Some).ok_or_else(|| Error::unauthenticated(CredentialFault::Bad))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_header_says_is_decoded_twice() {
        let said = |value: &str| basic(&HeaderMap::from_iter([(AUTHORIZATION, value.parse().unwrap())]));
        let encoded = |text: &str| format!("Basic {}", BASE64.encode(text));
        for (text, client, secret) in [
            ("client:secret", "client", "secret"),
            ("a%3Ab+c:x:%25", "a:b c", "x:%"),
            ("client:", "client", ""),
            (":secret", "", "secret"),
        ] {
            assert_eq!(said(&encoded(text)).unwrap(), Some((client.to_owned(), secret.to_owned())), "{text}");
        }
        assert_eq!(said(&encoded("a:b").replace("Basic", "bAsIc")).unwrap(), Some(("a".into(), "b".into())));
        assert_eq!(said("Bearer token").unwrap(), None);
        assert_eq!(basic(&HeaderMap::new()).unwrap(), None);
        for bad in ["Basic ", "Basic !", &encoded("nothing"), &encoded("a:%FF"), "Basic YTpi YTpi"] {
            assert!(said(bad).is_err(), "{bad}");
        }
    }
}
