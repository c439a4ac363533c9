//! Chance that is the same in every run.

/// Another number (PUSHLANE_SEED when the firmware is built) is another run.
pub(crate) const SEED: u32 = match option_env!("PUSHLANE_SEED") {
    Some(digits) => match u32::from_str_radix(digits, 10) {
        Ok(seed) => seed,
        Err(_) => panic!("PUSHLANE_SEED is not a number"),
    },
    None => 0x9e37_79b9,
};

/// Marsaglia's xorshift with 32 bits of state.
pub struct Chance(u32);

impl Chance {
    pub const fn new(seed: u32) -> Self {
        Chance(seed | 1)
    }

    fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u32) -> u32 {
        ((u64::from(self.next()) * u64::from(bound)) >> 32) as u32
    }

    /// True once in `n` times.
    pub fn once_in(&mut self, n: u32) -> bool {
        self.below(n) == 0
    }

    /// A number of at least 1 whose order of magnitude is random, below 2 to the power of `bits`.
    pub(crate) fn of_any_size(&mut self, bits: u32) -> u32 {
        let bits = 1 + self.below(bits);
        1 + self.below((1 << bits) - 1)
    }
}
