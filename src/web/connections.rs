//! Connections of browsers and scripts: accepted, bounded in number and in time, and brought to their end.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tower::ServiceExt;

use crate::source::Stop;

/// Connections that are open at once; others wait.
const MOST_CONNECTIONS: usize = 4096;
/// How long a client may take for the head of a request, also when it has had an answer before.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// How long the answers that are on their way may take at the end.
const END_TIMEOUT: Duration = Duration::from_secs(5);
const LOOK_UP_INTERVAL: Duration = Duration::from_millis(100);

/// Serves until it is told to stop; open streams end then.
pub async fn serve(router: Router, listener: TcpListener, stop: Stop) {
    allow_open_files();
    let permits = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let open = GracefulShutdown::new();
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
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
        let router = router.clone();
        let service = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
            answer(router.clone(), from, request.map(Body::new))
        });
        let connection = open.watch(http.serve_connection(TokioIo::new(stream), service));
        tokio::spawn(async move {
            // A client that goes away, or takes too long, is its own affair.
            let _ = connection.await;
            drop(permit);
        });
    }
    let _ = tokio::time::timeout(END_TIMEOUT, open.shutdown()).await;
}

async fn answer(
    router: Router,
    from: SocketAddr,
    mut request: Request,
) -> Result<axum::response::Response, Infallible> {
    request.extensions_mut().insert(ConnectInfo(from));
    router.oneshot(request).await
}

/// A connection is an open file, of which a process may have 1,024 if nobody asks for more.
fn allow_open_files() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum.or(current), maximum }) {
        tracing::warn!("the bound on open files stays: {error}");
    }
}
