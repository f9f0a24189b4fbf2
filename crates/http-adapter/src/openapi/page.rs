//! The page that lists what is in the documents.

use appdepot_core::Result;
use askama::Template;
use axum::response::Response;

use super::{ALL, Description, Operation};
use crate::storefront;

#[derive(Template)]
#[template(path = "docs.html")]
struct Page<'a> {
    base: &'a str,
    style: &'static str,
    parts: &'static [&'static Description],
}

impl Operation {
    /// The methods as requests spell them.
    fn spelled(&self) -> String {
        self.methods.join(" | ").to_uppercase()
    }
}

/// The page, for a service that is reached at `public_url`.
///
/// # Errors
/// `Internal`.
pub(super) fn show(public_url: &str) -> Result<Response> {
    let page = Page { base: storefront::base(public_url), style: storefront::sheet_name(), parts: &ALL };
    storefront::english(&page)
}
