//! [`Stamps`]: whether files may have changed, without reading them.

use std::fs::{Metadata, metadata};
use std::path::Path;
use std::time::{Duration, Instant};

/// What the file system says of a file. `None`: there is none, or it can't be told.
pub(crate) type Stamp = Option<(u64, [u64; 2], [i64; 4])>;

/// Of the file that a path leads to, through links.
pub(crate) fn stamp(path: &Path) -> Stamp {
    metadata(path).ok().map(|found| of(&found))
}

/// Size, identity, and the times of the last changes to the content and to the file itself.
#[cfg(unix)]
fn of(found: &Metadata) -> (u64, [u64; 2], [i64; 4]) {
    use std::os::unix::fs::MetadataExt;
    let times = [found.mtime(), found.mtime_nsec(), found.ctime(), found.ctime_nsec()];
    (found.len(), [found.dev(), found.ino()], times)
}

#[cfg(not(unix))]
fn of(found: &Metadata) -> (u64, [u64; 2], [i64; 4]) {
    let changed =
        found.modified().ok().and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
    let nanos = changed.map_or(-1, |at| at.as_nanos() as i64);
    (found.len(), [0; 2], [nanos, 0, 0, 0])
}

/// Times of files move in steps, of 2 s on the coarsest file system. A change within the step of
/// the one before leaves no trace in them.
const STEP: Duration = Duration::from_secs(3);

/// The stamps of some files, and whether the files are known by them.
///
/// Stamps are known once the files have been read when the stamps were older than a step, and were
/// the same before and after: every later change gives them another time. Only the local clock is
/// asked, and only for how much time has passed, so that it need not agree with a file server's.
#[derive(Debug, Default)]
pub(crate) struct Stamps<const N: usize> {
    seen: Option<([Stamp; N], Instant)>,
    known: bool,
}

impl<const N: usize> Stamps<N> {
    pub(crate) fn are_known(&self, now: &[Stamp; N]) -> bool {
        self.known && self.seen.as_ref().is_some_and(|(seen, _)| seen == now)
    }

    /// The files have been read. Before and after, at these times, they had these stamps.
    pub(crate) fn read(&mut self, before: ([Stamp; N], Instant), after: ([Stamp; N], Instant)) {
        match &self.seen {
            Some((seen, since)) if *seen == after.0 => {
                self.known = before.0 == after.0 && before.1.duration_since(*since) >= STEP;
            }
            _ => (self.seen, self.known) = (Some(after), false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: [Stamp; 2] = [None, Some((1, [2, 3], [4; 4]))];
    const NEW: [Stamp; 2] = [None, Some((1, [2, 3], [5; 4]))];

    #[test]
    fn stamps_are_known_only_when_they_have_stood_for_a_step() {
        let (start, mut stamps) = (Instant::now(), Stamps::default());
        assert!(!stamps.are_known(&OLD));
        stamps.read((OLD, start), (OLD, start + STEP));
        assert!(!stamps.are_known(&OLD), "it may change again within the step");
        stamps.read((OLD, start + STEP), (OLD, start + STEP));
        assert!(!stamps.are_known(&OLD), "the step begins when the stamp was seen");
        stamps.read((OLD, start + 2 * STEP), (OLD, start + 3 * STEP));
        assert!(stamps.are_known(&OLD) && !stamps.are_known(&NEW));
        // It changes while it is read.
        stamps.read((OLD, start + 4 * STEP), (NEW, start + 4 * STEP));
        assert!(!stamps.are_known(&OLD) && !stamps.are_known(&NEW));
        stamps.read((OLD, start + 5 * STEP), (NEW, start + 5 * STEP));
        assert!(!stamps.are_known(&NEW));
        stamps.read((NEW, start + 6 * STEP), (NEW, start + 6 * STEP));
        assert!(stamps.are_known(&NEW));
    }

    #[test]
    fn every_kind_of_change_shows() {
        let dir = std::env::temp_dir().join(format!("pushlane-stamp-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let file = dir.join("file");
        assert_eq!(stamp(&file), None);
        std::fs::write(&file, "a").unwrap();
        let first = stamp(&file);
        std::fs::write(&file, "ab").unwrap();
        let longer = stamp(&file);
        std::fs::write(dir.join("new"), "ab").unwrap();
        std::fs::rename(dir.join("new"), &file).unwrap();
        let replaced = stamp(&file);
        std::fs::remove_dir_all(&dir).unwrap();
        assert!(first.is_some() && first != longer && longer != replaced);
    }
}
