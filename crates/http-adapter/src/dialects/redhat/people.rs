//! Groups, auth policies and users.

use std::collections::BTreeSet;
use std::sync::Arc;

use appdepot_core::Result;
use appdepot_core::authorize::Subject;
use appdepot_core::depot::{
    AuthPolicyChange, Delivery, DeliveryFilter, GroupChange, ListingChange, NewAuthPolicy, NewUser,
    SetChange, UserChange,
};
use appdepot_core::domain::{App, AuthPolicy, Group, Id, Listing, Role, Stored, User};
use appdepot_core::query::{Field, Op, Query, Sort};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures::FutureExt as _;
use serde_json::{Value, json};

use super::call::Call;
use super::fault::Fault;
use super::items::{everything, one};
use super::types::{self, Done, GroupName, Listed, Member, One};
use super::{PREFIX, State, words};

type Answered = Result<Response, Fault>;

/// What a user of a domain may do: use its store.
const ROLE: &str = "org.member";

pub(super) fn routes() -> Router<Arc<State>> {
    let group = |operation: &str| format!("{PREFIX}/admin/storeitemgroup/{operation}");
    let policy = |operation: &str| format!("{PREFIX}/admin/authpolicy/{operation}");
    let user = |operation: &str| format!("{PREFIX}/admin/user/{operation}");
    Router::new()
        .route(&group("list"), get(list_groups).post(list_groups))
        .route(&group("create"), post(create_group))
        .route(&group("read"), get(read_group).post(read_group))
        .route(&group("update"), post(update_group))
        .route(&group("delete"), post(delete_group))
        .route(&group("addusers"), post(async |call: Call| change_members(call, true).await))
        .route(&group("removeusers"), post(async |call: Call| change_members(call, false).await))
        .route(&group("addstoreitems"), post(async |call: Call| change_items(call, true).await))
        .route(&group("removestoreitems"), post(async |call: Call| change_items(call, false).await))
        .route(&policy("list"), get(list_policies).post(list_policies))
        .route(&policy("create"), post(create_policy))
        .route(&policy("read"), get(read_policy).post(read_policy))
        .route(&policy("update"), post(update_policy))
        .route(&policy("delete"), post(delete_policy))
        .route(&policy("addusers"), post(async |call: Call| change_approved(call, true).await))
        .route(&policy("removeusers"), post(async |call: Call| change_approved(call, false).await))
        .route(&user("list"), get(list_users).post(list_users))
        .route(&user("create"), post(create_user))
        .route(&user("read"), get(read_user).post(read_user))
        .route(&user("update"), post(update_user))
        .route(&user("delete"), post(delete_user))
        .route(&user("liststoreitems"), get(list_installed).post(list_installed))
        .route(&user("listdevices"), get(list_devices).post(list_devices))
}

async fn list_groups(call: Call) -> Answered {
    let by_name = Query::of::<Group>(call.organization.id).sort(Sort::ascending(Field::parse("name")?));
    let groups = everything(by_name, |query| call.state.depot().groups(&call.actor, query).boxed());
    let names = groups.await?.into_iter().map(|group| GroupName {
        guid: words::guid(group.id),
        name: group.name.clone(),
        description: group.description.clone(),
    });
    Ok(Json(Listed::new(names.collect())).into_response())
}

async fn create_group(call: Call) -> Answered {
    let (name, description) = (call.fields.required("name")?, call.fields.text("description")?);
    let depot = call.state.depot();
    let group = depot
        .create_group(&call.actor, call.organization.id, &name, &description.unwrap_or_default())
        .await?;
    answer_group(&call, group).await
}

async fn read_group(call: Call) -> Answered {
    let id: Id<Group> = call.fields.id("guid")?;
    let group = call.state.depot().group(&call.actor, call.organization.id, &id.to_string()).await?;
    answer_group(&call, group).await
}

/// Who is in a group and what is for it change by operations of their own.
async fn update_group(call: Call) -> Answered {
    let change =
        GroupChange { name: call.fields.any(&["name"])?, description: call.fields.text("description")? };
    let id = call.fields.id("guid")?;
    let group = call.state.depot().update_group(&call.actor, call.organization.id, id, None, change).await?;
    answer_group(&call, group).await
}

async fn delete_group(call: Call) -> Answered {
    let id = call.fields.id("guid")?;
    call.state.depot().remove_group(&call.actor, call.organization.id, id).await?;
    Ok(Json(Done::new()).into_response())
}

async fn change_members(call: Call, add: bool) -> Answered {
    let id = call.fields.id("guid")?;
    let subjects = subjects(&call, "users").await?;
    let (add, remove) = if add { (subjects, Vec::new()) } else { (Vec::new(), subjects) };
    let depot = call.state.depot();
    let group = depot.change_members(&call.actor, call.organization.id, id, &add, &remove).await?;
    answer_group(&call, group).await
}

async fn change_items(call: Call, add: bool) -> Answered {
    let id: Id<Group> = call.fields.id("guid")?;
    let store = call.store().await?;
    let depot = call.state.depot();
    let organization = call.organization.id;
    let group = depot.group(&call.actor, organization, &id.to_string()).await?;
    let apps: Vec<Id<App>> = call.fields.ids("storeitems")?.unwrap_or_default();
    let change = ListingChange { groups: one(id, add), ..ListingChange::default() };
    let changes = apps.into_iter().map(|app| (app, change.clone())).collect();
    depot.list_apps(&call.actor, organization, store.id, changes).await?;
    answer_group(&call, group).await
}

async fn answer_group(call: &Call, group: Stored<Group>) -> Answered {
    let named = Query::of::<Listing>(call.organization.id)
        .filter(Field::parse("audience.groups")?, Op::Eq(group.id.into()))
        .filter(Field::parse("publication")?, Op::Missing)
        .sort(Sort::ascending(Field::parse("name")?));
    let depot = call.state.depot();
    let listings = everything(named, |query| depot.listings(&call.actor, query).boxed()).await?;
    let one = types::Group {
        guid: words::guid(group.id),
        name: group.name.clone(),
        description: group.description.clone(),
        storeitems: listings.iter().map(|listing| words::guid(listing.app)).collect(),
        users: members(call, &group.members).await?,
    };
    Ok(Json(One::new(one)).into_response())
}

async fn list_policies(call: Call) -> Answered {
    let policies = call.state.depot().auth_policies(&call.actor, call.organization.id).await?;
    let mut list = Vec::with_capacity(policies.len());
    for policy in policies {
        list.push(shown_policy(&call, policy).await?);
    }
    Ok(Json(Listed::new(list)).into_response())
}

async fn create_policy(call: Call) -> Answered {
    let fields = &call.fields;
    let new = NewAuthPolicy {
        name: fields.required("policyId")?,
        method: method(&call)?.ok_or_else(|| Fault::told("policyType: is required"))?,
        configuration: fields.object("configurations")?.unwrap_or_default(),
        check_exists: fields.flag("checkUserExists")?.unwrap_or_default(),
        check_approved: fields.flag("checkUserApproved")?.unwrap_or_default(),
        users: subjects(&call, "users").await?,
    };
    let policy = call.state.depot().create_auth_policy(&call.actor, call.organization.id, new).await?;
    answer_policy(&call, policy).await
}

async fn read_policy(call: Call) -> Answered {
    let policy = policy(&call).await?;
    answer_policy(&call, policy).await
}

/// Who is approved changes by operations of its own.
async fn update_policy(call: Call) -> Answered {
    let fields = &call.fields;
    let change = AuthPolicyChange {
        name: fields.any(&["policyId"])?,
        method: method(&call)?,
        configuration: fields.object("configurations")?,
        check_exists: fields.flag("checkUserExists")?,
        check_approved: fields.flag("checkUserApproved")?,
        users: SetChange::default(),
    };
    change_policy(&call, change).await
}

async fn delete_policy(call: Call) -> Answered {
    let id = call.fields.id("guid")?;
    call.state.depot().remove_auth_policy(&call.actor, call.organization.id, id).await?;
    Ok(Json(Done::new()).into_response())
}

async fn change_approved(call: Call, add: bool) -> Answered {
    let subjects = subjects(&call, "users").await?;
    let users = if add {
        SetChange { add: subjects, ..SetChange::default() }
    } else {
        SetChange { remove: subjects, ..SetChange::default() }
    };
    change_policy(&call, AuthPolicyChange { users, ..AuthPolicyChange::default() }).await
}

async fn change_policy(call: &Call, change: AuthPolicyChange) -> Answered {
    let id = call.fields.id("guid")?;
    let depot = call.state.depot();
    let policy = depot.update_auth_policy(&call.actor, call.organization.id, id, None, change).await?;
    answer_policy(call, policy).await
}

/// The policy that a request names: by its guid, or by its name.
async fn policy(call: &Call) -> Result<Stored<AuthPolicy>, Fault> {
    let reference = match call.fields.any(&["guid"])? {
        Some(guid) => words::id::<AuthPolicy>(&guid).ok_or_else(Fault::guid)?.to_string(),
        None => call.fields.required("policyId")?,
    };
    Ok(call.state.depot().auth_policy(&call.actor, call.organization.id, &reference).await?)
}

fn method(call: &Call) -> Result<Option<appdepot_core::domain::AuthMethod>, Fault> {
    let Some(word) = call.fields.any(&["policyType"])? else { return Ok(None) };
    let known = words::auth_method(&word);
    let types = "policyType: must be FEEDHENRY, MBAAS, LDAP, OAUTH1, OAUTH2 or OPENID";
    known.map(Some).ok_or_else(|| Fault::told(types))
}

async fn answer_policy(call: &Call, policy: Stored<AuthPolicy>) -> Answered {
    Ok(Json(One::new(shown_policy(call, policy).await?)).into_response())
}

async fn shown_policy(call: &Call, policy: Stored<AuthPolicy>) -> Result<types::Policy> {
    Ok(types::Policy {
        guid: words::guid(policy.id),
        policy_id: policy.name.clone(),
        policy_type: words::policy_type(policy.method),
        configurations: policy.configuration.clone(),
        check_user_exists: policy.check_exists,
        check_user_approved: policy.check_approved,
        users: members(call, &policy.users).await?,
    })
}

async fn list_users(call: Call) -> Answered {
    let by_email = Query::of::<User>(call.organization.id).sort(Sort::ascending(Field::parse("email")?));
    let users = everything(by_email, |query| call.state.depot().users(&call.actor, query).boxed());
    let mut list = Vec::new();
    for user in users.await? {
        list.push(shown_user(&call, &user).await?);
    }
    Ok(Json(Listed::new(list)).into_response())
}

async fn create_user(call: Call) -> Answered {
    let fields = &call.fields;
    let username = fields.required("username")?;
    // People are often called by their address.
    let (email, username) = match fields.any(&["email"])? {
        Some(email) => (email, Some(username).filter(|name| !name.contains('@'))),
        None => (username, None),
    };
    let groups: Vec<Id<Group>> = ids(&call, "storeItemGroups")?;
    let policies: Vec<Id<AuthPolicy>> = ids(&call, "authpolicies")?;
    let (first_name, last_name) = names(fields.any(&["name"])?);
    let new = NewUser {
        email,
        username,
        first_name: first_name.unwrap_or_default(),
        last_name: last_name.unwrap_or_default(),
        ..NewUser::default()
    };
    let depot = call.state.depot();
    let organization = call.organization.id;
    // What is named has to be there before anyone is made.
    for group in &groups {
        depot.group(&call.actor, organization, &group.to_string()).await?;
    }
    for policy in &policies {
        depot.auth_policy(&call.actor, organization, &policy.to_string()).await?;
    }
    let password = fields.any(&["password"])?;
    let role = Role::parse(ROLE)?;
    let user = depot.enrol(&call.actor, organization, new, password.as_deref(), role).await?;
    let subject = Subject::from(user.id);
    for group in groups {
        depot.change_members(&call.actor, organization, group, std::slice::from_ref(&subject), &[]).await?;
    }
    for policy in policies {
        let change = AuthPolicyChange { users: one(subject.clone(), true), ..AuthPolicyChange::default() };
        depot.update_auth_policy(&call.actor, organization, policy, None, change).await?;
    }
    answer_user(&call, &user).await
}

async fn read_user(call: Call) -> Answered {
    let user = named_user(&call).await?;
    answer_user(&call, &user).await
}

async fn update_user(call: Call) -> Answered {
    let user = named_user(&call).await?;
    let fields = &call.fields;
    let (first_name, last_name) = names(fields.any(&["name"])?);
    let change = UserChange {
        email: fields.any(&["email"])?,
        first_name,
        last_name,
        enabled: fields.flag("enabled")?,
        ..UserChange::default()
    };
    let (depot, organization) = (call.state.depot(), call.organization.id);
    let user = depot.update_user(&call.actor, organization, user.id, None, change).await?;
    if let Some(password) = fields.any(&["password"])? {
        depot.set_password(&call.actor, organization, user.id, &password).await?;
    }
    answer_user(&call, &user).await
}

async fn delete_user(call: Call) -> Answered {
    let user = named_user(&call).await?;
    call.state.depot().remove_user(&call.actor, call.organization.id, user.id).await?;
    Ok(Json(Done::new()).into_response())
}

async fn list_installed(call: Call) -> Answered {
    let mut seen = BTreeSet::new();
    let list = deliveries(&call).await?.into_iter().filter(|one| seen.insert(one.what.app)).map(|one| {
        json!({
            "guid": words::guid(one.what.app),
            "name": one.what.name,
            "storeItemBinaryVersion": one.what.number,
            "sysCreated": words::audit_date(one.at),
        })
    });
    Ok(Json(Listed::<Value>::new(list.collect())).into_response())
}

async fn list_devices(call: Call) -> Answered {
    let mut seen = BTreeSet::new();
    let list = deliveries(&call).await?.into_iter().filter_map(|one| {
        let device = one.origin.device.filter(|device| seen.insert(device.clone()))?;
        Some(json!({ "deviceId": device, "sysCreated": words::audit_date(one.at) }))
    });
    Ok(Json(Listed::<Value>::new(list.collect())).into_response())
}

/// What the user that a request names has installed and downloaded lately.
async fn deliveries(call: &Call) -> Result<Vec<Delivery>, Fault> {
    let user = named_user(call).await?;
    let subject = Some(Subject::from(user.id).to_string());
    let filter = DeliveryFilter { subject, ..DeliveryFilter::default() };
    Ok(call.state.depot().deliveries(&call.actor, call.organization.id, &filter, 1_000).await?)
}

async fn named_user(call: &Call) -> Result<Stored<User>, Fault> {
    let name = call.fields.any(&["guid", "username", "email", "userId"])?;
    let name = name.ok_or_else(|| Fault::told("username: is required"))?;
    Ok(call.user(&name).await?)
}

async fn answer_user(call: &Call, user: &Stored<User>) -> Answered {
    Ok(Json(One::new(shown_user(call, user).await?)).into_response())
}

async fn shown_user(call: &Call, user: &Stored<User>) -> Result<Value> {
    let organization = call.organization.id;
    let subject = Subject::from(user.id);
    let depot = call.state.depot();
    let with =
        Query::of::<Group>(organization).filter(Field::parse("members")?, Op::Eq(subject.as_str().into()));
    let groups = everything(with, |query| depot.groups(&call.actor, query).boxed()).await?;
    let policies = depot.auth_policies(&call.actor, organization).await?;
    let policies = policies.iter().filter(|policy| policy.users.contains(&subject));
    let name = format!("{} {}", user.first_name, user.last_name);
    Ok(json!({
        "guid": words::guid(user.id),
        "type": "ten_User",
        "fields": {
            "username": user.username.as_ref().unwrap_or(&user.email),
            "email": user.email,
            "name": name.trim(),
            "activated": true,
            "enabled": user.enabled,
            "blacklisted": !user.enabled,
            "lastLogin": user.signed_in_at.map(words::audit_date).unwrap_or_default(),
            "storeItemGroups": groups.iter().map(|group| words::guid(group.id)).collect::<Vec<_>>(),
            "authpolicies": policies.map(|policy| words::guid(policy.id)).collect::<Vec<_>>(),
        },
    }))
}

/// A given and a family name.
fn names(name: Option<String>) -> (Option<String>, Option<String>) {
    let Some(name) = name else { return (None, None) };
    let (first, last) = name.trim().split_once(' ').unwrap_or((name.trim(), ""));
    (Some(first.to_owned()), Some(last.trim().to_owned()))
}

/// Guids as a list, or as one text with commas.
fn ids<K>(call: &Call, name: &'static str) -> Result<Vec<Id<K>>, Fault> {
    let texts = call.fields.list(name)?.unwrap_or_default();
    let guids = texts.iter().flat_map(|text| text.split(',')).map(str::trim).filter(|text| !text.is_empty());
    guids.map(|guid| words::id(guid).ok_or_else(Fault::guid)).collect()
}

/// The users that a request names by address, name or guid.
async fn subjects(call: &Call, name: &'static str) -> Result<Vec<Subject>, Fault> {
    let mut subjects = Vec::new();
    for user in call.fields.list(name)?.unwrap_or_default() {
        subjects.push(call.user(&user).await?.id.into());
    }
    Ok(subjects)
}

/// Those of these subjects who have accounts.
async fn members(call: &Call, subjects: &[Subject]) -> Result<Vec<Member>> {
    let ids = subjects.iter().filter_map(Subject::as_user).map(Into::into).collect();
    let users = Query::of::<User>(call.organization.id)
        .filter(Field::Id, Op::In(ids))
        .sort(Sort::ascending(Field::parse("email")?));
    let found = everything(users, |query| call.state.depot().users(&call.actor, query).boxed()).await?;
    let member = |user: Stored<User>| Member {
        guid: words::guid(user.id),
        user_id: user.username.clone().unwrap_or_else(|| user.email.clone()),
        name: format!("{} {}", user.first_name, user.last_name).trim().to_owned(),
        email: user.email.clone(),
    };
    Ok(found.into_iter().map(member).collect())
}

impl Call {
    /// A user, by guid, address or name.
    pub(super) async fn user(&self, reference: &str) -> Result<Stored<User>> {
        let reference =
            words::id::<User>(reference).map_or_else(|| reference.to_owned(), |id| id.to_string());
        self.state.depot().user(&self.actor, self.organization.id, &reference).await
    }
}
