//! The query language of the `q` parameter: `field:test` clauses separated by spaces, all of which must hold.
//!
//! ```text
//! q      = clause *( SP clause )
//! clause = path ":" test
//! test   = "null" / "exists" / "missing"
//!        / cmp / "(" cmp [ " AND " cmp ] ")"
//!        / "(" item *( "," item ) ")"
//!        / "~" re / "(~" re ")" / "~(" re ")"
//!        / item
//! cmp    = ( ">" / "<" / ">=" / "<=" ) item
//! item   = bare / DQUOTE *( char / "\" DQUOTE / "\" "\" ) DQUOTE
//! ```
//!
//! A bare item ends at a space, and within parentheses also at `,` and `)`. Quoted, anything is text: also the
//! words `null`, `exists` and `missing`. This module only reads; what the fields mean is in `words`.

use appdepot_core::{Error, ErrorKind, Result};

/// The longest `q`, in bytes.
const Q_LIMIT: usize = 16 * 1024;

/// One condition, as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Clause {
    /// The dotted path before the colon.
    pub(super) path: String,
    /// Where it starts, counted in characters from 1.
    pub(super) position: usize,
    /// What must hold.
    pub(super) test: Test,
}

/// What must hold of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Test {
    /// Null or absent.
    Null,
    /// Present and not empty.
    Exists,
    /// Absent or empty.
    Missing,
    /// Equal.
    Equal(Item),
    /// Equal to one of these.
    In(Vec<Item>),
    /// All of these comparisons hold.
    Compare(Vec<(Comparison, Item)>),
    /// The regular expression is found.
    Regex(String),
}

/// How two values stand to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub(super) enum Comparison {
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

impl Comparison {
    fn is_lower_bound(self) -> bool {
        matches!(self, Self::Greater | Self::GreaterOrEqual)
    }
}

/// A value, as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    /// The text, without quotes and escapes.
    pub(super) text: String,
    /// Whether it was quoted.
    pub(super) quoted: bool,
}

/// Reads `q`.
///
/// # Errors
/// `Invalid`, naming the position in characters, for what does not follow the grammar or is too long.
pub(super) fn parse(text: &str) -> Result<Vec<Clause>> {
    if text.len() > Q_LIMIT {
        return Err(Error::new(ErrorKind::Invalid, format!("q is longer than {Q_LIMIT} bytes")));
    }
    let mut reader = Reader { chars: text.chars().collect(), at: 0 };
    let mut clauses = Vec::new();
    loop {
        reader.spaces();
        if reader.peek().is_none() {
            return Ok(clauses);
        }
        clauses.push(reader.clause()?);
        match reader.peek() {
            None | Some(' ') => {}
            Some(_) => return Err(reader.fault("a space or the end is expected")),
        }
    }
}

/// An error that names a position in `q`.
pub(super) fn fault(position: usize, why: &str) -> Error {
    Error::new(ErrorKind::Invalid, format!("q is not a valid query at position {position}: {why}"))
}

struct Reader {
    chars: Vec<char>,
    at: usize,
}

/// Where a bare item stands, and so where it ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Within {
    Clause,
    Parentheses,
}

impl Reader {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn eat(&mut self, expected: &str) -> bool {
        let found = self.chars.get(self.at..).unwrap_or_default().iter().copied();
        let matches = expected.chars().eq(found.take(expected.chars().count()));
        if matches {
            self.at += expected.chars().count();
        }
        matches
    }

    fn spaces(&mut self) {
        while self.peek() == Some(' ') {
            self.at += 1;
        }
    }

    fn fault(&self, why: &str) -> Error {
        fault(self.at + 1, why)
    }

    fn clause(&mut self) -> Result<Clause> {
        let position = self.at + 1;
        let mut path = String::new();
        loop {
            match self.peek() {
                Some(':') => break,
                Some(c) if c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.') => path.push(c),
                Some(_) => return Err(self.fault("a field is letters, digits, '_', '-' and '.', then ':'")),
                None => return Err(self.fault("':' and a value are expected")),
            }
            self.at += 1;
        }
        if path.split('.').any(str::is_empty) {
            return Err(fault(position, "a part of the field's name is empty"));
        }
        if path == "compoundLogicalQuery" {
            return Err(fault(position, "compoundLogicalQuery is not supported here"));
        }
        self.at += 1;
        let test = self.test()?;
        Ok(Clause { path, position, test })
    }

    fn test(&mut self) -> Result<Test> {
        match self.peek() {
            Some('~') => {
                self.at += 1;
                self.regex()
            }
            Some('(') => {
                self.at += 1;
                self.parentheses()
            }
            Some('>' | '<') => Ok(Test::Compare(vec![self.comparison(Within::Clause)?])),
            _ => {
                let item = self.item(Within::Clause)?;
                Ok(match item.text.as_str() {
                    _ if item.quoted => Test::Equal(item),
                    "null" => Test::Null,
                    "exists" => Test::Exists,
                    "missing" => Test::Missing,
                    _ => Test::Equal(item),
                })
            }
        }
    }

    fn parentheses(&mut self) -> Result<Test> {
        self.spaces();
        match self.peek() {
            Some('~') => {
                let close = self.closing().ok_or_else(|| self.fault("')' is missing"))?;
                let expression = self.text(self.at + 1, close);
                self.at = close + 1;
                self.expression(expression)
            }
            Some('>' | '<') => {
                let mut all = vec![self.comparison(Within::Parentheses)?];
                while self.eat(" AND ") {
                    self.spaces();
                    all.push(self.comparison(Within::Parentheses)?);
                }
                self.spaces();
                if !self.eat(")") {
                    return Err(self.fault("' AND ' or ')' is expected"));
                }
                let lower = all.iter().filter(|(comparison, _)| comparison.is_lower_bound()).count();
                if lower > 1 || all.len() - lower > 1 {
                    return Err(self.fault("a range has one lower and one upper bound"));
                }
                Ok(Test::Compare(all))
            }
            _ => {
                let mut all = Vec::new();
                loop {
                    self.spaces();
                    all.push(self.item(Within::Parentheses)?);
                    self.spaces();
                    if self.eat(")") {
                        return Ok(Test::In(all));
                    }
                    if !self.eat(",") {
                        return Err(self.fault("',' or ')' is expected"));
                    }
                }
            }
        }
    }

    fn comparison(&mut self, within: Within) -> Result<(Comparison, Item)> {
        let comparison = if self.eat(">=") {
            Comparison::GreaterOrEqual
        } else if self.eat("<=") {
            Comparison::LessOrEqual
        } else if self.eat(">") {
            Comparison::Greater
        } else if self.eat("<") {
            Comparison::Less
        } else {
            return Err(self.fault("'>', '>=', '<' or '<=' is expected"));
        };
        Ok((comparison, self.item(within)?))
    }

    /// After `~`: an expression in parentheses, which may hold spaces, or one up to the next space.
    fn regex(&mut self) -> Result<Test> {
        if self.peek() == Some('(') {
            self.at += 1;
            let close = self.closing();
            // `~(a)(b)` is not in parentheses as a whole, and neither is `~(a`.
            if let Some(close) = close.filter(|close| matches!(self.chars.get(close + 1), None | Some(' '))) {
                let expression = self.text(self.at, close);
                self.at = close + 1;
                return self.expression(expression);
            }
            self.at -= 1;
        }
        let rest = self.chars.get(self.at..).unwrap_or_default();
        let end = self.at + rest.iter().position(|c| *c == ' ').unwrap_or(rest.len());
        let expression = self.text(self.at, end);
        self.at = end;
        self.expression(expression)
    }

    fn expression(&self, expression: String) -> Result<Test> {
        if expression.is_empty() {
            return Err(self.fault("the regular expression is empty"));
        }
        Ok(Test::Regex(expression))
    }

    /// Where the parenthesis that is open at this place is closed, as a regular expression counts them.
    fn closing(&self) -> Option<usize> {
        let (mut depth, mut class, mut at) = (1_usize, false, self.at);
        while let Some(c) = self.chars.get(at) {
            match c {
                '\\' => at += 1,
                '[' if !class => class = true,
                ']' if class => class = false,
                '(' if !class => depth += 1,
                ')' if !class => {
                    depth -= 1;
                    if depth == 0 {
                        return Some(at);
                    }
                }
                _ => {}
            }
            at += 1;
        }
        None
    }

    fn text(&self, from: usize, to: usize) -> String {
        self.chars.get(from..to).unwrap_or_default().iter().collect()
    }

    fn item(&mut self, within: Within) -> Result<Item> {
        if self.peek() == Some('"') {
            return self.quoted();
        }
        let mut text = String::new();
        while let Some(c) = self.peek() {
            let ends = c == ' ' || (within == Within::Parentheses && matches!(c, ',' | ')'));
            if ends {
                break;
            }
            text.push(c);
            self.at += 1;
        }
        if text.is_empty() {
            return Err(self.fault("a value is expected"));
        }
        Ok(Item { text, quoted: false })
    }

    fn quoted(&mut self) -> Result<Item> {
        self.at += 1;
        let mut text = String::new();
        loop {
            match self.peek() {
                None => return Err(self.fault("the closing quote is missing")),
                Some('"') => {
                    self.at += 1;
                    return Ok(Item { text, quoted: true });
                }
                Some('\\') => {
                    let next = self.chars.get(self.at + 1).copied();
                    let Some(c @ ('"' | '\\')) = next else {
                        return Err(self.fault("only '\"' and '\\' can be escaped"));
                    };
                    text.push(c);
                    self.at += 2;
                }
                Some(c) => {
                    text.push(c);
                    self.at += 1;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn one(text: &str) -> Test {
        let mut clauses = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(clauses.len(), 1, "{text}");
        clauses.remove(0).test
    }

    fn bare(text: &str) -> Item {
        Item { text: text.to_owned(), quoted: false }
    }

    fn quoted(text: &str) -> Item {
        Item { text: text.to_owned(), quoted: true }
    }

    #[test]
    fn every_documented_form() {
        use Comparison::{Greater, GreaterOrEqual, Less, LessOrEqual};
        for (text, expected) in [
            ("access:PUBLIC", Test::Equal(bare("PUBLIC"))),
            ("details.bytes:200", Test::Equal(bare("200"))),
            ("details.bytes:>200", Test::Compare(vec![(Greater, bare("200"))])),
            ("details.bytes:<200", Test::Compare(vec![(Less, bare("200"))])),
            ("details.bytes:>=200", Test::Compare(vec![(GreaterOrEqual, bare("200"))])),
            ("details.bytes:<=200", Test::Compare(vec![(LessOrEqual, bare("200"))])),
            (
                "details.bytes:(>=100 AND <=200)",
                Test::Compare(vec![(GreaterOrEqual, bare("100")), (LessOrEqual, bare("200"))]),
            ),
            (
                r#"metadata.createdAt:(>="2021-05-18T07:27:27.455Z" AND <"2021-05-20T07:27:27.455Z")"#,
                Test::Compare(vec![
                    (GreaterOrEqual, quoted("2021-05-18T07:27:27.455Z")),
                    (Less, quoted("2021-05-20T07:27:27.455Z")),
                ]),
            ),
            ("details.filename:null", Test::Null),
            ("details:exists", Test::Exists),
            ("details:missing", Test::Missing),
            ("id:(a1,b2)", Test::In(vec![bare("a1"), bare("b2")])),
            (r#"id:("apple", "on,ion")"#, Test::In(vec![quoted("apple"), quoted("on,ion")])),
            ("id:~ABCD12", Test::Regex("ABCD12".into())),
            ("id:(~AB CD)", Test::Regex("AB CD".into())),
            ("name.en:~(Yoghurt im)", Test::Regex("Yoghurt im".into())),
            ("id:~(a)(b)", Test::Regex("(a)(b)".into())),
            (r"id:(~a\)b[)] c)", Test::Regex(r"a\)b[)] c".into())),
            (r#"a:"null""#, Test::Equal(quoted("null"))),
            (r#"a:"x \"y\" \\ z""#, Test::Equal(quoted(r#"x "y" \ z"#))),
            ("url:https://a.b/c:d", Test::Equal(bare("https://a.b/c:d"))),
            ("a:x(y)", Test::Equal(bare("x(y)"))),
        ] {
            assert_eq!(one(text), expected, "{text}");
        }
        let both = parse("  id:5c access:PUBLIC ").unwrap();
        assert_eq!(
            both.iter().map(|c| (c.path.as_str(), c.position)).collect::<Vec<_>>(),
            [("id", 3), ("access", 9)]
        );
        assert!(parse("").unwrap().is_empty());
    }

    #[test]
    fn errors_name_the_position() {
        for (text, position) in [
            ("access", 7),
            (":x", 1),
            ("a..b:x", 1),
            ("a:", 3),
            ("a:x b", 6),
            ("a:(1,2", 7),
            ("a:()", 4),
            ("a:(>1 AND 2)", 11),
            ("a:(>1 OR <2)", 7),
            ("a:(>1 AND >2)", 14),
            ("a:>", 4),
            ("a:\"x", 5),
            (r#"a:"\n""#, 4),
            ("a:\"x\"y", 6),
            ("a:~", 4),
            ("a:(~x", 4),
            ("ä:x", 1),
            ("compoundLogicalQuery:((a:1) OR (b:2))", 1),
        ] {
            let message = parse(text).unwrap_err().to_string();
            assert!(message.contains(&format!("position {position}:")), "{text}: {message}");
        }
        assert!(parse(&"a".repeat(Q_LIMIT + 1)).is_err());
    }

    impl std::fmt::Display for Item {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            if self.quoted {
                write!(f, "\"{}\"", self.text.replace('\\', r"\\").replace('"', "\\\""))
            } else {
                f.write_str(&self.text)
            }
        }
    }

    fn spell(clause: &Clause) -> String {
        let test = match &clause.test {
            Test::Null => "null".to_owned(),
            Test::Exists => "exists".to_owned(),
            Test::Missing => "missing".to_owned(),
            Test::Equal(item) => item.to_string(),
            Test::In(items) => {
                format!("({})", items.iter().map(ToString::to_string).collect::<Vec<_>>().join(","))
            }
            Test::Compare(all) => {
                let sign = |comparison| match comparison {
                    Comparison::Greater => ">",
                    Comparison::GreaterOrEqual => ">=",
                    Comparison::Less => "<",
                    Comparison::LessOrEqual => "<=",
                };
                let all: Vec<_> = all.iter().map(|(c, item)| format!("{}{item}", sign(*c))).collect();
                format!("({})", all.join(" AND "))
            }
            Test::Regex(text) => format!("(~{text})"),
        };
        format!("{}:{test}", clause.path)
    }

    fn item() -> impl Strategy<Value = Item> {
        prop_oneof![
            "[a-z0-9:._/-]{1,12}".prop_map(|text| bare(&text)),
            any::<String>().prop_map(|text| quoted(&text))
        ]
    }

    fn test() -> impl Strategy<Value = Test> {
        let lower = prop_oneof![Just(Comparison::Greater), Just(Comparison::GreaterOrEqual)];
        let upper = prop_oneof![Just(Comparison::Less), Just(Comparison::LessOrEqual)];
        let (first, second) = ((lower, item()), (upper, item()));
        let plain = |item: &Item| item.quoted || !matches!(item.text.as_str(), "null" | "exists" | "missing");
        prop_oneof![
            Just(Test::Null),
            Just(Test::Exists),
            Just(Test::Missing),
            item().prop_filter("a word", plain).prop_map(Test::Equal),
            prop::collection::vec(item(), 1..5).prop_map(Test::In),
            (first, prop::option::of(second))
                .prop_map(|(a, b)| Test::Compare([a].into_iter().chain(b).collect())),
            "[a-z .*+]{1,10}(\\([a-z]{1,3}\\))?".prop_map(Test::Regex),
        ]
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in any::<String>()) {
            let _ = parse(&text);
        }

        #[test]
        fn near_queries_are_read_or_refused(text in "[a-z.:~()<>=\" ,\\\\\\[\\]AND]{0,40}") {
            let _ = parse(&text);
        }

        #[test]
        fn what_is_spelled_is_read_back(
            tests in prop::collection::vec(("[a-z]{1,5}(\\.[a-zA-Z0-9_-]{1,5}){0,2}", test()), 0..4)
        ) {
            let clauses: Vec<_> =
                tests.into_iter().map(|(path, test)| Clause { path, position: 0, test }).collect();
            let text = clauses.iter().map(spell).collect::<Vec<_>>().join(" ");
            let mut read = parse(&text).unwrap();
            read.iter_mut().for_each(|clause| clause.position = 0);
            prop_assert_eq!(read, clauses);
        }
    }
}
