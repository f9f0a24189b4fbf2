//! What people do with published releases: find, subscribe, rate.

use crate::authorize::{Actor, permission};
use crate::blobs::ByteRange;
use crate::domain::{Asset, Id, Organization, Rating, Release, Review, Stored, Subscription};
use crate::error::{Error, ErrorKind, Result};
use crate::lifecycle::State;
use crate::query::{Clause, Condition, Field, Op, Page, Query};
use crate::records::Batch;

use super::{Depot, Download, on_app};

impl Depot {
    /// The published releases that `query` describes and whose own audience includes the actor. What stores list is
    /// found with [`Depot::storefront`].
    ///
    /// # Errors
    /// See [`Depot`]; `Invalid` for a query out of bounds.
    pub async fn published(&self, actor: &Actor, query: Query) -> Result<Page<Stored<Release>>> {
        let app = Field::parse("app")?;
        let query = self.scoped(actor, permission::STORE_INSTALL, query, app).await?;
        let published = Op::Eq(State::Published.as_str().into());
        let query = self.for_audience(actor, query).await?.filter(Field::parse("state")?, published);
        self.list(&query).await
    }

    /// A published release that the actor may see, by right or because it is offered to them.
    ///
    /// # Errors
    /// `NotFound` for one that is not published, too.
    pub async fn published_release(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        id: Id<Release>,
    ) -> Result<Stored<Release>> {
        let (release, app) = self.release_and_app(organization, id).await?;
        self.sees(actor, &release, &app).await?;
        if release.state != State::Published {
            return Err(Error::not_found("release"));
        }
        Ok(release)
    }

    /// A picture's bytes: for those who may see it, and for those who see a published release that shows it.
    ///
    /// # Errors
    /// `NotFound` for everyone else.
    pub async fn open_picture(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        id: Id<Asset>,
        range: ByteRange,
    ) -> Result<Download> {
        let error = match self.open_asset(actor, organization, id, range).await {
            Err(error) if error.kind() == ErrorKind::Forbidden => error,
            other => return other,
        };
        let shows = |path| Ok::<_, Error>(Condition::new(Field::parse(path)?, Op::Eq(id.into())));
        let shown = [shows("details.icon")?, shows("details.banner")?, shows("details.screenshots")?];
        let mut query = Query::of::<Release>(organization).limit(1);
        query.clauses.push(Clause::any_of(shown));
        match self.published(actor, query).await {
            Ok(page) if !page.items.is_empty() => self.open(self.load(organization, id).await?, range).await,
            Ok(_) => Err(Error::not_found("asset")),
            Err(_) => Err(error),
        }
    }

    /// Subscribes the actor to a published release. Doing it twice is one subscription.
    ///
    /// # Errors
    /// `Conflict` for a release that is not published; `Forbidden` when a policy does not permit it.
    pub async fn subscribe(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        id: Id<Release>,
    ) -> Result<Stored<Subscription>> {
        let (release, app) = self.release_and_app(organization, id).await?;
        self.authorize(actor, permission::STORE_INSTALL, on_app(&app)).await?;
        self.sees(actor, &release, &app).await?;
        if release.state != State::Published {
            return Err(Error::new(ErrorKind::Conflict, "the release is not published"));
        }
        self.check_policies(actor, &release).await?;
        let now = self.now();
        let subscription = Subscription {
            release: id,
            app: app.id,
            subject: actor.subject.clone(),
            person: actor.person.clone(),
            since: now,
        };
        let stored = Stored::new(organization, subscription, now);
        let mut batch = Batch::new();
        batch.insert(&stored)?;
        batch.require(organization, id);
        let mut event = self.event(actor, "release.subscribe", &release);
        event.detail.insert("subscription".to_owned(), stored.id.to_string().into());
        batch.events.push(event);
        match self.commit(batch).await {
            Ok(()) => Ok(stored),
            Err(error) if error.is_taken("subscriber") => {
                self.own_subscription(actor, organization, id).await?.ok_or_else(|| Error::stale(None))
            }
            Err(error) => Err(error),
        }
    }

    /// Ends the actor's own subscription.
    ///
    /// # Errors
    /// `NotFound(subscription)` when there is none.
    pub async fn unsubscribe(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        id: Id<Release>,
    ) -> Result<()> {
        let (release, app) = self.release_and_app(organization, id).await?;
        self.authorize(actor, permission::STORE_INSTALL, on_app(&app)).await?;
        let stored = self
            .own_subscription(actor, organization, id)
            .await?
            .ok_or_else(|| Error::not_found("subscription"))?;
        let mut batch = Batch::new();
        batch.delete(&stored);
        batch.events.push(self.event(actor, "release.unsubscribe", &release));
        self.commit(batch).await
    }

    /// The actor's own subscription to a release, if there is one.
    ///
    /// # Errors
    /// See [`Depot`].
    pub async fn subscription(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        id: Id<Release>,
    ) -> Result<Option<Stored<Subscription>>> {
        let (_, app) = self.release_and_app(organization, id).await?;
        self.authorize(actor, permission::STORE_INSTALL, on_app(&app)).await?;
        self.own_subscription(actor, organization, id).await
    }

    /// Who has subscribed to a release, first come first.
    ///
    /// # Errors
    /// See [`Depot`].
    pub async fn subscribers(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        id: Id<Release>,
    ) -> Result<Vec<Stored<Subscription>>> {
        let (release, app) = self.release_and_app(organization, id).await?;
        self.authorize(actor, permission::SUBSCRIPTION_LIST, on_app(&app)).await?;
        let of_release = Query::of::<Subscription>(organization)
            .filter(Field::parse("release")?, Op::Eq(release.id.into()))
            .sort(crate::query::Sort::ascending(Field::Id));
        self.list_all(of_release).await
    }

    /// Says what the actor thinks of a release, 1 to 5 stars, and returns the release. The last word counts.
    ///
    /// # Errors
    /// `Invalid` for another number of stars.
    pub async fn rate(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        id: Id<Release>,
        stars: u8,
    ) -> Result<Stored<Release>> {
        if !(1..=5).contains(&stars) {
            return Err(Error::invalid("rating", "1 to 5"));
        }
        self.commit_made(|| async {
            let (release, app) = self.release_and_app(organization, id).await?;
            self.authorize(actor, permission::STORE_INSTALL, on_app(&app)).await?;
            self.sees(actor, &release, &app).await?;
            let review = Review { release: id, subject: actor.subject.clone(), stars };
            let mut batch = Batch::new();
            let Rating { count, sum } = release.rating;
            let rating = match self.own_review(actor, organization, id).await? {
                Some(old) => {
                    let sum = sum.saturating_sub(old.stars.into()).saturating_add(stars.into());
                    batch.update(&old.changed(review, self.now()))?;
                    Rating { count, sum }
                }
                None => {
                    batch.insert(&Stored::new(organization, review, self.now()))?;
                    Rating { count: count.saturating_add(1), sum: sum.saturating_add(stars.into()) }
                }
            };
            let next = release.changed(Release { rating, ..release.value.clone() }, self.now());
            batch.update(&next)?;
            batch.events.push(self.event(actor, "release.rate", &next));
            Ok((batch, next))
        })
        .await
    }

    /// The actor's own stars for a release, if they gave any.
    ///
    /// # Errors
    /// See [`Depot`].
    pub async fn own_rating(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        id: Id<Release>,
    ) -> Result<Option<u8>> {
        let (release, app) = self.release_and_app(organization, id).await?;
        self.sees(actor, &release, &app).await?;
        Ok(self.own_review(actor, organization, id).await?.map(|review| review.stars))
    }

    async fn own_subscription(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        id: Id<Release>,
    ) -> Result<Option<Stored<Subscription>>> {
        self.find_claimed(organization, "subscriber", &format!("{id}/{}", actor.subject)).await
    }

    async fn own_review(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        id: Id<Release>,
    ) -> Result<Option<Stored<Review>>> {
        self.find_claimed(organization, "reviewer", &format!("{id}/{}", actor.subject)).await
    }
}
