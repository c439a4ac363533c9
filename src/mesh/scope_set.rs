//! All, or only these.

use alloc::collections::BTreeSet;
use core::borrow::Borrow;

use crate::backlog::Merge;

/// All names, or only some. *Only nothing* is nothing: "all" is said explicitly.
///
/// ```
/// use pushlane::mesh::{Namespace, ScopeSet};
///
/// let mine = ScopeSet::from([Namespace::from("books")]);
/// assert!(mine.contains("books") && !mine.contains("shop"));
/// assert!(ScopeSet::<Namespace>::All.contains("shop"));
/// assert!(!ScopeSet::<Namespace>::nothing().contains("shop"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScopeSet<T> {
    /// Every name, those nobody has thought of yet included.
    All,
    /// These names and no other.
    Only(BTreeSet<T>),
}

impl<T> ScopeSet<T> {
    /// No name at all.
    ///
    /// ```
    /// use pushlane::mesh::{Kind, ScopeSet};
    ///
    /// assert!(ScopeSet::<Kind>::nothing().is_nothing());
    /// ```
    #[must_use]
    pub const fn nothing() -> Self {
        Self::Only(BTreeSet::new())
    }

    /// Whether no name is in it.
    ///
    /// ```
    /// use pushlane::mesh::{Kind, ScopeSet};
    ///
    /// assert!(!ScopeSet::<Kind>::All.is_nothing());
    /// ```
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        matches!(self, Self::Only(names) if names.is_empty())
    }
}

impl<T: Ord> ScopeSet<T> {
    /// Whether `name` is in it.
    ///
    /// ```
    /// use pushlane::mesh::{Kind, ScopeSet};
    ///
    /// assert!(ScopeSet::from([Kind::from("gateway")]).contains("gateway"));
    /// ```
    #[must_use]
    pub fn contains<Q>(&self, name: &Q) -> bool
    where
        T: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        match self {
            Self::All => true,
            Self::Only(names) => names.contains(name),
        }
    }
}

/// Union; all absorbs.
impl<T: Ord + Clone> Merge for ScopeSet<T> {
    fn merge(&mut self, other: &Self) {
        match (&mut *self, other) {
            (Self::All, _) => {}
            (_, Self::All) => *self = Self::All,
            (Self::Only(mine), Self::Only(theirs)) => mine.merge(theirs),
        }
    }
}

/// [`nothing`](ScopeSet::nothing).
impl<T> Default for ScopeSet<T> {
    fn default() -> Self {
        Self::nothing()
    }
}

impl<T: Ord> FromIterator<T> for ScopeSet<T> {
    fn from_iter<I: IntoIterator<Item = T>>(names: I) -> Self {
        Self::Only(names.into_iter().collect())
    }
}

impl<T: Ord, const N: usize> From<[T; N]> for ScopeSet<T> {
    fn from(names: [T; N]) -> Self {
        names.into_iter().collect()
    }
}
