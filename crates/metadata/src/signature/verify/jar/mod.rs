//! JAR signatures (v1) by the rules Android has for them: every entry outside `META-INF/` has to be in the manifest
//! and signed by the same signers; `META-INF/` itself is not covered.

use std::collections::HashSet;

use flate2::{FlushDecompress, Status};

use crate::containers::zip::{Archive, Entry};
use crate::reader::Reader;

use super::crypto::{Hash, Hasher};
use super::{Fail, Reason};

mod block;
mod manifest;

use self::manifest::{Sections, expected};

const FOLDER: &[u8] = b"META-INF/";
const MANIFEST: &[u8] = b"META-INF/MANIFEST.MF";
/// Signers of one package; Android allows as many.
const MOST_SIGNERS: usize = 10;
/// Bytes read and inflated at a time.
const STEP: u64 = 256 << 10;
/// Sections and entries between two looks at the clock.
const ROUNDS: usize = 256;

/// Whether the archive has anything to do with JAR signatures: a signature block that Android would look at.
pub(super) fn is_signed(archive: &Archive) -> bool {
    archive.names().any(|name| block_stem(name).is_some())
}

/// The name of a signature block without its extension.
fn block_stem(name: &[u8]) -> Option<&[u8]> {
    let file = name.strip_prefix(FOLDER).filter(|file| !file.contains(&b'/'))?;
    [".RSA", ".DSA", ".EC"].iter().find(|end| file.ends_with(end.as_bytes()))?;
    let dot = name.iter().rposition(|byte| *byte == b'.')?;
    name.get(..dot)
}

/// Checks everything; gives the certificate of each signer.
///
/// `first` is the oldest platform that counts, `schemes` the numbers of the other schemes the file is signed by.
pub(super) async fn verify(
    reader: &mut Reader<'_>,
    archive: &Archive,
    first: u32,
    schemes: &[u32],
) -> Result<Vec<Vec<u8>>, Fail> {
    let manifest = read(reader, archive, MANIFEST, reader.limits().manifest_bytes).await?;
    let manifest = manifest.ok_or(Reason::NoJarManifest)?;
    let sections = Sections::parse(&manifest)?;
    for (round, name) in sections.by_name.keys().enumerate() {
        if round.is_multiple_of(ROUNDS) {
            reader.check_time()?;
        }
        if archive.find(name).is_none() {
            return Err(Reason::EntryMissing.into());
        }
    }
    let mut signers = Vec::new();
    let blocks: Vec<&[u8]> = archive.names().filter(|name| block_stem(name).is_some()).collect();
    if blocks.len() > MOST_SIGNERS {
        return Err(Reason::TooManySigners.into());
    }
    for name in blocks {
        let block = read(reader, archive, name, reader.limits().signature_bytes).await?;
        let file = [block_stem(name).unwrap_or_default(), b".SF"].concat();
        let file = read(reader, archive, &file, reader.limits().manifest_bytes).await?;
        let (block, file) = (block.ok_or(Reason::Malformed)?, file.ok_or(Reason::SignatureFileMissing)?);
        let certificate = block::check(&block, &file, first)?;
        reader.check_time()?;
        let named = check_file(reader, &file, &manifest, &sections, first, schemes)?;
        reader.check_time()?;
        signers.push((certificate, named));
    }
    if signers.is_empty() {
        return Err(Reason::NoSigners.into());
    }
    let mut everywhere: Option<Vec<usize>> = None;
    for (round, entry) in archive.entries().enumerate() {
        if round.is_multiple_of(ROUNDS) {
            reader.check_time()?;
        }
        if entry.name.starts_with(FOLDER) || entry.is_directory() {
            continue;
        }
        let section = sections.by_name.get(entry.name).ok_or(Reason::EntryUnlisted)?;
        let digests = expected(section, "-Digest", first);
        if digests.is_empty() {
            return Err(Reason::EntryUnlisted.into());
        }
        let named = |(index, (_, names)): (usize, &(Vec<u8>, HashSet<Vec<u8>>))| {
            names.contains(entry.name).then_some(index)
        };
        let by: Vec<usize> = signers.iter().enumerate().filter_map(named).collect();
        if by.is_empty() || everywhere.as_ref().is_some_and(|all| *all != by) {
            return Err(Reason::EntryUnsigned.into());
        }
        everywhere = Some(by);
        let hashers = digests.iter().map(|(hash, _)| hash.start()).collect();
        let found = digest_entry(reader, archive, &entry, hashers).await?;
        if !found.iter().eq(digests.iter().map(|(_, digest)| digest)) {
            return Err(Reason::EntryDigest.into());
        }
    }
    let by = everywhere.ok_or(Reason::NothingSigned)?;
    let signed = signers.into_iter().enumerate().filter(|(index, _)| by.contains(index));
    Ok(signed.map(|(_, (certificate, _))| certificate).collect())
}

/// The content of the only entry of a name.
async fn read(
    reader: &mut Reader<'_>,
    archive: &Archive,
    name: &[u8],
    cap: u64,
) -> Result<Option<bytes::Bytes>, Fail> {
    match archive.unique(name)? {
        Some(entry) => Ok(Some(archive.read(reader, &entry, cap).await?)),
        None => Ok(None),
    }
}

/// The digests of an entry's content, streamed.
async fn digest_entry(
    reader: &mut Reader<'_>,
    archive: &Archive,
    entry: &Entry<'_>,
    mut hashers: Vec<Hasher>,
) -> Result<Vec<Vec<u8>>, Fail> {
    if entry.has_unknown_method() {
        let content = archive.read(reader, entry, reader.limits().compressed_bytes).await?;
        hashers.iter_mut().for_each(|hasher| hasher.update(&content));
        return Ok(hashers.into_iter().map(Hasher::finish).collect());
    }
    let (mut at, len) = archive.locate(reader, entry, entry.compressed.min(STEP)).await?;
    let end = at.checked_add(len).ok_or(Reason::Archive)?;
    let mut size = 0_u64;
    if entry.is_stored() {
        while at < end {
            let step = STEP.min(end - at);
            let chunk = reader.bytes(at, usize::try_from(step).unwrap_or(0)).await?;
            hashers.iter_mut().for_each(|hasher| hasher.update(&chunk));
            at += step;
        }
        size = len;
    } else {
        let mut inflater = reader.inflater();
        let mut output = vec![0; usize::try_from(entry.size.clamp(1, STEP)).unwrap_or(1)];
        let mut status = Status::Ok;
        while at < end && status != Status::StreamEnd {
            let step = STEP.min(end - at);
            let chunk = reader.bytes(at, usize::try_from(step).unwrap_or(0)).await?;
            at += step;
            let mut rest: &[u8] = &chunk;
            loop {
                let (read, written) = (inflater.total_in(), inflater.total_out());
                status = inflater
                    .decompress(rest, &mut output, FlushDecompress::None)
                    .map_err(|_| Reason::EntryDigest)?;
                let read = usize::try_from(inflater.total_in() - read).unwrap_or(usize::MAX);
                let written = inflater.total_out() - written;
                rest = rest.get(read..).unwrap_or_default();
                size += written;
                reader.charge_inflated(written)?;
                if size > entry.size {
                    return Err(Reason::EntryDigest.into());
                }
                let written = output.get(..usize::try_from(written).unwrap_or(0)).unwrap_or_default();
                hashers.iter_mut().for_each(|hasher| hasher.update(written));
                // no progress with room to write: more input is needed
                if status == Status::StreamEnd
                    || written.len() < output.len() && (rest.is_empty() || read == 0)
                {
                    break;
                }
            }
        }
        reader.keep_inflater(inflater);
        if status != Status::StreamEnd {
            return Err(Reason::EntryDigest.into());
        }
    }
    if size != entry.size {
        return Err(Reason::EntryDigest.into());
    }
    Ok(hashers.into_iter().map(Hasher::finish).collect())
}

/// Checks a signature file against the manifest; gives the names of the entries it covers.
fn check_file(
    reader: &Reader<'_>,
    file: &[u8],
    manifest: &[u8],
    sections: &Sections<'_>,
    first: u32,
    schemes: &[u32],
) -> Result<HashSet<Vec<u8>>, Fail> {
    let own = Sections::parse(file)?;
    if own.main.get("Signature-Version").is_none() {
        return Err(Reason::Malformed.into());
    }
    // the other schemes the signer used too: without them somebody has taken them away
    let named =
        String::from_utf8_lossy(own.main.get("X-Android-APK-Signed").unwrap_or_default()).into_owned();
    let stripped = |id: &str| id.trim().parse().is_ok_and(|id| matches!(id, 2 | 3) && !schemes.contains(&id));
    if named.split(',').any(stripped) {
        return Err(Reason::Stripped.into());
    }
    let by_signtool =
        own.main.get("Created-By").is_some_and(|by| by.windows(8).any(|part| part == b"signtool"));
    let holds = |digests: &[(Hash, Vec<u8>)], data: &[u8]| {
        digests.iter().all(|(hash, digest)| hash.of(data) == *digest)
    };

    let whole = expected(&own.main, if by_signtool { "-Digest" } else { "-Digest-Manifest" }, first);
    if whole.is_empty() || !holds(&whole, manifest) {
        let main = expected(&own.main, "-Digest-Manifest-Main-Attributes", first);
        if !holds(&main, sections.main.bytes(manifest)) {
            return Err(Reason::ManifestDigest.into());
        }
        for (round, (name, section)) in own.by_name.iter().enumerate() {
            if round.is_multiple_of(ROUNDS) {
                reader.check_time()?;
            }
            let theirs = sections.by_name.get(name).ok_or(Reason::ManifestDigest)?;
            let mut bytes = theirs.bytes(manifest);
            if by_signtool && bytes.ends_with(b"\n\n") {
                bytes = bytes.get(..bytes.len() - 1).unwrap_or_default();
            }
            let digests = expected(section, "-Digest", first);
            if digests.is_empty() || !holds(&digests, bytes) {
                return Err(Reason::ManifestDigest.into());
            }
        }
    }
    Ok(own.by_name.into_keys().collect())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::error::Code;

    #[test]
    fn sections_take_time() {
        let manifest = b"Manifest-Version: 1.0\n\nName: a\nSHA1-Digest: AAAA\n";
        let file = b"Signature-Version: 1.0\n\nName: a\nSHA1-Digest: AAAA\n";
        let sections = Sections::parse(manifest).unwrap();
        let check = |time| {
            let limits = crate::Limits { time, ..crate::Limits::default() };
            let reader = Reader::new(&crate::SliceSource(b""), &limits);
            check_file(&reader, file, manifest, &sections, 18, &[]).unwrap_err()
        };
        assert!(matches!(check(Duration::from_secs(60)), Fail::Invalid(None, Reason::ManifestDigest)));
        assert!(matches!(check(Duration::ZERO), Fail::Problem(problem) if Code::LimitTime.is(&problem)));
    }

    #[test]
    fn blocks_have_names() {
        assert_eq!(block_stem(b"META-INF/A.B.RSA").unwrap(), b"META-INF/A.B");
        assert!(block_stem(b"META-INF/x/A.RSA").is_none());
        assert!(block_stem(b"meta-inf/A.RSA").is_none());
        assert!(block_stem(b"META-INF/A.SF").is_none());
    }
}
