//! Resources that clients have for a limited time.

use std::time::Duration;

use prost::Message;
use pushlane::adapters::xds::proto::{Any, DeltaResource};
use pushlane::adapters::xds::{Resource, TypeUrl};

use crate::client::*;

const RTDS: &str = TypeUrl::RUNTIME;
/// What a resource with a time to live comes in, state of the world.
const WRAPPER: &str = "type.googleapis.com/envoy.service.discovery.v3.Resource";

fn limited(version: &str) -> Resource {
    resource(RTDS, "a", version).with_ttl(Duration::from_millis(600))
}

fn has_ttl(one: &DeltaResource, version: &str) -> bool {
    let any = Any::decode(one.resource.clone()).unwrap();
    let ttl = one.ttl.map(|ttl| (ttl.seconds, ttl.nanos));
    (&*one.name, &*one.version, ttl) == ("a", version, Some((0, 600_000_000)))
        && any.type_url == RTDS
        && any.value == format!("a@{version}").as_bytes()
}

#[tokio::test]
async fn what_is_limited_in_time_is_sent_again_and_again() {
    let rig = Rig::start().await;
    rig.ads.set("default", [limited("1"), resource(RTDS, "b", "1")]).unwrap();
    let (mut sotw, mut delta) = (rig.sotw().await, rig.delta().await);
    sotw.send(ask(RTDS, &["a", "b"]));
    delta.send(subscribe(RTDS, &["a", "b"]));
    // At first both of them, and then the one that would be forgotten.
    for count in [2, 1, 1, 1] {
        let response = sotw.next().await;
        assert_eq!(response.resources.len(), count);
        let wrapped = Any::decode(response.resources[0].clone()).unwrap();
        assert_eq!(wrapped.type_url, WRAPPER);
        assert!(has_ttl(&DeltaResource::decode(wrapped.value).unwrap(), "1"));
        sotw.send(ack(&response, &["a", "b"]));
        let response = delta.next().await;
        assert_eq!(response.resources.len(), count);
        assert!(has_ttl(&response.resources[0], "1"));
        delta.send(delta_ack(&response));
    }
    // When it has no limit any more it is told once, and no more.
    rig.ads.update("default", |edit| edit.put(resource(RTDS, "a", "1"))).unwrap();
    loop {
        let response = delta.next().await;
        delta.send(delta_ack(&response));
        if response.resources[0].ttl.is_none() {
            break;
        }
    }
    assert!(
        tokio::time::timeout(Duration::from_millis(800), delta.responses.message()).await.is_err()
    );
}
