//! Backends, the depot over them, and what the first start makes: an organization, its administrator's key and
//! account, and a storage provider for edge runners.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use appdepot::authorize::Actor;
use appdepot::authz::{Argon2Passwords, CasbinAuthorizer, Keys, Xacml};
use appdepot::blobs::BlobStore;
use appdepot::depot::{Limits, NewKey, NewUser};
use appdepot::domain::{Grant, Id, Organization, Role, StorageProvider, StorageService, Stored, Timestamp};
use appdepot::metadata::Extractor;
use appdepot::query::{Field, Op, Query};
use appdepot::records::RecordStore;
use appdepot::storage::{
    Durability, OpendalBlobs, OpendalProviders, PoolOptions, PostgresRecords, SqliteRecords,
};
use appdepot::vault::SealingKey;
use appdepot::{Depot, ErrorKind, secret};
use sha2::{Digest as _, Sha256};

use crate::Outcome;
use crate::config::{self, AdminKey, Blobs, Config, Database};

/// How large the icons of builds are that must be drawn, in pixels.
const ICON_EDGE: u32 = 192;
/// What the edge provider is called.
const EDGE_PROVIDER: &str = "default-edge";

/// A depot that is ready to serve.
pub(crate) struct Opened {
    /// The depot.
    pub(crate) depot: Depot,
    /// Who may call.
    pub(crate) keys: Arc<Keys>,
    /// What the first start made.
    pub(crate) news: Option<News>,
    /// The administrator's account, if it was made just now.
    pub(crate) account: Option<Account>,
}

/// What is told once of an account.
pub(crate) struct Account {
    email: String,
    /// The generated password; `None` when the operator chose one.
    password: Option<String>,
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "admin user {}", self.email)?;
        match &self.password {
            Some(password) => write!(f, "\nadmin password {password}\n  shown only now"),
            None => Ok(()),
        }
    }
}

/// What is told once, at the first start.
pub(crate) struct News {
    /// The organization that was made.
    pub(crate) organization: Stored<Organization>,
    /// The generated key; `None` when the operator chose one.
    admin_key: Option<String>,
    edge: Stored<StorageProvider>,
    edge_directory: PathBuf,
}

impl fmt::Display for News {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "organization {} {}", self.organization.slug, self.organization.id)?;
        if let Some(key) = &self.admin_key {
            writeln!(f, "admin key {key}")?;
            writeln!(
                f,
                "  shown only now; the whole text is the bearer token, and before and after the dot are"
            )?;
            writeln!(f, "  the client_id and client_secret of POST /oauth/token")?;
        }
        write!(f, "storage provider {} {} {}", self.edge.name, self.edge.id, self.edge_directory.display())?;
        write!(f, "\n  files put there can be registered with bucket {}", self.edge.bucket)
    }
}

/// Opens the backends and makes what is missing.
pub(crate) async fn open(config: &Config) -> Outcome<Opened> {
    create_private(&config.data)?;
    let durability = if config.flush { Durability::Full } else { Durability::Os };
    let records = open_records(config, durability).await?;
    let blobs = open_blobs(config, durability)?;
    let keys = Arc::new(Keys::new(Arc::clone(&records)));
    let authorizer = Arc::new(CasbinAuthorizer::new(Arc::clone(&records)));
    let inspector = Arc::new(Extractor::default().icons(ICON_EDGE));
    let passwords = Arc::new(Argon2Passwords::new());
    let storage = Arc::new(storage(config)?);
    let older = read_key(&config.data.join("providers.key.old"))?;
    let sealing_key = match &older {
        Some(older) => sealing_key(&config.data.join("providers.key"))?.or_older(older.clone()),
        None => sealing_key(&config.data.join("providers.key"))?,
    };
    let builder = || {
        Depot::builder()
            .limits(Limits { requests_per_address: config.requests_per_minute, ..Limits::default() })
            .storage(Arc::clone(&storage) as _, sealing_key.clone())
            .passwords(Arc::clone(&passwords) as _)
            .conditions(Arc::new(Xacml::new()))
            .records(Arc::clone(&records))
            .blobs(Arc::clone(&blobs))
            .authorizer(Arc::clone(&authorizer) as _)
            .inspector(Arc::clone(&inspector) as _)
    };

    // A storage provider belongs to an organization, so a depot without one has to make that first.
    let organization = organization(&builder().build(), &config.organization).await?;
    let (edge, edge_directory) = edge_provider(config, &organization);
    create_private(&edge_directory)?;
    let objects = Arc::new(OpendalBlobs::directory(&edge_directory, Durability::Os)?);
    let depot = builder().provider(edge.clone(), objects).build();
    // From here on the older key is not needed any more.
    if older.is_some() {
        depot.reseal().await?;
    }

    // The pages of a store are there from the start.
    depot.main_store(&Actor::system("server"), organization.id).await?;
    let admin_key = administrator(&depot, &organization, config.admin_key.as_ref()).await?;
    let account = match &config.admin {
        Some(admin) => account(&depot, &organization, admin).await?,
        None => None,
    };
    let news = match admin_key {
        Admin::There => None,
        Admin::Chosen => Some(None),
        Admin::Generated(key) => Some(Some(key)),
    };
    let news = news.map(|admin_key| News { organization, admin_key, edge, edge_directory });
    Ok(Opened { depot, keys, news, account })
}

async fn open_records(config: &Config, durability: Durability) -> Outcome<Arc<dyn RecordStore>> {
    Ok(match &config.database {
        Database::Sqlite => {
            let path = config.data.join("records.sqlite");
            Arc::new(
                SqliteRecords::open(path, durability).await.map_err(|error| explain("database", &error))?,
            )
        }
        Database::Postgres(url) => {
            let records = PostgresRecords::connect(url.reveal(), PoolOptions::default()).await;
            Arc::new(records.map_err(|error| explain("--database", &error))?)
        }
    })
}

fn open_blobs(config: &Config, durability: Durability) -> Outcome<Arc<dyn BlobStore>> {
    match &config.blobs {
        Blobs::Files => Ok(Arc::new(OpendalBlobs::directory(config.data.join("files"), durability)?)),
        Blobs::Memory => Ok(Arc::new(OpendalBlobs::memory()?)),
        #[cfg(feature = "s3")]
        Blobs::S3 { bucket, endpoint, region } => {
            let config = appdepot::storage::S3Config {
                bucket: bucket.clone(),
                endpoint: endpoint.clone(),
                region: region.clone(),
                ..Default::default()
            };
            Ok(Arc::new(OpendalBlobs::s3(config)?))
        }
        #[cfg(not(feature = "s3"))]
        Blobs::S3 { .. } => {
            Err("--blobs: this server was built without S3; build it with --features s3".into())
        }
    }
}

/// What organizations may keep files in: directories of their own, and the S3 services that were named.
fn storage(config: &Config) -> Outcome<OpendalProviders> {
    let root = config.data.join("providers");
    create_private(&root)?;
    let storage = OpendalProviders::new().directory(root);
    #[cfg(feature = "s3")]
    let storage = config.storage_endpoints.iter().fold(storage, OpendalProviders::endpoint);
    #[cfg(not(feature = "s3"))]
    if !config.storage_endpoints.is_empty() {
        return Err("--storage-endpoints: this server was built without S3".into());
    }
    Ok(storage)
}

/// The key that credentials are sealed with. Made at the first start, for the server's own account only; without it
/// they cannot be read again, so it belongs into every backup of the records, and beside none of them.
fn sealing_key(path: &Path) -> Outcome<SealingKey> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    if let Some(kept) = read_key(path)? {
        return Ok(kept);
    }
    let fail = |error: &dyn fmt::Display| format!("{}: {error}", path.display());
    let bytes = SealingKey::generate()?;
    let made = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = made.map_err(|error| fail(&error))?;
    file.write_all(&bytes).and_then(|()| file.sync_all()).map_err(|error| fail(&error))?;
    Ok(SealingKey::new(&bytes))
}

/// The key in a file, if there is one.
fn read_key(path: &Path) -> Outcome<Option<SealingKey>> {
    let fail = |error: &dyn fmt::Display| format!("{}: {error}", path.display());
    match std::fs::read(path) {
        Ok(bytes) => {
            let bytes = bytes.try_into().map_err(|_| fail(&"not a key of 32 bytes"))?;
            Ok(Some(SealingKey::new(&bytes)))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(fail(&error).into()),
    }
}

async fn organization(depot: &Depot, slug: &str) -> Outcome<Stored<Organization>> {
    let system = Actor::system("server");
    match depot.organization(&system, slug).await {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let made = depot.create_organization(&system, slug, slug).await;
            Ok(made.map_err(|error| format!("--organization {slug}: {error}"))?)
        }
        other => Ok(other?),
    }
}

/// A directory of the organization below the data directory. Its id is made of the organization's, so it stays
/// the same without being kept anywhere.
fn edge_provider(config: &Config, organization: &Stored<Organization>) -> (Stored<StorageProvider>, PathBuf) {
    let digest = Sha256::digest(format!("{EDGE_PROVIDER}/{}", organization.id));
    let mut id = [0; 12];
    id.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    let provider = StorageProvider {
        name: EDGE_PROVIDER.to_owned(),
        region: "local".to_owned(),
        bucket: organization.slug.clone(),
        service: StorageService::Embedded,
        credentials: None,
    };
    let provider =
        Stored { id: Id::from_bytes(id), ..Stored::new(organization.id, provider, Timestamp::now()) };
    (provider, config.data.join("edge").join(&organization.slug))
}

enum Admin {
    There,
    Chosen,
    Generated(String),
}

/// Makes sure that somebody owns the organization.
async fn administrator(
    depot: &Depot,
    organization: &Stored<Organization>,
    chosen: Option<&AdminKey>,
) -> Outcome<Admin> {
    let system = Actor::system("server");
    let owners =
        Query::of::<Grant>(organization.id).filter(Field::parse("role")?, Op::Eq(Role::OWNER.into()));
    let owned = !depot.grants(&system, owners.limit(1)).await?.items.is_empty();
    let new = NewKey::new(organization.id, "administrator");
    let (subject, made) = match chosen {
        Some(key) => {
            let text = format!("{}.{}", key.id, key.secret.reveal());
            let key = depot.import_key(&system, &text, new).await;
            let key = key.map_err(|error| format!("--admin-key: {error}"))?;
            (key.subject()?, if owned { Admin::There } else { Admin::Chosen })
        }
        None if owned => return Ok(Admin::There),
        None => {
            let key = depot.create_key(&system, new).await?;
            (key.subject, Admin::Generated(key.text))
        }
    };
    depot.grant(&system, organization.id, subject, Role::parse(Role::OWNER)?, None).await?;
    Ok(made)
}

/// Makes sure that there is the administrator's account. Once they signed in, it is theirs: neither their password nor
/// their role is touched again.
async fn account(
    depot: &Depot,
    organization: &Stored<Organization>,
    admin: &config::Admin,
) -> Outcome<Option<Account>> {
    let system = Actor::system("server");
    let explain = |error: appdepot::Error| format!("--admin-email, --admin-password: {error}");
    let (user, made) = match depot.user(&system, organization.id, &admin.email).await {
        Ok(user) => (user, false),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let new = NewUser { email: admin.email.clone(), ..NewUser::default() };
            (depot.create_user(&system, organization.id, new).await.map_err(explain)?, true)
        }
        Err(error) => return Err(explain(error).into()),
    };
    if user.signed_in_at.is_some() {
        return Ok(None);
    }
    depot.grant(&system, organization.id, user.id.into(), Role::parse(Role::OWNER)?, None).await?;
    let password = match &admin.password {
        Some(chosen) => {
            let set = depot.set_password(&system, organization.id, user.id, chosen.reveal()).await;
            set.map_err(explain)?;
            None
        }
        None if made => {
            let password = secret::random()?;
            depot.set_password(&system, organization.id, user.id, &password).await?;
            Some(password)
        }
        None => return Ok(None),
    };
    Ok(made.then(|| Account { email: admin.email.clone(), password }))
}

/// Makes a directory that only this user can read.
fn create_private(path: &Path) -> Outcome {
    use std::os::unix::fs::DirBuilderExt as _;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    Ok(made.map_err(|error| format!("{}: {error}", path.display()))?)
}

/// The error with its cause: the operator may know both.
fn explain(what: &str, error: &appdepot::Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{what}: {error}: {cause}"),
        None => format!("{what}: {error}"),
    }
}
