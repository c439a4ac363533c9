//! Mutants that no model notices, and why that is no reason to worry.

use super::weaken::Weakened;

/// One reason, for mutants of one operation: file, function, operation, mutations, reason.
type Entry = (&'static str, &'static str, &'static str, &'static [&'static str], &'static str);

/// A transition that is refused reads and writes nothing by itself.
const REFUSED: &str = "only a refused transition rests on it, and whoever acts on one goes on with a \
    read-modify-write of another word (the seat's, the ready set's), which orders it; kept so that this \
    need not be argued for each transition";

/// No model contains it.
const UNSEEN: &str = "not modelled: loom can't see into heapless; the same operations as in `Fifo`, which is modelled";

pub const SURVIVORS: &[Entry] = &[
    (
        "backlog/journal.rs",
        "begin",
        "self.head.fetch_add",
        &["AcqRel → Release"],
        "stronger than needed: publishers learn nothing from one another here, and a reader acquires what all \
         of them released, because each read-modify-write continues the release sequence",
    ),
    ("bank.rs", "transit", "self.0.load", &["Acquire → Relaxed"], REFUSED),
    (
        "bank.rs",
        "transit",
        "self.0.compare_exchange_weak",
        &["failure: Acquire → Relaxed"],
        REFUSED,
    ),
    (
        "bank.rs",
        "try_mark",
        "self.0.compare_exchange",
        &["AcqRel → Release"],
        "stronger than needed: the caller has loaded the same word with Acquire, and the exchange succeeds only \
         if it is unchanged; kept as in every other transition",
    ),
    (
        "convergence.rs",
        "close",
        "self.counter.fetch_or",
        &["AcqRel → Acquire", "AcqRel → Release"],
        "stronger than needed: whoever finds the queue closed acquires every number before, because this \
         read-modify-write continues their release sequences; the closer itself tells nothing by it",
    ),
    (
        "fan_out.rs",
        "settled",
        "self.visits.load",
        &["Acquire → Relaxed"],
        "noticed only if 65,536 publishers have raised between two loads: more than a model can have",
    ),
    (
        "fan_out.rs",
        "visit",
        "self.visits.compare_exchange_weak",
        &["Acquire → Relaxed"],
        "stronger than needed: the word has been loaded with Acquire, and the exchange succeeds only if it is \
         unchanged; kept, because it can be the same again after 65,536 publishers and a round of the circle",
    ),
    (
        "ready/static_fifo.rs",
        "insert",
        "self.queued[bank].swap",
        &["AcqRel → Acquire", "AcqRel → Release", "load + store"],
        UNSEEN,
    ),
    ("ready/static_fifo.rs", "insert", "self.len.fetch_add", &["load + store"], UNSEEN),
    ("ready/static_fifo.rs", "pop", "self.len.fetch_sub", &["load + store"], UNSEEN),
    (
        "ready/static_fifo.rs",
        "pop",
        "self.queued[bank].swap",
        &["AcqRel → Acquire", "AcqRel → Release", "load + store"],
        UNSEEN,
    ),
];

/// The place in the list of the reason why a mutant survives, and the reason.
pub fn reason(mutant: &Weakened) -> Option<(usize, &'static str)> {
    SURVIVORS.iter().enumerate().find_map(|(at, (file, function, operation, mutations, reason))| {
        (mutant.file == *file
            && mutant.function == *function
            && mutant.operation == *operation
            && mutations.contains(&mutant.mutation.as_str()))
        .then_some((at, *reason))
    })
}
