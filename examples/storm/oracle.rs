//! What each client is owed: kept from the history and from what pushes brought, never from a
//! design's own counters.
//!
//! * A change is owed to every client that it concerns and that is connected and responsive when it
//!   happens.
//! * A client that connects is owed the whole state as of then: every change that concerns it so
//!   far.
//! * A push that completes pays what its request carries. A push of the whole state pays everything
//!   up to its context; any other push pays the changes of exactly those requests that were merged
//!   into it.
//! * A client that leaves, or hangs, is owed nothing any more. One that a design evicts keeps its
//!   claims, and they are counted against the design until the client is back and has been served.
//!
//! A change has converged when the last client to which it was owed has it. A change that some
//! client never gets counts as not converged until the end of the run: that is a lower bound, for
//! the truth is "never".

use crate::clock::ClientId;
use crate::history::History;
use crate::population::{Concerned, Population};
use crate::request::Carried;
use std::time::Duration;

/// The books.
#[derive(Debug)]
pub(crate) struct Oracle<'a> {
    history: &'a History,
    population: &'a Population,
    concerned: Concerned,
    accounts: Vec<Account>,
    /// The number of the request that a change went into, by number of the change.
    request_of: Vec<u32>,
    /// How many clients are still owed a change, by number of the change.
    outstanding: Vec<u32>,
    /// When a client last received a change that it was owed.
    received: Vec<Option<Duration>>,
    /// How long changes took to reach the clients to which they were owed, in microseconds.
    freshness: Vec<u32>,
    happened: u32,
}

#[derive(Debug, Clone, Default)]
struct Account {
    connected: bool,
    hung: bool,
    /// Numbers of changes, in order.
    owed: Vec<u32>,
    /// The state up to this number of changes is owed since the client connected.
    state: Option<u32>,
}

/// How it ended.
#[derive(Debug, PartialEq)]
pub(crate) struct Verdict {
    /// Changes that connected, responsive clients were owed and don't have.
    pub(crate) lost: u64,
    /// How many such clients.
    pub(crate) stale_clients: u64,
    /// How long each change took, in order of length. Changes that concerned no client are left
    /// out.
    pub(crate) convergence: Vec<Duration>,
    /// How long each change took to each client to which it was owed, in microseconds and in order.
    /// What a client never gets counts until the end of the run.
    pub(crate) freshness: Vec<u32>,
}

impl<'a> Oracle<'a> {
    /// Everyone connected, and up to date.
    pub(crate) fn new(history: &'a History, population: &'a Population) -> Self {
        let changes = history.changes.len();
        let connected = Account { connected: true, ..Account::default() };
        Self {
            history,
            population,
            concerned: Concerned::default(),
            accounts: vec![connected; population.clients.len()],
            request_of: vec![u32::MAX; changes],
            outstanding: vec![0; changes],
            received: vec![None; changes],
            freshness: Vec::new(),
            happened: 0,
        }
    }

    /// How many changes have happened.
    pub(crate) fn happened(&self) -> u32 {
        self.happened
    }

    /// The next change happens.
    pub(crate) fn change(&mut self, number: u32) {
        let key = self.history.changes[number as usize].key;
        let concerned = self.concerned.by(key, self.history, self.population);
        for &client in concerned.iter() {
            let account = &mut self.accounts[client as usize];
            if account.connected && !account.hung {
                account.owed.push(number);
                self.outstanding[number as usize] += 1;
            }
        }
        self.happened = number + 1;
    }

    /// These changes went into the request with this number.
    pub(crate) fn made(&mut self, request: u32, changes: &[u32]) {
        changes.iter().for_each(|&change| self.request_of[change as usize] = request);
    }

    /// A client leaves of its own accord.
    pub(crate) fn left(&mut self, client: ClientId) {
        self.write_off(client);
        self.accounts[client as usize].connected = false;
    }

    /// The server closed a client's stream.
    pub(crate) fn evicted(&mut self, client: ClientId) {
        self.accounts[client as usize].connected = false;
    }

    /// A client stops responding, for ever.
    pub(crate) fn hung(&mut self, client: ClientId) {
        self.write_off(client);
        self.accounts[client as usize].hung = true;
    }

    /// A client connects.
    pub(crate) fn connected(&mut self, client: ClientId) {
        let account = &mut self.accounts[client as usize];
        account.connected = true;
        account.state = (!account.hung).then_some(self.happened);
    }

    /// A client has received a push. False if that brought it nothing it was owed.
    pub(crate) fn received(
        &mut self,
        client: ClientId,
        request: &dyn Carried,
        whole: bool,
        now: Duration,
    ) -> bool {
        let account = &mut self.accounts[client as usize];
        let state = if whole { request.context() } else { 0 };
        let mut news = account.state.is_some_and(|owed| whole && owed <= state);
        if news {
            account.state = None;
        }
        let (outstanding, received) = (&mut self.outstanding, &mut self.received);
        let (numbers, request_of) = (request.numbers(), &self.request_of);
        let (changes, freshness) = (&self.history.changes, &mut self.freshness);
        account.owed.retain(|&change| {
            let index = change as usize;
            let has = change < state || numbers.contains(request_of[index]);
            if has {
                outstanding[index] -= 1;
                received[index] = Some(now);
                freshness.push(microseconds(now - changes[index].at));
                news = true;
            }
            !has
        });
        news
    }

    /// What is left when nothing more can happen.
    pub(crate) fn verdict(&self, end: Duration) -> Verdict {
        let freshness = self.freshness.clone();
        let mut verdict = Verdict { lost: 0, stale_clients: 0, convergence: Vec::new(), freshness };
        for (client, account) in self.accounts.iter().enumerate() {
            let lost = self.owed_to(client as ClientId, account);
            if account.connected && !account.hung && lost > 0 {
                verdict.lost += lost;
                verdict.stale_clients += 1;
            }
            let late = |&change: &u32| microseconds(end - self.history.changes[change as usize].at);
            verdict.freshness.extend(account.owed.iter().map(late));
        }
        for (index, change) in self.history.changes.iter().enumerate() {
            let when = if self.outstanding[index] > 0 { Some(end) } else { self.received[index] };
            verdict.convergence.extend(when.map(|when| when - change.at));
        }
        verdict.convergence.sort_unstable();
        verdict.freshness.sort_unstable();
        verdict
    }

    fn owed_to(&self, client: ClientId, account: &Account) -> u64 {
        let state = account.state.unwrap_or(0);
        let depends = |change: &&crate::history::Change| {
            let client = &self.population.clients[client as usize];
            self.history.concerns_all(change.key) || client.depends_on(change.key)
        };
        let of_state = self.history.changes[..state as usize].iter().filter(depends).count();
        let since = account.owed.iter().filter(|&&change| change >= state).count();
        (of_state + since) as u64
    }

    fn write_off(&mut self, client: ClientId) {
        let account = &mut self.accounts[client as usize];
        account.state = None;
        for change in account.owed.drain(..) {
            self.outstanding[change as usize] -= 1;
        }
    }
}

/// Up to an hour, which is longer than any run that delivers.
fn microseconds(time: Duration) -> u32 {
    time.as_micros().try_into().unwrap_or(u32::MAX)
}

#[cfg(test)]
#[path = "oracle_tests.rs"]
mod tests;
