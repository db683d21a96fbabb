//! Taking connections, and letting them end.

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use lullaby::clock::{Clock, until};
use lullaby::{Shutdown, Stop};
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt;

use super::Peer;

/// The most header lines of a request, and the most bytes that they may take: what fits a browser's, with room for a long cookie.
const MOST_HEADERS: usize = 64;
const LARGEST_HEAD: usize = 16 * 1024;

/// How long a client may take to send its headers, and a connection may be idle.
const HEADERS_WITHIN: Duration = Duration::from_secs(30);

/// How long requests may take to end once we are asked to stop.
pub const DRAIN: Duration = Duration::from_secs(10);

/// A pause after a connection could not be taken: there are no free file handles, most likely.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves until `shutdown` turns warm, then lets requests end for at most [`DRAIN`], or until it turns cold.
pub async fn serve(listener: TcpListener, router: Router, shutdown: Shutdown, clock: &dyn Clock) {
    let connections = GracefulShutdown::new();
    loop {
        let taken = tokio::select! {
            taken = listener.accept() => taken,
            () = shutdown.reached(Stop::Warm) => break,
        };
        match taken {
            Ok((stream, peer)) => connect(stream, Peer(peer.ip()), &router, &connections),
            Err(error) => {
                tracing::warn!(%error, "could not take a connection");
                clock.sleep_until(clock.now() + PAUSE).await;
            }
        }
    }
    drop(listener);
    let ended = until(clock, clock.now() + DRAIN, connections.shutdown());
    tokio::select! {
        ended = ended => if ended.is_none() {
            tracing::warn!("some requests did not end within {DRAIN:?}; they are cut off");
        },
        () = shutdown.reached(Stop::Cold) => {}
    }
}

fn connect(stream: TcpStream, peer: Peer, router: &Router, connections: &GracefulShutdown) {
    // Small answers must not wait for the client's acknowledgement of the ones before.
    let _ = stream.set_nodelay(true);
    let router = router.clone();
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        let router = router.clone();
        async move { Ok::<_, Infallible>(unfailing(router.oneshot(request).await)) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_WITHIN)
        .max_headers(MOST_HEADERS)
        .max_buf_size(LARGEST_HEAD)
        .serve_connection(TokioIo::new(stream), service);
    let connection = connections.watch(connection);
    tokio::spawn(async move {
        // A client that goes away is its own business.
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection ended");
        }
    });
}

fn unfailing<T>(result: Result<T, Infallible>) -> T {
    match result {
        Ok(value) => value,
        Err(never) => match never {},
    }
}
