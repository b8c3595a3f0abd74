"""consistency = "quorum" on real servers and real proxies: what was acknowledged is there, whatever
dies, and no read is stale. Histories of many clients are recorded and judged key by key."""

import json
import time

import harness
from cluster import ClusterTest
from harness import effort, wait_until
from histories import Record
from resp import Error, Resp


class QuorumTest(ClusterTest):
    def quorum(self, backends=3, replicas=3, proxies="abc", options=(), **settings):
        """Proxies that found a cluster with a quorum pool that serves; its servers."""
        servers = [self.redis(*options) for _ in range(backends)]
        pool = {"backends": [one.address for one in servers], "consistency": "quorum",
                "replicas": replicas, **settings}
        members = self.found(proxies, pool)
        wait_until(lambda: all(self.serves(one) for one in members), "the pool to serve", 30)
        return members, servers

    @staticmethod
    def serves(member):
        """Whether a write and a read go through this proxy, for keys of many slots."""
        try:
            with Resp(member.proxy.address(), 5) as client:
                return all(client.ask("SET", f"~{member.name}{i}", "x") == b"OK" and
                           client.ask("GET", f"~{member.name}{i}") == b"x" for i in range(20))
        except (OSError, EOFError):
            return False

    def record(self, members, **options):
        record = Record([one.proxy.address() for one in members], **options)
        wait_until(lambda: record.count("acknowledged") > 50 or record.failures, "clients to be "
                   "served")
        return record

    def go_on(self, record, seconds=1.0):
        """Until so much time has passed and something was acknowledged meanwhile."""
        begin, count = time.monotonic(), record.count("acknowledged")
        wait_until(lambda: time.monotonic() - begin > seconds and
                   (record.count("acknowledged") > count + 20 or record.failures),
                   "clients to be served again", 30)

    def settle(self, record):
        record.stop()
        print(record.judge(self))


class Commands(QuorumTest):
    def test_what_one_proxy_has_written_every_proxy_reads(self):
        members, _ = self.quorum()
        clients = [Resp(one.proxy.address()) for one in members]
        for number, client in enumerate(clients):
            for i in range(30):
                self.assertEqual(client.ask("SET", f"k{number}-{i}", f"v{i}"), b"OK")
        for client in clients:
            for number in range(3):
                for i in range(30):
                    self.assertEqual(client.ask("GET", f"k{number}-{i}"), b"v%d" % i)
        for i in range(9):
            self.assertEqual(clients[i % 3].ask("INCR", "n"), i + 1)
            self.assertEqual(clients[(i + 1) % 3].ask("HSET", "h", f"f{i}", i), 1)
        self.assertEqual(clients[0].ask("GET", "n"), b"9")
        self.assertEqual(clients[1].ask("HLEN", "h"), 9)
        self.assertEqual(clients[2].ask("DEL", "n"), 1)
        self.assertEqual(clients[0].ask("GET", "n"), None)

    def test_the_whole_keyspace_is_listed_by_every_proxy_also_without_a_backend(self):
        members, servers = self.quorum()
        clients = [Resp(one.proxy.address()) for one in members]
        keys = {b"key:%d" % i for i in range(500)}
        for number, key in enumerate(sorted(keys)):
            self.assertEqual(clients[number % 3].ask("SET", key, number), b"OK")
        self.assertEqual(clients[0].ask("HSET", "other", "a", 1), 1)

        def scanned(client, *options):
            cursor, found = b"0", []
            while True:
                cursor, part = client.ask("SCAN", cursor, *options)
                found += part
                if cursor == b"0":
                    return found

        def listed(client):
            self.assertEqual(set(scanned(client, "MATCH", "key:*", "COUNT", 50)), keys)
            self.assertEqual(set(client.ask("KEYS", "key:*")), keys)
            self.assertEqual(scanned(client, "TYPE", "hash", "COUNT", 1000), [b"other"])
            # Those that serves() wrote are there too.
            self.assertEqual(client.ask("DBSIZE"), len(client.ask("KEYS", "*")))
            self.assertIn(client.ask("RANDOMKEY"), client.ask("KEYS", "*"))

        for client in clients:
            listed(client)
        for key in sorted(keys)[:100]:
            self.assertEqual(clients[1].ask("DEL", key), 1)
            keys.discard(key)
        servers[0].kill()
        for client in clients:
            wait_until(lambda: not isinstance(client.ask("DBSIZE"), Error), "one to be passed over")
            listed(client)

    def test_a_pipeline_is_answered_in_order_and_takes_effect_in_order(self):
        members, _ = self.quorum()
        for member in members:
            with Resp(member.proxy.address()) as client:
                commands, expected = [], []
                for i in range(200):
                    commands += [("SET", f"p{i % 7}", i), ("GET", f"p{i % 7}"), ("INCR", "c"),
                                 ("PING",)]
                replies = client.ask_all(commands)
                first = replies[2] - 1
                for i in range(200):
                    expected += [b"OK", b"%d" % i, first + i + 1, b"PONG"]
                self.assertEqual(replies, expected)

    def test_what_the_mode_cannot_do_is_refused_before_anything_is_sent(self):
        members, _ = self.quorum()
        with Resp(members[0].proxy.address()) as client:
            for command in (("FLUSHALL",), ("RENAME", "a", "b"), ("SELECT", "1"), ("DEBUG", "SLEEP", 0),
                            ("SET", "~q:x", "1"), ("GET", "~q:f:1"), ("SWAPDB", 0, 1),
                            ("MSET", "a", 1, "b", 2), ("NOSUCH", "a")):
                reply = client.ask(*command)
                self.assertIsInstance(reply, Error, command)
            self.assertEqual(client.ask("PING"), b"PONG")


class Faults(QuorumTest):
    def test_a_backend_is_killed_and_comes_back_empty(self):
        members, servers = self.quorum()
        record = self.record(members)
        servers[0].kill()
        self.go_on(record)
        servers[0].start()
        self.go_on(record, 2)
        self.settle(record)

    def test_a_backend_is_frozen_and_goes_on(self):
        members, servers = self.quorum()
        record = self.record(members)
        for number in range(effort(3)):
            servers[number % 3].freeze()
            self.go_on(record, 1.5)
            servers[number % 3].thaw()
            self.go_on(record)
        self.settle(record)

    def test_a_proxy_is_killed_and_comes_back(self):
        members, _ = self.quorum()
        record = self.record(members)
        for number in range(effort(3)):
            members[number].kill()
            self.go_on(record, 1.5)
            members[number].start()
            record.addresses[number] = members[number].proxy.address()
            self.go_on(record)
        self.settle(record)

    def test_a_proxy_is_frozen_and_goes_on(self):
        members, _ = self.quorum()
        record = self.record(members)
        for number in range(effort(3)):
            members[number].proxy.freeze()
            self.go_on(record, 2)
            members[number].proxy.thaw()
            self.go_on(record)
        self.settle(record)

    def test_a_backend_is_flushed(self):
        members, servers = self.quorum()
        record = self.record(members)
        with Resp(servers[0].address) as server:
            self.assertEqual(server.ask("FLUSHALL"), b"OK")
        self.go_on(record, 2)
        self.settle(record)

    def test_a_backend_that_evicts_keys_does_not_count_until_it_cannot_and_is_filled_again(self):
        members, servers = self.quorum()
        address = servers[0].address
        record = self.record(members)

        def objection():
            rows = json.loads(self.ok(self.leader(members).cli("backend", "list", "-o", "json")))
            return next(row for row in rows if row["address"] == address).get("objection", "")
        with Resp(address) as server:
            server.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-random", "maxmemory", "1")
            wait_until(lambda: "has evicted" in objection(), "it to be dismissed")
            self.assertTrue(all(one.state(address) != "up" for one in members))
            self.go_on(record)
            server.ask("CONFIG", "SET", "maxmemory-policy", "noeviction", "maxmemory", "0")
            self.go_on(record)
            self.assertIn("CONFIG RESETSTAT", objection())
            server.ask("CONFIG", "RESETSTAT")
        wait_until(lambda: all(one.state(address) == "up" for one in members), "it to be filled", 60)
        self.go_on(record)
        self.settle(record)

    def test_a_backend_comes_back_with_an_old_rdb(self):
        members, servers = self.quorum(options=("--dbfilename", "old.rdb"))
        record = self.record(members)
        with Resp(servers[0].address) as server:
            self.assertEqual(server.ask("SAVE"), b"OK")
        self.go_on(record)
        servers[0].kill()
        self.go_on(record)
        servers[0].start()
        with Resp(servers[0].address) as server:
            self.assertGreater(server.ask("DBSIZE"), 0)
        self.go_on(record, 2)
        self.settle(record)


if __name__ == "__main__":
    harness.main()
