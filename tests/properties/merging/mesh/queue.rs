//! The mesh over the real queue: who is leased, with what, in which lane.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use pushlane::backlog::{Locked, Shared};
use pushlane::{ClientKey, Config, PushQueue, Target, Topic};

use super::*;

const TOPICS: u32 = 64;

/// A queue and a client each of these dependencies, subscribed.
struct World {
    queue: PushQueue<Locked<PushRequest>>,
    directory: Directory,
    clients: BTreeMap<usize, (ClientKey, ClientScope, BTreeSet<Topic>)>,
}

impl World {
    fn new(topics: u32, isolation: Isolation, clients: Vec<Dependencies>) -> Self {
        let queue = PushQueue::new(Config::new(64).topics(topics as usize).permits(64));
        let directory = Directory::new(topics, isolation).unwrap();
        let mut world = World { queue, directory, clients: BTreeMap::new() };
        for dependencies in clients {
            let key = world.queue.register().unwrap();
            let scope = ClientScope::new(dependencies);
            world.clients.insert(key.index(), (key, scope, BTreeSet::new()));
            world.resubscribe(key);
        }
        world
    }

    fn resubscribe(&mut self, key: ClientKey) {
        let (_, scope, subscribed) = self.clients.get_mut(&key.index()).unwrap();
        let wanted = self.directory.topics_of(scope);
        Resubscription::between(subscribed, &wanted).apply(&self.queue, key).unwrap();
        *subscribed = wanted;
    }

    fn keys(&self) -> Vec<ClientKey> {
        self.clients.values().map(|(key, ..)| *key).collect()
    }

    /// Completes every push that is due; what each client was leased for, filtered.
    fn drain(&self) -> BTreeMap<usize, Option<PushRequest>> {
        let mut sent = BTreeMap::new();
        while let Some(lease) = self.queue.try_lease() {
            let index = lease.key().index();
            let before = sent.insert(index, self.clients[&index].1.filtered(lease.request()));
            assert!(before.is_none(), "merged requests make one push");
            lease.complete();
        }
        sent
    }
}

fn any_change() -> impl Strategy<Value = Change> {
    prop_oneof![
        5 => any_config().prop_map(|config| config_change(config, 1)),
        5 => any_service().prop_map(|service| instance_change(service, 1)),
        3 => any_service().prop_map(|service| service_change(service, 1)),
        1 => Just(clear_cache(1)),
    ]
}

fn isolations() -> impl Strategy<Value = Isolation> {
    proptest::sample::select(vec![Isolation::Namespace, Isolation::Host, Isolation::Service])
}

#[test]
fn a_tenants_change_leases_that_tenant_only() {
    let world = World::new(TOPICS, Isolation::Namespace, vec![tenant("a"), tenant("b")]);
    config_change(config("k", "b"), 1).publish(&world.queue, &world.directory).unwrap();
    let leased = world.drain();
    assert_eq!(leased.keys().copied().collect::<Vec<_>>(), [world.keys()[1].index()]);
}

#[test]
fn a_client_of_other_kinds_is_not_leased() {
    let sidecar = Dependencies { kinds: ["k".into()].into(), ..tenant("a") };
    let world = World::new(TOPICS, Isolation::Namespace, vec![sidecar]);
    config_change(config("gateway", "a"), 1).publish(&world.queue, &world.directory).unwrap();
    assert!(world.queue.try_lease().is_none());
}

#[test]
fn an_endpoint_change_is_leased_before_a_config_change() {
    let world = World::new(TOPICS, Isolation::Service, vec![tenant("a"), watching("a", "x")]);
    config_change(config("k", "a"), 1).publish(&world.queue, &world.directory).unwrap();
    instance_change(Service::new("a", "x"), 2).publish(&world.queue, &world.directory).unwrap();
    let first = world.queue.try_lease().unwrap();
    assert_eq!((first.key(), first.lane()), (world.keys()[1], Lane::Urgent));
    let second = world.queue.try_lease().unwrap();
    assert_eq!((second.key(), second.lane()), (world.keys()[0], Lane::Normal));
}

#[test]
fn a_change_is_shared_between_the_clients_it_is_pending_for() {
    let queue = PushQueue::<Shared<PushRequest>>::new(Config::new(64).topics(8));
    let directory = Directory::new(8, Isolation::Namespace).unwrap();
    queue.register().unwrap();
    queue.register().unwrap();
    clear_cache(1).publish(&queue, &directory).unwrap();
    let (a, b) = (queue.try_lease().unwrap(), queue.try_lease().unwrap());
    assert!(Arc::ptr_eq(a.request(), b.request()));
}

#[test]
fn a_client_that_moved_is_reached_through_both_scopes_until_it_settled() {
    let mut world = World::new(TOPICS, Isolation::Namespace, vec![tenant("a")]);
    let key = world.keys()[0];
    let scope = |world: &mut World, act: fn(&mut ClientScope)| {
        act(&mut world.clients.get_mut(&key.index()).unwrap().1);
        world.resubscribe(key);
    };
    let hears = |world: &World, namespace: &str| {
        config_change(config("k", namespace), 1).publish(&world.queue, &world.directory).unwrap();
        world.drain().into_values().flatten().count() == 1
    };

    scope(&mut world, |scope| scope.update(tenant("b")));
    world.queue.publish(Target::One(key), Lane::Normal, PushRequest::everything()).unwrap();
    assert_eq!(world.drain().into_values().flatten().count(), 1);
    assert!(hears(&world, "a") && hears(&world, "b"));

    scope(&mut world, |scope| assert!(scope.settle(scope.revision())));
    assert!(hears(&world, "b"));
    // What it left lets go of it when a push that began afterwards has completed: the last one.
    config_change(config("k", "a"), 1).publish(&world.queue, &world.directory).unwrap();
    assert!(world.queue.try_lease().is_none());
}

proptest! {
    #[test]
    fn every_client_is_sent_what_concerns_it_and_nothing_else(
        clients in vec(any_dependencies(), 1..8),
        changes in vec(any_change(), 1..8),
        topics in Directory::MIN_TOPICS..48,
        isolation in isolations(),
    ) {
        let world = World::new(topics, isolation, clients);
        for change in &changes {
            change.clone().publish(&world.queue, &world.directory).unwrap();
        }
        let sent = world.drain();
        for (index, (_, scope, _)) in &world.clients {
            let mut owed = None;
            for change in &changes {
                owed.merge(&scope.filtered(&change.request));
            }
            let sent = sent.get(index).cloned().flatten();
            prop_assert_eq!(
                sent.as_ref().map(|request| (request.configs(), request.services())),
                owed.as_ref().map(|request| (request.configs(), request.services()))
            );
        }
    }
}
