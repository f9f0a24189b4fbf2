//! The blob port: bytes under generated keys.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;

use crate::domain::{Blob, Id};
use crate::error::{Error, Result};
use crate::inspect::Source;

/// A stream of bytes; an item may be an error, after which the stream ends.
pub type ByteStream = BoxStream<'static, Result<Bytes>>;

/// Keeps bytes.
///
/// Keys are never contended: each is generated for one upload, and uniqueness is the record store's business, so
/// no conditional write is asked for.
#[async_trait]
pub trait BlobStore: fmt::Debug + Send + Sync + 'static {
    /// Stores the stream under `key` and returns its length in bytes.
    ///
    /// # Behavior
    /// - When it returns `Ok`, the bytes are as durable as the store promises.
    /// - When `body` yields an error, that error is returned and the key must be deleted by the caller; a part
    ///   of the bytes may be there until then.
    /// - A failed write is never retried under the same key.
    async fn put(&self, key: &BlobKey, body: ByteStream) -> Result<u64>;

    /// Streams the bytes of `range`.
    ///
    /// # Behavior
    /// - `NotFound` when the key is absent.
    /// - A range past the end is cut at the end; one that starts at or past the end is an empty stream.
    async fn get(&self, key: &BlobKey, range: ByteRange) -> Result<ByteStream>;

    /// The length in bytes, or `None` when the key is absent.
    async fn stat(&self, key: &BlobKey) -> Result<Option<u64>>;

    /// Removes the key.
    ///
    /// # Behavior
    /// - `Ok` when the key is absent.
    async fn delete(&self, key: &BlobKey) -> Result<()>;

    /// An address at which anyone can fetch the bytes for `ttl`, where the store can make one.
    async fn link(&self, key: &BlobKey, ttl: Duration) -> Result<Option<String>> {
        let _ = (key, ttl);
        Ok(None)
    }
}

/// Where a blob lies: letters, digits, `-`, `_`, `.` and `/`; relative, without empty or dotted segments.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobKey(String);

impl BlobKey {
    /// The key of a blob of ours. It holds nothing that came from a client.
    pub fn of(blob: Id<Blob>) -> Self {
        let hex = blob.to_string();
        // The tail is random, so it spreads files over directories; the head is time.
        let fan = hex.get(22..).unwrap_or_default();
        Self(format!("blobs/{fan}/{hex}"))
    }

    /// The key of an object that somebody else put into a storage provider of the organization.
    ///
    /// # Errors
    /// `Invalid` for characters outside the closed alphabet, `..`, `.`, empty segments, a leading `/`, or more
    /// than 512 bytes.
    pub fn foreign(text: &str) -> Result<Self> {
        let fail = |why: &'static str| Err(Error::invalid("key", why));
        if text.is_empty() || text.len() > 512 {
            return fail("1 to 512 bytes");
        }
        if !text.bytes().all(|c| c.is_ascii_alphanumeric() || b"-_./".contains(&c)) {
            return fail("only letters, digits, '-', '_', '.' and '/'");
        }
        if text.split('/').any(|segment| segment.is_empty() || segment.starts_with('.')) {
            return fail("no empty segment, none that starts with a dot");
        }
        Ok(Self(text.to_owned()))
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BlobKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A run of bytes, from `start` to before `end`; without `end` to the end of the blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ByteRange {
    /// First byte.
    pub start: u64,
    /// One past the last byte.
    pub end: Option<u64>,
}

impl ByteRange {
    /// Everything.
    pub const FULL: Self = Self { start: 0, end: None };

    /// `length` bytes from `start`.
    pub const fn of(start: u64, length: u64) -> Self {
        Self { start, end: Some(start.saturating_add(length)) }
    }

    /// The part of this range that lies within `length` bytes, as start and end with `start <= end <= length`.
    pub fn within(self, length: u64) -> (u64, u64) {
        let start = self.start.min(length);
        (start, self.end.unwrap_or(length).clamp(start, length))
    }
}

/// A blob as a positional source: every read is one ranged `get`.
pub struct BlobSource<'a> {
    store: &'a dyn BlobStore,
    key: &'a BlobKey,
    length: u64,
}

impl<'a> BlobSource<'a> {
    /// The blob under `key`, which is `length` bytes long.
    pub fn new(store: &'a dyn BlobStore, key: &'a BlobKey, length: u64) -> Self {
        Self { store, key, length }
    }
}

#[async_trait]
impl Source for BlobSource<'_> {
    fn length(&self) -> u64 {
        self.length
    }

    async fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        use futures::TryStreamExt as _;
        if offset >= self.length {
            return Ok(0);
        }
        let mut stream = self.store.get(self.key, ByteRange::of(offset, buffer.len() as u64)).await?;
        let mut filled = 0;
        while let Some(chunk) = stream.try_next().await? {
            let room = buffer.get_mut(filled..).unwrap_or_default();
            filled += crate::inspect::copy_at(&chunk, 0, room);
        }
        Ok(filled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_keys_stay_inside() {
        for bad in ["", "/a", "a//b", "../a", "a/../b", "a/./b", "a b", "a\\b", "ä", "a/", ".hidden", "a\0"]
        {
            assert!(BlobKey::foreign(bad).is_err(), "{bad:?}");
        }
        assert_eq!(BlobKey::foreign("team/app-1.0_x.apk").unwrap().as_str(), "team/app-1.0_x.apk");
    }

    #[test]
    fn ranges_are_cut() {
        assert_eq!(ByteRange::FULL.within(5), (0, 5));
        assert_eq!(ByteRange::of(3, 9).within(5), (3, 5));
        assert_eq!(ByteRange::of(9, 1).within(5), (5, 5));
        assert_eq!(ByteRange { start: u64::MAX, end: Some(0) }.within(5), (5, 5));
    }
}
