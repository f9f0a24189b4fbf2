//! What unit tests share.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// What stands behind `"name": ` in the golden files of a dialect, without quotes.
pub(crate) fn golden_members(dialect: &str, name: &str) -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(dialect);
    let files = fs::read_dir(folder).unwrap().map(|file| fs::read_to_string(file.unwrap().path()).unwrap());
    let before = format!("\"{name}\":");
    let values = |text: String| -> Vec<String> {
        let behind = text.split(&before).skip(1);
        let value =
            |rest: &str| Some(rest.split([',', '}', '\n']).next()?.trim().trim_matches('"').to_owned());
        behind.filter_map(value).collect()
    };
    files.flat_map(values).collect()
}
