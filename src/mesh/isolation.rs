//! How finely services are told apart before the queue.

/// How finely services are told apart *before* the queue, where a topic costs memory and each topic
/// of a request costs a look at its members.
///
/// A choice of cost only: whom a request really concerns is decided by
/// [`ClientScope::needs_push`](super::ClientScope::needs_push), whatever the isolation.
///
/// ```
/// use pushlane::mesh::{Directory, Isolation};
///
/// let directory = Directory::new(1_000, Isolation::Namespace)?;
/// assert_eq!(directory.isolation(), Isolation::Namespace);
/// # Ok::<(), pushlane::mesh::TooFewTopics>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Isolation {
    /// Strong: a namespace is a tenant. Services share the topic of their namespace, so topics are
    /// needed for namespaces and kinds only. Who depends on a service in a namespace is looked at
    /// for every change in it.
    Namespace,
    /// Weak: services are depended on from everywhere, and a host means much the same in each
    /// namespace. One topic a host.
    Host,
    /// Weak: services are depended on from everywhere. One topic a service, which finds the fewest
    /// clients and needs the most topics.
    Service,
}
