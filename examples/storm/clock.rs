//! Virtual time: what happens next, in order of time and then of being scheduled.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

/// A client, by number.
pub(crate) type ClientId = u32;

/// Something that happens at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Event {
    /// The change with this number.
    Change(u32),
    /// The request with this number is made.
    Publish(u32),
    /// Those that hang stop reading.
    Hang,
    Leave(ClientId),
    Return(ClientId),
    /// An evicted client is back.
    Reconnect(ClientId),
    /// The server has computed the push with this number; the send begins.
    Prepared(ClientId, u64),
    /// The client has received the push with this number.
    Sent(ClientId, u64),
    /// The send of the push with this number takes too long.
    Deadline(ClientId, u64),
    /// Whatever a design wanted to be woken for.
    Timer(u64),
    /// Look at the backlog.
    Tick,
}

/// The events to come.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    events: BinaryHeap<Reverse<(Duration, u64, Event)>>,
    scheduled: u64,
}

impl Clock {
    pub(crate) fn schedule(&mut self, at: Duration, event: Event) {
        self.scheduled += 1;
        self.events.push(Reverse((at, self.scheduled, event)));
    }

    pub(crate) fn next(&mut self) -> Option<(Duration, Event)> {
        self.events.pop().map(|Reverse((at, _, event))| (at, event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_in_order_of_time_and_then_of_being_scheduled() {
        let mut clock = Clock::default();
        let at = Duration::from_secs;
        clock.schedule(at(2), Event::Tick);
        clock.schedule(at(1), Event::Timer(9));
        clock.schedule(at(1), Event::Change(1));
        let order: Vec<_> = std::iter::from_fn(|| clock.next()).map(|(_, event)| event).collect();
        assert_eq!(order, [Event::Timer(9), Event::Change(1), Event::Tick]);
    }
}
