//! What the benches over growing catalogues share: sizes to try, a store filled to each, a service over it.

use std::path::Path;
use std::sync::Arc;

use appdepot::Depot;
use appdepot::authorize::Actor;
use appdepot::authz::{CasbinAuthorizer, Keys};
use appdepot::depot::NewKey;
use appdepot::domain::Role;
use appdepot::http::Service;
use appdepot::records::RecordStore;
use appdepot::storage::testing::Postgres;
use appdepot::storage::{Durability, PoolOptions, PostgresRecords, SqliteRecords};

/// What the command line asks for.
pub(crate) struct Arguments {
    pub(crate) sizes: Vec<u64>,
    pub(crate) server: Option<Postgres>,
    /// The number behind the bench's own option.
    pub(crate) number: u64,
}

impl Arguments {
    /// `[SIZE...] [--postgres] [OPTION N]`.
    pub(crate) fn read(sizes: &[u64], option: &str, number: u64) -> Self {
        let mut read = Self { sizes: Vec::new(), server: None, number };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--postgres" => {
                    let missing = || panic!("no postgresql on this machine");
                    read.server = Some(Postgres::start().unwrap_or_else(missing));
                }
                given if given == option => {
                    read.number = arguments.next().and_then(|n| n.parse().ok()).unwrap_or(number);
                }
                other => read.sizes.extend(other.parse::<u64>()),
            }
        }
        if read.sizes.is_empty() {
            read.sizes.extend(sizes);
        }
        read
    }
}

/// Records as `fill` leaves them, in PostgreSQL if there is a server, else in a SQLite file in `folder`; with the
/// statistics that the planner goes by.
pub(crate) async fn filled(
    server: Option<&Postgres>,
    folder: &Path,
    fill: impl AsyncFnOnce(Arc<dyn RecordStore>),
) -> (&'static str, Arc<dyn RecordStore>) {
    if let Some(server) = server {
        let records =
            PostgresRecords::connect(&server.database().await, PoolOptions::default()).await.unwrap();
        fill(Arc::new(records.clone())).await;
        // As the server's own upkeep does after a while.
        sqlx::raw_sql("VACUUM ANALYZE").execute(records.pool()).await.unwrap();
        return ("PostgreSQL", Arc::new(records));
    }
    let path = folder.join("depot.sqlite");
    let records = SqliteRecords::open(&path, Durability::Os).await.unwrap();
    fill(Arc::new(records.clone())).await;
    // Closing makes them.
    records.close().await;
    ("SQLite", Arc::new(SqliteRecords::open(&path, Durability::Os).await.unwrap()))
}

/// A service over the records, and a key of an owner of the organization `acme`.
pub(crate) async fn service(records: Arc<dyn RecordStore>) -> (Service, String) {
    let authorizer = Arc::new(CasbinAuthorizer::new(records.clone()));
    let depot = Depot::builder().records(records.clone()).authorizer(authorizer).build();
    let system = Actor::system("bench");
    let acme = depot.organization(&system, "acme").await.unwrap().id;
    let created = depot.create_key(&system, NewKey::new(acme, "bench")).await.unwrap();
    let owner = Role::parse(Role::OWNER).unwrap();
    depot.grant(&system, acme, created.subject, owner, None).await.unwrap();
    (Service::builder(depot, Arc::new(Keys::new(records))).build(), created.text.clone())
}

/// What half and 99 in 100 of the times do not exceed.
pub(crate) fn percentiles(mut times: Vec<f64>) -> (f64, f64) {
    times.sort_unstable_by(f64::total_cmp);
    let at = |hundredths: usize| *times.get(times.len() * hundredths / 100).unwrap();
    (at(50), at(99))
}
