//! Windows formats: the corpus against what msiinfo, pefile and an XML reader said, the generated hostile files
//! against what is acceptable, small packages against what was put into them, and damage of every kind.
//!
//! The corpus is looked for at `APPDEPOT_CORPUS`, the hostile files at `APPDEPOT_HOSTILE`, both else beside the
//! checkout; what is absent shows as ignored.
#![allow(clippy::print_stdout, missing_docs)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use appdepot_core::inspect::{Format, Hint, Inspection};
use appdepot_metadata::fixture::exe::ExeBuilder;
use appdepot_metadata::fixture::msi::MsiBuilder;
use appdepot_metadata::fixture::msix::MsixBuilder;
use appdepot_metadata::fixture::zip::ZipBuilder;
use appdepot_metadata::{Extractor, inspect_file, inspect_slice};
use libtest_mimic::{Arguments, Failed, Trial};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value as Json, json};

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

/// Kinds by folder of the corpus.
const KINDS: [(&str, Format); 3] = [("msi", Format::Msi), ("exe", Format::Exe), ("msix", Format::Msix)];

/// Where this crate and the tools differ on purpose: file, field, why.
const EXPLAINED: &[(&str, &str, &str)] = &[];

fn main() {
    let arguments = Arguments::from_args();
    let mut trials = vec![
        test("msi::fields", msi_fields),
        test("msi::strings", msi_strings),
        test("msi::refusals", msi_refusals),
        test("exe::fields", exe_fields),
        test("exe::payload", exe_payload),
        test("msix::package", msix_package),
        test("msix::bundle", msix_bundle),
        test("msix::refusals", msix_refusals),
        test("damage::cuts_and_changes", damage),
        test("damage::arbitrary", arbitrary),
    ];
    match folder("APPDEPOT_CORPUS", "corpus").filter(|path| path.join("truth.json").is_file()) {
        Some(path) => trials.push(Trial::test("corpus::windows", move || corpus(&path))),
        None => trials.push(absent("corpus", "APPDEPOT_CORPUS")),
    }
    match Files::find("msi") {
        Some(files) => trials.push(Trial::test("hostile::windows", move || hostile(files))),
        None => trials.push(absent("hostile", "APPDEPOT_HOSTILE")),
    }
    libtest_mimic::run(&arguments, trials).exit();
}

fn test(name: &str, run: fn()) -> Trial {
    Trial::test(name, move || {
        run();
        Ok(())
    })
}

fn code(found: &Inspection) -> Option<&str> {
    found.error.as_ref().map(|problem| &*problem.code)
}

fn msi_fields() {
    let data = MsiBuilder::new()
        .property("ProductName", "Example")
        .property("Manufacturer", "Maker")
        .property("UpgradeCode", "{11111111-2222-3333-4444-555555555555}")
        .property("ProductLanguage", "1031")
        .property("Unrelated", "no")
        .template("Arm64,x64;1031,1033")
        .build();
    let found = inspect_slice(&data);
    assert_eq!((found.format, code(&found)), (Format::Msi, None));
    let package = found.package.unwrap();
    assert_eq!(
        serde_json::to_value(package).unwrap(),
        json!({
            "id": "{01234567-89AB-CDEF-0123-456789ABCDEF}",
            "name": "Example",
            "version": "1.2.3",
            "platform": "windows",
            "architectures": ["arm64", "x64"],
            "details": {
                "Manufacturer": "Maker",
                "ProductCode": "{01234567-89AB-CDEF-0123-456789ABCDEF}",
                "ProductLanguage": "1031",
                "ProductName": "Example",
                "ProductVersion": "1.2.3",
                "UpgradeCode": "{11111111-2222-3333-4444-555555555555}",
                "languages": ["1031", "1033"],
                "platform": ["Arm64", "x64"],
                "signed": false,
                "suminfo": {"Template": "Arm64,x64;1031,1033"},
            },
        })
    );
}

fn msi_strings() {
    let name = |builder: MsiBuilder| inspect_slice(&builder.build()).package.unwrap().name.unwrap();
    let japanese = [0x93u8, 0xfa, 0x96, 0x7b];
    assert_eq!(name(MsiBuilder::new().code_page(932).property("ProductName", japanese)), "日本");
    assert_eq!(name(MsiBuilder::new().property("ProductName", b"caf\xe9".to_vec())), "café");
    assert_eq!(name(MsiBuilder::new().code_page(65001).property("ProductName", "é").wide()), "é");
    assert_eq!(name(MsiBuilder::new().code_page(0xffff).property("ProductName", vec![0xff])), "\u{fffd}");
    // long strings and many of them leave the mini stream
    let mut builder = MsiBuilder::new().property("Long", "x".repeat(70_000)).property("ProductName", "after");
    for number in 0..3_000 {
        builder = builder.property(format!("P{number}"), format!("value {number}"));
    }
    assert_eq!(name(builder.wide()), "after");
}

fn msi_refusals() {
    let refused = |data: &[u8]| code(&inspect_slice(data)).map(str::to_owned);
    let odd = inspect_slice(&MsiBuilder::new().property("ProductCode", "../x").build());
    assert_eq!((code(&odd), &*odd.package.as_ref().unwrap().id), (Some("E_MANIFEST_INVALID"), "../x"));
    let none = MsiBuilder::new().property("ProductCode", "").build();
    assert_eq!(refused(&none).as_deref(), Some("E_MANIFEST_INVALID"));
    let twice = MsiBuilder::new().stream("\u{5}SummaryInformation", "x").build();
    assert_eq!(refused(&twice).as_deref(), Some("E_ZIP_AMBIGUOUS"));
    let signed = inspect_slice(&MsiBuilder::new().stream("\u{5}DigitalSignature", "x").build());
    assert_eq!((code(&signed), &*signed.anomalies), (None, &["signature-invalid".to_owned()][..]));
    // a compound file that is no database
    let mut other = MsiBuilder::new().build();
    let name = 0x3f3fu16.to_le_bytes();
    let at = other.windows(2).position(|pair| pair == name).unwrap();
    other[at] ^= 1;
    let found = Extractor::default().inspect_slice(&other, &Hint::file_name("a.msi"));
    assert_eq!((found.format, code(&found)), (Format::Unknown, Some("E_MANIFEST_MISSING")));
    assert_eq!(inspect_slice(&other).error, None);
    let named = Extractor::default().inspect_slice(&MsiBuilder::new().build(), &Hint::file_name("a.apk"));
    assert_eq!((named.format, code(&named)), (Format::Msi, Some("E_TYPE_MISMATCH")));
}

fn exe_fields() {
    let data = ExeBuilder::new([1, 2, 3, 4])
        .text("ProductName", " Example ")
        .text("ProductVersion", "1.2 beta")
        .text("CompanyName", "Maker\u{e9}")
        .library()
        .machine(0xaa64)
        .build();
    let found = inspect_slice(&data);
    assert_eq!((found.format, code(&found)), (Format::Exe, None));
    assert_eq!(
        serde_json::to_value(found.package.unwrap()).unwrap(),
        json!({
            "id": "Example",
            "name": "Example",
            "version": "1.2 beta",
            "versionCode": "1.2.3.4",
            "platform": "windows",
            "architectures": ["arm64"],
            "minOs": "10.0",
            "details": {
                "fixedFileVersion": "1.2.3.4",
                "isDll": true,
                "machine": "0xaa64",
                "pe32plus": true,
                "signed": false,
                "subsystem": 3,
                "timestamp": 1_700_000_000,
                "version": {
                    "ProductName": " Example ", "ProductVersion": "1.2 beta", "CompanyName": "Maker\u{e9}"
                },
            },
        })
    );
    let signed = inspect_slice(&ExeBuilder::new([1, 0, 0, 0]).signature(b"not PKCS#7").build());
    assert_eq!((code(&signed), &*signed.anomalies), (None, &["signature-invalid".to_owned()][..]));
    assert_eq!(signed.package.unwrap().details["signed"], true);
}

/// A self-extracting archive is the program it starts as.
fn exe_payload() {
    let mut data = ExeBuilder::new([1, 0, 0, 0]).text("ProductName", "Setup").build();
    data.extend(ZipBuilder::new().stored("AndroidManifest.xml", "x").build());
    let found = inspect_slice(&data);
    assert_eq!((found.format, code(&found)), (Format::Exe, None));
    let named = Extractor::default().inspect_slice(&data, &Hint::file_name("a.apk"));
    assert_eq!((named.format, code(&named)), (Format::Exe, Some("E_TYPE_MISMATCH")));
}

fn msix_package() {
    let data = MsixBuilder::new("Example.App", "1.2.3.0")
        .xml("<Capabilities><Capability Name='internetClient'/></Capabilities>")
        .file("Assets/Logo.scale-100.png", "small")
        .file("Assets/Logo.scale-200.png", "large")
        .file("AppxSignature.p7x", "PKCXnone")
        .build();
    let found = inspect_slice(&data);
    assert_eq!((found.format, code(&found)), (Format::Msix, None));
    assert_eq!(found.anomalies, ["signature-invalid"]);
    assert_eq!(
        serde_json::to_value(found.package.unwrap()).unwrap(),
        json!({
            "id": "Example.App",
            "name": "Example App",
            "version": "1.2.3.0",
            "platform": "windows",
            "architectures": ["x64"],
            "minOs": "10.0.17763.0",
            "icon": "Assets/Logo.scale-200.png",
            "details": {
                "DisplayName": "Example App",
                "Logo": "Assets\\Logo.png",
                "Name": "Example.App",
                "PackageFamilyName": "Example.App_s2ne61n4j7kre",
                "ProcessorArchitecture": "x64",
                "Publisher": "CN=Example",
                "PublisherDisplayName": "Example",
                "TargetDeviceFamily": [{
                    "MaxVersionTested": "10.0.22000.1", "MinVersion": "10.0.17763.0", "Name": "Windows.Desktop"
                }],
                "Version": "1.2.3.0",
                "bundle": false,
                "capabilities": ["internetClient"],
                "manifest": "AppxManifest.xml",
                "signed": true,
            },
        })
    );
}

fn msix_bundle() {
    let bundle =
        MsixBuilder::new("Example.App", "1.0.0.0").bundled("a.msix", "x64").bundled("b.msix", "arm64");
    let package = inspect_slice(&bundle.build()).package.unwrap();
    assert_eq!(package.architectures, ["arm64", "x64"]);
    assert_eq!(package.details["bundle"], true);
    assert_eq!(
        package.details["packages"][1],
        json!({"Type": "application", "Version": "1.0.0.0", "Architecture": "arm64", "FileName": "b.msix"})
    );
}

fn msix_refusals() {
    let refused = |manifest: &str| {
        let found = inspect_slice(&ZipBuilder::new().deflated("AppxManifest.xml", manifest).build());
        code(&found).map(str::to_owned)
    };
    let manifest = MsixBuilder::new("Example.App", "1.0.0.0").manifest();
    assert_eq!(refused(&manifest), None);
    for (from, to, code) in [
        ("<Package", "<!DOCTYPE x [<!ENTITY e 'x'>]><Package", "E_XML_DTD"),
        ("Name=\"Example.App\"", "Name=\"../x\"", "E_MANIFEST_INVALID"),
        ("Name=\"Example.App\"", "Name=\"\"", "E_MANIFEST_INVALID"),
        ("Version=\"1.0.0.0\"", "Version=\"1.0\n\"", "E_MANIFEST_INVALID"),
        ("<Properties>", "<Identity Name='E'/><Properties>", "E_MANIFEST_INVALID"),
        ("<Package xmlns", "<Bundle xmlns", "E_MANIFEST_INVALID"),
        ("encoding=\"utf-8\"", "encoding=\"utf-7\"", "E_UNSUPPORTED"),
    ] {
        assert_eq!(refused(&manifest.replacen(from, to, 1)).as_deref(), Some(code), "{to}");
    }
    let both = MsixBuilder::new("A", "1.0.0.0").file("AppxMetadata/AppxBundleManifest.xml", "<Bundle/>");
    assert_eq!(code(&inspect_slice(&both.build())), Some("E_ZIP_AMBIGUOUS"));
}

fn fixtures() -> Vec<Vec<u8>> {
    vec![
        MsiBuilder::new().property("ProductName", "Example").property("Long", "x".repeat(5_000)).build(),
        ExeBuilder::new([1, 2, 3, 4]).text("ProductName", "Example").signature(b"none").build(),
        MsixBuilder::new("Example.App", "1.0.0.0").build(),
    ]
}

/// Every cut, and one change of each byte.
fn damage() {
    for data in fixtures() {
        for cut in 0..data.len() {
            inspect_slice(&data[..cut]);
        }
        let mut random = 1u32;
        for at in 0..data.len() {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let mut changed = data.clone();
            changed[at] ^= (random >> 24) as u8 | 1;
            let found = inspect_slice(&changed);
            assert!(found.error.is_none_or(|problem| problem.code.starts_with("E_")));
        }
    }
}

/// Bytes behind each magic number, and fixtures with several runs of bytes replaced.
fn arbitrary() {
    let mut runner = TestRunner::new(Config { cases: 512, failure_persistence: None, ..Config::default() });
    let magics = prop::sample::select(vec![
        &[0xd0u8, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1][..],
        b"MZ",
        b"PK\x03\x04",
        b"<?xml",
    ]);
    let bytes = (magics, prop::collection::vec(any::<u8>(), 0..4_096));
    runner
        .run(&bytes, |(magic, rest)| {
            inspect_slice(&[magic, &rest].concat());
            Ok(())
        })
        .unwrap();
    let fixtures = fixtures();
    let edit = (any::<prop::sample::Index>(), prop::collection::vec(any::<u8>(), 1..9));
    let edits = (0..fixtures.len(), prop::collection::vec(edit, 1..6));
    runner
        .run(&edits, |(which, edits)| {
            let mut data = fixtures[which].clone();
            for (at, bytes) in edits {
                let at = at.index(data.len());
                let end = (at + bytes.len()).min(data.len());
                data[at..end].copy_from_slice(&bytes[..end - at]);
            }
            inspect_slice(&data);
            Ok(())
        })
        .unwrap();
}

/// What agreed, what did not, what was not there, by field.
#[derive(Default)]
struct Score {
    counts: BTreeMap<String, [usize; 3]>,
    lines: String,
    unexplained: usize,
}

impl Score {
    fn add(&mut self, file: &str, field: &str, ours: &Json, truth: &Json) {
        let kind = file.split('/').next().unwrap();
        let counts = self.counts.entry(format!("{kind} {field}")).or_default();
        if ours == truth {
            counts[0] += 1;
            return;
        }
        let reason = EXPLAINED.iter().find(|(name, about, _)| *name == file && *about == field);
        counts[if reason.is_none() && ours.is_null() { 2 } else { 1 }] += 1;
        self.unexplained += usize::from(reason.is_none());
        let reason = reason.map_or("UNEXPLAINED", |(_, _, reason)| reason);
        writeln!(self.lines, "  {file} {field}: ours {ours}, truth {truth}\n      {reason}").unwrap();
    }
}

fn corpus(folder: &Path) -> Result<(), Failed> {
    let truth: Json = serde_json::from_slice(&fs::read(folder.join("truth.json"))?)?;
    let mut score = Score::default();
    let mut files: BTreeMap<&str, usize> = BTreeMap::new();
    for (file, truth) in truth["other"].as_object().unwrap() {
        let path = folder.join(file);
        let Some((kind, format)) = KINDS.iter().find(|(kind, _)| file.starts_with(&format!("{kind}/")))
        else {
            continue;
        };
        if !path.exists() {
            continue;
        }
        *files.entry(kind).or_default() += 1;
        let found = inspect_file(&path)?;
        if truth.get("error").is_some() {
            score.add(file, "refused", &found.error.is_some().into(), &true.into());
            continue;
        }
        score.add(file, "format", &found.format.as_str().into(), &format.as_str().into());
        let package = found.package.clone().unwrap_or_default();
        let details = Json::Object(package.details.clone());
        let identity = match *kind {
            "msi" => [&truth["ProductCode"], &truth["ProductName"], &truth["ProductVersion"]],
            "msix" => [&truth["Name"], &truth["DisplayName"], &truth["Version"]],
            _ => {
                let version = &truth["version"];
                [&version["ProductName"], &version["ProductName"], &version["ProductVersion"]]
            }
        };
        if identity[0].is_string() {
            score.add(file, "id", &package.id.as_str().into(), identity[0]);
        }
        let resource = |name: &Json| name.as_str().is_some_and(|name| name.starts_with("ms-resource:"));
        let name = if resource(identity[1]) { &Json::Null } else { identity[1] };
        score.add(file, "name", &package.name.into(), name);
        score.add(file, "version", &package.version.into(), identity[2]);
        for (field, expected) in truth.as_object().unwrap() {
            match field.as_str() {
                // of the corpus itself, or of tables that are not read
                "set" | "rc" | "tables" => {}
                "suminfo" => summary(&mut score, file, &details[field], expected),
                _ => score.add(file, field, &details[field], expected),
            }
        }
        let signed = truth["signed"] == true || package.details.get("signed") == Some(&true.into());
        if signed {
            score.add(file, "signer found", &(!package.signers.is_empty()).into(), &true.into());
        }
    }
    println!("files {files:?}; agreed / disagreed / failed");
    for (field, [agreed, disagreed, failed]) in &score.counts {
        println!("  {field:<28} {agreed:>4} {disagreed:>4} {failed:>4}");
    }
    print!("{}", score.lines);
    if files.len() < KINDS.len() || score.unexplained > 0 {
        return Err(
            format!("{files:?}, {} disagreements unexplained\n{}", score.unexplained, score.lines).into()
        );
    }
    Ok(())
}

/// The tool writes numbers twice, `200 (c8)`, and times in the manner of C.
fn summary(score: &mut Score, file: &str, ours: &Json, truth: &Json) {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    for (field, expected) in truth.as_object().unwrap() {
        let text = expected.as_str().unwrap();
        let expected = match field.as_str() {
            // not taken over
            "Restrict" => continue,
            "Created" | "Last saved" | "Last printed" => {
                let parts: Vec<&str> = text.split_whitespace().collect();
                let month = MONTHS.find(parts[1]).unwrap() / 3 + 1;
                let day: u8 = parts[2].parse().unwrap();
                json!(format!("{}-{month:02}-{day:02}T{}", parts[4], parts[3]))
            }
            "Security" | "Source" | "Version" => {
                json!(text.split(' ').next().unwrap().parse::<i64>().unwrap())
            }
            _ => expected.clone(),
        };
        let ours = match ours[field].as_str().filter(|_| text.contains(':') && text.len() == 24) {
            Some(time) => json!(time[..19]),
            None => ours[field].clone(),
        };
        score.add(file, &format!("suminfo {field}"), &ours, &expected);
    }
}

/// Verdicts that differ from the table, and why ours stands.
const OTHER_VERDICTS: &[(&str, &str, &str)] = &[
    ("msi/dir_start_in_stream.msi", "E_MANIFEST_INVALID", "the table's code is not among the closed ones"),
    ("msi/dir_fat_cross.msi", "E_MANIFEST_INVALID", "the table's code is not among the closed ones"),
    ("xml/attr_value_8mib.msix", "E_LIMIT_STRING", "the small form does not reach the inflation limit"),
];

/// On the stack of an ordinary thread, so that deep recursion would show.
fn hostile(files: Files) -> Result<(), Failed> {
    on_ordinary_stack(move || hostile_verdicts(files.path()))?.map_err(Failed::from)
}

fn hostile_verdicts(files: &Path) -> Result<(), String> {
    let table = fs::read_to_string(files.join("expected.tsv")).unwrap();
    let extractor = Extractor::default();
    let mut groups: BTreeMap<&str, usize> = BTreeMap::new();
    let mut failures = String::new();
    let mut slowest = Duration::ZERO;
    for [file, acceptable, ceiling, _] in rows(&table) {
        let path = files.join(file);
        if ![".msi", ".exe", ".msix"].iter().any(|end| file.ends_with(end)) || !path.exists() {
            continue;
        }
        let data = fs::read(&path).unwrap();
        let hint = Hint::file_name(file.rsplit('/').next().unwrap());
        let started = Instant::now();
        let found = extractor.inspect_slice(&data, &hint);
        let taken = started.elapsed();
        slowest = slowest.max(taken);
        *groups.entry(file.split('/').next().unwrap()).or_default() += 1;
        if taken > Duration::from_millis(ceiling.parse().unwrap()) {
            writeln!(failures, "{file}: took {taken:?}, ceiling {ceiling} ms").unwrap();
        }
        let code = code(&found);
        if file == "control/ok.msi" || file == "control/ok.msix" {
            let package = found.package.as_ref().expect("control file without a package");
            println!("{file}: {} {:?} {:?}", package.id, package.name, package.version);
        }
        let ours = OTHER_VERDICTS.iter().any(|(name, other, _)| *name == file && code == Some(*other));
        if !ours && !is_acceptable(code, acceptable, ACCEPTING) {
            writeln!(failures, "{file}: {code:?} {:?}, acceptable: {acceptable}", found.anomalies).unwrap();
        }
    }
    println!("hostile files by group: {groups:?}, slowest {slowest:?}");
    if groups.is_empty() || !failures.is_empty() {
        return Err(failures);
    }
    Ok(())
}

/// Words of the table by which a file may be accepted.
const ACCEPTING: &[&str] =
    &["ACCEPT", "skip", "bounded", "one fixed choice", "first wins", "lossy", "opaque", "no version info"];
