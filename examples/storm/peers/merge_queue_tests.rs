//! What the queue promises, one test a promise.

use super::*;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// The earliest start and the union of the keys.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Request {
    start: u32,
    keys: BTreeSet<u32>,
}

impl Merge for Request {
    fn merge(&mut self, other: &Self) {
        self.start = self.start.min(other.start);
        self.keys.extend(&other.keys);
    }
}

type Queue = MergeQueue<&'static str, Arc<Request>>;

fn request(start: u32, keys: impl IntoIterator<Item = u32>) -> Arc<Request> {
    Arc::new(Request { start, keys: keys.into_iter().collect() })
}

/// The clients in the order in which they come out now, without waiting.
fn drain(queue: &Queue) -> Vec<(&'static str, Ticket)> {
    std::iter::from_fn(|| queue.try_dequeue()).map(|work| (work.client, work.ticket)).collect()
}

fn names(queue: &Queue) -> Vec<&'static str> {
    drain(queue).into_iter().map(|(name, _)| name).collect()
}

#[test]
fn clients_come_out_in_the_order_they_went_in() {
    let queue = Queue::new();
    for client in ["a", "b", "c"] {
        assert_eq!(queue.enqueue(client, request(0, [])), Enqueued::Queued);
    }
    assert_eq!(names(&queue), ["a", "b", "c"]);
}

#[test]
fn a_pending_client_keeps_its_place_and_is_served_once() {
    let queue = Queue::new();
    queue.enqueue("a", request(0, []));
    queue.enqueue("b", request(0, []));
    assert_eq!(queue.enqueue("a", request(1, [])), Enqueued::Merged);
    assert_eq!(names(&queue), ["a", "b"]);
}

#[test]
fn done_then_added_is_delivered_once_more() {
    let queue = Queue::new();
    queue.enqueue("a", request(0, []));
    let work = queue.try_dequeue().unwrap();
    queue.mark_done(&"a", work.ticket);
    assert_eq!(names(&queue), [""; 0]);
    queue.enqueue("a", request(0, []));
    assert_eq!(names(&queue), ["a"]);
}

#[test]
fn added_twice_while_served_is_delivered_exactly_once_more() {
    let queue = Queue::new();
    queue.enqueue("a", request(0, [1]));
    let first = queue.try_dequeue().unwrap();
    queue.enqueue("a", request(1, [2]));
    queue.enqueue("a", request(2, [3]));
    assert!(queue.try_dequeue().is_none(), "one push in flight at a time");
    queue.mark_done(&"a", first.ticket);
    let second = queue.try_dequeue().unwrap();
    assert_eq!(second.request, request(1, [2, 3]));
    queue.mark_done(&"a", second.ticket);
    assert!(queue.try_dequeue().is_none());
}

#[test]
fn a_client_dirtied_while_served_goes_behind_those_who_waited() {
    let queue = Queue::new();
    queue.enqueue("a", request(0, []));
    let work = queue.try_dequeue().unwrap();
    queue.enqueue("a", request(1, []));
    queue.enqueue("b", request(1, []));
    queue.mark_done(&"a", work.ticket);
    assert_eq!(names(&queue), ["b", "a"]);
}

#[test]
fn merging_keeps_the_earliest_start_and_every_key_in_either_order() {
    for (first, second) in [(1, 2), (2, 1)] {
        let queue = Queue::new();
        queue.enqueue("a", request(first, [first]));
        queue.enqueue("a", request(second, [second]));
        assert_eq!(queue.try_dequeue().unwrap().request, request(1, [1, 2]));
    }
}

#[test]
fn merging_for_one_client_leaves_the_shared_request_alone() {
    let queue = Queue::new();
    let shared = request(0, [1]);
    queue.enqueue("a", Arc::clone(&shared));
    queue.enqueue("b", Arc::clone(&shared));
    queue.enqueue("a", request(1, [2]));
    assert_eq!(queue.try_dequeue().unwrap().request, request(0, [1, 2]));
    assert_eq!(queue.try_dequeue().unwrap().request, request(0, [1]));
    assert_eq!(*shared, *request(0, [1]));
}

#[test]
fn a_second_done_with_the_same_ticket_does_nothing() {
    let queue = Queue::new();
    queue.enqueue("a", request(0, []));
    let first = queue.try_dequeue().unwrap();
    queue.enqueue("a", request(1, []));
    queue.mark_done(&"a", first.ticket);
    let _second = queue.try_dequeue().unwrap();
    queue.enqueue("a", request(2, []));
    queue.mark_done(&"a", first.ticket);
    assert!(queue.try_dequeue().is_none(), "the client is still being served");
}

#[test]
fn done_for_an_unknown_or_merely_queued_client_does_nothing() {
    let queue = Queue::new();
    queue.mark_done(&"a", Ticket(0));
    queue.enqueue("a", request(0, []));
    queue.mark_done(&"a", Ticket(0));
    assert_eq!(names(&queue), ["a"]);
}

#[test]
fn dequeue_waits_until_something_comes() {
    let queue = Arc::new(Queue::new());
    let (tell, told) = mpsc::channel();
    let waiter = thread::spawn({
        let queue = Arc::clone(&queue);
        move || tell.send(queue.dequeue().map(|work| work.client)).unwrap()
    });
    assert!(told.recv_timeout(Duration::from_millis(50)).is_err());
    queue.enqueue("a", request(0, []));
    assert_eq!(told.recv_timeout(Duration::from_secs(10)), Ok(Some("a")));
    waiter.join().unwrap();
}

#[test]
fn of_two_waiters_one_is_served_and_the_other_still_waits() {
    let queue = Arc::new(Queue::new());
    let (tell, told) = mpsc::channel();
    let waiters: Vec<_> = (0..2)
        .map(|_| {
            let (queue, tell) = (Arc::clone(&queue), tell.clone());
            thread::spawn(move || tell.send(queue.dequeue().map(|work| work.client)).unwrap())
        })
        .collect();
    queue.enqueue("a", request(0, []));
    assert_eq!(told.recv_timeout(Duration::from_secs(10)), Ok(Some("a")));
    assert!(told.recv_timeout(Duration::from_millis(50)).is_err());
    queue.shut_down();
    assert_eq!(told.recv_timeout(Duration::from_secs(10)), Ok(None));
    waiters.into_iter().for_each(|waiter| waiter.join().unwrap());
}

#[test]
fn shutting_down_refuses_new_work_and_drains_the_old_with_work_in_progress() {
    let queue = Queue::new();
    queue.enqueue("a", request(0, []));
    queue.enqueue("b", request(0, []));
    let work = queue.dequeue().unwrap();
    queue.enqueue("a", request(1, [7]));
    queue.shut_down();
    assert_eq!(queue.enqueue("c", request(0, [])), Enqueued::Refused);
    queue.mark_done(&"a", work.ticket);
    assert_eq!(queue.dequeue().map(|work| work.client), Some("b"));
    assert_eq!(queue.dequeue().map(|work| work.request), Some(request(1, [7])));
    assert!(queue.dequeue().is_none());
}

#[test]
fn it_counts_the_requests_that_wait_and_those_that_came_meanwhile() {
    let queue = Queue::new();
    let mut counts = vec![queue.requests()];
    queue.enqueue("a", request(0, []));
    queue.enqueue("a", request(1, []));
    counts.push(queue.requests());
    let work = queue.try_dequeue().unwrap();
    counts.push(queue.requests());
    queue.enqueue("a", request(2, []));
    queue.enqueue("a", request(3, []));
    counts.push(queue.requests());
    queue.mark_done(&"a", work.ticket);
    counts.push(queue.requests());
    assert_eq!(counts, [0, 1, 0, 1, 1]);
}

#[test]
fn a_client_that_is_done_is_forgotten() {
    let queue = Queue::new();
    queue.enqueue("a", request(0, []));
    let work = queue.try_dequeue().unwrap();
    queue.mark_done(&"a", work.ticket);
    assert_eq!(queue.remembered(), 0);
}

#[test]
fn every_key_reaches_every_client_from_many_threads() {
    const CLIENTS: u32 = 100;
    const KEYS: u32 = 100;
    let queue = Arc::new(MergeQueue::<u32, Arc<Request>>::new());
    let publishers: Vec<_> = (0..2)
        .map(|half| {
            let queue = Arc::clone(&queue);
            thread::spawn(move || {
                for key in (half..KEYS).step_by(2) {
                    let shared = request(0, [key]);
                    for client in 0..CLIENTS {
                        queue.enqueue(client, Arc::clone(&shared));
                    }
                }
            })
        })
        .collect();
    let workers: Vec<_> = (0..2)
        .map(|_| {
            let queue = Arc::clone(&queue);
            thread::spawn(move || {
                let mut got = BTreeSet::new();
                while let Some(work) = queue.dequeue() {
                    got.extend(work.request.keys.iter().map(|&key| (work.client, key)));
                    queue.mark_done(&work.client, work.ticket);
                }
                got
            })
        })
        .collect();
    publishers.into_iter().for_each(|publisher| publisher.join().unwrap());
    queue.shut_down();
    let got: BTreeSet<_> = workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect();
    assert_eq!(got.len(), (CLIENTS * KEYS) as usize);
}

#[test]
fn two_permits_serve_every_client_in_every_round() {
    let queue = MergeQueue::<u32, Arc<Request>>::new();
    let mut served = [0; 5];
    let mut in_flight = VecDeque::new();
    for round in 0..100 {
        for client in 0..5 {
            queue.enqueue(client, request(round, [round]));
        }
        loop {
            while in_flight.len() < 2 {
                let Some(work) = queue.try_dequeue() else {
                    break;
                };
                in_flight.push_back(work);
            }
            let Some(work) = in_flight.pop_front() else {
                break;
            };
            served[work.client as usize] += 1;
            queue.mark_done(&work.client, work.ticket);
        }
    }
    assert_eq!(served, [100; 5]);
    assert_eq!(queue.remembered(), 0);
}

#[test]
fn keys_keep_their_order_across_deliveries() {
    let queue = MergeQueue::<u32, Arc<Request>>::new();
    let mut keys = Vec::new();
    let mut in_flight = None;
    for key in 0..100 {
        queue.enqueue(0, request(key, [key]));
        // Served every third time only, so that deliveries carry several keys.
        if key % 3 == 0 {
            if let Some(ticket) = in_flight.take() {
                queue.mark_done(&0, ticket);
            }
            let work = queue.try_dequeue().unwrap();
            keys.extend(work.request.keys.iter().copied());
            in_flight = Some(work.ticket);
        }
    }
    assert_eq!(keys, (0..100).collect::<Vec<_>>());
}
