//! When the signal is called: at most once for each event, for as many leases as there are, and
//! never when there is nothing to do.

use std::sync::Mutex;

use pushlane::backlog::{Bits, Dirty};
use pushlane::storage::Heap;
use pushlane::{ClientKey, Config, Lane, PushQueue, SLOTS, Scope, Signal, Target, Topic};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Ready(usize),
    Progress,
}

use Told::{Progress, Ready};

#[derive(Default)]
struct Log(Mutex<Vec<Told>>);

impl Signal for Log {
    fn ready(&self, leases: usize) {
        self.0.lock().unwrap().push(Ready(leases));
    }

    fn progress(&self) {
        self.0.lock().unwrap().push(Progress);
    }
}

type Queue<B = Dirty> = PushQueue<B, Heap, Log>;

fn queue(config: Config) -> (Queue, Vec<ClientKey>) {
    let queue = Queue::with_parts(config, Dirty, Log::default());
    let clients = (0..queue.capacity()).map(|_| queue.register().unwrap()).collect();
    assert_eq!(told(&queue), [], "an idle client is no work");
    (queue, clients)
}

/// The calls since the last time.
fn told<B: pushlane::backlog::Backlog>(queue: &Queue<B>) -> Vec<Told> {
    std::mem::take(&mut *queue.signal().0.lock().unwrap())
}

fn publish(queue: &Queue, target: Target<'_>, lane: Lane) {
    queue.publish(target, lane, ()).unwrap();
}

#[test]
fn a_publish_tells_once_for_all_that_became_ready() {
    // More banks than one word of a ready set has bits.
    let (queue, clients) = queue(Config::new(70 * SLOTS).permits(usize::MAX));
    publish(&queue, Target::One(clients[0]), Lane::Normal);
    assert_eq!(told(&queue), [Ready(1)]);
    publish(&queue, Target::Everyone, Lane::Normal);
    assert_eq!(told(&queue), [Ready(70 * SLOTS)], "on demand: there may be work for everyone");

    let config = Config::new(70 * SLOTS);
    let queue = Queue::<Bits<1>>::with_parts(config, Bits, Log::default());
    let clients: Vec<_> = (0..queue.capacity()).map(|_| queue.register().unwrap()).collect();
    queue.publish(Target::One(clients[0]), Lane::Normal, [1]).unwrap();
    told(&queue);
    queue.publish(Target::Everyone, Lane::Normal, [1]).unwrap();
    assert_eq!(told(&queue), [Ready(70 * SLOTS - 1)], "one of them was ready before");
    let served = std::iter::from_fn(|| queue.try_lease()).map(|lease| {
        let client = lease.key();
        lease.complete();
        client
    });
    let (first, rest) = clients.split_at(1);
    let (bank, others) = rest.split_at(SLOTS - 1);
    let in_turn = [first, others, bank].concat();
    assert!(served.eq(in_turn), "the first bank has had its turn when the others come");
}

#[test]
fn some_banks_of_several_words_become_ready() {
    let queue =
        Queue::<Bits<1>>::with_parts(Config::new(200 * SLOTS).topics(1), Bits, Log::default());
    let clients: Vec<_> = (0..queue.capacity()).map(|_| queue.register().unwrap()).collect();
    let some: Vec<_> =
        [1, 40, 63, 64, 65, 130, 131, 199].map(|bank| clients[bank * SLOTS + 1]).into();
    some.iter().for_each(|&client| queue.subscribe(client, Topic(0)).unwrap());
    queue.publish(Target::Topics(Scope::any(&[Topic(0)])), Lane::Normal, [1]).unwrap();
    assert_eq!(told(&queue), [Ready(some.len())]);
    assert!(std::iter::from_fn(|| queue.try_lease()).map(|lease| lease.key()).take(8).eq(some));
}

#[test]
fn a_publish_to_everyone_tells_nobody_if_there_is_nobody() {
    let queue = Queue::with_parts(Config::new(2), Dirty, Log::default());
    publish(&queue, Target::Everyone, Lane::Normal);
    assert_eq!(told(&queue), []);
}

#[test]
fn a_publish_that_makes_nothing_ready_tells_nobody() {
    let (queue, clients) = queue(Config::new(2).topics(2));
    publish(&queue, Target::Topics(Scope::any(&[Topic(1)])), Lane::Normal);
    assert_eq!(told(&queue), [], "nobody is concerned");

    publish(&queue, Target::One(clients[0]), Lane::Normal);
    told(&queue);
    publish(&queue, Target::One(clients[0]), Lane::Normal);
    assert_eq!(told(&queue), [], "it is queued already");

    let lease = queue.try_lease().unwrap();
    told(&queue);
    publish(&queue, Target::One(clients[0]), Lane::Urgent);
    assert_eq!(told(&queue), [], "it is in progress");
    lease.complete();
}

#[test]
fn a_refused_publish_tells_nobody() {
    let (queue, clients) = queue(Config::new(2).topics(1));
    queue.unregister(clients[0]).unwrap();
    assert_eq!(told(&queue), [Progress]);
    queue.publish(Target::One(clients[0]), Lane::Normal, ()).unwrap_err();
    queue.publish(Target::Topics(Scope::any(&[Topic(1)])), Lane::Normal, ()).unwrap_err();
    assert_eq!(told(&queue), []);
    queue.close();
    assert_eq!(told(&queue), [Progress]);
    queue.publish(Target::Everyone, Lane::Normal, ()).unwrap_err();
    queue.register().unwrap_err();
    queue.register_with(Lane::Normal, ()).unwrap_err();
    assert_eq!(told(&queue), []);
}

#[test]
fn a_client_that_comes_with_work_is_told() {
    let queue = Queue::with_parts(Config::new(1), Dirty, Log::default());
    queue.register_with(Lane::Urgent, ()).unwrap();
    assert_eq!(told(&queue), [Ready(1)]);
}

#[test]
fn work_that_is_more_urgent_than_what_waits_is_told() {
    let (queue, clients) = queue(Config::new(1));
    publish(&queue, Target::One(clients[0]), Lane::Normal);
    told(&queue);
    publish(&queue, Target::One(clients[0]), Lane::Urgent);
    assert_eq!(told(&queue), [Ready(1)]);
}

#[test]
fn a_lease_tells_of_the_neighbours_it_has_hidden() {
    let (queue, _) = queue(Config::new(5));
    publish(&queue, Target::Everyone, Lane::Normal);
    told(&queue);
    let first = queue.try_lease().unwrap();
    // Once after the visit that marked them, and once after the pop of their bank.
    assert_eq!(told(&queue), [Progress, Ready(4), Ready(4)]);
    let rest: Vec<_> = std::iter::from_fn(|| queue.try_lease()).collect();
    assert_eq!((rest.len(), told(&queue)), (4, vec![]));
    drop((first, rest));
}

#[test]
fn a_look_in_vain_tells_nobody() {
    let (queue, clients) = queue(Config::new(2).permits(1));
    assert!(queue.try_lease().is_none());
    // Its bank is still in the ready set, and nobody in it can be served.
    publish(&queue, Target::One(clients[0]), Lane::Normal);
    queue.unregister(clients[0]).unwrap();
    told(&queue);
    assert!(queue.try_lease().is_none());
    assert_eq!(told(&queue), []);

    publish(&queue, Target::One(clients[1]), Lane::Normal);
    let lease = queue.try_lease().unwrap();
    publish(&queue, Target::One(clients[1]), Lane::Normal);
    told(&queue);
    assert!(queue.try_lease().is_none(), "no permit");
    assert_eq!(told(&queue), []);
    drop(lease);
}

#[test]
fn a_completion_tells_of_progress_and_of_no_work_when_there_is_none() {
    let (queue, clients) = queue(Config::new(1));
    publish(&queue, Target::One(clients[0]), Lane::Normal);
    let lease = queue.try_lease().unwrap();
    told(&queue);
    lease.complete();
    assert_eq!(told(&queue), [Progress]);
}

#[test]
fn a_completion_tells_once_that_its_client_is_ready_again() {
    let (queue, clients) = queue(Config::new(1));
    publish(&queue, Target::One(clients[0]), Lane::Normal);
    let lease = queue.try_lease().unwrap();
    publish(&queue, Target::One(clients[0]), Lane::Normal);
    publish(&queue, Target::One(clients[0]), Lane::Urgent);
    told(&queue);
    lease.complete();
    assert_eq!(told(&queue), [Ready(1), Progress], "in both lanes, and for one lease");
}

#[test]
fn a_permit_that_comes_back_while_work_waits_is_told() {
    let (queue, _) = queue(Config::new(3).permits(1));
    publish(&queue, Target::Everyone, Lane::Normal);
    let lease = queue.try_lease().unwrap();
    told(&queue);
    lease.complete();
    assert_eq!(told(&queue), [Ready(1), Progress]);

    let mut lease = queue.try_lease().unwrap();
    told(&queue);
    lease.release_permit();
    assert_eq!(told(&queue), [Ready(1)]);
    lease.release_permit();
    assert_eq!(told(&queue), [], "twice is once");
    lease.complete();
    assert_eq!(told(&queue), [Progress], "no permit came back");

    let mut lease = queue.try_lease().unwrap();
    told(&queue);
    let permit = lease.take_permit().unwrap();
    assert_eq!(told(&queue), []);
    drop(permit);
    assert_eq!(told(&queue), [], "nobody waits any more");
    lease.complete();
}

#[test]
fn a_permit_taken_out_of_its_lease_is_told_when_it_comes_back() {
    let (queue, _) = queue(Config::new(2).permits(1));
    publish(&queue, Target::Everyone, Lane::Normal);
    let mut lease = queue.try_lease().unwrap();
    let permit = lease.take_permit().unwrap();
    told(&queue);
    lease.complete();
    assert_eq!(told(&queue), [Progress], "the permit is still out");
    assert!(queue.try_lease().is_none());
    drop(permit);
    assert_eq!(told(&queue), [Ready(1)]);
    assert!(queue.try_lease().is_some());
}

#[test]
fn a_requeue_tells_once_and_is_no_progress() {
    let (queue, clients) = queue(Config::new(1));
    publish(&queue, Target::One(clients[0]), Lane::Normal);
    let lease = queue.try_lease().unwrap();
    told(&queue);
    lease.requeue();
    assert_eq!(told(&queue), [Ready(1)]);
    drop(queue.try_lease().unwrap());
    assert_eq!(told(&queue), [Ready(1)]);
}

#[test]
fn a_higher_limit_is_told_if_work_waits_and_a_lower_one_never() {
    let (queue, _) = queue(Config::new(10).permits(2));
    queue.set_permits(3);
    assert_eq!(told(&queue), [], "nothing waits");
    publish(&queue, Target::Everyone, Lane::Normal);
    told(&queue);
    queue.set_permits(7);
    assert_eq!(told(&queue), [Ready(4)]);
    queue.set_permits(7);
    queue.set_permits(0);
    assert_eq!(told(&queue), []);
    assert!(queue.try_lease().is_none());
    queue.set_permits(1);
    assert_eq!(told(&queue), [Ready(1)]);
}

#[test]
fn a_client_that_leaves_is_progress_once() {
    let (queue, clients) = queue(Config::new(1));
    publish(&queue, Target::One(clients[0]), Lane::Normal);
    let lease = queue.try_lease().unwrap();
    told(&queue);
    queue.unregister(clients[0]).unwrap();
    queue.unregister(clients[0]).unwrap_err();
    assert_eq!(told(&queue), [Progress]);
    lease.complete();
    assert_eq!(told(&queue), [Progress]);
}

#[test]
fn a_skipped_push_is_progress_too() {
    let queue = Queue::<Bits<1>>::with_parts(Config::new(1), Bits, Log::default());
    let client = queue.register().unwrap();
    let empty = queue.publish(Target::One(client), Lane::Normal, [0]).unwrap();
    assert_eq!(told(&queue), [Ready(1)]);
    assert!(queue.try_lease().is_none());
    assert_eq!(told(&queue), [Progress]);
    assert!(queue.is_converged(empty));
}

#[test]
fn a_worker_that_looks_only_when_signalled_serves_all() {
    // Permits are short, so most of the work waits for one that comes back.
    let (queue, clients) = queue(Config::new(3 * SLOTS).permits(2));
    for round in 0..5 {
        publish(&queue, Target::Everyone, Lane::Normal);
        publish(&queue, Target::One(clients[round]), Lane::Urgent);
        let (mut served, mut visits) = (0, 0);
        let mut in_progress = Vec::new();
        while told(&queue).iter().any(|told| matches!(told, Ready(_))) && visits < 1_000 {
            visits += 1;
            in_progress.extend(std::iter::from_fn(|| queue.try_lease()));
            for lease in in_progress.drain(..) {
                lease.complete();
                served += 1;
            }
        }
        assert_eq!(served, clients.len(), "round {round}");
    }
}
