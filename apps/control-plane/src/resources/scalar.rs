//! Scalars of proto3 JSON.

use super::node::{Node, Value};
use super::wire::Scalar;
use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use prost_reflect::{EnumDescriptor, Kind};

const EITHER: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, EITHER);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, EITHER);

/// The value of a field of this kind, which is no message, or what is wrong with it.
pub(crate) fn scalar<'n>(node: &'n Node<'_>, kind: &Kind) -> Result<Scalar<'n>, String> {
    Ok(match kind {
        Kind::Bool => match node.value {
            Value::Bool(value) => Scalar::Varint(value.into()),
            _ => return Err(expected("a boolean", node)),
        },
        Kind::String => match &node.value {
            Value::Text(text) => Scalar::text(text),
            _ => return Err(expected("a string (quoted)", node)),
        },
        Kind::Bytes => match &node.value {
            Value::Text(text) => Scalar::Bytes(bytes(text)?.into()),
            _ => return Err(expected("a string of base64", node)),
        },
        // Negative numbers are sign-extended to 64 bits.
        Kind::Int32 => Scalar::Varint(integer::<i32>(node)? as i64 as u64),
        Kind::Int64 => Scalar::Varint(integer::<i64>(node)? as u64),
        Kind::Uint32 => Scalar::Varint(integer::<u32>(node)?.into()),
        Kind::Uint64 => Scalar::Varint(integer::<u64>(node)?),
        Kind::Sint32 => Scalar::Varint(zigzag(integer::<i32>(node)?.into())),
        Kind::Sint64 => Scalar::Varint(zigzag(integer::<i64>(node)?)),
        Kind::Fixed32 => Scalar::Fixed32(integer::<u32>(node)?),
        Kind::Fixed64 => Scalar::Fixed64(integer::<u64>(node)?),
        Kind::Sfixed32 => Scalar::Fixed32(integer::<i32>(node)? as u32),
        Kind::Sfixed64 => Scalar::Fixed64(integer::<i64>(node)? as u64),
        Kind::Float => Scalar::Fixed32((float(node, f64::from(f32::MAX))? as f32).to_bits()),
        Kind::Double => Scalar::Fixed64(float(node, f64::MAX)?.to_bits()),
        Kind::Enum(names) => Scalar::Varint(enum_value(node, names)? as i64 as u64),
        Kind::Message(_) => return Err("a message where a scalar is expected".into()),
    })
}

/// A map's key: JSON has only strings there.
pub(crate) fn key<'n>(name: &'n str, node: &Node<'_>, kind: &Kind) -> Result<Scalar<'n>, String> {
    let value = match (kind, name) {
        (Kind::String, text) => return Ok(Scalar::text(text)),
        (Kind::Bool, "true") => Value::Bool(true),
        (Kind::Bool, "false") => Value::Bool(false),
        _ => Value::Text(name.into()),
    };
    scalar(&Node { at: node.at, value }, kind)
        .map(Scalar::into_owned)
        .map_err(|why| format!("the key: {why}"))
}

/// Base64, of either alphabet, padded or not.
pub(crate) fn bytes(text: &str) -> Result<Vec<u8>, String> {
    STANDARD
        .decode(text)
        .or_else(|error| URL_SAFE.decode(text).map_err(|_| format!("not base64: {error}")))
}

pub(crate) fn float(node: &Node, most: f64) -> Result<f64, String> {
    let value = match &node.value {
        Value::Text(text) => match &**text {
            "NaN" => return Ok(f64::NAN),
            "Infinity" => return Ok(f64::INFINITY),
            "-Infinity" => return Ok(f64::NEG_INFINITY),
            text => number(text).and_then(|text| text.parse().ok()),
        },
        Value::Number(text) => text.parse().ok(),
        _ => None,
    };
    match value {
        Some(value) if f64::abs(value) <= most => Ok(value),
        Some(_) => Err("out of range".into()),
        None => Err(expected("a number", node)),
    }
}

/// A number in quotes is one if it would be one without them: Rust's parser takes `nan` and `inf`
/// besides.
fn number(text: &str) -> Option<&str> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    digits.starts_with(|first: char| first.is_ascii_digit()).then_some(text)
}

fn integer<T: TryFrom<i128>>(node: &Node) -> Result<T, String> {
    let text = match &node.value {
        Value::Number(text) => Some(&**text),
        Value::Text(text) => number(text),
        _ => None,
    };
    let value = text.and_then(|text| text.parse().ok().or_else(|| whole(text)));
    let value: i128 = value.ok_or_else(|| expected("a whole number", node))?;
    T::try_from(value).map_err(|_| format!("{value} is out of range"))
}

/// `1.0` and `1e3` are whole numbers too. Beyond 2^53 a float would no longer be exact.
fn whole(text: &str) -> Option<i128> {
    let value: f64 = text.parse().ok()?;
    (value.fract() == 0.0 && value.abs() <= 9_007_199_254_740_992.0).then_some(value as i128)
}

fn enum_value(node: &Node, names: &EnumDescriptor) -> Result<i32, String> {
    match &node.value {
        Value::Text(name) => {
            names.get_value_by_name(name).map(|value| value.number()).ok_or_else(|| {
                let known: Vec<_> = names.values().map(|value| value.name().to_owned()).collect();
                format!("{name:?} is none of {}", known.join(", "))
            })
        }
        Value::Number(_) => integer(node),
        Value::Null if names.full_name() == "google.protobuf.NullValue" => Ok(0),
        _ => Err(expected("the name of an enum's value", node)),
    }
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

pub(crate) fn expected(what: &str, node: &Node) -> String {
    match &node.value {
        Value::Text(text) if text.chars().count() <= 40 => {
            format!("expected {what}, found {text:?}")
        }
        Value::Number(text) => format!("expected {what}, found {text}"),
        _ => format!("expected {what}, found {}", node.kind()),
    }
}
