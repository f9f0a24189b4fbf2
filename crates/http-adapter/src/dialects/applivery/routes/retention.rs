//! What an app keeps of its builds. The documents have settings for it, and no operation.

use axum::response::IntoResponse as _;

use super::super::types::{Answer, RetentionApplied, RetentionPlan};
use super::{Answered, Call};

pub(super) async fn plan(call: Call) -> Answered {
    let app = call.app().await?;
    let plan = call.backend.depot.retention_plan(&call.actor, call.organization, app.id).await?;
    let builds = plan.builds.iter().map(|build| build.id.to_string()).collect();
    Ok(Answer::of(RetentionPlan { id: plan.id, builds }).into_response())
}

pub(super) async fn apply(call: Call) -> Answered {
    let app = call.app().await?;
    let depot = &call.backend.depot;
    let removed = depot.apply_retention(&call.actor, call.organization, app.id, &call.reference).await?;
    Ok(Answer::of(RetentionApplied { removed }).into_response())
}
