//! Android packages and archives against other readers: the corpus against what the platform's tools said, every
//! archive against the `zip` crate, and the generated hostile files against what is acceptable.
//!
//! The corpus is looked for at `APPDEPOT_CORPUS`, the hostile files at `APPDEPOT_HOSTILE`, both else beside the
//! checkout; what is absent shows as ignored.
#![allow(clippy::print_stdout, missing_docs)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use appdepot_core::inspect::{Hint, Inspection};
use appdepot_metadata::containers::zip::Archive;
use appdepot_metadata::{Extractor, Limits, Reader, SliceSource, inspect_file};
use futures::FutureExt;
use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value as Json;

mod support {
    pub(crate) mod corpus;
    pub(crate) mod generated;
    pub(crate) mod hostile;
    pub(crate) mod verdict;
}

use support::corpus::{absent, folder};
use support::generated::rows;
use support::hostile::Files;
use support::verdict::is_acceptable;

/// Where this crate and the tools differ on purpose, or the tools could not tell: file, field, why.
const EXPLAINED: &[(&str, &str, &str)] = &[
    (
        "apk/v2-only-truncated-cd.apk",
        "package",
        "the central directory is cut; the platform's verifier and aapt2 refuse the file as we do",
    ),
    (
        "apk/client.apk",
        "label",
        "the tools give no label; ours is the text the table has for the application",
    ),
    ("apk/issue3366.apk", "label", "aapt2 gives no label; androguard reads the same one as we do"),
    (
        "apk/v3-only-with-rsa-pkcs1-sha512-8192-digest-mismatch.apk",
        "label",
        "aapt2 fails over the damaged local name of the table; we read the table and refuse the file",
    ),
    (
        "apk/v3-only-with-rsa-pkcs1-sha512-8192-digest-mismatch.apk",
        "launchable",
        "aapt2 fails over the file; androguard reads the same name as we do",
    ),
    (
        "apk/v1-only-with-nul-in-entry-name.apk",
        "launchable",
        "aapt2 fails, so the truth is the name as declared; androguard qualifies it as we do",
    ),
    ("malformed/syn_52_arsc_truncated.apk", "label", "the table is cut; the truth is the bare reference"),
    ("apk/9ffc7e_duplicate.permisssions_9999999.apk", "implied", FROM_23_ON),
    ("apk/duplicate.permisssions_9999999.apk", "implied", FROM_23_ON),
    ("apk/obb.main.oldversion_1444412523.apk", "implied", FROM_23_ON),
    (
        "apk/android-36.apk",
        "implied",
        "aapt2 fails and aapt stops at the icon, before it comes to permissions; of android-33 aapt2 says what we say",
    ),
    (
        "apk/golden-legacy-aligned-v1v2v3-lineage-out.apk",
        "certificates",
        "rotated key: the old certificate stands in v1 and v2, the new one in v3; the truth has the new one",
    ),
    ("apk/v1-only-with-signed-attrs-missing-content-type.apk", "certificates", UNVERIFIED),
    (
        "apk/v1-only-with-signed-attrs-signerInfo1-missing-content-type-signerInfo2-good.apk",
        "certificates",
        UNVERIFIED,
    ),
    (
        "apk/v1-only-with-signed-attrs-signerInfo1-missing-digest-signerInfo2-good.apk",
        "certificates",
        UNVERIFIED,
    ),
    (
        "apk/v1-only-with-signed-attrs-signerInfo1-multiple-good-digests-signerInfo2-good.apk",
        "certificates",
        UNVERIFIED,
    ),
    (
        "apk/v1-only-with-signed-attrs-signerInfo1-wrong-signature-signerInfo2-good.apk",
        "certificates",
        UNVERIFIED,
    ),
    ("apk/v1-only-with-signed-attrs-wrong-digest.apk", "certificates", UNVERIFIED),
    ("malformed/syn_03_lfh_store_cd_deflate_sizes.apk", "certificates", UNREAD),
    ("malformed/syn_15_zip64_eocd.apk", "certificates", UNREAD),
    ("malformed/syn_32_axml_filesize_big.apk", "certificates", UNREAD),
];
const FROM_23_ON: &str =
    "the truth counts what is asked for from platform 23 on, which `permissionsSdk23` has";
const UNVERIFIED: &str =
    "the signature does not verify, so the truth has no certificate; we say what is present";
const UNREAD: &str = "the verifier could not read the file at all";

fn main() {
    let arguments = Arguments::from_args();
    let mut trials = Vec::new();
    match folder("APPDEPOT_CORPUS", "corpus") {
        Some(corpus) => {
            let (truth, archives) = (corpus.clone(), corpus);
            trials.push(Trial::test("corpus::apk_fields", move || apk_fields(&truth)));
            let packages = archives.clone();
            trials.push(Trial::test("corpus::native_libraries", move || native_libraries(&packages)));
            trials.push(Trial::test("corpus::archives_as_zip_crate", move || archives_agree(&archives)));
        }
        None => trials.push(absent("corpus", "APPDEPOT_CORPUS")),
    }
    match Files::find("zip") {
        Some(files) => trials.push(Trial::test("hostile::apk_ipa_zip", move || hostile(files.path()))),
        None => trials.push(absent("hostile", "APPDEPOT_HOSTILE")),
    }
    libtest_mimic::run(&arguments, trials).exit();
}

/// What agreed and what did not, by field.
#[derive(Default)]
struct Score {
    counts: BTreeMap<&'static str, [usize; 3]>,
    lines: String,
    unexplained: usize,
}

impl Score {
    fn add(&mut self, file: &str, field: &'static str, ours: &str, truth: &str) {
        let counts = self.counts.entry(field).or_default();
        if ours == truth {
            counts[0] += 1;
            return;
        }
        counts[1] += 1;
        self.disagree(file, field, &format!("ours {ours:?}, truth {truth:?}"));
    }

    fn disagree(&mut self, file: &str, field: &str, what: &str) {
        let reason = EXPLAINED.iter().find(|(name, about, _)| *name == file && *about == field);
        let reason = reason.map_or("UNEXPLAINED", |(_, _, reason)| reason);
        self.unexplained += usize::from(reason == "UNEXPLAINED");
        writeln!(self.lines, "  {file} {field}: {what}\n      {reason}").unwrap();
    }
}

fn apk_fields(corpus: &Path) -> Result<(), Failed> {
    let truth: Json = serde_json::from_slice(&fs::read(corpus.join("truth.json"))?)?;
    let mut score = Score::default();
    let mut files = 0;
    for (file, truth) in truth["apk"].as_object().unwrap() {
        let path = corpus.join(file);
        if !path.exists() {
            continue;
        }
        files += 1;
        let found = inspect_file(&path)?;
        if truth["package"].is_string() {
            compare(&mut score, file, &found, truth);
        }
    }
    println!("{files} files; agreed / disagreed / failed");
    for (field, [agreed, disagreed, failed]) in &score.counts {
        println!("  {field:<14} {agreed:>4} {disagreed:>4} {failed:>4}");
    }
    print!("{}", score.lines);
    if files == 0 || score.unexplained > 0 {
        return Err(format!("{files} files, {} disagreements unexplained", score.unexplained).into());
    }
    Ok(())
}

fn compare(score: &mut Score, file: &str, found: &Inspection, truth: &Json) {
    let text = |value: &Json| value.as_str().unwrap_or("").to_owned();
    let Some(package) = &found.package else {
        let explained = EXPLAINED.iter().any(|(name, field, _)| *name == file && *field == "package");
        score.counts.entry("package").or_default()[if explained { 1 } else { 2 }] += 1;
        score.disagree(file, "package", &format!("none: {:?}", found.error));
        return;
    };
    let details = &package.details;
    let mut same = |field, ours: &str, theirs: &Json| score.add(file, field, ours, &text(theirs));
    same("package", &package.id, &truth["package"]);
    same("versionCode", package.version_code.as_deref().unwrap_or(""), &truth["versionCode"]);
    same("versionName", package.version.as_deref().unwrap_or(""), &truth["versionName"]);
    same("minSdk", &text(&details["minSdkVersion"]), &truth["minSdkVersion"]);
    same("targetSdk", &text(&details["targetSdkVersion"]), &truth["targetSdkVersion"]);
    same("label", package.name.as_deref().unwrap_or(""), &truth["applicationLabel"]);
    same("launchable", &text(&details["launchable"]), &truth["launchable"]);
    score.add(file, "permissions", &details["permissions"].to_string(), &truth["permissions"].to_string());
    // null where aapt2 and aapt both failed: nobody said
    for (field, key) in [("implied", "impliedPermissions"), ("debuggable", "debuggable")] {
        if !truth[key].is_null() {
            score.add(file, field, &details[key].to_string(), &truth[key].to_string());
        }
    }
    let noted = found.anomalies.iter().any(|word| word == "debuggable");
    assert_eq!(details["debuggable"], noted, "{file}");
    score.add(
        file,
        "ABIs",
        &Json::from(package.architectures.clone()).to_string(),
        &truth["abis"].to_string(),
    );
    let ours: BTreeSet<&str> = package.signers.iter().map(|signer| &*signer.sha256).collect();
    let certificates = |value: &Json| value.as_array().filter(|list| !list.is_empty()).cloned();
    let theirs = certificates(&truth["signing"]["certs_sha256"])
        .or_else(|| certificates(&truth["signing_androguard_present"]["certs"]))
        .unwrap_or_default();
    let theirs: BTreeSet<&str> = theirs.iter().filter_map(Json::as_str).collect();
    score.add(file, "certificates", &format!("{ours:?}"), &format!("{theirs:?}"));
}

/// The libraries of each package as the `zip` crate lists them: all are counted, and every ELF file is looked into.
fn native_libraries(corpus: &Path) -> Result<(), Failed> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let (mut packages, mut libraries) = (0, 0);
    for path in files_under(corpus)? {
        if path.extension().is_none_or(|ending| ending != "apk") {
            continue;
        }
        let Some(package) = inspect_file(&path)?.package else { continue };
        let Ok(mut archive) = zip::ZipArchive::new(fs::File::open(&path)?) else { continue };
        let mut expected: BTreeMap<String, (u64, u64)> = BTreeMap::new();
        for index in 0..archive.len() {
            let name = String::from_utf8_lossy(archive.by_index_raw(index)?.name_raw()).into_owned();
            let parts: Vec<&str> = name.split('/').collect();
            let ["lib", architecture, library] = parts[..] else { continue };
            if !library.ends_with(".so") {
                continue;
            }
            let mut magic = [0; 4];
            let is_elf = archive.by_index(index)?.read_exact(&mut magic).is_ok() && magic == *b"\x7fELF";
            let (count, unread) = expected.entry(architecture.to_owned()).or_default();
            *count += 1;
            *unread += u64::from(!is_elf);
        }
        let ours = package.details["nativeLibraries"].as_object().unwrap();
        let number = |of: &Json, key: &str| of.get(key).and_then(Json::as_u64).unwrap_or(0);
        let found: BTreeMap<String, (u64, u64)> = ours
            .iter()
            .map(|(name, of)| (name.clone(), (number(of, "count"), number(of, "unread"))))
            .collect();
        if found != expected {
            return Err(format!("{}: {found:?}, expected {expected:?}", path.display()).into());
        }
        packages += usize::from(!ours.is_empty());
        for (name, of) in ours {
            libraries += number(of, "count");
            let what =
                format!("{name}: alignment {}, zipAligned16k {}", of["alignment"], of["zipAligned16k"]);
            *counts.entry(what).or_default() += 1;
        }
    }
    println!("{packages} packages with {libraries} native libraries; of their architectures");
    for (what, count) in &counts {
        println!("  {count:>3} {what}");
    }
    if packages == 0 { Err("no package has any".into()) } else { Ok(()) }
}

/// Archives the `zip` crate reads otherwise, and why ours stands.
const OTHER_ARCHIVES: &[(&str, &str)] = &[
    ("apk/v2-only-truncated-cd.apk", "its directory ends past the end record; the crate takes what is left"),
    (
        "malformed/syn_10_comment_fake_eocd.apk",
        "the crate believes the end record inside the comment: no entries",
    ),
    (
        "msix/OPC_E_ZIP_CORRUPTED_ARCHIVE.appx",
        "its end record is 140 bytes off; the crate shifts the archive, we refuse it",
    ),
];

/// Entry names and contents as the `zip` crate reads them, of every archive it opens.
fn archives_agree(corpus: &Path) -> Result<(), Failed> {
    let limits = Limits {
        inflated_bytes: 1 << 30,
        manifest_bytes: 1 << 28,
        time: Duration::from_secs(60),
        ..Limits::default()
    };
    let (mut archives, mut entries) = (0, 0);
    let mut failures = String::new();
    let mut differ = Vec::new();
    for path in files_under(corpus)? {
        let data = fs::read(&path)?;
        if !data.starts_with(b"PK\x03\x04") {
            continue;
        }
        let name = path.strip_prefix(corpus)?.display().to_string();
        if let Some((_, why)) = OTHER_ARCHIVES.iter().find(|(file, _)| *file == name) {
            differ.push(format!("  {name}: {why}"));
            continue;
        }
        let Ok(mut theirs) = zip::ZipArchive::new(std::io::Cursor::new(&data)) else { continue };
        let source = SliceSource(&data);
        let mut reader = Reader::new(&source, &limits);
        let opened = Archive::open(&mut reader).now_or_never().unwrap();
        let ours = match opened {
            Ok(Some(archive)) => archive,
            other => {
                writeln!(failures, "{name}: not opened: {:?}", other.map(|found| found.is_some()))?;
                continue;
            }
        };
        archives += 1;
        // the crate keeps one entry of two with one name, and the other one than Android
        let doubtful = reader.refusal().is_some();
        if theirs.len() != ours.len() && !doubtful {
            writeln!(failures, "{name}: {} entries, theirs {}", ours.len(), theirs.len())?;
        }
        for index in 0..theirs.len() {
            let mut file = theirs.by_index_raw(index)?;
            let raw_name = file.name_raw().to_vec();
            let mut raw = Vec::new();
            let shown = String::from_utf8_lossy(&raw_name).into_owned();
            let Some(entry) = ours.find(&raw_name) else {
                writeln!(failures, "{name}: no {shown}")?;
                continue;
            };
            let readable = file.read_to_end(&mut raw).is_ok();
            drop(file);
            // whole contents of the small ones; the large ones would only repeat the same code
            if doubtful || !readable || entry.size > 1 << 20 || entry.has_unknown_method() || entry.is_link()
            {
                continue;
            }
            let mut content = Vec::new();
            if theirs
                .by_index(index)
                .map(|mut file| file.read_to_end(&mut content))
                .is_ok_and(|read| read.is_ok())
            {
                let read = ours.read(&mut reader, &entry, limits.manifest_bytes).now_or_never().unwrap();
                match read {
                    Ok(bytes) if bytes == content => entries += 1,
                    Ok(bytes) => {
                        writeln!(failures, "{name}: {shown}: {} bytes, {}", bytes.len(), content.len())?
                    }
                    Err(problem) => writeln!(failures, "{name}: {shown}: {}", problem.message)?,
                }
            }
        }
    }
    println!("{archives} archives, {entries} entries with the same content; apart on purpose:");
    println!("{}", differ.join("\n"));
    if archives == 0 || !failures.is_empty() {
        return Err(failures.into());
    }
    Ok(())
}

fn files_under(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(files_under(&path)?);
        } else {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Verdicts that differ from the table, and why ours stands.
const OTHER_VERDICTS: &[(&str, &str, &str)] = &[
    (
        "zip/entries_100k.apk",
        "E_ZIP_AMBIGUOUS",
        "the small form stays below the limit of entries; all its records share one local entry",
    ),
    (
        "axml/pool_200k_shared_offsets.apk",
        "E_MANIFEST_INVALID",
        "one string is decoded: the root's name, which is not \"manifest\"",
    ),
];

fn hostile(files: &Path) -> Result<(), Failed> {
    let table = fs::read_to_string(files.join("expected.tsv"))?;
    let extractor = Extractor::default();
    let mut groups: BTreeMap<&str, usize> = BTreeMap::new();
    let mut failures = String::new();
    let mut slowest = Duration::ZERO;
    for [file, acceptable, ceiling, _] in rows(&table) {
        let path = files.join(file);
        if ![".apk", ".ipa", ".zip"].iter().any(|end| file.ends_with(end)) || !path.exists() {
            continue;
        }
        let data = fs::read(&path)?;
        let hint = Hint::file_name(file.rsplit('/').next().unwrap());
        let started = Instant::now();
        let found = extractor.inspect_slice(&data, &hint);
        let taken = started.elapsed();
        slowest = slowest.max(taken);
        *groups.entry(file.split('/').next().unwrap()).or_default() += 1;
        if taken > Duration::from_millis(ceiling.parse()?) {
            writeln!(failures, "{file}: took {taken:?}, ceiling {ceiling} ms")?;
        }
        if file.starts_with("control/") {
            let package = found.package.as_ref().ok_or("control file without a package")?;
            assert_eq!((&*package.id, package.version.as_deref()), ("com.example.control", Some("1.2.3")));
        }
        let code = found.error.as_ref().map(|problem| &*problem.code);
        let ours = OTHER_VERDICTS.iter().any(|(name, other, _)| *name == file && code == Some(*other));
        if !ours && !is_acceptable(code, acceptable, ACCEPTING) {
            writeln!(failures, "{file}: {code:?} {:?}, acceptable: {acceptable}", found.anomalies)?;
        }
    }
    println!("hostile files by group: {groups:?}, slowest {slowest:?}");
    if groups.is_empty() || !failures.is_empty() {
        return Err(failures.into());
    }
    Ok(())
}

/// Words of the table by which a file may be accepted.
const ACCEPTING: &[&str] =
    &["ACCEPT", "as above", "skip", "no label", "bounded", "one fixed choice", "U+FFFD", "garbage"];
