//! The depot: one concrete core over four plugs.

mod apps;
mod assets;
mod attempts;
mod audit;
mod auth_policies;
mod browse;
mod builder;
mod builds;
mod business_owners;
mod bytes;
mod change;
mod collaborators;
mod compose;
mod deliver;
mod describe;
mod documents;
mod enclosures;
mod ends;
mod icons;
mod intake;
mod keys;
mod limits;
mod listings;
mod measure;
mod organizations;
mod passes;
mod people;
mod pictures;
mod policies;
mod process;
mod publications;
mod reach;
mod releases;
mod retention;
mod rules;
mod sessions;
mod steps;
mod storage_providers;
mod stores;
mod subscriptions;
mod upkeep;
mod users;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::authenticate::Passwords;
use crate::authorize::{Actor, Authorizer, Scope, Target};
use crate::blobs::BlobStore;
use crate::conditions::Conditions;
use crate::domain::{
    ApiKey, App, Entity, Extra, Id, NewEvent, Organization, Revision, StorageProvider, Stored, Timestamp,
};
use crate::error::{Detail, Error, ErrorKind, Result};
use crate::inspect::Inspector;
use crate::query::{Field, Op, Page, Query, Sort, Value};
use crate::records::{Batch, Change, Claim, Key, RecordStore};
use crate::storage_factory::StorageFactory;
use crate::vault::SealingKey;

use self::attempts::Attempts;
use self::change::check_extra;

pub use apps::{AppChange, NewApp};
pub use assets::{Accept, AssetChange, ForeignObject, NewAsset, NewFile};
pub use audit::{Delivered, Delivery, DeliveryFilter};
pub use auth_policies::{AuthPolicyChange, NewAuthPolicy};
pub use browse::{Showing, Version};
pub use builder::DepotBuilder;
pub use builds::{DescribeBuild, NewBuild};
pub use business_owners::NewBusinessOwner;
pub use change::SetChange;
pub use collaborators::Collaborator;
pub use deliver::{Download, IssuedTicket, Ticketed};
pub use documents::NewDocument;
pub use enclosures::{Enclosed, Enclosure};
pub use intake::Purpose;
pub use keys::{CreatedKey, NewKey};
pub use limits::Limits;
pub use listings::{ListingChange, NewListing};
pub use passes::IssuedPass;
pub use people::GroupChange;
pub use policies::{NewPolicy, PolicyChange};
pub use publications::NewPublication;
pub use releases::{NewRelease, NewVersion, ReleaseChange};
pub use retention::RetentionPlan;
pub use sessions::{IssuedSession, Sessions, SignedIn};
pub use storage_providers::{NewStorageProvider, StorageProviderChange};
pub use stores::{Entrance, STORE_MARK, StoreChange};
pub use upkeep::SweepReport;
pub use users::{NewUser, UserChange};

/// Takes files in, learns what they are, keeps them, walks releases through their lifecycle and hands them out.
///
/// Every method takes an [`Actor`] and authorizes inside, so an embedder cannot skip it. Cheap to clone.
///
/// # Errors
/// What every method may answer, beyond its own:
/// - `NotFound` for what does not exist, or exists where the actor has no standing;
/// - `Forbidden` when the actor has standing but not the permission;
/// - `Unavailable` when a backend does not answer. Nothing half-made is ever visible then, and what was left
///   behind goes with [`Depot::sweep`].
///
/// ```
/// use appdepot_core::Depot;
/// use appdepot_core::authorize::Actor;
/// # futures::executor::block_on(async {
/// let depot = Depot::builder().build();
/// let system = Actor::system("example");
/// let acme = depot.create_organization(&system, "acme", "Acme Corp.").await?;
/// assert_eq!(depot.organization(&system, "acme").await?.id, acme.id);
/// # Ok::<(), appdepot_core::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct Depot(Arc<Inner>);

struct Inner {
    blobs: Arc<dyn BlobStore>,
    records: Arc<dyn RecordStore>,
    authorizer: Arc<dyn Authorizer>,
    passwords: Arc<dyn Passwords>,
    conditions: Arc<dyn Conditions>,
    attempts: Attempts,
    requests: Attempts,
    inspector: Arc<dyn Inspector>,
    providers: BTreeMap<Id<StorageProvider>, Provider>,
    storage: Option<(Arc<dyn StorageFactory>, SealingKey)>,
    limits: Limits,
    clock: Clock,
}

/// A storage provider that the embedder gave, and its objects.
type Provider = (Stored<StorageProvider>, Arc<dyn BlobStore>);

/// Tells the time.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

impl Depot {
    /// Its bounds.
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// Whether the record store answers.
    ///
    /// # Errors
    /// `Unavailable` when it does not.
    pub async fn ready(&self) -> Result<()> {
        let nothing = Key::Id { organization: Id::NIL, kind: Organization::KIND, id: Id::NIL };
        self.0.records.get(&nothing).await.map(|_| ())
    }

    /// Counts a request that comes from an address; for servers, before they do anything for it.
    ///
    /// # Errors
    /// `Limited` when there were more than [`Limits::requests_per_address`], saying when to come back.
    pub fn admit(&self, address: &str) -> Result<()> {
        let limits = &self.0.limits;
        let Some(most) = limits.requests_per_address else { return Ok(()) };
        self.0.requests.count_address(address, most, limits.request_window, self.now())
    }

    /// How many builds wait to be read or are being read, of all organizations.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn waiting_builds(&self) -> Result<u64> {
        let waiting = Query::of::<crate::domain::Job>(Id::NIL).limit(1).counted();
        Ok(self.0.records.list(&waiting).await?.total.unwrap_or_default())
    }

    fn now(&self) -> Timestamp {
        (self.0.clock)()
    }

    async fn authorize(&self, actor: &Actor, permission: &str, target: Target) -> Result<()> {
        self.authorize_within_vendor(actor, permission, target).await?;
        match actor.vendor {
            Some(_) => Err(Error::forbidden(permission.to_owned())),
            None => Ok(()),
        }
    }

    /// The same where the caller sees to it that an actor who works for a vendor has its things and no others.
    async fn authorize_within_vendor(&self, actor: &Actor, permission: &str, target: Target) -> Result<()> {
        if actor.is_system() {
            return Ok(());
        }
        self.0.authorizer.authorize(actor, permission, &target).await?;
        // Asked last, so that a stranger does not learn that there is something to be forbidden.
        if actor.app.is_some() && actor.app != target.app {
            return Err(Error::forbidden(permission.to_owned()));
        }
        Ok(())
    }

    /// Adds to a query what the actor may see: only its apps, at `field`.
    async fn scoped(&self, actor: &Actor, permission: &str, query: Query, field: Field) -> Result<Query> {
        match self.scope(actor, permission, query.organization).await? {
            Scope::All => Ok(query),
            Scope::Apps(apps) => Ok(query.filter(field, Op::In(apps.into_iter().map(Value::from).collect()))),
        }
    }

    /// On which apps the actor may do something, with this credential; `Forbidden` if on none.
    async fn scope(&self, actor: &Actor, permission: &str, organization: Id<Organization>) -> Result<Scope> {
        if actor.is_system() {
            return Ok(Scope::All);
        }
        let scope = match (self.0.authorizer.scope(actor, permission, organization).await?, actor.app) {
            (scope, None) => scope,
            (Scope::All, Some(app)) => Scope::Apps([app].into()),
            (Scope::Apps(mut apps), Some(app)) => {
                apps.retain(|other| *other == app);
                Scope::Apps(apps)
            }
        };
        if actor.vendor.is_some() || matches!(&scope, Scope::Apps(apps) if apps.is_empty()) {
            return Err(Error::forbidden(permission.to_owned()));
        }
        Ok(scope)
    }

    async fn find<T: Entity>(&self, organization: Id<Organization>, id: Id<T>) -> Result<Option<Stored<T>>> {
        let key = Key::Id { organization, kind: T::KIND, id: id.cast() };
        self.0.records.get(&key).await?.map(Stored::from_record).transpose()
    }

    async fn load<T: Entity>(&self, organization: Id<Organization>, id: Id<T>) -> Result<Stored<T>> {
        self.find(organization, id).await?.ok_or_else(|| Error::not_found(T::NAME))
    }

    async fn find_claimed<T: Entity>(
        &self,
        organization: Id<Organization>,
        space: &'static str,
        value: &str,
    ) -> Result<Option<Stored<T>>> {
        if value.contains('\0') {
            return Ok(None);
        }
        let key = Key::Claim { organization, kind: T::KIND, claim: Claim::new(space, value) };
        self.0.records.get(&key).await?.map(Stored::from_record).transpose()
    }

    /// Takes the next number for a record of this kind that `batch` inserts. No number is given out again, whatever
    /// becomes of the record.
    async fn take_number<T: Entity>(&self, batch: &mut Batch, organization: Id<Organization>) -> Result<u64> {
        let stored: Stored<Organization> = self.load(Id::NIL, organization).await?;
        let mut value = stored.value.clone();
        let last = match value.numbers.get(T::KIND.as_str()) {
            Some(last) => *last,
            None => self.highest_number::<T>(organization).await?,
        };
        value.numbers.insert(T::KIND.as_str().to_owned(), last + 1);
        batch.update(&stored.changed(value, self.now()))?;
        Ok(last + 1)
    }

    /// The highest number of a record of this kind; for organizations that were kept before numbers were counted.
    async fn highest_number<T: Entity>(&self, organization: Id<Organization>) -> Result<u64> {
        let highest = Query::of::<T>(organization).sort(Sort::descending(Field::parse("number")?)).limit(1);
        let found = self.0.records.list(&highest).await?.items;
        let number = found.first().and_then(|record| record.body.get("number"));
        Ok(number.and_then(serde_json::Value::as_u64).unwrap_or_default())
    }

    /// A record by its id in either spelling, else by the name that is unique in `space`.
    async fn resolve<T: Entity>(
        &self,
        organization: Id<Organization>,
        space: &'static str,
        reference: &str,
    ) -> Result<Stored<T>> {
        if let Ok(id) = Id::parse(reference)
            && let Some(found) = self.find(organization, id).await?
        {
            return Ok(found);
        }
        self.find_claimed(organization, space, reference).await?.ok_or_else(|| Error::not_found(T::NAME))
    }

    /// Refuses a name under which [`resolve`](Self::resolve) would find another record, whose id it may be.
    async fn check_free<T: Entity>(
        &self,
        organization: Id<Organization>,
        space: &'static str,
        name: Option<&str>,
    ) -> Result<()> {
        let Some(name) = name else { return Ok(()) };
        match self.resolve::<T>(organization, space, name).await {
            Ok(_) => Err(Error::taken(space)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn list<T: Entity>(&self, query: &Query) -> Result<Page<Stored<T>>> {
        if query.kind != T::KIND {
            return Err(Error::internal("a query for another kind of record"));
        }
        self.0.records.list(query).await?.try_map(Stored::from_record)
    }

    /// Every record that `query` describes, page by page.
    async fn list_all<T: Entity>(&self, query: Query) -> Result<Vec<Stored<T>>> {
        let mut all = Vec::new();
        let mut next = Some(query.limit(crate::query::PAGE_LIMIT));
        while let Some(query) = next.take() {
            let page = self.list(&query).await?;
            all.extend(page.items);
            next = page.next.map(|cursor| query.after(cursor));
        }
        Ok(all)
    }

    /// Commits, and finds out what happened when the answer is an error.
    ///
    /// A store that retries a commit whose answer was lost sees `Conflict` against its own success, and a lost
    /// answer says nothing at all. So a written record is read back: if this very batch wrote it, the commit
    /// succeeded. That a record is gone tells nothing, as others remove too, unless removing is all there was to do.
    async fn commit(&self, batch: Batch) -> Result<()> {
        let batch = batch.with_policy_versions(self.now())?;
        let id = batch.id;
        let (mut written, mut removed) = (None, Vec::new());
        for change in &batch.changes {
            match change {
                Change::Insert(record) | Change::Update(record) => {
                    written.get_or_insert_with(|| record.key());
                }
                Change::Delete { organization, kind, id, .. } => {
                    removed.push(Key::Id { organization: *organization, kind: *kind, id: *id });
                }
                Change::Bump(_) | Change::Require { .. } => {}
            }
        }
        let Err(error) = self.0.records.commit(batch).await else { return Ok(()) };
        let find = |key: Key| async move { self.0.records.get(&key).await };
        let done = match written {
            Some(key) => find(key).await.is_ok_and(|found| found.is_some_and(|record| record.batch == id)),
            None => {
                let mut gone = !removed.is_empty();
                for key in removed {
                    gone = gone && find(key).await.is_ok_and(|found| found.is_none());
                }
                gone
            }
        };
        if done { Ok(()) } else { Err(error) }
    }

    fn event<T: Entity>(&self, actor: &Actor, action: &str, subject: &Stored<T>) -> NewEvent {
        NewEvent {
            organization: subject.organization,
            at: self.now(),
            actor: actor.subject.to_string(),
            action: action.to_owned(),
            kind: T::KIND,
            subject: subject.id.cast(),
            from: None,
            to: None,
            origin: actor.origin.clone(),
            detail: Extra::new(),
        }
    }

    /// Commits the batch that `make` puts together and answers what stands beside it. When another writer came
    /// first, it is made again from what is there now. An empty batch is nothing to commit.
    async fn commit_made<T, F>(&self, make: impl Fn() -> F) -> Result<T>
    where
        F: Future<Output = Result<(Batch, T)>>,
    {
        let mut attempt = 1;
        loop {
            let (batch, made) = make().await?;
            if batch.changes.is_empty() && batch.events.is_empty() {
                return Ok(made);
            }
            match self.commit(batch).await {
                Err(error) if retry(&error, attempt) => attempt += 1,
                done => return done.map(|()| made),
            }
        }
    }

    /// Writes a new record with its event.
    async fn insert<T: Entity>(&self, actor: &Actor, action: &str, stored: Stored<T>) -> Result<Stored<T>> {
        let mut batch = Batch::new();
        batch.insert(&stored)?;
        batch.events.push(self.event(actor, action, &stored));
        self.commit(batch).await?;
        Ok(stored)
    }

    /// Writes the next revision with its event. Without an expected revision it tries again when another writer
    /// came first.
    async fn update<T: Entity>(
        &self,
        actor: &Actor,
        action: &str,
        stored: Stored<T>,
        expected: Option<Revision>,
        change: impl Fn(&mut T) -> Result<()>,
    ) -> Result<Stored<T>> {
        let (organization, id) = (stored.organization, stored.id);
        let mut current = stored;
        for attempt in 1.. {
            current.check_revision(expected)?;
            let mut value = current.value.clone();
            change(&mut value)?;
            let next = current.changed(value, self.now());
            let mut batch = Batch::new();
            batch.update(&next)?;
            batch.events.push(self.event(actor, action, &next));
            match self.commit(batch).await {
                Ok(()) => return Ok(next),
                Err(error) if retry(&error, attempt) => {}
                Err(error) => return Err(error),
            }
            current = self.load(organization, id).await?;
        }
        Err(Error::internal("unreachable: every attempt returns"))
    }
}

/// How often a change is tried before its conflict is reported.
const ATTEMPTS: u32 = 16;

/// Whether to read again and try again: another writer came first, and not too often.
fn retry(error: &Error, attempt: u32) -> bool {
    /// Claims that two writers make for the same thing; the later one finds it there and goes on with it.
    const SHARED: [&str; 4] = ["grant", "rule", "reviewer", ApiKey::SPACE];
    let late = match error.detail() {
        Detail::Stale { .. } => error.kind() == ErrorKind::Conflict,
        Detail::Taken { space } => SHARED.contains(space),
        _ => false,
    };
    late && attempt < ATTEMPTS
}

impl Batch {
    fn insert<T: Entity>(&mut self, stored: &Stored<T>) -> Result<()> {
        self.changes.push(Change::Insert(stored.to_record(self.id)?));
        Ok(())
    }

    fn update<T: Entity>(&mut self, stored: &Stored<T>) -> Result<()> {
        self.changes.push(Change::Update(stored.to_record(self.id)?));
        Ok(())
    }

    /// Fails the batch unless the record exists.
    fn require<T: Entity>(&mut self, organization: Id<Organization>, id: Id<T>) {
        self.changes.push(Change::Require { organization, kind: T::KIND, id: id.cast() });
    }

    fn delete<T: Entity>(&mut self, stored: &Stored<T>) {
        self.changes.push(Change::Delete {
            organization: stored.organization,
            kind: T::KIND,
            id: stored.id.cast(),
            revision: stored.revision,
        });
    }
}

/// The target of actions on one app.
fn on_app(app: &Stored<App>) -> Target {
    Target::app(app.organization, app.id)
}

impl fmt::Debug for Depot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Depot")
            .field("blobs", &self.0.blobs)
            .field("records", &self.0.records)
            .field("authorizer", &self.0.authorizer)
            .field("inspector", &self.0.inspector)
            .finish_non_exhaustive()
    }
}
