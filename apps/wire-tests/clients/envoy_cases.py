"""Envoy, by both protocols: wildcard clusters and listeners, the rest by name."""

import contextlib

import certificates
import config
from cases import case
from envoy_proxy import Envoy
from grpc_cases import Client, sleep, tls_flags
from support import Calls, Cutter, Plane, grpc_backend, http_backend, until


def basic(*ports):
    return config.socket_listener(0), config.routes(), config.cluster(), config.endpoints(ports)


@contextlib.contextmanager
def one(work, protocol, *names, through=contextlib.nullcontext, flags=(), tls=None):
    """Backends, the control plane, everything in it to reach the first of them, and an Envoy that does."""
    with contextlib.ExitStack() as stack:
        ports = [stack.enter_context(http_backend(name)) for name in names]
        plane = stack.enter_context(Plane(work, *flags))
        plane.serve(*basic(ports[0]))
        proxy = stack.enter_context(through(plane.port))
        envoy = stack.enter_context(Envoy(work, getattr(proxy, "port", plane.port), protocol, tls))
        envoy.listen()
        until("an answer", lambda: envoy.call() == names[0])
        yield plane, envoy, ports, proxy
        envoy.settled()


def resolve(work, protocol):
    with one(work, protocol, "a") as (_, envoy, _, _):
        assert envoy.call() == "a"


def move(work, protocol):
    with one(work, protocol, "a", "b") as (plane, envoy, (a, b), _), Calls(envoy.call) as calls:
        for name, port in [("a", a), ("b", b), ("a", a), ("b", b)]:
            plane.serve(*basic(port))
            calls.follow(name)
        calls.check()


def round_robin(work, protocol):
    with one(work, protocol, "a", "b") as (plane, envoy, ports, _), Calls(envoy.call) as calls:
        plane.serve(*basic(*ports))
        until("both in turn", lambda: sorted(calls.names[-20:]) == ["a"] * 10 + ["b"] * 10)
        calls.check()


def route(work, protocol):
    with one(work, protocol, "a", "b") as (plane, envoy, (a, b), _), Calls(envoy.call) as calls:
        other = config.cluster("other"), config.endpoints([b], "other")
        plane.serve(*basic(a)[:1], config.routes("other"), *basic(a)[2:], *other)
        calls.follow("b")
        plane.serve(*basic(a)[:1], config.routes("other"), *other)
        until("the old cluster is gone", lambda: "echo::" not in envoy.ask("/clusters"))
        plane.serve(*basic(a))
        calls.follow("a")
        calls.check()


def listener_route(work, protocol):
    """The listener takes another route, to another cluster, and what it had goes at once. It keeps that until it has
    the new ones. Old connections stay with the old listener, so every call has a new one."""
    with one(work, protocol, "a", "b") as (plane, envoy, (a, b), _):
        envoy.keep = False
        with Calls(envoy.call) as calls:
            calls.follow("a")
            for name, to, port in [("b", "other", b), ("a", "echo", a), ("b", "other", b)]:
                new = config.routes(to, to), config.cluster(to), config.endpoints([port], to)
                plane.serve(config.socket_listener(0, to), *new)
                calls.follow(name)
            calls.check()


def touch(work, protocol):
    """Envoy warms a changed cluster again, and waits for its endpoints, which have not changed."""
    with one(work, protocol, "a", "b") as (plane, envoy, (a, b), _), Calls(envoy.call) as calls:
        for seconds, name, port in [(2, "a", a), (3, "b", b), (4, "b", b)]:
            plane.serve(*basic(port)[:2], config.cluster(seconds=seconds), config.endpoints([port]))
            until("the new cluster is in service", lambda: in_service(envoy, seconds))
            calls.follow(name)
        plane.serve(*basic(b)[:2], config.cluster(service="elsewhere"), config.endpoints([a], "elsewhere"))
        calls.follow("a")
        calls.check()


@case("everybody at once")
def together(work):
    """Three kinds of client of one control plane; what some of them refuse doesn't concern the other."""
    with contextlib.ExitStack() as stack:
        enter = stack.enter_context
        grpc_ports = [enter(grpc_backend(name)) for name in "ab"]
        http_ports = [enter(http_backend(name)) for name in "ab"]
        plane = enter(Plane(work))

        def serve(turn, web=config.endpoints):
            echo = config.api_listener(), config.routes(), config.cluster(), config.endpoints([grpc_ports[turn]])
            plane.serve(
                *echo,
                config.socket_listener(0, "web"),
                config.routes("web", "web"),
                config.cluster("web"),
                web([http_ports[turn]], "web"),
            )

        serve(0)
        envoys = []
        for protocol in ("sotw", "delta"):
            (work / protocol).mkdir()
            envoys.append(enter(Envoy(work / protocol, plane.port, protocol)))
            envoys[-1].listen()
            until("an answer", lambda: envoys[-1].call() == "a")
        clients = [*envoys, enter(Client(plane.port))]
        calls = [enter(Calls(client.call)) for client in clients]
        for turn in (0, 1, 0):
            serve(turn)
            for each in calls:
                each.follow("ab"[turn])
        serve(1, web=lambda ports, name: config.endpoints(ports, name, priority=129))
        calls[2].follow("b")
        until("both have refused", lambda: plane.metrics()["pushlane_xds_nacks_total"] == 2)
        assert {each.names[-1] for each in calls[:2]} == {"a"}
        serve(1)
        for each in calls:
            each.follow("b")
            each.check()
        for envoy in envoys:
            envoy.settled()


def in_service(envoy, seconds):
    return f'"connect_timeout": "{seconds}s"' in envoy.ask("/config_dump?resource=dynamic_active_clusters")


def refused(work, protocol, broken):
    """A resource that Envoy refuses: it keeps what it has, is told once, and takes the repaired one."""
    with one(work, protocol, "a", "b") as (plane, envoy, (a, b), _), Calls(envoy.call) as calls:
        wrong = broken(a)
        right = [each for each in basic(a) if each["@type"] != wrong["@type"]]
        plane.serve(wrong, *right)
        until("the NACK is counted", lambda: plane.metrics()["pushlane_xds_nacks_total"] >= 1)
        page = plane.page()
        assert f"envoy-{protocol}" in page and "NACK" in page, page
        calls.more(100)
        assert plane.metrics()["pushlane_xds_nacks_total"] == 1, "the same version was sent again"
        plane.serve(*basic(b))
        calls.follow("b")
        calls.check()
        assert plane.metrics()["pushlane_xds_nacks_total"] == 1


def one_of_two(work, protocol):
    """A new cluster is refused; another one, changed by the same response, is not held back by it."""
    with one(work, protocol, "a", "b") as (plane, envoy, (a, b), _), Calls(envoy.call) as calls:
        bad = {**config.broken_cluster(), "name": "bad"}
        for seconds, name, port in [(2, "b", b), (3, "a", a)]:
            plane.serve(*basic(port)[:2], config.cluster(seconds=seconds), bad, config.endpoints([port]))
            until("the changed cluster is in service", lambda: in_service(envoy, seconds))
            calls.follow(name)
            until("the NACK is counted", lambda: plane.metrics()["pushlane_xds_nacks_total"] == 1)
        plane.serve(*basic(b), config.cluster("bad"), config.endpoints([a], "bad"))
        calls.follow("b")
        until("it is repaired", lambda: "bad::" in envoy.ask("/clusters"))
        calls.check()
        assert plane.metrics()["pushlane_xds_nacks_total"] == 1


def refused_listener(work, protocol):
    refused(work, protocol, lambda _: config.broken_socket_listener(0))


def refused_route(work, protocol):
    refused(work, protocol, lambda _: config.broken_routes())


def refused_cluster(work, protocol):
    refused(work, protocol, lambda _: config.broken_cluster())


def refused_endpoints(work, protocol):
    refused(work, protocol, lambda port: config.broken_endpoints([port]))


def cut(work, protocol):
    with one(work, protocol, "a", "b", through=Cutter) as (plane, envoy, (a, b), cutter):
        with Calls(envoy.call) as calls:
            for name, port in [("b", b), ("a", a)]:
                cutter.shut = True
                cutter.cut()
                plane.serve(*basic(port))
                calls.more()
                cutter.shut = False
                calls.follow(name)
            calls.check()


def away(work, protocol):
    with one(work, protocol, "a", "b") as (plane, envoy, (_, b), _), Calls(envoy.call) as calls:
        # Once without a word, once in good order.
        plane.kill() if protocol == "sotw" else plane.stop()
        plane.serve(*basic(b))
        sleep(5)
        plane.start()
        calls.follow("b")
        calls.check()


def aged(work, protocol):
    """The control plane closes the connection in good order, again and again."""
    with one(work, protocol, "a", "b", flags=("--max-age", "0.5")) as (plane, envoy, (a, b), _):
        with Calls(envoy.call) as calls:
            for streams, name, port in [(3, "b", b), (5, "a", a)]:
                until("new streams", lambda: plane.metrics()["pushlane_xds_streams_opened_total"] >= streams)
                plane.serve(*basic(port))
                calls.follow(name)
            calls.check()


def mutual_tls(work, protocol):
    tls = certificates.make(work)
    with one(work, protocol, "a", flags=tls_flags(tls), tls=tls) as (plane, _, _, _):
        assert "spiffe://wire/client" in plane.page()


def removal(work, protocol):
    with one(work, protocol, "a") as (plane, envoy, (a,), _):
        plane.serve(config.socket_listener(0))
        until("its cluster and route are gone", lambda: envoy.get()[0] in (404, 503))
        plane.serve()
        until("its listener is gone", lambda: envoy.listening() is None)
        plane.serve(*basic(a))
        envoy.listen()
        until("an answer again", lambda: envoy.call() == "a")


NAMES = {
    "resolve": resolve,
    "move": move,
    "two backends": round_robin,
    "route to a new cluster": route,
    "listener to a new route": listener_route,
    "cluster touched": touch,
    "listener refused": refused_listener,
    "route refused": refused_route,
    "cluster refused": refused_cluster,
    "endpoints refused": refused_endpoints,
    "one of two clusters refused": one_of_two,
    "stream cut": cut,
    "control plane away for five seconds": away,
    "connections too old": aged,
    "mutual tls": mutual_tls,
    "removal and return": removal,
}
for protocol in ("sotw", "delta"):
    for name, function in NAMES.items():
        case(f"envoy {protocol} {name}")(lambda work, function=function, protocol=protocol: function(work, protocol))
