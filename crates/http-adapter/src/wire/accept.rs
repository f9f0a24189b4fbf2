//! `Accept` (RFC 9110 §12.5.1): which of the media types that can be had a client wants.

use http::HeaderMap;
use http::header::ACCEPT;

/// The place in `offered`, best liked first, of the one that the client likes best; `None` when it takes none of
/// them. Without the header, or with one that cannot be read, the first.
pub(crate) fn choose(headers: &HeaderMap, offered: &[&str]) -> Option<usize> {
    let values: Vec<&str> = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    let ranges: Vec<(&str, u16)> =
        values.iter().flat_map(|value| value.split(',')).filter_map(range).take(64).collect();
    if ranges.is_empty() {
        return Some(0);
    }
    // Of two that are liked alike, the first offered.
    let mut best: Option<(usize, u16)> = None;
    for (at, kind) in offered.iter().enumerate() {
        let liked = quality(&ranges, kind);
        if liked > 0 && best.is_none_or(|(_, other)| liked > other) {
            best = Some((at, liked));
        }
    }
    best.map(|(at, _)| at)
}

/// How much `kind` is liked, in thousandths: what the most specific range says.
fn quality(ranges: &[(&str, u16)], kind: &str) -> u16 {
    let group = kind.split('/').next().unwrap_or_default();
    let specific = |range: &str| {
        if range.eq_ignore_ascii_case(kind) {
            Some(2)
        } else if range == "*/*" {
            Some(0)
        } else {
            let (of, any) = range.split_once('/')?;
            (any == "*" && of.eq_ignore_ascii_case(group)).then_some(1)
        }
    };
    let found = ranges.iter().filter_map(|(range, liked)| Some((specific(range)?, *liked)));
    found.max_by_key(|(specific, _)| *specific).map_or(0, |(_, liked)| liked)
}

fn range(text: &str) -> Option<(&str, u16)> {
    let mut parts = text.split(';').map(str::trim);
    let kind = parts.next().filter(|kind| kind.contains('/'))?;
    let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    let liked = weight.map_or(Some(1.0), |text| text.parse::<f32>().ok())?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 1000")]
    let thousandths = (liked.clamp(0.0, 1.0) * 1_000.0) as u16;
    Some((kind, thousandths))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_liked_is_chosen() {
        let offered = ["application/json", "application/xml", "text/xml"];
        for (accept, expected) in [
            ("*/*", Some(0)),
            ("application/*", Some(0)),
            ("text/*", Some(2)),
            ("application/xml", Some(1)),
            ("text/html, application/xml;q=0.9, */*;q=0.8", Some(1)),
            ("application/json;q=0, */*", Some(1)),
            ("image/png", None),
            ("*/*;q=0", None),
            ("application/json;q=0.5, text/xml;q=0.6", Some(2)),
            ("APPLICATION/JSON", Some(0)),
            ("nonsense", Some(0)),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT, accept.parse().unwrap())]);
            assert_eq!(choose(&headers, &offered), expected, "{accept}");
        }
        assert_eq!(choose(&HeaderMap::new(), &offered), Some(0));
    }
}
