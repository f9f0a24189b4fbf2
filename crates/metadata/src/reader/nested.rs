//! Reading a file inside the file, on the same account.

use appdepot_core::error::Result;
use appdepot_core::inspect::{Problem, Source, copy_at};
use async_trait::async_trait;
use bytes::Bytes;

use super::Reader;

/// A part of a source, or what was unpacked from one.
pub(crate) enum Part<'a> {
    /// Bytes that stand in the file as they are.
    Window { source: &'a dyn Source, start: u64, length: u64 },
    /// Bytes in memory.
    Memory(Bytes),
}

#[async_trait]
impl Source for Part<'_> {
    fn length(&self) -> u64 {
        match self {
            Self::Window { length, .. } => *length,
            Self::Memory(data) => data.len() as u64,
        }
    }

    async fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        match self {
            Self::Memory(data) => Ok(copy_at(data, offset, buffer)),
            Self::Window { source, start, length } => {
                let left = usize::try_from(length.saturating_sub(offset)).unwrap_or(usize::MAX);
                let count = left.min(buffer.len());
                match buffer.get_mut(..count).filter(|buffer| !buffer.is_empty()) {
                    Some(buffer) => source.read_at(start.saturating_add(offset), buffer).await,
                    None => Ok(0),
                }
            }
        }
    }
}

impl<'s> Reader<'s> {
    /// The bytes from `start` on as a source of their own.
    pub(crate) fn window(&self, start: u64, length: u64) -> Part<'s> {
        Part::Window { source: self.source, start, length: length.min(self.length.saturating_sub(start)) }
    }

    /// A reader over a part of this one's file, with what is left of its time and limits.
    pub(crate) fn nested<'p>(&self, part: &'p Part<'p>) -> Reader<'p>
    where
        's: 'p,
    {
        let mut nested = Reader::new(part, self.limits);
        nested.deadline = self.deadline;
        nested.inflated = self.inflated;
        nested.strings = self.strings;
        nested
    }

    /// Takes over what a nested reader counted and noted; `in_memory` says that its reads were none of the file.
    pub(crate) fn absorb(&mut self, nested: Reader<'_>, in_memory: bool) -> Option<Problem> {
        if !in_memory {
            self.reads = self.reads.saturating_add(nested.reads);
            self.bytes_read = self.bytes_read.saturating_add(nested.bytes_read);
        }
        self.inflated = nested.inflated;
        self.strings = nested.strings;
        for anomaly in nested.anomalies {
            self.note(anomaly);
        }
        nested.refusal
    }
}
