"""Pools that find their servers themselves: a Redis Cluster whose slots move and whose nodes fail, and
a primary that sentinels watch. Clients are ordinary ones, and never hear of it."""

import threading

import redis

import harness
from harness import HOST, effort, free_port, wait_until
from resp import Error, Resp

SLOTS = 16384


def crc16(data):
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1) ^ 0x1021 if crc & 0x8000 else crc << 1
            crc &= 0xFFFF
    return crc


def slot_of(key):
    open_at = key.find(b"{")
    if open_at >= 0:
        close_at = key.find(b"}", open_at + 1)
        if close_at > open_at + 1:
            key = key[open_at + 1:close_at]
    return crc16(key) % SLOTS


class Cluster(harness.Test):
    """Three primaries; with `replicas`, one of each."""

    def cluster(self, replicas=0):
        count = 3 * (1 + replicas)
        self.nodes = [self.redis("--cluster-enabled", "yes", "--cluster-config-file",
                                 f"nodes-{i}.conf", "--cluster-port", str(free_port()),
                                 "--cluster-node-timeout", "1500", "--cluster-announce-ip", HOST,
                                 "--cluster-replica-validity-factor",
                                 "0", "--repl-diskless-sync-delay", "0")
                      for i in range(count)]
        self.clients = [Resp(node.address) for node in self.nodes]
        for client in self.clients:
            self.addCleanup(client.close)
        for i in range(3):
            begin, end = SLOTS * i // 3, SLOTS * (i + 1) // 3 - 1
            self.clients[i].ask("CLUSTER", "ADDSLOTSRANGE", str(begin), str(end))
            self.clients[i].ask("CLUSTER", "SET-CONFIG-EPOCH", str(i + 1))
        for i, node in enumerate(self.nodes[1:], 1):
            bus = self.clients[i].ask("CONFIG", "GET", "cluster-port")[1]
            self.clients[0].ask("CLUSTER", "MEET", HOST, str(node.port), bus)
        self.ids = [client.ask("CLUSTER", "MYID") for client in self.clients]
        knows_all = lambda client: (b"cluster_known_nodes:%d" % count) in client.ask("CLUSTER", "INFO")
        wait_until(lambda: all(map(knows_all, self.clients)), "the nodes to know each other")
        for i in range(3, count):
            wait_until(lambda i=i: self.clients[i].ask("CLUSTER", "REPLICATE", self.ids[i - 3])
                       == b"OK", "a replica to know its primary")
        is_ok = lambda client: b"cluster_state:ok" in client.ask("CLUSTER", "INFO")
        wait_until(lambda: all(map(is_ok, self.clients)), "the cluster to be ok")
        for i in range(3, count):
            wait_until(lambda i=i: b"master_link_status:up" in
                       self.clients[i].ask("INFO", "replication"), "a replica to be in sync")

    def proxied(self, seeds=None, **settings):
        proxy = self.quorate({"p": {"discovery": "cluster",
                                    "backends": seeds or [self.nodes[1].address], **settings}})
        client = Resp(proxy.address())
        self.addCleanup(client.close)
        return proxy, client

    def owner(self, slot):
        for first, last, primary, *_ in self.clients[0].ask("CLUSTER", "SLOTS"):
            if first <= slot <= last:
                return self.ids.index(primary[2])
        raise AssertionError(f"nobody has slot {slot}")

    def begin_move(self, slot, source, target):
        self.clients[target].ask("CLUSTER", "SETSLOT", str(slot), "IMPORTING", self.ids[source])
        self.clients[source].ask("CLUSTER", "SETSLOT", str(slot), "MIGRATING", self.ids[target])

    def move_keys(self, keys, source, target):
        self.assertEqual(self.clients[source].ask("MIGRATE", HOST, str(self.nodes[target].port), "",
                                                  "0", "5000", "KEYS", *keys), b"OK")

    def end_move(self, slot, source, target):
        """As redis-cli does: the new owner first, then everybody else, who might hear late of it."""
        others = [one for one in self.clients if one is not self.clients[target]]
        for client in (self.clients[target], *others):
            client.ask("CLUSTER", "SETSLOT", str(slot), "NODE", self.ids[target])

    def move_slot(self, slot, target):
        source = self.owner(slot)
        self.begin_move(slot, source, target)
        keys = self.clients[source].ask("CLUSTER", "GETKEYSINSLOT", str(slot), "10000")
        if keys:
            self.move_keys(keys, source, target)
        self.end_move(slot, source, target)

    def test_an_ordinary_client_uses_a_cluster_as_one_server(self):
        self.cluster()
        _, client = self.proxied()
        keys = [b"key:%d" % i for i in range(effort(500))]
        replies = client.ask_all([["SET", key, b"v" + key] for key in keys])
        self.assertEqual(set(replies), {b"OK"})
        sizes = [one.ask("DBSIZE") for one in self.clients]
        self.assertTrue(all(size > len(keys) // 5 for size in sizes), sizes)
        self.assertEqual(client.ask("MGET", *keys), [b"v" + key for key in keys])
        pairs = [word for key in keys for word in (key, b"w")]
        self.assertEqual(client.ask("MSET", *pairs), b"OK")
        self.assertEqual(client.ask("EXISTS", *keys), len(keys))
        self.assertEqual(client.ask("DBSIZE"), len(keys))
        self.assertEqual(sorted(client.ask("KEYS", "*")), sorted(keys))
        found, cursor = set(), b"0"
        while True:
            cursor, some = client.ask("SCAN", cursor, "COUNT", "100")
            found.update(some)
            if cursor == b"0":
                break
        self.assertEqual(found, set(keys))
        self.assertEqual(client.ask("DEL", *keys), len(keys))
        # What one server does on keys of one slot, a node does.
        client.ask_all([["SADD", "{t}a", "1", "2"], ["SADD", "{t}b", "2", "3"]])
        self.assertEqual(client.ask("SINTER", "{t}a", "{t}b"), [b"2"])
        self.assertTrue(client.ask("SINTER", "a", "b").startswith(b"CROSSSLOT"))
        self.assertEqual(client.ask_all([["MULTI"], ["SET", "{t}x", "1"], ["INCR", "{t}x"], ["EXEC"]])[-1],
                         [b"OK", 2])
        self.assertEqual(client.ask("EVAL", "return redis.call('get', KEYS[1])", "1", "{t}x"), b"2")
        client.ask("RPUSH", "q{2}", "x")
        self.assertEqual(client.ask("BLPOP", "q{1}", "q{2}", "q{3}", "5"), [b"q{2}", b"x"])
        value = b"x" * 300_000
        self.assertEqual(client.ask("SET", "large", value), b"OK")
        self.assertEqual(client.ask("GET", "large"), value)

    def test_a_slot_moves_and_no_client_hears_of_it(self):
        self.cluster()
        proxy, client = self.proxied()
        slot = slot_of(b"t")
        source = self.owner(slot)
        target = (source + 1) % 3
        keys = [b"{t}%d" % i for i in range(20)]
        client.ask_all([["SET", key, key] for key in keys])
        self.begin_move(slot, source, target)
        self.move_keys(keys[:10], source, target)
        # Half of them are there already: ASK, and for commands on both halves TRYAGAIN.
        self.assertEqual(client.ask_all([["GET", key] for key in keys]), keys)
        self.assertEqual(client.ask("SET", "{t}new", "1"), b"OK")
        client.send("MGET", *keys)
        client.send("GET", keys[0])
        self.move_keys(keys[10:], source, target)
        self.assertEqual(client.read(), keys)
        self.assertEqual(client.read(), keys[0])
        # Somebody waits for a key of the slot when it goes.
        with Resp(proxy.address()) as blocked, Resp(proxy.address()) as watcher:
            blocked.send("BLPOP", "{t}queue", "0")
            wait_until(lambda: b"blocked_clients:1" in
                       self.clients[source].ask("INFO", "clients") +
                       self.clients[target].ask("INFO", "clients"), "BLPOP to wait")
            watcher.ask("WATCH", keys[0])
            self.end_move(slot, source, target)
            self.assertEqual(client.ask("SET", keys[0], "moved"), b"OK")
            self.assertEqual(client.ask("RPUSH", "{t}queue", "x"), 1)
            self.assertEqual(blocked.read(), [b"{t}queue", b"x"])
        wait_until(lambda: self.transacts(client), "a transaction at the new node")
        self.assertEqual(client.ask("MGET", *keys), [b"moved", *keys[1:]])
        wait_until(lambda: self.served_by(client, keys[1]) == self.nodes[target].address,
                   "the plan to have the slot")

    def transacts(self, client):
        return client.ask_all([["MULTI"], ["INCR", "{t}n"], ["EXEC"]])[-1] not in (None,) and \
            not isinstance(client.ask("GET", "{t}n"), (Error, type(None)))

    def served_by(self, client, key):
        told = client.ask("QUORATE", "ROUTE", key)
        return told[told.index(b"address") + 1].decode()

    def test_commands_keep_their_order_while_slots_move(self):
        self.cluster()
        proxy, _ = self.proxied(request_timeout="20s")
        slots = [slot_of(b"n%d" % i) for i in range(8)]
        stop = threading.Event()
        problems = []

        def count(number):
            key = b"n%d" % number
            expected = 0
            with Resp(proxy.address()) as client:
                while not stop.is_set():
                    for reply in client.ask_all([["INCR", key]] * 50):
                        expected += 1
                        if reply != expected:
                            problems.append((key, expected, reply))
                            return

        threads = [threading.Thread(target=count, args=[i]) for i in range(8)]
        for thread in threads:
            thread.start()
        for turn in range(effort(4)):
            for slot in slots:
                self.move_slot(slot, (self.owner(slot) + 1) % 3)
        stop.set()
        for thread in threads:
            thread.join()
        self.assertEqual(problems, [])

    def test_a_node_that_fails_is_replaced_by_its_replica(self):
        self.cluster(replicas=1)
        _, client = self.proxied(request_timeout="1s")
        keys = {self.owner(slot_of(b"k%d" % i)): b"k%d" % i for i in range(50)}
        client.ask_all([["SET", key, "before"] for key in keys.values()])
        client.ask("WAIT", "1", "2000")
        self.nodes[0].kill()
        self.assertEqual(client.ask("GET", keys[1]), b"before")
        wait_until(lambda: client.ask("SET", keys[0], "after") == b"OK", "the replica to take over", 40)
        self.assertEqual(client.ask("GET", keys[0]), b"after")
        self.assertEqual(self.served_by(client, keys[0]), self.nodes[3].address)

    def test_replicas_answer_reads_if_they_may(self):
        self.cluster(replicas=1)
        _, client = self.proxied(reads="replica")
        keys = [b"r%d" % i for i in range(30)]
        client.ask_all([["SET", key, key] for key in keys])
        client.ask("WAIT", "1", "2000")
        wait_until(lambda: client.ask_all([["GET", key] for key in keys]) == keys, "replicas to follow")

        def all_by_replicas():
            before = [self.calls(one, b"get") for one in self.clients]
            self.assertEqual(client.ask_all([["GET", key] for key in keys]), keys)
            after = [self.calls(one, b"get") for one in self.clients]
            return after[:3] == before[:3] and sum(after[3:]) == sum(before[3:]) + len(keys)

        wait_until(all_by_replicas, "the replicas to be found")
        for replica in self.nodes[3:]:
            replica.kill()
        wait_until(lambda: client.ask_all([["GET", key] for key in keys]) == keys,
                   "the primaries to answer instead")

    def calls(self, client, command):
        text = client.ask("INFO", "commandstats")
        for line in text.split(b"\r\n"):
            if line.startswith(b"cmdstat_" + command + b":calls="):
                return int(line.split(b"=")[1].split(b",")[0])
        return 0

    def test_messages_come_once_and_shard_channels_are_where_their_slot_is(self):
        self.cluster()
        proxy, client = self.proxied()
        with Resp(proxy.address()) as subscriber:
            for words in (["SUBSCRIBE", "news"], ["PSUBSCRIBE", "ne*"], ["SSUBSCRIBE", "shard"]):
                subscriber.send(*words)
                self.assertEqual(subscriber.read()[0], words[0].lower().encode())
            self.clients[0].ask("PUBLISH", "news", "1")
            self.clients[2].ask("PUBLISH", "news", "2")
            client.ask("PUBLISH", "news", "3")
            got = [subscriber.read() for _ in range(6)]
            self.assertEqual(sorted(one[-1] for one in got), [b"1", b"1", b"2", b"2", b"3", b"3"])
            client.ask("SPUBLISH", "shard", "s")
            self.assertEqual(subscriber.read(), [b"smessage", b"shard", b"s"])

    def test_bad_answers_are_told_and_nobody_waits_for_ever(self):
        server = self.redis()
        proxy = self.quorate({"p": {"discovery": "cluster", "backends": [server.address]}}, ready=False)
        wait_until(lambda: "servers cannot be asked" in proxy.log(), "the log to say so")
        self.assertIn("cluster support disabled", proxy.log())
        with Resp(proxy.address()) as client:
            self.assertTrue(client.ask("GET", "k").startswith(b"ERR backend"))
        self.assertEqual(proxy.get("/readyz")[0], 503)


class Sentinel(harness.Test):
    def test_the_primary_is_followed_and_replicas_read(self):
        options = ["--repl-diskless-sync-delay", "0", "--replica-announce-ip", HOST]
        primary = self.redis(*options)
        replica = self.redis(*options, "--replicaof", HOST, str(primary.port))
        address = f"{HOST}:{free_port()}"
        config = self.write("sentinel.conf", f"""
port {address.rsplit(':', 1)[1]}
bind {HOST}
sentinel monitor main {HOST} {primary.port} 1
sentinel down-after-milliseconds main 1000
sentinel failover-timeout main 5000
""")
        sentinel = harness.Server(self, ["redis-server", config, "--sentinel"], address).start()
        self.assertTrue(sentinel.child.runs())
        with Resp(address) as asked, Resp(replica.address) as copy:
            wait_until(lambda: b"master_link_status:up" in copy.ask("INFO", "replication"), "the copy")
            wait_until(lambda: b"ok" in (asked.ask("SENTINEL", "REPLICAS", "main") or [[b""]])[0],
                       "the sentinel to know the replica", 40)
        proxy = self.quorate({"p": {"discovery": "sentinel", "sentinel_name": "main",
                                    "backends": [address], "reads": "replica",
                                    "request_timeout": "1s"}})
        with Resp(proxy.address()) as client, Resp(replica.address) as copy:
            self.assertEqual(client.ask("SET", "k", "1"), b"OK")
            client.ask("WAIT", "1", "2000")
            wait_until(lambda: client.ask("GET", "k") == b"1", "the replica to have it")
            self.assertIn(b"cmdstat_get", copy.ask("INFO", "commandstats"))
            primary.kill()
            wait_until(lambda: client.ask("SET", "k", "2") == b"OK", "the failover", 40)
            self.assertEqual(client.ask("GET", "k"), b"2")
            # The old one comes back: a replica by and by, and nobody's primary meanwhile.
            primary.start()
            for i in range(effort(50)):
                self.assertEqual(client.ask("SET", "k", str(i)), b"OK")
            with Resp(replica.address) as promoted:
                self.assertIn(b"role:master", promoted.ask("INFO", "replication"))
                self.assertEqual(promoted.ask("GET", "k"), b"%d" % (effort(50) - 1))


class Emulated(harness.Test):
    def test_cluster_clients_see_one_node_that_has_every_slot(self):
        servers = [self.redis() for _ in range(3)]
        proxy = self.quorate({"p": {"backends": [s.address for s in servers], "emulate_cluster": True}})
        host, port = proxy.host_and_port()
        client = redis.RedisCluster(host=host, port=port)
        self.addCleanup(client.close)
        for i in range(100):
            self.assertTrue(client.set(f"k{i}", i))
        self.assertEqual([client.get(f"k{i}") for i in range(100)], [b"%d" % i for i in range(100)])
        self.assertEqual(client.cluster_keyslot("foo"), 12182)
        self.assertEqual(client.mget_nonatomic("k1", "k2"), [b"1", b"2"])
        with Resp(proxy.address()) as plain:
            self.assertEqual(plain.ask("CLUSTER", "SLOTS"),
                             [[0, 16383, [host.encode(), port, plain.ask("CLUSTER", "MYID"), []]]])
            self.assertIn(b"cluster_state:ok", plain.ask("CLUSTER", "INFO"))
            self.assertIn(b"myself,master - 0 0 1 connected 0-16383", plain.ask("CLUSTER", "NODES"))
            shard = plain.ask("CLUSTER", "SHARDS")[0]
            self.assertEqual(shard[1], [0, 16383])
            self.assertEqual(plain.ask("READONLY"), b"OK")
            self.assertIn(b"cluster_enabled:1", plain.ask("INFO", "cluster"))

    def test_without_it_the_pool_is_a_server_without_cluster_support(self):
        proxy, _ = self.redis_pool(2)
        with Resp(proxy.address()) as client:
            self.assertEqual(client.ask("CLUSTER", "SLOTS"),
                             b"ERR This instance has cluster support disabled")


if __name__ == "__main__":
    harness.main()
