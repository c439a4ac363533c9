//! One round: a fresh queue, some threads, and the reckoning.

use std::sync::atomic::AtomicUsize;
use std::thread;
use std::time::{Duration, Instant};

use pushlane::ready::{ReadySet, WithBanks};
use pushlane::storage::Heap;
use pushlane::{ClientKey, Config, Lane, NoSignal, PushQueue, Target};

use crate::dice::Dice;
use crate::kinds::Kind;
use crate::oracle::{ALL, FIRST_TOPIC, FIXED, LOOSE, OWN, Oracle, TOPICS, fixed_stream, topic_of};
use crate::population::Mine;
use crate::tally::{Op, Share, Tally};
use crate::verdict::Verdict;
use crate::worker::{Left, Worker};

/// Few, so that threads meet at the same clients.
const PLACES: usize = 200;
const STAYING: usize = 160;
pub(crate) const LIMIT: usize = 6;

/// What there is to a round.
#[derive(Debug)]
pub(crate) struct Round {
    pub(crate) name: &'static str,
    pub(crate) seed: u64,
    pub(crate) threads: usize,
    pub(crate) length: Duration,
}

/// What the threads share.
pub(crate) struct Scene<B: Kind, R: ReadySet> {
    pub(crate) name: String,
    pub(crate) queue: PushQueue<B, Heap<R>>,
    pub(crate) oracle: Oracle,
    pub(crate) staying: Vec<ClientKey>,
    /// Permits that are held, counted by their holders.
    pub(crate) held: AtomicUsize,
    begun: Instant,
    length: Duration,
}

impl<B: Kind, R: ReadySet> Scene<B, R> {
    pub(crate) fn is_over(&self) -> bool {
        self.begun.elapsed() >= self.length
    }
}

pub(crate) fn run<B, R>(round: &Round, tally: &Tally, verdict: &Verdict)
where
    B: Kind<Request: Send, Payload: Send + Sync, Cells: Send + Sync>,
    R: WithBanks + Sync,
{
    let Round { name, seed, threads, length } = *round;
    let config = Config::new(PLACES).topics(TOPICS).permits(LIMIT);
    let queue = PushQueue::<B, Heap<R>>::with_parts(config, B::default(), NoSignal);
    let staying = match residents(&queue) {
        Ok(staying) => staying,
        Err(refused) => return verdict.violation(format!("{name}: {refused}")),
    };
    let scene = Scene {
        name: format!("{name}, --seed {seed} --threads {threads}"),
        queue,
        oracle: Oracle::new(PLACES, STAYING),
        staying,
        held: AtomicUsize::new(0),
        begun: Instant::now(),
        length,
    };
    let left: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|thread| {
                let mine = Mine::new(scene.staying.iter().copied().skip(thread).step_by(threads));
                let (scene, dice) = (&scene, Dice::new(seed, thread as u64));
                let share = Share::of(tally);
                scope.spawn(move || Worker::new(scene, verdict, dice, share, mine).work())
            })
            .collect();
        workers.into_iter().filter_map(|worker| worker.join().ok()).collect()
    });
    if left.len() < threads {
        return verdict.violation(format!("{}: a thread panicked", scene.name));
    }
    if verdict.is_bad() {
        return;
    }
    if let Err(details) = scene.settle(&left, &mut Share::of(tally)) {
        verdict.violation(format!("{}: {details}", scene.name));
    }
}

fn residents<B: Kind, R: WithBanks>(
    queue: &PushQueue<B, Heap<R>>,
) -> Result<Vec<ClientKey>, Box<dyn std::error::Error>> {
    (0..STAYING)
        .map(|_| {
            let client = queue.register()?;
            queue.subscribe(client, topic_of(fixed_stream(client.index())))?;
            Ok(client)
        })
        .collect()
}

impl<B: Kind, R: ReadySet> Scene<B, R> {
    /// What is still owed is delivered, and then nothing may be missing.
    fn settle(&self, left: &[Left], share: &mut Share<'_>) -> Result<(), String> {
        let Scene { queue, oracle, .. } = self;
        let check = |holds: bool, what: &str| if holds { Ok(()) } else { Err(what.to_owned()) };
        check(queue.permits_held() == 0, "all leases have ended, and permits are held")?;
        queue.set_permits(1);
        let mut pushes = 0;
        while let Some(lease) = queue.try_lease() {
            share.count(Op::Lease);
            oracle.arrive(lease.key(), &oracle.read(lease.key(), B::streams(lease.request())));
            lease.complete();
            share.count(Op::Complete);
            pushes += 1;
            check(pushes <= PLACES, "more pushes than clients, and nothing is published")?;
        }
        for client in &self.staying {
            let streams = [0, OWN - 1, ALL, fixed_stream(client.index())];
            if let Some(stream) = oracle.missing(*client, &streams) {
                return Err(format!("lost: {client} is behind in stream {stream}"));
            }
        }
        let guests = || left.iter().flat_map(|left| &left.mine.guests);
        for client in guests() {
            if let Some(stream) = oracle.missing(*client, &[0, OWN - 1, ALL]) {
                return Err(format!("lost: guest {client} is behind in stream {stream}"));
            }
        }
        let returned = |stream| oracle.begun_and_returned(stream).1;
        for (client, stream, owed) in left.iter().flat_map(|left| left.mine.owed(returned)) {
            let arrived = oracle.arrived(client.index(), stream);
            if arrived < owed {
                return Err(format!(
                    "lost: {client} was subscribed to stream {stream} at {owed}, and has {arrived}"
                ));
            }
        }
        for (version, change) in left.iter().flat_map(|left| &left.watched) {
            share.count(Op::IsConverged);
            check(queue.is_converged(*version), &format!("{version} hangs: {change:?}"))?;
        }
        check(queue.permits_held() == 0, "nothing is leased, and permits are held")?;
        check(queue.clients() == STAYING + guests().count(), "places are lost or gained")?;
        queue.close();
        share.count(Op::Close);
        check(queue.is_drained(), "closed and served, and not drained")?;
        let refused = queue.publish(Target::Everyone, Lane::Normal, B::request(ALL));
        check(refused.is_err(), "a closed queue accepts a publish")
    }
}

const _: () =
    assert!(OWN == 2 && FIRST_TOPIC + FIXED + LOOSE <= 32, "streams are told by name, and by bit");
