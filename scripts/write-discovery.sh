#!/usr/bin/env bash
# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
#
# Writes what pkg-config and CMake find the library by:
#
#   scripts/write-discovery.sh FOLDER PREFIX INCLUDEDIR LIBDIR
#
# into FOLDER, in which the libraries are: pkgconfig/fdmetrics.pc and cmake/fdmetrics/. The other three are paths of the
# machine that uses it, as pkg-config is to say them; PREFIX is empty for a folder that may be moved, and then the other
# two are relative to it.
set -euo pipefail

[ $# -eq 4 ] || { echo "usage: scripts/write-discovery.sh FOLDER PREFIX INCLUDEDIR LIBDIR" >&2; exit 2; }
folder=$1 prefix=$2 includedir=$3 libdir=$4
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

version=$(sed -nE 's/^__version__ = "(.*)"$/\1/p' "$root/python/fdmetrics/_version.py")
abi_major=$(sed -nE 's/^.define FDM_ABI_MAJOR ([0-9]+)$/\1/p' "$root/Include/fdmetrics.h")

if [ -n "$prefix" ]; then
    # CMake's is found from where it lies, too: an installation under DESTDIR serves as it is.
    from_libdir=$(realpath --canonicalize-missing --no-symlinks --relative-to="$libdir" "$includedir")
    # What is below the prefix moves with it: pkg-config --define-variable=prefix=ELSEWHERE.
    includedir=${includedir/#"$prefix/"/'${prefix}/'}
    libdir=${libdir/#"$prefix/"/'${prefix}/'}
else
    from_libdir=$(realpath --canonicalize-missing --no-symlinks --relative-to="/$libdir" "/$includedir")
    prefix="\${pcfiledir}/$(realpath --canonicalize-missing --no-symlinks --relative-to="/$libdir/pkgconfig" /)"
    includedir="\${prefix}/$includedir"
    libdir="\${prefix}/$libdir"
fi

# filled NAME=VALUE... < TEMPLATE
filled() {
    local text pair
    text=$(cat)
    for pair in "$@"; do
        text=${text//"@${pair%%=*}@"/"${pair#*=}"}
    done
    printf '%s\n' "$text"
}

mkdir -p "$folder/pkgconfig" "$folder/cmake/fdmetrics"
filled "PREFIX=$prefix" "INCLUDEDIR=$includedir" "LIBDIR=$libdir" "VERSION=$version" \
    < "$root/scripts/fdmetrics.pc.in" > "$folder/pkgconfig/fdmetrics.pc"
filled "INCLUDEDIR=$from_libdir" "SONAME=libfdmetrics.so.$abi_major" \
    < "$root/scripts/fdmetrics-config.cmake.in" > "$folder/cmake/fdmetrics/fdmetrics-config.cmake"
filled "VERSION=$version" "MAJOR=${version%%.*}" \
    < "$root/scripts/fdmetrics-config-version.cmake.in" > "$folder/cmake/fdmetrics/fdmetrics-config-version.cmake"
