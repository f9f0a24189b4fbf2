//! What a page of WSO2's list of apps costs while the catalogue grows, through the whole service but the network.
//!
//! `cargo bench --bench apps [-- SIZE... --postgres --rounds N]`, 300, 3000 and 100000 by default.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::panic, missing_docs)]

use std::sync::Arc;
use std::time::Instant;

use appdepot::Depot;
use appdepot::authorize::Actor;
use appdepot::depot::{NewApp, NewRelease};
use appdepot::domain::{App, Details, Id, LifecycleName, Release, Stored};
use appdepot::http::Service;
use appdepot::inspect::Platform;
use appdepot::records::{Batch, Change, RecordStore};
use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt as _;
use serde_json::Value;
use tower::ServiceExt as _;

mod catalogue;

use catalogue::{Arguments, filled, percentiles, service};

/// How many apps are written at a time.
const BATCH: u64 = 2_500;
/// How many people have made them.
const PROVIDERS: u64 = 100;

/// A request to repeat: its name, what comes after `/apps/webapp` for a size and a round, and how many apps are found
/// at least.
struct Case {
    name: &'static str,
    path: fn(size: u64, round: u64) -> String,
    found: usize,
}

const CASES: [Case; 8] = [
    Case { name: "first page", path: |_, _| "?limit=25".into(), found: 25 },
    Case { name: "first page, all fields", path: |_, _| "?limit=25&field-filter=all".into(), found: 25 },
    Case {
        name: "one of 100 providers",
        path: |_, round| format!("?limit=25&query=provider:user{:02}@", round % PROVIDERS),
        found: 3,
    },
    Case {
        name: "name of one app",
        path: |size, round| format!("?limit=25&query=Tool{:06}", round * 7_919 % size),
        found: 1,
    },
    Case { name: "no such name", path: |_, round| format!("?limit=25&query=nothing{round}"), found: 0 },
    Case {
        name: "provider-name-version",
        path: |size, round| {
            let number = round * 7_919 % size;
            format!("?query=app_id:user{:02}@example.com-Tool{number:06}-1.0", number % PROVIDERS)
        },
        found: 1,
    },
    Case { name: "last page", path: |size, _| format!("?limit=25&offset={}", size - 25), found: 25 },
    Case { name: "tags", path: |_, _| "/tags".into(), found: 0 },
];

fn main() {
    let Arguments { sizes, server, number: rounds } =
        Arguments::read(&[300, 3_000, 100_000], "--rounds", 200);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    println!("one client, {rounds} requests each\n");
    println!("| records | apps | request | p50 ms | p99 ms |\n|---|---|---|---|---|");
    for size in sizes {
        let folder = tempfile::tempdir().unwrap();
        let fill = async |records| fill(records, size).await;
        let (name, records) = runtime.block_on(filled(server.as_ref(), folder.path(), fill));
        let (service, token) = runtime.block_on(service(records));
        for case in &CASES {
            let (p50, p99) = runtime.block_on(measure(&service, &token, size, case, rounds));
            println!("| {name} | {size} | {} | {p50:.2} | {p99:.2} |", case.name);
        }
        let (p50, p99) = runtime.block_on(walk(&service, &token, size));
        println!("| {name} | {size} | each of all pages, by their links | {p50:.2} | {p99:.2} |");
    }
}

/// Makes the organization and its apps, with one version each: one goes the usual way, the others are made after it.
async fn fill(records: Arc<dyn RecordStore>, size: u64) {
    let depot = Depot::builder().records(records.clone()).build();
    let system = Actor::system("bench");
    let acme = depot.create_organization(&system, "acme", "Acme").await.unwrap().id;
    let app = NewApp {
        name: "Model".to_owned(),
        lifecycle: LifecycleName::Web,
        exclusive_name: true,
        context: Some("/model".to_owned()),
        ..NewApp::default()
    };
    let release = NewRelease {
        platform: Some(Platform::Web),
        version: Some("1.0".to_owned()),
        details: Details { description: "what it is for ".repeat(20), ..Details::default() },
        ..NewRelease::default()
    };
    let release = depot.introduce(&system, acme, app, release).await.unwrap();
    let app = depot.app(&system, acme, &release.app.to_string()).await.unwrap();
    for first in (0..size).step_by(usize::try_from(BATCH).unwrap()) {
        let mut batch = Batch::new();
        for number in first..size.min(first + BATCH) {
            let (app, release) = like(&app, &release, number);
            batch.changes.push(Change::Insert(app.to_record(batch.id).unwrap()));
            batch.changes.push(Change::Insert(release.to_record(batch.id).unwrap()));
        }
        records.commit(batch).await.unwrap();
    }
    depot.remove_release(&system, acme, release.id, None).await.unwrap();
}

fn like(app: &Stored<App>, release: &Stored<Release>, number: u64) -> (Stored<App>, Stored<Release>) {
    let (mut app, mut release) = (app.clone(), release.clone());
    (app.id, release.id) = (Id::generate(), Id::generate());
    let name = format!("Tool{number:06}");
    app.value.slug = name.to_lowercase();
    app.value.context = Some(format!("/{name}"));
    app.value.default_release = Some(release.id);
    app.value.name.clone_from(&name);
    release.value.app = app.id;
    release.value.name = name;
    release.value.provider = format!("user{:02}@example.com", number % PROVIDERS);
    release.value.details.tags = vec![format!("team{}", number % 40), format!("floor{}", number % 7)];
    (app, release)
}

/// The times in milliseconds that half and 99 in 100 requests do not exceed.
async fn measure(service: &Service, token: &str, size: u64, case: &Case, rounds: u64) -> (f64, f64) {
    let mut times = Vec::new();
    for round in 0..=rounds {
        let started = Instant::now();
        let page = ask(service, token, &format!("/apps/webapp{}", (case.path)(size, round))).await;
        times.push(started.elapsed().as_secs_f64() * 1_000.0);
        let found = page.get("appList").and_then(Value::as_array).map_or(0, Vec::len);
        assert!(found >= case.found && (case.found > 0 || found == 0), "{}: {page}", case.name);
    }
    // The first is not counted: it opens connections and fills caches.
    percentiles(times.split_off(1))
}

/// The same for every page of all, each found by the link of the one before.
async fn walk(service: &Service, token: &str, size: u64) -> (f64, f64) {
    let (mut times, mut found) = (Vec::new(), 0);
    let mut path = "/apps/webapp?limit=25".to_owned();
    while !path.is_empty() {
        let started = Instant::now();
        let page = ask(service, token, &path).await;
        times.push(started.elapsed().as_secs_f64() * 1_000.0);
        found += page.get("count").and_then(Value::as_u64).unwrap();
        path = page.get("next").and_then(Value::as_str).unwrap().to_owned();
    }
    assert_eq!(found, size);
    percentiles(times)
}

async fn ask(service: &Service, token: &str, path: &str) -> Value {
    let request = Request::get(format!("/api/appm/publisher/v1.1{path}"));
    let request = request.header("authorization", format!("Bearer {token}")).body(Body::empty()).unwrap();
    let response = service.clone().oneshot(request).await.unwrap();
    assert!(response.status().is_success(), "{path}: {}", response.status());
    serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap()
}
