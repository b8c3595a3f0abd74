"""Backends that misbehave. A FakeRedis or FakeMemcached does what its few commands do, counts every
command that it executed, and breaks connections where a *behaviour* says so.

A behaviour is asked once for each command: behaviour(words, connection) -> one of the words below.
Greetings and probes (HELLO, PING, INFO, version) always succeed unless `spares_greetings` is False.
"""

import collections
import random
import socket
import struct
import threading

from harness import HOST

SERVE = "serve"
DROP_BEFORE = "drop before"  # close without executing it
DROP_AFTER = "drop after"    # execute it, close without an answer
HALF_REPLY = "half a reply"  # execute it, answer in part, close
GARBAGE = "garbage"          # execute it, answer nonsense
STALL = "stall"              # execute it, and never answer anything on this connection again


def serve(words, connection):
    return SERVE


class Fake:
    def __init__(self, behaviour=serve, spares_greetings=True, address=None):
        self.behaviour = behaviour
        self.spares_greetings = spares_greetings
        self.executed = []  # (connection's number, words), in order
        self.data = {}
        self.lock = threading.RLock()
        self.connections = []
        self.accepted = 0
        self.resets = False  # cut with RST instead of FIN
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((HOST, int(address.rsplit(":", 1)[1]) if address else 0))
        self.listener.listen(128)
        self.address = "%s:%d" % self.listener.getsockname()
        self.released = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.released.set()
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        self.cut_all()

    def cut_all(self):
        with self.lock:
            for connection in self.connections:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def count(self, *words):
        """How often a command that begins with these words was executed."""
        wanted = [word if isinstance(word, bytes) else str(word).encode() for word in words]
        with self.lock:
            return sum(1 for _, done in self.executed
                       if [done[0].upper(), *done[1:len(wanted)]] == wanted)

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                self.accepted += 1
                number = self.accepted
                self.connections.append(connection)
            threading.Thread(target=self._serve, args=(connection, number), daemon=True).start()

    def _serve(self, connection, number):
        file = connection.makefile("rb", buffering=65536)
        try:
            self.talk(file, connection, number)
        except (OSError, ValueError):
            pass
        finally:
            if self.resets:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            with self.lock:
                self.connections.remove(connection)
            file.close()
            connection.close()

    def talk(self, file, connection, number):
        while True:
            words = self.read_command(file)
            if not words:
                return
            greets = words[0].lower() in self.GREETINGS
            spared = greets and self.spares_greetings
            how = SERVE if spared else self.behaviour(words, number)
            if how == DROP_BEFORE:
                return
            with self.lock:
                if not greets:
                    self.executed.append((number, words))
                reply = self.execute(words)
            if how == DROP_AFTER:
                return
            if how == HALF_REPLY:
                connection.sendall(reply[:max(1, len(reply) // 2)])
                return
            if how == GARBAGE:
                connection.sendall(b"?\0nonsense\r\n" * 3)
                continue
            if how == STALL:
                self.released.wait()
                return
            connection.sendall(reply)


class FakeRedis(Fake):
    GREETINGS = {b"hello", b"ping", b"info", b"select", b"auth"}
    COMMANDS = {}  # name: the reply of COMMAND INFO, for names that no table has

    def read_command(self, file):
        line = file.readline()
        if not line:
            return None
        words = []
        for _ in range(int(line[1:])):
            size = int(file.readline()[1:])
            data = file.read(size + 2)
            if len(data) != size + 2:
                return None
            words.append(data[:-2])
        return words

    @staticmethod
    def bulk(value):
        return b"$-1\r\n" if value is None else b"$%d\r\n%s\r\n" % (len(value), value)

    def execute(self, words):
        name, args = words[0].upper(), words[1:]
        if name == b"HELLO":
            fields = [b"server", b"redis", b"version", b"7.0.15"]
            head = b"%2\r\n" if args[:1] == [b"3"] else b"*4\r\n"
            return head + b"".join(self.bulk(field) for field in fields)
        if name == b"PING":
            return b"+PONG\r\n"
        if name == b"INFO":
            return self.bulk(b"# Server\r\nrun_id:0123456789012345678901234567890123456789\r\n")
        if name in (b"SELECT", b"AUTH"):
            return b"+OK\r\n"
        if name == b"GET":
            return self.bulk(self.data.get(args[0]))
        if name == b"SET":
            self.data[args[0]] = args[1]
            return b"+OK\r\n"
        if name == b"APPEND":
            self.data[args[0]] = self.data.get(args[0], b"") + args[1]
            return b":%d\r\n" % len(self.data[args[0]])
        if name == b"INCR":
            self.data[args[0]] = b"%d" % (int(self.data.get(args[0], 0)) + 1)
            return b":%s\r\n" % self.data[args[0]]
        if name == b"DEL":
            return b":%d\r\n" % sum(self.data.pop(key, None) is not None for key in args)
        if name == b"MSET":
            self.data.update(zip(args[::2], args[1::2]))
            return b"+OK\r\n"
        if name == b"MGET":
            return b"*%d\r\n" % len(args) + b"".join(self.bulk(self.data.get(k)) for k in args)
        if name == b"COMMAND" and args[0].upper() == b"INFO":
            return b"*1\r\n" + self.COMMANDS.get(args[1].lower(), b"*-1\r\n")
        if name.lower() in self.COMMANDS:
            return self.bulk(b" ".join(words))
        return b"-ERR unknown command '%s'\r\n" % words[0]


class FakeMemcached(Fake):
    """The text protocol."""

    GREETINGS = {b"version"}

    def read_command(self, file):
        line = file.readline()
        if not line.endswith(b"\r\n"):
            return None
        words = line.split()
        if words and words[0] in (b"set", b"add", b"append"):
            data = file.read(int(words[4]) + 2)
            if len(data) != int(words[4]) + 2:
                return None
            words.append(data[:-2])
        return words

    def execute(self, words):
        name, args = words[0], words[1:]
        if name == b"version":
            return b"VERSION 1.6.18\r\n"
        if name in (b"get", b"gets"):
            found = [(key, self.data[key]) for key in args if key in self.data]
            return b"".join(b"VALUE %s 0 %d\r\n%s\r\n" % (key, len(value), value)
                            for key, value in found) + b"END\r\n"
        if name == b"set":
            self.data[args[0]] = args[-1]
            return b"STORED\r\n"
        if name == b"append":
            if args[0] not in self.data:
                return b"NOT_STORED\r\n"
            self.data[args[0]] += args[-1]
            return b"STORED\r\n"
        if name == b"delete":
            return b"DELETED\r\n" if self.data.pop(args[0], None) is not None else b"NOT_FOUND\r\n"
        return b"ERROR\r\n"


class Silent(Fake):
    """Accepts, reads, and says nothing: half-open."""

    def talk(self, file, connection, number):
        while connection.recv(65536):
            pass


class Speaks(Fake):
    """Says `data` to whoever connects, reads what comes, and closes after `count` bytes."""

    def __init__(self, data, count=None):
        self.said = data
        self.most = count
        super().__init__()

    def talk(self, file, connection, number):
        connection.sendall(self.said)
        seen = 0
        while self.most is None or seen < self.most:
            data = connection.recv(65536)
            if not data:
                return
            seen += len(data)


class Chance:
    """A behaviour by chance: `odds` is {how: probability}; the rest is served. Repeatable only as far
    as threads are."""

    def __init__(self, seed, odds):
        self.random = random.Random(seed)
        self.odds = odds
        self.lock = threading.Lock()
        self.done = collections.Counter()

    def __call__(self, words, connection):
        with self.lock:
            draw = self.random.random()
            for how, odd in self.odds.items():
                if draw < odd:
                    self.done[how] += 1
                    return how
                draw -= odd
            return SERVE
