//! Checked little-endian reads from a slice. Every one answers `None` past the end.

/// The 16-bit number at `at`.
pub(crate) fn u16_at(data: &[u8], at: usize) -> Option<u16> {
    array_at(data, at).map(u16::from_le_bytes)
}

/// The 32-bit number at `at`.
pub(crate) fn u32_at(data: &[u8], at: usize) -> Option<u32> {
    array_at(data, at).map(u32::from_le_bytes)
}

/// The 64-bit number at `at`.
pub(crate) fn u64_at(data: &[u8], at: usize) -> Option<u64> {
    array_at(data, at).map(u64::from_le_bytes)
}

/// The 16-bit number at `at`, the higher byte first.
pub(crate) fn be16_at(data: &[u8], at: usize) -> Option<u16> {
    array_at(data, at).map(u16::from_be_bytes)
}

/// The 32-bit number at `at`, the highest byte first.
pub(crate) fn be32_at(data: &[u8], at: usize) -> Option<u32> {
    array_at(data, at).map(u32::from_be_bytes)
}

/// The 64-bit number at `at`, the highest byte first.
pub(crate) fn be64_at(data: &[u8], at: usize) -> Option<u64> {
    array_at(data, at).map(u64::from_be_bytes)
}

/// `len` bytes at `at`.
pub(crate) fn slice_at(data: &[u8], at: usize, len: usize) -> Option<&[u8]> {
    data.get(at..at.checked_add(len)?)
}

fn array_at<const N: usize>(data: &[u8], at: usize) -> Option<[u8; N]> {
    data.get(at..)?.first_chunk().copied()
}

/// A forward reader over a slice.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursor<'a>(pub(crate) &'a [u8]);

impl<'a> Cursor<'a> {
    /// The next `len` bytes.
    pub(crate) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(head)
    }

    /// The next 32-bit number.
    pub(crate) fn u32(&mut self) -> Option<u32> {
        let (head, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_le_bytes(*head))
    }

    /// The next 64-bit number.
    pub(crate) fn u64(&mut self) -> Option<u64> {
        let (head, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_le_bytes(*head))
    }

    /// The bytes behind a 32-bit length.
    pub(crate) fn prefixed(&mut self) -> Option<&'a [u8]> {
        let len = self.u32()?;
        self.take(usize::try_from(len).ok()?)
    }

    /// Whether nothing is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The neighbour that comes nearest to going on as before: row filter 4 of PNG (ISO/IEC 15948 §9.4), also PDF's.
pub(crate) fn paeth(left: u8, up: u8, corner: u8) -> u8 {
    let (a, b, c) = (i16::from(left), i16::from(up), i16::from(corner));
    let guess = a + b - c;
    let (to_left, to_up, to_corner) = ((guess - a).abs(), (guess - b).abs(), (guess - c).abs());
    if to_left <= to_up && to_left <= to_corner {
        left
    } else if to_up <= to_corner {
        up
    } else {
        corner
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_stop_at_the_end() {
        let data = [1, 0, 0, 0, 2];
        assert_eq!(u32_at(&data, 0), Some(1));
        assert_eq!(u32_at(&data, 2), None);
        assert_eq!(u16_at(&data, usize::MAX), None);
        assert_eq!(u64_at(&data, 0), None);
        assert_eq!(slice_at(&data, 4, usize::MAX), None);
        assert_eq!((be16_at(&data, 3), be32_at(&data, 1), be64_at(&data, 0)), (Some(2), Some(2), None));
        let mut cursor = Cursor(&data);
        assert_eq!(cursor.prefixed(), Some(&data[4..]));
        assert!(cursor.is_empty());
        assert_eq!(cursor.u32(), None);
    }
}
