//! Verdicts that are known, in a file: a run that was stopped goes on where it was.

use std::collections::HashMap;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write};
use std::path::PathBuf;

use crate::Verdict;

/// Lines of a key, a tab and a value, of which the last one for a key counts.
pub struct Record {
    path: PathBuf,
    lines: HashMap<String, String>,
}

impl Record {
    pub fn open(path: PathBuf) -> io::Result<Record> {
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            read => read?,
        };
        let lines = text.lines().filter_map(|line| line.split_once('\t'));
        Ok(Record {
            path,
            lines: lines.map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
        })
    }

    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    pub fn get(&self, key: &str) -> Option<&str> {
        self.lines.get(key).map(String::as_str)
    }

    pub fn put(&mut self, key: &str, value: &str) -> io::Result<()> {
        let mut file = fs::OpenOptions::new().create(true).append(true).open(&self.path)?;
        writeln!(file, "{key}\t{value}")?;
        self.lines.insert(key.to_owned(), value.to_owned());
        Ok(())
    }
}

/// A number that changes with any of the texts, but not with the space in them.
pub fn fingerprint<'t>(texts: impl IntoIterator<Item = &'t str>) -> String {
    let mut hasher = DefaultHasher::new();
    texts.into_iter().flat_map(str::split_whitespace).for_each(|word| word.hash(&mut hasher));
    format!("{:016x}", hasher.finish())
}

/// A verdict in one line.
pub fn line(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Killed { by, how } => format!("killed\t{by}\t{how}"),
        Verdict::Hung { by } => format!("hung\t{by}"),
        Verdict::Survived => "survived".to_owned(),
        Verdict::Unfit { why } => format!("unfit\t{}", why.replace(['\n', '\t'], " ")),
    }
}

pub fn verdict(line: &str) -> Option<Verdict> {
    let mut parts = line.split('\t').map(str::to_owned);
    Some(match parts.next()?.as_str() {
        "killed" => Verdict::Killed { by: parts.next()?, how: parts.next()? },
        "hung" => Verdict::Hung { by: parts.next()? },
        "survived" => Verdict::Survived,
        "unfit" => Verdict::Unfit { why: parts.next()? },
        _ => return None,
    })
}
