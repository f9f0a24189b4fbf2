//! Files that come with a build, beside its package: stored first, and part of the build in the commit that makes it.

use crate::authorize::{Actor, permission};
use crate::blobs::ByteStream;
use crate::domain::{App, Asset, Blob, BlobState, Content, File, Id, Organization, Release, Stored};
use crate::error::Result;
use crate::records::Batch;

use super::assets::{NewAsset, NewFile};
use super::pictures::{ICON_BYTES, check_icon};
use super::{Depot, on_app};

/// What a file that comes with a build is to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enclosed {
    /// The picture to show where the package has none: at most 512 KiB.
    Icon,
    /// A file of its own, among the build's files.
    File,
}

/// A file that is stored and waits for its build. Nobody sees it, and a sweep takes back what no build came for.
#[derive(Debug, Clone, PartialEq)]
pub struct Enclosure {
    pub(super) app: Id<App>,
    pub(super) asset: Id<Asset>,
    blob: Stored<Blob>,
    file: File,
}

impl Depot {
    /// Takes in a file that comes with a build of the app.
    ///
    /// # Errors
    /// As [`Depot::upload`]; `Unsupported` for an icon that is no picture.
    pub async fn enclose(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        app: Id<App>,
        what: Enclosed,
        file: NewFile,
        body: ByteStream,
    ) -> Result<Enclosure> {
        let app: Stored<App> = self.load(organization, app).await?;
        self.authorize(actor, permission::RELEASE_CREATE, on_app(&app)).await?;
        let file = match what {
            Enclosed::Icon => NewFile { limit: Some(ICON_BYTES), ..file },
            Enclosed::File => file,
        };
        let asset = Id::generate();
        let (blob, file, _) = self.receive(organization, asset, &*self.0.inspector, file, body).await?;
        if what == Enclosed::Icon
            && let Err(error) = check_icon(&file)
        {
            return Err(self.discard(blob, error).await);
        }
        Ok(Enclosure { app: app.id, asset, blob, file })
    }

    /// Takes back what was enclosed and no build came for; whoever holds it has enclosed it. What fails here is left to
    /// the sweep.
    pub async fn withdraw(&self, enclosures: impl IntoIterator<Item = Enclosure> + Send) {
        for Enclosure { blob, .. } in enclosures.into_iter().collect::<Vec<_>>() {
            let doomed = Blob { state: BlobState::Doomed, ..blob.value.clone() };
            let doomed = blob.changed(doomed, self.now());
            let mut batch = Batch::new();
            // A build that has it meanwhile, keeps it.
            if batch.update(&doomed).is_ok() && self.commit(batch).await.is_ok() {
                self.erase(&doomed).await;
            }
        }
    }

    /// Adds to `batch` that an enclosed file belongs to a release from now on.
    pub(super) fn unpack(
        &self,
        actor: &Actor,
        batch: &mut Batch,
        enclosure: &Enclosure,
        release: Id<Release>,
    ) -> Result<()> {
        let Enclosure { app, asset: id, blob, file } = enclosure;
        let mut asset = NewAsset::default().into_asset(actor, Content::File(Box::new(file.clone())));
        asset.app = Some(*app);
        asset.release = Some(release);
        batch.insert(&Stored { id: *id, ..Stored::new(blob.organization, asset, self.now()) })?;
        batch.update(&self.ready_blob(blob))
    }
}
