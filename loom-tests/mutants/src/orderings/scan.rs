//! Finds the atomic operations of a source file.

use std::ops::Range;

/// One call of an atomic's method, by where it stands in its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// The function it stands in.
    pub function: String,
    pub method: String,
    /// From the receiver to the closing parenthesis.
    pub whole: Range<usize>,
    pub receiver: Range<usize>,
    pub arguments: Vec<Range<usize>>,
}

const METHODS: [&str; 10] = [
    "load",
    "store",
    "swap",
    "fetch_add",
    "fetch_sub",
    "fetch_or",
    "fetch_and",
    "fetch_xor",
    "compare_exchange",
    "compare_exchange_weak",
];

/// The atomic operations outside tests, in the order of the file: calls that are given an ordering.
pub fn operations(source: &str) -> Vec<Operation> {
    let code = without_tests(&without_comments(source));
    let mut found = Vec::new();
    for (at, _) in code.match_indices('.') {
        let Some(method) =
            METHODS.iter().find(|method| code[at + 1..].starts_with(&format!("{method}(")))
        else {
            continue;
        };
        let open = at + 1 + method.len();
        let Some(close) = matching(&code, open) else { continue };
        let arguments = split(&code, open + 1..close);
        if !arguments.iter().any(|argument| ordering(&code[argument.clone()]).is_some()) {
            continue;
        }
        let receiver = receiver(&code, at)..at;
        found.push(Operation {
            function: function(&code[..at]),
            method: (*method).to_owned(),
            whole: receiver.start..close + 1,
            receiver,
            arguments,
        });
    }
    found
}

/// The ordering that an argument names, by its last word.
pub fn ordering(argument: &str) -> Option<&'static str> {
    let argument = argument.trim();
    let name = argument.rsplit("::").next()?;
    ["Relaxed", "Acquire", "Release", "AcqRel", "SeqCst"].into_iter().find(|known| *known == name)
}

/// Line comments replaced by as many spaces. (No string of the sources contains two slashes.)
pub fn without_comments(source: &str) -> String {
    let mut code = String::with_capacity(source.len());
    for line in source.split_inclusive('\n') {
        let (kept, comment) = line.split_at(line.find("//").unwrap_or(line.len()));
        code += kept;
        code.extend(comment.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }));
    }
    code
}

/// Everything before the file's module of tests.
fn without_tests(code: &str) -> String {
    let is_of_module = |at: usize| {
        let close = matching(code, at + 1).unwrap_or(at);
        code[close + 1..].trim_start().starts_with("mod ")
    };
    let marks = ["#[cfg(test)]", "#[cfg(all(test"].into_iter();
    let tests = marks.flat_map(|mark| code.match_indices(mark)).map(|(at, _)| at);
    let end = tests.filter(|&at| is_of_module(at)).min().unwrap_or(code.len());
    code[..end].to_owned()
}

/// The closing partner of the bracket at `open`.
fn matching(code: &str, open: usize) -> Option<usize> {
    let mut depth = 0;
    for (at, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

/// The parts between the commas that stand in no further bracket, without the space around them.
fn split(code: &str, within: Range<usize>) -> Vec<Range<usize>> {
    let (mut depth, mut start, mut parts) = (0, within.start, Vec::new());
    for at in within.clone() {
        match code.as_bytes()[at] {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth -= 1,
            b',' if depth == 0 => {
                parts.push(start..at);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(start..within.end);
    let trimmed = |part: Range<usize>| {
        let text = &code[part.clone()];
        let start = part.start + (text.len() - text.trim_start().len());
        start..start + text.trim().len()
    };
    parts.into_iter().map(trimmed).filter(|part| !part.is_empty()).collect()
}

/// Where the expression begins that ends before the dot at `dot`.
fn receiver(code: &str, dot: usize) -> usize {
    let bytes = code.as_bytes();
    let mut at = dot;
    loop {
        // Behind a dot there may be a new line.
        while at > 0 && bytes[at - 1].is_ascii_whitespace() {
            at -= 1;
        }
        // Calls and indices, then a name.
        while at > 0 && matches!(bytes[at - 1], b')' | b']') {
            let mut depth = 0;
            loop {
                at -= 1;
                match bytes[at] {
                    b')' | b']' => depth += 1,
                    b'(' | b'[' => depth -= 1,
                    _ => {}
                }
                if depth == 0 {
                    break;
                }
            }
        }
        while at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_') {
            at -= 1;
        }
        let before = code[..at].trim_end();
        if !before.ends_with('.') {
            return at;
        }
        at = before.len() - 1;
    }
}

fn function(before: &str) -> String {
    let name = before.rmatch_indices("fn ").find_map(|(at, _)| {
        let is_word = at == 0 || !before.as_bytes()[at - 1].is_ascii_alphanumeric();
        let name: String =
            before[at + 3..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        (is_word && !name.is_empty()).then_some(name)
    });
    name.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_with_an_ordering_are_found_whole() {
        let source = "
            #[cfg(test)]
            fn for_tests() {}
            fn first(&self) { // self.a.load(Ordering::Relaxed)
                match self
                    .banks()[row(1)]
                    .compare_exchange(old, f(a, b), Ordering::AcqRel, Relaxed) {}
                self.cache.load(path);
            }
            #[cfg(test)]
            mod tests { fn f() { a.load(Ordering::Acquire) } }";
        let found = operations(source);
        assert_eq!(found.len(), 1);
        let text = |range: &Range<usize>| &source[range.clone()];
        assert_eq!(found[0].function, "first");
        assert!(text(&found[0].whole).starts_with("self\n"), "{}", text(&found[0].whole));
        assert!(text(&found[0].whole).ends_with("Relaxed)"));
        let arguments: Vec<_> = found[0].arguments.iter().map(text).collect();
        assert_eq!(arguments, ["old", "f(a, b)", "Ordering::AcqRel", "Relaxed"]);
    }
}
