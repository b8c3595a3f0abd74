"""The links between members of a cluster, which a test may cut: in front of each peer port stands a
relay, and everybody dials that. Who dialed is in the first frame (its hello), so that each direction
between two members can be cut alone.

A cut is one that nobody is told of: bytes are not lost but held, as TCP does over a network that
drops packets, and new connections are accepted and say nothing. On heal() what was held arrives, late.
"""

import selectors
import socket
import struct
import threading

from harness import HOST

HELLO = 1
MAGIC = b"QUORATE\n"
HELD = 4 << 20


def dialer_of(data):
    """The name in the hello that begins `data`; None: more bytes are needed."""
    if len(data) < 5:
        return None
    length, kind = struct.unpack_from("<IB", data)
    if kind != HELLO or data[5:13] != MAGIC[:len(data[5:13])]:
        return ""
    if len(data) < 4 + length:
        return None
    at = 5 + len(MAGIC) + 2 + 2 + 4 + 16 + 8 + 32  # versions, flags, cluster id, member, nonce
    for _ in range(2):  # the cluster's name, the member's
        size, = struct.unpack_from("<I", data, at)
        text = data[at + 4:at + 4 + size]
        at += 4 + size
    return text.decode()


class Way:
    """One direction of one connection."""

    def __init__(self, source, target):
        self.source = source
        self.target = target
        self.pending = bytearray()
        self.ended = False  # the source has


class Pair:
    """A connection through the relay: the dialer's and the member's sockets."""

    def __init__(self, dialed, member, owner):
        self.member = member  # who is dialed
        self.dialer = None    # not known until its hello is here
        self.ways = (Way(dialed, owner), Way(owner, dialed))

    def names(self, way):
        return (self.dialer, self.member) if way is self.ways[0] else (self.member, self.dialer)


class Links:
    def __init__(self):
        self.lock = threading.Lock()
        self.cuts = set()
        self.owners = {}  # listener: (name, address, dialers)
        self.pairs = set()
        self.selector = selectors.DefaultSelector()
        self.wake, self.woken = socket.socketpair()
        self.wake.setblocking(False)
        self.woken.setblocking(False)
        self.closing = False
        self.cut_bytes = 0  # how much has been held
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    # -- What a test does.

    def front(self, name, address, dialers=None):
        """Where the others are to dial `name`, whose peer port is at `address`. With `dialers`, who
        dialed is not in a hello but known by its host: {host: name}."""
        listener = socket.socket()
        listener.bind((HOST, 0))
        listener.listen(128)
        listener.setblocking(False)
        with self.lock:
            self.owners[listener] = (name, address, dialers)
        self._nudge()
        return "%s:%d" % listener.getsockname()

    def cut(self, source, target):
        """Nothing more gets from `source` to `target`; the other way stays open."""
        with self.lock:
            self.cuts.add((source, target))
        self._nudge()

    def cut_both(self, one, other):
        self.cut(one, other)
        self.cut(other, one)

    def isolate(self, name, others):
        for other in others:
            self.cut_both(name, other)

    def heal(self):
        with self.lock:
            self.cuts.clear()
        self._nudge()

    def close(self):
        self.closing = True
        self._nudge()
        self.thread.join()

    # -- The relay's thread.

    def _nudge(self):
        try:
            self.wake.send(b"!")
        except BlockingIOError:
            pass

    def _run(self):
        while not self.closing:
            self._watch()
            for key, _ in self.selector.select():
                if key.fileobj is self.woken:
                    self._drain_nudges()
                elif key.fileobj in self.owners:
                    self._accept(key.fileobj)
            for pair in list(self.pairs):
                self._pump(pair)
        for pair in list(self.pairs):
            self._end(pair)
        for listener in self.owners:
            listener.close()
        self.selector.close()
        self.wake.close()
        self.woken.close()

    def _drain_nudges(self):
        try:
            while self.woken.recv(4096):
                pass
        except BlockingIOError:
            pass

    def _is_cut(self, pair, way):
        with self.lock:
            return pair.names(way) in self.cuts

    def _watch(self):
        """Reads from whom it may, waits for whom it has something for."""
        wanted = {self.woken: selectors.EVENT_READ}
        with self.lock:
            listeners = list(self.owners)
        for listener in listeners:
            wanted[listener] = selectors.EVENT_READ
        for pair in self.pairs:
            for way in pair.ways:
                if self._is_cut(pair, way):
                    continue
                if len(way.pending) < HELD and not way.ended:
                    wanted[way.source] = wanted.get(way.source, 0) | selectors.EVENT_READ
                if way.pending and pair.dialer is not None:
                    wanted[way.target] = wanted.get(way.target, 0) | selectors.EVENT_WRITE
        known = {key.fileobj: key.events for key in self.selector.get_map().values()}
        for one in known.keys() - wanted.keys():
            self.selector.unregister(one)
        for one, events in wanted.items():
            if one not in known:
                self.selector.register(one, events)
            elif known[one] != events:
                self.selector.modify(one, events)

    def _accept(self, listener):
        try:
            dialed, (dialer, _) = listener.accept()
        except OSError:
            return
        name, address, dialers = self.owners[listener]
        host, port = address.rsplit(":", 1)
        owner = socket.socket()
        try:
            owner.connect((host, int(port)))  # on loopback: at once, or refused
        except OSError:
            owner.close()
            dialed.close()
            return
        for one in (dialed, owner):
            one.setblocking(False)
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        pair = Pair(dialed, name, owner)
        if dialers is not None:
            pair.dialer = dialers.get(dialer, "")
        self.pairs.add(pair)

    def _pump(self, pair):
        for way in pair.ways:
            if self._is_cut(pair, way):
                continue
            if not self._read(way):
                return self._end(pair)
            if pair.dialer is None and way is pair.ways[0]:
                pair.dialer = dialer_of(way.pending)
                if self._is_cut(pair, way):
                    continue
            if pair.dialer is None:
                continue
            if not self._write(way) or (way.ended and not way.pending):
                return self._end(pair)

    @staticmethod
    def _read(way):
        """False: the connection is broken."""
        try:
            while not way.ended and len(way.pending) < HELD:
                data = way.source.recv(65536)
                way.ended = not data
                way.pending += data
        except BlockingIOError:
            pass
        except OSError:
            return False
        return True

    @staticmethod
    def _write(way):
        try:
            while way.pending:
                del way.pending[:way.target.send(way.pending)]
        except BlockingIOError:
            pass
        except OSError:
            return False
        return True

    def _end(self, pair):
        for way in pair.ways:
            if way.source in self.selector.get_map():
                self.selector.unregister(way.source)
            way.source.close()
        self.pairs.discard(pair)
