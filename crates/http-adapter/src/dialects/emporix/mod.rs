//! The Emporix media API: assets of a tenant, and the token endpoint that its clients use.
//!
//! | operation | path |
//! |---|---|
//! | list, create | `GET`, `POST /media/{tenant}/assets` |
//! | one: get, replace, delete | `GET`, `PUT`, `DELETE /media/{tenant}/assets/{assetId}` |
//! | bytes, or where they are | `GET /media/{tenant}/assets/{assetId}/download` |
//! | bytes of a public file, for anyone | `GET /media/{tenant}/public/{assetId}` |
//! | token | `POST /oauth/token` |
//!
//! A tenant is an organization; an asset's id is the one its client chose, else the depot's.
//!
//! # Where the document is silent or at odds with itself
//!
//! - **Public bytes** are served under `/media/{tenant}/public/{assetId}`; the document leaves that address to a
//!   storage provider. `download` of a link redirects to it, also when the link is private.
//! - **Private bytes** are sent as they are with their own media type. The document's sample shows base64.
//! - **Files** are at most 10 MiB (10,485,760 bytes), file and link bodies apart; JSON bodies at most 1 MiB.
//!   An empty file is refused.
//! - **The two parts of a form** may come in either order. One that sends the file first has it kept in memory
//!   until `body` is there.
//! - **403** says `Forbidden` where the document's example says `Bad request`; its details hold both
//!   `Missing required scopes` and `missing scope: …`.
//! - **An unknown path or method**, an unavailable backend and a used-up rate have bodies of the same shape,
//!   with 404, 405, 503 and 429.
//! - **`PUT`** replaces: absent `refIds` and `mixins` are cleared, absent `details` are kept. A body without
//!   `metadata.version` is 400, an outdated version 409, another `type` or `access` 400.
//! - **`DELETE`** of an id that does not exist is 204. The package of a release is 409.
//! - **`pageSize`** has no maximum; more than 1000 count as 1000. A number below 1 or none at all is 400.
//! - **`sort`** by a field that does not exist is passed over. What is equal goes by age, in the direction of the last
//!   key; `sort=id` goes by the depot's own id.
//! - **`q`**: a syntax error is 400 and names the position. A field that does not exist matches nothing, except
//!   `null` and `missing`. Regular expressions are those of the `regex` crate, unanchored, case-sensitive, at
//!   most 512 bytes. `name` is the asset's name in the depot, which this API does not show. `url` finds links
//!   only. `id` is the id that this API shows: the client's where there is one, else the depot's. In `mixins` a bare
//!   word that reads as a number or `true` also matches
//!   the number or the truth value. `compoundLogicalQuery` is 400, as for all services that do not list it. `<`, `>`
//!   and `"` have to be percent-encoded, as in every URL; the HTTP server refuses them otherwise.
//! - **`vendorId`** is that of the credential an asset was made with. A credential with a vendor sees and changes that
//!   vendor's assets, whatever its scopes are called, and nothing else in the tenant; one without has no use of the
//!   scopes `…_by_vendor`. Public files stay public. An `id` that another vendor's asset has is taken all the same.
//! - **`/oauth/token`** takes the client's secret in the form or by HTTP Basic, and not in both. The answer's `scope`
//!   names the tenant that was asked for. Errors are those of RFC 6749.
//! - **`Content-Language`** and **`Accept-Language`** are passed over: no field here is localized.
//!
//! Reading with a token that may only manage, and which scope permits what, is the authorizer's business.

mod encoded;
mod fault;
mod operations;
mod q;
mod routes;
mod token;
mod types;
mod words;

use std::sync::Arc;

use appdepot_core::Error;
use axum::Router;
use axum::response::{IntoResponse as _, Response};

use crate::call::Backend;

pub(crate) use operations::DESCRIPTION;

/// Leniences, all off: for clients that rely on what the document does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Switches {
    /// `PUT` with a JSON body changes what is said about a file and leaves its bytes alone. The document asks for
    /// a form with the file.
    pub json_put_on_blob: bool,
    /// `PUT` keeps what the body leaves out, and without `metadata.version` overwrites whatever is there.
    pub merge_put: bool,
    /// Regular expressions in `q` ignore letter case.
    pub regex_ignores_case: bool,
    /// A parameter of a listing that is named like a field, as in `?refIds.id=p1`, finds assets with that value. The
    /// document knows no such parameters.
    pub field_parameters: bool,
    /// Private bytes are sent as base64 in `text/plain`, as in the document's sample, without ranges.
    pub base64_download: bool,
}

/// Reads the `q` of a listing; for fuzzing.
///
/// # Errors
/// `Invalid`, naming the position.
#[cfg(feature = "fuzzing")]
pub fn read_query(text: &str) -> appdepot_core::Result<Vec<appdepot_core::query::Clause>> {
    words::filter(text, true)
}

/// Reads `sort`; for fuzzing.
#[cfg(feature = "fuzzing")]
pub fn read_sort(text: &str) -> Vec<appdepot_core::query::Sort> {
    words::sort(text)
}

/// The answer to a request that no handler finished.
pub(crate) fn answer(error: Error) -> Response {
    fault::Fault::from(error).into_response()
}

/// The routes of this dialect: everything below `/media` and `/oauth`.
pub(crate) fn router(backend: Arc<Backend>, switches: Switches) -> Router {
    routes::router(routes::Emporix { backend, switches })
}
