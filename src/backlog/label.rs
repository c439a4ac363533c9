//! Whom an entry of the journal is for, to be read without the entry's lock.

use super::Audience;
use crate::audience::Whom;
use crate::registry::ClientKey;
use crate::sync::{Atomic, AtomicU32, AtomicUsize, Ordering};
use crate::topics::Topic;

/// Whom an entry is for, if two numbers have room for that. A sequence lock of atomics: written by whoever
/// holds the entry's lock, read by anybody.
#[derive(Debug)]
pub(super) struct Label {
    /// The entry that the rest speaks of; one that nobody looks for while the rest is being written.
    at: AtomicUsize,
    /// A client's place, or a topic.
    index: AtomicU32,
    /// A client's generation, which is odd, or one of the constants below.
    kind: AtomicU32,
}

/// It takes more room to say: the entry itself must be asked.
const LONGER: u32 = 0;
const EVERYONE: u32 = 2;
const TOPIC: u32 = 4;

/// As far from an entry as can be: more than a ring away from all that is looked for.
const AWAY: usize = 1 << (usize::BITS - 1);

impl Label {
    #[cfg(not(loom))]
    pub(super) const fn const_empty() -> Label {
        Label { at: AtomicUsize::ZERO, index: AtomicU32::ZERO, kind: AtomicU32::ZERO }
    }

    /// Speaks of the first entry, and says that it must be asked.
    pub(super) fn empty() -> Label {
        Label { at: AtomicUsize::zero(), index: AtomicU32::zero(), kind: AtomicU32::zero() }
    }

    /// The caller holds the entry's lock.
    #[inline]
    pub(super) fn write(&self, at: usize, audience: &Audience) {
        let (index, kind) = match audience.0 {
            Whom::Client(client) => (client.index() as u32, client.generation()),
            Whom::Everyone => (0, EVERYONE),
            Whom::Topics { topics: [Topic(topic), ..], any: 1, and: None } => (topic, TOPIC),
            Whom::Topics { .. } => (0, LONGER),
        };
        self.at.store(at ^ AWAY, Ordering::Relaxed);
        // Release: with the Acquire of the same two in `read`. Whoever reads what is written here also sees
        // that `at` has changed.
        self.index.store(index, Ordering::Release);
        self.kind.store(kind, Ordering::Release);
        // Release: with the Acquire of `at` in `read`. Whoever reads this sees the two above, or later ones.
        self.at.store(at, Ordering::Release);
    }

    /// Whom the entry at `at` is for; `None` if it must be asked itself, or is not there.
    #[inline]
    pub(super) fn read(&self, at: usize) -> Option<Audience> {
        if self.at.load(Ordering::Acquire) != at {
            return None;
        }
        let index = self.index.load(Ordering::Acquire);
        let kind = self.kind.load(Ordering::Acquire);
        // Relaxed: if one of the two is of a later entry, its Acquire makes this see that as well.
        if self.at.load(Ordering::Relaxed) != at {
            return None;
        }
        match kind {
            LONGER => None,
            EVERYONE => Some(Audience::EVERYONE),
            TOPIC => Some(Audience::topic(Topic(index))),
            generation => Some(Audience::client(ClientKey::of(index, generation))),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::topics::Scope;

    #[test]
    fn a_label_says_whom_its_entry_is_for_or_nothing() {
        let label = Label::empty();
        assert!(label.read(0).is_none(), "nothing has been written");
        let key = ClientKey::of(u32::MAX, 7);
        label.write(3, &Audience::client(key));
        assert!(matches!(label.read(3), Some(Audience(Whom::Client(it))) if it == key));
        assert!([2, 4, 3 ^ AWAY].iter().all(|&at| label.read(at).is_none()), "of another entry");
        label.write(4, &Audience::EVERYONE);
        assert!(matches!(label.read(4), Some(Audience(Whom::Everyone))));
        let topics = [Topic(8), Topic(9)];
        label.write(5, &Audience::scope(&Scope::any(&topics[..1])));
        let read = label.read(5).map(|audience| audience.0);
        assert!(matches!(read, Some(Whom::Topics { topics: [Topic(8), ..], any: 1, and: None })));
        for scope in [Scope::any(&topics), Scope::any(&topics[..1]).and_any(&topics[1..])] {
            label.write(6, &Audience::scope(&scope));
            assert!(label.read(6).is_none(), "two numbers can't say that");
        }
    }
}
