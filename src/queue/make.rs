//! Making a queue: on the heap, or in a constant.

use super::PushQueue;
use crate::bank::Bank;
use crate::banks::Banks;
use crate::config::Config;
use crate::convergence::Convergence;
use crate::fan_out::FanOut;
use crate::limiter::Limiter;
use crate::progress::Progress;
use crate::ready::lane::LaneQueue;
use crate::registry::Registry;
use crate::signal::Signal;
use crate::storage::CachePadded;
use crate::topics::Topics;

#[cfg(feature = "alloc")]
mod on_heap {
    use super::*;
    use crate::backlog::Backlog;
    use crate::limiter::MAX_PERMITS;
    use crate::ready::{Sweep, WithBanks};
    use crate::registry::Seat;
    use crate::slot::{SLOTS, beyond};
    use crate::storage::{Heap, row};
    use crate::sync::AtomicUsize;
    use crate::topics::{Row, Summary};

    impl<B: Backlog + Default, R: WithBanks, N: Signal + Default> PushQueue<B, Heap<R>, N> {
        /// A queue on the heap, of the parts that its type names: `PushQueue::<Dirty>::new` is
        /// served round robin and tells nobody. Parts that have no default go into [`with_parts`].
        ///
        /// [`with_parts`]: PushQueue::with_parts
        pub fn new(config: Config) -> Self {
            PushQueue::with_parts(config, B::default(), N::default())
        }
    }

    impl<B: Backlog, R: WithBanks, N: Signal> PushQueue<B, Heap<R>, N> {
        /// A queue on the heap with a ready set, a backlog and a signal of one's choice.
        ///
        /// ```
        /// # #[cfg(feature = "crossbeam-queue")] {
        /// use pushlane::{Config, PushQueue, NoSignal, backlog::Dirty, ready::Fifo, storage::Heap};
        ///
        /// let in_order_of_arrival: PushQueue<Dirty, Heap<Fifo>> =
        ///     PushQueue::with_parts(Config::new(100), Dirty, NoSignal);
        /// # let _ = in_order_of_arrival;
        /// # }
        /// ```
        pub fn with_parts(config: Config, backlog: B, signal: N) -> Self {
            let clients = config.clients.min(MAX_PERMITS);
            // At least one bank, so that a queue without room needs no special case.
            let banks = clients.div_ceil(SLOTS).max(1);
            let lane = || CachePadded(LaneQueue::new(R::with_banks(banks)));
            let members = || Row::new(row(banks, || AtomicUsize::new(0)));
            PushQueue {
                banks: Banks::spread(banks, |bank| Bank::with_held(beyond(bank, clients))),
                cells: row(banks, || backlog.cells()),
                backlog,
                lanes: [lane(), lane()],
                fan_outs: [FanOut::new(banks), FanOut::new(banks)],
                claims_since_expand: AtomicUsize::new(0),
                urgent_run: CachePadded(AtomicUsize::new(0)),
                urgent_ratio: config.urgent_ratio,
                registry: Registry::new(
                    row(banks, || core::array::from_fn(|_| Seat::empty())),
                    Sweep::holding(clients.div_ceil(SLOTS), banks),
                    clients,
                ),
                topics: Topics::new(
                    row(config.topics, members),
                    row(banks, || AtomicUsize::new(0)),
                    Summary::new(banks, config.topics),
                ),
                convergence: Convergence::new(),
                progress: row(banks, Progress::none),
                limiter: CachePadded(Limiter::new(config.permits)),
                signal,
            }
        }
    }
}

#[cfg(not(loom))]
mod in_place {
    use super::*;
    use crate::backlog::ConstBacklog;
    use crate::fan_out::MAX_BANKS;
    use crate::ready::{ConstReady, Sweep};
    use crate::registry::Seat;
    use crate::signal::NoSignal;
    use crate::slot::{SLOTS, beyond};
    use crate::storage::Static;
    use crate::sync::AtomicUsize;
    use crate::topics::{Row, Summary};

    impl<B, R, const BANKS: usize, const TOPICS: usize, const WORDS: usize>
        PushQueue<B, Static<BANKS, TOPICS, WORDS, R>>
    where
        B: ConstBacklog,
        R: ConstReady,
    {
        /// A queue in place without a signal; see [`StaticQueue`](crate::StaticQueue).
        ///
        /// The capacity is `BANKS * SLOTS`, or `config`'s number of clients if that is less.
        ///
        /// # Panics
        ///
        /// If `config` asks for more clients than there is room for, or for another number of
        /// topics than `TOPICS`. In a `static` or a `const` that is a compile-time error:
        ///
        /// ```compile_fail,E0080
        /// use pushlane::{Config, StaticQueue, backlog::Dirty};
        ///
        /// // Room for 64 clients on a 64-bit target.
        /// static QUEUE: StaticQueue<Dirty, 4> = StaticQueue::const_new(Config::new(1_000));
        /// ```
        ///
        /// ```compile_fail,E0080
        /// use pushlane::{Config, StaticQueue, backlog::Dirty};
        ///
        /// // No topics.
        /// static QUEUE: StaticQueue<Dirty, 4> = StaticQueue::const_new(Config::new(64).topics(8));
        /// ```
        pub const fn const_new(config: Config) -> Self {
            PushQueue::const_with_signal(config, NoSignal)
        }
    }

    impl<B, R, N, const BANKS: usize, const TOPICS: usize, const WORDS: usize>
        PushQueue<B, Static<BANKS, TOPICS, WORDS, R>, N>
    where
        B: ConstBacklog,
        R: ConstReady,
        N: Signal,
    {
        /// A queue in place, with a signal. Panics as [`const_new`](PushQueue::const_new).
        pub const fn const_with_signal(config: Config, signal: N) -> Self {
            let () = Static::<BANKS, TOPICS, WORDS, R>::FITS;
            const { assert!(BANKS <= MAX_BANKS, "a queue can't have so many banks") };
            const { assert!(R::BANKS >= BANKS, "the ready set has room for fewer banks than there are") };
            let room = BANKS * SLOTS;
            let clients = if config.clients == usize::MAX { room } else { config.clients };
            // In a `static` or a constant these fail to compile.
            assert!(clients <= room, "Config: more clients than BANKS * SLOTS");
            assert!(
                config.topics == 0 || config.topics == TOPICS,
                "Config: not the number of topics that the storage has"
            );
            let mut banks = [const { Bank::with_held(0) }; BANKS];
            let mut bank = 0;
            while bank < BANKS {
                banks[bank] = Bank::with_held(beyond(bank, clients));
                bank += 1;
            }
            PushQueue {
                banks: Banks::side_by_side(banks),
                cells: [const { B::CELLS }; BANKS],
                backlog: B::EMPTY,
                lanes: [const { CachePadded(LaneQueue::new(R::EMPTY)) }; 2],
                fan_outs: [const { FanOut::new(BANKS) }; 2],
                claims_since_expand: AtomicUsize::new(0),
                urgent_run: CachePadded(AtomicUsize::new(0)),
                urgent_ratio: config.urgent_ratio,
                registry: Registry::new(
                    [const { [const { Seat::empty() }; SLOTS] }; BANKS],
                    Sweep::const_holding(clients.div_ceil(SLOTS)),
                    clients,
                ),
                topics: Topics::new(
                    [const { Row::new([const { AtomicUsize::new(0) }; BANKS]) }; TOPICS],
                    [const { AtomicUsize::new(0) }; BANKS],
                    Summary::const_new([const { AtomicUsize::new(0) }; BANKS], TOPICS),
                ),
                convergence: Convergence::new(),
                progress: [const { Progress::none() }; BANKS],
                limiter: CachePadded(Limiter::new(config.permits)),
                signal,
            }
        }
    }
}
