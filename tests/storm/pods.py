# SPDX-License-Identifier: Apache-2.0
"""Networks as lists of plugins, pods on them, and calls of plugins as a runtime makes them (CNI specification 1.1, section 4)."""
import json
import os
import random
import re
import signal
import subprocess
import threading
import time
from dataclasses import dataclass, field

from node import ruleset, run


def host_local(third):
    return {"type": "host-local", "subnet": f"10.61.{third}.0/22", "routes": [{"dst": "0.0.0.0/0"}]}


def port(number):
    return {"portMappings": [{"hostPort": 20000 + number, "containerPort": 80, "protocol": "tcp"}]}


def chains(switch_socket):
    """By kind: the plugins of its list. "@port" becomes the pod's host port."""
    return {
        "bridge": [{"type": "bridge", "bridge": "storm0", "isGateway": True, "ipMasq": True, "macspoofchk": True,
                    "ipam": host_local(0)},
                   {"type": "portmap", "snat": True, "runtimeConfig": "@port"},
                   {"type": "tuning", "mtu": 1400, "sysctl": {"net.ipv4.conf.IFNAME.arp_filter": "1"}},
                   {"type": "bandwidth", "ingressRate": 80000000, "ingressBurst": 8000000}],
        "iptables": [{"type": "bridge", "bridge": "storm1", "isGateway": True, "ipMasq": True,
                      "ipMasqBackend": "iptables", "ipam": host_local(4)},
                     {"type": "portmap", "backend": "iptables", "snat": True, "runtimeConfig": "@port"},
                     {"type": "firewall", "backend": "iptables"}],
        "ptp": [{"type": "ptp", "ipMasq": True, "ipam": host_local(8)}, {"type": "sbr"}],
        "macvlan": [{"type": "macvlan", "master": "up0", "mode": "bridge", "ipam": host_local(12)},
                    {"type": "tuning", "allmulti": True}],
        "ovs": [{"type": "ovs", "bridge": "storm2", "socket_file": switch_socket, "vlan": 7, "ipam": host_local(16)}],
        "sriov": [{"type": "sriov", "pool": ["pf0", "pf1"], "vlan": 0, "trust": "on", "ipam": host_local(20)},
                  {"type": "tuning", "mtu": 1400}],
    }


class Network:
    """One list. GC of it and ADDs to it take turns, as the specification asks of a runtime."""

    def __init__(self, kind, plugins):
        self.kind, self.name, self.plugins = kind, "storm-" + kind, plugins
        self.valid = set()      # containers that a runtime would call valid
        self.adding = 0
        self.turn = threading.Condition()

    def configuration(self, position, pod=None, previous=None, **more):
        config = dict(self.plugins[position], cniVersion="1.1.0", name=self.name, **more)
        if config.get("runtimeConfig") == "@port":
            config.pop("runtimeConfig")
            if pod:
                config["runtimeConfig"] = port(pod.number)
        if previous:
            config["prevResult"] = previous
        return json.dumps(config)


@dataclass
class Pod:
    network: Network
    number: int
    name: str
    result: dict = None       # of the last ADD that succeeded
    state: list = None        # what was there right after it
    tries: int = 0
    refusal: str = ""         # what the last ADD that failed said
    dice: random.Random = field(default_factory=random.Random)

    @property
    def netns(self):
        return "/run/netns/" + self.name

    def address(self):
        return self.result["ips"][0]["address"].split("/")[0]

    def make_netns(self):
        if not os.path.exists(self.netns):
            run(["ip", "netns", "add", self.name])

    def delete_netns(self):
        if os.path.exists(self.netns):
            run(["ip", "netns", "del", self.name])

    def look(self, switch):
        """All that is the pod's: links, addresses, routes, rules of its netns; its rules and rows on the node."""
        commands = "addr show\nlink show\nroute show table all\nrule show\n"
        lines = run(["ip", "-n", self.name, "-o", "-batch", "-"], input=commands).splitlines()
        lines = [re.sub(r" (state|qlen) \S+|,?(NO-CARRIER|LOWER_UP)| linkdown|valid_lft.*|\\.*mtu", "", line)
                 for line in lines if not re.search("scope link|fe80|ff00", line)]
        if self.network.kind in ("bridge", "iptables", "ptp"):
            own = re.compile(r"\b" + re.escape(self.address()) + r"\b|\b" + self.name + r"\b")
            lines += [line for line in ruleset() if own.search(line)]
        if self.network.kind == "ovs" and switch:
            name = self.result["interfaces"][0]["name"]
            lines.append(switch.vsctl("--retry", "get", "Port", name, "tag", "external_ids"))
        return sorted(line.strip() for line in lines)

    def reaches(self, address, seconds):
        deadline = time.monotonic() + seconds
        while True:
            if subprocess.run(["nsenter", "--net=" + self.netns, "ping", "-n", "-c1", "-W2",
                               "-I", self.address(), address],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0:
                return True
            if time.monotonic() > deadline:
                return False
            time.sleep(0.2)


@dataclass
class Outcome:
    verb: str
    plugin: str
    status: int
    out: str
    err: str
    seconds: float
    stroke: list
    hung: str = ""
    pod: str = ""
    at: float = 0             # seconds since the epoch when it began

    @property
    def killed(self):
        return self.status in (-signal.SIGKILL, 128 + signal.SIGKILL)

    @property
    def ok(self):
        return self.status == 0

    @property
    def undelivered(self):
        return self.verb == "ADD" and "the answer cannot be given" in self.err


class Runtime:
    """Calls plugins, each call bounded and written to the log."""

    def __init__(self, prefix, strike, log, limit):
        self.plugins, self.strike, self.log, self.limit = os.path.join(prefix, "lib/cni"), strike, log, limit
        self.lock = threading.Lock()
        self.outcomes = []

    def call(self, verb, plugin, config, pod=None, stroke=(), iptables=0):
        """`stroke`: words for storm-strike, or ["at", milliseconds, whole group?]; `iptables`: failures in a hundred."""
        environment = {"PATH": os.environ["PATH"], "CNI_PATH": self.plugins, "CNI_COMMAND": verb,
                       "STORM_IPTABLES": str(iptables)}
        if pod:
            environment.update(CNI_CONTAINERID=pod.name, CNI_NETNS=pod.netns, CNI_IFNAME="eth0",
                               CNI_ARGS=f"IgnoreUnknown=1;K8S_POD_NAMESPACE=storm;K8S_POD_NAME={pod.name}")
        return self.bounded(verb, plugin, [os.path.join(self.plugins, plugin)], environment, config, list(stroke), pod)

    def program(self, verb, words, stroke=(), iptables=0):
        environment = {"PATH": os.environ["PATH"], "CNI_PATH": self.plugins, "STORM_IPTABLES": str(iptables)}
        return self.bounded(verb, os.path.basename(words[0]), words, environment, "", list(stroke), None)

    def bounded(self, verb, plugin, words, environment, config, stroke, pod):
        if stroke and stroke[0] != "at":
            words = [self.strike, *map(str, stroke), "--", *words]
        started, at = time.monotonic(), time.time()
        process = subprocess.Popen(words, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, start_new_session=True)
        if stroke and stroke[0] == "at":
            threading.Timer(stroke[1] / 1000, kill, (process, stroke[2])).start()
        hung = ""
        try:
            out, err = process.communicate(config.encode(), timeout=self.limit)
        except subprocess.TimeoutExpired:
            hung = where_it_hangs(process.pid)
            kill(process, True)
            out, err = process.communicate()
        outcome = Outcome(verb, plugin, process.returncode, out.decode(errors="replace"), err.decode(errors="replace"),
                          time.monotonic() - started, stroke, hung, pod.name if pod else "", at)
        self.write(outcome, pod)
        return outcome

    def write(self, outcome, pod):
        with self.lock:
            self.outcomes.append(outcome)
            self.log.write(json.dumps({"t": round(time.monotonic(), 3), "pod": pod.name if pod else "", **{
                key: getattr(outcome, key) for key in ("verb", "plugin", "status", "stroke", "hung")},
                "ms": round(outcome.seconds * 1000), "out": outcome.out[-400:], "err": outcome.err[-400:]}) + "\n")
            self.log.flush()


def kill(process, whole_group):
    if process.poll() is not None:
        return
    try:
        (os.killpg if whole_group else os.kill)(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def where_it_hangs(session):
    """Of each process of the session: its name and where in the kernel it waits."""
    places = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.getsid(int(pid)) == session:
                with open(f"/proc/{pid}/comm") as name, open(f"/proc/{pid}/wchan") as place:
                    places.append(f"{name.read().strip()} in {place.read()}")
        except OSError:
            continue
    return "; ".join(places) or "nothing runs any more"
