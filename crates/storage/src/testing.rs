//! For tests only: a throw-away PostgreSQL server made of the machine's own binaries.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, PgConnection};

/// How long the server may take to accept connections.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// A PostgreSQL server in a temporary directory, reached by a socket in it; stopped and removed when dropped.
///
/// Nothing in it survives anything: flushing is off. It never runs as root: there it runs as the owner `postgres`
/// or `nobody`.
///
/// # Examples
///
/// ```no_run
/// use appdepot_storage::{PoolOptions, PostgresRecords, testing::Postgres};
/// # async fn test() -> appdepot_core::Result<()> {
/// let Some(server) = Postgres::start() else { return Ok(()) };
/// let records = PostgresRecords::connect(&server.database().await, PoolOptions::default()).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Postgres {
    binaries: PathBuf,
    directory: PathBuf,
    server: Child,
    databases: AtomicU64,
}

impl Postgres {
    /// A running server, or `None` when the machine has no PostgreSQL, or none that starts.
    pub fn start() -> Option<Self> {
        let binaries = binaries()?;
        let directory = directory().ok()?;
        match Self::launch(&binaries, &directory) {
            Ok(server) => Some(server),
            Err(error) => {
                tracing::warn!(%error, "postgresql is installed and does not start");
                let _ = fs::remove_dir_all(&directory);
                None
            }
        }
    }

    fn launch(binaries: &Path, directory: &Path) -> io::Result<Self> {
        let data = directory.join("data");
        let mut init = as_owner(&binaries.join("initdb"), directory)?;
        init.args(["-N", "-U", "test", "-A", "trust", "-E", "UTF8", "--locale=C", "-D"]).arg(&data);
        if !init.stdout(Stdio::null()).stderr(Stdio::null()).status()?.success() {
            return Err(io::Error::other("initdb failed"));
        }
        let mut start = as_owner(&binaries.join("postgres"), directory)?;
        start.arg("-D").arg(&data).arg("-k").arg(directory);
        for setting in [
            "listen_addresses=",
            "fsync=off",
            "full_page_writes=off",
            "synchronous_commit=off",
            "max_connections=200",
        ] {
            start.args(["-c", setting]);
        }
        let log = fs::File::create(directory.join("log"))?;
        let server = start.stdout(Stdio::null()).stderr(log).spawn()?;
        let mut running = Self {
            binaries: binaries.to_owned(),
            directory: directory.to_owned(),
            server,
            databases: AtomicU64::new(0),
        };
        let deadline = Instant::now() + START_TIMEOUT;
        // The socket is there before the server accepts; its postmaster file says "ready" when it does.
        let status = data.join("postmaster.pid");
        while !fs::read_to_string(&status)
            .is_ok_and(|text| text.lines().nth(7).is_some_and(|l| l.trim() == "ready"))
        {
            if running.server.try_wait()?.is_some() || Instant::now() > deadline {
                return Err(io::Error::other("the server did not become ready"));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(running)
    }

    /// The address of a new, empty database.
    ///
    /// # Panics
    /// When the server does not answer.
    #[allow(clippy::expect_used)]
    pub async fn database(&self) -> String {
        let name = format!("t{}", self.databases.fetch_add(1, Relaxed));
        let mut connection: PgConnection =
            self.options("postgres").connect().await.expect("the test server answers");
        let create = sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"));
        sqlx::raw_sql(create).execute(&mut connection).await.expect("a database is created");
        connection.close().await.expect("the connection closes");
        let socket = self.directory.to_string_lossy().replace('/', "%2F");
        format!("postgres://test@{socket}/{name}")
    }

    fn options(&self, database: &str) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass().socket(&self.directory).username("test").database(database)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Its processes share memory with it that only an orderly end frees.
        let stop = as_owner(&self.binaries.join("pg_ctl"), &self.directory).and_then(|mut stop| {
            stop.args(["stop", "-s", "-m", "immediate", "-D"]).arg(self.directory.join("data"));
            stop.stdout(Stdio::null()).stderr(Stdio::null()).status()
        });
        if !stop.is_ok_and(|status| status.success()) {
            let _ = self.server.kill();
        }
        let _ = self.server.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// Where `initdb` is: a Debian-like version directory, newest first, or the search path.
fn binaries() -> Option<PathBuf> {
    let version = |path: &PathBuf| {
        path.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse::<u32>().ok())
    };
    let mut versions: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    versions.sort_by_key(|path| std::cmp::Reverse(version(path)));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let all = versions.into_iter().map(|path| path.join("bin")).chain(std::env::split_paths(&path));
    all.into_iter().find(|path| path.join("initdb").is_file() && path.join("postgres").is_file())
}

/// A fresh directory of the server's owner. Its path is short, because a socket's must be.
fn directory() -> io::Result<PathBuf> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let name =
        format!("pg-{}-{}-{:x}", std::process::id(), COUNT.fetch_add(1, Relaxed), since.subsec_nanos());
    let directory = std::env::temp_dir().join(name);
    fs::create_dir(&directory)?;
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o700))?;
    if let Some((user, group)) = owner()? {
        chown(&directory, Some(user), Some(group))?;
    }
    Ok(directory)
}

fn as_owner(program: &Path, directory: &Path) -> io::Result<Command> {
    let mut command = Command::new(program);
    command.current_dir(directory).stdin(Stdio::null());
    // Out of our terminal's group: an interrupt reaches us, and we stop the server.
    command.process_group(0);
    if let Some((user, group)) = owner()? {
        command.uid(user).gid(group);
    }
    Ok(command)
}

/// Whom the server runs as when we are root, which it refuses to be.
fn owner() -> io::Result<Option<(u32, u32)>> {
    if fs::metadata("/proc/self").map_or_else(|_| 1, |own| own.uid()) != 0 {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd")?;
    let find = |name: &str| {
        users.lines().find_map(|line| {
            let mut fields = line.split(':');
            (fields.next() == Some(name)).then_some(())?;
            Some((fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?))
        })
    };
    let user = find("postgres").or_else(|| find("nobody"));
    user.map(Some).ok_or_else(|| io::Error::other("no user to run the server as"))
}
