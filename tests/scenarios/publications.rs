//! Publications: which builds they offer, to whom, and until when; and how builds are let go.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use appdepot::authorize::{Actor, Origin};
use appdepot::depot::{
    AppChange, NewAuthPolicy, NewBuild, NewFile, NewPublication, NewUser, SetChange, StoreChange,
};
use appdepot::domain::{
    App, Audience, AuthMethod, Build, BuildNotes, Extra, Git, Id, LifecycleName, Listing, Publication,
    Release, Retention, Role, Security, Selection, Stored, Timestamp, Visibility,
};
use appdepot::query::Query;
use appdepot::{Error, ErrorKind};

use super::stage::*;

impl Stage {
    /// A build of a branch, processed.
    async fn build_of(&self, app: &Stored<App>, branch: &str) -> Stored<Build> {
        self.clock.fetch_add(1_000, SeqCst);
        let file = NewFile { file_name: "a.apk".to_owned(), ..NewFile::default() };
        let git = Git { branch: Some(branch.to_owned()), ..Git::default() };
        let notes =
            BuildNotes { git, tags: vec![branch.to_owned(), "ci".to_owned()], ..BuildNotes::default() };
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

pub(crate) async fn a_publication_follows_its_branch(ground: Ground) {
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
    let tag = |words: &str| Selection::Tag(words.to_owned());
    for (selection, expected) in [
        (Selection::Builds(vec![first]), vec![first]),
        (tag("side"), vec![side]),
        (tag("ci"), vec![side]),
        (tag("main, ci"), vec![first]),
        (tag("main,side"), vec![]),
        (tag("side,"), vec![]),
    ] {
        let new = stage.publication("main-line", selection);
        stage.depot.replace_publication(&system(), stage.acme, main.id, new).await.unwrap();
        assert_eq!(stage.offers(&main).await, expected);
    }
    let taken = stage.publication("last", Selection::Last);
    let taken = stage.depot.create_publication(&system(), stage.acme, app.id, taken).await;
    assert!(taken.unwrap_err().is_taken("slug"));
    let other = stage.app("Other", LifecycleName::Direct).await;
    let foreign = stage.publication("foreign", Selection::Builds(vec![first]));
    let foreign = stage.depot.create_publication(&system(), stage.acme, other.id, foreign).await;
    assert_eq!(kind(foreign), ErrorKind::NotFound);
}

pub(crate) async fn a_publication_is_for_members_of_all_its_groups_until_it_ends(ground: Ground) {
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

pub(crate) async fn a_retention_does_what_was_seen_or_nothing(ground: Ground) {
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

pub(crate) async fn a_password_is_kept_as_a_hash_and_asked_for_once(ground: Ground) {
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
    let kept = Query::of::<appdepot::domain::Password>(stage.acme).counted();
    let passwords = async || stage.ground.backends.records.list(&kept).await.unwrap().total;
    stage.depot.remove_listing(&system(), stage.acme, made.id).await.unwrap();
    assert_eq!(passwords().await, Some(0));
    let mut again = stage.publication("secret", Selection::Last);
    again.publication.security = Security::Password;
    again.password = Some("open sesame".to_owned());
    stage.publish(&app, again).await;
    assert_eq!(passwords().await, Some(1));
    stage.depot.remove_app(&system(), stage.acme, app.id).await.unwrap();
    assert_eq!(passwords().await, Some(0), "what goes with its app leaves none either");
}

fn from(address: &str) -> Origin {
    Origin { address: Some(address.to_owned()), ..Origin::default() }
}

pub(crate) async fn a_publication_behind_a_password_is_nobodys_without_it(ground: Ground) {
    let passwords = Arc::new(appdepot::authz::Argon2Passwords::default());
    let stage = Stage::with(ground, |builder| builder.passwords(passwords)).await;
    let ada = stage.hire("ada", "org.member").await;
    let app = stage.app("Notes", LifecycleName::Direct).await;
    let release = Build::release(stage.build_of(&app, "main").await.id);
    let mut new = stage.publication("secret", Selection::Last);
    new.publication.security = Security::Password;
    new.password = Some("open sesame".to_owned());
    let made = stage.publish(&app, new.clone()).await;
    assert_eq!(stage.offers(&made).await, [release]);

    let (depot, acme) = (&stage.depot, stage.acme);
    for actor in [&ada, &Actor::anonymous()] {
        let fault = |result: Result<_, Error>| result.map(|_: appdepot::depot::Showing| ()).unwrap_err();
        let closed = fault(depot.showing(actor, &stage.store, "secret").await);
        assert_eq!(closed.kind(), ErrorKind::Unauthenticated);
        assert_eq!(kind(depot.store_icon(actor, &stage.store, "secret", 64).await), closed.kind());
        assert_eq!(kind(depot.ticket(actor, acme, release).await), ErrorKind::NotFound);
        assert!(depot.package(actor, acme, release).await.is_err());
    }
    assert!(stage.offered(&ada).await.is_empty());

    let unlock =
        async |password: &str, address: &str| depot.unlock("acme", "secret", password, from(address)).await;
    assert_eq!(kind(unlock("sesame", "10.0.0.1").await), ErrorKind::Unauthenticated);
    let issued = unlock("open sesame", "10.0.0.1").await.unwrap();
    assert!(!format!("{issued:?}").contains(&issued.token));
    let opened = depot.pass(&issued.token).await.unwrap();
    assert_eq!(opened, made.id);
    let visitor = Actor { unlocked: Some(opened), ..Actor::anonymous() };
    let shown = depot.showing(&visitor, &stage.store, "secret").await.unwrap();
    assert_eq!(shown.versions.iter().map(|version| version.release.id).collect::<Vec<_>>(), [release]);
    let ticket = depot.ticket(&visitor, acme, release).await.unwrap();
    let bytes = depot.open_ticket(&ticket.token, appdepot::blobs::ByteRange::FULL).await.unwrap();
    assert_eq!(read(bytes.stream).await, package("field-notes.apk"));

    // Guessing shuts out the one who guesses, and nobody else.
    for _ in 0..10 {
        assert_eq!(kind(unlock("sesame", "10.0.0.2").await), ErrorKind::Unauthenticated);
    }
    assert_eq!(kind(unlock("open sesame", "10.0.0.2").await), ErrorKind::Limited);
    assert!(unlock("open sesame", "10.0.0.1").await.is_ok());

    new.password = Some("another".to_owned());
    depot.replace_publication(&system(), acme, made.id, new).await.unwrap();
    assert_eq!(kind(depot.pass(&issued.token).await), ErrorKind::Unauthenticated);
    let issued = unlock("another", "10.0.0.1").await.unwrap();
    stage.clock.fetch_add(3_600_000, SeqCst);
    assert_eq!(kind(depot.pass(&issued.token).await), ErrorKind::Unauthenticated);
    stage.clock.fetch_add(1, SeqCst);
    assert!(depot.sweep().await.unwrap().passes > 0);
}

pub(crate) async fn a_public_publication_is_for_everyone_until_it_ends(ground: Ground) {
    let stage = Stage::set(ground).await;
    let app = stage.app("Notes", LifecycleName::Direct).await;
    let first = Build::release(stage.build_of(&app, "main").await.id);
    let second = Build::release(stage.build_of(&app, "main").await.id);
    let mut new = stage.publication("open", Selection::Last);
    new.publication.security = Security::Public;
    new.publication.expires_at = Some(Timestamp::from_millis(stage.clock.load(SeqCst) + 60_000));
    let made = stage.publish(&app, new.clone()).await;
    let nobody = Actor::anonymous();
    let (depot, acme) = (&stage.depot, stage.acme);
    let shown = async || -> Result<Vec<_>, Error> {
        let shown = depot.showing(&nobody, &stage.store, "open").await?;
        Ok(shown.versions.iter().map(|version| version.release.id).collect())
    };
    assert_eq!(shown().await.unwrap(), [second]);
    assert!(depot.ticket(&nobody, acme, second).await.unwrap().ticket.install);
    assert_eq!(kind(depot.ticket(&nobody, acme, first).await), ErrorKind::NotFound);
    assert_eq!(
        kind(depot.open_release(&nobody, acme, second, true, Default::default()).await.map(|_| ())),
        ErrorKind::NotFound,
        "bytes leave by a ticket"
    );

    let change = async |change: &dyn Fn(&mut NewPublication)| {
        let mut other = new.clone();
        change(&mut other);
        depot.replace_publication(&system(), acme, made.id, other).await.unwrap();
    };
    change(&|new| new.publication.show_history = true).await;
    assert_eq!(shown().await.unwrap(), [second, first]);
    assert!(depot.ticket(&nobody, acme, first).await.is_ok());
    change(&|new| new.visibility = Visibility::Inactive).await;
    assert_eq!(kind(shown().await), ErrorKind::NotFound);
    assert_eq!(kind(depot.ticket(&nobody, acme, second).await), ErrorKind::NotFound);
    change(&|new| new.publication.blocked_countries = vec!["FR".to_owned()]).await;
    assert_eq!(kind(shown().await), ErrorKind::NotFound);
    change(&|new| new.publication.security = Security::Logged).await;
    assert_eq!(kind(shown().await), ErrorKind::NotFound);
    assert_eq!(kind(depot.ticket(&nobody, acme, second).await), ErrorKind::NotFound);
    change(&|_| ()).await;
    assert_eq!(shown().await.unwrap(), [second]);
    stage.clock.fetch_add(60_001, SeqCst);
    assert_eq!(kind(shown().await), ErrorKind::Unauthenticated, "it is over");
    assert_eq!(kind(depot.ticket(&nobody, acme, second).await), ErrorKind::NotFound);
}

pub(crate) async fn the_terms_of_a_publication_come_first(ground: Ground) {
    let stage = Stage::set(ground).await;
    let (depot, acme) = (&stage.depot, stage.acme);
    let (ada, clerk) = (stage.hire("ada", "org.member").await, stage.hire("carl", "org.viewer").await);
    let app = stage.app("Notes", LifecycleName::Direct).await;
    let first = Build::release(stage.build_of(&app, "main").await.id);
    let second = Build::release(stage.build_of(&app, "main").await.id);
    let mut new = stage.publication("beta", Selection::Last);
    new.publication.terms = Some("be kind".to_owned());
    let made = stage.publish(&app, new.clone()).await;

    let other = Actor { agreed: Some(Id::generate()), ..ada.clone() };
    let open = async |who: &Actor, release| {
        depot.open_release(who, acme, release, true, Default::default()).await.map(|_| ())
    };
    for who in [&ada, &other] {
        assert!(depot.showing(who, &stage.store, "beta").await.is_ok(), "they can be read");
        assert_eq!(kind(depot.ticket(who, acme, second).await), ErrorKind::Invalid);
        assert_eq!(kind(open(who, second).await), ErrorKind::Invalid);
        assert_eq!(kind(depot.ticket(who, acme, first).await), ErrorKind::NotFound, "no history");
    }
    let agreed = Actor { agreed: Some(made.id), ..ada.clone() };
    assert!(depot.ticket(&agreed, acme, second).await.unwrap().ticket.install);
    open(&agreed, second).await.unwrap();
    assert_eq!(kind(depot.ticket(&agreed, acme, first).await), ErrorKind::NotFound);
    assert!(
        !depot.ticket(&clerk, acme, second).await.unwrap().ticket.install,
        "by right, not by the publication"
    );

    new.publication.security = Security::Public;
    new.publication.show_history = true;
    depot.replace_publication(&system(), acme, made.id, new).await.unwrap();
    let nobody = Actor::anonymous();
    assert_eq!(kind(depot.ticket(&nobody, acme, first).await), ErrorKind::Invalid);
    let agreed = Actor { agreed: Some(made.id), ..nobody };
    assert!(depot.ticket(&agreed, acme, first).await.is_ok());

    // Where another listing asks for nothing, nothing has to be agreed to.
    stage.list(&app, Audience::everyone()).await;
    assert!(depot.ticket(&ada, acme, second).await.is_ok());
}

/// A publication of the newest build of an app, and someone it is for.
struct Beta {
    stage: Stage,
    ada: Actor,
    release: Id<Release>,
    new: NewPublication,
    made: Stored<Listing>,
}

impl Beta {
    async fn new(ground: Ground) -> Self {
        let stage = Stage::set(ground).await;
        let ada = stage.hire("ada", "org.member").await;
        let app = stage.app("Notes", LifecycleName::Direct).await;
        let release = Build::release(stage.build_of(&app, "main").await.id);
        let new = stage.publication("beta", Selection::Last);
        let made = stage.publish(&app, new.clone()).await;
        Self { stage, ada, release, new, made }
    }
}

pub(crate) async fn a_publication_for_some_countries_is_for_no_others(ground: Ground) {
    let Beta { stage, ada, release, mut new, made } = Beta::new(ground).await;
    let (depot, acme) = (&stage.depot, stage.acme);
    let codes = |codes: &[&str]| codes.iter().map(|code| (*code).to_owned()).collect::<Vec<_>>();
    for security in [Security::Logged, Security::Public] {
        for (allowed, blocked, for_them) in [
            (codes(&[]), codes(&[]), [true, true, true]),
            (codes(&["DE", "AT"]), codes(&[]), [false, true, false]),
            (codes(&[]), codes(&["FR"]), [false, true, false]),
            (codes(&["DE", "FR"]), codes(&["FR"]), [false, true, false]),
            (codes(&["IT"]), codes(&[]), [false, false, false]),
        ] {
            new.publication.security = security;
            new.publication.allowed_countries = allowed;
            new.publication.blocked_countries = blocked;
            depot.replace_publication(&system(), acme, made.id, new.clone()).await.unwrap();
            for (country, is_for) in [None, Some("DE"), Some("FR")].into_iter().zip(for_them) {
                let origin = Origin { country: country.map(str::to_owned), ..Origin::default() };
                let who = Actor { origin, ..ada.clone() };
                let case = format!("{security:?} {:?} {country:?}", new.publication);
                let expected = if is_for { Ok(()) } else { Err(ErrorKind::NotFound) };
                let shown = depot.showing(&who, &stage.store, "beta").await.map(|_| ());
                assert_eq!(shown.map_err(|error| error.kind()), expected, "{case}");
                let ticket = depot.ticket(&who, acme, release).await.map(|_| ());
                assert_eq!(ticket.map_err(|error| error.kind()), expected, "{case}");
                // A list cannot tell of what is kept from a country that is known.
                let unsure = country.is_some() && !new.publication.blocked_countries.is_empty();
                assert!(unsure || stage.offered(&who).await.is_empty() != is_for, "{case}");
            }
        }
    }
}

pub(crate) async fn a_ticket_lasts_no_longer_than_its_publication(ground: Ground) {
    let Beta { stage, ada, release, mut new, made } = Beta::new(ground).await;
    let (depot, acme) = (&stage.depot, stage.acme);
    let open = async |token: &str, start| {
        let range = appdepot::blobs::ByteRange { start, end: None };
        depot.open_ticket(token, range).await.map(|_| ())
    };
    let change = async |new: &NewPublication| {
        depot.replace_publication(&system(), acme, made.id, new.clone()).await.unwrap();
    };
    let (begun, unused) =
        (depot.ticket(&ada, acme, release).await.unwrap(), depot.ticket(&ada, acme, release).await.unwrap());
    open(&begun.token, 0).await.unwrap();
    new.visibility = Visibility::Inactive;
    change(&new).await;
    assert_eq!(kind(open(&unused.token, 0).await), ErrorKind::Unauthenticated);
    new.visibility = Visibility::Unlisted;
    new.publication.expires_at = Some(Timestamp::from_millis(stage.clock.load(SeqCst) + 1_000));
    change(&new).await;
    open(&unused.token, 0).await.unwrap();
    let unused = depot.ticket(&ada, acme, release).await.unwrap();
    stage.clock.fetch_add(1_000, SeqCst);
    assert_eq!(kind(open(&unused.token, 0).await), ErrorKind::Unauthenticated, "it is over");
    open(&begun.token, 10).await.unwrap();
    new.publication.expires_at = None;
    change(&new).await;
    depot.remove_listing(&system(), acme, made.id).await.unwrap();
    assert_eq!(kind(open(&unused.token, 0).await), ErrorKind::Unauthenticated, "it is gone");
}

pub(crate) async fn a_store_lets_in_whom_one_of_its_policies_admits(ground: Ground) {
    const PASSWORD: &str = "correct horse battery";
    let passwords = Arc::new(appdepot::authz::Argon2Passwords::default());
    let stage = Stage::with(ground, |builder| builder.passwords(passwords)).await;
    let (depot, acme) = (&stage.depot, stage.acme);
    let mut users = Vec::new();
    for name in ["ada", "bob"] {
        let email = format!("{name}@acme.example");
        let new = NewUser { email, ..NewUser::default() };
        let role = Role::parse("org.member").unwrap();
        users.push(depot.enrol(&system(), acme, new, Some(PASSWORD), role).await.unwrap().id);
    }
    let enter = async |name: &str, policy: Option<&str>| {
        let name = format!("{name}@acme.example");
        depot.enter("acme", policy, (&name, PASSWORD), Origin::default(), None).await
    };
    assert!(enter("bob", None).await.unwrap().signed_in.session.policy.is_none(), "it has none");
    let mut policies = Vec::new();
    for (name, method, approved) in [
        ("Directory", AuthMethod::Ldap, vec![]),
        ("Nobody", AuthMethod::Password, vec![]),
        ("Ada", AuthMethod::Password, vec![users[0].into()]),
    ] {
        let new = NewAuthPolicy {
            name: name.to_owned(),
            method,
            configuration: Extra::new(),
            check_exists: true,
            check_approved: true,
            users: approved,
        };
        policies.push(depot.create_auth_policy(&system(), acme, new).await.unwrap().id);
    }
    let keep = async |policies: &[Id<_>]| {
        let policies = SetChange::to(policies.to_vec());
        let change = StoreChange { policies, ..StoreChange::default() };
        depot.update_store(&system(), acme, stage.store.id, None, change).await.unwrap();
    };
    keep(&policies).await;
    assert_eq!(enter("ada", None).await.unwrap().signed_in.session.policy, Some(policies[2]));
    assert_eq!(kind(enter("bob", None).await), ErrorKind::Unauthenticated);
    assert_eq!(kind(enter("ada", Some("Nobody")).await), ErrorKind::Unauthenticated);
    assert_eq!(kind(enter("ada", Some("Directory")).await), ErrorKind::Unsupported);
    assert_eq!(kind(enter("ada", Some("Unknown")).await), ErrorKind::NotFound);
    keep(&policies[..1]).await;
    assert_eq!(kind(enter("ada", None).await), ErrorKind::Unsupported);
}
