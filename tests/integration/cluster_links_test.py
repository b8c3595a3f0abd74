"""Links between members fail: in both directions, in one, between some. Who cannot reach a majority does
not lead, who can does, and nothing that was acknowledged is lost."""

import random

import harness
from cluster import ClusterTest
from cluster_load import Load
from harness import PATIENCE, effort, wait_until
from links import Links


class Cuts(ClusterTest):
    # Terms are compared: no election may be due to a busy machine.
    TIMES = {"election_timeout": f"{int(500 * PATIENCE)}ms",
             "heartbeat_interval": f"{int(50 * PATIENCE)}ms"}

    def setUp(self):
        super().setUp()
        self.links = Links()
        self.addCleanup(self.links.close)

    def found_on_links(self, names):
        return self.found(names, {"backends": [self.redis().address]}, links=self.links)

    def other_leader(self, old, rest):
        return wait_until(lambda: next((one for one in rest if one.standing()["leads"]), None),
                          f"another one than {old.name} to lead")

    def check(self, members, load):
        leader = self.leader(members)
        print(f"      {load.acknowledged} changes acknowledged, {load.unknown} unknown")
        load.check(self, leader.members())
        applied = leader.standing()["applied"]
        for one in members:
            wait_until(lambda: one.standing()["applied"] >= applied, "it to have applied it all")

    def lose_leader(self, cut):
        """`cut(leader, rest)` makes it useless: another one leads, and it steps down."""
        members = self.found_on_links("abc")
        leader = self.leader(members)
        rest = [one for one in members if one is not leader]
        load = Load(members)
        try:
            wait_until(load.goes_on(), "changes to be made")
            cut(leader.name, [one.name for one in rest])
            second = self.other_leader(leader, rest)
            wait_until(lambda: not leader.standing()["leads"], "it to notice that it is alone")
            load.members = rest
            wait_until(load.goes_on(), "changes to go on")
            term = second.standing()["term"]
            self.links.heal()
            # Who was cut off has asked before it campaigned (pre-vote): it deposes nobody.
            wait_until(lambda: leader.standing()["leader"] == second.name, "it to follow")
            self.assertEqual(second.standing()["term"], term)
            load.members = members
            wait_until(load.goes_on(), "changes to go on")
        finally:
            self.links.heal()
            load.end()
        self.check(members, load)

    def test_a_leader_that_is_cut_off_steps_down_and_follows_the_next_one(self):
        self.lose_leader(self.links.isolate)

    def test_a_leader_that_hears_nobody_steps_down(self):
        def deafen(leader, rest):
            for one in rest:
                self.links.cut(one, leader)
        self.lose_leader(deafen)

    def test_a_leader_that_nobody_hears_is_replaced(self):
        def mute(leader, rest):
            for one in rest:
                self.links.cut(leader, one)
        self.lose_leader(mute)

    def test_a_leader_that_reaches_a_majority_goes_on_leading(self):
        members = self.found_on_links("abc")
        leader = self.leader(members)
        one, other = [member for member in members if member is not leader]
        term = leader.standing()["term"]
        load = Load([leader, other])
        try:
            # `one` sees no leader, but the member that it could ask for a vote does.
            self.links.cut_both(leader.name, one.name)
            wait_until(lambda: not one.standing()["in_touch"], "it to miss the leader")
            wait_until(load.goes_on(40), "changes to go on")
            self.assertTrue(leader.standing()["leads"])
            self.assertEqual(other.standing()["term"], term)
            self.links.heal()
            wait_until(lambda: one.standing()["leader"] == leader.name, "it to follow again")
            self.assertEqual(leader.standing()["term"], term)
        finally:
            self.links.heal()
            load.end()
        self.check(members, load)

    def test_two_of_five_that_are_cut_off_decide_nothing(self):
        members = self.found_on_links("abcde")
        leader = self.leader(members)
        few = [leader, next(one for one in members if one is not leader)]
        many = [one for one in members if one not in few]
        load = Load(members)
        try:
            for one in few:
                self.links.isolate(one.name, [other.name for other in many])
            self.other_leader(leader, many)
            wait_until(lambda: not any(one.standing()["in_touch"] for one in few),
                       "the two to know that they are too few")
            load.members = many
            wait_until(load.goes_on(), "changes to go on")
            status, _ = few[1].change(timeout=10, **{"do": "member add", "name": "nobody",
                                                     "address": "127.0.0.1:1"})
            self.assertIn(status, (503, 504))
        finally:
            self.links.heal()
            load.end()
        self.check(members, load)

    def test_nothing_is_lost_while_links_come_and_go(self):
        chance = random.Random(3)
        members = self.found_on_links("abc")
        self.leader(members)
        names = [one.name for one in members]
        load = Load(members, clients=3)
        try:
            for _ in range(effort(12)):
                for source in names:
                    for target in names:
                        if source != target and chance.random() < 0.4:
                            self.links.cut(source, target)
                # A fault lasts for a while, shorter and longer than an election takes.
                load.stopping.wait(chance.uniform(0.1, 1.0) * PATIENCE)
                self.links.heal()
                wait_until(load.goes_on(3), "changes to go on")
        finally:
            self.links.heal()
            load.end()
        self.check(members, load)


if __name__ == "__main__":
    harness.main()
