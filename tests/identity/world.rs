//! A depot with people who sign in, and a clock to move.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use appdepot::authenticate::{Authenticator as _, Chain, Passwords};
use appdepot::authorize::{Actor, Origin, Subject};
use appdepot::authz::{Argon2Passwords, CasbinAuthorizer, Keys};
use appdepot::depot::{Depot, NewUser, Sessions};
use appdepot::domain::{Id, Organization, Role, Stored, Timestamp, User};
use appdepot::error::{CredentialFault, Detail};
use appdepot::records::RecordStore;
use appdepot::{ErrorKind, Result};

use crate::support::backends::Database;

pub(crate) const PASSWORD: &str = "correct horse battery";

pub(crate) const MINUTE: Duration = Duration::from_secs(60);

pub(crate) const HOUR: Duration = Duration::from_secs(3600);

/// A depot with a clock that the test moves, and an administrator who is a user.
pub(crate) struct World {
    pub(crate) depot: Depot,
    pub(crate) records: Arc<dyn RecordStore>,
    pub(crate) chain: Chain,
    pub(crate) clock: Arc<AtomicI64>,
    pub(crate) acme: Id<Organization>,
    pub(crate) admin: Actor,
    _database: Database,
}

impl World {
    pub(crate) async fn new(database: Database) -> Self {
        let records = database.records().await;
        let clock = Arc::new(AtomicI64::new(Timestamp::now().millis()));
        let depot = depot(&records, &clock, Argon2Passwords::with_parameters(64, 1, 1).unwrap());
        let chain = Chain::new()
            .with(Arc::new(Sessions::new(depot.clone())))
            .with(Arc::new(Keys::new(records.clone())));
        let acme = depot.create_organization(&system(), "acme", "Acme").await.unwrap().id;
        let admin = depot.create_user(&system(), acme, new("admin@acme.example")).await.unwrap();
        let admin = Actor::new(admin.id.into());
        role(&depot, acme, &admin.subject, "org.admin").await;
        Self { depot, records, chain, clock, acme, admin, _database: database }
    }

    pub(crate) fn pass(&self, time: Duration) {
        self.clock.fetch_add(i64::try_from(time.as_millis()).unwrap(), SeqCst);
    }

    /// A user with a password and a role.
    pub(crate) async fn user(&self, email: &str, name: &str) -> Stored<User> {
        let user = self.depot.create_user(&self.admin, self.acme, new(email)).await.unwrap();
        role(&self.depot, self.acme, &user.id.into(), name).await;
        self.depot.set_password(&self.admin, self.acme, user.id, PASSWORD).await.unwrap();
        self.depot.user(&self.admin, self.acme, email).await.unwrap()
    }

    pub(crate) async fn sign_in(&self, name: &str, password: &str) -> Result<String> {
        let done = self.depot.sign_in(self.acme, name, password, Origin::default(), None).await;
        done.map(|issued| issued.token)
    }

    pub(crate) async fn fault(&self, token: &str) -> CredentialFault {
        fault(self.chain.authenticate(token).await)
    }
}

pub(crate) fn depot(
    records: &Arc<dyn RecordStore>,
    clock: &Arc<AtomicI64>,
    passwords: impl Passwords,
) -> Depot {
    let clock = clock.clone();
    Depot::builder()
        .records(records.clone())
        .authorizer(Arc::new(CasbinAuthorizer::new(records.clone())))
        .passwords(Arc::new(passwords))
        .clock(move || Timestamp::from_millis(clock.load(SeqCst)))
        .build()
}

pub(crate) fn system() -> Actor {
    Actor::system("test")
}

pub(crate) fn new(email: &str) -> NewUser {
    NewUser { email: email.to_owned(), ..NewUser::default() }
}

pub(crate) async fn role(depot: &Depot, organization: Id<Organization>, subject: &Subject, name: &str) {
    depot.grant(&system(), organization, subject.clone(), Role::parse(name).unwrap(), None).await.unwrap();
}

pub(crate) fn fault<T: std::fmt::Debug>(result: Result<T>) -> CredentialFault {
    match result.unwrap_err().detail() {
        Detail::Credential(fault) => *fault,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn kind<T: std::fmt::Debug>(result: Result<T>) -> ErrorKind {
    result.unwrap_err().kind()
}
