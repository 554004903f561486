#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs what building needs and is missing, from Debian's packages; Rust comes through rustup and
# is the one thing to bring along. Says nothing when nothing is missing. Called by make; needs root
# only when it has something to do.
set -eu

if ! command -v cargo >/dev/null 2>&1; then
    echo "Rust is missing: install it through rustup (https://rustup.rs), then run this again" >&2
    exit 1
fi
if ! command -v dpkg-query >/dev/null 2>&1; then
    echo "not a Debian system: install DPDK 22.11 with static libraries, libpcap, libibverbs," \
        "libxdp, libbpf, libnuma, libbsd, libclang, meson, ninja and pkg-config yourself" >&2
    exit 0
fi

# libdpdk-dev brings most of what the drivers link; sys/dpdk-sys/build.rs names the rest.
wanted="build-essential pkg-config meson ninja-build libclang-dev libdpdk-dev libpcap-dev
    libibverbs-dev libxdp-dev libbpf-dev libnuma-dev libbsd-dev dpdk-dev"
present=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' $wanted 2>/dev/null |
    sed -n 's/ installed$//p' || true)
missing=
for package in $wanted; do
    echo "$present" | grep -qx "$package" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
    echo "building needs:$missing; run as root, or: apt-get install$missing" >&2
    exit 1
fi
echo "installing$missing"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
install() {
    # Unquoted: a list of names.
    apt-get install -y --no-install-recommends $missing >"$log" 2>&1 </dev/null
}
# The package lists may be absent or too old to name what the mirror has.
install || { apt-get update >"$log" 2>&1 && install; } || { cat "$log" >&2; exit 1; }
