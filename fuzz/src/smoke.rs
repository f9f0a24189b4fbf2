//! The seeds and changed copies of them, without a fuzzer: the same inputs in every run.
#![cfg(test)]

use std::panic::catch_unwind;
use std::time::{Duration, Instant};

const ROUNDS: usize = 2_000;
/// Of one input, in a build without optimisation on a busy machine.
const SLOWEST: Duration = Duration::from_secs(5);

/// Runs every seed, and changed ones.
pub(crate) fn check(name: &str) {
    let target = crate::TARGETS.iter().find(|target| target.name == name).unwrap();
    let seeds = (target.seeds)();
    assert!(!seeds.is_empty() && seeds.iter().all(|seed| seed.len() <= crate::LONGEST));
    for (number, seed) in seeds.iter().enumerate() {
        run(name, seed, &format!("seed {number}"));
    }
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for round in 0..ROUNDS {
        let data = change(&seeds, &mut random);
        run(name, &data, &format!("round {round}"));
    }
}

fn run(name: &str, data: &[u8], which: &str) {
    let start = Instant::now();
    let result = catch_unwind(|| crate::run(name, data));
    assert!(result.is_ok(), "{name}, {which}: {}", data.escape_ascii());
    assert!(start.elapsed() < SLOWEST, "{name}, {which}: took {:?}", start.elapsed());
}

/// A copy of a seed with up to eight changes.
fn change(seeds: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut data = random.of(seeds).clone();
    for _ in 0..=random.below(8) {
        let at = random.below(data.len() + 1);
        let end = (at + random.below(16)).min(data.len());
        match random.below(7) {
            0 => data.truncate(at),
            1 => drop(data.drain(at..end)),
            2 => {
                let piece = data[at..end].to_vec();
                data.splice(at..at, piece);
            }
            3 => {
                let other = random.of(seeds);
                let from = random.below(other.len() + 1);
                let until = (from + random.below(64)).min(other.len());
                data.splice(at..at, other[from..until].iter().copied());
            }
            4 => put(&mut data, at, *random.of(&[&[0xff; 4][..], &[0; 4], &[0x7f], &[0x80], b"\0\0\0\x80"])),
            5 => put(&mut data, at, &[random.next() as u8]),
            _ => {
                if let Some(byte) = data.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
            }
        }
    }
    data
}

fn put(data: &mut [u8], at: usize, bytes: &[u8]) {
    for (place, byte) in data[at..].iter_mut().zip(bytes) {
        *place = *byte;
    }
}

/// xorshift64*.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}
