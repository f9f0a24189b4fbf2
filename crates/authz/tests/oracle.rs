#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]
//! The index changes which rows Casbin looks at, never its answer: compared with plain Casbin over every row.

mod common;

use std::collections::BTreeSet;

use appdepot_authz::{CasbinAuthorizer, MODEL};
use appdepot_core::ErrorKind;
use appdepot_core::authorize::{Actor, Authorizer, Scope, Target, permission};
use appdepot_core::domain::{App, Id, Organization};
use casbin::function_map::{OperatorFunction, dynamic_to_str};
use casbin::{CoreApi, DefaultModel, Enforcer, MemoryAdapter, MgmtApi};
use proptest::prelude::*;

use common::{Records, refusal, user};

const ROLES: usize = 5;
const SCOPES: usize = 3;
const USERS: usize = 4;
const ORGANIZATIONS: usize = 2;
const APPS: usize = 3;

#[derive(Debug, Clone)]
struct Given {
    /// Name, pattern, allow.
    rows: Vec<(String, String, bool)>,
    /// Only from lower to higher, so that there are no loops.
    links: BTreeSet<(usize, usize)>,
    /// Organization, user, role, app.
    grants: BTreeSet<(usize, usize, usize, Option<usize>)>,
    requests: Vec<Request>,
}

/// Organization, user, app, permission, scopes.
type Request = (usize, usize, Option<usize>, String, Option<BTreeSet<usize>>);

fn permission_text() -> impl Strategy<Value = String> {
    // Few enough that rules and requests meet.
    let known: Vec<&str> = permission::ALL.iter().copied().step_by(4).collect();
    let known = prop::sample::select(known).prop_map(str::to_owned);
    let own = prop::sample::select(vec!["mdm.global", "mdmx.global.asset.get", "mdm.global.assets.get", "x"]);
    prop_oneof![8 => known, 1 => own.prop_map(str::to_owned)]
}

fn pattern_text() -> impl Strategy<Value = String> {
    let cut = (permission_text(), 1usize..4).prop_map(|(text, keep)| {
        let segments: Vec<&str> = text.split('.').take(keep).collect();
        format!("{}.*", segments.join("."))
    });
    prop_oneof![4 => permission_text(), 4 => cut, 1 => Just("*".to_owned())]
}

fn given() -> impl Strategy<Value = Given> {
    let name = prop_oneof![
        5 => (0..ROLES).prop_map(|role| format!("role:r{role}")),
        1 => (0..SCOPES).prop_map(|scope| format!("scope:s{scope}")),
    ];
    let row = (name, pattern_text(), prop::bool::weighted(0.85));
    let link = (0..ROLES, 0..ROLES).prop_filter("upwards", |(a, b)| a < b);
    let app = || prop::option::of(0..APPS);
    let grant = (0..ORGANIZATIONS, 0..USERS, 0..ROLES, app());
    let scopes = prop::option::weighted(0.2, prop::collection::btree_set(0..SCOPES + 1, 0..3));
    let request = (0..ORGANIZATIONS, 0..USERS, app(), permission_text(), scopes);
    (
        prop::collection::vec(row, 6..24),
        prop::collection::btree_set(link, 0..6),
        prop::collection::btree_set(grant, 4..16),
        prop::collection::vec(request, 100),
    )
        .prop_map(|(rows, links, grants, requests)| Given { rows, links, grants, requests })
}

/// Plain Casbin: all rows in all domains, its own role manager, a matching function written anew.
async fn plain(given: &Given, organizations: &[Id<Organization>], apps: &[Id<App>]) -> Enforcer {
    let model = DefaultModel::from_str(MODEL).await.unwrap();
    let mut plain = Enforcer::new(model, MemoryAdapter::default()).await.unwrap();
    plain.add_function(
        "segMatch",
        OperatorFunction::Arg2(|permission, pattern| {
            let (permission, pattern) = (dynamic_to_str(&permission), dynamic_to_str(&pattern));
            let wanted: Vec<&str> = permission.split('.').collect();
            let given: Vec<&str> = pattern.split('.').collect();
            match given.split_last() {
                Some((&"*", lead)) => (wanted.len() > lead.len() && wanted.starts_with(lead)).into(),
                _ => (wanted == given).into(),
            }
        }),
    );
    let mut domains = vec![("scope".to_owned(), None, None)];
    for (at, organization) in organizations.iter().enumerate() {
        domains.push((organization.to_string(), Some(at), None));
        for (app, id) in apps.iter().enumerate() {
            domains.push((format!("{organization}/{id}"), Some(at), Some(app)));
        }
    }
    let (mut policies, mut links) = (BTreeSet::new(), BTreeSet::new());
    for (domain, organization, app) in domains {
        for (name, pattern, allow) in &given.rows {
            let effect = if *allow { "allow" } else { "deny" };
            policies.insert(vec![name.clone(), domain.clone(), pattern.clone(), effect.to_owned()]);
        }
        for (name, included) in &given.links {
            links.insert(vec![format!("role:r{name}"), format!("role:r{included}"), domain.clone()]);
        }
        for (at, name, role, on) in &given.grants {
            // What holds everywhere holds on each app as well.
            if Some(*at) == organization && (on.is_none() || *on == app) {
                links.insert(vec![format!("user:u{name}"), format!("role:r{role}"), domain.clone()]);
            }
        }
    }
    plain.add_policies(policies.into_iter().collect()).await.unwrap();
    plain.add_grouping_policies(links.into_iter().collect()).await.unwrap();
    plain
}

async fn compare(given: Given) -> (usize, usize) {
    let organizations: Vec<Id<Organization>> = (0..ORGANIZATIONS).map(|_| Id::generate()).collect();
    let apps: Vec<Id<App>> = (0..APPS).map(|_| Id::generate()).collect();
    let plain = plain(&given, &organizations, &apps).await;
    let mut known: BTreeSet<String> = permission::ALL.iter().map(|text| (*text).to_owned()).collect();
    let mut policy = String::new();
    for (name, pattern, allow) in &given.rows {
        policy += &format!("p, {name}, {pattern}, {}\n", if *allow { "allow" } else { "deny" });
        if !pattern.ends_with('*') {
            known.insert(pattern.clone());
        }
    }
    for (name, included) in &given.links {
        policy += &format!("g, role:r{name}, role:r{included}\n");
    }
    let records = Records::new();
    for (organization, name, role, app) in &given.grants {
        let app = app.map(|app| apps[app]);
        records.grant(organizations[*organization], &format!("user:u{name}"), &format!("r{role}"), app).await;
    }
    let indexed = CasbinAuthorizer::new(records).with_policy(&policy).unwrap();
    let mut allowed = 0;
    for (organization, name, app, permission, scopes) in &given.requests {
        let home = organizations[*organization];
        let (target, domain) = match app {
            None => (Target::organization(home), home.to_string()),
            Some(app) => (Target::app(home, apps[*app]), format!("{home}/{}", apps[*app])),
        };
        let subject = format!("user:u{name}");
        let standing = given.grants.iter().any(|grant| (grant.0, grant.1) == (*organization, *name));
        let mut expected =
            known.contains(permission) && plain.enforce((&*subject, &*domain, &**permission)).unwrap();
        if let Some(scopes) = scopes {
            expected &= scopes
                .iter()
                .any(|scope| plain.enforce((&*format!("scope:s{scope}"), "scope", &**permission)).unwrap());
        }
        let scopes: Option<BTreeSet<String>> =
            scopes.as_ref().map(|scopes| scopes.iter().map(|scope| format!("s{scope}")).collect());
        let actor = Actor { scopes, ..user(&format!("u{name}")) };
        let expected = match (standing, expected) {
            (false, _) => Some(ErrorKind::NotFound),
            (true, false) => Some(ErrorKind::Forbidden),
            (true, true) => None,
        };
        // Twice: decided, and remembered.
        for _ in 0..2 {
            let found = refusal(&indexed, &actor, permission, target).await;
            assert_eq!(found, expected, "{subject} {domain} {permission} {:?}", actor.scopes);
        }
        allowed += usize::from(expected.is_none());
        // What a listing may show is what decisions allow.
        if standing {
            match indexed.scope(&actor, permission, home).await.unwrap() {
                Scope::All => {
                    assert_eq!(refusal(&indexed, &actor, permission, Target::organization(home)).await, None);
                    for app in &apps {
                        assert_eq!(
                            refusal(&indexed, &actor, permission, Target::app(home, *app)).await,
                            None
                        );
                    }
                }
                // No app is kept in this store: where all but some are permitted, none is left to name.
                Scope::Apps(permitted) => {
                    let wide = refusal(&indexed, &actor, permission, Target::organization(home)).await;
                    for app in apps.iter().filter(|_| wide.is_some()) {
                        let may =
                            refusal(&indexed, &actor, permission, Target::app(home, *app)).await.is_none();
                        assert_eq!(may, permitted.contains(app));
                    }
                }
            }
        }
    }
    (given.requests.len(), allowed)
}

#[test]
fn the_index_answers_like_plain_casbin() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(80));
    let seen = std::cell::Cell::new((0, 0));
    runner
        .run(&given(), |given| {
            let (asked, allowed) = runtime.block_on(compare(given));
            seen.set((seen.get().0 + asked, seen.get().1 + allowed));
            Ok(())
        })
        .unwrap();
    let (asked, allowed) = seen.get();
    assert!(asked >= 8_000, "{asked} requests");
    assert!(allowed * 20 > asked, "only {allowed} of {asked} were allowed: the comparison says little");
    assert!(allowed * 2 < asked, "{allowed} of {asked} were allowed: the comparison says little");
}
