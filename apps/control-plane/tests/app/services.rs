//! What is off by default: health, client status, and lines for large responses.

use crate::plane::{Dir, Plane, clusters};
use prost::Message;
use pushlane::adapters::xds::TypeUrl;
use pushlane::adapters::xds::proto::{DiscoveryRequest, DiscoveryResponse, Node};
use std::fmt::Debug;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::codegen::tokio_stream;
use tonic::transport::Endpoint;
use tonic::{Code, Request, Status, Streaming};
use tonic_prost::ProstCodec;

const HEALTH: &str = "/grpc.health.v1.Health/Check";
const STATUS: &str = "/envoy.service.status.v3.ClientStatusDiscoveryService/FetchClientStatus";
const ADS: &str =
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources";

/// Of each answer the first field: whether it is healthy, and the clients.
#[derive(Clone, PartialEq, Message)]
struct Health {
    #[prost(int32, tag = "1")]
    status: i32,
}

#[derive(Clone, PartialEq, Message)]
struct Clients {
    #[prost(message, repeated, tag = "1")]
    all: Vec<Client>,
}

#[derive(Clone, PartialEq, Message)]
struct Client {
    #[prost(message, optional, tag = "1")]
    node: Option<Node>,
}

async fn grpc(plane: &Plane) -> tonic::client::Grpc<tonic::transport::Channel> {
    let endpoint = Endpoint::from_shared(format!("http://{}", plane.clients)).unwrap();
    let mut grpc = tonic::client::Grpc::new(endpoint.connect().await.unwrap());
    grpc.ready().await.unwrap();
    grpc
}

async fn ask<A>(plane: &Plane, path: &'static str) -> Result<A, Status>
where
    A: Message + Default + Debug + 'static,
{
    let path = PathAndQuery::from_static(path);
    let nothing = Request::new(Health::default());
    let answer = grpc(plane).await.unary(nothing, path, ProstCodec::<Health, A>::default()).await?;
    Ok(answer.into_inner())
}

/// A client that asks for all clusters, and has them.
async fn client(plane: &Plane) -> Streaming<DiscoveryResponse> {
    let request = DiscoveryRequest {
        node: Some(Node { id: "someone".into(), ..Node::default() }),
        type_url: TypeUrl::CLUSTER.into(),
        ..DiscoveryRequest::default()
    };
    let requests =
        tokio_stream::StreamExt::chain(tokio_stream::once(request), tokio_stream::pending());
    let codec = ProstCodec::<DiscoveryRequest, DiscoveryResponse>::default();
    let path = PathAndQuery::from_static(ADS);
    let stream = grpc(plane).await.streaming(Request::new(requests), path, codec).await;
    let mut responses = stream.unwrap().into_inner();
    assert_eq!(responses.message().await.unwrap().unwrap().resources.len(), 2);
    responses
}

fn dir(name: &str) -> Dir {
    let dir = Dir::new(name);
    dir.replace("resources.json", &clusters(&["a", "b"]));
    dir
}

#[tokio::test]
async fn health_and_clients_are_told_when_they_are_asked_for() {
    let dir = dir("services");
    let plane = Plane::start(&["--resources", &dir.path(""), "--health", "--client-status"]);
    assert_eq!(ask::<Health>(&plane, HEALTH).await.unwrap().status, 1);
    let _client = client(&plane).await;
    let clients = ask::<Clients>(&plane, STATUS).await.unwrap().all;
    assert_eq!(clients.len(), 1);
    assert_eq!(clients[0].node.as_ref().unwrap().id, "someone");
}

#[tokio::test]
async fn without_flags_neither_is_served() {
    let plane = Plane::start(&[]);
    for path in [HEALTH, STATUS] {
        let refused = ask::<Health>(&plane, path).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unimplemented);
    }
}

#[tokio::test]
async fn a_response_that_is_too_large_is_a_line_if_it_is_asked_for() {
    let dir = dir("events");
    let lines = async |flags: &[&str]| {
        let path = dir.path("");
        let flags = [flags, &["--resources", &path, "--response-bytes", "10"]].concat();
        let mut plane = Plane::start(&flags);
        let _client = client(&plane).await;
        plane.signal("TERM");
        plane.wait();
        let lines = plane.lines_left();
        lines.into_iter().filter(|line| line.contains("someone")).collect::<Vec<_>>()
    };
    let told = lines(&["--events"]).await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("Cluster"), "{told:?}");
    assert!(lines(&[]).await.is_empty());
}

#[test]
fn a_client_that_leaves_is_not_one_that_has_acknowledged() {
    let dir = dir("leaves");
    let plane = Plane::start(&["--resources", &dir.path("")]);
    plane.line("revision 1: acknowledged by all");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _client = runtime.block_on(client(&plane));
    dir.replace("resources.json", &clusters(&["a"]));
    plane.line("1 resources, 1 changed");
    // Its connection with it.
    drop(runtime);
    let said = plane.line("revision 2: ");
    assert!(
        said.contains("acknowledged by all") && said.ends_with("left before they had"),
        "{said}"
    );
}
