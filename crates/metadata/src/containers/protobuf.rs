//! Protocol Buffers on the wire, field by field. What the fields mean is the caller's matter, and so is depth.

use appdepot_core::inspect::Problem;

use crate::error::Code;

/// The value of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// A number of variable length.
    Number(u64),
    /// Text, bytes or a message.
    Bytes(&'a [u8]),
    /// Four bytes.
    Fixed32([u8; 4]),
    /// Eight bytes.
    Fixed64([u8; 8]),
}

impl<'a> Value<'a> {
    /// The bytes of a text, bytes or message.
    pub(crate) fn bytes(self) -> Option<&'a [u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The text, if it is UTF-8.
    pub(crate) fn text(self) -> Option<&'a str> {
        self.bytes().and_then(|bytes| std::str::from_utf8(bytes).ok())
    }

    /// The number, of which the lower half is kept as the format's own readers do.
    pub(crate) fn number(self) -> Option<u32> {
        match self {
            Self::Number(number) => Some((number & 0xffff_ffff) as u32),
            _ => None,
        }
    }
}

/// A forward reader over the fields of a message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// A reader at the start of `message`.
    pub(crate) fn new(message: &'a [u8]) -> Self {
        Self(message)
    }

    /// The number and value of the next field.
    ///
    /// # Errors
    /// `E_MANIFEST_INVALID` for what is no message; groups are none.
    pub(crate) fn next(&mut self) -> Result<Option<(u32, Value<'a>)>, Problem> {
        if self.0.is_empty() {
            return Ok(None);
        }
        self.field().map(Some).ok_or_else(|| Code::ManifestInvalid.problem("a message that cannot be read"))
    }

    /// The last field with this number: of two the later one counts.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub(crate) fn last(mut self, wanted: u32) -> Result<Option<Value<'a>>, Problem> {
        let mut found = None;
        while let Some((number, value)) = self.next()? {
            if number == wanted {
                found = Some(value);
            }
        }
        Ok(found)
    }

    /// The first field with this number; what stands behind it is not looked at.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub(crate) fn first(mut self, wanted: u32) -> Result<Option<Value<'a>>, Problem> {
        while let Some((number, value)) = self.next()? {
            if number == wanted {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    fn field(&mut self) -> Option<(u32, Value<'a>)> {
        let key = u32::try_from(self.varint()?).ok()?;
        let value = match key & 7 {
            0 => Value::Number(self.varint()?),
            1 => Value::Fixed64(self.array()?),
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                let (bytes, rest) = self.0.split_at_checked(length)?;
                self.0 = rest;
                Value::Bytes(bytes)
            }
            5 => Value::Fixed32(self.array()?),
            _ => return None,
        };
        (key >> 3 != 0).then_some((key >> 3, value))
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*bytes)
    }

    fn varint(&mut self) -> Option<u64> {
        const LONGEST: u32 = 10;
        let mut value = 0_u64;
        for place in 0..LONGEST {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f).checked_shl(place * 7)?;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(data: &[u8]) -> Result<Vec<(u32, Value<'_>)>, String> {
        let mut fields = Fields::new(data);
        let mut found = Vec::new();
        while let Some(field) = fields.next().map_err(|problem| problem.code)? {
            found.push(field);
        }
        Ok(found)
    }

    #[test]
    fn fields_of_every_kind() {
        let data = [0x08, 0x96, 0x01, 0x12, 2, b'h', b'i', 0x1d, 1, 2, 3, 4, 0x21, 1, 2, 3, 4, 5, 6, 7, 8];
        let expected = [
            (1, Value::Number(150)),
            (2, Value::Bytes(b"hi")),
            (3, Value::Fixed32([1, 2, 3, 4])),
            (4, Value::Fixed64([1, 2, 3, 4, 5, 6, 7, 8])),
        ];
        assert_eq!(all(&data).unwrap(), expected);
        assert_eq!(Fields::new(&[8, 1, 8, 2]).last(1).unwrap(), Some(Value::Number(2)));
    }

    #[test]
    fn lies_end_at_once() {
        let long = [&[0x0a][..], &[0xff; 9], &[0x01], b"x"].concat();
        for bad in [&[0xff; 64][..], &long, &[0x0a, 2, 1], &[0x0b], &[0x0c], &[0x02, 0], &[0x08], &[0x1d, 1]]
        {
            assert_eq!(all(bad).unwrap_err(), "E_MANIFEST_INVALID", "{bad:x?}");
        }
    }
}
