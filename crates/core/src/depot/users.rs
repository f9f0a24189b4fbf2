//! Users and their passwords.

use crate::authenticate::Verdict;
use crate::authorize::{Actor, Subject, Target, permission};
use crate::domain::{
    ApiKey, Extra, Grant, Group, Id, Organization, Password, Revision, Role, Stored, User,
    check_optional_text,
};
use crate::error::{CredentialFault, Error, ErrorKind, Result};
use crate::query::{Field, Op, Page, Query};
use crate::records::Batch;

use super::{Depot, check_extra};

/// The longest e-mail address, in bytes (RFC 5321 §4.5.3.1.3, without the angle brackets).
const EMAIL_LIMIT: usize = 254;
/// The longest given or family name, in characters.
const NAME_LIMIT: usize = 128;
/// The shortest password, in characters.
const PASSWORD_SHORTEST: usize = 8;
/// The longest password, in bytes.
pub(super) const PASSWORD_LIMIT: usize = 1_024;

/// A new user, who cannot sign in before a password is set.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NewUser {
    /// E-mail address, at most 254 bytes; unique in the organization.
    pub email: String,
    /// Another name to sign in with: 1 to 128 letters, digits or `. _ - +`; unique in the organization.
    pub username: Option<String>,
    /// Given name, at most 128 characters.
    pub first_name: String,
    /// Family name, at most 128 characters.
    pub last_name: String,
    /// Attributes to keep, at most 64 KiB of JSON.
    pub attributes: Extra,
}

/// What to change of a user; `None` leaves as is.
#[derive(Debug, Clone, Default, PartialEq)]
#[allow(missing_docs)]
pub struct UserChange {
    pub email: Option<String>,
    pub username: Option<Option<String>>,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    /// `false` ends the user's sessions, and their keys and tokens are refused, at once.
    pub enabled: Option<bool>,
    pub attributes: Option<Extra>,
}

impl Depot {
    /// Makes a user.
    ///
    /// # Errors
    /// `Invalid`; `Conflict(Taken)` for a used address or user name.
    pub async fn create_user(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        new: NewUser,
    ) -> Result<Stored<User>> {
        self.authorize(actor, permission::USER_CREATE, Target::organization(organization)).await?;
        let user = User {
            email: new.email,
            username: new.username,
            first_name: new.first_name,
            last_name: new.last_name,
            enabled: true,
            signed_in_at: None,
            generation: 0,
            attributes: new.attributes,
        };
        check(&user)?;
        self.insert(actor, "user.create", Stored::new(organization, user, self.now())).await
    }

    /// Makes a user who can sign in and has a role: all of it, or nothing.
    ///
    /// # Errors
    /// As [`Depot::create_user`], [`Depot::set_password`] and [`Depot::grant`].
    pub async fn enrol(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        new: NewUser,
        password: Option<&str>,
        role: Role,
    ) -> Result<Stored<User>> {
        let user = self.create_user(actor, organization, new).await?;
        let rest = async {
            if let Some(password) = password {
                self.set_password(actor, organization, user.id, password).await?;
            }
            self.grant(actor, organization, user.id.into(), role, None).await.map(|_| ())
        };
        if let Err(error) = rest.await {
            // Whoever may make users need not be one who may remove them.
            if let Err(error) = self.remove_user(&Actor::system("enrol"), organization, user.id).await {
                tracing::warn!(?error, user = %user.id, "a user without password or role is left");
            }
            return Err(error);
        }
        self.load(organization, user.id).await
    }

    /// A user, by id, e-mail address or user name. Everyone may see themselves.
    ///
    /// # Errors
    /// See [`Depot`].
    pub async fn user(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        reference: &str,
    ) -> Result<Stored<User>> {
        let found = match Id::parse(reference) {
            Ok(id) => self.find(organization, id).await?,
            Err(_) => self.find_user(organization, reference).await?,
        };
        if found.as_ref().is_none_or(|user| actor.subject != user.id.into()) {
            self.authorize(actor, permission::USER_LIST, Target::organization(organization)).await?;
        }
        found.ok_or_else(|| Error::not_found("user"))
    }

    /// The users that `query` describes.
    ///
    /// # Errors
    /// See [`Depot`]; `Invalid` for a query out of bounds.
    pub async fn users(&self, actor: &Actor, query: Query) -> Result<Page<Stored<User>>> {
        self.authorize(actor, permission::USER_LIST, Target::organization(query.organization)).await?;
        self.list(&query).await
    }

    /// Changes a user, lets them in or shuts them out. With an `expected` revision, only if that is the stored one.
    ///
    /// # Behavior
    /// - A user who was shut out has no session left when let in again.
    /// - Only an owner changes an owner.
    ///
    /// # Errors
    /// `Invalid`; `Conflict` for a used name, a stale revision, or the last owner who would be shut out.
    pub async fn update_user(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        id: Id<User>,
        expected: Option<Revision>,
        change: UserChange,
    ) -> Result<Stored<User>> {
        let stored = self.user_to_change(actor, permission::USER_UPDATE, organization, id).await?;
        if change.enabled == Some(false) {
            self.check_dispensable(organization, id).await?;
        }
        let action = match change.enabled {
            Some(true) if !stored.enabled => "user.enable",
            Some(false) if stored.enabled => "user.disable",
            _ => "user.update",
        };
        self.update(actor, action, stored, expected, |user| {
            let change = change.clone();
            if change.enabled == Some(false) && user.enabled {
                user.generation += 1;
            }
            user.email = change.email.unwrap_or_else(|| user.email.clone());
            user.username = change.username.unwrap_or_else(|| user.username.clone());
            user.first_name = change.first_name.unwrap_or_else(|| user.first_name.clone());
            user.last_name = change.last_name.unwrap_or_else(|| user.last_name.clone());
            user.enabled = change.enabled.unwrap_or(user.enabled);
            user.attributes = change.attributes.unwrap_or_else(|| user.attributes.clone());
            check(user)
        })
        .await
    }

    /// Removes a user with their password, keys, roles and memberships. Their sessions and tokens end at once, and
    /// nobody gets their subject again. Only an owner removes an owner.
    ///
    /// # Errors
    /// `NotFound(user)`; `Conflict` for the last owner.
    pub async fn remove_user(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        id: Id<User>,
    ) -> Result<()> {
        let subject = Subject::from(id);
        let done = self.commit_made(|| async {
            let user = self.user_to_change(actor, permission::USER_REMOVE, organization, id).await?;
            let mut batch = Batch::new();
            batch.delete(&user);
            if let Some(password) = self.find::<Password>(organization, id.cast()).await? {
                batch.delete(&password);
            }
            let owned = Query::of::<ApiKey>(Id::NIL).filter(Field::parse("owner")?, Op::Eq(id.into()));
            for key in self.list_all::<ApiKey>(owned).await? {
                batch.delete(&key);
            }
            let with = |query: Query, field: &str| -> Result<Query> {
                Ok(query.filter(Field::parse(field)?, Op::Eq(subject.as_str().into())))
            };
            for grant in self.list_all::<Grant>(with(Query::of::<Grant>(organization), "subject")?).await? {
                batch.delete(&grant);
                batch.changes.extend(self.other_owner(&grant).await?);
            }
            for group in self.list_all::<Group>(with(Query::of::<Group>(organization), "members")?).await? {
                let mut left = group.value.clone();
                left.members.retain(|member| *member != subject);
                batch.update(&group.changed(left, self.now()))?;
            }
            batch.events.push(self.event(actor, "user.remove", &user));
            Ok((batch, ()))
        });
        let done = done.await;
        self.0.authorizer.changed(organization).await;
        done
    }

    /// Gives a user a password, and ends their sessions. Only an owner does it to an owner.
    ///
    /// # Errors
    /// `Invalid` with the field `password` unless it has at least 8 characters and at most 1024 bytes;
    /// `Unsupported` where nobody signs in by password.
    pub async fn set_password(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        id: Id<User>,
        password: &str,
    ) -> Result<()> {
        let user = self.user_to_change(actor, permission::USER_UPDATE, organization, id).await?;
        self.keep_password(actor, user, password, None).await
    }

    /// Gives the actor another password, if they know their old one, and ends their sessions.
    ///
    /// # Errors
    /// `Unauthenticated` for a wrong old password; `Limited` when that was tried too often; otherwise as
    /// [`Depot::set_password`].
    pub async fn change_password(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        old: &str,
        new: &str,
    ) -> Result<()> {
        let id = actor.subject.as_user().ok_or_else(|| Error::not_found("user"))?;
        let user: Stored<User> = self.load(organization, id).await?;
        // A narrowed credential must not become a whole one.
        if !actor.is_in_person(id) {
            return Err(Error::forbidden(permission::USER_UPDATE));
        }
        let address = actor.origin.address.as_deref();
        self.0.attempts.count(organization, &user.email, address, &self.0.limits, self.now())?;
        let kept = self.find::<Password>(organization, id.cast()).await?;
        let kept = kept.as_ref().map(|kept| kept.digest.as_str());
        if old.len() > PASSWORD_LIMIT || self.0.passwords.verify(old, kept).await? == Verdict::Wrong {
            return Err(Error::unauthenticated(CredentialFault::Bad));
        }
        self.0.attempts.forget(organization, &user.email);
        let proven = Some(user.generation);
        self.keep_password(actor, user, new, proven).await
    }

    /// By e-mail address, or by user name, which has no `@`.
    pub(super) async fn find_user(
        &self,
        organization: Id<Organization>,
        name: &str,
    ) -> Result<Option<Stored<User>>> {
        if name.len() > EMAIL_LIMIT {
            return Ok(None);
        }
        let space = if name.contains('@') { User::EMAIL } else { User::USERNAME };
        self.find_claimed(organization, space, &name.to_lowercase()).await
    }

    /// The user that the actor is about to change. Whoever could change somebody could sign in as them.
    pub(super) async fn user_to_change(
        &self,
        actor: &Actor,
        permission: &'static str,
        organization: Id<Organization>,
        id: Id<User>,
    ) -> Result<Stored<User>> {
        self.authorize(actor, permission, Target::organization(organization)).await?;
        let user = self.load(organization, id).await?;
        self.check_user_rank(actor, organization, id).await?;
        Ok(user)
    }

    /// With a `proven` generation, only while that is the user's and they may come in: hashing takes its time, and
    /// meanwhile somebody else may have set another password.
    async fn keep_password(
        &self,
        actor: &Actor,
        user: Stored<User>,
        password: &str,
        proven: Option<u64>,
    ) -> Result<()> {
        if password.chars().count() < PASSWORD_SHORTEST || password.len() > PASSWORD_LIMIT {
            let why = format!("at least {PASSWORD_SHORTEST} characters and at most {PASSWORD_LIMIT} bytes");
            return Err(Error::invalid("password", why));
        }
        let (organization, id) = (user.organization, user.id);
        let digest = self.0.passwords.hash(password).await?;
        self.commit_made(|| async {
            let current: Stored<User> = self.load(organization, id).await?;
            if proven.is_some_and(|proven| !current.enabled || proven != current.generation) {
                return Err(Error::unauthenticated(CredentialFault::Bad));
            }
            let mut batch = Batch::new();
            let next = User { generation: current.generation + 1, ..current.value.clone() };
            let next = current.changed(next, self.now());
            batch.update(&next)?;
            self.put_password(&mut batch, &next, &digest).await?;
            batch.events.push(self.event(actor, "user.password", &next));
            Ok((batch, ()))
        })
        .await
    }

    pub(super) async fn put_password(
        &self,
        batch: &mut Batch,
        user: &Stored<User>,
        digest: &str,
    ) -> Result<()> {
        let password = Password { digest: digest.to_owned() };
        match self.find::<Password>(user.organization, user.id.cast()).await? {
            Some(kept) => batch.update(&kept.changed(password, self.now())),
            None => {
                let first = Stored::new(user.organization, password, self.now());
                batch.insert(&Stored { id: user.id.cast(), ..first })
            }
        }
    }

    /// An organization is not left without an owner.
    async fn check_dispensable(&self, organization: Id<Organization>, id: Id<User>) -> Result<()> {
        let owners = self.owners(organization).await?;
        if owners.iter().all(|grant| grant.subject == id.into()) && !owners.is_empty() {
            return Err(Error::new(ErrorKind::Conflict, "the last owner of the organization"));
        }
        Ok(())
    }
}

fn check(user: &User) -> Result<()> {
    let good = user.email.split_once('@').is_some_and(|(local, domain)| {
        !local.is_empty()
            && !domain.is_empty()
            && !domain.contains('@')
            && !user.email.chars().any(|c| c.is_control() || c.is_whitespace())
    });
    if !good || user.email.len() > EMAIL_LIMIT {
        return Err(Error::invalid("email", "not an e-mail address of at most 254 bytes"));
    }
    if let Some(name) = &user.username {
        let inner = |c: u8| c.is_ascii_alphanumeric() || b"._-+".contains(&c);
        if !(1..=128).contains(&name.len()) || !name.bytes().all(inner) || Id::<User>::parse(name).is_ok() {
            return Err(Error::invalid("username", "1 to 128 letters, digits, or . _ - +, and not an id"));
        }
    }
    for (field, name) in [("firstName", &user.first_name), ("lastName", &user.last_name)] {
        check_optional_text(field, name, NAME_LIMIT)?;
        if name.chars().any(char::is_control) {
            return Err(Error::invalid(field, "control characters"));
        }
    }
    check_extra("attributes", &user.attributes)
}
