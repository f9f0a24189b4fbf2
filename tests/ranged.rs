//! What an inspection costs where each read is a request: how many, and how many bytes. Over the corpus, over
//! packages of 5 GiB that exist nowhere, and through the blob port. The corpus is looked for at `APPDEPOT_CORPUS`,
//! else beside the checkout; where it is absent its test shows as ignored.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]
#![allow(clippy::print_stdout)]

use std::collections::BTreeMap;
use std::fs;
use std::future::{Future, poll_fn};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use appdepot::blobs::{BlobKey, BlobSource, BlobStore, ByteRange, ByteStream};
use appdepot::domain::Id;
use appdepot::inspect::{Format, Hint, Inspection, Inspector, Source};
use appdepot::metadata::containers::zip::Archive;
use appdepot::metadata::fixture::ipa::{IpaBuilder, ProfileBuilder};
use appdepot::metadata::formats::profile::ReleaseType;
use appdepot::metadata::{Extractor, Fields, Limits, Reader, Registry};
use appdepot::storage::{Durability, OpendalBlobs};
use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use libtest_mimic::{Arguments, Failed, Trial};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

fn main() {
    let corpus = corpus();
    let absent = corpus.is_none();
    let trials = vec![
        Trial::test("the_corpus", move || of_the_corpus(&corpus.unwrap())).with_ignored_flag(absent),
        Trial::test("packages_of_five_gibibytes", of_five_gibibytes),
        Trial::test("a_blob_in_memory", || through_the_port(OpendalBlobs::memory().unwrap())),
        Trial::test("a_blob_in_a_directory", || {
            let folder = tempfile::tempdir().unwrap();
            through_the_port(OpendalBlobs::directory(folder.path(), Durability::Os).unwrap())
        }),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

fn corpus() -> Option<PathBuf> {
    let named = std::env::var_os("APPDEPOT_CORPUS").map(PathBuf::from);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let beside =
        || ["../shared/corpus", "../corpus"].map(|path| root.join(path)).into_iter().find(|p| p.is_dir());
    named.or_else(beside)
}

/// Requests and bytes.
type Cost = (u32, u64);

/// What Android packages keep within in the median.
const APK: Cost = (4, 256 * KIB);
/// With the label in every language a resource table is read whole up to 512 KiB: the languages are all over it, and
/// going through it costs ten requests more.
const EVERYTHING: Cost = (4, 576 * KIB);
/// What any package of 5 GiB keeps within.
const HUGE: Cost = (6, MIB);

fn of_the_corpus(corpus: &Path) -> Result<(), Failed> {
    const LARGE: u64 = 1_000_000;
    const MIDDLING: u64 = 100_000;
    // native libraries cost a request each, for which there is no budget
    let parts = [
        ("", Limits::remote().fields),
        (", who and signers", Fields::IDENTITY | Fields::SIGNERS),
        (", libraries too", Fields::ALL),
    ]
    .map(|(name, fields)| (name, Extractor::default().fields(fields), remote().fields(fields)));
    let mut groups: BTreeMap<String, Vec<Cost>> = BTreeMap::new();
    for path in files(corpus) {
        let length = fs::metadata(&path)?.len();
        if length < MIDDLING {
            continue;
        }
        let source = Distant::new(Bytes::from(fs::read(&path)?));
        let hint = Hint::file_name(path.file_name().unwrap().to_string_lossy());
        for (part, local, remote) in &parts {
            source.seen.lock().unwrap().clear();
            let (found, cost) = measured(remote, &source, &hint);
            let near = local.inspect_file(&path)?;
            if (&near.package, &near.error) != (&found.package, &found.error) {
                let path = path.display();
                return Err(format!("{path}: read in other ranges, it is another package{part}").into());
            }
            // other formats read the same for both
            if !part.is_empty() && found.format != Format::Apk {
                continue;
            }
            let word = found.format.as_str();
            if length >= LARGE {
                groups.entry(format!("{word}, 1 MB and more{part}")).or_default().push(cost);
            }
            groups.entry(format!("{word}, 100 kB and more{part}")).or_default().push(cost);
        }
    }
    println!("{:<44} {:>5}   {:>14}   {:>16}", "", "", "requests", "KiB");
    println!("{:<44} {:>5}   {:>6} {:>7}   {:>8} {:>7}", "", "files", "median", "max", "median", "max");
    for (name, costs) in &groups {
        let (requests, bytes) = (spread(costs, |cost| cost.0.into()), spread(costs, |cost| cost.1));
        let kib = |bytes: u64| bytes as f64 / KIB as f64;
        let (count, (middle, most)) = (costs.len(), requests);
        println!(
            "{name:<44} {count:>5}   {middle:>6} {most:>7}   {:>8.1} {:>7.1}",
            kib(bytes.0),
            kib(bytes.1)
        );
    }
    for (group, budget) in [
        ("apk, 1 MB and more, who and signers", APK),
        ("apk, 1 MB and more", EVERYTHING),
        ("apk, 100 kB and more", APK),
    ] {
        let costs = groups.get(group).ok_or("the corpus has no such package")?;
        let median = (spread(costs, |cost| cost.0.into()).0, spread(costs, |cost| cost.1).0);
        if median.0 > budget.0.into() || median.1 > budget.1 {
            return Err(format!("{group}: {median:?} is more than {budget:?}").into());
        }
    }
    Ok(())
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|ending| ending != "json" && ending != "tsv" && ending != "md")
        {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The median (of two the larger) and the largest.
fn spread(costs: &[Cost], value: impl Fn(&Cost) -> u64) -> (u64, u64) {
    let mut values: Vec<u64> = costs.iter().map(value).collect();
    values.sort_unstable();
    (values[values.len() / 2], values[values.len() - 1])
}

fn of_five_gibibytes() -> Result<(), Failed> {
    let mut rows = Vec::new();
    let mut hold = |bulk: Bulk, file: Sparse, format: Format, id: &str| {
        let what = format!("{}, {bulk}", format.as_str());
        assert!(file.length > 5 * GIB);
        let source = Distant::new(file);
        let (found, cost) =
            measured(&remote(), &source, &Hint::file_name(format!("big.{}", format.as_str())));
        let package = found.package.as_ref().unwrap_or_else(|| panic!("{what}: {:?}", found.error));
        assert_eq!((found.format, package.id.as_str(), &found.error), (format, id, &None), "{what}");
        assert!(found.anomalies.is_empty(), "{what}: {:?}", found.anomalies);
        assert!(cost.0 <= HUGE.0 && cost.1 <= HUGE.1, "{what}: {cost:?}");
        rows.push((what, cost));
        found
    };
    let near = Extractor::default().fields(Limits::remote().fields);
    let expected = near.inspect_slice(&field_notes(), &Hint::default()).package.unwrap();
    for bulk in [Bulk::OneFile, Bulk::ManyFiles] {
        let found = hold(bulk, huge_apk(bulk), Format::Apk, "org.appdepot.fixture");
        assert_eq!(found.package.unwrap(), expected, "the same package as the small one");
        let found = hold(bulk, huge_ipa(bulk), Format::Ipa, "com.example.atlas");
        let package = found.package.unwrap();
        assert_eq!(package.architectures, ["arm64"]);
        assert!(package.details.contains_key("provisioning"));
    }
    println!("{:<32} {:>8} {:>7}", "5 GiB", "requests", "KiB");
    for (what, cost) in rows {
        println!("{what:<32} {:>8} {:>7.1}", cost.0, cost.1 as f64 / KIB as f64);
    }
    Ok(())
}

/// The fixture with 8 MiB more in it, in a store, read by ranges of the blob.
fn through_the_port(blobs: OpendalBlobs) -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(async {
        let file = spread_out(field_notes(), |zip, name| {
            if name == "resources.arsc" {
                zip.fill("assets/map.bin", 8 * MIB);
            }
        });
        let file = file.whole().await;
        let key = BlobKey::of(Id::generate());
        blobs.put(&key, stream::iter([Ok(file.clone())]).boxed()).await?;
        let counted = Counted { blobs, gets: AtomicU64::new(0), bytes: Arc::default() };
        let source = BlobSource::new(&counted, &key, file.len() as u64);
        let found = remote().inspect(&source, &Hint::default()).await;
        assert_eq!((found.format, &found.error), (Format::Apk, &None));
        assert_eq!(found.package.unwrap().id, "org.appdepot.fixture");
        let counted = (counted.gets.load(SeqCst), counted.bytes.load(SeqCst));
        assert_eq!(
            (u64::from(found.reads), found.bytes_read),
            counted,
            "one get for a read, and no byte more"
        );
        assert!(counted.0 <= APK.0.into() && counted.1 <= APK.1, "{counted:?}");
        Ok(())
    })
}

fn remote() -> Extractor {
    Extractor::new(Registry::default(), Limits::remote())
}

fn field_notes() -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/field-notes.apk")).unwrap()
}

/// Inspects, and holds what the result says of its cost against what the source saw.
fn measured<S: Source>(extractor: &Extractor, source: &Distant<S>, hint: &Hint) -> (Inspection, Cost) {
    let mut polls = 0;
    let found = futures::executor::block_on(async {
        let mut inspection = pin!(extractor.inspect(source, hint));
        poll_fn(|context| {
            polls += 1;
            inspection.as_mut().poll(context)
        })
        .await
    });
    let seen = source.seen.lock().unwrap();
    let bytes: u64 = seen.iter().map(|(_, len)| *len).sum();
    assert_eq!((found.reads as usize, found.bytes_read), (seen.len(), bytes), "what the inspection reports");
    assert_eq!(polls, seen.len() + 1, "each read was waited for");
    (found.clone(), (found.reads, found.bytes_read))
}

/// A source that is never ready at once, and writes down what it is asked for.
struct Distant<S> {
    inner: S,
    /// Where, and how many bytes.
    seen: Mutex<Vec<(u64, u64)>>,
}

impl<S> Distant<S> {
    fn new(inner: S) -> Self {
        Self { inner, seen: Mutex::default() }
    }
}

#[async_trait]
impl<S: Source> Source for Distant<S> {
    fn length(&self) -> u64 {
        self.inner.length()
    }

    async fn read_at(&self, offset: u64, buffer: &mut [u8]) -> appdepot::Result<usize> {
        tokio::task::yield_now().await;
        let count = self.inner.read_at(offset, buffer).await?;
        self.seen.lock().unwrap().push((offset, count as u64));
        Ok(count)
    }
}

/// A store that counts its reads.
#[derive(Debug)]
struct Counted {
    blobs: OpendalBlobs,
    gets: AtomicU64,
    bytes: Arc<AtomicU64>,
}

#[async_trait]
impl BlobStore for Counted {
    async fn put(&self, key: &BlobKey, body: ByteStream) -> appdepot::Result<u64> {
        self.blobs.put(key, body).await
    }

    async fn get(&self, key: &BlobKey, range: ByteRange) -> appdepot::Result<ByteStream> {
        self.gets.fetch_add(1, SeqCst);
        let bytes = self.bytes.clone();
        let body = self.blobs.get(key, range).await?;
        Ok(body
            .inspect_ok(move |chunk| {
                bytes.fetch_add(chunk.len() as u64, SeqCst);
            })
            .boxed())
    }

    async fn stat(&self, key: &BlobKey) -> appdepot::Result<Option<u64>> {
        self.blobs.stat(key).await
    }

    async fn delete(&self, key: &BlobKey) -> appdepot::Result<()> {
        self.blobs.delete(key).await
    }
}

/// What makes a package large.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bulk {
    OneFile,
    ManyFiles,
}

impl std::fmt::Display for Bulk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::OneFile => "one file of 5 GiB",
            Self::ManyFiles => "3,000 files of 1.75 MiB",
        })
    }
}

impl Bulk {
    fn add(self, zip: &mut Zip, folder: &str) {
        match self {
            Self::OneFile => zip.fill(&format!("{folder}/atlas.bin"), 5 * GIB),
            Self::ManyFiles => {
                for number in 0..3_000 {
                    zip.fill(&format!("{folder}/tiles/{number:05}.bin"), 7 * MIB / 4);
                }
            }
        }
    }
}

/// The fixture with the bulk behind its manifest, and no two of its other files near each other.
fn huge_apk(bulk: Bulk) -> Sparse {
    spread_out(field_notes(), |zip, name| match name {
        "AndroidManifest.xml" => {}
        "resources.arsc" => bulk.add(zip, "assets"),
        _ => zip.fill(&format!("assets/before/{name}"), MIB),
    })
}

/// An app with the bulk at its start, and no two of its other files near each other.
fn huge_ipa(bulk: Bulk) -> Sparse {
    /// The head of a Mach-O file for arm64.
    const MACH_O: [u8; 12] = [0xcf, 0xfa, 0xed, 0xfe, 0x0c, 0, 0, 1, 0, 0, 0, 0];
    let profile = ProfileBuilder::new("com.example.atlas", ReleaseType::AdHoc).build();
    let app = IpaBuilder::new("com.example.atlas").name("Atlas").profile(profile);
    let app = app.file("Payload/Atlas.app/Atlas", MACH_O).build();
    spread_out(app, |zip, name| match name {
        "Payload/" => {}
        "Payload/Atlas.app/" => bulk.add(zip, "Payload/Atlas.app/Data"),
        _ => zip.fill(&format!("Payload/Atlas.app/before/{}", name.replace('/', "-")), MIB),
    })
}

/// A copy of an archive, its entries and signing block byte for byte; `before` adds to it ahead of each entry.
fn spread_out(archive: Vec<u8>, before: impl Fn(&mut Zip, &str)) -> Sparse {
    let (data, limits) = (Bytes::from(archive), Limits::default());
    let mut zip = Zip::default();
    let (end, start) = futures::executor::block_on(async {
        let mut reader = Reader::new(&data, &limits);
        let archive = Archive::open(&mut reader).await.unwrap().unwrap();
        let mut end = 0;
        for entry in archive.entries() {
            let name = entry.path().unwrap();
            before(&mut zip, name);
            let (at, len) = archive.locate(&mut reader, &entry, 0).await.unwrap();
            end = (at + len) as usize;
            zip.add(name, entry.method, entry.crc32, entry.size, data.slice(at as usize..end), 0);
        }
        (end, archive.directory_start() as usize)
    });
    zip.finish(data.slice(end..start))
}

/// Writes an archive, with 64-bit fields where 32 bits do not suffice.
#[derive(Default)]
struct Zip {
    file: Sparse,
    directory: Vec<u8>,
    entries: u64,
}

impl Zip {
    const WIDE: u64 = 0xffff_ffff;

    /// A stored file of zeros. Nobody reads it, so its checksum is left out.
    fn fill(&mut self, name: &str, len: u64) {
        self.add(name, 0, 0, len, Bytes::new(), len);
    }

    /// A file whose packed form is `data` and `zeros` behind it.
    fn add(&mut self, name: &str, method: u16, crc: u32, size: u64, data: Bytes, zeros: u64) {
        let (offset, packed) = (self.file.length, data.len() as u64 + zeros);
        let wide = size.max(packed) >= Self::WIDE;
        let extra = if wide { extra_field(&[size, packed]) } else { Vec::new() };
        let header = |extra: &[u8], version: u16| {
            let mut out = Vec::new();
            for half in [version, 0, method, 0, 0x21] {
                out.extend(half.to_le_bytes());
            }
            let narrow = |value: u64| if wide { u32::MAX } else { value as u32 };
            for word in [crc, narrow(packed), narrow(size)] {
                out.extend(word.to_le_bytes());
            }
            for len in [name.len(), extra.len()] {
                out.extend((len as u16).to_le_bytes());
            }
            out
        };
        let version = if wide { 45 } else { 20 };
        self.file
            .push([b"PK\x03\x04", &header(&extra, version)[..], name.as_bytes(), &extra].concat().into());
        self.file.push(data);
        self.file.length += zeros;

        let far = offset >= Self::WIDE;
        let values: Vec<u64> = match (wide, far) {
            (true, true) => vec![size, packed, offset],
            (true, false) => vec![size, packed],
            (false, true) => vec![offset],
            (false, false) => Vec::new(),
        };
        let extra = if values.is_empty() { Vec::new() } else { extra_field(&values) };
        let version = if wide || far { 45 } else { 20 };
        self.directory.extend(b"PK\x01\x02\x14\x03");
        self.directory.extend(header(&extra, version));
        // comment, disk, attributes
        self.directory.extend([0; 10]);
        self.directory.extend((offset.min(Self::WIDE) as u32).to_le_bytes());
        self.directory.extend(name.as_bytes());
        self.directory.extend(extra);
        self.entries += 1;
    }

    fn finish(mut self, before_directory: Bytes) -> Sparse {
        self.file.push(before_directory);
        let (start, len, count) = (self.file.length, self.directory.len() as u64, self.entries);
        let mut out = self.directory;
        if start >= Self::WIDE {
            out.extend(b"PK\x06\x06");
            out.extend(44u64.to_le_bytes());
            out.extend([45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
            for value in [count, count, len, start] {
                out.extend(value.to_le_bytes());
            }
            out.extend(b"PK\x06\x07\0\0\0\0");
            out.extend((start + len).to_le_bytes());
            out.extend(1u32.to_le_bytes());
        }
        out.extend(b"PK\x05\x06\0\0\0\0");
        out.extend([(count as u16).to_le_bytes(); 2].concat());
        out.extend((len as u32).to_le_bytes());
        out.extend((start.min(Self::WIDE) as u32).to_le_bytes());
        out.extend([0; 2]);
        self.file.push(out.into());
        self.file
    }
}

fn extra_field(values: &[u64]) -> Vec<u8> {
    let mut out = vec![1, 0, values.len() as u8 * 8, 0];
    out.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    out
}

/// A file of a few written pieces with zeros between them.
#[derive(Default)]
struct Sparse {
    /// By where they start.
    pieces: BTreeMap<u64, Bytes>,
    length: u64,
}

impl Sparse {
    fn push(&mut self, piece: Bytes) {
        let at = self.length;
        self.length += piece.len() as u64;
        if !piece.is_empty() {
            self.pieces.insert(at, piece);
        }
    }

    async fn whole(&self) -> Bytes {
        let mut buffer = vec![0; self.length as usize];
        self.read_at(0, &mut buffer).await.unwrap();
        buffer.into()
    }
}

#[async_trait]
impl Source for Sparse {
    fn length(&self) -> u64 {
        self.length
    }

    async fn read_at(&self, offset: u64, buffer: &mut [u8]) -> appdepot::Result<usize> {
        let count = self.length.saturating_sub(offset).min(buffer.len() as u64);
        let end = offset + count;
        let buffer = &mut buffer[..count as usize];
        buffer.fill(0);
        let before = self.pieces.range(..offset).next_back();
        for (at, piece) in before.into_iter().chain(self.pieces.range(offset..end)) {
            let from = offset.saturating_sub(*at).min(piece.len() as u64) as usize;
            let to = at.saturating_sub(offset) as usize;
            appdepot::inspect::copy_at(piece, from as u64, &mut buffer[to..]);
        }
        Ok(count as usize)
    }
}
