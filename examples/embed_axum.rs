//! A depot inside an axum application that has routes and state of its own.
//! `cargo run --example embed_axum` sends itself one request and ends; with `-- --listen 127.0.0.1:3000` it serves.
#![allow(clippy::print_stdout)]

use std::sync::Arc;

use appdepot::authenticate::Authenticator;
use appdepot::authorize::{Actor, Subject};
use appdepot::authz::CasbinAuthorizer;
use appdepot::{Depot, Error, Result, http::Service};
use appdepot::{domain::Role, error::CredentialFault, memory::MemoryRecords};
use axum::{Router, body::Body, extract::State, http::Request, routing::get};
use tower::ServiceExt as _;

/// Lets callers in the way the application around does; here, with one fixed token. It takes the place of keys,
/// sessions and all. To have some of those as well, put them and yours into a `Chain`.
#[derive(Debug)]
struct House;

#[async_trait::async_trait]
impl Authenticator for House {
    async fn authenticate(&self, token: &str) -> Result<Actor> {
        match token {
            "let-me-in" => Ok(Actor::new(Subject::user("ada")?)),
            _ => Err(Error::unauthenticated(CredentialFault::Bad)),
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let records = Arc::new(MemoryRecords::new());
    let authorizer = Arc::new(CasbinAuthorizer::new(records.clone()));
    let depot = Depot::builder().records(records).authorizer(authorizer).build();
    let start = Actor::system("start");
    let acme = depot.create_organization(&start, "acme", "Acme Corp.").await?.id;
    depot.grant(&start, acme, Subject::user("ada")?, Role::parse("org.admin")?, None).await?;
    let service = Service::builder(depot, Arc::new(House)).public_url("http://localhost:3000/depot").build();
    let app = Router::new()
        .route("/hello", get(async |State(name): State<&'static str>| format!("hello {name}")))
        .nest("/depot", service.router())
        .with_state("world");

    if let Some(address) = std::env::args().skip_while(|argument| argument != "--listen").nth(1) {
        println!("listening on http://{address}");
        return Ok(axum::serve(tokio::net::TcpListener::bind(address).await?, app).await?);
    }
    let request = Request::get("/depot/v1/organizations/acme/mdm/assets")
        .header("authorization", "Bearer let-me-in")
        .body(Body::empty())?;
    let response = app.oneshot(request).await?;
    let status = response.status();
    let body = axum::body::to_bytes(response.into_body(), 1 << 20).await?;
    println!("{status}\n{}", String::from_utf8_lossy(&body));
    Ok(())
}
