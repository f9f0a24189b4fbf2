//! The whole journey of one Android package, in this process and without HTTP: taken in, understood, kept, reviewed,
//! published, offered to an audience, installed, and the history of it all.
//!
//! `cargo run --release --example quickstart [APK]`
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use appdepot::authorize::{Actor, Subject};
use appdepot::authz::CasbinAuthorizer;
use appdepot::blobs::ByteRange;
use appdepot::depot::{Depot, NewApp, NewAsset, NewFile, NewListing, NewRelease};
use appdepot::domain::{
    App, Audience, EventFilter, Id, Listing, Organization, Release, Role, Stored, Visibility,
};
use appdepot::inspect::Package;
use appdepot::lifecycle::Verb;
use appdepot::metadata::Extractor;
use appdepot::query::Query;
use appdepot::storage::{Durability, OpendalBlobs, SqliteRecords};
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use sha2::{Digest as _, Sha256};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> Outcome {
    let started = Instant::now();
    let path = std::env::args()
        .nth(1)
        .unwrap_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/field-notes.apk").to_owned());
    let bytes = Bytes::from(std::fs::read(&path)?);
    let folder = tempfile::tempdir()?;

    heading("A depot on embedded defaults: SQLite and files in a temporary folder");
    let records = Arc::new(SqliteRecords::open(folder.path().join("depot.sqlite"), Durability::Full).await?);
    let depot = Depot::builder()
        .blobs(Arc::new(OpendalBlobs::directory(folder.path().join("blobs"), Durability::Full)?))
        .records(records.clone())
        .authorizer(Arc::new(CasbinAuthorizer::new(records)))
        .inspector(Arc::new(Extractor::default()))
        .build();
    let system = Actor::system("quickstart");
    let acme = depot.create_organization(&system, "acme", "Acme Corp.").await?.id;
    let people = People::hire(&depot, &system, acme).await?;

    heading("Taken in and understood, in one pass");
    let name = path.rsplit('/').next().unwrap_or("app.apk");
    let file = NewFile { file_name: name.to_owned(), ..NewFile::default() };
    let body = stream::iter(bytes.chunks(64 * 1024).map(Bytes::copy_from_slice).map(Ok).collect::<Vec<_>>());
    let asset = depot.upload(&people.creator, acme, NewAsset::default(), file, body.boxed()).await?;
    let file = asset.file().ok_or("a link")?;
    say("file", format!("{} ({} bytes)", file.file_name, file.length));
    say("sha-256", &file.sha256);
    say("inspection", format!("{} reads, {} bytes read", file.inspection.reads, file.inspection.bytes_read));
    let package = file.inspection.package.clone().ok_or("no package was understood in the file")?;
    show(&package);

    heading("An app, and its release under review");
    let label = package.name.clone().unwrap_or_else(|| package.id.clone());
    let app = depot.create_app(&people.creator, acme, NewApp { name: label, ..NewApp::default() }).await?;
    let new = NewRelease { notes: "First release.".to_owned(), ..NewRelease::of(asset.id) };
    let release = depot.create_release(&people.creator, acme, app.id, new).await?;
    say("release", format!("{} {} is {}", app.name, release.version, release.state.as_str()));
    let id = release.id;
    step(&depot, &people.publisher, acme, id, Verb::Publish).await;
    step(&depot, &people.creator, acme, id, Verb::Submit).await;
    step(&depot, &people.creator, acme, id, Verb::Approve).await;
    step(&depot, &people.reviewer, acme, id, Verb::Approve).await;
    step(&depot, &people.publisher, acme, id, Verb::Publish).await;

    heading("In a store, for the field team only");
    let listing = offer(&depot, &system, acme, &app, &people).await?;
    for (who, actor) in [("ada, of the field team", &people.ada), ("bob, of no team", &people.bob)] {
        let store = depot.store(actor, acme, "main").await?;
        let found = depot.storefront(actor, &store, Query::of::<Listing>(acme)).await?;
        let names: Vec<&str> = found.items.iter().map(|listing| listing.name.as_str()).collect();
        let installs = match depot.ticket(actor, acme, id).await {
            Ok(_) => "may install it".to_owned(),
            Err(error) => format!("may not install it: {error}"),
        };
        say(who, format!("sees {names:?} and {installs}"));
    }
    say(
        "offer",
        format!(
            "{:?} on {}",
            listing.slug,
            listing.offers.first().map_or("nothing", |o| o.platform.as_str())
        ),
    );

    heading("Installed by ada");
    let ticket = depot.ticket(&people.ada, acme, id).await?;
    let download = depot.open_ticket(&ticket.token, ByteRange::FULL).await?;
    let mut hash = Sha256::new();
    let mut length = 0;
    let mut stream = download.stream;
    while let Some(chunk) = stream.try_next().await? {
        length += chunk.len();
        hash.update(&chunk);
    }
    let sha256: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    if sha256 != file.sha256 {
        return Err("the downloaded bytes are not the uploaded ones".into());
    }
    say("downloaded", format!("{length} bytes, the same SHA-256"));

    heading("What happened");
    for event in depot.events(&system, &EventFilter::of(acme)).await? {
        let told = &event.event;
        let steps = match (&told.from, &told.to) {
            (Some(from), Some(to)) => format!("  {from} -> {to}"),
            _ => String::new(),
        };
        println!("  {:>3}  {}  {:<16} {}{steps}", event.sequence, told.at, told.actor, told.action);
    }
    println!("\ndone in {} ms; the temporary folder is gone", started.elapsed().as_millis());
    Ok(())
}

/// The people of the story, each with only the rights they need.
struct People {
    creator: Actor,
    reviewer: Actor,
    publisher: Actor,
    ada: Actor,
    bob: Actor,
}

impl People {
    async fn hire(depot: &Depot, system: &Actor, acme: Id<Organization>) -> Outcome<Self> {
        let hire = async |name: &str, role: &str| -> Outcome<Actor> {
            let subject = Subject::user(name)?;
            depot.grant(system, acme, subject.clone(), Role::parse(role)?, None).await?;
            say(name, role);
            Ok(Actor::new(subject))
        };
        Ok(Self {
            creator: hire("carol", "wso2.creator").await?,
            reviewer: hire("rita", "wso2.reviewer").await?,
            publisher: hire("paul", "wso2.publisher").await?,
            ada: hire("ada", "org.member").await?,
            bob: hire("bob", "org.member").await?,
        })
    }
}

/// Puts the app into a store, for a group that ada is in.
async fn offer(
    depot: &Depot,
    system: &Actor,
    acme: Id<Organization>,
    app: &Stored<App>,
    people: &People,
) -> Outcome<Stored<Listing>> {
    let store = depot.create_store(system, acme, "Main store", Some("main")).await?;
    let team = depot.create_group(system, acme, "Field team", "").await?;
    depot.change_members(system, acme, team.id, std::slice::from_ref(&people.ada.subject), &[]).await?;
    let new = NewListing {
        store: store.id,
        app: app.id,
        slug: None,
        visibility: Visibility::Active,
        audience: Audience::any_of([team.id]),
    };
    Ok(depot.create_listing(system, acme, new).await?)
}

async fn step(depot: &Depot, who: &Actor, acme: Id<Organization>, release: Id<Release>, verb: Verb) {
    let name = &who.person.first_name;
    match depot.step(who, acme, release, verb, "").await {
        Ok(release) => say(name, format!("{}: now {}", verb.as_str(), release.state.as_str())),
        Err(error) => say(name, format!("{}: refused, {error}", verb.as_str())),
    }
}

fn show(package: &Package) {
    let detail = |name: &str| match package.details.get(name) {
        Some(value) => value.as_str().map_or_else(|| value.to_string(), str::to_owned),
        None => "-".to_owned(),
    };
    say("package", &package.id);
    say("version", format!("{} ({})", text(&package.version), text(&package.version_code)));
    say("label", text(&package.name));
    say("in languages", detail("localizedLabels"));
    say(
        "android",
        format!("at least API {}, made for {}", text(&package.min_os), detail("targetSdkVersion")),
    );
    say("architectures", package.architectures.join(", "));
    say("permissions", detail("permissions"));
    say("starts with", detail("launchable"));
    say("icon", text(&package.icon));
    for signer in &package.signers {
        say("signed by", format!("{} ({})", signer.sha256, signer.schemes.join(", ")));
    }
}

fn text(value: &Option<String>) -> &str {
    value.as_deref().unwrap_or("-")
}

fn heading(text: &str) {
    println!("\n{text}");
}

fn say(what: &str, text: impl AsRef<str>) {
    println!("  {what:<24} {}", text.as_ref());
}
