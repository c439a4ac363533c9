//! What is pushed: a request, how two become one, and what a push of it brings the client.

use crate::history::Key;
use std::cell::Cell;
use std::fmt;
use std::mem::size_of;
use std::ops::Range;
use std::time::Duration;

/// Changes for a client, merged. Shared between clients until one of them has to merge.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request {
    /// A new stream starts from the whole state.
    pub(crate) everything: bool,
    /// More than endpoints changed.
    pub(crate) full: bool,
    /// Some change in it concerns every client.
    pub(crate) concerns_all: bool,
    /// What changed. Sorted, without duplicates.
    pub(crate) keys: Vec<Key>,
    /// Which requests went into this one.
    pub(crate) numbers: Numbers,
    /// The version of the configuration: how many changes had happened. Merged: the newer.
    pub(crate) context: u32,
    /// When the first of the changes happened. Merged: the earlier.
    pub(crate) start: Duration,
}

impl Request {
    /// The whole state as of `context`, for a new stream.
    pub(crate) fn everything(context: u32, now: Duration) -> Self {
        Self {
            everything: true,
            full: true,
            concerns_all: true,
            keys: Vec::new(),
            numbers: Numbers::default(),
            context,
            start: now,
        }
        .metered()
    }

    /// Takes another in. Commutative and associative.
    pub(crate) fn merge_from(&mut self, other: &Self) {
        meter(-self.bytes());
        self.everything |= other.everything;
        self.full |= other.full;
        self.concerns_all |= other.concerns_all;
        union(&mut self.keys, &other.keys);
        self.numbers.union(&other.numbers);
        self.context = self.context.max(other.context);
        self.start = self.start.min(other.start);
        meter(self.bytes());
    }

    /// How many requests went into this one, at least one.
    pub(crate) fn merged(&self) -> u64 {
        self.numbers.len() + u64::from(self.everything)
    }

    /// Counts it in [`live_bytes`]. To be called once it is complete.
    pub(crate) fn metered(self) -> Self {
        meter(self.bytes());
        self
    }

    fn bytes(&self) -> isize {
        let keys = self.keys.capacity() * size_of::<Key>();
        (size_of::<Self>() + keys + self.numbers.heap_bytes()) as isize
    }
}

/// What the oracle must know of a push, in any design.
pub(crate) trait Carried: fmt::Debug {
    /// Which requests went into it.
    fn numbers(&self) -> &Numbers;
    /// The version of the configuration that it was made from: how many changes had happened.
    fn context(&self) -> u32;
}

impl Carried for Request {
    fn numbers(&self) -> &Numbers {
        &self.numbers
    }

    fn context(&self) -> u32 {
        self.context
    }
}

impl Clone for Request {
    fn clone(&self) -> Self {
        Self {
            everything: self.everything,
            full: self.full,
            concerns_all: self.concerns_all,
            keys: self.keys.clone(),
            numbers: self.numbers.clone(),
            context: self.context,
            start: self.start,
        }
        .metered()
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        meter(-self.bytes());
    }
}

impl crate::peers::merge_queue::Merge for Request {
    fn merge(&mut self, other: &Self) {
        self.merge_from(other);
    }
}

thread_local! {
    static LIVE_BYTES: Cell<isize> = const { Cell::new(0) };
}

/// Counts bytes that a request takes up, or gives back if negative.
pub(crate) fn meter(bytes: isize) {
    LIVE_BYTES.with(|live| live.set(live.get() + bytes));
}

/// The memory of all requests alive on this thread.
pub(crate) fn live_bytes() -> isize {
    LIVE_BYTES.with(Cell::get)
}

/// A set of request numbers as sorted ranges that don't touch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Numbers(Vec<Range<u32>>);

impl Numbers {
    pub(crate) fn one(number: u32) -> Self {
        Self(std::iter::once(number..number + 1).collect())
    }

    pub(crate) fn contains(&self, number: u32) -> bool {
        let after = self.0.partition_point(|range| range.start <= number);
        after > 0 && number < self.0[after - 1].end
    }

    /// The memory behind it.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.0.capacity() * size_of::<Range<u32>>()
    }

    pub(crate) fn len(&self) -> u64 {
        self.0.iter().map(|range| u64::from(range.end - range.start)).sum()
    }

    pub(crate) fn union(&mut self, other: &Self) {
        // The common case: what comes is newer than what is there.
        if let ([newer], Some(last)) = (&other.0[..], self.0.last_mut()) {
            if newer.start == last.end {
                last.end = newer.end;
                return;
            }
            if newer.start > last.end {
                self.0.push(newer.clone());
                return;
            }
        }
        self.0.extend_from_slice(&other.0);
        self.0.sort_unstable_by_key(|range| range.start);
        self.0.dedup_by(|next, before| {
            let touching = next.start <= before.end;
            if touching {
                before.end = before.end.max(next.end);
            }
            touching
        });
    }
}

fn union(into: &mut Vec<Key>, from: &[Key]) {
    let before = into.len();
    for key in from {
        if into[..before].binary_search(key).is_err() {
            into.push(*key);
        }
    }
    if into.len() > before {
        into.sort_unstable();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(number: u32, namespaces: &[u32]) -> Request {
        Request {
            everything: false,
            full: number.is_multiple_of(2),
            concerns_all: false,
            keys: namespaces.iter().map(|&namespace| Key { namespace, kind: 0 }).collect(),
            numbers: Numbers::one(number),
            context: number,
            start: Duration::from_secs(number.into()),
        }
        .metered()
    }

    fn merged(requests: &[&Request]) -> Request {
        let mut all = requests[0].clone();
        requests[1..].iter().for_each(|request| all.merge_from(request));
        all
    }

    #[test]
    fn merging_does_not_depend_on_order() {
        let [a, b, c] = [request(1, &[1, 3]), request(2, &[2, 3]), request(7, &[1])];
        let all = merged(&[&a, &b, &c]);
        assert_eq!(all.keys.len(), 3);
        assert_eq!((all.full, all.context, all.start.as_secs(), all.merged()), (true, 7, 1, 3));
        for order in [[&a, &c, &b], [&b, &a, &c], [&b, &c, &a], [&c, &a, &b], [&c, &b, &a]] {
            assert_eq!(merged(&order), all);
        }
        assert_eq!(merged(&[&a, &merged(&[&b, &c])]), all);
    }

    #[test]
    fn numbers_are_found_where_they_are_and_nowhere_else() {
        let all = merged(&[&request(5, &[]), &request(6, &[]), &request(9, &[]), &request(2, &[])]);
        let found: Vec<_> = (0..12).filter(|&number| all.numbers.contains(number)).collect();
        assert_eq!(found, [2, 5, 6, 9]);
        assert_eq!(all.numbers.0.len(), 3);
    }

    #[test]
    fn memory_is_counted_while_it_is_held() {
        let before = live_bytes();
        let mut a = request(1, &[1]);
        let one = live_bytes() - before;
        a.merge_from(&request(2, &[2, 3, 4, 5, 6, 7, 8]));
        assert!(live_bytes() - before > one);
        drop(a);
        assert_eq!(live_bytes(), before);
    }
}
