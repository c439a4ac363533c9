//! 1.1: see [`crate::peers::walk`].
//!
//! A full push carries the whole state as of the context it was made with; it is made for everyone,
//! concerned or not. An endpoint push is sent to the clients that watch an endpoint in it. The
//! first answer to a new stream is given by the stream's own loop, outside of all limits; until
//! then the loop accepts nothing.

use super::Design;
use crate::clock::ClientId;
use crate::peers::walk::{self, Timing, Walk};
use crate::request::Request;
use crate::world::{Notice, Push, TimeoutFrom, World};
use std::sync::Arc;
use std::time::Duration;

pub(super) struct WalkEveryone {
    walk: Walk<Arc<Request>>,
    semaphore: usize,
    /// When the next timer was asked for.
    armed: Option<Duration>,
}

impl WalkEveryone {
    pub(super) fn new(timing: Timing, world: &World<'_>) -> Self {
        let mut walk = Walk::new(timing);
        (0..world.clients()).for_each(|client| walk.connect(client, false));
        Self { walk, semaphore: timing.semaphore, armed: None }
    }

    /// Begins what loops have accepted, and asks to be woken for the next timer.
    fn deliver(&mut self, world: &mut World<'_>) {
        let now = world.now;
        loop {
            let population = world.population;
            let walk = &mut self.walk;
            let due = world.cpu.time(|| {
                loop {
                    let delivery = walk.next_delivery()?;
                    let client = &population.clients[delivery.connection];
                    let request = &delivery.payload;
                    let watched = || request.keys.iter().any(|key| client.lives_in(key.namespace));
                    if delivery.full || request.concerns_all || watched() {
                        return Some(delivery);
                    }
                    walk.sent(delivery.connection, now);
                }
            });
            let Some(delivery) = due else { break };
            let push = Push {
                request: delivery.payload,
                whole: delivery.full,
                configuration: delivery.full,
                timeout_from: TimeoutFrom::Send,
            };
            world.begin(delivery.connection as ClientId, push);
        }
        if let Some(at) = self.walk.next_deadline()
            && self.armed.is_none_or(|armed| armed <= now || at < armed)
        {
            self.armed = Some(at);
            world.wake_at(at, 0);
        }
    }
}

impl Design for WalkEveryone {
    fn publish(&mut self, request: Request, world: &mut World<'_>) {
        let (walk, now) = (&mut self.walk, world.now);
        world.cpu.time(|| {
            let full = request.full;
            walk.push(walk::Push { full, payload: Arc::new(request) }, now);
        });
        self.deliver(world);
    }

    fn notice(&mut self, notice: Notice, world: &mut World<'_>) {
        let (walk, now) = (&mut self.walk, world.now);
        match notice {
            Notice::Connected(client) => {
                world.cpu.time(|| walk.connect(client as usize, true));
                let request = Arc::new(world.everything());
                world.begin(client, Push::first_answer(request));
            }
            Notice::Disconnected(client) => {
                world.cpu.time(|| walk.disconnect(client as usize, now))
            }
            Notice::Sent(client) => world.cpu.time(|| walk.sent(client as usize, now)),
            Notice::Timer(_) => world.cpu.time(|| walk.advance(now)),
            Notice::Prepared(_) => return,
        }
        self.deliver(world);
    }

    fn backlog(&self) -> usize {
        self.walk.backlog()
    }

    fn entry_bytes(&self) -> usize {
        // A place in a walk's snapshot: the connection and its generation.
        size_of::<(usize, u64)>()
    }

    fn is_stalled(&self, world: &World<'_>) -> bool {
        let mut held = 0;
        self.walk.blocked_on().all(|client| {
            held += 1;
            world.is_hung(client as ClientId)
        }) && held == self.semaphore
    }
}
