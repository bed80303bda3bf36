# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""A file system of 256 KiB: new series are refused with a counted error, never a SIGBUS, and old ones go on."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path

from expositions import key, parse, total
from namespaces import require_namespaces, run_script

# An emulated machine takes many times as long for each.
NEW_SERIES = 30_000 if os.environ.get("FDM_RUN") else 1_000_000
RESUMED = 1_000


def test_full_file_system_refuses_new_series(worker: Path, store: Path, stress: int) -> None:
    require_namespaces()
    store.mkdir(mode=0o700)
    count = NEW_SERIES * stress
    place, program = shlex.quote(str(store)), shlex.quote(str(worker))
    output = run_script(
        f"""
        mount -t tmpfs -o size=256k,mode=0700 none {place}
        {program} fill {place} {count}
        echo '# resumed'
        {program} resume {place} {RESUMED}
        """
    )
    first, _, second = output.partition("# resumed\n")
    line, _, text = first.partition("\n")
    told = json.loads(line)
    print(told)
    assert told["made"] + told["refused"] == count
    assert told["refused"] > 0
    assert told["dropped_no_space"] == told["refused"]
    assert told["counter"] == count

    samples = parse(text)
    assert samples[key("old_total")] == count
    assert samples[key("old_gauge")] == count
    assert samples[key("old_seconds_count")] == count
    assert samples[key("old_seconds_sum")] == count
    # The series that were made are there with their one increment; nothing is seen of those that were refused.
    assert total(samples, "fresh_total") == told["made"]
    assert len([found for found in samples if found[0] == "fresh_total"]) == told["made"]

    resumed = parse(second)
    assert resumed[key("old_total")] == count + RESUMED
    assert resumed[key("old_seconds_count")] == count + RESUMED
    assert total(resumed, "fresh_total") == told["made"]
