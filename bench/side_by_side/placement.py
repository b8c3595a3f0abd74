"""Which core runs what: proxies have the last core for themselves, servers and load the others.

Left to the scheduler, the three processes of a run are now on one core, now on two, and a wake-up
across cores costs several microseconds: one and the same proxy then takes 2.9 or 7.3 us of CPU for a
GET, and the ratio of two proxies wandered from 0.4 to 1.1 between rounds. Pinned, rounds agree within
a few percent. A proxy apart from servers and load is also the less flattering choice: with all on one
core everything that is asked at once is served at once, and quorate's ratio is lower by a fifth.
"""
import os


class Placement:
    def __init__(self):
        cores = sorted(os.sched_getaffinity(0))
        self.is_pinned = len(cores) > 1
        self._proxies = {cores[-1]}
        self._others = set(cores[:-1]) if self.is_pinned else set(cores)

    def pin_self(self):
        """This process, and what it starts from now on: servers and load."""
        os.sched_setaffinity(0, self._others)

    def pin_proxy(self, child):
        for thread in os.listdir(f"/proc/{child.pid}/task"):
            os.sched_setaffinity(int(thread), self._proxies)

    def describe(self):
        if not self.is_pinned:
            return "one core for everything"
        return "the proxy on a core of its own, servers and load on the other core(s)"


def busy_ns():
    """CPU time that the whole machine was busy, in nanoseconds."""
    with open("/proc/stat", encoding="ascii") as file:
        fields = [int(word) for word in file.readline().split()[1:9]]
    user, nice, system, _idle, _iowait, irq, softirq, steal = fields
    return (user + nice + system + irq + softirq + steal) * 1_000_000_000 // os.sysconf("SC_CLK_TCK")
