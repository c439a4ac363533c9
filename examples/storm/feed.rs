//! From changes to requests: what every design is given, at the same times.
//!
//! Configuration changes are debounced, as both versions of the control plane did: once it has been quiet for a
//! while, or at the latest some seconds after the first, they become one request. Endpoint changes bypass that:
//! each becomes a request at once.

use crate::history::{History, Key};
use crate::request::{Numbers, Request};
use std::time::Duration;

/// A debounced request waits no longer than this.
const LONGEST: Duration = Duration::from_secs(10);

/// All requests of a history.
#[derive(Debug, Default)]
pub(crate) struct Feed {
    pub(crate) requests: Vec<Fed>,
    /// The number of the request that a change went into, by number of the change.
    pub(crate) request_of: Vec<u32>,
}

/// One request, when it is made.
#[derive(Debug)]
pub(crate) struct Fed {
    pub(crate) at: Duration,
    pub(crate) full: bool,
    pub(crate) concerns_all: bool,
    pub(crate) keys: Vec<Key>,
    start: Duration,
    /// How many changes had happened when it was made.
    context: u32,
    changes: Vec<u32>,
}

impl Feed {
    /// The requests of a history, debounced until `quiet` passes without a configuration change.
    pub(crate) fn new(history: &History, quiet: Duration) -> Self {
        let mut requests = Vec::new();
        let mut batch: Option<(Fed, Duration)> = None;
        for (number, change) in history.changes.iter().enumerate() {
            let number = number as u32;
            if batch.as_ref().is_some_and(|(_, due)| *due < change.at) {
                requests.extend(batch.take().map(|(fed, due)| fed.made(due, number)));
            }
            if history.endpoint_like(change.key.kind) {
                let mut fed = Fed::new(false, change.at);
                fed.add(number, change.key, history);
                requests.push(fed.made(change.at, number + 1));
                continue;
            }
            let (fed, due) = batch.get_or_insert_with(|| (Fed::new(true, change.at), change.at));
            fed.add(number, change.key, history);
            *due = (change.at + quiet).min(fed.start + LONGEST);
        }
        let all = history.changes.len() as u32;
        requests.extend(batch.map(|(fed, due)| fed.made(due, all)));
        let mut request_of = vec![0; history.changes.len()];
        for (number, fed) in requests.iter().enumerate() {
            fed.changes.iter().for_each(|&change| request_of[change as usize] = number as u32);
        }
        Self { requests, request_of }
    }

    /// The request with this number, for a design to keep.
    pub(crate) fn request(&self, number: u32) -> Request {
        let fed = &self.requests[number as usize];
        Request {
            everything: false,
            full: fed.full,
            concerns_all: fed.concerns_all,
            keys: fed.keys.clone(),
            numbers: Numbers::one(number),
            context: fed.context,
            start: fed.start,
        }
        .metered()
    }
}

impl Fed {
    fn new(full: bool, start: Duration) -> Self {
        let at = start;
        Self {
            at,
            full,
            concerns_all: false,
            keys: Vec::new(),
            start,
            context: 0,
            changes: Vec::new(),
        }
    }

    fn add(&mut self, number: u32, key: Key, history: &History) {
        self.concerns_all |= history.concerns_all(key);
        if let Err(place) = self.keys.binary_search(&key) {
            self.keys.insert(place, key);
        }
        self.changes.push(number);
    }

    fn made(self, at: Duration, context: u32) -> Self {
        Self { at, context, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Changes of `(milliseconds, kind)`, all in one namespace.
    fn feed(changes: &[(u64, &str)]) -> Vec<(u128, bool, Vec<u32>, u32)> {
        let mut history = History::default();
        let mut times = Vec::new();
        for (at, kind) in changes {
            history.push(*at as f64, "a", kind, &mut times);
        }
        for (change, (at, _)) in history.changes.iter_mut().zip(changes) {
            change.at = Duration::from_millis(*at);
        }
        let feed = Feed::new(&history, Duration::from_millis(100));
        feed.requests
            .into_iter()
            .map(|fed| (fed.at.as_millis(), fed.full, fed.changes, fed.context))
            .collect()
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
        assert_eq!(requests[0].2.len(), 101);
        assert_eq!(requests[1].2.len(), 19);
    }
}
