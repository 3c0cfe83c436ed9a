# SPDX-License-Identifier: Apache-2.0
"""What strikes: at single calls (stroke), and at the node (Weather: reaper, GC, the switch's restarts, iptables that fails)."""
import errno
import os
import random
import threading
import time

from node import run

ERRORS = [errno.EIO, errno.ENOSPC, errno.ENOMEM, errno.EAGAIN, errno.EACCES]
WRAPPED = ["iptables", "ip6tables", "iptables-restore", "ip6tables-restore", "iptables-save", "ip6tables-save"]
# Fails as iptables-nft does when the kernel is busy, dies, or dies when its work is done.
WRAPPER = """#!/bin/bash
if [ $((RANDOM % 100)) -lt "${{STORM_IPTABLES:-0}}" ]; then
  case $((RANDOM % 3)) in
    0) echo "{name}: Resource temporarily unavailable." >&2; exit 4 ;;
    1) kill -9 $$ ;;
    2) {path} "$@"; kill -9 $$ ;;
  esac
fi
exec {path} "$@"
"""


def wrap_iptables(directory):
    """Puts programs before iptables on PATH that fail in STORM_IPTABLES of a hundred calls."""
    os.makedirs(directory)
    for name in WRAPPED:
        path = f"/usr/sbin/{name}"
        if os.path.exists(path):
            with open(os.path.join(directory, name), "w", encoding="ascii") as wrapper:
                wrapper.write(WRAPPER.format(name=name, path=path))
            os.chmod(os.path.join(directory, name), 0o755)
    os.environ["PATH"] = directory + ":" + os.environ["PATH"]


def stroke(dice, slowness):
    """For one call: nothing, a kill at a moment or at a change, or a failure. `slowness`: of this machine, 1 is quick."""
    draw = dice.random()
    if draw < 0.40:
        return []
    if draw < 0.65:
        return ["at", dice.expovariate(1 / (25 * slowness)), dice.random() < 0.5]
    if draw < 0.80:
        return [dice.choice(["kill-before", "kill-after"]), int(dice.expovariate(1 / 25))]
    return [dice.choice(["fail", "look"]), int(dice.expovariate(1 / 15)), dice.choice(ERRORS)]


class Weather:
    """Threads that go over the node until `stop`."""

    def __init__(self, runtime, prefix, networks, switch, options):
        self.runtime, self.prefix, self.networks, self.switch = runtime, prefix, networks, switch
        self.slowness, self.iptables = options.slowness, options.iptables
        self.dice = random.Random(f"{options.seed} weather")
        self.ending = threading.Event()
        self.restarts, self.failures = {"ovsdb": 0, "vswitchd": 0}, []
        self.threads = [threading.Thread(target=self.guarded, args=(work,)) for work in
                        [self.reap, self.collect] + ([self.restart] if switch else [])]

    def start(self):
        for thread in self.threads:
            thread.start()

    def stop(self):
        self.ending.set()
        for thread in self.threads:
            thread.join()

    def guarded(self, work):
        try:
            work()
        except Exception as failure:  # pylint: disable=broad-except
            self.failures.append(f"{work.__name__}: {failure!r}")

    def pause(self, seconds):
        return self.ending.wait(self.dice.uniform(0, 2 * seconds))

    def reap(self):
        programs = [[os.path.join(self.prefix, "sbin/barewired"), "--once", "--grace", "0"],
                    [os.path.join(self.prefix, "bin/barewire"), "gc", "--min-age", "0"]]
        while not self.pause(1 * self.slowness):
            self.runtime.program("reap", self.dice.choice(programs), stroke(self.dice, 3 * self.slowness), self.iptables)

    def collect(self):
        while not self.pause(1.5 * self.slowness):
            network = self.dice.choice(self.networks)
            with network.turn:
                network.turn.wait_for(lambda: network.adding == 0)  # pylint: disable=cell-var-from-loop
                valid = [{"containerID": name, "ifname": "eth0"} for name in sorted(network.valid)]
                for position, plugin in enumerate(network.plugins):
                    self.runtime.call("GC", plugin["type"],
                                      network.configuration(position, **{"cni.dev/valid-attachments": valid}),
                                      None, stroke(self.dice, 2 * self.slowness), self.iptables)

    def restart(self):
        while not self.pause(8):
            daemons = self.dice.choice([["ovsdb"], ["vswitchd"], ["ovsdb", "vswitchd"]])
            for daemon in daemons:
                self.switch.kill(daemon)
            time.sleep(self.dice.uniform(0, 2))
            for daemon in daemons:
                self.switch.start(daemon)
                self.restarts[daemon] += 1
            run(["ip", "link", "set", self.switch.bridge, "up"], check=False)
