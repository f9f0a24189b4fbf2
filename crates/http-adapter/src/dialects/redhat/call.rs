//! What every operation needs: who calls, for which domain, and what the request says.

use std::sync::Arc;

use appdepot_core::authorize::{Actor, Origin};
use appdepot_core::domain::{Organization, Stored};
use appdepot_core::error::CredentialFault;
use appdepot_core::{Error, Result};
use axum::body::Body;
use axum::extract::FromRequest;
use http::header::{AUTHORIZATION, COOKIE};
use http::request::Parts;
use http::{HeaderMap, Method, Request};

use super::State;
use super::fault::Fault;
use super::fields::Fields;
use crate::call::{bearer, origin};
use crate::wire::{form, json};

/// The longest credential, in bytes.
const CREDENTIAL_LIMIT: usize = 4 * 1024;

/// A request, read.
pub(super) struct Said {
    pub(super) state: Arc<State>,
    pub(super) fields: Fields,
    pub(super) parts: Parts,
}

/// A request of somebody who is known here.
pub(super) struct Call {
    pub(super) state: Arc<State>,
    pub(super) actor: Actor,
    pub(super) organization: Stored<Organization>,
    pub(super) fields: Fields,
    pub(super) method: Method,
    pub(super) headers: HeaderMap,
}

impl FromRequest<Arc<State>> for Said {
    type Rejection = Fault;

    async fn from_request(request: Request<Body>, state: &Arc<State>) -> Result<Self, Fault> {
        let (parts, body) = request.into_parts();
        // What is sent along with GET means nothing: one client puts its command line there.
        let body = match parts.method {
            Method::GET | Method::HEAD => bytes::Bytes::new(),
            _ => json::collect(&parts.headers, body, json::JSON_LIMIT).await?,
        };
        let fields = Fields::read(parts.uri.query(), &body)?;
        Ok(Self { state: Arc::clone(state), fields, parts })
    }
}

impl FromRequest<Arc<State>> for Call {
    type Rejection = Fault;

    async fn from_request(request: Request<Body>, state: &Arc<State>) -> Result<Self, Fault> {
        // Before the body is read: strangers cannot make the server read.
        let (parts, body) = request.into_parts();
        let (actor, organization) = state.caller(&parts).await?;
        let said = Said::from_request(Request::from_parts(parts, body), state).await?;
        let Said { state, fields, parts } = said;
        Ok(Self { state, actor, organization, fields, method: parts.method, headers: parts.headers })
    }
}

impl State {
    /// Who calls, and for which domain: the one their credential was made for.
    pub(super) async fn caller(&self, parts: &Parts) -> Result<(Actor, Stored<Organization>)> {
        let token = credential(parts)?.ok_or_else(|| Error::unauthenticated(CredentialFault::Missing))?;
        let mut actor = self.backend.authenticator.authenticate(&token).await?;
        actor.origin = origin(parts);
        let organization = match actor.home {
            Some(home) => home.to_string(),
            None => self.domain.clone(),
        };
        let organization = self.backend.depot.organization(&actor, &organization).await?;
        Ok((actor, organization))
    }
}

/// Where the request comes from, and the device it says it is.
pub(super) fn origin_of(parts: &Parts, fields: &Fields) -> Result<Origin> {
    let device = fields.any(&["deviceId", "device"])?;
    Ok(with_device(origin(parts), device))
}

/// The same with what the client says of its device, if it says so.
pub(super) fn with_device(origin: Origin, device: Option<String>) -> Origin {
    /// How much of it is kept, in characters.
    const DEVICE_LIMIT: usize = 256;
    let said = device.map(|device| device.chars().filter(|c| !c.is_control()).take(DEVICE_LIMIT).collect());
    Origin { device: said.or(origin.device), ..origin }
}

/// The credential of a request: a session by header, query or cookie; else a key by header; else the login's cookie.
pub(super) fn credential(parts: &Parts) -> Result<Option<String>> {
    let header = |name: &str| {
        let value = parts.headers.get(name)?.to_str().ok()?.trim();
        // One client sends its session as JSON.
        Some(value.trim_matches('"').to_owned()).filter(|value| !value.is_empty())
    };
    let query = || -> Result<Option<String>> {
        let pairs = form::pairs(parts.uri.query().unwrap_or_default())?;
        let found = pairs.into_iter().find(|(name, _)| name == "fh_auth_session");
        Ok(found.map(|(_, value)| value).filter(|value| !value.is_empty()))
    };
    let found = match header("x-fh-auth-session").or_else(|| header("x-fh-sessiontoken")) {
        Some(found) => Some(found),
        None => query()?
            .or_else(|| cookie(&parts.headers, "x-fh-auth-session"))
            .or_else(|| header("x-fh-auth-user"))
            .or_else(|| cookie(&parts.headers, LOGIN_COOKIE)),
    };
    if found.is_none() && parts.headers.contains_key(AUTHORIZATION) {
        return bearer(&parts.headers).map(|token| Some(token.to_owned()));
    }
    if found.as_ref().is_some_and(|found| found.len() > CREDENTIAL_LIMIT) {
        return Err(Error::unauthenticated(CredentialFault::Bad));
    }
    Ok(found)
}

/// The cookie that a login sets.
pub(super) const LOGIN_COOKIE: &str = "feedhenry";

fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let found = pairs.find(|(found, value)| *found == name && !value.is_empty());
    found.map(|(_, value)| value.trim_matches('"').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(uri: &str, headers: &[(&'static str, &str)]) -> Option<String> {
        let mut request = Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        credential(&request.body(()).unwrap().into_parts().0).unwrap()
    }

    #[test]
    fn credentials_come_in_many_places() {
        let cookies = ("cookie", "a=b; feedhenry=login; x-fh-auth-session=cookie");
        for (uri, headers, expected) in [
            ("/", vec![], None),
            ("/", vec![("cookie", "feedhenry=;")], None),
            ("/", vec![("cookie", "feedhenry=login;")], Some("login")),
            ("/", vec![cookies], Some("cookie")),
            ("/", vec![("x-fh-auth-user", "key"), ("cookie", "feedhenry=login;")], Some("key")),
            ("/?fh_auth_session=query", vec![cookies], Some("query")),
            ("/?fh_auth_session=", vec![cookies], Some("cookie")),
            ("/?fh_auth_session=q", vec![("x-fh-sessiontoken", "\"quoted\"")], Some("quoted")),
            ("/", vec![("x-fh-auth-session", "s"), ("x-fh-auth-user", "key")], Some("s")),
            ("/", vec![("authorization", "Bearer b")], Some("b")),
        ] {
            assert_eq!(of(uri, &headers).as_deref(), expected, "{uri} {headers:?}");
        }
    }
}
