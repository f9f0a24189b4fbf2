//! Which assets an actor sees: the organization's, and those that the organizations above it expose.

use crate::authorize::{Actor, Scope, Target, permission};
use crate::domain::{Asset, Id, Organization, Stored};
use crate::error::{Error, ErrorKind, Result};
use crate::query::{Condition, Field, Op, Page, Query, Shared, Value};

use super::Depot;

impl Depot {
    /// An asset, by its id in either spelling or by its alias; one that an organization above exposes, by its id.
    ///
    /// # Errors
    /// See [`Depot`].
    pub async fn asset(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        reference: &str,
    ) -> Result<Stored<Asset>> {
        let own = match self.resolve(organization, "alias", reference).await {
            Ok(asset) => Some(asset),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        self.permitted(actor, permission::ASSET_GET, organization, own, Id::parse(reference).ok()).await
    }

    /// An asset for those who may do `permission` on it: in the organization, or on the app it was sent for. Those
    /// of organizations above may be seen and nothing else.
    pub(super) async fn permitted_asset(
        &self,
        actor: &Actor,
        permission: &str,
        organization: Id<Organization>,
        id: Id<Asset>,
    ) -> Result<Stored<Asset>> {
        let own = self.find(organization, id).await?;
        self.permitted(actor, permission, organization, own, Some(id)).await
    }

    /// An asset of the organization itself, for those who may do `permission` on it.
    pub(super) async fn own_asset(
        &self,
        actor: &Actor,
        permission: &str,
        organization: Id<Organization>,
        id: Id<Asset>,
    ) -> Result<Stored<Asset>> {
        let asset = self.permitted_asset(actor, permission, organization, id).await?;
        if asset.organization != organization {
            return Err(Error::not_found("asset"));
        }
        Ok(asset)
    }

    async fn permitted(
        &self,
        actor: &Actor,
        permission: &str,
        organization: Id<Organization>,
        own: Option<Stored<Asset>>,
        id: Option<Id<Asset>>,
    ) -> Result<Stored<Asset>> {
        // Of another vendor's, not even that it is there.
        let own = own.filter(|asset| actor.vendor.is_none() || asset.vendor == actor.vendor);
        let app = own.as_ref().and_then(|asset| asset.app);
        self.authorize_within_vendor(actor, permission, Target { organization, app }).await?;
        match (own, id) {
            (Some(own), _) => Ok(own),
            (None, Some(id)) if actor.vendor.is_none() => {
                let inherited = self.inherited(organization, id).await?;
                if permission != permission::ASSET_GET {
                    return Err(Error::forbidden(permission.to_owned()));
                }
                Ok(inherited)
            }
            (None, _) => Err(Error::not_found("asset")),
        }
    }

    /// An asset that an organization above exposes.
    async fn inherited(&self, organization: Id<Organization>, id: Id<Asset>) -> Result<Stored<Asset>> {
        for above in self.ancestors(organization).await? {
            if let Some(asset) = self.find::<Asset>(above, id).await?
                && asset.expose_to_children
            {
                return Ok(asset);
            }
        }
        Err(Error::not_found("asset"))
    }

    /// The organization's assets that `query` describes and the actor may see: all of them, or only those that were
    /// sent for the actor's apps.
    ///
    /// # Errors
    /// See [`Depot`]; `Invalid` for a query out of bounds.
    pub async fn assets(&self, actor: &Actor, query: Query) -> Result<Page<Stored<Asset>>> {
        self.list(&self.seen(actor, query).await?).await
    }

    /// The same, and what `query` describes of the assets that the organizations above expose: one list, in one
    /// order.
    ///
    /// # Errors
    /// As for [`assets`](Self::assets).
    pub async fn assets_with_inherited(&self, actor: &Actor, query: Query) -> Result<Page<Stored<Asset>>> {
        let mut query = self.seen(actor, query).await?;
        let above = match actor.vendor {
            None => self.ancestors(query.organization).await?,
            Some(_) => Vec::new(),
        };
        if !above.is_empty() {
            let exposed = Condition::new(Field::parse("exposeToChildren")?, Op::Eq(Value::Boolean(true)));
            query.shared = Some(Shared::new(above, exposed));
        }
        self.list(&query).await
    }

    async fn seen(&self, actor: &Actor, query: Query) -> Result<Query> {
        let everywhere = Target::organization(query.organization);
        let query = match &actor.vendor {
            Some(vendor) => query.filter(Field::parse("vendor")?, Op::Eq(vendor.as_str().into())),
            None => query,
        };
        match self.authorize_within_vendor(actor, permission::ASSET_LIST, everywhere).await {
            Err(error) if error.kind() == ErrorKind::Forbidden => {
                match self.scope(actor, permission::ASSET_LIST, query.organization).await? {
                    Scope::Apps(apps) if !apps.is_empty() => Ok(query
                        .filter(Field::parse("app")?, Op::In(apps.into_iter().map(Value::from).collect()))),
                    _ => Err(error),
                }
            }
            other => other.map(|()| query),
        }
    }
}
