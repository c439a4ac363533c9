//! A client of one of the replicas, state of the world or delta, that keeps what it is sent and
//! comes back when its stream ends.

use prost::Message;
use pushlane::adapters::xds::TypeUrl;
use pushlane::adapters::xds::proto::{
    Any, DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse, Node,
};
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::codegen::tokio_stream::Stream;
use tonic::transport::Endpoint;
use tonic::{Request, Streaming};
use tonic_prost::ProstCodec;

/// What is asked for, all of each.
pub(crate) const TYPES: [&str; 2] = [TypeUrl::CLUSTER, TypeUrl::LISTENER];

/// What a client has of one type.
#[derive(Clone, Debug, Default)]
pub(crate) struct Held {
    /// By name: the number in the resource, and its version.
    pub(crate) resources: BTreeMap<String, (String, String)>,
    pub(crate) revision: u64,
}

#[derive(Default)]
pub(crate) struct Client {
    pub(crate) index: usize,
    pub(crate) held: Mutex<[Held; 2]>,
    /// Nothing is taken or answered for now.
    pub(crate) hold: AtomicBool,
    /// Its stream is to end, and the client comes back.
    pub(crate) again: Notify,
    /// Streams on which something was answered.
    pub(crate) streams: AtomicUsize,
    /// What should not have happened.
    pub(crate) wrong: Mutex<Vec<String>>,
}

/// A cluster's `alt_stat_name` and a listener's `stat_prefix` have the same place.
#[derive(Clone, PartialEq, Message)]
struct Numbered {
    #[prost(string, tag = "28")]
    number: String,
}

struct Requests<Q>(mpsc::UnboundedReceiver<Q>);

impl<Q> Stream for Requests<Q> {
    type Item = Q;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Q>> {
        self.0.poll_recv(context)
    }
}

type Opened<Q, A> = (mpsc::UnboundedSender<Q>, Streaming<A>);

async fn open<Q, A>(address: &str, method: &str, first: Vec<Q>) -> Option<Opened<Q, A>>
where
    Q: Message + Default + Debug + 'static,
    A: Message + Default + Debug + 'static,
{
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    let channel = endpoint.connect_timeout(Duration::from_secs(2)).connect().await.ok()?;
    let (requests, stream) = mpsc::unbounded_channel();
    first.into_iter().for_each(|request| requests.send(request).unwrap());
    let mut grpc = tonic::client::Grpc::new(channel);
    grpc.ready().await.ok()?;
    let path = format!("/envoy.service.discovery.v3.AggregatedDiscoveryService/{method}");
    let path = PathAndQuery::try_from(path).unwrap();
    let codec = ProstCodec::<Q, A>::default();
    let response = grpc.streaming(Request::new(Requests(stream)), path, codec).await.ok()?;
    Some((requests, response.into_inner()))
}

impl Client {
    /// For ever; each time with another replica, drawn from `random`. From one that is not there or
    /// refuses it goes to the next.
    pub(crate) async fn run(self: Arc<Self>, replicas: Vec<String>, mut random: u64) {
        let mut next = None;
        loop {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let at = next.unwrap_or((random >> 33) as usize) % replicas.len();
            let opened = if self.index.is_multiple_of(2) {
                self.sotw(&replicas[at]).await
            } else {
                self.delta(&replicas[at]).await
            };
            next = opened.is_none().then_some(at + 1);
            tokio::time::sleep(Duration::from_millis(100 + (random >> 40) % 200)).await;
        }
    }

    fn node(&self) -> Option<Node> {
        Some(Node { id: format!("client-{}", self.index), ..Node::default() })
    }

    /// `None`: there was no stream.
    async fn sotw(&self, address: &str) -> Option<()> {
        let held = self.held.lock().unwrap().clone();
        let first = TYPES.iter().zip(&held).map(|(kind, held)| DiscoveryRequest {
            node: self.node(),
            type_url: (*kind).into(),
            version_info: if held.revision > 0 { held.revision.to_string() } else { String::new() },
            ..DiscoveryRequest::default()
        });
        let opened = open(address, "StreamAggregatedResources", first.collect()).await;
        let (requests, mut responses) = opened?;
        let mut first = true;
        while let Some(response) = self.next(&mut responses).await {
            let DiscoveryResponse { version_info, resources, type_url, nonce, .. } = response;
            self.released().await;
            let read = |bytes: &bytes::Bytes| {
                let any = Any::decode(bytes.clone()).unwrap();
                let name = Named::decode(any.value.clone()).unwrap().name;
                (name, (number(&any), String::new()))
            };
            let resources = resources.iter().map(read).collect();
            self.take(&type_url, &version_info, |held| held.resources = resources);
            let ack = DiscoveryRequest {
                node: self.node(),
                type_url,
                version_info,
                response_nonce: nonce,
                ..DiscoveryRequest::default()
            };
            if requests.send(ack).is_err() {
                break;
            }
            self.streams.fetch_add(usize::from(std::mem::take(&mut first)), SeqCst);
        }
        Some(())
    }

    /// `None`: there was no stream.
    async fn delta(&self, address: &str) -> Option<()> {
        let held = self.held.lock().unwrap().clone();
        let versions = |held: &Held| {
            let each = held.resources.iter();
            each.map(|(name, (_, version))| (name.clone(), version.clone())).collect()
        };
        let first = TYPES.iter().zip(&held).map(|(kind, held)| DeltaDiscoveryRequest {
            node: self.node(),
            type_url: (*kind).into(),
            resource_names_subscribe: vec!["*".into()],
            initial_resource_versions: versions(held),
            ..DeltaDiscoveryRequest::default()
        });
        let opened = open(address, "DeltaAggregatedResources", first.collect()).await;
        let (requests, mut responses) = opened?;
        let mut first = true;
        while let Some(response) = self.next(&mut responses).await {
            let response: DeltaDiscoveryResponse = response;
            self.released().await;
            self.take(&response.type_url, &response.system_version_info, |held| {
                for resource in &response.resources {
                    let any = Any::decode(resource.resource.clone()).unwrap();
                    let what = (number(&any), resource.version.clone());
                    held.resources.insert(resource.name.clone(), what);
                }
                for name in &response.removed_resources {
                    held.resources.remove(name);
                }
            });
            let ack = DeltaDiscoveryRequest {
                type_url: response.type_url,
                response_nonce: response.nonce,
                ..DeltaDiscoveryRequest::default()
            };
            if requests.send(ack).is_err() {
                break;
            }
            self.streams.fetch_add(usize::from(std::mem::take(&mut first)), SeqCst);
        }
        Some(())
    }

    /// `None`: the stream has ended, or is to.
    async fn next<A>(&self, responses: &mut Streaming<A>) -> Option<A> {
        tokio::select! {
            response = responses.message() => response.ok().flatten(),
            () = self.again.notified() => None,
        }
    }

    async fn released(&self) {
        while self.hold.load(SeqCst) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn take(&self, type_url: &str, revision: &str, change: impl FnOnce(&mut Held)) {
        let at = TYPES.iter().position(|kind| *kind == type_url).unwrap();
        let held = &mut self.held.lock().unwrap()[at];
        let revision = revision.parse().unwrap();
        if revision < held.revision {
            let what = format!("client-{}: {revision} after {}", self.index, held.revision);
            self.wrong.lock().unwrap().push(what);
        }
        held.revision = revision;
        change(held);
    }
}

#[derive(Clone, PartialEq, Message)]
struct Named {
    #[prost(string, tag = "1")]
    name: String,
}

fn number(any: &Any) -> String {
    Numbered::decode(any.value.clone()).unwrap().number
}
