//! Builds and what comes with them, with a fault at every call.

use super::*;
use crate::depot::Enclosed;
use crate::domain::BuildStatus;
use crate::lifecycle::State;

/// Whatever is cut in taking a build in or in reading it: what was acknowledged becomes a release, and once.
pub(super) async fn a_build_is_processed_once_whatever_breaks(backends: Backends) -> Outcome {
    let flow = async |depot: &Depot, world: &World, _| {
        let build = world.build(depot).await?;
        depot.process_build().await?;
        Ok(build)
    };
    at_every_call(&backends, false, flow, async |world, outcome, case| {
        // As after a restart, when the lease of the worker that died has ended.
        world.pass(LEASE);
        while world.depot().process_build().await?.is_some() {}
        let builds = world.builds().await?;
        if let Ok(build) = outcome {
            same(case, &builds.iter().map(|build| build.id).collect(), &vec![build.id])?;
        }
        for build in builds {
            same(case, &build.status, &BuildStatus::Processed)?;
            let release = Build::release(build.id);
            let release = world.depot().release(&system(), world.organization, release).await?;
            same(case, &(release.state, release.version.as_str()), &(State::Published, "1.0"))?;
            holds(&format!("{case}: no icon"), build.icon.is_some())?;
            let told = EventFilter::of(world.organization).about(build.id);
            let told = world.backends.records.events(&told).await?;
            let processed = told.iter().filter(|event| event.event.action == "build.process").count();
            same(case, &processed, &1)?;
            let app = world.depot().app(&system(), world.organization, &build.app.to_string()).await?;
            same(case, &(app.releases, app.builds, app.icon), &(1, 1, build.icon))?;
        }
        Ok(())
    })
    .await
}

pub(super) async fn what_comes_with_a_build_is_its_own_or_gone(backends: Backends) -> Outcome {
    let flow = async |depot: &Depot, world: &World, _| {
        let (app, who, organization) = (world.app("Notes").await?.id, system(), world.organization);
        let symbols = body("symbols");
        let file = NewFile::default();
        let file = depot.enclose(&who, organization, app, Enclosed::File, file, symbols).await?;
        let new = NewBuild { files: vec![file], platform: Some(Platform::Linux), ..NewBuild::default() };
        let describe = Box::new(move |_: &File| Ok(new));
        depot.create_build(&who, organization, app, NewFile::default(), body("package"), describe).await
    };
    at_every_call(&backends, false, flow, async |world, outcome, case| {
        let builds = world.builds().await?;
        if let Ok(build) = outcome {
            same(case, &builds.iter().map(|build| build.id).collect(), &vec![build.id])?;
        }
        for build in &builds {
            for id in &build.files {
                let asset = world.depot().asset(&system(), world.organization, &id.to_string()).await?;
                same(case, &world.bytes(&asset).await?, &b"symbols".to_vec())?;
            }
        }
        same(case, &world.assets().await?.len(), &(2 * builds.len()))
    })
    .await
}

pub(super) async fn a_removed_build_leaves_nothing(backends: Backends) -> Outcome {
    let flow = async |depot: &Depot, world: &World, _| {
        let build = world.build(&world.depot()).await?;
        while world.depot().process_build().await?.is_some() {}
        let (new, file) = (NewAsset::default(), NewFile::default());
        let symbols = body("symbols");
        world.depot().attach_file(&system(), world.organization, build.id, new, file, symbols).await?;
        depot.remove_build(&system(), world.organization, build.id).await
    };
    at_every_call(&backends, false, flow, async |world, outcome, case| {
        let left = (world.builds().await?.len(), world.assets().await?.len());
        holds(&format!("{case}: {left:?}"), if outcome.is_ok() { left == (0, 0) } else { left.0 <= 1 })
    })
    .await
}

pub(super) async fn an_attached_file_is_there_or_not(backends: Backends) -> Outcome {
    let flow = async |depot: &Depot, world: &World, _| {
        let build = world.build(&world.depot()).await?;
        while world.depot().process_build().await?.is_some() {}
        let (new, file) = (NewAsset::default(), NewFile::default());
        depot.attach_file(&system(), world.organization, build.id, new, file, body("symbols")).await
    };
    at_every_call(&backends, false, flow, async |world, outcome, case| {
        let builds = world.builds().await?;
        let build = builds.first().ok_or_else(|| Error::not_found("build"))?;
        if let Ok((_, asset)) = outcome {
            same(case, &build.files, &vec![asset.id])?;
        }
        for id in &build.files {
            let asset = world.depot().asset(&system(), world.organization, &id.to_string()).await?;
            same(case, &world.bytes(&asset).await?, &b"symbols".to_vec())?;
        }
        let told = EventFilter::of(world.organization).about(build.id);
        let told = world.backends.records.events(&told).await?;
        let attached = told.iter().filter(|event| event.event.action == "build.attach").count();
        same(case, &attached, &build.files.len())
    })
    .await
}

/// A package that takes every worker down must not be tried for ever.
pub(super) async fn a_build_that_is_never_finished_is_given_up(backends: Backends) -> Outcome {
    let world = World::new(&backends).await?;
    let build = world.build(&world.depot()).await?;
    let attempts = world.depot().limits().build_attempts;
    for _ in 0..attempts {
        // Taken, and then the worker is gone: its second write never comes.
        let crash = Plan::new(5, Fault::Crash);
        holds("a crash", world.faulty(&crash).process_build().await.is_err())?;
        same("taken", &world.builds().await?.first().map(|b| b.status), &Some(BuildStatus::InProgress))?;
        world.pass(LEASE);
    }
    while world.depot().process_build().await?.is_some() {}
    let given_up = world.depot().build(&system(), world.organization, build.id).await?;
    let code = given_up.problem.as_ref().map(|problem| problem.code.as_str());
    same("given up", &(given_up.status, code), &(BuildStatus::Error, Some("E_ABANDONED")))?;
    refused(
        "no release",
        world.depot().ticket(&system(), world.organization, Build::release(build.id)).await,
        ErrorKind::Conflict,
    )
}
