//! From the numbers that a history replaces names by, to the names that a mesh speaks in.
//!
//! Each name is made once and shared from then on. Neither the history nor the clients tell the
//! services of a namespace apart, so each namespace has one that stands for all.

use crate::history::{History, Key};
use crate::population::Client;
use pushlane::mesh::{
    self, Change, ClientScope, ConfigKey, Dependencies, Kind, Name, Namespace, Service,
};

pub(super) struct Words<'a> {
    history: &'a History,
    namespaces: Vec<Namespace>,
    kinds: Vec<Kind>,
    /// All services of a namespace.
    services: Vec<Service>,
    /// Some config or other.
    any: Name,
}

impl<'a> Words<'a> {
    pub(super) fn new(history: &'a History) -> Self {
        let namespaces: Vec<_> = history.namespaces.texts().map(Namespace::from).collect();
        let services =
            namespaces.iter().map(|namespace| Service::new(namespace.clone(), "*")).collect();
        let kinds = history.kinds.texts().map(Kind::from).collect();
        Self { history, namespaces, kinds, services, any: Name::from("*") }
    }

    /// How many of them can stand for a topic.
    pub(super) fn len(&self) -> u32 {
        (self.namespaces.len() + self.kinds.len()) as u32
    }

    /// What a change asks for.
    pub(super) fn change(&self, key: Key, start: u64) -> Change {
        let kind = &self.kinds[key.kind as usize];
        let service = || self.services[key.namespace as usize].clone();
        if self.history.endpoint_like(key.kind) {
            mesh::instance_change(service(), start)
        } else if self.history.concerns_all(key) {
            mesh::clear_cache(start)
        } else if *kind == Kind::service() {
            mesh::service_change(service(), start)
        } else {
            let namespace = self.namespaces[key.namespace as usize].clone();
            mesh::config_change(ConfigKey::new(kind.clone(), namespace, self.any.clone()), start)
        }
    }

    /// What a client depends on: its kinds in its namespaces, and the services there and in the
    /// root namespace, whose endpoints concern everyone.
    pub(super) fn scope(&self, client: &Client) -> ClientScope {
        let namespaces = client.namespaces.iter().map(|&number| number as usize);
        let kinds = client.kinds.iter().filter(|&&kind| !self.history.endpoint_like(kind));
        let watched = namespaces.clone().chain(self.history.root.map(|root| root as usize));
        ClientScope::new(Dependencies {
            namespaces: namespaces.map(|number| self.namespaces[number].clone()).collect(),
            kinds: kinds.map(|&number| self.kinds[number as usize].clone()).collect(),
            services: watched.map(|number| self.services[number].clone()).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::generate;
    use crate::population::{Population, Sizes};

    #[test]
    fn a_client_needs_exactly_what_concerns_it() {
        let mut history = generate(800, 50.0, 1, "root");
        history.push(9.0, "root", "endpoints", &mut Vec::new());
        let sizes = Sizes { clients: 50, hung: 0, slow: 0, leave: 0 };
        let clients = Population::new(&history, sizes, 1).clients;
        let words = Words::new(&history);
        let mut needed = 0;
        for client in &clients {
            let scope = words.scope(client);
            for change in &history.changes {
                let concerns = history.concerns_all(change.key) || client.depends_on(change.key);
                let request = words.change(change.key, 0).request;
                assert_eq!(scope.needs_push(&request), concerns, "{request:?} {scope:?}");
                needed += usize::from(concerns);
            }
        }
        assert!(needed > 0 && needed < clients.len() * history.changes.len());
    }
}
