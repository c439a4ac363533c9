//! [`Versions`]: what can be asked about, one version or several.

use crate::convergence::Seq;
use crate::progress::Push;
use crate::recipients::Recipients;
use crate::registry::ClientKey;
use crate::version::Version;

mod sealed {
    pub trait Sealed {}
}

/// One or several versions to ask a queue about: a [`Version`], a
/// [`VersionSet`](crate::VersionSet), or a reference to one.
///
/// Sealed: these are all there are.
pub trait Versions: sealed::Sealed {
    /// Those that are not of one client.
    #[doc(hidden)]
    fn numbered(&self) -> &[Version];
    /// Those of one client, in the order of the keys, no two of one client.
    #[doc(hidden)]
    fn pushes(&self) -> &[ClientPush];
}

/// A push of a client, for which a version of that client alone waits.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientPush {
    pub(crate) client: ClientKey,
    pub(crate) push: Push,
}

impl ClientPush {
    pub(crate) const fn version(self) -> Version {
        Version { number: Seq::from_word(0), recipients: Recipients::Client(self) }
    }
}

/// The versions one after the other.
pub(crate) fn part(what: &impl Versions, index: usize) -> Option<Version> {
    let numbered = what.numbered();
    match numbered.get(index) {
        Some(version) => Some(*version),
        None => what.pushes().get(index - numbered.len()).map(|push| push.version()),
    }
}

impl sealed::Sealed for Version {}

impl Versions for Version {
    fn numbered(&self) -> &[Version] {
        match self.recipients {
            Recipients::Client(_) => &[],
            _ => core::slice::from_ref(self),
        }
    }

    fn pushes(&self) -> &[ClientPush] {
        match &self.recipients {
            Recipients::Client(push) => core::slice::from_ref(push),
            _ => &[],
        }
    }
}

impl<V: Versions + ?Sized> sealed::Sealed for &V {}

impl<V: Versions + ?Sized> Versions for &V {
    fn numbered(&self) -> &[Version] {
        (**self).numbered()
    }

    fn pushes(&self) -> &[ClientPush] {
        (**self).pushes()
    }
}

#[cfg(feature = "alloc")]
mod set {
    use alloc::vec::Vec;

    use super::*;

    /// Several versions, asked about as one: what [`publish_each`](crate::PushQueue::publish_each)
    /// returns, and what a change is that took several publishes.
    ///
    /// It is exact for publishes to single clients: it remembers which push of each client contains
    /// them, in 12 bytes a client. An empty set has converged.
    ///
    /// ```
    /// use pushlane::{Config, Lane, PushQueue, Target, VersionSet, backlog::Dirty};
    ///
    /// let queue = PushQueue::<Dirty>::new(Config::new(10));
    /// let (one, other) = (queue.register()?, queue.register()?);
    /// let mut change = VersionSet::new();
    /// change.join(queue.publish(Target::One(one), Lane::Normal, ())?);
    /// change.join(queue.publish(Target::One(other), Lane::Urgent, ())?);
    ///
    /// assert_eq!(queue.laggards(&change).count(), 2);
    /// while let Some(lease) = queue.try_lease() {
    ///     lease.complete();
    /// }
    /// assert!(queue.is_converged(&change));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[derive(Clone, Debug, Default)]
    pub struct VersionSet {
        numbered: Vec<Version>,
        pushes: Vec<ClientPush>,
        stale: usize,
    }

    impl VersionSet {
        /// A set of none.
        pub const fn new() -> Self {
            VersionSet { numbered: Vec::new(), pushes: Vec::new(), stale: 0 }
        }

        pub(crate) fn with_capacity(clients: usize) -> Self {
            VersionSet { pushes: Vec::with_capacity(clients), ..VersionSet::new() }
        }

        /// The caller sorts.
        pub(crate) fn add_push(&mut self, client: ClientKey, push: Push) {
            self.pushes.push(ClientPush { client, push });
        }

        pub(crate) const fn add_stale(&mut self, clients: usize) {
            self.stale += clients;
        }

        /// Adds what `other` waits for: a version, or another set. Takes time in proportion to what
        /// both remember; to add many versions, [`extend`](Extend::extend) the set.
        pub fn join(&mut self, other: impl Into<VersionSet>) {
            let other = other.into();
            self.numbered.extend(other.numbered);
            self.pushes.extend(other.pushes);
            self.sort();
            self.stale += other.stale;
        }

        /// How many keys of clients were not published to, because they were
        /// [stale](crate::Stale): the clients had left. A key that came twice counts twice.
        pub const fn stale(&self) -> usize {
            self.stale
        }

        /// Whether it waits for nothing.
        pub const fn is_empty(&self) -> bool {
            self.numbered.is_empty() && self.pushes.is_empty()
        }

        fn add(&mut self, version: Version) {
            match version.recipients {
                Recipients::Client(push) => self.pushes.push(push),
                _ => self.numbered.push(version),
            }
        }

        /// By number, without neighbours that are the same; and for each client its last push,
        /// which contains the earlier ones.
        pub(crate) fn sort(&mut self) {
            // Only what is the same is left out, so numbers that wrap are no matter.
            let number = |version: &Version| version.number.word();
            if !self.numbered.is_sorted_by(|a, b| number(a) < number(b)) {
                self.numbered.sort_by_key(number);
                self.numbered.dedup();
            }
            if self.pushes.is_sorted_by(|a, b| a.client < b.client) {
                return;
            }
            // Merges runs that are sorted, and joined sets are two of them.
            self.pushes.sort_by_key(|push| push.client);
            self.pushes.dedup_by(|next, kept| {
                let same = next.client == kept.client;
                if same && next.push.is_after(kept.push) {
                    kept.push = next.push;
                }
                same
            });
        }
    }

    impl sealed::Sealed for VersionSet {}

    impl Versions for VersionSet {
        fn numbered(&self) -> &[Version] {
            &self.numbered
        }

        fn pushes(&self) -> &[ClientPush] {
            &self.pushes
        }
    }

    impl Extend<Version> for VersionSet {
        fn extend<I: IntoIterator<Item = Version>>(&mut self, versions: I) {
            versions.into_iter().for_each(|version| self.add(version));
            self.sort();
        }
    }

    impl FromIterator<Version> for VersionSet {
        fn from_iter<I: IntoIterator<Item = Version>>(versions: I) -> Self {
            let mut set = VersionSet::new();
            set.extend(versions);
            set
        }
    }

    impl From<Version> for VersionSet {
        fn from(version: Version) -> Self {
            VersionSet::from_iter([version])
        }
    }
}

#[cfg(feature = "alloc")]
pub use set::VersionSet;

#[cfg(all(test, feature = "alloc", not(loom)))]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn to_one(index: u32, generation: u32, count: u32) -> Version {
        let (client, push) = (ClientKey::of(index, generation), Push::from_count(count));
        ClientPush { client, push }.version()
    }

    fn to_all(number: usize) -> Version {
        let number = Seq::from_word(number);
        Version { number, recipients: Recipients::Everyone }
    }

    fn counts(set: &VersionSet) -> Vec<(usize, u32)> {
        set.pushes().iter().map(|push| (push.client.index(), push.push.count())).collect()
    }

    #[test]
    fn of_each_client_the_last_push_stays() {
        let mut set: VersionSet = [(4, 3), (2, 9), (4, 5), (4, 4), (7, 1)]
            .map(|(index, count)| to_one(index, 1, count))
            .into_iter()
            .collect();
        assert_eq!(counts(&set), [(2, 9), (4, 5), (7, 1)]);
        set.join(to_one(2, 1, 8));
        set.join(to_one(1, 1, 2));
        assert_eq!(counts(&set), [(1, 2), (2, 9), (4, 5), (7, 1)]);
        set.join(to_one(4, 3, 0));
        assert_eq!(counts(&set).len(), 5, "the next client of a place is another one");
    }

    #[test]
    fn its_versions_come_one_after_the_other() {
        let mut set = VersionSet::new();
        assert!(set.is_empty() && part(&set, 0).is_none());
        set.extend([to_all(3), to_one(5, 1, 1), to_all(2), to_all(3)]);
        assert!(!set.is_empty());
        let parts: Vec<_> = (0..).map_while(|index| part(&&set, index)).collect();
        assert_eq!(parts[..2], [to_all(2), to_all(3)]);
        assert_eq!(parts.len(), 3);
        assert!(
            matches!(parts[2].recipients, Recipients::Client(push) if push.client.index() == 5)
        );
        assert_eq!(part(&to_all(1), 0), Some(to_all(1)));
        assert_eq!(part(&to_all(1), 1), None);
    }
}
