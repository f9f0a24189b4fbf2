//! The identity ports: from a presented credential to an actor, and from a password to what is kept of it.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::authorize::Actor;
use crate::error::{CredentialFault, Error, ErrorKind, Result};

/// Turns credentials into actors. Dialects use it; the `Depot` itself only ever sees actors.
#[async_trait]
pub trait Authenticator: fmt::Debug + Send + Sync + 'static {
    /// The actor that the bearer `token` stands for.
    ///
    /// # Errors
    /// `Unauthenticated` with [`CredentialFault`].
    async fn authenticate(&self, token: &str) -> Result<Actor>;

    /// Whether a token looks like one of this authenticator's, for a [`Chain`]. It need not be good.
    fn recognizes(&self, token: &str) -> bool {
        let _ = token;
        true
    }

    /// An access token for a client that proves itself with its secret (OAuth 2 client credentials, RFC 6749
    /// §4.4). `scopes` narrows; `None` asks for all the client has.
    ///
    /// # Errors
    /// `Unauthenticated` for an unknown client or a wrong secret; `Invalid` with the field `scope` for one the
    /// client does not have; `Unsupported`, as by default, where tokens come from elsewhere.
    async fn grant(
        &self,
        client: &str,
        secret: &str,
        scopes: Option<BTreeSet<String>>,
    ) -> Result<AccessToken> {
        let _ = (client, secret, scopes);
        Err(Error::new(ErrorKind::Unsupported, "access tokens are made elsewhere"))
    }
}

/// Several authenticators as one: the first that recognizes a token decides on it, and nobody is asked after it.
#[derive(Debug, Clone, Default)]
pub struct Chain(Vec<Arc<dyn Authenticator>>);

impl Chain {
    /// Nobody yet: nobody is let in.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with one more, asked after the others.
    #[must_use]
    pub fn with(mut self, next: Arc<dyn Authenticator>) -> Self {
        self.0.push(next);
        self
    }
}

#[async_trait]
impl Authenticator for Chain {
    async fn authenticate(&self, token: &str) -> Result<Actor> {
        match self.0.iter().find(|link| link.recognizes(token)) {
            Some(link) => link.authenticate(token).await,
            None => Err(Error::unauthenticated(CredentialFault::Bad)),
        }
    }

    fn recognizes(&self, token: &str) -> bool {
        self.0.iter().any(|link| link.recognizes(token))
    }

    async fn grant(
        &self,
        client: &str,
        secret: &str,
        scopes: Option<BTreeSet<String>>,
    ) -> Result<AccessToken> {
        for link in &self.0 {
            match link.grant(client, secret, scopes.clone()).await {
                Err(error) if error.kind() == ErrorKind::Unsupported => {}
                other => return other,
            }
        }
        Err(Error::new(ErrorKind::Unsupported, "access tokens are made elsewhere"))
    }
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

/// Makes and checks what is kept of passwords: a hash that is slow on purpose.
///
/// # Behavior
/// - Neither method holds up the thread that asks.
#[async_trait]
pub trait Passwords: fmt::Debug + Send + Sync + 'static {
    /// What to keep of `password`: its hash, with the salt and the parameters.
    ///
    /// # Errors
    /// `Unsupported` where nobody signs in by password.
    async fn hash(&self, password: &str) -> Result<String>;

    /// Whether `kept` was made of `password`.
    ///
    /// # Behavior
    /// - Without `kept` the answer is [`Verdict::Wrong`], and takes as long as with it.
    ///
    /// # Errors
    /// `Internal` when `kept` cannot be read; `Unsupported` where nobody signs in by password.
    async fn verify(&self, password: &str, kept: Option<&str>) -> Result<Verdict>;
}

/// What came of checking a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is another one.
    Wrong,
    /// It is the one.
    Right,
    /// It is the one, and was hashed with other parameters than today's: hash it again.
    Outdated,
}

/// Nobody signs in by password.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoPasswords;

#[async_trait]
impl Passwords for NoPasswords {
    async fn hash(&self, _: &str) -> Result<String> {
        Err(Error::new(ErrorKind::Unsupported, "nobody signs in by password here"))
    }

    async fn verify(&self, _: &str, _: Option<&str>) -> Result<Verdict> {
        Err(Error::new(ErrorKind::Unsupported, "nobody signs in by password here"))
    }
}
