//! What a depot keeps: plain values, each with one stable JSON form.
//!
//! A value knows nothing of its own identity; [`Stored`] adds that. To add a kind: a file here, a variant of
//! [`Kind`], its declared fields.

mod app;
mod asset;
mod auth_policy;
mod build;
mod business_owner;
mod document;
mod event;
mod grant;
mod group;
mod id;
mod key;
mod listing;
mod organization;
mod pass;
mod policy;
mod publication;
mod release;
mod rule;
mod session;
mod storage_provider;
mod store;
mod subscription;
mod ticket;
mod time;
mod user;

use std::fmt;
use std::ops::Deref;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::records::{Batch, Claim, Record};

pub use app::{App, AppKind, LifecycleName, Retention};
pub use asset::{Access, Asset, AssetClass, Blob, BlobState, Content, Extra, File, Location, Reference};
pub use auth_policy::{AuthMethod, AuthPolicy};
pub use build::{Build, BuildNotes, BuildStatus, Deployer, Git, Job, Notify};
pub use business_owner::{BusinessOwner, OwnerProperty};
pub use document::{Document, DocumentBody, Topic};
pub use event::{Event, EventFilter, NewEvent};
pub use grant::{Grant, Role};
pub use group::Group;
pub use id::Id;
pub use key::ApiKey;
pub use listing::{Audience, Listing, Offer, Visibility};
pub use organization::Organization;
pub use pass::Pass;
pub use policy::Policy;
pub use publication::{Publication, Security, Selection};
pub use release::{Details, PackageName, Rating, Release};
pub use rule::{Effect, Holder, PermissionPattern, PolicyVersion, Rule};
pub use session::Session;
pub use storage_provider::{StorageProvider, StorageService};
pub use store::Store;
pub use subscription::{Review, Subscription};
pub use ticket::Ticket;
pub use time::Timestamp;
pub use user::{Password, User};

/// How often a record was written: 1 when created, one more per change.
pub type Revision = u64;

/// A value that a depot keeps under an identity.
pub trait Entity: Serialize + DeserializeOwned + Clone + fmt::Debug + Send + Sync + 'static {
    /// Its kind.
    const KIND: Kind;
    /// The version of its JSON form; grows when old rows need more than defaults.
    const SCHEMA: u16 = 1;
    /// What it is called in messages.
    const NAME: &'static str;

    /// Its unique keys.
    fn claims(&self) -> Vec<Claim> {
        Vec::new()
    }
}

/// The kinds of record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
#[allow(missing_docs)]
pub enum Kind {
    Organization,
    Asset,
    Blob,
    App,
    Release,
    Build,
    Job,
    Store,
    Listing,
    AuthPolicy,
    Group,
    Grant,
    PolicyVersion,
    Rule,
    Ticket,
    User,
    Password,
    Session,
    Pass,
    Document,
    Subscription,
    Review,
    Policy,
    BusinessOwner,
    StorageProvider,
    /// An API key; kept by the identity backend.
    Key,
    /// An access token; kept by the identity backend.
    Token,
}

/// A field that listings filter or sort by; SQL stores index it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Declared {
    /// Dotted path in the JSON form.
    pub path: &'static str,
    /// What is found there.
    pub holds: Holds,
}

/// What a declared field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// A text.
    Text,
    /// One of a few texts, each of which many records share: the last thing to look records up by.
    Word,
    /// A number.
    Number,
    /// A list, or a path through one: matched by membership.
    Many,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 27] = [
        Self::Organization,
        Self::Asset,
        Self::Blob,
        Self::App,
        Self::Release,
        Self::Build,
        Self::Job,
        Self::Store,
        Self::Listing,
        Self::AuthPolicy,
        Self::Group,
        Self::Grant,
        Self::PolicyVersion,
        Self::Rule,
        Self::Ticket,
        Self::User,
        Self::Password,
        Self::Session,
        Self::Pass,
        Self::Document,
        Self::Subscription,
        Self::Review,
        Self::Policy,
        Self::BusinessOwner,
        Self::StorageProvider,
        Self::Key,
        Self::Token,
    ];

    /// The stable word, as stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Organization => "organization",
            Self::Asset => "asset",
            Self::Blob => "blob",
            Self::App => "app",
            Self::Release => "release",
            Self::Build => "build",
            Self::Job => "job",
            Self::Store => "store",
            Self::Listing => "listing",
            Self::AuthPolicy => "authpolicy",
            Self::Group => "group",
            Self::Grant => "grant",
            Self::PolicyVersion => "policyversion",
            Self::Rule => "rule",
            Self::Ticket => "ticket",
            Self::User => "user",
            Self::Password => "password",
            Self::Session => "session",
            Self::Pass => "pass",
            Self::Document => "document",
            Self::Subscription => "subscription",
            Self::Review => "review",
            Self::Policy => "policy",
            Self::BusinessOwner => "businessowner",
            Self::StorageProvider => "storageprovider",
            Self::Key => "key",
            Self::Token => "token",
        }
    }

    /// The kind of this word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// The fields that listings of this kind filter or sort by.
    pub const fn declared(self) -> &'static [Declared] {
        const fn text(path: &'static str) -> Declared {
            Declared { path, holds: Holds::Text }
        }
        const fn word(path: &'static str) -> Declared {
            Declared { path, holds: Holds::Word }
        }
        const fn number(path: &'static str) -> Declared {
            Declared { path, holds: Holds::Number }
        }
        const fn many(path: &'static str) -> Declared {
            Declared { path, holds: Holds::Many }
        }
        match self {
            Self::Asset => {
                const {
                    &[
                        text("name"),
                        text("alias"),
                        word("access"),
                        word("class"),
                        word("content.type"),
                        text("content.fileName"),
                        word("content.extension"),
                        word("content.mediaType"),
                        number("content.length"),
                        number("segment"),
                        text("vendor"),
                        text("app"),
                        text("release"),
                        many("references.id"),
                        many("references.type"),
                        text("content.location.provider.provider"),
                    ]
                }
            }
            Self::Blob => const { &[word("state")] },
            Self::App => const { &[text("name"), text("slug"), text("owner")] },
            Self::Build => {
                const {
                    &[
                        text("app"),
                        word("status"),
                        word("platform"),
                        text("version"),
                        text("git.branch"),
                        text("git.tag"),
                        many("tags"),
                    ]
                }
            }
            Self::Job => const { &[number("due")] },
            Self::Release => {
                const {
                    &[
                        text("app"),
                        word("state"),
                        word("platform"),
                        text("version"),
                        text("asset"),
                        word("kind"),
                        text("name"),
                        text("details.owner"),
                        many("details.tags"),
                        many("audience.groups"),
                        many("policies"),
                    ]
                }
            }
            Self::Listing => {
                const {
                    &[
                        text("store"),
                        text("app"),
                        word("visibility"),
                        text("name"),
                        many("audience.groups"),
                        text("slug"),
                        word("publication.selection.type"),
                    ]
                }
            }
            Self::AuthPolicy | Self::StorageProvider => const { &[text("name")] },
            Self::Group => const { &[text("name"), many("members")] },
            Self::Grant => const { &[text("subject"), word("role")] },
            Self::Rule => const { &[text("holder")] },
            Self::Ticket | Self::Pass => const { &[number("expiresAt")] },
            Self::User => const { &[text("email"), text("username"), text("lastName")] },
            Self::Session => const { &[text("user"), number("expiresAt")] },
            Self::Key => const { &[text("organization"), text("owner")] },
            Self::Document => const { &[text("release"), text("name")] },
            Self::Subscription => const { &[text("release"), text("app"), text("subject")] },
            Self::Review => const { &[text("release")] },
            Self::Policy | Self::BusinessOwner => const { &[number("number"), text("name")] },
            Self::Token => const { &[number("expiresAt"), text("key")] },
            Self::Organization | Self::PolicyVersion | Self::Store | Self::Password => const { &[] },
        }
    }
}

/// A value with its identity.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored<T> {
    /// Its identity.
    pub id: Id<T>,
    /// Its tenant.
    pub organization: Id<Organization>,
    /// How often it was written.
    pub revision: Revision,
    /// When it was first written.
    pub created_at: Timestamp,
    /// When it was last written.
    pub updated_at: Timestamp,
    /// The value.
    pub value: T,
}

impl<T> Deref for Stored<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: Entity> Stored<T> {
    /// A value that is written for the first time.
    pub fn new(organization: Id<Organization>, value: T, now: Timestamp) -> Self {
        Self { id: Id::generate(), organization, revision: 1, created_at: now, updated_at: now, value }
    }

    /// The next revision, with another value.
    #[must_use]
    pub fn changed(&self, value: T, now: Timestamp) -> Self {
        Self { revision: self.revision + 1, updated_at: now, value, ..*self }
    }

    /// Fails with `Conflict(Stale)` when another revision is expected than this one.
    pub(crate) fn check_revision(&self, expected: Option<Revision>) -> Result<()> {
        match expected {
            Some(expected) if expected != self.revision => Err(Error::stale(Some(self.revision))),
            _ => Ok(()),
        }
    }

    /// Reads a record.
    ///
    /// # Errors
    /// `Internal` when its body is not a `T`.
    pub fn from_record(record: Record) -> Result<Self> {
        let value = serde_json::from_value(record.body).map_err(Error::internal)?;
        Ok(Self {
            id: record.id.cast(),
            organization: record.organization,
            revision: record.revision,
            created_at: record.created_at,
            updated_at: record.updated_at,
            value,
        })
    }

    /// The record that `batch` writes.
    ///
    /// # Errors
    /// `Internal` when the value has no JSON form.
    pub fn to_record(&self, batch: Id<Batch>) -> Result<Record> {
        Ok(Record {
            kind: T::KIND,
            organization: self.organization,
            id: self.id.cast(),
            revision: self.revision,
            created_at: self.created_at,
            updated_at: self.updated_at,
            batch,
            schema: T::SCHEMA,
            body: serde_json::to_value(&self.value).map_err(Error::internal)?,
            claims: self.value.claims(),
        })
    }
}

/// Checks a text that people chose: 1 to `most` characters, without control characters.
pub(crate) fn check_text(field: &'static str, text: &str, most: usize) -> Result<()> {
    if text.trim().is_empty() {
        return Err(Error::invalid(field, "must not be empty"));
    }
    check_optional_text(field, text, most)
}

/// Checks a text that may be empty: at most `most` characters, no control characters but line breaks and tabs.
pub(crate) fn check_optional_text(field: &'static str, text: &str, most: usize) -> Result<()> {
    if text.chars().count() > most {
        return Err(Error::invalid(field, format!("longer than {most} characters")));
    }
    if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        return Err(Error::invalid(field, "control characters"));
    }
    Ok(())
}

/// Checks the address of something elsewhere: `http` or `https`, without credentials, at most 2048 bytes.
pub(crate) fn check_url(field: &'static str, url: &str) -> Result<()> {
    let fail = |why: &'static str| Err(Error::invalid(field, why));
    if url.len() > 2_048 {
        return fail("longer than 2048 bytes");
    }
    let lower = url.to_ascii_lowercase();
    let rest = lower.strip_prefix("https://").or_else(|| lower.strip_prefix("http://"));
    let Some(rest) = rest else { return fail("not an http or https URL") };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.is_empty() || authority.contains('@') || authority.contains('\\') {
        return fail("no host, or credentials in it");
    }
    if url.chars().any(|c| c.is_control() || c.is_whitespace() || matches!(c, '"' | '<' | '>' | '\\' | '`')) {
        return fail("characters that no URL has");
    }
    Ok(())
}

/// Checks a slug: 3 to 128 lower-case letters, digits and inner hyphens; not one that reads as an id.
pub(crate) fn check_slug(slug: &str) -> Result<()> {
    let inner = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    let good = (3..=128).contains(&slug.len())
        && slug.bytes().all(inner)
        && !slug.starts_with('-')
        && !slug.ends_with('-');
    if !good {
        return Err(Error::invalid("slug", "3 to 128 lower-case letters, digits and inner hyphens"));
    }
    if Id::<()>::parse(slug).is_ok() {
        return Err(Error::invalid("slug", "reads as an id"));
    }
    Ok(())
}

/// A slug made of a name: what is not a letter or digit becomes a hyphen.
pub fn slugify(name: &str) -> String {
    let mut slug = String::new();
    for c in name.chars().flat_map(char::to_lowercase) {
        if c.is_ascii_alphanumeric() {
            slug.push(c);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
        if slug.len() >= 120 {
            break;
        }
    }
    let mut slug = slug.trim_end_matches('-').to_owned();
    if check_slug(&slug).is_err() {
        slug = if slug.is_empty() { "app".to_owned() } else { format!("app-{slug}") };
    }
    slug
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_made_valid() {
        for name in
            ["Enterprise Mobile Banking App", "日本", "a", "--", "0123456789abcdef01234567", "Ünïcode X"]
        {
            assert!(check_slug(&slugify(name)).is_ok(), "{name}: {}", slugify(name));
        }
        assert_eq!(slugify("Enterprise Mobile Banking App"), "enterprise-mobile-banking-app");
    }

    #[test]
    fn only_plain_web_addresses_are_links() {
        for bad in [
            "ftp://x/y",
            "javascript:alert(1)",
            "//host/x",
            "http://",
            "https:///x",
            "http://user:pw@host/",
            "http://a b/",
            "https://x/\"><script>",
            "https://h\\@evil/",
            "file:///etc/passwd",
        ] {
            assert!(check_url("url", bad).is_err(), "{bad}");
        }
        assert!(check_url("url", "https://emporix.io/docs/index.html?a=b#c").is_ok());
    }

    #[test]
    fn kinds_have_one_word() {
        for kind in Kind::ALL {
            assert_eq!(Kind::parse(kind.as_str()), Some(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
    }
}
