"""memcached's own tests, t/*.t, against memcached and against quorate in front of one and of three, and
memccapable's capability tests. Prints a table of the files that differ, and each assertion that does
not hold through quorate and does without.

    memcached_suite.py --sources FOLDER [--file NAME …] [--target direct one three]

Each file has its time; TLS, SASL's own library, extstore's disk and the servers' internals are what
the files themselves leave out or ask for.
"""

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../integration"))
import harness  # noqa: E402
import sources  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
LINE = re.compile(r"^(ok|not ok) (\d+)(?: - (.*))?$")
BACKENDS = {"direct": 0, "one": 1, "three": 3}
LISTENS_EVERYWHERE = "stats-conns.t"  # starts a server on 0.0.0.0: only when it is asked for


def prepare(tree):
    """What the tests expect their own build to have made."""
    program = os.path.join(tree, "memcached-debug")
    if not os.path.lexists(program):
        os.symlink(os.path.join(HERE, "memcached_behind_quorate"), program)
    timed = os.path.join(tree, "timedrun")
    if not os.path.exists(timed):
        subprocess.run(["cc", "-o", timed, os.path.join(tree, "timedrun.c")], check=True,
                       capture_output=True)


def run_file(tree, name, target, seconds):
    program = harness.QUORATE if BACKENDS[target] else ""
    environment = dict(os.environ, QUORATE=program, QUORATE_BACKENDS=str(BACKENDS[target]))
    with subprocess.Popen(["perl", f"t/{name}"], cwd=tree, env=environment, text=True,
                          errors="replace", stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          start_new_session=True, preexec_fn=harness.die_with_parent) as test:
        try:
            text = test.communicate(timeout=seconds)[0]
        except subprocess.TimeoutExpired as late:
            text = (late.stdout or b"").decode(errors="replace") + "\nTIMEOUT\n"
        finally:
            os.killpg(test.pid, signal.SIGKILL)  # its servers, too
    ends = {}
    for line in text.splitlines():
        found = LINE.match(line)
        if found:
            ends[found.group(2)] = (found.group(1) == "ok", found.group(3) or "")
    return ends, text


def capabilities(target):
    """How many of memccapable's tests pass, and which do not."""
    stage = type("Stage", (harness.Test,), {"runTest": lambda self: None})()
    stage.setUp()
    try:
        servers = [stage.memcached().address for _ in range(max(1, BACKENDS[target]))]
        address = servers[0]
        if BACKENDS[target]:
            proxy = stage.quorate({"p": {"protocol": "memcached", "backends": servers}})
            address = proxy.address()
        host, port = address.rsplit(":", 1)
        done = subprocess.run(["memccapable", "-h", host, "-p", port], text=True, timeout=120,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        return [line for line in done.stdout.splitlines() if line.endswith("[pass]")], \
            [line for line in done.stdout.splitlines() if "[FAIL]" in line]
    finally:
        for one in stage.proxies:
            one.kill()
        stage._end_children = lambda: [child.kill() for child in stage.children]
        for child in stage.children:
            child.kill()


def main():
    words = argparse.ArgumentParser()
    words.add_argument("--sources", required=True)
    words.add_argument("--file", nargs="*")
    words.add_argument("--target", nargs="*", default=list(BACKENDS))
    words.add_argument("--seconds", type=int, default=120)
    words.add_argument("--logs")
    asked = words.parse_args()
    for target in asked.target:
        passed, failed = capabilities(target)
        print(f"memccapable, {target}: {len(passed)} pass, {len(failed)} fail", *failed, sep="\n  ")
    tree = sources.fetch("memcached", asked.sources)
    if tree is None:
        sys.exit(1)
    prepare(tree)
    logs = asked.logs or tempfile.mkdtemp(prefix="quorate-suite-")
    os.makedirs(logs, exist_ok=True)
    files = asked.file or sorted(name for name in os.listdir(os.path.join(tree, "t"))
                                 if name.endswith(".t") and name != LISTENS_EVERYWHERE)
    totals = dict.fromkeys(asked.target, 0)
    differing = []
    print(f"transcripts: {logs}\n\n| file | " + " | ".join(asked.target) + " |")
    print("|---" * (1 + len(asked.target)) + "|", flush=True)
    for name in files:
        ends = {}
        for target in asked.target:
            ends[target], text = run_file(tree, name, target, asked.seconds)
            with open(os.path.join(logs, f"{name}-{target}.log"), "w") as file:
                file.write(text)
        passed = {t: sum(good for good, _ in e.values()) for t, e in ends.items()}
        for target, count in passed.items():
            totals[target] += count
        if len(set(passed.values())) > 1:
            print(f"| {name} | " + " | ".join(str(passed[t]) for t in asked.target) + " |",
                  flush=True)
        for target in ends:
            for number, (good, what) in ends.get("direct", {}).items():
                through = ends[target].get(number)
                if good and (through is None or not through[0]):
                    how = "not run" if through is None else "not ok"
                    differing.append(f"{name}, {target}: {how} {number}: {what}")
    print("| all | " + " | ".join(str(totals[t]) for t in asked.target) + " |\n")
    print("\n".join(differing))


main()
