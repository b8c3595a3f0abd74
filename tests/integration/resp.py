"""RESP2 and RESP3 over a socket, plainly: what was sent is what was asked for, and replies can be had
as values or as the very bytes."""

from harness import connect


class Error(bytes):
    """An error reply, without its "-" and line end."""

    def __repr__(self):
        return f"Error({bytes(self)!r})"


class Push(list):
    """A RESP3 push."""


def encode(*words):
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        if not isinstance(word, bytes):
            word = str(word).encode()
        parts.append(b"$%d\r\n%s\r\n" % (len(word), word))
    return b"".join(parts)


class Resp:
    """One client connection. Replies are read with a time limit; the end of the connection raises
    EOFError. `seen`: the first line of the reply that was read last, or began to be."""

    def __init__(self, address, timeout=30):
        self.socket = connect(address, timeout)
        self.file = self.socket.makefile("rb", buffering=65536)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.file.close()
        self.socket.close()

    def send(self, *words):
        self.socket.sendall(encode(*words))

    def send_raw(self, data):
        self.socket.sendall(data)

    def ask(self, *words):
        self.send(*words)
        return self.read()

    def ask_all(self, commands):
        """A pipeline: replies in order."""
        self.socket.sendall(b"".join(encode(*words) for words in commands))
        return [self.read() for _ in commands]

    def _line(self):
        try:
            line = self.file.readline()
        except ConnectionError as error:
            raise EOFError(str(error)) from None
        if not line.endswith(b"\r\n"):
            raise EOFError("the connection was closed")
        return line

    def _exactly(self, count):
        try:
            data = self.file.read(count)
        except ConnectionError as error:
            raise EOFError(str(error)) from None
        if len(data) != count:
            raise EOFError("the connection was closed")
        return data

    def read(self):
        self.seen = b""
        line = self.seen = self._line()
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest
        if kind == b"-":
            return Error(rest)
        if kind in b":":
            return int(rest)
        if kind in b"$=":
            return None if rest == b"-1" else self._exactly(int(rest) + 2)[:-2]
        if kind == b"*":
            return None if rest == b"-1" else [self.read() for _ in range(int(rest))]
        if kind == b"~":
            return [self.read() for _ in range(int(rest))]
        if kind == b">":
            return Push(self.read() for _ in range(int(rest)))
        if kind == b"%":
            return {self.read(): self.read() for _ in range(int(rest))}
        if kind == b"|":
            for _ in range(2 * int(rest)):
                self.read()
            return self.read()
        if kind == b"_":
            return None
        if kind == b",":
            return float(rest)
        if kind == b"#":
            return rest == b"t"
        if kind == b"(":
            return int(rest)
        if kind == b"!":
            return Error(self._exactly(int(rest) + 2)[:-2])
        raise AssertionError(f"not RESP: {line!r}")

    def read_raw(self):
        """One reply, byte for byte."""
        line = self._line()
        kind, rest = line[:1], line[1:-2]
        if kind in b"$=!" and rest != b"-1":
            return line + self._exactly(int(rest) + 2)
        count = {b"*": 1, b"~": 1, b">": 1, b"%": 2, b"|": 2}.get(kind)
        if count is None or rest == b"-1":
            return line
        elements = count * int(rest) + (kind == b"|")
        return line + b"".join(self.read_raw() for _ in range(elements))

    def ask_raw(self, *words):
        self.send(*words)
        return self.read_raw()

    def at_end(self):
        """True if the server has closed the connection; waits for it or for more bytes."""
        try:
            return self.file.read(1) == b""
        except ConnectionError:
            return True
