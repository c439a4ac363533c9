//! Requests of the incremental protocol.

use std::prelude::v1::*;

use super::{Received, Subscription};
use crate::adapters::xds::proto::DeltaDiscoveryRequest;
use crate::adapters::xds::resource::{Name, Resource};

impl Subscription {
    /// Reads a request. Its subscriptions count whatever nonce it carries, and each is answered.
    pub(in crate::adapters::xds) fn delta(&mut self, request: &DeltaDiscoveryRequest) -> Received {
        let nonce = &*request.response_nonce;
        let answered = self.answer_to(nonce, request.error_detail.as_ref());
        let stale = answered.is_none() && !nonce.is_empty() && self.begun;
        let first = !core::mem::replace(&mut self.begun, true);
        let mut next = self.interest.clone();
        let mut asked: Vec<Name> = Vec::new();
        let mut star = first && request.resource_names_subscribe.is_empty() && self.kind.wildcard;
        for name in &request.resource_names_unsubscribe {
            if name == "*" {
                next.wildcard = false;
            } else if next.names.remove(&**name) && next.wildcard {
                // It is told whether the wildcard still covers it.
                asked.push(Name::from(&**name));
            }
        }
        for name in &request.resource_names_subscribe {
            if name == "*" {
                star = true;
            } else {
                let name = Name::from(&**name);
                // Also what it has rejected: it asks for it.
                self.delivered.pardon(&name);
                asked.push(name.clone());
                next.names.insert(name);
            }
        }
        next.wildcard |= star;
        let mut held = Vec::new();
        if first {
            for (name, version) in &request.initial_resource_versions {
                let name = Name::from(&**name);
                if !next.wildcard && next.names.insert(name.clone()) {
                    // Some clients leave out of `subscribe` what they hold.
                    held.push(name.clone());
                }
                self.delivered.hold(Resource::held(self.type_url.clone(), name, version));
            }
        }
        let moved = self.interest.change_to(next);
        self.delivered.keep_only(|one| self.interest.covers_resource(one));
        self.asked.retain(|name| self.interest.covers(name));
        let abandoned = self.abandon();
        let due = star || !asked.is_empty() || !moved.added.is_empty();
        self.asked.extend(asked);
        self.answer |= star;
        if due {
            self.synced = 0;
        }
        Received { answered, moved, due, stale, abandoned, held }
    }
}
