//! What an app keeps of its builds: a plan to look at, and to carry out as it was seen.

use std::collections::BTreeSet;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::authorize::{Actor, permission};
use crate::domain::{App, Build, BuildStatus, Id, Listing, Organization, Stored};
use crate::error::{Error, Result};
use crate::query::{Field, Op, Query, Sort};

use super::measure::hex;
use super::releases::Unless;
use super::{Depot, on_app};

/// The builds that an app's [`Retention`](crate::domain::Retention) would remove now.
#[derive(Debug, Clone, PartialEq)]
pub struct RetentionPlan {
    /// A digest of what it would do: whoever carries out a plan says with it which one they have seen.
    pub id: String,
    /// What goes, oldest first.
    pub builds: Vec<Stored<Build>>,
}

impl Depot {
    /// What carrying out an app's retention would remove now. Nothing is changed.
    ///
    /// - A build that is offered anywhere stays, whatever its age, and so does one that is still to be read.
    /// - Older than the days that builds are kept: it goes.
    /// - In the selection of some publication, and among the newest that are kept of none: it goes.
    ///
    /// # Errors
    /// See [`Depot`].
    pub async fn retention_plan(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        app: Id<App>,
    ) -> Result<RetentionPlan> {
        let app: Stored<App> = self.load(organization, app).await?;
        self.authorize(actor, permission::RELEASE_LIST, on_app(&app)).await?;
        self.plan_retention(&app).await
    }

    /// Carries out the plan of this id: how many builds went. Interrupted, what is left is a plan of its own.
    ///
    /// # Errors
    /// `Conflict(Stale)` when the plan would be another one now; nothing is removed then.
    pub async fn apply_retention(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        app: Id<App>,
        plan: &str,
    ) -> Result<usize> {
        let app: Stored<App> = self.load(organization, app).await?;
        self.authorize(actor, permission::RELEASE_REMOVE, on_app(&app)).await?;
        let now = self.plan_retention(&app).await?;
        if now.id != plan {
            return Err(Error::stale(None));
        }
        for build in &now.builds {
            self.drop_release(actor, organization, app.id, Build::release(build.id), Unless::Offered).await?;
        }
        Ok(now.builds.len())
    }

    async fn plan_retention(&self, app: &Stored<App>) -> Result<RetentionPlan> {
        const DAY: Duration = Duration::from_secs(24 * 3600);
        let of_app =
            |query: Query| -> Result<Query> { Ok(query.filter(Field::parse("app")?, Op::Eq(app.id.into()))) };
        let builds = of_app(Query::of::<Build>(app.organization))?.sort(Sort::ascending(Field::CreatedAt));
        let builds = self.list_all::<Build>(builds).await?;
        let listings = self.list_all::<Listing>(of_app(Query::of::<Listing>(app.organization))?).await?;
        let offers = listings.iter().flat_map(|listing| &listing.offers);
        let offered: BTreeSet<_> = offers.map(|offer| offer.release).collect();
        let oldest = app.retention.days.map(|days| self.now().before(DAY * days));
        let (mut published, mut kept) = (BTreeSet::new(), BTreeSet::new());
        if let Some(most) = app.retention.per_publication {
            for listing in &listings {
                let selected = self.selected(app.organization, app.id, listing.selection()).await?;
                let fits = |build: &&Stored<Build>| {
                    build.status == BuildStatus::Processed
                        && selected.as_ref().is_none_or(|ids| ids.contains(&Build::release(build.id)))
                };
                let newest_first = || builds.iter().rev().filter(fits);
                published.extend(newest_first().map(|build| build.id));
                let most = usize::try_from(most).unwrap_or(usize::MAX);
                kept.extend(newest_first().take(most).map(|build| build.id));
            }
        }
        let goes = |build: &Stored<Build>| {
            let aged = oldest.is_some_and(|oldest| build.created_at < oldest);
            let surplus = published.contains(&build.id) && !kept.contains(&build.id);
            build.finished_at.is_some() && !offered.contains(&Build::release(build.id)) && (aged || surplus)
        };
        let builds: Vec<Stored<Build>> = builds.into_iter().filter(goes).collect();
        let mut digest = Sha256::new();
        digest.update(app.id.to_bytes());
        for build in &builds {
            digest.update(build.id.to_bytes());
            digest.update(build.revision.to_be_bytes());
        }
        Ok(RetentionPlan { id: hex(&digest.finalize()), builds })
    }
}
