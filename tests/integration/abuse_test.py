"""Whatever clients send, in whatever pieces, and whenever they leave: the process lives, and a client
beside them that behaves gets its own right answers. Backends come and go meanwhile.

Seeded: QUORATE_SEED repeats what is sent.
"""

import os
import random
import socket
import threading

import harness
from harness import connect, effort, wait_until
from resp import Error, Resp, encode

SEED = int(os.environ.get("QUORATE_SEED", random.SystemRandom().randrange(10 ** 6)))
SIZES = [0, 1, 5, 100, 16_000, 65_530, 66_000, 140_000, 1_200_000]


class Redis:
    """Streams of commands that mean something, and of bytes that do not."""

    WORDS = ["MULTI", "EXEC", "DISCARD", "UNWATCH", "RESET", "PING", "HELLO 3", "HELLO 2", "HELLO 9",
             "CLIENT ID", "CLIENT LIST", "CLIENT REPLY OFF", "CLIENT REPLY ON", "CLIENT REPLY SKIP",
             "CLIENT NO-SUCH", "SELECT 1", "SELECT 0", "SELECT 99", "COMMAND", "COMMAND DOCS get",
             "INFO", "QUIT", "NOSUCH a b", "DBSIZE", "KEYS *",
             "FLUSHALL", "SCAN 0", "MONITOR", "DEBUG SLEEP 0", "EVAL",
             "EVAL return(1) 0", "SCRIPT LOAD return(1)", "OBJECT HELP", "CONFIG GET save", "TIME",
             "BLPOP a 0", "BRPOP a b c 0", "BLMOVE a {a}1 LEFT RIGHT 0", "BZPOPMIN b 0", "BLPOP c 0.01",
             "XREAD BLOCK 0 STREAMS a $", "WAIT 1 0", "SUBSCRIBE a", "PSUBSCRIBE *", "UNSUBSCRIBE",
             "RANDOMKEY", "LATENCY RESET", "FUNCTION LIST", "CLUSTER INFO", "ASKING", "AUTH x"]
    KEYED = ["GET", "GET", "SET", "SET", "APPEND", "WATCH", "INCR", "DEL", "MGET", "MSET", "RPUSH",
             "LRANGE", "STRLEN", "GETDEL", "EXISTS", "TOUCH", "SORT", "OBJECT ENCODING", "RENAME"]
    JUNK = [b"*1\r\n$-5\r\n", b"*-1\r\n", b"*0\r\n", b"\r\n", b"GET 'a\r\n", b"*2\r\n$3\r\nGET\r\n$1\r\nab\r\n",
            b"*99999999999\r\n", b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$600000000\r\n", b"\x80\x00", b"+OK\r\n",
            b"*1000000\r\n$3\r\nDEL\r\n", b"PING\r\n" * 50, b"x" * 70_000, b"*1\r\n$200000\r\n" + b"n" * 150_000]

    def __init__(self, chance):
        self.chance = chance

    def key(self):
        return self.chance.choice(["a", "b", "c", "{a}1", "d" * 300])

    def next(self):
        chance = self.chance
        draw = chance.random()
        if draw < 0.02:
            return chance.choice(self.JUNK)
        if draw < 0.35:
            return encode(*chance.choice(self.WORDS).split(" "))
        words = [*chance.choice(self.KEYED).split(" "), self.key()]
        for _ in range(chance.choice([0, 0, 1, 1, 1, 2, 3, 8])):
            words.append(chance.choice([self.key(), "1", "v" * chance.choice(SIZES)]))
        if draw > 0.97:
            words[0] = "n" * chance.choice(SIZES[1:])
        if draw > 0.9 and all(len(word) < 100 and word for word in words):
            return " ".join(words).encode() + b"\r\n"
        return encode(*words)


class Memcached:
    JUNK = [b"\r\n", b"get\r\n", b"get " + b"k" * 300 + b"\r\n", b"set a 0 0 -1\r\n", b"set a 0 0 x\r\n",
            b"set a 0 0 5\r\nlonger than five\r\n", b"mg\r\n", b"ms a\r\n", b"ms a 5 q\r\nhello\r\n",
            b"get " + b"z " * 30_000 + b"b\r\n", b"x" * 3000, b"incr a b\r\n", b"mn\r\n", b"me a\r\n",
            b"verbosity 1\r\n", b"version x\r\n", b"stats\r\n", b"stats items\r\n", b"quit\r\n",
            b"flush_all\r\n", b"shutdown\r\n", b"watch\r\n", b"lru_crawler metadump all\r\n",
            b"set a 0 0 2000000000\r\n", b"mg a v q\r\nmn\r\n", b"cas a 0 0 1 5\r\nx\r\n"]

    def __init__(self, chance):
        self.chance = chance
        self.binary = chance.random() < 0.4

    def frame(self):
        chance = self.chance
        key = chance.choice([b"a", b"b", b"c", b"", b"k" * 251])
        value = b"v" * chance.choice(SIZES)
        opcode = chance.randrange(0x28)
        extras = b"\0" * chance.choice([0, 4, 8, 20, 20, 24])
        body = len(key) + len(extras) + len(value) + chance.choice([0] * 30 + [1, 100_000])
        return (bytes([0x80, opcode]) + len(key).to_bytes(2, "big") + bytes([len(extras), 0, 0, 0])
                + body.to_bytes(4, "big") + b"\0" * 12 + extras + key + value)

    def next(self):
        chance = self.chance
        if self.binary:
            return self.frame()
        if chance.random() < 0.2:
            return chance.choice(self.JUNK)
        key = chance.choice([b"a", b"b", b"c", b"d"])
        value = b"v" * chance.choice(SIZES)
        noreply = chance.choice([b"", b"", b" noreply"])
        return chance.choice([
            b"get %s\r\n" % key, b"gets a b c d %s\r\n" % key, b"gat 0 %s\r\n" % key,
            b"set %s 0 0 %d%s\r\n%s\r\n" % (key, len(value), noreply, value),
            b"append %s 0 0 %d%s\r\n%s\r\n" % (key, len(value), noreply, value),
            b"mg %s v k O1\r\n" % key, b"ms %s %d\r\n%s\r\n" % (key, len(value), value),
            b"md %s q\r\n" % key, b"ma n N0 v\r\n", b"delete %s%s\r\n" % (key, noreply)])


class Abuse(harness.Test):
    def abuse(self, address, language, seed, problems):
        chance = random.Random(seed)
        try:
            for _ in range(effort(150)):
                speaks = language(chance)
                stream = b"".join(speaks.next() for _ in range(chance.choice([1, 3, 20, 60])))
                with connect(address) as client:
                    reader = threading.Thread(target=self.swallow, args=(client, chance.random() < 0.7))
                    reader.start()
                    try:
                        at = 0
                        while at < len(stream):
                            piece = chance.choice([1, 7, 100, 5000, 65536, 200_000, len(stream)])
                            client.sendall(stream[at:at + piece])
                            at += piece if len(stream) < 5000 else max(piece, 1000)
                            if chance.random() < 0.01:
                                break
                        waits = chance.random() < 0.7
                        client.shutdown(socket.SHUT_WR if waits else socket.SHUT_RDWR)
                    except OSError:
                        pass  # closed, as it well may
                    reader.join()  # until all is answered, if it waits
        except Exception as problem:  # told by the main thread
            problems.append(problem)

    @staticmethod
    def swallow(client, reads):
        try:
            while reads and client.recv(65536):
                pass
        except OSError:
            pass

    def check(self, address, language, behave, disturb):
        print(f"      seed {SEED}", flush=True)
        problems = []
        threads = [threading.Thread(target=self.abuse, args=(address, language, f"{SEED}:{i}", problems))
                   for i in range(4)]
        for thread in threads:
            thread.start()
        turn = 0
        while any(thread.is_alive() for thread in threads):
            behave(turn)
            turn += 1
            if turn % 200 == 0:
                disturb()
        for thread in threads:
            thread.join()
        self.assertEqual(problems, [])
        behave(turn)

    def test_redis_clients(self):
        proxy, _ = self.redis_pool(3, request_timeout="1s", side_connections=2, eject_after=0,
                                   pinned_connections=4, max_client_output="4MiB", max_split="1MiB",
                                   reconnect_backoff="2ms", reconnect_backoff_max="5ms")
        good = Resp(proxy.address())
        self.addCleanup(good.close)

        def behave(turn):
            # A neighbour may FLUSHALL, but nobody else has this key.
            answers = good.ask_all([("SET", "good", turn), ("ECHO", f"{turn}"), ("GET", "good")])
            self.assertEqual(answers[:2], [b"OK", b"%d" % turn])
            self.assertIn(answers[2], (None, b"%d" % turn))

        self.check(proxy.address(), Redis, behave, lambda: None)
        wait_until(lambda: proxy.metric("quorate_clients") == 1, "all others to be gone")
        wait_until(lambda: proxy.metric("quorate_backend_in_flight") == 0, "all to be answered")

    def test_redis_clients_while_backends_die(self):
        proxy, servers = self.redis_pool(3, request_timeout="1s", side_connections=2, eject_after=2,
                                         probe_interval="50ms", probe_timeout="50ms",
                                         reconnect_backoff="2ms", reconnect_backoff_max="5ms")
        good = Resp(proxy.address())
        self.addCleanup(good.close)
        chance = random.Random(f"{SEED}:disturb")

        def behave(turn):
            answers = good.ask_all([("SET", "good", turn), ("ECHO", f"{turn}"), ("GET", "good")])
            self.assertEqual(answers[1], b"%d" % turn)
            self.assertIn(answers[0][:4], (b"OK", b"ERR ", b"INDE"))
            if answers[0] == b"OK" and not isinstance(answers[2], Error):
                self.assertIn(answers[2], (None, b"%d" % turn))

        def disturb():
            server = chance.choice(servers)
            if server.child.runs():
                server.kill()
            else:
                server.start()

        self.check(proxy.address(), Redis, behave, disturb)
        wait_until(lambda: proxy.metric("quorate_clients") == 1, "all others to be gone")

    def test_memcached_clients(self):
        proxy, _ = self.memcached_pool(3, request_timeout="1s", side_connections=2, eject_after=0,
                                       options=("-I", "2m"), max_split="1MiB",
                                       reconnect_backoff="2ms", reconnect_backoff_max="5ms")
        good = connect(proxy.address())
        self.addCleanup(good.close)
        file = good.makefile("rb")
        self.addCleanup(file.close)

        def behave(turn):
            good.sendall(b"set good 0 0 6\r\n%06d\r\nmn\r\n" % turn)
            self.assertEqual([file.readline(), file.readline()], [b"STORED\r\n", b"MN\r\n"])
            good.sendall(b"mg good v\r\n")
            line = file.readline()
            if line != b"EN\r\n":
                self.assertEqual((line, file.readline()), (b"VA 6\r\n", b"%06d\r\n" % turn))

        self.check(proxy.address(), Memcached, behave, lambda: None)
        wait_until(lambda: proxy.metric("quorate_clients") == 1, "all others to be gone")
        wait_until(lambda: proxy.metric("quorate_backend_in_flight") == 0, "all to be answered")


if __name__ == "__main__":
    harness.main()
