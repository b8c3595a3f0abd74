"""User-space instructions and system calls per request: the figures that noise cannot touch.

Instructions are counted by callgrind, over the whole program, as the difference of two runs that
differ only in the number of requests, so that start and end cancel out. System calls are counted by
the kernel's own tracepoints (perf stat); where perf is missing, they are left out.
"""
import os
import re
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass, replace

import workloads
from loads import fill, run_load
from peers import Server, start_proxy

PEERS = ("nutcracker", "quorate")


@dataclass(frozen=True)
class Case:
    name: str
    workload: workloads.Workload
    backends: int
    requests: int  # the smaller run; the other one has three times as many
    target: int | None = None  # instructions per request, at most


def _workload(name):
    return next(workload for workload in workloads.ALL if workload.name == name)


CASES = (
    Case("GET", _workload("GET 50 conns"), 1, 5000, 1600),
    Case("SET", _workload("SET 50 conns"), 1, 5000),
    Case("GET, pipeline 16", _workload("GET pipeline 16"), 1, 16000, 900),
    Case("GET, pipeline 64", _workload("GET pipeline 64"), 1, 16000),
    Case("MGET of 100, one backend", _workload("MGET 100 keys"), 1, 200, 60000),
    Case("MGET of 100, three backends", _workload("MGET 100 keys"), 3, 200, 60000),
    Case("memcached get", _workload("GET memcached"), 1, 5000),
    Case("memcached set", _workload("SET memcached"), 1, 5000),
)
SYSCALL_CASES = ("GET", "GET, pipeline 16")


class Counter:
    def __init__(self, folder, placement, program, memcached_load):
        self._folder = folder
        self._placement = placement
        self._program = program
        self._memcached_load = memcached_load
        self._servers = {}

    def servers(self, case):
        protocol = case.workload.protocol
        if protocol not in self._servers:
            servers = [Server(self._folder, protocol, 10 + number) for number in range(3)]
            for server in servers:
                fill(server, protocol, case.workload.keys, case.workload.value_size)
            self._servers[protocol] = servers
        return self._servers[protocol][:case.backends]

    def stop(self):
        for servers in self._servers.values():
            for server in servers:
                server.child.stop()

    def instructions(self, peer, case):
        """User-space instructions per request."""
        few = self._run_under_callgrind(peer, case, case.requests)
        many = self._run_under_callgrind(peer, case, 3 * case.requests)
        return (many - few) / (2 * case.requests)

    def _run_under_callgrind(self, peer, case, requests):
        out = os.path.join(self._folder, "callgrind.out")
        wrapper = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}"]
        proxy = start_proxy(peer, self._folder, case.workload.protocol, self.servers(case),
                            self._program, wrapper)
        run_load(case.workload, requests, self._memcached_load, proxy.port)
        proxy.child.stop()
        with open(out, encoding="ascii", errors="replace") as file:
            total = re.search(r"^totals: (\d+)", file.read(), re.M)
        os.unlink(out)
        if total is None:
            raise SystemExit(f"callgrind counted nothing:\n{proxy.child.log_tail()}")
        return int(total.group(1))

    def syscalls(self, peer, case):
        """System calls per request, or None where they cannot be counted."""
        if shutil.which("perf") is None:
            return None
        proxy = start_proxy(peer, self._folder, case.workload.protocol, self.servers(case),
                            self._program)
        self._placement.pin_proxy(proxy.child)
        requests = 100000
        run_load(case.workload, requests // 4, self._memcached_load, proxy.port)
        with subprocess.Popen(
                ["perf", "stat", "-x,", "-e", "raw_syscalls:sys_enter", "-p",
                 str(proxy.child.pid)], stderr=subprocess.PIPE, text=True) as perf:
            time.sleep(0.5)  # perf does not tell when it has begun
            run_load(case.workload, requests, self._memcached_load, proxy.port)
            perf.send_signal(signal.SIGINT)
            output = perf.stderr.read()
        proxy.child.stop()
        counted = re.match(r"(\d+),", output)
        return int(counted.group(1)) / requests if counted else None
