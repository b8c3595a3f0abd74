"""How fast a cluster decides, and how fast its proxies route around a dead backend: `make bench-cluster`.

    cluster --build build                 everything; writes bench/results/cluster.* (about 8 minutes)
    cluster --build build --mode quick    a short round into BUILD/bench-results

Everything runs on loopback of this machine, with the harness of the integration tests, and ends with
this program. Redis Sentinel does another job (it promotes a replica); what is compared is only how long
clients wait after kill -9 until writes succeed again.
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
    import failover
    import report
    import sentinel

    full = given.mode == "full"
    results = os.path.join(TOP, "bench", "results") if full else \
        os.path.join(os.path.abspath(given.build), "bench-results")
    os.makedirs(results, exist_ok=True)
    rates = changes.measure(seconds=8 if full else 2)
    waits = {"quorate": failover.measure(runs=20 if full else 3)}
    waits["sentinel, 500 ms"] = sentinel.measure(500, runs=10 if full else 2)
    waits["sentinel, 1 s"] = sentinel.measure(1000, runs=10 if full else 1)
    if full:
        waits["sentinel, 30 s (default)"] = sentinel.measure(30000, runs=2)
    report.write(results, rates, waits)


main()
