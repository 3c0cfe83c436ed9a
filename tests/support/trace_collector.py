#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A collector of traces of the tests' own: OTLP over HTTP, as JSON, on loopback. Prints its port.

Usage: trace_collector.py DIRECTORY [PORT]. Each request's body is a line of DIRECTORY/requests. It answers with the
status in DIRECTORY/status, 200 without one; of what it does not take it only makes DIRECTORY/refused.
"""
import http.server
import json
import os
import sys

DIRECTORY = sys.argv[1]


def wanted_status():
    try:
        with open(os.path.join(DIRECTORY, "status"), encoding="ascii") as file:
            return int(file.read())
    except FileNotFoundError:
        return 200


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status = wanted_status()
        if self.path != "/v1/traces" or self.headers["Content-Type"] != "application/json":
            status = 404
        if status != 200:
            open(os.path.join(DIRECTORY, "refused"), "w").close()
        if status == 200:
            with open(os.path.join(DIRECTORY, "requests"), "a", encoding="utf-8") as file:
                file.write(json.dumps(json.loads(body)) + "\n")
        answer = b"{}" if status == 200 else b'{"message": "not now"}'
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *arguments):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2]) if len(sys.argv) > 2 else 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
