//! Users, sessions and keys as an embedder uses them, on every record store. One that this machine cannot run is shown
//! as ignored, and fails where backends are required (`APPDEPOT_REQUIRE_BACKENDS=1`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::SeqCst};
use std::time::Duration;

use appdepot::authenticate::{Authenticator, Chain};
use appdepot::authorize::{Actor, Origin, Subject};
use appdepot::authz::{Argon2Passwords, CasbinAuthorizer, Keys};
use appdepot::depot::{Depot, NewKey, NewUser, Sessions, UserChange};
use appdepot::domain::{EventFilter, Grant, Group, Id, Organization, Role, Stored, Timestamp, User};
use appdepot::error::{CredentialFault, Detail};
use appdepot::memory::MemoryRecords;
use appdepot::query::{Field, Op, Query};
use appdepot::records::RecordStore;
use appdepot::storage::testing::Postgres;
use appdepot::storage::{Durability, PoolOptions, PostgresRecords, SqliteRecords};
use appdepot::{ErrorKind, Result};
use libtest_mimic::{Arguments, Trial};

#[path = "identity/rank.rs"]
mod rank;

use rank::*;

const PASSWORD: &str = "correct horse battery";
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

type Case = fn(World) -> Pin<Box<dyn Future<Output = ()> + Send>>;

macro_rules! cases {
    ($($name:ident)*) => { [$((stringify!($name), (|world| Box::pin($name(world))) as Case)),*] };
}

fn main() {
    let cases = cases! {
        a_user_lives_and_leaves_nothing_behind
        names_to_sign_in_with_are_unique_whatever_their_case
        who_may_see_and_change_users
        only_an_owner_changes_an_owner_and_the_last_one_stays
        signing_in_makes_a_new_session_each_time
        nobody_learns_why_a_sign_in_failed
        sessions_end_in_time_and_on_demand
        a_password_is_changed_by_its_user_and_by_an_admin
        shutting_a_user_out_ends_everything_at_once
        attempts_are_limited_per_account_and_per_address
        an_outdated_hash_is_renewed
        a_users_key_does_what_its_user_may
        a_user_is_changed_by_those_who_outrank_them
        a_narrowed_credential_is_not_the_user_in_person
        what_is_no_credential_is_refused
    };
    let postgres = Arc::new(Postgres::start());
    let required = std::env::var("APPDEPOT_REQUIRE_BACKENDS").is_ok_and(|value| value == "1");
    let mut trials = Vec::new();
    for backend in ["memory", "sqlite", "postgres"] {
        let missing = backend == "postgres" && postgres.is_none();
        for (name, case) in cases {
            let postgres = postgres.clone();
            let trial = Trial::test(format!("{backend}::{name}"), move || {
                if missing {
                    return Err("PostgreSQL is required here and its server binaries are missing".into());
                }
                let runtime =
                    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
                runtime.unwrap().block_on(async {
                    let folder = tempfile::tempdir().unwrap();
                    let records: Arc<dyn RecordStore> = match (backend, &*postgres) {
                        ("memory", _) => Arc::new(MemoryRecords::new()),
                        ("postgres", Some(server)) => {
                            let url = server.database().await;
                            Arc::new(PostgresRecords::connect(&url, PoolOptions::default()).await.unwrap())
                        }
                        _ => {
                            let path = folder.path().join("records.sqlite");
                            Arc::new(SqliteRecords::open(path, Durability::Os).await.unwrap())
                        }
                    };
                    tokio::spawn(async move { case(World::new(records).await).await }).await
                })?;
                Ok(())
            });
            trials.push(trial.with_ignored_flag(missing && !required));
        }
    }
    // The server process must end with the tests, and exit() runs no destructors.
    let conclusion = libtest_mimic::run(&Arguments::from_args(), trials);
    drop(Arc::into_inner(postgres));
    conclusion.exit();
}

/// A depot with a clock that the test moves, and an administrator who is a user.
struct World {
    depot: Depot,
    records: Arc<dyn RecordStore>,
    chain: Chain,
    clock: Arc<AtomicI64>,
    acme: Id<Organization>,
    admin: Actor,
}

impl World {
    async fn new(records: Arc<dyn RecordStore>) -> Self {
        let clock = Arc::new(AtomicI64::new(Timestamp::now().millis()));
        let depot = depot(&records, &clock, Argon2Passwords::with_parameters(64, 1, 1).unwrap());
        let chain = Chain::new()
            .with(Arc::new(Sessions::new(depot.clone())))
            .with(Arc::new(Keys::new(records.clone())));
        let acme = depot.create_organization(&system(), "acme", "Acme").await.unwrap().id;
        let admin = depot.create_user(&system(), acme, new("admin@acme.example")).await.unwrap();
        let admin = Actor::new(admin.id.into());
        role(&depot, acme, &admin.subject, "org.admin").await;
        Self { depot, records, chain, clock, acme, admin }
    }

    fn pass(&self, time: Duration) {
        self.clock.fetch_add(i64::try_from(time.as_millis()).unwrap(), SeqCst);
    }

    /// A user with a password and a role.
    async fn user(&self, email: &str, name: &str) -> Stored<User> {
        let user = self.depot.create_user(&self.admin, self.acme, new(email)).await.unwrap();
        role(&self.depot, self.acme, &user.id.into(), name).await;
        self.depot.set_password(&self.admin, self.acme, user.id, PASSWORD).await.unwrap();
        self.depot.user(&self.admin, self.acme, email).await.unwrap()
    }

    async fn sign_in(&self, name: &str, password: &str) -> Result<String> {
        let done = self.depot.sign_in(self.acme, name, password, Origin::default(), None).await;
        done.map(|issued| issued.token)
    }

    async fn fault(&self, token: &str) -> CredentialFault {
        fault(self.chain.authenticate(token).await)
    }
}

fn depot(records: &Arc<dyn RecordStore>, clock: &Arc<AtomicI64>, passwords: Argon2Passwords) -> Depot {
    let clock = clock.clone();
    Depot::builder()
        .records(records.clone())
        .authorizer(Arc::new(CasbinAuthorizer::new(records.clone())))
        .passwords(Arc::new(passwords))
        .clock(move || Timestamp::from_millis(clock.load(SeqCst)))
        .build()
}

fn system() -> Actor {
    Actor::system("test")
}

fn new(email: &str) -> NewUser {
    NewUser { email: email.to_owned(), ..NewUser::default() }
}

async fn role(depot: &Depot, organization: Id<Organization>, subject: &Subject, name: &str) {
    depot.grant(&system(), organization, subject.clone(), Role::parse(name).unwrap(), None).await.unwrap();
}

fn fault<T: std::fmt::Debug>(result: Result<T>) -> CredentialFault {
    match result.unwrap_err().detail() {
        Detail::Credential(fault) => *fault,
        other => panic!("{other:?}"),
    }
}

fn kind<T: std::fmt::Debug>(result: Result<T>) -> ErrorKind {
    result.unwrap_err().kind()
}

async fn a_user_lives_and_leaves_nothing_behind(world: World) {
    let World { depot, admin, acme, .. } = &world;
    let mut ada = new("Ada@Acme.example");
    ada.username = Some("ada".into());
    ada.first_name = "Ada".into();
    ada.attributes.insert("phone".into(), "123".into());
    let made = depot.create_user(admin, *acme, ada).await.unwrap();
    assert!(made.enabled && made.email == "Ada@Acme.example" && made.signed_in_at.is_none());
    for name in ["ada@acme.EXAMPLE", "ADA", &made.id.to_string(), &made.id.to_uuid()] {
        assert_eq!(depot.user(admin, *acme, name).await.unwrap(), made, "{name}");
    }
    let listed = depot.users(admin, Query::of::<User>(*acme)).await.unwrap().items;
    assert_eq!(listed.len(), 2);
    let change = UserChange { last_name: Some("Lovelace".into()), ..UserChange::default() };
    let changed = depot.update_user(admin, *acme, made.id, Some(1), change.clone()).await.unwrap();
    assert_eq!((&*changed.first_name, &*changed.last_name, changed.revision), ("Ada", "Lovelace", 2));
    assert_eq!(kind(depot.update_user(admin, *acme, made.id, Some(1), change).await), ErrorKind::Conflict);

    let subject = Subject::from(made.id);
    role(depot, *acme, &subject, "org.viewer").await;
    depot.set_password(admin, *acme, made.id, PASSWORD).await.unwrap();
    let group = depot.create_group(admin, *acme, "Analysts", "").await.unwrap();
    depot.change_members(admin, *acme, group.id, std::slice::from_ref(&subject), &[]).await.unwrap();
    let key = NewKey { owner: Some(made.id), ..NewKey::new(*acme, "mine") };
    let key = depot.create_key(&Actor::new(subject.clone()), key).await.unwrap();
    let session = world.sign_in("ada", PASSWORD).await.unwrap();
    depot.remove_user(admin, *acme, made.id).await.unwrap();
    assert_eq!(world.fault(&session).await, CredentialFault::Bad);
    assert_eq!(world.fault(&key.text).await, CredentialFault::Bad);
    assert_eq!(fault(world.sign_in("ada", PASSWORD).await), CredentialFault::Bad);
    assert_eq!(kind(depot.user(admin, *acme, "ada").await), ErrorKind::NotFound);
    assert_eq!(kind(depot.remove_user(admin, *acme, made.id).await), ErrorKind::NotFound);
    let grants =
        Query::of::<Grant>(*acme).filter(Field::parse("subject").unwrap(), Op::Eq(subject.as_str().into()));
    assert!(depot.grants(admin, grants).await.unwrap().items.is_empty());
    assert!(depot.groups(admin, Query::of::<Group>(*acme)).await.unwrap().items[0].members.is_empty());
    assert!(depot.keys(admin, *acme, None).await.unwrap().is_empty());
    // The address is free again, and whoever gets it is somebody else.
    let other = depot.create_user(admin, *acme, new("ada@acme.example")).await.unwrap();
    assert_ne!(other.id, made.id);
    assert_eq!(fault(world.sign_in("ada@acme.example", PASSWORD).await), CredentialFault::Bad);

    let about = EventFilter::of(*acme).about(made.id);
    let events = depot.events(admin, &about).await.unwrap();
    let actions: Vec<&str> = events.iter().map(|event| &*event.event.action).collect();
    assert_eq!(actions, ["user.create", "user.update", "user.password", "user.remove"]);
    world.pass(13 * HOUR);
    assert_eq!(depot.sweep().await.unwrap().sessions, 1);
}

async fn names_to_sign_in_with_are_unique_whatever_their_case(world: World) {
    let World { depot, admin, acme, .. } = &world;
    let user = |email: &str, username: &str| NewUser { username: Some(username.into()), ..new(email) };
    depot.create_user(admin, *acme, user("ada@acme.example", "ada")).await.unwrap();
    for taken in [new("ADA@acme.example"), user("b@acme.example", "Ada")] {
        let refused = depot.create_user(admin, *acme, taken).await.unwrap_err();
        assert!(refused.is_taken("email") || refused.is_taken("username"), "{refused:?}");
    }
    let globex = depot.create_organization(&system(), "globex", "Globex").await.unwrap().id;
    depot.create_user(&system(), globex, user("ada@acme.example", "ada")).await.unwrap();
    let long = format!("{}@acme.example", "x".repeat(254));
    for bad in ["", "ada", "@", "a@", "@b", "a@b@c", "a b@c", "a\0@b", "a\r\nb@c", &long] {
        assert_eq!(kind(depot.create_user(admin, *acme, new(bad)).await), ErrorKind::Invalid, "{bad:?}");
    }
    for bad in ["", "a@b", "a b", "é", "a:b", "0123456789abcdef01234567", &"x".repeat(129)] {
        let refused = depot.create_user(admin, *acme, user("c@acme.example", bad)).await;
        assert_eq!(kind(refused), ErrorKind::Invalid, "{bad:?}");
    }
    assert_eq!(depot.users(admin, Query::of::<User>(*acme)).await.unwrap().items.len(), 2);
}

async fn who_may_see_and_change_users(world: World) {
    let World { depot, acme, .. } = &world;
    let ada = world.user("ada@acme.example", "org.editor").await;
    let bob = world.user("bob@acme.example", "org.viewer").await;
    let globex = depot.create_organization(&system(), "globex", "Globex").await.unwrap().id;
    let stranger = Actor::new(Subject::user("stranger").unwrap());
    role(depot, globex, &stranger.subject, "org.owner").await;
    let editor = Actor::new(ada.id.into());
    assert_eq!(depot.user(&editor, *acme, "ada@acme.example").await.unwrap(), ada);
    for (actor, expected) in [(&editor, ErrorKind::Forbidden), (&stranger, ErrorKind::NotFound)] {
        for id in [bob.id, Id::generate()] {
            let change = UserChange { enabled: Some(false), ..UserChange::default() };
            assert_eq!(kind(depot.user(actor, *acme, &id.to_string()).await), expected);
            assert_eq!(kind(depot.update_user(actor, *acme, id, None, change).await), expected);
            assert_eq!(kind(depot.set_password(actor, *acme, id, PASSWORD).await), expected);
            assert_eq!(kind(depot.remove_user(actor, *acme, id).await), expected);
            assert_eq!(kind(depot.sessions(actor, *acme, id).await), expected);
            assert_eq!(kind(depot.end_sessions(actor, *acme, id).await), expected);
            assert_eq!(kind(depot.end_session(actor, *acme, id.cast()).await), expected);
        }
        assert_eq!(kind(depot.create_user(actor, *acme, new("c@acme.example")).await), expected);
        assert_eq!(kind(depot.users(actor, Query::of::<User>(*acme)).await), expected);
    }
    // A user of one organization is not there in another, whoever asks.
    assert_eq!(kind(depot.user(&stranger, globex, &bob.id.to_string()).await), ErrorKind::NotFound);
    assert_eq!(kind(depot.remove_user(&stranger, globex, bob.id).await), ErrorKind::NotFound);
    assert_eq!(kind(depot.user(&editor, globex, &ada.id.to_string()).await), ErrorKind::NotFound);
    let elsewhere = depot.sign_in(globex, "bob@acme.example", PASSWORD, Origin::default(), None).await;
    assert_eq!(fault(elsewhere), CredentialFault::Bad);
}

async fn only_an_owner_changes_an_owner_and_the_last_one_stays(world: World) {
    let World { depot, admin, acme, .. } = &world;
    let owner = depot.create_user(admin, *acme, new("owner@acme.example")).await.unwrap();
    role(depot, *acme, &owner.id.into(), Role::OWNER).await;
    let shut = UserChange { enabled: Some(false), ..UserChange::default() };
    let address = UserChange { email: Some("mine@evil.example".into()), ..UserChange::default() };
    for change in [&shut, &address] {
        let refused = depot.update_user(admin, *acme, owner.id, None, change.clone()).await;
        assert_eq!(kind(refused), ErrorKind::Forbidden);
    }
    assert_eq!(kind(depot.set_password(admin, *acme, owner.id, PASSWORD).await), ErrorKind::Forbidden);
    assert_eq!(kind(depot.end_sessions(admin, *acme, owner.id).await), ErrorKind::Forbidden);
    assert_eq!(kind(depot.remove_user(admin, *acme, owner.id).await), ErrorKind::Forbidden);
    let own = Actor::new(owner.id.into());
    depot.set_password(&own, *acme, owner.id, PASSWORD).await.unwrap();
    assert_eq!(kind(depot.remove_user(&own, *acme, owner.id).await), ErrorKind::Conflict);
    assert_eq!(kind(depot.update_user(&own, *acme, owner.id, None, shut.clone()).await), ErrorKind::Conflict);
    let second = depot.create_user(admin, *acme, new("second@acme.example")).await.unwrap();
    role(depot, *acme, &second.id.into(), Role::OWNER).await;
    depot.update_user(&own, *acme, second.id, None, shut).await.unwrap();
    depot.remove_user(&own, *acme, second.id).await.unwrap();
}

async fn signing_in_makes_a_new_session_each_time(world: World) {
    let World { depot, acme, .. } = &world;
    let ada = world.user("ada@acme.example", "org.viewer").await;
    let origin =
        Origin { address: Some("10.1.2.3".into()), device: Some("phone".into()), ..Origin::default() };
    let first = depot.sign_in(*acme, "Ada@acme.example", PASSWORD, origin.clone(), None).await.unwrap();
    assert!(first.token.starts_with(&format!("ads_{acme}.")) && first.token.len() > 50);
    assert_eq!(first.signed_in.session.origin, origin);
    let actor = world.chain.authenticate(&first.token).await.unwrap();
    assert_eq!((actor.subject.clone(), &*actor.person.email), (ada.id.into(), "ada@acme.example"));
    assert!(depot.organization(&actor, "acme").await.is_ok());

    let previous = Some(&*first.token);
    let second = depot.sign_in(*acme, "ada@acme.example", PASSWORD, origin.clone(), previous).await.unwrap();
    assert_ne!(second.token, first.token);
    assert_eq!(world.fault(&first.token).await, CredentialFault::Bad);
    // What a client made up does not become a session.
    let fixed = first.token.replace("ads_", "adx_");
    let third = depot.sign_in(*acme, "ada@acme.example", PASSWORD, origin, Some(&fixed)).await.unwrap();
    assert_ne!(third.token, fixed);
    assert_eq!(world.fault(&fixed).await, CredentialFault::Bad);
    assert_eq!(depot.sessions(&actor, *acme, ada.id).await.unwrap().len(), 2);
    let seen = depot.user(&world.admin, *acme, "ada@acme.example").await.unwrap();
    assert!(seen.signed_in_at.is_some());
    let shown = format!("{first:?} {:?} {seen:?}", second.signed_in);
    assert!(!shown.contains(first.token.split_once('.').unwrap().1) && !shown.contains("argon2"), "{shown}");
}

async fn nobody_learns_why_a_sign_in_failed(world: World) {
    let World { depot, admin, acme, .. } = &world;
    let ada = world.user("ada@acme.example", "org.viewer").await;
    depot.create_user(admin, *acme, new("without@acme.example")).await.unwrap();
    world.user("out@acme.example", "org.viewer").await;
    let out = depot.user(admin, *acme, "out@acme.example").await.unwrap().id;
    let shut = UserChange { enabled: Some(false), ..UserChange::default() };
    depot.update_user(admin, *acme, out, None, shut).await.unwrap();
    let (long, zero) = ("x".repeat(1 << 20), "\0".repeat(20));
    for (name, password) in [
        ("ada@acme.example", "wrong"),
        ("ada@acme.example", ""),
        ("ada@acme.example", &*long),
        ("ada@acme.example", &*zero),
        ("ada@acme.example ", PASSWORD),
        (&*ada.id.to_string(), PASSWORD),
        ("nobody@acme.example", PASSWORD),
        ("without@acme.example", ""),
        ("without@acme.example", PASSWORD),
        ("out@acme.example", PASSWORD),
        ("", PASSWORD),
        ("\0", PASSWORD),
        ("é@ü", PASSWORD),
        (&*long, PASSWORD),
    ] {
        let refused = world.sign_in(name, password).await.unwrap_err();
        assert_eq!(refused.detail(), &Detail::Credential(CredentialFault::Bad), "{name:.30}");
        assert_eq!(refused.message(), "invalid credential");
    }
    let nowhere = depot.sign_in(Id::generate(), "ada@acme.example", PASSWORD, Origin::default(), None).await;
    assert_eq!(fault(nowhere), CredentialFault::Bad);
    world.sign_in("ada@acme.example", PASSWORD).await.unwrap();
}

async fn sessions_end_in_time_and_on_demand(world: World) {
    let World { depot, acme, .. } = &world;
    let ada = world.user("ada@acme.example", "org.viewer").await;
    let actor = Actor::new(ada.id.into());
    let sign_in = async || world.sign_in("ada@acme.example", PASSWORD).await.unwrap();
    let idle = sign_in().await;
    world.pass(29 * MINUTE);
    let busy = sign_in().await;
    world.chain.authenticate(&busy).await.unwrap();
    world.pass(MINUTE);
    assert_eq!(world.fault(&idle).await, CredentialFault::Expired);
    for _ in 0..24 {
        world.chain.authenticate(&busy).await.unwrap();
        world.pass(29 * MINUTE);
    }
    world.chain.authenticate(&busy).await.unwrap();
    world.pass(25 * MINUTE);
    assert_eq!(world.fault(&busy).await, CredentialFault::Expired, "twelve hours are over");

    let (one, two, three) = (sign_in().await, sign_in().await, sign_in().await);
    depot.sign_out(&one).await.unwrap();
    assert_eq!(world.fault(&one).await, CredentialFault::Bad);
    assert_eq!(fault(depot.sign_out(&one).await), CredentialFault::Bad);
    assert_eq!(depot.sessions(&actor, *acme, ada.id).await.unwrap().len(), 2);
    let second = depot.session(&two).await.unwrap().session.id;
    depot.end_session(&actor, *acme, second).await.unwrap();
    assert_eq!(world.fault(&two).await, CredentialFault::Bad);
    world.chain.authenticate(&three).await.unwrap();
    depot.end_sessions(&world.admin, *acme, ada.id).await.unwrap();
    assert_eq!(world.fault(&three).await, CredentialFault::Bad);
    assert!(depot.sessions(&actor, *acme, ada.id).await.unwrap().is_empty());
    world.chain.authenticate(&sign_in().await).await.unwrap();
}

async fn a_password_is_changed_by_its_user_and_by_an_admin(world: World) {
    let World { depot, admin, acme, .. } = &world;
    let ada = world.user("ada@acme.example", "org.viewer").await;
    let actor = Actor::new(ada.id.into());
    let session = world.sign_in("ada@acme.example", PASSWORD).await.unwrap();
    let other = "another long password";
    assert_eq!(fault(depot.change_password(&actor, *acme, "wrong", other).await), CredentialFault::Bad);
    for bad in ["", "short", &"x".repeat(1025)] {
        assert_eq!(kind(depot.change_password(&actor, *acme, PASSWORD, bad).await), ErrorKind::Invalid);
        assert_eq!(kind(depot.set_password(admin, *acme, ada.id, bad).await), ErrorKind::Invalid);
    }
    let narrowed = Actor { scopes: Some(BTreeSet::new()), ..actor.clone() };
    assert_eq!(kind(depot.change_password(&narrowed, *acme, PASSWORD, other).await), ErrorKind::Forbidden);
    world.chain.authenticate(&session).await.unwrap();
    depot.change_password(&actor, *acme, PASSWORD, other).await.unwrap();
    assert_eq!(world.fault(&session).await, CredentialFault::Bad);
    assert_eq!(fault(world.sign_in("ada@acme.example", PASSWORD).await), CredentialFault::Bad);
    let session = world.sign_in("ada@acme.example", other).await.unwrap();
    depot.set_password(admin, *acme, ada.id, PASSWORD).await.unwrap();
    assert_eq!(world.fault(&session).await, CredentialFault::Bad);
    world.sign_in("ada@acme.example", PASSWORD).await.unwrap();
}

async fn shutting_a_user_out_ends_everything_at_once(world: World) {
    let World { depot, admin, acme, .. } = &world;
    let ada = world.user("ada@acme.example", "org.viewer").await;
    let session = world.sign_in("ada@acme.example", PASSWORD).await.unwrap();
    let key = NewKey { owner: Some(ada.id), ..NewKey::new(*acme, "mine") };
    let key = depot.create_key(&Actor::new(ada.id.into()), key).await.unwrap();
    let (client, secret) = key.text.split_once('.').unwrap();
    let token = world.chain.grant(client, secret, None).await.unwrap().token;
    for text in [&session, &key.text, &token] {
        assert_eq!(world.chain.authenticate(text).await.unwrap().subject, ada.id.into());
    }
    let enabled = |enabled| UserChange { enabled: Some(enabled), ..UserChange::default() };
    depot.update_user(admin, *acme, ada.id, None, enabled(false)).await.unwrap();
    for text in [&session, &key.text, &token] {
        assert_eq!(world.fault(text).await, CredentialFault::Bad);
    }
    assert_eq!(fault(world.chain.grant(client, secret, None).await), CredentialFault::Bad);
    assert_eq!(fault(world.sign_in("ada@acme.example", PASSWORD).await), CredentialFault::Bad);
    depot.update_user(admin, *acme, ada.id, None, enabled(true)).await.unwrap();
    assert_eq!(world.fault(&session).await, CredentialFault::Bad, "it does not come back");
    world.chain.authenticate(&key.text).await.unwrap();
    world.sign_in("ada@acme.example", PASSWORD).await.unwrap();
}

async fn attempts_are_limited_per_account_and_per_address(world: World) {
    let World { depot, acme, .. } = &world;
    world.user("ada@acme.example", "org.viewer").await;
    for _ in 0..10 {
        assert_eq!(fault(world.sign_in("ada@acme.example", "wrong").await), CredentialFault::Bad);
    }
    world.pass(MINUTE);
    for password in ["wrong", PASSWORD] {
        let refused = world.sign_in("ADA@acme.example", password).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Limited);
        assert_eq!(refused.detail(), &Detail::Retry { after: 14 * MINUTE });
    }
    world.pass(14 * MINUTE);
    world.sign_in("ada@acme.example", PASSWORD).await.unwrap();
    for _ in 0..20 {
        world.sign_in("ada@acme.example", PASSWORD).await.unwrap();
    }
    let origin = Origin { address: Some("10.0.0.1".into()), ..Origin::default() };
    let from = async |name: String| depot.sign_in(*acme, &name, "wrong", origin.clone(), None).await;
    for n in 0..100 {
        assert_eq!(fault(from(format!("user{n}@acme.example")).await), CredentialFault::Bad);
    }
    assert_eq!(kind(from("ada@acme.example".into()).await), ErrorKind::Limited);
    world.sign_in("ada@acme.example", PASSWORD).await.unwrap();
}

async fn an_outdated_hash_is_renewed(world: World) {
    let ada = world.user("ada@acme.example", "org.viewer").await;
    let kept = async || {
        let query = Query { kind: appdepot::domain::Kind::Password, ..Query::of::<User>(world.acme) };
        let found = world.records.list(&query).await.unwrap().items;
        let found = found.into_iter().find(|record| record.id == ada.id.cast()).unwrap();
        found.body["digest"].as_str().unwrap().to_owned()
    };
    assert!(kept().await.contains("m=64,t=1"));
    let stronger = Argon2Passwords::with_parameters(128, 2, 1).unwrap();
    let stronger = depot(&world.records, &world.clock, stronger);
    let sign_in = async |password| {
        stronger.sign_in(world.acme, "ada@acme.example", password, Origin::default(), None).await
    };
    assert_eq!(fault(sign_in("wrong").await), CredentialFault::Bad);
    assert!(kept().await.contains("m=64,t=1"));
    let issued = sign_in(PASSWORD).await.unwrap();
    let renewed = kept().await;
    assert!(renewed.contains("m=128,t=2"), "{renewed}");
    sign_in(PASSWORD).await.unwrap();
    assert_eq!(kept().await, renewed);
    world.chain.authenticate(&issued.token).await.unwrap();
}

async fn a_users_key_does_what_its_user_may(world: World) {
    let World { depot, admin, acme, .. } = &world;
    let ada = world.user("ada@acme.example", "org.viewer").await;
    let actor = Actor::new(ada.id.into());
    let new = NewKey { owner: Some(ada.id), ..NewKey::new(*acme, "mine") };
    let narrowed = Actor { scopes: Some(["appm:read".to_owned()].into()), ..actor.clone() };
    assert_eq!(kind(depot.create_key(&narrowed, new.clone()).await), ErrorKind::Forbidden);
    let wider = NewKey { scopes: Some(["appm:publish".to_owned()].into()), ..new.clone() };
    assert_eq!(kind(depot.create_key(&narrowed, wider).await), ErrorKind::Forbidden);
    let same = NewKey { scopes: narrowed.scopes.clone(), ..new.clone() };
    let narrow = depot.create_key(&narrowed, same).await.unwrap();
    assert_eq!(world.chain.authenticate(&narrow.text).await.unwrap().scopes, narrowed.scopes);
    // Nobody else makes keys in her name, and a key in her name is none in another organization.
    assert_eq!(kind(depot.create_key(admin, new.clone()).await), ErrorKind::Forbidden);
    let globex = depot.create_organization(&system(), "globex", "Globex").await.unwrap().id;
    let elsewhere = NewKey { organization: globex, ..new.clone() };
    assert_eq!(kind(depot.create_key(&actor, elsewhere).await), ErrorKind::Forbidden);

    let key = depot.create_key(&actor, new).await.unwrap();
    let found = world.chain.authenticate(&key.text).await.unwrap();
    assert_eq!((&found.subject, &*found.person.email), (&actor.subject, "ada@acme.example"));
    assert!(depot.apps(&found, Query::of::<appdepot::domain::App>(*acme)).await.is_ok());
    assert_eq!(kind(depot.create_group(&found, *acme, "g", "").await), ErrorKind::Forbidden);
    let own = depot.keys(&actor, *acme, Some(ada.id)).await.unwrap();
    let both = BTreeSet::from([narrow.key.id, key.key.id]);
    assert_eq!(own.iter().map(|key| key.id).collect::<BTreeSet<_>>(), both);
    assert_eq!(kind(depot.keys(&actor, *acme, None).await), ErrorKind::Forbidden);
    depot.revoke_key(&actor, *acme, &key.key.value.key).await.unwrap();
    assert_eq!(world.fault(&key.text).await, CredentialFault::Bad);
    depot.revoke_key(admin, *acme, &narrow.key.value.key).await.unwrap();
    assert_eq!(world.fault(&narrow.text).await, CredentialFault::Bad);
}

async fn what_is_no_credential_is_refused(world: World) {
    let World { depot, acme, .. } = &world;
    world.user("ada@acme.example", "org.viewer").await;
    let session = world.sign_in("ada@acme.example", PASSWORD).await.unwrap();
    let key = depot.create_key(&system(), NewKey::new(*acme, "CI")).await.unwrap();
    let globex = depot.create_organization(&system(), "globex", "Globex").await.unwrap().id;
    let swapped = |text: &str| {
        let mut bytes = text.to_owned().into_bytes();
        let last = bytes.len() - 1;
        bytes[last] = if bytes[last] == b'0' { b'1' } else { b'0' };
        String::from_utf8(bytes).unwrap()
    };
    let big = "x".repeat(1_000_000);
    for text in [
        "",
        " ",
        ".",
        "..",
        "é",
        "\0",
        "ads_",
        "ads_.",
        "adk_.",
        "adt_",
        "eyJhbGciOiJub25lIn0.e30.",
        &*big,
        &format!("ads_{big}.{big}"),
        &format!("ads_{acme}.{}", "é".repeat(19)),
        &session[..session.len() - 1],
        &format!("{session}0"),
        &swapped(&session),
        &swapped(&key.text),
        &session.replace(&acme.to_string(), &globex.to_string()),
        &session.to_uppercase(),
        &session.replacen("ads_", "adk_", 1),
        &key.text.replacen("adk_", "ads_", 1),
    ] {
        assert_eq!(world.fault(text).await, CredentialFault::Bad, "{text:.80}");
        assert_eq!(fault(depot.session(text).await), CredentialFault::Bad, "{text:.80}");
    }
    assert_eq!(fault(Chain::new().authenticate(&session).await), CredentialFault::Bad);
    assert_eq!(kind(Chain::new().grant("a", "b", None).await), ErrorKind::Unsupported);
    world.chain.authenticate(&session).await.unwrap();
    world.chain.authenticate(&key.text).await.unwrap();
}
