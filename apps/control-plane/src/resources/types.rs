//! Envoy's types, as `types/generate.py` has written them down.

use prost_reflect::{DescriptorPool, MessageDescriptor};
use std::sync::LazyLock;

/// What stands before the name of a type in a type URL.
pub(crate) const PREFIX: &str = "type.googleapis.com/";

static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    let packed = include_bytes!("../../types/envoy-v3.binpb.z");
    let bytes =
        miniz_oxide::inflate::decompress_to_vec_zlib(packed).expect("written by generate.py");
    DescriptorPool::decode(&bytes[..]).expect("written by generate.py")
});

/// The message that an `@type` or a type URL names, if it is known here.
pub(crate) fn message(type_url: &str) -> Option<MessageDescriptor> {
    let name = type_url.rsplit_once('/').map_or(type_url, |(_, name)| name);
    POOL.get_message_by_name(name)
}

/// The field that a resource is named by.
pub(crate) fn name_field(message: &MessageDescriptor) -> Option<&'static str> {
    match message.full_name() {
        "envoy.config.endpoint.v3.ClusterLoadAssignment" => Some("cluster_name"),
        _ => message.get_field_by_name("name").map(|_| "name"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_served_is_known_and_has_a_name() {
        for (name, field) in [
            ("envoy.config.listener.v3.Listener", "name"),
            ("envoy.config.route.v3.RouteConfiguration", "name"),
            ("envoy.config.route.v3.ScopedRouteConfiguration", "name"),
            ("envoy.config.route.v3.VirtualHost", "name"),
            ("envoy.config.cluster.v3.Cluster", "name"),
            ("envoy.config.endpoint.v3.ClusterLoadAssignment", "cluster_name"),
            ("envoy.extensions.transport_sockets.tls.v3.Secret", "name"),
            ("envoy.service.runtime.v3.Runtime", "name"),
            ("envoy.config.core.v3.TypedExtensionConfig", "name"),
        ] {
            let message = message(&format!("{PREFIX}{name}")).unwrap_or_else(|| panic!("{name}"));
            assert_eq!(name_field(&message), Some(field), "{name}");
        }
        assert!(message("type.googleapis.com/envoy.api.v2.Cluster").is_none());
    }

    #[test]
    fn what_stands_inside_of_them_is_known() {
        for name in [
            "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
            "envoy.extensions.filters.http.router.v3.Router",
            "envoy.extensions.filters.http.fault.v3.HTTPFault",
            "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "envoy.extensions.load_balancing_policies.round_robin.v3.RoundRobin",
            "envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
            "google.protobuf.StringValue",
            "xds.type.v3.TypedStruct",
        ] {
            assert!(message(name).is_some(), "{name}");
        }
    }
}
