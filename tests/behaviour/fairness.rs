//! The order of service: no client starves behind one that is always dirty, behind a neighbour in
//! the same bank, or behind the urgent lane.

use pushlane::backlog::Dirty;
use pushlane::ready::{Fifo, ReadySet, Sweep, WithBanks};
use pushlane::storage::Heap;
use pushlane::{ClientKey, Config, Lane, NoSignal, PushQueue, SLOTS, Target};

type Queue<R> = PushQueue<Dirty, Heap<R>>;

fn queue<R: WithBanks>(config: Config) -> (Queue<R>, Vec<ClientKey>) {
    let queue = PushQueue::with_parts(config, Dirty, NoSignal);
    let clients = (0..queue.capacity()).map(|_| queue.register().unwrap()).collect();
    (queue, clients)
}

fn dirty<R: ReadySet>(queue: &Queue<R>, client: ClientKey, lane: Lane) {
    queue.publish(Target::One(client), lane, ()).unwrap();
}

/// Serves one client.
fn next<R: ReadySet>(queue: &Queue<R>) -> Option<ClientKey> {
    let lease = queue.try_lease()?;
    let client = lease.key();
    lease.complete();
    Some(client)
}

fn all<R: ReadySet>(queue: &Queue<R>) -> Vec<ClientKey> {
    std::iter::from_fn(|| next(queue)).collect()
}

/// Each test once for each ready set.
macro_rules! for_each_order {
    ($($name:ident),*) => {
        mod swept {
            $(#[test] fn $name() { super::$name::<super::Sweep>(); })*
        }
        mod in_order_of_arrival {
            $(#[test] fn $name() { super::$name::<super::Fifo>(); })*
        }
    };
}

for_each_order!(
    a_client_dirtied_again_goes_behind_those_who_wait,
    a_client_requeued_goes_behind_those_who_wait,
    a_hot_client_does_not_hold_up_a_full_bank,
    a_full_bank_does_not_hold_up_a_client_of_another,
    inside_a_bank_nobody_is_passed_over_by_a_neighbour,
    urgent_goes_first_and_normal_gets_one_in_five,
    a_ratio_of_nothing_prefers_normal_work,
    a_large_ratio_makes_normal_work_wait_for_all_urgent_work,
    the_ratio_counts_while_both_kinds_wait,
    a_client_in_both_lanes_is_served_once
);

fn a_client_dirtied_again_goes_behind_those_who_wait<R: WithBanks>() {
    let (queue, clients) = queue::<R>(Config::new(4 * SLOTS));
    let [hot, a, b, c] = [0, 1, 2, 3].map(|bank| clients[bank * SLOTS]);
    for client in [hot, a, b, c] {
        dirty(&queue, client, Lane::Normal);
    }
    assert_eq!(next(&queue), Some(hot));
    dirty(&queue, hot, Lane::Normal);
    assert_eq!(all(&queue), [a, b, c, hot]);
}

fn a_client_requeued_goes_behind_those_who_wait<R: WithBanks>() {
    let (queue, clients) = queue::<R>(Config::new(3 * SLOTS));
    let [failing, a, b] = [0, 1, 2].map(|bank| clients[bank * SLOTS]);
    for client in [failing, a, b] {
        dirty(&queue, client, Lane::Normal);
    }
    let lease = queue.try_lease().unwrap();
    assert_eq!(lease.key(), failing);
    drop(lease);
    assert_eq!(all(&queue), [a, b, failing]);
}

fn a_hot_client_does_not_hold_up_a_full_bank<R: WithBanks>() {
    let (queue, clients) = queue::<R>(Config::new(2 * SLOTS));
    let (hot, full) = (clients[0], &clients[SLOTS..]);
    dirty(&queue, hot, Lane::Normal);
    for client in full {
        dirty(&queue, *client, Lane::Normal);
    }
    // It is dirty again as soon as it has been served.
    let mut served = Vec::new();
    while !full.iter().all(|client| served.contains(client)) && served.len() < 10 * SLOTS {
        let client = next(&queue).unwrap();
        served.push(client);
        if client == hot {
            dirty(&queue, hot, Lane::Normal);
        }
    }
    let overtakes = served.iter().filter(|client| **client == hot).count();
    assert!(overtakes <= 2, "{served:?}");
    assert_eq!(served.len(), SLOTS + overtakes, "nobody else was served twice");
}

fn a_full_bank_does_not_hold_up_a_client_of_another<R: WithBanks>() {
    let (queue, clients) = queue::<R>(Config::new(2 * SLOTS));
    let (hot, single) = (&clients[..SLOTS], clients[SLOTS]);
    for client in hot {
        dirty(&queue, *client, Lane::Normal);
    }
    assert_eq!(next(&queue), Some(hot[0]), "the full bank's turn has begun");
    dirty(&queue, hot[0], Lane::Normal);
    dirty(&queue, single, Lane::Normal);
    // All of the full bank are dirty again as soon as they have been served.
    let mut before = Vec::new();
    while before.len() < 10 * SLOTS {
        match next(&queue).unwrap() {
            client if client == single => break,
            client => {
                before.push(client);
                dirty(&queue, client, Lane::Normal);
            }
        }
    }
    assert!(before.len() <= 2 * SLOTS, "{} served before it", before.len());
    for client in hot {
        assert!(before.iter().filter(|served| *served == client).count() <= 2, "{client}");
    }
}

fn inside_a_bank_nobody_is_passed_over_by_a_neighbour<R: WithBanks>() {
    let (queue, clients) = queue::<R>(Config::new(SLOTS));
    let last = clients[SLOTS - 1];
    for client in &clients {
        dirty(&queue, *client, Lane::Normal);
    }
    // Each neighbour is dirty again at once, and has the lower slot: a claim that always took the
    // lowest would serve the first two for ever.
    for expected in &clients {
        let served = next(&queue).unwrap();
        assert_eq!(served, *expected);
        if served != last {
            dirty(&queue, served, Lane::Normal);
        }
    }
    assert_eq!(all(&queue), clients[..SLOTS - 1]);
}

/// Which lanes are served, one after the other, while `urgent` and `normal` clients wait.
fn lanes<R: WithBanks>(config: Config, urgent: usize, normal: usize) -> String {
    let (queue, clients) = queue::<R>(config);
    let (urgent, rest) = clients.split_at(urgent);
    urgent.iter().for_each(|client| dirty(&queue, *client, Lane::Urgent));
    rest[..normal].iter().for_each(|client| dirty(&queue, *client, Lane::Normal));
    let letter = |client| if urgent.contains(&client) { 'u' } else { 'n' };
    all(&queue).into_iter().map(letter).collect()
}

fn urgent_goes_first_and_normal_gets_one_in_five<R: WithBanks>() {
    assert_eq!(lanes::<R>(Config::new(40), 10, 4), "uuuunuuuunuunn");
    let two = Config::new(40).urgent_ratio(2);
    assert_eq!(lanes::<R>(two, 5, 2), "uunuunu");
}

fn a_ratio_of_nothing_prefers_normal_work<R: WithBanks>() {
    let config = Config::new(40).urgent_ratio(0);
    assert_eq!(lanes::<R>(config, 3, 3), "nnnuuu");
}

fn a_large_ratio_makes_normal_work_wait_for_all_urgent_work<R: WithBanks>() {
    let config = Config::new(40).urgent_ratio(usize::MAX);
    assert_eq!(lanes::<R>(config, 20, 3), format!("{}nnn", "u".repeat(20)));
}

fn the_ratio_counts_while_both_kinds_wait<R: WithBanks>() {
    let (queue, clients) = queue::<R>(Config::new(2));
    let [hot, normal] = [clients[0], clients[1]];
    dirty(&queue, normal, Lane::Normal);
    // However often urgent work comes, normal work has its turn after four of it.
    for round in 0..3 {
        for _ in 0..4 {
            dirty(&queue, hot, Lane::Urgent);
            assert_eq!(next(&queue), Some(hot), "round {round}");
        }
        dirty(&queue, hot, Lane::Urgent);
        assert_eq!(next(&queue), Some(normal), "round {round}");
        dirty(&queue, normal, Lane::Normal);
    }
}

fn a_client_in_both_lanes_is_served_once<R: WithBanks>() {
    let (queue, clients) = queue::<R>(Config::new(1));
    dirty(&queue, clients[0], Lane::Normal);
    dirty(&queue, clients[0], Lane::Urgent);
    let lease = queue.try_lease().unwrap();
    assert_eq!(lease.lane(), Lane::Urgent);
    lease.complete();
    assert_eq!(next(&queue), None);

    // Requeued, it keeps its lane; published to meanwhile, it has the more urgent of the two.
    dirty(&queue, clients[0], Lane::Normal);
    let lease = queue.try_lease().unwrap();
    assert_eq!(lease.lane(), Lane::Normal);
    dirty(&queue, clients[0], Lane::Urgent);
    lease.requeue();
    assert_eq!(queue.try_lease().unwrap().lane(), Lane::Urgent);
}
