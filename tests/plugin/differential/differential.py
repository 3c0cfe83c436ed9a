#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The same configurations given to Barewire's plugins and to Debian's reference plugins.

Every key of cases.json takes every value of VALUES and its own edges; each configuration goes through ADD, CHECK and DEL of both
suites, in a pod and a host network of its own. What one accepts the other must accept, with the same result and the same links,
addresses, routes and rules. A difference must have a row in docs/configuration/differences.md, and every row must be needed.

Without BAREWIRE_FULL=1 a sample is run, chosen by the seed that is printed (BAREWIRE_SEED repeats one)."""
import argparse
import copy
import ctypes
import fnmatch
import json
import os
import random
import re
import shutil
import subprocess
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
PAGE = os.path.join(HERE, "../../../docs/configuration/differences.md")
REFERENCE = "/usr/lib/cni"
SAMPLE = 60  # configurations of all plugins together, about 10 s
SKIPPED = 77
ABSENT = "absent"
# As JSON text, because 1.0 and 1e3 are not what 1 and 1000 are.
VALUES = [ABSENT, "null", '""', '"x"', "0", "1", "-1", "1.0", "1e3", "2147483648", "4294967296", "9223372036854775808",
          "true", "false", "[]", "[null]", "[0]", '["x"]', "{}", '{"x":1}']
LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET, MS_BIND = 0x40000000, 4096
PLACE = "@value@"


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
        for knob in ("accept_dad", "addr_gen_mode"):  # no link-local addresses that come when they like
            with open(f"/proc/sys/net/ipv6/conf/default/{knob}", "w", encoding="ascii") as file:
                file.write("0" if knob == "accept_dad" else "1")

    on_thread(body)


def drop_netns(path):
    LIBC.umount2(path.encode(), 2)
    os.unlink(path)


def ip(netns, lines, options=("-force",)):
    """One ip process for all lines; netns None is the node's own."""
    def body():
        if netns:
            enter(netns)
        return subprocess.run(["ip", *options, "-batch", "-"], input="\n".join(lines) + "\n", text=True, check=False,
                              capture_output=True).stdout

    return on_thread(body)


LINK_KEYS = ("ifname", "mtu", "master", "txqlen", "promiscuity", "allmulti")
ROUTE_KEYS = ("dst", "gateway", "via", "dev", "table", "scope", "metric", "prefsrc", "flags")


def flags_of(link):
    return sorted(set(link["flags"]) & {"UP", "PROMISC", "ALLMULTI", "NOARP"})


def state_of(netns):
    """Links, addresses, routes and rules, without what is random or the kernel's own."""
    text = ip(netns, ["-d link show", "address show", "route show table all", "-6 route show table all", "rule show",
                      "-6 rule show"], ("-j",))
    parts = [json.loads(line) for line in text.splitlines() if line.strip()]
    links, addresses, routes, routes6, rules, rules6 = (parts + [[]] * 6)[:6]
    lines = []
    for link in links:
        kept = {key: link[key] for key in LINK_KEYS if key in link} | {"flags": flags_of(link)}
        info = link.get("linkinfo", {})
        kept["kind"] = info.get("info_kind")
        for key in ("mode", "id", "protocol", "vlan_filtering", "table", "flags"):
            if key in info.get("info_data", {}):
                kept["data." + key] = info["info_data"][key]
        if link.get("address", "").startswith("02:00:"):
            kept["address"] = link["address"]
        lines.append("link " + json.dumps(kept, sort_keys=True))
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


def comparable(result):
    """What Debian's older release does not tell, and empty objects."""
    if not isinstance(result, dict):
        return result
    result = copy.deepcopy(result)
    if result.get("dns") == {}:
        del result["dns"]
    for interface in result.get("interfaces", []):
        interface.pop("mtu", None)
    return without_random(json.dumps(result, sort_keys=True))


def files_left(directories):
    left = []
    for directory in directories:
        for root, _, names in os.walk(directory):
            left += [os.path.join(root, name) for name in names
                     if not name.startswith("last_reserved_ip") and name not in ("lock", "host-local")
                     and "/locks/" not in root + "/" and "host-local" not in root]
    return sorted(left)


class Suite:
    """One of the two: where its plugins are."""

    def __init__(self, name, directory):
        self.name, self.directory = name, directory

    def call(self, verb, plugin, config, ifname):
        environment = {"PATH": os.environ["PATH"], "CNI_COMMAND": verb, "CNI_CONTAINERID": "pod1", "CNI_IFNAME": ifname,
                       "CNI_NETNS": "/run/netns/pod1", "CNI_PATH": self.directory}
        try:
            done = subprocess.run([f"{self.directory}/{plugin}"], input=config.encode(), env=environment, check=False,
                                  capture_output=True, timeout=60)
        except subprocess.TimeoutExpired:
            return False, "hangs"
        try:
            printed = json.loads(done.stdout) if done.stdout.strip() else None
        except ValueError:
            printed = done.stdout.decode(errors="replace")
        return done.returncode == 0, printed


def put(config, path, text):
    """The configuration as JSON text with the value at `path` replaced."""
    config = copy.deepcopy(config)
    at = config
    *parents, last = path.split(".")
    for name in parents:
        at = at[int(name)] if isinstance(at, list) else at.setdefault(name, {})
    if text == ABSENT:
        if isinstance(at, dict):
            at.pop(last, None)
    elif isinstance(at, list):
        at[int(last)] = PLACE
    else:
        at[last] = PLACE
    return json.dumps(config).replace(json.dumps(PLACE), text)


def configurations(cases):
    """(plugin, key, value as JSON text)"""
    for plugin, case in cases["plugins"].items():
        keys = (cases["common"] if case.get("withCommon") else {}) | case["keys"]
        for key, edges in keys.items():
            if key in case.get("without", []):
                continue
            for value in VALUES + [json.dumps(edge) for edge in edges]:
                yield plugin, key, value


def outcome_of(suite, plugin, case, config):
    """What one suite makes of a configuration, as comparable parts."""
    pod = "/run/netns/pod1"
    ifname = case.get("ifname", "eth0")
    make_netns(pod)
    ip(None, case.get("host", []))
    ip(pod, ["link set lo up"] + case.get("pod", []))
    parts = {}
    added, result = suite.call("ADD", plugin, config, ifname)
    parts["ADD"] = added
    parts["said"] = "" if added else str(result)
    if added:
        parts["result"] = comparable(result)
        parts["state"] = state_of(pod) + (["host"] + state_of(None) if case.get("hostState", True) else [])
        again = json.loads(config)
        if plugin not in CHAINED:
            again["prevResult"] = result
        if plugin not in NO_CHECK:
            parts["CHECK"], said = suite.call("CHECK", plugin, json.dumps(again) if plugin not in CHAINED else config, ifname)
            parts["said"] += "" if parts["CHECK"] else f" CHECK: {said}"
    parts["DEL"], said = suite.call("DEL", plugin, config, ifname)
    parts["said"] += "" if parts["DEL"] else f" DEL: {said}"
    if added:
        parts["after"] = [line for line in state_of(pod)] + files_left(["/var/lib/cni", "/run/cni"])
    drop_netns(pod)
    ip(None, case.get("clean", []))
    for directory in ("/var/lib/cni", "/run/cni"):
        for name in os.listdir(directory):
            shutil.rmtree(os.path.join(directory, name), ignore_errors=True)
    if plugin in WITH_RULES:
        subprocess.run(["nft", "flush", "ruleset"], check=False, capture_output=True)
    return parts


CHAINED = {"tuning", "portmap", "bandwidth", "firewall", "sbr", "vrf"}
WITH_RULES = {"bridge", "ptp", "portmap", "firewall"}
NO_CHECK = {"sbr"}  # the reference's says nothing


def differences_of(theirs, ours):
    """Names of what differs, seen from Barewire."""
    found = []
    for verb in ("ADD", "CHECK", "DEL"):
        if verb in theirs and verb in ours and theirs[verb] != ours[verb]:
            found.append(f"{verb} {'accepted' if ours[verb] else 'refused'}")
    if theirs["ADD"] and ours["ADD"]:
        found += [part for part in ("result", "state", "after") if theirs.get(part) != ours.get(part)]
    return found


class Exceptions:
    """The rows of differences.md: | plugin | key | value | what | why |"""

    def __init__(self, path):
        self.rows = []
        with open(path, encoding="utf-8") as file:
            for line in file:
                cells = [cell.strip().replace("`", "").replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
                if len(cells) == 5 and cells[0] not in ("plugin", "") and not set(cells[0]) <= {"-", ":"}:
                    self.rows.append([cell for cell in cells[:4]] + [False])

    def explain(self, plugin, key, value, what):
        explained = False
        for row in self.rows:
            cells = zip(row[:4], (plugin, key, value, what))
            if all(any(fnmatch.fnmatchcase(text, one) for one in pattern.split(" or ")) for pattern, text in cells):
                row[4] = explained = True
        return explained

    def unused(self):
        return [" | ".join(row[:4]) for row in self.rows if not row[4]]


def private_node():
    for directory in ("/run", "/var/lib"):
        subprocess.run(["mount", "-t", "tmpfs", "t", directory], check=True)
    if os.path.isdir("/etc/cni"):
        subprocess.run(["mount", "-t", "tmpfs", "t", "/etc/cni"], check=True)
    subprocess.run(["mount", "-t", "sysfs", "s", "/sys"], check=False, capture_output=True)
    for directory in ("/run/netns", "/var/lib/cni", "/run/cni"):
        os.makedirs(directory)
    subprocess.run("ip link set lo up; sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.default.addr_gen_mode=1",
                   shell=True, check=True)


def work_through(chosen, cases, ours_directory, verbose):
    """In a node of its own; prints a line of JSON for each difference."""
    private_node()
    suites = Suite("reference", REFERENCE), Suite("barewire", ours_directory)
    for plugin, key, value in chosen:
        case = cases["plugins"][plugin]
        config = put(case["base"], key, value)
        theirs, ours = (outcome_of(suite, plugin, case, config) for suite in suites)
        for what in differences_of(theirs, ours):
            print(json.dumps({"plugin": plugin, "key": key, "value": value, "what": what,
                              "said": [theirs["said"], ours["said"]],
                              "parts": [theirs.get(what), ours.get(what)] if verbose else []}), flush=True)
    print(json.dumps({"done": len(chosen)}), flush=True)


def choose(cases, plugin_filter, key_filter):
    everything = [one for one in configurations(cases)
                  if fnmatch.fnmatchcase(one[0], plugin_filter) and fnmatch.fnmatchcase(one[1], key_filter)]
    if os.environ.get("BAREWIRE_FULL") == "1" or len(everything) <= SAMPLE:
        return everything, None
    seed = int(os.environ.get("BAREWIRE_SEED") or random.SystemRandom().randrange(10**6))
    return random.Random(seed).sample(everything, SAMPLE), seed


def run_workers(chosen, options):
    """Shares the configurations out to as many processes as there are CPUs, each in namespaces of its own."""
    count = min(os.cpu_count() or 1, 4, len(chosen))
    unshare = ["unshare", "-n", "-m", "--propagation", "private"] + (["-Ur"] if os.geteuid() != 0 else [])
    workers = []
    for share in range(count):
        worker = subprocess.Popen([*unshare, sys.executable, __file__, "--worker", "--barewire", options.barewire]
                                  + (["--verbose"] if options.verbose else []), stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, text=True)
        worker.stdin.write(json.dumps(chosen[share::count]))
        worker.stdin.close()
        workers.append(worker)
    found, done = [], 0
    for worker in workers:
        for line in worker.stdout:
            message = json.loads(line)
            done += message.get("done", 0)
            if "what" in message:
                found.append(message)
        worker.wait()
    if done != len(chosen):
        sys.exit(f"only {done} of {len(chosen)} configurations were run")
    return found


def show(difference, verbose):
    print("{plugin}: {key} = {value}: {what}".format(**difference))
    for name, said in zip(("reference", "barewire"), difference["said"]):
        if said:
            print(f"    {name} said: {said[:300]}")
    if verbose and difference["parts"] and isinstance(difference["parts"][0], list):
        theirs, ours = map(set, difference["parts"])
        for sign, lines in (("-", theirs - ours), ("+", ours - theirs)):
            for line in sorted(lines):
                print(f"    {sign} {line}")
    elif verbose and difference["parts"]:
        print("    - {}\n    + {}".format(*difference["parts"]))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--barewire", required=True, help="directory of Barewire's plugins")
    parser.add_argument("--plugin", default="*")
    parser.add_argument("--key", default="*")
    parser.add_argument("--verbose", action="store_true", help="show what differs in results and states")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    with open(os.path.join(HERE, "cases.json"), encoding="utf-8") as file:
        cases = json.load(file)
    if options.worker:
        return work_through(json.load(sys.stdin), cases, options.barewire, options.verbose)
    if not os.path.exists(f"{REFERENCE}/bridge"):
        print("skipped: containernetworking-plugins is not installed")
        return SKIPPED
    chosen, seed = choose(cases, options.plugin, options.key)
    print(f"{len(chosen)} configurations" + (f", a sample: BAREWIRE_SEED={seed} repeats it" if seed is not None else ""))
    exceptions = Exceptions(PAGE)
    unexplained = [one for one in run_workers(chosen, options)
                   if not exceptions.explain(one["plugin"], one["key"], one["value"], one["what"])]
    for difference in unexplained:
        show(difference, options.verbose)
    stale = exceptions.unused() if seed is None and options.plugin == options.key == "*" else []
    for row in stale:
        print(f"differences.md has a row that explains nothing: {row}")
    print(f"{len(unexplained)} differences without a row in differences.md")
    return 1 if unexplained or stale else 0


if __name__ == "__main__":
    sys.exit(main())
