//! Who acts, and the authorization port.

mod explain;

use std::collections::BTreeSet;
use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::domain::{App, AuthPolicy, Group, Id, Listing, Organization, Role, User};
use crate::error::{Error, ErrorKind, Result};

pub use self::explain::{Chain, Decision, Difference, Explanation, PolicyChange, Right};

/// Decides.
#[async_trait]
pub trait Authorizer: fmt::Debug + Send + Sync + 'static {
    /// Whether `actor` may do `permission` on `target`.
    ///
    /// # Behavior
    /// - Anything but `Ok` denies.
    /// - `NotFound` for an actor who has no standing in the organization at all: it does not exist for them.
    ///   `Forbidden` for one who has some.
    /// - An unknown permission, an empty or unprefixed subject, and a failure while deciding all deny.
    /// - A token's scopes only narrow: permitted needs both the owner's right and the scope's.
    async fn authorize(&self, actor: &Actor, permission: &str, target: &Target) -> Result<()>;

    /// On which apps of `organization` the actor may do `permission`. Goes into the listing query, so that pages
    /// are never filtered after they were cut.
    async fn scope(&self, actor: &Actor, permission: &str, organization: Id<Organization>) -> Result<Scope>;

    /// Grants, groups or rules of `organization` changed: the next decision must see them.
    async fn changed(&self, organization: Id<Organization>) {
        let _ = organization;
    }

    /// Whether `actor` may do on `target` everything that `role` allows or denies, and so may give it to others and
    /// take it from them.
    ///
    /// # Behavior
    /// - An authorizer that does not know what the role is about asks for everything there is.
    async fn outranks(&self, actor: &Actor, role: &Role, target: &Target) -> Result<bool> {
        let _ = role;
        for permission in permission::ALL {
            match self.authorize(actor, permission, target).await {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::Forbidden => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Why `actor` may or may not do `permission` on `target`.
    ///
    /// # Behavior
    /// - Agrees with [`authorize`](Self::authorize).
    /// - `Unsupported` by authorizers that cannot tell.
    async fn explain(&self, actor: &Actor, permission: &str, target: &Target) -> Result<Explanation> {
        let _ = (actor, permission, target);
        Err(unsupported())
    }

    /// Everyone with a grant, on their own or by a group, who may do `permission` on `target`.
    ///
    /// # Behavior
    /// - Agrees with [`authorize`](Self::authorize) for credentials that were not narrowed.
    /// - `Unsupported` by authorizers that cannot tell.
    async fn who_can(&self, permission: &str, target: &Target) -> Result<BTreeSet<Subject>> {
        let _ = (permission, target);
        Err(unsupported())
    }

    /// What `change` would come to in `organization`.
    ///
    /// # Behavior
    /// - Agrees with what [`authorize`](Self::authorize) says before the change and after it.
    /// - `Invalid` for a rule that cannot be: one about permissions that nobody asks for, or by which a role
    ///   includes itself.
    /// - `Unsupported` by authorizers that cannot tell.
    async fn what_if(&self, organization: Id<Organization>, change: &PolicyChange) -> Result<Difference> {
        let _ = (organization, change);
        Err(unsupported())
    }
}

fn unsupported() -> Error {
    Error::new(ErrorKind::Unsupported, "this authorizer cannot tell")
}

/// What an action is done to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    /// In which organization.
    pub organization: Id<Organization>,
    /// On which app, where the action concerns one.
    pub app: Option<Id<App>>,
}

impl Target {
    /// The organization as a whole.
    pub fn organization(organization: Id<Organization>) -> Self {
        Self { organization, app: None }
    }

    /// One app.
    pub fn app(organization: Id<Organization>, app: Id<App>) -> Self {
        Self { organization, app: Some(app) }
    }
}

/// The apps on which something is permitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// All of the organization's.
    All,
    /// These; possibly none.
    Apps(BTreeSet<Id<App>>),
}

/// Who acts, with which credential, from where. Every `Depot` method takes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// Who.
    pub subject: Subject,
    /// The rights the credential was narrowed to; `None` for all of the subject's. Names such as
    /// `media.asset_manage` that the authorizer maps to permissions.
    pub scopes: Option<BTreeSet<String>>,
    /// The only app that the credential is good for; `None` for all.
    pub app: Option<Id<App>>,
    /// The vendor within the organization for which the credential is good: for its assets, and nothing else.
    pub vendor: Option<String>,
    /// The groups that the credential itself says they are in, beside those whose member the subject is.
    pub groups: BTreeSet<Id<Group>>,
    /// The organization that the credential was made for: what a path that names none means. Gives no right.
    pub home: Option<Id<Organization>>,
    /// By which way they signed in to a store.
    pub policy: Option<Id<AuthPolicy>>,
    /// The publication whose password they gave.
    pub unlocked: Option<Id<Listing>>,
    /// The publication to whose terms they agreed.
    pub agreed: Option<Id<Listing>>,
    /// How to call them.
    pub person: Person,
    /// Where the request came from, for the audit trail.
    pub origin: Origin,
}

/// The address, device and country of a request.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Origin {
    /// The peer's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// What the client says it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// The country it comes from, two capital letters (ISO 3166-1), where the embedder knows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
}

/// A name to show.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Person {
    /// E-mail address; for a key, one made of its name.
    pub email: String,
    /// Given name, or the key's name.
    pub first_name: String,
    /// Family name.
    pub last_name: String,
}

/// A name of one kind: `user:…`, `key:…`, `group:…`. The prefix keeps a user called `org.owner` from being the
/// role.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Subject(String);

/// The kinds of subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SubjectKind {
    /// The embedding process itself: not subject to authorization, never made from a request.
    System,
    /// A person.
    User,
    /// An API key.
    Key,
    /// The members of a group. Never an actor.
    Group,
    /// Nobody in particular.
    Anonymous,
}

impl Subject {
    /// A person.
    ///
    /// # Errors
    /// `Invalid` unless the name is 1 to 128 letters, digits or `. _ - @ +`.
    pub fn user(name: &str) -> Result<Self> {
        Self::parse(&format!("user:{name}"))
    }

    /// An API key.
    ///
    /// # Errors
    /// `Invalid` unless the name is 1 to 128 letters, digits or `. _ - @ +`.
    pub fn key(name: &str) -> Result<Self> {
        Self::parse(&format!("key:{name}"))
    }

    /// The members of a group.
    pub fn group(id: Id<Group>) -> Self {
        Self(format!("group:{id}"))
    }

    /// Reads `user:…`, `key:…` or `group:…`.
    ///
    /// # Errors
    /// `Invalid` for another prefix, a name that is not 1 to 128 letters, digits or `. _ - @ +`, or a group that is
    /// not the 24 digits of an id.
    pub fn parse(text: &str) -> Result<Self> {
        let fail = || {
            Error::invalid(
                "subject",
                "user: or key: and 1 to 128 letters, digits, or . _ - @ +; or group: and an id",
            )
        };
        let (prefix, name) = text.split_once(':').ok_or_else(fail)?;
        let plain = name.bytes().all(|c| c.is_ascii_alphanumeric() || b"._-@+".contains(&c));
        let good = match prefix {
            "user" | "key" => plain && (1..=128).contains(&name.len()),
            "group" => Id::<Group>::parse(name).is_ok_and(|id| id.to_string() == name),
            _ => false,
        };
        if good { Ok(Self(text.to_owned())) } else { Err(fail()) }
    }

    /// The group whose members these are.
    pub fn as_group(&self) -> Option<Id<Group>> {
        self.0.strip_prefix("group:").and_then(|id| Id::parse(id).ok())
    }

    /// The whole text, prefix included.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The user it is, if it is one that a depot keeps.
    pub fn as_user(&self) -> Option<Id<User>> {
        let id = Id::parse(self.0.strip_prefix("user:")?).ok()?;
        // One spelling of an id is a subject, not any.
        (Self::from(id) == *self).then_some(id)
    }

    /// What people call it: the address of a person, where one is known, else the name without its prefix.
    pub fn shown(&self, person: &Person) -> String {
        let name = self.0.split_once(':').map_or("", |(_, name)| name);
        let address = self.kind() == SubjectKind::User && !person.email.is_empty();
        if address { person.email.clone() } else { name.to_owned() }
    }

    /// The kind.
    pub fn kind(&self) -> SubjectKind {
        match self.0.split_once(':').map(|(prefix, _)| prefix) {
            Some("system") => SubjectKind::System,
            Some("user") => SubjectKind::User,
            Some("key") => SubjectKind::Key,
            Some("group") => SubjectKind::Group,
            _ => SubjectKind::Anonymous,
        }
    }
}

/// A user by their id, which nobody else gets again; names and addresses change hands.
impl From<Id<User>> for Subject {
    fn from(user: Id<User>) -> Self {
        Self(format!("user:{user}"))
    }
}

impl TryFrom<String> for Subject {
    type Error = Error;
    fn try_from(text: String) -> Result<Self> {
        match text.as_str() {
            "anonymous:" => Ok(Self(text)),
            system if system.starts_with("system:") => Ok(Self(text)),
            other => Self::parse(other),
        }
    }
}

impl From<Subject> for String {
    fn from(subject: Subject) -> Self {
        subject.0
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Actor {
    /// `subject` with all its rights.
    pub fn new(subject: Subject) -> Self {
        let name = subject.as_str().split_once(':').map_or("", |(_, name)| name).to_owned();
        let person = Person { first_name: name, ..Person::default() };
        Self {
            subject,
            scopes: None,
            home: None,
            app: None,
            vendor: None,
            groups: BTreeSet::new(),
            policy: None,
            unlocked: None,
            agreed: None,
            person,
            origin: Origin::default(),
        }
    }

    /// The embedding process: start-up, upkeep, tests. It may do everything; never make one from a request.
    pub fn system(name: &str) -> Self {
        Self::new(Subject(format!("system:{name}")))
    }

    /// Nobody in particular: what an unauthenticated request may do.
    pub fn anonymous() -> Self {
        Self::new(Subject("anonymous:".to_owned()))
    }

    /// Whether this is the user in person: by a credential that was narrowed to nothing less. Only then is what is
    /// theirs, such as their keys and sessions, theirs to see and to end.
    pub fn is_in_person(&self, user: Id<User>) -> bool {
        let narrowed = self.scopes.is_some() || self.app.is_some() || self.vendor.is_some();
        self.subject == user.into() && !narrowed
    }

    /// Whether this is the embedding process.
    pub fn is_system(&self) -> bool {
        self.subject.kind() == SubjectKind::System
    }
}

/// Decides for nobody: only the embedding process itself may act.
#[derive(Debug, Clone, Copy, Default)]
pub struct DenyAll;

#[async_trait]
impl Authorizer for DenyAll {
    async fn authorize(&self, _: &Actor, _: &str, _: &Target) -> Result<()> {
        Err(Error::not_found("organization"))
    }

    async fn scope(&self, _: &Actor, _: &str, _: Id<Organization>) -> Result<Scope> {
        Ok(Scope::Apps(BTreeSet::new()))
    }
}

/// The permissions the core asks for: `module.area.entity.action`.
pub mod permission {
    macro_rules! permissions {
        ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
            $($(#[$doc])* pub const $name: &str = $text;)*
            /// All permissions the core asks for, lifecycle verbs included.
            pub const ALL: &[&str] = &[
                $($text,)*
                "mad.application.lifecycle.submit",
                "mad.application.lifecycle.approve",
                "mad.application.lifecycle.reject",
                "mad.application.lifecycle.revert",
                "mad.application.lifecycle.publish",
                "mad.application.lifecycle.unpublish",
                "mad.application.lifecycle.republish",
                "mad.application.lifecycle.deprecate",
                "mad.application.lifecycle.retire",
                "mad.application.lifecycle.recycle",
            ];
        };
    }

    permissions! {
        /// Make an organization (asked of the root organization).
        ORGANIZATION_CREATE = "base.organization.management.create";
        /// See an organization.
        ORGANIZATION_GET = "base.organization.management.get";
        /// Change an organization.
        ORGANIZATION_UPDATE = "base.organization.management.update";
        /// Read the audit trail.
        EVENT_LIST = "base.organization.event.list";
        /// Give a role.
        GRANT_CREATE = "base.people.organizationCollaborator.create";
        /// See who has which role.
        GRANT_LIST = "base.people.organizationCollaborator.list";
        /// Take a role away.
        GRANT_REMOVE = "base.people.organizationCollaborator.remove";
        /// See the organization's own rules.
        RULE_LIST = "base.policy.rule.list";
        /// Write one of the organization's own rules.
        RULE_PUT = "base.policy.rule.put";
        /// Remove one of the organization's own rules.
        RULE_REMOVE = "base.policy.rule.remove";
        /// Make a group of users.
        GROUP_CREATE = "base.people.group.create";
        /// See groups.
        GROUP_LIST = "base.people.group.list";
        /// Change a group's name or members.
        GROUP_UPDATE = "base.people.group.update";
        /// Remove a group.
        GROUP_REMOVE = "base.people.group.remove";
        /// Make a user.
        USER_CREATE = "base.people.user.create";
        /// See users.
        USER_LIST = "base.people.user.list";
        /// Change a user, set their password, end their sessions.
        USER_UPDATE = "base.people.user.update";
        /// Remove a user.
        USER_REMOVE = "base.people.user.remove";
        /// Make an API key.
        KEY_CREATE = "base.people.key.create";
        /// See API keys.
        KEY_LIST = "base.people.key.list";
        /// Revoke an API key.
        KEY_REMOVE = "base.people.key.remove";
        /// Name a place where the organization keeps files.
        PROVIDER_CREATE = "base.organization.storageProvider.create";
        /// Change such a place, and try whether it answers.
        PROVIDER_UPDATE = "base.organization.storageProvider.update";
        /// Remove such a place.
        PROVIDER_REMOVE = "base.organization.storageProvider.remove";
        /// Add a file or link.
        ASSET_CREATE = "mdm.global.asset.create";
        /// See one file's record and fetch its bytes.
        ASSET_GET = "mdm.global.asset.get";
        /// List files.
        ASSET_LIST = "mdm.global.asset.list";
        /// Change a file's record or bytes.
        ASSET_UPDATE = "mdm.global.asset.update";
        /// Remove a file.
        ASSET_REMOVE = "mdm.global.asset.remove";
        /// Make an app.
        APP_CREATE = "mad.application.management.create";
        /// See an app.
        APP_GET = "mad.application.management.get";
        /// List apps.
        APP_LIST = "mad.application.management.list";
        /// Change an app.
        APP_UPDATE = "mad.application.management.update";
        /// Remove an app with its releases.
        APP_REMOVE = "mad.application.management.remove";
        /// Add a release to an app.
        RELEASE_CREATE = "mad.application.build.create";
        /// See a release.
        RELEASE_GET = "mad.application.build.get";
        /// List releases.
        RELEASE_LIST = "mad.application.build.list";
        /// Change how a release is described, whatever its state.
        RELEASE_UPDATE = "mad.application.build.update";
        /// The same for a release of an app one made, while it is neither approved nor offered.
        RELEASE_UPDATE_OWN = "mad.application.build.updateOwn";
        /// Remove a release of an app one made.
        RELEASE_REMOVE_OWN = "mad.application.build.removeOwn";
        /// Write and remove the documents of a release.
        DOCUMENT_EDIT = "mad.application.document.edit";
        /// See who has subscribed to a release.
        SUBSCRIPTION_LIST = "mad.application.subscription.list";
        /// See the policies that releases may name.
        POLICY_LIST = "mad.policy.management.list";
        /// Write a policy.
        POLICY_CREATE = "mad.policy.management.create";
        /// Change a policy.
        POLICY_UPDATE = "mad.policy.management.update";
        /// Remove a policy.
        POLICY_REMOVE = "mad.policy.management.remove";
        /// See the business owners.
        OWNER_LIST = "base.people.businessOwner.list";
        /// Add a business owner.
        OWNER_CREATE = "base.people.businessOwner.create";
        /// Change a business owner.
        OWNER_UPDATE = "base.people.businessOwner.update";
        /// Remove a business owner.
        OWNER_REMOVE = "base.people.businessOwner.remove";
        /// Remove a release.
        RELEASE_REMOVE = "mad.application.build.remove";
        /// Open a shop window.
        STORE_CREATE = "mad.store.management.create";
        /// See a shop window.
        STORE_GET = "mad.store.management.get";
        /// Change a shop window and how people sign in to it.
        STORE_UPDATE = "mad.store.management.update";
        /// Make a way to sign in.
        AUTH_POLICY_CREATE = "mad.store.authPolicy.create";
        /// See the ways to sign in, and who is approved.
        AUTH_POLICY_LIST = "mad.store.authPolicy.list";
        /// Change a way to sign in.
        AUTH_POLICY_UPDATE = "mad.store.authPolicy.update";
        /// Remove a way to sign in.
        AUTH_POLICY_REMOVE = "mad.store.authPolicy.remove";
        /// Put an app into a shop window.
        LISTING_CREATE = "mad.store.publishedApplication.create";
        /// See what is in a shop window, whatever the audience.
        LISTING_LIST = "mad.store.publishedApplication.list";
        /// Change a listing.
        LISTING_UPDATE = "mad.store.publishedApplication.update";
        /// Take an app out of a shop window.
        LISTING_REMOVE = "mad.store.publishedApplication.remove";
        /// Browse a store and install what its audience includes one in.
        STORE_INSTALL = "mad.store.publishedApplication.install";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_cannot_pose_as_another_kind() {
        for bad in
            ["", "org.owner", "role:org.owner", "system:x", "user:", "user:a b", "user:a,b", "user:a:b"]
        {
            assert!(Subject::parse(bad).is_err(), "{bad:?}");
        }
        assert_eq!(Subject::user("org.owner").unwrap().as_str(), "user:org.owner");
    }

    #[test]
    fn every_verb_has_a_catalogued_permission() {
        for verb in crate::lifecycle::Verb::ALL {
            assert!(permission::ALL.contains(&verb.permission()));
        }
    }
}
