#!/usr/bin/env bash
# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
#
# Three links in a ring, C -> Python -> Swift -> C, six processes and one store; then what the store says about them.
#   COUNT              questions over each link, each of them answered (5,000)
#   FDMETRICS_LIBRARY  libfdmetrics.so (python/fdmetrics/libfdmetrics.so)
#   ZMQ_EXAMPLE_SWIFT  the program in Swift (build/examples/zmq-example)
#   PYTHON             Python with pyzmq (.venv/bin/python)
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
library=${FDMETRICS_LIBRARY:-$root/python/fdmetrics/libfdmetrics.so}
swift=${ZMQ_EXAMPLE_SWIFT:-$root/build/examples/zmq-example}
python=${PYTHON:-$root/.venv/bin/python}
count=${COUNT:-5000}
for file in "$library" "$swift" "$python"; do
    [ -e "$file" ] || { echo "$file is not there: build it, or set the variable for it (see $0)" >&2; exit 1; }
done

folder=$(mktemp -d /dev/shm/fdmetrics-example.XXXXXX)
trap 'rm -rf "$folder"' EXIT
export FDMETRICS_DIR=$folder/store FDMETRICS_LIBRARY=$library PYTHONPATH=$root/python

# A program in C needs the headers, libfdmetrics and libzmq.
"${CC:-cc}" -std=c99 -O2 "-I$root/Include" "$here/link.c" -o "$folder/link" \
    "$library" "-Wl,-rpath,$(dirname "$library")" -lzmq

link() { # LANGUAGE ARGUMENTS: one end in that language
    case $1 in
        c) "$folder/link" "${@:2}" ;;
        python) "$python" "$here/link.py" "${@:2}" ;;
        swift) "$swift" "${@:2}" ;;
    esac
}

processes=()
for pair in c:python python:swift swift:c; do
    from=${pair%:*}
    to=${pair#*:}
    link "$to" answer "$from-to-$to" "ipc://$folder/$from-to-$to.ipc" "$count" &
    processes+=($!)
    link "$from" ask "$from-to-$to" "ipc://$folder/$from-to-$to.ipc" "$count" &
    processes+=($!)
done
for process in "${processes[@]}"; do wait "$process"; done

# Any process can show the store, also one that has recorded nothing; a server would do so at /metrics.
"$python" - "$count" << 'END'
import re
import sys

import fdmetrics

text = fdmetrics.generate_latest().decode()
value = {(name, link): float(number) for name, link, number in re.findall(r'zmq:(\w+)\{address="([^"]*)"\} (\S+)', text)}
print(f"{'link':<18}{'sent':>8}{'received':>10}{'bytes':>10}{'in flight':>11}{'mean latency':>15}")
for link in sorted({link for _, link in value}):
    sent, received = value["msg_send_total", link], value["msg_recv_total", link]
    assert sent == received == value["latency_count", link] == 2 * float(sys.argv[1]), f"{link}: messages are missing"
    latency = value["latency_sum", link] / value["latency_count", link]
    row = (sent, received, value["msg_bytes_recv_total", link], value["in_flight", link])
    print(f"{link:<18}{row[0]:>8.0f}{row[1]:>10.0f}{row[2]:>10.0f}{row[3]:>11.0f}{latency:>12.3f} ms")
END
