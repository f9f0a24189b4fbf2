//! Conditional requests (RFC 9110 §13): validators of a representation, and what a request makes of them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use appdepot_core::domain::Timestamp;
use appdepot_core::{Error, Result};
use http::header::{ETAG, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE, LAST_MODIFIED};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use sha2::{Digest as _, Sha256};

/// What tells one state of a resource from another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Validators {
    /// A strong entity tag, quotes included.
    tag: String,
    /// When it last changed, in whole seconds since 1970.
    modified: Option<u64>,
}

/// What the conditions of a request come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// They hold, or there are none.
    Go,
    /// 304: the client has it already.
    NotModified,
    /// 412: it is not what the client takes it for.
    Failed,
}

impl Validators {
    /// Those of a representation with these bytes.
    pub(crate) fn of_bytes(bytes: &[u8], modified: Option<Timestamp>) -> Self {
        let digest = Sha256::digest(bytes);
        let hex: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        Self::tagged(&hex, modified)
    }

    /// Those of a representation that `text` identifies; it has neither quotes nor control characters.
    pub(crate) fn tagged(text: &str, modified: Option<Timestamp>) -> Self {
        let seconds = |time: Timestamp| u64::try_from(time.millis().div_euclid(1_000)).ok();
        Self { tag: format!("\"{text}\""), modified: modified.and_then(seconds) }
    }

    /// What a request with these headers may do, in the order of §13.2.2. A date that is none is passed over.
    pub(crate) fn judge(&self, method: &Method, headers: &HeaderMap) -> Verdict {
        let safe = *method == Method::GET || *method == Method::HEAD;
        if headers.contains_key(IF_MATCH) {
            if !self.named(headers, IF_MATCH, false) {
                return Verdict::Failed;
            }
        } else if let Some(date) = date(headers, IF_UNMODIFIED_SINCE)
            && self.modified.is_some_and(|modified| modified > date)
        {
            return Verdict::Failed;
        }
        if headers.contains_key(IF_NONE_MATCH) {
            match (self.named(headers, IF_NONE_MATCH, true), safe) {
                (true, true) => return Verdict::NotModified,
                (true, false) => return Verdict::Failed,
                (false, _) => {}
            }
        } else if safe
            && let Some(date) = date(headers, IF_MODIFIED_SINCE)
            && self.modified.is_some_and(|modified| modified <= date)
        {
            return Verdict::NotModified;
        }
        Verdict::Go
    }

    /// Whether the entity tag is among those of a header: `weak` comparison passes over `W/`, strong never
    /// matches a weak one.
    fn named(&self, headers: &HeaderMap, name: HeaderName, weak: bool) -> bool {
        headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).any(|value| {
            value.split(',').map(str::trim).any(|one| {
                let one = if weak { one.strip_prefix("W/").unwrap_or(one) } else { one };
                one == "*" || one == self.tag
            })
        })
    }

    /// Whether the tag is exactly this one, as `If-Range` asks.
    pub(crate) fn is(&self, tag: &[u8]) -> bool {
        self.tag.as_bytes() == tag
    }

    /// Puts them into an answer.
    ///
    /// # Errors
    /// `Internal` for a tag that no header can hold.
    pub(crate) fn stamp(&self, headers: &mut HeaderMap) -> Result<()> {
        headers.insert(ETAG, HeaderValue::from_str(&self.tag).map_err(Error::internal)?);
        if let Some(modified) = self.modified {
            let date = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(modified));
            headers.insert(LAST_MODIFIED, HeaderValue::from_str(&date).map_err(Error::internal)?);
        }
        Ok(())
    }
}

/// Whether a request says on which state it relies.
pub(crate) fn is_conditional(headers: &HeaderMap) -> bool {
    [IF_MATCH, IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE]
        .iter()
        .any(|name| headers.contains_key(name))
}

/// Whether a request is to be performed only on something that exists: what it is about to make never does
/// (§13.1.1).
pub(crate) fn expects_something(headers: &HeaderMap) -> bool {
    headers.contains_key(IF_MATCH)
}

fn date(headers: &HeaderMap, name: HeaderName) -> Option<u64> {
    let mut values = headers.get_all(name).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let date: SystemTime = httpdate::parse_http_date(value.to_str().ok()?).ok()?;
    Some(date.duration_since(UNIX_EPOCH).ok()?.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = "Sun, 09 Sep 2001 01:46:39 GMT";
    const AT: &str = "Sun, 09 Sep 2001 01:46:40 GMT";

    #[test]
    fn conditions_are_judged_in_the_order_of_the_rfc() {
        use Verdict::{Failed, Go, NotModified};
        let it = Validators::tagged("a", Some(Timestamp::from_millis(1_000_000_000_999)));
        let (read, write) = (Method::GET, Method::PUT);
        for (method, given, expected) in [
            (&read, vec![], Go),
            (&write, vec![], Go),
            (&write, vec![("if-match", "\"a\"")], Go),
            (&write, vec![("if-match", "\"b\", \"a\"")], Go),
            (&write, vec![("if-match", "*")], Go),
            (&write, vec![("if-match", "\"b\"")], Failed),
            (&write, vec![("if-match", "W/\"a\"")], Failed),
            (&write, vec![("if-match", "a")], Failed),
            (&read, vec![("if-match", "\"b\"")], Failed),
            // The tag decides, whatever the date says.
            (&write, vec![("if-match", "\"a\""), ("if-unmodified-since", BEFORE)], Go),
            (&write, vec![("if-unmodified-since", BEFORE)], Failed),
            (&write, vec![("if-unmodified-since", AT)], Go),
            (&write, vec![("if-unmodified-since", "yesterday")], Go),
            (&read, vec![("if-none-match", "\"a\"")], NotModified),
            (&read, vec![("if-none-match", "W/\"a\"")], NotModified),
            (&read, vec![("if-none-match", "*")], NotModified),
            (&read, vec![("if-none-match", "\"b\"")], Go),
            (&write, vec![("if-none-match", "*")], Failed),
            (&write, vec![("if-none-match", "\"b\"")], Go),
            (&read, vec![("if-none-match", "\"b\""), ("if-modified-since", AT)], Go),
            (&read, vec![("if-modified-since", AT)], NotModified),
            (&read, vec![("if-modified-since", BEFORE)], Go),
            (&read, vec![("if-modified-since", "?")], Go),
            (&write, vec![("if-modified-since", AT)], Go),
            (&read, vec![("if-match", "\"a\""), ("if-none-match", "\"a\"")], NotModified),
        ] {
            let headers: HeaderMap = given
                .iter()
                .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
                .collect();
            assert_eq!(it.judge(method, &headers), expected, "{method} {given:?}");
            assert_eq!(is_conditional(&headers), !given.is_empty());
        }
    }

    #[test]
    fn validators_are_stamped() {
        let mut headers = HeaderMap::new();
        let it = Validators::of_bytes(b"x", Some(Timestamp::from_millis(1_000_000_000_999)));
        it.stamp(&mut headers).unwrap();
        assert_eq!(headers[LAST_MODIFIED], AT);
        assert_eq!(headers[ETAG].len(), 34);
        assert_ne!(it, Validators::of_bytes(b"y", None));
    }
}
