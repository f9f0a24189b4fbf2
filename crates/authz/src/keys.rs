//! Whom API keys stand for, and the access tokens made from them.

use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use appdepot_core::authenticate::{AccessToken, Authenticator};
use appdepot_core::authorize::Actor;
use appdepot_core::domain::{ApiKey, Entity, Id, Kind, Organization, Stored, Timestamp, User};
use appdepot_core::error::CredentialFault;
use appdepot_core::query::{Field, Op, PAGE_LIMIT, Query, Value};
use appdepot_core::records::{Batch, Change, Claim, Key, RecordStore};
use appdepot_core::secret::{Digest, KEY_PREFIX, Parts, SESSION_PREFIX, TokenText};
use appdepot_core::{Error, Result};
use async_trait::async_trait;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;

use crate::policy::{DEFAULT_POLICY, Policy, is_by_vendor};

/// How long an access token is good for, unless set otherwise. What Emporix documents.
pub const TOKEN_LIFETIME: Duration = Duration::from_secs(14_399);

/// How old the last use that a key tells may be before another is written down.
const USE_INTERVAL: Duration = Duration::from_secs(60);
/// The longest credential that is looked at, in bytes.
const CREDENTIAL_LIMIT: usize = 512;
/// Keys and tokens have to be found before the organization is known, so all are kept in the root.
const HOME: Id<Organization> = Id::NIL;

/// Tells whom an API key or an access token stands for, and makes access tokens from keys.
///
/// A key is `ID.SECRET`; the whole text is a bearer credential, and its two parts are an OAuth client's id and
/// secret. Only a SHA-256 digest of the secret is kept: keys are random, so a slow hash would add nothing.
/// [`Depot::create_key`](appdepot_core::Depot::create_key) and its neighbours make, list and revoke them.
///
/// When a key was last used is written down at most once a minute, behind the request's back.
///
/// # Examples
/// ```
/// use std::sync::Arc;
/// use appdepot_authz::Keys;
/// use appdepot_core::authenticate::Authenticator;
/// use appdepot_core::authorize::Actor;
/// use appdepot_core::depot::{Depot, NewKey};
/// use appdepot_core::memory::MemoryRecords;
///
/// # futures::executor::block_on(async {
/// let records = Arc::new(MemoryRecords::new());
/// let depot = Depot::builder().records(records.clone()).build();
/// let system = Actor::system("example");
/// let acme = depot.create_organization(&system, "acme", "Acme Corp.").await?.id;
/// let created = depot.create_key(&system, NewKey::new(acme, "build server")).await?;
///
/// let keys = Keys::new(records);
/// let actor = keys.authenticate(&created.text).await?;
/// assert_eq!(actor.subject, created.subject);
///
/// depot.revoke_key(&system, acme, &created.key.value.key).await?;
/// assert!(keys.authenticate(&created.text).await.is_err());
/// # Ok::<(), appdepot_core::Error>(())
/// # }).unwrap();
/// ```
pub struct Keys {
    records: Arc<dyn RecordStore>,
    scopes: BTreeSet<String>,
    lifetime: Duration,
    /// The keys whose use is just being written down.
    noting: Arc<Mutex<HashSet<Id<ApiKey>>>>,
}

/// An access token.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Token {
    /// Of the whole text.
    digest: Digest,
    /// The key it was made from.
    key: Id<ApiKey>,
    /// What it was narrowed to, within the key's own scopes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scopes: Option<BTreeSet<String>>,
    expires_at: Timestamp,
}

impl Token {
    const SPACE: &'static str = "token";
}

impl Entity for Token {
    const KIND: Kind = Kind::Token;
    const NAME: &'static str = "token";

    fn claims(&self) -> Vec<Claim> {
        vec![Claim::new(Self::SPACE, self.digest.to_string())]
    }
}

impl Keys {
    /// Keys kept in `records`, with the scopes of [`DEFAULT_POLICY`] and tokens good for [`TOKEN_LIFETIME`].
    pub fn new(records: Arc<dyn RecordStore>) -> Self {
        let scopes = Policy::parse(DEFAULT_POLICY).map(|policy| policy.scopes()).unwrap_or_default();
        Self { records, scopes, lifetime: TOKEN_LIFETIME, noting: Arc::default() }
    }

    /// The same with the scopes of another policy, see [`CasbinAuthorizer::scopes`].
    ///
    /// [`CasbinAuthorizer::scopes`]: crate::CasbinAuthorizer::scopes
    #[must_use]
    pub fn with_scopes(mut self, scopes: BTreeSet<String>) -> Self {
        self.scopes = scopes;
        self
    }

    /// The same with access tokens that are good for this long.
    #[must_use]
    pub fn with_token_lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// Removes access tokens that expired, at most `limit` of them and at most 1,000, and returns how many. For a
    /// server's upkeep.
    ///
    /// # Errors
    /// - `Conflict` when another process removes the same ones.
    /// - `Unavailable` when the store did not answer.
    pub async fn purge(&self, limit: u32) -> Result<usize> {
        let expires_at = Field::parse("expiresAt")?;
        let past = std::ops::Bound::Excluded(Value::Time(Timestamp::now()));
        let query = Query::of::<Token>(HOME)
            .filter(expires_at, Op::Range(std::ops::Bound::Unbounded, past))
            .limit(limit.clamp(1, PAGE_LIMIT));
        let expired = self.records.list(&query).await?.items;
        let mut batch = Batch::new();
        let delete = expired.iter().map(|record| Change::Delete {
            organization: record.organization,
            kind: record.kind,
            id: record.id,
            revision: record.revision,
        });
        batch.changes.extend(delete);
        if !batch.changes.is_empty() {
            self.records.commit(batch).await?;
        }
        Ok(expired.len())
    }

    async fn fetch<T: Entity>(&self, key: Key) -> Result<Option<Stored<T>>> {
        self.records.get(&key).await?.map(Stored::from_record).transpose()
    }

    /// The key that these parts prove to have.
    async fn proven(&self, parts: &Parts<'_>) -> Result<Stored<ApiKey>> {
        let claim = Claim::new(ApiKey::SPACE, parts.id);
        let found: Option<Stored<ApiKey>> =
            self.fetch(Key::Claim { organization: HOME, kind: Kind::Key, claim }).await?;
        // An unknown id costs a comparison as well, so that time does not tell the ids.
        let expected = found.as_ref().map_or(Digest::NONE, |key| key.digest);
        let proven = parts.digest().is(&expected);
        let key = found.filter(|_| proven).ok_or_else(bad)?;
        usable(&key)?;
        Ok(key)
    }

    /// Whom a proven key stands for.
    async fn actor(&self, key: Stored<ApiKey>, scopes: Option<BTreeSet<String>>) -> Result<Actor> {
        let mut actor = Actor::new(key.subject()?);
        actor.person = match key.owner {
            None => key.person.clone(),
            Some(owner) => {
                let organization = key.value.organization;
                let owner = Key::Id { organization, kind: Kind::User, id: owner.cast() };
                let owner: Option<Stored<User>> = self.fetch(owner).await?;
                owner.filter(|owner| owner.enabled).ok_or_else(bad)?.person()
            }
        };
        actor.scopes = scopes;
        actor.home = Some(key.value.organization);
        actor.app = key.app;
        actor.vendor.clone_from(&key.vendor);
        self.note_use(key).await;
        Ok(actor)
    }

    /// Writes down that a key was used, unless that was done within the last minute. What fails is tried again at
    /// the next use.
    async fn note_use(&self, key: Stored<ApiKey>) {
        let now = Timestamp::now();
        let noted = key.last_used_at.is_some_and(|used| used.after(USE_INTERVAL) > now);
        if noted || !self.noting.lock().insert(key.id) {
            return;
        }
        let (records, noting) = (Arc::clone(&self.records), Arc::clone(&self.noting));
        let write = async move {
            let id = key.id;
            let used = key.changed(ApiKey { last_used_at: Some(now), ..key.value.clone() }, now);
            let mut batch = Batch::new();
            let written = match used.to_record(batch.id) {
                Ok(record) => {
                    batch.changes.push(Change::Update(record));
                    records.commit(batch).await
                }
                Err(error) => Err(error),
            };
            if let Err(error) = written {
                tracing::debug!(?error, key = %id, "the use of a key was not written down");
            }
            noting.lock().remove(&id);
        };
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(write)),
            Err(_) => write.await,
        }
    }
}

#[async_trait]
impl Authenticator for Keys {
    async fn authenticate(&self, token: &str) -> Result<Actor> {
        if token.len() > CREDENTIAL_LIMIT {
            return Err(bad());
        }
        if let Some(parts) = Parts::read(token) {
            let key = self.proven(&parts).await?;
            let scopes = key.scopes.clone();
            return self.actor(key, scopes).await;
        }
        let digest = TokenText::read(token).ok_or_else(bad)?;
        let claim = Claim::new(Token::SPACE, digest.to_string());
        let found: Option<Stored<Token>> =
            self.fetch(Key::Claim { organization: HOME, kind: Kind::Token, claim }).await?;
        let expected = found.as_ref().map_or(Digest::NONE, |token| token.digest);
        let proven = digest.is(&expected);
        let token = found.filter(|_| proven).ok_or_else(bad)?;
        let key = Key::Id { organization: HOME, kind: Kind::Key, id: token.key.cast() };
        let key: Stored<ApiKey> = self.fetch(key).await?.ok_or_else(bad)?;
        usable(&key)?;
        if token.expires_at <= Timestamp::now() {
            return Err(Error::unauthenticated(CredentialFault::Expired));
        }
        // The key's own scopes are asked again: a token never has more than its key.
        let scopes = match (&token.scopes, &key.scopes) {
            (None, key) => key.clone(),
            (Some(token), None) => Some(token.clone()),
            (Some(token), Some(key)) => Some(token & key),
        };
        self.actor(key, scopes).await
    }

    fn recognizes(&self, token: &str) -> bool {
        let key = token.starts_with(KEY_PREFIX) || Parts::read(token).is_some();
        (key && !token.starts_with(SESSION_PREFIX)) || TokenText::read(token).is_some()
    }

    async fn grant(
        &self,
        client: &str,
        secret: &str,
        scopes: Option<BTreeSet<String>>,
    ) -> Result<AccessToken> {
        if client.len() + secret.len() >= CREDENTIAL_LIMIT {
            return Err(bad());
        }
        let parts = Parts::of(client, secret).ok_or_else(bad)?;
        let key = self.proven(&parts).await?;
        let fitting = |scope: &&String| is_by_vendor(scope) == key.vendor.is_some();
        let own = match &key.scopes {
            Some(own) => own.clone(),
            None => self.scopes.iter().filter(fitting).cloned().collect(),
        };
        if let Some(asked) = &scopes {
            if asked.is_empty() {
                return Err(Error::invalid("scope", "must not be empty"));
            }
            if !asked.is_subset(&own) {
                return Err(Error::invalid("scope", "not one of the client's"));
            }
        }
        let now = Timestamp::now();
        let end = now.after(self.lifetime);
        let expires_at = key.expires_at.map_or(end, |key| key.min(end));
        let effective = scopes.as_ref().unwrap_or(&own).clone();
        let text = TokenText::generate()?;
        let token = Token { digest: Digest::of(&text), key: key.id, scopes, expires_at };
        // A user who is not let in gets no tokens.
        self.actor(key, None).await?;
        let mut batch = Batch::new();
        batch.changes.push(Change::Insert(Stored::new(HOME, token, now).to_record(batch.id)?));
        self.records.commit(batch).await?;
        let left = u64::try_from(expires_at.millis() - now.millis()).unwrap_or(0);
        Ok(AccessToken { token: text, lifetime: Duration::from_millis(left), scopes: effective })
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("lifetime", &self.lifetime).finish_non_exhaustive()
    }
}

pub(crate) fn bad() -> Error {
    Error::unauthenticated(CredentialFault::Bad)
}

fn usable(key: &ApiKey) -> Result<()> {
    if key.revoked_at.is_some() {
        return Err(bad());
    }
    if key.expires_at.is_some_and(|expires_at| expires_at <= Timestamp::now()) {
        return Err(Error::unauthenticated(CredentialFault::Expired));
    }
    Ok(())
}
