//! Virtual time: what happens next, in order of time and then of being scheduled.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

/// So many piles take all that is planned ahead or comes after a fixed time: each of these is in
/// order already.
const PILES: usize = 8;

/// A client, by number.
pub(crate) type ClientId = u32;

/// Something that happens at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Event {
    /// The change with this number.
    Change(u32),
    /// What was debounced may be due.
    Due,
    /// Hung clients stop reading.
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
    /// Each in order. Most events come in order of their time, and these queues are much cheaper
    /// than a heap.
    piles: [VecDeque<Entry>; PILES],
    /// Whatever fits on no pile.
    rest: BinaryHeap<Reverse<Entry>>,
    scheduled: u64,
}

type Entry = (Duration, u64, Event);

impl Clock {
    pub(crate) fn schedule(&mut self, at: Duration, event: Event) {
        self.scheduled += 1;
        let entry = (at, self.scheduled, event);
        let fits = |pile: &&mut VecDeque<Entry>| pile.back().is_none_or(|last| last.0 <= at);
        match self.piles.iter_mut().find(fits) {
            Some(pile) => pile.push_back(entry),
            None => self.rest.push(Reverse(entry)),
        }
    }

    pub(crate) fn next(&mut self) -> Option<(Duration, Event)> {
        let fronts = self
            .piles
            .iter()
            .enumerate()
            .filter_map(|(pile, entries)| Some((entries.front()?, pile)));
        let first = fronts.min_by_key(|(entry, _)| **entry);
        let (at, _, event) = match (first, self.rest.peek()) {
            (Some((entry, pile)), rest) if rest.is_none_or(|Reverse(other)| entry < other) => {
                self.piles[pile].pop_front()?
            }
            _ => self.rest.pop()?.0,
        };
        Some((at, event))
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

    #[test]
    fn order_holds_when_there_are_more_runs_than_piles() {
        let mut clock = Clock::default();
        let times: Vec<u64> = (0..200).map(|n| n * 7919 % 101).collect();
        for (n, &at) in times.iter().enumerate() {
            clock.schedule(Duration::from_secs(at), Event::Timer(n as u64));
        }
        let mut expected: Vec<_> =
            times.iter().enumerate().map(|(n, &at)| (at, n as u64)).collect();
        expected.sort_unstable();
        let next = || clock.next();
        let order: Vec<_> = std::iter::from_fn(next)
            .map(|(at, event)| match event {
                Event::Timer(n) => (at.as_secs(), n),
                other => panic!("{other:?} was never scheduled"),
            })
            .collect();
        assert_eq!(order, expected);
    }
}
