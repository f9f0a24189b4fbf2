//! The directory entries that lead to a file, flushed to the device.
//!
//! OpenDAL flushes a file when it closes it, and never the directory that names it; after a power loss a flushed
//! file may be there without a name.

use std::collections::HashSet;
use std::fs;
#[cfg(unix)]
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use appdepot_core::blobs::BlobKey;

use crate::Durability;

/// How many directories are remembered as flushed; beyond it all are forgotten and flushed again.
const REMEMBERED: usize = 4096;

/// Creates `path` and what is missing above it, and returns its absolute form.
pub(super) fn create(path: &Path, durability: Durability) -> io::Result<PathBuf> {
    let path = std::path::absolute(path)?;
    let missing: Vec<&Path> = path.ancestors().take_while(|at| !at.exists()).collect();
    fs::create_dir_all(&path)?;
    if durability == Durability::Full {
        for created in missing {
            flush(created.parent().unwrap_or(created))?;
        }
    }
    path.canonicalize()
}

/// Flushes directory entries below a root.
#[derive(Debug, Clone)]
pub(super) struct Entries {
    root: Arc<Path>,
    /// Directories whose own entries, up to the root, are known to be on the device.
    known: Arc<Mutex<HashSet<PathBuf>>>,
}

impl Entries {
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root: root.into(), known: Arc::default() }
    }

    /// Flushes the directory of `key`, and once per process the directories above it up to the root.
    pub(super) async fn flush(&self, key: &BlobKey) -> io::Result<()> {
        let entries = self.clone();
        let file = self.root.join(key.as_str());
        let flushed = tokio::task::spawn_blocking(move || entries.flush_above(&file)).await;
        flushed.map_err(io::Error::other)?
    }

    fn flush_above(&self, file: &Path) -> io::Result<()> {
        let Some(parent) = file.parent() else { return Ok(()) };
        flush(parent)?;
        let mut fresh = Vec::new();
        let mut at = parent;
        while at != &*self.root && !self.lock().contains(at) {
            let Some(above) = at.parent() else { break };
            flush(above)?;
            fresh.push(at.to_path_buf());
            at = above;
        }
        if !fresh.is_empty() {
            let mut known = self.lock();
            if known.len() > REMEMBERED {
                known.clear();
            }
            known.extend(fresh);
        }
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashSet<PathBuf>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A directory that is not there has no entries to lose.
#[cfg(unix)]
fn flush(directory: &Path) -> io::Result<()> {
    match File::open(directory) {
        Ok(handle) => handle.sync_all(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Other systems open no directories; their file systems order entries by themselves.
#[cfg(not(unix))]
fn flush(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_root_is_created() {
        let parent = tempfile::tempdir().unwrap();
        let root = parent.path().join("a/b/c");
        assert!(create(&root, Durability::Full).unwrap().is_dir());
        assert!(create(&root, Durability::Os).unwrap().is_dir());
    }

    #[test]
    fn a_file_in_the_way_is_an_error() {
        let parent = tempfile::tempdir().unwrap();
        let file = parent.path().join("file");
        fs::write(&file, b"x").unwrap();
        assert!(create(&file.join("below"), Durability::Full).is_err());
        assert!(create(&file, Durability::Full).is_err());
    }

    #[test]
    fn directories_above_are_flushed_once() {
        let root = tempfile::tempdir().unwrap();
        let entries = Entries::new(root.path().to_path_buf());
        fs::create_dir_all(root.path().join("blobs/ab")).unwrap();
        entries.flush_above(&root.path().join("blobs/ab/file")).unwrap();
        let known = entries.lock().clone();
        assert_eq!(known, ["blobs", "blobs/ab"].map(|at| root.path().join(at)).into());
        entries.flush_above(&root.path().join("blobs/ab/other")).unwrap();
        assert_eq!(*entries.lock(), known);
    }
}
