//! `application/x-www-form-urlencoded`: query strings and token requests.

use appdepot_core::{Error, ErrorKind, Result};

/// The longest query string or form, in bytes.
pub(crate) const FORM_LIMIT: usize = 64 * 1024;

/// The pairs of a query string, in order, `+` and `%` decoded.
///
/// # Errors
/// `Invalid` for what does not decode to UTF-8 text without U+0000; `TooLarge` beyond [`FORM_LIMIT`].
pub(crate) fn pairs(text: &str) -> Result<Vec<(String, String)>> {
    if text.len() > FORM_LIMIT {
        return Err(Error::too_large(u64::try_from(FORM_LIMIT).unwrap_or(u64::MAX)));
    }
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decode(name)?, decode(value)?))
        })
        .collect()
}

/// One name or value, `+` and `%` decoded.
///
/// # Errors
/// `Invalid`, as for [`pairs`].
pub(crate) fn decode(text: &str) -> Result<String> {
    let digit = |byte: Option<u8>| {
        byte.and_then(|byte| char::from(byte).to_digit(16)).and_then(|d| u8::try_from(d).ok())
    };
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let mut ahead = rest.clone();
                match (digit(ahead.next()), digit(ahead.next())) {
                    (Some(high), Some(low)) => {
                        bytes.push(high << 4 | low);
                        rest = ahead;
                    }
                    // A lone percent sign stands for itself, as browsers read it.
                    _ => bytes.push(b'%'),
                }
            }
            other => bytes.push(other),
        }
    }
    match String::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => Ok(text),
        _ => Err(Error::new(ErrorKind::Invalid, "the query string is not UTF-8 text")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_decoded() {
        let read = pairs("q=a%3Ab+c&&x&y=1=2&z=100%").unwrap();
        let expected = [("q", "a:b c"), ("x", ""), ("y", "1=2"), ("z", "100%")];
        assert_eq!(read, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
        assert!(pairs("a=%ff").is_err());
        assert!(pairs("a=%00").is_err());
        assert!(pairs(&"a".repeat(FORM_LIMIT + 1)).is_err());
    }
}
