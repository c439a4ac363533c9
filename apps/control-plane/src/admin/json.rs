//! What the page shows, for programs.

use super::Seen;
use pushlane::adapters::xds::{ClientStatus, Snapshot, TypeStatus, Variant, ViewId};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

/// Where the resources come from, and the newest change.
pub(super) fn status(seen: &Seen) -> Value {
    let source = &seen.source;
    let read = source.good.map(|(file, since)| {
        let since = since.duration_since(UNIX_EPOCH).unwrap_or_default();
        json!({ "file": file, "since": since.as_secs() })
    });
    json!({
        "directory": source.dir.as_ref().map(|dir| dir.display().to_string()),
        "served": read,
        "resources": source.counts,
        "faults": source.faults,
        "reads": source.reads,
        "rejects": source.rejects,
        "newest": source.newest.as_ref().map(|newest| json!({
            "revision": newest.revision(),
            "laggards": seen.laggards.iter().map(|laggard| json!({
                "stream": laggard.stream.0,
                "node": laggard.node_id,
                "type_url": &*laggard.type_url,
            })).collect::<Vec<_>>(),
        })),
        "streams": seen.metrics.streams,
        "queue_depth": seen.metrics.queue_depth,
        "permits": seen.metrics.permits,
        "permits_held": seen.metrics.permits_held,
        "responses": seen.metrics.pushes,
        "acks": seen.metrics.acks,
        "nacks": seen.metrics.nacks,
        "refused": seen.metrics.refused.total(),
        "evicted": seen.metrics.ended.evicted(),
        "malformed": seen.metrics.ended.malformed + seen.metrics.ended.limited,
    })
}

/// Every stream, oldest first.
pub(super) fn clients(seen: &Seen) -> Value {
    json!({ "clients": seen.clients.iter().map(client).collect::<Vec<_>>() })
}

fn client(client: &ClientStatus) -> Value {
    let node = client.node.as_ref();
    json!({
        "stream": client.stream.0,
        "node": node.map(|node| &node.id),
        "cluster": node.map(|node| &node.cluster),
        "user_agent": node.map(|node| &node.user_agent_name),
        "identity": client.identity,
        "peer": client.peer.map(|peer| peer.to_string()),
        "view": client.view.as_deref(),
        "protocol": match client.variant {
            Variant::Sotw => "sotw",
            Variant::Delta => "delta",
        },
        "open_seconds": client.age.as_secs_f64(),
        "types": client.types.iter().map(subscription).collect::<Vec<_>>(),
    })
}

fn subscription(status: &TypeStatus) -> Value {
    json!({
        "type_url": &*status.type_url,
        "wildcard": status.wildcard,
        "names": status.names,
        "sent": status.sent,
        "acked": status.acked,
        "nack": status.nack.as_ref().map(|nack| json!({
            "revision": nack.revision,
            "reason": nack.reason,
        })),
        "waiting_seconds": status.outstanding.map(|waiting| waiting.as_secs_f64()),
    })
}

/// The streams of a node, each with the resources that its view has of the types it subscribes to;
/// `None`: it has no stream. Without a node, all resources of all views.
///
/// Names, versions and sizes only: contents may be private keys.
pub(super) fn config_dump(
    seen: &Seen,
    views: &[(ViewId, Arc<Snapshot>)],
    node: Option<&str>,
) -> Option<Value> {
    let snapshot = |view: Option<&ViewId>| {
        views.iter().find(|(id, _)| Some(id) == view).map(|(_, snapshot)| &**snapshot)
    };
    let Some(node) = node else {
        let all = views.iter().map(|(view, snapshot)| {
            json!({
                "view": &**view,
                "revision": snapshot.revision(),
                "resources": resources(snapshot, |_| true),
            })
        });
        return Some(json!({ "views": all.collect::<Vec<_>>() }));
    };
    let of_node = |it: &&ClientStatus| it.node.as_ref().is_some_and(|it| it.id == node);
    let streams: Vec<Value> = seen
        .clients
        .iter()
        .filter(of_node)
        .map(|each| {
            let served = snapshot(each.view.as_ref());
            let subscribed = |url: &str| each.types.iter().any(|it| *it.type_url == *url);
            json!({
                "client": client(each),
                "revision": served.map(Snapshot::revision),
                "resources": served.map(|served| resources(served, subscribed)),
            })
        })
        .collect();
    (!streams.is_empty()).then(|| json!({ "node": node, "streams": streams }))
}

fn resources(of: &Snapshot, wanted: impl Fn(&str) -> bool) -> Vec<Value> {
    let wanted = of.iter().filter(|resource| wanted(resource.type_url()));
    wanted
        .map(|resource| {
            json!({
                "type_url": &**resource.type_url(),
                "name": resource.name(),
                "version": resource.version(),
                "bytes": resource.body().len(),
            })
        })
        .collect()
}
