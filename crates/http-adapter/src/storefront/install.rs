//! What an install ticket opens: the manifest and the package. The token in the path is all the right there is, as
//! installers bring neither cookie nor header.

use std::sync::Arc;

use appdepot_core::blobs::ByteRange;
use appdepot_core::depot::Ticketed;
use appdepot_core::domain::{Asset, Content};
use appdepot_core::inspect::Format;
use appdepot_core::{Error, Result};
use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::get;
use http::{HeaderMap, Method};

use super::fault::Fault;
use crate::call::Backend;
use crate::wire::{Manifest, deliver};

pub(super) fn routes() -> Router<Arc<Backend>> {
    Router::new()
        .route("/install/{token}/manifest.plist", get(manifest))
        .route("/install/{token}/package", get(package))
}

async fn manifest(State(backend): State<Arc<Backend>>, Path(token): Path<String>) -> Result<Response, Fault> {
    let ticketed = backend.depot.ticketed(&token).await?;
    Ok(of(&backend, &ticketed, &token)?.answer()?)
}

async fn package(
    State(backend): State<Arc<Backend>>,
    Path(token): Path<String>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let Ticketed { release, app, mut asset, .. } = backend.depot.ticketed(&token).await?;
    let name = format!("{}-{}", app.slug, release.version);
    dress(&mut asset.value, &name);
    let open = async |range: ByteRange| {
        let mut download = backend.depot.open_ticket(&token, range).await?;
        dress(&mut download.asset.value, &name);
        Ok(download)
    };
    Ok(deliver(&method, &headers, Some(asset), open).await?)
}

/// The manifest of a ticket's package, with addresses under the same ticket.
///
/// # Errors
/// `NotFound` when it is no package that iOS installs.
fn of(backend: &Backend, ticketed: &Ticketed, token: &str) -> Result<Manifest> {
    let inspection = ticketed.asset.file().map(|file| &file.inspection);
    let package =
        inspection.filter(|found| found.format == Format::Ipa).and_then(|found| found.package.as_ref());
    let package = package.ok_or_else(|| Error::not_found("manifest"))?;
    let address = |what: &str| format!("{}/install/{token}/{what}", backend.public_url);
    Ok(Manifest {
        title: ticketed.app.name.clone(),
        bundle_id: package.id.clone(),
        bundle_version: ticketed.release.version.clone(),
        package: address("package"),
        display_image: None,
        full_size_image: None,
    })
}

/// Gives a package the name and media type that installers go by, whatever it was uploaded as.
fn dress(asset: &mut Asset, name: &str) {
    let Content::File(file) = &mut asset.content else { return };
    let (media_type, extension) = match file.inspection.format {
        Format::Apk => ("application/vnd.android.package-archive", "apk"),
        Format::Ipa => ("application/octet-stream", "ipa"),
        _ => ("application/octet-stream", file.extension.as_str()),
    };
    let name: String = name
        .chars()
        .map(|c| if c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '+') { c } else { '-' })
        .collect();
    file.file_name = if extension.is_empty() { name } else { format!("{name}.{extension}") };
    media_type.clone_into(&mut file.media_type);
}
