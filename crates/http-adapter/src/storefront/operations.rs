//! What the pages tell of themselves.

use serde_json::{Value, json};

use super::session::COOKIE_NAME;
use crate::openapi::{Description, Operation as Op};

pub(crate) const DESCRIPTION: Description = Description {
    name: "storefront",
    title: "Store front",
    about: "The pages of an organization's store, and what an install ticket opens.",
    operations: OPERATIONS,
    schemes,
    error: None,
};

fn schemes(_: &str) -> Value {
    json!({ "session": { "type": "apiKey", "in": "cookie", "name": COOKIE_NAME } })
}

const OPERATIONS: &[Op] = &[
    Op::get("/store/-/{file}", "fetch a style sheet or the mark").open(),
    Op::get("/store/{organization}", "show the store"),
    Op::get("/store/{organization}/-/sign-in", "show how to sign in").open(),
    Op::post("/store/{organization}/-/sign-in", "sign in").open().leading(),
    Op::post("/store/{organization}/-/sign-out", "sign out").open().leading(),
    Op::get("/store/{organization}/{app}", "show an app"),
    Op::get("/store/{organization}/{app}/icon", "fetch the icon of an app"),
    Op::get("/store/{organization}/{app}/screenshot/{id}", "fetch a screenshot of an app").open(),
    Op::post("/store/{organization}/{app}/install", "create an install ticket").leading(),
    Op::post("/store/{organization}/{app}/unlock", "open an app by its password").open().leading(),
    Op::get("/install/{token}", "show how to install").open(),
    Op::get("/install/{token}/manifest.plist", "tell an Apple device what to install").open(),
    Op::get("/install/{token}/package", "fetch the package").open(),
    Op::get("/install/{token}/icon", "fetch the icon").open(),
    Op::get("/install/{token}/icon/{edge}", "fetch the icon in another size").open(),
];
