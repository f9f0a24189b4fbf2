//! OpenAPI documents of the dialects, and a page that lists what is in them.
//!
//! A dialect names its operations in a table next to its routes. `tests/matrix.rs` of the workspace holds the documents
//! against the router and against who may do what: nothing is left out, and nothing is made up.

mod page;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use bytes::Bytes;
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use serde_json::{Map, Value, json};

use crate::call::Backend;
use crate::dialects::{applivery, emporix, redhat, wso2};
use crate::storefront;
use crate::wire::guard;

/// What is told of, in the order of the page.
const ALL: [&Description; 5] = [
    &applivery::DESCRIPTION,
    &emporix::DESCRIPTION,
    &wso2::DESCRIPTION,
    &redhat::DESCRIPTION,
    &storefront::DESCRIPTION,
];

/// What a dialect tells of itself.
pub(crate) struct Description {
    /// In addresses.
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    /// A sentence or two.
    pub(crate) about: &'static str,
    pub(crate) operations: &'static [Operation],
    /// The security schemes by name, given where the service is reached. Any one of them will do.
    pub(crate) schemes: fn(&str) -> Value,
    /// The schema of the bodies of errors; `None` where those are pages.
    pub(crate) error: Option<fn() -> Value>,
}

/// A path, the methods that do the same there, and what that is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Operation {
    methods: &'static [&'static str],
    path: &'static str,
    summary: &'static str,
    /// Whether it needs no credential.
    open: bool,
    /// The statuses of success.
    success: &'static str,
}

impl Operation {
    const fn new(methods: &'static [&'static str], path: &'static str, summary: &'static str) -> Self {
        Self { methods, path, summary, open: false, success: "2XX" }
    }

    pub(crate) const fn get(path: &'static str, summary: &'static str) -> Self {
        Self::new(&["get"], path, summary)
    }

    pub(crate) const fn post(path: &'static str, summary: &'static str) -> Self {
        Self::new(&["post"], path, summary)
    }

    pub(crate) const fn put(path: &'static str, summary: &'static str) -> Self {
        Self::new(&["put"], path, summary)
    }

    pub(crate) const fn delete(path: &'static str, summary: &'static str) -> Self {
        Self::new(&["delete"], path, summary)
    }

    /// The same by either method.
    pub(crate) const fn get_or_post(path: &'static str, summary: &'static str) -> Self {
        Self::new(&["get", "post"], path, summary)
    }

    /// Needs no credential.
    pub(crate) const fn open(self) -> Self {
        Self { open: true, ..self }
    }

    /// Leads elsewhere when it succeeds.
    pub(crate) const fn leading(self) -> Self {
        Self { success: "3XX", ..self }
    }

    /// The names of the variable parts of the path.
    fn parameters(&self) -> impl Iterator<Item = &'static str> {
        self.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
    }
}

impl Description {
    /// The document (OpenAPI 3.1), for a service that is reached at `public_url`.
    fn document(&self, public_url: &str) -> Value {
        let schemes = (self.schemes)(public_url);
        let names = schemes.as_object().into_iter().flat_map(Map::keys);
        let security: Vec<Value> = names.map(|name| json!({ name.as_str(): [] })).collect();
        let error = match self.error {
            Some(_) => json!({ "application/json": { "schema": { "$ref": "#/components/schemas/Error" } } }),
            None => json!({ "text/html": {} }),
        };
        let mut paths = Map::new();
        for operation in self.operations {
            let parameters: Vec<Value> = operation
                .parameters()
                .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }))
                .collect();
            let mut told = json!({
                "summary": operation.summary,
                "parameters": parameters,
                "responses": {
                    operation.success: { "description": "success" },
                    "default": { "$ref": "#/components/responses/Error" },
                },
            });
            if operation.open
                && let Some(told) = told.as_object_mut()
            {
                told.insert("security".to_owned(), json!([]));
            }
            let path = paths.entry(operation.path).or_insert_with(|| json!({}));
            for method in operation.methods {
                if let Some(path) = path.as_object_mut() {
                    path.insert((*method).to_owned(), told.clone());
                }
            }
        }
        let mut components = json!({
            "securitySchemes": schemes,
            "responses": { "Error": { "description": "what went wrong", "content": error } },
        });
        if let (Some(schema), Some(components)) = (self.error, components.as_object_mut()) {
            components.insert("schemas".to_owned(), json!({ "Error": schema() }));
        }
        json!({
            "openapi": "3.1.0",
            "info": {
                "title": self.title,
                "description": self.about,
                "version": env!("CARGO_PKG_VERSION"),
            },
            "servers": [{ "url": public_url }],
            "security": security,
            "paths": paths,
            "components": components,
        })
    }
}

/// `/openapi/{dialect}.json` for each of them, and `/docs`.
pub(crate) fn router(backend: &Backend) -> Router<Arc<Backend>> {
    let public_url = &backend.public_url;
    let documents = ALL.map(|one| (format!("/openapi/{}.json", one.name), one.document(public_url)));
    let router = documents.into_iter().fold(Router::new(), |router, (path, document)| {
        let text = Bytes::from(document.to_string());
        router.route(&path, get(async move || answer(text)))
    });
    router.route("/docs", get(docs))
}

async fn docs(State(backend): State<Arc<Backend>>) -> Response {
    page::show(&backend.public_url).unwrap_or_else(storefront::answer)
}

fn answer(document: Bytes) -> Response {
    let mut response = document.into_response();
    guard(response.headers_mut());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use appdepot_core::{Error, ErrorKind};
    use http_body_util::BodyExt as _;

    /// Whether a value is as a schema says, of the few words that ours are made of.
    fn fits(schema: &Value, value: &Value) -> bool {
        if let Some(any) = schema["anyOf"].as_array() {
            return any.iter().any(|schema| fits(schema, value));
        }
        if let Some(only) = schema.get("const") {
            return only == value;
        }
        match schema["type"].as_str().unwrap() {
            "string" => value.is_string(),
            "integer" => value.is_i64(),
            "array" => value.as_array().is_some_and(|all| all.iter().all(|one| fits(&schema["items"], one))),
            "object" => value.as_object().is_some_and(|members| {
                let required = schema["required"].as_array().into_iter().flatten();
                let known = |(name, value): (&String, &Value)| {
                    schema["properties"].get(name).is_some_and(|schema| fits(schema, value))
                };
                required.into_iter().all(|name| members.contains_key(name.as_str().unwrap()))
                    && members.iter().all(known)
            }),
            other => panic!("{other} in a schema"),
        }
    }

    #[tokio::test]
    async fn errors_are_as_their_schemas_say() {
        use ErrorKind::{Conflict, Forbidden, Internal, Invalid, Limited, NotFound, TooLarge, Unavailable};
        for description in ALL.into_iter().filter(|description| description.error.is_some()) {
            let answer = |error| match description.name {
                "applivery" => applivery::Fault::from(error).into_response(),
                "emporix" => emporix::answer(error),
                "redhat" => redhat::Fault::from(error).into_response(),
                _ => wso2::answer(error),
            };
            let schema = description.error.unwrap()();
            for kind in [
                Conflict,
                Forbidden,
                Internal,
                Invalid,
                Limited,
                NotFound,
                TooLarge,
                Unavailable,
                ErrorKind::Unauthenticated,
                ErrorKind::Unsupported,
            ] {
                let body = answer(Error::new(kind, "why")).into_body().collect().await.unwrap().to_bytes();
                let body: Value = serde_json::from_slice(&body).unwrap();
                assert!(fits(&schema, &body), "{}: {body} for {kind:?}", description.name);
            }
        }
    }

    #[test]
    fn parts_of_a_path_that_vary_are_its_parameters() {
        let document = applivery::DESCRIPTION.document("https://depot.example");
        let told = &document["paths"]["/v1/organizations/{organization}/apps/{app}"]["get"];
        let names: Vec<_> = told["parameters"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
        assert_eq!(names, ["organization", "app"]);
        assert_eq!(document["servers"][0]["url"], "https://depot.example");
        assert_eq!(document["paths"]["/v1/download/{token}"]["get"]["security"], json!([]));
    }
}
