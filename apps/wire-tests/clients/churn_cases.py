"""Many changes in a row, faster than clients take them: no call fails, and in the end everybody has the last state."""

import contextlib
import json
import random
import time

import config
from cases import case
from envoy_proxy import Envoy
from grpc_cases import Client
from support import Calls, Plane, grpc_backend, http_backend, until

STEPS = 150
# Of each set.
CLUSTERS = 4


class World:
    """What is configured for one kind of client: clusters of one or two endpoints each, and a route to one of them."""

    def __init__(self, dice, prefix, ports):
        self.dice, self.prefix, self.ports = dice, prefix, ports
        self.clusters = {0: [1, [ports[0]]]}
        self.target = 0

    def step(self):
        """Changes a few things at once."""
        for _ in range(self.dice.randint(1, 3)):
            one = self.dice.randrange(CLUSTERS)
            what = self.dice.choice(["touch", "move", "move", "route", "remove"])
            if what == "route" or one not in self.clusters:
                self.clusters.setdefault(one, [self.dice.randint(1, 9), [self.ports[0]]])
                self.target = one if what == "route" else self.target
            elif what == "touch":
                self.clusters[one][0] = self.dice.randint(1, 9)
            elif what == "move":
                self.clusters[one][1] = self.dice.sample(self.ports, self.dice.randint(1, len(self.ports)))
            elif one != self.target:
                del self.clusters[one]

    def name(self, one):
        return f"{self.prefix}-{one}"

    def resources(self):
        yield config.routes(self.name(self.target), self.prefix)
        for one, (seconds, ports) in self.clusters.items():
            yield config.cluster(self.name(one), seconds=seconds)
            yield config.endpoints(ports, self.name(one))


@case("churn")
def churn(work):
    seed = random.randrange(1_000_000)
    print(f"seed {seed}")
    dice = random.Random(seed)
    with contextlib.ExitStack() as stack:
        enter = stack.enter_context
        grpc_world = World(dice, "grpc", [enter(grpc_backend(name)) for name in "ab"])
        http_world = World(dice, "http", [enter(http_backend(name)) for name in "ab"])
        plane = enter(Plane(work))

        def serve():
            listeners = config.api_listener("echo", "grpc"), config.socket_listener(0, "http")
            plane.serve(*listeners, *grpc_world.resources(), *http_world.resources())

        serve()
        envoys = []
        for protocol in ("sotw", "delta"):
            (work / protocol).mkdir()
            envoys.append(enter(Envoy(work / protocol, plane.port, protocol)))
            envoys[-1].listen()
            until("an answer", lambda: envoys[-1].call() == "a")
        client = enter(Client(plane.port))
        until("an answer", lambda: client.call() == "a")
        calls = [enter(Calls(each.call)) for each in [*envoys, client]]
        for _ in range(STEPS):
            grpc_world.step()
            http_world.step()
            serve()
            time.sleep(dice.choice([0, 0.005, 0.02, 0.05]))
        for each in calls:
            each.more()
        for world in (grpc_world, http_world):
            world.clusters[world.target][1] = world.ports[1:]
        serve()
        for each in calls:
            each.follow("b")
        for envoy in envoys:
            until("Envoy has the last state", lambda: has(envoy) == wanted(grpc_world, http_world))
            envoy.settled()
        for who, each in zip(["envoy sotw", "envoy delta", "grpc"], calls):
            print(f"{who}: {len(each.names)} calls")
            each.check()
        until("all is answered", lambda: plane.metrics()["pushlane_xds_outstanding"] == 0)
        metrics = plane.metrics()
        evicted = [f'pushlane_xds_streams_ended_total{{reason="{reason}"}}' for reason in ("silent", "unread", "unanswered")]
        assert metrics["pushlane_xds_nacks_total"] == sum(metrics[name] for name in evicted) == 0, metrics
        assert metrics["pushlane_xds_laggards"] == metrics["pushlane_xds_queue_depth"] == 0, metrics


def wanted(*worlds):
    """Connect timeout and ports of every cluster."""
    each = [(world.name(one), what) for world in worlds for one, what in world.clusters.items()]
    return {name: (f"{seconds}s", sorted(ports)) for name, (seconds, ports) in each}


def has(envoy):
    timeouts, ports = {}, {}
    for section in json.loads(envoy.ask("/config_dump?include_eds"))["configs"]:
        for each in section.get("dynamic_active_clusters", []):
            timeouts[each["cluster"]["name"]] = each["cluster"]["connect_timeout"]
        for each in section.get("dynamic_endpoint_configs", []):
            found = each["endpoint_config"]
            ends = [end for locality in found.get("endpoints", []) for end in locality.get("lb_endpoints", [])]
            addresses = [end["endpoint"]["address"]["socket_address"]["port_value"] for end in ends]
            ports[found["cluster_name"]] = sorted(addresses)
    return {name: (timeout, ports.get(name)) for name, timeout in timeouts.items()}
