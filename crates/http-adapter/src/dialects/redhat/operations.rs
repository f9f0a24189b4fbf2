//! What the dialect tells of its operations.

use serde_json::{Value, json};

use super::call::LOGIN_COOKIE;
use super::fault;
use crate::openapi::{Description, Operation as Op};

macro_rules! admin {
    ($path:literal) => {
        concat!("/box/srv/1.1/admin/", $path)
    };
}

macro_rules! ide {
    ($path:literal) => {
        concat!("/box/srv/1.1/ide/{domain}/", $path)
    };
}

pub(crate) const DESCRIPTION: Description = Description {
    name: "redhat",
    title: "Red Hat Mobile App Management",
    about: "Stores with their items, groups, policies and users. What is refused is often answered with 200 and \
            a body that says so.",
    operations: OPERATIONS,
    schemes,
    error: Some(fault::schema),
};

fn schemes(_: &str) -> Value {
    json!({
        "key": { "type": "apiKey", "in": "header", "name": "X-FH-AUTH-USER", "description": "an API key of a user" },
        "session": { "type": "apiKey", "in": "header", "name": "X-FH-AUTH-SESSION", "description": "a session of a store" },
        "login": { "type": "apiKey", "in": "cookie", "name": LOGIN_COOKIE, "description": "a session of a login" },
    })
}

const OPERATIONS: &[Op] = &[
    Op::get("/box/srv/1.1/tst/version", "tell the version").open(),
    Op::post("/box/srv/1.1/act/sys/auth/login", "sign in").open(),
    Op::post("/box/srv/1.1/act/sys/auth/logout", "sign out").open(),
    Op::get_or_post(ide!("user/read"), "show the caller"),
    Op::post(ide!("user/setProp"), "set a property of the caller"),
    Op::post(ide!("api/create"), "create an API key of the caller"),
    Op::get_or_post(ide!("api/list"), "list the API keys of the caller"),
    Op::post(ide!("api/delete"), "revoke an API key"),
    Op::post(admin!("authpolicy/auth"), "sign in to a store by a policy").open(),
    Op::post(admin!("authpolicy/verifysession"), "tell whether a session is good").open(),
    Op::post(admin!("authpolicy/sessioninfo"), "tell whose a session is").open(),
    Op::post(admin!("authpolicy/revokesession"), "end a session").open(),
    Op::get_or_post(admin!("authpolicy/list"), "list auth policies"),
    Op::post(admin!("authpolicy/create"), "create an auth policy"),
    Op::get_or_post(admin!("authpolicy/read"), "show an auth policy"),
    Op::post(admin!("authpolicy/update"), "change an auth policy"),
    Op::post(admin!("authpolicy/delete"), "remove an auth policy"),
    Op::post(admin!("authpolicy/addusers"), "add users to an auth policy"),
    Op::post(admin!("authpolicy/removeusers"), "take users out of an auth policy"),
    Op::get_or_post(admin!("storeitemgroup/list"), "list groups"),
    Op::post(admin!("storeitemgroup/create"), "create a group"),
    Op::get_or_post(admin!("storeitemgroup/read"), "show a group"),
    Op::post(admin!("storeitemgroup/update"), "change a group"),
    Op::post(admin!("storeitemgroup/delete"), "remove a group"),
    Op::post(admin!("storeitemgroup/addusers"), "add users to a group"),
    Op::post(admin!("storeitemgroup/removeusers"), "take users out of a group"),
    Op::post(admin!("storeitemgroup/addstoreitems"), "show store items to a group"),
    Op::post(admin!("storeitemgroup/removestoreitems"), "show store items to a group no more"),
    Op::get_or_post(admin!("user/list"), "list users"),
    Op::post(admin!("user/create"), "create a user"),
    Op::get_or_post(admin!("user/read"), "show a user"),
    Op::post(admin!("user/update"), "change a user"),
    Op::post(admin!("user/delete"), "remove a user"),
    Op::get_or_post(admin!("user/liststoreitems"), "list what a user installed"),
    Op::get_or_post(admin!("user/listdevices"), "list the devices of a user"),
    Op::get_or_post(admin!("auditlog/listlogs"), "list deliveries"),
    Op::get_or_post(admin!("appstore/read"), "show the store"),
    Op::post(admin!("appstore/update"), "change the store"),
    Op::post(admin!("appstore/additem"), "add an item to the store"),
    Op::post(admin!("appstore/removeitem"), "take an item out of the store"),
    Op::post(admin!("appstore/uploadbinary"), "upload the icon of the store"),
    Op::get_or_post(admin!("appstore/liststoreitems"), "list the items of the store"),
    Op::post(admin!("appstore/addpolicy"), "let users sign in to the store by a policy"),
    Op::post(admin!("appstore/removepolicy"), "let users sign in by a policy no more"),
    Op::get_or_post(admin!("appstore/listpolicies"), "list the policies of the store"),
    Op::post(admin!("storeitem/create"), "create a store item"),
    Op::get_or_post(admin!("storeitem/read"), "show a store item"),
    Op::post(admin!("storeitem/update"), "change a store item"),
    Op::post(admin!("storeitem/delete"), "remove a store item"),
    Op::get_or_post(admin!("storeitem/list"), "list store items"),
    Op::post(admin!("storeitem/uploadbinary"), "upload a binary or the icon of a store item"),
    Op::post(admin!("storeitem/addpolicy"), "put a policy on a store item"),
    Op::post(admin!("storeitem/removepolicy"), "take a policy off a store item"),
    Op::get_or_post(admin!("storeitem/listpolicies"), "list the policies of a store item"),
    Op::post(admin!("storeitem/addgroups"), "show a store item to groups"),
    Op::post(admin!("storeitem/removegroups"), "show a store item to groups no more"),
    Op::post(admin!("storeitem/grouprestrict"), "say whether a store item is for its groups only"),
    Op::get_or_post(admin!("storeitem/getbinaryconfig"), "show the configuration of a binary"),
    Op::post(admin!("storeitem/setbinaryconfig"), "set the configuration of a binary"),
    Op::get_or_post("/box/srv/1.1/mas/appstore/read", "show the store to anyone").open(),
    Op::get_or_post("/box/srv/1.1/mas/appstore/getstoreitems", "list what the caller may install"),
    Op::get_or_post("/box/srv/1.1/mam/appstore/getstoreitems", "list what the caller may install"),
    Op::get_or_post("/box/srv/1.1/mas/storeitem/install", "install a store item"),
    Op::get_or_post("/box/srv/1.1/mas/storeitem/downloadvers", "fetch a version of a store item"),
    Op::get_or_post("/box/api/mas/appstore/read", "show the store to anyone").open(),
    Op::get_or_post("/box/api/mas/appstore/getstoreitems", "list what the caller may install"),
    Op::get_or_post("/box/api/mas/storeitem/install", "install a store item"),
    Op::get_or_post("/box/api/mas/storeitem/downloadvers", "fetch a version of a store item"),
];
