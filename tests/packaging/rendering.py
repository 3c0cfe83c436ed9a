# SPDX-License-Identifier: Apache-2.0
"""What kustomize and helm make of packaging/kubernetes, as far as it uses them: Debian has neither.

What is used beyond that is an error here, so that nobody takes more of their language than the tests can read.
"""
import json
import re

import yaml

# What tells members of a list apart. Source: Kubernetes, API types, patchMergeKey.
MERGE_KEYS = {"containers": "name", "volumes": "name", "env": "name", "volumeMounts": "mountPath"}


def merged(base, patch, name=""):
    """A strategic merge patch."""
    if isinstance(base, dict) and isinstance(patch, dict):
        return {key: merged(base[key], patch[key], key) if key in base and key in patch else patch.get(key, base.get(key))
                for key in {**base, **patch}}
    if isinstance(base, list) and name in MERGE_KEYS:
        key = MERGE_KEYS[name]
        theirs = {member[key]: member for member in patch}
        kept = [merged(member, theirs[member[key]]) if member[key] in theirs else member for member in base]
        return kept + [member for member in patch if member[key] not in {m[key] for m in base}]
    return patch


def operated(thing, operations):
    """A JSON patch, add and replace. Source: RFC 6902."""
    for operation in operations:
        *way, last = operation["path"].lstrip("/").split("/")
        place = thing
        for step in way:
            place = place[int(step)] if isinstance(place, list) else place[step]
        if isinstance(place, list):
            place[int(last):int(last) + (operation["op"] == "replace")] = [operation["value"]]
        elif operation["op"] == "add" or last in place:
            place[last] = operation["value"]
        else:
            raise KeyError(operation["path"])
    return thing


def same(thing, wanted):
    return thing["kind"] == wanted["kind"] and thing["metadata"]["name"] == wanted["metadata"]["name"]


def kustomized(directory):
    """The objects of a kustomization."""
    plan = yaml.safe_load((directory / "kustomization.yaml").read_text())
    unknown = set(plan) - {"apiVersion", "kind", "resources", "patches"}
    if unknown:
        raise ValueError(f"{directory}: kustomization with {unknown}")
    things = []
    for resource in plan["resources"]:
        path = (directory / resource).resolve()
        things += kustomized(path) if path.is_dir() else [thing for thing in yaml.safe_load_all(path.read_text()) if thing]
    for patch in plan.get("patches", []):
        target = patch.get("target")
        if target:
            wanted = {"kind": target["kind"], "metadata": {"name": target["name"]}}
            things = [operated(thing, yaml.safe_load(patch["patch"])) if same(thing, wanted) else thing for thing in things]
        else:
            wanted = yaml.safe_load((directory / patch["path"]).read_text())
            if not any(same(thing, wanted) for thing in things):
                raise ValueError(f"{directory}/{patch['path']}: patches nothing")
            things = [merged(thing, wanted) if same(thing, wanted) else thing for thing in things]
    return things


def looked_up(name, values, namespace):
    if name == ".Release.Namespace":
        return namespace
    place = values
    for step in name.removeprefix(".Values.").split("."):
        place = place[step]
    return place


def rendered(text, values, namespace):
    """`if VALUE`…`end`, a value, `toYaml VALUE | nindent N`, `toJson VALUE | quote`."""
    lines, stack = [], []
    for line in text.splitlines():
        action = re.fullmatch(r"\s*\{\{-? *(.*?) *-?\}\}", line)
        words = action[1].split() if action else []
        if words[:1] == ["if"]:
            stack.append(bool(looked_up(words[1], values, namespace)))
        elif words == ["end"]:
            stack.pop()
        elif not all(stack):
            continue
        elif words[:1] == ["toYaml"] and words[2:4] == ["|", "nindent"]:
            block = yaml.safe_dump(looked_up(words[1], values, namespace)).rstrip("\n")
            lines += [" " * int(words[4]) + row for row in block.splitlines()]
        else:
            line = re.sub(r"\{\{ toJson (\S+) \| quote \}\}", lambda m: json.dumps(json.dumps(looked_up(m[1], values, namespace))), line)
            line = re.sub(r"\{\{ (\.\S+) \}\}", lambda m: plain(looked_up(m[1], values, namespace)), line)
            if "{{" in line:
                raise ValueError(f"the chart says more than the tests can read: {line}")
            lines.append(line)
    return "\n".join(lines) + "\n"


def plain(value):
    return json.dumps(value) if isinstance(value, bool) else str(value)


def chart_objects(chart, values, namespace):
    return [thing for template in sorted((chart / "templates").glob("*.yaml"))
            for thing in yaml.safe_load_all(rendered(template.read_text(), values, namespace)) if thing]
