//! Wrappers that make the n-th call of a backend fail, before or after it took effect.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use async_trait::async_trait;

use crate::blobs::{BlobKey, BlobStore, ByteRange, ByteStream};
use crate::domain::{Event, EventFilter};
use crate::error::{Error, Result};
use crate::query::{Page, Query};
use crate::records::{Batch, Key, Record, RecordStore};

/// When a fault happens, seen from the call it hits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The call does nothing and fails.
    Before,
    /// The call does its work and its answer is lost.
    After,
    /// The process dies at this call: neither it nor any later call does anything.
    Crash,
    /// As [`Fault::Crash`], but the call itself still did its work.
    CrashAfter,
    /// The record store goes away: a call to it still does its work, its answer and all later ones are lost.
    RecordsDown,
    /// For commits: the store retries after a lost answer, and meets its own success.
    Repeat,
}

impl Fault {
    /// Every fault.
    pub const ALL: [Self; 6] =
        [Self::Before, Self::After, Self::Crash, Self::CrashAfter, Self::RecordsDown, Self::Repeat];
}

/// A plan shared by wrapped backends: which call fails, and how. Counts all calls of all backends that share it.
#[derive(Clone)]
pub struct Plan {
    calls: Arc<AtomicU64>,
    hit: u64,
    fault: Fault,
}

impl Plan {
    /// The `hit`-th call fails so; the first call is 1.
    pub fn new(hit: u64, fault: Fault) -> Self {
        Self { calls: Arc::new(AtomicU64::new(0)), hit, fault }
    }

    /// Nothing fails; for counting.
    pub fn harmless() -> Self {
        Self::new(u64::MAX, Fault::Before)
    }

    /// How many calls there were.
    pub fn calls(&self) -> u64 {
        self.calls.load(SeqCst)
    }

    /// Whether this call runs, and whether its answer arrives.
    fn next(&self, to: Port) -> Step {
        let call = self.calls.fetch_add(1, SeqCst) + 1;
        let (runs, answers) = match (call.cmp(&self.hit), self.fault) {
            (Ordering::Less, _) => (true, true),
            (Ordering::Equal, Fault::Before | Fault::Crash) => (false, false),
            (Ordering::Equal, Fault::After | Fault::CrashAfter) => (true, false),
            (Ordering::Greater, Fault::Crash | Fault::CrashAfter) => (false, false),
            (Ordering::Equal, Fault::RecordsDown) => (true, to == Port::Blobs),
            (Ordering::Greater, Fault::RecordsDown) => (to == Port::Blobs, to == Port::Blobs),
            (Ordering::Equal, Fault::Repeat) | (Ordering::Greater, _) => (true, true),
        };
        Step { runs, answers, repeats: call == self.hit && self.fault == Fault::Repeat }
    }
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "call {} fails: {:?}", self.hit, self.fault)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Port {
    Blobs,
    Records,
}

struct Step {
    runs: bool,
    answers: bool,
    repeats: bool,
}

fn injected() -> Error {
    Error::unavailable("injected fault")
}

/// A backend whose calls fail by plan.
#[derive(Debug)]
pub struct Faulty<B: ?Sized> {
    plan: Plan,
    inner: Arc<B>,
}

impl<B: ?Sized> Faulty<B> {
    /// `inner`, with faults.
    pub fn new(inner: Arc<B>, plan: Plan) -> Self {
        Self { inner, plan }
    }

    async fn call<T>(&self, to: Port, run: impl Future<Output = Result<T>>) -> Result<T> {
        let step = self.plan.next(to);
        if !step.runs {
            return Err(injected());
        }
        let answer = run.await;
        if step.answers { answer } else { Err(injected()) }
    }
}

#[async_trait]
impl<B: BlobStore + ?Sized> BlobStore for Faulty<B> {
    async fn put(&self, key: &BlobKey, body: ByteStream) -> Result<u64> {
        self.call(Port::Blobs, self.inner.put(key, body)).await
    }

    async fn get(&self, key: &BlobKey, range: ByteRange) -> Result<ByteStream> {
        self.call(Port::Blobs, self.inner.get(key, range)).await
    }

    async fn stat(&self, key: &BlobKey) -> Result<Option<u64>> {
        self.call(Port::Blobs, self.inner.stat(key)).await
    }

    async fn delete(&self, key: &BlobKey) -> Result<()> {
        self.call(Port::Blobs, self.inner.delete(key)).await
    }

    async fn link(&self, key: &BlobKey, ttl: Duration) -> Result<Option<String>> {
        self.call(Port::Blobs, self.inner.link(key, ttl)).await
    }
}

#[async_trait]
impl<B: RecordStore + ?Sized> RecordStore for Faulty<B> {
    async fn get(&self, key: &Key) -> Result<Option<Record>> {
        self.call(Port::Records, self.inner.get(key)).await
    }

    async fn list(&self, query: &Query) -> Result<Page<Record>> {
        self.call(Port::Records, self.inner.list(query)).await
    }

    async fn commit(&self, batch: Batch) -> Result<()> {
        let step = self.plan.next(Port::Records);
        if !step.runs {
            return Err(injected());
        }
        let again = step.repeats.then(|| batch.clone());
        let mut answer = self.inner.commit(batch).await;
        if let Some(again) = again {
            answer = self.inner.commit(again).await;
        }
        if step.answers { answer } else { Err(injected()) }
    }

    async fn events(&self, filter: &EventFilter) -> Result<Vec<Event>> {
        self.call(Port::Records, self.inner.events(filter)).await
    }
}
