//! The hostile files: made already, or made now where the generator and an interpreter are.

use std::path::{Path, PathBuf};

use super::corpus::folder;
use super::generated::{SMALL, generate};

pub(crate) enum Files {
    Given(PathBuf),
    Made(tempfile::TempDir),
}

impl Files {
    /// Made already if the folder has this one inside.
    pub(crate) fn find(inside: &str) -> Option<Self> {
        let path = folder("APPDEPOT_HOSTILE", "hostile")?;
        if path.join(inside).is_dir() {
            return Some(Self::Given(path));
        }
        generate(&path, Some(SMALL)).ok().map(Self::Made)
    }

    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Given(path) => path,
            Self::Made(folder) => folder.path(),
        }
    }
}
