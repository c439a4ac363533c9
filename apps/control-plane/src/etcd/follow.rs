//! Follows the state in etcd: reads it once, then watches from that revision on, for ever.

use super::client::Client;
use super::keys::Keys;
use super::replay::{Change, Replay};
use std::collections::BTreeMap;
use std::time::Duration;

/// Between two attempts, at first and at most.
const RETRY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// What is told.
#[derive(Debug)]
pub(crate) enum Told {
    /// Changes, and how many resources there are of each kind since.
    Change(Change, BTreeMap<String, usize>),
    /// Something is wrong, in one line. It is tried again.
    Trouble(String),
    /// It is well again.
    Following,
}

/// Never returns.
pub(crate) async fn follow(client: Client, keys: Keys, mut tell: impl FnMut(Told)) {
    let mut follower = Follower { client, replay: Replay::new(keys.clone()), keys, stale: true };
    let (mut pause, mut last) = (RETRY.0, String::new());
    loop {
        let before = follower.replay.revision();
        let Err(trouble) = follower.round(&mut tell).await;
        if follower.replay.revision() > before {
            pause = RETRY.0;
        }
        // The same trouble is told once, until something else happens.
        if trouble != last || pause == RETRY.0 {
            let at = follower.replay.revision();
            tell(Told::Trouble(format!("{trouble}; revision {at} is served meanwhile")));
            last = trouble;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(RETRY.1);
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
