//! The manifest of a module, compiled to protocol buffers: `Resources.proto` of aapt2.

use std::collections::BTreeSet;

use appdepot_core::inspect::Problem;

use super::{invalid, text};
use crate::containers::protobuf::{Fields, Value};
use crate::error::Code;
use crate::formats::apk::{id, is_package_name};
use crate::reader::Reader;

const ANDROID: &str = "http://schemas.android.com/apk/res/android";

/// A value as the manifest has it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Declared {
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
pub(super) struct Reference {
    pub(super) id: u32,
    pub(super) name: String,
}

/// What a manifest declares.
#[derive(Debug, Default)]
pub(super) struct Manifest {
    pub(super) package: String,
    pub(super) split: Option<String>,
    pub(super) version_code: Option<Declared>,
    pub(super) version_code_major: Option<Declared>,
    pub(super) version_name: Option<Declared>,
    pub(super) compile_sdk: Option<Declared>,
    pub(super) min_sdk: Option<Declared>,
    pub(super) target_sdk: Option<Declared>,
    pub(super) max_sdk: Option<Declared>,
    pub(super) label: Option<Declared>,
    pub(super) icon: Option<Declared>,
    pub(super) round_icon: Option<Declared>,
    pub(super) debuggable: Option<Declared>,
    pub(super) test_only: Option<Declared>,
    pub(super) permissions: BTreeSet<String>,
    pub(super) permissions_sdk23: BTreeSet<String>,
    pub(super) features: BTreeSet<String>,
    pub(super) launchable: Vec<String>,
    pub(super) has_application: bool,
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
    pub(super) fn read(reader: &mut Reader<'_>, data: &[u8]) -> Result<Self, Problem> {
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
pub(super) fn declared(item: &[u8]) -> Result<Option<Declared>, Problem> {
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
