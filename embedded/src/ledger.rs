//! The oracle: what the queue owes to each client, kept beside it from its answers.
//!
//! The interrupt runs to its end on the core of the main loop, so all that it does is one instant
//! to the main loop. What was published before a lease began is *owed*, and must be in it. What was
//! published while it began may be in it or come later. Where a client was registering or leaving,
//! a flag *may* come. Nothing else may.
//!
//! The interrupt may come inside an operation of the main loop, so the ledger is told before the
//! operation (`begin_…`, `…ing`) and after it.

use pushlane::{ClientKey, Topic, Version};

use crate::payload::Flags;
use crate::whom::{Reach, Whom};

/// How many versions are watched at once.
pub(crate) const WATCHED: usize = 4;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    Vacant,
    Live(ClientKey),
    /// While `unregister` is under way.
    Leaving(ClientKey),
    /// Its last lease has not ended.
    Left,
}

/// What is known of one place. Sets of flags have one bit a flag, sets of topics one a topic, sets
/// of versions one a place in `Ledger::watched`.
#[derive(Clone, Copy)]
pub(crate) struct Account {
    pub(crate) life: Life,
    leased: bool,
    /// Leased by the interrupt since the main loop's publish began.
    served: bool,
    /// A fan-out on demand may have a mark for it that is still to be made.
    behind: bool,
    /// Leased by the interrupt since the main loop asked for a lease, and behind then: the mark may
    /// still come.
    passed: bool,
    owed: Flags,
    maybe: Flags,
    /// Published since the last lease began, and not owed before.
    late: Flags,
    /// Published since the last lease began, and owed already: in that lease, or owed again.
    again: Flags,
    /// Being published by the main loop: may come at any moment, and once more.
    in_flight: Flags,
    /// Topics that reach the client.
    pub(crate) reached: u8,
    /// Topics that it has left since the last lease began: they still reach it.
    left: u8,
    /// Topics that may reach it.
    pub(crate) may_reach: u8,
    /// What `may_reach` was when its lease began: gone when the lease completes.
    leaving: u8,
    /// Versions that wait for the client.
    awaited: u8,
    /// Those of them that its lease contains.
    carried: u8,
}

const NOBODY: Account = Account {
    life: Life::Vacant,
    leased: false,
    served: false,
    behind: false,
    passed: false,
    owed: 0,
    maybe: 0,
    late: 0,
    again: 0,
    in_flight: 0,
    reached: 0,
    left: 0,
    may_reach: 0,
    leaving: 0,
    awaited: 0,
    carried: 0,
};

pub(crate) struct Ledger<const CLIENTS: usize> {
    accounts: [Account; CLIENTS],
    /// Whether the queue makes fan-outs on demand.
    on_demand: bool,
    registering: bool,
    /// Whether the interrupt has leased the newcomer before its registration came back.
    early: bool,
    /// The place and the topic of the subscription that the main loop is changing.
    changing: (usize, u8),
    /// Whether every place was taken when the registration began.
    crowded: bool,
    watched: [Option<(Version, Flags)>; WATCHED],
    /// Whether the interrupt has leased, or changed the limit, since the main loop's last lease
    /// began.
    competed: bool,
    /// Whether the main loop is asking for a lease, and may be marking whom a fan-out on demand is
    /// for.
    expanding: bool,
}

impl<const CLIENTS: usize> Ledger<CLIENTS> {
    pub(crate) const fn new(on_demand: bool) -> Self {
        Ledger {
            accounts: [NOBODY; CLIENTS],
            on_demand,
            registering: false,
            early: false,
            changing: (0, 0),
            crowded: false,
            watched: [None; WATCHED],
            competed: false,
            expanding: false,
        }
    }

    fn of(&mut self, key: ClientKey) -> &mut Account {
        &mut self.accounts[key.index()]
    }

    pub(crate) fn live(&self) -> impl Iterator<Item = ClientKey> + '_ {
        self.accounts.iter().filter_map(|account| match account.life {
            Life::Live(key) => Some(key),
            _ => None,
        })
    }

    /// How many places are taken.
    pub(crate) fn taken(&self) -> usize {
        self.accounts.iter().filter(|account| account.life != Life::Vacant).count()
    }

    // ---- publishing

    /// The main loop is about to publish.
    pub(crate) fn publishing(&mut self, whom: Whom, flags: Flags) {
        let on_demand = self.raised(whom);
        for (index, account) in self.accounts.iter_mut().enumerate() {
            account.served = false;
            if whom.reach(index, account, false) != Reach::No {
                account.in_flight = flags;
                account.maybe |= flags & !account.owed;
                account.behind |= on_demand;
            }
        }
    }

    /// The main loop has published.
    pub(crate) fn published_at_last(&mut self, whom: Whom, flags: Flags) {
        for (index, account) in self.accounts.iter_mut().enumerate() {
            account.in_flight = 0;
            if whom.reach(index, account, false) == Reach::Yes && !account.served {
                account.owed |= flags;
            }
        }
    }

    /// The interrupt has published.
    pub(crate) fn published(&mut self, whom: Whom, flags: Flags, version: Version) {
        let on_demand = self.raised(whom);
        let free = self.watched.iter().position(Option::is_none);
        let registering = self.registering;
        let reach = |index: usize, account: &Account| whom.reach(index, account, registering);
        // Watched only if each flag of it can be told from an earlier publish's.
        let fresh = self.accounts.iter().enumerate().all(|(index, account)| {
            reach(index, account) == Reach::No || (account.owed | account.maybe) & flags == 0
        });
        let watched = free.filter(|_| fresh);
        for (index, account) in self.accounts.iter_mut().enumerate() {
            let reach = whom.reach(index, account, registering);
            if reach == Reach::No {
                continue;
            }
            let known = account.owed | account.maybe;
            account.again |= flags & known;
            account.behind |= on_demand;
            if reach == Reach::Yes {
                account.late |= flags & !account.owed;
                account.owed |= flags;
                account.awaited |= watched.map_or(0, |at| 1 << at);
            } else {
                account.maybe |= flags & !account.owed;
            }
        }
        if let Some(at) = watched {
            self.watched[at] = Some((version, flags));
        }
    }

    /// Whether the publish is made on demand.
    fn raised(&self, whom: Whom) -> bool {
        self.on_demand && whom.is_on_demand()
    }

    /// A publish to one client was refused because the client has left.
    pub(crate) fn refused(&self, client: ClientKey) {
        let life = self.accounts[client.index()].life;
        assert!(life != Life::Live(client), "{client} is registered, a publish to it was refused");
    }

    // ---- leases

    /// The main loop is about to ask for a lease.
    pub(crate) fn begin_lease(&mut self) {
        self.expanding = self.on_demand;
        self.competed = false;
        for account in &mut self.accounts {
            (account.late, account.again) = (0, 0);
        }
        self.forget_topics();
    }

    /// The main loop has its answer.
    pub(crate) fn end_lease(&mut self) {
        self.expanding = false;
        for account in self.accounts.iter_mut().filter(|account| account.passed) {
            // The mark has been made by now, if it was to be: unless it is one of another publish.
            account.passed = false;
            account.behind = account.again != 0;
        }
    }

    /// The interrupt is about to ask for a lease.
    pub(crate) fn begin_nested_lease(&mut self) {
        self.competed = true;
        self.forget_topics();
    }

    /// The interrupt has changed the limit.
    pub(crate) fn resized(&mut self) {
        self.competed = true;
    }

    /// A lease with nothing in it, that the queue completes by itself, ends what was left.
    fn forget_topics(&mut self) {
        for account in self.accounts.iter_mut().filter(|account| !account.leased) {
            account.reached &= !account.left;
            account.may_reach |= account.left;
            account.left = 0;
        }
    }

    /// The main loop has a lease, or, `nested`, the interrupt.
    pub(crate) fn leased(&mut self, key: ClientKey, flags: Flags, nested: bool) {
        let (watched, registering, competed) = (self.watched, self.registering, self.competed);
        let (expanding, early) = (self.expanding, &mut self.early);
        let account = &mut self.accounts[key.index()];
        match account.life {
            Life::Live(client) | Life::Leaving(client) if client == key => {}
            // What it is registered with is known only afterwards.
            Life::Vacant if registering => {
                *early = true;
                account.maybe |= flags;
            }
            _ => panic!("{key} was leased and is not registered"),
        }
        assert!(!account.leased, "{key} has two leases");
        let due = account.owed & !account.late;
        assert!(flags & due == due, "{key} was owed {due:x} and got {flags:x}");
        let possible = account.owed | account.maybe;
        assert!(flags & !possible == 0, "{key} got {flags:x}, published was {possible:x}");
        account.leased = true;
        account.served |= nested;
        account.owed &= !flags;
        if nested {
            // To the main loop one instant: all that was published before is contained.
            account.again = 0;
        }
        account.maybe = account.maybe & !flags | account.again & flags | account.in_flight;
        if nested && expanding && account.behind {
            // The main loop may have seen just before that the client needs a mark, and makes it
            // just after.
            account.maybe |= flags;
            account.passed = true;
        } else {
            if !nested && competed && account.behind {
                // The interrupt may have made it after the claim, and before the lease said what it
                // contains.
                account.maybe |= flags;
            }
            account.behind = (account.again | account.in_flight) != 0;
        }
        account.leaving = account.may_reach;
        for (at, watched) in watched.iter().enumerate() {
            if watched.is_some_and(|(_, its)| its & flags == its) {
                account.carried |= account.awaited & 1 << at;
            }
        }
    }

    /// No lease began although a permit was free; `told`: the signal has said since that one can.
    /// That excuses it only where the interrupt has competed for the work or the permits.
    pub(crate) fn nothing_to_lease(&mut self, told: bool) {
        for account in &self.accounts {
            if let Life::Live(key) = account.life {
                let due = account.owed & !account.late;
                let excused = self.competed && told;
                assert!(account.leased || due == 0 || excused, "{key} is owed {due:x}, not found");
            }
        }
    }

    /// `complete` is about to be called. The answer is for `completed`.
    pub(crate) fn completing(&mut self, key: ClientKey) -> u8 {
        let account = self.of(key);
        account.awaited &= !account.carried;
        let leaving = account.leaving;
        self.ending(key);
        leaving
    }

    pub(crate) fn completed(&mut self, key: ClientKey, leaving: u8) {
        let (place, topic) = self.changing;
        let changing = if place == key.index() { topic } else { 0 };
        self.of(key).may_reach &= !leaving | changing;
        self.ended(key);
    }

    /// A requeue is about to be made.
    pub(crate) fn requeueing(&mut self, key: ClientKey, flags: Flags) {
        let account = self.of(key);
        if account.life == Life::Live(key) {
            account.late |= flags & !account.owed;
            account.owed |= flags;
        } else {
            // On its way in or out.
            account.maybe |= flags;
        }
        self.ending(key);
    }

    /// From now on the interrupt may lease it.
    fn ending(&mut self, key: ClientKey) {
        let account = self.of(key);
        (account.leased, account.carried, account.leaving) = (false, 0, 0);
    }

    /// A lease has ended.
    pub(crate) fn ended(&mut self, key: ClientKey) {
        let account = self.of(key);
        if account.life == Life::Left {
            *account = NOBODY;
        }
    }

    // ---- clients

    pub(crate) fn begin_register(&mut self) {
        self.registering = true;
        self.early = false;
        self.crowded = self.taken() == CLIENTS;
        for account in &mut self.accounts {
            if account.life == Life::Vacant {
                *account = NOBODY;
            }
        }
    }

    pub(crate) fn registered(&mut self, key: ClientKey, flags: Flags) {
        self.registering = false;
        let early = self.early;
        let account = self.of(key);
        assert!(account.life == Life::Vacant, "{key} was given a place that is taken");
        account.life = Life::Live(key);
        if early {
            account.maybe |= flags;
        } else {
            account.owed |= flags;
        }
    }

    pub(crate) fn full(&mut self) {
        self.registering = false;
        assert!(self.crowded, "full with room for a client");
    }

    /// From now on nothing waits for the client.
    pub(crate) fn begin_unregister(&mut self, key: ClientKey) {
        let account = self.of(key);
        account.life = Life::Leaving(key);
        account.awaited = 0;
    }

    pub(crate) fn unregistered(&mut self, key: ClientKey) {
        let account = self.of(key);
        let life = if account.leased { Life::Left } else { Life::Vacant };
        *account = Account { life, leased: account.leased, ..NOBODY };
    }

    pub(crate) fn begin_subscribe(&mut self, key: ClientKey, topic: Topic) {
        self.changing = (key.index(), 1 << topic.0);
        self.of(key).may_reach |= 1 << topic.0;
    }

    pub(crate) fn subscribed(&mut self, key: ClientKey) {
        let topic = self.changed();
        let account = self.of(key);
        account.reached |= topic;
        account.left &= !topic;
        account.may_reach &= !topic;
        account.leaving &= !topic;
    }

    pub(crate) fn begin_unsubscribe(&mut self, key: ClientKey, topic: Topic) {
        self.changing = (key.index(), 1 << topic.0);
        let account = self.of(key);
        account.left |= account.reached & 1 << topic.0;
    }

    pub(crate) fn unsubscribed(&mut self, key: ClientKey) {
        let topic = self.changed();
        let account = self.of(key);
        // Unless no lease has begun since, and it is `left` still.
        account.may_reach |= topic & !account.reached;
        // A lease that the interrupt has begun since may have begun too early to end it.
        account.leaving &= !topic;
    }

    fn changed(&mut self) -> u8 {
        core::mem::take(&mut self.changing.1)
    }

    // ---- convergence

    pub(crate) fn watched(&self, at: usize) -> Option<Version> {
        self.watched[at].map(|(version, _)| version)
    }

    /// The queue says that a watched version has converged.
    pub(crate) fn converged(&self, at: usize) {
        let late = self.accounts.iter().position(|account| account.awaited & 1 << at != 0);
        assert!(late.is_none(), "a version converged before the client at {late:?} had it");
    }

    /// The queue is still: nothing is ready, nothing is leased, and nothing can come in between.
    pub(crate) fn still(&mut self) {
        for account in &mut self.accounts {
            if let Life::Live(key) = account.life {
                assert!(!account.leased && account.owed == 0, "{key} is owed {:x}", account.owed);
                assert!(account.awaited == 0, "{key} was never given what a version waits for");
                (account.maybe, account.behind) = (0, false);
            } else {
                assert!(account.life == Life::Vacant, "a client that left is still leased");
            }
        }
        self.watched = [None; WATCHED];
    }
}
