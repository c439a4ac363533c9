//! Other services on the same port: health, and which clients there are.

use prost::Message;
use pushlane::adapters::xds::proto::Node;
use pushlane::adapters::xds::{Ads, Server, ServerBuilder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::{Code, Request, Status, Streaming};
use tonic_prost::ProstCodec;

use crate::client::*;

const CHECK: &str = "/grpc.health.v1.Health/Check";
const WATCH: &str = "/grpc.health.v1.Health/Watch";
const FETCH: &str = "/envoy.service.status.v3.ClientStatusDiscoveryService/FetchClientStatus";
const STREAM: &str = "/envoy.service.status.v3.ClientStatusDiscoveryService/StreamClientStatus";

#[derive(Clone, PartialEq, Message)]
struct Asked {
    #[prost(string, tag = "1")]
    service: String,
}

#[derive(Clone, PartialEq, Message)]
struct Health {
    #[prost(int32, tag = "1")]
    status: i32,
}

#[derive(Clone, PartialEq, Message)]
struct StatusRequest {
    #[prost(message, repeated, tag = "1")]
    node_matchers: Vec<NodeMatcher>,
}

#[derive(Clone, PartialEq, Message)]
struct NodeMatcher {
    #[prost(message, optional, tag = "1")]
    node_id: Option<Exactly>,
}

#[derive(Clone, PartialEq, Message)]
struct Exactly {
    #[prost(string, tag = "1")]
    exact: String,
}

#[derive(Clone, PartialEq, Message)]
struct StatusResponse {
    #[prost(message, repeated, tag = "1")]
    config: Vec<Config>,
}

#[derive(Clone, PartialEq, Message)]
struct Config {
    #[prost(message, optional, tag = "1")]
    node: Option<Node>,
    #[prost(message, repeated, tag = "3")]
    types: Vec<OfType>,
}

#[derive(Clone, PartialEq, Message)]
struct OfType {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(string, tag = "3")]
    version_info: String,
    #[prost(int32, tag = "6")]
    config_status: i32,
    #[prost(message, optional, tag = "8")]
    error_state: Option<Failure>,
}

#[derive(Clone, PartialEq, Message)]
struct Failure {
    #[prost(string, tag = "3")]
    details: String,
}

async fn rig(builder: impl FnOnce(ServerBuilder) -> ServerBuilder) -> Rig {
    let ads = Ads::builder().start();
    let builder = builder(Server::plaintext(&ads));
    let rig = Rig::serve(ads, builder).await;
    rig.ads.set("default", [cluster("a", "1")]).unwrap();
    rig
}

async fn call<Q, A>(rig: &Rig, path: &'static str, request: Q) -> Result<A, Status>
where
    Q: Message + Default + 'static,
    A: Message + Default + 'static,
{
    let mut grpc = tonic::client::Grpc::new(rig.channel().await);
    grpc.ready().await.unwrap();
    let path = PathAndQuery::from_static(path);
    let response = grpc.unary(Request::new(request), path, ProstCodec::<Q, A>::default()).await?;
    Ok(response.into_inner())
}

#[tokio::test]
async fn they_are_off_by_default() {
    let rig = rig(|server| server).await;
    let health = call::<_, Health>(&rig, CHECK, Asked::default()).await;
    assert_eq!(health.unwrap_err().code(), Code::Unimplemented);
    let status = call::<_, StatusResponse>(&rig, FETCH, StatusRequest::default()).await;
    assert_eq!(status.unwrap_err().code(), Code::Unimplemented);
}

#[tokio::test]
async fn health_is_that_of_the_server() {
    let rig = rig(|server| server.health(true)).await;
    for service in ["", "envoy.service.discovery.v3.AggregatedDiscoveryService"] {
        let health = call::<_, Health>(&rig, CHECK, Asked { service: service.into() }).await;
        assert_eq!(health.unwrap().status, 1);
    }
    let unknown = call::<_, Health>(&rig, CHECK, Asked { service: "x".into() }).await;
    assert_eq!(unknown.unwrap_err().code(), Code::NotFound);
    // Somebody who watches is told of the end.
    let mut grpc = tonic::client::Grpc::new(rig.channel().await);
    grpc.ready().await.unwrap();
    let path = PathAndQuery::from_static(WATCH);
    let codec = ProstCodec::<Asked, Health>::default();
    let watch = grpc.server_streaming(Request::new(Asked::default()), path, codec).await.unwrap();
    let mut watch: Streaming<Health> = watch.into_inner();
    assert_eq!(watch.message().await.unwrap().unwrap().status, 1);
    // Nobody answers: it drains for as long as it may.
    let client = rig.sotw().await;
    client.send(ask(CDS, &[]));
    let ads = rig.ads.clone();
    let drain = tokio::spawn(async move { ads.drain(std::time::Duration::from_secs(2)).await });
    assert_eq!(watch.message().await.unwrap().unwrap().status, 2);
    drain.await.unwrap();
}

#[tokio::test]
async fn clients_are_listed_with_how_far_they_are() {
    let rig = rig(|server| server.client_status(true)).await;
    let (mut one, mut two) = (rig.sotw().await, rig.sotw().await);
    for (client, id) in [(&mut one, "one"), (&mut two, "two")] {
        let mut request = ask(CDS, &[]);
        request.node = node(id);
        client.send(request);
    }
    one.take(CDS, &["a@1"], &[]).await;
    two.expect(CDS, &["a@1"]).await;
    one.silent().await;
    let all = call::<_, StatusResponse>(&rig, FETCH, StatusRequest::default()).await.unwrap();
    let mut seen: Vec<_> = all.config.iter().collect();
    seen.sort_by_key(|config| config.node.as_ref().unwrap().id.clone());
    let seen: Vec<_> = seen
        .iter()
        .map(|config| {
            let of_type = &config.types[0];
            (&*of_type.type_url, &*of_type.version_info, of_type.config_status)
        })
        .collect();
    assert_eq!(seen, [(CDS, "1", 1), (CDS, "", 3)], "in sync, and stale");
    // On a stream, each request is answered.
    type Statuses = Client<StatusRequest, StatusResponse>;
    let mut statuses = Statuses::open(rig.channel().await, STREAM).await.unwrap();
    for (id, count) in [("two", 1), ("nobody", 0)] {
        let node_id = Some(Exactly { exact: id.into() });
        statuses.send(StatusRequest { node_matchers: vec![NodeMatcher { node_id }] });
        assert_eq!(statuses.next().await.config.len(), count);
    }
}

#[tokio::test]
async fn a_rejection_and_a_client_that_is_owed_nothing_are_told_apart() {
    let rig = rig(|server| server.client_status(true)).await;
    let (mut one, mut two) = (rig.sotw().await, rig.sotw().await);
    one.send(ask(CDS, &[]));
    let response = one.expect(CDS, &["a@1"]).await;
    one.send(nack(&response, &[], "no such thing"));
    two.send(ask(RDS, &["unheard of"]));
    one.silent().await;
    two.silent().await;
    let all = call::<_, StatusResponse>(&rig, FETCH, StatusRequest::default()).await.unwrap();
    let mut seen: Vec<_> = all.config.iter().map(|config| &config.types[0]).collect();
    seen.sort_by_key(|of_type| &of_type.type_url);
    let seen = seen.into_iter().map(|of_type| {
        let details = of_type.error_state.as_ref().map(|failure| &*failure.details);
        (&*of_type.type_url, of_type.config_status, details)
    });
    let expected = [(CDS, 4, Some("no such thing")), (RDS, 2, None)];
    assert_eq!(seen.collect::<Vec<_>>(), expected, "an error, and not sent");
}
