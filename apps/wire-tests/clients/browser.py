#!/usr/bin/env python3
"""The admin page in a headless browser, with clients that are well, that reject, that say nothing, and that call
themselves by something that a page must not run. Leaves a screenshot below target/wire/browser.

    run.sh --browser
"""

import html.parser
import os
import queue
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import grpc
from envoy.config.core.v3 import base_pb2
from envoy.service.discovery.v3 import ads_pb2_grpc, discovery_pb2
from google.rpc import status_pb2

import config
from grpc_cases import Client, basic
from support import LONG, Plane, grpc_backend, until

OUT = Path(__file__).parent.resolve() / "../../../target/wire/browser"
NAME = '<script>document.title="taken"</script><img src=x onerror=alert(1)>'
REASON = '"></td><h1>worse</h1>'


class Elements(html.parser.HTMLParser):
    """How many of each there are."""

    def __init__(self, text):
        super().__init__()
        self.found = {}
        self.feed(text)

    def handle_starttag(self, tag, _attributes):
        self.found[tag] = self.found.get(tag, 0) + 1


def client(port, node, requests):
    channel = grpc.insecure_channel(f"127.0.0.1:{port}")
    stub = ads_pb2_grpc.AggregatedDiscoveryServiceStub(channel)
    requests.put(discovery_pb2.DiscoveryRequest(node=base_pb2.Node(id=node), type_url=config.CLUSTER))
    return channel, stub.StreamAggregatedResources(iter(requests.get, None), timeout=LONG)


def browse(program, url, *flags):
    with tempfile.TemporaryDirectory() as profile:
        command = [program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
        command += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
        command += [f"--user-data-dir={profile}", *flags, url]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


def main():
    program = os.environ.get("BROWSER") or shutil.which("chromium") or shutil.which("chromium-browser")
    if not program:
        sys.exit("no chromium: install it (Debian: apt-get install chromium), or name one in BROWSER")
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    rejecting, silent = queue.Queue(), queue.Queue()
    with grpc_backend("a") as port, Plane(OUT) as plane, Client(plane.port) as well:
        plane.serve(*basic(port))
        until("an answer", lambda: well.call() == "a")
        first, responses = client(plane.port, NAME, rejecting)
        response = next(responses)
        rejecting.put(
            discovery_pb2.DiscoveryRequest(
                type_url=config.CLUSTER,
                response_nonce=response.nonce,
                error_detail=status_pb2.Status(code=3, message=REASON),
            )
        )
        second, quiet = client(plane.port, "silent", silent)
        next(quiet)
        until("all three are seen", lambda: plane.metrics()["pushlane_xds_nacks_total"] == 1)
        plane.serve(*basic(port)[:2], config.cluster(seconds=2), *basic(port)[3:])
        until("two lag", lambda: plane.metrics()["pushlane_xds_laggards"] == 2)
        plane.write("resources.json", '{"resources": [\n  {"@type": "<b>bold</b>"}]}')
        until("the broken file is seen", lambda: plane.metrics()["pushlane_source_faults"] == 1)

        url = f"http://127.0.0.1:{plane.admin_port}/"
        dom = browse(program, url, "--dump-dom")
        (OUT / "page.html").write_text(dom)
        for name, size in [("wide", "1200,1000"), ("narrow", "420,1400")]:
            browse(program, url, f"--screenshot={OUT / name}.png", f"--window-size={size}", "--hide-scrollbars")
        rejecting.put(None)
        silent.put(None)
        first.close()
        second.close()

    found = Elements(dom).found
    for tag in ("script", "img", "b"):
        assert tag not in found, f"a client or a file has put <{tag}> into the page"
    assert found["h1"] == 1, found
    for text in ["grpcio", "NACK of", "worse", "no answer for", "Revision 2 waits for", "silent (Cluster)", "resources.json:2:13", "unknown type", "Permits", "Queue"]:
        assert text in dom, f"{text} is not on the page: {OUT / 'page.html'}"
    assert "<title>pushlane control plane</title>" in dom
    for name in ("wide", "narrow"):
        assert (OUT / f"{name}.png").stat().st_size > 10_000, name
    print(f"the page is as it should be; screenshots in {OUT.resolve()}")


if __name__ == "__main__":
    main()
