"""How fast a cluster decides, how fast its proxies route around a dead backend (beside Redis Sentinel),
and how fast dead leaders and dead proxies are replaced: `make bench-cluster`.

    cluster --build build                 everything; writes bench/results/ (20 minutes)
    cluster --build build --mode quick    a short round into BUILD/bench-results
    cluster --build build leaders deaths  these parts again, the others as they were measured last

Everything runs on loopback of this machine, with the harness of the integration tests, and ends with
this program. What was measured is kept in BUILD/bench-cluster.
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
    os.environ["QUORATE"] = os.path.join(os.path.abspath(given.build), "quorate")
    sys.path[:0] = [HERE, os.path.join(TOP, "tests", "integration")]
    import changes
    import deaths
    import failover
    import leaders
    import report
    import spread

    full = given.mode == "full"
    parts = {
        "changes": lambda: changes.measure(seconds=8 if full else 2),
        "spread": lambda: spread.measure({17: 40, 50: 40} if full else {5: 10}),
        "failover": lambda: failover.measure(20 if full else 2, 4 if full else 1),
        "leaders": lambda: leaders.measure({3: 60, 5: 40} if full else {3: 5, 5: 3}),
        "deaths": lambda: deaths.measure(20 if full else 3),
    }
    build = os.path.abspath(given.build)
    kept = os.path.join(build, "bench-cluster" if full else "bench-cluster-quick")
    os.makedirs(kept, exist_ok=True)
    for name in given.parts or parts:
        before = os.getloadavg()[0]
        values = parts[name]()
        # Others' load and its own, as one figure.
        load = max(before, os.getloadavg()[0])
        with open(os.path.join(kept, name + ".json"), "w", encoding="utf-8") as file:
            json.dump({"load": load, "values": values}, file)
    results = os.path.join(TOP, "bench", "results") if full else os.path.join(build, "bench-results")
    os.makedirs(results, exist_ok=True)
    report.write(results, kept)


main()
