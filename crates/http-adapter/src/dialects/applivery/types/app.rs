//! Applications: what is said of one, and how one is shown.

use appdepot_core::domain::{Extra, Retention};
use serde::Serialize;
use serde_json::{Value, json};

use super::super::fault::Fault;
use super::super::words;
use super::{Fields, Provider, SHORT_LIMIT, TEXT_LIMIT, Wrong};

/// The longest script, in characters. Not documented.
const SCRIPT_LIMIT: usize = 64 * 1024;
/// The longest message, in characters. Not documented.
const MESSAGE_LIMIT: usize = 10_000;
/// The longest description, in characters.
const DESCRIPTION_LIMIT: usize = 1_000;
/// The longest `emmJwtSignature`, in characters.
const SIGNATURE_LIMIT: usize = 500;
/// The most bytes of an app's `metadata`, as JSON. Not documented.
const METADATA_LIMIT: usize = 16 * 1024;
/// How deep an app's `metadata` may nest. Not documented.
const METADATA_DEPTH: usize = 8;
/// The flags of `notifications`.
const NOTIFICATIONS: [&str; 4] = [
    "newBuildNotifyCollaborators",
    "newBuildNotifyEmployees",
    "newBuildNotifyOtpUsers",
    "newFeedbackNotifyCollaborators",
];

/// The body of `POST` and `PUT …/apps`. What is left out stays as it is.
#[derive(Debug)]
pub(crate) struct ApplicationBody {
    pub(crate) name: Option<String>,
    pub(crate) slug: Option<String>,
    pub(crate) description: Option<String>,
    /// A provider's id, or nothing for the organization's default.
    pub(crate) storage_provider: Option<String>,
    /// Settings under the vendor's names.
    pub(crate) settings: Extra,
    /// Each of them, where it is given.
    pub(crate) retention: (Option<Option<u32>>, Option<Option<u32>>),
    pub(crate) metadata: Option<Extra>,
}

impl ApplicationBody {
    /// Of a new app, which needs a name.
    pub(crate) fn create(body: &Value) -> Result<Self, Fault> {
        let mut wrong = Wrong::default();
        Fields::root(body)?.required(&mut wrong, "name", SHORT_LIMIT);
        // What else is wrong with the name is said once.
        let missing = !wrong.is_empty() && body.get("name").is_none_or(|name| name.as_str() == Some(""));
        Self::read(body, if missing { wrong } else { Wrong::default() })
    }

    /// Of a change.
    pub(crate) fn change(body: &Value) -> Result<Self, Fault> {
        Self::read(body, Wrong::default())
    }

    fn read(body: &Value, mut wrong: Wrong) -> Result<Self, Fault> {
        let root = Fields::root(body)?;
        let mut settings = Extra::new();
        let name = root.text(&mut wrong, "name", SHORT_LIMIT);
        let slug = root.text(&mut wrong, "slug", SHORT_LIMIT);
        let description = root.text(&mut wrong, "description", DESCRIPTION_LIMIT);
        let mut storage_provider = None;
        let mut retention = (None, None);
        if let Some(configuration) = root.object(&mut wrong, "configuration", "configuration.") {
            storage_provider = configuration.text(&mut wrong, "storageProvider", TEXT_LIMIT);
            if let Some(code) = configuration.text(&mut wrong, "notificationLanguage", TEXT_LIMIT) {
                match words::language(&code) {
                    Some(language) => settings.insert("notificationLanguage".to_owned(), language.into()),
                    None => {
                        wrong.one_of("configuration.notificationLanguage", &words::LANGUAGES);
                        None
                    }
                };
            }
            let signature = configuration.text(&mut wrong, "emmJwtSignature", SIGNATURE_LIMIT);
            settings.extend(signature.map(|text| ("emmJwtSignature".to_owned(), text.into())));
            retention = (
                configuration.bound(&mut wrong, "buildRetentionDays"),
                configuration.bound(&mut wrong, "buildsRetainedPerPublication"),
            );
        }
        if let Some(given) = root.object(&mut wrong, "notifications", "notifications.") {
            let mut notifications = Extra::new();
            for flag in NOTIFICATIONS {
                let value = given.boolean(&mut wrong, flag);
                notifications.extend(value.map(|value| (flag.to_owned(), value.into())));
            }
            let message = given.text(&mut wrong, "newBuildMessage", MESSAGE_LIMIT);
            notifications.extend(message.map(|text| ("newBuildMessage".to_owned(), text.into())));
            settings.insert("notifications".to_owned(), Value::Object(notifications));
        }
        if let Some(given) = root.object(&mut wrong, "sdk", "sdk.") {
            let mut sdk = Extra::new();
            for (system, prefix) in [("ios", "sdk.ios."), ("android", "sdk.android.")] {
                let Some(given) = given.object(&mut wrong, system, prefix) else { continue };
                let mut kept = Extra::new();
                for flag in ["ota", "forceUpdate", "forceAuth"] {
                    let value = given.boolean(&mut wrong, flag);
                    kept.extend(value.map(|value| (flag.to_owned(), value.into())));
                }
                for text in ["minVersion", "updateMsg", "mustUpdateMsg"] {
                    let value = given.text(&mut wrong, text, DESCRIPTION_LIMIT);
                    kept.extend(value.map(|value| (text.to_owned(), value.into())));
                }
                sdk.insert(system.to_owned(), Value::Object(kept));
            }
            settings.insert("sdk".to_owned(), Value::Object(sdk));
        }
        let metadata = root.object(&mut wrong, "metadata", "metadata.").map(|fields| fields.0.clone());
        if let Some(metadata) = &metadata {
            let size = serde_json::to_vec(metadata).map_or(usize::MAX, |text| text.len());
            if size > METADATA_LIMIT || !shallow(metadata.values(), METADATA_DEPTH) {
                let limit = format!("at most {METADATA_LIMIT} bytes of JSON, {METADATA_DEPTH} levels deep");
                wrong.add("metadata", &limit);
            }
        }
        if let Some(given) = root.object(&mut wrong, "defaultScripts", "defaultScripts.") {
            let mut scripts = Extra::new();
            for name in ["preInstall", "postInstall", "audit", "enforce", "runner"] {
                let script = given.text(&mut wrong, name, SCRIPT_LIMIT);
                scripts.extend(script.map(|script| (name.to_owned(), script.into())));
            }
            settings.insert("defaultScripts".to_owned(), Value::Object(scripts));
        }
        wrong.into_result(Self { name, slug, description, storage_provider, settings, retention, metadata })
    }
}

fn shallow<'a>(mut values: impl Iterator<Item = &'a Value>, depth: usize) -> bool {
    values.all(|value| match value {
        Value::Array(members) => depth > 0 && shallow(members.iter(), depth - 1),
        Value::Object(members) => depth > 0 && shallow(members.values(), depth - 1),
        _ => true,
    })
}

impl Fields<'_> {
    /// A whole number of at least -1, which stands for no bound.
    fn bound(&self, wrong: &mut Wrong, name: &str) -> Option<Option<u32>> {
        let number = self.get(name)?.as_f64().filter(|number| number.fract() == 0.0 && *number >= -1.0);
        #[allow(clippy::cast_possible_truncation)] // whole, and cut to the bounds
        let number = number.map(|number| u32::try_from(number as i64).ok());
        if number.is_none() {
            wrong.add(format_args!("{}{name}", self.1), "must be a whole number of at least -1");
        }
        number
    }
}

/// An app. Fields that nothing is known of are left out; all are optional in the document.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Application {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) slug: String,
    pub(crate) description: String,
    pub(crate) organization: String,
    pub(crate) sdk: Value,
    pub(crate) notifications: Value,
    pub(crate) oss: Vec<&'static str>,
    pub(crate) build_platforms: Vec<&'static str>,
    pub(crate) security: Security,
    pub(crate) configuration: Configuration,
    pub(crate) retention_applied: RetentionInForce,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_build_processed_date: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) picture: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) picture_source: Option<&'static str>,
    pub(crate) counts: Counts,
    pub(crate) metadata: Extra,
    pub(crate) default_scripts: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) created_by: Option<String>,
    pub(crate) created_at: String,
    pub(crate) updated_at: String,
}

/// What the actor may do with an app.
#[derive(Debug, Serialize)]
pub(crate) struct Security {
    pub(crate) role: String,
}

/// Figures of an app.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Counts {
    pub(crate) total_builds: u64,
}

/// Settings of an app.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Configuration {
    pub(crate) storage_provider: Provider,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) emm_jwt_signature: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) notification_language: Option<String>,
    pub(crate) build_retention_days: i64,
    pub(crate) builds_retained_per_publication: i64,
}

/// How long builds are kept; -1 stands for no bound.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RetentionInForce {
    pub(crate) max_billing_build_retention_days: i64,
    pub(crate) builds_retained_per_publication: i64,
}

impl RetentionInForce {
    pub(crate) fn of(retention: &Retention) -> Self {
        let bound = |bound: Option<u32>| bound.map_or(-1, i64::from);
        Self {
            max_billing_build_retention_days: bound(retention.days),
            builds_retained_per_publication: bound(retention.per_publication),
        }
    }
}

/// What carrying out the retention would remove.
#[derive(Debug, Serialize)]
pub(crate) struct RetentionPlan {
    pub(crate) id: String,
    pub(crate) builds: Vec<String>,
}

/// What it removed.
#[derive(Debug, Serialize)]
pub(crate) struct RetentionApplied {
    pub(crate) removed: usize,
}

/// Settings that were kept, or an empty object.
pub(crate) fn settings(configuration: &Extra, name: &str) -> Value {
    configuration.get(name).cloned().unwrap_or_else(|| json!({}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_count_characters() {
        let name = |length: usize| json!({ "name": "日".repeat(length) });
        assert!(ApplicationBody::create(&name(128)).is_ok());
        assert!(ApplicationBody::create(&name(129)).is_err());
        assert!(ApplicationBody::create(&json!({})).is_err());
    }

    #[test]
    fn no_bound_is_minus_one() {
        let read = |days: Value| {
            let body = json!({ "configuration": { "buildRetentionDays": days } });
            ApplicationBody::change(&body).map(|body| body.retention.0)
        };
        assert_eq!(read(json!(-1)).unwrap(), Some(None));
        assert_eq!(read(json!(90.0)).unwrap(), Some(Some(90)));
        for bad in [json!(-2), json!(1.5), json!("90")] {
            assert!(read(bad).is_err());
        }
        assert_eq!(ApplicationBody::change(&json!({})).unwrap().retention.0, None);
    }
}
