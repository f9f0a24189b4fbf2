//! Red Hat Mobile App Management: chapter 2 of the Mobile Application Platform's API, under `/box/srv/1.1`, and what
//! its command line client (`fh-fhc`) needs beside it.
//!
//! | operations | are |
//! |---|---|
//! | `admin/appstore/…` | the organization's store: read, update, items in and out, icon, policies |
//! | `admin/storeitem/…` | items: create, read, update, delete, list, upload, policies, groups, configuration |
//! | `admin/storeitemgroup/…` | groups of users with their items; **not in the document** |
//! | `admin/authpolicy/…` | ways to sign in, and `auth`, `verifysession`, `revokesession`, `sessioninfo`; **not in it** |
//! | `admin/user/…`, `ide/{domain}/…`, `act/sys/auth/…`, `tst/version` | users, keys, login; **not in it** |
//! | `admin/auditlog/listlogs` | installations and downloads |
//! | `mas/…`, `mam/…` | the store: read it, list it, install, older versions; also under `/box/api/mas` |
//!
//! Operations that only read answer GET as well as POST; a body of GET means nothing.
//!
//! # One catalogue
//!
//! A store item is an app with the `direct` lifecycle and its listing in the organization's first store; every app of
//! the organization is one. What is uploaded is a release, published at once; per type the current one and the four
//! before it are kept. `ios`, `iphone` and `ipad` are binaries of their own.
//!
//! # Rulings
//!
//! Where the document is silent or contradicts itself, or its clients contradict it:
//!
//! - **Guids** are the 24 hexadecimal digits of an id with the letters `a` to `p` for the digits, since the command
//!   line client turns whatever reads as a number into one. A binary's guid is its item's, a hyphen and the type: it
//!   never changes. A version has a guid of its own, which `downloadvers` takes.
//! - **Credentials**: a session as `X-FH-AUTH-SESSION`, `X-FH-sessionToken` (with or without quotes), query
//!   `fh_auth_session` or cookie `x-fh-auth-session`; else an API key as `X-FH-AUTH-USER`; else the cookie
//!   `feedhenry` that a login sets; else `Authorization: Bearer`. What one may do is decided by who one is, never by
//!   the kind of credential.
//! - **Errors** have status 200 and `{"status":"error","message":…}`, because clients read the message of nothing
//!   else. Without a good credential the status is 401, without permission 403; 404, 405, 429, 500 and 503 mean what
//!   they do elsewhere. What is not found, here or in another organization, is `invalid_guid`.
//! - **Scalars** stand for each other (`"true"`, `12345`), unknown members are ignored, malformed JSON is refused.
//! - **Items** are always whole. Where the document answers a list of one, the answer has both: the item's members
//!   and `list`.
//! - **Updates** leave alone what they do not name. `appstore/update` takes `storeitems` or, as its client says,
//!   `items`.
//! - **`restrictToGroups`**: without it an item is for everyone who may use the store, whatever its groups; with it
//!   only for members of its groups, and without groups for nobody.
//! - **Policies of an item**: when it has any, it is only for those who signed in by one of them.
//! - **`configurations`** of policies hold no secrets: what is named like one is answered and kept as `********`.
//!   People sign in here by `FEEDHENRY` only, which is an account and its password; the other types are kept.
//! - **`config`** of an Apple binary is its package's `bundle_id`, and over that what `setbinaryconfig` said.
//! - **Uploads** must be what their type says, else `invalid_type`. An icon is a picture of at most 512 KiB. An item
//!   without one gets that of its package.
//! - **Keys** are shown whole when they are made; lists have the part before the dot, which is enough to delete one.
//! - **Preferences** (`setProp`) belong to the vendor's own pages and are not kept.
//! - **Dates** of binaries are as in the document (`Fri Nov 02 10:06:48 GMT 2012`), those of the audit log as the
//!   service spelled them (`2017-07-07 10:03:28:117`).
//! - **Addresses** are made of the configured public one, never of a request.

mod audit;
mod call;
mod fault;
mod fields;
mod items;
mod mas;
mod operations;
mod people;
mod session;
mod store;
mod types;
mod upload;
mod words;

use std::fmt;
use std::sync::Arc;

use appdepot_core::authorize::Actor;
use appdepot_core::domain::{App, Id, Store, Stored};
use appdepot_core::{Depot, Result};
use axum::Router;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use self::call::Call;
pub(crate) use self::fault::Fault;
pub(crate) use self::operations::DESCRIPTION;
use crate::call::Backend;

/// What every path begins with.
const PREFIX: &str = "/box/srv/1.1";
/// What paths below `mas` begin with, too.
const ALIAS: &str = "/box/api";

/// What every operation works with.
struct State {
    backend: Arc<Backend>,
    /// The slug of the organization of requests that name none.
    domain: String,
}

impl State {
    fn depot(&self) -> &Depot {
        &self.backend.depot
    }

    /// An app's icon as Base64, as far as `budget` allows; empty without one.
    async fn icon(&self, actor: &Actor, app: &Stored<App>, budget: &mut usize) -> Result<String> {
        if app.picture().is_none() {
            return Ok(String::new());
        }
        let icon = self.depot().app_icon(actor, app.organization, app.id).await?;
        let fits = icon.filter(|icon| icon.len() <= *budget);
        *budget -= fits.as_ref().map_or(0, bytes::Bytes::len);
        Ok(fits.map(|icon| BASE64.encode(icon)).unwrap_or_default())
    }

    /// The store's icon as Base64; empty without one.
    async fn store_icon(&self, store: &Stored<Store>) -> Result<String> {
        let icon = self.depot().entrance_icon(store.organization, store.id).await?;
        Ok(icon.map(|icon| BASE64.encode(icon)).unwrap_or_default())
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("domain", &self.domain).finish_non_exhaustive()
    }
}

/// The operations. `domain` is the slug of the organization of requests that name none.
pub(crate) fn router(backend: Arc<Backend>, domain: String) -> Router {
    Router::new()
        .merge(items::routes())
        .merge(store::routes())
        .merge(upload::routes())
        .merge(audit::routes())
        .merge(people::routes())
        .merge(session::routes())
        .merge(mas::routes())
        .fallback(async || Fault::unknown_path())
        .method_not_allowed_fallback(async || Fault::method())
        .with_state(Arc::new(State { backend, domain }))
}

/// The absolute address of an operation.
fn address(state: &State, operation: &str) -> String {
    format!("{}{PREFIX}/{operation}", state.backend.public_url)
}

impl Call {
    async fn store(&self) -> Result<Stored<Store>> {
        self.state.depot().main_store(&self.actor, self.organization.id).await
    }

    /// The item whose guid stands under this name.
    async fn app(&self, name: &'static str) -> Result<Stored<App>, Fault> {
        let id: Id<App> = self.fields.id(name)?;
        Ok(self.state.depot().app(&self.actor, self.organization.id, &id.to_string()).await?)
    }
}
