//! What the dialect tells of its operations.

use serde_json::{Value, json};

use super::fault;
use crate::openapi::{Description, Operation as Op};

macro_rules! publisher {
    ($path:literal) => {
        concat!("/api/appm/publisher/v1.1/", $path)
    };
}

macro_rules! store {
    ($path:literal) => {
        concat!("/api/appm/store/v1.1/", $path)
    };
}

pub(crate) const DESCRIPTION: Description = Description {
    name: "wso2",
    title: "WSO2 App Manager",
    about: "Web and mobile apps with their lifecycle, documents and policies, and the store's side of them.",
    operations: OPERATIONS,
    schemes,
    error: Some(fault::schema),
};

fn schemes(_: &str) -> Value {
    json!({ "bearer": { "type": "http", "scheme": "bearer", "description": "an access token or an API key" } })
}

const OPERATIONS: &[Op] = &[
    Op::get(publisher!("apps/{type}"), "list apps"),
    Op::post(publisher!("apps/{type}"), "create an app"),
    Op::get(publisher!("apps/{type}/id/{id}"), "show an app"),
    Op::put(publisher!("apps/{type}/id/{id}"), "replace an app"),
    Op::delete(publisher!("apps/{type}/id/{id}"), "remove an app"),
    Op::post(publisher!("apps/{type}/id/{id}/create-new-version"), "create a version of an app"),
    Op::get(publisher!("apps/{type}/id/{id}/subscriptions"), "list the subscriptions of an app"),
    Op::post(publisher!("apps/{type}/change-lifecycle"), "take an app one step on"),
    Op::get(publisher!("apps/{type}/id/{id}/lifecycle"), "show where an app stands"),
    Op::get(publisher!("apps/{type}/id/{id}/lifecycle-history"), "list the steps of an app"),
    Op::get(publisher!("apps/{type}/id/{id}/tags"), "list the tags of an app"),
    Op::put(publisher!("apps/{type}/id/{id}/tags"), "add tags to an app"),
    Op::delete(publisher!("apps/{type}/id/{id}/tags"), "remove tags of an app"),
    Op::get(publisher!("apps/{type}/tags"), "list all tags"),
    Op::get(publisher!("apps/{type}/id/{id}/docs"), "list the documents of an app"),
    Op::post(publisher!("apps/{type}/id/{id}/docs"), "add a document to an app"),
    Op::get(publisher!("apps/{type}/id/{id}/docs/{document}"), "show a document"),
    Op::put(publisher!("apps/{type}/id/{id}/docs/{document}"), "replace a document"),
    Op::delete(publisher!("apps/{type}/id/{id}/docs/{document}"), "remove a document"),
    Op::get(publisher!("apps/{type}/id/{id}/docs/{document}/content"), "fetch the content of a document"),
    Op::post(publisher!("apps/{type}/id/{id}/docs/{document}/content"), "write the content of a document"),
    Op::get(publisher!("apps/{type}/throttlingtiers"), "list throttling tiers"),
    Op::post(publisher!("apps/{type}/validate-context"), "tell whether a context is free"),
    Op::get(publisher!("apps/{type}/stats/{stat}"), "show figures of apps"),
    Op::post(publisher!("apps/mobile/binaries"), "upload a binary"),
    Op::get(publisher!("apps/mobile/binaries/{file}"), "fetch a binary"),
    Op::get(
        publisher!("apps/mobile/getplist/tenant/{tenant}/file/{file}"),
        "tell an Apple device what to install",
    ),
    Op::post(publisher!("apps/static-contents"), "upload a picture"),
    Op::get(publisher!("apps/static-contents/{file}"), "fetch a picture"),
    Op::get(publisher!("roles"), "list roles"),
    Op::get(publisher!("xacmlpolicies"), "list policies"),
    Op::get(publisher!("xacmlpolicies/"), "list policies"),
    Op::get(publisher!("xacmlpolicies/{policy}/apps/{type}"), "list the apps with a policy"),
    Op::post(publisher!("administration/xacmlpolicies"), "create a policy"),
    Op::post(publisher!("administration/xacmlpolicies/"), "create a policy"),
    Op::post(publisher!("administration/xacmlpolicies/validate"), "check a policy"),
    Op::get(publisher!("administration/xacmlpolicies/{policy}"), "show a policy"),
    Op::put(publisher!("administration/xacmlpolicies/{policy}"), "replace a policy"),
    Op::delete(publisher!("administration/xacmlpolicies/{policy}"), "remove a policy"),
    Op::get(publisher!("administration/businessowner"), "list business owners"),
    Op::post(publisher!("administration/businessowner"), "create a business owner"),
    Op::get(publisher!("administration/businessowner/{owner}"), "show a business owner"),
    Op::put(publisher!("administration/businessowner/{owner}"), "replace a business owner"),
    Op::delete(publisher!("administration/businessowner/{owner}"), "remove a business owner"),
    Op::get(store!("apps/{type}"), "list the apps of the store"),
    Op::get(store!("apps/{type}/id/{id}"), "show an app of the store"),
    Op::get(store!("apps/{type}/id/{id}/subscription"), "show the caller's subscription"),
    Op::post(store!("apps/{type}/id/{id}/subscription"), "subscribe to an app"),
    Op::post(store!("apps/{type}/id/{id}/unsubscription"), "end the caller's subscription"),
    Op::get(store!("apps/{type}/id/{id}/subscription/users"), "list who subscribed to an app"),
    Op::get(store!("apps/{type}/id/{id}/rate"), "show the rating of an app"),
    Op::put(store!("apps/{type}/id/{id}/rate"), "rate an app"),
    Op::get(store!("apps/{type}/id/{id}/docs"), "list the documents of an app"),
    Op::get(store!("apps/{type}/id/{id}/docs/{document}"), "show a document"),
    Op::get(store!("apps/{type}/id/{id}/docs/{document}/content"), "fetch the content of a document"),
    Op::get(store!("apps/{type}/tags"), "list the tags of the store"),
    Op::get(store!("tags/{tag}/apps/{type}"), "list the apps with a tag"),
    Op::post(store!("apps/download"), "install an app"),
    Op::post(store!("apps/uninstallation"), "uninstall an app"),
    Op::post(store!("apps/mobile/id/{id}/download"), "create a link to a binary that is good once"),
    Op::get(store!("apps/mobile/binaries/one-time/{token}"), "fetch a binary by such a link").open(),
    Op::get(store!("apps/mobile/plist/{app}/{token}"), "tell an Apple device what to install").open(),
    Op::get(store!("apps/static-contents/{file}"), "fetch a picture"),
];
