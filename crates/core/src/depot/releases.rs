//! Releases: made, derived, described, removed.
//!
//! The app's record is written with every release that comes, goes or changes state, so that its revision orders
//! whatever concerns one app: counts and offers never disagree with the releases.

use crate::authorize::{Actor, Target, permission};
use crate::domain::{
    App, Asset, Audience, Build, Details, Document, Entity as _, Extra, Id, Kind, Listing, Organization,
    PackageName, Policy, Rating, Release, Revision, Stored, check_text,
};
use crate::error::{Error, ErrorKind, Result};
use crate::inspect::Platform;
use crate::lifecycle::State;
use crate::query::{Field, Op, Page, Query};
use crate::records::{Batch, Change};

use super::{Depot, NewApp, on_app};

/// What keeps a release from being removed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Unless {
    /// `Conflict(Stale)` when its revision is another than this.
    Changed(Option<Revision>),
    /// It stays, without an error, while a listing offers it.
    Offered,
}

/// A new release.
#[derive(Debug, Clone, PartialEq)]
pub struct NewRelease {
    /// The package, which was uploaded before; none for a web app or one that lies in a public store.
    pub asset: Option<Id<Asset>>,
    /// Which package it is. Checked against the package; all there is where there is none.
    pub package: Option<PackageName>,
    /// Where it runs. Checked against the package; required where there is none.
    pub platform: Option<Platform>,
    /// The version people see, at most 256 characters; the package's own when absent.
    pub version: Option<String>,
    /// What changed, at most 10,000 characters.
    pub notes: String,
    /// How it is shown.
    pub details: Details,
    /// For whom it is once it is published, beside what stores offer.
    pub audience: Audience,
    /// The policies that must all permit, at most 20.
    pub policies: Vec<Id<Policy>>,
    /// Whether it stands for the app from now on where no version is named. The first one does.
    pub default: bool,
    /// Attributes to keep, at most 64 KiB of JSON.
    pub extra: Extra,
}

impl NewRelease {
    /// A release of this package, offered by stores only.
    pub fn of(asset: Id<Asset>) -> Self {
        Self { asset: Some(asset), ..Self::default() }
    }
}

impl Default for NewRelease {
    fn default() -> Self {
        Self {
            asset: None,
            package: None,
            platform: None,
            version: None,
            notes: String::new(),
            details: Details::default(),
            audience: Audience::nobody(),
            policies: Vec::new(),
            default: false,
            extra: Extra::new(),
        }
    }
}

/// A version that is made from another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewVersion {
    /// The version people see, at most 256 characters.
    pub version: String,
    /// The name to show; the other one's when absent.
    pub title: Option<String>,
    /// Whether it stands for the app from now on where no version is named.
    pub default: bool,
}

/// What to change of a release; `None` leaves as is. Its app, version and platform never change.
#[derive(Debug, Clone, Default, PartialEq)]
#[allow(missing_docs)]
pub struct ReleaseChange {
    pub notes: Option<String>,
    pub details: Option<Details>,
    pub audience: Option<Audience>,
    pub policies: Option<Vec<Id<Policy>>>,
    pub extra: Option<Extra>,
    /// Another package, as long as the release was never published.
    pub asset: Option<Id<Asset>>,
    /// Which package it is; as in [`NewRelease::package`].
    pub package: Option<PackageName>,
    /// Whether it stands for the app from now on where no version is named.
    pub default: bool,
}

impl Depot {
    /// Adds a release to an app. Version and platform are the package's own, unless another version is given.
    ///
    /// # Errors
    /// `NotFound` for the asset, a picture, a policy, a group or a business owner; `Invalid` for what the package
    /// contradicts; `Unsupported` when no package was understood in it; `Conflict` when the asset is another
    /// release's package; `Conflict(Taken)` when the app has this version already.
    pub async fn create_release(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        app: Id<App>,
        new: NewRelease,
    ) -> Result<Stored<Release>> {
        self.commit_made(|| async {
            let app: Stored<App> = self.load(organization, app).await?;
            self.authorize(actor, permission::RELEASE_CREATE, on_app(&app)).await?;
            let release = self.release_of(actor, &app, &new).await?;
            let mut stored = Stored::new(organization, release, self.now());
            let mut batch = Batch::new();
            let counted = self.arrive(actor, &mut batch, &app, &mut stored, new.default).await?;
            batch.update(&app.changed(counted, self.now()))?;
            Ok((batch, stored))
        })
        .await
    }

    /// Makes an app together with its first release: both, or neither.
    ///
    /// # Errors
    /// Those of [`Depot::create_app`] and [`Depot::create_release`].
    pub async fn introduce(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        app: NewApp,
        new: NewRelease,
    ) -> Result<Stored<Release>> {
        /// How many numbered slugs are tried before giving up.
        const NUMBERED: u32 = 1_000;
        let target = Target::organization(organization);
        self.authorize(actor, permission::APP_CREATE, target).await?;
        self.authorize(actor, permission::RELEASE_CREATE, target).await?;
        let mut app = app.into_app(actor)?;
        let base = app.slug.clone();
        let mut number = 1;
        loop {
            let arrived = self.commit_made(|| async {
                let mut made = Stored::new(organization, app.clone(), self.now());
                let mut release =
                    Stored::new(organization, self.release_of(actor, &made, &new).await?, self.now());
                let mut batch = Batch::new();
                made.value = self.arrive(actor, &mut batch, &made, &mut release, true).await?;
                batch.insert(&made)?;
                batch.events.push(self.event(actor, "app.create", &made));
                Ok((batch, release))
            });
            match arrived.await {
                Err(error) if error.is_taken("slug") && number < NUMBERED => {
                    number += 1;
                    app.slug = format!("{base}-{number}");
                }
                done => return done,
            }
        }
    }

    /// Makes a version from another one: with its package and all that is said of it, but none of its documents,
    /// subscriptions or ratings. The other one is left alone, whatever its state.
    ///
    /// # Errors
    /// `Conflict(Taken)` when the app has this version already; `Invalid`.
    pub async fn create_version(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        source: Id<Release>,
        new: NewVersion,
    ) -> Result<Stored<Release>> {
        check_text("version", &new.version, 256)?;
        self.commit_made(|| async {
            let (source, app) = self.release_and_app(organization, source).await?;
            self.authorize(actor, permission::RELEASE_CREATE, on_app(&app)).await?;
            let state = self.lifecycle(&app).initial();
            let mut details = source.details.clone();
            if let Some(title) = &new.title {
                details.title.clone_from(title);
            }
            details.check()?;
            let release = Release {
                version: new.version.clone(),
                state,
                published_at: (state == State::Published).then(|| self.now()),
                derived_from: Some(source.id),
                built: false,
                details,
                rating: Rating::default(),
                ..source.value.clone()
            };
            let mut stored = Stored::new(organization, release, self.now());
            let mut batch = Batch::new();
            let counted = self.arrive(actor, &mut batch, &app, &mut stored, new.default).await?;
            batch.update(&app.changed(counted, self.now()))?;
            Ok((batch, stored))
        })
        .await
    }

    /// A release.
    ///
    /// # Errors
    /// See [`Depot`].
    pub async fn release(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        id: Id<Release>,
    ) -> Result<Stored<Release>> {
        let (release, app) = self.release_and_app(organization, id).await?;
        self.authorize(actor, permission::RELEASE_GET, on_app(&app)).await?;
        Ok(release)
    }

    /// The releases that `query` describes and the actor may see.
    ///
    /// # Errors
    /// See [`Depot`]; `Invalid` for a query out of bounds.
    pub async fn releases(&self, actor: &Actor, query: Query) -> Result<Page<Stored<Release>>> {
        let query = self.scoped(actor, permission::RELEASE_LIST, query, Field::parse("app")?).await?;
        self.list(&query).await
    }

    /// Changes how a release is described. With an `expected` revision, only if that is the stored one. Who made
    /// the app may do so while a review is still to come or what was reviewed is withdrawn.
    ///
    /// # Errors
    /// `Conflict(Stale)`; `Conflict` for another package of a release that is neither new nor rejected; otherwise those of
    /// [`Depot::create_release`].
    pub async fn update_release(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        id: Id<Release>,
        expected: Option<Revision>,
        change: ReleaseChange,
    ) -> Result<Stored<Release>> {
        self.commit_made(|| async {
            let (release, app) = self.release_and_app(organization, id).await?;
            let open = matches!(
                release.state,
                State::Created | State::InReview | State::Rejected | State::Unpublished
            );
            let own = open.then_some(permission::RELEASE_UPDATE_OWN);
            self.authorize_own(actor, permission::RELEASE_UPDATE, own, &app).await?;
            release.check_revision(expected)?;
            let mut batch = Batch::new();
            let value = self.changed_release(actor, &mut batch, &release, &change).await?;
            let next = release.changed(value, self.now());
            batch.update(&next)?;
            if change.default && app.default_release != Some(release.id) {
                let app = app.changed(App { default_release: Some(id), ..app.value.clone() }, self.now());
                batch.update(&app)?;
            }
            batch.events.push(self.event(actor, "release.update", &next));
            Ok((batch, next))
        })
        .await
    }

    /// Removes a release with its documents, and with its package when no other release has it. Who made the app
    /// may do so in every state.
    ///
    /// # Errors
    /// See [`Depot`]; `Conflict(Stale)` when an `expected` revision is not the stored one.
    pub async fn remove_release(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        id: Id<Release>,
        expected: Option<Revision>,
    ) -> Result<()> {
        let (release, app) = self.release_and_app(organization, id).await?;
        let own = Some(permission::RELEASE_REMOVE_OWN);
        self.authorize_own(actor, permission::RELEASE_REMOVE, own, &app).await?;
        release.check_revision(expected)?;
        self.drop_release(actor, organization, app.id, release.id, Unless::Changed(expected)).await
    }

    /// Removes what goes by this id: the release, the build it was made of, and their files. A file that another
    /// release has as its package stays, as that one's.
    pub(super) async fn drop_release(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        app: Id<App>,
        id: Id<Release>,
        unless: Unless,
    ) -> Result<()> {
        let release: Option<Stored<Release>> = self.find(organization, id).await?;
        if self.stays(release.as_ref(), unless).await? {
            return Ok(());
        }
        // now, so that nothing of it outlives an interruption, and again for what comes meanwhile
        self.drop_parts(actor, organization, id).await?;
        let dropped = self.commit_made(|| async {
            let release: Option<Stored<Release>> = self.find(organization, id).await?;
            if self.stays(release.as_ref(), unless).await? {
                return Ok((Batch::new(), Vec::new()));
            }
            let build: Option<Stored<Build>> = self.find(organization, id.cast()).await?;
            if release.is_none() && build.is_none() {
                return Err(Error::not_found(Release::NAME));
            }
            let mut batch = Batch::new();
            let app: Option<Stored<App>> = self.find(organization, app).await?;
            let mut counted = app.as_ref().map(|app| app.value.clone());
            if let Some(release) = &release {
                batch.delete(release);
                batch.events.push(self.event(actor, "release.remove", release));
                let retired = Release { state: State::Retired, ..release.value.clone() };
                let gone = Stored { value: retired, ..release.clone() };
                self.refresh_offers(&mut batch, &gone).await?;
                if let Some(counted) = &mut counted {
                    counted.releases = counted.releases.saturating_sub(1);
                    if counted.default_release == Some(id) {
                        counted.default_release = self.newest_but(release).await?;
                    }
                }
            }
            if let Some(build) = &build {
                self.drop_build(actor, &mut batch, counted.as_mut(), build).await?;
            }
            if let (Some(app), Some(counted)) = (app, counted) {
                batch.update(&app.changed(counted, self.now()))?;
            }
            let mut blobs = Vec::new();
            let belonging =
                Query::of::<Asset>(organization).filter(Field::parse("release")?, Op::Eq(id.into()));
            for asset in self.list_all::<Asset>(belonging).await? {
                if let Some(heir) = self.other_release_with(&asset, id).await? {
                    let kept = Asset { release: Some(heir), ..asset.value.clone() };
                    batch.update(&asset.changed(kept, self.now()))?;
                    continue;
                }
                batch.delete(&asset);
                if let Some(blob) = self.doomed(&asset).await? {
                    batch.update(&blob)?;
                    blobs.push(blob);
                }
            }
            Ok((batch, blobs))
        });
        for blob in dropped.await? {
            self.erase(&blob).await;
        }
        if self.find::<Release>(organization, id).await?.is_none() {
            self.drop_parts(actor, organization, id).await?;
        }
        Ok(())
    }

    /// Whether a release is not to be removed after all.
    async fn stays(&self, release: Option<&Stored<Release>>, unless: Unless) -> Result<bool> {
        let Some(release) = release else { return Ok(false) };
        match unless {
            Unless::Changed(expected) => release.check_revision(expected).map(|()| false),
            Unless::Offered => {
                let of_app = Query::of::<Listing>(release.organization)
                    .filter(Field::parse("app")?, Op::Eq(release.app.into()));
                let listings = self.list_all::<Listing>(of_app).await?;
                let offers = |listing: &Stored<Listing>| {
                    listing.offers.iter().any(|offer| offer.release == release.id)
                };
                Ok(listings.iter().any(offers))
            }
        }
    }

    pub(super) async fn release_and_app(
        &self,
        organization: Id<Organization>,
        id: Id<Release>,
    ) -> Result<(Stored<Release>, Stored<App>)> {
        let release: Stored<Release> = self.load(organization, id).await?;
        let app = self.load(organization, release.app).await?;
        Ok((release, app))
    }

    /// Whether the actor may do `all`, or made the app and may do `own`.
    async fn authorize_own(
        &self,
        actor: &Actor,
        all: &str,
        own: Option<&str>,
        app: &Stored<App>,
    ) -> Result<()> {
        match (self.authorize(actor, all, on_app(app)).await, own) {
            (Err(error), Some(own))
                if error.kind() == ErrorKind::Forbidden && app.owner == actor.subject.as_str() =>
            {
                self.authorize(actor, own, on_app(app)).await
            }
            (decided, _) => decided,
        }
    }

    /// Removes what hangs on a release: its documents, subscriptions and reviews.
    async fn drop_parts(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        release: Id<Release>,
    ) -> Result<()> {
        let of = |query: Query| -> Result<Query> {
            Ok(query.filter(Field::parse("release")?, Op::Eq(release.into())))
        };
        for document in self.list_all::<Document>(of(Query::of::<Document>(organization))?).await? {
            self.drop_document(actor, document).await?;
        }
        for kind in [Kind::Subscription, Kind::Review] {
            let parts = of(Query { kind, ..Query::of::<Release>(organization) })?.limit(500);
            let remove_some = || async {
                let page = self.0.records.list(&parts).await?.items;
                let some = !page.is_empty();
                let mut batch = Batch::new();
                batch.changes.extend(page.into_iter().map(|record| Change::Delete {
                    organization,
                    kind,
                    id: record.id,
                    revision: record.revision,
                }));
                Ok((batch, some))
            };
            while self.commit_made(remove_some).await? {}
        }
        Ok(())
    }

    /// Another release whose package this is.
    pub(super) async fn other_release_with(
        &self,
        asset: &Stored<Asset>,
        than: Id<Release>,
    ) -> Result<Option<Id<Release>>> {
        let with = Query::of::<Release>(asset.organization)
            .filter(Field::parse("asset")?, Op::Eq(asset.id.into()))
            .limit(2);
        let page: Page<Stored<Release>> = self.list(&with).await?;
        Ok(page.items.iter().map(|release| release.id).find(|id| *id != than))
    }

    /// The release that stands for the app once `gone` does not.
    async fn newest_but(&self, gone: &Stored<Release>) -> Result<Option<Id<Release>>> {
        let of_app = Query::of::<Release>(gone.organization)
            .filter(Field::parse("app")?, Op::Eq(gone.app.into()))
            .limit(2);
        let page: Page<Stored<Release>> = self.list(&of_app).await?;
        Ok(page.items.iter().map(|release| release.id).find(|id| *id != gone.id))
    }
}
