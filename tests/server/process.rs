//! The server example as a process, and a client that speaks HTTP/1.1 to it byte by byte.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

pub(crate) const ADMIN_KEY: &str = "robot.0123456789abcdef0123456789abcdef";

pub(crate) const APK: &[u8] = include_bytes!("../../fixtures/field-notes.apk");

pub(crate) struct Server {
    pub(crate) process: Child,
    pub(crate) output: BufReader<ChildStdout>,
    pub(crate) address: String,
    pub(crate) data: PathBuf,
}

impl Server {
    pub(crate) fn start(data: &Path, flags: &[&str]) -> Self {
        let mut command = Command::new(server_path());
        command.arg("--data").arg(data);
        if !flags.contains(&"--admin-key") {
            command.args(["--admin-key", ADMIN_KEY]);
        }
        Self::with(command.args(flags), data)
    }

    pub(crate) fn with(command: &mut Command, data: &Path) -> Self {
        let command = command.args(["--listen", "127.0.0.1:0"]).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut first = String::new();
        output.read_line(&mut first).unwrap();
        let address = first.trim_end().strip_prefix("listening on http://").expect("the first line");
        Self { process, output, address: address.to_owned(), data: data.to_owned() }
    }

    pub(crate) fn stop(self) -> Option<i32> {
        self.stop_with_output().0
    }

    pub(crate) fn stop_with_output(mut self) -> (Option<i32>, String) {
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

    pub(crate) fn get(&self, token: &str, path: &str) -> Answer {
        self.send("GET", path, Some(token), None)
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        let body = body.to_string();
        self.send("POST", path, Some(ADMIN_KEY), Some(("application/json", body.as_bytes())))
    }

    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: Option<(&str, &[u8])>,
    ) -> Answer {
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

    pub(crate) fn token(&self) -> String {
        let (id, secret) = ADMIN_KEY.split_once('.').unwrap();
        let form = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
        let kind = "application/x-www-form-urlencoded";
        let answer = self.send("POST", "/oauth/token", None, Some((kind, form.as_bytes())));
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["access_token"].as_str().unwrap().to_owned()
    }

    pub(crate) fn emporix_upload(&self, token: &str, body: &str, bytes: &[u8]) -> Answer {
        let (kind, form) = form(&[("body", None, body.as_bytes()), ("file", Some("note.txt"), bytes)]);
        self.send("POST", "/media/acme/assets", Some(token), Some((&kind, &form)))
    }

    /// Puts a file where the first start's storage provider looks.
    pub(crate) fn put_edge(&self, key: &str, bytes: &[u8]) {
        let path = self.data.join("edge/acme").join(key);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    /// The body that registers such a file.
    pub(crate) fn edge(&self, key: &str) -> Value {
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
    pub(crate) fn edge_provider(&self) -> String {
        let made = self.post("/v1/organizations/acme/apps", &json!({ "name": "Probe" })).json();
        let organization = made["data"]["organization"].as_str().unwrap().to_owned();
        let id = made["data"]["id"].as_str().unwrap();
        self.send("DELETE", &format!("/v1/organizations/acme/apps/{id}"), Some(ADMIN_KEY), None);
        sha256(format!("default-edge/{organization}").as_bytes())[..24].to_owned()
    }

    /// How many assets either dialect tells of, and how many apps.
    pub(crate) fn counts(&self, token: &str) -> (u64, usize, u64) {
        let total = |path: &str| self.get(ADMIN_KEY, path).json()["data"]["totalDocs"].as_u64().unwrap();
        let media = self.get(token, "/media/acme/assets").json().as_array().unwrap().len();
        (total("/v1/organizations/acme/mdm/assets"), media, total("/v1/organizations/acme/apps"))
    }

    /// The build at a path, once it was processed or given up.
    pub(crate) fn finished(&self, token: &str, path: &str) -> Value {
        let late = Instant::now() + Duration::from_secs(30);
        loop {
            let shown = self.get(token, path).json()["data"].clone();
            if !["pending", "in_progress"].contains(&shown["status"].as_str().unwrap()) {
                return shown;
            }
            assert!(Instant::now() < late, "{shown}");
            std::thread::sleep(Duration::from_millis(50));
        }
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
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn read(stream: &mut TcpStream) -> Self {
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

    pub(crate) fn json(&self) -> Value {
        assert_eq!(
            self.headers.get("content-type").map(String::as_str),
            Some("application/json"),
            "{self:?}"
        );
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// A multipart form of parts with name, file name and content, and its content type.
pub(crate) fn form(parts: &[(&str, Option<&str>, &[u8])]) -> (String, Vec<u8>) {
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

pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A session of the administrator, by a program that opens the data directory of a server that has stopped.
pub(crate) fn sign_in(data: &Path, password: &str) -> Option<String> {
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

/// Cargo builds the examples before it runs all tests, but not before it runs this one alone.
pub(crate) fn server_path() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.parent().unwrap().parent().unwrap().join("examples/server");
    let modified = |path: &Path| std::fs::metadata(path).and_then(|data| data.modified()).ok();
    let sources = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/server")).unwrap();
    let newest = sources.map(|source| modified(&source.unwrap().path())).max().unwrap();
    assert!(modified(&path) >= newest, "out of date; first: cargo build --example server");
    path
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
