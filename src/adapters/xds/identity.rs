//! [`Identity`]: who a client has proved to be.

use core::fmt;
use std::prelude::v1::*;
use std::sync::Arc;

use bytes::Bytes;

/// The certificate chain that a client has shown and whose key it holds, verified against the CA
/// that the server was given.
///
/// A view that goes by it keeps tenants apart:
///
/// ```
/// use pushlane::adapters::xds::{Ads, Identity, ViewId};
///
/// fn tenant(identity: &Identity) -> Option<ViewId> {
///     let names = identity.names().iter();
///     let tenant = names.filter_map(|name| name.strip_prefix("spiffe://example.org/ns/")).next()?;
///     Some(ViewId::from(tenant.split('/').next()?))
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let ads = Ads::builder().view(|_node, identity| tenant(identity?)).start();
/// # drop(ads);
/// # }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    chain: Arc<[Bytes]>,
    names: Arc<[String]>,
}

impl Identity {
    /// An identity from the certificates of a verified chain, in DER, the client's own first. A
    /// server of your own that mounts the service puts it into the extensions of its requests.
    pub fn from_chain(chain: impl IntoIterator<Item = Bytes>) -> Self {
        let chain: Arc<[Bytes]> = chain.into_iter().collect();
        let names = chain.first().map(|own| super::certificate::names(own)).unwrap_or_default();
        Identity { chain, names: names.into() }
    }

    /// The certificates in DER, the client's own first.
    pub fn chain(&self) -> &[Bytes] {
        &self.chain
    }

    /// The subject alternative names of the client's certificate that are DNS names or URIs, such
    /// as `spiffe://cluster.local/ns/shop/sa/cart`.
    pub fn names(&self) -> &[String] {
        &self.names
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Identity").field(&self.names).finish()
    }
}
