"""Memcached clients as users have them, unchanged, through pools of one and of three backends: pylibmc
(text and binary), pymemcache and libmemcached's tools, each doing a round of what applications do."""

import os
import threading

import pylibmc
from pymemcache.client.base import Client, PooledClient
from pymemcache.exceptions import MemcacheClientError

import harness
from harness import effort, run


class Pools:
    """One quorate in front of as many servers as `count` says, for a class of tests."""

    count = 0

    def setUp(self):
        super().setUp()
        self.proxy, self.servers = self.memcached_pool(self.count, options=["-I", "8m"])
        self.host, self.port = self.proxy.host_and_port()

    # -- pylibmc ---------------------------------------------------------------------------------

    def each_pylibmc(self):
        for binary in (False, True):
            client = pylibmc.Client([f"{self.host}:{self.port}"], binary=binary,
                                    behaviors={"cas": True, "tcp_nodelay": True})
            self.assertTrue(client.flush_all())
            yield binary, client

    def test_pylibmc_values_of_all_kinds(self):
        for _, client in self.each_pylibmc():
            for value in (b"", b"bytes", "text é", 42, 1 << 70, True, [1, {"a": None}]):
                self.assertTrue(client.set("k", value, time=100))
                self.assertEqual(client.get("k"), value)
            self.assertTrue(client.delete("k"))
            self.assertIsNone(client.get("k"))
            self.assertFalse(client.delete("k"))

    def test_pylibmc_many_at_once(self):
        for _, client in self.each_pylibmc():
            values = {f"m:{i}": f"value {i}" for i in range(500)}
            self.assertEqual(client.set_multi(values), [])
            self.assertEqual(client.get_multi([*values, "none"]), values)
            self.assertTrue(client.delete_multi(["m:0", "m:1"]))
            self.assertEqual(len(client.get_multi(list(values))), 498)

    def test_pylibmc_add_replace_append_and_counters(self):
        for binary, client in self.each_pylibmc():
            if binary:  # which is how pylibmc puts it
                with self.assertRaises(pylibmc.NotFound):
                    client.replace("k", "x")
            else:
                self.assertFalse(client.replace("k", "x"))
            self.assertTrue(client.add("k", "b"))
            self.assertFalse(client.add("k", "x"))
            self.assertTrue(client.append("k", "c"))
            self.assertTrue(client.prepend("k", "a"))
            self.assertEqual(client.get("k"), "abc")
            client.set("n", 10)
            self.assertEqual((client.incr("n"), client.incr("n", 5), client.decr("n", 6)),
                             (11, 16, 10))
            with self.assertRaises(pylibmc.NotFound):
                client.incr("absent")

    def test_pylibmc_compare_and_swap(self):
        for _, client in self.each_pylibmc():
            client.set("k", "first")
            value, cas = client.gets("k")
            self.assertEqual(value, "first")
            self.assertTrue(client.cas("k", "second", cas))
            self.assertFalse(client.cas("k", "third", cas))
            self.assertEqual(client.get("k"), "second")

    def test_pylibmc_touch_and_large_values(self):
        for binary, client in self.each_pylibmc():
            client.set("k", "x")
            if binary:
                self.assertTrue(client.touch("k", 100))
                self.assertFalse(client.touch("absent", 100))
            for size in (65535, 65536, 65537, 1 << 20, (8 << 20) - 1000):
                value = os.urandom(size)
                self.assertTrue(client.set("large", value))
                self.assertTrue(client.get("large") == value, size)

    def test_pylibmc_statistics(self):
        for _, client in self.each_pylibmc():
            (_, stats), = client.get_stats()
            self.assertIn(b"version", {key.encode() if isinstance(key, str) else key
                                       for key in stats})

    # -- pymemcache ------------------------------------------------------------------------------

    def pymemcache(self, **options):
        client = Client((self.host, self.port), timeout=20 * harness.PATIENCE, **options)
        self.addCleanup(client.close)
        return client

    def test_pymemcache_with_and_without_replies(self):
        c = self.pymemcache()
        self.assertTrue(c.set("a", b"1", noreply=False))
        self.assertEqual(c.get("a"), b"1")
        for i in range(200):
            c.set(f"n:{i}", b"%d" % i, noreply=True)
        self.assertEqual(c.get_many([f"n:{i}" for i in range(200)]),
                         {f"n:{i}": b"%d" % i for i in range(200)})
        c.delete("a", noreply=True)
        self.assertIsNone(c.get("a"))
        c.set("count", b"0", noreply=True)
        for _ in range(50):
            c.incr("count", 2, noreply=True)
        self.assertEqual(c.get("count"), b"100")
        self.assertTrue(c.flush_all(noreply=False))
        self.assertIsNone(c.get("count"))

    def test_pymemcache_everything_else(self):
        c = self.pymemcache(default_noreply=False)
        self.assertEqual(c.set_many({f"m:{i}": b"v" for i in range(100)}), [])
        self.assertTrue(c.add("k", b"1") and not c.add("k", b"2"))
        self.assertTrue(c.replace("k", b"b") and c.append("k", b"c") and c.prepend("k", b"a"))
        value, cas = c.gets("k")
        self.assertEqual(value, b"abc")
        self.assertTrue(c.cas("k", b"new", cas))
        self.assertFalse(c.cas("k", b"newer", cas))
        self.assertIsNone(c.cas("absent", b"x", cas))
        self.assertTrue(c.touch("k", 100))
        self.assertFalse(c.touch("absent", 100))
        self.assertIsNone(c.incr("absent", 1))
        self.assertTrue(c.delete_many(["m:0", "m:1"]))
        self.assertEqual(len(c.get_many([f"m:{i}" for i in range(100)])), 98)
        self.assertTrue(c.version().startswith(b"1."))
        self.assertIn(b"curr_items", c.stats())
        with self.assertRaises(MemcacheClientError):
            c.incr("k", 1)
        self.assertEqual(c.get("k"), b"new")
        c.quit()

    def test_pymemcache_from_many_threads(self):
        pool = PooledClient((self.host, self.port), max_pool_size=16, default_noreply=False,
                            timeout=20 * harness.PATIENCE)
        self.addCleanup(pool.close)
        pool.set("shared", b"0")
        problems = []

        def work(number):
            for i in range(effort(150)):
                key = f"t:{number}:{i % 7}"
                pool.set(key, b"%d" % i)
                if pool.get(key) != b"%d" % i:
                    problems.append((number, i))
                pool.incr("shared", 1)

        threads = [threading.Thread(target=work, args=(n,)) for n in range(16)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        self.assertEqual(problems, [])
        self.assertEqual(int(pool.get("shared")), 16 * effort(150))

    # -- libmemcached's tools --------------------------------------------------------------------

    def tool(self, name, *words):
        return run(name, f"--servers={self.host}:{self.port}", *words, cwd=self.folder)

    def test_libmemcached_tools_copy_print_and_remove(self):
        for protocol in ([], ["--binary"]):
            with self.subTest(protocol=protocol):
                self.write("greeting", "hello\n")
                self.assertEqual(self.tool("memccp", *protocol, "greeting").returncode, 0)
                done = self.tool("memccat", *protocol, "greeting")
                self.assertEqual((done.returncode, done.stdout.strip()), (0, "hello"))
                self.assertEqual(self.tool("memcexist", *protocol, "greeting").returncode, 0)
                if not protocol:
                    self.assertEqual(self.tool("memctouch", "--expire=100", "greeting").returncode,
                                     0)
                self.assertEqual(self.tool("memcrm", *protocol, "greeting").returncode, 0)
                self.assertNotEqual(self.tool("memcexist", *protocol, "greeting").returncode, 0)

    def test_libmemcached_tools_ping_stat_and_flush(self):
        self.assertEqual(self.tool("memcping").returncode, 0)
        done = self.tool("memcstat")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("curr_items", done.stdout)
        self.assertEqual(self.tool("memcstat", "--server-version").returncode, 0)
        self.assertEqual(self.tool("memcflush").returncode, 0)

    def test_memcslap(self):
        for test in ("set", "get", "mget"):
            for protocol in ([], ["--binary"]):
                done = self.tool("memcslap", "--concurrency=4", f"--execute-number={effort(300)}",
                                 f"--initial-load={effort(500)}", f"--test={test}", *protocol)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertIn("Time", done.stdout)


class ThroughOneBackend(Pools, harness.Test):
    count = 1


class ThroughThreeBackends(Pools, harness.Test):
    count = 3

    def test_keys_lie_on_all_three(self):
        c = self.pymemcache(default_noreply=False)
        keys = [f"spread:{i}" for i in range(300)]
        c.set_many(dict.fromkeys(keys, b"v"))
        owners = self.owners(self.proxy, keys)
        for server in self.servers:
            host, port = server.address.rsplit(":", 1)
            direct = Client((host, int(port)))
            self.addCleanup(direct.close)
            mine = {key for key in keys if owners[key] == server.address}
            self.assertEqual(set(direct.get_many(keys)), mine)
            self.assertGreater(len(mine), 30)


class Users(harness.Test):
    """Who is not known gets nothing but the way in, as from memcached -S and memcached -Y."""

    def setUp(self):
        super().setUp()
        users = "user app on >secret\nuser gone off >secret"
        self.proxy, _ = self.memcached_pool(2, users=users)
        self.address = ":".join(map(str, self.proxy.host_and_port()))

    def test_sasl_plain(self):
        for user, password, works in (("app", "secret", True), ("app", "wrong", False),
                                      ("gone", "secret", False), ("nobody", "secret", False)):
            client = pylibmc.Client([self.address], binary=True, username=user, password=password)
            if works:
                self.assertTrue(client.set("k", "v"))
                self.assertEqual(client.get("k"), "v")
            else:
                with self.assertRaises(pylibmc.Error):
                    client.set("k", "x")
        with self.assertRaises(pylibmc.Error):
            pylibmc.Client([self.address], binary=True).set("k", "x")

    def test_text_authentication(self):
        with harness.connect(self.address) as socket:
            lines = socket.makefile("rb")

            def ask(text):
                socket.sendall(text)
                return lines.readline()

            self.assertEqual(ask(b"get k\r\n"), b"CLIENT_ERROR unauthenticated\r\n")
            self.assertEqual(ask(b"set a 0 0 9\r\napp wrong\r\n"),
                             b"CLIENT_ERROR authentication failure\r\n")
            self.assertEqual(ask(b"set a 0 0 3\r\napp\r\n"),
                             b"CLIENT_ERROR bad authentication token format\r\n")
            self.assertEqual(ask(b"set a 0 0 10\r\napp secret\r\nget a\r\n"), b"STORED\r\n")
            self.assertEqual(lines.readline(), b"END\r\n")  # nothing was stored
            self.assertEqual(ask(b"set k 0 0 1\r\nv\r\n"), b"STORED\r\n")

    def test_one_may_come_in_without_if_the_default_user_may(self):
        proxy, _ = self.memcached_pool(1, users="user default on nopass\nuser app on >secret")
        client = Client(proxy.host_and_port())
        self.addCleanup(client.close)
        self.assertTrue(client.set("k", b"v", noreply=False))
        self.assertEqual(client.get("k"), b"v")

    def test_rules_that_would_not_be_kept_are_refused(self):
        config = self.config({"p": {"protocol": "memcached", "backends": ["127.0.0.1:1"],
                                    "users": "user app on >secret ~app:*"}})
        done = run(harness.QUORATE, "check", config)
        self.assertEqual(done.returncode, 3)
        self.assertIn("not what he may do", done.stdout + done.stderr)


if __name__ == "__main__":
    harness.main()
