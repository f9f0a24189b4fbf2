use serde::{Deserialize, Serialize};

use super::{App, Asset, Entity, Id, Kind, Timestamp};
use crate::inspect::Platform;
use crate::lifecycle::State;
use crate::records::Claim;

/// One version of an app for one platform.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Release {
    /// Of which app.
    pub app: Id<App>,
    /// The package.
    pub asset: Id<Asset>,
    /// The version people see.
    pub version: String,
    /// The version machines compare, as the package spells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_code: Option<String>,
    /// Where it runs.
    pub platform: Platform,
    /// Where it stands.
    pub state: State,
    /// What changed.
    #[serde(default)]
    pub notes: String,
    /// The package's length in bytes.
    pub length: u64,
    /// Made by a build: then the app may have its version several times.
    #[serde(default)]
    pub built: bool,
    /// When it was last published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published_at: Option<Timestamp>,
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
