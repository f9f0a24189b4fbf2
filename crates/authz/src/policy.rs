//! The policy: which role or scope may do what, in every organization alike.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use appdepot_core::authorize::permission;
use appdepot_core::{Error, Result};

use crate::snapshot::Rights;

/// The roles and scopes that come with this crate, in the form [`CasbinAuthorizer::with_policy`] reads.
///
/// [`CasbinAuthorizer::with_policy`]: crate::CasbinAuthorizer::with_policy
pub const DEFAULT_POLICY: &str = include_str!("default_policy.csv");

/// The longest policy text, in bytes.
const TEXT_LIMIT: usize = 1024 * 1024;
/// The most roles and scopes together. Bounds the depth of inheritance as well.
const NAME_LIMIT: usize = 1_024;
/// The longest role, scope or permission, in bytes, its prefix included.
pub(crate) const WORD_LIMIT: usize = 128;
/// The most segments of a permission.
const SEGMENT_LIMIT: usize = 8;
/// The domain in which scopes are decided; no organization's, for those are hexadecimal.
pub(crate) const SCOPE_DOMAIN: &str = "scope";

/// A checked policy. Never changes; another one is another value.
#[derive(Debug)]
pub(crate) struct Policy {
    rows: Vec<Row>,
    names: HashMap<Box<str>, u32>,
    /// By interned name: the names it includes, itself among them, sorted.
    included: Vec<Arc<[u32]>>,
    /// Every permission that can be asked for, with the rows whose pattern covers it, in policy order.
    catalogue: HashMap<Box<str>, Permission>,
    scopes: HashMap<Box<str>, Rights>,
}

/// One line of the policy.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: Box<str>,
    pub(crate) pattern: Box<str>,
    pub(crate) effect: &'static str,
}

/// A catalogued permission: its place in memos, and the only rows that can matter for it.
#[derive(Debug)]
pub(crate) struct Permission {
    pub(crate) text: Box<str>,
    pub(crate) place: usize,
    pub(crate) rows: Box<[u32]>,
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
                    check_pattern(pattern).map_err(fail)?;
                    let effect = match effect {
                        "allow" => "allow",
                        "deny" => "deny",
                        _ => return Err(fail("the effect is neither allow nor deny")),
                    };
                    names.intern(name);
                    rows.push(Row { name: name.into(), pattern: pattern.into(), effect });
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
        if names.0.len() > NAME_LIMIT {
            return Err(Error::invalid("policy", format!("more than {NAME_LIMIT} roles and scopes")));
        }
        let included = include(names.0.len(), &links)?;
        Ok(Self::index(rows, names.0, included))
    }

    /// A policy under which nobody may do anything.
    pub(crate) fn empty() -> Self {
        Self::index(Vec::new(), HashMap::new(), Vec::new())
    }

    fn index(rows: Vec<Row>, names: HashMap<Box<str>, u32>, included: Vec<Arc<[u32]>>) -> Self {
        let exact = rows.iter().map(|row| &*row.pattern).filter(|pattern| !pattern.ends_with('*'));
        let known: BTreeSet<&str> = permission::ALL.iter().copied().chain(exact).collect();
        let size = known.len();
        let catalogue = known.into_iter().enumerate().map(|(place, text)| {
            let rows = (0u32..).zip(&rows).filter(|(_, row)| covers(&row.pattern, text));
            let rows = rows.map(|(at, _)| at).collect();
            (Box::from(text), Permission { text: text.into(), place, rows })
        });
        let catalogue = catalogue.collect();
        let scopes = names.iter().filter_map(|(name, &at)| {
            let scope = name.strip_prefix("scope:")?;
            let rights = Rights::new(SCOPE_DOMAIN, included.get(at as usize)?.clone(), size);
            Some((Box::from(scope), rights))
        });
        let scopes = scopes.collect();
        Self { rows, names, included, catalogue, scopes }
    }

    /// A permission that can be asked for.
    pub(crate) fn permission(&self, text: &str) -> Option<&Permission> {
        if text.len() > WORD_LIMIT { None } else { self.catalogue.get(text) }
    }

    /// How many permissions can be asked for.
    pub(crate) fn size(&self) -> usize {
        self.catalogue.len()
    }

    /// The rows that can matter for a permission.
    pub(crate) fn rows(&self, permission: &Permission) -> impl Iterator<Item = &Row> {
        permission.rows.iter().filter_map(|&at| self.rows.get(at as usize))
    }

    /// The interned form of a role or scope, prefix included.
    pub(crate) fn name(&self, text: &str) -> Option<u32> {
        self.names.get(text).copied()
    }

    /// What an interned name includes, itself among it.
    pub(crate) fn included(&self, name: u32) -> Option<&Arc<[u32]>> {
        self.included.get(name as usize)
    }

    /// What a scope permits.
    pub(crate) fn scope(&self, name: &str) -> Option<&Rights> {
        self.scopes.get(name)
    }

    /// The names of all scopes, without prefix.
    pub(crate) fn scopes(&self) -> BTreeSet<String> {
        self.scopes.keys().map(|name| String::from(&**name)).collect()
    }
}

#[derive(Default)]
struct Names(HashMap<Box<str>, u32>);

impl Names {
    fn intern(&mut self, name: &str) -> u32 {
        let next = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        *self.0.entry(name.into()).or_insert(next)
    }
}

/// What each name includes, at any depth. A loop is refused: whoever wrote one meant something else.
fn include(count: usize, links: &[(u32, u32)]) -> Result<Vec<Arc<[u32]>>> {
    let mut direct: Vec<Vec<u32>> = vec![Vec::new(); count];
    for &(name, included) in links {
        if let Some(list) = direct.get_mut(name as usize) {
            list.push(included);
        }
    }
    let mut all = Vec::with_capacity(count);
    for name in (0u32..).take(count) {
        let mut seen = BTreeSet::from([name]);
        let mut open = vec![name];
        while let Some(at) = open.pop() {
            for &included in direct.get(at as usize).into_iter().flatten() {
                if included == name {
                    return Err(Error::invalid("policy", "a role includes itself"));
                }
                if seen.insert(included) {
                    open.push(included);
                }
            }
        }
        all.push(seen.into_iter().collect());
    }
    Ok(all)
}

/// Whether a pattern covers a permission: the same text, or whole leading segments and `.*`, or `*`.
pub(crate) fn covers(pattern: &str, permission: &str) -> bool {
    match pattern.strip_suffix('*') {
        None => pattern == permission,
        Some("") => !permission.is_empty(),
        // The dot stays on the prefix, so that only whole segments match; something must follow it.
        Some(prefix) => {
            prefix.ends_with('.') && permission.len() > prefix.len() && permission.starts_with(prefix)
        }
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

fn check_pattern(pattern: &str) -> std::result::Result<(), &'static str> {
    let segments = match pattern {
        "*" => return Ok(()),
        other => other.strip_suffix(".*").unwrap_or(other),
    };
    let inner = |c: u8| c.is_ascii_alphanumeric() || c == b'-' || c == b'_';
    let good = segments.split('.').all(|segment| !segment.is_empty() && segment.bytes().all(inner));
    if !good || pattern.len() > WORD_LIMIT || segments.split('.').count() > SEGMENT_LIMIT {
        return Err(
            "a pattern is segments of letters, digits, '-' or '_' joined by '.', ending in '*' or not",
        );
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
                "media.asset_read"
            ]
        );
    }

    #[test]
    fn every_default_row_covers_something_the_core_asks_for() {
        let policy = Policy::parse(DEFAULT_POLICY).unwrap();
        for row in &policy.rows {
            assert!(permission::ALL.iter().any(|known| covers(&row.pattern, known)), "{row:?}");
        }
        assert_eq!(policy.size(), permission::ALL.len());
    }

    #[test]
    fn patterns_match_whole_segments_only() {
        for (pattern, permission, expected) in [
            ("mdm.global.asset.get", "mdm.global.asset.get", true),
            ("mdm.global.asset.get", "mdm.global.asset.gets", false),
            ("mdm.*", "mdm.global.asset.get", true),
            ("mdm.*", "mdmXevil", false),
            ("mdm.*", "mdm", false),
            ("mdm.*", "mdm.", false),
            ("mdm.global.asset.*", "mdm.global.assets.get", false),
            ("*", "mdm", true),
            ("*", "", false),
            ("mdm*", "mdm.global", false),
            ("mdm.é*", "mdm.é", false),
        ] {
            assert_eq!(covers(pattern, permission), expected, "{pattern} {permission}");
        }
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
        assert_eq!(policy.included(first).unwrap().len(), 1_000);
        assert!(refused(&chain(10_000)).contains("more than 1024"));
        assert!(refused("p, role:a, mdm.x, allow\ng, role:a, role:b\ng, role:b, role:a").contains("itself"));
        assert!(refused("p, role:a, mdm.x, allow\ng, role:a, role:a").contains("itself"));
    }
}
