"""What operators ask of a cluster, and do to it, from any of its proxies."""

import json
import time

import harness
from cluster import ClusterTest
from harness import wait_until
from resp import Resp


class Commands(ClusterTest):
    def setUp(self):
        super().setUp()
        self.servers = [self.redis() for _ in range(3)]
        self.pool = {"backends": [one.address for one in self.servers], "on_eject": "rehash"}
        self.voters = self.found("abc", self.pool)
        self.observer = self.join("o", self.voters, self.pool, role="observer")
        self.observer.proxy.wait_until_ready()
        wait_until(lambda: "o" in self.voters[0].members(), "its session")
        self.members = [*self.voters, self.observer]
        self.leader(self.voters)

    def wait_for_state(self, address, state):
        wait_until(lambda: all(one.state(address) == state for one in self.members),
                   f"all to have {address} as {state}")

    def json_of(self, member, *words):
        return json.loads(self.ok(member.cli(*words, "-o", "json")))

    def test_every_proxy_shows_the_same_ring(self):
        victim = self.servers[0].address
        self.ok(self.observer.cli("backend", "eject", victim, "--yes"))
        self.wait_for_state(victim, "ejected")
        shown = [self.json_of(one, "ring", "show") for one in self.members]
        self.assertEqual(shown[1:], shown[:-1])
        rows = {row["place"]: row for row in shown[0]}
        self.assertEqual(rows[victim]["state"], "ejected")
        self.assertEqual(rows[victim]["share"], 0)
        self.assertAlmostEqual(sum(row["share"] for row in rows.values()), 1, 3)
        self.assertEqual({row["epoch"] for row in rows.values()}, {self.leader(self.voters).epoch()})
        # As a table, for people.
        lines = self.ok(self.observer.cli("ring", "show")).splitlines()
        self.assertEqual(len([line for line in lines if "ejected" in line]), 1)
        # In band, by everybody, the same.
        for key in ("k1", "k2", "k3"):
            routes = [Resp(one.proxy.address()).ask("QUORATE", "ROUTE", key) for one in self.members]
            self.assertEqual(routes[1:], routes[:-1])
            self.assertNotIn(victim.encode(), b" ".join(str(one).encode() for one in routes[0]))
        epochs = []
        for one in self.members:
            answer = Resp(one.proxy.address()).ask("QUORATE", "STATUS")
            epochs.append(dict(zip(answer[::2], answer[1::2]))[b"epoch"])
        self.assertEqual(set(epochs), {self.voters[0].epoch()})

    def test_ring_diff_says_what_a_file_would_move(self):
        same = self.json_of(self.observer, "ring", "diff", self.observer.config)
        self.assertEqual(same, [])
        fewer = self.member("x", {**self.pool, "backends": self.pool["backends"][:2]},
                            role="observer", join=[self.voters[0].peer])
        moved = self.json_of(self.observer, "ring", "diff", fewer.config)
        self.assertEqual({row["from"] for row in moved}, {self.servers[2].address})
        self.assertEqual({row["to"] for row in moved},
                         {one.address for one in self.servers[:2]})

    def test_a_backend_is_added_drained_and_removed_through_an_observer(self):
        new = self.redis()
        self.ok(self.observer.cli("backend", "add", new.address))
        self.wait_for_state(new.address, "up")  # once a majority has seen it answer
        client = Resp(self.voters[1].proxy.address())
        for i in range(100):
            self.assertEqual(client.ask("SET", f"k{i}", "v"), b"OK")
        self.assertGreater(int(Resp(new.address).ask("DBSIZE")), 0)
        self.ok(self.observer.cli("backend", "drain", new.address, "--yes"))
        self.wait_for_state(new.address, "draining")
        self.ok(self.observer.cli("backend", "remove", new.address, "--yes"))
        self.wait_for_state(new.address, None)
        self.assertEqual(len({one.epoch() for one in self.members}), 1)
        for i in range(100):
            self.assertEqual(client.ask("SET", f"k{i}", "w"), b"OK")

    def test_member_list_is_the_leaders_whoever_is_asked(self):
        leader = self.leader(self.voters)
        for one in self.members:
            # At first the backends' processes become known: a few changes more.
            wait_until(lambda one=one: {row["behind"] for row in self.json_of(one, "member", "list")}
                       == {0}, "all to have everything")
            rows = {row["name"]: row for row in self.json_of(one, "member", "list")}
            self.assertEqual({name: row["state"] for name, row in rows.items()},
                             {"a": "voter", "b": "voter", "c": "voter", "o": "observer",
                              leader.name: "leader"})
            self.assertTrue(all(row["behind"] < 5 for row in rows.values()))
            self.assertTrue(all(row["last_contact"] < 30 for row in rows.values()))
        table = self.ok(self.observer.cli("member", "list")).splitlines()
        self.assertNotIn("-", table[-1].split("\t")[5:])
        self.assertEqual(len(table), 4)

    def test_an_observers_status_names_the_leader_as_a_voters_does(self):
        leader = self.leader(self.voters)
        wait_until(lambda: self.observer.standing()["leader"] == leader.name, "it to be told")
        self.assertEqual(self.observer.standing()["term"], leader.standing()["term"])
        self.assertIn(self.observer.standing()["voter"], [one.peer for one in self.voters])

    def test_how_failures_are_judged_is_changed_for_all(self):
        words = ["pool", "set", "--probe-interval", "50ms", "--probe-failures", "3", "--min-up", "2"]
        plan = self.ok(self.observer.cli(*words, "--dry-run"))
        self.assertIn("probe_interval_ms 50 instead of 200, probe_failures 3 instead of 2, min_up 2",
                      plan)
        self.assertEqual(self.observer.cli("pool", "set", "--probe-interval", "50").returncode, 2)
        refused = self.observer.cli("pool", "set", "--probe-failures", "1", "--yes")
        self.assertEqual(refused.returncode, 1)
        self.assertIn("2..100", refused.stderr)
        done = json.loads(self.ok(self.observer.cli(*words, "--yes", "-o", "json")))
        self.assertTrue(done["ok"])
        self.assertGreater(done["index"], 0)

        def rules(member):
            row, = self.json_of(member, "pool", "list")
            return row["probe_interval_ms"], row["probe_failures"], row["min_up"], row["up"]
        wait_until(lambda: {rules(one) for one in self.members} == {(50, 3, 2, 3)}, "all to know")
        table = self.ok(self.observer.cli("pool", "list")).splitlines()
        self.assertIn("50ms", table[0].split("\t"))
        # And it is judged so: of two that fail one may go.
        for server in self.servers[:2]:
            server.kill()

        def ejected():
            return [[one.state(server.address) for server in self.servers].count("ejected")
                    for one in self.members]
        wait_until(lambda: set(ejected()) == {1}, "one to go")
        time.sleep(0.5)
        self.assertEqual(set(ejected()), {1})

    def test_changes_answer_in_json_too(self):
        victim = self.servers[0].address
        plan = self.json_of(self.observer, "backend", "drain", victim, "--dry-run")
        self.assertEqual(plan["outcome"], "planned")
        self.assertIn("% of the keys", plan["consequences"][0])
        done = self.json_of(self.observer, "backend", "drain", victim, "--yes")
        self.assertEqual(done["outcome"], "done")
        self.assertEqual(done["epoch"], self.leader(self.voters).epoch())
        refused = self.observer.cli("backend", "drain", victim, "--yes", "-o", "json")
        self.assertEqual(refused.returncode, 1)
        self.assertFalse(json.loads(refused.stdout or '{"ok": false}')["ok"])

    def test_a_restarted_server_is_told_apart(self):
        server = self.servers[0]

        def run_ids():
            return {row["address"]: row.get("run_id")
                    for row in self.json_of(self.observer, "backend", "list")}
        wait_until(lambda: all(run_ids().values()), "every process to be known")
        self.assertEqual(run_ids()[server.address],
                         Resp(server.address).ask("INFO", "server").split(b"run_id:")[1][:40].decode())
        before = run_ids()
        server.kill()
        self.wait_for_state(server.address, "ejected")
        server.start()
        self.wait_for_state(server.address, "up")
        wait_until(lambda: run_ids()[server.address] != before[server.address], "the new process")
        self.assertEqual({one: run_ids()[one] for one in before if one != server.address},
                         {one: before[one] for one in before if one != server.address})
        self.assertIn("backend has restarted", self.observer.proxy.log())

    def test_status_tells_where_the_file_is_not_what_was_agreed(self):
        other = self.join("p", self.voters, {**self.pool, "on_eject": "keep"}, role="observer")
        other.proxy.wait_until_ready()
        said = other.cli("status")
        self.assertEqual(said.returncode, 0)
        self.assertIn("pool p: its rules differ from the cluster", said.stderr)
        self.assertEqual(self.observer.cli("status").stderr, "")


if __name__ == "__main__":
    harness.main()
