//! The audit log: what was installed and downloaded.

use std::collections::BTreeMap;
use std::sync::Arc;

use appdepot_core::depot::{Delivery, DeliveryFilter};
use appdepot_core::domain::{Stored, User};
use appdepot_core::{ErrorKind, Result};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};

use super::call::Call;
use super::fault::Fault;
use super::types::{AuditEntry, Listed};
use super::words::{self, Target};
use super::{PREFIX, State};

/// How many entries are answered when the client does not say.
const LIMIT: u32 = 10;
/// The most that are listed.
const MOST: u32 = 1_000;

pub(super) fn routes() -> Router<Arc<State>> {
    Router::new().route(&format!("{PREFIX}/admin/auditlog/listlogs"), get(list).post(list))
}

async fn list(call: Call) -> Result<Response, Fault> {
    let fields = &call.fields;
    let limit = match fields.any(&["limit"])? {
        None => LIMIT,
        Some(text) => {
            let number = text.parse().ok().filter(|number| (1..=MOST).contains(number));
            number.ok_or_else(|| Fault::told("limit: must be 1 to 1000"))?
        }
    };
    let mut filter = DeliveryFilter { device: fields.any(&["deviceId"])?, ..DeliveryFilter::default() };
    if fields.any(&["storeItemBinaryType"])?.is_some() {
        filter.target = Some(target(fields.target("storeItemBinaryType")?));
    }
    // The command line client sends an item's guid as that of a binary.
    if let Some(guid) = fields.any(&["storeItemGuid", "storeItemBinaryGuid"])? {
        match words::binary(&guid) {
            Some((app, of)) => (filter.app, filter.target) = (Some(app), Some(target(of))),
            None => filter.app = Some(words::id(&guid).ok_or_else(Fault::guid)?),
        }
    }
    if let Some(user) = fields.any(&["userId"])? {
        match call.user(&user).await {
            Ok(user) => filter.subject = Some(appdepot_core::authorize::Subject::from(user.id).to_string()),
            // Whom nobody knows has installed nothing.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Ok(Json(Listed::<AuditEntry>::new(Vec::new())).into_response());
            }
            Err(error) => return Err(error.into()),
        }
    }
    // some are of platforms that the dialect does not know, and do not count
    let found = call.state.depot().deliveries(&call.actor, call.organization.id, &filter, MOST).await?;
    let mut users = BTreeMap::new();
    for delivery in &found {
        if !users.contains_key(&delivery.subject) {
            let name = delivery.subject.split_once(':').map_or("", |(_, name)| name);
            users.insert(delivery.subject.clone(), call.user(name).await.ok());
        }
    }
    let entries = found.iter().filter_map(|delivery| {
        entry(&call.organization.slug, delivery, users.get(&delivery.subject).and_then(Option::as_ref))
    });
    Ok(Json(Listed::new(entries.take(usize::try_from(limit).unwrap_or(usize::MAX)).collect()))
        .into_response())
}

fn target(target: Target) -> (appdepot_core::inspect::Platform, String) {
    (target.platform(), target.variant().to_owned())
}

/// `None` for what this dialect has no binary type for.
fn entry(domain: &str, delivery: &Delivery, user: Option<&Stored<User>>) -> Option<AuditEntry> {
    let what = &delivery.what;
    let target = Target::of(what.platform, &what.variant)?;
    let name = delivery.subject.split_once(':').map_or("", |(_, name)| name);
    Some(AuditEntry {
        device_id: delivery.origin.device.clone().unwrap_or_default(),
        domain: domain.to_owned(),
        // Entries are numbered; the letter keeps clients from reading a number.
        guid: format!("log-{}", delivery.sequence),
        ip_address: delivery.origin.address.clone().unwrap_or_default(),
        store_item_binary_guid: words::binary_guid(what.app, target),
        store_item_binary_type: target.as_str(),
        store_item_binary_version: what.number,
        store_item_guid: words::guid(what.app),
        store_item_title: what.name.clone(),
        sys_created: words::audit_date(delivery.at),
        sys_version: 1,
        user_guid: user.map_or_else(|| name.to_owned(), |user| words::guid(user.id)),
        user_id: user.map_or_else(|| name.to_owned(), |user| user.email.clone()),
    })
}
