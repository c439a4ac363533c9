//! What each client is owed, and what it has got.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use pushlane::{ClientKey, Lane, PublishErrorKind, Target, Version};

use crate::changes::Changes;
use crate::dice::Dice;
use crate::rig::{Push, Queue, Then, complete};

/// Publishes and deliveries of one queue.
#[derive(Default)]
pub(crate) struct Ledger {
    /// Changes are numbered before they are published.
    next: AtomicU32,
    accepted: Mutex<Vec<Accepted>>,
    /// The first change that each client is owed of those that are for everyone.
    joined: Mutex<HashMap<ClientKey, u32>>,
    got: Mutex<HashMap<ClientKey, BTreeSet<u32>>>,
    alive: Arc<()>,
}

struct Accepted {
    number: u32,
    only: Option<ClientKey>,
    version: Version,
}

impl Ledger {
    /// Of these clients, registered already.
    pub(crate) fn new(clients: &[ClientKey]) -> Arc<Self> {
        let ledger = Arc::new(Ledger::default());
        clients.iter().for_each(|client| ledger.join(*client));
        ledger
    }

    /// The client is registered: what is numbered from now on is for it too.
    pub(crate) fn join(&self, client: ClientKey) {
        self.joined.lock().unwrap().insert(client, self.next.load(SeqCst));
    }

    /// The next change.
    pub(crate) fn change(&self) -> (u32, Arc<Changes>) {
        let number = self.next.fetch_add(1, SeqCst);
        (number, Changes::new(number, &self.alive))
    }

    /// Publishes a change to one client or to everyone; what is accepted is owed.
    pub(crate) fn publish(
        &self,
        queue: &Queue,
        only: Option<ClientKey>,
        lane: Lane,
    ) -> Result<Version, PublishErrorKind> {
        let (number, request) = self.change();
        let target = only.map_or(Target::Everyone, Target::One);
        let version = queue.publish(target, lane, request).map_err(|refused| refused.kind)?;
        self.accepted.lock().unwrap().push(Accepted { number, only, version });
        Ok(version)
    }

    /// The client has what the push contains.
    pub(crate) fn deliver(&self, push: Push) -> Then {
        let numbers = &push.request().numbers;
        self.got.lock().unwrap().entry(push.key()).or_default().extend(numbers);
        complete(push)
    }

    /// How many requests are in memory.
    pub(crate) fn requests(&self) -> usize {
        Arc::strong_count(&self.alive) - 1
    }

    /// The registered clients have got all that they are owed, and every version has converged.
    pub(crate) fn assert_nothing_lost(&self, queue: &Queue) {
        let (accepted, got) = (self.accepted.lock().unwrap(), self.got.lock().unwrap());
        for (client, first) in &self.live(queue) {
            let owed = accepted.iter().filter(|accepted| match accepted.only {
                Some(only) => only == *client,
                None => accepted.number >= *first,
            });
            let got = got.get(client);
            let lost: Vec<_> = owed
                .map(|owed| owed.number)
                .filter(|number| !got.is_some_and(|got| got.contains(number)))
                .collect();
            assert_eq!(lost, [], "{client} has not got these");
        }
        for Accepted { version, number, .. } in &*accepted {
            assert!(queue.is_converged(*version), "{version} hangs: change {number}");
        }
    }

    /// The places of clients that left have come back.
    pub(crate) fn assert_no_place_taken(&self, queue: &Queue) {
        assert_eq!(queue.clients(), self.live(queue).len(), "only who is there has a place");
    }

    fn live(&self, queue: &Queue) -> HashMap<ClientKey, u32> {
        let mut joined = self.joined.lock().unwrap().clone();
        joined.retain(|client, _| queue.is_registered(*client));
        joined
    }
}

/// Publishes so many changes, one of eight to everyone, until the queue is closed. Returns how
/// many.
pub(crate) fn storm(
    queue: &Queue,
    ledger: &Ledger,
    clients: &[ClientKey],
    most: usize,
    dice: &Dice,
) -> usize {
    for published in 0..most {
        let only = (dice.roll(8) > 0).then(|| clients[dice.roll(clients.len())]);
        let lane = if dice.roll(3) == 0 { Lane::Urgent } else { Lane::Normal };
        match ledger.publish(queue, only, lane) {
            // The client has been evicted, perhaps.
            Ok(_) | Err(PublishErrorKind::Stale) => {}
            Err(PublishErrorKind::Closed) => return published,
            Err(refused) => panic!("{refused}"),
        }
        // Lets the workers run.
        if dice.roll(16) == 0 {
            std::thread::yield_now();
        }
    }
    most
}

/// [`storm`], on threads of its own.
pub(crate) fn storms(
    threads: u64,
    queue: &Queue,
    ledger: &Arc<Ledger>,
    clients: &[ClientKey],
    most: usize,
) -> Vec<smol::Task<usize>> {
    (0..threads)
        .map(|seed| {
            let (queue, ledger) = (Arc::clone(queue), Arc::clone(ledger));
            let clients = clients.to_vec();
            smol::unblock(move || storm(&queue, &ledger, &clients, most, &Dice::new(seed)))
        })
        .collect()
}
