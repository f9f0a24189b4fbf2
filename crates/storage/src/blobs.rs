//! Blobs on whatever OpenDAL can write to.

#[cfg(feature = "fs")]
mod directory;

use std::ops::Bound;
use std::time::Duration;

use appdepot_core::blobs::{BlobKey, BlobStore, ByteRange, ByteStream};
#[cfg(feature = "s3")]
use appdepot_core::storage_factory::Credentials;
use appdepot_core::{Error, Result};
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use opendal::layers::{RetryLayer, TimeoutLayer};
use opendal::{BufferStream, ErrorKind, Operator, Reader, Writer, services};

#[cfg(feature = "fs")]
use directory::Entries;

/// Chunks smaller than this are gathered before they are written, in bytes.
const WRITE_SIZE: usize = 1024 * 1024;
/// The size of one part of a multipart upload, in bytes. 10,000 parts make 80 GiB.
const PART_SIZE: usize = 8 * 1024 * 1024;
/// How long a read may stay without an answer before it is tried again.
const READ_TIMEOUT: Duration = Duration::from_secs(10);
/// How often a failed read is tried again.
const READ_RETRIES: usize = 2;
/// How long the first of them waits; each further one twice as long.
const READ_RETRY_DELAY: Duration = Duration::from_millis(100);
/// How long one part may take to be written to a remote store.
#[cfg(feature = "s3")]
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);

/// A [`BlobStore`] over an OpenDAL operator.
///
/// # Behavior
/// - Memory use of `put` and `get` does not depend on the length of the blob.
/// - A failed write is final: nothing below `put` tries again, because a second flush of a file can report
///   success for bytes that the first one lost.
/// - Reads are tried again a few times, each bounded in time.
///
/// # Examples
///
/// ```
/// use appdepot_core::blobs::{BlobKey, BlobStore, ByteRange};
/// use appdepot_core::domain::Id;
/// use appdepot_storage::OpendalBlobs;
/// use futures::{StreamExt, TryStreamExt, stream};
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let blobs = OpendalBlobs::memory()?;
/// let key = BlobKey::of(Id::generate());
/// blobs.put(&key, stream::iter([Ok("some ".into()), Ok("bytes".into())]).boxed()).await?;
/// let part: Vec<bytes::Bytes> = blobs.get(&key, ByteRange::of(5, 100)).await?.try_collect().await?;
/// assert_eq!(part.concat(), b"bytes");
/// # Ok::<(), appdepot_core::Error>(())
/// # }).unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct OpendalBlobs {
    /// Writes and deletes; nothing retries here.
    writer: Operator,
    /// The same store behind retries, each attempt with its own deadline. The time limit lies inside the retry:
    /// the other way round it would cut the retry's own state.
    reader: Operator,
    #[cfg(feature = "fs")]
    entries: Option<Entries>,
}

/// Where an S3 bucket is.
///
/// The keys come from the usual places: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`, or
/// the AWS configuration files.
#[cfg(feature = "s3")]
#[derive(Debug, Clone, Default)]
pub struct S3Config {
    /// The bucket.
    pub bucket: String,
    /// The service's address; without it, AWS.
    pub endpoint: Option<String>,
    /// The region; without it, what `AWS_REGION` says.
    pub region: Option<String>,
    /// What all keys start with, for a bucket shared with others.
    pub prefix: Option<String>,
    /// Whether the bucket is part of the host name instead of the path.
    pub virtual_host: bool,
    /// The keys, instead of those from the usual places.
    pub credentials: Option<Credentials>,
    /// Whether to ask the cloud machine's metadata service for keys. Elsewhere that only costs a timeout.
    pub instance_credentials: bool,
}

impl OpendalBlobs {
    /// A store in this process's memory.
    ///
    /// # Errors
    /// `Internal` when the store cannot be set up.
    pub fn memory() -> Result<Self> {
        Ok(Self::from_operator(Operator::new(services::Memory::default()).map_err(fault)?))
    }

    /// Files below `path`, which is created when it is missing.
    ///
    /// # Behavior
    /// - With [`Durability::Full`](crate::Durability::Full), when `put` or `delete` returns, the file, its
    ///   directory and every directory above it that was new are flushed to the device.
    /// - With [`Durability::Os`](crate::Durability::Os), directory entries are left to the operating system. The
    ///   contents of a file are flushed all the same: OpenDAL does that whenever it closes one.
    ///
    /// # Errors
    /// `Unavailable` when the directory cannot be created or read.
    ///
    /// # Examples
    ///
    /// ```
    /// use appdepot_storage::{Durability, OpendalBlobs};
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let path = directory.path().join("depot/blobs");
    /// let blobs = OpendalBlobs::directory(&path, Durability::Full)?;
    /// # Ok::<(), appdepot_core::Error>(())
    /// ```
    #[cfg(feature = "fs")]
    pub fn directory(path: impl AsRef<std::path::Path>, durability: crate::Durability) -> Result<Self> {
        let path = path.as_ref();
        let root = directory::create(path, durability).map_err(Error::unavailable)?;
        let text =
            root.to_str().ok_or_else(|| Error::invalid("blobs", "the directory's name is not UTF-8"))?;
        let operator = Operator::new(services::Fs::default().root(text)).map_err(fault)?;
        let mut store = Self::from_operator(operator);
        store.entries = (durability == crate::Durability::Full).then(|| Entries::new(root));
        Ok(store)
    }

    /// Objects in an S3 bucket.
    ///
    /// # Errors
    /// `Internal` when the configuration is not usable.
    #[cfg(feature = "s3")]
    pub fn s3(config: S3Config) -> Result<Self> {
        opendal::install_default();
        let mut builder = services::S3::default().bucket(&config.bucket);
        if let Some(endpoint) = &config.endpoint {
            builder = builder.endpoint(endpoint);
        }
        if let Some(region) = &config.region {
            builder = builder.region(region);
        }
        if let Some(prefix) = &config.prefix {
            builder = builder.root(prefix);
        }
        if config.virtual_host {
            builder = builder.enable_virtual_host_style();
        }
        if let Some(credentials) = &config.credentials {
            builder = builder
                .access_key_id(&credentials.id)
                .secret_access_key(&credentials.secret)
                .disable_config_load();
        }
        if !config.instance_credentials {
            builder = builder.disable_ec2_metadata();
        }
        let operator = Operator::new(builder).map_err(fault)?;
        let limit = TimeoutLayer::new().with_timeout(READ_TIMEOUT).with_io_timeout(WRITE_TIMEOUT);
        Ok(Self { writer: operator.clone().layer(limit), ..Self::from_operator(operator) })
    }

    /// Any operator. Give it no retry layer: it would try failed writes again.
    pub fn from_operator(operator: Operator) -> Self {
        let limit = TimeoutLayer::new().with_timeout(READ_TIMEOUT).with_io_timeout(READ_TIMEOUT);
        let retry =
            RetryLayer::new().with_max_times(READ_RETRIES).with_min_delay(READ_RETRY_DELAY).with_jitter();
        Self {
            reader: operator.clone().layer(limit).layer(retry),
            writer: operator,
            #[cfg(feature = "fs")]
            entries: None,
        }
    }

    async fn open_writer(&self, key: &BlobKey) -> opendal::Result<Writer> {
        let multipart = self.writer.info().capability().write_multi_min_size.is_some();
        match multipart {
            true => self.writer.writer_with(key.as_str()).chunk(PART_SIZE).await,
            false => self.writer.writer(key.as_str()).await,
        }
    }

    /// The length, unless there is no object or something else, such as a directory, under the key.
    async fn length(&self, key: &BlobKey) -> Result<Option<u64>> {
        match self.reader.stat(key.as_str()).await {
            Ok(found) => Ok(found.is_file().then(|| found.content_length())),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(fault(error)),
        }
    }

    #[cfg(feature = "fs")]
    async fn flush_entries(&self, key: &BlobKey) -> Result<()> {
        match &self.entries {
            Some(entries) => entries.flush(key).await.map_err(Error::unavailable),
            None => Ok(()),
        }
    }

    #[cfg(not(feature = "fs"))]
    async fn flush_entries(&self, _: &BlobKey) -> Result<()> {
        Ok(())
    }
}

#[async_trait]
impl BlobStore for OpendalBlobs {
    async fn put(&self, key: &BlobKey, body: ByteStream) -> Result<u64> {
        let mut writer = self.open_writer(key).await.map_err(fault)?;
        let written = match fill(&mut writer, body).await {
            Ok(length) => writer.close().await.map(|_| length).map_err(fault),
            Err(error) => Err(error),
        };
        match written {
            Ok(length) => {
                self.flush_entries(key).await?;
                Ok(length)
            }
            Err(error) => {
                // Frees the parts of a multipart upload. Files have no such thing; there the handle goes with the
                // writer, and the caller deletes the key.
                if let Err(left) = writer.abort().await {
                    tracing::debug!(%key, error = %left, "an unfinished write was left to its caller");
                }
                Err(error)
            }
        }
    }

    /// One request where the answer to it tells the length and the range lies within. Services differ in what they
    /// make of a range that crosses the end, so where it does, or where no answer came yet, the length is asked for
    /// first.
    async fn get(&self, key: &BlobKey, range: ByteRange) -> Result<ByteStream> {
        let reader = self.reader.reader(key.as_str()).await.map_err(fault)?;
        if range.end.is_none_or(|end| range.start < end) {
            let mut stream = open(&reader, range).await.map_err(fault)?;
            match stream.metadata().await {
                Ok(found) if range.end.is_none_or(|end| end <= found.content_length()) => {
                    return Ok(chunks(stream));
                }
                Ok(_) => {}
                Err(error)
                    if matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::RangeNotSatisfied) => {}
                Err(error) if is_absent(&error) => return Err(Error::not_found("blob").with_source(error)),
                Err(error) => return Err(fault(error)),
            }
        }
        let length = self.length(key).await?.ok_or_else(|| Error::not_found("blob"))?;
        let (start, end) = range.within(length);
        if start == end {
            return Ok(stream::empty().boxed());
        }
        Ok(chunks(open(&reader, ByteRange { start, end: Some(end) }).await.map_err(fault)?))
    }

    async fn stat(&self, key: &BlobKey) -> Result<Option<u64>> {
        self.length(key).await
    }

    async fn delete(&self, key: &BlobKey) -> Result<()> {
        match self.writer.delete(key.as_str()).await {
            Ok(()) => self.flush_entries(key).await,
            Err(error) if is_absent(&error) => Ok(()),
            Err(error) => Err(fault(error)),
        }
    }

    /// Signed by the service's own key; `None` where the service signs nothing.
    async fn link(&self, key: &BlobKey, ttl: Duration) -> Result<Option<String>> {
        if !self.reader.info().capability().presign_read {
            return Ok(None);
        }
        let signed = self.reader.presign_read(key.as_str(), ttl).await.map_err(fault)?;
        Ok(Some(signed.uri().to_string()))
    }
}

async fn open(reader: &Reader, range: ByteRange) -> opendal::Result<BufferStream> {
    let end = range.end.map_or(Bound::Unbounded, Bound::Excluded);
    reader.clone().into_stream((Bound::Included(range.start), end)).await
}

fn chunks(stream: BufferStream) -> ByteStream {
    stream.map_ok(|buffer| stream::iter(buffer).map(Ok)).map_err(fault).try_flatten().boxed()
}

/// Writes the whole body and returns its length. Large chunks pass through uncopied, small ones are gathered.
async fn fill(writer: &mut Writer, mut body: ByteStream) -> Result<u64> {
    let mut length = 0u64;
    let mut gathered = BytesMut::new();
    while let Some(chunk) = body.try_next().await? {
        length += chunk.len() as u64;
        if gathered.is_empty() && chunk.len() >= WRITE_SIZE {
            writer.write(chunk).await.map_err(fault)?;
            continue;
        }
        gathered.extend_from_slice(&chunk);
        if gathered.len() >= WRITE_SIZE {
            let full: Bytes = gathered.split().freeze();
            writer.write(full).await.map_err(fault)?;
        }
    }
    if !gathered.is_empty() {
        writer.write(gathered.freeze()).await.map_err(fault)?;
    }
    Ok(length)
}

/// Nothing is under the key; also when a file stands where one of its directories would be, which OpenDAL does not
/// tell from other failures.
fn is_absent(error: &opendal::Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let kind = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
        if kind == Some(std::io::ErrorKind::NotADirectory) {
            return true;
        }
        cause = error.source();
    }
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// The one place where OpenDAL's errors become ours. Their text may hold paths and stays a source.
fn fault(error: opendal::Error) -> Error {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::IsADirectory => {
            Error::not_found("blob").with_source(error)
        }
        ErrorKind::ConfigInvalid | ErrorKind::Unsupported => Error::internal(error),
        _ => Error::unavailable(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use appdepot_core::domain::Id;

    fn body(chunks: &[usize]) -> ByteStream {
        let chunks: Vec<Result<Bytes>> =
            chunks.iter().map(|length| Ok(Bytes::from(vec![7; *length]))).collect();
        stream::iter(chunks).boxed()
    }

    #[tokio::test]
    async fn chunks_of_all_sizes_add_up() {
        let blobs = OpendalBlobs::memory().unwrap();
        let key = BlobKey::of(Id::generate());
        let sizes = [0, 1, WRITE_SIZE - 1, WRITE_SIZE, 3, WRITE_SIZE + 1, 5];
        let length = blobs.put(&key, body(&sizes)).await.unwrap();
        assert_eq!(length, sizes.iter().sum::<usize>() as u64);
        assert_eq!(blobs.stat(&key).await.unwrap(), Some(length));
    }

    #[tokio::test]
    async fn memory_has_no_links() {
        let blobs = OpendalBlobs::memory().unwrap();
        let link = blobs.link(&BlobKey::of(Id::generate()), Duration::from_secs(1)).await;
        assert_eq!(link.unwrap(), None);
    }

    #[test]
    fn messages_hold_no_paths() {
        let raw = opendal::Error::new(ErrorKind::Unexpected, "no space left on /srv/secret");
        assert_eq!(fault(raw).to_string(), "a backend is unavailable");
    }
}
