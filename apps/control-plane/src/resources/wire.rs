//! Protobuf's encoding. Maps keep the order of the file and fields are sorted, so the same text
//! always gives the same bytes, and reading a file again changes nothing.

use prost::encoding::{WireType, decode_key, decode_varint, encode_key, encode_varint};
use std::borrow::Cow;

/// A value of a scalar field, as it goes on the wire. Texts are borrowed from the file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Scalar<'a> {
    Varint(u64),
    Fixed32(u32),
    Fixed64(u64),
    Bytes(Cow<'a, [u8]>),
}

impl<'a> Scalar<'a> {
    pub(crate) fn text(text: &'a str) -> Self {
        Self::Bytes(text.as_bytes().into())
    }

    pub(crate) fn into_owned(self) -> Scalar<'static> {
        match self {
            Self::Varint(value) => Scalar::Varint(value),
            Self::Fixed32(bits) => Scalar::Fixed32(bits),
            Self::Fixed64(bits) => Scalar::Fixed64(bits),
            Self::Bytes(bytes) => Scalar::Bytes(bytes.into_owned().into()),
        }
    }

    /// Whether a field without presence leaves it out.
    pub(crate) fn is_default(&self) -> bool {
        match self {
            Self::Varint(value) => *value == 0,
            Self::Fixed32(bits) => *bits == 0,
            Self::Fixed64(bits) => *bits == 0,
            Self::Bytes(bytes) => bytes.is_empty(),
        }
    }

    fn wire_type(&self) -> WireType {
        match self {
            Self::Varint(_) => WireType::Varint,
            Self::Fixed32(_) => WireType::ThirtyTwoBit,
            Self::Fixed64(_) => WireType::SixtyFourBit,
            Self::Bytes(_) => WireType::LengthDelimited,
        }
    }

    fn write(&self, to: &mut Vec<u8>) {
        match self {
            Self::Varint(value) => encode_varint(*value, to),
            Self::Fixed32(bits) => to.extend(bits.to_le_bytes()),
            Self::Fixed64(bits) => to.extend(bits.to_le_bytes()),
            Self::Bytes(bytes) => {
                encode_varint(bytes.len() as u64, to);
                to.extend_from_slice(bytes);
            }
        }
    }
}

/// A message under construction, and those that are open within it, in one buffer.
#[derive(Debug, Default)]
pub(crate) struct Encoder {
    /// The fields in the order in which they were put.
    bytes: Vec<u8>,
    /// Their numbers, and where they end: of the outermost message, then of each open one.
    fields: Vec<(u32, usize)>,
}

/// A field with a length that has been begun.
#[must_use]
pub(crate) struct Open {
    number: u32,
    /// The length of the buffer without the field.
    before: usize,
    /// Where the content begins, after the key and one byte for the length.
    content: usize,
    /// The number of fields put before.
    fields: usize,
}

impl Encoder {
    pub(crate) fn put(&mut self, number: u32, value: &Scalar<'_>) {
        encode_key(number, value.wire_type(), &mut self.bytes);
        value.write(&mut self.bytes);
        self.fields.push((number, self.bytes.len()));
    }

    /// Puts an element of the packed list that is open.
    pub(crate) fn put_element(&mut self, value: &Scalar<'_>) {
        value.write(&mut self.bytes);
    }

    /// Begins a message or a packed list.
    pub(crate) fn begin(&mut self, number: u32) -> Open {
        let before = self.bytes.len();
        encode_key(number, WireType::LengthDelimited, &mut self.bytes);
        self.bytes.push(0);
        Open { number, before, content: self.bytes.len(), fields: self.fields.len() }
    }

    /// Ends what was begun last.
    pub(crate) fn end(&mut self, open: Open) {
        self.sort(open.content, open.fields);
        self.fields.truncate(open.fields);
        let mut length = self.bytes.len() - open.content;
        let mut at = open.content - 1;
        // Seldom does it take more than the one byte that was left for it.
        while length >= 0x80 {
            self.bytes[at] = length as u8 | 0x80;
            length >>= 7;
            at += 1;
            self.bytes.insert(at, 0);
        }
        self.bytes[at] = length as u8;
        self.fields.push((open.number, self.bytes.len()));
    }

    /// Ends what was begun last, or leaves it out if there is nothing in it.
    pub(crate) fn end_unless_empty(&mut self, open: Open) {
        if self.bytes.len() > open.content {
            self.end(open);
        } else {
            self.bytes.truncate(open.before);
        }
    }

    /// The outermost message.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.sort(0, 0);
        self.bytes.shrink_to_fit();
        self.bytes
    }

    /// Sorts the fields of the innermost message by number. Those of a list stay in order.
    fn sort(&mut self, content: usize, fields: usize) {
        let fields = &self.fields[fields..];
        if fields.is_sorted_by_key(|(number, _)| *number) {
            return;
        }
        let mut from = content;
        let mut parts: Vec<_> = fields
            .iter()
            .map(|&(number, end)| (number, std::mem::replace(&mut from, end)..end))
            .collect();
        parts.sort_by_key(|(number, _)| *number);
        let sorted: Vec<u8> =
            parts.into_iter().flat_map(|(_, part)| &self.bytes[part]).copied().collect();
        self.bytes.truncate(content);
        self.bytes.extend(sorted);
    }
}

/// A field of an encoded message.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Field<'a> {
    Varint(u64),
    Bytes(&'a [u8]),
    Fixed,
}

/// The fields of an encoded message with their numbers, up to its end, or to what is no protobuf.
pub(crate) fn fields(bytes: &[u8]) -> impl Iterator<Item = (u32, Field<'_>)> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (number, wire_type) = decode_key(&mut rest).ok()?;
        let length = match wire_type {
            WireType::Varint => {
                return Some((number, Field::Varint(decode_varint(&mut rest).ok()?)));
            }
            WireType::SixtyFourBit => 8,
            WireType::ThirtyTwoBit => 4,
            WireType::LengthDelimited => usize::try_from(decode_varint(&mut rest).ok()?).ok()?,
            WireType::StartGroup | WireType::EndGroup => return None,
        };
        let (bytes, after) = rest.split_at_checked(length)?;
        rest = after;
        let is_fixed = wire_type != WireType::LengthDelimited;
        Some((number, if is_fixed { Field::Fixed } else { Field::Bytes(bytes) }))
    })
}
