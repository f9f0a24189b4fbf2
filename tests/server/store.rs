//! Red Hat: an item with its binary, seen by the other dialects, installed by a user of the store, and told of.

use serde_json::{Value, json};

use super::process::*;

#[test]
fn a_store_people_install_from() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), &["--public-url", "https://depot.example"]);
    let ask = |operation: &str, body: Value| {
        let answer = server.post(&format!("/box/srv/1.1/{operation}"), &body);
        assert_eq!((answer.status, &answer.json()["status"]), (200, &json!("ok")), "{operation}: {answer:?}");
        answer.json()
    };
    let item = ask("admin/storeitem/create", json!({ "name": "Field Notes" }))["guid"].clone();
    let guid = item.as_str().unwrap();
    let upload = |kind: &str| {
        let parts: [(&str, Option<&str>, &[u8]); 3] = [
            ("file", Some("notes.apk"), APK),
            ("type", None, kind.as_bytes()),
            ("guid", None, guid.as_bytes()),
        ];
        let (content, body) = form(&parts);
        let path = "/box/srv/1.1/admin/storeitem/uploadbinary";
        server.send("POST", path, Some(ADMIN_KEY), Some((&content, &body))).json()
    };
    assert_eq!(upload("iphone")["message"], "invalid_type");
    let uploaded = upload("android");
    assert_eq!(uploaded["binaries"][0]["storeItemBinaryVersion"], 1, "{uploaded}");
    seen_by_the_others(&server, APK);

    let policy = ask("admin/authpolicy/create", json!({ "policyId": "Staff", "policyType": "feedhenry" }));
    ask("admin/appstore/addpolicy", json!({ "guid": policy["guid"] }));
    ask("admin/appstore/additem", json!({ "guid": item }));
    let (name, password) = ("bob@example.com", "correct horse battery");
    ask("admin/user/create", json!({ "username": name, "password": password }));
    let params = json!({ "userId": name, "password": password });
    let entered = json!({ "policyId": "Staff", "device": "phone-1", "params": params });
    let session = ask("admin/authpolicy/auth", entered)["sessionToken"].as_str().unwrap().to_owned();
    let shelf = "/box/srv/1.1/mas/appstore/getstoreitems";
    let shown = server.get(&session, shelf).json();
    let url = shown["list"][0]["binaries"][0]["url"].as_str().unwrap();
    let path = url.strip_prefix("https://depot.example").unwrap();
    let installed = server.get(&session, &format!("{path}&deviceId=phone-1"));
    assert_eq!((installed.status, installed.body.as_slice()), (200, APK));
    assert_eq!(server.send("GET", path, None, None).status, 401);
    let log = ask("admin/auditlog/listlogs", json!({ "deviceId": "phone-1", "userId": name }));
    assert_eq!(log["list"][0]["storeItemGuid"], item);
    assert_eq!(log["list"][0]["ipAddress"], "127.0.0.1");
    assert_eq!(server.stop(), Some(0));
}

/// What came in as a store item is an app for Applivery and a published mobile app for WSO2, with the same package.
fn seen_by_the_others(server: &Server, package: &[u8]) {
    let found = server.get(ADMIN_KEY, "/v1/organizations/acme/apps/field-notes").json();
    assert_eq!(found["data"]["name"], "Field Notes");
    assert_eq!(found["data"]["oss"], json!(["android"]));

    let (publisher, store) = ("/api/appm/publisher/v1.1", "/api/appm/store/v1.1");
    let listed = server.get(ADMIN_KEY, &format!("{publisher}/apps/mobileapp")).json();
    let [app] = listed["appList"].as_array().unwrap().as_slice() else { panic!("{listed}") };
    assert_eq!(app["name"], "Field Notes", "{app}");
    assert_eq!(app["lifecycleState"], "PUBLISHED", "{app}");
    let id = app["id"].as_str().unwrap();
    let one = server.get(ADMIN_KEY, &format!("{publisher}/apps/mobileapp/id/{id}")).json();
    assert_eq!((&one["version"], &one["platform"]), (&json!("1.4.2"), &json!("android")), "{one}");
    assert_eq!(one["appmeta"]["package"], "org.appdepot.fixture", "{one}");
    let offered = server.get(ADMIN_KEY, &format!("{store}/apps/mobileapp/id/{id}"));
    assert_eq!((offered.status, &offered.json()["name"]), (200, &json!("Field Notes")), "{offered:?}");
    let link = server.post(&format!("{store}/apps/mobile/id/{id}/download"), &json!({})).json();
    let link = link["appUrl"].as_str().unwrap().strip_prefix("https://depot.example").unwrap().to_owned();
    assert_eq!(server.send("GET", &link, None, None).body, package);
}
