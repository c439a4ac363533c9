//! Why a push is made, counted.

use alloc::collections::BTreeMap;
use core::fmt;

use crate::backlog::Merge;

/// Why a push is made: a label for metrics and logs, never a decision.
///
/// The vocabulary is open; the constants are what the entry points of this module use.
///
/// ```
/// use pushlane::mesh::Reason;
///
/// const SECRET: Reason = Reason::new("secret");
/// assert_eq!(SECRET.to_string(), "secret");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reason(&'static str);

impl Reason {
    /// The endpoints of a service changed.
    pub const ENDPOINT: Self = Self("endpoint");
    /// A service came, went, or changed its definition.
    pub const SERVICE: Self = Self("service");
    /// A config came, went, or changed.
    pub const CONFIG: Self = Self("config");
    /// Everything is to be computed anew.
    pub const GLOBAL: Self = Self("global");

    /// A reason of your own. Labels are constants, so that a metric keeps a bounded number of them.
    ///
    /// ```
    /// use pushlane::mesh::Reason;
    ///
    /// assert_eq!(Reason::new("endpoint"), Reason::ENDPOINT);
    /// ```
    #[must_use]
    pub const fn new(label: &'static str) -> Self {
        Self(label)
    }

    /// The label.
    ///
    /// ```
    /// use pushlane::mesh::Reason;
    ///
    /// assert_eq!(Reason::GLOBAL.as_str(), "global");
    /// ```
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// How many events of each [`Reason`] a request was merged from.
///
/// Merging adds. A count stops at `u32::MAX`: saturating keeps the merge associative, wrapping
/// would turn a long storm into a small number.
///
/// ```
/// use pushlane::backlog::Merge;
/// use pushlane::mesh::{Reason, Reasons};
///
/// let mut reasons = Reasons::default();
/// reasons.add(Reason::CONFIG, 2);
/// let mut more = Reasons::default();
/// more.add(Reason::CONFIG, 1);
/// reasons.merge(&more);
/// assert_eq!(reasons.count(Reason::CONFIG), 3);
/// assert_eq!(reasons.count(Reason::ENDPOINT), 0);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reasons(BTreeMap<Reason, u32>);

impl Reasons {
    /// Counts `events` more events for `reason`, stopping at `u32::MAX`.
    ///
    /// ```
    /// use pushlane::mesh::{Reason, Reasons};
    ///
    /// let mut reasons = Reasons::default();
    /// reasons.add(Reason::CONFIG, u32::MAX);
    /// reasons.add(Reason::CONFIG, 1);
    /// assert_eq!(reasons.count(Reason::CONFIG), u32::MAX);
    /// ```
    pub fn add(&mut self, reason: Reason, events: u32) {
        // A count of zero would make two equal histories unequal.
        if events > 0 {
            let count = self.0.entry(reason).or_insert(0);
            *count = count.saturating_add(events);
        }
    }

    /// How many events had this reason.
    ///
    /// ```
    /// use pushlane::mesh::{Reason, Reasons};
    ///
    /// assert_eq!(Reasons::default().count(Reason::SERVICE), 0);
    /// ```
    #[must_use]
    pub fn count(&self, reason: Reason) -> u32 {
        self.0.get(&reason).copied().unwrap_or(0)
    }

    /// Each reason with its count, which is at least 1.
    ///
    /// ```
    /// use pushlane::mesh::{Reason, Reasons};
    ///
    /// let mut reasons = Reasons::default();
    /// reasons.add(Reason::CONFIG, 2);
    /// assert!(reasons.iter().eq([(Reason::CONFIG, 2)]));
    /// ```
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (Reason, u32)> + '_ {
        self.0.iter().map(|(reason, count)| (*reason, *count))
    }
}

/// Counts added.
impl Merge for Reasons {
    fn merge(&mut self, other: &Self) {
        for (reason, count) in other.iter() {
            self.add(reason, count);
        }
    }
}
