#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every test, each once; what `make test` runs. One line per test binary, the reasons of skipped
# tests, the output of failed ones, and last the sum. All the output is in target/test.log.
#
# A test that cannot run here prints `skipped: REASON` and returns; it is counted as skipped, not
# as passed. A binary that ends without a result counts as one failure.
set -u
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-target}
log=$target/test.log
# Tests that start a whole lab of processes share the machine with each other.
: "${RUST_TEST_THREADS:=2}"
: "${PENSTOCK_BIN:=$(pwd)/target/release/penstock}"
[ -z "${CARGO_TARGET_DIR-}" ] || PENSTOCK_BIN=$CARGO_TARGET_DIR/release/penstock
export RUST_TEST_THREADS PENSTOCK_BIN

echo "building (the daemon in release, the tests in dev)"
if ! cargo build -q --locked --release -p penstock || ! cargo test -q --locked --workspace --no-run
then
    echo "the build failed"
    echo "total: 0 passed, 1 failed, 0 skipped"
    exit 1
fi

# mawk, which is Debian's awk, otherwise holds back what it reads.
interactive=
case $(readlink -f "$(command -v awk)") in *mawk) interactive='-W interactive' ;; esac

# The tests' standard error is in the same stream, so a binary's lines follow its name.
{
    cargo test --locked --workspace --no-fail-fast -- --show-output 2>&1 </dev/null
    echo "cargo ended with $?"
} | tee "$log" | awk $interactive -f tests/run.awk
