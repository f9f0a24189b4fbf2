//! What an Android manifest declares.

use std::borrow::Cow;

use appdepot_core::inspect::Problem;

use super::axml::{Attribute, Document, Element, Event, Value, invalid};
use crate::reader::Reader;

/// Resource ids of the `android:` attributes read here (AOSP `public-final.xml`).
pub(in crate::formats) mod id {
    pub(in crate::formats) const LABEL: u32 = 0x0101_0001;
    pub(in crate::formats) const ICON: u32 = 0x0101_0002;
    pub(in crate::formats) const NAME: u32 = 0x0101_0003;
    pub(in crate::formats) const DEBUGGABLE: u32 = 0x0101_000f;
    pub(in crate::formats) const MIN_SDK: u32 = 0x0101_020c;
    pub(in crate::formats) const VERSION_CODE: u32 = 0x0101_021b;
    pub(in crate::formats) const VERSION_NAME: u32 = 0x0101_021c;
    pub(in crate::formats) const TARGET_SDK: u32 = 0x0101_0270;
    pub(in crate::formats) const MAX_SDK: u32 = 0x0101_0271;
    pub(in crate::formats) const TEST_ONLY: u32 = 0x0101_0272;
    pub(in crate::formats) const TARGET_SANDBOX: u32 = 0x0101_054c;
    pub(in crate::formats) const ROUND_ICON: u32 = 0x0101_052c;
    pub(in crate::formats) const COMPILE_SDK: u32 = 0x0101_0572;
    pub(in crate::formats) const VERSION_CODE_MAJOR: u32 = 0x0101_0576;
}

/// The declarations, references unresolved.
#[derive(Debug, Default)]
pub(super) struct Manifest<'a> {
    pub(super) package: Cow<'a, str>,
    pub(super) split: Option<Cow<'a, str>>,
    pub(super) version_code: Option<Declared<'a>>,
    pub(super) version_code_major: Option<Declared<'a>>,
    pub(super) version_name: Option<Declared<'a>>,
    pub(super) compile_sdk: Option<Declared<'a>>,
    pub(super) target_sandbox: Option<Declared<'a>>,
    pub(super) min_sdk: Option<Declared<'a>>,
    pub(super) target_sdk: Option<Declared<'a>>,
    pub(super) max_sdk: Option<Declared<'a>>,
    pub(super) label: Option<Declared<'a>>,
    pub(super) icon: Option<Declared<'a>>,
    pub(super) round_icon: Option<Declared<'a>>,
    pub(super) debuggable: Option<Declared<'a>>,
    pub(super) test_only: Option<Declared<'a>>,
    pub(super) permissions: Vec<Cow<'a, str>>,
    /// Permissions asked for from platform 23 on only.
    pub(super) permissions_sdk23: Vec<Cow<'a, str>>,
    pub(super) features: Vec<Cow<'a, str>>,
    /// Activities that a launcher shows once they are enabled, as declared.
    pub(super) launchable: Vec<Cow<'a, str>>,
    pub(super) tampered: bool,
    pub(super) truncated: bool,
}

/// A value as the manifest has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Declared<'a> {
    /// Text.
    Text(Cow<'a, str>),
    /// A number, a boolean, a colour.
    Number(i32),
    /// A floating point number; some versions are spelt so.
    Float(u32),
    /// A resource.
    Reference(u32),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tag {
    Manifest,
    UsesSdk,
    UsesPermission,
    UsesPermissionSdk23,
    UsesFeature,
    Application,
    Activity,
    IntentFilter,
    Action,
    Category,
    Other,
}

impl Tag {
    fn of(name: &str) -> Self {
        match name {
            "manifest" => Self::Manifest,
            "uses-sdk" => Self::UsesSdk,
            "uses-permission" => Self::UsesPermission,
            "uses-permission-sdk-23" | "uses-permission-sdk-m" => Self::UsesPermissionSdk23,
            "uses-feature" => Self::UsesFeature,
            "application" => Self::Application,
            "activity" | "activity-alias" => Self::Activity,
            "intent-filter" => Self::IntentFilter,
            "action" => Self::Action,
            "category" => Self::Category,
            _ => Self::Other,
        }
    }
}

/// An intent filter and the activity around it, while they are open.
#[derive(Debug, Default)]
struct Filter<'a> {
    activity: Option<Cow<'a, str>>,
    listed: bool,
    main: bool,
    launcher: bool,
}

impl<'a> Manifest<'a> {
    /// Reads a binary XML manifest.
    ///
    /// # Errors
    /// `E_MANIFEST_INVALID`, `E_LIMIT_DEPTH`, `E_LIMIT_STRING`, `E_LIMIT_TIME`.
    pub(super) fn read(reader: &mut Reader<'_>, data: &'a [u8]) -> Result<Self, Problem> {
        let mut walk = Walk {
            document: Document::new(data, reader.limits().depth)?,
            manifest: Self::default(),
            tags: Vec::new(),
            open: Vec::new(),
            filter: Filter::default(),
            has_package: false,
            has_application: false,
        };
        let mut steps = 0_usize;
        while let Some(event) = walk.document.next()? {
            steps += 1;
            if steps.is_multiple_of(4_096) {
                reader.check_time()?;
            }
            match event {
                Event::Start(element) => walk.start(reader, &element)?,
                Event::End => walk.end(reader),
            }
        }
        walk.manifest.permissions.sort_unstable();
        walk.manifest.permissions_sdk23.sort_unstable();
        walk.manifest.features.sort_unstable();
        if !walk.has_package {
            return Err(invalid("names no package"));
        }
        walk.manifest.tampered = walk.document.tampered;
        walk.manifest.truncated = walk.document.truncated;
        Ok(walk.manifest)
    }
}

struct Walk<'a> {
    document: Document<'a>,
    manifest: Manifest<'a>,
    /// Names met, by string index, so that each is decoded once.
    tags: Vec<(u32, Tag)>,
    open: Vec<Tag>,
    filter: Filter<'a>,
    has_package: bool,
    has_application: bool,
}

impl<'a> Walk<'a> {
    fn start(&mut self, reader: &mut Reader<'_>, element: &Element<'a>) -> Result<(), Problem> {
        let tag = self.tag(element.name)?;
        self.open.push(tag);
        match self.open.as_slice() {
            [_] if tag != Tag::Manifest => return Err(invalid("starts with another element")),
            [_] => self.root(reader, element)?,
            [_, Tag::UsesSdk] => {
                let [min, target, max] = self.find(
                    reader,
                    element,
                    [
                        (id::MIN_SDK, "minSdkVersion"),
                        (id::TARGET_SDK, "targetSdkVersion"),
                        (id::MAX_SDK, "maxSdkVersion"),
                    ],
                )?;
                let manifest = &mut self.manifest;
                manifest.min_sdk = min.or(manifest.min_sdk.take());
                manifest.target_sdk = target.or(manifest.target_sdk.take());
                manifest.max_sdk = max.or(manifest.max_sdk.take());
            }
            [_, Tag::UsesPermission] => {
                if let Some(name) = self.name(reader, element)? {
                    add(reader, &mut self.manifest.permissions, name);
                }
            }
            [_, Tag::UsesPermissionSdk23] => {
                if let Some(name) = self.name(reader, element)? {
                    add(reader, &mut self.manifest.permissions_sdk23, name);
                }
            }
            [_, Tag::UsesFeature] => {
                if let Some(name) = self.name(reader, element)? {
                    add(reader, &mut self.manifest.features, name);
                }
            }
            [_, Tag::Application] => self.application(reader, element)?,
            [_, Tag::Application, Tag::Activity] => {
                self.filter = Filter { activity: self.name(reader, element)?, ..Filter::default() };
            }
            [_, Tag::Application, Tag::Activity, Tag::IntentFilter] => {
                self.filter.main = false;
                self.filter.launcher = false;
            }
            [_, Tag::Application, Tag::Activity, Tag::IntentFilter, Tag::Action] => {
                let name = self.name(reader, element)?;
                self.filter.main |= name.as_deref() == Some("android.intent.action.MAIN");
            }
            [_, Tag::Application, Tag::Activity, Tag::IntentFilter, Tag::Category] => {
                let name = self.name(reader, element)?;
                self.filter.launcher |= name.as_deref() == Some("android.intent.category.LAUNCHER");
            }
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, reader: &Reader<'_>) {
        if self.open.pop() != Some(Tag::IntentFilter) {
            return;
        }
        let filter = &mut self.filter;
        if filter.main && filter.launcher && !filter.listed {
            if let Some(name) = filter.activity.take()
                && self.manifest.launchable.len() < reader.limits().values
            {
                self.manifest.launchable.push(name);
            }
            filter.listed = true;
        }
        filter.main = false;
        filter.launcher = false;
    }

    fn root(&mut self, reader: &mut Reader<'_>, element: &Element<'a>) -> Result<(), Problem> {
        let mut package = None;
        for attribute in element.attributes() {
            if self.document.resource(&attribute) != 0 {
                continue;
            }
            match self.document.name(attribute.name)?.as_deref() {
                Some("package") if package.is_some() => return Err(invalid("names two packages")),
                Some("package") => package = self.text(reader, &attribute)?,
                Some("split") => self.manifest.split = self.text(reader, &attribute)?,
                _ => {}
            }
        }
        let package = package.ok_or_else(|| invalid("names no package"))?;
        if !is_package_name(&package, reader.limits().identifier_bytes) {
            return Err(invalid("has a package name that is none"));
        }
        self.manifest.package = package;
        self.has_package = true;
        let [code, major, name, compile, sandbox] = self.find(
            reader,
            element,
            [
                (id::VERSION_CODE, "versionCode"),
                (id::VERSION_CODE_MAJOR, "versionCodeMajor"),
                (id::VERSION_NAME, "versionName"),
                (id::COMPILE_SDK, "compileSdkVersion"),
                (id::TARGET_SANDBOX, "targetSandboxVersion"),
            ],
        )?;
        self.manifest.version_code = code;
        self.manifest.version_code_major = major;
        self.manifest.version_name = name;
        self.manifest.compile_sdk = compile;
        self.manifest.target_sandbox = sandbox;
        Ok(())
    }

    fn application(&mut self, reader: &mut Reader<'_>, element: &Element<'a>) -> Result<(), Problem> {
        // Android reads the first one only
        if std::mem::replace(&mut self.has_application, true) {
            return Ok(());
        }
        let [label, icon, round_icon, debuggable, test_only] = self.find(
            reader,
            element,
            [
                (id::LABEL, "label"),
                (id::ICON, "icon"),
                (id::ROUND_ICON, "roundIcon"),
                (id::DEBUGGABLE, "debuggable"),
                (id::TEST_ONLY, "testOnly"),
            ],
        )?;
        let manifest = &mut self.manifest;
        manifest.label = label;
        manifest.icon = icon;
        manifest.round_icon = round_icon;
        manifest.debuggable = debuggable;
        manifest.test_only = test_only;
        Ok(())
    }

    /// The values of some attributes. Android goes by resource id; names only count where there is no id.
    fn find<const N: usize>(
        &self,
        reader: &mut Reader<'_>,
        element: &Element<'a>,
        wanted: [(u32, &str); N],
    ) -> Result<[Option<Declared<'a>>; N], Problem> {
        let mut found: [Option<Attribute>; N] = [None; N];
        let mut by_id = [false; N];
        for attribute in element.attributes() {
            let resource = self.document.resource(&attribute);
            let position = if resource == 0 {
                let name = self.document.name(attribute.name)?;
                wanted.iter().position(|(_, known)| name.as_deref() == Some(known))
            } else {
                wanted.iter().position(|(known, _)| *known == resource)
            };
            let Some(position) = position else { continue };
            if let (Some(place), Some(sure)) = (found.get_mut(position), by_id.get_mut(position))
                && (place.is_none() || resource != 0 && !*sure)
            {
                *place = Some(attribute);
                *sure = resource != 0;
            }
        }
        let mut values = [const { None }; N];
        for (value, attribute) in values.iter_mut().zip(found) {
            if let Some(attribute) = attribute {
                *value = self.declared(reader, &attribute)?;
            }
        }
        Ok(values)
    }

    /// A string of the document, charged for as often as it is decoded.
    fn string(&self, reader: &mut Reader<'_>, index: u32) -> Result<Cow<'a, str>, Problem> {
        let text = self.document.string(index)?;
        reader.charge_string(text.len())?;
        Ok(text)
    }

    fn declared(
        &self,
        reader: &mut Reader<'_>,
        attribute: &Attribute,
    ) -> Result<Option<Declared<'a>>, Problem> {
        let value = attribute.value;
        Ok(match value.kind {
            Value::STRING => Some(Declared::Text(self.string(reader, value.data)?)),
            Value::FLOAT => Some(Declared::Float(value.data)),
            _ => match (value.reference(), value.integer()) {
                (Some(resource), _) => Some(Declared::Reference(resource)),
                (None, Some(number)) => Some(Declared::Number(number)),
                (None, None) if attribute.raw != u32::MAX => {
                    Some(Declared::Text(self.string(reader, attribute.raw)?))
                }
                (None, None) => None,
            },
        })
    }

    fn text(&self, reader: &mut Reader<'_>, attribute: &Attribute) -> Result<Option<Cow<'a, str>>, Problem> {
        Ok(match self.declared(reader, attribute)? {
            Some(Declared::Text(text)) => Some(text),
            _ if attribute.raw != u32::MAX => Some(self.string(reader, attribute.raw)?),
            _ => None,
        })
    }

    fn name(&self, reader: &mut Reader<'_>, element: &Element<'a>) -> Result<Option<Cow<'a, str>>, Problem> {
        let [name] = self.find(reader, element, [(id::NAME, "name")])?;
        Ok(match name {
            Some(Declared::Text(name)) => Some(name),
            _ => None,
        })
    }

    fn tag(&mut self, name: u32) -> Result<Tag, Problem> {
        const KEPT: usize = 32;
        if let Some((_, tag)) = self.tags.iter().find(|(known, _)| *known == name) {
            return Ok(*tag);
        }
        let tag = self.document.name(name)?.map_or(Tag::Other, |name| Tag::of(&name));
        if self.tags.len() < KEPT {
            self.tags.push((name, tag));
        }
        Ok(tag)
    }
}

/// Adds a name to a list, once.
fn add<'a>(reader: &Reader<'_>, list: &mut Vec<Cow<'a, str>>, name: Cow<'a, str>) {
    if list.len() < reader.limits().values && !list.contains(&name) {
        list.push(name);
    }
}

/// The permissions the system adds to those declared, sorted: what came with any app before a platform asked for it.
/// As `aapt2` has it, by the platform the app was made for; a codename counts as the first one.
pub(in crate::formats) fn implied_permissions(
    target: &str,
    declares: impl Fn(&str) -> bool,
) -> Vec<&'static str> {
    const READ_STORAGE: &str = "android.permission.READ_EXTERNAL_STORAGE";
    const WRITE_STORAGE: &str = "android.permission.WRITE_EXTERNAL_STORAGE";
    let target: i32 = target.parse().unwrap_or(1);
    let before_donut = target < 4;
    let before_jelly_bean = target < 16;
    let rules = [
        (
            "android.permission.READ_CALL_LOG",
            before_jelly_bean && declares("android.permission.READ_CONTACTS"),
        ),
        (READ_STORAGE, before_donut || declares(WRITE_STORAGE)),
        ("android.permission.READ_PHONE_STATE", before_donut),
        (
            "android.permission.WRITE_CALL_LOG",
            before_jelly_bean && declares("android.permission.WRITE_CONTACTS"),
        ),
        (WRITE_STORAGE, before_donut),
    ];
    rules.into_iter().filter(|(name, is_due)| *is_due && !declares(name)).map(|(name, _)| name).collect()
}

/// Whether it can be a package name: letters, digits, `_` and `.`. Android is a little stricter; names that its
/// own packages carry (`android`) have no dot.
pub(in crate::formats) fn is_package_name(name: &str, longest: usize) -> bool {
    !name.is_empty()
        && name.len() <= longest
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
        && name.split('.').all(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use super::super::axml::tests::{document, element, end};
    use super::*;
    use crate::limits::Limits;
    use crate::source::SliceSource;

    const TEXT: u8 = Value::STRING;

    fn read(strings: &[&str], nodes: &[Vec<u8>]) -> Result<usize, String> {
        let data = document(strings, nodes);
        let (source, limits) = (SliceSource(&data), Limits::default());
        let mut reader = Reader::new(&source, &limits);
        let manifest = Manifest::read(&mut reader, &data).map_err(|problem| problem.code)?;
        Ok(manifest.launchable.len())
    }

    /// The start of a manifest of these strings and some more.
    const STRINGS: [&str; 11] = [
        "manifest",
        "package",
        "com.example",
        "application",
        "activity",
        "name",
        "intent-filter",
        "action",
        "category",
        "android.intent.action.MAIN",
        "android.intent.category.LAUNCHER",
    ];

    #[test]
    fn activities_are_counted_and_charged() {
        let activities = |count: usize, name: &str| {
            let mut nodes = vec![element(0, &[(1, TEXT, 2)]), element(3, &[])];
            let filter = [
                element(6, &[]),
                [element(7, &[(5, TEXT, 9)]), end(), element(8, &[(5, TEXT, 10)]), end()].concat(),
                end(),
            ];
            let one = [element(4, &[(5, TEXT, 11)]), filter.concat(), end()].concat();
            nodes.push(one.repeat(count));
            nodes.extend([end(), end()]);
            read(&[&STRINGS[..], &[name]].concat(), &nodes)
        };
        assert_eq!(activities(2, ".Main"), Ok(2));
        assert_eq!(activities(5_000, ".Main"), Ok(Limits::default().values));
        assert_eq!(activities(1_000, &"A".repeat(100_000)), Err("E_LIMIT_STRING".to_owned()));
    }

    #[test]
    fn package_names_are_no_paths_and_no_sql() {
        assert!(is_package_name("com.example.app_1", 100));
        assert!(is_package_name("android", 100));
        for bad in ["", ".", "a..b", "../../etc", "a/b", "a'; drop table", "a\u{202e}b", "com.example."] {
            assert!(!is_package_name(bad, 100), "{bad}");
        }
        assert!(!is_package_name("com.example", 5));
    }

    #[test]
    fn older_platforms_imply_permissions() {
        let implied = |target: &str, declared: &[&str]| {
            let declares = |name: &str| {
                declared.iter().any(|one| name.strip_prefix("android.permission.") == Some(*one))
            };
            let names = implied_permissions(target, declares);
            names.iter().map(|name| name.replace("android.permission.", "")).collect::<Vec<_>>()
        };
        let storage = ["READ_EXTERNAL_STORAGE", "READ_PHONE_STATE", "WRITE_EXTERNAL_STORAGE"];
        assert_eq!(implied("3", &[]), storage);
        assert_eq!(implied("VanillaIceCream", &[]), storage);
        assert_eq!(implied("3", &["READ_PHONE_STATE", "WRITE_EXTERNAL_STORAGE"]), storage[..1]);
        assert!(implied("4", &[]).is_empty());
        assert_eq!(implied("36", &["WRITE_EXTERNAL_STORAGE"]), storage[..1]);
        assert!(implied("36", &["READ_EXTERNAL_STORAGE", "WRITE_EXTERNAL_STORAGE"]).is_empty());
        let contacts = ["READ_CONTACTS", "WRITE_CONTACTS"];
        assert_eq!(implied("15", &contacts), ["READ_CALL_LOG", "WRITE_CALL_LOG"]);
        assert_eq!(implied("15", &["READ_CALL_LOG", "READ_CONTACTS"]), [""; 0]);
        assert!(implied("16", &contacts).is_empty());
    }
}
