"""What the proxy says of a write is true, whatever happens to its connection: answered means executed
once, "unavailable" means never executed, "outcome unknown" means at most once. Backends that count
what they executed, and whose connections break by chance, are the judges.

The chances are seeded (QUORATE_SEED repeats them, as far as threads are repeatable).
"""

import collections
import os
import random
import threading

import harness
from fakes import (DROP_AFTER, DROP_BEFORE, GARBAGE, HALF_REPLY, STALL, Chance, FakeMemcached,
                   FakeRedis)
from harness import connect, effort
from resp import Error, Resp, encode

KEYS = 12  # of each client at a time
SEED = int(os.environ.get("QUORATE_SEED", random.SystemRandom().randrange(10 ** 6)))


class Operation:
    """One command that a client sent, and what it was told."""

    def __init__(self, number, words, tokens, key, reads):
        self.number = number  # in the order in which this client sent them
        self.words = words
        self.tokens = tokens  # what it writes, each written by nobody else
        self.key = key
        self.reads = reads
        self.reply = None

    def ended(self):
        """OK, "unavailable", "unknown", "timed out" (a read), or "closed": nothing was said of it."""
        if self.reply is None:
            return "closed"
        if isinstance(self.reply, Error) or self.reply.startswith(b"SERVER_ERROR"):
            text = self.reply.removeprefix(b"SERVER_ERROR ")
            if text.startswith(b"INDETERMINATE "):
                return "unknown"
            for end in ("unavailable", "timed out"):
                if text.endswith(b" " + end.encode()):
                    return end
            return text.decode()
        return "OK"


class Client:
    """Sends operations in pipelines, on keys that nobody else uses."""

    def __init__(self, name, seed, count, address):
        self.name = name
        self.random = random.Random(seed)
        self.count = count
        self.address = address
        self.operations = []
        self.connections = 0
        self.tokens = 0
        self.problem = None

    def token(self):
        self.tokens += 1
        large = self.random.random() < 0.03
        return f"<{self.name}:{self.tokens}>".encode() + (b"x" * 90_000 if large else b"")

    def key(self, number):
        return f"{self.name}:{self.connections}:{number}".encode()

    def run(self):
        try:
            while len(self.operations) < self.count:
                self.connections += 1  # and other keys: what the last one left open may come late
                self.talk()
        except BaseException as problem:  # told by the main thread
            self.problem = problem

    def next_batch(self):
        batch = []
        for _ in range(self.random.choice([1, 1, 2, 5, 40])):
            batch.append(self.next_operation())
            self.operations.append(batch[-1])
        return batch

    def may_close(self, operation, data):
        """A connection may be closed in one case: of a large value, a part was passed on already."""
        assert operation.reads and data, f"closed instead of a reply to {operation.words[:2]}"


class RedisClient(Client):
    def next_operation(self):
        kind = self.random.choice(["SET", "SET", "APPEND", "APPEND", "GET", "GET", "GET", "MSET"])
        key, number = self.key(self.random.randrange(KEYS)), len(self.operations)
        if kind == "GET":
            return Operation(number, [b"GET", key], [], key, True)
        if kind == "MSET":
            keys = [self.key(one) for one in self.random.sample(range(KEYS), 4)]
            tokens = [self.token() for _ in keys]
            words = [b"MSET"] + [word for pair in zip(keys, tokens) for word in pair]
            return Operation(number, words, tokens, None, False)
        token = self.token()
        return Operation(number, [kind.encode(), key, token], [token], key, False)

    def talk(self):
        with Resp(self.address, timeout=20) as connection:
            while len(self.operations) < self.count:
                batch = self.next_batch()
                connection.send_raw(b"".join(encode(*one.words) for one in batch))
                for one in batch:
                    try:
                        one.reply = connection.read()
                    except EOFError:
                        return self.may_close(one, connection.seen)
                    if not isinstance(one.reply, bytes):
                        one.reply = b"" if one.reply is None else b"%d" % one.reply


class MemcachedClient(Client):
    def next_operation(self):
        kind = self.random.choice(["set", "set", "append", "get", "get"])
        key, number = self.key(self.random.randrange(KEYS)), len(self.operations)
        if kind == "get":
            return Operation(number, [b"get", key], [], key, True)
        token = self.token()
        return Operation(number, [kind.encode(), key, token], [token], key, False)

    @staticmethod
    def encode(words):
        if words[0] == b"get":
            return b"get %s\r\n" % words[1]
        return b"%s %s 0 0 %d\r\n%s\r\n" % (words[0], words[1], len(words[2]), words[2])

    def talk(self):
        with connect(self.address, timeout=20) as connection:
            file = connection.makefile("rb")
            while len(self.operations) < self.count:
                batch = self.next_batch()
                connection.sendall(b"".join(self.encode(one.words) for one in batch))
                for one in batch:
                    if not self.read(file, one):
                        return

    def read(self, file, operation):
        line = b""
        try:
            line = file.readline()
            if line.startswith(b"VALUE"):
                size = int(line.split()[3])
                data = file.read(size + 7)
                if len(data) == size + 7:
                    assert data.endswith(b"\r\nEND\r\n")
                    operation.reply = data[:size]
                    return True
        except ConnectionError:
            self.may_close(operation, line)
            return False
        if not line.endswith(b"\r\n") or line.startswith(b"VALUE"):
            self.may_close(operation, line)
            return False
        operation.reply = b"" if line == b"END\r\n" else line.rstrip()
        return True


class Outcomes(harness.Test):
    def check(self, fake_class, client_class, odds, resets=False, clients=6, count=700, **settings):
        """Runs clients through three such backends, and compares what was said with what was done."""
        print(f"      seed {SEED}", flush=True)
        backends = [fake_class(Chance(f"{SEED}:{i}", odds)) for i in range(3)]
        for backend in backends:
            backend.resets = resets
            self.addCleanup(backend.close)
        protocol = "redis" if fake_class is FakeRedis else "memcached"
        proxy = self.quorate({"p": {
            "protocol": protocol, "backends": [one.address for one in backends],
            "request_timeout": "400ms", "reconnect_backoff": "2ms", "reconnect_backoff_max": "5ms",
            "eject_after": 0, **settings}})
        running = [client_class(f"c{i}", f"{SEED}:{i}", effort(count), proxy.address())
                   for i in range(clients)]
        threads = [threading.Thread(target=one.run) for one in running]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for one in running:
            if one.problem is not None:
                raise one.problem
        ended = self.compare(running, backends)
        for backend in backends:
            backend.close()
        self.assertGreater(sum(sum(one.behaviour.done.values()) for one in backends), 0)
        print(f"      {ended}", flush=True)
        return ended

    def compare(self, clients, backends):
        executed = collections.Counter()  # token: how often
        log = {}       # key: its tokens, in the order in which they were executed
        for backend in backends:
            for _, words in backend.executed:
                pairs = (zip(words[1::2], words[2::2]) if words[0] == b"MSET" else
                         [(words[1], words[-1])] if words[0].lower() in (b"set", b"append") else [])
                for key, token in pairs:
                    executed[token] += 1
                    log.setdefault(key, []).append((words[0].lower(), token))
        ends = collections.Counter()
        for client in clients:
            for one in client.operations:
                end = one.ended()
                ends[end] += 1
                for token in one.tokens:
                    times = executed[token]
                    what = f"{one.words[0]} answered {(one.reply or b'nothing')[:80]}, executed {times} times"
                    self.assertLessEqual(times, 1, what)
                    if end == "OK" and one.reply != b"NOT_STORED":
                        self.assertEqual(times, 1, what)
                    if end == "unavailable":
                        self.assertEqual(times, 0, what)
                if end not in ("OK", "closed", "unavailable", "unknown"):
                    self.assertTrue(one.reads and end == "timed out", f"{one.words[0]}: {end}")
            self.compare_order(client, log, {
                token: one for one in client.operations for token in one.tokens})
        return ends

    def compare_order(self, client, log, writer):
        """Writes on a key were executed in the order sent, but for those whose outcome was called
        unknown: what was sent before the connection was lost may be executed at any time. A read saw
        every write before it that was answered, and none that was sent after it."""
        for key in {one.key for one in client.operations if one.key}:
            done = [(how, token, writer[token]) for how, token in log.get(key, [])]
            numbers = [write.number for _, _, write in done if write.ended() == "OK"]
            self.assertEqual(numbers, sorted(numbers), f"{key}: not in the order sent")
            values = [b""]
            for how, token, _ in done:
                exists = values[-1] or client.__class__ is RedisClient
                values.append(token if how != b"append" else values[-1] + token if exists else b"")
            for read in client.operations:
                if not read.reads or read.key != key or read.ended() != "OK":
                    continue
                first = max((at + 1 for at, (_, _, write) in enumerate(done)
                             if write.number < read.number and write.ended() == "OK"), default=0)
                last = min((at for at, (_, _, write) in enumerate(done)
                            if write.number > read.number), default=len(done))
                self.assertIn(read.reply, values[first:last + 1], f"{key} read wrongly")

    # -- redis -----------------------------------------------------------------------------------

    def test_redis_connections_that_end(self):
        ended = self.check(FakeRedis, RedisClient, {DROP_BEFORE: 0.01, DROP_AFTER: 0.01})
        self.assertGreater(ended["unknown"], 0)

    def test_redis_connections_that_are_reset(self):
        self.check(FakeRedis, RedisClient, {DROP_BEFORE: 0.02, DROP_AFTER: 0.02}, resets=True)

    def test_redis_connections_that_break_often(self):
        self.check(FakeRedis, RedisClient, {DROP_BEFORE: 0.2, DROP_AFTER: 0.1}, count=400)

    def test_redis_replies_in_half_and_nonsense(self):
        self.check(FakeRedis, RedisClient, {HALF_REPLY: 0.02, GARBAGE: 0.01})

    def test_redis_backends_that_stop_answering(self):
        self.check(FakeRedis, RedisClient, {STALL: 0.004, DROP_AFTER: 0.005}, count=400)

    def test_redis_without_time_limits_or_side_connections_to_spare(self):
        self.check(FakeRedis, RedisClient, {DROP_BEFORE: 0.01, DROP_AFTER: 0.01},
                   request_timeout="0s", side_connections=1, connections=2)

    # -- memcached -------------------------------------------------------------------------------

    def test_memcached_connections_that_end(self):
        ended = self.check(FakeMemcached, MemcachedClient, {DROP_BEFORE: 0.01, DROP_AFTER: 0.01})
        self.assertGreater(ended["unknown"], 0)

    def test_memcached_connections_that_are_reset(self):
        self.check(FakeMemcached, MemcachedClient, {DROP_BEFORE: 0.05, DROP_AFTER: 0.05},
                   resets=True)

    def test_memcached_replies_in_half_and_nonsense(self):
        self.check(FakeMemcached, MemcachedClient, {HALF_REPLY: 0.02, GARBAGE: 0.01})

    def test_memcached_backends_that_stop_answering(self):
        self.check(FakeMemcached, MemcachedClient, {STALL: 0.004, DROP_AFTER: 0.005}, count=400)


if __name__ == "__main__":
    harness.main()
