//! How keys and tokens are kept.

use std::collections::BTreeSet;

use appdepot_core::authorize::Person;
use appdepot_core::domain::{Entity, Id, Kind, Organization, Timestamp};
use appdepot_core::records::Claim;
use serde::{Deserialize, Serialize};

use super::secret::Digest;

/// An API key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ApiKey {
    /// The public id.
    pub(super) key: String,
    /// Of the secret.
    pub(super) digest: Digest,
    pub(super) organization: Id<Organization>,
    pub(super) name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) scopes: Option<BTreeSet<String>>,
    #[serde(default)]
    pub(super) person: Person,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) expires_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) revoked_at: Option<Timestamp>,
}

/// An access token.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Token {
    /// Of the whole text.
    pub(super) digest: Digest,
    /// The key it was made from.
    pub(super) key: Id<ApiKey>,
    /// What it was narrowed to, within the key's own scopes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) scopes: Option<BTreeSet<String>>,
    pub(super) expires_at: Timestamp,
}

impl ApiKey {
    pub(super) const SPACE: &'static str = "key";
}

impl Token {
    pub(super) const SPACE: &'static str = "token";
}

impl Entity for ApiKey {
    const KIND: Kind = Kind::Key;
    const NAME: &'static str = "key";

    fn claims(&self) -> Vec<Claim> {
        vec![Claim::new(Self::SPACE, &self.key)]
    }
}

impl Entity for Token {
    const KIND: Kind = Kind::Token;
    const NAME: &'static str = "token";

    fn claims(&self) -> Vec<Claim> {
        vec![Claim::new(Self::SPACE, self.digest.to_string())]
    }
}
