//! References that lead nowhere: a route to a cluster that the file doesn't have, and the like.
//!
//! They are warnings. A client may know the cluster from its own bootstrap, and while resources are
//! moved from one file to another a reference may lead nowhere for a moment.

use crate::resources::{Resource, types};
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, ReflectMessage, Value};
use std::collections::HashSet;

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

/// One line for each reference that leads nowhere.
pub(crate) fn dangling(resources: &[Resource]) -> Vec<String> {
    let known = resources.iter().map(|it| (message_name(&it.type_url), it.name.as_str())).collect();
    let mut search =
        Search { known, path: String::new(), resource: String::new(), found: Vec::new() };
    for resource in resources {
        let Some(descriptor) = types::message(&resource.type_url) else { continue };
        // Exact bytes may be anything: the clients will say what is wrong with them.
        let Ok(message) = DynamicMessage::decode(descriptor, &resource.value[..]) else { continue };
        search.resource = resource.to_string();
        search.message(&message, 0);
    }
    search.found
}

fn message_name(type_url: &str) -> &str {
    type_url.rsplit_once('/').map_or(type_url, |(_, name)| name)
}

struct Search<'a> {
    /// Type and name of all that there is.
    known: HashSet<(&'a str, &'a str)>,
    /// The resource that is looked at, and the way down to the field.
    resource: String,
    path: String,
    found: Vec<String>,
}

impl Search<'_> {
    fn message(&mut self, message: &DynamicMessage, depth: usize) {
        let descriptor = message.descriptor();
        let name = descriptor.full_name();
        if name == "google.protobuf.Any" {
            return self.extension(message, depth);
        }
        if name == CLUSTER {
            self.endpoints_of(message);
        }
        let here = REFERENCES.iter().filter(|reference| reference.message == name);
        for reference in here {
            let from_here = |field| source_is_here(message, field);
            if reference.source.is_none_or(from_here) {
                self.names(message, reference);
            }
        }
        for (field, value) in message.fields() {
            if may_hold_messages(&field) {
                let length = self.path.len();
                self.path += if length == 0 { "" } else { "." };
                self.path += field.name();
                self.value(value, depth);
                self.path.truncate(length);
            }
        }
    }

    fn value(&mut self, value: &Value, depth: usize) {
        let length = self.path.len();
        match value {
            Value::Message(message) => self.message(message, depth),
            Value::List(list) => {
                for (index, value) in list.iter().enumerate() {
                    self.path += &format!("[{index}]");
                    self.value(value, depth);
                    self.path.truncate(length);
                }
            }
            Value::Map(map) => {
                for (key, value) in map {
                    self.path += &format!("[{:?}]", key.as_str().unwrap_or_default());
                    self.value(value, depth);
                    self.path.truncate(length);
                }
            }
            _ => {}
        }
    }

    fn extension(&mut self, any: &DynamicMessage, depth: usize) {
        let (type_url, value) = (field(any, "type_url"), field(any, "value"));
        let (Some(type_url), Some(value)) = (type_url.as_str(), value.as_bytes()) else { return };
        let descriptor = types::message(type_url).filter(|_| depth < DEEPEST);
        let inner = descriptor.and_then(|it| DynamicMessage::decode(it, value.clone()).ok());
        if let Some(inner) = inner {
            self.message(&inner, depth + 1);
        }
    }

    fn names(&mut self, message: &DynamicMessage, reference: &Reference) {
        match field(message, reference.field) {
            Value::String(name) => self.name(reference.field, &name, reference.to),
            Value::List(names) => {
                for name in names.iter().filter_map(Value::as_str) {
                    self.name(reference.field, name, reference.to);
                }
            }
            _ => {}
        }
    }

    fn endpoints_of(&mut self, cluster: &DynamicMessage) {
        let by_eds = types::message(CLUSTER)
            .and_then(|it| it.get_field_by_name("type"))
            .and_then(|it| it.kind().as_enum()?.get_value_by_name("EDS"))
            .map(|eds| Value::EnumNumber(eds.number()));
        if Some(field(cluster, "type")) != by_eds {
            return;
        }
        let config = field(cluster, "eds_cluster_config");
        let Some(config) = config.as_message().filter(|it| source_is_here(it, "eds_config")) else {
            return;
        };
        let service = field(config, "service_name");
        let name = field(cluster, "name");
        match service.as_str().filter(|service| !service.is_empty()) {
            Some(service) => self.name("eds_cluster_config.service_name", service, ENDPOINTS),
            None => self.name("name", name.as_str().unwrap_or_default(), ENDPOINTS),
        }
    }

    fn name(&mut self, field: &str, name: &str, to: &str) {
        if name.is_empty() || self.known.contains(&(to, name)) {
            return;
        }
        let dot = if self.path.is_empty() { "" } else { "." };
        let kind = to.rsplit('.').next().unwrap_or_default();
        let (resource, path) = (&self.resource, &self.path);
        self.found.push(format!("{resource}, {path}{dot}{field}: there is no {kind} {name:?}"));
    }
}

/// Whether a `ConfigSource` says that a resource comes over the same stream.
fn source_is_here(message: &DynamicMessage, source: &str) -> bool {
    let source = field(message, source);
    source
        .as_message()
        .is_some_and(|it| it.has_field_by_name("ads") || it.has_field_by_name("self"))
}

fn may_hold_messages(field: &FieldDescriptor) -> bool {
    matches!(field.kind(), Kind::Message(_))
}

fn field(message: &DynamicMessage, name: &str) -> Value {
    message.get_field_by_name(name).map_or(Value::Bool(false), |value| value.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::parse;
    use prost::Message;

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
