//! Messages of proto3 JSON to bytes. Continues after a fault, to report them all.

use super::fault::Fault;
use super::node::{At, Key, Node, Value};
use super::scalar::{expected, key, scalar};
use super::wire::{Encoder, Scalar};
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor, OneofDescriptor};
use std::collections::HashMap;
use std::fmt::{self, Write};

/// Reads one resource. What it returns is of use only if there are no faults.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    pub(crate) faults: Vec<Fault>,
    path: String,
}

impl Reader {
    pub(crate) fn fault(&mut self, at: At, what: impl Into<String>) {
        let field = self.path.trim_start_matches('.').to_owned();
        self.faults.push(Fault { at: Some(at), resource: None, field, what: what.into() });
    }

    /// Runs with one more step on the path.
    pub(crate) fn inside<R>(
        &mut self,
        step: fmt::Arguments<'_>,
        run: impl FnOnce(&mut Self) -> R,
    ) -> R {
        let length = self.path.len();
        // Writing to a string can't fail.
        let _ = self.path.write_fmt(step);
        let result = run(self);
        self.path.truncate(length);
        result
    }

    pub(crate) fn message(&mut self, node: &Node, message: &MessageDescriptor) -> Vec<u8> {
        if let Some(bytes) = self.well_known(node, message) {
            return bytes;
        }
        match &node.value {
            Value::Object(pairs) => self.fields(pairs, message),
            _ => {
                self.fault(
                    node.at,
                    expected(&format!("an object ({})", message.full_name()), node),
                );
                Vec::new()
            }
        }
    }

    /// `@type` is skipped: the caller has read it.
    pub(crate) fn fields(&mut self, pairs: &[(Key, Node)], message: &MessageDescriptor) -> Vec<u8> {
        let mut encoder = Encoder::default();
        // Lists, not maps: a message has few fields, and most texts set a few of them.
        let mut seen: Vec<(u32, At)> = Vec::new();
        let mut chosen: Vec<(OneofDescriptor, &str)> = Vec::new();
        for (key, node) in pairs.iter().filter(|(key, _)| key.name != "@type") {
            let name = &key.name;
            let Some(field) =
                message.get_field_by_json_name(name).or_else(|| message.get_field_by_name(name))
            else {
                self.fault(key.at, format!("{} has no field {name:?}", message.full_name()));
                continue;
            };
            let number = field.number();
            if let Some((_, first)) = seen.iter().find(|(seen, _)| *seen == number) {
                self.fault(
                    key.at,
                    format!("{name:?} for the second time, the first is at {first}"),
                );
                continue;
            }
            seen.push((number, key.at));
            if matches!(node.value, Value::Null) && !takes_null(&field.kind()) {
                continue;
            }
            if let Some(oneof) = field.containing_oneof().filter(|oneof| !oneof.is_synthetic()) {
                if let Some((_, other)) = chosen.iter().rfind(|(chosen, _)| *chosen == oneof) {
                    let oneof = oneof.name();
                    let what = format!("only one of {other:?} and {name:?} can be set ({oneof})");
                    self.fault(key.at, what);
                }
                chosen.push((oneof, name));
            }
            self.inside(format_args!(".{name}"), |reader| reader.field(node, &field, &mut encoder));
        }
        encoder.finish()
    }

    fn field(&mut self, node: &Node, field: &FieldDescriptor, encoder: &mut Encoder) {
        if field.is_map() {
            self.map(node, field, encoder);
        } else if field.is_list() {
            self.list(node, field, encoder);
        } else if let Some(value) = self.value(node, &field.kind())
            && (field.supports_presence() || !value.is_default())
        {
            encoder.put(field.number(), &value);
        }
    }

    fn list(&mut self, node: &Node, field: &FieldDescriptor, encoder: &mut Encoder) {
        let Value::List(list) = &node.value else {
            return self.fault(node.at, expected("a list", node));
        };
        let kind = field.kind();
        let values: Vec<Scalar> = list
            .iter()
            .enumerate()
            .filter_map(|(index, node)| {
                self.inside(format_args!("[{index}]"), |reader| reader.value(node, &kind))
            })
            .collect();
        if field.is_packed() && !values.is_empty() {
            encoder.put_packed(field.number(), &values);
        } else {
            values.iter().for_each(|value| encoder.put(field.number(), value));
        }
    }

    fn map(&mut self, node: &Node, field: &FieldDescriptor, encoder: &mut Encoder) {
        let (Value::Object(pairs), Kind::Message(entry)) = (&node.value, field.kind()) else {
            return self.fault(node.at, expected("an object (a map)", node));
        };
        let (key_kind, value_kind) =
            (entry.map_entry_key_field().kind(), entry.map_entry_value_field().kind());
        let mut seen: HashMap<&str, At> = HashMap::new();
        for (name, node) in pairs {
            self.inside(format_args!("[{:?}]", name.name), |reader| {
                if let Some(first) = seen.insert(&name.name, name.at) {
                    return reader
                        .fault(name.at, format!("for the second time, the first is at {first}"));
                }
                let value = reader.value(node, &value_kind);
                match (key(&name.name, node, &key_kind), value) {
                    (Err(why), _) => reader.fault(name.at, why),
                    (Ok(_), None) => {}
                    (Ok(key), Some(value)) => {
                        let mut entry = Encoder::default();
                        entry.put(1, &key);
                        entry.put(2, &value);
                        encoder.put_message(field.number(), entry.finish());
                    }
                }
            });
        }
    }

    fn value(&mut self, node: &Node, kind: &Kind) -> Option<Scalar> {
        if let Kind::Message(message) = kind {
            return Some(Scalar::Bytes(self.message(node, message)));
        }
        match scalar(node, kind) {
            Ok(value) => Some(value),
            Err(why) => {
                self.fault(node.at, why);
                None
            }
        }
    }
}

/// Elsewhere null means that a field is absent.
fn takes_null(kind: &Kind) -> bool {
    match kind {
        Kind::Message(message) => message.full_name() == "google.protobuf.Value",
        Kind::Enum(names) => names.full_name() == "google.protobuf.NullValue",
        _ => false,
    }
}
