//! A recorded history: one JSON object a line.

use crate::history::History;
use serde::Deserialize;
use std::fmt;
use std::io::{self, BufRead, Read};

/// No change takes a line as long as this; a file without line ends shouldn't fill the memory.
const LONGEST_LINE: usize = 64 * 1024;

/// A line as it must look.
#[derive(Debug, Deserialize)]
struct Line {
    t: f64,
    #[expect(
        dead_code,
        reason = "checked to be one of the three; what is pushed doesn't depend on it"
    )]
    op: Op,
    namespace: String,
    kind: String,
    #[expect(dead_code, reason = "checked to be there; scopes are namespaces and kinds")]
    name: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Op {
    Add,
    Modify,
    Delete,
}

/// Why a trace can't be replayed.
#[derive(Debug)]
pub(crate) enum TraceError {
    /// It could not be read.
    Io(io::Error),
    /// A line is not a change.
    Line { number: u64, problem: Problem },
    /// There is no change in it.
    Empty,
}

/// What is wrong with a line.
#[derive(Debug)]
pub(crate) enum Problem {
    TooLong,
    NotUtf8,
    NotAChange(serde_json::Error),
    /// `t` is negative or not a number of seconds.
    BadTime(f64),
    Backwards {
        t: f64,
        before: f64,
    },
}

impl fmt::Display for TraceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "cannot read the trace: {error}"),
            Self::Line { number, problem } => write!(f, "line {number}: {problem}"),
            Self::Empty => f.write_str("the trace holds no change"),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "longer than {LONGEST_LINE} bytes"),
            Self::NotUtf8 => f.write_str("not UTF-8"),
            Self::NotAChange(error) => {
                // serde_json counts lines too, from 1 in every line: only its column means
                // something here.
                let text = error.to_string();
                let what = text.split(" at line ").next().unwrap_or(&text);
                write!(f, "{what} (column {})", error.column())
            }
            Self::BadTime(t) => write!(f, "`t` must be a number of seconds from 0 on, not {t}"),
            Self::Backwards { t, before } => write!(f, "`t` goes backwards: {t} after {before}"),
        }
    }
}

impl std::error::Error for TraceError {}

/// Reads a trace. With `skip_bad`, malformed lines are counted and left out.
pub(crate) fn read(
    mut input: impl BufRead,
    rate: f64,
    skip_bad: bool,
    root: &str,
) -> Result<History, TraceError> {
    let mut history = History::default();
    let mut times: Vec<f64> = Vec::new();
    let mut buffer = Vec::new();
    let mut number = 0;
    while let Some(complete) = next_line(&mut input, &mut buffer).map_err(TraceError::Io)? {
        number += 1;
        if complete && buffer.trim_ascii().is_empty() {
            continue;
        }
        match parse(complete, &buffer, times.last().copied()) {
            Ok(line) => history.push(line.t, &line.namespace, &line.kind, &mut times),
            Err(_) if skip_bad => history.bad_lines += 1,
            Err(problem) => return Err(TraceError::Line { number, problem }),
        }
    }
    if times.is_empty() {
        return Err(TraceError::Empty);
    }
    Ok(history.at_rate(&times, rate, root))
}

/// The next line without its end; false if it was too long and only its beginning is there.
fn next_line(input: &mut impl BufRead, buffer: &mut Vec<u8>) -> io::Result<Option<bool>> {
    buffer.clear();
    let read = input.by_ref().take(LONGEST_LINE as u64 + 1).read_until(b'\n', buffer)?;
    if read == 0 {
        return Ok(None);
    }
    if buffer.ends_with(b"\n") || read <= LONGEST_LINE {
        return Ok(Some(true));
    }
    input.skip_until(b'\n')?;
    Ok(Some(false))
}

fn parse(complete: bool, bytes: &[u8], before: Option<f64>) -> Result<Line, Problem> {
    if !complete {
        return Err(Problem::TooLong);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| Problem::NotUtf8)?;
    let line: Line = serde_json::from_str(text).map_err(Problem::NotAChange)?;
    if !(line.t.is_finite() && line.t >= 0.0) {
        return Err(Problem::BadTime(line.t));
    }
    match before {
        Some(before) if line.t < before => Err(Problem::Backwards { t: line.t, before }),
        _ => Ok(line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"t":3,"op":"add","namespace":"a","kind":"k","name":"n"}"#;

    fn problem(line: &[u8]) -> String {
        let input = [GOOD.as_bytes(), b"\n", line, b"\n"].concat();
        match read(&input[..], 1.0, false, "root") {
            Err(error) => error.to_string(),
            Ok(_) => panic!("{line:?} is not a change"),
        }
    }

    #[test]
    fn what_is_wrong_with_a_line_is_said_with_its_number() {
        let with = |from: &str, to: &str| problem(GOOD.replace(from, to).as_bytes());
        assert_eq!(with("3", "-1"), "line 2: `t` must be a number of seconds from 0 on, not -1");
        assert_eq!(with("3", "2.5"), "line 2: `t` goes backwards: 2.5 after 3");
        assert!(with("3", "1e999").starts_with("line 2: number out of range (column "));
        assert!(
            with("add", "ad").starts_with("line 2: unknown variant `ad`, expected one of `add`, ")
        );
        assert!(with("kind", "kin").starts_with("line 2: missing field `kind` (column "));
        assert!(problem(b"{").starts_with("line 2: EOF while parsing an object (column "));
        assert_eq!(problem(b"\xff"), "line 2: not UTF-8");
        assert_eq!(problem(&[b'x'; LONGEST_LINE + 1]), "line 2: longer than 65536 bytes");
    }

    #[test]
    fn bad_lines_are_counted_and_left_out_on_demand() {
        let long = "x".repeat(3 * LONGEST_LINE);
        let input = format!("{GOOD}\nnonsense\n\n{long}\n{GOOD}");
        let history = read(input.as_bytes(), 1.0, true, "root").unwrap();
        assert_eq!((history.changes.len(), history.bad_lines), (2, 2));
    }

    #[test]
    fn a_trace_without_a_change_is_refused() {
        assert!(matches!(read(&b"\n"[..], 1.0, false, "root"), Err(TraceError::Empty)));
        assert!(matches!(read(&b"nonsense"[..], 1.0, true, "root"), Err(TraceError::Empty)));
    }
}
