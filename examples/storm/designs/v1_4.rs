//! 1.4: see [`crate::peers::merge_queue`].
//!
//! Everyone connected gets every request. A permit is taken, *then* a client; only then is it found
//! out whether the client needs the push, which for configuration costs the computation of its
//! scope. The permit is held while the client's loop is waited for, while the push is prepared and
//! while it is sent.
//!
//! A full push carries the whole state as of the newest request merged into it. The first answer to
//! a new stream is given by the stream's own loop, outside of the permits; until then the loop is
//! waited for.
//!
//! Its scope check goes by namespace only. All clients are sidecars and no change is of gateways
//! only, so that its rule for those never applies.

use super::Design;
use crate::clock::ClientId;
use crate::peers::merge_queue::{MergeQueue, Ticket, Work};
use crate::population::Client;
use crate::request::Request;
use crate::world::{Notice, Push, SCOPE, TimeoutFrom, World};
use std::sync::Arc;
use std::time::Duration;

/// A stream: its client, and how many streams there were before. A closed one may still be in the
/// queue.
type Stream = (ClientId, u32);

pub(super) struct MergeForEach {
    queue: MergeQueue<Stream, Arc<Request>>,
    limit: usize,
    /// The holders of permits.
    holders: Vec<ClientId>,
    clients: Vec<Slot>,
    timers: u32,
}

#[derive(Default)]
struct Slot {
    connected: bool,
    streams: u32,
    serving: Option<Serving>,
    /// The first answer to the stream is under way: its loop takes no push yet.
    answering: bool,
}

struct Serving {
    ticket: Ticket,
    /// Waits for the loop.
    parked: Option<Arc<Request>>,
    /// The scope is being computed, to find that nothing has to be sent. Until this timer.
    in_vain: Option<u64>,
}

fn needs_push(client: &Client, request: &Request) -> bool {
    request.concerns_all || request.keys.iter().any(|key| client.lives_in(key.namespace))
}

impl MergeForEach {
    pub(super) fn new(limit: u32, world: &World<'_>) -> Self {
        let connected = || Slot { connected: true, ..Slot::default() };
        Self {
            queue: MergeQueue::new(),
            limit: limit as usize,
            holders: Vec::new(),
            clients: (0..world.clients()).map(|_| connected()).collect(),
            timers: 0,
        }
    }

    /// Serves waiting clients while there are permits.
    fn pump(&mut self, world: &mut World<'_>) {
        while self.holders.len() < self.limit {
            let Some(work) = self.next(world) else { break };
            let Work { client: (client, _), request, ticket } = work;
            self.holders.push(client);
            let slot = &mut self.clients[client as usize];
            let serving = slot.serving.insert(Serving { ticket, parked: None, in_vain: None });
            if slot.answering {
                serving.parked = Some(request);
            } else {
                self.serve(client, request, world);
            }
        }
    }

    /// The next client that takes time. Those that take none, because their stream has closed or no
    /// endpoint that they watch has changed, are done on the way.
    fn next(&self, world: &mut World<'_>) -> Option<Work<Stream, Arc<Request>>> {
        let population = world.population;
        let counts = &mut world.counts;
        world.cpu.time(|| {
            loop {
                let work = self.queue.try_dequeue()?;
                let (client, stream) = work.client;
                let slot = &self.clients[client as usize];
                if slot.connected && slot.streams == stream {
                    counts.merged += work.request.merged() - 1;
                    let client = &population.clients[client as usize];
                    if work.request.full || slot.answering || needs_push(client, &work.request) {
                        return Some(work);
                    }
                }
                self.queue.mark_done(&work.client, work.ticket);
            }
        })
    }

    fn serve(&mut self, client: ClientId, request: Arc<Request>, world: &mut World<'_>) {
        let scope = &world.population.clients[client as usize];
        if world.cpu.time(|| needs_push(scope, &request)) {
            let full = request.full;
            let timeout_from = TimeoutFrom::Send;
            world.begin(client, Push { request, whole: full, configuration: full, timeout_from });
            return;
        }
        self.timers = self.timers.wrapping_add(1);
        let timer = u64::from(self.timers) << 32 | u64::from(client);
        if let Some(serving) = &mut self.clients[client as usize].serving {
            serving.in_vain = Some(timer);
        }
        // An endpoint push that waited for the loop is found to be for nobody at once.
        let took = if request.full { SCOPE } else { Duration::ZERO };
        world.wake_at(world.now + took, timer);
    }

    /// The push is over: the done callback, then the permit.
    fn done(&mut self, client: ClientId, world: &mut World<'_>) {
        let slot = &mut self.clients[client as usize];
        let Some(serving) = slot.serving.take() else {
            return;
        };
        let stream = (client, slot.streams);
        world.cpu.time(|| self.queue.mark_done(&stream, serving.ticket));
        if let Some(place) = self.holders.iter().position(|&holder| holder == client) {
            self.holders.swap_remove(place);
        }
    }
}

impl Design for MergeForEach {
    fn publish(&mut self, request: Request, world: &mut World<'_>) {
        let (queue, clients) = (&self.queue, &self.clients);
        world.cpu.time(|| {
            let request = Arc::new(request);
            for (client, slot) in clients.iter().enumerate() {
                if slot.connected {
                    queue.enqueue((client as ClientId, slot.streams), Arc::clone(&request));
                }
            }
        });
        self.pump(world);
    }

    fn notice(&mut self, notice: Notice, world: &mut World<'_>) {
        match notice {
            Notice::Connected(client) => {
                let slot = &mut self.clients[client as usize];
                slot.connected = true;
                slot.streams += 1;
                slot.answering = true;
                let request = Arc::new(world.everything());
                world.begin(client, Push::first_answer(request));
            }
            Notice::Disconnected(client) => {
                self.done(client, world);
                let slot = &mut self.clients[client as usize];
                slot.connected = false;
                slot.answering = false;
            }
            Notice::Sent(client) => {
                let slot = &mut self.clients[client as usize];
                if !std::mem::take(&mut slot.answering) {
                    self.done(client, world);
                } else if let Some(request) =
                    slot.serving.as_mut().and_then(|serving| serving.parked.take())
                {
                    self.serve(client, request, world);
                }
            }
            Notice::Timer(timer) => {
                let client = timer as u32;
                let slot = &self.clients[client as usize];
                if slot.serving.as_ref().is_some_and(|serving| serving.in_vain == Some(timer)) {
                    self.done(client, world);
                }
            }
            Notice::Prepared(_) => return,
        }
        self.pump(world);
    }

    fn backlog(&self) -> usize {
        self.queue.requests()
    }

    fn entry_bytes(&self) -> usize {
        // Its place in the map (stream, pointer, state) and in the FIFO.
        2 * size_of::<Stream>() + 2 * size_of::<Arc<Request>>()
    }

    fn is_stalled(&self, world: &World<'_>) -> bool {
        self.holders.len() == self.limit
            && self.holders.iter().all(|&client| world.is_stuck(client))
    }
}
