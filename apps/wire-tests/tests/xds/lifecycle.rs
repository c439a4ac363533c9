//! Streams and servers come to an end.

use std::time::Duration;

use pushlane::adapters::xds::{Ads, Server};
use tonic::Code;

use crate::client::*;

/// Waits until the server has no streams, and no clients in its queue.
async fn empty(rig: &Rig) {
    for _ in 0..500 {
        let metrics = rig.ads.metrics();
        if metrics.streams == 0 && metrics.queue_clients == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{:?}", rig.ads.metrics());
}

#[tokio::test]
async fn nothing_is_kept_of_who_has_left() {
    let rig = Rig::start().await;
    rig.ads.set("default", [resource(EDS, "a", "1")]).unwrap();
    for round in 0..30 {
        let mut client = rig.sotw().await;
        let mut request = ask(EDS, &["a"]);
        request.node = node_of("n", if round % 2 == 0 { "" } else { "unset" });
        client.send(request);
        client.send(ask(RDS, &["a"]));
        match round % 3 {
            0 => {} // at once
            1 if round % 2 == 1 => client.silent().await,
            _ => {
                client.finish(); // politely
                assert_eq!(client.end().await.0, Code::Ok);
            }
        }
    }
    empty(&rig).await;
    assert!(rig.ads.clients().is_empty());
    assert_eq!(rig.ads.views().len(), 1, "a view that was only asked for is forgotten");
    assert_eq!(rig.ads.metrics().permits_held, 0);
}

#[tokio::test]
async fn a_client_that_comes_back_starts_from_everything() {
    let rig = Rig::start().await;
    rig.ads.set("default", [resource(EDS, "a", "1")]).unwrap();
    let mut client = rig.sotw().await;
    client.send(ask(EDS, &["a"]));
    let response = client.expect(EDS, &["a@1"]).await;
    client.send(ack(&response, &["a"]));
    drop(client);
    let mut client = rig.sotw().await;
    let mut request = ask(EDS, &["a"]);
    request.version_info = response.version_info;
    client.send(request);
    client.take(EDS, &["a@1"], &["a"]).await;
}

#[tokio::test]
async fn draining_waits_for_answers() {
    let rig = Rig::start().await;
    rig.ads.set("default", [resource(EDS, "a", "1")]).unwrap();
    let mut client = rig.sotw().await;
    client.send(ask(EDS, &["a"]));
    let response = client.expect(EDS, &["a@1"]).await;
    let ads = rig.ads.clone();
    let drain = tokio::spawn(async move { ads.drain(Duration::from_secs(20)).await });
    client.silent().await;
    let refused = Sotw::open(rig.channel().await, SOTW).await.err().expect("draining");
    assert_eq!(refused.code(), Code::Unavailable);
    assert!(rig.ads.set("default", []).is_err());
    client.send(ack(&response, &["a"]));
    assert!(drain.await.unwrap(), "all was answered");
    assert_eq!(client.end().await.0, Code::Unavailable);
}

#[tokio::test]
async fn draining_ends_when_its_grace_does() {
    let rig = Rig::start().await;
    rig.ads.set("default", [resource(EDS, "a", "1")]).unwrap();
    let mut client = rig.sotw().await;
    client.send(ask(EDS, &["a"]));
    client.expect(EDS, &["a@1"]).await;
    assert!(!rig.ads.drain(Duration::from_millis(100)).await);
    assert_eq!(client.end().await.0, Code::Unavailable);
    empty(&rig).await;
}

#[tokio::test]
async fn after_the_drain_nothing_is_changed() {
    let rig = Rig::start().await;
    rig.ads.set("default", [resource(EDS, "a", "1")]).unwrap();
    assert!(rig.ads.drain(Duration::from_secs(1)).await);
    let before = rig.ads.snapshot("default").unwrap();
    // Whatever it is, also what would change nothing.
    assert!(rig.ads.set("default", [resource(EDS, "a", "2")]).is_err());
    assert!(rig.ads.set("default", [resource(EDS, "a", "1")]).is_err());
    assert!(rig.ads.update("other", |edit| edit.put(resource(EDS, "a", "2"))).is_err());
    assert!(rig.ads.invalidate("default", [(EDS, "a")]).is_err());
    let after = rig.ads.snapshot("default").unwrap();
    assert_eq!(after.revision(), before.revision());
    assert_eq!(after.get(EDS, "a").unwrap().version(), "1");
    assert_eq!(rig.ads.views().len(), 1);
}

#[tokio::test]
async fn a_server_that_is_stopped_ends_its_streams_and_itself() {
    let mut rig = Rig::start().await;
    rig.ads.set("default", [resource(EDS, "a", "1")]).unwrap();
    let mut client = rig.sotw().await;
    client.send(ask(EDS, &["a"]));
    client.take(EDS, &["a@1"], &["a"]).await;
    client.silent().await;
    rig.stop.take().unwrap().send(()).unwrap();
    assert_eq!(client.end().await.0, Code::Unavailable);
    drop(client);
    tokio::time::timeout(Duration::from_secs(20), rig.served).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn an_old_connection_is_closed_in_good_order() {
    let ads = Ads::builder().start();
    let builder = Server::plaintext(&ads).max_connection_age(Some(Duration::from_millis(500)));
    let rig = Rig::serve(ads, builder).await;
    rig.ads.set("default", [resource(EDS, "a", "1")]).unwrap();
    let mut client = rig.sotw().await;
    client.send(ask(EDS, &["a"]));
    client.take(EDS, &["a@1"], &["a"]).await;
    assert_eq!(client.end().await, (Code::Ok, String::new()));
    let mut client = rig.sotw().await;
    client.send(ask(EDS, &["a"]));
    client.take(EDS, &["a@1"], &["a"]).await;
}

#[tokio::test]
async fn what_a_client_does_can_be_seen() {
    let rig = Rig::start().await;
    let endpoints = [resource(EDS, "e", "1"), resource(EDS, "f", "1")];
    rig.ads.set("default", endpoints.into_iter().chain([cluster("a", "1")])).unwrap();
    let mut client = rig.sotw().await;
    client.send(ask(CDS, &[]));
    client.take(CDS, &["a@1"], &[]).await;
    client.send(ask(EDS, &["e", "f"]));
    let response = client.expect(EDS, &["e@1", "f@1"]).await;
    client.silent().await;
    let seen = rig.ads.clients();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].node.as_ref().unwrap().id, "n");
    assert!(seen[0].peer.unwrap().ip().is_loopback());
    let [cds, eds] = &seen[0].types[..] else { panic!("{seen:?}") };
    assert!(cds.wildcard && cds.acked == Some(1) && cds.outstanding.is_none());
    assert!(!eds.wildcard && eds.names == 2 && eds.sent == Some(1) && eds.acked.is_none());
    assert!(eds.outstanding.is_some() && eds.nack.is_none());
    client.send(nack(&response, &["e", "f"], "why not"));
    client.silent().await;
    let nack = rig.ads.clients()[0].types[1].nack.clone().unwrap();
    assert_eq!((nack.revision, &*nack.reason), (1, "why not"));
}
