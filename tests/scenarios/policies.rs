//! Policies and who they let in; versions made from others; documents.

use std::sync::Arc;

use appdepot::ErrorKind;
use appdepot::authorize::Actor;
use appdepot::authz::Xacml;
use appdepot::blobs::ByteRange;
use appdepot::depot::{NewApp, NewDocument, NewFile, NewPolicy, NewRelease, NewVersion, PolicyChange};
use appdepot::domain::{Audience, DocumentBody, Id, Policy, Release, Stored, Subscription, Timestamp, Topic};
use appdepot::lifecycle::{State, Verb};
use appdepot::query::Query;
use appdepot::records::{Batch, Change};

use super::stage::*;

/// Permits whoever is in the group.
fn members_of(group: &str) -> String {
    format!(
        "<Condition><Apply FunctionId='urn:oasis:names:tc:xacml:1.0:function:string-is-in'>\
         <AttributeValue DataType='http://www.w3.org/2001/XMLSchema#string'>{group}</AttributeValue>\
         <AttributeDesignator Category='urn:oasis:names:tc:xacml:1.0:subject-category:access-subject' \
         AttributeId='http://wso2.org/claims/role' DataType='http://www.w3.org/2001/XMLSchema#string' \
         MustBePresent='false'/></Apply></Condition>"
    )
}

impl Stage {
    async fn introduce(&self, name: &str, policies: Vec<Id<appdepot::domain::Policy>>) -> Stored<Release> {
        let asset = self.upload("field-notes.apk", package("field-notes.apk")).await;
        let app = NewApp { name: name.to_owned(), ..NewApp::default() };
        let new = NewRelease { policies, audience: Audience::everyone(), ..NewRelease::of(asset.id) };
        self.depot.introduce(&system(), self.acme, app, new).await.unwrap()
    }
}

pub(crate) async fn a_policy_decides_as_things_are_now(ground: Ground) {
    let stage = Stage::with(ground, |builder| builder.conditions(Arc::new(Xacml::new()))).await;
    let (ada, bob) = (stage.hire("ada", "org.member").await, stage.hire("bob", "org.member").await);
    let sales = stage.depot.create_group(&system(), stage.acme, "sales", "").await.unwrap();
    let join = async |who: &Actor| {
        let who = [who.subject.clone()];
        stage.depot.change_members(&system(), stage.acme, sales.id, &who, &[]).await.unwrap();
    };
    join(&ada).await;
    let new =
        NewPolicy { name: "sales only".to_owned(), condition: members_of("sales"), ..NewPolicy::default() };
    let wrong = NewPolicy { condition: "<Condition/>".to_owned(), ..new.clone() };
    assert_eq!(kind(stage.depot.create_policy(&system(), stage.acme, wrong).await), ErrorKind::Invalid);
    let policy = stage.depot.create_policy(&system(), stage.acme, new).await.unwrap();
    assert_eq!(policy.number, 1);

    let release = stage.introduce("Notes", vec![policy.id]).await;
    let subscribe = async |who: &Actor| stage.depot.subscribe(who, stage.acme, release.id).await;
    assert_eq!(kind(subscribe(&ada).await), ErrorKind::NotFound, "not published yet");
    stage.go(&release, &TO_PUBLISHED).await;
    let first = subscribe(&ada).await.unwrap();
    assert_eq!(subscribe(&ada).await.unwrap().id, first.id, "twice is once");
    assert_eq!(kind(subscribe(&bob).await), ErrorKind::Forbidden);
    let ticket = async |who: &Actor| stage.depot.ticket(who, stage.acme, release.id).await;
    assert!(ticket(&ada).await.is_ok());
    assert_eq!(kind(ticket(&bob).await), ErrorKind::Forbidden);
    let package = async |who: &Actor| stage.depot.package(who, stage.acme, release.id).await;
    assert!(package(&ada).await.is_ok());
    assert_eq!(kind(package(&bob).await), ErrorKind::Forbidden);
    join(&bob).await;
    subscribe(&bob).await.unwrap();
    assert!(ticket(&bob).await.is_ok());

    let change = PolicyChange { condition: Some(members_of("nobody")), ..PolicyChange::default() };
    stage.depot.update_policy(&system(), stage.acme, policy.id, None, change).await.unwrap();
    assert_eq!(kind(ticket(&ada).await), ErrorKind::Forbidden, "the policy changed");
    let subscribers = stage.depot.subscribers(&system(), stage.acme, release.id).await.unwrap();
    let names: Vec<_> = subscribers.iter().map(|one| one.subject.as_str()).collect();
    assert_eq!(names, ["user:ada", "user:bob"]);
    stage.depot.unsubscribe(&bob, stage.acme, release.id).await.unwrap();
    assert_eq!(kind(stage.depot.unsubscribe(&bob, stage.acme, release.id).await), ErrorKind::NotFound);

    let remove = async || stage.depot.remove_policy(&system(), stage.acme, policy.id, None).await;
    assert_eq!(kind(remove().await), ErrorKind::Conflict, "a release names it");
    let left = Query::of::<Subscription>(stage.acme).counted();
    assert_eq!(stage.ground.backends.records.list(&left).await.unwrap().total, Some(1));
    stage.depot.remove_release(&system(), stage.acme, release.id, None).await.unwrap();
    assert_eq!(stage.ground.backends.records.list(&left).await.unwrap().total, Some(0));
    remove().await.unwrap();
    stage.assert_sound().await;
}

pub(crate) async fn subscribers_stay_when_a_release_is_retired(ground: Ground) {
    let stage = Stage::set(ground).await;
    let ada = stage.hire("ada", "org.member").await;
    let release = stage.introduce("Notes", Vec::new()).await;
    stage.go(&release, &TO_PUBLISHED).await;
    stage.depot.subscribe(&ada, stage.acme, release.id).await.unwrap();
    stage.go(&release, &[Verb::Deprecate, Verb::Retire]).await;
    let subscribers = stage.depot.subscribers(&system(), stage.acme, release.id).await.unwrap();
    assert_eq!(subscribers.len(), 1);
    assert_eq!(kind(stage.depot.ticket(&ada, stage.acme, release.id).await), ErrorKind::NotFound);
}

pub(crate) async fn a_version_is_made_from_another_and_leaves_it_alone(ground: Ground) {
    let stage = Stage::set(ground).await;
    let source = stage.introduce("Notes", Vec::new()).await;
    stage.go(&source, &TO_PUBLISHED).await;
    let before = stage.depot.release(&system(), stage.acme, source.id).await.unwrap();
    let new = NewVersion { version: "2.0".to_owned(), title: Some("New".to_owned()), default: true };
    let make = async || stage.depot.create_version(&system(), stage.acme, source.id, new.clone()).await;
    let made = make().await.unwrap();
    assert_eq!((made.state, made.version.as_str()), (State::Created, "2.0"));
    assert_eq!((made.asset, made.derived_from), (source.asset, Some(source.id)));
    assert_eq!(made.details.title, "New");
    assert!(make().await.unwrap_err().is_taken("version"));
    assert_eq!(stage.depot.release(&system(), stage.acme, source.id).await.unwrap(), before);
    // Both have the package; it goes with the last of them.
    stage.depot.remove_release(&system(), stage.acme, source.id, None).await.unwrap();
    assert!(stage.depot.package(&system(), stage.acme, made.id).await.is_ok());
    stage.assert_sound().await;
}

pub(crate) async fn documents_go_with_their_release(ground: Ground) {
    let stage = Stage::set(ground).await;
    let release = stage.introduce("Notes", Vec::new()).await;
    let (depot, acme) = (&stage.depot, stage.acme);
    let file = || DocumentBody::File { asset: None, name: String::new() };
    let new = |name: &str, body| NewDocument {
        name: name.to_owned(),
        topic: Topic::HowTo,
        other_topic: String::new(),
        summary: String::new(),
        body,
    };
    let create = async |new| depot.create_document(&system(), acme, release.id, new).await;
    let guide = create(new("guide", file())).await.unwrap();
    assert!(create(new("guide", file())).await.unwrap_err().is_taken("name"));
    let foreign = DocumentBody::Url { url: "javascript:alert(1)".to_owned() };
    assert_eq!(kind(create(new("page", foreign)).await), ErrorKind::Invalid);
    let write = async |bytes: &[u8], expected| {
        let file = NewFile { file_name: "guide.pdf".to_owned(), ..NewFile::default() };
        let bytes = body(bytes.to_vec());
        depot.write_document_file(&system(), acme, release.id, guide.id, expected, file, bytes).await
    };
    let open = async || {
        let all = ByteRange::FULL;
        depot.open_document(&system(), acme, release.id, guide.id, all).await
    };
    assert_eq!(kind(open().await.map(|_| ())), ErrorKind::NotFound, "not written yet");
    write(b"first", None).await.unwrap();
    let second = write(b"second", None).await.unwrap();
    assert_eq!(kind(write(b"late", Some(1)).await), ErrorKind::Conflict);
    assert_eq!(read(open().await.unwrap().stream).await, b"second");
    let kept = depot.document(&system(), acme, release.id, guide.id).await.unwrap();
    assert_eq!(kept, second);
    stage.assert_sound().await;
    depot.remove_release(&system(), acme, release.id, None).await.unwrap();
    let left = Query::of::<appdepot::domain::Document>(acme).counted();
    assert_eq!(stage.ground.backends.records.list(&left).await.unwrap().total, Some(0));
    stage.assert_sound().await;
}

/// As an organization has them whose policies came before the count.
pub(crate) async fn numbers_continue_after_those_that_nobody_counted(ground: Ground) {
    let stage = Stage::with(ground, |builder| builder.conditions(Arc::new(Xacml::new()))).await;
    for number in [9, 10, 2] {
        let policy = Policy {
            number,
            name: "old".to_owned(),
            condition: members_of("sales"),
            shared: false,
            description: String::new(),
            author: system().subject,
        };
        let mut batch = Batch::new();
        let stored = Stored::new(stage.acme, policy, Timestamp::now());
        batch.changes.push(Change::Insert(stored.to_record(batch.id).unwrap()));
        stage.ground.backends.records.commit(batch).await.unwrap();
    }
    let add = async || {
        let new =
            NewPolicy { name: "new".to_owned(), condition: members_of("sales"), ..NewPolicy::default() };
        stage.depot.create_policy(&system(), stage.acme, new).await.unwrap()
    };
    let (first, second) = (add().await, add().await);
    assert_eq!((first.number, second.number), (11, 12));
    stage.depot.remove_policy(&system(), stage.acme, second.id, None).await.unwrap();
    assert_eq!(add().await.number, 13, "not the number of the one that is gone");
}
