"""From kill -9 of the leader, under load, until another member leads and until the next change is
acknowledged. Default times of [cluster]. Nothing that was acknowledged may be missing at the end."""
import time

from cluster import ClusterTest
from cluster_load import Load
from harness import wait_until
from stage import stage


def changes_again(rest, began):
    """Seconds until a change that is asked for now is acknowledged."""
    number = 0
    while True:
        number += 1
        member = rest[number % len(rest)]
        status, _ = member.change(timeout=5, **{"do": "backend eject" if number % 2 else
                                                "backend ready", "name": "b0", "force": True})
        if status == 200:
            return time.monotonic() - began


def measure(kills):
    """{members: ([seconds until another one leads], [… until a change is acknowledged])}."""
    ClusterTest.TIMES = {}  # the defaults
    found = {}
    for count, times in kills.items():
        with stage() as on:
            server = on.redis()
            backends = [{"address": server.address, "name": f"b{i}"} for i in range(3)]
            members = on.found("abcde"[:count], {"backends": backends})
            load = Load(members)
            leads, changes = [], []
            try:
                for _ in range(times):
                    leader = on.leader(members)
                    rest = [one for one in members if one is not leader]
                    began = time.monotonic()
                    leader.kill()
                    wait_until(lambda: any(one.standing()["leads"] for one in rest), "a leader")
                    leads.append(time.monotonic() - began)
                    changes.append(changes_again(rest, began))
                    leader.start()
            finally:
                load.end()
            load.check(on, on.leader(members).members())
            found[count] = (leads, changes)
            print(f"{count} members, {times} leaders killed: another leads after "
                  f"{min(leads) * 1000:.0f} to {max(leads) * 1000:.0f} ms; {load.acknowledged} changes "
                  f"acknowledged, none lost", flush=True)
    return found
