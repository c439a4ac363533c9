//! Requests of the state-of-the-world protocol.

use core::str::Utf8Error;

use super::{Interest, Received, Subscription};
use crate::adapters::xds::resource::Name;
use crate::adapters::xds::sotw_request::SotwRequest;

impl Subscription {
    /// Reads a request. Its names count whatever its nonce: a stream keeps requests in order, so
    /// they are the newest. A nonce that is not the last one accepts and rejects nothing.
    ///
    /// # Errors
    ///
    /// A name is not text. Those of a list that is repeated have been looked at before.
    pub(in crate::adapters::xds) fn sotw(
        &mut self,
        request: &SotwRequest<'_>,
    ) -> Result<Received, Utf8Error> {
        let nonce = request.response_nonce;
        // An empty nonce answers nothing: the client had read no response when it wrote this.
        let stale = self.begun && !nonce.is_empty() && !self.nonce.is(nonce);
        let answered = self.answer_to(nonce, request.error_detail.as_ref());
        let first = !core::mem::replace(&mut self.begun, true);
        self.delivered.may_have_more |= first && !request.version_info.is_empty();
        let list = request.list;
        if !first && core::mem::replace(&mut self.list, list) == list {
            return Ok(Received { answered, stale, ..Received::default() });
        }
        self.list = list;
        let names = request.names().map(|name| name.map(Name::from));
        let mut next = Interest { names: names.collect::<Result<_, _>>()?, wildcard: false };
        let none = next.names.is_empty();
        next.wildcard = if none {
            // Once names were given, an empty list is a list of none.
            (first && self.kind.wildcard)
                || (self.interest.wildcard && self.interest.names.is_empty() && !self.starred)
        } else {
            next.names.remove("*")
        };
        self.starred = next.wildcard && !none;
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
    fn a_name_that_is_no_text_is_an_error() {
        let type_url = TypeUrl::from(TypeUrl::ENDPOINTS);
        let kind = Kind::of(&type_url);
        let mut subscription = Subscription::new(type_url, Variant::Sotw, kind);
        for (message, good) in [(&b"\x1a\x01a"[..], true), (b"\x1a\x01a\x1a\x01\xff", false)] {
            let request = SotwRequest::decode(message).unwrap();
            assert_eq!(subscription.sotw(&request).is_ok(), good);
        }
    }
}
