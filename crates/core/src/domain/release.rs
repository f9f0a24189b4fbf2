use serde::{Deserialize, Serialize};

use super::{
    App, AppKind, Asset, Audience, BusinessOwner, Entity, Extra, Id, Kind, Policy, Timestamp,
    check_optional_text, check_text,
};
use crate::error::{Error, Result};
use crate::inspect::Platform;
use crate::lifecycle::State;
use crate::records::Claim;

/// One version of an app for one platform.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Release {
    /// Of which app.
    pub app: Id<App>,
    /// The app's name, so that a list of releases is one query.
    #[serde(default)]
    pub name: String,
    /// The app's owner without the prefix of its subject, for the same reason.
    #[serde(default)]
    pub provider: String,
    /// What sort of app it is of, for the same reason.
    #[serde(default)]
    pub kind: AppKind,
    /// The package. A web app has none, nor has an app that lies in a public store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asset: Option<Id<Asset>>,
    /// Which package it is: as it says itself or, where there is none here, as its publisher says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<PackageName>,
    /// The version people see.
    pub version: String,
    /// The version machines compare, as the package spells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_code: Option<String>,
    /// Where it runs.
    pub platform: Platform,
    /// The part of the platform it is for, such as `ipad`; empty for all of it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub variant: String,
    /// Its number among the app's releases for this platform and part of it: 1, 2, 3, …. Never given out again.
    #[serde(default)]
    pub number: u64,
    /// Where it stands.
    pub state: State,
    /// What changed.
    #[serde(default)]
    pub notes: String,
    /// The package's length in bytes; 0 without one.
    pub length: u64,
    /// Made by a build or an upload that is published at once: then the app may have its version several times.
    #[serde(default)]
    pub built: bool,
    /// When it was last published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published_at: Option<Timestamp>,
    /// The release that this one was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub derived_from: Option<Id<Release>>,
    /// How it is shown.
    #[serde(default)]
    pub details: Details,
    /// For whom it is while it is published, whatever is listed in stores.
    #[serde(default = "Audience::nobody")]
    pub audience: Audience,
    /// The policies that must all permit whoever wants it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<Id<Policy>>,
    /// What people think of it.
    #[serde(default)]
    pub rating: Rating,
    /// Attributes that clients keep here; never interpreted.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub extra: Extra,
}

/// Which package, and which version of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageName {
    /// Package name or bundle identifier.
    pub id: String,
    /// The version people see in it.
    pub version: String,
}

/// How a release is shown.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Details {
    /// The name to show, at most 128 characters; empty for the app's.
    pub title: String,
    /// Free text, at most 10,000 characters.
    pub description: String,
    /// One word for where it belongs, at most 128 characters.
    pub category: String,
    /// Words to find it by: at most 50, of at most 64 characters.
    pub tags: Vec<String>,
    /// A small square picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub icon: Option<Id<Asset>>,
    /// A wide picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub banner: Option<Id<Asset>>,
    /// Pictures of it in use, at most 10.
    pub screenshots: Vec<Id<Asset>>,
    /// Where it is when it is not a package here: an `http` or `https` URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Who answers for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<Id<BusinessOwner>>,
}

impl Details {
    /// Checks what can be checked without looking anything up.
    pub(crate) fn check(&self) -> Result<()> {
        check_optional_text("title", &self.title, 128)?;
        check_optional_text("description", &self.description, 10_000)?;
        check_optional_text("category", &self.category, 128)?;
        if self.tags.len() > 50 {
            return Err(Error::invalid("tags", "more than 50"));
        }
        for (at, tag) in self.tags.iter().enumerate() {
            check_text("tags", tag, 64)?;
            if self.tags.iter().take(at).any(|other| other == tag) {
                return Err(Error::invalid("tags", "the same one twice"));
            }
        }
        if self.screenshots.len() > 10 {
            return Err(Error::invalid("screenshots", "more than 10"));
        }
        self.url.as_deref().map_or(Ok(()), |url| super::check_url("url", url))
    }

    /// The pictures.
    pub fn pictures(&self) -> impl Iterator<Item = Id<Asset>> {
        self.icon.into_iter().chain(self.banner).chain(self.screenshots.iter().copied())
    }
}

/// What people think of a release, summed up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Rating {
    /// How many have rated it.
    pub count: u64,
    /// All their stars together.
    pub sum: u64,
}

impl Rating {
    /// The mean, 1 to 5; 0 before anyone has rated.
    pub fn mean(self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "nobody counts that many stars")]
        if self.count == 0 { 0.0 } else { self.sum as f64 / self.count as f64 }
    }
}

impl Entity for Release {
    const KIND: Kind = Kind::Release;
    const NAME: &'static str = "release";

    fn claims(&self) -> Vec<Claim> {
        if self.built {
            return Vec::new();
        }
        let code = self.version_code.as_deref().unwrap_or_default();
        let version = format!("{}/{}/{}/{code}", self.app, self.platform.as_str(), self.version);
        vec![Claim::new("version", version)]
    }
}
