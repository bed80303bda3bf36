#!/usr/bin/env bash
# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
#
# Installs what is missing, and nothing when nothing is missing.
#
#   scripts/setup.sh packages build|test|dist|bench
#                                           the apt packages that a build, the tests, those of packages or the
#                                           benchmarks need (root, or sudo)
#   scripts/setup.sh venv DIRECTORY         a Python virtual environment with python/requirements-dev.txt
#   scripts/setup.sh peers DIRECTORY        one with Tests/peers/requirements.txt
#   scripts/setup.sh pyzmq-peers DIRECTORY  one with Tests/peers/pyzmq/requirements.txt
#   scripts/setup.sh servers DIRECTORY      promtool, prometheus, nginx, victoria-metrics and prometheus-pushgateway into
#                                           DIRECTORY, unless on the PATH
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

python=${PYTHON:-python3}
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore

say() { printf 'setup: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

is_installed() {
    [ "$(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2> /dev/null)" = installed ]
}

# The lists of a fresh image are empty, so they are fetched; only ever when something has to be installed.
update_package_lists() {
    as_root apt-get update -qq || say "apt-get update failed; trying with the package lists that are here"
}

install_packages() {
    local missing=() package
    command -v dpkg-query > /dev/null || fail "no dpkg-query here; install by hand: $*"
    for package in "$@"; do
        is_installed "$package" || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    [ "$(id -u)" -eq 0 ] || command -v sudo > /dev/null \
        || fail "neither root nor sudo here; run as root: apt-get install ${missing[*]}"
    say "installing ${missing[*]}"
    update_package_lists
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
}

packages() {
    local list=(build-essential pkg-config libzmq3-dev libsnappy-dev zlib1g-dev)
    case "$1" in
        build) ;;
        # A browser and its driver; a terminal; a client that floods; network namespaces; what kills a process at a system
        # call; a client for Unix sockets; certificates, and a repository that a package depends on.
        test) list+=(chromium chromium-driver tmux wrk iproute2 strace curl openssl git) ;;
        # A program of each language that uses a package, and of arm64; the manual's formatters.
        dist) list+=(cmake mandoc groff-base qemu-user) ;;
        bench) list+=(prometheus-cpp-dev) ;;
        *) fail "unknown set of packages '$1', expected build, test, dist or bench" ;;
    esac
    install_packages "${list[@]}"
}

# Debian's python3 comes without the module venv, and some images have neither it nor apt's python3-venv.
create_environment() {
    local directory=$1
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 9))' \
        || fail "$python is $("$python" -V 2>&1); Python 3.9 or newer is needed (PYTHON=... names another one)"
    rm -rf "$directory"
    "$python" -m venv "$directory" > /dev/null 2>&1 && return
    rm -rf "$directory"
    say "$python cannot make a virtual environment by itself"
    if command -v apt-get > /dev/null && (install_packages python3-venv) \
        && "$python" -m venv "$directory" > /dev/null 2>&1; then
        return
    fi
    rm -rf "$directory" build/virtualenv
    # --target, because a Python that the distribution manages takes no packages of its own.
    "$python" -m pip install --quiet --target build/virtualenv virtualenv
    PYTHONPATH=build/virtualenv "$python" -m virtualenv --quiet "$directory"
}

# The stamp holds the requirements that were installed: with the same ones, and an interpreter that still runs, there
# is nothing to do.
venv() {
    local directory=$1 requirements=$2
    local stamp=$directory/requirements.stamp
    if cmp -s "$requirements" "$stamp" && "$directory/bin/python" -c '' 2> /dev/null; then
        touch "$stamp"
        return
    fi
    say "making the Python environment $directory"
    "$directory/bin/python" -m pip --version > /dev/null 2>&1 || create_environment "$directory"
    "$directory/bin/python" -m pip install --quiet --requirement "$requirements"
    cp "$requirements" "$stamp"
}

# Programs of a Debian package, taken out of it without installing it: installing it would start a server.
extracted() {
    local directory=$1 package=$2 download program missing=()
    shift 2
    for program in "$@"; do
        type -P "$program" > /dev/null || [ -x "$directory/$program" ] || missing+=("$program")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    command -v apt-get > /dev/null || fail "no apt-get here; put ${missing[*]} on the PATH"
    say "fetching ${missing[*]}"
    download=$(mktemp -d)
    # shellcheck disable=SC2064  # the directory of now
    trap "rm -rf '$download'" EXIT
    if ! (cd "$download" && apt-get download -qq "$package" > /dev/null 2>&1); then
        update_package_lists
        (cd "$download" && apt-get download -qq "$package" >&2)
    fi
    dpkg-deb --extract "$download/$package"_*.deb "$download/package"
    mkdir -p "$directory"
    for program in "${missing[@]}"; do
        install -m 755 "$(find "$download"/package/usr/{bin,sbin} -name "$program" 2> /dev/null | head -n 1)" \
            "$directory/$program"
        "$directory/$program" --version > /dev/null 2>&1 || "$directory/$program" -v > /dev/null 2>&1 \
            || fail "$directory/$program of Debian's package does not run here"
    done
    rm -rf "$download"
}

servers() {
    extracted "$1" prometheus promtool prometheus
    extracted "$1" nginx nginx
    extracted "$1" prometheus-pushgateway prometheus-pushgateway
    extracted "$1" victoria-metrics victoria-metrics
}

# scripts/platforms.sh takes the functions alone.
[ "${BASH_SOURCE[0]}" = "$0" ] || return 0

usage="usage: scripts/setup.sh packages build|test|dist|bench | venv|peers|pyzmq-peers|servers DIRECTORY"
[ $# -eq 2 ] || fail "$usage"
case "$1" in
    packages | servers) "$1" "$2" ;;
    venv) venv "$2" python/requirements-dev.txt ;;
    peers) venv "$2" Tests/peers/requirements.txt ;;
    pyzmq-peers) venv "$2" Tests/peers/pyzmq/requirements.txt ;;
    *) fail "$usage" ;;
esac
