//! How large responses are: what fits, and what can't be split.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use prost::Message;
use pushlane::adapters::xds::{Ads, Event, Limits, Resource, Server};

use crate::client::*;

const LIMIT: usize = 10_000;

type Log = Arc<Mutex<Vec<Event>>>;

async fn rig() -> (Rig, Log) {
    let log = Log::default();
    let mut limits = Limits::default();
    (limits.streams, limits.response_bytes) = (20, LIMIT);
    let events = Arc::clone(&log);
    let ads = Ads::builder().limits(limits);
    let ads = ads.observe(move |event| events.lock().unwrap().push(event.clone())).start();
    let builder = Server::plaintext(&ads);
    (Rig::serve(ads, builder).await, log)
}

/// Of 4,000 bytes: two fit.
fn large(type_url: &str, name: &str, version: &str) -> Resource {
    Resource::new(type_url, name, version, Bytes::from(vec![b'x'; 4_000]))
}

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

#[tokio::test]
async fn what_does_not_fit_follows() {
    let (rig, log) = rig().await;
    rig.ads.set("default", NAMES.map(|name| large(EDS, name, "1"))).unwrap();
    let (mut sotw, mut delta) = (rig.sotw().await, rig.delta().await);
    sotw.send(ask(EDS, &NAMES));
    delta.send(subscribe(EDS, &NAMES));
    for version in ["1", "2"] {
        for count in [2, 2, 1] {
            let response = sotw.next().await;
            assert!(response.encoded_len() <= LIMIT);
            assert_eq!(response.resources.len(), count);
            sotw.send(ack(&response, &NAMES));
            let response = delta.next().await;
            assert!(response.encoded_len() <= LIMIT);
            assert_eq!(response.resources.len(), count);
            assert!(response.resources.iter().all(|one| one.version == version));
            delta.send(delta_ack(&response));
        }
        sotw.silent().await;
        delta.silent().await;
        let published = rig.ads.set("default", NAMES.map(|name| large(EDS, name, "2"))).unwrap();
        assert_eq!(rig.ads.is_answered(&published), version == "2");
    }
    assert_eq!((rig.ads.metrics().oversized, log.lock().unwrap().len()), (0, 0));
}

#[tokio::test]
async fn a_change_is_answered_when_all_of_it_is() {
    let (rig, _) = rig().await;
    rig.ads.set("default", NAMES.map(|name| large(EDS, name, "1"))).unwrap();
    let mut client = rig.delta().await;
    client.send(subscribe(EDS, &NAMES));
    for _ in 0..3 {
        let response = client.next().await;
        client.send(delta_ack(&response));
    }
    client.silent().await;
    let published = rig.ads.set("default", NAMES.map(|name| large(EDS, name, "2"))).unwrap();
    for _ in 0..3 {
        let response = client.next().await;
        assert!(!rig.ads.is_answered(&published));
        client.send(delta_ack(&response));
    }
    rig.ads.wait_acked(&published).await.unwrap();
}

#[tokio::test]
async fn names_that_are_removed_count_as_well() {
    let (rig, _) = rig().await;
    rig.ads.set("default", []).unwrap();
    let names: Vec<String> = (0..40).map(|at| format!("{at:0>900}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut client = rig.delta().await;
    client.send(subscribe(EDS, &names));
    let mut told = 0;
    while told < 40 {
        let response = client.next().await;
        assert!(response.encoded_len() <= LIMIT);
        told += response.removed_resources.len();
        client.send(delta_ack(&response));
    }
    client.silent().await;
}

#[tokio::test]
async fn what_can_not_be_split_is_sent_and_told() {
    let (rig, log) = rig().await;
    rig.ads.set("default", NAMES.map(|name| large(LDS, name, "1"))).unwrap();
    let mut client = rig.sotw().await;
    client.send(ask(LDS, &[]));
    let response = client.next().await;
    assert_eq!(response.resources.len(), 5, "a full set");
    let Event::Oversized { node_id, type_url, bytes, .. } = log.lock().unwrap()[0].clone() else {
        panic!("{log:?}")
    };
    assert_eq!((&*node_id, &*type_url), ("n", LDS));
    assert!(bytes >= response.encoded_len());
    assert_eq!(rig.ads.metrics().oversized, 1);
    // By delta it can be.
    let mut client = rig.delta().await;
    client.send(subscribe(LDS, &["*"]));
    for count in [2, 2, 1] {
        let response = client.next().await;
        assert_eq!(response.resources.len(), count);
        client.send(delta_ack(&response));
    }
    assert_eq!(rig.ads.metrics().oversized, 1);
}

/// Clients that read slowly and at once; what follows a large message is read as well.
#[tokio::test]
async fn three_megabytes_arrive_whole() {
    let rig = Rig::start().await;
    let body = |version: u8| Bytes::from(vec![version; 3 << 20]);
    let large = |version: u8| Resource::new(EDS, "large", version.to_string(), body(version));
    rig.ads.set("default", [large(1), resource(EDS, "small", "1")]).unwrap();
    let (mut sotw, mut delta) = (rig.sotw().await, rig.delta().await);
    sotw.send(ask(EDS, &["large", "small"]));
    delta.send(subscribe(EDS, &["large", "small"]));
    for version in [1, 2] {
        let response = sotw.next().await;
        let bodies = response
            .resources
            .iter()
            .map(|any| pushlane::adapters::xds::proto::Any::decode(any.clone()).unwrap().value);
        assert!(bodies.into_iter().any(|value| value == body(version)));
        sotw.send(ack(&response, &["large", "small"]));
        let response = delta.next().await;
        assert!(response.resources.iter().any(|one| one.version == version.to_string()));
        delta.send(delta_ack(&response));
        if version == 1 {
            rig.ads.update("default", |edit| edit.put(large(2))).unwrap();
        }
    }
    rig.ads.update("default", |edit| edit.put(resource(EDS, "small", "2"))).unwrap();
    assert_eq!(sotw.next().await.resources.len(), 1);
    assert_eq!(delta.next().await.resources.len(), 1);
}
