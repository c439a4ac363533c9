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
        let unsorted = self.bytes.split_off(content);
        let mut from = 0;
        let mut parts: Vec<_> = fields
            .iter()
            .map(|&(number, end)| {
                (number, std::mem::replace(&mut from, end - content)..end - content)
            })
            .collect();
        parts.sort_by_key(|(number, _)| *number);
        parts.into_iter().for_each(|(_, part)| self.bytes.extend_from_slice(&unsorted[part]));
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
        if rest.is_empty() {
            return None;
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Lengths of one, two and three bytes, one in another, with fields out of order.
    #[test]
    fn what_is_written_is_read_again() {
        for length in [0, 1, 100, 127, 128, 200, 16_383, 16_384, 70_000] {
            let text = "x".repeat(length);
            let mut encoder = Encoder::default();
            encoder.put(9, &Scalar::Varint(300));
            let outer = encoder.begin(2);
            let empty = encoder.begin(5);
            encoder.end_unless_empty(empty);
            let list = encoder.begin(4);
            for value in [1, 300] {
                encoder.put_element(&Scalar::Varint(value));
            }
            encoder.end_unless_empty(list);
            let inner = encoder.begin(3);
            encoder.put(7, &Scalar::text("last"));
            encoder.put(6, &Scalar::text(&text));
            encoder.put(6, &Scalar::Fixed64(1));
            encoder.end(inner);
            encoder.end(outer);
            encoder.put(1, &Scalar::Fixed32(1));
            let bytes = encoder.finish();

            let [(1, Field::Fixed), (2, Field::Bytes(outer)), (9, Field::Varint(300))] =
                fields(&bytes).collect::<Vec<_>>()[..]
            else {
                panic!("{:?}", fields(&bytes).collect::<Vec<_>>())
            };
            let [(3, Field::Bytes(inner)), (4, Field::Bytes([1, 0xac, 2]))] =
                fields(outer).collect::<Vec<_>>()[..]
            else {
                panic!("{:?}", fields(outer).collect::<Vec<_>>())
            };
            let expected =
                [(6, Field::Bytes(text.as_bytes())), (6, Field::Fixed), (7, Field::Bytes(b"last"))];
            assert_eq!(fields(inner).collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn what_is_no_protobuf_ends_the_fields() {
        let good = [8, 1];
        for bad in [&[8][..], &[0xff], &[0x12, 2, 0], &[0x0b], &[0x0d, 0, 0], &[0]] {
            let bytes = [&good, bad].concat();
            assert_eq!(fields(&bytes).collect::<Vec<_>>(), [(1, Field::Varint(1))], "{bad:?}");
        }
    }
}
