"""Users: the same ACL lines in a redis-server and in quorate, and the same commands as each of them.
What one refuses, the other refuses in the same words."""

import harness
from harness import effort
from redis_workload import TYPES, Workload, same
from resp import Error, Resp

USERS = """
user default on nopass ~* &* +@all -@dangerous
user reader on >secret ~* &* +@read +ping
user limited on >secret ~{a}* resetchannels +@all -@admin
user writer on >secret %W~{a}* %R~{b}* &* +@all
user few on >secret ~* -@all +get +set +mget +multi +exec +client|id
user gone off >secret ~* +@all
"""

# Commands with subcommands, in categories and by name.
OPERATORS = """
user default on nopass ~* &* -@all +auth +acl|whoami
user admin on >secret ~* +@admin
user dangerous on >secret ~* +@dangerous -keys
user connection on >secret ~* +@connection
user few on >secret ~* +@all -@admin +CONFIG|GET +client
user fewer on >secret ~* +config -config|set +client|id +@read -@slow
"""


class Users(harness.Test):
    def setUp(self):
        super().setUp()
        acl = self.write("users.acl", USERS.strip() + "\n")
        self.plain = self.redis("--aclfile", acl)
        self.servers = [self.redis()]
        self.proxy = self.quorate({"p": {"backends": [self.servers[0].address], "users": USERS}})

    def clients(self, *auth):
        both = [Resp(self.plain.address), Resp(self.proxy.address())]
        for client in both:
            self.addCleanup(client.close)
            if auth:
                self.assertEqual(client.ask("AUTH", *auth), b"OK")
        return both

    def test_both_servers_refuse_the_same_in_the_same_words(self):
        refused = 0
        for user in ("default", "reader", "limited", "writer", "few"):
            plain, proxied = self.clients(user, "secret")
            for kind in TYPES:
                if kind in ("scripting",):
                    continue
                works = Workload(kind, f"{user}", ["f" * 40], [b"x"], may_spoil=False)
                for _ in range(effort(150)):
                    words = works.command()
                    want, got = plain_reply(plain, words), plain_reply(proxied, words)
                    refused += want.startswith(b"-NOPERM")
                    if want.startswith(b"-NOPERM") or got.startswith(b"-NOPERM"):
                        self.assertEqual(want, got, (user, words))
                    else:
                        self.assertTrue(same(words, want, got), (user, words, want, got))
        self.assertGreater(refused, 100)

    def test_who_one_is(self):
        for client in self.clients():
            self.assertEqual(client.ask("ACL", "WHOAMI"), b"default")
            self.assertEqual(client.ask("AUTH", "reader", "wrong"),
                             b"WRONGPASS invalid username-password pair or user is disabled.")
            self.assertEqual(client.ask("AUTH", "gone", "secret"),
                             b"WRONGPASS invalid username-password pair or user is disabled.")
            self.assertIsInstance(client.ask("AUTH", "secret"), Error)
            self.assertEqual(client.ask("AUTH", "limited", "secret"), b"OK")
            self.assertEqual(client.ask("ACL", "WHOAMI"), b"limited")
            self.assertEqual(client.ask("RESET"), b"RESET")
            self.assertEqual(client.ask("ACL", "WHOAMI"), b"default")
            client.ask("HELLO", "3", "AUTH", "writer", "secret")
            self.assertEqual(client.ask("ACL", "WHOAMI"), b"writer")

    def test_who_may_everything_cannot_lock_the_proxy_out_and_resets_its_statistics_too(self):
        proxy = self.quorate({"p": {"backends": [self.servers[0].address],
                                    "users": "user default on nopass ~* &* +@all"}})

        def processed(client):
            text = client.ask("INFO", "stats")
            return int(text.split(b"total_commands_processed:")[1].split(b"\r\n")[0])
        with Resp(proxy.address()) as client:
            refused = client.ask("CONFIG", "SET", "maxmemory-policy", "noeviction", "RequirePass", "x")
            self.assertIn(b"requirepass is not possible", refused)
            self.assertEqual(client.ask("CONFIG", "GET", "requirepass"), [b"requirepass", b""])
            for _ in range(20):
                client.ask("PING")
            self.assertGreater(processed(client), 20)
            self.assertEqual(client.ask("CONFIG", "RESETSTAT"), b"OK")
            self.assertLess(processed(client), 20)

    def test_categories_have_the_subcommands_that_they_have_in_a_server(self):
        commands = [["CONFIG", "GET", "maxmemory-policy"], ["config", "get", "nosuch"],
                    ["CONFIG", "SET", "maxmemory-policy", "noeviction"], ["CONFIG", "RESETSTAT"],
                    ["CONFIG|GET", "maxmemory"], ["config|get"], ["CONFIG", "NOSUCH"],
                    ["CONFIG", "GET"], ["CLIENT", "GETNAME"], ["CLIENT", "NO-EVICT", "off"],
                    ["CLIENT", "UNPAUSE"], ["CLIENT", "KILL", "127.0.0.1:1"], ["GET", "k"],
                    ["SLOWLOG", "RESET"], ["LATENCY", "RESET"], ["KEYS", "nosuch"], ["SORT", "k"],
                    ["ACL", "CAT", "nosuch"], ["ACL", "WHOAMI"], ["SELECT", "0"],
                    ["OBJECT", "FREQ", "k"], ["MEMORY", "USAGE", "k"], ["SCRIPT", "EXISTS", "f"]]
        acl = self.write("operators.acl", OPERATORS.strip() + "\n")
        plain = self.redis("--aclfile", acl)
        proxy = self.quorate({"p": {"backends": [self.servers[0].address], "users": OPERATORS}})
        seen = {True: 0, False: 0}
        for user in ("default", "admin", "dangerous", "connection", "few", "fewer"):
            with Resp(plain.address) as direct, Resp(proxy.address()) as through:
                for client in (direct, through):
                    self.assertEqual(client.ask("AUTH", user, "secret"), b"OK")
                for words in commands:
                    want, got = plain_reply(direct, words), plain_reply(through, words)
                    self.assertEqual(want, got, (user, words))
                    seen[want.startswith(b"-NOPERM")] += 1
        self.assertGreater(min(seen.values()), 40)

    def test_an_exec_that_is_not_permitted_ends_the_transaction(self):
        for client in self.clients("reader", "secret"):
            self.assertIsInstance(client.ask("MULTI"), Error)
        for client in self.clients("few", "secret"):
            self.assertEqual(client.ask("MULTI"), b"OK")
            self.assertIsInstance(client.ask("DEL", "a"), Error)
            self.assertEqual(client.ask("EXEC"),
                             b"EXECABORT Transaction discarded because of previous errors.")

    def test_the_unlimited_default_operates_no_server(self):
        proxy, _ = self.redis_pool(2)
        with Resp(proxy.address()) as client:
            for words in (["CONFIG", "SET", "maxmemory", "1"], ["SHUTDOWN"], ["DEBUG", "SLEEP", "0"],
                          ["REPLICAOF", "NO", "ONE"], ["MIGRATE", "h", "1", "a", "0", "1"]):
                name = "config|set" if words[0] == "CONFIG" else words[0].lower()
                self.assertEqual(client.ask(*words), b"NOPERM this user has no permissions to run "
                                 b"the '%s' command" % name.encode())

    def test_a_permitted_user_configures_every_backend(self):
        servers = [self.redis() for _ in range(3)]
        proxy = self.quorate({"p": {"backends": [s.address for s in servers],
                                    "users": "user default on nopass ~* &* +@all"}})
        with Resp(proxy.address()) as client:
            self.assertEqual(client.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru"), b"OK")
        for server in servers:
            with Resp(server.address) as client:
                self.assertEqual(client.ask("CONFIG", "GET", "maxmemory-policy")[1], b"allkeys-lru")

    def test_a_reload_changes_rights_and_closes_the_clients_of_a_removed_user(self):
        _, few = self.clients("few", "secret")
        _, reader = self.clients("reader", "secret")
        with open(self.proxy.config) as file:
            text = file.read()
        lines = [line for line in USERS.splitlines() if not line.startswith("user few")]
        fewer = "\n".join(lines).replace("+@read +ping", "+@read +ping +set")
        with open(self.proxy.config, "w") as file:
            file.write(text.replace(harness.toml(USERS), harness.toml(fewer)))
        self.assertIsInstance(reader.ask("SET", "a", "1"), Error)
        done = self.proxy.reload()
        self.assertEqual(done.returncode, 0, done.stderr + done.stdout)
        self.assertEqual(reader.ask("SET", "a", "1"), b"OK")
        self.assertTrue(few.at_end())


def plain_reply(client, words):
    client.send(*words)
    return client.read_raw()


if __name__ == "__main__":
    harness.main()
