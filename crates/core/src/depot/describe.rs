//! How a file is described: its shown name, its media type, its class, and what is kept of its inspection.

use crate::domain::{AssetClass, File};
use crate::inspect::{Format, Inspection};

/// The last component of a file name, without control characters, at most 128 characters.
pub(super) fn show_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let mut shown: String = last.chars().filter(|c| !c.is_control() && !is_bidi_control(*c)).collect();
    if let Some((end, _)) = shown.char_indices().nth(128) {
        // Keep the extension: people and type checks look at it.
        let extension = extension_of(&shown);
        shown.truncate(end);
        if !extension.is_empty() {
            let keep = 128 - 1 - extension.len();
            shown = format!("{}.{extension}", shown.chars().take(keep).collect::<String>());
        }
    }
    if shown.trim().is_empty() || shown == "." || shown == ".." { "file".to_owned() } else { shown }
}

/// Characters that reorder the text around them (UAX #9), which can hide an extension.
fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

pub(super) fn extension_of(file_name: &str) -> String {
    let extension = file_name.rsplit_once('.').map_or("", |(_, extension)| extension);
    let good = extension.len() <= 16 && extension.bytes().all(|c| c.is_ascii_alphanumeric());
    if good { extension.to_ascii_lowercase() } else { String::new() }
}

pub(super) fn is_media_type(text: &str) -> bool {
    let token = |c: u8| c.is_ascii_alphanumeric() || b"!#$&^_.+-*%'|~`".contains(&c);
    let kind = text.split(';').next().unwrap_or_default().trim();
    let shaped = kind
        .split_once('/')
        .is_some_and(|(a, b)| !a.is_empty() && !b.is_empty() && a.bytes().all(token) && b.bytes().all(token));
    shaped && text.len() <= 128 && text.bytes().all(|c| (b' '..0x7f).contains(&c))
}

pub(super) fn class_of(file: &File) -> AssetClass {
    match file.inspection.format {
        Format::Apk
        | Format::Aab
        | Format::Bundle
        | Format::Ipa
        | Format::App
        | Format::Pkg
        | Format::Dmg => AssetClass::App,
        Format::Msi | Format::Msix | Format::Exe | Format::Deb | Format::Rpm => AssetClass::App,
        Format::Epub | Format::Pdf => AssetClass::Book,
        Format::Image => AssetClass::Image,
        Format::Script => AssetClass::Script,
        Format::Certificate | Format::Profile => AssetClass::Certificate,
        Format::Other | Format::Unknown => match file.extension.as_str() {
            "ipa" | "pkg" | "apk" | "msi" | "msix" | "msixbundle" | "appx" | "appxbundle" | "exe" | "aab" => {
                AssetClass::App
            }
            "pdf" | "epub" | "ibooks" => AssetClass::Book,
            "jpg" | "jpeg" | "gif" | "png" | "webp" => AssetClass::Image,
            "sh" | "ps1" => AssetClass::Script,
            "pkcs1" | "p12" | "pfx" | "pem" | "cer" | "crt" | "der" => AssetClass::Certificate,
            _ => AssetClass::Other,
        },
    }
}

pub(super) fn media_type_of(format: Format, extension: &str) -> &'static str {
    match (format, extension) {
        (Format::Apk, _) | (_, "apk") => "application/vnd.android.package-archive",
        (_, "msi") => "application/x-msi",
        (_, "msix" | "appx" | "msixbundle" | "appxbundle") => "application/msix",
        (_, "deb") => "application/vnd.debian.binary-package",
        (_, "rpm") => "application/x-rpm",
        (_, "epub") => "application/epub+zip",
        (_, "pdf") => "application/pdf",
        (_, "png") => "image/png",
        (_, "jpg" | "jpeg") => "image/jpeg",
        (_, "gif") => "image/gif",
        (_, "webp") => "image/webp",
        (_, "txt") => "text/plain; charset=utf-8",
        (_, "sh") => "text/x-shellscript",
        (_, "json") => "application/json",
        (_, "zip") => "application/zip",
        _ => "application/octet-stream",
    }
}

/// Makes an inspection fit to keep: packages choose their own texts, and some stores cannot keep a NUL.
pub(super) fn tidy(mut inspection: Inspection) -> Inspection {
    /// The longest text kept, in characters.
    const TEXT: usize = 4_096;
    /// The most bytes of details kept.
    const DETAILS: usize = 256 * 1024;
    fn text(text: &mut String) {
        if text.contains('\0') {
            *text = text.replace('\0', "\u{fffd}");
        }
        if let Some((end, _)) = text.char_indices().nth(TEXT) {
            text.truncate(end);
        }
    }
    fn json(value: &mut serde_json::Value) {
        match value {
            serde_json::Value::String(s) => text(s),
            serde_json::Value::Array(members) => members.iter_mut().for_each(json),
            serde_json::Value::Object(members) => {
                members.retain(|name, _| !name.contains('\0'));
                members.values_mut().for_each(json);
            }
            _ => {}
        }
    }
    if let Some(package) = &mut inspection.package {
        text(&mut package.id);
        for option in
            [&mut package.name, &mut package.version, &mut package.version_code, &mut package.min_os]
        {
            option.iter_mut().for_each(text);
        }
        package.icon.iter_mut().for_each(text);
        package.architectures.iter_mut().for_each(text);
        package.details.retain(|name, _| !name.contains('\0'));
        package.details.values_mut().for_each(json);
        let size: usize = package.details.values().map(|value| value.to_string().len()).sum();
        if size > DETAILS {
            package.details.clear();
            inspection.anomalies.push("details-too-large".to_owned());
        }
    }
    if let Some(problem) = &mut inspection.error {
        text(&mut problem.message);
    }
    inspection
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_names_are_harmless() {
        assert_eq!(show_name("../../etc/passwd"), "passwd");
        assert_eq!(show_name("C:\\temp\\app.APK"), "app.APK");
        assert_eq!(show_name("a\r\nSet-Cookie: x"), "aSet-Cookie: x");
        assert_eq!(show_name("cod\u{202e}gpj.exe"), "codgpj.exe");
        assert_eq!(show_name(".."), "file");
        let long = format!("{}.apk", "x".repeat(1_000));
        assert!(show_name(&long).ends_with(".apk") && show_name(&long).len() == 128);
    }
}
