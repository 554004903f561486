#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Coverage-guided run of one target: run.sh TARGET [SECONDS]. Needs a nightly toolchain and a C++
# compiler, nothing else; finds go to corpus-local/, crashes to artifacts/, neither is committed.
set -eu
cd "$(dirname "$0")"
target=${1:?usage: run.sh TARGET [SECONDS]}
seconds=${2:-60}
triple=$(rustc +nightly -vV | sed -n 's/^host: //p')
sancov="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4
 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table
 -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing -Ccodegen-units=1"
RUSTFLAGS=$(echo $sancov) cargo +nightly build --release --target "$triple" --bin "$target"
mkdir -p "corpus-local/$target" "artifacts/$target"
exec "target/$triple/release/$target" -max_total_time="$seconds" -max_len=2048 \
    -print_final_stats=1 \
    -artifact_prefix="artifacts/$target/" "corpus-local/$target" "corpus/$target"
