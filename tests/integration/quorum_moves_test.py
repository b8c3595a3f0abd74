"""Backends of a quorum pool come, go, lose their memory and are replaced, under load: slots move with
their keys, clients notice nothing, and afterwards every replica has the same."""

import harness
from harness import effort, wait_until
from links import Links
from quorum_test import QuorumTest
from resp import Resp

META = b"~q:m:"


class MovesTest(QuorumTest):
    def replication(self, member):
        for pool in member.proxy.status()["pools"]:
            if pool["name"] == "p" and "replication" in pool:
                return pool["replication"], {one["address"]: one for one in pool["backends"]}
        return {"slots": {"in_place": 0, "total": 4096, "moving": 0}, "owned_slots": 0}, {}

    def settled(self, members):
        """Whether the members agree that every slot is in its place, and every backend up."""
        for member in members:
            if not member.runs():
                continue
            replication, backends = self.replication(member)
            if replication["slots"]["in_place"] != replication["slots"]["total"]:
                return False
            if any(one["state"] != "up" for one in backends.values()):
                return False
        return True

    def wait_until_settled(self, members, seconds=60):
        try:
            wait_until(lambda: self.settled(members), "all slots to be in their places, and all "
                       "backends up", seconds)
        except AssertionError as error:
            running = [one for one in members if one.runs()]
            raise AssertionError(f"{error}\n" + "\n".join(
                f"{one.name}: {self.replication(one)}" for one in running)) from None

    def come_back(self, server, members):
        """Starts it, empty, and waits until the group knows that it is another process."""
        server.start()
        wait_until(lambda: any(one.state(server.address) == "joining" for one in members
                               if one.runs()), "the group to notice", 30)

    def contents(self, server):
        """{key: (meta, value)} of a backend, as it is stored."""
        found = {}
        with Resp(server.address) as client:
            cursor = b"0"
            while True:
                cursor, keys = client.ask("SCAN", cursor, "COUNT", 1000)
                metas = [key for key in keys if key.startswith(META)]
                for meta, text in zip(metas, client.ask("MGET", *metas) if metas else []):
                    if text is None:
                        continue
                    value = client.ask("DUMP", meta[len(META):]) if b"|h|" not in text else \
                        sorted(client.ask("HGETALL", meta[len(META):]))
                    found[meta[len(META):]] = (text, str(value))
                if cursor == b"0":
                    return found

    def differences(self, servers, replicas=3):
        """Keys that not all of as many servers have alike, and those that somebody has too many."""
        everywhere = {}
        for server in servers:
            for key, state in self.contents(server).items():
                everywhere.setdefault(key, []).append(state)
        return {key: states for key, states in everywhere.items()
                if len(states) != replicas or len(set(states)) != 1}

    def wait_until_the_same(self, servers, replicas=3, seconds=60):
        """Nobody writes any more: sweeps mend what differs, and drop what is somewhere else."""
        def same():
            self.left = self.differences(servers, replicas)
            return not self.left
        try:
            wait_until(same, "all replicas to have the same", seconds)
        except AssertionError:
            rows = [f"{key}: {states}" for key, states in list(self.left.items())[:10]]
            self.fail(f"{len(self.left)} keys differ: " + "\n".join(rows))

    def judge(self, record, members, share=0.99):
        """Ends the load; linearizable, and nearly everything was acknowledged."""
        self.settle(record)
        total, acknowledged = record.count(), record.count("acknowledged")
        self.assertGreaterEqual(acknowledged / total, share)
        return members


class Moves(MovesTest):
    def test_a_backend_returns_empty_and_then_another_one_dies(self):
        members, servers = self.quorum(backends=5)
        record = self.record(members)
        self.go_on(record)
        for number in range(effort(2)):
            servers[number].kill()
            self.go_on(record)
            self.come_back(servers[number], members)
            self.wait_until_settled(members)
            self.go_on(record, 0.5)
        self.judge(record, members)
        self.wait_until_the_same(servers)

    def test_a_backend_is_added_under_load_and_ready_once_it_has_its_slots(self):
        members, servers = self.quorum(backends=3)
        record = self.record(members)
        new = self.redis()
        states = set()
        self.ok(members[1].cli("backend", "add", new.address, "--no-wait"))

        def ready():
            replication, backends = self.replication(members[0])
            slots = backends[new.address]["slots"] if new.address in backends else {"held": 0}
            state = backends[new.address]["state"] if new.address in backends else None
            states.add(state)
            if state == "up":
                self.assertEqual(slots["held"], slots["wanted"])
                self.assertGreater(slots["held"], 2000)
            return state == "up" and replication["slots"]["in_place"] == 4096
        wait_until(ready, "the new backend to be ready", 60)
        self.assertIn("joining", states)
        self.go_on(record)
        self.judge(record, members)
        self.wait_until_the_same([*servers, new])

    def test_a_backend_is_replaced_under_load(self):
        members, servers = self.quorum(backends=3)
        record = self.record(members)
        new = self.redis()
        done = members[2].cli("backend", "replace", servers[0].address, new.address, "--yes")
        self.ok(done)
        self.assertIn("drain", done.stdout)
        self.assertIn("remove", done.stdout)
        _, backends = self.replication(members[0])
        self.assertNotIn(servers[0].address, backends)
        self.assertEqual(backends[new.address]["slots"]["held"], 4096)
        servers[0].kill()
        self.go_on(record)
        self.judge(record, members)
        self.wait_until_the_same([new, *servers[1:]])

    def test_a_backend_is_removed_and_another_one_weighed(self):
        members, servers = self.quorum(backends=5)
        record = self.record(members)
        self.ok(members[0].cli("backend", "remove", servers[4].address, "--yes"))
        _, backends = self.replication(members[0])
        self.assertNotIn(servers[4].address, backends)
        before = backends[servers[0].address]["slots"]["held"]
        self.ok(members[0].cli("backend", "weight", servers[0].address, "3", "--yes"))
        _, backends = self.replication(members[0])
        self.assertGreater(backends[servers[0].address]["slots"]["held"], before)
        self.judge(record, members)
        self.wait_until_the_same(servers[:4])

    def test_more_replicas_and_fewer_again(self):
        members, servers = self.quorum(backends=5)
        record = self.record(members)
        self.ok(members[0].cli("pool", "replicas", "5", "--yes"))
        self.go_on(record)
        servers[0].freeze()
        servers[1].freeze()
        self.go_on(record)
        servers[0].thaw()
        servers[1].thaw()
        self.ok(members[0].cli("pool", "replicas", "3", "--yes"))
        self.go_on(record)
        self.judge(record, members, 0.95)
        self.wait_until_the_same(servers)

    def test_who_leads_and_owns_dies_while_slots_move(self):
        members, servers = self.quorum(backends=4)
        record = self.record(members)
        new = self.redis()
        self.ok(members[0].cli("backend", "add", new.address, "--no-wait"))
        leader = self.leader(members)
        wait_until(lambda: self.replication(leader)[0]["slots"]["moving"] > 0, "slots to move")
        leader.kill()
        self.go_on(record, 0.5)
        leader.start()
        record.addresses[members.index(leader)] = leader.proxy.address()
        self.wait_until_settled(members)
        self.go_on(record)
        self.judge(record, members, 0.95)
        self.wait_until_the_same([*servers, new])


class Links3(MovesTest):
    def test_proxies_are_cut_off_from_each_other_while_slots_move(self):
        links = Links()
        self.addCleanup(links.close)
        servers = [self.redis() for _ in range(4)]
        members = self.found("abc", {"backends": [one.address for one in servers],
                                     "consistency": "quorum", "replicas": 3}, links)
        wait_until(lambda: all(self.serves(one) for one in members), "the pool to serve", 30)
        record = self.record(members)
        new = self.redis()
        self.ok(members[0].cli("backend", "add", new.address, "--no-wait"))
        for number in range(effort(3)):
            links.isolate("abc"[number % 3], [one for one in "abc" if one != "abc"[number % 3]])
            self.go_on(record, 1.5)
            links.heal()
            self.go_on(record, 0.5)
        self.wait_until_settled(members)
        self.go_on(record)
        # Who is cut off cannot forward, and says so.
        self.judge(record, members, 0.5)
        self.wait_until_the_same([*servers, new])


class Ends(MovesTest):
    def test_sigterm_hands_slots_over(self):
        members, _ = self.quorum()
        rest = members[1:]
        record = self.record(rest)
        for _ in range(effort(2)):
            self.assertEqual(members[0].proxy.end(), 0)
            self.go_on(record)
            members[0].start()
            wait_until(lambda: self.serves(members[0]), "it to serve again", 30)
            wait_until(lambda: self.replication(members[0])[0]["owned_slots"] > 500,
                       "it to own slots again", 30)
        self.judge(record, members, 0.95)
        self.assertLess(record.count("unknown"), 5)  # nearly always none

    def test_metrics_tell_of_slots_and_pass_promtool(self):
        members, _ = self.quorum()
        owned = sum(one.proxy.metric("quorate_replication_owned_slots") for one in members)
        self.assertEqual(owned, 4096)
        for member in members:
            self.assertEqual(member.proxy.metric("quorate_replication_slots", state="in_place"), 4096)
            self.assertEqual(member.proxy.metric("quorate_backend_slots", kind="held"), 3 * 4096)
            self.assertEqual(member.proxy.metric("quorate_replication_unserved_slots"), 0)
            self.assertGreater(member.proxy.metric("quorate_replication_writes_total"), 0)
            self.assertIn("[+]pool p: 4096 of 4096 slots in place",
                          member.get("/readyz?verbose")[1])
            text = member.get("/metrics")[1]
            done = harness.run("promtool", "check", "metrics", stdin=text)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        lines = self.ok(members[0].cli("status")).splitlines()
        self.assertIn("p 3 4096 0 0 0 0", " ".join(" ".join(lines).split()))


class Observers(MovesTest):
    def test_an_observer_reads_and_forwards_and_finds_another_owner(self):
        members, servers = self.quorum()
        pool = {"backends": [one.address for one in servers], "consistency": "quorum",
                "replicas": 3}
        observer = self.join("o", members, pool, role="observer")
        wait_until(lambda: self.serves(observer), "the observer to serve", 30)
        self.assertEqual(self.replication(observer)[0]["owned_slots"], 0)
        record = self.record([observer, members[1]])
        members[0].kill()
        self.go_on(record)
        servers[2].kill()
        self.go_on(record)
        self.judge(record, members, 0.95)
        figures = self.replication(observer)[0]["counts"]
        self.assertGreater(figures["direct_reads"], 0)
        self.assertGreater(figures["forwards"], 0)


class Workers(MovesTest):
    def test_two_workers_in_each_proxy(self):
        self.workers = 2
        members, servers = self.quorum()
        for member in members:
            replication, _ = self.replication(member)
            self.assertGreater(replication["owned_slots"], 500)
        record = self.record(members)
        servers[0].kill()
        self.go_on(record)
        self.come_back(servers[0], members)
        self.wait_until_settled(members)
        members[0].kill()
        self.go_on(record)
        members[0].start()
        record.addresses[0] = members[0].proxy.address()
        self.go_on(record)
        self.judge(record, members, 0.95)
        self.wait_until_the_same(servers)


if __name__ == "__main__":
    harness.main()
