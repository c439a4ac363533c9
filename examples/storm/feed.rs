//! From changes to requests: what a design is given, and when.
//!
//! Configuration changes are debounced, as both versions of the control plane did: once it has been
//! quiet for a while, or at the latest some seconds after the first, they become one request.
//! Endpoint changes bypass that: each becomes a request at once.

use crate::history::{History, Key};
use crate::request::{Numbers, Request};
use pushlane::Lane;
use pushlane::backlog::Merge;
use pushlane::debounce::{Debounce, Stretch};
use std::time::Duration;

/// A debounced request waits no longer than this.
const LONGEST: Duration = Duration::from_secs(10);

/// The requests of one run, as they come to be made.
#[derive(Debug)]
pub(crate) struct Feed<'a> {
    history: &'a History,
    /// None: each change becomes a request at once.
    debounce: Option<Debounce<(), Batch>>,
    made: u32,
}

/// A request that has just been made, and the numbers of the changes in it.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) number: u32,
    pub(crate) request: Request,
    pub(crate) changes: Vec<u32>,
}

/// Changes that will become one request.
#[derive(Debug)]
struct Batch {
    full: bool,
    concerns_all: bool,
    keys: Vec<Key>,
    start: Duration,
    changes: Vec<u32>,
}

impl<'a> Feed<'a> {
    /// Debounced until the quiet period passes without a configuration change; not at all if there
    /// is none.
    pub(crate) fn new(history: &'a History, quiet: Option<Stretch>) -> Self {
        let debounce = quiet.map(|quiet| Debounce::new(quiet, LONGEST));
        Self { history, debounce, made: 0 }
    }

    /// The change with this number has just happened, at `now`. What it makes at once.
    pub(crate) fn change(&mut self, number: u32, now: Duration) -> Option<Made> {
        let key = self.history.changes[number as usize].key;
        let endpoints = self.history.endpoint_like(key.kind);
        let batch = Batch {
            full: !endpoints,
            concerns_all: self.history.concerns_all(key),
            keys: vec![key],
            start: now,
            changes: vec![number],
        };
        let at_once = match &mut self.debounce {
            Some(debounce) => {
                let lane = if endpoints { Lane::Urgent } else { Lane::Normal };
                debounce.offer((), lane, batch, now)
            }
            None => Some(batch),
        };
        at_once.map(|batch| self.make(batch, number + 1))
    }

    /// When to ask for what is due next, while so many clients are busy.
    pub(crate) fn next_due(&self, busy: usize) -> Option<Duration> {
        self.debounce.as_ref()?.next_due(busy)
    }

    /// What is to be made now; `happened` changes have happened.
    pub(crate) fn take_due(&mut self, now: Duration, busy: usize, happened: u32) -> Option<Made> {
        let ((), batch) = self.debounce.as_mut()?.take_due(now, busy)?;
        Some(self.make(batch, happened))
    }

    fn make(&mut self, batch: Batch, context: u32) -> Made {
        let number = self.made;
        self.made += 1;
        let Batch { full, concerns_all, keys, start, changes } = batch;
        let numbers = Numbers::one(number);
        let request =
            Request { everything: false, full, concerns_all, keys, numbers, context, start };
        Made { number, request: request.metered(), changes }
    }
}

impl Merge for Batch {
    fn merge(&mut self, other: &Self) {
        self.full |= other.full;
        self.concerns_all |= other.concerns_all;
        for key in &other.keys {
            if let Err(place) = self.keys.binary_search(key) {
                self.keys.insert(place, *key);
            }
        }
        self.start = self.start.min(other.start);
        self.changes.extend(&other.changes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Requests for changes of `(milliseconds, kind)`, all in one namespace.
    fn feed(changes: &[(u64, &str)]) -> Vec<(u128, bool, Vec<u32>, u32)> {
        let mut history = History::default();
        let mut times = Vec::new();
        for (at, kind) in changes {
            history.push(*at as f64, "a", kind, &mut times);
        }
        let mut feed = Feed::new(&history, Some(Stretch::fixed(Duration::from_millis(100))));
        let mut all = Vec::new();
        let mut made = |at: Duration, made: Option<Made>| {
            let some = made.is_some();
            all.extend(made.map(|Made { request, changes, .. }| {
                (at.as_millis(), request.full, changes, request.context)
            }));
            some
        };
        let forever = (u64::MAX / 2, "");
        for (number, (at, _)) in changes.iter().chain([&forever]).enumerate() {
            let (number, now) = (number as u32, Duration::from_millis(*at));
            while let Some(due) = feed.next_due(0).filter(|&due| due < now) {
                while made(due, feed.take_due(due, 0, number)) {}
            }
            if (number as usize) < changes.len() {
                made(now, feed.change(number, now));
            }
        }
        all
    }

    #[test]
    fn endpoint_changes_go_at_once_and_configuration_waits_for_quiet() {
        let requests = feed(&[(0, "service"), (10, "endpoints"), (50, "secret"), (151, "service")]);
        assert_eq!(
            requests,
            [(10, false, vec![1], 2), (150, true, vec![0, 2], 3), (251, true, vec![3], 4)]
        );
    }

    #[test]
    fn a_request_waits_ten_seconds_at_most() {
        let changes: Vec<_> = (0..120).map(|n| (n * 100, "service")).collect();
        let requests = feed(&changes);
        assert_eq!(requests[0].0, 10_000);
        assert_eq!(requests[1].2.len(), 120 - requests[0].2.len());
    }
}
