//! An organization's grants in a real store, and a store that fails or waits when told to.
#![allow(dead_code)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use appdepot_authz::CasbinAuthorizer;
use appdepot_core::authorize::{Actor, Authorizer, Subject, Target};
use appdepot_core::domain::{
    App, Event, EventFilter, Grant, Id, Kind, Organization, Role, Stored, Timestamp,
};
use appdepot_core::memory::MemoryRecords;
use appdepot_core::query::{Page, Query};
use appdepot_core::records::{Batch, Change, Key, Record, RecordStore};
use appdepot_core::{Error, ErrorKind, Result};
use async_trait::async_trait;
use tokio::sync::Semaphore;

/// Around a real store: counts listings, fails them, or holds their answers back.
#[derive(Debug)]
pub(crate) struct Records {
    pub(crate) inner: MemoryRecords,
    pub(crate) lists: AtomicUsize,
    pub(crate) broken: AtomicBool,
    pub(crate) slow: AtomicBool,
    /// A slow listing has its answer and waits for a permit to give it.
    pub(crate) arrived: Semaphore,
    pub(crate) go: Semaphore,
}

impl Records {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            inner: MemoryRecords::new(),
            lists: AtomicUsize::new(0),
            broken: AtomicBool::new(false),
            slow: AtomicBool::new(false),
            arrived: Semaphore::new(0),
            go: Semaphore::new(0),
        })
    }

    pub(crate) async fn write(&self, changes: Vec<Change>) {
        let batch = Batch { changes, ..Batch::new() }.with_policy_versions(Timestamp::now()).unwrap();
        self.commit(batch).await.unwrap();
    }

    /// Writes a grant without announcing it, as another process would.
    pub(crate) async fn grant(
        &self,
        organization: Id<Organization>,
        subject: &str,
        role: &str,
        app: Option<Id<App>>,
    ) -> Stored<Grant> {
        let subject = Subject::try_from(subject.to_owned()).unwrap();
        let grant = Grant { subject, role: Role::parse(role).unwrap(), app };
        let stored = Stored::new(organization, grant, Timestamp::now());
        self.write(vec![Change::Insert(stored.to_record(Id::generate()).unwrap())]).await;
        stored
    }

    /// Removes a grant without announcing it.
    pub(crate) async fn revoke(&self, grant: &Stored<Grant>) {
        let Stored { organization, revision, .. } = *grant;
        self.write(vec![Change::Delete { organization, kind: Kind::Grant, id: grant.id.cast(), revision }])
            .await;
    }
}

#[async_trait]
impl RecordStore for Records {
    async fn get(&self, key: &Key) -> Result<Option<Record>> {
        if self.broken.load(SeqCst) {
            return Err(Error::unavailable("pulled the plug"));
        }
        self.inner.get(key).await
    }

    async fn list(&self, query: &Query) -> Result<Page<Record>> {
        self.lists.fetch_add(1, SeqCst);
        if self.broken.load(SeqCst) {
            return Err(Error::unavailable("pulled the plug"));
        }
        let page = self.inner.list(query).await;
        if self.slow.load(SeqCst) {
            self.arrived.add_permits(1);
            self.go.acquire().await.unwrap().forget();
        }
        page
    }

    async fn commit(&self, batch: Batch) -> Result<()> {
        self.inner.commit(batch).await
    }

    async fn events(&self, filter: &EventFilter) -> Result<Vec<Event>> {
        self.inner.events(filter).await
    }
}

pub(crate) fn authorizer(records: &Arc<Records>) -> CasbinAuthorizer {
    CasbinAuthorizer::new(records.clone())
}

pub(crate) fn user(name: &str) -> Actor {
    Actor::new(Subject::user(name).unwrap())
}

pub(crate) fn narrowed(name: &str, scopes: &[&str]) -> Actor {
    Actor { scopes: Some(scopes.iter().map(|scope| (*scope).to_owned()).collect()), ..user(name) }
}

/// `None` when allowed, else why not.
pub(crate) async fn refusal(
    authorizer: &dyn Authorizer,
    actor: &Actor,
    permission: &str,
    target: Target,
) -> Option<ErrorKind> {
    authorizer.authorize(actor, permission, &target).await.err().map(|error| error.kind())
}
