//! A client that has had a later revision of the shared store than this server waits for it, unless
//! the store itself has no such revision.

use std::format;
use std::string::String;

use ::tokio::sync::watch;
use ::tokio::time::Instant;

use crate::adapters::xds::limits::Limits;
use crate::adapters::xds::state::Reached;

pub(super) struct Shared {
    server: watch::Receiver<Reached>,
    /// What it had reached when it was last looked at.
    reached: u64,
    /// The newest revision that the client says it has.
    client: u64,
    /// Since when the server has been behind.
    since: Option<Instant>,
    /// When the client has said so of its newest revision.
    said: Instant,
}

impl Shared {
    pub(super) fn new(server: watch::Receiver<Reached>) -> Self {
        let reached = server.borrow().revision;
        Shared { server, reached, client: 0, since: None, said: Instant::now() }
    }

    /// The client says that it has this revision. True: the server is behind, and has a deadline.
    pub(super) fn seen(&mut self, revision: u64) -> bool {
        let later = revision > self.client;
        self.client = self.client.max(revision);
        if (later || self.since.is_none()) && self.reached < self.client {
            self.reached = self.server.borrow().revision;
            if self.reached < self.client {
                self.said = Instant::now();
                self.since.get_or_insert(self.said);
            }
        }
        self.since.is_some()
    }

    pub(super) fn is_behind(&mut self) -> bool {
        if self.since.is_some() {
            let Reached { revision, store } = *self.server.borrow_and_update();
            let no_such = |(asked, newest)| self.said.into_std() <= asked && newest < self.client;
            if revision >= self.client {
                self.since = None;
            } else if store.is_some_and(no_such) {
                (self.since, self.client) = (None, 0);
            }
        }
        self.since.is_some()
    }

    /// Waits until more is known of the server and the store, if the server is behind.
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
        let (client, server) = (self.client, self.server.borrow().revision);
        Some(format!("the client has had revision {client}, this server is at {server}"))
    }
}
