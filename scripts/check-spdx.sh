#!/usr/bin/env bash
# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
#
# Every source file of the repository says whose it is and under which licence, in its first lines.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

sources() {
    # Hidden folders hold what builds and tools leave behind, as build and dist do.
    find . -name '.?*' -prune -o -name build -prune -o -name dist -prune \
        -o -type f -size +0 '(' -name '*.swift' -o -name '*.[ch]' -o -name '*.py' -o -name '*.sh' \
        -o -name Makefile ')' -print
    echo .ci/run
}

bad=0
while IFS= read -r file; do
    lines=$(head -n 4 "$file" \
        | grep -cE 'SPDX-(FileCopyrightText: the fdmetrics authors|License-Identifier: Apache-2\.0)$' || true)
    if [ "$lines" -ne 2 ]; then
        echo "$file: the two SPDX lines are not in its first four lines" >&2
        bad=1
    fi
done < <(sources)
exit "$bad"
