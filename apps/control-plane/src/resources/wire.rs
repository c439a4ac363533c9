//! Protobuf's encoding. Maps keep the order of the file and fields are sorted, so the same text
//! always gives the same bytes, and reading a file again changes nothing.

use prost::encoding::{WireType, encode_key, encode_varint};

/// A value of a scalar field, as it goes on the wire.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Scalar {
    Varint(u64),
    Fixed32(u32),
    Fixed64(u64),
    Bytes(Vec<u8>),
}

impl Scalar {
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
                to.extend(bytes);
            }
        }
    }
}

/// A message under construction.
#[derive(Debug, Default)]
pub(crate) struct Encoder {
    /// The fields in the order in which they were put.
    bytes: Vec<u8>,
    /// Their numbers, and where they end.
    fields: Vec<(u32, usize)>,
}

impl Encoder {
    pub(crate) fn put(&mut self, number: u32, value: &Scalar) {
        encode_key(number, value.wire_type(), &mut self.bytes);
        value.write(&mut self.bytes);
        self.fields.push((number, self.bytes.len()));
    }

    pub(crate) fn put_message(&mut self, number: u32, message: Vec<u8>) {
        self.put(number, &Scalar::Bytes(message));
    }

    pub(crate) fn put_packed(&mut self, number: u32, values: &[Scalar]) {
        let mut packed = Vec::new();
        values.iter().for_each(|value| value.write(&mut packed));
        self.put(number, &Scalar::Bytes(packed));
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        if self.fields.is_sorted_by_key(|(number, _)| *number) {
            return self.bytes;
        }
        let mut from = 0;
        let mut parts: Vec<_> = self
            .fields
            .iter()
            .map(|&(number, end)| (number, &self.bytes[std::mem::replace(&mut from, end)..end]))
            .collect();
        parts.sort_by_key(|(number, _)| *number);
        let mut sorted = Vec::with_capacity(self.bytes.len());
        parts.iter().for_each(|(_, part)| sorted.extend_from_slice(part));
        sorted
    }
}
