"""Envoy, with what it can wait for in vain: scoped routes, secrets, endpoints after a reconnect, virtual hosts."""

import contextlib
import json

import certificates
import config
from cases import case
from envoy_cases import basic, in_service, one
from envoy_proxy import Envoy
from support import Calls, Cutter, Plane, http_backend, until

T = config.T
SCOPE = T + "envoy.config.route.v3.ScopedRouteConfiguration"
VIRTUAL_HOST = T + "envoy.config.route.v3.VirtualHost"
SECRET = T + "envoy.extensions.transport_sockets.tls.v3.Secret"
UPSTREAM_TLS = T + "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"


def with_manager(**changes):
    """The listener with another connection manager: a value of None is left out."""
    changed = {**config.manager("echo"), **changes}
    manager = {key: value for key, value in changed.items() if value is not None}
    filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]
    return {**config.socket_listener(0), "filter_chains": [{"filters": filters}]}


def scoped_listener():
    """The scope goes by the host that a request is for, without the port."""
    host = {"name": ":authority", "element_separator": ":", "index": 0}
    scopes = {
        "name": "scopes",
        "scope_key_builder": {"fragments": [{"header_value_extractor": host}]},
        "rds_config_source": config.ADS,
        "scoped_rds": {"scoped_rds_config_source": config.ADS},
    }
    return with_manager(rds=None, scoped_routes=scopes)


def scope(name, host, route):
    return {"@type": SCOPE, "name": name, "route_configuration_name": route,
            "key": {"fragments": [{"string_key": host}]}}


def scopes(work, protocol):
    """Scoped routes are asked for without names, and a scope that is gone is gone."""
    with contextlib.ExitStack() as stack:
        port = stack.enter_context(http_backend("a"))
        plane = stack.enter_context(Plane(work))
        rest = scoped_listener(), config.cluster(), config.endpoints([port]), config.routes()
        other = scope("other", "elsewhere", "echo")
        plane.serve(*rest, scope("one", "127.0.0.1", "echo"), other)
        envoy = stack.enter_context(Envoy(work, plane.port, protocol))
        envoy.listen()
        until("an answer", lambda: envoy.call() == "a")
        plane.serve(*rest, other)
        until("its scope is gone", lambda: envoy.get()[0] == 404)
        plane.serve(*rest, scope("one", "127.0.0.1", "echo"), other)
        until("an answer again", lambda: envoy.call() == "a")
        envoy.settled()


def secrets(work, protocol):
    """A cluster needs a secret, and the route to it comes at the same time: no call fails."""
    with one(work, protocol, "a", "b") as (plane, envoy, (a, b), _), Calls(envoy.call) as calls:
        ca = certificates.make(work).ca.read_text()
        trust = {"validation_context": {"trusted_ca": {"inline_string": ca}}}
        secret = {"@type": SECRET, "name": "trust", **trust}
        # For endpoints that say so, and none does: it is plain text, but the cluster waits for its secret.
        wanted = {"name": "trust", "sds_config": config.ADS}
        context = {"common_tls_context": {"validation_context_sds_secret_config": wanted}}
        socket = {"name": "envoy.transport_sockets.tls", "typed_config": {"@type": UPSTREAM_TLS, **context}}
        match = {"name": "tls", "match": {"tls": True}, "transport_socket": socket}
        for turn in range(3):
            name = f"secret{turn}"
            safe = {**config.cluster(name), "transport_socket_matches": [match]}
            more = safe, config.endpoints([b], name), secret
            plane.serve(config.socket_listener(0), config.routes(name), *basic(a)[2:], *more)
            calls.follow("b")
            plane.serve(*basic(a), *more)
            calls.follow("a")
        calls.check()


def missing(work, protocol):
    """A cluster without endpoints doesn't keep Envoy warming, even if it would wait for ever."""
    with one(work, protocol, "a") as (plane, envoy, (a,), _):
        none = config.cluster("none")
        none["eds_cluster_config"]["eds_config"] = {**config.ADS, "initial_fetch_timeout": "0s"}
        plane.serve(*basic(a), none)
        until("it is in service", lambda: '"none"' in envoy.ask("/config_dump?resource=dynamic_active_clusters"))
        assert envoy.call() == "a"


def changed_while_away(work, protocol):
    """The cluster changes while Envoy is away, its endpoints don't: Envoy needs them all the same."""
    with one(work, protocol, "a", through=Cutter) as (plane, envoy, (a,), cutter), Calls(envoy.call) as calls:
        for seconds in range(2, 8):
            cutter.shut = True
            cutter.cut()
            plane.serve(*basic(a)[:2], config.cluster(seconds=seconds), config.endpoints([a]))
            calls.more()
            cutter.shut = False
            until("the changed cluster is in service", lambda: in_service(envoy, seconds))
        calls.check()


def virtual_hosts(work):
    """A request for a domain that Envoy doesn't know yet has it ask for the virtual host, by an alias."""
    with contextlib.ExitStack() as stack:
        port = stack.enter_context(http_backend("a"))
        plane = stack.enter_context(Plane(work))
        filters = [{"name": "on_demand", "typed_config": {
            "@type": T + "envoy.extensions.filters.http.on_demand.v3.OnDemand"}}]
        filters += config.manager("echo")["http_filters"]
        # Envoy asks for what is in the request's header, port included.
        listener = with_manager(http_filters=filters, strip_any_host_port=True)
        source = {"resource_api_version": "V3", "initial_fetch_timeout": "0.5s", "api_config_source": {
            "api_type": "DELTA_GRPC", "transport_api_version": "V3",
            "grpc_services": [{"envoy_grpc": {"cluster_name": "xds"}}]}}
        route = {"@type": config.ROUTES, "name": "echo", "vhds": {"config_source": source}}
        match = [{"match": {"prefix": "/"}, "route": {"cluster": "echo"}}]
        host = {"@type": VIRTUAL_HOST, "name": "echo/local", "domains": ["127.0.0.1"], "routes": match}
        plane.serve(listener, route, config.cluster(), config.endpoints([port]), host)
        envoy = stack.enter_context(Envoy(work, plane.port, "delta"))
        envoy.listen()
        until("an answer", lambda: envoy.call() == "a")
        hosts = json.loads(envoy.ask("/config_dump"))
        assert "echo/local" in json.dumps(hosts)


for protocol in ("sotw", "delta"):
    for name, function in {
        "scoped routes": scopes,
        "secrets": secrets,
        "missing endpoints": missing,
        "cluster changed while away": changed_while_away,
    }.items():
        case(f"envoy {protocol} {name}")(lambda work, function=function, protocol=protocol: function(work, protocol))
case("envoy delta virtual hosts on demand")(virtual_hosts)
