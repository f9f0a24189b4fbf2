use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Entity, Kind, Role};
use crate::authorize::Subject;
use crate::error::{Error, Result};
use crate::records::Claim;

/// One line of an organization's own policy, beside what roles permit in all organizations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum Rule {
    /// What a role permits or denies, or what one subject is denied. A deny beats every allow.
    Permission {
        /// Whose rule it is.
        holder: Holder,
        /// Which permissions.
        pattern: PermissionPattern,
        /// Allow or deny.
        effect: Effect,
    },
    /// A role that includes another one.
    Inclusion {
        /// The role.
        role: Role,
        /// What it includes.
        included: Role,
    },
}

/// Whether a rule allows or denies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// Allows.
    Allow,
    /// Denies, whatever else allows.
    Deny,
}

impl Effect {
    /// The word, as written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        }
    }
}

/// Whose rule it is: `role:…`, or a subject.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Holder {
    /// Everyone who has this role.
    Role(Role),
    /// A user, a key, or the members of a group.
    Subject(Subject),
}

/// Permissions: one by its name, or all whose leading segments it gives before `.*`, or `*` for all.
///
/// ```
/// use appdepot_core::domain::PermissionPattern;
/// let pattern = PermissionPattern::parse("mdm.global.*")?;
/// assert!(pattern.covers("mdm.global.asset.get"));
/// assert!(!pattern.covers("mdm.globals.asset.get") && !pattern.covers("mdm.global"));
/// # Ok::<(), appdepot_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PermissionPattern(String);

impl Rule {
    /// Checks what a rule may say: ownership is nobody's to redefine, and a subject gets its rights from roles.
    ///
    /// # Errors
    /// `Invalid` with the field.
    pub fn check(&self) -> Result<()> {
        let owner = |role: &Role| role.as_str() == Role::OWNER;
        match self {
            Self::Permission { holder: Holder::Role(role), .. } if owner(role) => {
                Err(Error::invalid("holder", "what owners may do cannot be changed"))
            }
            Self::Permission { holder: Holder::Subject(_), effect: Effect::Allow, .. } => {
                Err(Error::invalid("effect", "a subject can only be denied; give it a role instead"))
            }
            Self::Inclusion { role, included } if owner(role) || owner(included) => {
                Err(Error::invalid("included", "owners include nobody, and are included by nobody"))
            }
            Self::Inclusion { role, included } if role == included => {
                Err(Error::invalid("included", "a role cannot include itself"))
            }
            _ => Ok(()),
        }
    }
}

impl Entity for Rule {
    const KIND: Kind = Kind::Rule;
    const NAME: &'static str = "rule";

    // Without the effect: a holder cannot be allowed and denied the same.
    fn claims(&self) -> Vec<Claim> {
        vec![match self {
            Self::Permission { holder, pattern, .. } => Claim::new("rule", format!("p,{holder},{pattern}")),
            Self::Inclusion { role, included } => Claim::new("rule", format!("g,{role},{included}")),
        }]
    }
}

/// Counts the changes to who may do what in an organization. One per organization, under [`Id::NIL`](super::Id);
/// its revision is the version, and it grows in the commit of every such change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyVersion {}

impl Entity for PolicyVersion {
    const KIND: Kind = Kind::PolicyVersion;
    const NAME: &'static str = "policy version";
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Role(role) => write!(f, "role:{role}"),
            Self::Subject(subject) => subject.fmt(f),
        }
    }
}

impl TryFrom<String> for Holder {
    type Error = Error;
    fn try_from(text: String) -> Result<Self> {
        match text.strip_prefix("role:") {
            Some(role) => Role::parse(role).map(Self::Role),
            None => Subject::parse(&text).map(Self::Subject),
        }
    }
}

impl From<Holder> for String {
    fn from(holder: Holder) -> Self {
        holder.to_string()
    }
}

impl PermissionPattern {
    /// The longest, in bytes; also the longest permission.
    pub const LIMIT: usize = 128;
    /// The most segments.
    const SEGMENTS: usize = 8;

    /// Reads a pattern.
    ///
    /// # Errors
    /// `Invalid` for anything but 1 to 8 segments of letters, digits, `-` or `_`, joined by `.`, the last of which
    /// may be `*`.
    pub fn parse(text: &str) -> Result<Self> {
        let inner = |c: u8| c.is_ascii_alphanumeric() || c == b'-' || c == b'_';
        let named = if text == "*" { None } else { Some(text.strip_suffix(".*").unwrap_or(text)) };
        let good = named.is_none_or(|named| {
            named.split('.').all(|segment| !segment.is_empty() && segment.bytes().all(inner))
        });
        if good && text.len() <= Self::LIMIT && text.split('.').count() <= Self::SEGMENTS {
            return Ok(Self(text.to_owned()));
        }
        Err(Error::invalid(
            "pattern",
            "a pattern is segments of letters, digits, '-' or '_' joined by '.', the last one possibly '*'",
        ))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it covers a permission: the same text, or whole leading segments and `.*`, or `*`.
    pub fn covers(&self, permission: &str) -> bool {
        match self.0.strip_suffix('*') {
            None => self.0 == permission,
            // The dot stays on the prefix, so that only whole segments match; something must follow it.
            Some(prefix) => permission.len() > prefix.len() && permission.starts_with(prefix),
        }
    }
}

impl fmt::Display for PermissionPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for PermissionPattern {
    type Error = Error;
    fn try_from(text: String) -> Result<Self> {
        Self::parse(&text)
    }
}

impl From<PermissionPattern> for String {
    fn from(pattern: PermissionPattern) -> Self {
        pattern.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_cover_whole_segments() {
        for (pattern, permission, expected) in [
            ("mdm.global.asset.get", "mdm.global.asset.get", true),
            ("mdm.global.asset.get", "mdm.global.asset.gets", false),
            ("mdm.*", "mdm.global.asset.get", true),
            ("mdm.*", "mdmx.global", false),
            ("mdm.*", "mdm", false),
            ("mdm.*", "mdm.", false),
            ("*", "mdm", true),
            ("*", "", false),
        ] {
            assert_eq!(PermissionPattern::parse(pattern).unwrap().covers(permission), expected, "{pattern}");
        }
    }

    #[test]
    fn other_patterns_are_refused() {
        for bad in [
            "",
            ".",
            "mdm.",
            ".mdm",
            "mdm..get",
            "mdm.*.get",
            "mdm*",
            "**",
            "*.*",
            "mdm.(",
            "mdm.[a-z]",
            "a,b",
            "a\nb",
            "a b",
            "mdm.ü",
            "a\"b",
            "^mdm$",
            "eval(1)",
            "a.b.c.d.e.f.g.h.i",
        ] {
            assert!(PermissionPattern::parse(bad).is_err(), "{bad:?}");
        }
        assert!(PermissionPattern::parse(&"a".repeat(129)).is_err());
    }

    #[test]
    fn a_holder_is_of_one_kind() {
        for good in ["role:qa", "user:ada", "key:ci", "group:0123456789abcdef01234567"] {
            assert_eq!(Holder::try_from(good.to_owned()).unwrap().to_string(), good);
        }
        for bad in ["qa", "role:", "role:a,b", "scope:x", "role:a\nb", "system:x", "group:g", ""] {
            assert!(Holder::try_from(bad.to_owned()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn ownership_is_nobodys_to_redefine() {
        let rule = |json: serde_json::Value| serde_json::from_value::<Rule>(json).unwrap().check();
        let permission = |holder: &str, effect: &str| {
            rule(serde_json::json!({
                "type": "permission", "holder": holder, "pattern": "*", "effect": effect
            }))
        };
        let inclusion = |role: &str, included: &str| {
            rule(serde_json::json!({"type": "inclusion", "role": role, "included": included}))
        };
        assert!(permission("role:qa", "allow").is_ok() && permission("user:ada", "deny").is_ok());
        assert!(permission("role:org.owner", "deny").is_err() && permission("user:ada", "allow").is_err());
        assert!(inclusion("qa", "org.viewer").is_ok());
        for (role, included) in [("qa", "org.owner"), ("org.owner", "qa"), ("qa", "qa")] {
            assert!(inclusion(role, included).is_err());
        }
    }
}
