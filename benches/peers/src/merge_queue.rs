//! The merge queue of `storm` as a [`Peer`], and the faster locks that it can be built on.

use std::hash::BuildHasher;

use crate::Peer;
use crate::designs::locks::Locks;
pub use crate::designs::merge_queue::*;

/// parking_lot's.
#[derive(Debug)]
pub struct ParkingLot;

impl Locks for ParkingLot {
    type Mutex<T> = parking_lot::Mutex<T>;
    type Guard<'a, T: 'a> = parking_lot::MutexGuard<'a, T>;
    type Condvar = parking_lot::Condvar;

    fn mutex<T>(value: T) -> Self::Mutex<T> {
        parking_lot::Mutex::new(value)
    }

    fn lock<T>(mutex: &Self::Mutex<T>) -> Self::Guard<'_, T> {
        mutex.lock()
    }

    fn wait<'a, T>(condvar: &Self::Condvar, mut guard: Self::Guard<'a, T>) -> Self::Guard<'a, T> {
        condvar.wait(&mut guard);
        guard
    }

    fn wake_one(condvar: &Self::Condvar) {
        condvar.notify_one();
    }

    fn wake_all(condvar: &Self::Condvar) {
        condvar.notify_all();
    }
}

impl<R, S, L> Peer for MergeQueue<u32, R, S, L>
where
    R: Merge + Clone + Send + Sync,
    S: BuildHasher + Default,
    L: Locks,
    Self: Send + Sync,
{
    type Request = R;
    type Lease<'a>
        = Work<u32, R>
    where
        Self: 'a;

    fn with_clients(clients: u32) -> Self {
        let queue = Self::default();
        queue.reserve(clients as usize);
        queue
    }

    fn publish(&self, client: u32, request: &R) {
        self.enqueue(client, request.clone());
    }

    fn publish_many(&self, clients: &[u32], request: &R) {
        self.enqueue_all(clients.iter().copied(), request);
    }

    fn publish_all(&self, clients: u32, request: &R) {
        self.enqueue_all(0..clients, request);
    }

    fn lease(&self) -> Option<Work<u32, R>> {
        self.try_dequeue()
    }

    fn client(work: &Work<u32, R>) -> u32 {
        work.client
    }

    fn request(work: &Work<u32, R>) -> &R {
        &work.request
    }

    fn done(&self, work: Work<u32, R>) {
        self.mark_done(&work.client, work.ticket);
    }
}
