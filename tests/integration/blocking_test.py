"""Blocking commands through quorate: what is popped is popped once, by somebody who gets it."""

import collections
import random
import resource
import threading
import time

import harness
from harness import effort, wait_until
from resp import Error, Resp

try:
    import redis
except ImportError:
    redis = None


class OneBackend(harness.Test):
    def test_the_replies_are_those_of_the_server_itself(self):
        proxy, (server,) = self.redis_pool(1)
        commands = [
            ["RPUSH", "l", "1", "2", "3"], ["BLPOP", "x", "l", "0"], ["BRPOP", "l", "0.01"],
            ["BLMOVE", "l", "m", "LEFT", "RIGHT", "1"], ["BRPOPLPUSH", "m", "l", "1"],
            ["BLMPOP", "1", "2", "x", "l", "LEFT", "COUNT", "5"], ["BLPOP", "l", "0.01"],
            ["BLMPOP", "0.01", "1", "l", "LEFT"], ["BLMOVE", "l", "m", "LEFT", "LEFT", "0.01"],
            ["BRPOPLPUSH", "l", "m", "0.01"], ["ZADD", "z", "1", "a", "2", "b", "3.5", "c"],
            ["BZPOPMIN", "x", "z", "0"], ["BZPOPMAX", "z", "0"], ["BZMPOP", "0", "1", "z", "MIN"],
            ["BZPOPMIN", "z", "0.01"], ["BZMPOP", "0.01", "1", "z", "MAX"],
            ["XADD", "s", "1-1", "f", "v"], ["XREAD", "BLOCK", "0", "STREAMS", "s", "0"],
            ["XREAD", "BLOCK", "10", "STREAMS", "s", "$"], ["XGROUP", "CREATE", "s", "g", "0"],
            ["XREADGROUP", "GROUP", "g", "c", "BLOCK", "10", "STREAMS", "s", ">"],
            ["XREADGROUP", "GROUP", "g", "c", "BLOCK", "10", "STREAMS", "s", ">"],
            ["WAIT", "0", "10"], ["WAIT", "1", "10"], ["SET", "str", "1"], ["BLPOP", "str", "0"],
            ["BLPOP", "l", "x"], ["BLPOP", "l", "-1"], ["BLPOP", "l"], ["BLMPOP", "0", "x", "l"],
            ["BLPOP", "l", "1e400"], ["BLPOP", "l", "0x1"[:1] + ".01"], ["WAIT", "x", "1"],
            ["WAIT", "1", "-1"], ["XREAD", "BLOCK", "-1", "STREAMS", "s", "$"],
            ["XREAD", "BLOCK", "x", "STREAMS", "s", "$"], ["MULTI"], ["BLPOP", "l", "0"],
            ["WAIT", "1", "0"], ["EXEC"],
        ]
        for protocol in ("2", "3"):
            replies = []
            for address in (server.address, proxy.address()):
                with Resp(server.address) as direct:
                    direct.ask("FLUSHALL")
                with Resp(address) as client:
                    client.ask("HELLO", protocol)
                    replies.append([(words, client.ask_raw(*words)) for words in commands])
            for direct, through in zip(*replies):
                self.assertEqual(direct, through)

    def test_wait_counts_for_the_writes_of_the_client(self):
        proxy, (server,) = self.redis_pool(1)
        replica = self.redis()
        with Resp(replica.address) as direct:
            direct.ask("REPLICAOF", harness.HOST, server.port)
            wait_until(lambda: b"master_link_status:up" in direct.ask("INFO", "replication"),
                       "the replica")
        with Resp(proxy.address()) as client, Resp(replica.address) as direct:
            for n in range(20):
                client.send("SET", "k", n)
                self.assertEqual([client.read(), client.ask("WAIT", "1", "10000")], [b"OK", 1])
                self.assertEqual(direct.ask("GET", "k"), b"%d" % n)
            replica.freeze()
            client.send("SET", "k", "unseen")
            self.assertEqual([client.read(), client.ask("WAIT", "1", "50")], [b"OK", 0])
            replica.thaw()

    def test_client_unblock_list_and_info(self):
        proxy, _ = self.redis_pool(1, workers=2)
        with Resp(proxy.address()) as other:
            for how, said in (("TIMEOUT", None), ("ERROR", Error(
                    b"UNBLOCKED client unblocked via CLIENT UNBLOCK"))):
                clients = [Resp(proxy.address()) for _ in range(8)]
                ids = []
                for client in clients:
                    ids.append(client.ask("CLIENT", "ID"))
                    client.send("BLPOP", "nothing", "0")
                wait_until(lambda: b"blocked_clients:8\r\n" in other.ask("INFO", "clients"),
                           "eight blocked clients")
                listed = other.ask("CLIENT", "LIST").decode()
                self.assertEqual(listed.count(" flags=b "), 8)
                self.assertEqual(other.ask("CLIENT", "UNBLOCK", 10 ** 9), 0)
                for one, client in zip(ids, clients):
                    self.assertEqual(other.ask("CLIENT", "UNBLOCK", one, how), 1)
                    self.assertEqual(client.read(), said)
                    self.assertEqual(client.ask("PING"), b"PONG")
                    self.assertEqual(other.ask("CLIENT", "UNBLOCK", one, how), 0)
                    client.close()
                wait_until(lambda: b"blocked_clients:0\r\n" in other.ask("INFO", "clients"),
                           "no blocked client")

    def test_a_thousand_blocked_clients_and_each_gets_one(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        proxy, (server,) = self.redis_pool(1, workers=1)
        count = effort(1000)
        clients = [Resp(proxy.address()) for _ in range(count)]
        self.addCleanup(lambda: [client.close() for client in clients])
        for client in clients:
            client.send("BLPOP", "queue", "0")
        with Resp(proxy.address()) as other:
            wait_until(lambda: b"blocked_clients:%d\r\n" % count in other.ask("INFO", "clients"),
                       "all to be blocked", 60)
            self.assertEqual(proxy.metric("quorate_blocked_clients"), count)
            other.ask_all([["RPUSH", "queue", n] for n in range(count)])
            seen = sorted(int(client.read()[1]) for client in clients)
            self.assertEqual(seen, list(range(count)))
            self.assertEqual(other.ask("LLEN", "queue"), 0)
            # One more than there are connections is told why.
            fewer = self.quorate({"p": {"backends": [server.address], "pinned_connections": 2}}, 1)
            blocked = [Resp(fewer.address()) for _ in range(3)]
            clients.extend(blocked)
            for client in blocked:
                client.send("BLPOP", "queue", "0")
                if client is not blocked[2]:
                    with Resp(fewer.address()) as asks:
                        wait_until(lambda: asks.ask("CLIENT", "LIST").count(b"flags=b")
                                   == blocked.index(client) + 1, "it to be blocked")
            self.assertIn(b"pinned_connections", blocked[2].read())


@harness.unittest.skipUnless(redis, "redis-py is not installed")
class ManyBackends(harness.Test):
    def setUp(self):
        super().setUp()
        self.proxy, self.servers = self.redis_pool(3, workers=2)
        self.host, self.port = self.proxy.host_and_port()
        self.queues = [keys[0] for keys in self.keys_by_owner(self.proxy, self.servers, 1)]

    def client(self):
        return redis.Redis(self.host, self.port, socket_timeout=60 * harness.PATIENCE)

    def test_every_element_is_popped_exactly_once(self):
        count, consumers = effort(600), 12
        popped = collections.Counter()
        lock = threading.Lock()
        problems = []

        def consume(number):
            try:
                client = self.client()
                keys = self.queues[number % 3:] + self.queues[:number % 3]
                if number % 4 == 3:
                    keys = keys[:1]
                while True:
                    got = client.blpop(keys, 1) if number % 2 else client.brpop(keys, 1)
                    if got and got[1] == b"stop":
                        return
                    if got:
                        with lock:
                            popped[got[1]] += 1
                    elif stopped.is_set():
                        return
            except Exception as problem:  # noqa: BLE001
                problems.append(problem)

        stopped = threading.Event()
        threads = [threading.Thread(target=consume, args=(n,)) for n in range(consumers)]
        for thread in threads:
            thread.start()
        client = self.client()
        rng = random.Random(1)
        for n in range(count):
            client.rpush(rng.choice(self.queues), f"e{n}")
            if n % 50 == 0:
                time.sleep(0.02)
        wait_until(lambda: sum(popped.values()) >= count or problems, "all to be popped", 60)
        stopped.set()
        for thread in threads:
            thread.join()
        self.assertEqual(problems, [])
        self.assertEqual(len(popped), count)
        self.assertEqual(set(popped.values()), {1})

    def test_an_earlier_key_wins_and_zsets_too(self):
        a, b, c = self.queues
        client = self.client()
        for queue in (c, b):
            client.rpush(queue, queue)
        self.assertEqual(client.blpop([a, b, c], 1), (b.encode(), b.encode()))
        self.assertEqual(client.blpop([a, b, c], 1), (c.encode(), c.encode()))
        began = time.monotonic()
        self.assertIsNone(client.blpop([a, b, c], 1))
        self.assertGreater(time.monotonic() - began, 0.99)
        client.zadd(c, {"m": 1.5})
        self.assertEqual(client.bzpopmin([a, b, c], 1), (c.encode(), b"m", 1.5))
        with Resp(self.proxy.address()) as raw:
            raw.ask("HELLO", "3")
            raw.ask("RPUSH", b, "x", "y")
            self.assertEqual(raw.ask("BLMPOP", "1", "3", a, b, c, "RIGHT", "COUNT", "2"),
                             [b.encode(), [b"y", b"x"]])
            self.assertEqual(raw.ask_raw("BLPOP", a, b, c, "0.05"), b"_\r\n")

    def test_a_push_wakes_who_waits_on_several_backends(self):
        client = self.client()
        for queue in self.queues * 2:
            got = []
            thread = threading.Thread(
                target=lambda: got.append(self.client().blpop(self.queues, 30)))
            thread.start()
            wait_until(lambda: b"flags=b" in self.listed(), "it to be blocked")
            client.rpush(queue, "x")
            thread.join(20 * harness.PATIENCE)
            self.assertEqual(got, [(queue.encode(), b"x")])

    def listed(self):
        with Resp(self.proxy.address()) as raw:
            return raw.ask("CLIENT", "LIST")

    def test_clients_that_vanish_while_blocked_pop_nothing(self):
        count = effort(60)
        clients = [Resp(self.proxy.address()) for _ in range(count)]
        for n, client in enumerate(clients):
            client.send("BLPOP", *(self.queues if n % 2 else self.queues[:1]), "0")
            if n % 3 == 0:
                client.send("PING")
        wait_until(lambda: self.listed().count(b"flags=b") == count, "all to be blocked")
        for client in clients:
            client.close()
        wait_until(lambda: b"flags=b" not in self.listed(), "them to be gone")

        def waiting():
            total = 0
            for server in self.servers:
                with Resp(server.address) as direct:
                    total += direct.ask("CLIENT", "LIST").count(b"flags=b")
            return total

        wait_until(lambda: waiting() == 0, "nobody to be blocked on a backend")
        client = self.client()
        for queue in self.queues:
            client.rpush(queue, *range(10))
        self.assertEqual([client.llen(queue) for queue in self.queues], [10, 10, 10])

    def test_a_lost_backend_ends_what_waits_there_and_nothing_else(self):
        with Resp(self.proxy.address()) as first, Resp(self.proxy.address()) as second:
            first.send("BLPOP", self.queues[0], "0")
            second.send("BLPOP", self.queues[1], "0")
            wait_until(lambda: self.listed().count(b"flags=b") == 2, "both to be blocked")
            self.servers[0].kill()
            self.assertIn(b"INDETERMINATE", first.read())
            self.client().rpush(self.queues[1], "x")
            self.assertEqual(second.read(), [self.queues[1].encode(), b"x"])

    def test_a_frozen_backend_ends_what_waits_there_when_it_is_ejected(self):
        with Resp(self.proxy.address()) as client:
            client.send("BLPOP", self.queues[0], "0")
            wait_until(lambda: self.listed().count(b"flags=b") == 1, "it to be blocked")
            self.servers[0].freeze()
            self.assertIn(b"INDETERMINATE", client.read())
            self.servers[0].thaw()

    def test_a_drain_ends_what_is_blocked(self):
        clients = [Resp(self.proxy.address()) for _ in range(6)]
        for n, client in enumerate(clients):
            client.send("BLPOP", *(self.queues if n % 2 else self.queues[:1]), "0")
        wait_until(lambda: self.listed().count(b"flags=b") == 6, "all to be blocked")
        self.assertEqual(self.proxy.end(), 0)
        for client in clients:
            # Or, if its connection was still being made: certainly not executed.
            self.assertRegex(client.read(), b"UNBLOCKED|unavailable")
            self.assertTrue(client.at_end())


if __name__ == "__main__":
    harness.main()
