//! What a release is made of: its package, and what is said of it, checked.

use crate::authorize::{Actor, Subject, permission};
use crate::domain::{
    App, Asset, Audience, BusinessOwner, Content, Details, Extra, Id, Organization, PackageName, Rating,
    Release, Stored, check_optional_text, check_text,
};
use crate::error::{Error, ErrorKind, Result};
use crate::inspect::{Package, Platform};
use crate::lifecycle::State;
use crate::records::Batch;

use super::{Depot, NewRelease, ReleaseChange, check_extra};

impl Depot {
    /// Adds to `batch` a new release and what goes with it, and returns the app as it is then.
    pub(super) async fn arrive(
        &self,
        actor: &Actor,
        batch: &mut Batch,
        app: &Stored<App>,
        release: &mut Stored<Release>,
        default: bool,
    ) -> Result<App> {
        if let Some(asset) = release.asset {
            let asset: Stored<Asset> = self.load(release.organization, asset).await?;
            // Written even when it is another release's already, so that it does not go at the same time.
            let used = Asset { release: asset.release.or(Some(release.id)), ..asset.value.clone() };
            batch.update(&asset.changed(used, self.now()))?;
        }
        self.hold_policies(batch, release.organization, &release.policies).await?;
        let mut counted = app.value.clone();
        if default {
            counted.default_release = Some(release.id);
        }
        self.announce(actor, batch, &mut counted, release).await?;
        Ok(counted)
    }

    /// Adds to `batch` a new release and what it brings with it; numbers it, and counts it in its `app`.
    pub(super) async fn announce(
        &self,
        actor: &Actor,
        batch: &mut Batch,
        app: &mut App,
        release: &mut Stored<Release>,
    ) -> Result<()> {
        release.value.number = app.next_number(release.platform, &release.variant);
        batch.insert(release)?;
        app.releases += 1;
        app.released_at = Some(self.now());
        if !app.platforms.contains(&release.platform) {
            app.platforms.push(release.platform);
        }
        if app.default_release.is_none() {
            app.default_release = Some(release.id);
        }
        if release.state == State::Published {
            self.refresh_offers(batch, release).await?;
        }
        let mut event = self.event(actor, "release.create", release);
        event.to = Some(release.state.as_str().to_owned());
        batch.events.push(event);
        Ok(())
    }

    /// A release of an app before anything is known of it.
    pub(super) fn blank_release(&self, app: &Stored<App>, platform: Platform) -> Release {
        let state = self.lifecycle(app).initial();
        Release {
            app: app.id,
            name: app.name.clone(),
            provider: Subject::parse(&app.owner)
                .map_or_else(|_| app.owner.clone(), |owner| owner.shown(&app.created_by)),
            kind: app.lifecycle.kind(),
            asset: None,
            package: None,
            version: String::new(),
            version_code: None,
            platform,
            variant: String::new(),
            number: 0,
            state,
            notes: String::new(),
            length: 0,
            built: false,
            published_at: (state == State::Published).then(|| self.now()),
            derived_from: None,
            details: Details::default(),
            audience: Audience::nobody(),
            policies: Vec::new(),
            rating: Rating::default(),
            extra: Extra::new(),
        }
    }

    /// A release of the package in a file, described by nothing else.
    pub(super) fn release_of_file(&self, app: &Stored<App>, asset: &Stored<Asset>) -> Result<Release> {
        let own = package_of(asset)?;
        let platform = own.platform.ok_or_else(|| Error::new(ErrorKind::Unsupported, "no app"))?;
        let mut release = self.blank_release(app, platform);
        take_package(&mut release, asset, own, None)?;
        release.version = version_of(own);
        check_text("version", &release.version, 256)?;
        Ok(release)
    }

    pub(super) async fn release_of(
        &self,
        actor: &Actor,
        app: &Stored<App>,
        new: &NewRelease,
    ) -> Result<Release> {
        let organization = app.organization;
        check_optional_text("notes", &new.notes, 10_000)?;
        check_extra("extra", &new.extra)?;
        self.check_details(actor, organization, &new.details, None).await?;
        self.check_audience(organization, &new.audience).await?;
        let mut release = Release {
            package: new.package.clone(),
            version: new.version.clone().unwrap_or_default(),
            notes: new.notes.clone(),
            details: new.details.clone(),
            audience: new.audience.clone(),
            policies: new.policies.clone(),
            extra: new.extra.clone(),
            ..self.blank_release(app, new.platform.unwrap_or(Platform::Web))
        };
        match new.asset {
            Some(asset) => {
                let asset = self.own_asset(actor, permission::ASSET_UPDATE, organization, asset).await?;
                let own = package_of(&asset)?;
                let runs = own.platform.filter(|platform| new.platform.is_none_or(|said| said == *platform));
                release.platform =
                    runs.ok_or_else(|| Error::invalid("platform", "not where the package runs"))?;
                take_package(&mut release, &asset, own, new.package.as_ref())?;
                if new.version.is_none() {
                    release.version = version_of(own);
                }
            }
            None if new.platform.is_none() => {
                return Err(Error::invalid("platform", "is required where there is no package"));
            }
            None => check_package_name(release.package.as_ref())?,
        }
        check_text("version", &release.version, 256)?;
        Ok(release)
    }

    pub(super) async fn changed_release(
        &self,
        actor: &Actor,
        batch: &mut Batch,
        release: &Stored<Release>,
        change: &ReleaseChange,
    ) -> Result<Release> {
        let organization = release.organization;
        let mut value = release.value.clone();
        if let Some(notes) = &change.notes {
            check_optional_text("notes", notes, 10_000)?;
            value.notes.clone_from(notes);
        }
        if let Some(details) = &change.details {
            self.check_details(actor, organization, details, Some(&release.details)).await?;
            value.details = details.clone();
        }
        if let Some(audience) = &change.audience {
            self.check_audience(organization, audience).await?;
            value.audience = audience.clone();
        }
        if let Some(policies) = &change.policies {
            self.hold_policies(batch, organization, policies).await?;
            value.policies.clone_from(policies);
        }
        if let Some(extra) = &change.extra {
            check_extra("extra", extra)?;
            value.extra.clone_from(extra);
        }
        let other = change.asset.filter(|asset| value.asset != Some(*asset));
        // what somebody reviews, approved or published stays what it was
        if other.is_some() && !matches!(value.state, State::Created | State::Rejected) {
            let why = "a release takes another package before it is reviewed or once it was rejected";
            return Err(Error::new(ErrorKind::Conflict, why));
        }
        if let Some(asset) = other {
            let asset = self.own_asset(actor, permission::ASSET_UPDATE, organization, asset).await?;
            let own = package_of(&asset)?;
            if own.platform != Some(value.platform) {
                return Err(Error::invalid("platform", "not where the package runs"));
            }
            if let Some(old) = value.asset
                && let Some(old) = self.find::<Asset>(organization, old).await?
                && old.release == Some(release.id)
            {
                // It came by itself, so it stays by itself, unless another release has it too.
                let heir = self.other_release_with(&old, release.id).await?;
                batch.update(&old.changed(Asset { release: heir, ..old.value.clone() }, self.now()))?;
            }
            take_package(&mut value, &asset, own, change.package.as_ref())?;
            let used = Asset { release: Some(release.id), ..asset.value.clone() };
            batch.update(&asset.changed(used, self.now()))?;
        } else if let Some(said) = &change.package {
            if value.asset.is_some() {
                let same = value.package.as_ref() == Some(said);
                same.then_some(()).ok_or_else(|| Error::invalid("package", "not what the package says"))?;
            }
            check_package_name(Some(said))?;
            value.package = Some(said.clone());
        }
        Ok(value)
    }

    /// What somebody names has to be theirs to name: ids are no secrets. What was named `before` stays.
    async fn check_details(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        details: &Details,
        before: Option<&Details>,
    ) -> Result<()> {
        details.check()?;
        let named: Vec<Id<Asset>> = before.into_iter().flat_map(Details::pictures).collect();
        for picture in details.pictures().filter(|picture| !named.contains(picture)) {
            self.own_asset(actor, permission::ASSET_GET, organization, picture).await?;
        }
        if let Some(owner) = details.owner {
            self.load::<BusinessOwner>(organization, owner).await?;
        }
        Ok(())
    }
}

/// What is in a file that is to be a release's package.
fn package_of(asset: &Stored<Asset>) -> Result<&Package> {
    if asset.release.is_some() {
        return Err(Error::new(ErrorKind::Conflict, "the asset is another release's package"));
    }
    let Content::File(file) = &asset.content else {
        return Err(Error::new(ErrorKind::Unsupported, "a link is no package"));
    };
    // A package beside a problem says what the file claims to be, not that it may be trusted.
    if let Some(problem) = &file.inspection.error {
        return Err(Error::new(ErrorKind::Unsupported, format!("{}: {}", problem.code, problem.message)));
    }
    let package = file.inspection.package.as_ref().filter(|package| package.platform.is_some());
    package.ok_or_else(|| Error::new(ErrorKind::Unsupported, "no package was understood in the file"))
}

fn version_of(package: &Package) -> String {
    package.version.clone().or_else(|| package.version_code.clone()).unwrap_or_default()
}

/// Makes `asset` the package of `release`, unless it is not what was said.
fn take_package(
    release: &mut Release,
    asset: &Stored<Asset>,
    package: &Package,
    said: Option<&PackageName>,
) -> Result<()> {
    let name = PackageName { id: package.id.clone(), version: version_of(package) };
    if let Some(said) = said {
        if said.id != name.id {
            return Err(Error::invalid("package", format!("the package says {}", name.id)));
        }
        if said.version != name.version && Some(&said.version) != package.version_code.as_ref() {
            return Err(Error::invalid("package", format!("the package says version {}", name.version)));
        }
    }
    release.asset = Some(asset.id);
    release.package = Some(name);
    release.version_code.clone_from(&package.version_code);
    release.length = asset.file().map_or(0, |file| file.length);
    Ok(())
}

fn check_package_name(name: Option<&PackageName>) -> Result<()> {
    name.map_or(Ok(()), |name| {
        check_text("package", &name.id, 256)?;
        check_text("package", &name.version, 256)
    })
}
