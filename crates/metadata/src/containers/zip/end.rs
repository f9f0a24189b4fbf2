//! The end record, where it is and where it leads.

use appdepot_core::inspect::Problem;

use super::{END, END_LEN, SEARCH_LEN};
use crate::bytes::{u16_at, u32_at, u64_at};
use crate::error::{Anomaly, Code};
use crate::reader::Reader;

const END64: u32 = 0x0606_4b50;
const END64_LOCATOR: u32 = 0x0706_4b50;
const END64_LEN: usize = 56;
const LOCATOR_LEN: usize = 20;

/// The end record chosen, and what is odd about it.
pub(super) struct End {
    pub(super) at: u64,
    record: [u8; END_LEN],
}

impl End {
    pub(super) fn u16(&self, at: usize) -> u16 {
        u16_at(&self.record, at).unwrap_or(0)
    }

    fn u32(&self, at: usize) -> u32 {
        u32_at(&self.record, at).unwrap_or(0)
    }

    fn after(&self) -> u64 {
        self.at + END_LEN as u64 + u64::from(self.u16(20))
    }

    pub(super) fn directory(&self) -> (u64, u64) {
        (self.u32(16).into(), self.u32(12).into())
    }

    fn is_plausible(&self) -> bool {
        let (offset, len) = self.directory();
        self.points_to_64() || offset + len <= self.at
    }

    fn is_adjacent(&self) -> bool {
        let (offset, len) = self.directory();
        offset + len == self.at
    }

    fn points_to_64(&self) -> bool {
        let (offset, len) = self.directory();
        offset == 0xffff_ffff || len == 0xffff_ffff || self.u16(10) == 0xffff
    }
}

/// Finds the end record. The last one whose comment ends with the file wins; failing that, the last one that
/// leads to a directory.
pub(super) async fn find_end(reader: &mut Reader<'_>, starts: bool) -> Result<Option<End>, Problem> {
    let length = reader.length();
    if length < END_LEN as u64 {
        return Ok(None);
    }
    let (mut start, mut window) = reader.tail().await?;
    let fast = end_at(&window, start, window.len().saturating_sub(END_LEN));
    if let Some(end) = fast.filter(|end| end.after() == length && end.is_adjacent()) {
        return Ok(Some(end));
    }
    if let found @ Some(_) = search(reader, start, &window, starts) {
        return Ok(found);
    }
    // a comment longer than the window; only a file that starts as an archive is worth a second read
    let from = length.saturating_sub(SEARCH_LEN);
    if !starts || from >= start {
        return Ok(None);
    }
    window = reader.bytes(from, usize::try_from(length - from).unwrap_or(0)).await?;
    start = from;
    Ok(search(reader, start, &window, starts))
}

fn search(reader: &mut Reader<'_>, start: u64, window: &[u8], starts: bool) -> Option<End> {
    let length = reader.length();
    let mut exact: Option<End> = None;
    let mut loose: Option<End> = None;
    let mut skipped = false;
    for at in (0..=window.len().checked_sub(END_LEN)?).rev() {
        let Some(end) = end_at(window, start, at) else { continue };
        if end.after() == length && end.is_plausible() {
            match &exact {
                None if end.is_adjacent() => {
                    exact = Some(end);
                    break;
                }
                None => exact = Some(end),
                Some(_) if end.is_adjacent() => {
                    reader.note(Anomaly::EndRecordInComment);
                    reader.refuse(Code::ZipAmbiguous.problem("two end records fit the file"));
                    return Some(end);
                }
                Some(_) => {}
            }
        } else {
            skipped = true;
            // in what starts as an archive an end record that leads nowhere is a lie, not chance
            let lies = starts && end.after() == length && !loose.as_ref().is_some_and(End::is_plausible);
            if lies || loose.is_none() && end.is_plausible() {
                loose = Some(end);
            }
        }
    }
    if exact.is_some() {
        if skipped {
            reader.note(Anomaly::EndRecordInComment);
        }
        return exact;
    }
    let end = loose?;
    if end.after() < length {
        reader.note(Anomaly::TrailingData);
        reader.refuse(Code::ZipAmbiguous.problem("bytes follow the archive"));
    } else {
        reader.refuse(Code::ZipStruct.problem("the archive comment is longer than the file"));
    }
    Some(end)
}

fn end_at(window: &[u8], start: u64, at: usize) -> Option<End> {
    let record: &[u8; END_LEN] = window.get(at..)?.first_chunk()?;
    (record.first_chunk() == Some(&END.to_le_bytes())).then(|| End { at: start + at as u64, record: *record })
}

/// The 64-bit end record.
pub(super) struct End64 {
    pub(super) at: u64,
    pub(super) count: u64,
    pub(super) len: u64,
    pub(super) offset: u64,
}

/// The 64-bit end record, if a locator leads to one.
pub(super) async fn read_end64(reader: &mut Reader<'_>, end: &End) -> Result<Option<End64>, Problem> {
    let Some(at) = end.at.checked_sub(LOCATOR_LEN as u64) else { return Ok(None) };
    let locator = reader.bytes(at, LOCATOR_LEN).await?;
    if u32_at(&locator, 0) != Some(END64_LOCATOR) {
        return Ok(None);
    }
    let wrong = || Code::ZipStruct.problem("the zip64 locator leads nowhere");
    let record_at = u64_at(&locator, 8).ok_or_else(wrong)?;
    if record_at.checked_add(END64_LEN as u64).is_none_or(|after| after > at) {
        return Err(wrong());
    }
    let record = reader.bytes(record_at, END64_LEN).await?;
    let size = u64_at(&record, 4).ok_or_else(wrong)?;
    let ends = record_at.checked_add(12).and_then(|start| start.checked_add(size));
    if u32_at(&record, 0) != Some(END64) || ends != Some(at) {
        return Err(wrong());
    }
    if u32_at(&record, 16) != Some(0) || u32_at(&record, 20) != Some(0) {
        return Err(Code::Unsupported.problem("the archive spans several disks"));
    }
    let field = |at| u64_at(&record, at).ok_or_else(wrong);
    Ok(Some(End64 { at: record_at, count: field(32)?, len: field(40)?, offset: field(48)? }))
}
