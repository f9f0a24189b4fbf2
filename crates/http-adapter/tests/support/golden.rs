//! Golden files: requests and the answers they get, as text.
//!
//! ```text
//! # a comment
//! POST /path?query
//! Header: value
//!
//! body
//! >>>
//! 201
//! Header: value
//! !Absent-Header
//!
//! {"id": "{{id}}"}
//! ===
//! next request…
//! ```
//!
//! An answer must have the listed headers, none of those after `!`, and exactly the body; JSON bodies are compared
//! as JSON. Holes in an answer match and keep a value: `{{id}}` 24 hexadecimal digits, `{{guid}}` 24 letters from
//! `a` to `p`, `{{sha256}}` 64 digits, `{{time}}` an instant with milliseconds, `{{any}}` whatever. `{{id:app}}` keeps it under the name `app`. A
//! request that says `{{app}}` gets the kept value. In requests `{{bytes:N}}` is N times `x`. Lines of multipart
//! bodies end in CR LF.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::fs;
use std::path::{Path, PathBuf};

use axum::body::Body;
use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tower::ServiceExt as _;

/// Runs every file of `tests/golden/<dialect>`, each on a service of its own.
///
/// `cases` names them all: a file that is not named, a name without a file, and a file that cannot be read as
/// golden file fail the test. `make` is told which one the service is for.
pub async fn run_folder<S>(dialect: &str, cases: &[&str], make: impl AsyncFn(&str) -> S)
where
    S: tower::Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone,
{
    let found: BTreeSet<String> = fs::read_dir(folder(dialect))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let named: BTreeSet<String> = cases.iter().map(|case| format!("{case}.http")).collect();
    assert_eq!(found, named, "files of {dialect} and cases that the test names");
    let mut failures = Vec::new();
    for case in cases {
        let service = make(case).await;
        if let Err(failure) = run(&read(dialect, case), service).await {
            failures.push(format!("{dialect}/{case}: {failure}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// What the exchanges of a golden file show: method, path without its query, status and body of the answer.
pub fn shown(dialect: &str, case: &str) -> Vec<(String, String, u16, String)> {
    let text = read(dialect, case);
    let exchanges = exchanges(&text).map(|exchange| {
        let (request, expected) = exchange.unwrap();
        let (method, target) = request[0].split_once(' ').unwrap();
        let path = target.split('?').next().unwrap();
        let body = split_head(&expected).1.join("\n");
        (method.to_owned(), path.to_owned(), expected[0].parse().unwrap(), body)
    });
    exchanges.collect()
}

fn folder(dialect: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(dialect)
}

fn read(dialect: &str, case: &str) -> String {
    fs::read_to_string(folder(dialect).join(format!("{case}.http"))).unwrap()
}

/// The lines of each request and of the answer it is to get.
fn exchanges(text: &str) -> impl Iterator<Item = Result<(Vec<&str>, Vec<&str>), String>> {
    text.split("\n===\n").enumerate().map(|(at, exchange)| {
        let mut lines = exchange.lines().skip_while(|line| line.is_empty() || line.starts_with('#'));
        let request = lines.by_ref().take_while(|line| *line != ">>>").collect();
        let expected: Vec<&str> = lines.collect();
        if expected.is_empty() {
            Err(format!("exchange {} has no answer", at + 1))
        } else {
            Ok((request, expected))
        }
    })
}

async fn run<S>(text: &str, service: S) -> Result<(), String>
where
    S: tower::Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone,
{
    let mut kept = BTreeMap::new();
    for (at, exchange) in exchanges(text).enumerate() {
        let at = at + 1;
        let (request, expected) = exchange?;
        let request = read_request(&request, &kept).map_err(|why| format!("exchange {at}: {why}"))?;
        let line = format!("{} {:.80}", request.method(), request.uri().to_string());
        let Ok(response) = service.clone().oneshot(request).await;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.map_err(|e| format!("exchange {at}: {e}"))?.to_bytes();
        let body = String::from_utf8_lossy(&body).into_owned();
        check(&expected, parts.status.as_u16(), &parts.headers, &body, &mut kept).map_err(|why| {
            format!("exchange {at}, {line}: {why}\n  got {} {:?}\n  {body}", parts.status, parts.headers)
        })?;
    }
    Ok(())
}

fn read_request(lines: &[&str], kept: &BTreeMap<String, String>) -> Result<Request<Body>, String> {
    let (head, body) = split_head(lines);
    let (first, headers) = head.split_first().ok_or("no request")?;
    let (method, target) = first.split_once(' ').ok_or("no request line")?;
    let mut request = Request::builder().method(method).uri(fill(target, kept)?);
    let mut multipart = false;
    for line in headers {
        let (name, value) = line.split_once(':').ok_or(format!("no header: {line}"))?;
        multipart |= value.trim_start().starts_with("multipart/");
        request = request.header(name, fill(value.trim(), kept)?);
    }
    let body = fill(&body.join(if multipart { "\r\n" } else { "\n" }), kept)?;
    request.body(Body::from(body)).map_err(|error| error.to_string())
}

fn split_head<'a>(lines: &'a [&'a str]) -> (&'a [&'a str], &'a [&'a str]) {
    match lines.iter().position(|line| line.is_empty()) {
        Some(at) => (&lines[..at], &lines[at + 1..]),
        None => (lines, &[]),
    }
}

/// Puts kept values into a request.
fn fill(text: &str, kept: &BTreeMap<String, String>) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, after) = after.split_once("}}").ok_or("an open {{")?;
        out.push_str(before);
        match name.strip_prefix("bytes:") {
            Some(count) => out.push_str(&"x".repeat(count.parse().map_err(|_| "not a number of bytes")?)),
            None => out.push_str(kept.get(name).ok_or(format!("nothing was kept as {name}"))?),
        }
        rest = after;
    }
    Ok(out + rest)
}

fn check(
    expected: &[&str],
    status: u16,
    headers: &HeaderMap,
    body: &str,
    kept: &mut BTreeMap<String, String>,
) -> Result<(), String> {
    let (head, expected_body) = split_head(expected);
    let (first, expected_headers) = head.split_first().ok_or("no expected status")?;
    if first.parse() != Ok(status) {
        return Err(format!("status {status}, expected {first}"));
    }
    for line in expected_headers {
        if let Some(name) = line.strip_prefix('!') {
            if headers.contains_key(name) {
                return Err(format!("a header {name}"));
            }
            continue;
        }
        let (name, value) = line.split_once(':').ok_or(format!("no header: {line}"))?;
        let found =
            headers.get(name).ok_or(format!("no header {name}"))?.to_str().map_err(|e| e.to_string())?;
        if !matches(value.trim(), found, kept) {
            return Err(format!("header {name}: {found}, expected {}", value.trim()));
        }
    }
    let expected_body = expected_body.join("\n");
    let expected_body = expected_body.trim_end_matches('\n');
    let json =
        headers.get("content-type").is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    if json && !expected_body.is_empty() {
        let expected: Value =
            serde_json::from_str(expected_body).map_err(|e| format!("expected body: {e}"))?;
        let found: Value = serde_json::from_str(body).map_err(|e| format!("body: {e}"))?;
        return compare("$", &expected, &found, kept);
    }
    if matches(expected_body, body, kept) { Ok(()) } else { Err(format!("body, expected {expected_body:?}")) }
}

fn compare(
    at: &str,
    expected: &Value,
    found: &Value,
    kept: &mut BTreeMap<String, String>,
) -> Result<(), String> {
    match (expected, found) {
        (Value::String(hole), _) if hole == "{{any}}" => Ok(()),
        (Value::String(expected), Value::String(found)) if matches(expected, found, kept) => Ok(()),
        (Value::Array(expected), Value::Array(found)) if expected.len() == found.len() => {
            let mut pairs = expected.iter().zip(found).enumerate();
            pairs.try_for_each(|(n, (expected, found))| compare(&format!("{at}[{n}]"), expected, found, kept))
        }
        (Value::Object(expected), Value::Object(found)) => {
            if !expected.keys().eq(found.keys()) {
                let names = |map: &serde_json::Map<_, _>| map.keys().cloned().collect::<Vec<String>>();
                return Err(format!("{at}: members {:?}, expected {:?}", names(found), names(expected)));
            }
            expected.iter().try_for_each(|(name, expected)| {
                compare(&format!("{at}.{name}"), expected, &found[name], kept)
            })
        }
        _ if expected == found => Ok(()),
        _ => Err(format!("{at}: {found}, expected {expected}")),
    }
}

/// Whether `text` is what `pattern` says, and keeps what its holes match.
fn matches(pattern: &str, text: &str, kept: &mut BTreeMap<String, String>) -> bool {
    let Some((before, after)) = pattern.split_once("{{") else { return pattern == text };
    let Some((hole, rest)) = after.split_once("}}") else { return false };
    let Some(text) = text.strip_prefix(before) else { return false };
    let (kind, name) = hole.split_once(':').unwrap_or((hole, hole));
    let length = match kind {
        "id" | "guid" | "time" => 24,
        "sha256" => 64,
        "any" => match rest.split("{{").next().filter(|literal| !literal.is_empty()) {
            Some(literal) => text.find(literal).unwrap_or(text.len()),
            None => text.len(),
        },
        // The name of a value kept before.
        known => kept.get(known).map_or(usize::MAX, String::len),
    };
    let Some((value, text)) = text.split_at_checked(length) else { return false };
    let hex = value.bytes().all(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(&c));
    let shaped = match kind {
        "id" | "sha256" => hex,
        "guid" => value.bytes().all(|c| (b'a'..=b'p').contains(&c)),
        "time" => value.char_indices().all(|(at, c)| match at {
            4 | 7 => c == '-',
            10 => c == 'T',
            13 | 16 => c == ':',
            19 => c == '.',
            23 => c == 'Z',
            _ => c.is_ascii_digit(),
        }),
        "any" => true,
        known => kept.get(known).is_some_and(|kept| kept == value),
    };
    if !shaped {
        return false;
    }
    if matches!(kind, "id" | "guid" | "sha256" | "time" | "any") {
        kept.insert(name.to_owned(), value.to_owned());
    }
    matches(rest, text, kept)
}
