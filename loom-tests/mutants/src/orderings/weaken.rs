//! What can be weakened about an atomic operation, and a source file that contains all of it at
//! once.
//!
//! Every mutant is compiled into the same programs, and an environment variable says which one a
//! run is about. So there is one build instead of one for each mutant, and a mutant costs its
//! models only.

use std::ops::Range;

use super::scan::{Operation, operations, ordering, without_comments};

/// Which mutant a run is about: its number.
pub const CHOSEN: &str = "PUSHLANE_MUTANT";
/// A file to which a run adds the number of every mutant whose operation it reaches.
pub const REACHED: &str = "PUSHLANE_REACHED";

/// One operation, made weaker in one way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weakened {
    /// Below `src/`.
    pub file: String,
    pub function: String,
    /// Receiver and method; with its place among the function's operations of that name, if there
    /// are more.
    pub operation: String,
    pub mutation: String,
}

impl Weakened {
    /// In words, which outlive its number.
    pub fn words(&self) -> String {
        let Weakened { file, function, operation, mutation } = self;
        format!("{file} {function} {operation} {mutation}")
    }
}

/// What the instrumented sources call.
pub const SUPPORT: &str = r#"
/// Which of the operations is weaker in this run.
pub(crate) mod mutant {
    extern crate std;
    use std::io::Write;
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicBool, Ordering};

    static CHOSEN: LazyLock<Option<usize>> =
        LazyLock::new(|| std::env::var("PUSHLANE_MUTANT").ok()?.parse().ok());
    static REACHED: LazyLock<Option<std::ffi::OsString>> =
        LazyLock::new(|| std::env::var_os("PUSHLANE_REACHED"));
    static SEEN: [AtomicBool; 1000] = [const { AtomicBool::new(false) }; 1000];

    pub(crate) fn is(number: usize) -> bool {
        if let Some(path) = &*REACHED
            && !SEEN[number].swap(true, Ordering::Relaxed)
        {
            let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
            std::writeln!(file, "{number}").unwrap();
        }
        *CHOSEN == Some(number)
    }

    pub(crate) fn weaker(here: Ordering, options: &[(usize, Ordering)]) -> Ordering {
        let mut chosen = here;
        for &(number, weaker) in options {
            if is(number) {
                chosen = weaker;
            }
        }
        chosen
    }
}
"#;

/// The source with all that can be weakened in it, each behind its number; new mutants go to
/// `mutants`.
pub fn instrument(file: &str, source: &str, mutants: &mut Vec<Weakened>) -> String {
    let code = without_comments(source);
    let found = operations(source);
    let mut writer = Writer { file, code: &code, found: &found, mutants };
    writer.rewrite(0..code.len())
}

struct Writer<'a> {
    file: &'a str,
    code: &'a str,
    found: &'a [Operation],
    mutants: &'a mut Vec<Weakened>,
}

impl Writer<'_> {
    /// The text of a range, with the operations in it weakened. An argument may hold another
    /// operation.
    fn rewrite(&mut self, range: Range<usize>) -> String {
        let (code, found) = (self.code, self.found);
        let (mut text, mut done) = (String::new(), range.start);
        for (index, operation) in found.iter().enumerate() {
            if operation.whole.start < done || operation.whole.end > range.end {
                continue;
            }
            text += &code[done..operation.whole.start];
            let arguments: Vec<String> =
                operation.arguments.iter().map(|argument| self.rewrite(argument.clone())).collect();
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let mut add = |mutation: String| {
                self.mutants.push(Weakened {
                    file: self.file.to_owned(),
                    function: operation.function.clone(),
                    operation: name(code, found, index),
                    mutation,
                });
                self.mutants.len() - 1
            };
            text += &weaken(code, operation, &arguments, &mut add);
            done = operation.whole.end;
        }
        text + &code[done..range.end]
    }
}

/// The call, with its mutants.
fn weaken(
    code: &str,
    operation: &Operation,
    arguments: &[&str],
    add: &mut impl FnMut(String) -> usize,
) -> String {
    let receiver = &code[operation.receiver.clone()];
    let orderings: Vec<usize> =
        (0..arguments.len()).filter(|&at| ordering(arguments[at]).is_some()).collect();

    let mut changed: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
    for &at in &orderings {
        let Some(here) = ordering(arguments[at]) else { continue };
        let role = if orderings.first() == Some(&at) { "" } else { "failure: " };
        let mut options = String::new();
        for weaker in one_step_below(here, &operation.method) {
            let number = add(format!("{role}{here} → {weaker}"));
            options += &format!("({number}, core::sync::atomic::Ordering::{weaker}), ");
        }
        if !options.is_empty() {
            changed[at] = format!("crate::sync::mutant::weaker({}, &[{options}])", arguments[at]);
        }
    }
    let whole = format!("{receiver}.{}({})", operation.method, changed.join(", "));

    let Some(here) = orderings.first().and_then(|&at| ordering(arguments[at])) else {
        return whole;
    };
    let Some((result, write)) = halves(&operation.method, arguments) else { return whole };
    let (load, store) = match here {
        "AcqRel" => ("Acquire", "Release"),
        "Acquire" => ("Acquire", "Relaxed"),
        "Release" => ("Relaxed", "Release"),
        other => (other, other),
    };
    let path = "core::sync::atomic::Ordering::";
    let split = add("load + store".to_owned());
    let mut text = format!(
        "if crate::sync::mutant::is({split}) {{ \
         let cell = &{receiver}; let before = cell.load({path}{load}); \
         {} {result} }}",
        write.replace("ORDERING", &format!("{path}{store}")),
    );
    // A read-modify-write that changes nothing: is it needed at all?
    if operation.method.starts_with("fetch_") && arguments[0] == "0" {
        let only = add("load".to_owned());
        text += &format!(
            " else if crate::sync::mutant::is({only}) {{ {receiver}.load({path}{load}) }}"
        );
    }
    format!("({text} else {{ {whole} }})")
}

/// What the operation answers, and what it writes, in terms of `cell` and `before`.
fn halves(method: &str, arguments: &[&str]) -> Option<(&'static str, String)> {
    let operand = arguments.first()?;
    let write = |value: String| format!("cell.store({value}, ORDERING);");
    Some(match method {
        "swap" => ("before", write((*operand).to_owned())),
        "fetch_add" => ("before", write(format!("before.wrapping_add({operand})"))),
        "fetch_sub" => ("before", write(format!("before.wrapping_sub({operand})"))),
        "fetch_or" => ("before", write(format!("before | ({operand})"))),
        "fetch_and" => ("before", write(format!("before & ({operand})"))),
        "compare_exchange" | "compare_exchange_weak" => (
            "if equal { Ok(before) } else { Err(before) }",
            format!(
                "let equal = before == {operand}; if equal {{ {} }}",
                write(arguments[1].to_owned())
            ),
        ),
        _ => return None,
    })
}

fn one_step_below(ordering: &str, method: &str) -> &'static [&'static str] {
    match (ordering, method) {
        ("SeqCst", "load") => &["Acquire"],
        ("SeqCst", "store") => &["Release"],
        ("SeqCst", _) => &["AcqRel"],
        ("AcqRel", _) => &["Acquire", "Release"],
        ("Acquire" | "Release", _) => &["Relaxed"],
        _ => &[],
    }
}

/// What the operation is called in the table: it must not change with every line above it.
fn name(code: &str, found: &[Operation], index: usize) -> String {
    let short = |operation: &Operation| {
        let receiver: String = code[operation.receiver.clone()].split_whitespace().collect();
        format!("{receiver}.{}", operation.method)
    };
    let this = short(&found[index]);
    let same: Vec<usize> = (0..found.len())
        .filter(|&at| found[at].function == found[index].function && short(&found[at]) == this)
        .collect();
    match same.iter().position(|&at| at == index) {
        Some(place) if same.len() > 1 => format!("{this} #{}", place + 1),
        _ => this,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_in_an_argument_is_weakened_too() {
        let source = "fn f() { a.store(b.load(Ordering::Acquire), Ordering::Release); }";
        let mut mutants = Vec::new();
        let text = instrument("x.rs", source, &mut mutants);
        let operations: Vec<_> = mutants.iter().map(|mutant| mutant.operation.as_str()).collect();
        assert_eq!(operations, ["b.load", "a.store"]);
        assert_eq!(text.matches("weaker(").count(), 2);
    }

    #[test]
    fn each_weakening_of_each_operation_gets_a_number() {
        let source = "fn f() { a.fetch_add(0, Ordering::AcqRel); b.load(Ordering::Relaxed); }";
        let mut mutants = Vec::new();
        let text = instrument("x.rs", source, &mut mutants);
        let mutations: Vec<_> = mutants.iter().map(|mutant| mutant.mutation.as_str()).collect();
        assert_eq!(mutations, ["AcqRel → Acquire", "AcqRel → Release", "load + store", "load"]);
        assert!(
            text.contains(
                "cell.store(before.wrapping_add(0), core::sync::atomic::Ordering::Release)"
            )
        );
        assert!(text.contains("a.load(core::sync::atomic::Ordering::Acquire)"));
        assert!(text.contains("b.load(Ordering::Relaxed)"), "there is nothing below Relaxed");
        assert!(mutants.iter().all(|mutant| mutant.operation == "a.fetch_add"));
    }
}
