"""The life of the process: its addresses and limits, reloads under load, the admin port, the log, and
the end."""

import itertools
import json
import os
import re
import resource
import shutil
import signal
import stat
import threading

import harness
from fakes import SERVE, FakeRedis
from harness import HOST, QUORATE, connect, effort, free_port, run, toml, wait_until
from resp import Error, Resp, encode

QUICK = {"reconnect_backoff": "5ms", "reconnect_backoff_max": "20ms", "probe_interval": "50ms",
         "probe_timeout": "50ms"}


class Held(FakeRedis):
    """Executes nothing before it is released."""

    def __init__(self):
        self.asked = threading.Event()
        super().__init__(self.hold)

    def hold(self, words, connection):
        self.asked.set()
        self.released.wait()
        return SERVE


class Life(harness.Test):
    def client(self, address):
        client = Resp(address)
        self.addCleanup(client.close)
        return client

    def held_pool(self, **others):
        backend = Held()
        self.addCleanup(backend.close)
        return backend, self.quorate({"p": {"backends": [backend.address]}}, **others)


class End(Life):
    def test_sigterm_lets_what_was_accepted_finish(self):
        backend, proxy = self.held_pool()
        busy, idle = self.client(proxy.address()), self.client(proxy.address())
        self.assertEqual(idle.ask("PING"), b"PONG")
        busy.send_raw(b"".join(encode("INCR", "a") for _ in range(50)))
        self.assertTrue(backend.asked.wait(30))
        proxy.signal(signal.SIGTERM)
        self.assertTrue(idle.at_end())
        self.assertTrue(proxy.runs())
        wait_until(lambda: not harness.listens(proxy.address()), "no more clients to be accepted")
        self.assertEqual(proxy.get("/readyz")[0], 503)
        self.assertEqual(proxy.get("/livez")[0], 200)
        backend.released.set()
        self.assertEqual([busy.read() for _ in range(50)], list(range(1, 51)))
        self.assertTrue(busy.at_end())
        self.assertEqual(proxy.process.wait(30), 0)
        self.assertIn("clients_cut_off=0", proxy.events("stopping")[0])

    def test_sigterm_ends_an_upload_that_is_half_done(self):
        proxy, _ = self.redis_pool(1)
        client = self.client(proxy.address())
        client.send_raw(b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$200000\r\n" + b"x" * 100_000)
        wait_until(lambda: proxy.metric("quorate_client_received_bytes_total") > 90_000, "the half")
        proxy.signal(signal.SIGTERM)
        self.assertIsInstance(client.read(), Error)  # never whole: certainly not executed
        self.assertTrue(client.at_end())
        self.assertEqual(proxy.process.wait(30), 0)

    def test_a_second_sigterm_ends_at_once(self):
        backend, proxy = self.held_pool()
        client = self.client(proxy.address())
        client.send("INCR", "a")
        self.assertTrue(backend.asked.wait(30))
        proxy.signal(signal.SIGTERM)
        wait_until(lambda: proxy.events("draining"), "it to drain")
        proxy.signal(signal.SIGTERM)
        self.assertEqual(proxy.process.wait(30), 0)
        self.assertIn('why="second signal"', proxy.events("stopping")[0])
        self.assertTrue(client.at_end())

    def test_drain_timeout_ends_what_takes_too_long(self):
        backend, proxy = self.held_pool(top={"drain_timeout": "100ms"})
        client = self.client(proxy.address())
        client.send("INCR", "a")
        self.assertTrue(backend.asked.wait(30))
        self.assertEqual(proxy.end(signal.SIGINT), 0)
        self.assertIn("clients_cut_off=1", proxy.events("stopping")[0])


class Addresses(Life):
    def test_unix_sockets_with_their_mode(self):
        path, default = self.path("p.sock"), self.path("q.sock")
        server = self.redis()
        pools = {"p": {"listen": "unix:" + path, "unix_mode": "0600", "backends": [server.address]},
                 "q": {"listen": ["unix:" + default, f"{HOST}:{free_port()}"],
                       "backends": [server.address]}}
        proxy = self.quorate(pools)
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        self.assertEqual(stat.S_IMODE(os.stat(default).st_mode), 0o660)
        for address in ["unix:" + path, *proxy.facts["pools"]["q"]]:
            self.assertEqual(self.client(address).ask("SET", "a", "v"), b"OK")
        self.assertEqual(proxy.end(), 0)
        self.assertFalse(os.path.exists(path))

    def test_a_socket_that_a_killed_proxy_left_behind_is_taken_over(self):
        path = self.path("p.sock")
        server = self.redis()
        pools = {"p": {"listen": "unix:" + path, "backends": [server.address]}}
        first = self.quorate(pools)
        first.expects_end = True
        first.kill()
        self.assertTrue(os.path.exists(path))
        proxy = self.quorate(pools)
        self.assertEqual(self.client("unix:" + path).ask("PING"), b"PONG")
        with self.assertRaisesRegex(AssertionError, "Address already in use"):
            self.quorate(pools)
        self.assertTrue(proxy.runs())
        self.assertEqual(self.client("unix:" + path).ask("PING"), b"PONG")

    def test_an_address_in_use_refuses_to_start(self):
        server = self.redis()
        with self.assertRaisesRegex(AssertionError, "Address already in use"):
            self.quorate({"p": {"listen": server.address, "backends": [self.redis().address]}})
        self.assertEqual(self.proxies[-1].process.wait(), 1)

    def test_why_it_does_not_start_is_on_the_terminal_though_the_log_is_a_file(self):
        server = self.redis()
        config = self.config({"p": {"listen": server.address, "backends": [self.redis().address]}},
                             log={"file": self.path("the.log")})
        done = run(QUORATE, "run", "--config", config)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, "^quorate: .*Address already in use; pool: p\n$")
        with open(self.path("the.log")) as log:
            self.assertIn("Address already in use", log.read())

    def test_a_ready_file_that_cannot_be_written_refuses_to_start(self):
        config = self.config({"p": {"backends": [self.redis().address]}})
        done = run(QUORATE, "run", "--config", config, "--ready-file", "/no/such/folder/ready")
        self.assertEqual(done.returncode, 1)
        self.assertIn("cannot write the ready file", done.stderr)
        self.assertIn("No such file or directory", done.stderr)


class Limits(Life):
    def test_ten_thousand_clients_at_once(self):
        count = effort(10_000)
        wanted = 2 * count + 1000
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        count = min(count, (hard - 1000) if hard != resource.RLIM_INFINITY else count)
        if hard == resource.RLIM_INFINITY or hard > soft:
            limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, limit), hard))
        proxy, _ = self.redis_pool(1, max_clients=count)
        sockets = []
        try:
            before = proxy.resident()
            for _ in range(count):
                sockets.append(connect(proxy.address()))
            wait_until(lambda: proxy.status()["pools"][0]["clients"] == count, "all to be accepted", 60)
            unused = (proxy.resident() - before) / count
            for each in sockets:
                each.sendall(b"*1\r\n$4\r\nPING\r\n")
            for each in sockets:
                self.assertEqual(each.recv(100), b"+PONG\r\n")
            used = (proxy.resident() - before) / count
            print(f"      {count} clients: {unused:.0f} B each unused, {used:.0f} B after a PING")
            with Resp(proxy.address()) as refused:
                self.assertEqual(refused.read(), Error(b"ERR max number of clients reached"))
                self.assertTrue(refused.at_end())
            self.assertEqual(proxy.metric("quorate_clients_refused_total"), 1)
            sockets.pop().close()
            wait_until(lambda: proxy.status()["pools"][0]["clients"] < count, "one to be gone")
            self.assertEqual(self.client(proxy.address()).ask("PING"), b"PONG")
        finally:
            for each in sockets:
                each.close()

    def test_too_few_descriptors_are_told_at_start(self):
        server = self.redis()
        config = self.config({"p": {"backends": [server.address], "max_clients": 5000,
                                    "pinned_connections": 5000}})
        ready = self.path("ready-few")
        child = self.spawn(["bash", "-c", 'ulimit -n 300; exec "$@"', "bash", QUORATE, "run", "--config",
                            config, "--ready-file", ready], self.path("few.log"), env=self.env)
        wait_until(lambda: os.path.exists(ready), "quorate to start")
        line = next(one for one in child.log().splitlines() if "file descriptors" in one)
        self.assertIn("limit=300", line)
        self.assertIn("of_these_pinned=5000", line)
        self.assertIn("level=warn ", line)
        child.signal(signal.SIGTERM)
        self.assertEqual(child.process.wait(30), 0)

    def test_with_no_descriptor_left_clients_are_turned_away_and_nothing_ends(self):
        if harness.SANITIZED:
            self.skipTest("UBSan looks at memory through a pipe, and reports that it has none")
        server = self.redis()
        config = self.config({"p": {"backends": [server.address]}}, top={"workers": 1})
        ready = self.path("ready-none")
        child = self.spawn(["bash", "-c", 'ulimit -n 64; exec "$@"', "bash", QUORATE, "run", "--config",
                            config, "--ready-file", ready], self.path("none.log"), env=self.env)
        wait_until(lambda: os.path.exists(ready), "quorate to start")
        with open(ready) as file:
            address = json.load(file)["pools"]["p"][0]
        first = self.client(address)
        self.assertEqual(first.ask("SET", "a", "v"), b"OK")
        more = [connect(address) for _ in range(80)]
        outcomes = set()
        for each in more:
            try:
                each.sendall(b"*1\r\n$4\r\nPING\r\n")
                outcomes.add(each.recv(100))
            except ConnectionError:
                outcomes.add(b"")
        self.assertEqual(outcomes, {b"+PONG\r\n", b""})
        self.assertEqual(first.ask("GET", "a"), b"v")
        for each in more:
            each.close()

        def is_served():
            self.assertTrue(child.runs(), child.log())
            with connect(address) as client:
                try:
                    client.sendall(b"*1\r\n$4\r\nPING\r\n")
                    return client.recv(100) == b"+PONG\r\n"
                except ConnectionError:
                    return False

        wait_until(is_served, "clients to be served again")
        self.assertEqual(first.ask("GET", "a"), b"v")
        child.signal(signal.SIGTERM)
        self.assertEqual(child.process.wait(30), 0)

    def test_clients_that_say_nothing_are_closed_where_that_is_asked_for(self):
        proxy, _ = self.redis_pool(1, client_idle_timeout="100ms")
        self.assertTrue(self.client(proxy.address()).at_end())


class Reload(Life):
    def rewrite(self, proxy, old, new):
        with open(proxy.config) as file:
            text = file.read()
        self.assertIn(old, text)
        with open(proxy.config, "w") as file:
            file.write(text.replace(old, new))

    def test_quorate_reload_prints_what_changed(self):
        proxy, _ = self.redis_pool(1, request_timeout="2s")
        done = proxy.reload()
        self.assertEqual((done.returncode, done.stdout), (0, ""))
        self.assertIn("no changes", done.stderr)
        self.rewrite(proxy, 'request_timeout = "2s"', 'request_timeout = "3s"')
        done = proxy.reload()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("request_timeout", done.stdout)
        self.assertIn("3s", done.stdout)
        self.assertTrue(proxy.events("reload"))

    def test_a_wrong_file_changes_nothing(self):
        proxy, _ = self.redis_pool(1, request_timeout="2s")
        self.rewrite(proxy, 'request_timeout = "2s"', 'request_timeout = "3s"\nnonsence = 1')
        done = proxy.reload()
        self.assertEqual((done.returncode, done.stdout), (3, ""))
        self.assertIn('unknown key "nonsence"', done.stderr)
        self.assertIn("nothing was changed", done.stderr)
        proxy.signal(signal.SIGHUP)
        wait_until(lambda: len(proxy.events("reload refused, the old configuration stays")) == 2,
                   "SIGHUP to be refused, too")
        self.assertEqual(self.client(proxy.address()).ask("SET", "a", "v"), b"OK")
        self.rewrite(proxy, "\nnonsence = 1", "")
        self.assertIn("2s", proxy.reload().stdout)

    def test_reload_without_a_proxy_or_a_token(self):
        done = run(QUORATE, "reload", "--admin", f"{HOST}:{free_port()}", env=self.env)
        self.assertEqual(done.returncode, 4)
        proxy, _ = self.redis_pool(1)
        elsewhere = dict(self.env, XDG_RUNTIME_DIR=self.path("elsewhere"))
        done = run(QUORATE, "reload", "--admin", proxy.admin, env=elsewhere)
        self.assertEqual(done.returncode, 4)

    def test_backends_come_and_go_under_load_and_nobody_gets_an_error(self):
        servers = [self.redis() for _ in range(4)]
        three, four = ([one.address for one in servers[:count]] for count in (3, 4))
        proxy = self.quorate({"p": {"backends": three}})
        stop, problems, asked = threading.Event(), [], [0] * 4

        def load(number):
            try:
                with Resp(proxy.address()) as client:
                    for turn in itertools.count():
                        if stop.is_set():
                            return
                        commands = [("SET", f"c{number}:{turn}:{i}", "v" * (70_000 if i == 7 else 9))
                                    for i in range(10)]
                        commands += [("INCR", f"n{number}"), ("MGET", "a", "b", "c", "d", "e"),
                                     ("PING",)]
                        wrong = [one for one in client.ask_all(commands) if isinstance(one, Error)]
                        if wrong:
                            problems.append(wrong)
                            return
                        asked[number] += len(commands)
            except Exception as problem:  # told by the main thread
                problems.append(problem)

        threads = [threading.Thread(target=load, args=(i,)) for i in range(4)]
        for thread in threads:
            thread.start()
        try:
            for turn in range(effort(20)):
                old, new = (three, four) if turn % 2 == 0 else (four, three)
                self.rewrite(proxy, f"backends = {toml(old)}", f"backends = {toml(new)}")
                at = sum(asked)
                if turn % 4 < 2:
                    self.assertEqual(proxy.reload().returncode, 0)
                else:
                    proxy.signal(signal.SIGHUP)
                    wait_until(lambda n=turn: len(proxy.events("reloaded")) == n + 1, "SIGHUP")
                wait_until(lambda n=at: sum(asked) > n + 100 or problems, "work to go on")
                # (What is queued for one that was added and not yet connected ends with its removal.)
                wait_until(lambda n=len(new): problems or 2 * n <= proxy.metric(
                    "quorate_backend_connections"), "both workers to be connected to all")
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        self.assertEqual(problems, [])
        self.assertEqual(len(proxy.status()["pools"][0]["backends"]), 3 + effort(20) % 2)
        # What was removed is left alone: nobody is connected to it but its own test.
        if effort(20) % 2 == 0:
            direct = self.client(servers[3].address)
            wait_until(lambda: len(direct.ask("CLIENT", "LIST").splitlines()) == 1,
                       "the removed one's connections to be closed")


class Admin(Life):
    def test_livez_readyz_and_nothing_else(self):
        servers = [self.redis(), self.redis()]
        servers[1].kill()
        proxy = self.quorate({"p": {"backends": [one.address for one in servers]}})
        self.assertEqual(proxy.get("/livez"), (200, "ok\n"))
        self.assertEqual(proxy.get("/readyz"), (200, "ready\n"))
        self.assertIn("[+]pool p: 1 of 2 backends answer", proxy.get("/readyz?verbose")[1])
        self.assertEqual(proxy.get("/nothing")[0], 404)
        # A change needs the token.
        with connect(proxy.admin) as http:
            http.sendall(b"POST /api/v1/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
            self.assertIn(b" 401 ", http.recv(1000).split(b"\r\n")[0])

    def test_what_is_no_http_is_closed(self):
        proxy, _ = self.redis_pool(1)
        for sent in (b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\n" + b"x: " + b"y" * 100_000 + b"\r\n\r\n"):
            with connect(proxy.admin) as http:
                try:
                    http.sendall(sent)
                    self.assertEqual(http.recv(1000), b"")
                except ConnectionError:
                    pass  # while it was still being sent
        self.assertEqual(proxy.get("/livez")[0], 200)

    def test_metrics_are_valid_and_count(self):
        redis, memcached = self.redis(), self.memcached()
        proxy = self.quorate({"p": {"backends": [redis.address]},
                              "m": {"protocol": "memcached", "backends": [memcached.address]}})
        client = self.client(proxy.address())
        for i in range(50):
            client.ask("SET", f"k{i}", "v" * i)
        client.ask("NOSUCH")
        with connect(proxy.address("m")) as text:
            text.sendall(b"set a 0 0 1\r\nx\r\n")
            self.assertEqual(text.recv(100), b"STORED\r\n")
        self.assertEqual(proxy.metric("quorate_commands_total", pool="p"), 51)
        self.assertEqual(proxy.metric("quorate_own_errors_total", pool="p"), 1)
        self.assertGreaterEqual(proxy.metric("quorate_backend_replies_total", pool="p"), 50)
        self.assertEqual(proxy.metric("quorate_backend_replies_total", pool="m"), 1)
        self.assertEqual(proxy.metric("quorate_clients", pool="p"), 1)
        self.assertGreaterEqual(
            proxy.metric("quorate_backend_latency_seconds_count", pool="p"), 50)
        if shutil.which("promtool") is None:
            self.skipTest("no promtool")
        done = run("promtool", "check", "metrics", stdin=proxy.get("/metrics")[1])
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))

    def test_scrapes_under_load_from_many_at_once(self):
        proxy, _ = self.redis_pool(2)
        client = self.client(proxy.address())
        results = []
        threads = [threading.Thread(target=lambda: results.append(proxy.get("/metrics")[0]))
                   for _ in range(20)]
        for thread in threads:
            thread.start()
        for i in range(effort(300)):
            self.assertEqual(client.ask("SET", f"k{i}", "v"), b"OK")
        for thread in threads:
            thread.join()
        self.assertEqual(results, [200] * 20)


    def test_no_two_backends_have_the_same_series(self):
        server = self.redis()
        proxy = self.quorate({"p": {"backends": [
            server.address, {"address": server.address, "name": "one", "db": 1}]}})
        samples = [line.rsplit(" ", 1)[0] for line in proxy.get("/metrics")[1].splitlines()
                   if not line.startswith("#")]
        self.assertEqual(len(samples), len(set(samples)))
        self.assertEqual(proxy.metric("quorate_backend_up", backend=f"{server.address} (one)"), 1)
        self.assertEqual({backend["address"] for backend in proxy.status()["pools"][0]["backends"]},
                         {server.address})


class Log(Life):
    def test_one_event_a_line_in_json_with_the_same_fields(self):
        server = self.redis()
        proxy = self.quorate({"p": {"backends": [server.address], "eject_after": 0, **QUICK}},
                             log={"format": "json"})
        server.kill()
        client = self.client(proxy.address())
        wait_until(lambda: "backend down" in proxy.log(), "the log to say so")
        client.ask("GET", "a\nb")
        lines = [json.loads(line) for line in proxy.log().splitlines()]
        self.assertTrue(all({"time", "level", "event"} <= set(line) for line in lines))
        down = next(line for line in lines if line["event"] == "backend down")
        self.assertEqual((down["level"], down["pool"], down["backend"]),
                         ("warn", "p", server.address))

    def test_a_name_that_does_not_resolve_is_told_from_a_server_that_does_not_answer(self):
        closed = f"{HOST}:{free_port()}"
        proxy = self.quorate({"p": {"backends": ["nobody.invalid:1", closed],
                                    "probe_interval": "1s", "probe_timeout": "1s"}}, ready=False)

        def whys():
            return {backend: why for backend, why in
                    re.findall(r'"probe failed".* backend=(\S+) why="(.*)"', proxy.log())}

        wait_until(lambda: len(whys()) == 2, "both to be probed")
        self.assertRegex(whys()["nobody.invalid:1"],
                         "^nobody.invalid does not resolve: |^its name is not resolved in time$|^no answer")
        self.assertEqual(whys()[closed], "cannot connect: connection refused")

    def test_a_file_is_opened_again_on_sighup(self):
        path = self.path("q.log")
        proxy = self.quorate({"p": {"backends": [self.redis().address]}}, log={"file": path})
        os.rename(path, path + ".1")
        proxy.signal(signal.SIGHUP)
        wait_until(lambda: os.path.exists(path) and "event=reloaded" in open(path).read(), "a new file")
        with open(path + ".1") as old:
            self.assertIn("event=started", old.read())

    def test_passwords_are_in_no_line(self):
        server = self.redis("--requirepass", "hush-hush")
        proxy = self.quorate({"p": {"backends": [{"address": server.address, "password": "hush-hush"}],
                                    "password": "also-secret"}}, log={"level": "trace"})
        client = self.client(proxy.address())
        self.assertEqual(client.ask("AUTH", "also-secret"), b"OK")
        self.assertEqual(client.ask("SET", "a", "v"), b"OK")
        for text in (proxy.log(), proxy.get("/metrics")[1], proxy.get("/api/v1/status")[1]):
            self.assertNotIn("hush-hush", text)
            self.assertNotIn("also-secret", text)


if __name__ == "__main__":
    harness.main()
