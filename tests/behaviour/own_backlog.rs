//! A custom backlog whose leases find what the test says: something, nothing, a part, a panic. The
//! crate's own backlogs show this only in races; here it happens each time.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use pushlane::backlog::Backlog;
use pushlane::ready::Sweep;
use pushlane::storage::Heap;
use pushlane::{
    Batch, ClientKey, Config, Lane, PushQueue, SLOTS, Scope, Signal, Target, Topic, Version,
};

/// What the next lease finds; the one after it finds `All`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Find {
    #[default]
    All,
    /// An earlier lease has had it.
    Nothing,
    Some,
    Panic,
}

struct Told;

type Meanwhile = Box<dyn FnOnce()>;

thread_local! {
    /// Runs when a publisher is about to record.
    static BEFORE_RECORD: RefCell<Option<Meanwhile>> = const { RefCell::new(None) };
    /// Runs when it has recorded, and has not marked yet.
    static AFTER_RECORD: RefCell<Option<Meanwhile>> = const { RefCell::new(None) };
    /// For how many clients a request was recorded, also for those that have left since.
    static RECORDS: Cell<usize> = const { Cell::new(0) };
    /// How many cells are not empty.
    static RECORDED: Cell<usize> = const { Cell::new(0) };
}

fn set(cell: &Cell<Find>, find: Find) -> Find {
    let before = cell.replace(find);
    let left = RECORDED.get() - usize::from(before != All);
    RECORDED.set(left + usize::from(find != All));
    before
}

impl Backlog for Told {
    type Request = Find;
    type Payload = ();
    type Cells = [Cell<Find>; SLOTS];
    type Recording = Find;

    fn cells(&self) -> Self::Cells {
        Default::default()
    }

    fn begin(&self, request: Find) -> Find {
        request
    }

    fn abandon(&self, recording: Find) -> Find {
        recording
    }

    fn record(&self, recording: &mut Find, cells: &Self::Cells, slots: usize) {
        let meanwhile = BEFORE_RECORD.take();
        meanwhile.into_iter().for_each(|meanwhile| meanwhile());
        for slot in (0..SLOTS).filter(|slot| slots >> slot & 1 != 0) {
            set(&cells[slot], *recording);
            RECORDS.set(RECORDS.get() + 1);
        }
        let meanwhile = AFTER_RECORD.take();
        meanwhile.into_iter().for_each(|meanwhile| meanwhile());
    }

    fn take(&self, cells: &Self::Cells, slot: usize) -> Option<()> {
        match set(&cells[slot], All) {
            Find::All | Find::Some => Some(()),
            Find::Nothing => None,
            Find::Panic => resume_unwind(Box::new("as the test wants it")),
        }
    }

    fn restore(&self, _: &Self::Cells, _: usize, (): ()) {}

    fn clear(&self, cells: &Self::Cells, slot: usize) {
        set(&cells[slot], All);
    }
}

/// How many leases `ready` has announced, and how often `progress` was called.
#[derive(Default)]
struct Sum {
    leases: AtomicUsize,
    progress: AtomicUsize,
}

impl Signal for Sum {
    fn ready(&self, leases: usize) {
        self.leases.fetch_add(leases, Relaxed);
    }

    fn progress(&self) {
        self.progress.fetch_add(1, Relaxed);
    }
}

type Queue = PushQueue<Told, Heap<Sweep>, Sum>;

/// A queue whose clients find these things, in this order; and the versions that say so.
fn queue(config: Config, finds: &[Find]) -> (Queue, Vec<ClientKey>, Vec<Version>) {
    let queue = Queue::with_parts(config, Told, Sum::default());
    let clients: Vec<_> = finds.iter().map(|_| queue.register().unwrap()).collect();
    let publish =
        |(&client, &find)| queue.publish(Target::One(client), Lane::Normal, find).unwrap();
    let versions = clients.iter().zip(finds).map(publish).collect();
    told(&queue);
    (queue, clients, versions)
}

/// Leases and progress, since the last time.
fn told(queue: &Queue) -> (usize, usize) {
    (queue.signal().leases.swap(0, Relaxed), queue.signal().progress.swap(0, Relaxed))
}

fn keys(batch: &Batch<&Queue>) -> Vec<ClientKey> {
    batch.iter().map(|(client, ())| client).collect()
}

fn drain(queue: &Queue) {
    while let Some(lease) = queue.try_lease() {
        lease.complete();
    }
    assert_eq!((RECORDED.get(), queue.permits_held(), queue.waiting()), (0, 0, 0));
    told(queue);
}

fn converged(queue: &Queue, versions: &[Version]) -> Vec<bool> {
    versions.iter().map(|&version| queue.is_converged(version)).collect()
}

use Find::{All, Nothing, Panic, Some as Part};

#[test]
fn a_batch_passes_over_whom_there_is_nothing_for() {
    let (queue, clients, versions) =
        queue(Config::new(4).permits(4), &[All, Nothing, All, Nothing]);
    let batch = queue.try_lease_batch(4).expect("two of them");
    assert_eq!(keys(&batch), [clients[0], clients[2]]);
    assert_eq!(queue.permits_held(), 2, "those that nobody needs came back");
    assert_eq!(converged(&queue, &versions), [false, true, false, true]);
    assert_eq!(told(&queue), (0, 2));
    batch.complete();
    assert_eq!((queue.permits_held(), queue.waiting()), (0, 0));
    assert_eq!(converged(&queue, &versions), [true; 4]);
}

#[test]
fn a_batch_of_those_there_is_nothing_for_is_none() {
    let (queue, _, versions) = queue(Config::new(7).permits(2), &[Nothing; 7]);
    assert!(queue.try_lease_batch(2).is_none());
    assert_eq!((queue.permits_held(), queue.waiting()), (0, 0));
    assert_eq!(converged(&queue, &versions), [true; 7]);
    assert_eq!(told(&queue), (0, 7), "nobody else was kept from being found, and nothing is left");
}

#[test]
fn who_was_claimed_beside_one_whose_take_panics_goes_back_once() {
    for (bomb, permits) in (0..4).flat_map(|bomb| [(bomb, 4), (bomb, usize::MAX)]) {
        let mut finds = [All; 4];
        finds[bomb] = Panic;
        let (queue, clients, versions) = queue(Config::new(4).permits(permits), &finds);
        assert!(catch_unwind(AssertUnwindSafe(|| queue.try_lease_batch(4).is_some())).is_err());
        assert_eq!((queue.permits_held(), queue.waiting()), (0, 4));
        assert_eq!(told(&queue).0, 4, "each is told of once");
        let batch = queue.try_lease_batch(4).expect("all of them");
        assert_eq!(keys(&batch), clients);
        batch.complete();
        assert_eq!(converged(&queue, &versions), [true; 4]);
        assert!(queue.try_lease().is_none());
    }
}

#[test]
fn a_permit_that_nobody_needed_comes_back_after_a_panic() {
    let (queue, ..) = queue(Config::new(4).permits(4), &[Nothing, All, Panic, All]);
    assert!(catch_unwind(AssertUnwindSafe(|| queue.try_lease_batch(4).is_some())).is_err());
    assert_eq!((queue.permits_held(), queue.waiting()), (0, 3));
}

/// Without a limit no permit comes back that would be signalled instead.
#[test]
fn a_batch_tells_of_each_client_that_is_ready_again() {
    let (queue, clients, _) = queue(Config::new(4).permits(usize::MAX), &[Part, All, Part, All]);
    let batch = queue.try_lease_batch(4).expect("all of them");
    assert_eq!(keys(&batch), clients);
    for lane in [Lane::Normal, Lane::Urgent] {
        queue.publish(Target::One(clients[0]), lane, All).unwrap();
    }
    queue.publish(Target::One(clients[2]), Lane::Normal, All).unwrap();
    assert_eq!(told(&queue), (0, 0), "in progress");
    batch.complete();
    assert_eq!(told(&queue), (2, 1), "in both lanes, and for one lease");
    drain(&queue);
}

#[test]
fn a_permit_that_was_not_counted_does_not_come_back() {
    for finds in [[All, All], [Nothing, All], [Nothing, Nothing], [Panic, All]] {
        let (queue, ..) = queue(Config::new(4).permits(usize::MAX), &finds);
        let batch = catch_unwind(AssertUnwindSafe(|| queue.try_lease_batch(4)));
        assert_eq!(queue.permits_held(), 0);
        if let Ok(Some(batch)) = batch {
            batch.complete();
        }
        assert_eq!(queue.permits_held(), 0);
    }
}

/// Publishes a part. `meanwhile` runs between the read of the live clients and the record.
fn publish_beside(
    queue: &Rc<Queue>,
    target: Target<'_>,
    meanwhile: impl FnOnce(&Queue) + 'static,
) -> Option<Version> {
    let other = Rc::clone(queue);
    BEFORE_RECORD.set(Some(Box::new(move || meanwhile(&other))));
    queue.publish(target, Lane::Normal, Part).ok()
}

#[test]
fn what_is_recorded_for_a_client_that_has_just_left_stays_until_the_next_one_comes() {
    let (queue, clients, _) = queue(Config::new(2).permits(2), &[All, All]);
    let (queue, [gone, stays]) = (Rc::new(queue), [clients[0], clients[1]]);
    drain(&queue);
    let leave = move |queue: &Queue| queue.unregister(gone).unwrap();
    RECORDS.set(0);
    let version = publish_beside(&queue, Target::Everyone, leave).expect("one is there");
    assert_eq!((RECORDED.get(), RECORDS.get()), (2, 2), "and not twice for the other one");
    assert_eq!(told(&queue).0, 1, "and only of it");
    assert_eq!(queue.laggards(version).collect::<Vec<_>>(), [stays]);
    queue.try_lease().expect("the one that stays").complete();
    assert_eq!((RECORDED.get(), queue.is_converged(version)), (1, true));

    let leave = move |queue: &Queue| queue.unregister(stays).unwrap();
    assert!(publish_beside(&queue, Target::One(stays), leave).is_none(), "stale");
    assert_eq!((RECORDED.get(), queue.clients()), (2, 0), "one in each vacant slot");
    assert_eq!(told(&queue).0, 0);
    assert!(queue.try_lease().is_none());
    for left in [1, 0] {
        queue.register().unwrap();
        assert_eq!(RECORDED.get(), left);
    }
    assert!(queue.try_lease().is_none(), "the newcomers get nothing of it");
}

#[test]
fn who_comes_into_the_place_of_a_client_that_has_just_left_gets_what_is_for_everyone() {
    let (queue, clients, _) = queue(Config::new(1).permits(1), &[All]);
    let (queue, gone) = (Rc::new(queue), clients[0]);
    drain(&queue);
    let version = publish_beside(&queue, Target::Everyone, move |queue| {
        queue.unregister(gone).unwrap();
        queue.register().unwrap();
    });
    let version = version.expect("for everyone");
    let newcomer = queue.laggards(version).next().expect("marked");
    assert_eq!((RECORDED.get(), newcomer == gone, newcomer.index()), (1, false, gone.index()));
    drain(&queue);
    assert!(queue.is_converged(version));
}

/// A newcomer clears what was recorded for its predecessor.
#[test]
fn who_comes_between_record_and_mark_is_recorded_for_as_well() {
    let (queue, clients, _) = queue(Config::new(3).permits(3), &[All; 3]);
    let (queue, gone) = (Rc::new(queue), clients[1]);
    drain(&queue);
    let other = Rc::clone(&queue);
    AFTER_RECORD.set(Some(Box::new(move || {
        other.unregister(gone).unwrap();
        other.register().unwrap();
    })));
    RECORDS.set(0);
    let version = queue.publish(Target::Everyone, Lane::Normal, Part).expect("for everyone");
    assert_eq!((RECORDED.get(), RECORDS.get()), (3, 4));
    assert_eq!((queue.laggards(version).count(), told(&queue).0), (3, 3));
    drain(&queue);
}

#[test]
fn who_comes_into_a_place_that_is_not_concerned_is_not_marked() {
    let (queue, clients, _) = queue(Config::new(3).permits(3).topics(1), &[All; 3]);
    let (queue, [member, gone]) = (Rc::new(queue), [clients[0], clients[2]]);
    drain(&queue);
    queue.subscribe(member, Topic(0)).unwrap();
    let other = Rc::clone(&queue);
    AFTER_RECORD.set(Some(Box::new(move || {
        other.unregister(gone).unwrap();
        other.register().unwrap();
    })));
    let scope = Scope::any(&[Topic(0)]);
    let version = queue.publish(Target::Topics(scope), Lane::Normal, Part).expect("to one");
    assert!(queue.laggards(version).eq([member]));
    assert_eq!((RECORDED.get(), queue.waiting(), told(&queue).0), (1, 1, 1));
    drain(&queue);
}

#[test]
fn what_is_recorded_for_a_client_that_leaves_during_its_push_is_cleared_in_the_end() {
    let (queue, clients, _) = queue(Config::new(1).permits(1), &[All]);
    let (queue, gone) = (Rc::new(queue), clients[0]);
    let lease = queue.try_lease().expect("ready");
    let leave = move |queue: &Queue| queue.unregister(gone).unwrap();
    assert!(publish_beside(&queue, Target::One(gone), leave).is_none(), "stale");
    assert_eq!(RECORDED.get(), 1, "it is the lease's");
    lease.complete();
    assert_eq!((RECORDED.get(), queue.clients(), queue.permits_held()), (0, 0, 0));
    assert!(queue.try_lease().is_none());
}
