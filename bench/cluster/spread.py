"""How long a change takes to every one of many sidecars: from the operator's request, which is forwarded,
synced to a majority of disks and applied, until each proxy serves with the new epoch."""
import os
import time

from cluster import ClusterTest
from stage import stage


def measure(observers, changes):
    """[seconds], one for each proxy and change."""
    ClusterTest.TIMES = {}  # the defaults
    os.environ.setdefault("QUORATE_OBSERVERS", str(observers))
    from cluster_soak import Watch
    found = []
    with stage() as on:
        servers = [on.redis() for _ in range(3)]
        pool = {"backends": [one.address for one in servers], "on_eject": "rehash"}
        voters = on.found("abc", pool)
        members = voters + [on.join(f"o{i}", voters, pool, role="observer")
                            for i in range(observers)]
        for one in members:
            one.proxy.wait_until_ready()
        leader = on.leader(voters)
        watch = Watch(members)
        for number in range(changes):
            began = time.monotonic()
            verb = "ready" if number % 2 else "eject"
            status, answer = leader.change(**{"do": f"backend {verb}", "force": True,
                                              "name": servers[2].address})
            if status == 200:
                found += watch.reach(answer["epoch"], began)
    return found
