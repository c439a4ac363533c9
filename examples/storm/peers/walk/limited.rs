//! The receiving side: a connection's loop accepts a push, waits in the limiter, suppresses what is
//! stale.

use super::{Push, Receiver, Timer, Walk};
use std::time::Duration;

impl<P: Clone> Walk<P> {
    /// The loop of this connection, which is idle, takes a push.
    pub(super) fn accept(&mut self, number: usize, push: Push<P>, version: u64, now: Duration) {
        if !push.full {
            self.deliver(number, push);
            return;
        }
        let turn = self.limiter.reserve(now);
        if turn <= now {
            // No wait, and so no time for it to become stale: it was current when it was handed
            // over.
            if version == self.version {
                self.deliver(number, push);
            } else {
                self.counts.suppressed += 1;
            }
            return;
        }
        if let Some(Some(connection)) = self.connections.get_mut(number) {
            let generation = connection.generation;
            connection.receiver = Receiver::Limited { push, version };
            self.limited += 1;
            self.arm(turn, Timer::Turn { connection: number, generation });
        }
    }

    /// A waiter of the limiter gets its turn.
    pub(super) fn turn(&mut self, number: usize, generation: u64, now: Duration) {
        let current = self.version;
        let Some(connection) = self.connection(number, generation) else {
            return;
        };
        match std::mem::replace(&mut connection.receiver, Receiver::Idle) {
            Receiver::Limited { push, version } => {
                self.limited -= 1;
                if version == current {
                    self.deliver(number, push);
                } else {
                    self.counts.suppressed += 1;
                    self.accept_waiting(number, now);
                }
            }
            other => connection.receiver = other,
        }
    }

    /// The loop has sent its push. True if that freed a place in the semaphore.
    pub(super) fn finish(&mut self, number: usize, now: Duration) -> bool {
        match self.connections.get_mut(number) {
            Some(Some(connection)) if matches!(connection.receiver, Receiver::Sending) => {
                connection.receiver = Receiver::Idle;
                self.accept_waiting(number, now)
            }
            _ => false,
        }
    }
}
