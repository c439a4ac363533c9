//! JSON to nodes.

use super::fault::Fault;
use super::node::{At, Key, Node, Value};
use super::tree::Tree;
use jsonc_parser::tokens::Token;
use jsonc_parser::{Scanner, ScannerOptions};

/// Strict JSON: none of what the scanner would tolerate besides.
const STRICT: ScannerOptions = ScannerOptions {
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

/// The tree of a JSON text without its resources, which are handed to `each`; or its first syntax
/// error.
pub(crate) fn parse<'a>(text: &'a str, each: &mut dyn FnMut(&Node<'a>)) -> Result<Node<'a>, Fault> {
    Reader::new(text, each).file()
}

struct Reader<'a, 'b> {
    scanner: Scanner<'a>,
    place: Place<'a>,
    tree: Tree<'a, 'b>,
}

impl<'a, 'b> Reader<'a, 'b> {
    fn new(text: &'a str, each: &'b mut dyn FnMut(&Node<'a>)) -> Self {
        Self {
            scanner: Scanner::new(text, &STRICT),
            place: Place::new(text),
            tree: Tree::new(each),
        }
    }

    fn file(mut self) -> Result<Node<'a>, Fault> {
        if let Some(token) = self.next()? {
            self.value(token)?;
        }
        match self.next()? {
            None => self.tree.finish(),
            Some(token) => Err(self.unexpected("the end of the file", &token)),
        }
    }

    fn next(&mut self) -> Result<Option<Token<'a>>, Fault> {
        self.scanner.scan().map_err(|error| {
            let at = At { line: error.line_display(), column: error.column_display() };
            wrong(at, error.kind())
        })
    }

    /// Where the last token stands.
    fn here(&mut self) -> At {
        self.place.at(self.scanner.token_start())
    }

    fn unexpected(&mut self, expected: &str, found: &Token<'_>) -> Fault {
        let found = match found {
            Token::CommentLine(_) | Token::CommentBlock(_) => "a comment".to_owned(),
            Token::String(_) => "a string".to_owned(),
            found => format!("\"{}\"", found.as_str()),
        };
        wrong(self.here(), format_args!("expected {expected}, found {found}"))
    }

    /// The tree bounds the depth of the recursion.
    fn value(&mut self, token: Token<'a>) -> Result<(), Fault> {
        let at = self.here();
        let value = match token {
            Token::Null => Value::Null,
            Token::Boolean(value) => Value::Bool(value),
            Token::Number(digits) => Value::Number(digits.into()),
            Token::String(text) => Value::Text(text),
            Token::OpenBracket => {
                self.tree.list(at, false)?;
                return self.elements(at, &Token::CloseBracket, Self::value);
            }
            Token::OpenBrace => {
                self.tree.object(at)?;
                return self.elements(at, &Token::CloseBrace, Self::pair);
            }
            other => return Err(self.unexpected("a value", &other)),
        };
        self.tree.put(Node { at, value });
        Ok(())
    }

    /// What stands between brackets or braces, with commas.
    fn elements(
        &mut self,
        at: At,
        close: &Token<'_>,
        element: fn(&mut Self, Token<'a>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let open_end = || wrong(at, "what begins here has no end");
        let mut token = self.next()?.ok_or_else(open_end)?;
        if token != *close {
            loop {
                element(self, token)?;
                token = self.next()?.ok_or_else(open_end)?;
                if token == *close {
                    break;
                }
                if token != Token::Comma {
                    let expected = format!("a comma or \"{}\"", close.as_str());
                    return Err(self.unexpected(&expected, &token));
                }
                let comma = self.here();
                token = self.next()?.ok_or_else(open_end)?;
                if token == *close {
                    return Err(wrong(comma, "a comma after the last element"));
                }
            }
        }
        if let Some(node) = self.tree.end() {
            self.tree.put(node);
        }
        Ok(())
    }

    fn pair(&mut self, token: Token<'a>) -> Result<(), Fault> {
        let at = self.here();
        let Token::String(name) = token else {
            return Err(self.unexpected("a string as key", &token));
        };
        self.tree.key(Key { at, name });
        match self.next()? {
            Some(Token::Colon) => {}
            Some(other) => return Err(self.unexpected("a colon after the key", &other)),
            None => return Err(wrong(at, "a key without a value")),
        }
        match self.next()? {
            Some(token) => self.value(token),
            None => Err(wrong(at, "a key without a value")),
        }
    }
}

fn wrong(at: At, what: impl std::fmt::Display) -> Fault {
    Fault::at(at, format!("not JSON: {what}"))
}

/// Turns offsets into lines and columns. Offsets only grow, and each byte is passed once: to count
/// from the beginning of the line, for each value, is quadratic in a file of one line.
struct Place<'a> {
    text: &'a str,
    offset: usize,
    at: At,
    /// Where the present line ends, and whether each of its bytes is a character.
    line_end: usize,
    is_ascii: bool,
    /// How many bytes were looked at one by one.
    passed: usize,
}

impl<'a> Place<'a> {
    fn new(text: &'a str) -> Self {
        let at = At { line: 1, column: 1 };
        let mut place = Self { text, offset: 0, at, line_end: 0, is_ascii: true, passed: 0 };
        place.line();
        place
    }

    /// Looks at the line that begins here.
    fn line(&mut self) {
        let rest = &self.text[self.offset..];
        let line = rest.find('\n').map_or(rest, |length| &rest[..length]);
        self.line_end = self.offset + line.len();
        self.is_ascii = line.is_ascii();
    }

    fn at(&mut self, offset: usize) -> At {
        while self.line_end < offset {
            self.offset = self.line_end + 1;
            self.at = At { line: self.at.line + 1, column: 1 };
            self.line();
        }
        let passed = self.text.as_bytes().get(self.offset..offset).unwrap_or_default();
        self.at.column += if self.is_ascii {
            passed.len()
        } else {
            // The bytes that continue a character don't count.
            self.passed += passed.len();
            passed.iter().filter(|&&byte| !(0x80..0xc0).contains(&byte)).count()
        };
        self.offset = self.offset.max(offset);
        self.at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(text: &str) -> Result<Node<'_>, Fault> {
        parse(text, &mut |_| panic!("there are no resources in {text:?}"))
    }

    #[test]
    fn every_value_knows_its_place() {
        let node = tree("{\n  \"é\": [1,\n   {\"a\": \"\\ud83d\\ude00\"}]\n}").unwrap();
        let Value::Object(pairs) = &node.value else { panic!("{node:?}") };
        assert_eq!(pairs[0].0.at, At { line: 2, column: 3 });
        let Value::List(list) = &pairs[0].1.value else { panic!("{node:?}") };
        assert_eq!(
            list[0],
            Node { at: At { line: 2, column: 9 }, value: Value::Number("1".into()) }
        );
        assert_eq!(list[1].at, At { line: 3, column: 4 });
        assert_eq!(list[1].get("a").and_then(Node::text), Some("😀"));
        assert_eq!(tree("\"é\" 1").unwrap_err().at, Some(At { line: 1, column: 5 }));
    }

    #[test]
    fn a_syntax_error_says_where() {
        for (text, at, what) in [
            ("{\n \"a\": }", "2:7", "expected a value, found \"}\""),
            ("{\"a\": 1,}", "1:8", "a comma after the last element"),
            ("[1,]", "1:3", "a comma after the last element"),
            ("[,]", "1:2", "expected a value, found \",\""),
            ("{\"a\": 1 // no\n}", "1:9", "found a comment"),
            ("[1 2]", "1:4", "expected a comma or \"]\", found \"2\""),
            ("[1}", "1:3", "expected a comma or \"]\", found \"}\""),
            ("[01]", "1:3", "expected a comma"),
            ("[+1]", "1:2", "not JSON"),
            ("[.5]", "1:2", "not JSON"),
            ("[0x1]", "1:2", "not JSON"),
            ("[NaN]", "1:2", "not JSON"),
            ("{'a': 1}", "1:2", "not JSON"),
            ("{a: 1}", "1:2", "expected a string as key"),
            ("{\"a\" 1}", "1:6", "expected a colon"),
            ("{\"a\":", "1:2", "a key without a value"),
            ("[1", "1:1", "no end"),
            ("[\"a", "1:2", "not JSON"),
            ("1 2", "1:3", "expected the end of the file"),
            ("", "1:1", "the file is empty"),
        ] {
            let fault = tree(text).unwrap_err();
            assert_eq!(fault.at.unwrap().to_string(), at, "{text:?}: {fault}");
            assert!(fault.what.contains(what), "{text:?}: {fault}");
        }
        let deep = "[".repeat(100_000);
        assert!(tree(&deep).unwrap_err().what.contains("nested deeper"));
    }

    /// Resources are handed on as they come; only the rest of the file is kept.
    #[test]
    fn resources_do_not_pile_up() {
        let text = r#"{"a": [1], "resources": [{"x": 1}, 2], "b": 3, "resources": [4]}"#;
        let mut found = Vec::new();
        let root = parse(text, &mut |node| found.push(node.clone())).unwrap();
        assert_eq!((found.len(), found[0].get("x").is_some()), (2, true));
        assert_eq!(root.get("resources").unwrap().value, Value::List(Vec::new()));
        assert!(root.get("a").is_some() && root.get("b").is_some());
        let inner = r#"{"a": {"resources": [1]}}"#;
        assert!(tree(inner).is_ok(), "only at the top");
    }

    /// In one line or in many, each byte of the file is looked at once for the places of values.
    #[test]
    fn the_places_of_all_values_cost_one_pass() {
        for separator in [",", ",\n"] {
            let values = vec![r#"{"key": ["välue", 1, true]}"#; 10_000].join(separator);
            let text = format!("{{\"resources\": [{values}]}}");
            let mut count = 0;
            let mut each = |_: &Node<'_>| count += 1;
            let mut reader = Reader::new(&text, &mut each);
            let first = reader.next().unwrap().unwrap();
            reader.value(first).unwrap();
            let passed = reader.place.passed;
            assert!((1..=text.len()).contains(&passed), "{passed} bytes of {}", text.len());
            assert_eq!(count, 10_000);
        }
    }
}
