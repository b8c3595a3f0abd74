"""From kill -9 of a server until each of 20 clients writes without an error again: through sidecars of
quorate (three voters, seventeen observers), and with Redis Sentinel, run about, on the same machine.

quorate at its default times: a backend is gone when a majority of voters saw two probes in a row fail,
200 ms apart, or at once when its connections break. "Equally short" for Sentinel is therefore
down-after-milliseconds 400; and 100 is what quorate needs here when a server is killed.
"""
import threading
import time

from cluster import ClusterTest
from harness import wait_until
from resp import Error, Resp
from sentinel import Sentinel
from stage import stage

CLIENTS = 20
KEY = "k"


class Sidecar:
    """A client of one of them."""

    def __init__(self, address):
        self.connection = Resp(address)

    def writes(self, key):
        return not isinstance(self.connection.ask("SET", key, "v"), Error)


def waits_of(clients, key, kill):
    """Seconds from the kill until each of them writes; each on a thread of its own, and after an error
    it tries again 5 ms later."""
    wait_until(lambda: all(one.writes(key) for one in clients), "all to serve", 120)
    waits = [0.0] * len(clients)
    killed = threading.Event()
    began = [0.0]

    def wait(at, client):
        killed.wait()
        while not client.writes(key):
            time.sleep(0.005)
        waits[at] = time.monotonic() - began[0]
    threads = [threading.Thread(target=wait, args=pair) for pair in enumerate(clients)]
    for one in threads:
        one.start()
    began[0] = time.monotonic()
    kill()
    killed.set()
    for one in threads:
        one.join()
    return waits


class Quorate:
    def __init__(self, on):
        ClusterTest.TIMES = {}  # the defaults
        self.servers = [on.redis() for _ in range(3)]
        pool = {"backends": [one.address for one in self.servers], "on_eject": "rehash"}
        self.members = on.found("abc", pool)
        self.members += [on.join(f"o{i}", self.members, pool, role="observer")
                         for i in range(CLIENTS - len(self.members))]
        for one in self.members:
            one.proxy.wait_until_ready()
        on.leader(self.members[:3])
        self.key = on.keys_by_owner(self.members[0].proxy, self.servers, count=1)[0][0]
        self.clients = [Sidecar(one.proxy.address()) for one in self.members]

    def _used_by_all(self):
        """Called by an operator: by itself it would have to wait longer after each run."""
        victim = self.servers[0].address
        if all(one.state(victim) == "up" for one in self.members):
            return True
        self.members[0].change(**{"do": "backend ready", "name": victim})
        return False

    def run(self):
        wait_until(self._used_by_all, "the backend to be used by all", 120)
        waits = waits_of(self.clients, self.key, self.servers[0].kill)
        wait_until(lambda: len({one.epoch() for one in self.members}) == 1, "one epoch")
        self.servers[0].start()
        return waits


def run_sentinel(down_after_ms, failover_timeout_ms):
    with stage() as on:
        setup = Sentinel(on, down_after_ms, failover_timeout_ms)
        clients = setup.clients(CLIENTS)
        try:
            return waits_of(clients, KEY, setup.master.kill)
        finally:
            for one in clients:
                one.close()
            setup.end()


def measure(runs, default_runs):
    """{who: [[seconds for each client] for each run]}."""
    found = {}
    with stage() as on:
        quorate = Quorate(on)
        for number in range(runs):
            turns = {"quorate, default times": quorate.run,
                     "Sentinel, down-after 100 ms": lambda: run_sentinel(100, 2000),
                     "Sentinel, down-after 400 ms": lambda: run_sentinel(400, 2000)}
            if number < default_runs:
                turns["Sentinel, default (down-after 30 s)"] = lambda: run_sentinel(30000, 180000)
            for who, turn in turns.items():
                waits = turn()
                found.setdefault(who, []).append(waits)
                print(f"run {number + 1}, {who}: first of {CLIENTS} clients after "
                      f"{min(waits) * 1000:.0f} ms, last after {max(waits) * 1000:.0f} ms",
                      flush=True)
    return found
