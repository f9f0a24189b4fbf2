//! Every hostile file, whatever its kind, within the time and the memory that its row of the table allows, on the
//! stack of an ordinary thread. A binary of its own, since the peak of resident memory is that of the process. The
//! generator is looked for at `APPDEPOT_HOSTILE`, else beside the checkout; absent, the test shows as ignored.
#![allow(clippy::print_stdout, missing_docs)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use appdepot_metadata::inspect_file;
use libtest_mimic::{Arguments, Failed, Trial};

mod support {
    pub(crate) mod corpus;
    pub(crate) mod generated;
    pub(crate) mod hostile;
    pub(crate) mod stack;
}

use support::corpus::{absent, folder};
use support::generated::{generate, rows};
use support::hostile::Files;
use support::stack::on_ordinary_stack;

fn main() {
    let measurable = Peak::of(|| {}).is_some();
    let small = match Files::find("zip") {
        Some(files) if measurable => Trial::test("hostile::small", move || within_ceilings(files.path())),
        _ => absent("hostile::small", "APPDEPOT_HOSTILE, on Linux"),
    };
    let whole = match folder("APPDEPOT_HOSTILE", "hostile").filter(|path| path.join("gen.py").is_file()) {
        Some(generator) if measurable => {
            Trial::test("hostile::whole", move || within_ceilings(generate(&generator, None)?.path()))
        }
        _ => absent("hostile::whole", "APPDEPOT_HOSTILE, on Linux"),
    };
    // one after the other: the peak of memory is the whole process's
    let arguments = Arguments { test_threads: Some(1), ..Arguments::from_args() };
    libtest_mimic::run(&arguments, vec![small, whole]).exit();
}

fn within_ceilings(files: &Path) -> Result<(), Failed> {
    let table = fs::read_to_string(files.join("expected.tsv"))?;
    let mut failures = String::new();
    let (mut count, mut slowest, mut largest) = (0, Duration::ZERO, 0);
    for [file, _, milliseconds, mebibytes] in rows(&table) {
        let path = files.join(file);
        if file.starts_with("http/") || !path.is_file() {
            continue;
        }
        count += 1;
        let (milliseconds, mebibytes): (u64, u64) = (milliseconds.parse()?, mebibytes.parse()?);
        let Peak { taken, kibibytes } = on_ordinary_stack(move || Peak::of(|| inspect_file(path)))?
            .ok_or("the peak of memory cannot be told")?;
        (slowest, largest) = (slowest.max(taken), largest.max(kibibytes));
        if taken > Duration::from_millis(milliseconds) || kibibytes > mebibytes << 10 {
            writeln!(failures, "{file}: {taken:?} of {milliseconds} ms, {kibibytes} KiB of {mebibytes} MiB")?;
        }
    }
    println!("{count} hostile files: the slowest {slowest:?}, the most memory {largest} KiB");
    if count < 800 || !failures.is_empty() {
        return Err(format!("{count} files\n{failures}").into());
    }
    Ok(())
}

/// What a piece of work cost.
struct Peak {
    taken: Duration,
    /// How far resident memory rose above where it stood.
    kibibytes: u64,
}

impl Peak {
    /// `None` where the system cannot tell (it does from `/proc`).
    fn of<T>(work: impl FnOnce() -> T) -> Option<Self> {
        // sets the peak back to what is resident now (proc(5), clear_refs)
        fs::write("/proc/self/clear_refs", "5").ok()?;
        let before = resident("VmRSS:")?;
        let started = Instant::now();
        let result = work();
        let taken = started.elapsed();
        let kibibytes = resident("VmHWM:")?.saturating_sub(before);
        drop(result);
        Some(Self { taken, kibibytes })
    }
}

fn resident(name: &str) -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}
