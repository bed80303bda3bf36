#!/usr/bin/env bash
# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
#
# Checks libfdmetrics.so from outside, as a loader sees it:
#
#   scripts/check-library.sh PLATFORM LIBRARY
#
# The exported symbols are the functions of Include/fdmetrics.h, no more and no fewer, under a version node; the SONAME has
# the ABI's major number; it stays mapped after a dlclose, because the destructors of its threads are in it; it needs
# nothing but the C library of the platform, of glibc no version after 2.17, also where a symbol is weak; it calls nobody
# for an atomic exchange; it has no search path of the machine that built it, is stripped, and is no larger than 0.7 MB.
# Prints every finding; exits 1 if there is one.
set -euo pipefail
export LC_ALL=C

[ $# -eq 2 ] || { echo "usage: scripts/check-library.sh PLATFORM LIBRARY" >&2; exit 2; }
platform=$1
library=$2
header=$(dirname "${BASH_SOURCE[0]}")/../Include/fdmetrics.h
largest=700000

findings=0
finding() {
    printf '%s: %s\n' "$library" "$*" >&2
    findings=$((findings + 1))
}

case "$platform" in
    x86_64-linux-gnu | aarch64-linux-gnu | x86_64-linux-musl | aarch64-linux-musl) ;;
    *) echo "unknown platform '$platform'" >&2; exit 2 ;;
esac
[ -f "$library" ] || { echo "$library: no such file; 'make lib' builds it" >&2; exit 1; }

dynamic=$(readelf --dynamic --wide "$library")
# Of any machine, which nm may not know.
symbols=$(readelf --dyn-syms --wide "$library" | awk '$1 ~ /^[0-9]+:$/ && $8 != "" { print $7, $4, $8 }')
entries() { sed -nE "s/.*\($1\).*\[(.*)\]\$/\1/p" <<< "$dynamic"; }

check_symbols() {
    local declared exported name
    # Without comments and preprocessed, so what is left of the form `fdm_name(` is a declaration.
    declared=$("${CC:-cc}" -E -P -x c "$header" | grep -oE '\bfdm_[a-z0-9_]+ *\(' | tr -d ' (' | sort -u)
    [ -n "$declared" ] || { echo "$header: no fdm_ function found in it" >&2; exit 1; }
    # A version node's own name is an absolute symbol.
    exported=$(awk '$1 != "UND" && $1 != "ABS" { print $3 }' <<< "$symbols")
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

check_stays_mapped() {
    grep -q 'NODELETE' <<< "$dynamic" || finding "can be unmapped by dlclose: link with -z nodelete"
}

check_needs() {
    local name
    for name in $(entries NEEDED); do
        case "$platform $name" in
            *-musl\ libc.musl-"${platform%%-*}".so.1) ;; # Alpine's name for it, and auditwheel's
            # What glibc is made of; its loader has __tls_get_addr.
            *-gnu\ libc.so.6 | *-gnu\ libm.so.6 | *-gnu\ libdl.so.2 | *-gnu\ libpthread.so.0 | *-gnu\ ld-linux-*.so.*) ;;
            *) finding "needs $name, and may need only the C library" ;;
        esac
    done
    for name in $(readelf --version-info --wide "$library" | grep -oE 'GLIBC_[0-9.]+' | sort -Vu); do
        [ "$(printf '%s\n' "$name" GLIBC_2.17 | sort -V | tail -n 1)" = GLIBC_2.17 ] \
            || finding "needs $name: use of it what glibc 2.17 has"
    done
    for name in $(awk '$1 == "UND" { print $3 }' <<< "$symbols" | grep -E '^(__atomic_|__aarch64_|swift_|_swift_)' || true); do
        finding "leaves $name open: nothing of an atomic library or of a Swift runtime is there to have it"
    done
    for name in $(entries RPATH) $(entries RUNPATH); do
        finding "has the library search path $name of the machine that built it"
    done
}

check_size() {
    local size
    if readelf --sections --wide "$library" | grep -qE ' \.(symtab|debug_info) '; then
        finding "is not stripped: link with -s"
    fi
    size=$(stat --format=%s "$library")
    [ "$size" -le "$largest" ] || finding "is $size bytes, at most $largest expected: what was linked into it?"
}

check_symbols
check_soname
check_stays_mapped
check_needs
check_size

if [ "$findings" -gt 0 ]; then
    echo "$library: $findings findings" >&2
    exit 1
fi
count=$(grep -c ' fdm_' <<< "$symbols")
echo "$library: $platform, $count functions as in fdmetrics.h, $(stat --format=%s "$library") bytes"
