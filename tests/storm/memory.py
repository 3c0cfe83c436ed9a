# SPDX-License-Identifier: Apache-2.0
"""What the journal knows of a storm, held against what the runtime saw: after all pods are gone, so from the journal alone."""
import collections
import datetime
import json
import os
import subprocess

JOURNAL = "/var/lib/cni/barewire/journal"
FAILURES = ("refusal", "drift")
NAMESPACE = "storm"
ASKED = 12  # pods that each question is asked of by the command


def seconds(time):
    return datetime.datetime.fromisoformat(time.replace("Z", "+00:00")).timestamp()


class Memory:
    """`outcomes`: every call of the storm; findings are "memory: …"."""

    def __init__(self, prefix, outcomes):
        self.program = os.path.join(prefix, "bin/barewire")
        self.outcomes, self.findings, self.asked = outcomes, [], collections.Counter()

    def ask(self, *words):
        self.asked[words[0]] += 1
        return subprocess.run([self.program, *words], capture_output=True, text=True, check=False)

    def document(self, *words):
        return json.loads(self.ask(*words, "-o", "json").stdout)

    def find(self, pod, what):
        self.findings.append(f"memory: {pod}: {what}")

    def check(self):
        history = self.document("history")
        events = history["events"]
        self.events, self.damaged = len(events), history["damagedLines"]
        if history["problems"]:
            self.find("journal", history["problems"])
        by_pod, failures, calls = (collections.defaultdict(list) for _ in range(3))
        for event in events:
            if event.get("namespace") != NAMESPACE:
                continue
            if event.get("cause") == "runtime":
                by_pod[event["pod"]].append(event)
            if event["event"] in FAILURES:  # the reaper's too
                failures[event["pod"]].append(event)
        for outcome in self.outcomes:
            if outcome.pod:
                calls[outcome.pod].append(outcome)
        # Where the files have been turned over, what was before is forgotten by design.
        beginning = seconds(events[0]["time"]) if os.path.exists(JOURNAL + "/events.1") and events else 0
        known = [pod for pod in calls if calls[pod][0].at > beginning]
        self.pods = len(known)
        for pod in known:
            self.compare(pod, by_pod[pod], calls[pod])
        refused = [pod for pod in known if failures[pod]]
        for pod in known[:: max(1, len(known) // ASKED)]:
            self.expect_history(pod, by_pod[pod])
        for pod in refused[:: max(1, len(refused) // ASKED)]:
            self.expect_reason(pod, failures[pod][-1])
        self.expect_holders(events)
        self.expect_torn_tail(events)

    def compare(self, pod, events, calls):
        """A call that ended by itself has one line; one that was killed, or of which some system call was made to fail, one or none.
        An ADD whose answer nobody got has two: that it succeeded, and that it was undone."""
        for verb in ("ADD", "DEL"):
            for ok in (True, False):
                lines = [event for event in events if event["command"] == verb and (event["event"] != "refusal") == ok]
                ended = [call for call in calls if call.verb == verb and not call.killed and call.ok == ok]
                certain = [call for call in ended if not call.stroke]
                perhaps = [call for call in calls if call.verb == verb and (call.killed or call.undelivered)]
                # An IPAM plugin that a plugin called by itself has a line too, and is no call of the runtime.
                for plugin in {call.plugin for call in calls}:
                    def count(of):
                        return sum(each.plugin == plugin for each in of)
                    told = sum(event["plugin"] == plugin for event in lines)
                    if not count(certain) <= told <= count(ended) + count(perhaps):
                        self.find(pod, f"{verb} of {plugin} that {'succeeded' if ok else 'failed'}: {told} lines of {count(certain)} to "
                                       f"{count(ended) + count(perhaps)}")

    def expect_history(self, pod, events):
        told = self.document("history", f"{NAMESPACE}/{pod}")["events"]
        if [event["time"] for event in told if event.get("cause") == "runtime"] != [event["time"] for event in events]:
            self.find(pod, f"history tells {len(told)} events of {len(events)}")

    def expect_reason(self, pod, refusal):
        told = self.document("why", f"{NAMESPACE}/{pod}")["failure"]
        if not told or told["time"] != refusal["time"] or told["what"] != refusal["what"]:
            self.find(pod, f"why tells {told}, and it was {refusal}")

    def expect_holders(self, events):
        """Who had a device, in the middle of each time that somebody had it."""
        since = {}
        asked = 0
        for event in events:
            device = event.get("device")
            if not device or event["event"] not in ("attach", "detach", "reap") or asked >= ASKED:
                continue
            before = since.pop(device, None)
            if event["event"] == "attach":
                since[device] = event
            elif before and before.get("container") == event.get("container"):
                middle = (seconds(before["time"]) + seconds(event["time"])) / 2
                at = datetime.datetime.fromtimestamp(middle, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")
                holder = self.document("who", device, "--at", at)["holder"]
                asked += 1
                if not holder or holder.get("container") != before.get("container"):
                    self.find(device, f"who tells {holder} at {at}, and it was {before}")

    def expect_torn_tail(self, events):
        path = JOURNAL + "/events"
        if not os.path.exists(path) or os.path.getsize(path) < 100:
            return
        os.truncate(path, os.path.getsize(path) - 20)
        torn = self.ask("history", "-o", "json")
        document = json.loads(torn.stdout)
        if len(document["events"]) != len(events) - 1 or document["damagedLines"] != self.damaged + 1:
            self.find("journal", "a torn tail is not passed over")
        if "torn or damaged" not in torn.stderr:
            self.find("journal", "a torn tail is not said")
