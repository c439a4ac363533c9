#!/usr/bin/env python3
"""Three replicas over etcd, behind a balancer, with Envoy and gRPC as their clients.

    run.sh --fleet OUT

Shows a change that reaches all clients, the kill of a replica, and how clients spread again when it
is back. Writes OUT/fleet.svg: the clients and the revision of each replica over time.
"""

import contextlib
import json
import os
import random
import re
import shutil
import socket
import socketserver
import subprocess
import sys
import threading
import time
from pathlib import Path

import config
from envoy_proxy import Envoy
from grpc_cases import Client
from support import BINARY, free_port, grpc_backend, http_backend, pump, until

ENVOYS, GRPC = 4, 8
CLIENTS = ENVOYS + GRPC
REPLICAS = ["one", "two", "three"]
SHARE = -(-CLIENTS * 110 // (100 * len(REPLICAS)))


class Process:
    """A program that ends with `with`. Its output goes to a file."""

    def __init__(self, log, *command):
        self.log, self.command = log, command

    def __enter__(self):
        with open(self.log, "a") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=subprocess.STDOUT)
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


class Balancer:
    """Carries each connection to a replica drawn at random, or to another one if that is not there."""

    def __init__(self, ports):
        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                for port in random.sample(ports, len(ports)):
                    try:
                        server = socket.create_connection(("127.0.0.1", port))
                    except OSError:
                        continue
                    for end in (self.request, server):
                        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    with server:
                        back = threading.Thread(target=pump, args=(server, self.request), daemon=True)
                        back.start()
                        pump(self.request, server)
                        back.join()
                    return

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address, daemon_threads, block_on_close = True, True, False

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


class Answers:
    """Who answered last: one client's calls, from a thread."""

    def __init__(self, name, next_answer):
        self.name, self.last, self.next = name, None, next_answer
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                self.last = self.next()
            except (OSError, AssertionError) as error:
                self.last = repr(error)
            time.sleep(0.02)


class GrpcClient:
    """A process of its own, because a process has one bootstrap. It prints who answers."""

    def __init__(self, number, port, log):
        command = [sys.executable, __file__, "--client", str(port)]
        with open(log, "w") as errors:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
        self.answers = Answers(f"grpc-{number}", lambda: self.process.stdout.readline().strip())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def client(port):
    """The client's process: ends with its parent."""
    import grpc

    parent = os.getppid()
    with Client(port) as calls:
        while os.getppid() == parent:
            try:
                answer = calls.call()
            except grpc.RpcError as error:
                answer = str(error.code())
            print(answer, flush=True)
            time.sleep(0.05)


class Fleet:
    def __init__(self, out):
        self.out, self.begin = out, time.monotonic()
        self.etcd = f"http://127.0.0.1:{free_port()}"
        self.ports = {name: free_port() for name in REPLICAS}
        self.samples, self.marks, self.ended = [], [], False

    def start_etcd(self):
        peer = f"http://127.0.0.1:{free_port()}"
        flags = ["--data-dir", str(self.out / "etcd"), "--name", "one", "--initial-cluster", f"one={peer}"]
        flags += ["--listen-client-urls", self.etcd, "--advertise-client-urls", self.etcd]
        flags += ["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer]
        return Process(self.out / "etcd.log", "etcd", *flags)

    def replica(self, name):
        flags = ["--replica", name, "--etcd", self.etcd, "--lease", "5", "--shed-rate", "2", "--streams", "1000"]
        flags += ["--listen", f"127.0.0.1:{self.ports[name]}", "--admin", "127.0.0.1:0", "--for", "600"]
        return Process(self.out / f"{name}.log", BINARY, *flags)

    def command(self, *arguments):
        done = subprocess.run([BINARY, *arguments, "--etcd", self.etcd], capture_output=True, text=True)
        assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def say(self, text):
        at = time.monotonic() - self.begin
        self.marks.append((at, text))
        print(f"{at:6.1f} s  {text}", flush=True)

    def change(self, backends, answers):
        """A deployment: the fleet has it, and then every client's calls go to the new backends."""
        file = self.out / "state.json"
        file.write_text(json.dumps({"resources": resources(backends)}))
        begin = time.monotonic()
        revision = self.command("put", str(file)).strip()
        self.command("wait", "--revision", revision, "--timeout", "60s")
        took = time.monotonic() - begin
        name = backends[0]
        until(f"all are answered by {name}", lambda: {each.last for each in answers} == {name})
        self.say(f"revision {revision}: the fleet has it after {1000 * took:.0f} ms")

    def counts(self):
        """Clients of each replica whose record is there."""
        found = re.findall(r"^(\w+) at \S+: (\d+) of", self.command("status"), re.MULTILINE)
        return {name: int(count) for name, count in found}

    def watch(self):
        while not self.ended:
            with contextlib.suppress(AssertionError):
                text = self.command("status")
                line = re.compile(r"^(\w+) at \S+: (\d+) of .* all have (\d+)", re.MULTILINE)
                at = time.monotonic() - self.begin
                self.samples += [(at, name, int(count), int(has)) for name, count, has in line.findall(text)]
            time.sleep(0.1)

    def settled(self, names, most):
        counts = self.counts()
        return set(counts) == set(names) and sum(counts.values()) == CLIENTS and max(counts.values()) <= most


def resources(backends):
    _, grpc_port, http_port = backends
    grpc = config.api_listener(), config.routes(), config.cluster(), config.endpoints([grpc_port])
    web = config.socket_listener(0, "web"), config.routes("web", "web"), config.cluster("web")
    return [*grpc, *web, config.endpoints([http_port], "web")]


def main(out):
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    # Clients that end reset their connections: nothing to tell of.
    socketserver.BaseServer.handle_error = lambda *_: None
    fleet = Fleet(out)
    with contextlib.ExitStack() as stack:
        start = stack.enter_context
        a, b = [(name, start(grpc_backend(name)), start(http_backend(name))) for name in "ab"]
        start(fleet.start_etcd())
        until("etcd is there", lambda: fleet.command("status") is not None)
        replicas = {name: start(fleet.replica(name)) for name in REPLICAS}
        threading.Thread(target=fleet.watch, daemon=True).start()
        until("all replicas are there", lambda: set(fleet.counts()) == set(REPLICAS))
        balancer, answers = Balancer(list(fleet.ports.values())), []
        (out / "state.json").write_text(json.dumps({"resources": resources(a)}))
        fleet.command("put", str(out / "state.json"))
        for number in range(GRPC):
            answers.append(start(GrpcClient(number, balancer.port, out / f"grpc-{number}.log")).answers)
        for number in range(ENVOYS):
            work = out / f"envoy-{number}"
            work.mkdir()
            envoy = start(Envoy(work, balancer.port, ["sotw", "delta"][number % 2]))
            envoy.listen()
            answers.append(Answers(f"envoy-{number}", envoy.call))
        until("all clients are answered", lambda: {each.last for each in answers} == {"a"})
        fleet.say(f"{ENVOYS} Envoys and {GRPC} gRPC clients are served: {fleet.counts()}")
        until("no replica has more than its share", lambda: fleet.settled(REPLICAS, SHARE))
        fleet.say(f"no replica has more than its share: {fleet.counts()}")
        for backends in (b, a):
            fleet.change(backends, answers)
        replicas["three"].process.kill()
        replicas["three"].process.wait()
        fleet.say("replica three is killed")
        until("its record is gone", lambda: fleet.settled(REPLICAS[:2], CLIENTS))
        fleet.say(f"its clients are elsewhere: {fleet.counts()}")
        fleet.change(b, answers)
        start(fleet.replica("three"))
        until("it is back", lambda: set(fleet.counts()) == set(REPLICAS))
        fleet.say("replica three is back")
        until("no replica has more than its share", lambda: fleet.settled(REPLICAS, SHARE))
        fleet.say(f"no replica has more than its share: {fleet.counts()}")
        fleet.change(a, answers)
        time.sleep(1)
        fleet.ended = True
    (out / "fleet.svg").write_text(svg(fleet))
    print(out / "fleet.svg")


COLOURS = dict(zip(REPLICAS, ["#00825f", "#d55e00", "#005ab2"]))


def svg(fleet):
    """Two panels over time: clients of each replica, and the revision that all of these have."""
    last, width, height = max(at for at, *_ in fleet.samples), 860, 180
    lines = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 960 560" font-family="sans-serif" font-size="12">']
    lines.append('<rect width="960" height="560" fill="white"/>')
    panels = [(2, 40, "clients of each replica"), (3, 270, "revision that all clients of a replica have")]
    for which, top, title in panels:
        most = max(sample[which] for sample in fleet.samples)
        least = min(sample[which] for sample in fleet.samples if which == 2 or sample[which] > 0)
        span = max(1, most - least)
        lines.append(f'<text x="60" y="{top - 10}">{title}</text>')
        lines.append(f'<rect x="60" y="{top}" width="{width}" height="{height}" fill="none" stroke="#999"/>')
        for value in {least, most}:
            y = top + height - 8 - (height - 16) * (value - least) / span
            lines.append(f'<text x="52" y="{y + 4:.0f}" text-anchor="end">{value}</text>')
        for shift, (name, colour) in enumerate(COLOURS.items()):
            parts, before = [], None
            for sample in (sample for sample in fleet.samples if sample[1] == name):
                if sample[which] < least:
                    continue
                x = 60 + width * sample[0] / last
                y = top + height - 8 - (height - 16) * (sample[which] - least) / span - 2 * shift
                # A record that was away leaves a gap.
                parts.append(f'{"L" if before and sample[0] - before < 1 else "M"}{x:.1f} {y:.1f}')
                before = sample[0]
            lines.append(f'<path d="{" ".join(parts)}" fill="none" stroke="{colour}" stroke-width="2"/>')
            lines.append(f'<text x="{760 + 60 * shift}" y="{top - 10}" fill="{colour}">{name}</text>')
    for row, (at, text) in enumerate(mark for mark in fleet.marks if "replica three" in mark[1]):
        x = 60 + width * at / last
        lines.append(f'<path d="M{x:.1f} 40V450" stroke="#999" stroke-dasharray="4 4"/>')
        lines.append(f'<text x="{x + 4:.1f}" y="{480 + 16 * row}">{text}</text>')
    lines.append(f'<text x="60" y="468">0 s</text><text x="{60 + width}" y="468" text-anchor="end">{last:.0f} s</text>')
    return "\n".join([*lines, "</svg>", ""])


if __name__ == "__main__":
    if sys.argv[1] == "--client":
        client(int(sys.argv[2]))
    else:
        main(Path(sys.argv[1]).resolve())
