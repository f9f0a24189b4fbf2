//! Builds: the form that brings one, and how one is shown.

use appdepot_core::depot::{Enclosure, NewBuild};
use appdepot_core::domain::{Extra, Timestamp};
use serde::Serialize;
use serde_json::Value;

use super::super::fault::Fault;
use super::super::words;
use super::{Attachment, Provider, UploadedBy};

/// The longest text that is not given a limit by the depot, in characters.
const TEXT_LIMIT: usize = 1_024;
/// What a deployer may tell of its run, beside the place in the repository.
const DEPLOYER_INFO: [&str; 4] = ["buildUrl", "ciUrl", "repositoryUrl", "buildNumber"];

/// The texts of `POST …/builds`.
#[derive(Debug, Default)]
pub(crate) struct BuildForm(pub(crate) NewBuild);

impl BuildForm {
    /// The files that came with it.
    pub(crate) fn enclosures(self) -> impl Iterator<Item = Enclosure> + Send {
        self.0.icon.into_iter().chain(self.0.files)
    }

    /// Takes in one text part. Names may be spelled with dots or brackets; empty parts count as absent.
    pub(crate) fn set(&mut self, name: &str, value: &str) -> Result<(), Fault> {
        let value = value.trim();
        if value.is_empty() {
            return Ok(());
        }
        let name = name.replace('[', ".").replace(']', "");
        let text = || Some(value.to_owned());
        let NewBuild { version, platform, notes, .. } = &mut self.0;
        match name.as_str() {
            "versionName" => *version = text(),
            // Of a package that does not say it itself.
            "packageVersion" => *version = version.take().or_else(text),
            "packageName" => notes.package_id = text(),
            "changelog" => value.clone_into(&mut notes.changelog),
            "tags" => notes.tags = list(value, ','),
            "buildPlatform" => *platform = Some(words::platform(value).ok_or_else(platforms)?),
            "filter" => notes.notify.groups = groups(value)?,
            "notifyCollaborators" => notes.notify.collaborators = flag(&name, value)?,
            "notifyEmployees" => notes.notify.employees = flag(&name, value)?,
            "notifyMessage" => value.clone_into(&mut notes.notify.message),
            "notifyLanguage" => {
                let language = words::language(value).ok_or_else(|| {
                    Fault::validation(format!(
                        "notifyLanguage: must be one of {}",
                        words::LANGUAGES.join(", ")
                    ))
                })?;
                notes.notify.language = Some(language.to_owned());
            }
            "deployer.name" => value.clone_into(&mut notes.deployer.name),
            "deployer.info.branch" => notes.git.branch = text(),
            "deployer.info.tag" => notes.git.tag = text(),
            "deployer.info.commit" => notes.git.commit = text(),
            "deployer.info.commitMessage" => notes.git.message = text(),
            "deployer.info.triggerTimestamp" => {
                let time = instant(value).ok_or_else(|| {
                    Fault::validation(
                        "deployer.info.triggerTimestamp: seconds, milliseconds or an RFC 3339 time",
                    )
                })?;
                notes.deployer.info.insert("triggerTimestamp".to_owned(), time.to_string().into());
            }
            other => {
                let info = other.strip_prefix("deployer.info.").filter(|info| DEPLOYER_INFO.contains(info));
                let Some(info) = info else { return Ok(()) };
                if value.chars().count() > TEXT_LIMIT {
                    return Err(Fault::validation(format!("{name}: longer than {TEXT_LIMIT} characters")));
                }
                notes.deployer.info.insert(info.to_owned(), value.into());
            }
        }
        Ok(())
    }
}

fn list(text: &str, separator: char) -> Vec<String> {
    text.split(separator).map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// `true` and `false`, and what shell scripts send for them.
fn flag(name: &str, text: &str) -> Result<bool, Fault> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" => Ok(true),
        "false" | "0" | "no" => Ok(false),
        _ => Err(Fault::validation(format!("{name}: must be true or false"))),
    }
}

/// Groups, all of an inner list and any of the outer one: JSON (`[["a","b"],["c"]]`) or text (`a,b|c`).
fn groups(text: &str) -> Result<Vec<Vec<String>>, Fault> {
    if !text.starts_with('[') {
        return Ok(text.split('|').map(|all| list(all, ',')).filter(|all| !all.is_empty()).collect());
    }
    let wrong = || Fault::validation("filter: must be lists of lists of groups, or text such as a,b|c");
    let json: Value = serde_json::from_str(text).map_err(|_| wrong())?;
    super::groups(&json).ok_or_else(wrong)
}

/// A time in seconds or milliseconds since 1970, or in RFC 3339.
fn instant(text: &str) -> Option<Timestamp> {
    /// Numbers below this are seconds: as milliseconds they would lie before 1973, and there were no builds then.
    const SECONDS: i64 = 100_000_000_000;
    match text.parse::<i64>() {
        Ok(number) if number < 0 => None,
        Ok(number) if number < SECONDS => Some(Timestamp::from_millis(number * 1_000)),
        Ok(number) => Some(Timestamp::from_millis(number)),
        Err(_) => Timestamp::parse(text).ok(),
    }
}

fn platforms() -> Fault {
    Fault::validation(format!("buildPlatform: must be one of {}", words::PLATFORMS.join(", ")))
}

/// A build.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BuildItem {
    pub(crate) id: String,
    pub(crate) status: &'static str,
    pub(crate) tags: Vec<String>,
    pub(crate) application: String,
    pub(crate) application_info: ApplicationInfo,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) version_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) version_code: Option<String>,
    pub(crate) changelog: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) icon_file: Option<String>,
    pub(crate) info: Value,
    pub(crate) size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) queued_time: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) process_time: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) os: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) build_platform: Option<&'static str>,
    pub(crate) deployer: Deployer,
    pub(crate) uploaded_by: UploadedBy,
    pub(crate) original_extension: String,
    pub(crate) storage_provider: Provider,
    pub(crate) files: Vec<Attachment>,
    pub(crate) metadata: Extra,
    pub(crate) default_scripts: Value,
    pub(crate) updated_at: String,
    pub(crate) created_at: String,
}

/// Which app a build is of.
#[derive(Debug, Serialize)]
pub(crate) struct ApplicationInfo {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) slug: String,
}

/// What sent a build.
#[derive(Debug, Serialize)]
pub(crate) struct Deployer {
    pub(crate) name: String,
    pub(crate) info: Extra,
}

/// Leave to fetch a build.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DownloadToken {
    pub(crate) token: String,
    pub(crate) expires_at: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(parts: &[(&str, &str)]) -> Result<NewBuild, Fault> {
        let mut form = BuildForm::default();
        parts.iter().try_for_each(|(name, value)| form.set(name, value))?;
        Ok(form.0)
    }

    #[test]
    fn both_spellings_of_nested_names_are_read() {
        for branch in ["deployer.info.branch", "deployer[info][branch]"] {
            assert_eq!(read(&[(branch, "main")]).unwrap().notes.git.branch.as_deref(), Some("main"));
        }
    }

    #[test]
    fn times_come_in_three_spellings() {
        for text in ["1600000000", "1600000000000", "2020-09-13T12:26:40Z"] {
            let read = read(&[("deployer.info.triggerTimestamp", text)]).unwrap();
            assert_eq!(read.notes.deployer.info["triggerTimestamp"], "2020-09-13T12:26:40.000Z", "{text}");
        }
        assert!(read(&[("deployer.info.triggerTimestamp", "soon")]).is_err());
    }

    #[test]
    fn filters_are_lists_of_lists_however_they_are_spelled() {
        let expected = vec![vec!["a".to_owned(), "b".to_owned()], vec!["c".to_owned()]];
        for text in ["a,b|c", "[[\"a\",\"b\"],[\"c\"]]"] {
            assert_eq!(read(&[("filter", text)]).unwrap().notes.notify.groups, expected, "{text}");
        }
        assert!(read(&[("filter", "[1]")]).is_err());
    }

    #[test]
    fn empty_parts_count_as_absent_and_secrets_are_not_kept() {
        let read = read(&[
            ("changelog", ""),
            ("notifyCollaborators", ""),
            ("buildPlatform", ""),
            ("deployer.info.certificatePassphrase", "hunter2"),
        ]);
        assert_eq!(read.unwrap(), NewBuild::default());
    }

    #[test]
    fn german_has_two_codes() {
        for code in ["de", "ge"] {
            let read = read(&[("notifyLanguage", code)]).unwrap();
            assert_eq!(read.notes.notify.language.as_deref(), Some("de"));
        }
        assert!(read(&[("notifyLanguage", "tlh")]).is_err());
        assert!(read(&[("buildPlatform", "ps5")]).is_err());
    }
}
