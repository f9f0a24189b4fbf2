use serde::{Deserialize, Serialize};

use super::{Entity, Extra, Kind};
use crate::authorize::Subject;
use crate::records::Claim;

/// A way for people to sign in to stores, and who may use it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthPolicy {
    /// What people call it; unique in the organization.
    pub name: String,
    /// Who checks that they are who they say.
    pub method: AuthMethod,
    /// Settings of the method, under its own names. Holds no secrets: see [`AuthPolicy::MASK`].
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub configuration: Extra,
    /// Only people who have an account here.
    pub check_exists: bool,
    /// Only people among [`AuthPolicy::users`].
    pub check_approved: bool,
    /// Who is approved.
    #[serde(default)]
    pub users: Vec<Subject>,
}

/// Who checks a sign-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuthMethod {
    /// This depot: account and password.
    Password,
    /// A service of the organization's own.
    Service,
    /// A directory (RFC 4511).
    Ldap,
    /// OAuth 1.0 (RFC 5849).
    OAuth1,
    /// OAuth 2.0 (RFC 6749).
    OAuth2,
    /// OpenID.
    OpenId,
}

impl AuthPolicy {
    /// Whether it lets this account in, once it is known whose it is.
    pub fn admits(&self, account: &Subject) -> bool {
        !self.check_approved || self.users.contains(account)
    }

    /// What stands in a configuration for a secret. Nothing here signs in elsewhere on someone's behalf, so a secret
    /// would only be there to be stolen: it is dropped as it comes in.
    pub const MASK: &'static str = "********";
}

impl Entity for AuthPolicy {
    const KIND: Kind = Kind::AuthPolicy;
    const NAME: &'static str = "auth policy";

    fn claims(&self) -> Vec<Claim> {
        vec![Claim::new("name", &self.name)]
    }
}
