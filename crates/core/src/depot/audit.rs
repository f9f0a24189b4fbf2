//! Who installed and downloaded what.

use serde::{Deserialize, Serialize};

use crate::authorize::{Actor, Origin, Target, permission};
use crate::domain::{App, Event, EventFilter, Extra, Id, NewEvent, Organization, Release, Stored, Timestamp};
use crate::error::{Error, Result};
use crate::inspect::Platform;

use super::Depot;

/// How many of the newest events of one kind are looked at for one answer.
const SCAN_LIMIT: usize = 50_000;

/// A release that was handed to somebody, as the event tells it: the release itself may be gone.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    /// The event's place in the organization's history.
    pub sequence: u64,
    /// When.
    pub at: Timestamp,
    /// To whom: a subject.
    pub subject: String,
    /// From where they asked.
    pub origin: Origin,
    /// Which release.
    pub release: Id<Release>,
    /// What it was.
    pub what: Delivered,
}

/// What a delivery's event tells of the release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Delivered {
    /// Of which app.
    pub app: Id<App>,
    /// What that was called.
    pub name: String,
    /// Where it runs.
    pub platform: Platform,
    /// The part of the platform it is for.
    #[serde(default)]
    pub variant: String,
    /// The version people see.
    pub version: String,
    /// Its number among the app's releases for that platform.
    #[serde(default)]
    pub number: u64,
}

/// Which deliveries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeliveryFilter {
    /// Only those of this app.
    pub app: Option<Id<App>>,
    /// Only those for this platform and part of it.
    pub target: Option<(Platform, String)>,
    /// Only those to this subject.
    pub subject: Option<String>,
    /// Only those to this device.
    pub device: Option<String>,
}

impl Depot {
    /// The event that tells of a delivery.
    pub(super) fn delivery(
        &self,
        actor: &Actor,
        action: &str,
        app: &Stored<App>,
        release: &Stored<Release>,
    ) -> Result<NewEvent> {
        Ok(NewEvent { detail: told(app, release)?, ..self.event(actor, action, release) })
    }

    /// What was installed and downloaded, newest first, at most `limit` (1 to 1000) of it; found among the newest
    /// 50,000 installations and as many downloads.
    ///
    /// # Errors
    /// See [`Depot`]; `Invalid` for a limit that is not 1 to 1000.
    pub async fn deliveries(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        filter: &DeliveryFilter,
        limit: u32,
    ) -> Result<Vec<Delivery>> {
        self.authorize(actor, permission::EVENT_LIST, Target::organization(organization)).await?;
        let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
        EventFilter { limit, ..EventFilter::of(organization) }.check()?;
        let mut found = Vec::new();
        for action in [INSTALL, DOWNLOAD] {
            let mut events = EventFilter {
                action: Some(action.to_owned()),
                actor: filter.subject.clone(),
                newest_first: true,
                limit: 1_000,
                ..EventFilter::of(organization)
            };
            let (mut seen, mut matched) = (0, 0);
            while seen < SCAN_LIMIT && matched < wanted {
                let page = self.0.records.events(&events).await?;
                let Some(last) = page.last() else { break };
                events.after = last.sequence;
                seen += page.len();
                let full = page.len() == 1_000;
                for delivery in page.into_iter().filter_map(read).filter(|one| filter.matches(one)) {
                    found.push(delivery);
                    matched += 1;
                }
                if !full {
                    break;
                }
            }
        }
        found.sort_by_key(|delivery| std::cmp::Reverse(delivery.sequence));
        found.truncate(wanted);
        Ok(found)
    }
}

/// A release's page or manifest was handed out, for it to be installed.
pub(super) const INSTALL: &str = "release.install";
/// A release's bytes began to go out.
pub(super) const DOWNLOAD: &str = "release.download";

/// What the event of a delivery tells.
fn told(app: &Stored<App>, release: &Release) -> Result<Extra> {
    let what = Delivered {
        app: app.id,
        name: app.name.clone(),
        platform: release.platform,
        variant: release.variant.clone(),
        version: release.version.clone(),
        number: release.number,
    };
    match serde_json::to_value(what).map_err(Error::internal)? {
        serde_json::Value::Object(told) => Ok(told),
        _ => Err(Error::internal("a delivery that is no object")),
    }
}

/// The delivery that an event tells of; `None` for one of before events told what was delivered.
fn read(event: Event) -> Option<Delivery> {
    let what = serde_json::from_value(event.event.detail.into()).ok()?;
    Some(Delivery {
        sequence: event.sequence,
        at: event.event.at,
        subject: event.event.actor,
        origin: event.event.origin,
        release: event.event.subject.cast(),
        what,
    })
}

impl DeliveryFilter {
    fn matches(&self, delivery: &Delivery) -> bool {
        let what = &delivery.what;
        self.app.is_none_or(|app| app == what.app)
            && self
                .target
                .as_ref()
                .is_none_or(|(platform, variant)| *platform == what.platform && *variant == what.variant)
            && self.subject.as_ref().is_none_or(|subject| *subject == delivery.subject)
            && self.device.as_ref().is_none_or(|device| Some(device) == delivery.origin.device.as_ref())
    }
}
