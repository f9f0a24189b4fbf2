//! The memory backends pass the suite that every backend passes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

use std::sync::Arc;

use appdepot_core::conformance::depot::Backends;
use appdepot_core::conformance::{blobs, depot, records};
use appdepot_core::memory::{MemoryBlobs, MemoryRecords};
use futures::executor::block_on;

#[test]
fn memory_blobs() {
    for case in blobs::cases() {
        block_on((case.run)(Arc::new(MemoryBlobs::new()))).unwrap_or_else(|e| panic!("{}: {e}", case.name));
    }
}

#[test]
fn memory_records() {
    for case in records::cases() {
        block_on((case.run)(Arc::new(MemoryRecords::new()))).unwrap_or_else(|e| panic!("{}: {e}", case.name));
    }
}

#[test]
fn the_transaction_rule_in_memory() {
    for case in depot::cases() {
        let blobs = Arc::new(MemoryBlobs::new());
        let keys = {
            let blobs = blobs.clone();
            Arc::new(move || blobs.keys())
        };
        let backends = Backends { blobs, records: Arc::new(MemoryRecords::new()), keys };
        block_on((case.run)(backends)).unwrap_or_else(|e| panic!("{}: {e}", case.name));
    }
}
