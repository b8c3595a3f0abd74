"""Backends and members die under load: all proxies change their rings together, and nothing that was
acknowledged is lost."""

import json
import time

import harness
from cluster import ClusterTest
from cluster_load import Load
from harness import PATIENCE, effort, wait_until
from resp import Error, Resp


class Backends(ClusterTest):
    def clients(self, members):
        return [Resp(one.proxy.address()) for one in members]

    def test_a_killed_backend_is_routed_around_by_all_members_at_the_same_epoch(self):
        servers = [self.redis() for _ in range(3)]
        members = self.found("abc", {"backends": [one.address for one in servers],
                                     "on_eject": "rehash"})
        members.append(self.join("o", members, {"backends": [servers[0].address]},
                                 role="observer"))
        members[-1].proxy.wait_until_ready()
        self.leader(members[:3])
        before = {one.epoch() for one in members}
        self.assertEqual(len(before), 1)
        keys = [f"k{i}" for i in range(60)]
        clients = self.clients(members)
        began = time.monotonic()
        servers[0].kill()
        late = {}

        def all_answer():
            for one, client in zip(members, clients):
                if one.name in late:
                    continue
                if all(client.ask("SET", key, "v") == b"OK" for key in keys):
                    late[one.name] = time.monotonic() - began
            return len(late) == len(members)
        wait_until(all_answer, "all members to route around it")
        print(f"      routed around after {max(late.values()) * 1000:.0f} ms")
        self.assertLess(max(late.values()), 1.0 * PATIENCE * 2)
        self.assertEqual({one.state(servers[0].address) for one in members}, {"ejected"})
        after = {one.epoch() for one in members}
        self.assertEqual(len(after), 1)
        self.assertGreater(min(after), max(before))
        # All look for a key in one place.
        clients[0].ask("SET", "shared", "x")
        self.assertEqual([client.ask("GET", "shared") for client in clients], [b"x"] * 4)
        servers[0].start()
        wait_until(lambda: all(one.state(servers[0].address) == "up" for one in members),
                   "it to be used again")
        self.assertEqual(len({one.epoch() for one in members}), 1)

    def test_one_proxys_bad_luck_ejects_nobody(self):
        # A voter that sees a backend fail alone: it is frozen only for that long.
        servers = [self.redis() for _ in range(2)]
        members = self.found("abc", {"backends": [one.address for one in servers]})
        self.leader(members)
        epoch = members[0].epoch()
        for _ in range(effort(5)):
            servers[0].freeze()
            servers[0].thaw()
        self.assertEqual({one.epoch() for one in members}, {epoch})

    def test_one_slow_answer_ejects_nobody(self):
        # Longer than a probe's time, shorter than two of them.
        servers = [self.redis() for _ in range(2)]
        members = self.found("abc", {"backends": [one.address for one in servers]})
        self.leader(members)
        epoch = members[0].epoch()
        for _ in range(effort(5)):
            servers[0].freeze()
            time.sleep(0.3 * PATIENCE)
            servers[0].thaw()
            time.sleep(0.3 * PATIENCE)
        self.assertEqual({one.epoch() for one in members}, {epoch})

    def test_keep_answers_errors_for_its_keys_until_it_is_back(self):
        servers = [self.redis() for _ in range(2)]
        members = self.found("abc", {"backends": [one.address for one in servers]})
        self.leader(members)
        clients = self.clients(members)
        keys = [f"k{i}" for i in range(20)]
        for key in keys:
            clients[0].ask("SET", key, key)
        dead = [key for key in keys
                if self.owners(members[0].proxy, [key])[key] == servers[0].address]
        servers[0].kill()
        wait_until(lambda: all(one.state(servers[0].address) == "ejected" for one in members),
                   "all to eject it")
        for client in clients:
            for key in keys:
                reply = client.ask("GET", key)
                if key in dead:
                    self.assertIsInstance(reply, Error)
                    self.assertIn(b"unavailable", reply)
                else:
                    self.assertEqual(reply, key.encode())
        servers[0].start()
        wait_until(lambda: all(one.state(servers[0].address) == "up" for one in members),
                   "it to be used again")

    def test_a_spare_takes_exactly_the_keys_of_the_ejected_one(self):
        servers = [self.redis() for _ in range(3)]
        spare = self.redis()
        members = self.found("abc", {
            "backends": [*({"address": one.address} for one in servers),
                         {"address": spare.address, "spare": True}],
            "on_eject": "spare"})
        self.leader(members)
        keys = [f"k{i}" for i in range(300)]
        clients = self.clients(members)

        def places():
            found = {}
            for key, address in self.running_owners(members[1], keys).items():
                found[key] = address
            return found
        before = places()
        self.assertNotIn(spare.address, before.values())
        servers[0].kill()
        wait_until(lambda: all(one.state(servers[0].address) == "ejected" for one in members),
                   "all to eject it")
        after = places()
        self.assertEqual({key: spare.address if address == servers[0].address else address
                          for key, address in before.items()}, after)
        for client in clients:
            for key in keys[:30]:
                self.assertEqual(client.ask("SET", key, "v"), b"OK")
        self.assertGreater(int(Resp(spare.address).ask("DBSIZE")), 0)
        servers[0].start()
        wait_until(lambda: all(one.state(servers[0].address) == "up" for one in members),
                   "it to be used again")
        self.assertEqual(places(), before)

    def running_owners(self, member, keys):
        done = member.cli("ring", "where", *keys, "-o", "json")
        return {one["key"]: one["address"] for one in json.loads(self.ok(done))}

    def test_no_more_are_ejected_than_min_up_allows(self):
        servers = [self.redis() for _ in range(3)]
        members = self.found("abc", {"backends": [one.address for one in servers],
                                     "on_eject": "rehash", "min_up": 2})
        self.leader(members)
        servers[0].kill()
        wait_until(lambda: members[0].state(servers[0].address) == "ejected", "the first to go")
        servers[1].kill()
        wait_until(lambda: any("min_up" in one.proxy.log() for one in members),
                   "the second to be kept")
        self.assertNotEqual(members[0].state(servers[1].address), "ejected")


class Leaders(ClusterTest):
    def new_leader(self, members, old):
        """Seconds until another one of them leads."""
        began = time.monotonic()
        rest = [one for one in members if one is not old and one.runs()]
        wait_until(lambda: any(one.standing()["leads"] for one in rest), "another one to lead")
        return time.monotonic() - began

    def check_everywhere(self, members, load):
        """Each of them, as the leader, knows what became of every change."""
        for one in members:
            wait_until(lambda: one.cli("member", "transfer-leader", one.name).returncode == 0
                       or one.standing()["leads"], "it to lead")
            wait_until(lambda: self.leader(members) is one, "it to lead")
            load.check(self, one.members())

    def kill_leaders(self, members, times):
        self.leader(members)
        load = Load(members)
        waits = []
        try:
            for _ in range(times):
                leader = self.leader(members)
                leader.kill()
                waits.append(self.new_leader(members, leader))
                wait_until(load.goes_on(), "changes to go on")
                leader.start()
        finally:
            load.end()
        print(f"      {load.acknowledged} changes acknowledged, {load.unknown} unknown; a new "
              f"leader after {min(waits) * 1000:.0f} to {max(waits) * 1000:.0f} ms")
        self.check_everywhere(members, load)

    def test_no_acknowledged_change_is_lost_while_leaders_of_three_are_killed(self):
        members = self.found("abc", {"backends": [self.redis().address]})
        self.kill_leaders(members, effort(15))

    def test_no_acknowledged_change_is_lost_while_leaders_of_five_are_killed(self):
        members = self.found("abcde", {"backends": [self.redis().address]})
        self.kill_leaders(members, effort(8))

    def test_leaders_that_were_stopped_come_back_as_followers_and_nothing_is_lost(self):
        members = self.found("abc", {"backends": [self.redis().address]})
        self.leader(members)
        load = Load(members)
        try:
            for _ in range(effort(6)):
                leader = self.leader(members)
                leader.proxy.freeze()
                rest = [one for one in members if one is not leader]
                self.new_leader(rest, leader)
                load.members = rest  # nobody waits for the one that is stopped
                wait_until(load.goes_on(), "changes to go on")
                load.members = members
                # It still believes that it leads; what it is told now must not be lost.
                leader.proxy.thaw()
                wait_until(lambda: not leader.standing()["leads"], "it to notice")
                following = self.leader(members)
                self.assertEqual(leader.standing()["term"], following.standing()["term"])
        finally:
            load.end()
        print(f"      {load.acknowledged} changes acknowledged, {load.unknown} unknown")
        self.check_everywhere(members, load)

    def test_a_follower_that_is_stopped_slows_nobody(self):
        members = self.found("abc", {"backends": [self.redis().address]})
        leader = self.leader(members)
        stopped, other = [one for one in members if one is not leader]
        stopped.proxy.freeze()
        load = Load([leader, other])
        try:
            term = leader.standing()["term"]
            wait_until(load.goes_on(50), "changes to go on")
        finally:
            load.end()
        self.assertEqual(leader.standing()["term"], term)
        self.assertEqual(load.unknown, 0)
        stopped.proxy.thaw()
        wait_until(lambda: stopped.standing()["applied"] == leader.standing()["applied"],
                   "it to catch up")


class Observers(ClusterTest):
    def test_an_observer_serves_on_without_the_group_and_follows_again(self):
        servers = [self.redis() for _ in range(2)]
        pool = {"backends": [one.address for one in servers], "on_eject": "rehash"}
        members = self.found("abc", pool)
        self.leader(members)
        observer = self.join("o", members, pool, role="observer")
        observer.proxy.wait_until_ready()
        wait_until(lambda: "o" in members[0].members(), "its session")
        # Through the observer, too, things are changed.
        self.ok(observer.cli("backend", "eject", servers[1].address, "--yes"))
        wait_until(lambda: observer.state(servers[1].address) == "ejected", "it to know")
        epoch = observer.epoch()
        for one in members:
            one.kill()
        wait_until(lambda: not observer.standing()["in_touch"], "it to be out of touch")
        client = Resp(observer.proxy.address())
        for i in range(20):
            self.assertEqual(client.ask("SET", f"k{i}", "v"), b"OK")
        status, text = observer.get("/readyz?verbose")
        self.assertEqual(status, 200)
        self.assertIn("[!]cluster", text)
        self.assertEqual(observer.proxy.metric("quorate_group_in_touch"), 0)
        leader, term, _, trails_by = observer.cli("status").stdout.splitlines()[0].split("\t")[3:7]
        self.assertEqual([leader, term, trails_by], ["-"] * 3)
        self.assertEqual(observer.epoch(), epoch)
        self.assertEqual(observer.cli("backend", "list").returncode, 5)
        for one in members:
            one.start()
        wait_until(lambda: observer.standing()["in_touch"], "it to follow again")
        self.ok(observer.cli("backend", "ready", servers[1].address))
        wait_until(lambda: observer.state(servers[1].address) == "up", "it to know")

    def test_whoever_starts_without_the_group_serves_what_was_agreed_last(self):
        servers = [self.redis() for _ in range(2)]
        pool = {"backends": [one.address for one in servers], "on_eject": "rehash"}
        members = self.found("abc", pool)
        self.leader(members)
        observer = self.join("o", members, pool, role="observer", data_dir=self.path("data-o"))
        observer.proxy.wait_until_ready()
        self.ok(observer.cli("backend", "eject", servers[1].address, "--yes"))
        wait_until(lambda: all(one.state(servers[1].address) == "ejected"
                               for one in [*members, observer]), "all to know")
        epoch = observer.epoch()
        observer.end()
        members[0].end()
        for one in members[1:]:
            one.kill()
        for one in (observer, members[0]):
            one.start().proxy.wait_until_ready()
            client = Resp(one.proxy.address())
            for i in range(20):
                self.assertEqual(client.ask("SET", f"k{i}", "v"), b"OK")
            self.assertEqual(one.epoch(), epoch)
            self.assertEqual(one.state(servers[1].address), "ejected")
            status, text = one.get("/readyz?verbose")
            self.assertEqual(status, 200)
            self.assertIn("out of touch; serving with what was agreed last", text)
            self.assertEqual(one.proxy.metric("quorate_group_in_touch"), 0)
        # When a majority is there again, they go on from there, and never back.
        epochs = []
        members[1].start()
        wait_until(lambda: epochs.append(members[0].epoch()) or members[0].standing()["in_touch"],
                   "it to be in touch")
        self.leader(members[:2])
        self.ok(observer.cli("backend", "ready", servers[1].address))
        wait_until(lambda: all(one.state(servers[1].address) == "up"
                               for one in [*members[:2], observer]), "all to know")
        self.assertGreaterEqual(min(epochs), epoch)

    def test_an_observer_whose_voter_is_stopped_follows_another_one(self):
        server = self.redis()
        pool = {"backends": [server.address]}
        members = self.found("abc", pool)
        self.leader(members)
        observer = self.join("o", members, pool, role="observer")
        observer.proxy.wait_until_ready()
        voter = next(one for one in members if one.peer == observer.standing()["voter"])
        voter.proxy.freeze()
        wait_until(lambda: observer.standing()["in_touch"]
                   and observer.standing()["voter"] != voter.peer, "it to follow another one")
        rest = [one for one in members if one is not voter]
        self.leader(rest)
        self.ok(rest[0].cli("backend", "eject", server.address, "--force", "--yes"))
        wait_until(lambda: observer.state(server.address) == "ejected", "it to know")
        voter.proxy.thaw()
        self.leader(members)

    def test_the_session_of_a_dead_observer_ends(self):
        pool = {"backends": [self.redis().address]}
        members = self.found("abc", pool)
        observer = self.join("o", members, pool, role="observer")
        wait_until(lambda: "o" in members[0].members(), "its session")
        observer.kill()
        began = time.monotonic()
        wait_until(lambda: "o" not in members[0].members(), "its session to end")
        print(f"      noticed after {(time.monotonic() - began) * 1000:.0f} ms")


    def test_an_observer_needs_no_session_and_may_have_one_that_ends_late(self):
        pool = {"backends": [self.redis().address]}
        members = self.found("abc", pool)
        quiet = self.join("q", members, pool, role="observer", session=False)
        late = self.join("l", members, pool, role="observer", session_expiry="3s")
        namesake = self.join("b", members, pool, role="observer")
        for one in (quiet, late, namesake):
            wait_until(lambda one=one: one.standing()["in_touch"], "it to follow")
        wait_until(lambda: "l" in members[0].members(), "its session")
        self.assertEqual(sorted(members[0].members()), ["a", "b", "c", "l"])
        self.assertIn("no session: member 2 is named \\\"b\\\"", namesake.proxy.log())
        late.kill()
        began = time.monotonic()
        wait_until(lambda: "l" not in members[0].members(), "its session to end")
        self.assertGreater(time.monotonic() - began, 2)


class Alone(harness.Test):
    """A proxy without [cluster] decides alone; the commands work on it, too."""

    def test_backends_are_added_drained_and_removed_without_a_cluster(self):
        servers = [self.redis() for _ in range(3)]
        proxy = self.quorate({"p": {"backends": [one.address for one in servers[:2]],
                                    "on_eject": "rehash", "probe_interval": "50ms",
                                    "probe_timeout": "50ms"}})

        def cli(*words):
            done = harness.run(harness.QUORATE, *words, "--admin", proxy.admin, env=self.env)
            self.assertEqual(done.returncode, 0, done.stderr)
            return done.stdout
        cli("backend", "add", servers[2].address)
        wait_until(lambda: proxy.backend_state(servers[2].address) == "up", "it to join the ring")
        for words in (["member", "add", "x", "127.0.0.1:1"], ["pool", "set", "--min-up", "2", "--yes"]):
            refused = harness.run(harness.QUORATE, *words, "--admin", proxy.admin, env=self.env)
            self.assertEqual(refused.returncode, 1)
            self.assertIn("in no cluster", refused.stderr)
        cli("backend", "drain", servers[0].address, "--yes")
        self.assertEqual(proxy.backend_state(servers[0].address), "draining")
        client = Resp(proxy.address())
        for i in range(50):
            self.assertEqual(client.ask("SET", f"k{i}", "v"), b"OK")
        self.assertEqual(int(Resp(servers[0].address).ask("DBSIZE")), 0)
        self.assertGreater(int(Resp(servers[2].address).ask("DBSIZE")), 0)
        cli("backend", "remove", servers[0].address, "--yes")
        self.assertIsNone(proxy.backend_state(servers[0].address))
        self.assertEqual(cli("member", "list").split("\t")[3], "alone")
        self.assertIn("alone", cli("status"))


if __name__ == "__main__":
    harness.main()
