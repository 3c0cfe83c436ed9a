# SPDX-License-Identifier: Apache-2.0
# A node of a test's own for a container runtime: sourced by the tests beside it, after they have become a child of
# `unshare`. Makes private /run, /var/lib/cni, /etc/cni and /opt/cni/bin with a link per plugin of the program built, a
# root file system of busybox, and the functions a test speaks in.

set -euo pipefail

skip() { # in CI nothing may be skipped
  echo "skipped: $*"
  [ "${CI:-}" = true ] && exit 1
  exit 77
}
fail() {
  echo "FAILED: $*"
  [ ! -r "${log:-}" ] || tail -n 30 "$log"
  exit 1
}
require() {
  local program
  for program in "$@"; do command -v "$program" >/dev/null || skip "$program is not installed (packaging/dependencies)"; done
}
# await SECONDS COMMAND...: true as soon as the command is
await() {
  local end=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $end ] || return 1
    sleep 0.2
  done
}

# A tmpfs at each path; what is missing on the machine is made in a tmpfs over its parent.
private() {
  local path
  for path in "$@"; do
    if [ ! -d "$path" ]; then
      [ -d "${path%/*}" ] || private "${path%/*}"
      mkdir -p "$path"
    fi
    mount -t tmpfs tmpfs "$path"
  done
}

# What the plugins keep and make: records, reservations, links but the bridge's own, rules.
state_of_node() {
  find /run/barewire/attachments /run/barewire/devices /var/lib/cni/networks -type f,l 2>/dev/null |
    grep -v -e '/lock$' -e last_reserved_ip || true
  ip -br link show type veth
  ip -br link show type ifb
  nft --stateless list ruleset
}

# The plugins of write_network, and a filter table that drops what no rule accepts, as Docker's.
make_node() {
  local plugin command
  mount --make-rprivate /
  mount -t tmpfs tmpfs /run
  private /var/lib/cni /etc/cni /opt/cni
  mkdir -p /etc/cni/net.d /opt/cni/bin
  for plugin in $("$BAREWIRE_CNI" --names); do ln -s "$BAREWIRE_CNI" "/opt/cni/bin/$plugin"; done
  ip link set lo up
  for command in iptables ip6tables; do $command -P FORWARD DROP; done
  work=$(mktemp -d)
  mkdir -p "$work"/rootfs/{bin,proc,sys,dev,run,etc,www}
  cp "$(command -v busybox)" "$work/rootfs/bin/busybox"
  echo "served by the pod" >"$work/rootfs/www/index.html"
  log=$work/log
}

# A network as a cluster would have it, every plugin of the suite's chain in it.
write_network() { # write_network NAME [BRIDGE SUBNET]
  cat >"/etc/cni/net.d/10-$1.conflist" <<JSON
{"cniVersion": "1.0.0", "name": "$1", "plugins": [
  {"type": "bridge", "bridge": "${2:-cni0}", "isGateway": true, "ipMasq": true, "hairpinMode": true,
   "ipam": {"type": "host-local", "ranges": [[{"subnet": "${3:-10.88.0.0/16}"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}},
  {"type": "firewall"},
  {"type": "bandwidth", "ingressRate": 800000000, "ingressBurst": 80000000},
  {"type": "tuning", "sysctl": {"net.ipv4.conf.IFNAME.rp_filter": "2"}}
]}
JSON
}
