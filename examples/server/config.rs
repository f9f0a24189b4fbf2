//! Flags and environment: what the server is told from outside.

use std::env;
use std::path::PathBuf;
use std::time::Duration;

use axum::http::HeaderName;
use lexopt::prelude::*;

/// How long a connection may be still unless told otherwise.
const STALL_TIMEOUT: Duration = Duration::from_secs(120);

/// What `--help` prints.
pub(crate) const HELP: &str = "\
Serves a depot over HTTP. Needs nothing; keeps everything under the data directory.

Usage: server [FLAG VALUE]...

  flag                    environment              default
  --listen ADDR           APPDEPOT_LISTEN          127.0.0.1:8080; port 0 picks one
  --data DIR              APPDEPOT_DATA            ./depot-data
  --database URL          APPDEPOT_DATABASE        SQLite in the data directory; or postgres://…
  --blobs URL             APPDEPOT_BLOBS           files in the data directory; or memory://, or
                                                   s3://BUCKET?endpoint=…&region=… (feature s3; keys from
                                                   AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY)
  --storage-endpoints URLS APPDEPOT_STORAGE_ENDPOINTS  none; S3 services that organizations may name as their
                                                   storage providers, separated by commas (feature s3)
  --durability full|os    APPDEPOT_DURABILITY      full: flushed to the disk before an acknowledgement;
                                                   os: whenever the system likes
  --public-url URL        APPDEPOT_PUBLIC_URL      http:// and the listen address
  --organization SLUG     APPDEPOT_ORGANIZATION    acme; created at the first start
  --admin-key ID.SECRET   APPDEPOT_ADMIN_KEY       generated and printed at the first start. The whole text is
                                                   the bearer token; ID and SECRET are OAuth's client_id and
                                                   client_secret
  --admin-email EMAIL     APPDEPOT_ADMIN_EMAIL     none; a user who owns the organization, made at the first start
                                                   with it
  --admin-password TEXT   APPDEPOT_ADMIN_PASSWORD  generated and printed when the user is made
  --requests-per-minute N APPDEPOT_REQUESTS_PER_MINUTE  any number; what one client address may ask, then 429
  --stall-timeout SECONDS APPDEPOT_STALL_TIMEOUT   120; how long a connection may be still during a request
  --country-header NAME   APPDEPOT_COUNTRY_HEADER  none; where a proxy in front says the country of a request. Only
                                                   behind one that sets it always
  --log LEVEL             APPDEPOT_LOG             warn; or error, info, debug, trace. On standard error
  --help

What opens storage providers is sealed with DATA/providers.key. To change that key, rename it to providers.key.old and
start again: a new one is made and takes over, and the old one can be deleted.
The first line on standard output is `listening on http://HOST:PORT`.
Ctrl-C and SIGTERM finish the running requests and exit with 0.
Exit codes: 0 stopped, 1 failed, 2 wrong flags.
";

/// The settings, read and checked.
#[derive(Debug)]
pub(crate) struct Config {
    /// Where to listen.
    pub(crate) listen: String,
    /// Where to keep things.
    pub(crate) data: PathBuf,
    /// Which records.
    pub(crate) database: Database,
    /// Which blobs.
    pub(crate) blobs: Blobs,
    /// Which S3 services organizations may name.
    pub(crate) storage_endpoints: Vec<String>,
    /// Whether an acknowledgement waits for the disk.
    pub(crate) flush: bool,
    /// How clients reach the server, without a trailing slash.
    pub(crate) public_url: Option<String>,
    /// The organization that is created at the first start.
    pub(crate) organization: String,
    /// The administrator's key.
    pub(crate) admin_key: Option<AdminKey>,
    /// The administrator's account.
    pub(crate) admin: Option<Admin>,
    /// What one address may ask in a minute.
    pub(crate) requests_per_minute: Option<u32>,
    /// How long a connection may be still while a request is read, handled or answered: a client that stops in the
    /// middle of a body, one that does not read its answer, and a handler that takes longer than anybody waits.
    pub(crate) stall_timeout: Duration,
    /// Where a proxy says the country.
    pub(crate) country_header: Option<HeaderName>,
    /// What is logged.
    pub(crate) log: tracing::Level,
}

/// Where records are kept.
#[derive(Debug)]
pub(crate) enum Database {
    /// In the data directory.
    Sqlite,
    /// In a server.
    Postgres(Secret),
}

/// Where bytes are kept.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Blobs {
    /// In the data directory.
    Files,
    /// Nowhere for long.
    Memory,
    /// In a bucket.
    S3 {
        /// Its name.
        bucket: String,
        /// `endpoint` and `region`, as given.
        endpoint: Option<String>,
        /// The region.
        region: Option<String>,
    },
}

/// An id and a secret.
#[derive(Debug)]
pub(crate) struct AdminKey {
    /// The OAuth client id.
    pub(crate) id: String,
    /// The OAuth client secret.
    pub(crate) secret: Secret,
}

/// An account.
#[derive(Debug)]
pub(crate) struct Admin {
    /// The address to sign in with.
    pub(crate) email: String,
    /// Its password, unless one is to be made up.
    pub(crate) password: Option<Secret>,
}

/// A text that is never shown by accident.
pub(crate) struct Secret(String);

impl Secret {
    /// The text.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

/// What the command line asks for.
#[derive(Debug)]
pub(crate) enum Command {
    /// Serve.
    Serve(Box<Config>),
    /// Print [`HELP`].
    Help,
}

#[derive(Default)]
struct Raw {
    listen: Option<String>,
    data: Option<String>,
    database: Option<String>,
    blobs: Option<String>,
    storage_endpoints: Option<String>,
    durability: Option<String>,
    public_url: Option<String>,
    organization: Option<String>,
    admin_email: Option<String>,
    admin_password: Option<String>,
    admin_key: Option<String>,
    requests_per_minute: Option<String>,
    stall_timeout: Option<String>,
    country_header: Option<String>,
    log: Option<String>,
}

/// Reads the environment and then the flags, which win. The error is one line and names the culprit.
pub(crate) fn read() -> Result<Command, String> {
    let mut raw = from_environment();
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
        let slot = match argument {
            Long("help") | Short('h') => return Ok(Command::Help),
            Long("listen") => &mut raw.listen,
            Long("data") => &mut raw.data,
            Long("database") => &mut raw.database,
            Long("blobs") => &mut raw.blobs,
            Long("storage-endpoints") => &mut raw.storage_endpoints,
            Long("durability") => &mut raw.durability,
            Long("public-url") => &mut raw.public_url,
            Long("organization") => &mut raw.organization,
            Long("admin-email") => &mut raw.admin_email,
            Long("admin-password") => &mut raw.admin_password,
            Long("admin-key") => &mut raw.admin_key,
            Long("requests-per-minute") => &mut raw.requests_per_minute,
            Long("stall-timeout") => &mut raw.stall_timeout,
            Long("country-header") => &mut raw.country_header,
            Long("log") => &mut raw.log,
            other => return Err(other.unexpected().to_string()),
        };
        let value = parser.value().and_then(|value| value.string()).map_err(|error| error.to_string())?;
        *slot = Some(value);
    }
    check(raw).map(|config| Command::Serve(Box::new(config)))
}

fn from_environment() -> Raw {
    let value = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    Raw {
        listen: value("APPDEPOT_LISTEN"),
        data: value("APPDEPOT_DATA"),
        database: value("APPDEPOT_DATABASE"),
        blobs: value("APPDEPOT_BLOBS"),
        storage_endpoints: value("APPDEPOT_STORAGE_ENDPOINTS"),
        durability: value("APPDEPOT_DURABILITY"),
        public_url: value("APPDEPOT_PUBLIC_URL"),
        organization: value("APPDEPOT_ORGANIZATION"),
        admin_email: value("APPDEPOT_ADMIN_EMAIL"),
        admin_password: value("APPDEPOT_ADMIN_PASSWORD"),
        admin_key: value("APPDEPOT_ADMIN_KEY"),
        requests_per_minute: value("APPDEPOT_REQUESTS_PER_MINUTE"),
        stall_timeout: value("APPDEPOT_STALL_TIMEOUT"),
        country_header: value("APPDEPOT_COUNTRY_HEADER"),
        log: value("APPDEPOT_LOG"),
    }
}

fn check(raw: Raw) -> Result<Config, String> {
    Ok(Config {
        listen: raw.listen.unwrap_or_else(|| "127.0.0.1:8080".to_owned()),
        data: raw.data.unwrap_or_else(|| "depot-data".to_owned()).into(),
        database: raw.database.map_or(Ok(Database::Sqlite), database)?,
        blobs: raw.blobs.as_deref().map_or(Ok(Blobs::Files), blobs)?,
        storage_endpoints: raw
            .storage_endpoints
            .map_or_else(Vec::new, |urls| urls.split(',').map(str::to_owned).collect()),
        flush: match raw.durability.as_deref() {
            None | Some("full") => true,
            Some("os") => false,
            Some(other) => return Err(format!("--durability: full or os, not {other:?}")),
        },
        public_url: raw.public_url.map(|url| public_url(&url)).transpose()?,
        organization: raw.organization.unwrap_or_else(|| "acme".to_owned()),
        admin_key: raw.admin_key.map(|key| admin_key(&key)).transpose()?,
        requests_per_minute: raw
            .requests_per_minute
            .map(|count| positive("--requests-per-minute", &count))
            .transpose()?,
        stall_timeout: raw.stall_timeout.map_or(Ok(STALL_TIMEOUT), |seconds| {
            positive("--stall-timeout", &seconds).map(|seconds| Duration::from_secs(seconds.into()))
        })?,
        country_header: raw
            .country_header
            .map(|name| name.parse().map_err(|_| "--country-header: the name of a header"))
            .transpose()?,
        log: match raw.log.as_deref() {
            None => tracing::Level::WARN,
            Some(level) => level.parse().map_err(|_| "--log: error, warn, info, debug or trace")?,
        },
        admin: match (raw.admin_email, raw.admin_password) {
            (None, Some(_)) => return Err("--admin-password: needs --admin-email".to_owned()),
            (None, None) => None,
            (Some(email), password) => Some(Admin { email, password: password.map(Secret) }),
        },
    })
}

fn positive(flag: &str, text: &str) -> Result<u32, String> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| format!("{flag}: a whole number from 1"))
}

// The values of these may hold secrets, so the messages do not repeat them.

fn database(url: String) -> Result<Database, String> {
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        return Ok(Database::Postgres(Secret(url)));
    }
    Err("--database: postgres://…, or nothing for SQLite in the data directory".to_owned())
}

fn admin_key(text: &str) -> Result<AdminKey, String> {
    match text.split_once('.') {
        Some((id, secret)) if !id.is_empty() && !secret.is_empty() => {
            Ok(AdminKey { id: id.to_owned(), secret: Secret(secret.to_owned()) })
        }
        _ => Err("--admin-key: an id, a dot and a secret".to_owned()),
    }
}

fn blobs(url: &str) -> Result<Blobs, String> {
    if url == "memory://" {
        return Ok(Blobs::Memory);
    }
    let fail = || "--blobs: memory:// or s3://BUCKET?endpoint=…&region=…, or nothing for files".to_owned();
    let rest = url.strip_prefix("s3://").ok_or_else(fail)?;
    let (bucket, options) = rest.split_once('?').unwrap_or((rest, ""));
    if bucket.is_empty() || bucket.contains('/') {
        return Err(fail());
    }
    let (mut endpoint, mut region) = (None, None);
    for option in options.split('&').filter(|option| !option.is_empty()) {
        match option.split_once('=') {
            Some(("endpoint", value)) => endpoint = Some(value.to_owned()),
            Some(("region", value)) => region = Some(value.to_owned()),
            _ => return Err(fail()),
        }
    }
    Ok(Blobs::S3 { bucket: bucket.to_owned(), endpoint, region })
}

fn public_url(url: &str) -> Result<String, String> {
    let host = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    match host {
        Some(host) if !host.is_empty() && !host.contains(['?', '#', '@', ' ']) => {
            Ok(url.trim_end_matches('/').to_owned())
        }
        _ => Err("--public-url: http://… or https://…, without user, query or fragment".to_owned()),
    }
}
