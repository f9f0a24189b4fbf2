//! The first start and what it tells, the administrator, the flags.

use std::io::BufRead as _;
use std::process::Command;

use super::process::*;

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
