//! What is counted of requests, for Prometheus. Labels are few and known beforehand: no id, name or path is one.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use appdepot_core::{Depot, Error, Result};
use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::Method;
use http::header::CONTENT_TYPE;
use http_body::{Body as _, Frame, SizeHint};
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// The bounds of durations, in seconds.
const SECONDS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 5.0, 30.0];

/// The counters of a service.
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<Answered, Counter>,
    seconds: Family<Of, Histogram, fn() -> Histogram>,
    received: Family<Of, Counter>,
    sent: Family<Of, Counter>,
    waiting: Gauge,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    dialect: &'static str,
    method: &'static str,
    status: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Of {
    dialect: &'static str,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("appdepot");
        let requests = Family::default();
        registry.register("http_requests", "Requests that were answered", requests.clone());
        let histogram: fn() -> Histogram = || Histogram::new(SECONDS);
        let seconds = Family::new_with_constructor(histogram);
        registry.register("http_request_seconds", "From a request's head to its answer's", seconds.clone());
        let received = Family::default();
        registry.register("http_received_bytes", "Bytes of requests' bodies", received.clone());
        let sent = Family::default();
        registry.register("http_sent_bytes", "Bytes of answers' bodies", sent.clone());
        let waiting = Gauge::default();
        registry.register("builds_waiting", "Builds that are not read yet", waiting.clone());
        Self { registry, requests, seconds, received, sent, waiting }
    }

    /// A request's body, counted.
    pub(crate) fn received(&self, dialect: &'static str, body: Body) -> Body {
        counted(body, &self.received.get_or_create(&Of { dialect }))
    }

    /// An answer, counted.
    pub(crate) fn answered(
        &self,
        dialect: &'static str,
        method: &Method,
        since: Instant,
        response: Response,
    ) -> Response {
        let labels = Answered { dialect, method: verb(method), status: class(response.status().as_u16()) };
        self.requests.get_or_create(&labels).inc();
        self.seconds.get_or_create(&Of { dialect }).observe(since.elapsed().as_secs_f64());
        let sent = self.sent.get_or_create(&Of { dialect });
        response.map(|body| counted(body, &sent))
    }

    /// All of it, as text (OpenMetrics 1.0).
    ///
    /// # Errors
    /// `Unavailable`, as of the records.
    pub(crate) async fn show(&self, depot: &Depot) -> Result<Response> {
        let waiting = depot.waiting_builds().await?;
        self.waiting.set(i64::try_from(waiting).unwrap_or(i64::MAX));
        let mut shown = String::new();
        text::encode(&mut shown, &self.registry).map_err(Error::internal)?;
        let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        Ok(([(CONTENT_TYPE, kind)], shown).into_response())
    }
}

/// Methods that nobody has thought of are one.
fn verb(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        _ => "other",
    }
}

fn class(status: u16) -> &'static str {
    match status {
        ..200 => "1xx",
        200..300 => "2xx",
        300..400 => "3xx",
        400..500 => "4xx",
        500.. => "5xx",
    }
}

fn counted(body: Body, counter: &Counter) -> Body {
    // What has no bytes stays what it is, so that a server sees that it ends at once.
    if body.is_end_stream() { body } else { Body::new(Counted { body, counter: counter.clone() }) }
}

/// A body whose bytes are counted when they pass.
struct Counted {
    body: Body,
    counter: Counter,
}

impl http_body::Body for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            self.counter.inc_by(frame.data_ref().map_or(0, |data| data.len() as u64));
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
