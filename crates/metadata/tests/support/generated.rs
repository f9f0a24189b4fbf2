//! The hostile files as their generator makes them, and the table of what is acceptable.

use std::path::Path;
use std::process::Command;

use libtest_mimic::Failed;

/// The small form of the set, made by the generator in a folder.
pub(crate) fn generate(generator: &Path) -> Result<tempfile::TempDir, Failed> {
    let folder = tempfile::tempdir()?;
    let made = Command::new("python3")
        .arg(generator.join("gen.py"))
        .args(["--small", "--out"])
        .arg(folder.path())
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
