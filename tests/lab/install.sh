#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs the programs the lab runs that are missing, from Debian's packages. Says nothing when
# nothing is missing. Called by make; needs root only when it has something to do.
set -eu

missing=
need() { # COMMAND PACKAGE
    command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}

# A user's PATH may lack them.
PATH="$PATH:/usr/sbin:/sbin"
need ip iproute2
need nft nftables
need ethtool ethtool
need nginx nginx-light
need knotd knot
need curl curl
need wrk wrk
need dig bind9-dnsutils

[ -n "$missing" ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
    echo "the lab needs:$missing; run as root, or: apt-get install$missing" >&2
    exit 1
fi

# The servers are started by the lab, each in its namespace, never as services of this machine.
# Debian's packages would start theirs at once, on this machine's ports 80 and 53.
policy=/usr/sbin/policy-rc.d
log=$(mktemp)
clean_up() {
    rm -f "$log"
    [ -z "${forbidden-}" ] || rm -f "$policy"
}
trap clean_up EXIT
trap 'exit 1' INT TERM
if [ ! -e "$policy" ]; then
    forbidden=yes
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi

echo "installing$missing"
export DEBIAN_FRONTEND=noninteractive
install() {
    # Unquoted: a list of names.
    apt-get install -y --no-install-recommends $missing >"$log" 2>&1
}
# The package lists may be absent or too old to name what the mirror has.
install || { apt-get update >"$log" 2>&1 && install; } || { cat "$log" >&2; exit 1; }

# Nor at the next boot.
if command -v systemctl >/dev/null 2>&1; then
    case "$missing" in *nginx-light*) systemctl disable nginx >/dev/null 2>&1 || true ;; esac
    case "$missing" in *" knot"*) systemctl disable knot >/dev/null 2>&1 || true ;; esac
fi
