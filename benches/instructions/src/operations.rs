//! The operations that are counted. Each is prepared first; callgrind counts only what runs inside
//! [`counted`].

use std::hint::black_box;
use std::sync::Arc;

use pushlane::backlog::{Backlog, Bits, ChangeSet, Dirty, Journal, Shared};
use pushlane::{ClientKey, Config, Lane, PushQueue, Scope, Target, Topic};

type Set = Arc<ChangeSet<u32>>;

/// The function whose instructions are counted, with all that it calls. Callgrind knows it by its
/// name.
#[inline(never)]
pub(crate) fn counted<T>(operation: impl FnOnce() -> T) -> T {
    black_box(operation())
}

/// Clients of the topic that fan-outs go to, out of [`CLIENTS`].
const CLIENTS: usize = 2_048;

fn queue<B: Backlog + Default>(members: usize) -> (PushQueue<B>, Vec<ClientKey>) {
    let queue = PushQueue::new(Config::new(CLIENTS).topics(1));
    let register = || queue.register().unwrap_or_else(|error| unreachable!("{error}"));
    let clients: Vec<_> = (0..CLIENTS).map(|_| register()).collect();
    for &client in &clients[..members] {
        assert_eq!(queue.subscribe(client, Topic(0)), Ok(()));
    }
    (queue, clients)
}

fn set(key: u32) -> Set {
    Arc::new(ChangeSet::from([key]))
}

fn publish<B: Backlog + Default>(request: impl Fn(u32) -> B::Request) {
    let (queue, clients) = queue::<B>(0);
    // Once before: what is done only the first time doesn't count.
    for round in 0..2 {
        let request = request(round);
        let target = Target::One(clients[17]);
        match round {
            0 => assert!(queue.publish(target, Lane::Normal, request).is_ok()),
            _ => assert!(counted(|| queue.publish(target, Lane::Normal, request)).is_ok()),
        }
        serve(&queue, 1);
    }
}

fn serve<B: Backlog>(queue: &PushQueue<B>, pushes: usize) {
    for _ in 0..pushes {
        let lease = queue.try_lease();
        lease.unwrap_or_else(|| unreachable!("it is ready")).complete();
    }
    assert!(queue.try_lease().is_none());
}

fn lease<B: Backlog + Default>(request: impl Fn(u32) -> B::Request, complete: bool) {
    let (queue, clients) = queue::<B>(0);
    for round in 0..2 {
        let sent = queue.publish(Target::One(clients[17]), Lane::Normal, request(round));
        assert!(sent.is_ok());
        if round == 0 {
            serve(&queue, 1);
        } else if complete {
            let lease = queue.try_lease().unwrap_or_else(|| unreachable!("it is ready"));
            counted(|| lease.complete());
        } else {
            counted(|| queue.try_lease()).unwrap_or_else(|| unreachable!("it is ready")).complete();
        }
    }
}

/// To the members of a topic.
fn fan_out<B: Backlog + Default>(members: usize, request: impl Fn(u32) -> B::Request) {
    let (queue, _) = queue::<B>(members);
    let topics = [Topic(0)];
    let target = Target::Topics(Scope::any(&topics));
    for round in 0..2 {
        let request = request(round);
        match round {
            0 => assert!(queue.publish(target, Lane::Normal, request).is_ok()),
            _ => assert!(counted(|| queue.publish(target, Lane::Normal, request)).is_ok()),
        }
        serve(&queue, members);
    }
}

fn everyone<B: Backlog + Default>(request: impl Fn(u32) -> B::Request) {
    let (queue, _) = queue::<B>(0);
    for round in 0..2 {
        let request = request(round);
        match round {
            0 => assert!(queue.publish(Target::Everyone, Lane::Normal, request).is_ok()),
            _ => {
                assert!(counted(|| queue.publish(Target::Everyone, Lane::Normal, request)).is_ok())
            }
        }
        serve(&queue, CLIENTS);
    }
}

type InJournal = Journal<Shared<ChangeSet<u32>>, 64>;
type InShared = Shared<ChangeSet<u32>>;

/// Name and operation.
pub(crate) const ALL: [(&str, fn()); 17] = [
    ("publish, Dirty", || publish::<Dirty>(|_| ())),
    ("publish, Bits", || publish::<Bits<1>>(|_| [1])),
    ("publish, Journal", || publish::<InJournal>(set)),
    ("publish, Shared", || publish::<InShared>(set)),
    ("lease, Dirty", || lease::<Dirty>(|_| (), false)),
    ("lease, Bits", || lease::<Bits<1>>(|_| [1], false)),
    ("lease, Journal", || lease::<InJournal>(set, false)),
    ("lease, Shared", || lease::<InShared>(set, false)),
    ("complete, Dirty", || lease::<Dirty>(|_| (), true)),
    ("complete, Bits", || lease::<Bits<1>>(|_| [1], true)),
    ("complete, Journal", || lease::<InJournal>(set, true)),
    ("complete, Shared", || lease::<InShared>(set, true)),
    ("fan-out of 16, Dirty", || fan_out::<Dirty>(16, |_| ())),
    ("fan-out of 1024, Dirty", || fan_out::<Dirty>(1_024, |_| ())),
    ("fan-out of 16, Shared", || fan_out::<InShared>(16, set)),
    ("fan-out of 1024, Shared", || fan_out::<InShared>(1_024, set)),
    ("publish to everyone, Dirty", || everyone::<Dirty>(|_| ())),
];
