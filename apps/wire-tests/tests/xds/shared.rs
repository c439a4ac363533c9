//! Revisions of a store that several servers share: nobody is taken back to an older state.

use std::time::{Duration, Instant};

use pushlane::adapters::xds::proto::{DeltaDiscoveryRequest, DiscoveryRequest};
use pushlane::adapters::xds::{Ads, Limits, Server};
use tonic::Code;

use crate::client::*;

async fn rig(ack_deadline: Duration) -> Rig {
    let mut limits = Limits::default();
    (limits.streams, limits.topics, limits.ack_deadline) = (20, 64, ack_deadline);
    let ads = Ads::builder().limits(limits).shared_revisions().start();
    let builder = Server::plaintext(&ads);
    let rig = Rig::serve(ads, builder).await;
    put(&rig, 100);
    rig
}

fn put(rig: &Rig, revision: u64) {
    let version = revision.to_string();
    let edit = rig.ads.update("default", |edit| {
        edit.at(revision);
        edit.put(cluster("c", &version));
    });
    assert_eq!(edit.unwrap().revision(), revision);
    rig.ads.reached(revision);
}

#[tokio::test]
async fn a_client_that_is_ahead_waits_until_the_server_is_there() {
    let rig = rig(Duration::from_secs(60)).await;
    let mut sotw = rig.sotw().await;
    sotw.send(DiscoveryRequest { version_info: "120".into(), ..ask(CDS, &[]) });
    let mut delta = rig.delta().await;
    let held = [("c".into(), "120".into())];
    let initial_resource_versions = held.into_iter().collect();
    delta.send(DeltaDiscoveryRequest { initial_resource_versions, ..subscribe(CDS, &["*"]) });
    sotw.silent().await;
    delta.silent().await;
    assert_eq!(rig.ads.behind().len(), 2);
    put(&rig, 110);
    sotw.silent().await;
    delta.silent().await;
    put(&rig, 120);
    let response = sotw.expect(CDS, &["c@120"]).await;
    assert_eq!(response.version_info, "120");
    // It has just that.
    delta.take(CDS, &[]).await;
    sotw.send(ack(&response, &[]));
    while !rig.ads.behind().is_empty() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_client_that_would_wait_for_ever_is_sent_elsewhere() {
    let rig = rig(Duration::from_millis(50)).await;
    let mut client = rig.sotw().await;
    client.send(DiscoveryRequest { version_info: "7000".into(), ..ask(CDS, &[]) });
    let (code, reason) = client.end().await;
    assert_eq!(code, Code::Unavailable);
    assert_eq!(reason, "the client has had revision 7000, this server is at 100");
}

#[tokio::test]
async fn a_client_is_not_made_to_wait_for_a_revision_that_the_store_does_not_have() {
    let rig = rig(Duration::from_secs(60)).await;
    let early = Instant::now();
    let mut sotw = rig.sotw().await;
    sotw.send(DiscoveryRequest { version_info: "7000".into(), ..ask(CDS, &[]) });
    sotw.silent().await;
    rig.ads.store_is_at(early, 100);
    sotw.silent().await;
    rig.ads.store_is_at(Instant::now(), 7000);
    sotw.silent().await;
    rig.ads.store_is_at(Instant::now(), 100);
    let response = sotw.expect(CDS, &["c@100"]).await;
    sotw.send(ack(&response, &[]));
    put(&rig, 101);
    sotw.expect(CDS, &["c@101"]).await;
}

#[tokio::test]
async fn a_revision_that_is_not_newer_gives_way() {
    let rig = rig(Duration::from_secs(60)).await;
    let again = rig.ads.update("default", |edit| {
        edit.at(100);
        edit.put(cluster("d", "1"));
    });
    assert_eq!(again.unwrap().revision(), 101);
    let other = rig.ads.update("other", |edit| edit.at(50)).unwrap();
    assert_eq!(other.revision(), 50, "each view has its own");
}

#[tokio::test]
async fn the_limit_of_streams_can_be_changed() {
    let rig = rig(Duration::from_secs(60)).await;
    let _one = rig.sotw().await;
    assert_eq!(rig.ads.set_stream_limit(1), 20);
    for (limit, why) in [(1, "1 streams are open already"), (0, "no stream is admitted now")] {
        rig.ads.set_stream_limit(limit);
        let error = Sotw::open(rig.channel().await, SOTW).await.map(|_| ()).unwrap_err();
        assert_eq!(error.message(), why);
    }
    assert_eq!(rig.ads.set_stream_limit(1_000), 0);
    assert_eq!(rig.ads.stream_limit(), 20, "no more than it was made for");
    let _two = rig.sotw().await;
}
