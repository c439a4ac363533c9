//! A delta client comes back, and a cluster has changed meanwhile: it warms it only with its
//! endpoints.

use pushlane::adapters::xds::proto::DeltaDiscoveryRequest;

use crate::client::*;

fn held(request: DeltaDiscoveryRequest, versions: &[(&str, &str)]) -> DeltaDiscoveryRequest {
    let versions = versions.iter().map(|(name, version)| ((*name).into(), (*version).into()));
    DeltaDiscoveryRequest { initial_resource_versions: versions.collect(), ..request }
}

/// The cluster is new to the client, the endpoints of `c` and `d` are not.
async fn rig() -> Rig {
    let rig = Rig::start().await;
    let endpoints = ["c", "d"].map(|name| resource(EDS, name, "1"));
    let clusters = [cluster("c", "2"), cluster("d", "1")];
    rig.ads.set("default", clusters.into_iter().chain(endpoints)).unwrap();
    rig
}

fn clusters() -> DeltaDiscoveryRequest {
    held(subscribe(CDS, &["*"]), &[("c", "1"), ("d", "1")])
}

const BOTH: [(&str, &str); 2] = [("c", "1"), ("d", "1")];

#[tokio::test]
async fn names_in_subscribe_are_answered_held_or_not() {
    let rig = rig().await;
    let mut client = rig.delta().await;
    client.send(held(subscribe(EDS, &["c"]), &[("c", "1")]));
    client.take(EDS, &["c@1"]).await;
    client.silent().await;
}

#[tokio::test]
async fn endpoints_follow_a_changed_cluster_that_is_asked_for_before() {
    let rig = rig().await;
    let mut client = rig.delta().await;
    client.send(clusters());
    client.send(held(subscribe(EDS, &["c"]), &BOTH));
    let response = client.expect(CDS, &["c@2"]).await;
    client.take(EDS, &["c@1"]).await;
    client.send(delta_ack(&response));
    client.silent().await;
}

#[tokio::test]
async fn endpoints_follow_a_changed_cluster_that_was_sent_already() {
    let rig = rig().await;
    let mut client = rig.delta().await;
    client.send(clusters());
    let response = client.expect(CDS, &["c@2"]).await;
    // It leaves out of `subscribe` what it holds.
    client.send(held(subscribe(EDS, &[]), &BOTH));
    client.take(EDS, &["c@1"]).await;
    client.send(delta_ack(&response));
    client.silent().await;
}

#[tokio::test]
async fn endpoints_follow_a_changed_cluster_that_is_asked_for_last() {
    let rig = rig().await;
    let mut client = rig.delta().await;
    client.send(held(subscribe(EDS, &[]), &BOTH));
    client.silent().await; // nothing that it needs as yet
    client.send(clusters());
    let response = client.expect(CDS, &["c@2"]).await;
    client.take(EDS, &["c@1"]).await;
    client.send(delta_ack(&response));
    client.silent().await;
}

#[tokio::test]
async fn that_a_changed_cluster_has_no_endpoints_is_told_again() {
    let rig = Rig::start().await;
    rig.ads.set("default", [cluster("c", "1")]).unwrap();
    let mut client = rig.delta().await;
    client.send(subscribe(CDS, &["*"]));
    client.take(CDS, &["c@1"]).await;
    client.send(subscribe(EDS, &["c"]));
    client.take(EDS, &["-c"]).await;
    rig.ads.update("default", |edit| edit.put(cluster("c", "2"))).unwrap();
    client.take(CDS, &["c@2"]).await;
    client.take(EDS, &["-c"]).await;
    client.silent().await;
}
