//! [`Version`]: one publish, and what tells that it is done.

use core::cmp::Ordering as Order;
use core::fmt;
use core::hash::{Hash, Hasher};

use crate::convergence::Seq;
use crate::progress::Push;
use crate::recipients::Recipients;
use crate::registry::ClientKey;
use crate::slot::Lane;

/// One publish, as returned by [`PushQueue::publish`](crate::PushQueue::publish). Ask the queue
/// about it with [`is_converged`](crate::PushQueue::is_converged) and
/// [`laggards`](crate::PushQueue::laggards).
///
/// Publishes to everyone and to topics have numbers: their versions are ordered by them, and print
/// as `v42`. A publish to one client has none, so that publishers to different clients have nothing
/// in common. Its version is that of the client's push that will contain it, and may be that of
/// another publish which the same push contains. It comes after the versions that were numbered
/// before it, and before those that are numbered later; it prints as `v42:17.3#5`, with the newest
/// number, the client's [key](ClientKey) and the count of its push.
///
/// On a 32-bit target numbers have 31 bits and wrap: versions are ordered rightly while less than
/// 2³⁰ publishes lie between them. A version may be asked about for ever all the same. It never
/// converges early; one that is more than 2²⁹ publishes old may be late by one push of a client
/// that is busy.
///
/// ```
/// use pushlane::{Config, Lane, PushQueue, Target, backlog::Dirty};
///
/// let queue = PushQueue::<Dirty>::new(Config::new(10));
/// let client = queue.register()?;
/// let first = queue.publish(Target::Everyone, Lane::Normal, ())?;
/// let second = queue.publish(Target::Everyone, Lane::Normal, ())?;
/// assert!(first < second);
/// assert!(queue.laggards(second).eq([client]));
/// queue.try_lease().expect("ready").complete(); // one push contains both
/// assert!(queue.is_converged(first) && queue.is_converged(second));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Version {
    pub(crate) number: Seq,
    pub(crate) recipients: Recipients,
    pub(crate) until: Until,
}

/// What a version waits for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Until {
    /// That everyone it concerned has a push that contains its number.
    Seq,
    /// The same, of a publish on demand: until the visits of this lane have ended, idle clients
    /// count too.
    OnDemand(Lane),
    /// The same of a barrier: for publishes on demand of both lanes.
    Barrier,
    /// That this push of the client which it concerned is completed, or a later one.
    Push(Push),
}

impl Version {
    /// What tells versions of the same number apart.
    fn push(&self) -> Option<(ClientKey, Push)> {
        match (self.recipients, self.until) {
            (Recipients::Client(client), Until::Push(push)) => Some((client, push)),
            _ => None,
        }
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Version {}

impl Hash for Version {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.number.hash(state);
        self.push().hash(state);
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Order> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Order {
        self.number.cmp(other.number).then_with(|| match (self.push(), other.push()) {
            (Some((client, push)), Some((to, another))) => {
                client.cmp(&to).then_with(|| push.cmp(another))
            }
            (one, other) => one.is_some().cmp(&other.is_some()),
        })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.number.word())?;
        match self.push() {
            Some((client, push)) => write!(f, ":{client}#{}", push.count()),
            None => Ok(()),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use core::hash::BuildHasher;
    use std::vec::Vec;

    use super::*;
    use crate::topics::Scope;

    const fn to_many(number: usize, recipients: Recipients) -> Version {
        Version { number: Seq::from_word(number), recipients, until: Until::Seq }
    }

    fn to_one(number: usize, index: u32, count: u32) -> Version {
        let recipients = Recipients::Client(ClientKey::of(index, 1));
        let until = Until::Push(Push::from_count(count));
        Version { number: Seq::from_word(number), recipients, until }
    }

    #[test]
    fn versions_are_their_numbers() {
        let one = to_many(1, Recipients::Everyone);
        let same = to_many(1, Recipients::scope(&Scope::any(&[])));
        let two = to_many(2, Recipients::Everyone);
        assert!(one == same && one != two);
        assert!(one < two && two > same && one <= same);
        let hash = std::hash::RandomState::new();
        assert_eq!(hash.hash_one(one), hash.hash_one(same));
        assert_ne!(hash.hash_one(one), hash.hash_one(two));
        assert_eq!(std::format!("{one} {two}"), "v1 v2");
    }

    #[test]
    fn of_one_number_they_are_their_clients_pushes() {
        let in_order = [
            to_many(1, Recipients::Everyone),
            to_one(1, 4, (1 << 28) - 1),
            to_one(1, 4, 0),
            to_one(1, 7, 3),
            to_many(2, Recipients::Everyone),
            to_one(2, 4, 1),
        ];
        let hash = std::hash::RandomState::new();
        for (at, one) in in_order.iter().enumerate() {
            for (of, other) in in_order.iter().enumerate() {
                assert_eq!(one.cmp(other), at.cmp(&of), "{one} {other}");
                assert_eq!(one == other, hash.hash_one(one) == hash.hash_one(other));
            }
        }
        let printed: Vec<_> = in_order.iter().map(|version| std::format!("{version}")).collect();
        assert_eq!(printed[3..], ["v1:7.1#3", "v2", "v2:4.1#1"]);
    }
}
