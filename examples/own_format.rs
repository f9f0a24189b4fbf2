//! A format from outside the library: WebAssembly modules, whose custom sections say what they are called.
//! `cargo run --example own_format` builds a module, reads it, prints what was found and ends.
#![allow(clippy::print_stdout)]

use appdepot::inspect::{self, Hint, Package, Platform, Problem};
use appdepot::metadata::containers::Packing;
use appdepot::metadata::{Code, Extractor, Format, Input, Limits, Probe, Registry, Score};
use async_trait::async_trait;

const MAGIC: &[u8] = b"\0asm\x01\0\0\0";
const CUSTOM: u8 = 0;
const CODE: u8 = 10;
/// A section's kind and the longest spelling of its length.
const SECTION_HEAD: u64 = 6;

struct Wasm;

#[async_trait]
impl Format for Wasm {
    fn name(&self) -> inspect::Format {
        inspect::Format::Other
    }

    fn packing(&self) -> Packing {
        Packing::Plain
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["wasm"]
    }

    fn score(&self, probe: &Probe<'_>) -> Score {
        if probe.head.starts_with(MAGIC) { Score::Certain } else { Score::No }
    }

    async fn read(&self, input: &mut Input<'_>) -> Result<Package, Problem> {
        let broken = || Code::ManifestInvalid.problem("a section of the module cannot be read");
        let reader = &mut input.reader;
        let mut package = Package { platform: Some(Platform::Web), ..Package::default() };
        package.details.insert("format".to_owned(), "wasm".into());
        let mut at = MAGIC.len() as u64;
        while at < reader.length() {
            reader.check_time()?;
            let head_len = SECTION_HEAD.min(reader.length() - at) as usize;
            let head = reader.bytes_ahead(at, head_len, reader.limits().window_bytes).await?;
            let (kind, mut rest) = head.split_first().ok_or_else(broken)?;
            let size = number(&mut rest).ok_or_else(broken)?;
            let start = at + (head.len() - rest.len()) as u64;
            at = start + size;
            // Code is stepped over, and of a long custom section only the beginning is read.
            if *kind != CUSTOM {
                continue;
            }
            let data =
                reader.bytes(start, size.min(reader.limits().identifier_bytes as u64) as usize).await?;
            let mut rest = &data[..];
            match text(&mut rest).ok_or_else(broken)? {
                "name" if rest.first() == Some(&0) => {
                    let _ = (number(&mut rest), number(&mut rest));
                    package.id = reader.text(text(&mut rest).ok_or_else(broken)?);
                }
                "version" => package.version = std::str::from_utf8(rest).ok().map(|text| reader.text(text)),
                _ => {}
            }
        }
        if package.id.is_empty() {
            return Err(Code::ManifestMissing.problem("the module does not say what it is called"));
        }
        Ok(package)
    }
}

/// Takes a number off the front: seven bits a byte, the lowest first.
fn number(data: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in [0, 7, 14, 21, 28] {
        let (byte, rest) = data.split_first()?;
        *data = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// Takes a text with its length before it off the front.
fn text<'a>(data: &mut &'a [u8]) -> Option<&'a str> {
    let len = usize::try_from(number(data)?).ok()?;
    let (text, rest) = data.split_at_checked(len)?;
    *data = rest;
    std::str::from_utf8(text).ok()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut module = MAGIC.to_vec();
    section(&mut module, CUSTOM, b"\x07version2.1.0");
    section(&mut module, CODE, &vec![0; 1 << 20]);
    section(&mut module, CUSTOM, b"\x04name\0\x09\x08tide-map");

    let extractor = Extractor::new(Registry::default().with(Wasm), Limits::default());
    let found = extractor.inspect_slice(&module, &Hint::file_name("tide-map.wasm"));
    println!("{}", serde_json::to_string_pretty(&found)?);
    let package = found.package.ok_or("no package was found")?;
    if (package.id.as_str(), package.version.as_deref()) != ("tide-map", Some("2.1.0")) {
        return Err("another package was found".into());
    }
    Ok(())
}

fn section(module: &mut Vec<u8>, kind: u8, content: &[u8]) {
    module.push(kind);
    let mut left = content.len();
    while left >= 0x80 {
        module.push(left as u8 | 0x80);
        left >>= 7;
    }
    module.push(left as u8);
    module.extend_from_slice(content);
}
