"""Backends that die, freeze, slow down, answer nothing or refuse: their own commands get a prompt and
honest error, those of the others do not notice, and all is well again when they are.

Promptness is shown by order, not by a clock: a request_timeout of an hour never comes to anybody's
help, one of a fraction of a second ends what nobody else would.
"""

import socket

import harness
from fakes import FakeRedis, Silent, Speaks
from harness import HOST, connect, free_port, wait_until
from resp import Error, Resp

QUICK = {"reconnect_backoff": "5ms", "reconnect_backoff_max": "20ms", "probe_interval": "50ms",
         "probe_timeout": "50ms"}


class Text:
    """A memcached connection, one line asked and one answered."""

    def __init__(self, address):
        self.socket = connect(address)
        self.file = self.socket.makefile("rb")

    def close(self):
        self.file.close()
        self.socket.close()

    def ask(self, line, value=None):
        self.socket.sendall(line.encode() + b"\r\n" + (value + b"\r\n" if value is not None else b""))
        answer = self.file.readline()
        if answer.startswith(b"VALUE"):
            answer += self.file.readline() + self.file.readline()
        return answer


class Backends(harness.Test):
    def client(self, proxy, pool="p"):
        client = Resp(proxy.address(pool))
        self.addCleanup(client.close)
        return client

    def text_client(self, proxy, pool="p"):
        client = Text(proxy.address(pool))
        self.addCleanup(client.close)
        return client

    def serves(self, client, key):
        return wait_until(lambda: client.ask("SET", key, "v") == b"OK", f"{key} to be served")

    # -- killed, and started again ---------------------------------------------------------------

    def test_redis_killed_and_started_again(self):
        proxy, servers = self.redis_pool(eject_after=0, request_timeout="1h", **QUICK)
        keys = [one[0] for one in self.keys_by_owner(proxy, servers, 1)]
        client = self.client(proxy)
        self.assertEqual([client.ask("SET", key, "v") for key in keys], [b"OK"] * 3)
        for _ in range(3):
            servers[0].kill()
            self.assertEqual(client.ask("GET", keys[0]),
                             Error(f"ERR backend {servers[0].address} unavailable".encode()))
            self.assertEqual(client.ask("SET", keys[0], "w"),
                             Error(f"ERR backend {servers[0].address} unavailable".encode()))
            self.assertEqual([client.ask("GET", key) for key in keys[1:]], [b"v"] * 2)
            servers[0].start()
            self.serves(client, keys[0])
        self.assertTrue(proxy.events("backend down"))
        self.assertTrue(proxy.events("backend up"))

    def test_memcached_killed_and_started_again(self):
        proxy, servers = self.memcached_pool(eject_after=0, request_timeout="1h", **QUICK)
        keys = [one[0] for one in self.keys_by_owner(proxy, servers, 1)]
        client = self.text_client(proxy)
        for key in keys:
            self.assertEqual(client.ask(f"set {key} 0 0 1", b"v"), b"STORED\r\n")
        servers[0].kill()
        unavailable = f"SERVER_ERROR backend {servers[0].address} unavailable\r\n".encode()
        self.assertEqual(client.ask(f"get {keys[0]}"), unavailable)
        self.assertEqual(client.ask(f"set {keys[0]} 0 0 1", b"w"), unavailable)
        self.assertEqual(client.ask(f"get {keys[1]}"),
                         b"VALUE %s 0 1\r\nv\r\nEND\r\n" % keys[1].encode())
        servers[0].start()
        wait_until(lambda: client.ask(f"get {keys[0]}") == b"END\r\n", "memcached to be served")

    def test_a_write_that_was_sent_to_one_that_dies_is_indeterminate(self):
        proxy, servers = self.redis_pool(2, eject_after=0, request_timeout="1h", **QUICK)
        (mine,), (other,) = self.keys_by_owner(proxy, servers, 1)
        client, neighbour = self.client(proxy), self.client(proxy)
        client.ask("SET", mine, "v")
        servers[0].freeze()
        client.send("SET", mine, "w")
        wait_until(lambda: proxy.metric("quorate_backend_in_flight", backend=servers[0].address),
                   "the write to be on its way")
        self.assertEqual(neighbour.ask("SET", other, "v"), b"OK")
        servers[0].kill()
        self.assertEqual(client.read(), Error(
            f"INDETERMINATE backend {servers[0].address}: outcome unknown".encode()))

    # -- frozen and slow -------------------------------------------------------------------------

    def test_frozen_backends_time_out_and_thaw(self):
        proxy, servers = self.redis_pool(2, eject_after=0, request_timeout="150ms", **QUICK)
        (mine,), (other,) = self.keys_by_owner(proxy, servers, 1)
        client, neighbour = self.client(proxy), self.client(proxy)
        self.assertEqual(client.ask("SET", mine, "v"), b"OK")
        servers[0].freeze()
        client.send("GET", mine)
        self.assertEqual(neighbour.ask("SET", other, "v"), b"OK")
        self.assertEqual(client.read(), Error(f"ERR backend {servers[0].address} timed out".encode()))
        self.assertIsInstance(client.ask("SET", mine, "w"), Error)
        servers[0].thaw()
        self.serves(client, mine)
        self.assertGreater(proxy.metric("quorate_backend_errors_total", kind="timeout"), 0)

    def test_memcached_frozen_and_thawed(self):
        proxy, servers = self.memcached_pool(2, eject_after=0, request_timeout="150ms", **QUICK)
        (mine,), (other,) = self.keys_by_owner(proxy, servers, 1)
        client = self.text_client(proxy)
        self.assertEqual(client.ask(f"set {mine} 0 0 1", b"v"), b"STORED\r\n")
        servers[0].freeze()
        self.assertEqual(client.ask(f"get {mine}"),
                         f"SERVER_ERROR backend {servers[0].address} timed out\r\n".encode())
        self.assertEqual(client.ask(f"set {other} 0 0 1", b"v"), b"STORED\r\n")
        servers[0].thaw()
        wait_until(lambda: client.ask(f"get {mine}").startswith(b"VALUE"), "memcached to thaw")

    def test_what_a_slow_server_answers_late_answers_nothing_else(self):
        server = self.redis("--enable-debug-command", "yes")
        proxy = self.quorate({"p": {"backends": [server.address], "request_timeout": "100ms",
                                    "eject_after": 0, **QUICK}})
        client = self.client(proxy)
        direct = Resp(server.address)
        self.addCleanup(direct.close)
        for number in range(3):
            direct.send("DEBUG", "SLEEP", "0.4")
            wait_until(lambda n=number: isinstance(client.ask("ECHO", f"a{n}"), bytes) and
                       isinstance(client.ask("GET", f"a{n}"), Error), "a command to time out")
            self.assertEqual(direct.read(), b"OK")
            self.serves(client, f"k{number}")
            for i in range(20):
                self.assertEqual(client.ask("SET", f"k{i}", f"{number}.{i}"), b"OK")
                self.assertEqual(client.ask("GET", f"k{i}"), f"{number}.{i}".encode())

    # -- never there -----------------------------------------------------------------------------

    def test_one_that_accepts_and_never_answers(self):
        silent = Silent()
        self.addCleanup(silent.close)
        server = self.redis()
        proxy = self.quorate({"p": {"backends": [silent.address, server.address], "eject_after": 0,
                                    "connect_timeout": "150ms", "request_timeout": "1h", **QUICK}})
        (mine,), (other,) = self.keys_by_owner(proxy, [silent, server], 1)
        client, neighbour = self.client(proxy), self.client(proxy)
        client.send("SET", mine, "v")
        self.assertEqual(neighbour.ask("SET", other, "v"), b"OK")
        self.assertEqual(client.read(),
                         Error(f"ERR backend {silent.address} unavailable".encode()))
        self.assertGreater(silent.accepted, 0)

    def test_one_that_cannot_be_reached_or_refuses(self):
        refusing = f"{HOST}:{free_port()}"
        server = self.redis()
        proxy = self.quorate({"p": {"backends": [refusing, server.address, "unix:" + self.path("no")],
                                    "eject_after": 0, "request_timeout": "1h", **QUICK}})
        owners = self.owners(proxy, [f"k{i}" for i in range(50)])
        client = self.client(proxy)
        for key, owner in owners.items():
            answer = client.ask("SET", key, "v")
            if owner == server.address:
                self.assertEqual(answer, b"OK")
            else:
                self.assertEqual(answer, Error(f"ERR backend {owner} unavailable".encode()))

    def test_one_that_speaks_nonsense(self):
        speaks = Speaks(b"SSH-2.0-OpenSSH_9.2p1\r\n")
        self.addCleanup(speaks.close)
        proxy = self.quorate({"p": {"backends": [speaks.address], "eject_after": 0, **QUICK}})
        self.assertEqual(self.client(proxy).ask("SET", "a", "v"),
                         Error(f"ERR backend {speaks.address} unavailable".encode()))

    def test_one_that_is_loading_or_wants_a_password_says_so(self):
        server = self.redis("--requirepass", "secret")
        with_password = {"address": server.address, "password": "secret"}
        proxy = self.quorate({"with": {"backends": [with_password], **QUICK},
                              "without": {"backends": [server.address], "eject_after": 0, **QUICK}})
        self.assertEqual(self.client(proxy, "with").ask("SET", "a", "v"), b"OK")
        self.assertIsInstance(self.client(proxy, "without").ask("SET", "a", "v"), Error)
        states = {one["name"]: one["backends"][0] for one in proxy.status()["pools"]}
        self.assertIn("NOAUTH", states["without"]["last_refusal"])

    # -- ejected ---------------------------------------------------------------------------------

    def test_ejected_ones_fail_at_once_and_come_back_after_probes(self):
        proxy, servers = self.redis_pool(2, eject_after=3, readmit_after=2, request_timeout="1h",
                                         **QUICK)
        (mine,), (other,) = self.keys_by_owner(proxy, servers, 1)
        client = self.client(proxy)
        servers[0].freeze()
        wait_until(lambda: proxy.backend_state(servers[0].address) == "ejected", "it to be ejected")
        wait_until(lambda: isinstance(client.ask("GET", mine), Error), "both workers to know")
        self.assertEqual(client.ask("SET", other, "v"), b"OK")
        servers[0].thaw()
        wait_until(lambda: proxy.backend_state(servers[0].address) == "up", "it to be readmitted")
        self.serves(client, mine)
        self.assertEqual(len(proxy.events("backend ejected")), 1)
        self.assertEqual(len(proxy.events("backend readmitted")), 1)

    def test_the_keys_of_an_ejected_one_move_where_the_pool_says_so(self):
        proxy, servers = self.redis_pool(3, eject_after=2, on_eject="rehash", **QUICK)
        keys = self.keys_by_owner(proxy, servers, 20)
        client = self.client(proxy)
        for mine in keys:
            for key in mine:
                self.assertEqual(client.ask("SET", key, "v"), b"OK")
        epoch = proxy.status()["pools"][0]["epoch"]
        servers[0].kill()
        wait_until(lambda: proxy.backend_state(servers[0].address) == "ejected", "it to be ejected")
        wait_until(lambda: client.ask("SET", keys[0][0], "w") == b"OK", "its keys to move")
        self.assertEqual({client.ask("SET", key, "w") for key in keys[0]}, {b"OK"})
        self.assertEqual({client.ask("GET", key) for key in keys[1] + keys[2]}, {b"v"})
        self.assertGreater(proxy.status()["pools"][0]["epoch"], epoch)
        servers[0].start()
        wait_until(lambda: proxy.backend_state(servers[0].address) == "up", "it to be readmitted")
        wait_until(lambda: client.ask("GET", keys[0][0]) is None, "its keys to move back")

    def test_the_last_ones_are_never_ejected(self):
        proxy, servers = self.redis_pool(2, eject_after=1, min_up=1, **QUICK)
        for server in servers:
            server.kill()
        wait_until(lambda: sorted(proxy.backend_state(server.address) for server in servers)
                   == ["ejected", "failing"], "one to be ejected, and one to be left")
        client = self.client(proxy)
        for server in servers:
            server.start()
        wait_until(lambda: {client.ask("SET", f"k{i}", "v") for i in range(20)} == {b"OK"},
                   "both to serve")

    # -- addresses -------------------------------------------------------------------------------

    def test_names_are_resolved_again_when_a_connection_is_made_again(self):
        # "localhost" has an address of each family: the one that answers now is found.
        port = free_port()
        server = self.spawn(["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--save", "",
                             "--dir", self.folder], self.path("localhost.log"))
        wait_until(lambda: harness.listens(f"127.0.0.1:{port}"), "redis-server")
        proxy = self.quorate({"p": {"backends": [f"localhost:{port}"], "eject_after": 0, **QUICK}})
        client = self.client(proxy)
        self.assertEqual(client.ask("SET", "a", "v"), b"OK")
        server.kill()
        self.assertIsInstance(client.ask("SET", "a", "v"), Error)
        try:
            other = self.spawn(["redis-server", "--bind", "::1", "--port", str(port), "--save", "",
                                "--dir", self.folder], self.path("localhost6.log"))
            wait_until(lambda: harness.listens(f"[::1]:{port}") or not other.runs(), "redis-server")
        except AssertionError:
            self.skipTest("no IPv6 on this machine")
        if not other.runs():
            self.skipTest("no IPv6 on this machine")
        names = {one[4][0] for one in socket.getaddrinfo("localhost", port)}
        if "::1" not in names:
            self.skipTest("localhost has no IPv6 address on this machine")
        self.serves(client, "a")

    def test_unix_sockets_of_servers(self):
        redis = self.redis(address="unix:" + self.path("redis.sock"))
        memcached = self.memcached(address="unix:" + self.path("memcached.sock"))
        proxy = self.quorate({"p": {"backends": [redis.address], "eject_after": 0, **QUICK},
                              "m": {"protocol": "memcached", "backends": [memcached.address]}})
        client = self.client(proxy)
        self.assertEqual(client.ask("SET", "a", "v"), b"OK")
        self.assertEqual(self.text_client(proxy, "m").ask("set a 0 0 1", b"v"), b"STORED\r\n")
        redis.kill()
        self.assertIsInstance(client.ask("GET", "a"), Error)
        redis.start()
        self.serves(client, "a")

    # -- and nothing is left behind --------------------------------------------------------------

    def test_descriptors_and_memory_do_not_grow_with_failures(self):
        fake = FakeRedis()
        self.addCleanup(fake.close)
        proxy = self.quorate({"p": {"backends": [fake.address], "eject_after": 0, **QUICK}}, workers=1)
        client = self.client(proxy)

        def break_often():
            before = fake.accepted
            while fake.accepted < before + 30:
                fake.cut_all()
                wait_until(lambda: client.ask("SET", "a", "v") == b"OK", "to be connected again")

        break_often()
        began = proxy.descriptors()
        break_often()
        wait_until(lambda: proxy.descriptors() <= began + 2, "descriptors to be closed")


if __name__ == "__main__":
    harness.main()
