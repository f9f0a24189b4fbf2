//! The authorizer: grants of each organization, indexed; decisions by Casbin.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use appdepot_core::authorize::{Actor, Authorizer, Scope, Target};
use appdepot_core::domain::{App, Entity, Grant, Id, Organization, Stored};
use appdepot_core::query::{Field, PAGE_LIMIT, Query, Sort};
use appdepot_core::records::{Record, RecordStore};
use appdepot_core::{Error, Result};
use async_trait::async_trait;
use parking_lot::RwLock;

use crate::model::{Pool, Question};
use crate::policy::{DEFAULT_POLICY, Permission, Policy, SCOPE_DOMAIN, WORD_LIMIT};
use crate::snapshot::{Rights, Snapshot, Standing, may_hold_grants};

/// How long grants that were read are believed before they are read again, unless set otherwise.
pub const LEASE: Duration = Duration::from_secs(1);
/// The longest lease.
pub const LEASE_LIMIT: Duration = Duration::from_secs(5);

/// The most organizations whose grants are kept in memory.
const ORGANIZATION_LIMIT: usize = 16_384;
/// The most pages of one organization's records that are read, [`PAGE_LIMIT`] records each.
const PAGES_LIMIT: usize = 1_000;

/// Decides by roles: an actor may do what one of its roles allows and none of them denies.
///
/// Roles come from the grants of the organization, in it as a whole or on one app; what a role allows comes from
/// one policy, the same in all organizations. A role given in one organization means nothing in another.
///
/// # Behavior
/// - A change that this process makes is seen by the next decision, once [`Authorizer::changed`] was called.
/// - A change that another process makes is seen within the lease, [`LEASE`] unless set otherwise: grants read
///   longer ago are read again first. When that fails, the decision fails with `Unavailable`, and denies.
/// - Subjects other than users and keys have no rights here, whatever grants name them.
///
/// # Examples
/// ```
/// use std::sync::Arc;
/// use appdepot_authz::CasbinAuthorizer;
/// use appdepot_core::authorize::{Actor, Authorizer, Subject, Target, permission};
/// use appdepot_core::domain::{Grant, Id, Role, Stored, Timestamp};
/// use appdepot_core::memory::MemoryRecords;
/// use appdepot_core::records::{Batch, Change, RecordStore};
///
/// # futures::executor::block_on(async {
/// let records: Arc<dyn RecordStore> = Arc::new(MemoryRecords::new());
/// let authorizer = CasbinAuthorizer::new(records.clone());
///
/// let organization = Id::generate();
/// let grant = Grant { subject: Subject::user("ada")?, role: Role::parse("org.viewer")?, app: None };
/// let mut batch = Batch::new();
/// batch.changes.push(Change::Insert(Stored::new(organization, grant, Timestamp::now()).to_record(batch.id)?));
/// records.commit(batch).await?;
/// authorizer.changed(organization).await;
///
/// let ada = Actor::new(Subject::user("ada")?);
/// let target = Target::organization(organization);
/// assert!(authorizer.authorize(&ada, permission::ASSET_GET, &target).await.is_ok());
/// assert!(authorizer.authorize(&ada, permission::ASSET_CREATE, &target).await.is_err());
/// # Ok::<(), appdepot_core::Error>(())
/// # }).unwrap();
/// ```
pub struct CasbinAuthorizer {
    records: Arc<dyn RecordStore>,
    policy: Arc<Policy>,
    lease: Duration,
    pool: Pool,
    organizations: RwLock<HashMap<Id<Organization>, Arc<Slot>>>,
}

/// What is known of one organization.
#[derive(Default)]
struct Slot {
    state: RwLock<State>,
    /// Held by the one decision that reads; the others wait for what it finds.
    reading: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    /// Grows with every announced change, so that grants read before one are not kept after it.
    generation: u64,
    /// The snapshot, and when the reading that confirmed it began.
    held: Option<(Arc<Snapshot>, Instant)>,
    /// When reading last failed.
    failed: Option<Instant>,
}

impl CasbinAuthorizer {
    /// An authorizer over the grants in `records`, under [`DEFAULT_POLICY`] and with a lease of [`LEASE`].
    pub fn new(records: Arc<dyn RecordStore>) -> Self {
        // A test reads the default policy; should it be broken after all, nobody may do anything.
        let policy = Policy::parse(DEFAULT_POLICY).unwrap_or_else(|_| Policy::empty());
        let (pool, organizations) = (Pool::default(), RwLock::default());
        Self { records, policy: Arc::new(policy), lease: LEASE, pool, organizations }
    }

    /// The same under another policy, in place of [`DEFAULT_POLICY`].
    ///
    /// # Behavior
    /// - One rule a line, `#` starts a comment line: `p, NAME, PATTERN, allow|deny` and
    ///   `g, NAME, INCLUDED NAME`. A name is `role:` or `scope:` and a role's or scope's name; a pattern is a
    ///   permission, or whole leading segments and `.*`, or `*`. A deny beats every allow.
    /// - Permissions that are named in full can be asked for, besides those of the core.
    ///
    /// # Errors
    /// `Invalid` with the line for anything else, for a role that includes itself, for more than 1,024 names and
    /// for a policy without `p` lines.
    ///
    /// # Examples
    /// ```
    /// use std::sync::Arc;
    /// use appdepot_authz::{CasbinAuthorizer, DEFAULT_POLICY};
    /// use appdepot_core::memory::MemoryRecords;
    ///
    /// let more = format!("{DEFAULT_POLICY}\ng, role:qa, role:org.viewer\np, role:qa, mdm.*, allow\n");
    /// CasbinAuthorizer::new(Arc::new(MemoryRecords::new())).with_policy(&more)?;
    /// # Ok::<(), appdepot_core::Error>(())
    /// ```
    pub fn with_policy(mut self, text: &str) -> Result<Self> {
        self.policy = Arc::new(Policy::parse(text)?);
        self.organizations = RwLock::default();
        Ok(self)
    }

    /// The same with another lease, at most [`LEASE_LIMIT`]. Zero reads the grants for every decision.
    #[must_use]
    pub fn with_lease(mut self, lease: Duration) -> Self {
        self.lease = lease.min(LEASE_LIMIT);
        self
    }

    /// The scopes that the policy knows; a credential can be narrowed to some of them.
    pub fn scopes(&self) -> BTreeSet<String> {
        self.policy.scopes()
    }

    /// Everyone's standing in `organization`, no older than the lease; for subjects that can have any.
    async fn snapshot_for(&self, actor: &Actor, organization: Id<Organization>) -> Result<Arc<Snapshot>> {
        if !may_hold_grants(&actor.subject) {
            return Err(Error::not_found("organization"));
        }
        let slot = self.slot(organization);
        if let Some(snapshot) = slot.fresh(self.lease) {
            return Ok(snapshot);
        }
        let asked = Instant::now();
        let _reading = slot.reading.lock().await;
        // Whoever read meanwhile kept its snapshot only if no change was announced since it began.
        if let Some(snapshot) = slot.fresh(self.lease) {
            return Ok(snapshot);
        }
        if slot.state.read().failed.is_some_and(|failed| failed > asked) {
            return Err(Error::unavailable("grants could not be read just now"));
        }
        let (generation, held) = {
            let state = slot.state.read();
            (state.generation, state.held.as_ref().map(|(snapshot, _)| snapshot.clone()))
        };
        let began = Instant::now();
        let grants = match self.read::<Grant>(organization).await {
            Ok(grants) => grants,
            Err(error) => {
                slot.state.write().failed = Some(Instant::now());
                return Err(error);
            }
        };
        let snapshot = match held {
            Some(held) if held.is_made_from(&grants) => held,
            _ => Arc::new(Snapshot::new(organization, grants, &self.policy)),
        };
        let mut state = slot.state.write();
        if state.generation == generation {
            state.held = Some((snapshot.clone(), began));
        }
        Ok(snapshot)
    }

    fn slot(&self, organization: Id<Organization>) -> Arc<Slot> {
        if let Some(slot) = self.organizations.read().get(&organization) {
            return slot.clone();
        }
        let mut slots = self.organizations.write();
        if slots.len() >= ORGANIZATION_LIMIT {
            // One that a decision holds must stay: it tells that decision of changes.
            slots.retain(|_, slot| Arc::strong_count(slot) > 1 || slot.fresh(self.lease).is_some());
            if slots.len() >= ORGANIZATION_LIMIT {
                slots.retain(|_, slot| Arc::strong_count(slot) > 1);
            }
        }
        slots.entry(organization).or_default().clone()
    }

    /// All of an organization's records of one kind, by id.
    async fn read<T: Entity>(&self, organization: Id<Organization>) -> Result<Vec<Stored<T>>> {
        let first = Query::of::<T>(organization).sort(Sort::ascending(Field::Id)).limit(PAGE_LIMIT);
        let mut query = first.clone();
        let mut all = Vec::new();
        for _ in 0..PAGES_LIMIT {
            let page = self.records.list(&query).await.map_err(Error::unavailable)?;
            for record in page.items {
                all.push(read_checked(record, organization)?);
            }
            match page.next {
                None => return Ok(all),
                Some(next) => query = first.clone().after(next),
            }
        }
        Err(Error::internal("more records than can be decided upon"))
    }

    /// Whether a catalogued permission is within the rights that `standing` has on `app`.
    async fn permits(
        &self,
        actor: &Actor,
        standing: &Standing,
        permission: &Permission,
        organization: Id<Organization>,
        app: Option<Id<App>>,
    ) -> Result<bool> {
        let (rights, domain) = standing.on(organization, app);
        match rights.known(permission.place) {
            Some(known) => Ok(known),
            None => self.ask(actor.subject.as_str(), rights, permission, &domain.text()).await,
        }
    }

    /// Whether the credential was not narrowed, or one of its scopes permits as well.
    async fn within_scopes(&self, actor: &Actor, permission: &Permission) -> Result<bool> {
        let Some(scopes) = &actor.scopes else { return Ok(true) };
        for scope in scopes {
            let Some(rights) = self.policy.scope(scope) else { continue };
            let permits = match rights.known(permission.place) {
                Some(known) => known,
                None => self.ask(&format!("scope:{scope}"), rights, permission, SCOPE_DOMAIN).await?,
            };
            if permits {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn ask(
        &self,
        subject: &str,
        rights: &Rights,
        permission: &Permission,
        domain: &str,
    ) -> Result<bool> {
        let held_in = &rights.domain;
        let question = Question { subject, names: &rights.names, held_in, permission, domain };
        let answer = self.pool.ask(&self.policy, &question).await?;
        rights.learn(permission.place, answer);
        Ok(answer)
    }
}

#[async_trait]
impl Authorizer for CasbinAuthorizer {
    async fn authorize(&self, actor: &Actor, permission: &str, target: &Target) -> Result<()> {
        let snapshot = self.snapshot_for(actor, target.organization).await?;
        let standing = snapshot.standing(&actor.subject).ok_or_else(|| Error::not_found("organization"))?;
        let Some(permission) = self.policy.permission(permission) else {
            tracing::debug!(length = permission.len(), "denied an unknown permission");
            let shown = if permission.len() > WORD_LIMIT { "unknown" } else { permission };
            return Err(Error::forbidden(shown.to_owned()));
        };
        if self.permits(actor, standing, permission, target.organization, target.app).await?
            && self.within_scopes(actor, permission).await?
        {
            return Ok(());
        }
        Err(Error::forbidden(permission.text.to_string()))
    }

    async fn scope(&self, actor: &Actor, permission: &str, organization: Id<Organization>) -> Result<Scope> {
        let snapshot = self.snapshot_for(actor, organization).await?;
        let standing = snapshot.standing(&actor.subject).ok_or_else(|| Error::not_found("organization"))?;
        let Some(permission) = self.policy.permission(permission) else {
            return Ok(Scope::Apps(BTreeSet::new()));
        };
        if !self.within_scopes(actor, permission).await? {
            return Ok(Scope::Apps(BTreeSet::new()));
        }
        let (mut permitted, mut denied) = (BTreeSet::new(), BTreeSet::new());
        for app in standing.apps() {
            let permits = self.permits(actor, standing, permission, organization, Some(app)).await?;
            if permits { &mut permitted } else { &mut denied }.insert(app);
        }
        if !self.permits(actor, standing, permission, organization, None).await? {
            return Ok(Scope::Apps(permitted));
        }
        if denied.is_empty() {
            return Ok(Scope::All);
        }
        // Permitted on all apps but some. Only a policy with deny rows gets here, and pays for naming the others.
        let apps = self.read::<App>(organization).await?.into_iter().map(|app| app.id);
        Ok(Scope::Apps(apps.filter(|app| !denied.contains(app)).collect()))
    }

    async fn changed(&self, organization: Id<Organization>) {
        // Without a slot nothing is known and nobody is reading.
        let slot = self.organizations.read().get(&organization).cloned();
        if let Some(slot) = slot {
            let mut state = slot.state.write();
            state.generation += 1;
            state.held = None;
        }
    }
}

impl fmt::Debug for CasbinAuthorizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CasbinAuthorizer").field("lease", &self.lease).finish_non_exhaustive()
    }
}

impl Slot {
    /// The snapshot, when it was confirmed within the lease.
    fn fresh(&self, lease: Duration) -> Option<Arc<Snapshot>> {
        let state = self.state.read();
        let (snapshot, confirmed) = state.held.as_ref()?;
        (confirmed.elapsed() < lease).then(|| snapshot.clone())
    }
}

/// A store that answers with another organization's record must not decide anything here. One record that cannot
/// be read fails the whole reading: it may be the one that denies.
fn read_checked<T: Entity>(record: Record, organization: Id<Organization>) -> Result<Stored<T>> {
    if record.organization != organization || record.kind != T::KIND {
        return Err(Error::internal("the record store answered with a record that was not asked for"));
    }
    Stored::from_record(record)
}
