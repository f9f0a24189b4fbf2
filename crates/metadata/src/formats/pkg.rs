//! macOS installer packages.
//!
//! A xar archive. A product has a file `Distribution` over the packages in it, a single package only `PackageInfo`.
//! Neither names the application it installs in one fixed place, so the first of several places that says so counts.
//! Sources: Apple's Distribution Definition reference, pkgbuild(1); the order of places is the one Fleet found by
//! trying real packages.

use appdepot_core::inspect::{self, Package, Platform, Problem};
use async_trait::async_trait;
use serde_json::Value as Json;

use crate::containers::Packing;
use crate::containers::xar::{self, Archive};
use crate::error::Code;
use crate::reader::Reader;
use crate::registry::{Format, Input, Probe, Score};
use crate::signature::{Signers, fingerprint};
use crate::xml::{self, Element, Event, Xml};

/// Titles that are placeholders of translated ones.
const PLACEHOLDERS: [&str; 3] = ["DISTRIBUTION_TITLE", "MacFULL", "SU_TITLE"];

/// The format of macOS installer packages.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pkg;

#[async_trait]
impl Format for Pkg {
    fn name(&self) -> inspect::Format {
        inspect::Format::Pkg
    }

    fn packing(&self) -> Packing {
        Packing::Plain
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["pkg", "mpkg"]
    }

    fn score(&self, probe: &Probe<'_>) -> Score {
        if probe.head.starts_with(xar::MAGIC) { Score::Certain } else { Score::No }
    }

    async fn read(&self, input: &mut Input<'_>) -> Result<Package, Problem> {
        let reader = &mut input.reader;
        let archive = Archive::open(reader).await?;
        let found = if let Some(file) = archive.unique("Distribution")? {
            let data = archive.read(reader, file).await?;
            Distribution::read(reader, &xml::decode(&data)?)?.identity()
        } else if let Some(file) = archive.unique("PackageInfo")? {
            let data = archive.read(reader, file).await?;
            PackageInfo::read(reader, &xml::decode(&data)?)?.identity()
        } else {
            return Err(Code::ManifestMissing.problem("the package has neither Distribution nor PackageInfo"));
        };
        let mut package = describe(reader, found)?;
        let mut signers = Signers::default();
        let mut certificates = Vec::new();
        for signature in &archive.signatures {
            if let Some(first) = signature.certificates.first() {
                signers.add(first, "xar");
            }
            for certificate in &signature.certificates {
                let certificate = Json::from(fingerprint(certificate));
                if !certificates.contains(&certificate) {
                    certificates.push(certificate);
                }
            }
        }
        package.signers = signers.finish(reader);
        let inner = archive.files.iter().filter(|file| file.parent.is_none() && file.name.ends_with(".pkg"));
        let inner: Vec<Json> =
            inner.take(reader.limits().values).map(|file| reader.text(&file.name).into()).collect();
        let styles = archive.signatures.iter().map(|one| Json::from(reader.text(&one.style))).collect();
        let details = &mut package.details;
        details.insert("signed".to_owned(), (!archive.signatures.is_empty()).into());
        details.insert("signatureStyles".to_owned(), Json::Array(styles));
        details.insert("certificates".to_owned(), certificates.into());
        details.insert("packages".to_owned(), inner.into());
        Ok(package)
    }
}

/// What either manifest says.
#[derive(Debug, Default)]
struct Identity {
    manifest: &'static str,
    id: String,
    name: String,
    version: String,
    packages: Vec<String>,
    min_os: String,
    architectures: Vec<String>,
}

fn describe(reader: &mut Reader<'_>, found: Identity) -> Result<Package, Problem> {
    if found.id.is_empty() {
        return Err(Code::ManifestInvalid.problem(format!("{} names no package", found.manifest)));
    }
    if found.id.len() > reader.limits().identifier_bytes {
        return Err(Code::LimitString.problem("the package identifier is too long"));
    }
    if !found.id.bytes().all(|byte| byte.is_ascii_graphic() && !b"/\\<>\"'".contains(&byte)) {
        reader.refuse(Code::ManifestInvalid.problem("the package identifier holds characters it may not"));
    }
    let mut text = |text: &str| Some(reader.text(text)).filter(|text| !text.is_empty());
    let mut package = Package {
        id: text(&found.id).unwrap_or_default(),
        version: text(&found.version),
        min_os: text(&found.min_os),
        platform: Some(Platform::Macos),
        architectures: found.architectures.iter().filter_map(|one| text(one)).collect(),
        ..Package::default()
    };
    package.name = Some(reader.label(&found.name)).filter(|name| !name.is_empty());
    let packages = found.packages.iter().take(reader.limits().values);
    let packages: Vec<Json> = packages.map(|one| reader.text(one).into()).collect();
    package.details.insert("manifest".to_owned(), found.manifest.into());
    package.details.insert("packageIds".to_owned(), packages.into());
    Ok(package)
}

#[derive(Debug, Default, Clone)]
struct Reference {
    id: String,
    version: String,
    package: String,
    kilobytes: String,
    bundles: Vec<Bundle>,
    must_close: Option<String>,
}

impl Reference {
    fn package(&self) -> &str {
        if self.package.is_empty() { &self.id } else { &self.package }
    }
}

#[derive(Debug, Default, Clone)]
struct Bundle {
    path: String,
    id: String,
    version: String,
}

impl Bundle {
    fn read(element: &Element<'_>) -> Result<Self, Problem> {
        Ok(Self {
            path: value(element, "path")?,
            id: value(element, "id")?,
            version: value(element, "CFBundleShortVersionString")?,
        })
    }
}

#[derive(Debug, Default, Clone)]
struct Choice {
    id: String,
    title: String,
    package: Option<String>,
}

/// What a product's `Distribution` says.
#[derive(Debug, Default)]
struct Distribution {
    title: String,
    product: String,
    version: String,
    references: Vec<Reference>,
    choices: Vec<Choice>,
    lines: Vec<String>,
    min_os: String,
    architectures: Vec<String>,
}

impl Distribution {
    fn read(reader: &mut Reader<'_>, text: &str) -> Result<Self, Problem> {
        let mut found = Self::default();
        let mut xml = Xml::new(text);
        let mut path: Vec<String> = Vec::new();
        while let Some(event) = xml.next(reader)? {
            let element = match event {
                Event::Start(element) => element,
                Event::End => {
                    path.pop();
                    continue;
                }
                Event::Text(_) => continue,
            };
            let name = element.name().to_owned();
            if path.len() == 1 && name == "title" {
                let text = xml.text(reader, reader.limits().output_string_bytes)?;
                if found.title.is_empty() {
                    found.title = text;
                }
                continue;
            }
            let count = found.references.len() + found.choices.len() + found.lines.len();
            if count > reader.limits().values {
                return Err(Code::LimitEntries.problem("a distribution of more parts than are read"));
            }
            reader.charge_string(name.len())?;
            found.element(reader, &path, &name, &element)?;
            path.push(name);
        }
        Ok(found)
    }

    fn element(
        &mut self,
        reader: &mut Reader<'_>,
        path: &[String],
        name: &str,
        element: &Element<'_>,
    ) -> Result<(), Problem> {
        // the elements above, without the root
        let inside: Vec<&str> = path.iter().skip(1).map(String::as_str).collect();
        match (inside.as_slice(), name) {
            ([], "product") => {
                self.product = value(element, "id")?;
                self.version = value(element, "version")?;
            }
            ([], "pkg-ref") => self.references.push(Reference {
                id: value(element, "id")?,
                version: value(element, "version")?,
                package: value(element, "packageIdentifier")?,
                kilobytes: value(element, "installKBytes")?,
                ..Reference::default()
            }),
            (["pkg-ref", "bundle-version"], "bundle") => {
                if let Some(reference) = self.references.last_mut()
                    && reference.bundles.len() < reader.limits().values
                {
                    let bundle = Bundle::read(element)?;
                    reader.charge_string(bundle.path.len() + bundle.id.len() + bundle.version.len())?;
                    reference.bundles.push(bundle);
                }
            }
            (["pkg-ref", "must-close"], "app") => {
                if let Some(reference) = self.references.last_mut().filter(|one| one.must_close.is_none()) {
                    reference.must_close = Some(value(element, "id")?);
                }
            }
            ([], "choice") => self.choices.push(Choice {
                id: value(element, "id")?,
                title: value(element, "title")?,
                package: None,
            }),
            (["choice"], "pkg-ref") => {
                if let Some(choice) = self.choices.last_mut() {
                    choice.package = Some(value(element, "id")?);
                }
            }
            (["choices-outline"], "line") => self.lines.push(value(element, "choice")?),
            ([], "options") => {
                let list = value(element, "hostArchitectures")?;
                let names = list.split(',').map(str::trim).filter(|name| !name.is_empty());
                self.architectures = names.take(16).map(str::to_owned).collect();
            }
            ([.., "allowed-os-versions"], "os-version") if self.min_os.is_empty() => {
                self.min_os = value(element, "min")?;
            }
            _ => {}
        }
        Ok(())
    }

    fn identity(self) -> Identity {
        let installs = |one: &&Reference| !matches!(one.kilobytes.as_str(), "" | "0");
        let mut packages = names(self.references.iter().filter(installs).map(Reference::package));
        if packages.is_empty() {
            packages = names(self.references.iter().map(Reference::package));
        }
        let bundles = || self.references.iter().flat_map(|one| &one.bundles);
        let app = bundles()
            .find(|bundle| bundle.path.starts_with("Applications/") && app_name(&bundle.path).is_some())
            .or_else(|| bundles().find(|bundle| app_name(&bundle.path).is_some()));
        let mut id = app.map_or("", |app| app.id.as_str());
        let mut name = app.and_then(|app| app_name(&app.path)).unwrap_or_default();
        let must_close = || self.references.iter().find_map(|one| one.must_close.as_deref());
        if id.is_empty() {
            id = must_close().unwrap_or_default();
        }
        if id.is_empty() && !self.product.is_empty() {
            id = &self.product;
            if !packages.iter().any(|known| known == id) {
                packages.push(id.to_owned());
            }
        }
        let choice = |line: &String| self.choices.iter().rev().find(|one| one.id == *line);
        let chosen = || {
            let first = |package: &str| self.references.iter().find(|one| one.id == package);
            self.lines.iter().filter_map(choice).find_map(|one| {
                first(one.package.as_deref()?).map(Reference::package).filter(|id| !id.is_empty())
            })
        };
        let any = || self.references.iter().map(Reference::package).find(|id| !id.is_empty());
        if id.is_empty() {
            id = chosen().or_else(any).unwrap_or_default();
        }
        if packages.is_empty() && !id.is_empty() {
            packages.push(id.to_owned());
        }
        packages.sort_unstable();
        if name.is_empty() {
            name = &self.title;
        }
        if PLACEHOLDERS.contains(&name) {
            name = "";
        }
        // of several choices the last, as the peers have it
        let title = |wanted: &dyn Fn(&str) -> bool| {
            let mut titled = self.choices.iter().rev().filter(|one| !one.title.is_empty());
            titled.find(|one| one.package.as_deref().is_some_and(wanted)).map(|one| one.title.as_str())
        };
        if name.is_empty() {
            let among = |package: &str| packages.iter().any(|known| known == package);
            name = title(&|package| package == id).or_else(|| title(&among)).unwrap_or(id);
        }
        let app_version = app.map_or("", |app| app.version.as_str());
        let last = self.references.iter().rev().map(|one| one.version.as_str());
        let version =
            [self.version.as_str(), app_version].into_iter().chain(last).find(|one| !one.is_empty());
        Identity {
            manifest: "Distribution",
            id: id.to_owned(),
            name: name.to_owned(),
            version: version.unwrap_or_default().to_owned(),
            packages,
            min_os: self.min_os.clone(),
            architectures: self.architectures.clone(),
        }
    }
}

/// What a single package's `PackageInfo` says.
#[derive(Debug, Default)]
struct PackageInfo {
    id: String,
    version: String,
    location: String,
    bundles: Vec<Bundle>,
}

impl PackageInfo {
    fn read(reader: &mut Reader<'_>, text: &str) -> Result<Self, Problem> {
        let mut found = Self::default();
        let mut xml = Xml::new(text);
        while let Some(event) = xml.next(reader)? {
            let Event::Start(element) = event else { continue };
            match (xml.depth(), element.name()) {
                (1, _) => {
                    found.id = value(&element, "identifier")?;
                    found.version = value(&element, "version")?;
                    found.location = value(&element, "install-location")?;
                }
                (2, "bundle") if found.bundles.len() < reader.limits().values => {
                    let bundle = Bundle::read(&element)?;
                    reader.charge_string(bundle.path.len() + bundle.id.len() + bundle.version.len())?;
                    found.bundles.push(bundle);
                }
                _ => {}
            }
        }
        Ok(found)
    }

    fn identity(self) -> Identity {
        let mut packages = names(self.bundles.iter().map(|bundle| bundle.id.as_str()));
        // of several applications the last, as the peers have it
        let app = self.bundles.iter().rev().find_map(|bundle| {
            let path = join(&self.location, &bundle.path);
            app_name(&path).map(|name| (bundle, name.to_owned()))
        });
        let (mut id, mut name, mut version) = match app {
            Some((bundle, name)) => (bundle.id.clone(), name, bundle.version.clone()),
            None => Default::default(),
        };
        if version.is_empty() {
            version = self.version;
        }
        if id.is_empty() {
            id = self.id;
        }
        if name.is_empty() {
            let folder = self.location.strip_suffix(".app").and_then(|path| path.rsplit('/').next());
            name = folder.or_else(|| id.rsplit('.').next()).unwrap_or_default().to_owned();
        }
        if packages.is_empty() && !id.is_empty() {
            packages.push(id.clone());
        }
        packages.sort_unstable();
        Identity { manifest: "PackageInfo", id, name, version, packages, ..Identity::default() }
    }
}

/// The name of the application at this path: at the top, or right in the folder for applications.
fn app_name(path: &str) -> Option<&str> {
    let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
    match (folder, file.strip_suffix(".app")) {
        ("", name) if !path.starts_with('/') => Some(name.unwrap_or(file)).filter(|name| !name.is_empty()),
        ("Applications", Some(name)) => Some(name),
        _ => None,
    }
}

/// The path below the install location, without what stands for the root.
fn join(location: &str, path: &str) -> String {
    let parts = location.split('/').chain(path.split('/'));
    parts.filter(|part| !matches!(*part, "" | ".")).collect::<Vec<_>>().join("/")
}

fn names<'a>(all: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut found: Vec<&str> = all.filter(|name| !name.is_empty()).collect();
    found.sort_unstable();
    found.dedup();
    found.into_iter().map(str::to_owned).collect()
}

fn value(element: &Element<'_>, name: &str) -> Result<String, Problem> {
    Ok(element.attribute(name)?.map(|value| value.trim().to_owned()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Limits, SliceSource};

    /// Identifier, name, version and packages.
    fn distribution(inside: &str) -> (String, String, String, String) {
        let (limits, source) = (Limits::default(), SliceSource(b""));
        let text = format!("<installer-gui-script minSpecVersion='2'>{inside}</installer-gui-script>");
        let found = Distribution::read(&mut Reader::new(&source, &limits), &text).unwrap().identity();
        (found.id, found.name, found.version, found.packages.join(" "))
    }

    fn package(text: &str) -> (String, String, String) {
        let (limits, source) = (Limits::default(), SliceSource(b""));
        let found = PackageInfo::read(&mut Reader::new(&source, &limits), text).unwrap().identity();
        (found.id, found.name, found.version)
    }

    fn same(found: (String, String, String, String), id: &str, name: &str, version: &str, packages: &str) {
        assert_eq!((&*found.0, &*found.1, &*found.2, &*found.3), (id, name, version, packages));
    }

    #[test]
    fn the_application_comes_first() {
        let found = distribution(
            "<title>Title</title><product id='p.product' version=''/>\
             <pkg-ref id='p.one' version='1' installKBytes='9'/><pkg-ref id='p.none' installKBytes='0'/>\
             <pkg-ref id='p.one'><must-close><app id='closed'/></must-close><bundle-version>\
             <bundle id='a.helper' path='Helper.app' CFBundleShortVersionString='0'/>\
             <bundle id='a.deep' path='Applications/x/Deep.app'/>\
             <bundle id='a.app' path='Applications/An App.app' CFBundleShortVersionString='3.1'/>\
             </bundle-version></pkg-ref>",
        );
        same(found, "a.app", "An App", "3.1", "p.one");
    }

    #[test]
    fn then_what_must_close_the_product_the_choices_and_any_package() {
        let closes = "<pkg-ref id='p'><must-close><app id='closed'/><app id='other'/></must-close></pkg-ref>";
        same(
            distribution(&format!("<title>T</title>{closes}<product id='q' version='2'/>")),
            "closed",
            "T",
            "2",
            "p",
        );
        same(
            distribution("<title>DISTRIBUTION_TITLE</title><product id='q' version='2'/>"),
            "q",
            "q",
            "2",
            "q",
        );
        let found = distribution(
            "<title>SU_TITLE</title><choices-outline><line choice='c'/></choices-outline>\
             <choice id='c' title='Chosen'><pkg-ref id='p2'/></choice>\
             <pkg-ref id='p1' version='7'/><pkg-ref id='p2' version='8'/>",
        );
        same(found, "p2", "Chosen", "8", "p1 p2");
        same(
            distribution("<pkg-ref id='p1' packageIdentifier='x.y' version='7'/>"),
            "x.y",
            "x.y",
            "7",
            "x.y",
        );
    }

    #[test]
    fn single_packages() {
        let found = package(
            "<pkg-info identifier='i' version='9' install-location='/Applications'>\
             <bundle path='./Some App.app' id='a.app' CFBundleShortVersionString='1.2'>\
             <bundle path='x.app' id='inner'/></bundle></pkg-info>",
        );
        assert_eq!(found, ("a.app".to_owned(), "Some App".to_owned(), "1.2".to_owned()));
        let found = package("<pkg-info identifier='a.b.C' version='9' install-location='/x/Y.app'/>");
        assert_eq!(found, ("a.b.C".to_owned(), "Y".to_owned(), "9".to_owned()));
        let found = package("<pkg-info identifier='a.b.C' version='9'/>");
        assert_eq!(found, ("a.b.C".to_owned(), "C".to_owned(), "9".to_owned()));
    }

    #[test]
    fn application_paths() {
        assert_eq!(app_name("baz.app"), Some("baz"));
        assert_eq!(app_name("Applications/baz.app"), Some("baz"));
        for other in ["foo/bar/baz.app", "Applications/foo/baz.app", "Applications/baz.txt", "", "/baz.app"] {
            assert_eq!(app_name(other), None, "{other}");
        }
        assert_eq!(join("/Applications/", "./a.app"), "Applications/a.app");
    }
}
