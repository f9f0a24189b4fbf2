//! When a client may come back (RFC 9110 §10.2.3).

use appdepot_core::error::{Detail, Error, ErrorKind};
use axum::response::Response;
use http::HeaderValue;
use http::header::RETRY_AFTER;

/// How long to wait for what will pass by itself, in seconds.
const SHORTLY: u64 = 2;

/// How long to wait before trying again, in seconds; nothing where that would not help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Retry(Option<u64>);

impl Retry {
    /// What an error says of it.
    pub(crate) fn after(error: &Error) -> Self {
        Self(match (error.kind(), error.detail()) {
            (_, Detail::Retry { after }) => {
                Some(u64::try_from(after.as_millis().div_ceil(1_000)).unwrap_or(u64::MAX).max(1))
            }
            // More than there may ever be.
            (ErrorKind::Limited, Detail::Limit { .. }) => None,
            (ErrorKind::Limited | ErrorKind::Unavailable, _) => Some(SHORTLY),
            _ => None,
        })
    }

    /// Tells it.
    pub(crate) fn tell(self, response: &mut Response) {
        if let Some(seconds) = self.0 {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn clients_wait_as_long_as_they_have_to() {
        let files = Detail::Limit { limit: 20, unit: "files" };
        for (error, seconds) in [
            (Error::limited(Duration::from_millis(1)), Some(1)),
            (Error::limited(Duration::from_millis(14_001)), Some(15)),
            (Error::limited(Duration::ZERO), Some(1)),
            (Error::limited(Duration::MAX), Some(u64::MAX)),
            (Error::new(ErrorKind::Limited, "the upload took too long"), Some(SHORTLY)),
            (Error::new(ErrorKind::Limited, "more than 20 files").with_detail(files), None),
            (Error::unavailable("down"), Some(SHORTLY)),
            (Error::internal("broken"), None),
            (Error::not_found("app"), None),
        ] {
            assert_eq!(Retry::after(&error), Retry(seconds), "{error:?}");
        }
    }
}
