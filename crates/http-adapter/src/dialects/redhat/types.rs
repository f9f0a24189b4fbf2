//! The documented shapes of answers.

use appdepot_core::domain::Extra;
use serde::Serialize;

/// `"ok"`, the first thing clients look at.
pub(super) const OK: &str = "ok";

/// An answer that says no more.
#[derive(Debug, Serialize)]
pub(super) struct Done {
    pub(super) status: &'static str,
}

impl Done {
    pub(super) const fn new() -> Self {
        Self { status: OK }
    }
}

/// `{"status":"ok","list":[…]}`.
#[derive(Debug, Serialize)]
pub(super) struct Listed<T> {
    pub(super) status: &'static str,
    pub(super) list: Vec<T>,
}

impl<T> Listed<T> {
    pub(super) const fn new(list: Vec<T>) -> Self {
        Self { status: OK, list }
    }
}

/// One thing, flat, with its status.
#[derive(Debug, Serialize)]
pub(super) struct One<T> {
    pub(super) status: &'static str,
    #[serde(flatten)]
    pub(super) one: T,
}

impl<T> One<T> {
    pub(super) const fn new(one: T) -> Self {
        Self { status: OK, one }
    }
}

/// An item, flat and as a list of one: the document has the list in four operations, its clients read it flat.
#[derive(Debug, Serialize)]
pub(super) struct Both {
    pub(super) status: &'static str,
    #[serde(flatten)]
    pub(super) item: Item,
    pub(super) list: [Item; 1],
}

impl Both {
    pub(super) fn new(item: Item) -> Self {
        Self { status: OK, list: [item.clone()], item }
    }
}

/// The app store, as those see it who run it.
#[derive(Debug, Serialize)]
pub(super) struct AppStore {
    pub(super) guid: String,
    pub(super) name: String,
    pub(super) description: String,
    pub(super) icon: String,
    pub(super) storeitems: Vec<String>,
    pub(super) authpolicies: Vec<String>,
}

/// The app store, as everyone sees it.
#[derive(Debug, Serialize)]
pub(super) struct Storefront {
    pub(super) guid: String,
    pub(super) name: String,
    pub(super) description: String,
    pub(super) icon: String,
    pub(super) authpolicies: Vec<PolicyName>,
}

/// A way to sign in, as everyone sees it.
#[derive(Debug, Serialize)]
pub(super) struct PolicyName {
    pub(super) name: String,
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
}

/// A store item, as those see it who run the store.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Item {
    pub(super) guid: String,
    pub(super) name: String,
    pub(super) description: String,
    pub(super) auth_token: String,
    /// Base64 of a picture; empty without one.
    pub(super) icon: String,
    pub(super) binaries: Vec<Binary>,
    #[serde(rename = "authpolicies")]
    pub(super) auth_policies: Vec<String>,
    pub(super) restrict_to_groups: bool,
    pub(super) groups: Vec<String>,
}

/// What can be installed now for one type, and what could before.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Binary {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) config: Extra,
    pub(super) store_item_binary_version: u64,
    pub(super) sys_modified: String,
    pub(super) url: String,
    pub(super) versions: Vec<Version>,
}

/// An older version of a binary.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Version {
    pub(super) config: Extra,
    pub(super) destination_code: &'static str,
    pub(super) store_item_binary_guid: String,
    pub(super) store_item_binary_modified: String,
    pub(super) store_item_binary_version: u64,
    pub(super) url: String,
}

/// The configuration of one binary.
#[derive(Debug, Serialize)]
pub(super) struct BinaryConfig {
    pub(super) guid: String,
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) config: Extra,
}

/// An item, as those see it who may install it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ShelfItem {
    pub(super) guid: String,
    pub(super) name: String,
    pub(super) description: String,
    pub(super) auth_token: String,
    pub(super) icon: String,
    pub(super) targets: Vec<Installable>,
    pub(super) binaries: Vec<Installable>,
}

/// Where one type of an item is installed from.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Installable {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) url: String,
}

/// What someone may install: under the name of the document and under the one its clients read.
#[derive(Debug, Serialize)]
pub(super) struct Shelf {
    pub(super) status: &'static str,
    pub(super) storeitems: Vec<ShelfItem>,
    pub(super) list: Vec<ShelfItem>,
}

/// One installation or download.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AuditEntry {
    pub(super) device_id: String,
    pub(super) domain: String,
    pub(super) guid: String,
    pub(super) ip_address: String,
    pub(super) store_item_binary_guid: String,
    pub(super) store_item_binary_type: &'static str,
    pub(super) store_item_binary_version: u64,
    pub(super) store_item_guid: String,
    pub(super) store_item_title: String,
    pub(super) sys_created: String,
    pub(super) sys_version: u64,
    pub(super) user_guid: String,
    pub(super) user_id: String,
}

/// An auth policy.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Policy {
    pub(super) guid: String,
    pub(super) policy_id: String,
    pub(super) policy_type: &'static str,
    pub(super) configurations: Extra,
    pub(super) check_user_exists: bool,
    pub(super) check_user_approved: bool,
    pub(super) users: Vec<Member>,
}

/// Someone approved for a policy, or in a group.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Member {
    pub(super) guid: String,
    pub(super) user_id: String,
    pub(super) name: String,
    pub(super) email: String,
}

/// A group of users, and what is for it.
#[derive(Debug, Serialize)]
pub(super) struct Group {
    pub(super) guid: String,
    pub(super) name: String,
    pub(super) description: String,
    pub(super) storeitems: Vec<String>,
    pub(super) users: Vec<Member>,
}

/// A group in a list.
#[derive(Debug, Serialize)]
pub(super) struct GroupName {
    pub(super) guid: String,
    pub(super) name: String,
    pub(super) description: String,
}
