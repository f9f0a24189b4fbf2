//! Which roles include which.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Roles in their interned form, and the roles that each includes.
#[derive(Debug, Default)]
pub(crate) struct Inclusions {
    direct: BTreeMap<u32, Vec<u32>>,
    /// Roles that include themselves, or one that does.
    loops: BTreeSet<u32>,
}

impl Inclusions {
    /// From pairs of a role and one that it includes.
    pub(crate) fn new(links: impl IntoIterator<Item = (u32, u32)>) -> Self {
        let mut direct: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        let mut users: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for (role, included) in links {
            direct.entry(role).or_default().push(included);
            users.entry(included).or_default().push(role);
        }
        // What remains after all that end somewhere were taken away leads into a loop.
        let mut open: BTreeMap<u32, usize> = direct.iter().map(|(role, list)| (*role, list.len())).collect();
        let mut ended: Vec<u32> = users.keys().filter(|role| !direct.contains_key(role)).copied().collect();
        while let Some(role) = ended.pop() {
            for user in users.get(&role).into_iter().flatten() {
                if let Some(count) = open.get_mut(user) {
                    *count -= 1;
                    if *count == 0 {
                        ended.push(*user);
                    }
                }
            }
        }
        let loops = open.into_iter().filter(|(_, count)| *count > 0).map(|(role, _)| role).collect();
        Self { direct, loops }
    }

    /// Whether any role includes itself.
    pub(crate) fn has_loop(&self) -> bool {
        !self.loops.is_empty()
    }

    /// What a role includes at any depth, itself among it. Nothing for one that leads into a loop: whoever wrote
    /// the loop meant something else.
    pub(crate) fn included(&self, role: u32) -> BTreeSet<u32> {
        if self.loops.contains(&role) {
            return BTreeSet::new();
        }
        let mut seen = BTreeSet::from([role]);
        let mut open = vec![role];
        while let Some(at) = open.pop() {
            open.extend(self.of(at).filter(|included| seen.insert(*included)));
        }
        seen
    }

    /// A shortest way from a role to each that it includes: for each the one before it.
    pub(crate) fn ways(&self, role: u32) -> BTreeMap<u32, Option<u32>> {
        if self.loops.contains(&role) {
            return BTreeMap::new();
        }
        let mut before = BTreeMap::from([(role, None)]);
        let mut open = VecDeque::from([role]);
        while let Some(at) = open.pop_front() {
            for included in self.of(at) {
                before.entry(included).or_insert_with(|| {
                    open.push_back(included);
                    Some(at)
                });
            }
        }
        before
    }

    fn of(&self, role: u32) -> impl Iterator<Item = u32> {
        self.direct.get(&role).into_iter().flatten().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inclusion_is_transitive() {
        let inclusions = Inclusions::new([(1, 2), (2, 3), (1, 4), (4, 3)]);
        assert!(!inclusions.has_loop());
        assert_eq!(inclusions.included(1), [1, 2, 3, 4].into());
        assert_eq!(inclusions.included(3), [3].into());
        assert_eq!(inclusions.ways(1).get(&3), Some(&Some(2)));
    }

    #[test]
    fn roles_that_lead_into_a_loop_are_worth_nothing() {
        let inclusions = Inclusions::new([(1, 2), (2, 3), (3, 2), (4, 5), (6, 6)]);
        assert!(inclusions.has_loop());
        for role in [1, 2, 3, 6] {
            assert!(inclusions.included(role).is_empty() && inclusions.ways(role).is_empty());
        }
        assert_eq!(inclusions.included(4), [4, 5].into());
    }

    #[test]
    fn depth_is_no_matter() {
        let inclusions = Inclusions::new((0..10_000).map(|at| (at, at + 1)));
        assert_eq!(inclusions.included(0).len(), 10_001);
        assert!(Inclusions::new((0..10_000).map(|at| (at, (at + 1) % 10_000))).has_loop());
    }
}
