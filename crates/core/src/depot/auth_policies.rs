//! The ways in which people sign in to stores, and who may use them.

use crate::authorize::{Actor, Subject, Target, permission};
use crate::domain::{AuthMethod, AuthPolicy, Extra, Id, Organization, Revision, Store, Stored, check_text};
use crate::error::{Error, Result};
use crate::query::{Field, Query, Sort};
use crate::records::Batch;

use super::stores::check_count;
use super::{Depot, SetChange, check_extra};

/// A new way to sign in.
#[derive(Debug, Clone, PartialEq)]
pub struct NewAuthPolicy {
    /// What people call it, 1 to 128 characters.
    pub name: String,
    /// Who checks.
    pub method: AuthMethod,
    /// Settings, at most 64 KiB of JSON. Members whose names say that they are secret are not kept.
    pub configuration: Extra,
    /// Only people who have an account here.
    pub check_exists: bool,
    /// Only people who are approved.
    pub check_approved: bool,
    /// Who is approved.
    pub users: Vec<Subject>,
}

/// What to change of an auth policy; `None` leaves as is.
#[derive(Debug, Clone, Default, PartialEq)]
#[allow(missing_docs)]
pub struct AuthPolicyChange {
    pub name: Option<String>,
    pub method: Option<AuthMethod>,
    pub configuration: Option<Extra>,
    pub check_exists: Option<bool>,
    pub check_approved: Option<bool>,
    pub users: SetChange<Subject>,
}

/// The most people one policy may approve.
const USERS: usize = 10_000;

impl Depot {
    /// Makes a way to sign in. No store has it yet.
    ///
    /// # Errors
    /// `Invalid` for bad attributes; `Conflict(Taken)` for a used name.
    pub async fn create_auth_policy(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        new: NewAuthPolicy,
    ) -> Result<Stored<AuthPolicy>> {
        self.authorize(actor, permission::AUTH_POLICY_CREATE, Target::organization(organization)).await?;
        let mut policy = AuthPolicy {
            name: String::new(),
            method: new.method,
            configuration: Extra::new(),
            check_exists: new.check_exists,
            check_approved: new.check_approved,
            users: Vec::new(),
        };
        let said = AuthPolicyChange {
            name: Some(new.name),
            configuration: Some(new.configuration),
            users: SetChange::to(new.users),
            ..AuthPolicyChange::default()
        };
        said.apply(&mut policy)?;
        self.insert(actor, "authpolicy.create", Stored::new(organization, policy, self.now())).await
    }

    /// An auth policy, by its id in either spelling or by its name.
    ///
    /// # Errors
    /// See [`Depot`].
    pub async fn auth_policy(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        reference: &str,
    ) -> Result<Stored<AuthPolicy>> {
        self.authorize(actor, permission::AUTH_POLICY_LIST, Target::organization(organization)).await?;
        self.resolve(organization, "name", reference).await
    }

    /// The auth policies of an organization, by name.
    ///
    /// # Errors
    /// See [`Depot`].
    pub async fn auth_policies(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
    ) -> Result<Vec<Stored<AuthPolicy>>> {
        self.authorize(actor, permission::AUTH_POLICY_LIST, Target::organization(organization)).await?;
        let by_name = Query::of::<AuthPolicy>(organization).sort(Sort::ascending(Field::parse("name")?));
        self.list_all(by_name).await
    }

    /// Changes an auth policy. With an `expected` revision, only if that is the stored one.
    ///
    /// # Errors
    /// `Conflict(Stale)`, `Conflict(Taken)`; `Invalid` for bad attributes.
    pub async fn update_auth_policy(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        id: Id<AuthPolicy>,
        expected: Option<Revision>,
        change: AuthPolicyChange,
    ) -> Result<Stored<AuthPolicy>> {
        self.authorize(actor, permission::AUTH_POLICY_UPDATE, Target::organization(organization)).await?;
        let stored = self.load(organization, id).await?;
        self.update(actor, "authpolicy.update", stored, expected, |policy| change.apply(policy)).await
    }

    /// Removes an auth policy: first from the stores that have it, so that nobody signs in by it any more.
    ///
    /// What is listed for those who signed in by it alone stays theirs, which is nobody.
    ///
    /// # Errors
    /// See [`Depot`].
    pub async fn remove_auth_policy(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        id: Id<AuthPolicy>,
    ) -> Result<()> {
        self.authorize(actor, permission::AUTH_POLICY_REMOVE, Target::organization(organization)).await?;
        let stored: Stored<AuthPolicy> = self.load(organization, id).await?;
        for store in self.list_all::<Store>(Query::of::<Store>(organization)).await? {
            if store.policies.contains(&id) {
                self.update(actor, "store.update", store, None, |store: &mut Store| {
                    store.policies.retain(|policy| *policy != id);
                    Ok(())
                })
                .await?;
            }
        }
        let mut batch = Batch::new();
        batch.delete(&stored);
        batch.events.push(self.event(actor, "authpolicy.remove", &stored));
        self.commit(batch).await
    }

    /// Checks that what a change adds exists.
    pub(super) async fn check_auth_policies(
        &self,
        organization: Id<Organization>,
        change: &SetChange<Id<AuthPolicy>>,
    ) -> Result<()> {
        check_count("policies", change.added().count())?;
        for policy in change.added() {
            self.load::<AuthPolicy>(organization, *policy).await?;
        }
        Ok(())
    }
}

impl AuthPolicyChange {
    fn apply(&self, policy: &mut AuthPolicy) -> Result<()> {
        if let Some(name) = &self.name {
            check_text("name", name, 128)?;
            policy.name.clone_from(name);
        }
        if let Some(configuration) = &self.configuration {
            check_extra("configuration", configuration)?;
            policy.configuration = masked(configuration);
        }
        self.users.apply(&mut policy.users);
        if policy.users.len() > USERS {
            return Err(Error::invalid("users", format!("more than {USERS}")));
        }
        policy.method = self.method.unwrap_or(policy.method);
        policy.check_exists = self.check_exists.unwrap_or(policy.check_exists);
        policy.check_approved = self.check_approved.unwrap_or(policy.check_approved);
        Ok(())
    }
}

/// The same without secrets, at any depth: a member is one when its name says so.
fn masked(members: &Extra) -> Extra {
    use serde_json::Value;
    fn mask(name: &str, value: &Value) -> Value {
        let name: String =
            name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
        let secret = ["secret", "password", "passwd", "passphrase", "token", "privatekey", "credential"];
        match value {
            Value::Object(members) => Value::Object(masked(members)),
            Value::Array(members) => members.iter().map(|member| mask(&name, member)).collect(),
            Value::Null => Value::Null,
            _ if secret.iter().any(|word| name.contains(word)) && *value != "" => AuthPolicy::MASK.into(),
            _ => value.clone(),
        }
    }
    members.iter().map(|(name, value)| (name.clone(), mask(name, value))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn secrets_are_not_kept_at_any_depth() {
        let given = json!({
            "clientId": "a", "client_secret": "b", "ldap": {"bindPassword": "c", "url": "d"},
            "list": [{"accessToken": 7}], "tokens": ["e"], "password": "", "Private-Key": null,
        });
        let expected = json!({
            "clientId": "a", "client_secret": "********", "ldap": {"bindPassword": "********", "url": "d"},
            "list": [{"accessToken": "********"}], "tokens": ["********"], "password": "", "Private-Key": null,
        });
        assert_eq!(Some(&masked(given.as_object().unwrap())), expected.as_object());
    }
}
