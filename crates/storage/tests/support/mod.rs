//! What the test binaries of this crate share.

use std::future::Future;
use std::sync::Arc;

use appdepot_storage::testing::Postgres;
use libtest_mimic::{Arguments, Conclusion, Trial};

pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.unwrap().block_on(future)
}

/// Starts a server, lets `trials` use it, and stops it. Without one on the machine, the trials whose name says
/// `postgres` show as ignored, or one more fails when `APPDEPOT_REQUIRE_BACKENDS` is 1.
pub(crate) fn run(trials: impl FnOnce(Option<Arc<Postgres>>) -> Vec<Trial>) -> Conclusion {
    let arguments = Arguments::from_args();
    let server = if arguments.list { None } else { Postgres::start().map(Arc::new) };
    let missing = server.is_none();
    let needed = std::env::var_os("APPDEPOT_REQUIRE_BACKENDS").is_some_and(|set| set == "1");
    let mut all: Vec<Trial> = trials(server.clone())
        .into_iter()
        .map(|trial| {
            let ignored = missing && trial.name().contains("postgres");
            trial.with_ignored_flag(ignored)
        })
        .collect();
    if missing && needed && !arguments.list {
        all.push(Trial::test("postgres_is_installed", || Err("no PostgreSQL that starts".into())));
    }
    let conclusion = libtest_mimic::run(&arguments, all);
    // Leaving the process by `exit` would not stop the server.
    drop(server);
    conclusion
}
