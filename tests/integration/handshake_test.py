"""What clients say before their first command, one by one on a bare socket (compat.md, 1)."""

import struct

import harness
from harness import connect
from resp import Error, Resp, encode


class RedisHandshake(harness.Test):
    def setUp(self):
        super().setUp()
        self.proxy, self.servers = self.redis_pool(3)
        self.client = Resp(self.proxy.address())
        self.addCleanup(self.client.close)

    def test_a_bare_get_is_answered_at_once(self):
        self.assertIsNone(self.client.ask("GET", "nothing"))

    def test_hello_3_pipelined_with_commands_switches_in_mid_pipeline(self):
        c = self.client
        c.ask("HSET", "h", "f", "v")
        c.send_raw(encode("HGETALL", "h") + encode("GET", "nothing") + encode("HELLO", "3") +
                   encode("CLIENT", "SETINFO", "LIB-NAME", "node-redis") +
                   encode("HGETALL", "h") + encode("GET", "nothing") + encode("HELLO", "2") +
                   encode("HGETALL", "h"))
        self.assertEqual(c.read_raw(), b"*2\r\n$1\r\nf\r\n$1\r\nv\r\n")
        self.assertEqual(c.read_raw(), b"$-1\r\n")
        hello = c.read()
        self.assertEqual(hello[b"proto"], 3)
        self.assertEqual(hello[b"server"], b"redis")
        self.assertEqual(hello[b"mode"], b"standalone")
        self.assertEqual(hello[b"role"], b"master")
        self.assertEqual(hello[b"version"], self.servers_version())
        self.assertEqual(c.read(), b"OK")
        self.assertEqual(c.read_raw(), b"%1\r\n$1\r\nf\r\n$1\r\nv\r\n")
        self.assertEqual(c.read_raw(), b"_\r\n")
        self.assertIsInstance(c.read(), list)
        self.assertEqual(c.read_raw(), b"*2\r\n$1\r\nf\r\n$1\r\nv\r\n")

    def servers_version(self):
        with Resp(self.servers[0].address) as server:
            info = server.ask("INFO", "server").decode()
        return dict(line.split(":", 1) for line in info.splitlines()
                    if ":" in line)["redis_version"].encode()

    def test_hello_takes_auth_and_setname_and_refuses_what_redis_refuses(self):
        c = self.client
        self.assertEqual(c.ask("HELLO", "3", "AUTH", "default", "x", "SETNAME", "me")[b"proto"], 3)
        self.assertEqual(c.ask("CLIENT", "GETNAME"), b"me")
        with Resp(self.servers[0].address) as server:
            for words in (["HELLO", "4"], ["HELLO", "x"], ["HELLO", "1"], ["HELLO", "3", "NO"],
                          ["HELLO", "2", "AUTH", "nobody", "x"], ["HELLO", "2", "SETNAME", "a b"]):
                self.assertEqual(c.ask(*words), server.ask(*words), words)

    def test_a_client_may_introduce_itself(self):
        c = self.client
        self.assertEqual(c.ask("CLIENT", "SETINFO", "LIB-NAME", "redis-py"), b"OK")
        self.assertEqual(c.ask("CLIENT", "SETINFO", "LIB-VER", "8.0.0"), b"OK")
        self.assertEqual(c.ask("client", "setname", "worker-1"), b"OK")
        self.assertEqual(c.ask("client", "getname"), b"worker-1")
        self.assertIn(b"name=worker-1", c.ask("CLIENT", "INFO"))
        self.assertIsInstance(c.ask("CLIENT", "ID"), int)
        self.assertIsInstance(c.ask("CLIENT", "SETNAME", "two words"), Error)
        self.assertEqual(c.ask("CLIENT", "NO-EVICT", "on"), b"OK")

    def test_maint_notifications_is_refused_with_an_error_and_nothing_else(self):
        c = self.client
        replies = c.ask_all([["CLIENT", "MAINT_NOTIFICATIONS", "ON", "moving-endpoint-type",
                              "internal-ip"], ["SET", "a", "1"], ["GET", "a"]])
        self.assertIsInstance(replies[0], Error)
        self.assertTrue(replies[0].startswith(b"ERR unknown subcommand"), replies[0])
        self.assertEqual(replies[1:], [b"OK", b"1"])

    def test_info_has_what_ready_checks_read(self):
        for name in ("info", "INFO"):
            info = self.client.ask(name).decode()
            fields = dict(line.split(":", 1) for line in info.splitlines() if ":" in line)
            self.assertEqual(fields["loading"], "0")
            self.assertEqual(fields["redis_version"].encode(), self.servers_version())
            self.assertEqual(fields["role"], "master")
            for field in ("used_memory", "connected_clients", "blocked_clients",
                          "total_commands_processed", "total_connections_received"):
                self.assertGreaterEqual(int(fields[field]), 0, field)
        self.assertIn(b"redis_version", self.client.ask("INFO", "server"))
        self.assertNotIn(b"redis_version", self.client.ask("INFO", "memory"))

    def test_auth_is_answered_as_by_a_server_without_a_password(self):
        with Resp(self.servers[0].address) as server:
            for words in (["AUTH", "x"], ["AUTH", "default", "x"], ["AUTH", "nobody", "x"],
                          ["AUTH"], ["AUTH", "a", "b", "c"]):
                self.assertEqual(self.client.ask(*words), server.ask(*words), words)

    def test_select_works_and_refuses_as_redis_does(self):
        c = self.client
        self.assertEqual(c.ask("select", "0"), b"OK")
        self.assertEqual(c.ask_all([["SET", "k", "zero"], ["SELECT", "3"], ["SET", "k", "three"],
                                    ["GET", "k"], ["SELECT", "0"], ["GET", "k"]]),
                         [b"OK", b"OK", b"OK", b"three", b"OK", b"zero"])
        with Resp(self.servers[0].address) as server:
            for index in ("16", "-1", "x", "99999999999", "9" * 30, "65536"):
                self.assertEqual(c.ask("SELECT", index), server.ask("SELECT", index), index)
        self.assertEqual(c.ask("GET", "k"), b"zero")

    def test_commands_about_commands(self):
        c = self.client
        self.assertGreater(c.ask("COMMAND", "COUNT"), 200)
        self.assertGreater(len(c.ask("COMMAND")), 200)
        self.assertEqual(c.ask("COMMAND", "INFO", "get")[0][0], b"get")
        self.assertEqual(c.ask("COMMAND", "GETKEYS", "MSET", "a", "1", "b", "2"), [b"a", b"b"])
        self.assertIn(b"summary", c.ask("COMMAND", "DOCS", "get")[1])
        c.ask("HELLO", "3")
        self.assertIn(b"get", c.ask("COMMAND", "DOCS"))

    def test_config_get_answers_what_benchmarks_ask(self):
        self.assertEqual(self.client.ask("CONFIG", "GET", "save"), [b"save", b""])
        self.assertEqual(self.client.ask("CONFIG", "GET", "appendonly"), [b"appendonly", b"no"])

    def test_small_words_of_the_connection(self):
        c = self.client
        self.assertEqual(c.ask("PING"), b"PONG")
        self.assertEqual(c.ask("ping", "hello"), b"hello")
        self.assertEqual(c.ask("ECHO", "x"), b"x")
        seconds, micros = c.ask("TIME")
        self.assertGreater(int(seconds), 1_600_000_000)
        self.assertLess(int(micros), 1_000_000)
        self.assertIsInstance(c.ask("CLUSTER", "NODES"), Error)
        self.assertEqual(c.ask("CLIENT", "SETNAME", "x"), b"OK")
        self.assertEqual(c.ask("RESET"), b"RESET")
        self.assertIsNone(c.ask("CLIENT", "GETNAME"))

    def test_quit_answers_ok_and_closes(self):
        self.client.send_raw(encode("SET", "a", "1") + encode("QUIT") + encode("SET", "a", "2"))
        self.assertEqual([self.client.read(), self.client.read()], [b"OK", b"OK"])
        self.assertTrue(self.client.at_end())
        with Resp(self.proxy.address()) as other:
            self.assertEqual(other.ask("GET", "a"), b"1")

    def test_inline_commands_with_arguments(self):
        c = self.client
        c.send_raw(b'PING\r\nSET inline "a b\\x41"\nget inline\r\n\r\n\r\n  ECHO \'it\\\'s\'  \r\n')
        self.assertEqual([c.read() for _ in range(4)], [b"PONG", b"OK", b"a bA", b"it's"])
        c.send_raw(b'SET k "unbalanced\r\n')
        self.assertEqual(c.read(), b"ERR Protocol error: unbalanced quotes in request")
        self.assertTrue(c.at_end())

    def test_names_may_be_written_in_any_case(self):
        self.assertEqual(self.client.ask_all([["set", "a", "1"], ["GeT", "a"], ["mGet", "a", "b"],
                                              ["dEL", "a"]]), [b"OK", b"1", [b"1", None], 1])

    def test_what_a_connection_may_not_do_is_an_error_and_not_a_close(self):
        for words in (["SUBSCRIBE", "c"], ["BLPOP", "a", "1"],
                      ["MONITOR"], ["SHUTDOWN"], ["CONFIG", "SET", "save", ""],
                      ["REPLICAOF", "h", "1"], ["DEBUG", "SLEEP", "1"]):
            self.assertIsInstance(self.client.ask(*words), Error, words)
        self.assertEqual(self.client.ask("PING"), b"PONG")

    def test_keys_of_20000_bytes_are_legal(self):
        key = "k" * 20000
        self.assertEqual(self.client.ask_all([["SET", key, "v"], ["GET", key], ["MGET", key, "x"]]),
                         [b"OK", b"v", [b"v", None]])


class RedisPassword(harness.Test):
    def test_a_pool_with_a_password_answers_as_redis_with_requirepass(self):
        server = self.redis("--requirepass", "server-secret")
        reference = self.redis("--requirepass", "s3cret")
        proxy = self.quorate({"p": {"password": "s3cret", "backends": [
            {"address": server.address, "password": "server-secret"}]}})
        conversations = [
            [["GET", "a"], ["AUTH", "wrong"], ["GET", "a"], ["AUTH", "s3cret"], ["SET", "a", "1"],
             ["GET", "a"]],
            [["AUTH", "default", "s3cret"], ["GET", "a"], ["AUTH", "nobody", "s3cret"],
             ["GET", "a"]],
            [["PING"], ["ECHO", "x"], ["NOSUCH", "x"], ["COMMAND", "COUNT"], ["INFO"],
             ["SELECT", "1"], ["CLIENT", "ID"], ["GET"], ["MGET", "a", "b"], ["TIME"]],
            [["HELLO", "3"], ["HELLO", "2", "AUTH", "default", "no"], ["GET", "a"]],
            [["GET", "a"], ["RESET"], ["GET", "a"], ["AUTH", "s3cret"], ["RESET"], ["GET", "a"]],
            [["QUIT"]],
        ]
        for commands in conversations:
            with Resp(proxy.address()) as ours, Resp(reference.address) as theirs:
                for words in commands:
                    self.assertEqual(ours.ask(*words), theirs.ask(*words), words)
        with Resp(proxy.address()) as client:
            self.assertEqual(client.ask("HELLO", "3", "AUTH", "default", "s3cret")[b"proto"], 3)
            self.assertEqual(client.ask("GET", "a"), b"1")

    def test_before_auth_limits_are_those_of_redis(self):
        server = self.redis()
        reference = self.redis("--requirepass", "s3cret")
        proxy = self.quorate({"p": {"password": "s3cret", "backends": [server.address]}})
        for data in (b"*11\r\n", b"*2\r\n$4\r\nAUTH\r\n$16385\r\n"):
            with Resp(proxy.address()) as ours, Resp(reference.address) as theirs:
                ours.send_raw(data)
                theirs.send_raw(data)
                self.assertEqual(ours.read(), theirs.read(), data)
                self.assertTrue(ours.at_end())


def packet(opcode, key=b"", extras=b"", value=b"", opaque=0, cas=0):
    body = extras + key + value
    return struct.pack(">BBHBBHIIQ", 0x80, opcode, len(key), len(extras), 0, 0, len(body), opaque,
                       cas) + body


class MemcachedHandshake(harness.Test):
    def setUp(self):
        super().setUp()
        self.proxy, self.servers = self.memcached_pool(3)
        self.socket = connect(self.proxy.address())
        self.file = self.socket.makefile("rb")
        self.addCleanup(self.socket.close)
        self.addCleanup(self.file.close)

    def ask(self, data, lines=1):
        self.socket.sendall(data)
        return [self.file.readline() for _ in range(lines)]

    def read_packet(self):
        header = self.file.read(24)
        magic, opcode, keys, extras, _, status, body, opaque, _ = struct.unpack(">BBHBBHIIQ", header)
        self.assertEqual(magic, 0x81)
        data = self.file.read(body)
        return opcode, status, opaque, data[extras:extras + keys], data[extras + keys:]

    def test_a_bare_get_is_answered_at_once(self):
        self.assertEqual(self.ask(b"get nothing\r\n"), [b"END\r\n"])

    def test_version_with_words_behind_it_is_a_legal_probe(self):
        with connect(self.servers[0].address) as server:
            lines = server.makefile("rb")
            for probe in (b"version\r\n", b"version foo bar\r\n"):
                server.sendall(probe)
                self.assertEqual(self.ask(probe), [lines.readline()])

    def test_mn_and_stats_and_quit(self):
        self.assertEqual(self.ask(b"mn\r\n"), [b"MN\r\n"])
        self.socket.sendall(b"stats\r\n")
        stats = {}
        while True:
            line = self.file.readline()
            if line == b"END\r\n":
                break
            _, name, value = line.split(b" ", 2)
            stats[name] = value.strip()
        for name in (b"pid", b"version", b"curr_items", b"cmd_get", b"limit_maxbytes"):
            self.assertIn(name, stats)
        self.assertEqual(int(stats[b"limit_maxbytes"]), 3 * 64 * 1024 * 1024)
        self.socket.sendall(b"quit\r\n")
        self.assertEqual(self.file.read(), b"")

    def test_unsupported_lines_get_memcached_s_own_errors(self):
        with connect(self.servers[0].address) as server:
            lines = server.makefile("rb")
            for data in (b"nonsense\r\n", b"get\r\n", b"set a\r\n", b"incr a x\r\n", b"\r\n",
                         b"touch a\r\n", b"mg\r\n"):
                server.sendall(data)
                self.assertEqual(self.ask(data), [lines.readline()], data)

    def test_a_storage_line_that_does_not_tell_its_length_is_refused_and_closes(self):
        self.assertEqual(self.ask(b"set a b c d\r\n"),
                         [b"CLIENT_ERROR bad command line format\r\n"])
        self.assertEqual(self.file.read(), b"")

    def test_binary_noop_version_getkq_and_quit(self):
        self.socket.sendall(packet(0x0b, opaque=7) + packet(0x01, b"k", b"\0" * 8, b"v", opaque=8) +
                            packet(0x0d, b"absent", opaque=1) + packet(0x0d, b"k", opaque=2) +
                            packet(0x0a, opaque=3) + packet(0x07))
        opcode, status, opaque, _, version = self.read_packet()
        self.assertEqual((opcode, status, opaque), (0x0b, 0, 7))
        self.assertTrue(version.startswith(b"1."))
        self.assertEqual(self.read_packet()[:3], (0x01, 0, 8))
        self.assertEqual(self.read_packet(), (0x0d, 0, 2, b"k", b"v"))
        self.assertEqual(self.read_packet()[:3], (0x0a, 0, 3))
        self.assertEqual(self.read_packet()[:2], (0x07, 0))
        self.assertEqual(self.file.read(), b"")

    def test_sasl_is_answered_with_unknown_command_as_by_a_server_without_it(self):
        with connect(self.servers[0].address) as server:
            replies = server.makefile("rb")
            for data in (packet(0x20, opaque=9), packet(0x21, b"PLAIN", b"", b"\0u\0p", opaque=10)):
                server.sendall(data)
                self.socket.sendall(data)
                header = self.file.read(24)
                self.assertEqual(header, replies.read(24))
                size = struct.unpack(">I", header[8:12])[0]
                self.assertEqual(self.file.read(size), replies.read(size))


if __name__ == "__main__":
    harness.main()
