//! The page of one app: what the button says, and what is told of the package.

use std::collections::BTreeSet;

use appdepot_core::depot::{Showing, Version};
use appdepot_core::domain::{Listing, Timestamp};
use appdepot_core::inspect::{Package, Platform};

use super::device::{self, Device};
use super::language::Language;
use super::notes;
use super::qr;
use super::texts::{Texts, fill};
use super::view::{Action, AppPage, Offered, Other, Page, Past, Trust};
use crate::wire::text::visible;

/// What a form says of the terms.
pub(super) const AGREE: &str = "agree";

/// Who looks at the page, and how they came here.
pub(super) struct Look<'a> {
    pub(super) language: Language,
    pub(super) device: &'a Device,
    /// The platform that was asked for.
    pub(super) platform: Option<Platform>,
    /// The address of the page, as a phone reaches it.
    pub(super) address: String,
    /// The same as a path.
    pub(super) path: String,
    /// The address of the store.
    pub(super) home: String,
}

/// The page of an app.
pub(super) fn page(showing: &Showing, page: Page, look: &Look<'_>) -> AppPage {
    let (language, t) = (look.language, look.language.texts());
    let wanted = look.platform.or(look.device.platform);
    let offered: Vec<&Version> = showing.versions.iter().filter(|version| version.offered).collect();
    let version = offered
        .iter()
        .find(|version| Some(version.release.platform) == wanted)
        .or_else(|| offered.first())
        .copied();
    let platform = version.map(|version| version.release.platform);
    let history: Vec<&Version> =
        showing.versions.iter().filter(|other| Some(other.release.platform) == platform).collect();
    let before = history.iter().skip_while(|other| !other.offered).nth(1).copied();
    let updated_at = version.map_or(showing.listing.updated_at, published);
    let others = offered
        .iter()
        .map(|version| version.release.platform)
        .filter(|other| Some(*other) != platform)
        .collect::<BTreeSet<Platform>>();
    let package = version.and_then(package_of);
    AppPage {
        back: look.home.clone(),
        address: look.address.clone(),
        install: format!("{}/install", look.path),
        icon: format!("{}/icon", look.path),
        name: visible(&showing.app.name),
        offer: version.map(|version| Offered {
            platform: device::name(version.release.platform),
            version: visible(&version.release.version),
            size: language.size(version.release.length),
        }),
        updated: fill(t.updated, &language.day(updated_at)),
        updated_at,
        action: version.map_or_else(
            || Action::Disabled { label: t.not_offered, why: t.not_offered_text.to_owned() },
            |version| action(version, look, t),
        ),
        others: others
            .into_iter()
            .map(|other| Other {
                platform: device::name(other),
                href: format!("{}?platform={}", look.path, other.as_str()),
            })
            .collect(),
        description: visible(
            version
                .map(|version| version.release.details.description.as_str())
                .filter(|text| !text.is_empty())
                .unwrap_or(&showing.app.description),
        ),
        tags: version.map(|version| tags(version, &showing.listing)).unwrap_or_default(),
        screenshots: version
            .iter()
            .flat_map(|version| &version.release.details.screenshots)
            .map(|id| format!("{}/screenshot/{id}", look.path))
            .collect(),
        terms: showing.listing.terms().map(visible),
        versions: history.iter().map(|version| past(version, look)).collect(),
        facts: version.map(|version| facts(version, language)).unwrap_or_default(),
        permissions: permissions(package, before.and_then(package_of)),
        trust: version.and_then(|version| trust(version, before, language)),
        help: platform.and_then(|platform| help(platform, t)),
        page,
        t,
    }
}

/// What the button does: only for a device that could run it, and for a package that would be accepted.
fn action(version: &Version, look: &Look<'_>, t: &'static Texts) -> Action {
    let release = &version.release;
    let (platform, id) = (release.platform, release.id.to_string());
    if let Some(end) = version.expires_at.filter(|_| version.expired) {
        return Action::Disabled { label: t.expired, why: fill(t.expired_text, &look.language.day(end)) };
    }
    let here = look.device.platform;
    if here == Some(platform) {
        let minimum = package_of(version).and_then(|package| package.min_os.as_deref());
        let minimum = minimum.map(|system| device::minimum(platform, &visible(system)));
        if let Some((system, _)) = minimum.filter(|(_, system)| look.device.is_older(system)) {
            return Action::Disabled { label: t.system_too_old, why: fill(t.system_too_old_text, &system) };
        }
    }
    let secure = look.address.starts_with("https://");
    if platform == Platform::Ios && !secure && (here == Some(platform) || look.device.may_be_ipad()) {
        return Action::Disabled { label: t.not_offered, why: t.not_secure.to_owned() };
    }
    match platform {
        Platform::Android | Platform::Ios if here == Some(platform) => {
            Action::Install { label: t.install, release: id }
        }
        Platform::Android | Platform::Ios if !look.device.is_mobile() => Action::Phone {
            code: qr::code(&look.address),
            here: match platform {
                Platform::Android => Some((t.download, id)),
                _ if look.device.may_be_ipad() => Some((t.this_is_ipad, id)),
                _ => None,
            },
        },
        _ if !look.device.is_mobile() => Action::Install { label: t.download, release: id },
        _ => {
            Action::Disabled { label: t.wrong_device, why: fill(t.wrong_device_text, device::name(platform)) }
        }
    }
}

fn facts(version: &Version, language: Language) -> Vec<(&'static str, String)> {
    let t = language.texts();
    let release = &version.release;
    let mut facts =
        vec![(t.published, language.day(published(version))), (t.size, language.size(release.length))];
    if let Some(package) = package_of(version) {
        if let Some(system) = &package.min_os {
            let (system, _) = device::minimum(release.platform, &visible(system));
            facts.push((t.needs, fill(t.or_newer, &system)));
        }
        if !package.architectures.is_empty() {
            facts.push((t.processors, visible(&package.architectures.join(", "))));
        }
        facts.push((t.identifier, visible(&package.id)));
    }
    if !release.details.category.is_empty() {
        facts.push((t.category, visible(&release.details.category)));
    }
    facts
}

/// The words of a release, and of how it is published.
fn tags(version: &Version, listing: &Listing) -> Vec<String> {
    let published = listing.publication.iter().flat_map(|publication| &publication.tags);
    let mut tags = Vec::new();
    for tag in version.release.details.tags.iter().chain(published).map(|tag| visible(tag)) {
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    tags
}

/// What the package asks for, with whether that is new since the version before.
fn permissions(package: Option<&Package>, before: Option<&Package>) -> Vec<(String, bool)> {
    let asked = |package: &Package| -> Vec<String> {
        let listed = package.details.get("permissions").and_then(|list| list.as_array());
        listed.into_iter().flatten().filter_map(|one| one.as_str()).map(visible).collect()
    };
    let before = before.map(asked);
    let is_new = |one: &String| before.as_ref().is_some_and(|before| !before.contains(one));
    let mut all: Vec<(String, bool)> = package
        .map(asked)
        .unwrap_or_default()
        .into_iter()
        .map(|one| {
            let new = is_new(&one);
            (one, new)
        })
        .collect();
    all.sort_by_key(|(_, new)| !new);
    all
}

/// Nobody has checked the signature: that a certificate is new can be told, that the same key signed cannot.
fn trust(version: &Version, before: Option<&Version>, language: Language) -> Option<Trust> {
    let signers = |version: &Version| -> BTreeSet<String> {
        package_of(version)
            .into_iter()
            .flat_map(|package| &package.signers)
            .map(|one| one.sha256.clone())
            .collect()
    };
    let before = before.map(signers).filter(|before| !before.is_empty());
    let is_new = |one: &String| before.as_ref().is_some_and(|before| !before.contains(one));
    Some(Trust {
        signers: signers(version)
            .into_iter()
            .map(|one| {
                let new = is_new(&one);
                (one, new)
            })
            .collect(),
        valid_until: version.expires_at.map(|end| language.day(end)),
        sha256: version.file.as_ref()?.sha256.clone(),
    })
}

fn past(version: &Version, look: &Look<'_>) -> Past {
    let language = look.language;
    let install = match action(version, look, language.texts()) {
        Action::Install { label, release } => Some((label, release)),
        Action::Phone { here, .. } => here,
        Action::Disabled { .. } => None,
    };
    let at = published(version);
    Past {
        version: visible(&version.release.version),
        size: language.size(version.release.length),
        at,
        day: language.day(at),
        offered: version.offered,
        install: install
            .filter(|_| version.available && !version.offered)
            .map(|(label, release)| (format!("{label} {}", visible(&version.release.version)), release)),
        notes: notes::html(&version.release.notes),
    }
}

fn published(version: &Version) -> Timestamp {
    version.release.published_at.unwrap_or(version.release.created_at)
}

fn package_of(version: &Version) -> Option<&Package> {
    version.file.as_ref()?.inspection.package.as_ref()
}

/// What to know before installing.
pub(super) fn help(platform: Platform, t: &'static Texts) -> Option<&'static str> {
    match platform {
        Platform::Android => Some(t.help_android),
        Platform::Ios => Some(t.help_ios),
        _ => None,
    }
}
