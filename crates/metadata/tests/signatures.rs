//! Signatures of Android packages: the repository's fixtures, packages signed here, and the corpus against what the
//! platform's verifier said.
//!
//! The corpus is looked for at `APPDEPOT_CORPUS`, else beside the checkout; absent, it shows as ignored.
#![allow(clippy::print_stdout, missing_docs)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use appdepot_core::inspect::Signer;
use appdepot_metadata::signature::{
    Continuity, Options, Reason, Scheme, Verdict, Verification, continuity, verify_file, verify_slice,
};
use appdepot_metadata::{Fields, Limits, inspect_slice};
use libtest_mimic::{Arguments, Failed, Trial};
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

mod support {
    pub(crate) mod corpus;
}

use support::corpus::{absent, folder};

fn main() {
    let arguments = Arguments::from_args();
    let test = |name: &str, run: fn()| {
        Trial::test(name, move || {
            run();
            Ok(())
        })
    };
    let mut trials = vec![
        test("fixtures::verified_as_the_platform_says", fixtures_are_verified),
        test("fixtures::no_byte_can_change", no_byte_can_change),
        test("fixtures::continuity", fixtures_continue),
        test("made::v2_v3_and_rotation", made_packages),
        test("made::stripping_is_noticed", stripping_is_noticed),
        test("made::lineage_has_to_be_proven", lineage_has_to_be_proven),
        test("total::damaged_packages", total_on_damage),
        test("total::any_signing_block", total_on_any_block),
    ];
    match folder("APPDEPOT_CORPUS", "corpus") {
        Some(corpus) => {
            let (vectors, continuing) = (corpus.clone(), corpus.clone());
            trials.push(Trial::test("corpus::as_apksig", move || as_apksig(&corpus)));
            trials
                .push(Trial::test("corpus::vectors_for_newer_platforms", move || newer_platforms(&vectors)));
            trials.push(Trial::test("corpus::continuity", move || corpus_continuity(&continuing)));
        }
        None => trials.push(absent("corpus", "APPDEPOT_CORPUS")),
    }
    libtest_mimic::run(&arguments, trials).exit();
}

fn fixture(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(name)).unwrap()
}

fn check(data: &[u8]) -> Verification {
    verify_slice(data, &Options::default()).unwrap()
}

fn check_from(data: &[u8], platform: u32) -> Verification {
    verify_slice(data, &Options { min_sdk: Some(platform), ..Options::default() }).unwrap()
}

fn invalid(scheme: Scheme, reason: Reason) -> Verdict {
    Verdict::Invalid { scheme: Some(scheme), reason }
}

// ------------------------------------------------------------------------------------------------ fixtures

fn fixtures_are_verified() {
    let expected: Json = serde_json::from_slice(&fixture("expected.json")).unwrap();
    for name in ["field-notes.apk", "field-notes-1.5.0.apk"] {
        let found = check(&fixture(name));
        assert_eq!(found.verdict, Verdict::Verified { scheme: Scheme::V3 });
        assert_eq!(found.schemes, [Scheme::V1, Scheme::V2, Scheme::V3]);
        let [signer] = found.signers.as_slice() else { panic!("{:?}", found.signers) };
        assert_eq!(signer.sha256, expected[name]["certs_sha256"][0]);
        assert_eq!(signer.platforms, (24, i32::MAX as u32));
        assert!(signer.subject.as_deref().unwrap().contains("CN="));
        assert!(signer.not_before.unwrap() < signer.not_after.unwrap());
        assert!(signer.lineage.is_empty());
        // newer platforms look at fewer schemes
        assert_eq!(check_from(&fixture(name), 24).schemes, [Scheme::V2, Scheme::V3]);
        assert_eq!(check_from(&fixture(name), 28).schemes, [Scheme::V3]);
        // the parser that checks reports what the parser that lists found
        let listed = inspect_slice(&fixture(name)).package.unwrap().signers;
        assert_eq!(listed.iter().map(|one| &one.sha256).collect::<Vec<_>>(), [&signer.sha256]);
    }
    assert_eq!(check(&fixture("field-notes-unsigned.apk")).verdict, Verdict::Unsigned);
    assert!(verify_file("no such file", &Options::default()).is_err());
}

fn no_byte_can_change() {
    let data = fixture("field-notes.apk");
    let (block, directory) = block_of(&data);
    let free = padding(&data[block + 8..directory - 24], block + 8);
    // all of the block's structure and every so many bytes of the rest; a prime step meets all kinds of places
    let step = 61;
    let positions = (0..data.len()).filter(|at| {
        at % step == 0 || (block..block + 32).contains(at) || (directory - 32..directory + 8).contains(at)
    });
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    for at in positions {
        let mut changed = data.clone();
        changed[at] ^= 1 << (at % 8);
        let found = verify_slice(&changed, &Options::default());
        let verified = found.is_ok_and(|found| found.verdict.is_verified());
        let padding = free.iter().any(|range| range.contains(&at));
        assert_eq!(verified, padding, "byte {at}, block {block}, directory {directory}");
        let place = match at {
            _ if padding => "padding, which nothing covers",
            _ if at < block => "entries",
            _ if at < directory => "signing block",
            _ => "directory",
        };
        *places.entry(place).or_default() += 1;
    }
    println!("changed bytes: {places:?}");
    assert!(places["entries"] > 100 && places["signing block"] > 40 && places["directory"] > 10);
}

/// Where the signing block and the central directory start.
fn block_of(data: &[u8]) -> (usize, usize) {
    let directory = u32::from_le_bytes(data[data.len() - 6..data.len() - 2].try_into().unwrap()) as usize;
    let size = u64::from_le_bytes(data[directory - 24..directory - 16].try_into().unwrap()) as usize;
    (directory - size - 8, directory)
}

/// The numbers and values of the pairs that no scheme reads.
fn padding(pairs: &[u8], start: usize) -> Vec<std::ops::Range<usize>> {
    let mut free = Vec::new();
    let mut at = 0;
    while at < pairs.len() {
        let len = u64::from_le_bytes(pairs[at..at + 8].try_into().unwrap()) as usize;
        if pairs[at + 8..at + 12] == 0x4272_6577_u32.to_le_bytes() {
            free.push(start + at + 8..start + at + 8 + len);
        }
        at += 8 + len;
    }
    free
}

fn fixtures_continue() {
    let (old, new) = (check(&fixture("field-notes.apk")), check(&fixture("field-notes-1.5.0.apk")));
    assert_eq!(continuity(&old.signers, &new.signers), Continuity::Same);
    assert_eq!(continuity(&new.signers, &old.signers), Continuity::Same);
    let unsigned = check(&fixture("field-notes-unsigned.apk"));
    assert_eq!(continuity(&old.signers, &unsigned.signers), Continuity::Changed);
    let other = made(&[(V2, scheme(&[Made::new(1)], false))]);
    let other = check_from(&other, 24);
    assert!(other.verdict.is_verified());
    assert_eq!(continuity(&old.signers, &other.signers), Continuity::Changed);
}

// ------------------------------------------------------------------------------------------------ packages made here

const V2: u32 = 0x7109_871a;
const V3: u32 = 0xf053_68c0;
const V31: u32 = 0x1b93_ad61;
const ECDSA_SHA256: u32 = 0x0201;
const ANY: (u32, u32) = (28, i32::MAX as u32);

/// A signer to make a package with.
#[derive(Clone)]
struct Made {
    key: u8,
    platforms: (u32, u32),
    attributes: Vec<(u32, Vec<u8>)>,
}

impl Made {
    fn new(key: u8) -> Self {
        Self { key, platforms: ANY, attributes: Vec::new() }
    }

    fn on(mut self, from: u32, to: u32) -> Self {
        self.platforms = (from, to);
        self
    }

    fn with(mut self, id: u32, value: Vec<u8>) -> Self {
        self.attributes.push((id, value));
        self
    }
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_slice(&[seed; 32]).unwrap()
}

fn sign(seed: u8, message: &[u8]) -> Vec<u8> {
    let signature: Signature = key(seed).sign(message);
    signature.to_der().as_bytes().to_vec()
}

fn der(tag: u8, content: &[&[u8]]) -> Vec<u8> {
    let content = content.concat();
    let mut out = vec![tag];
    match content.len() {
        short @ 0..128 => out.push(short as u8),
        long => out.extend([0x82, (long >> 8) as u8, long as u8]),
    }
    out.extend(content);
    out
}

fn key_info(seed: u8) -> Vec<u8> {
    let point = key(seed).verifying_key().to_sec1_point(false);
    let algorithm = der(
        0x30,
        &[
            &der(6, &[&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01]]),
            &der(6, &[&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07]]),
        ],
    );
    der(0x30, &[&algorithm, &der(3, &[&[0], point.as_bytes()])])
}

/// A certificate with everything that is read; nobody checks what it is signed with.
fn certificate(seed: u8) -> Vec<u8> {
    let algorithm = der(0x30, &[&der(6, &[&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02]])]);
    let text = format!("Made {seed}");
    let name = der(6, &[&[0x55, 0x04, 0x03]]);
    let name = der(0x30, &[&der(0x31, &[&der(0x30, &[&name, &der(0x0c, &[text.as_bytes()])])])]);
    let time = |text: &str| der(0x17, &[text.as_bytes()]);
    let validity = der(0x30, &[&time("250101000000Z"), &time("490101000000Z")]);
    let signed = der(
        0x30,
        &[
            &der(0xa0, &[&[2, 1, 2]]),
            &der(2, &[&[seed]]),
            &algorithm,
            &name,
            &validity,
            &name,
            &key_info(seed),
        ],
    );
    der(0x30, &[&signed, &algorithm, &der(3, &[&[0], &sign(seed, &signed)])])
}

fn prefixed(data: &[u8]) -> Vec<u8> {
    [&(data.len() as u32).to_le_bytes(), data].concat()
}

/// A history in which each key hands over to the next.
fn lineage(keys: &[(u8, u32)]) -> Vec<u8> {
    let mut out = 1_u32.to_le_bytes().to_vec();
    for (index, (seed, flags)) in keys.iter().enumerate() {
        let parent = index.checked_sub(1).map(|parent| keys[parent].0);
        let by = if parent.is_some() { ECDSA_SHA256 } else { 0 };
        let signed = [prefixed(&certificate(*seed)), by.to_le_bytes().to_vec()].concat();
        let signature = parent.map_or_else(Vec::new, |parent| sign(parent, &signed));
        let node = [
            prefixed(&signed),
            flags.to_le_bytes().to_vec(),
            ECDSA_SHA256.to_le_bytes().to_vec(),
            prefixed(&signature),
        ];
        out.extend(prefixed(&node.concat()));
    }
    out
}

type Value = Box<dyn Fn(&[u8]) -> Vec<u8>>;

/// The value of a scheme's pair, once the digest of the content is known.
fn scheme(signers: &[Made], has_platforms: bool) -> Value {
    let signers = signers.to_vec();
    Box::new(move |digest| {
        let mut list = Vec::new();
        for signer in &signers {
            let record =
                |bytes: &[u8]| prefixed(&[&ECDSA_SHA256.to_le_bytes()[..], &prefixed(bytes)].concat());
            let platforms = [signer.platforms.0.to_le_bytes(), signer.platforms.1.to_le_bytes()].concat();
            let platforms = if has_platforms { platforms } else { Vec::new() };
            let attributes: Vec<u8> = signer
                .attributes
                .iter()
                .flat_map(|(id, value)| prefixed(&[&id.to_le_bytes()[..], value].concat()))
                .collect();
            let signed = [
                prefixed(&record(digest)),
                prefixed(&prefixed(&certificate(signer.key))),
                platforms.clone(),
                prefixed(&attributes),
            ]
            .concat();
            let signature = sign(signer.key, &signed);
            let parts = [
                prefixed(&signed),
                platforms,
                prefixed(&record(&signature)),
                prefixed(&key_info(signer.key)),
            ];
            list.extend(prefixed(&parts.concat()));
        }
        prefixed(&list)
    })
}

/// The unsigned fixture with a signing block.
fn made(pairs: &[(u32, Value)]) -> Vec<u8> {
    let data = fixture("field-notes-unsigned.apk");
    let end = data.len() - 22;
    let directory = u32::from_le_bytes(data[end + 16..end + 20].try_into().unwrap()) as usize;
    let chunk = |data: &[u8]| {
        assert!(data.len() <= 1 << 20);
        Sha256::digest([&[0xa5][..], &(data.len() as u32).to_le_bytes(), data].concat()).to_vec()
    };
    // the end record already says where the block will start
    let parts = [&data[..directory], &data[directory..end], &data[end..]].map(chunk).concat();
    let digest = Sha256::digest([&[0x5a][..], &3_u32.to_le_bytes(), &parts].concat());
    let mut block = Vec::new();
    for (id, value) in pairs {
        let value = value(&digest);
        block.extend((value.len() as u64 + 4).to_le_bytes());
        block.extend(id.to_le_bytes());
        block.extend(value);
    }
    with_block(&data, &block)
}

fn with_block(data: &[u8], pairs: &[u8]) -> Vec<u8> {
    let end = data.len() - 22;
    let directory = u32::from_le_bytes(data[end + 16..end + 20].try_into().unwrap()) as usize;
    let size = (pairs.len() as u64 + 24).to_le_bytes();
    let block = [&size[..], pairs, &size, b"APK Sig Block 42"].concat();
    let mut out = [&data[..directory], &block, &data[directory..]].concat();
    let at = out.len() - 6;
    out[at..at + 4].copy_from_slice(&((directory + block.len()) as u32).to_le_bytes());
    out
}

const ROTATION: u32 = 0x3ba0_6f8c;
const ROTATION_MIN_SDK: u32 = 0x559f_8b02;
const STRIPPING: u32 = 0xbeef_f00d;

/// v3 by the old key for platforms before 33, v3.1 by the new one from there on.
fn rotated() -> (Value, Value) {
    let old = Made::new(1).on(28, 32).with(ROTATION_MIN_SDK, 33_u32.to_le_bytes().to_vec());
    let new = Made::new(2).on(33, i32::MAX as u32).with(ROTATION, lineage(&[(1, 23), (2, 31)]));
    (scheme(&[old], true), scheme(&[new], true))
}

fn made_packages() {
    let by_v2 = made(&[(V2, scheme(&[Made::new(1), Made::new(2)], false))]);
    let found = check_from(&by_v2, 24);
    assert_eq!(found.verdict, Verdict::Verified { scheme: Scheme::V2 });
    assert_eq!(found.signers.len(), 2);
    assert_eq!(found.signers[1].subject.as_deref(), Some("CN=Made 2"));
    // platforms before 24 would look for a JAR signature
    assert_eq!(check(&by_v2).verdict, invalid(Scheme::V1, Reason::NoJarManifest));
    let old = check_from(&made(&[(V3, scheme(&[Made::new(1)], true))]), 28);
    assert_eq!(old.verdict, Verdict::Verified { scheme: Scheme::V3 });

    let (v3, v31) = rotated();
    let rotated_by = rotated();
    let rotated = made(&[(V3, v3), (V31, v31)]);
    let found = check_from(&rotated, 28);
    assert_eq!(found.verdict, Verdict::Verified { scheme: Scheme::V31 });
    assert_eq!(found.schemes, [Scheme::V3, Scheme::V31]);
    let [new, before] = found.signers.as_slice() else { panic!("{found:?}") };
    assert_eq!((new.platforms, before.platforms), ((33, i32::MAX as u32), (28, 32)));
    assert_eq!(new.lineage.iter().map(|one| &one.sha256).collect::<Vec<_>>(), [&before.sha256, &new.sha256]);
    assert!(new.lineage[0].capabilities.installed_data() && !new.lineage[0].capabilities.rollback());
    assert!(new.lineage[1].capabilities.rollback());
    assert_eq!(continuity(&old.signers, &found.signers), Continuity::Rotated);
    assert_eq!(continuity(&found.signers, &old.signers), Continuity::Changed);

    for at in (0..rotated.len()).step_by(101) {
        let mut changed = rotated.clone();
        changed[at] ^= 0x10;
        let found = verify_slice(&changed, &Options { min_sdk: Some(28), ..Options::default() });
        assert!(!found.is_ok_and(|found| found.verdict.is_verified()), "byte {at}");
    }
    // a gap between the platforms, and signers of two apps
    let gap = Made::new(1).on(28, 30);
    let rest = Made::new(1).on(32, i32::MAX as u32);
    let found = check_from(&made(&[(V3, scheme(&[gap, rest], true))]), 28);
    assert_eq!(found.verdict, invalid(Scheme::V3, Reason::Platforms));
    let two = made(&[(V2, scheme(&[Made::new(1)], false)), (V3, scheme(&[Made::new(2)], true))]);
    assert_eq!(check_from(&two, 24).verdict, invalid(Scheme::V3, Reason::SignersDiffer));
    // the history tells who signs for older platforms, and its first who signed before there was one
    let stranger = Made::new(3).on(28, 32).with(ROTATION_MIN_SDK, 33_u32.to_le_bytes().to_vec());
    let two = made(&[(V3, scheme(&[stranger], true)), (V31, rotated_by.1)]);
    assert_eq!(check_from(&two, 28).verdict, invalid(Scheme::V31, Reason::SignersDiffer));
    for (key, holds) in [(1, true), (2, false)] {
        let new = Made::new(2).with(ROTATION, lineage(&[(1, 23), (2, 23)]));
        let found =
            check_from(&made(&[(V2, scheme(&[Made::new(key)], false)), (V3, scheme(&[new], true))]), 24);
        assert_eq!(found.verdict.is_verified(), holds, "v2 by {key}");
    }
    let twice = made(&[(V3, scheme(&[Made::new(1)], true)), (V3, scheme(&[Made::new(1)], true))]);
    assert_eq!(check_from(&twice, 28).verdict, Verdict::Invalid { scheme: None, reason: Reason::Duplicate });
    // ten signers are the most
    let many: Vec<Made> = (1..=11).map(Made::new).collect();
    let found = check_from(&made(&[(V2, scheme(&many, false))]), 24);
    assert_eq!(found.verdict, invalid(Scheme::V2, Reason::TooManySigners));
}

fn stripping_is_noticed() {
    let protected = Made::new(1).with(STRIPPING, 3_u32.to_le_bytes().to_vec());
    let v2 = scheme(std::slice::from_ref(&protected), false);
    assert_eq!(check_from(&made(&[(V2, v2)]), 24).verdict, invalid(Scheme::V2, Reason::Stripped));
    let both = made(&[(V2, scheme(&[protected], false)), (V3, scheme(&[Made::new(1)], true))]);
    assert!(check_from(&both, 24).verdict.is_verified());
    let (v3, _) = rotated();
    assert_eq!(check_from(&made(&[(V3, v3)]), 28).verdict, invalid(Scheme::V3, Reason::Stripped));
    let (_, v31) = rotated();
    assert_eq!(check_from(&made(&[(V31, v31)]), 28).verdict, invalid(Scheme::V3, Reason::Stripped));
    // the block gone: the JAR signature tells
    let data = fixture("field-notes.apk");
    let (block, directory) = block_of(&data);
    let mut stripped = [&data[..block], &data[directory..]].concat();
    let at = stripped.len() - 6;
    stripped[at..at + 4].copy_from_slice(&(block as u32).to_le_bytes());
    let found = check(&stripped).verdict;
    // whatever the caller's inspections ask for
    let limits = Limits { fields: Fields::IDENTITY, ..Options::default().limits };
    let few = verify_slice(&stripped, &Options { limits, ..Options::default() });
    assert_eq!(few.unwrap().verdict, found);
    assert!(
        matches!(
            found,
            Verdict::Invalid { scheme: Some(Scheme::V1), reason: Reason::Stripped | Reason::TargetNeedsV2 }
        ),
        "{found:?}"
    );
}

fn lineage_has_to_be_proven() {
    let with = |lineage: Vec<u8>| made(&[(V3, scheme(&[Made::new(2).with(ROTATION, lineage)], true))]);
    assert!(check_from(&with(lineage(&[(1, 23), (2, 23)])), 28).verdict.is_verified());
    let broken = invalid(Scheme::V3, Reason::Lineage);
    // ends in another certificate; comes back to one; is of another version
    for bad in [lineage(&[(1, 23), (3, 23)]), lineage(&[(2, 23), (1, 23), (2, 23)]), vec![2, 0, 0, 0]] {
        assert_eq!(check_from(&with(bad), 28).verdict, broken);
    }
    // signed by nobody: a byte of the proof changed before the signer signed it
    let good = lineage(&[(1, 23), (2, 23)]);
    let mut forged = good.clone();
    let last = forged.len() - 1;
    forged[last] ^= 1;
    assert_eq!(check_from(&with(forged), 28).verdict, broken);
    let long: Vec<(u8, u32)> = (1..=66).map(|seed| (seed + 100, 23)).collect();
    assert_eq!(check_from(&with(lineage(&long)), 28).verdict, broken);
}

// ------------------------------------------------------------------------------------------------ total

fn total_on_damage() {
    let signed = fixture("field-notes.apk");
    let mut runner = TestRunner::new(Config { cases: 200, failure_persistence: None, ..Config::default() });
    let change = proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8);
    let cut = proptest::option::weighted(0.2, any::<prop::sample::Index>());
    let (block, directory) = block_of(&signed);
    let run = runner.run(&(change, any::<bool>(), cut), |(changes, in_block, cut)| {
        let mut data = signed.clone();
        for (index, byte) in changes {
            let at = if in_block { block + index.index(directory - block) } else { index.index(data.len()) };
            data[at] = byte;
        }
        if let Some(cut) = cut {
            data.truncate(cut.index(data.len()));
        }
        let _ = verify_slice(&data, &Options::default());
        Ok(())
    });
    run.unwrap();
}

fn total_on_any_block() {
    let unsigned = fixture("field-notes-unsigned.apk");
    let mut runner = TestRunner::new(Config { cases: 200, failure_persistence: None, ..Config::default() });
    let word = prop_oneof![
        any::<u32>(),
        0_u32..64,
        Just(V2),
        Just(V3),
        Just(V31),
        Just(ECDSA_SHA256),
        Just(ROTATION),
        Just(1 << 31),
    ];
    let values = (proptest::sample::select(vec![V2, V3, V31]), proptest::collection::vec(word, 0..60));
    let run = runner.run(&proptest::collection::vec(values, 0..4), |values| {
        let mut pairs = Vec::new();
        for (id, words) in values {
            let value: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            pairs.extend((value.len() as u64 + 4).to_le_bytes());
            pairs.extend(id.to_le_bytes());
            pairs.extend(value);
        }
        let found = check_from(&with_block(&unsigned, &pairs), 24);
        prop_assert!(!found.verdict.is_verified());
        prop_assert!(found.signers.is_empty() && found.schemes.is_empty());
        Ok(())
    });
    run.unwrap();
}

// ------------------------------------------------------------------------------------------------ corpus

/// Where our verdict is another than the platform's verifier gave, and why.
const EXPLAINED: &[(&str, &str)] = &[
    ("apk/v1-only-with-nul-in-entry-name.apk", "an entry name with a NUL: two readers may see two names"),
    (
        "malformed/issue-1128-poc2.apk",
        "two v2 and two v3 pairs in one block: which certificate is shown depends on the reader. Made to show that",
    ),
    (
        "malformed/syn_01_lfh_method_random.apk",
        "a local header, which a JAR signature does not cover, contradicts the directory: others may read other bytes",
    ),
    (
        "malformed/syn_08_prefix_adjusted.apk",
        "bytes before the archive, which a JAR signature does not cover: the file can be two things at once",
    ),
];

fn as_apksig(corpus: &Path) -> Result<(), Failed> {
    let truth: Json = serde_json::from_slice(&fs::read(corpus.join("truth.json"))?)?;
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut lines, mut unexplained) = (String::new(), 0);
    for (file, record) in truth["apk"].as_object().unwrap() {
        let path = corpus.join(file);
        if !path.exists() {
            continue;
        }
        let data = fs::read(&path)?;
        let signing = &record["signing"];
        let (theirs, failed) = (signing["verified"].as_bool(), signing["exception"].as_str());
        let found = verify_slice(&data, &Options::default());
        let ours = found.as_ref().is_ok_and(|found| found.verdict.is_verified());
        let shown = found.as_ref().map(|found| found.verdict).map_err(|problem| problem.code.clone());
        let kind = match (theirs, ours) {
            (Some(true), true) => "both verify",
            (Some(false), false) => "both refuse",
            (Some(true), false) => "only apksig verifies",
            (Some(false), true) => "only we verify",
            (None, true) => "apksig failed, we verify",
            (None, false) => "apksig failed, we refuse",
        };
        *counts.entry(kind).or_default() += 1;
        let explained = EXPLAINED.iter().find(|(name, _)| name == file).map(|(_, why)| *why);
        if theirs.is_some() && theirs != Some(ours) || theirs.is_none() && ours {
            unexplained += usize::from(explained.is_none());
            let why = explained.unwrap_or("UNEXPLAINED");
            writeln!(lines, "  {kind}: {file}: {shown:?} {}\n      {why}", failed.unwrap_or_default())?;
        } else if let Some(why) = explained {
            unexplained += 1;
            writeln!(lines, "  {file} agrees now: {why}")?;
        }
        if let (true, Ok(found)) = (ours && theirs == Some(true), found) {
            let texts = |list: &Json| -> BTreeSet<String> {
                list.as_array().into_iter().flatten().map(|one| one.as_str().unwrap().to_owned()).collect()
            };
            let ours: BTreeSet<String> = found.signers.iter().map(|one| one.sha256.clone()).collect();
            let same = ours == texts(&signing["certs_sha256"]);
            *counts.entry(if same { "same certificates" } else { "other certificates" }).or_default() += 1;
            if !same {
                unexplained += usize::from(explained.is_none());
                writeln!(lines, "  {file}: certificates {ours:?}")?;
            }
            // one parse, one verdict: what is verified is what an inspection lists
            let listed = inspect_slice(&data).package.unwrap().signers;
            for one in &found.signers {
                let lineage: Vec<&String> = one.lineage.iter().map(|before| &before.sha256).collect();
                let is_it = |listed: &&Signer| {
                    (&listed.sha256, &listed.subject) == (&one.sha256, &one.subject)
                        && (listed.not_before, listed.not_after) == (one.not_before, one.not_after)
                        && (lineage.is_empty() || listed.lineage.iter().eq(lineage.iter().copied()))
                };
                if !listed.iter().any(|listed| is_it(&listed)) {
                    unexplained += 1;
                    writeln!(lines, "  {file}: {one:?} is not listed")?;
                }
                *counts.entry("with a history").or_default() += usize::from(!lineage.is_empty());
            }
            for (scheme, name) in [(Scheme::V1, "v1"), (Scheme::V2, "v2"), (Scheme::V3, "v3")] {
                if signing[name].as_bool() != Some(found.schemes.contains(&scheme)) {
                    unexplained += usize::from(explained.is_none());
                    writeln!(lines, "  {file}: schemes {:?}", found.schemes)?;
                }
            }
        }
    }
    println!("{counts:?}\n{lines}");
    if counts.is_empty() || unexplained > 0 {
        return Err(format!("{unexplained} unexplained\n{lines}").into());
    }
    Ok(())
}

/// The vectors of v2 and v3 alone are for platforms that need no JAR signature. Their names say what is wrong with them.
fn newer_platforms(corpus: &Path) -> Result<(), Failed> {
    const WRONG: &[&str] = &[
        "mismatch",
        "does-not-verify",
        "truncated-cd",
        "garbage-between",
        "no-sig",
        "no-certs",
        "no-supported",
        "wrong-apk-sig-block-magic",
    ];
    let (mut good, mut bad) = (0, 0);
    let mut failures = String::new();
    for entry in fs::read_dir(corpus.join("apk"))? {
        let path = entry?.path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let starts = ["v2-only-", "v3-only-", "v2v3-"].iter().any(|start| name.starts_with(start));
        let golden = name.starts_with("golden-") && name.ends_with("-out.apk");
        if !starts && !golden {
            continue;
        }
        let expected = !WRONG.iter().any(|wrong| name.contains(wrong));
        let found = verify_file(&path, &Options { min_sdk: Some(24), ..Options::default() });
        if found.as_ref().is_ok_and(|found| found.verdict.is_verified()) != expected {
            writeln!(failures, "{name}: {:?}", found.map(|found| found.verdict))?;
        }
        *(if expected { &mut good } else { &mut bad }) += 1;
    }
    println!("from platform 24: {good} vectors verify, {bad} do not");
    if good < 40 || bad < 10 || !failures.is_empty() {
        return Err(failures.into());
    }
    Ok(())
}

fn corpus_continuity(corpus: &Path) -> Result<(), Failed> {
    let of = |name: &str, platform| {
        let options = Options { min_sdk: Some(platform), ..Options::default() };
        let found = verify_file(corpus.join("apk").join(name), &options).unwrap();
        assert!(found.verdict.is_verified(), "{name}: {:?}", found.verdict);
        found.signers
    };
    let rotated = of("golden-legacy-aligned-v1v2v3-lineage-out.apk", 23);
    let v1 = of("golden-aligned-v1-out.apk", 23);
    let v2 = of("golden-aligned-v2-out.apk", 24);
    let v3 = of("golden-aligned-v3-out.apk", 24);
    let all = of("golden-legacy-aligned-v1v2v3-out.apk", 23);
    let other = of("v3-only-with-ecdsa-sha512-p256.apk", 24);
    for old in [&v1, &v2, &v3, &all] {
        assert_eq!(continuity(old, &rotated), Continuity::Rotated);
        assert_eq!(continuity(&rotated, old), Continuity::Changed);
        assert_eq!(continuity(old, &all), Continuity::Same);
        assert_eq!(continuity(old, &other), Continuity::Changed);
    }
    assert_eq!(continuity(&v2, &v1), Continuity::DowngradedToV1);
    assert_eq!(continuity(&all, &v1), Continuity::DowngradedToV1);
    assert_eq!(continuity(&v3, &v2), Continuity::Same);
    for name in [
        "golden-aligned-v2v3-lineage-out.apk",
        "golden-unaligned-v2v3-lineage-out.apk",
        "golden-legacy-aligned-v3-lineage-out.apk",
        "golden-unaligned-v3-lineage-out.apk",
    ] {
        assert_eq!(continuity(&rotated, &of(name, 24)), Continuity::Same, "{name}");
    }
    Ok(())
}
