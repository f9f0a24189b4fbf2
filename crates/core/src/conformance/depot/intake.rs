//! Files that come in for something, with a fault at every call.

use super::*;
use crate::depot::Purpose;
use crate::domain::Release;
use crate::query::{Field, Sort};

/// A file that comes in for a release: the release with its package and its icon, or none of them. The release that
/// it takes the place of stays until then, and may stay a while longer.
pub(super) async fn a_file_with_a_use_is_used_or_gone(backends: Backends) -> Outcome {
    let flow = async |depot: &Depot, world: &World, _| {
        let app = world.app("Notes").await?.id;
        world.send(&world.depot(), app, "old").await?;
        world.pass(Duration::from_secs(1));
        world.send(depot, app, "new").await?;
        Ok(())
    };
    at_every_call(&backends, false, flow, async |world, outcome, case| {
        let query =
            Query::of::<Release>(world.organization).sort(Sort::ascending(Field::parse("publishedAt")?));
        let releases = world.depot().releases(&system(), query).await?.items;
        let mut texts = Vec::new();
        for release in &releases {
            let package = release.asset.ok_or_else(|| Error::not_found("package"))?;
            let package = world.depot().asset(&system(), world.organization, &package.to_string()).await?;
            texts.push(String::from_utf8_lossy(&world.bytes(&package).await?).into_owned());
        }
        let texts: Vec<_> = texts.iter().map(String::as_str).collect();
        let known: &[&[&str]] = if outcome.is_ok() {
            &[&["new"], &["old", "new"]]
        } else {
            &[&["old"], &["old", "new"], &["new"]]
        };
        holds(&format!("{case}: {texts:?}"), known.contains(&texts.as_slice()))?;
        let apps = world.depot().apps(&system(), Query::of::<App>(world.organization)).await?.items;
        let [app] = apps.as_slice() else { return Err(Failure(format!("{case}: not one app"))) };
        same(case, &app.releases, &(releases.len() as u64))?;
        // A package and its icon each.
        let assets = world.assets().await?.len();
        holds(&format!("{case}: {assets} assets"), assets >= 2 * releases.len())
    })
    .await
}

impl World {
    /// A release that comes in as a file, which drops the one before it.
    async fn send(&self, depot: &Depot, app: Id<App>, text: &'static str) -> Result<()> {
        let file = NewFile { file_name: PACKAGE.to_owned(), ..NewFile::default() };
        let purpose = Purpose::Release { app, variant: String::new(), keep: 1 };
        depot.upload_for(&system(), self.organization, file, body(text), || Ok(purpose)).await
    }
}
