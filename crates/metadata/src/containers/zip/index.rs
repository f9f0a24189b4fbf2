//! Names to records.

use super::entry::{CENTRAL_LEN, Entry};
use crate::bytes::{slice_at, u16_at};

/// A name, looked at once: what it is found by and what kinds of bytes it has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Name<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) is_ascii: bool,
    pub(super) has_nul: bool,
    hash: u64,
}

impl<'a> Name<'a> {
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;
        const LOWEST: u64 = 0x0101_0101_0101_0101;
        const HIGHEST: u64 = 0x8080_8080_8080_8080;
        let (mut hash, mut any, mut nul) = (bytes.len() as u64, 0, 0);
        let mut add = |word: u64| {
            hash = (hash.rotate_left(5) ^ word).wrapping_mul(MULTIPLIER);
            any |= word;
            // not zero exactly where one of the bytes is
            nul |= word.wrapping_sub(LOWEST) & !word & HIGHEST;
        };
        let (words, rest) = bytes.as_chunks::<8>();
        words.iter().for_each(|word| add(u64::from_le_bytes(*word)));
        match bytes.last_chunk() {
            Some(_) if rest.is_empty() => {}
            Some(last) => add(u64::from_le_bytes(*last)),
            None => rest.iter().for_each(|byte| add(u64::from(*byte) | LOWEST << 8)),
        }
        Self { bytes, is_ascii: any & HIGHEST == 0, has_nul: nul != 0, hash: hash ^ hash >> 32 }
    }
}

/// Names to positions in the central directory: open addressing. A slot has half of the name's hash and the position
/// plus one; zero is free.
#[derive(Debug, Clone, Default)]
pub(super) struct Index {
    pub(super) slots: Vec<u64>,
    /// Probes left before the names must have been chosen to collide.
    patience: usize,
}

/// What became of a name.
pub(super) enum Inserted {
    /// It is the first of its kind.
    New,
    /// It was there.
    Twice,
    /// There is no room, or too many names collide.
    Full,
}

impl Index {
    /// An index with room for the names of a directory of `len` bytes.
    pub(super) fn for_directory(len: usize, entries: usize) -> Self {
        let most = (len / CENTRAL_LEN).min(entries);
        // records are some 80 bytes with their names; half-filled at that
        let size = (len / 40).min(most.saturating_mul(2)).max(8).next_power_of_two();
        Self { slots: vec![0; size], patience: size.saturating_mul(16).max(1_024) }
    }

    /// Adds the name of the record at `at`.
    pub(super) fn insert(&mut self, directory: &[u8], name: &Name<'_>, at: usize) -> Inserted {
        let Ok(place) = u32::try_from(at + 1) else { return Inserted::Full };
        let mask = self.slots.len().wrapping_sub(1);
        let mut at = name.hash as usize;
        loop {
            let Some(left) = self.patience.checked_sub(1) else { return Inserted::Full };
            self.patience = left;
            let Some(slot) = self.slots.get_mut(at & mask) else { return Inserted::Full };
            if *slot == 0 {
                *slot = tag(name.hash) | u64::from(place);
                return Inserted::New;
            }
            if is_at(directory, *slot, name) {
                return Inserted::Twice;
            }
            at = at.wrapping_add(1);
        }
    }

    /// The first record of this name.
    pub(super) fn find<'a>(&self, directory: &'a [u8], name: &[u8]) -> Option<Entry<'a>> {
        let mask = self.slots.len().checked_sub(1)?;
        let name = Name::of(name);
        let mut at = name.hash as usize;
        for _ in 0..self.slots.len() {
            let slot = *self.slots.get(at & mask)?;
            if slot == 0 {
                return None;
            }
            if is_at(directory, slot, &name) {
                return Entry::parse(directory, place(slot)?).map(|(entry, _)| entry);
            }
            at = at.wrapping_add(1);
        }
        None
    }
}

/// The half of a hash that a slot has; the other half led to the slot.
fn tag(hash: u64) -> u64 {
    hash & 0xffff_ffff_0000_0000
}

fn place(slot: u64) -> Option<usize> {
    (slot as u32 as usize).checked_sub(1)
}

fn is_at(directory: &[u8], slot: u64, name: &Name<'_>) -> bool {
    let known = |at: usize| slice_at(directory, at + CENTRAL_LEN, u16_at(directory, at + 28)?.into());
    tag(slot) == tag(name.hash) && place(slot).and_then(known) == Some(name.bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart_and_looked_at_whole() {
        let long = b"res/drawable-xxhdpi-v4/ic_launcher.png";
        for len in 0..long.len() {
            let name = Name::of(&long[..len]);
            assert!(name.is_ascii && !name.has_nul && name.hash != Name::of(&long[..len + 1]).hash, "{len}");
            for at in 0..len {
                let mut other = long[..len].to_vec();
                other[at] = 0;
                assert!(Name::of(&other).has_nul && Name::of(&other).hash != name.hash, "{len} {at}");
                other[at] = 0x80;
                assert!(!Name::of(&other).is_ascii && !Name::of(&other).has_nul, "{len} {at}");
            }
        }
    }
}
