#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Fuzzes every target in turn, or one: all.sh [SECONDS [TARGET]]. Needs what run.sh needs.
set -eu
cd "$(dirname "$0")"
rustc +nightly --version >/dev/null 2>&1 || {
    echo "fuzzing needs a nightly toolchain: rustup toolchain install nightly" >&2
    exit 1
}
for file in fuzz_targets/*.rs; do
    name=$(basename "$file" .rs)
    [ "${2:-$name}" = "$name" ] || continue
    echo "fuzzing $name for ${1:-60} s"
    ./run.sh "$name" "${1:-60}"
done
