//! What comes in through one dialect is there in the others, after a restart too, and for nobody else.

use serde_json::{Value, json};

use super::process::*;

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

fn ids(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect()
}
