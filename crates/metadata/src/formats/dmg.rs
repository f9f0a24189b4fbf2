//! macOS disk images.
//!
//! The last 512 bytes say where the parts of the image are; a property list names its partitions. What is inside them
//! is a file system, which is not read, so the image has no identity of its own. Source: the description of the
//! `koly` block in Apple's and others' disk image tools.

use appdepot_core::inspect::{self, Package, Platform, Problem};
use async_trait::async_trait;
use serde_json::Value as Json;

use crate::bytes::{be32_at, be64_at};
use crate::containers::Packing;
use crate::error::{Anomaly, Code};
use crate::plist::{self, Value};
use crate::reader::Reader;
use crate::registry::{Format, Input, Probe, Score};

const TRAILER: usize = 512;
const MAGIC: &[u8] = b"koly";
/// The first bytes of an encrypted image.
const ENCRYPTED: &[u8] = b"encrcdsa";

/// The format of macOS disk images.
#[derive(Debug, Clone, Copy, Default)]
pub struct Dmg;

#[async_trait]
impl Format for Dmg {
    fn name(&self) -> inspect::Format {
        inspect::Format::Dmg
    }

    fn packing(&self) -> Packing {
        Packing::Plain
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["dmg"]
    }

    fn score(&self, probe: &Probe<'_>) -> Score {
        let trailer = probe.tail.len().checked_sub(TRAILER).and_then(|at| probe.tail.get(at..));
        let ends = trailer.is_some_and(|trailer| trailer.starts_with(MAGIC));
        if ends || probe.head.starts_with(ENCRYPTED) { Score::Certain } else { Score::No }
    }

    async fn read(&self, input: &mut Input<'_>) -> Result<Package, Problem> {
        let reader = &mut input.reader;
        if reader.head().await?.starts_with(ENCRYPTED) {
            return Err(Code::Encrypted.problem("the disk image is encrypted"));
        }
        let at = reader.length().checked_sub(TRAILER as u64);
        let at = at.ok_or_else(|| Code::Truncated.problem("the disk image has no trailer"))?;
        let trailer = reader.bytes(at, TRAILER).await?;
        let word = |place| be32_at(&trailer, place).unwrap_or(0);
        let wide = |place| be64_at(&trailer, place).unwrap_or(0);
        if word(4) != 4 || word(8) as usize != TRAILER {
            return Err(Code::Unsupported.problem("a version of the disk image trailer that is not read"));
        }
        let fork = (wide(24), wide(32));
        let resources = (wide(40), wide(48));
        let list = (wide(216), wide(224));
        for (offset, length) in [fork, resources, list] {
            if offset.checked_add(length).is_none_or(|end| end > at) {
                return Err(Code::ManifestInvalid.problem("the disk image has a part outside the file"));
            }
        }
        let mut package = Package { platform: Some(Platform::Macos), ..Package::default() };
        let partitions = partitions(reader, list).await?;
        let mut put = |name: &str, value: Json| package.details.insert(name.to_owned(), value);
        put("kind", "dmg".into());
        put("koly", true.into());
        put("kolyVersion", word(4).into());
        put("flags", word(12).into());
        put("size", reader.length().into());
        put("dataForkOffset", fork.0.into());
        put("dataForkLength", fork.1.into());
        put("resourceForkLength", resources.1.into());
        put("plistOffset", list.0.into());
        put("plistLength", list.1.into());
        put("imageVariant", word(488).into());
        put("sectorCount", wide(492).into());
        put("partitions", partitions.into());
        Ok(package)
    }
}

/// The names of the partitions, if the list can be read.
async fn partitions(reader: &mut Reader<'_>, (offset, length): (u64, u64)) -> Result<Vec<Json>, Problem> {
    /// Lists are long where images are large; this is enough for one of 10 GB.
    const LONGEST: u64 = 2 << 20;
    if length == 0 || length > LONGEST {
        return Ok(Vec::new());
    }
    let data = reader.bytes(offset, usize::try_from(length).unwrap_or(0)).await?;
    let Ok(list) = plist::read(&data) else {
        reader.note(Anomaly::ResourcesInvalid);
        return reader.check_time().map(|()| Vec::new());
    };
    reader.check_time()?;
    let inside = |value: &Value, key: &str| value.as_dictionary().and_then(|found| found.get(key).cloned());
    let blocks = inside(&list, "resource-fork").and_then(|forks| inside(&forks, "blkx"));
    let blocks = blocks.as_ref().and_then(Value::as_array).unwrap_or_default();
    let names = blocks.iter().take(reader.limits().values).filter_map(|block| {
        let block = block.as_dictionary()?;
        block.get("CFName").or_else(|| block.get("Name"))?.as_str()
    });
    Ok(names.map(|name| reader.text(name).into()).collect())
}
