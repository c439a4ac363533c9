//! What signals do.

use crate::plane::{Dir, Plane, clusters};

#[test]
fn a_hangup_reads_again_and_ends_nothing() {
    let dir = Dir::new("hangup");
    let mut plane = Plane::start(&["--resources", &dir.path("")]);
    plane.signal("HUP");
    plane.line("hangup: reading resources and certificates");
    dir.replace("resources.json", &clusters(&["a"]));
    plane.line("resources.json: 1 resources, 1 changed");
    plane.signal("HUP");
    plane.line("hangup");
    plane.signal("TERM");
    plane.line("asked to end: draining");
    assert!(plane.wait().success());
}

#[test]
fn a_hangup_with_the_built_in_set_ends_nothing() {
    let mut plane = Plane::start(&[]);
    plane.signal("HUP");
    plane.line("hangup");
    plane.signal("INT");
    assert!(plane.wait().success());
}

/// Reading holds nothing up: the file here is longer than what is read before the signal comes.
#[test]
fn a_termination_does_not_wait_for_a_file_that_is_being_read() {
    let dir = Dir::new("reading");
    let names: Vec<String> = (0..200_000).map(|each| format!("cluster-{each}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    dir.replace("resources.json", &clusters(&names));
    let mut plane = Plane::start(&["--resources", &dir.path("")]);
    plane.signal("TERM");
    plane.line("asked to end: draining");
    assert!(plane.wait().success());
    let read = plane.lines_left().iter().any(|line| line.contains("resources, "));
    assert!(!read, "the whole file was read first");
}
