"""The first minute: `quorate playground` shows a command going through each kind of pool, every line
that it prints to type next works as printed, and nothing of it outlives it.
"""

import json
import os
import re
import shlex
import signal

import harness
from harness import QUORATE, run, wait_until


def lives(pid):
    """A process that has not ended; one that ended and was not waited for has."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(") ", 1)[1][0] not in "ZX"
    except FileNotFoundError:
        return False


class Playground(harness.Test):
    def playground(self, *options):
        ready = self.path("ready.json")
        child = self.spawn([QUORATE, "playground", "--ready-file", ready, *options],
                           self.path("playground.log"), env=self.env)
        wait_until(lambda: os.path.exists(ready) or not child.runs(), "the playground", 60)
        self.assertTrue(child.runs(), child.log())
        with open(f"/proc/{child.pid}/task/{child.pid}/children") as file:
            processes = [int(pid) for pid in file.read().split()]
        self.assertEqual(len(processes), 7)  # three servers of each kind, and the proxy
        return child, processes

    def test_it_shows_a_command_through_each_and_what_it_says_to_type_next_works(self):
        child, _ = self.playground()
        shown = child.log()
        self.assertIn("  > SET greeting hello\n    +OK\n  > GET greeting\n    $5\n    hello\n", shown)
        self.assertIn("    STORED\n  > get greeting\n    VALUE greeting 0 5\n    hello\n    END\n", shown)
        lines = re.findall(r"^  (\S.*)$", shown.split("Try next:\n")[1], re.MULTILINE)
        said = {}
        for line in lines:
            words = shlex.split(line, comments=True)
            done = run(*words)
            self.assertEqual(done.returncode, 0, f"{line}\n{done.stderr}")
            said[words[0] + " " + words[3 if words[0] == "redis-cli" else 1]] = done.stdout
        self.assertEqual(said["redis-cli MSET"], "OK\n")
        self.assertEqual(said["redis-cli MGET"], "1\n2\n3\n")
        self.assertIn("hello", said[next(name for name in said if name.startswith("memccat"))])
        self.assertIn("greeting", said[QUORATE + " ring"])
        self.assertEqual({pool["name"] for pool in json.loads(said["curl -s"])["pools"]},
                         {"cache", "pages"})

    def test_control_c_ends_all_of_it(self):
        child, processes = self.playground()
        child.signal(signal.SIGINT)
        self.assertEqual(child.process.wait(60 * harness.PATIENCE), 0)
        self.assertEqual([pid for pid in processes if lives(pid)], [])

    def test_killed_it_leaves_no_orphan(self):
        child, processes = self.playground("--json")
        facts = json.loads(child.log())
        self.assertEqual(len(facts["redis_servers"] + facts["memcached_servers"]), 6)
        child.kill()
        wait_until(lambda: not any(lives(pid) for pid in processes), "its children to end")


if __name__ == "__main__":
    harness.main()
