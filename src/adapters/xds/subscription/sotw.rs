//! Requests of the state-of-the-world protocol.

use core::hash::BuildHasher;
use std::collections::hash_map::RandomState;
use std::prelude::v1::*;
use std::sync::OnceLock;

use super::{Interest, Received, Subscription};
use crate::adapters::xds::proto::DiscoveryRequest;
use crate::adapters::xds::resource::Name;

/// Of a list of names, in the order in which they are given: who changes the order is taken at its word.
fn hash(names: &[String]) -> u64 {
    static RANDOM: OnceLock<RandomState> = OnceLock::new();
    RANDOM.get_or_init(RandomState::new).hash_one(names)
}

impl Subscription {
    /// Reads a request. Its names count whatever its nonce: a stream keeps requests in order, so they are the newest.
    /// A nonce that is not the last one accepts and rejects nothing.
    pub(in crate::adapters::xds) fn sotw(&mut self, request: &DiscoveryRequest) -> Received {
        let nonce = &*request.response_nonce;
        // An empty nonce answers nothing: the client had read no response when it wrote this.
        let stale = self.begun && !nonce.is_empty() && nonce != self.nonce;
        let answered = self.answer_to(nonce, request.error_detail.as_ref());
        let first = !core::mem::replace(&mut self.begun, true);
        self.delivered.may_have_more |= first && !request.version_info.is_empty();
        let list = hash(&request.resource_names);
        if !first && core::mem::replace(&mut self.list, list) == list {
            return Received { answered, stale, ..Received::default() };
        }
        self.list = list;
        let mut next = Interest {
            names: request.resource_names.iter().map(|name| Name::from(&**name)).collect(),
            wildcard: false,
        };
        next.wildcard = if next.names.is_empty() {
            // Once names were given, an empty list is a list of none.
            (first && self.kind.wildcard)
                || (self.interest.wildcard && self.interest.names.is_empty() && !self.starred)
        } else {
            next.names.remove("*")
        };
        self.starred = next.wildcard && !request.resource_names.is_empty();
        let moved = self.interest.change_to(next);
        self.delivered.keep_only(|one| self.interest.covers_resource(one));
        self.asked.retain(|name| self.interest.covers(name));
        // Also what it has rejected: it asks for it.
        moved.added.iter().for_each(|name| self.delivered.pardon(name));
        let abandoned = self.abandon();
        let more = !moved.added.is_empty() || moved.wildcard == Some(true);
        let due = more || (first && self.interest.wildcard);
        if due {
            self.synced = 0;
            // The set as it is now, even if it lacks what was asked for: then that is known.
            self.answer |= self.is_complete();
        }
        if self.kind.stand_in {
            self.asked.extend(moved.added.iter().cloned());
        }
        Received { answered, moved, due, stale, abandoned, ..Received::default() }
    }
}
