//! Builds, from the robot that sends one to the phone that installs it.

use serde_json::json;

use super::process::*;

#[test]
fn a_build_goes_from_a_robot_to_a_phone() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), &["--public-url", "https://depot.example"]);
    let apps = "/v1/organizations/acme/apps";
    assert_eq!(server.post(apps, &json!({ "name": "Field Notes" })).status, 200);

    // A robot has a token for the app, publishes a branch of it, and sends a build of that branch.
    let made = server.post(&format!("{apps}/field-notes/tokens"), &json!({ "description": "CI" }));
    let robot = made.json()["data"]["bearer"].as_str().unwrap().to_owned();
    let publication = json!({
        "slug": "notes-main", "security": "public", "visibility": "active",
        "filter": { "type": "gitBranch", "value": "main" },
    });
    let distributions = "/v1/integrations/distributions";
    let text = publication.to_string();
    let json_type = "application/json";
    let published = server.send("POST", distributions, Some(&robot), Some((json_type, text.as_bytes())));
    assert_eq!(published.status, 200, "{published:?}");
    let upload = |name: &str, bytes: &[u8], branch: &[u8]| {
        let parts = [("deployer.info.branch", None, branch), ("build", Some(name), bytes)];
        let (kind, form) = form(&parts);
        let sent = server.send("POST", "/v1/integrations/builds", Some(&robot), Some((&kind, &form)));
        assert_eq!(sent.status, 200, "{sent:?}");
        assert_eq!(sent.json()["data"]["status"], "pending");
        sent.json()["data"]["id"].as_str().unwrap().to_owned()
    };
    let build = upload("notes.apk", APK, b"main");
    let finished =
        |server: &Server, build: &str| server.finished(&robot, &format!("/v1/integrations/builds/{build}"));
    let shown = finished(&server, &build);
    assert_eq!(shown["status"], "processed", "{shown}");
    assert_eq!(shown["versionName"], "1.4.2");
    assert_eq!(shown["info"]["android"]["minSDKVersion"], "21");
    let icon = shown["iconFile"].as_str().unwrap().strip_prefix("https://depot.example").unwrap();
    assert!(server.get(&robot, icon).body.starts_with(b"\x89PNG"));
    let app = server.get(ADMIN_KEY, &format!("{apps}/field-notes")).json();
    assert_eq!(app["data"]["counts"]["totalBuilds"], 1);
    assert_eq!(app["data"]["oss"], json!(["android"]));

    // A person fetches it with a token of its own: once whole, once in part.
    let token = |build: &str| {
        let path = format!("{apps}/field-notes/builds/{build}/downloadToken");
        let answer = server.get(ADMIN_KEY, &path);
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["data"]["token"].as_str().unwrap().to_owned()
    };
    let follow = |token: &str| {
        let answer = server.send("GET", &format!("/v1/download/{token}"), None, None);
        assert_eq!(answer.status, 302, "{answer:?}");
        answer.headers["location"].strip_prefix("https://depot.example").unwrap().to_owned()
    };
    let package = server.send("GET", &follow(&token(&build)), None, None);
    assert_eq!((package.status, sha256(&package.body)), (200, sha256(APK)));

    // An app for a phone that is sent to a manifest, and from there to the package.
    let ipa = appdepot::metadata::fixture::ipa::IpaBuilder::new("com.example.notes").build();
    let phone = upload("notes.ipa", &ipa, b"side");
    assert_eq!(finished(&server, &phone)["status"], "processed");
    let manifest = follow(&token(&phone));
    assert!(manifest.ends_with("/manifest.plist"), "{manifest}");
    let manifest = server.send("GET", &manifest, None, None);
    let text = String::from_utf8(manifest.body).unwrap();
    let url = text.split("<string>https://depot.example").nth(1).unwrap().split('<').next().unwrap();
    assert_eq!(server.send("GET", url, None, None).body, ipa);

    // What is broken says why, and what was sent before a stop is read after it.
    let broken = upload("cut.apk", &APK[..APK.len() / 2], b"main");
    let shown = finished(&server, &broken);
    assert_eq!((&shown["status"], &shown["errorCode"]), (&json!("error"), &json!("E_TRUNCATED")));
    let last = upload("notes.apk", APK, b"main");
    assert_eq!(server.stop(), Some(0));
    let server = Server::start(data.path(), &[]);
    assert_eq!(finished(&server, &last)["status"], "processed");
    assert_eq!(server.stop(), Some(0));
}
