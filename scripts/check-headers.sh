#!/usr/bin/env bash
# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
#
# Compiles every header of Include/ by itself, and twice in one file, as C99, C11 and C++17 with all warnings as errors,
# with gcc and, where it is there, clang.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

flags=(-Wall -Wextra -Werror -pedantic -fsyntax-only -IInclude)
compilers=0

compile() {
    local compiler=$1 language=$2 standard=$3 header=$4 name
    name=$(basename "$header")
    printf '#include "%s"\n#include "%s"\nint header_compiles(void);\nint header_compiles(void) { return 0; }\n' \
        "$name" "$name" | "$compiler" -x "$language" "-std=$standard" "${flags[@]}" - \
        || { echo "$header: $compiler refuses it as $standard" >&2; exit 1; }
}

for header in Include/*.h; do
    for suite in gcc:g++ clang:clang++; do
        c=${suite%:*}
        cxx=${suite#*:}
        if command -v "$c" > /dev/null && command -v "$cxx" > /dev/null; then
            compile "$c" c c99 "$header"
            compile "$c" c c11 "$header"
            compile "$cxx" c++ c++17 "$header"
            compilers=$((compilers + 1))
        fi
    done
done
[ "$compilers" -gt 0 ] || { echo "no C compiler: scripts/setup.sh packages build" >&2; exit 1; }
echo "Include/*.h: C99, C11 and C++17 without a warning"
