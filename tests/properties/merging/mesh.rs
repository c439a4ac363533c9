//! The mesh's request and who needs it, through the public API only.

use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use pushlane::Lane;
use pushlane::backlog::merge::check_laws;
use pushlane::backlog::{Everything, Merge};
use pushlane::mesh::*;

mod queue;
mod strategies;
mod targeting;

use strategies::*;

fn merged<T: Merge + Clone>(a: &T, b: &T) -> T {
    let mut out = a.clone();
    out.merge(b);
    out
}

fn config(kind: &str, namespace: &str) -> ConfigKey {
    ConfigKey::new(kind, namespace, "x")
}

fn changed(config: ConfigKey) -> PushRequest {
    PushRequest::nothing().with_config(config)
}

fn endpoints(namespace: &str, host: &str) -> PushRequest {
    PushRequest::nothing().with_service(Service::new(namespace, host))
}

/// A client of one namespace that cares about every kind.
fn tenant(namespace: &str) -> Dependencies {
    Dependencies {
        namespaces: [namespace.into()].into(),
        kinds: ScopeSet::All,
        ..Dependencies::nothing()
    }
}

fn watching(namespace: &str, host: &str) -> Dependencies {
    Dependencies { services: [Service::new(namespace, host)].into(), ..Dependencies::nothing() }
}

// --- merging -----------------------------------------------------------------------------------

#[test]
fn configs_and_services_are_united() {
    let both = merged(&changed(config("k", "a")), &endpoints("b", "cart"));
    let both = merged(&both, &changed(config("l", "a")));
    assert_eq!(both.configs().len(), Some(2));
    assert_eq!(both.namespaces().unwrap().len(), 1);
    assert_eq!(both.kinds().unwrap().len(), 2);
    assert!(both.services().contains(&Service::new("b", "cart")));
}

#[test]
fn the_earlier_start_and_the_newer_version_win() {
    let old = PushRequest::nothing().with_start(10).with_version(1);
    let new = PushRequest::nothing().with_start(20).with_version(2);
    for both in [merged(&old, &new), merged(&new, &old)] {
        assert_eq!((both.start(), both.version()), (Some(10), Some(2)));
    }
}

#[test]
fn an_unknown_start_or_version_gives_way_to_a_known_one() {
    let known = PushRequest::nothing().with_start(10).with_version(1);
    for both in [merged(&known, &PushRequest::nothing()), merged(&PushRequest::nothing(), &known)] {
        assert_eq!((both.start(), both.version()), (Some(10), Some(1)));
    }
}

#[test]
fn reasons_are_counted() {
    let one = PushRequest::nothing().with_reason(Reason::CONFIG);
    let two = merged(&one, &one.clone().with_reason(Reason::ENDPOINT));
    assert_eq!(
        two.reasons().iter().collect::<Vec<_>>(),
        [(Reason::CONFIG, 2), (Reason::ENDPOINT, 1)]
    );
}

#[test]
fn a_count_that_is_full_stays_full() {
    let mut full = Reasons::default();
    full.add(Reason::CONFIG, u32::MAX - 1);
    let mut two = Reasons::default();
    two.add(Reason::CONFIG, 2);
    assert_eq!(merged(&full, &two).count(Reason::CONFIG), u32::MAX);
    assert_eq!(check_laws(&[full, two, Reasons::default()]), Ok(()));
}

#[test]
fn everything_wins_and_covers_the_endpoints() {
    let some = merged(&changed(config("k", "a")), &endpoints("b", "cart"));
    for both in
        [merged(&some, &PushRequest::everything()), merged(&PushRequest::everything(), &some)]
    {
        assert!(both.is_everything());
        assert!(both.services().is_empty());
        assert_eq!((both.namespaces(), both.kinds()), (None, None));
    }
}

#[test]
fn an_empty_request_is_nothing_and_swallows_nothing() {
    let some = changed(config("k", "a"));
    assert!(PushRequest::nothing().is_nothing());
    assert_eq!(merged(&PushRequest::nothing(), &some), some);
    assert_eq!(merged(&some, &PushRequest::nothing()), some);
}

#[test]
fn an_endpoint_change_survives_a_config_change_it_merged_with() {
    let client = ClientScope::new(watching("b", "cart"));
    let both = merged(&changed(config("k", "a")), &endpoints("b", "cart"));
    assert_eq!(client.filtered(&both), Some(endpoints("b", "cart")));
}

#[test]
fn a_push_is_incremental_only_while_all_changes_are_endpoints() {
    assert!(endpoints("b", "cart").is_incremental());
    assert!(!merged(&endpoints("b", "cart"), &changed(config("k", "a"))).is_incremental());
    assert!(!PushRequest::nothing().is_incremental());
    assert!(!PushRequest::everything().is_incremental());
}

#[test]
fn too_many_services_become_all_endpoints_and_stay_incremental() {
    let capped = PushRequest::nothing().with_cap(1);
    let many = merged(&merged(&capped, &endpoints("a", "x")), &endpoints("a", "y"));
    assert!(many.is_incremental() && many.services().is_everything());
    assert!(ClientScope::new(watching("b", "z")).needs_push(&many));
    assert!(!ClientScope::new(tenant("b")).needs_push(&many));
    assert_eq!(ClientScope::new(tenant("b")).filtered(&many), None);
}

#[test]
fn too_many_configs_become_everything() {
    let capped = PushRequest::nothing().with_cap(1).with_service(Service::new("a", "x"));
    let one = capped.with_config(config("k", "a"));
    assert!(!one.is_everything());
    let two = one.with_config(config("k", "b"));
    assert!(two.is_everything() && two.services().is_empty());
}

// --- who needs it ------------------------------------------------------------------------------

#[test]
fn a_gateway_change_does_not_reach_a_sidecar() {
    let sidecar = ClientScope::new(Dependencies {
        kinds: ["virtual-service".into(), "destination-rule".into()].into(),
        ..tenant("a")
    });
    let gateways = merged(&changed(config("gateway", "a")), &changed(config("gateway", "b")));
    assert!(!sidecar.needs_push(&gateways));
    assert!(sidecar.needs_push(&merged(&gateways, &changed(config("virtual-service", "a")))));
}

#[test]
fn a_tenant_hears_of_its_namespace_only() {
    let client = ClientScope::new(tenant("a"));
    let both = merged(&changed(config("k", "a")), &changed(config("k", "b")));
    assert_eq!(client.filtered(&both), Some(changed(config("k", "a"))));
    assert!(!client.needs_push(&changed(config("k", "b"))));
}

#[test]
fn kinds_and_namespaces_of_different_configs_do_not_combine() {
    let client = ClientScope::new(Dependencies { kinds: ["k".into()].into(), ..tenant("a") });
    let other = merged(&changed(config("l", "a")), &changed(config("k", "b")));
    assert!(!client.needs_push(&other));
}

#[test]
fn scoping_by_service_needs_no_namespaces() {
    let cart = Service::new("shop", "cart");
    let client =
        ClientScope::new(Dependencies { kinds: ScopeSet::All, ..watching("shop", "cart") });
    let rule = config("destination-rule", "operators");
    assert!(client.needs_push(&changed(rule.clone().about(cart.clone()))));
    assert!(!client.needs_push(&changed(rule.clone())));
    assert!(!client.needs_push(&changed(rule.about(Service::new("shop", "search")))));
    assert!(client.needs_push(&service_change(cart, 0).request));
    assert!(!client.needs_push(&service_change(Service::new("shop", "search"), 0).request));
}

#[test]
fn endpoints_nobody_watches_are_sent_to_nobody() {
    let client =
        ClientScope::new(Dependencies { services: ScopeSet::nothing(), ..Dependencies::all() });
    assert_eq!(client.filtered(&endpoints("a", "cart")), None);
}

#[test]
fn a_client_hears_of_what_it_left_until_a_push_with_the_new_scope_completed() {
    let mut client = ClientScope::new(tenant("a"));
    client.update(tenant("b"));
    assert!(client.needs_push(&changed(config("k", "a"))));
    assert!(client.needs_push(&changed(config("k", "b"))));
    assert!(client.settle(client.revision()));
    assert!(!client.needs_push(&changed(config("k", "a"))));
    assert!(client.needs_push(&changed(config("k", "b"))));
}

#[test]
fn a_push_that_began_before_the_scope_changed_settles_nothing() {
    let mut client = ClientScope::new(tenant("a"));
    let leased_at = client.revision();
    client.update(tenant("b"));
    assert!(!client.settle(leased_at));
    assert!(client.needs_push(&changed(config("k", "a"))));
}

#[test]
fn scopes_that_change_faster_than_pushes_add_up() {
    let mut client = ClientScope::new(tenant("a"));
    client.update(tenant("b"));
    client.update(tenant("c"));
    for namespace in ["a", "b", "c"] {
        assert!(client.needs_push(&changed(config("k", namespace))), "{namespace}");
    }
}

#[test]
fn an_update_that_changes_nothing_leaves_nothing_to_settle() {
    let mut client = ClientScope::new(tenant("a"));
    let before = client.revision();
    client.update(tenant("a"));
    assert_eq!((client.previous(), client.revision()), (None, before));
}

// --- what happened -----------------------------------------------------------------------------

#[test]
fn endpoint_changes_are_urgent_and_the_rest_is_not() {
    let cart = || Service::new("shop", "cart");
    assert_eq!(instance_change(cart(), 0).lane, Lane::Urgent);
    assert_eq!(service_change(cart(), 0).lane, Lane::Normal);
    assert_eq!(config_change(config("k", "a"), 0).lane, Lane::Normal);
    assert_eq!(clear_cache(0).lane, Lane::Normal);
}

#[test]
fn a_kind_is_its_text_whether_constant_or_made() {
    let (constant, made) = (Kind::constant("gateway"), Kind::from(String::from("gateway")));
    assert_eq!(constant, made);
    assert!(constant < Kind::from("service") && Kind::constant("envoy") < made);
    assert!(ScopeSet::from([constant.clone()]).contains(&made));
    assert!(std::collections::HashSet::from([made]).contains("gateway"));
    assert_eq!(format!("{constant} {constant:?}"), "gateway \"gateway\"");
}

#[test]
fn every_event_carries_its_reason_and_its_start() {
    let cart = || Service::new("shop", "cart");
    for (change, reason) in [
        (instance_change(cart(), 5), Reason::ENDPOINT),
        (service_change(cart(), 5), Reason::SERVICE),
        (config_change(config("k", "a"), 5), Reason::CONFIG),
        (clear_cache(5), Reason::GLOBAL),
    ] {
        assert_eq!(change.request.start(), Some(5));
        assert_eq!(change.request.reasons().iter().collect::<Vec<_>>(), [(reason, 1)]);
    }
}

#[test]
fn a_service_change_reaches_its_namespace_and_its_watchers() {
    let change = service_change(Service::new("shop", "cart"), 0).request;
    let watcher = Dependencies { kinds: [Kind::service()].into(), ..watching("shop", "cart") };
    assert!(ClientScope::new(tenant("shop")).needs_push(&change));
    assert!(ClientScope::new(watcher).needs_push(&change));
    assert!(!ClientScope::new(tenant("books")).needs_push(&change));
}

#[test]
fn clearing_the_cache_reaches_a_client_that_depends_on_nothing() {
    let client = ClientScope::new(Dependencies::nothing());
    assert_eq!(client.filtered(&clear_cache(0).request), Some(clear_cache(0).request));
}

// --- what is asked
// ---------------------------------------------------------------------------------

#[test]
fn a_scope_says_what_it_is_and_was() {
    let mut client = ClientScope::new(tenant("a"));
    assert_eq!((client.current(), client.previous()), (&tenant("a"), None));
    client.update(tenant("b"));
    assert_eq!((client.current(), client.previous()), (&tenant("b"), Some(&tenant("a"))));
}

#[test]
fn a_reason_is_its_label_and_is_counted_if_there_were_events() {
    assert_eq!(
        (Reason::new("other").as_str(), Reason::CONFIG.to_string()),
        ("other", "config".into())
    );
    let mut reasons = Reasons::default();
    reasons.add(Reason::CONFIG, 0);
    assert_eq!(reasons, Reasons::default());
    reasons.add(Reason::CONFIG, 2);
    assert_eq!((reasons.count(Reason::CONFIG), reasons.count(Reason::GLOBAL)), (2, 0));
}

#[test]
fn all_endpoints_leave_a_client_that_watches_none_its_configs() {
    let all = changed(config("k", "b")).with_service(Service::new("a", "x"));
    let all = all.with_service(Service::new("a", "y")).with_cap(1);
    assert!(all.services().is_everything());
    let left = ClientScope::new(tenant("b")).filtered(&all).expect("its config");
    assert_eq!((left.configs(), left.services().len()), (all.configs(), Some(0)));
}

#[test]
fn everything_is_the_same_to_a_journal() {
    assert_eq!(<PushRequest as Everything>::everything(), PushRequest::everything());
    assert!(PushRequest::everything().is_everything());
}

// --- laws --------------------------------------------------------------------------------------

proptest! {
    #[test]
    fn merging_requests_is_lawful(requests in vec(any_request(0..5), 3..5)) {
        prop_assert_eq!(check_laws(&requests), Ok(()));
    }

    #[test]
    fn merging_dependencies_is_lawful(dependencies in vec(any_dependencies(), 3..5)) {
        prop_assert_eq!(check_laws(&dependencies), Ok(()));
    }

    #[test]
    fn a_push_is_needed_exactly_if_something_is_left_of_it(
        client in any_client(), request in any_request(0..9),
    ) {
        prop_assert_eq!(client.needs_push(&request), client.filtered(&request).is_some());
    }

    #[test]
    fn what_is_left_of_a_request_is_what_the_client_depends_on(
        client in any_client(), request in any_request(9..10),
    ) {
        let left = client.filtered(&request).unwrap_or_default();
        if let (Some(all), Some(left)) = (request.configs().keys(), left.configs().keys()) {
            prop_assert!(left.eq(all.filter(|c| client.depends_on(c))));
        } else {
            prop_assert!(request.is_everything() && left.is_everything());
        }
        if let (Some(all), Some(left)) = (request.services().keys(), left.services().keys()) {
            prop_assert!(left.eq(all.filter(|s| client.watches(s))));
        }
    }

    #[test]
    fn filtering_a_merge_is_merging_what_was_filtered(
        client in any_client(), a in uncapped_request(), b in uncapped_request(),
    ) {
        let after = client.filtered(&merged(&a, &b));
        let before = merged(&client.filtered(&a), &client.filtered(&b));
        prop_assert_eq!(after.is_some(), before.is_some());
        if let (Some(after), Some(before)) = (after, before) {
            prop_assert_eq!(after.configs(), before.configs());
            prop_assert_eq!(after.services(), before.services());
            prop_assert!(after.version() >= before.version());
            prop_assert!(before.start().is_none_or(|start| after.start().unwrap() <= start));
            for (reason, count) in before.reasons().iter() {
                prop_assert!(after.reasons().count(reason) >= count);
            }
        }
    }

    #[test]
    fn filtering_an_escalated_merge_loses_nothing(
        client in any_client(), a in any_request(0..4), b in any_request(0..4),
    ) {
        let after = client.filtered(&merged(&a, &b)).unwrap_or_default();
        let before = merged(&client.filtered(&a), &client.filtered(&b)).unwrap_or_default();
        prop_assert!(after.is_everything() || !before.is_everything());
        for config in all_configs() {
            prop_assert!(after.configs().contains(&config) || !before.configs().contains(&config));
        }
        for service in all_services() {
            let covered = after.is_everything() || after.services().contains(&service)
                || !client.watches(&service);
            prop_assert!(covered || !before.services().contains(&service));
        }
    }

    #[test]
    fn a_wider_scope_needs_every_push_a_narrower_one_needs(
        narrow in any_dependencies(), more in any_dependencies(), request in any_request(0..9),
    ) {
        let wide = ClientScope::new(merged(&narrow, &more));
        prop_assert!(wide.needs_push(&request) || !ClientScope::new(narrow).needs_push(&request));
    }

    #[test]
    fn a_client_that_depends_on_nothing_needs_everything_only(request in any_request(0..9)) {
        let client = ClientScope::new(Dependencies::nothing());
        prop_assert_eq!(client.needs_push(&request), request.is_everything());
    }

    #[test]
    fn a_client_that_depends_on_all_needs_whatever_is_not_nothing(request in any_request(0..9)) {
        let client = ClientScope::new(Dependencies::all());
        prop_assert_eq!(client.needs_push(&request), !request.is_nothing());
    }
}
