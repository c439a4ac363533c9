//! The file around the resources: `{"resources": [...]}`, in proto3 JSON or as exact bytes.

use super::Resource;
use super::fault::Fault;
use super::node::{At, Node, Value};
use super::proto::Reader;
use super::scalar::{bytes, expected};
use super::types;
use std::collections::HashMap;

/// Fields of Envoy's own files beside `resources`. They mean nothing here.
const IGNORED: [&str; 8] = [
    "version_info",
    "versionInfo",
    "type_url",
    "typeUrl",
    "nonce",
    "canary",
    "control_plane",
    "controlPlane",
];

/// The resources of a file, taken one by one, and all that is wrong with them.
pub(crate) struct List {
    read: fn(&Node) -> Read,
    resources: Vec<Resource>,
    /// Where each type and name stands.
    seen: HashMap<(String, String), At>,
    faults: Vec<Fault>,
    count: usize,
}

/// A resource and where its name stands, or what is wrong with it.
type Read = Result<(Resource, At), Vec<Fault>>;

impl List {
    /// Resources in proto3 JSON, told apart by `@type`.
    pub(crate) fn of_messages() -> Self {
        Self::new(message)
    }

    /// Resources as `{"type_url", "name", "value": base64}`. They are served as they are.
    pub(crate) fn of_exact_bytes() -> Self {
        Self::new(exact_bytes)
    }

    fn new(read: fn(&Node) -> Read) -> Self {
        Self { read, resources: Vec::new(), seen: HashMap::new(), faults: Vec::new(), count: 0 }
    }

    pub(crate) fn take(&mut self, node: &Node) {
        let index = self.count;
        self.count += 1;
        match (self.read)(node) {
            Err(found) => self.faults.extend(found.into_iter().map(|mut fault| {
                fault.resource.get_or_insert_with(|| format!("resources[{index}]"));
                fault
            })),
            Ok((resource, at)) => {
                let key = (resource.type_url.clone(), resource.name.clone());
                if let Some(first) = self.seen.get(&key) {
                    let what = format!("for the second time, the first is at {first}");
                    self.faults.push(Fault {
                        resource: Some(resource.to_string()),
                        ..Fault::at(at, what)
                    });
                } else {
                    self.seen.insert(key, at);
                    self.resources.push(resource);
                }
            }
        }
    }

    /// All of them, when the rest of the file has been read too.
    pub(crate) fn finish(mut self, file: &Node) -> Result<Vec<Resource>, Vec<Fault>> {
        let mut faults = Vec::new();
        // Those that were not taken one by one.
        outside(file, &mut faults).iter().for_each(|node| self.take(node));
        faults.append(&mut self.faults);
        faults.sort();
        if faults.is_empty() { Ok(self.resources) } else { Err(faults) }
    }
}

fn outside<'a, 't>(file: &'a Node<'t>, faults: &mut Vec<Fault>) -> &'a [Node<'t>] {
    let Value::Object(pairs) = &file.value else {
        faults.push(Fault::at(file.at, expected("{\"resources\": [...]}", file)));
        return &[];
    };
    let mut list: Option<&[Node<'_>]> = None;
    for (key, node) in pairs {
        match (&*key.name, &node.value) {
            ("resources", _) if list.is_some() => {
                faults.push(Fault::at(key.at, "\"resources\" for the second time"));
            }
            ("resources", Value::List(found)) => list = Some(found),
            ("resources", _) => {
                list = Some(&[]);
                faults.push(Fault::at(node.at, expected("a list of resources", node)));
            }
            (name, _) if IGNORED.contains(&name) => {}
            (name, _) => faults
                .push(Fault::at(key.at, format!("unknown field {name:?} beside \"resources\""))),
        }
    }
    list.unwrap_or_else(|| {
        faults.push(Fault::at(file.at, "no \"resources\""));
        &[]
    })
}

fn message(node: &Node) -> Read {
    let mut reader = Reader::default();
    if !matches!(node.value, Value::Object(_)) {
        return Err(vec![Fault::at(
            node.at,
            expected("a resource, an object with \"@type\"", node),
        )]);
    }
    let Some((type_url, message)) = reader.type_of(node) else { return Err(reader.faults) };
    let Some(field) = types::name_field(&message) else {
        let at = node.get("@type").map_or(node.at, |named| named.at);
        return Err(vec![Fault::at(
            at,
            format!("{} has no name: it is no resource", message.full_name()),
        )]);
    };
    let named = node.get(field).or_else(|| node.get(message.get_field_by_name(field)?.json_name()));
    reader.message(node, &message);
    let name = match named.and_then(Node::text) {
        Some(name) if !name.is_empty() => name.to_owned(),
        _ => {
            let at = named.map_or(node.at, |named| named.at);
            // A name that is no string has been found to be wrong already.
            if named.is_none_or(|named| matches!(named.value, Value::Text(_) | Value::Null)) {
                reader.fault(at, format!("no {field:?}"));
            }
            String::new()
        }
    };
    let resource = Resource { type_url: type_url.to_owned(), name, value: reader.encoder.finish() };
    if reader.faults.is_empty() {
        return Ok((resource, named.map_or(node.at, |named| named.at)));
    }
    let known = !resource.name.is_empty();
    let faults = reader.faults.into_iter();
    Err(faults
        .map(|fault| Fault { resource: known.then(|| resource.to_string()), ..fault })
        .collect())
}

fn exact_bytes(node: &Node) -> Read {
    let Value::Object(pairs) = &node.value else {
        return Err(vec![Fault::at(
            node.at,
            expected("an object with \"type_url\", \"name\" and \"value\"", node),
        )]);
    };
    let mut faults = Vec::new();
    let mut parts: HashMap<&str, &Node<'_>> = HashMap::new();
    for (key, node) in pairs {
        match &*key.name {
            name @ ("type_url" | "name" | "value") if parts.insert(name, node).is_none() => {}
            "type_url" | "name" | "value" => {
                faults.push(Fault::at(key.at, format!("{:?} for the second time", key.name)));
            }
            name => faults.push(Fault::at(key.at, format!("unknown field {name:?}"))),
        }
    }
    let mut text = |name: &str| match parts.get(name) {
        None => {
            faults.push(Fault::at(node.at, format!("no {name:?}")));
            None
        }
        Some(node) => {
            let text = node.text();
            if text.is_none() {
                faults.push(Fault {
                    field: name.into(),
                    ..Fault::at(node.at, expected("a string", node))
                });
            }
            text.map(|text| (node.at, text.to_owned()))
        }
    };
    let (type_url, name, value) = (text("type_url"), text("name"), text("value"));
    let is_url = |text: &str| text.contains('/') && !text.ends_with('/');
    if let Some((at, type_url)) = type_url.as_ref().filter(|(_, type_url)| !is_url(type_url)) {
        let what =
            format!("expected a type URL such as \"{}...\", found {type_url:?}", types::PREFIX);
        faults.push(Fault { field: "type_url".into(), ..Fault::at(*at, what) });
    }
    if let Some((at, _)) = name.as_ref().filter(|(_, name)| name.is_empty()) {
        faults.push(Fault { field: "name".into(), ..Fault::at(*at, "an empty name") });
    }
    let value = value.and_then(|(at, value)| match bytes(&value) {
        Ok(value) => Some(value),
        Err(why) => {
            faults.push(Fault { field: "value".into(), ..Fault::at(at, why) });
            None
        }
    });
    match (type_url, name, value) {
        (Some((_, type_url)), Some((at, name)), Some(value)) if faults.is_empty() => {
            Ok((Resource { type_url, name, value }, at))
        }
        _ => Err(faults),
    }
}
