//! Icons: the fixture's exact bytes, pictures and drawings made here, every icon of the corpus, hostile pictures.
//!
//! The corpus is looked for at `APPDEPOT_CORPUS`, the hostile files at `APPDEPOT_HOSTILE`, both else beside the
//! checkout; what is absent shows as ignored. `APPDEPOT_ICONS` names a folder to write the corpus' icons to.
#![allow(clippy::print_stdout, missing_docs)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use appdepot_core::inspect::Problem;
use appdepot_metadata::fixture::ipa::IpaBuilder;
use appdepot_metadata::fixture::zip::ZipBuilder;
use appdepot_metadata::icon::{self, Icon};
use appdepot_metadata::{Limits, SliceSource, inspect_file};
use libtest_mimic::{Arguments, Failed, Trial};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

mod support {
    pub(crate) mod corpus;
    pub(crate) mod generated;
}

use support::corpus::{absent, folder};
use support::generated::{SMALL, generate, rows};

fn main() {
    let arguments = Arguments::from_args();
    let mut trials = vec![
        Trial::test("fixture::largest_mipmap_as_it_is", fixture),
        Trial::test("png::apples_variant", apples_variant),
        Trial::test("png::texts_and_frames_go", texts_go),
        Trial::test("picture::ico_and_icns", ico_and_icns),
        Trial::test("drawing::adaptive", adaptive),
        Trial::test("drawing::vector_groups_and_clips", vector),
        Trial::test("drawing::gradients", gradients),
        Trial::test("drawing::shapes_and_layers", shapes),
        Trial::test("drawing::cycles_and_limits", limits),
        Trial::test("drawing::costly_paths", costly),
        Trial::test("total::pictures", total_pictures),
        Trial::test("total::drawings", total_drawings),
        Trial::test("total::paths", total_paths),
        Trial::test("future_is_send", future_is_send),
    ];
    match folder("APPDEPOT_CORPUS", "corpus") {
        Some(path) => trials.push(Trial::test("corpus::icons", move || corpus(&path))),
        None => trials.push(absent("corpus", "APPDEPOT_CORPUS")),
    }
    match folder("APPDEPOT_HOSTILE", "hostile") {
        Some(path) => trials.push(Trial::test("hostile::image", move || hostile(&path))),
        None => trials.push(absent("hostile", "APPDEPOT_HOSTILE")),
    }
    libtest_mimic::run(&arguments, trials).exit();
}

fn extract(data: &[u8]) -> Result<Option<Icon>, Problem> {
    icon::extract_slice(data, &Limits::default(), 192)
}

/// Width, height and straight pixels by another reader.
fn decode(png: &[u8]) -> Result<(u32, u32, Vec<[u8; 4]>), png::DecodingError> {
    let mut decoder = png::Decoder::new(std::io::Cursor::new(png));
    decoder.set_transformations(png::Transformations::normalize_to_color8() | png::Transformations::ALPHA);
    let mut reader = decoder.read_info()?;
    let mut data = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut data)?;
    let pixels = match info.color_type {
        png::ColorType::GrayscaleAlpha => data.chunks(2).map(|p| [p[0], p[0], p[0], p[1]]).collect(),
        _ => data.chunks(4).map(|p| [p[0], p[1], p[2], p[3]]).collect(),
    };
    Ok((info.width, info.height, pixels))
}

fn encode(width: u32, height: u32, pixel: impl Fn(u32, u32) -> [u8; 4]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, width, height);
    encoder.set_color(png::ColorType::Rgba);
    let pixels: Vec<u8> = (0..width * height).flat_map(|at| pixel(at % width, at / width)).collect();
    encoder.write_header().unwrap().write_image_data(&pixels).unwrap();
    out
}

fn chunk(kind: &[u8], content: &[u8]) -> Vec<u8> {
    let mut crc = flate2::Crc::new();
    crc.update(kind);
    crc.update(content);
    [&(content.len() as u32).to_be_bytes()[..], kind, content, &crc.sum().to_be_bytes()].concat()
}

fn fixture() -> Result<(), Failed> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    let expected: Json = serde_json::from_slice(&fs::read(fixtures.join("expected.json"))?)?;
    let icons = expected["field-notes.apk"]["icons"].as_object().unwrap();
    let largest = icons.values().max_by_key(|icon| icon["width"].as_u64()).unwrap();
    let icon =
        icon::extract_file(fixtures.join("field-notes.apk"), &Limits::default(), 192).unwrap().unwrap();
    let hash: String = Sha256::digest(&icon.png).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(largest["sha256"], hash);
    assert_eq!(largest["path"], icon.path);
    assert_eq!(
        (largest["width"].as_u64(), largest["height"].as_u64()),
        (Some(icon.width.into()), Some(icon.height.into()))
    );
    Ok(())
}

fn apples_variant() -> Result<(), Failed> {
    // half red, blue, nothing, green; blue first and multiplied by the opacity
    let rows = [0, 0, 0, 128, 128, 255, 0, 0, 255, 0, 0, 0, 0, 0, 0, 255, 0, 255];
    let mut deflated = Vec::new();
    let mut encoder = flate2::read::DeflateEncoder::new(&rows[..], flate2::Compression::best());
    std::io::Read::read_to_end(&mut encoder, &mut deflated)?;
    let parts = [
        b"\x89PNG\r\n\x1a\n".to_vec(),
        chunk(b"CgBI", &[0x50, 0, 0x20, 0x06]),
        chunk(b"IHDR", &[0, 0, 0, 2, 0, 0, 0, 2, 8, 6, 0, 0, 0]),
        chunk(b"IDAT", &deflated),
        chunk(b"IEND", &[]),
    ];
    let ipa = IpaBuilder::new("com.example.app").icon(parts.concat()).build();
    let icon = extract(&ipa).unwrap().unwrap();
    assert_eq!(icon.path, "Payload/Example.app/AppIcon60x60@2x.png");
    let (width, height, pixels) = decode(&icon.png)?;
    assert_eq!((width, height), (2, 2));
    assert_eq!(pixels, [[255, 0, 0, 128], [0, 0, 255, 255], [0; 4], [0, 255, 0, 255]]);
    // bare as well
    assert_eq!(extract(&parts.concat()).unwrap().unwrap().png, icon.png);
    Ok(())
}

fn texts_go() -> Result<(), Failed> {
    let plain = encode(3, 2, |x, y| [x as u8, y as u8, 0, 255]);
    assert_eq!(extract(&plain).unwrap().unwrap().png, plain);
    let end = plain.len() - 12;
    let more = [&plain[..end], &chunk(b"zTXt", b"Comment\0\0rest"), &plain[end..], b"PK\x05\x06"].concat();
    assert_eq!(extract(&more).unwrap().unwrap().png, plain);
    let mut wrong = plain.clone();
    wrong[end - 8] ^= 0x55;
    assert_eq!(extract(&wrong).unwrap_err().code, "E_TYPE_MISMATCH");
    assert_eq!(extract(&plain[..end]).unwrap_err().code, "E_TRUNCATED");
    Ok(())
}

fn ico_and_icns() -> Result<(), Failed> {
    let small = encode(16, 16, |_, _| [255, 0, 0, 255]);
    let large = encode(64, 64, |_, _| [0, 0, 255, 255]);
    let mut ico = vec![0, 0, 1, 0, 2, 0];
    let mut at = 6 + 32;
    for (edge, png) in [(16, &small), (64, &large)] {
        ico.extend([edge, edge, 0, 0, 1, 0, 32, 0]);
        ico.extend((png.len() as u32).to_le_bytes());
        ico.extend((at as u32).to_le_bytes());
        at += png.len();
    }
    ico.extend([&small[..], &large].concat());
    assert_eq!(extract(&ico).unwrap().unwrap().png, large);
    let huge = encode(1024, 1024, |_, _| [0, 255, 0, 255]);
    let member = |kind: &[u8], png: &[u8]| [kind, &(png.len() as u32 + 8).to_be_bytes(), png].concat();
    let members = [member(b"ic10", &huge), member(b"ic12", &large), member(b"icp4", &small)].concat();
    let icns = [b"icns", &(members.len() as u32 + 8).to_be_bytes()[..], &members].concat();
    assert_eq!(extract(&icns).unwrap().unwrap().png, large);
    Ok(())
}

/// A value of an attribute in the binary form.
#[derive(Clone)]
enum Is<'a> {
    Text(&'a str),
    Float(f32),
    Dips(u32),
    Int(u32),
    Color(u32),
}

/// An element: name, attributes by name, elements inside.
struct E<'a>(&'a str, Vec<(&'a str, Is<'a>)>, Vec<E<'a>>);

/// Compiled XML whose attributes have names and no numbers.
fn compiled(root: &E<'_>) -> Vec<u8> {
    fn index<'a>(strings: &mut Vec<&'a str>, text: &'a str) -> u32 {
        let at = strings.iter().position(|known| *known == text);
        at.unwrap_or_else(|| {
            strings.push(text);
            strings.len() - 1
        }) as u32
    }
    fn wrap(kind: u16, header: u16, rest: &[u8]) -> Vec<u8> {
        [&kind.to_le_bytes()[..], &header.to_le_bytes(), &(8 + rest.len() as u32).to_le_bytes(), rest]
            .concat()
    }
    fn words(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }
    fn walk<'a>(E(name, attributes, inside): &E<'a>, strings: &mut Vec<&'a str>, out: &mut Vec<u8>) {
        let mut rest = words(&[1, u32::MAX, u32::MAX, index(strings, name)]);
        rest.extend([20, 0, 20, 0, attributes.len() as u8, 0, 0, 0, 0, 0, 0, 0]);
        for (name, value) in attributes {
            let (kind, data) = match value {
                Is::Text(text) => (3, index(strings, text)),
                Is::Float(number) => (4, number.to_bits()),
                Is::Dips(dips) => (5, dips << 8 | 1),
                Is::Int(number) => (0x10, *number),
                Is::Color(argb) => (0x1c, *argb),
            };
            rest.extend(words(&[u32::MAX, index(strings, name), u32::MAX]));
            rest.extend([8, 0, 0, kind]);
            rest.extend(data.to_le_bytes());
        }
        out.extend(wrap(0x0102, 16, &rest));
        inside.iter().for_each(|child| walk(child, strings, out));
        out.extend(wrap(0x0103, 16, &words(&[1, u32::MAX, u32::MAX, index(strings, name)])));
    }
    let (mut strings, mut nodes) = (Vec::new(), Vec::new());
    walk(root, &mut strings, &mut nodes);
    let (mut offsets, mut data) = (Vec::new(), Vec::new());
    for text in &strings {
        offsets.push(data.len() as u32);
        let units: Vec<u16> = text.encode_utf16().collect();
        if units.len() > 0x7fff {
            data.extend((0x8000 | (units.len() >> 16) as u16).to_le_bytes());
        }
        data.extend((units.len() as u16).to_le_bytes());
        data.extend(units.iter().flat_map(|unit| unit.to_le_bytes()));
        data.extend([0, 0]);
    }
    data.resize(data.len().next_multiple_of(4), 0);
    let start = 28 + 4 * strings.len() as u32;
    let mut pool = words(&[strings.len() as u32, 0, 0, start, 0]);
    pool.extend(words(&offsets));
    pool.extend(data);
    wrap(0x0003, 8, &[wrap(0x0001, 28, &pool), nodes].concat())
}

/// A package with this icon and further files.
fn apk(icon: &str, files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let application = E("application", vec![("icon", Is::Text(icon))], vec![]);
    let manifest = E("manifest", vec![("package", Is::Text("com.example.app"))], vec![application]);
    let zip = ZipBuilder::new().deflated("AndroidManifest.xml", compiled(&manifest));
    files.iter().fold(zip, |zip, (name, data)| zip.deflated(*name, data.as_slice())).build()
}

struct Canvas(u32, Vec<[u8; 4]>);

impl Canvas {
    /// The pixel at a place given in parts of the whole.
    fn at(&self, x: f32, y: f32) -> [u8; 4] {
        let place = |part: f32| (part * self.0 as f32) as usize;
        self.1[place(y) * self.0 as usize + place(x)]
    }
}

fn drawn(root: &E<'_>, files: &[(&str, Vec<u8>)]) -> Result<Canvas, Problem> {
    let files = [files, &[("res/icon.xml", compiled(root))]].concat();
    let icon = extract(&apk("res/icon.xml", &files))?.unwrap();
    assert_eq!((icon.width, icon.height, &*icon.path), (192, 192, "res/icon.xml"));
    let (width, _, pixels) = decode(&icon.png).unwrap();
    Ok(Canvas(width, pixels))
}

fn viewport(edge: f32, inside: Vec<E<'static>>) -> E<'static> {
    E("vector", vec![("viewportWidth", Is::Float(edge)), ("viewportHeight", Is::Float(edge))], inside)
}

fn path(data: &'static str, color: u32) -> E<'static> {
    E("path", vec![("pathData", Is::Text(data)), ("fillColor", Is::Color(color))], vec![])
}

const RED: u32 = 0xffff_0000;
const GREEN: u32 = 0xff00_ff00;
const BLUE: u32 = 0xff00_00ff;
const CLEAR: [u8; 4] = [0; 4];

fn bytes(argb: u32) -> [u8; 4] {
    let [a, r, g, b] = argb.to_be_bytes();
    [r, g, b, a]
}

fn adaptive() -> Result<(), Failed> {
    // the outer sixth of each layer is never seen
    let outside = "M0,0h108v108h-108zM18,18v72h72v-72z";
    let fore =
        viewport(108.0, vec![path("M54,24a30,30 0 1,1 0,60a30,30 0 1,1 0,-60z", GREEN), path(outside, RED)]);
    let icon = |back: Is<'static>| {
        let layer = |name, value| E(name, vec![("drawable", value)], vec![]);
        E(
            "adaptive-icon",
            vec![],
            vec![layer("background", back), layer("foreground", Is::Text("res/fore.xml"))],
        )
    };
    let files =
        [("res/fore.xml", compiled(&fore)), ("res/back.png", encode(20, 20, |_, _| [0, 0, 255, 255]))];
    for back in [Is::Color(BLUE), Is::Text("res/back.png"), Is::Text("#00f")] {
        let canvas = drawn(&icon(back), &files).unwrap();
        assert_eq!(canvas.at(0.5, 0.5), bytes(GREEN));
        assert_eq!(canvas.at(0.02, 0.02), bytes(BLUE));
        assert_eq!(canvas.at(0.98, 0.5), bytes(BLUE));
        // the circle takes 60 of the 72 in the middle
        assert_eq!((canvas.at(0.5, 0.1), canvas.at(0.5, 0.07)), (bytes(GREEN), bytes(BLUE)));
    }
    Ok(())
}

fn vector() -> Result<(), Failed> {
    let group = |attributes, inside| E("group", attributes, inside);
    let turned = group(
        vec![("rotation", Is::Float(90.0)), ("pivotX", Is::Float(5.0)), ("pivotY", Is::Float(5.0))],
        vec![path("M0,0h10v2h-10z", RED)],
    );
    let moved = group(
        vec![("scaleX", Is::Float(0.5)), ("translateY", Is::Float(8.0)), ("translateX", Is::Float(0.0))],
        vec![path("M0,0h10v2h-10z", BLUE)],
    );
    let clipped = group(
        vec![],
        vec![
            E("clip-path", vec![("pathData", Is::Text("M2,4h2v2h-2z"))], vec![]),
            path("M0,3h10v4h-10z", GREEN),
        ],
    );
    let canvas = drawn(&viewport(10.0, vec![turned, moved, clipped]), &[]).unwrap();
    // turned clockwise, what was above stands on the right
    assert_eq!((canvas.at(0.9, 0.5), canvas.at(0.5, 0.1)), (bytes(RED), CLEAR));
    assert_eq!((canvas.at(0.3, 0.9), canvas.at(0.7, 0.9)), (bytes(BLUE), CLEAR));
    assert_eq!(
        (canvas.at(0.3, 0.5), canvas.at(0.5, 0.5), canvas.at(0.3, 0.35)),
        (bytes(GREEN), CLEAR, CLEAR)
    );
    // rings: a hole by the rule of even and odd, none by the other
    for (rule, middle) in [(0, bytes(RED)), (1, CLEAR)] {
        let mut ring = path("M0,0h10v10h-10zM3,3h4v4h-4z", RED);
        ring.1.push(("fillType", Is::Int(rule)));
        assert_eq!(drawn(&viewport(10.0, vec![ring]), &[]).unwrap().at(0.5, 0.5), middle);
    }
    // opacity of the path and of the whole, and a tint over all
    let mut faint = viewport(10.0, vec![path("M0,0h10v10h-10z", RED)]);
    faint.2[0].1.push(("fillAlpha", Is::Float(0.5)));
    assert_eq!(drawn(&faint, &[]).unwrap().at(0.5, 0.5), [255, 0, 0, 128]);
    faint.1.push(("alpha", Is::Float(0.5)));
    assert!(drawn(&faint, &[]).unwrap().at(0.5, 0.5)[3].abs_diff(64) <= 1);
    faint.1.push(("tint", Is::Color(GREEN)));
    assert_eq!(drawn(&faint, &[]).unwrap().at(0.5, 0.5)[..3], [0, 255, 0]);
    let stroke = vec![
        ("pathData", Is::Text("M0,5h10")),
        ("strokeColor", Is::Color(BLUE)),
        ("strokeWidth", Is::Float(2.0)),
    ];
    let canvas = drawn(&viewport(10.0, vec![E("path", stroke, vec![])]), &[]).unwrap();
    assert_eq!(
        (canvas.at(0.5, 0.5), canvas.at(0.5, 0.42), canvas.at(0.5, 0.38)),
        (bytes(BLUE), bytes(BLUE), CLEAR)
    );
    Ok(())
}

fn gradients() -> Result<(), Failed> {
    let filled = || {
        let fill = vec![("pathData", Is::Text("M0,0h10v10h-10z")), ("fillColor", Is::Text("res/ink.xml"))];
        viewport(10.0, vec![E("path", fill, vec![])])
    };
    let near = |one: [u8; 4], other: [u8; 4]| one.iter().zip(other).all(|(a, b)| a.abs_diff(b) < 12);
    let linear = E(
        "gradient",
        vec![
            ("startX", Is::Float(0.0)),
            ("endX", Is::Float(10.0)),
            ("startColor", Is::Color(RED)),
            ("endColor", Is::Color(BLUE)),
        ],
        vec![],
    );
    let canvas = drawn(&filled(), &[("res/ink.xml", compiled(&linear))]).unwrap();
    assert!(near(canvas.at(0.01, 0.5), bytes(RED)) && near(canvas.at(0.99, 0.5), bytes(BLUE)));
    assert!(near(canvas.at(0.5, 0.2), [127, 0, 127, 255]));
    let item = |at, color| E("item", vec![("offset", Is::Float(at)), ("color", Is::Color(color))], vec![]);
    let place = vec![
        ("type", Is::Int(1)),
        ("centerX", Is::Float(5.0)),
        ("centerY", Is::Float(5.0)),
        ("gradientRadius", Is::Float(5.0)),
    ];
    let radial = E("gradient", place, vec![item(0.0, GREEN), item(1.0, RED)]);
    let canvas = drawn(&filled(), &[("res/ink.xml", compiled(&radial))]).unwrap();
    assert!(near(canvas.at(0.5, 0.5), bytes(GREEN)) && near(canvas.at(0.02, 0.02), bytes(RED)));
    let states = E("selector", vec![], vec![item(0.0, RED), item(0.0, BLUE)]);
    let canvas = drawn(&filled(), &[("res/ink.xml", compiled(&states))]).unwrap();
    assert_eq!(canvas.at(0.5, 0.5), bytes(BLUE));
    Ok(())
}

fn shapes() -> Result<(), Failed> {
    let solid = |color| E("solid", vec![("color", Is::Color(color))], vec![]);
    let oval = E("shape", vec![("shape", Is::Int(1))], vec![solid(RED)]);
    let inset = E("inset", vec![("inset", Is::Dips(12))], vec![E("shape", vec![], vec![solid(BLUE)])]);
    let list = E("layer-list", vec![], vec![E("item", vec![], vec![oval]), E("item", vec![], vec![inset])]);
    let canvas = drawn(&list, &[]).unwrap();
    assert_eq!((canvas.at(0.02, 0.02), canvas.at(0.1, 0.5)), (CLEAR, bytes(RED)));
    // twelve of 48 from every edge
    assert_eq!((canvas.at(0.26, 0.26), canvas.at(0.24, 0.5)), (bytes(BLUE), bytes(RED)));
    let stroke = E("stroke", vec![("width", Is::Dips(4)), ("color", Is::Color(BLUE))], vec![]);
    let canvas = drawn(&E("shape", vec![("shape", Is::Int(2))], vec![stroke]), &[]).unwrap();
    assert_eq!((canvas.at(0.1, 0.5), canvas.at(0.1, 0.4), canvas.at(0.0, 0.0)), (bytes(BLUE), CLEAR, CLEAR));
    let corners = E("corners", vec![("radius", Is::Dips(24))], vec![]);
    let canvas = drawn(&E("shape", vec![], vec![solid(GREEN), corners]), &[]).unwrap();
    assert_eq!((canvas.at(0.05, 0.05), canvas.at(0.5, 0.02)), (CLEAR, bytes(GREEN)));
    Ok(())
}

fn limits() -> Result<(), Failed> {
    let code = |root: &E<'_>, files: &[(&str, Vec<u8>)]| drawn(root, files).err().unwrap().code;
    fn layer(path: &str) -> E<'_> {
        E("bitmap", vec![("src", Is::Text(path))], vec![])
    }
    assert_eq!(code(&layer("res/icon.xml"), &[]), "E_CYCLE");
    assert_eq!(code(&layer("res/a.xml"), &[("res/a.xml", compiled(&layer("res/icon.xml")))]), "E_CYCLE");
    // no file of the host, and nothing that is not there
    assert_eq!(code(&layer("/etc/hostname"), &[]), "E_UNSUPPORTED");
    assert_eq!(code(&layer("res/../../../etc/hostname"), &[]), "E_UNSUPPORTED");
    let items =
        |count| (0..count).map(|_| E("item", vec![("drawable", Is::Text("res/a.png"))], vec![])).collect();
    let dot = [("res/a.png", encode(1, 1, |_, _| [255; 4]))];
    assert_eq!(code(&E("layer-list", vec![], items(100)), &dot), "E_LIMIT_ENTRIES");
    assert!(drawn(&E("layer-list", vec![], items(9)), &dot).is_ok());
    // a bit for each pixel in the file, four bytes in memory
    let mut rows = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    rows.write_all(&[0; 1_024 * 129])?;
    let header = [0, 0, 4, 0, 0, 0, 4, 0, 1, 0, 0, 0, 0];
    let parts = [chunk(b"IHDR", &header), chunk(b"IDAT", &rows.finish()?), chunk(b"IEND", &[])];
    let thin = [("res/a.png", [b"\x89PNG\r\n\x1a\n".to_vec(), parts.concat()].concat())];
    let layers = |count| {
        let root = E("layer-list", vec![], items(count));
        let apk = apk("res/icon.xml", &[&thin[..], &[("res/icon.xml", compiled(&root))]].concat());
        let limits = Limits { time: Duration::from_secs(600), ..Limits::default() };
        icon::extract_slice(&apk, &limits, 192)
    };
    assert_eq!(layers(47).unwrap_err().code, "E_LIMIT_INFLATE");
    assert!(layers(2).unwrap().is_some());
    let groups = (0..9_000).map(|_| E("group", vec![], vec![])).collect();
    assert_eq!(code(&viewport(1.0, groups), &[]), "E_LIMIT_ENTRIES");
    assert_eq!(code(&viewport(0.0, vec![]), &[]), "E_UNSUPPORTED");
    let deep = (0..70).fold(E("group", vec![], vec![]), |inner, _| E("group", vec![], vec![inner]));
    assert_eq!(code(&viewport(1.0, vec![deep]), &[]), "E_LIMIT_DEPTH");
    // documents that lead to each other nest together, in a thread of 2 MiB
    let names: Vec<String> = (0..48).map(|number| format!("res/{number}.xml")).collect();
    let nest = |name: &str| {
        let inner = E("inset", vec![("drawable", Is::Text(name))], vec![]);
        compiled(&(0..60).fold(inner, |inner, _| E("inset", vec![], vec![inner])))
    };
    let files: Vec<(&str, Vec<u8>)> =
        names.windows(2).map(|pair| (pair[0].as_str(), nest(&pair[1]))).collect();
    assert_eq!(code(&layer(&names[0]), &files), "E_LIMIT_DEPTH");
    let large = [("res/a.png", encode(5_000, 1, |_, _| [255; 4]))];
    assert_eq!(code(&layer("res/a.png"), &large), "E_IMAGE_LIMIT");
    let header = [0, 0, 0x75, 0x30, 0, 0, 0x75, 0x30, 8, 6, 0, 0, 0];
    let bomb = [b"\x89PNG\r\n\x1a\n".to_vec(), chunk(b"IHDR", &header), chunk(b"IEND", &[])].concat();
    assert_eq!(extract(&bomb).unwrap_err().code, "E_IMAGE_LIMIT");
    assert_eq!(extract(&apk("res/a.png", &[("res/a.png", bomb.clone())])).unwrap_err().code, "E_IMAGE_LIMIT");
    let ipa = IpaBuilder::new("com.example.app").icon(bomb).build();
    assert_eq!(extract(&ipa).unwrap_err().code, "E_IMAGE_LIMIT");
    Ok(())
}

/// Paths made to take long end within the time limit and a little.
fn costly() -> Result<(), Failed> {
    let zigzag = "M0 0".to_owned() + &"L9 1 0 9 1 0 8 9".repeat(2_000);
    let steps: String =
        "M0 0".to_owned() + &(0..8_000).map(|n| format!("L{} {}", n % 97, n % 89)).collect::<String>();
    for data in [zigzag, steps] {
        for stroke in [0.0, 0.3] {
            let one = || {
                let mut attributes = vec![("pathData", Is::Text(&data)), ("fillColor", Is::Color(RED))];
                attributes.push(("strokeColor", Is::Color(BLUE)));
                attributes.push(("strokeWidth", Is::Float(stroke)));
                attributes.push(("strokeLineJoin", Is::Int(1)));
                E("path", attributes, vec![])
            };
            let size = vec![("viewportWidth", Is::Float(99.0)), ("viewportHeight", Is::Float(99.0))];
            let root = E("vector", size, (0..4).map(|_| one()).collect());
            let apk = apk("res/icon.xml", &[("res/icon.xml", compiled(&root))]);
            let start = Instant::now();
            let outcome = icon::extract_slice(&apk, &Limits::default(), 512).map(|icon| icon.is_some());
            let taken = start.elapsed();
            println!("{} bytes, stroke {stroke}: {taken:?} {outcome:?}", data.len());
            assert!(taken < Duration::from_secs(20), "{taken:?}");
        }
    }
    Ok(())
}

fn cases(count: u32) -> TestRunner {
    TestRunner::new(Config { cases: count, failure_persistence: None, ..Config::default() })
}

fn total_pictures() -> Result<(), Failed> {
    let png = encode(9, 9, |x, y| [x as u8 * 20, y as u8 * 20, 99, 200]);
    let mut ico = vec![0, 0, 1, 0, 1, 0, 2, 2, 0, 0, 1, 0, 8, 0, 0, 1, 0, 0, 22, 0, 0, 0];
    ico.extend(
        [40_u32, 2, 4, 1 | 8 << 16, 0, 0, 0, 0, 2, 0, 5, 9].iter().flat_map(|word| word.to_le_bytes()),
    );
    ico.resize(22 + 256, 1);
    let icns = [b"icns\0\0\x01\0is32\0\0\x01\0", &[0x90_u8; 300][..]].concat();
    let webp = b"RIFF\x1a\0\0\0WEBPVP8L\x0d\0\0\0\x2f\0\0\0\x10\x07\x10\x11\x11\x88\x88\xfe\x07\0".to_vec();
    let seeds = [png, ico, icns, webp];
    let change = (
        0..seeds.len(),
        prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        any::<prop::sample::Index>(),
    );
    cases(600).run(&change, |(seed, changes, cut)| {
        let mut data = seeds[seed].clone();
        for (at, value) in changes {
            let at = at.index(data.len());
            data[at] = value;
        }
        data.truncate(cut.index(data.len() * 2 + 1).max(1));
        if let Ok(Some(icon)) = extract(&data) {
            prop_assert!(decode(&icon.png).is_ok());
        }
        Ok(())
    })?;
    Ok(())
}

fn total_drawings() -> Result<(), Failed> {
    let clip = E("clip-path", vec![("pathData", Is::Text("M2,4h2v2h-2z"))], vec![]);
    let group = E(
        "group",
        vec![("scaleX", Is::Float(2.0)), ("rotation", Is::Float(3.0))],
        vec![clip, path("M0,0q3,4 5,6z", RED)],
    );
    let mut root = viewport(24.0, vec![group, path("M0,0a3,4 0 0 1 9,9z", BLUE)]);
    root.2[1].1.extend([("strokeWidth", Is::Float(1.0)), ("strokeColor", Is::Color(GREEN))]);
    let seed = compiled(&root);
    let change = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6);
    cases(300).run(&change, |changes| {
        let mut data = seed.clone();
        for (at, value) in changes {
            let at = at.index(data.len());
            data[at] = value;
        }
        let limits = Limits { time: Duration::from_millis(300), ..Limits::default() };
        let _ = icon::extract_slice(&apk("res/icon.xml", &[("res/icon.xml", data)]), &limits, 48);
        Ok(())
    })?;
    Ok(())
}

fn total_paths() -> Result<(), Failed> {
    let text = "([MmLlHhVvCcSsQqTtAaZz]|-?[0-9]{1,7}(\\.[0-9]{0,3})?(e[0-9]{1,2})?|[ ,])*";
    let number = any::<f32>();
    cases(300).run(&(text, number, any::<f32>(), 0.0_f32..1e9), |(data, scale, turn, width)| {
        let outline = vec![
            ("pathData", Is::Text(&data)),
            ("fillColor", Is::Color(RED)),
            ("strokeColor", Is::Color(GREEN)),
            ("strokeWidth", Is::Float(width)),
        ];
        let group = vec![
            ("scaleX", Is::Float(scale)),
            ("rotation", Is::Float(turn)),
            ("translateX", Is::Float(turn)),
        ];
        let plain = E("path", outline.clone(), vec![]);
        let group = E("group", group, vec![E("path", outline, vec![])]);
        let size = vec![("viewportWidth", Is::Float(24.0)), ("viewportHeight", Is::Float(24.0))];
        let data = compiled(&E("vector", size, vec![plain, group]));
        let _ = icon::extract_slice(&apk("res/icon.xml", &[("res/icon.xml", data)]), &Limits::default(), 48);
        Ok(())
    })?;
    Ok(())
}

fn future_is_send() -> Result<(), Failed> {
    fn send(_: &impl Send) {}
    let (source, limits) = (SliceSource(b""), Limits::default());
    send(&icon::extract(&source, &limits, 192));
    Ok(())
}

/// Files for which the truth has an icon and we none: the start of the name and why.
const EXPLAINED: &[(&str, &str)] = &[
    ("apk/android-", "the truth is an icon of the platform, not of the package"),
    ("apk/Exceptions2.apk", "its icon files hold nothing but zeros"),
    ("malformed/syn_52_arsc_truncated.apk", "the table is cut; the truth is the bare reference"),
];

/// At the usual size, where pictures are preferred, and at one where drawings are.
fn corpus(corpus: &Path) -> Result<(), Failed> {
    let truth: Json = serde_json::from_slice(&fs::read(corpus.join("truth.json"))?)?;
    let out = std::env::var_os("APPDEPOT_ICONS").map(PathBuf::from);
    let apks = truth["apk"].as_object().unwrap().iter();
    let mut files: Vec<(String, bool)> =
        apks.map(|(file, truth)| (file.clone(), truth["icon"].is_string())).collect();
    for folder in ["ipa", "msix", "macos"] {
        let Ok(entries) = fs::read_dir(corpus.join(folder)) else { continue };
        files.extend(
            entries
                .map(|entry| (format!("{folder}/{}", entry.unwrap().file_name().to_string_lossy()), false)),
        );
    }
    let mut failures = Vec::new();
    let mut seen = 0;
    for size in [192, 512] {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        let mut slowest = Duration::ZERO;
        for (file, expected) in &files {
            let path = corpus.join(file);
            if !path.is_file() {
                continue;
            }
            let inspection = inspect_file(&path)?;
            let named = inspection.package.is_some_and(|package| package.icon.is_some());
            let start = Instant::now();
            let found = icon::extract_file(&path, &Limits::default(), size);
            slowest = slowest.max(start.elapsed());
            let outcome = match &found {
                Ok(Some(icon)) => {
                    seen += 1;
                    match decode(&icon.png) {
                        Ok((width, height, _)) => assert_eq!((width, height), (icon.width, icon.height)),
                        Err(error) => failures.push(format!("{file}: {} is broken: {error}", icon.path)),
                    }
                    if let Some(out) = &out {
                        fs::create_dir_all(out)?;
                        fs::write(out.join(format!("{}.{size}.png", file.replace('/', "_"))), &icon.png)?;
                    }
                    if icon.path.ends_with(".xml") { "drawn" } else { "picture" }
                }
                Ok(None) => "none",
                Err(problem) => &*problem.code,
            };
            *counts.entry(format!("{} {outcome}", file.split('/').next().unwrap())).or_default() += 1;
            let explained = EXPLAINED.iter().any(|(name, _)| file.starts_with(name));
            let right = match &found {
                Ok(Some(_)) => true,
                Ok(None) => !named && !expected || explained,
                // a package that is refused has no icon, for the same reason
                Err(problem) => inspection.error.as_ref() == Some(problem) || explained,
            };
            if !right {
                failures.push(format!("{file}: named {named}, truth {expected}: {found:?}"));
            }
        }
        println!("{size} pixels, slowest {slowest:?}");
        counts.iter().for_each(|(outcome, count)| println!("  {outcome:<32} {count:>4}"));
    }
    if seen > 0 && failures.is_empty() { Ok(()) } else { Err(failures.join("\n").into()) }
}

/// Files around pictures and icons from the generated set: always an answer, in time, and never a broken picture.
fn hostile(generator: &Path) -> Result<(), Failed> {
    let folder = generate(generator, Some(SMALL))?;
    let table = fs::read_to_string(folder.path().join("expected.tsv"))?;
    let (mut counts, mut failures) = (BTreeMap::<String, usize>::new(), Vec::new());
    for [file, acceptable, ceiling, _] in rows(&table) {
        let of_interest = file.starts_with("image/")
            || file.contains("icon")
            || file.contains("logo")
            || file.ends_with(".png")
            || file.starts_with("axml/")
            || file.starts_with("arsc/");
        if !of_interest {
            continue;
        }
        let data = fs::read(folder.path().join(file))?;
        let start = Instant::now();
        let found = extract(&data);
        let taken = start.elapsed();
        let outcome = match &found {
            Ok(Some(icon)) => {
                if decode(&icon.png).is_err() {
                    failures.push(format!("{file}: an icon that does not decode"));
                }
                "icon"
            }
            Ok(None) => "none",
            Err(problem) => &*problem.code,
        };
        println!("{file:<40} {outcome:<20} {taken:?}  ({acceptable})");
        *counts.entry(outcome.to_owned()).or_default() += 1;
        // 3,750 squared in the small set: allowed; `limits` has a larger one
        if file.starts_with("image/bomb_") && matches!(&found, Ok(Some(icon)) if icon.width == 3_750) {
            continue;
        }
        if acceptable.contains("E_IMAGE_LIMIT") && outcome != "E_IMAGE_LIMIT" {
            failures.push(format!("{file}: {outcome}, expected {acceptable}"));
        }
        if acceptable.contains("without icon") && !acceptable.contains("converted") && outcome == "icon" {
            failures.push(format!("{file}: {outcome}, expected {acceptable}"));
        }
        // an unoptimised build beside others
        if taken > Duration::from_millis(ceiling.parse::<u64>()?) * 2 {
            failures.push(format!("{file}: {taken:?}"));
        }
    }
    println!("{counts:?}");
    if failures.is_empty() && !counts.is_empty() { Ok(()) } else { Err(failures.join("\n").into()) }
}
