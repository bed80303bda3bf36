# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""two_processes.py: run by the Python of an environment that has the wheel, and nothing else.

A process and its children record into one store; one child is killed. The totals that the first renders are exact, and
everything came out of the environment. Prints the path of the store's directory and `exact`.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys

import fdmetrics

UPDATES = 10_000
#: Children are as strict as this process.
STRICT = ("-X", "dev", "-W", "error")

REQUESTS = fdmetrics.Counter("requests", "Requests answered", ["how"])
IN_FLIGHT = fdmetrics.Gauge("in_flight", "Requests now", multiprocess_mode="livesum")
SECONDS = fdmetrics.Histogram("request_seconds", "Time to answer", buckets=(0.1, 1.0))


def record(how: str) -> None:
    """So many updates of each kind."""
    requests = REQUESTS.labels(how=how)
    for number in range(UPDATES):
        requests.inc()
        SECONDS.observe(0.25 if number % 2 else 2.0)
    IN_FLIGHT.set(1)


def child(how: str) -> subprocess.Popen[str]:
    """A child that has recorded everything."""
    command = [sys.executable, *STRICT, __file__, how]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    said = process.stdout.readline()
    assert said == "recorded\n", f"the child '{how}' said {said!r}, expected 'recorded'"
    return process


def value(text: str, series: str) -> float:
    """The value of a series of the text."""
    found = re.search(rf"^{re.escape(series)} (\S+)$", text, re.MULTILINE)
    assert found, f"no series {series} in:\n{text}"
    return float(found[1])


def check_where_from() -> None:
    """The library is the wheel's, and no part of Swift is beside it."""
    assert shutil.which("swift") is None
    with open("/proc/self/maps") as maps:
        mapped = {line.split(maxsplit=5)[5].strip() for line in maps if line.count("/")}
    libraries = {path for path in mapped if "libfdmetrics" in path}
    beside = os.path.join(os.path.dirname(fdmetrics.__file__), "libfdmetrics.so")
    assert libraries == {beside}, f"libraries {libraries}, expected {beside}"
    assert beside.startswith(sys.prefix), f"{beside} is not in {sys.prefix}"
    swift = {path for path in mapped if "swift" in os.path.basename(path).lower()}
    assert not swift, f"mapped of Swift: {swift}"


def main() -> None:
    killed, ended = child("killed"), child("ended")
    record("first")
    way = type(SECONDS.observe).__name__
    expected = "function" if os.environ.get("FDMETRICS_PURE_CTYPES") == "1" else "builtin_function_or_method"
    assert way == expected, f"updates are made by a {way}, expected {expected}"
    with_all = fdmetrics.generate_latest().decode()
    assert value(with_all, "in_flight") == 3, with_all
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    ended.communicate("end\n")
    assert (killed.returncode, ended.returncode) == (-signal.SIGKILL, 0), (killed.returncode, ended.returncode)

    text = fdmetrics.generate_latest().decode()
    for how in ("killed", "ended", "first"):
        assert value(text, f'requests_total{{how="{how}"}}') == UPDATES, text
    observations = 3 * UPDATES
    assert value(text, 'request_seconds_bucket{le="0.1"}') == 0, text
    assert value(text, 'request_seconds_bucket{le="1.0"}') == observations / 2, text
    assert value(text, 'request_seconds_bucket{le="+Inf"}') == observations, text
    assert value(text, "request_seconds_count") == observations, text
    assert value(text, "request_seconds_sum") == observations / 2 * (0.25 + 2.0), text
    assert value(text, "in_flight") == 1, text
    check_where_from()
    print(fdmetrics.REGISTRY.path)
    print("exact")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        record(sys.argv[1])
        print("recorded", flush=True)
        sys.stdin.readline()
    else:
        main()
