//! Numbers that page through lists.

use appdepot_core::{Error, Result};

/// A whole number of at least 1, or the default when the parameter is absent or empty.
///
/// # Errors
/// `Invalid`, naming the parameter, for anything else.
pub(crate) fn positive(name: &'static str, value: Option<&str>, default: u64) -> Result<u64> {
    match value {
        None | Some("") => Ok(default),
        Some(text) => text
            .parse()
            .ok()
            .filter(|number| *number >= 1)
            .ok_or_else(|| Error::invalid(name, "must be a whole number of at least 1")),
    }
}

/// How many records come before the page with this number; pages are numbered from 1.
pub(crate) fn skipped(page: u64, size: u64) -> u64 {
    // Stores count in signed numbers; a page that far out is empty either way.
    page.saturating_sub(1).saturating_mul(size).min(i64::MAX.cast_unsigned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        assert_eq!(positive("page", None, 60).unwrap(), 60);
        assert_eq!(positive("page", Some("7"), 60).unwrap(), 7);
        for bad in ["0", "-1", "1.5", "x", "99999999999999999999"] {
            assert!(positive("page", Some(bad), 60).is_err(), "{bad}");
        }
        assert_eq!(skipped(3, 10), 20);
        assert_eq!(skipped(u64::MAX, u64::MAX), i64::MAX as u64);
    }
}
