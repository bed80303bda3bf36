#!/usr/bin/env bash
# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
#
# Checks a release libfdmetrics.so from outside, as a loader sees it:
#
#   scripts/check-library.sh ordinary|self-contained LIBRARY
#
# Both kinds: the exported symbols are the functions of Include/fdmetrics.h, no more and no fewer, under a version node;
# the SONAME has the ABI's major number; Foundation is not linked; the library stays mapped after a dlclose, because the
# destructors of its threads are in it. The self-contained one needs nothing but the C and C++ run-time libraries, has
# no search path of the machine that built it and is stripped. Prints every finding; exits 1 if there is one.
set -euo pipefail
export LC_ALL=C

[ $# -eq 2 ] || { echo "usage: scripts/check-library.sh ordinary|self-contained LIBRARY" >&2; exit 2; }
kind=$1
library=$2
header=$(dirname "${BASH_SOURCE[0]}")/../Include/fdmetrics.h
largest=$((8 * 1024 * 1024))

findings=0
finding() {
    printf '%s: %s\n' "$library" "$*" >&2
    findings=$((findings + 1))
}

case "$kind" in ordinary | self-contained) ;; *) echo "unknown kind '$kind'" >&2; exit 2 ;; esac
[ -f "$library" ] || { echo "$library: no such file; 'make lib' builds it" >&2; exit 1; }

dynamic=$(readelf --dynamic --wide "$library")
entries() { sed -nE "s/.*\($1\).*\[(.*)\]\$/\1/p" <<< "$dynamic"; }

check_symbols() {
    local declared exported name
    # Without comments and preprocessed, so what is left of the form `fdm_name(` is a declaration.
    declared=$("${CC:-cc}" -E -P -x c "$header" | grep -oE '\bfdm_[a-z0-9_]+ *\(' | tr -d ' (' | sort -u)
    [ -n "$declared" ] || { echo "$header: no fdm_ function found in it" >&2; exit 1; }
    # Without local symbols, which a linker may leave in the table; a version node's own name is an absolute one (A).
    exported=$(nm --dynamic --defined-only --extern-only "$library" | awk '$2 != "A" { print $3 }')
    for name in $(comm -23 <(echo "$declared") <(sed 's/@.*//' <<< "$exported" | sort -u)); do
        finding "does not export $name, which fdmetrics.h declares: give it a public Swift body in Sources/FDMetricsC"
    done
    for name in $(comm -13 <(echo "$declared") <(sed 's/@.*//' <<< "$exported" | sort -u)); do
        finding "exports $name, which fdmetrics.h does not declare: declare it, or keep it local in libfdmetrics.map"
    done
    for name in $(grep -v '@@FDMETRICS_[0-9]' <<< "$exported" || true); do
        finding "exports $name without a version node FDMETRICS_x.y: see Sources/FDMetricsC/libfdmetrics.map"
    done
}

check_soname() {
    local major soname
    major=$(sed -nE 's/^#define FDM_ABI_MAJOR ([0-9]+)$/\1/p' "$header")
    soname=$(entries SONAME)
    [ "$soname" = "libfdmetrics.so.$major" ] \
        || finding "has SONAME '$soname', expected libfdmetrics.so.$major (FDM_ABI_MAJOR of fdmetrics.h)"
}

check_no_foundation() {
    local name
    for name in $(entries NEEDED | grep -E 'Foundation|_FoundationICU' || true); do
        finding "needs $name: no target below FDMetricsC may import Foundation"
    done
    # Linked statically it leaves its module's name in the type metadata. (The Swift runtime alone has none of these.)
    if grep -qaE 'FoundationEssentials|FoundationInternationalization|NSKeyedArchiver' "$library"; then
        finding "has Foundation linked into it: no target below FDMetricsC may import Foundation"
    fi
}

check_stays_mapped() {
    grep -q 'NODELETE' <<< "$dynamic" || finding "can be unmapped by dlclose: link with -z nodelete"
}

check_self_contained() {
    local name size
    for name in $(entries NEEDED); do
        case "$name" in
            libc.so.6 | libm.so.6 | libstdc++.so.6 | libgcc_s.so.1) ;;
            ld-linux-*.so.*) ;; # glibc's loader, which has __tls_get_addr
            *) finding "needs $name, and may need only libc, libm, libstdc++ and libgcc_s" ;;
        esac
    done
    for name in $(entries RPATH) $(entries RUNPATH); do
        finding "has the library search path $name of the machine that built it: build with -no-toolchain-stdlib-rpath"
    done
    if readelf --sections --wide "$library" | grep -qE ' \.(symtab|debug_info) '; then
        finding "is not stripped: link with -s"
    fi
    size=$(stat --format=%s "$library")
    [ "$size" -le "$largest" ] || finding "is $size bytes, at most $largest expected: what was linked into it?"
}

check_symbols
check_soname
check_no_foundation
check_stays_mapped
[ "$kind" = ordinary ] || check_self_contained

if [ "$findings" -gt 0 ]; then
    echo "$library: $findings findings" >&2
    exit 1
fi
count=$(nm --dynamic --defined-only --extern-only "$library" | awk '$2 != "A"' | wc -l)
echo "$library: $kind, $count functions as in fdmetrics.h, $(stat --format=%s "$library") bytes"
