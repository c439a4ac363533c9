//! One merged request a client, behind one mutex and one condition variable (Istio 1.4 and since).
//!
//! Each client is idle, pending with a request, or processing, perhaps with a request that came
//! meanwhile. Clients wait in a FIFO; nothing is retried and nothing dropped: what could not be
//! sent stays merged.
//!
//! Generic over the locks and the hasher: the standard library's, or faster ones.
//!
//! One thing is better than in the original: [`MergeQueue::dequeue`] returns a [`Ticket`] and
//! [`MergeQueue::mark_done`] wants it back. There, a stray second "done" put a client that was
//! being served back into the queue, so that it could be served twice at once. Here the second one
//! is ignored.

use std::collections::hash_map::{Entry, RandomState};
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::hash::{BuildHasher, Hash};

use super::locks::{Locks, Std};
pub use super::merge::Merge;

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enqueued {
    /// The client was idle and waits its turn now.
    Queued,
    /// It joined the request of a client that waits or is being served.
    Merged,
    /// The queue is shut down.
    Refused,
}

/// One client being served: its request, and the proof of it for [`MergeQueue::mark_done`].
#[derive(Debug)]
pub struct Work<K, R> {
    /// The client.
    pub client: K,
    /// What, merged.
    pub request: R,
    /// Hand this back when done.
    pub ticket: Ticket,
}

/// Proof that a client is being served. Good for one [`MergeQueue::mark_done`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a client without mark_done is never served again"]
pub struct Ticket(u64);

#[derive(Debug)]
enum Slot<R> {
    Pending(R),
    Processing { ticket: Ticket, more: Option<R> },
}

#[derive(Debug)]
struct State<K, R, S> {
    clients: HashMap<K, Slot<R>, S>,
    /// Exactly the clients that are `Pending`, in the order in which they became so.
    fifo: VecDeque<K>,
    tickets: u64,
    /// One for each pending client, one for each `more`.
    requests: usize,
    shut_down: bool,
}

/// The queue. See the documentation of the module.
pub struct MergeQueue<K, R, S = RandomState, L: Locks = Std> {
    state: L::Mutex<State<K, R, S>>,
    pending: L::Condvar,
}

impl<K: Hash + Eq + Clone, R: Merge> MergeQueue<K, R> {
    /// An empty queue.
    pub fn new() -> Self {
        Self::with_hasher(RandomState::new())
    }
}

impl<K, R, S, L> Default for MergeQueue<K, R, S, L>
where
    K: Hash + Eq + Clone,
    R: Merge,
    S: BuildHasher + Default,
    L: Locks,
{
    fn default() -> Self {
        Self::with_hasher(S::default())
    }
}

impl<K: Hash + Eq + Clone, R: Merge, S: BuildHasher, L: Locks> MergeQueue<K, R, S, L> {
    /// An empty queue that finds its clients with this hasher.
    pub fn with_hasher(hasher: S) -> Self {
        Self {
            state: L::mutex(State {
                clients: HashMap::with_hasher(hasher),
                fifo: VecDeque::new(),
                tickets: 0,
                requests: 0,
                shut_down: false,
            }),
            pending: L::Condvar::default(),
        }
    }

    /// Makes room for so many clients at once, so that the map need not grow.
    pub fn reserve(&self, clients: usize) {
        let mut state = self.lock();
        state.clients.reserve(clients);
        state.fifo.reserve(clients);
    }

    /// Adds a request for a client; wakes one waiter if the client was idle.
    pub fn enqueue(&self, client: K, request: R) -> Enqueued {
        let mut state = self.lock();
        let enqueued = state.add(client, request);
        drop(state);
        if enqueued == Enqueued::Queued {
            L::wake_one(&self.pending);
        }
        enqueued
    }

    /// Adds a request for each of many clients under one lock, and wakes all waiters.
    pub fn enqueue_all(&self, clients: impl IntoIterator<Item = K>, request: &R)
    where
        R: Clone,
    {
        let mut state = self.lock();
        let mut queued = false;
        for client in clients {
            queued |= state.add(client, request.clone()) == Enqueued::Queued;
        }
        drop(state);
        if queued {
            L::wake_all(&self.pending);
        }
    }

    /// The client that waits longest, or waits for one. `None` once the queue is shut down and
    /// drained.
    pub fn dequeue(&self) -> Option<Work<K, R>> {
        let mut state = self.lock();
        loop {
            if let Some(work) = state.take() {
                return Some(work);
            }
            if state.shut_down {
                return None;
            }
            state = L::wait(&self.pending, state);
        }
    }

    /// The client that waits longest, if one waits.
    pub fn try_dequeue(&self) -> Option<Work<K, R>> {
        self.lock().take()
    }

    /// The client has been served. What came for it meanwhile goes to the tail of the queue.
    ///
    /// A ticket that was used before, or of a client that isn't being served, does nothing.
    pub fn mark_done(&self, client: &K, ticket: Ticket) {
        let mut state = self.lock();
        let State { clients, fifo, .. } = &mut *state;
        let Some(slot) = clients.get_mut(client) else {
            return;
        };
        match slot {
            Slot::Processing { ticket: current, more } if *current == ticket => match more.take() {
                // Not `enqueue` after unlocking: an older request could then overwrite a newer one.
                // And not refused after shutdown: this was accepted before.
                Some(request) => {
                    *slot = Slot::Pending(request);
                    fifo.push_back(client.clone());
                    drop(state);
                    L::wake_one(&self.pending);
                }
                // Forgotten entirely, so that a client that has gone is not kept in memory.
                None => {
                    clients.remove(client);
                }
            },
            _ => {}
        }
    }

    /// Refuses new work from now on. What is pending drains; waiters without work are woken.
    pub fn shut_down(&self) {
        self.lock().shut_down = true;
        L::wake_all(&self.pending);
    }

    /// How many clients wait their turn.
    pub fn pending(&self) -> usize {
        self.lock().fifo.len()
    }

    /// How many requests the queue holds, for clients that wait and for those being served.
    pub fn requests(&self) -> usize {
        self.lock().requests
    }

    /// How many clients the queue remembers: waiting or being served.
    pub fn remembered(&self) -> usize {
        self.lock().clients.len()
    }

    fn lock(&self) -> L::Guard<'_, State<K, R, S>> {
        L::lock(&self.state)
    }
}

impl<K, R, S, L: Locks> fmt::Debug for MergeQueue<K, R, S, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MergeQueue").finish_non_exhaustive()
    }
}

impl<K: Hash + Eq + Clone, R: Merge, S: BuildHasher> State<K, R, S> {
    fn add(&mut self, client: K, request: R) -> Enqueued {
        if self.shut_down {
            return Enqueued::Refused;
        }
        match self.clients.entry(client) {
            Entry::Vacant(vacant) => {
                self.fifo.push_back(vacant.key().clone());
                vacant.insert(Slot::Pending(request));
                self.requests += 1;
                return Enqueued::Queued;
            }
            Entry::Occupied(occupied) => match occupied.into_mut() {
                Slot::Pending(pending) => pending.merge(&request),
                Slot::Processing { more: Some(more), .. } => more.merge(&request),
                Slot::Processing { more, .. } => {
                    *more = Some(request);
                    self.requests += 1;
                }
            },
        }
        Enqueued::Merged
    }

    fn take(&mut self) -> Option<Work<K, R>> {
        let client = self.fifo.pop_front()?;
        let slot = self.clients.get_mut(&client)?;
        self.requests -= 1;
        let ticket = Ticket(self.tickets);
        self.tickets += 1;
        match std::mem::replace(slot, Slot::Processing { ticket, more: None }) {
            Slot::Pending(request) => Some(Work { client, request, ticket }),
            Slot::Processing { .. } => {
                unreachable!("a client is in the queue only while it is pending")
            }
        }
    }
}

#[cfg(test)]
#[path = "merge_queue_tests.rs"]
mod tests;
