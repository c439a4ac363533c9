//! [`Version`]: one publish, and what tells that it is done.

use core::fmt;

use crate::convergence::Seq;
use crate::progress::Push;
use crate::recipients::Recipients;
use crate::slot::Lane;

/// One publish, as returned by [`PushQueue::publish`](crate::PushQueue::publish). Ask the queue
/// about it with [`is_converged`](crate::PushQueue::is_converged) and
/// [`laggards`](crate::PushQueue::laggards).
///
/// Publishes to everyone and to topics have numbers; their versions print as `v42`. A publish to one
/// client has none, so that publishers to different clients have nothing in common. Its version is
/// that of the client's push that will contain it, and may be that of another publish which the same
/// push contains. It prints as `v42:17.3#5`: the newest number, the client's [key](crate::ClientKey) and the
/// count of its push.
///
/// On a 32-bit target numbers have 31 bits and wrap. A version may be asked about for ever all the
/// same. It never converges early; one that is more than 2²⁹ publishes old may be late by one push of
/// a client that is busy.
///
/// ```
/// use pushlane::{Config, Lane, PushQueue, Target, backlog::Dirty};
///
/// let queue = PushQueue::<Dirty>::new(Config::new(10));
/// let client = queue.register()?;
/// let first = queue.publish(Target::Everyone, Lane::Normal, ())?;
/// let second = queue.publish(Target::Everyone, Lane::Normal, ())?;
/// assert!(queue.laggards(second).eq([client]));
/// queue.try_lease().expect("ready").complete(); // one push contains both
/// assert!(queue.is_converged(first) && queue.is_converged(second));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Version {
    pub(crate) number: Seq,
    pub(crate) recipients: Recipients,
    pub(crate) until: Until,
}

/// What a version waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.number.word())?;
        match (self.recipients, self.until) {
            (Recipients::Client(client), Until::Push(push)) => {
                write!(f, ":{client}#{}", push.count())
            }
            _ => Ok(()),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::vec::Vec;

    use super::*;
    use crate::registry::ClientKey;

    const fn to_many(number: usize, recipients: Recipients) -> Version {
        Version { number: Seq::from_word(number), recipients, until: Until::Seq }
    }

    fn to_one(number: usize, index: u32, count: u32) -> Version {
        let recipients = Recipients::Client(ClientKey::of(index, 1));
        let until = Until::Push(Push::from_count(count));
        Version { number: Seq::from_word(number), recipients, until }
    }

    #[test]
    fn they_print_as_their_numbers_and_pushes() {
        let versions = [to_many(1, Recipients::Everyone), to_one(1, 7, 3), to_one(2, 4, 1)];
        let printed: Vec<_> = versions.iter().map(|version| std::format!("{version}")).collect();
        assert_eq!(printed, ["v1", "v1:7.1#3", "v2:4.1#1"]);
    }
}
