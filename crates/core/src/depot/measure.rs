//! One pass over an upload: SHA-256, length, limit, and both ends kept.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures::{StreamExt as _, future};
use sha2::{Digest as _, Sha256};

use super::ends::{Ends, KEPT};
use crate::blobs::ByteStream;
use crate::error::{Error, Result};

/// What passed through a measured stream so far.
#[derive(Clone, Default)]
pub(super) struct Measure(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    hash: Sha256,
    length: u64,
    head: Vec<u8>,
    tail: Vec<u8>,
}

impl Measure {
    /// The same stream, measured while it is read. Ends with `TooLarge` as soon as `limit` bytes are exceeded.
    pub(super) fn stream(&self, body: ByteStream, limit: u64) -> ByteStream {
        let this = self.clone();
        body.then(move |chunk| future::ready(chunk.and_then(|chunk| this.take(chunk, limit)))).boxed()
    }

    fn take(&self, chunk: Bytes, limit: u64) -> Result<Bytes> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.length = state.length.saturating_add(chunk.len() as u64);
        if state.length > limit {
            return Err(Error::too_large(limit));
        }
        state.hash.update(&chunk);
        let room = KEPT.saturating_sub(state.head.len()).min(chunk.len());
        state.head.extend_from_slice(chunk.get(..room).unwrap_or_default());
        let last = chunk.get(chunk.len().saturating_sub(KEPT)..).unwrap_or_default();
        if last.len() == KEPT {
            state.tail.clear();
        } else if state.tail.len() + last.len() > 2 * KEPT {
            // Only at twice the size, so that small chunks do not move the tail again and again.
            let spare = state.tail.len().saturating_sub(KEPT - last.len());
            state.tail.drain(..spare);
        }
        state.tail.extend_from_slice(last);
        Ok(chunk)
    }

    /// The length in bytes, the SHA-256 in hexadecimal, and the kept ends.
    pub(super) fn finish(self) -> (u64, String, Ends) {
        let state = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let ends = Ends { head: state.head, tail: state.tail };
        (state.length, hex(&state.hash.finalize()), ends)
    }
}

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::executor::block_on;
    use futures::{TryStreamExt as _, stream};
    use proptest::prelude::*;

    fn measured(chunks: Vec<Vec<u8>>, limit: u64) -> (Result<Vec<Bytes>>, Measure) {
        let measure = Measure::default();
        let body = stream::iter(chunks.into_iter().map(|chunk| Ok(Bytes::from(chunk)))).boxed();
        (block_on(measure.stream(body, limit).try_collect()), measure)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn equals_measuring_the_whole(chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..70_000), 0..6)) {
            let whole = chunks.concat();
            let (passed, measure) = measured(chunks, u64::MAX);
            prop_assert_eq!(passed.unwrap().concat(), whole.clone());
            let (length, sha256, ends) = measure.finish();
            prop_assert_eq!(length, whole.len() as u64);
            prop_assert_eq!(sha256, hex(&Sha256::digest(&whole)));
            prop_assert!(whole.starts_with(&ends.head) && ends.head.len() == KEPT.min(whole.len()));
            prop_assert!(whole.ends_with(&ends.tail) && ends.tail.len() >= KEPT.min(whole.len()));
        }
    }

    #[test]
    fn one_byte_too_many_ends_the_stream() {
        assert!(measured(vec![vec![0; 10]], 10).0.is_ok());
        let error = measured(vec![vec![0; 6], vec![0; 5]], 10).0.unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::TooLarge);
    }
}
