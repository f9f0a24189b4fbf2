//! Property lists, binary and XML, read within fixed bounds.
//!
//! Both readers stop at [`MAX_DEPTH`] levels, [`MAX_OBJECTS`] objects and [`MAX_BYTES`] bytes of text and data, so a
//! few hundred bytes that refer to themselves, or to each other many times over, cost no more than a large honest
//! file. The old text form with braces is not read.
//!
//! Sources: Apple's `CFBinaryPList.c` for the layout of `bplist00`, the PropertyList-1.0 DTD for XML.

mod binary;
mod json;
mod xml;

pub(crate) use self::json::{single, tree};
pub(crate) use self::xml::base64;

use std::fmt;

use appdepot_core::domain::Timestamp;
use appdepot_core::inspect::Problem;

/// The deepest nesting of arrays and dictionaries, in levels.
pub const MAX_DEPTH: usize = 64;
/// The most objects read, keys included and shared ones counted each time they are met.
pub const MAX_OBJECTS: usize = 100_000;
/// The most text and data decoded, in bytes.
pub const MAX_BYTES: usize = 16 * 1024 * 1024;

/// The first bytes of every binary property list, before the version.
const MAGIC: &[u8] = b"bplist0";

/// One value of a property list.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Keys and values.
    Dictionary(Dictionary),
    /// Values in order.
    Array(Vec<Self>),
    /// Text. Unpaired UTF-16 surrogates have become U+FFFD.
    String(String),
    /// A number between `i64::MIN` and `u64::MAX`.
    Integer(i128),
    /// A floating point number, infinite and not-a-number included.
    Real(f64),
    /// A truth value.
    Boolean(bool),
    /// An instant.
    Date(Timestamp),
    /// Bytes.
    Data(Vec<u8>),
    /// A keyed archiver's reference.
    Uid(u64),
}

impl Value {
    /// The dictionary, if it is one.
    pub const fn as_dictionary(&self) -> Option<&Dictionary> {
        if let Self::Dictionary(value) = self { Some(value) } else { None }
    }

    /// The elements, if it is an array.
    pub fn as_array(&self) -> Option<&[Self]> {
        if let Self::Array(value) = self { Some(value) } else { None }
    }

    /// The text, if it is a string.
    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(value) = self { Some(value) } else { None }
    }

    /// The number, if it is an integer.
    pub const fn as_integer(&self) -> Option<i128> {
        if let Self::Integer(value) = self { Some(*value) } else { None }
    }

    /// The truth value, if it is one.
    pub const fn as_bool(&self) -> Option<bool> {
        if let Self::Boolean(value) = self { Some(*value) } else { None }
    }

    /// The instant, if it is a date.
    pub const fn as_date(&self) -> Option<Timestamp> {
        if let Self::Date(value) = self { Some(*value) } else { None }
    }

    /// The bytes, if it is data.
    pub fn as_data(&self) -> Option<&[u8]> {
        if let Self::Data(value) = self { Some(value) } else { None }
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::String(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::String(value)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Boolean(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Integer(value.into())
    }
}

impl From<Timestamp> for Value {
    fn from(value: Timestamp) -> Self {
        Self::Date(value)
    }
}

impl From<Vec<Self>> for Value {
    fn from(value: Vec<Self>) -> Self {
        Self::Array(value)
    }
}

impl From<Dictionary> for Value {
    fn from(value: Dictionary) -> Self {
        Self::Dictionary(value)
    }
}

/// Keys and values in the order of the file. A key may be there twice, which is for the reader to judge
/// ([`is_ambiguous`](Self::is_ambiguous)).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Dictionary(Vec<(String, Value)>);

impl Dictionary {
    /// An empty one.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// The last value under `key`, as Foundation reads XML.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.iter().rev().find(|(one, _)| one == key).map(|(_, value)| value)
    }

    /// Whether `key` is there with different values, of which other readers may take another one.
    pub fn is_ambiguous(&self, key: &str) -> bool {
        let mut values = self.0.iter().filter(|(one, _)| one == key).map(|(_, value)| value);
        values.next().is_some_and(|first| values.any(|other| other != first))
    }

    /// Adds a value at the end.
    pub fn push(&mut self, key: impl Into<String>, value: impl Into<Value>) {
        self.0.push((key.into(), value.into()));
    }

    /// Keys and values in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// How many entries there are.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no entry.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// How a property list is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// `bplist00`.
    Binary,
    /// XML.
    Xml,
}

impl Encoding {
    /// `binary` or `xml`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Binary => "binary",
            Self::Xml => "xml",
        }
    }

    /// How `data` is written, judged by its first bytes; `Xml` for everything that is not binary.
    pub fn of(data: &[u8]) -> Self {
        if data.starts_with(MAGIC) { Self::Binary } else { Self::Xml }
    }
}

/// Why a property list cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// A container contains itself.
    Cycle,
    /// Deeper than [`MAX_DEPTH`].
    Depth,
    /// More than [`MAX_OBJECTS`].
    Objects,
    /// More than [`MAX_BYTES`].
    Bytes,
    /// A document type other than Apple's, one with its own declarations, or a reference to an entity.
    DocumentType,
    /// The end is missing.
    Truncated,
    /// Anything else; the text says what.
    Invalid(&'static str),
}

impl Error {
    /// The closed code an inspection reports.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Cycle => "E_CYCLE",
            Self::Depth => "E_LIMIT_DEPTH",
            Self::Objects => "E_LIMIT_ENTRIES",
            Self::Bytes => "E_LIMIT_STRING",
            Self::DocumentType => "E_XML_DTD",
            Self::Truncated => "E_TRUNCATED",
            Self::Invalid(_) => "E_MANIFEST_INVALID",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("property list: ")?;
        match self {
            Self::Cycle => f.write_str("an object contains itself"),
            Self::Depth => write!(f, "nested deeper than {MAX_DEPTH} levels"),
            Self::Objects => write!(f, "more than {MAX_OBJECTS} objects"),
            Self::Bytes => write!(f, "more than {MAX_BYTES} bytes of text and data"),
            Self::DocumentType => f.write_str("document type or entity not allowed"),
            Self::Truncated => f.write_str("ends too early"),
            Self::Invalid(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for Error {}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self { code: error.code().to_owned(), message: error.to_string() }
    }
}

/// Reads a binary or an XML property list.
///
/// # Errors
/// See [`Error`]; every input gives a value or one of them.
///
/// # Examples
/// ```
/// use appdepot_metadata::plist;
///
/// let value = plist::read(b"<plist><dict><key>CFBundleVersion</key><string>42</string></dict></plist>")?;
/// let version = value.as_dictionary().and_then(|info| info.get("CFBundleVersion"));
/// assert_eq!(version.and_then(|value| value.as_str()), Some("42"));
/// # Ok::<(), plist::Error>(())
/// ```
pub fn read(data: &[u8]) -> Result<Value, Error> {
    if data.starts_with(MAGIC) {
        binary::read(data)
    } else if MAGIC.starts_with(data) {
        Err(Error::Truncated)
    } else {
        xml::read(data)
    }
}

/// What may still be read of one property list.
#[derive(Debug)]
struct Budget {
    objects: usize,
    bytes: usize,
}

impl Budget {
    const fn new() -> Self {
        Self { objects: MAX_OBJECTS, bytes: MAX_BYTES }
    }

    fn object(&mut self) -> Result<(), Error> {
        self.objects = self.objects.checked_sub(1).ok_or(Error::Objects)?;
        Ok(())
    }

    fn bytes(&mut self, count: usize) -> Result<(), Error> {
        self.bytes = self.bytes.checked_sub(count).ok_or(Error::Bytes)?;
        Ok(())
    }
}

/// Integers of both forms have a 64-bit value, signed or not.
fn integer(value: i128) -> Result<Value, Error> {
    if value < i128::from(i64::MIN) || value > i128::from(u64::MAX) {
        return Err(Error::Invalid("integer of more than 64 bits"));
    }
    Ok(Value::Integer(value))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use ::plist as peer;
    use proptest::prelude::*;

    use super::*;

    /// Values as the `plist` crate has them. XML cannot hold control characters and has no form for a `Uid`.
    fn values(binary: bool) -> impl Strategy<Value = peer::Value> {
        let text = if binary {
            "\\PC{0,20}|[\\x00-\\x7f]{0,20}"
        } else {
            "[^\\x00-\\x1f\\x7f-\\x9f\\u{fffe}\\u{ffff}]{0,20}"
        };
        let date = (-40_000_000_000i64..100_000_000_000).prop_map(|seconds| {
            let span = Duration::from_secs(seconds.unsigned_abs());
            peer::Value::Date(if seconds < 0 { UNIX_EPOCH - span } else { UNIX_EPOCH + span }.into())
        });
        let leaf = prop_oneof![
            text.prop_map(peer::Value::String),
            any::<i64>().prop_map(|value| peer::Value::Integer(value.into())),
            any::<u64>().prop_map(|value| peer::Value::Integer(value.into())),
            (-300i64..300).prop_map(|value| peer::Value::Integer(value.into())),
            any::<f64>().prop_map(peer::Value::Real),
            any::<bool>().prop_map(peer::Value::Boolean),
            date,
            proptest::collection::vec(any::<u8>(), 0..40).prop_map(peer::Value::Data),
            any::<u64>().prop_map(move |value| match binary {
                true => peer::Value::Uid(peer::Uid::new(value)),
                false => peer::Value::Boolean(true),
            }),
        ];
        leaf.prop_recursive(5, 60, 20, move |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..20).prop_map(peer::Value::Array),
                proptest::collection::vec((text, inner), 0..20)
                    .prop_map(|entries| peer::Value::Dictionary(entries.into_iter().collect())),
            ]
        })
    }

    fn equal(theirs: &peer::Value, ours: &Value) -> bool {
        match (theirs, ours) {
            (peer::Value::Dictionary(theirs), Value::Dictionary(ours)) => {
                theirs.len() == ours.len()
                    && theirs.iter().all(|(key, value)| ours.get(key).is_some_and(|one| equal(value, one)))
            }
            (peer::Value::Array(theirs), Value::Array(ours)) => {
                theirs.len() == ours.len()
                    && theirs.iter().zip(ours).all(|(theirs, ours)| equal(theirs, ours))
            }
            (peer::Value::String(theirs), Value::String(ours)) => theirs == ours,
            (peer::Value::Integer(theirs), Value::Integer(ours)) => {
                let theirs = theirs.as_signed().map(i128::from).or(theirs.as_unsigned().map(i128::from));
                theirs == Some(*ours)
            }
            (peer::Value::Real(theirs), Value::Real(ours)) => {
                theirs.to_bits() == ours.to_bits() || theirs.is_nan() && ours.is_nan()
            }
            (peer::Value::Boolean(theirs), Value::Boolean(ours)) => theirs == ours,
            (peer::Value::Date(theirs), Value::Date(ours)) => {
                Timestamp::parse(&theirs.to_xml_format()).unwrap() == *ours
            }
            (peer::Value::Data(theirs), Value::Data(ours)) => theirs == ours,
            (peer::Value::Uid(theirs), Value::Uid(ours)) => theirs.get() == *ours,
            _ => false,
        }
    }

    fn written(value: &peer::Value, binary: bool) -> Vec<u8> {
        let mut data = Vec::new();
        if binary { value.to_writer_binary(&mut data) } else { value.to_writer_xml(&mut data) }.unwrap();
        data
    }

    proptest! {
        #[test]
        fn binary_equals_peer(value in values(true)) {
            let ours = read(&written(&value, true)).unwrap();
            prop_assert!(equal(&value, &ours), "{value:?}\n{ours:?}");
        }

        #[test]
        fn xml_equals_peer(value in values(false)) {
            let ours = read(&written(&value, false)).unwrap();
            prop_assert!(equal(&value, &ours), "{value:?}\n{ours:?}");
        }

        #[test]
        fn total_on_any_bytes(data in proptest::collection::vec(any::<u8>(), 0..400), binary: bool) {
            let _ = read(&data);
            let mut with_magic = if binary { b"bplist00".to_vec() } else { b"<plist><dict>".to_vec() };
            with_magic.extend_from_slice(&data);
            let _ = read(&with_magic);
        }

        #[test]
        fn total_on_damaged_files(
            value in values(false),
            damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
            cut in any::<prop::sample::Index>(),
        ) {
            for binary in [true, false] {
                let mut data = written(&value, binary);
                for (at, byte) in &damage {
                    let at = at.index(data.len());
                    data[at] = *byte;
                }
                let _ = read(&data);
                let _ = read(&data[..cut.index(data.len())]);
            }
        }

        #[test]
        fn every_cut_is_refused(value in values(false), cut in any::<prop::sample::Index>()) {
            let data = written(&value, false);
            let root_end = data.windows(8).rposition(|window| window == b"</plist>").unwrap();
            prop_assert!(read(&data[..cut.index(root_end)]).is_err());
        }
    }

    fn code(data: &[u8]) -> &'static str {
        read(data).map_err(Error::code).unwrap_err()
    }

    #[test]
    fn document_types() {
        let with =
            |doctype: &str| format!("<?xml version=\"1.0\"?>{doctype}<plist><true/></plist>").into_bytes();
        let apple = "<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\"\n \
                     \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">";
        assert_eq!(read(&with(apple)), Ok(Value::Boolean(true)));
        assert_eq!(read(&with("<!DOCTYPE plist>")), Ok(Value::Boolean(true)));
        assert_eq!(code(&with("<!DOCTYPE plist [<!ENTITY a \"b\">]>")), "E_XML_DTD");
        assert_eq!(code(&with("<!DOCTYPE plist SYSTEM \"http://127.0.0.1/x\">")), "E_XML_DTD");
        assert_eq!(code(b"<plist><string>&undefined;</string></plist>"), "E_XML_DTD");
        assert_eq!(code(b"<plist><!DOCTYPE plist><true/></plist>"), "E_XML_DTD");
    }

    #[test]
    fn text_of_xml() {
        let text = |inner: &str| read(format!("<plist><string>{inner}</string></plist>").as_bytes());
        assert_eq!(text("a&amp;&#x41;&#66;<![CDATA[<c>]]><!-- d -->e"), Ok("a&AB<c>e".into()));
        assert_eq!(read(b"<plist><string/></plist>"), Ok("".into()));
        assert_eq!(read(b"<plist><integer> -0x10 </integer></plist>"), Ok(Value::Integer(-16)));
        assert_eq!(code(b"<plist><integer>--1</integer></plist>"), "E_MANIFEST_INVALID");
        assert_eq!(read(b"<plist><data> QUJ\nD </data></plist>"), Ok(Value::Data(b"ABC".to_vec())));
        assert_eq!(code(b"<plist><dict><key>a</key></dict></plist>"), "E_MANIFEST_INVALID");
        assert_eq!(code(b"<plist><dict><true/></dict></plist>"), "E_MANIFEST_INVALID");
        assert_eq!(code(b"<plist><true/><true/></plist>"), "E_MANIFEST_INVALID");
        for order in [u16::to_le_bytes, u16::to_be_bytes] {
            let wide = "\u{feff}<plist><string>\u{e9}</string></plist>".encode_utf16().flat_map(order);
            assert_eq!(read(&wide.collect::<Vec<_>>()), Ok("\u{e9}".into()));
        }
    }

    #[test]
    fn bounds() {
        let deep = |levels: usize| ["<array>".repeat(levels), "</array>".repeat(levels)].concat();
        assert!(read(deep(MAX_DEPTH).as_bytes()).is_ok());
        assert_eq!(code(deep(MAX_DEPTH + 1).as_bytes()), "E_LIMIT_DEPTH");
        assert_eq!(code(["<array>", &"<true/>".repeat(MAX_OBJECTS)].concat().as_bytes()), "E_LIMIT_ENTRIES");
        assert_eq!(code(format!("<string>{}", "x".repeat(MAX_BYTES + 1)).as_bytes()), "E_LIMIT_STRING");
        assert_eq!(code(b""), "E_TRUNCATED");
        assert_eq!(code(b"bplist00"), "E_TRUNCATED");
    }

    #[test]
    fn repeated_keys() {
        let text = b"<dict><key>a</key><true/><key>b</key><true/><key>a</key><false/></dict>";
        let value = read(text).unwrap();
        let dictionary = value.as_dictionary().unwrap();
        assert_eq!(dictionary.get("a"), Some(&Value::Boolean(false)));
        assert!(dictionary.is_ambiguous("a") && !dictionary.is_ambiguous("b"));
    }
}
