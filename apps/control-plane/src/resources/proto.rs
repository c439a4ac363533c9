//! Messages of proto3 JSON to bytes. Continues after a fault, to report them all.

use super::fault::Fault;
use super::node::{At, Key, Node, Value};
use super::scalar::{expected, key, scalar};
use super::wire::Encoder;
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor, OneofDescriptor};
use std::collections::HashMap;
use std::fmt;

/// Reads one resource. What it writes is of use only if there are no faults.
#[derive(Debug, Default)]
pub(crate) struct Reader<'n> {
    pub(crate) faults: Vec<Fault>,
    pub(crate) encoder: Encoder,
    /// The way to the present value. It becomes text when something is wrong there.
    path: Vec<Step<'n>>,
    /// The fields so far of the messages that are open.
    seen: Vec<Seen<'n>>,
}

#[derive(Debug)]
struct Seen<'n> {
    number: u32,
    key: &'n Key<'n>,
    /// What it is a choice of, if it was set.
    oneof: Option<OneofDescriptor>,
}

/// `.name`, `[0]` or `["key"]`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step<'n> {
    Field(&'n str),
    Index(usize),
    Key(&'n str),
}

impl fmt::Display for Step<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(f, ".{name}"),
            Self::Index(index) => write!(f, "[{index}]"),
            Self::Key(key) => write!(f, "[{key:?}]"),
        }
    }
}

impl<'n> Reader<'n> {
    pub(crate) fn fault(&mut self, at: At, what: impl Into<String>) {
        let path: String = self.path.iter().map(Step::to_string).collect();
        let field = path.trim_start_matches('.').to_owned();
        self.faults.push(Fault { at: Some(at), resource: None, field, what: what.into() });
    }

    /// Runs with one more step on the path.
    pub(crate) fn inside(&mut self, step: Step<'n>, run: impl FnOnce(&mut Self)) {
        self.path.push(step);
        run(self);
        self.path.pop();
    }

    /// Writes a field that is a message.
    pub(crate) fn nested(&mut self, number: u32, write: impl FnOnce(&mut Self)) {
        let open = self.encoder.begin(number);
        write(self);
        self.encoder.end(open);
    }

    /// Writes the fields of a message.
    pub(crate) fn message(&mut self, node: &'n Node<'_>, message: &MessageDescriptor) {
        if self.well_known(node, message) {
            return;
        }
        match &node.value {
            Value::Object(pairs) => self.fields(pairs, message),
            _ => {
                let what = format!("an object ({})", message.full_name());
                self.fault(node.at, expected(&what, node));
            }
        }
    }

    /// `@type` is skipped: the caller has read it.
    pub(crate) fn fields(&mut self, pairs: &'n [(Key<'_>, Node<'_>)], message: &MessageDescriptor) {
        let outer = self.seen.len();
        for (key, node) in pairs.iter().filter(|(key, _)| key.name != "@type") {
            let name = &*key.name;
            let Some(field) = field_named(message, name) else {
                self.fault(key.at, format!("{} has no field {name:?}", message.full_name()));
                continue;
            };
            // A list, not a map: a message has few fields, and most texts set a few of them.
            let seen = &self.seen[outer..];
            let number = field.number();
            if let Some(first) = seen.iter().find(|seen| seen.number == number) {
                let first = first.key.at;
                let what = format!("{name:?} for the second time, the first is at {first}");
                self.fault(key.at, what);
                continue;
            }
            let kind = field.kind();
            let absent = matches!(node.value, Value::Null) && !takes_null(&kind);
            let oneof = field.containing_oneof().filter(|it| !absent && !it.is_synthetic());
            let other = oneof.as_ref().and_then(|it| {
                seen.iter().rfind(|seen| seen.oneof.as_ref() == Some(it)).zip(Some(it.name()))
            });
            if let Some((other, oneof)) = other {
                let other = &other.key.name;
                let what = format!("only one of {other:?} and {name:?} can be set ({oneof})");
                self.fault(key.at, what);
            }
            self.seen.push(Seen { number, key, oneof });
            if !absent {
                self.inside(Step::Field(name), |reader| reader.field(node, &field, &kind));
            }
        }
        self.seen.truncate(outer);
    }

    fn field(&mut self, node: &'n Node<'_>, field: &FieldDescriptor, kind: &Kind) {
        if !field.is_list() && !field.is_map() {
            self.value(node, field.number(), kind, field.supports_presence());
        } else if field.is_map() {
            self.map(node, field);
        } else {
            self.list(node, field, kind);
        }
    }

    fn list(&mut self, node: &'n Node<'_>, field: &FieldDescriptor, kind: &Kind) {
        let Value::List(list) = &node.value else {
            return self.fault(node.at, expected("a list", node));
        };
        let number = field.number();
        let each = list.iter().enumerate();
        if !field.is_packed() {
            for (index, node) in each {
                self.inside(Step::Index(index), |reader| reader.value(node, number, kind, true));
            }
            return;
        }
        let open = self.encoder.begin(number);
        for (index, node) in each {
            self.inside(Step::Index(index), |reader| match scalar(node, kind) {
                Ok(value) => reader.encoder.put_element(&value),
                Err(why) => reader.fault(node.at, why),
            });
        }
        self.encoder.end_unless_empty(open);
    }

    fn map(&mut self, node: &'n Node<'_>, field: &FieldDescriptor) {
        let (Value::Object(pairs), Kind::Message(entry)) = (&node.value, field.kind()) else {
            return self.fault(node.at, expected("an object (a map)", node));
        };
        let (key_kind, value_kind) =
            (entry.map_entry_key_field().kind(), entry.map_entry_value_field().kind());
        let mut seen: HashMap<&str, At> = HashMap::new();
        for (name, node) in pairs {
            self.inside(Step::Key(&name.name), |reader| {
                if let Some(first) = seen.insert(&name.name, name.at) {
                    return reader
                        .fault(name.at, format!("for the second time, the first is at {first}"));
                }
                reader.nested(field.number(), |reader| {
                    match key(&name.name, node, &key_kind) {
                        Ok(key) => reader.encoder.put(1, &key),
                        Err(why) => reader.fault(name.at, why),
                    }
                    reader.value(node, 2, &value_kind, true);
                });
            });
        }
    }

    /// Writes a field. A scalar's default value is left out unless `defaults` are written.
    fn value(&mut self, node: &'n Node<'_>, number: u32, kind: &Kind, defaults: bool) {
        if let Kind::Message(message) = kind {
            return self.nested(number, |reader| reader.message(node, message));
        }
        match scalar(node, kind) {
            Ok(value) if !defaults && value.is_default() => {}
            Ok(value) => self.encoder.put(number, &value),
            Err(why) => self.fault(node.at, why),
        }
    }
}

/// The field of this name, as JSON or as protobuf spells it. Looks first where it is likely.
fn field_named(message: &MessageDescriptor, name: &str) -> Option<FieldDescriptor> {
    if name.contains('_') {
        message.get_field_by_name(name).or_else(|| message.get_field_by_json_name(name))
    } else {
        message.get_field_by_json_name(name).or_else(|| message.get_field_by_name(name))
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
