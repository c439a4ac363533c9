//! One client: subscribes, answers, and keeps what it has.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use prost::Message;
use pushlane::adapters::xds::TypeUrl;
use pushlane::adapters::xds::proto::{Any, DiscoveryRequest, DiscoveryResponse, Node};
use tokio::sync::mpsc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::codegen::tokio_stream::Stream;
use tonic::transport::Channel;
use tonic_prost::ProstCodec;

use crate::cli::Kind;
use crate::world::{EVERYONE, Service, now};

const METHOD: &str =
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources";

/// How long a slow client takes to answer.
const SLOW: Duration = Duration::from_secs(2);

/// What a client has, by name.
#[derive(Default)]
pub(crate) struct Client {
    pub(crate) versions: Mutex<HashMap<String, u64>>,
}

/// What all clients have seen together.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) ready: AtomicUsize,
    /// Streams that were ended by the server.
    pub(crate) ended: AtomicUsize,
    pub(crate) responses: AtomicUsize,
    /// From change to ACK, in microseconds, of healthy clients: changes for some, and for everybody.
    pub(crate) some: Mutex<Vec<u32>>,
    pub(crate) everyone: Mutex<Vec<u32>>,
}

struct Requests(mpsc::UnboundedReceiver<DiscoveryRequest>);

impl Stream for Requests {
    type Item = DiscoveryRequest;

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<DiscoveryRequest>> {
        self.0.poll_recv(context)
    }
}

/// Runs until the server ends the stream.
pub(crate) async fn run(
    channel: Channel,
    (number, kind): (usize, Kind),
    names: Vec<String>,
    client: &Client,
    seen: &Seen,
) -> Result<(), tonic::Status> {
    let (requests, outgoing) = mpsc::unbounded_channel();
    let request = |nonce: String, version_info: String| DiscoveryRequest {
        type_url: TypeUrl::ENDPOINTS.into(),
        resource_names: names.clone(),
        response_nonce: nonce,
        version_info,
        ..DiscoveryRequest::default()
    };
    let node = Some(Node { id: format!("client-{number}"), ..Node::default() });
    let _ = requests.send(DiscoveryRequest { node, ..request(String::new(), String::new()) });
    let mut grpc = tonic::client::Grpc::new(channel);
    grpc.ready().await.map_err(|error| tonic::Status::unavailable(error.to_string()))?;
    let codec = ProstCodec::<DiscoveryRequest, DiscoveryResponse>::default();
    let path = PathAndQuery::from_static(METHOD);
    let opening = grpc.streaming(tonic::Request::new(Requests(outgoing)), path, codec);
    let mut responses = opening.await?.into_inner();
    let mut first = true;
    while let Some(response) = responses.message().await? {
        seen.responses.fetch_add(1, Relaxed);
        if kind == Kind::Slow && !first {
            tokio::time::sleep(SLOW).await;
        }
        let mut made = [Vec::new(), Vec::new()];
        {
            let mut versions = client.versions.lock().expect("not poisoned");
            for any in &response.resources {
                let service =
                    Any::decode(any.clone()).ok().and_then(|any| Service::decode(&any.value));
                let Some(service) = service else { continue };
                let before = versions.insert(service.name.clone(), service.version);
                let new = service.made_since(before.unwrap_or(service.version));
                let which = usize::from(service.name == EVERYONE);
                made[which].extend_from_slice(new);
            }
        }
        let _ = requests.send(request(response.nonce, response.version_info));
        let now = now();
        for (made, all) in made.into_iter().zip([&seen.some, &seen.everyone]) {
            if kind == Kind::Healthy && !made.is_empty() {
                let took = made.into_iter().map(|at| now.saturating_sub(at) as u32);
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
