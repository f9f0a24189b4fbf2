//! Storage providers: where organizations keep files outside the depot's own blobs.

use std::sync::Arc;

use crate::authorize::{Actor, Target, permission};
use crate::blobs::{BlobKey, BlobStore};
use crate::domain::{
    App, Asset, Entity as _, Id, Organization, Revision, StorageProvider, StorageService, Stored, check_text,
};
use crate::error::{Error, ErrorKind, Result};
use crate::query::{Field, Op, Query, Sort};
use crate::records::Batch;
use crate::storage_factory::Credentials;
use crate::vault::SealingKey;

use super::Depot;

/// What a storage provider should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewStorageProvider {
    /// What people call it, 1 to 128 characters.
    pub name: String,
    /// Where it is: at most 32 lower-case letters, digits and hyphens.
    pub region: String,
    /// The bucket: 3 to 63 lower-case letters, digits, dots and hyphens.
    pub bucket: String,
    /// What is spoken there.
    pub service: StorageService,
    /// What it is opened with.
    pub credentials: Option<Credentials>,
}

/// What to change of a storage provider; `None` leaves as is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct StorageProviderChange {
    pub name: Option<String>,
    pub region: Option<String>,
    pub bucket: Option<String>,
    pub service: Option<StorageService>,
    pub credentials: Option<Credentials>,
}

impl Depot {
    /// The storage providers that the organization may register objects from, by name; those of the embedder
    /// first. Whoever may list assets may know where they lie.
    ///
    /// # Errors
    /// See [`Depot`].
    pub async fn storage_providers(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
    ) -> Result<Vec<Stored<StorageProvider>>> {
        self.authorize(actor, permission::ASSET_LIST, Target::organization(organization)).await?;
        let embedded = self.0.providers.values().map(|(provider, _)| provider);
        let mut all: Vec<_> =
            embedded.filter(|provider| provider.organization == organization).cloned().collect();
        let kept = Query::of::<StorageProvider>(organization).sort(Sort::ascending(Field::parse("name")?));
        all.extend(self.list_all(kept).await?);
        Ok(all)
    }

    /// Makes a storage provider. It is opened, and nobody is asked; see
    /// [`test_storage_provider`](Self::test_storage_provider).
    ///
    /// # Errors
    /// `Invalid`, also for a place that the embedder does not allow; `Conflict(Taken)` for a used name;
    /// `Unsupported` in a depot that opens none.
    pub async fn create_storage_provider(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        new: NewStorageProvider,
    ) -> Result<Stored<StorageProvider>> {
        self.authorize(actor, permission::PROVIDER_CREATE, Target::organization(organization)).await?;
        let NewStorageProvider { name, region, bucket, service, credentials } = new;
        let value = StorageProvider { name, region, bucket, service, credentials: None };
        let mut stored = Stored::new(organization, value, self.now());
        self.fit(&mut stored, credentials.as_ref())?;
        self.insert(actor, "storageProvider.create", stored).await
    }

    /// Changes a storage provider. Without credentials it keeps those that it has. With an `expected` revision,
    /// only if that is the stored one.
    ///
    /// # Errors
    /// `NotFound(storage provider)`, also for one of the embedder; `Conflict` for another place while assets lie in
    /// it; `Conflict(Stale)`; `Conflict(Taken)` for a used name; `Invalid`.
    pub async fn update_storage_provider(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        id: Id<StorageProvider>,
        expected: Option<Revision>,
        change: StorageProviderChange,
    ) -> Result<Stored<StorageProvider>> {
        self.authorize(actor, permission::PROVIDER_UPDATE, Target::organization(organization)).await?;
        self.commit_made(|| async {
            let stored: Stored<StorageProvider> = self.load(organization, id).await?;
            stored.check_revision(expected)?;
            let mut value = stored.value.clone();
            let StorageProviderChange { name, region, bucket, service, credentials } = change.clone();
            value.name = name.unwrap_or(value.name);
            value.region = region.unwrap_or(value.region);
            value.bucket = bucket.unwrap_or(value.bucket);
            value.service = service.unwrap_or(value.service);
            let mut next = stored.changed(value, self.now());
            if !same_place(&stored, &next) {
                self.check_unused(&stored).await?;
            }
            self.fit(&mut next, credentials.as_ref())?;
            let mut batch = Batch::new();
            batch.update(&next)?;
            batch.events.push(self.event(actor, "storageProvider.update", &next));
            Ok((batch, next))
        })
        .await
    }

    /// Asks a storage provider for an object. There need not be one; it has to answer.
    ///
    /// # Errors
    /// `NotFound(storage provider)`; `Invalid` when it does not answer, or refuses the credentials.
    pub async fn test_storage_provider(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        id: Id<StorageProvider>,
    ) -> Result<()> {
        self.authorize(actor, permission::PROVIDER_UPDATE, Target::organization(organization)).await?;
        let (_, objects) = self.storage_provider(organization, id).await?;
        match objects.stat(&BlobKey::foreign("appdepot-test")?).await {
            Err(error) if error.kind() == ErrorKind::Unavailable => {
                Err(Error::invalid("storageProvider", "does not answer, or refuses the credentials")
                    .with_source(error))
            }
            other => other.map(|_| ()),
        }
    }

    /// Seals anew what only an older key opens, and says of how many storage providers. Upkeep, after the embedder
    /// changed the key ([`SealingKey::or_older`](crate::vault::SealingKey::or_older)). Safe to run at any time, several
    /// at once, and to interrupt.
    ///
    /// # Errors
    /// `Unsupported` in a depot that opens no storage providers; `Internal` when none of the keys opens one;
    /// `Unavailable`. What was done stays done.
    pub async fn reseal(&self) -> Result<u64> {
        let (_, key) = self.storage()?;
        let mut resealed = 0;
        for organization in self.list_all::<Organization>(Query::of::<Organization>(Id::NIL)).await? {
            let all = Query::of::<StorageProvider>(organization.id);
            for stored in self.list_all::<StorageProvider>(all).await? {
                resealed += u64::from(self.reseal_one(key, stored).await?);
            }
        }
        Ok(resealed)
    }

    async fn reseal_one(&self, key: &SealingKey, stored: Stored<StorageProvider>) -> Result<bool> {
        self.commit_made(|| async {
            let mut batch = Batch::new();
            let stored = self.find::<StorageProvider>(stored.organization, stored.id).await?;
            let Some(stored) = stored else { return Ok((batch, false)) };
            let context = context(&stored);
            let outdated = stored.credentials.as_ref().filter(|sealed| key.is_outdated(sealed, &context));
            let Some(sealed) = outdated else { return Ok((batch, false)) };
            let credentials = Some(key.seal(&key.open(sealed, &context)?, &context)?);
            let value = StorageProvider { credentials, ..stored.value.clone() };
            batch.update(&Stored { value, revision: stored.revision + 1, ..stored.clone() })?;
            Ok((batch, true))
        })
        .await
    }

    /// Removes a storage provider in which no asset lies and that no app names. Its objects stay.
    ///
    /// # Errors
    /// `NotFound(storage provider)`, also for one of the embedder; `Conflict` with the number of assets in it, or of
    /// apps that name it.
    pub async fn remove_storage_provider(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        id: Id<StorageProvider>,
    ) -> Result<()> {
        self.authorize(actor, permission::PROVIDER_REMOVE, Target::organization(organization)).await?;
        self.commit_made(|| async {
            let stored: Stored<StorageProvider> = self.load(organization, id).await?;
            self.check_unused(&stored).await?;
            self.check_unnamed(&stored).await?;
            let mut batch = Batch::new();
            batch.delete(&stored);
            batch.events.push(self.event(actor, "storageProvider.remove", &stored));
            Ok((batch, ()))
        })
        .await
    }

    /// A storage provider of the organization, and its objects.
    pub(super) async fn storage_provider(
        &self,
        organization: Id<Organization>,
        id: Id<StorageProvider>,
    ) -> Result<(Stored<StorageProvider>, Arc<dyn BlobStore>)> {
        if let Some((provider, objects)) = self.0.providers.get(&id) {
            let own = provider.organization == organization;
            own.then_some(()).ok_or_else(|| Error::not_found(StorageProvider::NAME))?;
            return Ok((provider.clone(), Arc::clone(objects)));
        }
        let stored: Stored<StorageProvider> = self.load(organization, id).await?;
        let (factory, key) = self.storage()?;
        let credentials = match &stored.credentials {
            Some(sealed) => Credentials::from_text(&key.open(sealed, &context(&stored))?),
            None => None,
        };
        let objects = factory.open(organization, &stored, credentials.as_ref())?;
        Ok((stored, objects))
    }

    /// Writes the provider again, as it is, so that it neither goes nor moves at the same time.
    pub(super) async fn hold_storage_provider(
        &self,
        batch: &mut Batch,
        provider: &Stored<StorageProvider>,
    ) -> Result<()> {
        if self.0.providers.contains_key(&provider.id) {
            return Ok(());
        }
        let stored = self.load(provider.organization, provider.id).await?;
        if !same_place(&stored, provider) {
            return Err(Error::new(ErrorKind::Conflict, "the storage provider moved meanwhile"));
        }
        batch.update(&Stored { revision: stored.revision + 1, ..stored })
    }

    fn storage(&self) -> Result<(&Arc<dyn crate::storage_factory::StorageFactory>, &SealingKey)> {
        let (factory, key) = self
            .0
            .storage
            .as_ref()
            .ok_or_else(|| Error::new(ErrorKind::Unsupported, "this depot opens no storage providers"))?;
        Ok((factory, key))
    }

    /// Checks what is said of a provider, seals new credentials into it, and opens it to see that it can be.
    fn fit(&self, provider: &mut Stored<StorageProvider>, credentials: Option<&Credentials>) -> Result<()> {
        let (factory, key) = self.storage()?;
        check(provider)?;
        let context = context(provider);
        if let Some(credentials) = credentials {
            credentials.check()?;
            provider.value.credentials = Some(key.seal(&credentials.to_text(), &context)?);
        }
        let kept = match (&provider.credentials, credentials) {
            (Some(sealed), None) => Credentials::from_text(&key.open(sealed, &context)?),
            _ => None,
        };
        factory.open(provider.organization, provider, credentials.or(kept.as_ref())).map(|_| ())
    }

    async fn check_unused(&self, provider: &Stored<StorageProvider>) -> Result<()> {
        let inside = Query::of::<Asset>(provider.organization);
        let count = self.count(inside, "content.location.provider.provider", provider).await?;
        if count == 0 { Ok(()) } else { Err(in_use(count, "assets")) }
    }

    async fn check_unnamed(&self, provider: &Stored<StorageProvider>) -> Result<()> {
        let naming = Query::of::<App>(provider.organization);
        let count = self.count(naming, "configuration.storageProvider", provider).await?;
        if count == 0 { Ok(()) } else { Err(in_use(count, "apps")) }
    }

    /// How many records say this provider in a field.
    async fn count(&self, of: Query, path: &str, provider: &Stored<StorageProvider>) -> Result<u64> {
        let query = of.filter(Field::parse(path)?, Op::Eq(provider.id.into())).limit(1).counted();
        Ok(self.0.records.list(&query).await?.total.unwrap_or_default())
    }
}

fn in_use(count: u64, by: &str) -> Error {
    Error::new(ErrorKind::Conflict, format!("the storage provider is in use by {count} {by}"))
}

/// What sealed credentials are bound to.
fn context(provider: &Stored<StorageProvider>) -> String {
    format!("{}/{}", provider.organization, provider.id)
}

fn same_place(one: &StorageProvider, other: &StorageProvider) -> bool {
    (&one.service, &one.bucket) == (&other.service, &other.bucket)
}

/// The characters are few because a bucket and a region become parts of host names and paths.
fn check(provider: &StorageProvider) -> Result<()> {
    check_text("name", &provider.name, 128)?;
    let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
    let region = &provider.region;
    if region.len() > 32 || !region.bytes().all(|c| plain(c) || c == b'-') {
        return Err(Error::invalid("region", "at most 32 lower-case letters, digits and hyphens"));
    }
    let bucket = provider.bucket.as_bytes();
    let ends = bucket.first().copied().is_some_and(plain) && bucket.last().copied().is_some_and(plain);
    let inner = bucket.iter().all(|c| plain(*c) || b".-".contains(c));
    let doubled = provider.bucket.contains("..") || provider.bucket.contains("--");
    if !(3..=63).contains(&bucket.len()) || !ends || !inner || doubled {
        return Err(Error::invalid(
            "bucket",
            "3 to 63 lower-case letters, digits, and single dots and hyphens between them",
        ));
    }
    Ok(())
}
