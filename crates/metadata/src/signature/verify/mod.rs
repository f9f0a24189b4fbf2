//! Checking the signatures of Android packages: on request, because it reads the whole file.
//!
//! The rules are those of Android's documentation of JAR signing and of APK Signature Scheme v2, v3 and v3.1
//! (<https://source.android.com/docs/security/features/apksigning>), applied for every platform from the package's
//! `minSdkVersion` on: a file is verified when each of them would install it.

mod content;
mod continuity;
mod crypto;
mod jar;
mod scheme;
mod verdict;

use std::path::Path;
use std::time::Duration;

use appdepot_core::inspect::{Hint, Inspector, Problem, Source};
use futures::FutureExt;

pub use self::continuity::{Continuity, continuity};
pub use self::verdict::{Ancestor, Capabilities, Reason, Scheme, Verdict, Verification, VerifiedSigner};

use self::content::Sections;
use self::scheme::Signer;
use super::{apk, fingerprint};
use crate::containers::zip::Archive;
use crate::der::Certificate;
use crate::error::{Anomaly, Code};
use crate::fields::Fields;
use crate::formats::apk::Apk;
use crate::limits::Limits;
use crate::reader::Reader;
use crate::registry::{Extractor, Registry};
use crate::source::{FileSource, SliceSource};

/// The platform that reads v2.
const V2_SINCE: u32 = 24;
/// The platform that reads v3.
const V3_SINCE: u32 = 28;
/// Packages made for this platform or later need more than a JAR signature.
const TARGET_NEEDS_V2: i64 = 30;
/// Packages for this sandbox or a stricter one do, too.
const SANDBOX_NEEDS_V2: i64 = 2;
/// Later than any platform.
const LAST: u32 = i32::MAX as u32;

/// How to check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The oldest platform to check for, instead of the package's `minSdkVersion`.
    pub min_sdk: Option<u32>,
    /// Bounds. By default those of an inspection, with 4 GiB to inflate and a minute of time.
    pub limits: Limits,
}

impl Default for Options {
    fn default() -> Self {
        let limits = Limits { inflated_bytes: 4 << 30, time: Duration::from_secs(60), ..Limits::default() };
        Self { min_sdk: None, limits }
    }
}

/// Why checking ended early.
#[derive(Debug)]
enum Fail {
    /// No verdict: the file could not be read, or not within the limits.
    Problem(Problem),
    /// The file is not signed.
    Unsigned,
    Invalid(Option<Scheme>, Reason),
}

impl From<Reason> for Fail {
    fn from(reason: Reason) -> Self {
        Self::Invalid(None, reason)
    }
}

impl From<Problem> for Fail {
    fn from(problem: Problem) -> Self {
        let limits = [Code::Unavailable, Code::LimitTime, Code::LimitInflate, Code::LimitEntries];
        if limits.iter().any(|code| code.is(&problem)) {
            Self::Problem(problem)
        } else {
            Self::Invalid(None, Reason::Archive)
        }
    }
}

impl Fail {
    /// The same, with the scheme at fault where there is none yet.
    fn of(self, scheme: Scheme) -> Self {
        match self {
            Self::Invalid(None, reason) if reason != Reason::Archive => Self::Invalid(Some(scheme), reason),
            other => other,
        }
    }
}

/// Checks the signatures of an Android package. Reads the whole file, in steps of a mebibyte.
///
/// # Errors
/// Where no verdict is possible: `E_UNAVAILABLE` when the source fails, `E_LIMIT_…` when checking would take more than
/// the limits allow.
///
/// # Examples
/// ```
/// use appdepot_metadata::SliceSource;
/// use appdepot_metadata::signature::{Options, Reason, Verdict, verify};
///
/// let source = SliceSource(b"no package");
/// let checked = futures::executor::block_on(verify(&source, &Options::default()))?;
/// assert_eq!(checked.verdict, Verdict::Unsupported { reason: Reason::NoPackage });
/// # Ok::<(), appdepot_core::inspect::Problem>(())
/// ```
pub async fn verify(source: &dyn Source, options: &Options) -> Result<Verification, Problem> {
    match checked(source, options).await {
        Ok(verification) => Ok(verification),
        Err(Fail::Problem(problem)) => Err(problem),
        Err(Fail::Unsigned) => Ok(Verification::without_signers(Verdict::Unsigned)),
        Err(Fail::Invalid(_, reason @ (Reason::NoPackage | Reason::UnknownAlgorithm))) => {
            Ok(Verification::without_signers(Verdict::Unsupported { reason }))
        }
        Err(Fail::Invalid(scheme, reason)) => {
            Ok(Verification::without_signers(Verdict::Invalid { scheme, reason }))
        }
    }
}

/// Checks the signatures of a package in memory; needs no runtime.
///
/// # Errors
/// As [`verify`].
///
/// # Examples
/// ```
/// use appdepot_metadata::signature::{Options, verify_slice};
///
/// assert!(!verify_slice(b"", &Options::default())?.verdict.is_verified());
/// # Ok::<(), appdepot_core::inspect::Problem>(())
/// ```
pub fn verify_slice(data: &[u8], options: &Options) -> Result<Verification, Problem> {
    verify_ready(&SliceSource(data), options)
}

/// Checks the signatures of a file; needs no runtime.
///
/// # Errors
/// As [`verify`]; `E_UNAVAILABLE` also when the file cannot be opened.
///
/// # Examples
/// ```no_run
/// use appdepot_metadata::signature::{Options, verify_file};
///
/// let checked = verify_file("app.apk", &Options::default())?;
/// println!("{:?} by {:?}", checked.verdict, checked.signers);
/// # Ok::<(), appdepot_core::inspect::Problem>(())
/// ```
pub fn verify_file(path: impl AsRef<Path>, options: &Options) -> Result<Verification, Problem> {
    let source = FileSource::open(path).map_err(|error| Code::Unavailable.problem(error.to_string()))?;
    verify_ready(&source, options)
}

/// Files and slices answer at once.
fn verify_ready(source: &dyn Source, options: &Options) -> Result<Verification, Problem> {
    let unready = || Err(Code::Unavailable.problem("the source does not answer at once"));
    verify(source, options).now_or_never().unwrap_or_else(unready)
}

/// The platforms a package is meant for.
struct Meant {
    first: u32,
    target: i64,
    sandbox: i64,
}

async fn checked(source: &dyn Source, options: &Options) -> Result<Verification, Fail> {
    let meant = meant(source, options).await?;
    let mut reader = Reader::new(source, &options.limits);
    let archive = Archive::open(&mut reader).await?.ok_or(Reason::NoPackage)?;
    if reader.refusal().is_some() {
        return Err(Reason::Archive.into());
    }
    let block = match apk::find(&mut reader, archive.directory_start()).await? {
        apk::Found::Nothing => None,
        apk::Found::Broken => return Err(Reason::Malformed.into()),
        apk::Found::Block(block) => Some(block),
    };
    let whole = match &block {
        Some(block) => Whole::read(block, meant.first)?,
        None => Whole::default(),
    };
    let start = block.map_or(archive.directory_start(), |block| block.start);
    let sections = Sections::find(&mut reader, &archive, start).await?;
    whole.check_content(&mut reader, &sections).await?;
    if whole.is_empty() && !jar::is_signed(&archive) {
        return Err(Fail::Unsigned);
    }
    if whole.is_empty() && (meant.target >= TARGET_NEEDS_V2 || meant.sandbox >= SANDBOX_NEEDS_V2) {
        return Err(Fail::Invalid(Some(Scheme::V1), Reason::TargetNeedsV2));
    }
    let mut v1 = Vec::new();
    if meant.first < V2_SINCE || whole.is_empty() {
        let v1_or = jar::verify(&mut reader, &archive, meant.first, &whole.numbers()).await;
        v1 = v1_or.map_err(|fail| fail.of(Scheme::V1))?;
    }
    // reading the entries may have found what opening the archive did not
    let found = reader.finish();
    // headers that no signature covers and that contradict the directory: others may read other entries
    let lies = whole.is_empty() && found.anomalies.contains(&Anomaly::LocalHeaderMismatch);
    if lies || found.refusal.is_some() {
        return Err(Reason::Archive.into());
    }
    whole.check_same_signers(&v1)?;
    Ok(whole.verification(v1))
}

/// Reads the manifest the way an inspection does.
async fn meant(source: &dyn Source, options: &Options) -> Result<Meant, Fail> {
    // whatever the caller's inspections ask for: the target platform stands among the details
    let limits = Limits { fields: Fields::DETAILS, ..options.limits.clone() };
    let extractor = Extractor::new(Registry::new().with(Apk), limits);
    let found = extractor.inspect(source, &Hint::file_name("package.apk")).await;
    let Some(package) = found.package else {
        let problem = found.error.map(Fail::from).filter(|fail| matches!(fail, Fail::Problem(_)));
        return Err(problem.unwrap_or(Fail::Invalid(None, Reason::NoPackage)));
    };
    let declared = package.min_os.as_deref().map_or(1, platform);
    let first = options.min_sdk.unwrap_or_else(|| u32::try_from(declared.max(1)).unwrap_or(LAST)).min(LAST);
    let target = package.details.get("effectiveTargetSdkVersion").and_then(|target| target.as_str());
    let sandbox = package.details.get("targetSandboxVersion").and_then(|sandbox| sandbox.as_i64());
    Ok(Meant { first, target: target.map_or(1, platform), sandbox: sandbox.unwrap_or(1) })
}

/// An API level, or the one before that of a code name: until it was finished, a platform counted as the one before.
fn platform(text: &str) -> i64 {
    const NAMES: [(char, i64); 21] = [
        ('C', 2),
        ('D', 3),
        ('E', 4),
        ('F', 7),
        ('G', 8),
        ('H', 10),
        ('I', 13),
        ('J', 15),
        ('K', 18),
        ('L', 20),
        ('M', 22),
        ('N', 23),
        ('O', 25),
        ('P', 27),
        ('Q', 28),
        ('R', 29),
        ('S', 30),
        ('T', 32),
        ('U', 33),
        ('V', 34),
        ('W', 35),
    ];
    if let Ok(level) = text.parse() {
        return level;
    }
    let initial = text.chars().next().unwrap_or('C');
    NAMES.iter().rev().find(|(name, _)| *name <= initial).map_or(1, |(_, level)| *level)
}

/// The signers of the schemes that cover the whole file, as far as some platform goes by them.
#[derive(Debug, Default)]
struct Whole {
    v2: Vec<Signer>,
    v3: Vec<Signer>,
    v31: Vec<Signer>,
}

impl Whole {
    /// Reads the block and checks the signatures in it; not yet that the content is what was signed.
    fn read(block: &apk::Block, first: u32) -> Result<Self, Fail> {
        let (mut v2, mut v3, mut v31) = (None, None, None);
        for pair in block.pairs() {
            let (id, value) = pair.ok_or(Reason::Malformed)?;
            let place = match id {
                apk::BLOCK_V2 => &mut v2,
                apk::BLOCK_V3 => &mut v3,
                apk::BLOCK_V31 => &mut v31,
                _ => continue,
            };
            // Android takes the first one; a file that counts on it is no ordinary file
            if place.replace(value).is_some() {
                return Err(Reason::Duplicate.into());
            }
        }
        let mut budget = scheme::Budget::default();
        let mut read = |value: Option<&[u8]>, scheme| match value {
            Some(value) => scheme::signers(value, scheme, &mut budget)
                .map_err(|reason| Fail::Invalid(Some(scheme), reason)),
            None => Ok(Vec::new()),
        };
        let mut whole = Self { v2: Vec::new(), v3: read(v3, Scheme::V3)?, v31: read(v31, Scheme::V31)? };
        whole.check_v3(first)?;
        if first < V3_SINCE || whole.v3.is_empty() {
            whole.v2 = read(v2, Scheme::V2)?;
        }
        // only 3 is known; 31 and others to come would be said by v3 itself
        if whole.v2.iter().any(|signer| signer.also == Some(3)) && whole.v3.is_empty() {
            return Err(Fail::Invalid(Some(Scheme::V2), Reason::Stripped));
        }
        Ok(whole)
    }

    fn check_v3(&self, first: u32) -> Result<(), Fail> {
        let v3 = |reason| Fail::Invalid(Some(Scheme::V3), reason);
        let v31 = |reason| Fail::Invalid(Some(Scheme::V31), reason);
        let since = self.v31.iter().map(|signer| signer.platforms.0).min();
        let mut last = LAST;
        if let Some(since) = since {
            if self.v3.is_empty() {
                return Err(v3(Reason::Stripped));
            }
            scheme::check_platforms(self.v31.iter(), since, LAST).map_err(v31)?;
            last = since.saturating_sub(1);
            let for_previews = self.v31.iter().any(|signer| signer.on_dev_release);
            let other = |signer: &Signer| signer.rotation_min_sdk.is_some_and(|said| said != since);
            if !for_previews && self.v3.iter().any(other) {
                return Err(v31(Reason::Platforms));
            }
        } else if self.v3.iter().any(|signer| signer.rotation_min_sdk.is_some()) {
            return Err(v3(Reason::Stripped));
        }
        if !self.v3.is_empty() {
            scheme::check_platforms(self.v3.iter(), first.max(V3_SINCE), last).map_err(v3)?;
            let all: Vec<&Signer> = self.v3.iter().chain(&self.v31).collect();
            scheme::check_one_history(&all).map_err(v3)?;
            self.check_hand_over().map_err(v31)?;
        }
        Ok(())
    }

    /// Checks that the signers for older platforms are of the history that those of v3.1 prove: nothing else binds
    /// them to the app, as the block they stand in is not part of what is signed.
    fn check_hand_over(&self) -> Result<(), Reason> {
        let related = |signer: &Signer, newer: &Signer| match newer.lineage.as_slice() {
            [] => signer.certificate == newer.certificate,
            lineage => lineage.iter().any(|node| node.certificate == signer.certificate),
        };
        let known = |signer: &Signer| self.v31.iter().all(|newer| related(signer, newer));
        if self.v3.iter().all(known) { Ok(()) } else { Err(Reason::SignersDiffer) }
    }

    async fn check_content(&self, reader: &mut Reader<'_>, sections: &Sections) -> Result<(), Fail> {
        if self.is_empty() {
            return Ok(());
        }
        let schemes = [(Scheme::V31, &self.v31), (Scheme::V3, &self.v3), (Scheme::V2, &self.v2)];
        let signed = || schemes.iter().flat_map(|(scheme, signers)| signers.iter().map(|one| (*scheme, one)));
        let mut kinds = Vec::new();
        for (kind, _) in signed().flat_map(|(_, signer)| &signer.digests) {
            if !kinds.contains(kind) {
                kinds.push(*kind);
            }
        }
        let digests = sections.digest(reader, &kinds).await?;
        for (scheme, signer) in signed() {
            for (kind, digest) in &signer.digests {
                let found = kinds.iter().zip(&digests).find(|(one, _)| *one == kind).map(|(_, found)| found);
                if found != Some(digest) {
                    return Err(Fail::Invalid(Some(scheme), Reason::ContentDigest));
                }
            }
        }
        Ok(())
    }

    fn is_empty(&self) -> bool {
        self.v2.is_empty() && self.v3.is_empty()
    }

    /// As JAR signatures name the schemes.
    fn numbers(&self) -> Vec<u32> {
        let mut numbers = Vec::new();
        if !self.v2.is_empty() {
            numbers.push(2);
        }
        if !self.v3.is_empty() {
            numbers.push(3);
        }
        numbers
    }

    /// Checks that all schemes tell of one app: v1 and v2 name the same signers, and these are the signer of v3 or the
    /// first of its history.
    fn check_same_signers(&self, v1: &[Vec<u8>]) -> Result<(), Fail> {
        let differ = |scheme| Fail::Invalid(Some(scheme), Reason::SignersDiffer);
        let v2: Vec<&Vec<u8>> = self.v2.iter().map(|signer| &signer.certificate).collect();
        if !v1.is_empty() && !v2.is_empty() {
            let same = v1.iter().all(|one| v2.contains(&one)) && v2.iter().all(|one| v1.contains(one));
            if !same {
                return Err(differ(Scheme::V2));
            }
        }
        let before: Vec<&Vec<u8>> = if v1.is_empty() { v2 } else { v1.iter().collect() };
        let of_v3 = || self.v31.iter().chain(&self.v3);
        let longest = of_v3().max_by_key(|signer| signer.lineage.len());
        match (before.as_slice(), longest) {
            ([], _) | (_, None) => Ok(()),
            ([before], Some(longest)) if !longest.lineage.is_empty() => {
                let first = longest.lineage.first().is_some_and(|node| node.certificate == **before);
                if first { Ok(()) } else { Err(differ(Scheme::V3)) }
            }
            ([before], Some(_)) if of_v3().all(|signer| signer.certificate == **before) => Ok(()),
            _ => Err(differ(Scheme::V3)),
        }
    }

    fn verification(&self, v1: Vec<Vec<u8>>) -> Verification {
        let mut schemes = Vec::new();
        let has = [
            (Scheme::V1, !v1.is_empty()),
            (Scheme::V2, !self.v2.is_empty()),
            (Scheme::V3, !self.v3.is_empty()),
            (Scheme::V31, !self.v31.is_empty()),
        ];
        schemes.extend(has.into_iter().filter(|(_, has)| *has).map(|(scheme, _)| scheme));
        let scheme = schemes.last().copied().unwrap_or(Scheme::V1);
        let of = |scheme: Scheme| move |signer: &Signer| verified(scheme, signer);
        let signers = match scheme {
            Scheme::V1 => v1.iter().map(|raw| described(raw, Scheme::V1, (0, LAST), Vec::new())).collect(),
            Scheme::V2 => self.v2.iter().map(of(Scheme::V2)).collect(),
            Scheme::V3 | Scheme::V31 => {
                self.v31.iter().map(of(Scheme::V31)).chain(self.v3.iter().map(of(Scheme::V3))).collect()
            }
        };
        Verification { verdict: Verdict::Verified { scheme }, signers, schemes }
    }
}

fn verified(scheme: Scheme, signer: &Signer) -> VerifiedSigner {
    let lineage = signer.lineage.iter().map(|node| Ancestor {
        sha256: fingerprint(&node.certificate),
        subject: Certificate::read(&node.certificate).map(|certificate| certificate.subject.text),
        capabilities: node.capabilities,
    });
    let (from, to) = signer.platforms;
    described(&signer.certificate, scheme, (from, to.min(LAST)), lineage.collect())
}

fn described(raw: &[u8], scheme: Scheme, platforms: (u32, u32), lineage: Vec<Ancestor>) -> VerifiedSigner {
    let certificate = Certificate::read(raw);
    VerifiedSigner {
        sha256: fingerprint(raw),
        not_before: certificate.as_ref().map(|certificate| certificate.not_before),
        not_after: certificate.as_ref().map(|certificate| certificate.not_after),
        subject: certificate.map(|certificate| certificate.subject.text),
        scheme,
        platforms,
        lineage,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_names_count_as_the_platform_before() {
        for (text, level) in
            [("21", 21), ("-1", -1), ("N", 23), ("VanillaIceCream", 34), ("", 2), ("x", 35), ("A", 1)]
        {
            assert_eq!(platform(text), level, "{text}");
        }
    }
}
