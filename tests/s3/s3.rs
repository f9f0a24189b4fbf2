//! The blob port on S3, with a server of the protocol in this process: core's behaviour suite, links, and an
//! inspection that reads ranges.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]
#![allow(clippy::print_stdout)]

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use appdepot::blobs::{BlobKey, BlobSource, BlobStore};
use appdepot::domain::Id;
use appdepot::inspect::{Format, Hint, Inspector};
use appdepot::metadata::{Extractor, Limits, Registry};
use appdepot::storage::{OpendalBlobs, S3Config};
use appdepot_core::conformance;
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _, stream};
use hyper_util::rt::{TokioExecutor, TokioIo};
use libtest_mimic::{Arguments, Failed, Trial};
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const ACCESS_KEY: &str = "test-access";
const SECRET_KEY: &str = "test-secret";
const LINK_TTL: Duration = Duration::from_secs(60);

type Scenario = fn(Arc<Server>) -> BoxFuture<'static, Result<(), Failed>>;

/// The keys come from the environment, which a program cannot safely change for itself: it starts itself anew.
fn main() -> ExitCode {
    if std::env::var("AWS_ACCESS_KEY_ID").is_ok_and(|key| key == ACCESS_KEY) {
        return run();
    }
    let mut again = Command::new(std::env::current_exe().unwrap());
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AWS_")) {
        again.env_remove(name);
    }
    again.args(std::env::args_os().skip(1)).env("NO_PROXY", "127.0.0.1");
    again.envs([("AWS_ACCESS_KEY_ID", ACCESS_KEY), ("AWS_SECRET_ACCESS_KEY", SECRET_KEY)]);
    if again.status().unwrap().success() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run() -> ExitCode {
    // One runtime for all: the client's connections live on it.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let runtime = Arc::new(runtime);
    let server = runtime.block_on(Server::start());
    let mut trials = Vec::new();
    for case in conformance::blobs::cases() {
        let (runtime, server) = (runtime.clone(), server.clone());
        trials.push(Trial::test(format!("blobs::{}", case.name), move || {
            let blobs = Arc::new(server.bucket());
            runtime.block_on((case.run)(blobs)).map_err(Into::into)
        }));
    }
    let scenarios: [(&str, Scenario); 3] = [
        ("a_link_is_enough", |server| a_link_is_enough(server).boxed()),
        ("a_package_is_read_by_ranges", |server| a_package_is_read_by_ranges(server).boxed()),
        ("stores_share_a_bucket", |server| stores_share_a_bucket(server).boxed()),
    ];
    for (name, scenario) in scenarios {
        let (runtime, server) = (runtime.clone(), server.clone());
        trials.push(Trial::test(name, move || runtime.block_on(scenario(server))));
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// Anyone can fetch what a link leads to, and only that, and not for ever.
async fn a_link_is_enough(server: Arc<Server>) -> Result<(), Failed> {
    let blobs = server.bucket();
    let (key, other) = (BlobKey::of(Id::generate()), BlobKey::of(Id::generate()));
    let data = Bytes::from_static(b"for whoever holds the link");
    for key in [&key, &other] {
        blobs.put(key, stream::iter([Ok(data.clone())]).boxed()).await?;
    }
    let link = blobs.link(&key, LINK_TTL).await?.ok_or("the store makes no link")?;
    assert_eq!(fetch(&link).await, (200, data.to_vec()));

    assert_eq!(fetch(&link.replace(key.as_str(), other.as_str())).await.0, 403, "another blob");
    let (bare, _) = link.split_once('?').unwrap();
    assert_eq!(fetch(bare).await.0, 403, "without a signature");
    assert_eq!(fetch(&link.replace("X-Amz-Expires=60", "X-Amz-Expires=600")).await.0, 403, "a longer life");

    let brief = blobs.link(&key, Duration::from_secs(1)).await?.ok_or("the store makes no link")?;
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    assert_eq!(fetch(&brief).await.0, 403, "too late");
    Ok(())
}

/// The package lies behind 8 MiB of others' bytes and is found without them.
async fn a_package_is_read_by_ranges(server: Arc<Server>) -> Result<(), Failed> {
    let blobs = server.bucket();
    let file = padded(&std::fs::read(fixture())?, 8 << 20);
    let (key, length) = (BlobKey::of(Id::generate()), file.len() as u64);
    blobs.put(&key, stream::iter([Ok(file.clone())]).boxed()).await?;

    let extractor = Extractor::new(Registry::default(), Limits::remote());
    let hint = Hint::file_name("field-notes.apk");
    let before = server.requests.load(SeqCst);
    let found = extractor.inspect(&BlobSource::new(&blobs, &key, length), &hint).await;
    let requests = server.requests.load(SeqCst) - before;
    println!("ranged: {} reads, {} bytes, {requests} HTTP requests", found.reads, found.bytes_read);

    let near = Extractor::new(Registry::default(), Limits::remote()).inspect_slice(&file, &hint);
    assert_eq!((found.format, &found.error), (Format::Apk, &None));
    assert_eq!(found, near, "from a bucket it is the package it is from memory");
    assert!(found.reads <= 4 && found.bytes_read <= 256 << 10, "{} {}", found.reads, found.bytes_read);
    assert_eq!(requests, u64::from(found.reads), "a request for each read");
    Ok(())
}

/// With a prefix the store keeps to its part of the bucket.
async fn stores_share_a_bucket(server: Arc<Server>) -> Result<(), Failed> {
    let bucket = server.new_bucket();
    let open = |prefix: Option<&str>| server.open(&bucket, prefix);
    let (ours, theirs) = (open(Some("ours")), open(Some("theirs")));
    let key = BlobKey::foreign("app.apk")?;
    ours.put(&key, stream::iter([Ok(Bytes::from_static(b"1"))]).boxed()).await?;
    assert_eq!((ours.stat(&key).await?, theirs.stat(&key).await?), (Some(1), None));
    assert_eq!(open(None).stat(&BlobKey::foreign("ours/app.apk")?).await?, Some(1));
    Ok(())
}

/// The archive with zeros between its last entry and its signing block.
fn padded(archive: &[u8], zeros: usize) -> Bytes {
    const END_LEN: usize = 22;
    const FOOTER_LEN: usize = 24;
    let (body, end) = archive.split_at(archive.len() - END_LEN);
    let directory = u32::from_le_bytes(end[16..20].try_into().unwrap());
    let footer = directory as usize - FOOTER_LEN;
    let block_len = u64::from_le_bytes(archive[footer..footer + 8].try_into().unwrap()) as usize + 8;
    let (entries, rest) = body.split_at(directory as usize - block_len);
    let moved = (directory + zeros as u32).to_le_bytes();
    [entries, &vec![0; zeros], rest, &end[..16], &moved, &end[20..]].concat().into()
}

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/field-notes.apk")
}

/// The status and the body of a plain GET.
async fn fetch(link: &str) -> (u16, Vec<u8>) {
    let (host, path) = link.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(host).await.unwrap();
    let request = format!("GET /{path} HTTP/1.0\r\nhost: {host}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let head = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
    let status = String::from_utf8_lossy(&answer[9..12]).parse().unwrap();
    (status, answer.split_off(head + 4))
}

/// A server of the S3 protocol over a temporary directory, whose folders are the buckets.
struct Server {
    endpoint: String,
    folder: tempfile::TempDir,
    requests: Arc<AtomicU64>,
    buckets: Mutex<u32>,
}

impl Server {
    async fn start() -> Arc<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mut service = S3ServiceBuilder::new(s3s_fs::FileSystem::new(folder.path()).unwrap());
        service.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        let service = service.build();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(AtomicU64::new(0));
        let counter = requests.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (service, counter) = (service.clone(), counter.clone());
                let counted =
                    hyper::service::service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
                        counter.fetch_add(1, SeqCst);
                        hyper::service::Service::call(&service, request)
                    });
                tokio::spawn(async move {
                    let builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                    let _ = builder.serve_connection(TokioIo::new(stream), counted).await;
                });
            }
        });
        Arc::new(Self { endpoint, folder, requests, buckets: Mutex::default() })
    }

    fn new_bucket(&self) -> String {
        let mut count = self.buckets.lock().unwrap();
        *count += 1;
        let bucket = format!("bucket-{count}");
        std::fs::create_dir(self.folder.path().join(&bucket)).unwrap();
        bucket
    }

    fn open(&self, bucket: &str, prefix: Option<&str>) -> OpendalBlobs {
        let config = S3Config {
            bucket: bucket.to_owned(),
            endpoint: Some(self.endpoint.clone()),
            region: Some("us-east-1".to_owned()),
            prefix: prefix.map(str::to_owned),
            ..S3Config::default()
        };
        OpendalBlobs::s3(config).unwrap()
    }

    fn bucket(&self) -> OpendalBlobs {
        self.open(&self.new_bucket(), None)
    }
}
