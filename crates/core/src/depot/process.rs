//! Reading builds after their upload was answered.
//!
//! A build and the job to read it are one commit, so no crash loses it. A worker takes a job by moving its due time
//! ahead; a worker that dies leaves a job that becomes due again. What a reading comes to is one commit that also
//! removes the job at the revision its worker left it at, so of two workers one is heard.

use std::ops::Bound;

use futures::{StreamExt as _, stream};

use crate::authorize::{Actor, Person};
use crate::blobs::{BlobKey, BlobSource};
use crate::domain::{
    App, Asset, Blob, Build, BuildStatus, Content, Id, Job, Organization, PackageName, Release, Stored,
    check_text,
};
use crate::error::{Error, ErrorKind, Result};
use crate::inspect::{Hint, Inspection, NoInspector, Problem};
use crate::query::{Field, Op, Query, Sort, Value};
use crate::records::Batch;

use super::Depot;
use super::assets::{NewAsset, NewFile};
use super::describe::{class_of, tidy};
use super::releases::Unless;

/// What a build could not be read for, beyond the inspector's own codes: it was given up.
const ABANDONED: &str = "E_ABANDONED";
/// The inspector's code for bytes that could not be had: the file may be good.
const UNAVAILABLE: &str = "E_UNAVAILABLE";

/// A job and its build, taken by this worker.
struct Taken {
    job: Stored<Job>,
    build: Stored<Build>,
}

/// What a reading came to.
struct Reading {
    asset: Stored<Asset>,
    inspection: Inspection,
    icon: Option<(Stored<Blob>, Stored<Asset>)>,
    release: Result<Release, Problem>,
}

impl Depot {
    /// Reads the build that waits longest, of any organization, and makes a release of it: the build, or `None` when
    /// none waits.
    ///
    /// Call it from as many tasks, or processes, as builds may be read at once. Interrupted anywhere, the build is
    /// taken up again after [`Limits::build_lease`](super::Limits::build_lease).
    ///
    /// # Errors
    /// `Unavailable`; the build waits for a later call then.
    pub async fn process_build(&self) -> Result<Option<Stored<Build>>> {
        let Some(Taken { job, build }) = self.take_build().await? else { return Ok(None) };
        let reading = match self.read_build(&job, &build).await {
            Ok(reading) => reading,
            Err(error) => {
                self.put_back(&job).await;
                return Err(error);
            }
        };
        self.finish_build(job, build, reading).await.map(Some)
    }

    /// Takes the next job that is due, and says so in its build.
    async fn take_build(&self) -> Result<Option<Taken>> {
        /// How many due jobs are looked at; other workers may take some of them first.
        const CANDIDATES: u32 = 16;
        let due = Op::Range(Bound::Unbounded, Bound::Included(Value::Time(self.now())));
        let due = Query::of::<Job>(Id::NIL)
            .filter(Field::parse("due")?, due)
            .sort(Sort::ascending(Field::parse("due")?))
            .limit(CANDIDATES);
        for job in self.list::<Job>(&due).await?.items {
            let organization = job.value.organization;
            let Some(build) = self.find::<Build>(organization, job.id.cast()).await? else {
                let mut batch = Batch::new();
                batch.delete(&job);
                let _ = self.commit(batch).await;
                continue;
            };
            if self.find::<App>(organization, build.app).await?.is_none() {
                // The app was removed while the build came in.
                let worker = Actor::system("builds");
                self.drop_release(
                    &worker,
                    organization,
                    build.app,
                    Build::release(build.id),
                    Unless::Changed(None),
                )
                .await?;
                continue;
            }
            let now = self.now();
            let lease = now.after(self.0.limits.build_lease);
            let held = Job { due: lease, attempts: job.attempts + 1, ..job.value.clone() };
            let held = job.changed(held, now);
            let begun =
                Build { status: BuildStatus::InProgress, started_at: Some(now), ..build.value.clone() };
            let begun = build.changed(begun, now);
            let mut batch = Batch::new();
            batch.update(&held)?;
            batch.update(&begun)?;
            match self.commit(batch).await {
                Ok(()) => return Ok(Some(Taken { job: held, build: begun })),
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Makes a job due again soon, later each time. Should this fail, it is due when the lease ends.
    async fn put_back(&self, job: &Stored<Job>) {
        /// How long to wait for bytes that could not be had, per attempt.
        const PAUSE: std::time::Duration = std::time::Duration::from_secs(5);
        let due = self.now().after(PAUSE * job.attempts);
        let waiting = job.changed(Job { due, ..job.value.clone() }, self.now());
        let mut batch = Batch::new();
        if batch.update(&waiting).is_ok() {
            let _ = self.commit(batch).await;
        }
    }

    async fn read_build(&self, job: &Stored<Job>, build: &Stored<Build>) -> Result<Reading> {
        let asset: Stored<Asset> = self.load(build.organization, build.asset).await?;
        let attempts = self.0.limits.build_attempts;
        if job.attempts > attempts {
            let message = format!("given up after {attempts} attempts");
            let problem = Problem { code: ABANDONED.to_owned(), message };
            let inspection = Inspection { error: Some(problem.clone()), ..Inspection::unknown() };
            return Ok(Reading { asset, inspection, icon: None, release: Err(problem) });
        }
        let (Some(file), Some(blob)) = (asset.file(), asset.blob()) else {
            return Err(Error::internal("a build without a file of ours"));
        };
        let key = BlobKey::of(blob);
        let source = BlobSource::new(&*self.0.blobs, &key, file.length);
        let hint = Hint::file_name(file.file_name.clone());
        let inspection = tidy(self.0.inspector.inspect(&source, &hint).await);
        if inspection.error.as_ref().is_some_and(|problem| problem.code == UNAVAILABLE) {
            return Err(Error::unavailable("the bytes of a build could not be read"));
        }
        let app: Stored<App> = self.load(build.organization, build.app).await?;
        let release = self.release_of_build(&app, build, &asset, &inspection);
        let icon = match &release {
            Ok(_) => {
                let belonging = (build.organization, build.app, Build::release(build.id));
                let png = self.0.inspector.icon(&source, None).await;
                self.keep_icon(belonging, build.uploaded_by.clone(), png).await?
            }
            Err(_) => None,
        };
        Ok(Reading { asset, inspection, icon, release })
    }

    /// Stores the icon of a release, unseen until that comes into being.
    pub(super) async fn keep_icon(
        &self,
        (organization, app, release): (Id<Organization>, Id<App>, Id<Release>),
        uploaded_by: Person,
        icon: Option<bytes::Bytes>,
    ) -> Result<Option<(Stored<Blob>, Stored<Asset>)>> {
        let Some(png) = icon.filter(|png| !png.is_empty()) else { return Ok(None) };
        let id = Id::generate();
        let file = NewFile {
            file_name: "icon.png".to_owned(),
            media_type: Some("image/png".to_owned()),
            ..NewFile::default()
        };
        let body = stream::iter([Ok(png)]).boxed();
        let (blob, file, _) = self.receive(organization, id, &NoInspector, file, body).await?;
        let sender = Actor { person: uploaded_by, ..Actor::system("builds") };
        let mut asset = NewAsset::default().into_asset(&sender, Content::File(Box::new(file)));
        asset.app = Some(app);
        asset.release = Some(release);
        Ok(Some((blob, Stored { id, ..Stored::new(organization, asset, self.now()) })))
    }

    fn release_of_build(
        &self,
        app: &Stored<App>,
        build: &Stored<Build>,
        asset: &Stored<Asset>,
        inspection: &Inspection,
    ) -> Result<Release, Problem> {
        let unsupported =
            |message: &str| Problem { code: "E_UNSUPPORTED".to_owned(), message: message.to_owned() };
        if let Some(problem) = &inspection.error {
            return Err(problem.clone());
        }
        let package = inspection.package.as_ref();
        let platform = package.and_then(|package| package.platform).or(build.platform);
        let platform = platform.ok_or_else(|| unsupported("no package was understood in the file"))?;
        let version_code = package.and_then(|package| package.version_code.clone());
        let version = build.version.clone().or_else(|| package.and_then(|package| package.version.clone()));
        let version = version.or_else(|| version_code.clone()).unwrap_or_default();
        check_text("version", &version, 256).map_err(|error| unsupported(error.message()))?;
        let id = package.map(|package| package.id.clone()).filter(|id| !id.is_empty());
        let id = id.or_else(|| build.notes.package_id.clone());
        Ok(Release {
            asset: Some(asset.id),
            package: id.map(|id| PackageName { id, version: version.clone() }),
            version,
            version_code,
            notes: build.notes.changelog.clone(),
            length: asset.file().map_or(0, |file| file.length),
            built: true,
            ..self.blank_release(app, platform)
        })
    }

    /// Writes what the reading came to, all of it or nothing.
    async fn finish_build(
        &self,
        job: Stored<Job>,
        build: Stored<Build>,
        reading: Reading,
    ) -> Result<Stored<Build>> {
        let organization = build.organization;
        let worker = Actor::system("builds");
        let Reading { asset, inspection, icon, release } = reading;
        let mut read = asset.value.clone();
        if let Content::File(file) = &mut read.content {
            file.inspection = inspection;
            read.class = class_of(file);
        }
        let finished = self.commit_made(|| async {
            // Only while the job is still this worker's.
            let mine = self.find::<Job>(Id::NIL, job.id).await?;
            if mine.is_none_or(|found| found.revision != job.revision) {
                return Err(Error::stale(None));
            }
            let now = self.now();
            let app: Stored<App> = self.load(organization, build.app).await?;
            let mut counted = app.value.clone();
            counted.builds += 1;
            let mut ended = Build { finished_at: Some(now), ..build.value.clone() };
            let mut batch = Batch::new();
            batch.delete(&job);
            batch.update(&asset.changed(read.clone(), now))?;
            let action = match &release {
                Ok(release) => {
                    let release =
                        Release { published_at: release.published_at.map(|_| now), ..release.clone() };
                    ended.status = BuildStatus::Processed;
                    ended.version = Some(release.version.clone());
                    ended.version_code.clone_from(&release.version_code);
                    ended.platform = Some(release.platform);
                    if let Some((blob, icon)) = &icon {
                        ended.icon = Some(icon.id);
                        batch.insert(icon)?;
                        batch.update(&self.ready_blob(blob))?;
                    }
                    counted.icon = ended.icon.or(counted.icon);
                    let mut release =
                        Stored { id: Build::release(build.id), ..Stored::new(organization, release, now) };
                    self.announce(&worker, &mut batch, &mut counted, &mut release).await?;
                    "build.process"
                }
                Err(problem) => {
                    ended.status = BuildStatus::Error;
                    ended.problem = Some(problem.clone());
                    "build.fail"
                }
            };
            let ended = build.changed(ended, now);
            batch.update(&ended)?;
            batch.update(&app.changed(counted, now))?;
            batch.events.push(self.event(&worker, action, &ended));
            Ok((batch, ended))
        });
        match (finished.await, icon) {
            (Err(error), Some((blob, _))) => {
                self.give_up(blob, error).await?;
                self.load(organization, build.id).await
            }
            (finished, _) => finished,
        }
    }
}
