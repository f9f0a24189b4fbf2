//! How fast pages of assets are listed over HTTP while the catalogue grows, for 16 clients at a time.
//!
//! `cargo bench --bench listing [-- SIZE... --postgres --seconds N]`, 10000 and 100000 by default.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::panic, missing_docs)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use appdepot::Depot;
use appdepot::authorize::Actor;
use appdepot::depot::{NewAsset, NewFile};
use appdepot::domain::{Asset, Content, Id, Reference, Stored, Timestamp};
use appdepot::memory::MemoryBlobs;
use appdepot::records::{Batch, Change, RecordStore};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;

mod catalogue;

use catalogue::{Arguments, filled, percentiles, service};

const CLIENTS: u64 = 16;
/// How many assets are written at a time.
const BATCH: u64 = 500;
/// How many assets belong to one product, in the mean.
const PER_PRODUCT: u64 = 20;
/// The first asset's time, in milliseconds.
const START: i64 = 1_700_000_000_000;

/// A request to repeat: its name, what comes after `?` for a random number, and whether to count.
struct Case {
    name: &'static str,
    query: fn(size: u64, random: u64) -> String,
    count: bool,
}

const CASES: [Case; 10] = [
    Case { name: "newest 25", query: |_, _| "pageSize=25".into(), count: false },
    Case { name: "newest 25, counted", query: |_, _| "pageSize=25".into(), count: true },
    Case {
        name: "one of 100 file names",
        query: |_, random| format!("pageSize=25&q=details.filename:picture{}.png", random % 100),
        count: false,
    },
    Case {
        name: "one of 100 file names, counted",
        query: |_, random| format!("pageSize=25&q=details.filename:picture{}.png", random % 100),
        count: true,
    },
    Case {
        name: "refIds.id",
        query: |size, random| format!("pageSize=25&q=refIds.id:p{}", random % (size / PER_PRODUCT)),
        count: false,
    },
    Case {
        name: "refIds.id, counted",
        query: |size, random| format!("pageSize=25&q=refIds.id:p{}", random % (size / PER_PRODUCT)),
        count: true,
    },
    Case {
        name: "id",
        query: |size, random| format!("pageSize=25&q=id:asset-{}", random % size),
        count: false,
    },
    Case { name: "largest 25", query: |_, _| "pageSize=25&sort=details.bytes:desc".into(), count: false },
    Case {
        name: "middle page",
        query: |size, _| format!("pageSize=25&pageNumber={}", size / 50),
        count: false,
    },
    Case {
        name: "last page",
        query: |size, _| format!("pageSize=25&pageNumber={}", size / 25),
        count: false,
    },
];

fn main() {
    let Arguments { sizes, server, number: seconds } = Arguments::read(&[10_000, 100_000], "--seconds", 3);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    println!("{CLIENTS} clients, {seconds} s each\n");
    println!("| records | assets | request | requests/s | p50 ms | p99 ms |\n|---|---|---|---|---|---|");
    for size in sizes {
        let folder = tempfile::tempdir().unwrap();
        let fill = async |records| fill(records, size).await;
        let (name, records) = runtime.block_on(filled(server.as_ref(), folder.path(), fill));
        let (address, token) = runtime.block_on(serve(records));
        for case in &CASES {
            let (rate, p50, p99) = measure(address, &token, size, case, Duration::from_secs(seconds));
            println!("| {name} | {size} | {} | {rate:.0} | {p50:.2} | {p99:.2} |", case.name);
        }
    }
}

/// Makes the organization and its assets: one goes the usual way, the others are made after it.
async fn fill(records: Arc<dyn RecordStore>, size: u64) {
    let depot = Depot::builder().records(records.clone()).blobs(Arc::new(MemoryBlobs::new())).build();
    let system = Actor::system("bench");
    let acme = depot.create_organization(&system, "acme", "Acme").await.unwrap().id;
    let file = NewFile { file_name: "picture.png".to_owned(), ..NewFile::default() };
    let body = Box::pin(futures::stream::iter([Ok(bytes::Bytes::from_static(b"\x89PNG"))]));
    let model = depot.upload(&system, acme, NewAsset::default(), file, body).await.unwrap();
    let mut random = Random(1);
    for first in (1..size).step_by(usize::try_from(BATCH).unwrap()) {
        let mut batch = Batch::new();
        for number in first..size.min(first + BATCH) {
            let stored = like(&model, number, size, &mut random);
            batch.changes.push(Change::Insert(stored.to_record(batch.id).unwrap()));
        }
        records.commit(batch).await.unwrap();
    }
}

fn like(model: &Stored<Asset>, number: u64, size: u64, random: &mut Random) -> Stored<Asset> {
    let mut stored = model.clone();
    stored.id = Id::generate();
    stored.created_at = Timestamp::from_millis(START + i64::try_from(number).unwrap());
    stored.updated_at = stored.created_at;
    stored.value.alias = Some(format!("asset-{number}"));
    let product = random.next() % (size / PER_PRODUCT);
    stored.value.references = vec![
        Reference { kind: "PRODUCT".to_owned(), id: format!("p{product}") },
        Reference { kind: "CATEGORY".to_owned(), id: format!("c{}", product % 50) },
    ];
    if let Content::File(file) = &mut stored.value.content {
        file.file_name = format!("picture{}.png", number % 100);
        file.length = random.next() % 10_000_000;
    }
    stored
}

async fn serve(records: Arc<dyn RecordStore>) -> (SocketAddr, String) {
    let (service, token) = service(records).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).unwrap();
            let service = TowerToHyperService::new(service.clone());
            let connection = server.serve_connection(TokioIo::new(stream), service).into_owned();
            tokio::spawn(connection);
        }
    });
    (address, token)
}

/// Requests per second, and the times in milliseconds that half and 99 in 100 requests do not exceed.
fn measure(address: SocketAddr, token: &str, size: u64, case: &Case, time: Duration) -> (f64, f64, f64) {
    let client = |seed: u64| {
        let mut random = Random(seed + 1);
        let mut connection = BufReader::new(TcpStream::connect(address).unwrap());
        connection.get_ref().set_nodelay(true).unwrap();
        // The first is not measured: it opens connections and fills caches.
        request(&mut connection, token, case, size, &mut random);
        let (started, mut times) = (Instant::now(), Vec::new());
        while started.elapsed() < time {
            let sent = Instant::now();
            request(&mut connection, token, case, size, &mut random);
            times.push(sent.elapsed());
        }
        times
    };
    let times: Vec<Duration> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|seed| scope.spawn(move || client(seed))).collect();
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    });
    let rate = times.len() as f64 / time.as_secs_f64();
    let (p50, p99) = percentiles(times.iter().map(|time| time.as_secs_f64() * 1_000.0).collect());
    (rate, p50, p99)
}

fn request(connection: &mut BufReader<TcpStream>, token: &str, case: &Case, size: u64, random: &mut Random) {
    let query = (case.query)(size, random.next());
    let count = if case.count { "X-Total-Count: true\r\n" } else { "" };
    let text = format!(
        "GET /media/acme/assets?{query} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n{count}\r\n"
    );
    connection.get_mut().write_all(text.as_bytes()).unwrap();
    let (mut length, mut counted) = (0, false);
    let mut line = String::new();
    connection.read_line(&mut line).unwrap();
    assert!(line.starts_with("HTTP/1.1 200"), "{line}");
    loop {
        line.clear();
        connection.read_line(&mut line).unwrap();
        let (name, value) = line.trim().split_once(": ").unwrap_or_default();
        match name {
            "" => break,
            "content-length" => length = value.parse().unwrap(),
            "x-total-count" => counted = value != "0",
            _ => {}
        }
    }
    let mut body = vec![0; length];
    connection.read_exact(&mut body).unwrap();
    // Every one of these requests finds something, but for a product that got no asset.
    assert!(length > 2 || query.contains("refIds") || query.contains("id:asset-0"), "{query} finds nothing");
    assert!(counted == case.count || query.contains("refIds"), "{query} is not counted");
}

/// The same numbers in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }
}
