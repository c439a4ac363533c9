//! Whom a publish is for, in the ledger's terms.

use pushlane::{ClientKey, Target, Topic};

use crate::ledger::{Account, Life};

pub(crate) const TOPICS: usize = 3;

/// Whether a publish reaches a client.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reach {
    No,
    Maybe,
    Yes,
}

/// A publish's target. Sets of topics have one bit a topic.
#[derive(Clone, Copy)]
pub(crate) enum Whom {
    Everyone,
    One(ClientKey),
    /// Any of the first, and, where there is a second, any of that.
    Topics(u8, Option<u8>),
}

impl Whom {
    /// Whether the publish reaches the client of an account.
    pub(crate) fn reach(self, index: usize, account: &Account, registering: bool) -> Reach {
        let (yes, maybe) = match self {
            Whom::Everyone => (true, true),
            Whom::One(client) => (client.index() == index, client.index() == index),
            Whom::Topics(any, filter) => {
                let among = |topics: u8| {
                    any & topics != 0 && filter.is_none_or(|filter| filter & topics != 0)
                };
                (among(account.reached), among(account.reached | account.may_reach))
            }
        };
        match account.life {
            Life::Live(_) if yes => Reach::Yes,
            Life::Live(_) | Life::Leaving(_) if maybe => Reach::Maybe,
            // A newcomer that is being registered has no topics and no key yet.
            Life::Vacant if registering && matches!(self, Whom::Everyone) => Reach::Maybe,
            _ => Reach::No,
        }
    }

    /// Whether a queue that records nothing for each client makes the publish on demand.
    pub(crate) fn is_on_demand(self) -> bool {
        matches!(self, Whom::Everyone)
    }

    /// The queue's target. The topics are written into `room`.
    pub(crate) fn with_target<T>(self, act: impl FnOnce(Target<'_>) -> T) -> T {
        let (any, filter) = match self {
            Whom::Everyone => return act(Target::Everyone),
            Whom::One(client) => return act(Target::One(client)),
            Whom::Topics(any, filter) => (Chosen::of(any), filter.map(Chosen::of)),
        };
        let scope = pushlane::Scope::any(any.topics());
        act(Target::Topics(match &filter {
            Some(filter) => scope.and_any(filter.topics()),
            None => scope,
        }))
    }
}

/// A set of topics as a list.
struct Chosen([Topic; TOPICS], usize);

impl Chosen {
    fn of(set: u8) -> Chosen {
        let mut chosen = Chosen([Topic(0); TOPICS], 0);
        for topic in (0..TOPICS as u32).filter(|topic| set & 1 << topic != 0) {
            chosen.0[chosen.1] = Topic(topic);
            chosen.1 += 1;
        }
        chosen
    }

    fn topics(&self) -> &[Topic] {
        &self.0[..self.1]
    }
}
