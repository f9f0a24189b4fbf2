//! Names to records.

use super::entry::{CENTRAL_LEN, Entry};
use crate::bytes::{slice_at, u16_at};

/// Names to positions in the central directory: open addressing, positions plus one, zero is free.
#[derive(Debug, Clone, Default)]
pub(super) struct Index {
    pub(super) slots: Vec<u32>,
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
    pub(super) fn insert(&mut self, directory: &[u8], name: &[u8], at: usize) -> Inserted {
        let Ok(value) = u32::try_from(at + 1) else { return Inserted::Full };
        let mask = self.slots.len().wrapping_sub(1);
        let mut slot = hash(name) as usize;
        loop {
            let Some(left) = self.patience.checked_sub(1) else { return Inserted::Full };
            self.patience = left;
            let Some(place) = self.slots.get_mut(slot & mask) else { return Inserted::Full };
            if *place == 0 {
                *place = value;
                return Inserted::New;
            }
            if name_at(directory, *place) == Some(name) {
                return Inserted::Twice;
            }
            slot = slot.wrapping_add(1);
        }
    }

    /// The first record of this name.
    pub(super) fn find<'a>(&self, directory: &'a [u8], name: &[u8]) -> Option<Entry<'a>> {
        let mask = self.slots.len().checked_sub(1)?;
        let mut slot = hash(name) as usize;
        for _ in 0..self.slots.len() {
            let place = *self.slots.get(slot & mask)?;
            if place == 0 {
                return None;
            }
            if name_at(directory, place) == Some(name) {
                return Entry::parse(directory, place as usize - 1).map(|(entry, _)| entry);
            }
            slot = slot.wrapping_add(1);
        }
        None
    }
}

fn name_at(directory: &[u8], place: u32) -> Option<&[u8]> {
    let at = (place as usize).checked_sub(1)?;
    slice_at(directory, at + CENTRAL_LEN, u16_at(directory, at + 28)?.into())
}

fn hash(name: &[u8]) -> u64 {
    const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut state = name.len() as u64;
    let (words, rest) = name.as_chunks::<8>();
    for word in words {
        state = (state.rotate_left(5) ^ u64::from_le_bytes(*word)).wrapping_mul(MULTIPLIER);
    }
    for byte in rest {
        state = (state.rotate_left(5) ^ u64::from(*byte)).wrapping_mul(MULTIPLIER);
    }
    state ^ (state >> 32)
}
