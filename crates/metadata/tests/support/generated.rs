//! The hostile files as their generator makes them, and the table of what is acceptable.

use std::path::Path;
use std::process::Command;

use libtest_mimic::Failed;

/// The option for the small form of the set, in which only the largest files shrink.
pub(crate) const SMALL: &str = "--small";

/// The set, made by the generator in a folder.
pub(crate) fn generate(generator: &Path, form: Option<&str>) -> Result<tempfile::TempDir, Failed> {
    let folder = tempfile::tempdir()?;
    let made = Command::new("python3")
        .arg(generator.join("gen.py"))
        .arg("--out")
        .arg(folder.path())
        .args(form)
        .output()?;
    if !made.status.success() {
        return Err(String::from_utf8_lossy(&made.stderr).into_owned().into());
    }
    Ok(folder)
}

/// File, what is acceptable, and the ceilings in milliseconds and in mebibytes, by row of the table.
pub(crate) fn rows(table: &str) -> impl Iterator<Item = [&str; 4]> {
    table.lines().skip(1).map(|line| {
        let row: Vec<&str> = line.split('\t').collect();
        [row[0], row[4], row[5], row[6]]
    })
}
