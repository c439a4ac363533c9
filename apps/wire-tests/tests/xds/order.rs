//! Make before break: in which order the types of a stream are sent.

use std::time::Duration;

use pushlane::adapters::xds::proto::{DeltaDiscoveryResponse, DiscoveryResponse};
use pushlane::adapters::xds::{Resource, TypeUrl};

use crate::client::*;

/// A small mesh, all of one version.
fn world(name: &str, version: &str) -> Vec<Resource> {
    Vec::from([
        cluster(name, version),
        resource(EDS, name, version),
        resource(LDS, "l", version),
        resource(RDS, "r", version),
    ])
}

/// Subscribes to everything as Envoy does, and has it.
async fn envoy(rig: &Rig, names: &[&str]) -> Sotw {
    let mut client = rig.sotw().await;
    for (type_url, names) in [(CDS, &[][..]), (EDS, names), (LDS, &[]), (RDS, &["r"])] {
        client.send(ask(type_url, names));
        let response = client.next().await;
        assert_eq!(response.type_url, type_url);
        client.send(ack(&response, names));
    }
    client.silent().await;
    client
}

/// The same, by delta.
async fn delta_envoy(rig: &Rig, name: &str) -> Delta {
    let mut client = rig.delta().await;
    for (type_url, names) in [(CDS, &["*"][..]), (EDS, &[name]), (LDS, &["*"]), (RDS, &["r"])] {
        client.send(subscribe(type_url, names));
        let response = client.next().await;
        client.send(delta_ack(&response));
    }
    client.silent().await;
    client
}

fn short(response: &DiscoveryResponse) -> String {
    let kind = match &*response.type_url {
        CDS => "C",
        EDS => "E",
        LDS => "L",
        RDS => "R",
        _ => "?",
    };
    format!("{kind} {}", response.contents().join(" "))
}

/// Everything that comes while each response is accepted at once.
async fn all(client: &mut Sotw, names: &[&str], count: usize) -> Vec<String> {
    let mut said = Vec::new();
    for _ in 0..count {
        let response = client.next().await;
        let names = match &*response.type_url {
            EDS => names,
            RDS => &["r"],
            _ => &[],
        };
        client.send(ack(&response, names));
        said.push(short(&response));
    }
    client.silent().await;
    said
}

#[tokio::test]
async fn what_changes_together_is_sent_in_order() {
    let rig = Rig::start().await;
    rig.ads.set("default", world("c", "0")).unwrap();
    let mut client = envoy(&rig, &["c"]).await;
    for version in 1..=20 {
        let version = version.to_string();
        rig.ads.set("default", world("c", &version)).unwrap();
        let expected = ["C c", "E c", "L l", "R r"].map(|start| format!("{start}@{version}"));
        let mut said = Vec::new();
        for _ in 0..4 {
            let response = client.next().await;
            said.push(short(&response));
            let names: &[&str] = match &*response.type_url {
                EDS => &["c"],
                RDS => &["r"],
                _ => &[],
            };
            client.send(ack(&response, names));
        }
        assert_eq!(said, expected);
    }
    client.silent().await;
}

#[tokio::test]
async fn after_a_changed_cluster_its_endpoints_are_sent_again() {
    let rig = Rig::start().await;
    let endpoints = [resource(EDS, "s", "1"), resource(EDS, "other", "1")];
    rig.ads.set("default", [cluster_of("c", "1", "s"), cluster("other", "1")]).unwrap();
    rig.ads.update("default", |edit| endpoints.into_iter().for_each(|one| edit.put(one))).unwrap();

    let mut sotw = rig.sotw().await;
    sotw.send(ask(CDS, &[]));
    sotw.take(CDS, &["c@1", "other@1"], &[]).await;
    sotw.send(ask(EDS, &["s", "other"]));
    sotw.take(EDS, &["other@1", "s@1"], &["s", "other"]).await;
    let mut delta = rig.delta().await;
    delta.send(subscribe(CDS, &["*"]));
    delta.take(CDS, &["c@1", "other@1"]).await;
    delta.send(subscribe(EDS, &["s", "other"]));
    delta.take(EDS, &["other@1", "s@1"]).await;
    sotw.silent().await;

    rig.ads.update("default", |edit| edit.put(cluster_of("c", "2", "s"))).unwrap();
    // The cluster isn't accepted before its endpoints are there.
    let response = sotw.expect(CDS, &["c@2", "other@1"]).await;
    sotw.take(EDS, &["s@1"], &["s", "other"]).await;
    sotw.send(ack(&response, &[]));
    let response = delta.expect(CDS, &["c@2"]).await;
    delta.take(EDS, &["s@1"]).await;
    delta.send(delta_ack(&response));
    sotw.silent().await;
    delta.silent().await;
}

#[tokio::test]
async fn removals_come_last_and_in_reverse() {
    let rig = Rig::start().await;
    rig.ads.set("default", world("old", "1")).unwrap();
    let mut client = envoy(&rig, &["old", "new"]).await;
    rig.ads.set("default", world("new", "2")).unwrap();
    let said = all(&mut client, &["old", "new"], 5).await;
    assert_eq!(said, ["C new@2 old@1", "E new@2", "L l@2", "R r@2", "C new@2"]);
}

#[tokio::test]
async fn removals_are_told_in_reverse_by_delta() {
    let rig = Rig::start().await;
    rig.ads.set("default", world("c", "1")).unwrap();
    let mut client = delta_envoy(&rig, "c").await;
    rig.ads.set("default", []).unwrap();
    let mut said: Vec<String> = Vec::new();
    for _ in 0..4 {
        let response: DeltaDiscoveryResponse = client.next().await;
        assert!(response.resources.is_empty());
        said.push(response.contents().concat());
        client.send(delta_ack(&response));
    }
    assert_eq!(said, ["-r", "-l", "-c", "-c"]);
    client.silent().await;
}

#[tokio::test]
async fn endpoints_do_not_wait_for_a_cluster_that_waits_for_them() {
    let rig = Rig::start().await;
    rig.ads.set("default", world("c", "1")).unwrap();
    let mut client = envoy(&rig, &["c"]).await;
    rig.ads.set("default", world("c", "2")).unwrap();
    // It warms the cluster, and says nothing before it has the endpoints.
    let clusters = client.expect(CDS, &["c@2"]).await;
    let endpoints = client.expect(EDS, &["c@2"]).await;
    client.silent().await;
    // And everything changes once more.
    rig.ads.set("default", world("c", "3")).unwrap();
    client.silent().await;
    client.send(ack(&endpoints, &["c"]));
    // The new endpoints come although the new cluster can't; listeners and routes wait for it.
    client.take(EDS, &["c@3"], &["c"]).await;
    client.silent().await;
    client.send(ack(&clusters, &[]));
    let said = all(&mut client, &["c"], 4).await;
    assert_eq!(said, ["C c@3", "E c@3", "L l@3", "R r@3"]);
}

#[tokio::test]
async fn a_route_waits_until_its_new_cluster_is_in_service() {
    let rig = Rig::start().await;
    rig.ads.set("default", world("old", "1")).unwrap();
    let mut client = delta_envoy(&rig, "old").await;
    rig.ads.set("default", world("old", "1").into_iter().chain(world("new", "2"))).unwrap();
    let clusters = client.expect(CDS, &["new@2"]).await;
    // Only now it knows whose endpoints to ask for.
    client.silent().await;
    client.send(subscribe(EDS, &["new"]));
    client.take(EDS, &["new@2"]).await;
    client.silent().await;
    client.send(delta_ack(&clusters));
    client.take(LDS, &["l@2"]).await;
    client.take(RDS, &["r@2"]).await;
    client.silent().await;
}

#[tokio::test]
async fn who_keeps_another_order_waits_no_longer_than_the_patience() {
    let rig = Rig::with(|limits| limits.order_patience = Duration::from_millis(300)).await;
    rig.ads.set("default", world("c", "1")).unwrap();
    let mut client = envoy(&rig, &["c"]).await;
    rig.ads.update("default", |edit| edit.put(cluster("c", "2"))).unwrap();
    let clusters = client.expect(CDS, &["c@2"]).await;
    client.take(EDS, &["c@1"], &["c"]).await;
    // It won't accept the cluster before it has a route that comes with the next one.
    rig.ads.set("default", world("c", "3")).unwrap();
    client.take(EDS, &["c@3"], &["c"]).await;
    client.take(LDS, &["l@3"], &[]).await;
    client.take(RDS, &["r@3"], &["r"]).await;
    client.send(ack(&clusters, &[]));
    let said = all(&mut client, &["c"], 2).await;
    assert_eq!(said, ["C c@3", "E c@3"]);
    assert!(rig.ads.metrics().deferred > 0);
}

#[tokio::test]
async fn who_accepts_clusters_slower_than_they_change_is_waited_for() {
    let rig = Rig::with(|limits| limits.order_patience = Duration::from_millis(300)).await;
    rig.ads.set("default", world("c", "1")).unwrap();
    let mut client = envoy(&rig, &["c"]).await;
    rig.ads.set("default", world("c", "2")).unwrap();
    for version in 3..10 {
        let clusters = loop {
            let response = client.next().await;
            match &*response.type_url {
                CDS => break response,
                EDS => client.send(ack(&response, &["c"])),
                other => panic!("{other} before the clusters that it refers to"),
            }
        };
        rig.ads.update("default", |edit| edit.put(cluster("c", &version.to_string()))).unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        client.send(ack(&clusters, &[]));
    }
    let said = all(&mut client, &["c"], 5).await;
    assert_eq!(said[3..], ["L l@2", "R r@2"], "{said:?}");
}

#[tokio::test]
async fn a_cluster_that_is_removed_while_it_warms_is_let_go() {
    let rig = Rig::start().await;
    rig.ads.set("default", world("old", "1")).unwrap();
    let mut client = envoy(&rig, &["old"]).await;
    rig.ads.set("default", world("old", "1").into_iter().chain(world("new", "1"))).unwrap();
    let clusters = client.expect(CDS, &["new@1", "old@1"]).await;
    rig.ads.set("default", world("old", "1")).unwrap();
    client.send(ask(EDS, &["old", "new"]));
    // There are none any more; but without any, it wouldn't acknowledge the cluster.
    let endpoints = client.next().await;
    assert_eq!((&*endpoints.type_url, endpoints.resources.len()), (EDS, 1));
    client.send(ack(&endpoints, &["old", "new"]));
    client.silent().await;
    client.send(ack(&clusters, &[]));
    client.take(CDS, &["old@1"], &[]).await;
    client.silent().await;
}

#[tokio::test]
async fn that_endpoints_are_missing_is_told_after_the_route_that_leads_elsewhere() {
    // The patience is longer than this test waits for anything.
    let rig = Rig::with(|limits| limits.order_patience = Duration::from_secs(60)).await;
    let routes = |version: &str| resource(RDS, "r", version);
    let [old, new] = ["old", "new"].map(|name| [cluster(name, "1"), resource(EDS, name, "1")]);
    rig.ads.set("default", old.into_iter().chain([routes("1")])).unwrap();
    let mut client = rig.sotw().await;
    client.send(ask(RDS, &["r"]));
    let route = client.expect(RDS, &["r@1"]).await;
    client.send(ask(CDS, &["old"]));
    client.take(CDS, &["old@1"], &["old"]).await;
    // The route leads to another cluster before the client has asked for the old one's endpoints.
    rig.ads.set("default", new.into_iter().chain([routes("2")])).unwrap();
    client.send(ask(EDS, &["old", "new"]));
    client.take(EDS, &["new@1"], &["old", "new"]).await;
    client.silent().await;
    client.send(ack(&route, &["r"]));
    client.take(RDS, &["r@2"], &["r"]).await;
    // All the same it is told, if it still wants to know.
    let response = client.next().await;
    assert_eq!((&*response.type_url, response.resources.len()), (EDS, 1));
}

#[tokio::test]
async fn a_deferred_type_holds_no_permit() {
    let rig = Rig::with(|limits| limits.permits = 1).await;
    rig.ads.set("default", world("c", "1")).unwrap();
    let mut stuck = envoy(&rig, &["c"]).await;
    let mut other = envoy(&rig, &["c"]).await;
    rig.ads.update("default", |edit| edit.put(cluster("c", "2"))).unwrap();
    let _unanswered = stuck.expect(CDS, &["c@2"]).await;
    let _unanswered = stuck.expect(EDS, &["c@1"]).await;
    other.take(CDS, &["c@2"], &[]).await;
    other.take(EDS, &["c@1"], &["c"]).await;
    rig.ads.set("default", world("c", "3")).unwrap();
    let said = all(&mut other, &["c"], 4).await;
    assert_eq!(said, ["C c@3", "E c@3", "L l@3", "R r@3"]);
}

#[tokio::test]
async fn a_removal_that_is_kept_back_keeps_nothing_else_back() {
    let rig = Rig::with(|limits| limits.order_patience = Duration::from_secs(60)).await;
    rig.ads.set("default", [cluster("a", "1"), cluster("b", "1")]).unwrap();
    let mut client = rig.sotw().await;
    client.send(ask(CDS, &["a", "b"]));
    client.take(CDS, &["a@1", "b@1"], &["a", "b"]).await;
    // What is asked for by name stays for a while.
    rig.ads.update("default", |edit| edit.remove(CDS, "b")).unwrap();
    client.silent().await;
    rig.ads.update("default", |edit| edit.put(cluster("a", "2"))).unwrap();
    client.take(CDS, &["a@2", "b@1"], &["a", "b"]).await;
    client.silent().await;
    let published = rig.ads.update("default", |edit| edit.put(cluster("a", "3"))).unwrap();
    let response = client.expect(CDS, &["a@3", "b@1"]).await;
    // It gives it up by itself, and nothing is left to remove.
    client.send(ack(&response, &["a"]));
    rig.ads.wait_acked(&published).await.unwrap();
    client.silent().await;
}

#[tokio::test]
async fn secrets_wait_for_nobody_and_listeners_for_the_cluster() {
    const SDS: &str = TypeUrl::SECRET;
    // The patience is longer than this test waits for anything.
    let rig = Rig::with(|limits| limits.order_patience = Duration::from_secs(60)).await;
    rig.ads.set("default", world("c", "1")).unwrap();
    let (mut sotw, mut delta) = (envoy(&rig, &["c"]).await, delta_envoy(&rig, "c").await);
    rig.ads.set("default", world("c", "2").into_iter().chain([resource(SDS, "s", "1")])).unwrap();
    // It asks for the secret when it has the cluster, and acknowledges the cluster only with the
    // secret.
    let response = sotw.expect(CDS, &["c@2"]).await;
    sotw.take(EDS, &["c@2"], &["c"]).await;
    sotw.send(ask(SDS, &["s"]));
    sotw.take(SDS, &["s@1"], &["s"]).await;
    sotw.silent().await;
    sotw.send(ack(&response, &[]));
    sotw.take(LDS, &["l@2"], &[]).await;
    sotw.take(RDS, &["r@2"], &["r"]).await;
    let response = delta.expect(CDS, &["c@2"]).await;
    delta.take(EDS, &["c@2"]).await;
    delta.send(subscribe(SDS, &["s"]));
    delta.take(SDS, &["s@1"]).await;
    delta.silent().await;
    delta.send(delta_ack(&response));
    delta.take(LDS, &["l@2"]).await;
    delta.take(RDS, &["r@2"]).await;
    // Nor while clusters are unsent: whatever a type is that nothing is known about.
    let response = {
        rig.ads.update("default", |edit| edit.put(cluster("c", "3"))).unwrap();
        sotw.expect(CDS, &["c@3"]).await
    };
    rig.ads.update("default", |edit| edit.put(cluster("c", "4"))).unwrap();
    rig.ads.update("default", |edit| edit.put(resource(SDS, "s", "2"))).unwrap();
    let mut said =
        [sotw.next().await, sotw.next().await].map(|response| response.contents().concat());
    said.sort();
    assert_eq!(said, ["c@2", "s@2"]);
    drop(response);
}
