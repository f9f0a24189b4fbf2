//! API keys: made, listed, revoked. Whom one stands for is told by an authenticator.

use std::collections::BTreeSet;
use std::fmt;

use crate::authorize::{Actor, Person, Subject, Target, permission};
use crate::domain::{
    ApiKey, App, Grant, Id, NewEvent, Organization, Role, Stored, Timestamp, User, check_optional_text,
    check_text,
};
use crate::error::{Error, Result};
use crate::query::{Field, Op, Query, Sort};
use crate::records::Batch;
use crate::secret::{KEY_PREFIX, Parts, Text};

use super::Depot;
use super::change::check_word;

/// Keys have to be found before their organization is known, so all are kept in the root.
const HOME: Id<Organization> = Id::NIL;

/// What a key should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewKey {
    /// Whose it is.
    pub organization: Id<Organization>,
    /// The user it stands for. Without one it stands for itself, and permits nothing until its subject is given
    /// roles.
    pub owner: Option<Id<User>>,
    /// The only app it is good for; `None` for all.
    pub app: Option<Id<App>>,
    /// The only vendor of the organization it is good for, 1 to 64 letters, digits, `_` or `-`; `None` for all of
    /// the organization.
    pub vendor: Option<String>,
    /// What people call it.
    pub name: String,
    /// The scopes it is narrowed to; `None` for all its subject's rights. One that the authorizer does not know
    /// permits nothing.
    pub scopes: Option<BTreeSet<String>>,
    /// How to call whoever uses it, when it stands for itself.
    pub person: Person,
    /// Until when it is good; `None` for ever.
    pub expires_at: Option<Timestamp>,
}

/// A freshly made key. The only time its text is seen.
#[derive(Clone, PartialEq)]
pub struct CreatedKey {
    /// The key itself, `ID.SECRET`.
    pub text: String,
    /// Whom it stands for; what to give roles to.
    pub subject: Subject,
    /// What was kept.
    pub key: Stored<ApiKey>,
}

impl NewKey {
    /// A key that stands for itself and is good for ever.
    pub fn new(organization: Id<Organization>, name: impl Into<String>) -> Self {
        let name = name.into();
        let person = Person { first_name: name.clone(), ..Person::default() };
        let (owner, app, vendor, scopes, expires_at) = (None, None, None, None, None);
        Self { organization, owner, app, vendor, name, scopes, person, expires_at }
    }
}

impl Depot {
    /// Makes a key.
    ///
    /// # Behavior
    /// - Nobody makes a key that may do more than they: one that stands for a user is made by that user only, and
    ///   is no wider than the credential it is made with; one that stands for itself may do nothing until it is
    ///   given roles.
    ///
    /// # Errors
    /// `Invalid` for an empty or overlong name or person, control characters in them, malformed scopes, or an
    /// expiry that is past; `Forbidden` for a wider key; `NotFound(app)`.
    pub async fn create_key(&self, actor: &Actor, key: NewKey) -> Result<CreatedKey> {
        self.check_key(actor, &key).await?;
        let (made, batch) = self.new_key(actor, key)?;
        self.commit(batch).await?;
        Ok(made)
    }

    /// Makes a key and gives its subject a role, on the key's app if it is for one: both, or nothing.
    pub(super) async fn create_key_with(&self, actor: &Actor, key: NewKey, role: Role) -> Result<CreatedKey> {
        let organization = key.organization;
        self.check_key(actor, &key).await?;
        let (made, mut batch) = self.new_key(actor, key)?;
        let grant = Grant { subject: made.subject.clone(), role, app: made.key.app };
        self.check_grant(actor, organization, &grant).await?;
        let grant = Stored::new(organization, grant, self.now());
        batch.insert(&grant)?;
        batch.events.push(self.event(actor, "grant.create", &grant));
        let done = self.commit(batch).await;
        self.0.authorizer.changed(organization).await;
        done.map(|()| made)
    }

    /// Takes in a key that an operator made up.
    ///
    /// # Behavior
    /// - Repeating it with the same values changes nothing, so a server can do it at every start.
    ///
    /// # Errors
    /// `Invalid` with the field `key` for a text that [`Parts::foreign`] refuses, and whatever
    /// [`Depot::create_key`] refuses; `Conflict` when the id is there with any other value, or was revoked.
    pub async fn import_key(&self, actor: &Actor, text: &str, key: NewKey) -> Result<Stored<ApiKey>> {
        let parts = Parts::foreign(text)?;
        self.check_key(actor, &key).await?;
        let expected = value(&parts, key.clone());
        self.commit_made(|| async {
            if let Some(found) = self.find_claimed::<ApiKey>(HOME, ApiKey::SPACE, parts.id).await? {
                let unused = ApiKey { last_used_at: None, ..found.value.clone() };
                let same = (unused == expected).then_some((Batch::new(), found));
                return same.ok_or_else(|| Error::taken(ApiKey::SPACE));
            }
            let (stored, batch) = self.key_batch(actor, Id::generate(), &parts, key.clone())?;
            Ok((batch, stored))
        })
        .await
    }

    /// The keys of an organization, revoked ones included, oldest first; or only a user's own, which they may
    /// always see.
    ///
    /// # Errors
    /// See [`Depot`].
    pub async fn keys(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        owner: Option<Id<User>>,
    ) -> Result<Vec<Stored<ApiKey>>> {
        if !owner.is_some_and(|owner| actor.is_in_person(owner)) {
            self.authorize(actor, permission::KEY_LIST, Target::organization(organization)).await?;
        }
        let mut query = Query::of::<ApiKey>(HOME)
            .filter(Field::parse("organization")?, Op::Eq(organization.into()))
            .sort(Sort::ascending(Field::Id));
        if let Some(owner) = owner {
            query = query.filter(Field::parse("owner")?, Op::Eq(owner.into()));
        }
        self.list_all(query).await
    }

    /// The key, which is bad from now on and for ever, as is every access token made from it. A user may revoke
    /// their own.
    ///
    /// # Behavior
    /// - Repeating it changes nothing.
    ///
    /// # Errors
    /// `NotFound` for a public id that no key of this organization has.
    pub async fn revoke_key(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        id: &str,
    ) -> Result<Stored<ApiKey>> {
        self.commit_made(|| async {
            let found = self.find_claimed::<ApiKey>(HOME, ApiKey::SPACE, id).await?;
            let found = found.filter(|key| key.value.organization == organization);
            let owner = found.as_ref().and_then(|key| key.owner);
            if !owner.is_some_and(|owner| actor.is_in_person(owner)) {
                self.authorize(actor, permission::KEY_REMOVE, Target::organization(organization)).await?;
            }
            let found = found.ok_or_else(|| Error::not_found("key"))?;
            if found.revoked_at.is_some() {
                return Ok((Batch::new(), found));
            }
            let now = self.now();
            let revoked = found.changed(ApiKey { revoked_at: Some(now), ..found.value.clone() }, now);
            let mut batch = Batch::new();
            batch.update(&revoked)?;
            batch.events.push(self.key_event(actor, "key.remove", &revoked));
            Ok((batch, revoked))
        })
        .await
    }

    async fn check_key(&self, actor: &Actor, key: &NewKey) -> Result<()> {
        /// The most scopes of one key.
        const SCOPES: usize = 64;
        let target = Target { organization: key.organization, app: key.app };
        match key.owner {
            None => self.authorize(actor, permission::KEY_CREATE, target).await?,
            Some(owner) => {
                let own = actor.is_system() || actor.subject == owner.into();
                if !own || self.find::<User>(key.organization, owner).await?.is_none() {
                    return Err(Error::forbidden(permission::KEY_CREATE));
                }
            }
        }
        let narrower = match (&actor.scopes, &key.scopes) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(own), Some(new)) => new.is_subset(own),
        };
        let elsewhere = (actor.app.is_some() && actor.app != key.app)
            || (actor.vendor.is_some() && actor.vendor != key.vendor);
        if !narrower || elsewhere {
            return Err(Error::forbidden(permission::KEY_CREATE));
        }
        if let Some(app) = key.app {
            self.load::<App>(key.organization, app).await?;
        }
        if let Some(vendor) = &key.vendor {
            check_word("vendorId", vendor)?;
        }
        check_text("name", &key.name, 128)?;
        check_line("name", &key.name)?;
        let person = &key.person;
        for (field, text) in [
            ("person.email", &person.email),
            ("person.firstName", &person.first_name),
            ("person.lastName", &person.last_name),
        ] {
            check_optional_text(field, text, 256)?;
            check_line(field, text)?;
        }
        if key.expires_at.is_some_and(|expires_at| expires_at <= self.now()) {
            return Err(Error::invalid("expiresAt", "is past"));
        }
        if key
            .scopes
            .as_ref()
            .is_some_and(|scopes| scopes.len() > SCOPES || !scopes.iter().all(|s| is_scope(s)))
        {
            return Err(Error::invalid(
                "scope",
                format!("at most {SCOPES}, each 1 to 128 visible characters"),
            ));
        }
        Ok(())
    }

    /// A key with a text of its own, and what commits it.
    fn new_key(&self, actor: &Actor, key: NewKey) -> Result<(CreatedKey, Batch)> {
        let id = Id::generate();
        let text = Text::generate(KEY_PREFIX, id)?;
        let (key, batch) = self.key_batch(actor, id, &text.parts(), key)?;
        Ok((CreatedKey { subject: key.subject()?, text: text.into_text(), key }, batch))
    }

    fn key_batch(
        &self,
        actor: &Actor,
        id: Id<ApiKey>,
        parts: &Parts<'_>,
        key: NewKey,
    ) -> Result<(Stored<ApiKey>, Batch)> {
        let stored = Stored { id, ..Stored::new(HOME, value(parts, key), self.now()) };
        let mut batch = Batch::new();
        batch.insert(&stored)?;
        batch.events.push(self.key_event(actor, "key.create", &stored));
        Ok((stored, batch))
    }

    /// An event in the organization whose key it is, not in the root, where the key lies.
    fn key_event(&self, actor: &Actor, action: &str, key: &Stored<ApiKey>) -> NewEvent {
        NewEvent { organization: key.value.organization, ..self.event(actor, action, key) }
    }
}

fn value(parts: &Parts<'_>, key: NewKey) -> ApiKey {
    ApiKey {
        key: parts.id.to_owned(),
        digest: parts.digest(),
        organization: key.organization,
        owner: key.owner,
        app: key.app,
        vendor: key.vendor,
        name: key.name,
        scopes: key.scopes,
        person: key.person,
        expires_at: key.expires_at,
        revoked_at: None,
        last_used_at: None,
    }
}

/// RFC 6749 §3.3.
fn is_scope(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_graphic() && c != b'"' && c != b'\\')
}

fn check_line(field: &'static str, text: &str) -> Result<()> {
    if text.chars().any(char::is_control) { Err(Error::invalid(field, "control characters")) } else { Ok(()) }
}

impl fmt::Debug for CreatedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreatedKey").field("id", &self.key.value.key).finish_non_exhaustive()
    }
}
