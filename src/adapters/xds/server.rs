//! [`Server`]: connections for the service, with TLS unless plaintext is asked for.

use core::fmt;
use core::future::Future;
use core::hash::BuildHasher;
use core::pin::pin;
use core::sync::atomic::Ordering::Relaxed;
use core::time::Duration;
use std::collections::hash_map::RandomState;
use std::io;
use std::sync::Arc;

use ::tokio::io::{AsyncRead, AsyncWrite};
use ::tokio::net::{TcpListener, TcpStream};
use ::tokio::select;
use ::tokio::task::JoinSet;
use ::tokio::time::{sleep, timeout};
use bytes::Bytes;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tonic::codegen::Service;

use super::ads::Ads;
use super::connection::{Admitted, Connection, Connections, Ending};
use super::heard::Heard;
use super::identity::Identity;
use super::service::Extras;
use super::state::Phase;
use super::tls::Tls;

/// A server is built with [`Server::tls`], or, where nobody else can listen, with
/// [`Server::plaintext`].
///
/// ```no_run
/// use pushlane::adapters::xds::{Ads, Server};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let ads = Ads::builder().start();
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:18000").await?;
/// let for_ever = std::future::pending();
/// Server::plaintext(&ads).serve(listener, for_ever).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Server;

impl Server {
    /// Without encryption, and without knowing who a client is: for loopback, or behind something
    /// that does both.
    pub fn plaintext(ads: &Ads) -> ServerBuilder {
        ServerBuilder::new(ads, None)
    }

    /// With TLS. The certificates can be [replaced](Tls::replace) while the server runs.
    ///
    /// ```no_run
    /// use pushlane::adapters::xds::{Ads, Server, Tls};
    ///
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let (certificate, key) = (std::fs::read("cert.pem")?, std::fs::read("key.pem")?);
    /// let tls = Tls::new(&certificate, &key)?;
    /// let ads = Ads::builder().start();
    /// let server = Server::tls(&ads, &tls);
    /// // Later, when the files have changed:
    /// tls.replace(&Tls::new(&certificate, &key)?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn tls(ads: &Ads, tls: &Tls) -> ServerBuilder {
        ServerBuilder::new(ads, Some(tls.clone()))
    }
}

/// What else there is to say about a server, before it [serves](ServerBuilder::serve).
///
/// ```no_run
/// use std::time::Duration;
/// use pushlane::adapters::xds::{Ads, Server};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let ads = Ads::builder().start();
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:18000").await?;
/// Server::plaintext(&ads)
///     .max_connections(5_000)
///     .max_connection_age(Some(Duration::from_secs(30 * 60)))
///     .health(true)
///     .serve(listener, std::future::pending())
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ServerBuilder {
    ads: Ads,
    tls: Option<Tls>,
    handshake: Duration,
    keepalive: Option<(Duration, Duration)>,
    age: Option<Duration>,
    grace: Duration,
    preface: Duration,
    first_stream: Duration,
    connections: usize,
    of_peer: Option<usize>,
    extras: Extras,
}

impl fmt::Debug for ServerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerBuilder").field("tls", &self.tls.is_some()).finish_non_exhaustive()
    }
}

/// What one connection may hold that its client doesn't read.
const SEND_BUFFER: usize = 256 << 10;

impl ServerBuilder {
    fn new(ads: &Ads, tls: Option<Tls>) -> Self {
        ServerBuilder {
            ads: ads.clone(),
            tls,
            handshake: Duration::from_secs(5),
            keepalive: Some((Duration::from_secs(30), Duration::from_secs(10))),
            age: Some(Duration::from_secs(30 * 60)),
            grace: Duration::from_secs(5),
            preface: Duration::from_secs(5),
            first_stream: Duration::from_secs(30),
            of_peer: None,
            extras: Extras::default(),
            connections: ads.limits().streams.saturating_mul(2).max(64),
        }
    }

    /// How often a silent connection is asked whether it is alive, and how long it may take to
    /// answer before it is closed. `None`: never. Default: 30 s and 10 s.
    #[must_use]
    pub fn keepalive(mut self, interval_and_timeout: Option<(Duration, Duration)>) -> Self {
        self.keepalive = interval_and_timeout;
        self
    }

    /// After how long a connection is closed in good order, so that clients spread over servers
    /// anew. Each connection's own limit is up to a tenth more or less, so that they don't all come
    /// back together. `None`: never. Default: 30 minutes.
    #[must_use]
    pub fn max_connection_age(mut self, age: Option<Duration>) -> Self {
        self.age = age;
        self
    }

    /// How long the end waits for what has been published to be answered. Default: 5 s.
    #[must_use]
    pub fn drain_grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// How many connections there may be at once. One more takes the place of the one that has had
    /// no stream for the longest time; if all have streams, it is closed as soon as it is accepted.
    /// Default: twice as many as [streams](super::Limits::streams), and at least 64.
    #[must_use]
    pub fn max_connections(mut self, most: usize) -> Self {
        self.connections = most;
        self
    }

    /// How many connections there may be from one address. One more takes the place of an idle one
    /// of the same address, or is closed. Default: three quarters of
    /// [all](ServerBuilder::max_connections).
    #[must_use]
    pub fn max_connections_per_peer(mut self, most: usize) -> Self {
        self.of_peer = Some(most);
        self
    }

    /// How long a connection may take to begin with HTTP/2, after TLS. Default: 5 s.
    #[must_use]
    pub fn preface_timeout(mut self, limit: Duration) -> Self {
        self.preface = limit;
        self
    }

    /// How long a connection may take to open its first stream. Default: 30 s.
    #[must_use]
    pub fn first_stream_timeout(mut self, limit: Duration) -> Self {
        self.first_stream = limit;
        self
    }

    /// Whether `grpc.health.v1.Health` is served on the same port: `SERVING` until the server is
    /// drained. Default: no.
    #[must_use]
    pub fn health(mut self, served: bool) -> Self {
        self.extras.health = served;
        self
    }

    /// Whether client status discovery (CSDS) is served on the same port: each client's node, and
    /// by type how far it is. Everybody who may connect may ask, so it is best behind [mutual
    /// TLS](Tls::mutual). Default: no.
    #[must_use]
    pub fn client_status(mut self, served: bool) -> Self {
        self.extras.client_status = served;
        self
    }

    /// How long TLS may take to be agreed upon. Default: 5 s.
    #[must_use]
    pub fn handshake_timeout(mut self, limit: Duration) -> Self {
        self.handshake = limit;
        self
    }

    /// Serves until `stop`, then [drains](Ads::drain) and closes every connection.
    ///
    /// # Errors
    ///
    /// What the listener says when it can't accept any more.
    pub async fn serve(
        self,
        listener: TcpListener,
        stop: impl Future<Output = ()>,
    ) -> io::Result<()> {
        let mut stop = pin!(stop);
        let of_peer = self.of_peer.unwrap_or(self.connections - self.connections / 4);
        let all = Connections::new(self.connections, of_peer);
        let gone = &self.ads.server.counters.connections;
        let mut connections = JoinSet::new();
        loop {
            let accepted = select! {
                () = stop.as_mut() => break,
                _ = connections.join_next(), if !connections.is_empty() => continue,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((socket, peer)) => match all.admit(peer) {
                    Admitted::Yes { connection, instead } => {
                        if instead {
                            gone.replaced.one();
                        }
                        let (server, all) = (self.clone(), Arc::clone(&all));
                        connections.spawn(async move {
                            let mut ending = connection.ending();
                            select! {
                                () = server.connection(socket, Arc::clone(&connection)) => {}
                                // Nothing is said to it, and nothing is kept.
                                _ = ending.wait_for(|ending| *ending == Ending::Gone) => {}
                            }
                            all.left(&connection);
                        });
                    }
                    Admitted::No => gone.refused.one(),
                },
                // The connection's fault, not the listener's.
                Err(error) if is_momentary(&error) => {}
                // No file descriptors left, as a rule: connections that end will free some.
                Err(error) if error.raw_os_error().is_some() => sleep(PAUSE).await,
                Err(error) => return Err(error),
            }
        }
        drop(listener);
        self.ads.drain(self.grace).await;
        let ended = async { while connections.join_next().await.is_some() {} };
        // A client that doesn't read that its stream has ended is cut off.
        let _ = timeout(LAST_WORDS, ended).await;
        Ok(())
    }

    async fn connection(self, socket: TcpStream, connection: Arc<Connection>) {
        // Responses are written whole; waiting to fill a packet only delays them.
        let _ = socket.set_nodelay(true);
        let Some(tls) = &self.tls else {
            return self.http2(socket, connection, None).await;
        };
        let Ok(Ok(stream)) = timeout(self.handshake, tls.acceptor().accept(socket)).await else {
            return;
        };
        let chain = stream.get_ref().1.peer_certificates();
        let identity = chain
            .map(|chain| Identity::from_chain(chain.iter().map(|one| Bytes::copy_from_slice(one))));
        self.http2(stream, connection, identity).await;
    }

    async fn http2<IO>(self, io: IO, connection: Arc<Connection>, identity: Option<Identity>)
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder.timer(TokioTimer::new()).max_send_buf_size(SEND_BUFFER);
        if let Some((interval, limit)) = self.keepalive {
            builder.keep_alive_interval(interval).keep_alive_timeout(limit);
        }
        let service = self.ads.service().with(self.extras);
        let of = Arc::clone(&connection);
        let served = service_fn(move |mut request: http::Request<hyper::body::Incoming>| {
            of.used.store(true, Relaxed);
            request.extensions_mut().insert(Arc::clone(&of));
            if let Some(identity) = &identity {
                request.extensions_mut().insert(identity.clone());
            }
            service.clone().call(request)
        });
        let io = Heard::new(io, Arc::clone(&connection));
        let mut http = pin!(builder.serve_connection(TokioIo::new(io), served));
        let mut ending = connection.ending();
        let mut unheard = pin!(self.unheard(&connection));
        let mut phase = self.ads.server.phase.subscribe();
        let aged = async {
            match self.age {
                Some(age) => sleep(jittered(age)).await,
                None => core::future::pending().await,
            }
        };
        let mut aged = pin!(aged);
        select! {
            // First what is to be said of the connection, then of its streams.
            biased;
            _ = ending.wait_for(|ending| *ending != Ending::Open) => {}
            _ = phase.wait_for(|phase| *phase == Phase::Stopped) => {}
            () = aged.as_mut() => connection.end(Ending::Closing),
            () = unheard.as_mut() => return,
            _ = http.as_mut() => return,
        }
        http.as_mut().graceful_shutdown();
        select! {
            // A time that is up is not asked again: the ending is there by then.
            biased;
            _ = ending.wait_for(|ending| *ending > Ending::Leaving) => {}
            _ = phase.wait_for(|phase| *phase == Phase::Stopped) => {}
            () = aged.as_mut() => connection.end(Ending::Closing),
            _ = http.as_mut() => return,
        }
        let _ = timeout(LAST_WORDS, http).await;
    }
}

impl ServerBuilder {
    /// Waits until a deadline of a connection that says nothing has passed.
    async fn unheard(&self, connection: &Connection) {
        let gone = &self.ads.server.counters.connections;
        sleep(self.preface.min(self.first_stream)).await;
        if !connection.spoken.load(Relaxed) {
            return gone.silent.one();
        }
        sleep(self.first_stream.saturating_sub(self.preface)).await;
        if !connection.used.load(Relaxed) {
            return gone.unused.one();
        }
        core::future::pending().await
    }
}

/// How long a connection may take to read that it is over.
const LAST_WORDS: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(50);

fn is_momentary(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}

/// Up to a tenth more or less.
fn jittered(age: Duration) -> Duration {
    let random = RandomState::new().hash_one(0) as u32;
    age.mul_f64(0.9 + 0.2 * f64::from(random) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    #[test]
    fn ages_are_spread_within_a_tenth() {
        let age = Duration::from_secs(100);
        let ages: Vec<_> = (0..100).map(|_| jittered(age)).collect();
        assert!(ages.iter().all(|age| (90..=110).contains(&age.as_secs())));
        assert!(ages.iter().max() > ages.iter().min());
    }
}
