//! What a type's row in the table says: who asks for all, what is a full set, what is said of what
//! doesn't exist.

use prost::Message;
use pushlane::adapters::xds::proto::Any;
use pushlane::adapters::xds::{Ads, Kind, Server, TypeUrl};

use crate::client::*;

const SRDS: &str = TypeUrl::SCOPED_ROUTES;
const UNKNOWN: &str = "type.googleapis.com/example.Unknown";

#[tokio::test]
async fn a_first_request_without_names_asks_for_all_or_none_by_type() {
    let rig = Rig::start().await;
    let by_name =
        [EDS, RDS, TypeUrl::SECRET, TypeUrl::VIRTUAL_HOST, TypeUrl::EXTENSION, TypeUrl::RUNTIME];
    let wildcards = [LDS, SRDS, UNKNOWN];
    let all = wildcards.iter().chain(&by_name).map(|type_url| resource(type_url, "a", "1"));
    rig.ads.set("default", all.chain([cluster("a", "1")])).unwrap();
    for type_url in wildcards.into_iter().chain([CDS]) {
        let (mut sotw, mut delta) = (rig.sotw().await, rig.delta().await);
        sotw.send(ask(type_url, &[]));
        sotw.take(type_url, &["a@1"], &[]).await;
        delta.send(subscribe(type_url, &[]));
        delta.take(type_url, &["a@1"]).await;
    }
    for type_url in by_name {
        let (mut sotw, mut delta) = (rig.sotw().await, rig.delta().await);
        sotw.send(ask(type_url, &[]));
        delta.send(subscribe(type_url, &[]));
        sotw.silent().await;
        delta.silent().await;
        // By its name it is served.
        sotw.send(ask(type_url, &["a"]));
        sotw.take(type_url, &["a@1"], &["a"]).await;
    }
}

#[tokio::test]
async fn scoped_routes_are_a_full_set() {
    let rig = Rig::start().await;
    let scopes = |names: &[(&str, &str)]| -> Vec<_> {
        names.iter().map(|(name, version)| resource(SRDS, name, version)).collect()
    };
    rig.ads.set("default", scopes(&[("a", "1"), ("b", "1")])).unwrap();
    for names in [&[][..], &["*"]] {
        let mut client = rig.sotw().await;
        client.send(ask(SRDS, names));
        client.take(SRDS, &["a@1", "b@1"], names).await;
        rig.ads.set("default", scopes(&[("a", "1"), ("b", "2")])).unwrap();
        client.take(SRDS, &["a@1", "b@2"], names).await;
        rig.ads.set("default", scopes(&[("b", "2")])).unwrap();
        client.take(SRDS, &["b@2"], names).await;
        rig.ads.set("default", scopes(&[("a", "1"), ("b", "1")])).unwrap();
        client.take(SRDS, &["a@1", "b@1"], names).await;
    }
}

/// A server with this row.
async fn with(type_url: &str, kind: Kind) -> Rig {
    let ads = Ads::builder().kind(type_url, kind).start();
    let builder = Server::plaintext(&ads);
    Rig::serve(ads, builder).await
}

#[tokio::test]
async fn a_row_can_be_replaced() {
    let kind = Kind { wildcard: false, complete: false, ..Kind::of(UNKNOWN) };
    let rig = with(UNKNOWN, kind).await;
    rig.ads.set("default", ["a", "b"].map(|name| resource(UNKNOWN, name, "1"))).unwrap();
    let mut client = rig.sotw().await;
    client.send(ask(UNKNOWN, &[]));
    client.silent().await;
    client.send(ask(UNKNOWN, &["a", "b"]));
    client.take(UNKNOWN, &["a@1", "b@1"], &["a", "b"]).await;
    rig.ads.update("default", |edit| edit.put(resource(UNKNOWN, "a", "2"))).unwrap();
    client.take(UNKNOWN, &["a@2"], &["a", "b"]).await;
}

/// Nothing but a name, in field 1.
fn is_empty(any: &bytes::Bytes, name: &str) -> bool {
    let any = Any::decode(any.clone()).unwrap();
    any.type_url == EDS && any.value == [&[10, name.len() as u8], name.as_bytes()].concat()
}

#[tokio::test]
async fn endpoints_that_do_not_exist_are_told_to_be_empty() {
    let rig = Rig::start().await;
    rig.ads.set("default", [cluster("c", "1"), resource(EDS, "there", "1")]).unwrap();
    let mut client = rig.sotw().await;
    client.send(ask(EDS, &["gone", "there"]));
    let response = client.next().await;
    assert_eq!(response.resources.len(), 2);
    assert!(response.resources.iter().any(|any| is_empty(any, "gone")));
    client.send(ack(&response, &["gone", "there"]));
    client.silent().await;
    rig.ads.update("default", |edit| edit.put(resource(EDS, "gone", "1"))).unwrap();
    client.take(EDS, &["gone@1"], &["gone", "there"]).await;
    // What it has serves it better than nothing.
    rig.ads.update("default", |edit| edit.remove(EDS, "gone")).unwrap();
    client.silent().await;
}

#[tokio::test]
async fn a_changed_cluster_without_endpoints_is_sent_none_again() {
    let rig = Rig::start().await;
    rig.ads.set("default", [cluster("c", "1")]).unwrap();
    let mut client = rig.sotw().await;
    client.send(ask(CDS, &[]));
    client.take(CDS, &["c@1"], &[]).await;
    client.send(ask(EDS, &["c"]));
    for version in 2..5 {
        let response = client.next().await;
        assert!(is_empty(&response.resources[0], "c"));
        client.send(ack(&response, &["c"]));
        client.silent().await;
        rig.ads.update("default", |edit| edit.put(cluster("c", &version.to_string()))).unwrap();
        client.take(CDS, &[&format!("c@{version}")], &[]).await;
    }
}

#[tokio::test]
async fn endpoints_that_do_not_exist_may_be_answered_with_silence() {
    let rig = with(EDS, Kind { stand_in: false, ..Kind::of(EDS) }).await;
    rig.ads.set("default", [cluster("c", "1")]).unwrap();
    let mut client = rig.sotw().await;
    client.send(ask(EDS, &["c"]));
    client.silent().await;
    rig.ads.update("default", |edit| edit.put(resource(EDS, "c", "1"))).unwrap();
    client.take(EDS, &["c@1"], &["c"]).await;
}
