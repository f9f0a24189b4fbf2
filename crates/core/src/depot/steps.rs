//! Releases along their lifecycle, and what is offered of an app.

use std::collections::{BTreeMap, BTreeSet};

use crate::authorize::Actor;
use crate::domain::{
    App, Build, Event, EventFilter, Id, Listing, Offer, Organization, Release, Selection, Stored,
    check_optional_text,
};
use crate::error::Result;
use crate::lifecycle::{Lifecycle, State, Verb};
use crate::query::{Field, Op, Query};
use crate::records::Batch;

use super::{Depot, on_app};

impl Depot {
    /// The lifecycle that an app's releases follow.
    pub fn lifecycle(&self, app: &App) -> Lifecycle {
        app.lifecycle.table()
    }

    /// Takes a release one step along its lifecycle. Of several callers who ask for the same step, one succeeds.
    ///
    /// # Errors
    /// `Conflict(Step)`, with what is possible instead; nothing has changed then.
    pub async fn step(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        id: Id<Release>,
        verb: Verb,
        comment: &str,
    ) -> Result<Stored<Release>> {
        check_optional_text("comment", comment, 1_000)?;
        self.commit_made(|| async {
            let (release, app) = self.release_and_app(organization, id).await?;
            self.authorize(actor, verb.permission(), on_app(&app)).await?;
            let to = self.lifecycle(&app).step(release.state, verb)?;
            let published_at = if to == State::Published { Some(self.now()) } else { release.published_at };
            let next =
                release.changed(Release { state: to, published_at, ..release.value.clone() }, self.now());
            let mut batch = Batch::new();
            batch.update(&next)?;
            batch.update(&app.changed(app.value.clone(), self.now()))?;
            self.refresh_offers(&mut batch, &next).await?;
            let mut event = self.event(actor, &format!("release.{}", verb.as_str()), &next);
            event.from = Some(release.state.as_str().to_owned());
            event.to = Some(to.as_str().to_owned());
            if !comment.is_empty() {
                event.detail.insert("comment".to_owned(), comment.into());
            }
            batch.events.push(event);
            Ok((batch, next))
        })
        .await
    }

    /// What happened to a release, newest first: at most 1000 events.
    ///
    /// # Errors
    /// See [`Depot`].
    pub async fn history(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        id: Id<Release>,
    ) -> Result<Vec<Event>> {
        let release = self.release(actor, organization, id).await?;
        let about = EventFilter { newest_first: true, limit: 1_000, ..EventFilter::of(organization) };
        self.0.records.events(&about.about(release.id)).await
    }

    /// Adds to `batch` what the listings of the app must offer once `changed` is as given.
    pub(super) async fn refresh_offers(&self, batch: &mut Batch, changed: &Stored<Release>) -> Result<()> {
        let organization = changed.organization;
        let of_app =
            Query::of::<Listing>(organization).filter(Field::parse("app")?, Op::Eq(changed.app.into()));
        let listings = self.list_all::<Listing>(of_app).await?;
        if listings.is_empty() {
            return Ok(());
        }
        let mut known: BTreeMap<Selection, Vec<Offer>> = BTreeMap::new();
        for listing in listings {
            let selection = listing.selection().clone();
            if !known.contains_key(&selection) {
                let offers = self.offers(organization, changed.app, Some(changed), &selection).await?;
                known.insert(selection.clone(), offers);
            }
            let offers = known.get(&selection).cloned().unwrap_or_default();
            if listing.offers != offers {
                let next = Listing { offers, ..listing.value.clone() };
                batch.update(&listing.changed(next, self.now()))?;
            }
        }
        Ok(())
    }

    /// What an app offers: per platform, and part of it, of the selected releases the one that was published last.
    /// `changed` stands for its stored self.
    pub(super) async fn offers(
        &self,
        organization: Id<Organization>,
        app: Id<App>,
        changed: Option<&Stored<Release>>,
        selection: &Selection,
    ) -> Result<Vec<Offer>> {
        let published = Query::of::<Release>(organization)
            .filter(Field::parse("app")?, Op::Eq(app.into()))
            .filter(Field::parse("state")?, Op::Eq(State::Published.as_str().into()));
        let mut releases: Vec<Stored<Release>> = self.list_all(published).await?;
        if let Some(changed) = changed {
            releases.retain(|release| release.id != changed.id);
            if changed.state == State::Published {
                releases.push(changed.clone());
            }
        }
        if let Some(selected) = self.selected(organization, app, selection).await? {
            releases.retain(|release| selected.contains(&release.id));
        }
        releases.sort_by_key(|release| (release.published_at, release.id));
        let mut offers: Vec<Offer> = Vec::new();
        for release in releases {
            // What has no package here is nothing that a store could hand out.
            let Some(asset) = release.asset else { continue };
            let same =
                |offer: &Offer| (offer.platform, &offer.variant) == (release.platform, &release.variant);
            offers.retain(|offer| !same(offer));
            offers.push(Offer {
                platform: release.platform,
                variant: release.variant.clone(),
                release: release.id,
                asset,
                version: release.version.clone(),
                length: release.length,
                since: release.published_at.unwrap_or(release.created_at),
            });
        }
        offers.sort_by(|a, b| (a.platform, &a.variant).cmp(&(b.platform, &b.variant)));
        Ok(offers)
    }

    /// The releases that a selection names; `None` for all.
    pub(super) async fn selected(
        &self,
        organization: Id<Organization>,
        app: Id<App>,
        selection: &Selection,
    ) -> Result<Option<BTreeSet<Id<Release>>>> {
        let (field, words) = match selection {
            Selection::Last => return Ok(None),
            Selection::Builds(ids) => return Ok(Some(ids.iter().copied().collect())),
            Selection::GitBranch(branch) => ("git.branch", vec![branch.as_str()]),
            Selection::GitTag(tag) => ("git.tag", vec![tag.as_str()]),
            // a build's own words have no commas either
            Selection::Tag(tags) => ("tags", tags.split(',').map(str::trim).collect()),
        };
        let of_app = Query::of::<Build>(organization).filter(Field::parse("app")?, Op::Eq(app.into()));
        let field = Field::parse(field)?;
        let builds =
            words.into_iter().fold(of_app, |query, word| query.filter(field.clone(), Op::Eq(word.into())));
        let builds = self.list_all::<Build>(builds).await?;
        Ok(Some(builds.iter().map(|build| Build::release(build.id)).collect()))
    }
}
