//! [`Wire`]: what the two protocols do differently, in terms of messages.

use core::fmt;
use std::format;
use std::prelude::v1::*;

use bytes::Bytes;
use prost::Message;
use tonic::Status;

use super::encoding::{field, put, put_key, put_number};
use super::proto::{DeltaDiscoveryRequest, DeltaResource, Node};
use super::resource::Resource;
use super::sotw_request::SotwRequest;
use super::subscription::{Received, Reply, Subscription, Variant};

/// One of the two protocols.
pub(super) trait Wire: Send + 'static {
    const VARIANT: Variant;
    /// A request, or what is known of it, with the rest in the message.
    type Request<'a>;

    fn decode(message: &[u8]) -> Result<Self::Request<'_>, Status>;
    fn node(request: &mut Self::Request<'_>) -> Option<Node>;
    fn type_url<'a>(request: &'a Self::Request<'_>) -> &'a str;
    /// The longest name in the request.
    fn longest<'a>(request: &'a Self::Request<'_>) -> &'a [u8];
    /// The newest revision of a shared store that the client says it has.
    fn held(request: &Self::Request<'_>) -> u64;
    fn read(
        subscription: &mut Subscription,
        request: &Self::Request<'_>,
    ) -> Result<Received, Status>;
    /// Writes a response but for its resources.
    fn head(reply: &Reply, to: &mut Vec<u8>);
    /// Of a resource in a response: how long its field's value is.
    fn length(resource: &Resource) -> usize;
    /// Writes what comes before the resource's own bytes, and returns those.
    fn resource(resource: &Resource, to: &mut Vec<u8>) -> Bytes;
}

fn unreadable(why: impl fmt::Display) -> Status {
    Status::invalid_argument(format!("the request can't be decoded: {why}"))
}

/// Which server answers: field 1 of a `ControlPlane`.
const CONTROL_PLANE: &[u8] = b"\x0a\x08pushlane";

/// The fields that both protocols have. The resources are field 2 of both.
fn common(reply: &Reply, to: &mut Vec<u8>) {
    put_number::<10>(1, reply.revision, to);
    put(4, reply.type_url.as_bytes(), to);
    put_number::<16>(5, reply.nonce.0, to);
}

const RESOURCES: u8 = 2;

pub(super) struct Sotw;

impl Wire for Sotw {
    const VARIANT: Variant = Variant::Sotw;
    type Request<'a> = SotwRequest<'a>;

    fn decode(message: &[u8]) -> Result<SotwRequest<'_>, Status> {
        SotwRequest::decode(message).map_err(unreadable)
    }

    fn node(request: &mut SotwRequest<'_>) -> Option<Node> {
        request.node.take().map(|node| *node)
    }

    fn type_url<'a>(request: &'a SotwRequest<'_>) -> &'a str {
        request.type_url
    }

    fn longest<'a>(request: &'a SotwRequest<'_>) -> &'a [u8] {
        request.longest
    }

    fn held(request: &SotwRequest<'_>) -> u64 {
        request.version_info.parse().unwrap_or(0)
    }

    fn read(
        subscription: &mut Subscription,
        request: &SotwRequest<'_>,
    ) -> Result<Received, Status> {
        subscription.sotw(request).map_err(unreadable)
    }

    fn head(reply: &Reply, to: &mut Vec<u8>) {
        common(reply, to);
        put(6, CONTROL_PLANE, to);
    }

    fn length(resource: &Resource) -> usize {
        resource.sotw_any().len()
    }

    fn resource(resource: &Resource, to: &mut Vec<u8>) -> Bytes {
        let any = resource.sotw_any();
        put_key(RESOURCES, any.len(), to);
        any
    }
}

pub(super) struct Delta;

impl Wire for Delta {
    const VARIANT: Variant = Variant::Delta;
    type Request<'a> = DeltaDiscoveryRequest;

    fn decode(message: &[u8]) -> Result<DeltaDiscoveryRequest, Status> {
        DeltaDiscoveryRequest::decode(message).map_err(unreadable)
    }

    fn node(request: &mut DeltaDiscoveryRequest) -> Option<Node> {
        request.node.take()
    }

    fn type_url(request: &DeltaDiscoveryRequest) -> &str {
        &request.type_url
    }

    fn longest(request: &DeltaDiscoveryRequest) -> &[u8] {
        let changed = request.resource_names_subscribe.iter();
        let names = changed
            .chain(&request.resource_names_unsubscribe)
            .chain(request.initial_resource_versions.keys());
        names.max_by_key(|name| name.len()).map_or(b"", |name| name.as_bytes())
    }

    fn held(request: &DeltaDiscoveryRequest) -> u64 {
        let versions = request.initial_resource_versions.values();
        versions.filter_map(|version| version.parse().ok()).max().unwrap_or(0)
    }

    fn read(
        subscription: &mut Subscription,
        request: &DeltaDiscoveryRequest,
    ) -> Result<Received, Status> {
        Ok(subscription.delta(request))
    }

    fn head(reply: &Reply, to: &mut Vec<u8>) {
        common(reply, to);
        for name in &reply.unresolved {
            let unresolved = DeltaResource {
                name: String::from(&**name),
                aliases: Vec::from([String::from(&**name)]),
                ..DeltaResource::default()
            };
            put(RESOURCES, &unresolved.encode_to_vec(), to);
        }
        reply.removed.iter().for_each(|name| put(6, name.as_bytes(), to));
        put(7, CONTROL_PLANE, to);
    }

    fn length(resource: &Resource) -> usize {
        let aliases = resource.aliases().map(|alias| field(alias.len()));
        let ttl = resource.lifetime().map_or(0, |ttl| field(ttl.encoded_len()));
        let version = field(resource.version().len());
        let (name, any) = (field(resource.name().len()), field(resource.any().len()));
        version + any + name + aliases.sum::<usize>() + ttl
    }

    fn resource(resource: &Resource, to: &mut Vec<u8>) -> Bytes {
        put_key(RESOURCES, Self::length(resource), to);
        put(1, resource.version().as_bytes(), to);
        put(3, resource.name().as_bytes(), to);
        resource.aliases().for_each(|alias| put(4, alias.as_bytes(), to));
        if let Some(ttl) = resource.lifetime() {
            put(6, &ttl.encode_to_vec(), to);
        }
        let any = resource.any();
        put_key(2, any.len(), to);
        any
    }
}
