//! IPAs and provisioning profiles: what the builders make reads back, what is broken is refused by its code, and
//! the corpus and the hostile set, where they are present, agree with their truth. Absent ones show as ignored.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]
#![allow(clippy::print_stderr)]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use appdepot_core::inspect::{Format, Hint, Inspection, Platform};
use appdepot_metadata::fixture::ipa::{IpaBuilder, ProfileBuilder};
use appdepot_metadata::fixture::zip::Entry;
use appdepot_metadata::formats::profile::{Profile, ReleaseType};
use appdepot_metadata::plist::{self, Dictionary, Encoding, Value};
use appdepot_metadata::{Extractor, Fields, der, inspect_slice};
use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

mod support {
    pub(crate) mod corpus;
    pub(crate) mod generated;
    pub(crate) mod stack;
}

use support::corpus::{absent, folder};
use support::generated::{SMALL, generate, rows};
use support::stack::on_ordinary_stack;

fn main() {
    let arguments = Arguments::from_args();
    let mut trials = Vec::new();
    for encoding in [Encoding::Binary, Encoding::Xml] {
        trials.push(test(format!("round_trip::{}", encoding.as_str()), move || round_trip(encoding)));
    }
    trials.push(test("round_trip::profile_types", profile_types));
    trials.push(test("entitlements", entitlements));
    trials.push(test("identity::names", names));
    trials.push(test("identity::refused", refused));
    trials.push(test("identity::details", details));
    trials.push(test("icons", icons));
    trials.push(test("architectures", architectures));
    trials.push(test("damage", damage));
    corpus(&mut trials);
    trials.push(hostile());
    libtest_mimic::run(&arguments, trials).exit();
}

fn test(name: impl Into<String>, run: impl Fn() + Send + 'static) -> Trial {
    Trial::test(name, move || {
        run();
        Ok(())
    })
}

fn inspect(data: &[u8]) -> Inspection {
    inspect_slice(data)
}

fn code(found: &Inspection) -> &str {
    found.error.as_ref().map_or("", |problem| problem.code.as_str())
}

fn round_trip(encoding: Encoding) {
    let profile = ProfileBuilder::new("com.example.app", ReleaseType::AdHoc).devices(["a", "b"]).build();
    let ipa = IpaBuilder::new("com.example.app")
        .name("Exam ple")
        .display_name("Beispiel é😀")
        .version("1.2.3")
        .build_number("42")
        .minimum_os("15.0")
        .device_family([1, 2])
        .url_scheme("example")
        .icon("png")
        .profile(profile)
        .encoding(encoding)
        .build();
    let found = inspect(&ipa);
    assert_eq!((found.format, &found.error, &found.anomalies), (Format::Ipa, &None, &vec![]));
    let package = found.package.unwrap();
    assert_eq!(package.id, "com.example.app");
    assert_eq!(package.name.as_deref(), Some("Beispiel é😀"));
    assert_eq!(package.version.as_deref(), Some("1.2.3"));
    assert_eq!(package.version_code.as_deref(), Some("42"));
    assert_eq!(package.min_os.as_deref(), Some("15.0"));
    assert_eq!(package.platform, Some(Platform::Ios));
    assert_eq!(package.icon.as_deref(), Some("Payload/Exam ple.app/AppIcon60x60@2x.png"));
    assert!(package.signers.is_empty() && package.architectures.is_empty());
    assert_eq!(package.details["plistFormat"], encoding.as_str());
    assert_eq!(package.details["UIDeviceFamily"], json!([1, 2]));
    assert_eq!(package.details["urlSchemes"], json!(["example"]));
    assert_eq!(package.details["provisioning"]["type"], "AdHoc");
    assert_eq!(package.details["provisioning"]["releaseType"], "ad-hoc");
    assert_eq!(package.details["provisioning"]["devices"], 2);
    assert!(found.reads <= 4, "{} reads", found.reads);
}

fn profile_types() {
    let certificate = vec![1, 2, 3];
    for release_type in
        [ReleaseType::Development, ReleaseType::AdHoc, ReleaseType::Enterprise, ReleaseType::AppStore]
    {
        for encoding in [Encoding::Binary, Encoding::Xml] {
            let builder = ProfileBuilder::new("*", release_type)
                .name("Wild")
                .uuid("u-1")
                .team("T1")
                .certificate(certificate.clone())
                .encoding(encoding);
            let profile = Profile::read(&builder.build()).unwrap();
            assert_eq!(profile, Profile::read(&builder.list()).unwrap());
            assert_eq!(profile.release_type(), release_type);
            assert_eq!(profile.application_identifier.as_deref(), Some("T1.*"));
            assert_eq!(profile.certificates[0].sha256, hex(&Sha256::digest(&certificate)));
            assert_eq!(profile.expires.unwrap().to_string(), "2024-12-31T00:00:00.000Z");
            let bound = matches!(release_type, ReleaseType::Development | ReleaseType::AdHoc);
            assert_eq!(profile.devices.map(|devices| devices.len()), bound.then_some(1));
            for data in [builder.build(), builder.list()] {
                let found = inspect(&data);
                assert_eq!((found.format, &found.error), (Format::Profile, &None), "{release_type:?}");
                let package = found.package.unwrap();
                assert_eq!((package.id.as_str(), package.name.as_deref()), ("u-1", Some("Wild")));
                assert_eq!(package.details["releaseType"], release_type.as_str());
            }
        }
    }
}

fn entitlements() {
    let mut nested = Dictionary::new();
    nested.push("depth", 1i64);
    for encoding in [Encoding::Binary, Encoding::Xml] {
        let profile = ProfileBuilder::new("com.example.app", ReleaseType::Development)
            .team("T1")
            .entitlement("keychain-access-groups", vec!["T1.*".into(), "com.apple.token".into()])
            .entitlement("com.example.nested", nested.clone())
            .encoding(encoding)
            .build();
        let expected = json!({
            "application-identifier": "T1.com.example.app",
            "get-task-allow": true,
            "keychain-access-groups": ["T1.*", "com.apple.token"],
            "com.example.nested": { "depth": 1 },
        });
        let alone = inspect(&profile).package.unwrap().details;
        assert_eq!(alone["entitlements"], expected);
        let ipa = IpaBuilder::new("com.example.app").profile(profile).build();
        let found = inspect(&ipa);
        // a debugger may attach to what is being developed: nothing odd
        assert!(found.anomalies.is_empty());
        let within = &found.package.unwrap().details["provisioning"];
        assert_eq!(within["entitlements"], expected);
        assert_eq!((&within["appId"], &within["getTaskAllow"]), (&json!("T1.com.example.app"), &json!(true)));
        let brief = Extractor::default().fields(Fields::IDENTITY).inspect_slice(&ipa, &Hint::default());
        assert!(brief.package.unwrap().details["provisioning"].get("entitlements").is_none());
    }
}

fn names() {
    let name = |ipa: IpaBuilder| inspect(&ipa.build()).package.unwrap().name;
    assert_eq!(name(IpaBuilder::new("a.b").name("Short")).as_deref(), Some("Short"));
    assert_eq!(name(IpaBuilder::new("a.b").name("Short").display_name("")).as_deref(), Some("Short"));
    assert_eq!(name(IpaBuilder::new("a.b").name("Short").display_name("Long")).as_deref(), Some("Long"));
    assert_eq!(name(IpaBuilder::new("a.b").display_name("a\0b")).as_deref(), Some("ab"));
}

fn refused() {
    let one = IpaBuilder::new("com.example.app");
    let info = one.info_plist();
    let second = |path: &str| inspect(&one.clone().file(path, info.clone()).build());
    assert_eq!(code(&second("Payload/Other.app/Info.plist")), "E_ZIP_AMBIGUOUS");
    assert_eq!(code(&second("Payload/Other.app/readme")), "E_ZIP_AMBIGUOUS");
    assert_eq!(code(&second("Payload/Example.app/Watch/Other.app/Info.plist")), "");
    let twice = one.zip().entry(Entry::deflated("Payload/Example.app/Info.plist", info.clone())).build();
    assert_eq!(code(&inspect(&twice)), "E_ZIP_AMBIGUOUS");
    let without = appdepot_metadata::fixture::zip::ZipBuilder::new().stored("Payload/A.app/x", "y").build();
    let found = inspect(&without);
    assert_eq!((found.format, code(&found)), (Format::Ipa, "E_MANIFEST_MISSING"));
    for (info, expected) in [
        (&b"<plist><dict/></plist>"[..], "E_MANIFEST_INVALID"),
        (b"<plist><array/></plist>", "E_MANIFEST_INVALID"),
        (b"<plist><dict>", "E_TRUNCATED"),
        (b"bplist00", "E_TRUNCATED"),
        (b"PK\x03\x04", "E_MANIFEST_INVALID"),
        (b"<!DOCTYPE plist [<!ENTITY a 'b'>]><plist><dict/></plist>", "E_XML_DTD"),
    ] {
        let zip = appdepot_metadata::fixture::zip::ZipBuilder::new();
        let found = inspect(&zip.deflated("Payload/A.app/Info.plist", info).build());
        assert_eq!((code(&found), &found.package), (expected, &None));
    }
    let twice = one.clone().info("CFBundleIdentifier", "com.example.other").build();
    assert_eq!(code(&inspect(&twice)), "E_MANIFEST_INVALID");
    let same = one.clone().info("CFBundleIdentifier", "com.example.app").build();
    assert_eq!(code(&inspect(&same)), "");
    let found = inspect(&IpaBuilder::new("com.example\"><x>").build());
    assert_eq!((code(&found), found.package.is_some()), ("E_MANIFEST_INVALID", true));
    assert_eq!(code(&inspect(&IpaBuilder::new("a".repeat(2000)).build())), "E_LIMIT_STRING");
    let bad_profile = one.clone().profile("not a profile").build();
    let found = inspect(&bad_profile);
    assert_eq!((code(&found), &found.anomalies), ("", &vec!["signature-invalid".to_owned()]));
}

fn details() {
    let mut entry = Dictionary::new();
    entry.push("CFBundleURLSchemes", vec!["one".into(), "two".into()]);
    let ipa = IpaBuilder::new("com.example.app")
        .info("CFBundleVersion", "1")
        .info("CFBundleURLTypes", vec![entry.into(), Value::Boolean(true)])
        .info("UIBackgroundModes", vec!["fetch".into()])
        .file("Payload/Example.app/Frameworks/B.framework/B", "")
        .file("Payload/Example.app/Frameworks/A.framework/A", "")
        .file("Payload/Example.app/Frameworks/libswift.dylib", "")
        .file("Payload/Example.app/PlugIns/Share.appex/Info.plist", "")
        .file("Payload/Example.app/Assets.car", "")
        .build();
    let package = inspect(&ipa).package.unwrap();
    assert_eq!(package.details["urlSchemes"], json!(["one", "two"]));
    assert_eq!(package.details["UIBackgroundModes"], json!(["fetch"]));
    assert_eq!(package.details["frameworks"], json!(["A.framework", "B.framework"]));
    assert_eq!(package.details["plugins"], json!(["Share.appex"]));
    assert_eq!(package.details["assetsCar"], true);
    assert_eq!(package.details["infoPath"], "Payload/Example.app/Info.plist");
    let numbers =
        IpaBuilder::new("a.b").info("CFBundleVersion", 7i64).info("MinimumOSVersion", Value::Real(9.5));
    // The builder's own text comes first, the last one counts, and here that is another value.
    assert_eq!(code(&inspect(&numbers.build())), "E_MANIFEST_INVALID");
}

fn icons() {
    let with = |files: &[&str]| {
        let names = vec!["Icon.png".into(), "Icon-72".into(), "AppIcon-160x60".into()];
        let mut ipa = IpaBuilder::new("a.b").info("CFBundleIconFiles", names);
        for file in files {
            ipa = ipa.file(format!("Payload/Example.app/{file}"), "png");
        }
        inspect(&ipa.build())
    };
    let best = |files: &[&str]| with(files).package.unwrap().icon;
    let all =
        ["Icon.png", "AppIcon-160x60@3x.png", "Icon-72@2x~ipad.png", "Icon-720.png", "x/Icon-72@3x.png"];
    assert_eq!(best(&all).as_deref(), Some("Payload/Example.app/AppIcon-160x60@3x.png"));
    assert_eq!(best(&["Icon.png"]).as_deref(), Some("Payload/Example.app/Icon.png"));
    let found = with(&["other.png"]);
    assert_eq!(found.anomalies, ["icon-missing"]);
    assert_eq!(found.package.unwrap().icon, None);
    assert!(with(&["Assets.car"]).anomalies.is_empty());
}

fn architectures() {
    let mut code = vec![0xcf, 0xfa, 0xed, 0xfe, 12, 0, 0, 1, 0, 0, 0, 0];
    code.extend((0..200_000u32).map(|byte| (byte.wrapping_mul(2_654_435_761) >> 13) as u8));
    let ipa = IpaBuilder::new("a.b").file("Payload/Example.app/Example", code).build();
    let found = inspect(&ipa);
    assert_eq!(found.package.unwrap().architectures, ["arm64"]);
    assert!(found.bytes_read < 64 << 10, "the executable is not read whole: {}", found.bytes_read);
}

/// No cut and no changed byte makes it panic, and a cut file has no package.
fn damage() {
    let profile = ProfileBuilder::new("com.example.app", ReleaseType::Development).build();
    let ipa = IpaBuilder::new("com.example.app").icon("png").profile(profile.as_slice()).build();
    for data in [&ipa, &profile] {
        let whole = inspect(data);
        assert!(whole.package.is_some() && whole.error.is_none());
        for cut in 0..data.len() {
            let found = inspect(&data[..cut]);
            assert!(found.package.is_none(), "cut at {cut}");
        }
        let mut random = 1u32;
        for at in 0..data.len() {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let mut changed = data.clone();
            changed[at] ^= (random >> 24) as u8 | 1;
            let found = inspect(&changed);
            assert!(found.error.is_none_or(|problem| problem.code.starts_with("E_")));
        }
    }
}

/// One trial for each IPA, profile and plain certificate of the corpus.
fn corpus(trials: &mut Vec<Trial>) {
    let truth = folder("APPDEPOT_CORPUS", "corpus").and_then(|folder| {
        let text = std::fs::read(folder.join("truth.json")).ok()?;
        Some((folder, serde_json::from_slice::<Json>(&text).unwrap()))
    });
    let Some((folder, truth)) = truth else {
        eprintln!("no corpus: set APPDEPOT_CORPUS to compare with real files");
        trials.push(absent("corpus", "APPDEPOT_CORPUS"));
        return;
    };
    for (name, record) in truth["other"].as_object().unwrap() {
        let path = folder.join(name);
        let compare: fn(&[u8], &Inspection, &Json) -> Vec<String> =
            match path.extension().and_then(|one| one.to_str()) {
                Some("ipa") => compare_ipa,
                Some("mobileprovision") => compare_profile,
                _ if record["kind"] == "x509" => compare_certificate,
                _ => continue,
            };
        if !path.is_file() {
            continue;
        }
        let record = record.clone();
        trials.push(Trial::test(format!("corpus::{name}"), move || {
            let data = std::fs::read(&path)?;
            let hint = Hint::file_name(path.file_name().unwrap().to_string_lossy());
            let found = Extractor::default().inspect_slice(&data, &hint);
            let differences = compare(&data, &found, &record);
            if differences.is_empty() { Ok(()) } else { Err(Failed::from(differences.join("\n"))) }
        }));
    }
}

fn compare_ipa(_: &[u8], found: &Inspection, truth: &Json) -> Vec<String> {
    let mut differences = Vec::new();
    if truth.get("error").is_some() {
        if found.package.is_some() || code(found) != "E_MANIFEST_MISSING" {
            differences.push(format!("a package or another error: {found:?}"));
        }
        return differences;
    }
    if found.format != Format::Ipa {
        differences.push(format!("format {:?}", found.format));
    }
    let Some(package) = &found.package else { return vec![format!("no package: {:?}", found.error)] };
    let fields = [
        ("CFBundleIdentifier", Some(package.id.as_str())),
        ("displayName", package.name.as_deref()),
        ("CFBundleShortVersionString", package.version.as_deref()),
        ("CFBundleVersion", package.version_code.as_deref()),
        ("MinimumOSVersion", package.min_os.as_deref()),
    ];
    for (key, ours) in fields {
        if truth[key].as_str() != ours {
            differences.push(format!("{key}: {ours:?}, truth {}", truth[key]));
        }
    }
    let details = Json::Object(package.details.clone());
    for (key, value) in truth.as_object().unwrap() {
        match key.as_str() {
            "set" | "kind" => {}
            "provisioning" => {
                differences.extend(different("provisioning.", &details[key], value));
                let all = &details[key]["entitlements"];
                for (entitlement, field) in
                    [("application-identifier", "appId"), ("get-task-allow", "getTaskAllow")]
                {
                    if all[entitlement] != value[field] {
                        differences.push(format!("{entitlement}: {all}, truth {value}"));
                    }
                }
            }
            "iconFiles" => {
                // Truth adds what the picture headers say, which are not read.
                let paths = |list: &Json| -> BTreeSet<String> {
                    let list = list.as_array().unwrap();
                    list.iter().map(|one| one["path"].as_str().unwrap().to_owned()).collect()
                };
                if paths(&details[key]) != paths(value) {
                    differences.push(format!("{key}: {}, truth {value}", details[key]));
                }
                let largest = value.as_array().unwrap().iter().map(|one| one["w"].as_u64()).max().flatten();
                let best = value
                    .as_array()
                    .unwrap()
                    .iter()
                    .find(|one| one["path"].as_str() == package.icon.as_deref());
                if best.and_then(|one| one["w"].as_u64()) != largest {
                    differences.push(format!("icon {:?} is not the largest", package.icon));
                }
            }
            _ => differences.extend(different("", &json!({key: details[key]}), &json!({key: value}))),
        }
    }
    differences
}

fn compare_profile(data: &[u8], found: &Inspection, truth: &Json) -> Vec<String> {
    if found.format != Format::Profile {
        return vec![format!("format {:?}, {:?}", found.format, found.error)];
    }
    let Some(package) = &found.package else { return vec![format!("no package: {:?}", found.error)] };
    if truth.get("error").is_some() {
        // Two real profiles, one bare and one with a cut certificate, that the reference tool could not read.
        return Vec::new();
    }
    let details = Json::Object(package.details.clone());
    let mut differences = different("", &details, truth);
    // what another reader makes of the list, where it stands in one piece
    let position = |word: &[u8]| data.windows(word.len()).position(|window| window == word);
    let list = position(b"<?xml").zip(position(b"</plist>")).map(|(start, end)| &data[start..end + 8]);
    let list = list.or_else(|| data.starts_with(b"bplist").then_some(data));
    let list = ::plist::Value::from_reader(std::io::Cursor::new(list.unwrap())).unwrap();
    let expected = serde_json::to_value(&list.as_dictionary().unwrap()["Entitlements"]).unwrap();
    if details["entitlements"] != expected {
        differences.push(format!("entitlements: {}, truth {expected}", details["entitlements"]));
    }
    differences
}

/// Where `ours` differs from `truth`; a `null` there is a key left out here, and its dates are spelled otherwise.
fn different(prefix: &str, ours: &Json, truth: &Json) -> Vec<String> {
    let mut differences = Vec::new();
    let Some(truth) = truth.as_object() else {
        return if ours.is_null() { differences } else { vec![format!("{prefix}: {ours}, truth none")] };
    };
    for (key, expected) in truth {
        let expected = match expected.as_str() {
            _ if key == "set" || key == "kind" => continue,
            Some(date) if key.ends_with("Date") => json!(format!("{}.000Z", date.replace(' ', "T"))),
            _ => expected.clone(),
        };
        if ours[key] != expected {
            differences.push(format!("{prefix}{key}: {}, truth {expected}", ours[key]));
        }
    }
    differences
}

fn compare_certificate(data: &[u8], _: &Inspection, truth: &Json) -> Vec<String> {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    let text = String::from_utf8_lossy(data);
    let decoded;
    let mut count = 1;
    let data = match text.split_once(BEGIN).and_then(|(_, rest)| rest.split_once("-----END")) {
        Some((base64, _)) => {
            count = text.matches(BEGIN).count();
            let list = plist::read(format!("<plist><data>{base64}</data></plist>").as_bytes());
            decoded = list.unwrap().as_data().unwrap().to_vec();
            &decoded[..]
        }
        None => data,
    };
    let Some(certificate) = der::Certificate::read(data) else { return vec!["not read".to_owned()] };
    let time = |time: appdepot_core::domain::Timestamp| {
        time.to_string().replace('T', " ").replace(".000Z", "+00:00")
    };
    let ours = json!({
        "serial": certificate.serial,
        "issuer": certificate.issuer.text,
        "subject": certificate.subject.text,
        "notBefore": time(certificate.not_before),
        "notAfter": time(certificate.not_after),
        "sha256": hex(&Sha256::digest(certificate.raw)),
        "n": count,
    });
    different("", &ours, truth)
}

/// The hostile property lists and IPAs, on the stack of an ordinary thread.
fn hostile() -> Trial {
    let Some(generator) = folder("APPDEPOT_HOSTILE", "hostile") else {
        eprintln!("no hostile set: set APPDEPOT_HOSTILE to the folder of its generator");
        return absent("hostile", "APPDEPOT_HOSTILE");
    };
    Trial::test("hostile::ipa_and_plist", move || {
        let folder = generate(&generator, Some(SMALL))?;
        let table = std::fs::read_to_string(folder.path().join("expected.tsv"))?;
        let run = move || {
            let mut failures = Vec::new();
            let mut count = 0;
            for [file, expected, ceiling, _] in rows(&table) {
                if !file.ends_with(".ipa") && !file.ends_with(".plist") {
                    continue;
                }
                count += 1;
                let data = std::fs::read(folder.path().join(file)).unwrap();
                let start = Instant::now();
                let verdict = if file.ends_with(".ipa") {
                    let found = inspect(&data);
                    if file.starts_with("control/") {
                        let package = found.package.unwrap();
                        assert_eq!(
                            (&*package.id, package.version.as_deref()),
                            ("com.example.control", Some("1.2.3"))
                        );
                    }
                    found.error.map(|problem| problem.code)
                } else {
                    match plist::read(&data) {
                        Ok(value) if value.as_dictionary().is_some() => None,
                        Ok(_) => Some("E_MANIFEST_INVALID".to_owned()),
                        Err(error) => Some(error.code().to_owned()),
                    }
                };
                let taken = start.elapsed();
                if !acceptable(verdict.as_deref(), expected)
                    || taken > Duration::from_millis(ceiling.parse().unwrap())
                {
                    failures.push(format!("{file}: {verdict:?} in {taken:?}, expected {expected}"));
                }
            }
            (count, failures)
        };
        let (count, failures) = on_ordinary_stack(run)?;
        if count < 128 || !failures.is_empty() {
            return Err(format!("{count} files\n{}", failures.join("\n")).into());
        }
        Ok(())
    })
}

/// The table names codes, and choices in words.
fn acceptable(verdict: Option<&str>, expected: &str) -> bool {
    let mut codes = expected
        .split(|one: char| !one.is_ascii_alphanumeric() && one != '_')
        .filter(|word| word.starts_with("E_"));
    match verdict {
        None => ["ACCEPT", "one fixed choice", "U+FFFD"].iter().any(|word| expected.contains(word)),
        Some(code) => {
            expected.contains("REJECT") && (codes.clone().count() == 0 || codes.any(|one| one == code))
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
