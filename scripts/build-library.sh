#!/usr/bin/env bash
# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
#
# Builds libfdmetrics without a Swift runtime.
#
#   scripts/build-library.sh swift MACHINE DIRECTORY        the Swift modules as one object, DIRECTORY/FDMetricsC.o
#   scripts/build-library.sh link PLATFORM OBJECT DIRECTORY libfdmetrics.so, libfdmetrics.so.MAJOR and libfdmetrics.a
#
# MACHINE is x86_64 or aarch64; PLATFORM is MACHINE-linux-gnu or MACHINE-linux-musl. SWIFT names the swift command (swift);
# ZIG the C compiler and linker (python3 -m ziglang).
#
# The Swift code is Embedded Swift: the same sources as the ordinary modules, compiled so that the object has all that it uses
# of the standard library. It knows nothing of the C library (CFDMetricsLinux is the C code's side of it), so one object
# serves glibc and musl. Embedded Swift is experimental in Swift 6.3: all that is needed of it is in this file. Where a later
# Swift changes an option, a name that the object leaves open, or where the tables are, `link` fails and says which.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

swift=${SWIFT:-swift}
read -r -a zig <<< "${ZIG:-python3 -m ziglang}"

say() { printf 'build-library: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

# ---- Swift ------------------------------------------------------------------------------------------------------------

# By asking: what is on the PATH may be a program that starts another one.
toolchain=$("$swift" -print-target-info | sed -nE 's|.*"runtimeResourcePath": *"(.*)/lib/swift".*|\1|p') \
    && [ -n "$toolchain" ] || fail "'$swift' does not say where it is: SWIFT names the swift command of a toolchain"

# The triple decides about instructions and calls alone. Embedded Swift comes with one for Linux on x86-64, and on arm64 with
# one for machines without a system, which has the same calls.
triple() {
    case "$1" in
        x86_64) echo x86_64-unknown-linux-gnu ;;
        aarch64) echo aarch64-none-none-elf ;;
        *) fail "unknown machine '$1', expected x86_64 or aarch64" ;;
    esac
}

# -Osize: cold code, texts of errors above all, is most of the library. What is hot is inlined into its callers or marked
# @_optimize(speed).
swift_options=(
    -swift-version 6 -package-name fdmetrics -parse-as-library -wmo -Osize
    -enable-experimental-feature Embedded
    -enable-upcoming-feature ExistentialAny -enable-upcoming-feature MemberImportVisibility
    -enable-upcoming-feature InternalImportsByDefault -enable-upcoming-feature NonisolatedNonsendingByDefault
    -Xllvm -relocation-model=pic -Xfrontend -disable-stack-protector -Xfrontend -function-sections -Xcc -ffreestanding
)

# Lowest first. In Embedded mode the last one's object has what it uses of those below.
modules=(FDMetricsStore FDMetrics FDMetricsExposition FDMetricsZMQRecording FDMetricsC)

compile_swift() {
    local machine=$1 directory=$2 module number=0 top=${modules[-1]} output
    mkdir -p "$directory/CFDMetrics" "$directory/CFDMetricsLinux"
    echo "module CFDMetrics { header \"$PWD/Include/fdmetrics.h\" export * }" > "$directory/CFDMetrics/module.modulemap"
    echo "module CFDMetricsLinux { header \"$PWD/Sources/CFDMetricsLinux/include/CFDMetricsLinux.h\" export * }" \
        > "$directory/CFDMetricsLinux/module.modulemap"
    for module in "${modules[@]}"; do
        say "$machine: $module ($((++number)) of ${#modules[@]})"
        output=(-emit-module -emit-module-path "$directory/$module.swiftmodule")
        [ "$module" != "$top" ] || output=(-c -o "$directory/$module.o.new")
        "$toolchain/bin/swiftc" -target "$(triple "$machine")" "${swift_options[@]}" -module-name "$module" \
            -I "$directory" -I "$directory/CFDMetrics" -I "$directory/CFDMetricsLinux" "${output[@]}" \
            $(find "Sources/$module" -name '*.swift' | LC_ALL=C sort)
    done
    bind "$directory/$top.o.new"
    mv "$directory/$top.o.new" "$directory/$top.o"
}

# An update is about a dozen instructions. They fit in one line of the cache, and take a tenth longer where they begin in the
# middle of one.
aligned=(counter_inc counter_add counter_add_u64 gauge_set gauge_inc gauge_dec gauge_add histogram_observe summary_observe
    py_counter_inc py_gauge_set py_gauge_inc py_gauge_dec py_histogram_observe py_summary_observe py_labels
    zmq_sent zmq_received zmq_received_trailer)

# What Swift leaves open is bound to Sources/EmbeddedRuntime: a program that the library is linked into keeps its own.
bind() {
    local object=$1 name options=()
    for name in "${aligned[@]}"; do options+=(--set-section-alignment ".text.fdm_$name=64"); done
    "$toolchain/bin/llvm-objcopy" "${options[@]}" \
        --redefine-sym posix_memalign=CFDMetricsLinux_posix_memalign --redefine-sym free=CFDMetricsLinux_free \
        --redefine-sym arc4random_buf=CFDMetricsLinux_arc4random_buf --redefine-sym ceil=CFDMetricsLinux_ceil "$object"
}

# ---- C, and all of it together ------------------------------------------------------------------------------------------

# What may be open when everything is together: functions of C99 and POSIX that both C libraries have had for long.
c_target() {
    case "$1" in
        x86_64-linux-gnu | aarch64-linux-gnu) echo "$1.2.17" ;;
        x86_64-linux-musl | aarch64-linux-musl) echo "$1" ;;
        *) fail "unknown platform '$1', expected x86_64 or aarch64, then -linux-gnu or -linux-musl" ;;
    esac
}

link() {
    local platform=$1 object=$2 directory=$3 machine=${1%%-*} target work source soname objects=() libc=()
    target=$(c_target "$platform")
    soname=libfdmetrics.so.$(sed -nE 's/^.define FDM_ABI_MAJOR ([0-9]+)$/\1/p' Include/fdmetrics.h)
    work=$directory/objects
    mkdir -p "$work"
    for source in Sources/CFDMetricsLinux/*.c Sources/EmbeddedRuntime/*.c; do
        objects+=("$work/$(basename "$source" .c).o")
        "${zig[@]}" cc -target "$target" -std=gnu11 -O2 -fPIC -fvisibility=hidden -ffunction-sections -fdata-sections \
            -fno-sanitize=undefined -Wall -Wextra -Werror -ISources/CFDMetricsLinux/include -c "$source" -o "${objects[-1]}"
    done
    # One object in which only fdm_* can be seen. Nothing of Swift's collides with a program's own Swift.
    "$toolchain/bin/ld.lld" -r -o "$work/fdmetrics.o" "$object" "${objects[@]}" \
        "$toolchain/lib/swift/embedded/$(triple "$machine")/libswiftUnicodeDataTables.a"
    "$toolchain/bin/llvm-objcopy" --wildcard --keep-global-symbol='fdm_*' --strip-unneeded "$work/fdmetrics.o"
    rm -f "$work/libfdmetrics.a"
    "$toolchain/bin/llvm-ar" rcsD "$work/libfdmetrics.a" "$work/fdmetrics.o"
    case "$platform" in
        *-musl)
            # zig calls musl's library libc.so. It goes by the name that it has in Alpine, which tools for wheels ask for;
            # musl's loader takes every name that begins so for itself. What musl does not have is an error here.
            "${zig[@]}" cc -target "$target" -DPTR64 -shared -nostdlib -Wl,-soname,"libc.musl-$machine.so.1" \
                "$("${zig[@]}" env | sed -nE 's/.*lib_dir"?[ =:]+"([^"]+)".*/\1/p')/libc/musl/libc.S" -o "$work/libc.so"
            libc=(-nostdlib "$work/libc.so")
            ;;
    esac
    "${zig[@]}" cc -target "$target" -shared -s -o "$work/libfdmetrics.so" "$work/fdmetrics.o" "${libc[@]}" \
        -Wl,--version-script=Sources/FDMetricsC/libfdmetrics.map -Wl,-soname,"$soname" -Wl,-z,nodelete -Wl,--gc-sections \
        -Wl,--as-needed -Wl,-z,defs
    # By renaming: a process that has the former ones mapped keeps them.
    mv "$work"/libfdmetrics.{a,so} "$directory"
    ln -sf libfdmetrics.so "$directory/$soname"
}

usage="usage: scripts/build-library.sh swift MACHINE DIRECTORY | link PLATFORM OBJECT DIRECTORY"
case "${1-} $#" in
    "swift 3") compile_swift "$2" "$3" ;;
    "link 4") link "$2" "$3" "$4" ;;
    *) fail "$usage" ;;
esac
