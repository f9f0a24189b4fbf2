//! Who signed a package.
//!
//! An inspection lists certificates as found and checks nothing. With the feature `verify`, `verify` checks the
//! signatures of an Android package, and `continuity` says whether one package continues another.

pub(crate) mod apk;
#[cfg(feature = "verify")]
mod verify;

#[cfg(feature = "verify")]
pub use self::verify::{
    Ancestor, Capabilities, Continuity, Options, Reason, Scheme, Verdict, Verification, VerifiedSigner,
    continuity, verify, verify_file, verify_slice,
};

use appdepot_core::inspect::Signer;
use sha2::{Digest, Sha256};

use crate::der::Certificate;
use crate::reader::Reader;

/// Certificates and where each was found, in the order they were found.
#[derive(Debug, Default)]
pub(crate) struct Signers {
    found: Vec<(Vec<u8>, Vec<&'static str>)>,
    /// Histories of keys: certificates, the one that signs last.
    lineages: Vec<Vec<Vec<u8>>>,
}

impl Signers {
    /// Adds a DER certificate found in `scheme`.
    pub(crate) fn add(&mut self, certificate: &[u8], scheme: &'static str) {
        match self.found.iter_mut().find(|(known, _)| known == certificate) {
            Some((_, schemes)) if schemes.contains(&scheme) => {}
            Some((_, schemes)) => schemes.push(scheme),
            None => self.found.push((certificate.to_vec(), vec![scheme])),
        }
    }

    /// Adds the history of a key, oldest certificate first.
    pub(crate) fn add_lineage(&mut self, lineage: Vec<Vec<u8>>) {
        self.lineages.push(lineage);
    }

    /// Whether every certificate was found in `scheme` alone.
    pub(crate) fn only(&self, scheme: &str) -> bool {
        !self.found.is_empty()
            && self.found.iter().all(|(_, schemes)| schemes.iter().all(|one| *one == scheme))
    }

    /// What is told of them.
    pub(crate) fn finish(self, reader: &mut Reader<'_>) -> Vec<Signer> {
        let lineages = &self.lineages;
        let told = |(certificate, mut schemes): (Vec<u8>, Vec<&str>)| {
            schemes.sort_unstable();
            let read = Certificate::read(&certificate);
            let lineage = lineages.iter().find(|all| all.last() == Some(&certificate));
            Signer {
                sha256: fingerprint(&certificate),
                subject: read.as_ref().map(|read| reader.text(&read.subject.text)),
                not_before: read.as_ref().map(|read| read.not_before),
                not_after: read.as_ref().map(|read| read.not_after),
                schemes: schemes.into_iter().map(str::to_owned).collect(),
                lineage: lineage.into_iter().flatten().map(|one| fingerprint(one)).collect(),
            }
        };
        self.found.into_iter().map(told).collect()
    }
}

/// SHA-256 as 64 lower-case hexadecimal digits.
pub(crate) fn fingerprint(data: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| DIGITS.get(usize::from(value)).map_or('0', |digit| char::from(*digit));
    Sha256::digest(data).iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;
    use crate::source::SliceSource;

    #[test]
    fn one_certificate_in_two_schemes_is_one_signer() {
        let mut signers = Signers::default();
        signers.add(b"abc", "v2");
        assert!(signers.only("v2"));
        signers.add(b"abc", "v1");
        signers.add(b"abc", "v1");
        assert!(!signers.only("v2"));
        let limits = Limits::default();
        let found = signers.finish(&mut Reader::new(&SliceSource(b""), &limits));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].schemes, ["v1", "v2"]);
        assert_eq!(found[0].sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
