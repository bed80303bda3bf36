# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""A Python process that records nothing: it serves the totals of all the others at /metrics until its input ends.

exporter.py PORT
"""

from __future__ import annotations

import sys

from fdmetrics import start_http_server
from ledger import say


def main() -> None:
    """Serves."""
    server, thread = start_http_server(int(sys.argv[1]))
    say(f"ready http://127.0.0.1:{server.server_port}/metrics")
    sys.stdin.read()
    server.shutdown()
    server.server_close()
    thread.join()


if __name__ == "__main__":
    main()
