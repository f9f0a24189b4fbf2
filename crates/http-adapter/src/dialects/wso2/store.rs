//! The store side: what is published, for those whom it is for.

use appdepot_core::depot::Ticketed;
use appdepot_core::domain::{AppKind, Release, Stored, Subscription};
use appdepot_core::inspect::Platform;
use appdepot_core::query::{Field, Op};
use appdepot_core::{Error, ErrorKind, Result};
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use super::fault::Fault;
use super::request::{Answer, Call, RawCall, Wso2, done, encode};
use super::types::{AppView, Kept};
use super::{STORE, administration, documents, files, words};
use crate::wire::conditional::{Validators, Verdict, expects_something};
use crate::wire::deliver;
use crate::wire::manifest::Manifest;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AppUrl {
    app_url: String,
}

/// Who is to have an app, or not to have it any more.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Install {
    #[serde(rename = "type")]
    target: String,
    app_id: String,
    #[serde(default)]
    device_ids: Vec<serde::de::IgnoredAny>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Activity {
    activity_id: String,
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
        self.offered_named(self.path("id"), kind).await
    }

    async fn offered_named(&self, text: &str, kind: AppKind) -> Result<Stored<Release>, Fault> {
        let missing = || Fault::not_found(&format!("{} with Id '{text}'", words::type_of(kind)));
        let id = self.release_id(text, kind, true).await?.ok_or_else(missing)?;
        match self.backend.depot.published_release(&self.actor, self.organization, id).await {
            Ok(release) if release.kind == kind => Ok(release),
            Ok(_) => Err(missing()),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(missing()),
            Err(error) => Err(error.into()),
        }
    }

    /// Ends the caller's subscription, also to what is no longer published. `None` when there was none.
    async fn leave(&self, text: &str, kind: AppKind) -> Result<Option<()>, Fault> {
        let missing = || Fault::not_found(&format!("{} with Id '{text}'", words::type_of(kind)));
        let id = self.release_id(text, kind, true).await?.ok_or_else(missing)?;
        let (depot, organization) = (&self.backend.depot, self.organization);
        let found = match depot.subscription(&self.actor, organization, id).await {
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(missing()),
            other => other?,
        };
        let Some(found) = found else { return Ok(None) };
        self.may_change(&SubscriptionView::new(&found), found.updated_at, found.revision)?;
        depot.unsubscribe(&self.actor, organization, id).await?;
        Ok(Some(()))
    }
}

pub(super) async fn list(call: Call) -> Answer {
    let kind = call.kind()?;
    let query = call.filter(call.releases(kind)?, kind, true).await?;
    call.listing(query, true, &format!("/apps/{}", words::type_of(kind))).await
}

pub(super) async fn get(call: Call) -> Answer {
    let release = call.offered(call.kind()?).await?;
    call.answer(&AppView::new(&release, None), Some(release.updated_at))
}

pub(super) async fn tags(call: Call) -> Answer {
    call.tags(true).await
}

pub(super) async fn list_tagged(call: Call) -> Answer {
    let (kind, tag) = (call.kind()?, call.path("tag"));
    let query = call.releases(kind)?.filter(Field::parse("details.tags")?, Op::Eq(tag.into()));
    call.listing(query, true, &format!("/tags/{}/apps/{}", encode(tag), words::type_of(kind))).await
}

pub(super) async fn documents(call: Call) -> Answer {
    let release = call.offered(call.kind()?).await?;
    documents::list_of(&call, &release).await
}

pub(super) async fn document(call: Call) -> Answer {
    let release = call.offered(call.kind()?).await?;
    documents::show(&call, &call.document_of(&release).await?)
}

pub(super) async fn document_content(RawCall(call): RawCall) -> Answer {
    let release = call.offered(call.kind()?).await?;
    documents::content_of(&call, &call.document_of(&release).await?).await
}

pub(super) async fn subscribe(call: Call) -> Answer {
    let release = call.offered(call.kind()?).await?;
    let depot = &call.backend.depot;
    match depot.subscription(&call.actor, call.organization, release.id).await? {
        Some(old) => {
            call.may_change(&SubscriptionView::new(&old), old.updated_at, old.revision)?;
        }
        None if expects_something(&call.parts.headers) => {
            return Err(Fault::precondition("There is no subscription yet that the request could expect"));
        }
        None => {}
    }
    let subscription = depot.subscribe(&call.actor, call.organization, release.id).await?;
    let view = SubscriptionView::new(&subscription);
    call.changed(StatusCode::OK, &view, Some(subscription.updated_at), None)
}

pub(super) async fn subscription(call: Call) -> Answer {
    let release = call.offered(call.kind()?).await?;
    let found = call.backend.depot.subscription(&call.actor, call.organization, release.id).await?;
    let subscription = found.ok_or_else(|| Fault::not_found("subscription"))?;
    call.answer(&SubscriptionView::new(&subscription), Some(subscription.updated_at))
}

pub(super) async fn subscribers(call: Call) -> Answer {
    let release = call.offered(call.kind()?).await?;
    administration::subscribers_of(&call, &release).await
}

pub(super) async fn unsubscribe(call: Call) -> Answer {
    let ended = call.leave(call.path("id"), call.kind()?).await?;
    ended.ok_or_else(|| Fault::not_found("subscription"))?;
    done()
}

impl Install {
    /// The app, when it is for the person who asks: devices are managed elsewhere.
    fn app(&self) -> Result<&str> {
        if self.target != "user" || !self.device_ids.is_empty() {
            return Err(Error::invalid("type", "type must be user: no devices are managed here"));
        }
        Ok(&self.app_id)
    }
}

/// Has a mobile app from now on.
pub(super) async fn install(call: Call) -> Answer {
    let body: Install = call.read().await?;
    let release = call.offered_named(body.app()?, AppKind::Mobile).await?;
    let had = call.backend.depot.subscribe(&call.actor, call.organization, release.id).await?;
    call.changed(StatusCode::OK, &Activity { activity_id: had.id.to_uuid() }, None, None)
}

/// Has it no longer.
pub(super) async fn uninstall(call: Call) -> Answer {
    let body: Install = call.read().await?;
    let ended = call.leave(body.app()?, AppKind::Mobile).await?;
    ended.ok_or_else(|| Fault::precondition("The app is not installed"))?;
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

/// What a link stands for; nothing else is asked of who has it. One that never was or is over is as missing as any.
async fn ticketed(state: &Wso2, token: &str) -> Result<Ticketed, Fault> {
    if !token.contains('-') {
        return Err(Fault::bad_request("No link has this form"));
    }
    match state.backend.depot.ticketed(token).await {
        Err(error) if error.kind() == ErrorKind::Unauthenticated => Err(Fault::not_found("link")),
        other => Ok(other?),
    }
}

/// The package under a link that was given out.
pub(super) async fn one_time(
    State(state): State<Wso2>,
    Path(token): Path<String>,
    request: Request,
) -> Answer {
    let asset = ticketed(&state, &token).await?.asset;
    let open = |range| state.backend.depot.open_ticket_once(&token, range);
    files::sent(deliver(request.method(), request.headers(), Some(asset), open).await?)
}

/// The manifest under such a link, which leads to the package.
pub(super) async fn manifest(
    State(state): State<Wso2>,
    Path((app, token)): Path<(String, String)>,
    request: Request,
) -> Answer {
    let release = ticketed(&state, &token).await?.release;
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
    let validators = Validators::of_bytes(manifest.to_xml()?.as_bytes(), None);
    if validators.judge(request.method(), request.headers()) == Verdict::Failed {
        return Err(Fault::precondition("The manifest is not what the request expects"));
    }
    let mut response = manifest.answer()?;
    validators.stamp(response.headers_mut())?;
    Ok(response)
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
