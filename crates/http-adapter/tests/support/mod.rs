//! What the dialects' tests share: a small world behind a service, and a runner for golden files.
#![allow(dead_code, unreachable_pub)] // each test binary uses a part

pub mod golden;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use appdepot_core::authenticate::{AccessToken, Authenticator, Passwords, Verdict};
use appdepot_core::authorize::{Actor, Authorizer, Scope, Subject, Target};
use appdepot_core::depot::DepotBuilder;
use appdepot_core::domain::{Id, Organization};
use appdepot_core::error::CredentialFault;
use appdepot_core::inspect::Source;
use appdepot_core::memory::{MemoryBlobs, MemoryRecords};
use appdepot_core::{Depot, Error, Result};
use appdepot_http::{Service, emporix};

/// The address that every test service believes to have.
pub const PUBLIC_URL: &str = "https://depot.example";

/// A depot with two organizations, `acme` and `rival`, and everything behind it.
///
/// Bearer tokens: `ada` may everything in `acme`, `rita` everything in `rival`; `manage`, `read` and `other` are
/// Ada's with the scopes `media.asset_manage`, `media.asset_read` and one that permits nothing; `v1` and `v2` are good for vendors of these names; `expired`,
/// `limited`, `unavailable` and `broken` fail in the way they say.
pub struct World {
    pub depot: Depot,
    pub records: Arc<MemoryRecords>,
    pub blobs: Arc<MemoryBlobs>,
    pub acme: Id<Organization>,
    pub rival: Id<Organization>,
}

impl World {
    pub async fn new() -> Self {
        Self::with(|builder| builder).await
    }

    /// The same with more behind it.
    pub async fn with(more: impl FnOnce(DepotBuilder) -> DepotBuilder) -> Self {
        let blobs = Arc::new(MemoryBlobs::new());
        let records = Arc::new(MemoryRecords::new());
        // Organizations are made by another depot on the same records, so that the rules can name them.
        let first = Depot::builder().records(records.clone()).build();
        let system = Actor::system("test");
        let acme = first.create_organization(&system, "acme", "Acme Corp.").await.unwrap().id;
        let rival = first.create_organization(&system, "rival", "Rival Ltd.").await.unwrap().id;
        let homes =
            BTreeMap::from([(Subject::user("ada").unwrap(), acme), (Subject::user("rita").unwrap(), rival)]);
        let builder =
            Depot::builder().records(records.clone()).blobs(blobs.clone()).authorizer(Arc::new(Homes(homes)));
        let depot = more(builder).build();
        Self { depot, records, blobs, acme, rival }
    }

    pub fn service(&self) -> Service {
        self.service_with(emporix::Switches::default())
    }

    pub fn service_with(&self, switches: emporix::Switches) -> Service {
        let builder = Service::builder(self.depot.clone(), Arc::new(Tokens)).public_url(PUBLIC_URL);
        builder.emporix(switches).build()
    }
}

/// Everyone may everything at home, as far as their scopes go.
#[derive(Debug)]
struct Homes(BTreeMap<Subject, Id<Organization>>);

#[async_trait::async_trait]
impl Authorizer for Homes {
    async fn authorize(&self, actor: &Actor, permission: &str, target: &Target) -> Result<()> {
        if self.0.get(&actor.subject) != Some(&target.organization) {
            return Err(Error::not_found("organization"));
        }
        let permits = |scope: &String| match scope.as_str() {
            "media.asset_manage_by_vendor" => {
                actor.vendor.is_some() && permission.starts_with("mdm.global.asset.")
            }
            "media.asset_manage" => permission.starts_with("mdm.global.asset."),
            "media.asset_read" => ["mdm.global.asset.get", "mdm.global.asset.list"].contains(&permission),
            _ => false,
        };
        match &actor.scopes {
            Some(scopes) if !scopes.iter().any(permits) => Err(Error::forbidden(permission.to_owned())),
            _ => Ok(()),
        }
    }

    async fn scope(&self, actor: &Actor, permission: &str, organization: Id<Organization>) -> Result<Scope> {
        self.authorize(actor, permission, &Target::organization(organization)).await.map(|()| Scope::All)
    }
}

/// The tokens that [`World`] lists.
#[derive(Debug)]
struct Tokens;

#[async_trait::async_trait]
impl Authenticator for Tokens {
    async fn authenticate(&self, token: &str) -> Result<Actor> {
        let user = |name: &str, scope: Option<&str>| {
            let mut actor = Actor::new(Subject::user(name)?);
            actor.person.email = format!("{name}@example.com");
            actor.scopes = scope.map(|scope| BTreeSet::from([scope.to_owned()]));
            Ok(actor)
        };
        match token {
            "ada" => user("ada", None),
            "rita" => user("rita", None),
            "manage" => user("ada", Some("media.asset_manage")),
            "read" => user("ada", Some("media.asset_read")),
            "v1" | "v2" => {
                let actor = user("ada", Some("media.asset_manage_by_vendor"))?;
                Ok(Actor { vendor: Some(token.to_owned()), ..actor })
            }
            "vendorless" => user("ada", Some("media.asset_manage_by_vendor")),
            "other" => user("ada", Some("cart.cart_read")),
            _ => Err(refusal(token)),
        }
    }

    async fn grant(
        &self,
        client: &str,
        secret: &str,
        scopes: Option<BTreeSet<String>>,
    ) -> Result<AccessToken> {
        if (client, secret) != ("client", "secret") {
            return Err(refusal(client));
        }
        let all = BTreeSet::from(["media.asset_manage".to_owned(), "media.asset_read".to_owned()]);
        let scopes = scopes.unwrap_or_else(|| all.clone());
        if !scopes.is_subset(&all) {
            return Err(Error::invalid("scope", "not one of the client's"));
        }
        Ok(AccessToken { token: "ada".to_owned(), lifetime: Duration::from_secs(14_399), scopes })
    }
}

/// Why a credential that stands for nobody is refused: `expired`, `limited`, `unavailable` and `broken` fail in the
/// way they say.
pub fn refusal(token: &str) -> Error {
    match token {
        "expired" => Error::unauthenticated(CredentialFault::Expired),
        "limited" => Error::limited(Duration::from_secs(30)),
        "unavailable" => Error::unavailable("secret-source"),
        "broken" => Error::internal("secret-source"),
        _ => Error::unauthenticated(CredentialFault::Bad),
    }
}

/// Keeps passwords as they are: how they are hashed is tried elsewhere.
#[derive(Debug)]
pub struct Plain;

#[async_trait::async_trait]
impl Passwords for Plain {
    async fn hash(&self, password: &str) -> Result<String> {
        Ok(password.to_owned())
    }

    async fn verify(&self, password: &str, kept: Option<&str>) -> Result<Verdict> {
        Ok(if kept == Some(password) { Verdict::Right } else { Verdict::Wrong })
    }
}

/// What a file holds, as text.
pub async fn text(source: &dyn Source) -> String {
    let mut bytes = vec![0; usize::try_from(source.length()).unwrap()];
    let read = source.read_at(0, &mut bytes).await.unwrap();
    String::from_utf8_lossy(&bytes[..read]).into_owned()
}
