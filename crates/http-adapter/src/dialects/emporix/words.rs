//! What Emporix's field names, sort keys and conditions mean here.

use std::ops::Bound;

use appdepot_core::domain::Timestamp;
use appdepot_core::query::{CONDITION_LIMIT, Clause, Condition, Field, Op, Pattern, Sort, Value};
use appdepot_core::{Error, ErrorKind, Result};

use super::q::{self, Comparison, Item, Test};
use super::types::{MIXIN_SCHEMAS, MIXINS};

/// Types of referenced things that are public by nature: a private asset cannot belong to one.
const PREDEFINED: [&str; 5] = ["BRAND", "CATEGORY", "LABEL", "MODULE", "PRODUCT"];

/// The most sort keys.
const SORT_LIMIT: usize = 8;

/// Whether this type of reference is one that Emporix itself defines.
pub(super) fn is_predefined(kind: &str) -> bool {
    PREDEFINED.contains(&kind)
}

/// Whether `text` is a tenant's name by the documented pattern `^[a-z][a-z0-9]+$`, 3 to 16 characters.
pub(super) fn is_tenant(text: &str) -> bool {
    (3..=16).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
}

/// What a field is here.
enum Meaning {
    /// The id that clients see.
    Id,
    /// Text.
    Text(Field),
    /// A number.
    Number(Field),
    /// An instant.
    Time(Field),
    /// One of a few words, which the core spells otherwise.
    Word(Field, [(&'static str, &'static str); 2]),
    /// The address: always there, though only that of a link is kept.
    Url(Field),
    /// An object or list; only its presence can be asked for.
    Whole(Field),
    /// An object that every asset has.
    Always,
    /// Whatever a client put there.
    Any(Field),
    /// Nothing.
    Unknown,
}

fn meaning(path: &str) -> Meaning {
    // Paths of this module's own making are well-formed; those made of a client's text may not be.
    let body = |path: &str, turn: fn(Field) -> Meaning| Field::parse(path).map_or(Meaning::Unknown, turn);
    match path {
        "id" => Meaning::Id,
        "name" => body("name", Meaning::Text),
        "type" => body("content.type", |field| Meaning::Word(field, [("BLOB", "file"), ("LINK", "link")])),
        "access" => {
            body("access", |field| Meaning::Word(field, [("PUBLIC", "public"), ("PRIVATE", "private")]))
        }
        "url" => body("content.url", Meaning::Url),
        "vendorId" => body("vendor", Meaning::Text),
        "refIds" => body("references", Meaning::Whole),
        "refIds.id" => body("references.id", Meaning::Text),
        "refIds.type" => body("references.type", Meaning::Text),
        // A link has no details, and every file has a digest.
        "details" => body("content.sha256", Meaning::Whole),
        "details.filename" => body("content.fileName", Meaning::Text),
        "details.mimeType" => body("content.mediaType", Meaning::Text),
        "details.bytes" => body("content.length", Meaning::Number),
        "details.etag" => body("content.sha256", Meaning::Text),
        "metadata" => Meaning::Always,
        "metadata.version" => Meaning::Number(Field::Revision),
        "metadata.createdAt" => Meaning::Time(Field::CreatedAt),
        "metadata.modifiedAt" => Meaning::Time(Field::UpdatedAt),
        "mixins" => body(&format!("extra.{MIXINS}"), Meaning::Whole),
        "metadata.mixins" => body(&format!("extra.{MIXIN_SCHEMAS}"), Meaning::Whole),
        other => match (other.strip_prefix("mixins."), other.strip_prefix("metadata.mixins.")) {
            (Some(rest), _) => body(&format!("extra.{MIXINS}.{rest}"), Meaning::Any),
            (_, Some(rest)) => body(&format!("extra.{MIXIN_SCHEMAS}.{rest}"), Meaning::Any),
            _ => Meaning::Unknown,
        },
    }
}

/// Reads the `q` parameter.
///
/// # Errors
/// `Invalid`, naming the position, for a syntax error, a number or date that is none, or an expression that is
/// none or too large.
pub(super) fn filter(text: &str, ignore_case: bool) -> Result<Vec<Clause>> {
    let read = q::parse(text)?;
    let many = || Error::new(ErrorKind::Invalid, format!("q has more than {CONDITION_LIMIT} conditions"));
    // Before any expression is compiled.
    if read.len() > CONDITION_LIMIT {
        return Err(many());
    }
    let mut clauses = Vec::new();
    for clause in &read {
        match meant(clause, ignore_case)? {
            Meant::Always => {}
            Meant::Never => clauses.push(Clause::never()),
            Meant::On(field, op) => clauses.push(Clause::of(field, op)),
            Meant::OnId(op) => clauses.extend(seen_id(&op)?),
            Meant::BadValue(why) => return Err(q::fault(clause.position, why)),
        }
    }
    if clauses.iter().map(|clause| clause.any.len()).sum::<usize>() > CONDITION_LIMIT {
        return Err(many());
    }
    Ok(clauses)
}

/// The condition that a parameter named like a field stands for; `None` when no field has this name.
///
/// # Errors
/// `Invalid` for a number or date that is none.
pub(super) fn parameter(name: &str, value: &str) -> Result<Option<Vec<Clause>>> {
    if matches!(meaning(name), Meaning::Unknown) {
        return Ok(None);
    }
    let quoted = format!("{name}:\"{}\"", value.replace('\\', r"\\").replace('"', "\\\""));
    filter(&quoted, false).map(Some)
}

/// What must hold of the id that clients see: the one its client chose, else an asset's own.
fn seen_id(op: &Op) -> Result<[Clause; 2]> {
    let alias = Field::parse("alias")?;
    let chosen = || Condition::new(alias.clone(), op.clone());
    Ok([
        Clause::any_of([chosen(), Condition::new(alias.clone(), Op::Null)]),
        Clause::any_of([chosen(), Condition::new(Field::Id, op.clone())]),
    ])
}

/// What a condition comes to.
enum Meant {
    Always,
    Never,
    On(Field, Op),
    OnId(Op),
    BadValue(&'static str),
}

fn meant(clause: &q::Clause, ignore_case: bool) -> Result<Meant> {
    use Meant::{Always, BadValue, Never, On, OnId};
    let meaning = meaning(&clause.path);
    let when = |holds: bool| if holds { Always } else { Never };
    Ok(match (&clause.test, meaning) {
        (test, Meaning::Unknown) => when(matches!(test, Test::Null | Test::Missing)),
        (Test::Null | Test::Missing, Meaning::Id | Meaning::Always | Meaning::Url(_)) => Never,
        (Test::Exists, Meaning::Id | Meaning::Always | Meaning::Url(_)) => Always,
        (_, Meaning::Always) => Never,
        (
            test @ (Test::Null | Test::Missing | Test::Exists),
            Meaning::Text(field)
            | Meaning::Number(field)
            | Meaning::Time(field)
            | Meaning::Word(field, _)
            | Meaning::Whole(field)
            | Meaning::Any(field),
        ) => On(
            field,
            match test {
                Test::Null => Op::Null,
                Test::Missing => Op::Missing,
                _ => Op::Exists,
            },
        ),
        (_, Meaning::Whole(_)) => Never,
        (test, Meaning::Word(field, words)) => {
            let Some(holds) = of_text(test, ignore_case, clause)? else { return Ok(Never) };
            let chosen =
                words.iter().filter(|(wire, _)| text_holds(&holds, wire)).map(|(_, core)| Value::from(*core));
            match chosen.collect::<Vec<_>>() {
                none if none.is_empty() => Never,
                some => On(field, Op::In(some)),
            }
        }
        (test, Meaning::Id) => of_text(test, ignore_case, clause)?.map_or(Never, OnId),
        (test, Meaning::Text(field) | Meaning::Url(field)) => {
            of_text(test, ignore_case, clause)?.map_or(Never, |op| On(field, op))
        }
        (Test::Regex(_), Meaning::Number(_) | Meaning::Time(_)) => Never,
        (test, Meaning::Number(field)) => {
            let number = |item: &Item| number(&item.text).map(Value::Number);
            of_values(test, number).map_or(BadValue("not a number"), |op| On(field, op))
        }
        (test, Meaning::Time(field)) => {
            let time = |item: &Item| time(&item.text).map(Value::Time);
            of_values(test, time).map_or(BadValue("not an RFC 3339 date"), |op| On(field, op))
        }
        (Test::Regex(_), Meaning::Any(field)) => {
            of_text(&clause.test, ignore_case, clause)?.map_or(Never, |op| On(field, op))
        }
        (Test::Equal(item), Meaning::Any(field)) => On(field, Op::In(readings(item))),
        (Test::In(items), Meaning::Any(field)) => {
            On(field, Op::In(items.iter().flat_map(readings).collect()))
        }
        (test @ Test::Compare(all), Meaning::Any(field)) => {
            let numbers = all.iter().all(|(_, item)| !item.quoted && number(&item.text).is_some());
            let value = |item: &Item| match number(&item.text) {
                Some(number) if numbers => Some(Value::Number(number)),
                _ => Some(Value::from(item.text.as_str())),
            };
            of_values(test, value).map_or(Never, |op| On(field, op))
        }
    })
}

/// The condition on a text; `None` for one that holds nowhere.
fn of_text(test: &Test, ignore_case: bool, clause: &q::Clause) -> Result<Option<Op>> {
    if let Test::Regex(text) = test {
        let text = if ignore_case { format!("(?i:{text})") } else { text.clone() };
        let fail = |_| q::fault(clause.position, "not a regular expression, or too large a one");
        return Pattern::parse(&text).map(|pattern| Some(Op::Matches(pattern))).map_err(fail);
    }
    Ok(of_values(test, |item| Some(Value::from(item.text.as_str()))))
}

/// The condition on values as `value` reads them; `None` when it cannot read one.
fn of_values(test: &Test, value: impl Fn(&Item) -> Option<Value>) -> Option<Op> {
    Some(match test {
        Test::Equal(item) => Op::Eq(value(item)?),
        Test::In(items) => Op::In(items.iter().map(value).collect::<Option<_>>()?),
        Test::Compare(all) => {
            let (mut low, mut high) = (Bound::Unbounded, Bound::Unbounded);
            for (comparison, item) in all {
                let value = value(item)?;
                match comparison {
                    Comparison::Greater => low = Bound::Excluded(value),
                    Comparison::GreaterOrEqual => low = Bound::Included(value),
                    Comparison::Less => high = Bound::Excluded(value),
                    Comparison::LessOrEqual => high = Bound::Included(value),
                }
            }
            Op::Range(low, high)
        }
        Test::Null | Test::Exists | Test::Missing | Test::Regex(_) => return None,
    })
}

/// Whether a condition of [`of_text`] holds for this text.
fn text_holds(op: &Op, text: &str) -> bool {
    let is = |value: &Value| matches!(value, Value::Text(other) if other == text);
    let order = |value: &Value| match value {
        Value::Text(other) => Some(text.cmp(other.as_str())),
        _ => None,
    };
    match op {
        Op::Eq(value) => is(value),
        Op::In(values) => values.iter().any(is),
        Op::Matches(pattern) => pattern.is_match(text),
        Op::Range(low, high) => {
            let above = match low {
                Bound::Unbounded => true,
                Bound::Included(value) => order(value).is_some_and(std::cmp::Ordering::is_ge),
                Bound::Excluded(value) => order(value).is_some_and(std::cmp::Ordering::is_gt),
            };
            let below = match high {
                Bound::Unbounded => true,
                Bound::Included(value) => order(value).is_some_and(std::cmp::Ordering::is_le),
                Bound::Excluded(value) => order(value).is_some_and(std::cmp::Ordering::is_lt),
            };
            above && below
        }
        Op::Contains(_) | Op::Null | Op::Exists | Op::Missing => false,
    }
}

/// All that an item can mean where anything may be kept.
fn readings(item: &Item) -> Vec<Value> {
    let mut all = vec![Value::from(item.text.as_str())];
    if !item.quoted {
        all.extend(number(&item.text).map(Value::Number));
        all.extend(item.text.parse().ok().map(Value::Boolean));
    }
    all
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

fn time(text: &str) -> Option<Timestamp> {
    Timestamp::parse(text).or_else(|_| Timestamp::parse(&format!("{text}T00:00:00Z"))).ok()
}

/// Reads the `sort` parameter. The direction is descending for exactly `desc` and `DESC`.
pub(super) fn sort(text: &str) -> Vec<Sort> {
    let mut all: Vec<Sort> = Vec::new();
    for key in text.split(',').map(str::trim).filter(|key| !key.is_empty()) {
        let (path, direction) = key.split_once(':').unwrap_or((key, ""));
        let field = match meaning(path) {
            Meaning::Id => Field::Id,
            Meaning::Text(field)
            | Meaning::Number(field)
            | Meaning::Time(field)
            | Meaning::Word(field, _)
            | Meaning::Url(field)
            | Meaning::Any(field) => field,
            Meaning::Whole(_) | Meaning::Always | Meaning::Unknown => continue,
        };
        if all.len() < SORT_LIMIT && all.iter().all(|sort| sort.field != field) {
            all.push(Sort { field, descending: matches!(direction, "desc" | "DESC") });
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn spelled(text: &str) -> String {
        let clauses = filter(text, false).unwrap_or_else(|error| panic!("{text}: {error}"));
        let one = |condition: &Condition| {
            let field = match &condition.field {
                Field::Body(path) => path.to_string(),
                column => format!("{column:?}"),
            };
            format!("{field} {:?}", condition.op)
        };
        let any = |clause: &Clause| match clause.any.as_slice() {
            [] => "never".to_owned(),
            all => all.iter().map(one).collect::<Vec<_>>().join(" | "),
        };
        clauses.iter().map(any).collect::<Vec<_>>().join(" & ")
    }

    #[test]
    fn names_and_types_are_translated() {
        for (text, expected) in [
            ("access:PUBLIC", "access In([Text(\"public\")])"),
            ("type:(BLOB,LINK)", "content.type In([Text(\"file\"), Text(\"link\")])"),
            ("type:~^BL", "content.type In([Text(\"file\")])"),
            ("type:>C", "content.type In([Text(\"link\")])"),
            ("type:file", "never"),
            ("details.bytes:200", "content.length Eq(Number(200.0))"),
            (
                "details.bytes:(>=100 AND <200)",
                "content.length Range(Included(Number(100.0)), Excluded(Number(200.0)))",
            ),
            ("details.filename:200", "content.fileName Eq(Text(\"200\"))"),
            ("details:exists", "content.sha256 Exists"),
            ("details.filename:null", "content.fileName Null"),
            (
                "refIds.id:p1 refIds.type:PRODUCT",
                "references.id Eq(Text(\"p1\")) & references.type Eq(Text(\"PRODUCT\"))",
            ),
            ("metadata.version:>1", "Revision Range(Excluded(Number(1.0)), Unbounded)"),
            (
                "metadata.createdAt:>\"2021-05-18\"",
                "CreatedAt Range(Excluded(Time(Timestamp(1621296000000))), Unbounded)",
            ),
            ("mixins.a.b:5", "extra.mixins.a.b In([Text(\"5\"), Number(5.0)])"),
            ("mixins.a.b:\"5\"", "extra.mixins.a.b In([Text(\"5\")])"),
            ("mixins.a.b:true", "extra.mixins.a.b In([Text(\"true\"), Boolean(true)])"),
            ("mixins.a.b:>5", "extra.mixins.a.b Range(Excluded(Number(5.0)), Unbounded)"),
            ("metadata.mixins.a:~^http", "extra.mixinSchemas.a Matches(Pattern(\"^http\"))"),
            ("nothing:x", "never"),
            ("nothing:exists", "never"),
            ("nothing:null nothing:missing", ""),
            ("id:exists url:exists metadata:exists", ""),
            ("id:null", "never"),
            ("id:a", r#"alias Eq(Text("a")) | alias Null & alias Eq(Text("a")) | Id Eq(Text("a"))"#),
            (
                "id:~AB",
                r#"alias Matches(Pattern("AB")) | alias Null & alias Matches(Pattern("AB")) | Id Matches(Pattern("AB"))"#,
            ),
        ] {
            assert_eq!(spelled(text), expected, "{text}");
        }
    }

    #[test]
    fn values_that_do_not_fit_are_refused() {
        for text in ["details.bytes:many", "metadata.createdAt:soon", "id:~(", "id:~[", "details.bytes:NaN"] {
            assert!(filter(text, false).unwrap_err().to_string().contains("position 1"), "{text}");
        }
        assert!(filter(&format!("id:~{}", "a".repeat(513)), false).is_err());
        assert!(filter(&"name:a ".repeat(64), false).is_ok());
        assert!(filter(&"name:a ".repeat(65), false).is_err());
        assert!(filter(&"id:a ".repeat(16), false).is_ok());
        assert!(filter(&"id:a ".repeat(17), false).is_err());
        assert!(filter("id:~(\\w{50}){50}", false).is_err(), "too large once compiled");
    }

    #[test]
    fn sort_keys() {
        let spell = |text: &str| {
            let keys = sort(text).into_iter().map(|sort| {
                let field = match sort.field {
                    Field::Body(path) => path.to_string(),
                    column => format!("{column:?}"),
                };
                format!("{field}{}", if sort.descending { "-" } else { "+" })
            });
            keys.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(spell("name,metadata.createdAt:desc"), "name+ CreatedAt-");
        assert_eq!(spell("id:DESC"), "Id-");
        assert_eq!(spell("details.bytes:Desc, unknown:desc,name:DESC,name"), "content.length+ name-");
        assert_eq!(spell(""), "");
    }

    #[test]
    fn tenants() {
        for good in ["abc", "acme1", "abcdefghijklmnop"] {
            assert!(is_tenant(good), "{good}");
        }
        for bad in ["", "ab", "1abc", "Acme", "ac-me", "abcdefghijklmnopq", "äbc"] {
            assert!(!is_tenant(bad), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_query_is_translated_or_refused(text in "([a-zA-Z.]{0,20}:[a-z0-9~()<>=\", ]{0,20} ?){0,3}") {
            let _ = filter(&text, true);
        }

        #[test]
        fn any_sort_is_translated(text in any::<String>()) {
            prop_assert!(sort(&text).len() <= SORT_LIMIT);
        }
    }
}
