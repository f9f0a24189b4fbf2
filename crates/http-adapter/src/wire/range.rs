//! `Range` (RFC 9110 §14): which bytes are asked for.

use http::HeaderMap;
use http::header::RANGE;
use http_range_header::{EndPosition, StartPosition, parse_range_header};

/// What a request asks for of `length` bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// All of it.
    Whole,
    /// From `start` to before `end`.
    Part {
        /// First byte.
        start: u64,
        /// One past the last byte.
        end: u64,
    },
    /// Nothing that is there: 416.
    Nothing,
}

impl Wanted {
    /// Reads the header.
    ///
    /// One that cannot be understood is ignored, as §14.2 says, and so is more than one range: a multipart answer
    /// helps nobody and can be made to cost more than the whole.
    pub(crate) fn of(headers: &HeaderMap, length: u64) -> Self {
        let mut values = headers.get_all(RANGE).iter();
        let (Some(value), None) = (values.next(), values.next()) else { return Self::Whole };
        let Some(ranges) = value.to_str().ok().and_then(|text| parse_range_header(text).ok()) else {
            return Self::Whole;
        };
        let [range] = ranges.ranges.as_slice() else { return Self::Whole };
        let (start, end) = match (range.start, range.end) {
            (StartPosition::FromLast(count), _) => (length.saturating_sub(count), length),
            (StartPosition::Index(start), EndPosition::LastByte) => (start, length),
            (StartPosition::Index(start), EndPosition::Index(last)) if last < start => return Self::Whole,
            (StartPosition::Index(start), EndPosition::Index(last)) => {
                (start, last.saturating_add(1).min(length))
            }
        };
        if start >= length { Self::Nothing } else { Self::Part { start, end } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        let part = |start, end| Wanted::Part { start, end };
        let many = format!("bytes={}", "0-0,".repeat(5_000) + "1-1");
        for (text, length, expected) in [
            ("bytes=0-0", 10, part(0, 1)),
            ("bytes=2-", 10, part(2, 10)),
            ("bytes=-3", 10, part(7, 10)),
            ("bytes=-30", 10, part(0, 10)),
            ("bytes=5-999", 10, part(5, 10)),
            ("bytes=5-18446744073709551615", 10, part(5, 10)),
            ("bytes=10-", 10, Wanted::Nothing),
            ("bytes=0-", 0, Wanted::Nothing),
            ("bytes=-1", 0, Wanted::Nothing),
            ("bytes=5-2", 10, Wanted::Whole),
            ("bytes=0-1,3-4", 10, Wanted::Whole),
            ("bytes=99999999999999999999-", 10, Wanted::Whole),
            ("bytes=a-b", 10, Wanted::Whole),
            ("bytes", 10, Wanted::Whole),
            ("items=0-1", 10, Wanted::Whole),
            (many.as_str(), 10, Wanted::Whole),
        ] {
            let headers = HeaderMap::from_iter([(RANGE, text.parse().unwrap())]);
            assert_eq!(Wanted::of(&headers, length), expected, "{text:.40}");
        }
        assert_eq!(Wanted::of(&HeaderMap::new(), 10), Wanted::Whole);
    }
}
