"""Members of a cluster come and go, as README.md says: founded, grown, replaced, recovered."""

import os
import resource

import harness
from cluster import ClusterTest
from harness import HOST, free_port, run, wait_until
from resp import Resp


class Founding(ClusterTest):
    def test_three_members_found_a_cluster_and_any_of_them_answers(self):
        servers = [self.redis() for _ in range(2)]
        members = self.found("abc", {"backends": [one.address for one in servers]})
        leader = self.leader(members)
        wait_until(lambda: all(set(one.members()) == set("abc") for one in members),
                   "every member to know all names")
        for one in members:
            rows = one.members()
            self.assertEqual([name for name, row in rows.items() if row["state"] == "leader"],
                             [leader.name])
            self.assertEqual(sorted(row["id"] for row in rows.values()), [1, 2, 3])
            self.assertEqual(one.epoch(), members[0].epoch())
            status, text = one.get("/readyz?verbose")
            self.assertEqual(status, 200)
            self.assertIn("[+]cluster quorate: voter " + one.name, text)
        # What is asked of any member is decided by the leader, and known to all.
        other = next(one for one in members if one is not leader)
        said = self.ok(other.cli("backend", "eject", servers[1].address, "--yes"))
        self.assertIn("epoch", said)
        wait_until(lambda: all(one.state(servers[1].address) == "ejected" for one in members),
                   "all to eject it")
        self.assertEqual(len({one.epoch() for one in members}), 1)
        lines = self.ok(other.cli("backend", "list")).splitlines()
        self.assertEqual([line.split("\t")[3] for line in lines], ["up", "ejected by operator"])
        self.ok(leader.cli("backend", "ready", servers[1].address))
        wait_until(lambda: all(one.state(servers[1].address) == "up" for one in members),
                   "all to use it again")

    def test_dangerous_changes_show_a_plan_and_wait_for_a_yes(self):
        servers = [self.redis() for _ in range(2)]
        member, = self.found("a", {"backends": [one.address for one in servers],
                                   "on_eject": "rehash"})
        planned = member.cli("backend", "drain", servers[0].address)
        self.assertEqual(planned.returncode, 2)
        self.assertIn("moves", planned.stderr)
        self.assertEqual(member.state(servers[0].address), "up")
        shown = self.ok(member.cli("backend", "remove", servers[0].address, "--dry-run"))
        self.assertIn("plan: drain", shown)
        self.assertEqual(member.state(servers[0].address), "up")
        # Both would leave nobody: min_up is 1.
        self.ok(member.cli("backend", "drain", servers[0].address, "--yes"))
        refused = member.cli("backend", "drain", servers[1].address, "--yes")
        self.assertEqual(refused.returncode, 1)
        self.assertIn("min_up", refused.stderr)
        self.assertEqual(member.cli("backend", "eject", "nobody", "--yes").returncode, 1)

    def test_exit_codes_tell_unreachable_from_no_quorum(self):
        server = self.redis()
        members = self.found("abc", {"backends": [server.address]})
        self.leader(members)
        alone = members[0]
        for one in members[1:]:
            one.kill()
        wait_until(lambda: not alone.standing()["in_touch"], "it to be out of touch")
        self.assertEqual(alone.cli("member", "list").returncode, 5)
        self.assertEqual(alone.cli("backend", "eject", server.address, "--force",
                                   "--yes").returncode, 5)
        self.assertEqual(alone.cli("status").returncode, 5)
        status, text = alone.get("/readyz?verbose")
        self.assertEqual(status, 200)
        self.assertIn("out of touch; serving with what was agreed last", text)
        self.assertEqual(alone.proxy.metric("quorate_group_in_touch"), 0)
        # Two are enough again.
        members[1].start()
        self.leader(members)
        nobody = run(harness.QUORATE, "status", "--admin", f"{HOST}:{free_port()}", env=self.env)
        self.assertEqual(nobody.returncode, 4)

    def test_a_stranger_is_not_let_in(self):
        server = self.redis()
        pool = {"backends": [server.address]}
        founder, = self.found("a", pool)
        stranger = self.join("x", [founder], pool, secret="another secret of good length")
        wait_until(lambda: "the cluster secret is another one" in founder.proxy.log(),
                   "the founder to refuse it")
        other = self.join("y", [founder], pool, name="elsewhere")
        wait_until(lambda: "belongs to cluster" in founder.proxy.log(), "the founder to refuse it")
        self.assertEqual(set(founder.members()), {"a"})
        self.assertEqual(stranger.get("/readyz")[0], 503)
        self.assertEqual(other.get("/readyz")[0], 503)


    def test_an_observer_that_is_not_let_in_says_why(self):
        server = self.redis()
        pool = {"backends": [server.address]}
        founder, = self.found("a", pool)
        for name, why, differs in (
                ("o", "the cluster secret is another one", {"secret": "another secret of good length"}),
                ("p", "belongs to cluster", {"name": "elsewhere"})):
            observer = self.join(name, [founder], pool, role="observer", **differs)
            wait_until(lambda: why in observer.get("/readyz?verbose")[1], "it to say so")
            self.assertIn(founder.peer, observer.get("/readyz?verbose")[1])
            warnings = [line for line in observer.proxy.log().splitlines()
                        if "no connection to voter" in line and why in line]
            self.assertEqual(len(warnings), 1)


class Growing(ClusterTest):
    def test_one_grows_to_three_to_five_and_then_two_may_die(self):
        server = self.redis()
        pool = {"backends": [server.address]}
        members = self.found("a", pool)
        for name in "bc":
            members.append(self.join(name, members[:1], pool))
        self.wait_for_voters(members, "abc")
        for name in "de":
            members.append(self.join(name, members[1:3], pool))
        self.wait_for_voters(members, "abcde")
        for one in members:
            one.proxy.wait_until_ready()
        leader = self.leader(members)
        # One of the two that die leads.
        victims = [leader, next(one for one in members if one is not leader)]
        for one in victims:
            one.kill()
        rest = [one for one in members if one not in victims]
        self.leader(rest)
        self.ok(rest[0].cli("backend", "eject", server.address, "--force", "--yes"))
        wait_until(lambda: all(one.state(server.address) == "ejected" for one in rest),
                   "the three to agree")
        # Back from its disk, it knows what it missed.
        victims[0].start()
        wait_until(lambda: victims[0].state(server.address) == "ejected", "it to catch up")

    def test_a_learner_votes_once_it_is_promoted(self):
        pool = {"backends": [self.redis().address]}
        members = self.found("a", pool)
        learner = self.join("b", members, pool, role="learner")
        wait_until(lambda: members[0].members().get("b", {}).get("state") == "learner",
                   "it to be a learner")
        wait_until(lambda: learner.standing()["role"] == "learner", "it to know")
        done = wait_until(lambda: (lambda d: d if d.returncode == 0 else None)(
            learner.cli("member", "promote", "b")), "it to be promoted")
        self.assertIn("promote member b", done.stdout)
        self.wait_for_voters(members, "ab")

    def test_leadership_is_handed_over_on_request(self):
        pool = {"backends": [self.redis().address]}
        members = self.found("abc", pool)
        leader = self.leader(members)
        wait_until(lambda: set(leader.members()) == set("abc"), "all names")
        heir = next(one for one in members if one is not leader)
        self.ok(members[0].cli("member", "transfer-leader", heir.name))
        wait_until(lambda: self.leader(members) is heir, "the heir to lead")


class Replacing(ClusterTest):
    def test_a_member_that_lost_its_disk_is_refused_until_it_is_removed_and_joins_anew(self):
        pool = {"backends": [self.redis().address]}
        members = self.found("abc", pool)
        self.leader(members)
        dead = members[2]
        wait_until(lambda: set(members[0].members()) == set("abc"), "all names")
        dead.kill()
        dead.lose_disk()
        dead.start()
        rest = members[:2]
        wait_until(lambda: any("has lost its disk" in one.proxy.log() for one in rest),
                   "the others to notice")
        self.assertFalse(dead.standing()["in_touch"])
        dead.end()
        dead.lose_disk()
        self.leader(rest)
        self.ok(rest[0].cli("member", "remove", "c", "--yes"))
        self.assertEqual(set(rest[1].members()), {"a", "b"})
        # The same configuration, but for join in place of bootstrap.
        del dead.cluster["bootstrap"]
        dead.cluster["join"] = [one.peer for one in rest]
        dead.write_config()
        dead.start()
        self.wait_for_voters(rest, "abc")
        self.assertGreater(rest[0].members()["c"]["id"], 3)
        dead.proxy.wait_until_ready()

    def test_a_lost_disk_is_noticed_by_a_member_that_has_heard_of_nobody_since_its_start(self):
        server = self.redis()
        members = self.found("abc", {"backends": [server.address]})
        wait_until(lambda: all(set(one.members()) == set("abc") for one in members), "all names")
        behind, keeper, blank = members
        behind.kill()
        self.leader([keeper, blank])
        self.ok(keeper.cli("backend", "eject", server.address, "--force", "--yes"))
        keeper.kill()
        blank.kill()
        blank.lose_disk()
        # Together they are a majority, and neither has what was acknowledged.
        behind.start()
        blank.start()
        wait_until(lambda: "has lost its disk" in behind.proxy.log(), "it to notice")
        wait_until(lambda: "Nothing is founded here" in blank.proxy.log(), "the other to be told")
        self.assertFalse(behind.standing()["in_touch"])
        keeper.start()
        self.leader([behind, keeper])
        wait_until(lambda: behind.state(server.address) == "ejected", "what was acknowledged")

    def test_founders_that_lost_their_disks_found_nothing_beside_the_one_that_knows_them(self):
        server = self.redis()
        members = self.found("abc", {"backends": [server.address]})
        wait_until(lambda: all(set(one.members()) == set("abc") for one in members), "all names")
        rest = members[1:]
        for one in rest:
            one.kill()
        for one in rest:
            one.lose_disk()
        for one in rest:
            one.start()
        for one in rest:
            wait_until(lambda: one.proxy.metric("quorate_member_stopped") == 1, "it to stop")
            status, text = one.get("/readyz?verbose")
            self.assertEqual(status, 503)
            self.assertIn("has lost its disk", text)
            self.assertIn("Nothing is founded here", text)
            self.assertEqual(one.epoch(), 0)

    def test_one_member_goes_on_alone_after_the_majority_is_lost(self):
        server = self.redis()
        pool = {"backends": [server.address]}
        members = self.found("abc", pool)
        leader = self.leader(members)
        wait_until(lambda: set(leader.members()) == set("abc"), "all names")
        observer = self.join("o", members, pool, role="observer")
        observer.proxy.wait_until_ready()
        self.ok(leader.cli("backend", "eject", server.address, "--force", "--yes"))
        wait_until(lambda: all(one.state(server.address) == "ejected"
                               for one in [*members, observer]), "all to know")
        epoch = leader.epoch()
        survivor = members[0]
        for one in members:
            one.kill()
        for one in members[1:]:
            one.lose_disk()
        planned = run(harness.QUORATE, "member", "recover", "--config", survivor.config)
        self.assertEqual(planned.returncode, 2)
        self.assertIn("may lose", planned.stdout)
        self.assertEqual(planned.stdout.count("remove "), 2)
        done = run(harness.QUORATE, "member", "recover", "--force", "--config", survivor.config)
        self.assertEqual(done.returncode, 0, done.stderr)
        survivor.start()
        wait_until(lambda: survivor.standing()["in_touch"], "it to lead alone")
        self.assertGreater(survivor.standing()["generation"], 1)
        self.assertEqual(survivor.state(server.address), "ejected")
        self.assertGreater(survivor.epoch(), epoch + 100000)
        self.ok(survivor.cli("backend", "ready", server.address))
        wait_until(lambda: observer.state(server.address) == "up", "the observer to follow again")
        self.assertEqual(observer.epoch(), survivor.epoch())
        # The others come back as new members.
        for one in members[1:]:
            del one.cluster["bootstrap"]
            one.cluster["join"] = [survivor.peer]
            one.write_config()
            one.start()
        self.wait_for_voters(members, "abc")
        self.assertGreater(survivor.members()["b"]["id"], 1000)


class Disks(ClusterTest):
    def test_two_processes_never_share_a_data_directory(self):
        pool = {"backends": [self.redis().address]}
        member, = self.found("a", pool)
        twin = self.member("a", pool, listen=f"{HOST}:{free_port()}", data_dir=member.data_dir,
                           join=[member.peer])
        done = run(harness.QUORATE, "run", "--config", twin.config, env=self.env)
        self.assertEqual(done.returncode, 1)
        self.assertIn("another process uses it", done.stderr)

    def test_a_damaged_log_refuses_to_start_and_says_where(self):
        pool = {"backends": [self.redis().address]}
        member, = self.found("a", pool)
        for number in range(20):
            self.assertEqual(member.change(**{"do": "member add", "name": f"n{number}",
                                              "address": "127.0.0.1:1"})[0], 200)
        member.kill()
        logs = sorted(name for name in os.listdir(member.data_dir) if name.startswith("log-"))
        path = os.path.join(member.data_dir, logs[-1])
        with open(path, "r+b") as file:
            file.seek(os.path.getsize(path) // 2)
            byte = file.read(1)
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte[0] ^ 0x55]))
        done = run(harness.QUORATE, "run", "--config", member.config, env=self.env)
        self.assertEqual(done.returncode, 1)
        self.assertIn(logs[-1], done.stderr)
        self.assertIn("offset", done.stderr)

    def test_a_full_disk_stops_the_member_and_not_its_pools(self):
        server = self.redis()
        members = self.found("abc", {"backends": [server.address]})
        leader = self.leader(members)
        victim = next(one for one in members if one is not leader)
        rest = [one for one in members if one is not victim]
        largest = max(os.path.getsize(os.path.join(victim.data_dir, name))
                      for name in os.listdir(victim.data_dir))
        # No file of this process may grow beyond that.
        resource.prlimit(victim.proxy.pid, resource.RLIMIT_FSIZE, (largest + 64, largest + 64))
        acknowledged = []
        for number in range(20):
            status, answer = leader.change(**{"do": "member add", "name": f"n{number}",
                                              "address": "127.0.0.1:1"})
            if status == 200:
                acknowledged.append(f"n{number}")
        wait_until(lambda: victim.proxy.metric("quorate_member_stopped") == 1, "it to stop")
        self.assertIn("the disk failed", victim.get("/readyz?verbose")[1])
        self.assertEqual(victim.get("/readyz")[0], 200)
        client = Resp(victim.proxy.address())
        self.assertEqual(client.ask("SET", "k", "v"), b"OK")
        refused = victim.cli("backend", "eject", server.address, "--force", "--yes")
        self.assertEqual(refused.returncode, 5)
        # With room again it starts where it was.
        victim.proxy.expects_end = True
        victim.end()
        victim.start()
        wait_until(lambda: victim.standing()["in_touch"], "it to take part again")
        wait_until(lambda: set(acknowledged) <= set(rest[0].members()), "all that was acknowledged")
        self.assertGreater(len(acknowledged), 10)

    def test_a_torn_tail_is_cut_and_reported(self):
        pool = {"backends": [self.redis().address]}
        member, = self.found("a", pool)
        member.kill()
        logs = sorted(name for name in os.listdir(member.data_dir) if name.startswith("log-"))
        with open(os.path.join(member.data_dir, logs[-1]), "ab") as file:
            file.write(b"half a record")
        member.start()
        self.assertIn("the end of the log was cut", member.proxy.log())
        wait_until(lambda: member.standing()["leads"], "it to lead")


if __name__ == "__main__":
    harness.main()
