//! Inputs to start from: packages of the fixture builders, parts of the fixture packages, and a few small ones by hand.

use std::sync::LazyLock;

use appdepot_core::domain::{Id, Timestamp};
use appdepot_metadata::containers::Container;
use appdepot_metadata::fixture::exe::ExeBuilder;
use appdepot_metadata::fixture::ipa::{IpaBuilder, ProfileBuilder};
use appdepot_metadata::fixture::msi::MsiBuilder;
use appdepot_metadata::fixture::msix::MsixBuilder;
use appdepot_metadata::fixture::zip::{End, Entry, Fields, ZipBuilder};
use appdepot_metadata::formats::profile::ReleaseType;
use appdepot_metadata::plist::Encoding;
use appdepot_metadata::{Limits, Reader, SliceSource, der as asn1, fixture};
use futures::FutureExt;

use crate::pack::{
    E, Is, ar, archive, base64, compiled, document, gzip, rpm_header, stream, tar_entry, zlib,
};

type Seeds = Vec<Vec<u8>>;

const SIGNED: &[u8] = include_bytes!("../../fixtures/field-notes.apk");
const UNSIGNED: &[u8] = include_bytes!("../../fixtures/field-notes-unsigned.apk");

/// A name of every format.
pub(crate) const NAMES: [&str; 18] = [
    "a.apk",
    "a.ipa",
    "a.deb",
    "a.rpm",
    "a.dmg",
    "a.pkg",
    "a.mobileprovision",
    "a.msix",
    "a.msi",
    "a.exe",
    "a.epub",
    "a.pdf",
    "a.png",
    "a.cer",
    "a.sh",
    "a.zip",
    "a.app.zip",
    "",
];

/// What names the package document of a book.
pub(crate) const CONTAINER: &[u8] = b"<container><rootfiles><rootfile full-path='a.opf' \
    media-type='application/oebps-package+xml'/></rootfiles></container>";

pub(crate) fn file() -> Seeds {
    [
        vec![UNSIGNED.to_vec(), SIGNED.to_vec()],
        zip(),
        plist(),
        certificate(),
        profile(),
        msi(),
        pe(),
        deb(),
        rpm(),
        dmg(),
        pdf(),
        image(),
        script(),
        vec![IpaBuilder::new("a.b").build(), archive(TABLE.as_bytes(), b"")],
        vec![MsixBuilder::new("a.b", "1.2.3.4").build(), book()],
        vec![
            fixture::aab::bundle("a.b", 7, "1.2.3", "A"),
            ZipBuilder::new().stored("base.apk", small()).build(),
        ],
    ]
    .concat()
}

pub(crate) fn hints() -> Seeds {
    file().iter().enumerate().map(|(number, seed)| [&[number as u8], seed.as_slice()].concat()).collect()
}

pub(crate) fn zip() -> Seeds {
    let long = "abc".repeat(99);
    let mut lie = Entry::deflated("b", long.as_str());
    lie.local = Fields { size: Some(0), crc32: Some(0), flags: Some(8), ..Fields::default() };
    let extra = [1u8, 0, 16, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0].to_vec();
    let mut wide = Entry::stored("c", "x");
    wide.central =
        Fields { compressed_size: Some(u32::MAX), size: Some(u32::MAX), extra, ..Fields::default() };
    let comment = End { comment: b"a comment".to_vec(), ..End::default() };
    vec![
        UNSIGNED.to_vec(),
        ZipBuilder::new().stored("a.txt", "a").deflated("d/\u{e9}", long.as_str()).build(),
        ZipBuilder::new().entry(lie).entry(wide).end(comment).build(),
        ZipBuilder::new().stored("a", "").prefix("#!/bin/sh\n").suffix("x").build(),
        ZipBuilder::new().build(),
    ]
}

pub(crate) fn axml() -> Seeds {
    vec![manifest().to_vec()]
}

pub(crate) fn arsc() -> Seeds {
    vec![table().to_vec(), [table(), b"x"].concat()]
}

pub(crate) fn signing_block() -> Seeds {
    const MAGIC: &[u8] = b"APK Sig Block 42";
    let end = SIGNED.windows(MAGIC.len()).position(|window| window == MAGIC).expect("the package is signed");
    let size = SIGNED[end - 8..end].iter().rev().fold(0, |size, byte| size << 8 | usize::from(*byte));
    // without the empty space the block is filled up with
    let pairs = SIGNED[end + MAGIC.len() - size..end - 8].to_vec();
    let padding = pairs.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    vec![pairs[..padding].to_vec(), pairs, jar()]
}

pub(crate) fn aab() -> Seeds {
    let first = |first: u8, data: &[u8]| [&[first], data].concat();
    vec![first(0, &bundle()[0]), first(1, &bundle()[1])]
}

pub(crate) fn apks() -> Seeds {
    let json = b"{\"package_name\":\"a.b\",\"pname\":\"a.b\",\"version_code\":\"7\",\"name\":\"A\",\
        \"split_apks\":[{\"file\":\"base.apk\",\"id\":\"base\"}]}";
    let first = |first: u8, data: &[u8]| [&[first], data].concat();
    vec![first(0, b"\x0a\x03a.b"), first(1, json), first(2, json), first(3, small())]
}

pub(crate) fn plist() -> Seeds {
    let info = IpaBuilder::new("a.b").name("A").icon("png").url_scheme("a");
    let utf16: Vec<u8> = "\u{feff}<plist><true/></plist>".encode_utf16().flat_map(u16::to_le_bytes).collect();
    vec![
        info.clone().encoding(Encoding::Xml).info_plist(),
        info.encoding(Encoding::Binary).info_plist(),
        b"<!DOCTYPE plist PUBLIC 'x' 'y'><plist><dict><key>a&amp;</key><array><integer>0x1f</integer><real>1e3</real>\
          <date>2020-01-01T00:00:00Z</date><data>AAE=</data><false/><![CDATA[x]]></array></dict></plist>"
            .to_vec(),
        utf16,
    ]
}

pub(crate) fn der() -> Seeds {
    let whole = jar();
    let certificate = asn1::pkcs7_certificates(&whole).expect("a certificate")[0].to_vec();
    // indefinite lengths, octets in pieces
    let pieces = b"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02\xa0\x80\x30\x80\x02\x01\x01\x31\0\x30\x80\x06\
        \x01\x2a\xa0\x80\x24\x80\x04\x02ab\x24\x03\x04\x01c\0\0\0\0\0\0\xa0\x04\x30\x02\x05\0\x31\0\0\0\0\0\0\0";
    vec![whole, certificate, pieces.to_vec()]
}

pub(crate) fn certificate() -> Seeds {
    let keys = [
        &b"\x30\x0e\x02\x01\0\x30\x05\x06\x03\x2b\x65\x70\x04\x02\x04\0"[..],
        b"\x30\x06\x02\x01\0\x02\x01\x05",
        b"\x30\x0a\x30\x05\x06\x03\x2b\x65\x70\x04\x01\0",
        b"-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n",
        b"Bag: x\n-----BEGIN CERTIFICATE-----\nA: b\n\nMIIB\n-----END CERTIFICATE-----\n",
    ];
    let pem = |label: &str, der: &[u8]| {
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", base64(der)).into_bytes()
    };
    let found = der();
    let keys = keys.into_iter().map(<[u8]>::to_vec);
    let text =
        [pem("PKCS7", &found[0]), pem("CERTIFICATE", &found[1]), pem("CERTIFICATE REQUEST", &found[1])];
    found.iter().cloned().chain(text).chain(keys).collect()
}

pub(crate) fn profile() -> Seeds {
    let builder = |release| ProfileBuilder::new("a.b", release).name("A").certificate(der()[1].clone());
    vec![
        builder(ReleaseType::Development).devices(["d"]).build(),
        builder(ReleaseType::AppStore).encoding(Encoding::Binary).build(),
        builder(ReleaseType::Enterprise).list(),
    ]
}

pub(crate) fn ipa() -> Seeds {
    [plist(), profile()].concat()
}

pub(crate) fn msi() -> Seeds {
    vec![
        MsiBuilder::new().property("ProductName", "A").build(),
        MsiBuilder::new()
            .code_page(65001)
            .wide()
            .template("x64;1033")
            .stream("\u{5}DigitalSignature", "x")
            .build(),
    ]
}

pub(crate) fn pe() -> Seeds {
    let program = ExeBuilder::new([1, 2, 3, 4]).text("ProductName", "A").text("CompanyName", "B");
    vec![program.clone().build(), program.library().signature(&jar()).build()]
}

pub(crate) fn deb() -> Seeds {
    let member = control();
    vec![
        ar(&[("debian-binary", b"2.0\n"), ("control.tar", &member), ("data.tar.xz", b"x")]),
        ar(&[("debian-binary", b"2.0\n"), ("control.tar.gz", &gzip(&member)), ("data.tar", b"")]),
    ]
}

pub(crate) fn tar() -> Seeds {
    let long = [tar_entry("././@LongLink", b'L', b"./control\0"), control()].concat();
    let extended = [tar_entry("x", b'x', b"16 path=control\n"), control()].concat();
    let zstd = [b"\x28\xb5\x2f\xfd\x20\x05\x29\0\0".as_slice(), b"hello"].concat();
    let xz = b"\xfd7zXZ\0\0\x04\xe6\xd6\xb4\x46\x02\0\x21\x01\x16\0\0\0\x74\x2f\xe5\xa3\x01\0\x04hello\0\0\0";
    [(0, control()), (0, long), (0, extended), (1, gzip(&control())), (2, xz.to_vec()), (3, zstd)]
        .iter()
        .map(|(first, data)| [&[*first], data.as_slice()].concat())
        .collect()
}

pub(crate) fn rpm() -> Seeds {
    let mut lead = b"\xed\xab\xee\xdb\x03\0\0\0\0\x01name-1-1".to_vec();
    lead.resize(78, 0);
    lead.extend([0, 5]);
    lead.resize(96, 0);
    let mut signatures = rpm_header(&[(268, 7, b"sig")]);
    signatures.resize(signatures.len().next_multiple_of(8), 0);
    let fields: [(u32, u32, &[u8]); 9] = [
        (1000, 6, b"name\0"),
        (1001, 6, b"1.2\0"),
        (1002, 6, b"3\0"),
        (1003, 4, b"\0\0\0\x01"),
        (1004, 9, b"Text\0"),
        (1009, 4, b"\0\0\x01\0"),
        (1021, 6, b"linux\0"),
        (1022, 6, b"x86_64\0"),
        (5009, 5, b"\0\0\0\0\0\0\x01\0"),
    ];
    vec![[lead, signatures, rpm_header(&fields)].concat()]
}

const TABLE: &str = "<?xml version='1.0'?><xar><toc><signature style='RSA'><KeyInfo><X509Data><X509Certificate>AAAA\
    </X509Certificate></X509Data></KeyInfo></signature><file id='1'><name>PackageInfo</name><data><offset>0</offset>\
    <length>41</length><size>41</size><encoding style='application/octet-stream'/></data></file>\
    <file id='2'><name>a.pkg</name><type>directory</type><file id='3'><name>Bom</name></file></file></toc></xar>";

pub(crate) fn xar() -> Seeds {
    vec![TABLE.as_bytes().to_vec(), archive(TABLE.as_bytes(), b"<pkg-info identifier='a.b' version='1'/>")]
}

pub(crate) fn pkg() -> Seeds {
    const DISTRIBUTION: &[u8] = b"\0<installer-gui-script minSpecVersion='2'><title>T</title>\
        <product id='p' version='1'/><choices-outline><line choice='c'/></choices-outline>\
        <choice id='c' title='C'><pkg-ref id='p.one'/></choice><pkg-ref id='p.one' version='1' installKBytes='9'>\
        <must-close><app id='closed'/></must-close><bundle-version><bundle id='a.app' path='Applications/A.app' \
        CFBundleShortVersionString='3.1'/></bundle-version></pkg-ref></installer-gui-script>";
    const INFORMATION: &[u8] = b"\x01<pkg-info identifier='i' version='9' install-location='/Applications'>\
        <bundle path='./A.app' id='a.app' CFBundleShortVersionString='1.2'/></pkg-info>";
    vec![DISTRIBUTION.to_vec(), INFORMATION.to_vec()]
}

pub(crate) fn dmg() -> Seeds {
    let list = b"<plist><dict><key>resource-fork</key><dict><key>blkx</key><array><dict><key>CFName</key>\
        <string>disk</string></dict></array></dict></dict></plist>";
    let mut trailer = vec![0; 512];
    trailer[..12].copy_from_slice(b"koly\0\0\0\x04\0\0\x02\0");
    trailer[224..232].copy_from_slice(&(list.len() as u64).to_be_bytes());
    vec![[list.as_slice(), &trailer].concat(), b"encrcdsa\0\0\0\x02".to_vec()]
}

pub(crate) fn pdf() -> Seeds {
    let table = document(
        &[
            b"<</Type/Catalog/Pages 2 0 R/Metadata 5 0 R>>",
            b"<</Type/Pages/Kids[3 0 R]/Count 1/MediaBox[0 0 612 792]>>",
            b"<</Type/Page/Parent 2 0 R>>",
            b"<</Title(A \\(b\\))/Author<feff0041>/CreationDate(D:20200102030405Z)>>",
            b"<</Type/Metadata/Length 5>>\nstream\n<x/> \nendstream",
        ],
        "/Root 1 0 R/Info 4 0 R/ID[<0a0b><0c>]",
    );
    let later = b"\n4 0 obj <</Title(new)>> endobj\nxref\n4 1\n0000000600 00000 n \n\
        trailer\n<</Size 6/Root 1 0 R/Info 4 0 R/Prev 500>>\nstartxref\n640\n%%EOF";
    // an object stream and a reference stream
    let inside = b"1 0 2 33 <</Type/Catalog/Pages 2 0 R    >><</Type/Pages/Count 0/Kids[]>>";
    let mut streams = b"%PDF-1.5\n".to_vec();
    let objects = streams.len() as u16;
    streams.extend(stream(4, "/Type/ObjStm/N 2/First 9", inside));
    let at = streams.len() as u16;
    let mut entries = vec![0, 0, 0, 0, 2, 0, 4, 0, 2, 0, 4, 1];
    for (kind, place) in [(0, 0), (1, objects), (1, at)] {
        entries.extend([&[kind], &place.to_be_bytes()[..], &[0]].concat());
    }
    streams.extend(stream(5, "/Type/XRef/W[1 2 1]/Size 6/Root 1 0 R", &entries));
    streams.extend(format!("startxref\n{at}\n%%EOF").bytes());
    let damaged = [&table[..table.len() - 30], b"%%EOF"].concat();
    vec![[table.as_slice(), later].concat(), table, streams, damaged]
}

pub(crate) fn image() -> Seeds {
    let by_hand: [&[u8]; 6] = [
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x02\x08\x06\0\0\0\0\0\0\0",
        b"\xff\xd8\xff\xe0\0\x04ab\xff\xff\xc2\0\x0b\x08\0\x02\0\x03\x01\x01\x11\0\xff\xd9",
        b"GIF89a\x05\0\x06\0\x91\0\0",
        b"RIFF\x20\0\0\0WEBPVP8 \x10\0\0\0\0\0\0\x9d\x01\x2a\x07\0\x08\0",
        b"RIFF\x20\0\0\0WEBPVP8L\x10\0\0\0\x2f\x09\x80\x02\0\0\0\0\0\0",
        b"RIFF\x20\0\0\0WEBPVP8X\x0a\0\0\0\x02\0\0\0\x0b\0\0\x0c\0\0",
    ];
    by_hand.iter().map(|data| data.to_vec()).chain(png()).collect()
}

pub(crate) fn png() -> Seeds {
    let plain = entry(UNSIGNED, "res/mipmap-mdpi-v4/ic_launcher.png");
    let apples = |colours: u8, interlaced: u8, row: usize| {
        let header = [&[0, 0, 0, 2, 0, 0, 0, 2, 8, colours, 0, 0, interlaced][..]].concat();
        let framed = zlib(&vec![1; row]);
        let chunks: [(&[u8], &[u8]); 4] = [
            (b"CgBI", b"\x50\0\x20\x02"),
            (b"IHDR", &header),
            (b"IDAT", &framed[2..framed.len() - 4]),
            (b"IEND", b""),
        ];
        let chunks = chunks.map(|(kind, data)| {
            let mut crc = flate2::Crc::new();
            crc.update(&[kind, data].concat());
            [&(data.len() as u32).to_be_bytes(), kind, data, &crc.sum().to_be_bytes()].concat()
        });
        [b"\x89PNG\r\n\x1a\n".to_vec(), chunks.concat()].concat()
    };
    vec![plain, apples(6, 0, 18), apples(2, 0, 14), apples(6, 1, 19), apples(0, 0, 6)]
}

pub(crate) fn icon() -> Seeds {
    let small = entry(UNSIGNED, "res/mipmap-mdpi-v4/ic_launcher.png");
    let mut ico = vec![0, 0, 1, 0, 2, 0, 16, 16, 0, 0, 1, 0, 32, 0];
    for word in [small.len() as u32, 38, 0x0000_0202, 0x0004_0001, 72, 38 + small.len() as u32] {
        ico.extend(word.to_le_bytes());
    }
    ico.extend(&small);
    for word in [40_u32, 2, 4, 1 | 4 << 16, 0, 0, 0, 0, 2, 0, 0x00ff_0000, 0x0000_ff00] {
        ico.extend(word.to_le_bytes());
    }
    ico.extend([0x01, 0, 0, 0, 0x10, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0, 0]);
    let member = |kind: &[u8], data: &[u8]| [kind, &(data.len() as u32 + 8).to_be_bytes(), data].concat();
    let run = [[0xff, 1, 0xfb, 1], [0xff, 2, 0xfb, 2], [0xff, 3, 0xfb, 3]].concat();
    let old = member(b"icns", &[member(b"is32", &run), member(b"s8mk", &[9; 256])].concat());
    let new = member(b"icns", &member(b"ic12", &small));
    let app = IpaBuilder::new("a.b").icon(png()[1].clone()).build();
    [vec![ico, old, new, app, UNSIGNED.to_vec()], image()].concat()
}

pub(crate) fn drawable() -> Seeds {
    vec![
        drawing().to_vec(),
        compiled(&E(
            "adaptive-icon",
            &[],
            &[
                E("background", &[("drawable", Is::Color(0xff00_00ff))], &[]),
                E("foreground", &[("drawable", Is::Text("res/other.xml"))], &[]),
            ],
        )),
        compiled(&E(
            "layer-list",
            &[],
            &[E(
                "item",
                &[("left", Is::Dips(4)), ("width", Is::Dips(9))],
                &[E(
                    "shape",
                    &[("shape", Is::Int(1))],
                    &[
                        E(
                            "gradient",
                            &[
                                ("type", Is::Int(1)),
                                ("startColor", Is::Color(0xff00_ff00)),
                                ("endColor", Is::Color(0x80ff_0000)),
                                ("gradientRadius", Is::Float(20.0)),
                                ("angle", Is::Float(45.0)),
                            ],
                            &[],
                        ),
                        E("corners", &[("radius", Is::Dips(3))], &[]),
                        E("stroke", &[("width", Is::Dips(1)), ("color", Is::Text("#f00"))], &[]),
                    ],
                )],
            )],
        )),
    ]
}

pub(crate) fn verify() -> Seeds {
    [vec![SIGNED.to_vec(), UNSIGNED.to_vec()], signing_block()].concat()
}

pub(crate) fn msix() -> Seeds {
    let package = MsixBuilder::new("a.b", "1.2.3.4").manifest();
    let bundle = MsixBuilder::new("a.b", "1.2.3.4").bundled("a.msix", "x64").manifest();
    vec![format!("\0{package}").into_bytes(), format!("\u{1}{bundle}").into_bytes()]
}

pub(crate) fn epub() -> Seeds {
    vec![[b"\0", OPF].concat(), [b"\x01", CONTAINER].concat()]
}

pub(crate) fn script() -> Seeds {
    let utf16: Vec<u8> = "\u{feff}#!/bin/sh -e\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    vec![b"#!/usr/bin/env -S FOO=1 bash -x\necho\n".to_vec(), b"\xef\xbb\xbf#!/bin/sh\r\n".to_vec(), utf16]
}

pub(crate) fn q() -> Seeds {
    [
        "access:PUBLIC type:BLOB",
        "details.bytes:(>=100 AND <=200)",
        "metadata.createdAt:(>=\"2021-05-18T07:27:27.455Z\" AND <\"2021-05-20T07:27:27.455Z\")",
        "details.filename:null details:exists url:missing",
        "id:(5c3325baa9812100098ff48f,5c3325d1a9812100098ff494)",
        "id:~ABCD12 name:(~AB CD)",
        "mixins.a.b:~(a[)]\\)c) mixins.c:true",
        "refIds.id:\"a \\\"b\\\\\" refIds.type:PRODUCT",
        "name,metadata.createdAt:desc",
        "compoundLogicalQuery:((id:a) OR (id:b))",
    ]
    .into_iter()
    .map(|text| text.as_bytes().to_vec())
    .collect()
}

pub(crate) fn xacml() -> Seeds {
    const SUBJECT: &str = "urn:oasis:names:tc:xacml:1.0:subject-category:access-subject";
    let function = |name: &str| format!("FunctionId='urn:oasis:names:tc:xacml:1.0:function:{name}'");
    let apply =
        |name: &str, inside: &[&str]| format!("<Apply {}>{}</Apply>", function(name), inside.concat());
    let over = |name: &str, named: &str, inside: &[&str]| {
        apply(name, &[&format!("<Function {}/>", function(named)), &inside.concat()])
    };
    let data_type = |name: &str| format!("DataType='http://www.w3.org/2001/XMLSchema#{name}'");
    let value = |of: &str, text: &str| format!("<AttributeValue {}>{text}</AttributeValue>", data_type(of));
    let text = |text: &str| value("string", text);
    let designator = |category: &str, id: &str, of: &str| {
        let of = data_type(of);
        format!("<AttributeDesignator Category='{category}' AttributeId='{id}' {of} MustBePresent='true'/>")
    };
    let groups = designator(SUBJECT, "http://wso2.org/claims/role", "string");
    let roles = designator(SUBJECT, "urn:oasis:names:tc:xacml:2.0:subject:role", "string")
        .replace("'true'", "'false'");
    let email = designator(SUBJECT, "http://wso2.org/claims/emailaddress", "string");
    let name = designator(SUBJECT, "http://wso2.org/claims/lastname", "string");
    let now = designator(
        "urn:oasis:names:tc:xacml:3.0:attribute-category:environment",
        "urn:oasis:names:tc:xacml:1.0:environment:current-time",
        "time",
    );
    let (now, email) = (apply("time-one-and-only", &[&now]), apply("string-one-and-only", &[&email]));
    let name = apply("string-one-and-only", &[&name]);
    let (nine, five) = (value("time", "09:00:00"), value("time", "17:00:00.5+02:00"));
    let bag = apply("string-bag", &[&text("staff"), &text("a &amp; b"), &text("<![CDATA[x]]>&#x1f600;")]);
    let (two, yes) = (value("integer", " -2 "), value("boolean", "1"));
    [
        over("any-of", "string-equal", &[&text("staff"), &groups]),
        apply("not", &[&over("all-of", "string-regexp-match", &[&text("^[a-s]+(f|t){1,3}$"), &groups])]),
        apply("and", &[&apply("time-in-range", &[&now, &nine, &five]), &yes]),
        apply("or", &[
            &apply("string-regexp-match", &[&text("(?i)@EXAMPLE[.]com$"), &email]),
            &apply("time-less-than", &[&now, &nine]),
        ]),
        apply("integer-greater-than-or-equal", &[&apply("string-bag-size", &[&roles]), &two]),
        apply("string-at-least-one-member-of", &[&bag, &roles]),
        apply("string-subset", &[&roles, &bag]),
        apply("string-is-in", &[&text("org.viewer"), &roles]),
        apply("string-equal", &[&apply("string-normalize-to-lower-case", &[&name]), &text("l\u{f6}ve")]),
        apply("string-equal-ignore-case", &[&name, &text("L\u{f6}ve\u{130}\u{df}")]),
        apply("string-regexp-match", &[&email, &text("a")]),
    ]
    .iter()
    .enumerate()
    .map(|(number, test)| match number % 3 {
        0 => format!("<Condition>{test}</Condition>"),
        1 => format!("<Rule Effect='Permit' RuleId='r'><Condition>{test}</Condition></Rule>"),
        _ => format!(
            "<?xml version='1.0'?>\n<x:Rule xmlns:x='x' Effect=\"Deny\" RuleId='r'><Description>&lt;d</Description>\
             <!-- c --><Condition>{test}</Condition></x:Rule>"
        ),
    })
    .map(String::into_bytes)
    .collect()
}

pub(crate) fn words() -> Seeds {
    let id = Id::<()>::generate();
    let mut texts: Vec<String> = [
        "user:a@example.org",
        "key:build",
        "system:sweep",
        "folder/file.apk",
        "details.targetSdkVersion",
        "a.b_c.D",
        "com\\.example\\.[a-z]+\n com.example.app",
        "(?i)^a{1,9}|b*?$\nAAAA",
        "2020-02-29T23:59:59.123Z",
        "1970-01-01T00:00:00+01:00",
        "Caf\u{e9} \u{130} 2",
    ]
    .map(str::to_owned)
    .to_vec();
    texts.extend([
        Id::<()>::parse("0123456789abcdef01234567").unwrap_or(id).to_string(),
        Timestamp::default().to_string(),
    ]);
    texts.into_iter().map(String::into_bytes).collect()
}

/// The manifest of the fixture package.
pub(crate) fn manifest() -> &'static [u8] {
    static MANIFEST: LazyLock<Vec<u8>> = LazyLock::new(|| entry(UNSIGNED, "AndroidManifest.xml"));
    &MANIFEST
}

/// The resource table of the fixture package.
pub(crate) fn table() -> &'static [u8] {
    static TABLE: LazyLock<Vec<u8>> = LazyLock::new(|| entry(UNSIGNED, "resources.arsc"));
    &TABLE
}

fn jar() -> Vec<u8> {
    let limits = Limits::default();
    let source = SliceSource(SIGNED);
    let mut reader = Reader::new(&source, &limits);
    let container = Container::open(&mut reader).now_or_never().and_then(Result::ok).expect("an archive");
    let archive = container.zip().expect("an archive");
    let name = archive.entries().find(|entry| entry.name.ends_with(b".RSA")).expect("a signature").name;
    entry(SIGNED, &String::from_utf8_lossy(name))
}

fn entry(package: &[u8], name: &str) -> Vec<u8> {
    let limits = Limits::default();
    let source = SliceSource(package);
    let mut reader = Reader::new(&source, &limits);
    let container = Container::open(&mut reader).now_or_never().and_then(Result::ok).expect("an archive");
    let archive = container.zip().expect("an archive");
    let entry = archive.find(name.as_bytes()).expect("an entry");
    archive.read(&mut reader, &entry, 1 << 20).now_or_never().and_then(Result::ok).expect("content").to_vec()
}

fn control() -> Vec<u8> {
    let text = b"Package: a\nVersion: 1:2-3\nArchitecture: amd64\nDepends: b (>= 1),\n c\nDescription: text\n .\n more\n";
    [tar_entry("./", b'5', b""), tar_entry("./control", b'0', text), vec![0; 1024]].concat()
}

const OPF: &[u8] = b"<?xml version='1.0'?><package version='3.0' unique-identifier='u' \
    xmlns:dc='http://purl.org/dc/elements/1.1/'><metadata><dc:identifier id='u'>urn:x:2</dc:identifier>\
    <dc:title> A &amp; B </dc:title><dc:creator>C</dc:creator><dc:language>de</dc:language>\
    <meta property='schema:version'>1.2.3</meta><meta name='cover' content='c'/></metadata>\
    <manifest><item id='c' href='c.png' properties='cover-image'/></manifest></package>";

fn book() -> Vec<u8> {
    ZipBuilder::new()
        .stored("mimetype", "application/epub+zip")
        .deflated("META-INF/container.xml", CONTAINER)
        .deflated("a.opf", OPF)
        .build()
}

/// The manifest and the resource table of an Android App Bundle.
pub(crate) fn bundle() -> &'static [Vec<u8>; 2] {
    static PARTS: LazyLock<[Vec<u8>; 2]> = LazyLock::new(|| {
        let whole = fixture::aab::bundle("a.b", 7, "1.2.3", "A");
        ["base/manifest/AndroidManifest.xml", "base/resources.pb"].map(|name| entry(&whole, name))
    });
    &PARTS
}

/// A small Android package.
pub(crate) fn small() -> &'static [u8] {
    static PACKAGE: LazyLock<Vec<u8>> =
        LazyLock::new(|| ZipBuilder::new().stored("AndroidManifest.xml", drawn()).build());
    &PACKAGE
}

/// The manifest of a package with `res/icon.xml` as its icon.
pub(crate) fn drawn() -> &'static [u8] {
    static MANIFEST: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let application = E("application", &[("icon", Is::Text("res/icon.xml"))], &[]);
        compiled(&E("manifest", &[("package", Is::Text("a.b"))], &[application]))
    });
    &MANIFEST
}

/// A vector drawable.
pub(crate) fn drawing() -> &'static [u8] {
    static DRAWING: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let turned = [("rotation", Is::Float(90.0)), ("pivotX", Is::Float(5.0)), ("scaleX", Is::Float(0.5))];
        let path = [
            ("pathData", Is::Text("M1,1h8.5v-2e-1q1 2 3,4a3,3 0 1,1 0,6zm2 2l3 3C1 2 3 4 5 6S1 1 2 2T3 3")),
            ("fillColor", Is::Color(0xff00_ff00)),
            ("strokeColor", Is::Text("#8f00")),
            ("strokeWidth", Is::Float(0.5)),
            ("strokeLineJoin", Is::Int(1)),
        ];
        let clip = E("clip-path", &[("pathData", Is::Text("M2,4h2v2h-2z"))], &[]);
        let group = E("group", &turned, &[clip, E("path", &path, &[])]);
        let size = [("viewportWidth", Is::Float(10.0)), ("viewportHeight", Is::Float(10.0))];
        compiled(&E("vector", &size, &[group]))
    });
    &DRAWING
}
