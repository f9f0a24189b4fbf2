use serde::{Deserialize, Serialize};

use super::{Entity, Extra, Kind, Timestamp};
use crate::authorize::Person;
use crate::records::Claim;

/// A person with an account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// E-mail address; unique in the organization whatever the letter case, and a name to sign in with.
    pub email: String,
    /// Another name to sign in with; unique in the organization whatever the letter case, without an `@`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Given name.
    #[serde(default)]
    pub first_name: String,
    /// Family name.
    #[serde(default)]
    pub last_name: String,
    /// Whether they are let in.
    pub enabled: bool,
    /// When they last signed in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_in_at: Option<Timestamp>,
    /// Grows when all their sessions end: a session of an older generation is over.
    #[serde(default)]
    pub generation: u64,
    /// More, by name, as clients keep it.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub attributes: Extra,
}

impl User {
    /// What e-mail addresses are unique in.
    pub const EMAIL: &'static str = "email";
    /// What user names are unique in.
    pub const USERNAME: &'static str = "username";

    /// How to call them.
    pub fn person(&self) -> Person {
        Person {
            email: self.email.clone(),
            first_name: self.first_name.clone(),
            last_name: self.last_name.clone(),
        }
    }
}

impl Entity for User {
    const KIND: Kind = Kind::User;
    const NAME: &'static str = "user";

    fn claims(&self) -> Vec<Claim> {
        let mut claims = vec![Claim::new(Self::EMAIL, self.email.to_lowercase())];
        claims.extend(self.username.iter().map(|name| Claim::new(Self::USERNAME, name.to_lowercase())));
        claims
    }
}

/// What a user's password is checked against. A record of its own under the user's id, so that reading users never
/// meets it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Password {
    /// A slow hash with its salt and parameters, as [`Passwords`](crate::authenticate::Passwords) made it.
    pub(crate) digest: String,
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password")
    }
}

impl Entity for Password {
    const KIND: Kind = Kind::Password;
    const NAME: &'static str = "password";
}
