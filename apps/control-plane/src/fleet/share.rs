//! How many clients are this replica's share, and how fast those beyond it go. Pure: time is an
//! argument. The simulation of a fleet compiles this file too.
//!
//! A replica keeps a tenth more than an equal part. If another one has less than nine tenths of its
//! part, such as one that has just started, the replica keeps only the part itself. Otherwise the
//! other one would stay that far below.
//!
//! A balancer that chooses at random sends most of the clients that go to replicas that have
//! enough, which end their streams again. So a fixed rate is too slow for a large fleet, and the
//! rate is a tenth of the excess in a second. That is slow beside the two seconds after which the
//! other replicas know of a client that has moved, so numbers don't swing.
//!
//! A replica that admits clients and has none may be out of their reach, and would never fill. For
//! its sake the others end streams only at the lowest rate, and no more than a tenth of the excess.
//!
//! Whatever the lowest rate is, a replica ends in a second no more than it has too many by then. A
//! rate as high as the number of clients would otherwise move them all before the records tell.

use std::time::{Duration, Instant};

/// What a replica keeps, in percent of its part, unless another has too few.
const SLACK: u64 = 110;
/// In percent of its part: with less a replica has too few.
const TOO_FEW: u64 = 90;
/// This part of the excess goes in a second.
const PART: u64 = 10;

/// A replica that admits clients, as its record has it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) clients: u64,
    pub(crate) limit: u64,
}

/// How many streams are to go, and how many of them in a second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Shed {
    pub(crate) streams: u64,
    pub(crate) rate: u32,
}

/// What a replica with `mine` clients, which may have up to `limit`, is to end. `total` are the
/// clients of all replicas, also of those that admit none; `places` are those that do. The rate is
/// between `least`, 0 for none at all, and `most`.
pub(crate) fn shed(
    (mine, limit): (u64, u64),
    total: u64,
    places: &[Place],
    (least, most): (u32, u32),
) -> Shed {
    let total = total.max(mine);
    let excess = |places: &[Place], percent| {
        mine.saturating_sub(
            part(total, places).map_or(u64::MAX, |it| it.at_most(percent)).min(limit),
        )
    };
    let reached: Vec<_> = places.iter().copied().filter(|place| place.clients > 0).collect();
    let too_few = |place: &Place| {
        let its = part(total, &reached).map_or(0, |part| part.at_least(TOO_FEW));
        place.clients < its.min(place.limit * TOO_FEW / 100)
    };
    let percent = if reached.iter().any(too_few) { 100 } else { SLACK };
    let (slow, fast) = (excess(places, SLACK), excess(&reached, percent));
    let number = |streams: u64| u32::try_from(streams).unwrap_or(u32::MAX);
    let fast_rate = number(fast / PART).min(most).max(least).min(number(fast));
    let slow_rate = least.min(number(slow.div_ceil(PART)));
    let rate = if least == 0 { 0 } else { fast_rate.max(slow_rate) };
    Shed { streams: slow.max(fast), rate }
}

/// `clients` for `replicas`.
#[derive(Clone, Copy, Debug)]
struct Part {
    clients: u64,
    replicas: u64,
}

impl Part {
    /// So many percent of it, rounded up.
    fn at_most(self, percent: u64) -> u64 {
        (self.clients * percent).div_ceil(100 * self.replicas)
    }

    /// So many percent of it, rounded down: with few clients each, parts differ by one.
    fn at_least(self, percent: u64) -> u64 {
        self.clients * percent / (100 * self.replicas)
    }
}

/// An equal part for each; what is beyond a replica's limit is divided among the others. `None`:
/// more clients than places, so no replica could take them.
fn part(total: u64, places: &[Place]) -> Option<Part> {
    let mut limits: Vec<_> = places.iter().map(|place| place.limit).collect();
    limits.sort_unstable();
    let mut left = Part { clients: total, replicas: limits.len() as u64 };
    for limit in limits {
        if limit.saturating_mul(left.replicas) >= left.clients {
            return Some(left);
        }
        left.clients -= limit;
        left.replicas -= 1;
    }
    None
}

/// Lets so many streams a second go.
#[derive(Debug)]
pub(crate) struct Pace {
    next: Instant,
}

/// What a caller that comes late makes up for.
const LATE: Duration = Duration::from_secs(2);

impl Pace {
    pub(crate) fn new(now: Instant) -> Self {
        Self { next: now }
    }

    /// How many of the streams may go now. What wasn't wanted earlier is not made up for.
    pub(crate) fn take(&mut self, shed: Shed, now: Instant) -> u64 {
        let earliest = match (shed.streams, shed.rate) {
            (0, _) | (_, 0) => Some(now),
            _ => now.checked_sub(LATE),
        };
        self.next = earliest.map_or(self.next, |earliest| self.next.max(earliest));
        let Some(interval) = Duration::from_secs(1).checked_div(shed.rate) else { return 0 };
        let interval = interval.max(Duration::from_nanos(1));
        let mut count = 0;
        while count < shed.streams && self.next <= now {
            self.next += interval;
            count += 1;
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places<const N: usize>(places: [(u64, u64); N]) -> [Place; N] {
        places.map(|(clients, limit)| Place { clients, limit })
    }

    fn excess(mine: u64, total: u64, others: &[Place], limit: u64) -> u64 {
        shed((mine, limit), total, others, (10, 1_000)).streams
    }

    #[test]
    fn a_replica_keeps_a_tenth_more_than_its_part() {
        let three = places([(100, 1_000); 3]);
        assert_eq!(excess(150, 300, &three, 1_000), 40);
        assert_eq!(excess(110, 300, &three, 1_000), 0);
        assert_eq!(excess(300, 300, &places([(300, 1_000)]), 1_000), 0, "there is no other");
        assert_eq!(excess(300, 300, &places([(300, 200)]), 200), 100, "but a limit");
        assert_eq!(excess(300, 300, &[], 1_000), 0, "the records have not been read");
        assert_eq!(excess(1, 1, &three, 1_000), 0, "never the last one");
        let two = places([(140, 1_000); 2]);
        assert_eq!(excess(300, 0, &two, 1_000), 135, "the others' records are old");
    }

    #[test]
    fn what_one_replica_does_not_take_the_others_may_keep() {
        let more = places([(60, 60), (120, 1_000), (120, 1_000)]);
        assert_eq!(excess(120, 300, &more, 1_000), 0);
        assert_eq!(excess(140, 300, &more, 1_000), 8, "240 for two");
        assert_eq!(excess(100, 300, &more, 60), 40);
        let full = places([(60, 60), (100, 100), (100, 100)]);
        assert_eq!(excess(200, 300, &full, 100), 100, "more clients than places");
    }

    #[test]
    fn for_one_with_too_few_the_others_keep_no_more_than_their_part() {
        let of_last = |last| places([(110, 1_000), (110, 1_000), (last, 1_000)]);
        assert_eq!(excess(110, 300, &of_last(90), 1_000), 0);
        assert_eq!(excess(110, 300, &of_last(89), 1_000), 10);
        let full = places([(135, 1_000), (115, 1_000), (50, 50)]);
        assert_eq!(excess(135, 300, &full, 1_000), 0, "it can't take more");
        assert_eq!(excess(135, 300, &of_last(0), 1_000), 25, "as though it had enough");
        let few = places([(4, 10), (5, 10), (3, 10)]);
        assert_eq!(excess(5, 12, &few, 10), 0, "3 of 4 is less than nine tenths, but only by one");
    }

    #[test]
    fn the_rate_grows_with_the_excess_unless_it_is_for_one_that_may_be_out_of_reach() {
        let rate = |mine, last, most| {
            let places = places([(100_000, 1 << 20), (100_000, 1 << 20), (last, 1 << 20)]);
            shed((mine, 1 << 20), 300_000, &places, (10, most)).rate
        };
        assert_eq!(rate(110_100, 100_000, 1_000), 10);
        assert_eq!(rate(115_000, 100_000, 1_000), 500);
        assert_eq!(rate(150_000, 100_000, 1_000), 1_000, "others admit no more");
        assert_eq!(rate(150_000, 1, 1_000), 1_000);
        assert_eq!(rate(150_000, 0, 1_000), 10, "those that have clients have no more than this");
        assert_eq!(rate(115_000, 100_000, 5), 10, "the lowest rate prevails");
        let none = shed((300, 1_000), 300, &places([(300, 1_000); 3]), (0, 1_000));
        assert_eq!(Pace::new(Instant::now()).take(none, Instant::now()), 0);
    }

    /// Replicas of which one comes back with a single client, in virtual time: clients that go come
    /// back anywhere. All end near their part, and then stay.
    #[test]
    fn clients_spread_and_then_stay() {
        for (replicas, of_each, most) in [(3, 10, 60), (10, 100, 3_000), (20, 1_000, 40_000)] {
            let (mut clients, mut now) = (vec![of_each; replicas], Instant::now());
            clients[0] = 1;
            let mut paces: Vec<_> = clients.iter().map(|_| Pace::new(now)).collect();
            let (mut gone, mut random, mut quiet) = (0, 1_u64, 0);
            for _ in 0..2_000 {
                now += Duration::from_millis(100);
                let total = clients.iter().sum();
                let places: Vec<_> =
                    clients.iter().map(|it| Place { clients: *it, limit: 1 << 20 }).collect();
                let before = gone;
                for at in 0..replicas {
                    let shed = shed((clients[at], 1 << 20), total, &places, (10, 1_000));
                    for _ in 0..paces[at].take(shed, now) {
                        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                        clients[at] -= 1;
                        clients[(random >> 33) as usize % replicas] += 1;
                        gone += 1;
                    }
                }
                quiet = if gone == before { quiet + 1 } else { 0 };
            }
            assert_eq!(clients.iter().sum::<u64>(), of_each * (replicas as u64 - 1) + 1);
            assert!(quiet > 500 && gone < most, "{gone} had to go, quiet for {quiet}");
            let part = clients.iter().sum::<u64>() / replicas as u64;
            let near = |count: &u64| (part * 9 / 10..=part * 11 / 10 + 1).contains(count);
            assert!(clients.iter().all(near), "{clients:?}");
        }
    }

    /// The last replica is out of reach, and records are a second old. At a rate with which all
    /// clients could go in a second, they would: each time far more than are beyond the part.
    #[test]
    fn at_the_highest_rates_clients_do_not_move_all_the_time() {
        for of_each in [10, 100] {
            let (mut clients, begin) = (vec![of_each; 3], Instant::now());
            clients[2] = 0;
            let mut paces: Vec<_> = clients.iter().map(|_| Pace::new(begin)).collect();
            let (mut told, mut gone, mut random) = (clients.clone(), 0, 1_u64);
            for step in 0..2_000_u32 {
                let now = begin + Duration::from_millis(100) * step;
                if step.is_multiple_of(10) {
                    told.clone_from(&clients);
                }
                let total = told.iter().sum();
                let places: Vec<_> =
                    told.iter().map(|it| Place { clients: *it, limit: 1 << 20 }).collect();
                for at in 0..2 {
                    let rates = (10 * of_each as u32, 1_000);
                    let shed = shed((clients[at], 1 << 20), total, &places, rates);
                    for _ in 0..paces[at].take(shed, now) {
                        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                        clients[at] -= 1;
                        clients[(random >> 33) as usize % 2] += 1;
                        gone += 1;
                    }
                }
            }
            let all = clients.iter().sum::<u64>();
            assert!(gone < 25 * all, "{gone} of {all} in 200 s: {clients:?}");
        }
    }

    #[test]
    fn no_more_than_the_rate() {
        let (begin, shed) = (Instant::now(), Shed { streams: 1_000, rate: 10 });
        let mut pace = Pace::new(begin);
        let steps = (0..1_000).map(|step| begin + Duration::from_millis(10 * step));
        let gone: u64 = steps.map(|now| pace.take(shed, now)).sum();
        assert_eq!(gone, 100, "ten seconds");
        let later = begin + Duration::from_secs(100);
        assert_eq!(pace.take(Shed { rate: 100, ..shed }, later), 201, "a caller that is late");
        for (seconds, pause) in [(200, Shed { streams: 0, ..shed }), (300, Shed::default())] {
            let later = begin + Duration::from_secs(seconds);
            assert_eq!(pace.take(pause, later), 0);
            assert_eq!(pace.take(shed, later), 1, "no burst after a pause");
        }
    }
}
