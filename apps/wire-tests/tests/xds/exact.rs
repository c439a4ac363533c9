//! A change wakes the clients that it concerns, and no others.

use crate::client::*;

async fn wakes_its_subscribers_alone(services: usize) {
    let rig = Rig::start().await;
    let name = |service: usize| format!("service-{service}");
    let all = |version: &'static str| {
        (0..services).map(move |service| resource(EDS, &name(service), version))
    };
    rig.ads.set("default", all("1")).unwrap();
    // Client n subscribes to services n and n + 1.
    let mut clients = Vec::new();
    for client in 0..20 {
        let names = [name(client), name(client + 1)];
        let names = [&*names[0], &*names[1]];
        let mut stream = rig.sotw().await;
        stream.send(ask(EDS, &names));
        let response = stream.next().await;
        stream.send(ack(&response, &names));
        clients.push(stream);
    }
    let mut wildcard = rig.delta().await;
    wildcard.send(subscribe(EDS, &["*"]));
    // All of it takes several responses.
    let (mut there, mut acks) = (0, 20);
    while there < services {
        let response = wildcard.next().await;
        there += response.resources.len();
        acks += 1;
        wildcard.send(delta_ack(&response));
    }
    let before = settled(&rig, acks).await;
    let mut expected = 0;
    for service in [0, 1, 10, services - 1] {
        let change = resource(EDS, &name(service), "2");
        rig.ads.update("default", |edit| edit.put(change)).unwrap();
        let concerned = (0..20).filter(|client| [*client, client + 1].contains(&service));
        for client in concerned {
            let response = clients[client].next().await;
            let names = [name(client), name(client + 1)];
            clients[client].send(ack(&response, &[&names[0], &names[1]]));
            expected += 1;
        }
        let response = wildcard.next().await;
        assert_eq!(response.resources.len(), 1);
        wildcard.send(delta_ack(&response));
        expected += 1;
    }
    let after = settled(&rig, before.acks + expected).await;
    assert_eq!(after.pushes - before.pushes, expected);
    assert_eq!(after.nothing, before.nothing, "a client was woken for nothing");
}

/// The metrics, once so many responses have been accepted.
async fn settled(rig: &Rig, acks: u64) -> pushlane::adapters::xds::Metrics {
    for _ in 0..1_000 {
        let metrics = rig.ads.metrics();
        if metrics.acks >= acks && metrics.queue_depth == 0 && metrics.permits_held == 0 {
            return metrics;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("{:?}", rig.ads.metrics());
}

#[tokio::test]
async fn of_a_thousand_services_a_change_wakes_its_subscribers_alone() {
    wakes_its_subscribers_alone(1_000).await;
}

#[tokio::test]
async fn of_a_hundred_thousand_services_a_change_wakes_its_subscribers_alone() {
    wakes_its_subscribers_alone(100_000).await;
}
