//! Connections to the admin page: few, and none for long.

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// A connection is closed in good order at this age, so that clients that don't read what they
/// asked for can't hold all places.
const AGE: Duration = Duration::from_secs(60);
/// After a failure to accept: no file descriptors are left, as a rule.
const PAUSE: Duration = Duration::from_millis(50);
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How many connections there may be at once, and how long a request may take to come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) connections: usize,
    pub(crate) header: Duration,
}

/// Serves until `stop` is dropped or changed. Beyond the bound, connections wait to be accepted.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    bounds: Bounds,
    mut stop: watch::Receiver<()>,
) {
    let places = Arc::new(Semaphore::new(bounds.connections));
    let mut connections = JoinSet::new();
    loop {
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        tokio::select! {
            _ = stop.changed() => break,
            Some(_) = connections.join_next() => {}
            (place, accepted) = next => match accepted {
                Ok((socket, _)) => {
                    let one = connection(socket, router.clone(), bounds, stop.clone());
                    connections.spawn(async move {
                        one.await;
                        drop(place);
                    });
                }
                Err(_) => sleep(PAUSE).await,
            },
        }
    }
    drop(listener);
    let ended = async { while connections.join_next().await.is_some() {} };
    let _ = timeout(LAST_WORDS, ended).await;
}

async fn connection(
    socket: TcpStream,
    router: Router,
    bounds: Bounds,
    mut stop: watch::Receiver<()>,
) {
    let mut builder = http1::Builder::new();
    // Also the longest time between two requests.
    builder.timer(TokioTimer::new()).header_read_timeout(bounds.header);
    let served = builder.serve_connection(TokioIo::new(socket), TowerToHyperService::new(router));
    let mut served = pin!(served);
    tokio::select! {
        _ = served.as_mut() => return,
        () = sleep(AGE) => {}
        _ = stop.changed() => {}
    }
    served.as_mut().graceful_shutdown();
    let _ = timeout(LAST_WORDS, served).await;
}
