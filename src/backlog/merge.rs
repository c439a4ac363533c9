//! Merging two pending requests into one, and a checker for the laws that takes.

use core::error::Error;
use core::fmt;

#[cfg(feature = "alloc")]
use alloc::collections::BTreeSet;

/// A request that can absorb another, so that a client needs to keep only one.
///
/// `merge` must be
///
/// * **commutative** — `a ⊔ b == b ⊔ a`. Publishers race, and nobody decides which of two
///   concurrent publishes reaches a client's backlog first. A merge in which the later writer wins
///   lets an older request overwrite a newer one; Istio 1.4 had that bug when a finished push put
///   its accumulated request back.
/// * **associative** — `(a ⊔ b) ⊔ c == a ⊔ (b ⊔ c)`. A requeued lease merges *its* request back
///   into whatever came meanwhile, and requests may be merged before they are published at all. If
///   the grouping showed, what a client is sent would depend on where a push was interrupted.
///
/// and `a ⊔ b` must ask for at least what `a` asks for and what `b` asks for. Nothing in the queue
/// can check that last part; a merge that forgets is a lost update.
///
/// It need **not** be idempotent: the reasons of a mesh request are counted, and a count that is
/// merged twice is counted twice. The queue merges a publish into a client's backlog once — but for
/// a client whose place was another's when the publish began, which may be counted for twice.
///
/// `other` is only read: one request is shared by all the clients it was published to.
/// [`check_laws`] tests an implementation against samples of your own.
///
/// # Example
///
/// ```
/// use pushlane::backlog::Merge;
///
/// #[derive(Clone, Debug, PartialEq)]
/// struct Rebuild { routes: bool, oldest_event_ms: u64 }
///
/// impl Merge for Rebuild {
///     fn merge(&mut self, other: &Self) {
///         self.routes |= other.routes;
///         self.oldest_event_ms = self.oldest_event_ms.min(other.oldest_event_ms);
///     }
/// }
///
/// let mut pending = Rebuild { routes: false, oldest_event_ms: 20 };
/// pending.merge(&Rebuild { routes: true, oldest_event_ms: 35 });
/// assert_eq!(pending, Rebuild { routes: true, oldest_event_ms: 20 });
/// ```
pub trait Merge {
    /// Adds to `self` all that `other` asks for.
    ///
    /// ```
    /// use pushlane::backlog::Merge;
    ///
    /// let mut a = Some(());
    /// a.merge(&None);
    /// assert_eq!(a, Some(()));
    /// ```
    fn merge(&mut self, other: &Self);
}

/// A request that can stand for all there is, when it can't be told any more what changed.
///
/// `everything` absorbs: merged with any other request it asks for no more than before.
///
/// ```
/// use pushlane::backlog::{ChangeSet, Everything, Merge};
///
/// let mut all = ChangeSet::<u32>::everything();
/// all.merge(&ChangeSet::from([7]));
/// assert_eq!(all, Everything::everything());
/// ```
pub trait Everything: Merge {
    /// The request that asks for everything.
    fn everything() -> Self;
}

impl Everything for () {
    fn everything() {}
}

/// The pointer is shared until it is merged into.
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
impl<M: Merge + Clone> Merge for alloc::sync::Arc<M> {
    fn merge(&mut self, other: &Self) {
        alloc::sync::Arc::make_mut(self).merge(other);
    }
}

#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
impl<M: Everything + Clone> Everything for alloc::sync::Arc<M> {
    fn everything() -> Self {
        alloc::sync::Arc::new(M::everything())
    }
}

/// Nothing to tell apart: the client is merely out of date.
impl Merge for () {
    fn merge(&mut self, _other: &Self) {}
}

/// `None` asks for nothing: it is the identity.
impl<M: Merge + Clone> Merge for Option<M> {
    fn merge(&mut self, other: &Self) {
        match (self.as_mut(), other) {
            (Some(mine), Some(theirs)) => mine.merge(theirs),
            (None, Some(theirs)) => *self = Some(theirs.clone()),
            (_, None) => {}
        }
    }
}

/// Union. It grows without bound; `ChangeSet` is the set that doesn't.
#[cfg(feature = "alloc")]
impl<K: Ord + Clone> Merge for BTreeSet<K> {
    fn merge(&mut self, other: &Self) {
        for key in other {
            // Looking first spares the clone of a key that is already there: the usual case.
            if !self.contains(key) {
                self.insert(key.clone());
            }
        }
    }
}

/// Two or three samples for which a [`Merge`] breaks its word, by their places in the slice.
///
/// ```
/// use pushlane::backlog::merge::{check_laws, LawViolation};
/// use pushlane::backlog::Merge;
///
/// #[derive(Clone, PartialEq)]
/// struct LastWriterWins(u32);
/// impl Merge for LastWriterWins {
///     fn merge(&mut self, other: &Self) { self.0 = other.0 }
/// }
///
/// let violation = check_laws(&[LastWriterWins(1), LastWriterWins(2)]).unwrap_err();
/// assert_eq!(violation, LawViolation::NotCommutative { a: 0, b: 1 });
/// assert_eq!(violation.to_string(), "merge does not commute: sample 0 with 1 is not 1 with 0");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LawViolation {
    /// `a ⊔ b != b ⊔ a`: which of two racing publishers comes first would show.
    NotCommutative {
        /// Index of the first sample.
        a: usize,
        /// Index of the second sample.
        b: usize,
    },
    /// `(a ⊔ b) ⊔ c != a ⊔ (b ⊔ c)`: where a push was interrupted and requeued would show.
    NotAssociative {
        /// Index of the first sample.
        a: usize,
        /// Index of the second sample.
        b: usize,
        /// Index of the third sample.
        c: usize,
    },
}

impl fmt::Display for LawViolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotCommutative { a, b } => {
                write!(f, "merge does not commute: sample {a} with {b} is not {b} with {a}")
            }
            Self::NotAssociative { a, b, c } => {
                write!(
                    f,
                    "merge does not associate: ({a} with {b}) with {c} is not {a} with ({b} with {c})"
                )
            }
        }
    }
}

impl Error for LawViolation {}

/// Checks the laws of [`Merge`] on every pair and every triple of `samples`.
///
/// Meant for tests: call it on samples that cover the corners of your type (nothing, everything,
/// both sides of each limit), or from a property test on random ones. n samples cost about 2n³
/// merges. It proves nothing about values that are not among the samples.
///
/// # Errors
///
/// The first violation found, pairs before triples. A type whose equality isn't reflexive (a
/// float that may be NaN) shows as not commuting with itself.
///
/// # Example
///
/// ```
/// use pushlane::backlog::{merge, ChangeSet};
///
/// let samples = [ChangeSet::nothing(), ChangeSet::from([1, 2]), ChangeSet::everything()];
/// assert_eq!(merge::check_laws(&samples), Ok(()));
/// ```
pub fn check_laws<T: Merge + Clone + PartialEq>(samples: &[T]) -> Result<(), LawViolation> {
    let merged = |a: &T, b: &T| {
        let mut both = a.clone();
        both.merge(b);
        both
    };
    for (a, left) in samples.iter().enumerate() {
        for (b, right) in samples.iter().enumerate().skip(a) {
            if merged(left, right) != merged(right, left) {
                return Err(LawViolation::NotCommutative { a, b });
            }
        }
    }
    for (a, first) in samples.iter().enumerate() {
        for (b, second) in samples.iter().enumerate() {
            let first_two = merged(first, second);
            for (c, third) in samples.iter().enumerate() {
                if merged(&first_two, third) != merged(first, &merged(second, third)) {
                    return Err(LawViolation::NotAssociative { a, b, c });
                }
            }
        }
    }
    Ok(())
}
