//! Resources from the generated v3 types.
//!
//! [`v3`] has Envoy's messages, [`google`] and [`xds`] those that they refer to, all from the crate
//! `envoy-types`; [`Message`] is that of the same `prost`. A resource is its message, under the
//! name that is in it:
//!
//! ```
//! use pushlane::adapters::xds::types::{Typed, v3::config::cluster::v3::Cluster};
//! use pushlane::adapters::xds::TypeUrl;
//!
//! let cluster = Cluster { name: "cart".into(), ..Cluster::default() };
//! let resource = cluster.resource();
//! assert_eq!((&**resource.type_url(), resource.name()), (TypeUrl::CLUSTER, "cart"));
//! ```

use std::prelude::v1::*;

#[doc(no_inline)]
pub use envoy_types::pb::{envoy as v3, google, xds};
#[doc(no_inline)]
pub use prost::Message;

use self::v3::config::cluster::v3::Cluster;
use self::v3::config::core::v3::TypedExtensionConfig;
use self::v3::config::endpoint::v3::ClusterLoadAssignment;
use self::v3::config::listener::v3::Listener;
use self::v3::config::route::v3::{RouteConfiguration, ScopedRouteConfiguration, VirtualHost};
use self::v3::extensions::transport_sockets::tls::v3::Secret;
use self::v3::service::runtime::v3::Runtime;
use super::resource::{Resource, TypeUrl};

/// A message that is a resource. It is implemented for the type of each constant of [`TypeUrl`];
/// implement it for messages of your own:
///
/// ```
/// use pushlane::adapters::xds::types::{Message, Typed};
///
/// #[derive(Clone, PartialEq, prost::Message)]
/// struct Quota {
///     #[prost(string, tag = "1")]
///     tenant: String,
///     #[prost(uint32, tag = "2")]
///     most: u32,
/// }
///
/// impl Typed for Quota {
///     const TYPE_URL: &'static str = "type.googleapis.com/example.v1.Quota";
///
///     fn resource_name(&self) -> &str {
///         &self.tenant
///     }
/// }
///
/// let quota = Quota { tenant: "shop".into(), most: 20 };
/// assert_eq!(Quota::decode(quota.resource().body()).unwrap(), quota);
/// ```
pub trait Typed: Message + Sized {
    /// Its type.
    const TYPE_URL: &'static str;

    /// The name that is in it.
    fn resource_name(&self) -> &str;

    /// The resource, with a hash of its bytes for a version.
    fn resource(&self) -> Resource {
        Resource::hashed(Self::TYPE_URL, self.resource_name(), self.encode_to_vec())
    }
}

macro_rules! typed {
    ($($message:ty, $url:expr, $name:ident;)+) => {
        $(impl Typed for $message {
            const TYPE_URL: &'static str = $url;

            fn resource_name(&self) -> &str {
                &self.$name
            }
        })+
    };
}

typed! {
    Cluster, TypeUrl::CLUSTER, name;
    ClusterLoadAssignment, TypeUrl::ENDPOINTS, cluster_name;
    Listener, TypeUrl::LISTENER, name;
    RouteConfiguration, TypeUrl::ROUTES, name;
    Runtime, TypeUrl::RUNTIME, name;
    ScopedRouteConfiguration, TypeUrl::SCOPED_ROUTES, name;
    Secret, TypeUrl::SECRET, name;
    TypedExtensionConfig, TypeUrl::EXTENSION, name;
    VirtualHost, TypeUrl::VIRTUAL_HOST, name;
}

/// The endpoints of a cluster, all in one place, without a preference: the usual beginning.
///
/// ```
/// use pushlane::adapters::xds::types::{Typed, endpoints};
///
/// let resource = endpoints("cart", ["10.0.0.1:80".parse()?, "10.0.0.2:80".parse()?]).resource();
/// assert_eq!(resource.name(), "cart");
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
pub fn endpoints(
    cluster: impl Into<String>,
    addresses: impl IntoIterator<Item = std::net::SocketAddr>,
) -> ClusterLoadAssignment {
    use self::v3::config::core::v3::socket_address::PortSpecifier;
    use self::v3::config::core::v3::{Address, SocketAddress, address};
    use self::v3::config::endpoint::v3::lb_endpoint::HostIdentifier;
    use self::v3::config::endpoint::v3::{Endpoint, LbEndpoint, LocalityLbEndpoints};

    let lb_endpoints = addresses.into_iter().map(|at| {
        let socket = SocketAddress {
            address: at.ip().to_string(),
            port_specifier: Some(PortSpecifier::PortValue(at.port().into())),
            ..SocketAddress::default()
        };
        let address = Address { address: Some(address::Address::SocketAddress(socket)) };
        let endpoint = Endpoint { address: Some(address), ..Endpoint::default() };
        let host_identifier = Some(HostIdentifier::Endpoint(endpoint));
        LbEndpoint { host_identifier, ..LbEndpoint::default() }
    });
    let locality = LocalityLbEndpoints {
        // Without a weight and a locality some clients leave it out.
        locality: Some(Default::default()),
        load_balancing_weight: Some(one()),
        lb_endpoints: lb_endpoints.collect(),
        ..LocalityLbEndpoints::default()
    };
    ClusterLoadAssignment {
        cluster_name: cluster.into(),
        endpoints: Vec::from([locality]),
        ..ClusterLoadAssignment::default()
    }
}

fn one() -> google::protobuf::UInt32Value {
    google::protobuf::UInt32Value { value: 1 }
}
