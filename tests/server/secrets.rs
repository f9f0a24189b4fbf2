//! Secrets, and where they must not be seen.

use std::io::BufRead as _;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::process::*;

/// Everything that a run says and keeps, searched for every secret that was issued in it.
#[test]
fn secrets_are_seen_only_where_they_are_issued() {
    let data = tempfile::tempdir().unwrap();
    let logs = tempfile::tempdir().unwrap();
    let start = |log: &str| {
        let log = std::fs::File::create(logs.path().join(log)).unwrap();
        let mut command = Command::new(server_path());
        command.args(["--log", "trace", "--admin-email", "admin@acme.example", "--data"]).arg(data.path());
        Server::with(command.stderr(log), data.path())
    };
    let mut server = start("first");
    let mut lines = String::new();
    while !lines.contains("admin password") {
        assert_ne!(server.output.read_line(&mut lines).unwrap(), 0, "{lines}");
    }
    let told = |what: &str| lines.lines().find_map(|line| line.strip_prefix(what)).unwrap().to_owned();
    let (key, password) = (told("admin key "), told("admin password "));
    let (id, secret) = key.split_once('.').unwrap();
    let grant = |secret: &str, more: &str| {
        let form = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}{more}");
        let kind = "application/x-www-form-urlencoded";
        server.send("POST", "/oauth/token", None, Some((kind, form.as_bytes())))
    };
    let token = grant(secret, "").json()["access_token"].as_str().unwrap().to_owned();

    let mut answers = Vec::new();
    let assets = "/v1/organizations/acme/mdm/assets";
    for bearer in [key.as_str(), &token, &format!("{key}x"), &format!("{token}x"), &key.to_uppercase()] {
        for path in
            [assets, "/v1/organizations/other/apps", "/media/acme/assets", "/media/other/assets", "/v1/x"]
        {
            answers.push(server.get(bearer, path));
        }
        let form = form(&[("body", None, b"{"), ("file", Some("a"), b"b")]);
        answers.push(server.send("POST", assets, Some(bearer), Some(("application/json", b"{"))));
        answers.push(server.send("POST", "/media/acme/assets", Some(bearer), Some((&form.0, &form.1))));
    }
    answers.push(grant(&secret.to_uppercase(), ""));
    answers.push(grant(secret, "&scope=everything"));
    answers.push(grant(secret, "&grant_type=password"));
    answers.push(server.emporix_upload(&token, r#"{"type":"BLOB","access":"PRIVATE"}"#, b"a note"));
    let missing = format!("{assets}/0123456789abcdef01234567");
    answers.push(server.send("DELETE", &missing, Some(&key), None));

    // What leads to a package, and a token of an app. The answers that issue or show one are not searched.
    let post = |path: &str, body: Value| {
        let body = body.to_string();
        server.send("POST", path, Some(&key), Some(("application/json", body.as_bytes())))
    };
    let app = "/v1/organizations/acme/apps/notes";
    assert_eq!(post("/v1/organizations/acme/apps", json!({ "name": "Notes" })).status, 200);
    let (kind, body) = form(&[("build", Some("notes.apk"), APK)]);
    let build = server.send("POST", &format!("{app}/builds"), Some(&key), Some((&kind, &body))).json();
    let build = format!("{app}/builds/{}", build["data"]["id"].as_str().unwrap());
    assert_eq!(server.finished(&key, &build)["status"], "processed");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let ticket = text(&server.get(&key, &format!("{build}/downloadToken")).json()["data"]["token"]);
    let app_token = post(&format!("{app}/tokens"), json!({ "description": "CI" })).json();
    let app_token = text(&app_token["data"]["bearer"]);
    let (publisher, store) = ("/api/appm/publisher/v1.1", "/api/appm/store/v1.1");
    let (kind, body) = form(&[("file", Some("icon.png"), b"a picture")]);
    let path = format!("{publisher}/apps/static-contents?appType=mobileapp");
    let picture = server.send("POST", &path, Some(&key), Some((&kind, &body))).json()["id"].clone();
    let (kind, body) = form(&[("file", Some("notes.apk"), APK)]);
    let path = format!("{publisher}/apps/mobile/binaries");
    let binary = server.send("POST", &path, Some(&key), Some((&kind, &body))).json();
    let mobile = json!({
        "name": "Mobile notes", "version": "1.0.0", "displayName": "Notes", "description": "notes",
        "category": "Business", "platform": "android", "marketType": "enterprise", "banner": picture,
        "thumbnailUrl": picture, "screenshots": [picture], "appmeta": binary,
    });
    let mobile = text(&post(&format!("{publisher}/apps/mobileapp"), mobile).json()["id"]);
    for action in ["Submit%20for%20Review", "Approve", "Publish"] {
        let path = format!("{publisher}/apps/mobileapp/change-lifecycle?appId={mobile}&action={action}");
        assert_eq!(post(&path, json!({})).status, 202, "{action}");
    }
    let path = format!("{store}/apps/mobile/id/{mobile}/download");
    let link = text(&post(&path, json!({})).json()["appUrl"]);
    let once = link.rsplit('/').next().unwrap().to_owned();
    for (path, status) in [
        (format!("/v1/download/{ticket}"), 302),
        (format!("/v1/download/{ticket}/package.apk"), 200),
        (format!("/v1/download/{ticket}x"), 401),
        (format!("/install/{ticket}"), 200),
        (format!("/install/{ticket}/package"), 200),
        (format!("/install/{ticket}x"), 410),
        (format!("{store}/apps/mobile/binaries/one-time/{once}"), 200),
        (format!("{store}/apps/mobile/binaries/one-time/{once}"), 403),
    ] {
        assert_eq!(server.send("GET", &path, None, None).status, status, "{path}");
    }
    answers.push(server.get(&app_token, "/v1/integrations/builds"));
    answers.push(server.get(&app_token, assets));
    assert_eq!(server.stop(), Some(0));
    let session = sign_in(data.path(), &password).unwrap();
    let server = start("second");
    for path in [assets, "/v1/organizations/other/apps", "/media/acme/assets"] {
        answers.push(server.get(&session, path));
    }
    assert_eq!(server.stop_with_output(), (Some(0), String::new()));
    assert!(answers.iter().filter(|answer| answer.status == 200).count() >= 5);
    assert!(answers.iter().filter(|answer| answer.status == 401).count() >= 15);

    let after_dot = |text: &str| text.split_once('.').unwrap().1.to_owned();
    let (session, app_token) = (after_dot(&session), after_dot(&app_token));
    let secrets = [secret, &password, &token, &session, &app_token, &ticket, &once];
    let mut searched: Vec<(String, Vec<u8>)> =
        answers.iter().map(|answer| (format!("{answer:?}"), answer.body.clone())).collect();
    for folder in [data.path(), logs.path()] {
        collect(folder, &mut searched);
    }
    let logged = searched
        .iter()
        .filter(|(name, content)| name.starts_with(logs.path().to_str().unwrap()) && content.len() > 100);
    assert_eq!(logged.count(), 2, "both runs were logged");
    for (what, content) in &searched {
        for issued in secrets {
            let found =
                content.windows(issued.len()).any(|part| part.eq_ignore_ascii_case(issued.as_bytes()));
            assert!(!found && !what.contains(issued), "a secret in {what:.200}");
        }
    }
}

#[test]
fn the_key_that_seals_what_opens_storage_can_be_changed() {
    let data = tempfile::tempdir().unwrap();
    let (current, older) = (data.path().join("providers.key"), data.path().join("providers.key.old"));
    let providers = "/v1/organizations/acme/storageProviders";
    let server = Server::start(data.path(), &[]);
    let config =
        json!({ "bucket": "drop", "accessKeyId": "AKIAEXAMPLE", "secretAccessKey": "wJalrXUtnFEMI" });
    let made = server.post(providers, &json!({ "name": "Drop", "provider": "directory", "config": config }));
    assert_eq!(made.status, 200, "{made:?}");
    let test = format!("{providers}/{}/test", made.json()["data"]["id"].as_str().unwrap());
    assert_eq!(server.post(&test, &json!({})).status, 200);
    assert_eq!(server.stop(), Some(0));

    // As the help of the server says: the old key is put aside, a new one takes over, and the old one goes.
    let first = std::fs::read(&current).unwrap();
    std::fs::rename(&current, &older).unwrap();
    let server = Server::start(data.path(), &[]);
    assert_ne!(std::fs::read(&current).unwrap(), first);
    assert_eq!(server.post(&test, &json!({})).status, 200);
    assert_eq!(server.stop(), Some(0));
    std::fs::remove_file(&older).unwrap();
    let server = Server::start(data.path(), &[]);
    assert_eq!(server.post(&test, &json!({})).status, 200);
    assert_eq!(server.stop(), Some(0));

    // The first key opens nothing any more.
    std::fs::write(&current, first).unwrap();
    let server = Server::start(data.path(), &[]);
    assert_eq!(server.post(&test, &json!({})).status, 500);
    assert_eq!(server.stop(), Some(0));
}

/// The files below a folder, with what is in them.
fn collect(folder: &Path, files: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.push((path.display().to_string(), std::fs::read(&path).unwrap()));
        }
    }
}
