//! Publications: listings with an address, a selection and a security of their own.

use crate::authorize::{Actor, Target, permission};
use crate::domain::{
    App, Audience, Id, Listing, Organization, Password, Publication, Release, Security, Selection, Store,
    Stored, Visibility, check_optional_text, check_slug, check_text,
};
use crate::error::{Error, Result};
use crate::records::Batch;

use super::stores::check_count;
use super::{Depot, check_extra, on_app};

/// All that is said of a publication; what is left out of a change goes back to its default.
#[derive(Clone, PartialEq)]
pub struct NewPublication {
    /// In which store; `None` for the organization's main one when it is made, and where it is when it is changed.
    pub store: Option<Id<Store>>,
    /// Its address; unique in the store.
    pub slug: String,
    /// Whether it is shown.
    pub visibility: Visibility,
    /// For whom.
    pub audience: Audience,
    /// Everything else.
    pub publication: Publication,
    /// What [`Security::Password`] asks for, at most 256 characters; what was set before when absent.
    pub password: Option<String>,
}

impl std::fmt::Debug for NewPublication {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewPublication").field("slug", &self.slug).finish_non_exhaustive()
    }
}

impl Depot {
    /// Publishes an app under an address of its own. Nothing needs to fit its selection yet.
    ///
    /// # Errors
    /// `NotFound` for the store, the app, a group of the audience or a selected build; `Conflict(Taken)` for a used
    /// slug; `Invalid` for bad attributes, and for a password that is missing.
    pub async fn create_publication(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        app: Id<App>,
        new: NewPublication,
    ) -> Result<Stored<Listing>> {
        let stored: Stored<App> = self.load(organization, app).await?;
        self.authorize(actor, permission::LISTING_CREATE, on_app(&stored)).await?;
        let store = match new.store {
            Some(store) => self.load::<Store>(organization, store).await?,
            None => self.any_store(actor, organization).await?,
        };
        let digest = self.check_publication(organization, &new).await?;
        if new.publication.security == Security::Password && digest.is_none() {
            return Err(Error::invalid("password", "is required"));
        }
        let id = Id::generate();
        self.commit_made(|| async {
            let app: Stored<App> = self.load(organization, app).await?;
            self.check_selection(&app, &new.publication.selection).await?;
            let listing = Listing {
                store: store.id,
                app: app.id,
                name: app.name.clone(),
                slug: new.slug.clone(),
                visibility: new.visibility,
                audience: new.audience.clone(),
                policies: Vec::new(),
                offers: self.offers(organization, app.id, None, &new.publication.selection).await?,
                publication: Some(new.publication.clone()),
            };
            let listing = Stored { id, ..Stored::new(organization, listing, self.now()) };
            let mut batch = Batch::new();
            batch.insert(&listing)?;
            self.put_listing_password(&mut batch, &listing, digest.as_deref()).await?;
            // Orders this against lifecycle steps of the app, which write the app too.
            batch.update(&app.changed(app.value.clone(), self.now()))?;
            batch.events.push(self.event(actor, "listing.create", &listing));
            Ok((batch, listing))
        })
        .await
    }

    /// A publication, whatever its audience: for those who run the store.
    ///
    /// # Errors
    /// `NotFound` for a listing that is none, too.
    pub async fn publication(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        id: Id<Listing>,
    ) -> Result<Stored<Listing>> {
        let found: Option<Stored<Listing>> = self.find(organization, id).await?;
        let app = found.as_ref().map(|listing| listing.app);
        self.authorize(actor, permission::LISTING_LIST, Target { organization, app }).await?;
        let found = found.filter(|listing| listing.publication.is_some());
        found.ok_or_else(|| Error::not_found("publication"))
    }

    /// Says anew how an app is published.
    ///
    /// # Errors
    /// As [`Depot::create_publication`].
    pub async fn replace_publication(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        id: Id<Listing>,
        new: NewPublication,
    ) -> Result<Stored<Listing>> {
        let found = self.publication(actor, organization, id).await?;
        self.authorize(actor, permission::LISTING_UPDATE, Target::app(organization, found.app)).await?;
        let digest = self.check_publication(organization, &new).await?;
        self.commit_made(|| async {
            let listing = self.publication(actor, organization, id).await?;
            let app: Stored<App> = self.load(organization, listing.app).await?;
            self.check_selection(&app, &new.publication.selection).await?;
            let next = Listing {
                slug: new.slug.clone(),
                visibility: new.visibility,
                audience: new.audience.clone(),
                offers: self.offers(organization, app.id, None, &new.publication.selection).await?,
                publication: Some(new.publication.clone()),
                ..listing.value.clone()
            };
            let next = listing.changed(next, self.now());
            let mut batch = Batch::new();
            batch.update(&next)?;
            self.put_listing_password(&mut batch, &next, digest.as_deref()).await?;
            batch.update(&app.changed(app.value.clone(), self.now()))?;
            batch.events.push(self.event(actor, "listing.update", &next));
            Ok((batch, next))
        })
        .await
    }

    /// The organization's main store, opened if there is none: whoever may publish may have a place for it.
    async fn any_store(&self, actor: &Actor, organization: Id<Organization>) -> Result<Stored<Store>> {
        if let Some(store) = self.first_store(organization).await? {
            return Ok(store);
        }
        let opener = Actor { origin: actor.origin.clone(), ..Actor::system("publications") };
        self.main_store(&opener, organization).await
    }

    /// Checks what was said, and answers the hash of the password, if one was given and is asked for.
    async fn check_publication(
        &self,
        organization: Id<Organization>,
        new: &NewPublication,
    ) -> Result<Option<String>> {
        /// The most countries one publication names.
        const COUNTRIES: usize = 250;
        let publication = &new.publication;
        check_slug(&new.slug)?;
        self.check_audience(organization, &new.audience).await?;
        check_optional_text("terms", publication.terms.as_deref().unwrap_or_default(), 10_000)?;
        check_extra("configuration", &publication.extra)?;
        check_count("tags", publication.tags.len())?;
        publication.tags.iter().try_for_each(|tag| check_text("tags", tag, 128))?;
        let countries = publication.allowed_countries.iter().chain(&publication.blocked_countries);
        let is_country = |code: &String| code.len() == 2 && code.bytes().all(|c| c.is_ascii_uppercase());
        if countries.clone().count() > COUNTRIES || !countries.clone().all(is_country) {
            return Err(Error::invalid("countries", "two capital letters each (ISO 3166-1)"));
        }
        match &publication.selection {
            Selection::GitBranch(word) | Selection::GitTag(word) => check_text("filter.value", word, 256)?,
            Selection::Tag(words) => {
                /// Each is a condition of one query.
                const WORDS: usize = 16;
                check_text("filter.value", words, 256)?;
                if words.split(',').count() > WORDS {
                    return Err(Error::invalid("filter.value", format!("more than {WORDS} tags")));
                }
            }
            Selection::Builds(ids) => check_count("filter.builds", ids.len())?,
            Selection::Last => {}
        }
        match (&new.password, publication.security) {
            (Some(password), Security::Password) => {
                check_text("password", password, 256)?;
                Ok(Some(self.0.passwords.hash(password).await?))
            }
            _ => Ok(None),
        }
    }

    async fn check_selection(&self, app: &Stored<App>, selection: &Selection) -> Result<()> {
        let Selection::Builds(ids) = selection else { return Ok(()) };
        for id in ids {
            let release: Stored<Release> = self.load(app.organization, *id).await?;
            if release.app != app.id {
                return Err(Error::not_found("release"));
            }
        }
        Ok(())
    }

    /// Adds to `batch` that the listing's password is this one, the one before, or none.
    async fn put_listing_password(
        &self,
        batch: &mut Batch,
        listing: &Stored<Listing>,
        digest: Option<&str>,
    ) -> Result<()> {
        let asked = listing.publication.as_ref().is_some_and(|p| p.security == Security::Password);
        let kept: Option<Stored<Password>> = self.find(listing.organization, listing.id.cast()).await?;
        match (asked, kept, digest) {
            (false, Some(kept), _) => batch.delete(&kept),
            (false, None, _) | (true, Some(_), None) => {}
            (true, Some(kept), Some(digest)) => {
                batch.update(&kept.changed(Password { digest: digest.to_owned() }, self.now()))?;
            }
            (true, None, Some(digest)) => {
                let password = Password { digest: digest.to_owned() };
                let stored = Stored::new(listing.organization, password, self.now());
                batch.insert(&Stored { id: listing.id.cast(), ..stored })?;
            }
            (true, None, None) => return Err(Error::invalid("password", "is required")),
        }
        Ok(())
    }
}
