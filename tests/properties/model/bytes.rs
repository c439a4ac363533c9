//! Arbitrary bytes as a queue and its operations, so that a fuzzer can find sequences that random
//! ones miss. What it has found is in `seeds/`, and every test run repeats it.

use proptest::test_runner::TestCaseError;
use pushlane::backlog::ConstBacklog;
use pushlane::ready::{Fifo, StaticFifo};
use pushlane::storage::Heap;
use pushlane::{Lane, NoSignal, PushQueue, Topic};

use super::drive;
use super::kinds::{
    CHANGES, Change, Kind, OfBits, OfDirty, OfLocked, OfLongJournal, OfShared, OfShortJournal,
};
use super::ops::{End, InPlace, Op, Sizes, TOPICS, To, Who};

/// Bounds a run: after each step every version is compared. And the long journal must hold every
/// request.
const PUBLISHES: usize = 100;
const OPS: usize = 256;

/// The bytes that are left. Every byte means something; a run ends where too few are left.
struct Bytes<'b>(&'b [u8]);

impl Bytes<'_> {
    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn below(&mut self, bound: usize) -> Option<usize> {
        self.next().map(|byte| usize::from(byte) % bound)
    }

    fn choice(&mut self) -> Option<usize> {
        self.next().map(usize::from)
    }

    fn sizes(&mut self) -> Option<Sizes> {
        let clients = [1, 3, 17, 40][self.below(4)?];
        Some(Sizes { clients, permits: self.below(8)?, urgent_ratio: self.below(5)? })
    }

    fn who(&mut self) -> Option<Who> {
        match self.choice()? {
            230.. => self.choice().map(Who::Ever),
            choice => Some(Who::Here(choice)),
        }
    }

    /// Rarely one that there isn't.
    fn topic(&mut self) -> Option<Topic> {
        let byte = u32::from(self.next()?);
        Some(Topic(if byte >= 248 { TOPICS + byte % 2 } else { byte % TOPICS }))
    }

    fn topics(&mut self, bound: usize) -> Option<Vec<Topic>> {
        let topics = self.below(bound)?;
        (0..topics).map(|_| self.topic()).collect()
    }

    fn change(&mut self) -> Option<(Lane, Change)> {
        let byte = self.next()?;
        Some((if byte < 128 { Lane::Normal } else { Lane::Urgent }, byte % CHANGES))
    }

    fn to(&mut self) -> Option<To> {
        Some(match self.below(8)? {
            0 => To::Everyone,
            1..=2 => To::One(self.who()?),
            3..=4 => To::Topics { any: self.topics(7)?, and: None },
            5 => To::Topics { any: self.topics(7)?, and: Some(self.topics(4)?) },
            _ => To::Topics { any: vec![self.topic()?], and: None },
        })
    }

    fn op(&mut self) -> Option<Op> {
        Some(match self.below(37)? {
            0..=1 => Op::Register { clients: 1 + self.below(19)? },
            2 => {
                let (lane, change) = self.change()?;
                Op::RegisterWith { lane, change }
            }
            3..=4 => Op::Unregister(self.who()?),
            5..=7 => Op::Subscribe(self.who()?, self.topic()?),
            8..=9 => Op::Unsubscribe(self.who()?, self.topic()?),
            10..=16 => {
                let to = self.to()?;
                let (lane, change) = self.change()?;
                Op::Publish { to, lane, change }
            }
            17..=20 => Op::Lease { times: 1 + self.below(7)? },
            21 => {
                let (lane, change) = self.change()?;
                Op::Hot { lane, change, times: 1 + self.below(7)? }
            }
            22..=25 => Op::Complete(self.choice()?),
            26 => Op::Requeue(self.choice()?),
            27 => Op::Drop(self.choice()?),
            28 => Op::ReleasePermit(self.choice()?),
            29 => Op::TakePermit(self.choice()?),
            30 => Op::ReturnPermit(self.choice()?),
            31..=33 => Op::LeaseBatch { most: self.below(20)? },
            34..=35 => {
                let end = match self.below(8)? {
                    0..=3 => End::Complete,
                    4 => End::Requeue,
                    5 => End::Drop,
                    _ => End::Apart { taken: self.below(17)? },
                };
                Op::EndBatch(self.choice()?, end)
            }
            _ => match self.choice()? {
                255 => Op::Close,
                limit => Op::SetLimit(limit % 8),
            },
        })
    }

    fn ops(&mut self) -> Vec<Op> {
        let mut publishes = 0;
        let within = |op: &Op| {
            publishes += match op {
                Op::Publish { .. } | Op::RegisterWith { .. } => 1,
                Op::Hot { times, .. } => *times,
                _ => 0,
            };
            publishes <= PUBLISHES
        };
        std::iter::from_fn(|| self.op()).take(OPS).take_while(within).collect()
    }
}

/// Makes the queue that the bytes ask for, runs their operations, and compares it with the
/// reference.
pub(crate) fn check(bytes: &[u8]) -> Result<(), TestCaseError> {
    let mut bytes = Bytes(bytes);
    let (Some(queue), Some(sizes)) = (bytes.below(18), bytes.sizes()) else {
        return Ok(());
    };
    let ops = bytes.ops();
    let checked = match queue / 3 {
        0 => over::<OfDirty>(queue % 3, sizes, &ops),
        1 => over::<OfBits>(queue % 3, sizes, &ops),
        2 => over::<OfLocked>(queue % 3, sizes, &ops),
        3 => over::<OfShared>(queue % 3, sizes, &ops),
        4 => over::<OfLongJournal>(queue % 3, sizes, &ops),
        _ => over::<OfShortJournal>(queue % 3, sizes, &ops),
    };
    let shown = |failure| format!("{failure}\nqueue {queue}, {sizes:?}, {ops:#?}");
    checked.map_err(|failure| TestCaseError::fail(shown(failure)))
}

fn over<K: Kind<Backlog: ConstBacklog + Default>>(
    ready: usize,
    sizes: Sizes,
    ops: &[Op],
) -> Result<(), TestCaseError> {
    let (config, backlog) = (sizes.config(), K::Backlog::default());
    match ready {
        0 => drive::run::<K, Heap>(&PushQueue::with_parts(config, backlog, NoSignal), sizes, ops),
        1 => drive::run::<K, Heap<Fifo>>(
            &PushQueue::with_parts(config, backlog, NoSignal),
            sizes,
            ops,
        ),
        _ => drive::run::<K, InPlace<StaticFifo<4>>>(&PushQueue::const_new(config), sizes, ops),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::{fs, path::Path};

    #[test]
    fn what_a_fuzzer_has_found() {
        let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("model/seeds");
        let mut done = 0;
        for seed in fs::read_dir(&seeds).unwrap() {
            let path = seed.unwrap().path();
            if let Err(failure) = check(&fs::read(&path).unwrap()) {
                panic!("{}: {failure}", path.display());
            }
            done += 1;
        }
        assert!(done > 0, "{} is empty", seeds.display());
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

        #[test]
        fn random_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            check(&bytes)?;
        }
    }
}
