//! Organizations that are parts of others, and what is exposed downwards.

use appdepot::authorize::{Actor, Subject};
use appdepot::blobs::ByteRange;
use appdepot::depot::{AssetChange, NewAsset, NewFile};
use appdepot::domain::{
    App, Asset, Audience, EventFilter, Id, LifecycleName, Organization, Reference, Role, Stored,
};
use appdepot::lifecycle::Verb;
use appdepot::query::{Field, Op, Query, Sort};
use appdepot::{Error, ErrorKind};

use super::stage::*;

pub(crate) async fn what_is_exposed_is_seen_below_and_changed_by_nobody_there(ground: Ground) {
    let stage = Stage::set(ground).await;
    let owner = stage.hire("olga", "org.owner").await;
    let depot = &stage.depot;
    let north = depot.create_child_organization(&owner, stage.acme, "acme-north", "North").await.unwrap();
    assert_eq!((north.parent, north.organization), (Some(stage.acme), Id::NIL));
    let oslo = depot.create_child_organization(&owner, north.id, "acme-oslo", "Oslo").await.unwrap().id;
    let north = north.id;
    let editor = staff(&stage, oslo, "ed", "org.admin").await;
    let reader = staff(&stage, oslo, "rita", "org.viewer").await;
    let stranger = staff(&stage, oslo, "stan", "org.member").await;

    let put = async |organization, name: &str, expose| {
        let reference = Reference { kind: "PRODUCT".to_owned(), id: "p1".to_owned() };
        let new = NewAsset {
            expose_to_children: expose,
            alias: Some(name.replace('.', "-")),
            references: vec![reference],
            ..NewAsset::default()
        };
        let file = NewFile { file_name: name.to_owned(), ..NewFile::default() };
        let bytes = body(name.as_bytes().to_vec());
        depot.upload(&system(), organization, new, file, bytes).await.unwrap().id
    };
    let exposed = put(stage.acme, "a.txt", true).await;
    let kept = put(stage.acme, "b.txt", false).await;
    let nearer = put(north, "c.txt", true).await;
    let own = put(oslo, "d.txt", false).await;
    put(oslo, "e.txt", true).await;

    // In lists: one order, one count, whatever the filter, however the pages are turned.
    let sorted = |organization| {
        Query::of::<Asset>(organization).sort(Sort::ascending(Field::parse("name").unwrap())).counted()
    };
    let names = |page: &appdepot::query::Page<Stored<Asset>>| -> Vec<String> {
        page.items.iter().map(|asset| asset.name.clone()).collect()
    };
    let listed = depot.assets(&reader, sorted(oslo)).await.unwrap();
    assert_eq!((names(&listed), listed.total), (vec!["d.txt".to_owned(), "e.txt".to_owned()], Some(2)));
    let references = Field::parse("references.id").unwrap();
    for query in [sorted(oslo), sorted(oslo).filter(references, Op::Eq("p1".into()))] {
        let all = depot.assets_with_inherited(&reader, query.clone()).await.unwrap();
        assert_eq!((names(&all).concat(), all.total), ("a.txtc.txtd.txte.txt".to_owned(), Some(4)));
        let mut turned = Vec::new();
        let mut next = Some(query.limit(1));
        while let Some(query) = next.take() {
            let page = depot.assets_with_inherited(&reader, query.clone()).await.unwrap();
            turned.extend(names(&page));
            next = page.next.map(|cursor| query.after(cursor));
        }
        assert_eq!(turned, names(&all));
    }
    let one = Op::Eq("c.txt".into());
    let filtered = sorted(oslo).filter(Field::parse("name").unwrap(), one);
    assert_eq!(depot.assets_with_inherited(&reader, filtered).await.unwrap().total, Some(1));
    let above = depot.assets_with_inherited(&system(), sorted(stage.acme)).await.unwrap();
    assert_eq!(above.total, Some(2), "nothing is seen upwards");
    let middle = depot.assets_with_inherited(&system(), sorted(north)).await.unwrap();
    assert_eq!(names(&middle), ["a.txt", "c.txt"]);
    let forbidden = depot.assets_with_inherited(&stranger, sorted(oslo)).await;
    assert_eq!(kind(forbidden), ErrorKind::Forbidden);
    // A cursor of one list is none of the other.
    let page = depot.assets_with_inherited(&reader, sorted(oslo).limit(1)).await.unwrap();
    let other = depot.assets(&reader, sorted(oslo).limit(1).after(page.next.unwrap())).await;
    assert_eq!(kind(other), ErrorKind::Invalid);

    // By id, with the bytes; an alias is a name within one organization.
    for id in [exposed, nearer, own] {
        assert_eq!(depot.asset(&reader, oslo, &id.to_string()).await.unwrap().id, id);
        let opened = depot.open_asset(&reader, oslo, id, ByteRange::FULL).await.unwrap();
        assert_eq!(read(opened.stream).await.len(), 5);
    }
    assert_eq!(kind(depot.asset(&reader, oslo, "a-txt").await), ErrorKind::NotFound);
    assert_eq!(kind(depot.asset(&reader, oslo, &kept.to_string()).await), ErrorKind::NotFound);
    assert_eq!(kind(depot.asset(&stranger, oslo, &exposed.to_string()).await), ErrorKind::Forbidden);
    assert_eq!(kind(depot.asset(&reader, stage.acme, &exposed.to_string()).await), ErrorKind::NotFound);
    assert_eq!(kind(depot.asset(&system(), stage.acme, &own.to_string()).await), ErrorKind::NotFound);

    // To look is all that is given.
    for (id, expected) in [(exposed, ErrorKind::Forbidden), (kept, ErrorKind::NotFound)] {
        let change = AssetChange { name: Some("mine".to_owned()), ..AssetChange::default() };
        let changed = depot.update_asset(&editor, oslo, id, None, change.clone()).await;
        assert_eq!(kind(changed), expected);
        let (file, bytes) = (NewFile::default(), body(b"new".to_vec()));
        let replaced = depot.replace_file(&editor, oslo, id, None, change, file, bytes).await;
        assert_eq!(kind(replaced), expected);
        assert_eq!(kind(depot.remove_asset(&editor, oslo, id).await), expected);
    }

    // What is no longer exposed is gone at once, and another organization never saw it.
    let change = AssetChange { expose_to_children: Some(false), ..AssetChange::default() };
    depot.update_asset(&owner, stage.acme, exposed, None, change).await.unwrap();
    assert_eq!(kind(depot.asset(&reader, oslo, &exposed.to_string()).await), ErrorKind::NotFound);
    let evil = depot.create_organization(&system(), "evil", "Evil").await.unwrap().id;
    assert_eq!(kind(depot.asset(&system(), evil, &nearer.to_string()).await), ErrorKind::NotFound);
    assert_eq!(depot.assets_with_inherited(&system(), sorted(evil)).await.unwrap().total, Some(0));
    stage.assert_sound().await;
}

pub(crate) async fn a_part_of_an_organization_is_made_by_its_owners(ground: Ground) {
    let stage = Stage::set(ground).await;
    let owner = stage.hire("olga", "org.owner").await;
    let admin = stage.hire("ann", "org.admin").await;
    let depot = &stage.depot;
    let make = async |actor: &Actor, parent, slug: &str| {
        depot.create_child_organization(actor, parent, slug, "Part").await.map(|made| made.id)
    };
    assert_eq!(kind(make(&admin, stage.acme, "part").await), ErrorKind::Forbidden);
    let rival = depot.create_organization(&system(), "rival", "Rival").await.unwrap().id;
    assert_eq!(kind(make(&owner, rival, "part").await), ErrorKind::NotFound);
    assert_eq!(kind(make(&owner, Id::generate(), "part").await), ErrorKind::NotFound);
    assert_eq!(kind(make(&system(), Id::generate(), "part").await), ErrorKind::NotFound);
    assert_eq!(kind(make(&owner, Id::NIL, "part").await), ErrorKind::NotFound);
    assert_eq!(kind(make(&owner, stage.acme, "rival").await), ErrorKind::Conflict);

    let mut at = stage.acme;
    for depth in 0..8 {
        at = make(&owner, at, &format!("part-{depth}")).await.unwrap();
    }
    assert_eq!(kind(make(&owner, at, "part-8").await), ErrorKind::Invalid);
    // They own what they made; rights above give none below.
    assert_eq!(depot.own_roles(&owner, at).await.unwrap().len(), 1);
    assert_eq!(kind(depot.organization(&admin, "part-0").await), ErrorKind::NotFound);
    let told = EventFilter { action: Some("organization.create".to_owned()), ..EventFilter::of(stage.acme) };
    assert_eq!(depot.events(&admin, &told).await.unwrap().len(), 1);
}

async fn staff(stage: &Stage, organization: Id<Organization>, name: &str, role: &str) -> Actor {
    let subject = Subject::user(name).unwrap();
    stage
        .depot
        .grant(&system(), organization, subject.clone(), Role::parse(role).unwrap(), None)
        .await
        .unwrap();
    Actor::new(subject)
}

pub(crate) async fn another_organization_does_not_exist(ground: Ground) {
    let stage = Stage::set(ground).await;
    let app = stage.app("Secret", LifecycleName::Direct).await;
    let release = stage.release(&app, "field-notes.apk").await;
    stage.list(&app, Audience::everyone()).await;
    let evil = stage.depot.create_organization(&system(), "evil", "Evil").await.unwrap().id;
    let mallory = Actor::new(Subject::user("mallory").unwrap());
    let owner = Role::parse(Role::OWNER).unwrap();
    stage.depot.grant(&system(), evil, mallory.subject.clone(), owner, None).await.unwrap();
    let depot = &stage.depot;
    assert_eq!(kind(depot.organization(&mallory, "acme").await), ErrorKind::NotFound);
    assert_eq!(
        depot.organization(&mallory, "acme").await.unwrap_err().to_string(),
        depot.organization(&mallory, "nosuch").await.unwrap_err().to_string(),
    );
    // Their ids in my organization, and my rights in theirs: as if they were random.
    for organization in [evil, stage.acme] {
        let text = |result: Result<(), Error>| {
            let error = result.unwrap_err();
            (error.kind(), error.to_string())
        };
        let asset =
            async |id: Id<Asset>| depot.asset(&mallory, organization, &id.to_string()).await.map(|_| ());
        let open = async |id| depot.open_asset(&mallory, organization, id, ByteRange::FULL).await.map(|_| ());
        let app_of = async |id: Id<App>| depot.app(&mallory, organization, &id.to_string()).await.map(|_| ());
        let release_of = async |id| depot.release(&mallory, organization, id).await.map(|_| ());
        let step = async |id| depot.step(&mallory, organization, id, Verb::Unpublish, "").await.map(|_| ());
        let ticket = async |id| depot.ticket(&mallory, organization, id).await.map(|_| ());
        let none = Id::generate();
        assert_eq!(text(asset(release.asset.unwrap()).await), text(asset(none.cast()).await));
        assert_eq!(text(open(release.asset.unwrap()).await), text(open(none.cast()).await));
        assert_eq!(text(app_of(app.id).await), text(app_of(none.cast()).await));
        assert_eq!(text(release_of(release.id).await).0, text(release_of(none).await).0);
        assert_eq!(text(step(release.id).await).0, text(step(none).await).0);
        assert_eq!(text(ticket(release.id).await).0, text(ticket(none).await).0);
        assert_eq!(text(asset(release.asset.unwrap()).await).0, ErrorKind::NotFound);
    }
    assert_eq!(kind(depot.apps(&mallory, Query::of::<App>(stage.acme)).await), ErrorKind::NotFound);
    let listed = depot.assets(&mallory, Query::of::<Asset>(evil).counted()).await.unwrap();
    assert_eq!((listed.items.len(), listed.total), (0, Some(0)));
}
