//! Android App Bundles.
//!
//! A ZIP archive of modules. The manifest of the module `base` says who the app is; it and the resource table are
//! protocol buffers. Sources: `Resources.proto` and `Configuration.proto` of aapt2, `config.proto` of bundletool.

use std::collections::{BTreeMap, BTreeSet};

use appdepot_core::inspect::{self, Package, Platform, Problem};
use async_trait::async_trait;
use bytes::Bytes;
use serde_json::{Map, Value as Json};

use super::apk::{id, is_package_name, long_version, preferred, qualified};
use crate::containers::Packing;
use crate::containers::protobuf::{Fields, Value};
use crate::containers::zip::Archive;
use crate::error::{Anomaly, Code};
use crate::reader::Reader;
use crate::registry::{Format, Input, Probe, Score};
use crate::signature::{self, Signers};

const MANIFEST: &[u8] = b"base/manifest/AndroidManifest.xml";
const RESOURCES: &[u8] = b"base/resources.pb";
const CONFIG: &[u8] = b"BundleConfig.pb";
const ANDROID: &str = "http://schemas.android.com/apk/res/android";
/// The density that pictures without one are drawn for.
const UNMARKED: u16 = 160;

/// The format of Android App Bundles.
#[derive(Debug, Clone, Copy, Default)]
pub struct Aab;

#[async_trait]
impl Format for Aab {
    fn name(&self) -> inspect::Format {
        inspect::Format::Aab
    }

    fn packing(&self) -> Packing {
        Packing::Zip
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["aab"]
    }

    fn score(&self, probe: &Probe<'_>) -> Score {
        let Some(archive) = probe.container.zip() else { return Score::No };
        match (archive.find(MANIFEST), archive.find(CONFIG)) {
            (Some(_), _) => Score::Certain,
            (None, Some(_)) => Score::Likely,
            (None, None) => Score::No,
        }
    }

    async fn read(&self, input: &mut Input<'_>) -> Result<Package, Problem> {
        let Input { reader, container, .. } = input;
        let missing = || Code::ManifestMissing.problem("the bundle has no manifest of its base module");
        let archive = container.zip().ok_or_else(missing)?;
        let entry = archive.unique(MANIFEST)?.ok_or_else(missing)?;
        let data = archive.read(reader, &entry, reader.limits().manifest_bytes).await?;
        let manifest = Manifest::read(reader, &data)?;
        let table = open_resources(reader, archive, &manifest).await?;
        let content = Content::of(reader, archive)?;
        let mut package = describe(reader, archive, &manifest, &table)?;
        let names = |names: &BTreeSet<&[u8]>, reader: &mut Reader<'_>| -> Vec<String> {
            names.iter().map(|name| reader.text(&String::from_utf8_lossy(name))).collect()
        };
        package.details.insert("modules".to_owned(), names(&content.modules, reader).into());
        let version = bundletool(reader, archive).await?;
        package.details.insert("bundletoolVersion".to_owned(), version.map_or(Json::Null, Json::from));
        package.architectures = names(&content.architectures, reader);
        let mut signers = Signers::default();
        signature::apk::jar(reader, archive, &content.signatures, &mut signers).await?;
        package.signers = signers.finish();
        Ok(package)
    }
}

/// What the names of the entries say.
#[derive(Default)]
struct Content<'a> {
    modules: BTreeSet<&'a [u8]>,
    architectures: BTreeSet<&'a [u8]>,
    signatures: Vec<&'a [u8]>,
}

impl<'a> Content<'a> {
    fn of(reader: &Reader<'_>, archive: &'a Archive) -> Result<Self, Problem> {
        /// Architectures listed; Android knows fewer than ten.
        const MOST: usize = 64;
        let most = reader.limits().values;
        let mut content = Self::default();
        for (index, entry) in archive.entries().enumerate() {
            if index.is_multiple_of(1_024) {
                reader.check_time()?;
            }
            if let Some(module) = entry.name.strip_suffix(b"/manifest/AndroidManifest.xml") {
                if !module.is_empty() && !module.contains(&b'/') && content.modules.len() < most {
                    content.modules.insert(module);
                }
            } else if let Some(rest) = entry.name.strip_prefix(b"base/lib/") {
                let mut parts = rest.splitn(2, |byte| *byte == b'/');
                if let (Some(name), Some(file)) = (parts.next(), parts.next())
                    && !name.is_empty()
                    && !file.is_empty()
                    && content.architectures.len() < MOST
                {
                    content.architectures.insert(name);
                }
            } else if signature::apk::is_jar_signature(entry.name) {
                content.signatures.push(entry.name);
            }
        }
        Ok(content)
    }
}

/// The version of bundletool that made the bundle. It says nothing about who the app is, so its absence is no error.
async fn bundletool(reader: &mut Reader<'_>, archive: &Archive) -> Result<Option<String>, Problem> {
    const LONGEST: u64 = 1 << 20;
    let Some(entry) = archive.find(CONFIG) else { return Ok(None) };
    let Ok(data) = archive.read(reader, &entry, LONGEST).await else {
        return reader.check_time().map(|()| None);
    };
    let tool = Fields::new(&data).last(1).ok().flatten().and_then(Value::bytes);
    // other tools than bundletool write it to the field before
    let field = |number| Fields::new(tool?).last(number).ok().flatten().and_then(Value::text);
    let version = field(2).or_else(|| field(1));
    Ok(version.map(|version| reader.text(version)))
}

/// A value as the manifest has it.
#[derive(Debug, Clone, PartialEq)]
enum Declared {
    Text(String),
    Number(i64),
    Reference(Reference),
}

impl Declared {
    fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// A resource, by number and, where that is not given, by name.
#[derive(Debug, Clone, PartialEq, Default)]
struct Reference {
    id: u32,
    name: String,
}

#[derive(Debug, Default)]
struct Manifest {
    package: String,
    split: Option<String>,
    version_code: Option<Declared>,
    version_code_major: Option<Declared>,
    version_name: Option<Declared>,
    compile_sdk: Option<Declared>,
    min_sdk: Option<Declared>,
    target_sdk: Option<Declared>,
    max_sdk: Option<Declared>,
    label: Option<Declared>,
    icon: Option<Declared>,
    round_icon: Option<Declared>,
    debuggable: Option<Declared>,
    test_only: Option<Declared>,
    permissions: BTreeSet<String>,
    permissions_sdk23: BTreeSet<String>,
    features: BTreeSet<String>,
    launchable: Vec<String>,
    has_application: bool,
}

/// The activity and intent filter that are open.
#[derive(Debug, Default)]
struct Filter {
    activity: Option<String>,
    listed: bool,
    main: bool,
    launcher: bool,
}

impl Manifest {
    fn read(reader: &mut Reader<'_>, data: &[u8]) -> Result<Self, Problem> {
        let mut manifest = Self::default();
        let root = Fields::new(data).last(1)?.and_then(Value::bytes);
        let root = root.ok_or_else(|| invalid("holds no element"))?;
        manifest.element(reader, root, &mut Vec::new(), &mut Filter::default())?;
        if manifest.package.is_empty() {
            return Err(invalid("starts with another element or names no package"));
        }
        Ok(manifest)
    }

    fn element<'a>(
        &mut self,
        reader: &mut Reader<'_>,
        data: &'a [u8],
        path: &mut Vec<&'a str>,
        filter: &mut Filter,
    ) -> Result<(), Problem> {
        if path.len() >= reader.limits().depth {
            return Err(Code::LimitDepth.problem("elements nest deeper than is read"));
        }
        reader.check_time()?;
        let element = Element::read(data)?;
        path.push(element.name);
        self.start(reader, &element, path, filter)?;
        let mut fields = Fields::new(data);
        while let Some((number, value)) = fields.next()? {
            // a child is a node, and a node with a field 1 an element
            if let (5, Some(node)) = (number, value.bytes())
                && let Some(child) = Fields::new(node).last(1)?.and_then(Value::bytes)
            {
                self.element(reader, child, path, filter)?;
            }
        }
        if let [_, "application", "activity" | "activity-alias", "intent-filter"] = path.as_slice() {
            if filter.main && filter.launcher && !filter.listed {
                if self.launchable.len() < reader.limits().values {
                    self.launchable.extend(filter.activity.clone());
                }
                filter.listed = true;
            }
            (filter.main, filter.launcher) = (false, false);
        }
        path.pop();
        Ok(())
    }

    fn start(
        &mut self,
        reader: &mut Reader<'_>,
        element: &Element<'_>,
        path: &[&str],
        filter: &mut Filter,
    ) -> Result<(), Problem> {
        let name = || element.get(id::NAME, "name").and_then(|found| found.text().map(str::to_owned));
        let set = match path {
            ["manifest"] => return self.root(reader, element),
            // told at the end, after what lies deeper
            [_] => return Ok(()),
            [_, "uses-sdk"] => {
                self.min_sdk = element.get(id::MIN_SDK, "minSdkVersion").or(self.min_sdk.take());
                self.target_sdk = element.get(id::TARGET_SDK, "targetSdkVersion").or(self.target_sdk.take());
                self.max_sdk = element.get(id::MAX_SDK, "maxSdkVersion").or(self.max_sdk.take());
                return Ok(());
            }
            [_, "uses-permission"] => &mut self.permissions,
            [_, "uses-permission-sdk-23" | "uses-permission-sdk-m"] => &mut self.permissions_sdk23,
            [_, "uses-feature"] => &mut self.features,
            // Android reads the first one only
            [_, "application"] if !self.has_application => {
                self.has_application = true;
                self.label = element.get(id::LABEL, "label");
                self.icon = element.get(id::ICON, "icon");
                self.round_icon = element.get(id::ROUND_ICON, "roundIcon");
                self.debuggable = element.get(id::DEBUGGABLE, "debuggable");
                self.test_only = element.get(id::TEST_ONLY, "testOnly");
                return Ok(());
            }
            [_, "application", "activity" | "activity-alias"] => {
                *filter = Filter { activity: name(), ..Filter::default() };
                return Ok(());
            }
            [_, "application", "activity" | "activity-alias", "intent-filter", "action"] => {
                filter.main |= name().as_deref() == Some("android.intent.action.MAIN");
                return Ok(());
            }
            [_, "application", "activity" | "activity-alias", "intent-filter", "category"] => {
                filter.launcher |= name().as_deref() == Some("android.intent.category.LAUNCHER");
                return Ok(());
            }
            _ => return Ok(()),
        };
        if let Some(name) = name() {
            reader.charge_string(name.len())?;
            if set.len() < reader.limits().values {
                set.insert(name);
            }
        }
        Ok(())
    }

    fn root(&mut self, reader: &mut Reader<'_>, element: &Element<'_>) -> Result<(), Problem> {
        let mut packages = element.attributes.iter().filter(|one| one.is_plain("package"));
        let package = packages.next().ok_or_else(|| invalid("names no package"))?;
        if packages.next().is_some() {
            return Err(invalid("names two packages"));
        }
        if !is_package_name(package.value, reader.limits().identifier_bytes) {
            return Err(invalid("has a package name that is none"));
        }
        self.package = package.value.to_owned();
        let split = element.attributes.iter().find(|one| one.is_plain("split"));
        self.split = split.map(|split| split.value.to_owned());
        self.version_code = element.get(id::VERSION_CODE, "versionCode");
        self.version_code_major = element.get(id::VERSION_CODE_MAJOR, "versionCodeMajor");
        self.version_name = element.get(id::VERSION_NAME, "versionName");
        self.compile_sdk = element.get(id::COMPILE_SDK, "compileSdkVersion");
        Ok(())
    }
}

/// The start of an element.
struct Element<'a> {
    name: &'a str,
    attributes: Vec<Attribute<'a>>,
}

#[derive(Default)]
struct Attribute<'a> {
    namespace: &'a str,
    name: &'a str,
    /// As it was spelt in the source.
    value: &'a str,
    resource: u32,
    /// As it was compiled.
    item: Option<&'a [u8]>,
}

impl<'a> Element<'a> {
    fn read(data: &'a [u8]) -> Result<Self, Problem> {
        /// No element of a manifest has a tenth of it.
        const MOST: usize = 4_096;
        let mut element = Self { name: "", attributes: Vec::new() };
        let mut fields = Fields::new(data);
        while let Some((number, value)) = fields.next()? {
            match number {
                3 => element.name = text(value)?,
                4 if element.attributes.len() >= MOST => {
                    return Err(Code::LimitEntries.problem("an element with more attributes than are read"));
                }
                4 => element.attributes.push(Attribute::read(value.bytes().unwrap_or_default())?),
                _ => {}
            }
        }
        Ok(element)
    }

    /// The value of an `android:` attribute. Android goes by resource id; names only count where there is no id.
    fn get(&self, id: u32, name: &str) -> Option<Declared> {
        let named = |one: &&Attribute<'_>| one.resource == 0 && one.namespace == ANDROID && one.name == name;
        let found = self.attributes.iter().find(|one| one.resource == id);
        found.or_else(|| self.attributes.iter().find(named))?.declared()
    }
}

impl<'a> Attribute<'a> {
    fn read(data: &'a [u8]) -> Result<Self, Problem> {
        let mut attribute = Self::default();
        let mut fields = Fields::new(data);
        while let Some((number, value)) = fields.next()? {
            match number {
                1 => attribute.namespace = text(value)?,
                2 => attribute.name = text(value)?,
                3 => attribute.value = text(value)?,
                5 => attribute.resource = value.number().unwrap_or(0),
                6 => attribute.item = value.bytes(),
                _ => {}
            }
        }
        Ok(attribute)
    }

    fn is_plain(&self, name: &str) -> bool {
        self.namespace.is_empty() && self.name == name
    }

    fn declared(&self) -> Option<Declared> {
        match self.item.and_then(|item| declared(item).ok().flatten()) {
            // numbers as the source spells them: a version may be `1.10`
            Some(Declared::Number(_)) | None if !self.value.is_empty() => {
                Some(Declared::Text(self.value.to_owned()))
            }
            found => found,
        }
    }
}

/// A compiled value.
fn declared(item: &[u8]) -> Result<Option<Declared>, Problem> {
    let mut found = None;
    let mut fields = Fields::new(item);
    while let Some((number, value)) = fields.next()? {
        let Some(inside) = value.bytes() else { continue };
        found = match number {
            1 => {
                let mut reference = Reference::default();
                let mut fields = Fields::new(inside);
                while let Some((number, value)) = fields.next()? {
                    match number {
                        2 => reference.id = value.number().unwrap_or(0),
                        3 => reference.name = text(value)?.to_owned(),
                        _ => {}
                    }
                }
                Some(Declared::Reference(reference))
            }
            2..=5 => {
                let inside = Fields::new(inside).last(1)?;
                inside.map(text).transpose()?.map(|text| Declared::Text(text.to_owned()))
            }
            7 => primitive(inside)?,
            _ => found,
        };
    }
    Ok(found)
}

fn primitive(data: &[u8]) -> Result<Option<Declared>, Problem> {
    let Some((number, value)) = Fields::new(data).next()? else { return Ok(None) };
    Ok(match (number, value) {
        (3, Value::Fixed32(bytes)) => Some(Declared::Text(f32::from_le_bytes(bytes).to_string())),
        (6, value) => value.number().map(|number| Declared::Number(number.cast_signed().into())),
        (7, value) => value.number().map(|number| Declared::Number(number.into())),
        (8, value) => value.number().map(|number| Declared::Number((number != 0).into())),
        _ => None,
    })
}

/// Opens the resource table if the manifest refers to it. A broken one costs labels and icons, not the package.
async fn open_resources(
    reader: &mut Reader<'_>,
    archive: &Archive,
    manifest: &Manifest,
) -> Result<Table, Problem> {
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
        return Ok(Table::default());
    }
    let Some(entry) = archive.unique(RESOURCES)? else { return Ok(Table::default()) };
    match archive.read(reader, &entry, reader.limits().resources_bytes).await {
        Ok(data) => Ok(Table { data }),
        Err(problem) if Code::Unavailable.is(&problem) || Code::LimitTime.is(&problem) => Err(problem),
        Err(problem) => {
            reader.note(Anomaly::ResourcesInvalid);
            reader.refuse(problem);
            Ok(Table::default())
        }
    }
}

/// The resource table, gone through anew for each of the few values wanted: all else is passed over by its length.
#[derive(Debug, Default)]
struct Table {
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

impl Table {
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
        let mut packages = Fields::new(&self.data);
        while let Some((number, package)) = packages.next()? {
            let (2, Some(package)) = (number, package.bytes()) else { continue };
            if !by_name && number_of(package)? != part(24, 0xff) {
                continue;
            }
            let mut types = Fields::new(package);
            while let Some((number, one)) = types.next()? {
                let (3, Some(one)) = (number, one.bytes()) else { continue };
                if !is(one, kind, part(16, 0xff))? {
                    continue;
                }
                let mut entries = Fields::new(one);
                let mut steps = 0_u32;
                while let Some((number, entry)) = entries.next()? {
                    steps = steps.wrapping_add(1);
                    if steps.is_multiple_of(1_024) {
                        reader.check_time()?;
                    }
                    let (3, Some(entry)) = (number, entry.bytes()) else { continue };
                    if is(entry, name, part(0, 0xffff))? {
                        configured(reader, entry, &mut found)?;
                    }
                }
            }
        }
        Ok(found)
    }

    /// A value as text, references followed; one that leads nowhere is noted.
    fn text(&self, reader: &mut Reader<'_>, declared: &Option<Declared>) -> Result<Option<String>, Problem> {
        Ok(self.localized(reader, declared)?.0)
    }

    /// The text for every device and the texts by language.
    fn localized(
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
    fn files(
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
fn configured(reader: &Reader<'_>, entry: &[u8], found: &mut Vec<Configured>) -> Result<(), Problem> {
    let mut fields = Fields::new(entry);
    while let Some((number, value)) = fields.next()? {
        let (6, Some(value)) = (number, value.bytes()) else { continue };
        if found.len() >= reader.limits().values {
            break;
        }
        let mut one = Configured { plain: true, ..Configured::default() };
        let mut parts = Fields::new(value);
        while let Some((number, part)) = parts.next()? {
            let Some(part) = part.bytes() else { continue };
            if number == 2 {
                let item = Fields::new(part).last(4)?.and_then(Value::bytes);
                one.value = item.map(declared).transpose()?.flatten();
            }
            let mut fields = Fields::new(if number == 1 { part } else { &[] });
            while let Some((number, value)) = fields.next()? {
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

fn text(value: Value<'_>) -> Result<&str, Problem> {
    value.text().ok_or_else(|| invalid("has a text that is none"))
}

fn describe(
    reader: &mut Reader<'_>,
    archive: &Archive,
    manifest: &Manifest,
    table: &Table,
) -> Result<Package, Problem> {
    let mut details = Map::new();
    let code = table.text(reader, &manifest.version_code)?;
    let major = table.text(reader, &manifest.version_code_major)?;
    let version = table.text(reader, &manifest.version_name)?;
    let min_sdk = table.text(reader, &manifest.min_sdk)?;
    let target_sdk = table.text(reader, &manifest.target_sdk)?;
    let (label, others) = table.localized(reader, &manifest.label)?;
    let icons = icons(reader, archive, manifest, table)?;
    let yes = |text: Option<String>| matches!(text.as_deref(), Some("true" | "1" | "-1"));
    let debuggable = yes(table.text(reader, &manifest.debuggable)?);
    let test_only = yes(table.text(reader, &manifest.test_only)?);
    let optional = |text: &Option<String>| text.clone().map_or(Json::Null, Json::String);
    let mut put = |name: &str, value: Json| details.insert(name.to_owned(), value);
    put("minSdkVersion", optional(&min_sdk));
    put("targetSdkVersion", optional(&target_sdk));
    let effective = target_sdk.clone().or_else(|| min_sdk.clone()).unwrap_or_else(|| "1".to_owned());
    put("effectiveTargetSdkVersion", effective.into());
    put("maxSdkVersion", optional(&table.text(reader, &manifest.max_sdk)?));
    put("compileSdkVersion", optional(&table.text(reader, &manifest.compile_sdk)?));
    put("split", manifest.split.as_deref().map_or(Json::Null, |split| reader.text(split).into()));
    put("debuggable", debuggable.into());
    put("testOnly", test_only.into());
    put("permissions", manifest.permissions.iter().map(|name| reader.text(name)).collect());
    put("permissionsSdk23", manifest.permissions_sdk23.iter().map(|name| reader.text(name)).collect());
    put("features", manifest.features.iter().map(|name| reader.text(name)).collect());
    let launchable: Vec<String> =
        manifest.launchable.iter().map(|name| reader.text(&qualified(&manifest.package, name))).collect();
    put("launchable", launchable.first().cloned().map_or(Json::Null, Json::String));
    put("launchableAll", launchable.into());
    let others = others.into_iter().map(|(tag, text)| (tag, Json::String(text)));
    put("localizedLabels", Json::Object(others.collect()));
    let by_density = icons.iter().map(|(density, path)| (density.to_string(), Json::from(path.as_str())));
    put("iconsByDensity", Json::Object(by_density.collect()));
    Ok(Package {
        id: manifest.package.clone(),
        name: label,
        version,
        version_code: number(code).map(|code| long_version(number(major).unwrap_or(0), code).to_string()),
        platform: Some(Platform::Android),
        min_os: min_sdk,
        icon: preferred(&icons),
        details,
        ..Package::default()
    })
}

/// A number in decimal or, as some builds spell it, hexadecimal digits.
fn number(text: Option<String>) -> Option<i32> {
    let text = text?;
    match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok().map(u32::cast_signed),
        None => text.parse().ok(),
    }
}

/// Icons by density that the archive really holds, with their paths in it.
fn icons(
    reader: &mut Reader<'_>,
    archive: &Archive,
    manifest: &Manifest,
    table: &Table,
) -> Result<Vec<(u16, String)>, Problem> {
    let mut icons: Vec<(u16, String)> = Vec::new();
    for declared in [&manifest.icon, &manifest.round_icon] {
        for (density, path) in table.files(reader, declared)? {
            let density = if density == 0 { UNMARKED } else { density };
            let path = format!("base/{path}");
            if archive.find(path.as_bytes()).is_none() {
                reader.note(Anomaly::IconMissing);
            } else if !icons.iter().any(|(known, _)| *known == density) {
                icons.push((density, reader.text(&path)));
            }
        }
        if !icons.is_empty() {
            break;
        }
    }
    icons.sort_unstable_by_key(|(density, _)| *density);
    Ok(icons)
}

fn invalid(what: &str) -> Problem {
    Code::ManifestInvalid.problem(format!("the manifest {what}"))
}
