"""Keys written through a real nutcracker lie where Placement says, on real servers.

Run by ctest as: nutcracker_test.py TWEMPROXY_OWNERS. Needs nutcracker, redis-server and memcached.
Everything listens on loopback or in a temporary folder, and dies with this process, however it ends.
"""

import ctypes
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

OWNERS = None
HASHES = ["one_at_a_time", "md5", "crc16", "crc32", "crc32a", "fnv1_64", "fnv1a_64", "fnv1_32",
          "fnv1a_32", "hsieh", "murmur", "jenkins"]
KEYS = 10_000
PATIENCE = 20  # seconds until a server that should do something is given up


def die_with_parent():
    """In the child: be killed when the parent is gone (prctl PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def start(*command):
    return subprocess.Popen(command, preexec_fn=die_with_parent, stdin=subprocess.DEVNULL,
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def free_address(port=0):
    """An address of 127.0.0.0/8 that nothing else uses: so many that no other run can be in between."""
    while True:
        host = "127.%d.%d.%d" % tuple(random.randrange(1, 255) for _ in range(3))
        with socket.socket() as tried:
            try:
                tried.bind((host, port))
            except OSError:
                continue
            return "%s:%d" % tried.getsockname()


def connect(address):
    """To "host:port" or "unix:/path"; waits until somebody listens."""
    deadline = time.monotonic() + PATIENCE
    while True:
        is_unix = address.startswith("unix:")
        connection = socket.socket(socket.AF_UNIX if is_unix else socket.AF_INET)
        connection.settimeout(PATIENCE)
        try:
            host, port = address.rsplit(":", 1)
            connection.connect(port if is_unix else (host, int(port)))
            return connection
        except OSError:
            connection.close()
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)


class Redis:
    """Just enough of RESP2."""

    def __init__(self, address):
        self.connection = connect(address)
        self.file = self.connection.makefile("rb")

    def close(self):
        self.file.close()
        self.connection.close()

    @staticmethod
    def encode(*words):
        return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words)

    def reply(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise EOFError("the connection was closed")
        kind, rest = line[:1], line[1:-2]
        if kind in b"+:":
            return rest
        if kind == b"$":
            return None if rest == b"-1" else self.file.read(int(rest) + 2)[:-2]
        if kind == b"*":
            return [self.reply() for _ in range(int(rest))]
        raise RuntimeError(rest.decode())

    def ask(self, *words):
        self.connection.sendall(self.encode(*words))
        return self.reply()

    def set_all(self, keys, batch=200):
        for begin in range(0, len(keys), batch):
            part = keys[begin:begin + batch]
            self.connection.sendall(b"".join(self.encode(b"SET", key, b"v") for key in part))
            for _ in part:
                assert self.reply() == b"OK"


def make_keys(count, seed):
    """Of all lengths and bytes, also none; some with hash tags, whole, broken or empty."""
    chosen = random.Random(seed)
    keys = {b""}
    while len(keys) < count:
        form = len(keys) % 5
        if form == 0:
            keys.add(b"key:%d" % chosen.randrange(10 ** 9))
        elif form == 1:
            keys.add(chosen.randbytes(chosen.randint(1, 60)))
        elif form == 2:
            keys.add(b"user:{%d}:%d" % (chosen.randrange(1000), chosen.randrange(1000)))
        elif form == 3:
            keys.add(b"x{}%d{a}" % chosen.randrange(10 ** 9) + chosen.choice([b"", b"}", b"{"]))
        else:
            keys.add("clé:€:%d".encode() % chosen.randrange(10 ** 9))
    return sorted(keys)


class NutcrackerTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="quorate-placement-")
        self.children = []
        self.servers = []

    def tearDown(self):
        for child in self.children:
            child.kill()
            child.wait()
        shutil.rmtree(self.folder)

    # -- servers ---------------------------------------------------------------------------------

    def path(self, name):
        return os.path.join(self.folder, name)

    def start(self, *command):
        self.children.append(start(*command))
        return self.children[-1]

    def start_redis(self, address):
        where = (["--port", "0", "--unixsocket", address[5:]] if address.startswith("unix:") else
                 ["--bind", address.rsplit(":", 1)[0], "--port", address.rsplit(":", 1)[1]])
        child = self.start("redis-server", *where, "--save", "", "--appendonly", "no", "--dir",
                           self.folder)
        server = Redis(address)
        self.addCleanup(server.close)
        self.assertEqual(server.ask(b"PING"), b"PONG")
        return child, server

    def write_pools(self, pools):
        """Pools as {name: ([settings], [servers])}; each listens on the socket NAME.sock."""
        text = ""
        for name, (settings, servers) in pools.items():
            text += f"{name}:\n  listen: {self.path(name)}.sock\n"
            text += "".join(f"  {setting}\n" for setting in settings)
            text += "  servers:\n" + "".join(f"   - {server}\n" for server in servers) + "\n"
        with open(self.path("nutcracker.yml"), "w") as file:
            file.write(text)

    def start_nutcracker(self):
        self.statistics = free_address()
        host, port = self.statistics.split(":")
        self.start("nutcracker", "-c", self.path("nutcracker.yml"), "-a", host, "-s", port, "-i",
                   "50", "-o", self.path("nutcracker.log"))

    def pool(self, name):
        client = Redis(f"unix:{self.path(name)}.sock")
        self.addCleanup(client.close)
        return client

    # -- what Placement says ---------------------------------------------------------------------

    def owners(self, pool, keys, off_the_ring=()):
        """{address: the keys that lie there}."""
        done = subprocess.run([OWNERS, self.path("nutcracker.yml"), pool, *off_the_ring],
                              input="".join(key.hex() + "\n" for key in keys), text=True,
                              stdout=subprocess.PIPE, check=True)
        owned = {}
        addresses = done.stdout.splitlines()
        self.assertEqual(len(addresses), len(keys))
        for key, address in zip(keys, addresses):
            owned.setdefault(address, set()).add(key)
        return owned

    def check_pool(self, name, servers, keys, off_the_ring=()):
        for server in servers.values():
            self.assertEqual(server.ask(b"FLUSHALL"), b"OK")
        self.pool(name).set_all(keys)
        expected = self.owners(name, keys, off_the_ring)
        for address, server in servers.items():
            found = set(server.ask(b"KEYS", b"*"))
            self.assertEqual(found, expected.get(address, set()), f"{name}: {address}")

    # -- tests -----------------------------------------------------------------------------------

    def test_every_hash_and_distribution(self):
        addresses = [free_address() for _ in range(4)]
        addresses += [free_address(11211), f"unix:{self.path('backend.sock')}"]
        servers = {address: self.start_redis(address)[1] for address in addresses}
        a, b, c, d, e, f = [address.removeprefix("unix:") for address in addresses]
        lists = {"plain": [f"{a}:1", f"{b}:1", f"{c}:1", f"{d}:1", f"{e}:1", f"{f}:1"],
                 "weighted": [f"{a}:1 zebra", f"{b}:7", f"{c}:3 ant", f"{d}:100 x", f"{f}:2"]}
        pools = {}
        for hash_name in HASHES:
            for distribution in ("ketama", "modula"):
                for kind, listed in lists.items():
                    settings = ["redis: true", f"hash: {hash_name}", f"distribution: {distribution}"]
                    if kind == "weighted":
                        settings.append('hash_tag: "{}"')
                    pools[f"{hash_name}-{distribution}-{kind}"] = (settings, listed)
        pools["defaults"] = (["redis: true"], [f"{a}:1", f"{b}:1", f"{c}:1"])
        pools["same-tag-characters"] = (["redis: true", 'hash_tag: "::"'], lists["plain"])
        pools["single"] = (["redis: true"], [f"{e}:1"])
        pools["lopsided"] = (["redis: true"], [f"{a}:100000", f"{b}:1"])
        self.write_pools(pools)
        self.start_nutcracker()
        for number, name in enumerate(pools):
            with self.subTest(pool=name):
                self.check_pool(name, servers, make_keys(KEYS, seed=number))

    def test_156_points_for_each_of_25_servers(self):
        servers = {}
        for _ in range(25):
            address = free_address()
            servers[address] = self.start_redis(address)[1]
        self.write_pools({"p": (["redis: true"], [f"{address}:1" for address in servers])})
        self.start_nutcracker()
        self.check_pool("p", servers, make_keys(KEYS, seed=1))

    def test_ejected_servers(self):
        for distribution in ("ketama", "modula"):
            with self.subTest(distribution=distribution):
                self.check_ejection(distribution)

    def check_ejection(self, distribution):
        """After a server is ejected the others have all keys, with as many points as they then have."""
        addresses = [free_address() for _ in range(5)]
        started = {address: self.start_redis(address) for address in addresses}
        name = f"eject-{distribution}"
        self.write_pools({name: (["redis: true", f"distribution: {distribution}",
                                  "auto_eject_hosts: true", "server_failure_limit: 1",
                                  "server_retry_timeout: 600000"],
                                 [f"{address}:{i + 1}" for i, address in enumerate(addresses)])})
        self.start_nutcracker()
        keys = make_keys(KEYS, seed=2)
        self.check_pool(name, {a: server for a, (_, server) in started.items()}, keys)

        gone = addresses[2]
        started[gone][0].kill()
        started[gone][0].wait()
        deadline = time.monotonic() + PATIENCE
        while self.ejections(name) == 0:
            self.assertLess(time.monotonic(), deadline, "nothing was ejected")
            client = self.pool(name)
            for key in sorted(self.owners(name, keys)[gone])[:10]:
                try:
                    client.ask(b"SET", key, b"v")
                except (RuntimeError, EOFError, OSError):
                    break
        alive = {a: server for a, (_, server) in started.items() if a != gone}
        self.check_pool(name, alive, keys, off_the_ring=[gone])

    def ejections(self, pool):
        with connect(self.statistics) as connection:
            text = connection.makefile("rb").read()
        return json.loads(text)[pool]["server_ejects"]

    def test_memcached(self):
        addresses = [free_address() for _ in range(3)]
        for address in addresses:
            self.start("memcached", "-u", "nobody", "-l", address.split(":")[0], "-p",
                       address.split(":")[1], "-U", "0", "-m", "16")
            connect(address).close()
        self.write_pools({"m": (["hash: jenkins"], [f"{address}:1" for address in addresses])})
        self.start_nutcracker()
        keys = [b"key:%d" % i for i in range(2000)]
        with connect(f"unix:{self.path('m')}.sock") as proxy:
            replies = proxy.makefile("rb")
            for key in keys:
                proxy.sendall(b"set %s 0 0 1\r\nv\r\n" % key)
                self.assertEqual(replies.readline(), b"STORED\r\n")
        for address, owned in self.owners("m", keys).items():
            with connect(address) as server:
                lines = server.makefile("rb")
                for key in owned:
                    server.sendall(b"get %s\r\n" % key)
                    self.assertEqual(lines.readline(), b"VALUE %s 0 1\r\n" % key)
                    self.assertEqual((lines.readline(), lines.readline()), (b"v\r\n", b"END\r\n"))

    def test_the_importer_takes_what_nutcracker_takes(self):
        for text in ACCEPTED:
            with self.subTest(text=text):
                self.assertTrue(self.nutcracker_takes(text))
                self.assertTrue(self.importer_takes(text))
        for text in REFUSED:
            with self.subTest(text=text):
                self.assertFalse(self.nutcracker_takes(text))
                self.assertFalse(self.importer_takes(text))
        for text, nutcracker, importer in DIFFERENT:
            with self.subTest(text=text):
                self.assertEqual(self.nutcracker_takes(text), nutcracker)
                self.assertEqual(self.importer_takes(text), importer)

    def nutcracker_takes(self, text):
        return self.takes(text, ["nutcracker", "-t", "-c", self.path("tried.yml")])

    def importer_takes(self, text):
        return self.takes(text, [OWNERS, self.path("tried.yml")])

    def takes(self, text, command):
        with open(self.path("tried.yml"), "w") as file:
            file.write(text)
        return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              check=False).returncode == 0


def pool(settings, servers=("127.0.0.1:2:1",), listen="127.0.0.1:1"):
    return (f"p:\n  listen: {listen}\n" + "".join(f"  {line}\n" for line in settings) +
            "  servers:\n" + "".join(f"   - {server}\n" for server in servers))


ACCEPTED = [
    pool([]),
    pool(["timeout: 0", "backlog: 0", "client_connections: 5", "tcpkeepalive: true"]),
    pool(["hash: one_at_a_time", "distribution: random", 'hash_tag: "$$"']),
    pool(["redis: true", "redis_auth: x", "redis_db: 3", "preconnect: false"]),
    pool(["server_failure_limit: 0", "server_retry_timeout: 0", "server_connections: 9"]),
    pool(["redis_db: 3"]),
    pool([], ["h:1:1 x", "h:1:1 y"]),
    pool([], ["/a:1", "/a:2 b"]),
    pool([], ["::1:6379:1", "h:06379:01"]),
    pool([], ["h:1:100000", "g:1:1"]),
    pool([], listen="/tmp/x 0777"),
    pool([], listen="/tmp/x"),
    pool([]) + "q:\n  listen: 127.0.0.1:3\n  servers:\n   - h:1:1\n",
    "# a comment\n" + pool([]),
]

REFUSED = [
    "",
    "p:\n",
    "p: 1\n",
    "- p\n",
    pool(["unknown: 1"]),
    pool(["sentinels: 1"]),
    pool(["hash: md5", "hash: md5"]),
    pool(["timeout: 1", "timeout: 1"]),
    pool(["timeout: -1"]),
    pool(["timeout: 1s"]),
    pool(["redis: yes"]),
    pool(["redis: True"]),
    pool(["hash: sha1"]),
    pool(["hash: FNV1A_64"]),
    pool(["distribution: ring"]),
    pool(["hash_tag: x"]),
    pool(["hash_tag: xyz"]),
    pool(["server_connections: 0"]),
    pool(["redis_auth: x"]),
    pool([], ["h:1:1", "h:1:2"]),
    pool([], ["h:1:1 x", "g:1:1 x"]),
    pool([], ["h:1"]),
    pool([], ["h:1:0"]),
    pool([], ["h:1:x"]),
    pool([], ["h:0:1"]),
    pool([], ["h:65536:1"]),
    pool([], ["/a:b:1"]),
    pool([], ["h:1:1  x"]),
    pool([], listen="nowhere"),
    pool([], listen="127.0.0.1:0"),
    pool([], listen="/tmp/x 1777"),
    pool([]) + "q:\n  listen: 127.0.0.1:1\n  servers:\n   - h:1:1\n",
    pool([]) + pool([], listen="127.0.0.1:2"),
    "p:\n  servers:\n   - h:1:1\n",
    "p:\n  listen: 127.0.0.1:1\n",
    'p:\n  listen: 127.0.0.1:1\n  servers: ["h:1:1"]\n',
    'p: {listen: "127.0.0.1:1"}\n',
]

# Each with what nutcracker and what the importer says, and why they differ.
DIFFERENT = [
    ("---\n" + pool([]), False, True),  # harmless
    (pool(["servers: h:1:1"]), True, False),  # nutcracker adds the two up
    (pool([], ["h:1:1 " + "n" * 83]), True, False),  # nutcracker hashes what lies behind a buffer
    (pool(["reuseport: true"]), False, True),  # in twemproxy since 0.5.0 was released
    (pool(["hash_tag: \"  \""]), True, False),  # a tag of blanks
    (pool([], listen="/tmp/x 0abc"), True, False),  # nutcracker reads the 0
    (pool([], ["h:1:1000001", "g:1:1"]), True, False),  # beyond quorate's limit of weights
]


if __name__ == "__main__":
    OWNERS = sys.argv.pop(1)
    unittest.main()
