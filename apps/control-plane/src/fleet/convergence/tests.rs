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

/// A server, and two clients that have acknowledged all there is: revision 1.
struct Rig {
    ads: Ads,
    server: tokio::task::JoinHandle<()>,
    convergence: Convergence,
    clients: Vec<Client>,
}

impl Rig {
    async fn start() -> Self {
        let ads = Ads::builder().start();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serve = Server::plaintext(&ads).serve(listener, std::future::pending());
        let server = tokio::spawn(async { serve.await.unwrap() });
        let convergence = Convergence::new(ads.clone(), GRACE);
        let mut rig = Self { ads, server, convergence, clients: Vec::new() };
        rig.publish(1);
        for id in ["first", "second"] {
            rig.clients.push(Client::connect(address, id).await);
        }
        rig.acknowledge(&[0, 1]).await;
        while rig.convergence.settled.len() < 2 {
            rig.revision(Instant::now()).await;
            tokio::task::yield_now().await;
        }
        rig
    }

    fn publish(&mut self, revision: u64) {
        let cluster = Resource::new(TypeUrl::CLUSTER, "c", revision.to_string(), vec![]);
        let published = self.ads.set("default", [cluster]).unwrap();
        let (at, published) = (Instant::now(), vec![published]);
        let (broken_since, restored) = (None, false);
        self.convergence.published(Step { revision, at, published, broken_since, restored });
    }

    async fn acknowledge(&mut self, clients: &[usize]) {
        for &client in clients {
            self.clients[client].acknowledge().await;
        }
    }

    /// Until so many clients lack the newest revision.
    async fn late(&self, count: usize) {
        let newest = &self.convergence.waiting.back().unwrap().published[0];
        until(|| self.ads.laggards(newest).len() == count).await;
    }

    /// The last `count` of the clients stay.
    async fn leave(&mut self, count: usize) {
        self.clients.drain(..self.clients.len() - count);
        until(|| self.ads.metrics().streams == count as u64).await;
    }

    async fn revision(&mut self, now: Instant) -> u64 {
        self.convergence.look(now).await.revision
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.server.abort();
    }
}

const MOMENT: Duration = Duration::from_millis(1);

#[tokio::test]
async fn clients_that_left_with_different_debts_hold_all_of_them_for_one_grace() {
    let mut rig = Rig::start().await;
    rig.publish(2);
    rig.acknowledge(&[0, 1]).await;
    rig.late(0).await;
    // The first lacks 3, the second only 4.
    rig.publish(3);
    rig.acknowledge(&[1]).await;
    rig.late(1).await;
    rig.publish(4);
    assert_eq!(rig.revision(Instant::now()).await, 2);
    rig.leave(0).await;
    rig.late(0).await;

    let left = Instant::now();
    assert_eq!(rig.revision(left).await, 2);
    assert_eq!(rig.revision(left + GRACE - MOMENT).await, 2, "they may be on their way");
    assert_eq!(rig.revision(left + GRACE).await, 4);
}

#[tokio::test]
async fn a_client_that_left_with_all_there_was_holds_what_comes_next_for_a_quarter_of_that() {
    let mut rig = Rig::start().await;
    rig.leave(1).await;
    rig.publish(2);
    rig.acknowledge(&[0]).await;
    rig.late(0).await;

    let left = Instant::now();
    let seen = rig.convergence.look(left).await;
    assert_eq!(
        (seen.revision, &*seen.behind),
        (1, &["clients that have just come or left".into()][..])
    );
    assert_eq!(rig.revision(left + GRACE / 4 - MOMENT).await, 1, "it may be on its way");
    let seen = rig.convergence.look(left + GRACE / 4).await;
    assert_eq!((seen.revision, seen.behind_count), (2, 0));
    rig.publish(3);
    rig.acknowledge(&[0]).await;
    rig.late(0).await;
    assert_eq!(rig.revision(left + GRACE / 4).await, 3);
}

#[tokio::test]
async fn a_client_that_left_and_had_what_the_others_lack_holds_nothing() {
    let mut rig = Rig::start().await;
    rig.publish(2);
    rig.acknowledge(&[0]).await;
    rig.late(1).await;
    assert_eq!(rig.revision(Instant::now()).await, 1);
    rig.leave(1).await;
    rig.acknowledge(&[0]).await;
    rig.late(0).await;
    assert_eq!(rig.revision(Instant::now()).await, 2);
}
