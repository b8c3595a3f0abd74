"""The same thousands of generated commands to a plain redis-server and through quorate, as pipelines
cut at random, in RESP2 and RESP3. Over one backend every reply is the same; over three it is, too,
or the command is refused with -CROSSSLOT because its keys live on several.

QUORATE_SEED chooses other commands than those of seed 1.
"""

import os
import random

import harness
from harness import effort
from redis_workload import SCRIPTS, TYPES, Workload, same
from resp import Resp, encode

SEED = int(os.environ.get("QUORATE_SEED", "1"))
BATCH = 40


class DualRun:
    """One class for each number of backends."""

    count = 0

    def setUp(self):
        super().setUp()
        self.plain = self.redis()
        self.proxy, self.servers = self.redis_pool(self.count)
        with Resp(self.plain.address) as server:
            self.shas = [server.ask("SCRIPT", "LOAD", script).decode() for script in SCRIPTS[:4]]
            dumps = []
            for make in (["SET", "d", "hello"], ["RPUSH", "l", "a", "b"], ["SADD", "s", "1", "2"]):
                server.ask(*make)
                dumps.append(server.ask("DUMP", make[1]))
            self.dumps = dumps
            server.ask("FLUSHALL")
            server.ask("SCRIPT", "FLUSH")

    def run_type(self, kind, protocol):
        count = effort(4000)
        works = Workload(kind, f"{SEED} {protocol} {self.count}", self.shas, self.dumps,
                         tagged_only=self.count > 1 and kind == "transactions",
                         may_spoil=kind != "transactions")
        self.cuts = random.Random(SEED)
        self.history = []
        with Resp(self.plain.address) as plain, Resp(self.proxy.address()) as proxied:
            for client in (plain, proxied):
                client.ask("FLUSHALL")
                client.ask("FUNCTION", "FLUSH")
                client.ask("SCRIPT", "FLUSH")
                if protocol == 3:
                    client.ask("HELLO", "3")
            for _ in range(count // BATCH):
                self.batch(plain, proxied, [works.command() for _ in range(BATCH)])

    def batch(self, plain, proxied, commands):
        got = self.replies(proxied, commands)
        asked = [i for i, reply in enumerate(got) if not self.crosses(commands[i], reply)]
        wanted = self.replies(plain, [commands[i] for i in asked])
        for i, want in zip(asked, wanted):
            self.history.append((commands[i], want))
            if not same(commands[i], want, got[i]):
                self.fail(self.report(commands[i], want, got[i]))

    def crosses(self, words, reply):
        return self.count > 1 and reply.startswith(b"-CROSSSLOT ") and len(words) > 2

    def replies(self, client, commands):
        data = b"".join(encode(*words) for words in commands)
        at = 0
        while at < len(data):
            size = self.cuts.choice([1, 7, 100, 1000, 100000])
            client.send_raw(data[at:at + size])
            at += size
        return [client.read_raw() for _ in commands]

    def report(self, words, want, got):
        keys = {word for word in words[1:] if word[:1] in b"k{"}
        before = [one for one in self.history[:-1] if keys & set(one[0])][-12:]
        lines = [f"{words}\n  server:  {want[:2000]!r}\n  quorate: {got[:2000]!r}\nbefore:"]
        lines += [f"  {one} -> {reply[:200]!r}" for one, reply in before]
        return "\n".join(lines)


def add_tests(cls):
    for kind in TYPES:
        for protocol in (2, 3):
            def test(self, kind=kind, protocol=protocol):
                self.run_type(kind, protocol)
            name = kind.replace(" ", "_")
            setattr(cls, f"test_{name}_in_resp{protocol}_over_{cls.count}", test)
    return cls


@add_tests
class OverOneBackend(DualRun, harness.Test):
    count = 1


@add_tests
class OverThreeBackends(DualRun, harness.Test):
    count = 3


if __name__ == "__main__":
    harness.main()
