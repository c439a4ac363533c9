//! `storm` as its users meet it: what it prints, and how it fails.

use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

/// A history small enough for an unoptimised build, big enough that 1.1 loses some of it.
const SMALL: [&str; 8] = ["--clients", "600", "--events", "60", "--limit", "20", "--leave", "20"];

fn storm() -> Command {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    Command::new(BUILT.get_or_init(build))
}

/// Builds the example as this test was built, and asks cargo for its path. `cargo test` alone
/// doesn't build it: of an example with unit tests it builds only those.
///
/// Cargo has fetched everything for this test already, and holds no lock while tests run.
fn build() -> PathBuf {
    let test = std::env::current_exe().expect("the test has a path");
    let profile = test.ancestors().nth(2).and_then(|profile| profile.file_name()?.to_str());
    let profile = profile.filter(|&profile| profile != "debug").unwrap_or("dev");
    let target =
        Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("it lies in the target directory");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    // With the features of the workspace, so that the dependencies are compiled already.
    cargo.args(["build", "--quiet", "--workspace", "--example", "storm", "--profile", profile]);
    cargo.args(["--message-format", "json", "--target-dir"]).arg(target);
    let built = cargo.stderr(Stdio::inherit()).output().expect("cargo runs");
    assert!(built.status.success(), "the example does not build");
    let messages = String::from_utf8(built.stdout).expect("JSON");
    let executable = |line: &str| -> Option<PathBuf> {
        let message: Value = serde_json::from_str(line).ok()?;
        let is_storm = message["target"]["name"] == "storm";
        is_storm.then(|| message["executable"].as_str().map(PathBuf::from))?
    };
    messages.lines().find_map(executable).expect("cargo says where it is")
}

fn run(arguments: &[&str], input: &str) -> Output {
    let mut storm = storm();
    storm.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = storm.spawn().expect("storm was built");
    // A storm that refuses its arguments doesn't read its input.
    let _ = child.stdin.take().expect("piped").write_all(input.as_bytes());
    child.wait_with_output().expect("storm ends")
}

fn json(arguments: &[&str], input: &str) -> Value {
    let output = run(&[arguments, &["--format", "json"]].concat(), input);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("one JSON object")
}

fn design<'a>(report: &'a Value, name: &str) -> &'a Value {
    let designs = report["designs"].as_array().expect("an array");
    designs.iter().find(|design| design["name"] == name).expect("the design was run")
}

fn temporary(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// Changes for everyone, half a second apart.
fn history(changes: usize) -> String {
    let line = |n: usize| {
        let t = n as f64 / 2.0;
        format!(
            r#"{{"t":{t},"op":"modify","namespace":"istio-system","kind":"policy","name":"p{n}"}}"#
        ) + "\n"
    };
    (0..changes).map(line).collect()
}

#[test]
fn the_report_has_the_keys_that_were_promised_and_no_others() {
    let report = json(&SMALL, "");
    let keys = |value: &Value| -> Vec<String> {
        value.as_object().expect("an object").keys().cloned().collect()
    };
    assert_eq!(keys(&report), ["designs", "input"]);
    assert_eq!(keys(&report["input"]), ["bad_lines", "clients", "events", "seed"]);
    assert_eq!(report["input"]["events"], 60);
    assert_eq!(report["input"]["clients"], 600);
    let names: Vec<_> =
        report["designs"].as_array().unwrap().iter().map(|d| d["name"].as_str()).collect();
    assert_eq!(names, [Some("v1_1"), Some("v1_4"), Some("pushlane")]);
    for design in report["designs"].as_array().unwrap() {
        let expected = [
            "bookkeeping_ns_per_event",
            "convergence_ms",
            "freshness_ms",
            "lost",
            "merged",
            "name",
            "peak_backlog",
            "pushes",
            "redundant_pushes",
            "stale_clients",
            "stalled_ms",
        ];
        assert_eq!(keys(design), expected);
        assert_eq!(keys(&design["convergence_ms"]), ["max", "p50", "p99"]);
        assert!(design["pushes"].as_u64() > Some(0));
        assert!(design["bookkeeping_ns_per_event"].as_f64() > Some(0.0));
        for times in ["convergence_ms", "freshness_ms"] {
            let [p50, p99, max] = ["p50", "p99", "max"].map(|p| design[times][p].as_f64().unwrap());
            assert!(0.0 < p50 && p50 <= p99 && p99 <= max);
        }
    }
}

/// The fewer pushes, the later they are; what is held back is never lost.
#[test]
fn debounce_and_pace_trade_freshness_for_pushes() {
    let run = |options: &[&str]| {
        let report = json(&[&SMALL[..], &["--design", "pushlane"], options].concat(), "");
        let design = design(&report, "pushlane");
        assert_eq!(design["lost"], 0, "{options:?}");
        let fresh = design["freshness_ms"]["p50"].as_f64().unwrap();
        (design["pushes"].as_u64().unwrap(), fresh)
    };
    let none = run(&["--debounce", "none"]);
    let adaptive = run(&["--debounce", "adaptive"]);
    let fixed = run(&["--debounce", "fixed"]);
    let paced = run(&["--pace", "adaptive"]);
    let level = run(&["--pace", "fixed", "--interval", "2500"]);
    let slower = run(&["--pace", "fixed", "--interval", "5000"]);
    assert!(none.0 > adaptive.0 && none.1 < adaptive.1, "{none:?} {adaptive:?}");
    assert!(adaptive.1 < fixed.1, "{adaptive:?} {fixed:?}");
    assert!(fixed.0 >= paced.0 && paced.0 > slower.0, "{fixed:?} {paced:?} {slower:?}");
    assert!(fixed.1 <= paced.1 && paced.1 < slower.1, "{fixed:?} {paced:?} {slower:?}");
    // The longest interval of the adaptive pace, kept also while few clients are busy.
    assert!(paced.0 >= level.0 && paced.1 < level.1, "{paced:?} {level:?}");
}

/// What debounce and pace are for: fewer pushes than the queue of 1.4 sends, and fresher ones.
#[test]
fn adaptive_debounce_and_pace_send_no_more_than_1_4_and_are_fresher() {
    let adaptive = ["--debounce", "adaptive", "--pace", "adaptive"];
    let report = json(&[&SMALL[..], &adaptive].concat(), "");
    let (queue, pushlane) = (design(&report, "v1_4"), design(&report, "pushlane"));
    assert!(pushlane["pushes"].as_u64() <= queue["pushes"].as_u64(), "{report}");
    for p in ["p50", "p99"] {
        let [ours, theirs] = [pushlane, queue].map(|it| it["freshness_ms"][p].as_f64().unwrap());
        assert!(ours < theirs, "{p}: {report}");
    }
}

#[test]
fn the_curve_shows_both_designs_that_lose_nothing() {
    let path = temporary("curve.svg");
    let output = run(&[&SMALL[..], &["--curve", path.to_str().unwrap()]].concat(), "");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let svg = std::fs::read_to_string(&path).expect("it was written");
    assert!(svg.contains("v1_4") && svg.contains("pushlane"), "{svg}");
}

#[test]
fn a_seed_reproduces_a_run_to_the_byte_except_for_real_time() {
    let text = |seed: &str| {
        let mut report = json(&[&SMALL[..], &["--seed", seed]].concat(), "");
        for design in report["designs"].as_array_mut().unwrap() {
            design["bookkeeping_ns_per_event"].take();
        }
        report.to_string()
    };
    assert_eq!(text("7"), text("7"));
    assert_ne!(text("7"), text("8").replace("\"seed\":8", "\"seed\":7"));
}

#[test]
fn the_walk_loses_and_the_others_do_not() {
    let report =
        json(&["--trace", "-", "--rate", "2", "--clients", "1000", "--hung", "0"], &history(2));
    assert!(design(&report, "v1_1")["lost"].as_u64() > Some(0), "{report}");
    assert!(design(&report, "v1_1")["stale_clients"].as_u64() > Some(0));
    assert_eq!(design(&report, "v1_4")["lost"], 0);
    assert_eq!(design(&report, "pushlane")["lost"], 0);
}

#[test]
fn hung_clients_stall_the_queue_and_not_pushlane() {
    let arguments =
        ["--trace", "-", "--rate", "2", "--clients", "300", "--hung", "150", "--limit", "20"];
    let report = json(&arguments, &history(40));
    assert!(design(&report, "v1_4")["stalled_ms"].as_f64() > Some(4_000.0), "{report}");
    assert_eq!(design(&report, "v1_4")["lost"], 0);
    assert_eq!(design(&report, "pushlane")["stalled_ms"], 0.0);
    assert_eq!(design(&report, "pushlane")["lost"], 0);
}

#[test]
fn one_design_runs_alone() {
    let report = json(&[&SMALL[..], &["--design", "pushlane"]].concat(), "");
    assert_eq!(report["designs"].as_array().unwrap().len(), 1);
    assert_eq!(design(&report, "pushlane")["lost"], 0);
}

#[test]
fn the_table_names_the_designs_and_fits_the_screen() {
    let output = run(&SMALL, "");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && output.stderr.is_empty());
    assert!(
        text.lines().any(|line| line.split_whitespace().eq(["v1_1", "v1_4", "pushlane"])),
        "{text}"
    );
    assert!(text.contains("LOST"));
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
}

#[test]
fn a_malformed_line_stops_it_before_anything_is_done() {
    let svg = temporary("malformed.svg");
    let _ = std::fs::remove_file(&svg);
    let input = history(2) + "{\"t\":9,\"op\":\"explode\"}\n" + &history(1);
    let output = run(&["--trace", "-", "--svg", svg.to_str().unwrap()], &input);
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    let problem = String::from_utf8(output.stderr).unwrap();
    assert!(problem.contains("line 3") && problem.contains("explode"), "{problem}");
    assert!(!svg.exists());
}

#[test]
fn bad_lines_are_skipped_and_counted_on_demand() {
    let file = temporary("skip_bad.jsonl");
    std::fs::write(&file, history(3) + "nonsense\n{}\n" + &history(1)).unwrap();
    let report = json(&["--trace", file.to_str().unwrap(), "--skip-bad", "--clients", "20"], "");
    // The last line is well formed, but its time goes backwards.
    assert_eq!(report["input"]["bad_lines"], 3);
    assert_eq!(report["input"]["events"], 3);
}

#[test]
fn what_cannot_be_done_is_said_with_an_exit_code() {
    let refused: [(&[&str], i32, &str); 10] = [
        (&["--clients", "0"], 2, "--clients must be at least 1"),
        (&["--limit", "0"], 2, "--limit must be at least 1"),
        (&["--rate", "NaN"], 2, "--rate is out of range"),
        (&["--rate", "-1"], 2, "--rate"),
        (&["--send-timeout", "0.001"], 2, "--send-timeout is out of range"),
        (&["--clients", "many"], 2, "many"),
        (&["--clients", "5", "--hung", "6"], 2, "there are 5"),
        (&["--skip-bad"], 2, "--trace"),
        (&["--trace", "-"], 2, "no change"),
        (&["--trace", "no-such-file.jsonl"], 1, "no-such-file.jsonl"),
    ];
    for (arguments, code, problem) in refused {
        let output = run(arguments, "");
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(problem), "{arguments:?}: {said}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn a_plot_is_drawn_and_a_place_without_writing_is_refused() {
    let svg = temporary("backlog.svg");
    let output = run(&[&SMALL[..], &["--svg", svg.to_str().unwrap()]].concat(), "");
    assert!(output.status.success());
    let drawn = std::fs::read_to_string(&svg).unwrap();
    assert!(drawn.starts_with("<svg") && drawn.trim_end().ends_with("</svg>"));
    assert!(["v1_1", "v1_4", "pushlane"].iter().all(|name| drawn.contains(name)));
    let nowhere = temporary("no-such-directory").join("plot.svg");
    let output = run(&[&SMALL[..], &["--svg", nowhere.to_str().unwrap()]].concat(), "");
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
}

#[test]
fn a_reader_that_stops_early_causes_no_panic() {
    let mut storm = storm();
    storm.args(SMALL).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = storm.spawn().expect("storm was built");
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn help_explains_the_numbers() {
    let output = run(&["--help"], "");
    let text = String::from_utf8(output.stdout).unwrap();
    let flags =
        ["--trace", "--rate", "--skip-bad", "--clients", "--limit", "--hung", "--slow", "--seed"];
    let more =
        ["--design", "--send-timeout", "--format", "--svg", "convergence", "What they depend on"];
    assert!(flags.iter().chain(&more).all(|word| text.contains(word)), "{text}");
}
