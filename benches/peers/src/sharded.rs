//! A sharded map of clients and a channel of those who wait: the merge queue without its one lock.
//!
//! Each client's entry says that it is pending with a request, or processing, perhaps with one that
//! came meanwhile; an idle client has none. The publisher that makes an entry pending sends the
//! client through the channel.

use std::fmt;

use crossbeam_channel::{Receiver, Sender, unbounded};
use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use rustc_hash::FxBuildHasher;

use crate::Merge;

enum Slot<R> {
    Pending(R),
    Processing(Option<R>),
}

/// The queue. See the [module](self).
pub struct Sharded<R> {
    clients: DashMap<u32, Slot<R>, FxBuildHasher>,
    sender: Sender<u32>,
    receiver: Receiver<u32>,
}

/// One client being served.
#[derive(Debug)]
pub struct Work<R> {
    client: u32,
    request: R,
}

impl<R> fmt::Debug for Sharded<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sharded").finish_non_exhaustive()
    }
}

impl<R> Sharded<R> {
    fn wait_in_line(&self, client: u32) {
        // Never disconnected: the receiver is here.
        let _ = self.sender.send(client);
    }
}

impl<R: Merge + Clone + Send + Sync> crate::Peer for Sharded<R> {
    type Request = R;
    type Lease<'a>
        = Work<R>
    where
        R: 'a;

    fn with_clients(clients: u32) -> Self {
        let clients = DashMap::with_capacity_and_hasher(clients as usize, FxBuildHasher);
        let (sender, receiver) = unbounded();
        Sharded { clients, sender, receiver }
    }

    fn publish(&self, client: u32, request: &R) {
        match self.clients.entry(client) {
            Entry::Vacant(vacant) => {
                // Unlocked before the channel is asked.
                drop(vacant.insert(Slot::Pending(request.clone())));
                self.wait_in_line(client);
            }
            Entry::Occupied(mut occupied) => match occupied.get_mut() {
                Slot::Pending(pending) | Slot::Processing(Some(pending)) => pending.merge(request),
                Slot::Processing(more) => *more = Some(request.clone()),
            },
        }
    }

    fn lease(&self) -> Option<Work<R>> {
        let client = self.receiver.try_recv().ok()?;
        let mut slot = self.clients.get_mut(&client)?;
        match std::mem::replace(&mut *slot, Slot::Processing(None)) {
            Slot::Pending(request) => Some(Work { client, request }),
            Slot::Processing(_) => unreachable!("a client is in line only while it is pending"),
        }
    }

    fn client(work: &Work<R>) -> u32 {
        work.client
    }

    fn request(work: &Work<R>) -> &R {
        &work.request
    }

    fn done(&self, Work { client, .. }: Work<R>) {
        let Entry::Occupied(mut occupied) = self.clients.entry(client) else { return };
        match occupied.get_mut() {
            Slot::Processing(more) => match more.take() {
                Some(request) => {
                    *occupied.get_mut() = Slot::Pending(request);
                    drop(occupied);
                    self.wait_in_line(client);
                }
                None => {
                    occupied.remove();
                }
            },
            Slot::Pending(_) => {}
        }
    }
}
