//! Which path is which operation.

use axum::Router;
use axum::http::StatusCode;
use axum::routing::{get, post};

use super::fault::Fault;
use super::request::Wso2;
use super::{PUBLISHER, STORE, administration, apps, documents, files, lifecycle, store};

pub(super) fn router(state: Wso2) -> Router {
    Router::new()
        .nest(PUBLISHER, publisher())
        .nest(STORE, shop())
        .fallback(async || Fault::not_found("path"))
        .method_not_allowed_fallback(async || {
            Fault::new(StatusCode::METHOD_NOT_ALLOWED, "The path has other methods")
        })
        .with_state(state)
}

fn publisher() -> Router<Wso2> {
    Router::new()
        .route("/apps/{type}", get(apps::list).post(apps::create))
        .route("/apps/{type}/id/{id}", get(apps::get).put(apps::update).delete(apps::remove))
        .route("/apps/{type}/id/{id}/create-new-version", post(apps::create_version))
        .route("/apps/{type}/id/{id}/subscriptions", get(administration::subscriptions))
        .route("/apps/{type}/change-lifecycle", post(lifecycle::change))
        .route("/apps/{type}/id/{id}/lifecycle", get(lifecycle::stand))
        .route("/apps/{type}/id/{id}/lifecycle-history", get(lifecycle::history))
        .route("/apps/{type}/id/{id}/tags", get(apps::tags).put(apps::add_tags).delete(apps::remove_tags))
        .route("/apps/{type}/tags", get(apps::all_tags))
        .route("/apps/{type}/id/{id}/docs", get(documents::list).post(documents::create))
        .route(
            "/apps/{type}/id/{id}/docs/{document}",
            get(documents::get).put(documents::update).delete(documents::remove),
        )
        .route("/apps/{type}/id/{id}/docs/{document}/content", get(documents::content).post(documents::write))
        .route("/apps/{type}/throttlingtiers", get(administration::tiers))
        .route("/apps/{type}/validate-context", post(administration::validate_context))
        .route("/apps/{type}/stats/{stat}", get(administration::stats))
        .route("/apps/mobile/binaries", post(files::upload_binary))
        .route("/apps/mobile/binaries/{file}", get(files::binary))
        .route("/apps/mobile/getplist/tenant/{tenant}/file/{file}", get(files::manifest))
        .route("/apps/static-contents", post(files::upload_content))
        .route("/apps/static-contents/{file}", get(files::content))
        .route("/roles", get(administration::roles))
        .route("/xacmlpolicies", get(administration::policies))
        .route("/xacmlpolicies/", get(administration::policies))
        .route("/xacmlpolicies/{policy}/apps/{type}", get(administration::apps_of_policy))
        .route("/administration/xacmlpolicies", post(administration::create_policy))
        .route("/administration/xacmlpolicies/", post(administration::create_policy))
        .route("/administration/xacmlpolicies/validate", post(administration::validate_policy))
        .route(
            "/administration/xacmlpolicies/{policy}",
            get(administration::get_policy)
                .put(administration::update_policy)
                .delete(administration::remove_policy),
        )
        .route(
            "/administration/businessowner",
            get(administration::owners).post(administration::create_owner),
        )
        .route(
            "/administration/businessowner/{owner}",
            get(administration::get_owner)
                .put(administration::update_owner)
                .delete(administration::remove_owner),
        )
}

fn shop() -> Router<Wso2> {
    Router::new()
        .route("/apps/{type}", get(store::list))
        .route("/apps/{type}/id/{id}", get(store::get))
        .route("/apps/{type}/id/{id}/subscription", get(store::subscription).post(store::subscribe))
        .route("/apps/{type}/id/{id}/subscription/users", get(store::subscribers))
        .route("/apps/{type}/id/{id}/docs", get(store::documents))
        .route("/apps/{type}/id/{id}/docs/{document}", get(store::document))
        .route("/apps/{type}/id/{id}/docs/{document}/content", get(store::document_content))
        .route("/apps/{type}/tags", get(store::tags))
        .route("/tags/{tag}/apps/{type}", get(store::list_tagged))
        .route("/apps/download", post(store::install))
        .route("/apps/uninstallation", post(store::uninstall))
        .route("/apps/{type}/id/{id}/unsubscription", post(store::unsubscribe))
        .route("/apps/{type}/id/{id}/rate", get(store::rating).put(store::rate))
        .route("/apps/mobile/id/{id}/download", post(store::download))
        .route("/apps/mobile/binaries/one-time/{token}", get(store::one_time))
        .route("/apps/mobile/plist/{app}/{token}", get(store::manifest))
        .route("/apps/static-contents/{file}", get(store::content))
}
