# SPDX-License-Identifier: Apache-2.0
"""A node and a pod for the comparison with the reference plugins: namespaces, what `ip` prints of them, files left."""
import ctypes
import json
import os
import re
import shutil
import subprocess
import threading

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET, MS_BIND = 0x40000000, 4096
POD = "/run/netns/pod1"
WORK = "/run/work"  # where plugins are called, for paths that are relative
KEPT = ("/var/lib/cni", "/run/cni", WORK)  # where plugins keep files
JOURNAL = "/var/lib/cni/barewire/journal"  # what happened, which DEL does not take back
IPV4_ONLY = "/run/ipv4-only"  # a PATH with iptables and without ip6tables


def call_libc(what, result):
    if result != 0:
        raise OSError(ctypes.get_errno(), what)


def on_thread(work):
    """Runs work on a thread of its own, whose network namespace ends with it."""
    outcome = []

    def body():
        try:
            outcome.append((work(), None))
        except BaseException as error:  # handed on to the caller's thread
            outcome.append((None, error))

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    value, error = outcome[0]
    if error:
        raise error
    return value


def enter(path):
    fd = os.open(path, os.O_RDONLY)
    call_libc("setns", LIBC.setns(fd, CLONE_NEWNET))
    os.close(fd)


def make_netns(path):
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT))

    def body():
        call_libc("unshare", LIBC.unshare(CLONE_NEWNET))
        call_libc("mount", LIBC.mount(b"/proc/thread-self/ns/net", path.encode(), None, MS_BIND, None))
        for knob, value in (("accept_dad", "0"), ("addr_gen_mode", "1")):  # no addresses that come when they like
            with open(f"/proc/sys/net/ipv6/conf/default/{knob}", "w", encoding="ascii") as file:
                file.write(value)

    on_thread(body)


def drop_netns(path):
    LIBC.umount2(path.encode(), 2)
    os.unlink(path)


def ip(netns, lines, options=("-force",)):
    """One ip process for all lines; netns None is the node's own."""
    if not lines:
        return ""

    def body():
        if netns:
            enter(netns)
        return subprocess.run(["ip", *options, "-batch", "-"], input="\n".join(lines) + "\n", text=True, check=False,
                              capture_output=True).stdout

    return on_thread(body) if netns else body()


LINK_KEYS = ("ifname", "mtu", "master", "txqlen", "promiscuity", "allmulti")
ROUTE_KEYS = ("dst", "gateway", "via", "dev", "table", "scope", "metric", "prefsrc", "flags")


def line_of_link(link):
    kept = {key: link[key] for key in LINK_KEYS if key in link}
    kept["flags"] = sorted(set(link["flags"]) & {"UP", "PROMISC", "ALLMULTI", "NOARP"})
    info = link.get("linkinfo", {})
    kept["kind"] = info.get("info_kind")
    for key in ("mode", "id", "protocol", "vlan_filtering", "table", "flags"):
        if key in info.get("info_data", {}):
            kept["data." + key] = info["info_data"][key]
    if link.get("address", "").startswith("02:00:"):
        kept["address"] = link["address"]
    return "link " + json.dumps(kept, sort_keys=True)


def state_of(netns):
    """Links, addresses, routes and rules, without what is random or the kernel's own."""
    text = ip(netns, ["-d link show", "address show", "route show table all", "-6 route show table all", "rule show",
                      "-6 rule show"], ("-j",))
    parts = [json.loads(line) for line in text.splitlines() if line.strip()]
    links, addresses, routes, routes6, rules, rules6 = (parts + [[]] * 6)[:6]
    lines = [line_of_link(link) for link in links]
    for link in addresses:
        for address in link.get("addr_info", []):
            if address and not address.get("local", "fe80").startswith("fe80"):
                lines.append(f'address {link["ifname"]} {address["local"]}/{address["prefixlen"]} {address["scope"]}')
    for route in routes + routes6:
        if route.get("type", "unicast") != "unicast" or route["dst"].startswith(("fe80", "ff00", "::1")):
            continue
        kept = {key: route[key] for key in ROUTE_KEYS if key in route}
        kept["flags"] = [flag for flag in kept.get("flags", []) if flag != "linkdown"]
        lines.append("route " + json.dumps(kept, sort_keys=True))
    lines += ["rule " + json.dumps(rule, sort_keys=True) for rule in rules + rules6]
    return sorted(without_random(line) for line in lines)


def without_random(text):
    text = re.sub(r"veth[0-9a-f]{8}", "VETH", text)
    text = re.sub(r"(vlan|macvlan|ipvlan)[0-9a-f]{8}", "LINK", text)
    return re.sub(r'(?<=")(?!02:00:)[0-9a-f]{2}(:[0-9a-f]{2}){5}', "MAC", text)


def files_kept():
    return sorted(os.path.join(root, name) for directory in KEPT for root, _, names in os.walk(directory)
                  if root != JOURNAL for name in names)


def files_left():
    """Without those that both suites keep for the next pod of the network."""
    return [file for file in files_kept()
            if not os.path.basename(file).startswith("last_reserved_ip")
            and os.path.basename(file) not in ("lock", "host-local")
            and "/locks/" not in file and "host-local" not in os.path.dirname(file)]


class Place:
    """A pod and what the node has for one plugin's configurations; the same for the next one until something was made."""

    def __init__(self):
        self.case = self.links = None

    def prepare(self, case):
        if self.case is case:
            return
        self.clear()
        make_netns(POD)
        ip(None, case.get("host", []))
        ip(POD, ["link set lo up"] + case.get("pod", []))
        self.case, self.links = case, os.listdir("/sys/class/net")

    def refused(self):
        """After a refused ADD, which may have left something nevertheless."""
        if self.links != os.listdir("/sys/class/net") or files_kept():
            self.clear()
        elif self.case.get("rules"):
            flush_rules()

    def clear(self):
        if self.case is None:
            return
        drop_netns(POD)
        ip(None, self.case.get("clean", []))
        for directory in KEPT:
            for name in os.listdir(directory):
                shutil.rmtree(os.path.join(directory, name), ignore_errors=True)
        if self.case.get("rules"):
            flush_rules()
        self.case = None


def flush_rules():
    subprocess.run(["nft", "flush", "ruleset"], check=False, capture_output=True)


def private_node():
    for directory in ("/run", "/var/lib"):
        subprocess.run(["mount", "-t", "tmpfs", "t", directory], check=True)
    if os.path.isdir("/etc/cni"):
        subprocess.run(["mount", "-t", "tmpfs", "t", "/etc/cni"], check=True)
    subprocess.run(["mount", "-t", "sysfs", "s", "/sys"], check=False, capture_output=True)
    for directory in ("/run/netns", IPV4_ONLY, *KEPT):
        os.makedirs(directory)
    os.symlink(shutil.which("iptables"), f"{IPV4_ONLY}/iptables")
    subprocess.run("ip link set lo up; sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.default.addr_gen_mode=1",
                   shell=True, check=True)
