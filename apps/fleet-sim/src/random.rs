//! Draws that depend on what they are for, and on nothing else: the same in any order, on any
//! number of threads.

/// Mixes some numbers into one draw (SplitMix64's finalizer).
pub(crate) fn draw(purpose: u64, a: u64, b: u64) -> u64 {
    let mut z = purpose.wrapping_mul(0xd1b5_4a32_d192_ed03);
    for part in [a, b] {
        z = (z ^ part).wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
    }
    z
}

/// A draw from `0..bound`.
pub(crate) fn below(draw: u64, bound: u64) -> u64 {
    ((u128::from(draw) * u128::from(bound)) >> 64) as u64
}

/// A draw from 0 to 1, without the ends.
pub(crate) fn unit(draw: u64) -> f64 {
    ((draw >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
}

/// A log-normal draw: `median`, and the standard deviation of its logarithm.
pub(crate) fn log_normal(draw_: u64, median: f64, sigma: f64) -> f64 {
    let (radius, angle) = (unit(draw_), unit(draw(0, draw_, 1)));
    let normal = (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos();
    median * (sigma * normal).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_draws_are_below_the_median() {
        let below = (0..10_000).filter(|at| log_normal(draw(1, *at, 0), 20.0, 0.8) < 20.0).count();
        assert!((4_800..5_200).contains(&below), "{below}");
    }
}
