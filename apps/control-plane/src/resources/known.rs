//! Messages that proto3 JSON writes in a way of their own: `Any`, `Duration`, `Struct`, wrappers.

use super::node::{Key, Node, Value};
use super::proto::{Reader, Step};
use super::scalar::{expected, float, scalar};
use super::time::{duration, timestamp};
use super::types;
use super::wire::Scalar;
use prost_reflect::MessageDescriptor;

impl<'n> Reader<'n> {
    /// Writes the message's fields if it is such a one, and says whether it is.
    pub(crate) fn well_known(&mut self, node: &'n Node<'_>, message: &MessageDescriptor) -> bool {
        let Some(name) = message.full_name().strip_prefix("google.protobuf.") else { return false };
        match name {
            "Any" => self.any(node),
            "Duration" => self.seconds(node, "a duration such as \"1.5s\"", duration),
            "Timestamp" => self.seconds(node, "a time such as \"2006-01-02T15:04:05Z\"", timestamp),
            "Struct" => self.structure(node),
            "Value" => self.dynamic(node),
            "ListValue" => self.dynamic_list(node),
            "FieldMask" => self.field_mask(node),
            _ if is_wrapper(name) => self.wrapper(node, message),
            _ => return false,
        }
        true
    }

    fn any(&mut self, node: &'n Node<'_>) {
        let Value::Object(pairs) = &node.value else {
            return self.fault(node.at, expected("an object with \"@type\"", node));
        };
        if pairs.is_empty() {
            return;
        }
        let Some((type_url, message)) = self.type_of(node) else { return };
        self.encoder.put(1, &Scalar::text(type_url));
        let open = self.encoder.begin(2);
        if is_special(&message) {
            self.special(node, pairs, &message);
        } else {
            self.fields(pairs, &message);
        }
        self.encoder.end_unless_empty(open);
    }

    /// What the `@type` of an object says, or a fault.
    pub(crate) fn type_of(&mut self, node: &'n Node<'_>) -> Option<(&'n str, MessageDescriptor)> {
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
        Some((type_url, message))
    }

    /// Within an `Any` they stand under `value`, beside `@type`.
    fn special(
        &mut self,
        node: &'n Node<'_>,
        pairs: &'n [(Key<'_>, Node<'_>)],
        message: &MessageDescriptor,
    ) {
        for (key, _) in pairs.iter().filter(|(key, _)| key.name != "@type" && key.name != "value") {
            self.fault(
                key.at,
                format!("{:?} beside the \"value\" of {}", key.name, message.full_name()),
            );
        }
        match node.get("value") {
            Some(value) => {
                self.inside(Step::Field("value"), |reader| reader.message(value, message));
            }
            None => self.fault(node.at, format!("no \"value\" of {}", message.full_name())),
        }
    }

    fn seconds(&mut self, node: &Node<'_>, what: &str, parse: fn(&str) -> Option<(i64, i32)>) {
        let Some((seconds, nanos)) = node.text().and_then(parse) else {
            return self.fault(node.at, expected(what, node));
        };
        for (number, value) in [(1, seconds), (2, nanos.into())] {
            if value != 0 {
                self.encoder.put(number, &Scalar::Varint(value as u64));
            }
        }
    }

    fn wrapper(&mut self, node: &Node<'_>, message: &MessageDescriptor) {
        let Some(field) = message.get_field(1) else { return };
        match scalar(node, &field.kind()) {
            Ok(value) if value.is_default() => {}
            Ok(value) => self.encoder.put(1, &value),
            Err(why) => self.fault(node.at, why),
        }
    }

    fn structure(&mut self, node: &'n Node<'_>) {
        let Value::Object(pairs) = &node.value else {
            return self.fault(node.at, expected("an object", node));
        };
        for (key, node) in pairs {
            self.nested(1, |reader| {
                reader.encoder.put(1, &Scalar::text(&key.name));
                reader.nested(2, |reader| {
                    reader.inside(Step::Key(&key.name), |reader| reader.dynamic(node));
                });
            });
        }
    }

    fn dynamic_list(&mut self, node: &'n Node<'_>) {
        let Value::List(list) = &node.value else {
            return self.fault(node.at, expected("a list", node));
        };
        for (index, node) in list.iter().enumerate() {
            self.nested(1, |reader| {
                reader.inside(Step::Index(index), |reader| reader.dynamic(node));
            });
        }
    }

    fn dynamic(&mut self, node: &'n Node<'_>) {
        match &node.value {
            Value::Null => self.encoder.put(1, &Scalar::Varint(0)),
            Value::Number(_) => match float(node, f64::MAX) {
                Ok(value) => self.encoder.put(2, &Scalar::Fixed64(value.to_bits())),
                Err(why) => self.fault(node.at, why),
            },
            Value::Text(text) => self.encoder.put(3, &Scalar::text(text)),
            Value::Bool(value) => self.encoder.put(4, &Scalar::Varint((*value).into())),
            Value::Object(_) => self.nested(5, |reader| reader.structure(node)),
            Value::List(_) => self.nested(6, |reader| reader.dynamic_list(node)),
        }
    }

    fn field_mask(&mut self, node: &Node<'_>) {
        let Some(text) = node.text() else {
            return self.fault(node.at, expected("field names, separated by commas", node));
        };
        for path in text.split(',').filter(|path| !path.is_empty()) {
            let mut snake = String::new();
            for letter in path.chars() {
                if letter.is_ascii_uppercase() {
                    snake.push('_');
                }
                snake.push(letter.to_ascii_lowercase());
            }
            self.encoder.put(1, &Scalar::text(&snake));
        }
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
