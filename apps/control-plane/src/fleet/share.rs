//! How many clients are this replica's share, and which of them go when it has more. Pure: time is
//! an argument.

use pushlane::adapters::xds::{ClientStatus, StreamId};
use std::time::{Duration, Instant};

/// A replica keeps a tenth more than its part, so that clients don't go round in circles.
const SLACK_PERCENT: u64 = 110;

/// Streams beyond this replica's share of `total` clients, or beyond its own limit. `limits` are
/// those of all replicas that admit clients.
pub(super) fn excess(mine: u64, total: u64, limits: &[u64], limit: u64) -> u64 {
    mine.saturating_sub(share(total.max(mine), limits).min(limit))
}

/// An equal part for each; what is beyond a replica's limit is divided among the others.
fn share(total: u64, limits: &[u64]) -> u64 {
    let mut limits = limits.to_vec();
    limits.sort_unstable();
    let (mut left, mut replicas) = (total, limits.len() as u64);
    for limit in limits {
        if limit.saturating_mul(replicas) >= left {
            return (left * SLACK_PERCENT).div_ceil(100 * replicas);
        }
        left -= limit;
        replicas -= 1;
    }
    u64::MAX // more clients than places: nobody could take them
}

/// Lets so many streams a second go.
#[derive(Debug)]
pub(super) struct Pace {
    interval: Option<Duration>,
    next: Instant,
}

impl Pace {
    pub(super) fn new(rate: u32, now: Instant) -> Self {
        Self { interval: Duration::from_secs(1).checked_div(rate), next: now }
    }

    /// How many of `wanted` may go now. What wasn't wanted earlier is not made up for.
    pub(super) fn take(&mut self, wanted: u64, now: Instant) -> u64 {
        let Some(interval) = self.interval.filter(|it| !it.is_zero()) else { return 0 };
        let mut count = 0;
        if wanted == 0 {
            self.next = self.next.max(now);
        }
        while count < wanted && self.next <= now {
            self.next += interval;
            count += 1;
        }
        count
    }
}

/// The streams that go first: those with nothing in flight, and of these the youngest.
pub(super) fn first_to_go(clients: &[ClientStatus], count: usize) -> Vec<StreamId> {
    let busy = |client: &ClientStatus| client.types.iter().any(|of| of.outstanding.is_some());
    let mut order: Vec<_> =
        clients.iter().map(|client| (busy(client), client.age, client.stream)).collect();
    order.sort_unstable();
    order.into_iter().take(count).map(|(_, _, stream)| stream).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_keeps_a_tenth_more_than_its_part() {
        let three = [1_000; 3];
        assert_eq!(excess(150, 300, &three, 1_000), 40);
        assert_eq!(excess(110, 300, &three, 1_000), 0);
        assert_eq!(excess(300, 300, &[1_000], 1_000), 0, "there is no other");
        assert_eq!(excess(300, 300, &[200], 200), 100, "but a limit");
        assert_eq!(excess(300, 300, &[], 1_000), 0, "the records have not been read");
        assert_eq!(excess(1, 1, &three, 1_000), 0, "never the last one");
        assert_eq!(excess(300, 0, &three[..2], 1_000), 135, "the others' records are old");
    }

    #[test]
    fn what_one_replica_does_not_take_the_others_may_keep() {
        assert_eq!(excess(120, 300, &[60, 1_000, 1_000], 1_000), 0);
        assert_eq!(excess(140, 300, &[60, 1_000, 1_000], 1_000), 8, "240 for two");
        assert_eq!(excess(100, 300, &[60, 1_000, 1_000], 60), 40);
        assert_eq!(excess(200, 300, &[60, 100, 100], 100), 100, "more clients than places");
    }

    /// Ten replicas, of which one comes back empty, in virtual time: clients that go come back
    /// anywhere.
    #[test]
    fn clients_spread_and_then_stay() {
        let (mut clients, mut now) = ([100_u64; 10], Instant::now());
        clients[9] = 0;
        let mut paces: Vec<_> = clients.iter().map(|_| Pace::new(10, now)).collect();
        let (mut gone, mut random) = (0, 1_u64);
        for _ in 0..600 {
            now += Duration::from_millis(100);
            let total = clients.iter().sum();
            for at in 0..10 {
                let over = excess(clients[at], total, &[1_000; 10], 1_000);
                for _ in 0..paces[at].take(over, now) {
                    random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    clients[at] -= 1;
                    clients[(random >> 33) as usize % 10] += 1;
                    gone += 1;
                }
            }
        }
        assert_eq!(clients.iter().sum::<u64>(), 900);
        assert!(
            clients.iter().all(|mine| excess(*mine, 900, &[1_000; 10], 1_000) == 0),
            "{clients:?}"
        );
        assert!(gone < 200, "{gone} had to go");
    }

    #[test]
    fn no_more_than_the_rate() {
        let begin = Instant::now();
        let mut pace = Pace::new(10, begin);
        let steps = (0..1_000).map(|step| begin + Duration::from_millis(10 * step));
        let gone: u64 = steps.map(|now| pace.take(1_000, now)).sum();
        assert_eq!(gone, 100, "ten seconds");
        let later = begin + Duration::from_secs(100);
        assert_eq!((pace.take(0, later), pace.take(5, later)), (0, 1), "no burst after a pause");
        assert_eq!(Pace::new(0, begin).take(5, begin), 0);
    }
}
