//! Markdown of people we do not know, as harmless HTML.

use pulldown_cmark::{Event, LinkType, Options, Parser, Tag, TagEnd, html};

use crate::wire::text::visible;

/// The HTML of release notes (CommonMark).
///
/// - Raw HTML is shown as the text it is; pictures become their description.
/// - Links go to `http`, `https` and `mailto` addresses only, and tell the page behind them nothing.
/// - Headings start below those of the page.
pub(super) fn html(markdown: &str) -> String {
    let markdown = visible(markdown);
    let options = Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TABLES;
    let mut dropped = Vec::new();
    let events = Parser::new_ext(&markdown, options).filter_map(|event| match event {
        Event::Html(text) | Event::InlineHtml(text) => Some(Event::Text(text)),
        Event::Start(Tag::HtmlBlock) => Some(Event::Start(Tag::Paragraph)),
        Event::End(TagEnd::HtmlBlock) => Some(Event::End(TagEnd::Paragraph)),
        Event::Start(Tag::Image { .. }) | Event::End(TagEnd::Image) => None,
        Event::Start(Tag::Heading { .. }) => Some(Event::Start(Tag::Paragraph)),
        Event::End(TagEnd::Heading(_)) => Some(Event::End(TagEnd::Paragraph)),
        Event::Start(Tag::Link { link_type, dest_url, .. }) => {
            let good = is_web(link_type, &dest_url);
            dropped.push(!good);
            let link = Tag::Link { link_type, dest_url, title: "".into(), id: "".into() };
            good.then_some(Event::Start(link))
        }
        Event::End(TagEnd::Link) => {
            if dropped.pop() == Some(true) {
                None
            } else {
                Some(Event::End(TagEnd::Link))
            }
        }
        other => Some(other),
    });
    let mut out = String::new();
    html::push_html(&mut out, events);
    out
}

fn is_web(link_type: LinkType, url: &str) -> bool {
    let url = url.trim_start().to_ascii_lowercase();
    link_type == LinkType::Email
        || ["http://", "https://", "mailto:"].iter().any(|scheme| url.starts_with(scheme))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_marked_up() {
        assert_eq!(
            html("# 1.5\n\n- *faster*\n- see [here](https://example.com/?a=1&b=2 \"t\")"),
            "<p>1.5</p>\n<ul>\n<li><em>faster</em></li>\n<li>see <a href=\"https://example.com/?a=1&amp;b=2\">here</a></li>\n</ul>\n"
        );
    }

    #[test]
    fn hostile_notes_are_text() {
        for (markdown, expected) in [
            ("<script>alert(1)</script>", "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>\n"),
            ("a <img src=x onerror=y> b", "<p>a &lt;img src=x onerror=y&gt; b</p>\n"),
            ("[x](javascript:alert(1))", "<p>x</p>\n"),
            (
                "[x](JaVaScRiPt:alert(1)) [y](https://a.example)",
                "<p>x <a href=\"https://a.example\">y</a></p>\n",
            ),
            ("[x](data:text/html,y)", "<p>x</p>\n"),
            ("<javascript:alert(1)>", "<p>javascript:alert(1)</p>\n"),
            ("![pic](https://evil.example/p.png)", "<p>pic</p>\n"),
            ("a\u{202e}b\u{0}c", "<p>abc</p>\n"),
            ("[a](\"onclick=\"x)", "<p>a</p>\n"),
        ] {
            assert_eq!(html(markdown), expected, "{markdown}");
        }
    }

    #[test]
    fn deep_nesting_ends() {
        for piece in ["> ", "- ", "[", "*", "<a>", "`", "![", "|-"] {
            let _ = html(&piece.repeat(5_000));
        }
    }

    proptest::proptest! {
        #[test]
        fn no_tag_comes_through(text in "[<>a-z/ \"'=:()\\[\\]!*_`\\n&;-]{0,80}") {
            let out = html(&text);
            for tag in ["<script", "<img", "<iframe", "<svg", "<style", "javascript:alert(1)\""] {
                proptest::prop_assert!(!out.contains(tag), "{}", out);
            }
        }
    }
}
