//! The control plane as a process, and the directory that it is given.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

/// Far beyond what anything here takes: it ends a test that hangs, and judges nothing.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// A directory that is removed in the end.
pub(crate) struct Dir(pub(crate) PathBuf);

impl Dir {
    pub(crate) fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("pushlane-app-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        Self(dir)
    }

    /// Writes a file beside, then renames it over the old one.
    pub(crate) fn replace(&self, file: &str, text: &str) {
        fs::write(self.0.join("new"), text).unwrap();
        fs::rename(self.0.join("new"), self.0.join(file)).unwrap();
    }

    pub(crate) fn path(&self, file: &str) -> String {
        self.0.join(file).display().to_string()
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The process. It is killed when dropped.
pub(crate) struct Plane {
    child: Child,
    lines: Receiver<String>,
    /// `127.0.0.1:PORT` of the clients' port, and of the admin page.
    pub(crate) clients: String,
    pub(crate) admin: String,
}

impl Plane {
    pub(crate) fn start(flags: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_control-plane"))
            .args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--drain", "0"])
            .args(flags)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = channel();
        let (out, errors) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let other = sender.clone();
        thread::spawn(move || {
            BufReader::new(out).lines().map_while(Result::ok).for_each(|it| drop(sender.send(it)));
        });
        thread::spawn(move || {
            BufReader::new(errors).lines().map_while(Result::ok).for_each(|it| drop(other.send(it)))
        });
        let mut plane = Self { child, lines, clients: String::new(), admin: String::new() };
        let after = |line: String, what: &str| line.split_once(what).unwrap().1.to_owned();
        plane.clients = after(plane.line("ADS on "), "ADS on ");
        plane.admin = after(plane.line("admin page on "), "http://");
        plane
    }

    /// The next line with this in it, passing over others.
    #[track_caller]
    pub(crate) fn line(&self, part: &str) -> String {
        loop {
            match self.lines.recv_timeout(LONG) {
                Ok(line) if line.contains(part) => return line,
                Ok(_) => {}
                Err(error) => panic!("no line with {part:?}: {error}"),
            }
        }
    }

    /// What it says until it ends.
    pub(crate) fn lines_left(&self) -> Vec<String> {
        self.lines.iter().collect()
    }

    pub(crate) fn signal(&self, name: &str) {
        let process = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &process]).status().unwrap().success());
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

impl Drop for Plane {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A file with one cluster of each name.
pub(crate) fn clusters(names: &[&str]) -> String {
    let kind = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
    let each = |name: &&str| format!("{{\"@type\":\"{kind}\",\"name\":\"{name}\"}}");
    format!("{{\"resources\":[{}]}}", names.iter().map(each).collect::<Vec<_>>().join(","))
}
