//! Seeded draws, in whole numbers only: the same on every machine.

use rand_pcg::Pcg32;
use rand_pcg::rand_core::Rng;
use std::time::Duration;

/// A source of draws that depends on a seed and a purpose, and on nothing else.
#[derive(Debug)]
pub(crate) struct Dice(Pcg32);

/// What a draw is for. Draws for one purpose don't shift those for another.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    History,
    Scope(u32),
    Roles,
    Absence(u32),
    /// The n-th send to a client, whichever design makes it.
    Send(u32, u32),
    /// How long a client waits after its n-th eviction.
    Reconnect(u32, u32),
}

impl Dice {
    pub(crate) fn new(seed: u64, purpose: Purpose) -> Self {
        let (purpose, client, n) = match purpose {
            Purpose::History => (1, 0, 0),
            Purpose::Scope(client) => (2, client, 0),
            Purpose::Roles => (3, 0, 0),
            Purpose::Absence(client) => (4, client, 0),
            Purpose::Send(client, n) => (5, client, n),
            Purpose::Reconnect(client, n) => (6, client, n),
        };
        let stream = (purpose << 48) ^ u64::from(client);
        let mut pcg = Pcg32::new(seed ^ (u64::from(n) << 32), stream);
        // Neighbouring streams begin alike; two steps take them apart.
        pcg.next_u32();
        pcg.next_u32();
        Self(pcg)
    }

    /// Evenly from `0..bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        let (draw, bound) = (u128::from(self.0.next_u64()), u128::from(bound));
        ((draw * bound) >> 64) as u64
    }

    /// Evenly from `low..=high`.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// Evenly between two times.
    pub(crate) fn duration(&mut self, low: Duration, high: Duration) -> Duration {
        Duration::from_micros(self.between(low.as_micros() as u64, high.as_micros() as u64))
    }

    /// True in `percent` of a hundred cases.
    pub(crate) fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// An index, as often as its weight says.
    pub(crate) fn weighted(&mut self, weights: &[u64]) -> usize {
        let mut rest = self.below(weights.iter().sum::<u64>().max(1));
        for (index, &weight) in weights.iter().enumerate() {
            if rest < weight {
                return index;
            }
            rest -= weight;
        }
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_and_purpose_draw_the_same() {
        let draws = |seed, purpose| {
            let mut dice = Dice::new(seed, purpose);
            [(); 8].map(|()| dice.below(1 << 40))
        };
        assert_eq!(draws(1, Purpose::Send(3, 4)), draws(1, Purpose::Send(3, 4)));
        assert_ne!(draws(1, Purpose::Send(3, 4)), draws(2, Purpose::Send(3, 4)));
        assert_ne!(draws(1, Purpose::Send(3, 4)), draws(1, Purpose::Send(4, 4)));
        assert_ne!(draws(1, Purpose::Send(3, 4)), draws(1, Purpose::Send(3, 5)));
    }

    #[test]
    fn the_first_draws_of_neighbouring_clients_spread_evenly() {
        let mut tenths = [0; 10];
        for client in 0..10_000 {
            tenths[Dice::new(7, Purpose::Send(client, 0)).below(10) as usize] += 1;
        }
        assert!(tenths.iter().all(|&count| (850..1150).contains(&count)), "{tenths:?}");
    }

    #[test]
    fn weights_are_kept() {
        let mut dice = Dice::new(1, Purpose::History);
        let mut counts = [0; 3];
        (0..10_000).for_each(|_| counts[dice.weighted(&[1, 0, 3])] += 1);
        assert_eq!(counts[1], 0);
        assert!((2_300..2_700).contains(&counts[0]), "{counts:?}");
    }
}
