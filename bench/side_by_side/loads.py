"""The load: redis-benchmark for Redis, memcached_load (beside this folder) for memcached.

Both are closed loops on one thread: a connection asks, waits for the reply, and asks again.
"""
import csv
import io
import socket
from dataclasses import dataclass

from children import run_tool
from workloads import MGET_KEYS


@dataclass(frozen=True)
class Load:
    requests: int
    per_second: float
    p50_ms: float
    p99_ms: float


def run_load(workload, requests, memcached_load, port=None, socket_path=None):
    """`requests` of `workload` to a port, or to a unix socket if one is given."""
    if workload.protocol == "redis":
        return _redis(workload, requests, port, socket_path)
    return _memcached(workload, requests, memcached_load, port, socket_path)


def _redis(workload, requests, port, socket_path):
    where = ["-s", socket_path] if socket_path else ["-h", "127.0.0.1", "-p", str(port)]
    command = ["redis-benchmark", *where, "--csv", "--precision", "3",
               "-c", str(workload.connections), "-n", str(requests), "-P", str(workload.pipeline),
               "-r", str(workload.keys), "-d", str(workload.value_size)]
    if workload.operation == "MGET":
        command += ["MGET"] + ["key:__rand_int__"] * MGET_KEYS
    else:
        command += ["-t", workload.operation.lower()]
    rows = list(csv.DictReader(io.StringIO(run_tool(command))))
    if not rows:
        raise SystemExit(f"redis-benchmark measured nothing: {' '.join(command[:14])}")
    row = rows[-1]
    return Load(requests, float(row["rps"]), float(row["p50_latency_ms"]),
                float(row["p99_latency_ms"]))


def _memcached(workload, requests, program, port, socket_path):
    where = ["--unix", socket_path] if socket_path else ["--port", str(port)]
    output = run_tool([program, *where, "--operation", workload.operation.lower(),
                       "--connections", str(workload.connections), "--requests", str(requests),
                       "--keys", str(workload.keys), "--value-size", str(workload.value_size)])
    per_second, p50_us, p99_us = (float(word) for word in output.split())
    return Load(requests, per_second, p50_us / 1000, p99_us / 1000)


def key_name(number):
    return b"key:%012d" % number  # as redis-benchmark writes them


def fill(server, protocol, keys, value_size):
    """Puts every key of a workload into one server, and nothing else."""
    value = b"x" * value_size
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        replies = connection.makefile("rb")
        connection.sendall(b"FLUSHALL\r\n" if protocol == "redis" else b"flush_all\r\n")
        replies.readline()
        for number in range(keys):
            if protocol == "redis":
                key = key_name(number)
                connection.sendall(b"*3\r\n$3\r\nSET\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n"
                                   % (len(key), key, len(value), value))
            else:
                connection.sendall(b"set %b 0 0 %d\r\n%b\r\n"
                                   % (key_name(number), len(value), value))
            if number % 64 == 63 or number == keys - 1:
                for _ in range(number % 64 + 1):
                    reply = replies.readline()
                    if reply not in (b"+OK\r\n", b"STORED\r\n"):
                        raise SystemExit(f"a {protocol} server could not be filled: {reply!r}")
