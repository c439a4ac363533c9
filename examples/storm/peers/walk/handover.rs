//! The sending side: the walks take turns at the semaphore and hand over, wait, retry or give up.

use super::{Connection, Delivery, Push, Receiver, Timer, Walk};
use std::time::Duration;

/// A push that has its place in the semaphore and waits for a connection's loop.
#[derive(Debug)]
pub(super) struct Handover<P> {
    push: Push<P>,
    version: u64,
    pub(super) connection: usize,
    generation: u64,
    /// Tells the timer of this attempt from those of earlier ones.
    attempt: u64,
}

impl<P: Clone> Walk<P> {
    /// Lets the walks go on as far as the semaphore allows.
    pub(super) fn go_on(&mut self, now: Duration) {
        while self.semaphore > 0 {
            let Some(mut walk) = self.walks.pop_front() else {
                break;
            };
            if walk.push.full && walk.version != self.version {
                self.counts.superseded += (walk.connections.len() - walk.next) as u64;
                continue;
            }
            let Some((connection, generation)) = walk.meet() else {
                continue;
            };
            let (push, version) = (walk.push.clone(), walk.version);
            // Each walk asks for one place at a time, so it goes behind the other walks that ask
            // for one.
            self.walks.push_back(walk);
            self.hand_over(push, version, connection, generation, now);
        }
    }

    fn hand_over(
        &mut self,
        push: Push<P>,
        version: u64,
        number: usize,
        generation: u64,
        now: Duration,
    ) {
        let Some(connection) = self.connection(number, generation) else {
            return;
        };
        if let Receiver::Idle = connection.receiver {
            connection.first_failure = None;
            self.accept(number, push, version, now);
            return;
        }
        let handover = self.vacant_handovers.pop().unwrap_or_else(|| {
            self.handovers.push(None);
            self.handovers.len() - 1
        });
        if let Some(connection) = self.connection(number, generation) {
            connection.waiting.push_back(handover);
        }
        self.semaphore -= 1;
        self.blocked += 1;
        let attempt = self.start_timer(handover, now);
        self.handovers[handover] =
            Some(Handover { push, version, connection: number, generation, attempt });
    }

    fn start_timer(&mut self, handover: usize, now: Duration) -> u64 {
        let attempt = self.armed + 1;
        self.arm(now + self.timing.handover, Timer::Handover { handover, attempt });
        attempt
    }

    pub(super) fn timed_out(&mut self, number: usize, attempt: u64, now: Duration) {
        let current = self.handovers.get(number).and_then(Option::as_ref);
        let Some(handover) = current.filter(|handover| handover.attempt == attempt) else {
            return;
        };
        let stale = handover.push.full && handover.version != self.version;
        let (client, generation) = (handover.connection, handover.generation);
        let give_up = self.timing.give_up;
        let Some(connection) = self.connection(client, generation) else {
            return;
        };
        let first_failure = *connection.first_failure.get_or_insert(now);
        if now - first_failure >= give_up {
            self.counts.dropped += 1;
        } else if stale {
            self.counts.superseded += 1;
        } else {
            let attempt = self.start_timer(number, now);
            if let Some(handover) = &mut self.handovers[number] {
                handover.attempt = attempt;
            }
            return;
        }
        if let Some(connection) = self.connection(client, generation) {
            connection.waiting.retain(|&waiting| waiting != number);
        }
        self.end_handover(number);
    }

    /// The handover is over, one way or another; its place in the semaphore is free.
    pub(super) fn end_handover(&mut self, number: usize) -> Option<Handover<P>> {
        let handover = self.handovers[number].take()?;
        self.vacant_handovers.push(number);
        self.semaphore += 1;
        self.blocked -= 1;
        Some(handover)
    }

    /// The loop of this connection is back: it accepts what waits longest, until something keeps it
    /// busy. True if that freed a place in the semaphore.
    pub(super) fn accept_waiting(&mut self, number: usize, now: Duration) -> bool {
        let mut freed = false;
        while let Some(Some(connection)) = self.connections.get_mut(number) {
            let Connection { receiver: Receiver::Idle, waiting, first_failure, .. } = connection
            else {
                break;
            };
            let Some(handover) = waiting.pop_front() else {
                break;
            };
            *first_failure = None;
            if let Some(Handover { push, version, .. }) = self.end_handover(handover) {
                freed = true;
                self.accept(number, push, version, now);
            }
        }
        freed
    }

    pub(super) fn deliver(&mut self, number: usize, push: Push<P>) {
        if let Some(Some(connection)) = self.connections.get_mut(number) {
            connection.receiver = Receiver::Sending;
            let Push { full, payload } = push;
            let delivery = Delivery { connection: number, full, payload };
            self.deliveries.push_back((connection.generation, delivery));
        }
    }
}
