//! What the tests share: databases to run on, and a service to drive from outside with programs that may not be here.
#![allow(unused, unreachable_pub)] // a module of several test programs

pub mod backends;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use appdepot::authenticate::Chain;
use appdepot::authorize::{Actor, Subject};
use appdepot::authz::{Argon2Passwords, CasbinAuthorizer, Keys};
use appdepot::depot::{Depot, NewUser, Sessions};
use appdepot::domain::{Id, Organization, Role, Stored, User};
use appdepot::http::Service;
use appdepot::memory::MemoryRecords;
use appdepot::metadata::Extractor;
use tokio::net::TcpListener;

/// Everyone's.
pub const PASSWORD: &str = "correct horse battery";

/// Whether what a test needs must be here.
pub fn required() -> bool {
    std::env::var("APPDEPOT_REQUIRE_BACKENDS").is_ok_and(|value| value == "1")
}

/// A program on the path.
pub fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// A folder of this one's parent.
pub fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}

/// A depot in memory with its real parts, and those whom it knows.
pub fn depot() -> (Depot, Chain) {
    let records = Arc::new(MemoryRecords::new());
    let keys = Arc::new(Keys::new(records.clone()));
    let depot = Depot::builder()
        .records(records.clone())
        .authorizer(Arc::new(CasbinAuthorizer::new(records)))
        .inspector(Arc::new(Extractor::default().icons(192)))
        .passwords(Arc::new(Argon2Passwords::default()))
        .build();
    let callers = Chain::new().with(Arc::new(Sessions::new(depot.clone()))).with(keys);
    (depot, callers)
}

/// Someone with an account and [`PASSWORD`].
pub async fn person(
    depot: &Depot,
    organization: Id<Organization>,
    user: NewUser,
    role: &str,
) -> Stored<User> {
    let system = Actor::system("test");
    let user = depot.create_user(&system, organization, user).await.unwrap();
    depot.set_password(&system, organization, user.id, PASSWORD).await.unwrap();
    let role = Role::parse(role).unwrap();
    depot.grant(&system, organization, Subject::from(user.id), role, None).await.unwrap();
    user
}

/// Serves on a port that was opened, for as long as the runtime lives.
pub fn serve(listener: TcpListener, service: Service) {
    tokio::spawn(async move { axum::serve(listener, service.router::<()>()).await });
}
