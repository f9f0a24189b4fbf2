//! What the directory store leaves on the disk.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use appdepot_core::blobs::{BlobKey, BlobStore, ByteRange, ByteStream};
use appdepot_core::domain::Id;
use appdepot_core::{Error, ErrorKind};
use appdepot_storage::{Durability, OpendalBlobs};
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};

fn body(bytes: &'static [u8]) -> ByteStream {
    stream::iter([Ok(Bytes::from_static(bytes))]).boxed()
}

fn files(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

#[tokio::test]
async fn nothing_is_left_after_deletion() {
    let root = tempfile::tempdir().unwrap();
    for durability in [Durability::Full, Durability::Os] {
        let blobs = OpendalBlobs::directory(root.path(), durability).unwrap();
        let keys: Vec<BlobKey> = (0..20).map(|_| BlobKey::of(Id::generate())).collect();
        for key in &keys {
            blobs.put(key, body(b"bytes")).await.unwrap();
        }
        assert_eq!(files(root.path()).len(), keys.len());
        for key in &keys {
            blobs.delete(key).await.unwrap();
        }
        assert_eq!(files(root.path()), Vec::<PathBuf>::new());
    }
}

#[tokio::test]
async fn a_broken_body_leaves_no_open_file() {
    let root = tempfile::tempdir().unwrap();
    let blobs = OpendalBlobs::directory(root.path(), Durability::Full).unwrap();
    let key = BlobKey::of(Id::generate());
    let chunks = [Ok(Bytes::from(vec![1; 3_000_000])), Err(Error::new(ErrorKind::TooLarge, "too much"))];
    let error = blobs.put(&key, stream::iter(chunks).boxed()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    blobs.delete(&key).await.unwrap();
    assert_eq!(files(root.path()), Vec::<PathBuf>::new());
    // The file is closed on a thread of its own.
    for _ in 0..100 {
        let open = std::fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
        let ours = |path: PathBuf| std::fs::read_link(path).is_ok_and(|to| to.starts_with(root.path()));
        if !open.map(|entry| entry.path()).any(ours) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("a file of the store is still open");
}

#[tokio::test]
async fn a_shorter_second_write_replaces_the_first() {
    let root = tempfile::tempdir().unwrap();
    let blobs = OpendalBlobs::directory(root.path(), Durability::Full).unwrap();
    let key = BlobKey::of(Id::generate());
    blobs.put(&key, body(b"a longer one")).await.unwrap();
    blobs.put(&key, body(b"short")).await.unwrap();
    let bytes: Vec<Bytes> = blobs.get(&key, ByteRange::FULL).await.unwrap().try_collect().await.unwrap();
    assert_eq!(bytes.concat(), b"short");
}

#[tokio::test]
async fn a_file_that_shrinks_while_it_is_read_is_an_error() {
    let root = tempfile::tempdir().unwrap();
    let blobs = OpendalBlobs::directory(root.path(), Durability::Os).unwrap();
    let key = BlobKey::of(Id::generate());
    blobs.put(&key, stream::iter([Ok(Bytes::from(vec![1; 5_000_000]))]).boxed()).await.unwrap();
    let stream = blobs.get(&key, ByteRange::FULL).await.unwrap();
    let file = std::fs::File::options().write(true).open(root.path().join(key.as_str())).unwrap();
    file.set_len(1_000_000).unwrap();
    let result: Result<Vec<Bytes>, Error> = stream.try_collect().await;
    assert_eq!(result.unwrap_err().kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn a_directory_is_no_blob() {
    let root = tempfile::tempdir().unwrap();
    let blobs = OpendalBlobs::directory(root.path(), Durability::Full).unwrap();
    blobs.put(&BlobKey::foreign("a/b").unwrap(), body(b"x")).await.unwrap();
    for absent in ["a", "a/b/c"] {
        let key = BlobKey::foreign(absent).unwrap();
        assert_eq!(blobs.stat(&key).await.unwrap(), None, "{absent}");
        let error = blobs.get(&key, ByteRange::FULL).await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{absent}");
    }
}

#[tokio::test]
async fn a_full_or_missing_disk_is_unavailable_without_details() {
    let root = tempfile::tempdir().unwrap();
    let blobs = OpendalBlobs::directory(root.path().join("blobs"), Durability::Full).unwrap();
    std::fs::write(root.path().join("blobs/blobs"), b"a file where a directory belongs").unwrap();
    let error = blobs.put(&BlobKey::of(Id::generate()), body(b"x")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(error.message(), "a backend is unavailable");
}
