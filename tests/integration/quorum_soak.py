"""A quorum pool under everything at once, for a while; `make soak`. QUORATE_SECONDS (600) says how long.

Five servers, three proxies, many clients: servers are killed and come back empty, or are frozen; proxies
are killed, frozen, cut off from each other; backends are added, replaced and removed meanwhile. Never
more at a time than the pool says to survive. Every history is linearizable, nothing acknowledged is
lost, afterwards every replica has the same; and the zero is not won by refusing: 90 % of all operations
are acknowledged, 99 % where nothing is wrong, and no more are unknown than were in flight at a fault."""

import os
import random
import time

import harness
from harness import wait_until
from links import Links
from quorum_moves_test import MovesTest

SECONDS = float(os.environ.get("QUORATE_SECONDS", "600"))
CLIENTS = 8


class Soak(MovesTest):
    def test_everything_at_once(self):
        self.links = Links()
        self.addCleanup(self.links.close)
        self.draw = random.Random(int(os.environ.get("SEED", "1")))
        self.servers = [self.redis() for _ in range(5)]
        self.all = self.found("abc", {"backends": [one.address for one in self.servers],
                                      "consistency": "quorum", "replicas": 3}, self.links)
        wait_until(lambda: all(self.serves(one) for one in self.all), "the pool to serve", 30)
        self.load = self.record(self.all, clients=CLIENTS)
        faults = [self.server_dies, self.server_freezes, self.proxy_dies, self.proxy_freezes,
                  self.proxy_is_cut_off, self.backend_is_replaced]
        counts = {fault.__name__: 0 for fault in faults}
        windows = []
        end = time.monotonic() + SECONDS
        while time.monotonic() < end and not self.load.failures:
            fault = self.draw.choice(faults)
            counts[fault.__name__] += 1
            began = time.monotonic()
            fault()
            self.wait_until_settled(self.all, 120)
            windows.append((began, time.monotonic()))
            self.go_on(self.load, 1)
        print("      " + ", ".join(f"{count} times {name.replace('_', ' ')}"
                                   for name, count in counts.items()))
        self.judge(self.load, self.all, 0.9)
        outside = [how for call, finish, how in self.load.times
                   if not any(began <= finish and call <= over for began, over in windows)]
        calm = outside.count("acknowledged") / max(1, len(outside))
        print(f"      outside of faults {calm:.2%} of {len(outside)} acknowledged, "
              f"{self.load.count('unknown')} unknown in {len(windows)} faults")
        self.assertGreaterEqual(calm, 0.99)
        self.assertLessEqual(self.load.count("unknown"), CLIENTS * 2 * len(windows))
        self.wait_until_the_same(self.servers, seconds=120)

    def server_dies(self):
        server = self.draw.choice(self.servers)
        server.kill()
        self.go_on(self.load)
        self.come_back(server, self.all)

    def server_freezes(self):
        server = self.draw.choice(self.servers)
        server.freeze()
        self.go_on(self.load, self.draw.uniform(0.2, 3))
        server.thaw()

    def proxy_dies(self):
        number = self.draw.randrange(3)
        self.all[number].kill()
        self.go_on(self.load)
        self.all[number].start()
        self.load.addresses[number] = self.all[number].proxy.address()
        wait_until(lambda: self.serves(self.all[number]), "the proxy to serve again", 30)

    def proxy_freezes(self):
        member = self.draw.choice(self.all)
        member.proxy.freeze()
        self.go_on(self.load, self.draw.uniform(0.2, 3))
        member.proxy.thaw()
        wait_until(lambda: self.serves(member), "the proxy to serve again", 30)

    def proxy_is_cut_off(self):
        name = self.draw.choice("abc")
        self.links.isolate(name, [one for one in "abc" if one != name])
        self.go_on(self.load, self.draw.uniform(0.5, 3))
        self.links.heal()
        wait_until(lambda: all(self.serves(one) for one in self.all), "all to serve again", 30)

    def backend_is_replaced(self):
        number = self.draw.randrange(5)
        new = self.redis()
        self.ok(self.draw.choice(self.all).cli("backend", "replace", self.servers[number].address,
                                               new.address, "--yes"))
        self.servers[number].kill()
        self.servers[number] = new


if __name__ == "__main__":
    harness.main()
