//! Mutants that no model notices, and why that is no reason to worry.

use super::weaken::Weakened;

/// One reason, for mutants of one operation: file, function, operation, mutations, reason.
type Entry = (&'static str, &'static str, &'static str, &'static [&'static str], &'static str);

/// A transition that is refused reads and writes nothing by itself.
const REFUSED: &str = "only a refused transition rests on it, and a thread that acts on one goes on with a \
    read-modify-write of another word (the seat's, the ready set's), which orders it; kept so that this \
    need not be argued for each transition";

/// What is wrong without it is that crossbeam's queue may be found full.
const FULL: &str = "it orders the pop of a bank from crossbeam's queue before the next push of that bank, which \
    must not find the queue full; loom has a stand-in behind a lock, which orders them as well";

/// No model contains it.
const UNSEEN: &str = "not modelled: loom can't see into heapless; the same operations as in `Fifo`, which is modelled";

/// The models have words of 64 bits.
const WRAPS: &str = "not modelled: runs only where numbers wrap, on 32-bit targets; unit tests let them wrap, and \
    the firmware runs it";

/// Part of a test, outside a module of tests.
const TEST: &str = "only tests run it";

pub const SURVIVORS: &[Entry] = &[
    ("backlog/journal.rs", "move_cursor", "cursor.compare_exchange", &["load + store"], WRAPS),
    ("backlog/journal.rs", "age", "cursor.compare_exchange", &["load + store"], WRAPS),
    (
        "convergence.rs",
        "advance",
        "self.counter.fetch_add",
        &["AcqRel → Acquire", "AcqRel → Release", "load + store"],
        TEST,
    ),
    ("progress.rs", "enter", "completed.compare_exchange", &["load + store"], WRAPS),
    ("progress.rs", "age", "completed.compare_exchange", &["load + store"], WRAPS),
    (
        "progress.rs",
        "reach",
        "completed.compare_exchange_weak",
        &["Release → Relaxed", "load + store"],
        WRAPS,
    ),
    (
        "topics/summary.rs",
        "one_thread_sweeps_a_group_at_a_time",
        "word.fetch_or",
        &["load + store"],
        TEST,
    ),
    (
        "adapters/xds/state.rs",
        "set_stream_limit",
        "self.stream_limit.swap",
        &["load + store"],
        "not modelled: nothing depends on which limit was replaced; it is told to the operator",
    ),
    (
        "adapters/xds/topics.rs",
        "join",
        "self.members[topic.0asusize].fetch_add",
        &["load + store"],
        "not modelled, a plain count: `clients_that_join_and_quit_at_once_are_all_counted`, with threads, fails",
    ),
    (
        "adapters/xds/topics.rs",
        "quit",
        "self.members[topic.0asusize].fetch_sub",
        &["load + store"],
        "not modelled, a plain count: `clients_that_join_and_quit_at_once_are_all_counted`, with threads, fails",
    ),
    (
        "registry.rs",
        "retired",
        "self.0.fetch_and",
        &["load + store"],
        "stronger than needed: the caller alone writes the word then, for no editor is left, and with an older \
         generation none begins",
    ),
    (
        "adapters/xds/state.rs",
        "next_stream",
        "self.newest.fetch_add",
        &["load + store"],
        "not modelled, a plain count: `streams_that_come_at_once_have_numbers_of_their_own`, with threads, fails",
    ),
    (
        "adapters/xds/metrics.rs",
        "add",
        "self.0.fetch_add",
        &["load + store"],
        "not modelled, a plain count: `what_is_counted_at_once_is_all_counted`, with threads, fails",
    ),
    (
        "bank.rs",
        "transit",
        "self.0.compare_exchange_weak",
        &["failure: Acquire → Relaxed"],
        REFUSED,
    ),
    (
        "convergence.rs",
        "close",
        "self.counter.fetch_or",
        &["AcqRel → Release"],
        "stronger than needed: a thread that finds the queue closed acquires every number before, because this \
         read-modify-write continues their release sequences",
    ),
    (
        "convergence.rs",
        "newest_for_newcomer",
        "self.counter.fetch_add",
        &["AcqRel → Acquire", "load"],
        "stronger than needed: by the bank's word a newcomer has seen every number that an owner of the slot \
         has begun with, so who spares the slot for the sake of its last client spares it rightly; kept \
         because that a publish which is not among the numbers read is numbered later is the shorter argument",
    ),
    (
        "queue/expand.rs",
        "expand_if_due",
        "self.claims_since_expand.fetch_add",
        &["load + store"],
        "a hint: it decides only when a group is expanded beside other work, and a count that is lost makes \
         that later",
    ),
    (
        "queue/lanes.rs",
        "count_lane",
        "self.urgent_run.fetch_add",
        &["load + store"],
        "a hint: it decides only which lane is looked at first, and a count that is lost is an urgent lease more",
    ),
    ("ready/fifo.rs", "insert", "self.queued[bank].swap", &["AcqRel → Release"], FULL),
    ("ready/fifo.rs", "pop", "self.queued[bank].swap", &["AcqRel → Acquire"], FULL),
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
    (
        "ready/sweep.rs",
        "clear_summary",
        "summary.fetch_or",
        &["Release → Relaxed"],
        "stronger than needed: every change of the summary is a read-modify-write, so this one continues the \
         release sequence of the inserts that it stands for",
    ),
    (
        "registry.rs",
        "occupy",
        "self.0.fetch_add",
        &["AcqRel → Release", "load + store"],
        "stronger than needed: the newcomer holds the slot, and by the bank's word has seen all that was done to \
         the seat; nobody else changes it until the newcomer's key is known",
    ),
    (
        "registry.rs",
        "update",
        "self.0.compare_exchange_weak",
        &["AcqRel → Acquire"],
        "stronger than needed: who leaves releases what it did by the bank's word (`vacate`) or by `retire`, and \
         an editor by `end_edit`",
    ),
    (
        "registry.rs",
        "update",
        "self.0.compare_exchange_weak",
        &["AcqRel → Release"],
        "stronger than needed: a key was read with Acquire, or came from who sat down, and whatever passes it on \
         to another thread passes that on as well; kept so that this need not be argued for each operation",
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
