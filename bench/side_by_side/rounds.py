"""The side-by-side rounds: every workload with every peer, peers alternating within a round.

A round asks each peer in turn, beginning with another one each time, so that what else the machine
does meets all of them alike. The figures of a peer are the medians of its rounds.
"""
import math
import resource
import statistics
import time
from dataclasses import dataclass, field

import workloads
from loads import fill, run_load
from peers import Server, start_proxy
from placement import busy_ns

BACKEND_COUNTS = (1, 3)
PEERS = ("direct", "haproxy", "nutcracker", "quorate")
FIGURES = ("proxy_us", "backend_us", "per_second", "p50_ms", "p99_ms")


@dataclass
class Row:
    """One workload in front of one or three backends: peer -> figure -> one value per round."""
    workload: workloads.Workload
    backends: int
    samples: dict = field(default_factory=dict)

    def add(self, peer, figures):
        for figure, value in figures.items():
            self.samples.setdefault(peer, {}).setdefault(figure, []).append(value)

    def median(self, peer, figure):
        return statistics.median(self.samples[peer][figure]) if peer in self.samples else None

    def spread(self, figure, peers=("nutcracker", "quorate")):
        """How far apart the middle half of one peer's rounds is, relative to their median: noise.

        A single round does not tell: infinity.
        """
        widest = 0.0
        for peer in peers:
            values = self.samples[peer][figure]
            if len(values) == 1:
                return math.inf
            lower, median, upper = statistics.quantiles(values, n=4)
            widest = max(widest, (upper - lower) / median)
        return widest

    def ratio(self, figure):
        return self.median("quorate", figure) / self.median("nutcracker", figure)


class SideBySide:
    def __init__(self, folder, placement, program, memcached_load, seconds, rounds, raw):
        self._folder = folder
        self._placement = placement
        self._program = program
        self._memcached_load = memcached_load
        self._seconds = seconds
        self._rounds = rounds
        self._raw = raw  # an open file: one line per measurement, as it is made
        self._servers = {protocol: [Server(folder, protocol, number) for number in range(3)]
                         for protocol in ("redis", "memcached")}
        self._proxies = {}
        self._filled = {}
        self.other_cores = 0.0  # after run(): how many cores something else kept busy meanwhile

    def run(self, selected):
        started, busy, own = time.monotonic_ns(), busy_ns(), self._own_ns()
        rows = []
        for workload in selected:
            for backends in BACKEND_COUNTS:
                rows.append(self._measure_row(workload, backends))
        others = (busy_ns() - busy) - (self._own_ns() - own)
        self.other_cores = max(others, 0) / (time.monotonic_ns() - started)
        for child in self._children():
            child.stop()
        return rows

    def _children(self):
        return [proxy.child for proxy in self._proxies.values()] + [
            server.child for servers in self._servers.values() for server in servers]

    def _own_ns(self):
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        mine = resource.getrusage(resource.RUSAGE_SELF)
        seconds = ended.ru_utime + ended.ru_stime + mine.ru_utime + mine.ru_stime
        return int(seconds * 1e9) + sum(child.cpu_ns() for child in self._children())

    def _proxy(self, kind, protocol, backends):
        key = (kind, protocol, backends)
        if key not in self._proxies:
            proxy = start_proxy(kind, self._folder, protocol, self._servers[protocol][:backends],
                                self._program)
            self._placement.pin_proxy(proxy.child)
            self._proxies[key] = proxy
        return self._proxies[key]

    def _prepare(self, workload):
        wanted = (workload.keys, workload.value_size)
        if self._filled.get(workload.protocol) != wanted:
            # Each server has every key: haproxy spreads connections, not keys.
            for server in self._servers[workload.protocol]:
                fill(server, workload.protocol, *wanted)
            self._filled[workload.protocol] = wanted

    def _measure_row(self, workload, backends):
        self._prepare(workload)
        row = Row(workload, backends)
        peers = [peer for peer in PEERS
                 if peer != "direct" or (backends == 1 and workload.is_direct_too)]
        requests = {}
        for peer in peers:  # not counted: warms up, and tells how many requests fill the time
            few = max(20 * workload.connections, 200 * workload.pipeline)
            rough = self._ask(workload, backends, peer, few)[1]
            requests[peer] = self._requests_for(workload, rough.per_second * 0.2)
            rough = self._ask(workload, backends, peer, requests[peer])[1]
            requests[peer] = self._requests_for(workload, rough.per_second * self._seconds)
        for number in range(self._rounds):
            for peer in peers[number % len(peers):] + peers[:number % len(peers)]:
                figures, _ = self._ask(workload, backends, peer, requests[peer])
                row.add(peer, figures)
                values = "\t".join(f"{figures[name]:.4f}" for name in FIGURES)
                self._raw.write(f"{workload.name}\t{backends}\t{number}\t{peer}\t{values}\n")
                self._raw.flush()
        print(f"{workload.name}, {backends} backend(s): quorate "
              f"{row.median('quorate', 'proxy_us'):.2f} us, nutcracker "
              f"{row.median('nutcracker', 'proxy_us'):.2f} us, ratio {row.ratio('proxy_us'):.2f}",
              flush=True)
        return row

    @staticmethod
    def _requests_for(workload, wanted):
        return max(int(wanted), 4 * workload.connections * workload.pipeline, 100)

    def _ask(self, workload, backends, peer, requests):
        servers = self._servers[workload.protocol][:backends]
        proxy = None if peer == "direct" else self._proxy(peer, workload.protocol, backends)
        port = servers[0].port if proxy is None else proxy.port
        socket_path = proxy.socket_path if proxy and workload.transport == "unix" else None

        used = [server.child.cpu_ns() for server in servers]
        proxy_used = proxy.child.cpu_ns() if proxy else 0
        load = run_load(workload, requests, self._memcached_load, port, socket_path)
        proxy_used = proxy.child.cpu_ns() - proxy_used if proxy else 0
        used = sum(server.child.cpu_ns() - before for server, before in zip(servers, used))
        return {"proxy_us": proxy_used / requests / 1000, "backend_us": used / requests / 1000,
                "per_second": load.per_second, "p50_ms": load.p50_ms, "p99_ms": load.p99_ms}, load
