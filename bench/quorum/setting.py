"""The setting of every part: proxies of one cluster, each with two pools in front of servers of their
own: "p" with consistency = "quorum" over three replicas, "n" without. So what else a proxy does is in
both figures, and the two are asked in turn."""
import contextlib
import socket
import subprocess
import time

from cluster import ClusterTest
from harness import run, wait_until
from resp import Resp

KEYS = 10_000
VALUE = 100


class Setting(ClusterTest):
    def runTest(self):
        """Nothing: it is only set up and cleared."""

    def build(self, proxies, backends=3, replicas=3):
        self.quorum_servers = [self.redis() for _ in range(backends)]
        self.none_servers = [self.redis() for _ in range(backends)]
        self.other_pools = {"n": {"backends": [one.address for one in self.none_servers]}}
        pool = {"backends": [one.address for one in self.quorum_servers], "consistency": "quorum",
                "replicas": replicas}
        self.members = self.found("abcde"[:proxies], pool)
        for member in self.members:
            wait_until(lambda one=member: serves(one), "the pool to serve", 30)
        return self

    def servers(self, pool):
        return self.quorum_servers if pool == "p" else self.none_servers


def serves(member):
    try:
        with Resp(member.proxy.address(), 5) as client:
            return all(client.ask("SET", f"~{member.name}{i}", "x") == b"OK" for i in range(50))
    except (OSError, EOFError):
        return False


@contextlib.contextmanager
def setting(proxies, **options):
    it = Setting()
    it.setUp()
    try:
        yield it.build(proxies, **options)
    finally:
        it.doCleanups()


def cpu_ns(child):
    """CPU time of all threads of a process: its CPU clock (clock_getcpuclockid)."""
    return time.clock_gettime_ns((~child.pid << 3) | 2)


def key_name(number):
    return b"key:%012d" % number  # as redis-benchmark writes them


def fill(address, keys=KEYS, size=VALUE, begin=0):
    """Sets the keys from `begin` up to `keys` once, through a proxy or a server."""
    value = b"x" * size
    host, port = address.rsplit(":", 1)
    with socket.create_connection((host, int(port))) as connection:
        replies = connection.makefile("rb")
        for first in range(begin, keys, 256):
            numbers = range(first, min(first + 256, keys))
            connection.sendall(b"".join(
                b"*3\r\n$3\r\nSET\r\n$16\r\n%b\r\n$%d\r\n%b\r\n" % (key_name(n), size, value)
                for n in numbers))
            for _ in numbers:
                reply = replies.readline()
                if reply != b"+OK\r\n":
                    raise SystemExit(f"{address} could not be filled: {reply!r}")


def benchmark(address, operation, requests, connections=50, pipeline=1):
    """(per second, p50 ms, p99 ms) of redis-benchmark."""
    host, port = address.rsplit(":", 1)
    done = run("redis-benchmark", "-h", host, "-p", port, "--csv", "--precision", "3", "-c",
               connections, "-n", requests, "-P", pipeline, "-r", KEYS, "-d", VALUE, "-t",
               operation.lower(), timeout=300)
    row = [word.strip('"') for word in done.stdout.strip().splitlines()[-1].split(",")]
    if done.returncode != 0 or len(row) < 8:
        raise SystemExit(f"redis-benchmark failed: {done.stdout}{done.stderr}")
    # "test","rps","avg","min","p50","p95","p99","max"
    return float(row[1]), float(row[4]), float(row[6])


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def gnuplot(script):
    done = subprocess.run(["gnuplot"], input=script, text=True, capture_output=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"gnuplot failed:\n{done.stderr}")
