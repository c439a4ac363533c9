//! What users say: a topic, and the topics that a publish is for.

use core::fmt;

/// Something that clients depend on: a namespace, a kind of config, a cluster. An index below the
/// number of topics that the queue was made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Topic(pub u32);

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "topic {}", self.0)
    }
}

/// Whom a publish to topics is for.
///
/// *Empty means nothing*: a scope of no topics reaches no client, and neither does an empty filter.
///
/// ```
/// use pushlane::{Scope, Topic};
///
/// let (shop, billing, routes) = (Topic(0), Topic(1), Topic(2));
/// // The clients that depend on one of the two namespaces, and on routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope<'a> {
    pub(crate) any: &'a [Topic],
    pub(crate) and: Option<&'a [Topic]>,
}

impl<'a> Scope<'a> {
    /// The clients that depend on any of these topics.
    pub const fn any(topics: &'a [Topic]) -> Self {
        Scope { any: topics, and: None }
    }

    /// Of them, those that depend on any of these other topics as well. Replaces an earlier filter.
    #[must_use]
    pub const fn and_any(self, topics: &'a [Topic]) -> Self {
        Scope { any: self.any, and: Some(topics) }
    }

    pub(super) fn topics(&self) -> impl Iterator<Item = Topic> {
        self.any.iter().chain(self.and.unwrap_or_default()).copied()
    }
}
