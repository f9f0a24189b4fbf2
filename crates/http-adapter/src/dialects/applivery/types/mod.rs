//! The documented shapes: requests with their checks, and answers.

mod app;
mod build;
mod collaborator;
mod publication;
mod session;
mod storage_provider;

use std::collections::BTreeSet;
use std::fmt::Display;

use serde::Serialize;
use serde_json::{Map, Value};

use super::fault::Fault;
use super::words;

pub(crate) use app::{
    Application, ApplicationBody, Configuration, Counts, RetentionApplied, RetentionInForce, RetentionPlan,
    Security, settings,
};
pub(crate) use build::{ApplicationInfo, BuildForm, BuildItem, Deployer, DownloadToken};
pub(crate) use collaborator::{
    CollaboratorShown, GroupValue, NewCollaborator, NewServiceAccount, ServiceAccount, changed_role,
};
pub(crate) use publication::{PublicationBody, PublishedApp, Terms, filter};
pub(crate) use session::{Credentials, Session, refresh_token};
pub(crate) use storage_provider::{StorageProviderSaid, StorageProviderShown};

/// The largest documented integer, 2^53 - 1.
pub(crate) const INTEGER_LIMIT: u64 = 9_007_199_254_740_991;
/// The longest file name, bucket, key, media type and app name, in characters.
const SHORT_LIMIT: usize = 128;
/// The longest other text, in characters.
const TEXT_LIMIT: usize = 256;

/// The body of `POST …/mdm/assets//edge/asset`.
#[derive(Debug)]
pub(crate) struct EdgeAsset {
    pub(crate) file: EdgeFile,
    pub(crate) details: Details,
}

/// Where an edge runner has put the file.
#[derive(Debug)]
pub(crate) struct EdgeFile {
    pub(crate) media_type: String,
    pub(crate) bucket: String,
    pub(crate) key: String,
    pub(crate) original_name: String,
    pub(crate) size: u64,
    pub(crate) storage_provider: String,
    pub(crate) checksum: String,
}

/// What clients say about an asset, by any operation.
#[derive(Debug, Default)]
pub(crate) struct Details {
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) segment: Option<u64>,
    pub(crate) expose: Option<bool>,
    pub(crate) apk: Option<DeclaredApk>,
}

/// What the client believes is in the package.
#[derive(Debug)]
pub(crate) struct DeclaredApk {
    pub(crate) version_code: String,
    pub(crate) version_name: String,
    pub(crate) package_name: String,
    pub(crate) min_sdk: Option<String>,
    pub(crate) target_sdk: Option<String>,
    pub(crate) product_name: Option<String>,
}

impl EdgeAsset {
    pub(crate) fn read(body: &Value) -> Result<Self, Fault> {
        let mut wrong = Wrong::default();
        let root = Fields::root(body)?;
        let file = match root.0.get("file") {
            None | Some(Value::Null) => return Err(Fault::no_file()),
            Some(Value::Object(file)) => Fields(file, "file."),
            Some(_) => return Err(Fault::validation("file: must be an object")),
        };
        let edge = EdgeFile {
            media_type: file.required(&mut wrong, "mimetype", SHORT_LIMIT),
            bucket: file.required(&mut wrong, "bucket", SHORT_LIMIT),
            key: file.required(&mut wrong, "key", SHORT_LIMIT),
            original_name: file.required(&mut wrong, "originalName", SHORT_LIMIT),
            size: file.required_integer(&mut wrong, "size"),
            storage_provider: file.required(&mut wrong, "storageProviderId", TEXT_LIMIT),
            checksum: file.required(&mut wrong, "checksum", TEXT_LIMIT),
        };
        // Required and bounded, and otherwise unused: the storage provider says where an object is.
        file.required(&mut wrong, "location", TEXT_LIMIT);
        if !edge.storage_provider.is_empty() && !is_id(&edge.storage_provider) {
            wrong.add("file.storageProviderId", "must be 24 hexadecimal digits");
        }
        let details = Details::from_json(&root, &mut wrong);
        wrong.into_result(Self { file: edge, details })
    }
}

impl Details {
    pub(crate) fn read(body: &Value) -> Result<Self, Fault> {
        let mut wrong = Wrong::default();
        let details = Self::from_json(&Fields::root(body)?, &mut wrong);
        wrong.into_result(details)
    }

    fn from_json(root: &Fields<'_>, wrong: &mut Wrong) -> Self {
        let config = root.object(wrong, "config", "config.");
        let apk = config.and_then(|config| config.object(wrong, "apk", "config.apk."));
        Self {
            name: root.text(wrong, "name", TEXT_LIMIT),
            description: root.text(wrong, "description", TEXT_LIMIT),
            segment: root.integer(wrong, "segmentId"),
            expose: root.boolean(wrong, "exposeToChildren"),
            apk: apk.map(|apk| DeclaredApk::read(&apk, wrong)),
        }
    }

    /// Takes in one text part of a form. Empty parts count as absent, as some clients send all they know of.
    pub(crate) fn set(&mut self, name: &str, value: &str) -> Result<(), Fault> {
        if value.is_empty() {
            return Ok(());
        }
        let json = match name {
            "segmentId" => value.parse::<u64>().map_or_else(|_| value.into(), Value::from),
            "name" | "description" | "exposeToChildren" => value.into(),
            _ => return Ok(()),
        };
        let one = Self::read(&Value::Object(Map::from_iter([(name.to_owned(), json)])))?;
        self.name = one.name.or_else(|| self.name.take());
        self.description = one.description.or_else(|| self.description.take());
        self.segment = one.segment.or(self.segment);
        self.expose = one.expose.or(self.expose);
        Ok(())
    }
}

impl DeclaredApk {
    fn read(apk: &Fields<'_>, wrong: &mut Wrong) -> Self {
        let lower = apk.text(wrong, "minSdkVersion", TEXT_LIMIT);
        let upper = apk.text(wrong, "minSDKVersion", TEXT_LIMIT);
        if lower.is_some() && upper.is_some() && lower != upper {
            wrong.add("config.apk.minSdkVersion", "given twice with different values");
        }
        Self {
            version_code: apk.required(wrong, "versionCode", TEXT_LIMIT),
            version_name: apk.required(wrong, "versionName", TEXT_LIMIT),
            package_name: apk.required(wrong, "packageName", TEXT_LIMIT),
            min_sdk: lower.or(upper),
            target_sdk: apk.text(wrong, "targetSdkVersion", TEXT_LIMIT),
            product_name: apk.text(wrong, "productName", TEXT_LIMIT),
        }
    }
}

/// Groups as JSON: lists of lists of texts; a text among the outer ones is a list of its own.
pub(crate) fn groups(json: &Value) -> Option<Vec<Vec<String>>> {
    let text = |json: &Value| json.as_str().map(str::to_owned);
    let all = |json: &Value| match json {
        Value::Array(all) => all.iter().map(text).collect(),
        one => text(one).map(|one| vec![one]),
    };
    json.as_array()?.iter().map(all).collect()
}

/// The body of `POST …/tokens`.
#[derive(Debug)]
pub(crate) struct NewAppToken {
    pub(crate) description: String,
    /// What it is narrowed to; `None` for all that is done to an app.
    pub(crate) scopes: Option<BTreeSet<String>>,
}

impl NewAppToken {
    pub(crate) fn read(body: &Value) -> Result<Self, Fault> {
        let mut wrong = Wrong::default();
        let root = Fields::root(body)?;
        let description = root.text(&mut wrong, "description", SHORT_LIMIT).filter(|text| !text.is_empty());
        let scopes = root.texts(&mut wrong, "scopes").unwrap_or_default();
        if scopes.iter().any(|scope| !words::TOKEN_SCOPES.contains(&scope.as_str())) {
            wrong.one_of("scopes", &words::TOKEN_SCOPES);
        }
        let scopes: BTreeSet<String> = scopes.into_iter().collect();
        let scopes = Some(scopes).filter(|scopes| !scopes.is_empty());
        wrong.into_result(Self { description: description.unwrap_or_else(|| "App token".to_owned()), scopes })
    }
}

/// A workspace.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Workspace {
    pub(crate) id: String,
    pub(crate) slug: String,
    pub(crate) name: String,
    pub(crate) created_at: String,
    pub(crate) updated_at: String,
}

/// Leave to work on an app.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AppToken {
    pub(crate) id: String,
    pub(crate) organization: String,
    pub(crate) application: String,
    pub(crate) description: String,
    pub(crate) scopes: Vec<String>,
    /// Shown when it is made, and never again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bearer: Option<String>,
    pub(crate) created_at: String,
    pub(crate) updated_at: String,
}

/// Whether the text is an id as the documents have it.
pub(crate) fn is_id(text: &str) -> bool {
    text.len() == 24 && text.bytes().all(|c| c.is_ascii_hexdigit())
}

/// Whether the text may name an organization or app: an id, or a slug.
pub(crate) fn is_reference(text: &str) -> bool {
    (3..=128).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-')
}

/// The members of an object, and what to put before their names in messages.
struct Fields<'a>(&'a Map<String, Value>, &'static str);

/// What is wrong with a request, all of it.
#[derive(Default)]
struct Wrong(Vec<String>);

impl Wrong {
    fn add(&mut self, field: impl Display, what: &str) {
        self.0.push(format!("{field}: {what}"));
    }

    fn one_of(&mut self, field: &str, words: &[&str]) {
        self.add(field, &format!("must be one of {}", words.join(", ")));
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn into_result<T>(self, value: T) -> Result<T, Fault> {
        if self.0.is_empty() { Ok(value) } else { Err(Fault::validation(self.0.join("; "))) }
    }
}

impl<'a> Fields<'a> {
    fn root(body: &'a Value) -> Result<Self, Fault> {
        let object = body.as_object().ok_or_else(|| Fault::validation("the body must be a JSON object"))?;
        Ok(Self(object, ""))
    }

    fn get(&self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    fn object(&self, wrong: &mut Wrong, name: &str, prefix: &'static str) -> Option<Self> {
        let value = self.get(name)?;
        let object = value.as_object();
        if object.is_none() {
            wrong.add(format_args!("{}{name}", self.1), "must be an object");
        }
        object.map(|object| Self(object, prefix))
    }

    fn text(&self, wrong: &mut Wrong, name: &str, limit: usize) -> Option<String> {
        let field = format_args!("{}{name}", self.1);
        match self.get(name)? {
            Value::String(text) if text.chars().count() <= limit => return Some(text.clone()),
            Value::String(_) => wrong.add(field, &format!("longer than {limit} characters")),
            _ => wrong.add(field, "must be a string"),
        }
        None
    }

    fn texts(&self, wrong: &mut Wrong, name: &str) -> Option<Vec<String>> {
        let texts = self.get(name)?.as_array().and_then(|all| {
            all.iter().map(|one| one.as_str().map(str::to_owned)).collect::<Option<Vec<String>>>()
        });
        if texts.is_none() {
            wrong.add(format_args!("{}{name}", self.1), "must be a list of strings");
        }
        texts
    }

    fn required(&self, wrong: &mut Wrong, name: &str, limit: usize) -> String {
        if self.get(name).is_none_or(|value| value.as_str() == Some("")) {
            wrong.add(format_args!("{}{name}", self.1), "is required");
        }
        self.text(wrong, name, limit).unwrap_or_default()
    }

    fn integer(&self, wrong: &mut Wrong, name: &str) -> Option<u64> {
        let number = self.get(name)?.as_u64().filter(|number| *number <= INTEGER_LIMIT);
        if number.is_none() {
            let what = format!("must be an integer from 0 to {INTEGER_LIMIT}");
            wrong.add(format_args!("{}{name}", self.1), &what);
        }
        number
    }

    fn required_integer(&self, wrong: &mut Wrong, name: &str) -> u64 {
        if self.get(name).is_none() {
            wrong.add(format_args!("{}{name}", self.1), "is required");
        }
        self.integer(wrong, name).unwrap_or_default()
    }

    fn boolean(&self, wrong: &mut Wrong, name: &str) -> Option<bool> {
        match self.get(name)? {
            Value::Bool(value) => return Some(*value),
            Value::String(text) if text == "true" => return Some(true),
            Value::String(text) if text == "false" => return Some(false),
            _ => wrong.add(format_args!("{}{name}", self.1), "must be true or false"),
        }
        None
    }
}

/// A successful answer: `{"status":true,"data":…}`.
#[derive(Debug, Serialize)]
pub(crate) struct Answer<T> {
    status: bool,
    data: T,
}

impl<T> Answer<T> {
    pub(crate) fn of(data: T) -> axum::Json<Self> {
        axum::Json(Self { status: true, data })
    }
}

/// `data` of a removal.
#[derive(Debug, Serialize)]
pub(crate) struct Removed {
    pub(crate) delete: &'static str,
}

/// `data` of a test that was passed.
#[derive(Debug, Serialize)]
pub(crate) struct Tested {
    pub(crate) test: &'static str,
}

/// `data` of a listing.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Listing<T> {
    pub(crate) items: Vec<T>,
    pub(crate) total_docs: u64,
    pub(crate) limit: u32,
    pub(crate) has_prev_page: bool,
    pub(crate) has_next_page: bool,
    pub(crate) page: u64,
    pub(crate) total_pages: u64,
    pub(crate) prev_page: Option<u64>,
    pub(crate) next_page: Option<u64>,
}

/// An MDM asset.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MdmAsset {
    pub(crate) id: String,
    pub(crate) organization: String,
    #[serde(rename = "type")]
    pub(crate) class: &'static str,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) uploaded_by_info: UploadedBy,
    pub(crate) file: String,
    pub(crate) size: u64,
    pub(crate) original_extension: String,
    pub(crate) storage_provider: Provider,
    pub(crate) config: Config,
    pub(crate) version: u64,
    pub(crate) updated_at: String,
    pub(crate) created_at: String,
    pub(crate) segment_id: u64,
    pub(crate) expose_to_children: bool,
}

/// `data` of a look at an asset.
#[derive(Debug, Serialize)]
pub(crate) struct AssetView {
    /// Its text, where it is a short one.
    pub(crate) content: Option<String>,
    pub(crate) url: String,
}

/// Who added an asset.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UploadedBy {
    pub(crate) email: String,
    pub(crate) first_name: String,
    pub(crate) last_name: String,
}

/// A file that was attached to a build.
#[derive(Debug, Serialize)]
pub(crate) struct Attachment {
    pub(crate) id: String,
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    pub(crate) description: String,
    pub(crate) file: AttachedFile,
}

/// `file` of an attached file.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AttachedFile {
    pub(crate) original_name: String,
    pub(crate) mimetype: String,
    pub(crate) size: u64,
    pub(crate) key: String,
    pub(crate) location: String,
    pub(crate) storage_provider_id: String,
    pub(crate) checksum: String,
    pub(crate) updated_at: String,
    pub(crate) created_at: String,
}

/// Where files are kept; assets show the first three.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Provider {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) region: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) config: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) provider: Option<&'static str>,
}

/// What is in the package.
#[derive(Debug, Serialize, Default)]
pub(crate) struct Config {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) msi: Option<ConfigMsi>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) apk: Option<ConfigApk>,
}

/// `config.msi` of an answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ConfigMsi {
    pub(crate) product_code: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) product_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) product_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) manufacturer: Option<String>,
}

/// `config.apk` of an answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ConfigApk {
    pub(crate) version_code: String,
    pub(crate) version_name: String,
    pub(crate) package_name: String,
    // Written in capitals where it is answered, and not where it is asked.
    #[serde(rename = "minSDKVersion", skip_serializing_if = "Option::is_none")]
    pub(crate) min_sdk: Option<String>,
    #[serde(rename = "targetSdkVersion", skip_serializing_if = "Option::is_none")]
    pub(crate) target_sdk: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) product_name: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_request_names_everything_that_is_wrong() {
        let text = "x".repeat(129);
        let body = json!({
            "file": { "mimetype": 1, "bucket": text, "key": "", "location": "l", "originalName": "a.apk", "size": -1,
                "storageProviderId": "abc", "checksum": "c" },
            "config": { "apk": {} }, "segmentId": 1.5, "exposeToChildren": "maybe",
        });
        let message = format!("{:?}", EdgeAsset::read(&body).unwrap_err());
        for field in [
            "file.mimetype",
            "file.bucket",
            "file.key",
            "file.size",
            "file.storageProviderId",
            "segmentId",
            "config.apk.versionCode",
            "config.apk.versionName",
            "config.apk.packageName",
            "exposeToChildren",
        ] {
            assert!(message.contains(&format!("{field}: ")), "{field} in {message}");
        }
    }

    #[test]
    fn form_parts_read_as_json_does() {
        let mut details = Details::default();
        for (name, value) in [
            ("name", "A"),
            ("segmentId", "7"),
            ("exposeToChildren", "true"),
            ("description", ""),
            ("other", "x"),
        ] {
            details.set(name, value).unwrap();
        }
        assert_eq!(details.name.as_deref(), Some("A"));
        assert_eq!(
            (details.segment, details.expose, details.description.as_deref()),
            (Some(7), Some(true), None)
        );
        assert!(details.set("segmentId", "-1").is_err());
        assert!(details.set("exposeToChildren", "1").is_err());
    }

    #[test]
    fn both_spellings_of_the_minimum_are_read() {
        let read = |apk: Value| {
            let mut base = json!({ "versionCode": "1", "versionName": "1", "packageName": "p" });
            base.as_object_mut().unwrap().extend(apk.as_object().unwrap().clone());
            Details::read(&json!({ "config": { "apk": base } }))
        };
        for good in [json!({ "minSdkVersion": "21" }), json!({ "minSDKVersion": "21" })] {
            assert_eq!(read(good).unwrap().apk.unwrap().min_sdk.as_deref(), Some("21"));
        }
        assert!(read(json!({ "minSdkVersion": "21", "minSDKVersion": "22" })).is_err());
    }
}
