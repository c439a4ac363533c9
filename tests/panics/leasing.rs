//! Panics while a lease begins: in a merge or clone of the request, in the backlog, in the handle.

use std::cell::RefCell;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::rig::{
    Kind, On, Queue, act, assert_intact, for_each_kind, hook, panics, publish, queue, was_told,
};
use pushlane::backlog::{Backlog, Locked};
use pushlane::{ClientKey, Config, Lane, PushQueue, RegisterError, SLOTS, Target};

for_each_kind!(merges_that_panic_in_a_batch);

/// Of four clients of a bank, two can't be merged. The others lose nothing, the process goes on.
fn merges_that_panic_in_a_batch<B: Kind>() {
    let (queue, clients) = queue::<B>(SLOTS, 4);
    queue.set_permits(10);
    let first: Vec<_> =
        clients.iter().map(|&client| publish(&queue, client, 1, On::Nothing)).collect();
    let batch = queue.try_lease_batch(SLOTS).unwrap();
    for (&client, on) in clients.iter().zip([On::Merge, On::Nothing, On::Merge, On::Nothing]) {
        publish(&queue, client, 2, on);
    }
    batch.requeue();
    // Each attempt begins with the next client, so each of the two panics at least once.
    for _ in 0..4 {
        let batch =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| queue.try_lease_batch(SLOTS)));
        drop(batch);
        assert_eq!(queue.permits_held(), 0);
        assert!(first.iter().all(|&version| !queue.is_converged(version)), "it is owed");
    }
    for &client in [&clients[0], &clients[2]] {
        queue.unregister(client).unwrap();
    }
    while let Some(lease) = queue.try_lease() {
        assert_eq!(B::changes(lease.request()), 3, "both");
        lease.complete();
    }
    assert!(first.iter().all(|&version| queue.is_converged(version)));
    assert_intact(&queue, 2);
}

/// Flags without a lock, with a hook in each step.
#[derive(Default)]
struct Stepped;

thread_local! {
    static IN: RefCell<Option<&'static str>> = const { RefCell::new(None) };
}

fn step(step: &'static str) {
    let acts = IN.with_borrow_mut(|at| at.take_if(|at| *at == step).is_some());
    act(acts);
}

/// The next time that this step is reached, the hook runs; without one it panics.
fn act_in(step: &'static str) {
    IN.set(Some(step));
}

type Bits = pushlane::backlog::Bits<1>;

impl Backlog for Stepped {
    type Request = [u32; 1];
    type Payload = [u32; 1];
    type Cells = <Bits as Backlog>::Cells;
    type Recording = [u32; 1];

    fn cells(&self) -> Self::Cells {
        Bits::default().cells()
    }

    fn begin(&self, request: [u32; 1]) -> [u32; 1] {
        request
    }

    fn abandon(&self, recording: [u32; 1]) -> [u32; 1] {
        recording
    }

    fn record(&self, recording: &mut [u32; 1], cells: &Self::Cells, slots: usize) {
        step("before record");
        Bits::default().record(recording, cells, slots);
        step("record");
    }

    fn take(&self, cells: &Self::Cells, slot: usize) -> Option<[u32; 1]> {
        let taken = Bits::default().take(cells, slot);
        step("take");
        taken
    }

    fn restore(&self, cells: &Self::Cells, slot: usize, payload: [u32; 1]) {
        Bits::default().restore(cells, slot, payload);
    }

    fn clear(&self, cells: &Self::Cells, slot: usize) {
        Bits::default().clear(cells, slot);
        step("clear");
    }
}

type SteppedQueue = PushQueue<Stepped>;

fn stepped(places: usize) -> (&'static SteppedQueue, ClientKey) {
    let queue: &'static SteppedQueue =
        Box::leak(Box::new(PushQueue::new(Config::new(places).permits(1))));
    (queue, queue.register().unwrap())
}

/// A client leaves while its empty lease is found to be empty, and clearing its place panics.
#[test]
fn a_lease_of_nothing_whose_client_has_left_keeps_no_permit() {
    for batch in [false, true] {
        let (queue, client) = stepped(1);
        queue.publish(Target::One(client), Lane::Normal, [0]).unwrap();
        hook(move || {
            queue.unregister(client).unwrap();
            act_in("clear");
        });
        act_in("take");
        panics(|| if batch { drop(queue.try_lease_batch(2)) } else { drop(queue.try_lease()) });
        assert_eq!((queue.permits_held(), queue.clients()), (0, 0));
        assert!(queue.register().is_ok());
    }
}

#[test]
fn a_place_that_cannot_be_prepared_is_given_back() {
    let (queue, _) = stepped(2);
    for _ in 0..3 {
        act_in("clear");
        panics(|| queue.register());
        act_in("clear");
        panics(|| queue.register_with(Lane::Normal, [1]));
        act_in("record");
        panics(|| queue.register_with(Lane::Normal, [1]));
        assert_eq!(queue.clients(), 1);
    }
    assert!(queue.register().is_ok());
    assert_eq!(queue.register(), Err(RegisterError::Full));
    assert!(queue.try_lease().is_none());
}

/// As on one core: an interrupt in a publish unregisters the client, and an interrupt in that
/// registers another one. It must return at once, because nothing else runs until it does.
#[test]
fn an_interrupt_that_registers_is_answered() {
    for at in ["before record", "record"] {
        let (queue, client) = stepped(1);
        let answer: &'static RefCell<Vec<_>> = Box::leak(Box::default());
        hook(move || {
            hook(move || {
                answer.borrow_mut().push(queue.register());
            });
            act_in("clear");
            queue.unregister(client).unwrap();
            // The place is vacant, and what is recorded after this is not the next client's alone.
            answer.borrow_mut().push(queue.register());
        });
        act_in(at);
        let published = queue.publish(Target::One(client), Lane::Normal, [1]);
        assert!(published.is_err(), "its client has left");
        let answers = answer.borrow();
        assert_eq!(answers[0], Err(RegisterError::Full), "the place is still being cleared");
        assert!(answers[1].is_ok());
        assert_eq!(queue.clients(), 1);
    }
}

/// A handle whose clone panics when it is told to.
struct Handle(Arc<Queue<Locked<super::rig::Request>>>, Arc<AtomicBool>);

impl Deref for Handle {
    type Target = Queue<Locked<super::rig::Request>>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Clone for Handle {
    fn clone(&self) -> Self {
        act(self.1.swap(false, Relaxed));
        Handle(Arc::clone(&self.0), Arc::clone(&self.1))
    }
}

#[test]
fn a_handle_whose_clone_panics_takes_neither_push_nor_permit_with_it() {
    let (queue, clients) = queue::<Locked<super::rig::Request>>(4, 3);
    let handle = Handle(Arc::new(queue), Arc::default());
    let queue = &handle.0;
    queue.set_permits(10);
    let versions: Vec<_> =
        clients.iter().map(|&client| publish(queue, client, 1, On::Nothing)).collect();
    let batch = PushQueue::try_lease_batch_from(handle.clone(), SLOTS).unwrap();
    panics(|| {
        let mut leases = batch.into_leases();
        leases.next().unwrap().complete();
        handle.1.store(true, Relaxed);
        leases.next()
    });
    assert_eq!(queue.permits_held(), 0);
    let mut lease = PushQueue::try_lease_from(handle.clone()).unwrap();
    handle.1.store(true, Relaxed);
    panics(|| lease.take_permit());
    assert_eq!(queue.permits_held(), 1);
    drop(lease.take_permit().expect("still there"));
    assert_eq!(queue.permits_held(), 0);
    lease.complete();
    queue.try_lease().unwrap().complete();
    assert!(queue.try_lease().is_none());
    assert!(versions.into_iter().all(|version| queue.is_converged(version)));
    was_told(queue);
    assert_intact(queue, 3);
}
