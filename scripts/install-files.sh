#!/usr/bin/env bash
# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
#
# Installs what was built for a platform: headers, libraries with their links, what pkg-config and CMake find them by,
# and, where there is one for the platform, the tool with its manual.
#
#   scripts/install-files.sh PLATFORM DESTDIR PREFIX LIBDIR   below DESTDIR, to be used at PREFIX
#   scripts/install-files.sh PLATFORM FOLDER '' lib           into FOLDER, which may be moved
set -euo pipefail
umask 022
cd "$(dirname "${BASH_SOURCE[0]}")/.."

[ $# -eq 4 ] || { echo "usage: scripts/install-files.sh PLATFORM DESTDIR PREFIX LIBDIR" >&2; exit 2; }
platform=$1 destination=$2 prefix=$3 libdir=$4
built=build/lib/$platform
tool=build/bin/fdmctl

for file in "$built/libfdmetrics.so" "$built/libfdmetrics.a"; do
    [ -f "$file" ] || { echo "$file: no such file; 'make lib PLATFORM=$platform' builds it" >&2; exit 1; }
done
soname=libfdmetrics.so.$(sed -nE 's/^.define FDM_ABI_MAJOR ([0-9]+)$/\1/p' Include/fdmetrics.h)
minor=$(sed -nE 's/^.define FDM_ABI_MINOR ([0-9]+)$/\1/p' Include/fdmetrics.h)

libraries=$destination/${libdir#/}
headers=$destination$prefix/include
install -d "$headers" "$libraries"
install -m 644 Include/*.h "$headers/"
install -m 755 "$built/libfdmetrics.so" "$libraries/$soname.$minor"
ln -sf "$soname.$minor" "$libraries/$soname"
ln -sf "$soname" "$libraries/libfdmetrics.so"
install -m 644 "$built/libfdmetrics.a" "$libraries/libfdmetrics.a"
scripts/write-discovery.sh "$libraries" "$prefix" "${prefix:+$prefix/}include" "$libdir"

# The tool is that of the machine that built it.
if [ "$platform" = "$(uname -m)-linux-gnu" ]; then
    [ -x "$tool" ] || { echo "$tool: no such program; 'make tool' builds it" >&2; exit 1; }
    install -D -m 755 "$tool" "$destination$prefix/bin/fdmctl"
    install -D -m 644 man/fdmctl.1 "$destination$prefix/share/man/man1/fdmctl.1"
fi
