"""SET through a quorum pool beside SET and WAIT 2 on a plain primary with two replicas, which promises
less: that three have it in memory, not that a failover keeps it."""
import os

from harness import run, wait_until
from resp import Resp
from setting import KEYS, VALUE, cpu_ns, setting


def load(program, address, requests, connections, *options):
    host, port = address.rsplit(":", 1)
    done = run(program, "--host", host, "--port", port, "--connections", connections, "--requests",
               requests, "--keys", KEYS, "--value-size", VALUE, *options, timeout=300)
    if done.returncode != 0:
        raise SystemExit(done.stderr)
    return [float(word) for word in done.stdout.split()]


def measure(build, rounds, seconds, connections=50):
    """{who: [(sets/s, p50 us, p99 us, CPU us of all servers and proxies per SET)]}."""
    program = os.path.join(build, "replicated_load")
    found = {}
    with setting(1) as one, setting(3) as three:
        primary, *replicas = [one.redis() for _ in range(3)]
        host, port = primary.address.rsplit(":", 1)
        for replica in replicas:
            with Resp(replica.address) as client:
                client.ask("REPLICAOF", host, port)
        with Resp(primary.address) as client:
            wait_until(lambda: client.ask("INFO", "replication").count(b"state=online") == 2,
                       "the replicas")
        asked = {
            "primary with two replicas, SET + WAIT 2":
                (primary.address, [primary.child, *(r.child for r in replicas)], ("--wait", "2")),
            "quorum pool, one proxy":
                (one.members[0].proxy.address(), processes(one), ()),
            "quorum pool, three proxies":
                (three.members[0].proxy.address(), processes(three), ()),
        }
        requests = {who: int(load(program, address, 2000, connections, *options)[0] * seconds)
                    for who, (address, _, options) in asked.items()}
        for _ in range(rounds):
            for who, (address, children, options) in asked.items():
                before = sum(map(cpu_ns, children))
                figures = load(program, address, requests[who], connections, *options)
                used = (sum(map(cpu_ns, children)) - before) / requests[who] / 1000
                found.setdefault(who, []).append([*figures, used])
        for who, rows in found.items():
            print(f"{who}: {sorted(row[0] for row in rows)[len(rows) // 2]:.0f} SET/s", flush=True)
    return found


def processes(on):
    return [one.proxy for one in on.members] + [one.child for one in on.quorum_servers]
