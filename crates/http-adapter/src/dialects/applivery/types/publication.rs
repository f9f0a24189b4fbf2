//! Publications: what is said of one, and how one is shown.

use appdepot_core::domain::{Extra, Id, Publication, Release, Selection, Timestamp, Visibility};
use serde::Serialize;
use serde_json::{Value, json};

use super::super::fault::Fault;
use super::super::words;
use super::{Fields, SHORT_LIMIT, TEXT_LIMIT, Wrong, groups, is_id};

/// The longest terms, in characters.
const TERMS_LIMIT: usize = 10_000;
/// Members that are kept as they come.
const KEPT: [&str; 3] = ["configuration", "activateUserAudiences", "userAudienceMap"];

/// The body of `POST` and `PUT …/pubApps` and `…/distributions`.
pub(crate) struct PublicationBody {
    /// Which app, where the path and the token do not say.
    pub(crate) application: Option<String>,
    pub(crate) slug: String,
    pub(crate) visibility: Visibility,
    /// Names or ids, all of an inner list and any of the outer one.
    pub(crate) groups: Vec<Vec<String>>,
    pub(crate) password: Option<String>,
    pub(crate) publication: Publication,
}

impl PublicationBody {
    pub(crate) fn read(body: &Value) -> Result<Self, Fault> {
        let mut wrong = Wrong::default();
        let root = Fields::root(body)?;
        let slug = root.required(&mut wrong, "slug", SHORT_LIMIT).to_lowercase();
        let security = word(&root, &mut wrong, "security", &words::SECURITIES, words::security);
        let visibility = word(&root, &mut wrong, "visibility", &words::VISIBILITIES, words::visibility);
        let filter = root.object(&mut wrong, "filter", "filter.");
        if filter.is_none() {
            wrong.add("filter.type", "is required");
        }
        let selection = filter.and_then(|filter| selection(&filter, &mut wrong)).unwrap_or_default();
        let groups = root.get("groups").map(groups);
        if groups == Some(None) {
            wrong.add("groups", "must be lists of lists of groups");
        }
        let terms = root.object(&mut wrong, "terms", "terms.").and_then(|terms| {
            let active = terms.boolean(&mut wrong, "active").unwrap_or_default();
            terms.text(&mut wrong, "text", TERMS_LIMIT).filter(|_| active)
        });
        let expires_at = root.text(&mut wrong, "expirationDate", SHORT_LIMIT).and_then(|text| {
            let time = Timestamp::parse(&text).ok();
            if time.is_none() {
                wrong.add("expirationDate", "must be an RFC 3339 time");
            }
            time
        });
        let mut countries = |name| -> Vec<String> {
            let codes = root.texts(&mut wrong, name).unwrap_or_default();
            codes.iter().map(|code| code.to_ascii_uppercase()).collect()
        };
        let (allowed_countries, blocked_countries) =
            (countries("allowedCountries"), countries("blockedCountries"));
        let flag = |wrong: &mut Wrong, name| root.boolean(wrong, name).unwrap_or_default();
        let kept = KEPT.iter().filter_map(|name| Some(((*name).to_owned(), root.get(name)?.clone())));
        let publication = Publication {
            selection,
            security: security.unwrap_or_default(),
            show_history: flag(&mut wrong, "showHistory"),
            show_source: flag(&mut wrong, "showDevInfo"),
            hide_files: flag(&mut wrong, "hideAttachedFiles"),
            terms,
            allowed_countries,
            blocked_countries,
            tags: root.texts(&mut wrong, "tags").unwrap_or_default(),
            expires_at,
            extra: kept.collect(),
        };
        let body = Self {
            application: root.text(&mut wrong, "application", SHORT_LIMIT),
            slug,
            visibility: visibility.unwrap_or(Visibility::Inactive),
            groups: groups.flatten().unwrap_or_default(),
            password: root.text(&mut wrong, "password", TEXT_LIMIT).filter(|text| !text.is_empty()),
            publication,
        };
        wrong.into_result(body)
    }
}

/// A required member that is one of these words.
fn word<T>(
    root: &Fields<'_>,
    wrong: &mut Wrong,
    name: &str,
    words: &[&str],
    read: fn(&str) -> Option<T>,
) -> Option<T> {
    let text = root.required(wrong, name, SHORT_LIMIT);
    let found = read(&text);
    if found.is_none() && !text.is_empty() {
        wrong.one_of(name, words);
    }
    found
}

/// `filter`: a kind and what it needs.
fn selection(filter: &Fields<'_>, wrong: &mut Wrong) -> Option<Selection> {
    let kind = filter.required(wrong, "type", SHORT_LIMIT);
    match kind.as_str() {
        "" => None,
        "last" => Some(Selection::Last),
        "gitBranch" => Some(Selection::GitBranch(filter.required(wrong, "value", TEXT_LIMIT))),
        "gitTag" => Some(Selection::GitTag(filter.required(wrong, "value", TEXT_LIMIT))),
        "tag" => Some(Selection::Tag(filter.required(wrong, "value", TEXT_LIMIT))),
        "build" | "builds" => {
            let found = builds(filter);
            if found.is_none() {
                wrong.add("filter.builds", "must name builds by their ids");
            }
            found.map(Selection::Builds)
        }
        _ => {
            wrong.one_of("filter.type", &words::FILTERS);
            None
        }
    }
}

/// Builds are named one per system, in a list of objects, or by a single `value`.
fn builds(filter: &Fields<'_>) -> Option<Vec<Id<Release>>> {
    let id = |json: &Value| json.as_str().filter(|text| is_id(text)).and_then(|text| Id::parse(text).ok());
    let mut found = Vec::new();
    for name in ["value", "ios", "android", "macos", "windows"] {
        if let Some(json) = filter.get(name) {
            found.push(id(json)?);
        }
    }
    if let Some(list) = filter.get("builds") {
        for one in list.as_array()? {
            found.push(id(one.get("id").unwrap_or(one))?);
        }
    }
    (!found.is_empty()).then_some(found)
}

/// `filter` of an answer.
pub(crate) fn filter(selection: &Selection) -> Value {
    let value = |kind: &str, value: &str| json!({ "type": kind, "value": value });
    match selection {
        Selection::Last => json!({ "type": "last" }),
        Selection::GitBranch(branch) => value("gitBranch", branch),
        Selection::GitTag(tag) => value("gitTag", tag),
        Selection::Tag(tag) => value("tag", tag),
        Selection::Builds(ids) => match ids.as_slice() {
            [one] => value("build", &one.to_string()),
            more => {
                json!({ "type": "builds", "builds": more.iter().map(|id| json!({ "id": id })).collect::<Vec<_>>() })
            }
        },
    }
}

/// A publication.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PublishedApp {
    pub(crate) id: String,
    pub(crate) application: String,
    pub(crate) slug: String,
    pub(crate) security: &'static str,
    pub(crate) visibility: &'static str,
    pub(crate) filter: Value,
    pub(crate) groups: Vec<Vec<String>>,
    pub(crate) tags: Vec<String>,
    pub(crate) show_history: bool,
    pub(crate) show_dev_info: bool,
    pub(crate) hide_attached_files: bool,
    pub(crate) terms: Terms,
    pub(crate) allowed_countries: Vec<String>,
    pub(crate) blocked_countries: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) expiration_date: Option<String>,
    /// What is kept as it came.
    #[serde(flatten)]
    pub(crate) kept: Extra,
    pub(crate) distribution_url: String,
    pub(crate) created_at: String,
    pub(crate) updated_at: String,
}

/// What has to be agreed to.
#[derive(Debug, Serialize)]
pub(crate) struct Terms {
    pub(crate) active: bool,
    pub(crate) text: String,
}

impl Terms {
    pub(crate) fn of(publication: &Publication) -> Self {
        Self { active: publication.terms.is_some(), text: publication.terms.clone().unwrap_or_default() }
    }
}
