"""Three voters and fifty observers, all real processes, for a while: backends and leaders are killed, and
every change has to reach every proxy, at one epoch. `make soak`; QUORATE_SECONDS (60) says how long.
Ends with how long changes took to reach the last proxy."""

import os
import sys
import time

import harness
from cluster import ClusterTest
from harness import PATIENCE, wait_until
from resp import Resp

OBSERVERS = int(os.environ.get("QUORATE_OBSERVERS", "50"))
SECONDS = float(os.environ.get("QUORATE_SECONDS", "60"))


class Watch:
    """One connection to each proxy, which says the epoch that its worker serves with."""

    def __init__(self, members):
        self.members = members
        self.clients = {one.name: Resp(one.proxy.address()) for one in members}

    def reopen(self, member):
        self.clients[member.name] = Resp(member.proxy.address())

    def epoch(self, member):
        answer = self.clients[member.name].ask("QUORATE", "STATUS")
        return dict(zip(answer[::2], answer[1::2]))[b"epoch"]

    def reach(self, epoch, began, seconds=10):
        """How long it takes until all serve with `epoch` or a later one."""
        waiting = [one for one in self.members if one.runs()]
        reached = []
        while waiting:
            if time.monotonic() - began > seconds * PATIENCE:
                raise AssertionError(f"epoch {epoch} did not reach {[one.name for one in waiting]}")
            waiting = [one for one in waiting if self.epoch(one) < epoch]
            reached += [time.monotonic() - began] * (len(self.members) - len(waiting)
                                                     - len(reached))
        return reached


class Soak(ClusterTest):
    def test_every_change_reaches_every_proxy(self):
        servers = [self.redis() for _ in range(3)]
        pool = {"backends": [one.address for one in servers], "on_eject": "rehash"}
        voters = self.found("abc", pool)
        members = voters + [self.join(f"o{i}", voters, pool, role="observer")
                            for i in range(OBSERVERS)]
        for one in members:
            one.proxy.wait_until_ready()
        watch = Watch(members)
        delays = []
        kills = leaders = 0
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            for verb in ("eject", "ready"):
                leader = self.leader(voters)
                began = time.monotonic()
                status, answer = leader.change(**{"do": f"backend {verb}", "force": True,
                                                  "name": servers[2].address})
                if status == 200:
                    delays += watch.reach(answer["epoch"], began)
            servers[0].kill()
            wait_until(lambda: all(one.state(servers[0].address) == "ejected" for one in voters),
                       "all voters to eject it", 30)
            watch.reach(voters[0].epoch(), time.monotonic())
            servers[0].start()
            # By an operator: by itself it would have to wait longer each time.
            voters[0].change(**{"do": "backend ready", "name": servers[0].address})
            wait_until(lambda: all(one.state(servers[0].address) == "up" for one in voters),
                       "it to be back", 90)
            watch.reach(voters[0].epoch(), time.monotonic())
            kills += 1
            if kills % 3 == 0:
                leader = self.leader(voters)
                leader.kill()
                self.leader([one for one in voters if one is not leader])
                leader.start()
                watch.reopen(leader)
                leaders += 1
        wait_until(lambda: len({one.epoch() for one in members}) == 1, "all to have one epoch")
        delays.sort()
        print(f"      {len(members)} proxies, {kills} backends and {leaders} leaders killed; a change "
              f"is served with by all after p50 {delays[len(delays) // 2] * 1000:.0f} ms, "
              f"p99 {delays[int(len(delays) * 0.99)] * 1000:.0f} ms")


if __name__ == "__main__":
    harness.main()
