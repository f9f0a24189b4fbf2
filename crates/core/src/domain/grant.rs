use std::fmt;

use serde::{Deserialize, Serialize};

use super::{App, Entity, Id, Kind};
use crate::authorize::Subject;
use crate::error::{Error, Result};
use crate::records::Claim;

/// A role given to a subject, in the organization or on one app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Grant {
    /// Who has it.
    pub subject: Subject,
    /// What it is.
    pub role: Role,
    /// On which app only, if not on the whole organization.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<Id<App>>,
}

/// A role's name, such as `org.owner` or `app.editor`; the authorizer says what it permits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Role(String);

impl Role {
    /// The role that may do everything in an organization.
    pub const OWNER: &'static str = "org.owner";
    /// The role that sends builds for an app and offers them.
    pub const APP_EDITOR: &'static str = "app.editor";

    /// Reads a role name.
    ///
    /// # Errors
    /// `Invalid` unless it is 1 to 64 lower-case letters, digits, `.`, `-` or `_`.
    pub fn parse(text: &str) -> Result<Self> {
        let inner = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || b".-_".contains(&c);
        if (1..=64).contains(&text.len()) && text.bytes().all(inner) {
            return Ok(Self(text.to_owned()));
        }
        Err(Error::invalid("role", "1 to 64 lower-case letters, digits, '.', '-' or '_'"))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Role {
    type Error = Error;
    fn try_from(text: String) -> Result<Self> {
        Self::parse(&text)
    }
}

impl From<Role> for String {
    fn from(role: Role) -> Self {
        role.0
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Entity for Grant {
    const KIND: Kind = Kind::Grant;
    const NAME: &'static str = "grant";

    fn claims(&self) -> Vec<Claim> {
        let app = self.app.map(|app| app.to_string()).unwrap_or_default();
        vec![Claim::new("grant", format!("{}/{}/{app}", self.subject, self.role))]
    }
}
