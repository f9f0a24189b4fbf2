//! WSO2's words for the depot's.

use appdepot_core::domain::{AppKind, Asset, Id, Timestamp, Topic};
use appdepot_core::inspect::Platform;
use appdepot_core::lifecycle::{State, Verb};
use appdepot_core::{Error, Result};

/// The app type of a path or query, in any letter case. A site is a web app.
pub(super) fn app_kind(text: &str) -> Result<AppKind> {
    match text.to_ascii_lowercase().as_str() {
        "webapp" | "site" => Ok(AppKind::Web),
        "mobileapp" => Ok(AppKind::Mobile),
        _ => {
            let shown: String = text.chars().take(64).collect();
            Err(Error::invalid("appType", format!("Invalid Asset Type : {shown}")))
        }
    }
}

pub(super) fn type_of(kind: AppKind) -> &'static str {
    match kind {
        AppKind::Web => "webapp",
        AppKind::Mobile => "mobileapp",
    }
}

/// The state in lists and details.
pub(super) fn state(state: State) -> &'static str {
    match state {
        State::Created => "CREATED",
        State::InReview => "IN-REVIEW",
        State::Approved => "APPROVED",
        State::Rejected => "REJECTED",
        State::Published => "PUBLISHED",
        State::Unpublished => "UNPUBLISHED",
        State::Deprecated => "DEPRECATED",
        State::Retired => "RETIRED",
    }
}

/// The state as the history spells it.
pub(super) fn history_state(stored: &str) -> &'static str {
    match State::ALL.into_iter().find(|state| state.as_str() == stored) {
        None => "Initial",
        Some(State::Created) => "Created",
        Some(State::InReview) => "In-Review",
        Some(State::Approved) => "Approved",
        Some(State::Rejected) => "Rejected",
        Some(State::Published) => "Published",
        Some(State::Unpublished) => "Unpublished",
        Some(State::Deprecated) => "Deprecated",
        Some(State::Retired) => "Retired",
    }
}

/// What a step is called.
pub(super) fn action(verb: Verb) -> &'static str {
    match verb {
        Verb::Submit => "Submit for Review",
        Verb::Approve => "Approve",
        Verb::Reject => "Reject",
        Verb::Revert => "Revert",
        Verb::Publish => "Publish",
        Verb::Unpublish => "Unpublish",
        Verb::Republish => "Re-Publish",
        Verb::Deprecate => "Deprecate",
        Verb::Retire => "Retire",
        Verb::Recycle => "Recycle",
    }
}

/// The step of this name. The document prints one with `#` for its spaces, so that is read, too.
pub(super) fn verb(text: &str) -> Option<Verb> {
    let text = text.replace('#', " ");
    Verb::ALL.into_iter().find(|verb| action(*verb) == text)
}

/// The actions as the API lists them: `[Approve, Reject]`.
pub(super) fn actions(verbs: &[Verb]) -> String {
    let words: Vec<&str> = verbs.iter().map(|verb| action(*verb)).collect();
    format!("[{}]", words.join(", "))
}

pub(super) fn topic(topic: Topic) -> &'static str {
    match topic {
        Topic::HowTo => "HOWTO",
        Topic::Samples => "SAMPLES",
        Topic::PublicForum => "PUBLIC_FORUM",
        Topic::SupportForum => "SUPPORT_FORUM",
        Topic::MessageFormat => "API_MESSAGE_FORMAT",
        Topic::Definition => "SWAGGER_DOC",
        Topic::Other => "OTHER",
    }
}

pub(super) fn topic_of(text: &str) -> Option<Topic> {
    const ALL: [Topic; 7] = [
        Topic::HowTo,
        Topic::Samples,
        Topic::PublicForum,
        Topic::SupportForum,
        Topic::MessageFormat,
        Topic::Definition,
        Topic::Other,
    ];
    ALL.into_iter().find(|one| topic(*one) == text)
}

pub(super) fn platform(platform: Platform) -> &'static str {
    match platform {
        Platform::Web => "webapp",
        other => other.as_str(),
    }
}

/// The platforms that a mobile app may name.
pub(super) fn platform_of(text: &str) -> Option<Platform> {
    [Platform::Android, Platform::Ios, Platform::Web].into_iter().find(|one| platform(*one) == text)
}

/// The name under which a file is fetched: its id, and the extension it came with.
pub(super) fn file_name(id: Id<Asset>, extension: &str) -> String {
    if extension.is_empty() { id.to_string() } else { format!("{id}.{extension}") }
}

/// The file of this name, and the extension it was given. What comes before the last slash is passed over: older
/// clients send the path of a page.
pub(super) fn file_id(name: &str) -> Option<(Id<Asset>, &str)> {
    let last = name.rsplit('/').next().unwrap_or_default();
    let (id, extension) = last.split_once('.').unwrap_or((last, ""));
    Id::parse(id).ok().filter(|_| id.len() == 24).map(|id| (id, extension))
}

/// An instant as 20 digits of milliseconds.
pub(super) fn created(time: Timestamp) -> String {
    format!("{:020}", time.millis())
}

/// An instant as `yyyy-MM-dd HH:mm:ss.SSS`, in UTC.
pub(super) fn moment(time: Timestamp) -> String {
    time.to_string().replace('T', " ").trim_end_matches('Z').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_reads_back() {
        for one in Verb::ALL {
            assert_eq!(verb(action(one)), Some(one));
        }
        assert_eq!(verb("Submit#for#Review"), Some(Verb::Submit));
        assert_eq!(verb("publish"), None);
        for one in State::ALL {
            assert_eq!(history_state(one.as_str()).to_ascii_uppercase(), state(one));
        }
        assert_eq!(app_kind("WebApp").unwrap(), AppKind::Web);
        assert!(app_kind("desktop").unwrap_err().message().contains("Invalid Asset Type : desktop"));
    }

    #[test]
    fn files_go_by_their_id() {
        let id = Id::generate();
        let name = file_name(id, "apk");
        for text in [name.clone(), format!("/publisher/api/mobileapp/getfile/{name}")] {
            assert_eq!(file_id(&text), Some((id, "apk")));
        }
        assert_eq!(file_id("../../etc/passwd"), None);
        assert_eq!(file_id("nzcYzFxpWpNHlyk.jpg"), None);
        assert_eq!(moment(Timestamp::from_millis(0)), "1970-01-01 00:00:00.000");
        assert_eq!(created(Timestamp::from_millis(1_461_645_676_735)), "00000001461645676735");
    }
}
