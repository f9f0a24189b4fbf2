//! Icons of apps, in the size that is asked for: made here of what packages hold, never handed on as uploaded.

use bytes::Bytes;

use crate::authorize::Actor;
use crate::blobs::BlobSource;
use crate::domain::{App, Asset, Release, Store, Stored};
use crate::error::Result;

use super::Depot;

impl Depot {
    /// The icon of an app in a store as a square PNG picture of `edge` pixels, 16 to 512; `None` when it has none.
    ///
    /// # Errors
    /// As [`Depot::showing`].
    pub async fn store_icon(
        &self,
        actor: &Actor,
        store: &Stored<Store>,
        reference: &str,
        edge: u32,
    ) -> Result<Option<Bytes>> {
        let (listing, app) = self.listed(actor, store, reference).await?;
        let release = match listing.offers.first() {
            Some(offer) => self.find(app.organization, offer.release).await?,
            None => None,
        };
        self.icon(&app, release.as_ref(), edge).await
    }

    /// The icon of the app that a ticket is for, as [`Depot::store_icon`].
    ///
    /// # Errors
    /// As [`Depot::ticketed`].
    pub async fn ticketed_icon(&self, token: &str, edge: u32) -> Result<Option<Bytes>> {
        let ticketed = self.ticketed(token).await?;
        self.icon(&ticketed.app, Some(&ticketed.release), edge).await
    }

    /// The picture chosen for the release, else that of the app's newest build that has one, else that of the
    /// package.
    async fn icon(
        &self,
        app: &Stored<App>,
        release: Option<&Stored<Release>>,
        edge: u32,
    ) -> Result<Option<Bytes>> {
        let chosen = release.and_then(|release| release.details.icon);
        let package = release.and_then(|release| release.asset);
        for id in [chosen, app.icon, package].into_iter().flatten() {
            let asset: Option<Stored<Asset>> = self.find(app.organization, id).await?;
            let Some(file) = asset.as_ref().and_then(|asset| asset.file()) else { continue };
            let (blobs, key) = self.place(app.organization, file).await?;
            let source = BlobSource::new(&*blobs, &key, file.length);
            if let Some(icon) = self.0.inspector.icon(&source, Some(edge)).await {
                return Ok(Some(icon));
            }
        }
        Ok(None)
    }
}
