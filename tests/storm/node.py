# SPDX-License-Identifier: Apache-2.0
"""The node that a storm goes over: namespaces of its own, a switch of its own, and what is on it as text (snapshot)."""
import difflib
import hashlib
import json
import os
import re
import subprocess
import sys
import time

SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
PLAIN_SWITCH = "/usr/lib/openvswitch-switch/ovs-vswitchd"
STATE = ["/run/barewire/attachments", "/run/barewire/devices", "/var/lib/cni"]
# Counters and hints that stay when pods go, by design; tests/support/node_snapshot.h leaves out the same.
# The journal tells of calls after the pods are gone: that is what it is for.
STAYING_FILES = re.compile(r"/(last_reserved_ip\.\d+|lock|[^/]*\.lock|[^/]*index[^/]*|journal/[^/]*)$")
TABLES = {"Bridge": "name,ports,mirrors", "Port": "name,tag,interfaces,qos,external_ids", "QoS": "type,queues",
          "Interface": "name,type,external_ids", "Queue": "other_config", "Mirror": "name"}


def run(words, check=True, **options):
    """The program's stdout."""
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


def enter(keeps_network):
    """Starts this program again in namespaces of its own. `keeps_network`: of the mount table alone, for a guest."""
    if os.environ.get("STORM_INSIDE"):
        return
    os.environ["STORM_INSIDE"] = "1"
    kinds = ["--mount"] if keeps_network else ["--mount", "--net"]
    os.execvp("unshare", ["unshare", *kinds, "--propagation", "private", sys.executable, *sys.argv])


def prepare(outside):
    """Empty state directories, lo, and `up0`, an uplink for macvlan, unless the node's own network is used."""
    for path in ["/run", "/var/lib/cni"]:
        os.makedirs(path, exist_ok=True)
        run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", path])
    os.makedirs("/run/netns")
    os.makedirs("/run/storm")
    run(["mount", "--make-shared", "/run"])
    run(["ip", "link", "set", "lo", "up"])
    if not outside:
        run(["ip", "link", "add", "up0", "type", "veth", "peer", "name", "up1"])
        for name in ["up0", "up1"]:
            run(["ip", "link", "set", name, "up"])


class Switch:
    """ovsdb-server and ovs-vswitchd with the userspace datapath; both can be killed and started again."""

    def __init__(self, bridge):
        self.directory, self.bridge = "/run/storm/ovs", bridge
        self.processes = {}
        os.makedirs(self.directory)
        run(["ovsdb-tool", "create", self.file("conf.db"), SCHEMA])
        self.start("ovsdb")
        self.vsctl("--no-wait", "init")
        self.start("vswitchd")
        self.vsctl("add-br", bridge, "--", "set", "bridge", bridge, "datapath_type=netdev")
        run(["ip", "link", "set", bridge, "up"])

    def file(self, name):
        return os.path.join(self.directory, name)

    def start(self, daemon):
        words = {"ovsdb": ["ovsdb-server", self.file("conf.db"), "--remote=punix:" + self.file("db.sock")],
                 "vswitchd": [PLAIN_SWITCH if os.path.exists(PLAIN_SWITCH) else "ovs-vswitchd",
                              "unix:" + self.file("db.sock"), "--disable-system"]}[daemon]
        control = self.file(daemon + ".ctl")
        if os.path.exists(control):
            os.unlink(control)
        words += ["--no-chdir", "-vconsole:off", "-vsyslog:off", "--unixctl=" + control,
                  "--log-file=" + self.file(daemon + ".log")]
        environment = dict(os.environ, OVS_RUNDIR=self.directory, OVS_DBDIR=self.directory, OVS_LOGDIR=self.directory)
        self.processes[daemon] = subprocess.Popen(words, env=environment, stdin=subprocess.DEVNULL,
                                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while not self.answers(control):
            if time.monotonic() > deadline or self.processes[daemon].poll() is not None:
                raise RuntimeError(f"{daemon} does not start: see {self.file(daemon + '.log')}")
            time.sleep(0.05)

    @staticmethod
    def answers(control):
        return subprocess.run(["ovs-appctl", "--timeout=5", "-t", control, "version"], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL).returncode == 0

    def kill(self, daemon):
        self.processes[daemon].kill()
        self.processes[daemon].wait()

    def stop(self):
        for daemon in ["vswitchd", "ovsdb"]:
            self.kill(daemon)

    def vsctl(self, *words, timeout=60):
        return run(["ovs-vsctl", f"--timeout={timeout}", "--db=unix:" + self.file("db.sock"), *words])

    def rows(self):
        for table, columns in TABLES.items():
            for row in json.loads(self.vsctl("--format=json", "--columns=" + columns, "list", table))["data"]:
                yield f"ovs {table} " + json.dumps(row)


def links():
    keys = ["mtu", "master", "address", "promiscuity", "ifalias", "altnames", "vfinfo_list"]
    for link in json.loads(run(["ip", "-j", "-d", "link"]) or "[]"):
        facts = {key: link[key] for key in keys if key in link}
        facts["up"] = "UP" in link["flags"]
        facts["kind"] = link.get("linkinfo", {}).get("info_kind")
        yield f"link {link['ifname']} {json.dumps(facts, sort_keys=True)}"


def addresses_and_routes():
    """Without those that IPv6 gives and takes by itself."""
    for line in run(["ip", "-o", "addr"]).splitlines():
        if "scope link" not in line:
            yield "address " + re.sub(r"^\d+: |\\.*| (tentative|dadfailed|dynamic)\b", "", line)
    for line in run(["ip", "route", "show", "table", "all"]).splitlines() + \
            run(["ip", "-6", "route", "show", "table", "all"]).splitlines():
        if "fe80::" not in line and "ff00::" not in line and "anycast" not in line:
            yield "route " + re.sub(r" (linkdown|dead|expires \S+)\b", "", line).strip()
    yield from ("rule " + line for line in (run(["ip", "rule"]) + run(["ip", "-6", "rule"])).splitlines())


def files():
    for top in STATE:
        for directory, _, names in os.walk(top):
            for name in names:
                path = os.path.join(directory, name)
                if STAYING_FILES.search(path):
                    continue
                content = os.readlink(path) if os.path.islink(path) else \
                    hashlib.sha256(open(path, "rb").read()).hexdigest()[:12]
                yield f"file {path} {content}"


def ruleset():
    text = run(["nft", "-s", "list", "ruleset"]) if os.path.exists("/usr/sbin/nft") else ""
    # A set's elements are several to a line, in an order of the kernel's.
    text = re.sub(r"elements = \{[^}]*\}", lambda found: "\n".join(sorted(
        "elements " + element.strip() for element in found[0][12:-1].split(","))), text)
    return ["nft " + re.sub(r"counter packets \d+ bytes \d+", "counter", line).strip() for line in text.splitlines()]


def snapshot(switch=None):
    lines = [*links(), *addresses_and_routes(), *files(), *ruleset(), *(switch.rows() if switch else [])]
    return sorted(lines)


def difference(before, after):
    changes = difflib.unified_diff(before, after, lineterm="", n=0)
    return [line for line in changes if line[0] in "+-" and line[:3] not in ("+++", "---")]


def lasting_difference(before, switch=None, seconds=20):
    """Once that is empty, or has stayed that long: the kernel takes its time to forget links."""
    deadline = time.monotonic() + seconds
    while True:
        changes = difference(before, snapshot(switch))
        if not changes or time.monotonic() > deadline:
            return changes
        time.sleep(0.5)
