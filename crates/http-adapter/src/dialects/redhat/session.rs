//! Signing in: to the domain with the command line client, and to the store with `$fh.auth`.

use std::sync::Arc;

use appdepot_core::authorize::Subject;
use appdepot_core::depot::{IssuedSession, NewKey};
use appdepot_core::domain::{Id, User};
use appdepot_core::{Error, ErrorKind};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::header::SET_COOKIE;
use http::{HeaderMap, HeaderValue};
use serde_json::json;

use super::call::{Call, LOGIN_COOKIE, Said, credential, origin_of};
use super::fault::Fault;
use super::fields::Fields;
use super::types::{Done, Listed};
use super::{PREFIX, State, words};

type Answered = Result<Response, Fault>;

pub(super) fn routes() -> Router<Arc<State>> {
    let at = |operation: &str| format!("{PREFIX}/{operation}");
    Router::new()
        .route(&at("tst/version"), get(version))
        .route(&at("act/sys/auth/login"), post(login))
        .route(&at("act/sys/auth/logout"), post(logout))
        .route(&at("ide/{domain}/user/read"), get(who).post(who))
        .route(&at("ide/{domain}/user/setProp"), post(set_preference))
        .route(&at("ide/{domain}/api/create"), post(create_key))
        .route(&at("ide/{domain}/api/list"), get(list_keys).post(list_keys))
        .route(&at("ide/{domain}/api/delete"), post(delete_key))
        .route(&at("admin/authpolicy/auth"), post(enter))
        .route(&at("admin/authpolicy/verifysession"), post(verify))
        .route(&at("admin/authpolicy/sessioninfo"), post(info))
        .route(&at("admin/authpolicy/revokesession"), post(revoke))
}

async fn version() -> Response {
    Json(json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION") })).into_response()
}

async fn login(said: Said) -> Answered {
    let (state, fields) = (&said.state, &said.fields);
    let domain = fields.any(&["d"])?.unwrap_or_else(|| state.domain.clone());
    let (name, password) = (fields.required("u")?, fields.required("p")?);
    let previous = credential(&said.parts).unwrap_or_default();
    let origin = origin_of(&said.parts, fields)?;
    let credentials = (name.as_str(), password.as_str());
    let issued = state.depot().sign_in_at(&domain, credentials, origin, previous.as_deref()).await?;
    let body = json!({ "status": "ok", "result": "ok", "login": issued.token, "domain": domain });
    with_cookie(state, &issued.token, body)
}

async fn logout(said: Said) -> Answered {
    if let Some(token) = credential(&said.parts)? {
        end(&said.state, &token).await?;
    }
    with_cookie(&said.state, "", json!({ "status": "ok", "result": "ok" }))
}

async fn who(call: Call) -> Answered {
    let person = &call.actor.person;
    let body = json!({
        "status": "ok",
        "userName": if person.email.is_empty() { &person.first_name } else { &person.email },
        "email": person.email,
        "domain": call.organization.slug,
        // An older client does not go on without.
        "prefs": { "studio.version": "beta" },
    });
    Ok(Json(body).into_response())
}

/// Which of its pages the vendor's own studio shows is kept there, not here; the client insists on being told yes.
async fn set_preference(_: Call) -> Answered {
    Ok(Json(Done::new()).into_response())
}

async fn create_key(call: Call) -> Answered {
    let inner = call.fields.object("fields")?.map(Fields::from).unwrap_or_default();
    let label = match call.fields.any(&["label"])? {
        Some(label) => label,
        None => inner.required("label")?,
    };
    let new = NewKey { owner: Some(call.person()?), ..NewKey::new(call.organization.id, label) };
    let made = call.state.depot().create_key(&call.actor, new).await?;
    let key = json!({ "label": made.key.name, "key": made.text });
    Ok(Json(json!({ "status": "ok", "apiKey": key })).into_response())
}

/// What is listed is the part of a key before its dot: the rest was shown once.
async fn list_keys(call: Call) -> Answered {
    let owner = call.person()?;
    let keys = call.state.depot().keys(&call.actor, call.organization.id, Some(owner)).await?;
    let good = keys.into_iter().filter(|key| key.revoked_at.is_none());
    let list = good.map(|key| json!({ "label": key.name, "key": key.key }));
    Ok(Json(Listed::new(list.collect())).into_response())
}

async fn delete_key(call: Call) -> Answered {
    let key = call.fields.required("key")?;
    let id = key.split_once('.').map_or(key.as_str(), |(id, _)| id);
    let revoked = call.state.depot().revoke_key(&call.actor, call.organization.id, id).await?;
    let key = json!({ "label": revoked.name, "key": revoked.key });
    Ok(Json(json!({ "status": "ok", "apiKey": key })).into_response())
}

async fn enter(said: Said) -> Answered {
    let (state, fields) = (&said.state, &said.fields);
    let params = fields.object("params")?.map(Fields::from).unwrap_or_default();
    let policy = fields.required("policyId")?;
    let name = params.any(&["userId", "username"])?;
    let name = name.ok_or_else(|| Error::invalid("params.userId", "is required"))?;
    let password = params.text("password")?.unwrap_or_default();
    let origin = origin_of(&said.parts, fields)?;
    let credentials = (name.as_str(), password.as_str());
    let issued = state.depot().enter(&state.domain, Some(&policy), credentials, origin, None).await?;
    let IssuedSession { token, signed_in } = issued;
    let person = json!({ "userId": signed_in.user.email, "email": signed_in.user.email });
    let body = json!({
        "status": "ok",
        "message": "",
        "sessionToken": token,
        "userId": signed_in.user.email,
        "authResponse": person,
    });
    Ok(Json(body).into_response())
}

async fn verify(said: Said) -> Answered {
    let token = said.fields.any(&["sessionToken"])?.unwrap_or_default();
    let valid = match said.state.depot().session(&token).await {
        Ok(_) => true,
        Err(error) if error.kind() == ErrorKind::Unauthenticated => false,
        Err(error) => return Err(error.into()),
    };
    Ok(Json(json!({ "status": "ok", "isValid": valid })).into_response())
}

async fn info(said: Said) -> Answered {
    let token = said.fields.required("sessionToken")?;
    let signed_in = said.state.depot().session(&token).await?;
    let body = json!({
        "status": "ok",
        "userId": signed_in.user.email,
        "userGuid": words::guid(signed_in.user.id),
        "policyGuid": signed_in.session.policy.map(words::guid),
        "deviceId": signed_in.session.origin.device,
        "sysCreated": words::audit_date(signed_in.session.created_at),
        "expires": words::audit_date(signed_in.session.expires_at),
    });
    Ok(Json(body).into_response())
}

async fn revoke(said: Said) -> Answered {
    end(&said.state, &said.fields.required("sessionToken")?).await?;
    Ok(Json(Done::new()).into_response())
}

/// Ends a session. What is none, or is over, is as good as ended.
async fn end(state: &State, token: &str) -> Result<(), Fault> {
    match state.depot().sign_out(token).await {
        Err(error) if error.kind() != ErrorKind::Unauthenticated => Err(error.into()),
        _ => Ok(()),
    }
}

/// An answer that sets the login's cookie, or takes it back.
fn with_cookie(state: &State, token: &str, body: serde_json::Value) -> Answered {
    let secure = if state.backend.public_url.starts_with("https://") { "; Secure" } else { "" };
    let age = if token.is_empty() { "; Max-Age=0" } else { "" };
    let cookie = format!("{LOGIN_COOKIE}={token}; Path=/; HttpOnly; SameSite=Lax{secure}{age}");
    let cookie = HeaderValue::from_str(&cookie).map_err(Error::internal)?;
    Ok((HeaderMap::from_iter([(SET_COOKIE, cookie)]), Json(body)).into_response())
}

impl Call {
    /// The user who calls; keys without an owner are nobody.
    fn person(&self) -> Result<Id<User>, Fault> {
        let subject: &Subject = &self.actor.subject;
        subject.as_user().ok_or_else(|| Fault::told("only a user has keys of their own"))
    }
}
