"""The whole keyspace of three backends as if it were one server's: SCAN, KEYS, DBSIZE, INFO and what
redis-cli makes of them, while backends come and go."""

import random

import harness
from harness import effort, run, wait_until
from resp import Error, Resp


class Keyspace(harness.Test):
    def setUp(self):
        super().setUp()
        self.proxy, self.servers = self.redis_pool(3)
        self.client = Resp(self.proxy.address())
        self.addCleanup(self.client.close)

    def fill(self, count):
        keys = [b"key:%d" % i for i in range(count)]
        self.client.ask_all([["SET", key, "v"] for key in keys])
        return set(keys)

    def scan(self, *options, cursor=b"0"):
        """Yields each reply's keys; the cursor of the next one is self.cursor."""
        while True:
            reply = self.client.ask("SCAN", cursor, *options)
            if isinstance(reply, Error):
                raise AssertionError(reply)
            self.cursor, keys = reply
            yield keys
            cursor = self.cursor
            if cursor == b"0":
                return

    def test_scan_returns_every_key_of_every_backend(self):
        keys = self.fill(effort(3000))
        found = [key for some in self.scan() for key in some]
        self.assertEqual(set(found), keys)
        self.client.ask("LPUSH", "list", "x")
        self.assertEqual([k for some in self.scan("TYPE", "list") for k in some], [b"list"])
        some = {k for some in self.scan("MATCH", "key:1?", "COUNT", "1000") for k in some}
        self.assertEqual(some, {b"key:1%d" % i for i in range(10)})

    def test_scan_cursors_fit_a_double_and_strange_ones_are_answered(self):
        self.fill(1000)
        for _ in self.scan("COUNT", "5"):
            self.assertLess(int(self.cursor), 2**53)
        self.assertEqual(self.client.ask("SCAN", "x"), b"ERR invalid cursor")
        self.assertEqual(self.client.ask("SCAN", "0", "COUNT", "x"),
                         b"ERR value is not an integer or out of range")
        self.assertEqual(self.client.ask("SCAN", str(2**53 - 1)), [b"0", []])

    def test_scan_finds_what_stays_while_other_keys_come_and_go(self):
        stay = self.fill(2000)
        chance = random.Random(1)
        found = set()
        for keys in self.scan("COUNT", "20"):
            found.update(keys)
            self.client.ask("SET", "new:%d" % chance.randrange(100000), "v")
            self.client.ask("DEL", "new:%d" % chance.randrange(100000))
        self.assertEqual(stay - found, set())

    def test_scan_goes_on_after_a_backend_was_away(self):
        keys = self.fill(2000)
        found = set()
        lost = self.servers[2]
        scan = self.scan("COUNT", "50")
        for some in scan:
            found.update(some)
            if len(found) > 300:
                break
        lost.freeze()
        lost.thaw()
        for some in self.scan("COUNT", "50", cursor=self.cursor):
            found.update(some)
        self.assertEqual(found, keys)

    def test_scan_says_that_a_backend_is_gone_and_goes_on_with_the_same_cursor(self):
        keys = self.fill(600)
        self.servers[1].kill()
        wait_until(lambda: isinstance(self.client.ask("DBSIZE"), Error), "the loss to be seen")
        found = set()
        cursor = b"0"
        with self.assertRaises(AssertionError):
            for some in self.scan("COUNT", "50"):
                found.update(some)
                cursor = self.cursor
        self.servers[1].start()
        wait_until(lambda: not isinstance(self.client.ask("DBSIZE"), Error), "it to be back")
        for some in self.scan("COUNT", "50", cursor=cursor):
            found.update(some)
        owners = self.owners(self.proxy, sorted(key.decode() for key in keys))
        there = {key for key in keys if owners[key.decode()] != self.servers[1].address}
        self.assertEqual(found, there)

    def test_dbsize_keys_randomkey_and_flushall_are_of_all(self):
        keys = self.fill(300)
        self.assertEqual(self.client.ask("DBSIZE"), 300)
        self.assertEqual(set(self.client.ask("KEYS", "*")), keys)
        drawn = {self.client.ask("RANDOMKEY") for _ in range(300)}
        owners = self.owners(self.proxy, sorted(key.decode() for key in drawn))
        self.assertEqual(len(set(owners.values())), 3)
        self.assertEqual(self.client.ask("FLUSHALL"), b"OK")
        self.assertEqual(self.client.ask("DBSIZE"), 0)
        self.assertIsNone(self.client.ask("RANDOMKEY"))

    def test_each_database_has_its_own_keys(self):
        self.fill(50)
        self.client.ask("SELECT", "3")
        self.assertEqual(self.client.ask("DBSIZE"), 0)
        self.client.ask_all([["SET", f"other:{i}", "v"] for i in range(30)])
        self.assertEqual(len([k for some in self.scan() for k in some]), 30)
        self.assertEqual(self.client.ask("MOVE", "other:1", "0"), 1)
        self.assertEqual(self.client.ask("SWAPDB", "0", "3"), b"OK")
        self.assertEqual(self.client.ask("DBSIZE"), 51)
        self.assertEqual(self.client.ask("FLUSHDB"), b"OK")
        self.client.ask("SELECT", "0")
        self.assertEqual(self.client.ask("DBSIZE"), 29)

    def test_info_adds_up_the_backends_and_survives_their_loss(self):
        self.fill(120)
        self.client.ask("GET", "key:1")
        self.client.ask("GET", "nothing")

        def info(*sections):
            text = self.client.ask("INFO", *sections).decode()
            return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)

        facts = info()
        self.assertRegex(facts["db0"], "^keys=120,expires=0,avg_ttl=0$")
        self.assertEqual((facts["keyspace_hits"], facts["keyspace_misses"]), ("1", "1"))
        self.assertEqual((facts["loading"], facts["role"]), ("0", "master"))
        self.assertEqual(facts["redis_version"], "7.0.15")
        self.assertGreater(int(facts["used_memory"]), 2000000)
        self.assertEqual(int(facts["process_id"]), self.proxy.pid)
        self.assertEqual(set(info("keyspace")), {"db0"})
        self.assertIn("calls=120,", info("commandstats")["cmdstat_set"])
        for server in self.servers:
            server.kill()
        wait_until(lambda: isinstance(self.client.ask("GET", "key:1"), Error), "the loss")
        wait_until(lambda: info().get("loading") == "0", "INFO without backends")

    def test_redis_cli_finds_keys_and_big_keys(self):
        self.fill(200)
        self.client.ask("RPUSH", "the-list", *range(500))
        host, port = self.proxy.host_and_port()
        done = run("redis-cli", "-h", host, "-p", port, "--scan", "--pattern", "key:*")
        self.assertEqual(len(done.stdout.split()), 200)
        done = run("redis-cli", "-h", host, "-p", port, "--bigkeys")
        self.assertIn("the-list", done.stdout)
        self.assertIn("Sampled 201 keys in the keyspace", done.stdout)
        done = run("redis-cli", "-h", host, "-p", port, "--memkeys")
        self.assertIn("Sampled 201 keys in the keyspace", done.stdout)


if __name__ == "__main__":
    harness.main()
