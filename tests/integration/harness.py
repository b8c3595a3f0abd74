"""What the integration tests share: real servers and the quorate under test, as children of this
process, and a runner that prints each test as a sentence.

The program under test is named by the environment (QUORATE), so the same tests run against every
build. QUORATE_PATIENCE multiplies how long is waited, QUORATE_EFFORT the amount of work: builds with
sanitizers are slow.

Every child dies with this process, however it ends, and listens on a loopback address that no other
run uses or in a folder of its own. Nobody sleeps for a time: wait_until() waits for a condition. A
quorate that printed a failed assertion or a sanitizer's report, or did not exit 0 on SIGTERM, fails
its test.
"""

import ctypes
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.request

QUORATE = os.path.abspath(os.environ.get("QUORATE", "build/quorate"))
PATIENCE = float(os.environ.get("QUORATE_PATIENCE", "1"))
EFFORT = float(os.environ.get("QUORATE_EFFORT", "1"))
SANITIZED = EFFORT < 1
HERE = os.path.dirname(os.path.abspath(__file__))

# One of millions, so that no other run takes a port between finding it free and listening on it.
HOST = "127.%d.%d.%d" % tuple(random.SystemRandom().randrange(1, 255) for _ in range(3))

REPORTS = re.compile(r"assertion failed|Sanitizer|runtime error:|pure virtual|terminate called")


def effort(count):
    """`count`, or less of it where everything is slow."""
    return max(1, int(count * EFFORT))


def wait_until(condition, what, seconds=20):
    """The first true value of condition()."""
    deadline = time.monotonic() + seconds * PATIENCE
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited in vain: {what}")
        time.sleep(0.005)


_given_ports = set()


def free_port():
    """One that nobody has on HOST, and that was not given before: its user may not have bound it yet."""
    while True:
        with socket.socket() as tried:
            tried.bind((HOST, 0))
            port = tried.getsockname()[1]
        if port not in _given_ports:
            _given_ports.add(port)
            return port


def connect(address, timeout=30):
    """A socket to "host:port" or "unix:/path"."""
    if address.startswith("unix:"):
        connection = socket.socket(socket.AF_UNIX)
        target = address[5:]
    else:
        host, port = address.rsplit(":", 1)
        connection = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        target = (host.strip("[]"), int(port))
    connection.settimeout(timeout * PATIENCE)
    try:
        connection.connect(target)
        if not address.startswith("unix:"):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError:
        connection.close()
        raise
    return connection


def listens(address):
    try:
        connect(address).close()
        return True
    except OSError:
        return False


def toml(value):
    """A value as TOML writes it; a dict becomes an inline table."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {toml(one)}" for key, one in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(toml(one) for one in value) + "]"
    return json.dumps(str(value))


def die_with_parent():
    """In the child: be killed when the parent is gone (prctl PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class Child:
    """A process with its output in a file. Must be started on the main thread: the kernel ends it
    when the thread that started it ends."""

    def __init__(self, command, log, env=None, stdin=subprocess.DEVNULL, cwd=None):
        self.log_path = log
        with open(log, "ab") as output:
            self.process = subprocess.Popen(command, preexec_fn=die_with_parent, stdin=stdin,
                                            stdout=output, stderr=output, env=env, cwd=cwd)
        self.pid = self.process.pid

    def runs(self):
        return self.process.poll() is None

    def signal(self, number):
        self.process.send_signal(number)

    def freeze(self):
        """SIGSTOP, and wait until it has stopped."""
        self.signal(signal.SIGSTOP)
        wait_until(lambda: self.stat()[0] == "T", "the process to stop")

    def thaw(self):
        self.signal(signal.SIGCONT)

    def kill(self):
        """SIGKILL, and wait for its end."""
        if self.runs():
            self.process.kill()
        self.process.wait()

    def log(self):
        with open(self.log_path, errors="replace") as file:
            return file.read()

    def stat(self):
        """The fields of /proc/PID/stat from the state on."""
        with open(f"/proc/{self.pid}/stat") as file:
            return file.read().rsplit(") ", 1)[1].split()

    def resident(self):
        """Bytes."""
        with open(f"/proc/{self.pid}/status") as file:
            return int(re.search(r"VmRSS:\s+(\d+) kB", file.read()).group(1)) * 1024

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))


class Server:
    """A redis-server or memcached: start() and kill() as often as one likes, at one address."""

    def __init__(self, test, command, address):
        self.test = test
        self.command = command
        self.address = address
        self.child = None

    def start(self):
        log = self.test.path(f"server-{len(self.test.children)}.log")
        self.child = self.test.spawn(self.command, log)
        wait_until(lambda: listens(self.address) or not self.child.runs(), self.command[0])
        if not self.child.runs():
            raise AssertionError(f"{self.command[0]} ended: {self.child.log()}")
        return self

    @property
    def port(self):
        return int(self.address.rsplit(":", 1)[1])

    def kill(self):
        self.child.kill()

    def freeze(self):
        self.child.freeze()

    def thaw(self):
        self.child.thaw()


class Quorate(Child):
    """The program under test, running; see Test.quorate()."""

    def __init__(self, config, ready_file, log, env):
        super().__init__([QUORATE, "run", "--config", config, "--ready-file", ready_file], log, env)
        self.config = config
        self.ready_file = ready_file
        self.env = env
        self.expects_end = False

    def wait_for_start(self):
        wait_until(lambda: os.path.exists(self.ready_file) or not self.runs(), "quorate to start")
        if not self.runs():
            self.expects_end = True
            raise AssertionError(f"quorate ended:\n{self.log()}")
        with open(self.ready_file) as file:
            self.facts = json.load(file)

    def wait_until_ready(self):
        wait_until(lambda: self.get("/readyz")[0] == 200, "/readyz")

    def address(self, pool="p"):
        return self.facts["pools"][pool][0]

    def host_and_port(self, pool="p"):
        host, port = self.address(pool).rsplit(":", 1)
        return host, int(port)

    @property
    def admin(self):
        return f"{HOST}:{self.facts['admin']}"

    def get(self, path):
        """(status, body) of the admin port."""
        try:
            with urllib.request.urlopen(f"http://{self.admin}{path}", timeout=30 * PATIENCE) as page:
                return page.status, page.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def status(self):
        return json.loads(self.get("/api/v1/status")[1])

    def backend_state(self, address, pool="p"):
        for one in self.status()["pools"]:
            for backend in one["backends"]:
                if one["name"] == pool and backend["address"] == address:
                    return backend["state"]
        return None

    def metrics(self):
        """{name{labels}: value}."""
        values = {}
        for line in self.get("/metrics")[1].splitlines():
            if line and not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                values[name] = float(value)
        return values

    def metric(self, name, **labels):
        """The sum of all samples of `name` whose labels include these."""
        total = 0
        for sample, value in self.metrics().items():
            if sample.split("{")[0] == name and all(f'{k}="{v}"' in sample
                                                    for k, v in labels.items()):
                total += value
        return total

    def events(self, what):
        """The log's lines about `what`."""
        written = f'event="{what}"' if " " in what else f"event={what}"
        return [line for line in self.log().splitlines() if written in line]

    def reload(self):
        """The finished `quorate reload`."""
        return run(QUORATE, "reload", "--admin", self.admin, env=self.env)

    def end(self, number=signal.SIGTERM):
        """Asks it to end; returns the exit code."""
        if self.runs():
            self.thaw()
            self.signal(number)
        try:
            return self.process.wait(60 * PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"quorate did not end on signal {number}") from None

    def check(self):
        """Ends it, and raises if anything was wrong with it."""
        code = self.end()
        text = self.log()
        if REPORTS.search(text):
            raise AssertionError(f"quorate reported:\n{text[-20000:]}")
        if code != 0 and not self.expects_end:
            raise AssertionError(f"quorate exited with {code}:\n{text[-4000:]}")


def run(*command, stdin=None, env=None, timeout=60, cwd=None):
    """A program run to its end: .returncode, .stdout and .stderr as text."""
    return subprocess.run([str(word) for word in command], input=stdin, env=env, text=True, cwd=cwd,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          preexec_fn=die_with_parent, timeout=timeout * PATIENCE, check=False)


class Test(unittest.TestCase):
    """A folder, and the children started for one test."""

    maxDiff = 2000

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="quorate-test-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.children = []
        self.proxies = []
        self.addCleanup(self._end_children)
        self.env = dict(os.environ, XDG_RUNTIME_DIR=self.folder)

    def _end_children(self):
        problems = []
        for proxy in self.proxies:
            try:
                proxy.check()
            except AssertionError as problem:
                problems.append(str(problem))
        for child in self.children:
            child.kill()
        if problems:
            self.fail("\n".join(problems))

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.path(name), "w") as file:
            file.write(text)
        return self.path(name)

    def spawn(self, command, log, **options):
        child = Child(command, log, **options)
        self.children.append(child)
        return child

    # -- servers ---------------------------------------------------------------------------------

    def redis(self, *options, address=None):
        """A redis-server, at `address` if given: "host:port" or "unix:/path"."""
        address = address or f"{HOST}:{free_port()}"
        if address.startswith("unix:"):
            where = ["--port", "0", "--unixsocket", address[5:]]
        else:
            where = ["--bind", HOST, "--port", address.rsplit(":", 1)[1]]
        return Server(self, ["redis-server", *where, "--save", "", "--appendonly", "no", "--dir",
                             self.folder, *options], address).start()

    def memcached(self, *options, address=None):
        address = address or f"{HOST}:{free_port()}"
        if address.startswith("unix:"):
            where = ["-s", address[5:], "-a", "0700"]
        else:
            where = ["-l", HOST, "-p", address.rsplit(":", 1)[1]]
        user = ["-u", "root"] if os.geteuid() == 0 else []
        return Server(self, ["memcached", *where, "-U", "0", *user, "-m", "64", "-t", "1", *options],
                      address).start()

    # -- quorate ---------------------------------------------------------------------------------

    def config(self, pools, name="quorate.toml", top=None, log=None):
        """Writes a configuration. `pools`: {name: {key: value}}."""
        text = "".join(f"{key} = {toml(value)}\n" for key, value in (top or {}).items())
        text += "[log]\n" + "".join(f"{k} = {toml(v)}\n" for k, v in (log or {}).items())
        text += f"[admin]\nlisten = \"{HOST}:{free_port()}\"\n"
        for pool, settings in pools.items():
            text += f"[pool.{pool}]\n"
            settings = {"protocol": "redis", "listen": f"{HOST}:{free_port()}", **settings}
            text += "".join(f"{key} = {toml(value)}\n" for key, value in settings.items())
        return self.write(name, text)

    def quorate(self, pools, workers=2, ready=True, **others):
        """A running quorate; with `ready`, once /readyz says so."""
        top = {"workers": workers, **others.pop("top", {})}
        config = self.config(pools, f"quorate-{len(self.proxies)}.toml", top, **others)
        return self.quorate_with(config, ready)

    def quorate_with(self, config, ready=True):
        number = len(self.proxies)
        proxy = Quorate(config, self.path(f"ready-{number}"), self.path(f"quorate-{number}.log"),
                        self.env)
        self.proxies.append(proxy)
        proxy.wait_for_start()
        if ready:
            proxy.wait_until_ready()
        return proxy

    def redis_pool(self, count=3, workers=2, **settings):
        """(quorate, [redis-server …]) with one pool "p"."""
        servers = [self.redis() for _ in range(count)]
        proxy = self.quorate({"p": {"backends": [s.address for s in servers], **settings}}, workers)
        return proxy, servers

    def memcached_pool(self, count=3, workers=2, options=(), **settings):
        servers = [self.memcached(*options) for _ in range(count)]
        proxy = self.quorate({"p": {"protocol": "memcached",
                                    "backends": [s.address for s in servers], **settings}}, workers)
        return proxy, servers

    def owners(self, proxy, keys, pool="p"):
        """{key: address of its backend}, as `quorate ring where` says."""
        found = {}
        for begin in range(0, len(keys), 1000):
            done = run(QUORATE, "ring", "where", *keys[begin:begin + 1000], "--config",
                       proxy.config, "-p", pool, "-o", "json", timeout=120)
            self.assertEqual(done.returncode, 0, done.stderr)
            for one in json.loads(done.stdout):
                found[one["key"]] = one["address"]
        return found

    def keys_by_owner(self, proxy, servers, count=10, pool="p", prefix="k"):
        """For each server, `count` keys that it owns."""
        by_address = {server.address: [] for server in servers}
        number = 0
        while any(len(keys) < count for keys in by_address.values()):
            keys = [f"{prefix}{number + i}" for i in range(200)]
            number += 200
            for key, address in self.owners(proxy, keys, pool).items():
                by_address[address].append(key)
        return [by_address[server.address][:count] for server in servers]


def sentence(test):
    text = test.shortDescription() or test.id().rsplit(".", 1)[1].removeprefix("test_")
    return text.replace("_", " ")


class _Sentences(unittest.TextTestResult):
    def startTest(self, test):
        self.began = time.monotonic()
        unittest.TestResult.startTest(self, test)

    def _say(self, how, test):
        self.stream.writeln(f"{how:5} {sentence(test)} ({time.monotonic() - self.began:.1f} s)")
        self.stream.flush()

    def addSuccess(self, test):
        self._say("ok", test)

    def addFailure(self, test, err):
        unittest.TestResult.addFailure(self, test, err)
        self._say("FAIL", test)

    def addError(self, test, err):
        unittest.TestResult.addError(self, test, err)
        self._say("ERROR", test)

    def addSkip(self, test, reason):
        unittest.TestResult.addSkip(self, test, reason)
        self._say("skip", test)
        self.stream.writeln(f"      {reason}")

    def addSubTest(self, test, subtest, err):
        unittest.TestResult.addSubTest(self, test, subtest, err)
        if err is not None:
            self._say("FAIL", subtest)

    def getDescription(self, test):
        return sentence(test)


def main():
    """Runs the tests of the module that was started; words on the command line choose by name."""
    suite = unittest.defaultTestLoader.loadTestsFromModule(sys.modules["__main__"])
    words = sys.argv[1:]

    def chosen(tests):
        for one in tests:
            if isinstance(one, unittest.TestSuite):
                yield from chosen(one)
            elif not words or any(word.replace(" ", "_") in one.id() for word in words):
                yield one

    runner = unittest.TextTestRunner(stream=sys.stdout, resultclass=_Sentences)
    sys.exit(not runner.run(unittest.TestSuite(chosen(suite))).wasSuccessful())
