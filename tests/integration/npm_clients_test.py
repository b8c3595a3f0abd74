"""npm's clients, unchanged, through pools of one and of three backends. `make deps-test` installs them
from clients/package-lock.json; nothing is fetched here."""

import os
import sys

import harness
from harness import HERE, run

CLIENTS = os.path.join(HERE, "clients")
MISSING = 77  # what ctest calls skipped


class NpmClients(harness.Test):
    def node(self, script, *words):
        done = run("node", os.path.join(CLIENTS, script), *words, timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr[-4000:])

    def test_ioredis(self):
        for count in (1, 3):
            for version in ("ioredis5", "ioredis6"):
                with self.subTest(version=version, backends=count):
                    proxy, _ = self.redis_pool(count)
                    self.node("ioredis.js", version, *proxy.host_and_port())

    def test_node_redis_in_resp2_and_resp3(self):
        for count in (1, 3):
            for version in ("redis5", "redis6"):
                for resp in (2, 3):
                    with self.subTest(version=version, resp=resp, backends=count):
                        proxy, _ = self.redis_pool(count)
                        self.node("node_redis.js", version, *proxy.host_and_port(), resp)

    def test_memjs(self):
        for count in (1, 3):
            with self.subTest(backends=count):
                proxy, _ = self.memcached_pool(count)
                self.node("memjs.js", *proxy.host_and_port())


if __name__ == "__main__":
    if not os.path.isdir(os.path.join(CLIENTS, "node_modules")):
        print("the npm clients are not installed: make deps-test")
        sys.exit(MISSING)
    harness.main()
