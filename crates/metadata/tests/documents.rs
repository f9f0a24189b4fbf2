//! Books, documents, pictures, scripts and certificates: the corpus against what other readers said, the hostile files
//! against what is acceptable, and any bytes at all. What is absent shows as ignored.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]
#![allow(clippy::print_stdout)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use appdepot_core::domain::Timestamp;
use appdepot_core::inspect::{Format, Hint, Inspection};
use appdepot_metadata::fixture::zip::ZipBuilder;
use appdepot_metadata::{Extractor, inspect_file};
use libtest_mimic::{Arguments, Failed, Trial};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::Value as Json;

mod support {
    pub(crate) mod corpus;
    pub(crate) mod generated;
    pub(crate) mod hostile;
    pub(crate) mod stack;
    pub(crate) mod verdict;
}

use support::corpus::{absent, folder};
use support::generated::rows;
use support::hostile::Files;
use support::stack::on_ordinary_stack;
use support::verdict::is_acceptable;

fn main() {
    let arguments = Arguments::from_args();
    let mut trials = vec![
        Trial::test("book", book),
        Trial::test("document", document),
        Trial::test("damage", damage),
        Trial::test("any_bytes", any_bytes),
        Trial::test("bounded", bounded),
    ];
    match folder("APPDEPOT_CORPUS", "corpus") {
        Some(corpus) => {
            let files = corpus.clone();
            trials.push(Trial::test("corpus::damage", move || corpus_damage(&files)));
            trials.push(Trial::test("corpus::fields", move || fields(&corpus)));
        }
        None => trials.push(absent("corpus", "APPDEPOT_CORPUS")),
    }
    match Files::find("pdf") {
        Some(files) => trials.push(Trial::test("hostile::documents", move || hostile(files.path()))),
        None => trials.push(absent("hostile", "APPDEPOT_HOSTILE")),
    }
    libtest_mimic::run(&arguments, trials).exit();
}

fn inspect(data: &[u8], name: &str) -> Inspection {
    Extractor::default().inspect_slice(data, &Hint::file_name(name))
}

fn code(found: &Inspection) -> &str {
    found.error.as_ref().map_or("", |problem| problem.code.as_str())
}

const CONTAINER: &str = "<container><rootfiles><rootfile full-path='a/b.opf' \
    media-type='application/oebps-package+xml'/></rootfiles></container>";

fn epub(container: &str, opf: &str) -> Vec<u8> {
    ZipBuilder::new()
        .stored("mimetype", "application/epub+zip")
        .deflated("META-INF/container.xml", container)
        .deflated("a/b.opf", opf)
        .build()
}

fn book() -> Result<(), Failed> {
    let opf = "<?xml version='1.0'?><!DOCTYPE package SYSTEM 'oeb.dtd'><package version='3.0' unique-identifier='u' \
        xmlns:dc='http://purl.org/dc/elements/1.1/'><metadata><dc:identifier>1</dc:identifier>\
        <dc:identifier id='u'>urn:x:2</dc:identifier><dc:title> A &amp; B </dc:title><dc:creator>C</dc:creator>\
        <dc:creator>D</dc:creator><dc:language>de</dc:language>\
        <meta property='schema:version'>1.2.3</meta><meta property='dcterms:modified'>2020</meta></metadata>\
        <manifest><item href='c.png' properties='cover-image'/></manifest></package>";
    let found = inspect(&epub(CONTAINER, opf), "a.epub");
    assert_eq!((found.format, code(&found)), (Format::Epub, ""));
    let package = found.package.unwrap();
    assert_eq!((&*package.id, package.name.as_deref()), ("urn:x:2", Some("A & B")));
    assert_eq!(package.version.as_deref(), Some("1.2.3"));
    assert_eq!(package.details["creator"], serde_json::json!(["C", "D"]));
    assert_eq!(package.details["cover"], "c.png");
    assert_eq!(package.details["mimetypeFirst"], true);
    for (container, opf, expected) in [
        ("<container/>", opf, "E_MANIFEST_MISSING"),
        (CONTAINER, "<other/>", "E_MANIFEST_INVALID"),
        (CONTAINER, "<!DOCTYPE a [<!ENTITY b 'c'>]><package/>", "E_XML_DTD"),
        ("<c><rootfile full-path='../b.opf'/></c>", opf, "E_PATH"),
        ("<c><rootfile full-path='c.opf'/></c>", opf, "E_MANIFEST_MISSING"),
    ] {
        assert_eq!(code(&inspect(&epub(container, opf), "a.epub")), expected, "{container} {opf}");
    }
    let bare = ZipBuilder::new().stored("mimetype", "application/epub+zip").build();
    assert_eq!(code(&inspect(&bare, "a.epub")), "E_MANIFEST_MISSING");
    Ok(())
}

/// A document of these objects, numbered from 1, with a table and this trailer.
fn pdf(objects: &[&str], trailer: &str) -> Vec<u8> {
    let mut text = String::from("%PDF-1.7\n");
    let mut table = format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1);
    for (index, object) in objects.iter().enumerate() {
        writeln!(table, "{:010} 00000 n ", text.len()).unwrap();
        write!(text, "{} 0 obj\n{object}\nendobj\n", index + 1).unwrap();
    }
    let at = text.len();
    write!(text, "{table}trailer\n<</Size {} {trailer}>>\nstartxref\n{at}\n%%EOF", objects.len() + 1)
        .unwrap();
    text.into_bytes()
}

const OBJECTS: [&str; 4] = [
    "<</Type/Catalog/Pages 2 0 R>>",
    "<</Type/Pages/Kids[3 0 R]/Count 1/MediaBox[0 0 612 792]>>",
    "<</Type/Page/Parent 2 0 R>>",
    "<</Title(A \\(b\\))/Author<feff0041>/CreationDate(D:20200102030405Z)>>",
];

fn document() -> Result<(), Failed> {
    let whole = pdf(&OBJECTS, "/Root 1 0 R/Info 4 0 R/ID[<0a0b><0c>]");
    let found = inspect(&whole, "a.pdf");
    assert_eq!((found.format, code(&found)), (Format::Pdf, ""));
    let package = found.package.unwrap();
    assert_eq!((&*package.id, package.name.as_deref()), ("0a0b", Some("A (b)")));
    let details = &package.details;
    assert_eq!((&details["Author"], &details["Pages"]), (&"A".into(), &1.into()));
    assert_eq!(details["CreationDate"], "2020-01-02T03:04:05.000Z");
    assert_eq!(details["Page size"], "612 x 792 pts (letter)");

    // a later section gives the information another place
    let mut updated = whole.clone();
    let at = updated.len() + 1;
    updated.extend_from_slice(b"\n4 0 obj <</Title(new)>> endobj\n");
    let table = updated.len();
    let text = String::from_utf8_lossy(&whole).into_owned();
    let previous = text.rsplit("startxref\n").next().unwrap().split('\n').next().unwrap();
    let section = format!(
        "xref\n4 1\n{at:010} 00000 n \ntrailer <</Size 5/Root 1 0 R/Info 4 0 R/Prev {previous}>>\nstartxref\n{table}\n"
    );
    updated.extend_from_slice(section.as_bytes());
    let package = inspect(&updated, "a.pdf").package.unwrap();
    assert_eq!((package.name.as_deref(), &package.details["Pages"]), (Some("new"), &1.into()));

    // a table that lies is passed over
    let broken = String::from_utf8(whole.clone()).unwrap().replace("xref\n0 5\n00", "xref\n0 5\nxx");
    assert_eq!(inspect(broken.as_bytes(), "a.pdf").package.unwrap().name.as_deref(), Some("A (b)"));

    // bytes before the header, which the offsets do not count
    let shifted = [b"junk\n", &whole[..]].concat();
    assert_eq!(inspect(&shifted, "a.pdf").package.unwrap().name.as_deref(), Some("A (b)"));

    let locked = pdf(&OBJECTS, "/Root 1 0 R/Info 4 0 R/Encrypt 9 0 R");
    let package = inspect(&locked, "a.pdf").package.unwrap();
    assert_eq!((package.name, &package.details["Encrypted"]), (None, &true.into()));
    assert_eq!(package.details["Pages"], 1);

    // a long document takes few reads
    let long = format!("<</Length 9000000>> stream\n{}\nendstream", "x".repeat(9_000_000));
    let large = pdf(&[OBJECTS[0], OBJECTS[1], OBJECTS[2], OBJECTS[3], &long], "/Root 1 0 R/Info 4 0 R");
    let found = inspect(&large, "a.pdf");
    assert_eq!(found.package.unwrap().name.as_deref(), Some("A (b)"));
    assert!(
        found.reads <= 4 && found.bytes_read < 64 << 10,
        "{} reads, {} bytes",
        found.reads,
        found.bytes_read
    );
    Ok(())
}

fn samples() -> Vec<(&'static str, Vec<u8>)> {
    let opf = "<package><metadata><title>t</title><identifier>i</identifier></metadata></package>";
    let certificate = "-----BEGIN CERTIFICATE-----\nMIIBAjCBqaADAgECAgEHMAoGCCqGSM49BAMCMA0xCzAJBgNVBAMMAmNh\n\
        -----END CERTIFICATE-----\n";
    vec![
        ("a.epub", epub(CONTAINER, opf)),
        ("a.pdf", pdf(&OBJECTS, "/Root 1 0 R/Info 4 0 R")),
        ("a.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x02\x08\x06\0\0\0\0\0\0\0".to_vec()),
        (
            "a.jpg",
            b"\xff\xd8\xff\xe0\0\x04ab\xff\xff\xc2\0\x0b\x08\0\x02\0\x03\x01\x01\x11\0\xff\xd9".to_vec(),
        ),
        ("a.gif", b"GIF89a\x05\0\x06\0\x91\0\0".to_vec()),
        ("a.webp", b"RIFF\x20\0\0\0WEBPVP8X\x0a\0\0\0\x02\0\0\0\x0b\0\0\x0c\0\0".to_vec()),
        ("a.sh", b"#!/usr/bin/env bash\necho\n".to_vec()),
        ("a.pem", certificate.as_bytes().to_vec()),
    ]
}

/// On a thread with little stack, as a server's workers may have.
fn on_a_small_stack(run: impl FnOnce() + Send + 'static) -> Result<(), Failed> {
    let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(run)?;
    thread.join().map_err(|_| "it panicked".into())
}

fn damage() -> Result<(), Failed> {
    on_a_small_stack(|| {
        for (name, data) in samples() {
            for end in 0..data.len() {
                inspect(&data[..end], name);
            }
            for at in 0..data.len() {
                for bits in [0x01, 0x80, 0xff] {
                    let mut data = data.clone();
                    data[at] ^= bits;
                    let found = inspect(&data, name);
                    assert_eq!(found, inspect(&data, name), "the same bytes, the same result");
                }
            }
        }
    })
}

fn any_bytes() -> Result<(), Failed> {
    const HEADS: [(&str, &[u8]); 9] = [
        ("a.pdf", b"%PDF-1.4\n1 0 obj "),
        ("a.pdf", b"%PDF-1.4\nxref 0 3 trailer startxref 9 "),
        ("a.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"),
        ("a.jpg", b"\xff\xd8\xff"),
        ("a.webp", b"RIFF\0\0\0\0WEBPVP8X"),
        ("a.sh", b"#!"),
        ("a.pem", b"-----BEGIN CERTIFICATE-----\n"),
        ("a.cer", b"\x30\x82\x01\x00\x30\x80\xa0"),
        ("a.gif", b"GIF89a"),
    ];
    const WORDS: &[&[u8]] =
        &[b"1 0 obj ", b"<<", b">>", b"[", b"/Prev 9", b"/Type/ObjStm", b"stream\n", b"/Root 1 0 R"];
    on_a_small_stack(|| {
        let word = prop_oneof![
            any::<u8>().prop_map(|byte| vec![byte]),
            prop::sample::select(WORDS).prop_map(<[u8]>::to_vec),
        ];
        let input = (0..HEADS.len(), proptest::collection::vec(word, 0..200));
        let mut runner =
            TestRunner::new(Config { cases: 2_000, failure_persistence: None, ..Config::default() });
        let result = runner.run(&input, |(head, words)| {
            let (name, head) = HEADS[head];
            let found = inspect(&[head, &words.concat()].concat(), name);
            prop_assert!(code(&found).starts_with("E_") || found.error.is_none());
            Ok(())
        });
        result.unwrap();
    })
}

/// Large files made of one thing: whatever is looked for in them, the time is bounded.
fn bounded() -> Result<(), Failed> {
    let repeated: [(&str, &str, &str); 12] = [
        ("a.pdf", "%PDF-1.4\n", "1 0 obj "),
        ("a.pdf", "%PDF-1.4\n", "1 0 obj <</Type/ObjStm/N 9/First 9>>stream "),
        ("a.pdf", "%PDF-1.4\n", "trailer<</Root 1 0 R>>"),
        ("a.pdf", "%PDF-1.4\n", "trailer<<"),
        ("a.pdf", "%PDF-1.4\n1 0 obj ", "["),
        ("a.pdf", "%PDF-1.4\n1 0 obj [", "1 "),
        ("a.pdf", "%PDF-1.4\n1 0 obj (", "("),
        ("a.pdf", "%PDF-1.4\n1 0 obj <<", "/A 1 0 R "),
        ("a.pdf", "%PDF-1.4\n1 0 obj", " %\n"),
        ("a.jpg", "\u{0}", "\u{0}"),
        ("a.pem", "-----BEGIN CERTIFICATE-----\n", "-----BEGIN "),
        ("a.sh", "#!/bin/sh ", "a "),
    ];
    for (name, head, again) in repeated {
        let mut data = head.as_bytes().to_vec();
        if name == "a.jpg" {
            data = vec![0xff; 1 << 20];
            data[1] = 0xd8;
        }
        data.extend(again.bytes().cycle().take((2 << 20) - data.len() - 64));
        for end in ["", "\nstartxref\n9\n%%EOF", "\nstartxref\n1\n%%EOF\ntrailer <</Root 1 0 R>>"] {
            let data = [&data[..], end.as_bytes()].concat();
            let started = Instant::now();
            let found = inspect(&data, name);
            let taken = started.elapsed();
            // the limit is two seconds, looked at between steps
            assert!(taken < Duration::from_secs(5), "{head}{again}: {taken:?} {:?}", found.error);
        }
    }
    Ok(())
}

/// Files that hold what no builder here makes, with a few bytes of each changed.
fn corpus_damage(corpus: &Path) -> Result<(), Failed> {
    const MOST: u64 = 64 << 10;
    let mut files = Vec::new();
    for kind in ["epub", "pdf", "cert"] {
        for file in fs::read_dir(corpus.join(kind))? {
            let path = file?.path();
            if path.metadata()?.len() <= MOST && path.extension().is_some_and(|end| end != "p12") {
                files.push((path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&path)?));
            }
        }
    }
    files.sort();
    on_a_small_stack(move || {
        let mut state = 1u64;
        let mut random = move |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % below
        };
        let mut codes: BTreeMap<String, usize> = BTreeMap::new();
        for (name, data) in &files {
            for round in 0..24 {
                let mut data = data.clone();
                for _ in 0..1 << (round % 6) {
                    let at = random(data.len());
                    data[at] = random(256) as u8;
                }
                if round % 8 == 7 {
                    data.truncate(random(data.len()));
                }
                let started = Instant::now();
                let found = inspect(&data, name);
                assert!(started.elapsed() < Duration::from_secs(3), "{name}, round {round}");
                *codes.entry(code(&found).to_owned()).or_default() += 1;
            }
        }
        println!("{} files changed 24 times each: {codes:?}", files.len());
    })
}

/// Where this crate and the others differ on purpose, or they could not tell: file, field (`*`: every one), why.
const EXPLAINED: &[(&str, &str, &str)] = &[
    (
        "cert/AppleAAICA.cer",
        "(unreadable)",
        "the certificate once in DER, then in PEM; ours notes trailing data",
    ),
    ("cert/cryptography.io.chain_with_garbage.pem", "*", KEY),
    ("cert/cryptography.io.with_headers.pem", "*", KEY),
    ("cert/cryptography.io.old_header.pem", "(unreadable)", "the older label `X509 CERTIFICATE` is read too"),
    (
        "cert/downloaded_provisioning_profile.mobileprovision",
        "(unreadable)",
        "the bare property list of a profile, which the other reader looks for in signed data",
    ),
    (
        "cert/signed_plist.mobileprovision",
        "(unreadable)",
        "its first developer certificate is not base64 of a whole length; the rest is read",
    ),
    (
        "epub/book2.epub",
        "(unreadable)",
        "UTF-16 that declares itself as UTF-8: the byte order mark is believed",
    ),
    ("pdf/encrypted.pdf", "*", "encrypted with an empty password, which the other reader tries"),
    (
        "pdf/libreoffice-writer-password.pdf",
        "(unreadable)",
        "encrypted; that it is, and its form, can be read",
    ),
    ("pdf/testPDFFileEmbInAnnotation_noContents.pdf", "(unreadable)", "found by search"),
    ("pdf/imagemagick-images.pdf", "Title", NUL),
    ("pdf/imagemagick-lzw.pdf", "Title", NUL),
];
const KEY: &str = "the file holds a private key as well, so all of it is refused";
const NUL: &str = "ends with NUL, which no result holds";

#[derive(Default)]
struct Score {
    counts: BTreeMap<(String, String), [usize; 3]>,
    lines: String,
    unexplained: usize,
}

impl Score {
    fn add(&mut self, file: &str, field: &str, ours: Option<&Json>, truth: &Json) {
        let kind = file.split('/').next().unwrap().to_owned();
        let counts = self.counts.entry((kind, field.to_owned())).or_default();
        if ours == Some(truth) {
            counts[0] += 1;
            return;
        }
        let reason = EXPLAINED
            .iter()
            .find(|(name, about, _)| *name == file && (*about == field || *about == "*"))
            .map(|(_, _, reason)| *reason);
        counts[if reason.is_some() { 1 } else { 2 }] += 1;
        self.unexplained += usize::from(reason.is_none());
        let ours = ours.map_or("nothing".to_owned(), Json::to_string);
        let reason = reason.unwrap_or("UNEXPLAINED");
        writeln!(self.lines, "  {file} {field}: ours {ours:.200}, truth {truth:.200}\n      {reason}")
            .unwrap();
    }
}

fn fields(corpus: &Path) -> Result<(), Failed> {
    let truth: Json = serde_json::from_slice(&fs::read(corpus.join("truth.json"))?)?;
    let mut score = Score::default();
    let mut files = 0;
    let mut most = BTreeMap::new();
    for (file, truth) in truth["other"].as_object().unwrap() {
        let path = corpus.join(file);
        if !["epub/", "pdf/", "cert/"].iter().any(|kind| file.starts_with(kind)) || !path.exists() {
            continue;
        }
        files += 1;
        let found = inspect_file(&path)?;
        let costs = most.entry(found.format.as_str()).or_insert((0, 0));
        *costs = (costs.0.max(found.reads), costs.1.max(found.bytes_read));
        match file.split('/').next().unwrap() {
            "epub" => compare_book(&mut score, file, &found, truth),
            "pdf" => compare_document(&mut score, file, &found, truth),
            _ => compare_certificate(&mut score, file, &found, truth),
        }
    }
    println!("{files} files; most reads and bytes: {most:?}; agreed / disagreed / failed");
    for ((kind, field), [agreed, disagreed, failed]) in &score.counts {
        println!("  {kind:<5} {field:<16} {agreed:>4} {disagreed:>4} {failed:>4}");
    }
    print!("{}", score.lines);
    if files == 0 || score.unexplained > 0 {
        return Err(format!("{files} files, {} disagreements unexplained", score.unexplained).into());
    }
    Ok(())
}

fn detail<'a>(found: &'a Inspection, key: &str) -> Option<&'a Json> {
    found.package.as_ref()?.details.get(key)
}

fn unread(score: &mut Score, file: &str, found: &Inspection, truth: &Json) -> bool {
    if !truth["error"].is_string() {
        return false;
    }
    // the other reader could not read it; we say what we read
    let read = found.package.as_ref().map(|one| format!("{} {:?}", one.id, one.name));
    let ours = read.unwrap_or_else(|| "unreadable".to_owned());
    score.add(file, "(unreadable)", Some(&ours.into()), &"unreadable".into());
    true
}

fn compare_book(score: &mut Score, file: &str, found: &Inspection, truth: &Json) {
    if unread(score, file, found, truth) {
        return;
    }
    for (field, theirs) in truth.as_object().unwrap() {
        if field == "set" {
            continue;
        }
        // the other reader keeps white space around texts, and says null for none
        let text = |value: &Json| Json::from(value.as_str().unwrap_or("").trim());
        let theirs = theirs.as_array().map_or(text(theirs), |list| list.iter().map(text).collect());
        score.add(file, field, detail(found, field), &theirs);
    }
}

fn compare_document(score: &mut Score, file: &str, found: &Inspection, truth: &Json) {
    if unread(score, file, found, truth) {
        return;
    }
    for (field, theirs) in truth.as_object().unwrap() {
        // not of the document, or found only by reading all of it
        if ["set", "rc", "File size", "JavaScript"].contains(&field.as_str()) {
            continue;
        }
        let text = theirs.as_str().unwrap_or("");
        let theirs = match (field.as_str(), text) {
            ("CreationDate" | "ModDate", _) => shown_date(text).into(),
            ("Pages" | "Page rot", _) => text.parse::<i64>().map_or(Json::Null, Json::from),
            ("Encrypted", _) => text.starts_with("yes").into(),
            (_, "yes") => true.into(),
            (_, "no") => false.into(),
            _ => text.into(),
        };
        let text =
            |value: &Json| value.as_str().map_or_else(|| value.clone(), |text| text.trim_matches(' ').into());
        let ours = detail(found, field).map(text);
        // without information there is none of its own either
        let ours = ours.or_else(|| (field == "Custom Metadata").then(|| false.into()));
        score.add(file, field, ours.as_ref(), &theirs);
    }
}

/// `Sun Jul 31 09:48:53 2022 UTC`.
fn shown_date(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let [_, month, day, time, year, _] = words[..] else { return text.to_owned() };
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = months.iter().position(|name| *name == month).unwrap() + 1;
    format!("{year}-{month:02}-{day:0>2}T{time}.000Z")
}

fn compare_certificate(score: &mut Score, file: &str, found: &Inspection, truth: &Json) {
    if file.ends_with(".p12") {
        score.add(file, "kind (.p12)", detail(found, "kind"), &"pkcs12".into());
        return;
    }
    if unread(score, file, found, truth) {
        return;
    }
    if EXPLAINED.iter().any(|(name, _, reason)| *name == file && *reason == KEY) {
        assert_eq!(code(found), "E_SECRET_REFUSED", "{file}");
    }
    for (field, theirs) in truth.as_object().unwrap() {
        let profile = truth["kind"] == "mobileprovision";
        if field == "set" || (profile && field == "kind") {
            continue;
        }
        let theirs = match (field.as_str(), theirs.as_str()) {
            ("notBefore" | "notAfter" | "CreationDate" | "ExpirationDate", Some(text)) => {
                let text = text.trim_end_matches("+00:00").replace(' ', "T") + "Z";
                Timestamp::parse(&text).unwrap().to_string().into()
            }
            _ => theirs.clone(),
        };
        // what a profile does not say is null there and left out here
        let ours = detail(found, field).cloned().or_else(|| profile.then_some(Json::Null));
        score.add(file, field, ours.as_ref(), &theirs);
    }
}

/// Verdicts that differ from the table (empty: opaque, without a package), and why ours stands.
const OTHER_VERDICTS: &[(&str, &str, &str)] = &[
    ("image/bomb_30000sq.png", "", "the small form has 3,750 pixels squared, which is allowed"),
    ("image/dims_zero.png", "E_MANIFEST_INVALID", NO_WORD),
    ("image/png_is_html.png", "E_MANIFEST_INVALID", NO_WORD),
    ("image/ico_dir_65535.ico", "", "no format here: opaque"),
    ("image/svg_script.svg", "", "no format here: opaque"),
    ("cert/certs_20k.pem", "E_CERT_INVALID", "the small form has 312 blocks, of which none is a certificate"),
];
const NO_WORD: &str = "the closed list of codes has no word for a broken picture of its own";

fn hostile(files: &Path) -> Result<(), Failed> {
    const ENDS: [&str; 13] = [
        ".epub", ".pdf", ".png", ".jpg", ".gif", ".webp", ".ico", ".svg", ".pem", ".cer", ".p12", ".der",
        ".sh",
    ];
    let table = fs::read_to_string(files.join("expected.tsv"))?;
    let mut groups: BTreeMap<String, usize> = BTreeMap::new();
    let mut failures = String::new();
    let mut slowest = (Duration::ZERO, String::new());
    for [file, acceptable, ceiling, _] in rows(&table) {
        let path = files.join(file);
        if !ENDS.iter().any(|end| file.ends_with(end)) || !path.exists() {
            continue;
        }
        let data = fs::read(&path)?;
        let name = file.rsplit('/').next().unwrap().to_owned();
        let (found, taken) = on_ordinary_stack(move || {
            let started = Instant::now();
            (inspect(&data, &name), started.elapsed())
        })
        .map_err(|failed| format!("{file}: {}", failed.message().unwrap_or_default()))?;
        *groups.entry(file.split('/').next().unwrap().to_owned()).or_default() += 1;
        if taken > slowest.0 {
            slowest = (taken, file.to_owned());
        }
        if taken > Duration::from_millis(ceiling.parse()?) {
            writeln!(failures, "{file}: took {taken:?}, ceiling {ceiling} ms")?;
        }
        let code = found.error.as_ref().map(|problem| &*problem.code);
        let opaque = found.package.is_none() && found.format == Format::Unknown;
        let small =
            found.package.as_ref().is_some_and(|package| package.details.get("width") == Some(&3750.into()));
        let explained = OTHER_VERDICTS.iter().any(|(name, other, _)| {
            *name == file
                && (code == Some(*other) || (other.is_empty() && code.is_none() && (opaque || small)))
        });
        if !explained && !is_acceptable(code, acceptable, ACCEPTING) {
            writeln!(failures, "{file}: {code:?} {:?}, acceptable: {acceptable}", found.anomalies)?;
        }
        if file.starts_with("control/") {
            let details = &found.package.as_ref().ok_or("a control file without a package")?.details;
            match found.format {
                Format::Epub => assert_eq!(details["title"], serde_json::json!(["Control"])),
                Format::Pdf => {
                    assert_eq!((&details["Title"], &details["Pages"]), (&"Control".into(), &1.into()));
                }
                Format::Image => {
                    assert_eq!((&details["width"], &details["height"]), (&48.into(), &48.into()))
                }
                other => panic!("{file} is {other:?}"),
            }
        }
    }
    println!("hostile files by group: {groups:?}, slowest {slowest:?}");
    for (file, verdict, why) in OTHER_VERDICTS {
        println!("  {file}: {verdict} {why}");
    }
    if groups.is_empty() || !failures.is_empty() {
        return Err(failures.into());
    }
    Ok(())
}

/// Words of the table by which a file may be accepted.
const ACCEPTING: &[&str] = &["ACCEPT", "opaque", "as above", "skip", "bounded", "U+FFFD"];
