//! Spellings: the vendor's words on one side, the core's on the other.

use appdepot_core::domain::{AssetClass, BuildStatus, Role, Security, Visibility};
use appdepot_core::inspect::{Format, Inspection, Platform};
use appdepot_core::query::Field;

/// `type` of an asset.
pub(super) const fn class_word(class: AssetClass) -> &'static str {
    match class {
        AssetClass::App => "app",
        AssetClass::Book => "book",
        AssetClass::Image => "image",
        AssetClass::Script => "script",
        AssetClass::Other => "other",
        AssetClass::Certificate => "certificate",
    }
}

/// The class that `type` names.
pub(super) fn class(word: &str) -> Option<AssetClass> {
    use AssetClass::{App, Book, Certificate, Image, Other, Script};
    [App, Book, Image, Script, Other, Certificate].into_iter().find(|class| class_word(*class) == word)
}

/// What an extension stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extension {
    /// Lower case, without the dot.
    pub(super) name: &'static str,
    /// The `type` it gives.
    pub(super) class: AssetClass,
    /// The `subType` it belongs to.
    pub(super) sub_type: Option<&'static str>,
    /// What its content must be; `None` where any content will do.
    expects: Option<Format>,
}

/// The extensions that the list operation's `ext` names; nothing else is taken in.
pub(super) const EXTENSIONS: [Extension; 28] = {
    use AssetClass::{App, Book, Certificate, Image, Other, Script};
    const fn of(
        name: &'static str,
        class: AssetClass,
        sub_type: Option<&'static str>,
        expects: Option<Format>,
    ) -> Extension {
        Extension { name, class, sub_type, expects }
    }
    const IOS: Option<&str> = Some("ios");
    const MACOS: Option<&str> = Some("macos");
    const ANDROID: Option<&str> = Some("android");
    const WINDOWS: Option<&str> = Some("windows");
    [
        of("ipa", App, IOS, Some(Format::Ipa)),
        of("pkg", App, MACOS, Some(Format::Pkg)),
        of("apk", App, ANDROID, Some(Format::Apk)),
        of("pdf", Book, None, Some(Format::Pdf)),
        of("epub", Book, None, Some(Format::Epub)),
        of("ibooks", Book, None, Some(Format::Epub)),
        of("jpg", Image, None, Some(Format::Image)),
        of("jpeg", Image, None, Some(Format::Image)),
        of("gif", Image, None, Some(Format::Image)),
        of("png", Image, None, Some(Format::Image)),
        of("sh", Script, MACOS, None),
        of("ps1", Script, WINDOWS, None),
        of("pkcs1", Certificate, None, Some(Format::Certificate)),
        of("p12", Certificate, None, Some(Format::Certificate)),
        of("pfx", Certificate, None, Some(Format::Certificate)),
        of("pem", Certificate, None, Some(Format::Certificate)),
        of("cer", Certificate, None, Some(Format::Certificate)),
        of("crt", Certificate, None, Some(Format::Certificate)),
        of("der", Certificate, None, Some(Format::Certificate)),
        of("msi", App, WINDOWS, Some(Format::Msi)),
        of("msix", App, WINDOWS, Some(Format::Msix)),
        of("msixbundle", App, WINDOWS, Some(Format::Msix)),
        of("appx", App, WINDOWS, Some(Format::Msix)),
        of("appxbundle", App, WINDOWS, Some(Format::Msix)),
        of("exe", App, WINDOWS, Some(Format::Exe)),
        of("rtfd", Other, None, None),
        of("rtf", Other, None, None),
        of("txt", Other, None, None),
    ]
};

/// The values of `subType`.
pub(super) const SUB_TYPES: [&str; 4] = ["windows", "macos", "ios", "android"];

/// The values of `notificationLanguage`. `ge` is an older spelling of `de` that clients still send.
pub(super) const LANGUAGES: [&str; 8] = ["es", "en", "fr", "de", "it", "zh", "pt", "ru"];

/// The language of this code.
pub(super) fn language(code: &str) -> Option<&'static str> {
    let code = if code == "ge" { "de" } else { code };
    LANGUAGES.into_iter().find(|language| *language == code)
}

/// The values of `os` and `buildPlatform`: those of the documents that packages are read of, and Linux.
pub(super) const PLATFORMS: [&str; 5] = ["ios", "android", "macos", "windows", "linux"];

/// `os` of a build.
pub(super) const fn platform_word(platform: Platform) -> &'static str {
    platform.as_str()
}

/// The platform that `os` names.
pub(super) fn platform(word: &str) -> Option<Platform> {
    use Platform::{Android, Ios, Linux, Macos, Windows};
    [Ios, Android, Macos, Windows, Linux].into_iter().find(|platform| platform_word(*platform) == word)
}

/// The values of `filter.type`.
pub(super) const FILTERS: [&str; 6] = ["last", "build", "builds", "gitBranch", "gitTag", "tag"];

/// The stored word of the selection that `filter.type` names.
pub(super) fn filter(word: &str) -> Option<&'static str> {
    let word = if word == "build" { "builds" } else { word };
    FILTERS.into_iter().find(|known| *known == word)
}

/// The values of `security`.
pub(super) const SECURITIES: [&str; 3] = ["public", "password", "logged"];

/// `security` of a publication.
pub(super) const fn security_word(security: Security) -> &'static str {
    match security {
        Security::Public => "public",
        Security::Password => "password",
        Security::Logged => "logged",
    }
}

/// The security that this word names.
pub(super) fn security(word: &str) -> Option<Security> {
    [Security::Public, Security::Password, Security::Logged]
        .into_iter()
        .find(|one| security_word(*one) == word)
}

/// The values of `visibility`.
pub(super) const VISIBILITIES: [&str; 3] = ["active", "inactive", "unlisted"];

/// `visibility` of a publication.
pub(super) const fn visibility_word(visibility: Visibility) -> &'static str {
    match visibility {
        Visibility::Active => "active",
        Visibility::Inactive => "inactive",
        Visibility::Unlisted => "unlisted",
    }
}

/// The visibility that this word names.
pub(super) fn visibility(word: &str) -> Option<Visibility> {
    use Visibility::{Active, Inactive, Unlisted};
    [Active, Inactive, Unlisted].into_iter().find(|one| visibility_word(*one) == word)
}

/// What an app token may be narrowed to.
pub(super) const TOKEN_SCOPES: [&str; 1] = ["sdk"];

/// The values of `status`.
pub(super) const STATUSES: [&str; 4] = ["pending", "in_progress", "processed", "error"];

/// `status` of a build.
pub(super) const fn status_word(status: BuildStatus) -> &'static str {
    match status {
        BuildStatus::Pending => "pending",
        BuildStatus::InProgress => "in_progress",
        BuildStatus::Processed => "processed",
        BuildStatus::Error => "error",
    }
}

/// The status that this word names.
pub(super) fn status(word: &str) -> Option<BuildStatus> {
    use BuildStatus::{Error, InProgress, Pending, Processed};
    [Pending, InProgress, Processed, Error].into_iter().find(|status| status_word(*status) == word)
}

/// Whether the extension of `file_name` is one that builds may have.
pub(super) fn is_build(file_name: &str) -> bool {
    /// Of the upload operation, which spells two of them `apx` and `apxbundle`, and those that packages of Linux have.
    const EXTENSIONS: [&str; 18] = [
        "ipa",
        "apk",
        "aab",
        "dmg",
        "pkg",
        "exe",
        "msi",
        "msix",
        "msixbundle",
        "appx",
        "appxbundle",
        "apx",
        "apxbundle",
        "nsp",
        "zip",
        "gz",
        "deb",
        "rpm",
    ];
    let extension = extension_of(file_name);
    extension.is_some_and(|extension| match extension.as_str() {
        "gz" => file_name.to_ascii_lowercase().ends_with(".tar.gz"),
        other => EXTENSIONS.contains(&other),
    })
}

/// The values of a collaborator's `role`, the strongest first; `unassigned` beside them for none.
pub(super) const COLLABORATOR_ROLES: [&str; 4] = ["owner", "admin", "editor", "viewer"];

/// The role that a collaborator's `role` names. Service accounts call editors developers.
pub(super) fn collaborator_role(word: &str) -> Option<Role> {
    let word = if word == "developer" { "editor" } else { word };
    let known = COLLABORATOR_ROLES.contains(&word);
    known.then(|| Role::parse(&format!("org.{word}")).ok()).flatten()
}

/// `role` of a collaborator with these roles.
pub(super) fn collaborator_word(roles: &[Role]) -> &'static str {
    let has = |word: &&str| roles.iter().any(|role| role.as_str().strip_prefix("org.") == Some(word));
    COLLABORATOR_ROLES.into_iter().find(has).unwrap_or("unassigned")
}

/// `role` of a service account with these roles.
pub(super) fn service_account_word(roles: &[Role]) -> &'static str {
    match collaborator_word(roles) {
        "editor" => "developer",
        word => word,
    }
}

/// The roles that `security.role` may name, the strongest first.
pub(super) const ROLES: [&str; 8] = [
    "org.owner",
    "org.admin",
    "org.editor",
    "org.viewer",
    "app.owner",
    "app.admin",
    "app.editor",
    "app.viewer",
];

/// The extension of a file name, in lower case.
pub(super) fn extension_of(file_name: &str) -> Option<String> {
    let (stem, extension) = file_name.rsplit_once('.')?;
    (!stem.is_empty() && !extension.is_empty()).then(|| extension.to_ascii_lowercase())
}

/// What the extension of `file_name` stands for, if it may be taken in.
pub(super) fn extension(file_name: &str) -> Option<Extension> {
    let name = extension_of(file_name)?;
    EXTENSIONS.into_iter().find(|extension| extension.name == name)
}

impl Extension {
    /// Why content of which `inspection` tells cannot be what this extension says, where it cannot.
    ///
    /// - An app must be readable as what it says it is.
    /// - What no format recognised passes, except as an Android or iOS app: those are always recognised.
    /// - Where nothing looked at the content, the extension is believed.
    pub(super) fn contradiction(self, inspection: &Inspection) -> Option<String> {
        let expected = self.expects?;
        let looked = inspection.reads > 0 || inspection.error.is_some();
        let certain = matches!(expected, Format::Apk | Format::Ipa);
        let app = self.class == AssetClass::App;
        match (inspection.format, &inspection.error) {
            (found, Some(problem)) if app && (found == expected || found == Format::Unknown) => {
                Some(format!("{}: {}", problem.code, problem.message))
            }
            (found, _) if found == expected => None,
            (Format::Unknown, _) if !looked || !certain => None,
            (Format::Unknown, _) => Some(format!("not readable as .{}", self.name)),
            (found, _) => Some(format!("the content is {}, not .{}", found.as_str(), self.name)),
        }
    }
}

/// The field that `sort` names.
pub(super) fn sort_field(word: &str) -> Option<Field> {
    let path = match word {
        "id" | "_id" => return Some(Field::Id),
        "createdAt" => return Some(Field::CreatedAt),
        "updatedAt" => return Some(Field::UpdatedAt),
        "version" => return Some(Field::Revision),
        "name" => "name",
        "slug" => "slug",
        "email" => "email",
        "description" => "description",
        "type" => "class",
        "size" => "content.length",
        "originalExtension" | "ext" => "content.extension",
        "segmentId" => "segment",
        "status" => "status",
        "os" | "buildPlatform" => "platform",
        "versionName" => "version",
        "lastBuildProcessedDate" => "releasedAt",
        _ => return None,
    };
    Field::parse(path).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use appdepot_core::inspect::Problem;

    fn found(format: Format, error: Option<&str>) -> Inspection {
        let error = error.map(|code| Problem { code: code.into(), message: "cut off".into() });
        Inspection { format, error, reads: 2, ..Inspection::unknown() }
    }

    #[test]
    fn every_class_has_one_word() {
        for extension in EXTENSIONS {
            assert_eq!(class(class_word(extension.class)), Some(extension.class));
            assert!(extension.sub_type.is_none_or(|sub_type| SUB_TYPES.contains(&sub_type)));
        }
    }

    #[test]
    fn extensions_ignore_case_and_need_a_stem() {
        assert_eq!(extension("A.Apk").map(|e| e.name), Some("apk"));
        for bad in ["", "apk", ".apk", "a.", "a.zip", "a.aab", "a.apk/"] {
            assert_eq!(extension(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn content_beats_the_extension() {
        let apk = extension("a.apk").unwrap();
        assert_eq!(apk.contradiction(&found(Format::Apk, None)), None);
        assert!(apk.contradiction(&found(Format::Apk, Some("E_TRUNCATED"))).unwrap().contains("E_TRUNCATED"));
        assert!(apk.contradiction(&found(Format::Unknown, None)).is_some());
        assert!(apk.contradiction(&found(Format::Exe, None)).is_some());
        assert_eq!(apk.contradiction(&Inspection::unknown()), None);
        let png = extension("a.png").unwrap();
        assert!(png.contradiction(&found(Format::Apk, None)).is_some());
        assert_eq!(png.contradiction(&found(Format::Unknown, None)), None);
        assert_eq!(extension("a.txt").unwrap().contradiction(&found(Format::Apk, None)), None);
    }
}
