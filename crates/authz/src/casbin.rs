//! The authorizer: grants of each organization, indexed; decisions by Casbin.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use appdepot_core::authorize::{
    Actor, Authorizer, Difference, Explanation, PolicyChange, Scope, Subject, Target,
};
use appdepot_core::domain::{App, Id, Organization, PermissionPattern, Role};
use appdepot_core::query::Query;
use appdepot_core::records::RecordStore;
use appdepot_core::{Error, Result};
use async_trait::async_trait;
use foldhash::{HashMap, HashMapExt as _};
use parking_lot::RwLock;

use crate::facts::{self, Facts};
use crate::model::{Pool, Question};
use crate::policy::{DEFAULT_POLICY, Permission, Policy, is_by_vendor};
use crate::snapshot::{Asker, Domain, SetId, Snapshot, may_hold_grants};

/// How long a policy is believed before its version is asked for again, unless set otherwise.
pub const LEASE: Duration = Duration::from_secs(1);
/// The longest lease.
pub const LEASE_LIMIT: Duration = Duration::from_secs(5);

/// The most organizations whose grants are kept in memory.
const ORGANIZATION_LIMIT: usize = 16_384;

/// Decides by roles: an actor may do what one of its roles allows and none of them denies.
///
/// Roles come from the grants of the organization to a subject or to a group it is in, for the organization as a
/// whole or on one app. What a role allows comes from one policy, the same in all organizations, and from the
/// organization's own rules. A role given in one organization means nothing in another.
///
/// # Behavior
/// - A change that this process makes is seen by the next decision, once [`Authorizer::changed`] was called.
/// - A change that another process makes is seen within the lease, [`LEASE`] unless set otherwise: after that the
///   policy's version is asked for first, and if it grew, everything is read again. When that fails, the decision
///   fails with `Unavailable`, and denies.
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
/// records.commit(batch.with_policy_versions(Timestamp::now())?).await?;
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
    pub(crate) records: Arc<dyn RecordStore>,
    pub(crate) policy: Arc<Policy>,
    scopes: Arc<Snapshot>,
    lease: Duration,
    pool: Pool,
    organizations: RwLock<HashMap<Id<Organization>, Known>>,
}

/// What is known of one organization. Lies in the map itself: with many organizations every other place is far away.
#[derive(Default)]
struct Known {
    /// The snapshot, and when the reading that confirmed it began.
    held: Option<(Arc<Snapshot>, Instant)>,
    /// Grows with every announced change, so that what was read before one is not kept after it.
    generation: u64,
    turn: Arc<Turn>,
}

/// Held by the one decision that reads; the others wait for what it finds. When reading last failed.
type Turn = tokio::sync::Mutex<Option<Instant>>;

impl CasbinAuthorizer {
    /// An authorizer over the grants in `records`, under [`DEFAULT_POLICY`] and with a lease of [`LEASE`].
    pub fn new(records: Arc<dyn RecordStore>) -> Self {
        // A test reads the default policy; should it be broken after all, nobody may do anything.
        Self::over(records, Policy::parse(DEFAULT_POLICY).unwrap_or_else(|_| Policy::empty()), LEASE)
    }

    fn over(records: Arc<dyn RecordStore>, policy: Policy, lease: Duration) -> Self {
        let policy = Arc::new(policy);
        let scopes = Arc::new(Snapshot::of_scopes(&policy));
        let (pool, organizations) = (Pool::default(), RwLock::new(HashMap::new()));
        Self { records, policy, scopes, lease, pool, organizations }
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
    pub fn with_policy(self, text: &str) -> Result<Self> {
        Ok(Self::over(self.records, Policy::parse(text)?, self.lease))
    }

    /// The same with another lease, at most [`LEASE_LIMIT`]. Zero asks for the version before
    /// every decision.
    #[must_use]
    pub fn with_lease(mut self, lease: Duration) -> Self {
        self.lease = lease.min(LEASE_LIMIT);
        self
    }

    /// The scopes that the policy knows; a credential can be narrowed to some of them.
    pub fn scopes(&self) -> BTreeSet<String> {
        self.policy.scopes()
    }

    /// What `decide` makes of the actor's standing in `organization`, no older than the lease.
    async fn with_snapshot<T>(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        decide: impl Fn(&Arc<Snapshot>, &Asker<'_>) -> Result<T>,
    ) -> Result<T> {
        if !may_hold_grants(&actor.subject) {
            return Err(nowhere());
        }
        let decide = |snapshot: &Arc<Snapshot>| decide(snapshot, &snapshot.asker(actor).ok_or_else(nowhere)?);
        // Mostly nothing has to be read, and nothing is copied either.
        {
            let organizations = self.organizations.read();
            if let Some(snapshot) = organizations.get(&organization).and_then(|known| known.fresh(self.lease))
            {
                return decide(snapshot);
            }
        }
        // Boxed, so that the usual way does not carry the size of this one.
        decide(&Box::pin(self.snapshot(organization)).await?)
    }

    /// Everyone's standing in `organization`, no older than the lease.
    pub(crate) async fn snapshot(&self, organization: Id<Organization>) -> Result<Arc<Snapshot>> {
        let turn = self.turn(organization);
        let asked = Instant::now();
        let mut failed = turn.lock().await;
        let (generation, held) = {
            let organizations = self.organizations.read();
            let known = organizations.get(&organization);
            // Whoever read meanwhile kept its snapshot only if no change was announced since it began.
            if let Some(snapshot) = known.and_then(|known| known.fresh(self.lease)) {
                return Ok(snapshot.clone());
            }
            let held = known.and_then(|known| known.held.as_ref());
            (known.map(|known| known.generation), held.map(|(snapshot, _)| snapshot.clone()))
        };
        if failed.is_some_and(|failed| failed > asked) {
            return Err(Error::unavailable("grants could not be read just now"));
        }
        let began = Instant::now();
        let snapshot = match self.read(organization, held).await {
            Ok(snapshot) => snapshot,
            Err(error) => {
                *failed = Some(Instant::now());
                return Err(error);
            }
        };
        let mut organizations = self.organizations.write();
        let known = organizations.get_mut(&organization);
        if let Some(known) = known.filter(|known| Some(known.generation) == generation) {
            known.held = Some((snapshot.clone(), began));
        }
        Ok(snapshot)
    }

    /// What is written now; `held`, if nothing was changed since.
    async fn read(
        &self,
        organization: Id<Organization>,
        held: Option<Arc<Snapshot>>,
    ) -> Result<Arc<Snapshot>> {
        let version = facts::version(&*self.records, organization).await?;
        match held {
            Some(held) if held.version() == version => Ok(held),
            _ => {
                let facts = Facts::read(&*self.records, organization, version, None).await?;
                Ok(Arc::new(Snapshot::new(&self.policy, &facts)))
            }
        }
    }

    /// Whose turn it is to read an organization.
    fn turn(&self, organization: Id<Organization>) -> Arc<Turn> {
        if let Some(known) = self.organizations.read().get(&organization) {
            return known.turn.clone();
        }
        let mut all = self.organizations.write();
        if all.len() >= ORGANIZATION_LIMIT {
            // One that a decision reads must stay: it tells that decision of changes.
            all.retain(|_, known| Arc::strong_count(&known.turn) > 1 || known.fresh(self.lease).is_some());
            if all.len() >= ORGANIZATION_LIMIT {
                all.retain(|_, known| Arc::strong_count(&known.turn) > 1);
            }
        }
        all.entry(organization).or_default().turn.clone()
    }

    /// Whether a catalogued permission is within the rights that the asker has on the target.
    pub(crate) fn permits(
        &self,
        snapshot: &Arc<Snapshot>,
        asker: &Asker<'_>,
        permission: &Permission,
        target: &Target,
    ) -> Result<bool> {
        let subject = asker.subject;
        let mut sets = asker.on(target.app);
        let Some((set, mut on)) = sets.next() else { return Ok(false) };
        let mut more: Vec<u32> = Vec::new();
        for (other, app) in sets {
            more.extend(snapshot.names(other));
            on = on.or(app);
        }
        // First and before the names are looked up: mostly it is.
        let known = if more.is_empty() { snapshot.known(set, permission.place) } else { None };
        if let Some(known) = known {
            return Ok(known);
        }
        let (held_in, domain) = (snapshot.held_in(on), Domain::new(target.organization, on));
        if more.is_empty() {
            let names = snapshot.names(set);
            return self.ask(set, Question { snapshot, subject, names, held_in, permission, domain });
        }
        // What a credential says about groups is different each time, so nothing is remembered.
        more.extend(snapshot.names(set));
        more.sort_unstable();
        more.dedup();
        self.pool.ask(&Question { snapshot, subject, names: &more, held_in, permission, domain })
    }

    /// Whether the credential was not narrowed, or one of its scopes permits as well.
    pub(crate) fn within_scopes(&self, actor: &Actor, permission: &Permission) -> Result<bool> {
        let Some(scopes) = &actor.scopes else { return Ok(true) };
        let (snapshot, domain) = (&self.scopes, Domain::Scopes);
        let meant = |scope: &&String| actor.vendor.is_some() || !is_by_vendor(scope);
        for scope in scopes.iter().filter(meant) {
            let Some(standing) = snapshot.standing(scope) else { continue };
            let (set, _) = standing.on(None);
            let permits = match snapshot.known(set, permission.place) {
                Some(known) => known,
                None => {
                    let (subject, names) = (&format!("scope:{scope}"), snapshot.names(set));
                    let held_in = snapshot.held_in(None);
                    self.ask(set, Question { snapshot, subject, names, held_in, permission, domain })?
                }
            };
            if permits {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Finds out about a set, and keeps it.
    fn ask(&self, set: SetId, question: Question<'_>) -> Result<bool> {
        let answer = self.pool.ask(&question)?;
        question.snapshot.learn(set, question.permission.place, answer);
        Ok(answer)
    }

    /// On which apps the actor may, as far as that can be told without knowing which apps there are.
    fn reach(
        &self,
        snapshot: &Arc<Snapshot>,
        asker: &Asker<'_>,
        actor: &Actor,
        permission: &str,
        organization: Id<Organization>,
    ) -> Result<Reach> {
        let none = Reach::Only(BTreeSet::new());
        let Some(permission) = self.policy.permission(permission) else { return Ok(none) };
        if !self.within_scopes(actor, permission)? {
            return Ok(none);
        }
        let permits = |target| self.permits(snapshot, asker, permission, &target);
        let (mut permitted, mut denied) = (BTreeSet::new(), BTreeSet::new());
        for app in asker.apps() {
            let set = if permits(Target::app(organization, app))? { &mut permitted } else { &mut denied };
            set.insert(app);
        }
        let everywhere = permits(Target::organization(organization))?;
        Ok(if everywhere { Reach::AllBut(denied) } else { Reach::Only(permitted) })
    }
}

/// The apps on which something is permitted.
enum Reach {
    AllBut(BTreeSet<Id<App>>),
    Only(BTreeSet<Id<App>>),
}

#[async_trait]
impl Authorizer for CasbinAuthorizer {
    async fn authorize(&self, actor: &Actor, permission: &str, target: &Target) -> Result<()> {
        self.with_snapshot(actor, target.organization, |snapshot, asker| {
            let Some(permission) = self.policy.permission(permission) else {
                tracing::debug!(length = permission.len(), "denied an unknown permission");
                let shown = if permission.len() > PermissionPattern::LIMIT { "unknown" } else { permission };
                return Err(Error::forbidden(shown.to_owned()));
            };
            if self.permits(snapshot, asker, permission, target)? && self.within_scopes(actor, permission)? {
                return Ok(());
            }
            Err(Error::forbidden(permission.text.to_string()))
        })
        .await
    }

    async fn scope(&self, actor: &Actor, permission: &str, organization: Id<Organization>) -> Result<Scope> {
        let reach = self.with_snapshot(actor, organization, |snapshot, asker| {
            self.reach(snapshot, asker, actor, permission, organization)
        });
        match reach.await? {
            Reach::Only(apps) => Ok(Scope::Apps(apps)),
            Reach::AllBut(denied) if denied.is_empty() => Ok(Scope::All),
            // Only a policy with deny rows gets here, and pays for naming the others.
            Reach::AllBut(denied) => {
                let apps = facts::all::<App>(&*self.records, Query::of::<App>(organization)).await?;
                let apps = apps.into_iter().map(|app| app.id);
                Ok(Scope::Apps(apps.filter(|app| !denied.contains(app)).collect()))
            }
        }
    }

    async fn outranks(&self, actor: &Actor, role: &Role, target: &Target) -> Result<bool> {
        let matters = self.matters_of(role, target.organization).await?;
        self.with_snapshot(actor, target.organization, |snapshot, asker| {
            for permission in &matters {
                if !self.permits(snapshot, asker, permission, target)?
                    || !self.within_scopes(actor, permission)?
                {
                    return Ok(false);
                }
            }
            Ok(true)
        })
        .await
    }

    async fn explain(&self, actor: &Actor, permission: &str, target: &Target) -> Result<Explanation> {
        self.why(actor, permission, target).await
    }

    async fn who_can(&self, permission: &str, target: &Target) -> Result<BTreeSet<Subject>> {
        self.whoever_can(permission, target).await
    }

    async fn what_if(&self, organization: Id<Organization>, change: &PolicyChange) -> Result<Difference> {
        self.difference(organization, change).await
    }

    async fn changed(&self, organization: Id<Organization>) {
        // Of one that is not there nothing is known and nobody is reading.
        if let Some(known) = self.organizations.write().get_mut(&organization) {
            known.generation += 1;
            known.held = None;
        }
    }
}

impl fmt::Debug for CasbinAuthorizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CasbinAuthorizer").field("lease", &self.lease).finish_non_exhaustive()
    }
}

impl Known {
    /// The snapshot, when it was confirmed within the lease.
    fn fresh(&self, lease: Duration) -> Option<&Arc<Snapshot>> {
        let (snapshot, confirmed) = self.held.as_ref()?;
        (confirmed.elapsed() < lease).then_some(snapshot)
    }
}

fn nowhere() -> Error {
    Error::not_found("organization")
}
