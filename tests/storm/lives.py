# SPDX-License-Identifier: Apache-2.0
"""The lives of pods in a storm, each by the dice of its own name and the seed, and what must hold of each."""
import glob
import json
import os
import random
import subprocess
import time

from pods import Pod
from weather import stroke

PATIENCE = 30  # tries of a DEL in the storm, seconds for a live pod to answer


class Lives:
    def __init__(self, runtime, switch, anchors, options):
        self.runtime, self.switch, self.anchors, self.options = runtime, switch, anchors, options
        self.findings, self.counts = [], {}

    def count(self, what):
        self.counts[what] = self.counts.get(what, 0) + 1

    def find(self, kind, pod, what):
        self.findings.append(f"{kind}: {pod.name}: {what}")

    # --- one list of plugins, as libcni calls it

    def call(self, verb, pod, position, calm, previous=None):
        dice, options = pod.dice, self.options
        how = ([], 0) if calm else (stroke(dice, options.slowness), options.iptables)
        network = pod.network
        outcome = self.runtime.call(verb, network.plugins[position]["type"],
                                    network.configuration(position, pod, previous), pod, *how)
        if outcome.hung:
            self.find("hang", pod, f"{verb} of {outcome.plugin} after {outcome.seconds:.0f} s: {outcome.hung}")
        elif not outcome.killed and outcome.status not in (0, 1):
            self.find("crash", pod, f"{verb} of {outcome.plugin} ended with {outcome.status}: {outcome.err[-300:]}")
        return outcome

    def add(self, pod, calm=False):
        """Whether every plugin of the list said yes; then `pod.result` is the last one's."""
        network = pod.network
        with network.turn:
            network.valid.add(pod.name)
            network.adding += 1
        try:
            result = None
            for position in range(len(network.plugins)):
                outcome = self.call("ADD", pod, position, calm, result)
                if not outcome.ok:
                    self.count("ADD killed" if outcome.killed else "ADD failed")
                    pod.refusal = outcome.out
                    return False
                result = self.parsed(pod, outcome) or result
            pod.result = result
            self.count("ADD ok")
            return True
        finally:
            with network.turn:
                network.adding -= 1
                network.turn.notify_all()

    def add_calmly(self, pod):
        """Error 11 asks for another try: the switch is being started anew."""
        deadline = time.monotonic() + PATIENCE * self.options.slowness
        while not self.add(pod, calm=True):
            if '"code":11' not in pod.refusal or time.monotonic() > deadline:
                return False
            self.end(pod, calm=True)
            time.sleep(0.2)
        return True

    def parsed(self, pod, outcome):
        try:
            return json.loads(outcome.out)
        except ValueError:
            self.find("words", pod, f"{outcome.verb} of {outcome.plugin} said yes, and {outcome.out[:200]!r}")
            return None

    def delete(self, pod, calm=False):
        """One round over the list, from its end; stops where a plugin fails, as libcni."""
        with pod.network.turn:
            pod.network.valid.discard(pod.name)
        for position in reversed(range(len(pod.network.plugins))):
            outcome = self.call("DEL", pod, position, calm, pod.result)
            if not outcome.ok:
                self.count("DEL killed" if outcome.killed else "DEL failed")
                return False
        self.count("DEL ok")
        return True

    def end(self, pod, calm=False):
        """DEL until it is done, then nothing may be left of the pod."""
        for _ in range(PATIENCE):
            if self.delete(pod, calm):
                self.expect_gone(pod)
                pod.result = None
                return
            if calm:
                time.sleep(0.5)  # error 11 asks for another try, and a switch needs a while to start
            calm = calm or pod.dice.random() < 0.2
        self.find("stuck", pod, f"{PATIENCE} DELs have failed")

    # --- what must hold

    def expect_gone(self, pod):
        left = glob.glob(f"/run/barewire/attachments/*/{pod.name}@*")
        for path in glob.glob(f"/var/lib/cni/networks/{pod.network.name}/10.*"):
            try:
                with open(path, encoding="ascii") as reservation:
                    left += [path] if reservation.readline().strip() == pod.name else []
            except FileNotFoundError:
                continue
        if os.path.exists(pod.netns):
            links = subprocess.run(["ip", "-n", pod.name, "link", "show", "eth0"], capture_output=True, check=False)
            left += ["eth0"] if links.returncode == 0 else []
        if left:
            self.find("leak", pod, "DEL said 0 and left " + ", ".join(left))

    def expect_alive(self, pod):
        """Everything as right after ADD; it reaches the pod that has been there all the time."""
        now = pod.look(self.switch)
        if now != pod.state:
            gone = [f"-{line}" for line in pod.state if line not in now]
            new = [f"+{line}" for line in now if line not in pod.state]
            self.find("hurt", pod, "\n    ".join(["its state has changed"] + gone + new))
        anchor = self.anchors.get(pod.network.kind)
        if anchor and anchor is not pod and not pod.reaches(anchor.address(), PATIENCE):
            self.find("hurt", pod, f"does not reach {anchor.name}")

    def expect_checked(self, pod):
        """Within the time in which a switch that is started anew has to be back."""
        deadline = time.monotonic() + PATIENCE * self.options.slowness
        while True:
            failed = [outcome for outcome in
                      (self.call("CHECK", pod, position, True, pod.result) for position in
                       range(len(pod.network.plugins))) if not outcome.ok]
            if not failed:
                return
            if time.monotonic() > deadline:
                break
            time.sleep(0.2)
        self.find("hurt", pod, f"CHECK of {failed[0].plugin}: {failed[0].out[:300]}")

    # --- lives

    def born(self, network, number):
        """A pod after its first ADDs: alive, or None when it has come to its end already."""
        pod = Pod(network, number, f"{network.kind}-{number}",
                  dice=random.Random(f"{self.options.seed} {network.kind} {number}"))
        pod.make_netns()
        for pod.tries in range(6):
            if pod.tries == 5:  # a list of which the first plugins said yes is not ADDed again, but DELed
                self.end(pod)
            if self.add_calmly(pod) if pod.tries == 5 else self.add(pod):
                pod.state = pod.look(self.switch)
                self.expect_checked(pod)
                self.expect_alive(pod)
                return pod
            if not self.recover(pod):
                return None
        self.find("stuck", pod, "a calm ADD fails: " + pod.refusal[:300])
        self.end(pod, calm=True)
        return None

    def recover(self, pod):
        """What a runtime does of an ADD that failed or was killed. False: it gives the pod up."""
        draw = pod.dice.random()
        if draw < 0.3:
            self.count("ADD again at once")
            return True
        if draw < 0.5:
            self.count("netns gone, ADD again")
            pod.delete_netns()
            pod.make_netns()
            return True
        self.end(pod)
        if draw < 0.8:
            return True
        pod.delete_netns()
        return False

    def die(self, pod):
        """The end of a live pod: DEL, or its netns goes first, and it is left to the reaper or DELed late."""
        self.expect_alive(pod)
        draw = pod.dice.random()
        if draw < 0.6:
            self.end(pod)
            pod.delete_netns()
        elif draw < 0.8:
            self.count("netns gone before DEL")
            pod.delete_netns()
            self.end(pod)
        else:
            self.count("left to the reaper")
            with pod.network.turn:
                pod.network.valid.discard(pod.name)
            pod.delete_netns()
            return pod
        return None
