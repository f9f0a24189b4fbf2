//! Collaborators: people with a role in the workspace, and service accounts.

use appdepot_core::depot::Collaborator;
use appdepot_core::domain::{ApiKey, Group, Id, User};
use appdepot_core::query::{Field, Op, Query};
use axum::body::Body;
use axum::response::IntoResponse as _;
use serde_json::Value;

use super::super::fault::Fault;
use super::super::types::{
    Answer, CollaboratorShown, GroupValue, NewCollaborator, NewServiceAccount, Removed, ServiceAccount,
    changed_role,
};
use super::super::words;
use super::{Answered, Call, Wanted};
use crate::wire::json;

pub(super) async fn list(call: Call) -> Answered {
    let wanted = Wanted::read(&call.uri)?;
    let mut query = wanted.query::<User>(call.organization)?;
    if let Some(email) = wanted.first("email") {
        query = query.filter(Field::parse("email")?, Op::Contains(email.to_owned()));
    }
    let role = match wanted.first("role") {
        Some(word) => Some(words::collaborator_role(word).ok_or_else(|| {
            Fault::validation(format!("role: must be one of {}", words::COLLABORATOR_ROLES.join(", ")))
        })?),
        None => None,
    };
    let found = call.backend.depot.collaborators(&call.actor, query, role.as_ref()).await?;
    let items = found.items.iter().map(CollaboratorShown::of).collect();
    Ok(Answer::of(wanted.listing(items, found.total.unwrap_or_default())).into_response())
}

pub(super) async fn groups(call: Call) -> Answered {
    let wanted = Wanted::read(&call.uri)?;
    let query = wanted.query::<Group>(call.organization)?;
    let found = call.backend.depot.groups(&call.actor, query).await?;
    let items = found.items.iter().map(|group| GroupValue { value: group.name.clone() }).collect();
    Ok(Answer::of(wanted.listing(items, found.total.unwrap_or_default())).into_response())
}

pub(super) async fn create(call: Call, body: Body) -> Answered {
    let body: Value = json::read(&call.headers, body).await.map_err(Fault::wire)?;
    let NewCollaborator { user, password, role } = NewCollaborator::read(&body)?;
    let depot = &call.backend.depot;
    let made = depot.enrol(&call.actor, call.organization, user, password.as_deref(), role).await?;
    call.collaborator(made.id).await
}

pub(super) async fn get(call: Call) -> Answered {
    call.collaborator(call.id()?).await
}

pub(super) async fn update(call: Call, body: Body) -> Answered {
    let id: Id<User> = call.id()?;
    let body: Value = json::read(&call.headers, body).await.map_err(Fault::wire)?;
    let role = changed_role(&body)?;
    let depot = &call.backend.depot;
    let user = depot.user(&call.actor, call.organization, &id.to_string()).await?;
    depot.change_role(&call.actor, call.organization, &user.id.into(), &role).await?;
    call.collaborator(id).await
}

pub(super) async fn remove(call: Call) -> Answered {
    call.backend.depot.remove_user(&call.actor, call.organization, call.id()?).await?;
    Ok(Answer::of(Removed { delete: "OK" }).into_response())
}

pub(super) async fn list_accounts(call: Call) -> Answered {
    let accounts = call.backend.depot.service_accounts(&call.actor, call.organization).await?;
    let items: Vec<_> = accounts.iter().map(|account| ServiceAccount::of(account, None)).collect();
    Ok(Answer::of(items).into_response())
}

pub(super) async fn create_account(call: Call, body: Body) -> Answered {
    let body: Value = json::read(&call.headers, body).await.map_err(Fault::wire)?;
    let NewServiceAccount { name, role, vendor } = NewServiceAccount::read(&body)?;
    let depot = &call.backend.depot;
    let made =
        depot.create_service_account(&call.actor, call.organization, &name, role.clone(), vendor).await?;
    let account = Collaborator { who: made.key, roles: vec![role] };
    Ok(Answer::of(ServiceAccount::of(&account, Some(made.text))).into_response())
}

pub(super) async fn update_account(call: Call, body: Body) -> Answered {
    let account = call.service_account().await?;
    let body: Value = json::read(&call.headers, body).await.map_err(Fault::wire)?;
    let role = changed_role(&body)?;
    let depot = &call.backend.depot;
    depot.change_role(&call.actor, call.organization, &account.who.subject()?, &role).await?;
    Ok(Answer::of(ServiceAccount::of(&call.service_account().await?, None)).into_response())
}

pub(super) async fn remove_account(call: Call) -> Answered {
    let account = call.service_account().await?;
    call.backend.depot.revoke_key(&call.actor, call.organization, &account.who.key).await?;
    Ok(Answer::of(Removed { delete: "OK" }).into_response())
}

impl Call {
    async fn collaborator(&self, id: Id<User>) -> Answered {
        let one = Query::of::<User>(self.organization).filter(Field::Id, Op::Eq(id.into())).limit(1);
        let found = self.backend.depot.collaborators(&self.actor, one, None).await?;
        let found = found.items.first().ok_or_else(Fault::not_found)?;
        Ok(Answer::of(CollaboratorShown::of(found)).into_response())
    }

    async fn service_account(&self) -> Result<Collaborator<ApiKey>, Fault> {
        let id = self.id()?;
        let accounts = self.backend.depot.service_accounts(&self.actor, self.organization).await?;
        accounts.into_iter().find(|account| account.who.id == id).ok_or_else(Fault::not_found)
    }
}
