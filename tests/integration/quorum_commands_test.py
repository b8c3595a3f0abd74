"""Commands of a pool with consistency = "quorum": the same thousands of generated commands to a plain
redis-server and through two proxies to a pool of three replicas, as pipelines, in RESP2 and RESP3. Every
reply is the same, or the pool refuses the command with an error that names the mode. And what clients
build on a server that is alone: locks, optimistic transactions.

QUORATE_SEED chooses other commands than those of seed 1.
"""

import os
import threading
import time

import harness
from harness import effort
from quorum_test import QuorumTest
from redis_workload import SCRIPTS, TYPES, Workload, same
from resp import Error, Resp, encode

SEED = int(os.environ.get("QUORATE_SEED", "1"))
ONLY = os.environ.get("QUORATE_TYPES", "")
BATCH = 40
MODE = b'consistency is "quorum"'


class DualRun(QuorumTest):
    def test_what_it_does_not_refuse_it_answers_as_a_server_does(self):
        members, _ = self.quorum(proxies="ab")
        plain = self.redis()
        with Resp(plain.address) as server:
            self.shas = [server.ask("SCRIPT", "LOAD", script).decode() for script in SCRIPTS[:4]]
            server.ask("SCRIPT", "FLUSH")
        with Resp(members[0].proxy.address()) as client:  # what serves() has written
            client.ask("DEL", *client.ask("KEYS", "*"))
        asked = refused = 0
        for kind in TYPES:
            if ONLY and kind not in ONLY.split(","):
                continue
            if kind == "transactions":  # what a refusal does to one has tests of its own
                continue
            for protocol in (2, 3):
                with self.subTest(kind, protocol=protocol):
                    done = self.run_type(kind, protocol, plain, members)
                    print(f"{kind} in RESP{protocol}: {done[0]} the same, {done[1]} refused")
                    asked, refused = asked + done[0], refused + done[1]
        self.assertGreater(asked, refused)

    def run_type(self, kind, protocol, plain, members):
        works = Workload(kind, f"{SEED} {protocol} quorum", self.shas, [b"none"] * 3,
                         tagged_only=kind == "transactions", may_spoil=kind != "transactions")
        self.history, self.named = [], set()
        asked = refused = 0
        with Resp(plain.address) as server:
            proxied = [Resp(one.proxy.address()) for one in members]
            for client in (server, *proxied):
                if protocol == 3:
                    client.ask("HELLO", "3")
                if client is not server:
                    client.ask("SCRIPT", "FLUSH")
            server.ask("FUNCTION", "FLUSH")
            server.ask("SCRIPT", "FLUSH")
            try:
                for number in range(effort(1200) // BATCH):
                    turn = proxied[number % 2 if kind not in ("transactions", "scripting") else 0]
                    commands = [works.command() for _ in range(BATCH)]
                    self.named.update(word for words in commands for word in words[1:])
                    got = self.replies(turn, commands)
                    both = [i for i, one in enumerate(got) if not self.is_refused(commands[i], one)]
                    wanted = self.replies(server, [commands[i] for i in both])
                    asked, refused = asked + len(both), refused + BATCH - len(both)
                    for i, want in zip(both, wanted):
                        self.history.append((commands[i], want))
                        if not self.same(commands[i], want, got[i]):
                            self.fail(self.report(commands[i], want, got[i]))
            finally:
                proxied[0].ask("DISCARD")
                proxied[0].ask("DEL", *self.named)
                server.ask("DISCARD")
                server.ask("FLUSHALL")
                for client in proxied:
                    client.close()
        return asked, refused

    @staticmethod
    def same(words, want, got):
        """Of an error in a script, where in the script it was is told by a server only. The proxy takes
        a script as it is: who runs it is told what is wrong."""
        if want.startswith(b"-ERR Error compiling script") and words[0].upper() == b"SCRIPT":
            return got.startswith(b"$40\r\n")
        if want.startswith(b"-") and b" script: " in want:
            return want.split(b" script: ")[0] == got.split(b" script: ")[0].rstrip()
        return same(words, want, got)

    @staticmethod
    def is_refused(words, reply):
        return reply.startswith(b"-") and MODE in reply

    @staticmethod
    def replies(client, commands):
        client.send_raw(b"".join(encode(*words) for words in commands))
        return [client.read_raw() for _ in commands]

    def report(self, words, want, got):
        keys = {word for word in words[1:] if word[:1] in b"k{"}
        before = [one for one in self.history[:-1] if keys & set(one[0])][-6:]
        lines = [f"{words}\n  server:  {want[:600]!r}\n  quorate: {got[:600]!r}\nbefore:"]
        lines += [f"  {one} -> {reply[:200]!r}" for one, reply in before]
        return "\n".join(lines)


class OnOneKey(QuorumTest):
    def test_a_transaction_is_one_change_and_is_not_made_if_its_key_has_changed(self):
        members, _ = self.quorum(proxies="ab")
        with Resp(members[0].proxy.address()) as one, Resp(members[1].proxy.address()) as other:
            self.assertEqual(one.ask_all([("MULTI",), ("SET", "k", "1"), ("INCR", "k"),
                                          ("LPUSH", "k", "x"), ("GET", "k"), ("EXEC",)])[-1][:2],
                             [b"OK", 2])
            for between, done in ((None, [3]), (("INCR", "k"), None), (("DEL", "k"), None),
                                  (("SET", "other", "x"), [1])):
                self.assertEqual(one.ask("WATCH", "k"), b"OK")
                if between:
                    other.ask(*between)
                self.assertEqual(one.ask_all([("MULTI",), ("INCR", "k"), ("EXEC",)]),
                                 [b"OK", b"QUEUED", done], between)
            # Pipelined; and forgotten again.
            self.assertEqual(one.ask_all([("WATCH", "k"), ("MULTI",), ("INCR", "k"), ("EXEC",)])[-1],
                             [2])
            self.assertEqual(one.ask_all([("WATCH", "k"), ("INCR", "k"), ("MULTI",), ("INCR", "k"),
                                          ("EXEC",)])[-1], None)
            self.assertEqual(one.ask_all([("WATCH", "k"), ("UNWATCH",), ("INCR", "k"), ("MULTI",),
                                          ("INCR", "k"), ("EXEC",)])[-1], [5])
            self.assertEqual(one.ask("WATCH", "none"), b"OK")
            self.assertEqual(one.ask_all([("MULTI",), ("SET", "none", "x"), ("EXEC",)])[-1], [b"OK"])

    def test_replies_in_a_transaction_are_those_of_a_server(self):
        members, _ = self.quorum(proxies="a")
        plain = self.redis()
        transactions = [
            [("ZADD", "k", "1.5", "a", "2", "b"), ("ZRANGE", "k", "0", "-1", "WITHSCORES"),
             ("ZMSCORE", "k", "a", "none"), ("ZSCORE", "k", "a"), ("ZRANK", "k", "none"),
             ("ZADD", "k", "INCR", "1", "a"), ("ZPOPMIN", "k"), ("ZPOPMAX", "k", "5"), ("ZPOPMIN", "k")],
            [("HSET", "k", "f", "1"), ("HMGET", "k", "f", "none"), ("HGETALL", "k"),
             ("HINCRBY", "k", "f", "2"), ("HINCRBYFLOAT", "k", "f", "0.5"), ("HSCAN", "k", "0")],
            [("RPUSH", "k", "1", "2"), ("LPOP", "k", "5"), ("LPOP", "k", "5"), ("LPOP", "k"),
             ("LMPOP", "1", "k", "LEFT"), ("GET", "k"), ("LINDEX", "k", "0")],
            [("XADD", "k", "1-1", "f", "v"), ("XADD", "k", "1-2", "g", "w"),
             ("XGROUP", "CREATE", "k", "g", "0"), ("XREADGROUP", "GROUP", "g", "c", "STREAMS", "k", ">"),
             ("XREADGROUP", "GROUP", "g", "c", "STREAMS", "k", ">"), ("XDEL", "k", "1-1"),
             ("XREADGROUP", "GROUP", "g", "c", "STREAMS", "k", "0"), ("XREAD", "STREAMS", "k", "0"),
             ("XREAD", "STREAMS", "k", "9"), ("XRANGE", "k", "-", "+", "COUNT", "0"),
             ("XACK", "k", "g", "1-1", "1-2"), ("XPENDING", "k", "g")],
            [("GEOADD", "k", "13.361389", "38.115556", "a"), ("GEOPOS", "k", "a", "none"),
             ("GEODIST", "k", "a", "none"), ("GEOHASH", "k", "a", "none")],
            [("SET", "k", "5"), ("INCR", "k"), ("LPUSH", "k", "x"), ("GETSET", "k", "6"), ("GETDEL", "k"),
             ("SET", "k", "7", "XX"), ("BITFIELD", "k", "OVERFLOW", "FAIL", "SET", "u8", "0", "300")],
        ]
        for protocol in (2, 3):
            for commands in transactions:
                with (self.subTest(commands[0][0], protocol=protocol), Resp(plain.address) as server,
                      Resp(members[0].proxy.address()) as client):
                    replies = []
                    for one in (server, client):
                        one.ask("HELLO", protocol)
                        one.ask("DEL", "k")
                        one.ask("MULTI")
                        for words in commands:
                            self.assertEqual(one.ask(*words), b"QUEUED", words)
                        replies.append(one.ask_raw("EXEC"))
                    self.assertEqual(*replies)

    def test_a_scan_of_a_key_brings_all_of_it_at_once(self):
        members, _ = self.quorum(proxies="ab")
        fields = {f"f{i}".encode(): f"{i}".encode() for i in range(3000)}
        with Resp(members[0].proxy.address()) as client, Resp(members[1].proxy.address()) as other:
            client.ask("HSET", "h", *[word for pair in fields.items() for word in pair])
            client.ask("SADD", "s", *fields)
            client.ask("ZADD", "z", *[word for field, i in fields.items() for word in (i, field)])
            for words in (("HSCAN", "h", "0"), ("HSCAN", "h", "0", "COUNT", "7"), ("HSCAN", "h", "17"),
                          ("ZSCAN", "z", "0", "MATCH", "*")):
                cursor, listed = other.ask(*words)
                self.assertEqual(cursor, b"0")
                self.assertEqual(dict(zip(listed[::2], listed[1::2])), fields)
            cursor, listed = other.ask("SSCAN", "s", "0", "MATCH", "f1*", "COUNT", "1")
            self.assertEqual((cursor, set(listed)),
                             (b"0", {field for field in fields if field.startswith(b"f1")}))
            self.assertEqual(other.ask("HSCAN", "none", "0"), [b"0", []])
            for words in (("HSCAN", "h", "x"), ("HSCAN", "h", "0", "COUNT", "0"),
                          ("HSCAN", "h", "0", "COUNT"), ("SSCAN", "h", "0")):
                self.assertIsInstance(other.ask(*words), Error)

    def test_one_replica_does_nothing_for_all_on_a_value_that_is_too_large_to_be_sent(self):
        members, _ = self.quorum(proxies="ab")
        with Resp(members[0].proxy.address()) as client, Resp(members[1].proxy.address()) as other:
            for _ in range(10):
                client.ask("RPUSH", "l", *["x" * 50000] * 20)  # 10 MB
            size = client.ask("LLEN", "l")
            for one in (client, other):
                reply = one.ask("EVAL", "return redis.call('LPUSH', KEYS[1], 'y')", "1", "l")
                self.assertIsInstance(reply, Error)
                self.assertIn(b"the value takes", reply)
                reply = one.ask_all([("MULTI",), ("LPUSH", "l", "y"), ("EXEC",)])[-1]
                self.assertIn(b"the value takes", reply)
            self.assertEqual(other.ask("LLEN", "l"), size)
            # What all replicas do by themselves goes on, and makes room.
            self.assertEqual(client.ask("RPUSH", "l", "y"), size + 1)
            self.assertEqual(client.ask("LTRIM", "l", "0", "9"), b"OK")
            self.assertEqual(other.ask("EVAL", "return redis.call('LPUSH', KEYS[1], 'y')", "1", "l"), 11)

    def test_more_than_one_key_is_refused_with_the_name_of_the_mode(self):
        members, _ = self.quorum(proxies="a")
        with Resp(members[0].proxy.address()) as client:
            for commands in ([("WATCH", "a", "b")], [("WATCH", "a"), ("WATCH", "b")],
                             [("MULTI",), ("SET", "a", "1"), ("SET", "b", "1")],
                             [("WATCH", "a"), ("MULTI",), ("SET", "b", "1")],
                             [("EVAL", "return 1", "2", "a", "b")], [("EVAL", "return 1", "0")]):
                reply = client.ask_all(commands)[-1]
                self.assertIsInstance(reply, Error)
                self.assertIn(MODE, reply)
                client.ask("DISCARD")
                client.ask("UNWATCH")

    def test_counters_that_clients_raise_by_watch_lose_nothing(self):
        members, _ = self.quorum(proxies="ab")
        done = []

        def raise_it(address):
            with Resp(address) as client:
                for _ in range(effort(40)):
                    while True:
                        client.ask("WATCH", "n")
                        value = int(client.ask("GET", "n") or 0)
                        reply = client.ask_all([("MULTI",), ("SET", "n", value + 1), ("EXEC",)])[-1]
                        if reply == [b"OK"]:
                            done.append(1)
                            break
                        self.assertIsNone(reply)

        threads = [threading.Thread(target=raise_it, args=(members[i % 2].proxy.address(),))
                   for i in range(4)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        with Resp(members[0].proxy.address()) as client:
            self.assertEqual(int(client.ask("GET", "n")), len(done))
        self.assertEqual(len(done), 4 * effort(40))

    def test_locks_of_redis_py_hold(self):
        try:
            import redis
        except ImportError:
            self.skipTest("redis-py is not installed")
        members, _ = self.quorum(proxies="ab")
        inside, most, rounds, failures = [], [], [], []

        def work(number):
            host, port = members[number % 2].proxy.address().rsplit(":", 1)
            client = redis.Redis(host=host, port=int(port))
            try:
                for _ in range(effort(15)):
                    with client.lock("the lock", timeout=20, sleep=0.005, blocking_timeout=60) as lock:
                        inside.append(number)
                        most.append(len(inside))
                        time.sleep(0.002)
                        if len(rounds) % 5 == 0:
                            lock.extend(10)
                            lock.reacquire()
                        inside.remove(number)
                        rounds.append(number)
            except Exception as error:  # a thread's failure is the test's
                failures.append(error)

        threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        self.assertEqual(failures, [])
        self.assertEqual(max(most), 1)
        self.assertEqual(len(rounds), 6 * effort(15))
        # One whose time is over is somebody else's, and is not given back by the first.
        host, port = members[0].proxy.address().rsplit(":", 1)
        client = redis.Redis(host=host, port=int(port))
        first = client.lock("short", timeout=0.2)
        self.assertTrue(first.acquire())
        time.sleep(0.4)
        second = client.lock("short", timeout=20)
        self.assertTrue(second.acquire(blocking_timeout=5))
        self.assertRaises(redis.exceptions.LockError, first.release)
        second.release()


if __name__ == "__main__":
    harness.main()
