//! Icons of apps and stores: small pictures that are handed out whole.

use bytes::{Bytes, BytesMut};
use futures::TryStreamExt as _;

use crate::authorize::{Actor, permission};
use crate::blobs::ByteRange;
use crate::domain::{App, Asset, Blob, File, Id, Listing, Organization, Store, Stored, Visibility};
use crate::error::{Error, ErrorKind, Result};
use crate::inspect::Format;
use crate::query::{Field, Op, Query};
use crate::records::Batch;

use super::{Depot, on_app};

/// The longest icon that is taken in or handed out, in bytes.
pub(super) const ICON_BYTES: u64 = 512 * 1024;

impl Depot {
    /// An app's icon: for those who may see the app, and for those who find it in a store. `None` when there is none.
    ///
    /// # Errors
    /// See [`Depot`].
    pub async fn app_icon(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        app: Id<App>,
    ) -> Result<Option<Bytes>> {
        let app: Stored<App> = self.load(organization, app).await?;
        match self.authorize(actor, permission::APP_GET, on_app(&app)).await {
            Err(error) if error.kind() == ErrorKind::Forbidden => {
                self.authorize(actor, permission::STORE_INSTALL, on_app(&app)).await?;
                self.check_listed(actor, &app).await?;
            }
            other => other?,
        }
        self.picture(organization, app.picture()).await
    }

    /// A store's icon, for anyone. `None` when there is none.
    ///
    /// # Errors
    /// `NotFound(store)`.
    pub async fn entrance_icon(
        &self,
        organization: Id<Organization>,
        id: Id<Store>,
    ) -> Result<Option<Bytes>> {
        let store: Stored<Store> = self.load(organization, id).await?;
        self.picture(organization, store.icon).await
    }

    /// Whether a store lists the app for the actor.
    pub(super) async fn check_listed(&self, actor: &Actor, app: &Stored<App>) -> Result<()> {
        let listings = Query::of::<Listing>(app.organization)
            .filter(Field::parse("app")?, Op::Eq(app.id.into()))
            .filter(Field::parse("publication")?, Op::Missing)
            .filter(Field::parse("visibility")?, Op::In(vec!["active".into(), "unlisted".into()]));
        let found = self.list::<Listing>(&self.for_visitor(actor, listings).await?.limit(1)).await?;
        if found.items.iter().any(|listing| listing.visibility != Visibility::Inactive) {
            return Ok(());
        }
        Err(Error::not_found("app"))
    }

    async fn picture(&self, organization: Id<Organization>, id: Option<Id<Asset>>) -> Result<Option<Bytes>> {
        let Some(id) = id else { return Ok(None) };
        let Some(asset) = self.find::<Asset>(organization, id).await? else { return Ok(None) };
        if asset.file().is_none_or(|file| file.length > ICON_BYTES) {
            return Ok(None);
        }
        let mut stream = self.open(asset, ByteRange::FULL).await?.stream;
        let mut all = BytesMut::new();
        while let Some(chunk) = stream.try_next().await? {
            all.extend_from_slice(&chunk);
        }
        Ok(Some(all.freeze()))
    }

    /// Adds to `batch` that a picture goes; its bytes are to be erased once that is committed.
    pub(super) async fn drop_picture(
        &self,
        batch: &mut Batch,
        organization: Id<Organization>,
        id: Option<Id<Asset>>,
    ) -> Result<Option<Stored<Blob>>> {
        let Some(id) = id else { return Ok(None) };
        let Some(asset) = self.find::<Asset>(organization, id).await? else { return Ok(None) };
        batch.delete(&asset);
        let blob = self.doomed(&asset).await?;
        if let Some(blob) = &blob {
            batch.update(blob)?;
        }
        Ok(blob)
    }
}

/// Checks that a file can be an icon.
pub(super) fn check_icon(file: &File) -> Result<()> {
    if file.inspection.format != Format::Image || file.inspection.error.is_some() {
        return Err(Error::new(ErrorKind::Unsupported, "not a picture"));
    }
    if file.length > ICON_BYTES {
        return Err(Error::too_large(ICON_BYTES));
    }
    Ok(())
}
