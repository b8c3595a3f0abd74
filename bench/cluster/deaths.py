"""From the end of a sidecar (kill -9, or SIGSTOP) until its session has ended, as the leader's table of
members shows it. Default times."""
import time

from cluster import ClusterTest
from harness import wait_until
from stage import stage


def measure(runs):
    """{how: [seconds]}."""
    ClusterTest.TIMES = {}  # the defaults
    found = {"kill -9": [], "SIGSTOP": []}
    with stage() as on:
        pool = {"backends": [on.redis().address]}
        members = on.found("abc", pool)
        leader = on.leader(members)
        sidecar = on.join("o", members, pool, role="observer")
        for _ in range(runs):
            for how, waits in found.items():
                wait_until(lambda: "o" in leader.members(), "its session")
                began = time.monotonic()
                sidecar.kill() if how == "kill -9" else sidecar.proxy.freeze()
                wait_until(lambda: "o" not in leader.members(), "its session to end")
                waits.append(time.monotonic() - began)
                sidecar.start() if how == "kill -9" else sidecar.proxy.thaw()
    return found
