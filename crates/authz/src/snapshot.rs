//! What an organization's grants come to, indexed; never changed once made.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use appdepot_core::authorize::{Subject, SubjectKind};
use appdepot_core::domain::{App, Grant, Id, Organization, Revision, Stored};

use crate::policy::Policy;

/// The standing of everyone in one organization.
#[derive(Debug)]
pub(crate) struct Snapshot {
    subjects: HashMap<Box<str>, Standing>,
    made_from: Vec<(Id<Grant>, Revision)>,
}

/// What one subject may do in one organization.
#[derive(Debug)]
pub(crate) struct Standing {
    everywhere: Rights,
    /// On apps with grants of their own: those and the organization-wide ones together.
    apps: BTreeMap<Id<App>, Rights>,
}

/// The roles held in one domain, and what they were found to permit there.
#[derive(Debug)]
pub(crate) struct Rights {
    pub(crate) domain: Box<str>,
    /// Interned, transitive, sorted.
    pub(crate) names: Arc<[u32]>,
    memo: Memo,
}

/// Two bits for each catalogued permission: unknown, denied or allowed. Its size is fixed, its keys are exact, and
/// it dies with what it was derived from.
#[derive(Debug)]
struct Memo(Box<[AtomicU64]>);

const BITS: usize = 2;
const PER_WORD: usize = u64::BITS as usize / BITS;
const DENIED: u64 = 0b01;
const ALLOWED: u64 = 0b10;

impl Snapshot {
    pub(crate) fn new(organization: Id<Organization>, grants: Vec<Stored<Grant>>, policy: &Policy) -> Self {
        #[derive(Default)]
        struct Roles {
            everywhere: BTreeSet<u32>,
            apps: BTreeMap<Id<App>, BTreeSet<u32>>,
        }
        let made_from = identity(&grants);
        let mut found: HashMap<String, Roles> = HashMap::new();
        for Stored { value: grant, .. } in grants {
            if !may_hold_grants(&grant.subject) {
                continue;
            }
            // A role the policy does not know still means that its holder belongs here.
            let role = policy.name(&format!("role:{}", grant.role));
            let included = role.and_then(|role| policy.included(role)).into_iter().flat_map(|all| all.iter());
            let roles = found.entry(grant.subject.into()).or_default();
            match grant.app {
                None => roles.everywhere.extend(included),
                Some(app) => roles.apps.entry(app).or_default().extend(included),
            }
        }
        let domain = domain(organization, None);
        let size = policy.size();
        let subjects = found.into_iter().map(|(subject, roles)| {
            let everywhere: Arc<[u32]> = roles.everywhere.iter().copied().collect();
            let apps = roles.apps.into_iter().map(|(app, own)| {
                let names = own.union(&roles.everywhere).copied().collect();
                (app, Rights::new(&self::domain(organization, Some(app)), names, size))
            });
            let apps = apps.collect();
            (subject.into(), Standing { everywhere: Rights::new(&domain, everywhere, size), apps })
        });
        Self { subjects: subjects.collect(), made_from }
    }

    /// What the subject may do, if it has any grant at all.
    pub(crate) fn standing(&self, subject: &Subject) -> Option<&Standing> {
        self.subjects.get(subject.as_str())
    }

    /// Whether these grants would make the same snapshot.
    pub(crate) fn is_made_from(&self, grants: &[Stored<Grant>]) -> bool {
        self.made_from == identity(grants)
    }
}

impl Standing {
    /// What holds on `app`, with the domain to ask in.
    pub(crate) fn on(&self, organization: Id<Organization>, app: Option<Id<App>>) -> (&Rights, Domain) {
        match app.and_then(|app| Some((app, self.apps.get(&app)?))) {
            Some((app, rights)) => (rights, Domain(organization, Some(app))),
            None => (&self.everywhere, Domain(organization, None)),
        }
    }

    /// The apps with grants of their own.
    pub(crate) fn apps(&self) -> impl Iterator<Item = Id<App>> {
        self.apps.keys().copied()
    }
}

/// A domain that is spelled out only when Casbin has to be asked.
#[derive(Clone, Copy)]
pub(crate) struct Domain(Id<Organization>, Option<Id<App>>);

impl Domain {
    pub(crate) fn text(self) -> String {
        domain(self.0, self.1)
    }
}

impl Rights {
    pub(crate) fn new(domain: &str, names: Arc<[u32]>, size: usize) -> Self {
        let memo = (0..size.div_ceil(PER_WORD)).map(|_| AtomicU64::new(0)).collect();
        Self { domain: domain.into(), names, memo: Memo(memo) }
    }

    /// What was found out about the permission at this place of the catalogue.
    pub(crate) fn known(&self, place: usize) -> Option<bool> {
        let word = self.memo.0.get(place / PER_WORD)?.load(Relaxed);
        match word >> (place % PER_WORD * BITS) & (DENIED | ALLOWED) {
            ALLOWED => Some(true),
            DENIED => Some(false),
            _ => None,
        }
    }

    pub(crate) fn learn(&self, place: usize, allowed: bool) {
        if let Some(word) = self.memo.0.get(place / PER_WORD) {
            let answer = if allowed { ALLOWED } else { DENIED };
            word.fetch_or(answer << (place % PER_WORD * BITS), Relaxed);
        }
    }
}

/// Whether grants mean anything to this kind of subject.
pub(crate) fn may_hold_grants(subject: &Subject) -> bool {
    matches!(subject.kind(), SubjectKind::User | SubjectKind::Key)
}

fn domain(organization: Id<Organization>, app: Option<Id<App>>) -> String {
    match app {
        None => organization.to_string(),
        Some(app) => format!("{organization}/{app}"),
    }
}

fn identity(grants: &[Stored<Grant>]) -> Vec<(Id<Grant>, Revision)> {
    grants.iter().map(|grant| (grant.id, grant.revision)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memos_keep_permissions_apart() {
        let rights = Rights::new("d", Arc::from([]), 100);
        for place in 0..100 {
            assert_eq!(rights.known(place), None);
            rights.learn(place, place % 3 == 0);
        }
        for place in 0..100 {
            assert_eq!(rights.known(place), Some(place % 3 == 0));
        }
        rights.learn(5_000, true);
        assert_eq!(rights.known(5_000), None);
    }
}
