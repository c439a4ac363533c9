//! Requests of the state-of-the-world protocol.

use core::str::{self, Utf8Error};
use std::prelude::v1::*;

use bytes::Bytes;

use super::{Interest, Received, Subscription};
use crate::adapters::xds::proto::{SotwRequest, text};
use crate::adapters::xds::resource::Name;

/// Of a list of names, in the order in which they are given. A client with two lists of one hash
/// deceives nobody but itself, so a fast hash will do.
fn hash(names: &[Bytes]) -> u64 {
    let mut hash = names.len() as u64;
    let mut mix = |word: u64| {
        let wide = u128::from(hash ^ word) * 0x9e37_79b9_7f4a_7c15;
        hash = (wide >> 64) as u64 ^ wide as u64;
    };
    for name in names {
        let (words, rest) = name.as_chunks::<8>();
        words.iter().for_each(|word| mix(u64::from_le_bytes(*word)));
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        mix(u64::from_le_bytes(last));
        mix(name.len() as u64);
    }
    hash
}

impl Subscription {
    /// Reads a request. Its names count whatever its nonce: a stream keeps requests in order, so
    /// they are the newest. A nonce that is not the last one accepts and rejects nothing.
    ///
    /// # Errors
    ///
    /// A name is not text. Those of a list that is repeated have been looked at before.
    pub(in crate::adapters::xds) fn sotw(
        &mut self,
        request: &SotwRequest,
    ) -> Result<Received, Utf8Error> {
        let nonce = text(&request.response_nonce);
        // An empty nonce answers nothing: the client had read no response when it wrote this.
        let stale = self.begun && !nonce.is_empty() && !self.nonce.is(nonce);
        let answered = self.answer_to(nonce, request.error_detail.as_ref());
        let first = !core::mem::replace(&mut self.begun, true);
        self.delivered.may_have_more |= first && !request.version_info.is_empty();
        let list = hash(&request.resource_names);
        if !first && core::mem::replace(&mut self.list, list) == list {
            return Ok(Received { answered, stale, ..Received::default() });
        }
        self.list = list;
        let names = request.resource_names.iter().map(|name| str::from_utf8(name).map(Name::from));
        let mut next = Interest { names: names.collect::<Result<_, _>>()?, wildcard: false };
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
        Ok(Received { answered, moved, due, stale, abandoned, ..Received::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::xds::kinds::Kind;
    use crate::adapters::xds::resource::TypeUrl;
    use crate::adapters::xds::subscription::Variant;

    #[test]
    fn lists_that_differ_have_other_hashes() {
        let lists: [&[&'static str]; 11] = [
            &[],
            &[""],
            &["a"],
            &["a", ""],
            &["a", "b"],
            &["b", "a"],
            &["ab"],
            &["service-1", "service-2"],
            &["service-2", "service-1"],
            &["service-", "1service-2"],
            &["service-1service-2"],
        ];
        let hashes = lists.map(|list| {
            hash(&list.iter().map(|name| Bytes::from_static(name.as_bytes())).collect::<Vec<_>>())
        });
        for (at, hash) in hashes.iter().enumerate() {
            assert!(!hashes[..at].contains(hash), "{:?}", lists[at]);
        }
    }

    #[test]
    fn a_name_that_is_no_text_is_an_error() {
        let type_url = TypeUrl::from(TypeUrl::ENDPOINTS);
        let kind = Kind::of(&type_url);
        let mut subscription = Subscription::new(type_url, Variant::Sotw, kind);
        let mut request = SotwRequest::default();
        for (name, good) in [(&b"a"[..], true), (b"\xff", false)] {
            request.resource_names.push(Bytes::from_static(name));
            assert_eq!(subscription.sotw(&request).is_ok(), good);
        }
    }
}
