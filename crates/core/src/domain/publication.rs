use serde::{Deserialize, Serialize};

use super::{Extra, Id, Release, Timestamp};

/// How an app is handed out under an address of its own, beside what a [`Listing`](super::Listing) says already.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Publication {
    /// Which releases it offers.
    pub selection: Selection,
    /// Who is let in.
    pub security: Security,
    /// Whether older releases are shown too.
    pub show_history: bool,
    /// Whether what is known of a build's source is shown.
    pub show_source: bool,
    /// Whether files attached to builds are kept back.
    pub hide_files: bool,
    /// What has to be agreed to first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub terms: Option<String>,
    /// Only in these countries, two capital letters each; everywhere when there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allowed_countries: Vec<String>,
    /// Not in these countries.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub blocked_countries: Vec<String>,
    /// Words to find it by.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Until when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// Settings that a dialect keeps here, under its own names.
    #[serde(skip_serializing_if = "Extra::is_empty")]
    pub extra: Extra,
}

impl Publication {
    /// Whether it is for requests from this country. One that names countries is for none whose country is unknown.
    pub fn admits(&self, country: Option<&str>) -> bool {
        let named = |list: &[String]| list.iter().any(|code| Some(code.as_str()) == country);
        let restricted = !(self.allowed_countries.is_empty() && self.blocked_countries.is_empty());
        match country {
            None => !restricted,
            Some(_) => {
                (self.allowed_countries.is_empty() || named(&self.allowed_countries))
                    && !named(&self.blocked_countries)
            }
        }
    }
}

/// Which published releases are offered; of each platform the one that was published last.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(tag = "type", content = "value", rename_all = "camelCase")]
pub enum Selection {
    /// All.
    #[default]
    Last,
    /// These.
    Builds(Vec<Id<Release>>),
    /// Builds of this branch.
    GitBranch(String),
    /// Builds of this tag of the repository.
    GitTag(String),
    /// Builds with this word, or with each of several between commas.
    Tag(String),
}

/// Who is let in to a publication.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Security {
    /// Everyone.
    Public,
    /// Those who know its password, whose hash is a record of its own under the listing's id.
    Password,
    /// Those who signed in.
    #[default]
    Logged,
}

impl Security {
    /// The stable word, as stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Password => "password",
            Self::Logged => "logged",
        }
    }
}
