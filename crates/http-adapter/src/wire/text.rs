//! Text of strangers, made fit to be shown.

/// The text without characters that do not show but change what does: control characters but line breaks and tabs,
/// and those that change the direction of what follows. What is left can also be said in XML 1.0 (§2.2).
pub(crate) fn visible(text: &str) -> String {
    text.chars().filter(|c| !is_hidden(*c)).collect()
}

fn is_hidden(c: char) -> bool {
    let turns =
        matches!(c, '\u{61C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
    let control = c.is_control() && !matches!(c, '\n' | '\r' | '\t');
    control || turns || matches!(c, '\u{2028}' | '\u{2029}' | '\u{FEFF}' | '\u{FFFE}' | '\u{FFFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_show_is_left_out() {
        assert_eq!(visible("a\u{202E}b\u{2066}c\u{0}\u{7f}\u{85}d\te\nf\u{FFFE}"), "abcd\te\nf");
        for kept in ["سلام", "手帳", "नमस्ते", "👩\u{200D}💻", "é"] {
            assert_eq!(visible(kept), kept);
        }
    }
}
