//! Where the objects of a document lie: cross-reference tables and streams, and object streams.
//!
//! Only what is asked for is read. A table is never loaded, its entries are read where they stand; older sections of
//! a document that was updated are read when the newer ones do not hold an object.

use std::collections::{BTreeMap, BTreeSet};

use appdepot_core::inspect::Problem;
use bytes::Bytes;

use super::object::{Dictionary, Object, Parser, Stop, is_space};
use crate::error::Code;
use crate::reader::Reader;

mod search;
mod stream;

/// Sections of one document: one per update.
const MOST_SECTIONS: usize = 512;
/// Runs of numbers in all tables; each may take a read.
const MOST_RUNS: usize = 8_192;
/// Bytes first read of an object whose length is not known.
const FIRST_OBJECT: u64 = 1 << 10;
/// An entry of a table, without its end of line.
const ENTRY: usize = 18;

/// Where an object lies.
#[derive(Debug, Clone, Copy)]
enum Place {
    At(u64),
    /// In this object stream, as its so-manieth object.
    In(u32, usize),
    Free,
}

/// A table, a stream, or what a search found.
enum Section {
    Table { runs: Vec<Run>, hybrid: bool },
    Stream { widths: [usize; 3], index: Vec<(u32, u32)>, data: Bytes },
    Found(BTreeMap<u32, Place>),
}

/// Consecutive numbers of a table.
#[derive(Debug, Clone, Copy)]
struct Run {
    first: u32,
    count: u32,
    offset: u64,
    width: u64,
}

/// A document, opened.
pub(super) struct File<'r, 's> {
    reader: &'r mut Reader<'s>,
    /// Bytes before the header, which offsets do not count.
    base: u64,
    sections: Vec<Section>,
    /// Sections that were not read yet, the next one last.
    pending: Vec<u64>,
    visited: BTreeSet<u64>,
    runs_left: usize,
    trailer: Option<Dictionary>,
    /// The object stream last read.
    packed: Option<(u32, Packed)>,
    searched: bool,
}

#[derive(Clone)]
struct Packed {
    data: Bytes,
    objects: Vec<(u32, usize)>,
}

/// An object as it stands in the file.
struct Indirect {
    number: u32,
    object: Object,
    stream: Option<u64>,
}

impl<'r, 's> File<'r, 's> {
    pub(super) fn new(reader: &'r mut Reader<'s>, base: u64) -> Self {
        Self {
            reader,
            base,
            sections: Vec::new(),
            pending: Vec::new(),
            visited: BTreeSet::new(),
            runs_left: MOST_RUNS,
            trailer: None,
            packed: None,
            searched: false,
        }
    }

    pub(super) fn reader(&mut self) -> &mut Reader<'s> {
        self.reader
    }

    /// Reads the newest section.
    pub(super) async fn open(&mut self) -> Result<(), Problem> {
        let (_, tail) = self.reader.tail().await?;
        let word = b"startxref";
        let at = tail.windows(word.len()).rposition(|window| window == word);
        let after = at.and_then(|at| tail.get(at + word.len()..));
        let after = after.ok_or_else(|| invalid("no mark of where the cross references are"))?;
        let offset = Parser::new(after, true, 0).unsigned::<u64>();
        let offset = offset.map_err(|_| invalid("no offset of the cross references"))?;
        if offset >= self.reader.length() {
            return Err(Code::Truncated.problem("the cross references lie behind the end of the file"));
        }
        // most offsets count what stands before the header, some do not
        let base = std::mem::take(&mut self.base);
        match self.load(offset).await {
            Err(problem) if base > 0 && !is_final(&problem) => {
                self.visited.clear();
                self.base = base;
                self.load(offset.saturating_add(base)).await
            }
            result => result,
        }
    }

    /// The newest trailer.
    pub(super) fn trailer(&self) -> Dictionary {
        self.trailer.clone().unwrap_or_default()
    }

    pub(super) fn is_searched(&self) -> bool {
        self.searched
    }

    pub(super) fn is_encrypted(&self) -> bool {
        let encrypt = self.trailer.as_ref().and_then(|trailer| trailer.get("Encrypt"));
        encrypt.is_some_and(|value| *value != Object::Null)
    }

    /// What stands at the end of the references from `object`.
    ///
    /// # Errors
    /// `E_CYCLE` when they lead in a circle or on for too long.
    pub(super) async fn resolve(&mut self, object: Option<&Object>) -> Result<Object, Problem> {
        let Some(object) = object else { return Ok(Object::Null) };
        let Object::Reference(mut number) = *object else { return Ok(object.clone()) };
        for _ in 0..self.reader.limits().hops {
            match self.fetch(number).await? {
                Some(Object::Reference(next)) => number = next,
                found => return Ok(found.unwrap_or(Object::Null)),
            }
        }
        Err(Code::Cycle.problem("references lead in a circle"))
    }

    /// As [`resolve`](Self::resolve), a dictionary or nothing.
    pub(super) async fn dictionary(
        &mut self,
        object: Option<&Object>,
    ) -> Result<Option<Dictionary>, Problem> {
        match self.resolve(object).await? {
            Object::Dictionary(found) => Ok(Some(found)),
            _ => Ok(None),
        }
    }

    async fn fetch(&mut self, number: u32) -> Result<Option<Object>, Problem> {
        match self.locate(number).await? {
            Some(Place::At(offset)) => {
                let found = self.indirect(offset).await?;
                if found.number != number {
                    return Err(invalid("the cross references name another object"));
                }
                Ok(Some(found.object))
            }
            // what is packed is also encrypted
            Some(Place::In(..)) if self.is_encrypted() => Ok(None),
            Some(Place::In(stream, index)) => self.packed(stream, index, number).await.map(Some),
            Some(Place::Free) | None => Ok(None),
        }
    }

    async fn locate(&mut self, number: u32) -> Result<Option<Place>, Problem> {
        let mut next = 0;
        loop {
            while next < self.sections.len() {
                let (place, last) = self.look(next, number).await?;
                if place.is_some() && last {
                    return Ok(place);
                }
                next += 1;
            }
            let Some(offset) = self.pending.pop() else { return Ok(None) };
            match self.load(offset).await {
                Err(problem) if is_final(&problem) => return Err(problem),
                // what is older and broken is not there
                _ => {}
            }
        }
    }

    /// What one section says of an object, and whether its word is the last.
    async fn look(&mut self, section: usize, number: u32) -> Result<(Option<Place>, bool), Problem> {
        let (run, hybrid) = match self.sections.get(section) {
            Some(Section::Found(places)) => return Ok((places.get(&number).copied(), true)),
            Some(Section::Stream { widths, index, data }) => {
                let place = match stream_entry(*widths, index, data, number) {
                    Some(Place::At(offset)) => Some(Place::At(offset.saturating_add(self.base))),
                    place => place,
                };
                return Ok((place, true));
            }
            Some(Section::Table { runs, hybrid }) => {
                let holds = |run: &&Run| number.checked_sub(run.first).is_some_and(|at| at < run.count);
                match runs.iter().find(holds) {
                    Some(run) => (*run, *hybrid),
                    None => return Ok((None, true)),
                }
            }
            None => return Ok((None, true)),
        };
        let at = u64::from(number - run.first) * run.width;
        let entry = self.reader.bytes_ahead(run.offset.saturating_add(at), ENTRY, 256).await?;
        let mut parser = Parser::new(&entry, true, 0);
        let offset = parser.unsigned::<u64>();
        let used = parser.unsigned::<u32>().and_then(|_| parser.keyword(b"n"));
        match (offset, used) {
            (Ok(offset), Ok(true)) => Ok((Some(Place::At(offset.saturating_add(self.base))), true)),
            // in a file for old and new readers, the stream that comes next names what the table calls free
            (Ok(_), Ok(false)) => Ok((Some(Place::Free), !hybrid)),
            _ => Err(invalid("a broken entry of the cross references")),
        }
    }

    /// Reads a section and notes which come after it.
    async fn load(&mut self, offset: u64) -> Result<(), Problem> {
        self.reader.check_time()?;
        if !self.visited.insert(offset) || self.sections.len() >= MOST_SECTIONS {
            return Ok(());
        }
        let start = self.part(offset, 64).await?;
        let mut parser = Parser::new(&start, true, 0);
        let is_table = parser.keyword(b"xref").unwrap_or(false);
        let trailer = if is_table {
            let (runs, trailer) = self.table(offset + parser.position() as u64).await?;
            self.sections.push(Section::Table { runs, hybrid: trailer.get("XRefStm").is_some() });
            trailer
        } else {
            self.stream_section(offset).await?
        };
        for key in ["Prev", "XRefStm"] {
            let offset = trailer.get(key).and_then(Object::number).filter(|number| *number >= 0.0);
            if let Some(offset) = offset {
                self.pending.push((offset as u64).saturating_add(self.base));
            }
        }
        self.trailer.get_or_insert(trailer);
        Ok(())
    }

    async fn table(&mut self, mut offset: u64) -> Result<(Vec<Run>, Dictionary), Problem> {
        let mut runs = Vec::new();
        while let Some(left) = self.runs_left.checked_sub(1) {
            self.runs_left = left;
            self.reader.check_time()?;
            let start = self.part(offset, 64).await?;
            let mut parser = Parser::new(&start, true, 0);
            if parser.keyword(b"trailer").unwrap_or(false) {
                let trailer = self.object(offset + parser.position() as u64).await?;
                let trailer = trailer.dictionary().cloned();
                return Ok((runs, trailer.ok_or_else(|| invalid("the trailer is not a dictionary"))?));
            }
            let (Ok(mut first), Ok(count)) = (parser.unsigned::<u32>(), parser.unsigned::<u32>()) else {
                return Err(invalid("a broken table of cross references"));
            };
            parser.skip();
            offset += parser.position() as u64;
            let mut width = 20;
            if count > 0 {
                let entry = self.part(offset, 20).await?;
                // some writers end entries with one character instead of two
                if entry.get(19).is_some_and(|byte| !is_space(*byte)) {
                    width = 19;
                }
                // some count the head of the list of free objects as the first
                if first == 1 && entry.starts_with(b"0000000000 65535 f") {
                    first = 0;
                }
            }
            runs.push(Run { first, count, offset, width });
            offset = offset.saturating_add(u64::from(count) * width);
        }
        Err(Code::LimitEntries.problem("the table of cross references is in too many pieces"))
    }

    async fn stream_section(&mut self, offset: u64) -> Result<Dictionary, Problem> {
        let found = self.indirect(offset).await?;
        let (Object::Dictionary(trailer), Some(start)) = (found.object, found.stream) else {
            return Err(invalid("no cross references where they should be"));
        };
        // its type may be missing, its form may not
        if trailer.get("W").is_none() {
            return Err(invalid("no cross references where they should be"));
        }
        let mut widths = [0; 3];
        let list = trailer.get("W").and_then(Object::array).unwrap_or_default();
        for (width, given) in widths.iter_mut().zip(list) {
            // an entry is made of numbers of at most eight bytes
            let given = given.integer().and_then(|width| usize::try_from(width).ok());
            let given = given.filter(|width| *width <= 8);
            *width = given.ok_or_else(|| invalid("the cross references are of no known form"))?;
        }
        let number = |value: Option<i64>| value.and_then(|value| u32::try_from(value).ok());
        let index = match trailer.get("Index").and_then(Object::array) {
            Some(list) => {
                let (pairs, _) = list.as_chunks::<2>();
                let pairs = pairs
                    .iter()
                    .map(|[first, count]| Some((number(first.integer())?, number(count.integer())?)));
                pairs.collect::<Option<Vec<_>>>()
            }
            None => number(trailer.integer("Size")).map(|size| vec![(0, size)]),
        };
        let index = index.ok_or_else(|| invalid("the cross references are of no known form"))?;
        let data = self.stream(&trailer, start).await?;
        if widths.iter().sum::<usize>() == 0 {
            return Err(invalid("the cross references are of no known form"));
        }
        self.sections.push(Section::Stream { widths, index, data });
        Ok(trailer)
    }

    /// Up to `len` bytes at `offset`.
    async fn part(&mut self, offset: u64, len: u64) -> Result<Bytes, Problem> {
        let ahead = self.reader.limits().window_bytes.max(1 << 10);
        let len = len.min(self.reader.length().saturating_sub(offset));
        if len == 0 {
            return Err(Code::Truncated.problem("an offset behind the end of the file"));
        }
        self.reader.bytes_ahead(offset, usize::try_from(len).unwrap_or(0), ahead).await
    }

    /// The value at `offset`.
    async fn object(&mut self, offset: u64) -> Result<Object, Problem> {
        self.parsed(offset, |parser| parser.object()).await
    }

    /// The numbered object at `offset`.
    async fn indirect(&mut self, offset: u64) -> Result<Indirect, Problem> {
        let (number, object, stream) = self.parsed(offset, |parser| parser.indirect()).await?;
        Ok(Indirect { number, object, stream: stream.map(|at| offset.saturating_add(at as u64)) })
    }

    /// Reads as much from `offset` as is needed to make sense of it.
    async fn parsed<T>(
        &mut self,
        offset: u64,
        parse: impl Fn(&mut Parser<'_>) -> Result<T, Stop> + Send,
    ) -> Result<T, Problem> {
        let most = self.reader.limits().manifest_bytes;
        let depth = self.reader.limits().depth;
        let left = self.reader.length().saturating_sub(offset);
        let mut len = FIRST_OBJECT.max(self.reader.limits().window_bytes as u64);
        loop {
            let data = self.part(offset, len).await?;
            let complete = data.len() as u64 == left;
            match parse(&mut Parser::new(&data, complete, depth)) {
                Ok(found) => return Ok(found),
                Err(Stop::Depth) => return Err(Code::LimitDepth.problem("an object is nested too deeply")),
                Err(Stop::End) if !complete && len < most => len = (len * 8).min(most),
                Err(Stop::End) if complete => {
                    return Err(Code::Truncated.problem("the file ends in an object"));
                }
                Err(_) => return Err(invalid("an object that cannot be read")),
            }
        }
    }
}

fn stream_entry(widths: [usize; 3], index: &[(u32, u32)], data: &[u8], number: u32) -> Option<Place> {
    let mut row = 0usize;
    for (first, count) in index {
        if let Some(at) = number.checked_sub(*first).filter(|at| at < count) {
            row = row.checked_add(usize::try_from(at).ok()?)?;
            let width: usize = widths.iter().sum();
            let entry = data.get(row.checked_mul(width)?..)?.get(..width)?;
            let (kind, rest) = entry.split_at_checked(widths[0])?;
            let (second, third) = rest.split_at_checked(widths[1])?;
            let value = |bytes: &[u8]| bytes.iter().fold(0u64, |sum, byte| sum << 8 | u64::from(*byte));
            // without a first field every entry is of kind 1
            return Some(match if kind.is_empty() { 1 } else { value(kind) } {
                1 => Place::At(value(second)),
                2 => Place::In(u32::try_from(value(second)).ok()?, usize::try_from(value(third)).ok()?),
                _ => Place::Free,
            });
        }
        row = row.checked_add(usize::try_from(*count).ok()?)?;
    }
    None
}

fn invalid(message: &str) -> Problem {
    Code::ManifestInvalid.problem(message)
}

/// Whether looking elsewhere in the file would not help.
pub(super) fn is_final(problem: &Problem) -> bool {
    !Code::ManifestInvalid.is(problem) && !Code::Truncated.is(problem)
}
