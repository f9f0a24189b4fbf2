//! Errors as people see them: a page that says what happened, what to do, and whom to ask.

use std::sync::Arc;

use appdepot_core::domain::{Store, Stored};
use appdepot_core::{Error, ErrorKind};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::StatusCode;

use super::language::Language;
use super::view::{MessagePage, Page};
use super::visit::{base, language, show};
use crate::call::Backend;
use crate::wire::Retry;

/// What went wrong, and in which store.
#[derive(Debug)]
pub(super) struct Fault {
    error: Error,
    store: Option<(Box<Stored<Store>>, String)>,
}

impl Fault {
    /// What went wrong in a store that the visitor may see.
    pub(super) fn inside(store: &Stored<Store>, organization: &str) -> impl FnOnce(Error) -> Self {
        let store = Some((Box::new(store.clone()), organization.to_owned()));
        move |error| Self { error, store }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self { error, store: None }
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        crate::call::log(&self.error);
        let mut response = status(self.error.kind()).into_response();
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

/// Any path or method that there is not.
pub(super) async fn unknown() -> Fault {
    Error::not_found("page").into()
}

/// Puts the page into an answer that is a fault, in the language of the request.
pub(super) async fn explain(State(backend): State<Arc<Backend>>, request: Request, next: Next) -> Response {
    let language = language(request.headers());
    let mut response = next.run(request).await;
    let Some(fault) = response.extensions_mut().remove::<Arc<Fault>>() else { return response };
    page(&fault, language, base(&backend.public_url)).unwrap_or(response)
}

/// The answer to a request that no handler finished.
pub(crate) fn answer(error: Error) -> Response {
    crate::call::log(&error);
    let status = status(error.kind());
    page(&error.into(), Language::En, "").unwrap_or_else(|| status.into_response())
}

fn page(fault: &Fault, language: Language, base: &str) -> Option<Response> {
    let t = language.texts();
    let (title, text) = match fault.error.kind() {
        ErrorKind::NotFound | ErrorKind::Forbidden => (t.not_found, t.not_found_text),
        // Of a store's pages only those of publications are over.
        ErrorKind::Unauthenticated if fault.store.is_some() => (t.not_offered, t.not_offered_text),
        ErrorKind::Unauthenticated => (t.link_over, t.link_over_text),
        ErrorKind::Conflict
        | ErrorKind::Invalid
        | ErrorKind::TooLarge
        | ErrorKind::Unsupported
        | ErrorKind::Limited => (t.refused, t.refused_text),
        ErrorKind::Unavailable | ErrorKind::Internal => (t.failed, t.failed_text),
    };
    let mut page = Page::plain(language, base, title);
    if let Some((store, organization)) = &fault.store {
        page = page.inside(store, organization);
    }
    let shown = MessagePage { page, t, heading: title, text };
    let mut response = show(status(fault.error.kind()), language, &shown).ok()?;
    Retry::after(&fault.error).tell(&mut response);
    Some(response)
}

fn status(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::Conflict => StatusCode::CONFLICT,
        ErrorKind::Invalid | ErrorKind::Unsupported => StatusCode::BAD_REQUEST,
        ErrorKind::Limited => StatusCode::TOO_MANY_REQUESTS,
        // What is not for somebody is not there for them.
        ErrorKind::NotFound | ErrorKind::Forbidden => StatusCode::NOT_FOUND,
        ErrorKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        // 401 would ask for credentials that no page takes.
        ErrorKind::Unauthenticated => StatusCode::GONE,
        ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
