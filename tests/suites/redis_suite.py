"""Redis' own test suite in its external-server mode: the same units against redis-server itself, and
against quorate over one and over three of them. Prints a table of the units, and each test that
does not end through quorate as it ends without.

    redis_suite.py --sources FOLDER [--unit NAME …] [--target direct one three]

Each unit has servers of its own, and a time: a test that says nothing for that long ends it.
"""

import argparse
import collections
import os
import random
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../integration"))
import harness  # noqa: E402
import sources  # noqa: E402

UNITS = """dump auth protocol keyspace scan info info-command type/string type/incr type/list
type/list-2 type/list-3 type/set type/zset type/hash type/stream type/stream-cgroups sort expire
other multi quit acl acl-v2 latency-monitor pubsub pubsubshard slowlog scripting functions maxmemory
introspection introspection-2 limits obuf-limits bitops bitfield geo memefficiency hyperloglog
lazyfree wait pause querybuf pendingquerybuf tracking networking cluster client-eviction violations
replybufsize cluster-scripting""".split()

BACKENDS = {"direct": 0, "one": 1, "three": 3}

# Over several backends PING is the proxy's own, and these wait for its -BUSY. When they fail their
# script goes on for ever, and with it whatever comes behind.
NOT_OVER_SEVERAL = ["/script timeout", "/^Timedout", "/test function kill$", "/kill not working on"]

LINE = re.compile(r"^\[(ok|err|exception|TIMEOUT)\]: (.*)$")
COLOR = re.compile(r"\x1b\[[0-9;]*m")


class Stage(harness.Test):
    def runTest(self):
        pass


def run_unit(tree, unit, target, seconds):
    """({test: how it ended}, the whole transcript)."""
    stage = Stage()
    stage.setUp()
    try:
        count = BACKENDS[target]
        servers = []
        for number in range(max(1, count)):
            folder = stage.path(f"server-{number}")  # of its own: they save there
            os.mkdir(folder)
            servers.append(stage.redis("--enable-debug-command", "yes", "--enable-protected-configs",
                                       "yes", "--enable-module-command", "yes", "--dir", folder))
        address = servers[0].address
        if count:
            users = "user default on nopass ~* &* +@all"
            # The suite keeps its server busy for seconds at a time, on purpose.
            proxy = stage.quorate({"p": {"backends": [s.address for s in servers], "users": users,
                                         "request_timeout": "5m", "eject_after": 0}}, workers=2)
            address = proxy.address()
        host, port = address.rsplit(":", 1)
        tags = "-needs:repl"
        command = ["tclsh", "tests/test_helper.tcl", "--host", host, "--port", port, "--single",
                   f"unit/{unit}", "--timeout", str(seconds), "--clients", "1", "--dont-clean",
                   "--durable", "--baseport", str(random.randrange(12000, 30000))]
        if count > 1:
            command.append("--singledb")
            tags += " -cluster:skip"
            for name in NOT_OVER_SEVERAL:
                command += ["--skiptest", name]
        command += ["--tags", tags]
        done = subprocess.run(command, cwd=tree, text=True, errors="replace", check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=seconds * 40)
        text = COLOR.sub("", done.stdout)
    except subprocess.TimeoutExpired as late:
        text = COLOR.sub("", (late.stdout or b"").decode(errors="replace"))
    finally:
        for child in stage.children:
            child.kill()
        for one in stage.proxies:
            one.kill()
        stage.doCleanups()
    ends = {}
    seen = collections.Counter()
    for line in text.split("The End")[0].splitlines():  # what failed is told again behind it
        found = LINE.match(line)
        if not found:
            continue
        how, name = found.groups()
        if how == "ok":
            name = re.sub(r" \(\d+ ms\)$", "", name)
        elif how == "err":
            name = name.split(" in tests/")[0]
        else:
            name = f"({how})"
        seen[name] += 1  # some run twice: once as scripts, once as functions
        ends[name if seen[name] == 1 else f"{name} (run {seen[name]})"] = how
    return ends, text


def main():
    words = argparse.ArgumentParser()
    words.add_argument("--sources", required=True)
    words.add_argument("--unit", nargs="*", default=UNITS)
    words.add_argument("--target", nargs="*", default=list(BACKENDS))
    words.add_argument("--seconds", type=int, default=45)
    words.add_argument("--logs", help="a folder for the transcripts")
    asked = words.parse_args()
    tree = sources.fetch("redis", asked.sources)
    if tree is None:
        sys.exit(1)
    for program in ("redis-server", "redis-cli", "redis-benchmark"):
        link = os.path.join(tree, "src", program)
        if not os.path.exists(link):
            os.symlink(f"/usr/bin/{program}", link)
    logs = asked.logs or tempfile.mkdtemp(prefix="quorate-suite-")
    os.makedirs(logs, exist_ok=True)
    totals = collections.Counter()
    print(f"transcripts: {logs}\n")
    print("| unit | " + " | ".join(asked.target) + " |")
    print("|---" * (1 + len(asked.target)) + "|", flush=True)
    differing = []
    for unit in asked.unit:
        ends = {}
        for target in asked.target:
            ends[target], text = run_unit(tree, unit, target, asked.seconds)
            with open(os.path.join(logs, f"{unit.replace('/', '_')}-{target}.log"), "w") as file:
                file.write(text)
        passed = {t: sum(how == "ok" for how in e.values()) for t, e in ends.items()}
        totals.update(passed)
        print(f"| {unit} | " + " | ".join(str(passed[t]) for t in asked.target) + " |", flush=True)
        for target, own in ends.items():
            if target == "direct" or "direct" not in ends:
                continue
            for name, how in own.items():
                if how != "ok" and ends["direct"].get(name) != how:
                    differing.append(f"{unit}, {target}: {how}: {name}")
            for name, how in ends["direct"].items():
                if how == "ok" and name not in own and target == "one":
                    differing.append(f"{unit}, {target}: not run: {name}")
    print("| all | " + " | ".join(str(totals[t]) for t in asked.target) + " |\n")
    print("\n".join(differing))


main()
