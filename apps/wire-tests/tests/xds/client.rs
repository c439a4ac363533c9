//! A server on loopback, and a client that says exactly what it is told to.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use prost::Message;
use pushlane::adapters::xds::proto::{
    Any, DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse, Node,
    Status as Reason,
};
use pushlane::adapters::xds::{Ads, Limits, Resource, Server, ServerBuilder, TypeUrl, ViewId};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::codegen::tokio_stream::Stream;
use tonic::transport::Channel;
use tonic::{Code, Status, Streaming};
use tonic_prost::ProstCodec;

pub(crate) const CDS: &str = TypeUrl::CLUSTER;
pub(crate) const EDS: &str = TypeUrl::ENDPOINTS;
pub(crate) const LDS: &str = TypeUrl::LISTENER;
pub(crate) const RDS: &str = TypeUrl::ROUTES;

/// No wait that a test expects to end takes this long.
const LONG: Duration = Duration::from_secs(20);
/// Long enough for a loopback server to have said what it has to say.
const QUIET: Duration = Duration::from_millis(150);

pub(crate) fn resource(type_url: &str, name: &str, version: &str) -> Resource {
    Resource::new(type_url, name, version, format!("{name}@{version}"))
}

/// A cluster whose endpoints are of the same name.
pub(crate) fn cluster(name: &str, version: &str) -> Resource {
    cluster_of(name, version, name)
}

/// A cluster with the endpoints of a service.
pub(crate) fn cluster_of(name: &str, version: &str, service: &str) -> Resource {
    let field = |tag: u8, text: &str| [&[tag, text.len() as u8], text.as_bytes()].concat();
    let eds = field(0x12, service);
    // A version makes other bytes: here, in an alternative statistics name.
    let body = [field(0x0a, name), vec![0x1a, eds.len() as u8], eds, {
        let mut alt = vec![0xe2, 0x01, version.len() as u8];
        alt.extend(version.as_bytes());
        alt
    }];
    Resource::new(CDS, name, version, body.concat())
}

/// A server that ends with the test.
pub(crate) struct Rig {
    pub(crate) ads: Ads,
    pub(crate) addr: SocketAddr,
    pub(crate) stop: Option<oneshot::Sender<()>>,
    pub(crate) served: JoinHandle<std::io::Result<()>>,
}

impl Rig {
    pub(crate) async fn start() -> Rig {
        Rig::with(|_| {}).await
    }

    pub(crate) async fn with(limits: impl FnOnce(&mut Limits)) -> Rig {
        let mut chosen = Limits::default();
        (chosen.streams, chosen.topics) = (200, 64);
        limits(&mut chosen);
        // By cluster, if the client says one.
        let ads = Ads::builder().limits(chosen).view(|node, _| match &*node.cluster {
            "" => Some(ViewId::from("default")),
            "nobody" => None,
            cluster => Some(ViewId::from(cluster)),
        });
        let ads = ads.start();
        let builder = Server::plaintext(&ads);
        Rig::serve(ads, builder).await
    }

    pub(crate) async fn serve(ads: Ads, builder: ServerBuilder) -> Rig {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let served = tokio::spawn(builder.serve(listener, async {
            let _ = stopped.await;
        }));
        Rig { ads, addr, stop: Some(stop), served }
    }

    pub(crate) async fn channel(&self) -> Channel {
        let endpoint = Channel::from_shared(format!("http://{}", self.addr)).unwrap();
        endpoint.connect().await.unwrap()
    }

    pub(crate) async fn sotw(&self) -> Sotw {
        Client::open(self.channel().await, SOTW).await.unwrap()
    }

    pub(crate) async fn delta(&self) -> Delta {
        Client::open(self.channel().await, DELTA).await.unwrap()
    }
}

pub(crate) const SOTW: &str =
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources";
pub(crate) const DELTA: &str =
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";

pub(crate) type Sotw = Client<DiscoveryRequest, DiscoveryResponse>;
pub(crate) type Delta = Client<DeltaDiscoveryRequest, DeltaDiscoveryResponse>;

/// One stream.
pub(crate) struct Client<Q, A> {
    requests: Option<mpsc::UnboundedSender<Q>>,
    pub(crate) responses: Streaming<A>,
}

pub(crate) struct Requests<Q>(mpsc::UnboundedReceiver<Q>);

impl<Q> Stream for Requests<Q> {
    type Item = Q;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Q>> {
        self.0.poll_recv(context)
    }
}

impl<Q, A> Client<Q, A>
where
    Q: Message + Default + std::fmt::Debug + Send + 'static,
    A: Message + Default + std::fmt::Debug + Send + 'static,
{
    /// Opens a stream and says nothing. Returns when the headers are there.
    pub(crate) async fn open(channel: Channel, path: &'static str) -> Result<Self, Status> {
        let (requests, stream) = mpsc::unbounded_channel();
        let mut grpc = tonic::client::Grpc::new(channel).max_decoding_message_size(64 << 20);
        grpc.ready().await.unwrap();
        let codec = ProstCodec::<Q, A>::default();
        let request = tonic::Request::new(Requests(stream));
        let opening = grpc.streaming(request, PathAndQuery::from_static(path), codec);
        let response = timeout(LONG, opening).await.expect("headers")?;
        Ok(Client { requests: Some(requests), responses: response.into_inner() })
    }

    pub(crate) fn send(&self, request: Q) {
        self.requests.as_ref().expect("open").send(request).expect("the stream is open");
    }

    /// Says that nothing more follows.
    pub(crate) fn finish(&mut self) {
        self.requests = None;
    }

    pub(crate) async fn next(&mut self) -> A {
        timeout(LONG, self.responses.message()).await.expect("a response").unwrap().expect("open")
    }

    /// Nothing more is said for a while.
    pub(crate) async fn silent(&mut self) {
        let said = timeout(QUIET, self.responses.message()).await;
        assert!(said.is_err(), "{said:?}");
    }

    /// How the stream ends.
    pub(crate) async fn end(&mut self) -> (Code, String) {
        for _ in 0..1_000 {
            match timeout(LONG, self.responses.message()).await.expect("an end") {
                Ok(Some(_)) => {}
                Ok(None) => return (Code::Ok, String::new()),
                Err(status) => return (status.code(), status.message().into()),
            }
        }
        panic!("it doesn't end");
    }
}

pub(crate) fn node(id: &str) -> Option<Node> {
    Some(Node { id: id.into(), ..Node::default() })
}

/// A node of another view.
pub(crate) fn node_of(id: &str, cluster: &str) -> Option<Node> {
    Some(Node { id: id.into(), cluster: cluster.into(), ..Node::default() })
}

fn strings(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).into()).collect()
}

pub(crate) fn ask(type_url: &str, names: &[&str]) -> DiscoveryRequest {
    DiscoveryRequest {
        node: node("n"),
        type_url: type_url.into(),
        resource_names: strings(names),
        ..DiscoveryRequest::default()
    }
}

/// The answer to a response, with these names.
pub(crate) fn ack(response: &DiscoveryResponse, names: &[&str]) -> DiscoveryRequest {
    DiscoveryRequest {
        version_info: response.version_info.clone(),
        response_nonce: response.nonce.clone(),
        ..ask(&response.type_url, names)
    }
}

pub(crate) fn nack(response: &DiscoveryResponse, names: &[&str], reason: &str) -> DiscoveryRequest {
    let error_detail = Some(Reason { code: 3, message: reason.into() });
    DiscoveryRequest { version_info: String::new(), error_detail, ..ack(response, names) }
}

pub(crate) fn subscribe(type_url: &str, names: &[&str]) -> DeltaDiscoveryRequest {
    DeltaDiscoveryRequest {
        node: node("n"),
        type_url: type_url.into(),
        resource_names_subscribe: strings(names),
        ..DeltaDiscoveryRequest::default()
    }
}

pub(crate) fn unsubscribe(type_url: &str, names: &[&str]) -> DeltaDiscoveryRequest {
    DeltaDiscoveryRequest { resource_names_unsubscribe: strings(names), ..subscribe(type_url, &[]) }
}

pub(crate) fn delta_ack(response: &DeltaDiscoveryResponse) -> DeltaDiscoveryRequest {
    DeltaDiscoveryRequest {
        response_nonce: response.nonce.clone(),
        ..subscribe(&response.type_url, &[])
    }
}

pub(crate) fn delta_nack(response: &DeltaDiscoveryResponse, reason: &str) -> DeltaDiscoveryRequest {
    let error_detail = Some(Reason { code: 3, message: reason.into() });
    DeltaDiscoveryRequest { error_detail, ..delta_ack(response) }
}

/// What a response contains, readable.
pub(crate) trait Contents {
    fn contents(&self) -> Vec<String>;
}

fn text(any: &Bytes) -> String {
    let any = Any::decode(any.clone()).expect("an Any");
    if any.type_url == CDS {
        // The name and the version are the first and the last field.
        let name = &any.value[2..2 + usize::from(any.value[1])];
        let eds = usize::from(any.value[3 + name.len()]);
        let version = &any.value[name.len() + 4 + eds + 3..];
        return String::from_utf8([name, b"@", version].concat()).unwrap();
    }
    String::from_utf8(any.value.to_vec()).expect("text")
}

impl Contents for DiscoveryResponse {
    fn contents(&self) -> Vec<String> {
        self.resources.iter().map(text).collect()
    }
}

impl Contents for DeltaDiscoveryResponse {
    /// With what is removed, as `-name`.
    fn contents(&self) -> Vec<String> {
        let there = self.resources.iter().map(|resource| text(&resource.resource));
        there.chain(self.removed_resources.iter().map(|name| format!("-{name}"))).collect()
    }
}

impl Sotw {
    /// The next response is of this type and contains exactly this.
    pub(crate) async fn expect(&mut self, type_url: &str, contents: &[&str]) -> DiscoveryResponse {
        let response = self.next().await;
        assert_eq!((&*response.type_url, response.contents()), (type_url, strings(contents)));
        response
    }

    /// As `expect`, and accepts it.
    pub(crate) async fn take(&mut self, type_url: &str, contents: &[&str], names: &[&str]) {
        let response = self.expect(type_url, contents).await;
        self.send(ack(&response, names));
    }
}

impl Delta {
    pub(crate) async fn expect(
        &mut self,
        type_url: &str,
        contents: &[&str],
    ) -> DeltaDiscoveryResponse {
        let response = self.next().await;
        assert_eq!((&*response.type_url, response.contents()), (type_url, strings(contents)));
        response
    }

    pub(crate) async fn take(&mut self, type_url: &str, contents: &[&str]) {
        let response = self.expect(type_url, contents).await;
        self.send(delta_ack(&response));
    }
}
