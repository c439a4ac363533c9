//! Clients: each opens a stream, lives for a while in its own way, and comes back.

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use prost::Message;
use pushlane::adapters::xds::TypeUrl;
use pushlane::adapters::xds::proto::{
    Any, DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse, Node,
    Status as Reason,
};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::codegen::tokio_stream::Stream;
use tonic::transport::Channel;
use tonic::{Status, Streaming};
use tonic_prost::ProstCodec;

use crate::world::{Held, Random, World, read, some_services};

const SOTW: &str =
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources";
const DELTA: &str =
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";

/// What clients have been through. For people: nothing is ordered by it.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    lives: AtomicU64,
    accepted: AtomicU64,
    rejected: AtomicU64,
    stalls: AtomicU64,
    connections_cut: AtomicU64,
    /// Streams that the server has ended, with a status or in good order.
    ended: AtomicU64,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [lives, accepted, rejected, stalls, cut, ended] = [
            &self.lives,
            &self.accepted,
            &self.rejected,
            &self.stalls,
            &self.connections_cut,
            &self.ended,
        ]
        .map(|counter| counter.load(Relaxed));
        write!(
            f,
            "{lives} streams opened, {accepted} responses accepted and {rejected} rejected, \
             {stalls} stalls, {cut} connections cut, {ended} streams ended by the server"
        )
    }
}

fn one(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}

/// Clients on one connection, which dies now and then.
pub(crate) struct Group {
    number: usize,
    address: SocketAddr,
    world: Arc<World>,
    tally: Arc<Tally>,
}

impl Group {
    pub(crate) fn new(
        number: usize,
        address: SocketAddr,
        world: Arc<World>,
        tally: Arc<Tally>,
    ) -> Self {
        Group { number, address, world, tally }
    }

    pub(crate) async fn run(self, streams: usize, mut quiet: watch::Receiver<bool>) {
        let mut random = Random::new(self.number as u64 + 7);
        loop {
            let Some(channel) = connect(self.address).await else {
                sleep(Duration::from_millis(200)).await;
                continue;
            };
            let mut clients = JoinSet::new();
            for index in 0..streams {
                let client = Client {
                    number: self.number * streams + index,
                    world: Arc::clone(&self.world),
                    tally: Arc::clone(&self.tally),
                    random: Random::new(random.next()),
                };
                clients.spawn(client.run(channel.clone(), quiet.clone()));
            }
            drop(channel);
            let death = Instant::now() + Duration::from_millis(5_000 + random.below(85_000) as u64);
            tokio::select! {
                () = sleep_until(death) => {}
                () = nothing_changes(&mut quiet) => {}
            }
            let at_rest = *quiet.borrow();
            if at_rest {
                // Connections end only by their age, and clients go on until they are shut down.
                while clients.join_next().await.is_some() {}
            }
            one(&self.tally.connections_cut);
            // All streams at once, without a word.
            clients.shutdown().await;
        }
    }
}

async fn nothing_changes(quiet: &mut watch::Receiver<bool>) {
    // The sender outlives all clients.
    let _ = quiet.wait_for(|quiet| *quiet).await;
}

async fn connect(address: SocketAddr) -> Option<Channel> {
    Channel::from_shared(format!("http://{address}")).ok()?.connect().await.ok()
}

/// How a stream ends.
enum End {
    /// The client's own way.
    Own,
    /// The server or the connection.
    Other,
}

struct Client {
    number: usize,
    world: Arc<World>,
    tally: Arc<Tally>,
    random: Random,
}

impl Client {
    /// One life after the other.
    async fn run(mut self, channel: Channel, quiet: watch::Receiver<bool>) {
        loop {
            one(&self.tally.lives);
            let lived = if self.random.below(2) == 0 {
                self.live::<DiscoveryRequest, DiscoveryResponse>(&channel, quiet.clone()).await
            } else {
                self.live::<DeltaDiscoveryRequest, DeltaDiscoveryResponse>(&channel, quiet.clone())
                    .await
            };
            match lived {
                Ok(End::Own) => {}
                Ok(End::Other) => one(&self.tally.ended),
                // The connection has aged, or is full; the channel makes another one.
                Err(_) => sleep(Duration::from_millis(100)).await,
            }
        }
    }

    async fn live<Q, A>(
        &mut self,
        channel: &Channel,
        mut quiet: watch::Receiver<bool>,
    ) -> Result<End, Status>
    where
        Q: Protocol<A>,
        A: Message + Default + Send + 'static,
    {
        let services = some_services(&mut self.random);
        let held = self.world.client(self.number, services.clone());
        let (requests, mut responses) = open::<Q, A>(channel.clone()).await?;
        for first in Q::first(&self.number.to_string(), &services) {
            let _ = requests.send(first);
        }
        let death = Instant::now() + Duration::from_millis(500 + self.random.below(40_000) as u64);
        let stalls = self.random.below(20) == 0;
        loop {
            let alive = !*quiet.borrow();
            let response = tokio::select! {
                response = responses.message() => response,
                () = sleep_until(death), if alive => return Ok(End::Own),
                // Whatever it is doing ends, and it goes on as a client that answers.
                () = nothing_changes(&mut quiet), if alive => continue,
            };
            let Ok(Some(response)) = response else { return Ok(End::Other) };
            if stalls && !*quiet.borrow() {
                one(&self.tally.stalls);
                // Until the server has had enough of it, or it dies. Nothing is read meanwhile.
                let longest = Instant::now() + Duration::from_secs(30);
                tokio::select! {
                    () = sleep_until(death.max(longest)) => {}
                    () = nothing_changes(&mut quiet) => {}
                }
                return Ok(End::Own);
            }
            if self.random.below(100) == 0 {
                sleep(Duration::from_millis(self.random.below(2_000) as u64)).await;
            }
            // Of clusters a response is a whole set: to reject one would be to keep what is gone.
            let rejects = self.random.below(10) == 0;
            let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
            let (answer, rejected) = Q::answer(&response, &mut held, rejects);
            drop(held);
            one(if rejected { &self.tally.rejected } else { &self.tally.accepted });
            let _ = requests.send(answer);
        }
    }
}

struct Requests<Q>(mpsc::UnboundedReceiver<Q>);

impl<Q> Stream for Requests<Q> {
    type Item = Q;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Q>> {
        self.0.poll_recv(context)
    }
}

async fn open<Q, A>(channel: Channel) -> Result<(mpsc::UnboundedSender<Q>, Streaming<A>), Status>
where
    Q: Protocol<A>,
    A: Message + Default + Send + 'static,
{
    let (requests, stream) = mpsc::unbounded_channel();
    let mut grpc = tonic::client::Grpc::new(channel);
    grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
    let request = tonic::Request::new(Requests(stream));
    let path = PathAndQuery::from_static(Q::PATH);
    let response = grpc.streaming(request, path, ProstCodec::<Q, A>::default()).await?;
    Ok((requests, response.into_inner()))
}

/// A variant of the protocol, as a client speaks it.
trait Protocol<A>: Message + Default + Send + 'static {
    const PATH: &'static str;

    /// All clusters, and these endpoints.
    fn first(node: &str, services: &BTreeSet<String>) -> [Self; 2];

    /// Takes a response, or rejects it; whether it has.
    fn answer(response: &A, held: &mut Held, rejects: bool) -> (Self, bool);
}

fn node(id: &str) -> Option<Node> {
    Some(Node { id: id.into(), ..Node::default() })
}

fn reason() -> Option<Reason> {
    Some(Reason { code: 3, message: "not today".into() })
}

fn known(type_url: &str) -> &'static str {
    match type_url {
        TypeUrl::CLUSTER => TypeUrl::CLUSTER,
        TypeUrl::ENDPOINTS => TypeUrl::ENDPOINTS,
        other => panic!("nobody has asked for {other}"),
    }
}

fn body(any: &[u8]) -> (String, u64) {
    let any = Any::decode(any).expect("an Any");
    read(&any.value).expect("a resource of this program")
}

impl Held {
    fn take(&mut self, of: &'static str, name: String, version: u64) {
        self.have.insert((of, name), version);
    }

    /// What is new in the response is what is rejected.
    fn reject(&mut self, of: &'static str, name: String, version: u64) {
        if self.have.get(&(of, name.clone())) != Some(&version) {
            self.rejected.insert((of, name, version));
        }
    }
}

impl Protocol<DiscoveryResponse> for DiscoveryRequest {
    const PATH: &'static str = SOTW;

    fn first(id: &str, services: &BTreeSet<String>) -> [Self; 2] {
        let ask = |type_url: &str, resource_names| DiscoveryRequest {
            node: node(id),
            type_url: type_url.into(),
            resource_names,
            ..DiscoveryRequest::default()
        };
        let names = services.iter().cloned().collect();
        [ask(TypeUrl::CLUSTER, Vec::new()), ask(TypeUrl::ENDPOINTS, names)]
    }

    fn answer(response: &DiscoveryResponse, held: &mut Held, rejects: bool) -> (Self, bool) {
        let of = known(&response.type_url);
        let rejects = rejects && of == TypeUrl::ENDPOINTS;
        if of == TypeUrl::CLUSTER {
            held.have.retain(|(of, _), _| *of != TypeUrl::CLUSTER);
        }
        for (name, version) in response.resources.iter().map(|any| body(any)) {
            if rejects { held.reject(of, name, version) } else { held.take(of, name, version) }
        }
        let names = held.services.iter().filter(|_| of == TypeUrl::ENDPOINTS);
        let answer = DiscoveryRequest {
            version_info: if rejects { String::new() } else { response.version_info.clone() },
            response_nonce: response.nonce.clone(),
            type_url: response.type_url.clone(),
            resource_names: names.cloned().collect(),
            error_detail: rejects.then(reason).flatten(),
            node: None,
        };
        (answer, rejects)
    }
}

impl Protocol<DeltaDiscoveryResponse> for DeltaDiscoveryRequest {
    const PATH: &'static str = DELTA;

    fn first(id: &str, services: &BTreeSet<String>) -> [Self; 2] {
        let ask = |type_url: &str, names| DeltaDiscoveryRequest {
            node: node(id),
            type_url: type_url.into(),
            resource_names_subscribe: names,
            ..DeltaDiscoveryRequest::default()
        };
        let names = services.iter().cloned().collect();
        [ask(TypeUrl::CLUSTER, Vec::new()), ask(TypeUrl::ENDPOINTS, names)]
    }

    fn answer(response: &DeltaDiscoveryResponse, held: &mut Held, rejects: bool) -> (Self, bool) {
        let of = known(&response.type_url);
        let rejects = rejects && of == TypeUrl::ENDPOINTS;
        for (name, version) in response.resources.iter().map(|one| body(&one.resource)) {
            if rejects { held.reject(of, name, version) } else { held.take(of, name, version) }
        }
        for name in &response.removed_resources {
            held.have.remove(&(of, name.clone()));
        }
        let answer = DeltaDiscoveryRequest {
            response_nonce: response.nonce.clone(),
            type_url: response.type_url.clone(),
            error_detail: rejects.then(reason).flatten(),
            ..DeltaDiscoveryRequest::default()
        };
        (answer, rejects)
    }
}
