//! Requests of the state-of-the-world protocol.

use std::prelude::v1::*;

use super::{Interest, Received, Subscription};
use crate::adapters::xds::proto::DiscoveryRequest;
use crate::adapters::xds::resource::Name;

impl Subscription {
    /// Reads a request. `None`: it answers a response that is not the last one, and says nothing any more.
    pub(in crate::adapters::xds) fn sotw(
        &mut self,
        request: &DiscoveryRequest,
    ) -> Option<Received> {
        let nonce = &*request.response_nonce;
        // An empty nonce answers nothing: the client had read no response when it wrote this.
        if self.begun && !nonce.is_empty() && nonce != self.nonce {
            return None;
        }
        let answered = self.answer_to(nonce, request.error_detail.as_ref());
        let first = !core::mem::replace(&mut self.begun, true);
        let mut next = Interest {
            names: request.resource_names.iter().map(|name| Name::from(&**name)).collect(),
            wildcard: false,
        };
        next.wildcard = if next.names.is_empty() {
            // Once names were given, an empty list is a list of none.
            (first && self.type_url.is_complete_set())
                || (self.interest.wildcard && self.interest.names.is_empty() && !self.starred)
        } else {
            next.names.remove("*")
        };
        self.starred = next.wildcard && !request.resource_names.is_empty();
        let moved = self.interest.change_to(next);
        self.delivered.forget(&self.lost(&moved.left));
        let more = !moved.added.is_empty() || moved.wildcard == Some(true);
        let due = more || (first && self.interest.wildcard);
        if due {
            self.synced = 0;
            // The set as it is now, even if it lacks what was asked for: then that is known.
            self.answer |= self.is_complete();
        }
        Some(Received { answered, moved, due })
    }

    /// Of the names that were left, those that nothing else covers. After a wildcard has ended, all others as well.
    fn lost(&self, left: &[Name]) -> Vec<Name> {
        if self.interest.wildcard {
            return Vec::new();
        }
        let uncovered = self.delivered.names().filter(|name| !self.interest.covers(name));
        uncovered.chain(left).cloned().collect()
    }
}
