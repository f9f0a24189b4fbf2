//! Accepting connections until told to stop, and then letting them finish.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use appdepot::http::{Country, Service};
use axum::extract::ConnectInfo;
use axum::http::header::HOST;
use axum::http::{HeaderName, Request, StatusCode, Version};
use axum::response::{IntoResponse as _, Response};
use futures::future::{Either, Ready, ready};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Semaphore;

use crate::stall::Stall;

/// How long a client may take for the headers of a request, and how long it may be silent between two.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// The most bytes of the headers of a request.
const HEADER_BYTES: usize = 64 * 1024;
/// The same as HTTP/2 counts them (RFC 9113 §6.5.2).
const HEADER_LIST_BYTES: u32 = 64 * 1024;
/// Connections at a time. Further ones wait in the system's queue.
const CONNECTIONS: usize = 1_024;
/// How long running requests may go on after the signal to stop.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);
/// How long to wait when the system has no more file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Requests at a time on one connection of HTTP/2.
const STREAMS: u32 = 100;

/// How connections are treated.
pub(crate) struct Manners {
    /// How long one may be still during a request.
    pub(crate) stall_timeout: Duration,
    /// Where a proxy says the country.
    pub(crate) country_header: Option<HeaderName>,
}

/// Serves HTTP/1.1 and HTTP/2 until `signals` say to stop, then lets running requests finish.
pub(crate) async fn serve(listener: TcpListener, service: Service, manners: Manners, mut signals: Signals) {
    let mut server = Builder::new(TokioExecutor::new());
    server
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(HEADER_LIST_BYTES);
    server
        .http1()
        // Without a timer the timeout would do nothing.
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(HEADER_BYTES);
    let running = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let place = tokio::select! {
            place = Arc::clone(&places).acquire_owned() => place,
            () = signals.stop() => break,
        };
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(_) => {
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
            () = signals.stop() => break,
        };
        // Small answers should not wait for more to come.
        let _ = stream.set_nodelay(true);
        let country_header = manners.country_header.clone();
        let service = TowerToHyperService::new(WithPeer { service: service.clone(), peer, country_header });
        let stream = TokioIo::new(Stall::new(stream, manners.stall_timeout));
        let connection = server.serve_connection(stream, service).into_owned();
        let connection = running.watch(connection);
        tokio::spawn(async move {
            // What goes wrong on a connection concerns nobody but its client.
            let _ = connection.await;
            drop(place);
        });
    }
    drop(listener);
    let _ = tokio::time::timeout(DRAIN_TIMEOUT, running.shutdown()).await;
}

/// The signals that stop the server.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// From now on these signals no longer kill the process.
    pub(crate) fn install() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn stop(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Tells the service who is calling, and from where.
#[derive(Clone)]
struct WithPeer {
    service: Service,
    peer: SocketAddr,
    country_header: Option<HeaderName>,
}

impl<B> tower::Service<Request<B>> for WithPeer
where
    Service: tower::Service<Request<B>, Response = Response, Error = Infallible>,
{
    type Response = Response;
    type Error = Infallible;
    type Future =
        Either<Ready<Result<Response, Infallible>>, <Service as tower::Service<Request<B>>>::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        // RFC 9112 §3.2; the library below leaves it to its user.
        let hosts = request.headers().get_all(HOST).iter().count();
        if hosts > 1 || (hosts == 0 && request.version() == Version::HTTP_11) {
            return Either::Left(ready(Ok(StatusCode::BAD_REQUEST.into_response())));
        }
        request.extensions_mut().insert(ConnectInfo(self.peer));
        let country = self.country_header.as_ref().and_then(|name| request.headers().get(name));
        if let Some(country) = country.and_then(|code| Country::parse(code.to_str().ok()?)) {
            request.extensions_mut().insert(country);
        }
        Either::Right(self.service.call(request))
    }
}
