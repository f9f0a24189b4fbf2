use serde::{Deserialize, Serialize};

use super::{
    App, Asset, AuthPolicy, Entity, Group, Id, Kind, Publication, Release, Security, Selection, Store,
    Timestamp,
};
use crate::inspect::Platform;
use crate::records::Claim;

/// An app in a store, for an audience.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Listing {
    /// In which store.
    pub store: Id<Store>,
    /// Which app.
    pub app: Id<App>,
    /// The app's name, so that a store page is one query.
    pub name: String,
    /// Its address in the store's URLs; unique in the store.
    pub slug: String,
    /// Whether it is shown.
    pub visibility: Visibility,
    /// For whom.
    pub audience: Audience,
    /// Only for those who signed in by one of these; by any when there are none.
    #[serde(default)]
    pub policies: Vec<Id<AuthPolicy>>,
    /// How it is handed out under an address of its own. An app is in a store once without, and any number of times
    /// with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publication: Option<Publication>,
    /// What can be installed now: at most one published release per platform and part of it. Written by the lifecycle
    /// step that
    /// publishes or withdraws, in the same commit.
    #[serde(default)]
    pub offers: Vec<Offer>,
}

/// Whether a listing is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Visibility {
    /// In the store's list.
    Active,
    /// Nowhere.
    Inactive,
    /// By its address only.
    Unlisted,
}

/// For whom a listing is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Audience {
    /// Groups of which one membership is enough. [`Audience::EVERYONE`] stands for everyone who may use the
    /// store; several ids joined by [`Audience::AND`] ask for membership in all of them.
    pub groups: Vec<String>,
}

impl Audience {
    /// The member of [`Audience::groups`] that includes everyone who may use the store.
    pub const EVERYONE: &'static str = "everyone";

    /// What joins the ids of groups in a member of [`Audience::groups`].
    pub const AND: char = '+';

    /// The members of all groups of any of these lists; everyone when there are none.
    pub fn all_of(lists: impl IntoIterator<Item = Vec<Id<Group>>>) -> Self {
        let joined = |mut all: Vec<Id<Group>>| {
            all.sort();
            all.dedup();
            all.iter().map(Id::to_string).collect::<Vec<_>>().join(&Self::AND.to_string())
        };
        let groups: Vec<String> = lists.into_iter().filter(|all| !all.is_empty()).map(joined).collect();
        if groups.is_empty() { Self::everyone() } else { Self { groups } }
    }

    /// The lists that [`Audience::all_of`] was made of, single groups among them.
    pub fn lists(&self) -> Vec<Vec<Id<Group>>> {
        let parts = |text: &String| text.split(Self::AND).map(|id| Id::parse(id).ok()).collect::<Option<_>>();
        self.groups.iter().filter_map(parts).collect()
    }

    /// Everyone who may use the store.
    pub fn everyone() -> Self {
        Self { groups: vec![Self::EVERYONE.to_owned()] }
    }

    /// Whether everyone who may use the store is included.
    pub fn has_everyone(&self) -> bool {
        self.groups.iter().any(|group| group == Self::EVERYONE)
    }

    /// The groups it names. They narrow it only while it does not include everyone.
    pub fn any(&self) -> Vec<Id<Group>> {
        self.groups.iter().filter_map(|group| Id::parse(group).ok()).collect()
    }

    /// Nobody: what only stores offer, to the audiences of their listings.
    pub fn nobody() -> Self {
        Self { groups: Vec::new() }
    }

    /// The members of any of these groups; nobody when there are none.
    pub fn any_of(groups: impl IntoIterator<Item = Id<Group>>) -> Self {
        Self { groups: groups.into_iter().map(|group| group.to_string()).collect() }
    }
}

impl Listing {
    /// Which releases it offers.
    pub fn selection(&self) -> &Selection {
        self.publication.as_ref().map_or(&Selection::Last, |publication| &publication.selection)
    }

    /// Who is let in.
    pub fn security(&self) -> Security {
        self.publication.as_ref().map_or(Security::Logged, |publication| publication.security)
    }

    /// What has to be agreed to before an installation.
    pub fn terms(&self) -> Option<&str> {
        self.publication.as_ref()?.terms.as_deref().filter(|terms| !terms.is_empty())
    }

    /// Whether this release is among what it offers now.
    pub fn offers(&self, release: Id<Release>) -> bool {
        self.offers.iter().any(|offer| offer.release == release)
    }

    /// Whether what was out before can be had, too: in a store always, of a publication if it says so. What a
    /// publication does not select is not told of.
    pub fn has_history(&self) -> bool {
        self.publication
            .as_ref()
            .is_none_or(|publication| publication.show_history && publication.selection == Selection::Last)
    }
}

/// A release that can be installed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Offer {
    /// Where it runs.
    pub platform: Platform,
    /// The part of the platform it is for; empty for all of it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub variant: String,
    /// Which release.
    pub release: Id<Release>,
    /// Its package.
    pub asset: Id<Asset>,
    /// The version people see.
    pub version: String,
    /// The package's length in bytes.
    pub length: u64,
    /// Since when.
    pub since: Timestamp,
}

impl Entity for Listing {
    const KIND: Kind = Kind::Listing;
    const NAME: &'static str = "listing";

    fn claims(&self) -> Vec<Claim> {
        let mut claims = vec![Claim::new("slug", format!("{}/{}", self.store, self.slug))];
        if self.publication.is_none() {
            claims.push(Claim::new("app", format!("{}/{}", self.store, self.app)));
        }
        claims
    }
}
