//! Publications: which builds they offer, to whom, and until when; and how builds are let go.

use super::*;
use appdepot::depot::{AppChange, NewBuild, NewPublication};
use appdepot::domain::{Build, BuildNotes, Git, Publication, Retention, Security, Selection};

impl Stage {
    /// A build of a branch, processed.
    async fn build_of(&self, app: &Stored<App>, branch: &str) -> Stored<Build> {
        self.clock.fetch_add(1_000, SeqCst);
        let file = NewFile { file_name: "a.apk".to_owned(), ..NewFile::default() };
        let git = Git { branch: Some(branch.to_owned()), ..Git::default() };
        let notes = BuildNotes { git, tags: vec![branch.to_owned()], ..BuildNotes::default() };
        let describe = Box::new(move |_: &_| Ok(NewBuild { notes, ..NewBuild::default() }));
        let bytes = body(package("field-notes.apk"));
        self.depot.create_build(&system(), self.acme, app.id, file, bytes, describe).await.unwrap();
        self.depot.process_build().await.unwrap().unwrap()
    }

    fn publication(&self, slug: &str, selection: Selection) -> NewPublication {
        NewPublication {
            store: Some(self.store.id),
            slug: slug.to_owned(),
            visibility: Visibility::Active,
            audience: Audience::everyone(),
            publication: Publication { selection, ..Publication::default() },
            password: None,
        }
    }

    async fn publish(&self, app: &Stored<App>, new: NewPublication) -> Stored<Listing> {
        self.depot.create_publication(&system(), self.acme, app.id, new).await.unwrap()
    }

    async fn offers(&self, listing: &Stored<Listing>) -> Vec<Id<Release>> {
        let found = self.depot.publication(&system(), self.acme, listing.id).await.unwrap();
        found.offers.iter().map(|offer| offer.release).collect()
    }
}

pub(super) async fn a_publication_follows_its_branch(ground: Ground) {
    let stage = Stage::set(ground).await;
    let app = stage.app("Notes", LifecycleName::Direct).await;
    let main =
        stage.publish(&app, stage.publication("main-line", Selection::GitBranch("main".to_owned()))).await;
    let last = stage.publish(&app, stage.publication("last", Selection::Last)).await;
    assert!(stage.offers(&main).await.is_empty(), "nothing needs to fit yet");
    let first = stage.build_of(&app, "main").await;
    let side = stage.build_of(&app, "side").await;
    let (first, side) = (Build::release(first.id), Build::release(side.id));
    assert_eq!((stage.offers(&main).await, stage.offers(&last).await), (vec![first], vec![side]));
    let second = Build::release(stage.build_of(&app, "main").await.id);
    assert_eq!((stage.offers(&main).await, stage.offers(&last).await), (vec![second], vec![second]));
    stage.depot.remove_release(&system(), stage.acme, second, None).await.unwrap();
    assert_eq!((stage.offers(&main).await, stage.offers(&last).await), (vec![first], vec![side]));
    for (selection, expected) in
        [(Selection::Builds(vec![first]), first), (Selection::Tag("side".to_owned()), side)]
    {
        let new = stage.publication("main-line", selection);
        stage.depot.replace_publication(&system(), stage.acme, main.id, new).await.unwrap();
        assert_eq!(stage.offers(&main).await, [expected]);
    }
    let taken = stage.publication("last", Selection::Last);
    let taken = stage.depot.create_publication(&system(), stage.acme, app.id, taken).await;
    assert!(taken.unwrap_err().is_taken("slug"));
    let other = stage.app("Other", LifecycleName::Direct).await;
    let foreign = stage.publication("foreign", Selection::Builds(vec![first]));
    let foreign = stage.depot.create_publication(&system(), stage.acme, other.id, foreign).await;
    assert_eq!(kind(foreign), ErrorKind::NotFound);
}

pub(super) async fn a_publication_is_for_members_of_all_its_groups_until_it_ends(ground: Ground) {
    let stage = Stage::set(ground).await;
    let (ada, bob) = (stage.hire("ada", "org.member").await, stage.hire("bob", "org.member").await);
    let mut groups = Vec::new();
    for (name, members) in
        [("Beta", vec![ada.subject.clone(), bob.subject.clone()]), ("Staff", vec![ada.subject.clone()])]
    {
        let group = stage.depot.create_group(&system(), stage.acme, name, "").await.unwrap();
        stage.depot.change_members(&system(), stage.acme, group.id, &members, &[]).await.unwrap();
        groups.push(group.id);
    }
    let app = stage.app("Notes", LifecycleName::Direct).await;
    let build = stage.build_of(&app, "main").await;
    let mut new = stage.publication("beta", Selection::Last);
    new.audience = Audience::all_of([groups.clone()]);
    new.publication.expires_at = Some(Timestamp::from_millis(stage.clock.load(SeqCst) + 60_000));
    stage.publish(&app, new).await;
    assert_eq!(stage.offered(&ada).await, ["1.4.2"]);
    assert!(stage.offered(&bob).await.is_empty(), "in one of two groups");
    let release = Build::release(build.id);
    assert!(stage.depot.ticket(&ada, stage.acme, release).await.is_ok());
    assert_eq!(kind(stage.depot.ticket(&bob, stage.acme, release).await), ErrorKind::NotFound);
    stage.clock.fetch_add(60_001, SeqCst);
    assert!(stage.offered(&ada).await.is_empty(), "it is over");
    assert_eq!(kind(stage.depot.ticket(&ada, stage.acme, release).await), ErrorKind::NotFound);
}

pub(super) async fn a_retention_does_what_was_seen_or_nothing(ground: Ground) {
    let stage = Stage::set(ground).await;
    let app = stage.app("Notes", LifecycleName::Direct).await;
    stage.publish(&app, stage.publication("main-line", Selection::GitBranch("main".to_owned()))).await;
    let plan = async || stage.depot.retention_plan(&system(), stage.acme, app.id).await.unwrap();
    let mut main = Vec::new();
    for _ in 0..4 {
        main.push(stage.build_of(&app, "main").await.id);
    }
    let side = stage.build_of(&app, "side").await.id;
    assert!(plan().await.builds.is_empty(), "everything is kept");
    let keep = async |days, per_publication| {
        let retention = Some(Retention { days, per_publication });
        let change = AppChange { retention, ..AppChange::default() };
        stage.depot.update_app(&system(), stage.acme, app.id, None, change).await.unwrap();
    };
    keep(None, Some(2)).await;
    let seen = plan().await;
    assert_eq!(seen.builds.iter().map(|build| build.id).collect::<Vec<_>>(), main[..2]);
    main.push(stage.build_of(&app, "main").await.id);
    let stale = stage.depot.apply_retention(&system(), stage.acme, app.id, &seen.id).await;
    assert_eq!(kind(stale), ErrorKind::Conflict, "another build came in");
    let viewer = stage.hire("vic", "org.viewer").await;
    let seen = stage.depot.retention_plan(&viewer, stage.acme, app.id).await.unwrap();
    let denied = stage.depot.apply_retention(&viewer, stage.acme, app.id, &seen.id).await;
    assert_eq!(kind(denied), ErrorKind::Forbidden);
    assert_eq!(stage.depot.apply_retention(&system(), stage.acme, app.id, &seen.id).await.unwrap(), 3);
    assert!(plan().await.builds.is_empty());
    keep(Some(1), None).await;
    stage.clock.fetch_add(2 * 24 * 3_600 * 1_000, SeqCst);
    let aged: Vec<_> = plan().await.builds.iter().map(|build| build.id).collect();
    assert_eq!(aged, [main[3], side], "what is offered stays, whatever its age");
    let shown = stage.depot.app(&system(), stage.acme, "notes").await.unwrap();
    assert_eq!((shown.releases, shown.builds), (3, 3));
    stage.assert_sound().await;
}

pub(super) async fn a_password_is_kept_as_a_hash_and_asked_for_once(ground: Ground) {
    let passwords = Arc::new(appdepot::authz::Argon2Passwords::default());
    let stage = Stage::with(ground, |builder| builder.passwords(passwords)).await;
    let app = stage.app("Notes", LifecycleName::Direct).await;
    let mut new = stage.publication("secret", Selection::Last);
    new.publication.security = Security::Password;
    let without = stage.depot.create_publication(&system(), stage.acme, app.id, new.clone()).await;
    assert_eq!(kind(without), ErrorKind::Invalid);
    let with = NewPublication { password: Some("open sesame".to_owned()), ..new.clone() };
    assert!(!format!("{with:?}").contains("sesame"));
    let made = stage.publish(&app, with).await;
    assert!(!format!("{made:?}").contains("sesame"));
    let replaced = stage.depot.replace_publication(&system(), stage.acme, made.id, new).await;
    assert!(replaced.is_ok(), "the one that was set stays");
    stage.depot.remove_listing(&system(), stage.acme, made.id).await.unwrap();
    let left = Query::of::<appdepot::domain::Password>(stage.acme).counted();
    assert_eq!(stage.ground.backends.records.list(&left).await.unwrap().total, Some(0));
}
