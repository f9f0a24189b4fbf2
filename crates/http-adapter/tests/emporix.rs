//! The Emporix dialect over a depot in memory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod support;

use std::time::{Duration, Instant};

use appdepot_core::domain::{Asset, Blob};
use appdepot_core::query::Query;
use appdepot_core::records::RecordStore as _;
use appdepot_http::{Service, emporix};
use axum::body::Body;
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::Value;
use support::World;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt as _;

/// Every golden file of this dialect.
const CASES: &[&str] = &[
    "bad_request",
    "conflict",
    "create_blob",
    "create_blob_file_first",
    "create_link",
    "delete",
    "document",
    "download_link",
    "download_private",
    "download_public",
    "failures",
    "forbidden",
    "list",
    "list_query",
    "mixins",
    "not_found",
    "too_large",
    "token",
    "unauthenticated",
    "update_blob",
    "update_link",
    "vendor",
];

#[tokio::test]
async fn golden() {
    support::golden::run_folder("emporix", CASES, async |_| World::new().await.service()).await;
}

struct Answer {
    status: StatusCode,
    headers: http::HeaderMap,
    body: Bytes,
}

async fn send(service: &Service, request: Request<Body>) -> Answer {
    let (parts, body) = service.clone().oneshot(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer { status: parts.status, headers: parts.headers, body }
}

fn request(method: &str, path: &str, token: &str) -> http::request::Builder {
    Request::builder().method(method).uri(path).header("authorization", format!("Bearer {token}"))
}

fn form(file: &str) -> String {
    format!(
        "--X\r\nContent-Disposition: form-data; name=\"body\"\r\n\r\n{{\"type\":\"BLOB\",\"access\":\"PRIVATE\"}}\r\n--X\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\n{file}\r\n--X--\r\n"
    )
}

fn upload(path: &str, token: &str, body: impl Into<Body>) -> Request<Body> {
    let builder = request("POST", path, token).header("content-type", "multipart/form-data; boundary=X");
    builder.body(body.into()).unwrap()
}

async fn created(service: &Service, token: &str, tenant: &str) -> String {
    let answer = send(service, upload(&format!("/media/{tenant}/assets"), token, form("bytes"))).await;
    assert_eq!(answer.status, 201);
    let json: Value = serde_json::from_slice(&answer.body).unwrap();
    json["id"].as_str().unwrap().to_owned()
}

/// Neither record nor bytes of anything are there.
async fn assert_clean(world: &World) {
    assert!(world.blobs.keys().is_empty(), "{:?}", world.blobs.keys());
    for query in [Query::of::<Asset>(world.acme), Query::of::<Blob>(world.acme)] {
        let kind = query.kind;
        assert!(world.records.list(&query).await.unwrap().items.is_empty(), "a record of kind {kind:?}");
    }
}

#[tokio::test]
async fn who_works_for_a_vendor_has_its_assets_and_nothing_else() {
    let service = World::new().await.service();
    for (token, assets, others) in [("manage", 200, 401), ("ada", 200, 200), ("v1", 200, 401)] {
        for (path, status) in [("mdm/assets", assets), ("apps", others), ("storageProviders", assets)] {
            // Where files lie is told to those who see them all.
            let status = if (token, path) == ("v1", "storageProviders") { 401 } else { status };
            let path = format!("/v1/organizations/acme/{path}");
            let answer = send(&service, request("GET", &path, token).body(Body::empty()).unwrap()).await;
            assert_eq!(answer.status, status, "{token} {path}");
        }
    }
}

#[tokio::test]
async fn an_upload_that_is_too_large_leaves_nothing() {
    let world = World::new().await;
    let service = world.service();
    let exact = "x".repeat(10 * 1024 * 1024);
    let over = format!("{exact}y");
    let first = |file: &str| {
        let body = "--X\r\nContent-Disposition: form-data; name=\"body\"\r\n\r\n{\"type\":\"BLOB\",\"access\":\"PRIVATE\"}\r\n";
        format!(
            "--X\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n{file}\r\n{body}--X--"
        )
    };
    for body in [form(&over), first(&over)] {
        let answer = send(&service, upload("/media/acme/assets", "manage", body)).await;
        assert_eq!(answer.status, 413);
        assert!(String::from_utf8_lossy(&answer.body).contains("The part named [file] exceeds"));
        assert_clean(&world).await;
    }
    for body in [form(&exact), first(&exact)] {
        assert_eq!(send(&service, upload("/media/acme/assets", "manage", body)).await.status, 201);
    }
    assert_eq!(world.blobs.keys().len(), 2);
}

#[tokio::test]
async fn an_announced_length_that_is_too_large_is_refused_unread() {
    let service = World::new().await.service();
    let body =
        Body::from_stream(futures::stream::poll_fn(|_| -> std::task::Poll<Option<std::io::Result<Bytes>>> {
            panic!("the body was read")
        }));
    let mut request = upload("/media/acme/assets", "manage", body);
    request.headers_mut().insert("content-length", "1099511627776".parse().unwrap());
    assert_eq!(send(&service, request).await.status, 413);
}

#[tokio::test]
async fn a_form_that_breaks_off_leaves_nothing() {
    let world = World::new().await;
    let service = world.service();
    let whole = form("0123456789");
    for cut in (0..whole.len() - 4).step_by(7) {
        let answer = send(&service, upload("/media/acme/assets", "manage", whole[..cut].to_owned())).await;
        assert_eq!(answer.status, 400, "cut at {cut}");
        assert_clean(&world).await;
    }
    // A connection that is lost in the middle of the file.
    let head = Bytes::from(whole[..whole.len() - 10].to_owned());
    let lost = [Ok(head), Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset))];
    let body = Body::from_stream(futures::stream::iter(lost));
    assert_eq!(send(&service, upload("/media/acme/assets", "manage", body)).await.status, 400);
    assert_clean(&world).await;
}

#[tokio::test]
async fn a_client_that_disconnects_leaves_nothing() {
    let world = World::new().await;
    let service = world.service();
    let whole = form("0123456789");
    let head = Bytes::from(whole[..whole.len() - 10].to_owned());
    let (lost, gone) = futures::channel::oneshot::channel::<()>();
    let stream = futures::stream::unfold((Some(head), Some(gone)), async |(head, gone)| match head {
        Some(head) => Some((Ok(head), (None, gone))),
        None => {
            let _ = gone?.await;
            Some((Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset)), (None, None)))
        }
    });
    let body = Body::from_stream(stream);
    let mut answer = Box::pin(service.clone().oneshot(upload("/media/acme/assets", "manage", body)));
    // Let the handler run until it waits for the rest, then drop it as a server does.
    for _ in 0..50 {
        assert!(futures::poll!(&mut answer).is_pending());
        tokio::task::yield_now().await;
    }
    drop(answer);
    drop(lost);
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    assert_clean(&world).await;
}

#[tokio::test]
async fn another_tenants_asset_is_as_unknown_as_any() {
    let world = World::new().await;
    let service = world.service();
    let theirs = created(&service, "rita", "rival").await;
    let unknown = "0123456789abcdef01234567";
    for (method, rest) in [("GET", ""), ("GET", "/download"), ("DELETE", ""), ("PUT", "")] {
        let mut answers = Vec::new();
        for id in [theirs.as_str(), unknown] {
            let path = format!("/media/acme/assets/{id}{rest}");
            let builder = request(method, &path, "ada").header("content-type", "application/json");
            let answer = send(&service, builder.body(Body::from("{}")).unwrap()).await;
            answers.push((answer.status, format!("{:?}", answer.headers), answer.body));
        }
        assert_eq!(answers[0], answers[1], "{method} {rest}");
    }
    // And their tenant is as unknown as one that is not there.
    let mut answers = Vec::new();
    for tenant in ["rival", "nobody"] {
        let path = format!("/media/{tenant}/assets/{theirs}");
        let answer = send(&service, request("GET", &path, "ada").body(Body::empty()).unwrap()).await;
        answers.push((answer.status, format!("{:?}", answer.headers), answer.body));
    }
    assert_eq!(answers[0], answers[1]);
    let path = format!("/media/rival/assets/{theirs}");
    let answer = send(&service, request("GET", &path, "rita").body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn paths_stay_where_they_are() {
    let service = World::new().await.service();
    for path in [
        "/media/acme/assets/..",
        "/media/acme/assets/%2e%2e",
        "/media/acme/assets/..%2f..%2fetc%2fpasswd",
        "/media/acme/assets/%2e%2e%2f/download",
        "/media/acme/assets/%00",
        "/media/acme/assets/%ff",
        "/media/acme/public/..%2f",
        "/media/acme/assets/../assets",
        "/media//assets",
        "/media",
        "/media/",
        "/oauth",
        "/oauth/",
    ] {
        let answer = send(&service, request("GET", path, "ada").body(Body::empty()).unwrap()).await;
        assert!(matches!(answer.status.as_u16(), 400 | 404), "{path}: {}", answer.status);
        let json: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(json["code"], answer.status.as_u16(), "{path}");
    }
}

#[tokio::test]
async fn no_body_is_a_defect() {
    let world = World::new().await;
    let service = world.service();
    let deep = format!("{{\"type\":\"LINK\",\"mixins\":{}", "[".repeat(100_000));
    let many: String = (0..50_000).map(|n| format!("\"k{n}\":1,")).collect();
    let many = format!("{{{many}\"type\":\"LINK\"}}");
    let bodies = [
        "",
        "null",
        "[]",
        "{",
        "\"x\"",
        "{\"type\":\"LINK\",\"type\":\"BLOB\"}",
        "{\"type\":\"\\ud800\"}",
        "{\"type\":\"LINK\",\"access\":\"PUBLIC\",\"url\":\"http://a/\\u0000\"}",
        "{\"metadata\":{\"version\":1e999999999}}",
        "{\"metadata\":{\"version\":-1}}",
        "{\"metadata\":{\"version\":1.5}}",
        "{\"refIds\":{}}",
        &deep,
        &many,
    ];
    for body in bodies {
        for (method, path) in [("POST", "/media/acme/assets"), ("POST", "/oauth/token")] {
            let builder = request(method, path, "ada").header("content-type", "application/json");
            let answer = send(&service, builder.body(Body::from(body.to_owned())).unwrap()).await;
            assert!(matches!(answer.status.as_u16(), 400 | 413), "{body:.60}: {}", answer.status);
        }
        let form = form("x").replace("{\"type\":\"BLOB\",\"access\":\"PRIVATE\"}", body);
        let answer = send(&service, upload("/media/acme/assets", "ada", form)).await;
        assert!(matches!(answer.status.as_u16(), 400 | 413), "{body:.60}: {}", answer.status);
    }
    assert_clean(&world).await;
}

#[tokio::test]
async fn nothing_secret_is_said() {
    let service = World::new().await.service();
    for token in ["unavailable", "broken"] {
        let answer =
            send(&service, request("GET", "/media/acme/assets", token).body(Body::empty()).unwrap()).await;
        assert!(answer.status.is_server_error());
        assert!(!String::from_utf8_lossy(&answer.body).contains("secret-source"));
    }
}

#[tokio::test]
async fn head_has_the_headers_of_get() {
    let service = World::new().await.service();
    let id = created(&service, "manage", "acme").await;
    let path = format!("/media/acme/assets/{id}/download");
    let get = send(&service, request("GET", &path, "read").body(Body::empty()).unwrap()).await;
    let head = send(&service, request("HEAD", &path, "read").body(Body::empty()).unwrap()).await;
    assert_eq!((get.status, &get.body[..]), (StatusCode::OK, &b"bytes"[..]));
    assert_eq!((head.status, &head.body[..]), (StatusCode::OK, &b""[..]));
    assert_eq!(get.headers, head.headers);
}

#[tokio::test]
async fn leniences() {
    let world = World::new().await;
    let strict = world.service();
    let id = created(&strict, "manage", "acme").await;
    let path = format!("/media/acme/assets/{id}");
    let put = |body: &str| {
        let builder = request("PUT", &path, "manage").header("content-type", "application/json");
        builder.body(Body::from(body.to_owned())).unwrap()
    };
    let version = async |service: &Service| {
        let answer = send(service, request("GET", &path, "read").body(Body::empty()).unwrap()).await;
        let json: Value = serde_json::from_slice(&answer.body).unwrap();
        (json["metadata"]["version"].as_u64().unwrap(), json["refIds"].to_string(), json["details"].clone())
    };
    let whole =
        r#"{"type":"BLOB","access":"PRIVATE","details":{"filename":"b.txt"},"metadata":{"version":1}}"#;
    let merge = r#"{"type":"BLOB","refIds":[{"type":"MINE","id":"m"}]}"#;
    let rename = r#"{"type":"BLOB","details":{"mimeType":"text/x-other"}}"#;
    assert_eq!(send(&strict, put(whole)).await.status, 400);

    let mut switches = emporix::Switches::default();
    switches.json_put_on_blob = true;
    let lenient = world.service_with(switches);
    assert_eq!(send(&lenient, put(whole)).await.status, 204);
    assert_eq!(send(&lenient, put(merge)).await.status, 400);
    let (now, _, details) = version(&lenient).await;
    assert_eq!((now, &details["filename"], &details["bytes"]), (2, &Value::from("b.txt"), &Value::from(5)));

    switches.merge_put = true;
    let lenient = world.service_with(switches);
    assert_eq!(send(&lenient, put(merge)).await.status, 204);
    assert_eq!(send(&lenient, put(rename)).await.status, 204);
    let (now, references, details) = version(&lenient).await;
    assert_eq!((now, references.as_str()), (4, r#"[{"id":"m","type":"MINE"}]"#));
    assert_eq!(details["mimeType"], "text/x-other");
    assert_eq!(send(&lenient, put(whole)).await.status, 409, "a version that is sent still counts");

    let find = || {
        request("GET", "/media/acme/assets?q=details.filename:~B.TXT", "read").body(Body::empty()).unwrap()
    };
    assert_eq!(&send(&lenient, find()).await.body[..], b"[]");
    switches.regex_ignores_case = true;
    assert_ne!(&send(&world.service_with(switches), find()).await.body[..], b"[]");
}

#[tokio::test]
async fn a_parameter_named_like_a_field_filters_only_when_switched_on() {
    let world = World::new().await;
    let link = |id: &str, product: &str| {
        let body = format!(
            r#"{{"id":"{id}","type":"LINK","access":"PUBLIC","url":"https://a.example","refIds":[{{"type":"PRODUCT","id":"{product}"}}]}}"#
        );
        let builder = request("POST", "/media/acme/assets", "manage");
        builder.header("content-type", "application/json").body(Body::from(body)).unwrap()
    };
    let strict = world.service();
    for (id, product) in [("a", "p1"), ("b", "p\\\\2")] {
        assert_eq!(send(&strict, link(id, product)).await.status, 201);
    }
    let mut switches = emporix::Switches::default();
    switches.field_parameters = true;
    let lenient = world.service_with(switches);
    let found = async |service: &Service, query: &str| {
        let path = format!("/media/acme/assets?sort=id&{query}");
        let answer = send(service, request("GET", &path, "read").body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, 200, "{query}");
        let all: Vec<Value> = serde_json::from_slice(&answer.body).unwrap();
        all.iter().map(|asset| asset["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(found(&strict, "refIds.id=p1").await.len(), 2);
    assert_eq!(found(&lenient, "refIds.id=p1").await, ["a"]);
    assert_eq!(found(&lenient, "refIds.id=p%5C2").await, ["b"]);
    assert_eq!(found(&lenient, "refIds.id=p1&q=id:b").await, [""; 0]);
    assert_eq!(found(&lenient, "colour=red").await.len(), 2);
}

#[tokio::test]
async fn a_download_is_base64_only_when_switched_on() {
    use base64::Engine as _;
    let world = World::new().await;
    let mut switches = emporix::Switches::default();
    switches.base64_download = true;
    let service = world.service_with(switches);
    for length in [1, 2, 3, 100_000] {
        let content = "b".repeat(length);
        let answer = send(&service, upload("/media/acme/assets", "manage", form(&content))).await;
        let created: Value = serde_json::from_slice(&answer.body).unwrap();
        let path = format!("/media/acme/assets/{}/download", created["id"].as_str().unwrap());
        let get = |header: &str, value: &str| {
            request("GET", &path, "read").header(header, value).body(Body::empty()).unwrap()
        };
        let whole = send(&service, get("range", "bytes=0-0")).await;
        assert_eq!(
            (whole.status, &whole.headers["content-type"]),
            (StatusCode::OK, &"text/plain".parse().unwrap())
        );
        assert_eq!(whole.headers["content-length"], whole.body.len().to_string());
        let text = base64::engine::general_purpose::STANDARD.decode(&whole.body).unwrap();
        assert_eq!(text, content.as_bytes());
        let tag = whole.headers["etag"].to_str().unwrap();
        assert!(tag.starts_with("W/"), "{tag}");
        assert_eq!(send(&service, get("if-none-match", tag)).await.status, 304);
    }
}

/// What one dialect takes in, the other shows: there is one catalogue.
#[tokio::test]
async fn applivery_and_emporix_see_the_same_assets() {
    let service = World::new().await.service();
    let list = "/v1/organizations/acme/mdm/assets";
    let get = |path: &str| request("GET", path, "ada").body(Body::empty()).unwrap();
    let body = async |request| {
        let answer = send(&service, request).await;
        assert!(answer.status.is_success(), "{}: {:?}", answer.status, answer.body);
        serde_json::from_slice::<Value>(&answer.body).unwrap()
    };
    let id = created(&service, "manage", "acme").await;
    let seen = body(get(list)).await;
    assert_eq!(seen["data"]["items"][0]["id"], id.as_str(), "{seen}");
    assert_eq!(body(get(&format!("{list}/{id}"))).await["data"]["id"], id.as_str());

    let part = "--X\r\nContent-Disposition: form-data; name=\"file\"; filename=\"run.sh\"\r\n\r\n#!/bin/sh\n\r\n--X--\r\n";
    let theirs = body(upload(list, "ada", part)).await["data"]["id"].as_str().unwrap().to_owned();
    let found = body(get(&format!("/media/acme/assets?q=id:{theirs}"))).await;
    assert_eq!(found[0]["details"]["filename"], "run.sh", "{found}");
    let bytes = send(&service, get(&format!("/media/acme/assets/{theirs}/download"))).await;
    assert_eq!(&bytes.body[..], b"#!/bin/sh\n");
    let removed =
        request("DELETE", &format!("/media/acme/assets/{theirs}"), "ada").body(Body::empty()).unwrap();
    assert_eq!(send(&service, removed).await.status, 204);
    assert_eq!(send(&service, get(&format!("{list}/{theirs}"))).await.status, 404);
}

#[tokio::test]
async fn two_updates_of_one_version_do_not_both_succeed() {
    let world = World::new().await;
    let service = world.service();
    let link = r#"{"id":"x","type":"LINK","access":"PUBLIC","url":"https://a.example"}"#;
    let json = |method, path: &str, body: &str| {
        let builder = request(method, path, "manage").header("content-type", "application/json");
        builder.body(Body::from(body.to_owned())).unwrap()
    };
    assert_eq!(send(&service, json("POST", "/media/acme/assets", link)).await.status, 201);
    let update = r#"{"type":"LINK","access":"PUBLIC","url":"https://a.example","metadata":{"version":1}}"#;
    let all = (0..8).map(|_| send(&service, json("PUT", "/media/acme/assets/x", update)));
    let statuses: Vec<u16> =
        futures::future::join_all(all).await.into_iter().map(|answer| answer.status.as_u16()).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 204).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 409).count(), 7, "{statuses:?}");
}

/// A connection to a served depot. It is served for as long as the test runs.
async fn connect(service: Service) -> TcpStream {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, service.router::<()>()).await });
    TcpStream::connect(address).await.unwrap()
}

/// What a served depot answers to `sent`.
async fn over_tcp(service: Service, sent: &[u8]) -> String {
    let mut client = connect(service).await;
    client.write_all(sent).await.unwrap();
    let (mut answer, mut buffer) = (Vec::new(), [0; 4096]);
    while !String::from_utf8_lossy(&answer).contains('}') {
        match client.read(&mut buffer).await.unwrap() {
            0 => break,
            count => answer.extend_from_slice(&buffer[..count]),
        }
    }
    String::from_utf8(answer).unwrap()
}

/// Waits until the depot has this many records of blobs.
async fn until_blobs(world: &World, count: usize) {
    let late = Instant::now() + Duration::from_secs(20);
    let blobs = Query::of::<Blob>(world.acme);
    while world.records.list(&blobs).await.unwrap().items.len() != count {
        assert!(Instant::now() < late, "never {count} blobs");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn over_a_real_connection() {
    let head = |length: usize| {
        format!(
            "POST /media/acme/assets HTTP/1.1\r\nHost: evil.example\r\nAuthorization: Bearer manage\r\nContent-Type: multipart/form-data; boundary=X\r\nContent-Length: {length}\r\n\r\n"
        )
    };
    let body = form("0123456789");
    let world = World::new().await;
    // Hangs up in the middle of the file.
    let half = head(body.len()) + &body[..body.len() - 12];
    let mut client = connect(world.service()).await;
    client.write_all(half.as_bytes()).await.unwrap();
    until_blobs(&world, 1).await;
    drop(client);
    until_blobs(&world, 0).await;
    assert_clean(&world).await;
    // Announces far too much, and is answered before it sends any of it.
    let answer = over_tcp(world.service(), head(1 << 40).as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert_clean(&world).await;
    let answer = over_tcp(world.service(), (head(body.len()) + &body).as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    // Addresses are made of the configured URL, not of the request's host.
    let list = "GET /media/acme/assets HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: evil.example\r\nAuthorization: Bearer read\r\n\r\n";
    let answer = over_tcp(world.service(), list.as_bytes()).await;
    assert!(answer.contains("https://depot.example/media/acme/") && !answer.contains("evil"), "{answer}");
}
