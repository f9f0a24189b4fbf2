//! Readers are total: any bytes and any damage to valid files give an inspection, within the limits.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::io::{Cursor, Write};

use appdepot_core::inspect::{Format, Hint, Inspection};
use appdepot_metadata::fixture::zip::{Entry, ZipBuilder};
use appdepot_metadata::{Anomaly, Extractor, Fields, Limits, inspect_slice};
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// A chunk of binary XML.
fn chunk(kind: u16, header: u16, rest: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::from(kind.to_le_bytes());
    bytes.extend(header.to_le_bytes());
    bytes.extend((8 + rest.len() as u32).to_le_bytes());
    bytes.extend(rest);
    bytes
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn pool(strings: &[&str]) -> Vec<u8> {
    let (mut offsets, mut data) = (Vec::new(), Vec::new());
    for string in strings {
        offsets.push(data.len() as u32);
        data.extend([string.chars().count() as u8, string.len() as u8]);
        data.extend(string.as_bytes());
        data.push(0);
    }
    data.resize(data.len().next_multiple_of(4), 0);
    let start = 28 + 4 * strings.len() as u32;
    let rest = [words(&[strings.len() as u32, 0, 256, start, 0]), words(&offsets), data].concat();
    chunk(1, 28, &rest)
}

fn start(name: u32, attributes: &[(u32, u8, u32)]) -> Vec<u8> {
    let mut rest = words(&[1, u32::MAX, u32::MAX, name]);
    rest.extend([20, 0, 20, 0, attributes.len() as u8, 0, 0, 0, 0, 0, 0, 0]);
    for (name, kind, data) in attributes {
        rest.extend(words(&[u32::MAX, *name, if *kind == 3 { *data } else { u32::MAX }]));
        rest.extend([8, 0, 0, *kind]);
        rest.extend(data.to_le_bytes());
    }
    chunk(0x0102, 16, &rest)
}

fn end() -> Vec<u8> {
    chunk(0x0103, 16, &words(&[1, u32::MAX, u32::MAX, 0]))
}

/// `<manifest versionCode=7 versionName="1.2.3" package="com.example.app"><application label=@0x7f010000/>`.
fn manifest() -> Vec<u8> {
    manifest_of(&[(2, 1, 0x7f01_0000)])
}

/// The same with other attributes of the application; the fourth name is `debuggable`.
fn manifest_of(application: &[(u32, u8, u32)]) -> Vec<u8> {
    let strings = [
        "versionCode",
        "versionName",
        "label",
        "debuggable",
        "package",
        "manifest",
        "application",
        "com.example.app",
        "1.2.3",
    ];
    let body = [
        pool(&strings),
        chunk(0x0180, 8, &words(&[0x0101_021b, 0x0101_021c, 0x0101_0001, 0x0101_000f])),
        start(5, &[(0, 0x10, 7), (1, 3, 8), (4, 3, 7)]),
        start(6, application),
        end(),
        end(),
    ];
    chunk(3, 8, &body.concat())
}

/// A table with the string `0x7f010000` by default and in German.
fn resources() -> Vec<u8> {
    let of = |language: &[u8; 2], string: u32| {
        let mut rest = vec![1, 0, 0, 0];
        rest.extend(words(&[1, 84 + 4]));
        let mut config = vec![0; 64];
        config[0] = 64;
        config[8..10].copy_from_slice(language);
        rest.extend(config);
        rest.extend(words(&[0]));
        rest.extend([8, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 3]);
        rest.extend(string.to_le_bytes());
        chunk(0x0201, 84, &rest)
    };
    let mut package = words(&[0x7f]);
    package.extend([0; 256 + 20]);
    package.extend([of(&[0, 0], 0), of(b"de", 1)].concat());
    chunk(2, 12, &[words(&[1]), pool(&["App", "Anwendung"]), chunk(0x0200, 288, &package)].concat())
}

fn archive(entries: &[(&str, &[u8], CompressionMethod)]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, data, method) in entries {
        writer.start_file(*name, SimpleFileOptions::default().compression_method(*method)).unwrap();
        writer.write_all(data).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn apk() -> Vec<u8> {
    archive(&[
        ("AndroidManifest.xml", &manifest(), CompressionMethod::Deflated),
        ("resources.arsc", &resources(), CompressionMethod::Stored),
        ("lib/x86_64/liba.so", b"", CompressionMethod::Stored),
    ])
}

fn code(found: &Inspection) -> Option<&str> {
    found.error.as_ref().map(|problem| &*problem.code)
}

#[test]
fn a_small_package_reads_in_one_read() {
    let found = inspect_slice(&apk());
    assert_eq!((found.format, code(&found), found.reads), (Format::Apk, None, 1));
    let package = found.package.unwrap();
    assert_eq!(package.id, "com.example.app");
    assert_eq!(package.version.as_deref(), Some("1.2.3"));
    assert_eq!(package.version_code.as_deref(), Some("7"));
    assert_eq!(package.name.as_deref(), Some("App"));
    assert_eq!(package.architectures, ["x86_64"]);
    assert_eq!(package.details["localizedLabels"]["de"], "Anwendung");
}

#[test]
fn details_say_what_the_system_adds_and_that_a_debugger_may_attach() {
    let manifest = manifest_of(&[(3, 0x12, u32::MAX)]);
    let apk = archive(&[("AndroidManifest.xml", &manifest, CompressionMethod::Deflated)]);
    let found = inspect_slice(&apk);
    assert_eq!((code(&found), &found.anomalies), (None, &vec!["debuggable".to_owned()]));
    let details = found.package.unwrap().details;
    let implied = ["READ_EXTERNAL_STORAGE", "READ_PHONE_STATE", "WRITE_EXTERNAL_STORAGE"];
    assert_eq!(
        details["impliedPermissions"],
        Json::from(implied.map(|name| format!("android.permission.{name}")).to_vec())
    );
    assert_eq!((&details["debuggable"], &details["permissions"]), (&true.into(), &Json::Array(vec![])));
    let brief = Extractor::default().fields(Fields::IDENTITY).inspect_slice(&apk, &Hint::default());
    assert!(brief.anomalies.is_empty());
    assert!(!brief.package.unwrap().details.contains_key("impliedPermissions"));
}

/// The head of a 64-bit ELF file with one loaded segment.
fn elf(alignment: u64) -> Vec<u8> {
    let mut file = vec![0; 64 + 56];
    file[..6].copy_from_slice(b"\x7fELF\x02\x01");
    file[32] = 64;
    file[56] = 1;
    file[64] = 1;
    file[112..].copy_from_slice(&alignment.to_le_bytes());
    file
}

#[test]
fn native_libraries_tell_their_alignment() {
    const PAGE: usize = 16 << 10;
    let mut on_a_page = Entry::stored("lib/arm64-v8a/liba.so", elf(PAGE as u64));
    on_a_page.local.extra = vec![0; PAGE - 30 - on_a_page.name.len()];
    let second = elf(4 * PAGE as u64);
    let apk = ZipBuilder::new()
        .entry(on_a_page)
        .deflated("lib/arm64-v8a/libb.so", [second.as_slice(), &vec![7; 1 << 20]].concat())
        .stored("lib/x86/liba.so", elf(PAGE as u64))
        .stored("lib/x86/libb.so", elf(4096))
        .stored("lib/mips/liba.so", "no library")
        .deflated("lib/x86_64/liba.so", elf(4096))
        .deflated("AndroidManifest.xml", manifest())
        .build();
    let found = inspect_slice(&apk);
    assert_eq!(code(&found), None);
    let package = found.package.unwrap();
    assert_eq!(package.architectures, ["arm64-v8a", "mips", "x86", "x86_64"]);
    let expected = json!({
        "arm64-v8a": { "count": 2, "alignment": 16_384, "zipAligned16k": true },
        "mips": { "count": 1, "alignment": null, "zipAligned16k": false, "unread": 1 },
        "x86": { "count": 2, "alignment": 4_096, "zipAligned16k": false },
        "x86_64": { "count": 1, "alignment": 4_096, "zipAligned16k": null },
    });
    assert_eq!(package.details["nativeLibraries"], expected);
    for limits in [Limits::remote(), Limits { fields: Fields::IDENTITY, ..Limits::default() }] {
        let found = Extractor::new(Default::default(), limits).inspect_slice(&apk, &Hint::default());
        assert!(!found.package.unwrap().details.contains_key("nativeLibraries"));
    }
}

#[test]
fn of_many_native_libraries_some_are_read_of_each_architecture() {
    let mut zip = ZipBuilder::new();
    for (architecture, count) in [("arm64-v8a", 100), ("x86_64", 30)] {
        for number in 0..count {
            let file = [elf(1 << 14), vec![0; 40_000]].concat();
            zip = zip.stored(format!("lib/{architecture}/lib{number}.so"), file);
        }
    }
    let apk = zip.deflated("AndroidManifest.xml", manifest()).build();
    let read = |fields| Extractor::default().fields(fields).inspect_slice(&apk, &Hint::default());
    let (all, identity) = (read(Fields::LIBRARIES), read(Fields::IDENTITY));
    let details = all.package.unwrap().details;
    let libraries = &details["nativeLibraries"];
    assert_eq!(
        (&libraries["arm64-v8a"]["unread"], &libraries["arm64-v8a"]["count"]),
        (&json!(76), &json!(100))
    );
    assert_eq!((&libraries["x86_64"]["unread"], &libraries["x86_64"]["count"]), (&json!(6), &json!(30)));
    assert_eq!(all.reads, identity.reads + 48, "one read for each");
    assert!(all.bytes_read - identity.bytes_read < 48 * (5 << 10));
}

#[test]
fn a_stored_table_is_read_in_parts() {
    let limits =
        Limits { whole_bytes: 0, head_bytes: 64, tail_bytes: 512, window_bytes: 16, ..Limits::default() };
    let extractor = Extractor::new(Default::default(), limits);
    let found = extractor.inspect_slice(&apk(), &Hint::default());
    assert_eq!(found.package.unwrap().details["localizedLabels"]["de"], "Anwendung");
    assert!(found.reads > 4);
}

#[test]
fn limits_end_the_reading() {
    let with = |limits| {
        code(&Extractor::new(Default::default(), limits).inspect_slice(&apk(), &Hint::default()))
            .map(str::to_owned)
    };
    assert_eq!(with(Limits { entries: 2, ..Limits::default() }).as_deref(), Some("E_LIMIT_ENTRIES"));
    assert_eq!(with(Limits { manifest_bytes: 100, ..Limits::default() }).as_deref(), Some("E_LIMIT_INFLATE"));
    assert_eq!(with(Limits { inflated_bytes: 100, ..Limits::default() }).as_deref(), Some("E_LIMIT_INFLATE"));
    assert_eq!(with(Limits { depth: 1, ..Limits::default() }).as_deref(), Some("E_LIMIT_DEPTH"));
    assert_eq!(
        with(Limits { time: std::time::Duration::ZERO, ..Limits::default() }).as_deref(),
        Some("E_LIMIT_TIME")
    );
}

#[test]
fn what_is_no_package_depends_on_the_name() {
    let extractor = Extractor::default();
    let plain = archive(&[("a.txt", b"a", CompressionMethod::Stored)]);
    let verdict = |data: &[u8], name: &str| {
        let found = extractor.inspect_slice(data, &Hint::file_name(name));
        assert_eq!((found.format, found.package.is_some()), (Format::Unknown, false));
        code(&found).map(str::to_owned)
    };
    assert_eq!(verdict(&plain, "a.zip"), None);
    assert_eq!(verdict(&plain, "a.apk").as_deref(), Some("E_MANIFEST_MISSING"));
    assert_eq!(verdict(b"plain text", "a.txt"), None);
    assert_eq!(verdict(b"plain text", "a.apk").as_deref(), Some("E_TYPE_MISMATCH"));
    assert_eq!(verdict(b"P", "a.apk").as_deref(), Some("E_TRUNCATED"));
    assert_eq!(verdict(b"", "a.txt").as_deref(), Some("E_TRUNCATED"));
    let found = extractor.inspect_slice(&apk(), &Hint::file_name("a.ipa"));
    assert_eq!((found.format, code(&found)), (Format::Apk, Some("E_TYPE_MISMATCH")));
}

#[test]
fn what_stands_around_the_archive_is_told() {
    let told = |data: &[u8]| {
        let found = inspect_slice(data);
        assert_eq!(found.package.as_ref().map(|package| &*package.id), Some("com.example.app"));
        (code(&found).unwrap().to_owned(), found.anomalies)
    };
    let word = |anomaly: Anomaly| vec![anomaly.as_str().to_owned()];
    let before = [b"#!/bin/sh\n".as_slice(), &apk()].concat();
    assert_eq!(told(&before), ("E_TYPE_MISMATCH".to_owned(), word(Anomaly::PrefixData)));
    let after = [apk().as_slice(), b"more"].concat();
    assert_eq!(told(&after), ("E_ZIP_AMBIGUOUS".to_owned(), word(Anomaly::TrailingData)));
    let twice = [apk(), apk()].concat();
    assert_eq!(told(&twice).0, "E_ZIP_AMBIGUOUS");
}

#[test]
fn every_cut_is_told() {
    let data = apk();
    for cut in 0..data.len() {
        let found = inspect_slice(&data[..cut]);
        assert_eq!((found.package.is_some(), cut < 4 || code(&found).is_some()), (false, true), "{cut}");
    }
}

fn check(data: &[u8]) {
    let found = inspect_slice(data);
    for anomaly in &found.anomalies {
        assert!(Anomaly::ALL.iter().any(|known| known.as_str() == anomaly), "{anomaly}");
    }
    // the same bytes give the same answer
    assert_eq!(found, inspect_slice(data));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn any_bytes(data in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        check(&data);
        check(&[b"PK\x03\x04".as_slice(), &data].concat());
    }

    #[test]
    fn damaged_archives(changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
        let mut data = apk();
        for (at, value) in &changes {
            let at = at.index(data.len());
            data[at] = *value;
        }
        check(&data);
    }

    #[test]
    fn damaged_content(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        table in any::<bool>(),
    ) {
        let (mut manifest, mut resources) = (manifest(), resources());
        let target = if table { &mut resources } else { &mut manifest };
        for (at, value) in &changes {
            let at = at.index(target.len());
            target[at] = *value;
        }
        check(&archive(&[
            ("AndroidManifest.xml", &manifest, CompressionMethod::Stored),
            ("resources.arsc", &resources, CompressionMethod::Stored),
        ]));
    }
}
