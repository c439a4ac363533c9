//! Deadlines, and what is left to do when a stream has ended.

use std::format;
use std::string::String;
use std::vec::Vec;

use ::tokio::time::Instant;

use super::entry::Push;
use super::{Missed, Stream};
use crate::adapters::xds::acked::Departure;
use crate::adapters::xds::subscription::Unsent;

/// With up to how many names a departed subscription is remembered as it was; beyond, it is taken
/// for everything.
const REMEMBERED: usize = 64;

impl Stream {
    /// When the next deadline passes, if there is one.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let limits = &self.server.limits;
        let pushes = self.types.iter().filter_map(|entry| match entry.push {
            Push::Held { since: Some(since), .. } => Some(since + limits.order_patience),
            Push::Sent { at, .. } => Some(at + limits.ack_deadline),
            _ => None,
        });
        let reading = self.out.unread_since().map(|since| since + limits.send_deadline);
        let first = self.view.is_none().then(|| self.info.since + limits.first_request);
        let refresh = self.types.iter().filter_map(|entry| entry.refresh);
        let shared = self.shared.deadline(limits);
        pushes.chain(refresh).chain(reading).chain(first).chain(shared).min()
    }

    /// A deadline may have passed: why the stream is evicted, if it is.
    pub(super) fn expired(&mut self) -> Option<(Missed, String)> {
        let (now, limits) = (Instant::now(), &self.server.limits);
        for entry in &mut self.types {
            entry.refresh(&self.server, now);
        }
        if self.view.is_none() && now >= self.info.since + limits.first_request {
            let reason = format!("it has sent no request for {:?}", limits.first_request);
            return Some((Missed::FirstRequest, reason));
        }
        if self.out.unread_since().is_some_and(|since| now >= since + limits.send_deadline) {
            let reason = format!("it has read nothing for {:?}", limits.send_deadline);
            return Some((Missed::Reading, reason));
        }
        let late = self.types.iter().find(|entry| match entry.push {
            Push::Sent { at, .. } => now >= at + limits.ack_deadline,
            _ => false,
        })?;
        let short = late.subscription.type_url.short();
        let deadline = limits.ack_deadline;
        let reason = format!("it has not answered a response of {short} for {deadline:?}");
        Some((Missed::Answer, reason))
    }

    /// Leaves the queue, and says what it had still to answer.
    pub(super) fn depart(&mut self, reason: String) {
        self.departed = true;
        self.server.exit(self.info.id);
        self.info.mailbox.close();
        let Some(view) = self.view.take() else { return };
        let snapshot = view.snapshot();
        let owing = self.types.iter_mut().filter_map(|entry| {
            let set = snapshot.as_ref()?.of_type(&entry.subscription.type_url);
            let unanswered = entry.subscription.outstanding().is_some();
            (unanswered || entry.subscription.unsent(set) != Unsent::default()).then(|| {
                let covered = entry.subscription.covered();
                let interest = &entry.subscription.interest;
                let few = interest.names.len() <= REMEMBERED;
                (entry.subscription.type_url.clone(), covered, few.then(|| interest.clone()))
            })
        });
        let owed: Vec<_> = owing.collect();
        if !owed.is_empty() {
            let (stream, node_id, view) = (self.info.id, self.info.node_id(), view.id.clone());
            let departure = Departure { stream, node_id, view, reason, owed };
            self.server.remember(&self.server.departures, departure);
        }
        for entry in self.types.drain(..) {
            entry.look_away(&self.server, &view);
            self.server.leave(entry.key);
        }
        self.server.release(view);
    }
}

/// Also when the task is dropped half-way.
impl Drop for Stream {
    fn drop(&mut self) {
        if !self.departed {
            self.depart("the server has ended".into());
        }
    }
}
