//! Every route, asked by everyone, for what is theirs, another's and nobody's. The routes are those of the router; the
//! tables beside this file say of each who may.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod cases;
mod table;
mod world;

use std::collections::{BTreeMap, BTreeSet};

use appdepot::http::Service;

use table::{Class, Row, Values, rows};
use world::{Answer, World};

/// What a secret opens is no matter of whose it is.
const SECRETS: [&str; 3] = ["password", "secret", "session"];

/// Where a router keeps its answer to everything else.
const FALLBACK: [&str; 2] = ["/", "/{*__private__axum_fallback}"];

/// Method and path of every route, as the service shows them.
fn routes(service: &Service) -> BTreeSet<(String, String)> {
    let shown = format!("{service:?}");
    let mut found = BTreeSet::new();
    for router in shown.split("PathRouter {") {
        let (mut paths, mut methods) = (BTreeMap::new(), BTreeMap::new());
        for entry in router.split("RouteId(").skip(1) {
            let (id, entry) = entry.split_once("): ").unwrap();
            if let Some(path) = entry.strip_prefix('"') {
                paths.insert(id, path.split('"').next().unwrap());
            } else if let Some((_, allowed)) = entry.split_once("allow_header: Bytes(b\"") {
                methods.insert(id, allowed.split('"').next().unwrap());
            }
        }
        for (id, path) in paths.into_iter().filter(|(_, path)| !FALLBACK.contains(path)) {
            // Every GET is also a HEAD.
            for method in methods.get(id).unwrap_or(&"ANY").split(',').filter(|method| *method != "HEAD") {
                found.insert((method.to_owned(), path.to_owned()));
            }
        }
    }
    found
}

#[tokio::test]
async fn every_route_is_in_a_table() {
    let service = World::new().await.service;
    let listed: Vec<_> = rows().iter().map(|row| (row.method.to_owned(), row.template.clone())).collect();
    let set: BTreeSet<_> = listed.iter().cloned().collect();
    assert_eq!(set.len(), listed.len(), "a route stands in the tables twice");
    let routes = routes(&service);
    let unclassified: Vec<_> = routes.difference(&set).collect();
    let gone: Vec<_> = set.difference(&routes).collect();
    assert!(
        unclassified.is_empty() && gone.is_empty(),
        "in no table: {unclassified:#?}, in no router: {gone:#?}"
    );
}

#[tokio::test]
async fn the_documents_tell_of_every_route_and_whether_it_is_open() {
    let world = World::new().await;
    let mut told = BTreeMap::new();
    for dialect in ["applivery", "emporix", "redhat", "storefront", "wso2"] {
        let path = format!("/openapi/{dialect}.json");
        let row = rows().into_iter().find(|row| row.template == path).unwrap();
        let answer = world.ask(&row, "GET", "", &Values::new()).await;
        let document: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        for (path, operations) in document["paths"].as_object().unwrap() {
            for (method, operation) in operations.as_object().unwrap() {
                let open = operation.get("security").is_some();
                let twice = told.insert((method.to_uppercase(), path.clone()), open);
                assert!(twice.is_none(), "{method} {path} is told twice");
            }
        }
    }
    let own = |path: &str| ["/health/", "/openapi/", "/docs"].iter().any(|start| path.starts_with(start));
    let expected: BTreeMap<_, _> = rows()
        .into_iter()
        .filter(|row| !own(&row.template))
        .map(|row| {
            let open = matches!(row.class, Class::Public | Class::Bytes);
            ((row.method.to_owned(), row.template), open)
        })
        .collect();
    let differing: Vec<_> = expected.iter().filter(|(route, open)| told.get(route) != Some(open)).collect();
    let made_up: Vec<_> = told.keys().filter(|route| !expected.contains_key(*route)).collect();
    assert!(
        differing.is_empty() && made_up.is_empty(),
        "not as it is: {differing:#?}, made up: {made_up:#?}"
    );
}

/// Whether an answer gives what was asked for: one dialect says so only in the body, another leads elsewhere.
fn gives(answer: &Answer) -> bool {
    let led = answer.headers.get("location").is_some_and(|to| !to.contains("/-/sign-in?"));
    let refused = answer.body.starts_with(r#"{"status":"error""#);
    (200..300).contains(&answer.status) && !refused || (300..400).contains(&answer.status) && led
}

#[tokio::test]
async fn who_may_not_is_given_nothing() {
    let world = World::new().await;
    let mut wrong = Vec::new();
    let mut refused = 0;
    for row in rows() {
        let acme = &world.acme;
        let broken = format!("{}0", acme.owner);
        for (who, token) in [
            ("nobody", ""),
            ("a wrong token", broken.as_str()),
            ("a key without rights", &acme.bare),
            ("a stranger", &world.rival.owner),
            ("the owner, narrowed", &acme.narrowed),
            ("a viewer", &acme.viewer),
        ] {
            let may = world.may(row.class, token).await;
            // Where the path names no organization, everyone asks in their own.
            let elsewhere = who == "a stranger" && !row.names_organization();
            if elsewhere || may && row.method != "GET" {
                continue;
            }
            let mut values = acme.values.clone();
            if row.class == Class::Bytes {
                values.extend(secrets(&values));
            }
            let before = world.happened(acme).await;
            let answer = world.ask(&row, row.method, token, &values).await;
            let sound = if may { ![401, 403].contains(&answer.status) } else { !gives(&answer) };
            if !sound || answer.status >= 500 {
                wrong.push(format!("{row}: {who} {answer:?}"));
            }
            if row.method == "GET" {
                let head = world.ask(&row, "HEAD", token, &values).await;
                if head != (Answer { body: String::new(), ..answer }) {
                    wrong.push(format!("{row}: {who} {head:?} for HEAD"));
                }
            }
            refused += u32::from(!may);
            if !may && world.happened(acme).await != before {
                wrong.push(format!("{row}: {who} changed something"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}\n{} of {refused}", wrong.join("\n"), wrong.len());
}

/// The same secrets, each with another end.
fn secrets(values: &Values) -> Values {
    let names = ["ticket", "ios_ticket", "once", "ios_once", "session"];
    names.into_iter().map(|name| (name, format!("{}0", values[name]))).collect()
}

#[tokio::test]
async fn what_is_anothers_is_as_if_it_were_not_there() {
    let world = World::new().await;
    let mut wrong = Vec::new();
    let mut compared = 0;
    for row in rows().iter().filter(|row| row.class != Class::Bytes) {
        let (acme, rival) = (&world.acme, &world.rival);
        for (who, token, at_home, abroad) in [
            ("nobody", "", acme, rival),
            ("a key without rights", acme.bare.as_str(), acme, rival),
            ("a viewer", &acme.viewer, acme, rival),
            ("the owner, narrowed", &acme.narrowed, acme, rival),
            ("the owner", owner(&world, row), acme, rival),
            ("a stranger", &rival.owner, rival, acme),
        ] {
            let differs = |name: &&str| acme.values[*name] != rival.values[*name];
            let open =
                |name: &str| SECRETS.contains(&name) || (name == "organization" && !row.hides_organization());
            let holes: Vec<&str> =
                row.holes(&acme.values).filter(differs).filter(|name| !open(name)).collect();
            let each = holes.iter().map(|hole| vec![*hole]);
            // One at a time, and all at once.
            for exchanged in each.chain((holes.len() > 1).then(|| holes.clone())) {
                let exchange = |from: &Values| {
                    let mut values = at_home.values.clone();
                    values.extend(
                        from.iter()
                            .filter(|(name, _)| exchanged.contains(*name))
                            .map(|(n, v)| (*n, v.clone())),
                    );
                    values
                };
                let (foreign, missing) = (exchange(&abroad.values), exchange(&world.missing));
                let before = world.happened(abroad).await;
                let of_another = world.ask(row, row.method, token, &foreign).await;
                let of_nobody = world.ask(row, row.method, token, &missing).await;
                compared += 1;
                let of_another = renamed(of_another, &foreign, &missing);
                if of_another != of_nobody || of_another.status >= 500 {
                    wrong.push(format!("{row} {exchanged:?}: {who}\n  {of_another:?}\n  {of_nobody:?}"));
                }
                if world.happened(abroad).await != before {
                    wrong.push(format!("{row} {exchanged:?}: {who} changed something there"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}\n{} of {compared}", wrong.join("\n"), wrong.len());
}

/// An answer as it would be if things had the other names.
fn renamed(answer: Answer, from: &Values, to: &Values) -> Answer {
    // As it stands, as it stands in an address, or, if it is short, between quotes.
    let spellings: [fn(&str) -> String; 3] =
        [str::to_owned, |value| value.replace('-', "%2D"), |value| format!("'{value}'")];
    let rename = |text: &str| {
        let mut text = text.to_owned();
        for (name, value) in from.iter().filter(|(name, value)| to[*name] != **value) {
            for spelling in spellings.iter().skip(if value.len() > 1 { 0 } else { 2 }) {
                text = text.replace(&spelling(value), &spelling(&to[name]));
            }
        }
        text
    };
    let headers = answer.headers.iter().map(|(name, value)| (name.clone(), rename(value)));
    Answer { status: answer.status, headers: headers.collect(), body: rename(&answer.body) }
}

fn owner<'a>(world: &'a World, row: &Row) -> &'a str {
    if row.class == Class::AppToken { &world.acme.app_token } else { &world.acme.owner }
}

#[tokio::test]
async fn who_may_is_answered_as_the_table_says() {
    let mut world = World::new().await;
    let mut wrong = Vec::new();
    for row in rows() {
        let mut fresh = false;
        loop {
            let answer = world.ask(&row, row.method, owner(&world, &row), &world.acme.values).await;
            if answer.status == row.status && gives(&answer) == (row.status < 400) {
                break;
            }
            // What it is about may be gone by now.
            if std::mem::replace(&mut fresh, true) {
                wrong.push(format!("{row}: {answer:?}"));
                break;
            }
            world = World::new().await;
        }
    }
    assert!(wrong.is_empty(), "{}\n{}", wrong.join("\n"), wrong.len());
}
