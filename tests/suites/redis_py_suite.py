"""redis-py's own tests: the same files against redis-server itself, and against quorate over one and over
three of them. Prints a table of the files, and each test that does not end through quorate as it ends
without.

    redis_py_suite.py --sources FOLDER [--file NAME …] [--target direct one three]

Left out are tests that are about Redis Cluster, modules, TLS, replicas, or no server at all.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../integration"))
import harness  # noqa: E402
import sources  # noqa: E402

FILES = """commands pipeline pubsub lock scripting function encoding connection connection_pool monitor
multiprocessing asyncio/test_commands asyncio/test_pipeline asyncio/test_pubsub asyncio/test_lock
asyncio/test_scripting asyncio/test_connection asyncio/test_connection_pool""".split()
BACKENDS = {"direct": 0, "one": 1, "three": 3}
MARKS = "not onlycluster and not redismod and not ssl and not cp_integration and not replica"
SETTINGS = """[pytest]
asyncio_mode = auto
timeout = 30
markers = redismod
    pipeline
    onlycluster
    onlynoncluster
    ssl
    asyncio
    replica
    experimental
    cp_integration
"""


class Stage(harness.Test):
    def runTest(self):
        pass


def run_file(tree, name, target, folder):
    """{test: (how it ended, in its words)}."""
    stage = Stage()
    stage.setUp()
    try:
        servers = [stage.redis("--enable-debug-command", "yes")
                   for _ in range(max(1, BACKENDS[target]))]
        address = servers[0].address
        if BACKENDS[target]:
            users = "user default on nopass ~* &* +@all"
            address = stage.quorate({"p": {"backends": [one.address for one in servers],
                                           "users": users}}, workers=2).address()
        found = os.path.join(folder, "found.xml")
        settings = os.path.join(folder, "pytest.ini")
        with open(settings, "w") as file:
            file.write(SETTINGS)
        path = name.replace("asyncio/", "tests/test_asyncio/") if "/" in name else f"tests/test_{name}"
        subprocess.run([sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c",
                        settings, "--rootdir", tree, "--junitxml", found, "-m", MARKS,
                        "--redis-url", f"redis://{address}/0", f"{path}.py"], cwd=tree,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False,
                       timeout=1800, preexec_fn=harness.die_with_parent)
    finally:
        stage.doCleanups()
    ends = {}
    for case in xml.etree.ElementTree.parse(found).iter("testcase"):
        words = {child.tag: child.get("message", "").splitlines()[:1] for child in case}
        how = "failed" if words.keys() & {"failure", "error"} else \
            "skipped" if "skipped" in words else "passed"
        ends[f"{case.get('classname')}.{case.get('name')}"] = how, "".join(sum(words.values(), []))
    return ends


def main():
    arguments = argparse.ArgumentParser(description=__doc__,
                                        formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--sources", required=True)
    arguments.add_argument("--file", nargs="+", default=FILES)
    arguments.add_argument("--target", nargs="+", default=list(BACKENDS), choices=list(BACKENDS))
    given = arguments.parse_args()
    # bookworm's own source package may be gone from mirrors; the client of today is used as well.
    tree = sources.fetch("python-redis", given.sources, "sid", "redis-py")
    if tree is None:
        return 1
    print(f"| file | {' | '.join(given.target)} |\n|---{'|---' * len(given.target)}|", flush=True)
    sums = dict.fromkeys(given.target, 0)
    differences = []
    with tempfile.TemporaryDirectory() as folder:
        for name in given.file:
            ends = {target: run_file(tree, name, target, folder) for target in given.target}
            passed = {target: sum(how == "passed" for how, _ in ends[target].values())
                      for target in given.target}
            print(f"| {name} | {' | '.join(str(passed[one]) for one in given.target)} |", flush=True)
            for target in given.target:
                sums[target] += passed[target]
                without = ends[given.target[0]]
                differences += [f"{target}: {test}: {how}: {why}"
                                for test, (how, why) in ends[target].items()
                                if how != without.get(test, ("",))[0]]
    print(f"| all | {' | '.join(str(sums[one]) for one in given.target)} |\n")
    print("\n".join(differences))
    return 0


if __name__ == "__main__":
    sys.exit(main())
