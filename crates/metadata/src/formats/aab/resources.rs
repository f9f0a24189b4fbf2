//! The resource table of a module, compiled to protocol buffers: `Resources.proto` and `Configuration.proto` of aapt2.

use std::collections::BTreeMap;

use appdepot_core::inspect::Problem;
use bytes::Bytes;

use super::manifest::{Declared, Manifest, Reference, declared};
use super::text;
use crate::containers::protobuf::{Fields, Value};
use crate::containers::zip::Archive;
use crate::error::{Anomaly, Code};
use crate::reader::Reader;

const RESOURCES: &[u8] = b"base/resources.pb";

/// The resource table, gone through anew for each of the few values wanted: all else is passed over by its length.
#[derive(Debug, Default)]
pub(super) struct Table {
    data: Bytes,
}

/// One value of a resource and what it is for.
#[derive(Debug, Default)]
struct Configured {
    locale: String,
    density: u16,
    /// Whether it is for every device but for language and density.
    plain: bool,
    value: Option<Declared>,
}

/// Looked at now and then in loops whose length the table decides.
struct Clock<'r> {
    reader: &'r Reader<'r>,
    steps: u32,
}

impl Clock<'_> {
    fn step(&mut self) -> Result<(), Problem> {
        self.steps = self.steps.wrapping_add(1);
        if self.steps.is_multiple_of(1_024) { self.reader.check_time() } else { Ok(()) }
    }
}

impl Table {
    /// Opens the resource table if the manifest refers to it. A broken one costs labels and icons, not the package.
    pub(super) async fn open(
        reader: &mut Reader<'_>,
        archive: &Archive,
        manifest: &Manifest,
    ) -> Result<Self, Problem> {
        let declared = [
            &manifest.version_code,
            &manifest.version_name,
            &manifest.min_sdk,
            &manifest.target_sdk,
            &manifest.label,
            &manifest.icon,
            &manifest.round_icon,
            &manifest.debuggable,
        ];
        if !declared.iter().any(|value| matches!(value, Some(Declared::Reference(_)))) {
            return Ok(Self::default());
        }
        let Some(entry) = archive.unique(RESOURCES)? else { return Ok(Self::default()) };
        match archive.read(reader, &entry, reader.limits().resources_bytes).await {
            Ok(data) => Ok(Self { data }),
            Err(problem) if Code::Unavailable.is(&problem) || Code::LimitTime.is(&problem) => Err(problem),
            Err(problem) => {
                reader.note(Anomaly::ResourcesInvalid);
                reader.refuse(problem);
                Ok(Self::default())
            }
        }
    }

    /// The values of a resource; none where the table is broken, which is noted.
    fn values(&self, reader: &mut Reader<'_>, wanted: &Reference) -> Result<Vec<Configured>, Problem> {
        match self.search(reader, wanted) {
            Err(problem) if Code::ManifestInvalid.is(&problem) => {
                reader.note(Anomaly::ResourcesInvalid);
                reader.refuse(problem);
                Ok(Vec::new())
            }
            found => found,
        }
    }

    fn search(&self, reader: &Reader<'_>, wanted: &Reference) -> Result<Vec<Configured>, Problem> {
        let mut found = Vec::new();
        let by_name = wanted.id == 0;
        let full = wanted.name.rsplit_once(':').map_or(&*wanted.name, |(_, name)| name);
        let (kind, name) = full.split_once('/').unwrap_or_default();
        let part = |shift: u32, mask: u32| wanted.id >> shift & mask;
        let is = |message, name: &str, number| -> Result<bool, Problem> {
            if by_name { Ok(name_of(message)? == name) } else { Ok(number_of(message)? == number) }
        };
        let mut clock = Clock { reader, steps: 0 };
        let mut packages = Fields::new(&self.data);
        while let Some((number, package)) = packages.next()? {
            clock.step()?;
            let (2, Some(package)) = (number, package.bytes()) else { continue };
            if !by_name && number_of(package)? != part(24, 0xff) {
                continue;
            }
            let mut types = Fields::new(package);
            while let Some((number, one)) = types.next()? {
                clock.step()?;
                let (3, Some(one)) = (number, one.bytes()) else { continue };
                if !is(one, kind, part(16, 0xff))? {
                    continue;
                }
                let mut entries = Fields::new(one);
                while let Some((number, entry)) = entries.next()? {
                    clock.step()?;
                    let (3, Some(entry)) = (number, entry.bytes()) else { continue };
                    if is(entry, name, part(0, 0xffff))? {
                        configured(&mut clock, entry, &mut found)?;
                    }
                }
            }
        }
        Ok(found)
    }

    /// A value as text, references followed; one that leads nowhere is noted.
    pub(super) fn text(
        &self,
        reader: &mut Reader<'_>,
        declared: &Option<Declared>,
    ) -> Result<Option<String>, Problem> {
        Ok(self.localized(reader, declared)?.0)
    }

    /// The text for every device and the texts by language.
    pub(super) fn localized(
        &self,
        reader: &mut Reader<'_>,
        declared: &Option<Declared>,
    ) -> Result<(Option<String>, BTreeMap<String, String>), Problem> {
        let mut texts = BTreeMap::new();
        let mut wanted = match declared {
            None => return Ok((None, texts)),
            Some(Declared::Text(text)) => return Ok((Some(reader.label(text)), texts)),
            Some(Declared::Number(number)) => return Ok((Some(number.to_string()), texts)),
            Some(Declared::Reference(reference)) => reference.clone(),
        };
        for _ in 0..reader.limits().hops {
            let mut next = None;
            let values = self.values(reader, &wanted)?;
            for one in values.into_iter().filter(|one| one.plain && one.density == 0) {
                let text = match one.value {
                    Some(Declared::Text(text)) => text,
                    Some(Declared::Number(number)) => number.to_string(),
                    Some(Declared::Reference(reference)) => {
                        next = next.or(one.locale.is_empty().then_some(reference));
                        continue;
                    }
                    None => continue,
                };
                reader.charge_string(text.len())?;
                let text = if one.locale.is_empty() { reader.label(&text) } else { reader.text(&text) };
                texts.entry(one.locale).or_insert(text);
            }
            if let Some(text) = texts.remove("") {
                return Ok((Some(text), texts));
            }
            match next {
                Some(reference) => wanted = reference,
                None => break,
            }
        }
        reader.note(Anomaly::UnresolvedReference);
        Ok((None, texts))
    }

    /// The files of a picture by density.
    pub(super) fn files(
        &self,
        reader: &mut Reader<'_>,
        declared: &Option<Declared>,
    ) -> Result<Vec<(u16, String)>, Problem> {
        let Some(Declared::Reference(wanted)) = declared else { return Ok(Vec::new()) };
        let mut wanted = wanted.clone();
        for _ in 0..reader.limits().hops {
            let mut next = None;
            let mut files = Vec::new();
            for one in self.values(reader, &wanted)?.into_iter().filter(|one| one.locale.is_empty()) {
                match one.value {
                    Some(Declared::Text(path)) => files.push((one.density, path)),
                    Some(Declared::Reference(reference)) => next = Some(reference),
                    _ => {}
                }
            }
            match next {
                Some(reference) if files.is_empty() => wanted = reference,
                _ => return Ok(files),
            }
        }
        Ok(Vec::new())
    }
}

/// The values of an entry, added to `found`.
fn configured(clock: &mut Clock<'_>, entry: &[u8], found: &mut Vec<Configured>) -> Result<(), Problem> {
    let mut fields = Fields::new(entry);
    while let Some((number, value)) = fields.next()? {
        clock.step()?;
        let (6, Some(value)) = (number, value.bytes()) else { continue };
        if found.len() >= clock.reader.limits().values {
            break;
        }
        let mut one = Configured { plain: true, ..Configured::default() };
        let mut parts = Fields::new(value);
        while let Some((number, part)) = parts.next()? {
            clock.step()?;
            let Some(part) = part.bytes() else { continue };
            if number == 2 {
                let item = Fields::new(part).last(4)?.and_then(Value::bytes);
                one.value = item.map(declared).transpose()?.flatten();
            }
            let mut fields = Fields::new(if number == 1 { part } else { &[] });
            while let Some((number, value)) = fields.next()? {
                clock.step()?;
                match number {
                    3 => one.locale = text(value)?.to_owned(),
                    18 => one.density = u16::try_from(value.number().unwrap_or(0)).unwrap_or(0),
                    // from which system on: drawings have it
                    24 => {}
                    _ => one.plain = false,
                }
            }
        }
        found.push(one);
    }
    Ok(())
}

/// The number in the message that is field 1 of a package, a type or an entry; zero is not written.
fn number_of(message: &[u8]) -> Result<u32, Problem> {
    let Some(inner) = Fields::new(message).first(1)?.and_then(Value::bytes) else { return Ok(0) };
    Ok(Fields::new(inner).last(1)?.and_then(Value::number).unwrap_or(0))
}

/// The name of a type or an entry.
fn name_of(message: &[u8]) -> Result<&str, Problem> {
    Fields::new(message).first(2)?.map_or(Ok(""), text)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Limits;

    /// A field of bytes: of at least 128, for a length of two bytes.
    fn field(number: u8, content: &[u8]) -> Vec<u8> {
        let len = content.len();
        [&[number << 3 | 2, len as u8 | 0x80, (len >> 7) as u8], content].concat()
    }

    #[test]
    fn every_loop_looks_at_the_clock() {
        let number = |number: u8| [0x0a, 2, 8, number];
        let package = |content: &[u8]| field(2, &[&number(0x7f), content].concat());
        let types = [0x1a, 0].repeat(2_000);
        let entries = [&number(1)[..], &types].concat();
        // one entry, number 0, of nothing but fields that are no values, and of a value of nothing but those
        let nothing = [0x10, 0].repeat(2_000);
        let fields = [&number(1)[..], &field(3, &nothing)].concat();
        let value = [&number(1)[..], &field(3, &field(6, &field(1, &nothing)))].concat();
        let tables = [
            [0x12, 0].repeat(2_000),
            package(&types),
            package(&field(3, &entries)),
            package(&field(3, &fields)),
            package(&field(3, &value)),
        ];
        let wanted = Reference { id: 0x7f01_0000, ..Reference::default() };
        for (time, late) in [(Duration::from_secs(60), false), (Duration::ZERO, true)] {
            let limits = Limits { time, ..Limits::default() };
            let file = Bytes::new();
            let reader = Reader::new(&file, &limits);
            for (index, data) in tables.iter().enumerate() {
                let table = Table { data: data.clone().into() };
                let code = table.search(&reader, &wanted).err().map(|problem| problem.code);
                assert_eq!(code.as_deref(), late.then_some("E_LIMIT_TIME"), "{index}");
            }
        }
    }
}
