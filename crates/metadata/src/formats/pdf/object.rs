//! The objects a document is written in, and what their strings say.

use appdepot_core::domain::Timestamp;

/// A value; streams are dictionaries whose bytes follow.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Object {
    Null,
    Boolean(bool),
    Integer(i64),
    Real(f64),
    Name(Vec<u8>),
    String(Vec<u8>),
    Array(Vec<Object>),
    Dictionary(Dictionary),
    Reference(u32),
}

/// Keys and values in the order of the file.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Dictionary(pub(super) Vec<(Vec<u8>, Object)>);

impl Dictionary {
    pub(super) fn get(&self, key: &str) -> Option<&Object> {
        self.0.iter().find(|(name, _)| name == key.as_bytes()).map(|(_, value)| value)
    }

    pub(super) fn integer(&self, key: &str) -> Option<i64> {
        self.get(key)?.integer()
    }

    pub(super) fn is(&self, key: &str, name: &str) -> bool {
        self.get(key).is_some_and(|value| matches!(value, Object::Name(found) if found == name.as_bytes()))
    }
}

impl Object {
    pub(super) fn integer(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            _ => None,
        }
    }

    pub(super) fn number(&self) -> Option<f64> {
        match self {
            Self::Integer(number) => Some(*number as f64),
            Self::Real(number) => Some(*number),
            _ => None,
        }
    }

    pub(super) fn array(&self) -> Option<&[Self]> {
        match self {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }

    pub(super) fn dictionary(&self) -> Option<&Dictionary> {
        match self {
            Self::Dictionary(dictionary) => Some(dictionary),
            _ => None,
        }
    }
}

/// Why an object could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// The bytes at hand end before it does.
    End,
    /// It is not an object.
    Invalid,
    /// It is nested deeper than allowed.
    Depth,
}

/// Values kept of one object; what exceeds them is read over. Long lists are of pages, of which the first counts.
const MOST_VALUES: usize = 1 << 14;

/// A forward reader of objects.
pub(super) struct Parser<'a> {
    data: &'a [u8],
    at: usize,
    /// Nothing follows `data`, so its end ends a word.
    complete: bool,
    depth: usize,
    left: usize,
}

impl<'a> Parser<'a> {
    pub(super) fn new(data: &'a [u8], complete: bool, depth: usize) -> Self {
        Self { data, at: 0, complete, depth, left: MOST_VALUES }
    }

    pub(super) fn position(&self) -> usize {
        self.at
    }

    fn rest(&self) -> &'a [u8] {
        self.data.get(self.at..).unwrap_or_default()
    }

    /// Skips white space and comments.
    pub(super) fn skip(&mut self) {
        while let Some(byte) = self.rest().first() {
            if is_space(*byte) {
                self.at += 1;
            } else if *byte == b'%' {
                let rest = self.rest();
                self.at += rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')).unwrap_or(rest.len());
            } else {
                break;
            }
        }
    }

    /// The regular characters from here.
    fn word(&mut self) -> Result<&'a [u8], Stop> {
        let rest = self.rest();
        let end = rest.iter().position(|byte| !is_regular(*byte));
        if end.is_none() && !self.complete {
            return Err(Stop::End);
        }
        let end = end.unwrap_or(rest.len());
        self.at += end;
        Ok(rest.get(..end).unwrap_or_default())
    }

    /// Consumes `word` if it stands next.
    pub(super) fn keyword(&mut self, word: &[u8]) -> Result<bool, Stop> {
        self.skip();
        let rest = self.rest();
        if rest.len() < word.len() && !self.complete {
            return Err(Stop::End);
        }
        let found = rest.starts_with(word);
        if found {
            self.at += word.len();
        }
        Ok(found)
    }

    /// An unsigned number.
    pub(super) fn unsigned<T: std::str::FromStr>(&mut self) -> Result<T, Stop> {
        self.skip();
        if self.rest().is_empty() {
            return Err(Stop::End);
        }
        let word = self.word()?;
        let digits = word.iter().all(u8::is_ascii_digit);
        let text = std::str::from_utf8(word).ok().filter(|_| digits);
        text.and_then(|text| text.parse().ok()).ok_or(Stop::Invalid)
    }

    /// `1 0 obj` and what it names; where the bytes of a stream begin.
    pub(super) fn indirect(&mut self) -> Result<(u32, Object, Option<usize>), Stop> {
        let number = self.unsigned()?;
        let _: u32 = self.unsigned()?;
        if !self.keyword(b"obj")? {
            return Err(Stop::Invalid);
        }
        let object = self.object()?;
        if !matches!(object, Object::Dictionary(_)) || !self.keyword(b"stream")? {
            return Ok((number, object, None));
        }
        match self.rest() {
            [b'\r', b'\n', ..] => self.at += 2,
            [b'\r' | b'\n', ..] => self.at += 1,
            [] if !self.complete => return Err(Stop::End),
            _ => {}
        }
        Ok((number, object, Some(self.at)))
    }

    pub(super) fn object(&mut self) -> Result<Object, Stop> {
        self.skip();
        match self.rest() {
            [] => Err(Stop::End),
            [b'<', b'<', ..] => {
                self.at += 2;
                self.dictionary()
            }
            [b'<', ..] => {
                self.at += 1;
                self.hexadecimal()
            }
            [b'(', ..] => {
                self.at += 1;
                self.literal()
            }
            [b'/', ..] => Ok(Object::Name(self.name()?)),
            [b'[', ..] => {
                self.at += 1;
                self.array()
            }
            [b'0'..=b'9' | b'+' | b'-' | b'.', ..] => self.number(),
            [byte, ..] if is_regular(*byte) => Ok(match self.word()? {
                b"true" => Object::Boolean(true),
                b"false" => Object::Boolean(false),
                b"null" => Object::Null,
                _ => return Err(Stop::Invalid),
            }),
            _ => Err(Stop::Invalid),
        }
    }

    fn enter(&mut self) -> Result<(), Stop> {
        self.depth = self.depth.checked_sub(1).ok_or(Stop::Depth)?;
        Ok(())
    }

    fn array(&mut self) -> Result<Object, Stop> {
        self.enter()?;
        let mut items = Vec::new();
        loop {
            self.skip();
            if self.rest().first() == Some(&b']') {
                self.at += 1;
                self.depth += 1;
                return Ok(Object::Array(items));
            }
            let item = self.object()?;
            if let Some(left) = self.left.checked_sub(1) {
                self.left = left;
                items.push(item);
            }
        }
    }

    fn dictionary(&mut self) -> Result<Object, Stop> {
        self.enter()?;
        let mut entries = Vec::new();
        loop {
            self.skip();
            match self.rest() {
                [b'>', b'>', ..] => {
                    self.at += 2;
                    self.depth += 1;
                    return Ok(Object::Dictionary(Dictionary(entries)));
                }
                [b'/', ..] => {}
                [] | [b'>'] => return Err(Stop::End),
                _ => return Err(Stop::Invalid),
            }
            let key = self.name()?;
            let value = self.object()?;
            if let Some(left) = self.left.checked_sub(1) {
                self.left = left;
                entries.push((key, value));
            }
        }
    }

    fn name(&mut self) -> Result<Vec<u8>, Stop> {
        self.at += 1;
        let word = self.word()?;
        let mut name = Vec::with_capacity(word.len());
        let mut bytes = word.iter();
        while let Some(byte) = bytes.next() {
            let escaped = (*byte == b'#').then(|| bytes.as_slice().first_chunk::<2>()).flatten();
            match escaped.and_then(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)) {
                Some(byte) => {
                    name.push(byte);
                    bytes.nth(1);
                }
                None => name.push(*byte),
            }
        }
        Ok(name)
    }

    fn number(&mut self) -> Result<Object, Stop> {
        let word = self.word()?;
        let text = std::str::from_utf8(word).map_err(|_| Stop::Invalid)?;
        let Ok(number) = text.parse::<i64>() else {
            let plain = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.".contains(&byte));
            return match text.parse::<f64>() {
                Ok(number) if plain && number.is_finite() => Ok(Object::Real(number)),
                // sloppy writers: `0.0.1`, `--5`
                _ if plain => Ok(Object::Null),
                _ => Err(Stop::Invalid),
            };
        };
        // `12 0 R` is one value
        let Ok(target) = u32::try_from(number) else { return Ok(Object::Integer(number)) };
        let before = self.at;
        let reference = self.unsigned::<u32>().and_then(|_| {
            self.skip();
            if self.rest().is_empty() { Err(Stop::End) } else { self.word() }
        });
        match reference {
            Ok(b"R") => Ok(Object::Reference(target)),
            Err(Stop::End) if !self.complete => Err(Stop::End),
            _ => {
                self.at = before;
                Ok(Object::Integer(number))
            }
        }
    }

    fn literal(&mut self) -> Result<Object, Stop> {
        let mut text = Vec::new();
        let mut open = 0usize;
        loop {
            let byte = *self.rest().first().ok_or(Stop::End)?;
            self.at += 1;
            match byte {
                b'(' => open += 1,
                b')' => match open.checked_sub(1) {
                    Some(less) => open = less,
                    None => return Ok(Object::String(text)),
                },
                b'\\' => {
                    self.escape(&mut text)?;
                    continue;
                }
                // any end of line counts as a line feed
                b'\r' => {
                    if self.rest().first() == Some(&b'\n') {
                        self.at += 1;
                    }
                    text.push(b'\n');
                    continue;
                }
                _ => {}
            }
            text.push(byte);
        }
    }

    fn escape(&mut self, text: &mut Vec<u8>) -> Result<(), Stop> {
        let byte = *self.rest().first().ok_or(Stop::End)?;
        self.at += 1;
        match byte {
            b'n' => text.push(b'\n'),
            b'r' => text.push(b'\r'),
            b't' => text.push(b'\t'),
            b'b' => text.push(8),
            b'f' => text.push(12),
            b'0'..=b'7' => {
                let mut value = byte - b'0';
                for _ in 0..2 {
                    let Some(next @ b'0'..=b'7') = self.rest().first() else { break };
                    // of three digits above 377 the high bit is ignored
                    value = value.wrapping_mul(8).wrapping_add(next - b'0');
                    self.at += 1;
                }
                text.push(value);
            }
            b'\r' => {
                if self.rest().first() == Some(&b'\n') {
                    self.at += 1;
                }
            }
            b'\n' => {}
            other => text.push(other),
        }
        Ok(())
    }

    fn hexadecimal(&mut self) -> Result<Object, Stop> {
        let rest = self.rest();
        let end = rest.iter().position(|byte| *byte == b'>').ok_or(Stop::End)?;
        self.at += end + 1;
        let digits: Vec<u8> =
            rest.get(..end).unwrap_or_default().iter().filter_map(|byte| digit(*byte)).collect();
        // an odd last digit is followed by a zero that is not written
        let pairs = digits.chunks(2).map(|pair| match pair {
            [high, low] => high << 4 | low,
            [high] => high << 4,
            _ => 0,
        });
        Ok(Object::String(pairs.collect()))
    }
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, 0 | b'\t' | b'\n' | 12 | b'\r' | b' ')
}

fn is_regular(byte: u8) -> bool {
    !is_space(byte) && !b"()<>[]{}/%".contains(&byte)
}

/// A text string: UTF-16 or UTF-8 with a mark, else the format's own Latin encoding.
pub(super) fn text(bytes: &[u8]) -> String {
    const LOW: [char; 8] = ['˘', 'ˇ', 'ˆ', '˙', '˝', '˛', '˚', '˜'];
    const HIGH: [char; 33] = [
        '•', '†', '‡', '…', '—', '–', 'ƒ', '⁄', '‹', '›', '−', '‰', '„', '“', '”', '‘', '’', '‚', '™', 'ﬁ',
        'ﬂ', 'Ł', 'Œ', 'Š', 'Ÿ', 'Ž', 'ı', 'ł', 'œ', 'š', 'ž', '\u{fffd}', '€',
    ];
    let utf16 = |rest: &[u8], unit: fn([u8; 2]) -> u16| -> String {
        let units = rest.as_chunks::<2>().0.iter().map(|pair| unit(*pair));
        char::decode_utf16(units).map(|one| one.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
    };
    if let Some(rest) = bytes.strip_prefix(&[0xfe, 0xff]) {
        return utf16(rest, u16::from_be_bytes);
    }
    if let Some(rest) = bytes.strip_prefix(&[0xff, 0xfe]) {
        return utf16(rest, u16::from_le_bytes);
    }
    if let Some(rest) = bytes.strip_prefix(&[0xef, 0xbb, 0xbf]) {
        return String::from_utf8_lossy(rest).into_owned();
    }
    let of = |byte: &u8| match byte {
        0x18..=0x1f => LOW.get(usize::from(byte - 0x18)).copied().unwrap_or_default(),
        0x80..=0xa0 => HIGH.get(usize::from(byte - 0x80)).copied().unwrap_or_default(),
        byte => char::from(*byte),
    };
    bytes.iter().map(of).collect()
}

/// `D:20220731094853+02'00'`, of which everything after the year may be missing.
pub(super) fn date(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let text = text.strip_prefix("D:").unwrap_or(text);
    let digits = text.bytes().take(14).take_while(u8::is_ascii_digit).count();
    let field = |at: usize, len: usize, default: u8| match text.get(at..at + len) {
        Some(field) if at + len <= digits => field.parse().ok(),
        _ => Some(default),
    };
    let year: i32 = text.get(..4).filter(|_| digits >= 4)?.parse().ok()?;
    let month = time::Month::try_from(field(4, 2, 1)?).ok()?;
    let date = time::Date::from_calendar_date(year, month, field(6, 2, 1)?).ok()?;
    let moment = date.with_hms(field(8, 2, 0)?, field(10, 2, 0)?, field(12, 2, 0)?).ok()?;
    let zone = text.get(digits..).unwrap_or_default();
    let two =
        |at: usize| zone.get(at..at + 2).and_then(|field| field.parse::<u8>().ok()).map_or(0, i64::from);
    let offset = two(1) * 60 + if zone.get(3..4) == Some("'") { two(4) } else { two(3) };
    let offset = match zone.as_bytes().first() {
        Some(b'+') => offset,
        Some(b'-') => -offset,
        _ => 0,
    };
    Some(Timestamp::from_millis((moment.assume_utc().unix_timestamp() - offset * 60) * 1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Object, Stop> {
        Parser::new(text.as_bytes(), true, 8).object()
    }

    #[test]
    fn objects() {
        let Ok(Object::Dictionary(found)) =
            read("<< /A#42 (x\\(y\\)\\051(z)\\\n\\12) /C [1 0 R 2 3 -.5 null] % c\n/D <4 1 5> /E true>>")
        else {
            panic!("not a dictionary");
        };
        assert_eq!(found.get("AB"), Some(&Object::String(b"x(y))(z)\n".to_vec())));
        assert_eq!(
            found.get("C").unwrap().array().unwrap(),
            [Object::Reference(1), Object::Integer(2), Object::Integer(3), Object::Real(-0.5), Object::Null]
        );
        assert_eq!(found.get("D"), Some(&Object::String(b"AP".to_vec())));
        assert_eq!(read(&"[".repeat(9)), Err(Stop::Depth));
        assert_eq!(read("[[[]"), Err(Stop::End));
        assert_eq!(read("<</A 1 /B"), Err(Stop::End));
        assert_eq!(read("<</A 1 2>>"), Err(Stop::Invalid));
    }

    #[test]
    fn a_word_at_the_end_of_a_part_is_not_taken_for_whole() {
        for part in ["12", "1 0", "1 0 ", "1 0 R", "tru", "/Na", "(a"] {
            assert_eq!(Parser::new(part.as_bytes(), false, 8).object(), Err(Stop::End), "{part}");
        }
        let mut parser = Parser::new(b"4 0 obj <<>> stream\r\nx", false, 8);
        assert_eq!(parser.indirect().unwrap().2, Some(21));
    }

    #[test]
    fn strings_and_dates() {
        assert_eq!(text(b"\xfe\xff\x00a\xd8\x3d\xde\x00"), "a😀");
        assert_eq!(text(b"\xff\xfea\x00"), "a");
        assert_eq!(text(b"\xef\xbb\xbf\xc3\xa9"), "é");
        assert_eq!(text(b"\x84\xe9\xa0"), "—é€");
        let date = |text| date(text).map(|date| date.to_string());
        assert_eq!(date("D:20220731114853+02'00'").unwrap(), "2022-07-31T09:48:53.000Z");
        assert_eq!(date("D:19990209153925-0130").unwrap(), "1999-02-09T17:09:25.000Z");
        assert_eq!(date("D:2001").unwrap(), "2001-01-01T00:00:00.000Z");
        assert_eq!(date("20010101Z").unwrap(), "2001-01-01T00:00:00.000Z");
        assert_eq!(date("D:20011301"), None);
        assert_eq!(date("yesterday"), None);
    }
}
