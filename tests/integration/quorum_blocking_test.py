"""Blocking pops of a pool with consistency = "quorum": what is popped is popped once, by somebody who gets
it, through whichever proxy it was pushed."""

import collections
import threading
import time

import harness
from harness import effort, wait_until
from quorum_test import QuorumTest
from resp import Error, Resp


class BlockingPops(QuorumTest):
    def blocked(self, members):
        total = 0
        for member in members:
            with Resp(member.proxy.address()) as client:
                text = client.ask("INFO", "clients")
            total += int(text.split(b"blocked_clients:")[1].split(b"\r\n")[0])
        return total

    def wait_for(self, members, count):
        wait_until(lambda: self.blocked(members) == count, f"{count} blocked clients")

    def test_the_replies_are_those_of_a_server(self):
        members, _ = self.quorum(proxies="a")
        plain = self.redis()
        commands = [
            ["RPUSH", "l", "1", "2", "3", "4"], ["BLPOP", "x", "l", "0"], ["BRPOP", "l", "0.01"],
            ["BLMOVE", "l", "l", "LEFT", "RIGHT", "1"], ["BRPOPLPUSH", "l", "l", "1"],
            ["BLMPOP", "1", "2", "x", "l", "LEFT", "COUNT", "5"], ["BLPOP", "l", "0.01"],
            ["BLMPOP", "0.01", "1", "l", "LEFT"], ["BLMOVE", "l", "l", "LEFT", "LEFT", "0.01"],
            ["BRPOPLPUSH", "l", "l", "0.01"], ["ZADD", "z", "1", "a", "2", "b", "3.5", "c"],
            ["BZPOPMIN", "x", "z", "0"], ["BZPOPMAX", "z", "0"], ["BZMPOP", "0", "1", "z", "MIN"],
            ["BZPOPMIN", "z", "0.01"], ["BZMPOP", "0.01", "1", "z", "MAX"],
            ["SET", "str", "1"], ["BLPOP", "str", "0"], ["BZPOPMIN", "str", "0"],
            ["BLPOP", "l", "x"], ["BLPOP", "l", "-1"], ["BLPOP", "l"], ["BLMPOP", "0", "x", "l", "LEFT"],
            ["BLMPOP", "0", "1", "l"], ["BLMPOP", "0", "1", "l", "UP"], ["BLMPOP", "0", "0", "l", "LEFT"],
            ["BLMPOP", "0", "1", "l", "LEFT", "COUNT", "0"], ["BZMPOP", "0", "1", "l", "LEFT"],
            ["BLMOVE", "l", "l", "UP", "LEFT", "0"], ["BLPOP", "l", "1e400"], ["BLPOP", "l", "nan"],
            ["XADD", "s", "1-1", "f", "v"], ["XADD", "s", "2-1", "f", "w"],
            ["XREAD", "BLOCK", "0", "STREAMS", "s", "0"], ["XREAD", "BLOCK", "10", "STREAMS", "s", "$"],
            ["XREAD", "BLOCK", "0", "COUNT", "1", "STREAMS", "x", "s", "$", "0"],
            ["XREAD", "COUNT", "1", "BLOCK", "10", "STREAMS", "x", "$"], ["XDEL", "s", "2-1"],
            ["XREAD", "BLOCK", "10", "STREAMS", "s", "$"], ["XREAD", "BLOCK", "0", "STREAMS", "str", "$"],
            ["XREAD", "BLOCK", "10", "STREAMS", "s", "1-x"], ["XREAD", "BLOCK", "-1", "STREAMS", "s", "$"],
            ["XREAD", "BLOCK", "x", "STREAMS", "s", "$"], ["XREAD", "BLOCK", "0", "STREAMS", "s"],
            ["XREAD", "BLOCK", "0", "STREAMS", "block", "s", "0"], ["XREAD", "BLOCK", "0", "s", "0"],
            ["XADD", "block", "5-5", "f", "v"], ["XREAD", "STREAMS", "block", "0"],
            ["XGROUP", "CREATE", "s", "g", "0"],
            ["XREADGROUP", "GROUP", "g", "c", "BLOCK", "0", "STREAMS", "s", ">"],
            ["XREADGROUP", "GROUP", "g", "c", "BLOCK", "10", "STREAMS", "s", ">"],
            ["XREADGROUP", "GROUP", "g", "c", "BLOCK", "0", "STREAMS", "s", "0"],
            ["XREADGROUP", "GROUP", "none", "c", "BLOCK", "0", "STREAMS", "s", ">"],
            ["XREADGROUP", "GROUP", "g", "c", "NOACK", "BLOCK", "10", "STREAMS", "s", ">"],
            ["MULTI"], ["XREAD", "BLOCK", "0", "STREAMS", "s", "0"],
            ["XREAD", "BLOCK", "0", "STREAMS", "s", "$"], ["EXEC"],
            ["MULTI"], ["BLPOP", "l", "0"], ["EXEC"],
            ["MULTI"], ["RPUSH", "l", "1", "2", "3"], ["BLPOP", "l", "0"], ["BRPOP", "l", "0"],
            ["BLMPOP", "0", "1", "l", "LEFT"], ["BLMPOP", "0", "1", "l", "LEFT"],
            ["BLMOVE", "l", "l", "LEFT", "LEFT", "0"], ["EXEC"],
            ["MULTI"], ["ZADD", "z", "1", "a", "2", "b"], ["BZPOPMIN", "z", "0"], ["BZPOPMAX", "z", "0"],
            ["BZPOPMAX", "z", "0"], ["EXEC"],
        ]
        for protocol in ("2", "3"):
            replies = []
            for address in (plain.address, members[0].proxy.address()):
                with Resp(address) as client:
                    client.ask("DEL", "l", "z", "str", "s", "block")
                    client.ask("HELLO", protocol)
                    replies.append([(words, client.ask_raw(*words)) for words in commands])
            for direct, through in zip(*replies):
                self.assertEqual(direct, through, protocol)

    def test_who_waits_gets_what_is_pushed_through_any_proxy(self):
        members, _ = self.quorum(proxies="ab")
        with Resp(members[0].proxy.address()) as waiter:
            for pusher in members:
                for wait, push in ((("BLPOP", "q", "0"), ("RPUSH", "q", "x")),
                                   (("BZPOPMIN", "none", "z", "0"), ("ZADD", "z", "1", "x"))):
                    waiter.send(*wait)
                    self.wait_for(members, 1)
                    with Resp(pusher.proxy.address()) as client:
                        self.assertEqual(client.ask(*push), 1)
                    self.assertIn(b"x", waiter.read())
            # Not before its time, and not much later.
            begin = time.monotonic()
            self.assertIsNone(waiter.ask("BLPOP", "q", "0.3"))
            self.assertGreaterEqual(time.monotonic() - begin, 0.3)
            # What is behind it in a pipeline comes behind it.
            self.assertEqual(waiter.ask_all([("BLPOP", "q", "0.05"), ("RPUSH", "q", "y"),
                                             ("BLPOP", "q", "0"), ("PING",)]),
                             [None, 1, [b"q", b"y"], b"PONG"])

    def test_who_waits_for_a_stream_gets_what_is_added_through_any_proxy_and_nothing_older(self):
        members, _ = self.quorum(proxies="ab")
        with Resp(members[0].proxy.address()) as waiter:
            for number, adder in enumerate(members):
                with Resp(adder.proxy.address()) as client:
                    client.ask("XADD", "s", f"1-{number}", "f", "old")
                    for read in (("XREAD", "BLOCK", "0", "STREAMS", "none", "s", "$", "$"),
                                 ("XREAD", "BLOCK", "0", "STREAMS", f"new{number}", "$")):
                        waiter.send(*read)
                        self.wait_for(members, 1)
                        key = read[4 if len(read) == 6 else 5]
                        entry = client.ask("XADD", key, "*", "f", "x")
                        self.assertEqual(waiter.read(), [[key.encode(), [[entry, [b"f", b"x"]]]]])
                    client.ask("DEL", "s")
            # Each entry goes to one consumer of a group.
            client = Resp(members[1].proxy.address())
            client.ask("XGROUP", "CREATE", "q", "g", "$", "MKSTREAM")
            waiters = [Resp(one.proxy.address()) for one in members]
            for number, one in enumerate(waiters):
                one.send("XREADGROUP", "GROUP", "g", f"c{number}", "COUNT", "1", "BLOCK", "0",
                         "STREAMS", "q", ">")
            self.wait_for(members, 2)
            entries = [client.ask("XADD", "q", "*", "f", i) for i in range(2)]
            self.assertEqual(sorted(one.read()[0][1][0][0] for one in waiters), sorted(entries))
            self.assertEqual(client.ask("XPENDING", "q", "g")[0], 2)

    def test_every_element_is_popped_once(self):
        members, _ = self.quorum(proxies="ab")
        count, popped, lock = effort(200), [], threading.Lock()

        def pop(number):
            with Resp(members[number % 2].proxy.address()) as client:
                while True:
                    reply = client.ask("BRPOP" if number % 3 else "BLPOP", "a", "b", "0")
                    if reply[1] == b"end":
                        return
                    with lock:
                        popped.append(reply[1])

        threads = [threading.Thread(target=pop, args=(i,)) for i in range(8)]
        for one in threads:
            one.start()
        with Resp(members[0].proxy.address()) as one, Resp(members[1].proxy.address()) as other:
            for i in range(count):
                (one, other)[i % 2].ask("LPUSH", "ab"[i // 2 % 2], f"e{i}")
            wait_until(lambda: len(popped) >= count, "all to be popped", 60)
            one.ask("RPUSH", "a", *["end"] * len(threads))
        for thread in threads:
            thread.join()
        self.assertEqual(collections.Counter(popped),
                         collections.Counter(b"e%d" % i for i in range(count)))

    def test_nothing_is_popped_for_who_is_gone(self):
        members, _ = self.quorum(proxies="ab")
        with Resp(members[0].proxy.address()) as gone:
            gone.send("BLPOP", "q", "0")
            self.wait_for(members, 1)
        self.wait_for(members, 0)
        with Resp(members[1].proxy.address()) as client:
            client.ask("RPUSH", "q", "x")
            with Resp(members[0].proxy.address()) as other:
                self.assertIsNone(other.ask("BLPOP", "something else", "1.5"))
            self.assertEqual(client.ask("LRANGE", "q", "0", "-1"), [b"x"])

    def test_client_unblock_ends_it(self):
        members, _ = self.quorum(proxies="a")
        with Resp(members[0].proxy.address()) as waiter, Resp(members[0].proxy.address()) as other:
            number = waiter.ask("CLIENT", "ID")
            for how, wanted in ((["ERROR"], Error), ([], type(None))):
                waiter.send("BLPOP", "q", "0")
                self.wait_for(members, 1)
                self.assertEqual(other.ask("CLIENT", "UNBLOCK", number, *how), 1)
                self.assertIsInstance(waiter.read(), wanted)
            self.assertEqual(waiter.ask("PING"), b"PONG")

    def test_it_goes_on_while_a_server_is_lost(self):
        members, servers = self.quorum(proxies="ab")
        with Resp(members[0].proxy.address()) as waiter, Resp(members[1].proxy.address()) as pusher:
            waiter.send("BLPOP", "q", "0")
            self.wait_for(members, 1)
            servers[0].kill()
            reply = pusher.ask("RPUSH", "q", "x")
            while isinstance(reply, Error):
                reply = pusher.ask("RPUSH", "q", "x")
            self.assertEqual(waiter.read(), [b"q", b"x"])


if __name__ == "__main__":
    harness.main()
