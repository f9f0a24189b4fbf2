//! Fetching a package with a token instead of a credential.

use std::sync::Arc;

use appdepot_core::domain::{Asset, Stored};
use appdepot_core::error::CredentialFault;
use appdepot_core::inspect::Platform;
use appdepot_core::{Error, ErrorKind};
use axum::extract::FromRequestParts;
use axum::response::Response;
use http::header::{CACHE_CONTROL, LOCATION};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use super::super::fault::Fault;
use super::{Answered, part};
use crate::call::Backend;
use crate::wire::{self, Manifest};

/// What a token ends in that leads to the manifest.
pub(super) const MANIFEST: &str = "-manifest";

/// A request with a token, and the package that the token is for.
pub(super) struct Fetch {
    backend: Arc<Backend>,
    ticket: String,
    /// Whether the token leads to the manifest.
    to_manifest: bool,
    asset: Stored<Asset>,
    method: Method,
    headers: HeaderMap,
}

impl FromRequestParts<Arc<Backend>> for Fetch {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, backend: &Arc<Backend>) -> Result<Self, Fault> {
        let token = part(parts, "token").await?.unwrap_or_default();
        let (ticket, to_manifest) =
            token.strip_suffix(MANIFEST).map_or((token.as_str(), false), |ticket| (ticket, true));
        let asset = backend.depot.ticketed(ticket).await.map_err(unknown)?.asset;
        let (method, headers) = (parts.method.clone(), parts.headers.clone());
        let (backend, ticket) = (Arc::clone(backend), ticket.to_owned());
        Ok(Self { backend, ticket, to_manifest, asset, method, headers })
    }
}

/// Leads to the package, or to the manifest that leads there.
pub(super) async fn follow(fetch: Fetch) -> Answered {
    let to = if fetch.to_manifest {
        format!("{}/v1/download/{}/manifest.plist", fetch.backend.public_url, fetch.ticket)
    } else {
        fetch.address()?
    };
    let mut response = Response::new(axum::body::Body::empty());
    *response.status_mut() = StatusCode::FOUND;
    let headers = response.headers_mut();
    headers.insert(LOCATION, HeaderValue::try_from(to).map_err(Error::internal)?);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    Ok(response)
}

/// The package itself, once; what was begun may be continued.
pub(super) async fn fetch(fetch: Fetch) -> Answered {
    let open = |range| fetch.backend.depot.open_ticket_once(&fetch.ticket, range);
    let asset = Some(fetch.asset.clone());
    wire::deliver(&fetch.method, &fetch.headers, asset, open).await.map_err(unknown)
}

/// What an Apple device is told to install.
pub(super) async fn manifest(fetch: Fetch) -> Answered {
    let package = fetch.asset.file().and_then(|file| file.inspection.package.as_ref());
    let package = package.filter(|package| package.platform == Some(Platform::Ios));
    let package = package.ok_or_else(Fault::not_found)?;
    let manifest = Manifest {
        title: package.name.clone().unwrap_or_else(|| package.id.clone()),
        bundle_id: package.id.clone(),
        bundle_version: package.version.clone().unwrap_or_default(),
        package: fetch.address()?,
        ..Manifest::default()
    };
    Ok(manifest.answer()?)
}

impl Fetch {
    fn address(&self) -> Result<String, Fault> {
        let file = self.asset.file().ok_or_else(Fault::not_found)?;
        // Of the name only the extension is taken over: it is what clients look at.
        let name = match file.extension.as_str() {
            "" => "package".to_owned(),
            extension => format!("package.{extension}"),
        };
        Ok(format!("{}/v1/download/{}/{name}", self.backend.public_url, self.ticket))
    }
}

/// A token that is not good, or was used, is one that does not exist.
fn unknown(error: Error) -> Fault {
    match error.kind() {
        ErrorKind::Unauthenticated | ErrorKind::Forbidden => {
            Error::unauthenticated(CredentialFault::Bad).into()
        }
        _ => error.into(),
    }
}
