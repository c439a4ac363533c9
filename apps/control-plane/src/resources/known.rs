//! Messages that proto3 JSON writes in a way of their own: `Any`, `Duration`, `Struct`, wrappers.

use super::node::{Key, Node, Value};
use super::proto::Reader;
use super::scalar::{expected, float, scalar};
use super::time::{duration, timestamp};
use super::types;
use super::wire::{Encoder, Scalar};
use prost_reflect::MessageDescriptor;

impl Reader {
    /// The message's bytes if it is such a one.
    pub(crate) fn well_known(
        &mut self,
        node: &Node,
        message: &MessageDescriptor,
    ) -> Option<Vec<u8>> {
        let name = message.full_name().strip_prefix("google.protobuf.")?;
        Some(match name {
            "Any" => self.any(node),
            "Duration" => self.seconds(node, "a duration such as \"1.5s\"", duration),
            "Timestamp" => self.seconds(node, "a time such as \"2006-01-02T15:04:05Z\"", timestamp),
            "Struct" => self.structure(node),
            "Value" => self.dynamic(node),
            "ListValue" => self.dynamic_list(node),
            "FieldMask" => self.field_mask(node),
            _ if is_wrapper(name) => self.wrapper(node, message),
            _ => return None,
        })
    }

    fn any(&mut self, node: &Node) -> Vec<u8> {
        let Value::Object(pairs) = &node.value else {
            self.fault(node.at, expected("an object with \"@type\"", node));
            return Vec::new();
        };
        if pairs.is_empty() {
            return Vec::new();
        }
        let Some((type_url, message)) = self.type_of(node) else { return Vec::new() };
        let mut encoder = Encoder::default();
        encoder.put(1, &Scalar::Bytes(type_url.into_bytes()));
        let value = if is_special(&message) {
            self.special(node, pairs, &message)
        } else {
            self.fields(pairs, &message)
        };
        if !value.is_empty() {
            encoder.put_message(2, value);
        }
        encoder.finish()
    }

    /// What the `@type` of an object says, or a fault.
    pub(crate) fn type_of(&mut self, node: &Node) -> Option<(String, MessageDescriptor)> {
        let Some(named) = node.get("@type") else {
            self.fault(node.at, "no \"@type\"");
            return None;
        };
        let Some(type_url) = named.text() else {
            self.fault(named.at, expected("the URL of a type", named));
            return None;
        };
        let Some(message) = types::message(type_url).filter(|_| type_url.contains('/')) else {
            self.fault(named.at, format!("unknown type {type_url:?}"));
            return None;
        };
        Some((type_url.to_owned(), message))
    }

    /// Within an `Any` they stand under `value`, beside `@type`.
    fn special(
        &mut self,
        node: &Node,
        pairs: &[(Key, Node)],
        message: &MessageDescriptor,
    ) -> Vec<u8> {
        for (key, _) in pairs.iter().filter(|(key, _)| key.name != "@type" && key.name != "value") {
            self.fault(
                key.at,
                format!("{:?} beside the \"value\" of {}", key.name, message.full_name()),
            );
        }
        match node.get("value") {
            Some(value) => {
                self.inside(format_args!(".value"), |reader| reader.message(value, message))
            }
            None => {
                self.fault(node.at, format!("no \"value\" of {}", message.full_name()));
                Vec::new()
            }
        }
    }

    fn seconds(
        &mut self,
        node: &Node,
        what: &str,
        parse: fn(&str) -> Option<(i64, i32)>,
    ) -> Vec<u8> {
        let Some((seconds, nanos)) = node.text().and_then(parse) else {
            self.fault(node.at, expected(what, node));
            return Vec::new();
        };
        let mut encoder = Encoder::default();
        for (number, value) in [(1, seconds), (2, nanos.into())] {
            if value != 0 {
                encoder.put(number, &Scalar::Varint(value as u64));
            }
        }
        encoder.finish()
    }

    fn wrapper(&mut self, node: &Node, message: &MessageDescriptor) -> Vec<u8> {
        let mut encoder = Encoder::default();
        if let Some(field) = message.get_field(1) {
            match scalar(node, &field.kind()) {
                Ok(value) if value.is_default() => {}
                Ok(value) => encoder.put(1, &value),
                Err(why) => self.fault(node.at, why),
            }
        }
        encoder.finish()
    }

    fn structure(&mut self, node: &Node) -> Vec<u8> {
        let Value::Object(pairs) = &node.value else {
            self.fault(node.at, expected("an object", node));
            return Vec::new();
        };
        let mut encoder = Encoder::default();
        for (key, node) in pairs {
            let mut entry = Encoder::default();
            entry.put(1, &Scalar::Bytes(key.name.as_bytes().to_vec()));
            entry.put_message(
                2,
                self.inside(format_args!("[{:?}]", key.name), |reader| reader.dynamic(node)),
            );
            encoder.put_message(1, entry.finish());
        }
        encoder.finish()
    }

    fn dynamic_list(&mut self, node: &Node) -> Vec<u8> {
        let Value::List(list) = &node.value else {
            self.fault(node.at, expected("a list", node));
            return Vec::new();
        };
        let mut encoder = Encoder::default();
        for (index, node) in list.iter().enumerate() {
            encoder.put_message(
                1,
                self.inside(format_args!("[{index}]"), |reader| reader.dynamic(node)),
            );
        }
        encoder.finish()
    }

    fn dynamic(&mut self, node: &Node) -> Vec<u8> {
        let mut encoder = Encoder::default();
        match &node.value {
            Value::Null => encoder.put(1, &Scalar::Varint(0)),
            Value::Number(_) => match float(node, f64::MAX) {
                Ok(value) => encoder.put(2, &Scalar::Fixed64(value.to_bits())),
                Err(why) => self.fault(node.at, why),
            },
            Value::Text(text) => encoder.put(3, &Scalar::Bytes(text.as_bytes().to_vec())),
            Value::Bool(value) => encoder.put(4, &Scalar::Varint((*value).into())),
            Value::Object(_) => encoder.put_message(5, self.structure(node)),
            Value::List(_) => encoder.put_message(6, self.dynamic_list(node)),
        }
        encoder.finish()
    }

    fn field_mask(&mut self, node: &Node) -> Vec<u8> {
        let Some(text) = node.text() else {
            self.fault(node.at, expected("field names, separated by commas", node));
            return Vec::new();
        };
        let mut encoder = Encoder::default();
        for path in text.split(',').filter(|path| !path.is_empty()) {
            let mut snake = String::new();
            for letter in path.chars() {
                if letter.is_ascii_uppercase() {
                    snake.push('_');
                }
                snake.push(letter.to_ascii_lowercase());
            }
            encoder.put(1, &Scalar::Bytes(snake.into_bytes()));
        }
        encoder.finish()
    }
}

fn is_wrapper(name: &str) -> bool {
    let wrapped =
        ["Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes"];
    name.strip_suffix("Value").is_some_and(|name| wrapped.contains(&name))
}

/// Whether `well_known` takes it; `Empty` for one is written like any other message.
fn is_special(message: &MessageDescriptor) -> bool {
    message.full_name().strip_prefix("google.protobuf.").is_some_and(|name| {
        is_wrapper(name)
            || ["Any", "Duration", "Timestamp", "Struct", "Value", "ListValue", "FieldMask"]
                .contains(&name)
    })
}
