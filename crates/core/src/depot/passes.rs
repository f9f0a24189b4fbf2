//! Publications that do not ask who somebody is: for everyone, or for those who know a password.

use std::fmt;

use crate::authenticate::Verdict;
use crate::authorize::{Actor, Origin};
use crate::domain::{Entity as _, Id, Listing, Pass, Password, Release, Security, Stored};
use crate::error::{CredentialFault, Error, Result};
use crate::lifecycle::State;
use crate::query::{Field, Op, Query};
use crate::records::Batch;
use crate::secret::{Digest, PASS_PREFIX, Parts, Text};

use super::Depot;
use super::attempts::network;
use super::deliver::{agreed, hands_out};

/// A pass and, this once, its text.
#[derive(Clone, PartialEq)]
pub struct IssuedPass {
    /// The text, `adp_ORGANIZATION.SECRET`.
    pub token: String,
    /// The publication it opens.
    pub listing: Stored<Listing>,
    /// What was kept.
    pub pass: Stored<Pass>,
}

impl fmt::Debug for IssuedPass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuedPass").field("pass", &self.pass.id).finish_non_exhaustive()
    }
}

impl Depot {
    /// Lets somebody in to a publication of the store at an address ([`Depot::entrance`]) who knows its password.
    ///
    /// # Behavior
    /// - Attempts are limited per address as those to sign in to one account are
    ///   ([`Limits`](super::Limits)): a password that many share is not shut for all by one who guesses.
    /// - The pass is over once the publication has another password.
    ///
    /// # Errors
    /// `NotFound` where no password is asked for; `Unauthenticated` for a wrong one, and for a publication that is
    /// over; `Limited`, saying when to come back.
    pub async fn unlock(
        &self,
        address: &str,
        reference: &str,
        password: &str,
        origin: Origin,
    ) -> Result<IssuedPass> {
        /// The longest password that is looked at, in bytes: 256 characters.
        const LONGEST: usize = 1024;
        let bad = || Error::unauthenticated(CredentialFault::Bad);
        let store = self.entrance(address).await?.store;
        let listing = self.on_show(&store, reference).await?;
        if listing.security() != Security::Password {
            return Err(Error::not_found(Listing::NAME));
        }
        // Whoever has it is asked for nothing but what the publication asks of everyone.
        let actor = Actor { unlocked: Some(listing.id), origin, ..Actor::anonymous() };
        self.check_open(&actor, &listing)?;
        let from = actor.origin.address.as_deref();
        let account = format!("{} {}", listing.id, from.map(network).unwrap_or_default());
        self.0.attempts.count(store.organization, &account, from, &self.0.limits, self.now())?;
        if password.len() > LONGEST {
            return Err(bad());
        }
        let kept: Option<Stored<Password>> = self.find(store.organization, listing.id.cast()).await?;
        let kept = kept.ok_or_else(bad)?;
        if self.0.passwords.verify(password, Some(&kept.digest)).await? == Verdict::Wrong {
            return Err(bad());
        }
        let text = Text::generate(PASS_PREFIX, store.organization)?;
        let now = self.now();
        let pass = Pass {
            digest: text.parts().digest(),
            listing: listing.id,
            password: Digest::of(&kept.digest),
            expires_at: now.after(self.0.limits.pass_lifetime),
        };
        let pass = Stored::new(store.organization, pass, now);
        let mut batch = Batch::new();
        batch.insert(&pass)?;
        batch.events.push(self.event(&actor, "pass.create", &pass));
        self.commit(batch).await?;
        self.0.attempts.forget(store.organization, &account);
        Ok(IssuedPass { token: text.into_text(), listing, pass })
    }

    /// The publication that a pass opens: what [`Actor::unlocked`] says of whoever presents it.
    ///
    /// # Errors
    /// `Unauthenticated` for an unknown text, one that is over, and when the password is another.
    pub async fn pass(&self, token: &str) -> Result<Id<Listing>> {
        let bad = || Error::unauthenticated(CredentialFault::Bad);
        let (organization, digest) = Parts::issued(PASS_PREFIX, token).ok_or_else(bad)?;
        let found: Option<Stored<Pass>> =
            self.find_claimed(organization, Pass::SPACE, &digest.to_string()).await?;
        let pass = found.filter(|pass| pass.digest.is(&digest)).ok_or_else(bad)?;
        if pass.expires_at <= self.now() {
            return Err(Error::unauthenticated(CredentialFault::Expired));
        }
        let kept: Option<Stored<Password>> = self.find(organization, pass.listing.cast()).await?;
        kept.filter(|kept| Digest::of(&kept.digest).is(&pass.password)).map(|_| pass.listing).ok_or_else(bad)
    }

    /// Checks that a publication lets somebody in whoever they are.
    ///
    /// # Errors
    /// `Unauthenticated` when it is over, or its password was not given; `NotFound` for all others.
    pub(super) fn check_open(&self, actor: &Actor, listing: &Stored<Listing>) -> Result<()> {
        let missing = || Error::not_found(Listing::NAME);
        let publication = listing.publication.as_ref().ok_or_else(missing)?;
        if !publication.admits(actor.origin.country.as_deref()) {
            return Err(missing());
        }
        if self.is_over(listing) {
            return Err(Error::unauthenticated(CredentialFault::Expired));
        }
        match publication.security {
            Security::Public => Ok(()),
            Security::Password if actor.unlocked == Some(listing.id) => Ok(()),
            Security::Password => Err(Error::unauthenticated(CredentialFault::Missing)),
            Security::Logged => Err(missing()),
        }
    }

    /// The publication that hands this release out to the actor whoever they are.
    pub(super) async fn opening(
        &self,
        actor: &Actor,
        release: &Stored<Release>,
    ) -> Result<Option<Stored<Listing>>> {
        if release.state != State::Published {
            return Ok(None);
        }
        let open = [Security::Public, Security::Password].map(|security| security.as_str().into());
        let listings = Query::of::<Listing>(release.organization)
            .filter(Field::parse("app")?, Op::Eq(release.app.into()))
            .filter(Field::parse("publication.security")?, Op::In(open.into()));
        let opens = |listing: &Stored<Listing>| {
            hands_out(listing, release.id) && self.check_open(actor, listing).is_ok()
        };
        let listings = self.list_all(listings).await?.into_iter().filter(opens);
        Ok(listings.min_by_key(|listing| !agreed(actor, listing)))
    }
}
