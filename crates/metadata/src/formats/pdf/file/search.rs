//! Finding objects where the cross references cannot be read.

use std::collections::BTreeMap;

use appdepot_core::inspect::Problem;

use super::{File, Place, Section, is_final};
use crate::error::Code;
use crate::formats::pdf::object::{Dictionary, Object, Parser, is_space};

/// Bytes looked through at the start and at the end of a file whose table cannot be read.
const SEARCHED: u64 = 4 << 20;
/// Object streams looked into in such a file.
const MOST_SEARCHED_STREAMS: usize = 64;

impl File<'_, '_> {
    /// Looks for objects in the start and the end of the file instead of in its cross references.
    pub(in crate::formats::pdf) async fn search(&mut self) -> Result<(), Problem> {
        self.searched = true;
        self.base = 0;
        self.packed = None;
        self.sections.clear();
        self.pending.clear();
        let mut trailer = self.trailer.take();
        let length = self.reader.length();
        let mut found = BTreeMap::new();
        let mut streams = Vec::new();
        let most = self.reader.limits().entries;
        let tail = length.saturating_sub(SEARCHED).max(SEARCHED.min(length));
        for (start, end) in [(0, length.min(SEARCHED)), (tail, length)] {
            if start >= end {
                continue;
            }
            let data = self.reader.bytes(start, usize::try_from(end - start).unwrap_or(0)).await?;
            self.search_part(start, &data, &mut found, &mut streams, &mut trailer)?;
        }
        self.trailer = trailer;
        if !self.is_encrypted() {
            streams.truncate(MOST_SEARCHED_STREAMS);
            for (stream, offset) in streams {
                match self.object_stream(offset).await {
                    Ok(packed) => {
                        let free = most.saturating_sub(found.len());
                        for (index, (number, _)) in packed.objects.iter().enumerate().take(free) {
                            found.entry(*number).or_insert(Place::In(stream, index));
                        }
                    }
                    Err(problem) if is_final(&problem) => return Err(problem),
                    Err(_) => {}
                }
            }
        }
        let root = |trailer: &Dictionary| matches!(trailer.get("Root"), Some(Object::Reference(_)));
        let has_root = self.trailer.as_ref().is_some_and(root);
        self.sections.push(Section::Found(found));
        if !has_root && let Some(number) = self.search_catalog().await? {
            let entries = vec![(b"Root".to_vec(), Object::Reference(number))];
            self.trailer = Some(Dictionary(entries));
        }
        Ok(())
    }

    fn search_part(
        &mut self,
        start: u64,
        data: &[u8],
        found: &mut BTreeMap<u32, Place>,
        streams: &mut Vec<(u32, u64)>,
        trailer: &mut Option<Dictionary>,
    ) -> Result<(), Problem> {
        const LOOK: usize = 512;
        let (most, depth) = (self.reader.limits().entries, self.reader.limits().depth);
        let (mut looks, mut objects) = (0u32, 0usize);
        let mut at = 0;
        while let Some(rest) = data.get(at..) {
            let Some(next) = rest.iter().position(|byte| matches!(byte, b'o' | b't')) else { break };
            at += next;
            let here = data.get(at..).unwrap_or_default();
            let mut dictionary = None;
            if here.starts_with(b"obj") && objects < most {
                if let Some((number, begin)) = object_head(data, at) {
                    objects += 1;
                    if objects.is_multiple_of(1_024) {
                        self.reader.check_time()?;
                    }
                    if found.len() < most || found.contains_key(&number) {
                        found.insert(number, Place::At(start + begin as u64));
                    }
                    let near = here.get(..here.len().min(LOOK)).unwrap_or_default();
                    let near = near.get(3..).unwrap_or_default();
                    let near = near
                        .windows(6)
                        .position(|window| window == b"stream")
                        .and_then(|end| near.get(..end));
                    let has =
                        |word: &[u8]| near.is_some_and(|near| near.windows(word.len()).any(|it| it == word));
                    if has(b"/ObjStm") {
                        streams.push((number, start + begin as u64));
                    } else if has(b"/XRef") {
                        dictionary = here.get(3..);
                    }
                }
            } else if here.starts_with(b"trailer") {
                dictionary = here.get(7..);
            }
            if let Some(text) = dictionary {
                let text = text.get(..text.len().min(64 << 10)).unwrap_or_default();
                if let Ok(Object::Dictionary(one)) = Parser::new(text, true, depth).object()
                    && one.get("Root").is_some()
                {
                    *trailer = Some(one);
                }
                looks += 1;
                if looks > 4_096 {
                    return Err(Code::LimitEntries.problem("too many trailers"));
                }
                self.reader.check_time()?;
            }
            at += 1;
        }
        Ok(())
    }

    /// The object that calls itself the catalog.
    async fn search_catalog(&mut self) -> Result<Option<u32>, Problem> {
        const MOST: usize = 4_096;
        let numbers: Vec<u32> = match self.sections.first() {
            Some(Section::Found(places)) => places.keys().copied().take(MOST).collect(),
            _ => Vec::new(),
        };
        for number in numbers {
            self.reader.check_time()?;
            match self.fetch(number).await {
                Ok(Some(Object::Dictionary(one))) if one.is("Type", "Catalog") => return Ok(Some(number)),
                Err(problem) if is_final(&problem) && !Code::LimitDepth.is(&problem) => return Err(problem),
                _ => {}
            }
        }
        Ok(None)
    }
}

/// The number before an `obj` and where it begins.
fn object_head(data: &[u8], at: usize) -> Option<(u32, usize)> {
    const LONGEST: usize = 24;
    let from = at.saturating_sub(LONGEST);
    let before = data.get(from..at)?;
    let mut end = before.len();
    let mut field = |digits: bool| {
        let part = before.get(..end)?;
        let wanted = |byte: &u8| if digits { byte.is_ascii_digit() } else { is_space(*byte) };
        let count = part.iter().rev().take_while(|byte| wanted(byte)).count();
        end -= count;
        (count > 0).then(|| part.get(end..)).flatten()
    };
    field(false)?;
    field(true)?;
    field(false)?;
    let number = field(true)?;
    Some((std::str::from_utf8(number).ok()?.parse().ok()?, from + end))
}
