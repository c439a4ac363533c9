//! Which `Host` a request may name.
//!
//! A page of another site can have its own name resolve to this machine, and then read what is
//! served here with the visitor's browser (DNS rebinding). The browser still sends the other site's
//! name.

use axum::extract::{Request, State};
use axum::http::header::HOST;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::net::IpAddr;
use std::sync::Arc;

/// The names under which the admin page is served.
#[derive(Clone, Debug)]
pub(super) struct Hosts {
    bound: IpAddr,
    names: Arc<[String]>,
}

impl Hosts {
    /// `localhost`, the address that the page is bound to, and these names. A page that is bound to
    /// all addresses is served under each of them: an address can't be rebound.
    pub(super) fn new(bound: IpAddr, names: Vec<String>) -> Self {
        Self { bound, names: names.into() }
    }

    fn allow(&self, host: &str) -> bool {
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if let Ok(address) = bare.parse::<IpAddr>() {
            return address == self.bound || address.is_loopback() || self.bound.is_unspecified();
        }
        let same = |name: &str| name.eq_ignore_ascii_case(host);
        same("localhost") || self.names.iter().any(|name| same(name))
    }
}

/// The host that a request names. A target in absolute form goes before the header.
fn named(uri: &Uri, headers: &HeaderMap) -> Option<String> {
    if let Some(authority) = uri.authority() {
        return Some(authority.host().to_owned());
    }
    let mut all = headers.get_all(HOST).iter();
    let (one, None) = (all.next()?, all.next()) else { return None };
    let authority: Authority = one.to_str().ok()?.parse().ok()?;
    Some(authority.host().to_owned())
}

/// Answers requests for other hosts itself.
pub(super) async fn check(State(hosts): State<Hosts>, request: Request, next: Next) -> Response {
    match named(request.uri(), request.headers()) {
        Some(host) if hosts.allow(&host) => next.run(request).await,
        _ => {
            let why = "This is not the host that was asked for. --admin-host NAME allows a name.\n";
            (StatusCode::MISDIRECTED_REQUEST, why).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_allowed() {
        let hosts = |bound: &str| Hosts::new(bound.parse().unwrap(), vec!["plane.mesh".into()]);
        let loopback = hosts("127.0.0.1");
        for host in ["localhost", "LocalHost", "127.0.0.1", "[::1]", "plane.mesh"] {
            assert!(loopback.allow(host), "{host}");
        }
        for host in ["evil.example", "localhost.evil.example", "10.0.0.7", "", "mesh"] {
            assert!(!loopback.allow(host), "{host}");
        }
        assert!(hosts("10.0.0.7").allow("10.0.0.7") && !hosts("10.0.0.7").allow("10.0.0.8"));
        assert!(hosts("0.0.0.0").allow("10.0.0.7") && !hosts("0.0.0.0").allow("evil.example"));
    }

    #[test]
    fn the_port_does_not_count_and_a_target_in_absolute_form_does() {
        let host = |uri: &str, values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(HOST, value.parse().unwrap());
            }
            named(&uri.parse().unwrap(), &headers)
        };
        assert_eq!(host("/", &["a.example:80"]).as_deref(), Some("a.example"));
        assert_eq!(host("/", &["[::1]:80"]).as_deref(), Some("[::1]"));
        assert_eq!(host("http://b.example/", &["localhost"]).as_deref(), Some("b.example"));
        assert_eq!(host("/", &["localhost", "evil.example"]), None);
        assert_eq!(host("/", &[]), None);
        assert_eq!(host("/", &["a b"]), None);
    }
}
