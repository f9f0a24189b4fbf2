//! How native libraries are aligned.
//!
//! Devices since Android 15 may have memory pages of 16 KiB. There a library is loaded only if its segments are aligned
//! to as much, and one that is stored, which is loaded without unpacking, only if it also stands so in the package.
//! Sources: System V ABI for ELF; Android's "Support 16 KB page sizes".

use std::collections::BTreeMap;

use appdepot_core::inspect::Problem;
use serde_json::{Map, Value as Json, json};

use crate::bytes::{u16_at, u32_at, u64_at};
use crate::containers::zip::Archive;
use crate::error::Code;
use crate::reader::Reader;

/// Libraries looked at; every architecture has its turn.
const MOST: usize = 48;
/// Architectures listed; Android knows fewer than ten.
const ARCHITECTURES: usize = 64;
/// Bytes looked at of each: the header, and the program headers that linkers put behind it.
const HEAD: usize = 4 << 10;
/// The larger page.
const PAGE: u64 = 16 << 10;

/// What is known of the libraries of one architecture.
#[derive(Debug, Default)]
struct Libraries {
    count: usize,
    /// Those whose alignment is known.
    known: usize,
    /// The least of those.
    alignment: Option<u64>,
    /// Whether each stored one stands on a page of the file.
    zip_aligned: Option<bool>,
}

/// For each architecture: `count`, the least `alignment` of a segment, and as `zipAligned16k` whether the libraries
/// that are stored stand on 16 KiB in the file, null where none is. `unread` counts those whose alignment is not
/// known: past the first 48, damaged, or no ELF.
pub(super) async fn libraries(reader: &mut Reader<'_>, archive: &Archive) -> Result<Json, Problem> {
    let mut found: BTreeMap<&[u8], Libraries> = BTreeMap::new();
    let mut turns: Vec<(usize, &[u8], &[u8])> = Vec::new();
    let names = archive.may_have_folder(|folder| folder == b"lib").then(|| archive.names());
    for (index, name) in names.into_iter().flatten().enumerate() {
        if index.is_multiple_of(4_096) {
            reader.check_time()?;
        }
        let Some(architecture) = architecture(name) else { continue };
        if found.len() == ARCHITECTURES && !found.contains_key(architecture) {
            continue;
        }
        let libraries = found.entry(architecture).or_default();
        if libraries.count < MOST {
            turns.push((libraries.count, architecture, name));
        }
        libraries.count += 1;
    }
    turns.sort_by_key(|(turn, ..)| *turn);
    for (_, architecture, name) in turns.into_iter().take(MOST) {
        let (Some(entry), Some(libraries)) = (archive.find(name), found.get_mut(architecture)) else {
            continue;
        };
        let (offset, head) = match archive.head(reader, &entry, HEAD).await {
            Ok(head) => head,
            Err(problem) if Code::Unavailable.is(&problem) || Code::LimitTime.is(&problem) => {
                return Err(problem);
            }
            // what is wrong with a library does not matter for who the app is
            Err(_) => continue,
        };
        if entry.is_stored() {
            libraries.zip_aligned =
                Some(libraries.zip_aligned.unwrap_or(true) && offset.is_multiple_of(PAGE));
        }
        if let Some(alignment) = alignment(&head) {
            libraries.known += 1;
            libraries.alignment = Some(libraries.alignment.map_or(alignment, |least| least.min(alignment)));
        }
    }
    let mut architectures = Map::new();
    for (name, libraries) in found {
        let mut details = json!({
            "count": libraries.count,
            "alignment": libraries.alignment,
            "zipAligned16k": libraries.zip_aligned,
        });
        let unread = libraries.count - libraries.known;
        if unread > 0
            && let Some(details) = details.as_object_mut()
        {
            details.insert("unread".to_owned(), unread.into());
        }
        architectures.insert(reader.text(&String::from_utf8_lossy(name)), details);
    }
    Ok(architectures.into())
}

/// The architecture of a library: `lib/<architecture>/<name>.so`.
fn architecture(name: &[u8]) -> Option<&[u8]> {
    let rest = name.strip_prefix(b"lib/")?.strip_suffix(b".so")?;
    let slash = rest.iter().position(|byte| *byte == b'/')?;
    let (architecture, file) = rest.split_at_checked(slash)?;
    (!architecture.is_empty() && file.len() > 1 && !file.get(1..)?.contains(&b'/')).then_some(architecture)
}

/// The least `p_align` of the segments an ELF file has loaded. `None` for what is no little-endian ELF file, loads
/// nothing, or has its program headers further behind.
fn alignment(head: &[u8]) -> Option<u64> {
    const LOAD: u32 = 1;
    let word = |at| u32_at(head, at).map(u64::from);
    let is_wide = match head.first_chunk()? {
        [0x7f, b'E', b'L', b'F', 1, 1] => false,
        [0x7f, b'E', b'L', b'F', 2, 1] => true,
        _ => return None,
    };
    // e_phoff, e_phnum, then the size of a program header and where p_align stands in it
    let (table, count, size, place) = match is_wide {
        true => (u64_at(head, 32)?, u16_at(head, 56)?, 56, 48),
        false => (word(28)?, u16_at(head, 44)?, 32, 28),
    };
    let mut at = usize::try_from(table).ok()?;
    let mut least: Option<u64> = None;
    for _ in 0..count {
        let next = at.checked_add(size)?;
        if u32_at(head, at)? == LOAD {
            let alignment = if is_wide { u64_at(head, at + place)? } else { word(at + place)? };
            least = Some(least.map_or(alignment, |least| least.min(alignment)));
        }
        at = next;
    }
    least
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header and a program header for each type and alignment.
    fn elf(is_wide: bool, segments: &[(u32, u32)]) -> Vec<u8> {
        let (header, size, place) = if is_wide { (64, 56, 48) } else { (52, 32, 28) };
        let mut file = vec![0; header + size * segments.len()];
        file[..6].copy_from_slice(&[0x7f, b'E', b'L', b'F', 1 + u8::from(is_wide), 1]);
        file[if is_wide { 32 } else { 28 }] = header as u8;
        file[if is_wide { 56 } else { 44 }] = segments.len() as u8;
        for (index, (kind, alignment)) in segments.iter().enumerate() {
            let at = header + size * index;
            file[at..at + 4].copy_from_slice(&kind.to_le_bytes());
            file[at + place..at + place + 4].copy_from_slice(&alignment.to_le_bytes());
        }
        file
    }

    #[test]
    fn the_least_alignment_of_what_is_loaded() {
        for is_wide in [false, true] {
            let file = elf(is_wide, &[(6, 8), (1, 0x1_0000), (1, 0x4000), (2, 4)]);
            assert_eq!(alignment(&file), Some(0x4000));
            for cut in 0..file.len() - 60 {
                assert_eq!(alignment(&file[..cut]), None, "{cut}");
            }
            assert_eq!(alignment(&elf(is_wide, &[(6, 8)])), None);
        }
    }

    #[test]
    fn what_is_no_such_file_has_no_alignment() {
        let mut file = elf(true, &[(1, 0x4000)]);
        file[5] = 2;
        assert_eq!(alignment(&file), None);
        assert_eq!(alignment(b"Hello"), None);
        let mut file = elf(true, &[(1, 0x4000)]);
        file[32..40].fill(0xff);
        assert_eq!(alignment(&file), None);
    }

    #[test]
    fn libraries_stand_right_below_their_architecture() {
        assert_eq!(architecture(b"lib/arm64-v8a/liba.so"), Some(&b"arm64-v8a"[..]));
        for other in
            ["lib/x86/.so", "lib/x86/a/b.so", "lib//a.so", "lib/a.so", "lib/x86/server", "x/lib/x86/a.so"]
        {
            assert_eq!(architecture(other.as_bytes()), None, "{other}");
        }
    }
}
