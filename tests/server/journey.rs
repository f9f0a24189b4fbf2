//! The journey that the documentation has, with curl: an app for Android and one for iOS.

use std::path::Path;
use std::process::Command;

use super::process::*;

#[test]
fn a_mobile_app_goes_its_way_through_review() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), &[]);
    let ipa = appdepot::metadata::fixture::ipa::IpaBuilder::new("com.example.pocket").version("2.0").build();
    let ipa_path = data.path().join("pocket.ipa");
    std::fs::write(&ipa_path, ipa).unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for package in [root.join("fixtures/field-notes.apk"), ipa_path] {
        let mut journey = Command::new("sh");
        journey.arg(root.join("docs/journeys/wso2.sh"));
        let output =
            journey.arg(format!("http://{}", server.address)).arg(ADMIN_KEY).arg(&package).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
        let manifest = said.contains("<string>com.example.pocket</string>");
        assert_eq!(manifest, package.ends_with("pocket.ipa"), "{said}");
    }
    assert_eq!(server.stop(), Some(0));
}
