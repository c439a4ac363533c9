//! `stats`.

use pushlane::backlog::Bits;
use pushlane::{Config, Lane, PushQueue};

fn queue() -> PushQueue<Bits<1>> {
    PushQueue::new(Config::new(40).permits(3))
}

#[test]
fn stats_follow_a_push_from_publish_to_completion() {
    let queue = queue();
    let clients: Vec<_> = (0..20).map(|_| queue.register().unwrap()).collect();
    for (number, &client) in clients.iter().enumerate() {
        let lane = if number < 5 { Lane::Urgent } else { Lane::Normal };
        queue.publish(client, lane, [1]).unwrap();
        // A client in both lanes counts once, as urgent.
        queue.publish(client, Lane::Normal, [2]).unwrap();
    }
    let stats = queue.stats();
    assert_eq!((stats.clients, stats.capacity, stats.permits), (20, 40, 3));
    assert_eq!((stats.urgent, stats.normal, stats.waiting()), (5, 15, 20));
    assert_eq!((stats.in_progress, stats.permits_held, stats.closed), (0, 0, false));

    let mut leases: Vec<_> = (0..3).map(|_| queue.try_lease().unwrap()).collect();
    leases[0].release_permit();
    let stats = queue.stats();
    assert_eq!((stats.waiting(), stats.in_progress, stats.permits_held), (17, 3, 2));
    queue.publish(leases[0].key(), Lane::Urgent, [4]).unwrap();
    let more = queue.stats();
    assert_eq!((more.urgent, more.in_progress), (stats.urgent + 1, 3), "it waits as well");
    assert_eq!((stats.busy, more.busy), (20, 20), "each once");

    let mut leases = leases.into_iter();
    leases.next().unwrap().complete();
    leases.next().unwrap().requeue();
    queue.unregister(leases.as_slice()[0].key()).unwrap();
    queue.close();
    let stats = queue.stats();
    assert_eq!((stats.waiting(), stats.in_progress, stats.closed), (19, 0, true));
}
