//! `bplist00`.

use appdepot_core::domain::Timestamp;

use super::{Budget, Dictionary, Error, MAX_DEPTH, Value, integer};

const HEADER: usize = 8;
const TRAILER: usize = 32;
/// 2001-01-01T00:00:00Z, where dates count from, in seconds since 1970.
const EPOCH: f64 = 978_307_200.0;
/// The years 1 to 9999, in seconds since 1970: what the date can be written as.
const DATES: std::ops::RangeInclusive<f64> = -62_135_596_800.0..=253_402_300_799.0;

pub(super) fn read(data: &[u8]) -> Result<Value, Error> {
    let mut reader = Reader::open(data)?;
    let top = reader.top;
    reader.value(top)
}

struct Reader<'a> {
    /// Everything before the offset table; objects lie nowhere else.
    objects: &'a [u8],
    table: &'a [u8],
    offset_size: usize,
    reference_size: usize,
    top: u64,
    budget: Budget,
    /// The containers being read, outermost first.
    open: Vec<u64>,
}

impl<'a> Reader<'a> {
    fn open(data: &'a [u8]) -> Result<Self, Error> {
        const BAD: Error = Error::Invalid("bad trailer");
        let body = data.len().checked_sub(TRAILER).filter(|body| *body >= HEADER).ok_or(Error::Truncated)?;
        let trailer = data.get(body..).ok_or(BAD)?;
        let size =
            |at: usize| trailer.get(at).map(|size| usize::from(*size)).filter(|size| (1..=8).contains(size));
        let number = |at: usize| trailer.get(at..at + 8).and_then(unsigned);
        let (offset_size, reference_size) = (size(6).ok_or(BAD)?, size(7).ok_or(BAD)?);
        let (count, top) = (number(8).ok_or(BAD)?, number(16).ok_or(BAD)?);
        let start = number(24).and_then(|start| usize::try_from(start).ok()).ok_or(BAD)?;
        let length =
            usize::try_from(count).ok().and_then(|count| count.checked_mul(offset_size)).ok_or(BAD)?;
        let end = start.checked_add(length).filter(|end| *end <= body).ok_or(BAD)?;
        if start < HEADER || top >= count {
            return Err(BAD);
        }
        let (objects, table) = (data.get(..start).ok_or(BAD)?, data.get(start..end).ok_or(BAD)?);
        Ok(Self { objects, table, offset_size, reference_size, top, budget: Budget::new(), open: Vec::new() })
    }

    /// The bytes from the object `reference` on.
    fn object(&self, reference: u64) -> Result<&'a [u8], Error> {
        let offset = usize::try_from(reference)
            .ok()
            .and_then(|reference| reference.checked_mul(self.offset_size))
            .and_then(|at| self.table.get(at..)?.get(..self.offset_size))
            .and_then(unsigned)
            .ok_or(Error::Invalid("reference to an object that is not there"))?;
        usize::try_from(offset)
            .ok()
            .filter(|offset| *offset >= HEADER)
            .and_then(|offset| self.objects.get(offset..))
            .filter(|object| !object.is_empty())
            .ok_or(Error::Invalid("object outside the file"))
    }

    /// Recursion ends at [`MAX_DEPTH`] open containers.
    fn value(&mut self, reference: u64) -> Result<Value, Error> {
        self.budget.object()?;
        let object = self.object(reference)?;
        let (marker, rest) = object.split_first().ok_or(Error::Invalid("empty object"))?;
        let low = marker & 0x0f;
        match marker >> 4 {
            0x0 if low == 0x8 => Ok(Value::Boolean(false)),
            0x0 if low == 0x9 => Ok(Value::Boolean(true)),
            0x1 => integer(number(low, rest)?),
            0x2 => real(low, rest).map(Value::Real),
            0x3 if low == 0x3 => date(real(low, rest)?),
            0x4 => {
                let data = self.run(low, rest, 1)?;
                Ok(Value::Data(data.to_vec()))
            }
            0x5..=0x7 => self.text(marker >> 4, low, rest).map(Value::String),
            0x8 => {
                let bytes = rest.get(..usize::from(low) + 1).ok_or(CUT)?;
                unsigned(bytes).map(Value::Uid).ok_or(Error::Invalid("reference number of more than 64 bits"))
            }
            0xa => self.array(reference, low, rest),
            0xd => self.dictionary(reference, low, rest),
            _ => Err(Error::Invalid("object of an unknown kind")),
        }
    }

    fn array(&mut self, reference: u64, low: u8, rest: &'a [u8]) -> Result<Value, Error> {
        let references = self.references(low, rest, 1)?;
        self.enter(reference)?;
        let mut values = Vec::new();
        for one in references.chunks_exact(self.reference_size) {
            values.push(self.value(unsigned(one).ok_or(CUT)?)?);
        }
        self.open.pop();
        Ok(Value::Array(values))
    }

    fn dictionary(&mut self, reference: u64, low: u8, rest: &'a [u8]) -> Result<Value, Error> {
        let references = self.references(low, rest, 2)?;
        self.enter(reference)?;
        let (keys, values) = references.split_at_checked(references.len() / 2).ok_or(CUT)?;
        let keys = keys.chunks_exact(self.reference_size);
        let mut entries = Dictionary::new();
        for (key, value) in keys.zip(values.chunks_exact(self.reference_size)) {
            let key = self.key(unsigned(key).ok_or(CUT)?)?;
            entries.push(key, self.value(unsigned(value).ok_or(CUT)?)?);
        }
        self.open.pop();
        Ok(Value::Dictionary(entries))
    }

    fn key(&mut self, reference: u64) -> Result<String, Error> {
        self.budget.object()?;
        match self.object(reference)?.split_first() {
            Some((marker, rest)) if matches!(marker >> 4, 0x5..=0x7) => {
                self.text(marker >> 4, marker & 0x0f, rest)
            }
            _ => Err(Error::Invalid("key that is not text")),
        }
    }

    fn enter(&mut self, reference: u64) -> Result<(), Error> {
        if self.open.contains(&reference) {
            return Err(Error::Cycle);
        }
        if self.open.len() >= MAX_DEPTH {
            return Err(Error::Depth);
        }
        self.open.push(reference);
        Ok(())
    }

    /// ASCII (0x5), UTF-16 (0x6) or UTF-8 (0x7).
    fn text(&mut self, kind: u8, low: u8, rest: &'a [u8]) -> Result<String, Error> {
        if kind == 0x6 {
            let units = self.run(low, rest, 2)?.chunks_exact(2);
            let units = units.map(|two| two.iter().fold(0, |sum, byte| sum << 8 | u16::from(*byte)));
            return Ok(char::decode_utf16(units)
                .map(|one| one.unwrap_or(char::REPLACEMENT_CHARACTER))
                .collect());
        }
        let text = std::str::from_utf8(self.run(low, rest, 1)?);
        text.map(str::to_owned).map_err(|_| Error::Invalid("text that is not UTF-8"))
    }

    /// The `count × unit` bytes of text or data, charged to the budget.
    fn run(&mut self, low: u8, rest: &'a [u8], unit: usize) -> Result<&'a [u8], Error> {
        let (count, rest) = count(low, rest)?;
        let bytes = count.checked_mul(unit).and_then(|length| rest.get(..length)).ok_or(CUT)?;
        self.budget.bytes(bytes.len())?;
        Ok(bytes)
    }

    fn references(&self, low: u8, rest: &'a [u8], each: usize) -> Result<&'a [u8], Error> {
        let (count, rest) = count(low, rest)?;
        let length = count.checked_mul(each).and_then(|count| count.checked_mul(self.reference_size));
        length.and_then(|length| rest.get(..length)).ok_or(CUT)
    }
}

const CUT: Error = Error::Invalid("object that reaches past the objects");

/// A count is the low half of the marker, or the integer object after it.
fn count(low: u8, rest: &[u8]) -> Result<(usize, &[u8]), Error> {
    if low < 0x0f {
        return Ok((usize::from(low), rest));
    }
    let (marker, rest) = rest.split_first().ok_or(CUT)?;
    let width = 1usize << (marker & 0x0f);
    if marker >> 4 != 0x1 || width > 8 {
        return Err(Error::Invalid("bad count"));
    }
    let (bytes, rest) = rest.split_at_checked(width).ok_or(CUT)?;
    let count = unsigned(bytes).and_then(|count| usize::try_from(count).ok()).ok_or(CUT)?;
    Ok((count, rest))
}

/// Big-endian; `None` when the value has more than 64 bits.
fn unsigned(bytes: &[u8]) -> Option<u64> {
    bytes.iter().try_fold(0u64, |sum, byte| sum.checked_mul(256).map(|sum| sum | u64::from(*byte)))
}

/// One, two and four bytes are unsigned; eight and sixteen are signed.
fn number(low: u8, rest: &[u8]) -> Result<i128, Error> {
    if low > 4 {
        return Err(Error::Invalid("integer of an unknown size"));
    }
    let bytes = rest.get(..1 << low).ok_or(CUT)?;
    let sign = if low >= 3 && bytes.first().is_some_and(|byte| byte & 0x80 != 0) { -1 } else { 0 };
    Ok(bytes.iter().fold(sign, |sum, byte| sum << 8 | i128::from(*byte)))
}

fn real(low: u8, rest: &[u8]) -> Result<f64, Error> {
    match low {
        2 => rest.first_chunk().map(|bytes| f64::from(f32::from_be_bytes(*bytes))).ok_or(CUT),
        3 => rest.first_chunk().map(|bytes| f64::from_be_bytes(*bytes)).ok_or(CUT),
        _ => Err(Error::Invalid("real of an unknown size")),
    }
}

fn date(seconds: f64) -> Result<Value, Error> {
    let since_1970 = seconds + EPOCH;
    if !DATES.contains(&since_1970) {
        return Err(Error::Invalid("date out of range"));
    }
    // In range by the check above, so the cast is exact to the millisecond.
    #[allow(clippy::cast_possible_truncation)]
    let millis = (since_1970 * 1000.0).round() as i64;
    Ok(Value::Date(Timestamp::from_millis(millis)))
}
