//! What goes with apps: policy partials, business owners, roles, throttling tiers, contexts, figures.

use std::collections::BTreeMap;

use appdepot_core::depot::{NewBusinessOwner, NewPolicy, PolicyChange};
use appdepot_core::domain::{AppKind, BusinessOwner, Group, OwnerProperty, Policy, Release, Stored};
use appdepot_core::query::{Field, Op, Query, Sort};
use appdepot_core::{Error, ErrorKind, Result};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use super::PUBLISHER;
use super::compose::slashed;
use super::fault::Fault;
use super::request::{Answer, Call, Links, done};
use super::types::required;
use super::words;

/// The throttling tiers as shipped: name, requests per minute, description.
pub(super) const TIERS: [(&str, u32, &str); 4] = [
    ("Unlimited", u32::MAX, "Allows unlimited requests"),
    ("Gold", 20, "Allows 20 requests per minute"),
    ("Silver", 5, "Allows 5 requests per minute"),
    ("Bronze", 1, "Allows 1 request per minute"),
];

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct PolicyRequest {
    policy_partial: Option<String>,
    policy_partial_name: Option<String>,
    is_shared_partial: Option<bool>,
    policy_partial_desc: Option<String>,
    policy_partial_id: Option<serde::de::IgnoredAny>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PolicyView {
    policy_partial_id: u64,
    policy_partial_name: String,
    policy_partial: String,
    is_shared_partial: bool,
    policy_partial_desc: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PolicyList {
    #[serde(flatten)]
    links: Links,
    policy_list: Vec<PolicySummary>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PolicySummary {
    policy_partial_id: u64,
    policy_partial_name: String,
}

fn policy_view(policy: &Policy) -> PolicyView {
    PolicyView {
        policy_partial_id: policy.number,
        policy_partial_name: policy.name.clone(),
        policy_partial: policy.condition.clone(),
        is_shared_partial: policy.shared,
        policy_partial_desc: policy.description.clone(),
    }
}

impl Call {
    async fn policy(&self) -> Result<Stored<Policy>, Fault> {
        let text = self.path("policy");
        whole_number("policyPartialId", text)?;
        match self.backend.depot.policy(&self.actor, self.organization, text).await {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                Err(Fault::not_found(&format!("policy partial with Id '{text}'")))
            }
            other => Ok(other?),
        }
    }

    async fn owner_in_path(&self) -> Result<Stored<BusinessOwner>, Fault> {
        let text = self.path("owner");
        whole_number("businessOwnerId", text)?;
        match self.backend.depot.business_owner(&self.actor, self.organization, text).await {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                Err(Fault::not_found(&format!("business owner with Id '{text}'")))
            }
            other => Ok(other?),
        }
    }
}

fn whole_number(name: &'static str, text: &str) -> Result<()> {
    text.parse::<u64>()
        .map(|_| ())
        .map_err(|_| Error::invalid(name, format!("{name} must be a whole number")))
}

/// The shared ones.
pub(super) async fn policies(call: Call) -> Answer {
    let window = call.window()?;
    let query = Query::of::<Policy>(call.organization)
        .filter(Field::parse("shared")?, Op::Eq(true.into()))
        .sort(Sort::ascending(Field::parse("number")?));
    let page = call.backend.depot.policies(&call.actor, window.of(query)).await?;
    let links = call.links(&window, &page, "/xacmlpolicies");
    let summary = |policy: &Stored<Policy>| PolicySummary {
        policy_partial_id: policy.number,
        policy_partial_name: policy.name.clone(),
    };
    call.answer(&PolicyList { links, policy_list: page.items.iter().map(summary).collect() }, None)
}

pub(super) async fn create_policy(call: Call) -> Answer {
    let body: PolicyRequest = call.read().await?;
    let new = NewPolicy {
        name: required("policyPartialName", body.policy_partial_name)?,
        condition: required("policyPartial", body.policy_partial)?,
        shared: body.is_shared_partial.unwrap_or(false),
        description: body.policy_partial_desc.unwrap_or_default(),
    };
    let policy = call.backend.depot.create_policy(&call.actor, call.organization, new).await?;
    let location = format!("{PUBLISHER}/administration/xacmlpolicies/{}", policy.number);
    call.changed(StatusCode::CREATED, &policy_view(&policy), Some(policy.updated_at), Some(&location))
}

pub(super) async fn validate_policy(call: Call) -> Answer {
    let body: PolicyRequest = call.read().await?;
    let condition = required("policyPartial", body.policy_partial)?;
    call.backend.depot.validate_policy(&call.actor, call.organization, &condition).await?;
    done()
}

pub(super) async fn get_policy(call: Call) -> Answer {
    let policy = call.policy().await?;
    call.answer(&policy_view(&policy), Some(policy.updated_at))
}

pub(super) async fn update_policy(call: Call) -> Answer {
    let body: PolicyRequest = call.read().await?;
    let policy = call.policy().await?;
    if body.policy_partial_name.is_some_and(|name| name != policy.name) {
        return Err(Fault::bad_request("policyPartialName cannot be changed"));
    }
    let expected = call.may_change(&policy_view(&policy), policy.updated_at, policy.revision)?;
    let change = PolicyChange {
        condition: Some(required("policyPartial", body.policy_partial)?),
        shared: body.is_shared_partial,
        description: body.policy_partial_desc,
    };
    let depot = &call.backend.depot;
    let next = depot.update_policy(&call.actor, call.organization, policy.id, expected, change).await?;
    call.changed(StatusCode::OK, &policy_view(&next), Some(next.updated_at), None)
}

pub(super) async fn remove_policy(call: Call) -> Answer {
    let policy = call.policy().await?;
    let expected = call.may_change(&policy_view(&policy), policy.updated_at, policy.revision)?;
    let depot = &call.backend.depot;
    let removed = depot.remove_policy(&call.actor, call.organization, policy.id, expected).await;
    removed.map_err(Fault::in_use)?;
    done()
}

pub(super) async fn apps_of_policy(call: Call) -> Answer {
    let kind = call.kind()?;
    if kind != AppKind::Web {
        return Err(Fault::bad_request("Only web apps are mapped to policy partials"));
    }
    let policy = call.policy().await?;
    let query = call.releases(kind)?.filter(Field::parse("policies")?, Op::Eq(policy.id.into()));
    call.listing(query, false, &format!("/xacmlpolicies/{}/apps/{}", policy.number, words::type_of(kind)))
        .await
}

/// A business owner, as written and read.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct OwnerBody {
    #[serde(default)]
    id: Option<u64>,
    #[serde(default)]
    name: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    email: String,
    #[serde(default)]
    site: String,
    #[serde(default)]
    properties: Vec<PropertyBody>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PropertyBody {
    key: String,
    #[serde(default)]
    value: String,
    #[serde(default)]
    is_visible: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OwnerList {
    #[serde(flatten)]
    links: Links,
    business_owner_list: Vec<OwnerBody>,
}

impl OwnerBody {
    fn new(owner: &BusinessOwner) -> Self {
        let property = |one: &OwnerProperty| PropertyBody {
            key: one.key.clone(),
            value: one.value.clone(),
            is_visible: one.visible,
        };
        Self {
            id: Some(owner.number),
            name: owner.name.clone(),
            description: owner.description.clone(),
            email: owner.email.clone(),
            site: owner.site.clone(),
            properties: owner.properties.iter().map(property).collect(),
        }
    }

    fn into_new(self) -> NewBusinessOwner {
        let property =
            |one: PropertyBody| OwnerProperty { key: one.key, value: one.value, visible: one.is_visible };
        NewBusinessOwner {
            name: self.name,
            email: self.email,
            description: self.description,
            site: self.site,
            properties: self.properties.into_iter().map(property).collect(),
        }
    }
}

pub(super) async fn owners(call: Call) -> Answer {
    let window = call.window()?;
    let query = Query::of::<BusinessOwner>(call.organization).sort(Sort::ascending(Field::parse("number")?));
    let page = call.backend.depot.business_owners(&call.actor, window.of(query)).await?;
    let links = call.links(&window, &page, "/administration/businessowner");
    let business_owner_list = page.items.iter().map(|owner| OwnerBody::new(owner)).collect();
    call.answer(&OwnerList { links, business_owner_list }, None)
}

pub(super) async fn create_owner(call: Call) -> Answer {
    let body: OwnerBody = call.read().await?;
    let depot = &call.backend.depot;
    let owner = depot.create_business_owner(&call.actor, call.organization, body.into_new()).await?;
    let location = format!("{PUBLISHER}/administration/businessowner/{}", owner.number);
    call.changed(StatusCode::CREATED, &OwnerBody::new(&owner), Some(owner.updated_at), Some(&location))
}

pub(super) async fn get_owner(call: Call) -> Answer {
    let owner = call.owner_in_path().await?;
    call.answer(&OwnerBody::new(&owner), Some(owner.updated_at))
}

pub(super) async fn update_owner(call: Call) -> Answer {
    let body: OwnerBody = call.read().await?;
    let owner = call.owner_in_path().await?;
    let expected = call.may_change(&OwnerBody::new(&owner), owner.updated_at, owner.revision)?;
    let depot = &call.backend.depot;
    let new = body.into_new();
    let next = depot.update_business_owner(&call.actor, call.organization, owner.id, expected, new).await?;
    call.changed(StatusCode::OK, &OwnerBody::new(&next), Some(next.updated_at), None)
}

pub(super) async fn remove_owner(call: Call) -> Answer {
    let owner = call.owner_in_path().await?;
    let expected = call.may_change(&OwnerBody::new(&owner), owner.updated_at, owner.revision)?;
    let depot = &call.backend.depot;
    let removed = depot.remove_business_owner(&call.actor, call.organization, owner.id, expected).await;
    removed.map_err(Fault::in_use)?;
    done()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RoleIdList {
    role_ids: Vec<String>,
}

/// The organization's groups: what WSO2 calls roles, without those of the server itself.
pub(super) async fn roles(call: Call) -> Answer {
    let query = Query::of::<Group>(call.organization)
        .sort(Sort::ascending(Field::parse("name")?))
        .limit(appdepot_core::query::PAGE_LIMIT);
    let page = call.backend.depot.groups(&call.actor, query).await?;
    let role_ids = page.items.iter().map(|group| group.name.clone()).collect();
    call.answer(&RoleIdList { role_ids }, None)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TierList {
    tier_list: Vec<Tier>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Tier {
    tier_name: &'static str,
    tier_display_name: &'static str,
    tier_description: &'static str,
    tier_sort_key: u32,
}

pub(super) async fn tiers(call: Call) -> Answer {
    if call.kind()? != AppKind::Web {
        return Err(Fault::bad_request("Only web apps have throttling tiers"));
    }
    // They are for whoever may look at apps.
    call.backend.depot.releases(&call.actor, call.releases(AppKind::Web)?.limit(1)).await?;
    let tier = |(name, per_minute, description): &(&'static str, u32, &'static str)| Tier {
        tier_name: name,
        tier_display_name: name,
        tier_description: description,
        tier_sort_key: *per_minute,
    };
    call.answer(&TierList { tier_list: TIERS.iter().map(tier).collect() }, None)
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ContextAnswer {
    is_context_exists: bool,
}

pub(super) async fn validate_context(call: Call) -> Answer {
    if call.kind()? != AppKind::Web {
        return Err(Fault::bad_request("Only web apps have a context"));
    }
    call.expects_json()?;
    let context = call.query("appContext").ok_or_else(|| Fault::bad_request("appContext is required"))?;
    let depot = &call.backend.depot;
    let is_context_exists = depot.context_in_use(&call.actor, call.organization, &slashed(context)).await?;
    call.changed(StatusCode::OK, &ContextAnswer { is_context_exists }, None, None)
}

#[derive(Serialize)]
struct StatSummary {
    result: Vec<Stat>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Stat {
    app_name: String,
    version: String,
    count: usize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    users: Vec<String>,
}

/// Figures of subscriptions. Nothing here passes the requests of web apps on, so there are no figures of those.
pub(super) async fn stats(call: Call) -> Answer {
    let kind = call.kind()?;
    if kind != AppKind::Web {
        return Err(Fault::bad_request("There are figures of web apps only"));
    }
    let named = match call.path("stat") {
        "getSubscriptionCountsPerApp" => false,
        "getSubscriptionsPerApp" => true,
        _ => return Err(Fault::bad_request("No figures of this type are kept")),
    };
    let window = call.window()?;
    let page = call.backend.depot.releases(&call.actor, window.of(call.releases(kind)?)).await?;
    let mut result = Vec::new();
    for release in page.items {
        let users = call.subscribers(&release).await?;
        if !users.is_empty() {
            let (app_name, version) = (release.name.clone(), release.version.clone());
            let count = users.len();
            result.push(Stat { app_name, version, count, users: if named { users } else { Vec::new() } });
        }
    }
    result.sort_by_key(|tag| std::cmp::Reverse(tag.count));
    call.answer(&StatSummary { result }, None)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UserIdList {
    user_ids: Vec<String>,
}

pub(super) async fn subscriptions(call: Call) -> Answer {
    let release = call.release().await?;
    subscribers_of(&call, &release).await
}

/// Who has subscribed to an app.
pub(super) async fn subscribers_of(call: &Call, release: &Stored<Release>) -> Answer {
    let user_ids = call.subscribers(release).await?;
    call.answer(&UserIdList { user_ids }, None)
}

impl Call {
    async fn subscribers(&self, release: &Stored<Release>) -> Result<Vec<String>> {
        let depot = &self.backend.depot;
        let found = depot.subscribers(&self.actor, self.organization, release.id).await?;
        // One person may have subscribed under several names of the same text; once is enough.
        let mut seen = BTreeMap::new();
        Ok(found
            .into_iter()
            .map(|one| one.name())
            .filter(|name| seen.insert(name.clone(), ()).is_none())
            .collect())
    }
}
