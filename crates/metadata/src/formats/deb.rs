//! Debian packages.
//!
//! An `ar` archive of `debian-binary`, `control.tar.*` and `data.tar.*`; the file `control` of the second says who the
//! package is. The third is never unpacked. Sources: deb(5), deb-control(5).

use appdepot_core::inspect::{self, Package, Platform, Problem};
use async_trait::async_trait;
use serde_json::{Value as Json, json};

use crate::containers::Packing;
use crate::containers::ar::{self, Member};
use crate::containers::tar::Entries;
use crate::containers::unpack::{End, Packed, unpack};
use crate::error::Code;
use crate::reader::Reader;
use crate::registry::{Format, Input, Probe, Score};

/// Members of the archive; packages have three, signed ones a few more.
const MOST_MEMBERS: usize = 64;
/// A file cut inside its first bytes is one of the kind if this many are there.
const SHORTEST: usize = 4;
/// Fields of the control file.
const MOST_FIELDS: usize = 256;
/// Fields that decide which package and which version of it this is.
const IDENTITY: [&str; 3] = ["Package", "Version", "Architecture"];

/// The format of Debian packages.
#[derive(Debug, Clone, Copy, Default)]
pub struct Deb;

#[async_trait]
impl Format for Deb {
    fn name(&self) -> inspect::Format {
        inspect::Format::Deb
    }

    fn packing(&self) -> Packing {
        Packing::Plain
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["deb", "udeb"]
    }

    fn score(&self, probe: &Probe<'_>) -> Score {
        const START: &[u8] = b"!<arch>\ndebian-binary";
        // libraries are such archives too
        match probe.head {
            head if head.starts_with(START) => Score::Certain,
            head if head.len() >= SHORTEST && START.starts_with(head) => Score::Possible,
            _ => Score::No,
        }
    }

    async fn read(&self, input: &mut Input<'_>) -> Result<Package, Problem> {
        let reader = &mut input.reader;
        let members = ar::members(reader, MOST_MEMBERS).await?;
        check_version(reader, members.first()).await?;
        let mut controls = members.iter().filter(|member| member.name.starts_with("control.tar"));
        let control = match (controls.next(), members.last()) {
            (Some(control), _) => control,
            (None, Some(last)) if last.offset + last.size + last.size % 2 < reader.length() => {
                return Err(Code::Truncated.problem("the package ends before its control member"));
            }
            (None, _) => return Err(Code::ManifestMissing.problem("the package has no control member")),
        };
        if controls.next().is_some() {
            return Err(Code::ZipAmbiguous.problem("the package has two control members"));
        }
        let text = read_control(reader, control).await?;
        let fields = Fields::parse(reader, &text)?;
        let mut package = describe(reader, &fields)?;
        let members = members.iter().map(|member| json!([reader.text(&member.name), member.size]));
        package.details.insert("members".to_owned(), members.collect());
        Ok(package)
    }
}

async fn check_version(reader: &mut Reader<'_>, first: Option<&Member>) -> Result<(), Problem> {
    const LONGEST: u64 = 64;
    let version = match first {
        Some(member) if member.name == "debian-binary" && member.size <= LONGEST => {
            reader.bytes(member.offset, usize::try_from(member.size).unwrap_or(0)).await?
        }
        _ => return Err(Code::ManifestInvalid.problem("the package does not start with its version")),
    };
    if version.starts_with(b"2.") {
        Ok(())
    } else {
        Err(Code::Unsupported.problem("a version of the package format that is not read"))
    }
}

/// The control file.
async fn read_control(reader: &mut Reader<'_>, member: &Member) -> Result<Vec<u8>, Problem> {
    let packed = match member.name.strip_prefix("control.tar").unwrap_or_default() {
        "" => Packed::Stored,
        ".gz" => Packed::Gzip,
        ".xz" => Packed::Xz,
        ".zst" => Packed::Zstd,
        _ => return Err(Code::Unsupported.problem("a control member in a packing that is not read")),
    };
    let too_large = || Code::LimitInflate.problem("the control member is larger than is read");
    if member.size > reader.limits().compressed_bytes {
        return Err(too_large());
    }
    let data = reader.bytes(member.offset, usize::try_from(member.size).map_err(|_| too_large())?).await?;
    let (archive, end) = unpack(reader, packed, &data, reader.limits().manifest_bytes)?;
    if end == End::Broken {
        // a second reader could stop elsewhere
        return Err(Code::ManifestInvalid.problem("the control member cannot be unpacked"));
    }
    let capped = |problem: Problem| if end == End::Cap { too_large() } else { problem };
    let mut entries = Entries::new(&archive);
    let mut control = None;
    loop {
        let entry = match entries.next(reader) {
            Ok(Some(entry)) => entry,
            Ok(None) => break,
            // what lies behind the cap may hold another control file
            Err(problem) => return Err(capped(problem)),
        };
        if entry.climbs() {
            reader.refuse(Code::Path.problem("a path in the control member leaves its folder"));
        }
        if entry.path() != b"control" {
            continue;
        }
        if !entry.is_file() {
            return Err(Code::Path.problem("the control file is a link or a folder"));
        }
        if control.replace(entry.content).is_some() {
            return Err(Code::ZipAmbiguous.problem("the package has two control files"));
        }
    }
    if end == End::Cap {
        return Err(too_large());
    }
    let control = control.ok_or_else(|| Code::ManifestMissing.problem("the package has no control file"))?;
    Ok(control.to_vec())
}

/// The fields of a control file, in order.
struct Fields(Vec<(String, String)>);

impl Fields {
    fn parse(reader: &mut Reader<'_>, data: &[u8]) -> Result<Self, Problem> {
        let text = String::from_utf8_lossy(data);
        let mut fields: Vec<(String, String)> = Vec::new();
        let longest = reader.limits().output_string_bytes;
        for line in text.trim_start_matches('\n').lines() {
            reader.check_time()?;
            if line.starts_with('#') {
                continue;
            }
            if line.trim().is_empty() {
                // one paragraph is the package; what follows it is not read by anybody
                break;
            }
            if line.starts_with([' ', '\t']) {
                let (_, value) = fields.last_mut().ok_or_else(|| invalid("starts with a continuation"))?;
                if value.len() <= longest {
                    value.push('\n');
                    value.push_str(line.trim_end());
                }
                continue;
            }
            let (name, value) = line.split_once(':').ok_or_else(|| invalid("has a line without a field"))?;
            let name = name.trim_end();
            if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(invalid("has a field with no name"));
            }
            reader.charge_string(value.len())?;
            if fields.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)) {
                if IDENTITY.iter().any(|known| known.eq_ignore_ascii_case(name)) {
                    return Err(invalid("has a field twice"));
                }
                reader.refuse(invalid("has a field twice"));
                continue;
            }
            if fields.len() >= MOST_FIELDS || name.len() > reader.limits().identifier_bytes {
                return Err(Code::LimitEntries.problem("the control file has more fields than are read"));
            }
            fields.push((name.to_owned(), value.trim().to_owned()));
        }
        Ok(Self(fields))
    }

    fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }
}

fn describe(reader: &mut Reader<'_>, fields: &Fields) -> Result<Package, Problem> {
    let id = fields.get("Package").ok_or_else(|| invalid("names no package"))?;
    if id.len() > reader.limits().identifier_bytes {
        return Err(Code::LimitString.problem("the package name is too long"));
    }
    let starts = id.starts_with(|first: char| first.is_ascii_alphanumeric());
    if !starts || !id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-._".contains(&byte)) {
        return Err(invalid("has a package name that is none"));
    }
    let architecture = fields.get("Architecture").map(|value| reader.text(value));
    let is_ios = architecture.as_deref().is_some_and(|value| value.starts_with("iphoneos-"));
    let mut package = Package {
        id: reader.text(id),
        name: fields.get("Name").map(|name| reader.label(name)),
        version: fields.get("Version").map(|version| reader.text(version)),
        platform: Some(if is_ios { Platform::Ios } else { Platform::Linux }),
        architectures: architecture.into_iter().collect(),
        ..Package::default()
    };
    for (name, value) in &fields.0 {
        package.details.insert(reader.text(name), reader.text(value).into());
    }
    let summary = fields.get("Description").and_then(|text| text.lines().next());
    package
        .details
        .insert("summary".to_owned(), summary.map_or(Json::Null, |text| reader.label(text).into()));
    let depends = ["Pre-Depends", "Depends"].into_iter().filter_map(|name| fields.get(name));
    let count = depends.flat_map(|list| list.split(',')).filter(|one| !one.trim().is_empty()).count();
    package.details.insert("dependsCount".to_owned(), count.into());
    Ok(package)
}

fn invalid(what: &str) -> Problem {
    Code::ManifestInvalid.problem(format!("the control file {what}"))
}
