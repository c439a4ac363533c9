//! What a client may cost, and what it is told when it is too much.

use std::time::Duration;

use bytes::Bytes;
use pushlane::adapters::xds::{Ads, Resource, Server};
use tonic::Code;

use crate::client::*;

async fn refused(
    rig: &Rig,
    request: pushlane::adapters::xds::proto::DiscoveryRequest,
) -> (Code, String) {
    let mut client = rig.sotw().await;
    client.send(request);
    client.end().await
}

#[tokio::test]
async fn there_are_no_more_streams_than_allowed() {
    let rig = Rig::with(|limits| limits.streams = 2).await;
    let (one, _two) = (rig.sotw().await, rig.delta().await);
    let third = Sotw::open(rig.channel().await, SOTW).await.err().expect("too many");
    assert_eq!(third.code(), Code::ResourceExhausted);
    assert!(third.message().contains("2 streams"), "{third}");
    drop(one);
    for _ in 0..200 {
        if rig.ads.metrics().streams < 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Sotw::open(rig.channel().await, SOTW).await.map(|_| ()).unwrap();
    assert_eq!(rig.ads.metrics().refused.full, 1);
}

#[tokio::test]
async fn new_streams_are_admitted_at_a_rate() {
    let rig = Rig::with(|limits| {
        (limits.admission_rate, limits.admission_burst) = (1, 2);
        limits.admission_wait = Duration::ZERO;
    })
    .await;
    let (_one, _two) = (rig.sotw().await, rig.sotw().await);
    let third = Sotw::open(rig.channel().await, SOTW).await.err().expect("too fast");
    assert_eq!(third.code(), Code::ResourceExhausted);
}

#[tokio::test]
async fn a_request_is_no_larger_than_allowed() {
    let rig = Rig::with(|limits| limits.request_bytes = 1_000).await;
    let (code, message) = refused(&rig, ask(EDS, &[&"n".repeat(2_000)])).await;
    assert_eq!(code, Code::ResourceExhausted, "{message}");
}

#[tokio::test]
async fn subscriptions_types_and_names_are_limited() {
    let rig = Rig::with(|limits| {
        (limits.subscriptions, limits.types, limits.name_bytes) = (3, 2, 80);
    })
    .await;
    let (code, message) = refused(&rig, ask(EDS, &["a", "b", "c", "d"])).await;
    assert_eq!(code, Code::ResourceExhausted);
    assert!(message.contains("4 names: 3 are allowed"), "{message}");
    let (code, message) = refused(&rig, ask(EDS, &["a", &"b".repeat(81)])).await;
    assert_eq!(code, Code::InvalidArgument);
    assert!(message.contains("81 bytes"), "{message}");
    // Over all types, and with delta as well.
    let mut client = rig.delta().await;
    client.send(subscribe(EDS, &["a", "b"]));
    client.send(subscribe(RDS, &["a", "b"]));
    assert_eq!(client.end().await.0, Code::ResourceExhausted);
    let mut client = rig.sotw().await;
    for type_url in [EDS, RDS, LDS] {
        client.send(ask(type_url, &["a"]));
    }
    let (code, message) = client.end().await;
    assert_eq!(code, Code::ResourceExhausted);
    assert!(message.contains("2 types"), "{message}");
    let ended = rig.ads.metrics().ended;
    assert_eq!((ended.malformed, ended.limited), (1, 3));
}

#[tokio::test]
async fn malformed_requests_are_told_what_is_wrong() {
    let rig = Rig::start().await;
    let mut nameless = ask(EDS, &["a"]);
    nameless.node = None;
    let (code, message) = refused(&rig, nameless).await;
    assert_eq!((code, &*message), (Code::InvalidArgument, "the first request has no node"));
    let (code, message) = refused(&rig, ask("", &["a"])).await;
    assert_eq!((code, &*message), (Code::InvalidArgument, "the request has no type_url"));
    // Bytes that are no request: a string that is no text.
    #[derive(Clone, PartialEq, prost::Message)]
    struct Nonsense {
        #[prost(bytes = "bytes", tag = "4")]
        type_url: Bytes,
    }
    type Nonsensical = Client<Nonsense, pushlane::adapters::xds::proto::DiscoveryResponse>;
    let mut client = Nonsensical::open(rig.channel().await, SOTW).await.unwrap();
    client.send(Nonsense { type_url: Bytes::from_static(b"\xff\xfe") });
    let (code, message) = client.end().await;
    assert_eq!(code, Code::InvalidArgument, "{message}");
    let unknown = Sotw::open(rig.channel().await, "/some.other.Service/Method").await.err();
    assert_eq!(unknown.expect("unknown").code(), Code::Unimplemented);
}

#[tokio::test]
async fn who_says_nothing_is_evicted() {
    let rig = Rig::with(|limits| limits.first_request = Duration::from_millis(200)).await;
    let (code, message) = rig.sotw().await.end().await;
    assert_eq!(code, Code::DeadlineExceeded);
    assert!(message.contains("no request"), "{message}");
}

#[tokio::test]
async fn who_does_not_answer_is_evicted_and_nobody_else() {
    let rig = Rig::with(|limits| limits.ack_deadline = Duration::from_millis(400)).await;
    rig.ads.set("default", [resource(EDS, "a", "1")]).unwrap();
    let (mut mute, mut good) = (rig.sotw().await, rig.sotw().await);
    mute.send(ask(EDS, &["a"]));
    good.send(ask(EDS, &["a"]));
    good.take(EDS, &["a@1"], &["a"]).await;
    let published = rig.ads.update("default", |edit| edit.put(resource(EDS, "a", "2"))).unwrap();
    good.take(EDS, &["a@2"], &["a"]).await;
    let (code, message) = mute.end().await;
    assert_eq!(code, Code::DeadlineExceeded);
    assert!(message.contains("not answered"), "{message}");
    let done = rig.ads.wait_acked(&published).await.unwrap();
    assert!(done.departed[0].reason.contains("not answered"));
    good.silent().await;
    assert_eq!((rig.ads.metrics().ended.unanswered, rig.ads.metrics().streams), (1, 1));
}

#[tokio::test]
async fn who_reads_nothing_is_evicted_while_others_are_served() {
    let rig = Rig::with(|limits| {
        (limits.send_deadline, limits.permits) = (Duration::from_millis(500), 1);
    })
    .await;
    // More than the client's window and the server's buffers take.
    let large =
        |type_url: &str, version: &str| Resource::new(type_url, "a", version, vec![b'x'; 8 << 20]);
    rig.ads.set("default", [large(EDS, "1"), resource(EDS, "b", "1")]).unwrap();
    let mut good = rig.sotw().await;
    good.send(ask(EDS, &["b"]));
    good.take(EDS, &["b@1"], &["b"]).await;
    let stuck = rig.sotw().await;
    // One response, of which it has taken a part.
    stuck.send(ask(EDS, &["a"]));
    for version in 2..=40 {
        let version = version.to_string();
        rig.ads.update("default", |edit| edit.put(resource(EDS, "b", &version))).unwrap();
        good.take(EDS, &[&format!("b@{version}")], &["b"]).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for _ in 0..200 {
        if rig.ads.metrics().ended.unread == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let metrics = rig.ads.metrics();
    assert_eq!((metrics.ended.unread, metrics.streams, metrics.permits_held), (1, 1, 0));
    drop(stuck);
}

#[tokio::test]
async fn there_are_no_more_connections_than_allowed() {
    let ads = Ads::builder().start();
    let builder = Server::plaintext(&ads).max_connections(1);
    let rig = Rig::serve(ads, builder).await;
    let _only = rig.sotw().await;
    let uri = format!("http://{}", rig.addr);
    let second = tonic::transport::Channel::from_shared(uri).unwrap().connect().await;
    if let Ok(channel) = second {
        let mut grpc = tonic::client::Grpc::new(channel.clone());
        assert!(grpc.ready().await.is_err() || Sotw::open(channel, SOTW).await.is_err());
    }
    assert_eq!(rig.ads.metrics().opened, 1);
}
