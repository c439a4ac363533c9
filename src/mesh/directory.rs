//! Which topic stands for which name.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::error::Error;
use core::fmt;

use super::{ClientScope, Host, Kind, Namespace, PushRequest, Recipients, ScopeSet, Service};
use crate::Topic;

/// Depends on all namespaces.
const ANY_NAMESPACE: Topic = Topic(0);
/// Cares about all kinds.
const ANY_KIND: Topic = Topic(1);
/// Watches all services.
const ANY_SERVICE: Topic = Topic(2);
/// Watches some service or other.
const SOME_SERVICE: Topic = Topic(3);
const RESERVED: u32 = 4;

/// One topic in this many is shared by the names that came too late for one of their own.
const SHARED_FRACTION: u32 = 8;

/// Which topic stands for which namespace, kind and service.
///
/// It says to what a client [subscribes](Self::topics_of), and which clients a request is
/// [for](Self::recipients). **The recipients include every client that needs the push**;
/// [`needs_push`](ClientScope::needs_push) spares the others when their lease begins.
///
/// # When topics run out
///
/// A name gets a topic of its own when the first client subscribes to it, as long as there are any,
/// and keeps it. The names that come later share an eighth of the topics, by hash: their publishes
/// reach the clients of the names they share with, and none is lost. So sizing `topics` is a matter
/// of cost only. [`own_topics_left`](Self::own_topics_left) tells how far it is to that point.
///
/// # Concurrency
///
/// Plain data: a publisher needs `&self`, a subscriber `&mut self`, so it fits behind a
/// reader-writer lock. Beyond the lock, order matters. A publisher makes the change readable in the
/// configuration, *then* asks for the recipients. A newcomer subscribes, *then* reads the
/// configuration it starts from. The later of the two sees the other.
///
/// # Example
///
/// ```
/// use pushlane::mesh::{config_change, ClientScope, ConfigKey, Dependencies, Directory, Isolation, ScopeSet};
/// use pushlane::mesh::Recipients;
///
/// let mut directory = Directory::new(1_000, Isolation::Namespace)?;
/// let client = ClientScope::new(Dependencies {
///     namespaces: ["books".into()].into(),
///     kinds: ScopeSet::All,
///     ..Dependencies::nothing()
/// });
/// let subscribed = directory.topics_of(&client);
///
/// let change = config_change(ConfigKey::new("gateway", "books", "public"), 0);
/// let Recipients::Topics { any, .. } = directory.recipients(&change.request) else { unreachable!() };
/// assert!(any.iter().any(|topic| subscribed.contains(topic)));
/// # Ok::<(), pushlane::mesh::TooFewTopics>(())
/// ```
#[derive(Clone, Debug)]
pub struct Directory {
    isolation: Isolation,
    own: BTreeMap<Entry, Topic>,
    /// From here on topics are handed out; below are the reserved and the shared ones.
    first_own: u32,
    topics: u32,
}

/// What has a topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Entry {
    Namespace(Namespace),
    Kind(Kind),
    Host(Host),
    Service(Service),
}

/// The queue has fewer topics than a [`Directory`] needs.
///
/// ```
/// use pushlane::mesh::{Directory, Isolation};
///
/// let error = Directory::new(4, Isolation::Service).unwrap_err();
/// assert_eq!(error.to_string(), "4 topics are too few: a directory needs at least 5");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooFewTopics {
    given: u32,
}

impl fmt::Display for TooFewTopics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { given } = self;
        write!(
            f,
            "{given} topics are too few: a directory needs at least {}",
            Directory::MIN_TOPICS
        )
    }
}

impl Error for TooFewTopics {}

impl Directory {
    /// The fewest topics a directory works with: four that stand for "any", and one that all names
    /// share.
    ///
    /// ```
    /// use pushlane::mesh::{Directory, Isolation};
    ///
    /// assert!(Directory::new(Directory::MIN_TOPICS, Isolation::Service).is_ok());
    /// ```
    pub const MIN_TOPICS: u32 = RESERVED + 1;

    /// How many topics it takes for so many names to have one of their own: what to give the queue
    /// and the directory, when the names are known or can be guessed.
    ///
    /// Names are namespaces, kinds and, by the [`Isolation`], hosts or services.
    ///
    /// ```
    /// use pushlane::{Config, PushQueue, backlog::Locked};
    /// use pushlane::mesh::{Directory, Isolation, PushRequest};
    ///
    /// let topics = Directory::topics_for(50 + 20);
    /// let directory = Directory::new(topics, Isolation::Namespace)?;
    /// assert_eq!(directory.own_topics_left(), 70);
    /// let queue = PushQueue::<Locked<PushRequest>>::new(Config::new(100).topics(topics as usize));
    /// # let _ = queue;
    /// # Ok::<(), pushlane::mesh::TooFewTopics>(())
    /// ```
    #[must_use]
    pub const fn topics_for(names: u32) -> u32 {
        // Of `SHARED_FRACTION` topics that aren't reserved, one is shared.
        let shared = names.saturating_sub(1) / (SHARED_FRACTION - 1);
        let shared = if shared == 0 { 1 } else { shared };
        RESERVED.saturating_add(shared).saturating_add(names)
    }

    /// A directory over topics `0..topics`, all of which it uses: the number the queue was made
    /// with.
    ///
    /// # Errors
    ///
    /// [`TooFewTopics`] below [`MIN_TOPICS`](Self::MIN_TOPICS).
    ///
    /// ```
    /// use pushlane::mesh::{Directory, Isolation};
    ///
    /// assert!(Directory::new(0, Isolation::Namespace).is_err());
    /// ```
    pub fn new(topics: u32, isolation: Isolation) -> Result<Self, TooFewTopics> {
        if topics < Self::MIN_TOPICS {
            return Err(TooFewTopics { given: topics });
        }
        let shared = ((topics - RESERVED) / SHARED_FRACTION).max(1);
        Ok(Self { isolation, own: BTreeMap::new(), first_own: RESERVED + shared, topics })
    }

    /// How finely services are told apart.
    ///
    /// ```
    /// use pushlane::mesh::{Directory, Isolation};
    ///
    /// let directory = Directory::new(100, Isolation::Host)?;
    /// assert_eq!(directory.isolation(), Isolation::Host);
    /// # Ok::<(), pushlane::mesh::TooFewTopics>(())
    /// ```
    #[must_use]
    pub const fn isolation(&self) -> Isolation {
        self.isolation
    }

    /// How many more names can have a topic of their own. At 0, new names share.
    ///
    /// ```
    /// use pushlane::mesh::{Directory, Isolation};
    ///
    /// assert_eq!(Directory::new(20, Isolation::Service)?.own_topics_left(), 14);
    /// # Ok::<(), pushlane::mesh::TooFewTopics>(())
    /// ```
    #[must_use]
    pub fn own_topics_left(&self) -> u32 {
        self.topics - self.next_own()
    }

    /// The topics a client subscribes to, for its current scope and its previous one.
    ///
    /// Ask again after [`ClientScope::update`] and after [`ClientScope::settle`], and apply the
    /// [difference](super::Resubscription).
    ///
    /// ```
    /// use pushlane::mesh::{ClientScope, Dependencies, Directory, Isolation};
    ///
    /// let mut directory = Directory::new(100, Isolation::Service)?;
    /// assert!(directory.topics_of(&ClientScope::new(Dependencies::nothing())).is_empty());
    /// # Ok::<(), pushlane::mesh::TooFewTopics>(())
    /// ```
    #[must_use = "the client is reached only through topics it is subscribed to"]
    pub fn topics_of(&mut self, client: &ClientScope) -> BTreeSet<Topic> {
        let mut topics = BTreeSet::new();
        for scope in client.scopes() {
            match &scope.namespaces {
                ScopeSet::All => _ = topics.insert(ANY_NAMESPACE),
                ScopeSet::Only(names) => {
                    topics.extend(
                        names.iter().map(|name| self.assign(Entry::Namespace(name.clone()))),
                    );
                }
            }
            match &scope.kinds {
                ScopeSet::All => _ = topics.insert(ANY_KIND),
                ScopeSet::Only(kinds) => {
                    topics.extend(kinds.iter().map(|kind| self.assign(Entry::Kind(kind.clone()))));
                }
            }
            match &scope.services {
                ScopeSet::All => _ = topics.insert(ANY_SERVICE),
                ScopeSet::Only(services) => {
                    topics.extend(
                        services.iter().map(|service| self.assign(self.service_entry(service))),
                    );
                }
            }
            if !scope.services.is_nothing() {
                topics.insert(SOME_SERVICE);
            }
        }
        topics
    }

    /// Whom `request` is for: every client that needs the push, and perhaps some that don't.
    ///
    /// Costs a look-up for each config and service the request names.
    ///
    /// ```
    /// use pushlane::mesh::{Recipients, Directory, Isolation, PushRequest};
    ///
    /// let directory = Directory::new(100, Isolation::Service)?;
    /// assert_eq!(directory.recipients(&PushRequest::everything()), Recipients::Everyone);
    /// assert!(matches!(
    ///     directory.recipients(&PushRequest::nothing()),
    ///     Recipients::Topics { any, .. } if any.is_empty()
    /// ));
    /// # Ok::<(), pushlane::mesh::TooFewTopics>(())
    /// ```
    #[must_use]
    pub fn recipients(&self, request: &PushRequest) -> Recipients {
        let Some(configs) = request.configs().keys() else {
            return Recipients::Everyone;
        };
        let mut any = BTreeSet::new();
        let mut kinds = BTreeSet::new();
        for config in configs {
            any.extend([ANY_NAMESPACE, self.find(&Entry::Namespace(config.namespace.clone()))]);
            if let Some(service) = &config.service {
                any.extend([ANY_SERVICE, self.find(&self.service_entry(service))]);
            }
            kinds.extend([ANY_KIND, self.find(&Entry::Kind(config.kind.clone()))]);
        }
        match request.services().keys() {
            None => _ = any.insert(SOME_SERVICE),
            Some(services) => {
                for service in services {
                    any.extend([ANY_SERVICE, self.find(&self.service_entry(service))]);
                }
            }
        }
        // Endpoint changes concern clients whatever kinds they care about: to filter by the kinds
        // of the configs they were merged with would lose them.
        let and_any = request.services().is_empty().then(|| Vec::from_iter(kinds));
        Recipients::Topics { any: Vec::from_iter(any), and_any }
    }

    /// What stands for a service before the queue.
    fn service_entry(&self, service: &Service) -> Entry {
        match self.isolation {
            Isolation::Namespace => Entry::Namespace(service.namespace.clone()),
            Isolation::Host => Entry::Host(service.host.clone()),
            Isolation::Service => Entry::Service(service.clone()),
        }
    }

    /// The entry's topic, which is from now on its own if there was one left.
    fn assign(&mut self, entry: Entry) -> Topic {
        let topic = self.find(&entry);
        if topic.0 >= self.first_own || self.own_topics_left() == 0 {
            return topic;
        }
        let own = Topic(self.next_own());
        self.own.insert(entry, own);
        own
    }

    /// The entry's own topic, or the one it shares. Nobody is subscribed to a shared topic on
    /// behalf of an entry that still can get its own, so that the answer may change then without
    /// losing anyone.
    fn find(&self, entry: &Entry) -> Topic {
        self.own.get(entry).copied().unwrap_or_else(|| {
            let shared = self.first_own - RESERVED;
            Topic(RESERVED + entry.hash() % shared)
        })
    }

    fn next_own(&self) -> u32 {
        // No more entries are assigned than there are topics, which are counted in `u32`.
        self.first_own + self.own.len() as u32
    }
}

impl Entry {
    /// FNV-1a, 32 bits (Fowler, Noll, Vo). `core` has no hasher; names that are made to collide
    /// cost their clients a look, never a push too few.
    fn hash(&self) -> u32 {
        let (tag, first, second) = match self {
            Self::Namespace(name) => (0u8, name.as_str(), ""),
            Self::Kind(kind) => (1, kind.as_str(), ""),
            Self::Host(host) => (2, host.as_str(), ""),
            Self::Service(service) => (3, service.namespace.as_str(), service.host.as_str()),
        };
        let bytes = [tag].into_iter().chain(first.bytes()).chain([0]).chain(second.bytes());
        bytes.fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
    }
}

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

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// What other programs make of these bytes: a tag, and the texts with a zero between.
    #[test]
    fn names_are_hashed_by_fnv_1a() {
        let hashes = [
            (Entry::Namespace("shop".into()), 0xff7e_5169),
            (Entry::Kind("gateway".into()), 0x1cae_49e6),
            (Entry::Host("cart".into()), 0x7b2b_fe9d),
            (Entry::Service(Service::new("shop", "cart")), 0xde55_5e50),
        ];
        for (entry, hash) in hashes {
            assert_eq!(entry.hash(), hash, "{entry:?}");
        }
    }

    #[test]
    fn a_directory_needs_a_topic_that_names_share() {
        assert_eq!(Directory::MIN_TOPICS, 5);
        assert!(Directory::new(5, Isolation::Host).is_ok());
        let error = Directory::new(4, Isolation::Host).unwrap_err();
        let text = "4 topics are too few: a directory needs at least 5";
        assert_eq!(alloc::string::ToString::to_string(&error), text);
    }
}
