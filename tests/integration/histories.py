"""Many clients of a quorum pool, and what each of them was told, key by key: the record that
linearizable.py judges.

Every write carries a value of its own. What certainly was not applied (-TRYAGAIN, -CLUSTERDOWN, a
connection that could not be made) is counted and left out; what may have been (-INDETERMINATE, a
lost connection, no answer) stays open. Anything else a client is told is a failure of the test.
"""

import random
import threading
import time

from harness import PATIENCE
from linearizable import UNKNOWN, GaveUp, Operation, explain
from resp import Error, Resp

CERTAINLY_NOT = (b"TRYAGAIN", b"CLUSTERDOWN", b"LOADING")


class Client(threading.Thread):
    """One client: a connection at a time, to any of the proxies; one command at a time."""

    def __init__(self, number, record):
        super().__init__(daemon=True)
        self.number = number
        self.record = record
        self.draw = random.Random(record.seed * 1000 + number)
        self.connection = None
        self.written = 0

    def run(self):
        try:
            while not self.record.stopping.is_set():
                self.turn()
                if self.record.pause:
                    time.sleep(self.draw.random() * 2 * self.record.pause)
        except Exception as error:  # pylint: disable=broad-except
            self.record.failures.append(f"client {self.number}: {error!r}")
        finally:
            self.disconnect()

    def disconnect(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def command(self, kind):
        self.written += 1
        value = b"%d.%d" % (self.number, self.written)
        if kind == "counter":
            return self.draw.choice([("INCR",), ("INCR",), ("GET",)])
        if kind == "log":
            return self.draw.choice([("APPEND", b"<" + value + b">"), ("GET",)])
        if kind == "hash":
            return self.draw.choice([("HSET", b"f%d" % self.draw.randrange(3), value),
                                     ("HGETALL",)])
        return self.draw.choice([("SET", value), ("SET", value), ("GET",), ("GET",), ("GET",),
                                 ("DEL",), ("SETNX", value), ("GETDEL",)])

    def turn(self):
        record = self.record
        if self.connection is None:
            try:
                self.connection = Resp(self.draw.choice(record.addresses), record.client_timeout)
            except OSError:
                time.sleep(0.02)
                return
        key, kind = record.draw_key(self.draw)
        command = self.command(kind)
        call = time.monotonic()
        try:
            result = self.connection.ask(command[0], key, *command[1:])
        except (OSError, EOFError) as error:
            self.disconnect()
            result = error
        end = time.monotonic()
        if command[0] == "HGETALL" and isinstance(result, list):
            result = dict(zip(result[::2], result[1::2]))
        outcome = "acknowledged"
        if isinstance(result, Error) and result.startswith(CERTAINLY_NOT):
            outcome = "refused"
        elif isinstance(result, Error) and not result.startswith(b"INDETERMINATE"):
            raise AssertionError(f"{command} on {key}: {result!r}")
        elif isinstance(result, (Error, Exception)):
            outcome = "unknown"
            result = UNKNOWN
        record.note(key, Operation(call, end, command, result, self.number), outcome)


class Record:
    """Clients that run, and what they were told."""

    def __init__(self, addresses, clients=8, keys=40, seed=1, pause=0.002, client_timeout=8,
                 new_keys_every=5.0):
        self.addresses = addresses
        self.seed = seed
        self.pause = pause
        self.client_timeout = client_timeout
        self.keys = keys
        self.new_keys_every = new_keys_every
        self.began = time.monotonic()
        self.stopping = threading.Event()
        self.failures = []
        self.lock = threading.Lock()
        self.operations = {}
        self.times = []  # (call, end, outcome)
        self.clients = [Client(number, self) for number in range(clients)]
        for client in self.clients:
            client.start()

    def draw_key(self, draw):
        """Of those that are in use now: keys come and go, so that each history stays short."""
        period = int((time.monotonic() - self.began) / self.new_keys_every)
        number = draw.randrange(self.keys)
        kind = ("register", "register", "counter", "log", "hash")[number % 5]
        return f"{kind}-{period}-{number}", kind

    def note(self, key, operation, outcome):
        with self.lock:
            self.times.append((operation.call, operation.end if operation.end != float("inf")
                               else time.monotonic(), outcome))
            reads = operation.command[0] in ("GET", "HGETALL")
            if outcome == "refused" or (outcome == "unknown" and reads):
                return
            self.operations.setdefault(key, []).append(operation)

    def count(self, outcome=None):
        with self.lock:
            return sum(1 for *_, one in self.times if outcome in (None, one))

    def stop(self):
        self.stopping.set()
        for client in self.clients:
            client.join(60 * PATIENCE)
            if client.is_alive():
                self.failures.append(f"client {client.number} does not end")

    def longest_pause(self, begin, end):
        """The longest time within [begin, end] in which nothing was acknowledged."""
        marks = sorted(one for _, one, outcome in self.times
                       if outcome == "acknowledged" and begin <= one <= end)
        marks = [begin, *marks, end]
        return max(b - a for a, b in zip(marks, marks[1:]))

    def judge(self, test):
        """Fails `test` unless every key's history is linearizable. Returns a line to print."""
        test.assertEqual(self.failures, [])
        given_up = 0
        for key, operations in sorted(self.operations.items()):
            try:
                problem = explain(operations)
            except GaveUp:
                given_up += 1
                continue
            if problem is not None:
                rows = "\n".join(repr(one) for one in problem)
                test.fail(f"{key}: no order of these explains what clients were told:\n{rows}")
        test.assertEqual(given_up, 0, "histories that could not be judged in time")
        total = self.count()
        parts = ", ".join(f"{self.count(one)} {one}" for one in
                          ("acknowledged", "refused", "unknown"))
        return f"      {len(self.operations)} keys, {total} operations: {parts}"
