//! [`Resource`]: what is served, and [`TypeUrl`]: what kind it is.

use core::borrow::Borrow;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::ops::Deref;
use std::collections::hash_map::DefaultHasher;
use std::format;
use std::prelude::v1::*;
use std::sync::Arc;

use bytes::Bytes;
use prost::Message;

use super::proto;

/// A resource's name.
pub type Name = Arc<str>;

/// The type of a resource, such as [`CLUSTER`](TypeUrl::CLUSTER).
///
/// ```
/// use pushlane::adapters::xds::TypeUrl;
///
/// let cluster = TypeUrl::from(TypeUrl::CLUSTER);
/// assert_eq!(cluster.short(), "Cluster");
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TypeUrl(Arc<str>);

impl TypeUrl {
    /// Clusters: CDS.
    pub const CLUSTER: &'static str = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
    /// Endpoints: EDS.
    pub const ENDPOINTS: &'static str =
        "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";
    /// Listeners: LDS.
    pub const LISTENER: &'static str = "type.googleapis.com/envoy.config.listener.v3.Listener";
    /// Routes: RDS.
    pub const ROUTES: &'static str = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration";
    /// Secrets: SDS.
    pub const SECRET: &'static str =
        "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";
    /// Scoped routes: SRDS.
    pub const SCOPED_ROUTES: &'static str =
        "type.googleapis.com/envoy.config.route.v3.ScopedRouteConfiguration";
    /// Virtual hosts: VHDS.
    pub const VIRTUAL_HOST: &'static str = "type.googleapis.com/envoy.config.route.v3.VirtualHost";
    /// Extension configurations: ECDS.
    pub const EXTENSION: &'static str =
        "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig";
    /// Runtime layers: RTDS.
    pub const RUNTIME: &'static str = "type.googleapis.com/envoy.service.runtime.v3.Runtime";

    /// Its last part, for people.
    pub fn short(&self) -> &str {
        self.0.rsplit(['.', '/']).next().unwrap_or(&self.0)
    }
}

impl<T: Into<Arc<str>>> From<T> for TypeUrl {
    fn from(url: T) -> Self {
        TypeUrl(url.into())
    }
}

impl Deref for TypeUrl {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for TypeUrl {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for TypeUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl fmt::Display for TypeUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One resource, serialized: type, name, version and bytes. Cheap to clone.
///
/// The bytes are not looked into, but for one thing: of a cluster, which `ClusterLoadAssignment` it takes its
/// endpoints from, because that has to be sent again after the cluster.
///
/// ```
/// use pushlane::adapters::xds::{Resource, TypeUrl};
///
/// let resource = Resource::new(TypeUrl::LISTENER, "web", "7", b"\x0a\x03web".to_vec());
/// assert_eq!((resource.name(), resource.version()), ("web", "7"));
/// assert_eq!(&resource.body()[..], b"\x0a\x03web");
/// ```
#[derive(Clone)]
pub struct Resource(pub(super) Arc<Inner>);

/// Tags and lengths around a resource or a name in a response.
pub(super) const FRAMING: usize = 24;

pub(super) struct Inner {
    type_url: TypeUrl,
    name: Name,
    version: Arc<str>,
    /// The encoded `Any`; the body is its tail. `None`: held by a client, version known only.
    any: Option<Bytes>,
    body: usize,
    endpoints: Option<Name>,
}

impl Resource {
    /// A resource with a version of your own. It must change when the bytes do: it is what a delta client is told,
    /// and what it tells when it comes back.
    pub fn new(
        type_url: impl Into<TypeUrl>,
        name: impl Into<Name>,
        version: impl Into<Arc<str>>,
        body: impl Into<Bytes>,
    ) -> Self {
        let (type_url, name, body) = (type_url.into(), name.into(), body.into());
        let endpoints =
            (&*type_url == TypeUrl::CLUSTER).then(|| endpoints_of(&name, &body)).flatten();
        let length = body.len();
        let any = proto::Any { type_url: type_url.to_string(), value: body }.encode_to_vec();
        let inner = Inner {
            name,
            version: version.into(),
            body: any.len() - length,
            any: Some(any.into()),
            endpoints,
            type_url,
        };
        Resource(Arc::new(inner))
    }

    /// A resource whose version is a hash of its bytes: the same in every process of this build.
    ///
    /// ```
    /// use pushlane::adapters::xds::{Resource, TypeUrl};
    ///
    /// let [a, b, c] = ["a", "a", "b"].map(|body| Resource::hashed(TypeUrl::LISTENER, "web", body));
    /// assert_eq!(a.version(), b.version());
    /// assert_ne!(a.version(), c.version());
    /// ```
    pub fn hashed(
        type_url: impl Into<TypeUrl>,
        name: impl Into<Name>,
        body: impl Into<Bytes>,
    ) -> Self {
        let body = body.into();
        let mut hasher = DefaultHasher::new();
        body.hash(&mut hasher);
        Resource::new(type_url, name, format!("{:016x}", hasher.finish()), body)
    }

    /// What a client says it holds: a name and a version.
    pub(super) fn held(type_url: TypeUrl, name: Name, version: &str) -> Self {
        let version = version.into();
        Resource(Arc::new(Inner { type_url, name, version, any: None, body: 0, endpoints: None }))
    }

    /// Of the same name, held in a version that isn't known: it is the same as nothing that can be sent.
    pub(super) fn of_no_version(&self) -> Self {
        Resource::held(self.0.type_url.clone(), self.0.name.clone(), "\0")
    }

    /// One that stands in for a resource that doesn't exist: a message with its name in field 1.
    pub(super) fn stand_in(type_url: TypeUrl, name: Name) -> Self {
        let body = proto::Named { name: name.to_string() }.encode_to_vec();
        Resource::hashed(type_url, name, body)
    }

    /// How many bytes it takes in a response, at most.
    pub(super) fn weight(&self) -> usize {
        let Inner { any, name, version, .. } = &*self.0;
        any.as_ref().map_or(0, Bytes::len) + name.len() + version.len() + FRAMING
    }

    /// Its type.
    pub fn type_url(&self) -> &TypeUrl {
        &self.0.type_url
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    pub(super) fn shared_name(&self) -> &Name {
        &self.0.name
    }

    /// Its version.
    pub fn version(&self) -> &str {
        &self.0.version
    }

    /// Its bytes.
    pub fn body(&self) -> Bytes {
        self.0.any.as_ref().map(|any| any.slice(self.0.body..)).unwrap_or_default()
    }

    /// The bytes of its `Any`, as they go onto the wire.
    pub(super) fn any(&self) -> Bytes {
        self.0.any.clone().unwrap_or_default()
    }

    /// Whether there are bytes to send.
    pub(super) fn is_known(&self) -> bool {
        self.0.any.is_some()
    }

    /// Of a cluster: the name of its `ClusterLoadAssignment`.
    pub(super) fn endpoints(&self) -> Option<&Name> {
        self.0.endpoints.as_ref()
    }

    /// Whether a client that has one has the other.
    pub(super) fn same(&self, other: &Resource) -> bool {
        let held = !self.is_known() || !other.is_known();
        Arc::ptr_eq(&self.0, &other.0)
            || (self.0.version == other.0.version && (held || self.0.any == other.0.any))
    }
}

impl fmt::Debug for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} @{}", self.type_url().short(), self.name(), self.version())
    }
}

/// A cluster that can't be read is served as it is: the client will say what is wrong with it.
fn endpoints_of(name: &Name, body: &Bytes) -> Option<Name> {
    let eds = proto::Cluster::decode(body.clone()).ok()?.eds?;
    Some(if eds.service_name.is_empty() { name.clone() } else { eds.service_name.into() })
}

/// Which resource: its type and its name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResourceKey {
    /// Its name.
    pub name: Name,
    /// Its type.
    pub type_url: TypeUrl,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_names_its_endpoints() {
        let named = |service: &str| {
            let service_name = service.into();
            proto::Cluster { eds: Some(proto::EdsClusterConfig { service_name }) }.encode_to_vec()
        };
        let cluster = |body: Vec<u8>| Resource::hashed(TypeUrl::CLUSTER, "c", body);
        assert_eq!(cluster(named("s")).endpoints().map(|name| &**name), Some("s"));
        assert_eq!(cluster(named("")).endpoints().map(|name| &**name), Some("c"));
        assert_eq!(cluster(Vec::new()).endpoints(), None);
        assert_eq!(cluster(Vec::from([0xff])).endpoints(), None);
        assert_eq!(Resource::hashed(TypeUrl::LISTENER, "c", named("s")).endpoints(), None);
    }

    #[test]
    fn an_any_is_what_is_sent() {
        let resource = Resource::hashed(TypeUrl::SECRET, "s", "body");
        let any = proto::Any::decode(resource.any()).unwrap();
        assert_eq!((&*any.type_url, &any.value[..]), (TypeUrl::SECRET, &b"body"[..]));
        assert_eq!(resource.body(), any.value);
        assert_eq!(Resource::hashed(TypeUrl::SECRET, "s", "").body(), Bytes::new());
    }
}
