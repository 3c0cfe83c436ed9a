#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A Kubernetes API server of the tests' own, as far as a node daemon meets one: HTTP on loopback; get, list with field
and label selectors and pages, create, update with resourceVersion, of a status alone too, merge patches, delete,
server-side apply of a claim's status, evictions, watch.

Prints its port. Objects are kept by path. Below /test a test sees and sets what it likes:
  PUT  /test/object/PATH     puts an object without any check
  GET  /test/object/PATH     the object; 404 without one
  DEL  /test/object/PATH     removes it
  GET  /test/list/PATH       the objects of a collection
  GET  /test/log             every request since the log was emptied: [{"method","path","body"}]; PUT empties it then
  PUT  /test/answers         [{"method","prefix","status","times","hang","body"}]: answered in place of what would be
  PUT  /test/settings        {"versions": [...], "token": "...", "drop": ["taints"], "page": 2, "guarded": ["web-0"]}
                             "guarded": pods that a PodDisruptionBudget does not let go
"""
import copy
import http.server
import json
import ssl
import sys
import threading
import time
import urllib.parse

GROUP = "/apis/resource.k8s.io/"
COLLECTIONS = ("configmaps", "events", "leases", "network-attachment-definitions", "nodes", "ovsnetworks", "pods",
               "resourceclaims", "resourceslices", "sriovibnetworks", "sriovnetworknodepolicies",
               "sriovnetworknodestates", "sriovnetworkpoolconfigs", "sriovnetworks")
LOCK = threading.Condition()


class State:
    objects = {}
    log = []
    answers = []
    settings = {"versions": ["v1", "v1beta1"], "token": "", "drop": [], "page": 0, "guarded": []}
    version = 100
    events = []  # (version, collection, type, object)


def next_version():
    State.version += 1
    return str(State.version)


def stored_path(path):
    """Versions are views of one object."""
    if path.startswith(GROUP):
        rest = path[len(GROUP):].split("/", 1)
        return GROUP + "*/" + (rest[1] if len(rest) > 1 else "")
    return path


def without(value, keys):
    if isinstance(value, dict):
        return {k: without(v, keys) for k, v in value.items() if k not in keys}
    if isinstance(value, list):
        return [without(v, keys) for v in value]
    return value


def tell(kind, path, value):
    State.events.append((State.version, path.rsplit("/", 1)[0], kind, copy.deepcopy(value)))
    LOCK.notify_all()


def field(value, path):
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def is_in(path, collection):
    """Also of a collection of all namespaces."""
    folder = path.rsplit("/", 1)[0]
    if folder == collection:
        return True
    base, name = collection.rsplit("/", 1)
    rest = folder[len(base):].split("/")
    return folder.startswith(base + "/namespaces/") and len(rest) == 4 and rest[3] == name


def has_labels(value, terms):
    labels = value.get("metadata", {}).get("labels", {})
    for term in terms:
        name, equals, wanted = term.partition("=")
        if name not in labels or (equals and labels[name] != wanted):
            return False
    return True


def merged(value, patch):
    """RFC 7396."""
    if not isinstance(patch, dict):
        return patch
    result = dict(value) if isinstance(value, dict) else {}
    for key, each in patch.items():
        if each is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), each)
    return result


def check_slice(value):
    """The limits of the API; None when they are kept."""
    spec = value.get("spec", {})
    devices = spec.get("devices", [])
    plain = [dict(d.get("basic", {}), name=d["name"]) if "basic" in d else d for d in devices]
    tainted = any(d.get("taints") for d in plain)
    if len(devices) > (64 if tainted else 128):
        return "spec.devices: Too many: %d" % len(devices)
    names = [d["name"] for d in plain]
    if len(set(names)) != len(names):
        return "spec.devices: Duplicate value"
    for d in plain:
        if len(d.get("attributes", {})) + len(d.get("capacity", {})) > 32:
            return "spec.devices: too many attributes"
        label = d["name"]
        if len(label) > 63 or label.strip("abcdefghijklmnopqrstuvwxyz0123456789-") or label[0] == "-" or label[-1] == "-":
            return "spec.devices.name: Invalid value: " + label
        for name, attribute in d.get("attributes", {}).items():
            if len(attribute) != 1:
                return "attribute %s: exactly one value must be specified" % name
            if len(attribute.get("string", "")) > 64 or len(name.split("/")[-1]) > 32:
                return "attribute %s: Too long" % name
    pool = spec.get("pool", {})
    if pool.get("resourceSliceCount", 0) < 1 or pool.get("generation", -1) < 0 or not spec.get("nodeName"):
        return "spec.pool: Invalid value"
    return None


def apply_status(current, applied, manager):
    """Entries of the list are owned one by one: this manager's are replaced, those of others stay."""
    def key(entry):
        return (entry.get("driver"), entry.get("pool"), entry.get("device"), entry.get("shareID"))

    owners = current.setdefault("test.owners", {})
    devices = current.setdefault("status", {}).get("devices", [])
    wanted = applied.get("status", {}).get("devices", [])
    allowed = {(r.get("driver"), r.get("pool"), r.get("device")) for r in
               current["status"].get("allocation", {}).get("devices", {}).get("results", [])}
    for entry in wanted:
        if key(entry)[:3] not in allowed:
            return "status.devices: Invalid value: must be an allocated device in the claim"
    mine = {key(e) for e in wanted}
    kept = [e for e in devices if owners.get(json.dumps(key(e))) != manager and key(e) not in mine]
    current["status"]["devices"] = kept + wanted
    for entry in wanted:
        owners[json.dumps(key(entry))] = manager
    return None


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body are two writes: the second would wait for the client to acknowledge the first, which it puts off for
    # 40 ms. A real API server (Go) does not wait either.
    disable_nagle_algorithm = True

    def log_message(self, *args):
        pass

    def body(self):
        length = int(self.headers.get("Content-Length", 0))
        return self.rfile.read(length) if length else b""

    def send(self, status, value):
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def refuse(self, status, message):
        self.send(status, {"kind": "Status", "status": "Failure", "code": status, "message": message})

    def handle_any(self):
        url = urllib.parse.urlsplit(self.path)
        path, query = urllib.parse.unquote(url.path), dict(urllib.parse.parse_qsl(url.query))
        data = self.body()
        if path.startswith("/test/"):
            return self.control(path, data)
        with LOCK:
            State.log.append({"method": self.command, "path": self.path, "body": data.decode("utf-8", "replace")})
            planned = next((a for a in State.answers if a.get("times", 1) > 0 and path.startswith(a["prefix"])
                            and a.get("method", self.command) == self.command), None)
            if planned:
                planned["times"] = planned.get("times", 1) - 1
            token = State.settings["token"]
        if planned:
            if planned.get("hang"):
                time.sleep(planned["hang"])
                self.close_connection = True
                return None
            if "body" in planned:
                return self.send(planned.get("status", 200), planned["body"].encode())
            return self.refuse(planned["status"], "as the test asked for")
        if token and self.headers.get("Authorization") != "Bearer " + token:
            return self.refuse(401, "Unauthorized")
        return self.serve(path, query, data)

    do_GET = do_PUT = do_POST = do_DELETE = do_PATCH = handle_any

    def control(self, path, data):
        with LOCK:
            what = path[len("/test/"):]
            if what == "log":
                log = list(State.log)
                if self.command == "PUT":
                    State.log.clear()
                return self.send(200, log)
            if what.startswith("list/"):
                key = stored_path(what[len("list"):])
                return self.send(200, [without(v, ["test.owners"]) for k, v in sorted(State.objects.items())
                                       if k.rsplit("/", 1)[0] == key])
            if what == "answers":
                State.answers = json.loads(data)
                return self.send(200, {})
            if what == "settings":
                State.settings.update(json.loads(data))
                return self.send(200, {})
            key = stored_path(what[len("object"):])
            if self.command == "GET":
                return self.send(200, State.objects[key]) if key in State.objects else self.refuse(404, "not found")
            if self.command == "DELETE":
                gone = State.objects.pop(key, None)
                next_version()
                if gone:
                    tell("DELETED", key, gone)
                return self.send(200, {})
            value = json.loads(data)
            value.setdefault("metadata", {})["resourceVersion"] = next_version()
            kind = "MODIFIED" if key in State.objects else "ADDED"
            State.objects[key] = value
            tell(kind, key, value)
            return self.send(200, value)

    def serve(self, path, query, data):
        if path == GROUP.rstrip("/"):
            return self.send(200, {"versions": [{"version": v} for v in State.settings["versions"]]})
        if path.startswith(GROUP) and path[len(GROUP):].split("/")[0] not in State.settings["versions"]:
            return self.refuse(404, "the server could not find the requested resource")
        with LOCK:
            key = stored_path(path)
            if self.command == "GET":
                if query.get("watch"):
                    pass
                elif key in State.objects:
                    return self.send(200, without(State.objects[key], ["test.owners"]))
                elif path.rsplit("/", 1)[1] in COLLECTIONS:
                    return self.list(key, query)
                else:
                    return self.refuse(404, "%s not found" % path)
            elif self.command == "DELETE":
                wanted = field(json.loads(data or b"{}"), "preconditions.resourceVersion")
                if key in State.objects and wanted not in (None, State.objects[key]["metadata"]["resourceVersion"]):
                    return self.refuse(409, "Precondition failed: resourceVersion")
                gone = State.objects.pop(key, None)
                if not gone:
                    return self.refuse(404, "%s not found" % path)
                next_version()
                tell("DELETED", key, gone)
                return self.send(200, {})
            else:
                return self.write(path, key, query, data)
        return self.watch(key, query)

    def list(self, key, query):
        items = self.selected(key, query)
        page, start = State.settings["page"], int(query.get("continue") or 0)
        metadata = {"resourceVersion": str(State.version)}
        if page:
            if start + page < len(items):
                metadata["continue"] = str(start + page)
            items = items[start:start + page]
        return self.send(200, {"metadata": metadata, "items": items})

    def selected(self, key, query):
        wanted = [term.split("=", 1) for term in query.get("fieldSelector", "").split(",") if term]
        labels = [term for term in query.get("labelSelector", "").split(",") if term]
        return [v for k, v in sorted(State.objects.items()) if is_in(k, key)
                and all(field(v, f) == w for f, w in wanted) and has_labels(v, labels)]

    def write(self, path, key, query, data):
        value = json.loads(data)
        if self.command == "PATCH" and self.headers.get("Content-Type") == "application/merge-patch+json":
            return self.patch(key, value)
        if self.command == "PATCH":
            return self.apply(key, query, value)
        if path.endswith("/eviction"):
            return self.evict(key.rsplit("/", 1)[0], value)
        if self.command == "PUT" and path.endswith("/status"):
            key = key.rsplit("/", 1)[0]
            if key in State.objects:
                value = dict(State.objects[key], status=value.get("status"), metadata=value["metadata"])
        if self.command == "POST":
            name = value["metadata"].get("name") or value["metadata"].get("generateName", "x") + next_version()
            value["metadata"]["name"] = name
            key = key + "/" + name
            if key in State.objects:
                return self.refuse(409, "%s already exists" % name)
        else:
            if key not in State.objects:
                return self.refuse(404, "%s not found" % path)
            if value["metadata"].get("resourceVersion") != State.objects[key]["metadata"]["resourceVersion"]:
                return self.refuse(409, "the object has been modified; please apply your changes to the latest version")
        problem = check_slice(value) if "resourceslices" in key else None
        if problem:
            return self.refuse(422, problem)
        value = without(value, State.settings["drop"])
        value["metadata"]["resourceVersion"] = next_version()
        kind = "ADDED" if self.command == "POST" else "MODIFIED"
        State.objects[key] = value
        tell(kind, key, value)
        return self.send(201 if self.command == "POST" else 200, value)

    def patch(self, key, value):
        current = State.objects.get(key)
        if not current:
            return self.refuse(404, "not found")
        if field(value, "metadata.resourceVersion") not in (None, current["metadata"]["resourceVersion"]):
            return self.refuse(409, "the object has been modified")
        result = merged(current, value)
        result["metadata"]["resourceVersion"] = next_version()
        State.objects[key] = result
        tell("MODIFIED", key, result)
        return self.send(200, result)

    def evict(self, key, value):
        pod = State.objects.get(key)
        if not pod:
            return self.refuse(404, "%s not found" % key)
        if key.rsplit("/", 1)[1] in State.settings["guarded"]:
            return self.refuse(429, "Cannot evict pod as it would violate the pod's disruption budget.")
        if field(value, "deleteOptions.preconditions.uid") not in (None, pod["metadata"].get("uid")):
            return self.refuse(409, "Precondition failed: UID")
        tell("DELETED", key, State.objects.pop(key))
        return self.send(201, {})

    def apply(self, key, query, value):
        if self.headers.get("Content-Type") != "application/apply-patch+yaml" or "fieldManager" not in query:
            return self.refuse(415, "only server-side apply")
        claim = State.objects.get(key.rsplit("/status", 1)[0])
        if not claim:
            return self.refuse(404, "not found")
        uid = value.get("metadata", {}).get("uid")
        if uid and uid != claim["metadata"].get("uid"):
            return self.refuse(409, "Precondition failed: UID")
        problem = apply_status(claim, value, query["fieldManager"])
        if problem:
            return self.refuse(422, problem)
        claim["metadata"]["resourceVersion"] = next_version()
        return self.send(200, without(claim, ["test.owners"]))

    def watch(self, key, query):
        since = int(query.get("resourceVersion") or 0)
        until = time.time() + float(query.get("timeoutSeconds") or 300)
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        seen = 0
        while time.time() < until:
            with LOCK:
                if seen == len(State.events):
                    LOCK.wait(min(1.0, max(0.0, until - time.time())))
                new, seen = State.events[seen:], len(State.events)
            for version, collection, kind, value in new:
                if version > since and collection == key:
                    self.wfile.write(json.dumps({"type": kind, "object": value}).encode() + b"\n")
            self.wfile.flush()


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass  # a client that went away


def main():
    server = Server(("127.0.0.1", 0), Handler)
    scheme = "http"
    if len(sys.argv) > 2:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[1], sys.argv[2])
        server.socket = context.wrap_socket(server.socket, server_side=True)
        scheme = "https"
    print("%s://127.0.0.1:%d" % (scheme, server.server_address[1]), flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
