//! App bundles, split sets, Linux and macOS packages against other readers: the corpus against what the platforms'
//! own tools said, the generated hostile files against what is acceptable, damaged files against totality.
//!
//! The corpus is looked for at `APPDEPOT_CORPUS`, the hostile files at `APPDEPOT_HOSTILE`, both else beside the
//! checkout; what is absent shows as ignored.
#![allow(clippy::print_stdout, missing_docs)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use appdepot_core::inspect::{Format, Hint, Inspection, Package, Platform};
use appdepot_metadata::fixture::{aab, deb, pkg, rpm, zip};
use appdepot_metadata::{Extractor, inspect_file};
use libtest_mimic::{Arguments, Failed, Trial};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value as Json, json};

mod support {
    pub(crate) mod corpus;
    pub(crate) mod generated;
    pub(crate) mod hostile;
    pub(crate) mod stack;
}

use support::corpus::{absent, folder};
use support::generated::rows;
use support::hostile::Files;
use support::stack::on_ordinary_stack;

/// Fields of the corpus records that our details spell otherwise, and why: kind, field, why.
const EXPLAINED: &[(&str, &str, &str)] = &[];

/// What is known of the bundles and of the base in the split sets: their manifests, decoded by hand.
/// File, package, version code, version, minimum system, label.
const BUNDLES: &[[&str; 6]] = &[
    ["aab/ApiDemos-debug.aab", "io.appium.android.apis", "", "", "4", "API Demos"],
    ["aab/cybertruck19.aab", "org.nowsecure.cybertruck", "1", "1.0", "24", "NowSecure"],
    [
        "aab/install-time-permanent-modules.aab",
        "com.google.android.samples.dynamicfeatures.ondemand",
        "1",
        "1.0",
        "24",
        "On Demand Sample",
    ],
    ["bundle/com.politedroid", "com.politedroid", "6", "1.5", "14", "Polite Droid"],
];

fn main() {
    let arguments = Arguments::from_args();
    let mut trials = vec![
        Trial::test("golden::deb", golden_deb),
        Trial::test("golden::rpm", golden_rpm),
        Trial::test("golden::pkg", golden_pkg),
        Trial::test("golden::aab", golden_aab),
        Trial::test("golden::bundle", golden_bundle),
        Trial::test("golden::app", golden_app),
        Trial::test("golden::dmg", golden_dmg),
        Trial::test("total::arbitrary", arbitrary),
        Trial::test("total::damaged", damaged),
    ];
    match folder("APPDEPOT_CORPUS", "corpus") {
        Some(corpus) => {
            let other = corpus.clone();
            trials.push(Trial::test("corpus::linux_and_macos", move || corpus_fields(&corpus)));
            trials.push(Trial::test("corpus::bundles", move || corpus_bundles(&other)));
        }
        None => trials.push(absent("corpus", "APPDEPOT_CORPUS")),
    }
    match Files::find("linux") {
        Some(files) => trials.push(Trial::test("hostile::systems", move || hostile(&files))),
        None => trials.push(absent("hostile", "APPDEPOT_HOSTILE")),
    }
    libtest_mimic::run(&arguments, trials).exit();
}

/// What agreed, disagreed and failed, by kind and field.
#[derive(Default)]
struct Score {
    counts: BTreeMap<(String, String), [usize; 3]>,
    lines: String,
    unexplained: usize,
}

impl Score {
    fn add(&mut self, file: &str, field: &str, ours: &Json, truth: &Json) {
        let kind = file.split('/').next().unwrap();
        let counts = self.counts.entry((kind.to_owned(), field.to_owned())).or_default();
        if ours == truth {
            counts[0] += 1;
            return;
        }
        counts[1] += 1;
        let reason = EXPLAINED.iter().find(|(about, name, _)| *about == kind && *name == field);
        let reason = reason.map_or("UNEXPLAINED", |(_, _, reason)| reason);
        self.unexplained += usize::from(reason == "UNEXPLAINED");
        writeln!(self.lines, "  {file} {field}: ours {ours}, truth {truth}\n      {reason}").unwrap();
    }

    fn fail(&mut self, file: &str, what: &str) {
        let kind = file.split('/').next().unwrap();
        self.counts.entry((kind.to_owned(), "package".to_owned())).or_default()[2] += 1;
        self.unexplained += 1;
        writeln!(self.lines, "  {file}: {what}").unwrap();
    }

    fn report(&self, files: usize) -> Result<(), Failed> {
        println!("{files} files; agreed / disagreed / failed");
        for ((kind, field), [agreed, disagreed, failed]) in &self.counts {
            println!("  {kind:<6} {field:<22} {agreed:>3} {disagreed:>3} {failed:>3}");
        }
        print!("{}", self.lines);
        if files == 0 || self.unexplained > 0 {
            return Err(format!("{files} files, {} differences unexplained", self.unexplained).into());
        }
        Ok(())
    }
}

/// Fields that decide who the package is get counts of their own; the others are counted together.
const IDENTITY: [&str; 12] = [
    "Package",
    "Version",
    "Architecture",
    "members",
    "NAME",
    "VERSION",
    "RELEASE",
    "EPOCH",
    "ARCH",
    "kind",
    "koly",
    "Description",
];

fn corpus_fields(corpus: &Path) -> Result<(), Failed> {
    let truth: Json = serde_json::from_slice(&fs::read(corpus.join("truth.json"))?)?;
    let mut score = Score::default();
    let mut files = 0;
    for (file, truth) in truth["other"].as_object().unwrap() {
        let kind = file.split('/').next().unwrap();
        let path = corpus.join(file);
        if !["deb", "rpm", "macos"].contains(&kind) || !path.exists() {
            continue;
        }
        files += 1;
        let found = inspect_file(&path)?;
        if truth.get("error").is_some() {
            // what the platform's tool refuses is refused here too
            let refused = found.package.is_none() && found.error.is_some();
            score.add(file, "refused", &refused.into(), &true.into());
            continue;
        }
        let Some(package) = &found.package else {
            score.fail(file, &format!("no package: {:?}", found.error));
            continue;
        };
        if let Some(problem) = &found.error {
            score.fail(file, &format!("refused: {problem:?}"));
        }
        compare_record(&mut score, file, package, truth);
    }
    score.report(files)
}

fn compare_record(score: &mut Score, file: &str, package: &Package, truth: &Json) {
    let details = Json::Object(package.details.clone());
    let of = |field: &str| truth[field].as_str().unwrap_or_default().to_owned();
    match file.split('/').next().unwrap() {
        "deb" => {
            score.add(file, "id", &json!(package.id), &truth["Package"]);
            score.add(file, "version", &json!(package.version), &truth["Version"]);
            score.add(file, "architectures", &json!(package.architectures), &json!([truth["Architecture"]]));
        }
        "rpm" => {
            let epoch = truth["EPOCH"].as_str().map_or(String::new(), |epoch| format!("{epoch}:"));
            let full = format!("{epoch}{}-{}", of("VERSION"), of("RELEASE"));
            score.add(file, "id", &json!(package.id), &truth["NAME"]);
            score.add(file, "version", &json!(package.version), &truth["VERSION"]);
            score.add(file, "versionCode", &json!(package.version_code), &json!(full));
            score.add(file, "architectures", &json!(package.architectures), &json!([truth["ARCH"]]));
        }
        _ => {}
    }
    for (field, value) in truth.as_object().unwrap() {
        if ["set", "rc"].contains(&field.as_str()) {
            continue;
        }
        let counted = if IDENTITY.contains(&field.as_str()) { field } else { "other fields" };
        // an absent value is a key left out here
        if details[field] == *value {
            score.add(file, counted, value, value);
        } else {
            score.add(file, counted, &json!({field: details[field]}), &json!({field: value}));
        }
    }
}

fn corpus_bundles(corpus: &Path) -> Result<(), Failed> {
    let truth: Json = serde_json::from_slice(&fs::read(corpus.join("truth.json"))?)?;
    let mut score = Score::default();
    let mut files = 0;
    for kind in ["aab", "bundle"] {
        let mut paths: Vec<PathBuf> =
            fs::read_dir(corpus.join(kind))?.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        for path in paths {
            files += 1;
            let file = format!("{kind}/{}", path.file_name().unwrap().to_string_lossy());
            let found = inspect_file(&path)?;
            let Some(package) = &found.package else {
                score.fail(&file, &format!("no package: {:?}", found.error));
                continue;
            };
            score.add(&file, "format", &json!(found.format.as_str()), &json!(kind));
            score.add(&file, "error", &json!(found.error), &Json::Null);
            // the sets were made around an app of the corpus, of which the tools' answers are known
            let inner = file.contains("org.sajeg.fallingblocks");
            let known = &truth["apk"]["apk/org.sajeg.fallingblocks_3.apk"];
            let row = BUNDLES.iter().find(|row| file.starts_with(row[0]));
            let row = match row {
                Some([_, rest @ ..]) => rest.map(str::to_owned),
                None if inner => {
                    ["package", "versionCode", "versionName", "minSdkVersion", "applicationLabel"]
                        .map(|field| known[field].as_str().unwrap().to_owned())
                }
                None => {
                    println!("  {file}: nothing is known of it: {}", package.id);
                    continue;
                }
            };
            let ours = [&package.version_code, &package.version, &package.min_os, &package.name];
            let ours = ours.map(|value| value.clone().unwrap_or_default());
            score.add(&file, "id", &json!(package.id), &json!(row[0]));
            for (field, (ours, truth)) in
                ["versionCode", "version", "minOs", "name"].into_iter().zip(ours.iter().zip(&row[1..]))
            {
                score.add(&file, field, &json!(ours), &json!(truth));
            }
            if kind == "bundle" {
                let base = package.details["base"].as_str().unwrap();
                let splits = package.details["splits"].as_array().unwrap().len();
                score.add(
                    &file,
                    "base and splits",
                    &json!([base.contains("base"), splits]),
                    &json!([true, 1]),
                );
            }
        }
    }
    score.report(files)
}

/// Verdicts that differ from the table, and why ours stands.
const OTHER_VERDICTS: &[(&str, &str, &str)] = &[
    ("binary/fat_nfat_max.macho", "", EXECUTABLE),
    ("binary/fat_self.macho", "", EXECUTABLE),
    ("binary/macho_cmdsize_0.macho", "", EXECUTABLE),
    ("binary/elf_shnum_max.elf", "", EXECUTABLE),
    ("binary/xar_toc_bomb.pkg", "E_MANIFEST_INVALID", "the small form stays below the limit, and is no XML"),
];
const EXECUTABLE: &str = "a bare executable is no package: unknown, nothing read";

fn is_ours(file: &str) -> bool {
    let ends = [".deb", ".rpm", ".pkg", ".dmg", ".aab", ".macho", ".elf", ".apks", ".xapk", ".apkm"];
    ends.iter().any(|end| file.ends_with(end)) || file.starts_with("type/")
}

fn hostile(files: &Files) -> Result<(), Failed> {
    let folder = files.path().to_owned();
    let run = move || {
        let table = fs::read_to_string(folder.join("expected.tsv")).unwrap();
        let extractor = Extractor::default();
        let mut failures = String::new();
        let (mut count, mut slowest) = (0, Duration::ZERO);
        for [file, acceptable, ceiling, _] in rows(&table) {
            let path = folder.join(file);
            if !is_ours(file) || !path.exists() {
                continue;
            }
            count += 1;
            let data = fs::read(&path).unwrap();
            let hint = Hint::file_name(file.rsplit('/').next().unwrap());
            let started = Instant::now();
            let found = extractor.inspect_slice(&data, &hint);
            let taken = started.elapsed();
            slowest = slowest.max(taken);
            if taken > Duration::from_millis(ceiling.parse().unwrap()) {
                writeln!(failures, "{file}: {taken:?}").unwrap();
            }
            let code = found.error.as_ref().map_or("", |problem| problem.code.as_str());
            if let Some((_, _, why)) =
                OTHER_VERDICTS.iter().find(|(name, ours, _)| *name == file && *ours == code)
            {
                println!("  {file}: {why}");
                if found.package.is_some() {
                    writeln!(failures, "{file}: {found:?}").unwrap();
                }
                continue;
            }
            if file.starts_with("control/") {
                let package = found.package.clone().unwrap();
                let name = if file.ends_with(".aab") { "com.example.control" } else { "control" };
                if found.error.is_some()
                    || !package.id.ends_with(name)
                    || !package.version.as_deref().is_some_and(|version| version.starts_with("1.2.3"))
                {
                    writeln!(failures, "{file}: {found:?}").unwrap();
                }
            }
            let code = found.error.as_ref().map(|problem| problem.code.as_str());
            if !is_acceptable(code, acceptable) {
                writeln!(failures, "{file}: {code:?}, expected {acceptable}").unwrap();
            }
        }
        println!("{count} hostile files, slowest {slowest:?}");
        (count, failures)
    };
    let (count, failures) = on_ordinary_stack(run)?;
    if count < 40 || !failures.is_empty() {
        return Err(format!("{count} files\n{failures}").into());
    }
    Ok(())
}

/// The table names codes, and choices in words.
fn is_acceptable(verdict: Option<&str>, expected: &str) -> bool {
    let mut codes = expected
        .split(|one: char| !one.is_ascii_alphanumeric() && one != '_')
        .filter(|word| word.starts_with("E_"));
    match verdict {
        None => ["ACCEPT", "first wins", "PAX wins", "opaque"].iter().any(|word| expected.contains(word)),
        Some(code) => {
            let any =
                codes.clone().count() == 0 || expected.contains("REJECT,") || expected.contains("REJECT;");
            expected.contains("REJECT") && (any || codes.any(|one| one == code))
                // the table has no code for a file that is of another type than its name says
                || expected.contains("opaque")
        }
    }
}

fn inspect(data: &[u8]) -> Inspection {
    Extractor::default().inspect_slice(data, &Hint::default())
}

fn identity(found: &Inspection) -> (Format, Option<&str>, Option<&str>) {
    let package = found.package.as_ref();
    (found.format, package.map(|one| one.id.as_str()), package.and_then(|one| one.version.as_deref()))
}

fn code(found: &Inspection) -> &str {
    found.error.as_ref().map_or("", |problem| problem.code.as_str())
}

const CONTROL: &str = "Package: hello\nVersion: 1:2.10-3\nArchitecture: amd64\nDepends: libc6 (>= 2.34), zlib1g\n\
    Description: example package\n A longer text.\n";

fn golden_deb() -> Result<(), Failed> {
    let found = inspect(&deb::Deb::new(CONTROL).build());
    assert_eq!(identity(&found), (Format::Deb, Some("hello"), Some("1:2.10-3")));
    assert_eq!(found.error, None);
    let package = found.package.unwrap();
    assert_eq!(
        (package.platform, &*package.architectures),
        (Some(Platform::Linux), &["amd64".to_owned()][..])
    );
    assert_eq!(package.details["summary"], "example package");
    assert_eq!(package.details["Description"], "example package\n A longer text.");
    assert_eq!(package.details["dependsCount"], 2);
    // iOS has packages of this kind too
    let ios = CONTROL.replace("amd64", "iphoneos-arm64");
    assert_eq!(inspect(&deb::Deb::new(&ios).build()).package.unwrap().platform, Some(Platform::Ios));
    for (control, problem) in [
        ("Version: 1\n", "E_MANIFEST_INVALID"),
        ("Package: a\nPackage: b\n", "E_MANIFEST_INVALID"),
        ("Package: ../b\n", "E_MANIFEST_INVALID"),
        (" Package: a\n", "E_MANIFEST_INVALID"),
    ] {
        assert_eq!(code(&inspect(&deb::Deb::new(control).build())), problem, "{control}");
    }
    let none = deb::Deb::new(CONTROL).control_name("other").build();
    assert_eq!(code(&inspect(&none)), "E_MANIFEST_MISSING");
    let twice = deb::Deb::new(CONTROL).member("control.tar.xz", b"").build();
    assert_eq!(code(&inspect(&twice)), "E_ZIP_AMBIGUOUS");
    // a library is no package
    assert_eq!(inspect(b"!<arch>\n/               0").format, Format::Unknown);
    Ok(())
}

fn golden_rpm() -> Result<(), Failed> {
    let package =
        rpm::Rpm::new("hello", "2.10", "3.el9").number(1003, 1).text(1014, "GPL").list(1049, &["a", "b"]);
    let found = inspect(&package.build());
    assert_eq!(identity(&found), (Format::Rpm, Some("hello"), Some("2.10")));
    let package = found.package.unwrap();
    assert_eq!(package.version_code.as_deref(), Some("1:2.10-3.el9"));
    assert_eq!((&package.details["LICENSE"], &package.details["requiresCount"]), (&json!("GPL"), &json!(2)));
    assert_eq!(package.details["signed"], false);
    let signed = rpm::Rpm::new("hello", "1", "1").signature(268, b"\x89\x02").build();
    assert_eq!(inspect(&signed).package.unwrap().details["signatures"], json!(["rsa"]));
    let twice = rpm::Rpm::new("hello", "1", "1").text(1000, "evil").build();
    assert_eq!(code(&inspect(&twice)), "E_MANIFEST_INVALID");
    let whole = rpm::Rpm::new("hello", "1", "1").build();
    assert_eq!(code(&inspect(&whole[..whole.len() - 9])), "E_TRUNCATED");
    Ok(())
}

const DISTRIBUTION: &str = "<?xml version='1.0'?><installer-gui-script><title>A Title</title>\
    <options hostArchitectures='x86_64,arm64'/><product id='com.example.product' version='1.2'/>\
    <volume-check><allowed-os-versions><os-version min='11.0'/></allowed-os-versions></volume-check>\
    <pkg-ref id='com.example.pkg' installKBytes='9'/></installer-gui-script>";

fn golden_pkg() -> Result<(), Failed> {
    for pack in [false, true] {
        let found =
            inspect(&pkg::Pkg::new().file("Distribution", DISTRIBUTION, pack).certificate(b"DER").build());
        assert_eq!(identity(&found), (Format::Pkg, Some("com.example.product"), Some("1.2")), "{found:?}");
        let package = found.package.unwrap();
        assert_eq!((package.name.as_deref(), package.min_os.as_deref()), (Some("A Title"), Some("11.0")));
        assert_eq!(package.architectures, ["x86_64", "arm64"]);
        assert_eq!(package.signers.len(), 1);
        assert_eq!(package.signers[0].schemes, ["xar"]);
        assert_eq!(package.details["packageIds"], json!(["com.example.pkg", "com.example.product"]));
    }
    let info = "<pkg-info identifier='com.example.one' version='3'/>";
    let found = inspect(&pkg::Pkg::new().file("PackageInfo", info, true).build());
    assert_eq!(identity(&found), (Format::Pkg, Some("com.example.one"), Some("3")));
    let twice = pkg::Pkg::new().file("Distribution", DISTRIBUTION, true).file("Distribution", "<a/>", true);
    assert_eq!(code(&inspect(&twice.build())), "E_ZIP_AMBIGUOUS");
    assert_eq!(code(&inspect(&pkg::Pkg::new().file("Payload", "", false).build())), "E_MANIFEST_MISSING");
    let bomb = "<!DOCTYPE a [<!ENTITY e 'x'>]><a>&e;</a>";
    assert_eq!(code(&inspect(&pkg::Pkg::new().file("Distribution", bomb, true).build())), "E_XML_DTD");
    Ok(())
}

fn golden_aab() -> Result<(), Failed> {
    let found = inspect(&aab::bundle("com.example.app", 7, "1.2.3", "Example"));
    assert_eq!(identity(&found), (Format::Aab, Some("com.example.app"), Some("1.2.3")), "{found:?}");
    assert_eq!(found.error, None);
    let package = found.package.unwrap();
    assert_eq!((package.version_code.as_deref(), package.name.as_deref()), (Some("7"), Some("Example")));
    assert_eq!(package.architectures, ["arm64-v8a"]);
    assert_eq!(package.details["modules"], json!(["base"]));
    assert_eq!(package.details["bundletoolVersion"], "1.15.6");
    assert_eq!(package.details["launchable"], "com.example.app.Main");
    assert_eq!(package.details["localizedLabels"], json!({"de": "Example (de)"}));
    assert_eq!(package.details["permissions"], json!(["android.permission.INTERNET"]));
    let none = zip::ZipBuilder::new().stored("BundleConfig.pb", b"").build();
    assert_eq!((inspect(&none).format, code(&inspect(&none))), (Format::Aab, "E_MANIFEST_MISSING"));
    Ok(())
}

fn golden_bundle() -> Result<(), Failed> {
    // no APK builder here: the base only has to be found, and what is wrong with it told
    let broken = zip::ZipBuilder::new().stored("AndroidManifest.xml", b"no").build();
    let whole = |entry: fn(zip::ZipBuilder, &str, Vec<u8>) -> zip::ZipBuilder| {
        let set = entry(zip::ZipBuilder::new().stored("info.json", b"{}"), "base.apk", broken.clone());
        inspect(&set.stored("split_config.de.apk", b"").build())
    };
    let stored = whole(|set, name, data| set.stored(name, data));
    assert_eq!((stored.format, code(&stored)), (Format::Bundle, "E_MANIFEST_INVALID"), "{stored:?}");
    let deflated = whole(|set, name, data| set.deflated(name, data));
    assert_eq!((deflated.format, code(&deflated)), (Format::Bundle, "E_MANIFEST_INVALID"));
    let twice = zip::ZipBuilder::new().stored("base.apk", b"a").stored("base.apk", b"b").build();
    assert_eq!(code(&inspect(&twice)), "E_ZIP_AMBIGUOUS");
    Ok(())
}

const INFO: &str = "<plist version='1.0'><dict><key>CFBundleIdentifier</key><string>com.example.mac</string>\
    <key>CFBundleShortVersionString</key><string>4.5</string><key>CFBundleName</key><string>Mac</string>\
    <key>LSMinimumSystemVersion</key><string>12.0</string></dict></plist>";

fn golden_app() -> Result<(), Failed> {
    let set = zip::ZipBuilder::new().deflated("Mac.app/Contents/Info.plist", INFO).stored("__MACOSX/x", b"");
    let found = inspect(&set.build());
    assert_eq!(identity(&found), (Format::App, Some("com.example.mac"), Some("4.5")), "{found:?}");
    let package = found.package.unwrap();
    assert_eq!((package.platform, package.min_os.as_deref()), (Some(Platform::Macos), Some("12.0")));
    let two = zip::ZipBuilder::new()
        .deflated("Mac.app/Contents/Info.plist", INFO)
        .deflated("Other.app/Contents/Info.plist", INFO);
    assert_eq!(code(&inspect(&two.build())), "E_ZIP_AMBIGUOUS");
    Ok(())
}

fn golden_dmg() -> Result<(), Failed> {
    let mut image = vec![0; 1024];
    image.extend(b"koly");
    image.extend([0, 0, 0, 4, 0, 0, 2, 0]);
    image.resize(1024 + 512, 0);
    image[1024 + 32..1024 + 40].copy_from_slice(&1024_u64.to_be_bytes());
    let found = inspect(&image);
    assert_eq!((found.format, code(&found)), (Format::Dmg, ""));
    let package = found.package.unwrap();
    assert_eq!((&package.details["koly"], &package.details["dataForkLength"]), (&json!(true), &json!(1024)));
    image[1024 + 24..1024 + 32].fill(0xff);
    assert_eq!(code(&inspect(&image)), "E_MANIFEST_INVALID");
    assert_eq!(code(&inspect(b"encrcdsa and more of it, long enough")), "E_ENCRYPTED");
    Ok(())
}

/// Small files of every kind.
fn samples() -> Vec<Vec<u8>> {
    let app = zip::ZipBuilder::new().deflated("Mac.app/Contents/Info.plist", INFO);
    let mut image = b"koly\0\0\0\x04\0\0\x02\0".to_vec();
    image.resize(512, 0);
    vec![
        deb::Deb::new(CONTROL).build(),
        rpm::Rpm::new("hello", "2.10", "3.el9").list(1049, &["a", "b"]).build(),
        pkg::Pkg::new().file("Distribution", DISTRIBUTION, true).certificate(b"DER").build(),
        aab::bundle("com.example.app", 7, "1.2.3", "Example"),
        zip::ZipBuilder::new().stored("base.apk", app.build()).stored("toc.pb", b"").build(),
        app.build(),
        image,
    ]
}

/// Whether the same bytes give the same closed answer twice.
fn check(data: &[u8]) -> Result<(), TestCaseError> {
    let (one, two) = (inspect(data), inspect(data));
    prop_assert_eq!(&one, &two);
    prop_assert!(one.error.as_ref().is_none_or(|problem| problem.code.starts_with("E_")));
    prop_assert!(one.error.as_ref().is_none_or(|problem| problem.code != "E_UNAVAILABLE"));
    Ok(())
}

fn arbitrary() -> Result<(), Failed> {
    let heads: Vec<&[u8]> = vec![
        b"!<arch>\ndebian-binary   0           0     0     100644  4         `\n2.0\n",
        b"\xed\xab\xee\xdb\x03\0",
        b"xar!\0\x1c\0\x01",
        b"koly",
        b"",
    ];
    let bytes = (proptest::sample::select(heads), proptest::collection::vec(any::<u8>(), 0..700));
    let run = |(head, rest): (&[u8], Vec<u8>)| check(&[head, &rest].concat());
    TestRunner::new(Config { failure_persistence: None, cases: 512, ..Config::default() })
        .run(&bytes, run)?;
    Ok(())
}

/// Samples with bytes flipped, and cut.
fn damaged() -> Result<(), Failed> {
    let samples = samples();
    let places = proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..6);
    let cases = (0..samples.len(), places, any::<proptest::sample::Index>(), any::<bool>());
    let run = |(which, places, cut, whole): (
        usize,
        Vec<(proptest::sample::Index, u8)>,
        proptest::sample::Index,
        bool,
    )| {
        let mut data: Vec<u8> = samples[which].clone();
        for (place, byte) in places {
            let at = place.index(data.len());
            data[at] = byte;
        }
        let keep = if whole { data.len() } else { cut.index(data.len()) };
        check(&data[..keep])
    };
    TestRunner::new(Config { failure_persistence: None, cases: 2_048, ..Config::default() })
        .run(&cases, run)?;
    Ok(())
}
