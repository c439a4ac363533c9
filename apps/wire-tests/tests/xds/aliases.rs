//! Resources that are asked for by other names than their own: virtual hosts, on demand.

use pushlane::adapters::xds::proto::DeltaDiscoveryResponse;
use pushlane::adapters::xds::{Resource, TypeUrl};

use crate::client::*;

const VHDS: &str = TypeUrl::VIRTUAL_HOST;

/// A virtual host of the route configuration `rc`, for these domains.
fn host(name: &str, version: &str, domains: &[&str]) -> Resource {
    let aliases = domains.iter().map(|domain| format!("rc/{domain}"));
    resource(VHDS, &format!("rc/{name}"), version).with_aliases(aliases)
}

fn aliases(response: &DeltaDiscoveryResponse) -> Vec<(&str, Vec<&str>, bool)> {
    let all = response.resources.iter();
    let all = all.map(|one| {
        let aliases = one.aliases.iter().map(String::as_str).collect();
        (one.name.as_str(), aliases, one.resource.is_empty())
    });
    all.collect()
}

#[tokio::test]
async fn a_virtual_host_is_found_by_its_domain() {
    let rig = Rig::start().await;
    let hosts = [host("shop", "1", &["a", "b"]), host("blog", "1", &["c"])];
    rig.ads.set("default", hosts).unwrap();
    let mut client = rig.delta().await;
    client.send(subscribe(VHDS, &["rc/b"]));
    let response = client.expect(VHDS, &["rc/shop@1"]).await;
    assert_eq!(aliases(&response), [("rc/shop", vec!["rc/a", "rc/b"], false)]);
    client.send(delta_ack(&response));
    // Envoy goes on by the name that it has learnt.
    client.send(subscribe(VHDS, &["rc/shop"]));
    client.take(VHDS, &["rc/shop@1"]).await;
    client.send(unsubscribe(VHDS, &["rc/b"]));
    rig.ads.update("default", |edit| edit.put(host("shop", "2", &["a", "b"]))).unwrap();
    client.take(VHDS, &["rc/shop@2"]).await;
    client.silent().await;
}

#[tokio::test]
async fn virtual_hosts_have_a_stream_of_their_own() {
    let rig = Rig::start().await;
    rig.ads.set("default", [host("shop", "1", &["a"])]).unwrap();
    let path = "/envoy.service.route.v3.VirtualHostDiscoveryService/DeltaVirtualHosts";
    let mut client = Delta::open(rig.channel().await, path).await.unwrap();
    client.send(subscribe(VHDS, &[])); // as Envoy begins
    client.send(subscribe(VHDS, &["rc/a"]));
    client.take(VHDS, &["rc/shop@1"]).await;
    client.silent().await;
}

#[tokio::test]
async fn who_knows_it_by_an_alias_is_told_of_changes_and_of_its_end() {
    let rig = Rig::start().await;
    rig.ads.set("default", [host("shop", "1", &["a", "b"])]).unwrap();
    let mut client = rig.delta().await;
    // By two of its names, and sent once.
    client.send(subscribe(VHDS, &["rc/a", "rc/b"]));
    client.take(VHDS, &["rc/shop@1"]).await;
    let published =
        rig.ads.update("default", |edit| edit.put(host("shop", "2", &["a", "b"]))).unwrap();
    client.take(VHDS, &["rc/shop@2"]).await;
    rig.ads.wait_acked(&published).await.unwrap();
    // It has another alias, and nothing else has changed.
    rig.ads.update("default", |edit| edit.put(host("shop", "2", &["a", "b", "c"]))).unwrap();
    client.take(VHDS, &["rc/shop@2"]).await;
    rig.ads.update("default", |edit| edit.remove(VHDS, "rc/shop")).unwrap();
    client.take(VHDS, &["-rc/shop"]).await;
    client.silent().await;
}

#[tokio::test]
async fn a_domain_that_nobody_serves_is_answered_without_contents() {
    let rig = Rig::start().await;
    rig.ads.set("default", [host("shop", "1", &["a"])]).unwrap();
    let mut client = rig.delta().await;
    client.send(subscribe(VHDS, &["rc/x"]));
    let response = client.next().await;
    assert_eq!(aliases(&response), [("rc/x", vec!["rc/x"], true)]);
    assert!(response.removed_resources.is_empty());
    client.send(delta_ack(&response));
    client.silent().await;
    // When somebody does, it is told.
    rig.ads.update("default", |edit| edit.put(host("shop", "2", &["a", "x"]))).unwrap();
    client.take(VHDS, &["rc/shop@2"]).await;
    client.silent().await;
}
