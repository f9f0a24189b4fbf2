//! What a request has in common in every dialect: which depot, on whose behalf, from where.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use appdepot_core::authenticate::Authenticator;
use appdepot_core::authorize::{Actor, Origin};
use appdepot_core::depot::Depot;
use appdepot_core::error::CredentialFault;
use appdepot_core::{Error, ErrorKind, Result};
use axum::extract::ConnectInfo;
use http::header::{AUTHORIZATION, USER_AGENT};
use http::request::Parts;
use http::{Extensions, HeaderMap};

/// The longest bearer token, in bytes.
const TOKEN_LIMIT: usize = 8 * 1024;
/// How much of a `User-Agent` goes into the audit trail, in characters.
const DEVICE_LIMIT: usize = 256;

/// What every dialect works with.
pub(crate) struct Backend {
    /// Does the work.
    pub(crate) depot: Depot,
    /// Turns tokens into actors.
    pub(crate) authenticator: Arc<dyn Authenticator>,
    /// Scheme, host and path under which clients reach this service, without a final slash. Never taken from a
    /// request.
    pub(crate) public_url: String,
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backend").field("public_url", &self.public_url).finish_non_exhaustive()
    }
}

impl Backend {
    /// On whose behalf the request is made.
    ///
    /// # Errors
    /// `Unauthenticated` without a bearer token or with one that is not good.
    pub(crate) async fn actor(&self, parts: &Parts) -> Result<Actor> {
        let token = bearer(&parts.headers)?;
        let mut actor = self.authenticator.authenticate(token).await?;
        actor.origin = origin(parts);
        Ok(actor)
    }
}

/// The country a request comes from. A server that knows it passes it on as an extension of the request; without, what
/// is published for some countries only is for nobody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Country(String);

impl Country {
    /// The country of this code of two letters (ISO 3166-1), in any letter case; `None` for any other text.
    pub fn parse(code: &str) -> Option<Self> {
        let good = code.len() == 2 && code.bytes().all(|c| c.is_ascii_alphabetic());
        good.then(|| Self(code.to_ascii_uppercase()))
    }
}

/// Where a request comes from: the peer's address, when the server passes it on as axum's [`ConnectInfo`], the
/// [`Country`] likewise, and what the client calls itself. Headers that proxies add are for the embedding server to
/// judge.
pub(crate) fn origin(parts: &Parts) -> Origin {
    let device = parts.headers.get(USER_AGENT).map(|value| {
        String::from_utf8_lossy(value.as_bytes())
            .chars()
            .filter(|c| !c.is_control())
            .take(DEVICE_LIMIT)
            .collect::<String>()
    });
    Origin {
        address: address(&parts.extensions),
        device: device.filter(|device| !device.is_empty()),
        country: parts.extensions.get::<Country>().map(|Country(code)| code.clone()),
    }
}

/// The peer's address, where the server passed it on.
pub(crate) fn address(extensions: &Extensions) -> Option<String> {
    let peer = extensions.get::<ConnectInfo<SocketAddr>>();
    peer.map(|ConnectInfo(peer)| peer.ip().to_canonical().to_string())
}

/// The bearer token (RFC 6750 §2.1).
///
/// # Errors
/// `Unauthenticated`, saying whether there is none or none that could be good.
pub(crate) fn bearer(headers: &HeaderMap) -> Result<&str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Err(Error::unauthenticated(CredentialFault::Missing));
    };
    let bad = || Error::unauthenticated(CredentialFault::Bad);
    if values.next().is_some() {
        return Err(bad());
    }
    let (scheme, token) = value.to_str().map_err(|_| bad())?.split_once(' ').ok_or_else(bad)?;
    let token = token.trim();
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() || token.len() > TOKEN_LIMIT {
        return Err(bad());
    }
    Ok(token)
}

/// Logs what a client must not see of an error: every dialect calls this before it answers one.
pub(crate) fn log(error: &Error) {
    if matches!(error.kind(), ErrorKind::Internal | ErrorKind::Unavailable) {
        tracing::error!(kind = ?error.kind(), error = ?error, "request failed");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(authorization: &str) -> HeaderMap {
        HeaderMap::from_iter([(AUTHORIZATION, authorization.parse().unwrap())])
    }

    #[test]
    fn the_scheme_is_read_in_any_letter_case() {
        for text in ["Bearer abc", "bearer abc", "BEARER  abc"] {
            assert_eq!(bearer(&with(text)).unwrap(), "abc");
        }
    }

    #[test]
    fn what_is_no_bearer_token_is_refused() {
        let long = format!("Bearer {}", "a".repeat(TOKEN_LIMIT + 1));
        for text in ["Bearer", "Bearer ", "Basic abc", "abc", long.as_str()] {
            assert_eq!(bearer(&with(text)).unwrap_err().kind(), ErrorKind::Unauthenticated, "{text:.20}");
        }
        assert!(bearer(&HeaderMap::new()).is_err());
        let mut twice = with("Bearer a");
        twice.append(AUTHORIZATION, "Bearer b".parse().unwrap());
        assert!(bearer(&twice).is_err());
    }

    #[test]
    fn the_origin_is_the_peer() {
        let mut request = http::Request::new(());
        request.headers_mut().insert(USER_AGENT, "x".repeat(300).parse().unwrap());
        request.headers_mut().insert("x-forwarded-for", "6.6.6.6".parse().unwrap());
        request.headers_mut().insert("cf-ipcountry", "FR".parse().unwrap());
        assert_eq!(origin(&request.clone().into_parts().0).country, None);
        request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 9))));
        request.extensions_mut().insert(Country::parse("de").unwrap());
        let origin = origin(&request.into_parts().0);
        assert_eq!(origin.address.as_deref(), Some("127.0.0.1"));
        assert_eq!(origin.country.as_deref(), Some("DE"));
        assert!(["", "d", "deu", "d\u{e9}", "1a"].into_iter().all(|code| Country::parse(code).is_none()));
        assert_eq!(origin.device.unwrap().len(), DEVICE_LIMIT);
    }
}
