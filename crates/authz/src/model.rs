//! Casbin, with the one model this crate uses. No Casbin type is seen outside this file.

use std::fmt::Write as _;
use std::sync::Arc;

use casbin::function_map::OperatorFunction;
use casbin::rhai::Dynamic;
use casbin::{CoreApi, DefaultModel, Enforcer, MatchingFn, NullAdapter, RoleManager};
use futures::FutureExt as _;
use parking_lot::{Mutex, RwLock};

use appdepot_core::domain::PermissionPattern;
use appdepot_core::{Error, Result};

use crate::policy::Permission;
use crate::snapshot::{Domain, Snapshot};

/// The Casbin model. A constant: another effect or matcher would be another authorizer.
///
/// `segMatch` is this crate's own: the same text, or whole leading segments and `.*`, or `*`. Casbin's own
/// matchers grant more than they seem to.
pub const MODEL: &str = include_str!("model.conf");

/// The most idle enforcers kept; each takes about 9 KiB.
const POOL_LIMIT: usize = 16;

/// Enforcers that wait for a question.
#[derive(Default)]
pub(crate) struct Pool(Mutex<Vec<Evaluator>>);

/// One question: may `subject`, who has the roles `names` in `held_in`, do `permission` in `domain`?
pub(crate) struct Question<'a> {
    pub(crate) snapshot: &'a Arc<Snapshot>,
    pub(crate) subject: &'a str,
    /// Interned, transitive, sorted.
    pub(crate) names: &'a [u32],
    pub(crate) held_in: Domain,
    pub(crate) permission: &'a Permission,
    pub(crate) domain: Domain,
}

impl Pool {
    /// Casbin's answer, found from the rows that can matter alone: a row whose pattern does not cover the
    /// permission, or whose role the subject does not have, has no effect under the model.
    pub(crate) fn ask(&self, question: &Question<'_>) -> Result<bool> {
        // Casbin runs the matcher once, against empty texts, when there is no row at all.
        let no_row = question.snapshot.rows(question.permission, question.names).next().is_none();
        if no_row || question.subject.is_empty() {
            return Ok(false);
        }
        let idle = self.0.lock().pop();
        let mut evaluator = match idle {
            Some(evaluator) => evaluator,
            None => Evaluator::new()?,
        };
        let answer = evaluator.ask(question)?;
        // One that failed or panicked does not come back here.
        let mut idle = self.0.lock();
        if idle.len() < POOL_LIMIT {
            idle.push(evaluator);
        }
        Ok(answer)
    }
}

struct Evaluator {
    enforcer: Enforcer,
    links: Arc<RwLock<Links>>,
    /// The two domains of a question, spelled out.
    held_in: String,
    domain: String,
}

impl Evaluator {
    fn new() -> Result<Self> {
        // Nothing in here waits for anything: there is no file and no adapter.
        let enforcer = async {
            // `DefaultModel`, because it compiles the matcher once instead of at every call.
            let model = DefaultModel::from_str(MODEL).await?;
            Enforcer::new(model, NullAdapter).await
        };
        let enforcer = enforcer.now_or_never().ok_or_else(|| Error::internal("casbin has to wait"))?;
        let mut enforcer = enforcer.map_err(Error::internal)?;
        enforcer.add_function("segMatch", OperatorFunction::Arg2(seg_match));
        let links = Arc::new(RwLock::new(Links::default()));
        enforcer.set_role_manager(links.clone()).map_err(Error::internal)?;
        Ok(Self { enforcer, links, held_in: String::new(), domain: String::new() })
    }

    fn ask(&mut self, question: &Question<'_>) -> Result<bool> {
        for (text, domain) in [(&mut self.held_in, question.held_in), (&mut self.domain, question.domain)] {
            text.clear();
            write!(text, "{domain}").map_err(Error::internal)?;
        }
        self.links.write().hold(question, &self.held_in);
        let section = self.enforcer.get_mut_model().get_mut_model().get_mut("p");
        let rows = section.and_then(|section| section.get_mut("p")).map(casbin::Assertion::get_mut_policy);
        let rows = rows.ok_or_else(|| Error::internal("the model has no policy section"))?;
        rows.clear();
        for row in question.snapshot.rows(question.permission, question.names) {
            let name = question.snapshot.name_text(row.name);
            let pattern = question.snapshot.policy().pattern_text(row.pattern);
            let (Some(name), Some(pattern)) = (name, pattern) else {
                return Err(Error::internal("a rule without a name or pattern"));
            };
            let (pattern, effect) = (pattern.as_str().to_owned(), row.effect.as_str().to_owned());
            rows.insert(vec![name.to_owned(), self.held_in.clone(), pattern, effect]);
        }
        let request = (question.subject, &*self.domain, &*question.permission.text);
        let answer = self.enforcer.enforce(request).map_err(Error::internal);
        // An idle evaluator keeps no organization's snapshot alive.
        self.links.write().snapshot = None;
        answer
    }
}

fn seg_match(permission: Dynamic, pattern: Dynamic) -> Dynamic {
    match (permission.into_immutable_string(), pattern.into_immutable_string()) {
        (Ok(permission), Ok(pattern)) => {
            PermissionPattern::parse(&pattern).is_ok_and(|pattern| pattern.covers(&permission)).into()
        }
        _ => false.into(),
    }
}

/// The roles of the one subject that is asked about, worked out beforehand. Unlike Casbin's own role manager it
/// has no depth limit and does not take a subject for the role of the same name.
#[derive(Default)]
struct Links {
    snapshot: Option<Arc<Snapshot>>,
    names: Vec<u32>,
    subject: String,
    domain: String,
}

impl Links {
    fn hold(&mut self, question: &Question<'_>, held_in: &str) {
        self.snapshot = Some(question.snapshot.clone());
        self.names.clear();
        self.names.extend(question.names);
        self.subject.clear();
        self.subject.push_str(question.subject);
        self.domain.clear();
        self.domain.push_str(held_in);
    }
}

impl RoleManager for Links {
    fn clear(&mut self) {
        *self = Self::default();
    }

    fn has_link(&self, subject: &str, name: &str, domain: Option<&str>) -> bool {
        let Some(snapshot) = &self.snapshot else { return false };
        subject == self.subject
            && domain == Some(&*self.domain)
            && snapshot.name(name).is_some_and(|name| self.names.binary_search(&name).is_ok())
    }

    fn get_roles(&self, _: &str, _: Option<&str>) -> Vec<String> {
        Vec::new()
    }

    fn get_users(&self, _: &str, _: Option<&str>) -> Vec<String> {
        Vec::new()
    }

    // Links come from snapshots, never through Casbin.
    fn add_link(&mut self, _: &str, _: &str, _: Option<&str>) {}

    fn delete_link(&mut self, _: &str, _: &str, _: Option<&str>) -> casbin::Result<()> {
        Ok(())
    }

    fn matching_fn(&mut self, _: Option<MatchingFn>, _: Option<MatchingFn>) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::Facts;
    use crate::policy::Policy;
    use appdepot_core::authorize::Subject;
    use appdepot_core::domain::{App, Grant, Id, Organization, Role, Stored, Timestamp};

    const GET: &str = "mdm.global.asset.get";

    fn snapshot(
        text: &str,
        home: Id<Organization>,
        grants: &[(&str, &str, Option<Id<App>>)],
    ) -> Arc<Snapshot> {
        let grants = grants.iter().map(|(subject, role, app)| {
            let subject = Subject::parse(subject).unwrap();
            let grant = Grant { subject, role: Role::parse(role).unwrap(), app: *app };
            Stored::new(home, grant, Timestamp::from_millis(0))
        });
        let (grants, rules, groups) = (grants.collect(), Vec::new(), Vec::new());
        let facts = Facts { organization: home, version: 0, grants, rules, groups };
        Arc::new(Snapshot::new(&Arc::new(Policy::parse(text).unwrap()), &facts))
    }

    /// Asks as `user:a`, with what the subject `holder` has on `held_on`.
    fn ask(
        pool: &Pool,
        snapshot: &Arc<Snapshot>,
        subject: &str,
        holder: &str,
        held_on: Option<Id<App>>,
        domain: Domain,
        permission: &str,
    ) -> bool {
        let (set, app) = snapshot.standing(holder).unwrap().on(held_on);
        let (held_in, permission) =
            (snapshot.held_in(app), snapshot.policy().permission(permission).unwrap());
        let names = snapshot.names(set);
        pool.ask(&Question { snapshot, subject, names, held_in, permission, domain }).unwrap()
    }

    #[test]
    fn the_truth_table_of_the_model() {
        const ALLOW: &str = "p, role:r, mdm.global.asset.get, allow\np, role:s, mdm.global.asset.list, allow";
        const DENY: &str = "p, role:r, mdm.global.asset.get, deny\np, role:r, mdm.*, allow";
        const ONLY_DENY: &str = "p, role:r, mdm.global.asset.get, deny\np, role:s, mdm.*, allow";
        const WHOLE: &str = "p, role:r, *, allow";
        const OTHER: &str = "p, role:s, mdm.*, allow\np, role:r, mad.*, allow";
        let (home, away, app, other) = (Id::generate(), Id::generate(), Id::generate(), Id::generate());
        let pool = Pool::default();
        let [at_home, on_app, elsewhere, on_other] =
            [(home, None), (home, Some(app)), (away, None), (home, Some(other))]
                .map(|(organization, app)| Domain::new(organization, app));
        // policy, role, app of the role, domain of the request, permission, expected
        for (text, role, held_on, domain, permission, expected) in [
            (ALLOW, "r", None, at_home, GET, true),
            (ALLOW, "r", None, at_home, "mdm.global.asset.list", false),
            (ALLOW, "s", None, at_home, GET, false),
            (ALLOW, "r", None, elsewhere, GET, false),
            (ALLOW, "r", None, on_app, GET, false),
            (ALLOW, "r", Some(app), on_app, GET, true),
            (ALLOW, "r", Some(app), at_home, GET, false),
            (ALLOW, "r", Some(app), on_other, GET, false),
            (ALLOW, "r", None, Domain::Scopes, GET, false),
            (DENY, "r", None, at_home, GET, false),
            (DENY, "r", None, at_home, "mdm.global.asset.list", true),
            (ONLY_DENY, "r", None, at_home, GET, false),
            (ONLY_DENY, "s", None, at_home, GET, true),
            (WHOLE, "r", None, at_home, GET, true),
            (OTHER, "r", None, at_home, GET, false),
            (OTHER, "r", None, at_home, "mad.application.management.get", true),
        ] {
            let snapshot = snapshot(text, home, &[("user:a", role, held_on)]);
            let found = ask(&pool, &snapshot, "user:a", "user:a", held_on, domain, permission);
            assert_eq!(found, expected, "{text:?} {role} {held_on:?} {domain} {permission}");
        }
    }

    #[test]
    fn no_row_means_no_without_asking_casbin() {
        let home = Id::generate();
        let snapshot =
            snapshot("p, role:r, mad.*, allow", home, &[("user:a", "r", None), ("user:b", "s", None)]);
        let pool = Pool::default();
        let some = "mad.application.management.get";
        for (subject, holder, permission) in
            [("user:a", "user:a", GET), ("", "user:a", some), ("user:b", "user:b", some)]
        {
            assert!(!ask(&pool, &snapshot, subject, holder, None, Domain::new(home, None), permission));
            assert!(pool.0.lock().is_empty(), "no enforcer was made");
        }
    }

    #[test]
    fn enforcers_are_used_again_and_keep_nothing() {
        let home = Id::generate();
        let rules =
            "p, role:r, mdm.*, allow\np, role:r, mdm.global.asset.list, deny\np, role:s, mad.*, allow";
        let snapshot = snapshot(rules, home, &[("user:a", "r", None), ("user:b", "s", None)]);
        let (pool, domain) = (Pool::default(), Domain::new(home, None));
        for (subject, permission, expected) in [
            ("user:a", GET, true),
            ("user:b", "mad.application.management.get", true),
            ("user:a", "mdm.global.asset.list", false),
            ("user:a", GET, true),
        ] {
            assert_eq!(ask(&pool, &snapshot, subject, subject, None, domain, permission), expected);
        }
        assert_eq!(pool.0.lock().len(), 1);
        assert_eq!(Arc::strong_count(&snapshot), 1);
    }

    #[test]
    fn a_subject_is_not_the_one_that_the_roles_are_held_by() {
        let home = Id::generate();
        let snapshot = snapshot("p, role:r, mdm.*, allow", home, &[("user:a", "r", None)]);
        let names = snapshot.names(0).to_vec();
        let links = Links { snapshot: Some(snapshot), names, subject: "user:a".into(), domain: "d".into() };
        assert!(links.has_link("user:a", "role:r", Some("d")));
        for (subject, name, domain) in [
            ("user:b", "role:r", Some("d")),
            ("user:a", "role:s", Some("d")),
            ("user:a", "user:a", Some("d")),
            ("role:r", "role:r", Some("d")),
            ("user:a", "role:r", Some("e")),
            ("user:a", "role:r", None),
        ] {
            assert!(!links.has_link(subject, name, domain), "{subject} {name} {domain:?}");
        }
    }

    #[test]
    fn the_model_keeps_its_guards() {
        assert!(MODEL.contains("r.dom == p.dom"));
        assert!(MODEL.contains("some(where (p.eft == allow)) && !some(where (p.eft == deny))"));
        assert_eq!(MODEL.matches("\ng").count(), 1, "one kind of role link only");
    }
}
