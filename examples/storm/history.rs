//! What happened: changes in order, each of a kind and in a namespace.

use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

/// Kinds whose change is an endpoint change: pushed at once, without waiting for others, and as an
/// increment.
const ENDPOINT_LIKE: [&str; 6] =
    ["endpoint", "endpoints", "endpointslice", "instance", "pod", "workloadentry"];

/// One change, its names replaced by numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Change {
    /// Virtual time since the start.
    pub(crate) at: Duration,
    pub(crate) key: Key,
}

/// What a change is about, and what clients depend on: a kind in a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    pub(crate) namespace: u32,
    pub(crate) kind: u32,
}

/// A history, ready to be replayed.
#[derive(Debug, Default)]
pub(crate) struct History {
    pub(crate) changes: Vec<Change>,
    pub(crate) namespaces: Names,
    pub(crate) kinds: Names,
    /// The namespace whose changes concern every client, if it occurs.
    pub(crate) root: Option<u32>,
    /// Lines left out of a trace because they were malformed.
    pub(crate) bad_lines: u64,
}

/// Names and their numbers, in order of first occurrence.
#[derive(Debug, Default)]
pub(crate) struct Names {
    numbers: HashMap<Rc<str>, u32>,
    texts: Vec<Rc<str>>,
    /// How often each occurs.
    counts: Vec<u64>,
    endpoint_like: Vec<bool>,
}

impl Names {
    pub(crate) fn number(&mut self, name: &str) -> u32 {
        if let Some(&number) = self.numbers.get(name) {
            self.counts[number as usize] += 1;
            return number;
        }
        let number = self.counts.len() as u32;
        let text = Rc::from(name);
        self.numbers.insert(Rc::clone(&text), number);
        self.texts.push(text);
        self.counts.push(1);
        self.endpoint_like.push(ENDPOINT_LIKE.contains(&name.to_ascii_lowercase().as_str()));
        number
    }

    pub(crate) fn find(&self, name: &str) -> Option<u32> {
        self.numbers.get(name).copied()
    }

    /// In the order of their numbers.
    pub(crate) fn texts(&self) -> impl ExactSizeIterator<Item = &str> {
        self.texts.iter().map(|text| &**text)
    }

    pub(crate) fn counts(&self) -> &[u64] {
        &self.counts
    }
}

impl History {
    /// Whether a change of this kind is an endpoint change.
    pub(crate) fn endpoint_like(&self, kind: u32) -> bool {
        self.kinds.endpoint_like[kind as usize]
    }

    /// Whether a change here concerns every client.
    pub(crate) fn concerns_all(&self, key: Key) -> bool {
        self.root == Some(key.namespace)
    }

    /// The time of the last change.
    pub(crate) fn span(&self) -> Duration {
        self.changes.last().map_or(Duration::ZERO, |change| change.at)
    }

    /// Adds a change at `t` seconds since some moment. Times must not go backwards.
    pub(crate) fn push(&mut self, t: f64, namespace: &str, kind: &str, times: &mut Vec<f64>) {
        let key =
            Key { namespace: self.namespaces.number(namespace), kind: self.kinds.number(kind) };
        self.changes.push(Change { at: Duration::ZERO, key });
        times.push(t);
    }

    /// Stretches or squeezes the times so that `rate` changes happen a second on average; gaps and
    /// bursts keep their proportion.
    pub(crate) fn at_rate(mut self, times: &[f64], rate: f64, root: &str) -> Self {
        let first = times.first().copied().unwrap_or(0.0);
        let span = times.last().map_or(0.0, |last| last - first);
        let wanted = times.len() as f64 / rate;
        for (change, t) in self.changes.iter_mut().zip(times) {
            let share = if span > 0.0 { (t - first) / span } else { 0.0 };
            // To the microsecond: what is printed is then what was used.
            change.at = Duration::from_micros((share * wanted * 1e6) as u64);
        }
        self.root = self.namespaces.find(root);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(times: &[f64], rate: f64) -> Vec<u128> {
        let mut history = History::default();
        let mut read = Vec::new();
        for &t in times {
            history.push(t, "a", "b", &mut read);
        }
        let history = history.at_rate(&read, rate, "root");
        history.changes.iter().map(|change| change.at.as_millis()).collect()
    }

    #[test]
    fn the_rate_stretches_time_and_keeps_its_proportions() {
        assert_eq!(history(&[100.0, 100.0, 101.0, 104.0], 2.0), [0, 0, 500, 2000]);
        assert_eq!(history(&[5.0, 5.0], 2.0), [0, 0]);
    }

    #[test]
    fn a_number_stands_for_a_name_and_counts_it() {
        let mut names = Names::default();
        assert_eq!(["a", "Pod", "a"].map(|name| names.number(name)), [0, 1, 0]);
        assert_eq!(names.counts(), [2, 1]);
        assert!(names.texts().eq(["a", "Pod"]));
        assert_eq!(names.endpoint_like, [false, true]);
    }
}
