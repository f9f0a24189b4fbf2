use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Asset, Entity, Extra, Id, Kind, Release, Timestamp};
use crate::authorize::Person;
use crate::inspect::Platform;
use crate::lifecycle::Lifecycle;
use crate::records::Claim;

/// A product. Its releases are versions of it for a platform.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct App {
    /// What people call it.
    pub name: String,
    /// Its address in URLs; unique in the organization.
    pub slug: String,
    /// Free text.
    #[serde(default)]
    pub description: String,
    /// The subject that made it.
    pub owner: String,
    /// How to call them.
    pub created_by: Person,
    /// How its releases live.
    pub lifecycle: LifecycleName,
    /// Whether no other app of its kind that says the same of itself has its name.
    #[serde(default)]
    pub exclusive_name: bool,
    /// Where a web app is found below the gateway, such as `/notes`; unique in the organization.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// The release that stands for the app where no version is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_release: Option<Id<Release>>,
    /// How many releases there are.
    #[serde(default)]
    pub releases: u64,
    /// The platforms that releases were ever made for.
    #[serde(default)]
    pub platforms: Vec<Platform>,
    /// How many builds were processed or given up.
    #[serde(default)]
    pub builds: u64,
    /// The icon of the newest build that has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icon: Option<Id<Asset>>,
    /// A picture that people chose to be shown instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own_icon: Option<Id<Asset>>,
    /// The number of the newest release by platform and, after a slash, the part of it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub numbers: BTreeMap<String, u64>,
    /// How long its builds are kept.
    #[serde(default)]
    pub retention: Retention,
    /// When the last release came in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released_at: Option<Timestamp>,
    /// Settings that a dialect keeps here, under its own names.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub configuration: Extra,
    /// Attributes that clients keep here; never interpreted.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub extra: Extra,
}

/// How long builds are kept; `None` is no bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Retention {
    /// Days after they came in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub days: Option<u32>,
    /// How many, the newest, of those that one publication may offer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_publication: Option<u32>,
}

/// A named lifecycle table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LifecycleName {
    /// [`Lifecycle::web`].
    Web,
    /// [`Lifecycle::mobile`].
    #[default]
    Mobile,
    /// [`Lifecycle::direct`].
    Direct,
}

impl LifecycleName {
    /// The table.
    pub fn table(self) -> Lifecycle {
        match self {
            Self::Web => Lifecycle::web(),
            Self::Mobile => Lifecycle::mobile(),
            Self::Direct => Lifecycle::direct(),
        }
    }

    /// What sort of app lives so.
    pub const fn kind(self) -> AppKind {
        match self {
            Self::Web => AppKind::Web,
            Self::Mobile | Self::Direct => AppKind::Mobile,
        }
    }
}

/// What sort of app it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AppKind {
    /// A web application.
    Web,
    /// An app that is installed.
    #[default]
    Mobile,
}

impl AppKind {
    /// The stable word, as stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::Mobile => "mobile",
        }
    }
}

impl App {
    /// The picture to show.
    pub fn picture(&self) -> Option<Id<Asset>> {
        self.own_icon.or(self.icon)
    }

    /// The next number of a release for this platform and part of it.
    pub(crate) fn next_number(&mut self, platform: Platform, variant: &str) -> u64 {
        let number = self.numbers.entry(format!("{}/{variant}", platform.as_str())).or_default();
        *number += 1;
        *number
    }
}

impl Entity for App {
    const KIND: Kind = Kind::App;
    const NAME: &'static str = "app";

    fn claims(&self) -> Vec<Claim> {
        let mut claims = vec![Claim::new("slug", &self.slug)];
        if self.exclusive_name {
            claims.push(Claim::new("name", format!("{}/{}", self.lifecycle.kind().as_str(), self.name)));
        }
        claims.extend(self.context.iter().map(|context| Claim::new("context", context)));
        claims
    }
}
