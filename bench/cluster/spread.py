"""How long a change takes to every one of many sidecars: from the operator's request, which is forwarded,
synced to a majority of disks and applied, until each proxy serves with the new epoch. And what that
costs: the CPU time of all of them for one change, which no neighbour can disturb."""
import os
import time

from cluster import ClusterTest
from stage import stage


def cpu_seconds(members):
    """Of all threads of all of them, since they began."""
    total = 0
    for one in members:
        tasks = f"/proc/{one.proxy.pid}/task"
        for task in os.listdir(tasks):
            with open(f"{tasks}/{task}/schedstat") as file:
                total += int(file.read().split()[0])
    return total / 1e9


def change(leader, address, number):
    """Ejects it and calls it back, in turn; its epoch."""
    verb = "ready" if number % 2 else "eject"
    status, answer = leader.change(**{"do": f"backend {verb}", "force": True, "name": address})
    return answer["epoch"] if status == 200 else 0


def cost(members, leader, address, changes):
    """CPU seconds of all proxies for one change, beyond what they take anyway."""
    seconds = 3
    began = cpu_seconds(members)
    time.sleep(seconds)
    idle = (cpu_seconds(members) - began) / seconds
    began, start = cpu_seconds(members), time.monotonic()
    for number in range(changes):
        change(leader, address, number)
    time.sleep(0.5)  # for those that have not done it yet
    return (cpu_seconds(members) - began - idle * (time.monotonic() - start)) / changes


def measure_one(observers, changes):
    from cluster_soak import Watch
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
        reached = []
        for number in range(changes):
            began = time.monotonic()
            epoch = change(leader, servers[2].address, number)
            reached += watch.reach(epoch, began)
        return {"proxies": len(members), "reached": reached,
                "cpu": cost(members, leader, servers[2].address, changes)}


def measure(counts):
    """[{proxies, reached: [seconds, one for each proxy and change], cpu: seconds for one change}]."""
    ClusterTest.TIMES = {}  # the defaults
    return [measure_one(observers, changes) for observers, changes in counts.items()]
