"""quorate beside haproxy, nutcracker and no proxy at all: `make bench`.

    side_by_side --build build                 everything; writes bench/results/ (about 15 minutes)
    side_by_side --build build --mode quick    one short round into BUILD/bench-results (2 minutes)
    side_by_side --build build --mode check    instructions only, against the recorded ones

Everything runs on loopback and unix sockets of this machine and ends with this program.
"""
import argparse
import os
import shutil
import sys
import time

import memory
import plot
import recorded
import report
import workloads
from children import make_work_folder, raise_descriptor_limit
from instructions import CASES, PEERS, SYSCALL_CASES, Counter
from placement import Placement
from rounds import SideBySide

RESULTS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "results")
NEEDED = {"redis-server": "redis-server", "redis-benchmark": "redis-tools",
          "memcached": "memcached", "nutcracker": "nutcracker", "haproxy": "haproxy",
          "valgrind": "valgrind", "gnuplot": "gnuplot-nox"}


def _require_programs():
    missing = sorted(package for program, package in NEEDED.items() if not shutil.which(program))
    if missing:
        raise SystemExit("needed: apt-get install " + " ".join(missing))


def _count_all(counter, cases):
    counts = {}
    for case in cases:
        count = {peer: counter.instructions(peer, case) for peer in PEERS}
        count["target"] = case.target
        count["syscalls"] = {}
        if case.name in SYSCALL_CASES:
            count["syscalls"] = {peer: counter.syscalls(peer, case) for peer in PEERS}
        counts[case.name] = count
        print(f"{case.name}: quorate {count['quorate']:,.0f} instructions, nutcracker "
              f"{count['nutcracker']:,.0f}", flush=True)
    return counts


def _check(counter):
    by_name = {case.name: case for case in CASES}
    path = os.path.join(RESULTS, "instructions.tsv")
    good = recorded.check(path, lambda name: counter.instructions("quorate", by_name[name]))
    counter.stop()
    return 0 if good else 1


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--build", default="build", help="the folder with the built programs")
    arguments.add_argument("--mode", choices=("full", "quick", "check"), default="full")
    arguments = arguments.parse_args()
    _require_programs()
    program = os.path.abspath(os.path.join(arguments.build, "quorate"))
    memcached_load = os.path.abspath(os.path.join(arguments.build, "memcached_load"))

    raise_descriptor_limit()
    folder = make_work_folder()
    placement = Placement()
    placement.pin_self()
    counter = Counter(folder, placement, program, memcached_load)
    if arguments.mode == "check":
        return _check(counter)

    quick = arguments.mode == "quick"
    results = os.path.join(arguments.build, "bench-results") if quick else RESULTS
    # Many short rounds: how the load's connections fall into step differs from run to run by more
    # than it wanders within one.
    seconds, rounds = (0.25, 1) if quick else (0.7, 9)
    os.makedirs(results, exist_ok=True)
    started = time.monotonic()
    counts = _count_all(counter, [case for case in CASES if case.target or not quick])
    counter.stop()
    memory_figures = memory.measure(folder, placement, program)
    with open(os.path.join(results, "side_by_side.raw"), "w", encoding="utf-8") as raw:
        comparison = SideBySide(folder, placement, program, memcached_load, seconds, rounds, raw)
        rows = comparison.run(workloads.ALL)
    placement.other_cores = comparison.other_cores

    measured = f"{rounds} round{'s' if rounds > 1 else ''} of {seconds:g} s for each figure"
    short = report.write_page(os.path.join(results, "side_by_side.md"), rows, counts,
                              memory_figures, program, placement, measured)
    report.write_rows(os.path.join(results, "side_by_side.tsv"), rows)
    recorded.write(os.path.join(results, "instructions.tsv"), counts)
    plot.draw(os.path.join(results, "side_by_side.png"), rows,
              f"{report.machine_line()}; {placement.describe()}")
    print(f"{results}/side_by_side.md, after {(time.monotonic() - started) / 60:.0f} minutes")
    print("not reached:" if short else "everything is reached")
    for line in short:
        print("  " + line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
