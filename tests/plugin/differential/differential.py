#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The same configurations given to Barewire's plugins and to Debian's reference plugins.

Every key of cases.json takes every value of VALUES and its own edges; each configuration goes through ADD, CHECK and DEL of both
suites, in a pod and a host network of its own. What one accepts the other must accept, with the same result and the same links,
addresses, routes and rules. A difference must have a row in docs/configuration/differences.md.

A run is a sample that BAREWIRE_SWEEP_SEED decides; with BAREWIRE_SWEEP=whole it has every configuration, and every row must
be needed."""
import argparse
import copy
import fnmatch
import json
import os
import random
import re
import subprocess
import sys

from node import IPV4_ONLY, POD, WORK, Place, files_left, private_node, state_of, without_random

HERE = os.path.dirname(os.path.abspath(__file__))
PAGE = os.path.join(HERE, "../../../docs/configuration/differences.md")
REFERENCE = "/usr/lib/cni"
SAMPLE = 60  # configurations of all plugins together
SKIPPED = 77
ABSENT = "absent"
# As JSON text, because 1.0 and 1e3 are not what 1 and 1000 are. The second line is for keys that take numbers.
VALUES = [ABSENT, "null", '""', '"x"', "0", "true", "[]", '["x"]', "{}"]
NUMBERS = ["1", "-1", "1.0", "2147483648", "4294967296", "9223372036854775808"]
NUMERIC = re.compile("mtu|vlan|vlanId|table|.*Rate|.*Burst|.*Port|markMasqBit|txQLen|interface|unknownKey", re.IGNORECASE)
PLACE = "@value@"
CHAINED = {"tuning", "portmap", "bandwidth", "firewall", "sbr", "vrf"}
NO_CHECK = {"sbr"}  # the reference's says nothing


def comparable(result):
    """What Debian's older release does not tell, and empty objects."""
    if not isinstance(result, dict):
        return result
    result = copy.deepcopy(result)
    if result.get("dns") == {}:
        del result["dns"]
    for interface in result.get("interfaces") or []:
        if interface:
            interface.pop("mtu", None)
    return without_random(json.dumps(result, sort_keys=True))


class Suite:
    """One of the two: where its plugins are."""

    def __init__(self, name, directory):
        self.name, self.directory = name, directory

    def call(self, verb, plugin, config, ifname):
        # Debian's CHECK of portmap looks in ip6tables for the rules of IPv4 addresses, wherever there is that command.
        narrow = self.directory == REFERENCE and (verb, plugin) == ("CHECK", "portmap")
        environment = {"PATH": IPV4_ONLY if narrow else os.environ["PATH"], "CNI_COMMAND": verb, "CNI_CONTAINERID": "pod1", "CNI_IFNAME": ifname,
                       "CNI_NETNS": POD, "CNI_PATH": self.directory}
        try:
            done = subprocess.run([f"{self.directory}/{plugin}"], input=config.encode(), env=environment, check=False,
                                  cwd=WORK, capture_output=True, timeout=60)
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
            numbers = NUMBERS if NUMERIC.fullmatch(key.rsplit(".", 1)[-1]) else []
            for value in VALUES + numbers + [json.dumps(edge) for edge in edges]:
                yield plugin, key, value


def outcome_of(suite, plugin, case, config, place):
    """What one suite makes of a configuration, as comparable parts."""
    place.prepare(case)
    ifname = case.get("ifname", "eth0")
    parts = {}
    added, result = suite.call("ADD", plugin, config, ifname)
    parts["ADD"] = added
    parts["said"] = "" if added else str(result)
    if added:
        parts["result"] = comparable(result)
        parts["state"] = state_of(POD) + (["host"] + state_of(None) if case.get("hostState", True) else [])
        check_with = config if plugin in CHAINED else json.dumps(json.loads(config) | {"prevResult": result})
        if plugin not in NO_CHECK:
            parts["CHECK"], said = suite.call("CHECK", plugin, check_with, ifname)
            parts["said"] += "" if parts["CHECK"] else f" CHECK: {said}"
    parts["DEL"], said = suite.call("DEL", plugin, config, ifname)
    parts["said"] += "" if parts["DEL"] else f" DEL: {said}"
    if added:
        parts["after"] = state_of(POD) + files_left()
        place.clear()
    else:
        place.refused()
    return parts


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


def work_through(chosen, cases, ours_directory, verbose):
    """In a node of its own; prints a line of JSON for each difference."""
    private_node()
    suites = Suite("reference", REFERENCE), Suite("barewire", ours_directory)
    place = Place()
    for plugin, key, value in sorted(chosen):
        case = cases["plugins"][plugin]
        config = put(case["base"], key, value)
        theirs, ours = (outcome_of(suite, plugin, case, config, place) for suite in suites)
        for what in differences_of(theirs, ours):
            print(json.dumps({"plugin": plugin, "key": key, "value": value, "what": what,
                              "said": [theirs["said"], ours["said"]],
                              "parts": [theirs.get(what), ours.get(what)] if verbose else []}), flush=True)
    print(json.dumps({"done": len(chosen)}), flush=True)


def choose(cases, plugin_filter, key_filter):
    everything = [one for one in configurations(cases)
                  if fnmatch.fnmatchcase(one[0], plugin_filter) and fnmatch.fnmatchcase(one[1], key_filter)]
    if os.environ.get("BAREWIRE_SWEEP") == "whole" or len(everything) <= SAMPLE:
        return everything, None
    seed = int(os.environ.get("BAREWIRE_SWEEP_SEED") or 0)
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
    print(f"{len(chosen)} configurations" + (f", a sample: BAREWIRE_SWEEP_SEED={seed}" if seed is not None else ""))
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
