//! Files that come in for something: a release that is published at once, or an icon. File and use are one commit.

use crate::authorize::{Actor, Target, permission};
use crate::blobs::{BlobKey, BlobSource, ByteStream};
use crate::domain::{App, Asset, Blob, Build, Content, File, Id, Organization, Release, Store, Stored};
use crate::error::{Error, ErrorKind, Result};
use crate::lifecycle::State;
use crate::query::{Field, Op, Query};
use crate::records::Batch;

use super::assets::{NewAsset, NewFile};
use super::pictures::check_icon;
use super::releases::Unless;
use super::{Depot, on_app};

/// What a file is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose {
    /// A release of an app.
    Release {
        /// Which app.
        app: Id<App>,
        /// The part of its platform it is for; empty for all of it.
        variant: String,
        /// How many published releases of this platform and part stay. Older ones that came in this way are removed.
        keep: usize,
    },
    /// The icon of an app, in place of those of its packages.
    AppIcon(Id<App>),
    /// The icon of a store.
    StoreIcon(Id<Store>),
}

/// A file that was stored and waits for its use.
struct Received {
    blob: Stored<Blob>,
    asset: Stored<Asset>,
    file: File,
}

impl Depot {
    /// Takes a file in for what `purpose` says once its bytes are there: forms often say that after their file.
    ///
    /// The same version may come again. An app without an icon of its own shows that of its newest package.
    ///
    /// # Errors
    /// What `purpose` and [`NewFile::accept`] answer; `NotFound` for the app or store; `Unsupported` when no package
    /// was understood in the file, or an icon is no picture; `TooLarge`; `Conflict` when the app's releases are not
    /// published at once, and for a lost race. Whatever fails, neither record nor bytes remain.
    pub async fn upload_for(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        file: NewFile,
        body: ByteStream,
        purpose: impl FnOnce() -> Result<Purpose> + Send,
    ) -> Result<()> {
        self.authorize(actor, permission::ASSET_CREATE, Target::organization(organization)).await?;
        let id = Id::generate();
        let (blob, file, late) = self.receive(organization, id, &*self.0.inspector, file, body).await?;
        let used = async {
            let mut asset = NewAsset::default().into_asset(actor, Content::File(Box::new(file.clone())));
            late.apply(&mut asset)?;
            let asset = Stored { id, ..Stored::new(organization, asset, self.now()) };
            let received = Received { blob: blob.clone(), asset, file };
            match purpose()? {
                Purpose::Release { app, variant, keep } => {
                    self.use_as_release(actor, received, app, variant, keep).await
                }
                Purpose::AppIcon(app) => self.use_as_app_icon(actor, received, app).await,
                Purpose::StoreIcon(store) => self.use_as_store_icon(actor, received, store).await,
            }
        };
        match used.await {
            Ok(()) => Ok(()),
            Err(error) => self.give_up(blob, error).await,
        }
    }

    async fn use_as_release(
        &self,
        actor: &Actor,
        received: Received,
        app: Id<App>,
        variant: String,
        keep: usize,
    ) -> Result<()> {
        let Received { blob, asset, file } = received;
        let organization = asset.organization;
        let app: Stored<App> = self.load(organization, app).await?;
        self.authorize(actor, permission::RELEASE_CREATE, on_app(&app)).await?;
        if self.lifecycle(&app).initial() != State::Published {
            return Err(Error::new(
                ErrorKind::Conflict,
                "releases of this app are reviewed before they are published",
            ));
        }
        let id: Id<Release> = Id::generate();
        let release = Release { variant, built: true, ..self.release_of_file(&app, &asset)? };
        let mut package = asset.value.clone();
        package.app = Some(app.id);
        package.release = Some(id);
        let package = Stored { value: package, ..asset };

        let key = BlobKey::of(blob.id);
        let source = BlobSource::new(&*self.0.blobs, &key, file.length);
        let png = self.0.inspector.icon(&source, None).await;
        let belonging = (organization, app.id, id);
        let icon = self.keep_icon(belonging, actor.person.clone(), png).await?;
        let written = self.commit_made(|| async {
            let app: Stored<App> = self.load(organization, app.id).await?;
            let mut counted = app.value.clone();
            let mut batch = Batch::new();
            batch.insert(&package)?;
            batch.update(&self.ready_blob(&blob))?;
            if let Some((blob, icon)) = &icon {
                batch.insert(icon)?;
                batch.update(&self.ready_blob(blob))?;
                counted.icon = Some(icon.id);
            }
            let published_at = release.published_at.map(|_| self.now());
            let new = Release { published_at, ..release.clone() };
            let mut stored = Stored { id, ..Stored::new(organization, new, self.now()) };
            self.announce(actor, &mut batch, &mut counted, &mut stored).await?;
            batch.update(&app.changed(counted, self.now()))?;
            Ok((batch, ()))
        });
        if let Err(error) = written.await {
            return match icon {
                Some((blob, _)) => self.give_up(blob, error).await,
                None => Err(error),
            };
        }
        if let Err(error) = self.drop_older(actor, &app, &release, keep).await {
            tracing::warn!(?error, app = %app.id, "older releases are left to the next upload");
        }
        Ok(())
    }

    /// Removes all but the newest `keep` published releases beside which `like` was uploaded. What a build made or
    /// somebody composed stays.
    async fn drop_older(&self, actor: &Actor, app: &Stored<App>, like: &Release, keep: usize) -> Result<()> {
        let published = Query::of::<Release>(app.organization)
            .filter(Field::parse("app")?, Op::Eq(app.id.into()))
            .filter(Field::parse("state")?, Op::Eq(like.state.as_str().into()));
        let mut releases = self.list_all::<Release>(published).await?;
        releases.retain(|one| one.built && (one.platform, &one.variant) == (like.platform, &like.variant));
        releases.sort_by_key(|release| std::cmp::Reverse((release.published_at, release.id)));
        for old in releases.into_iter().skip(keep) {
            if self.find::<Build>(app.organization, old.id.cast()).await?.is_none() {
                self.drop_release(actor, app.organization, app.id, old.id, Unless::Changed(None)).await?;
            }
        }
        Ok(())
    }

    async fn use_as_app_icon(&self, actor: &Actor, received: Received, app: Id<App>) -> Result<()> {
        let Received { blob, asset, file } = received;
        let organization = asset.organization;
        self.authorize(actor, permission::APP_UPDATE, Target::app(organization, app)).await?;
        check_icon(&file)?;
        let icon = Stored { value: Asset { app: Some(app), ..asset.value.clone() }, ..asset };
        let written = self.commit_made(|| async {
            let stored: Stored<App> = self.load(organization, app).await?;
            let next = App { own_icon: Some(icon.id), ..stored.value.clone() };
            let next = stored.changed(next, self.now());
            let mut batch = Batch::new();
            batch.insert(&icon)?;
            batch.update(&self.ready_blob(&blob))?;
            batch.update(&next)?;
            batch.events.push(self.event(actor, "app.update", &next));
            let old = self.drop_picture(&mut batch, organization, stored.own_icon).await?;
            Ok((batch, old))
        });
        if let Some(old) = written.await? {
            self.erase(&old).await;
        }
        Ok(())
    }

    async fn use_as_store_icon(&self, actor: &Actor, received: Received, store: Id<Store>) -> Result<()> {
        let Received { blob, asset: icon, file } = received;
        let organization = icon.organization;
        self.authorize(actor, permission::STORE_UPDATE, Target::organization(organization)).await?;
        check_icon(&file)?;
        let written = self.commit_made(|| async {
            let stored: Stored<Store> = self.load(organization, store).await?;
            let next = Store { icon: Some(icon.id), ..stored.value.clone() };
            let next = stored.changed(next, self.now());
            let mut batch = Batch::new();
            batch.insert(&icon)?;
            batch.update(&self.ready_blob(&blob))?;
            batch.update(&next)?;
            batch.events.push(self.event(actor, "store.update", &next));
            let old = self.drop_picture(&mut batch, organization, stored.icon).await?;
            Ok((batch, old))
        });
        if let Some(old) = written.await? {
            self.erase(&old).await;
        }
        Ok(())
    }

    /// Takes back a file that was not used, unless the last commit did take effect after all, or may have.
    pub(super) async fn give_up(&self, blob: Stored<Blob>, error: Error) -> Result<()> {
        match error.kind() {
            ErrorKind::Conflict | ErrorKind::Unavailable | ErrorKind::Internal => {
                self.settle(blob, error).await
            }
            _ => Err(self.discard(blob, error).await),
        }
    }
}
