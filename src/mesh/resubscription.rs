//! From one set of topics to another, losing nothing in between.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use crate::Topic;

/// One call to make on the queue.
///
/// ```
/// use pushlane::Topic;
/// use pushlane::mesh::Step;
///
/// assert_ne!(Step::Subscribe(Topic(1)), Step::Unsubscribe(Topic(1)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Subscribe the client to this topic.
    Subscribe(Topic),
    /// Unsubscribe the client from this topic.
    Unsubscribe(Topic),
}

/// The way from the topics a client is subscribed to, to those it should be.
///
/// All new topics come before the first old one goes: a publish in between, for something that
/// moved from an old topic to a new one, would otherwise find the client in neither.
///
/// ```
/// use pushlane::Topic;
/// use pushlane::mesh::{Resubscription, Step};
///
/// let way = Resubscription::between(&[Topic(1), Topic(2)].into(), &[Topic(2), Topic(3)].into());
/// assert!(way.steps().eq([Step::Subscribe(Topic(3)), Step::Unsubscribe(Topic(1))]));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resubscription {
    steps: Vec<Step>,
}

impl Resubscription {
    /// What leads from the topics in `old` to those in `new`.
    ///
    /// ```
    /// use pushlane::Topic;
    /// use pushlane::mesh::Resubscription;
    ///
    /// let same = [Topic(1)].into();
    /// assert_eq!(Resubscription::between(&same, &same).steps().len(), 0);
    /// ```
    #[must_use]
    pub fn between(old: &BTreeSet<Topic>, new: &BTreeSet<Topic>) -> Self {
        let subscribe = new.difference(old).copied().map(Step::Subscribe);
        let unsubscribe = old.difference(new).copied().map(Step::Unsubscribe);
        Self { steps: subscribe.chain(unsubscribe).collect() }
    }

    /// The calls to make, in this order.
    ///
    /// ```
    /// use pushlane::Topic;
    /// use pushlane::mesh::{Resubscription, Step};
    ///
    /// let first = Resubscription::between(&[].into(), &[Topic(1)].into());
    /// assert!(first.steps().eq([Step::Subscribe(Topic(1))]));
    /// ```
    pub fn steps(&self) -> impl ExactSizeIterator<Item = Step> + '_ {
        self.steps.iter().copied()
    }
}
