//! How long reading an Android package or an installer database takes, beside other ways to read the same fields and
//! beside the least any reader must do.
//!
//! `cargo bench --bench extract` measures three packages with criterion; `-- --table` prints the tables of
//! `benches/README.md`. `-- --memory FILE` prints the peak memory of reading one file. Linux only.
//!
//! The files are those in the folders `apk` and `msi` of `APPDEPOT_CORPUS`, else of `../shared/corpus`, else the
//! fixtures.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::hint::black_box;
use std::io::Read as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use appdepot_core::inspect::Package;
use appdepot_metadata::{Extractor, Fields};
use criterion::Criterion;
use flate2::{Decompress, FlushDecompress};

/// A way to read a file; says whether it could.
type Tool = (&'static str, fn(&Path) -> bool);

/// A kind of file, and who reads it.
struct Kind {
    /// The folder and the ending of its files.
    name: &'static str,
    tools: &'static [Tool],
    /// Those that the others are compared with: the least there is to do, and the nearest in purpose.
    least: usize,
    rival: usize,
    /// What must hold of a file besides.
    check: fn(&Path),
}

const KINDS: [Kind; 2] = [
    Kind {
        name: "apk",
        tools: &[
            ("open and fstat", open_only),
            ("the least: tail, directory, manifest, table", least),
            ("zip 9: directory, manifest, table", zip_crate),
            ("apk-info 1.1.0, ten fields", apk_info_fields),
            ("apk-info 1.1.0, and certificates", apk_info_signed),
            ("here, ten fields", ours_fields),
            ("here, and certificates", ours_signed),
            ("here, everything", ours_everything),
        ],
        least: 1,
        rival: 3,
        check: agree,
    },
    Kind {
        name: "msi",
        tools: &[
            ("open and fstat", open_only),
            ("cfb 0.16, names of the streams", cfb_walk),
            ("msi 0.11, property table", msi_crate),
            ("here, property table", ours_fields),
            ("here, everything", ours_everything),
        ],
        least: 1,
        rival: 2,
        check: agree_with_msi,
    },
];
const LARGE: u64 = 1_000_000;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|one| one != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["--only", tool, path, ..] => only(tool.parse().unwrap(), Path::new(path)),
        ["--memory", path, ..] => memory(Path::new(path)),
        ["--table", ..] => KINDS.iter().for_each(table),
        _ => measured(&KINDS[0]),
    }
}

impl Kind {
    /// The kind of a file, by its ending.
    fn of(path: &Path) -> &'static Self {
        KINDS.iter().find(|kind| path.extension().is_some_and(|ending| ending == kind.name)).unwrap()
    }

    /// The files timed, with their lengths: those that all tools read, apart from the signature vectors.
    fn files(&self) -> Vec<(PathBuf, u64)> {
        let home = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = std::env::var_os("APPDEPOT_CORPUS")
            .map_or_else(|| home.join("../../shared/corpus"), PathBuf::from);
        let manifest = std::fs::read_to_string(root.join("MANIFEST.tsv")).unwrap_or_default();
        let rows = manifest.lines().map(|line| line.split('\t').collect::<Vec<_>>());
        let vectors: HashSet<&str> =
            rows.filter(|row| row.get(4) == Some(&"apksig")).map(|row| row[0]).collect();
        let folder = root.join(self.name);
        let folder = if folder.is_dir() { folder } else { home.join("../fixtures") };
        let mut files = Vec::new();
        for entry in folder.read_dir().unwrap() {
            let path = entry.unwrap().path();
            let name = format!("{}/{}", self.name, path.file_name().unwrap().to_string_lossy());
            let is_one = path.extension().is_some_and(|extension| extension == self.name);
            if is_one && !vectors.contains(name.as_str()) && self.tools.iter().all(|(_, tool)| tool(&path)) {
                (self.check)(&path);
                let length = path.metadata().unwrap().len();
                files.push((path, length));
            }
        }
        files.sort();
        files
    }
}

fn measured(kind: &Kind) {
    let mut files = kind.files();
    files.sort_by_key(|(_, length)| *length);
    let picked: HashSet<usize> = [0, files.len() / 2, files.len().saturating_sub(1)].into();
    let mut criterion = Criterion::default().configure_from_args();
    for (at, (path, length)) in files.iter().enumerate() {
        if !picked.contains(&at) {
            continue;
        }
        let mut group = criterion.benchmark_group(format!("extract/{length}"));
        for (name, tool) in kind.tools {
            group.bench_function(*name, |bencher| bencher.iter(|| tool(path)));
        }
        group.finish();
    }
    criterion.final_summary();
}

/// Runs of one tool in a row, so that each has its code and data at hand, as in a service that reads many.
const BLOCK: usize = 12;
const ROUNDS: std::ops::RangeInclusive<usize> = 4..=24;
const PER_FILE: Duration = Duration::from_millis(60);

fn table(kind: &Kind) {
    let files = kind.files();
    let mut minima: Vec<Vec<f64>> = Vec::new();
    for (path, _) in &files {
        let mut least = vec![f64::MAX; kind.tools.len()];
        let started = Instant::now();
        for round in 1..=*ROUNDS.end() {
            for (best, (_, tool)) in least.iter_mut().zip(kind.tools) {
                for _ in 0..BLOCK {
                    let start = Instant::now();
                    black_box(tool(path));
                    *best = best.min(start.elapsed().as_secs_f64() * 1e6);
                }
            }
            if round >= *ROUNDS.start() && started.elapsed() > PER_FILE {
                break;
            }
        }
        minima.push(least);
    }
    let all: Vec<usize> = (0..files.len()).collect();
    let large: Vec<usize> = all.iter().copied().filter(|at| files[*at].1 >= LARGE).collect();
    for (which, chosen) in [("all", all), ("1 MB and more", large)] {
        let bytes: u64 = chosen.iter().map(|at| files[*at].1).sum();
        println!(
            "\n{}, {which}: {} files, {bytes} bytes; geometric mean of minima\n",
            kind.name,
            chosen.len()
        );
        let (least, rival) = (kind.tools[kind.least].0, kind.tools[kind.rival].0);
        println!("| reader | µs | of {least} | of {rival} |\n|---|---|---|---|");
        let mean = |tool: usize| {
            let logs: f64 = chosen.iter().map(|at| minima[*at][tool].ln()).sum();
            (logs / chosen.len().max(1) as f64).exp()
        };
        for (at, (name, _)) in kind.tools.iter().enumerate() {
            let time = mean(at);
            println!(
                "| {name} | {time:.1} | {:.2} | {:.2} |",
                time / mean(kind.least),
                time / mean(kind.rival)
            );
        }
    }
    if let Some((path, _)) = files.iter().max_by_key(|(_, length)| *length) {
        memory(path);
    }
}

/// Peak resident memory of a process of its own that reads the file once, by each tool.
fn memory(path: &Path) {
    println!("\n{} bytes, peak resident KiB of a process\n", path.metadata().unwrap().len());
    println!("| reader | KiB | more than open and fstat |\n|---|---|---|");
    let mut idle = 0;
    for (at, (name, _)) in Kind::of(path).tools.iter().enumerate() {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--only", &at.to_string()])
            .arg(path)
            .output()
            .unwrap();
        let peak: u64 = String::from_utf8_lossy(&output.stdout).trim().parse().unwrap();
        if at == 0 {
            idle = peak;
        }
        println!("| {name} | {peak} | {} |", peak.saturating_sub(idle));
    }
}

/// One run of a tool, then the peak of resident memory so far.
fn only(tool: usize, path: &Path) {
    assert!(Kind::of(path).tools[tool].1(path));
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    println!("{}", peak.trim().trim_end_matches(" kB"));
}

fn open_only(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| file.metadata().is_ok())
}

/// One read of the end, the directory walked for two names, both entries read and inflated. Nothing is checked.
fn least(path: &Path) -> bool {
    least_of(path).is_some()
}

fn least_of(path: &Path) -> Option<usize> {
    const TAIL: u64 = 16 << 10;
    let u16_at = |data: &[u8], at: usize| Some(u16::from_le_bytes(*data.get(at..)?.first_chunk()?));
    let u32_at = |data: &[u8], at: usize| Some(u32::from_le_bytes(*data.get(at..)?.first_chunk()?));
    let file = File::open(path).ok()?;
    let length = file.metadata().ok()?.len();
    let start = length.saturating_sub(TAIL);
    let mut tail = vec![0; (length - start) as usize];
    file.read_exact_at(&mut tail, start).ok()?;
    let end = (0..tail.len().checked_sub(21)?).rev().find(|at| tail[*at..].starts_with(b"PK\x05\x06"))?;
    let (len, offset) = (u32_at(&tail, end + 12)? as usize, u64::from(u32_at(&tail, end + 16)?));
    let mut own = Vec::new();
    let directory = match offset.checked_sub(start) {
        Some(at) => tail.get(at as usize..at as usize + len)?,
        None => {
            own.resize(len, 0);
            file.read_exact_at(&mut own, offset).ok()?;
            &own
        }
    };
    let mut at = 0;
    let mut wanted = Vec::with_capacity(2);
    while u32_at(directory, at) == Some(0x0201_4b50) {
        let name_len = usize::from(u16_at(directory, at + 28)?);
        let name = directory.get(at + 46..at + 46 + name_len)?;
        if name == b"AndroidManifest.xml" || name == b"resources.arsc" {
            wanted.push((
                u16_at(directory, at + 10)?,
                u32_at(directory, at + 20)? as usize,
                u32_at(directory, at + 24)? as usize,
                u64::from(u32_at(directory, at + 42)?),
                name_len,
            ));
        }
        at += 46
            + name_len
            + usize::from(u16_at(directory, at + 30)?)
            + usize::from(u16_at(directory, at + 32)?);
    }
    let mut total = 0;
    for (method, compressed, size, offset, name_len) in wanted {
        const ROOM: usize = 64;
        let mut data = vec![0; 30 + name_len + ROOM + compressed];
        let filled = file.read_at(&mut data, offset).ok()?;
        data.truncate(filled);
        let skip = 30 + usize::from(u16_at(&data, 26)?) + usize::from(u16_at(&data, 28)?);
        let content = data.get(skip..(skip + compressed).min(data.len()))?;
        if method == 0 {
            total += black_box(content).len();
        } else {
            let mut out = Vec::with_capacity(size);
            Decompress::new(false).decompress_vec(content, &mut out, FlushDecompress::Finish).ok()?;
            total += black_box(out).len();
        }
    }
    (total > 0).then_some(total)
}

fn zip_crate(path: &Path) -> bool {
    let Ok(file) = File::open(path) else { return false };
    let Ok(mut archive) = zip::ZipArchive::new(file) else { return false };
    let mut total = 0;
    for name in ["AndroidManifest.xml", "resources.arsc"] {
        let Ok(mut entry) = archive.by_name(name) else { continue };
        let mut data = Vec::with_capacity(entry.size() as usize);
        if entry.read_to_end(&mut data).is_err() {
            return false;
        }
        total += black_box(data).len();
    }
    total > 0
}

fn apk_info_fields(path: &Path) -> bool {
    apk_info(path).is_some()
}

fn apk_info(path: &Path) -> Option<apk_info::Apk> {
    let apk = apk_info::Apk::new(path).ok()?;
    black_box((
        apk.get_package_name()?,
        apk.get_version_code(),
        apk.get_version_name(),
        apk.get_min_sdk_version(),
        apk.get_target_sdk_version(),
        apk.get_application_label(),
        apk.get_application_icon(),
        apk.get_permissions().collect::<Vec<_>>(),
        apk.get_main_activity(),
        apk.get_supported_abis(),
    ));
    Some(apk)
}

fn apk_info_signed(path: &Path) -> bool {
    apk_info(path).is_some_and(|apk| {
        let _ = black_box(apk.get_signatures());
        true
    })
}

fn cfb_walk(path: &Path) -> bool {
    let Ok(file) = File::open(path) else { return false };
    cfb::CompoundFile::open(file).is_ok_and(|compound| black_box(compound.walk().count()) > 0)
}

fn msi_crate(path: &Path) -> bool {
    properties(path).is_some_and(|rows| !black_box(rows).is_empty())
}

fn properties(path: &Path) -> Option<Vec<(String, String)>> {
    let mut package = msi::Package::open(File::open(path).ok()?).ok()?;
    let rows = package.select_rows(msi::Select::table("Property")).ok()?;
    let text = |row: &msi::Row, at: usize| row[at].as_str().map(str::to_owned);
    Some(rows.filter_map(|row| Some((text(&row, 0)?, text(&row, 1)?))).collect())
}

/// The product is the one that the property table names.
fn agree_with_msi(path: &Path) {
    let ours = inspect(path, Fields::IDENTITY).unwrap();
    let theirs: HashMap<String, String> = properties(path).unwrap().into_iter().collect();
    assert_eq!(Some(&ours.id), theirs.get("ProductCode"), "{}", path.display());
    assert_eq!(ours.name.as_ref(), theirs.get("ProductName"), "{}", path.display());
}

fn ours_fields(path: &Path) -> bool {
    ours(path, Fields::IDENTITY)
}

fn ours_signed(path: &Path) -> bool {
    ours(path, Fields::SIGNERS)
}

fn ours_everything(path: &Path) -> bool {
    ours(path, Fields::ALL)
}

fn ours(path: &Path, fields: Fields) -> bool {
    black_box(inspect(path, fields)).is_some()
}

/// Reading less must not change what is read.
fn agree(path: &Path) {
    let [few, all] = [Fields::IDENTITY, Fields::ALL].map(|fields| inspect(path, fields).unwrap());
    let least = |package: &Package| {
        let details = ["minSdkVersion", "targetSdkVersion", "permissions", "launchable"];
        let details = details.map(|name| package.details.get(name).cloned());
        (Package { signers: Vec::new(), details: Default::default(), ..package.clone() }, details)
    };
    assert_eq!(least(&few), least(&all), "{}", path.display());
}

fn inspect(path: &Path, fields: Fields) -> Option<Package> {
    static EXTRACTORS: OnceLock<[(Fields, Extractor); 3]> = OnceLock::new();
    let extractors = EXTRACTORS.get_or_init(|| {
        [Fields::IDENTITY, Fields::SIGNERS, Fields::ALL]
            .map(|fields| (fields, Extractor::default().fields(fields)))
    });
    let chosen = extractors.iter().find(|(known, _)| *known == fields);
    chosen.unwrap().1.inspect_file(path).ok()?.package
}
