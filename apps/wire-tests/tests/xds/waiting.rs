//! Who has acknowledged what.

use std::time::Duration;

use pushlane::adapters::xds::{Acked, Published, Rejected};
use tokio::time::timeout;

use crate::client::*;

async fn acked(rig: &Rig, published: &Published) -> Result<Acked, Rejected> {
    timeout(Duration::from_secs(20), rig.ads.wait_acked(published)).await.expect("answered")
}

fn put(rig: &Rig, name: &str, version: &str) -> Published {
    rig.ads.update("default", |edit| edit.put(resource(EDS, name, version))).unwrap()
}

/// A client that has `names` and has said so.
async fn client(rig: &Rig, id: &str, names: &[&str]) -> Sotw {
    let mut client = rig.sotw().await;
    let mut request = ask(EDS, names);
    request.node = node(id);
    client.send(request);
    let response = client.next().await;
    client.send(ack(&response, names));
    client.silent().await;
    client
}

#[tokio::test]
async fn a_change_waits_for_whom_it_concerns_and_nobody_else() {
    let rig = Rig::start().await;
    rig.ads.set("default", [resource(EDS, "a", "1"), resource(EDS, "b", "1")]).unwrap();
    let mut one = client(&rig, "one", &["a"]).await;
    let mut two = client(&rig, "two", &["a", "b"]).await;
    let busy = put(&rig, "b", "2");
    let stuck = two.expect(EDS, &["b@2"]).await;
    let published = put(&rig, "a", "2");
    assert!(!rig.ads.is_answered(&published));
    let response = one.expect(EDS, &["a@2"]).await;
    one.silent().await;
    let mut late: Vec<_> =
        rig.ads.laggards(&published).into_iter().map(|laggard| laggard.node_id).collect();
    late.sort();
    assert_eq!(late, ["one", "two"]);
    assert_eq!(rig.ads.laggards(&busy)[0].node_id, "two");
    one.send(ack(&response, &["a"]));
    one.silent().await;
    assert_eq!(rig.ads.laggards(&published).len(), 1);
    two.send(ack(&stuck, &["a", "b"]));
    acked(&rig, &busy).await.unwrap();
    assert!(!rig.ads.is_answered(&published), "it has been sent by now, and not accepted");
    two.take(EDS, &["a@2"], &["a", "b"]).await;
    let done = acked(&rig, &published).await.unwrap();
    assert!(done.departed.is_empty());
    assert!(rig.ads.laggards(&published).is_empty());
}

#[tokio::test]
async fn merged_changes_are_acknowledged_together() {
    let rig = Rig::start().await;
    rig.ads.set("default", [resource(EDS, "a", "0")]).unwrap();
    let mut client = client(&rig, "one", &["a"]).await;
    let first = put(&rig, "a", "1");
    let response = client.expect(EDS, &["a@1"]).await;
    let [second, third] = ["2", "3"].map(|version| put(&rig, "a", version));
    client.send(ack(&response, &["a"]));
    acked(&rig, &first).await.unwrap();
    let response = client.expect(EDS, &["a@3"]).await;
    assert!(!rig.ads.is_answered(&second) && !rig.ads.is_answered(&third));
    client.send(ack(&response, &["a"]));
    for published in [&first, &second, &third] {
        acked(&rig, published).await.unwrap();
    }
}

#[tokio::test]
async fn who_rejects_is_reported_with_the_reason() {
    let rig = Rig::start().await;
    rig.ads.set("default", [resource(EDS, "a", "0"), resource(EDS, "b", "0")]).unwrap();
    let mut good = client(&rig, "good", &["a"]).await;
    let mut bad = client(&rig, "bad", &["a", "b"]).await;
    let fine = put(&rig, "a", "1");
    good.take(EDS, &["a@1"], &["a"]).await;
    bad.take(EDS, &["a@1"], &["a", "b"]).await;
    let broken = put(&rig, "a", "2");
    good.take(EDS, &["a@2"], &["a"]).await;
    let response = bad.expect(EDS, &["a@2"]).await;
    bad.send(nack(&response, &["a", "b"], "a has no endpoints"));
    let rejected = acked(&rig, &broken).await.unwrap_err();
    let [nack] = &rejected.nacks[..] else { panic!("{rejected:?}") };
    assert_eq!((&*nack.node_id, &*nack.reason, nack.code), ("bad", "a has no endpoints", 3));
    assert_eq!(nack.resources, [("a".into(), "2".into())]);
    assert_eq!(nack.revision, broken.revision());
    assert!(rejected.to_string().contains("bad rejects ClusterLoadAssignment"));
    // What it had accepted stays accepted, and what it accepts later is accepted.
    acked(&rig, &fine).await.unwrap();
    let other = put(&rig, "b", "1");
    bad.take(EDS, &["b@1"], &["a", "b"]).await;
    acked(&rig, &other).await.unwrap();
    let repaired = put(&rig, "a", "3");
    good.take(EDS, &["a@3"], &["a"]).await;
    bad.take(EDS, &["a@3"], &["a", "b"]).await;
    acked(&rig, &repaired).await.unwrap();
    assert!(acked(&rig, &broken).await.is_err(), "it was rejected all the same");
}

#[tokio::test]
async fn a_merged_rejection_counts_for_all_that_was_merged() {
    let rig = Rig::start().await;
    rig.ads.set("default", [resource(EDS, "a", "0")]).unwrap();
    let mut client = client(&rig, "one", &["a"]).await;
    let first = put(&rig, "a", "1");
    let response = client.expect(EDS, &["a@1"]).await;
    let [second, third] = ["2", "3"].map(|version| put(&rig, "a", version));
    client.send(ack(&response, &["a"]));
    let response = client.expect(EDS, &["a@3"]).await;
    client.send(nack(&response, &["a"], "no"));
    acked(&rig, &first).await.unwrap();
    assert!(acked(&rig, &second).await.is_err() && acked(&rig, &third).await.is_err());
}

#[tokio::test]
async fn who_has_left_is_not_waited_for_and_is_named() {
    let rig = Rig::start().await;
    rig.ads.set("default", [resource(EDS, "a", "0"), resource(EDS, "b", "0")]).unwrap();
    let mut leaver = client(&rig, "leaver", &["a"]).await;
    let bystander = client(&rig, "bystander", &["b"]).await;
    let published = put(&rig, "a", "1");
    leaver.expect(EDS, &["a@1"]).await;
    assert!(!rig.ads.is_answered(&published));
    drop(leaver);
    let done = acked(&rig, &published).await.unwrap();
    assert_eq!(done.departed.len(), 1);
    assert_eq!(done.departed[0].node_id, "leaver");
    drop(bystander);
    // Who comes later starts from what there is.
    let mut newcomer = rig.sotw().await;
    newcomer.send(ask(EDS, &["a"]));
    newcomer.take(EDS, &["a@1"], &["a"]).await;
    let published = put(&rig, "b", "1");
    let done = acked(&rig, &published).await.unwrap();
    assert!(done.departed.is_empty(), "{done:?}");
}

#[tokio::test]
async fn a_removal_that_was_kept_back_is_waited_for() {
    let rig = Rig::start().await;
    rig.ads.set("default", [cluster("old", "1"), resource(RDS, "r", "1")]).unwrap();
    let mut client = rig.sotw().await;
    client.send(ask(CDS, &[]));
    client.take(CDS, &["old@1"], &[]).await;
    client.send(ask(RDS, &["r"]));
    client.take(RDS, &["r@1"], &["r"]).await;
    client.silent().await;
    let published = rig.ads.set("default", [cluster("new", "1"), resource(RDS, "r", "2")]).unwrap();
    client.take(CDS, &["new@1", "old@1"], &[]).await;
    client.take(RDS, &["r@2"], &["r"]).await;
    let response = client.expect(CDS, &["new@1"]).await;
    assert!(!rig.ads.is_answered(&published), "the old cluster is still there");
    client.send(ack(&response, &[]));
    acked(&rig, &published).await.unwrap();
}

#[tokio::test]
async fn a_change_of_many_names_arrives_as_one() {
    let rig = Rig::start().await;
    let all = |version: &str| -> Vec<_> {
        (0..2_000).map(|at| resource(EDS, &format!("e{at}"), version)).collect()
    };
    rig.ads.set("default", all("1")).unwrap();
    let mut client = client(&rig, "one", &["e7", "e1999"]).await;
    let published = rig.ads.set("default", all("2")).unwrap();
    assert_eq!(published.changed().count(), 2_000);
    let response = client.next().await;
    assert_eq!(response.contents(), ["e1999@2", "e7@2"]);
    assert!(!rig.ads.is_answered(&published));
    client.send(ack(&response, &["e7", "e1999"]));
    acked(&rig, &published).await.unwrap();
    client.silent().await;
}

#[tokio::test]
async fn a_change_that_changes_nothing_is_answered_already() {
    let rig = Rig::start().await;
    rig.ads.set("default", [resource(EDS, "a", "1")]).unwrap();
    let mut client = client(&rig, "one", &["a"]).await;
    let published = rig.ads.set("default", [resource(EDS, "a", "1")]).unwrap();
    assert!(published.is_empty() && rig.ads.is_answered(&published));
    client.silent().await;
}
