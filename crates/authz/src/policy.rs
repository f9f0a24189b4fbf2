//! The policy: which role or scope may do what, in every organization alike.

use std::collections::{BTreeMap, BTreeSet};

use appdepot_core::authorize::permission;
use appdepot_core::domain::{Effect, PermissionPattern};
use appdepot_core::{Error, Result};
use foldhash::{HashMap, HashMapExt as _};

use crate::roles::Inclusions;

/// The roles and scopes that come with this crate, in the form [`CasbinAuthorizer::with_policy`] reads.
///
/// [`CasbinAuthorizer::with_policy`]: crate::CasbinAuthorizer::with_policy
pub const DEFAULT_POLICY: &str = include_str!("default_policy.csv");

/// The longest policy text, in bytes.
const TEXT_LIMIT: usize = 1024 * 1024;
/// The most roles and scopes together. Bounds the depth of inheritance as well.
const NAME_LIMIT: usize = 1_024;
/// The longest role or scope, in bytes, its prefix included.
const WORD_LIMIT: usize = 128;

/// Whether a scope is for credentials that are good for one vendor; to others it permits nothing.
pub(crate) fn is_by_vendor(scope: &str) -> bool {
    scope.ends_with("_by_vendor")
}

/// A checked policy. Never changes; another one is another value.
#[derive(Debug)]
pub(crate) struct Policy {
    names: Names,
    links: Vec<(u32, u32)>,
    inclusions: Inclusions,
    table: Table,
    /// Every pattern that covers something that can be asked for.
    patterns: HashMap<PermissionPattern, u32>,
    pattern_texts: Vec<PermissionPattern>,
    /// Every permission that can be asked for.
    catalogue: HashMap<Box<str>, Permission>,
}

/// A permission that can be asked for: its place in memos, and the patterns that cover it.
#[derive(Debug)]
pub(crate) struct Permission {
    pub(crate) text: Box<str>,
    pub(crate) place: usize,
    patterns: Box<[u32]>,
}

/// One rule, in interned names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) name: u32,
    pub(crate) pattern: u16,
    pub(crate) effect: Effect,
}

/// Rules by pattern.
#[derive(Debug, Default)]
pub(crate) struct Table(Box<[Row]>);

impl Table {
    pub(crate) fn new(mut rows: Vec<Row>) -> Self {
        rows.sort_by_key(|row| row.pattern);
        Self(rows.into())
    }

    /// Those whose pattern covers a permission, and no others: no other can have an effect under the model.
    pub(crate) fn covering(&self, permission: &Permission) -> impl Iterator<Item = &Row> {
        permission.patterns.iter().flat_map(|&pattern| {
            let from = self.0.partition_point(|row| u32::from(row.pattern) < pattern);
            self.0.iter().skip(from).take_while(move |row| u32::from(row.pattern) == pattern)
        })
    }
}

impl Policy {
    /// Reads a policy text. Stricter than Casbin, which takes an effect it does not know for no effect, and a
    /// line it cannot read for another line.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        if text.len() > TEXT_LIMIT {
            return Err(Error::invalid("policy", format!("longer than {TEXT_LIMIT} bytes")));
        }
        let mut rows = Vec::new();
        let mut names = Names::default();
        let mut links = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let fail = |why: &str| Error::invalid("policy", format!("line {}: {why}", at + 1));
            let fields: Vec<&str> = line.split(',').map(str::trim).collect();
            match *fields.as_slice() {
                ["p", name, pattern, effect] => {
                    check_name(name).map_err(fail)?;
                    let pattern = PermissionPattern::parse(pattern).map_err(|error| fail(&reason(&error)))?;
                    let effect = match effect {
                        "allow" => Effect::Allow,
                        "deny" => Effect::Deny,
                        _ => return Err(fail("the effect is neither allow nor deny")),
                    };
                    rows.push((names.intern(name), pattern, effect));
                }
                ["g", name, included] => {
                    check_name(name).map_err(fail)?;
                    check_name(included).map_err(fail)?;
                    if name.split(':').next() != included.split(':').next() {
                        return Err(fail("a role cannot include a scope, nor a scope a role"));
                    }
                    links.push((names.intern(name), names.intern(included)));
                }
                _ => return Err(fail("neither `p, name, pattern, effect` nor `g, name, included name`")),
            }
        }
        if rows.is_empty() {
            return Err(Error::invalid("policy", "without rows nobody may do anything"));
        }
        if names.texts.len() > NAME_LIMIT {
            return Err(Error::invalid("policy", format!("more than {NAME_LIMIT} roles and scopes")));
        }
        let inclusions = Inclusions::new(links.iter().copied());
        if inclusions.has_loop() {
            return Err(Error::invalid("policy", "a role includes itself"));
        }
        Self::index(rows, names, links, inclusions)
    }

    /// A policy under which nobody may do anything.
    pub(crate) fn empty() -> Self {
        Self {
            names: Names::default(),
            links: Vec::new(),
            inclusions: Inclusions::default(),
            table: Table::default(),
            patterns: HashMap::new(),
            pattern_texts: Vec::new(),
            catalogue: HashMap::new(),
        }
    }

    fn index(
        rows: Vec<(u32, PermissionPattern, Effect)>,
        names: Names,
        links: Vec<(u32, u32)>,
        inclusions: Inclusions,
    ) -> Result<Self> {
        let exact = rows.iter().map(|(_, pattern, _)| pattern.as_str()).filter(|text| !text.ends_with('*'));
        let known: BTreeSet<&str> = permission::ALL.iter().copied().chain(exact).collect();
        // Each permission, each run of its leading segments, and everything.
        let mut covering: BTreeMap<PermissionPattern, u32> = BTreeMap::new();
        for text in &known {
            let prefixes = text.match_indices('.').map(|(at, _)| format!("{}.*", text.split_at(at).0));
            for pattern in prefixes.chain([(*text).to_owned(), "*".to_owned()]) {
                covering.insert(PermissionPattern::parse(&pattern)?, 0);
            }
        }
        for (at, place) in (0u32..).zip(covering.values_mut()) {
            *place = at;
        }
        if covering.len() > usize::from(u16::MAX) {
            return Err(Error::invalid("policy", "too many permissions"));
        }
        let catalogue = known.into_iter().enumerate().map(|(place, text)| {
            let patterns =
                covering.iter().filter(|(pattern, _)| pattern.covers(text)).map(|(_, &at)| at).collect();
            (Box::from(text), Permission { text: text.into(), place, patterns })
        });
        let catalogue = catalogue.collect();
        // A pattern that covers nothing has no effect.
        let rows = rows.iter().filter_map(|(name, pattern, effect)| {
            let pattern = u16::try_from(*covering.get(pattern)?).ok()?;
            Some(Row { name: *name, pattern, effect: *effect })
        });
        let table = Table::new(rows.collect());
        let pattern_texts = covering.keys().cloned().collect();
        let patterns = covering.into_iter().collect();
        Ok(Self { names, links, inclusions, table, patterns, pattern_texts, catalogue })
    }

    /// A permission that can be asked for.
    pub(crate) fn permission(&self, text: &str) -> Option<&Permission> {
        if text.len() > PermissionPattern::LIMIT { None } else { self.catalogue.get(text) }
    }

    /// Every permission that can be asked for.
    pub(crate) fn permissions(&self) -> impl Iterator<Item = &Permission> {
        self.catalogue.values()
    }

    /// How many permissions can be asked for.
    pub(crate) fn size(&self) -> usize {
        self.catalogue.len()
    }

    /// The rules.
    pub(crate) fn table(&self) -> &Table {
        &self.table
    }

    /// The interned form of a pattern, if it covers anything that can be asked for.
    pub(crate) fn pattern(&self, pattern: &PermissionPattern) -> Option<u16> {
        self.patterns.get(pattern).and_then(|&at| u16::try_from(at).ok())
    }

    /// The pattern of an interned form.
    pub(crate) fn pattern_text(&self, pattern: u16) -> Option<&PermissionPattern> {
        self.pattern_texts.get(usize::from(pattern))
    }

    /// The interned form of a role or scope, prefix included.
    pub(crate) fn name(&self, text: &str) -> Option<u32> {
        self.names.ids.get(text).copied()
    }

    /// The role or scope of an interned form.
    pub(crate) fn name_text(&self, name: u32) -> Option<&str> {
        self.names.texts.get(name as usize).map(|text| &**text)
    }

    /// How many roles and scopes there are; their interned forms are below.
    pub(crate) fn names(&self) -> usize {
        self.names.texts.len()
    }

    /// Which includes which.
    pub(crate) fn inclusions(&self) -> &Inclusions {
        &self.inclusions
    }

    /// What [`inclusions`](Self::inclusions) was made from.
    pub(crate) fn links(&self) -> &[(u32, u32)] {
        &self.links
    }

    /// The names of all scopes, without prefix.
    pub(crate) fn scopes(&self) -> BTreeSet<String> {
        self.names.texts.iter().filter_map(|name| name.strip_prefix("scope:")).map(str::to_owned).collect()
    }
}

#[derive(Debug, Default)]
struct Names {
    ids: HashMap<Box<str>, u32>,
    texts: Vec<Box<str>>,
}

impl Names {
    fn intern(&mut self, name: &str) -> u32 {
        if let Some(&id) = self.ids.get(name) {
            return id;
        }
        let id = u32::try_from(self.texts.len()).unwrap_or(u32::MAX);
        self.ids.insert(name.into(), id);
        self.texts.push(name.into());
        id
    }
}

/// What was said about the one field.
fn reason(error: &Error) -> String {
    match error.detail() {
        appdepot_core::error::Detail::Fields(fields) => {
            fields.first().map(|field| field.message.to_string()).unwrap_or_default()
        }
        _ => error.message().to_owned(),
    }
}

fn check_name(name: &str) -> std::result::Result<(), &'static str> {
    let inner = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || b".-_".contains(&c);
    let good = match name.split_once(':') {
        Some(("role", role)) => !role.is_empty() && role.bytes().all(inner),
        Some(("scope", scope)) => !scope.is_empty() && scope.bytes().all(|c| inner(c) || c == b':'),
        _ => false,
    };
    if !good || name.len() > WORD_LIMIT {
        return Err("a name is `role:` or `scope:` and lower-case letters, digits, '.', '-' or '_'");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        Policy::parse(text).unwrap_err().message().to_owned()
    }

    #[test]
    fn the_default_policy_is_good() {
        let policy = Policy::parse(DEFAULT_POLICY).unwrap();
        let scopes: Vec<String> = policy.scopes().into_iter().collect();
        assert_eq!(
            scopes,
            [
                "appm:administration",
                "appm:create",
                "appm:publish",
                "appm:read",
                "appm:subscribe",
                "appm:update",
                "media.asset_manage",
                "media.asset_manage_by_vendor",
                "media.asset_read",
                "media.asset_read_by_vendor",
                "sdk"
            ]
        );
    }

    #[test]
    fn every_default_row_covers_something_the_core_asks_for() {
        let policy = Policy::parse(DEFAULT_POLICY).unwrap();
        let rows = DEFAULT_POLICY.lines().filter(|line| line.starts_with("p,")).count();
        assert_eq!(policy.table().0.len(), rows);
        assert_eq!(policy.size(), permission::ALL.len());
    }

    #[test]
    fn rows_with_other_characters_are_refused() {
        for row in [
            "p, role:a, mdm.*.create, allow",
            "p, role:a, mdm.(, allow",
            "p, role:a, mdm.[a-z]+, allow",
            "p, role:a, mdm|mad, allow",
            "p, role:a, mdm..get, allow",
            "p, role:a, .*, allow",
            "p, role:a, , allow",
            "p, role:a, \"mdm.a, mdm.b\", allow",
            "p, role:a, mdm.get, allow, x",
            "p, role:a, eval(r.sub), allow",
            "p, role:a\u{0}, mdm.get, allow",
            "p, role:é, mdm.get, allow",
            "p, role:, mdm.get, allow",
            "p, org.owner, mdm.get, allow",
            "p, user:a, mdm.get, allow",
            "p2, role:a, mdm.get, allow",
            "g, role:a, scope:b",
            "g2, role:a, role:b",
            "m = true",
            "[matchers]",
        ] {
            assert!(refused(row).contains("line 1"), "{row}");
        }
    }

    #[test]
    fn a_policy_without_rows_is_refused() {
        assert!(refused("").contains("nobody"));
        assert!(refused("# only\ng, role:a, role:b").contains("nobody"));
        assert!(refused(&"# long\n".repeat(200_000)).contains("longer"));
    }

    #[test]
    fn inheritance_is_deep_but_bounded_and_without_loops() {
        let chain = |length: usize| {
            let links: String = (1..length).map(|at| format!("g, role:r{}, role:r{at}\n", at - 1)).collect();
            format!("p, role:r{}, mdm.x, allow\n{links}", length - 1)
        };
        let policy = Policy::parse(&chain(1_000)).unwrap();
        let first = policy.name("role:r0").unwrap();
        assert_eq!(policy.inclusions().included(first).len(), 1_000);
        assert!(refused(&chain(10_000)).contains("more than 1024"));
        assert!(refused("p, role:a, mdm.x, allow\ng, role:a, role:b\ng, role:b, role:a").contains("itself"));
        assert!(refused("p, role:a, mdm.x, allow\ng, role:a, role:a").contains("itself"));
    }
}
