//! YAML to nodes, by the core schema: `true` is a boolean, `"true"` is a string.

use super::fault::Fault;
use super::node::{At, Key, Node, Value};
use super::tree::Tree;
use saphyr_parser::{Event, Marker, Parser, ScalarStyle};
use std::borrow::Cow;
use std::collections::HashMap;

/// Aliases can make a small text a huge tree: so many values they may repeat.
const MOST_REPEATED: usize = 2_000_000;

/// The tree of a YAML text with one document, without its resources, which are handed to `each`; or
/// its first syntax error.
pub(crate) fn parse<'a>(text: &'a str, each: &mut dyn FnMut(&Node<'a>)) -> Result<Node<'a>, Fault> {
    let mut reader =
        Reader { tree: Tree::new(each), open: Vec::new(), anchors: HashMap::new(), repeated: 0 };
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| {
            Fault::at(place(error.marker()), format!("not YAML: {}", error.info()))
        })?;
        reader.take(event, place(&span.start))?;
    }
    reader.tree.finish()
}

fn place(marker: &Marker) -> At {
    At { line: marker.line(), column: marker.col() + 1 }
}

struct Reader<'t, 'a> {
    tree: Tree<'t, 'a>,
    /// The anchors of the lists and objects that are open. 0: none.
    open: Vec<usize>,
    anchors: HashMap<usize, Node<'t>>,
    repeated: usize,
}

impl<'t> Reader<'t, '_> {
    fn take(&mut self, event: Event<'t>, at: At) -> Result<(), Fault> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                // An explicit tag of the core schema decides; others mean nothing here.
                let text_by_tag =
                    tag.is_some_and(|tag| tag.is_yaml_core_schema() && tag.suffix == "str");
                let value = match style {
                    ScalarStyle::Plain if !text_by_tag => plain(text),
                    _ => Value::Text(text),
                };
                self.put(Node { at, value }, anchor)
            }
            Event::SequenceStart(anchor, _) => {
                self.open.push(anchor);
                // An anchor anywhere around it could repeat it.
                let shared = self.open.iter().any(|&anchor| anchor != 0);
                self.key_is_no_container(at, "a list")?;
                self.tree.list(at, shared)
            }
            Event::MappingStart(anchor, _) => {
                self.open.push(anchor);
                self.key_is_no_container(at, "an object")?;
                self.tree.object(at)
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let anchor = self.open.pop().unwrap_or_default();
                match self.tree.end() {
                    Some(node) => self.put(node, anchor),
                    None => Ok(()),
                }
            }
            Event::Alias(anchor) => match self.anchors.get(&anchor) {
                Some(node) => {
                    self.repeated += size(node);
                    if self.repeated > MOST_REPEATED {
                        let what = format!("aliases repeat more than {MOST_REPEATED} values");
                        return Err(Fault::at(at, what));
                    }
                    let node = node.clone();
                    self.put(node, 0)
                }
                None => Err(Fault::at(at, "an alias to something that isn't complete")),
            },
            Event::DocumentStart(_) if self.tree.has_root() => {
                Err(Fault::at(at, "a second document; one is expected"))
            }
            _ => Ok(()),
        }
    }

    fn key_is_no_container(&self, at: At, found: &str) -> Result<(), Fault> {
        if self.tree.wants_key() {
            return Err(Fault::at(at, format!("expected a string as key, found {found}")));
        }
        Ok(())
    }

    fn put(&mut self, node: Node<'t>, anchor: usize) -> Result<(), Fault> {
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        if self.tree.wants_key() {
            self.tree.key(as_key(node)?);
        } else {
            self.tree.put(node);
        }
        Ok(())
    }
}

fn as_key(node: Node<'_>) -> Result<Key<'_>, Fault> {
    let at = node.at;
    let name = match node.value {
        Value::Text(name) | Value::Number(name) => name,
        Value::Bool(name) => name.to_string().into(),
        _ => return Err(Fault::at(at, format!("expected a string as key, found {}", node.kind()))),
    };
    match &*name {
        "<<" => Err(Fault::at(at, "merge keys aren't supported")),
        _ => Ok(Key { at, name }),
    }
}

fn size(node: &Node<'_>) -> usize {
    1 + match &node.value {
        Value::List(list) => list.iter().map(size).sum(),
        Value::Object(pairs) => pairs.iter().map(|(_, node)| size(node)).sum(),
        _ => 0,
    }
}

fn plain(text: Cow<'_, str>) -> Value<'_> {
    match &*text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ if is_number(&text) => Value::Number(text),
        _ => Value::Text(text),
    }
}

/// A decimal number as JSON would have it, or with a leading plus or point. `0x1f`, `.inf` and
/// versions such as `1.2.3` are strings.
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

    fn tree(text: &str) -> Result<Node<'_>, Fault> {
        parse(text, &mut |_| panic!("there are no resources in {text:?}"))
    }

    fn first(text: &str) -> Value<'_> {
        match tree(text).unwrap().value {
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
        let node = tree("a:\n  b: &x [1]\nc: *x\n").unwrap();
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
            let fault = tree(text).unwrap_err();
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
        assert!(tree(&text).unwrap_err().what.contains("repeat more than"));
    }

    #[test]
    fn resources_do_not_pile_up_unless_they_may_be_repeated() {
        let handed_on = |text: &str| {
            let mut count = 0;
            let root = parse(text, &mut |_| count += 1).unwrap();
            let Some(Value::List(kept)) = root.get("resources").map(|it| &it.value) else {
                panic!("{root:?}")
            };
            (count, kept.len())
        };
        assert_eq!(handed_on("resources: [1, &x {a: 2}, *x]\nb: [3]"), (3, 0));
        assert_eq!(handed_on("resources: &all [1, 2]\nb: *all"), (0, 2));
        assert_eq!(handed_on("b: &all [1, 2]\nresources: *all"), (0, 2));
    }
}
