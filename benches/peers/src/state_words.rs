//! The textbook's lock-free version: one atomic word of state for each client, and a bounded queue
//! of those who wait.
//!
//! Two bits, *dirty* and *active*. The publisher that sets the first on a word that was zero puts
//! the client into the queue; so does the worker that ends a push and finds it set. A client is in
//! the queue at most once, so that the queue can't overflow. No lanes, no versions, no permits, and
//! nobody comes or goes.
//!
//! The queue is crossbeam's, which spins while another thread is stalled inside. A request, where
//! there is one, waits in a place of its own behind a lock.

use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};

use crossbeam_queue::ArrayQueue;

use crate::peer::{Peer, Request};

const DIRTY: u8 = 1;
const ACTIVE: u8 = 2;

/// The queue. See the [module](self).
pub struct StateWords<R: Request> {
    clients: Box<[(AtomicU8, R::Cell)]>,
    order: ArrayQueue<u32>,
}

/// One client being served.
#[derive(Debug)]
pub struct Work<R> {
    client: u32,
    request: R,
}

impl<R: Request> fmt::Debug for StateWords<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StateWords").finish_non_exhaustive()
    }
}

impl<R: Request> StateWords<R> {
    fn wait_in_line(&self, client: u32) {
        let pushed = self.order.push(client);
        debug_assert!(pushed.is_ok(), "there is room for every client");
    }
}

impl<R: Request> Peer for StateWords<R> {
    type Request = R;
    type Lease<'a>
        = Work<R>
    where
        R: 'a;

    fn with_clients(clients: u32) -> Self {
        StateWords {
            clients: (0..clients).map(|_| Default::default()).collect(),
            order: ArrayQueue::new(clients as usize),
        }
    }

    fn publish(&self, client: u32, request: &R) {
        let (state, cell) = &self.clients[client as usize];
        request.record(cell);
        // AcqRel: what was written before is seen by the thread that sets the next state.
        if state.fetch_or(DIRTY, Ordering::AcqRel) == 0 {
            self.wait_in_line(client);
        }
    }

    fn lease(&self) -> Option<Work<R>> {
        loop {
            let client = self.order.pop()?;
            let (state, cell) = &self.clients[client as usize];
            state.swap(ACTIVE, Ordering::AcqRel);
            if let Some(request) = R::take(cell) {
                return Some(Work { client, request });
            }
            // An earlier lease took it between its record and its mark.
            self.end(client);
        }
    }

    fn client(work: &Work<R>) -> u32 {
        work.client
    }

    fn request(work: &Work<R>) -> &R {
        &work.request
    }

    fn done(&self, work: Work<R>) {
        self.end(work.client);
    }
}

impl<R: Request> StateWords<R> {
    fn end(&self, client: u32) {
        let (state, _) = &self.clients[client as usize];
        if state.fetch_and(!ACTIVE, Ordering::AcqRel) & DIRTY != 0 {
            self.wait_in_line(client);
        }
    }
}
