//! When the interrupt strikes: inside which operation, and before which instruction.

use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed};

use crate::board;
use crate::chance::Chance;

macro_rules! operations {
    ($($name:ident),*) => {
        /// What the main loop does to the queue.
        #[derive(Clone, Copy, Debug)]
        pub(crate) enum Operation { $($name),* }

        impl Operation {
            pub(crate) const ALL: &[Operation] = &[$(Operation::$name),*];
        }
    };
}

operations!(
    Lease,
    Complete,
    Requeue,
    ReturnPermit,
    Register,
    RegisterWith,
    Unregister,
    Subscribe,
    Unsubscribe,
    PublishToOne,
    PublishToTopics,
    PublishToEveryone,
    Resize,
    Converged
);

const OUTSIDE: usize = Operation::ALL.len();

/// Two bytes an instruction: code of 32 KiB, or of 8 KiB on the smallest board, which needs the
/// memory for its stack. In longer code two instructions may share a bit.
const CODE: usize = if cfg!(target_has_atomic = "ptr") { 16 * 1024 } else { 4 * 1024 };

/// Counts the interrupts.
pub(crate) struct Moments {
    inside: AtomicUsize,
    hits: [AtomicU32; OUTSIDE],
    /// One bit for each instruction that an interrupt has come before, inside an operation.
    struck: [AtomicU32; CODE / 32],
}

// The main loop and the interrupt share one core, and the interrupt runs to its end: a load and a
// store make an increment here, on every target. (In the queue they would not: there the interrupt
// comes in between.)
fn update(word: &AtomicU32, change: impl Fn(u32) -> u32) {
    word.store(change(word.load(Relaxed)), Relaxed);
}

impl Moments {
    pub(crate) const fn new() -> Self {
        Moments {
            inside: AtomicUsize::new(OUTSIDE),
            hits: [const { AtomicU32::new(0) }; OUTSIDE],
            struck: [const { AtomicU32::new(0) }; CODE / 32],
        }
    }

    /// Does `act` with the timer armed, as a rule, so that it may be interrupted anywhere.
    pub(crate) fn during<T>(
        &self,
        operation: Operation,
        chance: &mut Chance,
        act: impl FnOnce() -> T,
    ) -> T {
        let armed = chance.once_in(2);
        let ticks = chance.of_any_size(8);
        // A tick is some ten instructions: without this the interrupt would come at every tenth
        // only.
        let offset = chance.below(16);
        self.inside.store(operation as usize, Relaxed);
        if armed {
            board::arm(ticks);
        }
        for step in 0..offset {
            core::hint::black_box(step);
        }
        let outcome = act();
        // Disarmed while the operation still counts as going on: nothing comes after it.
        if armed {
            board::disarm();
        }
        self.inside.store(OUTSIDE, Relaxed);
        outcome
    }

    /// The interrupt has come before the instruction at `at`.
    pub(crate) fn strike(&self, at: usize) {
        let inside = self.inside.load(Relaxed);
        if let Some(hits) = self.hits.get(inside) {
            update(hits, |hits| hits + 1);
            let place = at / 2 % CODE;
            update(&self.struck[place / 32], |bits| bits | 1 << (place % 32));
        }
    }

    pub(crate) fn hits(&self, operation: Operation) -> u32 {
        self.hits[operation as usize].load(Relaxed)
    }

    /// How many different instructions were interrupted, at least.
    pub(crate) fn instructions(&self) -> u32 {
        self.struck.iter().map(|bits| bits.load(Relaxed).count_ones()).sum()
    }
}
