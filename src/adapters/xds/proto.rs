//! The messages of the aggregated discovery service, as far as a server reads and writes them.
//!
//! Written by hand: a trimmed ADS is this page, and no build needs a protobuf compiler. Field
//! numbers and names are those of `envoy.service.discovery.v3`, `envoy.config.core.v3` and
//! `google.rpc`; what is not here is skipped when it is read.
//!
//! On the wire an embedded message and a byte string are the same thing. So a response holds its
//! resources as the bytes of their `Any`, encoded once when the resource is made and shared by
//! every response that contains it.

use std::collections::{BTreeMap, HashMap};
use std::prelude::v1::*;

use bytes::Bytes;
use prost::{Message, Oneof};

/// `google.protobuf.Any`: bytes, and what they are.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Any {
    /// Which message it is.
    #[prost(string, tag = "1")]
    pub type_url: String,
    /// The message.
    #[prost(bytes = "bytes", tag = "2")]
    pub value: Bytes,
}

/// `google.rpc.Status`: why a response was rejected.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Status {
    /// A gRPC status code.
    #[prost(int32, tag = "1")]
    pub code: i32,
    /// What is wrong, in the client's words.
    #[prost(string, tag = "2")]
    pub message: String,
}

/// `envoy.config.core.v3.Node`: who the client says it is.
#[derive(Clone, PartialEq, Message)]
pub struct Node {
    /// The client's own identifier.
    #[prost(string, tag = "1")]
    pub id: String,
    /// The group of clients that it belongs to.
    #[prost(string, tag = "2")]
    pub cluster: String,
    /// Whatever else it tells.
    #[prost(message, optional, tag = "3")]
    pub metadata: Option<Struct>,
    /// Where it runs.
    #[prost(message, optional, tag = "4")]
    pub locality: Option<Locality>,
    /// Its program, such as `envoy`.
    #[prost(string, tag = "6")]
    pub user_agent_name: String,
    /// The program's version, if it says it in words.
    #[prost(string, tag = "7")]
    pub user_agent_version: String,
    /// The program's version, if it says it in parts.
    #[prost(message, optional, tag = "8")]
    pub user_agent_build_version: Option<BuildVersion>,
    /// What it can load. Given to the view function; elsewhere it is left out, because Envoy lists
    /// hundreds, and [`ClientStatus::extensions`](super::ClientStatus::extensions) has it.
    #[prost(message, repeated, tag = "9")]
    pub extensions: Vec<Extension>,
    /// What it supports, such as `envoy.lb.does_not_support_overprovisioning`.
    #[prost(string, repeated, tag = "10")]
    pub client_features: Vec<String>,
    /// Parameters by type URL, for resource names of the new scheme.
    #[prost(btree_map = "string, message", tag = "12")]
    pub dynamic_parameters: BTreeMap<String, ContextParams>,
}

impl Node {
    /// A value of the metadata. A path goes down into objects.
    ///
    /// ```
    /// use pushlane::adapters::xds::proto::{Kind, Node, Struct, Value};
    ///
    /// let text = |text: &str| Value { kind: Some(Kind::Text(text.into())) };
    /// let labels = Struct { fields: [("app".into(), text("cart"))].into() };
    /// let labels = Value { kind: Some(Kind::Struct(labels)) };
    /// let fields = [("tenant".into(), text("shop")), ("labels".into(), labels)].into();
    /// let node = Node { metadata: Some(Struct { fields }), ..Node::default() };
    /// assert_eq!(node.metadata_str("tenant"), Some("shop"));
    /// assert_eq!(node.metadata(["labels", "app"]), Some(&text("cart")));
    /// assert_eq!(node.metadata_str("labels"), None);
    /// ```
    pub fn metadata<'a>(&self, path: impl IntoIterator<Item = &'a str>) -> Option<&Value> {
        let mut path = path.into_iter();
        let mut value = self.metadata.as_ref()?.fields.get(path.next()?)?;
        for key in path {
            let Some(Kind::Struct(inner)) = &value.kind else { return None };
            value = inner.fields.get(key)?;
        }
        Some(value)
    }

    /// A value of the metadata that is text.
    pub fn metadata_str(&self, key: &str) -> Option<&str> {
        match &self.metadata([key])?.kind {
            Some(Kind::Text(text)) => Some(text),
            _ => None,
        }
    }
}

/// `envoy.config.core.v3.BuildVersion`.
#[derive(Clone, PartialEq, Message)]
pub struct BuildVersion {
    /// The number.
    #[prost(message, optional, tag = "1")]
    pub version: Option<SemanticVersion>,
    /// Whatever else it tells.
    #[prost(message, optional, tag = "2")]
    pub metadata: Option<Struct>,
}

/// `envoy.type.v3.SemanticVersion`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Message)]
pub struct SemanticVersion {
    /// Major.
    #[prost(uint32, tag = "1")]
    pub major_number: u32,
    /// Minor.
    #[prost(uint32, tag = "2")]
    pub minor_number: u32,
    /// Patch.
    #[prost(uint32, tag = "3")]
    pub patch: u32,
}

/// `envoy.config.core.v3.Extension`.
#[derive(Clone, PartialEq, Message)]
pub struct Extension {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Its category, such as `envoy.filters.http`.
    #[prost(string, tag = "2")]
    pub category: String,
    /// Its version.
    #[prost(message, optional, tag = "4")]
    pub version: Option<BuildVersion>,
    /// Whether it is there and may not be used.
    #[prost(bool, tag = "5")]
    pub disabled: bool,
    /// Its configurations.
    #[prost(string, repeated, tag = "6")]
    pub type_urls: Vec<String>,
}

/// `xds.core.v3.ContextParams`.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct ContextParams {
    /// By name.
    #[prost(btree_map = "string, string", tag = "1")]
    pub params: BTreeMap<String, String>,
}

/// `envoy.config.core.v3.Locality`.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Locality {
    /// Region.
    #[prost(string, tag = "1")]
    pub region: String,
    /// Zone within the region.
    #[prost(string, tag = "2")]
    pub zone: String,
    /// Part of the zone.
    #[prost(string, tag = "3")]
    pub sub_zone: String,
}

/// `google.protobuf.Struct`.
#[derive(Clone, PartialEq, Message)]
pub struct Struct {
    /// By name.
    #[prost(btree_map = "string, message", tag = "1")]
    pub fields: BTreeMap<String, Value>,
}

/// `google.protobuf.Value`.
#[derive(Clone, PartialEq, Message)]
pub struct Value {
    /// `None` for a kind that isn't known here.
    #[prost(oneof = "Kind", tags = "1, 2, 3, 4, 5, 6")]
    pub kind: Option<Kind>,
}

/// What a [`Value`] is.
#[derive(Clone, PartialEq, Oneof)]
pub enum Kind {
    /// Null.
    #[prost(int32, tag = "1")]
    Null(i32),
    /// Every number is one.
    #[prost(double, tag = "2")]
    Number(f64),
    /// Text.
    #[prost(string, tag = "3")]
    Text(String),
    /// True or false.
    #[prost(bool, tag = "4")]
    Bool(bool),
    /// An object.
    #[prost(message, tag = "5")]
    Struct(Struct),
    /// An array.
    #[prost(message, tag = "6")]
    List(List),
}

/// `google.protobuf.ListValue`.
#[derive(Clone, PartialEq, Message)]
pub struct List {
    /// In order.
    #[prost(message, repeated, tag = "1")]
    pub values: Vec<Value>,
}

/// `envoy.config.core.v3.ControlPlane`.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct ControlPlane {
    /// Which server answers.
    #[prost(string, tag = "1")]
    pub identifier: String,
}

/// `DiscoveryRequest`, state of the world.
#[derive(Clone, PartialEq, Message)]
pub struct DiscoveryRequest {
    /// The last version that was accepted.
    #[prost(string, tag = "1")]
    pub version_info: String,
    /// On the first request at least.
    #[prost(message, optional, tag = "2")]
    pub node: Option<Node>,
    /// All that is subscribed to.
    #[prost(string, repeated, tag = "3")]
    pub resource_names: Vec<String>,
    /// Of which type.
    #[prost(string, tag = "4")]
    pub type_url: String,
    /// The response that is answered; empty when none is.
    #[prost(string, tag = "5")]
    pub response_nonce: String,
    /// Set when it is rejected.
    #[prost(message, optional, tag = "6")]
    pub error_detail: Option<Status>,
}

/// `DiscoveryResponse`, state of the world.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct DiscoveryResponse {
    /// The version of the whole.
    #[prost(string, tag = "1")]
    pub version_info: String,
    /// Each is an [`Any`], encoded.
    #[prost(bytes = "bytes", repeated, tag = "2")]
    pub resources: Vec<Bytes>,
    /// Of which type.
    #[prost(string, tag = "4")]
    pub type_url: String,
    /// To be repeated in the answer.
    #[prost(string, tag = "5")]
    pub nonce: String,
    /// Which server answers.
    #[prost(message, optional, tag = "6")]
    pub control_plane: Option<ControlPlane>,
}

/// `DeltaDiscoveryRequest`.
#[derive(Clone, PartialEq, Message)]
pub struct DeltaDiscoveryRequest {
    /// On the first request at least.
    #[prost(message, optional, tag = "1")]
    pub node: Option<Node>,
    /// Of which type.
    #[prost(string, tag = "2")]
    pub type_url: String,
    /// Names to add; `*` is all.
    #[prost(string, repeated, tag = "3")]
    pub resource_names_subscribe: Vec<String>,
    /// Names to leave.
    #[prost(string, repeated, tag = "4")]
    pub resource_names_unsubscribe: Vec<String>,
    /// What the client holds from an earlier stream: versions by name. First request of a type
    /// only.
    #[prost(map = "string, string", tag = "5")]
    pub initial_resource_versions: HashMap<String, String>,
    /// The response that is answered; empty when none is.
    #[prost(string, tag = "6")]
    pub response_nonce: String,
    /// Set when it is rejected.
    #[prost(message, optional, tag = "7")]
    pub error_detail: Option<Status>,
}

/// `DeltaDiscoveryResponse`.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct DeltaDiscoveryResponse {
    /// The version of the whole, for people.
    #[prost(string, tag = "1")]
    pub system_version_info: String,
    /// What is new or has changed.
    #[prost(message, repeated, tag = "2")]
    pub resources: Vec<DeltaResource>,
    /// Of which type.
    #[prost(string, tag = "4")]
    pub type_url: String,
    /// To be repeated in the answer.
    #[prost(string, tag = "5")]
    pub nonce: String,
    /// What is gone, or was never there.
    #[prost(string, repeated, tag = "6")]
    pub removed_resources: Vec<String>,
    /// Which server answers.
    #[prost(message, optional, tag = "7")]
    pub control_plane: Option<ControlPlane>,
}

/// `Resource`: one of a [`DeltaDiscoveryResponse`].
#[derive(Clone, PartialEq, Eq, Message)]
pub struct DeltaResource {
    /// Its version.
    #[prost(string, tag = "1")]
    pub version: String,
    /// An [`Any`], encoded.
    #[prost(bytes = "bytes", tag = "2")]
    pub resource: Bytes,
    /// Its name.
    #[prost(string, tag = "3")]
    pub name: String,
    /// Its other names.
    #[prost(string, repeated, tag = "4")]
    pub aliases: Vec<String>,
    /// How long it is kept without being heard of.
    #[prost(message, optional, tag = "6")]
    pub ttl: Option<Duration>,
}

/// `google.protobuf.Duration`.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct Duration {
    /// Whole seconds.
    #[prost(int64, tag = "1")]
    pub seconds: i64,
    /// The rest.
    #[prost(int32, tag = "2")]
    pub nanos: i32,
}

/// What has to be known of an `envoy.config.cluster.v3.Cluster`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Cluster {
    #[prost(message, optional, tag = "3")]
    pub(super) eds: Option<EdsClusterConfig>,
}

/// A resource with nothing but its name, such as a `ClusterLoadAssignment` without endpoints.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Named {
    #[prost(string, tag = "1")]
    pub(super) name: String,
}

/// `EdsClusterConfig`, within a cluster.
#[derive(Clone, PartialEq, Message)]
pub(super) struct EdsClusterConfig {
    #[prost(string, tag = "2")]
    pub(super) service_name: String,
}
