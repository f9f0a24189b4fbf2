//! Prints what package files say about themselves.
//!
//! ```text
//! inspect [--json] [--icon OUT.png] [--bench DIR] FILE…
//! ```
//!
//! Without options a table per file; `--json` one JSON object per line and file, in argument order. `--icon OUT.png`
//! writes the icon of the one file as PNG. `--bench DIR` reads every file under `DIR` repeatedly and prints a line per
//! kind. Exits 0 when every file was answered (malformed is an answer), 1 when one could not be opened or has no icon
//! to write, 2 on bad usage.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use appdepot::inspect::{Inspection, Package};
use appdepot::metadata::{Extractor, Limits, icon, inspect_file};
use serde_json::{Value, json};

const USAGE: &str = "usage: inspect [--json] [--icon OUT.png] [--bench DIR] FILE...";

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(message) => {
            eprintln!("inspect: {message}\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<ExitCode, String> {
    use lexopt::prelude::*;
    let (mut as_json, mut bench_dirs, mut files) = (false, Vec::new(), Vec::<PathBuf>::new());
    let mut icon_path = None;
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next().map_err(|error| error.to_string())? {
        match argument {
            Long("json") => as_json = true,
            Long("icon") => {
                icon_path = Some(PathBuf::from(arguments.value().map_err(|error| error.to_string())?));
            }
            Long("bench") => {
                let dir = arguments.value().map_err(|error| error.to_string())?;
                bench_dirs.push(PathBuf::from(dir));
            }
            Long("help") | Short('h') => {
                println!("{USAGE}");
                return Ok(ExitCode::SUCCESS);
            }
            Value(file) => files.push(file.into()),
            other => return Err(other.unexpected().to_string()),
        }
    }
    if files.is_empty() && bench_dirs.is_empty() {
        return Err("no file given".to_owned());
    }
    for dir in &bench_dirs {
        bench(dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    }
    let mut code = ExitCode::SUCCESS;
    if let Some(to) = icon_path {
        let [file] = files.as_slice() else { return Err("one file and its icon at a time".to_owned()) };
        if let Err(error) = write_icon(file, &to) {
            eprintln!("inspect: {}: {error}", file.display());
            code = ExitCode::FAILURE;
        }
    }
    let mut out = io::stdout().lock();
    for file in &files {
        let written = match inspect_file(file) {
            Ok(found) if as_json => writeln!(out, "{}", line(file, &found)),
            Ok(found) => table(&mut out, file, &found),
            Err(error) => {
                eprintln!("inspect: {}: {error}", file.display());
                code = ExitCode::FAILURE;
                Ok(())
            }
        };
        if written.is_err() {
            // the reader of our output went away
            break;
        }
    }
    Ok(code)
}

/// Writes the icon of a package; drawings in the size of a store's list.
fn write_icon(package: &Path, to: &Path) -> Result<(), String> {
    const SIZE: u32 = 192;
    let found = icon::extract_file(package, &Limits::default(), SIZE);
    let icon = found.map_err(|problem| format!("{}: {}", problem.code, problem.message))?;
    let icon = icon.ok_or("the package has no icon that is read")?;
    std::fs::write(to, &icon.png).map_err(|error| format!("{}: {error}", to.display()))?;
    eprintln!("inspect: {} is {} by {}, from {}", to.display(), icon.width, icon.height, icon.path);
    Ok(())
}

fn line(path: &Path, found: &Inspection) -> Value {
    let error = found.error.as_ref();
    json!({
        "path": path.display().to_string(),
        "format": found.format.as_str(),
        "size": size(path),
        "error": error.map(|problem| json!({ "code": problem.code, "message": problem.message })),
        "anomalies": found.anomalies,
        "reads": found.reads,
        "bytes_read": found.bytes_read,
        "package": found.package.as_ref().map(package),
    })
}

fn package(package: &Package) -> Value {
    json!({
        "id": package.id,
        "name": package.name,
        "version": package.version,
        "version_code": package.version_code,
        "platform": package.platform.map(|platform| platform.as_str()),
        "architectures": package.architectures,
        "min_os": package.min_os,
        "icon": package.icon,
        "signers": package.signers,
        "details": package.details,
    })
}

fn size(path: &Path) -> Option<u64> {
    path.metadata().ok().map(|metadata| metadata.len())
}

fn table(out: &mut impl Write, path: &Path, found: &Inspection) -> io::Result<()> {
    writeln!(out, "{}", path.display())?;
    let mut row = |name: &str, value: &str| {
        // what a file says about itself must not move the cursor
        let value: String =
            value.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect();
        writeln!(out, "  {name:<22} {value}")
    };
    row("format", found.format.as_str())?;
    row("size", &size(path).unwrap_or(0).to_string())?;
    row("read", &format!("{} bytes in {} reads", found.bytes_read, found.reads))?;
    if let Some(problem) = &found.error {
        row("error", &format!("{}: {}", problem.code, problem.message))?;
    }
    if !found.anomalies.is_empty() {
        row("anomalies", &found.anomalies.join(", "))?;
    }
    let Some(package) = &found.package else { return Ok(()) };
    row("id", &package.id)?;
    let version_code = package.version_code.as_deref();
    for (name, value) in [
        ("name", package.name.as_deref()),
        ("version", package.version.as_deref()),
        ("version code", version_code),
        ("platform", package.platform.map(|platform| platform.as_str())),
        ("min os", package.min_os.as_deref()),
        ("icon", package.icon.as_deref()),
    ] {
        if let Some(value) = value {
            row(name, value)?;
        }
    }
    if !package.architectures.is_empty() {
        row("architectures", &package.architectures.join(", "))?;
    }
    for signer in &package.signers {
        row("certificate", &format!("{} ({})", signer.sha256, signer.schemes.join(", ")))?;
        if let Some(subject) = &signer.subject {
            row("  of", subject)?;
        }
        if let (Some(from), Some(until)) = (signer.not_before, signer.not_after) {
            row("  valid", &format!("{from} to {until}"))?;
        }
        for before in signer.lineage.iter().filter(|one| **one != signer.sha256) {
            row("  came after", before)?;
        }
    }
    for (name, value) in &package.details {
        match value {
            Value::Null => {}
            Value::String(text) => row(name, text)?,
            Value::Array(items) if items.is_empty() => {}
            Value::Object(items) if items.is_empty() => {}
            other => row(name, &other.to_string())?,
        }
    }
    Ok(())
}

/// What repeated readings of the files of one kind took.
#[derive(Default)]
struct Kind {
    bytes: u64,
    reads: u64,
    bytes_read: u64,
    packages: usize,
    minima: Vec<f64>,
    medians: Vec<f64>,
}

fn bench(dir: &Path) -> io::Result<()> {
    let extractor = Extractor::default();
    let mut kinds: BTreeMap<&str, Kind> = BTreeMap::new();
    for path in files_under(dir)? {
        let found = extractor.inspect_file(&path)?;
        let times = measure(|| extractor.inspect_file(&path).map(drop))?;
        let kind = kinds.entry(found.format.as_str()).or_default();
        kind.bytes += size(&path).unwrap_or(0);
        kind.reads += u64::from(found.reads);
        kind.bytes_read += found.bytes_read;
        kind.packages += usize::from(found.package.is_some());
        kind.minima.extend(times.first());
        kind.medians.extend(times.get(times.len() / 2));
    }
    println!("microseconds to open a file and read everything, warm cache, one thread: {}", dir.display());
    println!(
        "{:<12}{:>7}{:>9}{:>11}{:>9}{:>10}{:>10}{:>10}{:>10}{:>11}{:>8}",
        "kind",
        "files",
        "packages",
        "files/s",
        "MB/s",
        "min",
        "geo min",
        "median",
        "max",
        "read/file",
        "reads"
    );
    for (name, mut kind) in kinds {
        let files = kind.medians.len().max(1) as f64;
        let seconds = kind.medians.iter().sum::<f64>() / 1e6;
        let geo_min = (kind.minima.iter().map(|time| time.ln()).sum::<f64>() / files).exp();
        kind.minima.sort_by(f64::total_cmp);
        kind.medians.sort_by(f64::total_cmp);
        let at = |times: &[f64], place: usize| times.get(place).copied().unwrap_or(0.0);
        println!(
            "{name:<12}{:>7}{:>9}{:>11.0}{:>9.0}{:>10.1}{:>10.1}{:>10.1}{:>10.1}{:>11.0}{:>8.1}",
            files,
            kind.packages,
            files / seconds,
            kind.bytes as f64 / 1e6 / seconds,
            at(&kind.minima, 0),
            geo_min,
            at(&kind.medians, kind.medians.len() / 2),
            at(&kind.medians, kind.medians.len().saturating_sub(1)),
            kind.bytes_read as f64 / files,
            kind.reads as f64 / files,
        );
    }
    Ok(())
}

/// Sorted times of some runs in microseconds: 15 to 200 of them, 20 ms in all where that allows.
fn measure(mut run: impl FnMut() -> io::Result<()>) -> io::Result<Vec<f64>> {
    let started = Instant::now();
    let mut times = Vec::new();
    while times.len() < 15 || (times.len() < 200 && started.elapsed() < Duration::from_millis(20)) {
        let start = Instant::now();
        run()?;
        times.push(start.elapsed().as_secs_f64() * 1e6);
    }
    times.sort_by(f64::total_cmp);
    Ok(times)
}

fn files_under(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut left = vec![dir.to_owned()];
    while let Some(dir) = left.pop() {
        for entry in dir.read_dir()? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                left.push(entry.path());
            } else if kind.is_file() {
                files.push(entry.path());
            }
        }
    }
    files.sort();
    Ok(files)
}
