//! What is refused, in whose words, and that it leaves nothing behind.

use std::path::Path;

use serde_json::json;

use super::process::*;

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

/// A ZIP archive of nothing.
const EMPTY_ZIP: &[u8] = b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

/// How many files lie below a directory, the database's own apart.
fn files(directory: &Path) -> usize {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let own = |path: &Path| path.file_name().unwrap().to_str().unwrap().starts_with("records.sqlite");
    entries.map(|path| if path.is_dir() { files(&path) } else { usize::from(!own(&path)) }).sum()
}
