//! [`Encoding`]: a response, turned into bytes part by part.
//!
//! The bytes of a resource are encoded once, when it is made, and every response takes them from
//! there. Here they are copied into parts that HTTP/2 takes one at a time, or, where a part holds
//! nothing else, handed over without a copy. So a large response to a client that reads slowly
//! costs one part of memory, and the resources that it shares with all others.

use std::prelude::v1::*;
use std::vec;

use bytes::{Buf, Bytes};
use prost::{encode_length_delimiter, length_delimiter_len};

use super::inbound::HEADER;
use super::resource::Resource;
use super::subscription::Reply;
use super::wire::Wire;

/// HTTP/2's own frames are no larger.
pub(super) const PART: usize = 16 << 10;

/// What a response takes beside its resources, as a rule.
const HEAD: usize = 160;

/// Writes a field that holds text, bytes or a message. Tags are below 16.
pub(super) fn put(tag: u8, value: &[u8], to: &mut Vec<u8>) {
    put_key(tag, value.len(), to);
    to.extend_from_slice(value);
}

/// Writes a field that holds a number as text: with a base of 10 or 16.
pub(super) fn put_number<const BASE: u64>(tag: u8, mut number: u64, to: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut first = digits.len();
    loop {
        first -= 1;
        digits[first] = b"0123456789abcdef"[(number % BASE) as usize];
        number /= BASE;
        if number == 0 {
            break;
        }
    }
    put(tag, &digits[first..], to);
}

/// Writes what comes before such a field's value.
pub(super) fn put_key(tag: u8, length: usize, to: &mut Vec<u8>) {
    const LENGTH_DELIMITED: u8 = 2;
    let key = tag << 3 | LENGTH_DELIMITED;
    if length < 0x80 {
        to.extend_from_slice(&[key, length as u8]);
    } else {
        to.push(key);
        // A `Vec` grows.
        let _ = encode_length_delimiter(length, to);
    }
}

/// How many bytes such a field takes.
pub(super) fn field(length: usize) -> usize {
    1 + length_delimiter_len(length) + length
}

/// The part of a response that has not been encoded yet.
pub(super) struct Encoding {
    /// Of the resource that is being written.
    rest: Bytes,
    resources: vec::IntoIter<Resource>,
}

impl Encoding {
    /// Writes the beginning of a response, up to its first resource.
    pub(super) fn begin<W: Wire>(mut reply: Reply, part: &mut Vec<u8>) -> Self {
        let resources = core::mem::take(&mut reply.resources);
        let length: usize = resources.iter().map(|resource| field(W::length(resource))).sum();
        let start = part.len();
        part.reserve((HEADER + HEAD + length).min(PART));
        part.extend_from_slice(&[0; HEADER]);
        W::head(&reply, part);
        let length = part.len() - start - HEADER + length;
        let length = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
        // The first byte says that it is not compressed.
        part[start + 1..][..length.len()].copy_from_slice(&length);
        Encoding { rest: Bytes::new(), resources: resources.into_iter() }
    }

    /// Bytes that fill a part by themselves, and need not be copied.
    pub(super) fn whole(&mut self) -> Option<Bytes> {
        (self.rest.len() >= PART).then(|| self.rest.split_to(PART))
    }

    /// Writes on until the part is full or, `true`, the response is complete.
    pub(super) fn fill<W: Wire>(&mut self, part: &mut Vec<u8>) -> bool {
        loop {
            let fits = self.rest.len().min(PART.saturating_sub(part.len()));
            part.extend_from_slice(&self.rest[..fits]);
            self.rest.advance(fits);
            if !self.rest.is_empty() {
                return false;
            }
            let Some(resource) = self.resources.next() else { return true };
            self.rest = W::resource(&resource, part);
        }
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;
    use std::string::ToString;

    use prost::Message;

    use super::*;
    use crate::adapters::xds::proto::{DeltaDiscoveryResponse, DiscoveryResponse};
    use crate::adapters::xds::resource::{Name, TypeUrl};
    use crate::adapters::xds::subscription::Nonce;
    use crate::adapters::xds::wire::{Delta, Sotw};

    fn reply(resources: &[Resource]) -> Reply {
        Reply {
            type_url: TypeUrl::from(TypeUrl::ENDPOINTS),
            nonce: Nonce(0x2a),
            revision: 7,
            resources: resources.to_vec(),
            unresolved: [Name::from("alias")].into(),
            removed: [Name::from("gone")].into(),
        }
    }

    fn parts<W: Wire>(resources: &[Resource]) -> Vec<Bytes> {
        let mut part = Vec::new();
        let mut encoding = Encoding::begin::<W>(reply(resources), &mut part);
        let mut parts = Vec::new();
        loop {
            let whole = if part.is_empty() { encoding.whole() } else { None };
            let complete = whole.is_none() && encoding.fill::<W>(&mut part);
            parts.push(whole.unwrap_or_else(|| core::mem::take(&mut part).into()));
            if complete {
                return parts;
            }
        }
    }

    fn message(parts: &[Bytes]) -> Bytes {
        let all = parts.concat();
        let (header, message) = all.split_first_chunk::<HEADER>().unwrap();
        assert_eq!(header, &[&[0][..], &(message.len() as u32).to_be_bytes()].concat()[..]);
        Bytes::copy_from_slice(message)
    }

    fn resources(sizes: &[usize]) -> Vec<Resource> {
        let sized = sizes.iter().enumerate();
        sized
            .map(|(at, size)| {
                let body = std::vec![b'x'; *size];
                Resource::hashed(TypeUrl::ENDPOINTS, std::format!("r{at}"), body)
            })
            .collect()
    }

    /// Around the size of a part everything may be off by one.
    fn cases() -> Vec<Vec<Resource>> {
        let about = (PART - 300..PART + 40).map(|size| resources(&[size, 5, size]));
        let few = [&[][..], &[0], &[1, 2], &[100_000], &[10, 3 * PART, 10], &[1_000; 50]];
        about.chain(few.map(resources)).collect()
    }

    #[test]
    fn a_client_reads_what_was_to_be_said() {
        for resources in cases() {
            let read = DiscoveryResponse::decode(message(&parts::<Sotw>(&resources))).unwrap();
            assert_eq!((&*read.version_info, &*read.nonce), ("7", "2a"));
            assert_eq!(&*read.type_url, TypeUrl::ENDPOINTS);
            assert_eq!(read.control_plane.unwrap().identifier, "pushlane");
            let expected: Vec<_> = resources.iter().map(Resource::any).collect();
            assert_eq!(read.resources, expected);

            let mut resources = resources;
            if let Some(first) = resources.first_mut() {
                let ttl = Duration::from_millis(1_500);
                *first = first.clone().with_aliases(["a", "b"]).with_ttl(ttl);
            }
            let read = DeltaDiscoveryResponse::decode(message(&parts::<Delta>(&resources)));
            let read = read.unwrap();
            assert_eq!((&*read.system_version_info, &*read.nonce), ("7", "2a"));
            assert_eq!(&*read.type_url, TypeUrl::ENDPOINTS);
            assert_eq!(read.control_plane.unwrap().identifier, "pushlane");
            assert_eq!(read.removed_resources, ["gone"]);
            let (unresolved, read) = read.resources.split_first().unwrap();
            assert_eq!(
                (&*unresolved.name, &unresolved.aliases[..]),
                ("alias", &["alias".into()][..])
            );
            assert_eq!(read.len(), resources.len());
            for (read, resource) in read.iter().zip(&resources) {
                assert_eq!((&*read.name, &*read.version), (resource.name(), resource.version()));
                assert!(read.aliases.iter().map(|alias| &**alias).eq(resource.aliases()));
                assert_eq!((&read.resource, read.ttl), (&resource.any(), resource.lifetime()));
            }
        }
    }

    #[test]
    fn numbers_are_written_as_they_are_read() {
        for number in [0, 9, 10, 0xabc, u64::MAX] {
            let mut field = Vec::new();
            put_number::<10>(1, number, &mut field);
            assert_eq!(field[2..], *number.to_string().as_bytes());
            field.clear();
            put_number::<16>(1, number, &mut field);
            assert_eq!(field[2..], *std::format!("{number:x}").as_bytes());
        }
    }

    #[test]
    fn parts_are_small_and_large_resources_are_shared() {
        for resources in cases() {
            let parts = parts::<Delta>(&resources);
            assert!(parts.iter().all(|part| part.len() <= PART + HEAD));
        }
        let large = resources(&[10 * PART]);
        let any = large[0].any().as_ptr_range();
        let shared =
            parts::<Sotw>(&large).iter().filter(|part| any.contains(&part.as_ptr())).count();
        assert!(shared >= 9, "{shared} of 11 parts");
    }
}
