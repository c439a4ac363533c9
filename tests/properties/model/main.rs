//! The whole queue against a plain reference: random operations in any order, over each ready set
//! and each backlog. After each step everything visible from outside must agree: what a lease
//! holds, which clients may be next, permits, places, and for every version ever returned its
//! laggards.
//!
//! * `reference`: what must be true;
//! * `kinds`: the backlogs, and what is published to them;
//! * `ops`: what may happen;
//! * `bytes`: the same from arbitrary bytes, for a fuzzer;
//! * `drive`: does it to both and compares the results;
//! * `agree`: compares everything else that can be seen.

mod agree;
mod bytes;
mod drive;
mod kinds;
mod ops;
mod reference;

use proptest::collection::vec;
use proptest::test_runner::{Config as Run, TestRunner};
use pushlane::ready::{Fifo, StaticFifo};
use pushlane::storage::{Heap, Storage};
use pushlane::{NoSignal, PushQueue};

use kinds::{Kind, OfBits, OfDirty, OfLocked, OfLongJournal, OfShared, OfShortJournal};
use ops::{InPlace, Sizes};

/// At least; `PROPTEST_CASES` asks for more.
const CASES: u32 = 800;
const OPS: usize = 64;

fn check<K: Kind, S: Storage>(make: impl Fn(Sizes) -> PushQueue<K::Backlog, S>) {
    // Failures are small and printed whole: a file of seeds would say less.
    let run = Run { failure_persistence: None, ..Run::default() };
    let run = Run { cases: run.cases.max(CASES), ..run };
    let sequences = (ops::sizes(), vec(ops::op(), 1..OPS));
    let checked = TestRunner::new(run)
        .run(&sequences, |(sizes, ops)| drive::run::<K, S>(&make(sizes), sizes, &ops));
    if let Err(failure) = checked {
        panic!("{failure}");
    }
}

macro_rules! models {
    ($($backlog:ident: $kind:ty),*) => {$(
        mod $backlog {
            use super::*;

            #[test]
            fn swept() {
                check::<$kind, Heap>(|sizes| {
                    PushQueue::with_parts(sizes.config(), Default::default(), NoSignal)
                });
            }

            #[test]
            fn in_order_of_arrival() {
                check::<$kind, Heap<Fifo>>(|sizes| {
                    PushQueue::with_parts(sizes.config(), Default::default(), NoSignal)
                });
            }

            #[test]
            fn in_place() {
                check::<$kind, InPlace<StaticFifo<4>>>(|sizes| {
                    PushQueue::const_new(sizes.config())
                });
            }
        }
    )*};
}

models!(
    dirty: OfDirty,
    bits: OfBits,
    locked: OfLocked,
    shared: OfShared,
    long_journal: OfLongJournal,
    short_journal: OfShortJournal
);
