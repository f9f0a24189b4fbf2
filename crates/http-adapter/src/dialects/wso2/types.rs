//! The app as clients write and read it.

use appdepot_core::depot::NewVersion;
use appdepot_core::domain::{App, AppKind, Extra, PackageName, Release, Stored};
use appdepot_core::{Error, Result};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::words;

/// Under which name of a release's attributes this dialect keeps its own.
const KEPT: &str = "wso2";

/// An app in a request. A property that is not here is refused by name.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct AppBody {
    pub(super) name: Option<String>,
    pub(super) version: Option<String>,
    pub(super) display_name: Option<String>,
    pub(super) description: Option<String>,
    pub(super) category: Option<String>,
    pub(super) tags: Option<Vec<String>>,
    pub(super) context: Option<String>,
    pub(super) recent_changes: Option<String>,
    pub(super) is_default_version: Option<bool>,
    pub(super) visible_roles: Option<Vec<String>>,
    pub(super) business_owner_id: Option<String>,
    pub(super) appmeta: Option<AppMeta>,
    pub(super) platform: Option<String>,
    pub(super) market_type: Option<String>,
    pub(super) icon: Option<String>,
    pub(super) thumbnail_url: Option<String>,
    pub(super) banner: Option<String>,
    pub(super) screenshots: Option<Vec<String>>,
    #[serde(rename = "appUrL")]
    pub(super) app_url: Option<String>,
    pub(super) uri_templates: Option<Vec<UriTemplate>>,
    pub(super) policy_groups: Option<Vec<PolicyGroup>>,
    pub(super) transport: Option<String>,
    pub(super) custom_properties: Option<Vec<Property>>,
    pub(super) claims: Option<Vec<String>>,
    pub(super) visible_tenants: Option<Vec<String>>,
    pub(super) is_site: Option<String>,
    #[serde(rename = "logoutURL")]
    pub(super) logout_url: Option<String>,
    pub(super) tracking_code: Option<String>,
    pub(super) skip_gateway: Option<String>,
    pub(super) allow_anonymous_access: Option<String>,
    pub(super) acs_url: Option<String>,
    pub(super) app_definition: Option<String>,
    pub(super) media_type: Option<String>,
    pub(super) service_provider_creation_enabled: Option<String>,
    // What the server says is read back without effect.
    id: Option<IgnoredAny>,
    #[serde(rename = "AppId")]
    app_id_alias: Option<IgnoredAny>,
    #[serde(rename = "type")]
    kind: Option<IgnoredAny>,
    provider: Option<IgnoredAny>,
    path: Option<IgnoredAny>,
    resource_id: Option<IgnoredAny>,
    lifecycle: Option<IgnoredAny>,
    lifecycle_state: Option<IgnoredAny>,
    lifecycle_available_actions: Option<IgnoredAny>,
    rating: Option<IgnoredAny>,
    bundleversion: Option<IgnoredAny>,
    createdtime: Option<IgnoredAny>,
    created_time: Option<IgnoredAny>,
    app_type: Option<IgnoredAny>,
    #[serde(rename = "previousVersionAppID")]
    previous_version: Option<IgnoredAny>,
    uuid: Option<IgnoredAny>,
    app_name: Option<IgnoredAny>,
    app_provider: Option<IgnoredAny>,
    #[serde(rename = "appUrl")]
    app_url_alias: Option<IgnoredAny>,
    lifecycle_status: Option<IgnoredAny>,
    screen_shots: Option<IgnoredAny>,
    thumbnail: Option<IgnoredAny>,
    bundle_version: Option<IgnoredAny>,
    package_name: Option<IgnoredAny>,
    app_id: Option<IgnoredAny>,
    app_visibility: Option<IgnoredAny>,
    available_lifecycle_actions: Option<IgnoredAny>,
}

/// What a mobile app is made of.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct AppMeta {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) package: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) weburl: Option<String>,
}

impl AppMeta {
    /// Which package it says it is.
    ///
    /// # Errors
    /// `Invalid` unless both its name and its version are there.
    pub(super) fn package(&self) -> Result<PackageName> {
        let required = |text: &Option<String>, what: &'static str| {
            text.clone().filter(|text| !text.is_empty()).ok_or_else(|| {
                Error::invalid(format!("appmeta.{what}"), format!("appmeta.{what} is required"))
            })
        };
        Ok(PackageName {
            id: required(&self.package, "package")?,
            version: required(&self.version, "version")?,
        })
    }
}

/// A pattern of addresses below a web app, and the group that says who may.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct UriTemplate {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<Value>,
    pub(super) url_pattern: String,
    pub(super) http_verb: String,
    pub(super) policy_group_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) policy_group_id: Option<Value>,
}

/// Who may, and how often.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct PolicyGroup {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) policy_group_id: Option<Value>,
    pub(super) policy_group_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
    pub(super) throttling_tier: String,
    pub(super) user_roles: Vec<String>,
    pub(super) policy_partial_mapping: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) allow_anonymous_access: Option<String>,
}

/// An attribute of the client's own.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Property {
    name: String,
    value: String,
}

/// What only this dialect knows of an app, as the release keeps it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Kept {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) context: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) appmeta: Option<AppMeta>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) market_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) icon: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) banner: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) screenshots: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) visible_roles: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) business_owner_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) uri_templates: Option<Vec<UriTemplate>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) policy_groups: Option<Vec<PolicyGroup>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) transport: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) custom_properties: Option<Vec<Property>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) claims: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) visible_tenants: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) is_site: Option<String>,
    #[serde(rename = "logoutURL", skip_serializing_if = "Option::is_none")]
    pub(super) logout_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tracking_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) skip_gateway: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) allow_anonymous_access: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) acs_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) app_definition: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) media_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) service_provider_creation_enabled: Option<String>,
}

impl Kept {
    /// What a release keeps for this dialect; nothing for one that came in through another.
    pub(super) fn of(release: &Release) -> Self {
        let kept = release.extra.get(KEPT).cloned();
        kept.and_then(|kept| serde_json::from_value(kept).ok()).unwrap_or_default()
    }

    /// The release's attributes with this in them.
    pub(super) fn into_extra(self, mut extra: Extra) -> Result<Extra> {
        extra.insert(KEPT.to_owned(), serde_json::to_value(self).map_err(Error::internal)?);
        Ok(extra)
    }
}

/// An app in an answer: the documented properties, and those that the document's own samples have beside them.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AppView {
    id: String,
    uuid: String,
    #[serde(rename = "AppId")]
    app_id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    name: String,
    app_name: String,
    display_name: String,
    provider: String,
    app_provider: String,
    version: String,
    description: String,
    category: String,
    tags: Vec<String>,
    platform: &'static str,
    app_type: &'static str,
    lifecycle: &'static str,
    lifecycle_state: &'static str,
    lifecycle_status: String,
    rating: f64,
    recent_changes: String,
    screenshots: Vec<String>,
    screen_shots: Vec<String>,
    visible_roles: Vec<String>,
    createdtime: String,
    created_time: String,
    #[serde(flatten)]
    optional: Optional,
}

/// The properties that are left out when there is nothing to say.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Optional {
    #[serde(skip_serializing_if = "Option::is_none")]
    is_default_version: Option<bool>,
    #[serde(rename = "previousVersionAppID", skip_serializing_if = "Option::is_none")]
    previous_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    appmeta: Option<AppMeta>,
    #[serde(skip_serializing_if = "Option::is_none")]
    package_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bundleversion: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bundle_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thumbnail_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thumbnail: Option<String>,
    #[serde(rename = "appUrL", skip_serializing_if = "Option::is_none")]
    app_url: Option<String>,
    #[serde(flatten)]
    kept: Kept,
}

impl AppView {
    /// `app` where it is known; without it nothing is said of default versions.
    pub(super) fn new(release: &Stored<Release>, app: Option<&Stored<App>>) -> Self {
        let id = release.id.to_uuid();
        let mut kept = Kept::of(release);
        let kind = words::type_of(release.kind);
        let title = &release.details.title;
        let platform = words::platform(release.platform);
        let extension = if release.platform == appdepot_core::inspect::Platform::Ios { "ipa" } else { "apk" };
        let appmeta = kept.appmeta.take().or_else(|| {
            let package = release.package.as_ref()?;
            Some(AppMeta {
                path: release.asset.map(|asset| words::file_name(asset, extension)),
                package: Some(package.id.clone()),
                version: Some(package.version.clone()),
                weburl: None,
            })
        });
        let icon = kept.icon.clone().or(release.details.icon.map(|icon| icon.to_string()));
        kept.banner = kept.banner.or(release.details.banner.map(|banner| banner.to_string()));
        kept.icon.clone_from(&icon);
        let screenshots = kept
            .screenshots
            .take()
            .unwrap_or_else(|| release.details.screenshots.iter().map(ToString::to_string).collect());
        let package = release.package.as_ref();
        let bundle = package.map(|package| package.version.clone());
        Self {
            uuid: id.clone(),
            app_id: id.clone(),
            id,
            kind,
            name: release.name.clone(),
            app_name: release.name.clone(),
            display_name: if title.is_empty() { release.name.clone() } else { title.clone() },
            provider: release.provider.clone(),
            app_provider: release.provider.clone(),
            version: release.version.clone(),
            description: release.details.description.clone(),
            category: release.details.category.clone(),
            tags: release.details.tags.clone(),
            platform,
            app_type: platform,
            lifecycle: match release.kind {
                AppKind::Web => "WebAppLifeCycle",
                AppKind::Mobile => "MobileAppLifeCycle",
            },
            lifecycle_state: words::state(release.state),
            lifecycle_status: words::state(release.state).replace('-', ""),
            rating: release.rating.mean(),
            recent_changes: release.notes.clone(),
            screen_shots: screenshots.clone(),
            screenshots,
            visible_roles: kept.visible_roles.take().unwrap_or_default(),
            createdtime: words::created(release.created_at),
            created_time: words::created(release.created_at),
            optional: Optional {
                is_default_version: app.map(|app| app.default_release == Some(release.id)),
                previous_version: release.derived_from.map(|id| id.to_uuid()),
                package_name: package.map(|package| package.id.clone()),
                bundle_version: bundle.clone(),
                bundleversion: bundle,
                appmeta,
                thumbnail: icon.clone(),
                thumbnail_url: icon,
                app_url: release.details.url.clone(),
                kept,
            },
        }
    }
}

/// An app in a list.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AppSummary {
    id: String,
    name: String,
    description: String,
    /// Null for a mobile app, as the document's sample has it.
    context: Option<String>,
    version: String,
    provider: String,
    lifecycle_state: &'static str,
    rating: f64,
}

impl AppSummary {
    pub(super) fn new(release: &Stored<Release>) -> Self {
        Self {
            id: release.id.to_uuid(),
            name: release.name.clone(),
            description: release.details.description.clone(),
            context: Kept::of(release).context,
            version: release.version.clone(),
            provider: release.provider.clone(),
            lifecycle_state: words::state(release.state),
            rating: release.rating.mean(),
        }
    }
}

impl AppBody {
    /// The same of an app whose version and platform are known.
    pub(super) fn of(self, version: &str, platform: &str) -> Self {
        Self { version: Some(version.to_owned()), platform: Some(platform.to_owned()), ..self }
    }

    /// What a new version says; everything else is the other version's.
    ///
    /// # Errors
    /// `Invalid` without a version or a name to show.
    pub(super) fn into_version(self) -> Result<NewVersion> {
        Ok(NewVersion {
            version: required("version", self.version)?,
            title: Some(required("displayName", self.display_name)?),
            default: self.is_default_version.unwrap_or(false),
        })
    }
}

/// A property that must be there.
pub(super) fn required(field: &'static str, value: Option<String>) -> Result<String> {
    value
        .filter(|text| !text.trim().is_empty())
        .ok_or_else(|| Error::invalid(field, format!("{field} is required")))
}
