//! What every [`Authorizer`] does, given grants as the depot writes them.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Outcome, cases, refused, same};
use crate::authorize::{Actor, Authorizer, Scope, Subject, Target, permission};
use crate::domain::{App, Grant, Id, Organization, Role, Stored, Timestamp};
use crate::records::{Batch, Change, RecordStore};
use crate::{ErrorKind, Result};

/// An authorizer and the record store whose grants it follows.
#[derive(Clone)]
pub struct World {
    /// Where grants are written.
    pub records: Arc<dyn RecordStore>,
    /// Who decides.
    pub authorizer: Arc<dyn Authorizer>,
}

cases! { World:
    a_stranger_sees_no_organization
    an_owner_may_everything_at_home
    a_viewer_reads_and_does_not_write
    an_app_role_ends_at_its_app
    a_revoked_role_is_gone_at_the_next_decision
    a_second_role_adds
    an_unknown_permission_is_denied
    an_unknown_role_permits_nothing
    nobody_in_particular_may_nothing
    a_token_scope_narrows_and_never_widens
    the_listing_scope_agrees_with_decisions
}

impl World {
    async fn grant(
        &self,
        organization: Id<Organization>,
        name: &str,
        role: &str,
        app: Option<Id<App>>,
    ) -> Result<Stored<Grant>> {
        let grant = Grant { subject: Subject::user(name)?, role: Role::parse(role)?, app };
        let stored = Stored::new(organization, grant, Timestamp::now());
        let mut batch = Batch::new();
        batch.changes.push(Change::Insert(stored.to_record(batch.id)?));
        self.records.commit(batch.with_policy_versions(Timestamp::now())?).await?;
        self.authorizer.changed(organization).await;
        Ok(stored)
    }

    async fn revoke(&self, grant: Stored<Grant>) -> Result<()> {
        let mut batch = Batch::new();
        batch.changes.push(Change::Delete {
            organization: grant.organization,
            kind: crate::domain::Kind::Grant,
            id: grant.id.cast(),
            revision: grant.revision,
        });
        self.records.commit(batch.with_policy_versions(Timestamp::now())?).await?;
        self.authorizer.changed(grant.organization).await;
        Ok(())
    }

    async fn ask(&self, actor: &Actor, permission: &str, target: Target) -> Result<()> {
        self.authorizer.authorize(actor, permission, &target).await
    }
}

fn user(name: &str) -> Result<Actor> {
    Ok(Actor::new(Subject::user(name)?))
}

async fn a_stranger_sees_no_organization(world: World) -> Outcome {
    let (home, away) = (Id::generate(), Id::generate());
    world.grant(home, "ada", Role::OWNER, None).await?;
    let asked = world.ask(&user("ada")?, permission::ASSET_GET, Target::organization(away)).await;
    refused("away", asked, ErrorKind::NotFound)?;
    refused(
        "scope away",
        world.authorizer.scope(&user("ada")?, permission::APP_LIST, away).await,
        ErrorKind::NotFound,
    )?;
    let asked = world.ask(&user("bob")?, permission::ASSET_GET, Target::organization(home)).await;
    refused("nobody at home", asked, ErrorKind::NotFound)
}

async fn an_owner_may_everything_at_home(world: World) -> Outcome {
    let home = Id::generate();
    world.grant(home, "ada", Role::OWNER, None).await?;
    for permission in permission::ALL {
        world.ask(&user("ada")?, permission, Target::organization(home)).await?;
        world.ask(&user("ada")?, permission, Target::app(home, Id::generate())).await?;
    }
    Ok(())
}

async fn a_viewer_reads_and_does_not_write(world: World) -> Outcome {
    let home = Id::generate();
    world.grant(home, "vic", "org.viewer", None).await?;
    let target = Target::organization(home);
    world.ask(&user("vic")?, permission::ASSET_LIST, target).await?;
    world.ask(&user("vic")?, permission::APP_GET, target).await?;
    for permission in [permission::ASSET_CREATE, permission::APP_REMOVE, permission::GRANT_CREATE] {
        refused(permission, world.ask(&user("vic")?, permission, target).await, ErrorKind::Forbidden)?;
    }
    Ok(())
}

async fn an_app_role_ends_at_its_app(world: World) -> Outcome {
    let home = Id::generate();
    let (mine, other) = (Id::generate(), Id::generate());
    world.grant(home, "eve", "app.editor", Some(mine)).await?;
    let actor = user("eve")?;
    world.ask(&actor, permission::RELEASE_CREATE, Target::app(home, mine)).await?;
    let elsewhere = world.ask(&actor, permission::RELEASE_CREATE, Target::app(home, other)).await;
    refused("another app", elsewhere, ErrorKind::Forbidden)?;
    let everywhere = world.ask(&actor, permission::RELEASE_CREATE, Target::organization(home)).await;
    refused("the organization", everywhere, ErrorKind::Forbidden)
}

async fn a_revoked_role_is_gone_at_the_next_decision(world: World) -> Outcome {
    let home = Id::generate();
    let grant = world.grant(home, "ada", Role::OWNER, None).await?;
    let keep = world.grant(home, "ada", "org.viewer", None).await?;
    let target = Target::organization(home);
    for _ in 0..3 {
        world.ask(&user("ada")?, permission::ASSET_CREATE, target).await?;
    }
    world.revoke(grant).await?;
    refused("after", world.ask(&user("ada")?, permission::ASSET_CREATE, target).await, ErrorKind::Forbidden)?;
    world.revoke(keep).await?;
    refused(
        "after all",
        world.ask(&user("ada")?, permission::ASSET_CREATE, target).await,
        ErrorKind::NotFound,
    )
}

async fn a_second_role_adds(world: World) -> Outcome {
    let home = Id::generate();
    world.grant(home, "vic", "org.viewer", None).await?;
    let target = Target::organization(home);
    refused(
        "before",
        world.ask(&user("vic")?, permission::ASSET_CREATE, target).await,
        ErrorKind::Forbidden,
    )?;
    world.grant(home, "vic", "org.editor", None).await?;
    Ok(world.ask(&user("vic")?, permission::ASSET_CREATE, target).await?)
}

async fn an_unknown_permission_is_denied(world: World) -> Outcome {
    let home = Id::generate();
    world.grant(home, "ada", Role::OWNER, None).await?;
    let large = "x".repeat(100_000);
    for permission in ["", "*", "mdm.*", "mdm.global.asset.create ", "MDM.GLOBAL.ASSET.CREATE", "é.*", &large]
    {
        let asked = world.ask(&user("ada")?, permission, Target::organization(home)).await;
        refused(permission.get(..20).unwrap_or(permission), asked, ErrorKind::Forbidden)?;
    }
    Ok(())
}

async fn an_unknown_role_permits_nothing(world: World) -> Outcome {
    let home = Id::generate();
    world.grant(home, "ada", "emperor", None).await?;
    let asked = world.ask(&user("ada")?, permission::ASSET_LIST, Target::organization(home)).await;
    refused("unknown role", asked, ErrorKind::Forbidden)
}

async fn nobody_in_particular_may_nothing(world: World) -> Outcome {
    let home = Id::generate();
    world.grant(home, "ada", Role::OWNER, None).await?;
    let asked = world.ask(&Actor::anonymous(), permission::ASSET_LIST, Target::organization(home)).await;
    refused("anonymous", asked, ErrorKind::NotFound)
}

async fn a_token_scope_narrows_and_never_widens(world: World) -> Outcome {
    let home = Id::generate();
    world.grant(home, "ada", Role::OWNER, None).await?;
    world.grant(home, "vic", "org.viewer", None).await?;
    let target = Target::organization(home);
    let narrowed = |name: &str, scopes: &[&str]| -> Result<Actor> {
        Ok(Actor { scopes: Some(scopes.iter().map(|s| (*s).to_owned()).collect()), ..user(name)? })
    };
    let reader = narrowed("ada", &["media.asset_read"])?;
    world.ask(&reader, permission::ASSET_GET, target).await?;
    refused("write", world.ask(&reader, permission::ASSET_CREATE, target).await, ErrorKind::Forbidden)?;
    refused("other area", world.ask(&reader, permission::APP_CREATE, target).await, ErrorKind::Forbidden)?;
    let nothing = narrowed("ada", &[])?;
    refused("no scope", world.ask(&nothing, permission::ASSET_GET, target).await, ErrorKind::Forbidden)?;
    let invented = narrowed("ada", &["everything"])?;
    refused(
        "unknown scope",
        world.ask(&invented, permission::ASSET_GET, target).await,
        ErrorKind::Forbidden,
    )?;
    let manager = narrowed("vic", &["media.asset_manage"])?;
    refused("widened", world.ask(&manager, permission::ASSET_CREATE, target).await, ErrorKind::Forbidden)
}

async fn the_listing_scope_agrees_with_decisions(world: World) -> Outcome {
    let home = Id::generate();
    let (mine, other) = (Id::generate(), Id::generate());
    world.grant(home, "ada", Role::OWNER, None).await?;
    world.grant(home, "eve", "app.viewer", Some(mine)).await?;
    let scope = world.authorizer.scope(&user("ada")?, permission::APP_LIST, home).await?;
    same("owner", &scope, &Scope::All)?;
    let scope = world.authorizer.scope(&user("eve")?, permission::APP_LIST, home).await?;
    same("one app", &scope, &Scope::Apps(BTreeSet::from([mine])))?;
    world.ask(&user("eve")?, permission::APP_LIST, Target::app(home, mine)).await?;
    refused(
        "other",
        world.ask(&user("eve")?, permission::APP_LIST, Target::app(home, other)).await,
        ErrorKind::Forbidden,
    )?;
    let none = world.authorizer.scope(&user("eve")?, permission::APP_REMOVE, home).await?;
    same("nothing", &none, &Scope::Apps(BTreeSet::new()))
}
