//! Tests that run on several record stores, each time on a fresh database.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use appdepot::memory::MemoryRecords;
use appdepot::records::RecordStore;
use appdepot::storage::testing::Postgres;
use appdepot::storage::{Durability, PoolOptions, PostgresRecords, SqliteRecords};
use libtest_mimic::{Arguments, Failed, Trial};
use tempfile::TempDir;

/// Where records are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    Memory,
    Sqlite,
    Postgres,
}

impl Backend {
    pub const ALL: [Self; 3] = [Self::Memory, Self::Sqlite, Self::Postgres];
}

/// A fresh database.
pub enum Database {
    Memory(Arc<MemoryRecords>),
    Sqlite(TempDir),
    Postgres(String),
}

impl Database {
    /// Its records. Each call but in memory opens it anew, as another process would.
    pub async fn records(&self) -> Arc<dyn RecordStore> {
        match self {
            Self::Memory(records) => records.clone(),
            Self::Sqlite(folder) => {
                let path = folder.path().join("records.sqlite");
                Arc::new(SqliteRecords::open(path, Durability::Os).await.unwrap())
            }
            Self::Postgres(url) => {
                Arc::new(PostgresRecords::connect(url, PoolOptions::default()).await.unwrap())
            }
        }
    }
}

/// A test as it runs on one of them.
pub type Case = fn(Database) -> Pin<Box<dyn Future<Output = Result<(), Failed>>>>;

/// The name of each case and the case, in a world that `$world` makes of a database.
macro_rules! cases {
    ($world:path: $($case:path),* $(,)?) => {
        [$((stringify!($case), (|database| Box::pin(async move {
            $case($world(database).await).await;
            Ok(())
        })) as $crate::support::backends::Case)),*]
    };
}
pub(crate) use cases;

/// The trials of a test program. One of a backend that this machine cannot run is shown as ignored, and fails where
/// backends are required.
pub struct Trials {
    postgres: Arc<Option<Postgres>>,
    all: Vec<Trial>,
}

impl Trials {
    pub fn new() -> Self {
        Self { postgres: Arc::new(Postgres::start()), all: Vec::new() }
    }

    pub fn add<F>(
        &mut self,
        backend: Backend,
        name: &str,
        case: impl FnOnce(Database) -> F + Send + 'static,
    ) -> &mut Self
    where
        F: Future<Output = Result<(), Failed>>,
    {
        let missing = backend == Backend::Postgres && self.postgres.is_none();
        let postgres = self.postgres.clone();
        let name = format!("{}::{name}", format!("{backend:?}").to_lowercase());
        let trial = Trial::test(name, move || {
            let mut runtime = tokio::runtime::Builder::new_multi_thread();
            runtime.worker_threads(2).enable_all().build()?.block_on(async {
                let database = match (backend, &*postgres) {
                    (Backend::Memory, _) => Database::Memory(Arc::new(MemoryRecords::new())),
                    (Backend::Sqlite, _) => Database::Sqlite(tempfile::tempdir()?),
                    (Backend::Postgres, Some(server)) => Database::Postgres(server.database().await),
                    (Backend::Postgres, None) => {
                        return Err("PostgreSQL is required here and its server binaries are missing".into());
                    }
                };
                case(database).await
            })
        });
        self.all.push(trial.with_ignored_flag(missing && !super::required()));
        self
    }

    /// Shows the trial that was added last as ignored: it takes long.
    pub fn ignored(&mut self) {
        if let Some(trial) = self.all.pop() {
            self.all.push(trial.with_ignored_flag(true));
        }
    }

    /// Runs them and ends the process.
    pub fn run(self) -> ! {
        let conclusion = libtest_mimic::run(&Arguments::from_args(), self.all);
        // The server process must end with the tests, and exit() runs no destructors.
        drop(Arc::into_inner(self.postgres));
        conclusion.exit()
    }
}
