//! Finishing what was interrupted.

use crate::blobs::BlobKey;
use crate::domain::{Blob, BlobState, Entity, Id, Organization, Pass, Session, Stored, Ticket};
use crate::error::Result;
use crate::query::{Field, Op, Query, Value};
use crate::records::Batch;
use std::ops::Bound;

use super::Depot;

/// What a sweep did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SweepReport {
    /// Uploads that never finished, taken back.
    pub unfinished: u64,
    /// Removals that were interrupted, finished.
    pub doomed: u64,
    /// Expired tickets removed.
    pub tickets: u64,
    /// Sessions that are over removed.
    pub sessions: u64,
    /// Expired passes removed.
    pub passes: u64,
    /// Blobs that could not be deleted; the next sweep tries again.
    pub left: u64,
}

impl Depot {
    /// Takes back unfinished uploads that are older than the upload deadline and its grace, finishes interrupted
    /// removals, and forgets expired tickets,
    /// sessions and passes. Safe to run at any time, several at once, and to interrupt.
    ///
    /// # Errors
    /// `Unavailable`; what was done stays done.
    pub async fn sweep(&self) -> Result<SweepReport> {
        let mut report = SweepReport::default();
        for organization in self.list_all::<Organization>(Query::of::<Organization>(Id::NIL)).await? {
            self.sweep_blobs(organization.id, &mut report).await?;
            report.tickets += self.sweep_expired::<Ticket>(organization.id).await?;
            report.sessions += self.sweep_expired::<Session>(organization.id).await?;
            report.passes += self.sweep_expired::<Pass>(organization.id).await?;
        }
        Ok(report)
    }

    async fn sweep_blobs(&self, organization: Id<Organization>, report: &mut SweepReport) -> Result<()> {
        let in_state = |state: BlobState| -> Result<Query> {
            Ok(Query::of::<Blob>(organization).filter(Field::parse("state")?, Op::Eq(state.as_str().into())))
        };
        let limits = &self.0.limits;
        let oldest = self.now().before(limits.upload_deadline).before(limits.sweep_grace);
        let stale = in_state(BlobState::Pending)?
            .filter(Field::CreatedAt, Op::Range(Bound::Unbounded, Bound::Excluded(Value::Time(oldest))));
        for pending in self.list_all::<Blob>(stale).await? {
            // From here on the uploader's final commit fails, should it still come.
            let doomed =
                pending.changed(Blob { state: BlobState::Doomed, ..pending.value.clone() }, self.now());
            let mut batch = Batch::new();
            batch.update(&doomed)?;
            if self.commit(batch).await.is_ok() {
                report.unfinished += 1;
            }
        }
        for doomed in self.list_all::<Blob>(in_state(BlobState::Doomed)?).await? {
            if self.erase(&doomed).await {
                report.doomed += 1;
            } else {
                report.left += 1;
            }
        }
        Ok(())
    }

    async fn sweep_expired<T: Entity>(&self, organization: Id<Organization>) -> Result<u64> {
        let over = Op::Range(Bound::Unbounded, Bound::Excluded(Value::Time(self.now())));
        let expired = Query::of::<T>(organization).filter(Field::parse("expiresAt")?, over);
        let mut removed = 0;
        for record in self.list_all::<T>(expired).await? {
            let mut batch = Batch::new();
            batch.delete(&record);
            if self.commit(batch).await.is_ok() {
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// Compares blobs and records: what lies in the store without a record, and which ready records have no
    /// bytes. `keys` are all keys of the blob store; a store cannot list them through its port.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn check(&self, keys: impl IntoIterator<Item = BlobKey>) -> Result<Vec<String>> {
        let mut recorded = std::collections::BTreeMap::new();
        let mut wrong = Vec::new();
        for organization in self.list_all::<Organization>(Query::of::<Organization>(Id::NIL)).await? {
            let blobs: Vec<Stored<Blob>> = self.list_all(Query::of::<Blob>(organization.id)).await?;
            recorded.extend(blobs.into_iter().map(|blob| (BlobKey::of(blob.id), blob)));
            let assets =
                self.list_all::<crate::domain::Asset>(Query::of::<crate::domain::Asset>(organization.id));
            for asset in assets.await? {
                let Some(blob) = asset.blob() else { continue };
                let state = recorded.get(&BlobKey::of(blob)).map(|blob| blob.state);
                if state != Some(BlobState::Ready) {
                    wrong.push(format!("asset {} points at a blob that is {state:?}", asset.id));
                }
            }
        }
        let present: std::collections::BTreeSet<BlobKey> = keys.into_iter().collect();
        for key in present.iter().filter(|key| !recorded.contains_key(key)) {
            wrong.push(format!("{key} has no record"));
        }
        for (key, blob) in recorded.iter().filter(|(_, blob)| blob.state == BlobState::Ready) {
            if !present.contains(key) {
                wrong.push(format!("{key} is recorded as ready and has no bytes"));
            }
            let asset = self.find(blob.organization, blob.asset).await?;
            if asset.and_then(|asset| asset.blob()) != Some(blob.id) {
                wrong.push(format!("{key} is ready and no asset points at it"));
            }
        }
        Ok(wrong)
    }
}
