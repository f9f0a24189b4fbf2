//! Why somebody may do something, who may, and what a change would change.
//!
//! All three read what is written now, and decide as decisions are made.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use appdepot_core::authorize::{
    Actor, Chain, Decision, Difference, Explanation, PolicyChange, Right, Subject, Target,
};
use appdepot_core::domain::{
    App, Effect, Grant, Group, Holder, Id, Organization, Role, Rule, Stored, Timestamp,
};
use appdepot_core::query::Query;
use appdepot_core::{Error, Result};

use crate::casbin::CasbinAuthorizer;
use crate::facts::{self, Facts};
use crate::policy::Permission;
use crate::roles::Inclusions;
use crate::snapshot::{Asker, Snapshot, role_name};

/// The most rules of one organization's own.
const RULE_LIMIT: usize = 4_096;

impl CasbinAuthorizer {
    pub(crate) async fn why(&self, actor: &Actor, permission: &str, target: &Target) -> Result<Explanation> {
        let facts = self.facts(target.organization, None).await?;
        let snapshot = Arc::new(Snapshot::new(&self.policy, &facts));
        let no = |outcome| Ok(Explanation { outcome, chains: Vec::new() });
        let Some(asker) = snapshot.asker(actor) else { return no(Decision::NoStanding) };
        let Some(permission) = self.policy.permission(permission) else {
            return no(Decision::UnknownPermission);
        };
        let chains = self.chains(&Roles::new(self, &facts), &facts, actor, permission, target.app);
        let outcome = if self.permits(&snapshot, &asker, permission, target)? {
            if self.within_scopes(actor, permission)? { Decision::Allowed } else { Decision::OutOfScope }
        } else if chains.iter().any(|chain| chain.effect == Effect::Deny) {
            Decision::Denied
        } else {
            Decision::NoRole
        };
        Ok(Explanation { outcome, chains })
    }

    pub(crate) async fn whoever_can(&self, permission: &str, target: &Target) -> Result<BTreeSet<Subject>> {
        let facts = self.facts(target.organization, None).await?;
        let snapshot = Arc::new(Snapshot::new(&self.policy, &facts));
        let Some(permission) = self.policy.permission(permission) else { return Ok(BTreeSet::new()) };
        let mut found = BTreeSet::new();
        for asker in snapshot.askers() {
            if self.permits(&snapshot, &asker, permission, target)? {
                found.insert(Subject::parse(asker.subject)?);
            }
        }
        Ok(found)
    }

    pub(crate) async fn difference(
        &self,
        organization: Id<Organization>,
        change: &PolicyChange,
    ) -> Result<Difference> {
        let group = match change {
            PolicyChange::Grant(grant) | PolicyChange::Revoke(grant) => grant.subject.as_group(),
            PolicyChange::Put(rule) | PolicyChange::Remove(rule) => denied_group(rule),
            PolicyChange::Members { group, .. } => Some(*group),
        };
        let before = self.facts(organization, group).await?;
        let after = before.after(change);
        if let PolicyChange::Put(rule) = change {
            self.check(rule, &after)?;
        }
        let [before, after] = [before, after].map(|facts| Arc::new(Snapshot::new(&self.policy, &facts)));
        let mut difference = Difference::default();
        let subjects: BTreeSet<&str> =
            before.askers().chain(after.askers()).map(|asker| asker.subject).collect();
        for name in subjects {
            let actor = Actor::new(Subject::parse(name)?);
            let (old, new) = (before.asker(&actor), after.asker(&actor));
            let apps: BTreeSet<Id<App>> = old.iter().chain(&new).flat_map(Asker::apps).collect();
            for target in apps.into_iter().map(Some).chain([None]).map(|app| Target { organization, app }) {
                for permission in self.policy.permissions() {
                    let may = |snapshot, asker: &Option<Asker<'_>>| {
                        asker
                            .as_ref()
                            .map_or(Ok(false), |asker| self.permits(snapshot, asker, permission, &target))
                    };
                    let changed = match (may(&before, &old)?, may(&after, &new)?) {
                        (false, true) => &mut difference.gained,
                        (true, false) => &mut difference.lost,
                        _ => continue,
                    };
                    let (subject, permission) = (actor.subject.clone(), permission.text.to_string());
                    changed.insert(Right { subject, permission, target });
                }
            }
        }
        Ok(difference)
    }

    /// The permissions that a role allows or denies.
    pub(crate) async fn matters_of(
        &self,
        role: &Role,
        organization: Id<Organization>,
    ) -> Result<Vec<&Permission>> {
        let mut rules = facts::all::<Rule>(&*self.records, Query::of::<Rule>(organization)).await?;
        // As somebody who has this role and nothing else.
        rules.retain(|rule| !matches!(rule.value, Rule::Permission { holder: Holder::Subject(_), .. }));
        let nobody = Actor::new(Subject::user("nobody")?);
        let grant = Grant { subject: nobody.subject.clone(), role: role.clone(), app: None };
        let grants = vec![Stored::new(organization, grant, Timestamp::from_millis(0))];
        let facts = Facts { organization, version: 0, grants, rules, groups: Vec::new() };
        let roles = Roles::new(self, &facts);
        let matters =
            |permission: &&Permission| !self.chains(&roles, &facts, &nobody, permission, None).is_empty();
        Ok(self.policy.permissions().filter(matters).collect())
    }

    async fn facts(&self, organization: Id<Organization>, also: Option<Id<Group>>) -> Result<Facts> {
        let version = facts::version(&*self.records, organization).await?;
        Facts::read(&*self.records, organization, version, also).await
    }

    /// Refuses a rule that cannot be.
    fn check(&self, rule: &Rule, after: &Facts) -> Result<()> {
        if after.rules.len() > RULE_LIMIT {
            return Err(Error::invalid("rules", format!("more than {RULE_LIMIT} in one organization")));
        }
        match rule {
            Rule::Permission { pattern, .. } if self.policy.pattern(pattern).is_none() => {
                Err(Error::invalid("pattern", "covers no permission that anything asks for"))
            }
            Rule::Inclusion { .. } if Roles::new(self, after).inclusions.has_loop() => {
                Err(Error::invalid("included", "by this a role would include itself"))
            }
            _ => Ok(()),
        }
    }

    /// Every way from a grant or rule of the subject to a rule that covers the permission.
    fn chains(
        &self,
        roles: &Roles<'_>,
        facts: &Facts,
        actor: &Actor,
        permission: &Permission,
        app: Option<Id<App>>,
    ) -> Vec<Chain> {
        let mut chains = BTreeSet::new();
        let through = |holder: &Subject| {
            let group = holder.as_group();
            let says_so = group.is_some_and(|group| actor.groups.contains(&group));
            (says_so || facts.members(holder).any(|member| *member == actor.subject)).then_some(group)
        };
        for grant in &facts.grants {
            let here = grant.app.is_none() || grant.app == app;
            let Some(group) = through(&grant.subject).filter(|_| here) else { continue };
            let Some(first) = roles.id(&role_name(&grant.role)) else { continue };
            let ways = roles.inclusions.ways(first);
            for row in self.policy.table().covering(permission).filter(|row| ways.contains_key(&row.name)) {
                let Some(pattern) = self.policy.pattern_text(row.pattern) else { continue };
                chains.insert(Chain {
                    effect: row.effect,
                    pattern: pattern.clone(),
                    roles: roles.way(&ways, row.name),
                    group,
                    grant: Some(grant.id),
                    rule: None,
                });
            }
            for rule in &facts.rules {
                let Rule::Permission { holder: Holder::Role(role), pattern, effect } = &rule.value else {
                    continue;
                };
                let Some(name) = roles.id(&role_name(role)).filter(|name| ways.contains_key(name)) else {
                    continue;
                };
                if pattern.covers(&permission.text) {
                    let (effect, pattern, roles) = (*effect, pattern.clone(), roles.way(&ways, name));
                    let (grant, rule) = (Some(grant.id), Some(rule.id));
                    chains.insert(Chain { effect, pattern, roles, group, grant, rule });
                }
            }
        }
        for rule in &facts.rules {
            let Rule::Permission { holder: Holder::Subject(holder), pattern, effect } = &rule.value else {
                continue;
            };
            let Some(group) = through(holder).filter(|_| pattern.covers(&permission.text)) else { continue };
            let (effect, pattern, rule) = (*effect, pattern.clone(), Some(rule.id));
            chains.insert(Chain { effect, pattern, roles: Vec::new(), group, grant: None, rule });
        }
        let mut chains: Vec<Chain> = chains.into_iter().collect();
        chains.sort_by_key(|chain| std::cmp::Reverse(chain.effect));
        chains
    }
}

/// The group that a rule is about.
fn denied_group(rule: &Rule) -> Option<Id<Group>> {
    match rule {
        Rule::Permission { holder: Holder::Subject(subject), .. } => subject.as_group(),
        _ => None,
    }
}

/// Roles of the shared policy and of an organization's own, by name.
struct Roles<'a> {
    authorizer: &'a CasbinAuthorizer,
    own: BTreeMap<String, u32>,
    inclusions: Inclusions,
}

impl<'a> Roles<'a> {
    fn new(authorizer: &'a CasbinAuthorizer, facts: &Facts) -> Self {
        let mut roles = Self { authorizer, own: BTreeMap::new(), inclusions: Inclusions::default() };
        let mut links = authorizer.policy.links().to_vec();
        for rule in &facts.rules {
            match &rule.value {
                Rule::Inclusion { role, included } => {
                    links.push((roles.intern(&role_name(role)), roles.intern(&role_name(included))));
                }
                Rule::Permission { holder, .. } => {
                    roles.intern(&holder.to_string());
                }
            }
        }
        roles.inclusions = Inclusions::new(links);
        roles
    }

    fn id(&self, name: &str) -> Option<u32> {
        self.authorizer.policy.name(name).or_else(|| self.own.get(name).copied())
    }

    fn intern(&mut self, name: &str) -> u32 {
        self.id(name).unwrap_or_else(|| {
            let next = u32::try_from(self.authorizer.policy.names() + self.own.len()).unwrap_or(u32::MAX);
            self.own.insert(name.to_owned(), next);
            next
        })
    }

    /// The roles on the way to `last`, both ends included.
    fn way(&self, ways: &BTreeMap<u32, Option<u32>>, last: u32) -> Vec<Role> {
        let mut way = Vec::new();
        let mut at = Some(last);
        while let Some(id) = at {
            let own = self.own.iter().find(|(_, own)| **own == id).map(|(name, _)| name.as_str());
            let name = self.authorizer.policy.name_text(id).or(own);
            way.extend(name.and_then(|name| Role::parse(name.strip_prefix("role:")?).ok()));
            at = ways.get(&id).copied().flatten();
        }
        way.reverse();
        way
    }
}
