//! The pages that people open: on a computer, on a phone, out of a mail.
//!
//! Made by the server, whole without scripts, with nothing from other hosts. Texts are escaped by the templates;
//! what is HTML already comes from [`notes`] alone. The pages show what the depot says may be shown, and decide
//! nothing themselves but which word fits the device that asks.
//!
//! - `/store/acme` is the main store of the organization `acme`, `/store/acme~field` its store `field`. Each has
//!   sign-ins of its own.
//! - People sign in by an account and its password, as far as the store's policies admit them. Policies of other kinds
//!   (LDAP, OAuth, OpenID) are named on the sign-in page, and nobody gets in by them: their provider is asked by
//!   nobody here. An embedder whose own gateway asks it can hand what its `Authenticator` takes on in the cookie
//!   `appdepot_session`.
//! - Screenshots have the rights of the page that shows them.

mod app;
mod device;
mod fault;
mod icon;
mod install;
mod language;
mod notes;
mod operations;
mod password;
mod qr;
mod routes;
mod session;
mod style;
#[cfg(test)]
mod tests;
mod texts;
mod view;
mod visit;

use std::sync::Arc;

use appdepot_core::Result;
use askama::Template;
use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::MethodRouter;
use http::StatusCode;

use crate::call::Backend;

pub(crate) use fault::answer;
pub(crate) use operations::DESCRIPTION;
pub(crate) use visit::base;

/// A path and what answers there.
type Route = (&'static str, MethodRouter<Arc<Backend>>);

/// Every path. A list, so that a test can ask all of them.
fn table() -> Vec<Route> {
    [routes::routes(), session::routes(), password::routes(), install::routes()].concat()
}

/// The name of the style sheet, below `/store/-/`.
pub(crate) fn sheet_name() -> &'static str {
    &style::SHEET_NAME
}

/// A page of no store, in English, with the headers that all pages have.
///
/// # Errors
/// `Internal`.
pub(crate) fn english(page: &impl Template) -> Result<Response> {
    visit::show(StatusCode::OK, language::Language::En, page)
}

pub(crate) fn router(backend: Arc<Backend>) -> Router {
    let routes = table().into_iter();
    routes
        .fold(Router::new(), |router, (path, methods)| router.route(path, methods))
        .fallback(fault::unknown)
        .method_not_allowed_fallback(fault::unknown)
        .layer(from_fn_with_state(Arc::clone(&backend), fault::explain))
        .with_state(backend)
}
