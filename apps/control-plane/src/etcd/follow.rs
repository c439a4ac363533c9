//! Follows the state in etcd: reads it once, then watches from that revision on, for ever.

use super::client::Client;
use super::keys::Keys;
use super::replay::{Change, Replay};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Between two attempts, at first and at most.
const RETRY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));
/// A connection that has lasted for so long was well: no call takes as long.
const WELL: Duration = Duration::from_secs(10);

/// What is told.
#[derive(Debug)]
pub(crate) enum Told {
    /// Changes, and how many resources there are of each kind since.
    Change(Change, BTreeMap<String, usize>),
    /// Something is wrong, in one line, and whether it is news. It is tried again.
    Trouble(String, bool),
    /// It is well again.
    Following,
}

/// Never returns.
pub(crate) async fn follow(client: Client, keys: Keys, mut tell: impl FnMut(Told)) {
    let mut follower = Follower { client, replay: Replay::new(keys.clone()), keys, stale: true };
    let mut attempts = Attempts::default();
    loop {
        let (before, begin) = (follower.replay.revision(), Instant::now());
        let Err(trouble) = follower.round(&mut tell).await;
        let at = follower.replay.revision();
        let (pause, is_news) = attempts.failed(&trouble, at > before || begin.elapsed() >= WELL);
        tell(Told::Trouble(format!("{trouble}; revision {at} is served meanwhile"), is_news));
        tokio::time::sleep(pause).await;
    }
}

/// Attempts that have failed.
#[derive(Default)]
struct Attempts {
    pause: Duration,
    last: String,
}

impl Attempts {
    /// How long to wait, and whether the trouble is news: the same one is news once, until all
    /// `was_well`.
    fn failed(&mut self, trouble: &str, was_well: bool) -> (Duration, bool) {
        if was_well {
            *self = Self::default();
        }
        let is_news = trouble != self.last;
        self.last = trouble.to_owned();
        self.pause = (self.pause * 2).clamp(RETRY.0, RETRY.1);
        (self.pause, is_news)
    }
}

enum Never {}

struct Follower {
    client: Client,
    keys: Keys,
    replay: Replay,
    /// The state is to be read anew.
    stale: bool,
}

impl Follower {
    /// One connection's worth. Returns only when it has failed.
    async fn round(&mut self, tell: &mut impl FnMut(Told)) -> Result<Never, String> {
        let (begin, end) = self.keys.state();
        if !self.stale {
            // A store that was restored from a backup is younger than what is known: a watch would
            // wait for ever.
            let now = self.client.revision(&begin).await?;
            self.stale = now < self.replay.revision();
        }
        if self.stale {
            let snapshot = self.client.range((&begin, &end)).await?;
            let change = self.replay.snapshot(snapshot.kvs, snapshot.revision);
            self.stale = false;
            tell(Told::Change(change, self.replay.counts().clone()));
        }
        let next = self.replay.revision() + 1;
        let mut watch = self.client.watch((&begin, &end), next).await?;
        tell(Told::Following);
        loop {
            let response = watch.next().await?;
            if response.canceled {
                self.stale = response.compact_revision > 0;
                let why = if self.stale {
                    format!("revisions before {} are compacted", response.compact_revision)
                } else {
                    response.cancel_reason
                };
                return Err(format!("the watch from revision {next} was cancelled: {why}"));
            }
            match self.replay.events(response.events) {
                Ok(changes) => {
                    for change in changes {
                        tell(Told::Change(change, self.replay.counts().clone()));
                    }
                }
                Err(gap) => {
                    self.stale = true;
                    return Err(format!("{}: the state is read anew", gap.0));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_trouble_is_news_again_when_all_was_well_in_between() {
        let mut attempts = Attempts::default();
        let mut failed = |trouble, was_well| {
            let (pause, is_news) = attempts.failed(trouble, was_well);
            (pause.as_millis(), is_news)
        };
        assert_eq!(failed("a", false), (50, true));
        assert_eq!(failed("a", false), (100, false));
        assert_eq!(failed("b", false), (200, true));
        assert_eq!(failed("b", true), (50, true));
        for _ in 0..10 {
            failed("b", false);
        }
        assert_eq!(failed("b", false), (2_000, false));
    }
}
