//! Casbin, with the one model this crate uses. No Casbin type is seen outside this file.

use std::sync::Arc;

use casbin::function_map::OperatorFunction;
use casbin::rhai::Dynamic;
use casbin::{CoreApi, DefaultModel, Enforcer, MatchingFn, NullAdapter, RoleManager};
use parking_lot::{Mutex, RwLock};

use appdepot_core::{Error, Result};

use crate::policy::{Permission, Policy, covers};

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
    pub(crate) subject: &'a str,
    pub(crate) names: &'a Arc<[u32]>,
    pub(crate) held_in: &'a str,
    pub(crate) permission: &'a Permission,
    pub(crate) domain: &'a str,
}

impl Pool {
    /// Casbin's answer, found from the rows that can matter alone: a row whose pattern does not cover the
    /// permission has no effect under the model.
    pub(crate) async fn ask(&self, policy: &Arc<Policy>, question: &Question<'_>) -> Result<bool> {
        // Casbin runs the matcher once, against empty texts, when there is no row at all.
        if question.permission.rows.is_empty() || question.subject.is_empty() || question.domain.is_empty() {
            return Ok(false);
        }
        let idle = self.0.lock().pop();
        let mut evaluator = match idle {
            Some(evaluator) => evaluator,
            None => Evaluator::new().await?,
        };
        let answer = evaluator.ask(policy, question)?;
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
}

impl Evaluator {
    async fn new() -> Result<Self> {
        // `DefaultModel`, because it compiles the matcher once instead of at every call.
        let model = DefaultModel::from_str(MODEL).await.map_err(Error::internal)?;
        let mut enforcer = Enforcer::new(model, NullAdapter).await.map_err(Error::internal)?;
        enforcer.add_function("segMatch", OperatorFunction::Arg2(seg_match));
        let links = Arc::new(RwLock::new(Links::default()));
        enforcer.set_role_manager(links.clone()).map_err(Error::internal)?;
        Ok(Self { enforcer, links })
    }

    fn ask(&mut self, policy: &Arc<Policy>, question: &Question<'_>) -> Result<bool> {
        *self.links.write() = Links {
            policy: Some(policy.clone()),
            subject: question.subject.to_owned(),
            domain: question.held_in.to_owned(),
            names: Some(question.names.clone()),
        };
        let section = self.enforcer.get_mut_model().get_mut_model().get_mut("p");
        let rows = section.and_then(|section| section.get_mut("p")).map(casbin::Assertion::get_mut_policy);
        let rows = rows.ok_or_else(|| Error::internal("the model has no policy section"))?;
        rows.clear();
        for row in policy.rows(question.permission) {
            let domain = question.held_in.to_owned();
            rows.insert(vec![row.name.to_string(), domain, row.pattern.to_string(), row.effect.to_owned()]);
        }
        let request = (question.subject, question.domain, &*question.permission.text);
        self.enforcer.enforce(request).map_err(Error::internal)
    }
}

fn seg_match(permission: Dynamic, pattern: Dynamic) -> Dynamic {
    match (permission.into_immutable_string(), pattern.into_immutable_string()) {
        (Ok(permission), Ok(pattern)) => covers(&pattern, &permission).into(),
        _ => false.into(),
    }
}

/// The roles of the one subject that is asked about, worked out beforehand. Unlike Casbin's own role manager it
/// has no depth limit and does not take a subject for the role of the same name.
#[derive(Default)]
struct Links {
    policy: Option<Arc<Policy>>,
    subject: String,
    domain: String,
    names: Option<Arc<[u32]>>,
}

impl RoleManager for Links {
    fn clear(&mut self) {
        *self = Self::default();
    }

    fn has_link(&self, subject: &str, name: &str, domain: Option<&str>) -> bool {
        let (Some(policy), Some(names)) = (&self.policy, &self.names) else { return false };
        subject == self.subject
            && domain == Some(&*self.domain)
            && policy.name(name).is_some_and(|name| names.binary_search(&name).is_ok())
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

    /// Asks as `user:a` with `role` in the domain `held_in`.
    async fn ask(text: &str, role: &str, held_in: &str, domain: &str, permission: &str) -> bool {
        let policy = Arc::new(Policy::parse(text).unwrap());
        let names = policy.included(policy.name(role).unwrap()).unwrap().clone();
        let permission = policy.permission(permission).unwrap();
        let question = Question { subject: "user:a", names: &names, held_in, permission, domain };
        Pool::default().ask(&policy, &question).await.unwrap()
    }

    #[tokio::test]
    async fn the_truth_table_of_the_model() {
        const ALLOW: &str = "p, role:r, mdm.global.asset.get, allow\np, role:s, mdm.global.asset.list, allow";
        const DENY: &str = "p, role:r, mdm.global.asset.get, deny\np, role:r, mdm.*, allow";
        const ONLY_DENY: &str = "p, role:r, mdm.global.asset.get, deny\np, role:s, mdm.*, allow";
        const WHOLE: &str = "p, role:r, *, allow";
        const OTHER: &str = "p, role:s, mdm.*, allow\np, role:r, mad.*, allow";
        const GET: &str = "mdm.global.asset.get";
        // policy, role, domain of the roles and rows, domain of the request, permission, expected
        for (text, role, held_in, domain, permission, expected) in [
            (ALLOW, "role:r", "d", "d", GET, true),
            (ALLOW, "role:r", "d", "d", "mdm.global.asset.list", false),
            (ALLOW, "role:s", "d", "d", GET, false),
            (ALLOW, "role:r", "d", "e", GET, false),
            (ALLOW, "role:r", "d", "d/x", GET, false),
            (ALLOW, "role:r", "d/x", "d", GET, false),
            (DENY, "role:r", "d", "d", GET, false),
            (DENY, "role:r", "d", "d", "mdm.global.asset.list", true),
            (ONLY_DENY, "role:r", "d", "d", GET, false),
            (ONLY_DENY, "role:s", "d", "d", GET, true),
            (WHOLE, "role:r", "d", "d", GET, true),
            (WHOLE, "role:r", "d", "", GET, false),
            (OTHER, "role:r", "d", "d", GET, false),
            (OTHER, "role:r", "d", "d", "mad.application.management.get", true),
        ] {
            let found = ask(text, role, held_in, domain, permission).await;
            assert_eq!(found, expected, "{text:?} {role} {held_in} {domain} {permission}");
        }
    }

    #[tokio::test]
    async fn no_row_means_no_without_asking_casbin() {
        let policy = Arc::new(Policy::parse("p, role:r, mad.*, allow").unwrap());
        let permission = policy.permission("mdm.global.asset.get").unwrap();
        assert!(permission.rows.is_empty());
        let names = Arc::from([0]);
        let pool = Pool::default();
        let some = policy.permission("mad.application.management.get").unwrap();
        for (subject, domain, permission) in
            [("user:a", "d", permission), ("", "", permission), ("", "d", some), ("user:a", "", some)]
        {
            let question = Question { subject, names: &names, held_in: domain, permission, domain };
            assert!(!pool.ask(&policy, &question).await.unwrap());
            assert!(pool.0.lock().is_empty(), "no enforcer was made");
        }
    }

    #[tokio::test]
    async fn enforcers_are_used_again_and_keep_nothing() {
        let policy = Arc::new(Policy::parse("p, role:r, mdm.*, allow\np, role:s, mad.*, allow").unwrap());
        let pool = Pool::default();
        let [r, s] = ["role:r", "role:s"].map(|role| policy.included(policy.name(role).unwrap()).unwrap());
        let permission = policy.permission("mdm.global.asset.get").unwrap();
        for (names, subject, expected) in
            [(r, "user:a", true), (s, "user:a", false), (s, "user:b", false), (r, "user:b", true)]
        {
            let question = Question { subject, names, held_in: "d", permission, domain: "d" };
            assert_eq!(pool.ask(&policy, &question).await.unwrap(), expected);
        }
        assert_eq!(pool.0.lock().len(), 1);
    }

    #[test]
    fn the_model_keeps_its_guards() {
        assert!(MODEL.contains("r.dom == p.dom"));
        assert!(MODEL.contains("some(where (p.eft == allow)) && !some(where (p.eft == deny))"));
        assert_eq!(MODEL.matches("\ng").count(), 1, "one kind of role link only");
    }
}
