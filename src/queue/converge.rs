//! When is a publish done everywhere?

use super::PushQueue;
use crate::backlog::Backlog;
use crate::recipients::Recipients;
use crate::registry::{ClientKey, Place};
use crate::signal::Signal;
use crate::slot::{ALL, slots};
use crate::storage::Storage;
use crate::version::{Until, Version};

impl<B: Backlog, S: Storage, N: Signal> PushQueue<B, S, N> {
    /// Whether every client that `version` concerned has completed it, or has left.
    ///
    /// Never early. May be late by one push of a client: when its lease began, or ended, while the publish was under
    /// way, when it registered while a publish to everyone was, or when it subscribed to a topic of the publish later and has not completed a push since, or
    /// when it has just ceased to be reached through a topic that it left, with more work pending.
    /// A publish whose topics and filter are more than four in all waits as if it had no filter; one to more
    /// than four topics waits for every client that is busy.
    ///
    /// Wait-free, and cheap enough to poll: one load a bank, and a second one for each client that is busy; one or two in
    /// all for a publish to one client. It stops at the first laggard.
    pub fn is_converged(&self, version: Version) -> bool {
        self.laggards(version).next().is_none()
    }

    /// The clients that hold `version` back, in the order of their places.
    ///
    /// The state is read while the iterator advances: a client may be done when its key comes out.
    /// Wait-free.
    pub fn laggards(&self, version: Version) -> impl Iterator<Item = ClientKey> + '_ {
        let only = match version.recipients {
            Recipients::Client(client) => Some(client),
            _ => None,
        };
        let banks = match only {
            Some(client) if self.registry.holds(client) => {
                client.place().bank..client.place().bank + 1
            }
            Some(_) => 0..0,
            None => 0..self.banks().len(),
        };
        let number = match version.until {
            Until::Push(_) => version.number,
            _ => version.number.known_at(self.convergence.newest()),
        };
        // Read before the banks: when no visit is pending, they have the marks of all.
        let expanded = match version.until {
            Until::OnDemand(lane) => !self.fan_out(lane).is_pending(),
            Until::Seq | Until::Push(_) => true,
        };
        banks
            .flat_map(move |bank| {
                let now = self.banks()[bank].load();
                // A client that has not been visited yet may be idle, and is not caught up.
                let candidates = if expanded { now.busy() } else { now.live() };
                slots(candidates & self.concerned(&version.recipients, bank))
                    .map(move |slot| Place { bank, slot })
            })
            .filter(move |place| {
                let progress = self.progress(place.bank);
                match version.until {
                    Until::Push(push) => !progress.has_pushed(place.slot, push),
                    _ => !progress.has_completed(place.slot, number),
                }
            })
            .map(|place| self.registry.key(place))
            // The place may have passed to another client, whom the version doesn't concern.
            .filter(move |&key| only.is_none_or(|only| only == key))
    }

    /// The slots of a bank that a publish may have concerned.
    pub(super) fn concerned(&self, recipients: &Recipients, bank: usize) -> usize {
        match recipients {
            Recipients::Everyone => ALL,
            Recipients::Client(client) => 1 << client.place().slot,
            Recipients::Topics { topics, any, and } => {
                let (any, topics) = (usize::from(*any), &topics[..]);
                let reached = self.topics.may_concern(&topics[..any], bank);
                match and {
                    Some(end) if reached != 0 => {
                        reached & self.topics.may_concern(&topics[any..usize::from(*end)], bank)
                    }
                    _ => reached,
                }
            }
        }
    }
}
