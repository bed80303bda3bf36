#!/usr/bin/env bash
# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
#
# Packs what was built, the same bytes each time:
#
#   scripts/dist.sh wheels FOLDER PLATFORM...    the wheel of each platform, that of the tool, and an sdist of them
#   scripts/dist.sh tarballs FOLDER PLATFORM...  a tarball a platform
#   scripts/dist.sh checksums FOLDER             SHA256SUMS of all that is there
#
# All times in the packages are SOURCE_DATE_EPOCH, by default that of the last commit. PYTHON names a Python with build
# and hatchling in it.
set -euo pipefail
export LC_ALL=C
umask 022
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fail() { echo "dist: $*" >&2; exit 1; }

[ $# -ge 2 ] || fail "usage: scripts/dist.sh wheels|tarballs|checksums FOLDER [PLATFORM...]"
what=$1
mkdir -p "$2"
folder=$(cd "$2" && pwd)
shift 2
python=${PYTHON:-python3}
version=$(sed -nE 's/^__version__ = "(.*)"$/\1/p' python/fdmetrics/_version.py)
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)} \
    || fail "these sources are in no git repository: set SOURCE_DATE_EPOCH to the seconds of their last change"
export SOURCE_DATE_EPOCH

# With the hatchling of python/requirements-dev.txt: another one may write other bytes. Not from a folder that has a
# folder `build`, which Python would take for the module.
package() {
    (cd python && FDMETRICS_PLATFORM=$1 "$python" -m build --no-isolation --outdir "$folder" "$2" "../$3")
}

wheels() {
    local platform
    for platform in "$@"; do
        package "$platform" --wheel python
    done
    package "" --wheel python-tool
    package "$([ $# -eq 1 ] && echo "$1" || echo all)" --sdist python
}

tarballs() {
    local platform name stage
    stage=$(mktemp -d)
    # shellcheck disable=SC2064  # the folder of now
    trap "rm -rf '$stage'" EXIT
    for platform in "$@"; do
        name=fdmetrics-$version-$platform
        scripts/install-files.sh "$platform" "$stage/$name" '' lib
        install -m 644 LICENSE "$stage/$name/LICENSE"
        sed -e "s|@PLATFORM@|$platform|g" -e "s|@VERSION@|$version|g" scripts/tarball-readme.md.in \
            > "$stage/$name/README.md"
        tar --create --directory "$stage" --format=gnu --sort=name --mtime="@$SOURCE_DATE_EPOCH" --mode=go=rX,u+rw,a-s \
            --owner=0 --group=0 --numeric-owner "$name" | gzip --no-name --best > "$folder/$name.tar.gz"
    done
}

checksums() {
    (cd "$folder" && sha256sum -- *.tar.gz *.whl > SHA256SUMS)
}

case "$what" in
    wheels | tarballs | checksums) "$what" "$@" ;;
    *) fail "unknown package '$what', expected wheels, tarballs or checksums" ;;
esac
