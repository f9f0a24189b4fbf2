//! Handing bytes out: after a permission check, under a ticket, or because they are public.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::authorize::{Actor, permission};
use crate::blobs::{BlobKey, BlobStore, ByteRange, ByteStream};
use crate::domain::{
    Access, App, Asset, File, Id, Listing, Location, Organization, Release, Stored, Ticket, Visibility,
};
use crate::error::{CredentialFault, Error, ErrorKind, Result};
use crate::lifecycle::State;
use crate::query::{Field, Op, Query};
use crate::records::Batch;

use super::measure::hex;
use super::{Depot, audit, on_app};

/// Bytes on their way out.
pub struct Download {
    /// What they belong to; its file tells length, digest, name and media type.
    pub asset: Stored<Asset>,
    /// The first byte of the stream.
    pub start: u64,
    /// One past its last byte.
    pub end: u64,
    /// The bytes.
    pub stream: ByteStream,
}

/// A ticket and, this once, its token.
pub struct IssuedTicket {
    /// Whoever has this text may fetch the files.
    pub token: String,
    /// What was kept.
    pub ticket: Stored<Ticket>,
}

impl std::fmt::Debug for IssuedTicket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IssuedTicket").field("ticket", &self.ticket.id).finish_non_exhaustive()
    }
}

/// Why somebody may have a release.
pub(super) enum Leave {
    /// They may see it by right.
    Right,
    /// It is published for them itself.
    Audience,
    /// A listing hands it out to them.
    Listing(Box<Stored<Listing>>),
}

impl Leave {
    /// The listing that gives it, once its terms are agreed to.
    ///
    /// # Errors
    /// `Invalid` before that.
    fn listing(&self, actor: &Actor) -> Result<Option<Id<Listing>>> {
        match self {
            Self::Right | Self::Audience => Ok(None),
            Self::Listing(listing) if agreed(actor, listing) => Ok(Some(listing.id)),
            Self::Listing(_) => Err(Error::invalid("terms", "have to be agreed to")),
        }
    }
}

/// What a ticket lets its holder fetch.
#[derive(Debug, Clone)]
pub struct Ticketed {
    /// The ticket.
    pub ticket: Stored<Ticket>,
    /// Which release.
    pub release: Stored<Release>,
    /// Of which app.
    pub app: Stored<App>,
    /// Its package.
    pub asset: Stored<Asset>,
}

impl Depot {
    /// An asset's bytes, for those who may see the asset.
    ///
    /// # Errors
    /// `Unsupported` for a link.
    pub async fn open_asset(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        id: Id<Asset>,
        range: ByteRange,
    ) -> Result<Download> {
        let asset = self.permitted_asset(actor, permission::ASSET_GET, organization, id).await?;
        self.open(asset, range).await
    }

    /// The bytes of a public asset, for anyone.
    ///
    /// # Errors
    /// `NotFound` for a private one, too.
    pub async fn open_public(
        &self,
        organization: &str,
        reference: &str,
        range: ByteRange,
    ) -> Result<Download> {
        let missing = || Error::not_found("asset");
        let organization: Stored<Organization> =
            self.resolve(Id::NIL, "slug", organization).await.map_err(|error| match error.kind() {
                ErrorKind::NotFound => missing(),
                _ => error,
            })?;
        let asset: Stored<Asset> = self.resolve(organization.id, "alias", reference).await?;
        if asset.access != Access::Public || asset.file().is_none() {
            return Err(missing());
        }
        self.open(asset, range).await
    }

    /// Leave to fetch a release's files: for those who may see the release, and for those to whom a store offers
    /// it now, an open publication whoever they are. The latter is an installation, and told of as `release.install`.
    ///
    /// # Errors
    /// `NotFound` when neither holds; `Invalid(terms)` for a publication whose terms the actor has yet to agree to;
    /// `Conflict(Unprocessed)` for a build that is no release.
    pub async fn ticket(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        release: Id<Release>,
    ) -> Result<IssuedTicket> {
        let (release, app) = match self.release_and_app(organization, release).await {
            // Those who may see the build are told that it is no release yet.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let build = self.build(actor, organization, release.cast()).await;
                return Err(build.map_or(error, |_| Error::unprocessed()));
            }
            other => other?,
        };
        let leave = match self.sees(actor, &release, &app).await {
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Forbidden) => {
                Leave::Listing(Box::new(self.opening(actor, &release).await?.ok_or(error)?))
            }
            seen => seen?,
        };
        let (listing, install) = (leave.listing(actor)?, !matches!(leave, Leave::Right));
        self.check_policies(actor, &release).await?;
        let asset = release.asset.ok_or_else(no_package)?;
        let mut secret = [0u8; 24];
        getrandom::fill(&mut secret).map_err(Error::internal)?;
        let secret = hex(&secret);
        let ticket = Ticket {
            digest: digest(&secret),
            release: release.id,
            asset,
            install,
            listing,
            subject: actor.subject.clone(),
            origin: actor.origin.clone(),
            started_at: None,
            expires_at: self.now().after(self.0.limits.ticket_lifetime),
        };
        let stored = Stored::new(organization, ticket, self.now());
        let mut batch = Batch::new();
        batch.insert(&stored)?;
        batch.events.push(self.event(actor, "ticket.create", &stored));
        if install {
            batch.events.push(self.delivery(actor, audit::INSTALL, &app, &release)?);
        }
        self.commit(batch).await?;
        Ok(IssuedTicket { token: format!("{organization}-{secret}"), ticket: stored })
    }

    /// Takes a ticket back: for the one it was made for, and for those who may take the app out of stores.
    ///
    /// # Errors
    /// See [`Depot`].
    pub async fn revoke_ticket(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        id: Id<Ticket>,
    ) -> Result<()> {
        let ticket: Stored<Ticket> = self.load(organization, id).await?;
        if ticket.subject != actor.subject {
            let (_, app) = self.release_and_app(organization, ticket.release).await?;
            self.authorize(actor, permission::LISTING_REMOVE, on_app(&app)).await?;
        }
        let mut batch = Batch::new();
        batch.delete(&ticket);
        batch.events.push(self.event(actor, "ticket.revoke", &ticket));
        self.commit(batch).await
    }

    /// What a ticket is for, as long as it is good: whoever has the token needs nothing else.
    ///
    /// # Errors
    /// `Unauthenticated` for an unknown, revoked or expired token, and for a release that may no longer be
    /// installed or whose publication is over; what was begun before that may be finished.
    pub async fn ticketed(&self, token: &str) -> Result<Ticketed> {
        let bad = || Error::unauthenticated(CredentialFault::Bad);
        let (organization, secret) = token.split_once('-').filter(|_| token.len() < 256).ok_or_else(bad)?;
        let organization = Id::parse(organization).map_err(|_| bad())?;
        let ticket: Stored<Ticket> =
            self.find_claimed(organization, "digest", &digest(secret)).await?.ok_or_else(bad)?;
        if self.now() > ticket.expires_at {
            return Err(Error::unauthenticated(CredentialFault::Expired));
        }
        let release: Stored<Release> = self.find(organization, ticket.release).await?.ok_or_else(bad)?;
        if ticket.install && !matches!(release.state, State::Published | State::Deprecated) {
            return Err(bad());
        }
        if let Some(listing) = ticket.listing.filter(|_| ticket.started_at.is_none()) {
            let listing: Stored<Listing> = self.find(organization, listing).await?.ok_or_else(bad)?;
            if listing.visibility == Visibility::Inactive || self.is_over(&listing) {
                return Err(bad());
            }
        }
        let app = self.load(organization, release.app).await?;
        let asset = self.load(organization, ticket.asset).await?;
        Ok(Ticketed { ticket, release, app, asset })
    }

    /// The package a ticket is for. Each first byte that goes out is an event.
    ///
    /// # Errors
    /// As [`Depot::ticketed`].
    pub async fn open_ticket(&self, token: &str, range: ByteRange) -> Result<Download> {
        self.open_ticketed(token, range, false).await
    }

    /// The same, once: what was begun may be continued, but not begun again.
    ///
    /// # Errors
    /// As [`Depot::ticketed`]; `Forbidden` for a second beginning.
    pub async fn open_ticket_once(&self, token: &str, range: ByteRange) -> Result<Download> {
        self.open_ticketed(token, range, true).await
    }

    async fn open_ticketed(&self, token: &str, range: ByteRange, once: bool) -> Result<Download> {
        self.commit_made(|| async {
            let Ticketed { ticket, release, app, asset } = self.ticketed(token).await?;
            if once && range.start == 0 && ticket.started_at.is_some() {
                return Err(Error::new(ErrorKind::Forbidden, "the link was used already"));
            }
            let download = self.open(asset, range).await?;
            if download.start > 0 && ticket.started_at.is_some() {
                return Ok((Batch::new(), download));
            }
            let holder = Actor { origin: ticket.origin.clone(), ..Actor::new(ticket.subject.clone()) };
            let mut batch = Batch::new();
            batch.events.push(self.delivery(&holder, audit::DOWNLOAD, &app, &release)?);
            if ticket.started_at.is_none() {
                let now = self.now();
                let mut started = ticket.value.clone();
                started.started_at = Some(now);
                started.expires_at = started.expires_at.max(now.after(self.0.limits.ticket_grace));
                batch.update(&ticket.changed(started, now))?;
            }
            Ok((batch, download))
        })
        .await
    }

    /// Why the actor sees a release: by right, or because it is offered to them now.
    pub(super) async fn sees(
        &self,
        actor: &Actor,
        release: &Stored<Release>,
        app: &Stored<App>,
    ) -> Result<Leave> {
        match self.authorize(actor, permission::RELEASE_GET, on_app(app)).await {
            Ok(()) => Ok(Leave::Right),
            Err(error) if error.kind() == ErrorKind::Forbidden => {
                self.authorize(actor, permission::STORE_INSTALL, on_app(app)).await?;
                self.offered(actor, release).await
            }
            Err(error) => Err(error),
        }
    }

    /// Why this release is for the actor now: itself, or by a listing of its app for them.
    async fn offered(&self, actor: &Actor, release: &Stored<Release>) -> Result<Leave> {
        let missing = || Error::not_found("release");
        if release.state != State::Published {
            return Err(missing());
        }
        let itself = Query::of::<Release>(release.organization).filter(Field::Id, Op::Eq(release.id.into()));
        if !self.list::<Release>(&self.for_audience(actor, itself).await?).await?.items.is_empty() {
            return Ok(Leave::Audience);
        }
        let listings = Query::of::<Listing>(release.organization)
            .filter(Field::parse("app")?, Op::Eq(release.app.into()));
        let listings = self.for_visitor(actor, self.unexpired(listings)?).await?;
        let listings = self.list_all::<Listing>(listings).await?.into_iter();
        let listing = listings
            .filter(|listing| admits(actor, listing) && hands_out(listing, release.id))
            .min_by_key(|listing| !agreed(actor, listing));
        listing.map(|listing| Leave::Listing(Box::new(listing))).ok_or_else(missing)
    }

    /// Whether a listing is a publication whose time is over.
    pub(super) fn is_over(&self, listing: &Listing) -> bool {
        let end = listing.publication.as_ref().and_then(|publication| publication.expires_at);
        end.is_some_and(|end| end <= self.now())
    }

    /// What is known of a release's package, for those who may have it: who sees the release, or finds its app in a
    /// store while it is published.
    ///
    /// # Errors
    /// `NotFound` for everyone else; `Invalid(terms)` before the terms are agreed to; `Unsupported` when there is no
    /// package here.
    pub async fn package(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        release: Id<Release>,
    ) -> Result<Stored<Asset>> {
        let (release, app) = self.release_and_app(organization, release).await?;
        self.sees(actor, &release, &app).await?.listing(actor)?;
        self.check_policies(actor, &release).await?;
        self.load(organization, release.asset.ok_or_else(no_package)?).await
    }

    /// A release's package, for those who may have it. Each time is an event: an installation or, as for older
    /// versions, a download.
    ///
    /// # Errors
    /// As [`Depot::package`].
    pub async fn open_release(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        release: Id<Release>,
        install: bool,
        range: ByteRange,
    ) -> Result<Download> {
        let asset = self.package(actor, organization, release).await?;
        let (release, app) = self.release_and_app(organization, release).await?;
        let download = self.open(asset, range).await?;
        let action = if install { audit::INSTALL } else { audit::DOWNLOAD };
        let mut batch = Batch::new();
        batch.events.push(self.delivery(actor, action, &app, &release)?);
        self.commit(batch).await?;
        Ok(download)
    }

    pub(super) async fn open(&self, asset: Stored<Asset>, range: ByteRange) -> Result<Download> {
        let Some(file) = asset.file() else {
            return Err(Error::new(ErrorKind::Unsupported, "a link has no bytes here"));
        };
        let (blobs, key) = self.place(asset.organization, file).await?;
        let (start, end) = range.within(file.length);
        let stream = blobs.get(&key, ByteRange { start, end: Some(end) }).await.map_err(|error| {
            // The record says that the bytes are there, so this is no answer for a stranger.
            if error.kind() == ErrorKind::NotFound {
                Error::unavailable("a recorded blob is missing")
            } else {
                error
            }
        })?;
        Ok(Download { start, end, stream, asset })
    }

    /// Where the bytes of a file lie, and under which key.
    pub(super) async fn place(
        &self,
        organization: Id<Organization>,
        file: &File,
    ) -> Result<(Arc<dyn BlobStore>, BlobKey)> {
        Ok(match &file.location {
            Location::Blob(blob) => (Arc::clone(&self.0.blobs), BlobKey::of(*blob)),
            Location::Provider { provider, key } => {
                (self.storage_provider(organization, *provider).await?.1, BlobKey::foreign(key)?)
            }
        })
    }
}

/// Whether those for whom a listing is may have this release of its app.
pub(super) fn hands_out(listing: &Listing, release: Id<Release>) -> bool {
    listing.visibility != Visibility::Inactive && (listing.has_history() || listing.offers(release))
}

/// Whether a listing is for requests from the actor's country.
pub(super) fn admits(actor: &Actor, listing: &Listing) -> bool {
    listing.publication.as_ref().is_none_or(|it| it.admits(actor.origin.country.as_deref()))
}

/// Whether the actor agreed to a listing's terms, if it has any.
pub(super) fn agreed(actor: &Actor, listing: &Stored<Listing>) -> bool {
    listing.terms().is_none() || actor.agreed == Some(listing.id)
}

fn no_package() -> Error {
    Error::new(ErrorKind::Unsupported, "the release has no package here")
}

/// What is kept of a ticket's secret. It has 192 random bits, so a plain hash is enough.
fn digest(secret: &str) -> String {
    hex(&Sha256::digest(secret.as_bytes()))
}
