//! A request for a page: who, with what, in which language.

use std::convert::Infallible;
use std::sync::Arc;

use appdepot_core::authorize::{Actor, SubjectKind};
use appdepot_core::domain::{Store, Stored};
use appdepot_core::{Error, Result};
use askama::Template;
use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::response::Response;
use http::header::{
    ACCEPT_LANGUAGE, CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, COOKIE,
    REFERRER_POLICY, USER_AGENT, VARY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::device::Device;
use super::language::Language;
use super::view::{Page, Person, home};
use super::{password, session};
use crate::call::{Backend, origin};

/// Nothing but what is ours, no scripts, no frames; forms go here only.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; \
                      frame-ancestors 'none'";

/// What a handler knows of a request.
pub(super) struct Visit {
    pub(super) backend: Arc<Backend>,
    /// Nobody in particular without a good session.
    pub(super) actor: Actor,
    pub(super) language: Language,
    pub(super) device: Device,
    pub(super) headers: HeaderMap,
    /// Path and query, as asked for.
    pub(super) target: String,
}

impl FromRequestParts<Arc<Backend>> for Visit {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, backend: &Arc<Backend>) -> Result<Self, Infallible> {
        let text = |name| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let mut actor = match cookie(&parts.headers, session::COOKIE_NAME) {
            Some(token) => {
                backend.authenticator.authenticate(token).await.unwrap_or_else(|_| Actor::anonymous())
            }
            None => Actor::anonymous(),
        };
        if let Some(pass) = cookie(&parts.headers, password::COOKIE_NAME) {
            actor.unlocked = backend.depot.pass(pass).await.ok();
        }
        actor.origin = origin(parts);
        Ok(Self {
            backend: Arc::clone(backend),
            actor,
            language: language(&parts.headers),
            device: Device::of(text(USER_AGENT)),
            headers: parts.headers.clone(),
            target: parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
        })
    }
}

impl Visit {
    /// Whether nobody signed in.
    pub(super) fn is_anonymous(&self) -> bool {
        self.actor.subject.kind() == SubjectKind::Anonymous
    }

    /// The path below which the pages are reached.
    pub(super) fn base(&self) -> &str {
        base(&self.backend.public_url)
    }

    /// A cookie for the pages below a path only, for as long as the browser is open. Scripts cannot read it, and
    /// other sites cannot send it with a form.
    ///
    /// # Errors
    /// `Internal` for what cannot be in a header.
    pub(super) fn cookie(&self, name: &str, value: &str, path: &str) -> Result<HeaderValue> {
        let secure = if self.backend.public_url.starts_with("https://") { "; Secure" } else { "" };
        HeaderValue::try_from(format!("{name}={value}; Path={path}; HttpOnly; SameSite=Lax{secure}"))
            .map_err(Error::internal)
    }

    /// A page of a store.
    pub(super) fn page(&self, title: &str, store: &Stored<Store>, organization: &str) -> Page {
        let mut page = Page::plain(self.language, self.base(), title).inside(store, organization);
        if !self.is_anonymous() {
            let person = &self.actor.person;
            let name = [&person.first_name, &person.email].into_iter().find(|name| !name.is_empty());
            page.person = Some(Person {
                name: name.map(|name| crate::wire::text::visible(name)).unwrap_or_default(),
                sign_out: format!("{}/-/sign-out", home(self.base(), organization)),
            });
        }
        page
    }
}

/// The cookie of this name that a request presents.
pub(super) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(other, _)| *other == name).map(|(_, value)| value)
}

/// The language a request likes best.
pub(super) fn language(headers: &HeaderMap) -> Language {
    Language::accepted(headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default())
}

/// The path of the public address, without a final slash.
pub(crate) fn base(public_url: &str) -> &str {
    let rest = public_url.split_once("://").map_or(public_url, |(_, rest)| rest);
    rest.find('/').and_then(|at| rest.get(at..)).unwrap_or_default()
}

/// A page as an answer.
///
/// # Errors
/// `Internal`.
pub(super) fn show(status: StatusCode, language: Language, page: &impl Template) -> Result<Response> {
    let html = page.render().map_err(Error::internal)?;
    let mut response = Response::new(Body::from(html));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let set: [(HeaderName, &'static str); 8] = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_LANGUAGE, language.tag()),
        (CONTENT_SECURITY_POLICY, POLICY),
        (CACHE_CONTROL, "private, no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        // The address of an install page is a secret.
        (REFERRER_POLICY, "no-referrer"),
        (VARY, "Accept-Language, User-Agent, Cookie"),
    ];
    for (name, value) in set {
        headers.insert(name, HeaderValue::from_static(value));
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_cookie_is_found_among_others() {
        for (cookie, found) in [
            ("appdepot_session=a.b", Some("a.b")),
            ("x=1; appdepot_session=a; y", Some("a")),
            ("xappdepot_session=a", None),
            ("", None),
        ] {
            let headers = HeaderMap::from_iter([(COOKIE, cookie.parse().unwrap())]);
            assert_eq!(super::cookie(&headers, session::COOKIE_NAME), found, "{cookie}");
        }
    }

    #[test]
    fn the_base_is_the_path_of_the_public_address() {
        assert_eq!(base("https://depot.example"), "");
        assert_eq!(base("https://depot.example:8443/apps/depot"), "/apps/depot");
    }
}
