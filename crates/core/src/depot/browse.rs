//! What people see of an app before they install it.

use crate::authorize::{Actor, permission};
use crate::domain::{
    App, Asset, Entity as _, File, Id, Listing, Release, Security, Selection, Store, Stored, Timestamp,
    Visibility,
};
use crate::error::{Error, Result};
use crate::lifecycle::State;
use crate::query::{Field, Op, Query, Sort};

use super::{Depot, on_app};

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
    /// Whether it can be installed now.
    pub offered: bool,
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
    /// `NotFound` when it is not for the actor, too.
    pub async fn showing(&self, actor: &Actor, store: &Stored<Store>, reference: &str) -> Result<Showing> {
        let (listing, app) = self.listed(actor, store, reference).await?;
        let versions = self.versions(&listing).await?;
        Ok(Showing { listing, app, versions })
    }

    /// A listing of a store that is for the actor, and its app.
    pub(super) async fn listed(
        &self,
        actor: &Actor,
        store: &Stored<Store>,
        reference: &str,
    ) -> Result<(Stored<Listing>, Stored<App>)> {
        let organization = store.organization;
        let missing = || Error::not_found(Listing::NAME);
        let claimed = format!("{}/{reference}", store.id);
        let found: Option<Stored<Listing>> = match Id::parse(reference) {
            Ok(id) => self.find(organization, id).await?,
            Err(_) => self.find_claimed(organization, "slug", &claimed).await?,
        };
        let listing = found
            .filter(|listing| listing.store == store.id && listing.visibility != Visibility::Inactive)
            // Nobody is asked for the password of a publication here, so nobody is let in by it.
            .filter(|listing| !asks_password(listing))
            .ok_or_else(missing)?;
        let app: Stored<App> = self.load(organization, listing.app).await?;
        self.authorize(actor, permission::STORE_INSTALL, on_app(&app)).await?;
        let this = Query::of::<Listing>(organization).filter(Field::Id, Op::Eq(listing.id.into())).limit(1);
        let this = self.for_visitor(actor, self.unexpired(this)?).await?;
        if self.list::<Listing>(&this).await?.items.is_empty() {
            return Err(missing());
        }
        Ok((listing, app))
    }

    async fn versions(&self, listing: &Stored<Listing>) -> Result<Vec<Version>> {
        let out = [State::Published, State::Deprecated].map(|state| state.as_str().into());
        let query = Query::of::<Release>(listing.organization)
            .filter(Field::parse("app")?, Op::Eq(listing.app.into()))
            .filter(Field::parse("state")?, Op::In(out.into()))
            .sort(Sort::descending(Field::parse("publishedAt")?))
            .limit(VERSIONS);
        // What a publication does not select is not told of.
        let history = listing
            .publication
            .as_ref()
            .is_none_or(|publication| publication.show_history && publication.selection == Selection::Last);
        let mut versions = Vec::new();
        for release in self.list::<Release>(&query).await?.items {
            let offered = listing.offers.iter().any(|offer| offer.release == release.id);
            if !offered && !history {
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
                expired: expires_at.is_some_and(|end| end < self.now()),
                expires_at,
                file,
                release,
            });
        }
        Ok(versions)
    }
}

fn asks_password(listing: &Listing) -> bool {
    listing.publication.as_ref().is_some_and(|publication| publication.security == Security::Password)
}

/// When the provisioning profile inside a package ends.
fn expiry(file: &File) -> Option<Timestamp> {
    let details = &file.inspection.package.as_ref()?.details;
    Timestamp::parse(details.get("provisioning")?.get("ExpirationDate")?.as_str()?).ok()
}
