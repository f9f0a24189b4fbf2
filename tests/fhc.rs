//! Red Hat's own command line client (`fh-fhc`, in `fhc/package.json`) against the service on a socket: every command
//! that it has for the app store, and what it prints. Without Node or `npm ci` in `tests/fhc` these are shown as
//! ignored, and fail where backends are required (`APPDEPOT_REQUIRE_BACKENDS=1`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use appdepot::authorize::Actor;
use appdepot::depot::NewUser;
use appdepot::http::Service;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use libtest_mimic::{Arguments, Trial};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tower::ServiceExt as _;

mod support;

use support::{PASSWORD, program};

const ADMIN: &str = "admin@example.com";

type Journey = fn(&Client);

/// What is done with the client, each with a store of its own.
const JOURNEYS: [(&str, Journey); 7] = [
    ("the_store", the_store),
    ("items", items),
    ("binaries", binaries),
    ("item_groups", item_groups),
    ("policies_and_users", policies_and_users),
    ("sessions_and_the_audit_log", sessions_and_the_audit_log),
    ("keys_and_logout", keys_and_logout),
];

fn main() {
    let required = support::required();
    let node = program("node").filter(|_| script().is_file());
    let trials = JOURNEYS.into_iter().map(|(name, journey)| {
        let node = node.clone();
        let ignored = !required && node.is_none();
        Trial::test(name, move || {
            journey(&Client::new(node.ok_or("Node or `npm ci` in tests/fhc is missing")?));
            Ok(())
        })
        .with_ignored_flag(ignored)
    });
    let trials = trials.collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

fn the_store(fhc: &Client) {
    fhc.prints("admin appstore read", &["App Store"]);
    fhc.prints("admin appstore update --name=Acme --description=Apps", &["updated successfully"]);
    // The client sends what looks like a number as one.
    fhc.prints("admin appstore updatefield --name=description --value=2048", &["updated successfully"]);
    fhc.prints("admin appstore read", &["Acme", "2048"]);
    let [one, other] = ["One", "Other"].map(|name| fhc.item(name));
    fhc.prints(&format!("admin appstore update --apps={one},{other}"), &["updated successfully"]);
    let listed = fhc.json("admin appstore read");
    assert_eq!((&listed["storeitems"], &listed["name"]), (&serde_json::json!([one, other]), &"Acme".into()));
    fhc.prints(&format!("admin appstore storeitems add --id={one}"), &["added successfully"]);

    let policy = fhc.policy("Staff");
    fhc.prints(&format!("admin appstore policy add --id={policy}"), &["added successfully"]);
    fhc.prints("admin appstore policy list", &[&policy]);
    fhc.prints(&format!("admin appstore policy delete --id={policy}"), &["deleted successfully"]);
    assert_eq!(fhc.json("admin appstore policy list")["list"], serde_json::json!([]));
}

fn items(fhc: &Client) {
    let item = fhc.item("Notes");
    let items = "admin appstore storeitems";
    fhc.prints(&format!("{items} read --id={item}"), &["Notes", "No"]);
    let change = "--name=Notebook --description=Paper";
    fhc.prints(&format!("{items} update --id={item} {change}"), &["successfully"]);
    fhc.prints(&format!("{items} list"), &[&item, "Notebook", "Paper"]);
    let policy = fhc.policy("Staff");
    fhc.prints(&format!("{items} addpolicy --id={item} --policy={policy}"), &[&policy]);
    fhc.prints(&format!("{items} listpolicies --id={item}"), &[&policy]);
    let left = fhc.json(&format!("{items} delpolicy --id={item} --policy={policy}"));
    assert_eq!(left["authpolicies"], serde_json::json!([]));
    let group = fhc.group("Field");
    fhc.prints(&format!("{items} addgroups --id={item} --group={group}"), &[&group]);
    fhc.prints(&format!("{items} grouprestrict --id={item} --restrictToGroups=true"), &["Yes"]);
    let left = fhc.json(&format!("{items} delgroups --id={item} --group={group}"));
    assert_eq!(
        (&left["groups"], &left["restrictToGroups"]),
        (&serde_json::json!([]), &serde_json::json!(true))
    );
    fhc.prints(&format!("{items} delete --id={item}"), &["deleted successfully"]);
    fhc.fails(&format!("{items} read --id={item}"), "invalid_guid");
}

fn binaries(fhc: &Client) {
    let item = fhc.item("Notes");
    let items = "admin appstore storeitems";
    let upload = |kind: &str, file: &Path| format!("{items} upload{kind} --id={item} {}", option(kind, file));
    let android = |file: &str| format!("{} --type=android", upload("binary", &fixture(file)));
    fhc.prints(&android("field-notes.apk"), &[r#""status":"ok""#, r#""storeItemBinaryVersion":1"#]);
    fhc.prints(&android("field-notes-1.5.0.apk"), &[r#""storeItemBinaryVersion":2"#, "downloadvers?guid="]);
    let wrong = format!("{} --type=iphone", upload("binary", &fixture("field-notes.apk")));
    fhc.prints(&wrong, &[r#"{"status":"error","message":"invalid_type"}"#]);
    fhc.prints(&format!("{items} binaryversions --id={item}"), &["Notes", "storeItemBinaryVersion"]);

    let icon = fhc.home.path().join("icon.png");
    std::fs::write(&icon, PNG).unwrap();
    fhc.prints(&upload("icon", &icon), &[r#""status":"ok""#, "\"icon\":\"iVBORw0KGgo"]);
    fhc.prints(&upload("icon", &fixture("field-notes.apk")), &[r#""message":"invalid_type""#]);
}

fn item_groups(fhc: &Client) {
    let (item, group) = (fhc.item("Notes"), fhc.group("Field"));
    let groups = "admin appstore itemgroups";
    fhc.prints(&format!("{groups} list"), &[&group, "Field"]);
    fhc.prints(&format!("{groups} read --guid={group}"), &[&group, "Field"]);
    fhc.prints(&format!("{groups} update --guid={group} --name=Fields"), &["Fields"]);
    fhc.prints(&format!("{groups} items add --guid={group} --item={item}"), &[&item]);
    fhc.prints(&format!("{groups} users add --guid={group} --user={ADMIN}"), &[&item]);
    let read = fhc.json(&format!("{groups} read --guid={group}"));
    assert_eq!((&read["users"][0]["email"], &read["name"]), (&ADMIN.into(), &"Fields".into()));
    fhc.prints(&format!("{groups} users delete --guid={group} --user={ADMIN}"), &["successfully removed"]);
    fhc.prints(&format!("{groups} items delete --guid={group} --item={item}"), &["successfully removed"]);
    fhc.prints(&format!("{groups} delete --guid={group}"), &["deleted successfully"]);
}

fn policies_and_users(fhc: &Client) {
    let policy = fhc.policy("Staff");
    let policies = "admin policies";
    fhc.prints(&format!("{policies} list"), &[&policy, "FEEDHENRY"]);
    fhc.prints(&format!("{policies} read --id=Staff"), &[&policy]);
    let change = "--type=LDAP --checkUserApproved=true";
    fhc.prints(&format!("{policies} update --id=Staff {change}"), &["LDAP", "Yes"]);

    let (users, bob) = ("admin users", "bob@example.com");
    // A password that looks like a number, which is sent as one.
    let new = format!("--username={bob} --email={bob} --name=Bob --password=12345678901");
    fhc.prints(&format!("{users} create {new}"), &["created successfully"]);
    fhc.prints(&format!("{users} list"), &[ADMIN, bob]);
    fhc.prints(&format!("{users} read --username={bob}"), &[bob]);
    fhc.prints(&format!("{users} update --username={bob} --name=Robert"), &[bob]);
    fhc.prints(&format!("{policies} users add --guid={policy} --user={bob}"), &["successfully added"]);
    fhc.prints(&format!("{policies} users list --id=Staff"), &[bob, "Robert"]);
    fhc.prints(&format!("{policies} users delete --guid={policy} --user={bob}"), &["successfully removed"]);
    fhc.prints(&format!("{policies} delete --guid={policy}"), &["deleted successfully"]);
    fhc.prints(&format!("{users} delete --username={bob}"), &["deleted successfully"]);
    fhc.fails(&format!("{users} read --username={bob}"), "invalid_guid");
}

/// Somebody signs in as the vendor's apps do, and installs; the client tells of it.
fn sessions_and_the_audit_log(fhc: &Client) {
    let item = fhc.item("Notes");
    let file = fixture("field-notes.apk");
    let upload = "admin appstore storeitems uploadbinary --type=android";
    fhc.prints(&format!("{upload} --id={item} {}", option("binary", &file)), &["ok"]);
    fhc.prints(&format!("admin appstore storeitems add --id={item}"), &["successfully"]);
    let policy = fhc.policy("Staff");
    fhc.prints(&format!("admin appstore policy add --id={policy}"), &["successfully"]);

    // Its command gives one flag to two parameters, so that only the module can be used.
    let ask = "const fhc = require('fh-fhc'); fhc.load(() => fhc.auth(JSON.parse(process.argv[1]), \
               (error, answer) => console.log(JSON.stringify(error || answer))));";
    let given = serde_json::json!({
        "policy": "Staff", "app": "store", "device": "phone-1",
        "params": { "userId": ADMIN, "password": PASSWORD },
    });
    let answer = fhc.node(&["-e", ask, &given.to_string()]);
    let answer: Value = serde_json::from_slice(&answer.stdout).unwrap();
    let token = answer["sessionToken"].as_str().unwrap_or_else(|| panic!("{answer}"));
    assert_eq!(fhc.json(&format!("session verify --token={token}"))["isValid"], true);
    assert_eq!(fhc.json("session verify --token=nonsense")["isValid"], false);
    fhc.prints(&format!("session info --token={token}"), &[ADMIN, "phone-1", &policy]);

    let path = format!("/box/srv/1.1/mas/storeitem/install?guid={item}-android&deviceId=phone-1");
    let (status, body) = fhc.get(&path, token);
    assert_eq!((status, body), (StatusCode::OK, std::fs::read(file).unwrap().into()));
    let log = "admin appstore auditlog list";
    fhc.prints(log, &[&item, "android", ADMIN, "phone-1", "Notes"]);
    let filter = format!("--limit=5 --itemId={item} --type=android --userId={ADMIN} --deviceId=phone-1");
    fhc.prints(&format!("{log} {filter}"), &[&item]);
    assert_eq!(fhc.json(&format!("{log} --deviceId=phone-2"))["list"], serde_json::json!([]));
    fhc.prints(&format!("admin users listinstallapps --username={ADMIN}"), &[&item, "Notes"]);
    fhc.prints(&format!("admin users listdevices --username={ADMIN}"), &["phone-1"]);
}

fn keys_and_logout(fhc: &Client) {
    fhc.prints("keys user add --label=ci", &["ci", "adk_"]);
    fhc.prints("keys user list", &["ci"]);
    fhc.prints("keys user delete --label=ci", &["ci"]);
    assert_eq!(fhc.json("keys user list")["list"], serde_json::json!([]));
    fhc.prints("user", &[ADMIN]);
    fhc.prints("logout", &["Successfully logged out"]);
    fhc.fails("admin appstore read", "401");
}

/// The client, signed in to a service of its own.
struct Client {
    node: PathBuf,
    home: TempDir,
    service: Service,
    runtime: Runtime,
}

impl Client {
    fn new(node: PathBuf) -> Self {
        let runtime = Runtime::new().unwrap();
        let (address, service) = runtime.block_on(serve());
        let client = Self { node, home: TempDir::new().unwrap(), service, runtime };
        client.prints(&format!("target {address}"), &["Successfully targeted"]);
        let output = client.fhc(&["login", ADMIN, PASSWORD]);
        assert!(output.status.success(), "{output:?}");
        client
    }

    /// Runs a command, which must succeed and print all of this.
    fn prints(&self, command: &str, expected: &[&str]) {
        let output = self.fhc(&command.split(' ').collect::<Vec<_>>());
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{command}: {output:?}");
        for part in expected {
            assert!(text.contains(part), "{command}: no {part:?} in {text}");
        }
    }

    /// What a command answers; it must succeed.
    fn json(&self, command: &str) -> Value {
        let output = self.fhc(&command.split(' ').chain(["--json"]).collect::<Vec<_>>());
        assert!(output.status.success(), "{command}: {output:?}");
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{command}: {output:?}"))
    }

    /// Runs a command, which must fail and tell of this.
    fn fails(&self, command: &str, expected: &str) {
        let output = self.fhc(&command.split(' ').collect::<Vec<_>>());
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && text.contains(expected), "{command}: {output:?}");
    }

    fn item(&self, name: &str) -> String {
        self.guid(&format!("admin appstore storeitems create --name={name}"))
    }

    fn group(&self, name: &str) -> String {
        self.guid(&format!("admin appstore itemgroups create --name={name} --description=x"))
    }

    fn policy(&self, name: &str) -> String {
        let checks = "--checkUserExists=true --checkUserApproved=false";
        let rest = format!("--type=FEEDHENRY --configurations={{\"provider\":\"FEEDHENRY\"}} {checks}");
        self.guid(&format!("admin policies create --id={name} {rest}"))
    }

    fn guid(&self, command: &str) -> String {
        let made = self.json(command);
        made["guid"].as_str().unwrap_or_else(|| panic!("{command}: {made}")).to_owned()
    }

    fn fhc(&self, arguments: &[&str]) -> Output {
        self.node(&[&["--no-warnings", script().to_str().unwrap()], arguments].concat())
    }

    /// Away from proxies that the environment names, which the client takes even on this machine, and where it may
    /// leave its logs.
    fn node(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(&self.node);
        command.args(arguments).current_dir(self.home.path()).env_clear();
        command.env("HOME", self.home.path()).env("NODE_PATH", support::folder("fhc/node_modules"));
        command.output().unwrap()
    }

    fn get(&self, path: &str, session: &str) -> (StatusCode, Bytes) {
        let request = Request::get(path).header("x-fh-auth-session", session).body(Body::empty()).unwrap();
        self.runtime.block_on(async {
            let response = self.service.clone().oneshot(request).await.unwrap();
            (response.status(), response.into_body().collect().await.unwrap().to_bytes())
        })
    }
}

fn script() -> PathBuf {
    support::folder("fhc/node_modules/fh-fhc/bin/fhc.js")
}

/// The address of a service with one organization and its owner.
async fn serve() -> (String, Service) {
    let (depot, callers) = support::depot();
    let acme = depot.create_organization(&Actor::system("test"), "acme", "Acme Corp.").await.unwrap().id;
    let admin = NewUser { email: ADMIN.to_owned(), ..NewUser::default() };
    support::person(&depot, acme, admin, "org.owner").await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let service = Service::builder(depot, Arc::new(callers)).public_url(&address).domain("acme").build();
    support::serve(listener, service.clone());
    (address, service)
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

fn option(name: &str, file: &Path) -> String {
    format!("--{name}={}", file.display())
}

/// A picture of one dot.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\0\0\0\0\x3a\x7e\x9b\x55\0\0\0\nIDAT\x78\x9c\x63\x68\0\0\0\x82\0\x81\x77\xcd\x72\xb6\0\0\0\0IEND\xae\x42\x60\x82";
