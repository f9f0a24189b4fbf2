//! Builds: packages that come in for an app and are read later.

use crate::authorize::{Actor, permission};
use crate::blobs::ByteStream;
use crate::domain::{
    App, Asset, Build, BuildNotes, BuildStatus, Content, Entity as _, File, Id, Job, Organization, Stored,
    check_optional_text, check_text,
};
use crate::error::{Detail, Error, ErrorKind, Result};
use crate::inspect::{NoInspector, Platform};
use crate::query::{Field, Op, Page, Query, Sort};
use crate::records::Batch;

use super::assets::{NewAsset, NewFile};
use super::enclosures::Enclosure;
use super::releases::Unless;
use super::{Depot, check_extra, on_app};

/// The most files attached to one build.
const FILES: usize = 20;

/// What is said of a new build.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NewBuild {
    /// What people call its version, at most 256 characters; the package's version when absent.
    pub version: Option<String>,
    /// Where it runs, for packages that do not say.
    pub platform: Option<Platform>,
    /// The picture to show where the package has none.
    pub icon: Option<Enclosure>,
    /// Files that come with it, at most 20.
    pub files: Vec<Enclosure>,
    /// Everything else.
    pub notes: BuildNotes,
}

/// Says what a build is, once its bytes are there: forms often have fields after their file. May refuse it, which
/// leaves nothing behind.
pub type DescribeBuild = Box<dyn FnOnce(&File) -> Result<NewBuild> + Send>;

impl Depot {
    /// Takes in a package for an app. It waits for [`Depot::process_build`] to become a release.
    ///
    /// Rights on the app are enough.
    ///
    /// # Errors
    /// As [`Depot::upload`], and what `describe` answers; `NotFound` for a file enclosed for another app. Whatever
    /// fails, neither record nor bytes remain, enclosed files among them once `describe` has named them.
    pub async fn create_build(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        app: Id<App>,
        file: NewFile,
        body: ByteStream,
        describe: DescribeBuild,
    ) -> Result<Stored<Build>> {
        let app: Stored<App> = self.load(organization, app).await?;
        self.authorize(actor, permission::RELEASE_CREATE, on_app(&app)).await?;
        let id = Id::generate();
        let (blob, file, _) = self.receive(organization, id, &NoInspector, file, body).await?;
        // The grant may have gone while the bytes came.
        let again = self.authorize(actor, permission::RELEASE_CREATE, on_app(&app)).await;
        let new = match again.and_then(|()| describe(&file)) {
            Ok(new) => new,
            Err(error) => return Err(self.discard(blob, error).await),
        };
        let enclosures: Vec<Enclosure> = new.icon.iter().chain(&new.files).cloned().collect();
        let made = self.new_build(actor, &app, id, file, new);
        let error = match made {
            Err(error) => self.discard(blob, error).await,
            Ok((stored, batch)) => match self.make_ready(blob, batch).await {
                Ok(()) => return Ok(stored),
                Err(error) => error,
            },
        };
        // Whether the last commit took effect may be unknown; the sweep finds out.
        if !matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Internal) {
            self.withdraw(enclosures).await;
        }
        if error.kind() == ErrorKind::Conflict {
            self.load::<App>(organization, app.id).await?;
        }
        Err(error)
    }

    /// A new build with the asset of its package, its files and the job to read it, as one batch.
    fn new_build(
        &self,
        actor: &Actor,
        app: &Stored<App>,
        id: Id<Asset>,
        file: File,
        new: NewBuild,
    ) -> Result<(Stored<Build>, Batch)> {
        new.check(app)?;
        let (organization, now) = (app.organization, self.now());
        let build = Build {
            app: app.id,
            asset: id,
            status: BuildStatus::Pending,
            problem: None,
            started_at: None,
            finished_at: None,
            version: new.version,
            version_code: None,
            platform: new.platform,
            notes: new.notes,
            uploaded_by: actor.person.clone(),
            icon: new.icon.as_ref().map(|icon| icon.asset),
            files: new.files.iter().map(|file| file.asset).collect(),
        };
        let stored = Stored::new(organization, build, now);
        let release = Build::release(stored.id);
        let mut asset = NewAsset::default().into_asset(actor, Content::File(Box::new(file)));
        asset.app = Some(app.id);
        asset.release = Some(release);
        let job = Job { organization, due: now, attempts: 0 };
        let mut batch = Batch::new();
        batch.insert(&stored)?;
        batch.insert(&Stored { id, ..Stored::new(organization, asset, now) })?;
        batch.insert(&Stored { id: stored.id.cast(), ..Stored::new(Id::NIL, job, now) })?;
        for enclosure in new.icon.iter().chain(&new.files) {
            self.unpack(actor, &mut batch, enclosure, release)?;
        }
        batch.require(organization, app.id);
        batch.events.push(self.event(actor, "build.create", &stored));
        Ok((stored, batch))
    }

    /// A build.
    ///
    /// # Errors
    /// See [`Depot`].
    pub async fn build(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        id: Id<Build>,
    ) -> Result<Stored<Build>> {
        self.permitted_build(actor, permission::RELEASE_GET, organization, id).await
    }

    /// The builds that `query` describes and the actor may see.
    ///
    /// # Errors
    /// See [`Depot`]; `Invalid` for a query out of bounds.
    pub async fn builds(&self, actor: &Actor, query: Query) -> Result<Page<Stored<Build>>> {
        let query = self.scoped(actor, permission::RELEASE_LIST, query, Field::parse("app")?).await?;
        self.list(&query).await
    }

    /// Attaches a file to a processed build. It goes when the build goes.
    ///
    /// # Errors
    /// As [`Depot::upload`]; `Conflict(Unprocessed)`; `Limited` for more than 20 files.
    pub async fn attach_file(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        id: Id<Build>,
        new: NewAsset,
        file: NewFile,
        body: ByteStream,
    ) -> Result<(Stored<Build>, Stored<Asset>)> {
        let room = |build: &Build| match build.status {
            BuildStatus::Processed if build.files.len() >= FILES => Err(too_many_files()),
            BuildStatus::Processed => Ok(()),
            _ => Err(Error::unprocessed()),
        };
        let build = self.permitted_build(actor, permission::RELEASE_CREATE, organization, id).await?;
        room(&build)?;
        new.check()?;
        let asset = Id::generate();
        let (blob, file, late) = self.receive(organization, asset, &*self.0.inspector, file, body).await?;
        let mut value = new.into_asset(actor, Content::File(Box::new(file)));
        value.app = Some(build.app);
        value.release = Some(Build::release(id));
        if let Err(error) = late.apply(&mut value) {
            return Err(self.discard(blob, error).await);
        }
        let stored = Stored { id: asset, ..Stored::new(organization, value, self.now()) };
        let attached = self.commit_made(|| async {
            let build = self.permitted_build(actor, permission::RELEASE_CREATE, organization, id).await?;
            room(&build)?;
            let mut files = build.files.clone();
            files.push(asset);
            let next = build.changed(Build { files, ..build.value.clone() }, self.now());
            let mut batch = Batch::new();
            batch.insert(&stored)?;
            batch.update(&next)?;
            batch.update(&self.ready_blob(&blob))?;
            batch.events.push(self.event(actor, "build.attach", &next));
            Ok((batch, next))
        });
        let next = match attached.await {
            Ok(next) => next,
            Err(error) => {
                self.give_up(blob, error).await?;
                self.load(organization, id).await?
            }
        };
        Ok((next, stored))
    }

    /// Removes a build with its release and its files, whatever state it is in.
    ///
    /// # Errors
    /// See [`Depot`].
    pub async fn remove_build(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        id: Id<Build>,
    ) -> Result<()> {
        let build = self.permitted_build(actor, permission::RELEASE_REMOVE, organization, id).await?;
        self.drop_release(actor, organization, build.app, Build::release(id), Unless::Changed(None)).await
    }

    /// Adds to `batch` that a build goes, and takes it out of its `app`'s figures.
    pub(super) async fn drop_build(
        &self,
        actor: &Actor,
        batch: &mut Batch,
        app: Option<&mut App>,
        build: &Stored<Build>,
    ) -> Result<()> {
        batch.delete(build);
        batch.events.push(self.event(actor, "build.remove", build));
        if let Some(job) = self.find::<Job>(Id::NIL, build.id.cast()).await? {
            batch.delete(&job);
        }
        let Some(app) = app else { return Ok(()) };
        if build.finished_at.is_some() {
            app.builds = app.builds.saturating_sub(1);
        }
        if app.icon.is_some() && app.icon == build.icon {
            let others = Query::of::<Build>(build.organization)
                .filter(Field::parse("app")?, Op::Eq(build.app.into()))
                .filter(Field::parse("icon")?, Op::Exists)
                .filter(Field::parse("status")?, Op::Eq(BuildStatus::Processed.as_str().into()))
                .sort(Sort::descending(Field::CreatedAt))
                .limit(2);
            let others = self.list::<Build>(&others).await?.items;
            app.icon = others.iter().find(|other| other.id != build.id).and_then(|other| other.icon);
        }
        Ok(())
    }

    async fn permitted_build(
        &self,
        actor: &Actor,
        permission: &str,
        organization: Id<Organization>,
        id: Id<Build>,
    ) -> Result<Stored<Build>> {
        let found: Option<Stored<Build>> = self.find(organization, id).await?;
        let app = found.as_ref().map(|build| build.app);
        self.authorize(actor, permission, crate::authorize::Target { organization, app }).await?;
        found.ok_or_else(|| Error::not_found(Build::NAME))
    }
}

fn too_many_files() -> Error {
    let limit = Detail::Limit { limit: FILES as u64, unit: "files" };
    Error::new(ErrorKind::Limited, format!("more than {FILES} files")).with_detail(limit)
}

impl NewBuild {
    fn check(&self, app: &Stored<App>) -> Result<()> {
        /// The most tags of one build, and the most groups a message may name.
        const WORDS: usize = 100;
        let short = |field, text: &Option<String>| match text {
            Some(text) => check_text(field, text, 256),
            None => Ok(()),
        };
        if self.icon.iter().chain(&self.files).any(|enclosure| enclosure.app != app.id) {
            return Err(Error::not_found("file"));
        }
        if self.files.len() > FILES {
            return Err(too_many_files());
        }
        let notes = &self.notes;
        short("versionName", &self.version)?;
        short("packageName", &notes.package_id)?;
        short("git.branch", &notes.git.branch)?;
        short("git.tag", &notes.git.tag)?;
        short("git.commit", &notes.git.commit)?;
        check_optional_text("changelog", &notes.changelog, 10_000)?;
        check_optional_text("git.message", notes.git.message.as_deref().unwrap_or_default(), 10_000)?;
        check_optional_text("deployer.name", &notes.deployer.name, 256)?;
        check_optional_text("notifyMessage", &notes.notify.message, 10_000)?;
        let groups: usize = notes.notify.groups.iter().map(Vec::len).sum();
        if notes.tags.len() > WORDS || groups > WORDS {
            return Err(Error::invalid("tags", format!("more than {WORDS}")));
        }
        notes.tags.iter().try_for_each(|tag| check_text("tags", tag, 128))?;
        notes.notify.groups.iter().flatten().try_for_each(|group| check_text("filter", group, 128))?;
        check_extra("deployer.info", &notes.deployer.info)?;
        check_extra("metadata", &notes.extra)
    }
}
