//! Core's behaviour suite over every backend of this crate.
//!
//! Without PostgreSQL on the machine its cases show as ignored; with `APPDEPOT_REQUIRE_BACKENDS=1` that is a
//! failure.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod support;

use std::sync::Arc;

use appdepot_core::blobs::BlobStore;
use appdepot_core::conformance::{self, Case};
use appdepot_core::records::RecordStore;
use appdepot_storage::{Durability, OpendalBlobs, PoolOptions, PostgresRecords, SqliteRecords};
use futures::future::BoxFuture;
use libtest_mimic::Trial;
use support::block_on;
use tempfile::TempDir;

/// A fresh backend, and what it needs to stay alive.
type Fresh<Backend> = (Backend, Option<TempDir>);

fn trials<Backend: Send + 'static>(
    name: &str,
    cases: Vec<Case<Backend>>,
    open: impl Fn() -> BoxFuture<'static, Fresh<Backend>> + Clone + Send + 'static,
) -> Vec<Trial> {
    let trial = |case: Case<Backend>| {
        let open = open.clone();
        Trial::test(format!("{name}::{}", case.name), move || {
            block_on(async move {
                let (backend, kept) = open().await;
                let outcome = (case.run)(backend).await;
                drop(kept);
                outcome.map_err(Into::into)
            })
        })
    };
    cases.into_iter().map(trial).collect()
}

fn directory(durability: Durability) -> Fresh<Arc<dyn BlobStore>> {
    let directory = tempfile::tempdir().unwrap();
    let blobs = OpendalBlobs::directory(directory.path().join("blobs"), durability).unwrap();
    (Arc::new(blobs), Some(directory))
}

fn main() {
    support::run(|server| {
        let mut all = trials("blobs::memory", conformance::blobs::cases(), || {
            Box::pin(async { (Arc::new(OpendalBlobs::memory().unwrap()) as Arc<dyn BlobStore>, None) })
        });
        all.extend(trials("blobs::directory_full", conformance::blobs::cases(), || {
            Box::pin(async { directory(Durability::Full) })
        }));
        all.extend(trials("blobs::directory_os", conformance::blobs::cases(), || {
            Box::pin(async { directory(Durability::Os) })
        }));
        all.extend(trials("records::sqlite_memory", conformance::records::cases(), || {
            Box::pin(async {
                (Arc::new(SqliteRecords::memory().await.unwrap()) as Arc<dyn RecordStore>, None)
            })
        }));
        all.extend(trials("records::sqlite_file", conformance::records::cases(), || {
            Box::pin(async {
                let directory = tempfile::tempdir().unwrap();
                let path = directory.path().join("depot.sqlite");
                let records = SqliteRecords::open(path, Durability::Full).await.unwrap();
                (Arc::new(records) as Arc<dyn RecordStore>, Some(directory))
            })
        }));
        all.extend(trials("records::postgres", conformance::records::cases(), move || {
            let server = server.clone();
            Box::pin(async move {
                let url = server.expect("a server").database().await;
                let records = PostgresRecords::connect(&url, PoolOptions::default()).await.unwrap();
                (Arc::new(records) as Arc<dyn RecordStore>, None)
            })
        }));
        all
    })
    .exit();
}
