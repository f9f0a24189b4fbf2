//! PDF documents.
//!
//! The document information dictionary says what a document is called and by whom, the catalog how many pages it has.
//! Both are found through the cross references, in a few reads however long the document is; where these are broken,
//! its start and its end are searched for objects. Nothing is decrypted: of an encrypted document the strings are not
//! read. Source: ISO 32000-1.

mod file;
mod object;

use std::collections::BTreeSet;

use appdepot_core::inspect::{self, Package, Problem};
use async_trait::async_trait;
use memchr::memmem;
use serde_json::{Map, Value as Json};

use crate::containers::Packing;
use crate::error::Code;
use crate::registry::{Format, Input, Probe, Score};
use file::{File, is_final};
use object::{Dictionary, Object};

const HEADER: &[u8] = b"%PDF-";
/// How far into the file readers look for the header.
const HEADER_WITHIN: usize = 1024;

const TEXTS: [&str; 6] = ["Title", "Author", "Subject", "Keywords", "Creator", "Producer"];
const DATES: [&str; 2] = ["CreationDate", "ModDate"];

/// The format of PDF documents.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pdf;

#[async_trait]
impl Format for Pdf {
    fn name(&self) -> inspect::Format {
        inspect::Format::Pdf
    }

    fn packing(&self) -> Packing {
        Packing::Plain
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["pdf"]
    }

    fn score(&self, probe: &Probe<'_>) -> Score {
        match header(probe.head) {
            Some(0) => Score::Certain,
            Some(_) => Score::Likely,
            None if is_begun(probe.head) => Score::Possible,
            None => Score::No,
        }
    }

    async fn read(&self, input: &mut Input<'_>) -> Result<Package, Problem> {
        let reader = &mut input.reader;
        let head = reader.head().await?;
        if is_begun(&head) {
            return Err(Code::Truncated.problem("the file ends in its header"));
        }
        let base = header(&head).ok_or_else(|| Code::TypeMismatch.problem("no header"))?;
        let version = head.get(base + HEADER.len()..).map(version).unwrap_or_default();
        let linear = is_linear(&head, base, reader.length());
        let mut file = File::new(reader, base as u64);
        if let Err(problem) = file.open().await {
            if is_final(&problem) {
                return Err(problem);
            }
            // a file that was cut may still tell what it is, and is refused
            if Code::Truncated.is(&problem) {
                file.reader().refuse(problem);
            }
            file.search().await?;
        }
        let mut package = match describe(&mut file).await {
            Err(problem) if !is_final(&problem) && !file.is_searched() => {
                file.search().await?;
                describe(&mut file).await?
            }
            result => result?,
        };
        let later = package.details.get("Version").and_then(Json::as_str).filter(|later| **later > *version);
        let version = later.map_or_else(|| version.clone(), str::to_owned);
        package.details.remove("Version");
        package.details.insert("PDF version".to_owned(), reader.text(&version).into());
        package.details.insert("Optimized".to_owned(), linear.into());
        Ok(package)
    }
}

/// Where the header begins.
fn header(head: &[u8]) -> Option<usize> {
    memmem::find(head.get(..head.len().min(HEADER_WITHIN + HEADER.len()))?, HEADER)
}

/// Whether a file ends inside its header.
fn is_begun(head: &[u8]) -> bool {
    head.len() + 1 == HEADER.len() && HEADER.starts_with(head)
}

/// The version after the header.
fn version(rest: &[u8]) -> String {
    let digits = rest.iter().take(8).take_while(|byte| byte.is_ascii_digit() || **byte == b'.');
    digits.map(|byte| char::from(*byte)).collect()
}

/// Whether the file is laid out to be shown while it arrives, and has not been changed since.
fn is_linear(head: &[u8], base: usize, length: u64) -> bool {
    let Some(rest) = head.get(base..) else { return false };
    let Some(at) = rest.windows(3).position(|window| window == b"obj") else { return false };
    let Some(rest) = rest.get(at + 3..) else { return false };
    let Ok(Object::Dictionary(first)) = object::Parser::new(rest, true, 4).object() else { return false };
    let whole = first.integer("L").and_then(|total| u64::try_from(total).ok()) == Some(length);
    first.get("Linearized").is_some() && whole
}

/// Everything but the version.
async fn describe(file: &mut File<'_, '_>) -> Result<Package, Problem> {
    let trailer = file.trailer();
    let encrypted = file.is_encrypted();
    let mut package = Package { id: identifier(&trailer), ..Package::default() };
    let mut details = Map::new();
    details.insert("Encrypted".to_owned(), encrypted.into());
    match file.dictionary(trailer.get("Root")).await? {
        Some(catalog) => describe_catalog(file, &catalog, &mut details).await?,
        // it lies in an encrypted stream
        None if encrypted => {}
        None => return Err(Code::ManifestInvalid.problem("the document has no catalog")),
    }
    if !encrypted && let Some(info) = file.dictionary(trailer.get("Info")).await? {
        describe_info(file, &info, &mut details).await?;
    }
    package.name = match details.get("Title").and_then(Json::as_str).map(str::trim) {
        Some(title) if !title.is_empty() => Some(file.reader().label(title)),
        _ => None,
    };
    package.details = details;
    Ok(package)
}

/// The permanent half of the file identifier, if there is one.
fn identifier(trailer: &Dictionary) -> String {
    const LONGEST: usize = 64;
    let first = trailer.get("ID").and_then(Object::array).and_then(|pair| pair.first());
    match first {
        Some(Object::String(bytes)) if bytes.len() <= LONGEST => {
            bytes.iter().map(|byte| format!("{byte:02x}")).collect()
        }
        _ => String::new(),
    }
}

async fn describe_info(
    file: &mut File<'_, '_>,
    info: &Dictionary,
    details: &mut Map<String, Json>,
) -> Result<(), Problem> {
    let mut custom = false;
    for (key, value) in &info.0 {
        let Ok(key) = std::str::from_utf8(key) else { continue };
        if !TEXTS.contains(&key) && !DATES.contains(&key) {
            custom |= key != "Trapped";
            continue;
        }
        let Object::String(bytes) = file.resolve(Some(value)).await? else { continue };
        let text = object::text(&bytes);
        file.reader().charge_string(text.len())?;
        let date = DATES.contains(&key).then(|| object::date(&text)).flatten();
        let text = date.map_or(text, |date| date.to_string());
        details.insert(key.to_owned(), file.reader().text(&text).into());
    }
    details.insert("Custom Metadata".to_owned(), custom.into());
    Ok(())
}

async fn describe_catalog(
    file: &mut File<'_, '_>,
    catalog: &Dictionary,
    details: &mut Map<String, Json>,
) -> Result<(), Problem> {
    if let Object::Name(later) = file.resolve(catalog.get("Version")).await? {
        details.insert("Version".to_owned(), version(&later).into());
    }
    let form = file.dictionary(catalog.get("AcroForm")).await?;
    let form = form.map(|form| if form.get("XFA").is_some() { "XFA" } else { "AcroForm" });
    // one that is named and cannot be read is encrypted
    if let Some(form) = form.or_else(|| catalog.get("AcroForm").is_none().then_some("none")) {
        details.insert("Form".to_owned(), form.into());
    }
    details.insert("Metadata Stream".to_owned(), catalog.get("Metadata").is_some().into());
    let marks = file.dictionary(catalog.get("MarkInfo")).await?.unwrap_or_default();
    for (key, name) in [("Tagged", "Marked"), ("Suspects", "Suspects"), ("UserProperties", "UserProperties")]
    {
        details.insert(key.to_owned(), (marks.get(name) == Some(&Object::Boolean(true))).into());
    }
    if !file.is_encrypted()
        && let Object::String(language) = file.resolve(catalog.get("Lang")).await?
    {
        let language = object::text(&language);
        details.insert("Lang".to_owned(), file.reader().text(&language).into());
    }
    match describe_pages(file, catalog, details).await {
        // the document is known all the same
        Err(problem) if Code::Cycle.is(&problem) || Code::LimitDepth.is(&problem) => {
            file.reader().refuse(problem);
            Ok(())
        }
        result => result,
    }
}

/// The number of pages, and the size of the first.
async fn describe_pages(
    file: &mut File<'_, '_>,
    catalog: &Dictionary,
    details: &mut Map<String, Json>,
) -> Result<(), Problem> {
    const INHERITED: [&str; 3] = ["MediaBox", "CropBox", "Rotate"];
    let mut next = catalog.get("Pages").cloned();
    let mut seen = BTreeSet::new();
    let mut inherited = Dictionary::default();
    let mut pages = None;
    for _ in 0..file.reader().limits().depth {
        if let Some(Object::Reference(number)) = next
            && !seen.insert(number)
        {
            return Err(Code::Cycle.problem("the pages are a part of themselves"));
        }
        let Some(node) = file.dictionary(next.as_ref()).await? else { break };
        for key in INHERITED {
            if let Some(value) = node.get(key) {
                inherited.0.retain(|(name, _)| name != key.as_bytes());
                inherited.0.push((key.as_bytes().to_vec(), value.clone()));
            }
        }
        let kids = file.resolve(node.get("Kids")).await?;
        let Some(kids) = kids.array().filter(|_| !node.is("Type", "Page")) else {
            pages.get_or_insert(1);
            break;
        };
        if pages.is_none() {
            let count = file.resolve(node.get("Count")).await?;
            pages = Some(count.integer().unwrap_or(0));
        }
        next = kids.first().cloned();
        if next.is_none() {
            break;
        }
    }
    // every page is an object, so a larger number is a lie
    let objects = file.trailer().integer("Size").unwrap_or(i64::from(u32::MAX));
    if let Some(pages) = pages.filter(|pages| (0..=objects).contains(pages)) {
        details.insert("Pages".to_owned(), pages.into());
    }
    describe_size(file, &inherited, details).await
}

async fn describe_size(
    file: &mut File<'_, '_>,
    page: &Dictionary,
    details: &mut Map<String, Json>,
) -> Result<(), Problem> {
    let Some(media) = rectangle(file, page.get("MediaBox")).await? else { return Ok(()) };
    let crop = rectangle(file, page.get("CropBox")).await?;
    let [left, bottom, right, top] = crop.map_or(media, |crop| {
        // what is cut out lies within the sheet
        let [left, bottom, right, top] = crop;
        [left.max(media[0]), bottom.max(media[1]), right.min(media[2]), top.min(media[3])]
    });
    let (width, height) = (right - left, top - bottom);
    let turned = file.resolve(page.get("Rotate")).await?.integer().unwrap_or(0).rem_euclid(360);
    details.insert("Page rot".to_owned(), turned.into());
    if width > 0.0 && height > 0.0 {
        let paper = paper(width, height).map_or_else(String::new, |name| format!(" ({name})"));
        let size = format!("{} x {} pts{paper}", short(width), short(height));
        details.insert("Page size".to_owned(), size.into());
    }
    Ok(())
}

async fn rectangle(file: &mut File<'_, '_>, value: Option<&Object>) -> Result<Option<[f64; 4]>, Problem> {
    let value = file.resolve(value).await?;
    let Some([a, b, c, d]) = value.array().and_then(|list| list.first_chunk::<4>()) else {
        return Ok(None);
    };
    let mut corners = [0.0; 4];
    for (corner, given) in corners.iter_mut().zip([a, b, c, d]) {
        let Some(number) = file.resolve(Some(given)).await?.number() else { return Ok(None) };
        *corner = number;
    }
    let [a, b, c, d] = corners;
    Ok(Some([a.min(c), b.min(d), a.max(c), b.max(d)]))
}

/// A number with at most six digits, without zeros at the end.
fn short(number: f64) -> String {
    let whole = format!("{:.0}", number.abs()).len();
    let text = format!("{number:.*}", 6usize.saturating_sub(whole));
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// What sheets of this size are called.
fn paper(width: f64, height: f64) -> Option<String> {
    let is = |short: f64, long: f64| {
        let near = |a: f64, b: f64| (a - b).abs() < 1.0;
        (near(width, short) && near(height, long)) || (near(width, long) && near(height, short))
    };
    if is(612.0, 792.0) {
        return Some("letter".to_owned());
    }
    if is(612.0, 1008.0) {
        return Some("legal".to_owned());
    }
    // A0 has a square metre, and each next size is half of the one before
    let points = 7200.0 / 2.54;
    let mut long = 2f64.powf(0.25) * points;
    for number in 0..=6 {
        let short = long / 2f64.sqrt();
        if is(short, long) {
            return Some(format!("A{number}"));
        }
        long = short;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_as_text() {
        assert_eq!(short(595.2756), "595.276");
        assert_eq!(short(612.0), "612");
        assert_eq!(short(3.84), "3.84");
        assert_eq!(paper(842.0, 595.3).as_deref(), Some("A4"));
        assert_eq!(paper(612.4, 792.0).as_deref(), Some("letter"));
        assert_eq!(paper(100.0, 100.0), None);
    }

    #[test]
    fn headers() {
        assert_eq!(header(b"%PDF-1.4\n"), Some(0));
        assert_eq!(header(b"\n\n%PDF-1.4\n"), Some(2));
        assert_eq!(header(b"PDF"), None);
        for at in [60, 63, 64, 1_000] {
            assert_eq!(header(&[&b"%".repeat(at), HEADER].concat()), Some(at));
        }
        assert_eq!(version(b"1.7\r\n"), "1.7");
    }
}
