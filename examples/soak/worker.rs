//! What each thread does: everything, at random.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::Ordering::Relaxed;

use pushlane::ready::ReadySet;
use pushlane::storage::Heap;
use pushlane::{Lane, Lease, PushQueue, Scope, Target, Version};

use crate::dice::Dice;
use crate::kinds::Kind;
use crate::oracle::{ALL, Change, FIRST_TOPIC, Numbers, OWN, TOPICS, topic_of};
use crate::population::Mine;
use crate::round::{LIMIT, Scene};
use crate::tally::{Op, Share};
use crate::verdict::Verdict;

/// Leases that one thread holds at once, at most.
const HANDS: usize = 4;
/// Versions that one thread keeps an eye on.
const WATCHED: usize = 16;
/// After so many steps a thread looks at the clock and hands its counts in.
const STEPS: usize = 512;

type Queue<B, R> = PushQueue<B, Heap<R>>;

pub(crate) struct Worker<'a, B: Kind, R: ReadySet> {
    pub(crate) scene: &'a Scene<B, R>,
    pub(crate) verdict: &'a Verdict,
    pub(crate) dice: Dice,
    pub(crate) share: Share<'a>,
    pub(crate) mine: Mine,
    leases: Vec<(Lease<&'a Queue<B, R>>, Numbers)>,
    watched: Vec<(Version, Change)>,
    /// Of a thousand steps, how many publish to one client: sometimes the queue runs full,
    /// sometimes dry.
    publishing: usize,
}

/// What a thread leaves behind for the reckoning.
pub(crate) struct Left {
    pub(crate) mine: Mine,
    pub(crate) watched: Vec<(Version, Change)>,
}

impl<'a, B: Kind, R: ReadySet> Worker<'a, B, R> {
    pub(crate) fn new(
        scene: &'a Scene<B, R>,
        verdict: &'a Verdict,
        mut dice: Dice,
        share: Share<'a>,
        mine: Mine,
    ) -> Self {
        let publishing = [250, 400, 550][dice.roll(3)];
        let (leases, watched) = (Vec::with_capacity(HANDS), Vec::with_capacity(WATCHED));
        Worker { scene, verdict, dice, share, mine, leases, watched, publishing }
    }

    pub(crate) fn work(mut self) -> Left {
        while !self.scene.is_over() && !self.verdict.is_bad() {
            (0..STEPS).for_each(|_| self.step());
            self.share.hand_in();
        }
        while let Some((lease, numbers)) = self.leases.pop() {
            self.end(lease, numbers);
        }
        Left { mine: self.mine, watched: self.watched }
    }

    fn step(&mut self) {
        let draw = self.dice.roll(1_000);
        match draw {
            ..40 => self.check(),
            40..55 => self.edit(),
            55..65 => self.come_or_go(),
            65..68 => self.resize(),
            68..72 => self.publish_to_topic(),
            72 => self.publish(ALL),
            73..75 => self.publish_to_the_gone(),
            _ if draw < 75 + self.publishing => {
                let stream = self.dice.roll(OWN);
                self.publish(stream);
            }
            _ if self.leases.len() < HANDS && self.dice.roll(4) > 0 => self.lease(),
            _ if !self.leases.is_empty() => {
                let (lease, numbers) = self.leases.swap_remove(self.dice.roll(self.leases.len()));
                self.end(lease, numbers);
            }
            _ => self.lease(),
        }
    }

    fn publish_to_topic(&mut self) {
        let stream = FIRST_TOPIC + self.dice.roll(TOPICS);
        self.publish(stream);
    }

    pub(crate) fn lane(&mut self) -> Lane {
        if self.dice.once_in(3) { Lane::Urgent } else { Lane::Normal }
    }

    fn publish(&mut self, stream: usize) {
        let scene = self.scene;
        let only = (stream < OWN).then(|| self.someone());
        let lane = self.lane();
        let topics;
        let (target, op) = match (only, stream) {
            (Some(client), _) => (Target::One(client), Op::PublishOne),
            (None, ALL) => (Target::Everyone, Op::PublishEveryone),
            (None, _) => {
                topics = [topic_of(stream)];
                (Target::Topics(Scope::any(&topics)), Op::PublishTopics)
            }
        };
        let change = scene.oracle.change(stream, only);
        let published = scene.queue.publish(target, lane, B::request(stream));
        self.share.count(op);
        let version = match published {
            Ok(version) => version,
            Err(refused) => return self.violation(format!("{change:?}: {refused}")),
        };
        if only.is_none() {
            scene.oracle.returned(change);
        }
        if self.watched.len() < WATCHED {
            self.watched.push((version, change));
        } else if self.dice.once_in(4) {
            // Those that have not converged are kept for longer, as they are looked at more often.
            let at = self.dice.roll(WATCHED);
            self.watched[at] = (version, change);
        }
    }

    /// Converged means arrived, or gone. (Nothing follows from not converged.)
    fn check(&mut self) {
        if self.watched.is_empty() {
            return;
        }
        let at = self.dice.roll(self.watched.len());
        let (version, change) = self.watched[at];
        self.share.count(Op::IsConverged);
        if !self.scene.queue.is_converged(version) {
            return;
        }
        self.watched.swap_remove(at);
        if let Some(place) = self.scene.oracle.without(change)
            // Checked afterwards: a client that is registered now was so when the version
            // converged.
            && change.only.is_none_or(|client| self.scene.queue.is_registered(client))
        {
            self.violation(format!("{version} converged early: place {place} lacks {change:?}"));
        }
    }

    fn lease(&mut self) {
        let scene = self.scene;
        let Some(lease) = scene.queue.try_lease() else {
            return self.share.count(Op::LeaseNone);
        };
        self.share.count(Op::Lease);
        let client = lease.key();
        if !scene.oracle.begin(client) {
            self.violation(format!("{client} is leased twice at once"));
        }
        let held = scene.held.fetch_add(1, Relaxed) + 1;
        if held > LIMIT {
            self.violation(format!("{held} permits are held, of {LIMIT} at most"));
        }
        // At once: what is published from now on is for the next push.
        let numbers = scene.oracle.read(client, B::streams(lease.request()));
        match self.dice.roll(8) {
            // Most pushes are short.
            0..4 => self.end(lease, numbers),
            4 => {
                lease.is_superseded();
                self.share.count(Op::IsSuperseded);
                self.leases.push((lease, numbers));
            }
            _ => self.leases.push((lease, numbers)),
        }
        if self.leases.len() > HANDS {
            let (lease, numbers) = self.leases.swap_remove(0);
            self.end(lease, numbers);
        }
    }

    fn end(&mut self, mut lease: Lease<&'a Queue<B, R>>, numbers: Numbers) {
        let scene = self.scene;
        let client = lease.key();
        // Counted down first, so that the count is never more than what is out.
        scene.held.fetch_sub(1, Relaxed);
        if self.dice.once_in(4) {
            lease.release_permit();
            self.share.count(Op::ReleasePermit);
        }
        scene.oracle.end(client);
        match self.dice.roll(512) {
            0 => {
                let handler = catch_unwind(AssertUnwindSafe(|| {
                    let _lease = lease;
                    // Unwinds without printing a message each time.
                    resume_unwind(Box::new("a handler that panics"))
                }));
                self.share.count(Op::Panic);
                let Err(_) = handler;
            }
            1..20 => {
                lease.requeue();
                self.share.count(Op::Requeue);
            }
            20..40 => {
                drop(lease);
                self.share.count(Op::Drop);
            }
            _ => {
                scene.oracle.arrive(client, &numbers);
                lease.complete();
                self.share.count(Op::Complete);
            }
        }
    }

    fn resize(&mut self) {
        // Now and then to nothing, for a moment.
        let limit = self.dice.roll(LIMIT + 1);
        self.scene.queue.set_permits(limit);
        self.share.count(Op::SetLimit);
        if limit == 0 {
            self.scene.queue.set_permits(1);
            self.share.count(Op::SetLimit);
        }
    }

    pub(crate) fn violation(&self, what: String) {
        self.verdict.violation(format!("{}: {what}", self.scene.name));
    }
}
