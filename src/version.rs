//! [`Version`]: one publish, and what tells that it is done.

use core::fmt;

use crate::convergence::Seq;
use crate::recipients::Recipients;

/// One publish, as returned by [`PushQueue::publish`](crate::PushQueue::publish). Ask the queue
/// about it with [`is_converged`](crate::PushQueue::is_converged) and
/// [`laggards`](crate::PushQueue::laggards).
///
/// Publishes to everyone and to topics have numbers; their versions print as `v42`. A publish to
/// one client has none, so that publishers to different clients have nothing in common. Its version
/// is that of the client's push that will contain it, and may be that of another publish which the
/// same push contains. It prints as `v42:17.3#5`: the newest number, the client's
/// [key](crate::ClientKey) and the count of its push.
///
/// On a 32-bit target numbers have 31 bits and wrap. A version may be asked about for ever all the
/// same. It never converges early; one that is more than 2²⁹ publishes old may be late by one push
/// of a client that is busy.
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
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.number.word())?;
        match self.recipients {
            Recipients::Client(push) => write!(f, ":{}#{}", push.client, push.push.count()),
            _ => Ok(()),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::vec::Vec;

    use super::*;
    use crate::progress::Push;
    use crate::registry::ClientKey;
    use crate::versions::ClientPush;

    const fn version(number: usize, recipients: Recipients) -> Version {
        Version { number: Seq::from_word(number), recipients }
    }

    fn to_one(number: usize, index: u32, count: u32) -> Version {
        let (client, push) = (ClientKey::of(index, 1), Push::from_count(count));
        version(number, Recipients::Client(ClientPush { client, push }))
    }

    #[test]
    fn they_print_as_their_numbers_and_pushes() {
        let versions = [version(1, Recipients::Everyone), to_one(1, 7, 3), to_one(2, 4, 1)];
        let printed: Vec<_> = versions.iter().map(|version| std::format!("{version}")).collect();
        assert_eq!(printed, ["v1", "v1:7.1#3", "v2:4.1#1"]);
    }
}
