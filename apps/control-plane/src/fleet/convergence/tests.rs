//! Clients that leave while they owe answers, with a real server.

use super::*;
use pushlane::adapters::xds::proto::{DiscoveryRequest, DiscoveryResponse, Node};
use pushlane::adapters::xds::{Resource, Server, TypeUrl};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tonic::Streaming;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::codegen::tokio_stream::Stream;
use tonic::transport::Endpoint;
use tonic_prost::ProstCodec;

const GRACE: Duration = Duration::from_secs(10);

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

struct Client {
    requests: mpsc::UnboundedSender<DiscoveryRequest>,
    responses: Streaming<DiscoveryResponse>,
}

impl Client {
    async fn connect(to: SocketAddr, id: &str) -> Self {
        let (requests, stream) = mpsc::unbounded_channel();
        let node = Some(Node { id: id.into(), ..Node::default() });
        let type_url = TypeUrl::CLUSTER.into();
        requests.send(DiscoveryRequest { node, type_url, ..Default::default() }).unwrap();
        let channel = Endpoint::from_shared(format!("http://{to}")).unwrap();
        let mut grpc = tonic::client::Grpc::new(channel.connect().await.unwrap());
        grpc.ready().await.unwrap();
        let path =
            "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources";
        let (path, codec) = (PathAndQuery::from_static(path), ProstCodec::default());
        let request = tonic::Request::new(Requests(stream));
        let responses = grpc.streaming(request, path, codec).await.unwrap().into_inner();
        Self { requests, responses }
    }

    async fn acknowledge(&mut self) {
        let response = self.responses.message().await.unwrap().unwrap();
        let DiscoveryResponse { type_url, version_info, nonce: response_nonce, .. } = response;
        let ack = DiscoveryRequest { type_url, version_info, response_nonce, ..Default::default() };
        self.requests.send(ack).unwrap();
    }
}

async fn until(mut holds: impl FnMut() -> bool) {
    while !holds() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn clients_that_left_with_different_debts_hold_all_of_them_for_one_grace() {
    let ads = Ads::builder().start();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server::plaintext(&ads).serve(listener, std::future::pending());
    let server = tokio::spawn(server);
    let mut convergence = Convergence::new(ads.clone(), GRACE);
    let publish = |convergence: &mut Convergence, revision: u64| {
        let cluster = Resource::new(TypeUrl::CLUSTER, "c", revision.to_string(), vec![]);
        let published = ads.set("default", [cluster]).unwrap();
        let (at, published) = (Instant::now(), vec![published]);
        convergence.published(Step { revision, at, published, broken_since: None });
    };
    let late = |convergence: &Convergence| {
        let newest = convergence.waiting.back().unwrap();
        ads.laggards(&newest.published[0]).len()
    };
    publish(&mut convergence, 1);
    let (mut first, mut second) =
        (Client::connect(address, "first").await, Client::connect(address, "second").await);
    first.acknowledge().await;
    second.acknowledge().await;
    while convergence.settled.len() < 2 {
        convergence.look(Instant::now()).await;
        tokio::task::yield_now().await;
    }
    publish(&mut convergence, 2);
    first.acknowledge().await;
    second.acknowledge().await;
    until(|| late(&convergence) == 0).await;
    // The first lacks 3, the second only 4.
    publish(&mut convergence, 3);
    second.acknowledge().await;
    until(|| late(&convergence) == 1).await;
    publish(&mut convergence, 4);
    assert_eq!(convergence.look(Instant::now()).await.revision, 2);
    drop((first, second));
    until(|| ads.metrics().streams == 0 && late(&convergence) == 0).await;

    let left = Instant::now();
    let mut at = async |after| convergence.look(left + after).await.revision;
    assert_eq!(at(Duration::ZERO).await, 2);
    assert_eq!(at(GRACE - Duration::from_millis(1)).await, 2, "they may be on their way");
    assert_eq!(at(GRACE).await, 4);
    server.abort();
}
