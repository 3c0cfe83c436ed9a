# SPDX-License-Identifier: Apache-2.0
# The examples of docs/examples under a runtime: sourced by the tests beside it, after node.sh. Makes what the examples
# stand on, as far as a machine without SR-IOV has it: Open vSwitch with its userspace datapath, a network with a DHCP
# server on which the node's eth0 is, and the DHCP daemon.

examples_need="ovsdb-server ovsdb-tool ovs-vswitchd ovs-vsctl dnsmasq"

start_switch() {
  local run=/run/openvswitch daemon=/usr/lib/openvswitch-switch/ovs-vswitchd bridge
  local options=(--no-chdir -vconsole:off -vsyslog:off)
  [ -x $daemon ] || daemon=ovs-vswitchd
  mkdir -p $run
  export OVS_RUNDIR=$run OVS_DBDIR=$run OVS_LOGDIR=$run OVS_SYSCONFDIR=$run
  ovsdb-tool create $run/conf.db /usr/share/openvswitch/vswitch.ovsschema
  ovsdb-server $run/conf.db --remote=punix:$run/db.sock --unixctl=$run/db.ctl "${options[@]}" >>"$log" 2>&1 &
  helpers+=($!)
  await 30 test -S $run/db.sock || fail "ovsdb-server does not start"
  ovs-vsctl --no-wait init
  "$daemon" unix:$run/db.sock --unixctl=$run/switch.ctl "${options[@]}" >>"$log" 2>&1 &
  helpers+=($!)
  for bridge in br-int br-dpdk; do
    ovs-vsctl --timeout=60 add-br $bridge -- set bridge $bridge datapath_type=netdev || fail "adding $bridge"
  done
}

start_dhcp() {
  ip netns add lan
  ip link add eth0 type veth peer name server netns lan
  ip link set eth0 up
  ip -n lan addr add 10.77.0.1/24 dev server && ip -n lan link set server up
  ip netns exec lan dnsmasq --keep-in-foreground --conf-file=/dev/null --port=0 --no-ping --interface=server \
    --bind-interfaces --dhcp-range=10.77.0.50,10.77.0.90,255.255.255.0 --dhcp-leasefile="$work/leases" \
    --pid-file="$work/dnsmasq.pid" >>"$log" 2>&1 &
  helpers+=($!)
  mkdir -p /run/cni
  /opt/cni/bin/dhcp daemon >>"$log" 2>&1 &
  helpers+=($!)
  await 30 test -S /run/cni/dhcp.sock || fail "the DHCP daemon does not start"
}

helpers=()
# As after installing the switch that has DPDK.
add_group() {
  cp /etc/group "$work/group" && echo "hugetlbfs:x:9901:" >>"$work/group"
  mount --bind "$work/group" /etc/group
}
prepare_examples() { add_group && start_switch && start_dhcp; }
end_helpers() { [ ${#helpers[@]} = 0 ] || kill "${helpers[@]}" 2>/dev/null || true; }

# What a container sees of its eth0, or what the refusal says where the hardware is missing.
expected_of() { # expected_of EXAMPLE
  case $1 in
    node-bridge) echo "inet 10.22." ;;
    underlay-dhcp) echo "inet 10.77.0." ;;
    ovs-vlan) echo "inet 10.57." ;;
    ovs-trunk) echo "eth0.*UP" ;;
    sriov-pool) echo "inet 10.56." ;; # by its fallback: there is no such NIC
    ovs-dpdk) echo "without DPDK" ;;
    *) echo "deviceID" ;; # what a device plugin chose
  esac
}
name_of() { busybox sed -n 's/^  "name": "\([^"]*\)".*/\1/p' "$1"; }

records() { find /run/barewire/attachments -name '*.json' 2>/dev/null || true; }
no_records() { [ -z "$(records)" ]; }

# Calls "$1" NAME FILE with each example as the first network of the node. It runs a container on that and prints what the
# container sees, or the error.
try_examples() {
  local example seen
  prepare_examples
  for example in "$BAREWIRE_EXAMPLES"/*.conflist; do
    cp "$example" /etc/cni/net.d/00-example.conflist # alone: two of them have one name
    seen=$("$1" "$(name_of "$example")" "$(basename "$example" .conflist)" 2>&1) || true
    grep -q "$(expected_of "$(basename "$example" .conflist)")" <<<"$seen" || fail "$(basename "$example"): $seen"
    await 20 no_records || fail "$(basename "$example") left: $(records)"
  done
}
