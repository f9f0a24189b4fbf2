//! What a request says of an app, as the depot wants it: checked word by word, names looked up.

use std::collections::BTreeSet;

use appdepot_core::depot::{NewApp, NewRelease, ReleaseChange};
use appdepot_core::domain::{
    AppKind, Asset, Audience, BusinessOwner, Details, Extra, Group, Id, LifecycleName, PackageName, Policy,
    Release, Stored,
};
use appdepot_core::inspect::Platform;
use appdepot_core::query::{Field, Op, Query, Value};
use appdepot_core::{Error, ErrorKind, Result};

use super::administration::TIERS;
use super::request::Call;
use super::types::{AppBody, Kept, PolicyGroup, required};
use super::words;

/// What a body comes to: said of the app, and of the release.
pub(super) struct Said {
    details: Details,
    audience: Option<Audience>,
    policies: Option<Vec<Id<Policy>>>,
    asset: Option<Id<Asset>>,
    package: Option<PackageName>,
    platform: Option<Platform>,
    version: String,
    notes: Option<String>,
    default: bool,
    kept: Kept,
}

impl Call {
    /// What a body says of a new app.
    pub(super) async fn new_app(&self, kind: AppKind, mut body: AppBody) -> Result<(NewApp, NewRelease)> {
        let name = required("name", body.name.take())?;
        required("displayName", body.display_name.clone())?;
        match kind {
            AppKind::Web => {
                required("context", body.context.clone())?;
            }
            AppKind::Mobile => check_mobile(&body)?,
        }
        let said = self.said(kind, body, Details::default(), Kept::default()).await?;
        let app = NewApp {
            name,
            lifecycle: match kind {
                AppKind::Web => LifecycleName::Web,
                AppKind::Mobile => LifecycleName::Mobile,
            },
            exclusive_name: true,
            context: said.kept.context.clone(),
            ..NewApp::default()
        };
        let release = NewRelease {
            asset: said.asset,
            package: said.package,
            platform: said.platform,
            version: Some(said.version),
            notes: said.notes.unwrap_or_default(),
            details: said.details,
            audience: said.audience.unwrap_or_else(Audience::everyone),
            policies: said.policies.unwrap_or_default(),
            default: said.default,
            extra: said.kept.into_extra(Extra::new())?,
        };
        Ok((app, release))
    }

    /// What a body says of an app that is there. What it leaves out stays.
    pub(super) async fn change(&self, release: &Stored<Release>, body: AppBody) -> Result<ReleaseChange> {
        let same = |field: &'static str, said: &Option<String>, is: &str| {
            let differs = said.as_ref().is_some_and(|said| said != is);
            if differs { Err(Error::invalid(field, format!("{field} cannot be changed"))) } else { Ok(()) }
        };
        same("name", &body.name, &release.name)?;
        same("version", &body.version, &release.version)?;
        same("platform", &body.platform, words::platform(release.platform))?;
        let kept = Kept::of(release);
        let context = body.context.as_deref().map(slashed);
        if context.is_some() && context != kept.context {
            return Err(Error::invalid("context", "context cannot be changed"));
        }
        let body = body.of(&release.version, words::platform(release.platform));
        let said = self.said(release.kind, body, release.details.clone(), kept).await?;
        Ok(ReleaseChange {
            notes: said.notes,
            details: Some(said.details),
            audience: said.audience,
            policies: said.policies,
            extra: Some(said.kept.into_extra(release.extra.clone())?),
            asset: said.asset,
            package: said.package,
            default: said.default,
        })
    }

    async fn said(&self, kind: AppKind, body: AppBody, details: Details, kept: Kept) -> Result<Said> {
        let mut said = Said {
            details,
            audience: None,
            policies: None,
            asset: None,
            package: None,
            platform: None,
            version: required("version", body.version)?,
            notes: body.recent_changes,
            default: body.is_default_version.unwrap_or(false),
            kept,
        };
        put(&mut said.details.title, body.display_name);
        put(&mut said.details.description, body.description);
        put(&mut said.details.category, body.category);
        put(&mut said.details.tags, body.tags);
        said.details.url = body.app_url.filter(|url| !url.is_empty()).or(said.details.url);
        if let Some(name) = body.icon.or(body.thumbnail_url) {
            said.details.icon = Some(picture("thumbnailUrl", &name)?);
            said.kept.icon = Some(name);
        }
        if let Some(name) = body.banner {
            said.details.banner = Some(picture("banner", &name)?);
            said.kept.banner = Some(name);
        }
        if let Some(names) = body.screenshots {
            if names.len() > 3 {
                return Err(Error::invalid("screenshots", "at most 3 screenshots are allowed"));
            }
            let names: Vec<String> = names.into_iter().filter(|name| !name.is_empty()).collect();
            let ids = names.iter().map(|name| picture("screenshots", name));
            said.details.screenshots = ids.collect::<Result<_>>()?;
            said.kept.screenshots = Some(names);
        }
        if let Some(number) = body.business_owner_id {
            said.details.owner = self.owner(&number).await?;
            said.kept.business_owner_id = Some(number);
        }
        if let Some(roles) = body.visible_roles {
            said.audience = Some(self.audience("visibleRoles", &roles).await?);
            said.kept.visible_roles = Some(roles);
        }
        if let Some(groups) = body.policy_groups {
            said.policies = Some(self.policies(&groups).await?);
            said.kept.policy_groups = Some(groups);
        }
        if let Some(templates) = body.uri_templates {
            said.kept.uri_templates = Some(templates);
        }
        check_templates(&said.kept)?;
        said.kept.context = body.context.as_deref().map(slashed).or(said.kept.context);
        let texts = [
            (&mut said.kept.transport, body.transport),
            (&mut said.kept.is_site, flag("isSite", body.is_site)?),
            (&mut said.kept.logout_url, body.logout_url),
            (&mut said.kept.tracking_code, body.tracking_code),
            (&mut said.kept.skip_gateway, flag("skipGateway", body.skip_gateway)?),
            (
                &mut said.kept.allow_anonymous_access,
                flag("allowAnonymousAccess", body.allow_anonymous_access)?,
            ),
            (&mut said.kept.acs_url, body.acs_url),
            (&mut said.kept.app_definition, body.app_definition),
            (&mut said.kept.media_type, body.media_type),
            (&mut said.kept.service_provider_creation_enabled, body.service_provider_creation_enabled),
        ];
        for (kept, text) in texts {
            *kept = text.or(kept.take());
        }
        said.kept.custom_properties = body.custom_properties.or(said.kept.custom_properties);
        said.kept.claims = body.claims.or(said.kept.claims);
        said.kept.visible_tenants = body.visible_tenants.or(said.kept.visible_tenants);
        match kind {
            AppKind::Web => said.platform = Some(Platform::Web),
            AppKind::Mobile => {
                let market = body.market_type.or(said.kept.market_type.take());
                let platform =
                    body.platform.as_deref().and_then(words::platform_of).ok_or_else(|| {
                        Error::invalid("platform", "platform must be android, ios or webapp")
                    })?;
                said.platform = Some(platform);
                let meta = body.appmeta.or(said.kept.appmeta.take()).unwrap_or_default();
                match (market.as_deref().map(str::to_ascii_lowercase).as_deref(), platform) {
                    (Some("webapp"), Platform::Web) => {
                        said.details.url = Some(required("appmeta.weburl", meta.weburl.clone())?);
                        said.version = required("appmeta.version", meta.version.clone())?;
                    }
                    (Some("public"), Platform::Android | Platform::Ios) => {
                        said.package = Some(meta.package()?)
                    }
                    (Some("enterprise") | None, Platform::Android | Platform::Ios) => {
                        let path = required("appmeta.path", meta.path.clone())?;
                        let (asset, _) = words::file_id(&path).ok_or_else(|| {
                            Error::invalid("appmeta.path", "no binary of this name was uploaded")
                        })?;
                        said.asset = Some(asset);
                        said.package = Some(meta.package()?);
                    }
                    _ => {
                        let why =
                            "marketType must be enterprise or public, and webapp for the platform webapp";
                        return Err(Error::invalid("marketType", why));
                    }
                }
                said.kept.market_type = market;
                said.kept.appmeta = Some(meta);
            }
        }
        Ok(said)
    }

    /// Everyone, or the members of the groups with these names.
    async fn audience(&self, field: &'static str, roles: &[String]) -> Result<Audience> {
        let names: BTreeSet<&str> =
            roles.iter().map(String::as_str).filter(|name| !name.is_empty()).collect();
        if names.is_empty() {
            return Ok(Audience::everyone());
        }
        let wanted = names.iter().map(|name| Value::from(*name)).collect();
        let query =
            Query::of::<Group>(self.organization).filter(Field::parse("name")?, Op::In(wanted)).limit(1_000);
        let found = self.backend.depot.groups(&self.actor, query).await?.items;
        if found.len() < names.len() {
            return Err(Error::invalid(field, "a role of this name does not exist"));
        }
        Ok(Audience::any_of(found.iter().map(|group| group.id)))
    }

    /// The policies that these groups name, after checking what else they say.
    async fn policies(&self, groups: &[PolicyGroup]) -> Result<Vec<Id<Policy>>> {
        let wrong = |why: &'static str| Err(Error::invalid("policyGroups", why));
        let mut ids: Vec<Id<Policy>> = Vec::new();
        for group in groups {
            if group.policy_group_name.trim().is_empty() {
                return wrong("policyGroupName is required");
            }
            let tier = group.throttling_tier.as_str();
            if !tier.is_empty() && !TIERS.iter().any(|(name, ..)| *name == tier) {
                return wrong("throttlingTier is none of the tiers");
            }
            self.audience("policyGroups", &group.user_roles).await?;
            for number in &group.policy_partial_mapping {
                match self.backend.depot.policy(&self.actor, self.organization, number).await {
                    Ok(policy) if ids.contains(&policy.id) => {}
                    Ok(policy) => ids.push(policy.id),
                    Err(error) if error.kind() == ErrorKind::NotFound => {
                        return wrong("policyPartialMapping names a policy partial that does not exist");
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(ids)
    }

    async fn owner(&self, number: &str) -> Result<Option<Id<BusinessOwner>>> {
        if number.is_empty() {
            return Ok(None);
        }
        match self.backend.depot.business_owner(&self.actor, self.organization, number).await {
            Ok(owner) => Ok(Some(owner.id)),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                Err(Error::invalid("businessOwnerId", "no business owner has this id"))
            }
            Err(error) => Err(error),
        }
    }
}

/// What the document wants of a new mobile app.
fn check_mobile(body: &AppBody) -> Result<()> {
    let given = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.trim().is_empty());
    for (field, there) in [
        ("platform", given(&body.platform)),
        ("marketType", given(&body.market_type)),
        ("appmeta", body.appmeta.is_some()),
        ("description", given(&body.description)),
        ("category", given(&body.category)),
        ("banner", given(&body.banner)),
        ("thumbnailUrl", given(&body.thumbnail_url) || given(&body.icon)),
        ("screenshots", body.screenshots.as_ref().is_some_and(|all| !all.is_empty())),
    ] {
        if !there {
            return Err(Error::invalid(field, format!("{field} is required for a mobile app")));
        }
    }
    Ok(())
}

/// Every template names a group that is there.
fn check_templates(kept: &Kept) -> Result<()> {
    const VERBS: [&str; 7] = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"];
    let groups = kept.policy_groups.as_deref().unwrap_or_default();
    for template in kept.uri_templates.iter().flatten() {
        let wrong = |why: &'static str| Err(Error::invalid("uriTemplates", why));
        if !template.url_pattern.starts_with('/') {
            return wrong("urlPattern must start with /");
        }
        if !VERBS.contains(&template.http_verb.as_str()) {
            return wrong("httpVerb is no HTTP method");
        }
        let name = &template.policy_group_name;
        if !name.is_empty() && !groups.iter().any(|group| group.policy_group_name == *name) {
            return wrong("policyGroupName is none of policyGroups");
        }
    }
    Ok(())
}

fn picture(field: &'static str, name: &str) -> Result<Id<Asset>> {
    let found = words::file_id(name).map(|(id, _)| id);
    found.ok_or_else(|| Error::invalid(field, "no static content of this name was uploaded"))
}

fn flag(field: &'static str, text: Option<String>) -> Result<Option<String>> {
    match text.as_deref().map(str::to_ascii_lowercase).as_deref() {
        None | Some("" | "true" | "false") => Ok(text),
        Some(_) => Err(Error::invalid(field, "must be true or false")),
    }
}

fn put<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

/// The context with its slash in front.
pub(super) fn slashed(context: &str) -> String {
    format!("/{}", context.trim_start_matches('/'))
}
