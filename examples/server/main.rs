//! A depot as a server that needs nothing: `cargo run --release --example server`, and `--help` for its flags.
//!
//! `config` reads flags and environment, `setup` opens the backends and makes what the first start makes, `serve`
//! accepts connections. To embed a depot into a program of your own, start from `setup`.

#![allow(clippy::print_stdout, clippy::print_stderr)]

mod config;
mod serve;
mod setup;
mod stall;

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use appdepot::Depot;
use appdepot::authenticate::Chain;
use appdepot::authz::Keys;
use appdepot::depot::Sessions;
use appdepot::http::Service;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::config::{Command, Config};
use crate::serve::{Manners, Signals};

/// How often interrupted uploads and removals are looked for, and expired tokens forgotten.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(60);
/// How many expired tokens are forgotten at a time.
const PURGE_TOKENS: u32 = 1_000;

/// How many builds are read at once.
const BUILD_WORKERS: usize = 2;
/// How long a worker waits when no build does.
const BUILD_PAUSE: Duration = Duration::from_millis(250);
/// How long a worker may take for the build it reads when the server stops. What it leaves is taken up again.
const BUILD_DRAIN: Duration = Duration::from_secs(10);

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

#[tokio::main]
async fn main() -> ExitCode {
    let config = match config::read() {
        Ok(Command::Serve(config)) => config,
        Ok(Command::Help) => {
            say(config::HELP.trim_end());
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(2);
        }
    };
    match run(*config).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(config: Config) -> Outcome {
    // The causes of failures are told to the operator here, never to a client.
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_max_level(config.log).init();
    let listen = &config.listen;
    let listener = TcpListener::bind(listen).await.map_err(|error| format!("--listen {listen}: {error}"))?;
    let address = listener.local_addr()?;
    if !address.ip().is_loopback() {
        eprintln!(
            "notice: {address} can be reached from outside, and nothing is encrypted; put TLS in front"
        );
    }
    let opened = setup::open(&config).await?;
    let public_url = config.public_url.unwrap_or_else(|| format!("http://{address}"));
    let callers =
        Chain::new().with(Arc::new(Sessions::new(opened.depot.clone()))).with(Arc::clone(&opened.keys) as _);
    let service = Service::builder(opened.depot.clone(), Arc::new(callers))
        .public_url(&public_url)
        .domain(&config.organization)
        .metrics()
        .build();
    let signals = Signals::install()?;

    say(&format!("listening on http://{address}"));
    if let Some(news) = &opened.news {
        say(&news.to_string());
        say(&format!("store {public_url}/store/{}", news.organization.slug));
    }
    if let Some(account) = &opened.account {
        say(&account.to_string());
    }
    let stop = watch::Sender::new(false);
    let workers: JoinSet<()> =
        (0..BUILD_WORKERS).map(|_| process_builds(opened.depot.clone(), stop.subscribe())).collect();
    let upkeep = tokio::spawn(upkeep(opened.depot, opened.keys));
    let manners =
        Manners { stall_timeout: config.stall_timeout, country_header: config.country_header.clone() };
    serve::serve(listener, service, manners, signals).await;
    upkeep.abort();
    stop.send_replace(true);
    let _ = tokio::time::timeout(BUILD_DRAIN, workers.join_all()).await;
    Ok(())
}

/// Reads builds that came in, one after the other, until told to stop.
async fn process_builds(depot: Depot, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        match depot.process_build().await {
            Ok(Some(_)) => continue,
            Ok(None) => {}
            Err(error) => tracing::warn!(?error, "a build"),
        }
        let _ = tokio::time::timeout(BUILD_PAUSE, stop.changed()).await;
    }
}

async fn upkeep(depot: Depot, keys: Arc<Keys>) {
    let mut interval = tokio::time::interval(UPKEEP_INTERVAL);
    loop {
        interval.tick().await;
        if let Err(error) = depot.sweep().await {
            tracing::warn!(?error, "sweep");
        }
        if let Err(error) = keys.purge(PURGE_TOKENS).await {
            tracing::warn!(?error, "expired tokens");
        }
    }
}

/// Prints a line; whoever read the output may be gone by now, which is no reason to stop.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
