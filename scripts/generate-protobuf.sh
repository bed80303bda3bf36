#!/usr/bin/env bash
# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
#
# Writes Sources/FDMetricsProtobuf/Generated anew from Sources/FDMetricsProtobuf/Protos: whenever one of those changes,
# or swift-protobuf asks for newer generated code. The result is committed: a build needs no protoc.
#
#   scripts/generate-protobuf.sh            writes it
#   scripts/generate-protobuf.sh --check    fails if what is committed is not what would be written
#
# Needs protoc (apt-get install protobuf-compiler, or PROTOC=...). protoc-gen-swift is built from the swift-protobuf
# that the package resolves to, in a folder of its own (PROTOC_GEN_SWIFT=... names one that is built already).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

protos=Sources/FDMetricsProtobuf/Protos
generated=Sources/FDMetricsProtobuf/Generated
protoc=${PROTOC:-protoc}

say() { printf 'generate-protobuf: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

[ $# -eq 0 ] || { [ $# -eq 1 ] && [ "$1" = --check ]; } || fail "usage: scripts/generate-protobuf.sh [--check]"
command -v "$protoc" > /dev/null || fail "no $protoc here; apt-get install protobuf-compiler, or set PROTOC"

checkout=.build/checkouts/swift-protobuf
[ -d "$checkout" ] || swift package --enable-all-traits resolve >&2
plugin=${PROTOC_GEN_SWIFT:-}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
if [ -z "$plugin" ]; then
    say "building protoc-gen-swift"
    # A copy, because a build writes into the checkout otherwise.
    cp -a "$checkout" "$scratch/swift-protobuf"
    swift build --package-path "$scratch/swift-protobuf" --product protoc-gen-swift >&2
    plugin=$(swift build --package-path "$scratch/swift-protobuf" --show-bin-path)/protoc-gen-swift
fi
# google/protobuf/timestamp.proto, which SwiftProtobuf itself has the code of.
well_known=$checkout/Sources/protobuf/protobuf/src
[ -e "$well_known/google/protobuf/timestamp.proto" ] || well_known=/usr/include

mkdir "$scratch/written" "$scratch/swift"
"$protoc" --proto_path="$protos" --proto_path="$well_known" \
    --plugin="protoc-gen-swift=$plugin" --swift_out="$scratch/written" \
    --swift_opt=Visibility=Package --swift_opt=UseAccessLevelOnImports=true "$protos"/*.proto

# The licence has to stand in the first lines, and swift-format looks for its mark before the first token, #if.
for file in "$scratch"/written/*.pb.swift; do
    {
        cat << 'END'
// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
// swift-format-ignore-file

#if CommandLineTool
END
        sed -e '/^\/\/ SPDX-/d' -e '/^\/\/ swift-format-ignore-file$/d' -e 's/[[:space:]]*$//' "$file" | cat -s
        echo '#endif'
    } > "$scratch/swift/$(basename "$file")"
done

if [ $# -eq 1 ]; then
    diff -r "$generated" "$scratch/swift" || fail "$generated is not up to date; run scripts/generate-protobuf.sh"
else
    mkdir -p "$generated"
    rm -f "$generated"/*.pb.swift
    cp "$scratch"/swift/*.pb.swift "$generated/"
fi
