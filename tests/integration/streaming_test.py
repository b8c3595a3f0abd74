"""Large values pass through without being held, and delay nobody: not the client beside, not the
backend's other commands. Who delays whom is judged by the order in which things end, never by time.
"""

import re
import threading

import harness
from harness import PATIENCE, SANITIZED, connect, wait_until
from resp import Error, Resp, encode

MiB = 1 << 20
HUGE = 512 * MiB if not SANITIZED else 64 * MiB
PIECE = bytes(range(256)) * 4096  # 1 MiB


def peak(proxy):
    """The most memory that the process has ever had, in bytes."""
    with open(f"/proc/{proxy.pid}/status") as file:
        return int(re.search(r"VmHWM:\s+(\d+) kB", file.read()).group(1)) * 1024


class Streaming(harness.Test):
    def client(self, proxy, timeout=60):
        client = Resp(proxy.address(), timeout)
        self.addCleanup(client.close)
        return client

    def upload(self, client, key, size):
        client.send_raw(b"*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$%d\r\n" % (len(key), key, size))
        for _ in range(size // MiB):
            client.send_raw(PIECE)
        client.send_raw(b"\r\n")
        return client.read()

    def test_a_redis_value_of_the_largest_size_is_never_held(self):
        proxy, _ = self.redis_pool(1, request_timeout="60s")
        client = self.client(proxy)
        before = peak(proxy)
        self.assertEqual(self.upload(client, b"huge", HUGE), b"OK")
        uploaded = peak(proxy)
        client.send("GET", "huge")
        self.assertEqual(client.file.readline(), b"$%d\r\n" % HUGE)
        for _ in range(HUGE // MiB):
            self.assertEqual(client.file.read(MiB), PIECE)
        self.assertEqual(client.file.read(2), b"\r\n")
        print(f"      peak {before >> 20} MiB, {uploaded >> 20} after the upload, "
              f"{peak(proxy) >> 20} after the download")
        self.assertLess(peak(proxy) - before, 24 * MiB)
        client.send("DEL", "huge")
        self.assertEqual(client.read(), 1)

    def test_a_memcached_value_is_not_held_either(self):
        size = 100 * MiB if not SANITIZED else 16 * MiB
        proxy, _ = self.memcached_pool(1, options=("-I", "128m", "-m", "600"), request_timeout="60s")
        before = peak(proxy)
        with connect(proxy.address(), 60) as client:
            file = client.makefile("rb", buffering=MiB)
            client.sendall(b"set huge 0 0 %d\r\n" % size)
            for _ in range(size // MiB):
                client.sendall(PIECE)
            client.sendall(b"\r\n")
            self.assertEqual(file.readline(), b"STORED\r\n")
            client.sendall(b"get huge\r\n")
            self.assertEqual(file.readline(), b"VALUE huge 0 %d\r\n" % size)
            for _ in range(size // MiB):
                self.assertEqual(file.read(MiB), PIECE)
            self.assertEqual(file.read(7), b"\r\nEND\r\n")
        self.assertLess(peak(proxy) - before, 24 * MiB)

    def test_a_stalled_upload_delays_nobody(self):
        # One worker and one connection: everybody shares what there is to share.
        proxy, _ = self.redis_pool(1, workers=1, request_timeout="1h", side_connections=1)
        stalled, fast = self.client(proxy), self.client(proxy)
        stalled.send_raw(b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$%d\r\n" % (4 * MiB) + PIECE)
        wait_until(lambda: proxy.metric("quorate_client_received_bytes_total") >= MiB, "the beginning")
        for i in range(200):
            self.assertEqual(fast.ask_all([("SET", f"k{i}", i), ("GET", f"k{i}")]),
                             [b"OK", b"%d" % i])
        self.assertIsNone(fast.ask("GET", "a"))
        # Held by the only side connection: the next large value waits its turn, and only it.
        waiting = self.client(proxy)
        waiting.send("SET", "b", "x" * 100_000)
        self.assertEqual(fast.ask("GET", "k0"), b"0")
        for _ in range(3):
            stalled.send_raw(PIECE)
        stalled.send_raw(b"\r\n")
        self.assertEqual(stalled.read(), b"OK")
        self.assertEqual(waiting.read(), b"OK")

    def test_a_slow_reader_delays_nobody(self):
        proxy, _ = self.redis_pool(1, workers=1, request_timeout="1h")
        slow, fast = self.client(proxy), self.client(proxy)
        self.assertEqual(self.upload(fast, b"big", 32 * MiB), b"OK")
        before = peak(proxy)
        for _ in range(4):
            slow.send("GET", "big")
        self.assertEqual(slow.file.readline(), b"$%d\r\n" % (32 * MiB))
        for i in range(200):
            self.assertEqual(fast.ask_all([("SET", f"k{i}", i), ("GET", f"k{i}")]),
                             [b"OK", b"%d" % i])
        fast.send("GET", "big")
        self.assertEqual(fast.file.readline(), b"$%d\r\n" % (32 * MiB))
        for _ in range(32):
            self.assertEqual(fast.file.read(MiB), PIECE)
        self.assertEqual(fast.file.read(2), b"\r\n")
        for number in range(4):
            if number > 0:
                self.assertEqual(slow.file.readline(), b"$%d\r\n" % (32 * MiB))
            for _ in range(32):
                self.assertEqual(slow.file.read(MiB), PIECE)
            self.assertEqual(slow.file.read(2), b"\r\n")
        self.assertLess(peak(proxy) - before, 40 * MiB)

    def test_who_asks_for_much_and_reads_nothing_is_closed(self):
        proxy, _ = self.redis_pool(1, workers=1, max_client_output="1MiB", request_timeout="60s")
        slow, fast = self.client(proxy), self.client(proxy)
        self.assertEqual(fast.ask("SET", "k", "v" * 60_000), b"OK")
        before = peak(proxy)
        slow.send_raw(encode("GET", "k") * 1000)
        for i in range(200):
            self.assertEqual(fast.ask("SET", "a", i), b"OK")
        wait_until(lambda: proxy.metric("quorate_clients_cut_off_total") == 1, "it to be closed")
        self.assertEqual(fast.ask("GET", "a"), b"199")
        self.assertLess(peak(proxy) - before, 40 * MiB)

    def test_commands_on_one_key_keep_their_order_across_side_connections(self):
        proxy, _ = self.redis_pool(2)
        client = self.client(proxy)
        commands, expected = [], []
        for i in range(60):
            value = b"%d:" % i + b"x" * (100_000 if i % 3 == 0 else 5)
            commands += [("SET", "k", value), ("GET", "k"), ("APPEND", "k", "y"), ("STRLEN", "k")]
            expected += [b"OK", value, len(value) + 1, len(value) + 1]

        def send():
            client.send_raw(b"".join(encode(*one) for one in commands))

        sender = threading.Thread(target=send)
        sender.start()
        self.assertEqual([client.read() for _ in commands], expected)
        sender.join()

    def test_a_value_that_is_too_large_is_refused(self):
        proxy, _ = self.redis_pool(1, max_value="1MiB")
        client = self.client(proxy)
        client.send_raw(b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$%d\r\n" % (MiB + 1))
        self.assertEqual(client.read(), Error(b"ERR Protocol error: invalid bulk length"))
        self.assertTrue(client.at_end())

    def test_a_transaction_takes_large_values_too(self):
        proxy, _ = self.redis_pool(2)
        client, other = self.client(proxy), self.client(proxy)
        value = b"x" * 300_000
        client.send("MULTI")
        client.send("SET", "{t}a", value)
        self.assertEqual([client.read(), client.read()], [b"OK", b"QUEUED"])
        self.assertIsNone(other.ask("GET", "{t}a"))
        self.assertEqual(client.ask_all([("GET", "{t}a"), ("EXEC",)]), [b"QUEUED", [b"OK", value]])
        self.assertEqual(other.ask("GET", "{t}a"), value)


if __name__ == "__main__":
    harness.main()
