"""Publish and subscribe through quorate, as clients see it with one Redis server."""

import resource
import threading

import harness
from harness import effort, wait_until
from resp import Error, Push, Resp

try:
    import redis
except ImportError:
    redis = None


def message(channel, payload):
    return [b"message", channel.encode(), payload.encode()]


class OneBackend(harness.Test):
    """What is said to a subscriber is, byte for byte, what the server itself says."""

    CONVERSATIONS = [
        [["SUBSCRIBE", "a", "b", "a"], ["PING"], ["PING", "x"], ["GET", "k"], ["CLIENT", "GETNAME"],
         ["PSUBSCRIBE", "p*"], ["SSUBSCRIBE", "s"], ["UNSUBSCRIBE", "a", "nosuch"],
         ["UNSUBSCRIBE", "b"], ["SUNSUBSCRIBE"], ["PUNSUBSCRIBE"], ["GET", "k"],
         ["UNSUBSCRIBE"], ["PUNSUBSCRIBE"], ["SUNSUBSCRIBE"], ["PING"]],
        [["SUBSCRIBE"], ["PSUBSCRIBE"], ["PUBLISH", "a"], ["SPUBLISH", "a"], ["PUBSUB"],
         ["PUBSUB", "NOSUCH"], ["PUBSUB", "CHANNELS", "a", "b"], ["PUBSUB", "NUMPAT", "a"],
         ["PUBSUB", "NUMSUB"], ["PUBSUB", "CHANNELS"], ["PUBSUB", "NUMPAT"],
         ["PUBSUB", "SHARDCHANNELS", "x*"], ["PUBSUB", "SHARDNUMSUB", "a"],
         ["PUBLISH", "a", "x"], ["SPUBLISH", "a", "x"]],
        [["SUBSCRIBE", "a"], ["RESET"], ["GET", "k"], ["SUBSCRIBE", "a"], ["QUIT"]],
        [["SUBSCRIBE", "a"], ["NOSUCH"], ["SUBSCRIBE"], ["ECHO", "x"], ["SELECT", "1"]],
        [["CLIENT", "TRACKING", "OFF"], ["CLIENT", "CACHING", "YES"], ["CLIENT", "TRACKINGINFO"],
         ["CLIENT", "NO-EVICT", "ON"], ["CLIENT", "NO-EVICT", "x"], ["CLIENT", "NO-TOUCH", "ON"],
         ["CLIENT", "REPLY", "x"], ["CLIENT", "GETREDIR"], ["CLIENT", "UNBLOCK", "999999"],
         ["CLIENT", "UNBLOCK", "x"], ["CLIENT", "UNBLOCK", "1", "x"]],
    ]

    def test_the_replies_are_those_of_the_server_itself(self):
        proxy, (server,) = self.redis_pool(1)
        for protocol in ("2", "3"):
            for conversation in self.CONVERSATIONS:
                replies = []
                for address in (server.address, proxy.address()):
                    with Resp(address) as client:
                        client.ask("HELLO", protocol)
                        said = []
                        for words in conversation:
                            client.send(*words)
                            count = max(1, len(words) - 1) if "SUBSCRIBE" in words[0] else 1
                            if len(words) == 1:
                                count = 1
                            said.append((words, [client.read_raw() for _ in range(count)]))
                        replies.append(said)
                for direct, through in zip(*replies):
                    self.assertEqual(direct, through)

    def test_messages_come_even_if_replies_are_off(self):
        proxy, (server,) = self.redis_pool(1)
        seen = []
        for address in (server.address, proxy.address()):
            with Resp(address) as client, Resp(address) as other:
                client.send("CLIENT", "REPLY", "OFF")
                client.send("SUBSCRIBE", "a")
                said = [client.read_raw()]
                other.ask("PUBLISH", "a", "x")
                said.append(client.read_raw())
                seen.append(said)
        self.assertEqual(*seen)


@harness.unittest.skipUnless(redis, "redis-py is not installed")
class ManyBackends(harness.Test):
    def setUp(self):
        super().setUp()
        self.proxy, self.servers = self.redis_pool(3, workers=2)
        self.host, self.port = self.proxy.host_and_port()

    def client(self):
        return redis.Redis(self.host, self.port, socket_timeout=30 * harness.PATIENCE)

    def test_every_subscriber_gets_every_message_once_and_in_order(self):
        count, rounds = effort(20), effort(200)
        channels = [f"c{i}" for i in range(10)]
        pubsubs = []
        for i in range(count):
            pubsub = self.client().pubsub(ignore_subscribe_messages=True)
            if i % 4 == 3:
                pubsub.psubscribe("c*")
            else:
                pubsub.subscribe(*channels)
            pubsubs.append(pubsub)
        seen = [[] for _ in pubsubs]

        def listen(i):
            for one in pubsubs[i].listen():
                seen[i].append((one["channel"], one["data"]))
                if one["data"] == b"end":
                    return

        for pubsub in pubsubs:  # the confirmations
            for _ in range(1 if pubsub.patterns else len(channels)):
                self.assertIsNone(pubsub.get_message(timeout=10))
        threads = [threading.Thread(target=listen, args=(i,)) for i in range(count)]
        for thread in threads:
            thread.start()
        publisher = self.client()
        for n in range(rounds):
            channel = channels[n % len(channels)]
            self.assertEqual(publisher.publish(channel, n), count)
        wait_until(lambda: all(len(s) == rounds for s in seen), "all messages")
        publisher.publish(channels[0], "end")
        for thread in threads:
            thread.join()
        for one in seen:
            for channel in channels:
                numbers = [int(data) for name, data in one
                           if name.decode() == channel and data != b"end"]
                self.assertEqual(numbers, [n for n in range(rounds)
                                           if channels[n % len(channels)] == channel])

    def test_a_message_arrives_wherever_it_is_published(self):
        """PUBLISH in a transaction, in a script, and straight to a backend."""
        pubsub = self.client().pubsub(ignore_subscribe_messages=True)
        pubsub.subscribe("channel")
        self.assertIsNone(pubsub.get_message(timeout=10))
        keys = [keys[0] for keys in self.keys_by_owner(self.proxy, self.servers, 1)]
        client = self.client()
        expected = []
        for key, server in zip(keys, self.servers):
            pipe = client.pipeline(transaction=True)
            pipe.set(key, "x").publish("channel", f"multi {key}").execute()
            client.eval("redis.call('PUBLISH', 'channel', 'script ' .. KEYS[1])", 1, key)
            with Resp(server.address) as direct:
                self.assertEqual(direct.ask("PUBLISH", "channel", f"direct {key}"), 1)
            expected += [f"multi {key}", f"script {key}", f"direct {key}"]
        seen = []
        wait_until(lambda: self.take(pubsub, seen) == len(expected), "the messages")
        self.assertEqual(sorted(seen), sorted(expected))

    @staticmethod
    def take(pubsub, seen):
        one = pubsub.get_message(timeout=0.01)
        if one:
            seen.append(one["data"].decode())
        return len(seen)

    def test_keyspace_events_come_from_all_backends(self):
        for server in self.servers:
            with Resp(server.address) as direct:
                direct.ask("CONFIG", "SET", "notify-keyspace-events", "KEA")
        keys = [keys[0] for keys in self.keys_by_owner(self.proxy, self.servers, 1)]
        pubsub = self.client().pubsub(ignore_subscribe_messages=True)
        pubsub.subscribe(*[f"__keyspace@0__:{key}" for key in keys])
        pubsub.psubscribe("__keyevent@0__:del")
        for _ in range(4):
            self.assertIsNone(pubsub.get_message(timeout=10))
        client = self.client()
        for key in keys:
            client.set(key, "x")
            client.delete(key)
        seen = []
        wait_until(lambda: self.take(pubsub, seen) == 9, "the events")
        self.assertEqual(sorted(seen), sorted(["set", "del"] * 3 + keys))

    def test_upstream_subscriptions_are_one_per_worker_and_end_with_the_last_client(self):
        clients = [Resp(self.proxy.address()) for _ in range(20)]
        for client in clients:
            client.send("SUBSCRIBE", "one")
            self.assertEqual(client.read(), [b"subscribe", b"one", 1])

        def upstream():
            counts = []
            for server in self.servers:
                with Resp(server.address) as direct:
                    counts.append(direct.ask("PUBSUB", "NUMSUB", "one")[1])
            return counts

        self.assertTrue(all(1 <= count <= 2 for count in upstream()), upstream())
        with Resp(self.proxy.address()) as other:
            self.assertEqual(other.ask("PUBSUB", "NUMSUB", "one", "two"), [b"one", 20, b"two", 0])
            self.assertEqual(other.ask("PUBLISH", "one", "x"), 20)
            listed = other.ask("CLIENT", "LIST", "TYPE", "pubsub").decode().splitlines()
            self.assertEqual(len(listed), 20)
            self.assertIn(" flags=P ", listed[0])
        for client in clients:
            self.assertEqual(client.read(), message("one", "x"))
            client.close()
        wait_until(lambda: upstream() == [0, 0, 0], "the upstream subscriptions to end")

    def test_resp3_pushes_between_replies(self):
        with Resp(self.proxy.address()) as client, Resp(self.proxy.address()) as other:
            client.ask("HELLO", "3")
            client.send("SUBSCRIBE", "a")
            self.assertEqual(client.read(), Push([b"subscribe", b"a", 1]))
            count = effort(300)
            for n in range(count):
                client.send("ECHO" if n % 2 else "SET", *(["k%d" % n] if n % 2 else ["k", n]))
                other.send("PUBLISH", "a", n)
            replies, messages = [], []
            while len(replies) + len(messages) < 2 * count:
                one = client.read()
                (messages if isinstance(one, Push) else replies).append(one)
            self.assertEqual(messages, [message("a", str(n)) for n in range(count)])
            self.assertEqual(replies, [b"k%d" % n if n % 2 else b"OK" for n in range(count)])

    def test_a_lost_backend_ends_who_may_have_missed_messages_and_nobody_else(self):
        by_owner = self.keys_by_owner(self.proxy, self.servers, 1, prefix="channel")
        clients = [Resp(self.proxy.address()) for _ in by_owner]
        for client, (channel,) in zip(clients, by_owner):
            client.send("SUBSCRIBE", channel)
            self.assertEqual(client.read(), [b"subscribe", channel.encode(), 1])
        self.servers[0].kill()
        said = clients[0].read()
        self.assertIsInstance(said, Error)
        self.assertIn(b"messages may have been missed", said)
        self.assertTrue(clients[0].at_end())
        with Resp(self.proxy.address()) as other:
            for client, (channel,) in list(zip(clients, by_owner))[1:]:
                self.assertEqual(other.ask("PUBLISH", channel, "x"), 1)
                self.assertEqual(client.read(), message(channel, "x"))
            self.assertIsInstance(other.ask("SUBSCRIBE", by_owner[0][0]), Error)
            self.servers[0].start()
            wait_until(lambda: not isinstance(other.ask("SUBSCRIBE", by_owner[0][0]), Error),
                       "the backend to be used again")


class Bounds(harness.Test):
    def test_ten_thousand_subscribers(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        count = min(effort(10000), (hard - 200) // 1)
        proxy, servers = self.redis_pool(2, workers=2, max_clients=20000)
        clients = []
        self.addCleanup(lambda: [client.close() for client in clients])
        for begin in range(0, count, 200):
            batch = [Resp(proxy.address(), timeout=120)
                     for _ in range(min(200, count - begin))]
            clients += batch
            for client in batch:
                client.send("SUBSCRIBE", "everybody")
            for client in batch:
                self.assertEqual(client.read(), [b"subscribe", b"everybody", 1])
        resident = proxy.resident()
        with Resp(proxy.address()) as other:
            for n in range(3):
                self.assertEqual(other.ask("PUBLISH", "everybody", f"{n} " + "x" * 1000), count)
            self.assertEqual(other.ask("PUBSUB", "NUMSUB", "everybody"), [b"everybody", count])
        for client in clients:
            for n in range(3):
                self.assertEqual(client.read(), message("everybody", f"{n} " + "x" * 1000))
        print(f"      {count} subscribers: {resident >> 20} MiB, {proxy.resident() >> 20} MiB after")
        self.assertLess(proxy.resident(), 400 << 20)

    def test_a_subscriber_that_does_not_read_is_closed_and_costs_nobody_anything(self):
        proxy, servers = self.redis_pool(1, workers=1, max_client_output="8MiB")
        slow = Resp(proxy.address())
        self.addCleanup(slow.close)
        slow.send("SUBSCRIBE", "a")
        slow.read()
        with Resp(proxy.address()) as reader, Resp(proxy.address()) as publisher:
            reader.send("SUBSCRIBE", "a")
            reader.read()
            payload = "x" * 100000
            for n in range(400):
                publisher.ask("PUBLISH", "a", payload)
                self.assertEqual(reader.read(), message("a", payload))
                if proxy.metric("quorate_clients_cut_off_total") == 1:
                    break
            self.assertEqual(proxy.metric("quorate_clients_cut_off_total"), 1)
            self.assertEqual(publisher.ask("PUBSUB", "NUMSUB", "a"), [b"a", 1])
        self.assertLess(proxy.resident(), 150 << 20 if not harness.SANITIZED else 2 << 30)

    def test_a_message_of_many_megabytes(self):
        proxy, servers = self.redis_pool(2, workers=1)
        with Resp(proxy.address()) as reader, Resp(proxy.address()) as publisher:
            reader.send("SUBSCRIBE", "a")
            reader.read()
            payload = "x" * (7 << 20)
            publisher.send("PUBLISH", "a", payload)
            self.assertEqual(reader.read(), message("a", payload))
            self.assertEqual(publisher.read(), 1)


if __name__ == "__main__":
    harness.main()
