//! [`Resource`]: what is served, and [`TypeUrl`]: what kind it is.

use core::borrow::Borrow;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::ops::Deref;
use core::time::Duration;
use std::collections::hash_map::DefaultHasher;
use std::format;
use std::prelude::v1::*;
use std::sync::{Arc, LazyLock};

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
#[derive(Clone, Eq, PartialOrd, Ord)]
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

/// The types that most resources are of. Each is kept once, however many resources and streams
/// name it.
static KNOWN: LazyLock<[TypeUrl; 9]> = LazyLock::new(|| {
    [
        TypeUrl::CLUSTER,
        TypeUrl::ENDPOINTS,
        TypeUrl::LISTENER,
        TypeUrl::ROUTES,
        TypeUrl::SECRET,
        TypeUrl::SCOPED_ROUTES,
        TypeUrl::VIRTUAL_HOST,
        TypeUrl::EXTENSION,
        TypeUrl::RUNTIME,
    ]
    .map(|url| TypeUrl(url.into()))
});

impl<T: Into<Arc<str>>> From<T> for TypeUrl {
    fn from(url: T) -> Self {
        let url = url.into();
        KNOWN.iter().find(|known| *known.0 == *url).cloned().unwrap_or(TypeUrl(url))
    }
}

impl Hash for TypeUrl {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

/// By content. Those that are kept once are the same without a look at it.
impl PartialEq for TypeUrl {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || *self.0 == *other.0
    }
}

// Hidden: its page would list all methods of `str`.
#[doc(hidden)]
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
/// The bytes are not looked into, but for one thing: of a cluster, which `ClusterLoadAssignment` it
/// takes its endpoints from, because that has to be sent again after the cluster.
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

/// What a resource is wrapped in.
const WRAPPER: &str = "type.googleapis.com/envoy.service.discovery.v3.Resource";

#[derive(Clone)]
pub(super) struct Inner {
    type_url: TypeUrl,
    name: Name,
    version: Arc<str>,
    /// The encoded `Any`; the body is its tail. `None`: held by a client, version known only.
    any: Option<Bytes>,
    body: usize,
    endpoints: Option<Name>,
    aliases: Option<Box<[Name]>>,
    ttl: Option<Duration>,
}

impl Resource {
    /// A resource with a version of your own. It must change when the bytes do: it is what a delta
    /// client is told, and what it tells when it comes back.
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
            aliases: None,
            ttl: None,
        };
        Resource(Arc::new(inner))
    }

    /// With other names that incremental clients may ask for it by, such as those of a virtual
    /// host: the domains that it serves, each behind the name of its route configuration. Of two
    /// resources with the same alias the later counts.
    ///
    /// ```
    /// use pushlane::adapters::xds::{Resource, TypeUrl};
    ///
    /// let host = Resource::hashed(TypeUrl::VIRTUAL_HOST, "routes/shop", "bytes");
    /// let host = host.with_aliases(["routes/shop.example", "routes/www.shop.example"]);
    /// assert_eq!(host.aliases().count(), 2);
    /// ```
    #[must_use]
    pub fn with_aliases<N: Into<Name>>(mut self, aliases: impl IntoIterator<Item = N>) -> Self {
        let aliases: Box<[Name]> = aliases.into_iter().map(Into::into).collect();
        Arc::make_mut(&mut self.0).aliases = Some(aliases).filter(|aliases| !aliases.is_empty());
        self
    }

    /// With a time to live: a client forgets it when it hasn't heard of it for so long. As long as
    /// a client has it, it is sent again three times in that time.
    ///
    /// ```
    /// use std::time::Duration;
    /// use pushlane::adapters::xds::{Resource, TypeUrl};
    ///
    /// let layer = Resource::hashed(TypeUrl::RUNTIME, "incident", "bytes");
    /// assert_eq!(layer.with_ttl(Duration::from_secs(60)).ttl(), Some(Duration::from_secs(60)));
    /// ```
    #[must_use]
    pub fn with_ttl(mut self, ttl: Duration) -> Self {
        Arc::make_mut(&mut self.0).ttl = Some(ttl);
        self
    }

    /// How long a client keeps it without hearing of it. `None`: for ever.
    pub fn ttl(&self) -> Option<Duration> {
        self.0.ttl
    }

    /// As it is sent by the state-of-the-world protocol: wrapped, if there is more to say than its
    /// contents.
    pub(super) fn sotw_any(&self) -> Bytes {
        if self.0.ttl.is_none() {
            return self.any();
        }
        let wrapped = proto::DeltaResource {
            version: self.version().into(),
            resource: self.any(),
            name: self.name().into(),
            aliases: self.aliases().map(String::from).collect(),
            ttl: self.lifetime(),
        };
        let value = wrapped.encode_to_vec().into();
        proto::Any { type_url: WRAPPER.into(), value }.encode_to_vec().into()
    }

    /// How long a client keeps it, as it is sent.
    pub(super) fn lifetime(&self) -> Option<proto::Duration> {
        self.0.ttl.map(|ttl| proto::Duration {
            seconds: i64::try_from(ttl.as_secs()).unwrap_or(i64::MAX),
            nanos: ttl.subsec_nanos() as i32,
        })
    }

    /// Its other names.
    pub fn aliases(&self) -> impl Iterator<Item = &str> {
        self.shared_aliases().iter().map(|alias| &**alias)
    }

    pub(super) fn shared_aliases(&self) -> &[Name] {
        self.0.aliases.as_deref().unwrap_or_default()
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
        let (any, body, endpoints, aliases, ttl) = (None, 0, None, None, None);
        Resource(Arc::new(Inner { type_url, name, version, any, body, endpoints, aliases, ttl }))
    }

    /// Of the same name, held in a version that isn't known: it is the same as nothing that can be
    /// sent.
    pub(super) fn of_no_version(&self) -> Self {
        let mut held = Resource::held(self.0.type_url.clone(), self.0.name.clone(), "\0");
        Arc::make_mut(&mut held.0).aliases = self.0.aliases.clone();
        held
    }

    /// One that stands in for a resource that doesn't exist: a message with its name in field 1.
    pub(super) fn stand_in(type_url: TypeUrl, name: Name) -> Self {
        let body = proto::Named { name: name.to_string() }.encode_to_vec();
        Resource::hashed(type_url, name, body)
    }

    /// How many bytes it takes in a response, at most.
    pub(super) fn weight(&self) -> usize {
        let Inner { any, name, version, .. } = &*self.0;
        let aliases = self.shared_aliases().iter().map(|alias| alias.len() + FRAMING);
        let bytes = any.as_ref().map_or(0, Bytes::len) + name.len() + version.len();
        let wrapper = self.0.ttl.map_or(0, |_| WRAPPER.len() + 2 * FRAMING);
        bytes + FRAMING + aliases.sum::<usize>() + wrapper
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
            || (self.0.version == other.0.version
                && (held
                    || (self.0.any == other.0.any
                        && self.0.aliases == other.0.aliases
                        && self.0.ttl == other.0.ttl)))
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
    fn a_known_type_is_kept_once() {
        let [a, b] = [(); 2].map(|()| TypeUrl::from(TypeUrl::SECRET));
        assert!(Arc::ptr_eq(&a.0, &b.0) && a == b);
        let [a, b, c] = ["x/a", "x/a", "x/b"].map(TypeUrl::from);
        assert!(!Arc::ptr_eq(&a.0, &b.0) && a == b && a != c);
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
