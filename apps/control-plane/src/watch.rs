//! The directory of resources, watched from a thread of its own.

use crate::resources::fault::Fault;
use crate::resources::{FILES, Resource, find, parse};
use crate::stamp::{Stamps, stamp};
use notify::event::{AccessKind, AccessMode, EventKind, ModifyKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

/// How often to look without a hint: a directory may be created or replaced, or its file system
/// may give no hints.
const PATROL: Duration = Duration::from_millis(500);
/// A file that is written in place is read after this time without a change.
const QUIET: Duration = Duration::from_millis(10);
/// The longest wait, in quiet times.
const MOST_QUIETS: usize = 50;

/// A state of the directory.
#[derive(Debug, PartialEq)]
pub(crate) enum News {
    /// The whole desired state.
    Read { file: &'static str, resources: Vec<Resource> },
    /// A file with faults.
    Broken { file: &'static str, faults: Vec<Fault> },
    /// There is a file, or a directory, but it can't be read.
    Unreadable(String),
    /// There was a file, and now there is none.
    Gone,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Hint {
    /// A change is complete.
    Now,
    /// None has come for a while.
    Patrol,
    /// One has begun.
    Soon,
    Stop,
}

/// Ends when dropped. A file that is being read then delays nothing: the thread is not waited for.
#[derive(Debug)]
pub(crate) struct Watch {
    hints: Sender<Hint>,
}

impl Watch {
    /// Tells of the directory's state, if it exists, and then of each later state, in order.
    pub(crate) fn new(
        dir: PathBuf,
        tell: impl FnMut(News) + Send + 'static,
    ) -> notify::Result<Self> {
        let (hints, received) = channel();
        let sender = hints.clone();
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // After an error of the watcher, such as an overflow, look as well.
            if let Some(hint) = event.map_or(Some(Hint::Soon), |event| hint(&event.kind)) {
                let _ = sender.send(hint);
            }
        })?;
        let rounds =
            Rounds { dir, watcher, received, last: Last::Nothing, stamps: Stamps::default() };
        thread::Builder::new().name("watch".into()).spawn(move || rounds.run(tell))?;
        Ok(Self { hints })
    }

    /// Looks at the directory at once.
    pub(crate) fn look(&self) {
        let _ = self.hints.send(Hint::Now);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.hints.send(Hint::Stop);
    }
}

fn hint(kind: &EventKind) -> Option<Hint> {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => Some(Hint::Now),
        // Reading the file is an access too: to look because of it would never end.
        EventKind::Access(_) => None,
        EventKind::Modify(ModifyKind::Name(_)) | EventKind::Remove(_) => Some(Hint::Now),
        _ => Some(Hint::Soon),
    }
}

/// The state that was last told of: each is told once.
#[derive(PartialEq)]
enum Last {
    Nothing,
    File(&'static str, Vec<u8>),
    Unreadable(String),
}

struct Rounds {
    dir: PathBuf,
    watcher: RecommendedWatcher,
    received: Receiver<Hint>,
    last: Last,
    stamps: Stamps<{ FILES.len() }>,
}

impl Rounds {
    fn run(mut self, mut tell: impl FnMut(News)) {
        let mut hint = Hint::Now;
        while hint != Hint::Stop {
            // Before looking, or a change in between would be missed. Every time, because another
            // directory may have taken the place of the watched one; for the same one it has no
            // effect.
            let _ = self.watcher.watch(&self.dir, RecursiveMode::NonRecursive);
            if let Some(news) = self.look(hint) {
                tell(news);
            }
            hint = self.wait();
        }
    }

    /// Reads the file if it has to. On patrol, a file that has its old stamp is the old one.
    fn look(&mut self, hint: Hint) -> Option<News> {
        let stamps = || (FILES.map(|file| stamp(&self.dir.join(file))), Instant::now());
        let before = stamps();
        if hint == Hint::Patrol && self.stamps.are_known(&before.0) {
            return None;
        }
        let news = look(&self.dir, &mut self.last);
        let after = stamps();
        if matches!(self.last, Last::Unreadable(_)) {
            // The next attempt may fare better, whatever the stamp.
            self.stamps = Stamps::default();
        } else {
            self.stamps.read(before, after);
        }
        news
    }

    fn wait(&self) -> Hint {
        let mut hint = match self.received.recv_timeout(PATROL) {
            Ok(hint) => hint,
            Err(RecvTimeoutError::Timeout) => return Hint::Patrol,
            Err(RecvTimeoutError::Disconnected) => return Hint::Stop,
        };
        for _ in 0..MOST_QUIETS {
            if hint != Hint::Soon {
                break;
            }
            hint = self.received.recv_timeout(QUIET).unwrap_or(Hint::Now);
        }
        hint
    }
}

fn look(dir: &Path, last: &mut Last) -> Option<News> {
    let now = match find(dir) {
        Ok(Some((file, content))) => Last::File(file, content),
        Ok(None) => Last::Nothing,
        Err(error) => Last::Unreadable(error.to_string()),
    };
    if now == *last {
        return None;
    }
    let news = match &now {
        Last::Nothing => News::Gone,
        Last::Unreadable(why) => News::Unreadable(why.clone()),
        Last::File(file, content) => match parse(file, content) {
            Ok(resources) => News::Read { file, resources },
            Err(faults) => News::Broken { file, faults },
        },
    };
    *last = now;
    Some(news)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const LONG: Duration = Duration::from_secs(20);

    struct Dir(PathBuf);

    impl Dir {
        fn new(name: &str) -> Self {
            let dir =
                std::env::temp_dir().join(format!("pushlane-watch-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&dir);
            Self(dir)
        }

        /// As deployments do it: beside, then over.
        fn replace(&self, file: &str, names: &[&str]) {
            fs::write(self.0.join("new"), list(names)).unwrap();
            fs::rename(self.0.join("new"), self.0.join(file)).unwrap();
        }
    }

    impl Drop for Dir {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn list(names: &[&str]) -> String {
        let kind = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
        let each = |name: &&str| format!("{{\"@type\":\"{kind}\",\"name\":\"{name}\"}}");
        format!("{{\"resources\":[{}]}}", names.iter().map(each).collect::<Vec<_>>().join(","))
    }

    fn watch(dir: &Dir) -> (Watch, Receiver<News>) {
        let (sender, news) = channel();
        let watch = Watch::new(dir.0.clone(), move |news| drop(sender.send(news))).unwrap();
        (watch, news)
    }

    /// Waits until this is the state, passing over what came before.
    #[track_caller]
    fn expect(news: &Receiver<News>, names: &[&str]) {
        loop {
            match news.recv_timeout(LONG) {
                Ok(News::Read { resources, .. })
                    if resources.iter().map(|r| &*r.name).eq(names.iter().copied()) =>
                {
                    return;
                }
                Ok(_) => {}
                Err(error) => panic!("{names:?}: {error}"),
            }
        }
    }

    #[test]
    fn a_directory_that_comes_later_and_a_file_that_is_replaced() {
        let dir = Dir::new("later");
        let (_watch, news) = watch(&dir);
        fs::create_dir_all(&dir.0).unwrap();
        dir.replace("resources.json", &["a"]);
        expect(&news, &["a"]);
        for round in 0..20 {
            let name = format!("r{round}");
            dir.replace("resources.json", &[&name]);
            expect(&news, &[&name]);
        }
        dir.replace("resources.b64.json", &[]);
        expect(&news, &[]);
        fs::remove_file(dir.0.join("resources.b64.json")).unwrap();
        expect(&news, &["r19"]);
    }

    #[test]
    fn a_broken_file_is_told_of_once_and_so_is_its_end() {
        let dir = Dir::new("broken");
        fs::create_dir_all(&dir.0).unwrap();
        dir.replace("resources.json", &["a"]);
        let (_watch, news) = watch(&dir);
        expect(&news, &["a"]);
        dir.replace("resources.json", &["b", "b"]);
        let News::Broken { file, faults } = news.recv_timeout(LONG).unwrap() else {
            panic!("not broken")
        };
        assert_eq!((file, faults.len()), ("resources.json", 1));
        dir.replace("resources.json", &["b", "b"]);
        fs::remove_file(dir.0.join("resources.json")).unwrap();
        assert_eq!(news.recv_timeout(LONG), Ok(News::Gone));
        dir.replace("resources.json", &["b"]);
        expect(&news, &["b"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_named_pipe_in_place_of_the_file_is_told_of_and_the_watch_goes_on() {
        let dir = Dir::new("pipe");
        fs::create_dir_all(&dir.0).unwrap();
        dir.replace("resources.json", &["a"]);
        let (_watch, news) = watch(&dir);
        expect(&news, &["a"]);
        let made = std::process::Command::new("mkfifo").arg(dir.0.join("new")).status();
        assert!(made.unwrap().success());
        fs::rename(dir.0.join("new"), dir.0.join("resources.json")).unwrap();
        let told = "resources.json: it is a named pipe, not a regular file";
        assert_eq!(news.recv_timeout(LONG), Ok(News::Unreadable(told.into())));
        dir.replace("resources.json", &["b"]);
        expect(&news, &["b"]);
    }

    /// The end of the program must not wait for a large file.
    #[test]
    fn a_watch_that_is_dropped_does_not_wait_for_what_is_being_read() {
        let dir = Dir::new("busy");
        fs::create_dir_all(&dir.0).unwrap();
        dir.replace("resources.json", &["a"]);
        let ((begun, is_begun), (end, may_end)) = (channel(), channel::<()>());
        let watch = Watch::new(dir.0.clone(), move |_| {
            begun.send(()).unwrap();
            let _ = may_end.recv();
        });
        is_begun.recv_timeout(LONG).unwrap();
        // With a wait for the thread this would never return.
        drop(watch);
        drop(end);
    }

    #[test]
    fn a_file_that_is_known_by_its_stamp_is_not_read_on_patrol() {
        let dir = Dir::new("patrol");
        fs::create_dir_all(&dir.0).unwrap();
        dir.replace("resources.json", &["a"]);
        let rounds = |last| {
            let watcher = notify::recommended_watcher(|_| {}).unwrap();
            let stamps = Stamps::default();
            Rounds { dir: dir.0.clone(), watcher, received: channel().1, last, stamps }
        };
        let mut patrol = rounds(Last::Nothing);
        let now = (FILES.map(|file| stamp(&dir.0.join(file))), Instant::now());
        let later = (now.0, now.1 + LONG);
        patrol.stamps.read(now, now);
        patrol.stamps.read(later, later);
        assert_eq!(patrol.look(Hint::Patrol), None);
        assert!(matches!(patrol.look(Hint::Now), Some(News::Read { .. })));
        dir.replace("resources.json", &["b"]);
        assert!(matches!(patrol.look(Hint::Patrol), Some(News::Read { .. })));
    }

    #[test]
    fn a_file_written_in_place() {
        let dir = Dir::new("place");
        fs::create_dir_all(&dir.0).unwrap();
        let (_watch, news) = watch(&dir);
        for name in ["a", "b"] {
            fs::write(dir.0.join("resources.json"), list(&[name])).unwrap();
            expect(&news, &[name]);
        }
    }

    #[test]
    fn another_directory_in_its_place() {
        let (dir, other) = (Dir::new("first"), Dir::new("second"));
        for (dir, name) in [(&dir, "a"), (&other, "b")] {
            fs::create_dir_all(&dir.0).unwrap();
            dir.replace("resources.json", &[name]);
        }
        let (_watch, news) = watch(&dir);
        expect(&news, &["a"]);
        fs::remove_dir_all(&dir.0).unwrap();
        fs::rename(&other.0, &dir.0).unwrap();
        expect(&news, &["b"]);
        dir.replace("resources.json", &["c"]);
        expect(&news, &["c"]);
    }

    /// The way Kubernetes changes the files of a config map: the file is a link through a directory
    /// that is a link.
    #[cfg(unix)]
    #[test]
    fn a_link_that_is_switched() {
        use std::os::unix::fs::symlink;
        let dir = Dir::new("link");
        for (version, name) in [("v1", "a"), ("v2", "b")] {
            fs::create_dir_all(dir.0.join(version)).unwrap();
            fs::write(dir.0.join(version).join("resources.json"), list(&[name])).unwrap();
        }
        symlink("v1", dir.0.join("data")).unwrap();
        symlink("data/resources.json", dir.0.join("resources.json")).unwrap();
        let (_watch, news) = watch(&dir);
        expect(&news, &["a"]);
        symlink("v2", dir.0.join("next")).unwrap();
        fs::rename(dir.0.join("next"), dir.0.join("data")).unwrap();
        expect(&news, &["b"]);
    }

    #[test]
    fn to_read_is_no_reason_to_look() {
        for kind in [
            AccessKind::Read,
            AccessKind::Open(AccessMode::Any),
            AccessKind::Close(AccessMode::Read),
        ] {
            assert!(hint(&EventKind::Access(kind)).is_none());
        }
        // These are what the directory is watched for; without them it would be looked at twice a
        // second.
        let renamed = EventKind::Modify(ModifyKind::Name(notify::event::RenameMode::To));
        let written = EventKind::Access(AccessKind::Close(AccessMode::Write));
        assert!([renamed, written].iter().all(|kind| hint(kind) == Some(Hint::Now)));
    }
}
