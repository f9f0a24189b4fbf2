//! A map that is never changed once made.

use std::hash::BuildHasher as _;

use foldhash::fast::RandomState;

/// Texts to values, in two allocations: a lookup touches one slot and one text, and nothing else. With many
/// organizations both have left the processor's caches, and that is what a decision takes its time for.
#[derive(Debug)]
pub(crate) struct Frozen<T> {
    hasher: RandomState,
    /// Open addressing, at most four fifths filled; their number is a power of two.
    slots: Box<[Option<Slot<T>>]>,
    texts: Box<str>,
}

#[derive(Debug)]
struct Slot<T> {
    /// Where the text starts and ends.
    start: u32,
    end: u32,
    /// A part of the text's hash, so that another text is seldom looked at.
    tag: u32,
    value: T,
}

impl<T> Frozen<T> {
    /// Of equal texts the first counts, and of four gigabytes of text what comes first.
    pub(crate) fn new<'a>(all: impl ExactSizeIterator<Item = (&'a str, T)>) -> Self {
        let size = (all.len() * 5).div_ceil(4).next_power_of_two();
        let mut slots: Box<[Option<Slot<T>>]> = std::iter::repeat_with(|| None).take(size).collect();
        let (hasher, mut texts) = (RandomState::default(), String::new());
        for (text, value) in all {
            let hash = hasher.hash_one(text);
            let (Ok(start), Ok(end)) = (u32::try_from(texts.len()), u32::try_from(texts.len() + text.len()))
            else {
                break;
            };
            let Some(at) = places(hash, size).find(|at| match slots.get(*at) {
                Some(Some(slot)) => slot.is(hash, text, &texts),
                _ => true,
            }) else {
                break;
            };
            if let Some(free @ None) = slots.get_mut(at) {
                texts.push_str(text);
                *free = Some(Slot { start, end, tag: tag(hash), value });
            }
        }
        Self { hasher, slots, texts: texts.into() }
    }

    pub(crate) fn get(&self, text: &str) -> Option<&T> {
        let hash = self.hasher.hash_one(text);
        for at in places(hash, self.slots.len()) {
            let slot = self.slots.get(at)?.as_ref()?;
            if slot.is(hash, text, &self.texts) {
                return Some(&slot.value);
            }
        }
        None
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        self.slots.iter().flatten().map(|slot| (slot.text(&self.texts), &slot.value))
    }
}

impl<T> Slot<T> {
    fn text<'a>(&self, texts: &'a str) -> &'a str {
        texts.get(self.start as usize..self.end as usize).unwrap_or_default()
    }

    fn is(&self, hash: u64, text: &str, texts: &str) -> bool {
        self.tag == tag(hash) && self.text(texts) == text
    }
}

/// Where a text of this hash may be, the likeliest first.
fn places(hash: u64, size: usize) -> impl Iterator<Item = usize> {
    let mask = size.wrapping_sub(1);
    (0..size).map(move |step| (hash as usize).wrapping_add(step) & mask)
}

fn tag(hash: u64) -> u32 {
    (hash >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_in_is_found_and_nothing_else() {
        for count in [0, 1, 2, 3, 40, 1_000] {
            let texts: Vec<String> = (0..count).map(|n| format!("user:{n}@example.com")).collect();
            let map = Frozen::new(texts.iter().enumerate().map(|(n, text)| (text.as_str(), n)));
            for (n, text) in texts.iter().enumerate() {
                assert_eq!(map.get(text), Some(&n));
            }
            for other in ["", "user:", "user:5000@example.com", "User:1@example.com"] {
                assert_eq!(map.get(other), None);
            }
            let mut held: Vec<usize> = map.iter().map(|(_, n)| *n).collect();
            held.sort_unstable();
            assert_eq!(held, (0..count).collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_first_of_equals_counts() {
        let map = Frozen::new([("a", 1), ("b", 2), ("a", 3), ("", 4)].into_iter());
        assert_eq!((map.get("a"), map.get("b"), map.get("")), (Some(&1), Some(&2), Some(&4)));
        assert_eq!(map.iter().count(), 3);
    }
}
