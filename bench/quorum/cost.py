"""CPU time of all servers and all proxies for one GET or SET: through a quorum pool, and the same
through a pool without replicas. The load's own CPU time is not in it."""
import statistics

from setting import benchmark, cpu_ns, fill, setting

SHAPES = ((1, 50), (16, 20), (64, 10))  # pipeline, connections


def measure_one(on, pool, operation, requests, pipeline, connections):
    servers = [one.child for one in on.servers(pool)]
    proxies = [one.proxy for one in on.members]
    before = [sum(map(cpu_ns, group)) for group in (proxies, servers)]
    rate, p50, p99 = benchmark(on.members[0].proxy.address(pool), operation, requests, connections,
                               pipeline)
    after = [sum(map(cpu_ns, group)) for group in (proxies, servers)]
    proxies_us, servers_us = ((b - a) / requests / 1000 for a, b in zip(before, after))
    return {"proxies_us": proxies_us, "servers_us": servers_us, "rate": rate, "p50": p50, "p99": p99}


def measure(rounds, seconds):
    """[{proxies, pipeline, operation, pool, figures…}], medians of the rounds."""
    rows = []
    for proxies in (1, 3):
        with setting(proxies) as on:
            for pool in "pn":
                fill(on.members[0].proxy.address(pool))
            for pipeline, connections in SHAPES:
                for operation in ("GET", "SET"):
                    samples = {"p": [], "n": []}
                    wanted = {}
                    for pool in "pn":
                        few = 20 * pipeline * connections
                        rate, *_ = benchmark(on.members[0].proxy.address(pool), operation, few,
                                             connections, pipeline)
                        wanted[pool] = max(int(rate * seconds), few)
                    for number in range(rounds):
                        for pool in ("pn", "np")[number % 2]:
                            samples[pool].append(measure_one(on, pool, operation, wanted[pool],
                                                             pipeline, connections))
                    for pool, figures in samples.items():
                        rows.append({"proxies": proxies, "pipeline": pipeline,
                                     "operation": operation, "pool": pool,
                                     **{name: statistics.median(one[name] for one in figures)
                                        for name in figures[0]}})
                    quorum, none = (row["proxies_us"] + row["servers_us"] for row in rows[-2:])
                    print(f"{proxies} proxies, {operation}, pipeline {pipeline}: {quorum:.1f} us, "
                          f"without replicas {none:.1f} us: {quorum / none:.2f} times", flush=True)
    return rows


def latencies(rounds):
    """{operation: {who: [(p50 ms, p99 ms) …]}} of one connection that asks again and again."""
    found = {}
    with setting(3) as on:
        for pool in "pn":
            fill(on.members[0].proxy.address(pool))
        plain = on.redis()
        fill(plain.address)
        addresses = {"plain Redis": plain.address, "pool without replicas":
                     on.members[0].proxy.address("n"), "quorum pool": on.members[0].proxy.address("p")}
        for operation in ("GET", "SET"):
            rows = found[operation] = {who: [] for who in addresses}
            for _ in range(rounds):
                for who, address in addresses.items():
                    _, p50, p99 = benchmark(address, operation, 3000, connections=1)
                    rows[who].append((p50, p99))
    return found
