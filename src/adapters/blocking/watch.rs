//! Deadlines, watched by one thread.

use alloc::collections::VecDeque;
use alloc::sync::{Arc, Weak};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::adapters::grant::Grant;
use crate::adapters::push::Handle;

/// The deadlines of the pushes in progress, the earliest first.
pub(super) struct Watch<Q: Handle> {
    list: Mutex<List<Q>>,
    changed: Condvar,
}

struct List<Q: Handle> {
    /// A push that is over leaves a dead entry behind.
    entries: VecDeque<(Instant, Weak<Grant<Q>>)>,
    /// How many entries there are when the dead ones are cleared away.
    crowded: usize,
    closing: bool,
}

/// Below this many entries, clearing dead ones away isn't worth a visit.
const FEW: usize = 64;

impl<Q: Handle> Watch<Q> {
    pub(super) fn new() -> Self {
        let list = List { entries: VecDeque::new(), crowded: FEW, closing: false };
        Watch { list: Mutex::new(list), changed: Condvar::new() }
    }

    /// Watches the deadline of a grant, if it has one.
    pub(super) fn enter(&self, grant: &Arc<Grant<Q>>) {
        let Some(deadline) = grant.deadline() else { return };
        let mut list = self.list();
        if list.entries.len() >= list.crowded {
            list.clear_away();
            // Twice what is left: each clearing is paid for by as many entries.
            list.crowded = FEW.max(2 * list.entries.len());
        }
        // At the end, or close to it: all have the same limit.
        let place = list.entries.partition_point(|(earlier, _)| *earlier <= deadline);
        list.entries.insert(place, (deadline, Arc::downgrade(grant)));
        if place == 0 {
            self.changed.notify_one();
        }
    }

    /// Waits for the next deadline that passes. `None` after [`close`](Watch::close), when no push is in
    /// progress any more.
    pub(super) fn next(&self) -> Option<Arc<Grant<Q>>> {
        let mut list = self.list();
        loop {
            if list.closing {
                list.clear_away();
            }
            let due = list.entries.front().map(|(deadline, _)| *deadline);
            let now = Instant::now();
            list = match due {
                None if list.closing => return None,
                None => self.changed.wait(list).unwrap_or_else(PoisonError::into_inner),
                Some(due) if due <= now => {
                    match list.entries.pop_front().and_then(|(_, grant)| grant.upgrade()) {
                        Some(grant) => return Some(grant),
                        None => list,
                    }
                }
                Some(due) => {
                    let waited = self.changed.wait_timeout(list, due - now);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// No push will be entered any more; those in progress are watched to their end.
    pub(super) fn close(&self) {
        self.list().closing = true;
        self.changed.notify_one();
    }

    /// Nothing in here panics half-way, so a poisoned list is a good one.
    fn list(&self) -> MutexGuard<'_, List<Q>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<Q: Handle> List<Q> {
    fn clear_away(&mut self) {
        self.entries.retain(|(_, grant)| grant.strong_count() > 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::push::Push;
    use crate::adapters::{AsyncQueue, Options};
    use crate::backlog::Dirty;
    use crate::config::Config;
    use crate::queue::Target;
    use crate::slot::Lane;
    use core::time::Duration;

    type Queue = Arc<AsyncQueue<Dirty>>;

    fn begin(queue: &Queue, limit: Duration) -> (Push<Queue>, Arc<Grant<Queue>>) {
        let lease = AsyncQueue::try_lease_from(Arc::clone(queue)).expect("ready");
        Push::begin(lease, &Options::deadline(limit), Instant::now)
    }

    const NEVER: Duration = Duration::from_secs(3_600);

    #[test]
    fn pushes_that_are_over_are_cleared_away() {
        let queue = Arc::new(AsyncQueue::<Dirty>::new(Config::new(2)));
        let clients = [queue.register().unwrap(), queue.register().unwrap()];
        let watch = Watch::new();
        let mut running = None;
        for round in 0..10 * FEW {
            queue.publish(Target::One(clients[round.min(1)]), Lane::Normal, ()).unwrap();
            let (push, grant) = begin(&queue, NEVER);
            watch.enter(&grant);
            match running {
                None => running = Some((push, grant)),
                Some(_) => push.complete(),
            }
        }
        assert!(watch.list().entries.len() <= FEW);
        let (first, _) = running.unwrap();
        assert_eq!(watch.list().entries[0].1.upgrade().unwrap().client(), first.key());
    }

    #[test]
    fn deadlines_pass_in_their_order_and_those_in_progress_outlast_closing() {
        let queue = Arc::new(AsyncQueue::<Dirty>::new(Config::new(3)));
        let clients = [(); 3].map(|()| queue.register_with(Lane::Normal, ()).unwrap());
        let watch = Watch::new();
        let (late, late_grant) = begin(&queue, Duration::from_millis(2));
        let (soon, soon_grant) = begin(&queue, Duration::ZERO);
        let (never, never_grant) = begin(&queue, NEVER);
        watch.enter(&never_grant);
        watch.enter(&late_grant);
        watch.enter(&soon_grant);
        watch.close();
        let due = [(); 2].map(|()| watch.next().unwrap().client());
        assert_eq!(due, [clients[1], clients[0]]);
        never.complete();
        drop((late, soon, never_grant));
        assert!(watch.next().is_none());
    }
}
