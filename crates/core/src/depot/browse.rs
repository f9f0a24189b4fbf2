//! What people see of an app before they install it.

use crate::authorize::{Actor, permission};
use crate::blobs::ByteRange;
use crate::domain::{
    App, Asset, Entity as _, File, Id, Listing, Release, Security, Store, Stored, Timestamp, Visibility,
};
use crate::error::{Error, Result};
use crate::inspect::Format;
use crate::lifecycle::State;
use crate::query::{Field, Op, Query, Sort};

use super::deliver::admits;
use super::{Depot, Download, on_app};

/// The most versions that the page of an app tells of.
const VERSIONS: u32 = 20;

/// An app as a store shows it.
#[derive(Debug, Clone)]
pub struct Showing {
    /// Its place in the store.
    pub listing: Stored<Listing>,
    /// The app.
    pub app: Stored<App>,
    /// Its releases that are or were out, published last first, at most 20.
    pub versions: Vec<Version>,
}

/// A release as a store shows it.
#[derive(Debug, Clone)]
pub struct Version {
    /// The release.
    pub release: Stored<Release>,
    /// Its package.
    pub file: Option<File>,
    /// Whether it is the one to install now.
    pub offered: bool,
    /// Whether it can be installed at all.
    pub available: bool,
    /// When devices will refuse it, because what it was signed for ends (a provisioning profile's
    /// `ExpirationDate`).
    pub expires_at: Option<Timestamp>,
    /// Whether that time is over.
    pub expired: bool,
}

impl Depot {
    /// What a store shows of one app, found by the listing's slug or id. Unlisted apps are shown to those who know
    /// the address.
    ///
    /// # Errors
    /// `NotFound` when it is not for the actor, too; `Unauthenticated` for a publication whose password they have yet
    /// to give ([`Depot::unlock`]), and for an open one that is over.
    pub async fn showing(&self, actor: &Actor, store: &Stored<Store>, reference: &str) -> Result<Showing> {
        let (listing, app) = self.listed(actor, store, reference).await?;
        let versions = self.versions(&listing).await?;
        Ok(Showing { listing, app, versions })
    }

    /// Opens a screenshot of a release that [`Depot::showing`] shows.
    ///
    /// # Errors
    /// As [`Depot::showing`]; `NotFound` for what is no picture, too.
    pub async fn open_screenshot(
        &self,
        actor: &Actor,
        store: &Stored<Store>,
        reference: &str,
        id: Id<Asset>,
        range: ByteRange,
    ) -> Result<Download> {
        let shown = self.showing(actor, store, reference).await?.versions;
        let asset: Option<Stored<Asset>> = self.find(store.organization, id).await?;
        let is_shown = shown.iter().any(|version| version.release.details.screenshots.contains(&id));
        let is_picture =
            |asset: &Stored<Asset>| asset.file().is_some_and(|file| file.inspection.format == Format::Image);
        let asset = asset.filter(|asset| is_shown && is_picture(asset));
        self.open(asset.ok_or_else(|| Error::not_found("screenshot"))?, range).await
    }

    /// A listing of a store that is for the actor, and its app.
    pub(super) async fn listed(
        &self,
        actor: &Actor,
        store: &Stored<Store>,
        reference: &str,
    ) -> Result<(Stored<Listing>, Stored<App>)> {
        let listing = self.on_show(store, reference).await?;
        let app: Stored<App> = self.load(store.organization, listing.app).await?;
        if listing.security() != Security::Logged {
            self.check_open(actor, &listing)?;
            return Ok((listing, app));
        }
        self.authorize(actor, permission::STORE_INSTALL, on_app(&app)).await?;
        let this =
            Query::of::<Listing>(store.organization).filter(Field::Id, Op::Eq(listing.id.into())).limit(1);
        let this = self.for_visitor(actor, self.unexpired(this)?).await?;
        if self.list::<Listing>(&this).await?.items.is_empty() || !admits(actor, &listing) {
            return Err(Error::not_found(Listing::NAME));
        }
        Ok((listing, app))
    }

    /// A listing of a store that has an address, whoever it is for.
    pub(super) async fn on_show(&self, store: &Stored<Store>, reference: &str) -> Result<Stored<Listing>> {
        let organization = store.organization;
        let claimed = format!("{}/{reference}", store.id);
        let found: Option<Stored<Listing>> = match Id::parse(reference) {
            Ok(id) => self.find(organization, id).await?,
            Err(_) => self.find_claimed(organization, "slug", &claimed).await?,
        };
        found
            .filter(|listing| listing.store == store.id && listing.visibility != Visibility::Inactive)
            .ok_or_else(|| Error::not_found(Listing::NAME))
    }

    async fn versions(&self, listing: &Stored<Listing>) -> Result<Vec<Version>> {
        let out = [State::Published, State::Deprecated].map(|state| state.as_str().into());
        let query = Query::of::<Release>(listing.organization)
            .filter(Field::parse("app")?, Op::Eq(listing.app.into()))
            .filter(Field::parse("state")?, Op::In(out.into()))
            .sort(Sort::descending(Field::parse("publishedAt")?))
            .limit(VERSIONS);
        let mut versions = Vec::new();
        for release in self.list::<Release>(&query).await?.items {
            let offered = listing.offers(release.id);
            if !offered && !listing.has_history() {
                continue;
            }
            let package: Option<Stored<Asset>> = match release.asset {
                Some(id) => self.find(listing.organization, id).await?,
                None => None,
            };
            let file = package.and_then(|package| package.file().cloned());
            let expires_at = file.as_ref().and_then(expiry);
            versions.push(Version {
                offered,
                available: release.state == State::Published,
                expired: expires_at.is_some_and(|end| end < self.now()),
                expires_at,
                file,
                release,
            });
        }
        Ok(versions)
    }
}

/// When the provisioning profile inside a package ends.
fn expiry(file: &File) -> Option<Timestamp> {
    let details = &file.inspection.package.as_ref()?.details;
    Timestamp::parse(details.get("provisioning")?.get("ExpirationDate")?.as_str()?).ok()
}
