"""What a pool with consistency = "quorum" costs, and what its clients notice when something dies:
`make bench-quorum`.

    quorum --build build                 everything; writes bench/results/ (35 minutes)
    quorum --build build --mode quick    a short round into BUILD/bench-results
    quorum --build build cost memory     these parts again, the others as they were measured last

Everything runs on loopback of this machine, with the harness of the integration tests, and ends with
this program. What was measured is kept in BUILD/bench-quorum.
"""
import argparse
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--build", default="build")
    arguments.add_argument("--mode", choices=("full", "quick"), default="full")
    arguments.add_argument("parts", nargs="*")
    given = arguments.parse_args()
    build = os.path.abspath(given.build)
    os.environ["QUORATE"] = os.path.join(build, "quorate")
    sys.path[:0] = [HERE, os.path.join(TOP, "tests", "integration")]
    from cluster import ClusterTest
    ClusterTest.TIMES = {}  # the defaults
    import beside_cluster
    import cost
    import memory
    import pauses
    import repair
    import report
    import waited

    full = given.mode == "full"
    parts = {
        "cost": lambda: cost.measure(*(3, 1.5) if full else (1, 0.3)),
        "latency": lambda: cost.latencies(3 if full else 1),
        "waited": lambda: waited.measure(build, *(3, 1.5) if full else (1, 0.3)),
        "memory": lambda: memory.measure(100_000 if full else 10_000),
        "coordinators": lambda: pauses.coordinators(24 if full else 2),
        "backends": lambda: pauses.backends(10 if full else 1),
        "cluster": lambda: beside_cluster.measure(300 if full else 20),
        "repair": lambda: repair.measure(300_000 if full else 20_000, 30_000 if full else 5_000),
    }
    kept = os.path.join(build, "bench-quorum" if full else "bench-quorum-quick")
    os.makedirs(kept, exist_ok=True)
    for name in given.parts or parts:
        before = os.getloadavg()[0]
        values = parts[name]()
        load = max(before, os.getloadavg()[0])  # others' and its own, as one figure
        with open(os.path.join(kept, name + ".json"), "w", encoding="utf-8") as file:
            json.dump({"load": load, "values": values}, file)
    results = os.path.join(TOP, "bench", "results") if full else os.path.join(build, "bench-results")
    os.makedirs(results, exist_ok=True)
    report.write(results, kept)


main()
