//! Collaborators and service accounts on the wire.

use appdepot_core::depot::{Collaborator, NewUser};
use appdepot_core::domain::{ApiKey, Role, User};
use serde::Serialize;
use serde_json::Value;

use super::super::fault::Fault;
use super::super::words;
use super::{Fields, SHORT_LIMIT, TEXT_LIMIT, Wrong};

/// A collaborator of an answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CollaboratorShown {
    id: String,
    role: &'static str,
    user: UserShown,
    created_at: String,
    updated_at: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct UserShown {
    id: String,
    email: String,
    first_name: String,
    last_name: String,
    role: &'static str,
}

impl CollaboratorShown {
    pub(crate) fn of(Collaborator { who, roles }: &Collaborator<User>) -> Self {
        Self {
            id: who.id.to_string(),
            role: words::collaborator_word(roles),
            user: UserShown {
                id: who.id.to_string(),
                email: who.email.clone(),
                first_name: who.first_name.clone(),
                last_name: who.last_name.clone(),
                role: "user",
            },
            created_at: who.created_at.to_string(),
            updated_at: who.updated_at.to_string(),
        }
    }
}

/// The name of a group, as `collaborators/groups` has it.
#[derive(Debug, Serialize)]
pub(crate) struct GroupValue {
    pub(crate) value: String,
}

/// A service account of an answer.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ServiceAccount {
    id: String,
    organization: String,
    name: String,
    role: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    vendor_id: Option<String>,
    /// Shown when it is made, and never again.
    #[serde(skip_serializing_if = "Option::is_none")]
    bearer: Option<String>,
    created_at: String,
    updated_at: String,
}

impl ServiceAccount {
    pub(crate) fn of(Collaborator { who, roles }: &Collaborator<ApiKey>, bearer: Option<String>) -> Self {
        Self {
            id: who.id.to_string(),
            organization: who.value.organization.to_string(),
            name: who.name.clone(),
            role: words::service_account_word(roles),
            vendor_id: who.vendor.clone(),
            bearer,
            created_at: who.created_at.to_string(),
            updated_at: who.updated_at.to_string(),
        }
    }
}

/// The body of `POST …/collaborators`.
pub(crate) struct NewCollaborator {
    pub(crate) user: NewUser,
    pub(crate) password: Option<String>,
    pub(crate) role: Role,
}

impl NewCollaborator {
    pub(crate) fn read(body: &Value) -> Result<Self, Fault> {
        let mut wrong = Wrong::default();
        let root = Fields::root(body)?;
        let user = NewUser {
            email: root.required(&mut wrong, "email", TEXT_LIMIT),
            first_name: root.text(&mut wrong, "firstName", SHORT_LIMIT).unwrap_or_default(),
            last_name: root.text(&mut wrong, "lastName", SHORT_LIMIT).unwrap_or_default(),
            ..NewUser::default()
        };
        let password = root.text(&mut wrong, "password", TEXT_LIMIT);
        let role = read_role(&root, &mut wrong);
        let role = wrong.into_result(role)?.ok_or_else(Fault::internal)?;
        Ok(Self { user, password, role })
    }
}

/// The body of `POST …/serviceAccounts`.
pub(crate) struct NewServiceAccount {
    pub(crate) name: String,
    pub(crate) role: Role,
    /// The only vendor it is good for.
    pub(crate) vendor: Option<String>,
}

impl NewServiceAccount {
    pub(crate) fn read(body: &Value) -> Result<Self, Fault> {
        let mut wrong = Wrong::default();
        let root = Fields::root(body)?;
        let name = root.required(&mut wrong, "name", SHORT_LIMIT);
        let vendor = root.text(&mut wrong, "vendorId", SHORT_LIMIT);
        let role = read_role(&root, &mut wrong);
        let role = wrong.into_result(role)?.ok_or_else(Fault::internal)?;
        Ok(Self { name, role, vendor })
    }
}

/// The role that a change is about: all that can be changed.
pub(crate) fn changed_role(body: &Value) -> Result<Role, Fault> {
    let mut wrong = Wrong::default();
    let role = read_role(&Fields::root(body)?, &mut wrong);
    wrong.into_result(role)?.ok_or_else(Fault::internal)
}

/// The role of a body; nothing without a complaint.
fn read_role(root: &Fields<'_>, wrong: &mut Wrong) -> Option<Role> {
    let word = root.required(wrong, "role", SHORT_LIMIT);
    let role = words::collaborator_role(&word);
    if role.is_none() && !word.is_empty() {
        wrong.one_of("role", &words::COLLABORATOR_ROLES);
    }
    role
}
