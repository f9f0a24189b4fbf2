//! The server example as clients meet it: a process, a socket, a data directory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

#[path = "server/builds.rs"]
mod builds;
#[path = "server/journey.rs"]
mod journey;
#[path = "server/operations.rs"]
mod operations;
#[path = "server/store.rs"]
mod store;

const ADMIN_KEY: &str = "robot.0123456789abcdef0123456789abcdef";
const APK: &[u8] = include_bytes!("../fixtures/field-notes.apk");

#[test]
fn a_day_in_the_life() {
    let data = tempfile::tempdir().unwrap();
    let public = ["--public-url", "https://depot.example"];
    let server = Server::start(data.path(), &public);

    // Emporix: token, upload, list, download, update.
    let token = server.token();
    let text = "a private note\n".repeat(20);
    let created = server.emporix_upload(&token, r#"{"type":"BLOB","access":"PRIVATE"}"#, text.as_bytes());
    assert_eq!(created.status, 201, "{created:?}");
    let note = created.json()["id"].as_str().unwrap().to_owned();
    let query = "/media/acme/assets?q=details.bytes%3A%3E200%20access%3APRIVATE";
    let listed = server.get(&token, query);
    assert_eq!(listed.status, 200, "{listed:?}");
    assert_eq!(ids(&listed.json()), [note.as_str()]);
    let none = server.get(&token, "/media/acme/assets?q=details.bytes%3A%3C200%20access%3APRIVATE");
    assert_eq!(none.json(), json!([]));
    let fetched = server.get(&token, &format!("/media/acme/assets/{note}/download"));
    assert_eq!(fetched.status, 200);
    assert_eq!(sha256(&fetched.body), sha256(text.as_bytes()));
    let put = |version: u64| {
        let body = format!(r#"{{"type":"BLOB","access":"PRIVATE","metadata":{{"version":{version}}}}}"#);
        let (kind, form) = form(&[("body", None, body.as_bytes()), ("file", Some("b.txt"), b"other bytes")]);
        server.send("PUT", &format!("/media/acme/assets/{note}"), Some(&token), Some((&kind, &form)))
    };
    assert_eq!(put(1).status, 204);
    assert_eq!(put(1).status, 409, "a stale version");

    // Applivery: an object that lies in the storage provider, twice in the documented spelling, and an app.
    server.put_edge("team/notes.apk", APK);
    for path in ["assets//edge/asset", "assets/edge/asset"] {
        let answer =
            server.post(&format!("/v1/organizations/acme/mdm/{path}"), &server.edge("team/notes.apk"));
        assert_eq!(answer.status, 200, "{answer:?}");
        let data = &answer.json()["data"];
        assert_eq!(data["type"], "app");
        assert_eq!(data["config"]["apk"]["versionCode"], "42");
        assert_eq!(data["config"]["apk"]["minSDKVersion"], "21");
        assert_eq!(data["storageProvider"]["name"], "default-edge");
    }
    let app = server.post("/v1/organizations/acme/apps", &json!({ "name": "Field Notes" }));
    assert_eq!(app.status, 200, "{app:?}");
    assert_eq!(app.json()["data"]["slug"], "field-notes");
    assert_eq!(app.json()["data"]["security"]["role"], "org.owner");

    let msi = appdepot::metadata::fixture::msi::MsiBuilder::new()
        .property("ProductCode", "{5EFCBB7B-95AC-4C21-B5A6-6F5B7D1F1F1F}")
        .property("ProductName", "Field Notes")
        .property("Manufacturer", "Acme Corp.")
        .build();
    let (kind, body) = form(&[("file", Some("notes.msi"), &msi)]);
    let answer =
        server.send("POST", "/v1/organizations/acme/mdm/assets", Some(ADMIN_KEY), Some((&kind, &body)));
    assert_eq!(answer.status, 200, "{answer:?}");
    let config = &answer.json()["data"]["config"]["msi"];
    assert_eq!(config["productCode"], "{5EFCBB7B-95AC-4C21-B5A6-6F5B7D1F1F1F}");
    assert_eq!(config["manufacturer"], "Acme Corp.");

    // One catalogue: what came in through one dialect is there in the other.
    let assets = server.get(ADMIN_KEY, "/v1/organizations/acme/mdm/assets").json();
    assert_eq!(assets["data"]["totalDocs"], 4);
    assert_eq!(server.get(&token, "/media/acme/assets").json().as_array().unwrap().len(), 4);

    // All of it is there after a restart.
    assert_eq!(server.stop(), Some(0));
    let server = Server::start(data.path(), &public);
    assert_eq!(server.get(ADMIN_KEY, "/v1/organizations/acme/mdm/assets").json(), assets);
    let again = server.get(&token, &format!("/media/acme/assets/{note}/download"));
    assert_eq!((again.status, again.body.as_slice()), (200, b"other bytes".as_slice()));
    let apps = server.get(ADMIN_KEY, "/v1/organizations/acme/apps/field-notes");
    assert_eq!(apps.json()["data"]["id"], app.json()["data"]["id"]);
    let (code, rest) = server.stop_with_output();
    assert_eq!((code, rest.as_str()), (Some(0), ""), "the news is told once");
}

#[test]
fn what_is_refused_leaves_nothing_behind() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), &[]);
    let token = server.token();
    let before = (files(data.path()), server.counts(&token));
    let assets = "/v1/organizations/acme/mdm/assets";
    let edge = format!("{assets}//edge/asset");
    let upload = |name: &str, bytes: &[u8]| {
        let (kind, form) = form(&[("name", None, b"x"), ("file", Some(name), bytes)]);
        server.send("POST", assets, Some(ADMIN_KEY), Some((&kind, &form)))
    };
    let code = |answer: &Answer| answer.json()["error"]["code"].as_u64().unwrap();
    let check = |what: &str, answer: Answer, status: u16, expected: u64| {
        assert_eq!((answer.status, code(&answer)), (status, expected), "{what}: {answer:?}");
    };

    check("a truncated APK", upload("a.apk", &APK[..APK.len() / 2]), 400, 5007);
    check("a ZIP that is no app", upload("a.apk", EMPTY_ZIP), 400, 5007);
    check("a wrong extension", upload("a.zip", EMPTY_ZIP), 400, 5007);
    check("an empty file", upload("a.apk", b""), 400, 5900);
    let (kind, no_file) = form(&[("name", None, b"x")]);
    check("no file", server.send("POST", assets, Some(ADMIN_KEY), Some((&kind, &no_file))), 400, 5006);
    let (kind, late) = form(&[("file", Some("a.apk"), APK), ("segmentId", None, b"minus one")]);
    let answer = server.send("POST", assets, Some(ADMIN_KEY), Some((&kind, &late)));
    check("a field after the file that is wrong", answer, 400, 5900);
    let (kind, twice) = form(&[("file", Some("a.apk"), APK), ("file", Some("b.apk"), APK)]);
    let answer = server.send("POST", assets, Some(ADMIN_KEY), Some((&kind, &twice)));
    check("two files", answer, 400, 5900);
    let mut cut = form(&[("file", Some("a.apk"), APK)]);
    cut.1.truncate(cut.1.len() - 10);
    let answer = server.send("POST", assets, Some(ADMIN_KEY), Some((&cut.0, &cut.1)));
    check("a form that breaks off", answer, 400, 5900);

    server.put_edge("notes.apk", APK);
    server.put_edge("broken.apk", &APK[..1_000]);
    let before = (before.0 + 2, before.1);
    for (what, member, value, status, expected) in [
        ("a key that climbs", "key", json!("../../records.sqlite"), 400, 5900),
        ("a key of nothing", "key", json!("nothing.apk"), 404, 3001),
        ("another size", "size", json!(7), 400, 5900),
        ("another checksum", "checksum", json!("0".repeat(64)), 400, 5900),
        ("another bucket", "bucket", json!("other"), 400, 5900),
        ("no such provider", "storageProviderId", json!("ffffffffffffffffffffffff"), 400, 5060),
        ("a wrong extension", "originalName", json!("notes.zip"), 400, 5007),
        ("a name of 129 characters", "originalName", json!(format!("{}.apk", "x".repeat(125))), 400, 5900),
    ] {
        let mut body = server.edge("notes.apk");
        body["file"][member] = value;
        check(what, server.post(&edge, &body), status, expected);
    }
    check("a broken package", server.post(&edge, &server.edge("broken.apk")), 400, 5007);
    let mut body = server.edge("notes.apk");
    body["config"] = json!({ "apk": { "versionCode": "43", "versionName": "1.4.2", "packageName": "x.y" } });
    check("a config that the package contradicts", server.post(&edge, &body), 400, 5900);
    check("no file member", server.post(&edge, &json!({})), 400, 5006);
    let json_type = "application/json";
    let malformed = server.send("POST", &edge, Some(ADMIN_KEY), Some((json_type, b"{\"file\": {")));
    check("malformed JSON", malformed, 400, 5900);
    let apps = "/v1/organizations/acme/apps";
    check("no name", server.post(apps, &json!({})), 400, 5900);
    let unknown = json!({ "name": "x", "configuration": { "storageProvider": "f".repeat(24) } });
    check("an unknown storage provider", server.post(apps, &unknown), 400, 5060);

    let id = "0123456789abcdef01234567";
    for path in [
        format!("{assets}/{id}"),
        format!("{assets}/../../../etc/passwd"),
        format!("{assets}/%2e%2e%2f{id}"),
        "/v1/organizations/other/mdm/assets".to_owned(),
        format!("/v1/organizations/{id}/apps"),
        "/v1/nothing".to_owned(),
    ] {
        check(&path, server.get(ADMIN_KEY, &path), 404, 3001);
    }
    check("no token", server.send("GET", assets, None, None), 401, 4002);
    for wrong in ["nonsense", "robot.wrong", "robot.0123456789abcdef0123456789abcdee"] {
        check("a wrong token", server.get(wrong, assets), 401, 4004);
    }
    check("a method", server.send("PATCH", apps, Some(ADMIN_KEY), None), 405, 5905);

    let large = vec![b'x'; 10 * 1024 * 1024 + 1];
    let answer = server.emporix_upload(&token, r#"{"type":"BLOB","access":"PRIVATE"}"#, &large);
    assert_eq!(answer.status, 413, "{answer:?}");
    assert_eq!(server.get(&token, "/media/other/assets").status, 404);
    assert_eq!(server.get(&token, &format!("/media/acme/assets/{id}")).status, 404);
    assert_eq!(server.get("nonsense", "/media/acme/assets").status, 401);

    assert_eq!((files(data.path()), server.counts(&token)), before);
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn another_organization_does_not_exist() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), &[]);
    let asset = {
        server.put_edge("notes.apk", APK);
        let made = server.post("/v1/organizations/acme/mdm/assets//edge/asset", &server.edge("notes.apk"));
        made.json()["data"]["id"].as_str().unwrap().to_owned()
    };
    server.stop();

    let key = "other.fedcba9876543210fedcba9876543210";
    let server = Server::start(data.path(), &["--organization", "other", "--admin-key", key]);
    let mine = server.get(key, "/v1/organizations/other/mdm/assets");
    assert_eq!(mine.json()["data"]["totalDocs"], 0);
    let foreign = server.get(key, &format!("/v1/organizations/acme/mdm/assets/{asset}"));
    let missing = server.get(key, "/v1/organizations/nobody/mdm/assets/0123456789abcdef01234567");
    let within = server.get(key, &format!("/v1/organizations/other/mdm/assets/{asset}"));
    for answer in [&foreign, &missing, &within] {
        assert_eq!(answer.status, 404);
        assert_eq!(answer.body, foreign.body);
    }
    let removed =
        server.send("DELETE", &format!("/v1/organizations/acme/mdm/assets/{asset}"), Some(key), None);
    assert_eq!(removed.status, 404);
    assert_eq!(server.get(ADMIN_KEY, &format!("/v1/organizations/acme/mdm/assets/{asset}")).status, 200);
    server.stop();
}

#[test]
fn a_running_upload_is_finished_before_the_server_stops() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), &[]);
    let (kind, form) = form(&[("file", Some("notes.apk"), APK)]);
    let mut stream = TcpStream::connect(&server.address).unwrap();
    let head = format!(
        "POST /v1/organizations/acme/mdm/assets HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {ADMIN_KEY}\r\n\
         content-type: {kind}\r\ncontent-length: {}\r\nexpect: 100-continue\r\n\r\n",
        form.len()
    );
    let (first, second) = form.split_at(form.len() / 2);
    stream.write_all(head.as_bytes()).unwrap();
    // It runs once the server asks for the body.
    let mut asked = [0; 25];
    stream.read_exact(&mut asked).unwrap();
    assert_eq!(asked, *b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(first).unwrap();
    let address = server.address.clone();
    let stopping = std::thread::spawn(move || server.stop());
    while TcpStream::connect(&address).is_ok() {
        std::thread::sleep(Duration::from_millis(20));
    }
    stream.write_all(second).unwrap();
    assert_eq!(Answer::read(&mut stream).status, 200);
    assert_eq!(stopping.join().unwrap(), Some(0));
}

/// The body is several times what memory may grow by.
#[test]
#[cfg(target_os = "linux")]
fn a_large_upload_takes_little_memory() {
    const LENGTH: usize = 256 << 20;
    const GROWTH: u64 = 64 << 20;
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), &[]);
    assert_eq!(server.get(ADMIN_KEY, "/v1/organizations/acme/mdm/assets").status, 200, "warm");
    let figure = |name: &str| -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", server.process.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    };
    let before = figure("VmRSS:");
    let (kind, mut body) = form(&[("file", Some("large.txt"), b"")]);
    let at = body.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap() + 4;
    let tail = body.split_off(at);
    body.resize(at + LENGTH, b'x');
    body.extend(tail);
    let answer =
        server.send("POST", "/v1/organizations/acme/mdm/assets", Some(ADMIN_KEY), Some((&kind, &body)));
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["data"]["size"], LENGTH);
    let growth = figure("VmHWM:").saturating_sub(before);
    assert!(growth < GROWTH, "memory grew by {growth} bytes");
}

#[test]
fn every_request_names_one_host() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), &[]);
    for (head, status) in [
        ("GET /health/live HTTP/1.1\r\nhost: a", 200),
        ("GET /health/live HTTP/1.0", 200),
        ("GET /health/live HTTP/1.1", 400),
        ("GET /health/live HTTP/1.1\r\nhost: a\r\nhost: b", 400),
    ] {
        let mut stream = TcpStream::connect(&server.address).unwrap();
        stream.write_all(format!("{head}\r\nconnection: close\r\n\r\n").as_bytes()).unwrap();
        assert_eq!(Answer::read(&mut stream).status, status, "{head}");
    }
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn the_first_start_tells_its_secrets_once() {
    let data = tempfile::tempdir().unwrap();
    let mut server = Server::with(Command::new(server_path()).arg("--data").arg(data.path()), data.path());
    let mut lines = String::new();
    while !lines.contains("storage provider") {
        assert_ne!(server.output.read_line(&mut lines).unwrap(), 0, "{lines}");
    }
    let key = lines.lines().find_map(|line| line.strip_prefix("admin key ")).unwrap().to_owned();
    assert_eq!(server.get(&key, "/v1/organizations/acme/apps").status, 200);
    assert_eq!(server.stop(), Some(0));

    let server = Server::with(Command::new(server_path()).arg("--data").arg(data.path()), data.path());
    assert_eq!(server.get(&key, "/v1/organizations/acme/apps").status, 200);
    let (code, rest) = server.stop_with_output();
    assert_eq!(code, Some(0));
    assert_eq!(rest, "");
}

#[test]
fn the_administrator_has_an_account_from_the_first_start_on() {
    let data = tempfile::tempdir().unwrap();
    let flags = ["--admin-email", "admin@acme.example"];
    let mut server = Server::start(data.path(), &flags);
    let mut lines = String::new();
    while !lines.contains("admin password") {
        assert_ne!(server.output.read_line(&mut lines).unwrap(), 0, "{lines}");
    }
    assert!(lines.contains("admin user admin@acme.example\n"), "{lines}");
    let generated = lines.lines().find_map(|line| line.strip_prefix("admin password ")).unwrap().to_owned();
    assert_eq!(server.stop(), Some(0));

    let session = sign_in(data.path(), &generated).unwrap();
    let chosen = ["--admin-email", "admin@acme.example", "--admin-password", "another password"];
    let server = Server::start(data.path(), &chosen);
    let app = server.send("GET", "/v1/organizations/acme/apps", Some(&session), None);
    assert_eq!(app.status, 200, "{app:?}");
    let (code, rest) = server.stop_with_output();
    assert_eq!((code, rest.as_str()), (Some(0), ""), "the news is told once");
    assert!(sign_in(data.path(), &generated).is_some(), "who signed in has a password of their own");
    assert!(sign_in(data.path(), "another password").is_none());

    let data = tempfile::tempdir().unwrap();
    let short = ["--admin-email", "admin@acme.example", "--admin-password", "short"];
    let refused = Command::new(server_path()).arg("--data").arg(data.path()).args(short).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    let server = Server::start(data.path(), &chosen);
    assert_eq!(server.stop(), Some(0));
    assert!(sign_in(data.path(), "another password").is_some());
}

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
    while server.get(&key, &build).json()["data"]["status"] != "processed" {
        std::thread::sleep(Duration::from_millis(50));
    }
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

/// A session of the administrator, by a program that opens the data directory of a server that has stopped.
fn sign_in(data: &Path, password: &str) -> Option<String> {
    use appdepot::authz::Argon2Passwords;
    use appdepot::storage::{Durability, SqliteRecords};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let records = SqliteRecords::open(data.join("records.sqlite"), Durability::Os).await.unwrap();
        let depot = appdepot::Depot::builder()
            .records(std::sync::Arc::new(records))
            .passwords(std::sync::Arc::new(Argon2Passwords::new()))
            .build();
        let acme = depot.organization(&appdepot::authorize::Actor::system("test"), "acme").await.unwrap().id;
        let signed_in = depot.sign_in(acme, "admin@acme.example", password, Default::default(), None).await;
        signed_in.ok().map(|issued| issued.token)
    })
}

#[test]
fn wrong_flags_are_one_line_and_exit_2() {
    for flags in [
        &["--durability", "perhaps"][..],
        &["--database", "mysql://x"],
        &["--blobs", "ftp://x"],
        &["--admin-key", "nodot"],
        &["--admin-password", "without an email"],
        &["--public-url", "example.com"],
        &["--nonsense"],
        &["--listen"],
        &["stray"],
    ] {
        let output = Command::new(server_path()).args(flags).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), error.lines().count()), (Some(2), 1), "{flags:?}: {error}");
        assert_eq!(output.stdout, b"");
    }
    let data = tempfile::tempdir().unwrap();
    let file = data.path().join("file");
    std::fs::write(&file, "").unwrap();
    let output =
        Command::new(server_path()).args(["--listen", "127.0.0.1:0", "--data"]).arg(file).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let help = Command::new(server_path()).arg("--help").output().unwrap();
    assert_eq!(help.status.code(), Some(0));
    assert!(String::from_utf8(help.stdout).unwrap().contains("--durability full|os"));
}

/// A ZIP archive of nothing.
const EMPTY_ZIP: &[u8] = b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

struct Server {
    process: Child,
    output: BufReader<ChildStdout>,
    address: String,
    data: PathBuf,
}

impl Server {
    fn start(data: &Path, flags: &[&str]) -> Self {
        let mut command = Command::new(server_path());
        command.arg("--data").arg(data);
        if !flags.contains(&"--admin-key") {
            command.args(["--admin-key", ADMIN_KEY]);
        }
        Self::with(command.args(flags), data)
    }

    fn with(command: &mut Command, data: &Path) -> Self {
        let command = command.args(["--listen", "127.0.0.1:0"]).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut first = String::new();
        output.read_line(&mut first).unwrap();
        let address = first.trim_end().strip_prefix("listening on http://").expect("the first line");
        Self { process, output, address: address.to_owned(), data: data.to_owned() }
    }

    fn stop(self) -> Option<i32> {
        self.stop_with_output().0
    }

    fn stop_with_output(mut self) -> (Option<i32>, String) {
        Command::new("kill").args(["-TERM", &self.process.id().to_string()]).status().unwrap();
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).unwrap();
        let late = Instant::now() + Duration::from_secs(20);
        loop {
            match self.process.try_wait().unwrap() {
                Some(status) => return (status.code(), rest),
                None if Instant::now() > late => panic!("the server does not stop"),
                None => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    fn get(&self, token: &str, path: &str) -> Answer {
        self.send("GET", path, Some(token), None)
    }

    fn post(&self, path: &str, body: &Value) -> Answer {
        let body = body.to_string();
        self.send("POST", path, Some(ADMIN_KEY), Some(("application/json", body.as_bytes())))
    }

    fn send(&self, method: &str, path: &str, token: Option<&str>, body: Option<(&str, &[u8])>) -> Answer {
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n", self.address);
        if let Some(token) = token {
            head += &format!("authorization: Bearer {token}\r\n");
        }
        if let Some((kind, bytes)) = body {
            head += &format!("content-type: {kind}\r\ncontent-length: {}\r\n", bytes.len());
        }
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream.write_all(format!("{head}\r\n").as_bytes()).unwrap();
        // A server that refuses early may close before it has read everything.
        let mut writer = stream.try_clone().unwrap();
        let bytes = body.map(|(_, bytes)| bytes.to_vec()).unwrap_or_default();
        let writing = std::thread::spawn(move || writer.write_all(&bytes));
        let answer = Answer::read(&mut stream);
        let _ = writing.join().unwrap();
        answer
    }

    fn token(&self) -> String {
        let (id, secret) = ADMIN_KEY.split_once('.').unwrap();
        let form = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
        let kind = "application/x-www-form-urlencoded";
        let answer = self.send("POST", "/oauth/token", None, Some((kind, form.as_bytes())));
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["access_token"].as_str().unwrap().to_owned()
    }

    fn emporix_upload(&self, token: &str, body: &str, bytes: &[u8]) -> Answer {
        let (kind, form) = form(&[("body", None, body.as_bytes()), ("file", Some("note.txt"), bytes)]);
        self.send("POST", "/media/acme/assets", Some(token), Some((&kind, &form)))
    }

    /// Puts a file where the first start's storage provider looks.
    fn put_edge(&self, key: &str, bytes: &[u8]) {
        let path = self.data.join("edge/acme").join(key);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    /// The body that registers such a file.
    fn edge(&self, key: &str) -> Value {
        let bytes = std::fs::read(self.data.join("edge/acme").join(key)).unwrap();
        let organization = self.get(ADMIN_KEY, "/v1/organizations/acme/apps");
        assert_eq!(organization.status, 200);
        json!({
            "file": {
                "mimetype": "application/vnd.android.package-archive", "bucket": "acme", "key": key,
                "location": "local", "originalName": "notes.apk", "size": bytes.len(),
                "storageProviderId": self.edge_provider(), "checksum": sha256(&bytes),
            },
        })
    }

    /// The documents have no operation that lists storage providers; its id is made of the organization's.
    fn edge_provider(&self) -> String {
        let made = self.post("/v1/organizations/acme/apps", &json!({ "name": "Probe" })).json();
        let organization = made["data"]["organization"].as_str().unwrap().to_owned();
        let id = made["data"]["id"].as_str().unwrap();
        self.send("DELETE", &format!("/v1/organizations/acme/apps/{id}"), Some(ADMIN_KEY), None);
        sha256(format!("default-edge/{organization}").as_bytes())[..24].to_owned()
    }

    /// How many assets either dialect tells of, and how many apps.
    fn counts(&self, token: &str) -> (u64, usize, u64) {
        let total = |path: &str| self.get(ADMIN_KEY, path).json()["data"]["totalDocs"].as_u64().unwrap();
        let media = self.get(token, "/media/acme/assets").json().as_array().unwrap().len();
        (total("/v1/organizations/acme/mdm/assets"), media, total("/v1/organizations/acme/apps"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Of a test that failed; one that stopped is gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[derive(Debug)]
struct Answer {
    status: u16,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Answer {
    fn read(stream: &mut TcpStream) -> Self {
        let mut raw = Vec::new();
        let mut buffer = [0; 64 * 1024];
        loop {
            match stream.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => raw.extend_from_slice(&buffer[..count]),
                // A refused body that was not read ends in a reset; the answer came before.
                Err(_) if !raw.is_empty() => break,
                Err(error) => panic!("no answer: {error}"),
            }
        }
        let end = raw.windows(4).position(|four| four == b"\r\n\r\n").expect("a complete head");
        let head = String::from_utf8(raw[..end].to_vec()).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: BTreeMap<String, String> = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let mut body = raw[end + 4..].to_vec();
        if headers.get("transfer-encoding").is_some_and(|coding| coding == "chunked") {
            body = unchunked(&body);
        }
        Self { status, headers, body }
    }

    fn json(&self) -> Value {
        assert_eq!(
            self.headers.get("content-type").map(String::as_str),
            Some("application/json"),
            "{self:?}"
        );
        serde_json::from_slice(&self.body).unwrap()
    }
}

fn unchunked(mut rest: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    loop {
        let line = rest.windows(2).position(|two| two == b"\r\n").unwrap();
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..line]).unwrap(), 16).unwrap();
        if length == 0 {
            return all;
        }
        all.extend_from_slice(&rest[line + 2..line + 2 + length]);
        rest = &rest[line + 2 + length + 2..];
    }
}

/// A multipart form of parts with name, file name and content, and its content type.
fn form(parts: &[(&str, Option<&str>, &[u8])]) -> (String, Vec<u8>) {
    let mut body = Vec::new();
    for (name, file_name, content) in parts {
        let file_name = file_name.map(|name| format!("; filename=\"{name}\"")).unwrap_or_default();
        write!(body, "--XYZ\r\ncontent-disposition: form-data; name=\"{name}\"{file_name}\r\n\r\n").unwrap();
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--XYZ--\r\n");
    ("multipart/form-data; boundary=XYZ".to_owned(), body)
}

fn ids(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect()
}

/// How many files lie below a directory, the database's own apart.
fn files(directory: &Path) -> usize {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let own = |path: &Path| path.file_name().unwrap().to_str().unwrap().starts_with("records.sqlite");
    entries.map(|path| if path.is_dir() { files(&path) } else { usize::from(!own(&path)) }).sum()
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Cargo builds the examples before it runs all tests, but not before it runs this one alone.
fn server_path() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.parent().unwrap().parent().unwrap().join("examples/server");
    let modified = |path: &Path| std::fs::metadata(path).and_then(|data| data.modified()).ok();
    let sources = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/server")).unwrap();
    let newest = sources.map(|source| modified(&source.unwrap().path())).max().unwrap();
    assert!(modified(&path) >= newest, "out of date; first: cargo build --example server");
    path
}
