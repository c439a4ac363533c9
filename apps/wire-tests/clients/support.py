"""Waiting, and what is waited for: the control plane, backends, a proxy that cuts connections."""

import contextlib
import json
import os
import re
import signal
import socket
import socketserver
import subprocess
import threading
import time
import urllib.request
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import grpc

BINARY = os.environ["CONTROL_PLANE"]
# Far beyond what anything here takes: these bounds end a test that hangs, they judge nothing.
LONG = 60


def until(what, check, limit=LONG):
    """Polls until `check` returns something true, and returns that."""
    end, last = time.monotonic() + limit, None
    while time.monotonic() < end:
        try:
            if result := check():
                return result
            last = result
        except (OSError, AssertionError, grpc.RpcError) as error:
            last = error
        time.sleep(0.01)
    raise AssertionError(f"waited {limit} s in vain: {what} ({last!r})")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def fetch(url):
    with urllib.request.urlopen(url, timeout=10) as response:
        return response.read().decode()


class Plane:
    """The control plane and its directory. `with` ends it, and minds how it ended."""

    def __init__(self, work, *flags):
        self.dir, self.logs, self.flags = Path(work) / "resources", Path(work), flags
        self.dir.mkdir(parents=True, exist_ok=True)
        self.port, self.admin_port, self.process, self.starts = 0, 0, None, 0

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        self.starts += 1
        self.log = self.logs / f"control-plane-{self.starts}.log"
        command = [BINARY, "--listen", f"127.0.0.1:{self.port}", "--admin", f"127.0.0.1:{self.admin_port}"]
        command += ["--resources", str(self.dir), *self.flags]
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        self.port, self.admin_port = until("the control plane says where it listens", self.addresses)

    def addresses(self):
        assert self.process.poll() is None, self.log.read_text()
        found = re.search(r"ADS on 127.0.0.1:(\d+)\n(?:.*\n)*?admin page on http://127.0.0.1:(\d+)", self.log.read_text())
        return found and (int(found[1]), int(found[2]))

    def stop(self):
        """Asks it to end, as an operator would."""
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(LONG)
        self.process = None
        assert code == 0, f"the control plane ended with {code}: {self.log.read_text()}"

    def kill(self):
        """As the machine would."""
        self.process.kill()
        self.process.wait(LONG)
        self.process = None

    def serve(self, *resources):
        """Replaces the desired state."""
        self.write("resources.json", json.dumps({"resources": list(resources)}, indent=1))

    def write(self, file, text):
        new = self.dir / "new"
        new.write_text(text)
        new.rename(self.dir / file)

    def metrics(self):
        """Name and labels, as they stand in the text, to values."""
        lines = fetch(f"http://127.0.0.1:{self.admin_port}/metrics").splitlines()
        pairs = (line.rsplit(" ", 1) for line in lines if line and not line.startswith("#"))
        return {name: float(value) for name, value in pairs}

    def page(self):
        return fetch(f"http://127.0.0.1:{self.admin_port}/")


@contextlib.contextmanager
def grpc_backend(name):
    """Answers every call to /echo.Echo/Call with its name. Yields its port."""
    def answer(_request, _context):
        return name.encode()

    server = grpc.server(futures.ThreadPoolExecutor(4))
    handler = grpc.unary_unary_rpc_method_handler(answer)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("echo.Echo", {"Call": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield port
    finally:
        server.stop(None).wait()


@contextlib.contextmanager
def http_backend(name):
    """Answers every request with its name. Yields its port."""
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Head and body in one packet: in two, the second would wait for the first one's acknowledgement.
        wbufsize = -1

        def do_GET(self):
            body = name.encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


class Cutter:
    """A TCP proxy on loopback, whose connections can be cut and whose door can be shut."""

    def __init__(self, to):
        self.to, self.open, self.shut = to, [], False
        cutter = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                cutter.carry(self.request)

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address, daemon_threads, block_on_close = True, True, False

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        self.cut()

    def carry(self, client):
        if self.shut:
            return
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.to)) as server:
            self.open += [client, server]
            back = threading.Thread(target=pump, args=(server, client), daemon=True)
            back.start()
            pump(client, server)
            back.join()

    def cut(self):
        """Ends all connections, without a word."""
        for end in self.open:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self.open = []


def pump(source, sink):
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    for end in (source, sink):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


class Calls:
    """Calls without pause, from a thread, until `with` ends. Whatever fails is remembered."""

    def __init__(self, call):
        self.call, self.names, self.failed, self.ended = call, [], [], threading.Event()

    def __enter__(self):
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join(LONG)

    def run(self):
        while not self.ended.is_set():
            try:
                self.names.append(self.call())
            except (OSError, AssertionError, grpc.RpcError) as error:
                self.failed.append((time.time(), error))
            time.sleep(0.002)

    def follow(self, name, count=20):
        """Waits until nothing but `name` answers."""
        until(f"the last {count} answers are {name}", lambda: set(self.names[-count:]) == {name})

    def more(self, count=20):
        """Waits for more answers."""
        before = len(self.names)
        until(f"{count} more answers", lambda: len(self.names) >= before + count)

    def check(self):
        assert not self.failed, f"{len(self.failed)} calls failed, first {self.failed[0]!r}, all at {[at for at, _ in self.failed]}"
