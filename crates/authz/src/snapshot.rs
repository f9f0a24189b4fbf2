//! What is written about one organization, indexed; never changed once made.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use appdepot_core::authorize::{Actor, Subject, SubjectKind};
use appdepot_core::domain::{App, Holder, Id, Organization, Revision, Role, Rule};

use crate::facts::Facts;
use crate::frozen::Frozen;
use crate::policy::{Permission, Policy, Row, Table};
use crate::roles::Inclusions;

/// The standing of everyone in one organization, and its own rules.
#[derive(Debug)]
pub(crate) struct Snapshot {
    policy: Arc<Policy>,
    home: Domain,
    version: Revision,
    subjects: Frozen<Place>,
    memo: Memo,
    /// Those of everybody, one after the other.
    on_apps: Box<[OnApp]>,
    sets: Sets,
    own: Own,
}

/// Where somebody has which set of roles.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Standing<'a> {
    everywhere: SetId,
    /// On apps with grants of their own: those and the organization-wide ones together. By app.
    apps: &'a [OnApp],
    /// Whether it comes from a grant, and not only from rules that name somebody.
    granted: bool,
}

/// An app, and the set of roles that somebody has there.
type OnApp = (Id<App>, SetId);

/// A standing as it is kept.
#[derive(Debug, Clone, Copy)]
struct Place {
    everywhere: SetId,
    /// Where its apps start and end.
    from: u32,
    to: u32,
    granted: bool,
}

impl Place {
    /// Keeps a standing, its apps behind those of others.
    fn new(everywhere: SetId, granted: bool, own: impl Iterator<Item = OnApp>, all: &mut Vec<OnApp>) -> Self {
        let end = |all: &Vec<OnApp>| u32::try_from(all.len()).unwrap_or(u32::MAX);
        let from = end(all);
        all.extend(own);
        Self { everywhere, from, to: end(all), granted }
    }
}

/// Somebody with some standing.
#[derive(Debug)]
pub(crate) struct Asker<'a> {
    pub(crate) subject: &'a str,
    own: Option<Standing<'a>>,
    /// Of the groups that the credential itself names.
    groups: Vec<Standing<'a>>,
}

impl Asker<'_> {
    /// The roles that hold on `app`, and the app if it has grants of its own. Several sets hold together.
    pub(crate) fn on(&self, app: Option<Id<App>>) -> impl Iterator<Item = (SetId, Option<Id<App>>)> {
        self.own.iter().chain(&self.groups).map(move |standing| standing.on(app))
    }

    /// The apps with grants of their own.
    pub(crate) fn apps(&self) -> BTreeSet<Id<App>> {
        self.own.iter().chain(&self.groups).flat_map(|standing| standing.apps()).collect()
    }
}

/// One of the different sets of roles that anybody in the organization has.
pub(crate) type SetId = u32;

/// A place in which roles are held and actions are done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Domain {
    /// An organization as a whole.
    Organization(Id<Organization>),
    /// One app of it.
    App(Id<Organization>, Id<App>),
    /// That of the scopes of credentials.
    Scopes,
}

impl Domain {
    /// What is asked about: an organization, or one of its apps.
    pub(crate) fn new(organization: Id<Organization>, app: Option<Id<App>>) -> Self {
        app.map_or(Self::Organization(organization), |app| Self::App(organization, app))
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Organization(organization) => organization.fmt(f),
            Self::App(organization, app) => write!(f, "{organization}/{app}"),
            Self::Scopes => f.write_str("scope"),
        }
    }
}

/// Rules of the organization's own, and the names only they know.
#[derive(Debug, Default)]
struct Own {
    /// Sorted; interned as the policy's names and on.
    names: Box<[Box<str>]>,
    table: Table,
}

/// Sets of interned names.
#[derive(Debug)]
struct Sets {
    /// Where each set ends among the names.
    ends: Box<[u32]>,
    /// Each set sorted.
    names: Box<[u32]>,
}

/// What was found out: two bits for each set and catalogued permission, unknown, denied or allowed. Its size is fixed,
/// its keys are exact, and it dies with what it was derived from.
#[derive(Debug)]
struct Memo {
    words: Box<[AtomicU64]>,
    /// How many words each set has.
    each: usize,
}

const BITS: usize = 2;
const PER_WORD: usize = u64::BITS as usize / BITS;
const DENIED: u64 = 0b01;
const ALLOWED: u64 = 0b10;

impl Snapshot {
    pub(crate) fn new(policy: &Arc<Policy>, facts: &Facts) -> Self {
        Builder::new(policy, facts).build()
    }

    /// Scopes as subjects that hold themselves.
    pub(crate) fn of_scopes(policy: &Arc<Policy>) -> Self {
        let mut sets = SetsBuilder::default();
        let scopes = policy.scopes();
        let scopes = scopes.iter().filter_map(|scope| {
            let name = policy.name(&format!("scope:{scope}"))?;
            let everywhere = sets.intern(policy.inclusions().included(name));
            Some((scope.as_str(), Place { everywhere, from: 0, to: 0, granted: true }))
        });
        let subjects = Frozen::new(scopes.collect::<Vec<_>>().into_iter());
        let sets = sets.build();
        Self {
            policy: policy.clone(),
            home: Domain::Scopes,
            version: 0,
            subjects,
            memo: Memo::new(&sets, policy.size()),
            on_apps: Box::default(),
            sets,
            own: Own::default(),
        }
    }

    /// What a scope, or one subject alone, may do, if it has any grant at all.
    pub(crate) fn standing(&self, subject: &str) -> Option<Standing<'_>> {
        self.subjects.get(subject).map(|place| self.at(*place))
    }

    fn at(&self, Place { everywhere, from, to, granted }: Place) -> Standing<'_> {
        let apps = self.on_apps.get(from as usize..to as usize).unwrap_or_default();
        Standing { everywhere, apps, granted }
    }

    /// An actor who has any grant at all, by itself or by a group that its credential says it is in.
    pub(crate) fn asker<'a>(&'a self, actor: &'a Actor) -> Option<Asker<'a>> {
        if !may_hold_grants(&actor.subject) {
            return None;
        }
        let subject = actor.subject.as_str();
        let groups = actor.groups.iter().filter_map(|group| self.standing(Subject::group(*group).as_str()));
        let (own, groups): (_, Vec<_>) = (self.standing(subject), groups.collect());
        own.iter().chain(&groups).any(|standing| standing.granted).then_some(Asker { subject, own, groups })
    }

    /// Everyone with a grant, on their own or as a member of a group.
    pub(crate) fn askers(&self) -> impl Iterator<Item = Asker<'_>> {
        let people = self.subjects.iter();
        let people = people.filter(|(subject, place)| place.granted && !subject.starts_with("group:"));
        people.map(|(subject, place)| Asker { subject, own: Some(self.at(*place)), groups: Vec::new() })
    }

    /// The version of the policy that it was made from.
    pub(crate) fn version(&self) -> Revision {
        self.version
    }

    pub(crate) fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Where roles are held that hold on `app`.
    pub(crate) fn held_in(&self, app: Option<Id<App>>) -> Domain {
        match (self.home, app) {
            (Domain::Organization(organization), Some(app)) => Domain::App(organization, app),
            (home, _) => home,
        }
    }

    /// The rules that can matter: their pattern covers the permission, and they are about one of the set's names.
    pub(crate) fn rows(&self, permission: &Permission, names: &[u32]) -> impl Iterator<Item = &Row> {
        let rows = self.policy.table().covering(permission).chain(self.own.table.covering(permission));
        rows.filter(|row| names.binary_search(&row.name).is_ok())
    }

    /// The roles of a set, interned and sorted.
    pub(crate) fn names(&self, set: SetId) -> &[u32] {
        self.sets.names(set)
    }

    /// A name's text.
    pub(crate) fn name_text(&self, name: u32) -> Option<&str> {
        let own = (name as usize).checked_sub(self.policy.names());
        match own {
            None => self.policy.name_text(name),
            Some(at) => self.own.names.get(at).map(|name| &**name),
        }
    }

    /// A name's interned form.
    pub(crate) fn name(&self, text: &str) -> Option<u32> {
        self.policy.name(text).or_else(|| self.own.name(text, &self.policy))
    }

    /// What was found out about a set and the permission at this place of the catalogue.
    pub(crate) fn known(&self, set: SetId, place: usize) -> Option<bool> {
        let word = self.memo.word(set, place)?.load(Relaxed);
        match word >> (place % PER_WORD * BITS) & (DENIED | ALLOWED) {
            ALLOWED => Some(true),
            DENIED => Some(false),
            _ => None,
        }
    }

    pub(crate) fn learn(&self, set: SetId, place: usize, allowed: bool) {
        if let Some(word) = self.memo.word(set, place) {
            let answer = if allowed { ALLOWED } else { DENIED };
            word.fetch_or(answer << (place % PER_WORD * BITS), Relaxed);
        }
    }
}

impl<'a> Standing<'a> {
    /// The roles that hold on `app`, and the app if it has grants of its own.
    pub(crate) fn on(&self, app: Option<Id<App>>) -> (SetId, Option<Id<App>>) {
        let own = app.and_then(|app| {
            let at = self.apps.binary_search_by_key(&app, |(app, _)| *app).ok()?;
            self.apps.get(at)
        });
        own.map_or((self.everywhere, None), |(app, set)| (*set, Some(*app)))
    }

    /// The apps with grants of their own.
    pub(crate) fn apps(self) -> impl Iterator<Item = Id<App>> + use<'a> {
        self.apps.iter().map(|(app, _)| *app)
    }
}

impl Own {
    fn name(&self, text: &str, policy: &Policy) -> Option<u32> {
        let at = self.names.binary_search_by(|name| (**name).cmp(text)).ok()?;
        u32::try_from(policy.names() + at).ok()
    }
}

impl Sets {
    fn names(&self, set: SetId) -> &[u32] {
        let end = |at: Option<usize>| at.and_then(|at| self.ends.get(at)).map_or(0, |end| *end as usize);
        let (from, to) = (end((set as usize).checked_sub(1)), end(Some(set as usize)));
        self.names.get(from..to).unwrap_or_default()
    }
}

impl Memo {
    fn new(sets: &Sets, permissions: usize) -> Self {
        let each = permissions.div_ceil(PER_WORD);
        Self { words: (0..sets.ends.len() * each).map(|_| AtomicU64::new(0)).collect(), each }
    }

    fn word(&self, set: SetId, place: usize) -> Option<&AtomicU64> {
        let word = place / PER_WORD;
        if word < self.each { self.words.get(set as usize * self.each + word) } else { None }
    }
}

#[derive(Default)]
struct SetsBuilder(BTreeMap<Vec<u32>, SetId>);

impl SetsBuilder {
    fn intern(&mut self, names: BTreeSet<u32>) -> SetId {
        let next = SetId::try_from(self.0.len()).unwrap_or(SetId::MAX);
        *self.0.entry(names.into_iter().collect()).or_insert(next)
    }

    fn build(self) -> Sets {
        let mut sets: Vec<(SetId, Vec<u32>)> = self.0.into_iter().map(|(names, id)| (id, names)).collect();
        sets.sort_unstable_by_key(|(id, _)| *id);
        let (mut names, mut ends) = (Vec::new(), Vec::new());
        for (_, set) in sets {
            names.extend(set);
            ends.push(u32::try_from(names.len()).unwrap_or(u32::MAX));
        }
        Sets { ends: ends.into(), names: names.into() }
    }
}

struct Builder<'a> {
    policy: &'a Arc<Policy>,
    facts: &'a Facts,
    own: Own,
    /// Only where the organization's own rules make a difference.
    inclusions: Option<Inclusions>,
    included: BTreeMap<u32, BTreeSet<u32>>,
}

#[derive(Default)]
struct Held {
    granted: bool,
    everywhere: BTreeSet<u32>,
    apps: BTreeMap<Id<App>, BTreeSet<u32>>,
}

impl<'a> Builder<'a> {
    fn new(policy: &'a Arc<Policy>, facts: &'a Facts) -> Self {
        let texts = facts.rules.iter().flat_map(|rule| match &rule.value {
            Rule::Permission { holder, .. } => vec![holder.to_string()],
            Rule::Inclusion { role, included } => vec![role_name(role), role_name(included)],
        });
        let names: BTreeSet<Box<str>> =
            texts.filter(|text| policy.name(text).is_none()).map(String::into_boxed_str).collect();
        let own = Own { names: names.into_iter().collect(), table: Table::default() };
        Self { policy, facts, own, inclusions: None, included: BTreeMap::new() }
    }

    fn name(&self, text: &str) -> Option<u32> {
        self.policy.name(text).or_else(|| self.own.name(text, self.policy))
    }

    fn build(mut self) -> Snapshot {
        let (mut rows, mut links) = (Vec::new(), Vec::new());
        for rule in &self.facts.rules {
            match &rule.value {
                Rule::Permission { holder, pattern, effect } => {
                    // Nobody can ask for what a pattern unknown here covers.
                    let row = self.name(&holder.to_string()).zip(self.policy.pattern(pattern));
                    rows.extend(row.map(|(name, pattern)| Row { name, pattern, effect: *effect }));
                }
                Rule::Inclusion { role, included } => {
                    links.extend(self.name(&role_name(role)).zip(self.name(&role_name(included))));
                }
            }
        }
        self.own.table = Table::new(rows);
        if !links.is_empty() {
            self.inclusions = Some(Inclusions::new(self.policy.links().iter().copied().chain(links)));
        }
        let held = self.held();
        let mut sets = SetsBuilder::default();
        let mut on_apps = Vec::new();
        let subjects = held.into_iter().map(|(subject, held)| {
            let everywhere = sets.intern(held.everywhere.clone());
            let apps = held.apps.into_iter().map(|(app, own)| (app, sets.intern(&own | &held.everywhere)));
            (subject.as_str(), Place::new(everywhere, held.granted, apps, &mut on_apps))
        });
        let subjects = Frozen::new(subjects);
        let sets = sets.build();
        Snapshot {
            policy: self.policy.clone(),
            home: Domain::Organization(self.facts.organization),
            version: self.facts.version,
            subjects,
            memo: Memo::new(&sets, self.policy.size()),
            on_apps: on_apps.into(),
            sets,
            own: self.own,
        }
    }

    fn held(&mut self) -> BTreeMap<&'a Subject, Held> {
        let mut held: BTreeMap<&Subject, Held> = BTreeMap::new();
        for grant in &self.facts.grants {
            // A role that nobody knows still means that its holder belongs here.
            let names =
                self.name(&role_name(&grant.role)).map(|role| self.included(role)).unwrap_or_default();
            for subject in self.standing_for(&grant.subject) {
                let held = held.entry(subject).or_default();
                held.granted = true;
                let set = match grant.app {
                    None => &mut held.everywhere,
                    Some(app) => held.apps.entry(app).or_default(),
                };
                set.extend(&names);
            }
        }
        for rule in &self.facts.rules {
            let Rule::Permission { holder: Holder::Subject(denied), .. } = &rule.value else { continue };
            let Some(name) = self.name(denied.as_str()) else { continue };
            // Also who has no grant of their own: a group that their credential names may have one.
            for subject in self.standing_for(denied) {
                held.entry(subject).or_default().everywhere.insert(name);
            }
        }
        held
    }

    /// A subject, and if it is a group, its members.
    fn standing_for(&self, subject: &'a Subject) -> impl Iterator<Item = &'a Subject> + use<'a> {
        let group = subject.as_group().map(|_| subject);
        self.facts.members(subject).filter(|subject| may_hold_grants(subject)).chain(group)
    }

    fn included(&mut self, role: u32) -> BTreeSet<u32> {
        let inclusions = self.inclusions.as_ref().unwrap_or_else(|| self.policy.inclusions());
        self.included.entry(role).or_insert_with(|| inclusions.included(role)).clone()
    }
}

/// The name of a role in rules.
pub(crate) fn role_name(role: &Role) -> String {
    format!("role:{role}")
}

/// Whether grants mean anything to this kind of actor.
pub(crate) fn may_hold_grants(subject: &Subject) -> bool {
    matches!(subject.kind(), SubjectKind::User | SubjectKind::Key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memos_keep_sets_and_permissions_apart() {
        let mut sets = SetsBuilder::default();
        let ids = [sets.intern([1, 2].into()), sets.intern([3].into()), sets.intern([].into())];
        assert_eq!(sets.intern([2, 1].into()), ids[0]);
        let (policy, sets) = (Arc::new(Policy::empty()), sets.build());
        let snapshot = Snapshot {
            policy,
            home: Domain::Scopes,
            version: 0,
            subjects: Frozen::new([].into_iter()),
            memo: Memo::new(&sets, 100),
            on_apps: Box::default(),
            sets,
            own: Own::default(),
        };
        for (at, set) in ids.into_iter().enumerate() {
            for place in 0..100 {
                assert_eq!(snapshot.known(set, place), None);
                snapshot.learn(set, place, (place + at) % 3 == 0);
            }
        }
        for (at, set) in ids.into_iter().enumerate() {
            for place in 0..100 {
                assert_eq!(snapshot.known(set, place), Some((place + at) % 3 == 0));
            }
        }
        for (set, place) in [(0, 5_000), (3, 0), (SetId::MAX, 0)] {
            snapshot.learn(set, place, true);
            assert_eq!(snapshot.known(set, place), None);
        }
        assert_eq!(ids.map(|set| snapshot.sets.names(set).to_vec()), [vec![1, 2], vec![3], vec![]]);
        assert!(snapshot.sets.names(9).is_empty());
    }
}
