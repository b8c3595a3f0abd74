"""How fast a cluster decides, how fast its proxies route around a dead backend (beside Redis Sentinel),
and how fast dead leaders and dead proxies are replaced: `make bench-cluster`.

    cluster --build build                 everything; writes bench/results/ (20 minutes)
    cluster --build build --mode quick    a short round into BUILD/bench-results

Everything runs on loopback of this machine, with the harness of the integration tests, and ends with
this program.
"""
import argparse
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--build", default="build")
    arguments.add_argument("--mode", choices=("full", "quick"), default="full")
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
    results = os.path.join(TOP, "bench", "results") if full else \
        os.path.join(os.path.abspath(given.build), "bench-results")
    os.makedirs(results, exist_ok=True)
    rates = changes.measure(seconds=8 if full else 2)
    spreads = {}
    for observers, count in ((17, 40), (50, 40)) if full else ((5, 10),):
        spreads[3 + observers] = spread.measure(observers, count)
    waits = failover.measure(runs=20 if full else 2, default_runs=5 if full else 1)
    leads = leaders.measure({3: 60, 5: 40} if full else {3: 5, 5: 3})
    ends = deaths.measure(20 if full else 3)
    report.write(results, rates, spreads, waits, leads, ends)


main()
