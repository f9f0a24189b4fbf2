//! The journeys that the documentation has, with curl.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::process::*;

#[test]
fn a_mobile_app_goes_its_way_through_review() {
    let data = tempfile::tempdir().unwrap();
    let ipa = appdepot::metadata::fixture::ipa::IpaBuilder::new("com.example.pocket").version("2.0").build();
    let ipa_path = data.path().join("pocket.ipa");
    std::fs::write(&ipa_path, ipa).unwrap();
    let server = Server::start(data.path(), &[]);
    for package in [fixture(), ipa_path] {
        let said = goes(&server, "wso2", &package);
        let manifest = said.contains("<string>com.example.pocket</string>");
        assert_eq!(manifest, package.ends_with("pocket.ipa"), "{said}");
    }
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn a_build_goes_from_its_build_server_to_a_phone() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), &[]);
    goes(&server, "applivery", &fixture());
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn a_media_asset_is_made_found_changed_and_removed() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), &[]);
    goes(&server, "emporix", &fixture());
    assert_eq!(server.stop(), Some(0));
}

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/field-notes.apk")
}

/// What the journey of this dialect prints.
fn goes(server: &Server, dialect: &str, package: &Path) -> String {
    let script = format!("docs/journeys/{dialect}.sh");
    let output = Command::new("sh")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join(script))
        .arg(format!("http://{}", server.address))
        .arg(ADMIN_KEY)
        .arg(package)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    said.into_owned()
}
