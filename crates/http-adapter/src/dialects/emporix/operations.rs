//! What the dialect tells of its operations.

use serde_json::{Value, json};

use super::fault;
use crate::openapi::{Description, Operation as Op};

pub(crate) const DESCRIPTION: Description = Description {
    name: "emporix",
    title: "Emporix Media",
    about: "Assets of a tenant, and the token endpoint of its clients.",
    operations: OPERATIONS,
    schemes,
    error: Some(fault::schema),
};

fn schemes(public_url: &str) -> Value {
    let flow = json!({
        "tokenUrl": format!("{public_url}/oauth/token"),
        "scopes": {
            "media.asset_read": "look at assets",
            "media.asset_manage": "change assets",
            "media.asset_read_by_vendor": "look at the vendor's assets",
            "media.asset_manage_by_vendor": "change the vendor's assets",
        },
    });
    json!({ "oauth2": { "type": "oauth2", "flows": { "clientCredentials": flow } } })
}

const OPERATIONS: &[Op] = &[
    Op::get("/media/{tenant}/assets", "list assets"),
    Op::post("/media/{tenant}/assets", "create an asset"),
    Op::get("/media/{tenant}/assets/{id}", "show an asset"),
    Op::put("/media/{tenant}/assets/{id}", "replace an asset"),
    Op::delete("/media/{tenant}/assets/{id}", "remove an asset"),
    Op::get("/media/{tenant}/assets/{id}/download", "fetch a private file, or be led to what is elsewhere"),
    Op::get("/media/{tenant}/public/{id}", "fetch a public file").open(),
    Op::post("/oauth/token", "get an access token for a client's secret").open(),
];
