//! The folders at the top of an archive.

use crate::bytes::slice_at;

/// Folders remembered; archives with more are looked at entry by entry.
const MOST: usize = 64;

/// Where the names of the top folders stand in the central directory.
#[derive(Debug, Clone, Default)]
pub(super) struct Folders {
    found: Vec<(usize, usize)>,
    /// How the entry before starts as far as its folder goes; most entries share it.
    last: Option<Start>,
    more: bool,
}

/// A short folder and its slash as the first bytes of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Start {
    word: u64,
    mask: u64,
}

impl Start {
    /// `len` is the folder's, without the slash.
    fn of(name: &[u8], len: usize) -> Option<Self> {
        let bits = u32::try_from(len).ok()?.checked_add(1)?.checked_mul(8)?;
        let mask = u64::MAX.checked_shr(64_u32.checked_sub(bits)?)?;
        Some(Self { word: u64::from_le_bytes(*name.first_chunk()?) & mask, mask })
    }

    fn is_of(self, name: &[u8]) -> bool {
        name.first_chunk().is_some_and(|first| u64::from_le_bytes(*first) & self.mask == self.word)
    }
}

impl Folders {
    /// Adds the folder of the entry whose name stands at `at`.
    pub(super) fn add(&mut self, directory: &[u8], at: usize, name: &[u8]) {
        if self.more || self.last.is_some_and(|last| last.is_of(name)) {
            return;
        }
        let Some(len) = name.iter().position(|byte| *byte == b'/') else { return };
        self.last = Start::of(name, len);
        let folder = name.get(..len);
        if self.found.iter().any(|(start, len)| slice_at(directory, *start, *len) == folder) {
            return;
        }
        match self.found.len() < MOST {
            true => self.found.push((at, len)),
            false => self.more = true,
        }
    }

    /// Whether such a folder was added, or there were more than are remembered.
    pub(super) fn any(&self, directory: &[u8], is_such: impl Fn(&[u8]) -> bool) -> bool {
        let mut found = self.found.iter();
        self.more || found.any(|(start, len)| slice_at(directory, *start, *len).is_some_and(&is_such))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_part_of_a_path_counts() {
        let directory = b"res/a res/b META-INF/c resources.arsc /x";
        let mut folders = Folders::default();
        let mut at = 0;
        for name in directory.split(|byte| *byte == b' ') {
            folders.add(directory, at, name);
            at += name.len() + 1;
        }
        for (name, held) in [("res", true), ("META-INF", true), ("", true), ("re", false), ("META", false)] {
            assert_eq!(folders.any(directory, |folder| folder == name.as_bytes()), held, "{name}");
        }
    }

    #[test]
    fn too_many_folders_may_hold_anything() {
        let names: Vec<String> = (0..=MOST).map(|number| format!("{number:04}/")).collect();
        let directory = names.concat();
        let mut folders = Folders::default();
        for (number, name) in names.iter().enumerate() {
            assert!(!folders.any(directory.as_bytes(), |folder| folder == b"other"));
            folders.add(directory.as_bytes(), number * name.len(), name.as_bytes());
        }
        assert!(folders.any(directory.as_bytes(), |folder| folder == b"other"));
    }
}
