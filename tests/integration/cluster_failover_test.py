"""Backends and members die under load: all proxies change their rings together, and nothing that was
acknowledged is lost."""

import json
import random
import threading
import time

import harness
from cluster import ClusterTest
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


class Load:
    """Changes through random members, each of which is acknowledged, refused, or unknown."""

    def __init__(self, members):
        self.members = members
        self.acknowledged = {}
        self.unknown = 0
        self.number = 0
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(i,)) for i in range(2)]
        for one in self.threads:
            one.start()

    def run(self, which):
        chance = random.Random(which)
        number = 0
        while not self.stopping.is_set() and len(self.acknowledged) < 200:
            number += 1
            name = f"n{which}-{number}"
            member = chance.choice(self.members)
            status, answer = member.change(timeout=6, **{"do": "member add", "name": name,
                                                         "address": "127.0.0.1:1"})
            if status == 200:
                self.acknowledged[name] = answer["id"]
            elif status == 504:
                self.unknown += 1
            self.stopping.wait(0.02)

    def end(self):
        self.stopping.set()
        for one in self.threads:
            one.join()


class Leaders(ClusterTest):
    def test_no_acknowledged_change_is_lost_while_leaders_are_killed(self):
        pool = {"backends": [self.redis().address]}
        members = self.found("abc", pool)
        self.leader(members)
        load = Load(members)
        waits = []
        try:
            for _ in range(effort(20)):
                leader = self.leader(members)
                acknowledged = len(load.acknowledged)
                leader.kill()
                began = time.monotonic()
                self.leader([one for one in members if one is not leader])
                waits.append(time.monotonic() - began)
                wait_until(lambda: len(load.acknowledged) > acknowledged + 9
                           or len(load.acknowledged) >= 200, "changes to go on")
                leader.start()
        finally:
            load.end()
        print(f"      {len(load.acknowledged)} changes acknowledged, {load.unknown} unknown; "
              f"a new leader after {min(waits) * 1000:.0f} to {max(waits) * 1000:.0f} ms")
        self.assertGreater(len(load.acknowledged), effort(60))
        ids = list(load.acknowledged.values())
        self.assertEqual(len(set(ids)), len(ids), "a number was given twice")
        self.leader(members)
        wait_until(lambda: set(members[0].members()) >= {"a", "b", "c"}, "all to be back")
        # Each of the three, as the leader, knows every one.
        for one in members:
            wait_until(lambda: one.cli("member", "transfer-leader", one.name).returncode == 0
                       or one.standing()["leads"], "it to lead")
            wait_until(lambda: self.leader(members) is one, "it to lead")
            rows = one.members()
            missing = [name for name in load.acknowledged if name not in rows]
            self.assertEqual(missing, [])
            for name, number in load.acknowledged.items():
                self.assertEqual(rows[name]["id"], number)

    def test_a_leader_that_was_stopped_comes_back_as_a_follower(self):
        server = self.redis()
        members = self.found("abc", {"backends": [server.address]})
        first = self.leader(members)
        rest = [one for one in members if one is not first]
        first.proxy.freeze()
        second = wait_until(lambda: next((one for one in rest if one.standing()["leads"]), None),
                            "another to lead")
        self.ok(second.cli("backend", "eject", server.address, "--force", "--yes"))
        first.proxy.thaw()
        wait_until(lambda: not first.standing()["leads"], "it to notice")
        wait_until(lambda: first.state(server.address) == "ejected", "it to catch up")
        self.assertEqual(self.leader(members).standing()["term"], first.standing()["term"])


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
        self.assertEqual(observer.epoch(), epoch)
        self.assertEqual(observer.cli("backend", "list").returncode, 5)
        for one in members:
            one.start()
        wait_until(lambda: observer.standing()["in_touch"], "it to follow again")
        self.ok(observer.cli("backend", "ready", servers[1].address))
        wait_until(lambda: observer.state(servers[1].address) == "up", "it to know")

    def test_the_session_of_a_dead_observer_ends(self):
        pool = {"backends": [self.redis().address]}
        members = self.found("abc", pool)
        observer = self.join("o", members, pool, role="observer")
        wait_until(lambda: "o" in members[0].members(), "its session")
        observer.kill()
        began = time.monotonic()
        wait_until(lambda: "o" not in members[0].members(), "its session to end")
        print(f"      noticed after {(time.monotonic() - began) * 1000:.0f} ms")


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
