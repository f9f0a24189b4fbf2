use serde::{Deserialize, Serialize};

use super::{App, Asset, Entity, Extra, Id, Kind, Organization, Release, Timestamp};
use crate::authorize::Person;
use crate::inspect::{Platform, Problem};

/// A package that came in for an app and is read after its upload was answered. Once processed it is a release too,
/// under the same id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Build {
    /// For which app.
    pub app: Id<App>,
    /// The package. What was learnt from it is there once the build is processed.
    pub asset: Id<Asset>,
    /// Where it stands.
    pub status: BuildStatus,
    /// Why it is [`BuildStatus::Error`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
    /// When it was last taken up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it was processed, or given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// The version people see: what the uploader called it, else the package's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The version machines compare, as the package spells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_code: Option<String>,
    /// Where it runs: what the package says, else what the uploader said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// What the uploader said.
    #[serde(flatten)]
    pub notes: BuildNotes,
    /// Who sent it.
    pub uploaded_by: Person,
    /// Its icon: the package's as a PNG picture, else the one that came with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icon: Option<Id<Asset>>,
    /// Files that came with it or were attached to it, in the order they came.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<Id<Asset>>,
}

/// What an uploader says of a build.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BuildNotes {
    /// What changed.
    pub changelog: String,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// Where its source is.
    pub git: Git,
    /// What sent it, in the sender's words.
    pub deployer: Deployer,
    /// Whom to tell.
    pub notify: Notify,
    /// Which package it is, where the file itself does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package_id: Option<String>,
    /// Attributes that clients keep here; never interpreted.
    #[serde(skip_serializing_if = "Extra::is_empty")]
    pub extra: Extra,
}

/// A place in a source repository.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
pub struct Git {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// The program that sent a build.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Deployer {
    /// What it calls itself.
    pub name: String,
    /// What it tells of its run; never interpreted.
    #[serde(skip_serializing_if = "Extra::is_empty")]
    pub info: Extra,
}

/// Who is to be told of a build, and what. Kept for those who send messages; the depot sends none.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Notify {
    /// Those who work on the app.
    pub collaborators: bool,
    /// Those who may install it.
    pub employees: bool,
    /// In which language, two letters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// What to tell them.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Only those in all groups of one of these lists.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<Vec<String>>,
}

/// Where a build stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BuildStatus {
    /// Stored; nobody has looked at it.
    Pending,
    /// Being read.
    InProgress,
    /// Read, and a release of its app.
    Processed,
    /// No release can be made of it.
    Error,
}

impl BuildStatus {
    /// The stable word, as stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::InProgress => "in-progress",
            Self::Processed => "processed",
            Self::Error => "error",
        }
    }
}

impl Build {
    /// The release that a build becomes has the build's id.
    pub fn release(id: Id<Self>) -> Id<Release> {
        id.cast()
    }
}

impl Entity for Build {
    const KIND: Kind = Kind::Build;
    const NAME: &'static str = "build";
}

/// A build that waits to be processed. Kept under the root organization ([`Id::NIL`]) and under the build's id, so
/// that one query finds the next of all organizations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Job {
    /// Whose build.
    pub organization: Id<Organization>,
    /// When it may be taken up; whoever takes it moves this to when it may be taken from them.
    pub due: Timestamp,
    /// How often it was taken up.
    pub attempts: u32,
}

impl Entity for Job {
    const KIND: Kind = Kind::Job;
    const NAME: &'static str = "job";
}
