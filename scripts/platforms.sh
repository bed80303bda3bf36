#!/usr/bin/env bash
# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
#
# The environments of other platforms and other Pythons, in build/platforms. Made once; nothing is done where they are.
#
#   scripts/platforms.sh arm64              glibc, the C++ library and Python, all of arm64, and QEMU to run them
#   scripts/platforms.sh musl               the loaders of musl, for x86-64 and arm64
#   scripts/platforms.sh pythons            Pythons of other suites of Debian, and two that are built: free-threaded,
#                                           and for musl (some minutes each)
#   scripts/platforms.sh NAME               one of them: python3.9, python3.13, python3.14, python3.13t, python3.13-musl
#
# What comes from packages of another suite or machine is taken out of them, and not installed. Installed, as root or
# with sudo, are packages of this machine's own suite: patchelf, and what a Python is built with.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/setup.sh
source scripts/setup.sh

# Called by make: its flags are not those of what is built here. Without built-in rules CPython's own make builds no object.
unset MAKEFLAGS MFLAGS MAKELEVEL

platforms=$PWD/build/platforms
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# Options that give apt lists and a state of its own, of one suite and one architecture. To apt nothing is installed
# there, so that it finds all that a package needs. Where packages come from is what this machine's own apt says.
archive() {
    local suite=$1 architecture=$2 folder uri
    folder=$platforms/apt/$suite-$architecture
    uri=${DEBIAN_ARCHIVE:-$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' \
        'Component: main' "Codename: $(codename)" | head -n 1)}
    [ -n "$uri" ] || fail "apt knows no archive of Debian here; DEBIAN_ARCHIVE=URI names one"
    [ -f "$keyring" ] || install_packages debian-archive-keyring
    mkdir -p "$folder"/{lists,archives}/partial
    : > "$folder/status"
    printf '%s [signed-by=%s] %s %s main\n' deb "$keyring" "$uri" "$suite" deb-src "$keyring" "$uri" "$suite" \
        > "$folder/sources.list"
    apt_options=(-qq -o "Dir::State::Lists=$folder/lists" -o "Dir::State::status=$folder/status"
        -o "Dir::Etc::SourceList=$folder/sources.list" -o Dir::Etc::SourceParts=-
        -o "Dir::Cache::Archives=$folder/archives" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache=
        -o "APT::Architecture=$architecture" -o "APT::Architectures=$architecture"
        -o APT::Sandbox::User= -o Debug::NoLocking=1)
    # Once in a run of this script: a list that is older than the archive names files that are no longer there.
    [ -n "${updated[$suite-$architecture]:-}" ] || apt-get "${apt_options[@]}" update >&2
    updated[$suite-$architecture]=yes
}
declare -A updated=()

codename() { sed -nE 's/^VERSION_CODENAME=//p' /etc/os-release; }

# Packages with all that they need, taken out into a folder.
root() {
    local directory=$1 suite=$2 architecture=$3 each target
    shift 3
    archive "$suite" "$architecture"
    say "taking $* of $suite ($architecture) into ${directory#"$PWD"/}"
    rm -rf "$directory"
    mkdir -p "$directory"/usr/{bin,sbin,lib,lib64}
    # As base-files has them; older packages have files below /lib, newer ones all below /usr.
    for each in bin sbin lib lib64; do ln -s "usr/$each" "$directory/$each"; done
    apt-get "${apt_options[@]}" clean
    apt-get "${apt_options[@]}" install --download-only -y --no-install-recommends "$@" > /dev/null
    for each in "$platforms/apt/$suite-$architecture/archives"/*.deb; do
        # Not `dpkg-deb --extract`, which puts folders in the place of these links.
        dpkg-deb --fsys-tarfile "$each" | tar --extract --keep-directory-symlink --directory "$directory"
    done
    apt-get "${apt_options[@]}" clean
    # A link that starts at the root of the system is to start at this one.
    find "$directory" -type l -lname '/*' -printf '%p %l\n' | while read -r each target; do
        ln -sfn "$directory$target" "$each"
    done
}

# Calls a function with words, unless this was done before with the same words and by the same text.
once() {
    local stamp=$platforms/$1.stamp
    shift
    if [ "$(cat "$stamp" 2> /dev/null)" = "$*: $(declare -f "$1" root)" ]; then return; fi
    mkdir -p "$platforms"
    "$@"
    printf '%s\n' "$*: $(declare -f "$1" root)" > "$stamp"
}

# ----------------------------------------------------------------------------------------------------------------------
# arm64

# QEMU 10 of Debian 13: that of Debian 12 (7.2) says that it did MADV_WIPEONFORK and MADV_DONTFORK, and does neither.
qemu() {
    local download=$platforms/apt/qemu
    archive trixie amd64
    say "taking qemu-aarch64 of trixie into build/platforms/qemu"
    rm -rf "$download" "$platforms/qemu"
    mkdir -p "$download" "$platforms/qemu"
    (cd "$download" && apt-get "${apt_options[@]}" download qemu-user)
    # It is linked statically, and runs anywhere.
    dpkg-deb --fsys-tarfile "$download"/*.deb | tar --extract --directory "$platforms/qemu" \
        --strip-components 3 ./usr/bin/qemu-aarch64
    rm -rf "$download"
    "$platforms/qemu/qemu-aarch64" --version > /dev/null || fail "build/platforms/qemu/qemu-aarch64 does not run"
}

# Its python3.N is a script of that name: it starts QEMU, and says to Python that it is Python. So `sys.executable` is
# the script, and who starts another Python or makes a virtual environment finds one, with no need of binfmt_misc.
arm64() {
    once qemu qemu
    root "$platforms/arm64" "$(codename)" arm64 libc6 libstdc++6 python3
    local real name
    real=$(readlink -f "$platforms/arm64/usr/bin/python3")
    name=$(basename "$real")
    mv "$real" "$platforms/arm64/usr/lib/$name-program"
    cat > "$real" <<END
#!/bin/sh
exec "$platforms/qemu/qemu-aarch64" -L "$platforms/arm64" -0 "\$0" "$platforms/arm64/usr/lib/$name-program" "\$@"
END
    chmod 755 "$real"
    "$real" -c 'import ctypes, platform; assert platform.machine() == "aarch64"' || fail "$real does not run"
}

# ----------------------------------------------------------------------------------------------------------------------
# musl

musl() {
    once qemu qemu
    root "$platforms/musl" "$(codename)" amd64 musl
    root "$platforms/musl-arm64" "$(codename)" arm64 musl
}

# ----------------------------------------------------------------------------------------------------------------------
# Pythons

# A Python of another suite with the C library of that suite. The program is told where these are, and runs alone.
python_of() {
    local version=$1 suite=$2 directory=$platforms/python$1 program libraries
    shift 2
    install_packages patchelf
    root "$directory" "$suite" amd64 "python$version" libstdc++6 "$@"
    program=$directory/usr/bin/python$version
    libraries=$directory/usr/lib/x86_64-linux-gnu
    patchelf --set-interpreter "$directory/lib64/ld-linux-x86-64.so.2" --force-rpath --set-rpath "$libraries" "$program"
    "$program" -c 'import ctypes, ssl, sqlite3' || fail "$program does not run"
}

# A package's source, into a folder; further words are options of dpkg-source.
source_of() {
    local package=$1 suite=$2 directory=$3 download
    shift 3
    archive "$suite" amd64
    install_packages dpkg-dev
    download=$platforms/apt/$suite-amd64/source/$package
    rm -rf "$download" "$directory"
    mkdir -p "$download" "$(dirname "$directory")"
    say "fetching the source of $package of $suite"
    (cd "$download" && apt-get "${apt_options[@]}" source --download-only "$package" > /dev/null)
    dpkg-source --no-check --no-copy "$@" --extract "$download"/*.dsc "$directory" > /dev/null
    rm -rf "$download"
}

# Without Debian's changes: its free-threaded Python does not find the packages of a virtual environment.
python_source() {
    once source-python3.13 source_of python3.13 trixie "$platforms/source/python3.13" --skip-patches
}

# No more than runs tests: not optimized by profiles, without CPython's own tests, no module compiled before it is
# imported (--help is what the installation's compileall does in place of it).
build_python() {
    local name=$1
    shift
    local build=$platforms/build/$name log=$platforms/$name.log
    python_source
    say "building CPython as ${name} (log: ${log#"$PWD"/})"
    rm -rf "$build" "${platforms:?}/$name"
    mkdir -p "$build"
    (cd "$build" && nice "$platforms/source/python3.13/configure" --prefix="$platforms/$name/usr" --without-ensurepip \
        --disable-test-modules --with-pkg-config=no --build=x86_64-linux-gnu "$@" && nice make -j "$(nproc)" \
        && nice make altbininstall libinstall sharedinstall COMPILEALL_OPTS=--help) > "$log" 2>&1 \
        || fail "CPython was not built as $name: see $log"
    "$platforms/$name/usr/bin/python3.13" -c 'import ctypes, zlib' \
        || fail "the built $name has no ctypes or no zlib: see $log"
    rm -rf "$build"
}

free_threaded() {
    install_packages build-essential libffi-dev zlib1g-dev libssl-dev
    build_python python3.13t --disable-gil OPT="-O1 -DNDEBUG" LIBFFI_CFLAGS= LIBFFI_LIBS=-lffi
}

# gcc with the headers and the C library of musl, which programs find where they are here.
musl_compiler() {
    local directory=$platforms/musl-compiler
    local specs=$directory/usr/lib/x86_64-linux-musl/musl-gcc.specs
    root "$directory" "$(codename)" amd64 musl-tools
    sed -i "s|/usr/|$directory/usr/|g; s|/lib/ld-musl|$directory/lib/ld-musl|" "$specs"
    cat > "$musl_gcc" << END
#!/bin/sh
[ "\$*" != --print-multiarch ] || exec echo x86_64-linux-musl
exec gcc "\$@" -specs "$specs"
END
}
musl_gcc=$platforms/musl-compiler/usr/bin/musl-gcc

# A library that Python for musl needs, made to be linked into it.
musl_library() {
    local package=$1 options=$2
    local source=$platforms/source/$package log=$platforms/$package.log
    source_of "$package" "$(codename)" "$source"
    # shellcheck disable=SC2086  # options are words
    (cd "$source" && CC="$musl_gcc" CFLAGS="-O1 -fPIC -idirafter $platforms/kernel-headers" \
        nice ./configure --prefix="$platforms/musl-libraries" $options && nice make -j "$(nproc)" \
        && nice make install) > "$log" 2>&1 || fail "$package was not built for musl: see $log"
}

musl_libraries() {
    install_packages build-essential
    # The kernel's headers, which are the same for each C library, without those of glibc beside them.
    mkdir -p "$platforms/kernel-headers"
    ln -sfn /usr/include/linux "$platforms/kernel-headers/linux"
    ln -sfn /usr/include/asm-generic "$platforms/kernel-headers/asm-generic"
    ln -sfn /usr/include/x86_64-linux-gnu/asm "$platforms/kernel-headers/asm"
    musl_library zlib --static
    musl_library libffi "--disable-shared --disable-docs --disable-multi-os-directory --build=x86_64-linux-musl"
}

python_musl() {
    once musl-compiler musl_compiler
    once musl-libraries musl_libraries
    local libraries=$platforms/musl-libraries
    build_python python3.13-musl --build=x86_64-linux-musl CC="$musl_gcc" OPT="-O1 -DNDEBUG" \
        CPPFLAGS="-I$libraries/include" LIBFFI_CFLAGS="-I$libraries/include" LIBFFI_LIBS="-L$libraries/lib -lffi" \
        ZLIB_CFLAGS="-I$libraries/include" ZLIB_LIBS="-L$libraries/lib -lz"
}

platform() {
    case "$1" in
        arm64 | musl) once "$1" "$1" ;;
        python3.9) once "$1" python_of 3.9 bullseye python3-distutils ;;
        python3.13) once "$1" python_of 3.13 trixie ;;
        python3.14) once "$1" python_of 3.14 sid ;;
        python3.13t) once "$1" free_threaded ;;
        python3.13-musl) once "$1" python_musl ;;
        pythons) for each in python3.9 python3.13 python3.14 python3.13t python3.13-musl; do platform "$each"; done ;;
        *) fail "unknown platform '$1', expected arm64, musl, pythons or one of the Pythons" ;;
    esac
}

[ $# -gt 0 ] || fail "usage: scripts/platforms.sh arm64|musl|pythons|python3.N..."
for each in "$@"; do platform "$each"; done
