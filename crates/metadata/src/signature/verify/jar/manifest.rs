//! Manifests and signature files: sections of attributes, and the digests among them (JAR File Specification).

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use super::super::Reason;
use super::super::crypto::Hash;

/// Attributes of a manifest: eight for each entry an archive may have.
const MOST_ATTRIBUTES: usize = 1 << 19;
/// From this platform on, the strongest digest counts rather than the first one listed.
const STRONGEST_DIGEST: u32 = 18;

/// A manifest or signature file.
#[derive(Debug)]
pub(super) struct Sections<'a> {
    pub(super) main: Section<'a>,
    pub(super) by_name: HashMap<Vec<u8>, Section<'a>>,
}

/// Attributes and where they stand.
#[derive(Debug, Default)]
pub(super) struct Section<'a> {
    place: Range<usize>,
    attributes: Vec<Cow<'a, [u8]>>,
}

impl<'a> Section<'a> {
    /// The value of the first attribute of a name, of whatever case.
    pub(super) fn get(&self, name: &str) -> Option<&[u8]> {
        self.attributes.iter().find_map(|attribute| {
            let (head, rest) = attribute.split_at_checked(name.len())?;
            head.eq_ignore_ascii_case(name.as_bytes()).then(|| rest.strip_prefix(b": "))?
        })
    }

    pub(super) fn bytes(&self, file: &'a [u8]) -> &'a [u8] {
        file.get(self.place.clone()).unwrap_or_default()
    }
}

impl<'a> Sections<'a> {
    pub(super) fn parse(data: &'a [u8]) -> Result<Self, Reason> {
        let mut lines = Lines::new(data);
        let main = lines.section().ok_or(Reason::Malformed)?;
        let mut by_name = HashMap::new();
        while let Some(section) = lines.section() {
            let name = section.get("Name").ok_or(Reason::Malformed)?.to_vec();
            if by_name.insert(name, section).is_some() {
                return Err(Reason::Malformed);
            }
        }
        // more attributes than are read: the last section may lack some
        if lines.attributes_left == 0 {
            return Err(Reason::Malformed);
        }
        Ok(Self { main, by_name })
    }
}

/// Lines that end in CR, LF or both; one that starts with a space continues the one before.
struct Lines<'a> {
    data: &'a [u8],
    at: usize,
    attributes_left: usize,
}

impl<'a> Lines<'a> {
    fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0, attributes_left: MOST_ATTRIBUTES }
    }

    fn line(&mut self) -> Option<&'a [u8]> {
        let rest = self.data.get(self.at..).filter(|rest| !rest.is_empty())?;
        let len = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')).unwrap_or(rest.len());
        let end = match rest.get(len..) {
            Some([b'\r', b'\n', ..]) => 2,
            Some([_, ..]) => 1,
            _ => 0,
        };
        self.at += len + end;
        rest.get(..len)
    }

    fn section(&mut self) -> Option<Section<'a>> {
        let mut section = Section::default();
        loop {
            let start = self.at;
            let Some(line) = self.line() else { break };
            match (line, section.attributes.last_mut()) {
                ([], None) => {}
                ([], Some(_)) => break,
                ([b' ', more @ ..], Some(last)) => last.to_mut().extend_from_slice(more),
                (_, last) => {
                    self.attributes_left = self.attributes_left.checked_sub(1)?;
                    if last.is_none() {
                        section.place.start = start;
                    }
                    section.attributes.push(Cow::Borrowed(line));
                }
            }
        }
        section.place.end = self.at;
        (!section.attributes.is_empty()).then_some(section)
    }
}

/// The digests a section gives that platforms from `first` on go by; all of them have to hold.
pub(super) fn expected(section: &Section<'_>, suffix: &str, first: u32) -> Vec<(Hash, Vec<u8>)> {
    /// Names of digests and the platforms from which on they count.
    const FIRST_LISTED: [(&str, Hash, u32); 7] = [
        ("MD5", Hash::Md5, 0),
        ("SHA", Hash::Sha1, 0),
        ("SHA1", Hash::Sha1, 0),
        ("SHA-1", Hash::Sha1, 0),
        ("SHA-256", Hash::Sha256, 0),
        ("SHA-384", Hash::Sha384, 9),
        ("SHA-512", Hash::Sha512, 9),
    ];
    let mut digests = Vec::new();
    let digest = |name: &str| section.get(&format!("{name}{suffix}")).and_then(base64);
    if first < STRONGEST_DIGEST {
        // older platforms take the first of a list
        let list = section.get("Digest-Algorithms").unwrap_or(b"SHA SHA1");
        let list = String::from_utf8_lossy(list);
        let mut untried = FIRST_LISTED.map(Some);
        let found = list.split_ascii_whitespace().find_map(|name| {
            let is_it = |one: &(&str, Hash, u32)| one.0.eq_ignore_ascii_case(name);
            // once each: lists may be long, and so may be the search for a digest
            let (name, hash, since) =
                untried.iter_mut().find(|one| one.as_ref().is_some_and(is_it))?.take()?;
            let digest = digest(name)?;
            (since <= first).then_some((hash, digest))
        });
        match found {
            Some(found) => digests.push(found),
            None => return digests,
        }
    }
    const STRONGEST_FIRST: [(&str, Hash); 4] = [
        ("SHA-512", Hash::Sha512),
        ("SHA-384", Hash::Sha384),
        ("SHA-256", Hash::Sha256),
        ("SHA1", Hash::Sha1),
    ];
    let strongest = STRONGEST_FIRST.iter().find_map(|(name, hash)| {
        // a digest that is there and cannot be read must not give way to a weaker one
        section.get(&format!("{name}{suffix}")).map(|value| (*hash, base64(value).unwrap_or_default()))
    });
    digests.extend(strongest);
    digests.dedup();
    digests
}

/// RFC 4648 section 4, with padding.
fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let text = text.trim_ascii();
    if !text.len().is_multiple_of(4) {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let digits = text.iter().rposition(|byte| *byte != b'=').map_or(0, |last| last + 1);
    if text.len() - digits > 2 {
        return None;
    }
    let mut bits = 0_u32;
    let mut count = 0;
    for byte in text.get(..digits)? {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(digit);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_strict() {
        assert_eq!(base64(b"aGVsbG8=").unwrap(), b"hello");
        assert_eq!(base64(b"").unwrap(), b"");
        for bad in ["a", "====", "aGVsbG8", "aGVs bG8", "aG=sbG8="] {
            assert!(base64(bad.as_bytes()).is_none(), "{bad}");
        }
    }

    #[test]
    fn sections_have_places_and_continued_lines() {
        let file =
            b"Manifest-Version: 1.0\r\nX: a\r\n b\r\n\r\n\r\nName: one\nSHA1-Digest: AAAA\n\nName: two";
        let sections = Sections::parse(file).unwrap();
        assert_eq!(sections.main.get("x").unwrap(), b"ab");
        assert_eq!(sections.main.bytes(file), &file[..35]);
        assert_eq!(sections.by_name[&b"one"[..]].bytes(file), b"Name: one\nSHA1-Digest: AAAA\n\n");
        assert_eq!(sections.by_name[&b"two"[..]].bytes(file), b"Name: two");
        assert!(Sections::parse(b"A: b\n\nName: x\n\nName: x\n").is_err());
        assert!(Sections::parse(b"A: b\n\nB: x\n").is_err());
        assert!(Sections::parse(b"").is_err());
        assert!(Sections::parse(&b"A: b\n".repeat(MOST_ATTRIBUTES - 1)).is_ok());
        assert!(Sections::parse(&b"A: b\n".repeat(MOST_ATTRIBUTES)).is_err());
    }

    #[test]
    fn old_platforms_take_the_first_digest_and_new_ones_the_strongest() {
        let section = |text: &'static [u8]| Lines::new(text).section().unwrap();
        let both = section(b"Name: a\nSHA1-Digest: AAAA\nSHA-256-Digest: BBBB\n");
        assert_eq!(expected(&both, "-Digest", 18), [(Hash::Sha256, vec![4, 16, 65])]);
        assert_eq!(expected(&both, "-Digest", 17).len(), 2);
        let new = section(b"Name: a\nSHA-256-Digest: BBBB\n");
        assert_eq!(expected(&new, "-Digest", 17), []);
        let broken = section(b"Name: a\nSHA1-Digest: AAAA\nSHA-256-Digest: ?\n");
        assert_eq!(expected(&broken, "-Digest", 18), [(Hash::Sha256, vec![])]);
    }

    #[test]
    fn a_long_list_of_digests_is_gone_through_once() {
        let list = format!("Digest-Algorithms: {}sha1\n", "SHA-512 ".repeat(200_000));
        let text = format!("{list}{}SHA1-Digest: AAAA\n", "A: b\n".repeat(200_000));
        let section = Lines::new(text.as_bytes()).section().unwrap();
        assert_eq!(expected(&section, "-Digest", 17), [(Hash::Sha1, vec![0; 3])]);
    }
}
