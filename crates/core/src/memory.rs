//! Backends that keep everything in this process: for tests, examples and trying things out.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};

use crate::blobs::{BlobKey, BlobStore, ByteRange, ByteStream};
use crate::domain::{Event, EventFilter, Id, Kind, Organization, Revision};
use crate::error::{Error, Result};
use crate::query::{Page, Paging, Query};
use crate::records::{Batch, Change, Claim, Key, Record, RecordStore};

/// Blobs in memory.
#[derive(Debug, Default)]
pub struct MemoryBlobs {
    blobs: Mutex<BTreeMap<BlobKey, Bytes>>,
}

impl MemoryBlobs {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// The keys that are there.
    pub fn keys(&self) -> Vec<BlobKey> {
        lock(&self.blobs).keys().cloned().collect()
    }
}

#[async_trait]
impl BlobStore for MemoryBlobs {
    async fn put(&self, key: &BlobKey, body: ByteStream) -> Result<u64> {
        let bytes: Vec<u8> = body
            .try_fold(Vec::new(), async |mut all, chunk| {
                all.extend_from_slice(&chunk);
                Ok(all)
            })
            .await?;
        let length = bytes.len() as u64;
        lock(&self.blobs).insert(key.clone(), bytes.into());
        Ok(length)
    }

    async fn get(&self, key: &BlobKey, range: ByteRange) -> Result<ByteStream> {
        let bytes = lock(&self.blobs).get(key).cloned().ok_or_else(|| Error::not_found("blob"))?;
        let (start, end) = range.within(bytes.len() as u64);
        let at = |position: u64| usize::try_from(position).unwrap_or(bytes.len());
        Ok(stream::iter([Ok(bytes.slice(at(start)..at(end)))]).boxed())
    }

    async fn stat(&self, key: &BlobKey) -> Result<Option<u64>> {
        Ok(lock(&self.blobs).get(key).map(|bytes| bytes.len() as u64))
    }

    async fn delete(&self, key: &BlobKey) -> Result<()> {
        lock(&self.blobs).remove(key);
        Ok(())
    }
}

/// Records and events in memory. The reference implementation that SQL stores are compared with.
#[derive(Debug, Default)]
pub struct MemoryRecords {
    state: Mutex<State>,
}

type ClaimKey = (Id<Organization>, Kind, Claim);

#[derive(Debug, Default, Clone)]
struct State {
    records: BTreeMap<Key, Record>,
    claims: BTreeMap<ClaimKey, Id<()>>,
    events: Vec<Event>,
}

impl MemoryRecords {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }
}

#[async_trait]
impl RecordStore for MemoryRecords {
    async fn get(&self, key: &Key) -> Result<Option<Record>> {
        let state = lock(&self.state);
        let found = match key {
            Key::Id { .. } => state.records.get(key),
            Key::Claim { organization, kind, claim } => {
                let owner = state.claims.get(&(*organization, *kind, claim.clone()));
                owner.and_then(|id| {
                    state.records.get(&Key::Id { organization: *organization, kind: *kind, id: *id })
                })
            }
        };
        Ok(found.cloned())
    }

    async fn list(&self, query: &Query) -> Result<Page<Record>> {
        query.check()?;
        let mut matches: Vec<Record> =
            lock(&self.state).records.values().filter(|record| query.matches(record)).cloned().collect();
        matches.sort_by(|a, b| query.compare(a, b));
        let total = query.count.then_some(matches.len() as u64);
        let skip = match &query.page {
            Paging::Skip(count) => usize::try_from(*count).unwrap_or(usize::MAX),
            // Good for as long as the last record is there, which is enough for a store that is never shared.
            Paging::After(cursor) => {
                let last = Id::<()>::parse(cursor).map_err(|_| Error::invalid("cursor", "not a cursor"))?;
                let at = matches.iter().position(|record| record.id == last);
                at.ok_or_else(|| Error::invalid("cursor", "the page it follows is gone"))? + 1
            }
        };
        let limit = query.limit as usize;
        let more = matches.len() > skip.saturating_add(limit);
        let items: Vec<Record> = matches.into_iter().skip(skip).take(limit).collect();
        let next = items.last().filter(|_| more).map(|record| record.id.to_string());
        Ok(Page { items, total, next })
    }

    async fn commit(&self, batch: Batch) -> Result<()> {
        let mut state = lock(&self.state);
        let mut next = state.clone();
        for change in batch.changes {
            next.apply(change)?;
        }
        for event in batch.events {
            let sequence =
                1 + next.events.iter().filter(|e| e.event.organization == event.organization).count();
            next.events.push(Event { sequence: sequence as u64, event });
        }
        *state = next;
        Ok(())
    }

    async fn events(&self, filter: &EventFilter) -> Result<Vec<Event>> {
        filter.check()?;
        let state = lock(&self.state);
        let mut found: Vec<Event> =
            state.events.iter().filter(|event| filter.matches(event)).cloned().collect();
        if filter.newest_first {
            found.reverse();
        }
        found.truncate(filter.limit as usize);
        Ok(found)
    }
}

impl State {
    fn apply(&mut self, change: Change) -> Result<()> {
        match change {
            Change::Insert(record) => {
                self.expect(&record.key(), None)?;
                self.write(record)
            }
            Change::Update(record) => {
                self.expect(&record.key(), record.revision.checked_sub(1))?;
                self.write(record)
            }
            Change::Delete { organization, kind, id, revision } => {
                let key = Key::Id { organization, kind, id };
                self.expect(&key, Some(revision))?;
                self.release_claims(organization, kind, id);
                self.records.remove(&key);
                Ok(())
            }
            Change::Bump(mut record) => {
                record.revision = 1 + self.records.get(&record.key()).map_or(0, |stored| stored.revision);
                self.write(record)
            }
            Change::Require { organization, kind, id } => {
                let key = Key::Id { organization, kind, id };
                self.records.contains_key(&key).then_some(()).ok_or_else(|| Error::stale(None))
            }
        }
    }

    fn expect(&self, key: &Key, revision: Option<Revision>) -> Result<()> {
        let current = self.records.get(key).map(|record| record.revision);
        if current == revision { Ok(()) } else { Err(Error::stale(current)) }
    }

    fn write(&mut self, record: Record) -> Result<()> {
        self.release_claims(record.organization, record.kind, record.id);
        for claim in &record.claims {
            let key = (record.organization, record.kind, claim.clone());
            if self.claims.insert(key, record.id).is_some_and(|owner| owner != record.id) {
                return Err(Error::taken(claim.space));
            }
        }
        self.records.insert(record.key(), record);
        Ok(())
    }

    fn release_claims(&mut self, organization: Id<Organization>, kind: Kind, id: Id<()>) {
        self.claims.retain(|(org, of, _), owner| (*org, *of, *owner) != (organization, kind, id));
    }
}

/// A poisoned lock holds data that is still whole: every critical section replaces it in one step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
