//! EPUB books.
//!
//! An EPUB is a ZIP archive whose `META-INF/container.xml` names the package document, which says in Dublin Core terms
//! what the book is. Sources: EPUB 3.3, OCF 3.3, OPF 2.0.1.

use appdepot_core::inspect::{self, Package, Problem};
use async_trait::async_trait;
use serde_json::{Map, Value as Json};

use crate::containers::Packing;
use crate::containers::zip::Archive;
use crate::error::Code;
use crate::reader::Reader;
use crate::registry::{Format, Input, Probe, Score};
use crate::xml::{self, Event, Xml};

const CONTAINER: &[u8] = b"META-INF/container.xml";
const MEDIA_TYPE: &[u8] = b"application/epub+zip";
/// Where the content of the first entry begins when its name is `mimetype` and nothing is added to its header.
const FIRST_CONTENT: usize = 38;

/// The terms of Dublin Core, under which the details list what the book says.
const TERMS: [&str; 15] = [
    "contributor",
    "coverage",
    "creator",
    "date",
    "description",
    "format",
    "identifier",
    "language",
    "publisher",
    "relation",
    "rights",
    "source",
    "subject",
    "title",
    "type",
];

/// The format of EPUB books.
#[derive(Debug, Clone, Copy, Default)]
pub struct Epub;

#[async_trait]
impl Format for Epub {
    fn name(&self) -> inspect::Format {
        inspect::Format::Epub
    }

    fn packing(&self) -> Packing {
        Packing::Zip
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["epub"]
    }

    fn score(&self, probe: &Probe<'_>) -> Score {
        let Some(archive) = probe.container.zip() else { return Score::No };
        match (says_type(probe.head), archive.find(CONTAINER)) {
            (true, Some(_)) => Score::Certain,
            (true, None) => Score::Likely,
            // word processors' files and signed archives have a container file of other content
            (false, Some(_)) if archive.find(b"mimetype").is_some() => Score::Likely,
            (false, Some(_)) => Score::Possible,
            (false, None) => Score::No,
        }
    }

    async fn read(&self, input: &mut Input<'_>) -> Result<Package, Problem> {
        let Input { reader, container, .. } = input;
        let archive = container.zip().ok_or_else(|| Code::TypeMismatch.problem("not an archive"))?;
        let data = part(reader, archive, CONTAINER).await?;
        let path = package_path(reader, &xml::decode(&data)?)?;
        let document = part(reader, archive, path.as_bytes()).await?;
        let book = Book::read(reader, &xml::decode(&document)?)?;
        let mut package = book.package(reader)?;
        let first = says_type(&reader.head().await?);
        package.details.insert("opf".to_owned(), reader.text(&path).into());
        package.details.insert("mimetypeFirst".to_owned(), first.into());
        Ok(package)
    }
}

/// Whether the first entry is the media type, not compressed, as the format asks for.
fn says_type(head: &[u8]) -> bool {
    let content = head.get(FIRST_CONTENT..).unwrap_or_default();
    head.get(30..FIRST_CONTENT) == Some(b"mimetype") && content.starts_with(MEDIA_TYPE)
}

async fn part(reader: &mut Reader<'_>, archive: &Archive, name: &[u8]) -> Result<bytes::Bytes, Problem> {
    let entry = archive.unique(name)?.ok_or_else(|| {
        Code::ManifestMissing.problem("the book does not hold the document that describes it")
    })?;
    archive.read(reader, &entry, reader.limits().manifest_bytes).await
}

/// The entry of the package document: of several renditions the first.
fn package_path(reader: &Reader<'_>, text: &str) -> Result<String, Problem> {
    let mut document = Xml::new(text);
    while let Some(event) = document.next(reader)? {
        let Event::Start(element) = event else { continue };
        if element.name() != "rootfile" {
            continue;
        }
        let kind = element.attribute("media-type")?;
        if kind.is_some_and(|kind| kind != "application/oebps-package+xml") {
            continue;
        }
        let path = element.attribute("full-path")?.unwrap_or_default();
        if path.starts_with('/') || path.contains('\\') || path.split('/').any(|part| part == "..") {
            return Err(Code::Path.problem("the book's description lies outside of it"));
        }
        return Ok(path);
    }
    Err(Code::ManifestMissing.problem("the book names no document that describes it"))
}

/// What a package document says.
#[derive(Debug, Default)]
struct Book {
    version: Option<String>,
    /// The identifier of the element that holds the book's own one.
    unique: Option<String>,
    /// Term, identifier of the element, text.
    terms: Vec<(&'static str, Option<String>, String)>,
    modified: Option<String>,
    release: Option<String>,
    cover: Option<String>,
}

impl Book {
    fn read(reader: &mut Reader<'_>, text: &str) -> Result<Self, Problem> {
        let mut document = Xml::new(text);
        let mut book = Self::default();
        let mut in_metadata = 0;
        let (most, longest) = (reader.limits().values, reader.limits().output_string_bytes);
        while let Some(event) = document.next(reader)? {
            let Event::Start(element) = event else {
                if document.depth() < in_metadata {
                    in_metadata = 0;
                }
                continue;
            };
            let depth = document.depth();
            if depth == 1 {
                if element.name() != "package" {
                    return Err(Code::ManifestInvalid.problem("the book's description is of another kind"));
                }
                book.version = element.attribute("version")?;
                book.unique = element.attribute("unique-identifier")?;
            } else if element.name() == "metadata" && depth == 2 {
                in_metadata = depth;
            } else if element.name() == "item" && in_metadata == 0 {
                let properties = element.attribute("properties")?.unwrap_or_default();
                if book.cover.is_none() && properties.split_whitespace().any(|one| one == "cover-image") {
                    book.cover = element.attribute("href")?;
                }
            } else if in_metadata > 0 {
                let property = if element.name() == "meta" { element.attribute("property")? } else { None };
                if let Some(property) = property {
                    let slot = match property.as_str() {
                        "dcterms:modified" => &mut book.modified,
                        "schema:version" => &mut book.release,
                        _ => continue,
                    };
                    slot.get_or_insert(document.text(reader, longest)?);
                } else if let Some(term) = TERMS.iter().find(|term| **term == element.name()) {
                    let id = element.attribute("id")?;
                    // one more byte than is shown, so that a cut is noted
                    let text = document.text(reader, longest.saturating_add(1))?;
                    reader.charge_string(text.len())?;
                    if book.terms.len() < most {
                        book.terms.push((term, id, text));
                    }
                }
            }
        }
        Ok(book)
    }

    fn package(self, reader: &mut Reader<'_>) -> Result<Package, Problem> {
        let first = |term: &str| {
            self.terms
                .iter()
                .find(|(name, _, text)| *name == term && !text.is_empty())
                .map(|(_, _, text)| text)
        };
        let own = self.terms.iter().find(|(name, id, text)| {
            *name == "identifier" && !text.is_empty() && id.is_some() && *id == self.unique
        });
        let id = own.map(|(_, _, text)| text).or_else(|| first("identifier"));
        let id = id.map(String::as_str).unwrap_or_default();
        if id.len() > reader.limits().identifier_bytes {
            return Err(Code::LimitString.problem("the book's identifier is too long"));
        }
        let mut package = Package {
            id: reader.text(id),
            name: first("title").map(|title| reader.label(title)),
            version: self.release.as_deref().map(|text| reader.text(text)),
            ..Package::default()
        };
        let mut lists: Map<String, Json> = Map::new();
        for (term, _, text) in &self.terms {
            let text = reader.text(text);
            if let Json::Array(list) = lists.entry(*term).or_insert_with(|| Json::Array(Vec::new())) {
                list.push(text.into());
            }
        }
        package.details = lists;
        for (key, value) in [("version", &self.version), ("modified", &self.modified), ("cover", &self.cover)]
        {
            if let Some(value) = value {
                package.details.insert(key.to_owned(), reader.text(value).into());
            }
        }
        Ok(package)
    }
}
