//! Who may do what, and which credential stands for whom.
//!
//! [`CasbinAuthorizer`] answers core's [`Authorizer`](appdepot_core::authorize::Authorizer) port from the grants
//! of an organization and one policy of roles; [`Keys`] answers its
//! [`Authenticator`](appdepot_core::authenticate::Authenticator) port with API keys and the access tokens made
//! from them. Both keep what they know in a [`RecordStore`](appdepot_core::records::RecordStore).
//! [`Argon2Passwords`] hashes passwords for core's [`Passwords`](appdepot_core::authenticate::Passwords) port;
//! [`Xacml`] reads the conditions of policies for its [`Conditions`](appdepot_core::conditions::Conditions) port; with
//! the feature `jwt`, `Issuer` lets the tokens of an outside issuer in.
//! Whatever is not allowed is denied, and so is whatever could not be decided.

mod casbin;
mod explain;
mod facts;
mod frozen;
#[cfg(feature = "jwt")]
mod jwt;
mod keys;
mod model;
mod passwords;
mod policy;
mod roles;
mod snapshot;
mod xacml;

pub use self::casbin::{CasbinAuthorizer, LEASE, LEASE_LIMIT};
#[cfg(feature = "jwt")]
pub use self::jwt::{FetchKeys, Issuer};
pub use self::keys::{Keys, TOKEN_LIFETIME};
pub use self::model::MODEL;
pub use self::passwords::Argon2Passwords;
pub use self::policy::DEFAULT_POLICY;
pub use self::xacml::Xacml;
