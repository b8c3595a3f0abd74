"""What clients may cost that ask for much and take it slowly, or never, and many that only wait: memory
stays bounded, and nobody else is delayed. (10,000 subscribers: pubsub_test.py; values of 512 MiB:
streaming_test.py.)
"""

import resource
import socket

import harness
from harness import PATIENCE, SANITIZED, effort, wait_until
from resp import Resp, encode
from streaming_test import MiB, PIECE, peak

HUNDRED = 100 * MiB if not SANITIZED else 16 * MiB


def upload(client, key, size):
    client.send_raw(b"*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$%d\r\n" % (len(key), key.encode(), size))
    for _ in range(size // MiB):
        client.send_raw(PIECE)
    client.send_raw(b"\r\n")
    return client.read()


class Bounds(harness.Test):
    def setUp(self):
        super().setUp()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))

    def client(self, proxy, timeout=60):
        client = Resp(proxy.address(), timeout)
        self.addCleanup(client.close)
        return client

    def say(self, what, before, proxy):
        print(f"      {what}: {before >> 20} MiB before, {peak(proxy) >> 20} at most")

    def test_a_thousand_clients_blocked_over_keys_of_three_backends(self):
        proxy, servers = self.redis_pool(3, workers=2)
        queues = [keys[0] for keys in self.keys_by_owner(proxy, servers, 1)]
        before = peak(proxy)
        count = effort(1000)
        clients = [self.client(proxy) for _ in range(count)]
        for n, client in enumerate(clients):
            client.send("BLPOP", *queues[n % 3:], *queues[:n % 3], "0")
        wait_until(lambda: proxy.metric("quorate_blocked_clients") == count, "all to be blocked", 60)
        self.say(f"{count} clients blocked on three backends", before, proxy)
        other = self.client(proxy)
        for n in range(200):
            self.assertEqual(other.ask("SET", f"other:{n}", n), b"OK")
        other.ask_all([["RPUSH", queues[n % 3], n] for n in range(count)])
        popped = sorted(int(client.read()[1]) for client in clients)
        self.assertEqual(popped, list(range(count)))
        self.assertEqual([other.ask("LLEN", queue) for queue in queues], [0, 0, 0])
        self.assertLess(peak(proxy) - before, 64 * MiB)

    def test_a_slow_reader_of_a_reply_of_a_hundred_megabytes(self):
        proxy, _ = self.redis_pool(1, workers=1, request_timeout="60s")
        slow, fast = self.client(proxy), self.client(proxy)
        self.assertEqual(upload(fast, "big", HUNDRED), b"OK")
        before = peak(proxy)
        slow.send("GET", "big")
        self.assertEqual(slow.file.readline(), b"$%d\r\n" % HUNDRED)
        for n in range(HUNDRED // MiB):  # others come between any two pieces
            self.assertEqual(fast.ask_all([("SET", "k", n), ("GET", "k")]), [b"OK", b"%d" % n])
            self.assertEqual(slow.file.read(MiB), PIECE)
        self.assertEqual(slow.file.read(2), b"\r\n")
        self.say("a slow reader of 100 MiB", before, proxy)
        self.assertLess(peak(proxy) - before, 24 * MiB)

    def test_a_slow_reader_of_a_list_of_a_hundred_megabytes(self):
        proxy, _ = self.redis_pool(1, workers=1, request_timeout="60s")
        slow, fast = self.client(proxy), self.client(proxy)
        element = "x" * 10_000
        count = HUNDRED // 10_000
        for _ in range(0, count, 100):
            fast.ask("RPUSH", "list", *[element] * 100)
        count = fast.ask("LLEN", "list")
        before = peak(proxy)
        slow.send("LRANGE", "list", "0", "-1")
        self.assertEqual(slow.file.readline(), b"*%d\r\n" % count)
        for n in range(count):
            if n % 100 == 0:
                self.assertEqual(fast.ask_all([("SET", "k", n), ("GET", "k")]), [b"OK", b"%d" % n])
            self.assertEqual(slow.read(), element.encode())
        self.say("a slow reader of a list of 100 MB", before, proxy)
        self.assertLess(peak(proxy) - before, 24 * MiB)

    def test_many_that_ask_for_a_hundred_megabytes_and_never_read(self):
        proxy, _ = self.redis_pool(1, workers=1, request_timeout="1h")
        fast = self.client(proxy)
        self.assertEqual(upload(fast, "big", HUNDRED), b"OK")
        before = peak(proxy)
        for _ in range(16):
            self.client(proxy).send("GET", "big")
        for n in range(200):
            self.assertEqual(fast.ask_all([("SET", "k", n), ("GET", "k")]), [b"OK", b"%d" % n])
        self.say("16 that never read 100 MiB", before, proxy)
        self.assertLess(peak(proxy) - before, 64 * MiB)

    def test_one_that_asks_for_ever_and_never_reads(self):
        """Of a backend, of the proxy itself, of several backends: nobody takes more from it at some
        point, or it is closed."""
        proxy, _ = self.redis_pool(3, workers=1)
        fast = self.client(proxy)
        for n in range(10):
            self.assertEqual(fast.ask("SET", f"k{n}", "v" * 20_000), b"OK")
        for name, words in (("GET", ("GET", "k0")), ("ECHO", ("ECHO", "e" * 1000)),
                            ("MGET", ("MGET", *[f"k{n}" for n in range(10)]))):
            before = peak(proxy)
            slow = self.client(proxy)
            slow.socket.settimeout(1 * PATIENCE)
            asked = 0
            block = encode(*words) * 100
            try:
                while asked < 200_000:
                    slow.socket.sendall(block)
                    asked += 100
            except (socket.timeout, ConnectionError):
                pass
            self.assertLess(asked, 200_000, name)
            for n in range(100):
                self.assertEqual(fast.ask("SET", "a", n), b"OK")
            self.say(f"one that never reads {name}", before, proxy)
            self.assertLess(peak(proxy) - before, 160 * MiB, name)


if __name__ == "__main__":
    harness.main()
