//! Draws: small, fast, and the same from seed to seed everywhere.

/// xorshift64*, which is random enough to choose what to do next.
#[derive(Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    /// A source of its own for each seed and each thread.
    pub(crate) fn new(seed: u64, thread: u64) -> Self {
        // Never zero, where xorshift would stay.
        let mixed = (seed << 8 | thread).wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        Dice(mixed | 1)
    }

    /// Evenly from `0..sides`, for few sides.
    pub(crate) fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let draw = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32;
        ((draw * sides as u64) >> 32) as usize
    }

    /// True once in `times`.
    pub(crate) fn once_in(&mut self, times: usize) -> bool {
        self.roll(times) == 0
    }
}
