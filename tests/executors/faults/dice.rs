//! Draws for many threads, from one seed.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Numbers 1, 2, 3…, scattered (splitmix64): the same draws each time, though not to the same
/// threads.
pub(crate) struct Dice(AtomicU64);

impl Dice {
    pub(crate) const fn new(seed: u64) -> Self {
        Dice(AtomicU64::new(seed))
    }

    /// Evenly from `0..sides`.
    pub(crate) fn roll(&self, sides: usize) -> usize {
        const STEP: u64 = 0x9E37_79B9_7F4A_7C15;
        let mut word = self.0.fetch_add(STEP, Relaxed).wrapping_add(STEP);
        word = (word ^ word >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ word >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((word ^ word >> 31) % sides as u64) as usize
    }
}
