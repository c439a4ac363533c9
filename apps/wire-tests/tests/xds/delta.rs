//! The incremental protocol: subscriptions, what is held from before, removals.

use pushlane::adapters::xds::proto::DeltaDiscoveryRequest;

use crate::client::*;

fn held(request: DeltaDiscoveryRequest, versions: &[(&str, &str)]) -> DeltaDiscoveryRequest {
    let versions = versions.iter().map(|(name, version)| ((*name).into(), (*version).into()));
    DeltaDiscoveryRequest { initial_resource_versions: versions.collect(), ..request }
}

#[tokio::test]
async fn only_changes_are_sent_and_removals_are_told() {
    let rig = Rig::start().await;
    rig.ads.set("default", [cluster("a", "1"), cluster("b", "1")]).unwrap();
    let mut client = rig.delta().await;
    client.send(subscribe(CDS, &[])); // nothing named at first: all
    let response = client.expect(CDS, &["a@1", "b@1"]).await;
    assert_eq!(response.resources[0].version, "1");
    client.send(delta_ack(&response));
    rig.ads.update("default", |edit| edit.put(cluster("b", "2"))).unwrap();
    client.take(CDS, &["b@2"]).await;
    rig.ads.update("default", |edit| edit.remove(CDS, "a")).unwrap();
    client.take(CDS, &["-a"]).await;
    rig.ads.update("default", |edit| edit.put(cluster("a", "1"))).unwrap();
    client.take(CDS, &["a@1"]).await;
    client.silent().await;
}

#[tokio::test]
async fn every_subscription_is_answered() {
    let rig = Rig::start().await;
    rig.ads.set("default", [resource(EDS, "a", "1"), resource(EDS, "b", "1")]).unwrap();
    let mut client = rig.delta().await;
    client.send(subscribe(EDS, &["a", "unknown"]));
    client.take(EDS, &["a@1", "-unknown"]).await;
    // Again, although it has it; and what is unknown is told again.
    client.send(subscribe(EDS, &["a", "unknown"]));
    client.take(EDS, &["a@1", "-unknown"]).await;
    client.send(subscribe(EDS, &["b"]));
    client.take(EDS, &["b@1"]).await;
    client.send(unsubscribe(EDS, &["a", "never"]));
    rig.ads
        .update("default", |edit| {
            edit.put(resource(EDS, "a", "2"));
            edit.put(resource(EDS, "unknown", "1"));
        })
        .unwrap();
    client.take(EDS, &["unknown@1"]).await;
    client.silent().await;
}

#[tokio::test]
async fn nothing_is_unknown_before_the_view_is_set() {
    let rig = Rig::start().await;
    let mut client = rig.delta().await;
    client.send(subscribe(EDS, &["a"]));
    client.send(subscribe(CDS, &["*"]));
    client.silent().await;
    rig.ads.set("default", []).unwrap();
    client.take(CDS, &[]).await;
    client.take(EDS, &["-a"]).await;
}

#[tokio::test]
async fn what_is_held_is_not_sent_again() {
    let rig = Rig::start().await;
    let all = ["same", "newer", "other"].map(|name| cluster(name, "2"));
    rig.ads.set("default", all).unwrap();
    let mut client = rig.delta().await;
    let versions = [("same", "2"), ("newer", "1"), ("gone", "1")];
    client.send(held(subscribe(CDS, &["*"]), &versions));
    client.take(CDS, &["newer@2", "other@2", "-gone"]).await;
    // Nor if nothing is new at all: an empty answer.
    let mut client = rig.delta().await;
    client.send(held(subscribe(CDS, &["*"]), &[("same", "2"), ("newer", "2"), ("other", "2")]));
    client.take(CDS, &[]).await;
}

#[tokio::test]
async fn held_names_count_as_subscribed() {
    let rig = Rig::start().await;
    let all = ["held", "named", "other"].map(|name| resource(EDS, name, "1"));
    rig.ads.set("default", all).unwrap();
    let mut client = rig.delta().await;
    client.send(held(subscribe(EDS, &["named"]), &[("held", "1"), ("lost", "1")]));
    client.take(EDS, &["named@1", "-lost"]).await;
    rig.ads
        .update("default", |edit| {
            edit.put(resource(EDS, "held", "2"));
            edit.put(resource(EDS, "lost", "2"));
            edit.put(resource(EDS, "other", "2"));
        })
        .unwrap();
    client.take(EDS, &["held@2", "lost@2"]).await;
    client.silent().await;
}

#[tokio::test]
async fn names_and_the_wildcard_can_be_mixed() {
    let rig = Rig::start().await;
    rig.ads.set("default", [cluster("a", "1"), cluster("b", "1")]).unwrap();
    let mut client = rig.delta().await;
    client.send(subscribe(CDS, &["*", "a", "missing"]));
    client.take(CDS, &["a@1", "b@1", "-missing"]).await;
    // The name is left, the wildcard still covers it.
    client.send(unsubscribe(CDS, &["a"]));
    client.take(CDS, &["a@1"]).await;
    // The wildcard is left: only what was named stays.
    client.send(subscribe(CDS, &["b"]));
    client.take(CDS, &["b@1"]).await;
    client.send(unsubscribe(CDS, &["*"]));
    rig.ads
        .update("default", |edit| {
            ["a", "b", "c"].into_iter().for_each(|name| edit.put(cluster(name, "2")))
        })
        .unwrap();
    client.take(CDS, &["b@2"]).await;
    rig.ads.update("default", |edit| edit.put(cluster("missing", "2"))).unwrap();
    client.take(CDS, &["missing@2"]).await;
    // And back.
    client.send(subscribe(CDS, &["*"]));
    client.take(CDS, &["a@2", "c@2"]).await;
    client.silent().await;
}

#[tokio::test]
async fn a_stale_nonce_answers_nothing_but_its_subscriptions_count() {
    let rig = Rig::start().await;
    rig.ads.set("default", [resource(EDS, "a", "1"), resource(EDS, "b", "1")]).unwrap();
    let mut client = rig.delta().await;
    client.send(subscribe(EDS, &["a"]));
    let first = client.expect(EDS, &["a@1"]).await;
    client.send(delta_ack(&first));
    rig.ads.update("default", |edit| edit.put(resource(EDS, "a", "2"))).unwrap();
    let second = client.expect(EDS, &["a@2"]).await;
    client.send(DeltaDiscoveryRequest {
        resource_names_subscribe: vec!["b".into()],
        ..delta_nack(&first, "late")
    });
    client.silent().await; // the second one is still unanswered
    assert_eq!(rig.ads.metrics().nacks, 0);
    client.send(delta_ack(&second));
    client.take(EDS, &["b@1"]).await;
}

#[tokio::test]
async fn what_was_rejected_is_not_sent_until_it_changes() {
    let rig = Rig::start().await;
    rig.ads.set("default", [resource(RDS, "a", "1")]).unwrap();
    let mut client = rig.delta().await;
    client.send(subscribe(RDS, &["a", "b"]));
    let response = client.expect(RDS, &["a@1", "-b"]).await;
    client.send(delta_nack(&response, "broken"));
    client.silent().await;
    rig.ads.update("default", |edit| edit.put(resource(RDS, "b", "1"))).unwrap();
    client.take(RDS, &["b@1"]).await;
    rig.ads.update("default", |edit| edit.put(resource(RDS, "a", "2"))).unwrap();
    client.take(RDS, &["a@2"]).await;
    client.silent().await;
}

#[tokio::test]
async fn changes_merge_while_a_response_is_unanswered() {
    let rig = Rig::start().await;
    rig.ads.set("default", [resource(EDS, "a", "1"), resource(EDS, "b", "1")]).unwrap();
    let mut client = rig.delta().await;
    client.send(subscribe(EDS, &["a", "b"]));
    let first = client.expect(EDS, &["a@1", "b@1"]).await;
    rig.ads.update("default", |edit| edit.remove(EDS, "a")).unwrap();
    rig.ads.update("default", |edit| edit.put(resource(EDS, "b", "2"))).unwrap();
    rig.ads.update("default", |edit| edit.put(resource(EDS, "a", "1"))).unwrap();
    client.silent().await;
    client.send(delta_ack(&first));
    // It has been away and is back as it was: nothing to say.
    client.take(EDS, &["b@2"]).await;
    client.silent().await;
}
