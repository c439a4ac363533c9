//! The admin page over HTTP, byte by byte.

use crate::plane::{Dir, LONG, Plane, clusters};
use std::io::{Read, Write};
use std::net::TcpStream;

fn connect(plane: &Plane) -> TcpStream {
    let socket = TcpStream::connect(&plane.admin).unwrap();
    socket.set_read_timeout(Some(LONG)).unwrap();
    socket
}

/// The answer as it comes, head and body.
fn ask(plane: &Plane, path: &str, host: &str) -> String {
    let mut socket = connect(plane);
    write!(socket, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer
}

fn json(plane: &Plane, path: &str) -> serde_json::Value {
    let answer = ask(plane, path, "localhost");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("application/json"), "{head}");
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}"))
}

/// Otherwise a page of another site could read everything with a visitor's browser.
#[test]
fn another_host_is_refused_everywhere() {
    let plane = Plane::start(&["--admin-host", "plane.mesh"]);
    let paths =
        ["/", "/metrics", "/status.json", "/clients.json", "/config_dump", "/ready", "/healthz"];
    for path in paths {
        for host in ["localhost", &plane.admin, "plane.mesh:80"] {
            let answer = ask(&plane, path, host);
            assert!(answer.starts_with("HTTP/1.1 200 "), "{path} {host}: {answer}");
        }
        for host in ["evil.example", "localhost.evil.example", ""] {
            let answer = ask(&plane, path, host);
            assert!(answer.starts_with("HTTP/1.1 421 "), "{path} {host}: {answer}");
            assert!(!answer.contains("pushlane"), "{answer}");
        }
    }
    let target = format!("http://evil.example{}", "/metrics");
    assert!(ask(&plane, &target, "localhost").starts_with("HTTP/1.1 421 "));
}

/// More silent connections than there are places: they end, and the page is served again.
#[test]
fn silent_connections_end_and_do_not_shut_others_out() {
    let plane = Plane::start(&["--admin-connections", "2", "--admin-timeout", "0.2"]);
    let mut silent: Vec<_> = (0..6).map(|_| connect(&plane)).collect();
    write!(silent[0], "GET / HTTP/1.1\r\nHost: local").unwrap();
    assert!(ask(&plane, "/healthz", "localhost").starts_with("HTTP/1.1 200 "));
    for socket in &mut silent {
        // Either an end or a reset; a connection that is kept would time out here.
        let mut rest = Vec::new();
        if let Err(error) = socket.read_to_end(&mut rest) {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}");
        }
    }
}

#[test]
fn a_connection_that_is_kept_open_is_not_waited_for_in_the_end() {
    let mut plane = Plane::start(&["--admin-timeout", "1000"]);
    let mut socket = connect(&plane);
    write!(socket, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut some = [0; 12];
    socket.read_exact(&mut some).unwrap();
    assert_eq!(&some, b"HTTP/1.1 200");
    plane.signal("TERM");
    assert!(plane.wait().success());
}

#[test]
fn it_is_ready_as_soon_as_something_is_served() {
    let dir = Dir::new("ready");
    let plane = Plane::start(&["--resources", &dir.path("")]);
    assert!(ask(&plane, "/ready", "localhost").starts_with("HTTP/1.1 503 "));
    assert!(ask(&plane, "/healthz", "localhost").starts_with("HTTP/1.1 200 "));
    dir.replace("resources.json", &clusters(&["a"]));
    plane.line("1 resources");
    // The line comes first.
    while !ask(&plane, "/ready", "localhost").starts_with("HTTP/1.1 200 ") {}
    dir.replace("resources.json", "?");
    plane.line("the previous state stays in use");
    assert!(ask(&plane, "/ready", "localhost").starts_with("HTTP/1.1 200 "));
    let status = json(&plane, "/status.json");
    assert_eq!(status["resources"]["Cluster"], 1);
    assert_eq!(status["faults"].as_array().unwrap().len(), 2);
}

#[test]
fn what_is_served_is_listed_without_its_contents() {
    let dir = Dir::new("dump");
    dir.replace("resources.json", &clusters(&["a", "b"]));
    let plane = Plane::start(&["--resources", &dir.path("")]);
    plane.line("2 resources");
    let dump = json(&plane, "/config_dump");
    let resources = &dump["views"][0]["resources"];
    assert_eq!(resources.as_array().unwrap().len(), 2);
    assert_eq!((&resources[0]["name"], &resources[0]["bytes"]), (&"a".into(), &3.into()));
    assert!(ask(&plane, "/config_dump?node=nobody", "localhost").starts_with("HTTP/1.1 404 "));
    assert_eq!(json(&plane, "/clients.json"), serde_json::json!({ "clients": [] }));
}
