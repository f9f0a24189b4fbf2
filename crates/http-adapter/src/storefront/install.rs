//! What an install ticket opens: the page, the manifest and the package. The token in the path is all the right
//! there is, as installers bring neither cookie nor header.

use std::sync::Arc;

use appdepot_core::blobs::ByteRange;
use appdepot_core::depot::Ticketed;
use appdepot_core::domain::{Asset, Content};
use appdepot_core::inspect::{Format, Platform};
use appdepot_core::{Error, Result};
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::get;
use http::{HeaderMap, Method, StatusCode};

use super::Route;
use super::app::help;
use super::fault::Fault;
use super::icon::{self, DISPLAY_EDGE, FULL_EDGE, PAGE_EDGE};
use super::texts::fill;
use super::view::{InstallPage, Page};
use super::visit::{Visit, show};
use crate::call::Backend;
use crate::wire::deliver;
use crate::wire::text::visible;
use crate::wire::{Manifest, install_link};

pub(super) fn routes() -> Vec<Route> {
    vec![
        ("/install/{token}", get(page)),
        ("/install/{token}/manifest.plist", get(manifest)),
        ("/install/{token}/package", get(package)),
        ("/install/{token}/icon", get(page_icon)),
        ("/install/{token}/icon/{edge}", get(icon)),
    ]
}

/// Where a ticket leads: to a page where iOS is told what to do, and straight to the package elsewhere.
pub(super) fn path(base: &str, token: &str, platform: Platform) -> String {
    match platform {
        Platform::Ios => format!("{base}/install/{token}"),
        _ => format!("{base}/install/{token}/package"),
    }
}

async fn page(visit: Visit, Path(token): Path<String>) -> Result<Response, Fault> {
    let ticketed = visit.backend.depot.ticketed(&token).await?;
    let (language, t) = (visit.language, visit.language.texts());
    let Ticketed { ticket, release, app, .. } = &ticketed;
    let under = format!("{}/install/{token}", visit.backend.public_url);
    let (lead, label, link) = if manifest_of(&visit.backend, &ticketed, &token).is_ok() {
        (t.ready_ios, t.install, install_link(&format!("{under}/manifest.plist")))
    } else {
        (t.ready_file, t.download, format!("{}/install/{token}/package", visit.base()))
    };
    let until = ticket.expires_at.to_string();
    let page = InstallPage {
        page: Page::plain(language, visit.base(), t.ready),
        t,
        icon: format!("{}/install/{token}/icon", visit.base()),
        name: visible(&app.name),
        version: visible(&release.version),
        size: language.size(release.length),
        lead,
        label,
        link,
        until: fill(t.link_until, &clock(&until)),
        help: help(release.platform, t),
    };
    Ok(show(StatusCode::OK, language, &page)?)
}

/// `2026-03-09T12:34:56.789Z` as hours and minutes.
fn clock(time: &str) -> String {
    format!("{} UTC", time.get(11..16).unwrap_or(time))
}

async fn manifest(State(backend): State<Arc<Backend>>, Path(token): Path<String>) -> Result<Response, Fault> {
    let ticketed = backend.depot.ticketed(&token).await?;
    let mut manifest = manifest_of(&backend, &ticketed, &token)?;
    if backend.depot.ticketed_icon(&token, DISPLAY_EDGE).await?.is_some() {
        let address = |edge: u32| format!("{}/install/{token}/icon/{edge}", backend.public_url);
        manifest.display_image = Some(address(DISPLAY_EDGE));
        manifest.full_size_image = Some(address(FULL_EDGE));
    }
    Ok(manifest.answer()?)
}

/// The pictures that the manifest names.
async fn icon(
    State(backend): State<Arc<Backend>>,
    Path((token, edge)): Path<(String, String)>,
) -> Result<Response, Fault> {
    let missing = || Error::not_found("icon");
    let known = [DISPLAY_EDGE, FULL_EDGE].into_iter();
    let edge = known.into_iter().find(|known| known.to_string() == edge).ok_or_else(missing)?;
    let png = backend.depot.ticketed_icon(&token, edge).await?.ok_or_else(missing)?;
    Ok(icon::answer(Some(png), "")?)
}

async fn page_icon(
    State(backend): State<Arc<Backend>>,
    Path(token): Path<String>,
) -> Result<Response, Fault> {
    let ticketed = backend.depot.ticketed(&token).await?;
    let png = backend.depot.ticketed_icon(&token, PAGE_EDGE).await?;
    Ok(icon::answer(png, &ticketed.app.name)?)
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
fn manifest_of(backend: &Backend, ticketed: &Ticketed, token: &str) -> Result<Manifest> {
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
