//! Resources that are computed when somebody needs them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use pushlane::adapters::xds::{Ads, Ask, Limits, Resource, Server, TypeUrl, ViewId};

use crate::client::*;

/// What the resources are computed from, and what was computed: the names, joined.
#[derive(Default)]
struct World {
    versions: HashMap<(TypeUrl, String), String>,
    computed: Vec<String>,
}

fn compute(world: &Mutex<World>, ask: &Ask<'_>) -> Vec<Resource> {
    let mut world = world.lock().unwrap();
    let names: Option<Vec<_>> =
        ask.names.map(|names| names.iter().map(|name| name.to_string()).collect());
    let what = names.as_ref().map_or("all".into(), |names| names.join(","));
    world.computed.push(format!("{} {what}", ask.type_url.short()));
    let of_type = world.versions.iter().filter(|((type_url, _), _)| type_url == ask.type_url);
    let asked =
        of_type.filter(|((_, name), _)| names.as_ref().is_none_or(|names| names.contains(name)));
    asked.map(|((type_url, name), version)| resource(type_url, name, version)).collect()
}

async fn rig() -> (Rig, Arc<Mutex<World>>) {
    let world = Arc::<Mutex<World>>::default();
    let for_ads = Arc::clone(&world);
    let mut limits = Limits::default();
    limits.streams = 100;
    let ads = Ads::builder()
        .limits(limits)
        .view(|_, _| ViewId::from("v"))
        .compute(move |ask: &Ask<'_>| compute(&for_ads, ask))
        .start();
    let builder = Server::plaintext(&ads);
    (Rig::serve(ads, builder).await, world)
}

fn set(world: &Mutex<World>, type_url: &str, name: &str, version: &str) {
    let key = (TypeUrl::from(type_url), name.into());
    world.lock().unwrap().versions.insert(key, version.into());
}

fn computed(world: &Mutex<World>) -> Vec<String> {
    std::mem::take(&mut world.lock().unwrap().computed)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_clients_of_a_view_cost_one_computation() {
    let (rig, world) = rig().await;
    set(&world, EDS, "a", "1");
    let mut clients = Vec::new();
    for _ in 0..20 {
        let client = rig.sotw().await;
        client.send(ask(EDS, &["a"]));
        clients.push(client);
    }
    for client in &mut clients {
        client.take(EDS, &["a@1"], &["a"]).await;
    }
    assert_eq!(computed(&world), ["ClusterLoadAssignment a"]);
    set(&world, EDS, "a", "2");
    let published = rig.ads.invalidate("v", [(EDS, "a"), (EDS, "unwatched")]).unwrap();
    for client in &mut clients {
        client.take(EDS, &["a@2"], &["a"]).await;
    }
    rig.ads.wait_acked(&published).await.unwrap();
    assert_eq!(computed(&world), ["ClusterLoadAssignment a"], "and not what nobody watches");
    // It may have changed, and hasn't.
    let published = rig.ads.invalidate("v", [(EDS, "a")]).unwrap();
    rig.ads.wait_acked(&published).await.unwrap();
    assert_eq!(computed(&world), ["ClusterLoadAssignment a"]);
    clients[0].silent().await;
}

#[tokio::test]
async fn all_of_a_type_is_computed_once_and_then_by_name() {
    let (rig, world) = rig().await;
    set(&world, LDS, "a", "1");
    set(&world, LDS, "b", "1");
    let mut client = rig.sotw().await;
    client.send(ask(LDS, &[]));
    client.take(LDS, &["a@1", "b@1"], &[]).await;
    set(&world, LDS, "c", "1");
    world.lock().unwrap().versions.remove(&(TypeUrl::from(LDS), "a".into()));
    rig.ads.invalidate("v", [(LDS, "a"), (LDS, "c")]).unwrap();
    client.take(LDS, &["b@1", "c@1"], &[]).await;
    assert_eq!(computed(&world), ["Listener all", "Listener a,c"]);
}

#[tokio::test]
async fn what_is_computed_is_sent_in_order() {
    let (rig, world) = rig().await;
    let mut client = rig.sotw().await;
    let types = [(LDS, "l"), (RDS, "r")];
    for (type_url, name) in types {
        set(&world, type_url, name, "0");
        client.send(ask(type_url, &[name]));
        client.take(type_url, &[&format!("{name}@0")], &[name]).await;
    }
    client.silent().await;
    for version in 1..=20 {
        let version = version.to_string();
        for (type_url, name) in types {
            set(&world, type_url, name, &version);
        }
        rig.ads.invalidate("v", types).unwrap();
        for (type_url, name) in types {
            client.take(type_url, &[&format!("{name}@{version}")], &[name]).await;
        }
    }
}

/// Waits until this is all that is kept of the view.
async fn kept(rig: &Rig, expected: &[&str]) {
    let mut names = Vec::new();
    for _ in 0..500 {
        let snapshot = rig.ads.snapshot("v");
        names = snapshot
            .iter()
            .flat_map(|all| all.iter().map(|one| one.name().into()))
            .collect::<Vec<String>>();
        if names == expected {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("{names:?} is kept, not {expected:?}");
}

#[tokio::test]
async fn what_nobody_is_subscribed_to_is_dropped() {
    let (rig, world) = rig().await;
    for name in ["a", "b", "c"] {
        set(&world, EDS, name, "1");
    }
    let (mut one, mut two) = (rig.sotw().await, rig.delta().await);
    one.send(ask(EDS, &["a", "b"]));
    let response = one.expect(EDS, &["a@1", "b@1"]).await;
    two.send(subscribe(EDS, &["b", "c"]));
    two.take(EDS, &["b@1", "c@1"]).await;
    kept(&rig, &["a", "b", "c"]).await;
    one.send(ack(&response, &["b"]));
    kept(&rig, &["b", "c"]).await;
    two.send(unsubscribe(EDS, &["b", "c"]));
    kept(&rig, &["b"]).await;
    assert_eq!(computed(&world), ["ClusterLoadAssignment a,b", "ClusterLoadAssignment c"]);
    // It is computed again when it is asked for again.
    set(&world, EDS, "a", "2");
    one.send(ack(&response, &["a", "b"]));
    one.take(EDS, &["a@2"], &["a", "b"]).await;
    drop(one);
    kept(&rig, &[]).await;
    drop(two);
    for _ in 0..500 {
        if rig.ads.views().is_empty() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("the view is kept");
}

#[tokio::test]
async fn a_view_that_nobody_uses_is_not_kept_by_invalidating_it() {
    let (rig, _) = rig().await;
    rig.ads.invalidate("nobody", [(EDS, "a")]).unwrap();
    assert!(rig.ads.views().is_empty());
}
