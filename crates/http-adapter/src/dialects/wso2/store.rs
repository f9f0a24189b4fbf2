//! The store side: what is published, for those whom it is for.

use appdepot_core::domain::{AppKind, Release, Stored, Subscription};
use appdepot_core::inspect::Platform;
use appdepot_core::{ErrorKind, Result};
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use super::fault::Fault;
use super::request::{Answer, Call, RawCall, Wso2, done};
use super::types::{AppView, Kept};
use super::{STORE, files, words};
use crate::wire::deliver;
use crate::wire::manifest::Manifest;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AppUrl {
    app_url: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rating {
    rating: f64,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SubscriptionView {
    subscription_id: String,
    subscription_type: &'static str,
    status: &'static str,
    subscription_time: String,
    subscribed_user: String,
}

impl SubscriptionView {
    fn new(subscription: &Stored<Subscription>) -> Self {
        Self {
            subscription_id: subscription.id.to_uuid(),
            subscription_type: "INDIVIDUAL",
            status: "UNBLOCKED",
            subscription_time: words::moment(subscription.since),
            subscribed_user: subscription.name(),
        }
    }
}

impl Call {
    /// The published app that the path names.
    async fn offered(&self, kind: AppKind) -> Result<Stored<Release>, Fault> {
        let text = self.path("id");
        let missing = || Fault::not_found(&format!("{} with Id '{text}'", words::type_of(kind)));
        let id = self.release_id(text, kind, true).await?.ok_or_else(missing)?;
        match self.backend.depot.published_release(&self.actor, self.organization, id).await {
            Ok(release) if release.kind == kind => Ok(release),
            Ok(_) => Err(missing()),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(missing()),
            Err(error) => Err(error.into()),
        }
    }
}

pub(super) async fn list(call: Call) -> Answer {
    let kind = call.kind()?;
    let query = call.filter(call.releases(kind)?, kind, true).await?;
    call.listing(query, kind, true).await
}

pub(super) async fn get(call: Call) -> Answer {
    let release = call.offered(call.kind()?).await?;
    call.answer(&AppView::new(&release, None), Some(release.updated_at))
}

pub(super) async fn subscribe(call: Call) -> Answer {
    let release = call.offered(call.kind()?).await?;
    let subscription = call.backend.depot.subscribe(&call.actor, call.organization, release.id).await?;
    call.changed(StatusCode::OK, &SubscriptionView::new(&subscription), None, None)
}

pub(super) async fn subscription(call: Call) -> Answer {
    let release = call.offered(call.kind()?).await?;
    let found = call.backend.depot.subscription(&call.actor, call.organization, release.id).await?;
    let subscription = found.ok_or_else(|| Fault::not_found("subscription"))?;
    call.answer(&SubscriptionView::new(&subscription), Some(subscription.updated_at))
}

/// Ends the caller's subscription, also to what is no longer published.
pub(super) async fn unsubscribe(call: Call) -> Answer {
    let kind = call.kind()?;
    let text = call.path("id");
    let missing = || Fault::not_found(&format!("{} with Id '{text}'", words::type_of(kind)));
    let id = call.release_id(text, kind, true).await?.ok_or_else(missing)?;
    call.backend.depot.unsubscribe(&call.actor, call.organization, id).await?;
    done()
}

pub(super) async fn rate(call: Call) -> Answer {
    let body: Rating = call.read().await?;
    let release = call.offered(call.kind()?).await?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be small and whole"
    )]
    let stars =
        if body.rating.fract() == 0.0 && (1.0..=5.0).contains(&body.rating) { body.rating as u8 } else { 0 };
    let rated = call.backend.depot.rate(&call.actor, call.organization, release.id, stars).await?;
    call.changed(StatusCode::OK, &Rating { rating: rated.rating.mean() }, Some(rated.updated_at), None)
}

pub(super) async fn rating(call: Call) -> Answer {
    let release = call.offered(call.kind()?).await?;
    let own = call.backend.depot.own_rating(&call.actor, call.organization, release.id).await?;
    call.answer(&Rating { rating: own.unwrap_or(0).into() }, None)
}

/// Where the app is to be had: for a package here a link that is good once, and for a while.
pub(super) async fn download(call: Call) -> Answer {
    let release = call.offered(AppKind::Mobile).await?;
    let (depot, organization) = (&call.backend.depot, call.organization);
    depot.subscribe(&call.actor, organization, release.id).await?;
    let app_url = match (release.asset, Kept::of(&release).market_type.as_deref()) {
        (None, _) | (_, Some("public" | "webapp")) => release.details.url.clone().unwrap_or_default(),
        (Some(_), _) => {
            let token = depot.ticket(&call.actor, organization, release.id).await?.token;
            let base = format!("{}{STORE}/apps/mobile", call.backend.public_url);
            if release.platform == Platform::Ios {
                format!("{base}/plist/{}/{token}", release.id.to_uuid())
            } else {
                format!("{base}/binaries/one-time/{token}")
            }
        }
    };
    call.changed(StatusCode::OK, &AppUrl { app_url }, None, None)
}

/// The package under a link that was given out; nothing else is asked of who has it.
pub(super) async fn one_time(
    State(state): State<Wso2>,
    Path(token): Path<String>,
    request: Request,
) -> Answer {
    let depot = &state.backend.depot;
    let asset = depot.ticketed(&token).await?.asset;
    let open = |range| depot.open_ticket_once(&token, range);
    files::sent(deliver(request.method(), request.headers(), Some(asset), open).await?)
}

/// The manifest under such a link, which leads to the package.
pub(super) async fn manifest(
    State(state): State<Wso2>,
    Path((app, token)): Path<(String, String)>,
) -> Answer {
    let ticketed = state.backend.depot.ticketed(&token).await?;
    let release = ticketed.release;
    let package =
        release.package.clone().filter(|_| app == release.id.to_uuid() && release.platform == Platform::Ios);
    let package = package.ok_or_else(|| Fault::not_found(&format!("mobileapp with Id '{app}'")))?;
    let manifest = Manifest {
        title: release.name.clone(),
        bundle_id: package.id,
        bundle_version: package.version,
        package: format!("{}{STORE}/apps/mobile/binaries/one-time/{token}", state.backend.public_url),
        ..Manifest::default()
    };
    Ok(manifest.answer()?)
}

/// A picture of an app that the caller may see.
pub(super) async fn content(RawCall(call): RawCall) -> Answer {
    call.query_kind()?;
    let name = call.path("file");
    let missing = || Fault::not_found(&format!("file '{name}'"));
    let (id, _) = words::file_id(name).ok_or_else(missing)?;
    let open = |range| call.backend.depot.open_picture(&call.actor, call.organization, id, range);
    match deliver(&call.parts.method, &call.parts.headers, None, open).await {
        Err(error) if error.kind() == ErrorKind::NotFound => Err(missing()),
        other => files::sent(other?),
    }
}
