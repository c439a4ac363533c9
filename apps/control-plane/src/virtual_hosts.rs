//! By which domains clients ask for a virtual host.

use prost::Message;
use pushlane::adapters::xds::{Resource, TypeUrl};

/// What has to be known of an `envoy.config.route.v3.VirtualHost`.
#[derive(Clone, PartialEq, Message)]
struct VirtualHost {
    #[prost(string, repeated, tag = "2")]
    domains: Vec<String>,
}

/// A virtual host is also known by each of its domains, behind the name of its route configuration: `routes/shop` by
/// `routes/shop.example`. Envoy asks like this when it has a request for a domain that it doesn't know.
pub(crate) fn with_domains(resource: Resource) -> Resource {
    if **resource.type_url() != *TypeUrl::VIRTUAL_HOST {
        return resource;
    }
    let Some((routes, _)) = resource.name().rsplit_once('/') else { return resource };
    // One that can't be read has no domains: the client will say what is wrong with it.
    let host = VirtualHost::decode(resource.body()).unwrap_or_default();
    let exact = host.domains.iter().filter(|domain| !domain.contains('*'));
    let aliases: Vec<String> = exact.map(|domain| format!("{routes}/{domain}")).collect();
    resource.with_aliases(aliases)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_virtual_host_is_known_by_its_domains() {
        let host = |type_url: &str, name: &str| {
            let domains = ["shop.example", "*.shop.example"].map(String::from).to_vec();
            let body = VirtualHost { domains }.encode_to_vec();
            let made = with_domains(Resource::hashed(type_url, name, body));
            made.aliases().map(String::from).collect::<Vec<_>>()
        };
        assert_eq!(host(TypeUrl::VIRTUAL_HOST, "a/b/shop"), ["a/b/shop.example"]);
        assert!(host(TypeUrl::VIRTUAL_HOST, "shop").is_empty());
        assert!(host(TypeUrl::ROUTES, "a/shop").is_empty());
    }
}
