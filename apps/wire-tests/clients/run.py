#!/usr/bin/env python3
"""Runs the cases, each in a process of its own, several at once: they mostly wait.

    run.sh              all of them
    run.sh envoy delta  those whose name has all these words
    run.sh --list       the names
"""

import argparse
import faulthandler
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).parent
# No case takes half of it. Past it, the case and all it has started are ended.
LONGEST = 180


def one(name, out):
    """Runs a case in a process group of its own; returns what went wrong, or nothing."""
    work = out / name.replace(" ", "-")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    begin = time.monotonic()
    with open(work / "case.log", "w") as log:
        command = [sys.executable, __file__, "--case", name, "--out", str(work)]
        child = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            code = child.wait(LONGEST)
        except subprocess.TimeoutExpired:
            code = f"no end within {LONGEST} s"
        finally:
            # Whatever it has left behind: the group is its own.
            try:
                os.killpg(child.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            child.wait()
    took = time.monotonic() - begin
    if code == 0:
        say(f"ok      {name} ({took:.1f} s)")
        return None
    text = (work / "case.log").read_text().rstrip()
    say(f"FAILED  {name} ({took:.1f} s): {code}\n{indent(text[-4000:])}\n        logs: {work}")
    return name


def say(text):
    """In one piece: several threads do."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def indent(text):
    return "\n".join("        " + line for line in text.splitlines())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("words", nargs="*")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--case")
    parser.add_argument("--out", type=Path, default=HERE / "../../../target/wire/runs")
    parser.add_argument("--jobs", type=int, default=4)
    arguments = parser.parse_args()
    import cases
    import churn_cases  # noqa: F401: they register what they have
    import envoy_cases  # noqa: F401
    import fault_cases  # noqa: F401
    import file_cases  # noqa: F401
    import grpc_cases  # noqa: F401

    if arguments.case:
        # If a client library crashes, say where.
        faulthandler.enable()
        cases.ALL[arguments.case](arguments.out)
        # Threads of libraries may still be about; the case is over.
        os._exit(0)
    names = [name for name in cases.ALL if all(word in name for word in arguments.words)]
    if arguments.list:
        return print("\n".join(names))
    if not names:
        sys.exit(f"no case has all of {arguments.words} in its name")
    begin = time.monotonic()
    with ThreadPoolExecutor(arguments.jobs) as pool:
        failed = [name for name in pool.map(lambda name: one(name, arguments.out.resolve()), names) if name]
    print(f"{len(names) - len(failed)} of {len(names)} in {time.monotonic() - begin:.0f} s")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
