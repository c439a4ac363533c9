//! [`SotwRequest`]: a state-of-the-world request, read where it lies.
//!
//! Most requests repeat a list of names, perhaps a hundred, and are gone at once. So nothing is
//! copied: the list is hashed in passing, and read again only if it has changed.

use core::str::{self, Utf8Error};
use std::borrow::Cow;
use std::boxed::Box;
use std::string::ToString;

use prost::{Message, decode_length_delimiter};

use super::proto::{Node, Status};

/// A `DiscoveryRequest`, as far as the server reads it.
#[derive(Debug, Default)]
pub(super) struct SotwRequest<'a> {
    pub(super) version_info: &'a str,
    pub(super) node: Option<Box<Node>>,
    pub(super) type_url: &'a str,
    pub(super) response_nonce: &'a str,
    pub(super) error_detail: Option<Status>,
    /// The longest of the names.
    pub(super) longest: &'a [u8],
    /// A hash of the names, in the order in which they are given.
    pub(super) list: u64,
    message: &'a [u8],
}

impl<'a> SotwRequest<'a> {
    /// Reads all but the names.
    ///
    /// # Errors
    ///
    /// It is no message, or something else than a name should be text and isn't.
    pub(super) fn decode(message: &'a [u8]) -> Result<Self, Unreadable> {
        let mut request = SotwRequest { message, ..SotwRequest::default() };
        let mut list = ListHash::default();
        for field in Fields::of(message) {
            let (tag, value) = field?;
            match tag {
                1 => request.version_info = text(value)?,
                2 => merge(request.node.get_or_insert_default(), value)?,
                NAMES => {
                    list.add(value);
                    if value.len() > request.longest.len() {
                        request.longest = value;
                    }
                }
                4 => request.type_url = text(value)?,
                5 => request.response_nonce = text(value)?,
                6 => merge(request.error_detail.get_or_insert_default(), value)?,
                _ => {}
            }
        }
        request.list = list.0;
        Ok(request)
    }

    /// The names that are subscribed to. An error is one that is not text.
    pub(super) fn names(&self) -> impl Iterator<Item = Result<&'a str, Utf8Error>> {
        let fields = Fields::of(self.message).filter_map(Result::ok);
        fields.filter(|(tag, _)| *tag == NAMES).map(|(_, name)| str::from_utf8(name))
    }
}

const NAMES: usize = 3;

/// Why a request can't be read.
type Unreadable = Cow<'static, str>;

fn text(value: &[u8]) -> Result<&str, &'static str> {
    str::from_utf8(value).map_err(|_| "text that is not UTF-8")
}

fn merge(message: &mut impl Message, value: &[u8]) -> Result<(), Unreadable> {
    message.merge(value).map_err(|error| error.to_string().into())
}

/// A client with two lists of one hash deceives nobody but itself, so a fast hash will do.
struct ListHash(u64);

impl Default for ListHash {
    fn default() -> Self {
        ListHash(1)
    }
}

impl ListHash {
    fn mix(&mut self, word: u64) {
        let wide = u128::from(self.0 ^ word) * 0x9e37_79b9_7f4a_7c15;
        self.0 = (wide >> 64) as u64 ^ wide as u64;
    }

    fn add(&mut self, name: &[u8]) {
        let (words, rest) = name.as_chunks::<8>();
        words.iter().for_each(|word| self.mix(u64::from_le_bytes(*word)));
        // The last word overlaps the one before, or is short.
        let short = || rest.iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
        self.mix(name.last_chunk().map_or_else(short, |word| u64::from_le_bytes(*word)));
        self.mix(name.len() as u64);
    }
}

/// The fields of a message that hold text, bytes or messages: tag and value. Others are skipped.
struct Fields<'a> {
    rest: &'a [u8],
    /// How many groups are open. What is in them is skipped.
    groups: usize,
}

impl<'a> Fields<'a> {
    fn of(message: &'a [u8]) -> Self {
        Fields { rest: message, groups: 0 }
    }

    #[inline]
    fn number(&mut self) -> Result<usize, &'static str> {
        // One byte as a rule.
        if let Some((&byte, rest)) = self.rest.split_first()
            && byte < 0x80
        {
            self.rest = rest;
            return Ok(byte.into());
        }
        decode_length_delimiter(&mut self.rest).map_err(|_| "a bad number")
    }

    #[inline]
    fn take(&mut self, length: usize) -> Result<&'a [u8], &'static str> {
        let (value, rest) = self.rest.split_at_checked(length).ok_or("it is cut off")?;
        self.rest = rest;
        Ok(value)
    }

    #[inline]
    fn field(&mut self) -> Result<Option<(usize, &'a [u8])>, &'static str> {
        let key = self.number()?;
        match key & 7 {
            0 => drop(self.number()?),
            1 => drop(self.take(8)?),
            2 => {
                let length = self.number()?;
                let value = self.take(length)?;
                return Ok((self.groups == 0).then_some((key >> 3, value)));
            }
            3 => self.groups += 1,
            4 if self.groups > 0 => self.groups -= 1,
            5 => drop(self.take(4)?),
            _ => return Err("a field of no known kind"),
        }
        Ok(None)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(usize, &'a [u8]), &'static str>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest.is_empty() {
            match self.field() {
                Ok(None) => {}
                Ok(Some(field)) => return Some(Ok(field)),
                Err(error) => {
                    self.rest = &[];
                    return Some(Err(error));
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::prelude::v1::*;

    use proptest::prelude::*;

    use super::*;
    use crate::adapters::xds::proto::DiscoveryRequest;

    fn hash(names: &[&str]) -> u64 {
        let resource_names = names.iter().map(|name| name.to_string()).collect();
        let request = DiscoveryRequest { resource_names, ..DiscoveryRequest::default() };
        SotwRequest::decode(&request.encode_to_vec()).unwrap().list
    }

    #[test]
    fn lists_that_differ_have_other_hashes() {
        let lists: [&[&str]; 11] = [
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
        let hashes = lists.map(hash);
        for (at, hash) in hashes.iter().enumerate() {
            assert!(!hashes[..at].contains(hash), "{:?}", lists[at]);
        }
    }

    fn request() -> impl Strategy<Value = DiscoveryRequest> {
        let text = || prop::collection::vec(any::<char>(), 0..100).prop_map(String::from_iter);
        let node = prop::option::of(text().prop_map(|id| Node { id, ..Node::default() }));
        let status = (any::<i32>(), text()).prop_map(|(code, message)| Status { code, message });
        let names = prop::collection::vec(text(), 0..5);
        let all = (text(), node, names, text(), text(), prop::option::of(status));
        all.prop_map(|(version_info, node, resource_names, type_url, response_nonce, status)| {
            DiscoveryRequest {
                version_info,
                node,
                resource_names,
                type_url,
                response_nonce,
                error_detail: status,
            }
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn what_is_written_is_read(request in request(), cut in any::<prop::sample::Index>()) {
            let mut message = request.encode_to_vec();
            // Fields that aren't known, of every kind, and a name in a group.
            let unknown = b"\x40\xff\x01\x49........\x55....\x5a\x02..\x63\x1a\x01n\x64";
            message.extend_from_slice(unknown);
            let read = SotwRequest::decode(&message).unwrap();
            prop_assert_eq!(read.version_info, &request.version_info);
            prop_assert_eq!(read.node.as_deref(), request.node.as_ref());
            prop_assert_eq!(read.type_url, &request.type_url);
            prop_assert_eq!(read.response_nonce, &request.response_nonce);
            prop_assert_eq!(&read.error_detail, &request.error_detail);
            let names = request.resource_names;
            prop_assert!(read.names().eq(names.iter().map(|name| Ok(&**name))));
            let longest = names.iter().map(String::len).max();
            prop_assert_eq!(read.longest.len(), longest.unwrap_or(0));
            // Whatever is left of it, it is read or refused.
            let cut = cut.index(message.len());
            let prost = DiscoveryRequest::decode(&message[..cut]);
            prop_assert!(prost.is_err() || SotwRequest::decode(&message[..cut]).is_ok());
        }

        #[test]
        fn anything_is_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let request = SotwRequest::decode(&bytes);
            if let Ok(expected) = DiscoveryRequest::decode(&*bytes) {
                let request = request.unwrap();
                prop_assert!(request.names().eq(expected.resource_names.iter().map(|name| Ok(&**name))));
            }
        }
    }
}
