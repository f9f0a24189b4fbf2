//! What the dialect tells of its operations.

use serde_json::{Value, json};

use super::fault;
use crate::openapi::{Description, Operation as Op};

macro_rules! organization {
    ($path:literal) => {
        concat!("/v1/organizations/{organization}", $path)
    };
}

macro_rules! integrations {
    ($path:literal) => {
        concat!("/v1/integrations", $path)
    };
}

pub(crate) const DESCRIPTION: Description = Description {
    name: "applivery",
    title: "Applivery",
    about: "Assets, applications, builds and publications of a workspace, and of one app for its tokens.",
    operations: OPERATIONS,
    schemes,
    error: Some(fault::schema),
};

fn schemes(_: &str) -> Value {
    json!({ "bearer": {
        "type": "http", "scheme": "bearer",
        "description": "a service account, an app token below /v1/integrations, or a session",
    } })
}

const OPERATIONS: &[Op] = &[
    Op::post("/v1/auth/login", "sign in").open(),
    Op::post("/v1/auth/refresh", "give a session a new token").open(),
    Op::get("/v1/organizations", "list the workspace of the credential"),
    Op::get(organization!(""), "show a workspace"),
    Op::get(organization!("/mdm/assets"), "list assets"),
    Op::post(organization!("/mdm/assets"), "upload an asset"),
    Op::post(organization!("/mdm/assets/edge/asset"), "register an object of a storage provider as an asset"),
    Op::get(organization!("/mdm/assets/{id}"), "show an asset"),
    Op::put(organization!("/mdm/assets/{id}"), "change what is said of an asset"),
    Op::delete(organization!("/mdm/assets/{id}"), "remove an asset"),
    Op::get(
        organization!("/mdm/assets/{id}/view"),
        "tell where an asset is fetched, and what a short text says",
    ),
    Op::get(organization!("/mdm/assets/{id}/file"), "fetch the bytes of an asset"),
    Op::get(organization!("/apps"), "list applications"),
    Op::post(organization!("/apps"), "create an application"),
    Op::get(organization!("/apps/{app}"), "show an application"),
    Op::put(organization!("/apps/{app}"), "change an application"),
    Op::delete(organization!("/apps/{app}"), "remove an application with its builds"),
    Op::get(organization!("/apps/{app}/retention"), "plan what the retention would remove"),
    Op::post(organization!("/apps/{app}/retention/{id}"), "carry out a plan of the retention"),
    Op::get(organization!("/apps/{app}/tokens"), "list the tokens of an application"),
    Op::post(organization!("/apps/{app}/tokens"), "create a token of an application"),
    Op::delete(organization!("/apps/{app}/tokens/{id}"), "revoke a token of an application"),
    Op::get(organization!("/apps/{app}/builds"), "list builds"),
    Op::post(organization!("/apps/{app}/builds"), "upload a build"),
    Op::get(organization!("/apps/{app}/builds/{id}"), "show a build"),
    Op::delete(organization!("/apps/{app}/builds/{id}"), "remove a build"),
    Op::post(organization!("/apps/{app}/builds/{id}/files"), "attach a file to a build"),
    Op::get(organization!("/apps/{app}/builds/{id}/downloadToken"), "create a download token of a build"),
    Op::get(organization!("/stores/{store}/pubApps"), "list the publications of a store"),
    Op::post(organization!("/stores/{store}/pubApps"), "publish an application in a store"),
    Op::get(organization!("/stores/{store}/pubApps/{id}"), "show a publication"),
    Op::put(organization!("/stores/{store}/pubApps/{id}"), "replace a publication"),
    Op::delete(organization!("/stores/{store}/pubApps/{id}"), "remove a publication"),
    Op::get(organization!("/storageProviders"), "list storage providers"),
    Op::post(organization!("/storageProviders"), "add a storage provider"),
    Op::get(organization!("/storageProviders/{id}"), "show a storage provider"),
    Op::put(organization!("/storageProviders/{id}"), "change a storage provider"),
    Op::delete(organization!("/storageProviders/{id}"), "remove a storage provider"),
    Op::post(organization!("/storageProviders/{id}/test"), "ask a storage provider whether it answers"),
    Op::get(organization!("/collaborators"), "list people with their roles"),
    Op::post(organization!("/collaborators"), "add a person"),
    Op::get(organization!("/collaborators/"), "list people with their roles"),
    Op::post(organization!("/collaborators/"), "add a person"),
    Op::get(organization!("/collaborators/groups"), "list groups"),
    Op::get(organization!("/collaborators/{id}"), "show a person"),
    Op::put(organization!("/collaborators/{id}"), "give a person another role"),
    Op::delete(organization!("/collaborators/{id}"), "remove a person"),
    Op::get(organization!("/serviceAccounts"), "list service accounts"),
    Op::post(organization!("/serviceAccounts"), "create a service account"),
    Op::put(organization!("/serviceAccounts/{id}"), "give a service account another role"),
    Op::delete(organization!("/serviceAccounts/{id}"), "revoke a service account"),
    Op::get(integrations!("/builds"), "list the builds of the token's application"),
    Op::post(integrations!("/builds"), "upload a build"),
    Op::get(integrations!("/builds/{id}"), "show a build"),
    Op::delete(integrations!("/builds/{id}"), "remove a build"),
    Op::post(integrations!("/builds/{id}/files"), "attach a file to a build"),
    Op::get(integrations!("/builds/{id}/downloadToken"), "create a download token of a build"),
    Op::get(integrations!("/distributions"), "list the publications of the token's application"),
    Op::post(integrations!("/distributions"), "publish the token's application"),
    Op::get(integrations!("/distributions/{id}"), "show a publication"),
    Op::put(integrations!("/distributions/{id}"), "replace a publication"),
    Op::delete(integrations!("/distributions/{id}"), "remove a publication"),
    Op::get("/v1/app", "show the token's application to itself"),
    Op::get("/v1/build/{id}/downloadToken", "create a download token of a build"),
    Op::get("/v1/download/{token}", "lead to the package, or to its manifest").open().leading(),
    Op::get("/v1/download/{token}/manifest.plist", "tell an Apple device what to install").open(),
    Op::get("/v1/download/{token}/{file}", "fetch the package").open(),
];
