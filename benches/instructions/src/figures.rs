//! The committed figures: a small part of TOML.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// What was counted, and with which compiler.
#[derive(Debug, PartialEq)]
pub(crate) struct Figures {
    pub(crate) compiler: String,
    pub(crate) counts: Vec<(String, u64)>,
}

/// Where they are.
pub(crate) fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("figures.toml")
}

impl Figures {
    pub(crate) fn of(&self, name: &str) -> Option<u64> {
        self.counts.iter().find(|(known, _)| known == name).map(|(_, count)| *count)
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "# Written by `cargo run --release -p pushlane-instructions -- --write`.")?;
        writeln!(f, "rustc = \"{}\"\n\n[instructions]", self.compiler)?;
        self.counts.iter().try_for_each(|(name, count)| writeln!(f, "\"{name}\" = {count}"))
    }
}

impl FromStr for Figures {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut figures = Figures { compiler: String::new(), counts: Vec::new() };
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with(['#', '[']));
        for line in lines {
            let bad = || format!("figures.toml: {line:?} is neither rustc nor a count");
            let (name, value) = line.split_once(" = ").ok_or_else(bad)?;
            match name {
                "rustc" => figures.compiler = value.trim_matches('"').to_owned(),
                _ => {
                    let count = value.parse().map_err(|_| bad())?;
                    figures.counts.push((name.trim_matches('"').to_owned(), count));
                }
            }
        }
        Ok(figures)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let counts = vec![("lease, Dirty".into(), 17), ("fan-out of 16".into(), 3)];
        let figures = Figures { compiler: "rustc 1.0 (a b)".into(), counts };
        assert_eq!(figures.to_string().parse(), Ok(figures));
    }

    #[test]
    fn nonsense_is_refused() {
        assert!("nonsense".parse::<Figures>().is_err());
        assert!("\"lease\" = many".parse::<Figures>().is_err());
    }
}
