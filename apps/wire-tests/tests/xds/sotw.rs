//! State of the world: subscriptions, nonces, rejections.

use std::time::Duration;

use pushlane::adapters::xds::proto::DiscoveryRequest;

use crate::client::*;

#[tokio::test]
async fn headers_come_before_the_first_request() {
    let rig = Rig::start().await;
    // Both return only when the headers are there.
    let mut sotw = rig.sotw().await;
    let mut delta = rig.delta().await;
    sotw.silent().await;
    delta.silent().await;
}

#[tokio::test]
async fn resources_are_served_by_name() {
    let rig = Rig::start().await;
    let mut client = rig.sotw().await;
    client.send(ask(LDS, &["a"]));
    client.silent().await; // the view has never been set
    let resources = [resource(LDS, "a", "1"), resource(LDS, "b", "1"), resource(RDS, "r", "1")];
    let published = rig.ads.set("default", resources).unwrap();
    let response = client.expect(LDS, &["a@1"]).await;
    assert_eq!(response.version_info, published.revision().to_string());
    client.send(ack(&response, &["a"]));
    client.send(ask(RDS, &["r", "nothing"]));
    client.take(RDS, &["r@1"], &["r", "nothing"]).await;
    client.silent().await;
}

#[tokio::test]
async fn an_empty_list_is_all_clusters_or_none() {
    let rig = Rig::start().await;
    rig.ads
        .set("default", [cluster("a", "1"), cluster("b", "1"), resource(EDS, "e", "1")])
        .unwrap();
    let mut client = rig.sotw().await;
    client.send(ask(EDS, &[])); // no wildcard for what is asked for by name
    client.send(ask(CDS, &[]));
    client.take(CDS, &["a@1", "b@1"], &[]).await;
    client.silent().await;
    // Another stream: names first, then none.
    let mut client = rig.sotw().await;
    client.send(ask(CDS, &["a"]));
    let response = client.expect(CDS, &["a@1"]).await;
    client.send(ack(&response, &[]));
    rig.ads.update("default", |edit| edit.put(cluster("a", "2"))).unwrap();
    client.silent().await;
    // And back. What it had unsubscribed from it doesn't have any more.
    client.send(ack(&response, &["b"]));
    client.take(CDS, &["b@1"], &["b"]).await;
    client.send(ask(CDS, &["*"]));
    client.take(CDS, &["a@2", "b@1"], &["*"]).await;
}

#[tokio::test]
async fn a_stale_nonce_answers_nothing_but_its_names_count() {
    let rig = Rig::start().await;
    rig.ads.set("default", [resource(EDS, "a", "1"), resource(EDS, "b", "1")]).unwrap();
    let mut client = rig.sotw().await;
    client.send(ask(EDS, &["a"]));
    let first = client.expect(EDS, &["a@1"]).await;
    client.send(ack(&first, &["a"]));
    rig.ads.update("default", |edit| edit.put(resource(EDS, "a", "2"))).unwrap();
    let second = client.expect(EDS, &["a@2"]).await;
    // Written before the second response was read: its names count, its rejection doesn't.
    client.send(nack(&first, &["a", "b"], "late"));
    client.silent().await; // the second one is still unanswered
    assert_eq!((rig.ads.metrics().stale, rig.ads.metrics().nacks), (1, 0));
    client.send(ack(&second, &["a", "b"]));
    client.take(EDS, &["b@1"], &["a", "b"]).await;
}

#[tokio::test]
async fn who_has_given_up_everything_need_not_answer() {
    let rig = Rig::with(|limits| limits.ack_deadline = Duration::from_millis(400)).await;
    rig.ads.set("default", [resource(EDS, "a", "1"), resource(EDS, "b", "1")]).unwrap();
    let mut client = rig.sotw().await;
    client.send(ask(EDS, &["a"]));
    let first = client.expect(EDS, &["a@1"]).await;
    client.send(ack(&first, &["a"]));
    let published = rig.ads.update("default", |edit| edit.put(resource(EDS, "a", "2"))).unwrap();
    client.expect(EDS, &["a@2"]).await;
    // Gives up its last name before it has read that, and never answers it.
    client.send(ack(&first, &[]));
    rig.ads.wait_acked(&published).await.unwrap();
    client.send(ack(&first, &["b"]));
    client.take(EDS, &["b@1"], &["b"]).await;
    tokio::time::sleep(Duration::from_millis(800)).await;
    assert_eq!((rig.ads.metrics().ended.evicted(), rig.ads.metrics().streams), (0, 1));
    rig.ads.update("default", |edit| edit.put(resource(EDS, "b", "2"))).unwrap();
    client.take(EDS, &["b@2"], &["b"]).await;
}

#[tokio::test]
async fn what_a_client_that_came_back_rejects_is_not_taken_away() {
    let rig = Rig::start().await;
    rig.ads.set("default", [cluster("a", "1"), cluster("b", "2")]).unwrap();
    let mut client = rig.sotw().await;
    // It has something of before, and doesn't say of what it complains.
    client.send(DiscoveryRequest { version_info: "0".into(), ..ask(CDS, &[]) });
    let response = client.expect(CDS, &["a@1", "b@2"]).await;
    client.send(nack(&response, &[], "no"));
    client.silent().await;
    rig.ads.update("default", |edit| edit.put(cluster("c", "3"))).unwrap();
    client.take(CDS, &["a@1", "b@2", "c@3"], &[]).await;
}

#[tokio::test]
async fn the_nonce_stays_while_nothing_is_sent() {
    let rig = Rig::start().await;
    rig.ads.set("default", [resource(RDS, "a", "1")]).unwrap();
    let mut client = rig.sotw().await;
    client.send(ask(RDS, &["a"]));
    let first = client.expect(RDS, &["a@1"]).await;
    client.send(ack(&first, &["a"]));
    // Neither is anything to this client.
    rig.ads.update("default", |edit| edit.put(resource(RDS, "b", "1"))).unwrap();
    client.send(ack(&first, &["a", "unknown"]));
    client.silent().await;
    // So the first nonce is still the last.
    client.send(ack(&first, &["a", "b"]));
    client.take(RDS, &["b@1"], &["a", "b"]).await;
    assert_eq!(rig.ads.metrics().stale, 0);
}

#[tokio::test]
async fn only_what_changed_of_what_is_watched_is_sent() {
    let rig = Rig::start().await;
    let all = ["a", "b", "c"].map(|name| resource(EDS, name, "1"));
    rig.ads.set("default", all).unwrap();
    let mut client = rig.sotw().await;
    client.send(ask(EDS, &["a", "b"]));
    client.take(EDS, &["a@1", "b@1"], &["a", "b"]).await;
    rig.ads
        .update("default", |edit| {
            edit.put(resource(EDS, "b", "2"));
            edit.put(resource(EDS, "c", "2"));
        })
        .unwrap();
    client.take(EDS, &["b@2"], &["a", "b"]).await;
    // What is gone can't be said; when it is back, it is sent.
    rig.ads.update("default", |edit| edit.remove(EDS, "a")).unwrap();
    client.silent().await;
    rig.ads.update("default", |edit| edit.put(resource(EDS, "a", "1"))).unwrap();
    client.take(EDS, &["a@1"], &["a", "b"]).await;
}

#[tokio::test]
async fn listeners_and_clusters_are_complete_sets() {
    let rig = Rig::start().await;
    let listeners = |names: &[(&str, &str)]| -> Vec<_> {
        names.iter().map(|(name, version)| resource(LDS, name, version)).collect()
    };
    rig.ads.set("default", listeners(&[("a", "1"), ("b", "1")])).unwrap();
    let mut client = rig.sotw().await;
    client.send(ask(LDS, &[]));
    client.take(LDS, &["a@1", "b@1"], &[]).await;
    rig.ads.set("default", listeners(&[("a", "1"), ("b", "2")])).unwrap();
    client.take(LDS, &["a@1", "b@2"], &[]).await;
    rig.ads.set("default", listeners(&[("b", "2")])).unwrap();
    client.take(LDS, &["b@2"], &[]).await;
    rig.ads.set("default", []).unwrap();
    client.take(LDS, &[], &[]).await;
    client.silent().await;
}

#[tokio::test]
async fn changes_merge_while_a_response_is_unanswered() {
    let rig = Rig::start().await;
    rig.ads.set("default", [resource(EDS, "a", "0"), resource(EDS, "b", "0")]).unwrap();
    let mut client = rig.sotw().await;
    client.send(ask(EDS, &["a", "b"]));
    let first = client.expect(EDS, &["a@0", "b@0"]).await;
    for version in 1..=50 {
        let version = version.to_string();
        rig.ads.update("default", |edit| edit.put(resource(EDS, "a", &version))).unwrap();
    }
    rig.ads.update("default", |edit| edit.put(resource(EDS, "b", "1"))).unwrap();
    client.silent().await;
    client.send(ack(&first, &["a", "b"]));
    client.take(EDS, &["a@50", "b@1"], &["a", "b"]).await;
    client.silent().await;
    assert_eq!(rig.ads.metrics().permits_held, 0);
}

#[tokio::test]
async fn what_was_rejected_is_not_sent_until_it_changes() {
    let rig = Rig::start().await;
    rig.ads.set("default", [resource(LDS, "bad", "1"), resource(LDS, "good", "1")]).unwrap();
    let mut client = rig.sotw().await;
    client.send(ask(LDS, &[]));
    client.take(LDS, &["bad@1", "good@1"], &[]).await;
    rig.ads
        .update("default", |edit| {
            edit.put(resource(LDS, "bad", "2"));
            edit.put(resource(LDS, "good", "2"));
        })
        .unwrap();
    let response = client.expect(LDS, &["bad@2", "good@2"]).await;
    client.send(nack(&response, &[], "Error updating listener(s) bad: broken"));
    client.silent().await;
    // Another change: the set is complete, with what the client has of the bad one.
    rig.ads.update("default", |edit| edit.put(resource(LDS, "new", "1"))).unwrap();
    client.take(LDS, &["bad@1", "good@2", "new@1"], &[]).await;
    rig.ads.update("default", |edit| edit.put(resource(LDS, "bad", "3"))).unwrap();
    client.take(LDS, &["bad@3", "good@2", "new@1"], &[]).await;
    client.silent().await;
    let metrics = rig.ads.metrics();
    assert_eq!((metrics.pushes, metrics.acks, metrics.nacks), (4, 3, 1));
}

#[tokio::test]
async fn what_was_rejected_at_first_is_left_out() {
    let rig = Rig::start().await;
    rig.ads.set("default", [cluster("bad", "1"), cluster("good", "1")]).unwrap();
    let mut client = rig.sotw().await;
    client.send(ask(CDS, &[]));
    let response = client.expect(CDS, &["bad@1", "good@1"]).await;
    // A reason that names nobody: all of them are suspect.
    client.send(nack(&response, &[], "something is wrong"));
    client.silent().await;
    rig.ads.update("default", |edit| edit.put(cluster("good", "2"))).unwrap();
    client.take(CDS, &["good@2"], &[]).await;
    client.silent().await;
    let nack = rig.ads.clients()[0].types[0].nack.clone().expect("one is still kept back");
    assert_eq!(nack.reason, "something is wrong");
    rig.ads.update("default", |edit| edit.put(cluster("bad", "2"))).unwrap();
    client.take(CDS, &["bad@2", "good@2"], &[]).await;
    client.silent().await;
    assert_eq!(rig.ads.clients()[0].types[0].nack, None);
}

#[tokio::test]
async fn views_are_apart() {
    let rig = Rig::start().await;
    let ([mut red, mut blue], mut nobody) =
        ([rig.sotw().await, rig.sotw().await], rig.sotw().await);
    for (client, view) in [(&mut red, "red"), (&mut blue, "blue")] {
        client.send(tonic_node(view, ask(RDS, &["a", "b"])));
        client.silent().await;
    }
    rig.ads.set("red", [resource(RDS, "a", "red")]).unwrap();
    red.take(RDS, &["a@red"], &["a", "b"]).await;
    blue.silent().await;
    rig.ads.set("blue", [resource(RDS, "a", "blue"), resource(RDS, "b", "blue")]).unwrap();
    blue.take(RDS, &["a@blue", "b@blue"], &["a", "b"]).await;
    red.silent().await;
    nobody.send(tonic_node("nobody", ask(RDS, &["a"])));
    assert_eq!(nobody.end().await.0, tonic::Code::PermissionDenied);
}

fn tonic_node<R: Into<Request>>(view: &str, request: R) -> Request {
    let mut request = request.into();
    request.node = node_of("n", view);
    request
}

type Request = pushlane::adapters::xds::proto::DiscoveryRequest;
