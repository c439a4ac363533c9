//! Connections that say nothing, or too little: how long they stay, and who has to go.

use std::time::Duration;

use pushlane::adapters::xds::{Ads, Server, ServerBuilder};

use crate::client::*;
use crate::raw::{begin, closed, connect};

async fn rig(builder: impl FnOnce(ServerBuilder) -> ServerBuilder) -> Rig {
    let ads = Ads::builder().start();
    let builder = builder(Server::plaintext(&ads));
    let rig = Rig::serve(ads, builder).await;
    rig.ads.set("default", [resource(EDS, "a", "1")]).unwrap();
    rig
}

async fn served(rig: &Rig) -> Sotw {
    let mut client = rig.sotw().await;
    client.send(ask(EDS, &["a"]));
    client.take(EDS, &["a@1"], &["a"]).await;
    client
}

/// Waits until this is so.
async fn until(rig: &Rig, what: impl Fn(&Rig) -> bool) {
    for _ in 0..500 {
        if what(rig) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{:?}", rig.ads.metrics());
}

#[tokio::test]
async fn who_does_not_begin_is_closed() {
    let rig = rig(|server| server.preface_timeout(Duration::from_millis(200))).await;
    let mut silent = connect(&rig).await;
    let mut spoken = begin(&rig).await;
    closed(&mut silent).await;
    assert_eq!(rig.ads.metrics().connections.silent, 1);
    // Half of it is not enough.
    let mut half = connect(&rig).await;
    tokio::io::AsyncWriteExt::write_all(&mut half, b"PRI * HTTP/2").await.unwrap();
    closed(&mut half).await;
    assert_eq!(rig.ads.metrics().connections.silent, 2);
    drop(served(&rig).await);
    let mut byte = [0; 64];
    let more = tokio::io::AsyncReadExt::read(&mut spoken, &mut byte).await.unwrap();
    assert!(more > 0, "who has begun is answered");
}

#[tokio::test]
async fn who_opens_no_stream_is_closed() {
    let rig = rig(|server| server.first_stream_timeout(Duration::from_millis(300))).await;
    let mut good = served(&rig).await;
    let mut idle = begin(&rig).await;
    closed(&mut idle).await;
    assert_eq!(rig.ads.metrics().connections.unused, 1);
    rig.ads.update("default", |edit| edit.put(resource(EDS, "a", "2"))).unwrap();
    good.take(EDS, &["a@2"], &["a"]).await;
}

#[tokio::test]
async fn idle_connections_make_room() {
    let rig = rig(|server| server.max_connections(4).max_connections_per_peer(4)).await;
    let mut good = served(&rig).await;
    // Many more than there may be: none of them keeps anybody out.
    let mut silent = Vec::new();
    for _ in 0..40 {
        silent.push(connect(&rig).await);
    }
    let mut newcomer = served(&rig).await;
    until(&rig, |rig| rig.ads.metrics().connections.replaced >= 38).await;
    for first in &mut silent[..30] {
        closed(first).await;
    }
    // Who is served is not disturbed.
    rig.ads.update("default", |edit| edit.put(resource(EDS, "a", "2"))).unwrap();
    good.take(EDS, &["a@2"], &["a"]).await;
    newcomer.take(EDS, &["a@2"], &["a"]).await;
    assert_eq!(rig.ads.metrics().connections.refused, 0);
}

#[tokio::test]
async fn a_peer_has_no_more_than_its_share() {
    let rig = rig(|server| server.max_connections_per_peer(2)).await;
    let (_one, two) = (served(&rig).await, served(&rig).await);
    let mut third = connect(&rig).await;
    closed(&mut third).await;
    assert_eq!(rig.ads.metrics().connections.refused, 1);
    drop(two);
    until(&rig, |rig| rig.ads.metrics().streams == 1).await;
    served(&rig).await;
}
