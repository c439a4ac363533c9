//! What the peers and pushlane have to have in common before their speed is compared: nothing lost,
//! one push in progress a client, merged.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::thread;

use pushlane::backlog::{Bits, Dirty, Journal, Shared};
use pushlane_bench::each_merging_peer;
use pushlane_bench::each_peer;
use pushlane_bench::keys::Keys;
use pushlane_bench::lanes::{JOURNAL, Lanes, way};
use pushlane_bench::subject::Subject;
use pushlane_peers::Peer;

const CLIENTS: u32 = 40;
const ROUNDS: u32 = 3_000;

/// What a client has been published and has got.
#[derive(Default)]
struct Client {
    published: [AtomicU32; 2],
    got: [AtomicU32; 2],
    in_progress: AtomicBool,
}

/// Leases once and checks the lease. True: there was one.
fn serve<P: Peer>(peer: &P, clients: &[Client], take: &impl Fn(usize, &P::Request)) -> bool {
    let Some(lease) = peer.lease() else { return false };
    let index = P::client(&lease) as usize;
    let client = &clients[index];
    assert!(!client.in_progress.swap(true, Ordering::Relaxed), "one push in progress a client");
    for (published, got) in client.published.iter().zip(&client.got) {
        // Relaxed: the design must make visible what was written before the publish.
        got.fetch_max(published.load(Ordering::Relaxed), Ordering::Relaxed);
    }
    take(index, P::request(&lease));
    if index.is_multiple_of(3) {
        thread::yield_now();
    }
    client.in_progress.store(false, Ordering::Relaxed);
    peer.done(lease);
    true
}

/// Two publishers and two workers; `request` is published in each round, and `take` told what
/// arrives.
fn run<P: Subject>(
    request: &(impl Fn(u32, u32) -> P::Request + Sync),
    take: &(impl Fn(usize, &P::Request) + Sync),
) {
    let peer = P::with_clients(CLIENTS);
    let tens: Vec<u32> = (0..CLIENTS).step_by(10).collect();
    let group = peer.group(&tens);
    let clients: Vec<Client> = (0..CLIENTS).map(|_| Client::default()).collect();
    let (publishing, leases) = (AtomicUsize::new(2), AtomicUsize::new(0));
    let note = |publisher: u32, client: u32, round| {
        clients[client as usize].published[publisher as usize].store(round, Ordering::Relaxed);
    };
    let publish = |publisher: u32| {
        for round in 1..=ROUNDS {
            let request = request(publisher, round);
            if round.is_multiple_of(16) {
                // Otherwise one thread may be done before the others begin.
                thread::yield_now();
            }
            match round % 100 {
                0 => {
                    (0..CLIENTS).for_each(|client| note(publisher, client, round));
                    peer.publish_all(CLIENTS, &request);
                }
                1 => {
                    tens.iter().for_each(|&client| note(publisher, client, round));
                    peer.publish_group(&group, &request);
                }
                2 => {
                    tens.iter().for_each(|&client| note(publisher, client, round));
                    peer.publish_many(&tens, &request);
                }
                _ => {
                    let client = (round * 17 + publisher) % CLIENTS;
                    note(publisher, client, round);
                    peer.publish(client, &request);
                }
            }
        }
        publishing.fetch_sub(1, Ordering::Release);
    };
    let work = || {
        while publishing.load(Ordering::Acquire) > 0 {
            match serve(&peer, &clients, take) {
                true => _ = leases.fetch_add(1, Ordering::Relaxed),
                false => thread::yield_now(),
            }
        }
    };
    let (publish, work) = (&publish, &work);
    thread::scope(|scope| {
        (0..2).for_each(|publisher| _ = scope.spawn(move || publish(publisher)));
        (0..2).for_each(|_| _ = scope.spawn(work));
    });
    // `None` may be wrong once or twice, but not for ever.
    let mut looks = 0;
    while looks < 10_000 {
        looks = if serve(&peer, &clients, take) { 0 } else { looks + 1 };
    }
    for (index, client) in clients.iter().enumerate() {
        let [published, got] = [&client.published, &client.got]
            .map(|rounds| rounds.each_ref().map(|round| round.load(Ordering::Relaxed)));
        assert_eq!(got, published, "{}: client {index} is up to date", P::NAME);
    }
}

fn up_to_date<P: Subject<Request = ()>>() {
    run::<P>(&|_, _| (), &|_, ()| {});
}

/// As above; besides, every key that was published for a client must have arrived there.
fn merged<P: Subject<Request = Arc<Keys>>>() {
    let got: Vec<_> = (0..CLIENTS).map(|_| Mutex::new(BTreeSet::new())).collect();
    let request = |publisher, round| Keys::new(2 * round + publisher, 1);
    run::<P>(&request, &|client, keys: &Arc<Keys>| {
        let mut got = got[client].lock().unwrap();
        match keys.0.keys() {
            Some(keys) => got.extend(keys.copied()),
            None => got.extend(2..2 * (ROUNDS + 1)),
        }
    });
    let expected = |client: u32| {
        let concerns = move |publisher: u32, round: u32| match round % 100 {
            0 => true,
            1 | 2 => client.is_multiple_of(10),
            _ => (round * 17 + publisher) % CLIENTS == client,
        };
        (1..=ROUNDS).flat_map(move |round| {
            let meant = (0..2).filter(move |&publisher| concerns(publisher, round));
            meant.map(move |publisher| 2 * round + publisher)
        })
    };
    for client in 0..CLIENTS {
        let got = got[client as usize].lock().unwrap();
        let missing: Vec<_> = expected(client).filter(|key| !got.contains(key)).collect();
        assert!(missing.is_empty(), "{}: client {client} misses {missing:?}", P::NAME);
    }
}

#[test]
fn every_peer_loses_nothing_and_serves_a_client_once_at_a_time() {
    each_peer!(up_to_date());
}

#[test]
fn every_merging_peer_delivers_all_that_was_published() {
    each_merging_peer!(merged());
}

#[test]
fn so_does_pushlane() {
    up_to_date::<Lanes<Dirty>>();
    up_to_date::<Lanes<Dirty, { way::DIRECT }>>();
    up_to_date::<Lanes<Dirty, { way::LIMITED }>>();
    run::<Lanes<Bits<1>>>(&|publisher, _| [1 << publisher], &|_, _| {});
    merged::<Lanes<Shared<Keys>>>();
    merged::<Lanes<Journal<Shared<Keys>, JOURNAL>>>();
    merged::<Lanes<Journal<Shared<Keys>, JOURNAL>, { way::DIRECT }>>();
}

/// What merges, merges: as many publishes as one likes are one push.
#[test]
fn many_publishes_are_one_push() {
    fn once<P: Subject>(request: P::Request) {
        let peer = P::with_clients(3);
        for _ in 0..5 {
            peer.publish_all(3, &request);
            peer.publish(1, &request);
        }
        let mut served: Vec<_> = Vec::new();
        for _ in 0..10 {
            if let Some(lease) = peer.lease() {
                served.push(P::client(&lease));
                peer.done(lease);
            }
        }
        served.sort_unstable();
        assert_eq!(served, [0, 1, 2], "{}", P::NAME);
    }
    each_peer!(once(()));
    each_merging_peer!(once(Keys::new(0, 2)));
    once::<Lanes<Dirty>>(());
    once::<Lanes<Shared<Keys>>>(Keys::new(0, 2));
}
