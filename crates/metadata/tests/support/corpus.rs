//! Where the files stand that a checkout may lack, and what a test shows without them.

use std::path::{Path, PathBuf};

use libtest_mimic::Trial;

/// A folder named by a variable, or beside the checkout.
pub(crate) fn folder(variable: &str, name: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared").join(name);
    let path = std::env::var_os(variable).map_or_else(beside, PathBuf::from);
    path.is_dir().then_some(path)
}

pub(crate) fn absent(name: &str, variable: &str) -> Trial {
    Trial::test(format!("{name} (absent: set {variable})"), || Ok(())).with_ignored_flag(true)
}
