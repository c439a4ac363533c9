//! YAML to nodes, by the core schema: `true` is a boolean, `"true"` is a string.

use super::fault::Fault;
use super::node::{At, Key, Node, Value};
use saphyr_parser::{Event, Marker, Parser, ScalarStyle};
use std::collections::HashMap;

/// Aliases can make a small text a huge tree.
const MOST_NODES: usize = 2_000_000;
const DEEPEST: usize = 200;

/// The tree of a YAML text with one document, or its first syntax error.
pub(crate) fn parse(text: &str) -> Result<Node, Fault> {
    let mut tree = Tree::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| {
            Fault::at(place(error.marker()), format!("not YAML: {}", error.info()))
        })?;
        tree.take(event, place(&span.start))?;
    }
    tree.root.ok_or_else(|| Fault::at(At { line: 1, column: 1 }, "the file is empty"))
}

fn place(marker: &Marker) -> At {
    At { line: marker.line(), column: marker.col() + 1 }
}

#[derive(Default)]
struct Tree {
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    root: Option<Node>,
    nodes: usize,
}

/// A list or an object of which not all has been read.
struct Open {
    at: At,
    anchor: usize,
    inside: Inside,
}

enum Inside {
    List(Vec<Node>),
    Object(Vec<(Key, Node)>, Option<Key>),
}

impl Tree {
    fn take(&mut self, event: Event<'_>, at: At) -> Result<(), Fault> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                // An explicit tag of the core schema decides; others are left to whoever reads the value.
                let text_by_tag =
                    tag.is_some_and(|tag| tag.is_yaml_core_schema() && tag.suffix == "str");
                let value = match style {
                    ScalarStyle::Plain if !text_by_tag => plain(&text),
                    _ => Value::Text(text.into_owned()),
                };
                self.put(Node { at, value }, anchor)
            }
            Event::SequenceStart(anchor, _) => self.begin(at, anchor, Inside::List(Vec::new())),
            Event::MappingStart(anchor, _) => {
                self.begin(at, anchor, Inside::Object(Vec::new(), None))
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(Open { at, anchor, inside }) = self.open.pop() else { return Ok(()) };
                let value = match inside {
                    Inside::List(list) => Value::List(list),
                    Inside::Object(pairs, _) => Value::Object(pairs),
                };
                self.put(Node { at, value }, anchor)
            }
            Event::Alias(anchor) => match self.anchors.get(&anchor).cloned() {
                Some(node) => self.put(node, 0),
                None => Err(Fault::at(at, "an alias to something that isn't complete")),
            },
            Event::DocumentStart(_) if self.root.is_some() => {
                Err(Fault::at(at, "a second document; one is expected"))
            }
            _ => Ok(()),
        }
    }

    fn begin(&mut self, at: At, anchor: usize, inside: Inside) -> Result<(), Fault> {
        if self.open.len() == DEEPEST {
            return Err(Fault::at(at, format!("nested deeper than {DEEPEST}")));
        }
        self.open.push(Open { at, anchor, inside });
        Ok(())
    }

    fn put(&mut self, node: Node, anchor: usize) -> Result<(), Fault> {
        self.nodes += size(&node);
        if self.nodes > MOST_NODES {
            return Err(Fault::at(
                node.at,
                format!("more than {MOST_NODES} values, aliases expanded"),
            ));
        }
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut().map(|open| &mut open.inside) {
            None => self.root = Some(node),
            Some(Inside::List(list)) => list.push(node),
            Some(Inside::Object(pairs, key)) => match key.take() {
                Some(key) => pairs.push((key, node)),
                None => *key = Some(as_key(node)?),
            },
        }
        Ok(())
    }
}

fn as_key(node: Node) -> Result<Key, Fault> {
    let at = node.at;
    let name = match node.value {
        Value::Text(name) | Value::Number(name) => name,
        Value::Bool(name) => name.to_string(),
        _ => return Err(Fault::at(at, format!("expected a string as key, found {}", node.kind()))),
    };
    match name.as_str() {
        "<<" => Err(Fault::at(at, "merge keys aren't supported")),
        _ => Ok(Key { at, name }),
    }
}

/// Only what an alias can multiply: containers were counted when their parts were put.
fn size(node: &Node) -> usize {
    1 + match &node.value {
        Value::List(list) => list.iter().map(size).sum(),
        Value::Object(pairs) => pairs.iter().map(|(_, node)| size(node)).sum(),
        _ => 0,
    }
}

fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ if is_number(text) => Value::Number(text.to_owned()),
        _ => Value::Text(text.to_owned()),
    }
}

/// A decimal number as JSON would have it, or with a leading plus or point. `0x1f`, `.inf` and versions such as
/// `1.2.3` are strings.
fn is_number(text: &str) -> bool {
    let digits = text.trim_start_matches(['+', '-']);
    text.len() - digits.len() <= 1
        && digits.starts_with(|first: char| first.is_ascii_digit() || first == '.')
        && digits.ends_with(|last: char| last.is_ascii_digit() || last == '.')
        && text.parse::<f64>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(text: &str) -> Value {
        match parse(text).unwrap().value {
            Value::List(mut list) => list.remove(0).value,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_core_schema_decides_what_a_plain_scalar_is() {
        for (text, value) in [
            ("- true", Value::Bool(true)),
            ("- 'true'", Value::Text("true".into())),
            ("- !!str true", Value::Text("true".into())),
            ("- yes", Value::Text("yes".into())),
            ("- ~", Value::Null),
            ("-", Value::Null),
            ("- 18446744073709551615", Value::Number("18446744073709551615".into())),
            ("- 1e3", Value::Number("1e3".into())),
            ("- 10s", Value::Text("10s".into())),
            ("- 127.0.0.1", Value::Text("127.0.0.1".into())),
            ("- infinity", Value::Text("infinity".into())),
        ] {
            assert_eq!(first(text), value, "{text}");
        }
    }

    #[test]
    fn every_value_knows_its_place() {
        let node = parse("a:\n  b: &x [1]\nc: *x\n").unwrap();
        let b = node.get("a").and_then(|a| a.get("b")).unwrap();
        assert_eq!((b.at.line, node.get("c").unwrap()), (2, b));
        let Value::Object(pairs) = &node.value else { panic!("{node:?}") };
        assert_eq!(pairs[1].0.at, At { line: 3, column: 1 });
    }

    #[test]
    fn what_cannot_be_read_says_where() {
        for (text, line, what) in [
            ("a: [1", 1, "not YAML"),
            ("a: 1\n b: 2", 2, "not YAML"),
            ("a: 1\n---\nb: 2", 2, "second document"),
            ("a: &x [*x]", 1, "alias"),
            ("[1]: 2", 1, "expected a string as key"),
            ("a: {<<: {b: 1}}", 1, "merge keys"),
            ("", 1, "empty"),
        ] {
            let fault = parse(text).unwrap_err();
            assert!(fault.what.contains(what), "{text:?}: {fault}");
            assert!(fault.at.unwrap().line.abs_diff(line) <= 1, "{text:?}: {fault}");
        }
    }

    #[test]
    fn aliases_do_not_explode() {
        let mut text = String::from("a0: &a0 [1,1,1,1,1,1,1,1,1,1]\n");
        for level in 1..12 {
            let below = format!("*a{},", level - 1).repeat(10);
            text += &format!("a{level}: &a{level} [{}]\n", below.trim_end_matches(','));
        }
        assert!(parse(&text).unwrap_err().what.contains("more than"));
    }
}
