//! [`Wire`]: what the two protocols do differently, in terms of messages.

use std::format;
use std::prelude::v1::*;

use prost::Message;

use super::proto::{
    ControlPlane, DeltaDiscoveryRequest, DeltaDiscoveryResponse, DeltaResource, DiscoveryRequest,
    DiscoveryResponse, Node,
};
use super::resource::Resource;
use super::subscription::{Received, Reply, Subscription, Variant};

/// One of the two protocols.
pub(super) trait Wire: Send + 'static {
    const VARIANT: Variant;
    type Request: Message + Default + Send + 'static;
    type Response: Message + Send + 'static;

    fn node(request: &mut Self::Request) -> Option<Node>;
    fn type_url(request: &Self::Request) -> &str;
    /// Every name in the request.
    fn names(request: &Self::Request) -> impl Iterator<Item = &str>;
    /// The newest revision of a shared store that the client says it has.
    fn held(request: &Self::Request) -> u64;
    fn read(subscription: &mut Subscription, request: &Self::Request) -> Received;
    fn write(reply: Reply) -> Self::Response;
}

fn control_plane() -> Option<ControlPlane> {
    Some(ControlPlane { identifier: "pushlane".into() })
}

pub(super) struct Sotw;

impl Wire for Sotw {
    const VARIANT: Variant = Variant::Sotw;
    type Request = DiscoveryRequest;
    type Response = DiscoveryResponse;

    fn node(request: &mut DiscoveryRequest) -> Option<Node> {
        request.node.take()
    }

    fn type_url(request: &DiscoveryRequest) -> &str {
        &request.type_url
    }

    fn names(request: &DiscoveryRequest) -> impl Iterator<Item = &str> {
        request.resource_names.iter().map(String::as_str)
    }

    fn held(request: &DiscoveryRequest) -> u64 {
        request.version_info.parse().unwrap_or(0)
    }

    fn read(subscription: &mut Subscription, request: &DiscoveryRequest) -> Received {
        subscription.sotw(request)
    }

    fn write(reply: Reply) -> DiscoveryResponse {
        DiscoveryResponse {
            version_info: format!("{}", reply.revision),
            resources: reply.resources.iter().map(Resource::sotw_any).collect(),
            type_url: reply.type_url.to_string(),
            nonce: reply.nonce,
            control_plane: control_plane(),
        }
    }
}

pub(super) struct Delta;

impl Wire for Delta {
    const VARIANT: Variant = Variant::Delta;
    type Request = DeltaDiscoveryRequest;
    type Response = DeltaDiscoveryResponse;

    fn node(request: &mut DeltaDiscoveryRequest) -> Option<Node> {
        request.node.take()
    }

    fn type_url(request: &DeltaDiscoveryRequest) -> &str {
        &request.type_url
    }

    fn names(request: &DeltaDiscoveryRequest) -> impl Iterator<Item = &str> {
        let changed = request.resource_names_subscribe.iter();
        changed
            .chain(&request.resource_names_unsubscribe)
            .chain(request.initial_resource_versions.keys())
            .map(String::as_str)
    }

    fn held(request: &DeltaDiscoveryRequest) -> u64 {
        let versions = request.initial_resource_versions.values();
        versions.filter_map(|version| version.parse().ok()).max().unwrap_or(0)
    }

    fn read(subscription: &mut Subscription, request: &DeltaDiscoveryRequest) -> Received {
        subscription.delta(request)
    }

    fn write(reply: Reply) -> DeltaDiscoveryResponse {
        let resources = reply.resources.iter().map(Resource::message);
        let unresolved = reply.unresolved.iter().map(|name| DeltaResource {
            name: String::from(&**name),
            aliases: Vec::from([String::from(&**name)]),
            ..DeltaResource::default()
        });
        DeltaDiscoveryResponse {
            system_version_info: format!("{}", reply.revision),
            resources: resources.chain(unresolved).collect(),
            type_url: reply.type_url.to_string(),
            nonce: reply.nonce,
            removed_resources: reply.removed.iter().map(|name| String::from(&**name)).collect(),
            control_plane: control_plane(),
        }
    }
}
