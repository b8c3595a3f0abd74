"""Redis clients as users have them, unchanged, through pools of one and of three backends: redis-cli,
redis-benchmark and Python's redis, each doing a round of what applications do."""

import os
import pty
import select
import subprocess
import threading
import time

import redis

import harness
from harness import effort, run
from resp import Resp, encode


class Pools:
    """One quorate in front of as many servers as `count` says, for a class of tests."""

    count = 0

    def setUp(self):
        super().setUp()
        self.proxy, self.servers = self.redis_pool(self.count)
        self.host, self.port = self.proxy.host_and_port()

    def cli(self, *words, stdin=None):
        done = run("redis-cli", "-h", self.host, "-p", self.port, *words, stdin=stdin)
        self.assertEqual(done.returncode, 0, done.stderr + done.stdout)
        return done.stdout

    def python(self, **options):
        client = redis.Redis(host=self.host, port=self.port, **options)
        self.addCleanup(client.close)
        return client

    # -- redis-cli -------------------------------------------------------------------------------

    def test_redis_cli_commands(self):
        self.assertEqual(self.cli("SET", "a", "1"), "OK\n")
        self.assertEqual(self.cli("GET", "a"), "1\n")
        self.assertEqual(self.cli("MSET", "b", "2", "c", "3"), "OK\n")
        self.assertEqual(self.cli("MGET", "a", "b", "c", "d"), "1\n2\n3\n\n")
        self.assertEqual(self.cli("RPUSH", "list", "x", "y"), "2\n")
        self.assertEqual(self.cli("LRANGE", "list", "0", "-1"), "x\ny\n")
        self.assertEqual(self.cli("--json", "HGETALL", "none"), "{}\n")
        self.assertIn("WRONGTYPE", self.cli("INCR", "list"))
        self.assertEqual(self.cli("-n", "2", "GET", "a"), "\n")
        self.assertEqual(self.cli("--raw", "ECHO", "é"), "é\n")

    def test_redis_cli_in_resp3(self):
        self.cli("HSET", "h", "f", "1")
        self.assertEqual(self.cli("-3", "--no-raw", "HGETALL", "h"), '1# "f" => "1"\n')
        self.assertEqual(self.cli("-3", "--no-raw", "GET", "none"), "(nil)\n")
        self.assertEqual(self.cli("-3", "--no-raw", "SMEMBERS", "none"), "(empty set)\n")

    def test_redis_cli_in_pipe_mode(self):
        count = effort(20000)
        data = b"".join(encode("SET", f"pipe:{i}", i) for i in range(count))
        path = self.path("commands")
        with open(path, "wb") as file:
            file.write(data)
        with open(path, "rb") as file:
            done = subprocess.run(["redis-cli", "-h", self.host, "-p", str(self.port), "--pipe"],
                                  stdin=file, stdout=subprocess.PIPE, timeout=60 * harness.PATIENCE,
                                  check=True)
        self.assertIn(b"errors: 0, replies: %d" % count, done.stdout)
        with Resp(self.proxy.address()) as client:
            self.assertEqual(client.ask("GET", f"pipe:{count - 1}"), b"%d" % (count - 1))

    def test_redis_cli_stat_prints_its_columns(self):
        text = self.terminal("--stat", "-i", "0.01", until=lambda text: text.count("\n") > 8)
        heading, *rows = [line for line in text.splitlines()[1:] if line.strip()]
        self.assertEqual(heading.split(), ["keys", "mem", "clients", "blocked", "requests",
                                           "connections"])
        memory, clients, _, requests = rows[-2].split()[1:5]
        self.assertRegex(memory, r"^[0-9.]+[KMG]$")
        self.assertGreaterEqual(int(clients), 1)
        self.assertGreater(int(requests), 1)

    def test_redis_cli_interactively(self):
        text = self.terminal(typed=b"SET greeting hello\rGET greeting\rGET\r",
                             until=lambda text: "wrong number" in text)
        self.assertIn("OK", text)
        self.assertIn('"hello"', text)

    def terminal(self, *options, until, typed=b""):
        """What redis-cli prints on a terminal, as soon as it is what is waited for."""
        ours, theirs = pty.openpty()
        child = subprocess.Popen(["redis-cli", "-h", self.host, "-p", str(self.port), *options],
                                 stdin=theirs, stdout=theirs, stderr=theirs,
                                 preexec_fn=harness.die_with_parent,
                                 env=dict(os.environ, TERM="dumb", HOME=self.folder))
        os.close(theirs)
        printed = []

        def read_more():
            if select.select([ours], [], [], 0.05)[0]:
                printed.append(os.read(ours, 65536))
            return until(b"".join(printed).decode())

        try:
            os.write(ours, typed)
            harness.wait_until(read_more, "redis-cli to print something")
        finally:
            child.kill()
            child.wait()
            os.close(ours)
        return b"".join(printed).decode()

    # -- redis-benchmark -------------------------------------------------------------------------

    def test_redis_benchmark(self):
        for options in (["-c", "20"], ["-P", "32", "-c", "10"], ["-3", "-c", "10"],
                        ["-d", "10000", "-c", "5"]):
            done = run("redis-benchmark", "-h", self.host, "-p", self.port, "-n", effort(3000), "-r",
                       "1000", "-t", "ping,set,get,incr,lpush,rpop,sadd,hset,spop,zadd,mset",
                       "--csv", *options)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertNotIn("Error", done.stdout + done.stderr)
            self.assertEqual(len(done.stdout.splitlines()), 13, done.stdout)

    # -- Python's redis --------------------------------------------------------------------------

    def test_python_strings_and_numbers(self):
        r = self.python()
        self.assertTrue(r.ping())
        self.assertTrue(r.set("a", "x", ex=100))
        self.assertIn(r.ttl("a"), (99, 100))
        self.assertFalse(r.set("a", "y", nx=True))
        self.assertEqual(r.getrange("a", 0, 0), b"x")
        self.assertEqual((r.incr("n"), r.incrby("n", 41), r.incrbyfloat("n", 0.5)), (1, 42, 42.5))
        self.assertEqual(r.append("a", "z"), 2)
        self.assertEqual(r.getset("a", "new"), b"xz")
        self.assertEqual(r.getdel("a"), b"new")
        self.assertIsNone(r.get("a"))
        self.assertEqual(r.setbit("bits", 7, 1), 0)
        self.assertEqual(r.bitcount("bits"), 1)
        self.assertEqual(r.type("n"), b"string")

    def test_python_collections(self):
        r = self.python(decode_responses=True)
        self.assertEqual(r.rpush("l", *"abc"), 3)
        self.assertEqual(r.lrange("l", 0, -1), ["a", "b", "c"])
        self.assertEqual(r.lpop("l", 2), ["a", "b"])
        self.assertEqual(r.hset("h", mapping={"a": 1, "b": 2}), 2)
        self.assertEqual(r.hgetall("h"), {"a": "1", "b": "2"})
        self.assertEqual(r.sadd("s", "x", "y"), 2)
        self.assertEqual(r.smembers("s"), {"x", "y"})
        self.assertEqual(r.zadd("z", {"one": 1, "two": 2}), 2)
        self.assertEqual(r.zrange("z", 0, -1, withscores=True), [("one", 1.0), ("two", 2.0)])
        self.assertEqual(r.xlen("stream"), 0)
        entry = r.xadd("stream", {"f": "v"})
        self.assertEqual(r.xrange("stream"), [(entry, {"f": "v"})])
        self.assertEqual(r.pfadd("hll", "a", "b"), 1)
        self.assertEqual(r.geoadd("geo", [13.36, 38.11, "Palermo"]), 1)
        self.assertEqual(sorted(r.hscan_iter("h")), [("a", "1"), ("b", "2")])
        self.assertEqual(r.sort("z", alpha=True, desc=True), ["two", "one"])

    def test_python_pipelines(self):
        r = self.python()
        for size in (1, 10, 1000, effort(5000)):
            pipe = r.pipeline(transaction=False)
            for i in range(size):
                pipe.set(f"p:{i}", i)
                pipe.get(f"p:{i}")
            self.assertEqual(pipe.execute(), [one for i in range(size) for one in (True, b"%d" % i)])

    def test_python_pipeline_with_an_error_in_the_middle(self):
        r = self.python()
        pipe = r.pipeline(transaction=False)
        pipe.set("s", "text").incr("s").get("s")
        replies = pipe.execute(raise_on_error=False)
        self.assertEqual((replies[0], replies[2]), (True, b"text"))
        self.assertIsInstance(replies[1], redis.ResponseError)

    def test_python_mset_mget_and_the_like(self):
        r = self.python()
        values = {f"m:{i}": b"%d" % i for i in range(300)}
        self.assertTrue(r.mset(values))
        self.assertEqual(r.mget([*values, "none"]), [*values.values(), None])
        self.assertEqual(r.exists(*values, "none"), 300)
        self.assertEqual(r.touch(*values), 300)
        self.assertEqual(r.dbsize(), 300)
        self.assertEqual(r.unlink("m:0", "m:1", "none"), 2)
        self.assertEqual(r.delete(*values), 298)
        self.assertEqual(r.keys("*"), [])

    def test_python_databases_names_and_passwords(self):
        for database in (0, 1, 9):
            r = self.python(db=database, client_name="it-is-me")
            r.set("k", database)
            self.assertEqual(r.client_getname(), "it-is-me")
        self.assertEqual([self.python(db=d).get("k") for d in (0, 1, 9)], [b"0", b"1", b"9"])
        self.assertEqual(self.python(db=3).dbsize(), 0)
        with self.assertRaises(redis.ResponseError):
            self.python(db=99).ping()
        with self.assertRaises(redis.ResponseError):
            self.python(password="unasked").ping()
        self.assertTrue(self.python(username="default", password="unasked").ping())

    def test_python_big_values(self):
        r = self.python()
        for size in (0, 1, 65535, 65536, 65537, 1 << 20, effort(20 << 20)):
            value = os.urandom(size)
            self.assertTrue(r.set("big", value))
            self.assertEqual(r.strlen("big"), size)
            self.assertTrue(r.get("big") == value, size)
        r.rpush("list", *[os.urandom(100_000) for _ in range(20)])
        self.assertEqual(sum(len(one) for one in r.lrange("list", 0, -1)), 2_000_000)

    def test_python_scripts(self):
        r = self.python()
        script = r.register_script("return {KEYS[1], redis.call('incrby', KEYS[1], ARGV[1])}")
        self.assertEqual(script(keys=["count"], args=[5]), [b"count", 5])
        self.assertEqual(script(keys=["count"], args=[6]), [b"count", 11])
        self.assertEqual(r.eval("return ARGV[1]", 0, "x"), b"x")
        sha = r.script_load("return 1")
        self.assertEqual(r.script_exists(sha, "0" * 40), [True, False])

    def test_python_info_and_health_checks(self):
        r = self.python(health_check_interval=1, retry_on_timeout=True, socket_keepalive=True)
        self.assertEqual(r.info()["loading"], 0)
        self.assertIn("redis_version", r.info("server"))
        self.assertEqual(r.config_get("save"), {"save": ""})
        self.assertIsInstance(r.client_id(), int)
        self.assertEqual(r.echo("x"), b"x")
        self.assertLess(abs(r.time()[0] - time.time()), 5)

    def test_python_from_many_threads(self):
        r = self.python(max_connections=50)
        problems = []

        def work(number):
            try:
                for i in range(effort(150)):
                    key = f"t:{number}:{i % 7}"
                    r.set(key, i)
                    if r.get(key) != b"%d" % i:
                        problems.append((number, i))
                    r.incr("shared")
            except redis.RedisError as problem:
                problems.append(problem)

        threads = [threading.Thread(target=work, args=(n,)) for n in range(16)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        self.assertEqual(problems, [])
        self.assertEqual(int(r.get("shared")), 16 * effort(150))


class ThroughOneBackend(Pools, harness.Test):
    count = 1

    def test_redis_cli_scans(self):
        self.cli(stdin="".join(f"SET scan:{i} v\n" for i in range(100)))
        self.assertEqual(len(self.cli("--scan", "--pattern", "scan:*").splitlines()), 100)
        self.assertIn("Biggest string found", self.cli("--bigkeys"))
        self.assertEqual(len(list(self.python().scan_iter())), 100)


class ThroughThreeBackends(Pools, harness.Test):
    count = 3

    def test_a_hash_tag_keeps_keys_together(self):
        r = self.python()
        self.assertTrue(r.msetnx({"{u}:a": 1, "{u}:b": 2}))
        self.assertFalse(r.msetnx({"{u}:b": 3, "{u}:c": 4}))
        self.assertIsNone(r.get("{u}:c"))
        self.assertTrue(r.rename("{u}:a", "{u}:z"))
        r.sadd("{u}:s1", 1, 2)
        r.sadd("{u}:s2", 2, 3)
        self.assertEqual(r.sinterstore("{u}:s3", "{u}:s1", "{u}:s2"), 1)

    def test_keys_of_different_backends_in_one_command_are_crossslot(self):
        one, two, _ = self.keys_by_owner(self.proxy, self.servers, 1)
        with self.assertRaisesRegex(redis.ResponseError, "CROSSSLOT|hash to the same"):
            self.python().rename(one[0], two[0])


if __name__ == "__main__":
    harness.main()
