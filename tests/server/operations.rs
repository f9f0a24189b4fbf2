//! What operators rely on: bounds per client, counters, HTTP/2, and connections that stop.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;

use super::process::*;

/// Sends a request of headers only, and reads the answer.
fn ask(server: &Server, head: &str) -> Answer {
    let mut stream = TcpStream::connect(&server.address).unwrap();
    stream.write_all(format!("{head}\r\nhost: a\r\nconnection: close\r\n\r\n").as_bytes()).unwrap();
    Answer::read(&mut stream)
}

#[test]
fn a_client_that_asks_too_often_is_told_so_in_its_dialect() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), &["--requests-per-minute", "2"]);
    for _ in 0..2 {
        assert_eq!(ask(&server, "GET /v1/organizations/acme/apps HTTP/1.1").status, 401);
    }
    for (path, expected) in [
        ("/v1/organizations/acme/apps", "\"code\":5929"),
        ("/media/acme/assets", "\"status\":\"Too Many Requests\""),
        ("/api/appm/publisher/v1.1/apps/mobile", "\"code\":429"),
        ("/box/srv/1.1/mas/appstore/read", "\"status\":\"error\""),
        ("/store/acme", "<html"),
    ] {
        let answer = ask(&server, &format!("GET {path} HTTP/1.1"));
        assert_eq!(answer.status, 429, "{path}: {answer:?}");
        let wait: u64 = answer.headers.get("retry-after").expect(path).parse().unwrap();
        assert!((1..=60).contains(&wait), "{path}: {wait}");
        let body = String::from_utf8_lossy(&answer.body);
        assert!(body.contains(expected), "{path}: {body}");
    }
    for path in ["/health/live", "/health/ready", "/metrics"] {
        assert_eq!(ask(&server, &format!("GET {path} HTTP/1.1")).status, 200, "{path}");
    }
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn requests_are_counted_without_names() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), &[]);
    let token = server.token();
    assert_eq!(server.emporix_upload(&token, r#"{"type":"BLOB","access":"PRIVATE"}"#, b"bytes").status, 201);
    assert_eq!(server.get("nonsense", "/v1/organizations/acme/apps").status, 401);
    assert_eq!(ask(&server, "BREW /v1/organizations/acme/apps HTTP/1.1").status, 405);
    let answer = ask(&server, "GET /metrics HTTP/1.1");
    assert_eq!(answer.status, 200);
    assert!(answer.headers["content-type"].starts_with("application/openmetrics-text; version=1.0.0"));
    let text = String::from_utf8(answer.body).unwrap();
    let value = |series: &str| -> f64 {
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {series} in\n{text}")).parse().unwrap()
    };
    let requests = |dialect: &str, method: &str, status: &str| {
        let labels = format!("dialect=\"{dialect}\",method=\"{method}\",status=\"{status}\"");
        value(&format!("appdepot_http_requests_total{{{labels}}}"))
    };
    assert_eq!(requests("emporix", "POST", "2xx"), 2.0);
    assert_eq!(requests("applivery", "GET", "4xx"), 1.0);
    assert_eq!(requests("applivery", "other", "4xx"), 1.0);
    assert_eq!(value("appdepot_http_request_seconds_count{dialect=\"emporix\"}"), 2.0);
    assert!(value("appdepot_http_received_bytes_total{dialect=\"emporix\"}") > 100.0);
    assert!(value("appdepot_http_sent_bytes_total{dialect=\"applivery\"}") > 40.0);
    assert_eq!(value("appdepot_builds_waiting"), 0.0);
    assert!(text.ends_with("# EOF\n"));
    for name in ["acme", "note.txt", &token, "nonsense", "BREW"] {
        assert!(!text.contains(name), "{name} in\n{text}");
    }
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn http_2_is_spoken_to_those_who_begin_with_it() {
    /// A frame on a stream (RFC 9113 §4.1).
    fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
        let length = u8::try_from(payload.len()).unwrap();
        [&[0, 0, length, kind, flags, 0, 0, 0, stream], payload].concat()
    }
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), &[]);
    let mut stream = TcpStream::connect(&server.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    // GET and http by their places in the table of RFC 7541, path and authority as texts.
    let (path, authority) = ("/health/live", "a");
    let mut fields = vec![0x82, 0x86, 0x44, u8::try_from(path.len()).unwrap()];
    fields.extend(path.bytes().chain([0x41, 1]).chain(authority.bytes()));
    let mut request = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    request.extend(frame(4, 0, 0, &[]));
    request.extend(frame(1, 0x5, 1, &fields));
    stream.write_all(&request).unwrap();
    let answered = loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).unwrap();
        let mut payload = vec![0; usize::from(head[1]) << 8 | usize::from(head[2])];
        stream.read_exact(&mut payload).unwrap();
        if head[3] == 1 {
            break payload[0];
        }
    };
    assert_eq!(answered, 0x88, "status 200, by its place in the table");
    drop(stream);
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn a_connection_that_stops_in_the_middle_is_closed_and_leaves_nothing() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), &["--stall-timeout", "1"]);
    let token = server.token();
    let (kind, form) =
        form(&[("body", None, br#"{"type":"BLOB","access":"PRIVATE"}"#), ("file", Some("a"), b"bytes")]);
    let head = format!(
        "POST /media/acme/assets HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n",
        form.len()
    );
    let mut stream = TcpStream::connect(&server.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&form[..form.len() - 10]).unwrap();
    let since = Instant::now();
    let mut rest = Vec::new();
    // Closed without an answer, or with one that says what was missing.
    let _ = stream.read_to_end(&mut rest);
    assert!(since.elapsed() < Duration::from_secs(20), "the connection stays open");
    assert!(rest.is_empty() || rest.starts_with(b"HTTP/1.1 4"), "{}", String::from_utf8_lossy(&rest));
    let listed = server.get(&token, "/media/acme/assets");
    assert_eq!((listed.status, listed.json()), (200, json!([])));
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn a_country_is_what_the_proxy_in_front_says() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), &["--country-header", "CF-IPCountry"]);
    assert_eq!(server.post("/v1/organizations/acme/apps", &json!({ "name": "Notes" })).status, 200);
    let publication = json!({
        "application": "notes", "slug": "notes-de", "security": "public", "visibility": "active",
        "filter": { "type": "last" }, "allowedCountries": ["DE"],
    });
    assert_eq!(server.post("/v1/organizations/acme/stores/1/pubApps", &publication).status, 200);
    let page = |header: &str| ask(&server, &format!("GET /store/acme/notes-de HTTP/1.1{header}")).status;
    assert_eq!(page("\r\ncf-ipcountry: de"), 200);
    assert_ne!(page("\r\ncf-ipcountry: FR"), 200);
    assert_ne!(page(""), 200);
    assert_eq!(server.stop(), Some(0));
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
