//! The table of instruction counts, from the committed figures.

use std::fs;

use super::{Fallible, root};

/// In Markdown. Empty while there are no figures.
pub(super) fn table() -> Fallible<String> {
    let Ok(figures) = fs::read_to_string(root().join("benches/instructions/figures.toml")) else {
        return Ok(String::new());
    };
    let mut out = String::from(
        "### Instruction counts\n\nBy callgrind, of one operation, with 2,048 clients; ",
    );
    let mut rows = String::new();
    for line in figures.lines().filter(|line| !line.starts_with(['#', '['])) {
        let Some((name, value)) = line.split_once('=') else { continue };
        let (name, value) = (name.trim().trim_matches('"'), value.trim().trim_matches('"'));
        match name {
            "rustc" => {
                out += &format!("compiled by {value}.\n\n| | instructions |\n| --- | ---: |\n")
            }
            _ => rows += &format!("| {name} | {value} |\n"),
        }
    }
    Ok(out + &rows)
}
