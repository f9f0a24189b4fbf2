//! What each target does with its bytes.

use std::sync::LazyLock;
use std::time::Duration;

use appdepot_authz::Xacml;
use appdepot_core::ErrorKind;
use appdepot_core::authorize::{Person, Subject};
use appdepot_core::blobs::BlobKey;
use appdepot_core::conditions::{Conditions, Facts};
use appdepot_core::domain::{Asset, Id, Kind, Timestamp, slugify};
use appdepot_core::error::Detail;
use appdepot_core::inspect::Hint;
use appdepot_core::query::{Path, Pattern, Query};
use appdepot_core::records::Record;
use appdepot_http::emporix;
use appdepot_metadata::containers::Container;
use appdepot_metadata::der::{Certificate, Element, Elements};
use appdepot_metadata::fixture::zip::ZipBuilder;
use appdepot_metadata::formats::profile::Profile;
use appdepot_metadata::signature::{Options, verify_slice};
use appdepot_metadata::{Anomaly, Extractor, Format, Limits, Reader, Registry, SliceSource, formats, icon};
use futures::FutureExt;

use crate::{pack, seeds};

/// Time an inspection may take; libFuzzer stops at twice as much.
const TIME: Duration = Duration::from_millis(500);

/// Any file.
pub(crate) fn file(data: &[u8]) {
    static ALL: LazyLock<Extractor> = LazyLock::new(|| Extractor::new(Registry::default(), limits()));
    inspect(&ALL, data, &Hint::default());
}

/// Any file under a name, read in small pieces; the first byte picks the name.
pub(crate) fn hints(data: &[u8]) {
    static ALL: LazyLock<Extractor> = LazyLock::new(|| Extractor::new(Registry::default(), in_pieces()));
    if let Some((first, rest)) = data.split_first() {
        let name = seeds::NAMES[usize::from(*first) % seeds::NAMES.len()];
        inspect(&ALL, rest, &Hint::file_name(name));
    }
}

/// An archive, all entries of which are read.
pub(crate) fn zip(data: &[u8]) {
    const MOST: u64 = 1 << 20;
    let (source, limits) = (SliceSource(data), limits());
    let mut reader = Reader::new(&source, &limits);
    let Ok(container) = Container::open(&mut reader).now_or_never().expect("slices answer at once") else {
        return;
    };
    let Some(archive) = container.zip() else { return };
    for entry in archive.entries() {
        let _ = (entry.path(), entry.is_directory(), entry.is_link(), archive.unique(entry.name).is_ok());
        let read = archive.read(&mut reader, &entry, MOST).now_or_never().expect("slices answer at once");
        assert!(read.map_or(0, |content| content.len() as u64) <= MOST);
    }
}

/// The manifest of an Android package.
pub(crate) fn axml(data: &[u8]) {
    let package =
        ZipBuilder::new().stored("AndroidManifest.xml", data).stored("resources.arsc", seeds::table());
    one(&APK, &package.build());
}

/// The resource table of an Android package; read in pieces or whole, as the length is odd or even.
pub(crate) fn arsc(data: &[u8]) {
    static IN_PIECES: LazyLock<Extractor> =
        LazyLock::new(|| Extractor::new(Registry::new().with(formats::apk::Apk), in_pieces()));
    let package =
        ZipBuilder::new().stored("AndroidManifest.xml", seeds::manifest()).stored("resources.arsc", data);
    one(if data.len().is_multiple_of(2) { &APK } else { &IN_PIECES }, &package.build());
}

/// The pairs in the signing block of an Android package; also its JAR signature.
pub(crate) fn signing_block(data: &[u8]) {
    let size = (data.len() as u64 + 24).to_le_bytes();
    let package = ZipBuilder::new()
        .stored("AndroidManifest.xml", seeds::drawn())
        .stored("META-INF/CERT.SF", "")
        .stored("META-INF/CERT.RSA", data)
        .before_directory([&size, data, &size, b"APK Sig Block 42"].concat());
    one(&APK, &package.build());
}

/// The manifest of an Android App Bundle, or its resource table where the first byte is odd: protocol buffers.
pub(crate) fn aab(data: &[u8]) {
    static FORMAT: LazyLock<Extractor> = LazyLock::new(|| only(formats::aab::Aab));
    let Some((first, rest)) = data.split_first() else { return };
    let (manifest, table) =
        if first % 2 == 0 { (rest, &seeds::bundle()[1][..]) } else { (&seeds::bundle()[0][..], rest) };
    let bundle = ZipBuilder::new()
        .stored("BundleConfig.pb", rest)
        .stored("base/manifest/AndroidManifest.xml", manifest)
        .stored("base/resources.pb", table);
    one(&FORMAT, &bundle.build());
}

/// What stands beside the packages in an archive of them; the first byte picks which.
pub(crate) fn apks(data: &[u8]) {
    static FORMAT: LazyLock<Extractor> = LazyLock::new(|| only(formats::bundle::Bundle));
    let Some((first, rest)) = data.split_first() else { return };
    let name = ["toc.pb", "info.json", "manifest.json", "base.apk"][usize::from(*first) % 4];
    let archive = ZipBuilder::new().stored(name, rest).stored("a.apk", seeds::small());
    one(&FORMAT, &archive.build());
}

/// A property list, binary or XML.
pub(crate) fn plist(data: &[u8]) {
    let _ = appdepot_metadata::plist::read(data);
}

/// DER, signed data and certificates.
pub(crate) fn der(data: &[u8]) {
    use appdepot_metadata::der;
    let mut open = vec![Elements::new(data)];
    while let Some(elements) = open.pop() {
        open.extend(elements.filter(Element::is_constructed).map(|element| element.children()));
    }
    let _ = (der::pkcs7_content(data), der::pkcs7_signers(data), der::object_identifier(data));
    for certificate in der::pkcs7_certificates(data).unwrap_or_default() {
        Certificate::read(certificate);
    }
    Certificate::read(data);
}

/// Certificates, requests and keys, in PEM and DER.
pub(crate) fn certificate(data: &[u8]) {
    static FORMAT: LazyLock<Extractor> = LazyLock::new(|| only(formats::certificate::Certificate));
    static NAME: LazyLock<Hint> = LazyLock::new(|| Hint::file_name("a.cer"));
    inspect(&FORMAT, data, &NAME);
}

/// A provisioning profile.
pub(crate) fn profile(data: &[u8]) {
    static FORMAT: LazyLock<Extractor> = LazyLock::new(|| only(formats::profile::ProvisioningProfile));
    one(&FORMAT, data);
    if let Ok(profile) = Profile::read(data) {
        profile.details(&mut str::to_owned);
    }
}

/// The property list of an app for iOS.
pub(crate) fn ipa(data: &[u8]) {
    static FORMAT: LazyLock<Extractor> = LazyLock::new(|| only(formats::ipa::Ipa));
    let package = ZipBuilder::new()
        .stored("Payload/A.app/Info.plist", data)
        .stored("Payload/A.app/embedded.mobileprovision", data)
        .stored("iTunesMetadata.plist", data);
    one(&FORMAT, &package.build());
}

/// A Windows installer database, which is a compound file.
pub(crate) fn msi(data: &[u8]) {
    static FORMAT: LazyLock<Extractor> = LazyLock::new(|| only(formats::msi::Msi));
    one(&FORMAT, data);
}

/// A Windows program.
pub(crate) fn pe(data: &[u8]) {
    static FORMAT: LazyLock<Extractor> = LazyLock::new(|| only(formats::exe::Exe));
    one(&FORMAT, data);
}

/// A Debian package.
pub(crate) fn deb(data: &[u8]) {
    one(&DEB, data);
}

/// The control member of a Debian package; the first byte says how it is packed.
pub(crate) fn tar(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else { return };
    let name =
        ["control.tar", "control.tar.gz", "control.tar.xz", "control.tar.zst"][usize::from(*first) % 4];
    one(&DEB, &pack::ar(&[("debian-binary", b"2.0\n"), (name, rest)]));
}

/// An RPM package.
pub(crate) fn rpm(data: &[u8]) {
    static FORMAT: LazyLock<Extractor> = LazyLock::new(|| only(formats::rpm::Rpm));
    one(&FORMAT, data);
}

/// A macOS installer package by its table of contents, with a little behind it.
pub(crate) fn xar(data: &[u8]) {
    one(&PKG, data);
    one(&PKG, &pack::archive(data, b"<pkg-info identifier='a.b' version='1'/>"));
}

/// The script of a macOS installer package; the first byte picks which of the two kinds.
pub(crate) fn pkg(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else { return };
    let name = if first % 2 == 0 { "Distribution" } else { "PackageInfo" };
    let table = format!(
        "<xar><toc><file id='1'><name>{name}</name><data><offset>0</offset><length>{0}</length><size>{0}</size>\
         <encoding style='application/octet-stream'/></data></file></toc></xar>",
        rest.len()
    );
    one(&PKG, &pack::archive(table.as_bytes(), rest));
}

/// A macOS disk image.
pub(crate) fn dmg(data: &[u8]) {
    static FORMAT: LazyLock<Extractor> = LazyLock::new(|| only(formats::dmg::Dmg));
    one(&FORMAT, data);
}

/// A PDF document.
pub(crate) fn pdf(data: &[u8]) {
    static FORMAT: LazyLock<Extractor> = LazyLock::new(|| only(formats::pdf::Pdf));
    one(&FORMAT, data);
}

/// The header of a picture.
pub(crate) fn image(data: &[u8]) {
    static FORMAT: LazyLock<Extractor> = LazyLock::new(|| only(formats::image::Image));
    one(&FORMAT, data);
}

/// A picture in Apple's variant of PNG, made plain.
pub(crate) fn png(data: &[u8]) {
    let limits = Limits { inflated_bytes: 4 << 20, ..limits() };
    if let Ok(plain) = icon::plain_png(data, &limits) {
        assert!(plain.starts_with(b"\x89PNG"));
        assert!(icon::plain_png(&plain, &limits).is_ok_and(|again| again == plain));
    }
}

/// A picture, or a package with one, as PNG.
pub(crate) fn icon(data: &[u8]) {
    picture(data);
}

/// The icon of an Android package, drawn from binary XML.
pub(crate) fn drawable(data: &[u8]) {
    let package = ZipBuilder::new()
        .stored("AndroidManifest.xml", seeds::drawn())
        .stored("res/icon.xml", data)
        .stored("res/other.xml", seeds::drawing());
    picture(&package.build());
}

/// The signatures of an Android package.
pub(crate) fn verify(data: &[u8]) {
    let options = Options { limits: limits(), ..Options::default() };
    let _ = verify_slice(data, &options);
    let size = (data.len() as u64 + 24).to_le_bytes();
    let block = [&size, data, &size, b"APK Sig Block 42"].concat();
    let package = ZipBuilder::new().stored("AndroidManifest.xml", seeds::manifest()).before_directory(block);
    let _ = verify_slice(&package.build(), &options);
}

/// The manifest of a Windows app package; of a bundle where the first byte is odd.
pub(crate) fn msix(data: &[u8]) {
    static FORMAT: LazyLock<Extractor> = LazyLock::new(|| only(formats::msix::Msix));
    let Some((first, rest)) = data.split_first() else { return };
    let name = if first % 2 == 0 { "AppxManifest.xml" } else { "AppxMetadata/AppxBundleManifest.xml" };
    one(&FORMAT, &ZipBuilder::new().stored(name, rest).build());
}

/// The package document of a book; its container where the first byte is odd.
pub(crate) fn epub(data: &[u8]) {
    static FORMAT: LazyLock<Extractor> = LazyLock::new(|| only(formats::epub::Epub));
    let Some((first, rest)) = data.split_first() else { return };
    let (container, document) =
        if first % 2 == 0 { (seeds::CONTAINER, rest) } else { (rest, &b"<package/>"[..]) };
    let book = ZipBuilder::new()
        .stored("mimetype", "application/epub+zip")
        .stored("META-INF/container.xml", container)
        .stored("a.opf", document);
    one(&FORMAT, &book.build());
}

/// A script.
pub(crate) fn script(data: &[u8]) {
    static FORMAT: LazyLock<Extractor> = LazyLock::new(|| only(formats::script::Script));
    static NAME: LazyLock<Hint> = LazyLock::new(|| Hint::file_name("a.sh"));
    inspect(&FORMAT, data, &NAME);
}

/// The `q` and `sort` of Emporix's listings. What is read is a query that can be put to a record, or one of too many
/// conditions, which the store refuses.
pub(crate) fn q(data: &[u8]) {
    static RECORD: LazyLock<Record> = LazyLock::new(|| Record {
        kind: Kind::Asset,
        organization: Id::generate(),
        id: Id::generate(),
        revision: 2,
        created_at: Timestamp::now(),
        updated_at: Timestamp::now(),
        batch: Id::generate(),
        schema: 1,
        body: serde_json::json!({
            "access": "public",
            "content": {"type": "file", "fileName": "AB CD.png", "length": 200},
            "references": [{"id": "p1", "type": "PRODUCT"}, {"id": "a \"b\\", "type": "X"}],
            "extra": {"mixins": {"a": {"b": ["c", 5, null]}, "c": true}},
        }),
        claims: Vec::new(),
    });
    let text = String::from_utf8_lossy(data);
    let mut query = Query::of::<Asset>(RECORD.organization);
    match emporix::read_query(&text) {
        Ok(clauses) => query.clauses = clauses,
        Err(error) => assert_eq!(error.kind(), ErrorKind::Invalid),
    }
    query.sort = emporix::read_sort(&text);
    if let Err(error) = query.check() {
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
    let _ = query.matches(&RECORD);
    assert!(query.compare(&RECORD, &RECORD).is_eq());
}

/// The condition of a policy. Only what is understood permits; somebody with everything and somebody with nothing are
/// held against it, twice each.
pub(crate) fn xacml(data: &[u8]) {
    static PEOPLE: LazyLock<[Facts; 2]> = LazyLock::new(|| {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let person = Person {
            email: "ada@example.com".to_owned(),
            first_name: "Ada".to_owned(),
            last_name: "L\u{f6}ve\u{130}\u{df}".to_owned(),
        };
        let ada = Facts {
            subject: Subject::user("ada").expect("a subject"),
            person,
            groups: names(&["staff", "a & b", "\u{1f600}"]),
            roles: names(&["org.viewer", "staff"]),
            at: Timestamp::from_millis(1_795_383_000_000),
        };
        let nobody = Facts {
            person: Person::default(),
            groups: names(&[]),
            roles: names(&[]),
            at: Timestamp::from_millis(-1),
            ..ada.clone()
        };
        [ada, nobody]
    });
    let text = String::from_utf8_lossy(data);
    let understood = match Xacml::new().check(&text) {
        Ok(()) => true,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Invalid);
            let Detail::Fields(fields) = error.detail() else { panic!("which field?") };
            assert!(fields.iter().all(|field| field.field == "policy"));
            false
        }
    };
    for conditions in [Xacml::new(), Xacml::new().only_deny_blocks()] {
        for facts in PEOPLE.iter() {
            let permitted = conditions.permits(&text, facts);
            assert!(understood || !permitted, "nobody understands what permits");
            assert_eq!(permitted, conditions.permits(&text, facts));
        }
    }
}

/// The small grammars of the core: identifiers, times, keys, subjects, paths and patterns.
pub(crate) fn words(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(id) = Id::<()>::parse(&text) {
        assert!(Id::<()>::parse(&id.to_string()).is_ok_and(|again| again == id));
        assert!(Id::<()>::parse(&id.to_uuid()).is_ok_and(|again| again == id));
    }
    if let Ok(time) = Timestamp::parse(&text) {
        assert!(Timestamp::parse(&time.to_string()).is_ok_and(|again| again == time));
    }
    if let Ok(key) = BlobKey::foreign(&text) {
        assert_eq!(key.as_str(), text);
    }
    if let Ok(subject) = Subject::parse(&text) {
        let _ = subject.kind();
        assert_eq!(subject.as_str(), text);
    }
    if let Ok(path) = Path::parse(&text) {
        assert!(!path.names().is_empty());
    }
    // the first line is a pattern, the rest is matched against it
    let (pattern, rest) = text.split_once('\n').unwrap_or((&text, ""));
    if let Ok(pattern) = Pattern::parse(pattern) {
        pattern.is_match(rest);
    }
    let slug = slugify(&text);
    assert!(slug.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'));
}

static APK: LazyLock<Extractor> = LazyLock::new(|| only(formats::apk::Apk));
static DEB: LazyLock<Extractor> = LazyLock::new(|| only(formats::deb::Deb));
static PKG: LazyLock<Extractor> = LazyLock::new(|| only(formats::pkg::Pkg));

fn limits() -> Limits {
    Limits { time: TIME, ..Limits::default() }
}

/// Reads as little at a time as it can.
fn in_pieces() -> Limits {
    Limits { head_bytes: 64, tail_bytes: 512, window_bytes: 16, whole_bytes: 0, ..limits() }
}

fn only(format: impl Format + 'static) -> Extractor {
    Extractor::new(Registry::new().with(format), limits())
}

fn picture(data: &[u8]) {
    let limits = Limits { inflated_bytes: 8 << 20, ..limits() };
    if let Ok(Some(icon)) = icon::extract_slice(data, &limits, 48) {
        assert!(icon.png.starts_with(b"\x89PNG") && icon.width > 0 && icon.height > 0);
    }
}

fn one(extractor: &Extractor, data: &[u8]) {
    inspect(extractor, data, &Hint::default());
}

fn inspect(extractor: &Extractor, data: &[u8], hint: &Hint) {
    let found = extractor.inspect_slice(data, hint);
    for anomaly in &found.anomalies {
        assert!(Anomaly::ALL.iter().any(|known| known.as_str() == anomaly), "{anomaly} is no known word");
    }
    assert!(found.error.is_none_or(|problem| problem.code.starts_with("E_")), "an error without a code");
}
