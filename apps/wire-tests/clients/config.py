"""What the control plane serves in these tests, as proto3 JSON."""

T = "type.googleapis.com/"
LISTENER = T + "envoy.config.listener.v3.Listener"
ROUTES = T + "envoy.config.route.v3.RouteConfiguration"
CLUSTER = T + "envoy.config.cluster.v3.Cluster"
ENDPOINTS = T + "envoy.config.endpoint.v3.ClusterLoadAssignment"
MANAGER = T + "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
ROUTER = T + "envoy.extensions.filters.http.router.v3.Router"

ADS = {"ads": {}, "resource_api_version": "V3"}


def manager(route):
    return {
        "@type": MANAGER,
        "stat_prefix": "echo",
        **({"rds": {"route_config_name": route, "config_source": ADS}} if route else {}),
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {"@type": ROUTER}}],
    }


def api_listener(name="echo", route="echo"):
    """For gRPC clients. Envoy ACKs it, and has no use for it."""
    return {"@type": LISTENER, "name": name, "api_listener": {"api_listener": manager(route)}}


def socket_listener(port, route="echo"):
    """For Envoy."""
    filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager(route)}]
    return {
        "@type": LISTENER,
        "name": "ingress",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "filter_chains": [{"filters": filters}],
    }


def routes(cluster="echo", name="echo", match=None):
    match = {"prefix": ""} if match is None else match
    host = {"name": "echo", "domains": ["*"], "routes": [{"match": match, "route": {"cluster": cluster}}]}
    return {"@type": ROUTES, "name": name, "virtual_hosts": [host]}


def cluster(name="echo", service=None, seconds=1):
    """`seconds` of connect timeout: another number is another cluster, which clients warm again."""
    eds = {"eds_config": ADS, **({"service_name": service} if service else {})}
    return {
        "@type": CLUSTER,
        "name": name,
        "type": "EDS",
        "connect_timeout": f"{seconds}s",
        "eds_cluster_config": eds,
    }


def endpoints(ports, name="echo", priority=0):
    each = [{"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}} for port in ports]
    locality = {
        "locality": {"region": "here", "zone": "a"},
        "load_balancing_weight": 1,
        "lb_endpoints": each,
        **({"priority": priority} if priority else {}),
    }
    return {"@type": ENDPOINTS, "cluster_name": name, "endpoints": [locality]}


# Each kind in a form that both gRPC and Envoy refuse. The types are right, so the control plane serves them.
def broken_api_listener():
    return api_listener(route=None)


def broken_socket_listener(port):
    return socket_listener(port, route=None)


def broken_routes():
    return routes(match={})


def broken_cluster():
    broken = cluster()
    del broken["eds_cluster_config"]
    return broken


def broken_endpoints(ports):
    return endpoints(ports, priority=129)
