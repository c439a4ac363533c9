#!/usr/bin/env python3
"""From a changed file of endpoints to the first call that the new backend answers, with gRPC C-core.

    run.sh --latency [ROUNDS]

The clock starts before the file is written. One client calls without pause, so it also measures how long a call
takes: that is printed beside it.
"""

import statistics
import sys
import tempfile
import time

from grpc_cases import Client, basic, one


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    with tempfile.TemporaryDirectory() as work, one(work, "a", "b") as (plane, ports), Client(plane.port) as client:
        while client.call() != "a":
            pass
        moves, calls = [], []
        for turn in range(1, rounds + 1):
            # Not in step with anything periodic.
            time.sleep(0.05 + 0.037 * (turn % 7))
            name, port = "ab"[turn % 2], ports[turn % 2]
            begin = time.perf_counter()
            plane.serve(*basic(port))
            while True:
                start = time.perf_counter()
                answer = client.call()
                end = time.perf_counter()
                calls.append(end - start)
                if answer == name:
                    break
            moves.append(end - begin)
        print(f"from changed file to first call on the new backend, {rounds} moves: {spread(moves)}")
        print(f"one call, {len(calls)} of them: {spread(calls)}")


def spread(values):
    values = sorted(1_000 * value for value in values)
    tail = values[min(len(values) - 1, int(len(values) * 0.99))]
    return f"median {statistics.median(values):.1f} ms, least {values[0]:.1f} ms, 99 % {tail:.1f} ms"


if __name__ == "__main__":
    main()
