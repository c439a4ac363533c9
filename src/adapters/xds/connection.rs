//! [`Connection`]: what the streams of one connection and the server that accepted it have to tell one another.

use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::net::SocketAddr;
use std::sync::Arc;

use ::tokio::sync::watch;

/// Put into the extensions of each request by [`Server`](super::Server).
pub(super) struct Connection {
    pub(super) peer: SocketAddr,
    /// Its streams are to end in good order.
    closing: watch::Sender<bool>,
    /// It is to be cut.
    cut: watch::Sender<bool>,
    streams: AtomicUsize,
}

impl Connection {
    pub(super) fn new(peer: SocketAddr) -> Arc<Self> {
        let (closing, cut) = (watch::Sender::new(false), watch::Sender::new(false));
        Arc::new(Connection { peer, closing, cut, streams: AtomicUsize::new(0) })
    }

    pub(super) fn close(&self) {
        self.closing.send_replace(true);
    }

    pub(super) fn closing(&self) -> watch::Receiver<bool> {
        self.closing.subscribe()
    }

    pub(super) fn cut(&self) -> watch::Receiver<bool> {
        self.cut.subscribe()
    }

    pub(super) fn begun(&self) {
        self.streams.fetch_add(1, Relaxed);
    }

    pub(super) fn ended(&self) {
        self.streams.fetch_sub(1, Relaxed);
    }

    /// A stream has missed a deadline. If it is the only one, the connection is as stuck as it is, and holds buffers.
    pub(super) fn evicted(&self) {
        if self.streams.load(Relaxed) <= 1 {
            self.cut.send_replace(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::thread;

    use super::*;

    /// Four threads, each many times. (In turns, begun and ended would hardly meet.)
    fn at_once(act: impl Fn() + Sync) {
        let start = Barrier::new(4);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    start.wait();
                    (0..500_000).for_each(|_| act());
                });
            }
        });
    }

    /// One count too many or too few, and a stuck connection is kept or a good one cut.
    #[test]
    fn streams_that_begin_or_end_at_once_are_all_counted() {
        let connection = Connection::new(([127, 0, 0, 1], 1).into());
        connection.begun();
        at_once(|| connection.begun());
        assert_eq!(connection.streams.load(Relaxed), 2_000_001);
        at_once(|| connection.ended());
        assert_eq!(connection.streams.load(Relaxed), 1);
    }
}
