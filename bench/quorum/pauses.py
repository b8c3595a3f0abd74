"""How long clients wait when something dies: kill -9 of a proxy that owns slots, until writes to its
slots succeed again through the others; kill -9 of one of three backends, the longest pause of any
client. Every client has a key of its own and sets it again and again."""
import threading
import time

from harness import wait_until
from resp import Error, Resp
from setting import serves, setting

CLIENTS = 32


class Writer(threading.Thread):
    """SET of one key, again and again, through one proxy at a time."""

    def __init__(self, number, addresses):
        super().__init__(daemon=True)
        self.number = number
        self.addresses = addresses
        self.stopping = False
        self.ends = []  # (asked, answered, how)
        self.start()

    def run(self):
        connection = None
        written = 0
        while not self.stopping:
            written += 1
            asked = time.monotonic()
            try:
                connection = connection or Resp(self.addresses[self.number % len(self.addresses)], 8)
                reply = connection.ask("SET", f"writer-{self.number}", written)
                how = "acknowledged" if reply == b"OK" else \
                    "unknown" if isinstance(reply, Error) and reply.startswith(b"INDETERMINATE") \
                    else "refused"
            except (OSError, EOFError):
                connection, how = None, "unknown"
            self.ends.append((asked, time.monotonic(), how))
            time.sleep(0.002 if how == "acknowledged" else 0.005)

    def resumed_after(self, moment):
        """Seconds from `moment` until a write that was asked later is acknowledged."""
        return min((end - moment for asked, end, how in self.ends
                    if asked >= moment and how == "acknowledged"), default=float("inf"))

    def longest_pause(self, begin, end):
        marks = [begin] + [at for _, at, how in self.ends
                           if how == "acknowledged" and begin <= at <= end] + [end]
        return max(b - a for a, b in zip(marks, marks[1:]))


def until_all_resume(writers, moment):
    wait_until(lambda: all(one.resumed_after(moment) < float("inf") for one in writers),
               "writes to be acknowledged again", 30)
    return [one.resumed_after(moment) for one in writers]


def count(writers, since):
    counts = {}
    for one in writers:
        for asked, end, how in one.ends:
            if end >= since:
                counts[how] = counts.get(how, 0) + 1
    return counts


def coordinators(kills):
    """{"kills": [[seconds until each client's writes go on]], "ends": {how: count}}."""
    found = {"leader": [], "other": []}
    with setting(3) as on:
        began = time.monotonic()
        ended = {}
        for number in range(kills):
            leader = on.leader(on.members)
            others = [one for one in on.members if one is not leader]
            victim = leader if number % 2 == 0 else others[number // 2 % 2]
            rest = [one for one in on.members if one is not victim]
            writers = [Writer(i, [one.proxy.address() for one in rest]) for i in range(CLIENTS)]
            wait_until(lambda: all(len(one.ends) > 20 for one in writers), "clients to be served")
            moment = time.monotonic()
            victim.kill()
            resumed = until_all_resume(writers, moment)
            for one in writers:
                one.stopping = True
            for one in writers:
                one.join()
            found["leader" if victim is leader else "other"].append(resumed)
            for how, more in count(writers, began).items():
                ended[how] = ended.get(how, 0) + more
            victim.start()
            wait_until(lambda: serves(victim), "the proxy to serve again", 30)
            wait_until(lambda: owned(victim) > 0, "it to own slots again", 30)
    worst = [max(resumed) for both in found.values() for resumed in both]
    print(f"{kills} coordinators killed: writes of all clients go on after "
          f"{sorted(worst)[len(worst) // 2] * 1000:.0f} ms (median), {max(worst) * 1000:.0f} ms "
          f"(worst); {ended}", flush=True)
    return {"resumed": found, "ends": ended}


def owned(member):
    for pool in member.proxy.status()["pools"]:
        if pool["name"] == "p":
            return pool.get("replication", {}).get("owned_slots", 0)
    return 0


def backends(kills):
    """[(longest pause of each client …)], one list for each kill, and all ends."""
    pauses, ended = [], {}
    for number in range(kills):
        with setting(3) as on:
            writers = [Writer(i, [one.proxy.address() for one in on.members])
                       for i in range(CLIENTS)]
            wait_until(lambda: all(len(one.ends) > 50 for one in writers), "clients to be served")
            moment = time.monotonic()
            on.quorum_servers[number % 3].kill()
            time.sleep(3)
            end = time.monotonic()
            for one in writers:
                one.stopping = True
            for one in writers:
                one.join()
            pauses.append([one.longest_pause(moment, end) for one in writers])
            for how, more in count(writers, moment).items():
                ended[how] = ended.get(how, 0) + more
    print(f"{kills} backends killed: longest pause of a client "
          f"{max(map(max, pauses)) * 1000:.0f} ms; {ended}", flush=True)
    return {"pauses": pauses, "ends": ended}
