//! How long a decision takes, beside plain Casbin and a scan over all rules; what it takes in memory; and how soon
//! another process knows of a revoke.
//!
//! `cargo bench --bench authorize [-- decisions|startup|lag]`; all three by default. Linux only: it reads
//! `/proc/self`.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
#![allow(clippy::indexing_slicing)]

use std::collections::HashMap;
use std::hint::black_box;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use appdepot::authorize::{Actor, Authorizer, Subject, Target, permission};
use appdepot::authz::{CasbinAuthorizer, LEASE_LIMIT, MODEL};
use appdepot::domain::{
    Effect, Entity, Event, EventFilter, Grant, Holder, Id, Kind, Organization, PermissionPattern, Role, Rule,
    Stored, Timestamp,
};
use appdepot::query::{Page, Query};
use appdepot::records::{Batch, Change, Key, Record, RecordStore};
use appdepot::storage::testing::Postgres;
use appdepot::storage::{Durability, PoolOptions, PostgresRecords, SqliteRecords};
use appdepot::{Depot, Result};
use casbin::function_map::{OperatorFunction, dynamic_to_str};
use casbin::{CoreApi, DefaultModel, Enforcer, MemoryAdapter, MgmtApi};
use futures::FutureExt as _;

/// Of each organization: roles of its own, rules of each, and who has which.
const ROLES: usize = 10;
const RULES: usize = 6;
const USERS: usize = 40;
/// All rows of an organization.
const ROWS: usize = ROLES * RULES + USERS;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|text| text != "--bench").collect();
    if let [mode, database, organization] = arguments.as_slice()
        && mode == "watch"
    {
        return runtime().block_on(watch(database, Id::parse(organization).unwrap()));
    }
    if let [mode, organizations] = arguments.as_slice()
        && mode == "memory"
    {
        return memory(organizations.parse().unwrap());
    }
    let wanted = |part: &str| arguments.is_empty() || arguments.iter().any(|text| text == part);
    if wanted("decisions") {
        decisions();
    }
    if wanted("startup") {
        startup();
    }
    if wanted("lag") {
        lag();
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

// ---- what there is to decide upon

/// The organization with this number. Ids are spread as real ones are.
fn organization(at: usize) -> Id<Organization> {
    let mixed = (at as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut bytes = [7; 12];
    bytes[..4].copy_from_slice(&u32::try_from(at).unwrap().to_be_bytes());
    bytes[4..].copy_from_slice(&mixed.to_be_bytes());
    Id::from_bytes(bytes)
}

fn number(organization: Id<Organization>) -> usize {
    u32::from_be_bytes(organization.to_bytes()[..4].try_into().unwrap()) as usize
}

fn subject(user: usize) -> Subject {
    Subject::user(&format!("user{user:02}@example.com")).unwrap()
}

/// Role, pattern and effect of each rule: mostly exact permissions, some wildcards, some denies.
fn rules(organization: usize) -> impl Iterator<Item = (String, String, Effect)> {
    (0..ROLES * RULES).map(move |at| {
        let (role, nth) = (at / RULES, at % RULES);
        let named = permission::ALL[(organization * 7 + at * 11) % permission::ALL.len()];
        let pattern = match nth {
            4 => format!("{}.*", named.rsplit_once('.').unwrap().0),
            _ => named.to_owned(),
        };
        (format!("r{role}"), pattern, if nth == 5 { Effect::Deny } else { Effect::Allow })
    })
}

fn role_of(user: usize) -> String {
    format!("r{}", user % ROLES)
}

fn rule_records(at: usize) -> impl Iterator<Item = Stored<Rule>> {
    rules(at).map(move |(role, pattern, effect)| {
        let holder = Holder::Role(Role::parse(&role).unwrap());
        let pattern = PermissionPattern::parse(&pattern).unwrap();
        let rule = Rule::Permission { holder, pattern, effect };
        Stored::new(organization(at), rule, Timestamp::from_millis(0))
    })
}

fn grant_records(at: usize) -> impl Iterator<Item = Stored<Grant>> {
    (0..USERS).map(move |user| {
        let grant = Grant { subject: subject(user), role: Role::parse(&role_of(user)).unwrap(), app: None };
        Stored::new(organization(at), grant, Timestamp::from_millis(0))
    })
}

/// Makes the records up when they are asked for, so that they take no memory of their own.
#[derive(Debug)]
struct Generated;

#[async_trait::async_trait]
impl RecordStore for Generated {
    async fn get(&self, _: &Key) -> Result<Option<Record>> {
        Ok(None)
    }

    async fn list(&self, query: &Query) -> Result<Page<Record>> {
        fn records<T: Entity>(all: impl Iterator<Item = Stored<T>>) -> Vec<Record> {
            all.map(|stored| stored.to_record(Id::NIL).unwrap()).collect()
        }
        let at = number(query.organization);
        let items = match query.kind {
            Kind::Grant => records(grant_records(at)),
            Kind::Rule => records(rule_records(at)),
            _ => Vec::new(),
        };
        Ok(Page { items, total: None, next: None })
    }

    async fn commit(&self, _: Batch) -> Result<()> {
        unreachable!("nothing is written")
    }

    async fn events(&self, _: &EventFilter) -> Result<Vec<Event>> {
        Ok(Vec::new())
    }
}

// ---- decisions

/// What is asked: who, where, what. The same for all ways of deciding.
#[derive(Clone)]
struct Request {
    /// At hand, as somebody is who has just signed in: 400,000 copies would have to come from memory, and that time
    /// would count as the decision's.
    actor: Arc<Actor>,
    target: Target,
    permission: &'static str,
}

/// Requests over the first `organizations`, in an order without pattern.
fn requests(organizations: usize, count: usize) -> Vec<Request> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).unwrap()
    };
    let actors: Vec<_> = (0..USERS).map(|user| Arc::new(Actor::new(subject(user)))).collect();
    (0..count)
        .map(|_| Request {
            target: Target::organization(organization(next(organizations))),
            actor: actors[next(USERS)].clone(),
            permission: permission::ALL[next(permission::ALL.len())],
        })
        .collect()
}

fn decide(authorizer: &CasbinAuthorizer, request: &Request) -> bool {
    let decision = authorizer.authorize(&request.actor, request.permission, &request.target);
    decision.now_or_never().expect("waits for nothing").is_ok()
}

/// Median and 99th percentile, in nanoseconds, of requests timed `at_once` together.
fn measure(requests: &[Request], at_once: usize, mut decide: impl FnMut(&Request) -> bool) -> (f64, f64) {
    let mut took: Vec<f64> = requests
        .chunks_exact(at_once)
        .map(|some| {
            let began = Instant::now();
            for request in some {
                black_box(decide(request));
            }
            began.elapsed().as_nanos() as f64 / at_once as f64
        })
        .collect();
    took.sort_by(f64::total_cmp);
    (took[took.len() / 2], took[took.len() * 99 / 100])
}

fn row(what: &str, rules: usize, (median, high): (f64, f64)) {
    println!("| {what} | {rules} | {:.2} | {:.2} |", median / 1_000.0, high / 1_000.0);
}

fn decisions() {
    println!("\n| decision | rules | p50, µs | p99, µs |\n|---|---|---|---|");
    for organizations in [100, 1_000, 10_000] {
        let rules = organizations * ROWS;
        let authorizer = CasbinAuthorizer::new(Arc::new(Generated)).with_lease(LEASE_LIMIT);
        let began = Instant::now();
        load(&authorizer, organizations);
        let took = began.elapsed();
        // Nothing was asked before; each is another permission or set of roles of its organization.
        let fresh: Vec<Request> = (0..organizations.min(2_000))
            .flat_map(|at| (0..4).map(move |nth| (at, nth)))
            .map(|(at, nth)| Request {
                actor: Arc::new(Actor::new(subject(nth))),
                target: Target::organization(organization(at)),
                permission: permission::ALL[(at + nth * 5) % permission::ALL.len()],
            })
            .collect();
        row("memo miss", rules, measure(&fresh, 1, |request| decide(&authorizer, request)));
        let uniform = requests(organizations, 400_000);
        for request in &uniform {
            decide(&authorizer, request);
        }
        // Confirms all once more, so that no lease ends while time is taken.
        load(&authorizer, organizations);
        row("known, uniform", rules, measure(&uniform, 16, |request| decide(&authorizer, request)));
        let hot: Vec<Request> = requests(10, 100).into_iter().collect();
        let hot: Vec<Request> = (0..4_000).flat_map(|_| &hot).map(Request::clone).collect();
        load(&authorizer, organizations);
        row("known, hot", rules, measure(&hot, 100, |request| decide(&authorizer, request)));
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["memory", &organizations.to_string()])
            .output()
            .unwrap();
        println!(
            "| (all {organizations} organizations read in {:.2} s, {} MiB) | | | |",
            took.as_secs_f64(),
            String::from_utf8(child.stdout).unwrap().trim(),
        );
        drop(authorizer);
    }
    for organizations in [10, 100] {
        let requests = requests(organizations, 300);
        let authorizer = CasbinAuthorizer::new(Arc::new(Generated)).with_lease(LEASE_LIMIT);
        let plain = runtime().block_on(plain(organizations));
        let scan = Scan::new(organizations);
        for request in &requests {
            let expected = decide(&authorizer, request);
            assert_eq!(ask_plain(&plain, request), expected, "plain casbin answers differently");
            assert_eq!(scan.ask(request), expected, "the scan answers differently");
        }
        let rules = organizations * ROWS;
        row("plain casbin", rules, measure(&requests, 1, |request| ask_plain(&plain, request)));
        row("a scan over all rules", rules, measure(&requests, 1, |request| scan.ask(request)));
    }
    for organizations in [1_000, 10_000] {
        let scan = Scan::new(organizations);
        let requests = requests(organizations, 100);
        row(
            "a scan over all rules",
            organizations * ROWS,
            measure(&requests, 1, |request| scan.ask(request)),
        );
    }
}

/// Has the authorizer read all of them.
fn load(authorizer: &CasbinAuthorizer, organizations: usize) {
    for at in 0..organizations {
        let actor = Arc::new(Actor::new(subject(0)));
        let target = Target::organization(organization(at));
        decide(authorizer, &Request { actor, target, permission: "no.such.permission.get" });
    }
}

/// What an authorizer over so many organizations takes, in a process where nothing else was done before.
fn memory(organizations: usize) {
    let before = resident();
    let authorizer = CasbinAuthorizer::new(Arc::new(Generated)).with_lease(LEASE_LIMIT);
    load(&authorizer, organizations);
    println!("{:.1}", (resident() - before) as f64 / 1_048_576.0);
}

/// Casbin as it comes: all rules of all organizations, its own role manager.
async fn plain(organizations: usize) -> Enforcer {
    let model = DefaultModel::from_str(MODEL).await.unwrap();
    let mut plain = Enforcer::new(model, MemoryAdapter::default()).await.unwrap();
    plain.add_function(
        "segMatch",
        OperatorFunction::Arg2(|permission, pattern| {
            let (permission, pattern) = (dynamic_to_str(&permission), dynamic_to_str(&pattern));
            covers(&pattern, &permission).into()
        }),
    );
    let (mut policies, mut links) = (Vec::new(), Vec::new());
    for at in 0..organizations {
        let domain = organization(at).to_string();
        policies.extend(rules(at).map(|(role, pattern, effect)| {
            vec![format!("role:{role}"), domain.clone(), pattern, effect.as_str().to_owned()]
        }));
        links.extend(
            (0..USERS).map(|user| {
                vec![subject(user).to_string(), format!("role:{}", role_of(user)), domain.clone()]
            }),
        );
    }
    policies.sort();
    policies.dedup();
    plain.add_policies(policies).await.unwrap();
    plain.add_grouping_policies(links).await.unwrap();
    plain
}

fn covers(pattern: &str, permission: &str) -> bool {
    match pattern.strip_suffix('*') {
        None => pattern == permission,
        Some(prefix) => permission.len() > prefix.len() && permission.starts_with(prefix),
    }
}

fn ask_plain(plain: &Enforcer, request: &Request) -> bool {
    let domain = request.target.organization.to_string();
    plain.enforce((request.actor.subject.as_str(), &*domain, request.permission)).unwrap()
}

/// The least that a list of rules takes: compare each.
struct Scan {
    rules: Vec<(Id<Organization>, String, String, Effect)>,
    roles: HashMap<(Id<Organization>, String), String>,
}

impl Scan {
    fn new(organizations: usize) -> Self {
        let all = 0..organizations;
        let rules = all.clone().flat_map(|at| {
            rules(at).map(move |(role, pattern, effect)| (organization(at), role, pattern, effect))
        });
        let roles = all.flat_map(|at| {
            (0..USERS).map(move |user| ((organization(at), subject(user).to_string()), role_of(user)))
        });
        Self { rules: rules.collect(), roles: roles.collect() }
    }

    fn ask(&self, request: &Request) -> bool {
        let home = request.target.organization;
        let Some(role) = self.roles.get(&(home, request.actor.subject.to_string())) else { return false };
        let mut allowed = false;
        for (organization, name, pattern, effect) in &self.rules {
            if *organization == home && name == role && covers(pattern, request.permission) {
                match effect {
                    Effect::Deny => return false,
                    Effect::Allow => allowed = true,
                }
            }
        }
        allowed
    }
}

/// Memory of this process, in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap();
    status.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4_096
}

// ---- start

fn startup() {
    const ORGANIZATIONS: usize = 10_000;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("records.sqlite");
    let runtime = runtime();
    runtime.block_on(async {
        let records = SqliteRecords::open(&path, Durability::Os).await.unwrap();
        for first in (0..ORGANIZATIONS).step_by(20) {
            let mut batch = Batch::new();
            for at in first..first + 20 {
                let rules = rule_records(at).map(|stored| stored.to_record(batch.id).unwrap());
                // Made-up rules may meet; their claims may not.
                let mut rules: Vec<Record> = rules.collect();
                rules.sort_by(|a, b| a.claims.cmp(&b.claims));
                rules.dedup_by(|a, b| a.claims == b.claims);
                let grants = grant_records(at).map(|stored| stored.to_record(batch.id).unwrap());
                batch.changes.extend(rules.into_iter().chain(grants).map(Change::Insert));
            }
            records.commit(batch.with_policy_versions(Timestamp::now()).unwrap()).await.unwrap();
        }
        records.close().await;
        let ask = async |authorizer: &CasbinAuthorizer, at: usize| {
            let target = Target::organization(organization(at));
            let _ = authorizer.authorize(&Actor::new(subject(0)), permission::ASSET_GET, &target).await;
        };
        let began = Instant::now();
        let records = Arc::new(SqliteRecords::open(&path, Durability::Os).await.unwrap());
        let authorizer = CasbinAuthorizer::new(records);
        ask(&authorizer, 17).await;
        let start = began.elapsed();
        let mut cold = Vec::new();
        for at in (0..ORGANIZATIONS).step_by(23) {
            let began = Instant::now();
            ask(&authorizer, at).await;
            cold.push(began.elapsed());
        }
        cold.sort();
        let millis = |took: Duration| took.as_secs_f64() * 1_000.0;
        println!(
            "\nsqlite, {} rules in {ORGANIZATIONS} organizations: opened and decided once in {:.0} ms; an \
             organization's first decision p50 {:.2} ms, p99 {:.2} ms",
            ORGANIZATIONS * ROWS,
            millis(start),
            millis(cold[cold.len() / 2]),
            millis(cold[cold.len() * 99 / 100]),
        );
    });
}

// ---- two processes

const ROUNDS: u64 = 30;

fn lag() {
    let runtime = runtime();
    let folder = tempfile::tempdir().unwrap();
    let sqlite = folder.path().join("records.sqlite").to_str().unwrap().to_owned();
    let server = Postgres::start();
    let postgres = server.as_ref().map(|server| runtime.block_on(server.database()));
    println!();
    for (name, database) in [("sqlite", Some(sqlite)), ("postgresql", postgres)] {
        match database {
            Some(database) => runtime.block_on(revoke_beside(name, &database)),
            None => println!("{name}: not on this machine"),
        }
    }
}

async fn open(database: &str) -> Arc<dyn RecordStore> {
    if database.starts_with("postgres://") {
        return Arc::new(PostgresRecords::connect(database, PoolOptions::default()).await.unwrap());
    }
    Arc::new(SqliteRecords::open(Path::new(database), Durability::Full).await.unwrap())
}

fn now() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros()
}

/// Another process decides without pause and says when its answer changes; this one revokes.
async fn revoke_beside(name: &str, database: &str) {
    let records = open(database).await;
    let authorizer = Arc::new(CasbinAuthorizer::new(records.clone()));
    let depot = Depot::builder().records(records).authorizer(authorizer).build();
    let system = Actor::system("bench");
    let acme = depot.create_organization(&system, "acme", "Acme").await.unwrap().id;
    let role = Role::parse("org.viewer").unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["watch", database, &acme.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut lags = Vec::new();
    for round in 0..ROUNDS {
        depot.grant(&system, acme, subject(0), role.clone(), None).await.unwrap();
        assert!(answers.next().unwrap().unwrap().starts_with("allowed"));
        // At another moment of the lease each time.
        tokio::time::sleep(Duration::from_millis(round * 137 % 1_000)).await;
        depot.revoke(&system, acme, subject(0), role.clone(), None).await.unwrap();
        let done = now();
        let answer = answers.next().unwrap().unwrap();
        let seen: u128 = answer.strip_prefix("denied ").unwrap().parse().unwrap();
        lags.push(seen.saturating_sub(done) as f64 / 1_000.0);
    }
    drop(child.stdin.take());
    child.kill().unwrap();
    child.wait().unwrap();
    lags.sort_by(f64::total_cmp);
    println!(
        "{name}: a revoke is known to another process after p50 {:.0} ms, at most {:.0} ms, of {ROUNDS}",
        lags[lags.len() / 2],
        lags[lags.len() - 1]
    );
}

async fn watch(database: &str, acme: Id<Organization>) {
    let authorizer = CasbinAuthorizer::new(open(database).await);
    let (actor, target) = (Actor::new(subject(0)), Target::organization(acme));
    let mut before = false;
    loop {
        let allowed = authorizer.authorize(&actor, permission::ASSET_GET, &target).await.is_ok();
        if allowed != before {
            before = allowed;
            println!("{} {}", if allowed { "allowed" } else { "denied" }, now());
            std::io::stdout().flush().unwrap();
        }
        tokio::time::sleep(Duration::from_micros(500)).await;
    }
}
