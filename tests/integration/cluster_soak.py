"""Real processes for a while, at the default times of [cluster]; `make soak`. QUORATE_SECONDS (60) says
how long each test takes.

Three voters and fifty observers: backends and leaders are killed, and every change has to reach every
proxy, at one epoch, within 100 ms (p99). Five voters under load: leaders are killed, stopped and cut
off; another one leads within a second of a kill (p99), and nothing that was acknowledged is lost.
These limits are for a machine that has the time; QUORATE_PATIENCE multiplies them."""

import collections
import os
import random
import time

import harness
from cluster import ClusterTest
from cluster_load import Load
from harness import PATIENCE, wait_until
from links import Links
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


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class Soak(ClusterTest):
    TIMES = {}  # the defaults

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
        p99 = percentile(delays, 0.99)
        print(f"      {len(members)} proxies, {kills} backends and {leaders} leaders killed; a change "
              f"is served with by all after p50 {percentile(delays, 0.5) * 1000:.0f} ms, "
              f"p99 {p99 * 1000:.0f} ms")
        self.assertLess(p99, 0.1 * PATIENCE)

    def test_leaders_come_and_go_and_nothing_that_was_acknowledged_is_lost(self):
        chance = random.Random(int(os.environ.get("QUORATE_SEED", "1")))
        links = Links()
        self.addCleanup(links.close)
        members = self.found("abcde", {"backends": [self.redis().address]}, links=links)
        self.leader(members)
        load = Load(members, clients=4)
        waits = []
        done = collections.Counter()
        end = time.monotonic() + SECONDS
        try:
            while time.monotonic() < end:
                leader = self.leader(members)
                rest = [one for one in members if one is not leader]
                fault = chance.choice(["kill", "kill", "stop", "isolate", "deafen", "mute", "random"])
                done[fault] += 1
                load.members = rest
                began = time.monotonic()
                if fault == "kill":
                    leader.kill()
                elif fault == "stop":
                    leader.proxy.freeze()
                elif fault == "random":
                    for source in members:
                        for target in members:
                            if source is not target and chance.random() < 0.3:
                                links.cut(source.name, target.name)
                for one in rest:
                    if fault in ("isolate", "deafen"):
                        links.cut(one.name, leader.name)
                    if fault in ("isolate", "mute"):
                        links.cut(leader.name, one.name)
                if fault == "random":
                    load.stopping.wait(chance.uniform(0.1, 2))
                else:
                    wait_until(lambda: any(one.standing()["leads"] for one in rest), "a leader")
                if fault == "kill":
                    waits.append(time.monotonic() - began)
                    leader.start()
                leader.proxy.thaw()
                links.heal()
                load.members = members
                wait_until(load.goes_on(), "changes to go on")
        finally:
            links.heal()
            load.end()
        leader = self.leader(members)
        load.check(self, leader.members())
        print(f"      {dict(done)}; {load.acknowledged} changes acknowledged, {load.unknown} unknown, "
              f"none lost; another one leads after p50 {percentile(waits, 0.5) * 1000:.0f} ms, "
              f"p99 {percentile(waits, 0.99) * 1000:.0f} ms, {len(waits)} kills")
        self.assertLess(percentile(waits, 0.99), 1.0 * PATIENCE)

    def test_a_member_that_was_away_for_longer_than_the_log_is_kept_is_sent_a_snapshot(self):
        members = self.found("abc", {"backends": [self.redis().address]})
        leader = self.leader(members)
        away = next(one for one in members if one is not leader)
        away.kill()
        before = leader.standing()["applied"]
        load = Load([one for one in members if one is not away], clients=24, pause=0)
        try:
            wait_until(lambda: self.leader(members).standing()["applied"] > before + 9000,
                       "the log to be compacted", 300)
            self.assertTrue(self.snapshots(leader))
            self.assertFalse(self.snapshots(away))
            away.start()
            wait_until(lambda: away.standing()["applied"] > before + 9000, "it to catch up", 60)
        finally:
            load.end()
        self.assertTrue(self.snapshots(away))
        wait_until(lambda: away.cli("member", "transfer-leader", away.name).returncode == 0
                   or away.standing()["leads"], "it to lead")
        wait_until(lambda: self.leader(members) is away, "it to lead")
        load.check(self, away.members())
        print(f"      {load.acknowledged} changes acknowledged, {load.unknown} unknown")

    @staticmethod
    def snapshots(member):
        return [name for name in os.listdir(member.data_dir) if name.startswith("snapshot-")]


if __name__ == "__main__":
    harness.main()
