//! WSO2 App Manager: the publisher at `/api/appm/publisher/v1.1` and the store at `/api/appm/store/v1.1`.
//!
//! | publisher | |
//! |---|---|
//! | `GET`, `POST /apps/{type}` | a page of apps; a new one |
//! | `GET`, `PUT`, `DELETE /apps/{type}/id/{id}` | one |
//! | `POST …/id/{id}/create-new-version`, `GET …/subscriptions` | another version of it; who has it |
//! | `POST /apps/{type}/change-lifecycle`, `GET …/id/{id}/lifecycle`, `…/lifecycle-history` | its lifecycle |
//! | `GET`, `PUT`, `DELETE …/id/{id}/tags`, `GET /apps/{type}/tags` | tags: `PUT` adds |
//! | `…/id/{id}/docs`, `…/docs/{documentId}`, `…/content` | documents |
//! | `POST /apps/mobile/binaries`, `GET …/{file}`, `…/static-contents` | packages; pictures and papers |
//! | `GET /apps/mobile/getplist/tenant/{tenant}/file/{file}` | an iOS manifest, as JSON or XML |
//! | `/xacmlpolicies`, `/administration/xacmlpolicies`, `…/{id}/apps/{type}` | policy partials |
//! | `/administration/businessowner`, `/roles`, `/apps/{type}/throttlingtiers`, `…/validate-context`, `…/stats` | the rest |
//!
//! | store | |
//! |---|---|
//! | `GET /apps/{type}`, `…/id/{id}` | what is published and for the caller |
//! | `POST …/subscription`, `…/unsubscription`, `GET …/subscription`, `…/subscription/users` | subscribing |
//! | `POST /apps/download`, `/apps/uninstallation` | the same for a mobile app, of the person who asks |
//! | `GET …/docs`, `…/docs/{documentId}`, `…/content` | documents |
//! | `GET /apps/{type}/tags`, `/tags/{tag}/apps/{type}` | tags; the apps that have one |
//! | `GET`, `PUT …/rate` | 1 to 5 stars |
//! | `POST /apps/mobile/id/{id}/download` | subscribes, and answers a link that is good once |
//! | `GET /apps/mobile/binaries/one-time/{token}`, `…/plist/{id}/{token}` | that link; no credential |
//! | `GET /apps/static-contents/{file}` | pictures of what the caller sees |
//!
//! An app of this API is a release of the depot: each version has an id, written as UUID. Its name is the app's.
//! `webapp` are apps with the web lifecycle, `mobileapp` all others, whichever API made them. The tenant is the
//! organization that the credential was made for. Roles are groups of users.
//!
//! # Where document and original differ, or are silent
//!
//! - **Answers** have the documented status, headers and body. App bodies have the documented properties and, beside
//!   them, those of the document's samples (`uuid`, `appName`, `lifecycleStatus`, …), and `AppId`. A basic list has
//!   its summaries in `appList` and again in `appSummaryList`. A list without hits is 200 and empty.
//! - **Ids** are UUIDs or `provider-name-version`, where hyphens inside a part are understood. Two apps that read
//!   alike are 400. `provider` is the address of a person, or the name of a key, who made the app.
//! - **`query`**: terms with commas between them, all of which must hold; a term without `:` is a name. Texts are
//!   found in any letter case, `app_id` exactly. Another attribute is 400.
//! - **Names** are unique per type, contexts over all web apps: 409. A property that is not documented is 400.
//! - **`appmeta`** is compared with the uploaded package: another name or version is 400. Pictures must have been
//!   uploaded. `PUT` keeps what the body leaves out; name, version, platform and context cannot change, and the
//!   package can as long as the app was never published.
//! - **Lifecycle**: `Revert` is read although the document does not list it. Who makes an app may change it until it
//!   is approved and while it is unpublished, and remove it in every state. A comment may be given as the parameter
//!   `comment`; the history shows it.
//! - **Conditions** are those of RFC 9110 everywhere: 304, 412. Requests without any are 403 only when
//!   [`Switches::require_conditions`] says so. Lists and what is not kept in one record have no `Last-Modified`.
//! - **Static contents** are images and `application/*`, at most 10 MiB, and can all be read back.
//! - **Pages**: the link to the next one says, as `after`, where this one ended. Who follows it finds every page at the
//!   same price; an `offset` alone costs more the larger it is. Tags are counted over the 10,000 newest apps that have
//!   any.
//! - **Written content** of a document is answered by the document, and as `path` where the content is.
//! - **`getplist`**: the tenant is the organization's slug or id. Its package address needs the bearer token; devices
//!   install from the link of the store's `download`.
//! - **One-time links** end with the depot's tickets; one that is over is 404. Their second use from the first byte is 403; what was begun may
//!   be continued.
//! - **Policy partials**: only their author changes them. One that apps name is 412, with the apps. A subscription
//!   or download needs every policy of the app to permit it: a partial that only denies lets nobody in, unless the
//!   depot's conditions are told to evaluate as WSO2's gateway does.
//! - **Subscriptions** stay when an app is retired, whatever state it comes from: they say who has it, and go with the
//!   app. WSO2 drops them on the way from Deprecated, and keeps them on the way from Unpublished.
//! - **Left out of the store**, as nothing here asks for them: favourites, devices and what is scheduled for them, and
//!   events of visits.
//! - **Stats** are those of subscriptions; nothing here passes requests on to web apps.

mod administration;
mod apps;
mod compose;
mod documents;
mod fault;
mod files;
mod lifecycle;
mod operations;
mod request;
mod routes;
mod store;
mod types;
mod words;

use std::sync::Arc;

use appdepot_core::Error;
use axum::Router;
use axum::response::{IntoResponse as _, Response};

use crate::call::Backend;

pub(crate) use operations::DESCRIPTION;

/// Where the publisher is.
const PUBLISHER: &str = "/api/appm/publisher/v1.1";
/// Where the store is.
const STORE: &str = "/api/appm/store/v1.1";

/// What the document permits and does not demand; all off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Switches {
    /// A change without a condition (`If-Match`, `If-Unmodified-Since`, …) is 403.
    pub require_conditions: bool,
}

/// The answer to a request that no handler finished.
pub(crate) fn answer(error: Error) -> Response {
    fault::Fault::from(error).into_response()
}

/// The routes of this dialect: everything below `/api/appm`.
pub(crate) fn router(backend: Arc<Backend>, switches: Switches) -> Router {
    routes::router(request::Wso2 { backend, switches })
}
