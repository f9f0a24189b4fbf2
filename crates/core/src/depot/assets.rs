//! Files and links: take in, change, replace, remove.

use crate::authorize::{Actor, Target, permission};
use crate::blobs::{BlobKey, BlobSource, ByteRange, ByteStream};
use crate::domain::{
    Access, Asset, AssetClass, Content, Extra, File, Id, Location, Organization, Reference, Revision,
    StorageProvider, Stored, check_optional_text, check_text, check_url,
};
use crate::error::{Error, ErrorKind, Result};
use crate::records::Batch;

use super::bytes::describe;
use super::change::check_word;
use super::describe::{class_of, is_media_type, show_name};
use super::ends::EndsSource;
use super::measure::Measure;
use super::{Depot, check_extra};

/// What is said about a new file or link.
#[derive(Debug, Clone, PartialEq)]
pub struct NewAsset {
    /// What people call it, at most 256 characters; empty for the file's name.
    pub name: String,
    /// Free text, at most 1000 characters.
    pub description: String,
    /// An id the client chooses: 1 to 64 letters, digits, `_` or `-`.
    pub alias: Option<String>,
    /// Who may fetch the bytes.
    pub access: Access,
    /// What it belongs to in other systems.
    pub references: Vec<Reference>,
    /// The part of the organization it belongs to; 0 is all of it.
    pub segment: u64,
    /// Whether child organizations see it.
    pub expose_to_children: bool,
    /// Attributes to keep, at most 64 KiB of JSON.
    pub extra: Extra,
}

impl Default for NewAsset {
    fn default() -> Self {
        Self {
            name: String::new(),
            description: String::new(),
            alias: None,
            access: Access::Private,
            references: Vec::new(),
            segment: 0,
            expose_to_children: false,
            extra: Extra::new(),
        }
    }
}

/// A file that comes in.
#[derive(Default)]
pub struct NewFile {
    /// The name it comes with. Only its last component is kept, and only for showing.
    pub file_name: String,
    /// Its declared media type; without one, the extension's.
    pub media_type: Option<String>,
    /// The largest length in bytes, if smaller than the depot's own limit.
    pub limit: Option<u64>,
    /// A last look at what was learnt, before the file becomes visible.
    pub accept: Option<Accept>,
}

/// Looks at a measured and inspected file. May refuse it, which leaves nothing behind, or add what became known
/// only after its bytes: forms often have fields after their file.
pub type Accept = Box<dyn FnOnce(&File) -> Result<AssetChange> + Send>;

/// An object that is already in a storage provider of the organization.
pub struct ForeignObject {
    /// Which provider.
    pub provider: Id<StorageProvider>,
    /// The bucket, which must be the provider's.
    pub bucket: String,
    /// The object's key.
    pub key: String,
    /// Its length in bytes, as claimed.
    pub length: u64,
    /// Its checksum as claimed: SHA-256 in hexadecimal, with or without the prefix `sha256:`.
    pub checksum: String,
    /// Name, media type and last look.
    pub file: NewFile,
}

/// What to change of an asset; `None` leaves as is.
#[derive(Debug, Clone, Default, PartialEq)]
#[allow(missing_docs)]
pub struct AssetChange {
    pub name: Option<String>,
    pub description: Option<String>,
    pub references: Option<Vec<Reference>>,
    pub segment: Option<u64>,
    pub expose_to_children: Option<bool>,
    pub extra: Option<Extra>,
    pub file_name: Option<String>,
    pub media_type: Option<String>,
    /// The address of a link; a file has none.
    pub url: Option<String>,
}

impl Depot {
    /// Takes a file in, in one pass: hashed, measured and limited while it is stored, then inspected.
    ///
    /// # Errors
    /// `Invalid` for bad attributes or an empty file, `TooLarge`, `Conflict(Taken)` for a used alias, and what
    /// `body` or [`NewFile::accept`] answer. Whatever fails, neither record nor bytes remain.
    pub async fn upload(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        new: NewAsset,
        file: NewFile,
        body: ByteStream,
    ) -> Result<Stored<Asset>> {
        let target = Target::organization(organization);
        self.authorize_within_vendor(actor, permission::ASSET_CREATE, target).await?;
        self.check_new(organization, &new).await?;
        let id = Id::generate();
        let (blob, file, late) = self.receive(organization, id, &*self.0.inspector, file, body).await?;
        // The grant may have gone while the bytes came.
        let again = self.authorize_within_vendor(actor, permission::ASSET_CREATE, target).await;
        let made = again.and_then(|()| {
            let mut asset = new.into_asset(actor, Content::File(Box::new(file)));
            late.apply(&mut asset)?;
            let stored = Stored { id, ..Stored::new(organization, asset, self.now()) };
            let mut batch = Batch::new();
            batch.insert(&stored)?;
            batch.events.push(self.event(actor, "asset.create", &stored));
            Ok((stored, batch))
        });
        let (stored, batch) = match made {
            Ok(made) => made,
            Err(error) => return Err(self.discard(blob, error).await),
        };
        self.make_ready(blob, batch).await?;
        Ok(stored)
    }

    /// Keeps an address elsewhere. It is never fetched.
    ///
    /// # Errors
    /// `Invalid` unless it is an `http` or `https` URL without credentials, of at most 2048 bytes.
    pub async fn link(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        new: NewAsset,
        url: &str,
    ) -> Result<Stored<Asset>> {
        let target = Target::organization(organization);
        self.authorize_within_vendor(actor, permission::ASSET_CREATE, target).await?;
        check_url("url", url)?;
        self.check_new(organization, &new).await?;
        let asset = new.into_asset(actor, Content::Link { url: url.to_owned() });
        self.insert(actor, "asset.create", Stored::new(organization, asset, self.now())).await
    }

    /// Keeps a record of an object that is already in a storage provider of the organization. Its length and
    /// checksum are verified, and it is inspected where it lies.
    ///
    /// # Errors
    /// `NotFound(storage provider)` for one that is not the organization's, `NotFound(object)`, `Invalid` for a
    /// bucket, key, length or checksum that is not the object's, and what [`NewFile::accept`] answers.
    pub async fn register(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        new: NewAsset,
        object: ForeignObject,
    ) -> Result<Stored<Asset>> {
        self.authorize(actor, permission::ASSET_CREATE, Target::organization(organization)).await?;
        self.check_new(organization, &new).await?;
        let (provider, objects) = self.storage_provider(organization, object.provider).await?;
        if object.bucket != provider.bucket {
            return Err(Error::invalid("bucket", "not the storage provider's bucket"));
        }
        let key = BlobKey::foreign(&object.key)?;
        let claimed = claimed_sha256(&object.checksum)?;
        let length = objects.stat(&key).await?.ok_or_else(|| Error::not_found("object"))?;
        if length != object.length {
            return Err(Error::invalid("size", format!("the object has {length} bytes")));
        }
        let (length, sha256, ends) = {
            let measure = Measure::default();
            let stream = objects.get(&key, ByteRange::FULL).await?;
            let mut measured = measure.stream(stream, self.upload_limit(&object.file));
            while futures::TryStreamExt::try_next(&mut measured).await?.is_some() {}
            drop(measured);
            measure.finish()
        };
        if length != object.length {
            return Err(Error::invalid("size", "the object changed while it was read"));
        }
        if sha256 != claimed {
            return Err(Error::invalid("checksum", "not the SHA-256 of the object"));
        }
        let location = Location::Provider { provider: provider.id, key: object.key };
        let source = EndsSource { ends: &ends, rest: BlobSource::new(&*objects, &key, length) };
        let measured = (location, length, sha256);
        let (file, late) = describe(object.file, measured, &*self.0.inspector, &source).await?;
        let mut asset = new.into_asset(actor, Content::File(Box::new(file)));
        late.apply(&mut asset)?;
        let stored = Stored::new(organization, asset, self.now());
        let registered = self.commit_made(|| async {
            let mut batch = Batch::new();
            batch.insert(&stored)?;
            self.hold_storage_provider(&mut batch, &provider).await?;
            batch.events.push(self.event(actor, "asset.create", &stored));
            Ok((batch, ()))
        });
        registered.await.map(|()| stored)
    }

    /// Changes what is said about an asset. With an `expected` revision, only if that is the stored one.
    ///
    /// # Errors
    /// `Conflict(Stale)`; `Invalid` for bad attributes.
    pub async fn update_asset(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        id: Id<Asset>,
        expected: Option<Revision>,
        change: AssetChange,
    ) -> Result<Stored<Asset>> {
        let stored = self.permitted_asset(actor, permission::ASSET_UPDATE, organization, id).await?;
        self.update(actor, "asset.update", stored, expected, |asset| change.apply(asset)).await
    }

    /// Puts another file in the place of an asset's. The old bytes go once the new ones are there.
    ///
    /// # Errors
    /// As [`Depot::upload`]; `Conflict(Stale)`; `Conflict` for the package of a release, which never changes;
    /// `Invalid` for a link.
    #[expect(clippy::too_many_arguments, reason = "who, what, which version, how it changes, and the bytes")]
    pub async fn replace_file(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        id: Id<Asset>,
        expected: Option<Revision>,
        change: AssetChange,
        file: NewFile,
        body: ByteStream,
    ) -> Result<Stored<Asset>> {
        let stored = self.permitted_asset(actor, permission::ASSET_UPDATE, organization, id).await?;
        let target = Target { organization, app: stored.app };
        stored.check_revision(expected)?;
        if stored.release.is_some() {
            return Err(Error::new(ErrorKind::Conflict, "the package of a release never changes"));
        }
        if stored.file().is_none() {
            return Err(Error::invalid("content", "a link has no file to replace"));
        }
        let mut asset = stored.value.clone();
        change.apply(&mut asset)?;
        let (blob, file, late) = self.receive(organization, id, &*self.0.inspector, file, body).await?;
        let again = self.authorize_within_vendor(actor, permission::ASSET_UPDATE, target).await;
        let old = match again {
            Ok(()) => self.doomed(&stored).await,
            Err(error) => Err(error),
        };
        let made = old.and_then(|old| {
            asset.class = class_of(&file);
            asset.content = Content::File(Box::new(file));
            late.apply(&mut asset)?;
            let next = stored.changed(asset, self.now());
            let mut batch = Batch::new();
            batch.update(&next)?;
            if let Some(old) = &old {
                batch.update(old)?;
            }
            batch.events.push(self.event(actor, "asset.replace", &next));
            Ok((next, old, batch))
        });
        let (next, old, batch) = match made {
            Ok(made) => made,
            Err(error) => return Err(self.discard(blob, error).await),
        };
        self.make_ready(blob, batch).await?;
        if let Some(old) = old {
            self.erase(&old).await;
        }
        Ok(next)
    }

    /// Removes an asset and its bytes. Bytes in a storage provider stay: they are not ours.
    ///
    /// # Errors
    /// `Conflict` for the package of a release.
    pub async fn remove_asset(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        id: Id<Asset>,
    ) -> Result<()> {
        let stored = self.permitted_asset(actor, permission::ASSET_REMOVE, organization, id).await?;
        if stored.release.is_some() {
            return Err(Error::new(ErrorKind::Conflict, "the asset is the package of a release"));
        }
        let mut batch = Batch::new();
        batch.delete(&stored);
        let blob = self.doomed(&stored).await?;
        if let Some(blob) = &blob {
            batch.update(blob)?;
        }
        batch.events.push(self.event(actor, "asset.remove", &stored));
        self.commit(batch).await?;
        if let Some(blob) = blob {
            self.erase(&blob).await;
        }
        Ok(())
    }

    async fn check_new(&self, organization: Id<Organization>, new: &NewAsset) -> Result<()> {
        new.check()?;
        self.check_free::<Asset>(organization, "alias", new.alias.as_deref()).await
    }
}

impl NewAsset {
    pub(super) fn check(&self) -> Result<()> {
        check_optional_text("name", &self.name, 256)?;
        check_optional_text("description", &self.description, 1_000)?;
        if let Some(alias) = &self.alias {
            check_word("id", alias)?;
        }
        check_references(&self.references)?;
        check_extra("extra", &self.extra)
    }

    pub(super) fn into_asset(self, actor: &Actor, content: Content) -> Asset {
        let (class, fallback) = match &content {
            Content::File(file) => (class_of(file), file.file_name.clone()),
            Content::Link { url } => (AssetClass::Other, url.chars().take(256).collect()),
        };
        Asset {
            name: if self.name.trim().is_empty() { fallback } else { self.name },
            description: self.description,
            alias: self.alias,
            access: self.access,
            content,
            class,
            references: distinct(self.references),
            segment: self.segment,
            expose_to_children: self.expose_to_children,
            extra: self.extra,
            vendor: actor.vendor.clone(),
            uploaded_by: actor.person.clone(),
            app: None,
            release: None,
        }
    }
}

impl AssetChange {
    pub(super) fn apply(&self, asset: &mut Asset) -> Result<()> {
        if let Some(name) = &self.name {
            check_text("name", name, 256)?;
            asset.name.clone_from(name);
        }
        if let Some(description) = &self.description {
            check_optional_text("description", description, 1_000)?;
            asset.description.clone_from(description);
        }
        if let Some(references) = &self.references {
            check_references(references)?;
            asset.references = distinct(references.clone());
        }
        if let Some(segment) = self.segment {
            asset.segment = segment;
        }
        if let Some(expose) = self.expose_to_children {
            asset.expose_to_children = expose;
        }
        if let Some(extra) = &self.extra {
            check_extra("extra", extra)?;
            asset.extra.clone_from(extra);
        }
        if let Some(new) = &self.url {
            let Content::Link { url } = &mut asset.content else {
                return Err(Error::invalid("url", "a file has no address to change"));
            };
            check_url("url", new)?;
            url.clone_from(new);
        }
        if let Content::File(file) = &mut asset.content {
            if let Some(name) = &self.file_name {
                file.file_name = show_name(name);
            }
            if let Some(media_type) = &self.media_type {
                if !is_media_type(media_type) {
                    return Err(Error::invalid("mediaType", "not a media type"));
                }
                file.media_type.clone_from(media_type);
            }
        }
        Ok(())
    }
}

/// The most references one asset may have.
const REFERENCES: usize = 100;

fn check_references(references: &[Reference]) -> Result<()> {
    if references.len() > REFERENCES {
        return Err(Error::invalid("references", format!("more than {REFERENCES}")));
    }
    references.iter().try_for_each(|reference| {
        check_text("references.type", &reference.kind, 128)?;
        check_text("references.id", &reference.id, 128)
    })
}

fn distinct(references: Vec<Reference>) -> Vec<Reference> {
    let mut seen = std::collections::BTreeSet::new();
    references.into_iter().filter(|r| seen.insert((r.kind.clone(), r.id.clone()))).collect()
}

fn claimed_sha256(checksum: &str) -> Result<String> {
    let hex = checksum.strip_prefix("sha256:").unwrap_or(checksum).to_ascii_lowercase();
    if hex.len() == 64 && hex.bytes().all(|c| c.is_ascii_hexdigit()) {
        return Ok(hex);
    }
    Err(Error::invalid("checksum", "not a SHA-256 in hexadecimal"))
}
