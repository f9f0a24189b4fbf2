//! API keys, and the access tokens made from them.

mod entities;
mod secret;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use appdepot_core::authenticate::{AccessToken, Authenticator};
use appdepot_core::authorize::{Actor, Person, Subject};
use appdepot_core::domain::{Entity, Id, Kind, Organization, Stored, Timestamp};
use appdepot_core::error::CredentialFault;
use appdepot_core::query::{Field, Op, PAGE_LIMIT, Query, Sort, Value};
use appdepot_core::records::{Batch, Change, Claim, Key, RecordStore};
use appdepot_core::{Error, ErrorKind, Result};
use async_trait::async_trait;

use self::entities::{ApiKey, Token};
use self::secret::{Digest, KeyText, KeyTextRef, TokenText};
use crate::policy::{DEFAULT_POLICY, Policy};

/// How long an access token is good for, unless set otherwise. What Emporix documents.
pub const TOKEN_LIFETIME: Duration = Duration::from_secs(14_399);

/// The longest credential that is looked at, in bytes.
const CREDENTIAL_LIMIT: usize = 512;
/// The longest name of a key, in characters.
const NAME_LIMIT: usize = 128;
/// The longest text of a [`Person`], in characters.
const PERSON_LIMIT: usize = 256;
/// How often a change is tried again after another one came first.
const ATTEMPTS: usize = 4;
/// Keys and tokens have to be found before the organization is known, so all are kept in the root.
const HOME: Id<Organization> = Id::NIL;

/// Keeps API keys, makes access tokens, and tells whom a credential stands for.
///
/// A key is `ID.SECRET`; the whole text is a bearer credential, and its two parts are an OAuth client's id and
/// secret. Only a SHA-256 digest of the secret is kept: keys are random, so a slow hash would add nothing.
///
/// # Security
/// `create`, `import`, `list` and `revoke` ask nobody: whoever calls them has to authorize the caller first. A key
/// by itself permits nothing; its subject `key:ID` needs grants.
///
/// # Examples
/// ```
/// use std::sync::Arc;
/// use appdepot_authz::{Keys, NewKey};
/// use appdepot_core::authenticate::Authenticator;
/// use appdepot_core::domain::Id;
/// use appdepot_core::memory::MemoryRecords;
///
/// # futures::executor::block_on(async {
/// let keys = Keys::new(Arc::new(MemoryRecords::new()));
/// let key = keys.create(&NewKey::new(Id::generate(), "build server")).await?;
/// let actor = keys.authenticate(&key.text).await?;
/// assert_eq!(actor.subject, key.subject);
///
/// keys.revoke(&key.id).await?;
/// assert!(keys.authenticate(&key.text).await.is_err());
/// # Ok::<(), appdepot_core::Error>(())
/// # }).unwrap();
/// ```
pub struct Keys {
    records: Arc<dyn RecordStore>,
    scopes: BTreeSet<String>,
    lifetime: Duration,
}

/// What a key should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewKey {
    /// Whose it is. Decides who lists it; what it may do comes from grants.
    pub organization: Id<Organization>,
    /// What people call it.
    pub name: String,
    /// The scopes it is narrowed to; `None` for all its subject's rights.
    pub scopes: Option<BTreeSet<String>>,
    /// How to call whoever uses it.
    pub person: Person,
    /// Until when it is good; `None` for ever.
    pub expires_at: Option<Timestamp>,
}

/// A freshly made key. The only time its text is seen.
#[derive(Clone, PartialEq, Eq)]
pub struct CreatedKey {
    /// Its public id, `adk_` and 24 hexadecimal digits: the OAuth client id.
    pub id: String,
    /// Whom it stands for; what to give grants to.
    pub subject: Subject,
    /// The key itself, `ID.SECRET`.
    pub text: String,
}

/// What is known of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyInfo {
    /// Its public id.
    pub id: String,
    /// Whom it stands for.
    pub subject: Subject,
    /// Whose it is.
    pub organization: Id<Organization>,
    /// What people call it.
    pub name: String,
    /// The scopes it is narrowed to.
    pub scopes: Option<BTreeSet<String>>,
    /// How to call whoever uses it.
    pub person: Person,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when it is good.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

impl NewKey {
    /// A key with all its subject's rights, that is good for ever.
    pub fn new(organization: Id<Organization>, name: impl Into<String>) -> Self {
        let name = name.into();
        let person = Person { first_name: name.clone(), ..Person::default() };
        Self { organization, name, scopes: None, person, expires_at: None }
    }
}

impl Keys {
    /// Keys kept in `records`, with the scopes of [`DEFAULT_POLICY`] and tokens good for [`TOKEN_LIFETIME`].
    pub fn new(records: Arc<dyn RecordStore>) -> Self {
        let scopes = Policy::parse(DEFAULT_POLICY).map(|policy| policy.scopes()).unwrap_or_default();
        Self { records, scopes, lifetime: TOKEN_LIFETIME }
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

    /// Makes a key.
    ///
    /// # Errors
    /// - `Invalid` for an empty or overlong name or person, control characters in them, an unknown scope, or an
    ///   expiry that is past.
    /// - `Internal` without a source of randomness.
    /// - `Unavailable` when the store did not answer; a key that nobody knows may be left then.
    pub async fn create(&self, key: &NewKey) -> Result<CreatedKey> {
        self.check(key)?;
        let record_id = Id::generate();
        let text = KeyText::generate(record_id)?;
        let parts = text.parts();
        let id = parts.id.to_owned();
        let subject = Subject::key(&id)?;
        let stored = self.stored(record_id, &parts, key);
        self.insert(&stored).await?;
        Ok(CreatedKey { id, subject, text: text.into_text() })
    }

    /// Takes in a key that an operator made up, and returns its public id.
    ///
    /// # Behavior
    /// - Repeating it with the same values changes nothing, so a server can do it at every start.
    ///
    /// # Errors
    /// - `Invalid` with the field `key` unless the text is `ID.SECRET`: an id of 1 to 64 characters of
    ///   `A-Z a-z 0-9 _ -`, not one of this crate's own, and a secret of 16 to 256 of them; and whatever
    ///   [`Keys::create`] refuses.
    /// - `Conflict` when the id is there with any other value, or was revoked.
    /// - `Unavailable` when the store did not answer.
    pub async fn import(&self, text: &str, key: &NewKey) -> Result<String> {
        let parts = KeyTextRef::foreign(text)?;
        self.check(key)?;
        let stored = self.stored(Id::generate(), &parts, key);
        for _ in 0..ATTEMPTS {
            if let Some(found) = self.find(parts.id).await? {
                return if found.value == stored.value {
                    Ok(parts.id.to_owned())
                } else {
                    Err(Error::taken(ApiKey::SPACE))
                };
            }
            match self.insert(&stored).await {
                // Another process may have imported the same key just now.
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                other => return other.map(|()| parts.id.to_owned()),
            }
        }
        Err(Error::taken(ApiKey::SPACE))
    }

    /// The keys of an organization, revoked ones included, oldest first.
    ///
    /// # Errors
    /// `Unavailable` when the store did not answer.
    pub async fn list(&self, organization: Id<Organization>) -> Result<Vec<KeyInfo>> {
        let first = Query::of::<ApiKey>(HOME)
            .filter(Field::parse("organization")?, Op::Eq(organization.into()))
            .sort(Sort::ascending(Field::Id))
            .limit(PAGE_LIMIT);
        let mut query = first.clone();
        let mut keys = Vec::new();
        loop {
            let page = self.records.list(&query).await?;
            for record in page.items {
                keys.push(info(Stored::from_record(record)?)?);
            }
            match page.next {
                None => return Ok(keys),
                Some(next) => query = first.clone().after(next),
            }
        }
    }

    /// Makes a key, and every token made from it, bad at once and for ever.
    ///
    /// # Behavior
    /// - Repeating it changes nothing.
    ///
    /// # Errors
    /// - `NotFound` for an id that no key has.
    /// - `Conflict` when others kept changing the key.
    /// - `Unavailable` when the store did not answer; the key may be revoked or not, and trying again tells.
    pub async fn revoke(&self, id: &str) -> Result<()> {
        for _ in 0..ATTEMPTS {
            let Some(found) = self.find(id).await? else { return Err(Error::not_found("key")) };
            if found.revoked_at.is_some() {
                return Ok(());
            }
            let now = Timestamp::now();
            let revoked = ApiKey { revoked_at: Some(now), ..found.value.clone() };
            let mut batch = Batch::new();
            batch.changes.push(Change::Update(found.changed(revoked, now).to_record(batch.id)?));
            match self.records.commit(batch).await {
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                other => return other,
            }
        }
        Err(Error::stale(None))
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

    fn check(&self, key: &NewKey) -> Result<()> {
        check_text("name", &key.name, NAME_LIMIT)?;
        if key.name.trim().is_empty() {
            return Err(Error::invalid("name", "must not be empty"));
        }
        check_text("person.email", &key.person.email, PERSON_LIMIT)?;
        check_text("person.firstName", &key.person.first_name, PERSON_LIMIT)?;
        check_text("person.lastName", &key.person.last_name, PERSON_LIMIT)?;
        if key.expires_at.is_some_and(|expires_at| expires_at <= Timestamp::now()) {
            return Err(Error::invalid("expiresAt", "is past"));
        }
        if key.scopes.iter().flatten().any(|scope| !self.scopes.contains(scope)) {
            return Err(Error::invalid("scope", "unknown"));
        }
        Ok(())
    }

    fn stored(&self, id: Id<ApiKey>, parts: &KeyTextRef<'_>, key: &NewKey) -> Stored<ApiKey> {
        let value = ApiKey {
            key: parts.id.to_owned(),
            digest: parts.digest(),
            organization: key.organization,
            name: key.name.clone(),
            scopes: key.scopes.clone(),
            person: key.person.clone(),
            expires_at: key.expires_at,
            revoked_at: None,
        };
        Stored { id, ..Stored::new(HOME, value, Timestamp::now()) }
    }

    async fn insert<T: Entity>(&self, stored: &Stored<T>) -> Result<()> {
        let mut batch = Batch::new();
        batch.changes.push(Change::Insert(stored.to_record(batch.id)?));
        self.records.commit(batch).await
    }

    async fn find(&self, id: &str) -> Result<Option<Stored<ApiKey>>> {
        self.fetch(Key::Claim { organization: HOME, kind: Kind::Key, claim: Claim::new(ApiKey::SPACE, id) })
            .await
    }

    async fn fetch<T: Entity>(&self, key: Key) -> Result<Option<Stored<T>>> {
        self.records.get(&key).await?.map(Stored::from_record).transpose()
    }

    /// The key that these parts prove to have.
    async fn proven(&self, parts: &KeyTextRef<'_>) -> Result<Stored<ApiKey>> {
        let found = self.find(parts.id).await?;
        // An unknown id costs a comparison as well, so that time does not tell the ids.
        let expected = found.as_ref().map_or(Digest::NONE, |key| key.digest);
        let proven = parts.digest().is(&expected);
        let key = found.filter(|_| proven).ok_or_else(bad)?;
        usable(&key)?;
        Ok(key)
    }
}

#[async_trait]
impl Authenticator for Keys {
    async fn authenticate(&self, token: &str) -> Result<Actor> {
        if token.len() > CREDENTIAL_LIMIT {
            return Err(bad());
        }
        if let Some(parts) = KeyTextRef::read(token) {
            let key = self.proven(&parts).await?.value;
            let scopes = key.scopes.clone();
            return actor(key, scopes);
        }
        let text = TokenText::read(token).ok_or_else(bad)?;
        let digest = Digest::of(text);
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
        actor(key.value, scopes)
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
        let parts = KeyTextRef::of(client, secret).ok_or_else(bad)?;
        let key = self.proven(&parts).await?;
        let own = key.scopes.as_ref().unwrap_or(&self.scopes);
        if let Some(asked) = &scopes {
            if asked.is_empty() {
                return Err(Error::invalid("scope", "must not be empty"));
            }
            if !asked.is_subset(own) {
                return Err(Error::invalid("scope", "not one of the client's"));
            }
        }
        let now = Timestamp::now();
        let end = now.after(self.lifetime);
        let expires_at = key.expires_at.map_or(end, |key| key.min(end));
        let effective = scopes.as_ref().unwrap_or(own).clone();
        let text = TokenText::generate()?;
        let token = Token { digest: Digest::of(&text), key: key.id, scopes, expires_at };
        self.insert(&Stored::new(HOME, token, now)).await?;
        let left = u64::try_from(expires_at.millis() - now.millis()).unwrap_or(0);
        Ok(AccessToken { token: text, lifetime: Duration::from_millis(left), scopes: effective })
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("lifetime", &self.lifetime).finish_non_exhaustive()
    }
}

impl fmt::Debug for CreatedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreatedKey").field("id", &self.id).finish_non_exhaustive()
    }
}

fn bad() -> Error {
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

fn actor(key: ApiKey, scopes: Option<BTreeSet<String>>) -> Result<Actor> {
    let mut actor = Actor::new(Subject::key(&key.key)?);
    actor.scopes = scopes;
    actor.person = key.person;
    Ok(actor)
}

fn info(stored: Stored<ApiKey>) -> Result<KeyInfo> {
    let created_at = stored.created_at;
    let key = stored.value;
    Ok(KeyInfo {
        subject: Subject::key(&key.key)?,
        id: key.key,
        organization: key.organization,
        name: key.name,
        scopes: key.scopes,
        person: key.person,
        created_at,
        expires_at: key.expires_at,
        revoked_at: key.revoked_at,
    })
}

fn check_text(field: &'static str, text: &str, most: usize) -> Result<()> {
    if text.chars().count() > most {
        return Err(Error::invalid(field, format!("longer than {most} characters")));
    }
    if text.chars().any(char::is_control) {
        return Err(Error::invalid(field, "control characters"));
    }
    Ok(())
}
