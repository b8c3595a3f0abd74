"""The load and the faults under which Jepsen has shown Redis Cluster to lose writes: 1,000 additions of
unique values to sets a second, and every 5 s a process that is killed, or one that is cut off from its
fellows while its clients still reach it. A quorum pool and a real Redis Cluster, one after the other,
under the same script. Afterwards all is healed, every set is read, and what was acknowledged is looked
for.

Redis Cluster: three primaries and three replicas that log to disk (appendonly), whose bus and
replication go through relays. quorate: three proxies, whose links go through relays, and five servers
that keep nothing on disk; a killed one comes back empty. What is killed is any server or proxy; what is
cut off, a server of Redis Cluster, a proxy of quorate: servers behind quorate do not know each other."""
import binascii
import random
import socket
import threading
import time

from harness import HOST, Server, wait_until
from links import Links
from quorum_moves_test import MovesTest
from resp import Error, Resp

RATE = 1000
CLIENTS = 10
SETS = 60
PERIOD = 5.0   # from one fault to the next
LASTS = 3.5    # each fault
PATIENCE = 2.0  # of a client
NODES = 6
SLOTS = 16384
REFUSALS = (b"CLUSTERDOWN", b"TRYAGAIN", b"MOVED", b"ASK", b"LOADING", b"READONLY", b"MASTERDOWN",
            b"MISCONF", b"NOREPLICAS")


class Adder(threading.Thread):
    """Adds its numbers to sets, at its share of the rate, and writes down what it was told."""

    def __init__(self, number, store):
        super().__init__(daemon=True)
        self.number = number
        self.store = store
        self.stopping = False
        self.ends = []  # (set, value, how)
        self.start()

    def run(self):
        client = self.store.client(self.number)
        begin, count = time.monotonic(), 0
        while not self.stopping:
            count += 1
            # Who was held up does not make up for it: that would be another load.
            begin = max(begin, time.monotonic() - 1)
            due = begin + 1 / (RATE / CLIENTS)
            time.sleep(max(0.0, due - time.monotonic()))
            begin = due
            name = f"set:{count % SETS}"
            value = b"%d-%d" % (self.number, count)
            self.ends.append((name, value, client.add(name, value)))


class Client:
    """One connection to each address, made when it is needed."""

    def __init__(self):
        self.connections = {}

    def ask(self, address, *words):
        """A reply, or None: nobody knows what became of it."""
        try:
            if address not in self.connections:
                self.connections[address] = Resp(address, PATIENCE)
            return self.connections[address].ask(*words)
        except (OSError, EOFError):
            if address in self.connections:
                self.connections.pop(address).close()
                return None
            return Error(b"CLUSTERDOWN it cannot be connected to")


def judged(reply):
    if reply is None or isinstance(reply, Error) and not reply.startswith(REFUSALS):
        return "unknown"
    return "refused" if isinstance(reply, Error) else "acknowledged"


class Quorum(MovesTest):
    """Three proxies and five servers."""

    def runTest(self):
        """Nothing: it is only set up and cleared."""

    def begin(self):
        self.links = Links()
        self.addCleanup(self.links.close)
        self.backends = [self.redis() for _ in range(5)]
        self.members = self.found("abc", {"backends": [one.address for one in self.backends],
                                          "consistency": "quorum", "replicas": 3}, self.links)
        self.wait_until_healed()

    def client(self, number):
        members = self.members

        class Through(Client):
            turn = number

            def add(self, name, value):
                reply = self.ask(members[self.turn % 3].proxy.address(), "SADD", name, value)
                if judged(reply) != "acknowledged":
                    self.turn += 1
                return judged(reply)
        return Through()

    def kill(self, draw):
        victim = draw.choice([*self.backends, *self.members])
        victim.kill()
        time.sleep(LASTS)
        if victim in self.backends:
            self.come_back(victim, self.members)
        else:
            victim.start()

    def cut(self, draw):
        victim = draw.choice("abc")
        self.links.isolate(victim, [one for one in "abc" if one != victim])
        time.sleep(LASTS)
        self.links.heal()

    def wait_until_healed(self):
        self.wait_until_settled(self.members, 120)
        wait_until(lambda: all(self.serves(one) for one in self.members), "the pool to serve", 60)

    def read(self, name):
        with Resp(self.members[0].proxy.address()) as client:
            return client.ask("SMEMBERS", name)


class RedisCluster(MovesTest):
    """Six servers."""

    def runTest(self):
        """Nothing: it is only set up and cleared."""

    def begin(self):
        self.links = Links()
        self.addCleanup(self.links.close)
        hosts = [f"{HOST.rsplit('.', 1)[0]}.{number + 1}" for number in range(NODES)]
        known = {host: str(number) for number, host in enumerate(hosts)}
        self.nodes, self.fronts, self.real = [], [], {}
        for number, host in enumerate(hosts):
            port, bus = free_port(host), free_port(host)
            fronts = [self.links.front(str(number), f"{host}:{one}", known) for one in (port, bus)]
            front, bus_front = (one.rsplit(":", 1)[1] for one in fronts)
            command = ["redis-server", "--bind", host, "--bind-source-addr", host, "--port", port,
                       "--protected-mode", "no", "--save", "", "--appendonly", "yes",
                       "--dir", self.folder, "--appenddirname", f"log-{number}",
                       "--cluster-enabled", "yes", "--cluster-config-file", f"nodes-{number}.conf",
                       "--cluster-port", bus, "--cluster-node-timeout", 1000,
                       "--cluster-require-full-coverage", "no", "--cluster-announce-ip", HOST,
                       "--cluster-announce-port", front, "--cluster-announce-bus-port", bus_front]
            self.nodes.append(Server(self, [str(word) for word in command], f"{host}:{port}").start())
            self.fronts.append((front, bus_front))
            # Clients do not go through the relay: they still reach who is cut off.
            self.real[f"{HOST}:{front}"] = f"{host}:{port}"
        for number, node in enumerate(self.nodes):
            with Resp(node.address) as client:
                if number < 3:
                    client.ask("CLUSTER", "ADDSLOTSRANGE", SLOTS * number // 3,
                               SLOTS * (number + 1) // 3 - 1)
                for front, bus in self.fronts:
                    client.ask("CLUSTER", "MEET", HOST, front, bus)
        wait_until(lambda: all(self.info(one, "CLUSTER").count(b"cluster_known_nodes:6")
                               for one in self.nodes), "the nodes to meet", 60)
        names = []
        for node in self.nodes[:3]:
            with Resp(node.address) as client:
                names.append(client.ask("CLUSTER", "MYID"))
        for number, node in enumerate(self.nodes[3:]):
            with Resp(node.address) as client:
                wait_until(lambda: client.ask("CLUSTER", "REPLICATE", names[number]) == b"OK",
                           "a replica to know its primary", 30)
        self.wait_until_healed()

    @staticmethod
    def info(node, which):
        try:
            with Resp(node.address, PATIENCE) as client:
                return client.ask("CLUSTER", "INFO") if which == "CLUSTER" else \
                    client.ask("INFO", which)
        except (OSError, EOFError):
            return b""

    def slots(self):
        """{slot: the address of its primary}, as the first node says that answers."""
        for node in self.nodes:
            try:
                with Resp(node.address, PATIENCE) as client:
                    ranges = client.ask("CLUSTER", "SLOTS")
            except (OSError, EOFError):
                continue
            if not isinstance(ranges, Error) and ranges:
                return {slot: self.real[f"{HOST}:{primary[1]}"] for first, last, primary, *_ in ranges
                        for slot in range(first, last + 1)}
        return {}

    def client(self, number):
        store = self

        class Follows(Client):
            """As cluster clients do: asks whom it knows, follows MOVED, asks anew after trouble."""
            slots = store.slots()

            def add(self, name, value):
                slot = binascii.crc_hqx(name.encode(), 0) % SLOTS
                reply = Error(b"CLUSTERDOWN nobody has this slot")
                for _ in range(3):
                    if slot not in self.slots:
                        break
                    reply = self.ask(self.slots[slot], "SADD", name, value)
                    if not isinstance(reply, Error) or not reply.startswith(b"MOVED"):
                        break
                    self.slots[slot] = store.real[reply.split()[2].decode()]
                if judged(reply) != "acknowledged":
                    self.slots = store.slots() or self.slots
                return judged(reply)
        return Follows()

    def kill(self, draw):
        victim = draw.choice(self.nodes)
        victim.kill()
        time.sleep(LASTS)
        victim.start()

    def cut(self, draw):
        victim = draw.randrange(NODES)
        self.links.isolate(str(victim), [str(one) for one in range(NODES) if one != victim])
        time.sleep(LASTS)
        self.links.heal()

    def wait_until_healed(self):
        def healed():
            roles = [self.info(node, "replication") for node in self.nodes]
            return (all(b"cluster_state:ok" in self.info(node, "CLUSTER") for node in self.nodes) and
                    sum(b"role:master" in one for one in roles) == 3 and
                    sum(b"master_link_status:up" in one for one in roles) == 3)
        wait_until(healed, "the cluster to be whole", 120)

    def read(self, name):
        address = self.slots()[binascii.crc_hqx(name.encode(), 0) % SLOTS]
        with Resp(address) as client:
            return client.ask("SMEMBERS", name)


def free_port(host):
    """Below those that are given to who asks for any."""
    while True:
        port = random.randrange(15_000, 30_000)
        with socket.socket() as tried:
            try:
                tried.bind((host, port))
            except OSError:
                continue
            return port


def measure(seconds):
    """{who: {figure: count}}."""
    found = {}
    for who, store in (("quorum pool", Quorum()), ("Redis Cluster", RedisCluster())):
        store.setUp()
        try:
            store.begin()
            found[who] = torment(store, seconds)
            print(f"{who}: {found[who]}", flush=True)
        finally:
            store.doCleanups()
    return found


def torment(store, seconds):
    draw = random.Random(1)
    adders = [Adder(number, store) for number in range(CLIENTS)]
    faults = {"killed": 0, "cut off": 0}
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        begin = time.monotonic()
        name = "killed" if sum(faults.values()) % 2 == 0 else "cut off"
        faults[name] += 1
        (store.kill if name == "killed" else store.cut)(draw)
        store.wait_until_healed()
        time.sleep(max(0.0, begin + PERIOD - time.monotonic()))
    for one in adders:
        one.stopping = True
    for one in adders:
        one.join()
    store.wait_until_healed()
    there = {name: set(store.read(name)) for name in {f"set:{i}" for i in range(SETS)}}
    ends = [end for one in adders for end in one.ends]
    told = {how: sum(end[2] == how for end in ends) for how in ("acknowledged", "refused", "unknown")}
    return {**faults, "additions": len(ends), **told,
            "lost": sum(how == "acknowledged" and value not in there[name]
                        for name, value, how in ends),
            "there though refused": sum(how == "refused" and value in there[name]
                                        for name, value, how in ends)}
