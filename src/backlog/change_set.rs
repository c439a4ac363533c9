//! The ready-made request: which keys changed, or everything.

use alloc::collections::BTreeSet;
use core::borrow::Borrow;

use super::{Everything, Merge};

/// Which keys changed: a set of them with a cap, or everything.
///
/// *Empty means nothing. Everything is said explicitly.* Istio 1.4 read an empty set as
/// "everything"; one meaning too many for "empty" has caused real outages.
///
/// # The cap
///
/// A client that can't be served for hours must not cost memory for hours, so a set that outgrows
/// its cap becomes [`everything`](Self::everything): the client is then brought up to date from
/// scratch, which is more work than a list of keys but never less than was owed.
///
/// Two sets may have different caps; merged, **the tighter cap holds**. The merge stays commutative
/// and associative because its outcome depends on all the sets and not on their order: the union
/// escalates exactly if it is larger than the smallest cap among them or one of them was everything
/// already. (A smaller grouping can't escalate before its time: it holds fewer keys, under a cap
/// that is no tighter.) For the same reason everything *forgets* its cap: there is only one
/// everything. Taking the left cap, or the larger, breaks both laws.
///
/// Equality includes the cap: two sets are equal if they would still be after any merge.
///
/// # Example
///
/// ```
/// use pushlane::backlog::{ChangeSet, Merge};
///
/// let mut pending = ChangeSet::from(["routes/a"]);
/// pending.merge(&ChangeSet::from(["routes/b"]));
/// assert!(pending.contains("routes/b") && !pending.contains("routes/c"));
///
/// pending.merge(&ChangeSet::everything());
/// assert!(pending.contains("routes/c"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeSet<K>(State<K>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum State<K> {
    Everything,
    Keys { keys: BTreeSet<K>, cap: usize },
}

impl<K> ChangeSet<K> {
    /// The cap of a set that was given none, in keys.
    ///
    /// ```
    /// use pushlane::backlog::ChangeSet;
    ///
    /// let cap = ChangeSet::<usize>::DEFAULT_CAP;
    /// assert!(!(0..cap).collect::<ChangeSet<_>>().is_everything());
    /// assert!((0..=cap).collect::<ChangeSet<_>>().is_everything());
    /// ```
    pub const DEFAULT_CAP: usize = 1024;

    /// Nothing changed, with the [default cap](Self::DEFAULT_CAP).
    ///
    /// The queue doesn't look into requests: published, it makes a push like any other.
    ///
    /// ```
    /// use pushlane::backlog::ChangeSet;
    ///
    /// assert!(ChangeSet::<u32>::nothing().is_empty());
    /// ```
    #[must_use]
    pub const fn nothing() -> Self {
        Self(State::Keys { keys: BTreeSet::new(), cap: Self::DEFAULT_CAP })
    }

    /// Everything changed, keys nobody has named included.
    ///
    /// ```
    /// use pushlane::backlog::ChangeSet;
    ///
    /// assert!(ChangeSet::<u32>::everything().contains(&7));
    /// ```
    #[must_use]
    pub const fn everything() -> Self {
        Self(State::Everything)
    }

    /// The same changes under another cap, in keys; everything if there are more of them already.
    ///
    /// A cap of 0 turns the first key into everything. No effect on everything, which has no cap.
    /// To raise the cap, do so before the keys come: see the example.
    ///
    /// ```
    /// use pushlane::backlog::ChangeSet;
    ///
    /// let mut set = ChangeSet::nothing().with_cap(5_000);
    /// set.extend(0..5_000);
    /// assert_eq!(set.len(), Some(5_000));
    /// assert!(set.with_cap(4_999).is_everything());
    /// ```
    #[must_use]
    pub fn with_cap(mut self, cap: usize) -> Self {
        if let State::Keys { cap: old, .. } = &mut self.0 {
            *old = cap;
        }
        self.escalate_past_cap();
        self
    }

    /// Whether everything changed.
    ///
    /// ```
    /// use pushlane::backlog::ChangeSet;
    ///
    /// assert!(!ChangeSet::<u32>::nothing().is_everything());
    /// ```
    #[must_use]
    pub const fn is_everything(&self) -> bool {
        matches!(self.0, State::Everything)
    }

    /// Whether nothing changed.
    ///
    /// ```
    /// use pushlane::backlog::ChangeSet;
    ///
    /// assert!(!ChangeSet::<u32>::everything().is_empty());
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        matches!(&self.0, State::Keys { keys, .. } if keys.is_empty())
    }

    /// How many keys changed; `None` for everything, which can't be counted.
    ///
    /// ```
    /// use pushlane::backlog::ChangeSet;
    ///
    /// assert_eq!(ChangeSet::from(["a", "b", "a"]).len(), Some(2));
    /// ```
    #[must_use]
    pub fn len(&self) -> Option<usize> {
        match &self.0 {
            State::Everything => None,
            State::Keys { keys, .. } => Some(keys.len()),
        }
    }

    /// The changed keys in order; `None` for everything, which can't be listed.
    ///
    /// ```
    /// use pushlane::backlog::ChangeSet;
    ///
    /// let set = ChangeSet::from([2, 1]);
    /// assert!(set.keys().unwrap().eq([&1, &2]));
    /// assert!(ChangeSet::<u32>::everything().keys().is_none());
    /// ```
    #[must_use]
    pub fn keys(&self) -> Option<impl ExactSizeIterator<Item = &K> + Clone> {
        match &self.0 {
            State::Everything => None,
            State::Keys { keys, .. } => Some(keys.iter()),
        }
    }

    fn escalate_past_cap(&mut self) {
        if matches!(&self.0, State::Keys { keys, cap } if keys.len() > *cap) {
            self.0 = State::Everything;
        }
    }
}

impl<K: Ord> ChangeSet<K> {
    /// Adds a key; past the cap, the set becomes everything.
    ///
    /// ```
    /// use pushlane::backlog::ChangeSet;
    ///
    /// let mut set = ChangeSet::nothing().with_cap(1);
    /// set.insert("a");
    /// assert!(!set.is_everything());
    /// set.insert("b");
    /// assert!(set.is_everything());
    /// ```
    pub fn insert(&mut self, key: K) {
        if let State::Keys { keys, .. } = &mut self.0 {
            keys.insert(key);
        }
        self.escalate_past_cap();
    }

    /// Whether `key` changed; always, for everything.
    ///
    /// ```
    /// use pushlane::backlog::ChangeSet;
    ///
    /// let set = ChangeSet::from([String::from("a")]);
    /// assert!(set.contains("a") && !set.contains("b"));
    /// ```
    #[must_use]
    pub fn contains<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        match &self.0 {
            State::Everything => true,
            State::Keys { keys, .. } => keys.contains(key),
        }
    }
}

impl<K: Ord + Clone> ChangeSet<K> {
    /// The keys for which `keep` is true, under the same cap; everything stays everything.
    ///
    /// Filtering a merge equals merging what was filtered, as long as the merge stays under the
    /// cap; past it the merge asks for more. So filtering late is safe, filtering early is exact.
    ///
    /// ```
    /// use pushlane::backlog::ChangeSet;
    ///
    /// let set = ChangeSet::from(["a/x", "b/y"]);
    /// assert_eq!(set.filtered(|key| key.starts_with("b/")), ChangeSet::from(["b/y"]));
    /// ```
    #[must_use]
    pub fn filtered(&self, mut keep: impl FnMut(&K) -> bool) -> Self {
        match &self.0 {
            State::Everything => Self::everything(),
            State::Keys { keys, cap } => {
                let mut kept = BTreeSet::new();
                // One by one: collecting sorts in a buffer first, which costs the few keys that one
                // client is left with more than it saves.
                for key in keys.iter().filter(|key| keep(key)) {
                    kept.insert(key.clone());
                }
                Self(State::Keys { keys: kept, cap: *cap })
            }
        }
    }
}

/// Union under the tighter cap; everything absorbs.
impl<K: Ord + Clone> Merge for ChangeSet<K> {
    fn merge(&mut self, other: &Self) {
        let State::Keys { keys, cap } = &mut self.0 else {
            return;
        };
        let State::Keys { keys: theirs, cap: their_cap } = &other.0 else {
            *self = Self::everything();
            return;
        };
        *cap = (*cap).min(*their_cap);
        for key in theirs {
            // Past the cap the rest would be cloned only to be thrown away.
            if keys.len() > *cap {
                break;
            }
            if !keys.contains(key) {
                keys.insert(key.clone());
            }
        }
        self.escalate_past_cap();
    }
}

/// [`everything`](ChangeSet::everything), which absorbs all other changes.
impl<K: Ord + Clone> Everything for ChangeSet<K> {
    fn everything() -> Self {
        ChangeSet::everything()
    }
}

/// [`nothing`](ChangeSet::nothing).
impl<K> Default for ChangeSet<K> {
    fn default() -> Self {
        Self::nothing()
    }
}

impl<K: Ord> Extend<K> for ChangeSet<K> {
    fn extend<I: IntoIterator<Item = K>>(&mut self, keys: I) {
        for key in keys {
            self.insert(key);
            if self.is_everything() {
                return;
            }
        }
    }
}

/// Under the [default cap](ChangeSet::DEFAULT_CAP).
impl<K: Ord> FromIterator<K> for ChangeSet<K> {
    fn from_iter<I: IntoIterator<Item = K>>(keys: I) -> Self {
        let mut set = Self::nothing();
        set.extend(keys);
        set
    }
}

/// Under the [default cap](ChangeSet::DEFAULT_CAP).
impl<K: Ord, const N: usize> From<[K; N]> for ChangeSet<K> {
    fn from(keys: [K; N]) -> Self {
        keys.into_iter().collect()
    }
}
