"""Committed changes per second and their latency, as an operator's client sees them: POSTs to the
leader's admin port, one connection for each client, each change waited for. Every change is synced to a
majority of disks, applied, and published to the workers."""
import http.client
import json
import os
import threading
import time

from stage import percentile, stage


class Client(threading.Thread):
    """Ejects and readies one backend of its own, over and over."""

    def __init__(self, member, backend, deadline):
        super().__init__()
        host, port = member.admin.rsplit(":", 1)
        with open(os.path.join(member.test.folder, "quorate", f"admin-{port}.token")) as file:
            self.headers = {"Authorization": f"Bearer {file.read().strip()}"}
        self.connection = http.client.HTTPConnection(host, int(port), timeout=30)
        self.backend = backend
        self.deadline = deadline
        self.latencies = []
        self.failures = 0

    def run(self):
        verbs = ["backend eject", "backend ready"]
        number = 0
        while time.monotonic() < self.deadline:
            body = json.dumps({"do": verbs[number % 2], "name": self.backend, "force": True})
            began = time.monotonic()
            self.connection.request("POST", "/api/v1/change", body, self.headers)
            answer = self.connection.getresponse()
            answer.read()
            if answer.status == 200:
                self.latencies.append(time.monotonic() - began)
            else:
                self.failures += 1
            if answer.status in (200, 409):  # 409: an earlier client has left it that way
                number += 1


def measure(seconds):
    """[(members, clients, changes a second, [latency])]; times in seconds."""
    rows = []
    for count in (1, 3, 5):
        with stage() as on:
            server = on.redis()
            names = "abcde"[:count]
            backends = [{"address": server.address, "name": f"b{i}"} for i in range(33)]
            members = on.found(names, {"backends": backends, "on_eject": "keep"})
            leader = on.leader(members)
            for clients in (1, 8, 32):
                deadline = time.monotonic() + seconds
                threads = [Client(leader, f"b{i}", deadline) for i in range(clients)]
                began = time.monotonic()
                for one in threads:
                    one.start()
                for one in threads:
                    one.join()
                took = time.monotonic() - began
                latencies = [value for one in threads for value in one.latencies]
                rows.append((count, clients, len(latencies) / took, latencies))
                print(f"{count} members, {clients} clients: {len(latencies) / took:.0f} changes/s, "
                      f"p50 {percentile(latencies, 0.5) * 1000:.2f} ms, "
                      f"p99 {percentile(latencies, 0.99) * 1000:.2f} ms, "
                      f"{sum(one.failures for one in threads)} refused", flush=True)
    return rows
