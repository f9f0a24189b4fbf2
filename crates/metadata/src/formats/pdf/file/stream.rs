//! Streams, and the objects packed in them.

use appdepot_core::inspect::Problem;
use bytes::Bytes;
use flate2::{FlushDecompress, Status};

use super::{File, Packed, Place, invalid};
use crate::bytes::paeth;
use crate::error::Code;
use crate::formats::pdf::object::{Dictionary, Object, Parser, Stop};

/// Bytes first read of a stream whose length lies elsewhere.
const FIRST_STREAM: u64 = 256 << 10;

impl File<'_, '_> {
    /// The content of a stream, unpacked.
    pub(super) async fn stream(&mut self, dictionary: &Dictionary, start: u64) -> Result<Bytes, Problem> {
        let left = self.reader.length().saturating_sub(start).min(self.reader.limits().compressed_bytes);
        let given = dictionary.integer("Length").and_then(|length| u64::try_from(length).ok());
        let mut len = given.unwrap_or(FIRST_STREAM).min(left);
        let filter = |value: &Object| match value {
            Object::Name(name) => Some(name == b"FlateDecode" || name == b"Fl"),
            _ => None,
        };
        let filtered = match dictionary.get("Filter") {
            None | Some(Object::Null) => false,
            Some(Object::Array(list)) if list.is_empty() => false,
            Some(Object::Array(list)) if list.len() == 1 && list.first().and_then(filter) == Some(true) => {
                true
            }
            Some(one) if filter(one) == Some(true) => true,
            Some(_) => return Err(Code::Unsupported.problem("a stream packed in a way that is not read")),
        };
        if !filtered {
            let data = self.part(start, len).await?;
            self.reader.charge_inflated(data.len() as u64)?;
            return Ok(data);
        }
        let data = loop {
            let packed = self.part(start, len).await?;
            let (data, whole) = self.inflate(&packed)?;
            // a length that is too small, or lies elsewhere
            if whole || len >= left {
                break data;
            }
            len = left.min(len.max(FIRST_STREAM) * 8);
        };
        let parameters = match dictionary.get("DecodeParms") {
            Some(Object::Array(list)) => list.first().and_then(Object::dictionary),
            other => other.and_then(Object::dictionary),
        };
        let Some(parameters) = parameters else { return Ok(data) };
        let predictor = parameters.integer("Predictor").unwrap_or(1);
        let plain = parameters.integer("Colors").unwrap_or(1) == 1
            && parameters.integer("BitsPerComponent").unwrap_or(8) == 8;
        match predictor {
            1 => Ok(data),
            10..=15 if plain => {
                let columns = parameters.integer("Columns").unwrap_or(1);
                let columns = usize::try_from(columns).ok().filter(|columns| *columns > 0);
                let columns = columns.ok_or_else(|| invalid("a stream of rows without width"))?;
                Ok(Bytes::from(unfilter(&data, columns)))
            }
            _ => Err(Code::Unsupported.problem("a stream packed in a way that is not read")),
        }
    }

    /// What a zlib stream holds, and whether it came to its end. Its checksum is not looked at.
    fn inflate(&mut self, packed: &[u8]) -> Result<(Bytes, bool), Problem> {
        const STEP: usize = 64 << 10;
        let most = usize::try_from(self.reader.limits().manifest_bytes).unwrap_or(usize::MAX);
        let packed = packed.get(2..).unwrap_or_default();
        let mut inflater = self.reader.inflater();
        let mut data = Vec::new();
        let whole = loop {
            data.reserve(STEP);
            let before = (inflater.total_in(), data.len());
            let input = usize::try_from(before.0).ok().and_then(|at| packed.get(at..)).unwrap_or_default();
            let status = inflater.decompress_vec(input, &mut data, FlushDecompress::None);
            self.reader.charge_inflated((data.len() - before.1) as u64)?;
            if data.len() > most {
                return Err(Code::LimitInflate.problem("a stream inflates to more than is read"));
            }
            match status {
                Ok(Status::StreamEnd) => break true,
                Err(_) if data.is_empty() => return Err(invalid("a stream that cannot be inflated")),
                Err(_) => break true,
                Ok(_) if (inflater.total_in(), data.len()) == before => break false,
                Ok(_) => {}
            }
        };
        self.reader.keep_inflater(inflater);
        Ok((Bytes::from(data), whole))
    }

    pub(super) async fn packed(&mut self, stream: u32, index: usize, number: u32) -> Result<Object, Problem> {
        if self.packed.as_ref().is_none_or(|(kept, _)| *kept != stream) {
            let Some(Place::At(offset)) = self.locate(stream).await? else {
                return Err(invalid("an object stream that is not there"));
            };
            let packed = self.object_stream(offset).await?;
            self.packed = Some((stream, packed));
        }
        let depth = self.reader.limits().depth;
        let (_, packed) =
            self.packed.as_ref().ok_or_else(|| invalid("an object stream that is not there"))?;
        let named = packed.objects.get(index).filter(|(found, _)| *found == number);
        let named = named.or_else(|| packed.objects.iter().find(|(found, _)| *found == number));
        let (_, at) = named.ok_or_else(|| invalid("the object stream does not hold the object"))?;
        let data = packed.data.get(*at..).unwrap_or_default();
        match Parser::new(data, true, depth).object() {
            Ok(object) => Ok(object),
            Err(Stop::Depth) => Err(Code::LimitDepth.problem("an object is nested too deeply")),
            Err(_) => Err(invalid("an object that cannot be read")),
        }
    }

    pub(super) async fn object_stream(&mut self, offset: u64) -> Result<Packed, Problem> {
        let found = self.indirect(offset).await?;
        let (Object::Dictionary(dictionary), Some(start)) = (found.object, found.stream) else {
            return Err(invalid("an object stream that is none"));
        };
        if !dictionary.is("Type", "ObjStm") {
            return Err(invalid("an object stream that is none"));
        }
        let data = self.stream(&dictionary, start).await?;
        let size = |key| dictionary.integer(key).and_then(|value| usize::try_from(value).ok());
        let (Some(count), Some(first)) = (size("N"), size("First")) else {
            return Err(invalid("an object stream without its sizes"));
        };
        let mut objects = Vec::new();
        let mut parser = Parser::new(data.get(..first).unwrap_or(&data), true, 0);
        // ends with the bytes, whatever the count says
        for _ in 0..count.min(self.reader.limits().entries) {
            let (Ok(number), Ok(at)) = (parser.unsigned::<u32>(), parser.unsigned::<usize>()) else { break };
            objects.push((number, first.saturating_add(at)));
        }
        Ok(Packed { data, objects })
    }
}

/// Takes back the differences PNG's filters leave, for rows of single bytes.
fn unfilter(data: &[u8], columns: usize) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::with_capacity(data.len());
    for row in data.chunks(columns.saturating_add(1)) {
        let Some((filter, row)) = row.split_first() else { break };
        let start = out.len();
        for (column, byte) in row.iter().enumerate() {
            let at = |back: usize| out.get((start + column).checked_sub(back)?).copied();
            let left = if column > 0 { at(1).unwrap_or(0) } else { 0 };
            let up = at(columns).unwrap_or(0);
            let corner = if column > 0 { at(columns + 1).unwrap_or(0) } else { 0 };
            let guess = match filter {
                1 => left,
                2 => up,
                3 => u8::midpoint(left, up),
                4 => paeth(left, up, corner),
                _ => 0,
            };
            out.push(byte.wrapping_add(guess));
        }
    }
    out
}
