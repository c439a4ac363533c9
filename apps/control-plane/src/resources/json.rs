//! JSON to nodes.

use super::fault::Fault;
use super::node::{At, Key, Node, Value};
use jsonc_parser::ast;
use jsonc_parser::common::Ranged;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};

/// Strict JSON: none of what the parser would tolerate besides.
const STRICT: ParseOptions = ParseOptions {
    allow_comments: false,
    allow_loose_object_property_names: false,
    allow_trailing_commas: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

/// The tree of a JSON text, or its first syntax error.
pub(crate) fn parse(text: &str) -> Result<Node, Fault> {
    let parsed = parse_to_ast(text, &CollectOptions::default(), &STRICT).map_err(|error| {
        let at = At { line: error.line_display(), column: error.column_display() };
        Fault::at(at, format!("not JSON: {}", error.kind()))
    })?;
    match &parsed.value {
        Some(value) => Ok(node(value, &Lines::of(text))),
        None => Err(Fault::at(At { line: 1, column: 1 }, "the file is empty")),
    }
}

fn node(value: &ast::Value<'_>, lines: &Lines<'_>) -> Node {
    let at = lines.at(value.start());
    let value = match value {
        ast::Value::NullKeyword(_) => Value::Null,
        ast::Value::BooleanLit(it) => Value::Bool(it.value),
        ast::Value::NumberLit(it) => Value::Number(it.value.to_owned()),
        ast::Value::StringLit(it) => Value::Text(it.value.clone().into_owned()),
        ast::Value::Array(it) => {
            Value::List(it.elements.iter().map(|each| node(each, lines)).collect())
        }
        ast::Value::Object(it) => {
            Value::Object(it.properties.iter().map(|pair| property(pair, lines)).collect())
        }
    };
    Node { at, value }
}

fn property(pair: &ast::ObjectProp<'_>, lines: &Lines<'_>) -> (Key, Node) {
    let key = Key { at: lines.at(pair.start()), name: pair.name.as_str().to_owned() };
    (key, node(&pair.value, lines))
}

/// Where lines begin, to turn an offset into a line and a column.
struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn of(text: &'a str) -> Self {
        let breaks =
            text.bytes().enumerate().filter(|&(_, byte)| byte == b'\n').map(|(at, _)| at + 1);
        Self { text, starts: std::iter::once(0).chain(breaks).collect() }
    }

    fn at(&self, offset: usize) -> At {
        let line = self.starts.partition_point(|&start| start <= offset);
        let before = self.text.get(self.starts[line - 1]..offset).unwrap_or_default();
        At { line, column: before.chars().count() + 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_knows_its_place() {
        let node = parse("{\n  \"é\": [1,\n   {\"a\": \"\\ud83d\\ude00\"}]\n}").unwrap();
        let Value::Object(pairs) = &node.value else { panic!("{node:?}") };
        assert_eq!(pairs[0].0.at, At { line: 2, column: 3 });
        let Value::List(list) = &pairs[0].1.value else { panic!("{node:?}") };
        assert_eq!(
            list[0],
            Node { at: At { line: 2, column: 9 }, value: Value::Number("1".into()) }
        );
        assert_eq!(list[1].at, At { line: 3, column: 4 });
        assert_eq!(list[1].get("a").and_then(Node::text), Some("😀"));
    }

    #[test]
    fn a_syntax_error_says_where() {
        for (text, at) in [
            ("{\n \"a\": }", "2:7"),
            ("{\"a\": 1,}", "1:8"),
            ("{\"a\": 1 // no\n}", "1:9"),
            ("[1 2]", "1:3"),
            ("{'a': 1}", "1:2"),
            ("{a: 1}", "1:2"),
            ("[1", "1:1"),
            ("", "1:1"),
        ] {
            let fault = parse(text).unwrap_err();
            assert_eq!(fault.at.unwrap().to_string(), at, "{text:?}: {fault}");
        }
    }
}
