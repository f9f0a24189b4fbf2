//! How fast a large file comes in over HTTP, how much memory that takes, and how often its bytes are touched;
//! beside hashing and copying the same file.
//!
//! `cargo bench --bench upload [-- MEBIBYTES]`, 1024 by default. Linux only: it reads `/proc/self`.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use appdepot::authorize::Actor;
use appdepot::authz::{CasbinAuthorizer, Keys};
use appdepot::blobs::{BlobKey, BlobStore, ByteRange, ByteStream};
use appdepot::depot::NewKey;
use appdepot::domain::Role;
use appdepot::http::Service;
use appdepot::metadata::Extractor;
use appdepot::storage::{Durability, OpendalBlobs, SqliteRecords};
use appdepot::{Depot, Result};
use futures::TryStreamExt as _;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;

const MIB: u64 = 1024 * 1024;
/// The most that memory may grow while a file of any size comes in.
const GROWTH_LIMIT: u64 = 64 * MIB;
const ROUNDS: usize = 3;

/// Counts the bytes that go into and come out of a store.
#[derive(Debug)]
struct Counted {
    inner: OpendalBlobs,
    written: Arc<AtomicU64>,
    read: AtomicU64,
}

#[async_trait::async_trait]
impl BlobStore for Counted {
    async fn put(&self, key: &BlobKey, body: ByteStream) -> Result<u64> {
        let written = self.written.clone();
        let counted = body.inspect_ok(move |chunk| {
            written.fetch_add(chunk.len() as u64, Relaxed);
        });
        self.inner.put(key, Box::pin(counted)).await
    }
    async fn get(&self, key: &BlobKey, range: ByteRange) -> Result<ByteStream> {
        let stream = self.inner.get(key, range).await?;
        if let Some(end) = range.end {
            self.read.fetch_add(end.saturating_sub(range.start), Relaxed);
        }
        Ok(stream)
    }
    async fn stat(&self, key: &BlobKey) -> Result<Option<u64>> {
        self.inner.stat(key).await
    }
    async fn delete(&self, key: &BlobKey) -> Result<()> {
        self.inner.delete(key).await
    }
}

fn main() {
    let mebibytes: u64 = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(1024);
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("source.bin");
    write_noise(&source, mebibytes);
    let length = mebibytes * MIB;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();

    println!("{mebibytes} MiB, best of {ROUNDS}; MiB/s");
    let mut best = Vec::new();
    for durability in [Durability::Full, Durability::Os] {
        let data = folder.path().join(format!("{durability:?}"));
        let blobs = OpendalBlobs::directory(&data, durability).unwrap();
        let counted = Arc::new(Counted { inner: blobs, written: Arc::default(), read: AtomicU64::new(0) });
        let (address, token) = runtime.block_on(serve(
            &folder.path().join(format!("{durability:?}.db")),
            counted.clone(),
            durability,
        ));
        let mut times = Vec::new();
        for _ in 0..ROUNDS {
            counted.written.store(0, Relaxed);
            counted.read.store(0, Relaxed);
            let before = memory("VmRSS:");
            reset_peak();
            let started = Instant::now();
            upload(address, &token, &source, length);
            times.push(started.elapsed());
            let growth = memory("VmHWM:").saturating_sub(before);
            let (written, read) = (counted.written.load(Relaxed), counted.read.load(Relaxed));
            println!(
                "  upload ({durability:?}): memory grew by {} KiB; {written} bytes stored, {read} read again",
                growth / 1024
            );
            assert!(growth < GROWTH_LIMIT, "memory grew by {growth} bytes");
            assert_eq!(written, length, "one pass");
            assert!(read < MIB, "the bytes were read again");
            std::fs::remove_dir_all(data.join("blobs")).unwrap();
        }
        best.push((format!("upload over HTTP, hashed, stored ({durability:?})"), fastest(&times)));
    }
    let copy = folder.path().join("copy.bin");
    let peers: [(&str, &str, Vec<&Path>); 3] = [
        ("openssl dgst -sha256", "openssl dgst -sha256", vec![&source]),
        ("cp", "cp", vec![&source, &copy]),
        ("cp, then sync of the copy", "sh -c cp+sync", vec![&source, &copy]),
    ];
    for (name, command, files) in peers {
        let times: Vec<Duration> = (0..ROUNDS).filter_map(|_| peer(command, &files)).collect();
        if times.is_empty() {
            println!("  {name}: not on this machine");
        } else {
            best.push((name.to_owned(), fastest(&times)));
        }
    }
    let speed = |time: Duration| length as f64 / MIB as f64 / time.as_secs_f64();
    let hash = best.iter().find(|(name, _)| name.starts_with("openssl")).map(|(_, time)| speed(*time));
    for (name, time) in &best {
        let ratio = hash.map(|hash| format!("{:.2} x openssl", speed(*time) / hash)).unwrap_or_default();
        println!("{name:<52} {:>7.0}   {ratio}", speed(*time));
    }
}

async fn serve(records: &Path, blobs: Arc<Counted>, durability: Durability) -> (SocketAddr, String) {
    let records = Arc::new(SqliteRecords::open(records, durability).await.unwrap());
    let depot = Depot::builder()
        .blobs(blobs)
        .records(records.clone())
        .authorizer(Arc::new(CasbinAuthorizer::new(records.clone())))
        .inspector(Arc::new(Extractor::default()))
        .build();
    let system = Actor::system("bench");
    let acme = depot.create_organization(&system, "acme", "Acme").await.unwrap().id;
    let keys = Arc::new(Keys::new(records));
    let created = depot.create_key(&system, NewKey::new(acme, "bench")).await.unwrap();
    let owner = Role::parse(Role::OWNER).unwrap();
    depot.grant(&system, acme, created.subject, owner, None).await.unwrap();
    let service = Service::builder(depot, keys).build();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
        while let Ok((stream, _)) = listener.accept().await {
            let service = TowerToHyperService::new(service.clone());
            let connection = server.serve_connection(TokioIo::new(stream), service).into_owned();
            tokio::spawn(connection);
        }
    });
    (address, created.text.clone())
}

/// Sends the file as curl would: one form with a file part, over one connection.
fn upload(address: SocketAddr, token: &str, file: &Path, length: u64) {
    let head = "--frontier\r\nContent-Disposition: form-data; name=\"file\"; filename=\"large.txt\"\r\n\r\n";
    let tail = "\r\n--frontier--\r\n";
    let total = head.len() as u64 + length + tail.len() as u64;
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "POST /v1/organizations/acme/mdm/assets HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Authorization: Bearer {token}\r\nContent-Type: multipart/form-data; boundary=frontier\r\n\
         Content-Length: {total}\r\n\r\n{head}"
    )
    .unwrap();
    let mut source = std::fs::File::open(file).unwrap();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let count = source.read(&mut buffer).unwrap();
        if count == 0 {
            break;
        }
        stream.write_all(buffer.get(..count).unwrap()).unwrap();
    }
    stream.write_all(tail.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

fn write_noise(path: &Path, mebibytes: u64) {
    let mut file = std::fs::File::create(path).unwrap();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut block = Vec::with_capacity(MIB as usize);
    for number in 0..mebibytes {
        block.clear();
        while block.len() < MIB as usize {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(number | 1);
            block.extend_from_slice(&state.to_le_bytes());
        }
        file.write_all(&block).unwrap();
    }
    file.sync_all().unwrap();
}

fn peer(command: &str, files: &[&Path]) -> Option<Duration> {
    let started = Instant::now();
    let mut run = match command {
        "sh -c cp+sync" => {
            let mut shell = Command::new("sh");
            shell.args(["-c", "cp \"$0\" \"$1\" && sync \"$1\""]);
            shell
        }
        other => {
            let mut words = other.split(' ');
            let mut run = Command::new(words.next()?);
            run.args(words);
            run
        }
    };
    let done = run.args(files).stdout(std::process::Stdio::null()).status().ok()?.success();
    done.then(|| started.elapsed())
}

fn fastest(times: &[Duration]) -> Duration {
    times.iter().min().copied().unwrap()
}

/// A figure of `/proc/self/status`, in bytes.
fn memory(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

/// From now on the peak counts anew (proc(5), `clear_refs`).
fn reset_peak() {
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
}
