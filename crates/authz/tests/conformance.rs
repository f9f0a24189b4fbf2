#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]
//! The core's own cases.

use std::sync::Arc;

use appdepot_authz::CasbinAuthorizer;
use appdepot_core::authorize::Authorizer;
use appdepot_core::conformance::authorize::{World, cases};
use appdepot_core::memory::MemoryRecords;
use appdepot_core::records::RecordStore;

#[tokio::test]
async fn the_authorizer_passes_every_case_of_the_core() {
    let mut failures = Vec::new();
    let cases = cases();
    assert!(cases.len() >= 11);
    for case in cases {
        let records: Arc<dyn RecordStore> = Arc::new(MemoryRecords::new());
        let authorizer: Arc<dyn Authorizer> = Arc::new(CasbinAuthorizer::new(records.clone()));
        if let Err(failure) = (case.run)(World { records, authorizer }).await {
            failures.push(format!("{}: {failure}", case.name));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
