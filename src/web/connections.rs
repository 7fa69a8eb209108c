//! Connections of browsers and scripts: accepted, with TLS or without, bounded in number and in time, and brought to
//! their end.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use rustix::net::sockopt::set_tcp_user_timeout;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use super::answer::ApiError;
use super::base_path::BasePath;
use super::client::WebPeer;
use super::origin::ClientShares;
use crate::source::Stop;

/// Connections that are open at once; others wait.
const MOST_CONNECTIONS: usize = 4096;
/// Those of one client: another one finds room.
const MOST_CONNECTIONS_OF_CLIENT: usize = 2048;
/// How long a client may read nothing of what was sent.
const UNREAD_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a client may take for the head of a request, also when it has had an answer before.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// How long the answers that are on their way may take at the end.
const END_TIMEOUT: Duration = Duration::from_secs(5);
const LOOK_UP_INTERVAL: Duration = Duration::from_millis(100);

/// What is served, and how it is reached.
#[derive(Clone)]
pub struct WebService {
    pub router: Router,
    pub base: BasePath,
    pub tls: Option<TlsAcceptor>,
}

/// Serves until it is told to stop; open streams end then.
pub async fn serve(service: WebService, listener: TcpListener, stop: Stop) {
    allow_open_files();
    let permits = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let clients = ClientShares::of_each(MOST_CONNECTIONS_OF_CLIENT);
    let open = GracefulShutdown::new();
    while !stop.is_set() {
        let Ok(permit) = tokio::time::timeout(LOOK_UP_INTERVAL, permits.clone().acquire_owned()).await else {
            continue;
        };
        let (stream, from) = match tokio::time::timeout(LOOK_UP_INTERVAL, listener.accept()).await {
            Ok(Ok(accepted)) => accepted,
            Ok(Err(error)) => {
                tracing::warn!("a connection to the page cannot be accepted: {error}");
                tokio::time::sleep(LOOK_UP_INTERVAL).await;
                continue;
            }
            Err(_) => continue,
        };
        let Some(share) = clients.take(from.ip()) else { continue };
        if let Err(error) = set_tcp_user_timeout(&stream, UNREAD_TIMEOUT.as_millis() as u32) {
            tracing::debug!("a connection to the page has no bound on what it leaves unread: {error}");
        }
        let (service, watcher) = (service.clone(), open.watcher());
        let peer = WebPeer { address: from.ip(), tls: service.tls.is_some() };
        tokio::spawn(async move {
            match service.tls.clone() {
                None => converse(service, peer, watcher, stream).await,
                Some(tls) => {
                    if let Ok(Ok(stream)) = tokio::time::timeout(HEAD_TIMEOUT, tls.accept(stream)).await {
                        converse(service, peer, watcher, stream).await;
                    }
                }
            }
            drop((permit, share));
        });
    }
    let _ = tokio::time::timeout(END_TIMEOUT, open.shutdown()).await;
}

/// Answers the requests of one connection.
async fn converse(
    service: WebService,
    peer: WebPeer,
    watcher: Watcher,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    let answers = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
        answer(service.clone(), peer, request.map(Body::new))
    });
    // A client that goes away, or takes too long, is its own affair.
    let _ = watcher.watch(http.serve_connection(TokioIo::new(stream), answers)).await;
}

async fn answer(service: WebService, peer: WebPeer, mut request: Request) -> Result<Response, Infallible> {
    request.extensions_mut().insert(peer);
    *request.uri_mut() = service.base.strip(std::mem::take(request.uri_mut()));
    // In a task of its own: what was begun is finished though the client goes away, and a fault is told.
    let answered = tokio::spawn(service.router.oneshot(request)).await;
    answered.unwrap_or_else(|error| Ok(ApiError::internal(error).into_response()))
}

/// A connection is an open file, of which a process may have 1,024 if nobody asks for more.
fn allow_open_files() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum.or(current), maximum }) {
        tracing::warn!("the bound on open files stays: {error}");
    }
}
