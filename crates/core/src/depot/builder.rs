//! Puts a depot together.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::authenticate::{NoPasswords, Passwords};
use crate::authorize::{Authorizer, DenyAll};
use crate::blobs::BlobStore;
use crate::conditions::{Conditions, NoConditions};
use crate::domain::{StorageProvider, Stored, Timestamp};
use crate::inspect::{Inspector, NoInspector};
use crate::memory::{MemoryBlobs, MemoryRecords};
use crate::records::RecordStore;
use crate::storage_factory::StorageFactory;
use crate::vault::SealingKey;

use super::attempts::Attempts;
use super::{Depot, Inner, Limits};

impl Depot {
    /// A depot to put together.
    pub fn builder() -> DepotBuilder {
        DepotBuilder(Inner {
            blobs: Arc::new(MemoryBlobs::new()),
            records: Arc::new(MemoryRecords::new()),
            authorizer: Arc::new(DenyAll),
            passwords: Arc::new(NoPasswords),
            conditions: Arc::new(NoConditions),
            attempts: Attempts::new(),
            requests: Attempts::new(),
            inspector: Arc::new(NoInspector),
            providers: BTreeMap::new(),
            storage: None,
            limits: Limits::default(),
            clock: Arc::new(Timestamp::now),
        })
    }
}

/// Puts a depot together. What is left out is the safe choice: memory, nobody may do anything, nothing is
/// inspected.
pub struct DepotBuilder(Inner);

impl DepotBuilder {
    /// Where bytes are kept. Default: in memory.
    #[must_use]
    pub fn blobs(mut self, blobs: Arc<dyn BlobStore>) -> Self {
        self.0.blobs = blobs;
        self
    }

    /// Where records are kept. Default: in memory.
    #[must_use]
    pub fn records(mut self, records: Arc<dyn RecordStore>) -> Self {
        self.0.records = records;
        self
    }

    /// Who decides. Default: only [`Actor::system`](crate::authorize::Actor::system) may act.
    #[must_use]
    pub fn authorizer(mut self, authorizer: Arc<dyn Authorizer>) -> Self {
        self.0.authorizer = authorizer;
        self
    }

    /// Who hashes passwords. Default: nobody signs in by password.
    #[must_use]
    pub fn passwords(mut self, passwords: Arc<dyn Passwords>) -> Self {
        self.0.passwords = passwords;
        self
    }

    /// Who reads the conditions of policies. Default: nobody; no policy is written, and none permits.
    #[must_use]
    pub fn conditions(mut self, conditions: Arc<dyn Conditions>) -> Self {
        self.0.conditions = conditions;
        self
    }

    /// Who reads packages. Default: nobody; every file is `unknown`.
    #[must_use]
    pub fn inspector(mut self, inspector: Arc<dyn Inspector>) -> Self {
        self.0.inspector = inspector;
        self
    }

    /// A place outside, where `provider.organization` keeps files that it may register without uploading them.
    #[must_use]
    pub fn provider(mut self, provider: Stored<StorageProvider>, objects: Arc<dyn BlobStore>) -> Self {
        self.0.providers.insert(provider.id, (provider, objects));
        self
    }

    /// Who opens the storage providers that organizations make, and the key that their credentials are sealed with
    /// in the records. Default: nobody; no organization makes any.
    #[must_use]
    pub fn storage(mut self, factory: Arc<dyn StorageFactory>, key: SealingKey) -> Self {
        self.0.storage = Some((factory, key));
        self
    }

    /// Bounds.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.0.limits = limits;
        self
    }

    /// The clock; for tests.
    #[must_use]
    pub fn clock(mut self, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        self.0.clock = Arc::new(clock);
        self
    }

    /// The depot.
    pub fn build(self) -> Depot {
        Depot(Arc::new(self.0))
    }
}
