//! The identity port: from a presented credential to an actor.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use crate::authorize::Actor;
use crate::error::Result;

/// Turns credentials into actors. Dialects use it; the `Depot` itself only ever sees actors.
#[async_trait]
pub trait Authenticator: fmt::Debug + Send + Sync + 'static {
    /// The actor that the bearer `token` stands for.
    ///
    /// # Errors
    /// `Unauthenticated` with [`crate::error::CredentialFault`].
    async fn authenticate(&self, token: &str) -> Result<Actor>;

    /// An access token for a client that proves itself with its secret (OAuth 2 client credentials, RFC 6749
    /// §4.4). `scopes` narrows; `None` asks for all the client has.
    ///
    /// # Errors
    /// `Unauthenticated` for an unknown client or a wrong secret; `Invalid` with the field `scope` for one the
    /// client does not have; `Unsupported` where tokens come from elsewhere.
    async fn grant(
        &self,
        client: &str,
        secret: &str,
        scopes: Option<BTreeSet<String>>,
    ) -> Result<AccessToken>;
}

/// A freshly made access token. The only time its text is seen.
#[derive(Clone)]
pub struct AccessToken {
    /// The bearer token.
    pub token: String,
    /// How long it is good for.
    pub lifetime: Duration,
    /// What it was narrowed to.
    pub scopes: BTreeSet<String>,
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessToken").field("lifetime", &self.lifetime).field("scopes", &self.scopes).finish()
    }
}
