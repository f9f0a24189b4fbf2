//! Grants, groups and rules as they change: in one process, and in several on one database.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use appdepot::authorize::{Actor, Authorizer, Decision, PolicyChange, Subject, Target, permission};
use appdepot::authz::CasbinAuthorizer;
use appdepot::depot::Depot;
use appdepot::domain::{
    Effect, EventFilter, Grant, Holder, Id, Kind, Organization, PermissionPattern, Role, Rule, Stored,
};
use appdepot::query::Query;
use appdepot::records::{Key, RecordStore};
use appdepot::{ErrorKind, Result};

mod support;

use support::backends::{Backend, Database, Trials, cases};

/// Two processes' views of one fresh database.
struct World {
    depots: [Depot; 2],
    /// That of the first.
    authorizer: Arc<dyn Authorizer>,
    records: Arc<dyn RecordStore>,
    acme: Id<Organization>,
    _database: Database,
}

const LEASE: Duration = Duration::from_millis(200);

fn main() {
    let usual = cases! {
        World::new:
        a_change_is_seen_here_at_once_and_elsewhere_within_the_lease,
        sixteen_writers_all_get_through,
        no_decision_is_stale_in_a_short_race,
        two_owners_who_remove_each_other_leave_one,
        a_rule_works_at_once_and_is_told_of,
        bad_rules_are_refused,
        another_organizations_rules_do_not_exist,
        a_group_gives_its_members_its_roles,
        nobody_gives_more_than_they_have,
        a_rule_that_nobody_could_remove_is_refused,
        one_may_ask_about_oneself,
    };
    let mut trials = Trials::new();
    for backend in [Backend::Sqlite, Backend::Postgres] {
        for (name, case) in usual {
            trials.add(backend, name, case);
        }
        let [(name, case)] = cases! { World::new: no_decision_is_stale_in_a_long_race };
        trials.add(backend, name, case).ignored();
    }
    trials.run()
}

impl World {
    async fn new(database: Database) -> Self {
        let (one, two) = (database.records().await, database.records().await);
        let authorizers = [&one, &two].map(|records| {
            let authorizer = CasbinAuthorizer::new(records.clone()).with_lease(LEASE);
            Arc::new(authorizer) as Arc<dyn Authorizer>
        });
        let depots = [(&one, &authorizers[0]), (&two, &authorizers[1])].map(|(records, authorizer)| {
            Depot::builder().records(records.clone()).authorizer(authorizer.clone()).build()
        });
        let [authorizer, _] = authorizers;
        let acme = depots[0].create_organization(&system(), "acme", "Acme").await.unwrap().id;
        World { depots, authorizer, records: one, acme, _database: database }
    }
}

fn system() -> Actor {
    Actor::system("test")
}

fn subject(name: &str) -> Subject {
    Subject::user(name).unwrap()
}

fn user(name: &str) -> Actor {
    Actor::new(subject(name))
}

fn role(name: &str) -> Role {
    Role::parse(name).unwrap()
}

fn allow(holder: &str, pattern: &str, effect: Effect) -> Rule {
    let holder = Holder::try_from(holder.to_owned()).unwrap();
    Rule::Permission { holder, pattern: PermissionPattern::parse(pattern).unwrap(), effect }
}

fn include(name: &str, included: &str) -> Rule {
    Rule::Inclusion { role: role(name), included: role(included) }
}

fn kind<T>(result: Result<T>) -> Option<ErrorKind> {
    result.err().map(|error| error.kind())
}

impl World {
    async fn give(&self, name: &str, given: &str) {
        self.depots[0].grant(&system(), self.acme, subject(name), role(given), None).await.unwrap();
    }

    /// Whether `name` may see the trail in the process `at`.
    async fn sees(&self, at: usize, name: &str) -> Option<ErrorKind> {
        kind(self.depots[at].events(&user(name), &EventFilter::of(self.acme)).await)
    }

    async fn put(&self, rule: Rule) -> Result<Stored<Rule>> {
        self.depots[0].put_rule(&user("olga"), self.acme, rule).await
    }

    async fn version(&self) -> u64 {
        let key = Key::Id { organization: self.acme, kind: Kind::PolicyVersion, id: Id::NIL };
        self.records.get(&key).await.unwrap().map_or(0, |record| record.revision)
    }
}

async fn a_change_is_seen_here_at_once_and_elsewhere_within_the_lease(world: World) {
    world.give("olga", Role::OWNER).await;
    for _ in 0..3 {
        world.give("adam", "org.admin").await;
        assert_eq!(world.sees(0, "adam").await, None);
        tokio::time::sleep(LEASE).await;
        assert_eq!(world.sees(1, "adam").await, None);
        world.depots[0]
            .revoke(&system(), world.acme, subject("adam"), role("org.admin"), None)
            .await
            .unwrap();
        assert_eq!(world.sees(0, "adam").await, Some(ErrorKind::NotFound));
        tokio::time::sleep(LEASE).await;
        assert_eq!(world.sees(1, "adam").await, Some(ErrorKind::NotFound));
    }
}

async fn sixteen_writers_all_get_through(world: World) {
    let before = world.version().await;
    let writers = (0..16).map(|at| {
        let (depot, acme) = (world.depots[at % 2].clone(), world.acme);
        tokio::spawn(async move {
            for n in 0..5 {
                let name = format!("u{at}-{n}");
                depot.grant(&system(), acme, subject(&name), role("org.viewer"), None).await.unwrap();
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    assert_eq!(world.version().await, before + 80);
}

async fn no_decision_is_stale_in_a_short_race(world: World) {
    race(world, 100, 20_000).await;
}

async fn no_decision_is_stale_in_a_long_race(world: World) {
    race(world, 10_000, 1_000_000).await;
}

/// While one task gives and revokes a role `revokes` times, others decide. A decision that began after a revoke
/// was acknowledged, and ended before the next grant was asked for, must deny.
async fn race(world: World, revokes: u64, decisions: u64) {
    const END: u64 = u64::MAX;
    world.give("olga", Role::OWNER).await;
    // Even: revoked and acknowledged; odd: granted, or about to be.
    let phase = Arc::new(AtomicU64::new(0));
    let counts = Arc::new([const { AtomicU64::new(0) }; 3]);
    let deciders: Vec<_> = (0..2)
        .map(|_| {
            let (authorizer, acme) = (world.authorizer.clone(), world.acme);
            let (phase, counts) = (phase.clone(), counts.clone());
            tokio::spawn(async move {
                let (adam, target) = (user("adam"), Target::organization(acme));
                while phase.load(SeqCst) != END {
                    let before = phase.load(SeqCst);
                    let allowed = authorizer.authorize(&adam, permission::EVENT_LIST, &target).await.is_ok();
                    let after = phase.load(SeqCst);
                    counts[0].fetch_add(1, SeqCst);
                    if before == after && before % 2 == 0 {
                        counts[1].fetch_add(1, SeqCst);
                        counts[2].fetch_add(u64::from(allowed), SeqCst);
                    }
                    if before % 2 == 1 || counts[0].load(SeqCst).is_multiple_of(64) {
                        tokio::task::yield_now().await;
                    }
                }
            })
        })
        .collect();
    for _ in 0..revokes {
        phase.fetch_add(1, SeqCst);
        world.give("adam", "org.admin").await;
        world.depots[0]
            .revoke(&system(), world.acme, subject("adam"), role("org.admin"), None)
            .await
            .unwrap();
        let decided = counts[1].load(SeqCst);
        phase.fetch_add(1, SeqCst);
        while counts[1].load(SeqCst) < decided + decisions / revokes {
            tokio::task::yield_now().await;
        }
    }
    phase.store(END, SeqCst);
    for decider in deciders {
        decider.await.unwrap();
    }
    let [all, after, stale] = [0, 1, 2].map(|at| counts[at].load(SeqCst));
    assert!(after >= decisions);
    assert_eq!(stale, 0, "of {after} decisions after a revoke, {all} in all");
}

async fn two_owners_who_remove_each_other_leave_one(world: World) {
    let owners = ["olga", "otto"];
    for _ in 0..10 {
        for name in owners {
            world.give(name, Role::OWNER).await;
        }
        // Both processes know both owners.
        tokio::time::sleep(LEASE).await;
        let remove = async |at: usize| {
            let (actor, other) = (user(owners[at]), subject(owners[1 - at]));
            world.depots[at].revoke(&actor, world.acme, other, role(Role::OWNER), None).await
        };
        let (one, two) = tokio::join!(remove(0), remove(1));
        assert!(one.is_ok() != two.is_ok(), "{one:?} {two:?}");
        let left = world.depots[0].grants(&system(), Query::of::<Grant>(world.acme)).await.unwrap().items;
        assert_eq!(left.len(), 1);
        let last = left[0].subject.clone();
        let gone = world.depots[0].revoke(&system(), world.acme, last, role(Role::OWNER), None).await;
        assert_eq!(kind(gone), Some(ErrorKind::Conflict));
    }
}

async fn a_rule_works_at_once_and_is_told_of(world: World) {
    world.give("olga", Role::OWNER).await;
    world.give("adam", "auditor").await;
    assert_eq!(world.sees(0, "adam").await, Some(ErrorKind::Forbidden));
    let rule = world.put(allow("role:auditor", "base.organization.event.*", Effect::Allow)).await.unwrap();
    assert_eq!(world.sees(0, "adam").await, None);
    tokio::time::sleep(LEASE).await;
    assert_eq!(world.sees(1, "adam").await, None);
    // The same again changes nothing; another effect replaces it.
    let again = world.put(rule.value.clone()).await.unwrap();
    assert_eq!((again.id, again.revision), (rule.id, 1));
    let deny = world.put(allow("role:auditor", "base.organization.event.*", Effect::Deny)).await.unwrap();
    assert_eq!((deny.id, deny.revision), (rule.id, 2));
    assert_eq!(world.sees(0, "adam").await, Some(ErrorKind::Forbidden));
    world.give("adam", "org.admin").await;
    assert_eq!(world.sees(0, "adam").await, Some(ErrorKind::Forbidden), "a deny beats every allow");
    world.depots[0].remove_rule(&user("olga"), world.acme, rule.id).await.unwrap();
    assert_eq!(world.sees(0, "adam").await, None);
    // A deny on one user alone, and a role that includes another.
    world.put(allow("user:adam", "base.organization.event.list", Effect::Deny)).await.unwrap();
    assert_eq!(world.sees(0, "adam").await, Some(ErrorKind::Forbidden));
    world.give("eve", "chief").await;
    assert_eq!(world.sees(0, "eve").await, Some(ErrorKind::Forbidden));
    world.put(include("chief", "org.admin")).await.unwrap();
    assert_eq!(world.sees(0, "eve").await, None);
    let events = world.depots[0].events(&system(), &EventFilter::of(world.acme)).await.unwrap();
    let told = |action: &str| events.iter().filter(|event| event.event.action == action).count();
    assert_eq!((told("rule.put"), told("rule.remove")), (4, 1));
    let rules = world.depots[0].rules(&user("eve"), Query::of::<Rule>(world.acme)).await.unwrap();
    assert_eq!(rules.items.len(), 2);
}

async fn bad_rules_are_refused(world: World) {
    world.give("olga", Role::OWNER).await;
    world.give("adam", "org.admin").await;
    world.put(include("a", "b")).await.unwrap();
    world.put(include("b", "c")).await.unwrap();
    for rule in [
        allow("role:qa", "no.such.permission.get", Effect::Allow),
        allow("role:qa", "no.*", Effect::Deny),
        allow("role:org.owner", "mdm.*", Effect::Deny),
        allow("user:adam", "mdm.*", Effect::Allow),
        include("c", "a"),
        include("org.member", "org.viewer"),
        include("a", "a"),
        include("a", "org.owner"),
    ] {
        assert_eq!(kind(world.put(rule.clone()).await), Some(ErrorKind::Invalid), "{rule:?}");
        let what_if = world.depots[0].what_if(&user("olga"), world.acme, &PolicyChange::Put(rule)).await;
        assert_eq!(kind(what_if), Some(ErrorKind::Invalid));
    }
    let rule = allow("role:org.admin", "*", Effect::Allow);
    let by_admin = world.depots[0].put_rule(&user("adam"), world.acme, rule).await;
    assert_eq!(kind(by_admin), Some(ErrorKind::Forbidden));
    assert_eq!(world.depots[0].rules(&system(), Query::of::<Rule>(world.acme)).await.unwrap().items.len(), 2);
}

async fn another_organizations_rules_do_not_exist(world: World) {
    world.give("olga", Role::OWNER).await;
    let evil = world.depots[0].create_organization(&system(), "evil", "Evil").await.unwrap().id;
    world.depots[0].grant(&system(), evil, subject("mallory"), role(Role::OWNER), None).await.unwrap();
    let rule = world.put(allow("role:qa", "mdm.*", Effect::Allow)).await.unwrap();
    let mallory = user("mallory");
    let target = Target::organization(world.acme);
    let depot = &world.depots[0];
    let found = [
        kind(depot.rules(&mallory, Query::of::<Rule>(world.acme)).await),
        kind(depot.put_rule(&mallory, world.acme, rule.value.clone()).await),
        kind(depot.remove_rule(&mallory, world.acme, rule.id).await),
        kind(depot.remove_rule(&mallory, evil, rule.id).await),
        kind(depot.explain(&mallory, &mallory.subject, permission::APP_GET, &target).await),
        kind(depot.explain(&mallory, &subject("olga"), permission::APP_GET, &target).await),
        kind(depot.who_can(&mallory, permission::APP_GET, &target).await),
        kind(depot.what_if(&mallory, world.acme, &PolicyChange::Remove(rule.value.clone())).await),
    ];
    assert_eq!(found, [Some(ErrorKind::NotFound); 8]);
    // The same rule elsewhere gives nothing here.
    depot.put_rule(&mallory, evil, allow("role:qb", "mad.*", Effect::Allow)).await.unwrap();
    world.give("adam", "qb").await;
    let adam = depot.explain(&user("adam"), &subject("adam"), permission::APP_GET, &target).await.unwrap();
    assert_eq!(adam.outcome, Decision::NoRole);
}

async fn a_group_gives_its_members_its_roles(world: World) {
    world.give("olga", Role::OWNER).await;
    let (depot, olga) = (&world.depots[0], user("olga"));
    let group = depot.create_group(&olga, world.acme, "auditors", "").await.unwrap().id;
    depot.grant(&olga, world.acme, Subject::group(group), role("org.admin"), None).await.unwrap();
    assert_eq!(world.sees(0, "adam").await, Some(ErrorKind::NotFound));
    let adam = [subject("adam")];
    depot.change_members(&olga, world.acme, group, &adam, &[]).await.unwrap();
    assert_eq!(world.sees(0, "adam").await, None);
    tokio::time::sleep(LEASE).await;
    assert_eq!(world.sees(1, "adam").await, None);
    depot.change_members(&olga, world.acme, group, &[], &adam).await.unwrap();
    assert_eq!(world.sees(0, "adam").await, Some(ErrorKind::NotFound));
    tokio::time::sleep(LEASE).await;
    assert_eq!(world.sees(1, "adam").await, Some(ErrorKind::NotFound));
    let nested = depot.change_members(&olga, world.acme, group, &[Subject::group(group)], &[]).await;
    assert_eq!(kind(nested), Some(ErrorKind::Invalid));
    let nowhere = Subject::group(Id::generate());
    let unknown = depot.grant(&olga, world.acme, nowhere, role("org.admin"), None).await;
    assert_eq!(kind(unknown), Some(ErrorKind::NotFound));
}

async fn nobody_gives_more_than_they_have(world: World) {
    world.give("olga", Role::OWNER).await;
    world.give("adam", "org.admin").await;
    let (depot, olga, adam) = (&world.depots[0], user("olga"), user("adam"));
    world.put(allow("role:chief", "*", Effect::Allow)).await.unwrap();
    world.put(allow("role:banned", "*", Effect::Deny)).await.unwrap();
    world.put(include("deputy", "chief")).await.unwrap();
    let give = async |name: &str, given: &str| {
        kind(depot.grant(&adam, world.acme, subject(name), role(given), None).await)
    };
    assert_eq!(give("eve", "org.admin").await, None);
    for given in ["chief", "deputy", "banned", Role::OWNER] {
        assert_eq!(give("adam", given).await, Some(ErrorKind::Forbidden), "{given}");
    }
    let owners = depot.create_group(&olga, world.acme, "owners", "").await.unwrap().id;
    let denied = depot.create_group(&olga, world.acme, "denied", "").await.unwrap().id;
    depot.grant(&olga, world.acme, Subject::group(owners), role(Role::OWNER), None).await.unwrap();
    world.put(allow(Subject::group(denied).as_str(), "mdm.*", Effect::Deny)).await.unwrap();
    for group in [owners, denied] {
        let joined = depot.change_members(&adam, world.acme, group, &[subject("adam")], &[]).await;
        assert_eq!(kind(joined), Some(ErrorKind::Forbidden));
    }
    for group in [owners, denied] {
        depot.change_members(&olga, world.acme, group, &[subject("adam")], &[]).await.unwrap();
    }
}

async fn a_rule_that_nobody_could_remove_is_refused(world: World) {
    for name in ["olga", "otto"] {
        world.give(name, Role::OWNER).await;
    }
    world.give("olga", "org.viewer").await;
    world.put(allow("role:org.viewer", "base.*", Effect::Deny)).await.unwrap();
    let last = allow("user:otto", "*", Effect::Deny);
    assert_eq!(kind(world.put(last.clone()).await), Some(ErrorKind::Forbidden));
    let system = world.depots[0].put_rule(&system(), world.acme, last).await;
    assert_eq!(kind(system), Some(ErrorKind::Conflict));
}

async fn one_may_ask_about_oneself(world: World) {
    world.give("olga", Role::OWNER).await;
    world.give("vic", "org.viewer").await;
    let (depot, vic, target) = (&world.depots[0], user("vic"), Target::organization(world.acme));
    let own = depot.explain(&vic, &vic.subject, permission::APP_GET, &target).await.unwrap();
    assert_eq!(own.outcome, Decision::Allowed);
    assert_eq!(own.chains[0].roles, [role("org.viewer")]);
    let other = depot.explain(&vic, &subject("olga"), permission::APP_GET, &target).await;
    assert_eq!(kind(other), Some(ErrorKind::Forbidden));
    assert_eq!(kind(depot.who_can(&vic, permission::APP_GET, &target).await), Some(ErrorKind::Forbidden));
    let all = depot.who_can(&user("olga"), permission::APP_GET, &target).await.unwrap();
    assert_eq!(all, [subject("olga"), subject("vic")].into());
    let change = PolicyChange::Revoke(Grant { subject: subject("vic"), role: role("org.viewer"), app: None });
    let difference = depot.what_if(&user("olga"), world.acme, &change).await.unwrap();
    assert!(difference.gained.is_empty());
    assert!(difference.lost.iter().all(|right| right.subject == subject("vic") && right.target == target));
    assert!(difference.lost.iter().any(|right| right.permission == permission::APP_GET));
}
