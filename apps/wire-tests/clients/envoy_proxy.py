"""A real Envoy whose configuration comes from the control plane."""

import http.client
import json
import os
import subprocess
from pathlib import Path

from support import LONG, fetch, until

BINARY = os.environ["ENVOY"]
ADS_TYPE = {"sotw": "GRPC", "delta": "DELTA_GRPC"}
ADS = {"ads": {}, "resource_api_version": "V3"}


def bootstrap(port, protocol, tls):
    http2 = {"explicit_http_config": {"http2_protocol_options": {}}}
    options = {"@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions", **http2}
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    xds = {
        "name": "xds",
        "type": "STATIC",
        "connect_timeout": "1s",
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options},
        "load_assignment": {
            "cluster_name": "xds",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
        },
    }
    if tls:
        xds["transport_socket"] = {"name": "envoy.transport_sockets.tls", "typed_config": tls_context(tls)}
    ads = {
        "api_type": ADS_TYPE[protocol],
        "transport_api_version": "V3",
        "grpc_services": [{"envoy_grpc": {"cluster_name": "xds"}}],
    }
    return {
        "node": {"id": f"envoy-{protocol}", "cluster": "wire"},
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}},
        "dynamic_resources": {"ads_config": ads, "cds_config": ADS, "lds_config": ADS},
        "static_resources": {"clusters": [xds]},
    }


def tls_context(tls):
    certificate, key = tls.client
    pair = {"certificate_chain": {"filename": str(certificate)}, "private_key": {"filename": str(key)}}
    return {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        "common_tls_context": {
            "tls_certificates": [pair],
            "validation_context": {"trusted_ca": {"filename": str(tls.ca)}},
        },
    }


class Envoy:
    def __init__(self, work, port, protocol, tls=None):
        work = Path(work)
        self.config, self.log, self.admin_file = work / "envoy.json", work / "envoy.log", work / "envoy-admin"
        self.config.write_text(json.dumps(bootstrap(port, protocol, tls), indent=1))
        self.connection, self.keep = None, True

    def __enter__(self):
        command = [BINARY, "-c", str(self.config), "--admin-address-path", str(self.admin_file)]
        command += ["--disable-hot-restart", "--concurrency", "1", "--log-level", "info"]
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        self.admin = until("Envoy says where its admin port is", self.admin_address)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(LONG)
        finally:
            self.process.kill()

    def admin_address(self):
        assert self.process.poll() is None, self.log.read_text()[-2000:]
        return self.admin_file.exists() and self.admin_file.read_text()

    def ask(self, path):
        return fetch(f"http://{self.admin}{path}")

    def stat(self, name):
        """The sum of all counters and gauges whose name ends so."""
        stats = json.loads(self.ask("/stats?format=json"))["stats"]
        return sum(each["value"] for each in stats if each.get("name", "").endswith(name))

    def listening(self):
        """The port that the listener got, when it has one."""
        listeners = json.loads(self.ask("/listeners?format=json")).get("listener_statuses", [])
        ports = [each["local_address"]["socket_address"]["port_value"] for each in listeners if each["name"] == "ingress"]
        return ports[0] if ports else None

    def listen(self):
        self.port = until("Envoy has its listener", self.listening)

    def call(self):
        """One request through the listener: the name of the backend that answered."""
        status, body = self.get()
        assert status == 200, f"{status} {body}"
        return body

    def get(self):
        if self.connection is None:
            self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            self.connection.request("GET", "/")
            response = self.connection.getresponse()
            body = response.read().decode()
        except (OSError, http.client.HTTPException) as error:
            self.connection.close()
            self.connection = None
            raise OSError(f"through Envoy: {error!r}") from error
        if response.will_close or not self.keep:
            self.connection.close()
            self.connection = None
        return response.status, body

    def warming(self):
        """What the configuration dump shows that is not in service."""
        found = []
        for section in json.loads(self.ask("/config_dump?include_eds"))["configs"]:
            found += [each["cluster"]["name"] for each in section.get("dynamic_warming_clusters", [])]
            found += [each["name"] for each in section.get("dynamic_listeners", []) if "warming_state" in each]
        return found

    def settled(self):
        """At the end of every case: nothing is warming, and nothing was given up waiting for."""
        until("Envoy warms nothing", lambda: not self.warming())
        assert self.stat("init_fetch_timeout") == 0, "Envoy has waited in vain for a resource it had asked for"
