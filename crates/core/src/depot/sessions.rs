//! Signing in by password, and the sessions that come of it.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use crate::authenticate::{Authenticator, Verdict};
use crate::authorize::{Actor, Origin, Target, permission};
use crate::domain::{AuthMethod, AuthPolicy, Entity as _, Id, Organization, Password, Session, Stored, User};
use crate::error::{CredentialFault, Error, ErrorKind, Result};
use crate::query::{Field, Op, Query};
use crate::records::Batch;
use crate::secret::{Parts, SESSION_PREFIX, Text};

use super::users::PASSWORD_LIMIT;
use super::{Depot, Entrance};

/// How old the last use that a session tells may be before another is written down.
const USE_INTERVAL: Duration = Duration::from_secs(60);

/// Tells whom a session stands for, by asking the depot it was opened with.
#[derive(Debug, Clone)]
pub struct Sessions(Depot);

impl Sessions {
    /// The sessions of this depot.
    pub fn new(depot: Depot) -> Self {
        Self(depot)
    }
}

#[async_trait]
impl Authenticator for Sessions {
    async fn authenticate(&self, token: &str) -> Result<Actor> {
        Ok(self.0.session(token).await?.actor())
    }

    fn recognizes(&self, token: &str) -> bool {
        token.starts_with(SESSION_PREFIX)
    }
}

/// Somebody who signed in.
#[derive(Debug, Clone, PartialEq)]
pub struct SignedIn {
    /// Who.
    pub user: Stored<User>,
    /// Their session.
    pub session: Stored<Session>,
}

/// A session and, this once, its text.
#[derive(Clone, PartialEq)]
pub struct IssuedSession {
    /// The bearer text, `ads_ORGANIZATION.SECRET`.
    pub token: String,
    /// Who signed in.
    pub signed_in: SignedIn,
}

impl SignedIn {
    /// The user with all their rights. Where the request came from is for the caller to add.
    pub fn actor(&self) -> Actor {
        Actor {
            person: self.user.person(),
            home: Some(self.user.organization),
            policy: self.session.policy,
            ..Actor::new(self.user.id.into())
        }
    }
}

impl Depot {
    /// Lets a user in who knows their password, by e-mail address or user name. Always a new session; one that the
    /// client had before, `previous`, ends with it.
    ///
    /// # Behavior
    /// - An unknown name, a user without password, one who is shut out and a wrong password are answered alike, and
    ///   after as long.
    /// - Attempts are limited per account and per address ([`Limits`](super::Limits)), in this process.
    ///
    /// # Errors
    /// `Unauthenticated`; `Limited`, saying when to come back; `Unsupported` where nobody signs in by password.
    pub async fn sign_in(
        &self,
        organization: Id<Organization>,
        name: &str,
        password: &str,
        origin: Origin,
        previous: Option<&str>,
    ) -> Result<IssuedSession> {
        self.let_in(organization, &[], (name, password), origin, previous).await
    }

    /// Lets a user in who knows their password, to the organization with this slug; otherwise as [`Depot::sign_in`].
    ///
    /// # Errors
    /// As [`Depot::sign_in`]; an unknown organization is answered like a wrong password.
    pub async fn sign_in_at(
        &self,
        organization: &str,
        (name, password): (&str, &str),
        origin: Origin,
        previous: Option<&str>,
    ) -> Result<IssuedSession> {
        let found: Option<Stored<Organization>> = self.find_claimed(Id::NIL, "slug", organization).await?;
        // Nobody is in the root, so this takes as long and tells as little.
        let id = found.map_or(Id::NIL, |organization| organization.id);
        self.sign_in(id, name, password, origin, previous).await
    }

    /// Lets a user in who knows their password, to the store at an address ([`Depot::entrance`]): by this policy of it, or
    /// by the first that admits them.
    ///
    /// # Behavior
    /// - As [`Depot::sign_in`]; whom no policy admits is answered like one who does not know the password.
    /// - With no policy asked for, a store without any lets everyone in whom the organization does.
    /// - The session is over once the policy is gone or does not admit the user any more.
    ///
    /// # Errors
    /// As [`Depot::sign_in`]; `NotFound` for the store, or a policy that it does not have; `Unsupported` for one whose
    /// sign-ins are checked elsewhere.
    pub async fn enter(
        &self,
        address: &str,
        policy: Option<&str>,
        credentials: (&str, &str),
        origin: Origin,
        previous: Option<&str>,
    ) -> Result<IssuedSession> {
        let Entrance { store, policies } = self.entrance(address).await?;
        let mut ways: Vec<_> = policies.iter().collect();
        if let Some(name) = policy {
            ways.retain(|way| way.name == name);
            if ways.is_empty() {
                return Err(Error::not_found(AuthPolicy::NAME));
            }
        }
        ways.retain(|way| way.method == AuthMethod::Password);
        if ways.is_empty() && !store.policies.is_empty() {
            return Err(Error::new(ErrorKind::Unsupported, "nobody signs in here by this policy"));
        }
        self.let_in(store.organization, &ways, credentials, origin, previous).await
    }

    /// Lets a user in by the first of these policies that admits them; by none when there are none.
    async fn let_in(
        &self,
        organization: Id<Organization>,
        policies: &[&Stored<AuthPolicy>],
        (name, password): (&str, &str),
        origin: Origin,
        previous: Option<&str>,
    ) -> Result<IssuedSession> {
        let by = |user: &Stored<User>| policies.iter().find(|policy| policy.admits(&user.id.into()));
        let admits = |user: &Stored<User>| policies.is_empty() || by(user).is_some();
        let bad = || Error::unauthenticated(CredentialFault::Bad);
        let limits = &self.0.limits;
        let found = self.find_user(organization, name).await?;
        // One account, whichever of its names is used.
        let account = found.as_ref().map_or(name, |user| &user.email).to_owned();
        self.0.attempts.count(organization, &account, origin.address.as_deref(), limits, self.now())?;
        if password.len() > PASSWORD_LIMIT {
            return Err(bad());
        }
        let id = found.as_ref().map_or(Id::NIL, |user| user.id);
        let kept: Option<Stored<Password>> = self.find(organization, id.cast()).await?;
        let kept = kept.as_ref().map(|kept| kept.digest.as_str());
        let verdict = self.0.passwords.verify(password, kept).await?;
        let user =
            found.filter(|user| user.enabled && verdict != Verdict::Wrong && admits(user)).ok_or_else(bad)?;
        let generation = user.generation;
        let policy = by(&user).map(|policy| policy.id);
        let digest = match verdict {
            Verdict::Outdated => Some(self.0.passwords.hash(password).await?),
            Verdict::Right | Verdict::Wrong => None,
        };

        let text = Text::generate(SESSION_PREFIX, organization)?;
        let let_in = self.commit_made(|| async {
            // Whoever changed the user meanwhile may have shut them out, or given them another password.
            let user: Option<Stored<User>> = self.find(organization, user.id).await?;
            let user = user.filter(|user| user.enabled && user.generation == generation).ok_or_else(bad)?;
            let now = self.now();
            let session = Session {
                digest: text.parts().digest(),
                user: user.id,
                generation,
                policy,
                origin: origin.clone(),
                used_at: now,
                expires_at: now.after(limits.session_lifetime),
            };
            let session = Stored::new(organization, session, now);
            let next = user.changed(User { signed_in_at: Some(now), ..user.value.clone() }, now);
            let signed_in = SignedIn { user: next, session };
            let mut batch = Batch::new();
            batch.insert(&signed_in.session)?;
            batch.update(&signed_in.user)?;
            if let Some(digest) = &digest {
                self.put_password(&mut batch, &signed_in.user, digest).await?;
            }
            let actor = Actor { origin: origin.clone(), ..signed_in.actor() };
            batch.events.push(self.event(&actor, "session.create", &signed_in.session));
            Ok((batch, signed_in))
        });
        let signed_in = let_in.await?;
        self.0.attempts.forget(organization, &account);
        if let Some(previous) = previous {
            // Whatever it was, it is over; a client may send anything here.
            let _ = self.sign_out(previous).await;
        }
        Ok(IssuedSession { token: text.into_text(), signed_in })
    }

    /// Who presents this session.
    ///
    /// # Errors
    /// `Unauthenticated` for an unknown text, and for a session that was ended, was silent for too long, or is over.
    pub async fn session(&self, token: &str) -> Result<SignedIn> {
        let bad = || Error::unauthenticated(CredentialFault::Bad);
        let session = self.find_session(token).await?.ok_or_else(bad)?;
        let user: Option<Stored<User>> = self.find(session.organization, session.user).await?;
        let user =
            user.filter(|user| user.enabled && user.generation == session.generation).ok_or_else(bad)?;
        if let Some(policy) = session.policy {
            let policy: Option<Stored<AuthPolicy>> = self.find(session.organization, policy).await?;
            policy.filter(|policy| policy.admits(&user.id.into())).ok_or_else(bad)?;
        }
        let now = self.now();
        if session.expires_at <= now || session.used_at.after(self.0.limits.session_idle) <= now {
            return Err(Error::unauthenticated(CredentialFault::Expired));
        }
        let session =
            if session.used_at.after(USE_INTERVAL) <= now { self.note_use(session).await } else { session };
        Ok(SignedIn { user, session })
    }

    /// The session that is presented, under a new text; the text it had is bad from now on. It ends when it would have.
    ///
    /// # Errors
    /// As [`Depot::session`].
    pub async fn renew_session(&self, token: &str) -> Result<IssuedSession> {
        self.commit_made(|| async {
            let SignedIn { user, session } = self.session(token).await?;
            let text = Text::generate(SESSION_PREFIX, session.organization)?;
            let now = self.now();
            let next = Session { digest: text.parts().digest(), used_at: now, ..session.value.clone() };
            let signed_in = SignedIn { user, session: session.changed(next, now) };
            let mut batch = Batch::new();
            batch.update(&signed_in.session)?;
            batch.events.push(self.event(&signed_in.actor(), "session.renew", &signed_in.session));
            Ok((batch, IssuedSession { token: text.into_text(), signed_in }))
        })
        .await
    }

    /// Ends the session that is presented.
    ///
    /// # Errors
    /// `Unauthenticated` for one that is not there.
    pub async fn sign_out(&self, token: &str) -> Result<()> {
        let session = self.find_session(token).await?;
        let session = session.ok_or_else(|| Error::unauthenticated(CredentialFault::Bad))?;
        let actor = Actor { origin: session.origin.clone(), ..Actor::new(session.user.into()) };
        self.remove_session(&actor, session).await
    }

    /// A user's sessions that have not ended, oldest first. Everyone may see their own.
    ///
    /// # Errors
    /// See [`Depot`].
    pub async fn sessions(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        user: Id<User>,
    ) -> Result<Vec<Stored<Session>>> {
        if !actor.is_in_person(user) {
            self.authorize(actor, permission::USER_LIST, Target::organization(organization)).await?;
        }
        let user: Stored<User> = self.load(organization, user).await?;
        let of_user =
            Query::of::<Session>(organization).filter(Field::parse("user")?, Op::Eq(user.id.into()));
        let (now, idle) = (self.now(), self.0.limits.session_idle);
        let mut sessions = self.list_all::<Session>(of_user).await?;
        sessions.retain(|session| {
            user.enabled
                && session.generation == user.generation
                && session.expires_at > now
                && session.used_at.after(idle) > now
        });
        sessions.sort_by_key(|session| session.id);
        Ok(sessions)
    }

    /// Ends one session. Everyone may end their own.
    ///
    /// # Errors
    /// `NotFound(session)`.
    pub async fn end_session(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        id: Id<Session>,
    ) -> Result<()> {
        let found: Option<Stored<Session>> = self.find(organization, id).await?;
        if !found.as_ref().is_some_and(|session| actor.is_in_person(session.user)) {
            self.authorize(actor, permission::USER_UPDATE, Target::organization(organization)).await?;
        }
        self.remove_session(actor, found.ok_or_else(|| Error::not_found("session"))?).await
    }

    /// Ends all of a user's sessions. Everyone may end their own.
    ///
    /// # Errors
    /// `NotFound(user)`.
    pub async fn end_sessions(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        user: Id<User>,
    ) -> Result<()> {
        let user: Stored<User> = if actor.is_in_person(user) {
            self.load(organization, user).await?
        } else {
            self.user_to_change(actor, permission::USER_UPDATE, organization, user).await?
        };
        let ended = self.update(actor, "user.signOut", user, None, |user| {
            user.generation += 1;
            Ok(())
        });
        ended.await.map(|_| ())
    }

    async fn find_session(&self, token: &str) -> Result<Option<Stored<Session>>> {
        let Some((organization, digest)) = Parts::issued(SESSION_PREFIX, token) else { return Ok(None) };
        let found: Option<Stored<Session>> =
            self.find_claimed(organization, Session::SPACE, &digest.to_string()).await?;
        Ok(found.filter(|session| session.digest.is(&digest)))
    }

    async fn remove_session(&self, actor: &Actor, session: Stored<Session>) -> Result<()> {
        self.commit_made(|| async {
            let mut batch = Batch::new();
            if let Some(session) = self.find::<Session>(session.organization, session.id).await? {
                batch.delete(&session);
                batch.events.push(self.event(actor, "session.remove", &session));
            }
            Ok((batch, ()))
        })
        .await
    }

    /// Another request of the session may do the same just now; one of them is enough, and none is worth failing for.
    async fn note_use(&self, session: Stored<Session>) -> Stored<Session> {
        let now = self.now();
        let used = session.changed(Session { used_at: now, ..session.value.clone() }, now);
        let mut batch = Batch::new();
        let written = match batch.update(&used) {
            Ok(()) => self.commit(batch).await,
            Err(error) => Err(error),
        };
        match written {
            Ok(()) => used,
            Err(error) => {
                tracing::debug!(?error, session = %session.id, "the use of a session was not written down");
                session
            }
        }
    }
}

impl fmt::Debug for IssuedSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuedSession").field("session", &self.signed_in.session.id).finish_non_exhaustive()
    }
}
