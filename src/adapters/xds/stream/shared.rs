//! A client that has had a later revision of the shared store than this server waits for it.

use std::format;
use std::string::String;

use ::tokio::sync::watch;
use ::tokio::time::Instant;

use crate::adapters::xds::limits::Limits;

pub(super) struct Shared {
    /// What the server has reached. Without a shared store it is beyond every revision.
    server: watch::Receiver<u64>,
    /// What it had reached when it was last looked at.
    reached: u64,
    /// The newest revision that the client says it has.
    client: u64,
    /// Since when the server has been behind.
    since: Option<Instant>,
}

impl Shared {
    pub(super) fn new(server: watch::Receiver<u64>) -> Self {
        let reached = *server.borrow();
        Shared { server, reached, client: 0, since: None }
    }

    /// The client says that it has this revision. True: the server is behind, and has a deadline.
    pub(super) fn seen(&mut self, revision: u64) -> bool {
        self.client = self.client.max(revision);
        if self.since.is_none() && self.reached < self.client {
            self.reached = *self.server.borrow();
            self.since = (self.reached < self.client).then(Instant::now);
        }
        self.since.is_some()
    }

    pub(super) fn is_behind(&mut self) -> bool {
        if self.since.is_some() && *self.server.borrow_and_update() >= self.client {
            self.since = None;
        }
        self.since.is_some()
    }

    /// Waits until the server has reached another revision, if it is behind.
    pub(super) async fn reached(&mut self) {
        if self.since.is_none() || self.server.changed().await.is_err() {
            core::future::pending().await
        }
    }

    pub(super) fn deadline(&self, limits: &Limits) -> Option<Instant> {
        self.since.map(|since| since + limits.ack_deadline)
    }

    /// Why the stream ends, if the server has been behind for too long.
    pub(super) fn expired(&self, limits: &Limits) -> Option<String> {
        self.deadline(limits).filter(|deadline| Instant::now() >= *deadline)?;
        let (client, server) = (self.client, *self.server.borrow());
        Some(format!("the client has had revision {client}, this server is at {server}"))
    }
}
