#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What `make lint` runs: formatting, clippy, documentation, dependency policy, the fuzz targets.
# Goes on after a failure, and fails at the end if anything did.
set -u
cd "$(dirname "$0")/.."
failed=
step() { # NAME COMMAND...
    name=$1
    shift
    echo "lint: $name"
    "$@" || failed="$failed, $name"
}

# rustup's minimal profile has neither.
cargo fmt --version >/dev/null 2>&1 && cargo clippy --version >/dev/null 2>&1 ||
    rustup component add rustfmt clippy || exit 1

step formatting cargo fmt --all --check
step clippy cargo clippy -q --locked --workspace --all-targets -- -D warnings
step documentation env RUSTDOCFLAGS=-Dwarnings cargo doc -q --locked --workspace --no-deps
if cargo deny --version >/dev/null 2>&1; then
    step dependencies cargo deny --workspace check
else
    echo "lint: cargo-deny is not installed: tests/tests/tidy checks the licences, sources and" \
        "bans of deny.toml instead; known advisories are not looked up"
    step dependencies cargo test -q --locked --workspace --test tidy -- policy
fi
step 'fuzz targets' cargo check -q --locked --manifest-path dataplane/fuzz/Cargo.toml \
    --no-default-features

[ -z "$failed" ] || { echo "lint: failed: ${failed#, }" >&2; exit 1; }
echo "lint: clean"
