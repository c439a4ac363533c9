//! `--check`, as a step before a file is put in place.

use crate::plane::{Dir, clusters};
use std::process::{Command, Output};

fn check(dir: &Dir, flags: &[&str]) -> (bool, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_control-plane"))
        .args(["--check", "--resources", &dir.path("")])
        .args(flags)
        .output()
        .unwrap();
    let Output { status, stdout, stderr } = output;
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.success(), text(stdout), text(stderr))
}

#[test]
fn a_reference_that_leads_nowhere_is_a_warning_or_an_error() {
    let dir = Dir::new("check");
    dir.replace("resources.json", &clusters(&["a"]));
    let fine = (true, "resources.json: 1 resources, nothing wrong\n".to_owned(), String::new());
    assert_eq!(check(&dir, &[]), fine);
    assert_eq!(check(&dir, &["--strict"]), fine);
    dir.replace(
        "resources.json",
        r#"{"resources": [{"@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
        "name": "r", "request_mirror_policies": [{"cluster": "gone"}]}]}"#,
    );
    let (ok, out, errors) = check(&dir, &[]);
    let warning = "resources.json: warning: RouteConfiguration \"r\", \
        request_mirror_policies[0].cluster: there is no Cluster \"gone\"\n";
    assert_eq!((ok, errors.as_str()), (true, warning));
    assert_eq!(out, "resources.json: 1 resources, warnings: 1\n");
    let (ok, out, errors) = check(&dir, &["--strict"]);
    assert!(!ok && out.is_empty() && errors.starts_with(warning), "{errors}");
    dir.replace("resources.json", "{");
    assert!(!check(&dir, &[]).0);
}

#[cfg(target_os = "linux")]
#[test]
fn what_cannot_be_printed_is_an_error() {
    let dir = Dir::new("full");
    dir.replace("resources.json", &clusters(&["a"]));
    let output = Command::new(env!("CARGO_BIN_EXE_control-plane"))
        .args(["--check", "--resources", &dir.path("")])
        .stdout(std::fs::File::options().write(true).open("/dev/full").unwrap())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.starts_with("standard output: ") && said.lines().count() == 1, "{said}");
}
