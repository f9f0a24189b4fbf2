//! The dialects as one tower service.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use appdepot_core::authenticate::Authenticator;
use appdepot_core::{Depot, Error, ErrorKind};
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{BoxError, Json, Router};
use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::{BoxFuture, ready};
use http::uri::PathAndQuery;
use http::{Request, StatusCode, Uri};
use serde_json::json;
use tower::ServiceExt as _;

use crate::call::{Backend, address};
use crate::dialects::{applivery, emporix, redhat, wso2};
use crate::metrics::Metrics;
use crate::{openapi, storefront};

/// Serves a depot to HTTP clients, each in its own dialect.
///
/// | path | serves |
/// |---|---|
/// | `/v1/…` | Applivery |
/// | `/media/…`, `/oauth/token` | Emporix |
/// | `/box/srv/1.1/…`, `/box/api/mas/…` | Red Hat Mobile App Management |
/// | `/api/appm/…` | WSO2 App Manager |
/// | `/store/{organization}` | the pages of an organization's store |
/// | `/install/…` | what an install ticket opens |
/// | `/health/live` | 200 while the process answers |
/// | `/health/ready` | 200 while the record store answers, else 503 |
/// | `/openapi/{dialect}.json` | an OpenAPI document of `applivery`, `emporix`, `redhat`, `wso2` and `storefront` |
/// | `/docs` | a page of all their operations |
/// | `/metrics` | counters for Prometheus, where [`ServiceBuilder::metrics`] asks for them |
///
/// A `tower::Service` for any body, so hyper and every tower stack can mount it; [`Service::router`] is for axum.
/// Cheap to clone. Its `Debug` lists the routes.
///
/// - A request's peer address goes into the audit trail when the server passes it on as axum's `ConnectInfo`
///   extension.
/// - The [`Country`](crate::Country) of a request is the extension of that type, if the server knows one.
/// - Of one peer only so many requests are let in as the depot's limits say; the health and metrics paths are not
///   counted.
/// - A panic while a request is handled is answered with 500.
/// - Large uploads and downloads stream; the server in front decides about timeouts.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use appdepot_core::{Depot, authenticate::*, authorize::Actor, error::*};
/// use tower::ServiceExt as _;
///
/// /// Lets one token in, as the process itself.
/// #[derive(Debug)]
/// struct OneToken;
///
/// #[async_trait::async_trait]
/// impl Authenticator for OneToken {
///     async fn authenticate(&self, token: &str) -> Result<Actor> {
///         match token {
///             "let-me-in" => Ok(Actor::system("example")),
///             _ => Err(Error::unauthenticated(CredentialFault::Bad)),
///         }
///     }
///     async fn grant(
///         &self, _: &str, _: &str, _: Option<std::collections::BTreeSet<String>>,
///     ) -> Result<AccessToken> {
///         Err(Error::new(ErrorKind::Unsupported, "no tokens are made here"))
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<()> {
/// let service = appdepot_http::Service::builder(Depot::builder().build(), Arc::new(OneToken))
///     .public_url("https://depot.example")
///     .build();
/// let request = http::Request::get("/health/ready").body(axum::body::Body::empty()).unwrap();
/// let response = service.oneshot(request).await.unwrap();
/// assert_eq!(response.status(), 200);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Service {
    applivery: Router,
    emporix: Router,
    redhat: Router,
    wso2: Router,
    storefront: Router,
    own: Router,
    depot: Depot,
    metrics: Option<Arc<Metrics>>,
}

/// What a [`Service`] needs to know.
#[derive(Debug)]
pub struct ServiceBuilder {
    backend: Backend,
    emporix: emporix::Switches,
    domain: String,
    wso2: wso2::Switches,
    metrics: bool,
}

impl Service {
    /// A service over `depot`, for callers whom `authenticator` knows.
    pub fn builder(depot: Depot, authenticator: Arc<dyn Authenticator>) -> ServiceBuilder {
        let public_url = "http://localhost".to_owned();
        let backend = Backend { depot, authenticator, public_url };
        let (emporix, wso2) = (emporix::Switches::default(), wso2::Switches::default());
        ServiceBuilder { backend, emporix, wso2, domain: String::new(), metrics: false }
    }

    /// The same as an axum router, to be nested into an app with any state.
    pub fn router<S: Clone + Send + Sync + 'static>(self) -> Router<S> {
        Router::new().fallback_service(self)
    }
}

impl ServiceBuilder {
    /// Scheme, host and path under which clients reach the service; a final slash does not matter. Answers that
    /// contain addresses are made of it, never of what a request says. Default: `http://localhost`.
    #[must_use]
    pub fn public_url(mut self, url: &str) -> Self {
        url.trim_end_matches('/').clone_into(&mut self.backend.public_url);
        self
    }

    /// Where the Emporix dialect departs from its document.
    #[must_use]
    pub fn emporix(mut self, switches: emporix::Switches) -> Self {
        self.emporix = switches;
        self
    }

    /// The slug of the organization that is meant where a request names none: by the Red Hat dialect its store and
    /// logins, by Applivery's login its people. Default: none.
    #[must_use]
    pub fn domain(mut self, slug: &str) -> Self {
        slug.clone_into(&mut self.domain);
        self
    }

    /// What the WSO2 dialect demands beyond its document.
    #[must_use]
    pub fn wso2(mut self, switches: wso2::Switches) -> Self {
        self.wso2 = switches;
        self
    }

    /// Counts requests, and shows the counters at `/metrics` to everyone who can reach it. They tell of no
    /// organization and nobody. Default: off.
    #[must_use]
    pub fn metrics(mut self) -> Self {
        self.metrics = true;
        self
    }

    /// The service.
    pub fn build(self) -> Service {
        let backend = Arc::new(self.backend);
        let metrics = self.metrics.then(|| Arc::new(Metrics::new()));
        let mut own = Router::new();
        if let Some(metrics) = metrics.clone() {
            let show = async move |State(backend): State<Arc<Backend>>| {
                metrics.show(&backend.depot).await.unwrap_or_else(|error| Dialect::None.answer(error))
            };
            own = own.route("/metrics", get(show));
        }
        let own = own
            .merge(openapi::router(&backend))
            .route("/health/live", get(async || Json(json!({ "status": "live" }))))
            .route("/health/ready", get(readiness))
            .fallback(async || plain(StatusCode::NOT_FOUND, "not found"))
            .method_not_allowed_fallback(async || plain(StatusCode::METHOD_NOT_ALLOWED, "method not allowed"))
            .with_state(Arc::clone(&backend));
        // Each with its own answers for what it does not know, so they are kept apart.
        Service {
            depot: backend.depot.clone(),
            metrics,
            applivery: applivery::router(Arc::clone(&backend), &self.domain),
            emporix: emporix::router(Arc::clone(&backend), self.emporix),
            redhat: redhat::router(Arc::clone(&backend), self.domain),
            wso2: wso2::router(Arc::clone(&backend), self.wso2),
            storefront: storefront::router(backend),
            own,
        }
    }
}

async fn readiness(State(backend): State<Arc<Backend>>) -> Response {
    match backend.depot.ready().await {
        Ok(()) => Json(json!({ "status": "ready" })).into_response(),
        Err(error) => {
            crate::call::log(&error);
            (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "status": "unavailable" }))).into_response()
        }
    }
}

fn plain(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({ "error": message }))).into_response()
}

impl<B> tower::Service<Request<B>> for Service
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // The router is always ready.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let mut request = request.map(Body::new);
        if let Some(uri) = single_slashes(request.uri()) {
            *request.uri_mut() = uri;
        }
        let dialect = Dialect::of(request.uri().path());
        let (method, since) = (request.method().clone(), Instant::now());
        let metrics = self.metrics.clone();
        if let Some(metrics) = &metrics {
            request = request.map(|body| metrics.received(dialect.word(), body));
        }
        let counted = move |answer: Response| match metrics {
            Some(metrics) => metrics.answered(dialect.word(), &method, since, answer),
            None => answer,
        };
        if let Err(error) = self.admit(dialect, &request) {
            return ready(Ok(counted(dialect.answer(error)))).boxed();
        }
        let router = match dialect {
            Dialect::Applivery => &self.applivery,
            Dialect::Emporix => &self.emporix,
            Dialect::RedHat => &self.redhat,
            Dialect::Wso2 => &self.wso2,
            Dialect::Storefront => &self.storefront,
            Dialect::None => &self.own,
        };
        let answer = AssertUnwindSafe(router.clone().oneshot(request));
        // What a handler shares with others is whole at every step, so nothing broken is seen after a panic.
        async move {
            let answer = answer.catch_unwind().await;
            Ok(counted(answer.map_or_else(|_| dialect.answer(defect()), |Ok(answer)| answer)))
        }
        .boxed()
    }
}

impl Service {
    /// Whether the peer may ask now. How the server itself fares may always be asked.
    fn admit(&self, dialect: Dialect, request: &Request<Body>) -> Result<(), Error> {
        match address(request.extensions()) {
            Some(address) if dialect != Dialect::None => self.depot.admit(&address),
            _ => Ok(()),
        }
    }
}

/// Whose words a path asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    Applivery,
    Emporix,
    RedHat,
    Wso2,
    Storefront,
    None,
}

impl Dialect {
    fn of(path: &str) -> Self {
        match path.split('/').nth(1) {
            Some("v1") => Self::Applivery,
            Some("media" | "oauth") => Self::Emporix,
            Some("box") => Self::RedHat,
            Some("api") if path.starts_with("/api/appm/") => Self::Wso2,
            Some("store" | "install") => Self::Storefront,
            _ => Self::None,
        }
    }

    /// The answer to a request that no handler finished.
    fn answer(self, error: Error) -> Response {
        match self {
            Self::Applivery => applivery::Fault::from(error).into_response(),
            Self::Emporix => emporix::answer(error),
            Self::RedHat => redhat::Fault::from(error).into_response(),
            Self::Wso2 => wso2::answer(error),
            Self::Storefront => storefront::answer(error),
            Self::None => {
                crate::call::log(&error);
                let status = match error.kind() {
                    ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
                    _ => StatusCode::INTERNAL_SERVER_ERROR,
                };
                plain(status, error.message())
            }
        }
    }

    /// Its label in the metrics.
    const fn word(self) -> &'static str {
        match self {
            Self::Applivery => "applivery",
            Self::Emporix => "emporix",
            Self::RedHat => "redhat",
            Self::Wso2 => "wso2",
            Self::Storefront => "storefront",
            Self::None => "own",
        }
    }
}

fn defect() -> Error {
    Error::internal("a request handler panicked")
}

/// The address with doubled slashes after `/mdm/` made single, if there are any: one dialect documents
/// `/mdm/assets//edge/asset`.
fn single_slashes(uri: &Uri) -> Option<Uri> {
    let path = uri.path();
    let at = path.find("/mdm/").filter(|_| path.starts_with("/v1/"))?;
    let (head, tail) = path.split_at_checked(at)?;
    if !tail.contains("//") {
        return None;
    }
    let mut single = head.to_owned();
    for c in tail.chars() {
        if c != '/' || !single.ends_with('/') {
            single.push(c);
        }
    }
    if let Some(query) = uri.query() {
        single = format!("{single}?{query}");
    }
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(single).ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slashes_are_doubled_only_where_a_document_has_it() {
        let single = |uri: &str| single_slashes(&uri.parse().unwrap()).map(|uri| uri.to_string());
        let expected = "/v1/organizations/acme/mdm/assets/edge/asset?a=b//c";
        assert_eq!(
            single("/v1/organizations/acme/mdm/assets//edge///asset?a=b//c").as_deref(),
            Some(expected)
        );
        for untouched in [expected, "/v1/organizations//apps", "/media//mdm//x", "/v1//organizations/mdm/x"] {
            assert_eq!(single(untouched), None, "{untouched}");
        }
    }

    #[test]
    fn a_defect_speaks_the_callers_dialect() {
        assert_eq!(Dialect::of("/v1/organizations"), Dialect::Applivery);
        assert_eq!(Dialect::of("/media/acme/assets"), Dialect::Emporix);
        assert_eq!(Dialect::of("/oauth/token"), Dialect::Emporix);
        assert_eq!(Dialect::of("/api/appm/store/v1.1/apps/webapp"), Dialect::Wso2);
        assert_eq!(Dialect::of("/api/other"), Dialect::None);
        assert_eq!(Dialect::of("/health/live"), Dialect::None);
        assert_eq!(Dialect::of(""), Dialect::None);
    }
}
