//! The names a mesh speaks in: namespace, kind, host, name.

use alloc::string::String;
use core::borrow::Borrow;
use core::cmp::Ordering;
use core::fmt;
use core::hash::{Hash, Hasher};

/// Cheap to clone where the target can count references atomically: a name is cloned into the
/// pending request of many clients. `Arc` doesn't exist on targets without compare-exchange.
#[cfg(target_has_atomic = "ptr")]
type Text = alloc::sync::Arc<str>;
#[cfg(not(target_has_atomic = "ptr"))]
type Text = alloc::boxed::Box<str>;

/// Text that may be a constant: most kinds are known when a control plane is compiled, and a
/// constant costs neither memory nor a count of references.
#[derive(Clone)]
enum Word {
    Constant(&'static str),
    Made(Text),
}

impl core::ops::Deref for Word {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::Constant(word) => word,
            Self::Made(word) => word,
        }
    }
}

impl From<&str> for Word {
    fn from(word: &str) -> Self {
        Self::Made(word.into())
    }
}

impl From<String> for Word {
    fn from(word: String) -> Self {
        Self::Made(word.into())
    }
}

// As text, wherever it lies: `Borrow<str>` promises that.
impl PartialEq for Word {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Word {}

impl PartialOrd for Word {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Word {
    fn cmp(&self, other: &Self) -> Ordering {
        (**self).cmp(&**other)
    }
}

impl Hash for Word {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

macro_rules! name {
    ($(#[$docs:meta])* $name:ident($text:ident)) => {
        $(#[$docs])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name($text);

        impl $name {
            /// The name as text.
            ///
            /// ```
            #[doc = concat!("use pushlane::mesh::", stringify!($name), ";")]
            ///
            #[doc = concat!("assert_eq!(", stringify!($name), "::from(\"a\").as_str(), \"a\");")]
            /// ```
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(name: &str) -> Self {
                Self(name.into())
            }
        }

        impl From<String> for $name {
            fn from(name: String) -> Self {
                Self(name.into())
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }
    };
}

name! {
    /// Where a config or a service lives; under strong isolation, a tenant.
    ///
    /// ```
    /// use pushlane::mesh::Namespace;
    ///
    /// assert_eq!(Namespace::from("payments").to_string(), "payments");
    /// ```
    Namespace(Text)
}

name! {
    /// What sort of config it is: `gateway`, `virtual-service`, … The words are yours; the only
    /// one this module uses by itself is [`Kind::service`].
    ///
    /// ```
    /// use pushlane::mesh::Kind;
    ///
    /// assert_eq!(Kind::from("gateway").to_string(), "gateway");
    /// ```
    Kind(Word)
}

name! {
    /// The name a service is addressed by.
    ///
    /// ```
    /// use pushlane::mesh::Host;
    ///
    /// assert_eq!(Host::from("reviews.example.com").to_string(), "reviews.example.com");
    /// ```
    Host(Text)
}

name! {
    /// What tells a config from the others of its kind and namespace.
    ///
    /// ```
    /// use pushlane::mesh::Name;
    ///
    /// assert_eq!(Name::from("public").to_string(), "public");
    /// ```
    Name(Text)
}

/// A service's config is named after its host.
///
/// ```
/// use pushlane::mesh::{Host, Name};
///
/// assert_eq!(Name::from(Host::from("reviews")), Name::from("reviews"));
/// ```
impl From<Host> for Name {
    fn from(host: Host) -> Self {
        Self(host.0)
    }
}

impl Kind {
    /// A kind that is known at compile time. No memory is allocated for it.
    ///
    /// ```
    /// use pushlane::mesh::Kind;
    ///
    /// const GATEWAY: Kind = Kind::constant("gateway");
    /// assert_eq!(GATEWAY, Kind::from("gateway"));
    /// ```
    #[must_use]
    pub const fn constant(name: &'static str) -> Self {
        Self(Word::Constant(name))
    }

    /// The kind under which [`service_change`](super::service_change) reports services: a client
    /// that lists its kinds must list this one to hear of them.
    ///
    /// ```
    /// use pushlane::mesh::Kind;
    ///
    /// assert_eq!(Kind::service(), Kind::from("service"));
    /// ```
    #[must_use]
    pub const fn service() -> Self {
        Self::constant("service")
    }
}
