//! [`Kind`]: what the server has to know of a type, and the table of the types that it knows.

use std::collections::BTreeMap;

use super::resource::TypeUrl;

/// How the resources of a type are subscribed to and answered.
///
/// | type | wildcard | complete | stand-in | aliased |
/// | --- | --- | --- | --- | --- |
/// | clusters, listeners, scoped routes | yes | yes | | |
/// | endpoints | | | yes | |
/// | virtual hosts | | | | yes |
/// | routes, secrets, extension configurations, runtime layers | | | | |
/// | every other type | yes | yes | | |
///
/// [`Builder::kind`](super::Builder::kind) replaces a row, or adds one.
///
/// ```
/// use pushlane::adapters::xds::{Ads, Kind, TypeUrl};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// // Endpoints that don't exist are answered with silence.
/// let silent = Kind { stand_in: false, ..Kind::of(TypeUrl::ENDPOINTS) };
/// let ads = Ads::builder().kind(TypeUrl::ENDPOINTS, silent).start();
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kind {
    /// A first request that names nothing asks for all there are. Otherwise it asks for none.
    pub wildcard: bool,
    /// A state-of-the-world response is the complete set: clients remove what it leaves out.
    pub complete: bool,
    /// A state-of-the-world client that asks for a resource that doesn't exist is sent one with
    /// nothing but the name (in field 1), so that it stops waiting. It can't be told otherwise.
    /// Like a removal, that waits for routes that lead elsewhere.
    pub stand_in: bool,
    /// An incremental client that asks for a resource that doesn't exist is answered with a
    /// resource without contents, whose name and alias is what it has asked for. Envoy waits for
    /// that with virtual hosts. Otherwise it is told that the resource is removed.
    pub aliased: bool,
}

const BY_NAME: Kind = Kind { wildcard: false, complete: false, stand_in: false, aliased: false };

impl Kind {
    /// The row of a type, as it is unless it is replaced.
    pub fn of(type_url: &str) -> Self {
        match type_url {
            TypeUrl::ENDPOINTS => Kind { stand_in: true, ..BY_NAME },
            TypeUrl::ROUTES | TypeUrl::SECRET | TypeUrl::EXTENSION | TypeUrl::RUNTIME => BY_NAME,
            TypeUrl::VIRTUAL_HOST => Kind { aliased: true, ..BY_NAME },
            // Of a type that nothing is known about a full set is right for every client.
            _ => Kind { wildcard: true, complete: true, ..BY_NAME },
        }
    }
}

/// The rows that a user has replaced.
#[derive(Default)]
pub(super) struct Kinds(BTreeMap<TypeUrl, Kind>);

impl Kinds {
    pub(super) fn set(&mut self, type_url: TypeUrl, kind: Kind) {
        self.0.insert(type_url, kind);
    }

    pub(super) fn of(&self, type_url: &str) -> Kind {
        self.0.get(type_url).copied().unwrap_or_else(|| Kind::of(type_url))
    }
}
