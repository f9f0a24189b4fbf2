//! The transaction rule for bytes: announced before they come in, and forgotten after they are gone.

use crate::blobs::{BlobKey, BlobSource, ByteStream};
use crate::domain::{Asset, Blob, BlobState, File, Id, Location, Organization, Stored};
use crate::error::{Error, ErrorKind, Result};
use crate::inspect::{Hint, Inspector, Source};
use crate::records::Batch;

use super::Depot;
use super::assets::{AssetChange, NewFile};
use super::describe::{extension_of, is_media_type, media_type_of, show_name, tidy};
use super::ends::EndsSource;
use super::measure::Measure;

impl Depot {
    pub(super) fn upload_limit(&self, file: &NewFile) -> u64 {
        file.limit.unwrap_or(u64::MAX).min(self.0.limits.upload_bytes)
    }

    /// The first half of taking bytes in: announced by a pending blob record, then stored, measured, inspected.
    /// On failure nothing remains.
    pub(super) async fn receive(
        &self,
        organization: Id<Organization>,
        asset: Id<Asset>,
        inspector: &dyn Inspector,
        new: NewFile,
        body: ByteStream,
    ) -> Result<(Stored<Blob>, File, AssetChange)> {
        let announced = Blob { state: BlobState::Pending, asset };
        let blob = Stored::new(organization, announced, self.now());
        let mut batch = Batch::new();
        batch.insert(&blob)?;
        self.commit(batch).await?;
        match self.store_bytes(&blob, inspector, new, body).await {
            Ok((file, late)) => Ok((blob, file, late)),
            Err(error) => Err(self.discard(blob, error).await),
        }
    }

    async fn store_bytes(
        &self,
        blob: &Stored<Blob>,
        inspector: &dyn Inspector,
        new: NewFile,
        body: ByteStream,
    ) -> Result<(File, AssetChange)> {
        let key = BlobKey::of(blob.id);
        let measure = Measure::default();
        let stored = self.0.blobs.put(&key, measure.stream(body, self.upload_limit(&new))).await?;
        let (length, sha256, ends) = measure.finish();
        if stored != length {
            return Err(Error::internal(format!("{length} bytes came in, {stored} were stored")));
        }
        if length == 0 {
            return Err(Error::invalid("file", "the file is empty"));
        }
        let source = EndsSource { ends: &ends, rest: BlobSource::new(&*self.0.blobs, &key, length) };
        let measured = (Location::Blob(blob.id), length, sha256);
        let described = describe(new, measured, inspector, &source).await?;
        if self.now() > blob.created_at.after(self.0.limits.upload_deadline) {
            return Err(Error::new(ErrorKind::Limited, "the upload took too long"));
        }
        Ok(described)
    }

    /// The second half: `batch` and the blob's readiness become true together. On failure nothing remains, unless
    /// the outcome is unknown; then the sweep decides by what the records say.
    pub(super) async fn make_ready(&self, blob: Stored<Blob>, mut batch: Batch) -> Result<()> {
        batch.update(&self.ready_blob(&blob))?;
        let Err(error) = self.commit(batch).await else { return Ok(()) };
        self.settle(blob, error).await
    }

    /// What becomes of a blob whose last commit was answered with `error`.
    pub(super) async fn settle(&self, blob: Stored<Blob>, error: Error) -> Result<()> {
        match self.find(blob.organization, blob.id).await {
            // The commit did take effect, and someone may have changed the asset since. The sweep dooms at once what
            // never became ready.
            Ok(Some(found)) if found.state == BlobState::Ready => Ok(()),
            Ok(Some(found)) if found.state == BlobState::Doomed && found.revision > blob.revision + 1 => {
                Ok(())
            }
            Ok(_) if error.kind() == ErrorKind::Conflict => Err(self.discard(blob, error).await),
            _ => Err(error),
        }
    }

    pub(super) fn ready_blob(&self, blob: &Stored<Blob>) -> Stored<Blob> {
        blob.changed(Blob { state: BlobState::Ready, ..blob.value.clone() }, self.now())
    }

    /// Takes back a pending blob, bytes first. What fails here is left to the sweep.
    pub(super) async fn discard(&self, blob: Stored<Blob>, why: Error) -> Error {
        self.erase(&blob).await;
        why
    }

    /// Deletes the bytes of a blob that no asset points at, then its record.
    pub(super) async fn erase(&self, blob: &Stored<Blob>) -> bool {
        let erased = async {
            self.0.blobs.delete(&BlobKey::of(blob.id)).await?;
            let mut batch = Batch::new();
            batch.delete(blob);
            self.commit(batch).await
        };
        let result = erased.await;
        if let Err(error) = &result {
            tracing::warn!(?error, blob = %blob.id, "a blob is left to the next sweep");
        }
        result.is_ok()
    }

    /// The next revision of an asset's blob record, doomed; `None` when it has no blob of ours.
    pub(super) async fn doomed(&self, asset: &Stored<Asset>) -> Result<Option<Stored<Blob>>> {
        let Some(id) = asset.blob() else { return Ok(None) };
        let Some(blob) = self.find(asset.organization, id).await? else { return Ok(None) };
        Ok(Some(blob.changed(Blob { state: BlobState::Doomed, ..blob.value.clone() }, self.now())))
    }
}

/// Says what a measured file is, and asks for a last look at it.
pub(super) async fn describe(
    new: NewFile,
    (location, length, sha256): (Location, u64, String),
    inspector: &dyn Inspector,
    source: &dyn Source,
) -> Result<(File, AssetChange)> {
    let file_name = show_name(&new.file_name);
    let extension = extension_of(&file_name);
    let media_type = new.media_type.filter(|text| is_media_type(text));
    let hint = Hint { file_name: Some(file_name.clone()), media_type: media_type.clone() };
    let inspection = tidy(inspector.inspect(source, &hint).await);
    let media_type = media_type.unwrap_or_else(|| media_type_of(inspection.format, &extension).to_owned());
    let file = File { location, length, sha256, file_name, extension, media_type, inspection };
    let late = new.accept.map_or_else(|| Ok(AssetChange::default()), |accept| accept(&file))?;
    Ok((file, late))
}
