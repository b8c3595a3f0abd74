"""Redis Sentinel on this machine: one master, one replica, three Sentinels that agree by two. From
kill -9 of the master until 20 clients, each of which asks a Sentinel who is master and then writes
there, have succeeded again."""
import shutil
import time

from harness import HOST, free_port, wait_until
from resp import Error, Resp
from stage import stage

CLIENTS = 20


def _sentinel(on, number, master, down_after_ms):
    port = free_port()
    host, master_port = master.address.rsplit(":", 1)
    config = on.write(f"sentinel-{number}.conf", f"""
port {port}
bind {HOST}
dir {on.folder}
sentinel monitor m {host} {master_port} 2
sentinel down-after-milliseconds m {down_after_ms}
sentinel failover-timeout m {max(3 * down_after_ms, 3000)}
""")
    program = shutil.which("redis-sentinel")
    command = [program, config] if program else ["redis-server", config, "--sentinel"]
    on.spawn(command, on.path(f"sentinel-{number}.log"))
    address = f"{HOST}:{port}"
    wait_until(lambda: _asks(address, "PING") is not None, "a sentinel")
    return address


def _asks(address, *words):
    """The answer, or nothing."""
    try:
        with Resp(address, timeout=1) as client:
            answer = client.ask(*words)
            return None if isinstance(answer, Error) else answer
    except (OSError, EOFError):
        return None


def _one_run(down_after_ms):
    with stage() as on:
        master = on.redis()
        replica = on.redis("--replicaof", *master.address.rsplit(":", 1))
        wait_until(lambda: b"master_link_status:up" in (_asks(replica.address, "INFO",
                                                              "replication") or b""), "the replica")
        sentinels = [_sentinel(on, number, master, down_after_ms) for number in range(3)]

        def settled():
            for one in sentinels:
                known = _asks(one, "SENTINEL", "MASTER", "m")
                facts = dict(zip(known[::2], known[1::2])) if known else {}
                if facts.get(b"num-slaves") != b"1" or facts.get(b"num-other-sentinels") != b"2":
                    return False
            return True
        wait_until(settled, "the sentinels to know each other", 60)
        links = [Resp(sentinels[i % 3]) for i in range(CLIENTS)]
        began = time.monotonic()
        master.kill()
        waits = [None] * CLIENTS
        while None in waits:
            for at, link in enumerate(links):
                if waits[at] is not None:
                    continue
                where = link.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "m")
                address = b":".join(where).decode()
                if address != master.address and _asks(address, "SET", "k", "v") is not None:
                    waits[at] = time.monotonic() - began
            time.sleep(0.001)
        return waits


def measure(down_after_ms, runs):
    found = []
    for run in range(runs):
        found.append(_one_run(down_after_ms))
        print(f"sentinel, down-after {down_after_ms} ms, run {run + 1}: last of {CLIENTS} clients "
              f"after {max(found[-1]) * 1000:.0f} ms", flush=True)
    return found
