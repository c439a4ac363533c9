"""gRPC C-core, by grpcio: state of the world, resources by name."""

import contextlib
import json
import os
import time

import grpc

import certificates
import config
from cases import case
from support import Calls, Cutter, Plane, grpc_backend, until


class Client:
    """A channel to an xDS target. One process has one bootstrap, so a case has a process of its own."""

    def __init__(self, port, target="echo", tls=None):
        credentials = {"type": "insecure"}
        if tls:
            files = {"ca_certificate_file": tls.ca, "certificate_file": tls.client[0], "private_key_file": tls.client[1]}
            credentials = {"type": "tls", "config": {name: str(file) for name, file in files.items()}}
        server = {
            "server_uri": f"127.0.0.1:{port}",
            "channel_creds": [credentials],
            "server_features": ["xds_v3"],
        }
        bootstrap = {"xds_servers": [server], "node": {"id": "grpcio", "cluster": "wire"}}
        os.environ["GRPC_XDS_BOOTSTRAP_CONFIG"] = json.dumps(bootstrap)
        # Reconnecting at once would hide nothing, waiting for long would only take long.
        options = [("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 1000)]
        self.channel = grpc.insecure_channel(f"xds:///{target}", options=options)
        self.method = self.channel.unary_unary("/echo.Echo/Call")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.channel.close()

    def call(self):
        return self.method(b"", timeout=30, wait_for_ready=False).decode()


@contextlib.contextmanager
def one(work, *names, flags=()):
    """Backends, the control plane, and everything in it to reach the first of them."""
    with contextlib.ExitStack() as stack:
        ports = [stack.enter_context(grpc_backend(name)) for name in names]
        plane = stack.enter_context(Plane(work, *flags))
        plane.serve(*basic(ports[0]))
        yield plane, ports


def basic(*ports):
    return config.api_listener(), config.routes(), config.cluster(), config.endpoints(ports)


@case("grpc resolve")
def resolve(work):
    with one(work, "a") as (plane, _), Client(plane.port) as client:
        assert client.call() == "a"


@case("grpc nothing is served before the first file")
def late(work):
    with grpc_backend("a") as port, Plane(work) as plane, Client(plane.port) as client, Calls(client.call) as calls:
        until("the client is there", lambda: plane.metrics()["pushlane_xds_streams"] == 1)
        plane.serve(*basic(port))
        calls.follow("a")


@case("grpc move")
def move(work):
    with one(work, "a", "b") as (plane, (a, b)), Client(plane.port) as client, Calls(client.call) as calls:
        for name, port in [("a", a), ("b", b), ("a", a), ("b", b)]:
            plane.serve(*basic(port))
            calls.follow(name)
        calls.check()


@case("grpc two backends")
def round_robin(work):
    with one(work, "a", "b") as (plane, ports), Client(plane.port) as client, Calls(client.call) as calls:
        calls.follow("a")
        plane.serve(*basic(*ports))
        until("both in turn", lambda: sorted(calls.names[-20:]) == ["a"] * 10 + ["b"] * 10)
        calls.check()


@case("grpc route to a new cluster")
def route(work):
    with one(work, "a", "b") as (plane, (a, b)), Client(plane.port) as client, Calls(client.call) as calls:
        calls.follow("a")
        other = config.cluster("other"), config.endpoints([b], "other")
        plane.serve(config.api_listener(), config.routes("other"), config.cluster(), config.endpoints([a]), *other)
        calls.follow("b")
        plane.serve(config.api_listener(), config.routes("other"), *other)
        calls.more()
        plane.serve(*basic(a))
        calls.follow("a")
        calls.check()


@case("grpc cluster touched")
def touch(work):
    with one(work, "a", "b") as (plane, ports), Client(plane.port) as client, Calls(client.call) as calls:
        calls.follow("a")
        for seconds, name, port in [(2, "b", ports[1]), (3, "a", ports[0])]:
            plane.serve(config.api_listener(), config.routes(), config.cluster(seconds=seconds), config.endpoints([port]))
            calls.follow(name)
        calls.check()


def refused(work, broken):
    """A resource that the client refuses: it keeps what it has, is told once, and takes the repaired one."""
    with one(work, "a", "b") as (plane, (a, b)), Client(plane.port) as client, Calls(client.call) as calls:
        calls.follow("a")
        wrong = broken(a)
        right = [each for each in basic(a) if each["@type"] != wrong["@type"]]
        plane.serve(wrong, *right)
        nacked(plane, "grpcio")
        calls.more(100)
        assert plane.metrics()["pushlane_xds_nacks_total"] == 1, "the same version was sent again"
        plane.serve(*basic(b))
        calls.follow("b")
        calls.check()
        assert plane.metrics()["pushlane_xds_nacks_total"] == 1


def nacked(plane, node):
    until("the NACK is counted", lambda: plane.metrics()["pushlane_xds_nacks_total"] >= 1)
    page = plane.page()
    assert node in page and "NACK" in page, page


@case("grpc listener refused")
def refused_listener(work):
    refused(work, lambda _: config.broken_api_listener())


@case("grpc route refused")
def refused_route(work):
    refused(work, lambda _: config.broken_routes())


@case("grpc cluster refused")
def refused_cluster(work):
    refused(work, lambda _: config.broken_cluster())


@case("grpc endpoints refused")
def refused_endpoints(work):
    refused(work, lambda port: config.broken_endpoints([port]))


@case("grpc stream cut")
def cut(work):
    with one(work, "a", "b") as (plane, ports), Cutter(plane.port) as cutter:
        with Client(cutter.port) as client, Calls(client.call) as calls:
            calls.follow("a")
            for name, port in [("b", ports[1]), ("a", ports[0])]:
                cutter.shut = True
                cutter.cut()
                plane.serve(*basic(port))
                calls.more()
                cutter.shut = False
                calls.follow(name)
            calls.check()


@case("grpc control plane away for five seconds")
def away(work):
    with one(work, "a", "b") as (plane, ports), Client(plane.port) as client, Calls(client.call) as calls:
        calls.follow("a")
        plane.kill()
        plane.serve(*basic(ports[1]))
        sleep(5)
        plane.start()
        calls.follow("b")
        calls.check()


def sleep(seconds):
    until("some time has passed", lambda end=time.monotonic() + seconds: time.monotonic() > end)


@case("grpc connections too old")
def aged(work):
    """The control plane closes the connection in good order, again and again."""
    with one(work, "a", "b", flags=("--max-age", "0.5")) as (plane, ports):
        with Client(plane.port) as client, Calls(client.call) as calls:
            calls.follow("a")
            for streams, name, port in [(3, "b", ports[1]), (5, "a", ports[0])]:
                until("new streams", lambda: plane.metrics()["pushlane_xds_streams_opened_total"] >= streams)
                plane.serve(*basic(port))
                calls.follow(name)
            calls.check()


def tls_flags(tls):
    return "--tls-cert", str(tls.server[0]), "--tls-key", str(tls.server[1]), "--client-ca", str(tls.ca)


@case("grpc mutual tls")
def tls(work):
    tls = certificates.make(work)
    with one(work, "a", flags=tls_flags(tls)) as (plane, _):
        with Client(plane.port, tls=tls) as client:
            assert client.call() == "a"
            assert "spiffe://wire/client" in plane.page()


@case("grpc removal and return")
def removal(work):
    with one(work, "a") as (plane, ports), Client(plane.port) as client:
        until("an answer", lambda: client.call() == "a")
        plane.serve()
        until("calls fail", lambda: fails(client))
        plane.serve(*basic(*ports))
        until("an answer again", lambda: client.call() == "a")


def fails(client):
    try:
        client.call()
    except grpc.RpcError as error:
        return error.code() == grpc.StatusCode.UNAVAILABLE
    return False


@case("grpc unknown target")
def unknown(work):
    with one(work, "a") as (plane, ports), Client(plane.port) as known, Client(plane.port, "nobody") as client:
        with Calls(known.call) as calls:
            until("calls fail", lambda: fails(client))
            calls.more()
            plane.serve(*basic(*ports), config.api_listener("nobody"))
            until("an answer", lambda: client.call() == "a")
            calls.check()
