//! xar archives, as macOS installer packages are: a table of contents in compressed XML, then the heap.

use appdepot_core::inspect::Problem;

use crate::bytes::{be16_at, be64_at};
use crate::containers::unpack::{End, Packed, unpack};
use crate::error::{Anomaly, Code};
use crate::plist;
use crate::reader::Reader;
use crate::xml::{self, Event, Xml};

/// The first bytes of an archive.
pub(crate) const MAGIC: &[u8] = b"xar!";
const HEADER: usize = 28;
/// Certificates of one signature; chains are shorter than ten.
const MOST_CERTIFICATES: usize = 16;

/// An opened archive.
#[derive(Debug, Default)]
pub(crate) struct Archive {
    /// Files and folders, each after the folder it lies in.
    pub(crate) files: Vec<File>,
    /// The signatures, each with its certificates, the signer's first.
    pub(crate) signatures: Vec<Signature>,
    heap: u64,
}

/// A file or folder.
#[derive(Debug, Default, Clone)]
pub(crate) struct File {
    pub(crate) name: String,
    /// The folder it lies in.
    pub(crate) parent: Option<usize>,
    /// Where its bytes stand, if it has some.
    data: Option<Data>,
}

#[derive(Debug, Default, Clone)]
struct Data {
    offset: u64,
    length: u64,
    size: u64,
    style: String,
}

/// A signature over the table of contents.
#[derive(Debug, Default, Clone)]
pub(crate) struct Signature {
    /// `RSA`, `CMS`.
    pub(crate) style: String,
    /// DER.
    pub(crate) certificates: Vec<Vec<u8>>,
}

impl Archive {
    /// Opens the archive; its first bytes are known to be the magic.
    ///
    /// # Errors
    /// `E_TRUNCATED`, `E_LIMIT_INFLATE`, `E_LIMIT_ENTRIES`, `E_MANIFEST_INVALID`, `E_XML_DTD`, errors of reading.
    pub(crate) async fn open(reader: &mut Reader<'_>) -> Result<Self, Problem> {
        let header = reader.bytes(0, HEADER).await?;
        let length = be16_at(&header, 4).map(u64::from).filter(|length| *length >= HEADER as u64);
        let length = length.ok_or_else(|| invalid("a header that is too short"))?;
        if be16_at(&header, 6) != Some(1) {
            return Err(Code::Unsupported.problem("a version of xar that is not read"));
        }
        let packed = be64_at(&header, 8).unwrap_or(0);
        let heap = length.checked_add(packed).filter(|heap| *heap <= reader.length());
        let heap = heap.ok_or_else(|| Code::Truncated.problem("the table of contents is not all there"))?;
        let fits = packed <= reader.limits().compressed_bytes;
        let packed = usize::try_from(packed).ok().filter(|_| fits).ok_or_else(too_large)?;
        let data = reader.bytes(length, packed).await?;
        let (toc, end) = unpack(reader, Packed::Zlib, &data, reader.limits().manifest_bytes)?;
        match end {
            End::Whole => {}
            End::Cap => return Err(too_large()),
            End::Broken => return Err(invalid("a table of contents that cannot be inflated")),
        }
        if be64_at(&header, 16) != Some(toc.len() as u64) {
            reader.note(Anomaly::SizeMismatch);
        }
        let mut archive = Self { heap, ..Self::default() };
        archive.read_toc(reader, &xml::decode(&toc)?)?;
        Ok(archive)
    }

    /// The only file of this name that lies in no folder.
    ///
    /// # Errors
    /// `E_ZIP_AMBIGUOUS` when there are two.
    pub(crate) fn unique(&self, name: &str) -> Result<Option<&File>, Problem> {
        let mut found = self.files.iter().filter(|file| file.parent.is_none() && file.name == name);
        let first = found.next();
        match found.next() {
            Some(_) => Err(Code::ZipAmbiguous.problem(format!("two files are named {name}"))),
            None => Ok(first),
        }
    }

    /// The content of a file, of at most [`manifest_bytes`](crate::Limits::manifest_bytes).
    ///
    /// # Errors
    /// `E_TRUNCATED`, `E_LIMIT_INFLATE`, `E_UNSUPPORTED`, `E_MANIFEST_INVALID`, and errors of reading.
    pub(crate) async fn read(&self, reader: &mut Reader<'_>, file: &File) -> Result<Vec<u8>, Problem> {
        let data = file.data.as_ref().ok_or_else(|| invalid("a manifest without content"))?;
        // what is called gzip is zlib
        let packed = match data.style.as_str() {
            "" | "application/octet-stream" => Packed::Stored,
            "application/x-gzip" | "application/zlib" => Packed::Zlib,
            _ => return Err(Code::Unsupported.problem("a manifest in a packing that is not read")),
        };
        let cap = reader.limits().manifest_bytes;
        let offset = self.heap.checked_add(data.offset).ok_or_else(outside)?;
        if offset.checked_add(data.length).is_none_or(|end| end > reader.length()) {
            return Err(outside());
        }
        let fits = data.length <= reader.limits().compressed_bytes;
        let length = usize::try_from(data.length).ok().filter(|_| fits).ok_or_else(too_large)?;
        let bytes = reader.bytes(offset, length).await?;
        let (content, end) = unpack(reader, packed, &bytes, cap)?;
        match end {
            End::Cap => return Err(too_large()),
            End::Broken => return Err(invalid("a manifest that cannot be inflated")),
            End::Whole if content.len() as u64 != data.size => {
                reader.note(Anomaly::SizeMismatch);
                reader.refuse(
                    Code::ZipStruct.problem(format!("{} has another length than declared", file.name)),
                );
            }
            End::Whole => {}
        }
        Ok(content)
    }

    fn read_toc(&mut self, reader: &mut Reader<'_>, text: &str) -> Result<(), Problem> {
        const LONGEST: usize = 4 << 10;
        let mut xml = Xml::new(text);
        // the names of the open elements, and the open files
        let mut path: Vec<String> = Vec::new();
        let mut open: Vec<usize> = Vec::new();
        while let Some(event) = xml.next(reader)? {
            let element = match event {
                Event::Start(element) => element,
                Event::End => {
                    if path.pop().as_deref() == Some("file") {
                        open.pop();
                    }
                    continue;
                }
                Event::Text(_) => continue,
            };
            let name = element.name().to_owned();
            let parent = path.last().map_or("", String::as_str);
            let outer = path.iter().rev().nth(1).map_or("", String::as_str);
            let file = open.last().copied();
            let mut taken = true;
            match (outer, parent, name.as_str()) {
                ("xar", "toc", "file") | (_, "file", "file") => {
                    if self.files.len() >= reader.limits().entries {
                        return Err(Code::LimitEntries.problem("the archive has more files than are read"));
                    }
                    open.push(self.files.len());
                    self.files.push(File { parent: file, ..File::default() });
                    taken = false;
                }
                (_, "file", "name") => {
                    let text = xml.text(reader, LONGEST)?;
                    reader.charge_string(text.len())?;
                    if let Some(file) = file.and_then(|index| self.files.get_mut(index)) {
                        file.name = text;
                    }
                }
                (_, "file", "data") => {
                    if let Some(file) = file.and_then(|index| self.files.get_mut(index)) {
                        file.data = Some(Data::default());
                    }
                    taken = false;
                }
                ("file", "data", field @ ("offset" | "length" | "size")) => {
                    let text = xml.text(reader, LONGEST)?;
                    let number = text.parse().map_err(|_| invalid("a place that is no number"))?;
                    if let Some(data) = self.data(file) {
                        match field {
                            "offset" => data.offset = number,
                            "length" => data.length = number,
                            _ => data.size = number,
                        }
                    }
                }
                ("file", "data", "encoding") => {
                    let style = element.attribute("style")?.unwrap_or_default();
                    if let Some(data) = self.data(file) {
                        data.style = style;
                    }
                    taken = false;
                }
                ("xar", "toc", "signature" | "x-signature") => {
                    let style = element.attribute("style")?.unwrap_or_default();
                    if self.signatures.len() < MOST_CERTIFICATES {
                        self.signatures.push(Signature { style, certificates: Vec::new() });
                    }
                    taken = false;
                }
                (_, "X509Data", "X509Certificate") => {
                    let text = xml.text(reader, LONGEST * 16)?;
                    reader.charge_string(text.len())?;
                    match (plist::base64(&text), self.signatures.last_mut()) {
                        (Ok(der), Some(found)) if found.certificates.len() < MOST_CERTIFICATES => {
                            found.certificates.push(der);
                        }
                        (Ok(_), _) => {}
                        (Err(_), _) => reader.note(Anomaly::SignatureInvalid),
                    }
                }
                _ => taken = false,
            }
            // the text of an element was read to its end
            if !taken {
                path.push(name);
            }
        }
        Ok(())
    }

    fn data(&mut self, file: Option<usize>) -> Option<&mut Data> {
        self.files.get_mut(file?)?.data.as_mut()
    }
}

fn outside() -> Problem {
    Code::Truncated.problem("a manifest that lies outside the file")
}

fn too_large() -> Problem {
    Code::LimitInflate.problem("the archive has a table or manifest larger than is read")
}

fn invalid(what: &str) -> Problem {
    Code::ManifestInvalid.problem(format!("the archive has {what}"))
}
