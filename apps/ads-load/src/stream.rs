//! One client: subscribes, answers, and keeps what it has.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use prost::Message;
use pushlane::adapters::xds::TypeUrl;
use pushlane::adapters::xds::proto::{
    Any, DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse, Node,
};
use tokio::sync::mpsc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::codegen::tokio_stream::Stream;
use tonic::transport::Channel;
use tonic_prost::ProstCodec;

use crate::cli::Kind;
use crate::world::{EVERYONE, Service, now};

const SOTW: &str =
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources";
const DELTA: &str =
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";

/// How long a slow client takes to answer.
const SLOW: Duration = Duration::from_secs(2);

/// What a client watches, and what it has of it.
#[derive(Default)]
pub(crate) struct Client {
    pub(crate) names: Vec<String>,
    pub(crate) versions: Mutex<HashMap<String, u64>>,
}

/// What all clients have seen together.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) ready: AtomicUsize,
    /// Streams that were ended by the server.
    pub(crate) ended: AtomicUsize,
    pub(crate) responses: AtomicUsize,
    /// From when a change was due to its ACK, in microseconds, of healthy clients: changes for
    /// some, and for everybody.
    pub(crate) some: Mutex<Vec<u32>>,
    pub(crate) everyone: Mutex<Vec<u32>>,
}

/// One of the two protocols, as far as a client of one type needs it.
trait Protocol {
    const METHOD: &'static str;
    type Request: Message + Default + Send + 'static;
    type Response: Message + Default + Send + 'static;

    fn subscribe(node: Node, names: Vec<String>) -> Self::Request;
    /// The encoded `Any` of each resource, and the answer.
    fn read(response: Self::Response, names: &[String]) -> (Vec<Bytes>, Self::Request);
}

struct Sotw;

impl Protocol for Sotw {
    const METHOD: &'static str = SOTW;
    type Request = DiscoveryRequest;
    type Response = DiscoveryResponse;

    fn subscribe(node: Node, names: Vec<String>) -> DiscoveryRequest {
        DiscoveryRequest {
            node: Some(node),
            type_url: TypeUrl::ENDPOINTS.into(),
            resource_names: names,
            ..DiscoveryRequest::default()
        }
    }

    fn read(response: DiscoveryResponse, names: &[String]) -> (Vec<Bytes>, DiscoveryRequest) {
        let answer = DiscoveryRequest {
            type_url: response.type_url,
            resource_names: names.to_vec(),
            response_nonce: response.nonce,
            version_info: response.version_info,
            ..DiscoveryRequest::default()
        };
        (response.resources, answer)
    }
}

struct Delta;

impl Protocol for Delta {
    const METHOD: &'static str = DELTA;
    type Request = DeltaDiscoveryRequest;
    type Response = DeltaDiscoveryResponse;

    fn subscribe(node: Node, names: Vec<String>) -> DeltaDiscoveryRequest {
        DeltaDiscoveryRequest {
            node: Some(node),
            type_url: TypeUrl::ENDPOINTS.into(),
            resource_names_subscribe: names,
            ..DeltaDiscoveryRequest::default()
        }
    }

    fn read(response: DeltaDiscoveryResponse, _: &[String]) -> (Vec<Bytes>, DeltaDiscoveryRequest) {
        let answer = DeltaDiscoveryRequest {
            type_url: response.type_url,
            response_nonce: response.nonce,
            ..DeltaDiscoveryRequest::default()
        };
        (response.resources.into_iter().map(|one| one.resource).collect(), answer)
    }
}

struct Requests<Q>(mpsc::UnboundedReceiver<Q>);

impl<Q> Stream for Requests<Q> {
    type Item = Q;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Q>> {
        self.0.poll_recv(context)
    }
}

/// Runs until the server ends the stream.
pub(crate) async fn run(
    channel: Channel,
    who: (Node, Kind),
    delta: bool,
    client: &Client,
    seen: &Seen,
) -> Result<(), tonic::Status> {
    if delta {
        speak::<Delta>(channel, who, client, seen).await
    } else {
        speak::<Sotw>(channel, who, client, seen).await
    }
}

async fn speak<P: Protocol>(
    channel: Channel,
    (node, kind): (Node, Kind),
    client: &Client,
    seen: &Seen,
) -> Result<(), tonic::Status> {
    let (requests, outgoing) = mpsc::unbounded_channel();
    let _ = requests.send(P::subscribe(node, client.names.clone()));
    let mut grpc = tonic::client::Grpc::new(channel);
    grpc.ready().await.map_err(|error| tonic::Status::unavailable(error.to_string()))?;
    let codec = ProstCodec::<P::Request, P::Response>::default();
    let path = PathAndQuery::from_static(P::METHOD);
    let opening = grpc.streaming(tonic::Request::new(Requests(outgoing)), path, codec);
    let mut responses = opening.await?.into_inner();
    let mut first = true;
    while let Some(response) = responses.message().await? {
        seen.responses.fetch_add(1, Relaxed);
        if kind == Kind::Slow && !first {
            tokio::time::sleep(SLOW).await;
        }
        let (resources, answer) = P::read(response, &client.names);
        let mut due = [Vec::new(), Vec::new()];
        {
            let mut versions = client.versions.lock().expect("not poisoned");
            for any in resources {
                let service = Any::decode(any).ok().and_then(|any| Service::decode(&any.value));
                let Some(service) = service else { continue };
                let before = versions.insert(service.name.clone(), service.version);
                let new = service.due_since(before.unwrap_or(service.version));
                due[usize::from(service.name == EVERYONE)].extend_from_slice(new);
            }
        }
        let _ = requests.send(answer);
        let now = now();
        for (due, all) in due.into_iter().zip([&seen.some, &seen.everyone]) {
            if kind == Kind::Healthy && !due.is_empty() {
                let took = due.into_iter().map(|at| now.saturating_sub(at) as u32);
                all.lock().expect("not poisoned").extend(took);
            }
        }
        if core::mem::take(&mut first) {
            seen.ready.fetch_add(1, Relaxed);
        } else if kind == Kind::Stuck {
            std::future::pending::<()>().await;
        }
    }
    Ok(())
}
