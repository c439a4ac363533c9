//! Views come and go, clients move between them, and are told to go.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pushlane::adapters::xds::proto::{
    BuildVersion, Extension, Kind, Node, SemanticVersion, Struct, Value,
};
use pushlane::adapters::xds::{Ads, Server, ViewId};
use tonic::Code;

use crate::client::*;

#[tokio::test]
async fn a_view_that_is_removed_takes_nothing_away() {
    let rig = Rig::start().await;
    rig.ads.set("default", [cluster("a", "1"), cluster("b", "1")]).unwrap();
    let (mut sotw, mut delta) = (rig.sotw().await, rig.delta().await);
    sotw.send(ask(CDS, &[]));
    sotw.take(CDS, &["a@1", "b@1"], &[]).await;
    delta.send(subscribe(CDS, &["*"]));
    delta.take(CDS, &["a@1", "b@1"]).await;
    sotw.silent().await;
    assert!(rig.ads.remove_view("default"));
    assert!(!rig.ads.remove_view("default") && !rig.ads.remove_view("unheard of"));
    assert!(rig.ads.snapshot("default").is_none());
    sotw.silent().await;
    delta.silent().await;
    // It is there again: what differs is sent, and what it lacks is gone.
    let published = rig.ads.set("default", [cluster("b", "1")]).unwrap();
    sotw.take(CDS, &["b@1"], &[]).await;
    delta.take(CDS, &["-a"]).await;
    rig.ads.wait_acked(&published).await.unwrap();
    drop((sotw, delta));
    assert!(rig.ads.remove_view("default"));
    for _ in 0..200 {
        if rig.ads.views().is_empty() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("{:?}", rig.ads.views());
}

#[tokio::test]
async fn what_waits_in_a_view_that_is_removed_waits_no_more() {
    let rig = Rig::with(|limits| limits.order_patience = std::time::Duration::from_secs(60)).await;
    let world = |version| [cluster("c", version), resource(LDS, "l", version)];
    rig.ads.set("default", world("1")).unwrap();
    let mut client = rig.sotw().await;
    client.send(ask(CDS, &[]));
    client.take(CDS, &["c@1"], &[]).await;
    client.send(ask(LDS, &[]));
    client.take(LDS, &["l@1"], &[]).await;
    let published = rig.ads.set("default", world("2")).unwrap();
    let response = client.expect(CDS, &["c@2"]).await;
    // The listener waits for the cluster's answer.
    client.silent().await;
    rig.ads.remove_view("default");
    client.send(ack(&response, &[]));
    rig.ads.wait_acked(&published).await.unwrap();
    client.silent().await;
}

#[tokio::test]
async fn a_stream_can_be_ended() {
    let rig = Rig::start().await;
    rig.ads.set("default", [resource(EDS, "a", "1")]).unwrap();
    let (mut one, mut two) = (rig.sotw().await, rig.sotw().await);
    for (client, id) in [(&mut one, "one"), (&mut two, "two")] {
        let mut request = ask(EDS, &["a"]);
        request.node = node(id);
        client.send(request);
        client.take(EDS, &["a@1"], &["a"]).await;
    }
    let clients = rig.ads.clients();
    let first = clients.iter().find(|seen| seen.node.as_ref().unwrap().id == "one").unwrap();
    assert!(rig.ads.disconnect(first.stream));
    assert_eq!(one.end().await, (Code::Ok, String::new()));
    assert!(!rig.ads.disconnect(first.stream), "it is gone");
    assert_eq!(rig.ads.metrics().ended.disconnected, 1);
    rig.ads.update("default", |edit| edit.put(resource(EDS, "a", "2"))).unwrap();
    two.take(EDS, &["a@2"], &["a"]).await;
}

/// Clients belong to `red`, to `blue` after the switch, or to none if they are called `rogue`.
async fn switched() -> (Rig, Arc<AtomicBool>) {
    let switch = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&switch);
    let ads = Ads::builder().view(move |node, _| match seen.load(Ordering::Relaxed) {
        false => Some(ViewId::from("red")),
        true => (node.id != "rogue").then(|| "blue".into()),
    });
    let ads = ads.start();
    let builder = Server::plaintext(&ads);
    let rig = Rig::serve(ads, builder).await;
    let world = |color: &str, names: &[&str]| -> Vec<_> {
        names.iter().map(|name| cluster(name, color)).collect()
    };
    // The view that clients move to has the older revision.
    rig.ads.set("blue", world("blue", &["b", "c"])).unwrap();
    rig.ads.set("red", world("red", &["a", "b"])).unwrap();
    (rig, switch)
}

#[tokio::test]
async fn clients_move_to_another_view_on_the_same_stream() {
    let (rig, switch) = switched().await;
    let (mut sotw, mut delta, mut rogue) = (rig.sotw().await, rig.delta().await, rig.sotw().await);
    sotw.send(ask(CDS, &[]));
    sotw.take(CDS, &["a@red", "b@red"], &[]).await;
    delta.send(subscribe(CDS, &["*"]));
    delta.take(CDS, &["a@red", "b@red"]).await;
    let mut request = ask(CDS, &[]);
    request.node = node("rogue");
    rogue.send(request);
    rogue.take(CDS, &["a@red", "b@red"], &[]).await;
    rig.ads.review();
    for client in [&mut sotw, &mut rogue] {
        client.silent().await; // it says the same as before
    }
    switch.store(true, Ordering::Relaxed);
    rig.ads.review();
    sotw.take(CDS, &["b@blue", "c@blue"], &[]).await;
    delta.take(CDS, &["b@blue", "c@blue", "-a"]).await;
    assert_eq!(rogue.end().await.0, Code::PermissionDenied);
    assert_eq!(rig.ads.metrics().ended.denied, 1);
    // From now on it is told of that view, and of the other one no more.
    sotw.silent().await;
    let before = rig.ads.metrics().nothing;
    rig.ads.update("red", |edit| edit.put(cluster("b", "redder"))).unwrap();
    sotw.silent().await;
    assert_eq!(rig.ads.metrics().nothing, before, "nobody is woken");
    let published = rig.ads.update("blue", |edit| edit.put(cluster("c", "bluer"))).unwrap();
    sotw.take(CDS, &["b@blue", "c@bluer"], &[]).await;
    delta.take(CDS, &["c@bluer"]).await;
    rig.ads.wait_acked(&published).await.unwrap();
    assert!(rig.ads.clients().iter().all(|seen| seen.view == Some("blue".into())));
}

#[tokio::test]
async fn a_removed_view_is_forgotten_when_its_last_client_moves() {
    let (rig, switch) = switched().await;
    let mut client = rig.sotw().await;
    client.send(ask(CDS, &[]));
    client.take(CDS, &["a@red", "b@red"], &[]).await;
    assert!(rig.ads.remove_view("red"));
    assert_eq!(rig.ads.views().len(), 2, "it still has a client");
    switch.store(true, Ordering::Relaxed);
    rig.ads.review();
    client.take(CDS, &["b@blue", "c@blue"], &[]).await;
    assert_eq!(rig.ads.views(), [ViewId::from("blue")]);
}

#[tokio::test]
async fn a_client_moves_while_its_answer_is_awaited() {
    let (rig, switch) = switched().await;
    let mut client = rig.delta().await;
    client.send(subscribe(CDS, &["a", "b", "c"]));
    let response = client.expect(CDS, &["a@red", "b@red", "-c"]).await;
    switch.store(true, Ordering::Relaxed);
    rig.ads.review();
    client.silent().await;
    client.send(delta_ack(&response));
    let response = client.next().await;
    client.send(delta_ack(&response));
    let mut said = response.contents();
    if said.len() < 3 {
        said.extend(client.next().await.contents()); // by name, it is removed after the patience
    }
    assert_eq!(said, ["b@blue", "c@blue", "-a"]);
}

#[tokio::test]
async fn the_view_function_sees_all_that_a_client_says_of_itself() {
    let ads = Ads::builder().view(|node, _| {
        let version = node.user_agent_build_version.as_ref()?.version?;
        let known = node.client_features.iter().any(|feature| feature == "fancy")
            && node.extensions.iter().any(|extension| extension.name == "envoy.filters.x")
            && (version.major_number, node.user_agent_version.as_str()) == (1, "1.40")
            && node.locality.as_ref()?.zone == "z";
        known.then(|| node.metadata_str("tenant").map(ViewId::from)).flatten()
    });
    let ads = ads.start();
    let builder = Server::plaintext(&ads);
    let rig = Rig::serve(ads, builder).await;
    rig.ads.set("shop", [resource(EDS, "a", "shop")]).unwrap();
    let version = SemanticVersion { major_number: 1, minor_number: 40, patch: 0 };
    let tenant = Value { kind: Some(Kind::Text("shop".into())) };
    let mut request = ask(EDS, &["a"]);
    request.node = Some(Node {
        user_agent_version: "1.40".into(),
        user_agent_build_version: Some(BuildVersion { version: Some(version), metadata: None }),
        client_features: vec!["fancy".into()],
        extensions: vec![Extension { name: "envoy.filters.x".into(), ..Extension::default() }],
        locality: Some(pushlane::adapters::xds::proto::Locality {
            zone: "z".into(),
            ..Default::default()
        }),
        metadata: Some(Struct { fields: [("tenant".into(), tenant)].into() }),
        ..Node::default()
    });
    let mut client = rig.sotw().await;
    client.send(request.clone());
    client.take(EDS, &["a@shop"], &["a"]).await;
    let seen = &rig.ads.clients()[0];
    assert_eq!(seen.node.as_ref().unwrap().client_features, ["fancy"]);
    assert_eq!(seen.extensions[0].name, "envoy.filters.x");
    // Asked anew, it sees the same.
    rig.ads.review();
    client.silent().await;
    // Without one of them it is another client, and is not taken for a malformed request.
    request.node.as_mut().unwrap().client_features.clear();
    let mut client = rig.sotw().await;
    client.send(request);
    assert_eq!(client.end().await.0, Code::PermissionDenied);
    let ended = rig.ads.metrics().ended;
    assert_eq!((ended.denied, ended.malformed, ended.total()), (1, 0, 1));
}
