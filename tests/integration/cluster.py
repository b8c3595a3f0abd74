"""What the tests of clusters share: members that are founded, join, follow, are killed and come back,
each with its own configuration and data directory, all with one pool "p" in front of the same
servers."""

import json
import os
import shutil
import urllib.error
import urllib.request

from harness import HOST, PATIENCE, QUORATE, Quorate, Test, free_port, run, toml, wait_until

SECRET = "a secret that all members have"


class Member:
    """A proxy of the cluster: started and ended as often as one likes."""

    def __init__(self, test, name, cluster, pools):
        self.test = test
        self.name = name
        self.peer = cluster.get("listen")
        self.admin = f"{HOST}:{free_port()}"
        self.data_dir = cluster.get("data_dir")
        self.cluster = cluster
        self.pools = {pool: {"protocol": "redis", "listen": f"{HOST}:{free_port()}", **settings}
                      for pool, settings in pools.items()}
        self.proxy = None
        self.config = test.path(f"{name}.toml")
        self.write_config()

    def write_config(self):
        text = f"workers = {self.test.workers}\n[admin]\nlisten = \"{self.admin}\"\n[cluster]\n"
        text += "".join(f"{key} = {toml(value)}\n" for key, value in self.cluster.items()
                        if value is not None)
        for pool, settings in self.pools.items():
            text += f"[pool.{pool}]\n"
            text += "".join(f"{key} = {toml(value)}\n" for key, value in settings.items())
        with open(self.config, "w") as file:
            file.write(text)

    def start(self):
        number = len(self.test.proxies)
        self.proxy = Quorate(self.config, self.test.path(f"ready-{number}"),
                             self.test.path(f"{self.name}-{number}.log"), self.test.env)
        self.test.proxies.append(self.proxy)
        self.proxy.wait_for_start()
        return self

    def kill(self):
        """kill -9."""
        self.proxy.expects_end = True
        self.proxy.kill()

    def end(self):
        self.proxy.end()

    def runs(self):
        return self.proxy is not None and self.proxy.runs()

    def lose_disk(self):
        shutil.rmtree(self.data_dir)

    def get(self, path):
        return self.proxy.get(path)

    def standing(self):
        return json.loads(self.get("/api/v1/status")[1])["cluster"]

    def epoch(self, pool="p"):
        for one in json.loads(self.get("/api/v1/status")[1])["pools"]:
            if one["name"] == pool:
                return one["epoch"]
        return None

    def state(self, address, pool="p"):
        return self.proxy.backend_state(address, pool)

    def members(self):
        """{name: row} as the leader has it; empty if no leader answers."""
        return {row["name"]: row for row in json.loads(self.get("/api/v1/members")[1])["members"]}

    def cli(self, *words):
        return run(QUORATE, *words, "--admin", self.admin, env=self.test.env)

    def change(self, timeout=10, **body):
        """(status, answer) of a change through the admin port; status 0: no answer, None: nobody
        was asked."""
        port = self.admin.rsplit(":", 1)[1]
        try:
            with open(os.path.join(self.test.folder, "quorate", f"admin-{port}.token")) as file:
                token = file.read().strip()
            request = urllib.request.Request(
                f"http://{self.admin}/api/v1/change", data=json.dumps(body).encode(),
                headers={"Authorization": f"Bearer {token}"}, method="POST")
            with urllib.request.urlopen(request, timeout=timeout * PATIENCE) as page:
                return page.status, json.loads(page.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())
        except urllib.error.URLError as error:
            return None if isinstance(error.reason, ConnectionRefusedError) else 0, {}
        except (OSError, ValueError):
            return 0, {}


class ClusterTest(Test):
    # Elections take as long as everything else does under a sanitizer.
    TIMES = {"election_timeout": f"{int(250 * PATIENCE)}ms",
             "heartbeat_interval": f"{int(50 * PATIENCE)}ms",
             "probe_timeout": f"{int(250 * PATIENCE)}ms"}
    other_pools = {}  # of every member, beside "p"
    workers = 1       # of every member

    def member(self, member_name, pool=None, **cluster):
        """Not started. `pool`: settings of the pool "p"."""
        observer = cluster.get("role") == "observer"
        settings = {"member": member_name, "secret": SECRET, **self.TIMES, **cluster}
        if not observer:
            settings = {"listen": f"{HOST}:{free_port()}", "data_dir": self.path(f"data-{member_name}"),
                        **settings}
        return Member(self, member_name, settings, {"p": pool, **self.other_pools})

    def found(self, names, pool, links=None, **cluster):
        """Members that found a cluster, running and ready. With `links` they reach each other only
        through those."""
        listen = {name: f"{HOST}:{free_port()}" for name in names}
        known = {name: links.front(name, address) if links else address
                 for name, address in listen.items()}
        members = [self.member(name, pool, listen=listen[name],
                               bootstrap=[f"{one}={address}" for one, address in known.items()],
                               **cluster)
                   for name in names]
        for member in members:
            member.start()
        for member in members:
            member.proxy.wait_until_ready()
        return members

    def join(self, member_name, to, pool, **cluster):
        member = self.member(member_name, pool, join=[one.peer for one in to if one.peer], **cluster)
        member.start()
        return member

    def leader(self, members):
        """The running member that leads, once there is one that all the others name."""
        def agreed():
            running = [one for one in members if one.runs()]
            standings = {one.name: one.standing() for one in running}
            leaders = [name for name, one in standings.items() if one["leads"] and one["in_touch"]]
            if len(leaders) != 1:
                return None
            if any(one["leader"] != leaders[0] for one in standings.values()
                   if one["role"] == "voter"):
                return None
            return next(one for one in running if one.name == leaders[0])
        return wait_until(agreed, "one leader that all know")

    def wait_for_voters(self, members, names):
        def voters():
            rows = {}
            for one in members:
                if one.runs():
                    rows = one.members()
                    if rows:
                        break
            return sorted(name for name, row in rows.items()
                          if row["state"] in ("voter", "leader")) == sorted(names)
        wait_until(voters, f"the voters to be {names}")

    def ok(self, done):
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout
