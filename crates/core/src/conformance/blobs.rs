//! What every [`BlobStore`] does.

use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};

use super::{Outcome, cases, holds, refused, same};
use crate::blobs::{BlobKey, BlobStore, ByteRange, ByteStream};
use crate::domain::Id;
use crate::{Error, ErrorKind, Result};

cases! { Arc<dyn BlobStore>:
    what_is_put_can_be_got
    a_put_returns_the_length
    many_small_chunks_arrive_in_order
    large_bodies_arrive_whole
    an_empty_blob_is_a_blob
    ranges_are_exact
    ranges_past_the_end_are_cut
    getting_a_missing_blob_is_not_found
    stat_tells_length_or_none
    deleting_twice_is_fine
    a_deleted_blob_is_gone
    a_broken_body_fails_the_put_and_can_be_cleaned_up
    blobs_do_not_touch_each_other
    a_stream_outlives_later_operations
}

fn key() -> BlobKey {
    BlobKey::of(Id::generate())
}

fn body(chunks: Vec<Vec<u8>>) -> ByteStream {
    stream::iter(chunks.into_iter().map(|chunk| Ok(Bytes::from(chunk)))).boxed()
}

async fn read(store: &dyn BlobStore, key: &BlobKey, range: ByteRange) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    let mut stream = store.get(key, range).await?;
    while let Some(chunk) = stream.try_next().await? {
        out.extend_from_slice(&chunk);
    }
    Ok(out)
}

/// Bytes that differ everywhere, so that a wrong offset shows.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at.wrapping_mul(2_654_435_761) >> 7) as u8).collect()
}

async fn what_is_put_can_be_got(store: Arc<dyn BlobStore>) -> Outcome {
    let key = key();
    store.put(&key, body(vec![b"hello ".to_vec(), b"world".to_vec()])).await?;
    same("bytes", &read(&*store, &key, ByteRange::FULL).await?, &b"hello world".to_vec())
}

async fn a_put_returns_the_length(store: Arc<dyn BlobStore>) -> Outcome {
    same("length", &store.put(&key(), body(vec![pattern(10), Vec::new(), pattern(5)])).await?, &15)
}

async fn many_small_chunks_arrive_in_order(store: Arc<dyn BlobStore>) -> Outcome {
    let all = pattern(30_000);
    let key = key();
    store.put(&key, body(all.chunks(7).map(<[u8]>::to_vec).collect())).await?;
    holds("bytes differ", read(&*store, &key, ByteRange::FULL).await? == all)
}

async fn large_bodies_arrive_whole(store: Arc<dyn BlobStore>) -> Outcome {
    let all = pattern(9 * 1024 * 1024 + 13);
    let key = key();
    let length = store.put(&key, body(all.chunks(100_001).map(<[u8]>::to_vec).collect())).await?;
    same("length", &length, &(all.len() as u64))?;
    holds("bytes differ", read(&*store, &key, ByteRange::FULL).await? == all)?;
    let tail = read(&*store, &key, ByteRange { start: all.len() as u64 - 9, end: None }).await?;
    holds("tail differs", all.ends_with(&tail) && tail.len() == 9)
}

async fn an_empty_blob_is_a_blob(store: Arc<dyn BlobStore>) -> Outcome {
    let key = key();
    same("length", &store.put(&key, body(Vec::new())).await?, &0)?;
    same("stat", &store.stat(&key).await?, &Some(0))?;
    same("bytes", &read(&*store, &key, ByteRange::FULL).await?, &Vec::new())
}

async fn ranges_are_exact(store: Arc<dyn BlobStore>) -> Outcome {
    let all = pattern(5_000);
    let key = key();
    store.put(&key, body(vec![all.clone()])).await?;
    for (start, length) in [(0usize, 1usize), (1, 10), (4_999, 1), (2_500, 2_500), (17, 0)] {
        let got = read(&*store, &key, ByteRange::of(start as u64, length as u64)).await?;
        holds(&format!("range {start}+{length}"), all.get(start..start + length) == Some(&got[..]))?;
    }
    Ok(())
}

async fn ranges_past_the_end_are_cut(store: Arc<dyn BlobStore>) -> Outcome {
    let key = key();
    store.put(&key, body(vec![pattern(100)])).await?;
    same("crossing", &read(&*store, &key, ByteRange::of(90, 50)).await?.len(), &10)?;
    same("at the end", &read(&*store, &key, ByteRange::of(100, 1)).await?.len(), &0)?;
    same("beyond", &read(&*store, &key, ByteRange { start: 1 << 40, end: None }).await?.len(), &0)
}

async fn getting_a_missing_blob_is_not_found(store: Arc<dyn BlobStore>) -> Outcome {
    refused("get", read(&*store, &key(), ByteRange::FULL).await, ErrorKind::NotFound)?;
    refused("get a range", read(&*store, &key(), ByteRange::of(5, 5)).await, ErrorKind::NotFound)
}

async fn stat_tells_length_or_none(store: Arc<dyn BlobStore>) -> Outcome {
    let key = key();
    same("absent", &store.stat(&key).await?, &None)?;
    store.put(&key, body(vec![pattern(33)])).await?;
    same("present", &store.stat(&key).await?, &Some(33))
}

async fn deleting_twice_is_fine(store: Arc<dyn BlobStore>) -> Outcome {
    let key = key();
    store.put(&key, body(vec![pattern(3)])).await?;
    store.delete(&key).await?;
    store.delete(&key).await?;
    Ok(())
}

async fn a_deleted_blob_is_gone(store: Arc<dyn BlobStore>) -> Outcome {
    let key = key();
    store.put(&key, body(vec![pattern(3)])).await?;
    store.delete(&key).await?;
    same("stat", &store.stat(&key).await?, &None)?;
    refused("get", read(&*store, &key, ByteRange::FULL).await, ErrorKind::NotFound)
}

async fn a_broken_body_fails_the_put_and_can_be_cleaned_up(store: Arc<dyn BlobStore>) -> Outcome {
    let key = key();
    let broken = stream::iter([
        Ok(Bytes::from(pattern(2_000_000))),
        Err(Error::new(ErrorKind::TooLarge, "the client went away")),
    ]);
    refused("put", store.put(&key, broken.boxed()).await, ErrorKind::TooLarge)?;
    store.delete(&key).await?;
    same("stat after clean-up", &store.stat(&key).await?, &None)
}

async fn blobs_do_not_touch_each_other(store: Arc<dyn BlobStore>) -> Outcome {
    let keys: Vec<BlobKey> = (0..20).map(|_| key()).collect();
    for (at, key) in keys.iter().enumerate() {
        store.put(key, body(vec![vec![at as u8; 100 + at]])).await?;
    }
    for (at, key) in keys.iter().enumerate() {
        holds(
            "another blob's bytes",
            read(&*store, key, ByteRange::FULL).await? == vec![at as u8; 100 + at],
        )?;
    }
    Ok(())
}

async fn a_stream_outlives_later_operations(store: Arc<dyn BlobStore>) -> Outcome {
    let all = pattern(3 * 1024 * 1024);
    let key = key();
    store.put(&key, body(vec![all.clone()])).await?;
    let stream = store.get(&key, ByteRange::FULL).await?;
    store.put(&self::key(), body(vec![pattern(10)])).await?;
    let chunks: Vec<Bytes> = stream.try_collect().await?;
    holds("bytes differ", chunks.concat() == all)
}
