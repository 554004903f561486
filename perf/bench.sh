#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What `make bench` runs: `penstock bench`, with testpmd installed if it is missing, and with huge
# pages reserved for the length of the run where this machine has too few and lets us. Arguments go
# to `penstock bench`. NO_HUGE=1 leaves the machine's huge pages alone.
set -eu
cd "$(dirname "$0")/.."
penstock=${PENSTOCK:-target/release/penstock}

if ! command -v dpdk-testpmd >/dev/null 2>&1; then
    if [ "$(id -u)" -ne 0 ]; then
        echo "the benchmark needs dpdk-testpmd; run as root, or: apt-get install dpdk-dev" >&2
        exit 1
    fi
    echo "installing dpdk-dev"
    log=$(mktemp)
    install() {
        DEBIAN_FRONTEND=noninteractive \
            apt-get install -y --no-install-recommends dpdk-dev >"$log" 2>&1
    }
    install || { apt-get update >"$log" 2>&1 && install; } ||
        { cat "$log" >&2; rm -f "$log"; exit 1; }
    rm -f "$log"
fi

pages=/sys/kernel/mm/hugepages/hugepages-2048kB
reserved=
give_back() {
    [ -z "$reserved" ] || echo "$reserved" >"$pages/nr_hugepages"
}
trap give_back EXIT
# The shell waits for the benchmark, which gets the signal too and cleans up.
trap 'exit 130' INT
trap 'kill "$child" 2>/dev/null || true; wait "$child" 2>/dev/null || true; exit 143' TERM

if [ -z "${NO_HUGE:-}" ] && [ -w "$pages/nr_hugepages" ]; then
    # Measured one after the other, so one process's worth is enough; some more for others.
    wanted=$(($("$penstock" bench --needed-mib "$@") / 2 + 64))
    free=$(cat "$pages/free_hugepages")
    if [ "$free" -lt "$wanted" ]; then
        reserved=$(cat "$pages/nr_hugepages")
        echo $((reserved + wanted - free)) >"$pages/nr_hugepages" 2>/dev/null || true
        [ "$(cat "$pages/free_hugepages")" -ge "$wanted" ] ||
            echo "too few huge pages can be had now; measuring without" >&2
    fi
fi

"$penstock" bench --out target/bench "$@" &
child=$!
wait "$child"
