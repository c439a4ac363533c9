//! References that lead nowhere: a route to a cluster that the file doesn't have, and the like.
//!
//! They are warnings. A client may know the cluster from its own bootstrap, and while resources are
//! moved from one file to another a reference may lead nowhere for a moment.

use crate::resources::wire::{Field, fields};
use crate::resources::{Resource, types};
use prost_reflect::{Kind, MessageDescriptor};
use std::collections::HashSet;
use std::fmt::Write;

/// `Any`s within `Any`s are followed so far.
const DEEPEST: usize = 100;

const CLUSTER: &str = "envoy.config.cluster.v3.Cluster";
const ENDPOINTS: &str = "envoy.config.endpoint.v3.ClusterLoadAssignment";
const ROUTES: &str = "envoy.config.route.v3.RouteConfiguration";
const SECRET: &str = "envoy.extensions.transport_sockets.tls.v3.Secret";

/// What a field refers to, and when.
struct Reference {
    message: &'static str,
    field: &'static str,
    /// The type of resource that it names.
    to: &'static str,
    /// The field beside it that says where the resource comes from: it counts if that is here.
    source: Option<&'static str>,
}

const fn to_cluster(message: &'static str, field: &'static str) -> Reference {
    Reference { message, field, to: CLUSTER, source: None }
}

/// The fields that are looked at, in resources and in the extensions within them. Beside these, a
/// cluster of type `EDS` whose endpoints come from here refers to its `ClusterLoadAssignment`.
const REFERENCES: [Reference; 14] = [
    to_cluster("envoy.config.route.v3.RouteAction", "cluster"),
    to_cluster("envoy.config.route.v3.RouteAction.RequestMirrorPolicy", "cluster"),
    to_cluster("envoy.config.route.v3.WeightedCluster.ClusterWeight", "name"),
    to_cluster("envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy", "cluster"),
    to_cluster(
        "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.WeightedCluster.ClusterWeight",
        "name",
    ),
    to_cluster("envoy.extensions.filters.udp.udp_proxy.v3.Route", "cluster"),
    to_cluster("envoy.extensions.filters.udp.udp_proxy.v3.UdpProxyConfig", "cluster"),
    to_cluster(
        "envoy.extensions.filters.network.redis_proxy.v3.RedisProxy.PrefixRoutes.Route",
        "cluster",
    ),
    to_cluster("envoy.extensions.clusters.aggregate.v3.ClusterConfig", "clusters"),
    to_cluster("envoy.config.core.v3.GrpcService.EnvoyGrpc", "cluster_name"),
    to_cluster("envoy.config.core.v3.HttpUri", "cluster"),
    Reference {
        message: "envoy.extensions.filters.network.http_connection_manager.v3.Rds",
        field: "route_config_name",
        to: ROUTES,
        source: Some("config_source"),
    },
    Reference {
        message: "envoy.config.route.v3.ScopedRouteConfiguration",
        field: "route_configuration_name",
        to: ROUTES,
        source: None,
    },
    Reference {
        message: "envoy.extensions.transport_sockets.tls.v3.SdsSecretConfig",
        field: "name",
        to: SECRET,
        source: Some("sds_config"),
    },
];

/// One line for each reference that leads nowhere. The encoded resources are looked through as they
/// are. Exact bytes may be anything: the clients will say what is wrong with them.
pub(crate) fn dangling(resources: &[Resource]) -> Vec<String> {
    let known = resources.iter().map(|it| (message_name(&it.type_url), it.name.as_str())).collect();
    let mut search = Search { known, path: String::new(), found: Vec::new() };
    let mut lines = Vec::new();
    for resource in resources {
        let Some(message) = types::message(&resource.type_url) else { continue };
        search.message(Message { bytes: &resource.value, of: &message }, 0);
        lines.extend(search.found.drain(..).map(|what| format!("{resource}, {what}")));
    }
    lines
}

fn message_name(type_url: &str) -> &str {
    type_url.rsplit_once('/').map_or(type_url, |(_, name)| name)
}

struct Search<'a> {
    /// Type and name of all that there is.
    known: HashSet<(&'a str, &'a str)>,
    /// The way down to the field that is looked at.
    path: String,
    /// What leads nowhere in the resource that is looked at.
    found: Vec<String>,
}

impl Search<'_> {
    fn message(&mut self, message: Message<'_>, depth: usize) {
        let name = message.of.full_name();
        if name == "google.protobuf.Any" {
            return self.extension(message, depth);
        }
        if name == CLUSTER {
            self.endpoints_of(message);
        }
        for reference in REFERENCES.iter().filter(|reference| reference.message == name) {
            if reference.source.is_none_or(|source| message.source_is_here(source)) {
                for name in message.texts(reference.field) {
                    self.name(reference.field, name, reference.to);
                }
            }
        }
        // The elements of a list come one after another.
        let (mut last, mut index) = (0, 0);
        for (number, value) in fields(message.bytes) {
            index = if number == last { index + 1 } else { 0 };
            last = number;
            let (Field::Bytes(bytes), Some(field)) = (value, message.of.get_field(number)) else {
                continue;
            };
            let Kind::Message(of) = field.kind() else { continue };
            let length = self.path.len();
            self.path += if length == 0 { "" } else { "." };
            self.path += field.name();
            let inner = Message { bytes, of: &of };
            if field.is_map() {
                self.entry(inner, depth);
            } else {
                if field.is_list() {
                    let _ = write!(self.path, "[{index}]");
                }
                self.message(inner, depth);
            }
            self.path.truncate(length);
        }
    }

    fn entry(&mut self, entry: Message<'_>, depth: usize) {
        let Kind::Message(of) = entry.of.map_entry_value_field().kind() else { return };
        let key = entry.text("key").unwrap_or_default();
        let _ = write!(self.path, "[{key:?}]");
        self.message(
            Message { bytes: entry.bytes_of("value").unwrap_or_default(), of: &of },
            depth,
        );
    }

    fn extension(&mut self, any: Message<'_>, depth: usize) {
        let of = any.text("type_url").filter(|_| depth < DEEPEST).and_then(types::message);
        if let (Some(of), Some(bytes)) = (of, any.bytes_of("value")) {
            self.message(Message { bytes, of: &of }, depth + 1);
        }
    }

    fn endpoints_of(&mut self, cluster: Message<'_>) {
        if !cluster.is_set_to("type", "EDS") {
            return;
        }
        let Some((of, bytes)) = cluster.inner("eds_cluster_config") else { return };
        let config = Message { bytes, of: &of };
        if !config.source_is_here("eds_config") {
            return;
        }
        match config.text("service_name").filter(|service| !service.is_empty()) {
            Some(service) => self.name("eds_cluster_config.service_name", service, ENDPOINTS),
            None => self.name("name", cluster.text("name").unwrap_or_default(), ENDPOINTS),
        }
    }

    fn name(&mut self, field: &str, name: &str, to: &str) {
        if name.is_empty() || self.known.contains(&(to, name)) {
            return;
        }
        let dot = if self.path.is_empty() { "" } else { "." };
        let kind = to.rsplit('.').next().unwrap_or_default();
        let path = &self.path;
        self.found.push(format!("{path}{dot}{field}: there is no {kind} {name:?}"));
    }
}

/// An encoded message and its type.
#[derive(Clone, Copy)]
struct Message<'a> {
    bytes: &'a [u8],
    of: &'a MessageDescriptor,
}

impl<'a> Message<'a> {
    /// What a field was set to: of a list, its elements.
    fn all(self, field: &str) -> impl Iterator<Item = Field<'a>> {
        let number = self.of.get_field_by_name(field).map(|field| field.number());
        let all = fields(self.bytes).filter(move |(found, _)| Some(*found) == number);
        all.map(|(_, value)| value)
    }

    fn texts(self, field: &str) -> impl Iterator<Item = &'a str> {
        self.all(field).filter_map(|value| match value {
            Field::Bytes(text) => str::from_utf8(text).ok(),
            _ => None,
        })
    }

    fn text(self, field: &str) -> Option<&'a str> {
        self.texts(field).last()
    }

    fn bytes_of(self, field: &str) -> Option<&'a [u8]> {
        match self.all(field).last()? {
            Field::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    fn inner(self, field: &str) -> Option<(MessageDescriptor, &'a [u8])> {
        match self.of.get_field_by_name(field)?.kind() {
            Kind::Message(of) => Some((of, self.bytes_of(field)?)),
            _ => None,
        }
    }

    fn is_set_to(self, field: &str, value: &str) -> bool {
        let kind = self.of.get_field_by_name(field).map(|field| field.kind());
        let Some(Kind::Enum(values)) = kind else { return false };
        let number = values.get_value_by_name(value).map(|value| value.number());
        matches!(self.all(field).last(), Some(Field::Varint(found)) if Some(found as i32) == number)
    }

    /// Whether a `ConfigSource` says that a resource comes over the same stream.
    fn source_is_here(self, source: &str) -> bool {
        let Some((of, bytes)) = self.inner(source) else { return false };
        let source = Message { bytes, of: &of };
        source.all("ads").next().is_some() || source.all("self").next().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::parse;
    use prost::Message as _;
    use prost_reflect::{DynamicMessage, ReflectMessage, Value};

    fn check(json: &str) -> Vec<String> {
        dangling(&parse("resources.json", json.as_bytes()).unwrap_or_else(|it| panic!("{it:?}")))
    }

    /// A resource with nothing in it but this reference, and the way to it.
    fn with(reference: &Reference) -> Resource {
        let descriptor = types::message(reference.message).expect(reference.message);
        let mut message = DynamicMessage::new(descriptor.clone());
        let field = descriptor.get_field_by_name(reference.field).expect(reference.field);
        let name = Value::String("x".into());
        message.set_field(&field, if field.is_list() { Value::List(vec![name]) } else { name });
        if let Some(source) = reference.source {
            let source_field = descriptor.get_field_by_name(source).unwrap();
            let of = source_field.kind();
            let mut source = DynamicMessage::new(of.as_message().unwrap().clone());
            let ads = source.descriptor().get_field_by_name("ads").unwrap();
            let empty = DynamicMessage::new(ads.kind().as_message().unwrap().clone());
            source.set_field(&ads, Value::Message(empty));
            message.set_field(&source_field, Value::Message(source));
        }
        // In an extension every message may stand.
        let type_url = "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig";
        let mut outer = DynamicMessage::new(types::message(type_url).unwrap());
        let typed = outer.descriptor().get_field_by_name("typed_config").unwrap();
        let mut any = DynamicMessage::new(typed.kind().as_message().unwrap().clone());
        any.set_field_by_name("type_url", Value::String(format!("t/{}", reference.message)));
        any.set_field_by_name("value", Value::Bytes(message.encode_to_vec().into()));
        outer.set_field(&typed, Value::Message(any));
        let value = outer.encode_to_vec();
        Resource { type_url: type_url.into(), name: "extension".into(), value }
    }

    #[test]
    fn every_field_of_the_table_is_looked_at() {
        for reference in &REFERENCES {
            let resource = with(reference);
            let kind = reference.to.rsplit('.').next().unwrap();
            let expected = format!(
                "TypedExtensionConfig \"extension\", typed_config.{}: there is no {kind} \"x\"",
                reference.field
            );
            assert_eq!(dangling(std::slice::from_ref(&resource)), [expected]);
            let target = Resource {
                type_url: format!("type.googleapis.com/{}", reference.to),
                name: "x".into(),
                value: Vec::new(),
            };
            assert!(dangling(&[resource, target]).is_empty(), "{}", reference.message);
        }
    }

    #[test]
    fn the_built_in_set_is_whole() {
        assert!(check(include_str!("builtin.json")).is_empty());
    }

    #[test]
    fn a_cluster_without_endpoints_and_a_route_without_cluster() {
        let found = check(
            r#"{"resources": [
  {"@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster", "name": "a", "type": "EDS",
   "eds_cluster_config": {"eds_config": {"ads": {}}}},
  {"@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster", "name": "b", "type": "EDS",
   "eds_cluster_config": {"eds_config": {"self": {}}, "service_name": "c"}},
  {"@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster", "name": "d", "type": "STATIC"},
  {"@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster", "name": "e", "type": "EDS",
   "eds_cluster_config": {"eds_config": {"path_config_source": {"path": "/etc/endpoints"}}}},
  {"@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration", "name": "r",
   "virtual_hosts": [{"name": "v", "domains": ["*"], "routes": [
     {"match": {"prefix": "/a"}, "route": {"cluster": "a"}},
     {"match": {"prefix": "/b"}, "route": {"cluster": "gone"}},
     {"match": {"prefix": "/c"}, "route": {"cluster_header": "x"}}]}]}]}"#,
        );
        let expected = [
            "Cluster \"a\", name: there is no ClusterLoadAssignment \"a\"",
            "Cluster \"b\", eds_cluster_config.service_name: there is no ClusterLoadAssignment \"c\"",
            "RouteConfiguration \"r\", virtual_hosts[0].routes[1].route.cluster: \
                there is no Cluster \"gone\"",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn the_way_leads_through_maps_and_bytes_that_end_early() {
        let options =
            r#"{"@type": "type.googleapis.com/envoy.config.core.v3.HttpUri", "cluster": "gone"}"#;
        let json = format!(
            r#"{{"resources": [{{"@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
                "name": "c", "typed_extension_protocol_options": {{"a\"b": {options}}}}}]}}"#
        );
        let mut resources = parse("resources.json", json.as_bytes()).unwrap();
        let expected = "Cluster \"c\", typed_extension_protocol_options[\"a\\\"b\"].cluster: \
            there is no Cluster \"gone\"";
        assert_eq!(dangling(&resources), [expected]);
        resources[0].value.push(0xff);
        assert_eq!(dangling(&resources), [expected]);
        for length in (0..resources[0].value.len()).rev() {
            resources[0].value.truncate(length);
            dangling(&resources);
        }
    }

    #[test]
    fn what_comes_from_elsewhere_is_not_missed() {
        let rds = |source: &str| {
            format!(
                r#"{{"resources": [{{"@type": "type.googleapis.com/envoy.config.listener.v3.Listener",
  "name": "l", "api_listener": {{"api_listener": {{
    "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
    "rds": {{"route_config_name": "gone", "config_source": {{{source}}}}}}}}}}}]}}"#
            )
        };
        assert!(check(&rds(r#""path_config_source": {"path": "/etc/routes"}"#)).is_empty());
        let expected = "Listener \"l\", api_listener.api_listener.rds.route_config_name: \
            there is no RouteConfiguration \"gone\"";
        assert_eq!(check(&rds(r#""ads": {}"#)), [expected]);
    }
}
