//! Whether a package continues another.

use super::{Scheme, VerifiedSigner};

/// How the signers of a new package relate to those of an old one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Continuity {
    /// The same signers.
    Same,
    /// Another key, and the new package proves that the old key handed over to it and still lets its data go along.
    Rotated,
    /// Other signers without such a proof.
    Changed,
    /// The same signers, but only by the old scheme that does not cover the whole file.
    DowngradedToV1,
}

impl Continuity {
    /// The word used in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Rotated => "rotated",
            Self::Changed => "changed",
            Self::DowngradedToV1 => "downgraded-to-v1",
        }
    }
}

/// Compares the signers of two verified packages, as the newest platform sees them.
///
/// Going back to a key that was rotated away from is a change, whatever the history allows: who wants it should say so.
/// A package without signers continues nothing.
///
/// ```
/// use appdepot_metadata::signature::{Continuity, continuity};
///
/// assert_eq!(continuity(&[], &[]), Continuity::Changed);
/// ```
pub fn continuity(old: &[VerifiedSigner], new: &[VerifiedSigner]) -> Continuity {
    let (before, after) = (newest(old), newest(new));
    if before.is_empty() || after.is_empty() {
        return Continuity::Changed;
    }
    let names = |signers: &[&VerifiedSigner]| {
        let mut names: Vec<String> = signers.iter().map(|signer| signer.sha256.clone()).collect();
        names.sort_unstable();
        names.dedup();
        names
    };
    let only_v1 = |signers: &[&VerifiedSigner]| signers.iter().all(|signer| signer.scheme == Scheme::V1);
    if names(&before) == names(&after) {
        return if only_v1(&after) && !only_v1(&before) {
            Continuity::DowngradedToV1
        } else {
            Continuity::Same
        };
    }
    // Android lets one key become one other key, nothing else
    let ([before], [after]) = (before.as_slice(), after.as_slice()) else { return Continuity::Changed };
    let handed_over = after
        .lineage
        .iter()
        .any(|ancestor| ancestor.sha256 == before.sha256 && ancestor.capabilities.installed_data());
    if handed_over { Continuity::Rotated } else { Continuity::Changed }
}

/// The signers that the newest platform goes by.
fn newest(signers: &[VerifiedSigner]) -> Vec<&VerifiedSigner> {
    let rank = |signer: &VerifiedSigner| (signer.scheme, signer.platforms.1);
    let best = signers.iter().map(rank).max();
    signers.iter().filter(|signer| Some(rank(signer)) == best).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Ancestor, Capabilities};
    use super::*;

    fn signer(name: &str, scheme: Scheme, lineage: &[(&str, u32)]) -> VerifiedSigner {
        VerifiedSigner {
            sha256: name.to_owned(),
            subject: None,
            not_before: None,
            not_after: None,
            scheme,
            platforms: (0, u32::MAX),
            lineage: lineage
                .iter()
                .map(|(name, flags)| Ancestor {
                    sha256: (*name).to_owned(),
                    subject: None,
                    capabilities: Capabilities(*flags),
                })
                .collect(),
        }
    }

    #[test]
    fn the_table() {
        use Continuity::{Changed, DowngradedToV1, Rotated, Same};
        let a1 = signer("a", Scheme::V1, &[]);
        let a2 = signer("a", Scheme::V2, &[]);
        let a3 = signer("a", Scheme::V3, &[]);
        let b2 = signer("b", Scheme::V2, &[]);
        let b1 = signer("b", Scheme::V1, &[]);
        let ab = signer("b", Scheme::V3, &[("a", 23), ("b", 31)]);
        let ab31 = signer("b", Scheme::V31, &[("a", 23), ("b", 31)]);
        let ab_cut = signer("b", Scheme::V3, &[("a", 22), ("b", 31)]);
        let abc = signer("c", Scheme::V3, &[("a", 23), ("b", 23), ("c", 31)]);
        let cases: &[(&[&VerifiedSigner], &[&VerifiedSigner], Continuity)] = &[
            (&[&a2], &[&a2], Same),
            (&[&a2], &[&a3], Same),
            (&[&a1], &[&a1], Same),
            (&[&a1], &[&a2], Same),
            (&[&a2], &[&a1], DowngradedToV1),
            (&[&a3], &[&a1], DowngradedToV1),
            (&[&a2], &[&b1], Changed),
            (&[&a2], &[&b2], Changed),
            (&[&a2], &[&ab], Rotated),
            (&[&a1], &[&ab], Rotated),
            (&[&a3], &[&ab31, &a3], Rotated),
            (&[&ab31, &a3], &[&ab31, &a3], Same),
            (&[&ab31, &a3], &[&a3], Changed),
            (&[&a2], &[&ab_cut], Changed),
            (&[&a2], &[&abc], Rotated),
            (&[&ab], &[&abc], Rotated),
            (&[&abc], &[&ab], Changed),
            (&[&a2, &b2], &[&b2, &a2], Same),
            (&[&a2, &b2], &[&a2], Changed),
            (&[&a2, &b2], &[&ab], Changed),
            (&[], &[&a2], Changed),
            (&[&a2], &[], Changed),
        ];
        for (old, new, expected) in cases {
            let owned = |signers: &[&VerifiedSigner]| signers.iter().copied().cloned().collect::<Vec<_>>();
            assert_eq!(continuity(&owned(old), &owned(new)), *expected, "{old:?} {new:?}");
        }
    }
}
