//! Random requests and clients over a mesh small enough that they often meet.

use super::*;

const NAMESPACES: [&str; 3] = ["a", "b", "c"];
const KINDS: [&str; 3] = ["service", "k", "l"];
const HOSTS: [&str; 2] = ["x", "y"];

pub(crate) fn all_services() -> Vec<Service> {
    NAMESPACES.iter().flat_map(|ns| HOSTS.map(|host| Service::new(*ns, host))).collect()
}

pub(crate) fn all_configs() -> Vec<ConfigKey> {
    let mut all = Vec::new();
    for kind in KINDS {
        for namespace in NAMESPACES {
            let key = ConfigKey::new(kind, namespace, "only");
            all.extend(all_services().into_iter().map(|service| key.clone().about(service)));
            all.push(key);
        }
    }
    all
}

pub(crate) fn any_service() -> impl Strategy<Value = Service> {
    proptest::sample::select(all_services())
}

pub(crate) fn any_config() -> impl Strategy<Value = ConfigKey> {
    proptest::sample::select(all_configs())
}

fn scope_set<T: Ord + Clone + std::fmt::Debug + 'static>(
    all: Vec<T>,
) -> impl Strategy<Value = ScopeSet<T>> {
    prop_oneof![
        1 => Just(ScopeSet::All),
        4 => btree_set(proptest::sample::select(all), 0..3).prop_map(ScopeSet::Only),
    ]
}

pub(crate) fn any_dependencies() -> impl Strategy<Value = Dependencies> {
    (
        scope_set(NAMESPACES.map(Namespace::from).to_vec()),
        scope_set(KINDS.map(Kind::from).to_vec()),
        scope_set(all_services()),
    )
        .prop_map(|(namespaces, kinds, services)| Dependencies { namespaces, kinds, services })
}

/// With no, one or two scopes behind it that no push has settled.
pub(crate) fn any_client() -> impl Strategy<Value = ClientScope> {
    (any_dependencies(), vec(any_dependencies(), 0..3)).prop_map(|(first, later)| {
        let mut client = ClientScope::new(first);
        later.into_iter().for_each(|scope| client.update(scope));
        client
    })
}

/// Capped so tightly that merging, and sometimes building, escalates.
pub(crate) fn any_request(cap: std::ops::Range<usize>) -> impl Strategy<Value = PushRequest> {
    (uncapped_request(), cap).prop_map(|(request, cap)| request.with_cap(cap))
}

pub(crate) fn uncapped_request() -> impl Strategy<Value = PushRequest> {
    let changes = (vec(any_config(), 0..4), vec(any_service(), 0..4), 0..12u8);
    let rest = (
        vec(proptest::sample::select(vec![Reason::CONFIG, Reason::new("other")]), 0..3),
        proptest::option::of(0..4u64),
        proptest::option::of(0..4u64),
    );
    (changes, rest).prop_map(|((configs, services, forced), (reasons, start, version))| {
        let mut request =
            if forced == 0 { PushRequest::everything() } else { PushRequest::nothing() };
        for config in configs {
            request = request.with_config(config);
        }
        for service in services {
            request = request.with_service(service);
        }
        for reason in reasons {
            request = request.with_reason(reason);
        }
        if let Some(start) = start {
            request = request.with_start(start);
        }
        if let Some(version) = version {
            request = request.with_version(version);
        }
        request
    })
}
