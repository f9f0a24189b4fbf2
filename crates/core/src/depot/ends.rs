//! The first and last bytes of an upload, kept so that inspecting it rarely reads the blob again.

use async_trait::async_trait;

use crate::error::Result;
use crate::inspect::{Source, copy_at};

/// How many bytes of each end are kept.
pub(super) const KEPT: usize = 64 * 1024;

/// Both ends of a file.
pub(super) struct Ends {
    pub(super) head: Vec<u8>,
    pub(super) tail: Vec<u8>,
}

/// A source that answers from the kept ends where it can, and asks the blob otherwise.
pub(super) struct EndsSource<'a, S> {
    pub(super) ends: &'a Ends,
    pub(super) rest: S,
}

#[async_trait]
impl<S: Source> Source for EndsSource<'_, S> {
    fn length(&self) -> u64 {
        self.rest.length()
    }

    async fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        let length = self.length();
        let end = offset.saturating_add(buffer.len() as u64).min(length);
        if end <= self.ends.head.len() as u64 {
            return Ok(copy_at(&self.ends.head, offset, buffer));
        }
        let tail_start = length.saturating_sub(self.ends.tail.len() as u64);
        if offset >= tail_start {
            return Ok(copy_at(&self.ends.tail, offset - tail_start, buffer));
        }
        self.rest.read_at(offset, buffer).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::executor::block_on;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn reads_as_the_whole_would(whole in prop::collection::vec(any::<u8>(), 0..400), kept in 0usize..200, offset in 0u64..500, count in 0usize..300) {
            let kept = kept.min(whole.len());
            let ends = Ends { head: whole[..kept].to_vec(), tail: whole[whole.len() - kept..].to_vec() };
            let source = EndsSource { ends: &ends, rest: bytes::Bytes::from(whole.clone()) };
            let (mut got, mut expected) = (vec![0; count], vec![0; count]);
            let n = block_on(source.read_at(offset, &mut got)).unwrap();
            prop_assert_eq!(n, copy_at(&whole, offset, &mut expected));
            prop_assert_eq!(got, expected);
        }
    }
}
