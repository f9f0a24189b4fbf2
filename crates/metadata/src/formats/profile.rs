//! Apple provisioning profiles: `embedded.mobileprovision` in an IPA, and `.mobileprovision` files of their own.
//!
//! A profile is a property list inside CMS signed data; Apple's web pages and tools also hand the list out bare, and
//! both are read. The signature is not verified. Source: Apple Technote TN3125, "Inside Code Signing: Provisioning
//! Profiles".

use std::fmt::Write as _;

use appdepot_core::domain::Timestamp;
use appdepot_core::inspect::{self, Package, Platform, Problem};
use async_trait::async_trait;
use serde_json::{Map, Value as Json, json};
use sha2::{Digest, Sha256};

use crate::containers::Packing;
use crate::der;
use crate::error::Code;
use crate::fields::Fields;
use crate::plist::{self, Dictionary, Value};
use crate::reader::Reader;
use crate::registry::{Format, Input, Probe, Score};

/// Words that stand near the start of every profile; keys are written in alphabetical order.
const WORDS: [&str; 4] =
    ["AppIDName", "ApplicationIdentifierPrefix", "DeveloperCertificates", "ProvisionedDevices"];

/// The format of `.mobileprovision` files, and of `.provisionprofile` ones for macOS.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProvisioningProfile;

#[async_trait]
impl Format for ProvisioningProfile {
    fn name(&self) -> inspect::Format {
        inspect::Format::Profile
    }

    fn packing(&self) -> Packing {
        Packing::Plain
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["mobileprovision", "provisionprofile"]
    }

    fn score(&self, probe: &Probe<'_>) -> Score {
        let holds = |word: &[u8]| probe.head.windows(word.len()).any(|window| window == word);
        if probe.container.packing() != Packing::Plain || !holds(b"plist") {
            return Score::No;
        }
        match probe.head.first() {
            Some(&der::SEQUENCE | b'<' | b'b' | 0xef) if WORDS.iter().any(|word| holds(word.as_bytes())) => {
                Score::Certain
            }
            _ => Score::No,
        }
    }

    async fn read(&self, input: &mut Input<'_>) -> Result<Package, Problem> {
        let reader = &mut input.reader;
        let length = reader.length();
        if length > reader.limits().signature_bytes {
            return Err(Code::LimitInflate.problem("too large for a provisioning profile"));
        }
        let data = reader.bytes(0, usize::try_from(length).unwrap_or(usize::MAX)).await?;
        let profile = Profile::read(&data)?;
        let uuid = profile.uuid.as_deref().filter(|uuid| !uuid.is_empty());
        let uuid = uuid.ok_or_else(|| Code::ManifestInvalid.problem("the profile has no UUID"))?;
        if uuid.len() > reader.limits().identifier_bytes {
            return Err(Code::LimitString.problem("the UUID is too long"));
        }
        let mac = profile.platforms.iter().any(|platform| platform == "OSX");
        Ok(Package {
            id: reader.text(uuid),
            name: profile.name.as_deref().map(|name| reader.label(name)),
            platform: Some(if mac { Platform::Macos } else { Platform::Ios }),
            details: profile.describe(reader)?,
            ..Package::default()
        })
    }
}

/// How the apps a profile is for reach people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReleaseType {
    /// Registered devices, debuggable.
    Development,
    /// Registered devices.
    AdHoc,
    /// Every device of one organization.
    Enterprise,
    /// Apple's store.
    AppStore,
}

impl ReleaseType {
    /// `development`, `ad-hoc`, `enterprise` or `app-store`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::AdHoc => "ad-hoc",
            Self::Enterprise => "enterprise",
            Self::AppStore => "app-store",
        }
    }

    /// The spelling of the `type` detail, that of Xcode's and fastlane's users.
    const fn detail(self) -> &'static str {
        match self {
            Self::Development => "Development",
            Self::AdHoc => "AdHoc",
            Self::Enterprise => "Enterprise",
            Self::AppStore => "AppStore",
        }
    }
}

/// What a provisioning profile says.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Profile {
    /// `Name`.
    pub name: Option<String>,
    /// `UUID`.
    pub uuid: Option<String>,
    /// `TeamIdentifier`, one or more.
    pub team_identifiers: Vec<String>,
    /// `TeamName`.
    pub team_name: Option<String>,
    /// `AppIDName`.
    pub app_id_name: Option<String>,
    /// The entitlement `application-identifier`: prefix, dot, bundle identifier or `*`.
    pub application_identifier: Option<String>,
    /// `CreationDate`.
    pub created: Option<Timestamp>,
    /// `ExpirationDate`.
    pub expires: Option<Timestamp>,
    /// `Platform`.
    pub platforms: Vec<String>,
    /// `ProvisionedDevices`: device identifiers; `None` when the profile is not bound to devices.
    pub devices: Option<Vec<String>>,
    /// `ProvisionsAllDevices`.
    pub all_devices: Option<bool>,
    /// The entitlement `get-task-allow`: a debugger may attach.
    pub get_task_allow: Option<bool>,
    /// `Entitlements`, all of them: what apps with this profile may claim.
    pub entitlements: Dictionary,
    /// `DeveloperCertificates`: who may sign.
    pub certificates: Vec<DeveloperCertificate>,
}

/// One of the certificates that may sign an app for a profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeveloperCertificate {
    /// SHA-256 of the DER, 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// The subject as RFC 4514 writes it; `None` when the certificate cannot be read.
    pub subject: Option<String>,
    /// Valid until.
    pub expires: Option<Timestamp>,
}

impl Profile {
    /// Reads a profile, in CMS or bare.
    ///
    /// # Errors
    /// [`plist::Error`], `Invalid` also for CMS that wraps nothing and a list that is not a profile.
    ///
    /// # Examples
    /// ```
    /// use appdepot_metadata::formats::profile::{Profile, ReleaseType};
    ///
    /// let text = b"<plist><dict><key>UUID</key><string>1-2</string>
    ///     <key>Entitlements</key><dict><key>get-task-allow</key><false/></dict>
    ///     <key>ProvisionedDevices</key><array><string>a1</string></array></dict></plist>";
    /// let profile = Profile::read(text)?;
    /// assert_eq!(profile.release_type(), ReleaseType::AdHoc);
    /// # Ok::<(), appdepot_metadata::plist::Error>(())
    /// ```
    pub fn read(data: &[u8]) -> Result<Self, plist::Error> {
        let list = if data.first() == Some(&der::SEQUENCE) {
            let content = der::pkcs7_content(data);
            plist::read(&content.ok_or(plist::Error::Invalid("no content in the signed data"))?)?
        } else {
            plist::read(data)?
        };
        let list = list.as_dictionary().filter(|list| is_profile(list));
        Ok(Self::from_list(list.ok_or(plist::Error::Invalid("not a provisioning profile"))?))
    }

    fn from_list(list: &Dictionary) -> Self {
        let text = |key: &str| list.get(key).and_then(Value::as_str).map(str::to_owned);
        let entitlements = list.get("Entitlements").and_then(Value::as_dictionary);
        let entitlement = |key: &str| entitlements.and_then(|one| one.get(key));
        Self {
            name: text("Name"),
            uuid: text("UUID"),
            team_identifiers: strings(list, "TeamIdentifier").unwrap_or_default(),
            team_name: text("TeamName"),
            app_id_name: text("AppIDName"),
            application_identifier: entitlement("application-identifier")
                .or_else(|| entitlement("com.apple.application-identifier"))
                .and_then(Value::as_str)
                .map(str::to_owned),
            created: list.get("CreationDate").and_then(Value::as_date),
            expires: list.get("ExpirationDate").and_then(Value::as_date),
            platforms: strings(list, "Platform").unwrap_or_default(),
            devices: strings(list, "ProvisionedDevices"),
            all_devices: list.get("ProvisionsAllDevices").and_then(Value::as_bool),
            get_task_allow: entitlement("get-task-allow")
                .or_else(|| entitlement("com.apple.security.get-task-allow"))
                .and_then(Value::as_bool),
            entitlements: entitlements.cloned().unwrap_or_default(),
            certificates: list
                .get("DeveloperCertificates")
                .and_then(Value::as_array)
                .unwrap_or_default()
                .iter()
                .filter_map(Value::as_data)
                .map(DeveloperCertificate::read)
                .collect(),
        }
    }

    /// How apps with this profile reach people: all devices is enterprise, a list of devices is development or ad
    /// hoc by whether a debugger may attach, and neither is the store.
    pub fn release_type(&self) -> ReleaseType {
        let debuggable = self.get_task_allow == Some(true);
        match (self.all_devices, &self.devices) {
            (Some(true), _) => ReleaseType::Enterprise,
            (_, None) if !debuggable => ReleaseType::AppStore,
            _ if debuggable => ReleaseType::Development,
            _ => ReleaseType::AdHoc,
        }
    }

    /// What the result of an inspection has: [`details`](Self::details), and the `entitlements` as they are.
    pub(super) fn describe(&self, reader: &mut Reader<'_>) -> Result<Map<String, Json>, Problem> {
        let mut details = self.details(&mut |text| reader.text(text));
        if reader.wants(Fields::DETAILS) {
            details.insert("entitlements".to_owned(), plist::tree(reader, &self.entitlements)?.into());
        }
        Ok(details)
    }

    /// What the profile says under its own field names, every string passed through `clean`. What it does not say
    /// is left out, and so are the entitlements but two: `appId` and `getTaskAllow`.
    pub fn details(&self, clean: &mut dyn FnMut(&str) -> String) -> Map<String, Json> {
        let mut details = Map::new();
        let texts = [
            ("Name", &self.name),
            ("UUID", &self.uuid),
            ("TeamName", &self.team_name),
            ("AppIDName", &self.app_id_name),
            ("appId", &self.application_identifier),
        ];
        for (key, text) in texts {
            if let Some(text) = text {
                details.insert(key.to_owned(), clean(text).into());
            }
        }
        for (key, date) in [("CreationDate", self.created), ("ExpirationDate", self.expires)] {
            if let Some(date) = date {
                details.insert(key.to_owned(), date.to_string().into());
            }
        }
        for (key, flag) in [("allDevices", self.all_devices), ("getTaskAllow", self.get_task_allow)] {
            if let Some(flag) = flag {
                details.insert(key.to_owned(), flag.into());
            }
        }
        let mut list = |values: &[String]| values.iter().map(|one| clean(one)).collect::<Vec<_>>();
        details.insert("TeamIdentifier".to_owned(), list(&self.team_identifiers).into());
        details.insert("platform".to_owned(), list(&self.platforms).into());
        if let Some(devices) = &self.devices {
            details.insert("devices".to_owned(), devices.len().into());
            details.insert("ProvisionedDevices".to_owned(), list(devices).into());
        }
        let hashes: Vec<&str> = self.certificates.iter().map(|one| one.sha256.as_str()).collect();
        details.insert("certs".to_owned(), hashes.into());
        let certificates = self.certificates.iter().map(|one| {
            json!({
                "sha256": one.sha256,
                "subject": one.subject.as_deref().map(&mut *clean),
                "notAfter": one.expires.map(|time| time.to_string()),
            })
        });
        details.insert("DeveloperCertificates".to_owned(), certificates.collect());
        details.insert("type".to_owned(), self.release_type().detail().into());
        details.insert("releaseType".to_owned(), self.release_type().as_str().into());
        details
    }
}

impl DeveloperCertificate {
    fn read(data: &[u8]) -> Self {
        let certificate = der::Certificate::read(data);
        let mut sha256 = String::with_capacity(64);
        for byte in Sha256::digest(data) {
            // Writing to a String cannot fail.
            let _ = write!(sha256, "{byte:02x}");
        }
        Self {
            sha256,
            expires: certificate.as_ref().map(|one| one.not_after),
            subject: certificate.map(|one| one.subject.text),
        }
    }
}

/// Keys that every profile has and no other property list in a package.
fn is_profile(list: &Dictionary) -> bool {
    list.get("UUID").is_some() && list.get("Entitlements").is_some()
}

fn strings(list: &Dictionary, key: &str) -> Option<Vec<String>> {
    let values = list.get(key)?.as_array()?;
    Some(values.iter().filter_map(Value::as_str).map(str::to_owned).collect())
}
