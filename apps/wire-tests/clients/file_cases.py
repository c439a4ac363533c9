"""The directory of resources, seen from the wire: what is read from JSON, YAML and exact bytes is what protobuf's own
JSON reader makes of it, and a broken file changes nothing."""

import base64
import importlib
import json
import queue
from pathlib import Path

import grpc
from envoy.config.core.v3 import base_pb2
from envoy.service.discovery.v3 import ads_pb2_grpc, discovery_pb2
from google.protobuf import any_pb2, json_format

import config
from cases import case
from support import LONG, Plane, until

BUILTIN = Path(__file__).parent / "../../control-plane/src/builtin.json"
MODULES = [
    "envoy.config.cluster.v3.cluster_pb2",
    "envoy.config.endpoint.v3.endpoint_pb2",
    "envoy.config.listener.v3.listener_pb2",
    "envoy.config.route.v3.route_pb2",
    "envoy.extensions.access_loggers.stream.v3.stream_pb2",
    "envoy.extensions.filters.http.fault.v3.fault_pb2",
    "envoy.extensions.filters.http.router.v3.router_pb2",
    "envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2",
    "envoy.extensions.transport_sockets.tls.v3.tls_pb2",
    "envoy.extensions.upstreams.http.v3.http_protocol_options_pb2",
    "envoy.service.runtime.v3.rtds_pb2",
]
for module in MODULES:
    importlib.import_module(module)

RICH = [
    {
        "@type": config.CLUSTER,
        "name": "rich",
        "type": "LOGICAL_DNS",
        "connectTimeout": "0.250s",
        "per_connection_buffer_limit_bytes": 32768,
        "dns_lookup_family": "V4_ONLY",
        "dns_refresh_rate": "5s",
        "common_lb_config": {"healthy_panic_threshold": {"value": 12.5}},
        "circuit_breakers": {"thresholds": [{"max_connections": "7", "track_remaining": True}]},
        "metadata": {"filter_metadata": {"a": {"x": [1, -2.5, True, None, {"y": "z"}]}}},
        "outlier_detection": {"consecutive_5xx": 3, "interval": "10s", "base_ejection_time": "30s"},
        "health_checks": [
            {
                "timeout": "1s",
                "interval": "2.000000001s",
                "unhealthy_threshold": 2,
                "healthy_threshold": 0,
                "http_health_check": {"path": "/é", "expected_statuses": [{"start": "200", "end": 300}]},
            }
        ],
        "transport_socket": {
            "name": "tls",
            "typed_config": {
                "@type": config.T + "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
                "sni": "example.org",
                "common_tls_context": {"alpn_protocols": ["h2", "http/1.1"]},
            },
        },
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": config.T + "envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http2_protocol_options": {"max_concurrent_streams": 100}},
            }
        },
    },
    {
        "@type": config.ROUTES,
        "name": "rich",
        "ignore_port_in_host_matching": True,
        "virtual_hosts": [
            {
                "name": "v",
                "domains": ["*"],
                "routes": [
                    {
                        "match": {"safe_regex": {"regex": "/a.*"}, "headers": [{"name": "x", "present_match": True}]},
                        "route": {
                            "weighted_clusters": {"clusters": [{"name": "a", "weight": 0}, {"name": "b", "weight": 100}]},
                            "retry_policy": {"retry_on": "5xx", "num_retries": 3},
                            "hash_policy": [{"header": {"header_name": "x"}, "terminal": True}],
                        },
                    },
                    {"match": {"prefix": "/"}, "direct_response": {"status": 503, "body": {"inline_bytes": "-_8="}}},
                ],
                "typed_per_filter_config": {
                    "fault": {
                        "@type": config.T + "envoy.extensions.filters.http.fault.v3.HTTPFault",
                        "delay": {"fixed_delay": "1.5s", "percentage": {"numerator": 5, "denominator": "MILLION"}},
                    }
                },
            }
        ],
    },
    {
        "@type": config.T + "envoy.service.runtime.v3.Runtime",
        "name": "layer",
        "layer": {"a.b": True, "c": 3, "d": {"numerator": 1, "denominator": "HUNDRED"}},
    },
]


class Stream:
    """A client of state of the world that does as it is told."""

    def __init__(self, port):
        self.requests = queue.Queue()
        self.channel = grpc.insecure_channel(f"127.0.0.1:{port}")
        stub = ads_pb2_grpc.AggregatedDiscoveryServiceStub(self.channel)
        self.responses = stub.StreamAggregatedResources(iter(self.requests.get, None), timeout=LONG)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.requests.put(None)
        self.responses.cancel()
        self.channel.close()

    def ask(self, type_url, names):
        node = base_pb2.Node(id="by-hand")
        request = discovery_pb2.DiscoveryRequest(node=node, type_url=type_url, resource_names=names)
        self.requests.put(request)
        response = next(self.responses)
        assert response.type_url == type_url, response
        request.version_info, request.response_nonce = response.version_info, response.nonce
        self.requests.put(request)
        return response.resources


def expected(resource):
    """The resource as protobuf's own JSON reader has it."""
    whole = json_format.ParseDict(resource, any_pb2.Any())
    # A reader that writes the fields in another order is still right: compared is what they say.
    return json_format.MessageToDict(whole)


def served(port, resources):
    for resource in resources:
        name = resource.get("name") or resource["cluster_name"]
        with Stream(port) as stream:
            found = {json.dumps(json_format.MessageToDict(each), sort_keys=True) for each in stream.ask(resource["@type"], [name])}
        assert json.dumps(expected(resource), sort_keys=True) in found, f"{name}: {found}"


@case("files json is read as protobuf reads it")
def as_json(work):
    with Plane(work) as plane:
        resources = RICH + json.loads(BUILTIN.read_text())["resources"]
        plane.serve(*resources)
        until("they are served", lambda: plane.metrics()["pushlane_source_reads_total"] == 1)
        served(plane.port, resources)


@case("files yaml, and exact bytes over it")
def as_yaml_and_bytes(work):
    with Plane(work) as plane:
        plane.write("resources.yaml", YAML)
        until("it is served", lambda: plane.metrics()["pushlane_source_reads_total"] == 1)
        served(plane.port, [config.endpoints([80])])
        body = b"\x0a\x04echo\xf8\x06\x01"
        exact = {"type_url": config.ENDPOINTS, "name": "echo", "value": base64.b64encode(body).decode()}
        plane.write("resources.b64.json", json.dumps({"resources": [exact]}))
        until("it is served", lambda: plane.metrics()["pushlane_source_reads_total"] == 2)
        with Stream(plane.port) as stream:
            (found,) = stream.ask(config.ENDPOINTS, ["echo"])
        assert found.value == body, found


YAML = """
resources:
- "@type": type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment
  cluster_name: echo
  endpoints:
  - locality: {region: here, zone: a}
    load_balancing_weight: 1
    lb_endpoints:
    - endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 80}}}
"""


@case("files a broken one changes nothing")
def broken(work):
    with Plane(work) as plane:
        plane.serve(config.endpoints([80]))
        until("it is served", lambda: plane.metrics()["pushlane_source_reads_total"] == 1)
        wrong = config.endpoints([81])
        wrong["endpoints"][0]["lb_endpoints"][0]["endpoint"]["adress"] = {}
        plane.serve(wrong, {"@type": config.CLUSTER}, config.endpoints([82]))
        until("it is refused", lambda: plane.metrics()["pushlane_source_rejects_total"] == 1)
        log = plane.log.read_text()
        for what in ["has no field \"adress\"", 'no "name"']:
            (line,) = [line for line in log.splitlines() if what in line]
            assert line.startswith("resources.json:") and line.split(":")[1].isdigit(), line
        assert "has no field" in plane.page()
        served(plane.port, [config.endpoints([80])])
        plane.serve(config.endpoints([83]))
        until("it is served", lambda: plane.metrics()["pushlane_source_faults"] == 0)
        served(plane.port, [config.endpoints([83])])
