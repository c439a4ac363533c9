//! Times, counted in classes: sixteen for each power of two.

use std::iter;

#[derive(Clone, Debug, Default)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
    most: u64,
}

const BITS: u32 = 4;

fn class(time: u64) -> usize {
    let shift = (u64::BITS - time.leading_zeros()).saturating_sub(BITS + 1);
    ((shift as usize) << BITS) + (time >> shift) as usize
}

/// The least time of the next class.
fn bound(class: usize) -> u64 {
    let next = class + 1;
    let shift = (next >> BITS).saturating_sub(1);
    ((next - (shift << BITS)) as u64) << shift
}

impl Histogram {
    pub(crate) fn add(&mut self, time: u64) {
        let class = class(time);
        let missing = (class + 1).saturating_sub(self.counts.len());
        self.counts.extend(iter::repeat_n(0, missing));
        self.counts[class] += 1;
        self.most = self.most.max(time);
    }

    pub(crate) fn merge(&mut self, other: &Histogram) {
        let missing = other.counts.len().saturating_sub(self.counts.len());
        self.counts.extend(iter::repeat_n(0, missing));
        self.counts.iter_mut().zip(&other.counts).for_each(|(mine, its)| *mine += its);
        self.most = self.most.max(other.most);
    }

    pub(crate) fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The time that this part of all don't exceed, rounded up to the end of its class.
    pub(crate) fn quantile(&self, part: f64) -> u64 {
        let mut left = (self.total() as f64 * part) as u64;
        for (class, count) in self.counts.iter().enumerate() {
            if left < *count {
                return (bound(class) - 1).min(self.most);
            }
            left -= count;
        }
        self.most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_time_is_below_the_bound_of_its_class_and_not_of_the_one_before() {
        for time in (1..5_000).chain([1 << 20, (1 << 40) - 1]) {
            assert!(time < bound(class(time)) && bound(class(time) - 1) <= time, "{time}");
        }
    }

    #[test]
    fn quantiles_within_a_sixteenth() {
        let mut all = Histogram::default();
        (1..=1_000).for_each(|time| all.add(time));
        for part in [0.5, 0.9, 0.99] {
            let (exact, told) = (1_000.0 * part, all.quantile(part) as f64);
            assert!((exact * 0.99..exact * 1.07).contains(&told), "{part}: {told}");
        }
        assert_eq!((all.total(), all.quantile(1.0)), (1_000, 1_000));
    }
}
