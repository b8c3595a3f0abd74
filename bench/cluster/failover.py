"""From kill -9 of a backend until each of 20 sidecars (three voters, seventeen observers) answers a
write to one of its keys without an error again. Default times of [cluster]; on_eject = "rehash"."""
import time

from cluster import ClusterTest
from harness import wait_until
from resp import Error, Resp
from stage import stage

SIDECARS = 20


def measure(runs):
    """[[seconds for each sidecar] for each run]."""
    ClusterTest.TIMES = {}  # the defaults
    with stage() as on:
        servers = [on.redis() for _ in range(3)]
        pool = {"backends": [one.address for one in servers], "on_eject": "rehash"}
        members = on.found("abc", pool)
        members += [on.join(f"o{i}", members, pool, role="observer")
                    for i in range(SIDECARS - len(members))]
        for one in members:
            one.proxy.wait_until_ready()
        on.leader(members[:3])
        victim = servers[0]
        keys = on.keys_by_owner(members[0].proxy, servers, count=1)[0]
        clients = [Resp(one.proxy.address()) for one in members]
        found = []
        for run in range(runs):
            wait_until(lambda: all(one.state(victim.address) == "up" for one in members),
                       "the backend to be used by all", 120)
            wait_until(lambda: all(not isinstance(client.ask("SET", keys[0], "v"), Error)
                                   for client in clients), "all to serve")
            began = time.monotonic()
            victim.kill()
            waits = [None] * len(clients)
            while None in waits:
                for at, client in enumerate(clients):
                    if waits[at] is None and not isinstance(client.ask("SET", keys[0], "v"), Error):
                        waits[at] = time.monotonic() - began
            found.append(waits)
            epochs = {one.epoch() for one in members}
            print(f"run {run + 1}: last of {len(clients)} sidecars after {max(waits) * 1000:.0f} ms, "
                  f"{len(epochs)} epoch", flush=True)
            victim.start()
            # By an operator: by itself it would have to wait longer after each run.
            members[0].change(**{"do": "backend ready", "name": victim.address})
        return found
