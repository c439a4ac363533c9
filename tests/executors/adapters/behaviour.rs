//! The cases, over any [`Rig`]. They wait for events, never for time.

use std::collections::HashSet;
use std::sync::Mutex;
use std::time::Duration;

use pushlane::adapters::EvictReason;
use pushlane::{Lane, PublishErrorKind, Target};

use crate::rig::{Log, Rig, Then, complete, fail, gate, options, publish, publish_to_all, queue};

on_each_rig! {
    serves_everybody_once
    past_the_deadline_the_client_is_evicted_and_the_permit_comes_back
    a_push_that_ends_in_time_evicts_nobody
    a_late_completion_does_not_touch_the_next_owner_of_the_place
    a_push_that_outlives_its_handler_keeps_its_deadline
    a_push_may_be_completed_after_its_handler_has_returned
    a_client_that_left_by_itself_is_not_evicted
    a_panic_loses_nothing
    a_panic_after_completion_repeats_nothing
    a_callback_that_panics_stops_nothing
    a_client_that_always_fails_starves_nobody
    requeueing_and_dropping_push_again
    a_released_permit_lets_another_push_begin
    without_permits_nothing_begins_until_there_are_some
    draining_serves_what_is_pending_and_refuses_more
    draining_ends_in_spite_of_a_hung_handler
    dropping_the_adapter_loses_nothing
    one_in_a_hundred_hangs_and_all_others_are_served
}

pub(crate) async fn serves_everybody_once<R: Rig>() {
    let (queue, clients) = queue(100, 4);
    let (log, served) = Log::new();
    let rig = R::start(options(&queue), 3, move |push| {
        log((push.key(), push.request()[0]));
        complete(push)
    });
    let version = publish_to_all(&queue, 1);
    queue.converged(version).await;
    assert!(rig.drain().await);
    let served = served.so_far();
    assert!(served.iter().all(|(_, bits)| *bits == 1));
    let distinct: HashSet<_> = served.iter().map(|(client, _)| *client).collect();
    assert_eq!((served.len(), distinct.len()), (clients.len(), clients.len()));
    assert_eq!(queue.permits_held(), 0);
}

pub(crate) async fn past_the_deadline_the_client_is_evicted_and_the_permit_comes_back<R: Rig>() {
    let (queue, clients) = queue(2, 1);
    let (hung, other) = (clients[0], clients[1]);
    let (evict, evicted) = Log::new();
    let options =
        options(&queue).deadline(R::LIMIT).on_evict(move |key, reason| evict((key, reason)));
    let (_opener, closed) = gate();
    let rig = R::start(options, 1, move |push| {
        if push.key() == hung { Then::Hang(push, closed.clone()) } else { complete(push) }
    });
    let version = publish_to_all(&queue, 1);
    // There is one permit: the other client is served only when it has come back.
    queue.converged(version).await;
    let (client, reason) = evicted.next().await;
    assert_eq!(client, hung);
    assert!(matches!(reason, EvictReason::Deadline(limit) if limit == R::LIMIT));
    assert!(!queue.is_registered(hung) && queue.is_registered(other));
    assert!(rig.drain().await);
    assert_eq!(queue.permits_held(), 0);
}

pub(crate) async fn a_push_that_ends_in_time_evicts_nobody<R: Rig>() {
    let (queue, clients) = queue(10, 2);
    let (evict, evicted) = Log::new();
    let options =
        options(&queue).deadline(Duration::from_secs(3_600)).on_evict(move |key, _| evict(key));
    let rig = R::start(options, 2, |push| {
        assert!(!push.is_expired());
        assert!(push.remaining().is_some_and(|left| !left.is_zero()));
        complete(push)
    });
    let version = publish_to_all(&queue, 1);
    queue.converged(version).await;
    assert!(rig.drain().await);
    assert_eq!(evicted.so_far(), []);
    assert!(clients.iter().all(|client| queue.is_registered(*client)));
}

pub(crate) async fn a_late_completion_does_not_touch_the_next_owner_of_the_place<R: Rig>() {
    let (queue, clients) = queue(1, 1);
    let hung = clients[0];
    let (log, events) = Log::new();
    let evict = log.clone();
    let (keep, kept) = Log::new();
    let options = options(&queue).deadline(R::LIMIT).on_evict(move |_, _| evict("evicted"));
    // The push is held by nobody's handler, so that it can be late on both.
    let rig = R::start(options, 2, move |push| {
        if push.key() == hung {
            keep(push.detach());
            return Then::End(Ok(()));
        }
        log("pushed to the next");
        complete(push)
    });
    publish(&queue, hung, 1);
    let late = kept.next().await;
    assert_eq!(events.next().await, "evicted");
    assert!(late.is_expired());
    assert_eq!(queue.permits_held(), 0, "the permit is back, though the push is not over");
    assert!(queue.register().is_err(), "and nobody gets its place");
    late.complete();
    let next = queue.register_with(Lane::Normal, [2]).unwrap();
    let version = publish(&queue, next, 4);
    assert_eq!(events.next().await, "pushed to the next");
    queue.converged(version).await;
    assert!(queue.is_registered(next));
    assert!(rig.drain().await);
}

pub(crate) async fn a_push_that_outlives_its_handler_keeps_its_deadline<R: Rig>() {
    let (queue, clients) = queue(2, 1);
    let (keep, kept) = Log::new();
    let (evict, evicted) = Log::new();
    let options = options(&queue).deadline(R::LIMIT).on_evict(move |key, _| evict(key));
    let rig = R::start(options, 1, move |push| {
        keep(push.detach());
        Then::End(Ok(()))
    });
    publish(&queue, clients[0], 1);
    let push = kept.next().await;
    assert_eq!(evicted.next().await, clients[0]);
    drop(push);
    assert!(queue.register().is_ok());
    assert!(rig.drain().await);
}

pub(crate) async fn a_push_may_be_completed_after_its_handler_has_returned<R: Rig>() {
    let (queue, clients) = queue(1, 1);
    let (keep, kept) = Log::new();
    let (evict, evicted) = Log::new();
    let options =
        options(&queue).deadline(Duration::from_secs(3_600)).on_evict(move |key, _| evict(key));
    let rig = R::start(options, 1, move |mut push| {
        push.release_permit();
        keep(push.detach());
        Then::End(Ok(()))
    });
    let version = publish(&queue, clients[0], 1);
    let push = kept.next().await;
    assert!(!queue.is_converged(version));
    push.complete();
    queue.converged(version).await;
    assert!(rig.drain().await);
    assert_eq!(evicted.so_far(), []);
}

pub(crate) async fn a_client_that_left_by_itself_is_not_evicted<R: Rig>() {
    let (queue, clients) = queue(2, 1);
    let (gone, other) = (clients[0], clients[1]);
    let (evict, evicted) = Log::new();
    let options = options(&queue).deadline(R::LIMIT).on_evict(move |key, _| evict(key));
    let (_opener, closed) = gate();
    let rig = R::start(options, 1, move |push| {
        if push.key() == gone {
            push.queue().unregister(gone).unwrap();
            Then::Hang(push, closed.clone())
        } else {
            complete(push)
        }
    });
    publish(&queue, gone, 1);
    let version = publish_to_all(&queue, 1);
    queue.converged(version).await;
    assert!(queue.is_registered(other));
    assert!(rig.drain().await);
    assert_eq!(evicted.so_far(), []);
}

pub(crate) async fn a_panic_loses_nothing<R: Rig>() {
    let (queue, clients) = queue(5, 1);
    let unlucky = clients[0];
    let (report, panics) = Log::new();
    let (log, served) = Log::new();
    let options = options(&queue).on_panic(move |key, panic| {
        report((key, panic.downcast_ref::<&str>().map(|text| text.to_string())));
    });
    let attempts = Mutex::new(0);
    let rig = R::start(options, 1, move |push| {
        if push.key() == unlucky {
            let mut attempts = attempts.lock().unwrap();
            *attempts += 1;
            let attempt = *attempts;
            drop(attempts);
            assert_eq!(*push.request(), [0b11], "both publishes are still owed");
            if attempt < 3 {
                panic!("on purpose");
            }
        }
        log(push.key());
        complete(push)
    });
    queue.set_permits(0);
    publish_to_all(&queue, 1);
    let version = publish_to_all(&queue, 2);
    queue.set_permits(1);
    queue.converged(version).await;
    assert!(rig.drain().await);
    assert_eq!(panics.so_far(), vec![(unlucky, Some("on purpose".to_owned())); 2]);
    let served = served.so_far();
    assert_eq!(served.len(), clients.len());
    assert_eq!(served.last(), Some(&unlucky), "each attempt goes behind those that wait");
    assert_eq!(queue.permits_held(), 0);
}

pub(crate) async fn a_panic_after_completion_repeats_nothing<R: Rig>() {
    let (queue, clients) = queue(1, 1);
    let (report, panics) = Log::new();
    let options =
        options(&queue).deadline(Duration::from_secs(3_600)).on_panic(move |key, _| report(key));
    let rig = R::start(options, 1, |push| {
        push.detach().complete();
        panic!("on purpose");
    });
    let version = publish(&queue, clients[0], 1);
    queue.converged(version).await;
    assert!(rig.drain().await);
    assert_eq!(panics.so_far(), clients);
}

pub(crate) async fn a_callback_that_panics_stops_nothing<R: Rig>() {
    let (queue, clients) = queue(3, 1);
    let (hangs, panics) = (clients[0], clients[1]);
    let options = options(&queue)
        .deadline(R::LIMIT)
        .on_evict(|_, _| panic!("on purpose: evicted"))
        .on_panic(|_, _| panic!("on purpose: reported"));
    let (_opener, closed) = gate();
    let tried = Mutex::new(HashSet::new());
    let rig = R::start(options, 1, move |push| {
        if push.key() == hangs {
            return Then::Hang(push, closed.clone());
        }
        let first = tried.lock().unwrap().insert(push.key());
        assert!(push.key() != panics || !first, "on purpose");
        complete(push)
    });
    let version = publish_to_all(&queue, 1);
    queue.converged(version).await;
    assert!(rig.drain().await);
}

pub(crate) async fn a_client_that_always_fails_starves_nobody<R: Rig>() {
    let (queue, clients) = queue(40, 1);
    let [panics, requeues] = [clients[0], clients[1]];
    let (log, served) = Log::new();
    let rig = R::start(options(&queue), 1, move |push| {
        if push.key() == panics {
            panic!("on purpose");
        }
        if push.key() == requeues {
            return fail(push);
        }
        log(push.key());
        complete(push)
    });
    publish_to_all(&queue, 1);
    let others = served.take(clients.len() - 2).await;
    assert_eq!(others, clients[2..]);
    let version = publish(&queue, clients[9], 1);
    queue.converged(version).await;
    for client in [panics, requeues] {
        assert!(queue.is_registered(client));
        queue.unregister(client).unwrap();
    }
    assert!(rig.drain().await);
}

pub(crate) async fn requeueing_and_dropping_push_again<R: Rig>() {
    let (queue, clients) = queue(1, 1);
    let (log, seen) = Log::new();
    let attempts = Mutex::new(0);
    let rig = R::start(options(&queue), 1, move |push| {
        log(push.request()[0]);
        let mut attempts = attempts.lock().unwrap();
        *attempts += 1;
        match *attempts {
            1 => {
                // Published meanwhile: merged with what comes back.
                publish(push.queue(), push.key(), 2);
                assert!(push.is_superseded());
                push.requeue_after(Duration::ZERO);
            }
            2 => drop(push.detach()),
            _ => return complete(push),
        }
        Then::End(Ok(()))
    });
    let version = publish(&queue, clients[0], 1);
    queue.converged(version).await;
    assert!(rig.drain().await);
    assert_eq!(seen.so_far(), [1, 3, 3]);
}

pub(crate) async fn a_released_permit_lets_another_push_begin<R: Rig>() {
    let (queue, clients) = queue(3, 1);
    let (log, begun) = Log::new();
    let (opener, closed) = gate();
    let rig = R::start(options(&queue), 3, move |mut push| {
        push.release_permit();
        push.release_permit();
        log(push.key());
        Then::Hang(push, closed.clone())
    });
    let version = publish_to_all(&queue, 1);
    let begun: HashSet<_> = begun.take(3).await.into_iter().collect();
    assert_eq!(begun.len(), clients.len());
    drop(opener);
    queue.converged(version).await;
    assert!(rig.drain().await);
    assert_eq!(queue.permits_held(), 0);
}

pub(crate) async fn without_permits_nothing_begins_until_there_are_some<R: Rig>() {
    let (queue, clients) = queue(3, 0);
    let (log, begun) = Log::new();
    let (opener, closed) = gate();
    let rig = R::start(options(&queue), 3, move |push| {
        log(push.queue().permits_held());
        Then::Hang(push, closed.clone())
    });
    let version = publish_to_all(&queue, 1);
    queue.set_permits(1);
    assert_eq!(begun.next().await, 1);
    queue.set_permits(3);
    begun.take(2).await;
    assert_eq!(queue.permits_held(), 3);
    drop(opener);
    queue.converged(version).await;
    assert!(rig.drain().await);
    assert_eq!(begun.so_far().len() + 3, clients.len());
}

pub(crate) async fn draining_serves_what_is_pending_and_refuses_more<R: Rig>() {
    let (queue, clients) = queue(50, 2);
    let (log, served) = Log::new();
    let rig = R::start(options(&queue), 2, move |push| {
        log(push.key());
        complete(push)
    });
    publish_to_all(&queue, 1);
    assert!(rig.drain().await);
    assert_eq!(served.so_far().len(), clients.len());
    assert!(queue.is_drained());
    let refused = queue.publish(Target::Everyone, Lane::Normal, [1]).unwrap_err();
    assert_eq!(refused.kind, PublishErrorKind::Closed);
}

pub(crate) async fn draining_ends_in_spite_of_a_hung_handler<R: Rig>() {
    let (queue, clients) = queue(20, 1);
    let hung = clients[5];
    let (evict, evicted) = Log::new();
    let (log, served) = Log::new();
    let options = options(&queue).deadline(R::LIMIT).on_evict(move |key, _| evict(key));
    let (_opener, closed) = gate();
    let rig = R::start(options, 1, move |push| {
        if push.key() == hung {
            return Then::Hang(push, closed.clone());
        }
        log(push.key());
        complete(push)
    });
    publish_to_all(&queue, 1);
    assert!(rig.drain().await);
    assert_eq!(evicted.next().await, hung);
    assert_eq!(served.so_far().len(), clients.len() - 1);
}

pub(crate) async fn dropping_the_adapter_loses_nothing<R: Rig>() {
    let (queue, clients) = queue(30, 2);
    let (log, begun) = Log::new();
    let (opener, closed) = gate();
    let rig = R::start(options(&queue), 2, move |push| {
        log(push.key());
        Then::Hang(push, closed.clone())
    });
    publish_to_all(&queue, 1);
    let begun = begun.take(2).await;
    drop(rig);
    // A handler that is dropped gives its push back. A thread has to be let go, and completes it.
    let opener = R::DROPS_HANDLERS.then_some(opener);
    let mut left = HashSet::new();
    queue.close();
    while let Some(lease) = queue.next().await {
        assert!(left.insert(lease.key()));
        lease.complete();
    }
    let missing: Vec<_> = clients.iter().filter(|client| !left.contains(client)).collect();
    if opener.is_some() {
        assert!(missing.is_empty(), "{missing:?}");
    } else {
        assert!(missing.len() == 2 && missing.into_iter().all(|client| begun.contains(client)));
    }
    assert!(queue.is_drained());
    assert_eq!(queue.permits_held(), 0);
}

pub(crate) async fn one_in_a_hundred_hangs_and_all_others_are_served<R: Rig>() {
    let (queue, clients) = queue(1_000, 4);
    let hung: HashSet<_> = clients.iter().copied().step_by(100).collect();
    let (evict, evicted) = Log::new();
    let (log, served) = Log::new();
    // Fewer permits than hung clients: without the deadline everything would stand still.
    let options = options(&queue)
        .deadline(2 * R::LIMIT)
        .on_evict(move |key, _| evict(key))
        .stuck_threads(hung.len());
    let (opener, closed) = gate();
    let hangs = hung.clone();
    let rig = R::start(options, 8, move |push| {
        if hangs.contains(&push.key()) {
            return Then::Hang(push, closed.clone());
        }
        log(push.key());
        complete(push)
    });
    let version = publish_to_all(&queue, 1);
    queue.converged(version).await;
    let version = publish_to_all(&queue, 2);
    queue.converged(version).await;
    assert_eq!(evicted.take(hung.len()).await.into_iter().collect::<HashSet<_>>(), hung);
    assert!(rig.drain().await);
    let mut times = std::collections::HashMap::new();
    for client in served.so_far() {
        *times.entry(client).or_insert(0) += 1;
    }
    assert!(clients.iter().all(|client| {
        times.get(client) == if hung.contains(client) { None } else { Some(&2) }
    }));
    assert_eq!((queue.permits_held(), queue.clients() >= 990), (0, true));
    drop(opener);
}
