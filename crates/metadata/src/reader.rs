//! Positional reading with a count, a budget and a few windows.

use std::cell::Cell;
use std::time::Instant;

use appdepot_core::inspect::{Problem, Source};
use bytes::Bytes;
use flate2::Decompress;

use crate::error::{Anomaly, Code};
use crate::fields::Fields;
use crate::limits::Limits;

mod nested;
pub(crate) use self::nested::Part;

thread_local! {
    /// Kept between entries and files: its tables cost more to allocate than most manifests to inflate.
    static INFLATER: Cell<Option<Decompress>> = const { Cell::new(None) };
}

/// Windows kept beside those at both ends: a structure that refers to another needs its own place, that one's, and
/// where the walk stands.
const RECENT: usize = 4;

/// Reads a source and keeps account: reads, bytes, inflated bytes, string bytes, time, and what was found odd.
///
/// The start and the end of the file are kept once read, so most small files cost one or two reads.
pub struct Reader<'s> {
    source: &'s dyn Source,
    length: u64,
    limits: &'s Limits,
    deadline: Instant,
    reads: u32,
    bytes_read: u64,
    inflated: u64,
    strings: usize,
    head: Window,
    tail: Window,
    /// The latest first.
    recent: [Window; RECENT],
    /// How far a walk reads ahead, and where it last did.
    step: usize,
    walked: u64,
    anomalies: Vec<Anomaly>,
    refusal: Option<Problem>,
}

#[derive(Debug, Default, Clone)]
struct Window {
    start: u64,
    data: Bytes,
}

impl Window {
    fn slice(&self, offset: u64, len: usize) -> Option<Bytes> {
        let from = usize::try_from(offset.checked_sub(self.start)?).ok()?;
        let to = from.checked_add(len)?;
        (to <= self.data.len()).then(|| self.data.slice(from..to))
    }

    fn view(&self, offset: u64, len: usize) -> Option<&[u8]> {
        let from = usize::try_from(offset.checked_sub(self.start)?).ok()?;
        self.data.get(from..from.checked_add(len)?)
    }
}

impl<'s> Reader<'s> {
    /// A reader over `source`; the time limit starts now.
    pub fn new(source: &'s dyn Source, limits: &'s Limits) -> Self {
        let now = Instant::now();
        Self {
            length: source.length(),
            source,
            limits,
            deadline: now.checked_add(limits.time).unwrap_or(now),
            reads: 0,
            bytes_read: 0,
            inflated: 0,
            strings: 0,
            head: Window::default(),
            tail: Window::default(),
            recent: Default::default(),
            step: limits.window_bytes,
            walked: 0,
            anomalies: Vec::new(),
            refusal: None,
        }
    }

    /// The length of the file in bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The bounds in force.
    pub fn limits(&self) -> &'s Limits {
        self.limits
    }

    /// Whether a part of the package is asked for.
    pub fn wants(&self, fields: Fields) -> bool {
        self.limits.fields.contains(fields)
    }

    /// Positional reads made so far.
    pub fn reads(&self) -> u32 {
        self.reads
    }

    /// Bytes read so far.
    pub fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    /// Exactly `len` bytes at `offset`.
    ///
    /// # Errors
    /// `E_TRUNCATED` when the file ends before; `E_LIMIT_TIME`; `E_UNAVAILABLE` when the source fails.
    pub async fn bytes(&mut self, offset: u64, len: usize) -> Result<Bytes, Problem> {
        self.bytes_ahead(offset, len, len).await
    }

    /// Exactly `len` bytes at `offset`, reading up to `ahead` bytes if a read is needed at all; the rest serves
    /// the next call.
    ///
    /// # Errors
    /// As [`bytes`](Self::bytes).
    pub async fn bytes_ahead(&mut self, offset: u64, len: usize, ahead: usize) -> Result<Bytes, Problem> {
        if let Some(bytes) = self.windows().find_map(|window| window.slice(offset, len)) {
            return Ok(bytes);
        }
        let data = self.fetch_ahead(offset, len, ahead).await?;
        if data.len() == len {
            return Ok(data);
        }
        let bytes = data.slice(..len);
        self.keep(offset, data);
        Ok(bytes)
    }

    /// As [`bytes`](Self::bytes), reading `before` bytes in front as well if a read is needed at all; they serve
    /// later calls.
    ///
    /// # Errors
    /// As [`bytes`](Self::bytes).
    pub(crate) async fn bytes_behind(
        &mut self,
        offset: u64,
        len: usize,
        before: u64,
    ) -> Result<Bytes, Problem> {
        if self.view_held(offset, len).is_none() {
            let start = offset.saturating_sub(before);
            let skipped = usize::try_from(offset - start).unwrap_or(0);
            let whole = skipped.saturating_add(len);
            let data = self.fetch_ahead(start, whole, whole).await?;
            self.keep(start, data);
        }
        self.bytes(offset, len).await
    }

    /// As [`bytes_ahead`](Self::bytes_ahead), borrowed: for numbers and short strings.
    ///
    /// # Errors
    /// As [`bytes`](Self::bytes).
    pub(crate) async fn view(&mut self, offset: u64, len: usize, ahead: usize) -> Result<&[u8], Problem> {
        if self.view_held(offset, len).is_none() {
            let data = self.fetch_ahead(offset, len, ahead).await?;
            self.keep(offset, data);
        }
        self.view_held(offset, len).ok_or_else(ends_early)
    }

    /// As [`view`](Self::view) for small things that often stand near each other: reads some bytes on both sides.
    ///
    /// # Errors
    /// As [`bytes`](Self::bytes).
    pub(crate) async fn view_near(&mut self, offset: u64, len: usize, end: u64) -> Result<&[u8], Problem> {
        const NEAR: usize = 2 << 10;
        if self.view_held(offset, len).is_none() {
            let start = offset.saturating_sub(NEAR as u64);
            let before = usize::try_from(offset - start).unwrap_or(0);
            let ahead = self.limits.window_bytes.max(NEAR) + before;
            let rest = usize::try_from(end.saturating_sub(start)).unwrap_or(usize::MAX);
            let data = self.fetch_ahead(start, before.saturating_add(len), ahead.min(rest)).await?;
            self.keep(start, data);
        }
        self.view_held(offset, len).ok_or_else(ends_early)
    }

    /// As [`view`](Self::view) for a structure that is gone through forwards and ends at `end`: reads ahead
    /// 4 KiB or [`Limits::window_bytes`], and twice as far each time that was hardly more than one step.
    ///
    /// # Errors
    /// As [`bytes`](Self::bytes).
    pub(crate) async fn walk(&mut self, offset: u64, len: usize, end: u64) -> Result<&[u8], Problem> {
        /// The least and the most that a walk reads ahead.
        const LEAST: usize = 4 << 10;
        const MOST: usize = 32 << 10;
        let rest = usize::try_from(end.saturating_sub(offset)).unwrap_or(usize::MAX);
        if self.view_held(offset, len).is_none() {
            let least = self.limits.window_bytes.max(LEAST);
            self.step = match offset.checked_sub(self.walked) {
                Some(gap) if gap <= self.step as u64 => (self.step * 2).min(MOST.max(least)),
                _ => (self.step / 2).max(least),
            };
            self.walked = offset.saturating_add(self.step.min(rest) as u64);
        }
        self.view(offset, len, self.step.min(rest)).await
    }

    fn windows(&self) -> impl Iterator<Item = &Window> {
        self.recent.iter().chain([&self.head, &self.tail])
    }

    fn view_held(&self, offset: u64, len: usize) -> Option<&[u8]> {
        self.windows().find_map(|window| window.view(offset, len))
    }

    fn keep(&mut self, start: u64, data: Bytes) {
        self.recent.rotate_right(1);
        if let Some(oldest) = self.recent.first_mut() {
            *oldest = Window { start, data };
        }
    }

    /// At least `len` bytes at `offset`, read now.
    async fn fetch_ahead(&mut self, offset: u64, len: usize, ahead: usize) -> Result<Bytes, Problem> {
        if offset.checked_add(len as u64).is_none_or(|end| end > self.length) {
            return Err(ends_early());
        }
        let wanted = (ahead.max(len) as u64).min(self.length - offset);
        let data = self.fetch(offset, usize::try_from(wanted).unwrap_or(len)).await?;
        if data.len() < len { Err(ends_early()) } else { Ok(data) }
    }

    /// The first bytes of the file: [`Limits::head_bytes`], or all of a small file.
    ///
    /// # Errors
    /// As [`bytes`](Self::bytes).
    pub async fn head(&mut self) -> Result<Bytes, Problem> {
        if self.head.data.is_empty() && self.length > 0 {
            // one read for a file that the two windows would cover anyway
            let both = (self.limits.head_bytes + self.limits.tail_bytes) as u64;
            let len = if self.length <= both { self.length } else { self.limits.head_bytes as u64 };
            let data = self.fetch(0, usize::try_from(len).unwrap_or(0)).await?;
            self.head = Window { start: 0, data };
        }
        Ok(self.head.data.clone())
    }

    /// The last bytes of the file and where they start: [`Limits::tail_bytes`], or all of a small file.
    ///
    /// # Errors
    /// As [`bytes`](Self::bytes).
    pub async fn tail(&mut self) -> Result<(u64, Bytes), Problem> {
        if self.head.data.len() as u64 == self.length {
            return Ok((0, self.head.data.clone()));
        }
        if self.tail.data.is_empty() && self.length > 0 {
            let start = self.length.saturating_sub(self.limits.tail_bytes as u64);
            let data = self.fetch(start, usize::try_from(self.length - start).unwrap_or(0)).await?;
            self.tail = Window { start, data };
        }
        Ok((self.tail.start, self.tail.data.clone()))
    }

    /// `len` bytes at `offset` if they are at hand without another read.
    pub fn at_hand(&self, offset: u64, len: usize) -> Option<&[u8]> {
        self.head.view(offset, len).or_else(|| self.tail.view(offset, len))
    }

    /// Counts `bytes` of decompressor output.
    ///
    /// # Errors
    /// `E_LIMIT_INFLATE` past the limit, `E_LIMIT_TIME` past the deadline.
    pub fn charge_inflated(&mut self, bytes: u64) -> Result<(), Problem> {
        self.inflated = self.inflated.saturating_add(bytes);
        if self.inflated > self.limits.inflated_bytes {
            return Err(Code::LimitInflate.problem("the file inflates to more than is read of one file"));
        }
        self.check_time()
    }

    /// Counts `bytes` of decoded strings.
    ///
    /// # Errors
    /// `E_LIMIT_STRING` past the limit.
    pub fn charge_string(&mut self, bytes: usize) -> Result<(), Problem> {
        self.strings = self.strings.saturating_add(bytes);
        if self.strings > self.limits.string_bytes {
            return Err(Code::LimitString.problem("the file's strings are longer than is read of one file"));
        }
        Ok(())
    }

    /// Ends work that takes too long; call it inside every loop whose length the file decides.
    ///
    /// # Errors
    /// `E_LIMIT_TIME` past the deadline.
    pub fn check_time(&self) -> Result<(), Problem> {
        if Instant::now() > self.deadline {
            return Err(Code::LimitTime.problem("reading the file takes too long"));
        }
        Ok(())
    }

    /// Notes something odd, once.
    pub fn note(&mut self, anomaly: Anomaly) {
        if !self.anomalies.contains(&anomaly) {
            self.anomalies.push(anomaly);
        }
    }

    /// Notes a reason to refuse the file although its identity can still be read; the first reason stands.
    pub fn refuse(&mut self, problem: Problem) {
        self.refusal.get_or_insert(problem);
    }

    /// The reason to refuse the file, if one was noted.
    pub fn refusal(&self) -> Option<&Problem> {
        self.refusal.as_ref()
    }

    /// A string fit for the result: no NUL, cut to [`Limits::output_string_bytes`]; oddities are noted.
    pub fn text(&mut self, text: &str) -> String {
        let mut end = text.len().min(self.limits.output_string_bytes);
        if end < text.len() {
            self.note(Anomaly::StringTruncated);
            while !text.is_char_boundary(end) {
                end -= 1;
            }
        }
        let text = text.get(..end).unwrap_or_default();
        if text.bytes().any(|byte| byte < 0x20 || byte == 0x7f) {
            self.note(Anomaly::ControlCharacter);
            return text.replace('\0', "");
        }
        text.to_owned()
    }

    /// As [`text`](Self::text) for a string that stands in the default language: characters that reorder the
    /// text around them are noted too.
    pub fn label(&mut self, text: &str) -> String {
        if !text.is_ascii() && text.chars().any(is_bidi_control) {
            self.note(Anomaly::BidiControl);
        }
        self.text(text)
    }

    /// A raw deflate decompressor at its start; give it back with [`keep_inflater`](Self::keep_inflater).
    pub(crate) fn inflater(&mut self) -> Decompress {
        match INFLATER.take() {
            Some(mut inflater) => {
                inflater.reset(false);
                inflater
            }
            None => Decompress::new(false),
        }
    }

    pub(crate) fn keep_inflater(&mut self, inflater: Decompress) {
        INFLATER.set(Some(inflater));
    }

    pub(crate) fn finish(mut self) -> Findings {
        self.anomalies.sort_unstable();
        Findings {
            anomalies: self.anomalies,
            refusal: self.refusal,
            reads: self.reads,
            bytes_read: self.bytes_read,
        }
    }

    async fn fetch(&mut self, offset: u64, len: usize) -> Result<Bytes, Problem> {
        self.check_time()?;
        // `len` never exceeds the file; as that may be large, whoever takes it from the file keeps it to a limit
        let mut buffer = vec![0; len];
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            self.reads += 1;
            let count = self
                .source
                .read_at(offset + filled as u64, rest)
                .await
                .map_err(|error| Code::Unavailable.problem(error.to_string()))?;
            self.bytes_read += count as u64;
            filled += count;
            if count == 0 {
                break;
            }
        }
        buffer.truncate(filled);
        Ok(Bytes::from(buffer))
    }
}

pub(crate) struct Findings {
    pub(crate) anomalies: Vec<Anomaly>,
    pub(crate) refusal: Option<Problem>,
    pub(crate) reads: u32,
    pub(crate) bytes_read: u64,
}

fn ends_early() -> Problem {
    Code::Truncated.problem("the file ends before its own structure does")
}

fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use futures::executor::block_on;

    use super::*;

    #[test]
    fn a_small_file_is_read_once() {
        let data = Bytes::from(vec![7; 100]);
        let limits = Limits::default();
        let mut reader = Reader::new(&data, &limits);
        block_on(async {
            assert_eq!(reader.head().await.unwrap().len(), 100);
            assert_eq!(reader.tail().await.unwrap().0, 0);
            assert_eq!(reader.bytes(90, 10).await.unwrap().len(), 10);
            assert_eq!(reader.bytes(90, 11).await.unwrap_err().code, "E_TRUNCATED");
            assert_eq!(reader.bytes(u64::MAX, 2).await.unwrap_err().code, "E_TRUNCATED");
        });
        assert_eq!((reader.reads(), reader.bytes_read()), (1, 100));
    }

    #[test]
    fn a_large_file_is_read_where_asked() {
        let data = Bytes::from((0..200_000u32).map(|n| n as u8).collect::<Vec<_>>());
        let limits = Limits::default();
        let mut reader = Reader::new(&data, &limits);
        block_on(async {
            reader.head().await.unwrap();
            reader.tail().await.unwrap();
            assert_eq!(&reader.bytes_ahead(100_000, 4, 512).await.unwrap()[..], &data[100_000..100_004]);
            assert_eq!(&reader.bytes(100_100, 4).await.unwrap()[..], &data[100_100..100_104]);
        });
        assert_eq!((reader.reads(), reader.bytes_read()), (3, (4 << 10) + (16 << 10) + 512));
    }

    #[test]
    fn text_is_cut_and_cleaned() {
        let data = Bytes::new();
        let limits = Limits { output_string_bytes: 4, ..Limits::default() };
        let mut reader = Reader::new(&data, &limits);
        assert_eq!(reader.text("abcé"), "abc");
        assert_eq!(reader.text("a\0b"), "ab");
        assert_eq!(reader.label("\u{202e}a"), "\u{202e}a");
        let found = reader.finish();
        assert_eq!(
            found.anomalies,
            [Anomaly::BidiControl, Anomaly::ControlCharacter, Anomaly::StringTruncated]
        );
    }
}
