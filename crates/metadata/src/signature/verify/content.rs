//! Digests over everything but the signing block, streamed.

use crate::bytes::u32_at;
use crate::containers::zip::Archive;
use crate::reader::Reader;

use super::crypto::{Hash, Hasher};
use super::{Fail, Reason};

const CHUNK: u64 = 1 << 20;
const PAGE: usize = 4_096;
const END: [u8; 4] = *b"PK\x05\x06";
const END_LEN: usize = 22;
const SHA256_LEN: usize = 32;

/// How the content was digested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Chunks of a mebibyte.
    Chunks(Hash),
    /// A tree of pages, as fs-verity has it.
    Verity,
}

/// The three parts that are digested.
#[derive(Debug)]
pub(super) struct Sections {
    /// Where the signing block starts: the entries end here.
    block: u64,
    /// The central directory.
    directory: (u64, u64),
    /// The end record, with the start of the block in place of that of the directory.
    end: Vec<u8>,
}

impl Sections {
    /// The parts of an archive with a signing block at `block`. An archive that is not plain has none: ZIP64 records,
    /// or bytes between the directory and the end.
    pub(super) async fn find(reader: &mut Reader<'_>, archive: &Archive, block: u64) -> Result<Self, Fail> {
        let length = reader.length();
        let room = length.min(END_LEN as u64 + 65_535);
        let tail_at = length - room;
        let tail = reader.bytes(tail_at, usize::try_from(room).unwrap_or(0)).await?;
        // the shortest comment that ends with the file, as Android looks for it
        let is_end = |at: &usize| {
            let comment = tail.len() - at - END_LEN;
            let declared = tail.get(at + 20..at + 22).and_then(|len| len.first_chunk().copied());
            tail.get(*at..at + 4) == Some(END.as_slice())
                && declared.map(u16::from_le_bytes).map(usize::from) == Some(comment)
        };
        let at = tail.len().checked_sub(END_LEN).and_then(|last| (0..=last).rev().find(is_end));
        let at = at.ok_or(Reason::Archive)?;
        let (size, start) = (u32_at(&tail, at + 12), u32_at(&tail, at + 16));
        let (size, start) =
            (u64::from(size.ok_or(Reason::Archive)?), u64::from(start.ok_or(Reason::Archive)?));
        // another start than the archive was opened with, or a gap: two readers, two archives
        let end_at = tail_at + at as u64;
        if start != archive.directory_start() || start + size != end_at || block > start {
            return Err(Reason::Archive.into());
        }
        let mut end = tail.get(at..).unwrap_or_default().to_vec();
        let offset = u32::try_from(block).map_err(|_| Reason::Archive)?.to_le_bytes();
        end.get_mut(16..20).ok_or(Reason::Archive)?.copy_from_slice(&offset);
        Ok(Self { block, directory: (start, end_at), end })
    }

    /// The digests of each kind, in one pass over the file.
    pub(super) async fn digest(&self, reader: &mut Reader<'_>, kinds: &[Kind]) -> Result<Vec<Vec<u8>>, Fail> {
        let lengths = [self.block, self.directory.1 - self.directory.0, self.end.len() as u64];
        let total = lengths.iter().sum();
        if kinds.contains(&Kind::Verity) && !self.block.is_multiple_of(PAGE as u64) {
            return Err(Reason::ContentDigest.into());
        }
        let mut digests: Vec<Digest> = kinds.iter().map(|kind| Digest::new(*kind, &lengths)).collect();
        for (from, to) in [(0, self.block), self.directory] {
            let mut at = from;
            while at < to {
                let len = CHUNK.min(to - at);
                let chunk = reader.bytes(at, usize::try_from(len).unwrap_or(0)).await?;
                digests.iter_mut().for_each(|digest| digest.chunk(&chunk));
                at += len;
            }
        }
        for chunk in self.end.chunks(CHUNK as usize) {
            digests.iter_mut().for_each(|digest| digest.chunk(chunk));
        }
        Ok(digests.into_iter().map(|digest| digest.finish(total)).collect())
    }
}

/// A content digest in the making; one chunk at a time is in memory.
enum Digest {
    Chunks(Hash, Box<Hasher>),
    Verity(Tree),
}

impl Digest {
    fn new(kind: Kind, lengths: &[u64]) -> Self {
        match kind {
            Kind::Chunks(hash) => {
                let count: u64 = lengths.iter().map(|len| len.div_ceil(CHUNK)).sum();
                let mut top = hash.start();
                top.update(&[0x5a]);
                top.update(&u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes());
                Self::Chunks(hash, Box::new(top))
            }
            Kind::Verity => Self::Verity(Tree::default()),
        }
    }

    fn chunk(&mut self, chunk: &[u8]) {
        match self {
            Self::Chunks(hash, top) => {
                let mut hasher = hash.start();
                hasher.update(&[0xa5]);
                hasher.update(&u32::try_from(chunk.len()).unwrap_or(u32::MAX).to_le_bytes());
                hasher.update(chunk);
                top.update(&hasher.finish());
            }
            Self::Verity(tree) => tree.add(0, chunk),
        }
    }

    fn finish(self, total: u64) -> Vec<u8> {
        match self {
            Self::Chunks(_, top) => top.finish(),
            Self::Verity(tree) => {
                let mut digest = tree.root();
                digest.extend(total.to_le_bytes());
                digest
            }
        }
    }
}

/// A hash tree of pages: each level holds the page being filled, and a full page becomes a digest one level up.
#[derive(Default)]
struct Tree {
    /// The page of each level and how many were full before; the content is level 0.
    levels: Vec<(Vec<u8>, u64)>,
}

impl Tree {
    fn add(&mut self, level: usize, mut data: &[u8]) {
        while !data.is_empty() {
            if self.levels.len() <= level {
                self.levels.resize_with(level + 1, Default::default);
            }
            let Some((page, _)) = self.levels.get_mut(level) else { return };
            let (head, rest) = data.split_at(data.len().min(PAGE - page.len()));
            page.extend_from_slice(head);
            data = rest;
            if page.len() == PAGE {
                self.close(level);
            }
        }
    }

    /// Turns the page of a level, padded with zeros, into a digest. A level is 128 times smaller than the one below.
    fn close(&mut self, level: usize) {
        let Some((page, full)) = self.levels.get_mut(level) else { return };
        page.resize(PAGE, 0);
        let digest = page_digest(page);
        page.clear();
        *full += 1;
        self.add(level + 1, &digest);
    }

    fn root(mut self) -> Vec<u8> {
        let mut level = 0;
        while let Some((page, full)) = self.levels.get_mut(level) {
            if level > 0 && *full == 0 {
                // the only page of its level is the top one
                page.resize(PAGE, 0);
                return page_digest(page);
            }
            if level > 0 && *full == 1 && page.is_empty() {
                break;
            }
            if !page.is_empty() {
                self.close(level);
            }
            level += 1;
        }
        // the top page was exactly full: its digest was the one thing put on the level above
        self.levels
            .get(level + 1)
            .and_then(|(page, _)| page.get(..SHA256_LEN))
            .map(<[u8]>::to_vec)
            .unwrap_or_default()
    }
}

fn page_digest(page: &[u8]) -> Vec<u8> {
    let mut hasher = Hash::Sha256.start();
    // the salt Android fixed
    hasher.update(&[0; 8]);
    hasher.update(page);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tree as it is described, level by level, in memory.
    fn described(data: &[u8]) -> Vec<u8> {
        let mut level = data.to_vec();
        loop {
            level.resize(level.len().next_multiple_of(PAGE), 0);
            level = level.chunks(PAGE).flat_map(page_digest).collect();
            if level.len() <= PAGE {
                level.resize(PAGE, 0);
                return page_digest(&level);
            }
        }
    }

    #[test]
    fn a_streamed_tree_is_the_described_one() {
        let few =
            [1, 2, 127, 128, 129, 256, 257].into_iter().map(|pages| (pages, [0, 1, PAGE - 1].as_slice()));
        for (pages, extras) in few.chain([(128 * 128 + 1, [0].as_slice())]) {
            for extra in extras {
                let data: Vec<u8> = (0..(pages - 1) * PAGE + 1 + extra).map(|at| (at / 7) as u8).collect();
                let mut tree = Tree::default();
                data.chunks(100_000).for_each(|chunk| tree.add(0, chunk));
                assert_eq!(tree.root(), described(&data), "{pages} pages, {extra}");
            }
        }
    }
}
