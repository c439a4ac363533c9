//! The recipients found before the queue include every client that needs the push.

use std::collections::BTreeSet;

use pushlane::Topic;

use super::*;

/// What the queue does with a target, said plainly.
fn reaches(recipients: &Recipients, subscribed: &BTreeSet<Topic>) -> bool {
    let meets = |topics: &[Topic]| topics.iter().any(|topic| subscribed.contains(topic));
    match recipients {
        Recipients::Everyone => true,
        Recipients::Topics { any, and_any } => {
            meets(any) && and_any.as_ref().is_none_or(|filter| meets(filter))
        }
    }
}

fn isolations() -> impl Strategy<Value = Isolation> {
    proptest::sample::select(vec![Isolation::Namespace, Isolation::Host, Isolation::Service])
}

fn roomy(isolation: Isolation) -> Directory {
    Directory::new(1_000, isolation).unwrap()
}

fn reached(directory: &mut Directory, client: &Dependencies, request: &PushRequest) -> bool {
    let subscribed = directory.topics_of(&ClientScope::new(client.clone()));
    reaches(&directory.recipients(request), &subscribed)
}

#[test]
fn a_tenant_is_not_touched_by_another_tenants_changes() {
    let mut directory = roomy(Isolation::Namespace);
    assert!(reached(&mut directory, &tenant("a"), &changed(config("k", "a"))));
    assert!(!reached(&mut directory, &tenant("a"), &changed(config("k", "b"))));
    assert!(!reached(&mut directory, &tenant("a"), &endpoints("b", "x")));
}

#[test]
fn a_client_of_other_kinds_is_not_touched() {
    let mut directory = roomy(Isolation::Namespace);
    let sidecar = Dependencies { kinds: ["k".into()].into(), ..tenant("a") };
    assert!(!reached(&mut directory, &sidecar, &changed(config("gateway", "a"))));
    assert!(reached(&mut directory, &sidecar, &changed(config("k", "a"))));
}

#[test]
fn a_client_of_all_namespaces_is_reached_by_each() {
    let mut directory = roomy(Isolation::Namespace);
    let all = Dependencies { namespaces: ScopeSet::All, ..tenant("a") };
    assert!(reached(&mut directory, &all, &changed(config("k", "never heard of"))));
}

#[test]
fn weaker_isolation_tells_services_of_one_namespace_apart() {
    for (isolation, touched) in
        [(Isolation::Namespace, true), (Isolation::Host, false), (Isolation::Service, false)]
    {
        let mut directory = roomy(isolation);
        assert_eq!(reached(&mut directory, &watching("a", "x"), &endpoints("a", "y")), touched);
    }
}

#[test]
fn hosts_are_one_topic_in_all_namespaces_and_services_are_not() {
    for (isolation, touched) in [(Isolation::Host, true), (Isolation::Service, false)] {
        let mut directory = roomy(isolation);
        assert_eq!(reached(&mut directory, &watching("a", "x"), &endpoints("b", "x")), touched);
    }
}

#[test]
fn all_endpoints_reach_each_client_that_watches_any() {
    let mut directory = roomy(Isolation::Service);
    let all = PushRequest::nothing().with_cap(0).with_service(Service::new("a", "x"));
    assert!(reached(&mut directory, &watching("b", "y"), &all));
    assert!(!reached(&mut directory, &tenant("b"), &all));
}

#[test]
fn an_endpoint_change_reaches_its_watchers_whatever_it_was_merged_with() {
    let mut directory = roomy(Isolation::Service);
    let both = merged(&endpoints("a", "x"), &changed(config("k", "b")));
    assert!(reached(&mut directory, &watching("a", "x"), &both));
}

#[test]
fn nothing_reaches_nobody() {
    let mut directory = roomy(Isolation::Service);
    assert!(!reached(&mut directory, &Dependencies::all(), &PushRequest::nothing()));
}

#[test]
fn every_topic_is_one_the_queue_has() {
    for topics in 5..40 {
        let mut directory = Directory::new(topics, Isolation::Service).unwrap();
        for name in 0..100 {
            let client = ClientScope::new(tenant(&format!("ns{name}")));
            let subscribed = directory.topics_of(&client);
            assert!(subscribed.iter().all(|topic| topic.0 < topics), "{subscribed:?} of {topics}");
        }
    }
}

#[test]
fn names_have_topics_of_their_own_until_those_run_out() {
    let mut directory = Directory::new(100, Isolation::Namespace).unwrap();
    let room = directory.own_topics_left();
    let mut seen = BTreeSet::new();
    for name in 0..room {
        seen.extend(directory.topics_of(&ClientScope::new(tenant(&format!("ns{name}")))));
    }
    // The one more is that of clients that care about all kinds.
    assert_eq!(seen.len() as u32, room + 1);
    assert_eq!(directory.own_topics_left(), 0);
    let late = directory.topics_of(&ClientScope::new(tenant("late")));
    assert!(!late.is_subset(&seen), "a shared topic must not be another name's own");
    let early = directory.topics_of(&ClientScope::new(tenant("ns0")));
    assert!(early.is_subset(&seen), "a name keeps the topic it has");
}

#[test]
fn late_names_spread_over_the_shared_topics() {
    let mut directory = Directory::new(104, Isolation::Namespace).unwrap();
    for name in 0..directory.own_topics_left() {
        _ = directory.topics_of(&ClientScope::new(tenant(&format!("early{name}"))));
    }
    let mut shared = BTreeSet::new();
    for name in 0..200 {
        shared.extend(directory.topics_of(&ClientScope::new(tenant(&format!("late{name}")))));
    }
    assert_eq!(shared.len(), 12 + 1);
}

#[test]
fn new_topics_come_before_old_ones_go() {
    let (old, new) = ([1, 2, 3].map(Topic).into(), [3, 4, 5].map(Topic).into());
    let steps = Resubscription::between(&old, &new).steps().collect::<Vec<_>>();
    assert_eq!(
        steps,
        [
            Step::Subscribe(Topic(4)),
            Step::Subscribe(Topic(5)),
            Step::Unsubscribe(Topic(1)),
            Step::Unsubscribe(Topic(2)),
        ]
    );
}

proptest! {
    #[test]
    fn the_recipients_include_every_client_that_needs_the_push(
        clients in vec(any_client(), 1..6),
        request in any_request(0..9),
        topics in Directory::MIN_TOPICS..40,
        isolation in isolations(),
    ) {
        let mut directory = Directory::new(topics, isolation).unwrap();
        let subscribed: Vec<_> = clients.iter().map(|client| directory.topics_of(client)).collect();
        let recipients = directory.recipients(&request);
        for (client, subscribed) in clients.iter().zip(&subscribed) {
            prop_assert!(
                reaches(&recipients, subscribed) || !client.needs_push(&request),
                "{client:?} is subscribed to {subscribed:?}, not in {recipients:?}"
            );
        }
    }

    #[test]
    fn a_client_is_reached_through_a_change_of_scope_at_every_step(
        before in any_dependencies(),
        after in any_dependencies(),
        request in any_request(0..9),
        topics in Directory::MIN_TOPICS..40,
        isolation in isolations(),
    ) {
        let mut directory = Directory::new(topics, isolation).unwrap();
        let mut client = ClientScope::new(before);
        let mut subscribed = directory.topics_of(&client);
        client.update(after);
        // Settled first, unsubscribed second: in between it is subscribed to more than it needs.
        for settle in [false, true] {
            if settle {
                prop_assert!(client.settle(client.revision()));
            }
            let wanted = directory.topics_of(&client);
            for step in Resubscription::between(&subscribed, &wanted).steps() {
                match step {
                    Step::Subscribe(topic) => prop_assert!(subscribed.insert(topic)),
                    Step::Unsubscribe(topic) => prop_assert!(subscribed.remove(&topic)),
                }
                if settle {
                    let recipients = directory.recipients(&request);
                    prop_assert!(reaches(&recipients, &subscribed) || !client.needs_push(&request));
                }
            }
            prop_assert_eq!(&subscribed, &wanted);
            let recipients = directory.recipients(&request);
            prop_assert!(reaches(&recipients, &subscribed) || !client.needs_push(&request));
        }
    }
}

#[test]
fn as_many_names_as_asked_for_have_their_own_topic_and_not_one_topic_is_wasted() {
    for names in (0..1_000).chain([1 << 20]) {
        let topics = Directory::topics_for(names);
        let own = |topics| Directory::new(topics, Isolation::Host).map(|d| d.own_topics_left());
        assert_eq!(own(topics), Ok(names));
        assert!(own(topics - 1).is_err() || own(topics - 1).unwrap() < names);
    }
    assert_eq!(Directory::topics_for(u32::MAX), u32::MAX);
}
