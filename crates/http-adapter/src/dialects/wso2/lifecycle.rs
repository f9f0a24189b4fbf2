//! The lifecycle of an app.

use appdepot_core::domain::Event;
use appdepot_core::lifecycle::Verb;
use axum::http::StatusCode;
use serde::Serialize;

use super::fault::Fault;
use super::request::{Answer, Call};
use super::words;

#[derive(Serialize)]
struct Message {
    message: String,
}

#[derive(Serialize)]
struct Stand {
    actions: Vec<&'static str>,
    state: &'static str,
    #[serde(rename = "async")]
    later: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct History {
    life_cycle_history_list: Vec<Step>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Step {
    order: usize,
    state: &'static str,
    target_state: &'static str,
    timestamp: String,
    user: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    comment: Option<String>,
}

pub(super) async fn change(call: Call) -> Answer {
    let kind = call.kind()?;
    let id = call.query("appId").ok_or_else(|| Fault::bad_request("appId is required"))?;
    let action = call.query("action").ok_or_else(|| Fault::bad_request("action is required"))?;
    let verb = words::verb(action).ok_or_else(|| {
        let all = words::actions(&Verb::ALL);
        Fault::bad_request(format!("There is no such action. The actions are {all}"))
    })?;
    let comment = call.query("comment").unwrap_or_default();
    let release = call.release_named(id, kind).await?;
    let (view, modified) = call.view(&release).await?;
    call.may_change(&view, modified, release.revision)?;
    let depot = &call.backend.depot;
    let stepped = depot.step(&call.actor, call.organization, release.id, verb, comment).await;
    let next = stepped.map_err(|error| Fault::step(error, words::type_of(kind), id))?;
    // The blank at the end is the document's.
    let message = format!("Lifecycle action : {} has been accepted for processing ", words::action(verb));
    call.changed(StatusCode::ACCEPTED, &Message { message }, Some(next.updated_at), None)
}

pub(super) async fn stand(call: Call) -> Answer {
    let release = call.release().await?;
    let app = call.backend.depot.app(&call.actor, call.organization, &release.app.to_string()).await?;
    let allowed = call.backend.depot.lifecycle(&app).allowed(release.state);
    let actions = allowed.into_iter().map(words::action).collect();
    let view = Stand { actions, state: words::state(release.state), later: false };
    call.answer(&view, Some(release.updated_at))
}

pub(super) async fn history(call: Call) -> Answer {
    let release = call.release().await?;
    let events = call.backend.depot.history(&call.actor, call.organization, release.id).await?;
    let steps: Vec<&Event> = events.iter().filter(|event| event.event.to.is_some()).collect();
    let count = steps.len();
    let steps = steps.into_iter().enumerate().map(|(at, event)| {
        let event = &event.event;
        Step {
            order: count - at,
            state: words::history_state(event.from.as_deref().unwrap_or_default()),
            target_state: words::history_state(event.to.as_deref().unwrap_or_default()),
            timestamp: words::moment(event.at),
            user: event.actor.split_once(':').map_or("", |(_, name)| name).to_owned(),
            comment: event.detail.get("comment").and_then(|text| text.as_str()).map(str::to_owned),
        }
    });
    let view = History { life_cycle_history_list: steps.collect() };
    call.answer(&view, Some(release.updated_at))
}
