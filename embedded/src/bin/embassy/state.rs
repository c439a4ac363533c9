//! What there is to push, and what each client has of it.

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

/// How many kinds of things change. Each has a topic and a flag.
pub(crate) const KINDS: usize = 3;
/// The flags of all kinds.
pub(crate) const ALL: u32 = (1 << KINDS) - 1;

/// One core: an interrupt runs to its end, so a load and a store make an increment.
pub(crate) struct State<const CLIENTS: usize> {
    /// How often each kind has changed.
    changes: [AtomicU32; KINDS],
    /// The change of each kind that each client had last.
    had: [[AtomicU32; KINDS]; CLIENTS],
    pushing: [AtomicBool; CLIENTS],
}

/// A push in progress: the newest changes at its begin, of the kinds that it contains.
pub(crate) struct Push([Option<u32>; KINDS]);

impl<const CLIENTS: usize> State<CLIENTS> {
    pub(crate) const fn new() -> Self {
        State {
            changes: [const { AtomicU32::new(0) }; KINDS],
            had: [const { [const { AtomicU32::new(0) }; KINDS] }; CLIENTS],
            pushing: [const { AtomicBool::new(false) }; CLIENTS],
        }
    }

    pub(crate) fn change(&self, kind: usize) {
        let changes = &self.changes[kind];
        changes.store(changes.load(Relaxed) + 1, Relaxed);
    }

    pub(crate) fn changes(&self) -> [u32; KINDS] {
        self.changes.each_ref().map(|changes| changes.load(Relaxed))
    }

    /// A client begins with nothing.
    pub(crate) fn connected(&self, client: usize) {
        for had in &self.had[client] {
            had.store(0, Relaxed);
        }
    }

    pub(crate) fn begin(&self, client: usize, flags: u32) -> Push {
        assert!(flags != 0 && flags & !ALL == 0, "a push of {flags:x}");
        assert!(!self.pushing[client].load(Relaxed), "two pushes to one client");
        self.pushing[client].store(true, Relaxed);
        let mut push = Push(self.changes().map(Some));
        for (kind, change) in push.0.iter_mut().enumerate() {
            if flags & 1 << kind == 0 {
                *change = None;
            }
        }
        push
    }

    pub(crate) fn end(&self, client: usize, push: Push) {
        self.pushing[client].store(false, Relaxed);
        for (had, change) in self.had[client].iter().zip(push.0) {
            if let Some(change) = change {
                had.store(change, Relaxed);
            }
        }
    }

    pub(crate) fn assert_has(&self, client: usize, changes: [u32; KINDS]) {
        for (kind, (had, change)) in self.had[client].iter().zip(changes).enumerate() {
            let had = had.load(Relaxed);
            assert!(had >= change, "client {client} has change {had} of kind {kind}, not {change}");
        }
    }
}
