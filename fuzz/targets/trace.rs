//! The trace parser of storm: whatever it is given, it reads it or says which line is wrong.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[allow(dead_code, reason = "storm's other rooms read it")]
#[path = "../../examples/storm/history.rs"]
mod history;
#[path = "../../examples/storm/trace.rs"]
mod trace;

use history::History;
use trace::TraceError;

const RATES: [f64; 4] = [1.0, 1e-300, 0.5, 1e300];

fn read(input: &[u8], rate: f64, skip_bad: bool) -> Result<History, TraceError> {
    trace::read(input, rate, skip_bad, "root")
}

/// The first `count` lines.
fn lines(input: &[u8], count: usize) -> Vec<u8> {
    input.split_inclusive(|byte| *byte == b'\n').take(count).flatten().copied().collect()
}

fuzz_target!(|bytes: &[u8]| {
    let [choice, input @ ..] = bytes else { return };
    let rate = RATES[usize::from(*choice) % RATES.len()];
    let all = input.split_inclusive(|byte| *byte == b'\n').count();
    let good = match read(input, rate, false) {
        Ok(history) => {
            assert_eq!(history.bad_lines, 0);
            check(&history, all);
            Some(history.changes)
        }
        Err(TraceError::Line { number, problem }) => {
            let text = TraceError::Line { number, problem }.to_string();
            assert!(text.starts_with(&format!("line {number}: ")), "{text}");
            // It is this line that is wrong, and none before it.
            let number = number as usize;
            assert!((1..=all).contains(&number), "{text}, and there are {all} lines");
            let before = read(&lines(input, number - 1), rate, false);
            assert!(
                matches!(before, Ok(_) | Err(TraceError::Empty)),
                "{before:?} comes before {text}"
            );
            let upto = read(&lines(input, number), rate, false).map(|_| ());
            assert_eq!(upto.unwrap_err().to_string(), text);
            None
        }
        Err(TraceError::Empty) => None,
        Err(TraceError::Io(error)) => panic!("{error}: there is nothing here that can fail"),
    };
    match read(input, rate, true) {
        Ok(history) => {
            check(&history, all);
            if let Some(good) = good {
                assert_eq!(history.changes, good, "nothing was to be skipped");
            } else {
                assert!(history.bad_lines > 0);
            }
        }
        Err(error) => {
            assert!(matches!(error, TraceError::Empty), "{error} although bad lines are skipped");
            assert!(good.is_none());
        }
    }
});

/// Whatever was read can be replayed.
fn check(history: &History, lines: usize) {
    assert!(history.changes.len() + history.bad_lines as usize <= lines);
    assert!(history.changes.is_sorted_by_key(|change| change.at), "time goes backwards");
    for change in &history.changes {
        assert!((change.key.namespace as usize) < history.namespaces.counts().len());
        assert!((change.key.kind as usize) < history.kinds.counts().len());
    }
}
